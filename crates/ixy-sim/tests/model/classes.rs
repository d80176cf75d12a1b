//! Traffic classes (sections 7.1.2 and 8.2.3.10.4).

use crate::harness::*;

const RTRUP2TC: u32 = 0x03020;
/// RSS over IPv4.
const IPV4: u32 = 1 << 17;
/// First queues of the classes, with four and with eight classes.
const QUEUES: [u32; 14] = [0, 3, 16, 32, 35, 48, 64, 67, 80, 96, 99, 112, 115, 127];

/// A device with RSS hashing everything to the fourth queue of a class; priorities 0 to 7 have classes 3, 2, 1, 0,
/// 7, 6, 5, 4.
fn harness(mode: u32) -> (Harness, Vec<(u32, RxRing)>) {
    let (harness, first, _) = Harness::running();
    for n in 0..32 {
        harness.write(RETA + 4 * n, 0x0303_0303);
    }
    harness.write(MRQC, mode | IPV4);
    harness.write(RXCSUM, 1 << 13);
    let classes = [3, 2, 1, 0, 7, 6, 5, 4_u32];
    harness.write(RTRUP2TC, classes.iter().rev().fold(0, |map, class| map << 3 | class));
    let others = QUEUES[1..].iter().map(|q| (*q, harness.rx_ring(*q, 8)));
    let rings = std::iter::once((0, first)).chain(others).collect();
    (harness, rings)
}

/// A packet with a tag of this priority, or without one.
fn packet(priority: Option<u8>) -> Vec<u8> {
    let mut frame = Vec::new();
    let ethernet = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC);
    ethernet.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1, 2).write(&mut frame, &[5; 40]).unwrap();
    if let Some(priority) = priority {
        frame.splice(12..12, [0x81, 0, priority << 5, 7]);
    }
    frame
}

/// The queue that a frame arrives at, and whether its descriptor has a hash.
fn arrives(mode: u32, frame: &[u8]) -> (u32, bool) {
    let (harness, mut rings) = harness(mode);
    harness.arrives(frame);
    harness.poll();
    let got: Vec<_> =
        rings.iter_mut().filter_map(|(q, ring)| Some((*q, ring.take(&harness)?.0[0] & 0xf != 0))).collect();
    assert_eq!(got.len(), 1, "one queue gets it");
    got[0]
}

#[test]
fn the_priority_of_a_tag_chooses_among_eight_classes_or_four() {
    for (priority, class) in [(0, 3), (1, 2), (2, 1), (3, 0), (4, 7), (5, 6), (7, 4)] {
        let frame = packet(Some(priority));
        assert_eq!(arrives(2, &frame), (16 * class, false), "8 classes, priority {priority}");
        // With four classes only the low two bits count.
        assert_eq!(arrives(3, &frame), (32 * (class % 4), false), "4 classes, priority {priority}");
    }
    assert_eq!(arrives(2, &packet(None)), (16 * 3, false), "no tag is priority 0");
}

#[test]
fn rss_chooses_among_the_queues_of_a_class() {
    assert_eq!(arrives(4, &packet(Some(1))), (16 * 2 + 3, true));
    assert_eq!(arrives(5, &packet(Some(1))), (32 * 2 + 3, true));
    assert_eq!(arrives(5, &packet(Some(3))), (3, true));
    assert_eq!(arrives(1, &packet(Some(1))), (3, true), "without classes");
}

#[test]
fn filters_come_before_classes() {
    const ETQF: u32 = 0x05128;
    const ETQS: u32 = 0x0EC00;
    let (harness, mut rings) = harness(4);
    harness.write(ETQF, 1 << 31 | 0x0800);
    harness.write(ETQS, 1 << 31 | 112 << 16);
    harness.arrives(&packet(Some(1)));
    harness.poll();
    let got: Vec<_> = rings.iter_mut().filter_map(|(q, ring)| ring.take(&harness).map(|_| *q)).collect();
    assert_eq!(got, [112]);
}
