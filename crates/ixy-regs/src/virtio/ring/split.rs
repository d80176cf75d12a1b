//! The split ring (section 2.7): a table of descriptors, a ring of available buffers, a ring of used ones.
//!
//! | part | written by | content |
//! |---|---|---|
//! | descriptors | driver | [`Descriptor`] |
//! | available | driver | flags, index, an entry of 16 bits each: [`ENTRIES`]; then the index at which it wants an interrupt |
//! | used | device | flags, index, elements: [`UsedElement`]; then the index at which it wants a notification |

use zerocopy::little_endian::{U16, U32, U64};

use super::DescriptorFlags;

/// The offset of the flags in the available and in the used part, in bytes.
pub const FLAGS: usize = 0;

/// The offset of the index in the available and in the used part, in bytes.
pub const INDEX: usize = 2;

/// The offset of the entries in the available part, and of the elements in the used part, in bytes.
pub const ENTRIES: usize = 4;

structure! {
    /// A descriptor (section 2.7.5; specification: `struct virtq_desc`).
    Descriptor, 16 {
        /// The device's address of the piece of memory.
        0 addr: U64,
        /// Its length in bytes.
        8 len: U32,
        /// See [`DescriptorFlags`].
        12 flags: U16,
        /// The descriptor in which the buffer continues, with NEXT.
        14 next: U16,
    }
}

structure! {
    /// An element of the used ring (section 2.7.8; specification: `struct virtq_used_elem`).
    UsedElement, 8 {
        /// The first descriptor of the chain.
        0 id: U32,
        /// The number of bytes that the device reports as written.
        4 len: U32,
    }
}

impl Descriptor {
    /// The descriptor with these two words.
    pub const fn from_words(words: [u64; 2]) -> Self {
        zerocopy::transmute!([U64::new(words[0]), U64::new(words[1])])
    }
}

/// A descriptor as two words: `len` bytes at `addr`, and the next descriptor, with NEXT (section 2.7.5).
#[inline(always)]
pub const fn descriptor(addr: u64, len: u32, flags: DescriptorFlags, next: u16) -> [u64; 2] {
    [addr, len as u64 | (flags.bits() as u64) << 32 | (next as u64) << 48]
}

/// The offsets of the parts of a split ring in its memory, in bytes, and their total size.
///
/// A legacy device expects this layout, with `align` equal to [`LEGACY_PAGE`](crate::virtio::LEGACY_PAGE)
/// (section 2.7.2). A modern device accepts it, among others. The two words for EVENT_IDX always have a
/// place.
///
/// ```
/// use ixy_regs::virtio::ring::split::Layout;
///
/// let layout = Layout::new(256, 4096);
/// assert_eq!((layout.descriptors, layout.avail, layout.used, layout.total), (0, 4096, 8192, 12288));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The offset of the descriptors: 0.
    pub descriptors: usize,
    /// The offset of the available ring.
    pub avail: usize,
    /// The offset of the used ring: a multiple of the alignment.
    pub used: usize,
    /// The total size in bytes, a multiple of the alignment.
    pub total: usize,
    size: usize,
}

impl Layout {
    /// The largest alignment of the used ring in bytes.
    pub const MAX_ALIGN: usize = 1 << 16;

    /// The layout of a ring of `size` descriptors with its used ring aligned to `align` bytes: a power of two, at
    /// least 4, at most [`MAX_ALIGN`](Self::MAX_ALIGN); any other number is raised or lowered to the next valid
    /// one.
    pub const fn new(size: u16, align: usize) -> Self {
        let align = if align < 4 { 4 } else { align };
        let align = if align > Self::MAX_ALIGN { Self::MAX_ALIGN } else { align.next_power_of_two() };
        let size = size as usize;
        let avail = size * size_of::<Descriptor>();
        let avail_end = avail + ENTRIES + 2 * size + 2;
        let used = avail_end.next_multiple_of(align);
        let used_end = used + ENTRIES + size * size_of::<UsedElement>() + 2;
        Self { descriptors: 0, avail, used, total: used_end.next_multiple_of(align), size }
    }

    /// The offset of the index at which the driver wants an interrupt, with EVENT_IDX: after the available ring.
    pub const fn used_event(&self) -> usize {
        self.avail + ENTRIES + 2 * self.size
    }

    /// The offset of the index at which the device wants a notification, with EVENT_IDX: after the used ring.
    pub const fn avail_event(&self) -> usize {
        self.used + ENTRIES + size_of::<UsedElement>() * self.size
    }
}
