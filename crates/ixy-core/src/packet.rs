//! One packet: [`Packet`].

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use ixy_dma::Iova;

use crate::mempool::{DATA_SIZE, HEADROOM, Shared};

/// A packet: the owner of one buffer of a [`Mempool`](crate::Mempool), and the range of it that holds the
/// frame.
///
/// It is 16 bytes, can be sent to another thread, and returns its buffer on drop. Its bytes are those of an
/// Ethernet frame without the frame check sequence. The packet's own state is not in memory that a device reaches,
/// so a device cannot change its place or its length.
///
/// A packet has one owner and goes to one port. To send a frame to several ports, make a copy for each further port
/// with [`Mempool::packet_from`](crate::Mempool::packet_from), as in `pool.packet_from(&packet)`; there is no
/// `Clone`, since the copy needs a free buffer of a pool.
///
/// It is a slice of the frame's bytes, which can grow or shrink at both ends without moving:
///
/// ```
/// use ixy_core::Packet;
///
/// /// Puts a VLAN tag behind the two addresses. `false`: there is no room for it before the frame.
/// fn tag(packet: &mut Packet, id: u16) -> bool {
///     if packet.len() < 14 || !packet.prepend(4) {
///         return false;
///     }
///     packet.copy_within(4..16, 0);
///     packet[12..14].copy_from_slice(&[0x81, 0x00]);
///     packet[14..16].copy_from_slice(&id.to_be_bytes());
///     true
/// }
///
/// # let pool = ixy_core::Mempool::new(std::sync::Arc::new(ixy_dma::SimulatedDomain::default()), 64)?;
/// let mut packet = pool.packet_from(&[7; 60]).expect("the pool is full of buffers");
/// assert!(tag(&mut packet, 5));
/// assert_eq!((packet.len(), &packet[10..18]), (64, &[7, 7, 0x81, 0, 0, 5, 7, 7][..]));
/// # Ok::<(), ixy_core::Error>(())
/// ```
pub struct Packet {
    pub(crate) pool: NonNull<Shared>,
    index: u32,
    start: u16,
    len: u16,
}

const _: () = assert!(size_of::<Packet>() == 16 && size_of::<Option<Packet>>() == 16);

// SAFETY: OWNED-BUFFER: the packet is the only owner of its buffer, and the pool behind it is shared by a
// lock.
unsafe impl Send for Packet {}
// SAFETY: a shared packet gives out shared access to its bytes only.
unsafe impl Sync for Packet {}

impl Packet {
    /// The largest length of a packet whose headroom is used up.
    pub const MAX_LEN: usize = HEADROOM as usize + DATA_SIZE as usize;

    /// The owner of buffer `index`, of length zero.
    ///
    /// # Safety
    /// OWNED-BUFFER: `index` is that of a buffer of the pool, and it has no other owner. POOL-ALIVE: the pool
    /// lives.
    #[inline(always)]
    pub(crate) unsafe fn from_parts(pool: NonNull<Shared>, index: u32) -> Self {
        Self { pool, index, start: HEADROOM, len: 0 }
    }

    /// The owner of buffer `index`, in which a device has put a frame of `len` bytes after the headroom.
    ///
    /// # Safety
    /// As for [`from_parts`](Self::from_parts), and `len` is at most [`DATA_SIZE`].
    #[inline(always)]
    pub(crate) unsafe fn received(pool: NonNull<Shared>, index: u32, len: u16) -> Self {
        debug_assert!(len <= DATA_SIZE);
        Self { pool, index, start: HEADROOM, len }
    }

    /// Slow path: frees the packet into its own pool. It is not inlined, so that loops that free packets of
    /// one pool in bulk stay small.
    #[cold]
    #[inline(never)]
    pub(crate) fn go_home(self) {}

    /// The number of its buffer in the pool.
    #[inline(always)]
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Gives up the buffer without freeing it.
    #[inline(always)]
    pub(crate) fn into_index(self) -> u32 {
        ManuallyDrop::new(self).index
    }

    /// Length of the frame in bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len.into()
    }

    /// Bytes of headroom: what [`prepend`](Self::prepend) can add in front.
    #[inline(always)]
    pub fn headroom(&self) -> usize {
        self.start.into()
    }

    /// Bytes that [`set_len`](Self::set_len) can add at the end.
    pub fn tailroom(&self) -> usize {
        Self::MAX_LEN - usize::from(self.start) - usize::from(self.len)
    }

    /// Sets the length of the frame to `len` bytes. Returns `false`, and changes nothing, when the buffer is too
    /// short. Added bytes keep the buffer's old content.
    #[inline(always)]
    #[must_use]
    pub fn set_len(&mut self, len: u16) -> bool {
        let fits = usize::from(self.start) + usize::from(len) <= Self::MAX_LEN;
        if fits {
            self.len = len;
        }
        fits
    }

    /// Makes the frame longer by `bytes` bytes at its front. Returns `false`, and changes nothing, when the
    /// headroom is too small.
    #[must_use]
    pub fn prepend(&mut self, bytes: u16) -> bool {
        let start = self.start.checked_sub(bytes);
        if let Some(start) = start {
            self.start = start;
            self.len += bytes;
        }
        start.is_some()
    }

    /// Removes `bytes` bytes from the front. Returns `false`, and changes nothing, when the frame is shorter.
    #[must_use]
    pub fn trim_front(&mut self, bytes: u16) -> bool {
        let len = self.len.checked_sub(bytes);
        if let Some(len) = len {
            self.start += bytes;
            self.len = len;
        }
        len.is_some()
    }

    /// The device's address of the frame's first byte.
    #[inline(always)]
    pub fn iova(&self) -> Iova {
        // SAFETY: POOL-ALIVE and OWNED-BUFFER: the index is that of a buffer of a pool that lives.
        let slot = unsafe { self.pool.as_ref().slot(self.index) };
        slot.iova.offset(self.start.into())
    }

    #[inline(always)]
    fn data(&self) -> NonNull<u8> {
        // SAFETY: POOL-ALIVE and OWNED-BUFFER as in `iova`; `start` is at most the length of the buffer.
        unsafe { self.pool.as_ref().slot(self.index).data.add(self.start.into()) }
    }
}

impl Deref for Packet {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        // SAFETY: OWNED-BUFFER: the buffer is this packet's, `start + len` lies inside it (`set_len`,
        // `prepend`, `trim_front`), and all of it was zeroed when it was allocated.
        unsafe { std::slice::from_raw_parts(self.data().as_ptr(), self.len.into()) }
    }
}

impl DerefMut for Packet {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, and the packet is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.data().as_ptr(), self.len.into()) }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: POOL-ALIVE and OWNED-BUFFER: the buffer was this packet's, and the packet is gone after
        // this.
        unsafe { Shared::give_back(self.pool, &[self.index]) };
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet").field("buffer", &self.index).field("len", &self.len).finish_non_exhaustive()
    }
}
