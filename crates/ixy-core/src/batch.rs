//! A group of packets that are handled together: [`Batch`].

mod editing;

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use crate::mempool::Shared;
use crate::packet::Packet;

/// Up to 256 packets, in order, without an allocation. A limit set at run time bounds how many a receive may add.
///
/// It is a slice of its packets. `receive` adds to its end, `send` takes from its front and leaves packets that do
/// not fit. Dropping it frees the rest in bulk.
///
/// ```
/// use std::sync::Arc;
/// use ixy_core::{Batch, Mempool};
///
/// # fn main() -> Result<(), ixy_core::Error> {
/// # let pool = Mempool::new(Arc::new(ixy_dma::SimulatedDomain::default()), 64)?;
/// let mut batch = Batch::new(32);
/// pool.allocate_batch(&mut batch, 32); // or `rx.receive(&mut batch)`, with a receive queue
/// for (n, packet) in batch.iter_mut().enumerate() {
///     assert!(packet.set_len(60));
///     packet[12..14].copy_from_slice(if n < 10 { &[0x08, 0x00] } else { &[0x86, 0xdd] });
/// }
/// batch.retain(|packet| packet[12..14] == [0x08, 0x00]); // keeps IPv4 and frees the others
/// assert_eq!((batch.len(), batch.room(), pool.free()), (10, 22, 54));
/// batch.clear(); // or `tx.send(&mut batch)`, with a transmit queue
/// assert_eq!(pool.free(), 64);
/// # Ok(())
/// # }
/// ```
pub struct Batch {
    // Initialised from `start` to `end`, which is at most CAPACITY.
    packets: [MaybeUninit<Packet>; Batch::CAPACITY],
    start: usize,
    end: usize,
    limit: usize,
}

impl Batch {
    /// The most packets that it holds.
    pub const CAPACITY: usize = 256;

    /// An empty batch for up to `limit` packets, at least 1 and at most [`CAPACITY`](Self::CAPACITY).
    pub fn new(limit: usize) -> Self {
        let packets = [const { MaybeUninit::uninit() }; Self::CAPACITY];
        Self { packets, start: 0, end: 0, limit: limit.clamp(1, Self::CAPACITY) }
    }

    /// The most packets that it takes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many more packets it takes.
    #[inline(always)]
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.end - self.start)
    }

    /// Adds `packet` at the end, or returns it when the batch is full.
    ///
    /// # Errors
    /// The packet, when there is no room.
    #[inline(always)]
    pub fn push(&mut self, packet: Packet) -> Result<(), Packet> {
        if self.room() == 0 {
            return Err(packet);
        }
        self.push_within_room(packet);
        Ok(())
    }

    /// Like `push`, for a caller that checked [`room`](Self::room); a packet beyond it is freed.
    #[inline(always)]
    pub(crate) fn push_within_room(&mut self, packet: Packet) {
        if self.end == Self::CAPACITY {
            self.compact();
        }
        if let Some(place) = self.packets.get_mut(self.end) {
            place.write(packet);
            self.end += 1;
        }
    }

    /// Takes the first packet out.
    #[inline(always)]
    pub fn pop_front(&mut self) -> Option<Packet> {
        if self.start == self.end {
            return None;
        }
        // SAFETY: `start` is inside the initialised range, which the next line makes shorter by it.
        let packet = unsafe { self.packets.get_unchecked(self.start).assume_init_read() };
        self.start += 1;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        Some(packet)
    }

    /// Places for `count` more packets at the end, which count after [`commit`](Self::commit). `count` is at most
    /// [`room`](Self::room); larger values are reduced.
    #[inline(always)]
    pub(crate) fn reserve(&mut self, count: usize) -> &mut [MaybeUninit<Packet>] {
        if self.end + count > Self::CAPACITY {
            self.compact();
        }
        let end = (self.end + count).min(Self::CAPACITY);
        self.packets.get_mut(self.end..end).unwrap_or_default()
    }

    /// Counts the first `count` packets of those places.
    ///
    /// # Safety
    /// They are initialised, and were reserved.
    #[inline(always)]
    pub(crate) unsafe fn commit(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= Self::CAPACITY);
    }

    /// Forgets the first `count` packets, which were moved out.
    ///
    /// # Safety
    /// `count` is at most the length, and these packets have another owner.
    #[inline(always)]
    pub(crate) unsafe fn forget_front(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Frees all packets at once.
    pub fn clear(&mut self) {
        let mut indices = [0; Self::CAPACITY];
        let mut count = 0;
        let mut pool = None;
        while let Some(packet) = self.pop_front() {
            if pool.is_some_and(|pool| pool != packet.pool) {
                flush(pool, &indices[..count]);
                count = 0;
            }
            pool = Some(packet.pool);
            indices[count] = packet.into_index();
            count += 1;
        }
        flush(pool, &indices[..count]);

        fn flush(pool: Option<std::ptr::NonNull<Shared>>, indices: &[u32]) {
            if let Some(pool) = pool {
                // SAFETY: POOL-ALIVE and OWNED-BUFFER: these buffers were packets of that pool that gave up
                // their ownership to this function.
                unsafe { Shared::give_back(pool, indices) };
            }
        }
    }

    #[cold]
    fn compact(&mut self) {
        let len = self.end - self.start;
        // SAFETY: both ranges lie inside the array; the packets are moved, as `start` and `end` say
        // afterwards.
        unsafe {
            let first = self.packets.as_mut_ptr();
            std::ptr::copy(first.add(self.start), first, len);
        }
        (self.start, self.end) = (0, len);
    }
}

impl Default for Batch {
    /// A batch for up to 32 packets.
    fn default() -> Self {
        Self::new(32)
    }
}

impl Deref for Batch {
    type Target = [Packet];

    #[inline(always)]
    fn deref(&self) -> &[Packet] {
        // SAFETY: the packets from `start` to `end` are initialised.
        unsafe {
            std::slice::from_raw_parts(self.packets.as_ptr().add(self.start).cast(), self.end - self.start)
        }
    }
}

impl DerefMut for Batch {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [Packet] {
        // SAFETY: as for `deref`, and the batch is borrowed exclusively.
        unsafe {
            let first = self.packets.as_mut_ptr().add(self.start).cast();
            std::slice::from_raw_parts_mut(first, self.end - self.start)
        }
    }
}

impl<'a> IntoIterator for &'a mut Batch {
    type Item = &'a mut Packet;
    type IntoIter = std::slice::IterMut<'a, Packet>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a Packet;
    type IntoIter = std::slice::Iter<'a, Packet>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("packets", &self.len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
