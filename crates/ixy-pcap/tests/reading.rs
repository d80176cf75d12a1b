//! Captures that a user may give to the reader, good and bad.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, io::Cursor};

use ixy_pcap::{MAX_RECORD, PcapError, Reader};

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// A capture built byte by byte.
struct Capture {
    bytes: Vec<u8>,
    big_endian: bool,
}

impl Capture {
    fn new(magic: u32, big_endian: bool) -> Self {
        Self::with_link(magic, big_endian, 1)
    }

    fn with_link(magic: u32, big_endian: bool, link: u32) -> Self {
        let mut capture = Capture { bytes: Vec::new(), big_endian };
        capture.word(magic);
        for half in [2u16, 4] {
            capture.bytes.extend(if big_endian { half.to_be_bytes() } else { half.to_le_bytes() });
        }
        for word in [0, 0, 65_535, link] {
            capture.word(word);
        }
        capture
    }

    fn word(&mut self, word: u32) {
        self.bytes.extend(if self.big_endian { word.to_be_bytes() } else { word.to_le_bytes() });
    }

    fn record(mut self, seconds: u32, fraction: u32, data: &[u8], original: u32) -> Self {
        for word in [seconds, fraction, data.len() as u32, original] {
            self.word(word);
        }
        self.bytes.extend(data);
        self
    }

    fn reader(&self) -> Result<Reader<Cursor<Vec<u8>>>, PcapError> {
        Reader::new(Cursor::new(self.bytes.clone()), "in.pcap")
    }

    fn refusal(&self) -> String {
        self.reader().err().unwrap().to_string()
    }
}

#[test]
fn both_units_and_both_byte_orders_give_the_same_frames() {
    for big_endian in [false, true] {
        for (magic, fraction) in [(MICROSECONDS, 123_456), (NANOSECONDS, 123_456_000)] {
            let capture = Capture::new(magic, big_endian)
                .record(7, fraction, &[1; 60], 60)
                .record(8, 1, &[2; 14], 1514);
            let mut reader = capture.reader().unwrap();
            let first = reader.next_record().unwrap().unwrap();
            assert_eq!((first.time, first.data, first.original), (7_123_456_000, &[1; 60][..], 60));
            let second = reader.next_record().unwrap().unwrap();
            let unit = if magic == MICROSECONDS { 1_000 } else { 1 };
            assert_eq!(
                (second.time, second.data, second.original),
                (8_000_000_000 + unit, &[2; 14][..], 1514)
            );
            assert_eq!(reader.next_record().unwrap(), None);
            assert_eq!(reader.next_record().unwrap(), None, "the end stays the end");
            assert_eq!(reader.records(), 2);
        }
    }
}

#[test]
fn a_frame_stays_until_the_next_one_is_asked_for() {
    let mut reader =
        Capture::new(NANOSECONDS, false).record(1, 0, &[1; 4], 4).record(2, 0, &[2; 3], 3).reader().unwrap();
    assert_eq!(reader.record(), None);
    assert!(reader.advance().unwrap());
    assert_eq!(reader.record().unwrap().data, [1; 4]);
    assert_eq!(reader.record().unwrap().data, [1; 4]);
    assert!(reader.advance().unwrap());
    assert_eq!(reader.record().unwrap().data, [2; 3]);
    assert!(!reader.advance().unwrap());
    assert_eq!(reader.record(), None);
}

#[test]
fn a_snapped_capture_is_read_with_its_original_lengths() {
    // `tcpdump -s 64` writes exactly this: a snapshot length below the original length.
    let mut capture = Capture::new(MICROSECONDS, false);
    capture.bytes[16..20].copy_from_slice(&64u32.to_le_bytes());
    let mut reader = capture.record(0, 0, &[9; 64], 1514).reader().unwrap();
    let record = reader.next_record().unwrap().unwrap();
    assert_eq!((record.data.len(), record.original), (64, 1514));
}

#[test]
fn a_frame_check_sequence_is_left_out_where_the_header_announces_one() {
    let link = 1 | 1 << 26 | 2 << 28;
    let capture =
        Capture::with_link(MICROSECONDS, false, link).record(0, 0, &[5; 64], 64).record(0, 0, &[5; 62], 64);
    let capture = capture.record(0, 0, &[5; 30], 64);
    let mut reader = capture.reader().unwrap();
    for wanted in [60, 60, 30] {
        let record = reader.next_record().unwrap().unwrap();
        assert_eq!((record.data.len(), record.original), (wanted, 60));
    }
}

#[test]
fn another_link_type_is_refused_by_name_with_the_way_out() {
    for (link, name) in [(101, "101 (raw IP)"), (113, "113 (Linux cooked)"), (147, "147,")] {
        let message = Capture::with_link(MICROSECONDS, false, link).refusal();
        assert!(message.contains("in.pcap has link type") && message.contains(name), "{message}");
        assert!(message.contains("editcap -F pcap -T ether in.pcap"), "{message}");
    }
    let message = Capture::with_link(MICROSECONDS, true, 105).refusal();
    assert!(message.contains("105 (IEEE 802.11)"), "{message}");
}

#[test]
fn what_is_no_capture_is_refused_by_its_first_bytes() {
    let message = Reader::new(&b"GIF89a and nothing like a capture"[..], "a.gif").err().unwrap().to_string();
    assert!(message.contains("a.gif is no pcap or pcapng capture: it starts with 47 49 46 38"), "{message}");
    let message = Reader::new(&b""[..], "empty").err().unwrap().to_string();
    assert!(message.contains("empty is no capture: it ends after 0 bytes"), "{message}");
}

#[test]
fn another_version_is_refused() {
    for big_endian in [false, true] {
        let mut capture = Capture::new(MICROSECONDS, big_endian);
        capture.bytes[if big_endian { 5 } else { 4 }] = 3;
        assert!(capture.refusal().contains("version 3.4"), "{}", capture.refusal());
    }
}

#[test]
fn a_record_longer_than_any_frame_is_refused_and_ends_the_capture() {
    let mut capture = Capture::new(MICROSECONDS, false).record(0, 0, &[1; 60], 60);
    let at = capture.bytes.len();
    for word in [0, 0, MAX_RECORD + 1, 60] {
        capture.word(word);
    }
    capture.bytes.extend([0; 64]);
    let mut reader = capture.reader().unwrap();
    assert!(reader.advance().unwrap());
    let message = reader.advance().unwrap_err().to_string();
    assert!(
        message.contains(&format!("record 2 at byte {at}: it claims {} bytes", MAX_RECORD + 1)),
        "{message}"
    );
    assert!(!reader.advance().unwrap());
    assert_eq!(reader.record(), None);
}

#[test]
fn the_longest_record_is_read() {
    let data = vec![0x5a; MAX_RECORD as usize];
    let mut reader = Capture::new(MICROSECONDS, false).record(0, 0, &data, MAX_RECORD).reader().unwrap();
    assert_eq!(reader.next_record().unwrap().unwrap().data, data);
}

#[test]
fn a_capture_cut_at_any_byte_gives_its_whole_records_then_an_error_that_names_the_place() {
    let lengths = [60usize, 1, 0, 100];
    let mut capture = Capture::new(NANOSECONDS, false);
    let mut ends = vec![24];
    for length in lengths {
        capture = capture.record(1, 2, &vec![length as u8; length], length as u32);
        ends.push(capture.bytes.len());
    }
    for cut in 0..=capture.bytes.len() {
        let bytes = &capture.bytes[..cut];
        if cut < 24 {
            let message = Reader::new(bytes, "cut.pcap").err().unwrap().to_string();
            assert!(
                message.contains(&format!("cut.pcap is no capture: it ends after {cut} byte")),
                "{message}"
            );
            continue;
        }
        let mut reader = Reader::new(bytes, "cut.pcap").unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        for length in &lengths[..whole] {
            assert_eq!(reader.next_record().unwrap().unwrap().data, vec![*length as u8; *length]);
        }
        let rest = reader.next_record().map(|record| record.map(|record| record.data.to_vec()));
        if ends.contains(&cut) {
            assert_eq!(rest.unwrap(), None, "cut at {cut}");
            continue;
        }
        match rest.unwrap_err() {
            PcapError::TruncatedRecord { path, record, offset, wanted, found, .. } => {
                assert_eq!((path.to_str().unwrap(), record), ("cut.pcap", whole as u64 + 1));
                let start = ends[whole];
                let (due, missing_from) =
                    if cut < start + 16 { (16, start) } else { (lengths[whole], start + 16) };
                assert_eq!(
                    (offset, wanted, found),
                    (missing_from as u64, due, cut - missing_from),
                    "cut at {cut}"
                );
            }
            other => panic!("cut at {cut}: {other}"),
        }
        assert!(!reader.advance().unwrap(), "after an error nothing follows");
    }
}

#[test]
fn a_missing_file_and_a_directory_are_errors_that_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none.pcap");
    let message = Reader::open(&path).err().unwrap().to_string();
    assert!(message.contains(path.to_str().unwrap()) && message.contains("it does not exist"), "{message}");
    let message = Reader::open(dir.path()).err().unwrap().to_string();
    assert!(
        message.contains(dir.path().to_str().unwrap()) && message.contains("it is a directory"),
        "{message}"
    );
}

#[test]
fn a_source_that_delivers_one_byte_at_a_time_is_read_all_the_same() {
    struct Slow(Cursor<Vec<u8>>, bool);
    impl std::io::Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            let end = into.len().min(1);
            self.0.read(&mut into[..end])
        }
    }
    let capture = Capture::new(MICROSECONDS, false).record(1, 1, &[3; 77], 77);
    let mut reader = Reader::new(Slow(Cursor::new(capture.bytes.clone()), false), "slow").unwrap();
    assert_eq!(reader.next_record().unwrap().unwrap().data, [3; 77]);
    assert_eq!(reader.next_record().unwrap(), None);
}

#[test]
fn an_independent_writer_is_understood() {
    use pcap_file::{
        Endianness, TsResolution,
        pcap::{PcapHeader, PcapPacket, PcapWriter},
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.pcap");
    for endianness in [Endianness::Big, Endianness::Little] {
        for ts_resolution in [TsResolution::MicroSecond, TsResolution::NanoSecond] {
            let header = PcapHeader { endianness, ts_resolution, ..PcapHeader::default() };
            let mut writer = PcapWriter::with_header(fs::File::create(&path).unwrap(), header).unwrap();
            let time = std::time::Duration::new(1_600_000_000, 5_000);
            writer.write_packet(&PcapPacket::new(time, 60, &[8; 60])).unwrap();
            drop(writer);
            let mut reader = Reader::open(&path).unwrap();
            let record = reader.next_record().unwrap().unwrap();
            assert_eq!((record.time, record.data), (1_600_000_000_000_005_000, &[8; 60][..]));
            assert_eq!(reader.next_record().unwrap(), None);
        }
    }
}
