//! The packed ring (section 2.8): one ring of descriptors that driver and device both write, and for each side two
//! words with its notification requests.
//!
//! The driver makes a descriptor available with different flags, AVAIL equal to its wrap counter; the device
//! overwrites it, with the buffer's id and both flags equal to its own counter. Counters start at 1 and flip when
//! the ring wraps around.

use zerocopy::little_endian::{U16, U32, U64};

use super::DescriptorFlags;

structure! {
    /// A descriptor (section 2.8.13; specification: `struct pvirtq_desc`).
    Descriptor, 16 {
        /// The device's address of the piece of memory.
        0 addr: U64,
        /// Its length in bytes; from the device, the number of bytes written.
        8 len: U32,
        /// The buffer's id, which the driver chooses.
        12 id: U16,
        /// See [`DescriptorFlags`].
        14 flags: U16,
    }
}

structure! {
    /// The notifications that one side wants (section 2.8.14; specification: `struct pvirtq_event_suppress`).
    EventSuppression, 4 {
        /// With [`EventFlags::DESC`]: the descriptor, and in bit 15 the wrap counter of its round.
        0 desc: U16,
        /// See [`EventFlags`].
        2 flags: U16,
    }
}

impl Descriptor {
    /// The descriptor with these two words.
    pub const fn from_words(words: [u64; 2]) -> Self {
        zerocopy::transmute!([U64::new(words[0]), U64::new(words[1])])
    }
}

/// A descriptor as two words: `len` bytes at `addr`, in the buffer `id` (section 2.8.13).
#[inline(always)]
pub const fn descriptor(addr: u64, len: u32, id: u16, flags: DescriptorFlags) -> [u64; 2] {
    [addr, len as u64 | (id as u64) << 32 | (flags.bits() as u64) << 48]
}

/// When one side wants a notification (section 2.8.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventFlags(pub u16);

impl EventFlags {
    /// Always.
    pub const ENABLE: Self = Self(0);
    /// Never.
    pub const DISABLE: Self = Self(1);
    /// At the descriptor that is named beside it; with EVENT_IDX only.
    pub const DESC: Self = Self(2);

    /// All values that are not reserved, with their names (specification: `RING_EVENT_FLAGS_`).
    pub const ALL: [(&str, Self); 3] =
        [("ENABLE", Self::ENABLE), ("DISABLE", Self::DISABLE), ("DESC", Self::DESC)];
}
