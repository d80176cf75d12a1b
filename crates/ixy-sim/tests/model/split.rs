//! Header splitting (section 7.1.10).

use std::sync::atomic::Ordering;

use ixy_dma::{DmaSlice, Iova};

use crate::harness::*;

const PSRTYPE: u32 = 0x0EA00;
const RFCTL: u32 = 0x05008;

/// Descriptor formats: header splitting, and header buffers for every frame.
const SPLIT: u32 = 2 << 25;
const ALWAYS: u32 = 5 << 25;
/// The headers after which to split.
const TCP: u32 = 1 << 4;
const UDP: u32 = 1 << 5;
const IPV4: u32 = 1 << 8;
const IPV6: u32 = 1 << 9;
const L2: u32 = 1 << 12;

const HBO: u64 = 1 << 23;
/// The content of header buffers that were not written.
const FILL: u8 = 0xee;
/// Distance of header buffers.
const STRIDE: u64 = 1024;

/// A device with header buffers of `units` times 64 bytes, and packet buffers of 1 KB.
struct Split {
    harness: Harness,
    ring: RxRing,
    headers: DmaSlice,
}

/// One descriptor, and the content of its buffers.
struct Seen {
    header: Vec<u8>,
    packet: Vec<u8>,
    words: [u64; 2],
}

impl Split {
    fn new(format: u32, units: u32, kinds: u32) -> Self {
        let (harness, ring, _) = Harness::running();
        let headers = harness.memory(32 * STRIDE as usize);
        for n in 0..32 {
            let iova = headers.iova().0 + n * STRIDE;
            assert!(harness.view().write(Iova(iova), &[FILL; STRIDE as usize]));
            // Bit 0 is not part of the address.
            ring.ring.words()[n as usize * 2 + 1].store(iova.to_le(), Ordering::Release);
        }
        harness.write(SRRCTL, format | units << 8 | 1);
        harness.write(PSRTYPE, kinds);
        Self { harness, ring, headers }
    }

    /// The descriptors that a frame took.
    fn receive(&mut self, frame: &[u8]) -> Vec<Seen> {
        let first = self.harness.read(RDH);
        self.harness.arrives(frame);
        self.harness.poll();
        let read = |iova: u64, len: usize| {
            let mut bytes = vec![0; len];
            assert!(self.harness.view().read(Iova(iova), &mut bytes));
            bytes
        };
        let seen = |n: u32| {
            let words = self.ring.words(n);
            assert_eq!(words[1] & 1, 1, "descriptor {n} is done");
            let header = read(self.headers.iova().0 + u64::from(n) * STRIDE, STRIDE as usize);
            let written = header.iter().rposition(|byte| *byte != FILL).map_or(0, |at| at + 1);
            let packet =
                read(self.ring.buffers.iova().0 + u64::from(n) * 2048, (words[1] >> 32 & 0xffff) as usize);
            Seen { header: header[..written].to_vec(), packet, words }
        };
        (first..self.harness.read(RDH)).map(seen).collect()
    }

    /// Like [`receive`](Self::receive), for a frame that takes one descriptor; with the bytes in both buffers.
    fn one(&mut self, frame: &[u8]) -> (Seen, usize, usize) {
        let mut all = self.receive(frame);
        assert_eq!(all.len(), 1);
        let seen = all.remove(0);
        assert_eq!(seen.words[1] & 2, 2, "EOP");
        let lengths = (seen.header.len(), seen.packet.len());
        (seen, lengths.0, lengths.1)
    }
}

impl Seen {
    /// SPH and HDR_LEN.
    fn found(&self) -> (bool, u64) {
        (self.words[0] >> 31 & 1 == 1, self.words[0] >> 21 & 0x3ff)
    }

    fn overflow(&self) -> bool {
        self.words[1] & HBO != 0
    }
}

fn ethernet() -> etherparse::PacketBuilderStep<etherparse::Ethernet2Header> {
    etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC)
}

/// A TCP packet with 12 bytes of options: its headers have 66 bytes.
fn tcp(payload: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    let options = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
    let tcp = ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1, 2, 7, 100);
    tcp.options_raw(&options).unwrap().write(&mut frame, &vec![5; payload]).unwrap();
    frame
}

fn udp(payload: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    let udp = ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1, 2);
    udp.write(&mut frame, &vec![5; payload]).unwrap();
    frame
}

/// A UDP packet over IPv6 with a hop-by-hop header of 8 bytes.
fn udp6(payload: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet().ipv6([1; 16], [2; 16], 64).udp(1, 2).write(&mut frame, &vec![5; payload]).unwrap();
    frame[14 + 6] = 0;
    frame[14 + 5] += 8;
    frame.splice(54..54, [17, 0, 1, 4, 0, 0, 0, 0]);
    frame
}

#[test]
fn headers_go_to_a_buffer_of_their_own() {
    let mut split = Split::new(SPLIT, 4, TCP);
    let frame = tcp(100);
    let (seen, ..) = split.one(&frame);
    assert_eq!(seen.header, frame[..66]);
    assert_eq!(seen.packet, frame[66..]);
    assert_eq!(seen.found(), (true, 66));
    assert!(!seen.overflow());
    assert_eq!(seen.words[0] >> 4 & 0x1fff, 0x11, "the packet type is there, too");
    let (seen, ..) = split.one(&tcp(0));
    assert_eq!((seen.header.len(), seen.packet.len(), seen.found()), (66, 0, (true, 66)), "headers alone");
    let (seen, ..) = split.one(&own(100, 3));
    assert_eq!((seen.header.len(), seen.packet.len(), seen.found()), (0, 100, (false, 0)), "not understood");
    assert_eq!(split.harness.read(QPRC), 3);
    assert_eq!(split.harness.read(QBRC_L), 166 + 66 + 100, "bytes in both buffers");
}

#[test]
fn they_end_where_psrtype_says() {
    let length = |kinds: u32, frame: &[u8]| split_at(kinds, frame);
    assert_eq!(length(TCP | IPV4 | L2, &tcp(10)), Some(66));
    assert_eq!(length(UDP | IPV4 | L2, &tcp(10)), Some(34), "this is no UDP");
    assert_eq!(length(UDP | IPV6 | L2, &tcp(10)), Some(14));
    assert_eq!(length(UDP | IPV6, &tcp(10)), None);
    assert_eq!(length(UDP, &udp(30)), Some(42));
    assert_eq!(length(TCP, &udp(30)), None);
    assert_eq!(length(UDP, &udp6(30)), Some(70));
    assert_eq!(length(IPV6, &udp6(30)), Some(62), "with extension headers");
    assert_eq!(length(IPV4, &udp6(30)), None);
    assert_eq!(length(L2, &own(100, 1)), Some(14), "of any protocol");
}

fn split_at(kinds: u32, frame: &[u8]) -> Option<u64> {
    let (seen, header, _) = Split::new(SPLIT, 4, kinds).one(frame);
    let (found, length) = seen.found();
    assert_eq!(header as u64, length);
    found.then_some(length)
}

#[test]
fn a_tag_that_is_stripped_is_no_part_of_the_header() {
    let mut frame = tcp(100);
    frame.splice(12..12, [0x81, 0, 0, 5]);
    for (strip, length) in [(0, 70), (1 << 30, 66)] {
        let mut split = Split::new(SPLIT, 4, TCP);
        split.harness.set(RXDCTL, strip);
        let (seen, header, packet) = split.one(&frame);
        assert_eq!((header, packet, seen.found()), (length, 100, (true, length as u64)));
    }
}

#[test]
fn fragments_are_split_unless_rfctl_says_not_to() {
    let mut frame = udp(100);
    // More fragments follow.
    frame[20] |= 0x20;
    let mut split = Split::new(SPLIT, 4, UDP | IPV4 | L2);
    assert_eq!(split.one(&frame).0.found(), (true, 34), "a fragment has no UDP header of its own");
    split.harness.set(RFCTL, 1 << 14);
    assert_eq!(split.one(&frame).0.found(), (false, 0));
    assert_eq!(split.one(&udp(100)).0.found(), (true, 42));
}

#[test]
fn headers_that_do_not_fit_stay_with_the_packet() {
    let mut split = Split::new(SPLIT, 1, TCP);
    let frame = tcp(100);
    let (seen, header, _) = split.one(&frame);
    assert_eq!((header, seen.packet.as_slice()), (0, frame.as_slice()));
    assert_eq!((seen.found(), seen.overflow()), ((true, 66), true), "66 bytes do not fit into 64");
}

#[test]
fn header_buffers_can_be_used_for_every_frame() {
    let mut split = Split::new(ALWAYS, 2, TCP);
    let (seen, header, packet) = split.one(&tcp(100));
    assert_eq!((header, packet, seen.found(), seen.overflow()), (66, 100, (true, 66), false));
    let (seen, header, packet) = split.one(&tcp(62));
    assert_eq!((header, packet, seen.found()), (128, 0, (false, 128)), "the whole frame fits");
    let (seen, header, packet) = split.one(&own(300, 1));
    assert_eq!((header, packet, seen.found()), (128, 172, (false, 128)), "as much as fits");
    let mut split = Split::new(ALWAYS, 1, TCP);
    let (seen, header, packet) = split.one(&tcp(100));
    assert_eq!((header, packet, seen.found(), seen.overflow()), (64, 102, (true, 66), true));
}

#[test]
fn no_more_goes_to_a_header_buffer_than_its_length_can_say() {
    let mut split = Split::new(ALWAYS, 16, TCP);
    for len in [1022, 1023, 1024, 1100, 1500] {
        let frame = own(len, 3);
        let (seen, header, packet) = split.one(&frame);
        assert_eq!((header, packet), (len.min(1023), len.saturating_sub(1023)), "{len}: ten bits");
        assert_eq!(seen.found(), (false, header as u64));
        assert_eq!([seen.header, seen.packet].concat(), frame);
    }
}

#[test]
fn only_the_first_descriptor_of_a_long_frame_has_a_header() {
    let mut split = Split::new(SPLIT, 4, TCP);
    split.harness.write(HLREG0, split.harness.read(HLREG0) | 1 << 2);
    split.harness.write(MAXFRS, 9018 << 16);
    let frame = tcp(2500);
    let all = split.receive(&frame);
    let lengths: Vec<_> = all.iter().map(|seen| (seen.header.len(), seen.packet.len())).collect();
    assert_eq!(lengths, [(66, 1024), (0, 1024), (0, 452)]);
    let found: Vec<_> = all.iter().map(Seen::found).collect();
    assert_eq!(found, [(true, 66), (false, 0), (false, 0)]);
    let ends: Vec<_> = all.iter().map(|seen| seen.words[1] & 2 != 0).collect();
    assert_eq!(ends, [false, false, true]);
    let bytes: Vec<u8> = all.into_iter().flat_map(|seen| [seen.header, seen.packet].concat()).collect();
    assert_eq!(bytes, frame);
}

#[test]
fn a_queue_that_splits_waits_for_descriptors_and_drops_as_others_do() {
    let mut split = Split::new(SPLIT, 4, TCP);
    split.harness.far(|far| far.waits = true);
    for _ in 0..40 {
        split.harness.arrives(&tcp(100));
    }
    split.harness.poll();
    assert_eq!(split.harness.wire.0.lock().unwrap().arriving.len(), 9);
    split.harness.set(SRRCTL, DROP_EN);
    split.harness.far(|far| far.waits = false);
    split.harness.poll();
    assert_eq!(split.harness.read(QPRDC), 9);
    // The driver takes all frames and posts the buffers again.
    let frames = std::iter::from_fn(|| split.ring.take(&split.harness)).count();
    assert_eq!(frames, 31);
    assert_eq!(split.harness.domain.faults(), 0);
}

#[test]
fn without_room_in_packet_buffers_nothing_is_written() {
    let split = Split::new(SPLIT, 4, TCP);
    split.harness.clear(SRRCTL, 0x1f);
    split.harness.arrives(&tcp(100));
    split.harness.poll();
    assert_eq!(split.harness.read(RDH), 0);
    assert_eq!(split.harness.read(QPRDC), 1);
}
