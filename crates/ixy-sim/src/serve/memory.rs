//! A client's memory in the form that the device reaches: checked on every access.

use std::sync::atomic::AtomicU64;

use ixy_dma::Iova;
use ixy_vfio_user::memory::{GuestMemory, View};

use crate::dma::{Dma, DmaView};

impl Dma for GuestMemory {
    type View<'a> = View<'a>;

    /// Any access is sound: one to memory that is not mapped for it is a counted fault, and memory is reached as
    /// atomics.
    #[inline]
    unsafe fn view(&self) -> View<'_> {
        GuestMemory::view(self)
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
        View::load64(self, iova)
    }

    #[inline]
    fn store64(&self, iova: Iova, value: u64) -> bool {
        View::store64(self, iova, value)
    }

    #[inline]
    fn store32(&self, iova: Iova, value: u32) -> bool {
        View::store32(self, iova, value)
    }

    #[inline]
    fn words(&self, iova: Iova, count: usize) -> Option<&[AtomicU64]> {
        View::words(self, iova, count)
    }
}
