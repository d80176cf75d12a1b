//! Virtqueues, through which driver and device exchange buffers. [`Ring`] is a split or a packed one.
//!
//! The driver makes chains of descriptors available, each in a slot of its own, and the device reports each as
//! used, in any order. The driver keeps its state in memory that the device does not reach ([`slots`]). It never
//! reads back its own writes, and checks the device's before it uses them.

mod packed;
mod slots;
mod split;

use ixy_dma::{DmaSlice, Iova};

use packed::Packed;
use split::Split;

/// One descriptor: a piece of memory that is contiguous for the device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) iova: Iova,
    pub(crate) len: u32,
    /// Whether the device writes it; otherwise the device reads it.
    pub(crate) written: bool,
}

/// A chain that the device has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used {
    /// Its slot, which is free again.
    pub(crate) slot: u16,
    /// How many bytes the device claims to have written, unchecked. `None` when it does not say, as IN_ORDER
    /// allows: then it used the whole chain.
    pub(crate) len: Option<u32>,
}

/// The way in which the device broke a ring. The ring cannot be used any more, since the driver no longer knows
/// which buffers the device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingFault {
    /// The used index is further ahead than there are buffers in flight.
    #[error("its used index went from {from} to {to}, with {in_flight} buffers in flight")]
    Index {
        /// The last index.
        from: u16,
        /// The index now.
        to: u16,
        /// How many buffers the device had.
        in_flight: u16,
    },
    /// The id of a buffer that is not in flight.
    #[error("it reported buffer {id} as used, which it did not have")]
    Id {
        /// The id.
        id: u32,
    },
    /// The id of a buffer out of order, although the device negotiated IN_ORDER.
    #[error("it reported buffer {id} as used when at most {ready} were, though it offered to keep the order")]
    Order {
        /// The id.
        id: u32,
        /// How many buffers were used, from the oldest on.
        ready: u16,
    },
}

/// The negotiated use of a ring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Descriptors in the ring: a power of two for a split ring.
    pub(crate) size: u16,
    /// Descriptors in each chain, at least 1.
    pub(crate) links: u16,
    /// The most chains wanted in flight.
    pub(crate) chains: u16,
    pub(crate) packed: bool,
    pub(crate) event_idx: bool,
    pub(crate) in_order: bool,
    /// The alignment of the used part of a split ring.
    pub(crate) align: usize,
}

impl Shape {
    /// Size of the ring's memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        if self.packed { packed::bytes(self.size) } else { split::layout(self).total }
    }
}

/// The device's addresses of the three parts of a ring: descriptors, the part that the driver writes, the part
/// that the device writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Areas {
    pub(crate) descriptors: Iova,
    pub(crate) driver: Iova,
    pub(crate) device: Iova,
}

/// A ring of either kind.
#[derive(Debug)]
pub(crate) enum Ring {
    Split(Split),
    Packed(Packed),
}

impl Ring {
    /// An empty ring in `memory`, which is zeroed; `None` when `memory` is smaller than [`Shape::bytes`], or
    /// such a ring cannot have this shape.
    pub(crate) fn new(shape: Shape, memory: DmaSlice) -> Option<Self> {
        let possible = shape.size > 0 && shape.links > 0 && shape.chains > 0 && shape.links <= shape.size;
        if !possible || memory.len() < shape.bytes() {
            return None;
        }
        if shape.packed {
            return Some(Self::Packed(Packed::new(shape, memory)));
        }
        shape.size.is_power_of_two().then(|| Self::Split(Split::new(shape, memory)))
    }

    /// Its addresses for the device.
    pub(crate) fn areas(&self) -> Areas {
        match self {
            Self::Split(ring) => ring.areas(),
            Self::Packed(ring) => ring.areas(),
        }
    }

    /// The number of chains that fit in the ring.
    pub(crate) fn slots(&self) -> usize {
        match self {
            Self::Split(ring) => ring.slots.len(),
            Self::Packed(ring) => ring.slots.len(),
        }
    }

    /// The number of chains that still fit now.
    #[inline(always)]
    pub(crate) fn free(&self) -> usize {
        match self {
            Self::Split(ring) => ring.slots.free(),
            Self::Packed(ring) => ring.slots.free(),
        }
    }

    /// The number of chains in flight.
    #[inline(always)]
    pub(crate) fn in_flight(&self) -> usize {
        match self {
            Self::Split(ring) => ring.slots.in_flight(),
            Self::Packed(ring) => ring.slots.in_flight(),
        }
    }

    /// The slot that the next chain gets.
    #[inline(always)]
    pub(crate) fn next_slot(&self) -> Option<u16> {
        match self {
            Self::Split(ring) => ring.slots.next(),
            Self::Packed(ring) => ring.slots.next(),
        }
    }

    /// Writes the descriptors of a chain, and returns its slot; `None` when none is free. The chain has as many
    /// parts as the ring has links, first those that the device reads. The device may see it at once; it is
    /// certain to after [`publish`](Self::publish).
    ///
    /// # Safety
    /// ARMED-ONLY: the parts are memory that belongs to the ring's owner, reached by the device, until the
    /// chain is [`used`](Self::used) or the device has stopped.
    #[inline(always)]
    pub(crate) unsafe fn add<const N: usize>(&mut self, parts: [Part; N]) -> Option<u16> {
        match self {
            Self::Split(ring) => ring.add(parts),
            Self::Packed(ring) => ring.add(parts),
        }
    }

    /// Shows the device all chains that were added, and returns whether it wants to be notified of them.
    #[inline(always)]
    #[must_use]
    pub(crate) fn publish(&mut self) -> bool {
        match self {
            Self::Split(ring) => ring.publish(),
            Self::Packed(ring) => ring.publish(),
        }
    }

    /// Asks the device for an interrupt when it uses a chain from now on. It may raise none for chains that it
    /// used before or meanwhile, so check for [`used`](Self::used) chains once more before going to sleep.
    ///
    /// # Errors
    /// Those of [`used`](Self::used).
    pub(crate) fn arm(&mut self) -> Result<(), RingFault> {
        match self {
            Self::Split(ring) => ring.arm(),
            Self::Packed(ring) => {
                ring.arm();
                Ok(())
            }
        }
    }

    /// Asks the device for no more interrupts. One interrupt may still be in flight.
    pub(crate) fn disarm(&mut self) {
        match self {
            Self::Split(ring) => ring.disarm(),
            Self::Packed(ring) => ring.disarm(),
        }
    }

    /// Takes the next chain that the device has used. Its slot is free from then on.
    ///
    /// # Errors
    /// The device broke the ring. Every later call fails, too.
    #[inline(always)]
    pub(crate) fn used(&mut self) -> Result<Option<Used>, RingFault> {
        match self {
            Self::Split(ring) => ring.used(),
            Self::Packed(ring) => ring.used(),
        }
    }
}

/// Whether an event index asks for a notification now that the ring's index went from `old` to `new` (section
/// 2.7.10).
#[inline(always)]
fn crossed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
