//! Filters, receive side scaling, statistics.

use ixy_core::{Device as _, DeviceStats, MacAddress};
use ixy_igb::Config;

use crate::device::{Options, offset};
use crate::harness::{Harness, frame, frames, ipv4};

/// A frame to this address.
fn to(address: [u8; 6]) -> Vec<u8> {
    let mut frame = frame(0, 60);
    frame[..6].copy_from_slice(&address);
    frame
}

const GROUP: [u8; 6] = [1, 0, 0x5e, 0, 0, 1];
const STRANGER: [u8; 6] = [2, 2, 2, 2, 2, 2];

#[test]
fn filters_let_in_what_they_are_told() {
    let options = Options::default();
    let own = options.mac;
    let harness = Harness::new(options);
    let (mut card, mut rx, _tx) = harness.start(&Config { promiscuous: false, ..Config::default() });
    let all = [to(own), to([0xff; 6]), to(GROUP), to(STRANGER)];
    let expect = |rx: &mut _, which: &[usize], when: &str| {
        let wanted: Vec<_> = which.iter().map(|&n| all[n].clone()).collect();
        assert_eq!(harness.pass(rx, &all), wanted, "{when}");
    };
    expect(&mut rx, &[0, 1], "at first");
    card.set_multicast(true).unwrap();
    expect(&mut rx, &[0, 1, 2], "with multicast");
    card.set_multicast(false).unwrap();
    expect(&mut rx, &[0, 1], "without multicast");
    card.set_promiscuous(true).unwrap();
    expect(&mut rx, &[0, 1, 2, 3], "promiscuous");
    card.set_promiscuous(false).unwrap();
    expect(&mut rx, &[0, 1], "no longer");
    card.set_mac(MacAddress(STRANGER)).unwrap();
    assert_eq!(card.mac(), MacAddress(STRANGER));
    expect(&mut rx, &[1, 3], "with another address");
    for (wrong, address) in [(GROUP, "01:00:5e:00:00:01"), ([0; 6], "00:00:00:00:00:00")] {
        let text = card.set_mac(MacAddress(wrong)).unwrap_err().to_string();
        assert!(text.contains(&format!("{address} cannot be a card's own address")), "{text}");
        assert_eq!(card.mac(), MacAddress(STRANGER));
    }
}

#[test]
fn a_card_without_an_address_gets_one() {
    let harness = Harness::new(Options { eeprom: false, ..Options::default() });
    let (mut card, mut rx, _tx) = harness.start(&Config { promiscuous: false, ..Config::default() });
    assert_eq!(harness.pass(&mut rx, &[to(STRANGER)]), [[0; 0]; 0]);
    card.set_mac(MacAddress(STRANGER)).unwrap();
    assert_eq!(harness.pass(&mut rx, &[to(STRANGER)]), [to(STRANGER)]);
}

#[test]
fn the_check_sequence_is_no_part_of_a_frame_and_long_ones_are_errors() {
    let harness = Harness::new(Options::default());
    let (card, mut rx, _tx) = harness.start(&Config::default());
    let all = [frame(0, 60), frame(1, 1522), frame(2, 1523), frame(3, 61)];
    assert_eq!(harness.pass(&mut rx, &all).iter().map(Vec::len).collect::<Vec<_>>(), [60, 1522, 61]);
    assert_eq!(card.stats().unwrap().rx_errors, 1);
}

#[test]
fn flows_go_to_the_queue_of_their_hash() {
    // Addresses, ports and hashes from the specification of the hash, with ports and without.
    let flows = [
        (([66, 9, 149, 187], 2794), ([161, 142, 100, 80], 1766), 0x51cc_c178_u32, 0x323e_8fc2_u32),
        (([199, 92, 111, 2], 14230), ([65, 69, 140, 83], 4739), 0xc626_b0ea, 0xd718_262a),
        (([24, 19, 198, 95], 12898), ([12, 22, 207, 184], 38024), 0x5c2b_394a, 0xd2d0_a5de),
        (([38, 27, 205, 30], 48228), ([209, 142, 163, 6], 2217), 0xafc7_327f, 0x8298_9176),
        (([153, 39, 163, 191], 44251), ([202, 188, 127, 2], 1303), 0x10e8_28a2, 0x5d18_09c5),
    ];
    for queues in [2, 3, 8, 16] {
        let harness = Harness::new(Options::default());
        let mut card =
            harness.open(&Config { queues, rx_ring: 64, tx_ring: 64, ..Config::default() }).unwrap();
        let mut rx: Vec<_> = (0..queues).map(|n| card.take_rx_queue(n).unwrap()).collect();
        for (from, to, with_ports, without) in flows {
            for (protocol, hash) in [(6, with_ports), (17, with_ports), (1, without)] {
                let frame = ipv4(protocol, from, to);
                let queue = hash as usize % 128 % usize::from(queues);
                assert_eq!(
                    harness.pass(&mut rx[queue], std::slice::from_ref(&frame)),
                    [frame],
                    "{queues} {protocol}"
                );
            }
        }
        // Frames without a hash.
        assert_eq!(harness.pass(&mut rx[0], &frames(3, |_| 60)).len(), 3);
    }
}

#[test]
fn one_queue_has_all_flows() {
    let harness = Harness::new(Options::default());
    let (_card, mut rx, _tx) = harness.start(&Config::default());
    let all: Vec<_> = (0..40).map(|port| ipv4(17, ([10, 0, 0, 1], port), ([10, 0, 0, 2], 9))).collect();
    assert_eq!(harness.pass(&mut rx, &all), all);
}

#[test]
fn frames_and_bytes_are_counted_without_the_check_sequence() {
    let harness = Harness::new(Options::default());
    // Earlier counts are not reported.
    harness.device.lock().count(3, 5, 5000, 77);
    let (card, mut rx, mut tx) = harness.start(&Config::default());
    assert_eq!(card.stats().unwrap(), DeviceStats::default());
    harness.pass(&mut rx, &frames(10, |number| 60 + number as usize));
    harness.send(&mut tx, &frames(4, |_| 100));
    let expected =
        DeviceStats { rx_packets: 10, rx_bytes: 645, tx_packets: 4, tx_bytes: 400, ..Default::default() };
    assert_eq!(card.stats().unwrap(), expected);
    assert_eq!(card.stats().unwrap(), expected, "reading clears the card's counters and not ours");
    harness.pass(&mut rx, &frames(1, |_| 60));
    harness.device.lock().count(2, 0, 0, 0);
    let stats = card.stats().unwrap();
    assert_eq!((stats.rx_packets, stats.rx_bytes, stats.rx_errors), (11, 705, 2));
}

#[test]
fn byte_counters_have_64_bits() {
    let harness = Harness::new(Options::default());
    let (card, _rx, _tx) = harness.start(&Config::default());
    harness.device.lock().count(0, 10, 40 + (7 << 32) + 5, (9 << 32) + 6);
    let stats = card.stats().unwrap();
    assert_eq!((stats.rx_bytes, stats.tx_bytes), ((7 << 32) + 5, (9 << 32) + 6));
    assert_eq!(card.stats().unwrap(), stats);
}

#[test]
fn one_queue_that_is_full_lets_frames_wait_and_then_misses_them() {
    let harness = Harness::new(Options { buffer: 50, ..Options::default() });
    let (card, mut rx, _tx) = harness.start(&Config { rx_ring: 64, ..Config::default() });
    let received = harness.pass(&mut rx, &frames(200, |_| 60));
    // Those in the ring, and those in the card's buffer.
    assert_eq!(received, frames(63 + 50, |_| 60));
    let stats = card.stats().unwrap();
    assert_eq!((stats.rx_packets, stats.rx_missed), (113, 87));
}

#[test]
fn of_several_queues_a_full_one_drops_and_does_not_hold_up_the_others() {
    let harness = Harness::new(Options { buffer: 50, ..Options::default() });
    let mut card = harness.open(&Config { queues: 4, rx_ring: 64, ..Config::default() }).unwrap();
    let mut rx: Vec<_> = (0..4).map(|n| card.take_rx_queue(n).unwrap()).collect();
    // 0x5ccc178 % 128 = 0x78 = 120, so this flow goes to queue 0, and so do frames without a hash.
    harness.device.arrive(frames(1000, |_| 60));
    let other = ipv4(6, ([199, 92, 111, 2], 14230), ([65, 69, 140, 83], 4739));
    assert_eq!(harness.pass(&mut rx[0xea % 128 % 4], std::slice::from_ref(&other)), [other]);
    assert_eq!(harness.received(&mut rx[0]).len(), 63);
    let stats = card.stats().unwrap();
    assert_eq!((stats.rx_packets, stats.rx_missed), (64, 1000 - 63));
    assert_eq!(harness.device.register(offset::rx(0, offset::RQDPC)), 0, "reading cleared it");
}
