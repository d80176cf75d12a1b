//! Segmentation: one frame in memory, many on the wire (section 7.2.4).

use ixy_dma::{DmaSlice, Iova};

use crate::harness::*;

const VLE: u64 = 1 << 30;
const TSE: u64 = 1 << 31;
const IXSM: u64 = 1 << 40;
const TXSM: u64 = 1 << 41;
const DTXTCPFLGL: u32 = 0x04A88;
const DTXTCPFLGH: u32 = 0x04A8C;

const FIN: u16 = 1;
const SYN: u16 = 2;
const PSH: u16 = 8;
const ACK: u16 = 16;
const CWR: u16 = 128;

/// The kind of packets in one test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    ipv4: bool,
    tcp: bool,
    /// Bytes of options behind the IPv4 and TCP headers.
    options: usize,
    tag: Option<u16>,
    snap: bool,
}

pub(crate) const TCP4: Kind = Kind { ipv4: true, tcp: true, options: 0, tag: None, snap: false };
const TCP6: Kind = Kind { ipv4: false, ..TCP4 };

/// The differences between the segments of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    identification: u16,
    sequence: u32,
    flags: u16,
}

pub(crate) const FIRST: Segment = Segment { identification: 0xfffe, sequence: 0xffff_ff00, flags: ACK };

impl Kind {
    fn mac_length(self) -> usize {
        if self.snap { 22 } else { 14 }
    }

    fn ip_length(self) -> usize {
        if self.ipv4 { 20 + self.options } else { 40 }
    }

    fn transport_length(self) -> usize {
        if self.tcp { 20 + self.options } else { 8 }
    }

    fn headers(self) -> usize {
        self.mac_length() + self.ip_length() + self.transport_length()
    }

    /// Offset of the transport checksum in its header.
    fn place(self) -> usize {
        if self.tcp { 16 } else { 6 }
    }

    /// Sum of the pseudo header, without the length.
    fn pseudo(self, ip: &[u8]) -> u32 {
        let addresses = if self.ipv4 { &ip[12..20] } else { &ip[8..40] };
        sum(addresses) + if self.tcp { 6 } else { 17 }
    }

    /// A packet as it has to be on the wire, with lengths and checksums; without a tag.
    pub(crate) fn packet(self, segment: Segment, payload: &[u8]) -> Vec<u8> {
        let length = self.headers() + payload.len();
        let after_ip = self.transport_length() + payload.len();
        let mut packet = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        let ethertype = if self.ipv4 { [0x08, 0x00] } else { [0x86, 0xdd] };
        if self.snap {
            packet.extend_from_slice(&((length - 14) as u16).to_be_bytes());
            packet.extend_from_slice(&[0xaa, 0xaa, 3, 0, 0, 0]);
        }
        packet.extend_from_slice(&ethertype);
        let ip = packet.len();
        let protocol = if self.tcp { 6 } else { 17 };
        if self.ipv4 {
            packet.extend_from_slice(&[0x40 | (self.ip_length() / 4) as u8, 0]);
            packet.extend_from_slice(&((self.ip_length() + after_ip) as u16).to_be_bytes());
            packet.extend_from_slice(&segment.identification.to_be_bytes());
            packet.extend_from_slice(&[0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
            packet.resize(packet.len() + self.options, 1);
            let header = !fold(sum(&packet[ip..]));
            packet[ip + 10..ip + 12].copy_from_slice(&header.to_be_bytes());
        } else {
            packet.extend_from_slice(&[0x60, 0, 0, 0]);
            packet.extend_from_slice(&(after_ip as u16).to_be_bytes());
            packet.extend_from_slice(&[protocol, 64]);
            packet.extend((0..32).map(|n| n * 7 + 1));
        }
        let transport = packet.len();
        packet.extend_from_slice(&[0x12, 0x34, 0x56, 0x78]);
        if self.tcp {
            packet.extend_from_slice(&segment.sequence.to_be_bytes());
            packet.extend_from_slice(&[9, 8, 7, 6]);
            let offset = (self.transport_length() / 4) as u16;
            packet.extend_from_slice(&(offset << 12 | segment.flags).to_be_bytes());
            packet.extend_from_slice(&[0x20, 0, 0, 0, 0, 0]);
            packet.resize(packet.len() + self.options, 1);
        } else {
            packet.extend_from_slice(&(after_ip as u16).to_be_bytes());
            packet.extend_from_slice(&[0, 0]);
        }
        packet.extend_from_slice(payload);
        let total = self.pseudo(&packet[ip..]) + after_ip as u32 + sum(&packet[transport..]);
        let mut checksum = !fold(total);
        if !self.tcp && checksum == 0 {
            checksum = 0xffff;
        }
        let at = transport + self.place();
        packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
        packet
    }

    /// The headers as a driver leaves them: no length, a pseudo header sum without the length, no IPv4 checksum.
    fn prototype(self, segment: Segment) -> Vec<u8> {
        let mut headers = self.packet(segment, &[]);
        let (ip, transport) = (self.mac_length(), self.mac_length() + self.ip_length());
        let seed = fold(self.pseudo(&headers[ip..]));
        headers[transport + self.place()..][..2].copy_from_slice(&seed.to_be_bytes());
        if self.ipv4 {
            headers[ip + 2..ip + 4].fill(0);
            headers[ip + 10..ip + 12].fill(0xaa);
        }
        headers
    }

    /// The context's words.
    fn context(self, mss: usize) -> (u64, u64) {
        let low = self.ip_length() | self.mac_length() << 9 | usize::from(self.tag.unwrap_or(0)) << 16;
        let high = u64::from(self.snap) << 9
            | u64::from(self.ipv4) << 10
            | u64::from(self.tcp) << 11
            | (self.transport_length() as u64) << 40
            | (mss as u64) << 48;
        (low as u64, CONTEXT | high)
    }

    fn flags(self) -> u64 {
        let tag = if self.tag.is_some() { VLE } else { 0 };
        TSE | IFCS | TXSM | tag | if self.ipv4 { IXSM } else { 0 }
    }

    /// The expected frames for `payload`, with the flags of first, middle and last segments.
    fn expected(self, payload: &[u8], mss: usize, flags: [u16; 3]) -> Vec<Vec<u8>> {
        let last = payload.len().div_ceil(mss) - 1;
        let chunks = payload.chunks(mss).enumerate();
        let packet = |(n, chunk): (usize, &[u8])| {
            let flags = flags[if n == last { 2 } else { usize::from(n > 0) }];
            let segment = Segment {
                identification: FIRST.identification.wrapping_add(n as u16),
                sequence: FIRST.sequence.wrapping_add((n * mss) as u32),
                flags,
            };
            let mut packet = self.packet(segment, chunk);
            if let Some(tag) = self.tag {
                let [high, low] = tag.to_be_bytes();
                packet.splice(12..12, [0x81, 0x00, high, low]);
            }
            packet.resize(packet.len().max(60), 0);
            packet
        };
        chunks.map(packet).collect()
    }
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|b| u32::from(b[0]) << 8 | u32::from(*b.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 + n / 256) as u8).collect()
}

/// A frame in its own memory, which is unmapped with it, and the indices of its descriptors.
pub(crate) struct Frame {
    memory: DmaSlice,
    parts: Vec<u32>,
}

/// Puts a frame of `headers` and `payload` on the ring, cut into descriptors at `cuts`.
fn put(
    harness: &Harness,
    tx: &mut TxRing,
    headers: &[u8],
    payload: &[u8],
    cuts: &[usize],
    flags: u64,
    paylen: usize,
) -> Frame {
    let whole = [headers, payload].concat();
    let memory = harness.memory(whole.len().next_multiple_of(8));
    assert!(harness.view().write(memory.iova(), &whole));
    let mut ends = cuts.to_vec();
    ends.push(whole.len());
    let mut start = 0;
    let mut parts = Vec::new();
    for end in ends {
        let first = if start == 0 { flags | (paylen as u64) << 46 } else { 0 };
        let last = if end == whole.len() { EOP | RS } else { 0 };
        let iova = Iova(memory.iova().0 + start as u64);
        parts.push(tx.put(iova.0, DATA | first | last | (end - start) as u64));
        start = end;
    }
    tx.ring(harness);
    Frame { memory, parts }
}

/// Sends `payload` with its headers in one descriptor and the rest in another.
pub(crate) fn send(
    harness: &Harness,
    tx: &mut TxRing,
    kind: Kind,
    segment: Segment,
    payload: &[u8],
    mss: usize,
) -> Frame {
    let (low, high) = kind.context(mss);
    tx.put(low, high);
    let headers = kind.prototype(segment);
    put(harness, tx, &headers, payload, &[headers.len()], kind.flags(), payload.len())
}

#[test]
fn each_kind_of_packet_is_cut_into_segments_with_headers_of_their_own() {
    let (harness, _, mut tx) = Harness::running();
    for ipv4 in [true, false] {
        for tcp in [true, false] {
            for (options, tag, snap) in [(0, None, false), (12, Some(0x6123), false), (0, None, true)] {
                let kind = Kind { ipv4, tcp, options, tag, snap };
                let bytes = payload(1001);
                let frame = send(&harness, &mut tx, kind, FIRST, &bytes, 300);
                harness.poll();
                assert_eq!(harness.sent(), kind.expected(&bytes, 300, [ACK; 3]), "{kind:?}");
                assert_eq!(frame.parts.iter().map(|&at| tx.done(at)).collect::<Vec<_>>(), [false, true]);
            }
        }
    }
    assert_eq!(harness.nic.bad_descriptors(), 0);
}

#[test]
fn payload_that_fits_is_one_segment_the_last() {
    let (harness, _, mut tx) = Harness::running();
    for len in [1, 299, 300] {
        let bytes = payload(len);
        let _frame = send(&harness, &mut tx, TCP4, Segment { flags: ACK | PSH | FIN, ..FIRST }, &bytes, 300);
        harness.poll();
        let expected = TCP4.expected(&bytes, 300, [0, 0, ACK | PSH | FIN]);
        assert_eq!(harness.sent(), expected, "{len} bytes");
        assert!(expected[0].len() >= 60, "a short one is padded");
    }
}

#[test]
fn fin_and_push_go_with_the_last_segment_and_cwr_with_all_before_it() {
    let (harness, _, mut tx) = Harness::running();
    let bytes = payload(1000);
    let _frame =
        send(&harness, &mut tx, TCP4, Segment { flags: ACK | PSH | FIN | CWR, ..FIRST }, &bytes, 300);
    harness.poll();
    assert_eq!(harness.sent(), TCP4.expected(&bytes, 300, [ACK | CWR, ACK | CWR, ACK | PSH | FIN]));
}

#[test]
fn the_masks_of_flags_are_registers() {
    let (harness, _, mut tx) = Harness::running();
    assert_eq!((harness.read(DTXTCPFLGL), harness.read(DTXTCPFLGH)), (0x0ff6_0ff6, 0x0f7f));
    harness.write(DTXTCPFLGL, u32::from(FIN) | u32::from(SYN | 0x800) << 16);
    harness.write(DTXTCPFLGH, u32::from(ACK));
    let bytes = payload(1000);
    for kind in [TCP4, TCP6] {
        let _frame = send(&harness, &mut tx, kind, Segment { flags: 0xfff, ..FIRST }, &bytes, 300);
        harness.poll();
        assert_eq!(harness.sent(), kind.expected(&bytes, 300, [FIN, SYN | 0x800, ACK]));
    }
}

#[test]
fn descriptors_may_cut_a_frame_anywhere() {
    let (harness, _, mut tx) = Harness::running();
    let bytes = payload(1000);
    let headers = TCP4.prototype(FIRST);
    let cuts: [&[usize]; 4] = [&[], &[14, 34, 54], &[7, 20, 21, 60, 354, 355, 653], &[100, 500]];
    for cuts in cuts {
        let (low, high) = TCP4.context(300);
        tx.put(low, high);
        let _frame = put(&harness, &mut tx, &headers, &bytes, cuts, TCP4.flags(), 1000);
        harness.poll();
        assert_eq!(harness.sent(), TCP4.expected(&bytes, 300, [ACK; 3]), "{cuts:?}");
    }
}

#[test]
fn the_largest_payload_that_can_be_said_goes_out_whole() {
    let (harness, _, mut tx) = Harness::running();
    let bytes = payload((1 << 18) - 1);
    let headers = TCP6.prototype(FIRST);
    let (low, high) = TCP6.context(1440);
    tx.put(low, high);
    // The same as drivers: 16 KiB a descriptor.
    let cuts: Vec<usize> = (1..=16).map(|n| n * 16_384).collect();
    let frame = put(&harness, &mut tx, &headers, &bytes, &cuts, TCP6.flags(), bytes.len());
    harness.poll();
    assert_eq!(harness.sent(), TCP6.expected(&bytes, 1440, [ACK; 3]));
    assert!(tx.done(*frame.parts.last().unwrap()));
}

#[test]
fn a_poll_sends_no_more_segments_than_frames_and_the_next_goes_on() {
    let (harness, _, mut tx) = Harness::running();
    let bytes = payload(15_000);
    let frame = send(&harness, &mut tx, TCP4, FIRST, &bytes, 100);
    let mut sent = Vec::new();
    for _ in 0..3 {
        assert!(!tx.done(frame.parts[1]), "not before all is sent");
        assert!(harness.nic.poll() > 0);
        let now = harness.sent();
        assert!((1..=64).contains(&now.len()));
        sent.extend(now);
    }
    assert_eq!(sent, TCP4.expected(&bytes, 100, [ACK; 3]));
    assert!(tx.done(frame.parts[1]));
}

#[test]
fn a_wire_without_room_loses_and_repeats_no_segment() {
    let (harness, _, mut tx) = Harness::running();
    let bytes = payload(3000);
    let (first, second) = (own(60, 1), own(61, 2));
    tx.send(&harness, &first);
    let frame = send(&harness, &mut tx, TCP4, FIRST, &bytes, 200);
    let after = tx.send(&harness, &second);
    let mut sent = Vec::new();
    for room in [0, 3, 0, 1, 5, 4, 2, 2] {
        harness.far(|far| far.room = Some(room));
        harness.poll();
        let now = harness.sent();
        assert_eq!(now.len(), room);
        sent.extend(now);
        assert_eq!(tx.done(frame.parts[1]), sent.len() >= 16);
    }
    let expected: Vec<_> = [vec![first], TCP4.expected(&bytes, 200, [ACK; 3]), vec![second]].concat();
    assert_eq!(sent, expected);
    assert!(tx.done(after));
    assert_eq!((harness.read(GPTC), harness.read(QPTC)), (17, 17), "each segment counts as a frame, once");
}

#[test]
fn a_queue_that_is_started_anew_forgets_a_frame_that_was_half_sent() {
    let (harness, _, mut tx) = Harness::running();
    let _frame = send(&harness, &mut tx, TCP4, FIRST, &payload(1000), 200);
    harness.far(|far| far.room = Some(2));
    harness.poll();
    harness.write(TXDCTL, 0);
    harness.write(TDH, 0);
    harness.write(TDT, 0);
    harness.write(TXDCTL, ENABLE);
    harness.far(|far| far.room = None);
    harness.sent();
    tx.tail = 0;
    let bytes = payload(500);
    let _frame = send(&harness, &mut tx, TCP6, FIRST, &bytes, 300);
    harness.poll();
    assert_eq!(harness.sent(), TCP6.expected(&bytes, 300, [ACK; 3]));
}

#[test]
fn a_ring_that_gets_shorter_than_a_frame_that_was_half_sent_does_not_hang_the_device() {
    let (harness, _, mut tx) = Harness::running();
    let (low, high) = TCP4.context(100);
    tx.put(low, high);
    let cuts: Vec<usize> = (1..=20).map(|n| n * 54).collect();
    let _frame = put(&harness, &mut tx, &TCP4.prototype(FIRST), &payload(2000), &cuts, TCP4.flags(), 2000);
    harness.far(|far| far.room = Some(3));
    harness.poll();
    assert_eq!((harness.sent().len(), harness.read(TDH)), (3, 1), "it stays at its first descriptor");
    // Eight descriptors: the end of the frame lies outside.
    harness.write(TDLEN, 8 * 16);
    harness.write(TDT, 7);
    harness.far(|far| far.room = None);
    let nic = harness.nic.clone();
    let (done, polled) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..3 {
            nic.poll();
        }
        done.send(()).unwrap();
    });
    if polled.recv_timeout(std::time::Duration::from_secs(30)).is_err() {
        // Dropping the bench would wait for the poll.
        std::mem::forget(harness);
        panic!("the device polls for ever");
    }
    assert!(harness.read(TDH) < 8);
}

#[test]
fn bytes_of_segments_are_counted_with_their_headers() {
    let (harness, _, mut tx) = Harness::running();
    let bytes = payload(1000);
    let _frame = send(&harness, &mut tx, Kind { tag: Some(5), ..TCP4 }, FIRST, &bytes, 300);
    harness.poll();
    let on_the_wire = 1000 + 4 * (54 + 4);
    assert_eq!(
        (harness.read(GPTC), harness.read(GOTCL)),
        (4, on_the_wire + 4 * 4),
        "with tags and check sequences"
    );
    assert_eq!((harness.read(QPTC), harness.read(QBTC_L)), (4, 1000 + 4 * 54), "as they come from memory");
}

#[test]
fn segmentation_that_makes_no_sense_is_skipped_and_counted() {
    let (harness, _, mut tx) = Harness::running();
    let bytes = payload(600);
    let (low, high) = TCP4.context(200);
    let mask = |at: u32, bits: u32| !(((1 << bits) - 1) << at);
    let long = Kind { options: 100, ..TCP4 };
    assert!(long.headers() > 240);
    let (long_low, long_high) = long.context(200);
    let flags = TCP4.flags();
    let bad = [
        ("an MSS of zero", TCP4, low, high & mask(48, 16), flags, 600),
        ("SCTP", TCP4, low, high & mask(11, 2) | 2 << 11, flags, 600),
        ("a TCP header of 19 bytes", TCP4, low, high & mask(40, 8) | 19 << 40, flags, 601),
        ("a UDP header of 7 bytes", TCP4, low, high & mask(40, 8) & mask(11, 2) | 7 << 40, flags, 613),
        ("an IPv4 header of 19 bytes", TCP4, low & mask(0, 9) | 19, high, flags, 601),
        ("an IPv6 header of 20 bytes", TCP4, low, high & mask(10, 1), flags, 600),
        ("an Ethernet header of 13 bytes", TCP4, low & mask(9, 7) | 13 << 9, high, flags, 601),
        ("SNAP in 14 bytes", TCP4, low, high | 1 << 9, flags, 600),
        ("segments longer than a frame", TCP4, low, high & mask(48, 16) | 0xffff << 48, flags, 600),
        ("headers longer than the device keeps", long, long_low, long_high, flags, 600),
        ("less payload than PAYLEN says", TCP4, low, high, flags, 601),
        ("more payload than PAYLEN says", TCP4, low, high, flags, 599),
        ("no check sequence", TCP4, low, high, flags & !IFCS, 600),
    ];
    let mut count = 0;
    for (why, kind, low, high, flags, paylen) in bad {
        // A frame that is too long for one segment needs enough payload.
        let bytes = if why.starts_with("segments") { payload(20_000) } else { bytes.clone() };
        let paylen = if bytes.len() == 20_000 { 20_000 } else { paylen };
        tx.put(low, high);
        let headers = kind.prototype(FIRST);
        let cuts: &[usize] = if bytes.len() > 16_000 { &[10_000] } else { &[] };
        let frame = put(&harness, &mut tx, &headers, &bytes, cuts, flags, paylen);
        let good = tx.send(&harness, &own(60, 1));
        harness.poll();
        count += 1;
        assert_eq!(harness.nic.bad_descriptors(), count, "{why}");
        assert_eq!(harness.sent(), [own(60, 1)], "{why}");
        assert!(tx.done(*frame.parts.last().unwrap()) && tx.done(good), "{why}: the queue goes on");
    }
}

#[test]
fn headers_alone_are_no_frame_to_segment() {
    let (harness, _, mut tx) = Harness::running();
    let (low, high) = TCP4.context(200);
    tx.put(low, high);
    let _frame = put(&harness, &mut tx, &TCP4.prototype(FIRST), &[], &[], TCP4.flags(), 0);
    harness.poll();
    assert_eq!((harness.nic.bad_descriptors(), harness.sent().len()), (1, 0));
}

#[test]
fn a_frame_waits_for_its_last_descriptor() {
    let (harness, _, mut tx) = Harness::running();
    let bytes = payload(600);
    let (low, high) = TCP4.context(200);
    let before = tx.put(low, high);
    let headers = TCP4.prototype(FIRST);
    let _frame = put(&harness, &mut tx, &headers, &bytes, &[54], TCP4.flags(), 600);
    harness.write(TDT, before + 2);
    harness.poll();
    assert!(harness.sent().is_empty());
    assert_eq!(harness.read(TDH), before + 1, "the context is taken");
    tx.ring(&harness);
    harness.poll();
    assert_eq!(harness.sent(), TCP4.expected(&bytes, 200, [ACK; 3]));
}

#[test]
fn memory_that_is_gone_in_the_middle_of_a_frame_ends_it() {
    let (harness, _, mut tx) = Harness::running();
    let bytes = payload(600);
    let (low, high) = TCP4.context(200);
    tx.put(low, high);
    let headers = TCP4.prototype(FIRST);
    let frame = put(&harness, &mut tx, &headers, &bytes[..300], &[54], TCP4.flags(), 600);
    // The frame continues with a part that is not mapped.
    let last = *frame.parts.last().unwrap() as usize;
    let word = &tx.ring.words()[last * 2 + 1];
    word.store((DATA | 300_u64).to_le(), std::sync::atomic::Ordering::Release);
    let bad = tx.put(0x1000, DATA | EOP | RS | 300);
    let good = tx.send(&harness, &own(60, 1));
    harness.poll();
    let sent = harness.sent();
    assert_eq!(sent.len(), 2, "the first segment, and the next frame");
    assert_eq!(sent[0], TCP4.expected(&bytes, 200, [ACK; 3])[0]);
    assert_eq!(sent[1], own(60, 1));
    assert!(tx.done(bad) && tx.done(good));
    assert_eq!((harness.nic.bad_descriptors(), harness.domain.faults()), (1, 1));
    assert!(frame.memory.words().len() >= 300 / 8);
}

#[test]
fn without_checksum_insertion_segments_keep_what_the_headers_say() {
    let (harness, _, mut tx) = Harness::running();
    let bytes = payload(600);
    let (low, high) = TCP4.context(200);
    tx.put(low, high);
    let headers = TCP4.prototype(FIRST);
    let _frame = put(&harness, &mut tx, &headers, &bytes, &[54], TSE | IFCS, 600);
    harness.poll();
    for segment in harness.sent() {
        assert_eq!(segment[24..26], [0xaa, 0xaa], "IPv4");
        assert_eq!(segment[50..52], headers[50..52], "TCP");
    }
}
