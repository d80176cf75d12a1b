//! The driver on a software 82599 that is polled by the test itself, so that every run is the same.
#![allow(clippy::unwrap_used, clippy::expect_used)] // test code

mod harness;

use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::{Harness, frame, udp};
use ixy_core::{Batch, Device, MacAddress, Mempool, QueueStats, RxQueue, TxQueue};
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_ixgbe::{Config, Error};
use ixy_regs::ixgbe::Registers;
use ixy_regs::ixgbe::fields::{AUTOC, FCTRL, HLREG0, RAH, SWSM};
use ixy_sim::{Fault, SfpModule};
use proptest::prelude::*;

#[test]
fn an_opened_card_has_its_address_and_its_link() {
    let harness = Harness::new();
    let device = harness.open(&Config::default()).unwrap();
    assert_eq!(device.mac().to_string(), "02:1b:21:00:00:01");
    let link = device.wait_for_link(Duration::from_secs(1)).unwrap();
    assert_eq!((link.up, link.speed), (true, 10_000));
    assert_eq!((device.driver(), device.address(), device.queues()), ("ixgbe", "test", 1));
}

#[test]
fn received_frames_are_those_of_the_wire_in_their_order() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { rx_ring: 64, ..Config::default() }).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    let sent: Vec<Vec<u8>> = (0..1000).map(|n| frame(60 + n * 7 % 1455, n as u32)).collect();
    harness.arrive(&sent);
    let mut batch = Batch::new(32);
    let mut received = Vec::new();
    for _ in 0..10_000 {
        harness.nic.poll();
        rx.receive(&mut batch);
        received.extend(batch.iter().map(|packet| packet.to_vec()));
        batch.clear();
    }
    assert_eq!(received.len(), sent.len(), "frames were lost or doubled");
    assert!(received == sent, "frames changed or came in another order");
    let stats = device.stats().unwrap();
    let bytes = sent.iter().map(|f| f.len() as u64).sum::<u64>();
    assert_eq!((stats.rx_packets, stats.rx_bytes, stats.rx_missed, stats.rx_dropped), (1000, bytes, 0, 0));
}

#[test]
fn sent_packets_leave_as_frames_in_their_order_and_their_buffers_come_back() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { tx_ring: 64, ..Config::default() }).unwrap();
    let mut tx = device.take_tx_queue(0).unwrap();
    let free = harness.pool.free();
    let mut sent = Vec::new();
    let mut batch = Batch::new(48);
    for n in 0..1000 {
        let mut packet = harness.pool.allocate().unwrap();
        let bytes = frame(60 + n as usize % 1400, n);
        assert!(packet.set_len(bytes.len() as u16));
        packet.copy_from_slice(&bytes);
        sent.push(bytes);
        batch.push(packet).unwrap();
        while batch.room() == 0 {
            tx.send(&mut batch);
            harness.nic.poll();
        }
    }
    for _ in 0..100 {
        tx.send(&mut batch);
        harness.nic.poll();
    }
    assert_eq!((batch.len(), tx.pending()), (0, 0));
    assert!(harness.left() == sent, "the wire saw other frames than were sent");
    let stats = device.stats().unwrap();
    let bytes = sent.iter().map(|f| f.len() as u64).sum::<u64>();
    assert_eq!((stats.tx_packets, stats.tx_bytes), (1000, bytes));
    drop((tx, device));
    assert!(harness.pool.free() >= free, "{} buffers are missing", free - harness.pool.free());
}

#[test]
fn a_frame_shorter_than_the_card_takes_is_filled_up_with_zeros() {
    let harness = Harness::new();
    let mut device = harness.open(&Config::default()).unwrap();
    let mut tx = device.take_tx_queue(0).unwrap();
    let mut batch = Batch::new(4);
    for len in [0, 1, 16, 17] {
        let mut packet = harness.pool.allocate().unwrap();
        assert!(packet.set_len(60));
        packet.fill(0xee);
        assert!(packet.set_len(len));
        batch.push(packet).unwrap();
    }
    assert_eq!(tx.send(&mut batch), 4);
    harness.nic.poll();
    let left = harness.left();
    for (frame, len) in left.iter().zip([0, 1, 16, 17]) {
        let mut expected = vec![0; 60];
        expected[..len].fill(0xee);
        assert_eq!(frame, &expected, "a packet of {len} bytes");
    }
    assert_eq!((left.len(), harness.nic.bad_descriptors()), (4, 0));
}

#[test]
fn a_full_ring_leaves_packets_in_the_batch() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { tx_ring: 64, ..Config::default() }).unwrap();
    let mut tx = device.take_tx_queue(0).unwrap();
    let mut batch = Batch::new(100);
    assert_eq!(harness.pool.allocate_batch(&mut batch, 100), 100);
    for (n, packet) in (0..).zip(&mut batch) {
        assert!(packet.set_len(60));
        packet[0] = n;
    }
    assert_eq!(tx.send(&mut batch), 63, "one descriptor stays free");
    assert_eq!(tx.send(&mut batch), 0);
    assert_eq!((batch.len(), batch[0][0], tx.pending()), (37, 63, 63));
    harness.nic.poll();
    assert_eq!(tx.send(&mut batch), 37);
    harness.nic.poll();
    assert_eq!(tx.pending(), 0);
    let order: Vec<u8> = harness.left().iter().map(|f| f[0]).collect();
    assert_eq!(order, (0..100).collect::<Vec<u8>>());
}

#[test]
fn reclaimed_packets_are_those_that_were_sent() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { tx_ring: 64, ..Config::default() }).unwrap();
    let mut tx = device.take_tx_queue(0).unwrap();
    let mut batch = Batch::new(20);
    harness.pool.allocate_batch(&mut batch, 20);
    for (n, packet) in (0..).zip(&mut batch) {
        assert!(packet.set_len(60));
        packet[0] = n;
    }
    let mut some = Batch::new(13);
    for round in 0..50 {
        assert_eq!(tx.send(&mut batch), 20, "round {round}");
        assert_eq!(tx.reclaim(&mut some, 100), 0, "round {round}: nothing was sent yet");
        harness.nic.poll();
        // In two parts; the second ends in the middle of one batch.
        let mut numbers = Vec::new();
        for expected in [13, 7, 0] {
            assert_eq!(tx.reclaim(&mut some, 100), expected, "round {round}");
            numbers.extend(some.iter().map(|p| p[0]));
            while let Some(packet) = some.pop_front() {
                batch.push(packet).unwrap();
            }
        }
        assert_eq!(numbers, (0..20).collect::<Vec<u8>>(), "round {round}");
    }
}

#[test]
fn a_packet_of_a_pool_out_of_reach_is_not_sent() {
    let harness = Harness::new();
    let mut device = harness.open(&Config::default()).unwrap();
    let mut tx = device.take_tx_queue(0).unwrap();
    let foreign = Mempool::new(Arc::new(SimulatedDomain::default()), 4).unwrap();
    let mut batch = Batch::new(4);
    let mut packet = foreign.allocate().unwrap();
    assert!(packet.set_len(60));
    batch.push(packet).unwrap();
    assert_eq!((tx.send(&mut batch), batch.len(), tx.unreachable()), (0, 1, 1));
    harness.nic.poll();
    assert!(harness.left().is_empty());
}

#[test]
fn frames_of_several_descriptors_are_dropped_whole_and_counted() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { rx_ring: 64, ..Config::default() }).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    // Another program enables jumbo frames behind the driver's back.
    let regs = Registers::new(harness.bus()).unwrap();
    regs.hlreg0().modify(HLREG0::JUMBOEN::SET);
    regs.maxfrs().set(9000 << 16);
    let frames: Vec<Vec<u8>> =
        (0..200).map(|n| frame(if n % 3 == 0 { 100 } else { 2048 + n * 31 % 6000 }, n as u32)).collect();
    harness.arrive(&frames);
    let mut batch = Batch::new(8);
    let mut received = Vec::new();
    for _ in 0..5_000 {
        harness.nic.poll();
        rx.receive(&mut batch);
        received.extend(batch.iter().map(|packet| packet.to_vec()));
        batch.clear();
    }
    let short: Vec<_> = frames.into_iter().filter(|f| f.len() == 100).collect();
    assert_eq!(received.len(), short.len());
    assert!(received == short, "short frames between long ones were spoiled");
    let stats = device.stats().unwrap();
    assert_eq!((stats.rx_dropped, stats.rx_packets), (200 - short.len() as u64, short.len() as u64));
    assert_eq!(stats.rx_bytes, 100 * short.len() as u64);
}

#[test]
fn a_length_that_no_buffer_has_is_a_counted_drop() {
    let harness = Harness::new();
    let mut device = harness.open(&Config::default()).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    harness.nic.faults().set(Fault::ImpossibleLength, true);
    harness.arrive(&[frame(60, 1), frame(60, 2)]);
    let mut batch = Batch::new(32);
    for _ in 0..10 {
        harness.nic.poll();
        assert_eq!(rx.receive(&mut batch), 0);
    }
    harness.nic.faults().clear();
    harness.arrive(&[frame(60, 3)]);
    harness.nic.poll();
    assert_eq!(rx.receive(&mut batch), 1);
    assert_eq!(*batch[0], *frame(60, 3));
    assert_eq!(device.stats().unwrap().rx_dropped, 2);
}

#[test]
fn good_frames_behind_bad_ones_are_received_at_once() {
    for bad in [1, 2, 30, 62] {
        let harness = Harness::new();
        let mut device = harness.open(&Config { rx_ring: 64, ..Config::default() }).unwrap();
        let mut rx = device.take_rx_queue(0).unwrap();
        harness.nic.faults().set(Fault::ImpossibleLength, true);
        harness.arrive(&(0..bad).map(|n| frame(60, n)).collect::<Vec<_>>());
        while harness.nic.poll() > 0 {}
        harness.nic.faults().clear();
        harness.arrive(&(bad..63).map(|n| frame(60, n)).collect::<Vec<_>>());
        while harness.nic.poll() > 0 {}
        let mut batch = Batch::new(64);
        // A thread that receives nothing would go to sleep, and no interrupt comes for frames that are there
        // already.
        assert_eq!(rx.receive(&mut batch), 63 - bad as usize, "behind {bad}");
        assert_eq!(*batch[0], *frame(60, bad), "behind {bad}");
        assert_eq!(device.stats().unwrap().rx_dropped, u64::from(bad));
    }
}

#[test]
fn a_ring_of_bad_frames_is_passed_in_one_call() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { rx_ring: 64, ..Config::default() }).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    harness.nic.faults().set(Fault::ImpossibleLength, true);
    harness.arrive(&(0..63).map(|n| frame(60, n)).collect::<Vec<_>>());
    while harness.nic.poll() > 0 {}
    assert_eq!(rx.receive(&mut Batch::new(8)), 0);
    assert_eq!(device.stats().unwrap().rx_dropped, 63);
}

#[test]
fn damaged_cut_and_stretched_frames_are_errors_and_not_packets() {
    for fault in [Fault::FramesDamaged, Fault::FramesCut, Fault::FramesStretched] {
        let harness = Harness::new();
        let mut device = harness.open(&Config::default()).unwrap();
        let mut rx = device.take_rx_queue(0).unwrap();
        harness.nic.faults().set(fault, true);
        harness.arrive(&[frame(60, 1), frame(600, 2)]);
        let mut batch = Batch::new(32);
        for _ in 0..10 {
            harness.nic.poll();
            assert_eq!(rx.receive(&mut batch), 0, "{fault:?}");
        }
        let stats = device.stats().unwrap();
        assert_eq!((stats.rx_packets, stats.rx_errors), (0, 2), "{fault:?}: {stats:?}");
    }
}

#[test]
fn frames_without_a_free_descriptor_are_counted_as_missed() {
    let harness = Harness::lossy();
    let mut device = harness.open(&Config { rx_ring: 64, ..Config::default() }).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    harness.arrive(&(0..200).map(|n| frame(60, n)).collect::<Vec<_>>());
    for _ in 0..100 {
        harness.nic.poll();
    }
    let mut batch = Batch::new(256);
    let received = rx.receive(&mut batch) as u64;
    let stats = device.stats().unwrap();
    assert_eq!((received, stats.rx_packets, stats.rx_missed), (63, 63, 200 - 63));
}

#[test]
fn counts_are_summed_beyond_what_a_counter_holds() {
    // The count of a user's card; its counter has 32 bits.
    const PACKETS: u64 = 683_081_802_539;
    let (full, rest) = (PACKETS / u64::from(u32::MAX), PACKETS % u64::from(u32::MAX));
    assert_eq!(full, 159);
    let harness = Harness::new();
    let (device, values) = harness.open_answered(0x01030);
    for _ in 0..full {
        values.lock().unwrap().push_back(u32::MAX);
        device.stats().unwrap();
    }
    values.lock().unwrap().push_back(rest as u32);
    assert_eq!(device.stats().unwrap().rx_packets, PACKETS);
    assert_eq!(device.stats().unwrap().rx_packets, PACKETS, "a counter that was read is clear");
}

#[test]
fn a_batch_of_the_largest_size_and_a_ring_of_the_smallest_agree() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { rx_ring: 64, tx_ring: 64, ..Config::default() }).unwrap();
    let (mut rx, mut tx) = (device.take_rx_queue(0).unwrap(), device.take_tx_queue(0).unwrap());
    let sent: Vec<_> = (0..5000).map(|n| frame(60, n)).collect();
    harness.arrive(&sent);
    let mut batch = Batch::new(256);
    for _ in 0..5000 {
        harness.nic.poll();
        rx.receive(&mut batch);
        tx.send(&mut batch);
    }
    assert!(harness.left() == sent, "frames were lost, doubled, changed or reordered on the way");
}

#[test]
fn without_promiscuous_mode_only_what_is_addressed_to_the_card_arrives() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { promiscuous: false, ..Config::default() }).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    let to = |mac: [u8; 6]| {
        let mut bytes = frame(60, 7);
        bytes[..6].copy_from_slice(&mac);
        bytes
    };
    let own = device.mac();
    let other = MacAddress([2, 0, 0, 0, 0, 9]);
    let group = [0x01, 0, 0x5e, 0, 0, 1];
    let all = [to(own.0), to(other.0), to(group), to([0xff; 6])];
    let mut batch = Batch::new(32);
    let mut arrived = |expected: &[usize], what: &str| {
        harness.arrive(&all);
        harness.nic.poll();
        rx.receive(&mut batch);
        let seen: Vec<usize> =
            batch.iter().map(|p| all.iter().position(|f| **p == **f).expect("an unknown frame")).collect();
        batch.clear();
        assert_eq!(seen, expected, "{what}");
    };
    arrived(&[0, 3], "its own address and broadcast");
    device.set_multicast(true).unwrap();
    arrived(&[0, 2, 3], "multicast, too");
    device.set_multicast(false).unwrap();
    device.set_mac(other).unwrap();
    assert_eq!(device.mac(), other);
    arrived(&[1, 3], "the new address only");
    device.set_promiscuous(true).unwrap();
    arrived(&[0, 1, 2, 3], "everything");
    device.set_promiscuous(false).unwrap();
    arrived(&[1, 3], "the new address only, again");
    let regs = Registers::new(harness.bus()).unwrap();
    assert!(regs.rah().at(0).unwrap().is_set(RAH::AV), "the address is no longer valid");
    assert!(regs.fctrl().is_set(FCTRL::BAM));
    for (wrong, text) in [([1, 0, 0, 0, 0, 1], "01:00:00:00:00:01"), ([0; 6], "00:00:00:00:00:00")] {
        let error = device.set_mac(MacAddress(wrong)).unwrap_err().to_string();
        assert!(error.contains(&format!("{text} cannot be a card's own address")), "{error}");
        assert_eq!(device.mac(), other);
    }
}

#[test]
fn several_queues_share_flows_and_keep_each_flow_together() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { queues: 4, rx_ring: 256, ..Config::default() }).unwrap();
    let mut queues: Vec<_> = (0..4).map(|n| device.take_rx_queue(n).unwrap()).collect();
    assert!(device.take_rx_queue(0).is_none() && device.take_rx_queue(4).is_none());
    let frames: Vec<_> = (0..400).map(|n| udp(1000 + n % 40, n.into())).collect();
    harness.arrive(&frames);
    let mut batch = Batch::new(256);
    let mut flows = vec![std::collections::BTreeSet::new(); 4];
    let mut total = 0;
    for _ in 0..20 {
        harness.nic.poll();
        for (rx, flows) in queues.iter_mut().zip(&mut flows) {
            total += rx.receive(&mut batch);
            flows.extend(batch.iter().map(|p| u16::from_be_bytes([p[34], p[35]])));
            batch.clear();
        }
    }
    assert_eq!(total, 400);
    assert!(flows.iter().all(|f| f.len() >= 3), "forty flows are spread unevenly: {flows:?}");
    let together: usize = flows.iter().map(|f| f.len()).sum();
    assert_eq!(together, 40, "a flow came to more than one queue: {flows:?}");
}

#[test]
fn each_queue_counts_its_own_frames_and_bytes_in_both_directions() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { queues: 4, rx_ring: 256, ..Config::default() }).unwrap();
    let mut queues: Vec<_> = (0..4).map(|n| device.take_rx_queue(n).unwrap()).collect();
    let mut senders: Vec<_> = (0..4).map(|n| device.take_tx_queue(n).unwrap()).collect();
    let frames: Vec<_> = (0..400).map(|n| udp(1000 + n % 40, n.into())).collect();
    harness.arrive(&frames);
    let mut batch = Batch::new(256);
    let mut expected = vec![QueueStats::default(); 4];
    for _ in 0..20 {
        harness.nic.poll();
        for (n, rx) in queues.iter_mut().enumerate() {
            expected[n].rx_packets += rx.receive(&mut batch) as u64;
            expected[n].rx_bytes += batch.iter().map(|packet| packet.len() as u64).sum::<u64>();
            let to = (n + 1) % 4;
            expected[to].tx_bytes += batch.iter().map(|packet| packet.len() as u64).sum::<u64>();
            expected[to].tx_packets += senders[to].send(&mut batch) as u64;
            assert!(batch.is_empty(), "a queue did not take all frames");
        }
    }
    harness.nic.poll();
    assert!(device.queue_stats().iter().all(|queue| *queue == QueueStats::default()), "as of the last stats");
    let total = device.stats().unwrap();
    let counted = device.queue_stats();
    assert_eq!(counted, expected);
    assert!(counted.iter().all(|queue| queue.rx_packets > 0 && queue.tx_packets > 0), "{counted:?}");
    let sum = |one: fn(&QueueStats) -> u64| counted.iter().map(one).sum::<u64>();
    assert_eq!((sum(|q| q.rx_packets), sum(|q| q.rx_bytes)), (total.rx_packets, total.rx_bytes));
    assert_eq!((sum(|q| q.tx_packets), sum(|q| q.tx_bytes)), (total.tx_packets, total.tx_bytes));
}

#[test]
fn sixty_four_queue_pairs_can_be_opened_and_each_sends() {
    let harness = Harness::with_buffers(64 * 1024);
    let config = Config { queues: 64, rx_ring: 64, tx_ring: 64, ..Config::default() };
    let mut device = harness.open(&config).unwrap();
    for n in 0..64 {
        let mut tx = device.take_tx_queue(n).unwrap();
        let mut batch = Batch::new(1);
        let mut packet = harness.pool.allocate().unwrap();
        assert!(packet.set_len(60));
        packet.copy_from_slice(&frame(60, n.into()));
        batch.push(packet).unwrap();
        assert_eq!(tx.send(&mut batch), 1);
        harness.nic.poll();
        assert_eq!(harness.left(), [frame(60, n.into())], "queue {n}");
    }
    assert_eq!(device.stats().unwrap().tx_packets, 64);
    assert_eq!(device.queue_stats(), [], "64 queues share sixteen sets of counters");
}

#[test]
fn what_cannot_be_opened_is_refused_with_numbers() {
    let harness = Harness::with_buffers(300);
    let text = |result: Result<_, Error>| result.err().map(|e| e.to_string()).unwrap_or_default();
    let error = text(harness.open(&Config { rx_ring: 100, ..Config::default() }));
    assert!(error.contains("receive ring of 100") && error.contains("power of two"), "{error}");
    let error = text(harness.open(&Config { queues: 65, ..Config::default() }));
    assert!(error.contains("65 queue pairs"), "{error}");
    let error = text(harness.open(&Config { rx_ring: 1024, ..Config::default() }));
    assert!(error.contains("test") && error.contains("take 1024"), "{error}");
    assert_eq!(harness.pool.free(), 300, "buffers were lost in the attempt");
    let domain: Arc<dyn DmaDomain> = Arc::new(SimulatedDomain::default());
    let master = Arc::new(ixy_sim::SimBusMaster::new(Arc::clone(&harness.nic)));
    // SAFETY: ARMED-ONLY: nothing drives this card, and it refuses before it starts.
    let error =
        text(unsafe { Config::default().open("test", harness.bus(), &domain, master, &harness.pool) });
    assert!(error.contains("cannot reach the memory of the packet pool"), "{error}");
}

#[test]
fn a_card_that_does_not_do_what_the_datasheet_says_is_an_error_that_names_the_register() {
    let expected = [
        (Fault::Gone, "no longer answers"),
        (Fault::ResetNeverEnds, "CTRL did not become RST clear"),
        (Fault::EepromNeverLoaded, "EEC did not become ARD set"),
        (Fault::DmaNeverReady, "RDRXCTL did not become DMAIDONE set"),
        (Fault::RxNeverEnabled, "RXDCTL did not become ENABLE set"),
        (Fault::TxNeverEnabled, "TXDCTL did not become ENABLE set"),
    ];
    for (fault, wanted) in expected {
        let harness = Harness::new();
        harness.nic.faults().set(fault, true);
        let start = Instant::now();
        let error = harness.open(&Config::default()).expect_err("it opened nevertheless").to_string();
        assert!(error.contains(wanted) && error.contains("test"), "{fault:?}: {error}");
        assert!(start.elapsed() < Duration::from_secs(5), "{fault:?} took {:?}", start.elapsed());
        harness.nic.faults().clear();
        harness.open(&Config::default()).unwrap_or_else(|e| panic!("{fault:?} ended, and still: {e}"));
    }
}

#[test]
fn a_semaphore_that_a_dead_program_kept_is_taken_over() {
    let harness = Harness::new();
    let regs = Registers::new(harness.bus()).unwrap();
    // All that software can own, and SMBI.
    regs.sw_fw_sync().set(0x1f);
    assert!(!SWSM::SMBI.is_set(regs.swsm().test_and_set().get()));
    let device = harness.open(&Config::default()).unwrap();
    assert!(device.wait_for_link(Duration::from_secs(1)).unwrap().up);
    assert_eq!(
        regs.sw_fw_sync().get(),
        0b1_0101,
        "what port 0 used was not given back, or more than that was"
    );
}

#[test]
fn a_module_is_set_up_with_the_words_that_the_eeprom_has_for_it_and_the_link_is_then_restarted() {
    const CORECTL: u32 = 0x14f00;
    const AUTOC: u32 = 0x042a0;
    let harness = Harness::new();
    let (_device, written) = harness.open_recorded(&[CORECTL, AUTOC]);
    let written = written.lock().unwrap();
    let words: Vec<u32> = written.iter().filter(|w| w.0 == CORECTL).map(|w| w.1).collect();
    assert_eq!(words, [0x0101, 0x0202, 0x0303], "the short range optics of port 0");
    // LMS in bits 15:13 and the restart in bit 12.
    let modes: Vec<u32> = written.iter().filter(|w| w.0 == AUTOC).map(|w| w.1 >> 12 & 0xf).collect();
    assert_eq!(modes, [0b1111, 0b0111], "another mode with a restart, and 10G serial with one");
    assert_eq!(
        written.last().map(|w| w.0),
        Some(AUTOC),
        "the link was restarted before the module was set up"
    );
}

#[test]
fn every_kind_of_module_is_set_up_with_its_own_words() {
    const CORECTL: u32 = 0x14f00;
    let optics: &[u32] = &[0x0101, 0x0202, 0x0303];
    let copper: &[u32] = &[0x2101, 0x2202, 0x2303];
    for (module, wanted) in SfpModule::ALL.map(|module| match module {
        SfpModule::PassiveCopper => (module, copper),
        // The card's mode is 10 Gbit/s: a module without it is not set up.
        SfpModule::OneGigabit => (module, &[][..]),
        _ => (module, optics),
    }) {
        let harness = Harness::with(4096, true, |builder| builder.module(module));
        let (device, written) = harness.open_recorded(&[CORECTL]);
        let words: Vec<u32> = written.lock().unwrap().iter().map(|w| w.1).collect();
        assert_eq!(words, wanted, "{module}");
        assert!(device.wait_for_link(Duration::from_secs(1)).unwrap().up, "{module}");
    }
}

#[test]
fn tables_that_an_earlier_program_left_do_not_divert_frames() {
    let harness = Harness::new();
    let regs = Registers::new(harness.bus()).unwrap();
    let rest = ixy_regs::ixgbe::Rest::new(harness.bus()).unwrap();
    rest.ftqf().iter().for_each(|filter| filter.set(0xffff_ffff));
    for table in [regs.mta(), regs.vfta(), regs.pfuta()] {
        table.iter().for_each(|entry| entry.set(0xffff_ffff));
    }
    regs.rah().at(5).unwrap().set(0x8000_1234);
    let _device = harness.open(&Config::default()).unwrap();
    assert!(rest.ftqf().iter().all(|filter| filter.get() == 0), "FTQF");
    for (name, table) in [("MTA", regs.mta()), ("VFTA", regs.vfta()), ("PFUTA", regs.pfuta())] {
        assert!(table.iter().all(|entry| entry.get() == 0), "{name}");
    }
    assert_eq!(regs.rah().at(5).unwrap().get(), 0);
    assert!(regs.rah().at(0).unwrap().is_set(RAH::AV));
}

#[test]
fn a_module_that_cannot_be_read_leaves_the_link_as_the_eeprom_has_it() {
    for fault in [Fault::EepromNeverRead, Fault::SemaphoreTaken] {
        let harness = Harness::new();
        harness.nic.faults().set(fault, true);
        let device = harness.open(&Config::default()).unwrap();
        let regs = Registers::new(harness.bus()).unwrap();
        assert_eq!(regs.autoc().read(AUTOC::LMS), 3, "{fault:?}");
        assert!(device.wait_for_link(Duration::from_secs(1)).unwrap().up, "{fault:?}");
    }
}

#[test]
fn a_link_that_never_comes_up_is_waited_for_no_longer_than_asked() {
    let harness = Harness::new();
    harness.nic.faults().set(Fault::LinkDown, true);
    let device = harness.open(&Config::default()).unwrap();
    let start = Instant::now();
    let link = device.wait_for_link(Duration::from_millis(2200)).unwrap();
    assert!(!link.up);
    assert!((2..4).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    harness.nic.faults().clear();
    assert!(device.wait_for_link(Duration::from_secs(1)).unwrap().up);
}

#[test]
fn a_card_that_vanishes_is_an_error_within_a_limit_and_never_a_hang() {
    let harness = Harness::new();
    let mut device = harness.open(&Config::default()).unwrap();
    let (mut rx, mut tx) = (device.take_rx_queue(0).unwrap(), device.take_tx_queue(0).unwrap());
    harness.arrive(&(0..10).map(|n| frame(60, n)).collect::<Vec<_>>());
    harness.nic.poll();
    let before = device.stats().unwrap();
    assert_eq!(before.rx_packets, 10);
    harness.nic.faults().set(Fault::Gone, true);
    let mut batch = Batch::new(32);
    let start = Instant::now();
    for _ in 0..1000 {
        rx.receive(&mut batch);
        tx.send(&mut batch);
    }
    let error = device.stats().unwrap_err().to_string();
    assert!(error.contains("test") && error.contains("STATUS"), "{error}");
    assert!(!device.link().up);
    assert!(device.set_promiscuous(true).is_err() && device.wait_for_link(Duration::from_secs(9)).is_err());
    drop((rx, tx, device));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    harness.nic.faults().clear();
    let device = harness.open(&Config::default()).unwrap();
    assert_eq!(device.stats().unwrap().rx_packets, 0, "counters of another time");
}

#[test]
fn a_card_that_goes_away_while_it_is_opened_is_not_waited_for() {
    let harness = Harness::new();
    let nic = Arc::clone(&harness.nic);
    // In the pause after the reset. A driver that waits for each register takes more than a second.
    let goes = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(25));
        nic.faults().set(Fault::Gone, true);
        Instant::now()
    });
    let opened = harness.open(&Config::default());
    let gone = goes.join().unwrap();
    if let Err(error) = opened.map(drop) {
        assert!(error.to_string().contains("no longer answers"), "{error}");
    }
    assert!(gone.elapsed() < Duration::from_millis(700), "{:?}", gone.elapsed());
}

#[test]
fn memory_is_freed_when_the_last_handle_is_dropped_and_not_before() {
    let harness = Harness::new();
    let buffers = harness.pool.free();
    let mut device = harness.open(&Config::default()).unwrap();
    let ring = harness.rx_ring_address();
    let (rx, tx) = (device.take_rx_queue(0).unwrap(), device.take_tx_queue(0).unwrap());
    drop(device);
    drop(rx);
    assert!(harness.is_mapped(ring), "the card could still write into a ring that is gone");
    assert!(harness.pool.free() < buffers);
    drop(tx);
    assert!(!harness.is_mapped(ring), "the ring was not freed");
    assert_eq!(harness.pool.free(), buffers);
    let faults = harness.faults();
    harness.arrive(&[frame(60, 1)]);
    harness.nic.poll();
    assert_eq!(harness.faults(), faults, "the card reached for memory after it was closed");
}

#[test]
fn memory_that_a_card_may_still_write_is_not_freed() {
    let harness = Harness::new();
    let buffers = harness.pool.free();
    let device = harness.open(&Config::default()).unwrap();
    let ring = harness.rx_ring_address();
    harness.nic.faults().set(Fault::MasterNeverStops, true);
    harness.nic.faults().set(Fault::ResetNeverEnds, true);
    drop(device);
    assert!(harness.is_mapped(ring), "the ring was freed under a card that did not stop");
    assert!(harness.pool.free() < buffers, "buffers were freed under a card that did not stop");
}

/// The offset of STATUS.
const STATUS: u32 = 0x8;

#[test]
fn memory_is_freed_when_a_card_goes_away_while_it_is_stopped() {
    let harness = Harness::new();
    let buffers = harness.pool.free();
    let ring = {
        let (_device, status) = harness.open_answered(STATUS);
        harness.nic.faults().set(Fault::ResetNeverEnds, true);
        // The card is there at the first look, and then no more.
        status.lock().unwrap().extend(iter::once(0).chain(iter::repeat_n(u32::MAX, 100_000)));
        harness.rx_ring_address()
    };
    assert!(!harness.is_mapped(ring), "the ring was kept for a card that is gone");
    assert_eq!(harness.pool.free(), buffers);
}

#[test]
fn what_a_killed_program_left_running_does_not_write_into_new_memory() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { rx_ring: 64, ..Config::default() }).unwrap();
    let mut old = device.take_rx_queue(0).unwrap();
    std::mem::forget(device);
    harness.arrive(&(0..20).map(|n| frame(60, n)).collect::<Vec<_>>());
    harness.nic.poll();
    let mut batch = Batch::new(8);
    assert_eq!(old.receive(&mut batch), 8);
    std::mem::forget(old);
    batch.clear();

    let mut device = harness.open(&Config { rx_ring: 64, ..Config::default() }).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    harness.arrive(&[frame(60, 99)]);
    harness.nic.poll();
    assert_eq!(rx.receive(&mut batch), 1);
    assert_eq!(*batch[0], *frame(60, 99));
    assert_eq!(harness.faults(), 0);
}

#[test]
fn an_empty_pool_delays_reception_and_loses_nothing() {
    let harness = Harness::with_buffers(128);
    let mut device = harness.open(&Config { rx_ring: 64, tx_ring: 64, ..Config::default() }).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    let sent: Vec<_> = (0..300).map(|n| frame(60, n)).collect();
    harness.arrive(&sent);
    let mut held = Vec::new();
    let mut received = Vec::new();
    for _ in 0..2000 {
        let mut batch = Batch::new(32);
        harness.nic.poll();
        if rx.receive(&mut batch) == 0 {
            held.clear();
        }
        received.extend(batch.iter().map(|p| p.to_vec()));
        held.push(batch);
    }
    assert!(received == sent, "{} of 300 frames arrived", received.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// For all sizes, and any order of receiving, sending and polling the card, all frames pass in order.
    #[test]
    fn a_forwarder_of_any_shape_passes_every_frame_once_and_in_order(
        rx_ring in 6_u32..9, tx_ring in 6_u32..9, limit in 1_usize..=256,
        turns in proptest::collection::vec(0_u8..3, 1..64), count in 1_u32..1500,
    ) {
        let harness = Harness::with_buffers(2048);
        let config = Config { rx_ring: 1 << rx_ring, tx_ring: 1 << tx_ring, ..Config::default() };
        let mut device = harness.open(&config).unwrap();
        let (mut rx, mut tx) = (device.take_rx_queue(0).unwrap(), device.take_tx_queue(0).unwrap());
        let sent: Vec<_> = (0..count).map(|n| frame(60 + n as usize % 100, n)).collect();
        harness.arrive(&sent);
        let mut batch = Batch::new(limit);
        for turn in turns.iter().chain([&0, &1, &2]).cycle().take(200_000) {
            match turn {
                0 => { harness.nic.poll(); }
                1 => { rx.receive(&mut batch); }
                _ => { tx.send(&mut batch); }
            }
            if harness.left_count() == sent.len() {
                break;
            }
        }
        prop_assert!(harness.left() == sent, "frames were lost, doubled, changed or reordered");
        drop((rx, tx, device));
        drop(batch);
        prop_assert_eq!(harness.pool.free(), 2048);
        prop_assert_eq!(harness.faults(), 0);
    }
}

#[test]
fn a_full_frame_with_two_vlan_tags_passes_and_a_longer_one_is_an_error() {
    let harness = Harness::new();
    let mut device = harness.open(&Config { rx_ring: 64, ..Config::default() }).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    let tagged = |len: usize, tags: &[u16]| {
        let mut frame = frame(len, 1);
        for (n, tag) in tags.iter().enumerate() {
            frame[12 + 4 * n..][..2].copy_from_slice(&tag.to_be_bytes());
        }
        frame
    };
    let pass = [
        tagged(1514, &[]),
        tagged(1518, &[0x8100]),
        tagged(1522, &[0x88a8, 0x8100]),
        tagged(1522, &[0x8100; 2]),
    ];
    harness.arrive(&pass);
    harness.arrive(&[tagged(1523, &[0x88a8, 0x8100]), tagged(1527, &[0x8100; 2])]);
    let mut batch = Batch::new(8);
    let mut received = Vec::new();
    for _ in 0..100 {
        harness.nic.poll();
        rx.receive(&mut batch);
        received.extend(batch.iter().map(|packet| packet.to_vec()));
        batch.clear();
    }
    assert_eq!(received, pass);
    assert_eq!(device.stats().unwrap().rx_errors, 2);
}
