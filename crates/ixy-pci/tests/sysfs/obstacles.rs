//! All obstacles to taking a device at once, and devices that share an IOMMU group.

use std::fs;
use std::os::unix::fs::symlink;

use ixy_pci::{Bar, BarKind, Device, DeviceId, Error, Neighbour, WhenInUse};

use crate::tree::{Tree, address};

const NEEDED: [Bar; 1] = [Bar { number: 0, kind: BarKind::Memory, len: 0x2_0000 }];

fn obstacles(tree: &Tree) -> Vec<Error> {
    let info = tree.sysfs().device(address()).unwrap();
    tree.sysfs().obstacles(&info, "ixgbe", &NEEDED, WhenInUse::Refuse)
}

/// The error when the device is taken.
fn refusal(tree: &Tree) -> String {
    let ids = [DeviceId::new(0x8086, 0x10FB)];
    let taken = Device::take(&tree.sysfs(), address(), "ixgbe", &ids, &NEEDED, WhenInUse::Refuse);
    taken.unwrap_err().to_string()
}

#[test]
fn a_device_that_can_be_taken_has_no_obstacles() {
    let tree = Tree::with_device();
    tree.bind("ixgbe");
    tree.write("net/eth7/flags", "0x1002\n");
    tree.write("power_state", "D0\n");
    assert!(obstacles(&tree).is_empty(), "{:?}", obstacles(&tree));
}

#[test]
fn all_obstacles_are_found_and_the_first_is_what_taking_fails_with() {
    let tree = Tree::with_device();
    tree.bind("ixgbe");
    tree.write("net/eth7/flags", "0x1003\n");
    tree.write("power_state", "D3hot\n");
    fs::File::options().write(true).open(tree.file("resource0")).unwrap().set_len(4096).unwrap();
    let before = fs::read(tree.file("config")).unwrap();
    let found = obstacles(&tree);
    assert!(
        matches!(
            found[..],
            [Error::InterfaceUp { .. }, Error::BarTooSmall { size: 4096, .. }, Error::Asleep { .. }]
        ),
        "{found:?}"
    );
    assert_eq!(refusal(&tree), found[0].to_string());
    assert_eq!(fs::read(tree.file("config")).unwrap(), before);
    assert_eq!(tree.unbound("ixgbe"), "");
}

#[test]
fn a_device_that_sleeps_is_not_taken_and_the_command_that_wakes_it_is_named() {
    let tree = Tree::with_device();
    tree.write("power_state", "D3cold\n");
    let text = refusal(&tree);
    assert!(text.contains("in the power state D3cold") && text.contains("echo on | sudo tee"), "{text}");
    assert!(text.contains(&tree.file("power/control").display().to_string()), "{text}");
    tree.write("power_state", "unknown\n");
    assert!(obstacles(&tree).is_empty());
}

#[test]
fn a_device_that_carries_the_default_route_is_refused_without_a_command() {
    let tree = Tree::with_device();
    tree.write("net/eth7/flags", "0x1003\n");
    tree.write("net/eth7/upper_br0/flags", "0x1003\n");
    fs::create_dir_all(tree.path("proc/net")).unwrap();
    let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";
    let route = "br0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
    fs::write(tree.path("proc/net/route"), format!("{head}{route}")).unwrap();
    let text = refusal(&tree);
    assert!(text.contains("default route") && text.contains("eth7"), "{text}");
    assert!(!text.contains('`') && !text.contains("--force"), "{text}");
}

#[test]
fn the_other_devices_of_a_group_are_listed_with_their_drivers() {
    let tree = Tree::with_device();
    assert_eq!(tree.sysfs().group(address()).unwrap(), None);
    let group = tree.path("sys/kernel/iommu_groups/12");
    fs::create_dir_all(group.join("devices")).unwrap();
    tree.add("0000:03:00.1");
    for name in ["0000:03:00.0", "0000:03:00.1"] {
        let device = tree.sysfs().path(name.parse().unwrap());
        symlink(&group, device.join("iommu_group")).unwrap();
        symlink(device, group.join("devices").join(name)).unwrap();
    }
    let found = tree.sysfs().group(address()).unwrap().unwrap();
    let other = Neighbour { address: "0000:03:00.1".parse().unwrap(), driver: None, is_network: true };
    assert_eq!((found.number, &found.neighbours[..]), (12, &[other.clone()][..]));
    assert!(!other.is_in_the_way());
    assert!(Neighbour { driver: Some("ixgbe".into()), ..other }.is_in_the_way());
}
