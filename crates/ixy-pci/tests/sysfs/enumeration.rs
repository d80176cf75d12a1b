//! Listing devices.

use std::fs;

use ixy_pci::{Bar, BarKind, DeviceId, Error, Interface, Sysfs};

use crate::tree::{Tree, address};

#[test]
fn devices_are_listed_in_the_order_of_their_addresses() {
    let tree = Tree::new();
    for address in ["0000:0a:00.0", "0000:03:00.1", "0000:03:00.0", "10000:01:00.0"] {
        tree.add(address);
    }
    fs::create_dir(tree.path("sys/bus/pci/devices/not-an-address")).unwrap();
    let listed = tree.sysfs().devices().unwrap();
    let listed: Vec<String> = listed.iter().map(|device| device.address.to_string()).collect();
    assert_eq!(listed, ["0000:03:00.0", "0000:03:00.1", "0000:0a:00.0", "10000:01:00.0"]);
}

#[test]
fn a_device_tells_what_it_is_and_who_uses_it() {
    let tree = Tree::with_device();
    tree.bind("ixgbe");
    tree.write("numa_node", "1\n");
    tree.write("iommu_group/type", "DMA-FQ\n");
    tree.write("net/eth3/flags", "0x1003\n");
    tree.write("net/eth2/flags", "0x1002\n");
    let device = tree.sysfs().device(address()).unwrap();
    assert_eq!(device.id, DeviceId::new(0x8086, 0x10FB));
    assert_eq!(device.subsystem, Some(DeviceId::new(0x8086, 3)));
    assert_eq!(device.class, Some(0x02_0000));
    assert_eq!(device.driver.as_deref(), Some("ixgbe"));
    assert_eq!(device.numa_node, Some(1));
    assert_eq!(device.iommu.as_deref(), Some("DMA-FQ"));
    let interface = |name: &str, up| Interface { name: name.into(), up, default_route: false };
    assert_eq!(device.interfaces, [interface("eth2", false), interface("eth3", true)]);
}

#[test]
fn an_iommu_is_in_the_way_unless_it_lets_physical_addresses_through() {
    let tree = Tree::with_device();
    let behind = || tree.sysfs().device(address()).unwrap().behind_iommu();
    assert!(!behind(), "no IOMMU at all");
    for (kind, expected) in [("DMA", true), ("DMA-FQ", true), ("identity", false), ("blocked", true)] {
        tree.write("iommu_group/type", format!("{kind}\n"));
        assert_eq!(behind(), expected, "{kind}");
    }
}

#[test]
fn bars_are_listed_with_kind_and_size() {
    let tree = Tree::with_device();
    tree.write(
        "resource",
        "0x000000000000c040 0x000000000000c05f 0x0000000000040101\n\
         0x00000000febd1000 0x00000000febd1fff 0x0000000000040200\n\
         0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
         0x0000000000000000 0x000000000000001f 0x0000000020040101\n\
         0x00000000fe000000 0x00000000fe003fff 0x000000000014220c\n\
         0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
         0x00000000feb80000 0x00000000febbffff 0x000000000004e200\n",
    );
    let bar = |number, kind, len| Bar { number, kind, len };
    let expected =
        [bar(0, BarKind::Ports, 32), bar(1, BarKind::Memory, 4096), bar(4, BarKind::Memory, 16_384)];
    assert_eq!(tree.sysfs().bars(address()).unwrap(), expected, "the last line is an expansion ROM");
    fs::remove_file(tree.file("resource")).unwrap();
    assert_eq!(tree.sysfs().bars(address()).unwrap(), []);
}

#[test]
fn an_interface_below_a_virtio_device_is_found() {
    let tree = Tree::with_device();
    tree.write("virtio0/net/eth0/flags", "0x1003\n");
    let device = tree.sysfs().device(address()).unwrap();
    assert_eq!(device.interfaces, [Interface { name: "eth0".into(), up: true, default_route: false }]);
}

#[test]
fn what_a_device_need_not_say_may_be_missing() {
    let tree = Tree::with_device();
    for name in ["class", "subsystem_vendor", "subsystem_device", "numa_node", "resource"] {
        fs::remove_file(tree.file(name)).unwrap();
    }
    let device = tree.sysfs().device(address()).unwrap();
    assert_eq!((device.class, device.subsystem, device.numa_node, device.driver), (None, None, None, None));
    assert!(device.interfaces.is_empty());
}

#[test]
fn a_numa_node_of_minus_one_is_none() {
    let tree = Tree::with_device();
    tree.write("numa_node", "-1\n");
    assert_eq!(tree.sysfs().device(address()).unwrap().numa_node, None);
}

#[test]
fn a_file_that_is_not_as_the_kernel_writes_it_is_named() {
    for (name, contents) in [
        ("vendor", "8086\n"),
        ("device", "0x110fb\n"),
        ("vendor", ""),
        ("numa_node", "zero\n"),
        ("class", "0xnet\n"),
        ("class", "0x02\n\0\u{1b}[2J0000\n"),
    ] {
        let tree = Tree::with_device();
        tree.write(name, contents);
        let error = tree.sysfs().device(address()).unwrap_err();
        assert!(matches!(error, Error::BadAttribute { .. }), "{error}");
        assert!(error.to_string().contains(&format!("0000:03:00.0/{name} holds `")), "{error}");
        assert!(!error.to_string().contains(char::is_control), "{error:?} has to be one line");
    }
    let tree = Tree::with_device();
    fs::remove_file(tree.file("vendor")).unwrap();
    let error = tree.sysfs().device(address()).unwrap_err().to_string();
    assert!(error.contains("0000:03:00.0/vendor"), "{error}");

    // The list leaves it out, and has the others.
    tree.add("0000:04:00.0");
    let found: Vec<_> =
        tree.sysfs().devices().unwrap().iter().map(|device| device.address.to_string()).collect();
    assert_eq!(found, ["0000:04:00.0"]);
}

#[test]
fn a_machine_without_pci_is_an_error_that_names_the_directory() {
    let error = Sysfs::new("/nonexistent").devices().unwrap_err().to_string();
    assert!(error.contains("/nonexistent/sys/bus/pci/devices"), "{error}");
}
