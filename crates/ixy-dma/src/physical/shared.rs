//! Pages of 1 GiB that several pieces of memory share: [`Piece`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::PhysicalDomain;
use super::hugepages::PageSize;
use super::mapping::Mapping;
use crate::error::Error;
use crate::memory::{Backing, Segment};

/// The granularity of pieces: rings and pools see no difference from hugepages of this size.
const UNIT: usize = PageSize::Mib2.bytes();

/// All pages that are mapped now.
static ALL: Mutex<Vec<Weak<Large>>> = Mutex::new(Vec::new());

/// Mapped pages of 1 GiB. They stay mapped until the last piece of them is dropped.
#[derive(Debug)]
struct Large {
    mapping: Mapping,
    segments: Vec<Segment>,
    /// The node and the root for the domain's memory.
    node: Option<u32>,
    root: PathBuf,
    /// The pieces in use: offset, and length.
    taken: Mutex<BTreeMap<usize, usize>>,
}

/// A part of pages of 1 GiB, which is returned on drop.
#[derive(Debug)]
pub(super) struct Piece {
    large: Arc<Large>,
    start: usize,
    len: usize,
}

impl Backing for Piece {}

impl Drop for Piece {
    fn drop(&mut self) {
        lock(&self.large.taken).remove(&self.start);
    }
}

impl Piece {
    /// At least `len` zeroed bytes: from mapped pages with room, or else from new ones.
    pub(super) fn new(domain: &PhysicalDomain, len: usize) -> Result<Self, Error> {
        let len = len.checked_next_multiple_of(UNIT).ok_or(Error::BadRequest { size: len })?;
        // Held until the new pages are in the list, so that two threads do not each map pages for one piece.
        let mut all = lock(&ALL);
        all.retain(|large| large.strong_count() > 0);
        let fitting = |large: &Arc<Large>| large.node == domain.node && large.root == domain.root;
        for large in all.iter().filter_map(Weak::upgrade).filter(fitting) {
            if let Some(piece) = large.take(len) {
                piece.clear();
                return Ok(piece);
            }
        }
        let bytes = len.checked_next_multiple_of(PageSize::Gib1.bytes());
        let mapping = domain.map_pages(PageSize::Gib1, bytes.ok_or(Error::BadRequest { size: len })?)?;
        let segments = domain.segments(&mapping, PageSize::Gib1)?;
        let (node, root, taken) = (domain.node, domain.root.clone(), Mutex::default());
        let large = Arc::new(Large { mapping, segments, node, root, taken });
        let piece = large.take(len).ok_or(Error::BadRequest { size: len })?;
        all.push(Arc::downgrade(&large));
        Ok(piece)
    }

    /// The first byte.
    pub(super) fn base(&self) -> NonNull<u8> {
        // SAFETY: MAPPED-ALIVE: the piece is inside the mapping.
        unsafe { self.large.mapping.base().add(self.start) }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The places of its parts in physical memory.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let (first, end) = (self.start, self.start + self.len);
        let parts = self.large.segments.iter().filter_map(|segment| {
            let start = segment.offset.max(first);
            let len = (segment.offset + segment.len).min(end).checked_sub(start).filter(|&len| len > 0)?;
            let iova = segment.iova.offset((start - segment.offset) as u64);
            Some(Segment { offset: start - first, len, iova })
        });
        parts.collect()
    }

    /// Sets all bytes to zero, since an earlier piece may have used them.
    fn clear(&self) {
        // SAFETY: MAPPED-ALIVE, QUIET-BEFORE-FREE: the bytes are mapped and this piece's alone: what was there before
        // was dropped, which no reference and no device that reaches it outlives.
        unsafe { self.base().as_ptr().write_bytes(0, self.len) };
    }
}

impl Large {
    /// Takes the first `len` contiguous free bytes.
    fn take(self: &Arc<Self>, len: usize) -> Option<Piece> {
        let mut taken = lock(&self.taken);
        let start = gap(&taken, self.mapping.len(), len)?;
        taken.insert(start, len);
        Some(Piece { large: Arc::clone(self), start, len })
    }
}

/// The offset of the first `len` bytes outside `taken`, in `all` bytes.
fn gap(taken: &BTreeMap<usize, usize>, all: usize, len: usize) -> Option<usize> {
    let mut free = 0;
    for (&start, &taken) in taken {
        if start - free >= len {
            return Some(free);
        }
        free = start + taken;
    }
    (all - free >= len).then_some(free)
}

/// Whether mapped pages have room for `len` bytes.
pub(super) fn has_room(node: Option<u32>, root: &Path, len: usize) -> bool {
    let fits = |large: Arc<Large>| {
        large.node == node
            && large.root == root
            && gap(&lock(&large.taken), large.mapping.len(), len.next_multiple_of(UNIT)).is_some()
    };
    lock(&ALL).iter().filter_map(Weak::upgrade).any(fits)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use rustix::mm::MapFlags;

    use super::*;
    use crate::domain::Iova;

    /// 16 MiB of ordinary memory in place of pages of 1 GiB, in two parts of physical memory.
    fn large() -> Arc<Large> {
        let mapping = Mapping::anonymous(8 * UNIT, MapFlags::empty()).unwrap();
        let segment = |offset, iova| Segment { offset, len: 4 * UNIT, iova: Iova(iova) };
        let segments = vec![segment(0, 0x4000_0000), segment(4 * UNIT, 0x1_0000_0000)];
        Arc::new(Large { mapping, segments, node: None, root: "/".into(), taken: Mutex::default() })
    }

    #[test]
    fn pieces_do_not_overlap_and_their_room_is_used_again() {
        let large = large();
        let pieces: Vec<_> = [2, 3, 2].map(|units| large.take(units * UNIT).unwrap()).into();
        assert_eq!(pieces.iter().map(|piece| piece.start / UNIT).collect::<Vec<_>>(), [0, 2, 5]);
        assert!(large.take(2 * UNIT).is_none());
        let mut pieces = pieces.into_iter();
        let (first, second) = (pieces.next().unwrap(), pieces.next().unwrap());
        drop(second);
        assert_eq!(large.take(3 * UNIT).map(|piece| piece.start / UNIT), Some(2));
        drop(first);
        assert_eq!(large.take(4 * UNIT).map(|piece| piece.start / UNIT), Some(0));
    }

    #[test]
    fn a_piece_knows_its_places_in_physical_memory() {
        let large = large();
        let _first = large.take(3 * UNIT).unwrap();
        let piece = large.take(2 * UNIT).unwrap();
        let unit = UNIT as u64;
        let expected = [
            Segment { offset: 0, len: UNIT, iova: Iova(0x4000_0000 + 3 * unit) },
            Segment { offset: UNIT, len: UNIT, iova: Iova(0x1_0000_0000) },
        ];
        assert_eq!(piece.segments(), expected);
    }

    #[test]
    fn memory_that_is_given_out_again_is_zero() {
        let large = large();
        let piece = large.take(UNIT).unwrap();
        // SAFETY: MAPPED-ALIVE: a byte of the piece.
        unsafe { piece.base().as_ptr().add(5).write(7) };
        drop(piece);
        let piece = large.take(UNIT).unwrap();
        piece.clear();
        // SAFETY: MAPPED-ALIVE: as above.
        assert_eq!(unsafe { piece.base().as_ptr().add(5).read() }, 0);
    }
}
