//! A container of VFIO: one IOMMU's page tables. The unsafe calls are here.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::ptr;

use vfio_bindings::bindings::vfio::{
    VFIO_API_VERSION, VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE, VFIO_IOMMU_INFO_CAPS,
    VFIO_IOMMU_INFO_PGSIZES, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
    VFIO_TYPE1v2_IOMMU, vfio_iommu_type1_dma_map, vfio_iommu_type1_dma_unmap, vfio_iommu_type1_info,
};

use super::call::{query, request};
use super::chain::Chain;
use super::group::{ALLOW_CONTAINER, opened};
use super::space::{PAGE, Range};
use crate::error::Error;

/// The file that creates containers.
pub(super) const PATH: &str = "/dev/vfio/vfio";

/// The interface to the IOMMU that is used, as an argument.
const TYPE1: *mut u8 = ptr::without_provenance_mut(VFIO_TYPE1v2_IOMMU as usize);

/// Requests of containers (include/uapi/linux/vfio.h).
mod number {
    pub(super) const GET_API_VERSION: u32 = 0;
    pub(super) const CHECK_EXTENSION: u32 = 1;
    pub(super) const SET_IOMMU: u32 = 2;
    pub(super) const IOMMU_GET_INFO: u32 = 12;
    pub(super) const IOMMU_MAP_DMA: u32 = 13;
    pub(super) const IOMMU_UNMAP_DMA: u32 = 14;
}

/// An open container.
#[derive(Debug)]
pub(super) struct Container {
    file: File,
}

/// The kernel's information about a container's IOMMU.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// The smallest page that it maps, in bytes.
    pub(super) page: u64,
    /// The addresses that it translates; none if the kernel does not report them.
    pub(super) ranges: Vec<Range>,
    /// The number of mappings that the kernel still allows, if it reports that.
    pub(super) available: Option<u32>,
}

impl Container {
    /// Opens a container without groups and IOMMU.
    pub(super) fn open() -> Result<Self, Error> {
        let file = opened(PATH.as_ref(), ALLOW_CONTAINER)?;
        // SAFETY: this request takes no argument.
        let version =
            unsafe { request(file.as_fd(), number::GET_API_VERSION, ptr::null_mut()) }.map_err(failed)?;
        if version != VFIO_API_VERSION {
            return Err(failed(io::Error::other(format!("version {version} of its interface is not known"))));
        }
        // SAFETY: this request takes a number.
        let type1 = unsafe { request(file.as_fd(), number::CHECK_EXTENSION, TYPE1) };
        if type1.map_err(failed)? == 0 {
            return Err(Error::NoVfioIommu);
        }
        Ok(Self { file })
    }

    /// The open file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Chooses the interface to the IOMMU, once the first group is in the container.
    pub(super) fn set_iommu(&self) -> io::Result<()> {
        // SAFETY: this request takes a number.
        unsafe { request(self.file.as_fd(), number::SET_IOMMU, TYPE1) }.map(|_| ())
    }

    /// Asks about the IOMMU.
    pub(super) fn info(&self) -> io::Result<Info> {
        let head = [0; size_of::<vfio_iommu_type1_info>() / 4];
        // SAFETY: this request answers in a vfio_iommu_type1_info, whose first field is `argsz`.
        let answer = unsafe { query(self.file.as_fd(), number::IOMMU_GET_INFO, &head) }?;
        Ok(Info::read(&answer))
    }

    /// Lets devices reach `len` bytes of this process at `address` by `iova`. All are multiples of the IOMMU's
    /// page.
    ///
    /// # Safety
    /// MAPPED-ALIVE: the memory is the caller's to give to devices, and is used for nothing else until the mapping
    /// ends.
    pub(super) unsafe fn map(&self, iova: u64, address: usize, len: u64) -> io::Result<()> {
        let mut map = vfio_iommu_type1_dma_map {
            argsz: size_of::<vfio_iommu_type1_dma_map>() as u32,
            flags: VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
            vaddr: address as u64,
            iova,
            size: len,
        };
        // SAFETY: this request takes the structure; the memory is as the caller promises, and the kernel pins its
        // pages, so that they become nobody else's before the mapping ends, even if the process is killed.
        unsafe { request(self.file.as_fd(), number::IOMMU_MAP_DMA, (&raw mut map).cast()) }.map(|_| ())
    }

    /// Ends the mapping of `len` bytes at `iova`.
    pub(super) fn unmap(&self, iova: u64, len: u64) -> io::Result<()> {
        let mut unmap = vfio_iommu_type1_dma_unmap {
            argsz: size_of::<vfio_iommu_type1_dma_unmap>() as u32,
            iova,
            size: len,
            ..Default::default()
        };
        // SAFETY: this request takes the structure and sets its field `size`. Devices reach less than before.
        unsafe { request(self.file.as_fd(), number::IOMMU_UNMAP_DMA, (&raw mut unmap).cast()) }?;
        if unmap.size == len {
            Ok(())
        } else {
            Err(io::Error::other(format!("{} of {len} bytes were mapped", unmap.size)))
        }
    }
}

/// The error for a VFIO that does not work as it should.
fn failed(source: io::Error) -> Error {
    Error::NoVfio { path: PATH.into(), source }
}

impl Info {
    /// Reads the kernel's answer: `struct vfio_iommu_type1_info` and capabilities.
    fn read(answer: &[u8]) -> Self {
        let u32_at = |at: usize| answer.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
        let u64_at = |at: usize| answer.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes);
        let flags = u32_at(4).unwrap_or(0);
        let sizes = u64_at(8).filter(|_| flags & VFIO_IOMMU_INFO_PGSIZES != 0).unwrap_or(0);
        let smallest = if sizes == 0 { PAGE } else { sizes & sizes.wrapping_neg() };
        let mut info = Self { page: smallest.max(PAGE), ranges: Vec::new(), available: None };
        if flags & VFIO_IOMMU_INFO_CAPS == 0 {
            return info;
        }
        let chain = Chain::new(answer, u32_at(16).unwrap_or(0));
        if let Some(ranges) = chain.clone().entry(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
            info.ranges = ranges.pairs().into_iter().map(|(first, last)| Range { first, last }).collect();
        }
        info.available = chain.entry(VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL).and_then(|entry| entry.u32(0));
        info
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The answer of an Intel IOMMU of 39 bits.
    fn answer() -> Vec<u8> {
        let words: [u32; 22] = [
            88,
            3,
            0x4020_1000,
            0,
            24,
            0, // flags: page sizes and capabilities; 4 KiB, 2 MiB, 1 GiB; the list is at 24
            0x0001_0001,
            72,
            2,
            0,
            0,
            0,
            0xFEDF_FFFF,
            0,
            0xFEF0_0000,
            0,
            0xFFFF_FFFF,
            0x7F, // ranges, next at 72
            0x0001_0003,
            0,
            65_535,
            0, // mappings
        ];
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn the_kernels_answer_tells_page_size_ranges_and_mappings() {
        let expected = Info {
            page: 4096,
            ranges: vec![
                Range { first: 0, last: 0xFEDF_FFFF },
                Range { first: 0xFEF0_0000, last: 0x7F_FFFF_FFFF },
            ],
            available: Some(65_535),
        };
        assert_eq!(Info::read(&answer()), expected);
    }

    #[test]
    fn without_the_flags_the_fields_mean_nothing() {
        let mut bytes = answer();
        bytes[4] = 0;
        assert_eq!(Info::read(&bytes), Info { page: 4096, ..Info::default() });
        bytes[4] = 1;
        bytes[8..12].copy_from_slice(&0x4021_0000_u32.to_ne_bytes());
        assert_eq!(Info::read(&bytes), Info { page: 0x1_0000, ..Info::default() });
        assert_eq!(Info::read(&[]), Info { page: 4096, ..Info::default() });
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..120), offset in 0_u8..120) {
            let mut bytes = bytes;
            if bytes.len() > 24 {
                bytes[4] = 3;
                bytes[16..20].copy_from_slice(&[offset, 0, 0, 0]);
            }
            let info = Info::read(&bytes);
            prop_assert!(info.page >= 4096 && info.ranges.len() <= bytes.len() / 16);
        }
    }
}
