//! The packed ring (section 2.8): one ring of descriptors that driver and device take turns to write.

use std::sync::atomic::{Ordering, fence};

use ixy_dma::DmaSlice;
use ixy_regs::virtio::ring::DescriptorFlags;
use ixy_regs::virtio::ring::packed::{self, EventFlags};

use super::slots::Slots;
use super::{Areas, Part, RingFault, Shape, Used};

/// Bytes of a descriptor.
const DESCRIPTOR: usize = 16;
/// Distance of the two event suppression words from the descriptors and from each other: each has its own
/// cache line.
const LINE: usize = 64;

/// The driver writes descriptors one after the other around the ring, whatever the chain's slot is; the slot
/// is the id that the device reports.
#[derive(Debug)]
pub(crate) struct Packed {
    memory: DmaSlice,
    size: u16,
    links: u16,
    event_idx: bool,
    in_order: bool,
    pub(super) slots: Slots,
    /// The next descriptor to write, and the flag that means "available" in this round (section 2.8.1).
    next: Position,
    /// Descriptors written since the driver last checked whether the device wants a notification.
    added: u16,
    /// The next descriptor that the device writes back.
    seen: Position,
    /// The last chain of a run that the device reported with one descriptor, until the whole run was handed
    /// on.
    run: Option<Used>,
}

/// A place in the ring, and the wrap counter there.
#[derive(Debug, Clone, Copy)]
struct Position {
    index: u16,
    wrap: bool,
}

impl Position {
    const START: Self = Self { index: 0, wrap: true };

    #[inline(always)]
    fn forward(&mut self, by: u16, size: u16) {
        // At most twice the size of a ring, which is at most 32,768.
        let index = u32::from(self.index) + u32::from(by);
        let wraps = index >= u32::from(size);
        self.index = if wraps { index - u32::from(size) } else { index } as u16;
        self.wrap ^= wraps;
    }
}

/// Size in bytes of a ring of `size` descriptors.
pub(super) fn bytes(size: u16) -> usize {
    driver_event(size) + 2 * LINE
}

/// The offset of the word with the driver's interrupt request. The device's own word follows.
fn driver_event(size: u16) -> usize {
    (usize::from(size) * DESCRIPTOR).next_multiple_of(LINE)
}

impl Packed {
    /// Creates an empty ring. The memory is as large as the shape says.
    pub(super) fn new(shape: Shape, memory: DmaSlice) -> Self {
        let Shape { size, links, event_idx, in_order, chains, .. } = shape;
        let slots = Slots::new((size / links).min(chains));
        let ring = Self {
            memory,
            size,
            links,
            event_idx,
            in_order,
            slots,
            next: Position::START,
            added: 0,
            seen: Position::START,
            run: None,
        };
        // No thread waits for interrupts yet (section 2.8.10).
        ring.disarm();
        ring
    }

    /// Section 2.8.10: asks for an interrupt when the device uses the next chain.
    pub(super) fn arm(&mut self) {
        if self.event_idx {
            self.ask(EventFlags::DESC, self.seen);
            // Of a run that the device reported with one descriptor, it never writes the others.
            if self.run.is_none() && self.next_used().is_none() {
                return;
            }
            // The device may have passed that place before it saw the request. The next pass finds the used
            // chains, unless they all hold frames that are dropped. So ask for an interrupt at any place.
        }
        self.ask(EventFlags::ENABLE, Position { index: 0, wrap: false });
    }

    /// Asks the device for no more interrupts. One interrupt may still be in flight.
    pub(super) fn disarm(&self) {
        self.ask(EventFlags::DISABLE, Position { index: 0, wrap: false });
    }

    /// Writes when the device should interrupt (section 2.8.14). A single store writes place and flags, so that
    /// the device never sees one without the other.
    fn ask(&self, flags: EventFlags, place: Position) {
        let event = u32::from(flags.0) << 16 | u32::from(place.wrap) << 15 | u32::from(place.index);
        self.memory.words32()[driver_event(self.size) / 4].store(event.to_le(), Ordering::Relaxed);
        // The device writes the used chain, then reads this word; the driver writes this word, then reads the
        // ring. With a full fence between the two on each side, one of them sees the other's write: either
        // the device interrupts, or the next check finds the used chain (section 2.8.22).
        fence(Ordering::SeqCst);
    }

    /// The second word of the next descriptor that the device writes back, once it did.
    #[inline(always)]
    fn next_used(&self) -> Option<u64> {
        let descriptor = &self.memory.words().as_chunks::<2>().0[usize::from(self.seen.index)];
        // The acquire load orders later reads of the buffers after it.
        let word = u64::from_le(descriptor[1].load(Ordering::Acquire));
        let flags = DescriptorFlags::from_bits_retain((word >> 48) as u16);
        let (avail, used) = (flags.contains(DescriptorFlags::AVAIL), flags.contains(DescriptorFlags::USED));
        (avail == used && used == self.seen.wrap).then_some(word)
    }

    pub(super) fn areas(&self) -> Areas {
        let descriptors = self.memory.iova();
        let driver = descriptors.offset(driver_event(self.size) as u64);
        Areas { descriptors, driver, device: driver.offset(LINE as u64) }
    }

    #[inline(always)]
    pub(super) fn add<const N: usize>(&mut self, parts: [Part; N]) -> Option<u16> {
        debug_assert_eq!(N, usize::from(self.links));
        let slot = self.slots.take()?;
        let head = self.next;
        // The first descriptor goes last: once it is available, all of the chain is (section 2.8.21).
        for n in (0..N).rev() {
            let part = parts[n];
            let mut at = head;
            at.forward(n as u16, self.size);
            let mut flags = DescriptorFlags::empty();
            flags.set(DescriptorFlags::WRITE, part.written);
            flags.set(DescriptorFlags::NEXT, n + 1 < N);
            flags.set(DescriptorFlags::AVAIL, at.wrap);
            flags.set(DescriptorFlags::USED, !at.wrap);
            let words = packed::descriptor(part.iova.0, part.len, slot, flags);
            let descriptor = &self.memory.words().as_chunks::<2>().0[usize::from(at.index)];
            descriptor[0].store(words[0].to_le(), Ordering::Relaxed);
            descriptor[1].store(words[1].to_le(), Ordering::Release);
        }
        self.next.forward(N as u16, self.size);
        self.added += N as u16;
        Some(slot)
    }

    #[inline(always)]
    pub(super) fn publish(&mut self) -> bool {
        let added = std::mem::take(&mut self.added);
        if added == 0 {
            return false;
        }
        // Section 2.8.21.3.1: the read of the device's request must come after the descriptors are visible.
        // Otherwise the device could miss them and ask for a notification between the two.
        fence(Ordering::SeqCst);
        let word = &self.memory.words32()[(driver_event(self.size) + LINE) / 4];
        let word = u32::from_le(word.load(Ordering::Relaxed));
        let (place, flags) = (word as u16, EventFlags((word >> 16) as u16));
        if flags == EventFlags::DISABLE {
            return false;
        }
        if !self.event_idx || flags != EventFlags::DESC {
            return true;
        }
        let (event, wrap) = (place & 0x7FFF, place >> 15 != 0);
        !is_ahead(self.size, self.next, added, Position { index: event, wrap })
    }

    #[inline(always)]
    pub(super) fn used(&mut self) -> Result<Option<Used>, RingFault> {
        if self.slots.in_flight() == 0 {
            return Ok(None);
        }
        let used = match self.run {
            Some(last) => self.slots.next_of_run(last, &mut self.run),
            None => {
                let Some(word) = self.next_used() else { return Ok(None) };
                let (len, slot) = (word as u32, (word >> 32) as u16);
                if !self.slots.is_in_flight(slot) {
                    return Err(RingFault::Id { id: slot.into() });
                }
                let last = Used { slot, len: Some(len) };
                if self.in_order {
                    let ready = self.slots.in_flight();
                    if self.slots.before(slot) >= ready {
                        return Err(RingFault::Order { id: slot.into(), ready: ready as u16 });
                    }
                    self.slots.next_of_run(last, &mut self.run)
                } else {
                    last
                }
            }
        };
        if !self.slots.give_back(used.slot) {
            return Err(RingFault::Id { id: used.slot.into() });
        }
        self.seen.forward(self.links, self.size);
        Ok(Some(used))
    }
}

/// Whether the driver still has to write `place`, in a ring of `size` descriptors; it wrote the last `added`, up
/// to `next`.
///
/// A place among those, or up to one round before them, is written already. QEMU's device leaves such a place
/// behind when the receiver of its frames was full: it names the place that it has reached, checks once more, and
/// then sleeps without naming another. It needs a notification; a device that needs none writes `DISABLE`.
#[inline(always)]
fn is_ahead(size: u16, next: Position, added: u16, place: Position) -> bool {
    let (size, added) = (u32::from(size), u32::from(added));
    // Two rounds of the ring have different wrap counters, so there are twice as many places as descriptors.
    let rounds = 2 * size;
    let number = |at: Position| u32::from(at.index) + if at.wrap { 0 } else { size };
    let first = number(next) + rounds - added;
    // The device wrote the index, so it may be any number.
    let distance = (number(place) % rounds + 2 * rounds - first) % rounds;
    (added..size).contains(&distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_of_a_place_that_was_taken_or_lies_up_to_a_round_back() {
        for size in [1_u32, 5, 8] {
            let at = |number: u32| Position {
                index: (number % size) as u16,
                wrap: (number / size).is_multiple_of(2),
            };
            for next in 4 * size..6 * size {
                for added in 1..=size {
                    let first = next - added;
                    for place in first - size..first + size {
                        let ahead = is_ahead(size as u16, at(next), added as u16, at(place));
                        assert_eq!(ahead, place >= next, "size {size}, {added} up to {next}, {place}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_place_that_no_ring_has_does_no_harm() {
        for index in [0, 7, 8, 15, 16, 0x7FFF] {
            for wrap in [false, true] {
                is_ahead(8, Position { index: 3, wrap: true }, 8, Position { index, wrap });
            }
        }
    }
}
