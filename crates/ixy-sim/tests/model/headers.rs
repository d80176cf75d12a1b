//! Reports in descriptors about headers beyond the plain ones: IPv4 options, IPv6 extension headers (sections
//! 7.1.6.2 and 7.1.11).

use crate::harness::*;
use crate::steering::{arrives, harness};

const L4CS: u64 = 1 << 5;
const L4E: u64 = 1 << 30;

/// A TCP packet over IPv6 with `extensions` between the headers, the first of them of type `first`.
fn v6(first: u8, extensions: &[u8]) -> Vec<u8> {
    let ethernet = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC);
    let mut frame = Vec::new();
    let tcp = ethernet.ipv6([1; 16], [2; 16], 64).tcp(1000, 2000, 7, 100);
    tcp.write(&mut frame, &[5; 21]).unwrap();
    if !extensions.is_empty() {
        frame[14 + 6] = first;
        let payload = (20 + 21 + extensions.len()) as u16;
        frame[14 + 4..14 + 6].copy_from_slice(&payload.to_be_bytes());
        frame.splice(54..54, extensions.iter().copied());
    }
    frame
}

/// An extension header of 8 bytes that is followed by one of type `next`, with `fourth` as its fourth byte.
fn extension(next: u8, fourth: u8) -> [u8; 8] {
    [next, 0, 1, fourth, 0, 0, 0, 0]
}

const HOP_BY_HOP: u8 = 0;
const TCP: u8 = 6;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// Packet type, RSS type, and the verdict on the TCP checksum.
fn seen(frame: &[u8]) -> (u64, u64, Option<bool>) {
    let (harness, mut rings) = harness();
    let (_, words) = arrives(&harness, &mut rings, frame);
    let verdict = (words[1] & L4CS != 0).then_some(words[1] & L4E == 0);
    (words[0] >> 4 & 0x1fff, words[0] & 0xf, verdict)
}

#[test]
fn extension_headers_of_ipv6_are_passed_over() {
    assert_eq!(seen(&v6(TCP, &[])), (0x14, 3, Some(true)), "plain");
    for first in [HOP_BY_HOP, ROUTING, DESTINATION] {
        assert_eq!(seen(&v6(first, &extension(TCP, 0))), (0x1c, 3, Some(true)), "{first}");
    }
    let mut chain = extension(ROUTING, 0).to_vec();
    chain.extend(extension(DESTINATION, 0));
    // One of 16 bytes.
    chain.extend([TCP, 1, 1, 12]);
    chain.extend([0; 12]);
    assert_eq!(seen(&v6(HOP_BY_HOP, &chain)), (0x1c, 3, Some(true)));
    let mut wrong = v6(HOP_BY_HOP, &chain);
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(seen(&wrong), (0x1c, 3, Some(false)));
}

#[test]
fn behind_some_extension_headers_there_is_no_transport_header() {
    assert_eq!(seen(&v6(FRAGMENT, &extension(TCP, 0))), (0x0c, 5, None), "a fragment");
    assert_eq!(seen(&v6(ROUTING, &extension(TCP, 2))), (0x0c, 5, None), "two more to go");
    let mut endless = v6(HOP_BY_HOP, &extension(HOP_BY_HOP, 0));
    endless[54 + 1] = 255;
    assert_eq!(seen(&endless), (0x0c, 5, None), "longer than the packet");
}

#[test]
fn ipv4_with_options_has_both_bits() {
    let ethernet = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC);
    let options = etherparse::Ipv4Options::from([1, 1, 1, 0]);
    let mut header =
        etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber::TCP, [10, 1, 2, 3], [10, 1, 2, 4]).unwrap();
    header.options = options;
    let ip = etherparse::IpHeaders::Ipv4(header, Default::default());
    let mut frame = Vec::new();
    ethernet.ip(ip).tcp(1000, 2000, 7, 100).write(&mut frame, &[5; 21]).unwrap();
    assert_eq!(seen(&frame), (0x13, 1, Some(true)));
}
