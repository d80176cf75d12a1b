//! PCI capabilities that say where a device's structures are (section 4.1.4).
//!
//! Each is a vendor capability in the configuration space, and names BAR, offset and length of one structure. What a
//! device says here is not to be trusted: `Window` checks it against the BAR.
//!
//! ```
//! use ixy_regs::virtio::capability::{Capability, ConfigType, NotifyCapability};
//!
//! // As lspci -xxx shows it: the notification structure is in BAR 4, from 0x3000 on, and has 0x1000 bytes.
//! let bytes = [9, 0x64, 0x14, 2, 4, 0, 0, 0, 0, 0x30, 0, 0, 0, 0x10, 0, 0, 4, 0, 0, 0];
//! let capability = Capability::read(&bytes).unwrap();
//! assert_eq!(capability.config_type(), Some(ConfigType::Notify));
//! assert_eq!((capability.bar, capability.offset.get(), capability.length.get()), (4, 0x3000, 0x1000));
//! assert_eq!(NotifyCapability::read(&bytes).unwrap().notify_off_multiplier.get(), 4);
//! ```

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

/// The PCI capability id of vendor capabilities.
pub const VENDOR_CAPABILITY: u8 = 0x09;

/// The highest number of a BAR: a capability that names a higher one is to be ignored.
pub const LAST_BAR: u8 = 5;

structure! {
    /// Where a structure is (section 4.1.4; specification: `struct virtio_pci_cap`).
    Capability, 16 {
        /// The capability's id, [`VENDOR_CAPABILITY`].
        0 cap_vndr: u8,
        /// Where the next capability is in the configuration space, or 0.
        1 cap_next: u8,
        /// Bytes of the capability, including what follows these fields.
        2 cap_len: u8,
        /// Which structure it is, see [`ConfigType`].
        3 cfg_type: u8,
        /// The BAR that the structure is in, 0 to [`LAST_BAR`].
        4 bar: u8,
        /// Tells several structures of one type apart.
        5 id: u8,
        /// Unused.
        6 padding: [u8; 2],
        /// Where the structure starts in the BAR, in bytes.
        8 offset: U32,
        /// Bytes of the structure.
        12 length: U32,
    }
}

structure! {
    /// Where the notification structure is (section 4.1.4.4; specification: `struct virtio_pci_notify_cap`).
    NotifyCapability, 20 {
        /// Where.
        0 cap: Capability,
        /// Bytes between doorbells: a queue's QUEUE_NOTIFY_OFF times this is the offset of its doorbell in the structure.
        16 notify_off_multiplier: U32,
    }
}

/// The types of structures that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigType {
    /// The common configuration, [`CommonConfig`](super::modern::CommonConfig).
    Common = 1,
    /// Notifications, [`Notify`](super::modern::Notify).
    Notify = 2,
    /// The interrupt status, [`Isr`](super::modern::Isr).
    Isr = 3,
    /// The device's own configuration, such as [`net::Config`](super::net::Config).
    Device = 4,
    /// Access to the others through the configuration space.
    Pci = 5,
    /// Memory that device and driver share.
    SharedMemory = 8,
    /// Data of the device's vendor, whose capability has other fields than these.
    Vendor = 9,
}

impl ConfigType {
    /// All types.
    pub const ALL: [Self; 7] =
        [Self::Common, Self::Notify, Self::Isr, Self::Device, Self::Pci, Self::SharedMemory, Self::Vendor];
}

impl Capability {
    /// The capability whose bytes these are, or `None` when there are fewer than it takes, by `cap_len` too, or when it is
    /// no vendor capability. More bytes may follow.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (capability, _) = Self::read_from_prefix(bytes).ok()?;
        capability.has(size_of::<Self>()).then_some(capability)
    }

    /// What structure it is about; `None` when it is of a type that is reserved, and thus to be ignored.
    pub fn config_type(&self) -> Option<ConfigType> {
        ConfigType::ALL.into_iter().find(|&known| known as u8 == self.cfg_type)
    }

    const fn has(&self, bytes: usize) -> bool {
        self.cap_vndr == VENDOR_CAPABILITY && self.cap_len as usize >= bytes
    }
}

impl NotifyCapability {
    /// The capability whose bytes these are, as [`Capability::read`].
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (capability, _) = Self::read_from_prefix(bytes).ok()?;
        let is_notify = capability.cap.config_type() == Some(ConfigType::Notify);
        (is_notify && capability.cap.has(size_of::<Self>())).then_some(capability)
    }
}
