//! Receive side scaling (section 7.1.2.8).

use crate::harness::*;

/// The key of the verification suite (section 7.1.2.8.3).
const KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
    0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
    0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

const TCP_IPV4: u32 = 1 << 16;
const IPV4: u32 = 1 << 17;
const IPV6: u32 = 1 << 20;
const TCP_IPV6: u32 = 1 << 21;
const UDP_IPV4: u32 = 1 << 22;
const UDP_IPV6: u32 = 1 << 23;
const ALL: u32 = TCP_IPV4 | IPV4 | IPV6 | TCP_IPV6 | UDP_IPV4 | UDP_IPV6;

fn harness() -> (Harness, Vec<RxRing>) {
    let (harness, first, _) = Harness::running();
    for (n, bytes) in KEY.chunks_exact(4).enumerate() {
        harness.write(RSSRK + 4 * n as u32, u32::from_le_bytes(bytes.try_into().unwrap()));
    }
    for n in 0..32 {
        // Entry i is queue i mod 16.
        let base = n * 4 % 16;
        harness.write(RETA + 4 * n, base | (base + 1) << 8 | (base + 2) << 16 | (base + 3) << 24);
    }
    harness.write(RXCSUM, 1 << 13);
    harness.write(MRQC, 1 | ALL);
    let rings = std::iter::once(first).chain((1..16).map(|q| harness.rx_ring(q, 32))).collect();
    (harness, rings)
}

fn v4(tcp: bool) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC).ipv4(
        [66, 9, 149, 187],
        [161, 142, 100, 80],
        64,
    );
    let mut frame = Vec::new();
    if tcp {
        builder.tcp(2794, 1766, 0, 0).write(&mut frame, &[0; 8]).unwrap();
    } else {
        builder.udp(2794, 1766).write(&mut frame, &[0; 20]).unwrap();
    }
    frame
}

fn v6(tcp: bool) -> Vec<u8> {
    let address = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    let builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC).ipv6(
        address("3ffe:2501:200:1fff::7"),
        address("3ffe:2501:200:3::1"),
        64,
    );
    let mut frame = Vec::new();
    if tcp {
        builder.tcp(2794, 1766, 0, 0).write(&mut frame, &[0; 8]).unwrap();
    } else {
        builder.udp(2794, 1766).write(&mut frame, &[0; 20]).unwrap();
    }
    frame
}

/// The queue that a frame arrives at, its RSS type and its hash.
fn arrives(harness: &Harness, rings: &mut [RxRing], frame: &[u8]) -> (usize, u64, u32) {
    harness.arrives(frame);
    harness.poll();
    let mut found = rings.iter_mut().enumerate().filter_map(|(q, ring)| Some((q, ring.take(harness)?)));
    let (q, (words, bytes)) = found.next().expect("the frame is in a queue");
    assert!(found.next().is_none(), "and in one only");
    assert_eq!(bytes, frame);
    (q, words[0] & 0xf, (words[0] >> 32) as u32)
}

#[test]
fn hashes_are_those_of_the_verification_suite_and_choose_the_queue() {
    let (harness, mut rings) = harness();
    let cases = [
        (v4(true), ALL, 1, 0x51cc_c178),
        (v4(true), ALL & !TCP_IPV4, 2, 0x323e_8fc2),
        (v4(false), ALL, 7, 0x51cc_c178),
        (v4(false), ALL & !UDP_IPV4, 2, 0x323e_8fc2),
        (v6(true), ALL, 3, 0x4020_7d3d),
        (v6(true), ALL & !TCP_IPV6, 5, 0x2cc1_8cd5),
        (v6(false), ALL, 8, 0x4020_7d3d),
        (v6(false), ALL & !UDP_IPV6, 5, 0x2cc1_8cd5),
    ];
    for (frame, kinds, kind, hash) in cases {
        harness.write(MRQC, 1 | kinds);
        assert_eq!(arrives(&harness, &mut rings, &frame), ((hash & 15) as usize, kind, hash), "{kinds:#x}");
    }
}

#[test]
fn the_table_has_128_entries_that_the_hashs_low_bits_choose() {
    let (harness, mut rings) = harness();
    // 0x51ccc178: entry 0x78.
    harness.write(RETA + 0x78, 0x0000_0009);
    assert_eq!(arrives(&harness, &mut rings, &v4(true)).0, 9);
    harness.write(0x05C00 + 0x78, 0x0000_0004);
    assert_eq!(arrives(&harness, &mut rings, &v4(true)).0, 4, "the alias address");
}

#[test]
fn frames_that_are_not_hashed_go_to_queue_0() {
    let (harness, mut rings) = harness();
    assert_eq!(arrives(&harness, &mut rings, &own(60, 1)), (0, 0, 0), "not IP");
    harness.write(MRQC, 1 | IPV6);
    assert_eq!(arrives(&harness, &mut rings, &v4(true)), (0, 0, 0), "no kind of it is on");
    harness.write(MRQC, ALL);
    assert_eq!(arrives(&harness, &mut rings, &v4(true)), (0, 0, 0), "RSS is off");
}

#[test]
fn a_fragment_is_hashed_by_its_addresses() {
    let (harness, mut rings) = harness();
    let mut fragment = v4(false);
    fragment[20] = 0x20; // more fragments
    let sum = |frame: &[u8]| {
        let sum: u32 = frame[14..34].chunks(2).map(|b| u32::from(u16::from_be_bytes([b[0], b[1]]))).sum();
        ((sum & 0xffff) + (sum >> 16)) as u16
    };
    fragment[24..26].fill(0);
    let checksum = !sum(&fragment);
    fragment[24..26].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(arrives(&harness, &mut rings, &fragment), (2, 2, 0x323e_8fc2));
}

#[test]
fn the_hash_is_in_the_descriptor_only_with_pcsd() {
    let (harness, mut rings) = harness();
    harness.write(RXCSUM, 0);
    let (q, kind, hash) = arrives(&harness, &mut rings, &v4(true));
    assert_eq!((q, kind, hash), (8, 1, 0), "the queue is chosen nevertheless");
}
