//! The fields of virtio's registers.

// The macro makes types, constants and enums of its own, and gives no place for their documentation.
#![allow(missing_docs)]

use tock_registers::register_bitfields;

register_bitfields! { u8,
    /// How far the driver is, and whether the device still works (section 2.1). Writing 0 resets the device.
    pub STATUS [
        /// The driver has seen the device.
        ACKNOWLEDGE OFFSET(0) NUMBITS(1) [],
        /// The driver knows how to drive it.
        DRIVER OFFSET(1) NUMBITS(1) [],
        /// The driver is ready: the device may use the queues.
        DRIVER_OK OFFSET(2) NUMBITS(1) [],
        /// Features are agreed on: the device clears it again when it does not like them.
        FEATURES_OK OFFSET(3) NUMBITS(1) [],
        /// The device met an error from which only a reset helps (specification: DEVICE_NEEDS_RESET).
        NEEDS_RESET OFFSET(6) NUMBITS(1) [],
        /// The driver has given up.
        FAILED OFFSET(7) NUMBITS(1) [],
    ],

    /// Why the device interrupted (section 4.1.4.5).
    pub ISR [
        /// A queue has used buffers.
        QUEUE OFFSET(0) NUMBITS(1) [],
        /// The device configuration changed.
        CONFIG OFFSET(1) NUMBITS(1) [],
    ],

    /// Whether both ends send at a time (section 5.1.4).
    pub DUPLEX [
        /// The mode; any other value means that it is not known.
        MODE OFFSET(0) NUMBITS(8) [
            HALF = 0,
            FULL = 1,
            UNKNOWN = 0xFF,
        ],
    ],
}

register_bitfields! { u16,
    /// The state of a network device (section 5.1.4).
    pub NET_STATUS [
        /// There is a link.
        LINK_UP OFFSET(0) NUMBITS(1) [],
        /// The driver is asked to announce itself to the network.
        ANNOUNCE OFFSET(1) NUMBITS(1) [],
    ],
}
