//! The parts of a device that VFIO makes accessible: [`Region`].

use std::ops::Range;
use std::os::fd::AsFd;

use ixy_dma::vfio::chain::Chain;
use ixy_dma::vfio::query;
use vfio_bindings::bindings::vfio::{
    VFIO_PCI_CONFIG_REGION_INDEX, VFIO_REGION_INFO_CAP_SPARSE_MMAP, VFIO_REGION_INFO_FLAG_CAPS,
    VFIO_REGION_INFO_FLAG_MMAP, VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE, vfio_region_info,
};

use super::{Function, number};
use crate::error::Error;

/// The region number of the configuration space; a BAR's region has the BAR's number.
pub(crate) const CONFIG: u32 = VFIO_PCI_CONFIG_REGION_INDEX;

/// The granularity of mappings, on every system.
const PAGE: u64 = 4096;

/// A region: a part of the device's descriptor that can be read and written, and maybe mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Region {
    /// Its offset in the descriptor.
    pub(crate) start: u64,
    /// Its length in bytes; zero when there is no such region, or it may not be read and written.
    pub(crate) len: u64,
    /// The parts that can be mapped, in order, disjoint and of whole pages: the whole region, or all but the parts
    /// that the kernel keeps for itself, such as the MSI-X table.
    pub(crate) areas: Vec<Range<u64>>,
}

impl Function {
    /// Asks VFIO about a region.
    pub(crate) fn region(&self, index: u32) -> Result<Region, Error> {
        let mut head = [0; size_of::<vfio_region_info>() / 4];
        head[2] = index;
        // SAFETY: this request fills a vfio_region_info. Its first field is `argsz`, and its third is the index.
        let answer = unsafe { query(self.file.as_fd(), number::GET_REGION_INFO, &head) };
        let answer = answer.map_err(|source| Error::VfioRequest {
            address: self.address,
            what: "ask about a region of",
            source,
        })?;
        Ok(Region::read(&answer))
    }
}

impl Region {
    /// Reads the kernel's answer: `struct vfio_region_info` and capabilities.
    fn read(answer: &[u8]) -> Self {
        let u32_at =
            |at: usize| answer.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes);
        let u64_at =
            |at: usize| answer.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_ne_bytes);
        let (flags, list, mut len, start) = (u32_at(4), u32_at(12), u64_at(16), u64_at(24));
        let usable = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        if flags & usable != usable || start.checked_add(len).is_none_or(|end| i64::try_from(end).is_err()) {
            len = 0;
        }
        let sparse = if flags & VFIO_REGION_INFO_FLAG_CAPS == 0 { 0 } else { list };
        let areas = match Chain::new(answer, sparse).entry(VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
            _ if flags & VFIO_REGION_INFO_FLAG_MMAP == 0 => Vec::new(),
            None => std::iter::once(0..len).collect(),
            Some(areas) => {
                areas.pairs().into_iter().map(|(first, len)| first..first.saturating_add(len)).collect()
            }
        };
        Self { start, len, areas: sound(areas, len) }
    }
}

/// The areas that are whole pages inside of `len` bytes, sorted; of overlapping ones, the first.
fn sound(mut areas: Vec<Range<u64>>, len: u64) -> Vec<Range<u64>> {
    areas.sort_by_key(|area| area.start);
    let mut end = 0;
    areas.retain(|area| {
        let whole = area.start.is_multiple_of(PAGE) && (area.end.is_multiple_of(PAGE) || area.end == len);
        let sound = whole && area.start >= end && area.start < area.end && area.end <= len;
        end = if sound { area.end } else { end };
        sound
    });
    areas
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u32 = 7;

    fn answer(flags: u32, len: u64, areas: Option<&[(u64, u64)]>) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            [32, flags, 4, 32].iter().flat_map(|word: &u32| word.to_ne_bytes()).collect();
        bytes.extend([len, 4 << 40].iter().flat_map(|word| word.to_ne_bytes()));
        if let Some(areas) = areas {
            bytes.extend([1_u32, 0, areas.len() as u32, 0].iter().flat_map(|word| word.to_ne_bytes()));
            bytes.extend(areas.iter().flat_map(|&(first, len)| [first, len]).flat_map(u64::to_ne_bytes));
        }
        bytes
    }

    fn ends(region: &Region) -> Vec<(u64, u64)> {
        region.areas.iter().map(|area| (area.start, area.end)).collect()
    }

    #[test]
    fn a_region_is_mapped_as_a_whole_unless_the_kernel_keeps_a_part() {
        let region = Region::read(&answer(ALL, 0x4000, None));
        assert_eq!((region.start, region.len), (4 << 40, 0x4000));
        assert_eq!(ends(&region), [(0, 0x4000)]);
        let around_a_table = answer(ALL | 8, 0x4000, Some(&[(0, 0x2000), (0x3000, 0x1000)]));
        assert_eq!(ends(&Region::read(&around_a_table)), [(0, 0x2000), (0x3000, 0x4000)]);
        assert_eq!(Region::read(&answer(ALL | 8, 0x1000, Some(&[]))).areas, [], "the table is all there is");
        // An answer without that flag has no list, whatever its bytes are.
        assert_eq!(Region::read(&answer(ALL, 0x4000, Some(&[]))).areas.len(), 1);
    }

    #[test]
    fn ports_and_small_bars_are_not_mapped() {
        let region = Region::read(&answer(3, 32, None));
        assert_eq!((region.len, region.areas), (32, vec![]));
    }

    #[test]
    fn a_region_that_is_not_there_or_cannot_be_written_has_no_bytes() {
        for bytes in
            [answer(0, 0, None), answer(1, 64, None), answer(ALL, u64::MAX, None), vec![], vec![7; 20]]
        {
            let region = Region::read(&bytes);
            assert_eq!((region.len, region.areas), (0, vec![]), "{bytes:?}");
        }
    }

    #[test]
    fn areas_that_make_no_sense_are_not_mapped() {
        let areas = [
            (0x5000, 0x1000),
            (0x3000, 0x1000),
            (0x3000, 0x800),
            (0x1234, 0x1000),
            (0, 0),
            (u64::MAX - 0xFFF, 0x2000),
        ];
        let region = Region::read(&answer(ALL | 8, 0x5800, Some(&areas)));
        assert_eq!(ends(&region), [(0x3000, 0x4000)]);
        let overlapping = [(0, 0x3000), (0x2000, 0x2000), (0x4000, 0x1800)];
        let region = Region::read(&answer(ALL | 8, 0x5800, Some(&overlapping)));
        assert_eq!(ends(&region), [(0, 0x3000), (0x4000, 0x5800)]);
    }
}
