//! The split ring (section 2.7): a table of descriptors, a ring of what is available, a ring of what is used.
//!
//! | part | written by | what is in it |
//! |---|---|---|
//! | descriptors | driver | [`Descriptor`] |
//! | available | driver | flags, index, an entry of 16 bits each: [`ENTRIES`]; then the index at which it wants an interrupt |
//! | used | device | flags, index, elements: [`UsedElement`]; then the index at which it wants a notification |

use zerocopy::little_endian::{U16, U32, U64};

use super::DescriptorFlags;

/// Where the flags are in the available and in the used part, in bytes.
pub const FLAGS: usize = 0;

/// Where the index is in the available and in the used part, in bytes.
pub const INDEX: usize = 2;

/// Where the entries start in the available part, and the elements in the used part, in bytes.
pub const ENTRIES: usize = 4;

structure! {
    /// A descriptor (section 2.7.5; specification: `struct virtq_desc`).
    Descriptor, 16 {
        /// Where the piece of memory is, as the device sees it.
        0 addr: U64,
        /// How many bytes it has.
        8 len: U32,
        /// See [`DescriptorFlags`].
        12 flags: U16,
        /// The descriptor that the buffer goes on in, with NEXT.
        14 next: U16,
    }
}

structure! {
    /// An element of the used ring (section 2.7.8; specification: `struct virtq_used_elem`).
    UsedElement, 8 {
        /// The first descriptor of the chain.
        0 id: U32,
        /// How many bytes the device says that it wrote.
        4 len: U32,
    }
}

impl Descriptor {
    /// The descriptor that these two words are.
    pub const fn from_words(words: [u64; 2]) -> Self {
        zerocopy::transmute!([U64::new(words[0]), U64::new(words[1])])
    }
}

/// A descriptor as two words: `len` bytes at `addr`, and the descriptor that follows with NEXT (section
/// 2.7.5).
#[inline(always)]
pub const fn descriptor(addr: u64, len: u32, flags: DescriptorFlags, next: u16) -> [u64; 2] {
    [addr, len as u64 | (flags.bits() as u64) << 32 | (next as u64) << 48]
}

/// Where the parts of a split ring are in its memory, in bytes, and how many bytes they take.
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
    /// Where the descriptors start: 0.
    pub descriptors: usize,
    /// Where the available ring starts.
    pub avail: usize,
    /// Where the used ring starts: a multiple of the alignment.
    pub used: usize,
    /// How many bytes there are in all, a multiple of the alignment.
    pub total: usize,
    size: usize,
}

impl Layout {
    /// The largest alignment of the used ring in bytes.
    pub const MAX_ALIGN: usize = 1 << 16;

    /// The layout of a ring of `size` descriptors whose used ring is aligned to `align` bytes: a power of
    /// two, at least 4, at most [`MAX_ALIGN`](Self::MAX_ALIGN); another number is replaced by the next that
    /// is.
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

    /// Where the index is that the driver wants an interrupt at, with EVENT_IDX: behind the available ring.
    pub const fn used_event(&self) -> usize {
        self.avail + ENTRIES + 2 * self.size
    }

    /// Where the index is that the device wants a notification at, with EVENT_IDX: behind the used ring.
    pub const fn avail_event(&self) -> usize {
        self.used + ENTRIES + size_of::<UsedElement>() * self.size
    }
}
