//! The record of an IOMMU's addresses in use: [`Space`].

use std::collections::BTreeMap;
use std::fmt;

/// The smallest page of all IOMMUs; every address and length here is a multiple of it.
pub(super) const PAGE: u64 = 4096;

/// A range of addresses, both ends included, as the kernel reports them: the last may be the highest possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{:#x}", self.first, self.last)
    }
}

/// The reason why a range cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Part of it is in use.
    Taken,
    /// The IOMMU does not translate part of it.
    Outside,
}

/// The highest address to try first. With 39 bits, an IOMMU whose tables grow with the addresses in use (AMD-Vi)
/// needs only three levels.
const FIRST_CHOICE: u64 = (1 << 39) - 1;

/// The addresses that an IOMMU translates, which have holes, and those in use.
#[derive(Debug, Default, Clone)]
pub(super) struct Space {
    /// Sorted and disjoint.
    ranges: Vec<Range>,
    /// Last address by first address.
    taken: BTreeMap<u64, u64>,
}

impl Space {
    /// Sets the translated addresses: all at first, and again after a device was added, which may leave fewer.
    /// Addresses in use stay so. The kernel reports ranges in any order; invalid ones are left out.
    pub(super) fn set_ranges(&mut self, ranges: impl IntoIterator<Item = Range>) {
        // Address zero stays unused, since devices and drivers may take it for "none".
        let mut all: Vec<Range> =
            ranges.into_iter().map(|range| Range { first: range.first.max(PAGE), ..range }).collect();
        all.retain(|range| range.first <= range.last);
        all.sort_by_key(|range| range.first);
        self.ranges.clear();
        for range in all {
            match self.ranges.last_mut() {
                // Neighbours are one range.
                Some(before) if before.last.saturating_add(1) >= range.first => {
                    before.last = before.last.max(range.last);
                }
                _ => self.ranges.push(range),
            }
        }
    }

    /// The translated addresses.
    pub(super) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The number of ranges in use.
    pub(super) fn in_use(&self) -> usize {
        self.taken.len()
    }

    /// The address of `len` free bytes at a multiple of `align`, a power of two: as high as possible in the first
    /// 39 bits, and else above them. Memory of other domains may have to be mapped at physical addresses, which
    /// are rather low.
    pub(super) fn room(&self, len: u64, align: u64) -> Option<u64> {
        let highest = |limit| {
            let ranges = self.ranges.iter().rev();
            let below = ranges.map(|range| Range { last: range.last.min(limit), ..*range });
            below.filter(|range| range.first <= range.last).find_map(|range| self.highest(range, len, align))
        };
        highest(FIRST_CHOICE).or_else(|| highest(u64::MAX))
    }

    /// Takes `len` bytes, at least one, from an address that [`room`](Self::room) gave.
    pub(super) fn occupy(&mut self, first: u64, len: u64) {
        self.taken.insert(first, first.saturating_add(len.saturating_sub(1)));
    }

    /// The intersection of both: addresses that both translate, in use if one of them uses them.
    pub(super) fn with(&self, other: &Self) -> Self {
        let both = |&one: &Range| {
            let meet =
                move |two: &Range| Range { first: one.first.max(two.first), last: one.last.min(two.last) };
            other.ranges.iter().map(meet).filter(|range| range.first <= range.last)
        };
        let ranges = self.ranges.iter().flat_map(both).collect();
        let mut all: Vec<_> =
            self.taken.iter().chain(&other.taken).map(|(&first, &last)| (first, last)).collect();
        all.sort_unstable();
        let mut taken = BTreeMap::<u64, u64>::new();
        for (first, last) in all {
            match taken.last_entry() {
                // They overlap where both have memory at the same addresses.
                Some(mut before) if *before.get() >= first => {
                    let end = last.max(*before.get());
                    before.insert(end);
                }
                _ => drop(taken.insert(first, last)),
            }
        }
        Self { ranges, taken }
    }

    /// The highest place in a range.
    fn highest(&self, range: Range, len: u64, align: u64) -> Option<u64> {
        let fits = |gap: Range| {
            let first = gap.last.checked_sub(len.checked_sub(1)?)? & !(align - 1);
            (first >= gap.first).then_some(first)
        };
        let mut free = range;
        for (&first, &last) in self.taken.range(..=range.last).rev() {
            if last < range.first {
                break;
            }
            // Memory taken before the ranges changed may extend past an end.
            if last < free.last
                && let Some(found) = fits(Range { first: last + 1, ..free })
            {
                return Some(found);
            }
            if first <= range.first {
                return None;
            }
            free.last = first - 1;
        }
        fits(free)
    }

    /// Takes exactly these addresses.
    pub(super) fn claim(&mut self, first: u64, len: u64) -> Result<(), Refused> {
        let last = len.checked_sub(1).and_then(|len| first.checked_add(len)).ok_or(Refused::Outside)?;
        if !self.ranges.iter().any(|range| range.first <= first && last <= range.last) {
            return Err(Refused::Outside);
        }
        // The last range that begins at or before the end: all earlier ones end before it begins.
        if self.taken.range(..=last).next_back().is_some_and(|(_, &end)| end >= first) {
            return Err(Refused::Taken);
        }
        self.taken.insert(first, last);
        Ok(())
    }

    /// Releases the range that begins at `first`.
    pub(super) fn release(&mut self, first: u64) {
        self.taken.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOLE: Range = Range { first: 0xFEE0_0000, last: 0xFEEF_FFFF };

    fn space(ranges: &[(u64, u64)]) -> Space {
        let mut space = Space::default();
        space.set_ranges(ranges.iter().map(|&(first, last)| Range { first, last }));
        space
    }

    /// Takes a free range, if there is one.
    fn take(space: &mut Space, len: u64, align: u64) -> Option<u64> {
        let first = space.room(len, align)?;
        space.occupy(first, len);
        Some(first)
    }

    /// The addresses of an Intel IOMMU of 39 bits.
    fn intel() -> Space {
        space(&[(0, HOLE.first - 1), (HOLE.last + 1, (1 << 39) - 1)])
    }

    #[test]
    fn addresses_are_taken_from_the_top_and_below_39_bits() {
        let mut space = intel();
        assert_eq!(take(&mut space, 0x20_0000, 0x20_0000), Some((1 << 39) - 0x20_0000));
        assert_eq!(take(&mut space, 0x3000, 0x1000), Some((1 << 39) - 0x20_3000));
        assert_eq!(take(&mut space, 0x20_0000, 0x20_0000), Some((1 << 39) - 0x60_0000));
        space.release((1 << 39) - 0x20_0000);
        assert_eq!(take(&mut space, 0x1000, 0x1000), Some((1 << 39) - 0x1000));
    }

    #[test]
    fn the_hole_for_interrupt_messages_is_neither_taken_nor_claimed() {
        let mut space = space(&[(0, HOLE.first - 1), (HOLE.last + 1, HOLE.last + 0x2000)]);
        assert_eq!(take(&mut space, 0x2000, 0x1000), Some(HOLE.last + 1));
        assert_eq!(take(&mut space, 0x1000, 0x1000), Some(HOLE.first - 0x1000));
        for (first, len) in [(HOLE.first, 0x1000), (HOLE.first - 0x3000, 0x4000), (HOLE.last - 0xFFF, 0x2000)]
        {
            assert_eq!(space.claim(first, len), Err(Refused::Outside), "{first:#x}");
        }
        assert_eq!(space.claim(HOLE.first - 0x3000, 0x2000), Ok(()));
    }

    #[test]
    fn address_zero_is_not_used_and_the_last_of_64_bits_is() {
        let mut low = space(&[(0, 0x1FFF)]);
        assert_eq!(take(&mut low, 0x1000, 0x1000), Some(0x1000));
        assert_eq!(take(&mut low, 0x1000, 0x1000), None);
        let mut high = space(&[(1 << 39, u64::MAX)]);
        assert_eq!(take(&mut high, 0x1000, 0x1000), Some(u64::MAX - 0xFFF));
        assert_eq!(high.claim(u64::MAX - 0x1FFF, 0x2000), Err(Refused::Taken));
        assert_eq!(high.claim(u64::MAX - 0xFFF, 0x2000), Err(Refused::Outside), "past the end");
        assert_eq!(high.claim(0x1000, 0), Err(Refused::Outside), "nothing at all");
    }

    #[test]
    fn addresses_of_more_than_39_bits_are_a_second_choice() {
        let mut space = space(&[(0, 0x1FFF), ((1 << 39) - 0x2000, u64::MAX)]);
        let top = 1 << 39;
        assert_eq!(take(&mut space, 0x2000, 0x1000), Some(top - 0x2000));
        assert_eq!(take(&mut space, 0x2000, 0x1000), Some(u64::MAX - 0x1FFF));
        assert_eq!(take(&mut space, 0x1000, 0x1000), Some(0x1000));
        assert_eq!(take(&mut space, 0x1000, 0x1000), Some(u64::MAX - 0x2FFF));
    }

    #[test]
    fn what_two_have_is_what_is_free_in_both() {
        let mut wide = space(&[(0x1000, 0x8FFF), (0xA000, 0xFFFF)]);
        let mut narrow = space(&[(0x2000, 0x2FFF), (0x4000, 0xBFFF)]);
        wide.claim(0x4000, 0x1000).unwrap();
        narrow.claim(0x4000, 0x2000).unwrap();
        wide.claim(0x6000, 0x3000).unwrap();
        narrow.claim(0x7000, 0x1000).unwrap();
        narrow.claim(0xA000, 0x1000).unwrap();
        for both in [wide.with(&narrow), narrow.with(&wide)] {
            let expected = [(0x2000, 0x2FFF), (0x4000, 0x8FFF), (0xA000, 0xBFFF)];
            assert_eq!(both.ranges(), expected.map(|(first, last)| Range { first, last }));
            let taken: Vec<_> = both.taken.iter().map(|(&first, &last)| (first, last)).collect();
            assert_eq!(taken, [(0x4000, 0x5FFF), (0x6000, 0x8FFF), (0xA000, 0xAFFF)]);
            assert_eq!(both.room(0x1000, 0x1000), Some(0xB000));
            assert_eq!(both.room(0x2000, 0x1000), None);
        }
    }

    #[test]
    fn what_is_in_use_stays_so_when_there_are_fewer_addresses() {
        let mut space = space(&[(0, 0xFFFF)]);
        assert_eq!(take(&mut space, 0x2000, 0x1000), Some(0xE000));
        space.set_ranges([Range { first: 0x4000, last: 0xEFFF }]);
        assert_eq!(take(&mut space, 0x1000, 0x1000), Some(0xD000));
        assert_eq!(space.claim(0xE000, 0x1000), Err(Refused::Taken));
        assert_eq!(space.in_use(), 2);
    }

    #[test]
    fn ranges_come_in_any_order_and_those_upside_down_are_left_out() {
        let space = space(&[(0x8000, 0x8FFF), (0x5000, 0x4000), (0x2000, 0x2FFF), (0x3000, 0x3FFF)]);
        let expected = [Range { first: 0x2000, last: 0x3FFF }, Range { first: 0x8000, last: 0x8FFF }];
        assert_eq!(space.ranges(), expected);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Take { pages: u64, align: u32 },
        Claim { page: u64, pages: u64 },
        Release { which: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..20_u64, 0..4_u32).prop_map(|(pages, align)| Step::Take { pages, align }),
            (0..70_u64, 1..20_u64).prop_map(|(page, pages)| Step::Claim { page, pages }),
            (0..16_usize).prop_map(|which| Step::Release { which }),
        ]
    }

    /// A space of 64 pages, and which of them exist and are free.
    fn some() -> impl Strategy<Value = (Space, Vec<bool>)> {
        let claims = proptest::collection::vec((0..64_u64, 1..12_u64), 0..8);
        (proptest::collection::vec(prop::bool::weighted(0.8), 64), claims).prop_map(|(pages, claims)| {
            let mut space = Space::default();
            let ranges = (1..64_u64).filter(|&n| pages[n as usize]);
            space.set_ranges(ranges.map(|n| Range { first: n * PAGE, last: n * PAGE + PAGE - 1 }));
            let mut free = pages;
            free[0] = false;
            for (first, count) in claims {
                if space.claim(first * PAGE, count * PAGE).is_ok() {
                    (first..first + count).for_each(|n| free[n as usize] = false);
                }
            }
            (space, free)
        })
    }

    proptest! {
        #[test]
        fn room_in_two_is_where_both_are_free((one, free) in some(), (two, other) in some(), pages in 1..6_u64) {
            let free = |n: u64| free.get(n as usize) == Some(&true) && other.get(n as usize) == Some(&true);
            let expected = (0..64_u64).filter(|&first| (first..first + pages).all(free)).max();
            for both in [one.with(&two), two.with(&one)] {
                prop_assert_eq!(both.room(pages * PAGE, PAGE), expected.map(|first| first * PAGE));
            }
        }

        /// Compared with a table of 64 pages.
        #[test]
        fn nothing_is_given_out_twice_or_in_a_hole_and_room_is_found_where_there_is_some(
            pages in proptest::collection::vec(any::<bool>(), 64),
            steps in proptest::collection::vec(step(), 1..60),
        ) {
            let ranges = (0..64_u64).filter(|&n| pages[n as usize]);
            let mut space = Space::default();
            space.set_ranges(ranges.map(|n| Range { first: n * PAGE, last: n * PAGE + PAGE - 1 }));
            let there = |n: u64| n > 0 && n < 64 && pages[n as usize];
            let mut owner = vec![None; 64];
            let mut next = 0;
            let mut live: Vec<(u64, usize)> = Vec::new();
            for step in steps {
                let placed = match step {
                    Step::Take { pages, align } => {
                        let align = 1 << align;
                        let free = |first: u64| (first..first + pages).all(|n| there(n) && owner[n as usize].is_none());
                        let best = (0..64).filter(|first| first % align == 0 && free(*first)).max();
                        let found = take(&mut space, pages * PAGE, align * PAGE);
                        prop_assert_eq!(found, best.map(|first| first * PAGE));
                        found.map(|first| (first / PAGE, pages))
                    }
                    Step::Claim { page, pages } => {
                        let inside = (page..page + pages).all(there);
                        let free = (page..page + pages).all(|n| there(n) && owner[n as usize].is_none());
                        let expected = match (inside, free) {
                            (false, _) => Err(Refused::Outside),
                            (true, false) => Err(Refused::Taken),
                            (true, true) => Ok(()),
                        };
                        prop_assert_eq!(space.claim(page * PAGE, pages * PAGE), expected);
                        expected.is_ok().then_some((page, pages))
                    }
                    Step::Release { which } => {
                        if !live.is_empty() {
                            let (first, id) = live.swap_remove(which % live.len());
                            space.release(first * PAGE);
                            owner.iter_mut().for_each(|owner| if *owner == Some(id) { *owner = None });
                        }
                        None
                    }
                };
                if let Some((first, pages)) = placed {
                    (first..first + pages).for_each(|n| owner[n as usize] = Some(next));
                    live.push((first, next));
                    next += 1;
                }
                prop_assert_eq!(space.in_use(), live.len());
            }
        }
    }
}
