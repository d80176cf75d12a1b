//! The pool as its users see it: the places of buffers, the domains that reach them, and their lifetime.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::{Arc, Barrier, Mutex};

use ixy_core::{Batch, DATA_SIZE, Error, HEADROOM, Mempool, Packet};
use ixy_dma::{
    Backing, DmaDomain, DmaMemory, DomainId, Error as DmaError, Iova, Segment, SimulatedDomain, View,
};
use proptest::prelude::*;

fn domain() -> Arc<SimulatedDomain> {
    Arc::default()
}

fn pool_of(domain: &Arc<SimulatedDomain>, buffers: usize) -> Mempool {
    Mempool::new(Arc::clone(domain) as Arc<dyn DmaDomain>, buffers).unwrap()
}

/// A device's view: in these tests the device has its turn while no other code uses the packet.
fn view(domain: &SimulatedDomain) -> View<'_> {
    // SAFETY: OWNED-BUFFER: only buffers of packets are accessed that the test owns, between its own accesses.
    unsafe { domain.view() }
}

/// Makes `packet` cover the whole of its buffer.
fn fill_buffer(packet: &mut Packet) {
    let headroom = u16::try_from(packet.headroom()).unwrap();
    assert!(packet.prepend(headroom));
    assert!(packet.set_len(u16::try_from(Packet::MAX_LEN).unwrap()));
}

#[test]
fn a_pool_has_as_many_buffers_as_were_asked_for() {
    for buffers in [1, 2, 935, 936, 937, 938, 1872, 2048, 10_000] {
        let pool = pool_of(&domain(), buffers);
        assert_eq!((pool.buffers(), pool.free()), (buffers, buffers));
    }
}

#[test]
fn a_pool_of_no_buffers_or_of_too_many_is_refused_before_memory_is_asked_for() {
    for buffers in [0, u32::MAX as usize + 1, usize::MAX] {
        let error = Mempool::new(domain(), buffers).unwrap_err();
        assert!(matches!(error, Error::PoolSize { buffers: n } if n == buffers), "{error}");
    }
    assert!(matches!(Mempool::shared_by(&[], 8), Err(Error::PoolSize { .. })));
}

#[test]
fn memory_that_holds_no_buffer_is_refused() {
    let memory = domain().allocate(4096).unwrap();
    assert_eq!(Mempool::in_memory(memory, 100).unwrap().buffers(), 1, "one buffer fits into a page");
    let memory = domain().allocate(4096).unwrap();
    assert!(matches!(Mempool::in_memory(memory, 0), Err(Error::PoolSize { buffers: 0 })));
}

#[test]
fn a_packet_starts_empty_after_the_headroom_and_has_room_for_what_a_device_writes() {
    let pool = pool_of(&domain(), 1);
    let mut packet = pool.allocate().unwrap();
    assert_eq!((packet.len(), packet.headroom()), (0, usize::from(HEADROOM)));
    assert_eq!(packet.tailroom(), usize::from(DATA_SIZE));
    assert!(packet.set_len(DATA_SIZE), "a device may write that much");
    assert!(pool.allocate().is_none(), "the only buffer was given out twice");
    assert!(packet.trim_front(100));
    drop(packet);
    let packet = pool.allocate().unwrap();
    assert_eq!(
        (packet.len(), packet.headroom()),
        (0, usize::from(HEADROOM)),
        "left over from the last owner"
    );
}

#[test]
fn a_frame_may_fill_its_buffer_to_the_last_byte_and_no_further() {
    let max = u16::try_from(Packet::MAX_LEN).unwrap();
    let pool = pool_of(&domain(), 1);
    let mut packet = pool.allocate().unwrap();
    assert!(!packet.set_len(DATA_SIZE + 1) && packet.is_empty());
    assert!(packet.set_len(DATA_SIZE));
    assert!(!packet.prepend(HEADROOM + 1) && packet.prepend(HEADROOM));
    assert_eq!((packet.headroom(), packet.len(), packet.tailroom()), (0, Packet::MAX_LEN, 0));
    assert!(!packet.prepend(1) && !packet.set_len(max + 1));
    assert!(!packet.trim_front(max + 1) && packet.trim_front(max));
    assert_eq!((packet.headroom(), packet.len(), packet.tailroom()), (Packet::MAX_LEN, 0, 0));
    assert!(packet.set_len(0) && !packet.set_len(1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn buffers_never_overlap_and_never_cross_a_segment(pages in 1_usize..9, buffers in 1_usize..80) {
        let domain = Arc::new(SimulatedDomain::with_segments(pages * 4096));
        let pool = pool_of(&domain, buffers);
        prop_assert!((1..=buffers).contains(&pool.buffers()));
        let mut packets: Vec<Packet> = std::iter::from_fn(|| pool.allocate()).collect();
        prop_assert_eq!(packets.len(), pool.buffers());
        packets.iter_mut().for_each(fill_buffer);
        // The device writes all of each buffer; a byte outside of a segment would be a fault.
        for (n, packet) in packets.iter().enumerate() {
            prop_assert!(view(&domain).write(packet.iova(), &[n as u8; Packet::MAX_LEN]));
        }
        for (n, packet) in packets.iter_mut().enumerate() {
            prop_assert!(packet.iter().all(|&byte| byte == n as u8), "buffer {} is not its own", n);
            packet.fill(!(n as u8));
        }
        // The device reads the processor's bytes at the same addresses.
        let mut bytes = [0; Packet::MAX_LEN];
        for (n, packet) in packets.iter().enumerate() {
            prop_assert!(view(&domain).read(packet.iova(), &mut bytes));
            prop_assert!(bytes.iter().all(|&byte| byte == !(n as u8)), "buffer {} is not its own", n);
        }
        prop_assert_eq!(domain.faults(), 0);
    }

    #[test]
    fn the_frame_stays_inside_its_buffer_whatever_is_asked(steps in prop::collection::vec((0..3, any::<u16>(), any::<bool>()), 0..40)) {
        let domain = domain();
        let pool = pool_of(&domain, 1);
        let mut packet = pool.allocate().unwrap();
        let first = packet.iova().0 - u64::from(HEADROOM);
        // Positions in the buffer: start and length of the frame.
        let (mut start, mut len) = (usize::from(HEADROOM), 0_usize);
        for (step, amount, small) in steps {
            let amount = if small { amount % 300 } else { amount };
            let bytes = usize::from(amount);
            let (fits, done) = match step {
                0 => (start + bytes <= Packet::MAX_LEN, packet.set_len(amount)),
                1 => (bytes <= start, packet.prepend(amount)),
                _ => (bytes <= len, packet.trim_front(amount)),
            };
            prop_assert_eq!(done, fits);
            if fits {
                (start, len) = match step {
                    0 => (start, bytes),
                    1 => (start - bytes, len + bytes),
                    _ => (start + bytes, len - bytes),
                };
            }
            prop_assert_eq!((packet.headroom(), packet.len()), (start, len));
            prop_assert_eq!(packet.tailroom(), Packet::MAX_LEN - start - len);
            prop_assert_eq!(packet.iova().0, first + start as u64);
            // The device finds the frame where the processor does.
            packet.fill(0xA5);
            let mut seen = vec![0; len];
            prop_assert!(view(&domain).read(packet.iova(), &mut seen));
            prop_assert!(seen[..] == packet[..]);
            packet.fill(0);
        }
    }
}

#[test]
fn memory_stays_until_the_last_packet_of_a_dropped_pool_is_freed() {
    let domain = domain();
    let pool = pool_of(&domain, 100);
    let mut cache = pool.cache();
    let mut batch = Batch::new(8);
    assert_eq!(pool.allocate_batch(&mut batch, 8), 8);
    let from_cache = cache.allocate().unwrap();
    let alone = pool.allocate().unwrap();
    let iova = alone.iova();

    drop(pool);
    assert!(domain.is_mapped(iova), "a cache and packets were left");
    drop(cache);
    assert!(domain.is_mapped(iova), "ten packets were left");
    drop(batch);
    assert!(domain.is_mapped(iova), "two packets were left");
    drop(from_cache);
    assert!(domain.is_mapped(iova), "one packet was left");
    std::thread::spawn(move || drop(alone)).join().unwrap();
    assert!(!domain.is_mapped(iova), "nothing was left");
    assert_eq!(Arc::strong_count(&domain), 1);
}

#[test]
fn a_handle_made_from_a_packet_keeps_the_pool_alive() {
    let domain = domain();
    let packet = pool_of(&domain, 4).allocate().unwrap();
    let iova = packet.iova();
    let pool = Mempool::of(&packet);
    assert!(pool.owns(&packet) && pool.is_mapped_in(domain.id()));
    drop(packet);
    assert_eq!(pool.free(), 4);
    assert!(domain.is_mapped(iova));
    drop(pool);
    assert!(!domain.is_mapped(iova));
}

#[test]
fn threads_that_free_the_last_packets_at_once_free_the_pool_once() {
    const THREADS: usize = 4;
    let rounds = if cfg!(debug_assertions) { 300 } else { 3000 };
    let domain = domain();
    let barrier = Arc::new(Barrier::new(THREADS + 1));
    let hand = Arc::new(Mutex::new(Vec::<Packet>::new()));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (barrier, hand) = (Arc::clone(&barrier), Arc::clone(&hand));
            std::thread::spawn(move || {
                for _ in 0..rounds {
                    barrier.wait();
                    let mut packet = hand.lock().unwrap().pop().unwrap();
                    assert!(packet.set_len(1));
                    packet[0] = packet[0].wrapping_add(1);
                    barrier.wait();
                    drop(packet);
                    barrier.wait();
                }
            })
        })
        .collect();
    for _ in 0..rounds {
        let pool = pool_of(&domain, THREADS);
        hand.lock().unwrap().extend(std::iter::from_fn(|| pool.allocate()));
        barrier.wait();
        barrier.wait();
        drop(pool);
        barrier.wait();
        assert_eq!(Arc::strong_count(&domain), 1, "the pool was not freed, or more than once");
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_batch_of_packets_of_several_pools_gives_each_its_own_back() {
    let domain = domain();
    let pools = [pool_of(&domain, 8), pool_of(&domain, 8), pool_of(&domain, 8)];
    let mut batch = Batch::new(24);
    for n in [0, 0, 1, 2, 2, 2, 0, 1, 1, 0] {
        batch.push(pools[n].allocate().unwrap()).unwrap();
    }
    assert_eq!(pools.each_ref().map(Mempool::free), [4, 5, 5]);
    drop(batch);
    assert_eq!(pools.each_ref().map(Mempool::free), [8, 8, 8]);
    for pool in &pools {
        let packets: Vec<Packet> = std::iter::from_fn(|| pool.allocate()).collect();
        assert!(packets.iter().all(|packet| pool.owns(packet)) && packets.len() == 8);
    }
}

#[test]
fn a_packet_made_from_bytes_holds_them_and_one_that_is_too_long_takes_no_buffer() {
    let domain = domain();
    let pool = pool_of(&domain, 2);
    let longest = vec![7; usize::from(DATA_SIZE)];
    assert_eq!(pool.packet_from(&longest).unwrap()[..], longest);
    assert_eq!(pool.packet_from(&[]).unwrap().len(), 0);
    for len in [longest.len() + 1, 65_536 + 60, usize::MAX] {
        assert!(pool.packet(len).is_none(), "{len} bytes");
    }
    assert_eq!(pool.free(), 2);
    let both = [pool.packet(60).unwrap(), pool.packet_from(&[1; 60]).unwrap()];
    assert_eq!((both[0].len(), &both[1][..]), (60, &[1; 60][..]));
    assert!(pool.packet_from(&[1]).is_none(), "no buffer is free");
}

/// A batch with packets of lengths 0, 1, 2 and so on.
fn numbered(pool: &Mempool, limit: usize, count: usize) -> Batch {
    let mut batch = Batch::new(limit);
    for n in 0..count {
        batch.push(pool.packet(n).unwrap()).unwrap();
    }
    batch
}

fn lengths(batch: &Batch) -> Vec<usize> {
    batch.iter().map(|packet| packet.len()).collect()
}

#[test]
fn a_batch_keeps_what_it_is_asked_to_in_order_and_frees_the_rest() {
    let domain = domain();
    let pool = pool_of(&domain, 256);
    for count in [0, 1, 5, Batch::CAPACITY] {
        let mut batch = numbered(&pool, Batch::CAPACITY, count);
        // Not at the start of its memory, so that packets are moved to the start.
        let first = usize::from(batch.pop_front().is_some());
        batch.retain(|packet| packet.len() % 3 != 0);
        let expected: Vec<usize> = (first..count).filter(|n| n % 3 != 0).collect();
        assert_eq!(lengths(&batch), expected);
        assert_eq!(pool.free(), 256 - expected.len());
    }
}

#[test]
fn a_batch_gives_all_its_packets_out_in_order_or_those_that_are_taken() {
    let domain = domain();
    let pool = pool_of(&domain, 16);
    let mut batch = numbered(&pool, 16, 9);
    let taken: Vec<Packet> = batch.drain().take(2).collect();
    assert_eq!((taken[1].len(), lengths(&batch)), (1, (2..9).collect()));
    assert_eq!(batch.drain().map(|packet| packet.len()).sum::<usize>(), (2..9).sum());
    assert_eq!((batch.len(), pool.free()), (0, 14));
}

#[test]
fn packets_move_from_one_batch_to_another_as_far_as_it_has_room() {
    let domain = domain();
    let pool = pool_of(&domain, 32);
    let (mut from, mut to) = (numbered(&pool, 16, 10), numbered(&pool, 6, 2));
    assert_eq!(to.append(&mut from), 4);
    assert_eq!((lengths(&to), lengths(&from)), (vec![0, 1, 0, 1, 2, 3], (4..10).collect()));
    assert_eq!(to.append(&mut from), 0);
    to.clear();
    assert_eq!((to.append(&mut from), to.append(&mut from)), (6, 0));
    assert_eq!((lengths(&to), from.len(), pool.free()), ((4..10).collect(), 0, 26));
}

#[test]
fn a_cache_gives_foreign_packets_to_their_own_pool() {
    let domain = domain();
    let (one, two) = (pool_of(&domain, 200), pool_of(&domain, 8));
    let mut cache = one.cache();
    cache.free(two.allocate().unwrap());
    assert_eq!((one.free(), two.free()), (200, 8));
    assert!(one.owns(&cache.allocate().unwrap()));
}

#[test]
fn a_pool_shared_by_two_domains_is_reached_from_both_until_it_is_gone() {
    let (one, two) = (domain(), domain());
    let both: [Arc<dyn DmaDomain>; 2] = [one.clone(), two.clone()];
    let pool = Mempool::shared_by(&both, 16).unwrap();
    assert!(pool.is_mapped_in(one.id()) && pool.is_mapped_in(two.id()));
    assert!(!pool.is_mapped_in(domain().id()));
    let mut packet = pool.allocate().unwrap();
    assert!(packet.set_len(6));
    assert!(view(&one).write(packet.iova(), b"shared"));
    let mut seen = [0; 6];
    assert!(view(&two).read(packet.iova(), &mut seen));
    assert_eq!((&packet[..], &seen), (&b"shared"[..], b"shared"));
    let iova = packet.iova();
    drop((pool, packet));
    assert!(!one.is_mapped(iova) && !two.is_mapped(iova));
}

#[test]
fn the_domain_whose_memory_all_accept_provides_it() {
    let (one, two) = (domain(), domain());
    // Memory that `one` allocates first has these addresses, too.
    let _taken = Arc::clone(&two).allocate(64 << 20).unwrap();
    let pool = Mempool::shared_by(&[one.clone(), two.clone()], 16).unwrap();
    assert!(pool.is_mapped_in(one.id()) && pool.is_mapped_in(two.id()));
}

/// A domain that accepts no memory of others.
#[derive(Debug)]
struct Closed(DomainId, &'static str);

/// Pages that are freed on drop.
#[derive(Debug)]
struct Pages(NonNull<u8>, Layout);

// SAFETY: Pages owns its memory, as a Box would.
unsafe impl Send for Pages {}
// SAFETY: a shared Pages gives access to nothing.
unsafe impl Sync for Pages {}

impl Backing for Pages {}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: allocated below with this layout, and nobody uses it any more.
        unsafe { dealloc(self.0.as_ptr(), self.1) };
    }
}

// SAFETY: each has an id of its own, and no device.
unsafe impl DmaDomain for Closed {
    fn id(&self) -> DomainId {
        self.0
    }

    fn name(&self) -> String {
        self.1.into()
    }

    fn allocate(self: Arc<Self>, size: usize) -> Result<DmaMemory, DmaError> {
        let layout = Layout::from_size_align(size.next_multiple_of(4096), 4096).unwrap();
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        let segment = Segment { offset: 0, len: layout.size(), iova: Iova(1 << 40) };
        let pages = Box::new(Pages(base, layout));
        // SAFETY: MAPPED-ALIVE: the pages are zeroed and nobody else's, and one segment, of whole pages; no device of
        // this domain exists.
        Ok(unsafe { DmaMemory::from_raw(base, layout.size(), vec![segment], pages, self) })
    }

    unsafe fn import(self: Arc<Self>, memory: &DmaMemory) -> Result<Box<dyn Backing>, DmaError> {
        let (from, into) = (memory.domain().name(), self.name());
        Err(DmaError::CannotShare { from, into, why: "it is closed".into() })
    }
}

#[test]
fn a_pool_that_no_domain_can_share_is_refused_by_the_names_of_two_and_leaves_nothing() {
    let closed = |name| Arc::new(Closed(DomainId::unique(), name));
    let (one, two, open) = (closed("domain one"), closed("domain two"), domain());
    let domains: [Arc<dyn DmaDomain>; 3] = [open.clone(), one.clone(), two.clone()];
    let error = Mempool::shared_by(&domains, 16).unwrap_err().to_string();
    assert!(error.contains("domain one") && error.contains("domain two"), "{error}");
    drop(domains);
    let left = (Arc::strong_count(&open), Arc::strong_count(&one), Arc::strong_count(&two));
    assert_eq!(left, (1, 1, 1), "memory was left");
    // With only one closed domain, its memory serves both.
    let pool = Mempool::shared_by(&[open.clone(), one.clone()], 16).unwrap();
    assert!(pool.is_mapped_in(open.id()) && pool.is_mapped_in(one.id()));
}
