//! The memory that a device reaches: [`Dma`].

use std::sync::atomic::{AtomicU64, Ordering};

use ixy_dma::{Iova, SimulatedDomain, View};

/// The only memory that a device reaches, by IOVA: memory of a driver in this process ([`SimulatedDomain`]), or of
/// another process (with the feature `serve`).
pub trait Dma: Send + Sync {
    /// A view of the memory as it is now.
    type View<'a>: DmaView
    where
        Self: 'a;

    /// A view of the mapped memory. While the view lives, nothing is unmapped.
    ///
    /// # Safety
    /// OWNED-BUFFER: the device owns what is read and written through the view at that time, as the protocol of
    /// its rings says. Memory that checks accesses by other means has no requirement.
    unsafe fn view(&self) -> Self::View<'_>;
}

/// Memory while a device works on it. An access to memory that is not mapped, or not for that kind of access, is a
/// fault: it has no effect, and the memory counts it.
pub trait DmaView {
    /// The memory that queue `queue` of a device reaches: that of its virtual function, or else this.
    #[inline(always)]
    fn of_queue(&self, _queue: u32) -> &Self
    where
        Self: Sized,
    {
        self
    }

    /// Reads `into.len()` bytes at `iova`; `false` when that is a fault.
    fn read(&self, iova: Iova, into: &mut [u8]) -> bool;

    /// Writes `bytes` at `iova`; `false` when that is a fault.
    fn write(&self, iova: Iova, bytes: &[u8]) -> bool;

    /// The 64-bit word at `iova`, a multiple of eight, which is little-endian in memory; `None` when that is a fault.
    fn load64(&self, iova: Iova) -> Option<u64>;

    /// Stores a 64-bit word at `iova`, a multiple of eight, little-endian, after everything that was written before;
    /// `false` when that is a fault.
    fn store64(&self, iova: Iova, value: u64) -> bool;

    /// Stores a 32-bit word at `iova`, a multiple of four, little-endian, after everything that was written before;
    /// `false` when that is a fault.
    fn store32(&self, iova: Iova, value: u32) -> bool;

    /// `count` words from `iova` on, for repeated use, little-endian as in memory. `None` when they are not in one
    /// piece of memory; this is no fault, and each word can still be reached by itself.
    fn words(&self, iova: Iova, count: usize) -> Option<&[AtomicU64]>;
}

impl Dma for SimulatedDomain {
    type View<'a> = View<'a>;

    #[inline]
    unsafe fn view(&self) -> View<'_> {
        // SAFETY: OWNED-BUFFER, as the caller promises.
        unsafe { SimulatedDomain::view(self) }
    }
}

impl DmaView for View<'_> {
    #[inline]
    fn read(&self, iova: Iova, into: &mut [u8]) -> bool {
        View::read(self, iova, into)
    }

    #[inline]
    fn write(&self, iova: Iova, bytes: &[u8]) -> bool {
        View::write(self, iova, bytes)
    }

    #[inline]
    fn load64(&self, iova: Iova) -> Option<u64> {
        self.word64(iova).map(|word| u64::from_le(word.load(Ordering::Acquire)))
    }

    #[inline]
    fn store64(&self, iova: Iova, value: u64) -> bool {
        self.word64(iova).map(|word| word.store(value.to_le(), Ordering::Release)).is_some()
    }

    #[inline]
    fn store32(&self, iova: Iova, value: u32) -> bool {
        self.word32(iova).map(|word| word.store(value.to_le(), Ordering::Release)).is_some()
    }

    #[inline]
    fn words(&self, iova: Iova, count: usize) -> Option<&[AtomicU64]> {
        View::words(self, iova, count)
    }
}

/// The words of a ring: as one slice if its memory is in one piece, otherwise looked up one by one.
pub(crate) enum Words<'v, V> {
    Whole(&'v [AtomicU64]),
    Each(&'v V, Iova),
}

impl<'v, V: DmaView> Words<'v, V> {
    pub(crate) fn new(view: &'v V, base: u64, count: usize) -> Self {
        match view.words(Iova(base), count) {
            Some(words) => Self::Whole(words),
            None => Self::Each(view, Iova(base)),
        }
    }

    /// Word `n`; `None` when it is not mapped. The acquire load of a doorbell orders this after the driver's
    /// earlier stores.
    #[inline(always)]
    pub(crate) fn load(&self, n: u32) -> Option<u64> {
        match self {
            Self::Whole(words) => {
                words.get(n as usize).map(|word| u64::from_le(word.load(Ordering::Relaxed)))
            }
            Self::Each(view, base) => view.load64(base.offset(u64::from(n) * 8)),
        }
    }

    /// Stores word `n`, if it is mapped. Other threads may see it before earlier stores.
    #[inline(always)]
    pub(crate) fn store_early(&self, n: u32, value: u64) {
        match self {
            Self::Whole(words) => {
                if let Some(word) = words.get(n as usize) {
                    word.store(value.to_le(), Ordering::Relaxed);
                }
            }
            Self::Each(view, base) => {
                view.store64(base.offset(u64::from(n) * 8), value);
            }
        }
    }

    /// Stores word `n`, if it is mapped, after all earlier writes.
    #[inline(always)]
    pub(crate) fn store(&self, n: u32, value: u64) {
        match self {
            Self::Whole(words) => {
                if let Some(word) = words.get(n as usize) {
                    word.store(value.to_le(), Ordering::Release);
                }
            }
            Self::Each(view, base) => {
                view.store64(base.offset(u64::from(n) * 8), value);
            }
        }
    }
}
