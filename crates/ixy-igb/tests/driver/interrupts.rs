//! Receiving by interrupt.

use std::sync::Arc;

use ixy_core::{Batch, Interrupts, RxQueue, VectorKind};
use ixy_igb::Config;

use crate::device::{Events, Options, offset};
use crate::harness::{Card, Harness, Rx, frames, ipv4};

/// A device with this many queues and vectors, and a throttle of `rate`.
fn open(queues: u16, kind: VectorKind, vectors: usize, rate: u32) -> (Harness, Arc<Events>, Card, Vec<Rx>) {
    let harness = Harness::new(Options::default());
    let events = Events::new(&harness.device, kind, vectors);
    let interrupts = Some(Interrupts { vectors: events.clone(), rate });
    let mut card =
        harness.open(&Config { queues, rx_ring: 64, tx_ring: 64, interrupts, ..Config::default() }).unwrap();
    let rx = (0..queues).map(|n| card.take_rx_queue(n).unwrap()).collect();
    (harness, events, card, rx)
}

/// A frame for queue 1 of 2, by its hash of 0xafc7327f.
fn for_the_second() -> Vec<u8> {
    ipv4(6, ([38, 27, 205, 30], 48228), ([209, 142, 163, 6], 2217))
}

/// A frame for queue 0, without a hash.
fn for_the_first() -> Vec<u8> {
    frames(1, |_| 60).remove(0)
}

fn arm(rx: &mut Rx) {
    rx.interrupt().unwrap().arm().unwrap();
}

fn disarm(rx: &mut Rx) {
    rx.interrupt().unwrap().disarm();
}

const KINDS: [VectorKind; 3] = [VectorKind::MsiX, VectorKind::Msi, VectorKind::Pin];

#[test]
fn a_queue_interrupts_from_arm_until_disarm() {
    for kind in KINDS {
        let (harness, events, card, mut rx) = open(1, kind, 1, 0);
        harness.pass(&mut rx[0], &frames(3, |_| 60));
        assert_eq!(events.take(0), 0, "{kind:?}: nobody armed it");
        arm(&mut rx[0]);
        assert_eq!(events.take(0), 0, "{kind:?}: those frames were taken");
        harness.device.arrive(frames(1, |_| 60));
        harness.device.poll();
        assert_eq!(events.take(0), 1, "{kind:?}");
        disarm(&mut rx[0]);
        harness.pass(&mut rx[0], &frames(5, |_| 60));
        assert_eq!(events.take(0), 0, "{kind:?}: it was disarmed");
        arm(&mut rx[0]);
        harness.pass(&mut rx[0], &frames(1, |_| 60));
        assert_eq!(events.take(0), 1, "{kind:?}: and armed again");
        drop((card, rx));
        assert_eq!(harness.device.masks(), (0, 0), "{kind:?}");
        harness.all_is_back();
    }
}

#[test]
fn a_queue_says_when_frames_wait_for_buffers() {
    let (harness, _events, _card, mut rx) = open(1, VectorKind::MsiX, 1, 0);
    let mut held = Vec::new();
    while harness.pool.free() > 0 {
        let mut batch = Batch::new(64);
        harness.pool.allocate_batch(&mut batch, 64);
        held.push(batch);
    }
    // The queue has some frames in its cache.
    loop {
        harness.device.arrive(frames(1, |_| 60));
        harness.device.poll();
        let mut batch = Batch::new(64);
        if rx[0].receive(&mut batch) == 0 {
            break;
        }
        assert!(!rx[0].is_starved());
        held.push(batch);
    }
    assert!(rx[0].is_starved());
    held.clear();
    assert_eq!(rx[0].receive(&mut Batch::new(64)), 1);
    assert!(!rx[0].is_starved());
}

#[test]
fn however_often_a_queue_is_armed_the_next_frame_interrupts() {
    for kind in KINDS {
        let (harness, events, _card, mut rx) = open(1, kind, 1, 0);
        for round in 0..10 {
            (0..=round % 3).for_each(|_| arm(&mut rx[0]));
            harness.device.arrive(frames(1, |_| 60));
            harness.device.poll();
            assert_ne!(events.take(0), 0, "{kind:?}, round {round}");
            let mut batch = Batch::new(8);
            assert_eq!(rx[0].receive(&mut batch), 1);
        }
    }
}

#[test]
fn a_frame_that_arrives_after_arming_interrupts_though_it_is_taken_at_once() {
    for kind in KINDS {
        let (harness, events, _card, mut rx) = open(1, kind, 1, 0);
        // The throttle holds the interrupt back until the queue is armed for the next frame.
        arm(&mut rx[0]);
        harness.device.hold_interrupts(true);
        harness.pass(&mut rx[0], &frames(1, |_| 60));
        arm(&mut rx[0]);
        harness.device.hold_interrupts(false);
        assert_eq!(events.take(0), 0, "{kind:?}: that frame was taken");
        harness.pass(&mut rx[0], &frames(1, |_| 60));
        assert_eq!(events.take(0), 1, "{kind:?}");
    }
}

#[test]
fn each_queue_has_its_vector_with_msi_x() {
    let (harness, events, _card, mut rx) = open(2, VectorKind::MsiX, 2, 0);
    rx.iter_mut().for_each(arm);
    harness.device.arrive([for_the_second()]);
    harness.device.poll();
    assert_eq!([events.take(0), events.take(1)], [0, 1]);
    harness.device.arrive([for_the_first()]);
    harness.device.poll();
    assert_eq!([events.take(0), events.take(1)], [1, 0]);
    disarm(&mut rx[1]);
    harness.device.arrive([for_the_second()]);
    harness.device.poll();
    assert_eq!([events.take(0), events.take(1)], [0, 0]);
}

#[test]
fn all_queues_find_their_vectors() {
    let (harness, _events, _card, mut rx) = open(16, VectorKind::MsiX, 10, 0);
    for n in 0..16_u32 {
        let ivar = harness.device.register(offset::IVAR + 4 * (n % 8)) >> if n < 8 { 0 } else { 16 } & 0xffff;
        // The half of the transmit queues is not valid.
        assert_eq!(ivar & 0xffff, 0x80 | (n % 10), "{n}");
    }
    assert_eq!(harness.device.register(offset::IVAR_MISC), 0);
    arm(&mut rx[13]);
    assert_eq!(harness.device.masks(), (1 << 3, 0));
    arm(&mut rx[3]);
    disarm(&mut rx[13]);
    assert_eq!(harness.device.masks(), (1 << 3, 0), "queue 3 has the same vector");
    disarm(&mut rx[3]);
    assert_eq!(harness.device.masks(), (0, 0));
}

#[test]
fn a_queue_that_shares_its_vector_takes_nothing_from_the_other() {
    for kind in KINDS {
        let (harness, events, _card, mut rx) = open(2, kind, 1, 0);
        // The second queue waits for a frame with its interrupt held back, while the first starts to wait, too.
        arm(&mut rx[1]);
        harness.device.hold_interrupts(true);
        harness.device.arrive([for_the_second()]);
        harness.device.poll();
        arm(&mut rx[0]);
        harness.device.hold_interrupts(false);
        assert_ne!(events.take(0), 0, "{kind:?}: the second wakes up");
        // The first queue is awake again, and the second still waits.
        disarm(&mut rx[0]);
        harness.received(&mut rx[1]);
        arm(&mut rx[1]);
        harness.device.arrive([for_the_second()]);
        harness.device.poll();
        assert_ne!(events.take(0), 0, "{kind:?}");
        disarm(&mut rx[1]);
        harness.received(&mut rx[1]);
        events.take(0);
        harness.pass(&mut rx[0], &[for_the_first()]);
        assert_eq!(events.take(0), 0, "{kind:?}: nobody waits");
    }
}

#[test]
fn every_frame_of_queues_that_share_a_vector_interrupts_while_both_wait() {
    let (harness, events, _card, mut rx) = open(2, VectorKind::MsiX, 1, 0);
    rx.iter_mut().for_each(arm);
    for round in 0..6 {
        let (n, frame) = if round % 3 == 0 { (0, for_the_first()) } else { (1, for_the_second()) };
        harness.device.arrive([frame]);
        harness.device.poll();
        // The other queue stays armed, so arming does not clear the cause: the message does (EIAC).
        assert_eq!(events.take(0), 1, "round {round}");
        assert_eq!(rx[n].receive(&mut Batch::new(8)), 1);
        arm(&mut rx[n]);
    }
}

#[test]
fn messages_clear_the_causes_of_all_vectors_in_use() {
    for (queues, vectors, bits) in [(1, 1, 1), (2, 1, 1), (3, 8, 7), (16, 10, 0x3ff), (16, 25, 0xffff)] {
        let (harness, _events, _card, _rx) = open(queues, VectorKind::MsiX, vectors, 0);
        assert_eq!(harness.device.lock().read(offset::EIAC), bits, "{queues} queues, {vectors} vectors");
    }
    let (harness, _events, _card, _rx) = open(2, VectorKind::Msi, 1, 0);
    assert_eq!(harness.device.lock().read(offset::EIAC), 0);
}

#[test]
fn a_queue_that_is_dropped_interrupts_no_more() {
    for kind in KINDS {
        let (harness, _events, card, mut rx) = open(1, kind, 1, 0);
        arm(&mut rx[0]);
        assert_ne!(harness.device.masks(), (0, 0), "{kind:?}");
        drop(rx);
        assert_eq!(harness.device.masks(), (0, 0), "{kind:?}");
        drop(card);
    }
}

#[test]
fn without_vectors_nothing_interrupts_and_nothing_is_asked_for() {
    let harness = Harness::new(Options::default());
    let events = Events::new(&harness.device, VectorKind::MsiX, 1);
    let (_card, mut rx, _tx) = harness.start(&Config::default());
    assert!(rx.interrupt().is_none());
    harness.pass(&mut rx, &frames(3, |_| 60));
    assert_eq!((events.take(0), harness.device.masks()), (0, (0, 0)));
}

#[test]
fn the_throttle_keeps_to_the_rate() {
    for (rate, microseconds) in [(0, 0), (1_000_000, 1), (20_000, 50), (7_000, 143), (1_000, 1000), (1, 8191)]
    {
        let (harness, _events, _card, _rx) = open(2, VectorKind::MsiX, 2, rate);
        for vector in [0, 1] {
            assert_eq!(harness.device.register(offset::EITR + 4 * vector), microseconds << 2, "{rate}");
        }
    }
}

#[test]
fn what_another_user_let_interrupt_does_no_more() {
    let harness = Harness::new(Options::default());
    {
        let mut state = harness.device.lock();
        state.write(offset::IMS, u32::MAX);
        state.write(offset::EIMS, u32::MAX);
    }
    for at in (0..8).map(|n| offset::IVAR + 4 * n).chain([offset::IVAR_MISC, offset::EIAM]) {
        harness.device.poke(at, 0x8080_8080);
    }
    let events = Events::new(&harness.device, VectorKind::MsiX, 2);
    let interrupts = Some(Interrupts { vectors: events.clone(), rate: 0 });
    let mut card = harness.open(&Config { interrupts, ..Config::default() }).unwrap();
    let mut rx = card.take_rx_queue(0).unwrap();
    assert_eq!(harness.device.masks(), (0, 0));
    let ivar: Vec<_> = (0..8).map(|n| harness.device.register(offset::IVAR + 4 * n)).collect();
    assert_eq!(ivar, [0x80, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(harness.device.register(offset::IVAR_MISC), 0);
    arm(&mut rx);
    harness.device.lock().write(offset::ICS, u32::MAX);
    assert_eq!([events.take(0), events.take(1)], [0, 0], "only receive queues interrupt");
}

#[test]
fn a_vector_that_is_not_there_is_an_error() {
    /// Vectors that cannot be set up.
    #[derive(Debug)]
    struct None;

    impl ixy_core::Vectors for None {
        fn kind(&self) -> VectorKind {
            VectorKind::MsiX
        }

        fn len(&self) -> usize {
            1
        }

        fn event(&self, _n: usize) -> Option<std::os::fd::BorrowedFd<'_>> {
            Option::None
        }

        fn unmask(&self) -> Result<(), ixy_core::Error> {
            Ok(())
        }
    }
    let harness = Harness::new(Options::default());
    let interrupts = Some(Interrupts { vectors: Arc::new(None), rate: 0 });
    let text = harness.refusal(&Config { interrupts, ..Config::default() });
    assert!(text.contains("receive queue 0 of test"), "{text}");
    harness.all_is_back();
}
