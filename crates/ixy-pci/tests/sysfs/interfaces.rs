//! The owners of the kernel's network interfaces.

use std::fs;
use std::os::unix::fs::symlink;

use ixy_pci::InterfaceOwner;

use crate::tree::{Tree, address};

#[test]
fn an_interface_leads_to_its_pci_device_also_through_the_virtio_bus() {
    let tree = Tree::with_device();
    for directory in ["net/eth7", "virtio0/net/eth8"] {
        tree.write(&format!("{directory}/flags"), "0x1003\n");
        let name = directory.rsplit('/').next().unwrap();
        let Some(InterfaceOwner::Pci(info)) = tree.sysfs().interface_owner(name) else {
            panic!("{name} has no owner");
        };
        assert_eq!(info.address, address());
    }
}

#[test]
fn an_interface_without_a_pci_device_is_told_apart_by_its_kind() {
    let tree = Tree::new();
    let net = tree.path("sys/class/net");
    for (name, file, text) in [
        ("br0", "bridge/bridge_id", ""),
        ("bond0", "bonding/mode", ""),
        ("tap0", "tun_flags", "0x1002\n"),
        ("vlan5", "uevent", "DEVTYPE=vlan\n"),
        ("lo", "type", "772\n"),
        ("veth0", "type", "1\n"),
        ("usb0", "device/uevent", ""),
    ] {
        let path = net.join(name).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    symlink("../../../bus/usb", net.join("usb0/device/subsystem")).unwrap();
    let owner = |name| tree.sysfs().interface_owner(name);
    for (name, kind) in [
        ("br0", "a bridge"),
        ("bond0", "a bond"),
        ("vlan5", "a VLAN"),
        ("lo", "the loopback interface"),
        ("veth0", "a virtual interface"),
    ] {
        assert_eq!(owner(name), Some(InterfaceOwner::Nothing(kind)), "{name}");
    }
    assert_eq!(owner("tap0"), Some(InterfaceOwner::Tap));
    assert_eq!(owner("usb0"), Some(InterfaceOwner::Bus("usb".into())));
}

#[test]
fn what_is_no_interface_has_no_owner() {
    let tree = Tree::with_device();
    fs::create_dir_all(tree.path("sys/class/net")).unwrap();
    for name in ["", ".", "..", "eth9", "../net", "a/b", "a-name-of-sixteen"] {
        assert_eq!(tree.sysfs().interface_owner(name), None, "`{name}`");
    }
}
