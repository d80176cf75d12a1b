//! A device that breaks the rules. The driver names the fault, does not wait for ever, returns no memory that the
//! device has, and frees all memory at the end, or leaks it if the device may still write it.

use std::time::{Duration, Instant};

use ixy_core::{Batch, Device, MacAddress, RxQueue, TxQueue};
use ixy_virtio::Config;

use crate::device::{Answer, Faults, Lie, Options, feature, status};
use crate::harness::{
    Agreement, Harness, Interface, NOTHING, Opened, Rx, Tx, agreements, frame, frames, receive, rings,
};

fn small() -> Config {
    Config { rx_ring: 64, tx_ring: 64, ..Config::default() }
}

/// Checks that a broken queue stays broken: it receives and sends nothing, without delay, and the device's error
/// names it.
fn is_broken(harness: &Harness, opened: &mut Opened, rx: &mut Rx, tx: &mut Tx, queue: usize, what: &str) {
    let names = ["receive queue 0", "transmit queue 0"];
    let error = opened.stats().expect_err(what).to_string();
    assert!(error.contains("test") && error.contains(names[queue]), "{what}: {error}");
    let start = Instant::now();
    harness.device.arrive(0, &frames(5));
    let mut batch = harness.batch(&frames(5));
    for _ in 0..20 {
        harness.device.poll();
        if queue == 0 {
            assert_eq!(receive(rx, &mut Vec::new()), 0, "{what}");
        } else {
            assert_eq!((tx.send(&mut batch), batch.len()), (0, 5), "{what}");
            assert_eq!(tx.reclaim(&mut Batch::new(8), 8), 0, "{what}");
            tx.pending();
        }
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{what}");
    assert!(opened.stats().is_err() && opened.set_promiscuous(true).is_err(), "{what}");
}

fn two_rings(features: u64) -> impl Iterator<Item = Harness> {
    rings().into_iter().map(move |Agreement { options, interface }| {
        let options = Options { features: options.features | features, ..options };
        Harness::of(&Agreement { interface, options })
    })
}

/// The faults that make a ring unusable, for rings without IN_ORDER.
const LIES: [Lie; 9] = [
    Lie::Id(64),
    Lie::Id(255),
    Lie::Id(0x7fff),
    Lie::Id(0x8000),
    Lie::Id(0xffff),
    Lie::FreeId,
    Lie::Twice,
    Lie::Jump(60),
    Lie::Jump(200),
];

#[test]
fn lies_about_what_was_received_break_the_queue_and_nothing_else() {
    for lie in LIES {
        for packed in [false, true] {
            for features in [0, feature::EVENT_IDX, feature::IN_ORDER] {
                // A receive ring is full: no id of it is free, and any index ahead is wrong.
                if lie == Lie::FreeId || packed && matches!(lie, Lie::Jump(_)) {
                    continue;
                }
                // Entries that were not written look like one entry for a run.
                if features == feature::IN_ORDER && lie == Lie::Jump(60) {
                    continue;
                }
                let Some(harness) = two_rings(features).nth(packed.into()) else { continue };
                let (mut device, mut rx, mut tx) = harness.start(&small());
                let what = format!("{lie:?}, packed {packed}, {features:#x}");
                assert_eq!(harness.pass(&mut rx, &frames(10)).len(), 10);
                harness.device.lie(0, lie);
                let received = harness.pass(&mut rx, &frames(3));
                assert!(received.len() <= 3, "{what}: {} frames of 3", received.len());
                assert!(
                    received.iter().all(|frame| frames(3).contains(frame)),
                    "{what}: a frame nobody sent"
                );
                is_broken(&harness, &mut device, &mut rx, &mut tx, 0, &what);
                // The other queue still works.
                assert!(harness.send(&mut tx, &frames(10)) == frames(10), "{what}");
                drop((rx, tx, device));
                harness.all_is_back();
            }
        }
    }
}

#[test]
fn lies_about_what_was_sent_break_the_queue_and_nothing_else() {
    for lie in LIES {
        for packed in [false, true] {
            for features in [0, feature::EVENT_IDX, feature::IN_ORDER] {
                // Marks report the sent frames as done; more is not visible.
                if packed && matches!(lie, Lie::Jump(_)) {
                    continue;
                }
                let Some(harness) = two_rings(features).nth(packed.into()) else { continue };
                let (mut device, mut rx, mut tx) = harness.start(&small());
                let what = format!("{lie:?}, packed {packed}, {features:#x}");
                assert_eq!(harness.send(&mut tx, &frames(10)).len(), 10);
                let mut batch = harness.batch(&frames(10));
                assert_eq!(tx.send(&mut batch), 10);
                harness.device.lie(1, lie);
                harness.device.poll_some(3);
                tx.pending();
                is_broken(&harness, &mut device, &mut rx, &mut tx, 1, &what);
                assert!(harness.pass(&mut rx, &[]).len() >= 5, "{what}");
                drop((rx, tx, device, batch));
                harness.all_is_back();
            }
        }
    }
}

/// A wrong length costs only that frame.
#[test]
fn lengths_that_cannot_be_drop_the_frame_and_are_counted() {
    for agreement in agreements() {
        let Agreement { ref options, interface } = agreement;
        if options.batches {
            continue;
        }
        let long = interface == Interface::Modern || options.features & feature::MRG_RXBUF != 0;
        let header: u32 = if long { 12 } else { 10 };
        let harness = Harness::of(&agreement);
        let (device, mut rx, tx) = harness.start(&small());
        let lengths =
            [0, 1, header - 1, header, header + 13, header + 2049, 0x7fff, 0xffff, 0x1_0040, u32::MAX];
        for (n, length) in (1..).zip(lengths) {
            harness.device.lie(0, Lie::Length(length));
            let received = harness.pass(&mut rx, &[frame(60, 1)]);
            assert_eq!(received, NOTHING, "{length} bytes, {agreement:?}");
            assert_eq!(harness.pass(&mut rx, &[frame(61, 2)]), [frame(61, 2)], "{length}, {agreement:?}");
            let stats = device.stats().unwrap();
            assert_eq!((stats.rx_dropped, stats.rx_packets), (n, n), "{length} bytes, {agreement:?}");
        }
        // A wrong length within the buffer cannot be detected.
        harness.device.lie(0, Lie::Length(header + 50));
        assert_eq!(harness.pass(&mut rx, &[frame(60, 3)]), [frame(60, 3)[..50].to_vec()]);
        drop((rx, tx, device));
        harness.all_is_back();
    }
}

#[test]
fn counts_of_buffers_that_cannot_be_drop_no_more_than_they_say() {
    for harness in two_rings(feature::MRG_RXBUF) {
        let (device, mut rx, tx) = harness.start(&small());
        // A frame cannot take more buffers than the ring's 64.
        for (buffers, also) in [(0, 0), (2, 1), (3, 2), (64, 63), (65, 0), (300, 0), (0xffff, 0)] {
            let before = device.stats().unwrap();
            harness.device.lie(0, Lie::Buffers(buffers));
            assert_eq!(harness.pass(&mut rx, &frames(1)), NOTHING, "{buffers}");
            // The following frames count as the rest of that frame.
            assert_eq!(harness.pass(&mut rx, &frames(also)), NOTHING, "{buffers}");
            assert_eq!(harness.pass(&mut rx, &frames(4)), frames(4), "{buffers}");
            let counted = device.stats().unwrap() - before;
            assert_eq!((counted.rx_packets, counted.rx_dropped), (4, 1), "{buffers}");
        }
        drop((rx, tx, device));
        harness.all_is_back();
    }
}

/// Without the feature the field has no meaning.
#[test]
fn a_count_of_buffers_is_not_looked_at_without_the_feature() {
    for harness in two_rings(0) {
        let (_device, mut rx, _tx) = harness.start(&small());
        for buffers in [0, 2, 0xffff] {
            harness.device.lie(0, Lie::Buffers(buffers));
            assert_eq!(harness.pass(&mut rx, &frames(3)), frames(3), "{buffers}");
        }
    }
}

/// One entry of a split ring cannot end a run of more than the index says.
#[test]
fn a_device_that_breaks_the_order_it_promised_is_noticed() {
    for queue in [0, 1] {
        for id in [1, 5, 19] {
            let Some(harness) = two_rings(feature::IN_ORDER).next() else { continue };
            let (mut device, mut rx, mut tx) = harness.start(&small());
            let mut batch = harness.batch(&frames(20));
            assert_eq!(tx.send(&mut batch), 20);
            harness.device.lie(queue, Lie::Id(id));
            harness.device.arrive(0, &frames(1));
            harness.device.poll_some(1);
            assert_eq!(receive(&mut rx, &mut Vec::new()), queue);
            assert_eq!(tx.pending(), if queue == 1 { 20 } else { 19 });
            is_broken(&harness, &mut device, &mut rx, &mut tx, queue, &format!("queue {queue}, {id}"));
            drop((rx, tx, device));
            harness.all_is_back();
        }
    }
}

/// Newest first looks the same as one entry for all of them, and does no harm.
#[test]
fn an_entry_for_the_last_of_several_stands_for_all_of_them() {
    for harness in two_rings(feature::IN_ORDER) {
        let (device, rx, mut tx) = harness.start(&small());
        let mut batch = harness.batch(&frames(20));
        assert_eq!(tx.send(&mut batch), 20);
        harness.device.lie(1, Lie::Reversed);
        harness.device.poll_some(5);
        let mut back = Batch::new(20);
        assert_eq!((tx.reclaim(&mut back, 20), tx.pending()), (5, 15));
        let sent = frames(20);
        assert!(back.iter().zip(&sent).all(|(packet, frame)| **packet == **frame));
        assert!(device.stats().is_ok());
        drop((rx, tx, device, back));
        harness.all_is_back();
    }
}

#[test]
fn without_the_promise_any_order_is_right() {
    for harness in two_rings(0) {
        let (device, mut rx, tx) = harness.start(&small());
        harness.device.lie(0, Lie::Reversed);
        let mut received = harness.pass(&mut rx, &frames(3));
        received.reverse();
        assert_eq!(received, frames(3));
        assert!(device.stats().is_ok());
        drop((rx, tx, device));
        harness.all_is_back();
    }
}

/// Descriptors marked as used by mistake: whatever ids they hold, no packet is returned twice.
#[test]
fn marks_of_a_packed_ring_that_lie_hand_nothing_on_twice() {
    for features in [0, feature::IN_ORDER, feature::EVENT_IDX] {
        for count in [1, 5, 63, 64, 128] {
            let Some(harness) = two_rings(features).nth(1) else { continue };
            let (device, mut rx, tx) = harness.start(&small());
            assert_eq!(harness.pass(&mut rx, &frames(10)).len(), 10);
            harness.device.lie(0, Lie::Jump(count));
            harness.device.arrive(0, &frames(2));
            harness.device.poll();
            let mut held = Vec::new();
            for _ in 0..20 {
                let mut batch = Batch::new(256);
                rx.receive(&mut batch);
                held.push(batch);
            }
            let mut places: Vec<u64> = held.iter().flatten().map(|packet| packet.iova().0).collect();
            let all = places.len();
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), all, "a buffer was handed on twice");
            let _broken_or_not = device.stats();
            drop((held, rx, tx, device));
            harness.all_is_back();
        }
    }
}

#[test]
fn a_device_that_needs_a_reset_is_an_error_and_no_hang() {
    for (bits, name) in
        [(status::NEEDS_RESET, "NEEDS_RESET"), (status::NEEDS_RESET | status::FAILED, "NEEDS_RESET")]
    {
        for harness in two_rings(feature::CONTROL) {
            let (mut device, mut rx, mut tx) = harness.start(&small());
            let mut batch = harness.batch(&frames(10));
            assert_eq!(tx.send(&mut batch), 10);
            harness.device.arrive(0, &frames(10));
            harness.device.set_status(bits);
            let start = Instant::now();
            for _ in 0..100 {
                harness.device.poll();
                assert_eq!(receive(&mut rx, &mut Vec::new()), 0);
                assert_eq!(tx.pending(), 10);
            }
            let error = device.stats().unwrap_err().to_string();
            assert!(error.contains("test") && error.contains(name), "{error}");
            for result in [device.set_promiscuous(false), device.set_mac(MacAddress([2, 0, 0, 0, 0, 2]))] {
                let error = result.unwrap_err().to_string();
                assert!(error.contains(name), "{error}");
            }
            assert!(device.wait_for_link(Duration::from_secs(9)).is_err());
            assert!(start.elapsed() < Duration::from_secs(3));
            drop((rx, tx, device));
            harness.all_is_back();
            // Opening it again resets it.
            let (_device, mut rx, _tx) = harness.start(&small());
            assert_eq!(harness.pass(&mut rx, &[]), frames(10));
        }
    }
}

#[test]
fn a_reset_in_the_middle_is_an_error_and_loses_no_memory() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (device, mut rx, mut tx) = harness.start(&small());
        let mut batch = harness.batch(&frames(40));
        assert_eq!(tx.send(&mut batch), 40);
        harness.device.arrive(0, &frames(40));
        harness.device.poll_some(7);
        harness.device.reset_itself();
        let start = Instant::now();
        let mut received = Vec::new();
        for _ in 0..100 {
            harness.device.poll();
            receive(&mut rx, &mut received);
        }
        assert!(received == frames(7), "what was received before it: {agreement:?}");
        assert_eq!(tx.pending(), 33, "{agreement:?}");
        let error = device.stats().unwrap_err().to_string();
        assert!(error.contains("test") && error.contains("reset"), "{error}");
        drop((rx, tx, device));
        assert!(start.elapsed() < Duration::from_secs(3));
        harness.all_is_back();
    }
}

#[test]
fn a_device_that_vanishes_is_an_error_in_time_and_never_a_hang() {
    for agreement in agreements() {
        let mut options = agreement.options.clone();
        options.features |= feature::CONTROL | feature::STATUS;
        let harness = Harness::of(&Agreement { options, ..agreement });
        let (mut device, mut rx, mut tx) = harness.start(&small());
        assert!(harness.pass(&mut rx, &frames(5)) == frames(5));
        let mut batch = harness.batch(&frames(5));
        tx.send(&mut batch);
        let ring = harness.device.areas(0).unwrap().descriptors;
        harness.device.fault(|faults| faults.vanished = true);
        let start = Instant::now();
        for _ in 0..100 {
            assert_eq!(receive(&mut rx, &mut Vec::new()), 0);
            tx.send(&mut batch);
        }
        let error = device.stats().unwrap_err().to_string();
        assert!(error.contains("test") && error.contains("all ones"), "{error}");
        assert!(!device.link().up);
        assert!(device.set_promiscuous(true).is_err());
        assert!(device.wait_for_link(Duration::from_secs(9)).is_err());
        drop((rx, tx, device));
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        // Registers that read all ones do not prove that a device has stopped: its memory is never reused.
        assert!(harness.device.is_quiet(), "its bus mastering is off");
        assert!(
            harness.domain.is_mapped(ring),
            "the ring was freed under a device that was not seen to stop"
        );
        assert!(harness.pool.free() <= harness.pool.buffers() - 64, "buffers were freed under it");
    }
}

/// A device that ignores a reset may still write: its memory is never reused.
#[test]
fn memory_that_a_device_may_still_write_is_not_freed() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let version = if interface == Interface::Modern { feature::VERSION_1 } else { 0 };
        let harness = Harness::build(Options { features: version, ..Options::default() }, interface, 2048);
        let (device, rx, mut tx) = harness.start(&small());
        assert_eq!(tx.send(&mut harness.batch(&frames(20))), 20);
        let ring = harness.device.areas(0).unwrap().descriptors;
        harness.device.fault(|faults| faults.reset_never_ends = true);
        let start = Instant::now();
        drop((device, rx, tx));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(harness.domain.is_mapped(ring), "the ring was freed under a device that did not stop");
        assert!(harness.pool.free() <= harness.pool.buffers() - 64 - 20, "buffers were freed under it");
    }
}

/// A reset alone does not suffice while the bus reports pending requests.
#[test]
fn memory_is_not_freed_while_the_bus_has_requests_of_the_device() {
    let faults: [fn(&mut Faults); 2] =
        [|faults| faults.always_pending = true, |faults| faults.master_stays_on = true];
    for (n, fault) in faults.into_iter().enumerate() {
        for harness in two_rings(0) {
            let (device, rx, mut tx) = harness.start(&small());
            assert_eq!(tx.send(&mut harness.batch(&frames(20))), 20);
            let ring = harness.device.areas(0).unwrap().descriptors;
            harness.device.fault(fault);
            let start = Instant::now();
            drop((device, rx, tx));
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
            assert!(harness.domain.is_mapped(ring), "fault {n}: the ring was freed");
            assert!(harness.pool.free() <= harness.pool.buffers() - 64 - 20, "fault {n}: buffers were freed");
        }
    }
}

/// In chains of two descriptors, every second id is invalid.
#[test]
fn an_id_in_the_middle_of_a_chain_breaks_the_queue() {
    for queue in [0, 1] {
        for id in [1, 5, 127] {
            let harness = Harness::legacy(Options { features: 0, ..Options::default() });
            let (mut device, mut rx, mut tx) = harness.start(&small());
            assert_eq!(tx.send(&mut harness.batch(&frames(64))), 64);
            harness.device.lie(queue, Lie::Id(id));
            harness.device.arrive(0, &frames(1));
            harness.device.poll_some(1);
            assert_eq!(receive(&mut rx, &mut Vec::new()), queue);
            assert_eq!(tx.pending(), if queue == 1 { 64 } else { 63 });
            let what = format!("queue {queue}, id {id}");
            is_broken(&harness, &mut device, &mut rx, &mut tx, queue, &what);
            drop((rx, tx, device));
            harness.all_is_back();
        }
    }
}

#[test]
fn memory_is_freed_when_the_last_handle_is_dropped_and_not_before() {
    for order in 0..6 {
        for harness in two_rings(feature::CONTROL) {
            let (device, rx, mut tx) = harness.start(&small());
            assert_eq!(tx.send(&mut harness.batch(&frames(20))), 20);
            let rings = [0, 1, 2].map(|queue| harness.device.areas(queue).unwrap().descriptors);
            let mut handles: Vec<Box<dyn std::any::Any>> = vec![Box::new(device), Box::new(rx), Box::new(tx)];
            let first = handles.remove(order % 3);
            let second = handles.remove(order / 3);
            for handle in [first, second] {
                drop(handle);
                let mapped = rings.map(|ring| harness.domain.is_mapped(ring));
                assert_eq!(mapped, [true; 3], "the device could still reach a ring that is gone");
                assert!(harness.pool.free() <= harness.pool.buffers() - 64 - 20);
                harness.device.arrive(0, &frames(3));
                harness.device.poll_some(1);
            }
            drop(handles);
            assert_eq!(rings.map(|ring| harness.domain.is_mapped(ring)), [false; 3]);
            harness.all_is_back();
            harness.device.poll();
        }
    }
}

#[test]
fn a_command_that_is_never_answered_is_an_error_in_time_and_the_rest_goes_on() {
    for harness in two_rings(feature::CONTROL | feature::MAC) {
        let (mut device, mut rx, mut tx) = harness.start(&small());
        harness.device.fault(|faults| faults.answer = Answer::Never);
        let start = Instant::now();
        for _ in 0..10 {
            let error = device.set_promiscuous(false).unwrap_err().to_string();
            assert!(error.contains("test") && error.contains("promiscuous"), "{error}");
        }
        assert!(start.elapsed() < Duration::from_secs(5), "ten took {:?}", start.elapsed());
        assert!(
            harness.pass(&mut rx, &frames(9)) == frames(9) && harness.send(&mut tx, &frames(9)) == frames(9)
        );
        assert!(device.stats().is_ok());
        drop((rx, tx, device));
        harness.all_is_back();
    }
}

#[test]
fn an_answer_to_another_command_is_an_error() {
    for harness in two_rings(feature::CONTROL) {
        let (mut device, rx, tx) = harness.start(&small());
        harness.device.lie(2, Lie::Id(0x7fff));
        harness.device.fault(|faults| faults.answer = Answer::WrongId);
        let error = device.set_promiscuous(false).unwrap_err().to_string();
        assert!(error.contains("test") && error.contains("control queue"), "{error}");
        assert!(device.set_promiscuous(false).is_err() && device.stats().is_err());
        drop((rx, tx, device));
        harness.all_is_back();
    }
}

/// The device overwrote an index on the available side, or moved its own index back.
#[test]
fn an_index_that_goes_back_is_an_error() {
    for back in [1, 2, 100, 32768] {
        let Some(harness) = two_rings(0).next() else { continue };
        let (mut device, mut rx, mut tx) = harness.start(&small());
        assert_eq!(harness.pass(&mut rx, &frames(10)).len(), 10);
        let used = harness.device.areas(0).unwrap().device;
        harness.device.store(used.offset(2), 16, u64::from(10_u16.wrapping_sub(back)));
        assert_eq!(receive(&mut rx, &mut Vec::new()), 0);
        is_broken(&harness, &mut device, &mut rx, &mut tx, 0, &format!("{back} back"));
        drop((rx, tx, device));
        harness.all_is_back();
    }
}

/// The driver ignores changes that the device makes in the driver's part of the memory.
#[test]
fn a_device_that_writes_over_all_of_a_ring_frees_nothing_twice() {
    for value in [0, 1, u64::MAX, 0x8080_8080_8080_8080, 0x0001_0001_0001_0001] {
        for features in [0, feature::IN_ORDER, feature::EVENT_IDX | feature::MRG_RXBUF] {
            for harness in two_rings(features) {
                let (device, mut rx, mut tx) = harness.start(&small());
                assert_eq!(harness.pass(&mut rx, &frames(10)).len(), 10);
                let mut batch = harness.batch(&frames(30));
                assert_eq!(tx.send(&mut batch), 30);
                for queue in 0..2 {
                    let areas = harness.device.areas(queue).unwrap();
                    for n in 0..2 * u64::from(areas.size) {
                        harness.device.store(areas.descriptors.offset(8 * n), 64, value);
                    }
                    for n in 0..2 + 4 * u64::from(areas.size) {
                        if harness.domain.is_mapped(areas.device.offset(2 * n)) {
                            harness.device.store(areas.device.offset(2 * n), 16, value);
                        }
                    }
                }
                let mut held = Vec::new();
                for _ in 0..30 {
                    let mut batch = Batch::new(256);
                    rx.receive(&mut batch);
                    tx.reclaim(&mut batch, 256);
                    held.push(batch);
                }
                let mut places: Vec<u64> =
                    held.iter().flatten().map(|packet| packet.iova().0 & !0xff).collect();
                let all = places.len();
                places.sort_unstable();
                places.dedup();
                assert_eq!(places.len(), all, "a buffer was handed on twice");
                let _broken_or_not = device.stats();
                harness.device.reset_itself();
                drop((held, rx, tx, device));
                harness.all_is_back();
            }
        }
    }
}
