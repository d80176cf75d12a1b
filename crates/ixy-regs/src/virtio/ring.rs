//! Rings (virtqueues), through which driver and device exchange buffers.
//!
//! There are two kinds: [`split`] (section 2.7) and, where RING_PACKED is negotiated, [`packed`] (section 2.8). Both
//! have descriptors of 16 bytes, each of them a piece of memory; a chain of descriptors is a buffer. Descriptors are
//! given here as the two 64-bit words that a driver stores, and as structs for tests and models. Words are values,
//! not memory: in memory a word is little-endian, so `u64::to_le` goes before a store and `u64::from_le` after a
//! load.

pub mod packed;
pub mod split;

/// The most descriptors that a ring of either kind has (sections 2.7 and 2.8).
pub const MAX_SIZE: u16 = 32768;

/// Flag in the available ring: the device need not interrupt when it has used buffers (section 2.7.6).
pub const AVAIL_NO_INTERRUPT: u16 = 1;

/// Flag in the used ring: the driver need not notify when it makes buffers available (section 2.7.8).
pub const USED_NO_NOTIFY: u16 = 1;

bitflags::bitflags! {
    /// The flags of a descriptor. A split ring has the first three (section 2.7.5), a packed one all (section 2.8).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct DescriptorFlags: u16 {
        /// The buffer continues in another descriptor.
        const NEXT = 1 << 0;
        /// The device writes this piece; otherwise it reads it.
        const WRITE = 1 << 1;
        /// This piece is a table of descriptors.
        const INDIRECT = 1 << 2;
        /// Equal to the driver's wrap counter: the descriptor is available, if [`USED`](Self::USED) is the opposite.
        const AVAIL = 1 << 7;
        /// Equal to the device's wrap counter, as is [`AVAIL`](Self::AVAIL): the descriptor is used.
        const USED = 1 << 15;
    }
}
