//! The devices that this driver drives, by PCI id (section 4.1.2).

/// The PCI vendor id of virtio devices.
pub const VENDOR: u16 = 0x1AF4;
/// A network device that has the legacy interface, and may have the modern one, too.
pub const TRANSITIONAL: u16 = 0x1000;
/// A network device that has the modern interface only: 0x1040 plus the virtio device type.
pub const MODERN: u16 = 0x1041;

/// The names and ids, for messages.
pub const NAMES: &str = "virtio network devices (1af4:1000 and 1af4:1041)";
