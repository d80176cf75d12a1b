//! Receive side coalescing (section 7.11), read as drivers do: each descriptor follows the one that named it as
//! the next of its chain.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ixy_dma::Iova;
use proptest::prelude::*;

use crate::harness::*;

pub(crate) const PSRTYPE: u32 = 0x0EA00;
pub(crate) const RFCTL: u32 = 0x05008;
pub(crate) const RSCDBU: u32 = 0x03028;
pub(crate) const RSCCTL: u32 = 0x0102C;

/// Most descriptors of a large receive: 1, 4, 8, 16.
const MAX: [u32; 4] = [0, 1 << 2, 2 << 2, 3 << 2];
/// EITR's interval, in its units of 2,048 ns and as a time.
const INTERVAL: u64 = 100;
const TIME: Duration = Duration::from_nanos(INTERVAL * 2048);

const FIN: u8 = 1;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// A segment of a connection: its sender and its content.
#[derive(Clone)]
pub(crate) struct Segment {
    port: u16,
    sequence: u32,
    acknowledgement: u32,
    window: u16,
    flags: u8,
    /// Reserved bits and NS.
    reserved: u8,
    /// Time stamp and its echo.
    stamps: Option<(u32, u32)>,
    options: Vec<u8>,
    tos: u8,
    payload: Vec<u8>,
}

/// The one's complement sum of 16-bit words.
fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let total: u32 = words.sum();
    let folded = (total & 0xffff) + (total >> 16);
    (folded & 0xffff) + (folded >> 16)
}

impl Segment {
    /// A segment with `len` bytes of payload at `sequence` of the connection from `port`.
    pub(crate) fn new(port: u16, sequence: u32, len: usize) -> Self {
        let payload = (0..len).map(|n| (sequence as usize + n) as u8).collect();
        Self {
            port,
            sequence,
            acknowledgement: 9,
            window: 500,
            flags: ACK,
            reserved: 0,
            stamps: None,
            options: Vec::new(),
            tos: 0,
            payload,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut options = self.options.clone();
        if let Some((value, echo)) = self.stamps {
            options.extend([1, 1, 8, 10]);
            options.extend(value.to_be_bytes());
            options.extend(echo.to_be_bytes());
        }
        let mut tcp = Vec::new();
        tcp.extend(self.port.to_be_bytes());
        tcp.extend(80_u16.to_be_bytes());
        tcp.extend(self.sequence.to_be_bytes());
        tcp.extend(self.acknowledgement.to_be_bytes());
        tcp.extend([((5 + options.len() / 4) << 4) as u8 | self.reserved, self.flags]);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0, 0, 0, 0]);
        tcp.extend(&options);
        tcp.extend(&self.payload);
        let (source, destination) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let pseudo = [&source[..], &destination, &[0, 6], &(tcp.len() as u16).to_be_bytes(), &tcp].concat();
        tcp[16..18].copy_from_slice(&(!sum(&pseudo) as u16).to_be_bytes());
        let mut ip = vec![0x45, self.tos];
        ip.extend((20 + tcp.len() as u16).to_be_bytes());
        ip.extend([0, 7, 0x40, 0, 64, 6, 0, 0]);
        ip.extend(source);
        ip.extend(destination);
        let check = !sum(&ip) as u16;
        ip[10..12].copy_from_slice(&check.to_be_bytes());
        [&MAC[..], &[2, 0, 0, 0, 0, 1, 8, 0], &ip, &tcp].concat()
    }
}

/// What a driver receives: a frame, or a large receive.
#[derive(Debug)]
struct Large {
    bytes: Vec<u8>,
    /// The segments counted by RSCCNT of all its descriptors; 0 if not coalesced.
    segments: u64,
    /// The descriptors that it took, and the bytes in each.
    descriptors: Vec<(u32, usize)>,
    /// The last one.
    words: [u64; 2],
}

impl Large {
    fn payload(&self) -> &[u8] {
        &self.bytes[34 + usize::from(self.bytes[46] >> 4) * 4..]
    }
}

/// A device that coalesces on queue 0 and has just started its timer.
struct Coalescing {
    harness: Harness,
    ring: RxRing,
    tx: TxRing,
    clock: Arc<AtomicU64>,
}

impl Coalescing {
    fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(1_000_000_000));
        let own = clock.clone();
        let (harness, ring, tx) = Harness::running_with(|builder| {
            builder.clock(move || Duration::from_nanos(own.load(Ordering::Relaxed)))
        });
        harness.set(RDRXCTL, 1 << 1 | 1 << 25);
        harness.write(RSCDBU, 1 << 7);
        harness.write(PSRTYPE, 1 << 4);
        harness.write(SRRCTL, ONE_BUFFER | 4 << 8);
        harness.write(RSCCTL, 1 | MAX[3]);
        harness.write(IVAR, 0x80);
        harness.write(EITR, (INTERVAL as u32) << 3);
        let mut new = Self { harness, ring, tx, clock };
        new.restart();
        new
    }

    /// Restarts the timer.
    fn restart(&mut self) {
        self.pass(TIME);
        assert!(self.take().is_empty());
        self.arrives(&Segment::new(1, 0, 100));
        assert_eq!(self.take().len(), 1, "the timer was over");
    }

    fn pass(&self, time: Duration) {
        self.clock.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        self.harness.poll();
    }

    fn arrives(&self, segment: &Segment) {
        self.harness.arrives(&segment.frame());
        self.harness.poll();
    }

    /// All results, in the order in which they ended. Each descriptor must have been written back.
    fn take(&mut self) -> Vec<Large> {
        let all = self.look();
        let taken: usize = all.iter().map(|large| large.descriptors.len()).sum();
        for n in 0..taken as u32 {
            self.ring.arm((self.ring.next + n) % self.ring.count);
        }
        self.ring.next = (self.ring.next + taken as u32) % self.ring.count;
        self.harness.write(RDT, (self.ring.next + self.ring.count - 1) % self.ring.count);
        all
    }

    /// Like [`take`](Self::take), but changes nothing.
    fn look(&self) -> Vec<Large> {
        let mut open: HashMap<u32, (Vec<(u32, usize)>, u64)> = HashMap::new();
        let mut all = Vec::new();
        let mut next = self.ring.next;
        loop {
            let words = self.ring.words(next);
            if words[1] & 1 == 0 {
                break;
            }
            let (mut descriptors, mut segments) = open.remove(&next).unwrap_or_default();
            let count = words[0] >> 17 & 0xf;
            segments += count.saturating_sub(1);
            descriptors.push((next, (words[1] >> 32 & 0xffff) as usize));
            next = (next + 1) % self.ring.count;
            if words[1] & 2 == 0 {
                let follower = if count > 0 { (words[1] >> 4 & 0xffff) as u32 } else { next };
                assert!(open.insert(follower, (descriptors, segments)).is_none(), "one chain a descriptor");
                continue;
            }
            let mut bytes = Vec::new();
            for &(n, len) in &descriptors {
                let mut part = vec![0; len];
                let at = Iova(self.ring.buffers.iova().0 + u64::from(n) * 2048);
                assert!(self.harness.view().read(at, &mut part));
                bytes.extend(part);
            }
            all.push(Large { bytes, segments, descriptors, words });
        }
        all
    }

    /// The number of segments in each result, after the segments arrived and the timer ended.
    fn groups(&mut self, segments: &[Segment]) -> Vec<u64> {
        self.restart();
        segments.iter().for_each(|segment| self.arrives(segment));
        self.pass(TIME);
        self.take().iter().map(|large| large.segments).collect()
    }
}

/// Segments of `len` bytes of one connection, one after the other.
fn run(port: u16, count: u32, len: usize) -> Vec<Segment> {
    (0..count).map(|n| Segment::new(port, 1000 + n * len as u32, len)).collect()
}

/// The payload of all segments.
fn joined(segments: &[Segment]) -> Vec<u8> {
    segments.iter().flat_map(|segment| segment.payload.clone()).collect()
}

#[test]
fn segments_that_follow_each_other_become_one() {
    let mut card = Coalescing::new();
    let segments = run(5, 3, 1000);
    let packets = (card.harness.read(QPRC), card.harness.read(QBRC_L));
    assert_eq!(packets, (1, 154));
    for segment in &segments {
        card.arrives(segment);
        assert!(card.look().is_empty(), "not before the time is over");
        assert!(!card.harness.nic.input_ended());
    }
    card.pass(TIME);
    let all = card.take();
    assert_eq!(all.len(), 1);
    let large = &all[0];
    assert_eq!(large.segments, 3);
    assert_eq!(large.payload(), joined(&segments));
    assert_eq!(large.descriptors, [(1, 2048), (2, 3054 - 2048)], "the third goes over the end of a buffer");
    assert_eq!(large.words[0] >> 4 & 0x1fff, 0x11, "TCP over IPv4");
    assert_eq!(large.words[1] & (1 << 30 | 1 << 31), 0, "without errors");
    assert_eq!(large.words[1] & (1 << 5 | 1 << 6), 1 << 5 | 1 << 6, "and with verdicts");
    assert_eq!((card.harness.read(QPRC), card.harness.read(QBRC_L)), (3, 3 * 1054), "each segment counts");
}

#[test]
fn its_header_is_that_of_the_whole() {
    let mut card = Coalescing::new();
    let mut segments = run(5, 3, 500);
    for (n, segment) in segments.iter_mut().enumerate() {
        let n = n as u32;
        segment.acknowledgement = 70 + n;
        segment.window = 300 + n as u16;
        segment.stamps = Some((20 + n, 40 + n));
        card.arrives(segment);
    }
    card.pass(TIME);
    let large = card.take().remove(0);
    let mut expected = segments[0].frame();
    expected.extend(&segments[1].payload);
    expected.extend(&segments[2].payload);
    let length = (expected.len() as u16 - 14).to_be_bytes();
    expected[16..18].copy_from_slice(&length);
    expected[24..26].fill(0);
    let check = (!sum(&expected[14..34]) as u16).to_be_bytes();
    expected[24..26].copy_from_slice(&check);
    expected[34 + 8..34 + 12].copy_from_slice(&72_u32.to_be_bytes());
    expected[34 + 14..34 + 16].copy_from_slice(&302_u16.to_be_bytes());
    expected[34 + 28..34 + 32].copy_from_slice(&42_u32.to_be_bytes());
    assert_eq!(large.bytes, expected);
    assert_eq!(sum(&large.bytes[14..34]), 0xffff, "software checks the IP header again");
}

#[test]
fn a_segment_alone_is_as_it_came() {
    let mut card = Coalescing::new();
    let segment = Segment::new(5, 1, 700);
    card.arrives(&segment);
    card.pass(TIME);
    let all = card.take();
    assert_eq!((all[0].bytes.clone(), all[0].segments), (segment.frame(), 1));
}

#[test]
fn coalescing_has_switches() {
    let segments = run(5, 3, 1000);
    let mut card = Coalescing::new();
    assert_eq!(card.groups(&segments), [3]);
    card.harness.write(RSCCTL, MAX[3]);
    segments.iter().for_each(|segment| card.arrives(segment));
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [0; 3], "RSCEN");
    card.harness.write(RSCCTL, 1 | MAX[3]);
    card.harness.write(RFCTL, 1 << 5);
    segments.iter().for_each(|segment| card.arrives(segment));
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [0; 3], "RSC_DIS");
    card.harness.write(RFCTL, 0);
    card.harness.write(PSRTYPE, 0);
    segments.iter().for_each(|segment| card.arrives(segment));
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [0; 3], "PSRTYPE");
    card.harness.write(PSRTYPE, 1 << 4);
    card.harness.write(SRRCTL, ONE_BUFFER);
    segments.iter().for_each(|segment| card.arrives(segment));
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [0; 3], "BSIZEHEADER");
    card.harness.write(SRRCTL, ONE_BUFFER | 4 << 8);
    card.harness.clear(HLREG0, 1 << 1);
    card.harness.clear(RDRXCTL, 1 << 1);
    segments.iter().for_each(|segment| card.arrives(segment));
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [0; 3], "CRC");
    card.harness.set(RDRXCTL, 1 << 1);
    assert_eq!(card.groups(&segments), [3]);
}

/// Whether a frame in the middle of a connection ends the large receive before it, and stays by itself.
fn interrupts(card: &mut Coalescing, frame: Vec<u8>, what: &str) {
    card.restart();
    let segments = run(5, 2, 1000);
    segments.iter().for_each(|segment| card.arrives(segment));
    card.harness.arrives(&frame);
    card.harness.poll();
    let all = card.take();
    let counts: Vec<_> = all.iter().map(|large| large.segments).collect();
    assert_eq!(counts, [2, 0], "{what}");
    assert_eq!(all[1].bytes, frame, "{what}");
}

#[test]
fn only_plain_segments_are_coalesced() {
    let mut card = Coalescing::new();
    let next = Segment::new(5, 3000, 1000);
    let mut frame = next.frame();
    frame[60] ^= 1;
    interrupts(&mut card, frame, "a wrong TCP checksum");
    let mut frame = next.frame();
    frame[24] ^= 1;
    interrupts(&mut card, frame, "a wrong IP checksum");
    interrupts(&mut card, next.clone().with(|segment| segment.tos = 3).frame(), "congestion");
    let mut frame = Segment::new(5, 3000, 1).frame();
    frame.resize(60, 0);
    interrupts(&mut card, frame, "padding");
    let mut frame = next.frame();
    frame[14] = 0x46;
    frame[16..18].copy_from_slice(&1044_u16.to_be_bytes());
    frame[24..26].fill(0);
    frame.splice(34..34, [1, 1, 1, 0]);
    let check = !sum(&frame[14..38]) as u16;
    frame[24..26].copy_from_slice(&check.to_be_bytes());
    interrupts(&mut card, frame, "IP options");
    for tos in [1, 2] {
        let segments = run(5, 3, 100).into_iter().map(|segment| segment.with(|s| s.tos = tos));
        assert_eq!(card.groups(&segments.collect::<Vec<_>>()), [3], "congestion could be, but is none");
    }
}

#[test]
fn flags_end_it() {
    let mut card = Coalescing::new();
    for flag in [FIN, 2, 4, PSH, 32, 64, 128] {
        let segment = Segment::new(5, 3000, 100).with(|segment| segment.flags |= flag);
        interrupts(&mut card, segment.frame(), &format!("flag {flag}"));
    }
    for bit in [1, 2, 4, 8] {
        let segment = Segment::new(5, 3000, 100).with(|segment| segment.reserved = bit);
        interrupts(&mut card, segment.frame(), &format!("reserved bit {bit}"));
    }
}

#[test]
fn options_other_than_time_stamps_end_it() {
    let mut card = Coalescing::new();
    for options in [vec![1, 1, 1, 0], vec![5, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1]] {
        let segment = Segment::new(5, 3000, 100).with(|segment| segment.options = options);
        interrupts(&mut card, segment.frame(), "other options");
    }
    let stamped = |segment: Segment| segment.with(|segment| segment.stamps = Some((1, 2)));
    let mut segments = run(5, 4, 100);
    segments[2] = stamped(segments[2].clone());
    segments[3] = stamped(segments[3].clone());
    assert_eq!(card.groups(&segments), [2, 2], "with time stamps and without are two");
}

#[test]
fn a_segment_that_does_not_follow_begins_another() {
    let mut card = Coalescing::new();
    let mut segments = run(5, 4, 100);
    segments[2].sequence += 1;
    segments[3].sequence += 1;
    assert_eq!(card.groups(&segments), [2, 2], "a gap");
    let mut segments = run(5, 3, 100);
    segments[2] = segments[1].clone();
    assert_eq!(card.groups(&segments), [2, 1], "twice the same");
    let mut segments = run(5, 3, 100);
    for (n, segment) in segments.iter_mut().enumerate() {
        segment.sequence = (u32::MAX - 149).wrapping_add(n as u32 * 100);
    }
    assert_eq!(card.groups(&segments), [3], "numbers go round");
}

#[test]
fn segments_without_payload_are_coalesced_only_without_rscackdis() {
    let mut card = Coalescing::new();
    let pure = |n| {
        Segment::new(5, 1200, 0).with(|segment| (segment.acknowledgement, segment.stamps) = (n, Some((1, 2))))
    };
    let mut segments = run(5, 2, 100);
    segments.iter_mut().for_each(|segment| segment.stamps = Some((1, 2)));
    segments.extend([pure(10), pure(11)]);
    assert_eq!(card.groups(&segments), [2, 0, 0]);
    card.harness.write(RSCDBU, 0);
    assert_eq!(card.groups(&segments), [4]);
}

#[test]
fn the_acknowledge_flag_has_to_stay_with_rscackc() {
    let mut card = Coalescing::new();
    let mut segments = run(5, 4, 100);
    segments[2].flags = 0;
    segments[3].flags = 0;
    assert_eq!(card.groups(&segments), [2, 2]);
    card.harness.clear(RDRXCTL, 1 << 25);
    assert_eq!(card.groups(&segments), [4]);
}

#[test]
fn maxdesc_limits_descriptors() {
    for (limit, most) in MAX.into_iter().zip([1, 4, 8, 16]) {
        let mut card = Coalescing::new();
        card.harness.write(RSCCTL, 1 | limit);
        // Each buffer of 2 KB holds the payload of one segment and a part of the next.
        for segment in run(5, 27, 1448) {
            card.arrives(&segment);
        }
        card.pass(TIME);
        let all = card.take();
        let taken: Vec<_> = all.iter().map(|large| large.descriptors.len()).collect();
        assert_eq!(taken.iter().max(), Some(&most), "{taken:?}");
        assert_eq!(all.iter().map(|large| large.segments).sum::<u64>(), 27);
        for large in &all {
            let room = 2048 * most - 54 - large.payload().len();
            assert!(room < 1448 || large.bytes == all.last().unwrap().bytes, "{room} bytes are left");
        }
        let payload: Vec<u8> = all.iter().flat_map(|large| large.payload().to_vec()).collect();
        assert_eq!(payload, joined(&run(5, 27, 1448)));
    }
}

#[test]
fn fourteen_segments_begin_in_one_descriptor_at_most() {
    let mut card = Coalescing::new();
    assert_eq!(card.groups(&run(5, 20, 10)), [14, 6]);
    assert_eq!(card.groups(&run(5, 20, 200)), [20], "nine of them in the first descriptor");
}

#[test]
fn chains_of_several_connections_interleave() {
    let mut card = Coalescing::new();
    let (first, second) = (run(5, 6, 1400), run(6, 6, 1400));
    for (one, other) in first.iter().zip(&second) {
        card.arrives(one);
        card.arrives(other);
    }
    assert!(card.look().is_empty());
    // The first descriptors are written back by now; the last one is still open.
    assert_eq!(card.ring.words(1)[1] & 3, 1, "DD without EOP");
    assert_eq!(card.ring.words(1)[1] >> 4 & 0xffff, 3, "the second one's is between");
    card.pass(TIME);
    let all = card.take();
    let got: Vec<_> = all.iter().map(|large| (large.segments, large.payload().to_vec())).collect();
    assert_eq!(got, [(6, joined(&first)), (6, joined(&second))]);
    let indices = |n: usize| all[n].descriptors.iter().map(|(n, _)| *n).collect::<Vec<_>>();
    assert_eq!((indices(0), indices(1)), (vec![1, 3, 5, 7, 9], vec![2, 4, 6, 8, 10]));
}

#[test]
fn other_frames_go_on_and_what_they_pass_stays_in_order() {
    let mut card = Coalescing::new();
    let segments = run(5, 3, 900);
    card.arrives(&segments[0]);
    card.harness.arrives(&own(60, 9));
    card.arrives(&segments[1]);
    assert!(card.look().is_empty(), "a driver looks at one descriptor after the other");
    card.arrives(&segments[2].clone().with(|segment| segment.flags |= PSH));
    let all = card.take();
    assert_eq!(all.iter().map(|large| large.segments).collect::<Vec<_>>(), [2, 0, 0]);
    assert_eq!(all[1].bytes, own(60, 9));
}

#[test]
fn a_connection_is_one_in_its_vlan() {
    let mut card = Coalescing::new();
    let tagged = |segment: &Segment, tag: u8| {
        let mut frame = segment.frame();
        frame.splice(12..12, [0x81, 0, 0, tag]);
        frame
    };
    card.harness.set(RXDCTL, 1 << 30);
    let segments = run(5, 2, 100);
    for (segment, tag) in [(0, 1), (0, 2), (1, 2), (1, 1)] {
        card.harness.arrives(&tagged(&segments[segment], tag));
    }
    // The timer has not started again.
    card.harness.poll();
    assert!(card.look().is_empty());
    card.pass(TIME);
    let all = card.take();
    let got = all.iter().map(|large| (large.segments, large.words[1] >> 48, large.words[1] >> 3 & 1));
    assert_eq!(got.collect::<Vec<_>>(), [(2, 1, 1), (2, 2, 1)]);
    assert_eq!(all[0].payload(), joined(&segments));
}

#[test]
fn the_interval_of_the_vector_ends_it_and_interrupts() {
    let mut card = Coalescing::new();
    card.harness.write(GPIE, 1 << 4);
    card.harness.write(EIAC, 0xffff);
    card.harness.write(EIMS, 1);
    card.pass(TIME);
    card.harness.vectors.take();
    card.restart();
    card.harness.vectors.take();
    let segments = run(5, 3, 100);
    card.arrives(&segments[0]);
    card.pass(TIME / 2);
    card.arrives(&segments[1]);
    card.pass(TIME / 2 - Duration::from_nanos(1));
    assert!(card.look().is_empty() && card.harness.vectors.take().is_empty());
    card.pass(Duration::from_nanos(1));
    assert_eq!(card.harness.vectors.take(), [0], "one interrupt for both");
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [2]);
    // The next interval has started with that.
    card.arrives(&segments[2]);
    assert!(card.take().is_empty());
    card.pass(TIME);
    assert_eq!(card.take().len(), 1);
    // A segment that arrives while no timer runs is not held.
    card.pass(3 * TIME);
    card.harness.arrives(&segments[0].frame());
    card.harness.arrives(&segments[1].frame());
    card.harness.poll();
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [2], "but in one poll");
}

#[test]
fn a_masked_interrupt_has_an_interval_too_and_a_queue_without_a_vector_has_none() {
    let mut card = Coalescing::new();
    assert_eq!(card.harness.read(EIMS), 0);
    assert_eq!(card.groups(&run(5, 3, 100)), [3]);
    card.harness.write(IVAR, 0);
    card.arrives(&Segment::new(5, 1, 100));
    card.pass(100 * TIME);
    assert!(card.look().is_empty());
    card.harness.write(IVAR, 0x80);
    card.harness.poll();
    assert_eq!(card.take().len(), 1);
}

#[test]
fn a_frame_that_interrupts_at_once_ends_it_unless_rsclldis_says_not_to() {
    const L34TIMIR: u32 = 0x0E800;
    const FTQF: u32 = 0x0E600;
    let mut card = Coalescing::new();
    let segments = run(5, 4, 100);
    // From now on every TCP packet of any size interrupts at once.
    let urgent = |card: &Coalescing| {
        card.harness.write(L34TIMIR, 1 << 20 | 1 << 12);
        card.harness.write(FTQF, 1 << 31 | 0x1f << 25 | 7 << 2);
    };
    card.arrives(&segments[0]);
    card.arrives(&segments[1]);
    urgent(&card);
    card.arrives(&segments[2]);
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [3]);
    card.arrives(&segments[3]);
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [0]);
    card.harness.set(RDRXCTL, 1 << 23);
    card.harness.write(FTQF, 0);
    card.restart();
    urgent(&card);
    segments.iter().for_each(|segment| card.arrives(segment));
    assert!(card.look().is_empty());
    card.pass(TIME);
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [4]);
}

#[test]
fn a_want_of_descriptors_ends_it() {
    let mut card = Coalescing::new();
    card.harness.far(|far| far.waits = true);
    // One descriptor for each of two connections, the others for frames that are not coalesced.
    card.arrives(&Segment::new(5, 1, 100));
    card.arrives(&Segment::new(6, 1, 100));
    for n in 0..29 {
        card.harness.arrives(&own(60, n));
    }
    card.harness.poll();
    assert!(card.look().is_empty(), "all are behind the first");
    card.harness.arrives(&own(60, 99));
    card.harness.poll();
    let all = card.take();
    assert_eq!(all.len(), 31);
    assert_eq!((all[0].segments, all[1].segments, all[2].segments), (1, 1, 0));
    card.harness.poll();
    assert_eq!(card.take().len(), 1);
    // A segment that needs one more descriptor.
    card.restart();
    let long = run(5, 2, 1400);
    card.arrives(&long[0]);
    for n in 0..30 {
        card.harness.arrives(&own(60, n));
    }
    card.harness.arrives(&long[1].frame());
    card.harness.poll();
    assert_eq!(card.take().len(), 31);
    card.pass(TIME);
    assert_eq!(card.take().len(), 1);
    // A connection that needs one descriptor.
    card.restart();
    card.arrives(&long[0]);
    for n in 0..30 {
        card.harness.arrives(&own(60, n));
    }
    card.harness.arrives(&Segment::new(6, 1, 100).frame());
    card.harness.poll();
    assert_eq!(card.take().len(), 31);
    card.pass(TIME);
    assert_eq!(card.take().len(), 1);
    assert_eq!(card.harness.domain.faults(), 0);
}

#[test]
fn a_want_of_descriptors_in_an_idle_poll_interrupts() {
    let mut card = Coalescing::new();
    card.harness.far(|far| far.waits = true);
    card.arrives(&Segment::new(5, 1, 100));
    for n in 0..30 {
        card.harness.arrives(&own(60, n));
    }
    card.harness.poll();
    card.harness.write(GPIE, 1 << 4);
    card.harness.write(EIAC, 0xffff);
    card.harness.write(EICR, u32::MAX);
    card.harness.write(EITR, 0);
    card.harness.write(EIMS, 1);
    card.harness.vectors.take();
    card.harness.arrives(&own(60, 99));
    assert_eq!(card.harness.nic.poll(), 1);
    assert_eq!(card.harness.vectors.take(), [0], "there is something for the driver to take");
    assert_eq!(card.take().len(), 31);
}

#[test]
fn a_connection_too_many_ends_that_which_waited_longest() {
    let mut card = Coalescing::new();
    card.ring = card.harness.rx_ring(0, 64);
    card.harness.write(SRRCTL, ONE_BUFFER | 4 << 8);
    card.restart();
    for port in 0..32 {
        card.arrives(&Segment::new(100 + port, 1, 100));
    }
    // The oldest connection gets another segment, so the second is the next to go.
    card.arrives(&Segment::new(100, 101, 100));
    card.arrives(&Segment::new(132, 1, 100));
    assert_eq!(card.ring.words(2)[1] & 3, 3, "the second is complete");
    let open = |n: u32| card.ring.words(n)[1] & 1 == 0;
    assert!(open(1) && (3..=33).all(open), "the others are not");
    card.pass(TIME);
    let all = card.take();
    assert_eq!(all.len(), 33);
    assert_eq!((all[0].segments, all[1].segments), (2, 1));
}

#[test]
fn a_queue_that_is_switched_off_gets_nothing_any_more() {
    let card = Coalescing::new();
    card.arrives(&Segment::new(5, 1, 100));
    card.harness.write(RXDCTL, 0);
    card.harness.write(RXDCTL, ENABLE);
    let before = card.ring.words(1);
    card.pass(TIME);
    assert_eq!(card.ring.words(1), before);
    card.harness.write(CTRL, 1 << 26);
    card.pass(TIME);
    assert_eq!(card.ring.words(1), before, "nor after a reset");
}

#[test]
fn without_bus_mastering_large_receives_wait() {
    let mut card = Coalescing::new();
    card.arrives(&Segment::new(5, 1, 100));
    card.harness.nic.stop_bus_mastering();
    card.pass(TIME);
    assert!(card.look().is_empty());
    // SAFETY: ARMED-ONLY: rings and buffers are as they were.
    unsafe { card.harness.nic.start_bus_mastering() };
    card.harness.poll();
    assert_eq!(card.take().len(), 1);
}

#[test]
fn with_header_buffers_the_header_is_in_one_of_them() {
    let card = Coalescing::new();
    let headers = card.harness.memory(32 * 256);
    for n in 0..32 {
        let words = card.ring.ring.words();
        words[n * 2 + 1].store((headers.iova().0 + n as u64 * 256).to_le(), Ordering::Release);
    }
    card.harness.write(SRRCTL, 2 << 25 | 4 << 8 | 2);
    let segments = run(5, 3, 1000);
    segments.iter().for_each(|segment| card.arrives(segment));
    card.pass(TIME);
    let large = card.look().remove(0);
    assert_eq!(large.segments, 3);
    assert_eq!(large.descriptors, [(1, 2048), (2, 952)]);
    assert_eq!(large.bytes, joined(&segments), "payload alone");
    let first = card.ring.words(1)[0];
    assert_eq!((first >> 31 & 1, first >> 21 & 0x3ff), (1, 54));
    assert_eq!(large.words[0] >> 21 & 0x7ff, 0, "only the first descriptor has a header");
    let mut header = vec![0; 54];
    assert!(card.harness.view().read(Iova(headers.iova().0 + 256), &mut header));
    assert_eq!(header[..16], segments[0].frame()[..16]);
    assert_eq!(header[16..18], 3040_u16.to_be_bytes(), "with the length of all");
}

#[test]
fn what_several_pools_get_is_not_coalesced() {
    let card = Coalescing::new();
    let write = |offset, value| card.harness.write(offset, value);
    // Two pools of two queues, both with this address.
    write(0x0EC80, 8);
    write(0x051B0, 1 | 1 << 30);
    write(0x051E0, 3);
    write(0x0A600, 1);
    let mut card = card;
    card.harness.write(PSRTYPE + 4, 1 << 4);
    assert_eq!(card.groups(&run(5, 3, 100)), [3], "one pool");
    card.harness.write(0x0A600, 3);
    let mut other = card.harness.rx_ring(2, 32);
    card.pass(TIME);
    run(5, 3, 100).iter().for_each(|segment| card.arrives(segment));
    assert_eq!(card.take().iter().map(|large| large.segments).collect::<Vec<_>>(), [0; 3]);
    assert_eq!(other.drain(&card.harness).len(), 3);
}

#[test]
fn what_segmentation_takes_apart_it_puts_together() {
    use crate::segmentation::{FIRST, TCP4, send};
    let mut card = Coalescing::new();
    let payload: Vec<u8> = (0..15_000_u32).map(|n| (n * 31) as u8).collect();
    let _memory = send(&card.harness, &mut card.tx, TCP4, FIRST, &payload, 1460);
    card.harness.poll();
    let frames = card.harness.sent();
    assert_eq!(frames.len(), 11);
    card.restart();
    frames.iter().for_each(|frame| card.harness.arrives(frame));
    card.harness.poll();
    card.pass(TIME);
    let large = card.take().remove(0);
    assert_eq!(large.segments, 11);
    let mut expected = TCP4.packet(FIRST, &payload);
    // The TCP checksum is the first segment's.
    expected[50..52].copy_from_slice(&frames[0][50..52]);
    assert_eq!(large.bytes, expected);
}

/// One step of a random test.
#[derive(Debug, Clone)]
enum Step {
    /// A segment of one of three connections, and the distance of its sequence number from the expected one.
    Arrives {
        port: u16,
        len: usize,
        flags: u8,
        stamps: bool,
        gap: u32,
    },
    Poll,
    /// The interval passes, and the driver takes everything.
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    let flags = prop_oneof![12 => Just(ACK), 1 => Just(ACK | PSH), 1 => Just(0), 1 => Just(ACK | FIN)];
    let gap = prop_oneof![12 => Just(0_u32), 1 => any::<u32>()];
    let stamps = prop_oneof![8 => Just(true), 1 => Just(false)];
    let segment =
        (0..3_u16, 10..1448_usize, flags, stamps, gap).prop_map(|(port, len, flags, stamps, gap)| {
            // One in sixteen has no payload.
            let len = if len % 16 == 0 && stamps { 0 } else { len };
            Step::Arrives { port, len, flags, stamps, gap }
        });
    prop_oneof![12 => segment, 4 => Just(Step::Poll), 1 => Just(Step::Take)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_of_a_connection_is_lost_or_out_of_order(
        steps in prop::collection::vec(step(), 1..150),
        kilobytes in 1..3_u32,
        limit in 0..4_usize,
        acknowledgements in any::<bool>(),
    ) {
        let mut card = Coalescing::new();
        card.harness.far(|far| far.waits = true);
        card.harness.write(SRRCTL, 1 << 25 | 4 << 8 | kilobytes);
        card.harness.write(RSCCTL, 1 | MAX[limit]);
        card.harness.write(RSCDBU, u32::from(acknowledgements) << 7);
        let mut expected: [Vec<u8>; 3] = Default::default();
        let mut got: [Vec<u8>; 3] = Default::default();
        let (mut sent, mut next) = (0, [0_u32; 3]);
        let mut taken = 0;
        for step in steps.into_iter().chain([Step::Take, Step::Take, Step::Take, Step::Take, Step::Take, Step::Take]) {
            match step {
                Step::Arrives { port, len, flags, stamps, gap } => {
                    let n = usize::from(port);
                    let segment = Segment::new(port, next[n].wrapping_add(gap), len);
                    let stamps = stamps.then_some((sent, sent));
                    let segment = segment.with(|segment| (segment.flags, segment.stamps) = (flags, stamps));
                    next[n] = segment.sequence.wrapping_add(len as u32);
                    expected[n].extend(&segment.payload);
                    card.harness.arrives(&segment.frame());
                    sent += 1;
                }
                Step::Poll => card.harness.poll(),
                Step::Take => {
                    card.harness.poll();
                    card.pass(TIME);
                    for large in card.take() {
                        let length = (large.bytes.len() as u16 - 14).to_be_bytes();
                        prop_assert_eq!(&large.bytes[16..18], &length[..]);
                        prop_assert_eq!(sum(&large.bytes[14..34]), 0xffff);
                        prop_assert!(large.descriptors.len() <= [2, 4, 8, 16][limit]);
                        got[usize::from(large.bytes[35])].extend(large.payload());
                        taken += large.segments.max(1);
                    }
                }
            }
        }
        prop_assert_eq!(taken, u64::from(sent));
        prop_assert!(got == expected);
        prop_assert_eq!(card.harness.domain.faults(), 0);
    }
}
