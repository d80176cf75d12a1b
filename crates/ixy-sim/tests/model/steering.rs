//! Filters that choose a frame's queue before RSS does (section 7.1.2).

use std::time::Duration;

use ixy_sim::Builder;

use crate::harness::*;

pub(crate) const ETQF: u32 = 0x05128;
const ETQS: u32 = 0x0EC00;
const SYNQF: u32 = 0x0EC30;
const SAQF: u32 = 0x0E000;
const DAQF: u32 = 0x0E200;
const SDPQF: u32 = 0x0E400;
const FTQF: u32 = 0x0E600;
const L34TIMIR: u32 = 0x0E800;

const ON: u32 = 1 << 31;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// A device with queues 0 to 15, with RSS hashing everything to queue 15.
pub(crate) fn harness() -> (Harness, Vec<RxRing>) {
    harness_with(|builder| builder)
}

fn harness_with(change: impl FnOnce(Builder) -> Builder) -> (Harness, Vec<RxRing>) {
    let (harness, first, _) = Harness::running_with(change);
    for n in 0..32 {
        harness.write(RETA + 4 * n, 0x0f0f_0f0f);
    }
    harness.write(MRQC, 1 | 0x00f3_0000);
    harness.write(RXCSUM, 1 << 13);
    let rings = std::iter::once(first).chain((1..16).map(|q| harness.rx_ring(q, 32))).collect();
    (harness, rings)
}

/// The queue that a frame arrives at, with its descriptor.
pub(crate) fn arrives(harness: &Harness, rings: &mut [RxRing], frame: &[u8]) -> (usize, [u64; 2]) {
    harness.arrives(frame);
    harness.poll();
    let mut found = rings.iter_mut().enumerate().filter_map(|(q, ring)| Some((q, ring.take(harness)?)));
    let (q, (words, bytes)) = found.next().expect("the frame is in a queue");
    assert!(found.next().is_none(), "and in one only");
    assert_eq!(bytes, frame);
    (q, words)
}

pub(crate) const SOURCE: [u8; 4] = [10, 1, 2, 3];
pub(crate) const DESTINATION: [u8; 4] = [192, 168, 4, 5];

fn ethernet() -> etherparse::PacketBuilderStep<etherparse::Ethernet2Header> {
    etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC)
}

pub(crate) fn tcp(flags: u8, ports: (u16, u16)) -> Vec<u8> {
    let mut frame = Vec::new();
    let tcp = ethernet().ipv4(SOURCE, DESTINATION, 64).tcp(ports.0, ports.1, 7, 100);
    let tcp = if flags & SYN != 0 { tcp.syn() } else { tcp };
    let tcp = if flags & ACK != 0 { tcp.ack(9) } else { tcp };
    tcp.write(&mut frame, &[0; 20]).unwrap();
    frame
}

pub(crate) fn udp(ports: (u16, u16)) -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet().ipv4(SOURCE, DESTINATION, 64).udp(ports.0, ports.1).write(&mut frame, &[0; 20]).unwrap();
    frame
}

/// An IPv4 packet of an unknown protocol.
fn other() -> Vec<u8> {
    let mut frame = Vec::new();
    let protocol = etherparse::IpNumber::from(89);
    ethernet().ipv4(SOURCE, DESTINATION, 64).write(&mut frame, protocol, &[0; 40]).unwrap();
    frame
}

fn v6() -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet().ipv6([1; 16], [2; 16], 64).tcp(80, 81, 7, 100).syn().write(&mut frame, &[0; 20]).unwrap();
    frame
}

fn of_type(kind: u16, tag: Option<u16>) -> Vec<u8> {
    let mut frame = own(64, 1);
    frame[12..14].copy_from_slice(&kind.to_be_bytes());
    if let Some(tag) = tag {
        let tag = tag.to_be_bytes();
        frame.splice(12..12, [0x81, 0, tag[0], tag[1]]);
    }
    frame
}

#[test]
fn an_ethertype_filter_sends_its_frames_to_its_queue_and_says_so() {
    let (harness, mut rings) = harness();
    harness.write(ETQF + 4 * 5, ON | 0x88cc);
    harness.write(ETQS + 4 * 5, ON | 6 << 16);
    let (q, words) = arrives(&harness, &mut rings, &of_type(0x88cc, None));
    assert_eq!(q, 6);
    assert_eq!(words[0] >> 4 & 0x1fff, 1 << 11 | 5, "packet type: the number of the filter");
    assert_eq!(words[0] & 0xf, 0, "no hash");
    assert_eq!(arrives(&harness, &mut rings, &of_type(0x88cc, Some(5))).0, 6, "behind a tag");
    assert_eq!(arrives(&harness, &mut rings, &of_type(0x88cd, None)).0, 0, "another type");
    harness.write(ETQF + 4 * 5, 0x88cc);
    let (q, words) = arrives(&harness, &mut rings, &of_type(0x88cc, None));
    assert_eq!((q, words[0] >> 4 & 0x1fff), (0, 0), "FILTER_EN is off");
}

#[test]
fn an_ethertype_filter_without_a_queue_only_says_that_it_matched() {
    let (harness, mut rings) = harness();
    harness.write(ETQF + 4 * 3, ON | 1 << 30 | 0x88f7);
    harness.write(ETQS + 4 * 3, 6 << 16);
    let (q, words) = arrives(&harness, &mut rings, &of_type(0x88f7, None));
    assert_eq!((q, words[0] >> 4 & 0x1fff), (0, 1 << 11 | 3));
}

#[test]
fn an_ethertype_filter_can_ask_for_a_priority() {
    let (harness, mut rings) = harness();
    harness.write(ETQF, ON | 1 << 19 | 3 << 16 | 0x8906);
    harness.write(ETQS, ON | 2 << 16);
    assert_eq!(arrives(&harness, &mut rings, &of_type(0x8906, Some(3 << 13 | 9))).0, 2);
    assert_eq!(arrives(&harness, &mut rings, &of_type(0x8906, Some(4 << 13 | 9))).0, 0);
    assert_eq!(arrives(&harness, &mut rings, &of_type(0x8906, None)).0, 0, "without a tag");
}

#[test]
fn packets_with_syn_have_a_queue_of_their_own() {
    let (harness, mut rings) = harness();
    harness.write(SYNQF, 1 | 9 << 1);
    assert_eq!(arrives(&harness, &mut rings, &tcp(SYN, (5, 6))).0, 9);
    assert_eq!(arrives(&harness, &mut rings, &tcp(SYN | ACK, (5, 6))).0, 9);
    assert_eq!(arrives(&harness, &mut rings, &v6()).0, 9);
    assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, (5, 6))).0, 15);
    let mut datagram = udp((5, 6));
    // At the offset of the TCP flags.
    datagram[14 + 20 + 13] = 2;
    assert_eq!(arrives(&harness, &mut rings, &datagram).0, 15);
    harness.write(SYNQF, 9 << 1);
    assert_eq!(arrives(&harness, &mut rings, &tcp(SYN, (5, 6))).0, 15, "off");
}

/// Writes 5-tuple filter `n` for packets from [`SOURCE`]:1000 to [`DESTINATION`]:2000.
fn tuple(harness: &Harness, n: u32, control: u32, queue: u32) {
    harness.write(SAQF + 4 * n, u32::from_le_bytes(SOURCE));
    harness.write(DAQF + 4 * n, u32::from_le_bytes(DESTINATION));
    // Ports are in wire order: 1000 is 0x03e8, 2000 is 0x07d0.
    harness.write(SDPQF + 4 * n, 0xd007_e803);
    harness.write(L34TIMIR + 4 * n, queue << 21 | 0x8_0000);
    harness.write(FTQF + 4 * n, ON | control);
}

const PORTS: (u16, u16) = (1000, 2000);

#[test]
fn a_5_tuple_filter_sends_what_it_matches_to_its_queue() {
    let (harness, mut rings) = harness();
    tuple(&harness, 127, 1 << 2, 7);
    let (q, words) = arrives(&harness, &mut rings, &tcp(ACK, PORTS));
    assert_eq!((q, words[0]), (7, (1 | 1 << 4) << 4), "no hash, and the packet's own type");
    assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, (1000, 2001))).0, 15, "destination port");
    assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, (1001, 2000))).0, 15, "source port");
    assert_eq!(arrives(&harness, &mut rings, &udp(PORTS)).0, 15, "protocol");
    harness.write(SAQF + 4 * 127, u32::from_le_bytes([10, 1, 2, 4]));
    assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, PORTS)).0, 15, "source");
    tuple(&harness, 127, 1 << 2, 7);
    harness.write(DAQF + 4 * 127, u32::from_le_bytes([192, 168, 4, 6]));
    assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, PORTS)).0, 15, "destination");
    tuple(&harness, 127, 1 << 2, 7);
    harness.clear(FTQF + 4 * 127, ON);
    assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, PORTS)).0, 15, "off");
}

#[test]
fn what_a_5_tuple_filter_masks_it_does_not_compare() {
    let (harness, mut rings) = harness();
    for (control, frame) in [
        (1, udp(PORTS)),
        (1 << 28, tcp(ACK, (1000, 2001))),
        (1 << 27, tcp(ACK, (1001, 2000))),
        (1 << 29, udp(PORTS)),
        (3 | 1 << 27 | 1 << 28, other()),
    ] {
        tuple(&harness, 0, control, 7);
        assert_eq!(arrives(&harness, &mut rings, &frame).0, 7, "{control:#x}");
    }
    tuple(&harness, 0, 3, 7);
    assert_eq!(arrives(&harness, &mut rings, &other()).0, 15, "it has no ports");
    for (mask, register) in [(1 << 25, SAQF), (1 << 26, DAQF)] {
        tuple(&harness, 0, mask, 7);
        harness.write(register, 0);
        assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, PORTS)).0, 7, "{mask:#x}");
    }
    tuple(&harness, 0, 5 << 8, 7);
    assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, PORTS)).0, 15, "of another pool");
    tuple(&harness, 0, 5 << 8 | 1 << 30, 7);
    assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, PORTS)).0, 7, "of any pool");
}

#[test]
fn fragments_and_ipv6_are_not_for_5_tuple_filters() {
    let (harness, mut rings) = harness();
    let everything = 0x1f << 25 | 1 << 30;
    tuple(&harness, 0, everything, 7);
    assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, (1, 2))).0, 7);
    assert_eq!(arrives(&harness, &mut rings, &v6()).0, 15);
    let mut fragment = udp(PORTS);
    fragment[20] = 0x20; // more fragments
    assert_eq!(arrives(&harness, &mut rings, &fragment).0, 15);
}

#[test]
fn the_5_tuple_filter_with_the_highest_priority_wins_and_the_first_among_equals() {
    let (harness, mut rings) = harness();
    tuple(&harness, 1, 2 << 2, 1);
    tuple(&harness, 2, 6 << 2, 2);
    tuple(&harness, 3, 6 << 2, 3);
    assert_eq!(arrives(&harness, &mut rings, &tcp(ACK, PORTS)).0, 2);
}

#[test]
fn ethertype_filters_come_first_then_syn_or_5_tuple_filters() {
    let (harness, mut rings) = harness();
    tuple(&harness, 0, 1 << 2, 7);
    harness.write(SYNQF, 1 | 9 << 1);
    assert_eq!(arrives(&harness, &mut rings, &tcp(SYN, PORTS)).0, 7);
    harness.write(SYNQF, 1 | 9 << 1 | 1 << 31);
    assert_eq!(arrives(&harness, &mut rings, &tcp(SYN, PORTS)).0, 9, "SYNQFP");
    harness.write(ETQS, ON | 4 << 16);
    harness.write(ETQF, ON | 0x0800);
    assert_eq!(arrives(&harness, &mut rings, &tcp(SYN, PORTS)).0, 4);
    harness.write(CTRL, 1 << 26);
    assert_eq!([ETQF, ETQS, SYNQF, FTQF].map(|register| harness.read(register)), [0; 4], "off after a reset");
}

/// Whether a frame for queue `q` interrupts although the throttle has just started; prints the result itself.
fn interrupts_at_once(harness: &Harness, rings: &mut [RxRing], frame: &[u8]) -> bool {
    const EIMS_EX: u32 = 0x00AA0;
    const VECTOR: u32 = 3;
    harness.write(GPIE, 1 << 4 | 1 << 30 | 1 << 31);
    harness.write(EIAC, 0xffff);
    harness.write(EIMS_EX, u32::MAX);
    // Queues 6 and 7 have vector 3.
    harness.write(IVAR + 4 * 3, 0x0083_0083);
    harness.write(EITR + 4 * VECTOR, harness.read(EITR + 4 * VECTOR) & 1 << 15 | 100 << 3);
    let before = harness.vectors.take();
    arrives(harness, rings, frame);
    let first = harness.vectors.take();
    assert_eq!(first, [VECTOR], "the first comes at once, after {before:?}");
    let (_, words) = arrives(harness, rings, frame);
    let raised = !harness.vectors.take().is_empty();
    if harness.read(EITR + 4 * VECTOR) & 1 << 15 == 0 {
        assert_eq!(words[1] >> 11 & 1 == 1, raised, "LLINT in the status");
    }
    raised
}

#[test]
fn frames_that_a_filter_marks_interrupt_at_once() {
    const LLITHRESH: u32 = 0x0EC90;
    let (harness, mut rings) = harness_with(|builder| builder.clock(|| Duration::from_secs(1)));
    let frame = of_type(0x88cc, None);
    harness.write(ETQF, ON | 0x88cc);
    harness.write(ETQS, ON | 6 << 16);
    assert!(!interrupts_at_once(&harness, &mut rings, &frame), "no filter marks it");
    harness.write(ETQS, ON | 6 << 16 | 1 << 29);
    assert!(interrupts_at_once(&harness, &mut rings, &frame), "EtherType");
    harness.write(EITR + 4 * 3, 1 << 15);
    assert!(!interrupts_at_once(&harness, &mut rings, &frame), "LLI_MOD: moderated, too");
    harness.write(EITR + 4 * 3, 0);

    let frame = tcp(ACK, PORTS);
    tuple(&harness, 0, 1 << 2, 7);
    assert!(!interrupts_at_once(&harness, &mut rings, &frame));
    harness.write(L34TIMIR, 7 << 21 | 1 << 20 | 1 << 12);
    assert!(interrupts_at_once(&harness, &mut rings, &frame), "of any size");
    harness.write(L34TIMIR, 7 << 21 | 1 << 20);
    assert!(!interrupts_at_once(&harness, &mut rings, &frame), "shorter than 0");
    harness.write(LLITHRESH, frame.len() as u32 + 1);
    assert!(interrupts_at_once(&harness, &mut rings, &frame), "short enough");
    harness.write(LLITHRESH, frame.len() as u32);
    assert!(!interrupts_at_once(&harness, &mut rings, &frame), "too long");
}
