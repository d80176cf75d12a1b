//! The receive path (sections 7.1, 4.6.7 and 8.2.3.8).

use crate::harness::*;

const EOP_STATUS: u64 = 2;

#[test]
fn a_frame_is_written_to_the_next_buffer_and_its_descriptor_written_back() {
    let (harness, mut ring, _) = Harness::running();
    let before = ring.words(1);
    harness.arrives(&own(60, 7));
    harness.poll();
    assert_eq!(harness.read(RDH), 1);
    let (words, bytes) = ring.take(&harness).unwrap();
    assert_eq!(bytes, own(60, 7));
    assert_eq!(words[1] & 3, 3, "DD and EOP");
    assert_eq!(words[1] >> 32 & 0xffff, 60, "the check sequence is stripped");
    assert_eq!(words[0], 0, "no hash, no protocol");
    assert_eq!(ring.words(1), before, "only that one");
}

#[test]
fn frames_fill_the_ring_in_order_and_go_round() {
    let (harness, mut ring, _) = Harness::running();
    for round in 0..5_u8 {
        let frames: Vec<_> = (0..20).map(|n| own(60 + usize::from(n), round * 20 + n)).collect();
        frames.iter().for_each(|frame| harness.arrives(frame));
        harness.poll();
        assert_eq!(ring.drain(&harness), frames);
    }
    assert_eq!(harness.read(RDH), 100 % 32);
    assert_eq!(harness.domain.faults(), 0);
}

#[test]
fn reception_has_three_gates() {
    let (harness, mut ring, _) = Harness::running();
    harness.far(|far| far.waits = true);
    let gates = [
        ("RXCTRL.RXEN", RXCTRL, 0, 1),
        ("SECRXCTRL.RX_DIS", SECRXCTRL, 2, 0),
        ("RXDCTL.ENABLE", RXDCTL, 0, ENABLE),
    ];
    for (gate, register, closed, open) in gates {
        harness.write(register, closed);
        harness.arrives(&own(60, 1));
        harness.poll();
        assert!(ring.peek(&harness).is_none(), "{gate}");
        harness.write(register, open);
        harness.poll();
        assert_eq!(ring.drain(&harness), [own(60, 1)], "{gate}");
    }
}

#[test]
fn the_last_free_descriptor_is_the_one_before_the_tail() {
    let (harness, mut ring, _) = Harness::running();
    harness.far(|far| far.waits = true);
    for n in 0..40 {
        harness.arrives(&own(60, n));
    }
    harness.poll();
    assert_eq!(harness.read(RDH), 31, "head meets tail: none is free");
    assert_eq!(ring.words(31)[1] & 1, 0, "the descriptor at the tail is not the device's");
    harness.poll();
    assert_eq!(harness.wire.0.lock().unwrap().arriving.len(), 9, "the others stay on a wire that waits");
    let mut got = ring.drain(&harness);
    harness.poll();
    got.extend(ring.drain(&harness));
    assert_eq!(got, (0..40).map(|n| own(60, n)).collect::<Vec<_>>(), "nothing is lost");
    assert_eq!((harness.read(QPRDC), harness.read(MPC)), (0, 0));
}

#[test]
fn a_long_frame_takes_several_descriptors() {
    let (harness, mut ring, _) = Harness::running();
    harness.write(HLREG0, harness.read(HLREG0) | 1 << 2);
    harness.write(MAXFRS, 9018 << 16);
    let long = own(5000, 3);
    harness.arrives(&long);
    harness.poll();
    let parts: Vec<_> = std::iter::from_fn(|| ring.take(&harness)).collect();
    let ends: Vec<bool> = parts.iter().map(|(words, _)| words[1] & EOP_STATUS != 0).collect();
    assert_eq!(ends, [false, false, true]);
    assert_eq!(parts.iter().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>(), [2048, 2048, 904]);
    assert_eq!(parts.into_iter().flat_map(|(_, bytes)| bytes).collect::<Vec<_>>(), long);
}

#[test]
fn only_the_last_descriptor_of_a_frame_says_what_is_in_it() {
    let (harness, mut ring, _) = Harness::running();
    harness.write(HLREG0, harness.read(HLREG0) | 1 << 2);
    harness.write(MAXFRS, 9018 << 16);
    let mut long = Vec::new();
    etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1000, 1)
        .write(&mut long, &[0x5a; 3000])
        .unwrap();
    harness.arrives(&long);
    harness.poll();
    let (first, _) = ring.take(&harness).unwrap();
    assert_eq!((first[0], first[1] & 0xffff_ffff, first[1] >> 48), (0, 1, 0), "DD alone, and the length");
    let (last, _) = ring.take(&harness).unwrap();
    assert_eq!(last[0] >> 4 & 0xfff, 1 | 1 << 5, "IPv4, UDP");
    assert_ne!(last[1] & 1 << 6, 0, "IPCS");
}

#[test]
fn a_long_frame_waits_until_it_fits_whole() {
    let (harness, mut ring, _) = Harness::running();
    harness.far(|far| far.waits = true);
    harness.write(HLREG0, harness.read(HLREG0) | 1 << 2);
    harness.write(MAXFRS, 9018 << 16);
    for n in 0..30 {
        harness.arrives(&own(60, n));
    }
    harness.arrives(&own(4000, 30));
    harness.poll();
    assert_eq!(harness.read(RDH), 30, "one descriptor is free and two are needed");
    assert_eq!(ring.drain(&harness).len(), 30);
    harness.poll();
    assert_eq!(ring.drain(&harness).concat(), own(4000, 30));
}

#[test]
fn buffers_are_as_long_as_srrctl_says() {
    let (harness, mut ring, _) = Harness::running();
    harness.write(SRRCTL, 1 << 25 | 1);
    harness.arrives(&own(1500, 3));
    harness.poll();
    let lengths: Vec<_> = std::iter::from_fn(|| ring.take(&harness)).map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(lengths, [1024, 476], "BSIZEPACKET counts KB");
}

#[test]
fn the_check_sequence_is_kept_when_nobody_strips_it() {
    let (harness, mut ring, _) = Harness::running();
    harness.clear(HLREG0, 1 << 1);
    let mut text = b"123456789".to_vec();
    text.resize(60, 0);
    text[..6].copy_from_slice(&MAC);
    harness.arrives(&text);
    harness.poll();
    let (_, bytes) = ring.take(&harness).unwrap();
    assert_eq!(bytes.len(), 64);
    assert_eq!(bytes[..60], text[..]);
    // CRC-32, bit by bit.
    let crc = !text.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    });
    assert_eq!(bytes[60..], crc.to_le_bytes());
    harness.set(RDRXCTL, 1 << 1);
    harness.arrives(&text);
    harness.poll();
    assert_eq!(ring.take(&harness).unwrap().1.len(), 60, "RDRXCTL.CRCSTRIP");
}

#[test]
fn without_a_descriptor_a_queue_with_drop_en_drops_and_counts() {
    let (harness, mut ring, _) = Harness::running();
    harness.write(SRRCTL, ONE_BUFFER | DROP_EN);
    for n in 0..40 {
        harness.arrives(&own(60, n));
    }
    // One poll is enough: no frame is kept for later.
    assert_eq!(harness.nic.poll(), 40);
    assert!(harness.wire.0.lock().unwrap().arriving.is_empty(), "this wire does not wait");
    assert_eq!(ring.drain(&harness).len(), 31);
    assert_eq!(harness.read(QPRDC), 9);
    assert_eq!(harness.read(MPC), 0);
    assert_eq!(harness.read(QPRC), 31);
    assert_eq!(harness.read(GPRC), 40, "good packets count the missed ones too (erratum)");
}

#[test]
fn without_drop_en_the_packet_buffer_fills_then_overflows() {
    let (harness, mut ring, _) = Harness::running();
    harness.write(RXPBSIZE, 1 << 10); // 1 KB
    for n in 0..60 {
        harness.arrives(&own(100, n));
    }
    harness.poll();
    harness.poll();
    assert_eq!(harness.read(MPC), 60 - 31 - 10, "ten frames of 100 bytes fit into 1 KB");
    assert_eq!(harness.read(GPRC), 60, "missed frames count as good (erratum)");
    assert_eq!(harness.read(QPRDC), 0);
    let mut got = ring.drain(&harness);
    harness.poll();
    got.extend(ring.drain(&harness));
    assert_eq!(got, (0..41).map(|n| own(100, n)).collect::<Vec<_>>(), "what was buffered comes first");
    assert_eq!(harness.read(EICR) & 1 << 17, 1 << 17, "receive miss");
}

#[test]
fn a_queue_that_starts_to_drop_lets_go_of_what_waits_for_it() {
    let (harness, mut ring, _) = Harness::running();
    for n in 0..40 {
        harness.arrives(&own(60, n));
    }
    harness.poll();
    assert_eq!(harness.read(QPRDC), 0, "nine frames wait");
    harness.write(SRRCTL, ONE_BUFFER | DROP_EN);
    harness.poll();
    assert_eq!(harness.read(QPRDC), 9);
    assert_eq!(ring.drain(&harness).len(), 31);
    harness.poll();
    assert!(ring.drain(&harness).is_empty());
}

#[test]
fn a_queue_that_goes_off_lets_go_of_what_waits_for_it() {
    let (harness, _first, mut second) = stalled();
    harness.write(RXDCTL, 0);
    harness.poll();
    assert_eq!(second.drain(&harness), [udp(1)], "the other queue goes on");
    assert_eq!(harness.read(QPRDC), 9, "and the others are dropped (section 4.6.7.1.1)");
}

#[test]
fn a_damaged_frame_that_waits_for_a_descriptor_counts_once() {
    let (harness, mut ring, _) = Harness::running();
    harness.far(|far| far.waits = true);
    harness.set(FCTRL, 1 << 1);
    for n in 0..31 {
        harness.arrives(&own(60, n));
    }
    harness.arrives(&own(1600, 0));
    for _ in 0..3 {
        harness.poll();
    }
    assert_eq!(ring.drain(&harness).len(), 31);
    harness.poll();
    assert_eq!(ring.drain(&harness), [own(1600, 0)], "FCTRL.SBP");
    assert_eq!((harness.read(ROC), harness.read(TPR)), (1, 32));
    assert_eq!(harness.read(GPRC), 31, "it does not count as good");
}

#[test]
fn a_stalled_queue_stops_the_others_unless_it_drops() {
    let (harness, mut first, mut second) = stalled();
    harness.poll();
    assert_eq!((first.drain(&harness).len(), second.drain(&harness).len()), (9, 1), "none was lost");
    harness.write(SRRCTL, ONE_BUFFER | DROP_EN);
    for n in 0..40 {
        harness.arrives(&udp(n * 2));
    }
    harness.arrives(&udp(1));
    harness.poll();
    assert_eq!(
        (first.drain(&harness).len(), second.drain(&harness).len()),
        (31, 1),
        "the first one dropped its own"
    );
}

/// Two queues: the first has taken 31 of 40 frames and so holds up nine, and one for the second queue.
fn stalled() -> (Harness, RxRing, RxRing) {
    let (harness, mut first, _) = Harness::running();
    rss_by_last_port_bit(&harness);
    let mut second = harness.rx_ring(1, 32);
    for n in 0..40 {
        harness.arrives(&udp(n * 2));
    }
    harness.arrives(&udp(1));
    harness.poll();
    assert_eq!((first.drain(&harness).len(), second.drain(&harness).len()), (31, 0), "head of line");
    (harness, first, second)
}

/// RSS with a key that makes the hash the lowest bit of the destination port: queue 0 or 1.
fn rss_by_last_port_bit(harness: &Harness) {
    for n in 0..10 {
        harness.write(RSSRK + 4 * n, 0);
    }
    // Bit 95 of the input is the port's lowest bit. It uses key bits 95 to 126; bit 126 alone gives the hash 1.
    harness.write(RSSRK + 4 * 3, 1 << 25);
    for n in 0..32 {
        harness.write(RETA + 4 * n, 0x0100_0100);
    }
    harness.write(MRQC, 1 | 1 << 22);
}

/// A UDP frame over IPv4 to port `port`.
pub(crate) fn udp(port: u16) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1000, port);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[0x5a; 18]).unwrap();
    frame
}

#[test]
fn the_write_back_says_what_the_packet_is_and_whether_its_checksums_are_right() {
    const IPCS: u64 = 1 << 6;
    const L4CS: u64 = 1 << 5;
    const UDPCS: u64 = 1 << 4;
    const L4E: u64 = 1 << 30;
    const IPE: u64 = 1 << 31;
    let (harness, mut ring, _) = Harness::running();
    let status = |ring: &mut RxRing, frame: &[u8]| {
        harness.arrives(frame);
        harness.poll();
        let (words, _) = ring.take(&harness).unwrap();
        (words[0] >> 4 & 0xfff, words[1] & 0xffff_fffc)
    };
    let good = udp(1);
    assert_eq!(status(&mut ring, &good), (1 | 1 << 5, IPCS | L4CS | UDPCS), "IPv4, UDP");
    let mut bad = good.clone();
    bad[50] ^= 1;
    assert_eq!(status(&mut ring, &bad).1, IPCS | L4CS | UDPCS | L4E);
    let mut bad = good.clone();
    bad[15] ^= 1;
    assert_eq!(status(&mut ring, &bad).1 & (IPCS | IPE), IPCS | IPE);
    let mut none = good.clone();
    none[40..42].fill(0);
    assert_eq!(status(&mut ring, &none).1, IPCS, "no UDP checksum was sent");
    let mut tcp = Vec::new();
    etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC)
        .ipv6([1; 16], [2; 16], 64)
        .tcp(1, 2, 3, 4)
        .write(&mut tcp, b"text")
        .unwrap();
    assert_eq!(status(&mut ring, &tcp), (1 << 2 | 1 << 4, L4CS), "IPv6, TCP");
}

#[test]
fn a_vlan_tag_is_taken_out_where_the_queue_wants_that() {
    let (harness, mut ring, _) = Harness::running();
    let mut tagged = own(60, 1);
    tagged.splice(12..12, [0x81, 0x00, 0x20, 0x05]);
    harness.arrives(&tagged);
    harness.poll();
    assert_eq!(ring.take(&harness).unwrap().1, tagged, "RXDCTL.VME is off");
    harness.write(RXDCTL, ENABLE | 1 << 30);
    harness.arrives(&tagged);
    harness.arrives(&own(60, 2));
    harness.poll();
    let (words, bytes) = ring.take(&harness).unwrap();
    assert_eq!(bytes, own(60, 1));
    assert_eq!((words[1] & 1 << 3, words[1] >> 48), (1 << 3, 0x2005), "VP, and the tag");
    assert_eq!(ring.take(&harness).unwrap().0[1] & 1 << 3, 0, "a frame without a tag");
}

#[test]
fn legacy_descriptors_keep_the_buffers_address() {
    let (harness, ring, _) = Harness::running();
    harness.write(SRRCTL, 2);
    let before = ring.words(0);
    harness.arrives(&own(60, 9));
    harness.poll();
    let words = ring.words(0);
    assert_eq!(words[0], before[0]);
    assert_eq!(words[1], 60 | 3 << 32, "length, DD and EOP (section 7.1.5)");
}

#[test]
fn the_input_has_ended_when_everything_is_in_memory() {
    let (harness, mut ring, _) = Harness::running();
    harness.far(|far| (far.waits, far.ended) = (true, true));
    for n in 0..40 {
        harness.arrives(&own(60, n));
    }
    harness.poll();
    assert!(!harness.nic.input_ended(), "frames wait for descriptors");
    ring.drain(&harness);
    harness.poll();
    assert!(harness.nic.input_ended());
    assert_eq!(ring.drain(&harness).len(), 9);
}

#[test]
fn the_end_of_the_input_is_seen_while_sending_goes_on() {
    let (harness, _, mut tx) = Harness::running();
    harness.far(|far| far.ended = true);
    for n in 0..10 {
        tx.send(&harness, &own(60, n));
        assert_ne!(harness.nic.poll(), 0);
    }
    assert!(harness.nic.input_ended());
}

#[test]
fn a_tail_or_head_outside_of_the_ring_is_no_descriptor() {
    for (register, value) in [(RDT, 32), (RDT, 0xffff), (RDH, 32), (RDLEN, 0)] {
        let (harness, mut ring, _) = Harness::running();
        harness.far(|far| far.waits = true);
        let before = harness.read(register);
        harness.write(register, value);
        harness.arrives(&own(60, 1));
        harness.poll();
        assert!(ring.peek(&harness).is_none(), "{register:#x} = {value}");
        harness.write(register, before);
        harness.poll();
        assert_eq!(ring.drain(&harness).len(), 1, "{register:#x} as it was");
        assert_eq!(harness.domain.faults(), 0);
    }
}
