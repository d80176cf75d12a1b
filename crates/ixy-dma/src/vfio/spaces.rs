//! The addresses of containers that share memory among their devices: [`Spaces`].

use std::collections::BTreeMap;

use super::container::Info;
use super::space::{PAGE, Space};

/// The addresses of one or several containers. Memory is placed where it can be mapped in all of them, since it
/// has the same address in each.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    list: BTreeMap<usize, Of>,
    /// The number of the next container.
    next: usize,
}

/// The addresses of one container.
#[derive(Debug, Default)]
struct Of {
    space: Space,
    /// The smallest page of its IOMMU, in bytes.
    page: u64,
}

impl Spaces {
    /// Adds a container, and returns its number.
    pub(super) fn add(&mut self, info: &Info) -> usize {
        let number = self.next;
        self.next += 1;
        self.renew(number, info);
        number
    }

    /// Takes over the kernel's current information about a container's IOMMU, which changes when a group is added.
    pub(super) fn renew(&mut self, number: usize, info: &Info) {
        let of = self.list.entry(number).or_default();
        of.page = info.page;
        of.space.set_ranges(info.ranges.iter().copied());
    }

    /// Removes a container.
    pub(super) fn remove(&mut self, number: usize) {
        self.list.remove(&number);
    }

    /// The addresses of a container.
    pub(super) fn of(&mut self, number: usize) -> &mut Space {
        &mut self.list.entry(number).or_default().space
    }

    /// The granularity of mappings: the largest of all IOMMUs' smallest pages, in bytes.
    pub(super) fn page(&self) -> u64 {
        self.list.values().map(|of| of.page).max().unwrap_or(PAGE)
    }

    /// Takes `len` bytes in a container, at a multiple of `align` if possible, and of the page in any case: at
    /// addresses that are free in all containers, or else in this one.
    pub(super) fn take(&mut self, number: usize, len: u64, align: u64) -> Option<u64> {
        let page = self.page();
        let mut all = self.list.values();
        let common =
            all.next().map(|first| all.fold(first.space.clone(), |common, of| common.with(&of.space)));
        let own = self.of(number);
        let aligned = |align: u64| {
            let common = common.as_ref().and_then(|common| common.room(len, align));
            common.or_else(|| own.room(len, align))
        };
        let first = aligned(align.max(page)).or_else(|| aligned(page))?;
        own.occupy(first, len);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::super::space::{Range, Refused};
    use super::*;

    fn info(ranges: &[(u64, u64)]) -> Info {
        let ranges = ranges.iter().map(|&(first, last)| Range { first, last }).collect();
        Info { page: 4096, ranges, available: None }
    }

    /// Containers with IOMMUs that translate these ranges.
    fn spaces(ranges: &[&[(u64, u64)]]) -> Spaces {
        let mut spaces = Spaces::default();
        for (number, ranges) in ranges.iter().enumerate() {
            assert_eq!(spaces.add(&info(ranges)), number);
        }
        spaces
    }

    #[test]
    fn memory_is_placed_where_it_can_be_mapped_in_each_container() {
        let mut spaces = spaces(&[&[(0, 0xF_FFFF)], &[(0, 0x4_FFFF), (0x6_0000, 0x7_FFFF)]]);
        assert_eq!(spaces.take(0, 0x1_0000, 0x1000), Some(0x7_0000));
        spaces.of(1).claim(0x7_0000, 0x1_0000).unwrap();
        // Neither addresses that one uses, nor those that the other uses.
        spaces.of(0).claim(0x6_F000, 0x1000).unwrap();
        assert_eq!(spaces.take(1, 0x1_0000, 0x1000), Some(0x4_0000));
        spaces.of(0).claim(0x4_0000, 0x1_0000).unwrap();
        assert_eq!(spaces.of(0).claim(0x4_F000, 0x1000), Err(Refused::Taken));
        // A removed container restricts nothing.
        spaces.remove(1);
        assert_eq!(spaces.take(0, 0x1_0000, 0x1000), Some(0xF_0000));
    }

    #[test]
    fn memory_that_cannot_be_shared_is_placed_all_the_same() {
        let mut spaces = spaces(&[&[(0x1000, 0x1FFF)], &[(0x8000, 0x8FFF)]]);
        assert_eq!(spaces.take(0, 0x1000, 0x1000), Some(0x1000));
        assert_eq!(spaces.take(0, 0x1000, 0x1000), None);
        assert_eq!(spaces.take(1, 0x1000, 0x1000), Some(0x8000));
    }

    #[test]
    fn an_alignment_that_cannot_be_had_is_done_without() {
        let mut spaces = spaces(&[&[(0x1000, 0x7_FFFF)]]);
        assert_eq!(spaces.take(0, 0x5_0000, 0x8_0000), Some(0x3_0000));
    }

    #[test]
    fn the_largest_of_the_pages_counts_and_what_the_kernel_says_last() {
        let mut spaces = spaces(&[&[(0, 0xF_FFFF)], &[(0, 0xF_FFFF)]]);
        assert_eq!(spaces.page(), 4096);
        spaces.renew(1, &Info { page: 0x1_0000, ..info(&[(0, 0xA_FFFF)]) });
        assert_eq!(spaces.page(), 0x1_0000);
        assert_eq!(spaces.take(0, 0x1000, 0x1000), Some(0xA_0000));
        spaces.remove(1);
        assert_eq!((spaces.page(), Spaces::default().page()), (4096, 4096));
        assert_eq!(Spaces::default().take(0, 0x1000, 0x1000), None);
    }
}
