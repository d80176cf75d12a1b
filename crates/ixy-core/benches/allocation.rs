//! The cost of a buffer: allocated and freed, one at a time and 32 at a time, through the pool and through a
//! cache, on one thread and on two at once. Run it with `cargo bench -p ixy-core`.
#![allow(missing_docs, clippy::expect_used, clippy::print_stdout, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use ixy_core::{Batch, Cache, Mempool, Packet};
use ixy_dma::SimulatedDomain;

/// Number of measurements for each figure.
const ROUNDS: usize = 21;
/// Number of buffers in a measurement, on each thread.
const BUFFERS: usize = 1 << 17;
const BULK: usize = 32;

/// Allocates and frees `BUFFERS` buffers.
type Work = fn(&Mempool);

fn pool_single(pool: &Mempool) {
    for _ in 0..BUFFERS {
        drop(black_box(pool.allocate()));
    }
}

fn pool_bulk(pool: &Mempool) {
    let mut batch = Batch::new(BULK);
    for _ in 0..BUFFERS / BULK {
        pool.allocate_batch(&mut batch, BULK);
        black_box(&mut batch).clear();
    }
}

fn cache_single(pool: &Mempool) {
    let mut cache = pool.cache();
    for _ in 0..BUFFERS {
        cycle(&mut cache, 1, &mut Vec::new());
    }
}

fn cache_bulk(pool: &Mempool) {
    let (mut cache, mut packets) = (pool.cache(), Vec::with_capacity(BULK));
    for _ in 0..BUFFERS / BULK {
        cycle(&mut cache, BULK, &mut packets);
    }
}

/// Like the above with 256 at a time, more than a cache holds: each time it exchanges some with its pool.
fn cache_exchange(pool: &Mempool) {
    let (mut cache, mut packets) = (pool.cache(), Vec::with_capacity(2 * Cache::CAPACITY));
    for _ in 0..BUFFERS / (2 * Cache::CAPACITY) {
        cycle(&mut cache, 2 * Cache::CAPACITY, &mut packets);
    }
}

#[inline(always)]
fn cycle(cache: &mut Cache, count: usize, packets: &mut Vec<Packet>) {
    if count == 1 {
        if let Some(packet) = cache.allocate() {
            cache.free(black_box(packet));
        }
        return;
    }
    packets.extend((0..count).map_while(|_| cache.allocate()));
    for packet in black_box(&mut *packets).drain(..) {
        cache.free(packet);
    }
}

/// Nanoseconds a buffer on each of `threads` threads at once: the least and the median of all rounds.
fn measure(pool: &Mempool, threads: usize, work: Work) -> (f64, f64) {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(pool, threads, work)).collect();
    rounds.sort_by(f64::total_cmp);
    (rounds[0], rounds[ROUNDS / 2])
}

fn round(pool: &Mempool, threads: usize, work: Work) -> f64 {
    let barrier = Barrier::new(threads);
    let timed = || {
        barrier.wait();
        let start = Instant::now();
        work(pool);
        start.elapsed().as_secs_f64() * 1e9 / BUFFERS as f64
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(timed)).collect();
        let own = timed();
        let others = others.into_iter().map(|other| other.join().expect("the other thread ran"));
        others.fold(own, f64::max)
    })
}

fn main() {
    let pool = Mempool::new(Arc::new(SimulatedDomain::default()), 4096).expect("ordinary memory is there");
    println!("ns per buffer, allocated and freed      1 thread         2 threads");
    println!("                                      min  median      min  median");
    let works: [(&str, Work); 5] = [
        ("pool, one at a time", pool_single),
        ("pool, batches of 32", pool_bulk),
        ("cache, one at a time", cache_single),
        ("cache, batches of 32", cache_bulk),
        ("cache, 256: exchanges with the pool", cache_exchange),
    ];
    for (name, work) in works {
        let one = measure(&pool, 1, work);
        let two = measure(&pool, 2, work);
        println!("{name:<35} {:6.2}  {:6.2}   {:6.2}  {:6.2}", one.0, one.1, two.0, two.1);
    }
}
