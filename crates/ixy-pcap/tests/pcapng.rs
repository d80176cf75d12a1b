//! pcapng captures built block by block, and captures of another program.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, io::Cursor, time::Duration};

use ixy_pcap::{Format, Frames, MAX_RECORD, OtherLinks, PcapError, Reader, Writer};
use proptest::prelude::*;

/// A file that grows block by block.
#[derive(Clone, Default)]
struct File {
    bytes: Vec<u8>,
    big_endian: bool,
}

impl File {
    /// A file with a first section.
    fn new(big_endian: bool) -> Self {
        Self::default().section(big_endian)
    }

    fn words(&self, words: &[u32]) -> Vec<u8> {
        let bytes = |word: &u32| if self.big_endian { word.to_be_bytes() } else { word.to_le_bytes() };
        words.iter().flat_map(bytes).collect()
    }

    fn halves(&self, halves: &[u16]) -> Vec<u8> {
        let bytes = |half: &u16| if self.big_endian { half.to_be_bytes() } else { half.to_le_bytes() };
        halves.iter().flat_map(bytes).collect()
    }

    fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let length = 12 + body.len().next_multiple_of(4) as u32;
        self.bytes.extend(self.words(&[kind, length]));
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend(self.words(&[length]));
        self
    }

    fn section(mut self, big_endian: bool) -> Self {
        self.big_endian = big_endian;
        let body = [self.words(&[0x1a2b_3c4d]), self.halves(&[1, 0]), vec![0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    fn interface(self, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Self {
        let mut body = [self.halves(&[link, 0]), self.words(&[snaplen])].concat();
        for (code, value) in options {
            body.extend(self.halves(&[*code, value.len() as u16]));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        self.block(1, &body)
    }

    fn ethernet(self) -> Self {
        self.interface(1, 0, &[])
    }

    fn packet(self, interface: u32, time: u64, data: &[u8], original: u32) -> Self {
        let fixed = [interface, (time >> 32) as u32, time as u32, data.len() as u32, original];
        let mut body = self.words(&fixed);
        body.extend(data);
        self.block(6, &body)
    }

    fn simple_packet(self, original: u32, data: &[u8]) -> Self {
        let body = [&self.words(&[original])[..], data].concat();
        self.block(3, &body)
    }

    fn old_packet(self, interface: u16, time: u64, data: &[u8]) -> Self {
        let mut body = self.halves(&[interface, 0xffff]);
        body.extend(self.words(&[(time >> 32) as u32, time as u32, data.len() as u32, data.len() as u32]));
        body.extend(data);
        self.block(2, &body)
    }

    fn reader(&self) -> Result<Reader<Cursor<Vec<u8>>>, PcapError> {
        Reader::new(Cursor::new(self.bytes.clone()), "in.pcapng")
    }

    /// The error when it is opened or read.
    fn refusal(&self) -> String {
        let mut reader = match self.reader() {
            Ok(reader) => reader,
            Err(error) => return error.to_string(),
        };
        loop {
            match reader.advance() {
                Ok(true) => {}
                Ok(false) => panic!("nothing is refused"),
                Err(error) => return error.to_string(),
            }
        }
    }

    fn records(&self) -> Vec<(u64, Vec<u8>, u32)> {
        all(self.reader().unwrap())
    }
}

fn all<R: std::io::Read>(mut reader: Reader<R>) -> Vec<(u64, Vec<u8>, u32)> {
    let mut all = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        all.push((record.time, record.data.to_vec(), record.original));
    }
    all
}

#[test]
fn packets_of_all_three_kinds_are_read_in_either_byte_order() {
    for big_endian in [false, true] {
        let file = File::new(big_endian)
            .interface(1, 70, &[])
            .packet(0, 5_000_000, &[1; 61], 1514)
            .simple_packet(65, &[2; 65])
            .old_packet(0, 6_000_001, &[3; 60])
            .simple_packet(1514, &[4; 70]);
        let wanted = [
            (5_000_000_000, vec![1; 61], 1514),
            (5_000_000_000, vec![2; 65], 65),
            (6_000_001_000, vec![3; 60], 60),
            (6_000_001_000, vec![4; 70], 1514),
        ];
        assert_eq!(file.records(), wanted, "a packet without a time has that of the one before it");
    }
}

#[test]
fn each_interface_has_its_own_unit_offset_and_check_sequence() {
    for big_endian in [false, true] {
        let offset = if big_endian { 100_i64.to_be_bytes() } else { 100_i64.to_le_bytes() };
        let file = File::new(big_endian)
            .interface(1, 0, &[(2, b"eth0"), (9, &[9])])
            .interface(1, 0, &[(9, &[0x80 | 10]), (14, &offset)])
            .interface(1, 0, &[(13, &[4])])
            .packet(1, 3 << 9, &[1; 60], 60)
            .packet(0, 1_700_000_000_123_456_789, &[2; 60], 60)
            .packet(2, 7, &[3; 64], 64);
        let wanted = [
            (101_500_000_000, vec![1; 60], 60),
            (1_700_000_000_123_456_789, vec![2; 60], 60),
            (7_000, vec![3; 60], 60),
        ];
        assert_eq!(file.records(), wanted);
    }
}

#[test]
fn a_later_section_has_its_own_byte_order_and_interfaces() {
    let file = File::new(false)
        .interface(1, 0, &[(9, &[0])])
        .packet(0, 1, &[1; 60], 60)
        .section(true)
        .ethernet()
        .packet(0, 2, &[2; 60], 60)
        .section(false)
        .ethernet()
        .packet(0, 3, &[3; 60], 60);
    let wanted = [1_000_000_000, 2_000, 3_000];
    assert!(file.records().iter().map(|record| record.0).eq(wanted));
    let message = file.section(false).packet(0, 4, &[4; 60], 60).refusal();
    assert!(
        message.contains("it is a packet of interface 0, behind descriptions of 0 interfaces"),
        "{message}"
    );
    assert!(message.contains("editcap -F pcap -r in.pcapng OUT.pcap 1-3"), "{message}");
}

#[test]
fn blocks_of_other_kinds_are_left_out_whatever_their_length() {
    let file = File::new(false)
        .block(0x0000_0bad, &[0xee; 20])
        .ethernet()
        .block(4, &[0; 100])
        .packet(0, 1, &[1; 60], 60)
        .block(5, &[7; 1 << 20])
        .block(0xdead_beef, &[])
        .packet(0, 2, &[2; 60], 60)
        .block(10, &[1]);
    assert_eq!(file.records().len(), 2);
}

#[test]
fn frames_of_other_interfaces_are_left_out_and_accounted_for() {
    let file = File::new(false)
        .interface(220, 0, &[])
        .ethernet()
        .packet(1, 1, &[1; 60], 60)
        .packet(0, 2, &[2; 64], 64)
        .packet(0, 2, &[2; 64], 64)
        .packet(1, 3, &[3; 60], 60);
    let mut reader = file.reader().unwrap();
    assert!(reader.advance().unwrap() && reader.advance().unwrap());
    assert_eq!(reader.records(), 4, "records have the numbers that other tools show");
    assert_eq!(reader.other_links(), Some(OtherLinks { records: 2, first: 2, link_type: 220 }));
    assert!(!reader.advance().unwrap());

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.pcapng");
    fs::write(&path, &file.bytes).unwrap();
    let mut frames = Frames::open(&path).unwrap();
    while frames.advance().unwrap() {}
    assert_eq!(frames.left_out(), 2);
    let [line] = &frames.account()[..] else { panic!("{:?}", frames.account()) };
    assert!(line.contains("in.pcapng: 2 of 4 records left out: not from an Ethernet interface"));
    assert!(line.ends_with("record 2 with link type 220 (USB)"), "{line}");
}

#[test]
fn a_capture_without_any_ethernet_interface_is_refused() {
    let message = File::new(false).interface(113, 0, &[]).reader().err().unwrap().to_string();
    assert!(message.contains("in.pcapng has link type 113 (Linux cooked)"), "{message}");
    // An Ethernet interface could be described behind the packets, so this is known only at the end.
    let file = File::new(true).interface(113, 0, &[]).packet(0, 1, &[1; 60], 60).packet(0, 1, &[1; 60], 60);
    let mut reader = file.reader().unwrap();
    let message = reader.advance().unwrap_err().to_string();
    assert!(message.contains("in.pcapng has link type 113 (Linux cooked)"), "{message}");
    assert_eq!(reader.records(), 2);
}

#[test]
fn an_ethernet_interface_that_is_described_behind_packets_of_others_is_read() {
    let file = |swapped| {
        let other = File::new(swapped).interface(113, 0, &[]).packet(0, 1, &[1; 60], 60);
        other.ethernet().packet(1, 2, &[2; 64], 64).packet(0, 3, &[3; 60], 60)
    };
    for swapped in [false, true] {
        let mut reader = file(swapped).reader().unwrap();
        assert_eq!(reader.next_record().unwrap().unwrap().data, [2; 64]);
        assert!(!reader.advance().unwrap(), "one Ethernet frame, {swapped}");
        assert_eq!(reader.other_links(), Some(OtherLinks { records: 2, first: 1, link_type: 113 }));
    }
    // The second section has the Ethernet interface.
    let mut both = File::new(false).interface(113, 0, &[]).packet(0, 1, &[1; 60], 60);
    both.bytes.extend(File::new(true).ethernet().packet(0, 2, &[2; 64], 64).bytes);
    let mut reader = both.reader().unwrap();
    assert_eq!(reader.next_record().unwrap().unwrap().data, [2; 64]);
    assert!(!reader.advance().unwrap() && reader.records() == 2, "{} records", reader.records());
}

#[test]
fn a_capture_without_packets_or_interfaces_is_empty() {
    assert_eq!(File::new(false).records(), []);
    assert_eq!(File::new(true).ethernet().records(), []);
}

#[test]
fn opening_waits_for_no_packet() {
    // A source with a header and an interface, on which a further read would never return.
    struct Open(Cursor<Vec<u8>>);
    impl std::io::Read for Open {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(into)? {
                0 => panic!("it reads on"),
                found => Ok(found),
            }
        }
    }
    let source = Open(Cursor::new(File::new(false).ethernet().bytes));
    assert_eq!(Reader::new(source, "pipe").unwrap().records(), 0);
}

#[test]
fn what_contradicts_itself_is_one_line_that_names_the_block() {
    let good = || File::new(false).ethernet().packet(0, 1, &[1; 60], 60);
    let at = good().bytes.len();
    let refused = |file: File, words: &[&str]| {
        let message = file.refusal();
        for word in words.iter().chain(&["in.pcapng"]) {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
        assert!(message.contains("1-1") || !words[0].contains("byte"), "{message}");
    };
    let place = format!("broken block at byte {at}");
    let raw = |words: &[u32]| {
        let mut file = good();
        let bytes = file.words(words);
        file.bytes.extend(bytes);
        file
    };
    refused(raw(&[6, 0, 0]), &[&place, "its length is 0"]);
    refused(raw(&[6, 15, 0]), &[&place, "its length is 15"]);
    refused(raw(&[6, 16, 0, 16]), &[&place, "too few for a block of type 0x6"]);
    refused(raw(&[9, 12, 16]), &[&place, "begins with a length of 12 and ends with one of 16"]);
    refused(raw(&[6, 32, 0, 0, 0, 8, 8, 32]), &[&place, "it claims 8 bytes of a packet, and has room for 0"]);
    refused(raw(&[3, 16, 8, 16]), &[&place, "claims 8"]);
    refused(raw(&[6, 32, 0, 0, 0, MAX_RECORD + 1, 8, 32]), &["record 2", "262145"]);
    refused(raw(&[1, 24, 1, 0, 9 | 100 << 16, 24]), &[&place, "options is longer"]);
    refused(raw(&[0x0a0d_0d0a, 28, 0x1234_5678]), &[&place, "without a byte order"]);
    refused(raw(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 2]), &["pcapng version 2.0", "1.0"]);
    refused(raw(&[5, u32::MAX - 3, 0]), &["cut off", &format!("inside a block that starts at byte {at}")]);
    refused(File::new(false).packet(0, 1, &[1; 60], 60), &["packet before any interface"]);
}

#[test]
fn a_file_cut_at_any_byte_gives_its_whole_records_then_an_error() {
    let mut file = File::new(true).ethernet();
    let mut ends = vec![(28, 0), (file.bytes.len(), 0)];
    for n in 1..4 {
        file = file.packet(0, n, &vec![n as u8; 20 * n as usize], 60);
        ends.push((file.bytes.len(), n));
    }
    file = file.block(5, &[0; 16]);
    ends.push((file.bytes.len(), 3));
    for cut in 0..=file.bytes.len() {
        let mut reader = match Reader::new(&file.bytes[..cut], "cut") {
            Ok(reader) => reader,
            Err(error) => {
                assert!(cut < ends[1].0 && !ends.iter().any(|end| end.0 == cut), "{cut}: {error}");
                continue;
            }
        };
        let mut found = 0;
        let result = loop {
            match reader.advance() {
                Ok(true) => found += 1,
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let whole = ends.iter().rfind(|end| end.0 <= cut).unwrap();
        assert_eq!((found, result.is_ok()), (whole.1, whole.0 == cut), "cut at {cut}");
        match result {
            Err(PcapError::TruncatedBlock { records, offset, end, .. }) => {
                assert_eq!((records, offset, end), (whole.1, whole.0 as u64, cut as u64));
            }
            Err(other) => panic!("cut at {cut}: {other}"),
            Ok(()) => {}
        }
        assert!(!reader.advance().unwrap(), "after an error nothing follows");
    }
}

#[test]
fn an_independent_writer_is_understood() {
    use pcap_file::DataLink;
    use pcap_file::pcapng::PcapNgWriter;
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
    use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;
    let mut writer = PcapNgWriter::new(Vec::new()).unwrap();
    let interface =
        InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0xffff, options: vec![] };
    writer.write_pcapng_block(interface).unwrap();
    let packet = EnhancedPacketBlock {
        interface_id: 0,
        // This writer counts in nanoseconds, whatever the interface's unit is.
        timestamp: Duration::from_nanos(1_234_567),
        original_len: 99,
        data: vec![7; 61].into(),
        options: vec![],
    };
    writer.write_pcapng_block(packet).unwrap();
    let bytes = writer.into_inner();
    assert_eq!(all(Reader::new(&bytes[..], "x").unwrap()), [(1_234_567_000, vec![7; 61], 99)]);
}

#[test]
fn what_is_written_is_read_by_an_independent_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcapng");
    let mut writer = Writer::create(&path, 0).unwrap();
    writer.write(1_700_000_000_987_654_321, &[1; 61]).unwrap();
    writer.write_part(1_700_000_001_000_000_001, &[2; 64], 1514).unwrap();
    assert_eq!(writer.finish().unwrap(), fs::metadata(&path).unwrap().len());

    let bytes = fs::read(&path).unwrap();
    let mut reader = pcap_file::pcapng::PcapNgReader::new(&bytes[..]).unwrap();
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        if let pcap_file::pcapng::Block::EnhancedPacket(packet) = block.unwrap() {
            packets.push((packet.timestamp, packet.data.to_vec(), packet.original_len));
        }
    }
    let times = [1_700_000_000_987_654_321, 1_700_000_001_000_000_001].map(Duration::from_nanos);
    assert_eq!(packets, [(times[0], vec![1; 61], 61), (times[1], vec![2; 64], 1514)]);
    let [interface] = reader.interfaces() else { panic!("{:?}", reader.interfaces()) };
    assert_eq!(interface.linktype, pcap_file::DataLink::ETHERNET);
    assert_eq!(all(Reader::open(&path).unwrap()).len(), 2);
}

#[test]
fn a_name_chooses_the_format() {
    for (name, format) in [
        ("a.pcap", Format::Pcap),
        ("a", Format::Pcap),
        ("-", Format::Pcap),
        ("a.pcapng", Format::Pcapng),
        ("a.PcapNG", Format::Pcapng),
        ("a.pcapng.gz", Format::Pcapng),
        ("a.pcap.gz", Format::Pcap),
        ("a.pcapng.old", Format::Pcap),
    ] {
        assert_eq!(Format::of(name), format, "{name}");
    }
}

/// A block with a body that may be valid.
fn any_block() -> impl Strategy<Value = (u32, Vec<u32>, Option<u32>)> {
    let kind = prop_oneof![1..8u32, Just(0x0a0d_0d0a), any::<u32>()];
    let word = prop_oneof![0..100u32, Just(0x1a2b_3c4d), Just(9 | 1 << 16), any::<u32>()];
    (kind, prop::collection::vec(word, 0..20), prop::option::weighted(0.2, any::<u32>()))
}

proptest! {
    #[test]
    fn hostile_blocks_never_make_the_reader_panic_or_hold_much(
        blocks in prop::collection::vec(any_block(), 0..20), big_endian: bool, cut in 0..64usize,
    ) {
        let mut file = File::new(big_endian).ethernet();
        for (kind, words, length) in blocks {
            let start = file.bytes.len();
            let body = file.words(&words);
            file = file.block(kind, &body);
            if let Some(length) = length {
                let length = file.words(&[length]);
                file.bytes[start + 4..start + 8].copy_from_slice(&length);
            }
        }
        file.bytes.truncate(file.bytes.len() - cut.min(file.bytes.len() - 48));
        let mut reader = file.reader().unwrap();
        let mut taken = 0;
        while let Ok(Some(record)) = reader.next_record() {
            taken += record.data.len();
        }
        prop_assert!(taken <= file.bytes.len());
        prop_assert!(reader.record().is_none() && !reader.advance().unwrap());
    }

    #[test]
    fn arbitrary_bytes_never_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [&[0x0a, 0x0d, 0x0d, 0x0a][..], &bytes].concat();
        if let Ok(mut reader) = Reader::new(&bytes[..], "noise") {
            while let Ok(true) = reader.advance() {}
        }
    }
}
