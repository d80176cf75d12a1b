//! The record of a ring's places that are in flight: [`Slots`].

use super::Used;

/// The places of a ring, each for one chain of descriptors. A place is free, or in flight: with the device.
///
/// Places are reused in the order in which they became free. So while the device completes in order, the order is
/// 0, 1, 2, ... around and around, as IN_ORDER requires.
#[derive(Debug)]
pub(super) struct Slots {
    /// The numbers of the free places: `free` of them from `first` on, wrapping around.
    queue: Box<[u16]>,
    first: usize,
    free: usize,
    in_flight: Box<[bool]>,
}

impl Slots {
    /// `count` places, all free.
    pub(super) fn new(count: u16) -> Self {
        let in_flight = vec![false; count.into()].into_boxed_slice();
        Self { queue: (0..count).collect(), first: 0, free: count.into(), in_flight }
    }

    /// The number of places.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The number of free places.
    #[inline(always)]
    pub(super) fn free(&self) -> usize {
        self.free
    }

    /// The number of places in flight.
    #[inline(always)]
    pub(super) fn in_flight(&self) -> usize {
        self.queue.len() - self.free
    }

    /// The place that has been free the longest.
    #[inline(always)]
    pub(super) fn next(&self) -> Option<u16> {
        (self.free > 0).then(|| self.queue[self.first])
    }

    /// Takes the place that has been free the longest. It is in flight from now on.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<u16> {
        if self.free == 0 {
            return None;
        }
        let slot = self.queue[self.first];
        self.first += 1;
        if self.first == self.queue.len() {
            self.first = 0;
        }
        self.free -= 1;
        self.in_flight[usize::from(slot)] = true;
        Some(slot)
    }

    /// Frees place `slot`; `false`, without a change, when it is not in flight.
    #[inline(always)]
    #[must_use]
    pub(super) fn give_back(&mut self, slot: u16) -> bool {
        let Some(in_flight) = self.in_flight.get_mut(usize::from(slot)) else { return false };
        if !std::mem::replace(in_flight, false) {
            return false;
        }
        let mut end = self.first + self.free;
        if end >= self.queue.len() {
            end -= self.queue.len();
        }
        self.queue[end] = slot;
        self.free += 1;
        true
    }

    /// The first place taken of those in flight, provided that they return in order: the next one returns to where
    /// it was taken from.
    #[inline(always)]
    fn oldest(&self) -> u16 {
        let end = self.first + self.free;
        self.queue[if end >= self.queue.len() { end - self.queue.len() } else { end }]
    }

    /// The number of places in flight that were taken before `slot`, provided that they return in order.
    #[inline(always)]
    pub(super) fn before(&self, slot: u16) -> usize {
        let distance = usize::from(slot) + self.queue.len() - usize::from(self.oldest());
        if distance >= self.queue.len() { distance - self.queue.len() } else { distance }
    }

    /// The oldest of the chains that end with `last`. With IN_ORDER the device may report them with one entry
    /// (sections 2.7.9 and 2.8.8). `run` keeps `last` until its turn comes.
    #[inline(always)]
    pub(super) fn next_of_run(&self, last: Used, run: &mut Option<Used>) -> Used {
        let slot = self.oldest();
        let ends = slot == last.slot;
        *run = (!ends).then_some(last);
        if ends { last } else { Used { slot, len: None } }
    }

    /// Whether place `slot` is in flight.
    #[inline(always)]
    pub(super) fn is_in_flight(&self, slot: u16) -> bool {
        self.in_flight.get(usize::from(slot)).is_some_and(|&in_flight| in_flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_out_longest_free_first() {
        let mut slots = Slots::new(3);
        assert_eq!(
            [slots.take(), slots.take(), slots.take(), slots.take()],
            [Some(0), Some(1), Some(2), None]
        );
        assert!(slots.give_back(1) && slots.give_back(0));
        assert_eq!((slots.free(), slots.in_flight()), (2, 1));
        assert_eq!([slots.take(), slots.take(), slots.take()], [Some(1), Some(0), None]);
    }

    #[test]
    fn what_is_not_in_flight_cannot_come_back() {
        let mut slots = Slots::new(4);
        assert_eq!(slots.take(), Some(0));
        assert!(slots.give_back(0));
        for slot in [0, 1, 3, 4, u16::MAX] {
            assert!(!slots.give_back(slot), "{slot}");
        }
        assert_eq!((slots.free(), slots.len()), (4, 4));
    }

    #[test]
    fn in_order_places_go_around_and_the_oldest_is_known() {
        let mut slots = Slots::new(5);
        for n in 0..100_u16 {
            assert_eq!(slots.take(), Some(n % 5));
            if n >= 2 {
                let oldest = (n - 2) % 5;
                assert_eq!(slots.oldest(), oldest);
                assert_eq!([0, 1, 2].map(|later| slots.before((oldest + later) % 5)), [0, 1, 2]);
                assert!(slots.give_back(oldest));
            }
        }
    }

    #[test]
    fn a_run_is_handed_on_one_by_one_and_its_length_is_that_of_the_last() {
        let mut slots = Slots::new(4);
        for _ in 0..3 {
            slots.take();
        }
        let last = Used { slot: 1, len: Some(60) };
        let mut run = None;
        assert_eq!(slots.next_of_run(last, &mut run), Used { slot: 0, len: None });
        assert!(slots.give_back(0));
        assert_eq!(run, Some(last));
        assert_eq!(slots.next_of_run(last, &mut run), last);
        assert_eq!(run, None);
    }
}
