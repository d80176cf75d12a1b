//! An address space of ordinary memory, for software devices: [`SimulatedDomain`].

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard};

use crate::domain::{DmaDomain, DomainId, Iova};
use crate::error::Error;
use crate::memory::{Backing, DmaMemory, Segment};

const PAGE: usize = 4096;
/// The address of the first allocation: above 4 GiB, so that an address cut to 32 bits is a fault and not a hit,
/// and above the physical memory of any machine, so that hugepages can be imported beside it.
const FIRST_IOVA: u64 = 1 << 46;

/// A range of addresses and the memory behind it.
#[derive(Debug, Clone, Copy)]
struct Window {
    iova: u64,
    len: u64,
    base: NonNull<u8>,
}

// SAFETY: a window is an address and a length; each access to the memory has its own argument.
unsafe impl Send for Window {}
// SAFETY: as for Send.
unsafe impl Sync for Window {}

/// The address space of software devices. Memory is ordinary memory of this process, at made-up addresses
/// with gaps between allocations; an access outside of it is a fault, which is counted and has no other
/// effect.
///
/// As with hugepages without an IOMMU, an allocation is contiguous for the device only in parts: 2 MiB long
/// unless [`with_segments`](Self::with_segments) says otherwise.
#[derive(Debug)]
pub struct SimulatedDomain {
    id: DomainId,
    segment: usize,
    next: AtomicU64,
    windows: RwLock<Vec<Window>>,
    faults: AtomicU64,
    last_fault: AtomicU64,
}

impl Default for SimulatedDomain {
    fn default() -> Self {
        Self::with_segments(2 << 20)
    }
}

impl SimulatedDomain {
    /// Creates a domain with allocations in contiguous parts of `bytes` bytes, rounded up to whole pages of 4 KiB.
    pub fn with_segments(bytes: usize) -> Self {
        Self {
            id: DomainId::unique(),
            segment: bytes.max(1).next_multiple_of(PAGE),
            next: AtomicU64::new(FIRST_IOVA),
            windows: RwLock::default(),
            faults: AtomicU64::new(0),
            last_fault: AtomicU64::new(0),
        }
    }

    /// Makes allocations start at `first`, rounded up to a multiple of 4 KiB: for a device that reaches low
    /// addresses only.
    pub fn starting_at(self, first: Iova) -> Self {
        Self { next: AtomicU64::new(first.0.next_multiple_of(PAGE as u64)), ..self }
    }

    /// A view of the mapped ranges as they are now, for the accesses of a device. While this value lives nothing
    /// is mapped or unmapped.
    ///
    /// # Safety
    /// OWNED-BUFFER: through the view, and through words taken from it, only memory is accessed that its
    /// driver has given to the device: packet buffers as bytes while they are in a ring, and rings as words
    /// of the width that the driver has there (64 bits, or 32 or 16 where it says so).
    pub unsafe fn view(&self) -> View<'_> {
        self.look()
    }

    /// Whether a device reaches the byte at `iova`. This does not count as an access, nor as a fault.
    pub fn is_mapped(&self, iova: Iova) -> bool {
        self.look().locate(iova, 1).is_some()
    }

    /// A view without the promise of [`view`](Self::view), for looking up addresses, not for accesses.
    fn look(&self) -> View<'_> {
        let windows = self.windows.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        View { domain: self, windows }
    }

    /// The number of accesses outside of mapped memory.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// The address of the latest fault.
    pub fn last_fault(&self) -> Option<Iova> {
        (self.faults() > 0).then(|| Iova(self.last_fault.load(Ordering::Relaxed)))
    }

    fn insert(&self, new: &[Window]) -> Result<(), Error> {
        let mut windows = self.windows.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for window in new {
            let end = window.iova.saturating_add(window.len);
            let taken = windows.iter().any(|w| w.iova < end && window.iova < w.iova.saturating_add(w.len));
            if taken {
                let (iova, len) = (Iova(window.iova), usize::try_from(window.len).unwrap_or(usize::MAX));
                return Err(Error::Overlap { iova, len, domain: self.name() });
            }
        }
        windows.extend_from_slice(new);
        windows.sort_unstable_by_key(|w| w.iova);
        Ok(())
    }

    fn remove(&self, old: &[Window]) {
        let mut windows = self.windows.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        windows.retain(|w| !old.iter().any(|o| o.iova == w.iova));
    }
}

// SAFETY: the id is made once, by `unique`; the windows of what is allocated or imported stay until the
// `Mapping` that is returned is dropped.
unsafe impl DmaDomain for SimulatedDomain {
    fn id(&self) -> DomainId {
        self.id
    }

    fn name(&self) -> String {
        "the simulator's memory".into()
    }

    fn allocate(self: Arc<Self>, size: usize) -> Result<DmaMemory, Error> {
        let len =
            size.checked_next_multiple_of(PAGE).filter(|&len| len > 0).ok_or(Error::BadRequest { size })?;
        let pages = Pages::allocate(len)?;
        // A gap of its own length follows each segment, so that running over its end is a fault.
        let step = self.segment as u64 * 2;
        let count = len.div_ceil(self.segment);
        let base = pages.base;
        // Skips addresses at which memory of another domain was imported.
        let (segments, windows) = loop {
            let first = self.next.fetch_add(step * count as u64, Ordering::Relaxed);
            let segments: Vec<Segment> = (0..count)
                .map(|n| {
                    let offset = n * self.segment;
                    Segment {
                        offset,
                        len: self.segment.min(len - offset),
                        iova: Iova(first + n as u64 * step),
                    }
                })
                .collect();
            let windows = windows_of(base, &segments);
            if self.insert(&windows).is_ok() {
                break (segments, windows);
            }
        };
        let backing = Mapping { domain: Arc::clone(&self), windows, _pages: Some(pages) };
        // SAFETY: MAPPED-ALIVE: `pages` is fresh zeroed memory of `len` bytes that `backing` keeps; the
        // windows just inserted make it reachable at the segments' addresses. The segments follow one
        // another, each a multiple of a page as `self.segment` and `len` are, and `FIRST_IOVA` and `step` are
        // multiples of a page, too.
        Ok(unsafe { DmaMemory::from_raw(base, len, segments, Box::new(backing), self) })
    }

    unsafe fn import(self: Arc<Self>, memory: &DmaMemory) -> Result<Box<dyn Backing>, Error> {
        let windows = windows_of(memory.base(), memory.segments());
        self.insert(&windows)?;
        Ok(Box::new(Mapping { domain: self, windows, _pages: None }))
    }
}

fn windows_of(base: NonNull<u8>, segments: &[Segment]) -> Vec<Window> {
    let window = |s: &Segment| {
        // SAFETY: segments lie inside the memory at `base`, as promised to `DmaMemory::from_raw`.
        Window { iova: s.iova.0, len: s.len as u64, base: unsafe { base.add(s.offset) } }
    };
    segments.iter().map(window).collect()
}

/// Windows of a domain, and the memory behind them where the domain allocated it.
#[derive(Debug)]
struct Mapping {
    domain: Arc<SimulatedDomain>,
    windows: Vec<Window>,
    // Freed after `drop` has removed the windows.
    _pages: Option<Pages>,
}

impl Backing for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.domain.remove(&self.windows);
    }
}

/// Anonymous memory of this process.
#[derive(Debug)]
struct Pages {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: Pages owns its memory, as a Box would.
unsafe impl Send for Pages {}
// SAFETY: a shared Pages gives access to nothing.
unsafe impl Sync for Pages {}

impl Pages {
    fn allocate(len: usize) -> Result<Self, Error> {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let mapped = unsafe {
            mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        let failed = |source: std::io::Error| Error::Allocate { len, source };
        let base = mapped.map_err(|e| failed(e.into()))?;
        let base = NonNull::new(base.cast()).ok_or_else(|| failed(std::io::ErrorKind::OutOfMemory.into()))?;
        Ok(Self { base, len })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and MAPPED-ALIVE says that no handle to it is left.
        if let Err(error) = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) } {
            tracing::warn!(%error, bytes = self.len, "unmapping the simulator's memory failed");
        }
    }
}

/// The accesses of a device to a [`SimulatedDomain`]. Each is checked against the mapped ranges.
///
/// Descriptors are accessed as atomics of the width that the driver uses. Packet data is copied as
/// bytes: the driver does not touch a buffer while its descriptor belongs to the device (OWNED-BUFFER).
#[derive(Debug)]
pub struct View<'a> {
    domain: &'a SimulatedDomain,
    windows: RwLockReadGuard<'a, Vec<Window>>,
}

impl View<'_> {
    /// The memory of `len` bytes at `iova`, or `None` when they are not all in one mapped range.
    #[inline]
    fn locate(&self, iova: Iova, len: usize) -> Option<NonNull<u8>> {
        let index = self.windows.partition_point(|w| w.iova <= iova.0);
        let window = self.windows.get(index.checked_sub(1)?)?;
        let inside = iova.0 - window.iova;
        let fits = inside.checked_add(len as u64).is_some_and(|end| end <= window.len);
        // SAFETY: `inside` is at most the window's length, which is memory that the view keeps mapped.
        fits.then(|| unsafe { window.base.add(inside as usize) })
    }

    /// Like [`locate`](Self::locate), but memory that is not mapped is a counted fault.
    #[inline]
    fn find(&self, iova: Iova, len: usize) -> Option<NonNull<u8>> {
        let found = self.locate(iova, len);
        if found.is_none() {
            self.domain.last_fault.store(iova.0, Ordering::Relaxed);
            self.domain.faults.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// Reads `into.len()` bytes at `iova`; `false` when that is a fault.
    #[inline]
    pub fn read(&self, iova: Iova, into: &mut [u8]) -> bool {
        let Some(from) = self.find(iova, into.len()) else { return false };
        // SAFETY: MAPPED-ALIVE through the view's lock, and OWNED-BUFFER, promised to `view`: a driver does
        // not touch what it gave to the device.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), into.as_mut_ptr(), into.len()) };
        true
    }

    /// Writes `bytes` at `iova`; `false` when that is a fault, and then nothing was written.
    #[inline]
    pub fn write(&self, iova: Iova, bytes: &[u8]) -> bool {
        let Some(to) = self.find(iova, bytes.len()) else { return false };
        // SAFETY: as for `read`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
        true
    }

    /// The 64-bit word at `iova`, or `None` when that is a fault or not a multiple of eight.
    #[inline]
    pub fn word64(&self, iova: Iova) -> Option<&AtomicU64> {
        let at = self.aligned(iova, 8)?;
        // SAFETY: MAPPED-ALIVE through the view's lock; aligned; OWNED-BUFFER, promised to `view`: rings
        // are accessed as atomics on both sides.
        Some(unsafe { at.cast::<AtomicU64>().as_ref() })
    }

    /// The 32-bit word at `iova` (head write-back, a used element), or `None` when that is a fault or not a
    /// multiple of four.
    #[inline]
    pub fn word32(&self, iova: Iova) -> Option<&AtomicU32> {
        let at = self.aligned(iova, 4)?;
        // SAFETY: as for `word64`.
        Some(unsafe { at.cast::<AtomicU32>().as_ref() })
    }

    /// The 16-bit word at `iova` (an index of a virtqueue), or `None` when that is a fault or not a multiple
    /// of two.
    #[inline]
    pub fn word16(&self, iova: Iova) -> Option<&AtomicU16> {
        let at = self.aligned(iova, 2)?;
        // SAFETY: as for `word64`.
        Some(unsafe { at.cast::<AtomicU16>().as_ref() })
    }

    /// `count` words of 64 bits from `iova` on, for a ring in repeated use. `None` when they are not aligned or
    /// not in one piece of memory; this is no fault, and each word can still be reached by itself.
    #[inline]
    pub fn words(&self, iova: Iova, count: usize) -> Option<&[AtomicU64]> {
        let at = iova.0.is_multiple_of(8).then(|| self.locate(iova, count.checked_mul(8)?)).flatten()?;
        // SAFETY: as for `word64`, for all of them.
        Some(unsafe { std::slice::from_raw_parts(at.cast::<AtomicU64>().as_ptr(), count) })
    }

    fn aligned(&self, iova: Iova, bytes: usize) -> Option<NonNull<u8>> {
        // A misaligned word is looked up with a length that never fits, to count as a fault.
        self.find(iova, if iova.0.is_multiple_of(bytes as u64) { bytes } else { usize::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device's view: no test here holds the memory as anything but atomics.
    fn view(domain: &SimulatedDomain) -> View<'_> {
        // SAFETY: OWNED-BUFFER: these tests are the driver and the device, and access rings and buffers in
        // turn.
        unsafe { domain.view() }
    }

    fn domain(segment: usize) -> Arc<SimulatedDomain> {
        Arc::new(SimulatedDomain::with_segments(segment))
    }

    #[test]
    fn what_the_device_writes_is_what_the_driver_reads() {
        let domain = domain(2 << 20);
        let memory = Arc::clone(&domain).allocate(8192).unwrap();
        let rings = memory.cut(&[4096, 4096], 128).unwrap();
        for (n, ring) in rings.iter().enumerate() {
            let value = 0x1122_3344_5566_7700 + n as u64;
            view(&domain).word64(ring.iova().offset(8)).unwrap().store(value, Ordering::Release);
            assert_eq!(ring.words()[1].load(Ordering::Acquire), value);
            assert_eq!(ring.words()[0].load(Ordering::Acquire), 0, "fresh memory is zero");
        }
        assert_eq!(domain.faults(), 0);
    }

    #[test]
    fn an_access_past_the_end_of_a_segment_is_a_counted_fault_without_effect() {
        let domain = domain(4096);
        let memory = Arc::clone(&domain).allocate(8192).unwrap();
        let first = memory.segments()[0].iova;
        assert!(view(&domain).write(first.offset(4092), &[1, 2, 3, 4]));
        assert!(!view(&domain).write(first.offset(4093), &[9, 9, 9, 9]));
        let mut bytes = [0; 4];
        assert!(view(&domain).read(first.offset(4092), &mut bytes));
        assert_eq!(bytes, [1, 2, 3, 4], "a refused write changed memory");
        assert!(!domain.is_mapped(first.offset(4096)) && domain.is_mapped(first.offset(4095)));
        assert_eq!((domain.faults(), domain.last_fault()), (1, Some(first.offset(4093))));
        assert!(view(&domain).word64(first.offset(4)).is_none(), "unaligned words are refused");
        assert_eq!(domain.faults(), 2);
    }

    #[test]
    fn words_are_one_piece_of_memory_or_none_and_never_a_fault() {
        let domain = domain(4096);
        let memory = Arc::clone(&domain).allocate(8192).unwrap();
        let first = memory.segments()[0].iova;
        assert!(view(&domain).words(first, 513).is_none(), "across the end of a segment");
        assert!(view(&domain).words(first.offset(4), 1).is_none(), "not aligned");
        assert!(view(&domain).words(first, usize::MAX).is_none(), "more than there is");
        let view = view(&domain);
        let words = view.words(first, 512).unwrap();
        words[511].store(5, Ordering::Release);
        assert_eq!(view.word64(first.offset(4088)).unwrap().load(Ordering::Acquire), 5);
        assert_eq!(domain.faults(), 0);
    }

    #[test]
    fn dropped_memory_is_no_longer_reachable() {
        let domain = domain(4096);
        let memory = Arc::clone(&domain).allocate(4096).unwrap();
        let iova = memory.segments()[0].iova;
        let slices = memory.cut(&[64, 64], 64).unwrap();
        assert!(domain.is_mapped(iova));
        drop(slices);
        assert!(!domain.is_mapped(iova), "the mapping outlived its last slice");
    }

    #[test]
    fn pieces_never_cross_a_segment_and_never_overlap() {
        let domain = domain(8192);
        let memory = Arc::clone(&domain).allocate(3 * 8192).unwrap();
        let segments = memory.segments().to_vec();
        let slices = memory.cut(&[6000, 2048, 2048, 8192], 128).unwrap();
        for slice in &slices {
            let (start, end) = (slice.iova().0, slice.iova().0 + slice.len() as u64);
            assert_eq!(start % 128, 0);
            let inside = |s: &&Segment| s.iova.0 <= start && end <= s.iova.0 + s.len as u64;
            assert!(segments.iter().find(inside).is_some(), "{slice:?} crosses a segment");
        }
        for (a, b) in slices.iter().zip(&slices[1..]) {
            assert!(a.iova().0 + a.len() as u64 <= b.iova().0, "{a:?} overlaps {b:?}");
        }
    }

    #[test]
    fn a_piece_that_is_too_long_is_refused_with_the_largest_there_is() {
        let memory = domain(8192).allocate(16384).unwrap();
        let error = memory.cut(&[8193], 128).unwrap_err();
        assert!(matches!(error, Error::NotContiguous { len: 8193, largest: 8192 }), "{error}");
    }

    #[test]
    fn memory_of_another_domain_is_reached_at_the_same_address_until_it_is_dropped() {
        let (one, two) = (domain(4096), domain(4096));
        let mut memory = Arc::clone(&one).allocate(8192).unwrap();
        let other: Arc<dyn DmaDomain> = two.clone();
        assert!(!memory.is_mapped_in(two.id()));
        memory.map_into(&other).unwrap();
        memory.map_into(&other).unwrap();
        assert!(memory.is_mapped_in(two.id()) && memory.is_mapped_in(one.id()));
        let iova = memory.segments()[1].iova;
        assert!(view(&two).write(iova, b"shared"));
        let mut bytes = [0; 6];
        assert!(view(&one).read(iova, &mut bytes));
        assert_eq!(&bytes, b"shared");
        assert!(two.is_mapped(iova));
        drop(memory);
        assert!(!two.is_mapped(iova));
    }

    #[test]
    fn memory_starts_where_it_is_asked_to() {
        let domain = Arc::new(SimulatedDomain::with_segments(4096).starting_at(Iova((1 << 33) + 1)));
        let memory = Arc::clone(&domain).allocate(8192).unwrap();
        let starts: Vec<Iova> = memory.segments().iter().map(|segment| segment.iova).collect();
        assert_eq!(starts, [Iova((1 << 33) + 4096), Iova((1 << 33) + 3 * 4096)]);
    }

    #[test]
    fn memory_is_allocated_beside_what_was_imported() {
        let (one, two) = (domain(4096), domain(4096));
        let mut memory = Arc::clone(&one).allocate(3 * 4096).unwrap();
        let other: Arc<dyn DmaDomain> = two.clone();
        memory.map_into(&other).unwrap();
        let own = Arc::clone(&two).allocate(4096).unwrap();
        assert!(memory.segments().iter().all(|s| s.iova != own.segments()[0].iova));
    }

    #[test]
    fn an_import_onto_addresses_in_use_is_refused() {
        let (one, two) = (domain(4096), domain(4096));
        let mut memory = Arc::clone(&one).allocate(4096).unwrap();
        let _taken = Arc::clone(&two).allocate(4096).unwrap();
        let other: Arc<dyn DmaDomain> = two;
        assert!(matches!(memory.map_into(&other).unwrap_err(), Error::Overlap { .. }));
    }

    #[test]
    fn no_bytes_at_all_is_refused() {
        assert!(matches!(domain(4096).allocate(0).unwrap_err(), Error::BadRequest { size: 0 }));
    }
}
