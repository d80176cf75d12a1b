//! One queue of the device, of either ring type, with counts of its doorbells.

use std::collections::VecDeque;

use ixy_dma::{Iova, View};

use super::packed::Packed;
use super::split::Split;

/// The longest piece of memory that a driver without segmentation needs.
pub(crate) const LONGEST: u32 = 1 << 16;

/// The addresses that the driver gave a queue, and its negotiated features.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Areas {
    pub(crate) descriptors: Iova,
    pub(crate) driver: Iova,
    pub(crate) device: Iova,
    pub(crate) size: u16,
    pub(crate) event_idx: bool,
    pub(crate) in_order: bool,
}

/// One piece of memory of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) iova: Iova,
    pub(crate) len: u32,
    pub(crate) writable: bool,
}

/// The buffers that the driver made available under one id.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) id: u16,
    /// The number of descriptors that it takes in the ring.
    pub(crate) slots: u16,
    pub(crate) pieces: Vec<Piece>,
    /// The content of its readable pieces when it was taken.
    pub(crate) bytes: Vec<u8>,
}

impl Chain {
    pub(crate) fn capacity(&self) -> usize {
        self.pieces.iter().filter(|p| p.writable).map(|p| p.len as usize).sum()
    }

    /// The current content of its readable pieces.
    pub(crate) fn read(&self, view: &View<'_>) -> Vec<u8> {
        let mut all = Vec::new();
        for piece in self.pieces.iter().filter(|p| !p.writable) {
            let mut bytes = vec![0; piece.len as usize];
            view.read(piece.iova, &mut bytes);
            all.append(&mut bytes);
        }
        all
    }

    /// Fills its writable pieces, and returns the number of `bytes` that fit.
    pub(crate) fn write(&self, view: &View<'_>, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        for piece in self.pieces.iter().filter(|p| p.writable) {
            let (now, later) = rest.split_at(rest.len().min(piece.len as usize));
            view.write(piece.iova, now);
            rest = later;
        }
        bytes.len() - rest.len()
    }
}

/// A chain that goes back to the driver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) id: u32,
    pub(crate) slots: u16,
    /// Bytes written to it.
    pub(crate) len: u32,
}

pub(crate) enum Ring {
    Split(Split),
    Packed(Packed),
}

impl Ring {
    pub(crate) fn new(areas: Areas, packed: bool) -> Self {
        if packed { Self::Packed(Packed::new(areas)) } else { Self::Split(Split::new(areas)) }
    }

    /// The next chain, `None` when there is none; an error describes a mistake of the driver.
    pub(crate) fn take(&mut self, view: &View<'_>) -> Result<Option<Chain>, String> {
        match self {
            Self::Split(ring) => ring.take(view),
            Self::Packed(ring) => ring.take(view),
        }
    }

    /// Gives chains back: each with its own entry, or, if `batched`, all with one for the last.
    pub(crate) fn give(&mut self, view: &View<'_>, used: &[Used], batched: bool) {
        match self {
            Self::Split(ring) => ring.give(view, used, batched),
            Self::Packed(ring) => ring.give(view, used, batched),
        }
    }

    /// The number of ring entries made available so far.
    pub(crate) fn published(&self, view: &View<'_>) -> Result<u64, String> {
        match self {
            Self::Split(ring) => ring.published(view),
            Self::Packed(ring) => Ok(ring.published(view)),
        }
    }

    /// Asks for no notification.
    pub(crate) fn suppress(&mut self, view: &View<'_>) {
        match self {
            Self::Split(ring) => ring.suppress(view),
            Self::Packed(ring) => ring.suppress(view),
        }
    }

    /// Asks for a notification when the entry `distance` after the next one is made available.
    pub(crate) fn ask(&mut self, view: &View<'_>, distance: u16) {
        match self {
            Self::Split(ring) => ring.ask(view, distance),
            Self::Packed(ring) => ring.ask(view, distance),
        }
    }

    /// Whether the driver has to notify after making the entries from `old` to before `new` available.
    pub(crate) fn wants(&self, old: u64, new: u64) -> bool {
        let (suppressed, event) = match self {
            Self::Split(ring) => (ring.suppressed, ring.event),
            Self::Packed(ring) => (ring.suppressed, ring.event),
        };
        !suppressed && old < new && event.is_none_or(|event| (old..new).contains(&event))
    }

    /// A valid id that the device does not have: the highest.
    pub(crate) fn free_id(&self) -> u16 {
        match self {
            Self::Split(ring) => ring.free_id(),
            Self::Packed(ring) => ring.free_id(),
        }
    }

    /// Reports `by` more used entries than there were.
    pub(crate) fn jump(&mut self, view: &View<'_>, by: u16) {
        match self {
            Self::Split(ring) => ring.jump(view, by),
            Self::Packed(ring) => ring.mark(view, by),
        }
    }

    /// Overwrites the descriptors of the last chain taken.
    pub(crate) fn scramble(&mut self, view: &View<'_>) {
        match self {
            Self::Split(ring) => ring.scramble(view),
            Self::Packed(ring) => ring.scramble(view),
        }
    }

    /// Whether the driver wants an interrupt for chains given back since the last call.
    pub(crate) fn interrupts(&mut self, view: &View<'_>) -> Result<bool, String> {
        match self {
            Self::Split(ring) => Ok(ring.interrupts(view)),
            Self::Packed(ring) => ring.interrupts(view),
        }
    }
}

/// Notifications of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Doorbells {
    /// The number of notifications.
    pub(crate) rung: u64,
    /// Those that the device had not asked for, or that announced nothing.
    pub(crate) needless: u64,
    /// Those that the device had asked for and that were missing when it checked.
    pub(crate) missed: u64,
}

#[derive(Default)]
pub(crate) struct Queue {
    /// The size that the device offers; 0 when there is no such queue.
    pub(crate) offered: u16,
    pub(crate) size: u16,
    pub(crate) enabled: bool,
    pub(crate) descriptors: u64,
    pub(crate) driver: u64,
    pub(crate) device: u64,
    pub(crate) ring: Option<Ring>,
    /// Chains that the device has, oldest first.
    pub(crate) taken: VecDeque<Chain>,
    pub(crate) doorbells: Doorbells,
    /// The available entries at the device's last check.
    pub(crate) seen: u64,
    /// Whether a sleeping device was notified.
    pub(crate) awake: bool,
    /// The MSI-X vector, if it has one.
    pub(crate) vector: Option<u16>,
    /// The number of times that the driver wanted an interrupt.
    pub(crate) interrupts: u64,
}
