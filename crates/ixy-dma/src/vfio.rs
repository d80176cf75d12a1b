//! An address space behind an IOMMU: [`VfioDomain`].

mod call;
pub mod chain;
mod container;
#[cfg(test)]
mod fake;
mod group;
mod limits;
mod refusal;
mod space;
mod spaces;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{DmaDomain, DomainId, Iova};
use crate::error::Error;
use crate::memory::{Backing, DmaMemory, Segment};
use crate::physical::{Mapping, PageSize, PhysicalDomain};

pub use call::{query, request};
use container::Container;
pub use group::VfioGroup;
pub use limits::check_lock;
pub use refusal::{check, reserved};
use space::{PAGE, Range, Refused};
use spaces::Spaces;

/// The address space of devices behind an IOMMU: a VFIO container with the groups of devices in it. The IOMMU
/// stops every access to an address that is not mapped here. A device therefore reaches only the memory that
/// it was given, even if its driver is wrong or its process was killed.
///
/// Clones are the same address space and differ only in the NUMA node that new memory is taken from
/// ([`on_node`](Self::on_node)). The container is closed with the last clone and the last memory of it.
///
/// # Addresses
///
/// Each piece of memory is contiguous for the device. The domain chooses its address among those that the
/// IOMMU translates according to the kernel, from the top of 39 bits down. Such addresses fit every IOMMU of
/// 39 bits, avoid holes such as that for interrupt messages (0xfee00000), and leave low addresses to memory
/// that is imported at its physical ones. Containers of one [`VfioDomains`] choose addresses that are free in
/// all of them, so that memory can be mapped in each. The page behind each piece stays unmapped; an access to
/// it is a fault that the kernel logs.
///
/// # Memory
///
/// Pieces of 2 MiB and more use hugepages while there are free ones, and ordinary pages otherwise. All memory
/// is locked while it is mapped. Except for root, the system limits locked memory (`ulimit -l`); the error
/// names the limit.
///
/// ```no_run
/// use std::sync::Arc;
/// use ixy_dma::{DmaDomain, VfioDomain, VfioGroup};
///
/// # fn main() -> Result<(), ixy_dma::Error> {
/// let domain = VfioDomain::new(VfioGroup::open(7)?)?;
/// let device = domain.device(7, "0000:03:00.0")?; // for the requests of VFIO, as ixy-pci makes them
/// let memory = Arc::new(domain.on_node(Some(0))).allocate(1 << 20)?;
/// eprintln!("the device reaches {} bytes at {}", memory.len(), memory.segments()[0].iova);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct VfioDomain {
    shared: Arc<Shared>,
    node: Option<u32>,
}

/// The state that all clones share.
#[derive(Debug)]
struct Shared {
    id: DomainId,
    container: Container,
    groups: Mutex<Vec<VfioGroup>>,
    /// The addresses of this container and of those with which it shares memory.
    spaces: Arc<Mutex<Spaces>>,
    /// The number of this container there.
    number: usize,
}

impl Drop for Shared {
    fn drop(&mut self) {
        lock(&self.spaces).remove(self.number);
    }
}

/// The size from which on hugepages are used, since they are not divided.
const HUGE: usize = PageSize::Mib2.bytes();

impl VfioDomain {
    /// Creates a container with one group.
    ///
    /// # Errors
    /// [`Error::NoVfio`], [`Error::NoVfioIommu`], [`Error::VfioPermission`]; [`Error::VfioReserved`],
    /// [`Error::VfioInterrupts`], [`Error::VfioGroupRefused`], [`Error::NoIovaRanges`].
    pub fn new(group: VfioGroup) -> Result<Self, Error> {
        Self::among(Arc::default(), group)
    }

    /// Creates a container beside others with which it may share memory.
    fn among(spaces: Arc<Mutex<Spaces>>, group: VfioGroup) -> Result<Self, Error> {
        let container = Container::open()?;
        let joined = group.join(&container).and_then(|()| container.set_iommu());
        let info = joined
            .and_then(|()| container.info())
            .map_err(|source| refusal::explain(group.number(), "a container of its own".into(), source))?;
        let number = lock(&spaces).add(&info);
        let groups = Mutex::new(vec![group]);
        let shared = Shared { id: DomainId::unique(), container, groups, spaces, number };
        shared.renew(&info)?;
        Ok(Self { shared: Arc::new(shared), node: None })
    }

    /// The same address space, with new memory from a NUMA node: the device's. `None` leaves the choice to the
    /// kernel.
    #[must_use]
    pub fn on_node(&self, node: Option<u32>) -> Self {
        Self { shared: Arc::clone(&self.shared), node }
    }

    /// Puts one more group into the container. Its devices then reach all mapped memory, at the same addresses.
    ///
    /// # Errors
    /// The group, and [`Error::VfioGroupRefused`]: its IOMMU is not like that of the others, or does not translate
    /// addresses in use. It can have its own container, with the memory imported there.
    pub fn add(&self, group: VfioGroup) -> Result<(), (VfioGroup, Error)> {
        let number = group.number();
        let refused = |source| Error::VfioGroupRefused { group: number, into: self.name(), source };
        if let Err(source) = group.join(&self.shared.container) {
            let error = refused(source);
            return Err((group, error));
        }
        let info = self.shared.container.info().map_err(refused);
        lock(&self.shared.groups).push(group);
        // The group is in the container, whatever the kernel reports then: it stays there and is not returned.
        if let Err(error) = info.and_then(|info| self.shared.renew(&info)) {
            tracing::warn!("the addresses of {} may be too many: {error}", self.name());
        }
        Ok(())
    }

    /// Whether the group is in the container.
    pub fn has(&self, group: u32) -> bool {
        lock(&self.shared.groups).iter().any(|other| other.number() == group)
    }

    /// Opens the descriptor of a device, by the address that lspci prints, in a group of the container. The kernel
    /// resets the device, if it can, when the first descriptor is opened, and again when the last is closed.
    ///
    /// Writes to the descriptor reach the device, which reaches all memory of this domain: like `/proc/self/mem`
    /// it is beyond what Rust can keep safe.
    ///
    /// # Errors
    /// [`Error::Os`]: the group is not in the container, or there is no such device in it.
    pub fn device(&self, group: u32, name: &str) -> Result<OwnedFd, Error> {
        let groups = lock(&self.shared.groups);
        let found = groups.iter().find(|other| other.number() == group);
        let missing = || Error::Os {
            what: format!("cannot get the device {name} of IOMMU group {group}"),
            source: io::Error::other("the group is not in this container"),
        };
        found.ok_or_else(missing)?.device(name)
    }

    /// Allocates memory of this process for `size` bytes: hugepages or ordinary ones.
    fn memory(&self, size: usize) -> Result<Mapping, Error> {
        let memory = PhysicalDomain::default().on_node(self.node);
        if let Some(len) = size.checked_next_multiple_of(HUGE).filter(|_| size >= HUGE) {
            match memory.map_pages(PageSize::Mib2, len) {
                Err(error @ Error::NoSuchNode { .. }) => return Err(error),
                Err(error) => tracing::debug!(%error, "ordinary pages are taken instead"),
                found => return found,
            }
        }
        let len = size.checked_next_multiple_of(self.shared.page()).filter(|&len| len > 0);
        memory.map_ordinary(len.ok_or(Error::BadRequest { size })?)
    }
}

impl Shared {
    /// Takes over the kernel's current information.
    fn renew(&self, info: &container::Info) -> Result<(), Error> {
        if info.ranges.is_empty() {
            return Err(Error::NoIovaRanges { domain: self.name() });
        }
        lock(&self.spaces).renew(self.number, info);
        let (page, mappings, addresses) = (info.page, info.available, self.addresses());
        tracing::debug!(container = self.name(), page, ?mappings, addresses, "IOMMU");
        Ok(())
    }

    /// The granularity of mappings in bytes.
    fn page(&self) -> usize {
        usize::try_from(lock(&self.spaces).page()).unwrap_or(usize::MAX).max(rustix::param::page_size())
    }

    /// The addresses that the IOMMU translates, for messages.
    fn addresses(&self) -> String {
        list(lock(&self.spaces).of(self.number).ranges())
    }

    fn name(&self) -> String {
        let numbers: BTreeSet<u32> = lock(&self.groups).iter().map(VfioGroup::number).collect();
        let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let groups = if numbers.len() == 1 { "group" } else { "groups" };
        format!("the VFIO container of {groups} {}", numbers.join(", "))
    }

    /// Maps memory at addresses that were taken for it, and releases them if that fails.
    ///
    /// # Safety
    /// MAPPED-ALIVE: that of [`Container::map`].
    unsafe fn map(&self, iova: u64, address: usize, len: usize) -> Result<(), Error> {
        // SAFETY: MAPPED-ALIVE, promised by the caller.
        unsafe { self.container.map(iova, address, len as u64) }.map_err(|source| {
            let in_use = {
                let mut spaces = lock(&self.spaces);
                spaces.of(self.number).release(iova);
                spaces.of(self.number).in_use()
            };
            let what = format!("cannot map {len} bytes at {} of {}", Iova(iova), self.name());
            limits::explain(source, what, len as u64, in_use, || self.container.info().ok()?.available)
        })
    }

    /// Ends a mapping and releases its addresses. `false`, after a line in the log, when that fails: then the
    /// addresses stay in use.
    fn unmap(&self, iova: u64, len: usize) -> bool {
        match self.container.unmap(iova, len as u64) {
            Ok(()) => lock(&self.spaces).of(self.number).release(iova),
            Err(error) => {
                tracing::error!(
                    "{len} bytes at {} of {} cannot be unmapped, so they are never freed: {error}",
                    Iova(iova),
                    self.name()
                );
                return false;
            }
        }
        true
    }
}

// SAFETY: the id is made once for a container, by `unique`. What is mapped in a container is reached by all
// devices of its groups until it is unmapped, which only the `Mapped` and `Imported` that are returned do
// when they are dropped.
unsafe impl DmaDomain for VfioDomain {
    fn id(&self) -> DomainId {
        self.shared.id
    }

    fn name(&self) -> String {
        self.shared.name()
    }

    fn allocate(self: Arc<Self>, size: usize) -> Result<DmaMemory, Error> {
        let pages = self.memory(size)?;
        let (base, len) = (pages.base(), pages.len());
        // The pages of the IOMMU's tables are largest if address and length allow it.
        let align = 1 << len.ilog2().clamp(PAGE.ilog2(), 30);
        // With an unmapped page after it.
        let with_guard = len as u64 + self.shared.page() as u64;
        let taken = lock(&self.shared.spaces).take(self.shared.number, with_guard, align);
        let iova = taken.ok_or_else(|| Error::NoIova {
            domain: self.name(),
            len: len as u64,
            ranges: self.shared.addresses(),
        })?;
        // SAFETY: MAPPED-ALIVE: `pages` is fresh memory, which `Mapped` unmaps from the IOMMU before it frees
        // it.
        unsafe { self.shared.map(iova, pages.address() as usize, len) }?;
        tracing::debug!(bytes = len, iova = %Iova(iova), "mapped for devices behind the IOMMU");
        let segments = vec![Segment { offset: 0, len, iova: Iova(iova) }];
        let backing = Mapped { shared: Arc::clone(&self.shared), iova, pages: Some(pages) };
        // SAFETY: MAPPED-ALIVE: the pages have `len` bytes from `base`, zeroed by the kernel and aligned to a
        // page, and live as long as the backing. The one segment covers them; devices reach them there since
        // `map`.
        Ok(unsafe { DmaMemory::from_raw(base, len, segments, Box::new(backing), self) })
    }

    unsafe fn import(self: Arc<Self>, memory: &DmaMemory) -> Result<Box<dyn Backing>, Error> {
        // If something fails, the parts mapped so far are unmapped.
        let mut imported = Imported { shared: Arc::clone(&self.shared), ranges: Vec::new() };
        for &Segment { offset, len, iova } in memory.segments() {
            let claimed = lock(&self.shared.spaces).of(self.shared.number).claim(iova.0, len as u64);
            claimed.map_err(|why| match why {
                Refused::Taken => Error::Overlap { iova, len, domain: self.name() },
                Refused::Outside => Error::CannotShare {
                    from: memory.domain().name(),
                    into: self.name(),
                    why: format!(
                        "its {len} bytes at {iova} are outside of what the IOMMU translates ({})",
                        self.shared.addresses()
                    ),
                },
            })?;
            let address = memory.base().addr().get() + offset;
            // SAFETY: MAPPED-ALIVE: the caller drops what is returned, which unmaps this, before the memory
            // is freed.
            unsafe { self.shared.map(iova.0, address, len) }?;
            imported.ranges.push((iova.0, len));
        }
        Ok(Box::new(imported))
    }
}

/// A mapping with memory of its own.
#[derive(Debug)]
struct Mapped {
    shared: Arc<Shared>,
    iova: u64,
    /// Freed after `drop` has unmapped them.
    pages: Option<Mapping>,
}

impl Backing for Mapped {}

impl Drop for Mapped {
    fn drop(&mut self) {
        if let Some(pages) = self.pages.take()
            && !self.shared.unmap(self.iova, pages.len())
        {
            // QUIET-BEFORE-FREE: a device may still reach it.
            std::mem::forget(pages);
        }
    }
}

/// Mappings of another domain's memory. If one cannot be ended, the kernel keeps the pages: they are pinned for
/// it, so freeing them gives them to nobody else.
#[derive(Debug)]
struct Imported {
    shared: Arc<Shared>,
    ranges: Vec<(u64, usize)>,
}

impl Backing for Imported {}

impl Drop for Imported {
    fn drop(&mut self) {
        for &(iova, len) in &self.ranges {
            self.shared.unmap(iova, len);
        }
    }
}

/// The containers of a program: as few as its devices need, usually one. They choose addresses that are free in
/// all of them, so that memory of one can be mapped in the others ([`DmaMemory::map_into`]).
///
/// ```no_run
/// # fn main() -> Result<(), ixy_dma::Error> {
/// let mut containers = ixy_dma::VfioDomains::default();
/// let (one, other) = (containers.of_group(7)?, containers.of_group(8)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct VfioDomains {
    list: Vec<VfioDomain>,
    spaces: Arc<Mutex<Spaces>>,
    apart: bool,
}

impl VfioDomains {
    /// Gives each group its own container: a device then reaches its own memory and no rings of other devices.
    /// Shared memory is mapped, and counted as locked, once in each container.
    #[must_use]
    pub fn apart() -> Self {
        Self { apart: true, ..Self::default() }
    }

    /// The domain of a group's devices. A group without one is opened and put into the first that accepts it, or
    /// into a new one.
    ///
    /// # Errors
    /// Those of [`VfioGroup::open`] and [`VfioDomain::new`].
    pub fn of_group(&mut self, number: u32) -> Result<VfioDomain, Error> {
        if let Some(domain) = self.list.iter().find(|domain| domain.has(number)) {
            return Ok(domain.clone());
        }
        let mut group = VfioGroup::open(number)?;
        for domain in self.list.iter().filter(|_| !self.apart) {
            match domain.add(group) {
                Ok(()) => return Ok(domain.clone()),
                Err((refused, error)) => {
                    tracing::debug!(%error, "another container is made");
                    group = refused;
                }
            }
        }
        let domain = VfioDomain::among(Arc::clone(&self.spaces), group)?;
        self.list.push(domain.clone());
        Ok(domain)
    }
}

/// Ranges in one line.
fn list(ranges: &[Range]) -> String {
    ranges.iter().map(Range::to_string).collect::<Vec<_>>().join(", ")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
