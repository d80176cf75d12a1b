//! The buffers and packets of a driver's descriptor rings: those posted to a receive ring ([`Posted`]), and those
//! in a transmit ring ([`InFlight`]). Both work on a batch at a time; the inner loop keeps its state in processor
//! registers.

use std::fmt;
use std::mem::MaybeUninit;

use ixy_dma::{DomainId, Iova};

use crate::batch::Batch;
use crate::mempool::{Cache, DATA_SIZE, HEADROOM, Mempool};
use crate::packet::Packet;

/// The buffers that are posted to a receive ring, one for each descriptor. The device may write into them, so they
/// have no other owner.
pub struct Posted {
    cache: Cache,
    /// OWNED-BUFFER: the buffer at `i` belongs to descriptor `i`. The length is a power of two.
    indices: Box<[u32]>,
}

impl fmt::Debug for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posted").field("buffers", &self.indices.len()).finish_non_exhaustive()
    }
}

impl Posted {
    /// Buffers of `pool` for a ring of `len` descriptors; `None` when the pool has too few, or `len` is not a
    /// power of two.
    pub fn new(pool: &Mempool, len: usize) -> Option<Self> {
        if !len.is_power_of_two() {
            return None;
        }
        let mut posted = Self { cache: pool.cache(), indices: Box::default() };
        let packets: Option<Vec<Packet>> = (0..len).map(|_| posted.cache.allocate()).collect();
        posted.indices = packets?.into_iter().map(Packet::into_index).collect();
        Some(posted)
    }

    /// The number of buffers, which is the length of the ring.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// The device's address of buffer `i` (wrapping around), after its headroom.
    pub fn iova(&self, i: usize) -> Iova {
        let index = self.indices[i & (self.indices.len() - 1)];
        // SAFETY: OWNED-BUFFER: the index is that of a buffer of the cache's pool.
        unsafe { self.cache.shared().slot(index) }.iova.offset(HEADROOM.into())
    }

    /// Turns the buffers of `count` completed descriptors of `ring`, from `first` on and wrapping around, into
    /// packets at the end of `batch`, and puts fresh buffers in their place. It stops early when the batch is full
    /// or the pool is empty. Returns the number of packets: 0 when the length of `ring` differs.
    ///
    /// It calls `arm` for each descriptor, with the descriptor and the address of the fresh buffer. `arm` posts
    /// that buffer and returns the length of the frame in the old one; a length above [`DATA_SIZE`] is cut to it.
    ///
    /// # Safety
    /// OWNED-BUFFER: the device has reported these descriptors done, so it no longer writes into their
    /// buffers.
    #[inline(always)]
    pub unsafe fn exchange<D>(
        &mut self,
        ring: &[D],
        first: usize,
        count: usize,
        batch: &mut Batch,
        mut arm: impl FnMut(&D, Iova) -> u16,
    ) -> usize {
        if ring.len() != self.indices.len() {
            return 0;
        }
        let mask = ring.len() - 1;
        let pool = self.cache.shared_ptr();
        // SAFETY: POOL-ALIVE through the cache.
        let slots = unsafe { pool.as_ref() }.slots();
        let count = count.min(batch.room());
        let mut done = 0;
        while done < count {
            // A run ends at the end of the ring, or when the cache has to be refilled.
            let start = (first + done) & mask;
            let run = (count - done).min(ring.len() - start);
            let fresh = self.cache.take(run);
            let added = fresh.len();
            if added == 0 {
                break;
            }
            let places = ring[start..start + added].iter().zip(&mut self.indices[start..start + added]);
            let packets = batch.reserve(added);
            for ((&index, (descriptor, place)), packet) in fresh.iter().zip(places).zip(packets) {
                // SAFETY: OWNED-BUFFER: the index came from the cache, so it is one of its pool's.
                let iova = unsafe { slots.get_unchecked(index as usize) }.iova.offset(HEADROOM.into());
                let old = std::mem::replace(place, index);
                let len = arm(descriptor, iova).min(DATA_SIZE);
                // SAFETY: OWNED-BUFFER: the device gave the old buffer back, and it left this ring by
                // `replace`.
                packet.write(unsafe { Packet::received(pool, old, len) });
            }
            // SAFETY: the loop wrote as many packets as were reserved, as `count` is within the batch's room.
            unsafe { batch.commit(added) };
            done += added;
        }
        done
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        for &index in &self.indices {
            // SAFETY: OWNED-BUFFER: the buffer was this ring's, which is gone after this. POOL-ALIVE through
            // the cache.
            let packet = unsafe { Packet::received(self.cache.shared_ptr(), index, 0) };
            self.cache.free(packet);
        }
    }
}

/// The packets in a transmit ring, from the oldest to the newest. The device may read them, so they have no other
/// owner.
pub struct InFlight {
    /// Initialised from `oldest` on, `count` of them, wrapping around. The length is a power of two.
    packets: Box<[MaybeUninit<Packet>]>,
    oldest: usize,
    count: usize,
    cache: Cache,
    /// The last pool that was found to be mapped in `domain`.
    pool: Mempool,
    domain: DomainId,
    unreachable: u64,
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").field("len", &self.count).finish_non_exhaustive()
    }
}

impl InFlight {
    /// Room for the packets of a ring of `len` descriptors, of which one stays free, for a device in
    /// `domain`. Sent packets of `pool` are freed in bulk. `None` when `len` is not a power of two, or `pool`
    /// is not mapped for the device.
    pub fn new(pool: &Mempool, domain: DomainId, len: usize) -> Option<Self> {
        (len.is_power_of_two() && pool.is_mapped_in(domain)).then(|| Self {
            packets: (0..len).map(|_| MaybeUninit::uninit()).collect(),
            oldest: 0,
            count: 0,
            cache: pool.cache(),
            pool: pool.clone(),
            domain,
            unreachable: 0,
        })
    }

    /// The number of packets in the ring.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the ring has no packet.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The number of packets that still fit.
    #[inline(always)]
    pub fn room(&self) -> usize {
        self.packets.len() - 1 - self.count
    }

    /// The descriptor of the oldest packet.
    #[inline(always)]
    pub fn oldest(&self) -> usize {
        self.oldest
    }

    /// The descriptor that the next packet gets.
    #[inline(always)]
    pub fn next(&self) -> usize {
        (self.oldest + self.count) & (self.packets.len() - 1)
    }

    /// The number of times that [`take_from`](Self::take_from) found a packet in memory that is not mapped for the
    /// device.
    pub fn unreachable(&self) -> u64 {
        self.unreachable
    }

    /// Takes packets from the front of `batch` while there is room, and calls `write` for each with its descriptor
    /// in `ring` and its address. `write` fills the descriptor. It may change the packet's length and bytes, but
    /// must not put another packet in its place. A packet that is not mapped for the device stops the call, and is
    /// counted. Returns the number of packets taken: 0 when the length of `ring` differs.
    #[inline(always)]
    pub fn take_from<D>(
        &mut self,
        ring: &[D],
        batch: &mut Batch,
        mut write: impl FnMut(&D, Iova, &mut Packet),
    ) -> usize {
        let len = self.packets.len();
        if ring.len() != len {
            return 0;
        }
        let count = batch.len().min(self.room());
        let first = self.next();
        let mut pool = self.pool.shared_ptr();
        // SAFETY: POOL-ALIVE through the handle in `self.pool`.
        let mut slots = unsafe { pool.as_ref() }.slots().as_ptr();
        let mut taken = 0;
        while taken < count {
            // A run ends at the end of the ring.
            let start = (first + taken) & (len - 1);
            let run = (count - taken).min(len - start);
            let packets = &mut batch[taken..taken + run];
            let mut written = 0;
            for (descriptor, packet) in ring[start..start + run].iter().zip(&mut *packets) {
                if packet.pool != pool {
                    if !reaches(&mut self.pool, self.domain, packet) {
                        self.unreachable += 1;
                        break;
                    }
                    pool = packet.pool;
                    // SAFETY: POOL-ALIVE through the handle that `reaches` put into `self.pool`.
                    slots = unsafe { pool.as_ref() }.slots().as_ptr();
                }
                // SAFETY: OWNED-BUFFER: the packet's index is that of a buffer of its pool.
                let iova = unsafe { (*slots.add(packet.index() as usize)).iova };
                write(descriptor, iova.offset(packet.headroom() as u64), packet);
                written += 1;
            }
            let places = self.packets[start..start + written].as_mut_ptr().cast::<Packet>();
            // SAFETY: OWNED-BUFFER: the copies count only once the batch forgets the packets, below.
            unsafe { places.copy_from_nonoverlapping(packets.as_ptr(), written) };
            taken += written;
            if written < run {
                break;
            }
        }
        // SAFETY: the first `taken` packets were moved to this ring.
        unsafe { batch.forget_front(taken) };
        self.count += taken;
        taken
    }

    /// Moves the `count` oldest packets, which the device has sent, to the end of `batch`, or as many as fit.
    /// Returns their number.
    ///
    /// # Safety
    /// OWNED-BUFFER: the device has reported them sent, so it no longer reads them.
    pub unsafe fn give_back(&mut self, count: usize, batch: &mut Batch) -> usize {
        let len = self.packets.len();
        let count = count.min(self.count).min(batch.room());
        let mut left = count;
        while left > 0 {
            // A run ends at the end of the ring.
            let start = self.oldest;
            let run = left.min(len - start);
            self.oldest = (start + run) & (len - 1);
            self.count -= run;
            left -= run;
            let places = batch.reserve(run).as_mut_ptr();
            // SAFETY: `run` places are there, as it is within the batch's room; the packets were initialised,
            // and the ring no longer counts them.
            unsafe {
                places.copy_from_nonoverlapping(self.packets[start..start + run].as_ptr(), run);
                batch.commit(run);
            }
        }
        count
    }

    /// Frees the `count` oldest packets, which the device has sent.
    ///
    /// # Safety
    /// As for [`give_back`](Self::give_back).
    #[inline(always)]
    pub unsafe fn free(&mut self, count: usize) {
        let len = self.packets.len();
        let mut left = count.min(self.count);
        while left > 0 {
            // A run ends at the end of the ring.
            let start = self.oldest;
            let run = left.min(len - start);
            // The ring forgets them first, so that none can be freed twice.
            self.oldest = (start + run) & (len - 1);
            self.count -= run;
            left -= run;
            // SAFETY: the packets of the run were initialised, and the ring no longer counts them.
            unsafe { self.cache.free_all(&self.packets[start..start + run]) };
        }
    }
}

/// Whether the pool of `packet` is mapped in `domain`; if it is, `latest` remembers the pool.
#[cold]
#[inline(never)]
fn reaches(latest: &mut Mempool, domain: DomainId, packet: &Packet) -> bool {
    let pool = Mempool::of(packet);
    let reached = pool.is_mapped_in(domain);
    if reached {
        *latest = pool;
    }
    reached
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // SAFETY: QUIET-BEFORE-FREE: a driver drops what is in its ring only once the device has stopped.
        unsafe { self.free(self.count) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ixy_dma::{DmaDomain, SimulatedDomain};

    use super::*;

    fn pool(buffers: usize) -> (Arc<SimulatedDomain>, Mempool) {
        let domain = Arc::new(SimulatedDomain::default());
        let pool = Mempool::new(domain.clone(), buffers).unwrap();
        (domain, pool)
    }

    // No device accesses a descriptor here.

    fn exchange<D>(
        posted: &mut Posted,
        ring: &[D],
        first: usize,
        count: usize,
        batch: &mut Batch,
        arm: impl FnMut(&D, Iova) -> u16,
    ) -> usize {
        // SAFETY: OWNED-BUFFER: as above.
        unsafe { posted.exchange(ring, first, count, batch, arm) }
    }

    fn give_back(ring: &mut InFlight, count: usize, batch: &mut Batch) -> usize {
        // SAFETY: OWNED-BUFFER: as above.
        unsafe { ring.give_back(count, batch) }
    }

    fn free(ring: &mut InFlight, count: usize) {
        // SAFETY: OWNED-BUFFER: as above.
        unsafe { ring.free(count) }
    }

    #[test]
    fn received_buffers_are_replaced_by_fresh_ones_and_come_out_in_order() {
        let (domain, pool) = pool(64);
        let mut posted = Posted::new(&pool, 8).unwrap();
        for i in 0..8 {
            // SAFETY: OWNED-BUFFER: the buffer is in the ring.
            assert!(unsafe { domain.view() }.write(posted.iova(i), &[i as u8; 4]));
        }
        let before: Vec<Iova> = (0..8).map(|i| posted.iova(i)).collect();
        let mut batch = Batch::new(32);
        let mut armed = Vec::new();
        let ring: [usize; 8] = std::array::from_fn(|i| i);
        let done = exchange(&mut posted, &ring, 6, 4, &mut batch, |&i, iova| {
            armed.push((i, iova));
            4
        });
        assert_eq!(done, 4);
        assert_eq!(armed.iter().map(|a| a.0).collect::<Vec<_>>(), [6, 7, 0, 1], "the ring wraps");
        let seen: Vec<u8> = batch.iter().map(|p| p[0]).collect();
        assert_eq!(seen, [6, 7, 0, 1]);
        for &(i, iova) in &armed {
            assert_eq!(posted.iova(i), iova, "the ring holds the address that was armed");
            assert!(!before.contains(&iova), "a buffer was armed that is still in use");
        }
        drop((batch, posted));
        assert_eq!(pool.free(), 64);
    }

    #[test]
    fn a_ring_of_another_length_is_left_alone() {
        let (domain, pool) = pool(256);
        let mut batch = Batch::new(8);
        let mut posted = Posted::new(&pool, 8).unwrap();
        assert_eq!(exchange(&mut posted, &[(); 16], 0, 4, &mut batch, |(), _| 60), 0);
        pool.allocate_batch(&mut batch, 4);
        let mut ring = InFlight::new(&pool, domain.id(), 8).unwrap();
        assert_eq!(ring.take_from(&[(); 4], &mut batch, |(), _, _| ()), 0);
        assert_eq!(batch.len(), 4);
    }

    #[test]
    fn a_length_beyond_the_buffer_is_not_believed() {
        let (_domain, pool) = pool(16);
        let mut posted = Posted::new(&pool, 4).unwrap();
        let mut batch = Batch::new(4);
        assert_eq!(exchange(&mut posted, &[(); 4], 0, 1, &mut batch, |(), _| u16::MAX), 1);
        assert_eq!(batch[0].len(), usize::from(DATA_SIZE));
    }

    #[test]
    fn exchange_stops_when_the_pool_or_the_batch_ends() {
        let (_domain, pool) = pool(12);
        let mut posted = Posted::new(&pool, 8).unwrap();
        let mut batch = Batch::new(32);
        assert_eq!(
            exchange(&mut posted, &[(); 8], 0, 8, &mut batch, |(), _| 60),
            4,
            "there were four buffers left"
        );
        let mut small = Batch::new(3);
        batch.clear();
        assert_eq!(
            exchange(&mut posted, &[(); 8], 4, 8, &mut small, |(), _| 60),
            3,
            "there was room for three"
        );
        drop((batch, small, posted));
        assert_eq!(pool.free(), 12);
    }

    #[test]
    fn sent_packets_are_freed_oldest_first_and_one_descriptor_stays_free() {
        let (domain, pool) = pool(64);
        let mut ring = InFlight::new(&pool, domain.id(), 8).unwrap();
        let mut batch = Batch::new(32);
        let numbered: [usize; 8] = std::array::from_fn(|i| i);
        for round in 0..5 {
            pool.allocate_batch(&mut batch, 10);
            let next = ring.next();
            let mut numbers = Vec::new();
            assert_eq!(ring.take_from(&numbered, &mut batch, |&i, _, _| numbers.push(i)), 7, "round {round}");
            assert_eq!(numbers, (0..7).map(|n| (next + n) % 8).collect::<Vec<_>>());
            assert_eq!(batch.len(), 3, "what did not fit stays");
            batch.clear();
            free(&mut ring, 2);
            assert_eq!(ring.len(), 5);
            free(&mut ring, 100);
            assert!(ring.is_empty());
        }
        drop(ring);
        assert_eq!(pool.free(), 64);
    }

    #[test]
    fn sent_packets_come_back_as_they_were_and_in_order() {
        let (domain, pool) = pool(64);
        let mut ring = InFlight::new(&pool, domain.id(), 8).unwrap();
        let mut batch = Batch::new(7);
        let mut back = Batch::new(5);
        pool.allocate_batch(&mut batch, 7);
        for (n, packet) in (0..).zip(&mut batch) {
            assert!(packet.set_len(60));
            packet[0] = n;
        }
        for round in 0..20 {
            assert_eq!(ring.take_from(&[(); 8], &mut batch, |(), _, _| ()), 7, "round {round}");
            assert_eq!(give_back(&mut ring, 100, &mut back), 5, "as many as there is room for");
            let mut numbers: Vec<u8> = back.iter().map(|p| p[0]).collect();
            while let Some(packet) = back.pop_front() {
                batch.push(packet).unwrap();
            }
            assert_eq!(give_back(&mut ring, 1, &mut back), 1);
            assert_eq!(give_back(&mut ring, 9, &mut back), 1);
            numbers.extend(back.iter().map(|p| p[0]));
            while let Some(packet) = back.pop_front() {
                assert_eq!(packet.len(), 60);
                batch.push(packet).unwrap();
            }
            assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6], "round {round}");
        }
        drop((ring, batch));
        assert_eq!(pool.free(), 64);
    }

    #[test]
    fn a_packet_that_the_device_cannot_reach_stays_at_the_front_and_is_counted() {
        let (domain, mine) = pool(8);
        let (_other_domain, other) = pool(8);
        let mut ring = InFlight::new(&mine, domain.id(), 8).unwrap();
        let mut batch = Batch::new(8);
        mine.allocate_batch(&mut batch, 1);
        other.allocate_batch(&mut batch, 1);
        mine.allocate_batch(&mut batch, 1);
        assert_eq!(ring.take_from(&[(); 8], &mut batch, |(), _, _| ()), 1);
        assert_eq!((batch.len(), ring.unreachable()), (2, 1));
        assert!(other.owns(&batch[0]));
    }

    #[test]
    fn packets_of_another_pool_in_reach_are_sent_and_go_home() {
        let (domain, one) = pool(8);
        let two = Mempool::new(domain.clone(), 8).unwrap();
        let mut ring = InFlight::new(&one, domain.id(), 16).unwrap();
        let mut batch = Batch::new(16);
        for _ in 0..4 {
            one.allocate_batch(&mut batch, 1);
            two.allocate_batch(&mut batch, 1);
        }
        assert_eq!(
            ring.take_from(&[(); 16], &mut batch, |(), iova, packet| assert_eq!(iova, packet.iova())),
            8
        );
        free(&mut ring, 8);
        assert_eq!(two.free(), 8);
        drop(ring);
        assert_eq!(one.free(), 8);
    }
}
