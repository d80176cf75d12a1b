//! Address spaces of devices: [`DmaDomain`].

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;
use crate::memory::{Backing, DmaMemory};

/// An address as the device sees it: physical without an IOMMU, virtual behind one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Iova(pub u64);

impl Iova {
    /// The address `bytes` further on.
    #[inline(always)]
    pub const fn offset(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl fmt::Display for Iova {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IOVA {:#x}", self.0)
    }
}

impl fmt::Debug for Iova {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The identity of an address space. Domains that are one address space share it, as all domains of physical
/// memory do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DomainId(NonZeroU64);

impl DomainId {
    /// An identity that no other domain of this process has.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let before = NEXT.fetch_add(1, Ordering::Relaxed);
        // A 64-bit counter does not wrap around.
        Self(NonZeroU64::MIN.saturating_add(before))
    }
}

/// An address space that one or several devices reach.
///
/// It allocates memory that its devices reach at an [`Iova`], and makes memory of another domain reachable at the
/// same IOVA, so that a packet which one device received can be sent on another without a copy.
///
/// # Safety
/// [`DmaMemory::is_mapped_in`] relies on it: [`id`](Self::id) is always the same, and unique to this address
/// space; all devices of the address space reach what [`allocate`](Self::allocate) returned until it is dropped,
/// and imported memory until the result of [`import`](Self::import) is dropped.
pub unsafe trait DmaDomain: Send + Sync + fmt::Debug {
    /// Its identity.
    fn id(&self) -> DomainId;

    /// Its name in messages, for instance `physical memory`.
    fn name(&self) -> String;

    /// Allocates `size` bytes of zeroed memory, rounded up to whole pages, that the domain's devices reach.
    ///
    /// # Errors
    /// There is not enough memory of the kind the domain is made of; the message says how to get more.
    fn allocate(self: Arc<Self>, size: usize) -> Result<DmaMemory, Error>;

    /// Makes `memory`, which another domain allocated, reachable at the IOVAs that it has there. Dropping the
    /// result ends the mapping. [`DmaMemory::map_into`] is the safe way.
    ///
    /// # Errors
    /// [`Error::CannotShare`], or [`Error::Overlap`] when an address is taken.
    ///
    /// # Safety
    /// MAPPED-ALIVE: what is returned is dropped before the mapping of `memory` ends.
    unsafe fn import(self: Arc<Self>, memory: &DmaMemory) -> Result<Box<dyn Backing>, Error>;
}

/// The switch for a device's DMA, and whether requests are pending.
///
/// For a PCI device this is the Bus Master Enable bit of its command register and the Transactions Pending bit of
/// its PCI Express capability.
///
/// # Safety
/// QUIET-BEFORE-FREE: after `disable` the device starts no request, and `transactions_pending` is not false while one
/// is under way.
pub unsafe trait BusMaster: Send + Sync + fmt::Debug {
    /// Stops the device's DMA: it starts no new request.
    ///
    /// # Errors
    /// The device's configuration space cannot be written.
    fn disable(&self) -> Result<(), Error>;

    /// Lets the device start DMA.
    ///
    /// # Errors
    /// The device's configuration space cannot be written.
    ///
    /// # Safety
    /// ARMED-ONLY: whatever is enabled on the device reaches only memory that its driver has given to it.
    unsafe fn enable(&self) -> Result<(), Error>;

    /// Whether requests of the device still wait for their completions.
    ///
    /// # Errors
    /// The device's configuration space cannot be read.
    fn transactions_pending(&self) -> Result<bool, Error>;
}
