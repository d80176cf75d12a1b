//! One notification for each batch, none that the device does not want, and none missing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ixy_core::{Batch, RxQueue, TxQueue};
use ixy_virtio::Config;

use crate::device::{Doorbells, Options, feature};
use crate::harness::{Agreement, Harness, agreements, frame, receive, rings};

fn small() -> Config {
    Config { rx_ring: 64, tx_ring: 64, ..Config::default() }
}

#[test]
fn a_device_that_polls_is_not_notified() {
    for agreement in agreements().into_iter().filter(|agreement| !agreement.options.sleeps) {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, mut tx) = harness.start(&small());
        let before = [harness.device.doorbells(0).rung, harness.device.doorbells(1).rung];
        let all: Vec<_> = (0..500).map(|n| frame(60, n)).collect();
        assert!(harness.pass(&mut rx, &all) == all && harness.send(&mut tx, &all) == all, "{agreement:?}");
        let after = [harness.device.doorbells(0).rung, harness.device.doorbells(1).rung];
        assert_eq!(after, before, "{agreement:?}");
    }
}

#[test]
fn a_device_that_sleeps_is_notified_once_a_batch() {
    for agreement in agreements().into_iter().filter(|agreement| agreement.options.sleeps) {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, mut tx) = harness.start(&small());
        harness.device.poll();
        let before = [0, 1].map(|queue| harness.device.doorbells(queue).rung);
        for round in 1..70 {
            let all: Vec<_> = (0..1 + round as u32 % 32).map(|n| frame(60, n)).collect();
            assert_eq!(tx.send(&mut harness.batch(&all)), all.len());
            harness.device.poll();
            harness.device.arrive(0, &all);
            harness.device.poll();
            assert_eq!(receive(&mut rx, &mut Vec::new()), all.len());
            let rung = [0, 1].map(|queue| harness.device.doorbells(queue).rung - before[queue]);
            assert_eq!(rung, [round, round], "{agreement:?}");
        }
        harness.device.poll();
        for queue in 0..2 {
            let Doorbells { needless, missed, .. } = harness.device.doorbells(queue);
            assert_eq!((needless, missed), (0, 0), "queue {queue}, {agreement:?}");
        }
    }
}

#[test]
fn nothing_new_is_not_announced() {
    for agreement in agreements().into_iter().filter(|agreement| agreement.options.sleeps) {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, mut tx) = harness.start(&small());
        harness.device.poll();
        let before = [0, 1].map(|queue| harness.device.doorbells(queue));
        let mut batch = Batch::new(32);
        for _ in 0..50 {
            assert_eq!((rx.receive(&mut batch), tx.send(&mut batch), tx.pending()), (0, 0, 0));
            assert_eq!(tx.reclaim(&mut batch, 32), 0);
            harness.device.poll();
        }
        assert_eq!([0, 1].map(|queue| harness.device.doorbells(queue)), before, "{agreement:?}");
    }
}

/// With EVENT_IDX a device names the entry for which it wants a notification.
#[test]
fn a_device_that_wants_to_be_told_later_is_told_then() {
    for Agreement { options, .. } in rings() {
        for distance in [1, 2, 7, 31, 50] {
            let features = options.features | feature::EVENT_IDX;
            let harness =
                Harness::new(Options { features, tx_size: 64, distance, sleeps: true, ..options.clone() });
            let (_device, _rx, mut tx) = harness.start(&small());
            // The first entry is announced, since a fresh ring asks for that.
            assert_eq!(tx.send(&mut harness.batch(&[frame(60, 0)])), 1);
            harness.device.poll();
            for round in 1..100 {
                for n in 0..=distance {
                    assert_eq!(harness.device.doorbells(1).rung, round, "at {n} of {distance}");
                    assert_eq!(tx.send(&mut harness.batch(&[frame(60, n.into())])), 1);
                }
                assert_eq!(harness.device.doorbells(1).rung, round + 1, "after {distance}");
                harness.device.poll();
                assert_eq!(tx.pending(), 0);
            }
            assert_eq!(harness.device.doorbells(1), Doorbells { rung: 100, needless: 0, missed: 0 });
            // Sending all at once passes the entry, too.
            let all: Vec<_> = (0..=u32::from(distance)).map(|n| frame(60, n)).collect();
            assert_eq!(tx.send(&mut harness.batch(&all)), all.len());
            assert_eq!(harness.device.doorbells(1).rung, 101);
        }
    }
}

#[test]
fn a_driver_that_polls_asks_for_no_interrupts() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, mut tx) = harness.start(&small());
        let all: Vec<_> = (0..300).map(|n| frame(60, n)).collect();
        assert!(harness.pass(&mut rx, &all) == all && harness.send(&mut tx, &all) == all);
        assert_eq!([0, 1].map(|queue| harness.device.interrupts(queue)), [0, 0], "{agreement:?}");
    }
}

/// Driver and device run on a thread each, and the device sleeps whenever it can. A driver that checks for the
/// notification before its entries are visible would leave it asleep once in a while.
#[test]
fn a_device_on_another_thread_is_never_left_asleep() {
    for Agreement { options, .. } in rings() {
        for event in [0, feature::EVENT_IDX] {
            let features = options.features | event;
            let options = Options { features, tx_size: 64, sleeps: true, ..options.clone() };
            let harness = Harness::new(options);
            let (_device, _rx, mut tx) = harness.start(&small());
            let stop = AtomicBool::new(false);
            let (mut sent, end) = (0_u32, Instant::now() + Duration::from_millis(700));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        harness.device.poll();
                    }
                });
                let mut asleep = false;
                while Instant::now() < end && !asleep {
                    // A few, so that the last one comes when the device is about to sleep.
                    for n in 0..1 + sent % 7 {
                        tx.send(&mut harness.batch(&[frame(60, sent)]));
                        sent += 1;
                        (0..sent.wrapping_mul(31) % (40 + 40 * n)).for_each(|_| std::hint::spin_loop());
                    }
                    let limit = Instant::now() + Duration::from_secs(5);
                    while tx.pending() > 0 && !asleep {
                        asleep = Instant::now() > limit;
                    }
                }
                stop.store(true, Ordering::Relaxed);
            });
            let pending = tx.pending();
            assert_eq!(pending, 0, "after {sent} packets the device sleeps and was not woken, {event:#x}");
            assert_eq!(harness.device.frames(0).len(), sent as usize);
        }
    }
}
