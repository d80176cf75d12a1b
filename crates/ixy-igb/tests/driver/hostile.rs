//! A device that lies.

use ixy_core::{Batch, DATA_SIZE, Device as _, RxQueue as _, TxQueue as _};
use ixy_igb::Config;
use proptest::prelude::*;

use crate::device::{Lie, Options, offset};
use crate::harness::{Harness, frame, frames};

const DONE: u64 = 1;
const WHOLE: u64 = 3;

fn word(status: u64, len: u64) -> u64 {
    status | len << 32
}

#[test]
fn frames_with_an_error_are_dropped_and_counted() {
    let harness = Harness::new(Options::default());
    let (card, mut rx, _tx) = harness.start(&Config::default());
    for lie in [Lie::No, Lie::With(1 << 31), Lie::No, Lie::With(1 << 31)] {
        harness.device.lie(lie);
    }
    let received = harness.pass(&mut rx, &frames(5, |_| 100));
    assert_eq!(received, [0, 2, 4].map(|number| frame(number, 100)));
    let stats = card.stats().unwrap();
    assert_eq!((stats.rx_packets, stats.rx_dropped, stats.rx_bytes), (3, 2, 300));
}

#[test]
fn any_number_of_bad_frames_leaves_the_ring_full_of_free_descriptors() {
    let harness = Harness::new(Options::default());
    let (_card, mut rx, _tx) = harness.start(&Config { rx_ring: 64, ..Config::default() });
    for round in 0..10 {
        (0..30).for_each(|_| harness.device.lie(Lie::With(1 << 31)));
        harness.device.arrive(frames(30, |_| 60));
        harness.device.poll();
        for _ in 0..40 {
            assert_eq!(rx.receive(&mut Batch::new(8)), 0, "round {round}");
        }
    }
    assert_eq!(harness.pass(&mut rx, &frames(40, |_| 60)), frames(40, |_| 60));
}

#[test]
fn good_frames_behind_bad_ones_are_received_at_once() {
    let harness = Harness::new(Options::default());
    let (card, mut rx, _tx) = harness.start(&Config { rx_ring: 64, ..Config::default() });
    // Up to the capacity of the ring.
    for bad in [1, 2, 30, 62] {
        (0..bad).for_each(|_| harness.device.lie(Lie::With(1 << 31)));
        harness.device.arrive(frames(63, |_| 60));
        harness.device.poll();
        let mut batch = Batch::new(64);
        // A thread that receives nothing would go to sleep, and no interrupt comes for frames that are there
        // already.
        assert_eq!(rx.receive(&mut batch), 63 - bad, "behind {bad}");
        assert_eq!(batch[0].to_vec(), frame(bad as u32, 60));
    }
    harness.device.lie(Lie::Word(word(DONE, 2048)));
    harness.device.lie(Lie::Word(word(WHOLE, 5)));
    harness.device.arrive(frames(3, |_| 60));
    harness.device.poll();
    assert_eq!(rx.receive(&mut Batch::new(8)), 1, "behind a frame in several descriptors");
    drop(card);
}

#[test]
fn a_ring_of_bad_frames_is_passed_in_one_call() {
    let harness = Harness::new(Options::default());
    let (card, mut rx, _tx) = harness.start(&Config { rx_ring: 64, ..Config::default() });
    (0..63).for_each(|_| harness.device.lie(Lie::With(1 << 31)));
    harness.device.arrive(frames(63, |_| 60));
    harness.device.poll();
    assert_eq!(rx.receive(&mut Batch::new(8)), 0);
    assert_eq!(card.stats().unwrap().rx_dropped, 63);
    assert_eq!(harness.pass(&mut rx, &frames(1, |_| 60)), frames(1, |_| 60));
}

#[test]
fn byte_counters_that_are_full_again_and_again_stay_full() {
    let harness = Harness::new(Options::default());
    let (card, _rx, _tx) = harness.start(&Config::default());
    // GORCL and GORCH, GOTCL and GOTCH.
    (0x4088..0x4098).step_by(4).for_each(|at| harness.device.stick(at, u32::MAX, 0));
    for _ in 0..3 {
        let stats = card.stats().unwrap();
        assert_eq!((stats.rx_bytes, stats.tx_bytes), (u64::MAX, u64::MAX));
    }
}

#[test]
fn checksums_that_the_card_finds_wrong_are_none_of_its_business() {
    let harness = Harness::new(Options::default());
    let (_card, mut rx, _tx) = harness.start(&Config::default());
    // L4E and IPE, and the flags for the checks made.
    harness.device.lie(Lie::With(1 << 29 | 1 << 30 | 0x70));
    assert_eq!(harness.pass(&mut rx, &frames(1, |_| 100)), frames(1, |_| 100));
}

#[test]
fn lengths_that_no_buffer_has_are_not_believed() {
    let harness = Harness::new(Options::default());
    let (card, mut rx, _tx) = harness.start(&Config::default());
    let size = u64::from(DATA_SIZE);
    for len in [size, size + 1, 0x4000, 0xffff] {
        harness.device.lie(Lie::Word(word(WHOLE, len)));
    }
    let received = harness.pass(&mut rx, &frames(5, |_| 60));
    assert_eq!(received, [frame(4, 60)]);
    assert_eq!(card.stats().unwrap().rx_dropped, 4);
}

#[test]
fn a_frame_in_several_descriptors_is_dropped_whole() {
    let harness = Harness::new(Options::default());
    let (card, mut rx, _tx) = harness.start(&Config::default());
    for lie in [Lie::No, Lie::Word(word(DONE, 2048)), Lie::Word(word(DONE, 2048)), Lie::Word(word(WHOLE, 5))]
    {
        harness.device.lie(lie);
    }
    let received = harness.pass(&mut rx, &frames(6, |_| 60));
    assert_eq!(received, [0, 4, 5].map(|number| frame(number, 60)));
    assert_eq!(card.stats().unwrap().rx_dropped, 1);
}

#[test]
fn a_descriptor_that_is_not_done_is_waited_for() {
    let harness = Harness::new(Options::default());
    let (_card, mut rx, _tx) = harness.start(&Config::default());
    harness.device.lie(Lie::Word(word(2, 60)));
    assert_eq!(harness.pass(&mut rx, &frames(3, |_| 60)), [[0; 0]; 0]);
}

#[test]
fn an_empty_frame_is_a_frame() {
    let harness = Harness::new(Options::default());
    let (_card, mut rx, _tx) = harness.start(&Config::default());
    harness.device.lie(Lie::Word(word(WHOLE, 0)));
    assert_eq!(harness.pass(&mut rx, &frames(2, |_| 60)), [vec![], frame(1, 60)]);
}

#[test]
fn a_card_that_never_sends_keeps_its_packets() {
    let harness = Harness::new(Options::default());
    let (card, rx, mut tx) = harness.start(&Config::default());
    harness.device.lock().vanished = true;
    let mut batch = harness.batch(&frames(40, |_| 60));
    assert_eq!(tx.send(&mut batch), 40);
    harness.device.poll();
    assert_eq!((tx.pending(), tx.reclaim(&mut batch, 40)), (40, 0));
    drop((card, rx, tx, batch));
    // Bus mastering could be switched off, so no memory was leaked.
    assert_eq!(harness.pool.free(), harness.pool.buffers());
}

#[test]
fn a_card_that_vanishes_is_told_and_its_last_counts_are_kept() {
    let harness = Harness::new(Options::default());
    let (mut card, mut rx, _tx) = harness.start(&Config::default());
    harness.pass(&mut rx, &frames(7, |_| 60));
    assert_eq!(card.stats().unwrap().rx_packets, 7);
    harness.device.lock().vanished = true;
    let lost = |error: ixy_core::Error| error.to_string().contains("no longer answers");
    assert!(lost(card.stats().unwrap_err()));
    assert!(lost(card.set_promiscuous(false).unwrap_err()) && lost(card.set_multicast(true).unwrap_err()));
    assert!(lost(card.set_mac(ixy_core::MacAddress([2; 6])).unwrap_err()));
    assert!(!card.link().up);
    assert_eq!(rx.receive(&mut Batch::new(8)), 0);
    harness.device.lock().vanished = false;
    assert_eq!(card.stats().unwrap().rx_packets, 7, "nothing of all ones was counted");
}

#[test]
fn a_card_that_vanishes_between_two_registers_counts_nothing() {
    let harness = Harness::new(Options::default());
    let (card, _rx, _tx) = harness.start(&Config::default());
    harness.device.stick(0x4074, u32::MAX, 0);
    harness.device.stick(offset::STATUS, u32::MAX, 0);
    assert!(card.stats().is_err());
    harness.device.stick(offset::STATUS, 0, 0);
    harness.device.stick(0x4074, 0, 0);
    assert_eq!(card.stats().unwrap(), ixy_core::DeviceStats::default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the device writes to descriptors, no packet is longer than its buffer, and every buffer comes
    /// back.
    #[test]
    fn any_descriptors_are_survived(
        words in proptest::collection::vec(
            prop_oneof![any::<u64>(), (any::<u32>(), 0_u64..3000).prop_map(|(status, len)| word(status.into(), len))],
            1..300,
        ),
    ) {
        let harness = Harness::new(Options { buffer: 10_000, ..Options::default() });
        let (card, mut rx, tx) = harness.start(&Config { rx_ring: 64, ..Config::default() });
        let count = words.len() as u32;
        for word in words {
            harness.device.lie(Lie::Word(word | DONE));
        }
        let received = harness.pass(&mut rx, &frames(count, |_| 60));
        prop_assert!(received.iter().all(|frame| frame.len() < usize::from(DATA_SIZE)));
        prop_assert!(received.len() as u64 + card.stats().unwrap().rx_dropped <= u64::from(count));
        drop((card, rx, tx));
        harness.all_is_back();
    }
}
