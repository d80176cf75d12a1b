//! Pools, caches, batches and packets compared with a model of ownership.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ixy_core::{Batch, Cache, Mempool, Packet};
use ixy_dma::{DmaDomain, Iova, SimulatedDomain};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

const POOLS: usize = 2;
const BUFFERS: [usize; POOLS] = [300, 9];

/// A step of the test; its numbers choose among the objects that exist.
#[derive(Debug, Clone)]
enum Step {
    Allocate { pool: usize },
    AllocateBatch { pool: usize, count: usize },
    FromCache { cache: usize, count: usize },
    IntoCache { cache: usize, from: usize, count: usize },
    Drop { from: usize, count: usize },
    Push { from: usize, count: usize },
    PopFront { count: usize },
    SwapInBatch { one: usize, other: usize },
    ClearBatch,
    NewBatch { limit: usize },
    ReplaceCache { cache: usize },
    ReplaceHandle { pool: usize },
    OnAnotherThread { count: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let count = || prop_oneof![3 => 1..4_usize, 1 => 1..150_usize];
    let step = prop_oneof![
        2 => (0..POOLS).prop_map(|pool| Step::Allocate { pool }),
        2 => (0..POOLS, 0..300_usize).prop_map(|(pool, count)| Step::AllocateBatch { pool, count }),
        4 => (0..POOLS, count()).prop_map(|(cache, count)| Step::FromCache { cache, count }),
        4 => (0..POOLS, any::<usize>(), count())
            .prop_map(|(cache, from, count)| Step::IntoCache { cache, from, count }),
        2 => (any::<usize>(), count()).prop_map(|(from, count)| Step::Drop { from, count }),
        3 => (any::<usize>(), count()).prop_map(|(from, count)| Step::Push { from, count }),
        3 => count().prop_map(|count| Step::PopFront { count }),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(one, other)| Step::SwapInBatch { one, other }),
        1 => Just(Step::ClearBatch),
        1 => prop_oneof![0..9_usize, 0..300_usize].prop_map(|limit| Step::NewBatch { limit }),
        1 => (0..POOLS).prop_map(|cache| Step::ReplaceCache { cache }),
        1 => (0..POOLS).prop_map(|pool| Step::ReplaceHandle { pool }),
        1 => count().prop_map(|count| Step::OnAnotherThread { count }),
    ];
    prop::collection::vec(step, 1..120)
}

/// The real objects, and beside them their expected state.
struct World {
    domain: Arc<SimulatedDomain>,
    pools: Vec<Mempool>,
    caches: Vec<Cache>,
    batch: Batch,
    loose: Vec<Packet>,

    free: [usize; POOLS],
    cached: [usize; POOLS],
    batched: VecDeque<Iova>,
    limit: usize,
    /// Every buffer owned by a packet: its pool, and the value written into it.
    owned: HashMap<Iova, (usize, u64)>,
    stamps: u64,
}

impl World {
    fn new() -> Self {
        let domain = Arc::new(SimulatedDomain::default());
        let pool = |n: usize| Mempool::new(Arc::clone(&domain) as Arc<dyn DmaDomain>, BUFFERS[n]).unwrap();
        let pools: Vec<Mempool> = (0..POOLS).map(pool).collect();
        Self {
            caches: pools.iter().map(Mempool::cache).collect(),
            batch: Batch::default(),
            loose: Vec::new(),
            free: BUFFERS,
            cached: [0; POOLS],
            batched: VecDeque::new(),
            limit: 32,
            owned: HashMap::new(),
            stamps: 0,
            domain,
            pools,
        }
    }

    /// Records a packet just allocated from `pool`: its buffer must have no other owner.
    fn take_over(&mut self, pool: usize, packet: &mut Packet) -> TestCaseResult {
        prop_assert!(self.pools[pool].owns(packet));
        prop_assert_eq!(packet.len(), 0);
        self.stamps += 1;
        prop_assert!(packet.set_len(2048));
        packet.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&self.stamps.to_le_bytes()));
        let before = self.owned.insert(packet.iova(), (pool, self.stamps));
        prop_assert!(before.is_none(), "a buffer has two owners");
        Ok(())
    }

    /// Records a packet about to be freed: its bytes are those that its owner wrote. Returns its pool.
    fn give_up(&mut self, packet: &Packet) -> Result<usize, TestCaseError> {
        let (pool, stamp) = self.owned.remove(&packet.iova()).unwrap();
        let intact = packet.chunks_exact(8).all(|word| word == stamp.to_le_bytes());
        prop_assert!(intact && packet.len() == 2048, "somebody else wrote into the buffer");
        Ok(pool)
    }

    /// At most `count` of the loose packets, from a place that `from` chooses.
    fn pick(&mut self, from: usize, count: usize) -> Vec<Packet> {
        let first = from.checked_rem(self.loose.len()).unwrap_or(0);
        let last = (first + count).min(self.loose.len());
        self.loose.drain(first..last).collect()
    }

    fn step(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Allocate { pool } => {
                let packet = self.pools[pool].allocate();
                prop_assert_eq!(packet.is_some(), self.free[pool] > 0);
                if let Some(mut packet) = packet {
                    self.free[pool] -= 1;
                    self.take_over(pool, &mut packet)?;
                    self.loose.push(packet);
                }
            }
            Step::AllocateBatch { pool, count } => {
                let (old, room) = (self.batched.len(), self.limit.saturating_sub(self.batched.len()));
                prop_assert_eq!(self.batch.room(), room);
                let taken = self.pools[pool].allocate_batch(&mut self.batch, count);
                prop_assert_eq!(taken, count.min(room).min(self.free[pool]));
                self.free[pool] -= taken;
                let mut batch = std::mem::replace(&mut self.batch, Batch::new(1));
                for packet in &mut batch[old..] {
                    self.take_over(pool, packet)?;
                    self.batched.push_back(packet.iova());
                }
                self.batch = batch;
            }
            Step::FromCache { cache, count } => {
                for _ in 0..count {
                    if self.cached[cache] == 0 {
                        let bulk = Cache::BULK.min(self.free[cache]);
                        self.cached[cache] = bulk;
                        self.free[cache] -= bulk;
                    }
                    let packet = self.caches[cache].allocate();
                    prop_assert_eq!(packet.is_some(), self.cached[cache] > 0);
                    let Some(mut packet) = packet else { break };
                    self.cached[cache] -= 1;
                    self.take_over(cache, &mut packet)?;
                    self.loose.push(packet);
                }
            }
            Step::IntoCache { cache, from, count } => {
                for packet in self.pick(from, count) {
                    let pool = self.give_up(&packet)?;
                    self.caches[cache].free(packet);
                    if pool != cache {
                        self.free[pool] += 1;
                        continue;
                    }
                    if self.cached[cache] == Cache::CAPACITY {
                        self.cached[cache] -= Cache::BULK;
                        self.free[cache] += Cache::BULK;
                    }
                    self.cached[cache] += 1;
                }
            }
            Step::Drop { from, count } => {
                for packet in self.pick(from, count) {
                    let pool = self.give_up(&packet)?;
                    self.free[pool] += 1;
                    drop(packet);
                }
            }
            Step::Push { from, count } => {
                for packet in self.pick(from, count) {
                    let iova = packet.iova();
                    match self.batch.push(packet) {
                        Ok(()) => self.batched.push_back(iova),
                        Err(packet) => {
                            prop_assert!(self.batched.len() >= self.limit, "refused though there is room");
                            prop_assert_eq!(packet.iova(), iova);
                            self.loose.push(packet);
                        }
                    }
                }
            }
            Step::PopFront { count } => {
                for _ in 0..count {
                    let packet = self.batch.pop_front();
                    prop_assert_eq!(packet.as_ref().map(Packet::iova), self.batched.pop_front());
                    self.loose.extend(packet);
                }
            }
            Step::SwapInBatch { one, other } => {
                if let len @ 1.. = self.batched.len() {
                    self.batch.swap(one % len, other % len);
                    self.batched.swap(one % len, other % len);
                }
            }
            Step::ClearBatch => {
                self.forget_batch()?;
                self.batch.clear();
                prop_assert!(self.batch.is_empty());
            }
            Step::NewBatch { limit } => {
                self.forget_batch()?;
                self.batch = Batch::new(limit);
                self.limit = limit.clamp(1, Batch::CAPACITY);
                prop_assert_eq!(self.batch.limit(), self.limit);
            }
            Step::ReplaceCache { cache } => {
                self.caches[cache] = self.pools[cache].cache();
                self.free[cache] += std::mem::take(&mut self.cached[cache]);
            }
            Step::ReplaceHandle { pool } => {
                self.pools[pool] = match self.loose.iter().find(|packet| self.pools[pool].owns(packet)) {
                    Some(packet) => Mempool::of(packet),
                    None => self.caches[pool].pool(),
                };
            }
            Step::OnAnotherThread { count } => {
                let packets = self.pick(0, count);
                for packet in &packets {
                    let pool = self.give_up(packet)?;
                    self.free[pool] += 1;
                }
                std::thread::spawn(move || drop(packets)).join().unwrap();
            }
        }
        self.check()
    }

    /// Records that the packets of the batch are about to be freed.
    fn forget_batch(&mut self) -> TestCaseResult {
        let batch = std::mem::replace(&mut self.batch, Batch::new(1));
        for packet in &batch {
            let pool = self.give_up(packet)?;
            self.free[pool] += 1;
        }
        self.batch = batch;
        self.batched.clear();
        Ok(())
    }

    fn check(&self) -> TestCaseResult {
        let free = [self.pools[0].free(), self.pools[1].free()];
        prop_assert_eq!(free, self.free);
        prop_assert!(self.batch.iter().map(Packet::iova).eq(self.batched.iter().copied()));
        for pool in 0..POOLS {
            let owned = self.owned.values().filter(|&&(of, _)| of == pool).count();
            prop_assert_eq!(free[pool] + self.cached[pool] + owned, BUFFERS[pool], "buffers got lost");
        }
        Ok(())
    }

    /// Drops everything, the pools and caches first, and checks when the memory goes.
    fn end(mut self) -> TestCaseResult {
        drop((self.pools, self.caches));
        let mut left = [0; POOLS];
        self.owned.values().for_each(|&(pool, _)| left[pool] += 1);
        self.loose.extend(std::iter::from_fn(|| self.batch.pop_front()));
        for packet in self.loose {
            let iova = packet.iova();
            let pool = self.owned[&iova].0;
            left[pool] -= 1;
            drop(packet);
            let mapped = self.domain.is_mapped(iova);
            prop_assert_eq!(mapped, left[pool] > 0, "{} packets are left", left[pool]);
        }
        prop_assert_eq!(Arc::strong_count(&self.domain), 1, "a pool was left");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn every_buffer_has_one_owner_and_comes_back(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step)?;
        }
        world.end()?;
    }
}
