//! The split ring (section 2.7): a table of descriptors, a ring of available chains, and one of used chains.

use std::sync::atomic::{Ordering, fence};

use ixy_dma::DmaSlice;
use ixy_regs::virtio::ring::split::{self, Layout};
use ixy_regs::virtio::ring::{AVAIL_NO_INTERRUPT, DescriptorFlags, USED_NO_NOTIFY};

use super::slots::Slots;
use super::{Areas, Part, RingFault, Shape, Used, crossed};

/// Slot `n` always has the descriptors from `n * links` on. So their links never change, and the id that the
/// device reports gives the slot.
#[derive(Debug)]
pub(crate) struct Split {
    memory: DmaSlice,
    // Offsets in the memory, in words of the width of their accesses.
    avail: usize,
    used: usize,
    elements: usize,
    mask: u16,
    links: u16,
    event_idx: bool,
    in_order: bool,
    pub(super) slots: Slots,
    /// The index in the available ring that the next chain gets.
    next: u16,
    /// The available index that the device last saw.
    published: u16,
    /// The index of the next chain that the device uses.
    seen: u16,
    /// The device's used index when the driver last read it.
    reported: u16,
    /// The last chain of a run that the device reported with one entry, until the whole run was handed on.
    run: Option<Used>,
}

/// The offsets of the parts of a ring of that shape.
pub(super) fn layout(shape: &Shape) -> Layout {
    Layout::new(shape.size, shape.align)
}

impl Split {
    /// Creates an empty ring. The shape has a size that is a power of two, and the memory is as large as the shape
    /// says.
    pub(super) fn new(shape: Shape, memory: DmaSlice) -> Self {
        let Layout { avail, used, .. } = layout(&shape);
        let (avail, used, elements) = (avail / 2, used / 2, used / 4 + 1);
        let Shape { size, links, event_idx, in_order, .. } = shape;
        let slots = Slots::new((size / links).min(shape.chains));
        let mask = size - 1;
        let ring = Self {
            memory,
            avail,
            used,
            elements,
            mask,
            links,
            event_idx,
            in_order,
            slots,
            next: 0,
            published: 0,
            seen: 0,
            reported: 0,
            run: None,
        };
        // No thread waits for interrupts yet (section 2.7.7.1). With EVENT_IDX the flag has to stay clear.
        if event_idx {
            ring.put_off_interrupts(0);
        } else {
            ring.set_flags(AVAIL_NO_INTERRUPT);
        }
        ring
    }

    /// Section 2.7.7: asks for an interrupt when the device uses the next chain.
    pub(super) fn arm(&mut self) -> Result<(), RingFault> {
        if !self.event_idx {
            self.set_flags(0);
            // The device writes its used index, then reads this word; the driver writes this word, then reads
            // the index. With a full fence between the two on each side, one of them sees the other's write:
            // either the device interrupts, or the next check finds the used chain (section 2.7.14).
            fence(Ordering::SeqCst);
            return Ok(());
        }
        loop {
            let index = self.reported;
            self.interrupt_at(index);
            // As above.
            fence(Ordering::SeqCst);
            self.look()?;
            // The device may have passed the index before it saw the request. The next pass finds those
            // chains, unless they all hold frames that are dropped; so ask for the next index, too. The
            // driver adds no chain here, so this ends: a device that uses more chains than it has is at
            // fault. From now on `look` postpones the next interrupt only when it finds new chains, for which
            // the device has interrupted.
            if self.reported == index {
                return Ok(());
            }
        }
    }

    /// Asks the device for no more interrupts. One interrupt may still be in flight.
    pub(super) fn disarm(&mut self) {
        if self.event_idx {
            self.put_off_interrupts(self.reported);
        } else {
            self.set_flags(AVAIL_NO_INTERRUPT);
        }
    }

    fn set_flags(&self, flags: u16) {
        self.memory.words16()[self.avail].store(flags.to_le(), Ordering::Relaxed);
    }

    pub(super) fn areas(&self) -> Areas {
        let descriptors = self.memory.iova();
        let at = |word: usize| descriptors.offset(word as u64 * 2);
        Areas { descriptors, driver: at(self.avail), device: at(self.used) }
    }

    #[inline(always)]
    pub(super) fn add<const N: usize>(&mut self, parts: [Part; N]) -> Option<u16> {
        debug_assert_eq!(N, usize::from(self.links));
        let slot = self.slots.take()?;
        let head = slot.wrapping_mul(self.links);
        let table = self.memory.words().as_chunks::<2>().0;
        for (n, part) in (0..).zip(parts) {
            let at = head.wrapping_add(n) & self.mask;
            let mut flags = DescriptorFlags::empty();
            flags.set(DescriptorFlags::WRITE, part.written);
            flags.set(DescriptorFlags::NEXT, usize::from(n) + 1 < N);
            let next = if usize::from(n) + 1 < N { at + 1 } else { 0 };
            let words = split::descriptor(part.iova.0, part.len, flags, next);
            let descriptor = &table[usize::from(at)];
            descriptor[0].store(words[0].to_le(), Ordering::Relaxed);
            descriptor[1].store(words[1].to_le(), Ordering::Relaxed);
        }
        let entry = self.avail + 2 + usize::from(self.next & self.mask);
        self.memory.words16()[entry].store(head.to_le(), Ordering::Relaxed);
        self.next = self.next.wrapping_add(1);
        Some(slot)
    }

    #[inline(always)]
    pub(super) fn publish(&mut self) -> bool {
        let (old, new) = (self.published, self.next);
        if old == new {
            return false;
        }
        self.published = new;
        let words = self.memory.words16();
        // Section 2.7.13.3: write descriptors and entries before the index.
        words[self.avail + 1].store(new.to_le(), Ordering::Release);
        // Section 2.7.13.4.1: the read of the device's request must come after the index is visible. Otherwise the
        // device could miss the buffers and ask for a notification between the two.
        fence(Ordering::SeqCst);
        let size = usize::from(self.mask) + 1;
        if self.event_idx {
            let event = self.used + 2 + size * 4;
            crossed(u16::from_le(words[event].load(Ordering::Relaxed)), new, old)
        } else {
            u16::from_le(words[self.used].load(Ordering::Relaxed)) & USED_NO_NOTIFY == 0
        }
    }

    #[inline(always)]
    pub(super) fn used(&mut self) -> Result<Option<Used>, RingFault> {
        if self.seen == self.reported && !self.look()? {
            return Ok(None);
        }
        let used = match self.run {
            Some(last) => self.slots.next_of_run(last, &mut self.run),
            None => {
                let element = self.elements + 2 * usize::from(self.seen & self.mask);
                let words = self.memory.words32();
                let id = u32::from_le(words[element].load(Ordering::Relaxed));
                let len = u32::from_le(words[element + 1].load(Ordering::Relaxed));
                let slot = self.slot(id)?;
                let last = Used { slot, len: Some(len) };
                if self.in_order {
                    let ready = self.reported.wrapping_sub(self.seen);
                    if self.slots.before(slot) >= usize::from(ready) {
                        return Err(RingFault::Order { id, ready });
                    }
                    self.slots.next_of_run(last, &mut self.run)
                } else {
                    last
                }
            }
        };
        if !self.slots.give_back(used.slot) {
            return Err(RingFault::Id { id: u32::from(used.slot) * u32::from(self.links) });
        }
        self.seen = self.seen.wrapping_add(1);
        Ok(Some(used))
    }

    /// Reads the device's used index, and returns whether there are new used chains.
    #[inline(always)]
    fn look(&mut self) -> Result<bool, RingFault> {
        // The acquire load orders reads of the used ring and of the buffers after it.
        let to = u16::from_le(self.memory.words16()[self.used + 1].load(Ordering::Acquire));
        let in_flight = self.slots.in_flight();
        if usize::from(to.wrapping_sub(self.seen)) > in_flight {
            return Err(RingFault::Index { from: self.seen, to, in_flight: in_flight as u16 });
        }
        if self.event_idx && to != self.reported {
            self.put_off_interrupts(to);
        }
        self.reported = to;
        Ok(to != self.seen)
    }

    /// Postpones the interrupt to the most distant index: the one before the device's own (section 2.7.10).
    #[inline(always)]
    fn put_off_interrupts(&self, index: u16) {
        self.interrupt_at(index.wrapping_sub(1));
    }

    /// Asks for an interrupt when the chain with that index is used.
    #[inline(always)]
    fn interrupt_at(&self, index: u16) {
        let event = self.avail + 2 + usize::from(self.mask) + 1;
        self.memory.words16()[event].store(index.to_le(), Ordering::Relaxed);
    }

    /// The slot of the chain that starts with descriptor `id`.
    #[inline(always)]
    fn slot(&self, id: u32) -> Result<u16, RingFault> {
        let links = u32::from(self.links);
        // Every slot is less than a ring's size, so the conversion only fails where the id is wrong. Most
        // rings have one descriptor a chain, which saves dividing.
        let (number, rest) = if links == 1 { (id, 0) } else { (id / links, id % links) };
        let slot = u16::try_from(number).ok().filter(|_| rest == 0);
        slot.filter(|&slot| self.slots.is_in_flight(slot)).ok_or(RingFault::Id { id })
    }
}
