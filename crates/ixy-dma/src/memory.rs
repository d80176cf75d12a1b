//! Memory that a device reaches: [`DmaMemory`], and shared pieces of it for rings, [`DmaSlice`].

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::domain::{DmaDomain, DomainId, Iova};
use crate::error::Error;

/// Keeps a mapping in place; dropping it ends the mapping.
pub trait Backing: Send + Sync + fmt::Debug {}

/// A part of [`DmaMemory`] that the device sees as one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The offset of its first byte in the memory, in bytes.
    pub offset: usize,
    /// Its length in bytes.
    pub len: usize,
    /// The device's address of its first byte.
    pub iova: Iova,
}

/// Memory that the devices of one or several domains reach. Its single owner gives it to a pool of packet buffers
/// or divides it into rings; dropping the last part unmaps it.
pub struct DmaMemory {
    base: NonNull<u8>,
    len: usize,
    segments: Box<[Segment]>,
    // The mappings end in this order, the memory itself last, and each keeps its domain alive.
    imports: Vec<(Box<dyn Backing>, Arc<dyn DmaDomain>)>,
    _backing: Box<dyn Backing>,
    domain: Arc<dyn DmaDomain>,
}

// SAFETY: DmaMemory owns the memory behind `base`, as a Box would; `Backing` and `DmaDomain` are Send.
unsafe impl Send for DmaMemory {}
// SAFETY: a shared DmaMemory gives out addresses only; access goes through DmaSlice (atomics) or unsafe code
// that argues with OWNED-BUFFER.
unsafe impl Sync for DmaMemory {}

impl fmt::Debug for DmaMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaMemory")
            .field("len", &self.len)
            .field("segments", &self.segments.len())
            .field("domain", &self.domain.name())
            .finish_non_exhaustive()
    }
}

impl DmaMemory {
    /// Memory of `domain`: what an implementation of [`DmaDomain::allocate`] returns.
    ///
    /// # Safety
    /// MAPPED-ALIVE: `len` bytes from `base`, aligned to a page, are zeroed, readable and writable until
    /// `backing` is dropped, and nothing else uses them. `segments` are in the order of their offsets, do not
    /// overlap, and together cover those bytes and no others; their offsets, lengths and IOVAs are multiples
    /// of 4,096. The devices of `domain` reach them at these IOVAs until `backing` is dropped.
    pub unsafe fn from_raw(
        base: NonNull<u8>,
        len: usize,
        segments: Vec<Segment>,
        backing: Box<dyn Backing>,
        domain: Arc<dyn DmaDomain>,
    ) -> Self {
        debug_assert_eq!(segments.iter().map(|s| s.len).sum::<usize>(), len);
        Self { base, len, segments: segments.into(), imports: Vec::new(), _backing: backing, domain }
    }

    /// The first byte. Access through it needs the argument of OWNED-BUFFER.
    #[inline(always)]
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Length in bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The parts that are contiguous for the device, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The domain that allocated it.
    pub fn domain(&self) -> &Arc<dyn DmaDomain> {
        &self.domain
    }

    /// Whether devices of the domain `id` reach the memory.
    pub fn is_mapped_in(&self, id: DomainId) -> bool {
        self.domain.id() == id || self.imports.iter().any(|(_, domain)| domain.id() == id)
    }

    /// Makes the memory reachable from one more domain, at the same addresses, until it is dropped.
    ///
    /// # Errors
    /// Those of [`DmaDomain::import`].
    pub fn map_into(&mut self, domain: &Arc<dyn DmaDomain>) -> Result<(), Error> {
        if !self.is_mapped_in(domain.id()) {
            // SAFETY: MAPPED-ALIVE: `imports` comes before `_backing` in the declaration and is dropped
            // before it, and nothing else takes an import out.
            let import = unsafe { Arc::clone(domain).import(self) }?;
            self.imports.push((import, Arc::clone(domain)));
        }
        Ok(())
    }

    /// The next offset at or after `from` at which `len` bytes are contiguous for the device with an IOVA that is
    /// a multiple of `align`; also that IOVA. `None` when nothing fits.
    pub fn place(&self, from: usize, len: usize, align: usize) -> Option<(usize, Iova)> {
        // Segments are in the order of their offsets. A pool asks for one place after the other.
        let first = self.segments.partition_point(|segment| segment.offset + segment.len <= from);
        self.segments.get(first..)?.iter().find_map(|segment| {
            let skip = from.saturating_sub(segment.offset);
            let start = segment.iova.0.checked_add(skip as u64)?.checked_next_multiple_of(align as u64)?;
            let inside = usize::try_from(start - segment.iova.0).ok()?;
            (inside.checked_add(len)? <= segment.len).then_some((segment.offset + inside, Iova(start)))
        })
    }

    /// Cuts it into pieces of the lengths given, each contiguous for the device and aligned to `align` bytes
    /// (a power of two from 8 to 4,096).
    ///
    /// # Errors
    /// [`Error::NotContiguous`] when they do not fit.
    pub fn cut(self, lengths: &[usize], align: usize) -> Result<Vec<DmaSlice>, Error> {
        if !align.is_power_of_two() || !(8..=4096).contains(&align) {
            return Err(Error::BadRequest { size: align });
        }
        let largest = self.segments.iter().map(|s| s.len).max().unwrap_or(0);
        let memory = Arc::new(self);
        let mut from = 0;
        let cut = |&len: &usize| {
            let (offset, iova) =
                memory.place(from, len, align).ok_or(Error::NotContiguous { len, largest })?;
            from = offset + len;
            Ok(DmaSlice { memory: Arc::clone(&memory), offset, len, iova })
        };
        lengths.iter().map(cut).collect()
    }
}

/// A piece of [`DmaMemory`] that is contiguous for the device: a descriptor ring. It shares nothing with other
/// pieces, keeps the memory alive, and is accessed in atomics only, since the device may write it at any time.
#[derive(Debug)]
pub struct DmaSlice {
    memory: Arc<DmaMemory>,
    offset: usize,
    len: usize,
    iova: Iova,
}

impl DmaSlice {
    /// The device's address of its first byte.
    #[inline(always)]
    pub fn iova(&self) -> Iova {
        self.iova
    }

    /// Length in bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether devices of the domain `id` reach it.
    pub fn is_mapped_in(&self, id: DomainId) -> bool {
        self.memory.is_mapped_in(id)
    }

    /// Its contents as 64-bit words, without a remainder of less than eight bytes. The device may change them
    /// at any time. Values are as the device sees them: little-endian.
    #[inline(always)]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: MAPPED-ALIVE: `self.memory` keeps the bytes mapped. `cut` gave this slice a range of its
        // own inside the memory, aligned to at least eight bytes (a page-aligned base, and IOVA and offset
        // agree modulo a page), and nobody accesses it otherwise than through these atomics.
        unsafe {
            let first = self.memory.base.as_ptr().add(self.offset).cast::<AtomicU64>();
            std::slice::from_raw_parts(first, self.len / 8)
        }
    }
}
