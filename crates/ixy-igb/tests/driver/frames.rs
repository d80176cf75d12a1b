//! Frames pass whole, once, and in order.

use std::sync::Arc;

use ixy_core::{Batch, DATA_SIZE, Device as _, Mempool, RxQueue as _, TxQueue as _};
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_igb::Config;
use proptest::prelude::*;

use crate::device::{Options, offset};
use crate::harness::{Harness, frame, frames};

fn small() -> Config {
    Config { rx_ring: 64, tx_ring: 64, ..Config::default() }
}

/// All lengths that the card accepts without long packets.
fn mixed(number: u32) -> usize {
    60 + number as usize * 97 % 1455
}

#[test]
fn frames_are_received_in_order_and_complete() {
    let harness = Harness::new(Options { buffer: 10_000, ..Options::default() });
    let (card, mut rx, tx) = harness.start(&small());
    let all = frames(3000, mixed);
    assert!(harness.pass(&mut rx, &all) == all);
    drop((card, rx, tx));
    harness.all_is_back();
}

#[test]
fn frames_are_sent_in_order_and_complete() {
    let harness = Harness::new(Options::default());
    let (card, rx, mut tx) = harness.start(&small());
    let all = frames(3000, mixed);
    assert!(harness.send(&mut tx, &all) == all);
    drop((card, rx, tx));
    harness.all_is_back();
}

#[test]
fn the_longest_transmit_ring_comes_round_with_frames_of_two_descriptors() {
    let harness = Harness::new(Options::default());
    let (card, rx, mut tx) = harness.start(&Config { tx_ring: 4096, ..small() });
    assert_eq!(harness.device.register(offset::tx(0, offset::LEN)), 2 * 4096 * 16);
    // Each frame has one or two of the 8,192 descriptors.
    let all = frames(9000, |number| 1400 + number as usize % 100);
    assert!(harness.send(&mut tx, &all) == all);
    drop((card, rx, tx));
    harness.all_is_back();
}

#[test]
fn received_frames_are_sent_without_a_copy() {
    let harness = Harness::new(Options::default());
    let (card, mut rx, mut tx) = harness.start(&small());
    let all = frames(1000, mixed);
    let (mut batch, mut sent) = (Batch::new(32), Vec::new());
    for some in all.chunks(20) {
        harness.device.arrive(some.to_vec());
        for _ in 0..4 {
            harness.device.poll();
            rx.receive(&mut batch);
            tx.send(&mut batch);
        }
        harness.device.poll();
        sent.extend(harness.device.sent(0));
    }
    assert!(sent == all);
    drop((batch, card, rx, tx));
    harness.all_is_back();
}

#[test]
fn every_length_is_sent_wherever_its_buffer_lies() {
    let harness = Harness::new(Options::default());
    let (card, rx, mut tx) = harness.start(&small());
    // All buffers of the pool are used in turn, so some span two pages.
    let all = frames(2 * DATA_SIZE as u32, |number| 60 + number as usize % (DATA_SIZE as usize - 59));
    assert!(harness.send(&mut tx, &all) == all);
    drop((card, rx, tx));
}

#[test]
fn frames_that_are_too_short_for_the_card_are_filled_up_with_zeros() {
    let harness = Harness::new(Options::default());
    let (_card, _rx, mut tx) = harness.start(&small());
    // The earlier content of the buffer is not sent.
    drop(harness.batch(&vec![vec![0xee; 2000]; 64]));
    for len in [1, 14, 16, 17, 59] {
        let mut expected = vec![0xaa; len];
        expected.resize(60, 0);
        assert_eq!(harness.send(&mut tx, &[vec![0xaa; len]]), [expected], "{len}");
    }
}

#[test]
fn a_full_ring_takes_no_more_and_what_is_left_stays_in_order() {
    let harness = Harness::new(Options::default());
    let (_card, _rx, mut tx) = harness.start(&small());
    let all = frames(100, |_| 1500);
    let mut batch = harness.batch(&all);
    assert_eq!(tx.send(&mut batch), 63, "one place stays free");
    assert_eq!((tx.send(&mut batch), batch.len(), tx.pending()), (0, 37, 63));
    harness.device.poll();
    assert_eq!((tx.pending(), tx.send(&mut batch)), (0, 37));
    harness.device.poll();
    assert!(harness.device.sent(0) == all);
}

#[test]
fn sent_packets_are_given_back_to_who_asks_for_them() {
    let harness = Harness::new(Options::default());
    let (card, rx, mut tx) = harness.start(&small());
    let mut batch = harness.batch(&frames(30, |_| 60));
    tx.send(&mut batch);
    assert_eq!(tx.reclaim(&mut batch, 10), 0, "nothing was sent yet");
    harness.device.poll();
    // Reclaims a part of a batch, the rest of it, and nothing.
    assert_eq!(
        [tx.reclaim(&mut batch, 10), tx.reclaim(&mut batch, 100), tx.reclaim(&mut batch, 1)],
        [10, 20, 0]
    );
    assert!(batch.iter().map(|packet| packet.to_vec()).eq(frames(30, |_| 60)));
    // They stay until their place is needed.
    tx.send(&mut batch);
    harness.device.poll();
    let free = harness.pool.free();
    tx.send(&mut harness.batch(&frames(1, |_| 60)));
    assert!(harness.pool.free() <= free);
    drop((batch, card, rx, tx));
    harness.all_is_back();
}

#[test]
fn packets_are_not_given_back_before_they_are_sent() {
    let harness = Harness::new(Options::default());
    let (_card, _rx, mut tx) = harness.start(&small());
    tx.send(&mut harness.batch(&frames(30, |_| 60)));
    harness.device.poll();
    let mut back = Batch::new(64);
    assert_eq!(tx.reclaim(&mut back, 10), 10);
    tx.send(&mut harness.batch(&frames(20, |_| 60)));
    assert_eq!((tx.reclaim(&mut back, 50), tx.reclaim(&mut back, 50)), (20, 0));
    harness.device.poll();
    assert_eq!(tx.reclaim(&mut back, 50), 20);
}

#[test]
fn packets_in_memory_that_the_card_does_not_reach_stay_and_are_counted() {
    let harness = Harness::new(Options::default());
    let (_card, _rx, mut tx) = harness.start(&small());
    let other: Arc<dyn DmaDomain> = Arc::new(SimulatedDomain::default().starting_at(ixy_dma::Iova(1 << 44)));
    let elsewhere = Mempool::new(other, 16).unwrap();
    let mut packets = Batch::new(4);
    for packet in
        [harness.packet(&frame(0, 60)), elsewhere.allocate().unwrap(), harness.packet(&frame(1, 60))]
    {
        packets.push(packet).unwrap();
    }
    assert_eq!((tx.send(&mut packets), packets.len(), tx.unreachable()), (1, 2, 1));
}

#[test]
fn a_batch_takes_only_what_it_has_room_for() {
    let harness = Harness::new(Options::default());
    let (_card, mut rx, _tx) = harness.start(&small());
    harness.device.arrive(frames(40, |_| 60));
    harness.device.poll();
    let mut batch = Batch::new(16);
    assert_eq!([rx.receive(&mut batch), rx.receive(&mut batch)], [16, 0]);
    batch.clear();
    assert_eq!(rx.receive(&mut batch), 16);
    assert_eq!(batch[0].to_vec(), frame(16, 60));
}

#[test]
fn a_pool_without_buffers_loses_no_frame_that_waits() {
    let harness = Harness::new(Options { buffer: 10_000, ..Options::default() });
    let (_card, mut rx, _tx) = harness.start(&small());
    let mut hoard = Vec::new();
    while let Some(packet) = harness.pool.allocate() {
        hoard.push(packet);
    }
    harness.device.arrive(frames(200, |_| 60));
    harness.device.poll();
    let mut batch = Batch::new(32);
    // First the buffers in the queue's cache, then none.
    while rx.receive(&mut batch) > 0 {
        hoard.extend(std::iter::from_fn(|| batch.pop_front()));
    }
    let had = hoard.len();
    drop(hoard);
    assert!(had >= 4096 - 64, "{had}");
    let rest = harness.received(&mut rx);
    assert_eq!(rest.last(), Some(&frame(199, 60)));
}

#[test]
fn queues_go_to_threads_of_their_own() {
    let harness = Harness::new(Options::default());
    let mut card = harness.open(&Config { queues: 2, ..small() }).unwrap();
    let rx = [card.rx_queue(0).unwrap(), card.rx_queue(1).unwrap()];
    let tx = [card.tx_queue(0).unwrap(), card.tx_queue(1).unwrap()];
    std::thread::scope(|scope| {
        for (n, (mut rx, mut tx)) in rx.into_iter().zip(tx).enumerate() {
            let harness = &harness;
            scope.spawn(move || {
                let mut batch = harness.batch(&frames(20, |_| 60 + n));
                assert_eq!(tx.send(&mut batch), 20);
                harness.device.poll();
                assert_eq!(rx.receive(&mut batch), 0);
            });
        }
    });
    for n in [0, 1] {
        assert!(harness.device.sent(n) == frames(20, |_| 60 + n), "{n}");
    }
    drop(card);
    harness.all_is_back();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any order of sending, receiving and polling the device, every frame arrives once and in order.
    #[test]
    fn nothing_is_lost_or_twice(steps in proptest::collection::vec((0_u8..5, 1_usize..40), 1..60)) {
        let harness = Harness::new(Options { buffer: 10_000, ..Options::default() });
        let (card, mut rx, mut tx) = harness.start(&small());
        let mut batch = Batch::new(40);
        let (mut arrived, mut made) = (0, 0);
        let (mut received, mut sent) = (Vec::new(), Vec::new());
        for (what, count) in steps {
            match what {
                0 => {
                    harness.device.arrive((0..count as u32).map(|n| frame(arrived + n, mixed(arrived + n))));
                    arrived += count as u32;
                }
                1 => {
                    let mut some = Batch::new(count);
                    rx.receive(&mut some);
                    received.extend(some.iter().map(|packet| packet.to_vec()));
                }
                2 => {
                    if batch.is_empty() {
                        batch = harness.batch(&(0..count as u32).map(|n| frame(made + n, mixed(made + n))).collect::<Vec<_>>());
                        made += count as u32;
                    }
                    tx.send(&mut batch);
                }
                3 => {
                    let mut back = Batch::new(count);
                    tx.reclaim(&mut back, count);
                }
                _ => harness.device.poll(),
            }
            sent.extend(harness.device.sent(0));
        }
        received.extend(harness.received(&mut rx));
        tx.send(&mut batch);
        harness.device.poll();
        sent.extend(harness.device.sent(0));
        prop_assert!(received == frames(arrived, mixed));
        prop_assert!(sent == frames(made, mixed)[..sent.len()]);
        prop_assert_eq!(sent.len() + batch.len(), made as usize);
        drop((batch, card, rx, tx));
        harness.all_is_back();
    }
}
