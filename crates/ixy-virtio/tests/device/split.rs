//! The device's side of a split virtqueue (section 2.7).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::fence;

use ixy_dma::{Iova, View};

use super::queue::{Areas, Chain, LONGEST, Piece, Used};

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const NO_INTERRUPT: u16 = 1;
const NO_NOTIFY: u16 = 1;

pub(crate) struct Split {
    areas: Areas,
    /// The number of entries taken from the available ring.
    taken: u64,
    /// The number of entries written to the used ring, including those that a batch skipped.
    given: u64,
    /// The descriptors that the device has, and the chains by their first descriptor.
    held: Vec<bool>,
    chains: BTreeMap<u16, Vec<u16>>,
    /// With IN_ORDER: the descriptor that the next chain starts at.
    next: u16,
    pub(crate) suppressed: bool,
    /// With EVENT_IDX: the entry for which a notification is wanted.
    pub(crate) event: Option<u64>,
    /// The number of used entries for which the interrupt request was checked.
    told: u64,
}

fn load16(view: &View<'_>, at: Iova) -> u16 {
    view.word16(at).map_or(0, |word| u16::from_le(word.load(Acquire)))
}

fn store16(view: &View<'_>, at: Iova, value: u16) {
    if let Some(word) = view.word16(at) {
        word.store(value.to_le(), Release);
    }
}

impl Split {
    pub(crate) fn new(areas: Areas) -> Self {
        let held = vec![false; areas.size.into()];
        let event = areas.event_idx.then_some(0);
        let chains = BTreeMap::new();
        Self { areas, taken: 0, given: 0, held, chains, next: 0, suppressed: false, event, told: 0 }
    }

    fn slot(&self, position: u64) -> u64 {
        position % u64::from(self.areas.size)
    }

    pub(crate) fn published(&self, view: &View<'_>) -> Result<u64, String> {
        let index = load16(view, self.areas.driver.offset(2));
        let ahead = index.wrapping_sub(self.taken as u16);
        if u64::from(ahead) + self.taken.saturating_sub(self.given) > self.areas.size.into() {
            return Err(format!("avail.idx {index} makes more available than {} entries", self.areas.size));
        }
        Ok(self.taken + u64::from(ahead))
    }

    pub(crate) fn take(&mut self, view: &View<'_>) -> Result<Option<Chain>, String> {
        let flags = load16(view, self.areas.driver);
        if flags & !NO_INTERRUPT != 0 || (self.areas.event_idx && flags != 0) {
            return Err(format!("avail.flags is {flags:#x}"));
        }
        if self.published(view)? == self.taken {
            return Ok(None);
        }
        let head = load16(view, self.areas.driver.offset(4 + 2 * self.slot(self.taken)));
        if self.areas.in_order && head != self.next {
            return Err(format!("IN_ORDER, and descriptor {head} follows where {} is next", self.next));
        }
        let mut chain = Chain { id: head, slots: 0, pieces: Vec::new(), bytes: Vec::new() };
        let mut at = head;
        loop {
            if at >= self.areas.size {
                return Err(format!("descriptor {at} of {}", self.areas.size));
            }
            if std::mem::replace(&mut self.held[usize::from(at)], true) {
                return Err(format!("descriptor {at} is made available while the device has it"));
            }
            let place = self.areas.descriptors.offset(16 * u64::from(at));
            let (Some(low), Some(high)) = (view.word64(place), view.word64(place.offset(8))) else {
                return Err(format!("descriptor {at} is out of reach"));
            };
            let (iova, rest) = (u64::from_le(low.load(Relaxed)), u64::from_le(high.load(Relaxed)));
            let (len, flags, next) = (rest as u32, (rest >> 32) as u16, (rest >> 48) as u16);
            if flags & !(NEXT | WRITE) != 0 {
                return Err(format!("descriptor {at} has flags {flags:#x}"));
            }
            if len > LONGEST {
                return Err(format!("descriptor {at} has {len} bytes"));
            }
            let piece = Piece { iova: Iova(iova), len, writable: flags & WRITE != 0 };
            if chain.pieces.last().is_some_and(|last| last.writable && !piece.writable) {
                return Err(format!("descriptor {at}: readable after writable"));
            }
            chain.pieces.push(piece);
            chain.slots += 1;
            self.chains.entry(head).or_default().push(at);
            if flags & NEXT == 0 {
                break;
            }
            if self.areas.in_order && next != (at + 1) % self.areas.size {
                return Err(format!("IN_ORDER, and descriptor {at} is continued by {next}"));
            }
            at = next;
        }
        self.next = ((u32::from(at) + 1) % u32::from(self.areas.size)) as u16;
        self.taken += 1;
        chain.bytes = chain.read(view);
        Ok(Some(chain))
    }

    pub(crate) fn give(&mut self, view: &View<'_>, used: &[Used], batched: bool) {
        for (n, entry) in used.iter().enumerate() {
            self.release(entry.id);
            let position = self.given + if batched { 0 } else { n as u64 };
            let place = self.areas.device.offset(4 + 8 * self.slot(position));
            for (offset, value) in [(0, entry.id), (4, entry.len)] {
                if let Some(word) = view.word32(place.offset(offset)) {
                    word.store(value.to_le(), Relaxed);
                }
            }
        }
        self.given += used.len() as u64;
        store16(view, self.areas.device.offset(2), self.given as u16);
    }

    /// Section 2.7.7.2: whether the driver wants an interrupt for chains given back since the last call. With
    /// EVENT_IDX the flags are ignored.
    pub(crate) fn interrupts(&mut self, view: &View<'_>) -> bool {
        fence(SeqCst);
        let before = std::mem::replace(&mut self.told, self.given);
        let wanted = if self.areas.event_idx {
            let event = load16(view, self.areas.driver.offset(4 + 2 * u64::from(self.areas.size)));
            (before..self.given).any(|position| position as u16 == event)
        } else {
            load16(view, self.areas.driver) & NO_INTERRUPT == 0
        };
        wanted && before < self.given
    }

    /// The driver owns the descriptors of a returned chain again.
    fn release(&mut self, id: u32) {
        for at in self.chains.remove(&(id as u16)).unwrap_or_default() {
            self.held[usize::from(at)] = false;
        }
    }

    pub(crate) fn free_id(&self) -> u16 {
        self.held.iter().rposition(|held| !held).unwrap_or(0) as u16
    }

    pub(crate) fn scramble(&mut self, view: &View<'_>) {
        let entry = 4 + 2 * self.slot(self.taken - 1);
        let head = load16(view, self.areas.driver.offset(entry));
        for &at in self.chains.get(&head).into_iter().flatten() {
            let place = self.areas.descriptors.offset(16 * u64::from(at));
            for offset in [0, 8] {
                if let Some(word) = view.word64(place.offset(offset)) {
                    word.store(u64::MAX, Relaxed);
                }
            }
        }
        store16(view, self.areas.driver.offset(entry), u16::MAX);
    }

    /// Advances used.idx over entries that were not written.
    pub(crate) fn jump(&mut self, view: &View<'_>, by: u16) {
        let index = (self.given as u16).wrapping_add(by);
        store16(view, self.areas.device.offset(2), index);
    }

    pub(crate) fn suppress(&mut self, view: &View<'_>) {
        if self.areas.event_idx {
            // An entry that was available long ago, so that no future entry matches it.
            let event = (self.taken as u16).wrapping_sub(1);
            store16(view, self.areas.device.offset(4 + 8 * u64::from(self.areas.size)), event);
        } else {
            store16(view, self.areas.device, NO_NOTIFY);
        }
        self.suppressed = true;
    }

    pub(crate) fn ask(&mut self, view: &View<'_>, distance: u16) {
        if self.areas.event_idx {
            let event = self.taken + u64::from(distance);
            store16(view, self.areas.device.offset(4 + 8 * u64::from(self.areas.size)), event as u16);
            self.event = Some(event);
        } else {
            store16(view, self.areas.device, 0);
        }
        self.suppressed = false;
        fence(SeqCst);
    }
}
