//! PCI capabilities with the places of a device's structures (section 4.1.4).
//!
//! Each is a vendor capability in the configuration space, and names BAR, offset and length of one structure.
//! These values are not trusted: `Window` checks them against the BAR.
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

/// The highest number of a BAR: ignore a capability that names a higher one.
pub const LAST_BAR: u8 = 5;

structure! {
    /// The place of a structure (section 4.1.4; specification: `struct virtio_pci_cap`).
    Capability, 16 {
        /// The capability's id, [`VENDOR_CAPABILITY`].
        0 cap_vndr: u8,
        /// The offset of the next capability in the configuration space, or 0.
        1 cap_next: u8,
        /// Size of the capability in bytes, including the data after these fields.
        2 cap_len: u8,
        /// The structure's type, see [`ConfigType`].
        3 cfg_type: u8,
        /// The BAR that the structure is in, 0 to [`LAST_BAR`].
        4 bar: u8,
        /// Distinguishes several structures of one type.
        5 id: u8,
        /// Unused.
        6 padding: [u8; 2],
        /// The offset of the structure in the BAR, in bytes.
        8 offset: U32,
        /// The size of the structure in bytes.
        12 length: U32,
    }
}

structure! {
    /// The place of the notification structure (section 4.1.4.4; specification: `struct virtio_pci_notify_cap`).
    NotifyCapability, 20 {
        /// Its place.
        0 cap: Capability,
        /// Bytes between doorbells: a queue's QUEUE_NOTIFY_OFF times this is the offset of its doorbell in the
        /// structure.
        16 notify_off_multiplier: U32,
    }
}

/// The types of structures.
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
    /// Access to the other structures through the configuration space.
    Pci = 5,
    /// Memory that device and driver share.
    SharedMemory = 8,
    /// Data of the device's vendor; this capability has other fields.
    Vendor = 9,
}

impl ConfigType {
    /// All types.
    pub const ALL: [Self; 7] =
        [Self::Common, Self::Notify, Self::Isr, Self::Device, Self::Pci, Self::SharedMemory, Self::Vendor];
}

impl Capability {
    /// Reads a capability from its bytes. `None` when there are too few, also by `cap_len`, or when it is not a
    /// vendor capability. More bytes may follow.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (capability, _) = Self::read_from_prefix(bytes).ok()?;
        capability.has(size_of::<Self>()).then_some(capability)
    }

    /// The type of the structure; `None` when the type is reserved, and the capability has to be ignored.
    pub fn config_type(&self) -> Option<ConfigType> {
        ConfigType::ALL.into_iter().find(|&known| known as u8 == self.cfg_type)
    }

    const fn has(&self, bytes: usize) -> bool {
        self.cap_vndr == VENDOR_CAPABILITY && self.cap_len as usize >= bytes
    }
}

impl NotifyCapability {
    /// Reads a capability from its bytes, like [`Capability::read`].
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (capability, _) = Self::read_from_prefix(bytes).ok()?;
        let is_notify = capability.cap.config_type() == Some(ConfigType::Notify);
        (is_notify && capability.cap.has(size_of::<Self>())).then_some(capability)
    }
}
