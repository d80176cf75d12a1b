//! The split ring (section 2.7): a table of descriptors, a ring of what is available, and one of what was used.

use std::sync::atomic::{Ordering, fence};

use ixy_dma::DmaSlice;
use ixy_regs::virtio::ring::split::{self, Layout};
use ixy_regs::virtio::ring::{AVAIL_NO_INTERRUPT, DescriptorFlags, USED_NO_NOTIFY};

use super::slots::Slots;
use super::{Areas, Part, RingFault, Shape, Used, crossed};

/// Slot `n` has descriptors `n * links` and those behind it, in its table and nowhere else, so that what links them never
/// changes, and the id that the device reports tells the slot.
#[derive(Debug)]
pub(crate) struct Split {
    memory: DmaSlice,
    // Places in the memory, in words of the width that each is accessed with.
    avail: usize,
    used: usize,
    elements: usize,
    mask: u16,
    links: u16,
    event_idx: bool,
    in_order: bool,
    pub(super) slots: Slots,
    /// The index that the next chain gets in the ring of what is available.
    next: u16,
    /// The one that the device was last shown.
    published: u16,
    /// The index of the next chain that the device uses.
    seen: u16,
    /// What the device's index was when it was last read.
    reported: u16,
    /// The last chain of those that the device reported with one entry, while not all of them were handed on.
    run: Option<Used>,
}

/// Where the parts of a ring of that shape are.
pub(super) fn layout(shape: &Shape) -> Layout {
    Layout::new(shape.size, shape.align)
}

impl Split {
    /// The shape has a size that is a power of two, and the memory is as large as the shape says.
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
        // Nobody waits for interrupts (section 2.7.7.1). With EVENT_IDX the flag has to stay clear.
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
            // The device shows what it used, then looks whether that interrupts; here it is the other way round. With a full
            // fence between the two on either side, one of them sees what the other wrote: either it interrupts, or
            // who looks for used chains after this finds one (section 2.7.14).
            fence(Ordering::SeqCst);
            return Ok(());
        }
        loop {
            let index = self.reported;
            self.interrupt_at(index);
            // As above.
            fence(Ordering::SeqCst);
            self.look()?;
            // What was used meanwhile may have passed the index before it was there. Whoever looks finds those chains, but if
            // they all hold frames that are dropped, it finds nothing; so the next index is asked for, too. The driver
            // adds no chain here, so this ends: a device that uses more than it has is at fault. From now on `look` puts
            // the next interrupt off only when it finds something new, of which the device has told.
            if self.reported == index {
                return Ok(());
            }
        }
    }

    /// Asks for no more interrupts. One may still be on its way.
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
        // Section 2.7.13.3: the descriptors and entries are there before the index says so.
        words[self.avail + 1].store(new.to_le(), Ordering::Release);
        // Section 2.7.13.4.1: what the device wants is looked at after the index is there for it to see. Else the device
        // could look for buffers, and say that it sleeps, between the two.
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

    /// Reads the device's index, and says whether there is something new.
    #[inline(always)]
    fn look(&mut self) -> Result<bool, RingFault> {
        // The acquire load orders what is read of the used ring, and of the buffers, after it.
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

    /// Asks for an interrupt at the index that is furthest away: one behind where the device is (section 2.7.10).
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

    /// The slot of the chain whose first descriptor is `id`.
    #[inline(always)]
    fn slot(&self, id: u32) -> Result<u16, RingFault> {
        let links = u32::from(self.links);
        // Every slot is less than a ring's size, so the conversion only fails where the id is wrong. Most rings have one
        // descriptor a chain, which saves dividing.
        let (number, rest) = if links == 1 { (id, 0) } else { (id / links, id % links) };
        let slot = u16::try_from(number).ok().filter(|_| rest == 0);
        slot.filter(|&slot| self.slots.is_in_flight(slot)).ok_or(RingFault::Id { id })
    }
}
