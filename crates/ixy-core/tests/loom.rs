//! Every order of the threads, in small cases. Run with
//! `RUSTFLAGS="--cfg loom" cargo test -p ixy-core --test loom`.
#![cfg(loom)]
#![allow(
    clippy::unwrap_used,
    clippy::arc_with_non_send_sync,
    reason = "tests; threads of the checker share one real one"
)]

use std::sync::Arc;

use ixy_core::{Batch, Mempool, Packet};
use ixy_dma::{DmaDomain, Iova, SimulatedDomain};
use loom::cell::UnsafeCell;
use loom::thread;

/// One cell for each buffer, which its owner writes. The checker reports a race for two owners at once, or for one
/// that does not see the last owner's writes.
#[derive(Clone)]
struct Owners(Arc<Vec<(Iova, UnsafeCell<()>)>>);

impl Owners {
    fn of(pool: &Mempool) -> Self {
        let packets: Vec<Packet> = std::iter::from_fn(|| pool.allocate()).collect();
        Self(Arc::new(packets.iter().map(|packet| (packet.iova(), UnsafeCell::new(()))).collect()))
    }

    fn touch(&self, packet: &Packet) {
        let (_, cell) = self.0.iter().find(|(iova, _)| *iova == packet.iova()).unwrap();
        cell.with_mut(|_| ());
    }
}

fn pool(buffers: usize) -> (Arc<SimulatedDomain>, Mempool, Owners) {
    let domain = Arc::new(SimulatedDomain::default());
    let pool = Mempool::new(Arc::clone(&domain) as Arc<dyn DmaDomain>, buffers).unwrap();
    let owners = Owners::of(&pool);
    (domain, pool, owners)
}

/// Checks that the memory is gone, and was freed once.
fn assert_gone(domain: &Arc<SimulatedDomain>, iova: Iova) {
    assert!(!domain.is_mapped(iova), "the pool's memory is still mapped");
    assert_eq!(Arc::strong_count(domain), 1);
}

#[test]
fn packets_freed_on_two_threads_while_the_pool_is_dropped_free_it_once() {
    loom::model(|| {
        let (domain, pool, owners) = pool(2);
        let packets = [pool.allocate().unwrap(), pool.allocate().unwrap()];
        let iova = packets[0].iova();
        let threads = packets.map(|packet| {
            let owners = owners.clone();
            thread::spawn(move || {
                owners.touch(&packet);
                assert_eq!(packet.len(), 0);
            })
        });
        drop(pool);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_gone(&domain, iova);
    });
}

#[test]
fn caches_of_two_threads_exchange_buffers_with_the_pool() {
    loom::model(|| {
        let (domain, pool, owners) = pool(3);
        let iova = owners.0[0].0;
        let threads = [pool.cache(), pool.cache()].map(|mut cache| {
            let owners = owners.clone();
            thread::spawn(move || {
                if let Some(packet) = cache.allocate() {
                    owners.touch(&packet);
                    cache.free(packet);
                }
            })
        });
        let packet = pool.allocate();
        packet.iter().for_each(|packet| owners.touch(packet));
        drop(packet);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(pool.free(), 3);
        drop(pool);
        assert_gone(&domain, iova);
    });
}

#[test]
fn a_packet_received_on_one_thread_is_freed_on_another_after_the_pool_is_gone() {
    loom::model(|| {
        let (domain, pool, owners) = pool(2);
        let iova = owners.0[0].0;
        let (sender, receiver) = loom::sync::mpsc::channel::<Packet>();
        let consumer = {
            let owners = owners.clone();
            thread::spawn(move || {
                let packet = receiver.recv().unwrap();
                owners.touch(&packet);
                drop(packet);
            })
        };
        let mut cache = pool.cache();
        drop(pool);
        let packet = cache.allocate().unwrap();
        owners.touch(&packet);
        sender.send(packet).unwrap();
        let rest = cache.allocate().unwrap();
        owners.touch(&rest);
        drop(cache);
        drop(rest);
        consumer.join().unwrap();
        assert_gone(&domain, iova);
    });
}

#[test]
fn a_handle_made_from_a_packet_while_the_last_one_is_dropped_keeps_the_pool() {
    loom::model(|| {
        let (domain, pool, owners) = pool(2);
        let packet = pool.allocate().unwrap();
        let iova = packet.iova();
        let thread = thread::spawn(move || {
            let pool = Mempool::of(&packet);
            owners.touch(&packet);
            drop(packet);
            let mut batch = Batch::new(2);
            assert_eq!(pool.allocate_batch(&mut batch, 2), 2);
            batch.iter().for_each(|packet| owners.touch(packet));
        });
        drop(pool);
        thread.join().unwrap();
        assert_gone(&domain, iova);
    });
}
