//! The transmit path (sections 7.2, 4.6.8 and 8.2.3.9).

use std::sync::atomic::Ordering;

use crate::harness::*;

const IXSM: u64 = 1 << 40;
const TXSM: u64 = 1 << 41;
const VLE: u64 = 1 << 30;
const TSE: u64 = 1 << 31;

#[test]
fn a_frame_is_sent_and_reported_where_rs_asks_for_it() {
    let (harness, _, mut tx) = Harness::running();
    let silent = tx.data(&harness, &own(60, 1), EOP | IFCS);
    let reported = tx.send(&harness, &own(61, 2));
    harness.poll();
    assert_eq!(harness.sent(), [own(60, 1), own(61, 2)]);
    assert!(!tx.done(silent), "no RS, no DD");
    assert!(tx.done(reported));
    assert_eq!(harness.read(TDH), 2);
}

#[test]
fn nothing_is_sent_before_the_doorbell() {
    let (harness, _, mut tx) = Harness::running();
    tx.data(&harness, &own(60, 1), EOP | IFCS | RS);
    harness.poll();
    assert!(harness.sent().is_empty());
    tx.ring(&harness);
    harness.poll();
    assert_eq!(harness.sent().len(), 1);
}

#[test]
fn frames_go_round_the_ring_in_order() {
    let (harness, _, mut tx) = Harness::running();
    let mut expected = Vec::new();
    for n in 0..100_u8 {
        tx.send(&harness, &own(60 + usize::from(n), n));
        expected.push(own(60 + usize::from(n), n));
        if n % 7 == 0 {
            harness.poll();
        }
    }
    harness.poll();
    assert_eq!(harness.sent(), expected);
    assert_eq!(harness.read(TDH), 100 % 32);
}

#[test]
fn transmission_has_two_gates() {
    let (harness, _, mut tx) = Harness::running();
    let gates = [("DMATXCTL.TE", DMATXCTL, 0, 1), ("TXDCTL.ENABLE", TXDCTL, 0, ENABLE)];
    for (gate, register, closed, open) in gates {
        harness.write(register, closed);
        let at = tx.send(&harness, &own(60, 1));
        harness.poll();
        assert!(!tx.done(at) && harness.sent().is_empty(), "{gate}");
        harness.write(register, open);
        harness.poll();
        assert!(tx.done(at), "{gate}");
        assert_eq!(harness.sent().len(), 1);
    }
}

#[test]
fn a_frame_of_several_descriptors_is_one_frame() {
    let (harness, _, mut tx) = Harness::running();
    let whole = own(300, 5);
    let first = tx.data(&harness, &whole[..100], IFCS);
    let second = tx.data(&harness, &whole[100..101], RS);
    tx.ring(&harness);
    harness.poll();
    assert!(harness.sent().is_empty(), "its end is not there yet");
    let last = tx.data(&harness, &whole[101..], EOP | RS);
    tx.ring(&harness);
    harness.poll();
    assert_eq!(harness.sent(), [whole]);
    assert_eq!([first, second, last].map(|at| tx.done(at)), [false, true, true]);
}

#[test]
fn short_frames_are_padded_while_txpaden_is_set() {
    let (harness, _, mut tx) = Harness::running();
    tx.send(&harness, &own(20, 1));
    harness.poll();
    let mut padded = own(20, 1);
    padded.resize(60, 0);
    assert_eq!(harness.sent(), [padded]);
    harness.clear(HLREG0, 1 << 10);
    tx.send(&harness, &own(20, 1));
    harness.poll();
    assert_eq!(harness.sent(), [own(20, 1)]);
}

#[test]
fn without_ifcs_a_frame_brings_its_own_check_sequence() {
    let (harness, _, mut tx) = Harness::running();
    let mut text = own(60, 3);
    let crc = !text.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    });
    text.extend_from_slice(&crc.to_le_bytes());
    tx.data(&harness, &text, EOP | RS);
    text[10] ^= 1;
    tx.data(&harness, &text, EOP | RS);
    tx.ring(&harness);
    harness.poll();
    assert_eq!(
        harness.sent(),
        [own(60, 3)],
        "the second frame has a wrong checksum, so its receiver drops it"
    );
}

#[test]
fn a_full_wire_holds_frames_back() {
    let (harness, _, mut tx) = Harness::running();
    harness.far(|far| far.room = Some(2));
    let all: Vec<_> = (0..4).map(|n| tx.send(&harness, &own(60, n))).collect();
    harness.poll();
    assert_eq!(harness.sent().len(), 2);
    assert_eq!(all.iter().map(|&at| tx.done(at)).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(harness.read(TDH), 2);
    harness.far(|far| far.room = None);
    harness.poll();
    assert_eq!(harness.sent(), [own(60, 2), own(60, 3)]);
    assert!(tx.done(all[3]));
}

#[test]
fn the_transmit_side_closes_once_everything_is_sent() {
    let (harness, _, mut tx) = Harness::running();
    harness.far(|far| far.room = Some(0));
    tx.send(&harness, &own(60, 1));
    harness.nic.close_transmit();
    harness.poll();
    assert!(!harness.wire.0.lock().unwrap().closed, "a frame is still to be sent");
    harness.far(|far| far.room = None);
    harness.poll();
    assert!(harness.wire.0.lock().unwrap().closed);
    assert_eq!(harness.sent().len(), 1);
}

/// A legacy descriptor's second word.
fn legacy(len: usize, flags: u64) -> u64 {
    len as u64 | flags
}

#[test]
fn legacy_descriptors_send_checksum_and_tag() {
    let (harness, _, mut tx) = Harness::running();
    let iova = tx.buffers.iova();
    assert!(harness.view().write(iova, &own(60, 1)));
    let plain = tx.put(iova.0, legacy(60, EOP | IFCS | RS));
    // IC: sum from byte 20 to the end, put at byte 30.
    tx.put(iova.0, legacy(60, EOP | IFCS | RS | 1 << 26 | 30 << 16 | 20 << 40));
    tx.put(iova.0, legacy(60, EOP | IFCS | RS | VLE | 0x3007 << 48));
    tx.ring(&harness);
    harness.poll();
    assert!(tx.done(plain));
    let sent = harness.sent();
    assert_eq!(sent[0], own(60, 1));
    assert_eq!(ones_complement_sum(&sent[1][20..], Some((10, own(60, 1)[30..32].try_into().unwrap()))), 0);
    assert_eq!(sent[2][12..16], [0x81, 0x00, 0x30, 0x07]);
    assert_eq!(sent[2][16..], own(60, 1)[12..]);
}

/// The sum of `bytes` without the checksum at `at` but with the bytes that were there before: zero when the
/// checksum is right.
fn ones_complement_sum(bytes: &[u8], before: Option<(usize, [u8; 2])>) -> u16 {
    let mut bytes = bytes.to_vec();
    let mut expected = [0, 0];
    if let Some((at, old)) = before {
        expected = [bytes[at], bytes[at + 1]];
        bytes[at..at + 2].copy_from_slice(&old);
    }
    let sum: u32 = bytes.chunks(2).map(|b| u32::from(b[0]) << 8 | u32::from(*b.get(1).unwrap_or(&0))).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16) ^ u16::from_be_bytes(expected)
}

/// A context descriptor's words: lengths of the layers, IPv4 or not, TCP or UDP.
fn context(index: u64, mac: u64, ip: u64, ipv4: bool, l4: u64, vlan: u64) -> (u64, u64) {
    (ip | mac << 9 | vlan << 16, CONTEXT | u64::from(ipv4) << 10 | l4 << 11 | index << 36)
}

/// A packet, the same packet with its checksums as a driver leaves them, its context and its flags.
type Offloaded = (Vec<u8>, Vec<u8>, (u64, u64), u64);

fn offloaded(ipv4: bool, tcp: bool, index: u64) -> Offloaded {
    let builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC);
    let mut whole = Vec::new();
    let payload = b"an odd number of bytes!";
    match (ipv4, tcp) {
        (true, true) => {
            builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1, 2, 3, 4).write(&mut whole, payload)
        }
        (true, false) => builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1, 2).write(&mut whole, payload),
        (false, true) => builder.ipv6([1; 16], [2; 16], 64).tcp(1, 2, 3, 4).write(&mut whole, payload),
        (false, false) => builder.ipv6([1; 16], [2; 16], 64).udp(1, 2).write(&mut whole, payload),
    }
    .unwrap();
    let ip = if ipv4 { 20 } else { 40 };
    let mut asked = whole.clone();
    if ipv4 {
        asked[24..26].copy_from_slice(&[0xaa, 0xaa]);
    }
    // The transport checksum is seeded with the sum of the pseudo header.
    let addresses = if ipv4 { &whole[26..34] } else { &whole[22..54] };
    let length = (whole.len() - 14 - ip) as u32;
    let mut sum: u32 = addresses.chunks(2).map(|b| u32::from(b[0]) << 8 | u32::from(b[1])).sum();
    sum += length + if tcp { 6 } else { 17 };
    sum = (sum & 0xffff) + (sum >> 16);
    let at = 14 + ip + if tcp { 16 } else { 6 };
    asked[at..at + 2].copy_from_slice(&(((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    let flags = if ipv4 { IXSM } else { 0 } | TXSM | index << 36;
    (whole, asked, context(index, 14, ip as u64, ipv4, u64::from(tcp), 0), flags)
}

#[test]
fn checksums_are_inserted_as_the_context_says() {
    let (harness, _, mut tx) = Harness::running();
    for (ipv4, tcp) in [(true, true), (true, false), (false, true), (false, false)] {
        let (whole, asked, (low, high), flags) = offloaded(ipv4, tcp, 0);
        tx.put(low, high);
        let at = tx.data(&harness, &asked, EOP | IFCS | RS | flags);
        tx.ring(&harness);
        harness.poll();
        assert!(tx.done(at));
        assert_eq!(harness.sent(), [whole], "IPv4: {ipv4}, TCP: {tcp}");
    }
}

#[test]
fn a_queue_keeps_two_contexts() {
    let (harness, _, mut tx) = Harness::running();
    let (v4, v6) = (offloaded(true, true, 0), offloaded(false, false, 1));
    tx.put(v4.2.0, v4.2.1);
    tx.put(v6.2.0, v6.2.1);
    for (_, asked, _, flags) in [&v4, &v6, &v4] {
        tx.data(&harness, asked, EOP | IFCS | RS | flags);
    }
    tx.ring(&harness);
    harness.poll();
    assert_eq!(harness.sent(), [v4.0.clone(), v6.0.clone(), v4.0.clone()]);
}

#[test]
fn a_tag_of_the_context_is_inserted() {
    let (harness, _, mut tx) = Harness::running();
    let (low, high) = context(0, 14, 0, false, 0, 0x5123);
    tx.put(low, high);
    tx.data(&harness, &own(60, 1), EOP | IFCS | RS | VLE);
    tx.ring(&harness);
    harness.poll();
    let sent = harness.sent();
    assert_eq!(sent[0][12..16], [0x81, 0x00, 0x51, 0x23]);
    assert_eq!(sent[0].len(), 64);
}

#[test]
fn frames_that_make_no_sense_are_skipped_and_counted() {
    let (harness, _, mut tx) = Harness::running();
    let iova = tx.buffers.iova().0;
    let all = EOP | IFCS | RS;
    let bad = [
        ("no length", iova, DATA | all),
        ("memory that is not mapped", 0x1000, DATA | all | 60),
        ("too long", iova, DATA | all | 20_000),
        ("another kind of descriptor", iova, 7 << 20 | 1 << 29 | all | 60),
        ("offsets outside of the frame", iova, DATA | all | TXSM | 1 << 36 | 60),
        ("segmentation", iova, DATA | all | TSE | 60),
        ("a frame shorter than its header, not padded", iova, legacy(0, all)),
    ];
    tx.put(0xffff, context(1, 100, 300, true, 0, 0).1);
    for (n, (why, low, high)) in bad.into_iter().enumerate() {
        let at = tx.put(low, high);
        let good = tx.send(&harness, &own(60, n as u8));
        harness.poll();
        assert_eq!(harness.nic.bad_descriptors(), n as u64 + 1, "{why}");
        assert!(tx.done(at) && tx.done(good), "{why}: the queue goes on");
        assert_eq!(harness.sent(), [own(60, n as u8)], "{why}");
    }
    assert_eq!(harness.domain.faults(), 1, "the unmapped one");
}

#[test]
fn with_wthresh_write_backs_come_in_groups() {
    let (harness, _, mut tx) = Harness::running();
    harness.write(TXDCTL, ENABLE | 4 << 16);
    let all: Vec<_> = (0..3).map(|n| tx.send(&harness, &own(60, n))).collect();
    harness.nic.poll();
    assert_eq!(harness.sent().len(), 3);
    assert!(all.iter().all(|&at| !tx.done(at)), "three of four");
    let fourth = tx.send(&harness, &own(60, 3));
    harness.nic.poll();
    assert!(all.iter().all(|&at| tx.done(at)) && tx.done(fourth));
}

#[test]
fn what_wthresh_holds_back_comes_when_nothing_follows() {
    let (harness, _, mut tx) = Harness::running();
    harness.write(TXDCTL, ENABLE | 8 << 16);
    let at = tx.send(&harness, &own(60, 1));
    harness.nic.poll();
    assert!(!tx.done(at));
    for _ in 0..3 {
        harness.nic.poll();
    }
    assert!(tx.done(at), "as when the interrupt timer expires (section 7.2.3.5)");
}

#[test]
fn what_wthresh_holds_back_comes_when_it_is_flushed() {
    const SWFLSH: u32 = 1 << 26;
    let (harness, _, mut tx) = Harness::running();
    for control in [ENABLE, 0] {
        harness.write(TXDCTL, ENABLE | 8 << 16);
        let at = tx.send(&harness, &own(60, 1));
        harness.nic.poll();
        harness.write(TXDCTL, control | 8 << 16 | SWFLSH);
        assert_eq!(harness.read(TXDCTL), control | 8 << 16, "the bit clears itself");
        assert!(!tx.done(at));
        assert!(harness.nic.poll() > 0);
        assert!(tx.done(at), "also of a queue that is disabled");
    }
}

#[test]
fn write_backs_in_groups_come_only_where_rs_asks_for_them() {
    let (harness, _, mut tx) = Harness::running();
    harness.write(TXDCTL, ENABLE | 4 << 16);
    let flags = [RS, 0, RS, 0];
    let all = flags.map(|rs| tx.data(&harness, &own(60, 1), EOP | IFCS | rs));
    tx.ring(&harness);
    harness.nic.poll();
    assert_eq!(all.map(|at| tx.done(at)), flags.map(|rs| rs != 0));
}

#[test]
fn a_group_of_write_backs_goes_round_the_ring_and_over_the_parts_of_frames() {
    let (harness, _, mut tx) = Harness::running();
    harness.write(TXDCTL, ENABLE | 3 << 16);
    // Frames of two descriptors each; the last one asks for a report.
    for n in 0..40_u8 {
        tx.data(&harness, &own(60, n)[..30], IFCS);
        let last = tx.data(&harness, &own(60, n)[30..], EOP | RS);
        tx.ring(&harness);
        harness.nic.poll();
        let descriptors = (u32::from(n) + 1) * 2;
        assert_eq!(tx.done(last), descriptors % 3 == 0, "frame {n}");
    }
    assert_eq!(harness.sent().len(), 40);
}

#[test]
fn the_head_is_written_to_memory_instead_of_descriptors() {
    let (harness, _, mut tx) = Harness::running();
    let memory = harness.memory(64);
    harness.write(TDWBAH, (memory.iova().0 >> 32) as u32);
    harness.write(TDWBAL, memory.iova().0 as u32 | 1);
    let head = || u64::from_le(memory.words()[0].load(Ordering::Acquire)) as u32;
    tx.data(&harness, &own(60, 0), EOP | IFCS);
    tx.ring(&harness);
    harness.poll();
    assert_eq!(head(), 0, "nothing asked for a report");
    let all: Vec<_> = (0..3).map(|n| tx.send(&harness, &own(60, n))).collect();
    harness.poll();
    assert_eq!(head(), 4);
    assert!(all.iter().all(|&at| !tx.done(at)), "descriptors stay as they are (section 7.2.3.5.2)");
    assert_eq!(harness.domain.faults(), 0);
}

#[test]
fn queues_take_turns() {
    let (harness, _, mut first) = Harness::running();
    let mut second = harness.tx_ring(127, 32);
    let (a, b) = (first.send(&harness, &own(60, 1)), second.send(&harness, &own(60, 2)));
    harness.poll();
    assert!(first.done(a) && second.done(b));
    let mut sent = harness.sent();
    sent.sort();
    assert_eq!(sent, [own(60, 1), own(60, 2)]);
}

#[test]
fn a_queue_is_not_held_up_by_another_that_takes_all_room_of_the_wire() {
    let (harness, _, mut first) = Harness::running();
    let mut second = harness.tx_ring(127, 32);
    for _ in 0..10 {
        first.send(&harness, &own(60, 1));
        second.send(&harness, &own(60, 2));
    }
    for _ in 0..5 {
        harness.far(|far| far.room = Some(1));
        harness.poll();
    }
    let sent = harness.sent();
    assert_eq!(sent.len(), 5);
    assert!(sent.contains(&own(60, 2)), "the second queue is first in all polls but one of 128");
}

#[test]
fn in_mac_loopback_frames_come_back_and_the_wire_is_cut_off() {
    let (harness, mut rx, mut tx) = Harness::running();
    harness.set(HLREG0, 1 << 15);
    harness.arrives(&own(60, 9));
    let at = tx.send(&harness, &own(60, 1));
    harness.poll();
    assert!(tx.done(at) && harness.sent().is_empty());
    assert_eq!(rx.drain(&harness), [own(60, 1)]);
    harness.clear(HLREG0, 1 << 15);
    harness.poll();
    assert_eq!(rx.drain(&harness), [own(60, 9)], "what arrived meanwhile stayed on the wire");
}

#[test]
fn a_tail_outside_of_the_ring_sends_nothing() {
    let (harness, _, mut tx) = Harness::running();
    tx.data(&harness, &own(60, 1), EOP | IFCS | RS);
    for tail in [32, 0xffff] {
        harness.write(TDT, tail);
        harness.poll();
        assert!(harness.sent().is_empty());
    }
    harness.write(TDT, 1);
    harness.poll();
    assert_eq!(harness.sent().len(), 1);
}
