//! The pool of packet buffers, [`Mempool`], and a queue's private stock of it, [`Cache`].

mod making;

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

use ixy_dma::{DmaDomain, DmaMemory, DomainId, Iova};

use crate::error::Error;
use crate::lock::Lock;
use crate::packet::Packet;

/// Bytes before a received frame, for headers to be added in front.
pub const HEADROOM: u16 = 128;
/// Bytes that a device may write into one buffer.
pub const DATA_SIZE: u16 = 2048;

const LINE: usize = 64;
/// Distance of two buffers: an odd number of cache lines, so that their starts spread over all sets of a
/// cache.
const STRIDE: usize = stride(HEADROOM as usize + DATA_SIZE as usize);

const fn stride(bytes: usize) -> usize {
    (bytes.div_ceil(LINE) | 1) * LINE
}

const _: () = assert!(HEADROOM as usize + DATA_SIZE as usize <= STRIDE && (STRIDE / LINE) % 2 == 1);

/// The address of one buffer, for the processor and for the device.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) data: NonNull<u8>,
    pub(crate) iova: Iova,
}

/// The state that all handles and packets of a pool point to.
///
/// POOL-ALIVE: it is freed when no handle is left and every buffer is back in `free`, both seen under the
/// lock. So a handle, and likewise a packet, which is a buffer that is not back, keeps it alive without a
/// count of its own.
pub(crate) struct Shared {
    slots: Box<[Slot]>,
    memory: DmaMemory,
    state: Lock<State>,
}

struct State {
    /// Indices of the free buffers. The last one freed is allocated first, since it is in the processor's cache.
    free: Vec<u32>,
    /// The number of buffers.
    buffers: usize,
    /// The number of pools and caches that exist.
    handles: usize,
}

impl State {
    /// Whether nothing keeps the pool alive any more.
    fn is_last(&self) -> bool {
        self.handles == 0 && self.free.len() == self.buffers
    }
}

impl Shared {
    /// All buffers.
    #[inline(always)]
    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The buffer `index`.
    ///
    /// # Safety
    /// `index` is that of a buffer of this pool.
    #[inline(always)]
    pub(crate) unsafe fn slot(&self, index: u32) -> &Slot {
        debug_assert!((index as usize) < self.slots.len());
        // SAFETY: the caller's promise.
        unsafe { self.slots.get_unchecked(index as usize) }
    }

    /// Takes buffers back, and frees the pool if only they kept it alive.
    ///
    /// # Safety
    /// POOL-ALIVE: `this` points to a pool that is alive. The caller owned the buffers `indices` of it, each
    /// once, and gives them up; if it holds no handle it must not use `this` afterwards.
    pub(crate) unsafe fn give_back(this: NonNull<Self>, indices: &[u32]) {
        // SAFETY: POOL-ALIVE until the lock is released: these buffers are not back before.
        let shared = unsafe { this.as_ref() };
        let last = shared.state.with(|state| {
            // The capacity is that of all buffers, so this never allocates.
            state.free.extend_from_slice(indices);
            state.is_last()
        });
        if last {
            // SAFETY: POOL-ALIVE: only one thread can be the one that completed the condition, and nothing is
            // left that could use the pool.
            drop(unsafe { Box::from_raw(this.as_ptr()) });
        }
    }

    /// Takes up to `into.len()` free buffers out, and returns their number.
    fn take(&self, into: &mut [u32]) -> usize {
        self.state.with(|state| {
            let count = into.len().min(state.free.len());
            let rest = state.free.len() - count;
            into[..count].copy_from_slice(&state.free[rest..]);
            state.free.truncate(rest);
            count
        })
    }
}

/// A handle: it keeps the pool alive, and can be cloned.
struct Handle(NonNull<Shared>);

// SAFETY: what a handle points to is shared between threads behind a lock, or never changes; and the last
// thread that drops it may be any, as its memory is Send.
unsafe impl Send for Handle {}
// SAFETY: as for Send.
unsafe impl Sync for Handle {}

impl Handle {
    #[inline(always)]
    fn shared(&self) -> &Shared {
        // SAFETY: POOL-ALIVE through this handle.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.shared().state.with(|state| state.handles += 1);
        Self(self.0)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let last = self.shared().state.with(|state| {
            state.handles -= 1;
            state.is_last()
        });
        if last {
            // SAFETY: as in `Shared::give_back`.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

/// A pool of packet buffers of [`DATA_SIZE`] bytes after a headroom of [`HEADROOM`] bytes each, in memory
/// that devices reach.
///
/// It is a handle that can be cloned and sent to other threads. The memory lives until the last handle is dropped
/// and the last packet is freed, on any thread. One buffer at a time takes a lock; a [`Cache`] takes them in bulk.
///
/// An application gets a pool from a device of the crate `ixy`: `Device::new_pool` makes one for the application's
/// own packets, and `Device::pool` is the pool of received packets. [`Mempool::new`] is for programs that use a
/// driver directly, and for tests, as in this example with memory that no device reaches:
///
/// ```
/// use std::sync::Arc;
/// use ixy_core::Mempool;
///
/// # fn main() -> Result<(), ixy_core::Error> {
/// let pool = Mempool::new(Arc::new(ixy_dma::SimulatedDomain::default()), 64)?;
/// let packet = pool.packet_from(&[0xff; 60]).ok_or(ixy_core::Error::PoolSize { buffers: 64 })?;
/// assert_eq!((packet.len(), pool.free()), (60, 63));
/// std::thread::spawn(move || drop(packet)).join().unwrap_or_default();
/// assert_eq!(pool.free(), 64, "it came back from another thread");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Mempool(Handle);

impl fmt::Debug for Mempool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mempool").field("buffers", &self.buffers()).field("free", &self.free()).finish()
    }
}

impl Mempool {
    /// A pool of `buffers` buffers in memory of `domain`; a few less if that memory is in pieces smaller than
    /// 2 MiB.
    ///
    /// # Errors
    /// No buffers at all, more than an index can name, or the domain has no memory for them.
    pub fn new(domain: Arc<dyn DmaDomain>, buffers: usize) -> Result<Self, Error> {
        Self::shared_by(&[domain], buffers)
    }

    /// A pool of `buffers` buffers that the devices of every one of `domains` reach, so that a packet
    /// received on one can be sent on another.
    ///
    /// # Errors
    /// The same as for [`new`](Self::new), or if no domain's memory can be mapped into all the others.
    pub fn shared_by(domains: &[Arc<dyn DmaDomain>], buffers: usize) -> Result<Self, Error> {
        let size = Self::bytes(buffers).ok_or(Error::PoolSize { buffers })?;
        let mut refused = None;
        for domain in domains {
            let mut memory = Arc::clone(domain).allocate(size)?;
            match domains.iter().try_for_each(|other| memory.map_into(other)) {
                Ok(()) => return Self::in_memory(memory, buffers),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.map_or(Error::PoolSize { buffers }, Error::Dma))
    }

    /// The bytes that [`shared_by`](Self::shared_by) allocates for `buffers` buffers; `None` when that is zero, or
    /// more than an index can name.
    pub fn bytes(buffers: usize) -> Option<usize> {
        // A segment may end in the middle of a buffer, so there is room for one more in each 2 MiB.
        let room = |bytes: usize| bytes.checked_add(bytes.div_ceil((2 << 20) - STRIDE) * STRIDE);
        let indexed = (1..=u32::MAX as usize).contains(&buffers);
        buffers.checked_mul(STRIDE).and_then(room).filter(|_| indexed)
    }

    /// A pool of at most `buffers` buffers in `memory`: as many as fit.
    ///
    /// # Errors
    /// [`Error::PoolSize`] when that is zero, or more than an index can name.
    pub fn in_memory(memory: DmaMemory, buffers: usize) -> Result<Self, Error> {
        let mut slots = Vec::new();
        let mut from = 0;
        while slots.len() < buffers {
            let Some((offset, iova)) = memory.place(from, STRIDE, LINE) else { break };
            // SAFETY: `place` gives offsets inside the memory.
            slots.push(Slot { data: unsafe { memory.base().add(offset) }, iova });
            from = offset + STRIDE;
        }
        let count = u32::try_from(slots.len()).map_err(|_| Error::PoolSize { buffers })?;
        if count == 0 {
            return Err(Error::PoolSize { buffers });
        }
        // The buffer at the start of memory is allocated first.
        let state = State { free: (0..count).rev().collect(), buffers: slots.len(), handles: 1 };
        let shared = Box::new(Shared { slots: slots.into(), memory, state: Lock::new(state) });
        Ok(Self(Handle(NonNull::from(Box::leak(shared)))))
    }

    /// The number of its buffers.
    pub fn buffers(&self) -> usize {
        self.0.shared().slots.len()
    }

    /// The number of buffers in the pool now: neither packets nor in a [`Cache`].
    pub fn free(&self) -> usize {
        self.0.shared().state.with(|state| state.free.len())
    }

    /// Whether devices of the domain `id` reach its buffers.
    pub fn is_mapped_in(&self, id: DomainId) -> bool {
        self.0.shared().memory.is_mapped_in(id)
    }

    /// The shared state that its packets point to.
    #[inline(always)]
    pub(crate) fn shared_ptr(&self) -> NonNull<Shared> {
        self.0.0
    }

    /// Whether `packet` belongs to this pool. Takes one compare.
    #[inline(always)]
    pub fn owns(&self, packet: &Packet) -> bool {
        self.0.0 == packet.pool
    }

    /// The pool of `packet`.
    pub fn of(packet: &Packet) -> Self {
        // SAFETY: POOL-ALIVE through the packet; the handle made here is counted before it is used.
        unsafe { packet.pool.as_ref() }.state.with(|state| state.handles += 1);
        Self(Handle(packet.pool))
    }

    /// A private stock of this pool, for one queue.
    pub fn cache(&self) -> Cache {
        Cache { handle: self.0.clone(), len: 0, indices: Box::new([0; Cache::CAPACITY]) }
    }
}

/// A stock of free buffers that belongs to one queue: it exchanges them with its pool in bulk, so that allocating
/// and freeing one costs a few instructions. Dropping it returns the rest to the pool.
///
/// ```
/// # use std::sync::Arc;
/// # use ixy_core::{Cache, Mempool};
/// # let pool = Mempool::new(Arc::new(ixy_dma::SimulatedDomain::default()), 256)?;
/// let mut cache = pool.cache();
/// let packet = cache.allocate().expect("the pool is full of buffers");
/// assert_eq!(pool.free(), 256 - Cache::BULK, "the cache took several at once");
/// cache.free(packet);
/// drop(cache);
/// assert_eq!(pool.free(), 256);
/// # Ok::<(), ixy_core::Error>(())
/// ```
pub struct Cache {
    handle: Handle,
    len: usize,
    indices: Box<[u32; Cache::CAPACITY]>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Cache {
    /// The largest number of buffers that it holds.
    pub const CAPACITY: usize = 128;
    /// The number of buffers that it exchanges with the pool at a time.
    pub const BULK: usize = 64;

    /// A packet of length zero, or `None` when the pool has none left.
    #[inline(always)]
    pub fn allocate(&mut self) -> Option<Packet> {
        if self.len == 0 && !self.refill() {
            return None;
        }
        self.len -= 1;
        // SAFETY: the buffer was this cache's own, and is the packet's from here on.
        Some(unsafe { Packet::from_parts(self.handle.0, self.indices[self.len % Self::CAPACITY]) })
    }

    /// Frees `packet`: into this cache if it belongs to its pool, else into its own pool.
    #[inline(always)]
    pub fn free(&mut self, packet: Packet) {
        if packet.pool != self.handle.0 {
            return packet.go_home();
        }
        if self.len == Self::CAPACITY {
            self.spill();
        }
        self.indices[self.len % Self::CAPACITY] = packet.into_index();
        self.len += 1;
    }

    /// Frees all of `packets`, as [`free`](Self::free) does.
    ///
    /// # Safety
    /// They are initialised, and their owner no longer uses them.
    #[inline(always)]
    pub(crate) unsafe fn free_all(&mut self, packets: &[MaybeUninit<Packet>]) {
        let pool = self.handle.0;
        for run in packets.chunks(Self::BULK) {
            if self.len > Self::CAPACITY - Self::BULK {
                self.spill();
            }
            let mut len = self.len;
            for packet in run {
                // SAFETY: the caller's promise.
                let packet = unsafe { packet.assume_init_read() };
                if packet.pool == pool {
                    // SAFETY: SLOT-INDEX: there was room for BULK, and a run is no longer.
                    unsafe { *self.indices.get_unchecked_mut(len) = packet.into_index() };
                    len += 1;
                } else {
                    packet.go_home();
                }
            }
            self.len = len;
        }
    }

    /// Takes out up to `count` buffers, at least one unless the pool is empty. They belong to the caller.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: usize) -> &[u32] {
        if self.len == 0 {
            self.refill();
        }
        let end = self.len;
        self.len = end - count.min(end);
        self.indices.get(self.len..end).unwrap_or_default()
    }

    /// The shared state that its buffers point to.
    #[inline(always)]
    pub(crate) fn shared_ptr(&self) -> NonNull<Shared> {
        self.handle.0
    }

    /// The shared state that its buffers point to.
    #[inline(always)]
    pub(crate) fn shared(&self) -> &Shared {
        self.handle.shared()
    }

    /// The pool behind it.
    pub fn pool(&self) -> Mempool {
        Mempool(self.handle.clone())
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> bool {
        self.len = self.handle.shared().take(&mut self.indices[..Self::BULK]);
        self.len > 0
    }

    #[cold]
    #[inline(never)]
    fn spill(&mut self) {
        let rest = self.len.saturating_sub(Self::BULK);
        // SAFETY: POOL-ALIVE through the handle; these buffers were this cache's own and are forgotten here.
        unsafe { Shared::give_back(self.handle.0, &self.indices[rest..self.len]) };
        self.len = rest;
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: as in `spill`; the handle is dropped after this.
        unsafe { Shared::give_back(self.handle.0, &self.indices[..self.len]) };
    }
}
