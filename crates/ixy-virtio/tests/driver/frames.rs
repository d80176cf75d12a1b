//! Frames pass whole, once, and in order.

use std::sync::Arc;

use ixy_core::{Batch, Device, Mempool, RxQueue, TxQueue};
use ixy_dma::SimulatedDomain;
use ixy_virtio::Config;

use crate::device::{Options, Order, feature};
use crate::harness::{Agreement, Harness, Interface, NOTHING, agreements, frame, frames, receive, rings};

fn small() -> Config {
    Config { rx_ring: 64, tx_ring: 64, ..Config::default() }
}

#[test]
fn received_frames_are_those_that_arrived_in_their_order() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (device, mut rx, tx) = harness.start(&small());
        let sent = frames(600);
        assert!(harness.pass(&mut rx, &sent) == sent, "lost, doubled, changed or reordered: {agreement:?}");
        let stats = device.stats().unwrap();
        let bytes: u64 = sent.iter().map(|frame| frame.len() as u64).sum();
        assert_eq!((stats.rx_packets, stats.rx_bytes, stats.rx_dropped), (600, bytes, 0), "{agreement:?}");
        drop((rx, tx, device));
        harness.all_is_back();
    }
}

#[test]
fn sent_packets_leave_as_frames_in_their_order_and_come_back() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (device, rx, mut tx) = harness.start(&small());
        let sent = frames(600);
        assert!(harness.send(&mut tx, &sent) == sent, "lost, doubled, changed or reordered: {agreement:?}");
        let stats = device.stats().unwrap();
        let bytes: u64 = sent.iter().map(|frame| frame.len() as u64).sum();
        assert_eq!((stats.tx_packets, stats.tx_bytes), (600, bytes), "{agreement:?}");
        drop((rx, tx, device));
        harness.all_is_back();
    }
}

#[test]
fn a_forwarder_passes_every_frame_on() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (device, mut rx, mut tx) = harness.start(&small());
        let sent = frames(500);
        harness.device.arrive(0, &sent);
        let mut batch = Batch::new(256);
        let mut left = Vec::new();
        for _ in 0..2000 {
            harness.device.poll_some(13);
            rx.receive(&mut batch);
            tx.send(&mut batch);
            left.extend(harness.device.frames(0));
        }
        assert!(left == sent, "{} of 500 frames passed, or others: {agreement:?}", left.len());
        drop((rx, tx, device, batch));
        harness.all_is_back();
    }
}

/// With any number of entries that the ring type allows.
#[test]
fn rings_of_any_size_that_the_device_has_are_used() {
    let split: &[u16] = &[1, 2, 4, 64, 128, 32768];
    let packed: &[u16] = &[1, 2, 3, 5, 7, 63, 64, 65, 100, 255, 256, 1000, 32767, 32768];
    for (agreement, sizes) in rings().into_iter().zip([split, packed]) {
        for &size in sizes {
            for event in [0, feature::EVENT_IDX] {
                for in_order in [0, feature::IN_ORDER] {
                    let mut options = agreement.options.clone();
                    (options.rx_size, options.tx_size, options.sleeps) = (size, size, true);
                    options.features |= event | in_order;
                    options.batches = true;
                    let harness = Harness::new(options);
                    let (device, mut rx, mut tx) = harness.start(&Config::default());
                    let all = frames(if size > 500 { 700 } else { 3 * u32::from(size) + 20 });
                    let what = format!("{size} entries, {:#x}", event | in_order);
                    assert!(harness.pass(&mut rx, &all) == all, "{what}, received");
                    assert!(harness.send(&mut tx, &all) == all, "{what}, sent");
                    drop((rx, tx, device));
                    harness.all_is_back();
                }
            }
        }
    }
}

/// A legacy device has a fixed size, so a large ring is used in part.
#[test]
fn legacy_rings_of_any_size_are_used() {
    for size in [2, 4, 64, 256, 1024, 32768] {
        for features in [0, feature::ANY_LAYOUT, feature::EVENT_IDX, feature::MRG_RXBUF] {
            let options =
                Options { features, rx_size: size, tx_size: size, sleeps: true, ..Options::default() };
            let harness = Harness::legacy(options);
            let (device, mut rx, mut tx) = harness.start(&small());
            let all = frames(300);
            assert!(harness.pass(&mut rx, &all) == all, "{size} entries, {features:#x}, received");
            assert!(harness.send(&mut tx, &all) == all, "{size} entries, {features:#x}, sent");
            drop((rx, tx, device));
            harness.all_is_back();
        }
    }
}

/// Indices have 16 bits.
#[test]
fn indices_wrap_around_without_notice() {
    for Agreement { options, .. } in rings() {
        for features in [0, feature::EVENT_IDX, feature::EVENT_IDX | feature::IN_ORDER] {
            let mut options = options.clone();
            options.features |= features;
            (options.sleeps, options.batches) = (true, true);
            let harness = Harness::new(options);
            let (device, mut rx, mut tx) = harness.start(&Config::default());
            let all: Vec<_> = (0..200).map(|n| frame(60, n)).collect();
            let mut batch = Batch::new(256);
            for round in 0..340 {
                harness.device.arrive(0, &all);
                harness.device.poll();
                assert_eq!(rx.receive(&mut batch), 200, "round {round}, features {features:#x}");
                assert_eq!(tx.send(&mut batch), 200, "round {round}, features {features:#x}");
                harness.device.poll();
                assert!(harness.device.frames(0) == all, "round {round}, features {features:#x}");
            }
            let stats = device.stats().unwrap();
            assert_eq!((stats.rx_packets, stats.tx_packets), (68_000, 68_000));
            for queue in 0..2 {
                assert_eq!((harness.device.doorbells(queue).missed, tx.pending()), (0, 0));
            }
        }
    }
}

#[test]
fn a_full_ring_leaves_packets_in_the_batch() {
    for Agreement { options, .. } in rings() {
        let harness = Harness::new(Options { tx_size: 64, ..options });
        let (_device, _rx, mut tx) = harness.start(&small());
        let all: Vec<_> = (0..100).map(|n| frame(60, n)).collect();
        let mut batch = harness.batch(&all);
        assert_eq!((tx.send(&mut batch), tx.send(&mut batch)), (64, 0));
        assert_eq!((batch.len(), tx.pending()), (36, 64));
        assert_eq!(*batch[0], *all[64]);
        harness.device.poll();
        assert_eq!(tx.send(&mut batch), 36);
        harness.device.poll();
        assert_eq!(tx.pending(), 0);
        assert!(harness.device.frames(0) == all);
    }
}

#[test]
fn a_device_that_completes_the_newest_first_frees_what_it_has_completed() {
    for Agreement { options, .. } in rings() {
        let harness = Harness::new(Options { tx_size: 64, order: Order::NewestFirst, ..options });
        let (_device, _rx, mut tx) = harness.start(&small());
        let free = harness.pool.free();
        let all: Vec<_> = (0..150).map(|n| frame(60, n)).collect();
        let mut batch = harness.batch(&all);
        assert_eq!(tx.send(&mut batch), 64);
        // The oldest chains stay with the device for long.
        for sent in [10, 10, 10, 10, 10] {
            assert_eq!(harness.device.poll_some(10), 10);
            assert_eq!(tx.send(&mut batch), sent);
        }
        assert_eq!((batch.len(), tx.pending()), (36, 64));
        while !batch.is_empty() || tx.pending() > 0 {
            assert!(harness.device.poll_some(7) > 0 || tx.pending() == 0, "the device is left without work");
            tx.send(&mut batch);
        }
        assert!(harness.device.frames(0) == all);
        drop((batch, tx));
        assert!(harness.pool.free() <= free);
    }
}

#[test]
fn reclaimed_packets_are_those_that_were_sent_as_they_were() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (device, rx, mut tx) = harness.start(&small());
        let all: Vec<_> = (0..20).map(|n| frame(60 + n as usize, n)).collect();
        let mut batch = harness.batch(&all);
        let mut some = Batch::new(13);
        for round in 0..30 {
            assert_eq!(tx.send(&mut batch), 20, "round {round}");
            assert_eq!(tx.reclaim(&mut some, 100), 0, "round {round}: nothing was sent yet");
            harness.device.poll();
            let mut back = Vec::new();
            for expected in [13, 7, 0] {
                assert_eq!(tx.reclaim(&mut some, 100), expected, "round {round}, {agreement:?}");
                while let Some(packet) = some.pop_front() {
                    back.push(packet.to_vec());
                    batch.push(packet).unwrap();
                }
            }
            assert!(harness.device.frames(0).len() == 20);
            if agreement.options.order == Order::AsMadeAvailable {
                assert!(back == all, "round {round}, {agreement:?}");
            }
            back.sort_by_key(Vec::len);
            assert!(back == all, "round {round}: other packets came back, {agreement:?}");
            let mut packets: Vec<_> = std::iter::from_fn(|| batch.pop_front()).collect();
            packets.sort_by_key(|packet| packet.len());
            packets.into_iter().for_each(|packet| batch.push(packet).unwrap());
        }
        drop((device, rx, tx, batch));
        harness.all_is_back();
    }
}

#[test]
fn a_packet_of_a_pool_out_of_reach_is_not_sent() {
    let harness = Harness::new(Options::default());
    let (_device, _rx, mut tx) = harness.start(&small());
    let foreign = Mempool::new(Arc::new(SimulatedDomain::default()), 4).unwrap();
    let mut packet = foreign.allocate().unwrap();
    assert!(packet.set_len(60));
    let mut batch = Batch::new(4);
    batch.push(packet).unwrap();
    assert_eq!((tx.send(&mut batch), batch.len(), tx.unreachable()), (0, 1, 1));
    harness.device.poll();
    assert_eq!(harness.device.frames(0), NOTHING);
    // A second pool in reach works like the first.
    let second = Mempool::new(harness.domain.clone(), 4).unwrap();
    batch.clear();
    let mut packet = second.allocate().unwrap();
    assert!(packet.set_len(60));
    packet.copy_from_slice(&frame(60, 1));
    batch.push(packet).unwrap();
    assert_eq!(tx.send(&mut batch), 1);
    harness.device.poll();
    assert_eq!((harness.device.frames(0), tx.pending()), (vec![frame(60, 1)], 0));
}

#[test]
fn a_packet_without_headroom_is_sent_whole() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (_device, _rx, mut tx) = harness.start(&small());
        let mut batch = Batch::new(8);
        let mut expected = Vec::new();
        for (n, taken) in (0..).zip([0, 1, 116, 117, 118, 119, 127, 128]) {
            let mut packet = harness.packet(&frame(1000, n));
            assert!(packet.prepend(taken));
            packet[..usize::from(taken)].fill(0xee);
            expected.push(packet.to_vec());
            batch.push(packet).unwrap();
        }
        assert_eq!(tx.send(&mut batch), 8);
        harness.device.poll();
        assert!(harness.device.frames(0) == expected, "{agreement:?}");
    }
}

#[test]
fn a_frame_shorter_than_an_ethernet_header_is_filled_up_and_others_are_not() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (_device, _rx, mut tx) = harness.start(&small());
        let mut batch = Batch::new(4);
        for len in [0, 1, 13, 14] {
            let mut packet = harness.packet(&[0xee; 60]);
            assert!(packet.set_len(len));
            batch.push(packet).unwrap();
        }
        assert_eq!(tx.send(&mut batch), 4);
        harness.device.poll();
        let filled_up = |len: usize| [vec![0xee; len], vec![0; 60 - len]].concat();
        let expected = [filled_up(0), filled_up(1), filled_up(13), vec![0xee; 14]];
        assert_eq!(harness.device.frames(0), expected, "{agreement:?}");
    }
}

/// With mergeable buffers a frame can be longer than one.
#[test]
fn frames_of_several_buffers_are_dropped_whole_and_counted() {
    for agreement in agreements() {
        let mergeable = agreement.options.features & feature::MRG_RXBUF != 0;
        let harness = Harness::of(&agreement);
        let (device, mut rx, tx) = harness.start(&small());
        let all: Vec<_> =
            (0..200).map(|n| frame(if n % 3 == 0 { 100 } else { 2049 + n * 31 % 7000 }, n as u32)).collect();
        let short: Vec<_> = all.iter().filter(|frame| frame.len() == 100).cloned().collect();
        let received = harness.pass(&mut rx, &all);
        assert!(
            received == short,
            "{} short frames between long ones arrived: {agreement:?}",
            received.len()
        );
        let (stats, too_long) = (device.stats().unwrap(), harness.device.lock().net.too_long);
        let long = (all.len() - short.len()) as u64;
        let expected = if mergeable { (long, 0) } else { (0, long) };
        assert_eq!((stats.rx_dropped, too_long), expected, "{agreement:?}");
        assert_eq!(stats.rx_packets, short.len() as u64);
        drop((device, rx, tx));
        harness.all_is_back();
    }
}

/// A buffer holds 2,048 bytes beside the header.
#[test]
fn a_frame_that_just_fits_into_a_buffer_is_received() {
    for agreement in agreements() {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, _tx) = harness.start(&small());
        let all: Vec<_> = [1514, 1518, 2047, 2048].map(|len| frame(len, 1)).into();
        assert!(harness.pass(&mut rx, &all) == all, "{agreement:?}");
    }
}

#[test]
fn an_empty_pool_delays_reception_and_loses_nothing() {
    for Agreement { options, .. } in rings() {
        for sleeps in [false, true] {
            let options = Options { rx_size: 64, sleeps, ..options.clone() };
            let harness = Harness::build(options, Interface::Modern, 128);
            let (device, mut rx, tx) = harness.start(&small());
            let all: Vec<_> = (0..400).map(|n| frame(60, n)).collect();
            harness.device.arrive(0, &all);
            let (mut held, mut received) = (Vec::new(), Vec::new());
            for _ in 0..2000 {
                let mut batch = Batch::new(32);
                harness.device.poll();
                if rx.receive(&mut batch) == 0 {
                    held.clear();
                }
                received.extend(batch.iter().map(|packet| packet.to_vec()));
                held.push(batch);
            }
            assert!(received == all, "{} of 400 frames arrived", received.len());
            drop((device, rx, tx, held));
            harness.all_is_back();
        }
    }
}

#[test]
fn several_queue_pairs_receive_and_send_their_own_frames() {
    for Agreement { options, .. } in rings() {
        let features = options.features | feature::CONTROL | feature::MQ;
        for asked in [1, 3, 4] {
            let harness = Harness::new(Options { features, pairs: 4, ..options.clone() });
            let config = Config { queues: asked, ..small() };
            let mut device = harness.open(&config).unwrap();
            assert_eq!(device.queues(), asked);
            for n in 0..asked {
                let mut rx = device.take_rx_queue(n).unwrap();
                let mut tx = device.take_tx_queue(n).unwrap();
                assert!(device.take_rx_queue(n).is_none() && device.take_tx_queue(n).is_none());
                let all: Vec<_> = (0..50).map(|i| frame(60, i + 1000 * u32::from(n))).collect();
                harness.device.arrive(n.into(), &all);
                harness.device.poll();
                let mut received = Vec::new();
                while receive(&mut rx, &mut received) > 0 {}
                assert!(received == all, "queue {n} of {asked}");
                assert_eq!(tx.send(&mut harness.batch(&all)), 50);
                harness.device.poll();
                assert!(harness.device.frames(n.into()) == all, "queue {n} of {asked}");
                drop((rx, tx));
            }
            assert!(device.take_rx_queue(asked).is_none());
            assert_eq!(device.stats().unwrap().tx_packets, 50 * u64::from(asked));
            drop(device);
            harness.all_is_back();
        }
    }
}
