//! Frames with incomplete checksums, with and without the features for them.

use ixy_core::{Batch, Checksum, Device, RxQueue, TxQueue};
use ixy_virtio::Config;

use crate::device::{Options, feature};
use crate::harness::{Harness, Interface, NOTHING, frame};

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const OWED: Checksum = Checksum::Owed { start: 34, offset: 6 };

fn offered(interface: Interface) -> Harness {
    let version = if interface == Interface::Modern { feature::VERSION_1 } else { feature::ANY_LAYOUT };
    let features = version | feature::CSUM | feature::GUEST_CSUM;
    Harness::build(Options { features, ..Options::default() }, interface, 2048)
}

fn asking() -> Config {
    Config { checksum_offload: true, ..Config::default() }
}

/// The header of a frame with an incomplete checksum: it covers byte 34 onwards and goes to byte 40.
fn owed() -> [u8; 10] {
    let mut header = [0; 10];
    header[0] = NEEDS_CSUM;
    header[6..8].copy_from_slice(&34_u16.to_le_bytes());
    header[8..10].copy_from_slice(&6_u16.to_le_bytes());
    header
}

/// The sum of all words from `start` on, as a receiver computes it: all ones when the checksum is right.
fn sum(frame: &[u8], start: usize) -> u16 {
    let mut sum = 0_u64;
    for pair in frame[start..].chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// A frame with a pseudo header sum of zero in its checksum field.
fn unfinished(len: usize) -> Vec<u8> {
    let mut bytes = frame(len, 7);
    bytes[40..42].fill(0);
    bytes
}

#[test]
fn what_is_owed_is_computed_before_a_frame_is_handed_on() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let harness = offered(interface);
        let (_device, mut rx, _tx) = harness.start(&asking());
        assert_ne!(harness.device.accepted() & feature::GUEST_CSUM, 0);
        for len in [60, 61, 1514] {
            harness.device.arrive_with(0, owed(), &unfinished(len));
            harness.device.poll();
            let mut batch = Batch::new(4);
            assert_eq!(rx.receive(&mut batch), 1);
            assert_eq!(sum(&batch[0], 34), 0xffff, "{interface:?}, {len} bytes");
            assert_eq!(batch[0][..40], unfinished(len)[..40]);
            assert_eq!(batch[0][42..], unfinished(len)[42..]);
        }
    }
}

#[test]
fn who_asks_is_told_what_is_owed_and_can_pass_it_on() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let harness = offered(interface);
        let (_device, mut rx, mut tx) = harness.start(&asking());
        let mut valid = [0; 10];
        valid[0] = DATA_VALID;
        harness.device.arrive_with(0, [0; 10], &frame(60, 1));
        harness.device.arrive_with(0, owed(), &unfinished(100));
        harness.device.arrive_with(0, valid, &frame(60, 2));
        harness.device.poll();
        let mut batch = Batch::new(8);
        let mut checksums = [Checksum::InFrame; Batch::CAPACITY];
        assert_eq!(rx.receive_with(&mut batch, &mut checksums), 3);
        let expected = [Checksum::InFrame, OWED, Checksum::Verified];
        assert_eq!(checksums[..3], expected);
        assert_eq!(*batch[1], *unfinished(100), "nobody asked for the sum");
        assert_eq!(tx.send_with(&mut batch, &mut checksums), 3);
        harness.device.poll();
        let left = harness.device.left(0);
        let headers: Vec<_> = left.iter().map(|sent| &sent.header[..10]).collect();
        assert_eq!(headers, [[0; 10], owed(), [0; 10]]);
        assert_eq!(left[1].frame, unfinished(100));
    }
}

/// A packet that does not fit stays in the batch, and so does its checksum state.
#[test]
fn what_is_owed_stays_with_packets_that_stay() {
    let harness = offered(Interface::Modern);
    let config = Config { tx_ring: 64, ..asking() };
    let (_device, _rx, mut tx) = harness.start(&config);
    let mut checksums = [Checksum::InFrame; Batch::CAPACITY];
    let all: Vec<_> =
        (0..100).map(|n| if n % 3 == 0 { unfinished(60 + n) } else { frame(60 + n, 7) }).collect();
    (0..100).filter(|n| n % 3 == 0).for_each(|n| checksums[n] = OWED);
    let mut batch = harness.batch(&all);
    assert_eq!(tx.send_with(&mut batch, &mut checksums), 64);
    harness.device.poll();
    assert_eq!(tx.send_with(&mut batch, &mut checksums), 36);
    harness.device.poll();
    for (n, sent) in harness.device.left(0).iter().enumerate() {
        assert_eq!(sent.frame, all[n]);
        assert_eq!(sent.header[..10], if n % 3 == 0 { owed() } else { [0; 10] }, "packet {n}");
    }
}

#[test]
fn a_device_that_computes_no_sums_gets_frames_that_are_whole() {
    let features = feature::VERSION_1 | feature::GUEST_CSUM;
    let harness = Harness::new(Options { features, ..Options::default() });
    let (_device, _rx, mut tx) = harness.start(&asking());
    let mut batch = harness.batch(&[unfinished(100), unfinished(61)]);
    assert_eq!(tx.send_with(&mut batch, &mut [OWED; Batch::CAPACITY]), 2);
    harness.device.poll();
    for sent in harness.device.left(0) {
        assert_eq!((sum(&sent.frame, 34), &sent.header[..]), (0xffff, &[0; 12][..]));
    }
}

/// The device cannot know better, so a wrong offset costs just one frame.
#[test]
fn a_place_for_the_sum_outside_of_the_frame_drops_the_frame() {
    let harness = offered(Interface::Modern);
    let (device, mut rx, _tx) = harness.start(&asking());
    for (start, offset) in [(34, 25_u16), (60, 0), (u16::MAX, u16::MAX), (0, 59), (61, 65535)] {
        let mut header = [0; 10];
        header[0] = NEEDS_CSUM;
        header[6..8].copy_from_slice(&u16::to_le_bytes(start));
        header[8..10].copy_from_slice(&offset.to_le_bytes());
        harness.device.arrive_with(0, header, &frame(60, 1));
        assert_eq!(harness.pass(&mut rx, &[]), NOTHING, "{start} + {offset}");
    }
    assert_eq!(harness.pass(&mut rx, &[frame(60, 2)]), [frame(60, 2)]);
    let stats = device.stats().unwrap();
    assert_eq!((stats.rx_dropped, stats.rx_packets), (5, 1));
}

/// A program need not check the offset of a checksum that it is to complete.
#[test]
fn a_place_for_the_sum_outside_of_the_frame_is_told_to_nobody() {
    let harness = offered(Interface::Modern);
    let (_device, mut rx, _tx) = harness.start(&asking());
    let mut header = owed();
    header[8..10].copy_from_slice(&25_u16.to_le_bytes());
    harness.device.arrive_with(0, header, &frame(60, 1));
    harness.device.arrive_with(0, owed(), &unfinished(60));
    harness.device.poll();
    let (mut batch, mut checksums) = (Batch::new(4), [Checksum::InFrame; Batch::CAPACITY]);
    assert_eq!(rx.receive_with(&mut batch, &mut checksums), 1);
    assert_eq!((checksums[0], &*batch[0]), (OWED, &*unfinished(60)));
}

#[test]
fn nothing_is_agreed_on_and_headers_are_zero_unless_asked_for() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let harness = offered(interface);
        let (_device, mut rx, mut tx) = harness.start(&Config::default());
        assert_eq!(harness.device.accepted() & (feature::CSUM | feature::GUEST_CSUM), 0);
        // The driver ignores flags that were not negotiated.
        harness.device.arrive_with(0, owed(), &unfinished(100));
        assert_eq!(harness.pass(&mut rx, &[]), [unfinished(100)]);
        let mut batch = harness.batch(&[unfinished(100)]);
        assert_eq!(tx.send_with(&mut batch, &mut [OWED; Batch::CAPACITY]), 1);
        harness.device.poll();
        let left = harness.device.left(0);
        assert!(left[0].header.iter().all(|&byte| byte == 0));
        assert_eq!(sum(&left[0].frame, 34), 0xffff, "it was sent unfinished");
        assert_eq!((tx.send(&mut batch), tx.pending()), (0, 0));
    }
}
