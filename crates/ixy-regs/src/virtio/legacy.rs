//! The legacy interface: registers in BAR 0, a BAR of ports (section 4.1.4.10).
//!
//! [`Registers`] come first. With MSI-X enabled, the two of [`Msix`] follow at [`Registers::SIZE`], and the device's own
//! configuration after them ([`DEVICE_CONFIG_WITH_MSIX`]); without it, the configuration follows at once
//! ([`DEVICE_CONFIG`]). So its place changes when MSI-X is turned on or off.

use crate::registers;
use crate::virtio::fields::{ISR, STATUS};

/// The offset of the device's own configuration in BAR 0 while MSI-X is off, in bytes.
pub const DEVICE_CONFIG: u32 = 20;

/// The offset of the device's own configuration in BAR 0 while MSI-X is on, in bytes.
pub const DEVICE_CONFIG_WITH_MSIX: u32 = 24;

registers! {
    /// The registers of every legacy device.
    ///
    /// [`queue_address`](Self::queue_address) takes the ring's address in pages
    /// ([`LEGACY_PAGE`](super::LEGACY_PAGE)), or 0 for no ring. [`device_status`](Self::device_status) is marked
    /// `dma` because it enables all queues, and because the features negotiated before it decide how the device
    /// reads them.
    pub unsafe struct Registers, 20;

    0 DEVICE_FEATURES "4.1.4.10" => device_features: u32, RO;
    4 DRIVER_FEATURES "4.1.4.10" => driver_features: u32, RW;
    8 QUEUE_ADDRESS "4.1.4.10" => queue_address: u32, RW dma;
    12 QUEUE_SIZE "4.1.4.10" => queue_size: u16, RO;
    14 QUEUE_SELECT "4.1.4.10" => queue_select: u16, RW;
    16 QUEUE_NOTIFY "4.1.4.10" => queue_notify: u16, RW dma;
    18 DEVICE_STATUS "4.1.4.10" => device_status: u8 STATUS, RW dma;
    19 ISR_STATUS "4.1.4.10" => isr_status: u8 ISR, RC;
}

registers! {
    /// The registers after them while MSI-X is on. [`NO_VECTOR`](super::NO_VECTOR) means no vector, also when the
    /// device could not do what was asked.
    pub unsafe struct Msix, 4;

    0 CONFIG_MSIX_VECTOR "4.1.4.10" => config_msix_vector: u16, RW;
    2 QUEUE_MSIX_VECTOR "4.1.4.10" => queue_msix_vector: u16, RW;
}
