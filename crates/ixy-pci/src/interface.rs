//! The owner of a network interface of the kernel: [`InterfaceOwner`].

use std::fs;
use std::path::Path;

use crate::sysfs::{DeviceInfo, Sysfs};

/// The owner of a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceOwner {
    /// A PCI device, or a virtio device that is one.
    Pci(Box<DeviceInfo>),
    /// A device on a bus of this name, such as `usb`.
    Bus(String),
    /// A program: it is a TAP interface.
    Tap,
    /// No device. The text names the kind of interface: a bridge, a VLAN, the loopback interface.
    Nothing(&'static str),
}

/// The longest name of an interface: IFNAMSIZ without the zero at its end.
const LONGEST: usize = 15;

/// The type of the loopback interface (ARPHRD_LOOPBACK of the kernel's include/uapi/linux/if_arp.h).
const LOOPBACK: &str = "772";

impl Sysfs {
    /// The owner of the interface with this name; `None` when this network namespace has no such interface.
    pub fn interface_owner(&self, name: &str) -> Option<InterfaceOwner> {
        if name.is_empty() || name.len() > LONGEST || name.contains('/') || name == "." || name == ".." {
            return None;
        }
        let has_it = |info: &DeviceInfo| info.interfaces.iter().any(|interface| interface.name == name);
        if let Some(info) = self.devices().unwrap_or_default().into_iter().find(has_it) {
            return Some(InterfaceOwner::Pci(Box::new(info)));
        }
        let directory = self.root().join("sys/class/net").join(name);
        if !directory.is_dir() {
            return None;
        }
        if directory.join("device").exists() {
            let bus = fs::read_link(directory.join("device/subsystem")).ok();
            let bus = bus.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
            return Some(InterfaceOwner::Bus(bus.unwrap_or_else(|| "unknown".into())));
        }
        Some(without_device(&directory))
    }
}

/// The kind of an interface without a device.
fn without_device(directory: &Path) -> InterfaceOwner {
    let text = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
    if directory.join("tun_flags").exists() {
        return InterfaceOwner::Tap;
    }
    InterfaceOwner::Nothing(if directory.join("bridge").exists() {
        "a bridge"
    } else if directory.join("bonding").exists() {
        "a bond"
    } else if text("uevent").contains("DEVTYPE=vlan") {
        "a VLAN"
    } else if text("type").trim() == LOOPBACK {
        "the loopback interface"
    } else {
        "a virtual interface"
    })
}
