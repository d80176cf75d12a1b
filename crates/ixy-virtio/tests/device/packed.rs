//! The device's side of a packed virtqueue (section 2.8).

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::fence;

use ixy_dma::{Iova, View};

use super::queue::{Areas, Chain, LONGEST, Piece, Used};

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const AVAIL: u16 = 1 << 7;
const USED: u16 = 1 << 15;
const ENABLE: u32 = 0;
const DISABLE: u32 = 1;
const DESC: u32 = 2;

pub(crate) struct Packed {
    areas: Areas,
    /// Positions keep counting when the ring wraps around: the wrap counter is 1 in even rounds.
    taken: u64,
    given: u64,
    /// The ids that the device has.
    held: BTreeSet<u16>,
    pub(crate) suppressed: bool,
    pub(crate) event: Option<u64>,
    /// The positions for which the interrupt request was checked.
    told: u64,
}

impl Packed {
    pub(crate) fn new(areas: Areas) -> Self {
        Self { areas, taken: 0, given: 0, held: BTreeSet::new(), suppressed: false, event: None, told: 0 }
    }

    fn place(&self, position: u64) -> Iova {
        self.areas.descriptors.offset(16 * (position % u64::from(self.areas.size)))
    }

    fn wrap(&self, position: u64) -> bool {
        (position / u64::from(self.areas.size)).is_multiple_of(2)
    }

    /// The second word of the descriptor at `position`: length, id, flags.
    fn second(&self, view: &View<'_>, position: u64) -> u64 {
        view.word64(self.place(position).offset(8)).map_or(0, |word| u64::from_le(word.load(Acquire)))
    }

    fn is_available(&self, view: &View<'_>, position: u64) -> bool {
        let flags = (self.second(view, position) >> 48) as u16;
        let (avail, used) = (flags & AVAIL != 0, flags & USED != 0);
        let wrap = self.wrap(position);
        avail == wrap && used != wrap
    }

    pub(crate) fn published(&self, view: &View<'_>) -> u64 {
        let end = self.given + u64::from(self.areas.size);
        (self.taken..end).find(|&position| !self.is_available(view, position)).unwrap_or(end)
    }

    pub(crate) fn take(&mut self, view: &View<'_>) -> Result<Option<Chain>, String> {
        let end = self.given + u64::from(self.areas.size);
        if self.taken >= end || !self.is_available(view, self.taken) {
            return Ok(None);
        }
        let mut chain = Chain { id: 0, slots: 0, pieces: Vec::new(), bytes: Vec::new() };
        loop {
            let position = self.taken + u64::from(chain.slots);
            if position >= end {
                return Err("a chain is longer than the ring".into());
            }
            if !self.is_available(view, position) {
                return Err(format!("the head of a chain is available and entry {position} of it is not"));
            }
            let iova = view.word64(self.place(position)).map_or(0, |word| u64::from_le(word.load(Relaxed)));
            let rest = self.second(view, position);
            let (len, id, flags) = (rest as u32, (rest >> 32) as u16, (rest >> 48) as u16);
            if flags & !(NEXT | WRITE | AVAIL | USED) != 0 {
                return Err(format!("the descriptor at {position} has flags {flags:#x}"));
            }
            if len > LONGEST {
                return Err(format!("the descriptor at {position} has {len} bytes"));
            }
            let piece = Piece { iova: Iova(iova), len, writable: flags & WRITE != 0 };
            if chain.pieces.last().is_some_and(|last| last.writable && !piece.writable) {
                return Err(format!("the descriptor at {position}: readable after writable"));
            }
            chain.pieces.push(piece);
            chain.slots += 1;
            // The id is that of the last descriptor (section 2.8.6).
            chain.id = id;
            if flags & NEXT == 0 {
                break;
            }
        }
        if !self.held.insert(chain.id) {
            return Err(format!("id {} is made available while the device has it", chain.id));
        }
        self.taken += u64::from(chain.slots);
        chain.bytes = chain.read(view);
        Ok(Some(chain))
    }

    pub(crate) fn give(&mut self, view: &View<'_>, used: &[Used], batched: bool) {
        let mut entries = Vec::new();
        let mut position = self.given;
        for entry in used {
            self.held.remove(&(entry.id as u16));
            entries.push((position, *entry));
            position += u64::from(entry.slots);
        }
        if batched && let Some(&(_, last)) = entries.last() {
            entries = vec![(self.given, last)];
        }
        // The first is written last, so that the driver sees all or none.
        for &(position, entry) in entries.iter().rev() {
            self.write(view, position, entry);
        }
        self.given = position;
    }

    /// Section 2.8.10: whether the driver wants an interrupt for chains given back since the last call; an error
    /// reports an invalid request.
    pub(crate) fn interrupts(&mut self, view: &View<'_>) -> Result<bool, String> {
        fence(SeqCst);
        let before = std::mem::replace(&mut self.told, self.given);
        let event = view.word32(self.areas.driver).map_or(0, |word| u32::from_le(word.load(Relaxed)));
        let wanted = match event >> 16 {
            ENABLE => true,
            DESC if self.areas.event_idx => {
                let place = (event & 0x7fff) as u16;
                if place >= self.areas.size {
                    return Err(format!(
                        "an interrupt is wanted at descriptor {place} of {}",
                        self.areas.size
                    ));
                }
                (before..self.given).any(|position| self.off_wrap(position) == event as u16)
            }
            DISABLE => false,
            _ => return Err(format!("event suppression is {event:#x}")),
        };
        Ok(wanted && before < self.given)
    }

    /// Writes a used descriptor (section 2.8.4), including the address, which is unused then.
    fn write(&self, view: &View<'_>, position: u64, entry: Used) {
        let mut flags = if self.wrap(position) { AVAIL | USED } else { 0 };
        if entry.len > 0 {
            flags |= WRITE;
        }
        let second = u64::from(entry.len) | u64::from(entry.id as u16) << 32 | u64::from(flags) << 48;
        if let (Some(low), Some(high)) =
            (view.word64(self.place(position)), view.word64(self.place(position).offset(8)))
        {
            low.store(u64::MAX, Relaxed);
            high.store(second.to_le(), Release);
        }
    }

    /// Marks `count` descriptors from the next one on as used, whatever ids they hold.
    pub(crate) fn mark(&mut self, view: &View<'_>, count: u16) {
        for position in self.given..self.given + u64::from(count) {
            let id = (self.second(view, position) >> 32) as u32;
            self.write(view, position, Used { id, slots: 1, len: 64 });
        }
    }

    pub(crate) fn free_id(&self) -> u16 {
        (0..self.areas.size).rev().find(|id| !self.held.contains(id)).unwrap_or(0)
    }

    /// Leaves the flags alone, since they tell the driver whose turn it is.
    pub(crate) fn scramble(&mut self, view: &View<'_>) {
        for position in self.given..self.taken {
            let flags = self.second(view, position) >> 48 << 48;
            if let (Some(low), Some(high)) =
                (view.word64(self.place(position)), view.word64(self.place(position).offset(8)))
            {
                low.store(u64::MAX, Relaxed);
                high.store((flags | 0xffff_ffff_ffff).to_le(), Relaxed);
            }
        }
    }

    /// Offset and wrap counter of a position, in the format of event suppression (section 2.8.10).
    fn off_wrap(&self, position: u64) -> u16 {
        (position % u64::from(self.areas.size)) as u16 | u16::from(self.wrap(position)) << 15
    }

    pub(crate) fn suppress(&mut self, view: &View<'_>) {
        if let Some(word) = view.word32(self.areas.device) {
            word.store((DISABLE << 16).to_le(), Release);
        }
        self.suppressed = true;
    }

    pub(crate) fn ask(&mut self, view: &View<'_>, distance: u16) {
        let mut value = ENABLE << 16;
        self.event = None;
        if self.areas.event_idx {
            let event = self.taken + u64::from(distance);
            self.event = Some(event);
            value = DESC << 16 | u32::from(self.off_wrap(event));
        }
        if let Some(word) = view.word32(self.areas.device) {
            word.store(value.to_le(), Release);
        }
        self.suppressed = false;
        fence(SeqCst);
    }
}
