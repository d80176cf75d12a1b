//! Memory that a device reaches by physical addresses: [`PhysicalDomain`].

mod control_group;
mod hugepages;
mod mapping;
mod pagemap;
mod shared;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::io::Errno;
use rustix::mm::MapFlags;

use crate::domain::{DmaDomain, DomainId, Iova};
use crate::error::Error;
use crate::memory::{Backing, DmaMemory, Segment};

use hugepages::Hugepages;
pub use hugepages::PageSize;
pub(crate) use mapping::Mapping;
use pagemap::Pagemap;
use shared::Piece;

/// Physical memory, for devices without an IOMMU. It comes in hugepages: one of 2 MiB or 1 GiB is contiguous for
/// the device, is never swapped, and stays in place while it is mapped, unless its memory module is removed or the
/// kernel makes room for contiguous allocations (CMA).
///
/// # What the absence of an IOMMU means
///
/// The device can read and write all memory of the machine, including that of the kernel and of every other
/// process. A wrong address in one descriptor silently overwrites whatever is there. Only a correct driver and
/// correct firmware prevent that. The same holds after a crash: the kernel reuses the memory of a killed process
/// while the device may still write to it, until another program disables the device's bus mastering. If that is
/// not acceptable, use an IOMMU and `vfio-pci`: [`VfioDomain`](crate::VfioDomain).
///
/// An IOMMU that translates for the kernel (`iommu_group/type` of the device says `DMA` or `DMA-FQ`) blocks
/// physical addresses: no frame arrives, and the kernel log reports faults. Boot with `iommu=pt` then.
///
/// # Hugepages
///
/// Pages of 2 MiB are used if there are enough of them. Otherwise [`PhysicalDomain::default`] takes pages of 1
/// GiB, of which several pieces of memory share one. [`PhysicalDomain::new`] uses pages of one size only.
///
/// Pages come from a file in a mounted hugetlbfs, which is unlinked at once. Without such a mount they come from an
/// anonymous mapping. They are reserved, bound to a NUMA node if one is given, and touched before they are handed
/// out, so that using them never raises a signal. The mapping is shared and not inherited by `fork`, so that no fork
/// moves a frame. Reading physical addresses from `/proc/self/pagemap` takes root (CAP_SYS_ADMIN).
///
/// All physical domains are one address space with the same [`id`](DmaDomain::id), since devices of one reach
/// memory of all. They differ only in the source of new memory.
///
/// ```no_run
/// use std::sync::Arc;
/// use ixy_dma::{DmaDomain, PageSize, PhysicalDomain};
///
/// # fn main() -> Result<(), ixy_dma::Error> {
/// let domain = Arc::new(PhysicalDomain::new(PageSize::Mib2).on_node(Some(0)));
/// let memory = domain.allocate(4 << 20)?;
/// for segment in memory.segments() {
///     eprintln!("{} bytes at {}", segment.len, segment.iova);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PhysicalDomain {
    /// The only page size to use; with `None`, pages of 1 GiB replace those of 2 MiB if there are too few.
    page: Option<PageSize>,
    node: Option<u32>,
    root: PathBuf,
}

impl Default for PhysicalDomain {
    /// Pages of 2 MiB, or of 1 GiB where there are too few of those, on any NUMA node.
    fn default() -> Self {
        Self { page: None, node: None, root: PathBuf::from("/") }
    }
}

impl PhysicalDomain {
    /// Physical memory in pages of one size.
    pub fn new(page: PageSize) -> Self {
        Self { page: Some(page), ..Self::default() }
    }

    /// Takes memory from one NUMA node only, the device's. On a machine with a single node this has no effect, and
    /// `None` leaves the choice to the kernel.
    #[must_use]
    pub fn on_node(self, node: Option<u32>) -> Self {
        Self { node, ..self }
    }

    /// Reads the kernel's files below `root` instead of `/`: `proc/self/mounts`, `proc/self/pagemap`,
    /// `proc/self/cgroup`, `sys/kernel/mm/hugepages`, `sys/devices/system/node`, `sys/fs/cgroup`. For tests.
    ///
    /// # Safety
    /// No device gets addresses of this domain's memory, unless `proc/self/pagemap` below `root` is the
    /// kernel's own.
    #[must_use]
    pub unsafe fn with_root(self, root: impl AsRef<Path>) -> Self {
        Self { root: root.as_ref().to_owned(), ..self }
    }

    /// Checks, without mapping anything, that [`PhysicalDomain::default`] can allocate `len` bytes now, on a NUMA
    /// node if one is given, and returns their page size. The kernel's files are below `root`, which is `/` except
    /// in tests.
    ///
    /// # Errors
    /// [`Error::NoHugepages`], [`Error::HugepageLimit`], [`Error::NoSuchPageSize`], [`Error::NoSuchNode`].
    pub fn check(root: &Path, node: Option<u32>, len: usize) -> Result<PageSize, Error> {
        let domain = Self { page: None, node, root: root.to_owned() };
        let bound = domain.binding()?;
        let mut first = None;
        for &page in domain.sizes() {
            if domain.shares(page) && shared::has_room(node, root, len) {
                return Ok(page);
            }
            let count = len.div_ceil(page.bytes()) as u64;
            match (Hugepages { page, root }).shortage(count, bound) {
                None => return Ok(page),
                Some(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or(Error::BadRequest { size: len }))
    }

    /// Checks that this process can read the physical addresses of its memory, from `proc/self/pagemap` below
    /// `root`. A test tree without that file is no error.
    ///
    /// # Errors
    /// [`Error::FrameHidden`] without CAP_SYS_ADMIN.
    pub fn check_addresses(root: &Path) -> Result<(), Error> {
        if !root.join("proc/self/pagemap").exists() {
            return Ok(());
        }
        let touched = std::hint::black_box(0_u8);
        let address = std::ptr::from_ref(&touched).addr() as u64;
        Pagemap::open(root, address)?.physical(address).map(|_| ())
    }

    /// The page sizes to try, the best first.
    fn sizes(&self) -> &[PageSize] {
        match &self.page {
            Some(only) => std::slice::from_ref(only),
            None => &[PageSize::Mib2, PageSize::Gib1],
        }
    }

    /// Whether pieces of memory share pages of this size. A domain with an explicit page size gives whole
    /// pages.
    fn shares(&self, page: PageSize) -> bool {
        self.page.is_none() && page == PageSize::Gib1
    }

    /// The node to bind memory to; none on a machine with a single node.
    fn binding(&self) -> Result<Option<u32>, Error> {
        self.node.map_or(Ok(None), |node| hugepages::binding(&self.root, node))
    }

    /// Maps `len` bytes, a multiple of the page size, and touches all of them.
    pub(crate) fn map_pages(&self, page: PageSize, len: usize) -> Result<Mapping, Error> {
        let hugepages = Hugepages { page, root: &self.root };
        let node = self.binding()?;
        let count = (len / page.bytes()) as u64;
        let mapping = hugepages.reserve(len)?;
        mapping.keep_out_of_forks()?;
        if let Some(node) = node {
            mapping.bind(node)?;
        }
        match mapping.populate(page.bytes()) {
            Ok(()) => Ok(mapping),
            // The reserved pages may be on another node, or exceed the limit of a control group.
            Err(error) => {
                drop(mapping);
                Err(hugepages.shortage(count, node).unwrap_or(error))
            }
        }
    }

    /// Maps `len` bytes of ordinary memory, on the node for hugepages. Nothing is touched.
    pub(crate) fn map_ordinary(&self, len: usize) -> Result<Mapping, Error> {
        let node = self.binding()?;
        let failed = |source: Errno| Error::Os {
            what: format!("cannot get {len} bytes of memory"),
            source: source.into(),
        };
        let mapping = Mapping::anonymous(len, MapFlags::empty()).map_err(failed)?;
        mapping.keep_out_of_forks()?;
        node.map_or(Ok(()), |node| mapping.bind(node))?;
        Ok(mapping)
    }

    /// The places of a mapping's pages in physical memory.
    fn segments(&self, mapping: &Mapping, page: PageSize) -> Result<Vec<Segment>, Error> {
        let pagemap = Pagemap::open(&self.root, mapping.address())?;
        let page = page.bytes();
        let offsets = (0..mapping.len()).step_by(page);
        let places = offsets.map(|offset| pagemap.physical(mapping.address() + offset as u64).map(Iova));
        Ok(join(&places.collect::<Result<Vec<_>, _>>()?, page))
    }
}

impl PhysicalDomain {
    /// Allocates memory in pages of one size.
    fn allocate_in(self: &Arc<Self>, page: PageSize, size: usize) -> Result<DmaMemory, Error> {
        let len = size.checked_next_multiple_of(page.bytes()).filter(|&len| len > 0);
        let len = len.ok_or(Error::BadRequest { size })?;
        let domain = Arc::clone(self);
        if self.shares(page) {
            let piece = Piece::new(self, size)?;
            let (base, len, segments) = (piece.base(), piece.len(), piece.segments());
            tracing::debug!(bytes = len, segments = segments.len(), "a part of hugepages of 1G is used");
            // SAFETY: MAPPED-ALIVE: the piece has `len` zeroed bytes from `base`, aligned to 2 MiB, and keeps
            // them mapped and to itself as long as the backing lives. Its segments are parts of those of its
            // pages, which are as below.
            return Ok(unsafe { DmaMemory::from_raw(base, len, segments, Box::new(piece), domain) });
        }
        let mapping = self.map_pages(page, len)?;
        let segments = self.segments(&mapping, page)?;
        tracing::debug!(pages = len / page.bytes(), %page, segments = segments.len(), "hugepages mapped");
        let base = mapping.base();
        // SAFETY: MAPPED-ALIVE: the mapping has `len` bytes from `base`, zeroed by the kernel and aligned to
        // a hugepage, and lives as long as the backing. Nobody else has it. The pagemap gave the physical
        // addresses of its pages, which stay as the pages are shared, present and kept out of forks. `join`
        // makes segments of them that follow one another, of whole pages.
        Ok(unsafe { DmaMemory::from_raw(base, len, segments, Box::new(mapping), domain) })
    }
}

/// The segments of pages at these places; neighbours in physical memory are joined.
fn join(places: &[Iova], page: usize) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for (n, &iova) in places.iter().enumerate() {
        match segments.last_mut() {
            Some(last) if last.iova.offset(last.len as u64) == iova => last.len += page,
            _ => segments.push(Segment { offset: n * page, len: page, iova }),
        }
    }
    segments
}

// SAFETY: physical memory is one address space, so all such domains share one id, and what one of them
// allocates is reached from all without a mapping that could end.
unsafe impl DmaDomain for PhysicalDomain {
    fn id(&self) -> DomainId {
        static PHYSICAL_MEMORY: OnceLock<DomainId> = OnceLock::new();
        *PHYSICAL_MEMORY.get_or_init(DomainId::unique)
    }

    fn name(&self) -> String {
        "physical memory".into()
    }

    fn allocate(self: Arc<Self>, size: usize) -> Result<DmaMemory, Error> {
        let mut first = None;
        for &page in self.sizes() {
            match self.allocate_in(page, size) {
                Err(error) if matches!(error, Error::BadRequest { .. } | Error::NoSuchNode { .. }) => {
                    return Err(error);
                }
                // With several sizes, the error asks for the usual one.
                Err(error) => first = first.or(Some(error)),
                found => return found,
            }
        }
        Err(first.unwrap_or(Error::BadRequest { size }))
    }

    unsafe fn import(self: Arc<Self>, memory: &DmaMemory) -> Result<Box<dyn Backing>, Error> {
        if memory.domain().id() == self.id() {
            return Ok(Box::new(Unchanged));
        }
        Err(Error::CannotShare {
            from: memory.domain().name(),
            into: self.name(),
            why: "without an IOMMU a device reaches physical addresses only, and that memory has others"
                .into(),
        })
    }
}

/// The import of memory that is in reach already.
#[derive(Debug)]
struct Unchanged;

impl Backing for Unchanged {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_pages_are_joined_and_others_are_not() {
        let places = [0x40, 0x60, 0x80, 0xE0, 0xC0, 0x100, 0x160].map(Iova);
        let segment = |offset, len, iova| Segment { offset, len, iova: Iova(iova) };
        let expected = [
            segment(0, 0x60, 0x40),
            segment(0x60, 0x20, 0xE0),
            segment(0x80, 0x20, 0xC0),
            segment(0xA0, 0x20, 0x100),
            segment(0xC0, 0x20, 0x160),
        ];
        assert_eq!(join(&places, 0x20), expected);
        assert_eq!(join(&[], 0x20), []);
    }
}
