//! The transmitter's changes to a frame, and the frames that it accepts (sections 7.2.3 to 7.2.5, and 7.4).

use std::sync::atomic::Ordering;

use ixy_dma::Iova;

use crate::harness::*;

const IXSM: u64 = 1 << 40;
const TXSM: u64 = 1 << 41;
const CC: u64 = 1 << 39;
const VLE: u64 = 1 << 30;
const ALL: u64 = EOP | IFCS | RS;

/// CRC32c, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// An SCTP packet without its checksum, and with it.
fn sctp(ipv4: bool) -> (Vec<u8>, Vec<u8>) {
    let mut packet = vec![2, 0, 0, 0, 0, 1];
    packet.extend_from_slice(&MAC);
    let body = 12 + 20_u8;
    if ipv4 {
        packet.extend_from_slice(&[0x08, 0x00, 0x45, 0, 0, 20 + body, 0, 1, 0, 0, 64, 132, 0, 0]);
        packet.extend_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    } else {
        packet.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0, 0, body, 132, 64]);
        packet.extend((0..32).map(|n| n + 1));
    }
    let start = packet.len();
    packet.extend_from_slice(&[0x12, 0x34, 0x56, 0x78, 9, 8, 7, 6, 0, 0, 0, 0]);
    packet.extend((0..20).map(|n| n * 3));
    let mut whole = packet.clone();
    let sum = crc32c(&packet[start..]);
    whole[start + 8..start + 12].copy_from_slice(&sum.to_le_bytes());
    (packet, whole)
}

/// A context's words.
fn context(ip: u64, ipv4: bool, l4: u64, vlan: u64) -> (u64, u64) {
    (ip | 14 << 9 | vlan << 16, CONTEXT | u64::from(ipv4) << 10 | l4 << 11)
}

#[test]
fn the_checksum_of_sctp_is_inserted() {
    let (harness, _, mut tx) = Harness::running();
    for ipv4 in [true, false] {
        let (packet, whole) = sctp(ipv4);
        let (low, high) = context(if ipv4 { 20 } else { 40 }, ipv4, 2, 0);
        tx.put(low, high);
        tx.data(&harness, &packet, ALL | TXSM);
        tx.ring(&harness);
        harness.poll();
        assert_eq!(harness.sent(), [whole], "IPv4: {ipv4}");
    }
    let (packet, _) = sctp(true);
    tx.data(&harness, &packet[..14 + 40 + 11], ALL | TXSM);
    tx.ring(&harness);
    harness.poll();
    assert_eq!((harness.nic.bad_descriptors(), harness.sent().len()), (1, 0), "the header is cut");
}

#[test]
fn the_checksum_of_sctp_is_checked() {
    const L4CS: u64 = 1 << 5;
    const L4E: u64 = 1 << 30;
    let (harness, mut ring, _) = Harness::running();
    for ipv4 in [true, false] {
        let (without, mut whole) = sctp(ipv4);
        let mut bad = whole.clone();
        *bad.last_mut().unwrap() ^= 0x80;
        whole.resize(whole.len() + 6, 0xee); // the padding does not belong to SCTP
        for (frame, verdict) in [(whole, L4CS), (bad, L4CS | L4E), (without, L4CS | L4E)] {
            harness.arrives(&frame);
            harness.poll();
            let (words, _) = ring.take(&harness).unwrap();
            assert_eq!(words[1] & (L4CS | L4E), verdict, "IPv4: {ipv4}");
        }
    }
}

#[test]
fn tags_have_the_type_that_the_transmitter_is_told() {
    let (harness, _, mut tx) = Harness::running();
    assert_eq!(harness.read(DMATXCTL) >> 16, 0x8100, "after a reset");
    let (low, high) = context(0, false, 0, 0x3123);
    for (kind, bytes) in [(0x8100, [0x81, 0x00]), (0x88a8, [0x88, 0xa8])] {
        harness.write(DMATXCTL, kind << 16 | 1);
        tx.put(low, high);
        tx.data(&harness, &own(60, 1), ALL | VLE);
        let iova = Iova(tx.buffers.iova().0 + u64::from(tx.tail) * 2048);
        assert!(harness.view().write(iova, &own(60, 1)));
        tx.put(iova.0, ALL | VLE | 0x3123 << 48 | 60);
        tx.ring(&harness);
        harness.poll();
        let mut expected = own(60, 1);
        expected.splice(12..12, [bytes[0], bytes[1], 0x31, 0x23]);
        assert_eq!(harness.sent(), [expected.clone(), expected], "advanced and legacy");
    }
}

#[test]
fn with_double_vlan_tags_go_behind_the_outer_one() {
    let (harness, _, mut tx) = Harness::running();
    harness.set(DMATXCTL, 1 << 3);
    let (low, high) = context(0, false, 0, 0x3123);
    let mut frame = own(80, 1);
    frame.splice(12..12, [0x88, 0xa8, 0, 1]);
    tx.put(low, high);
    tx.data(&harness, &frame, ALL | VLE);
    tx.ring(&harness);
    harness.poll();
    frame.splice(16..16, [0x81, 0x00, 0x31, 0x23]);
    assert_eq!(harness.sent(), [frame]);
}

#[test]
fn a_tagged_frame_is_padded_after_its_tag_is_in() {
    let (harness, _, mut tx) = Harness::running();
    let (low, high) = context(0, false, 0, 7);
    tx.put(low, high);
    tx.data(&harness, &own(40, 1), ALL | VLE);
    tx.ring(&harness);
    harness.poll();
    let sent = harness.sent();
    assert_eq!(sent[0].len(), 60);
    assert_eq!((&sent[0][16..44], &sent[0][44..]), (&own(40, 1)[12..], &[0; 16][..]));
}

/// A UDP packet over IPv6, whose checksum field holds `seed`.
fn udp6(seed: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0];
    let length = 8 + payload.len() as u16;
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[17, 64]);
    packet.extend_from_slice(&[0x20; 32]);
    packet.extend_from_slice(&[0, 1, 0, 2]);
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&seed.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

#[test]
fn a_udp_checksum_of_zero_is_sent_as_all_ones_and_a_tcp_one_as_it_is() {
    let (harness, _, mut tx) = Harness::running();
    // The header and these bytes sum to all ones: 1 + 2 + 12 + seed.
    let packet = udp6(0xffff - 15, &[0; 4]);
    for (l4, at, expected) in [(0, 60, [0xff, 0xff]), (1, 70, [0, 0])] {
        let (low, high) = context(40, false, l4, 0);
        tx.put(low, high);
        let mut packet = packet.clone();
        packet.resize(80, 0);
        tx.data(&harness, &packet, ALL | TXSM);
        tx.ring(&harness);
        harness.poll();
        assert_eq!(harness.sent()[0][at..at + 2], expected, "L4T {l4}");
    }
}

#[test]
fn ipv6_has_no_header_checksum_to_insert() {
    let (harness, _, mut tx) = Harness::running();
    let packet = udp6(0x1234, &[1; 20]);
    let (low, high) = context(40, false, 0, 0);
    tx.put(low, high);
    tx.data(&harness, &packet, ALL | IXSM);
    tx.ring(&harness);
    harness.poll();
    assert_eq!(harness.sent(), [packet]);
}

#[test]
fn a_checked_context_changes_nothing_without_pools() {
    let (harness, _, mut tx) = Harness::running();
    let (low, high) = context(20, true, 1, 5);
    tx.put(low, high);
    tx.data(&harness, &own(60, 1), ALL | CC);
    tx.ring(&harness);
    harness.poll();
    assert_eq!(harness.sent(), [own(60, 1)]);
}

#[test]
fn a_frame_has_at_most_40_descriptors() {
    let (harness, _, _) = Harness::running();
    let mut tx = harness.tx_ring(1, 64);
    for (parts, good) in [(40, true), (41, false), (40, true)] {
        let whole = own(parts * 5, parts as u8);
        for (n, part) in whole.chunks(5).enumerate() {
            let last = if n + 1 == parts { EOP | RS } else { 0 };
            tx.data(&harness, part, last | if n == 0 { IFCS } else { 0 });
        }
        tx.ring(&harness);
        harness.poll();
        assert_eq!(harness.sent(), if good { vec![whole] } else { vec![] }, "{parts}");
    }
    assert_eq!(harness.nic.bad_descriptors(), 1);
}

#[test]
fn a_frame_has_at_most_15872_bytes_however_they_are_cut() {
    let (harness, _, mut tx) = Harness::running();
    let memory = harness.memory(16_384);
    for (len, good) in [(9014, true), (15_872, true), (15_873, false)] {
        let whole = own(len, 3);
        assert!(harness.view().write(memory.iova(), &whole));
        for cut in [len, 2048, 15_000] {
            let ends: Vec<usize> = (1..).map(|n| n * cut).take_while(|&end| end < len).chain([len]).collect();
            let mut start = 0;
            for end in ends {
                let last = if end == len { EOP | RS } else { 0 };
                tx.put(memory.iova().0 + start as u64, DATA | IFCS | last | (end - start) as u64);
                start = end;
            }
            tx.ring(&harness);
            harness.poll();
            assert_eq!(harness.sent(), if good { vec![whole.clone()] } else { vec![] }, "{len}, {cut}");
        }
    }
    assert_eq!(harness.nic.bad_descriptors(), 3);
}

#[test]
fn kinds_of_descriptors_do_not_mix_inside_of_a_frame() {
    let (harness, _, mut tx) = Harness::running();
    let iova = tx.buffers.iova().0;
    let legacy = 30;
    let (_, context) = context(20, true, 1, 0);
    let others = [
        ("legacy after data", DATA | IFCS | 30, legacy | EOP | RS),
        ("data after legacy", legacy | IFCS, DATA | EOP | RS | 30),
        ("an unknown kind after data", DATA | IFCS | 30, 5 << 20 | 1 << 29 | EOP | RS | 30),
        ("a context after data", DATA | IFCS | 30, context | EOP | RS),
    ];
    for (n, (why, first, second)) in others.into_iter().enumerate() {
        tx.put(iova, first);
        let last = tx.put(iova, second);
        let good = tx.send(&harness, &own(60, 1));
        harness.poll();
        assert_eq!(harness.sent(), [own(60, 1)], "{why}");
        assert!(tx.done(last) && tx.done(good), "{why}");
        assert_eq!(harness.nic.bad_descriptors(), n as u64 + 1, "{why}");
    }
}

#[test]
fn a_context_is_reported_only_where_it_asks_for_it() {
    let (harness, _, mut tx) = Harness::running();
    let (low, high) = context(20, true, 1, 0);
    let silent = tx.put(low, high);
    let reported = tx.put(low, high | RS);
    tx.ring(&harness);
    harness.poll();
    assert!(!tx.done(silent) && tx.done(reported));
    assert_eq!(
        u64::from_le(tx.ring.words()[silent as usize * 2].load(Ordering::Relaxed)),
        low,
        "it stays as it is"
    );
}
