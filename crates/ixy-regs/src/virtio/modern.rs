//! The structures of version 1.0 and later, found through PCI capabilities (section 4.1.4).

use crate::bus::Bus;
use crate::registers;
use crate::virtio::fields::{ISR, STATUS};
use crate::window::{Refused, Window};

registers! {
    /// The common configuration (section 4.1.4.3). Registers from [`queue_size`](Self::queue_size) on are those of the
    /// queue that [`queue_select`](Self::queue_select) chose.
    ///
    /// Two registers marked `dma` hold no address: [`device_status`](Self::device_status) enables all queues, and
    /// [`queue_size`](Self::queue_size) limits how far after its addresses the device reads and writes.
    pub unsafe struct CommonConfig, 0x38;

    0x00 DEVICE_FEATURE_SELECT "4.1.4.3" => device_feature_select: u32, RW;
    0x04 DEVICE_FEATURE "4.1.4.3" => device_feature: u32, RO;
    0x08 DRIVER_FEATURE_SELECT "4.1.4.3" => driver_feature_select: u32, RW;
    0x0C DRIVER_FEATURE "4.1.4.3" => driver_feature: u32, RW;
    0x10 CONFIG_MSIX_VECTOR "4.1.4.3" => config_msix_vector: u16, RW;
    0x12 NUM_QUEUES "4.1.4.3" => num_queues: u16, RO;
    0x14 DEVICE_STATUS "4.1.4.3" => device_status: u8 STATUS, RW dma;
    0x15 CONFIG_GENERATION "4.1.4.3" => config_generation: u8, RO;
    0x16 QUEUE_SELECT "4.1.4.3" => queue_select: u16, RW;
    0x18 QUEUE_SIZE "4.1.4.3" => queue_size: u16, RW dma;
    0x1A QUEUE_MSIX_VECTOR "4.1.4.3" => queue_msix_vector: u16, RW;
    0x1C QUEUE_ENABLE "4.1.4.3" => queue_enable: u16, RW dma;
    0x1E QUEUE_NOTIFY_OFF "4.1.4.3" => queue_notify_off: u16, RO;
    0x20 QUEUE_DESC_LO "4.1.4.3" => queue_desc_lo: u32, RW dma;
    0x24 QUEUE_DESC_HI "4.1.4.3" => queue_desc_hi: u32, RW dma;
    0x28 QUEUE_DRIVER_LO "4.1.4.3" => queue_driver_lo: u32, RW dma;
    0x2C QUEUE_DRIVER_HI "4.1.4.3" => queue_driver_hi: u32, RW dma;
    0x30 QUEUE_DEVICE_LO "4.1.4.3" => queue_device_lo: u32, RW dma;
    0x34 QUEUE_DEVICE_HI "4.1.4.3" => queue_device_hi: u32, RW dma;
}

registers! {
    /// The part of the common configuration after [`CommonConfig`] with NOTIF_CONFIG_DATA (section 4.1.4.3). The
    /// window starts where that of [`CommonConfig`] does.
    pub unsafe struct NotifyData, 0x3A;

    0x38 QUEUE_NOTIFY_DATA "4.1.4.3" => queue_notify_data: u16, RO;
}

registers! {
    /// The part of the common configuration after [`NotifyData`] with RING_RESET (section 4.1.4.3). The window
    /// starts where that of [`CommonConfig`] does.
    pub unsafe struct QueueReset, 0x3C;

    0x3A QUEUE_RESET "4.1.4.3" => queue_reset: u16, RW;
}

registers! {
    /// The interrupt status (section 4.1.4.5).
    pub unsafe struct Isr, 1;

    0 ISR_STATUS "4.1.4.5" => isr_status: u8 ISR, RC;
}

/// The doorbell of one queue in the notification structure (section 4.1.4.4).
#[derive(Debug, Clone)]
pub struct Notify<B> {
    window: Window<B>,
}

impl<B: Bus> Notify<B> {
    /// The doorbell at `offset` in the notification structure `bus`: the queue's QUEUE_NOTIFY_OFF times the
    /// structure's multiplier.
    ///
    /// # Errors
    /// The offset is odd, or the structure ends before it.
    pub fn new(bus: B, offset: u32) -> Result<Self, Refused> {
        Ok(Self { window: Window::new(bus, offset, 2)? })
    }

    /// Notifies the device that queue `queue` has new buffers (section 4.1.5.2).
    ///
    /// With NOTIF_CONFIG_DATA the number is QUEUE_NOTIFY_DATA. With NOTIFICATION_DATA this method does not work.
    ///
    /// # Safety
    /// ARMED-ONLY: what the queue makes available to the device is memory that its driver has given to it.
    #[inline(always)]
    pub unsafe fn ring(&self, queue: u16) {
        // SAFETY: BUS-WINDOW: the window has two bytes, and starts at an even offset. The rest is as the caller
        // promises.
        unsafe { self.window.write16(0, queue) }
    }
}
