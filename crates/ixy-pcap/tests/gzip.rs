//! Compressed captures.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use ixy_pcap::{Frames, Reader, Writer};
use proptest::prelude::*;

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A plain capture with this many frames of 60 bytes.
fn capture(name: &str, frames: u64) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let mut writer = Writer::create(&path, 0).unwrap();
    (0..frames).for_each(|n| writer.write(n, &[n as u8; 60]).unwrap());
    writer.finish().unwrap();
    fs::read(path).unwrap()
}

fn count(bytes: &[u8]) -> u64 {
    let mut reader = Reader::new(bytes, "in.pcap.gz").unwrap();
    while reader.advance().unwrap() {
        let (n, record) = (reader.records() - 1, reader.record().unwrap());
        assert_eq!((record.time, record.data), (n, &[n as u8; 60][..]));
    }
    reader.records()
}

#[test]
fn packed_captures_of_both_formats_are_read() {
    for name in ["a.pcap", "a.pcapng"] {
        let plain = capture(name, 1000);
        assert_eq!(count(&pack(&plain)), 1000);
        let (first, second) = plain.split_at(333);
        assert_eq!(count(&[pack(first), pack(second)].concat()), 1000, "several members are one capture");
    }
}

#[test]
fn zeros_behind_packed_data_pad_it() {
    for name in ["a.pcap", "a.pcapng"] {
        let plain = capture(name, 100);
        let packed = pack(&plain);
        // A byte; a block of a tape; more than is read at once; with one and with two members.
        for zeros in [1, 10_240 - packed.len() % 10_240, 300_000] {
            assert_eq!(count(&[&packed[..], &vec![0; zeros]].concat()), 100, "{zeros} zeros behind {name}");
            let (first, second) = plain.split_at(333);
            let two = [pack(first), vec![0; zeros], pack(second), vec![0; zeros]].concat();
            assert_eq!(count(&two), 100, "{zeros} zeros behind each of two members of {name}");
        }
    }
}

#[test]
fn other_bytes_behind_packed_data_are_ignored_and_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.pcap.gz");
    let packed = pack(&capture("a.pcap", 100));
    for garbage in [&b"G"[..], b"\x1f", b"\0\0\0and more than a header", &[0xff; 300_000]] {
        fs::write(&path, [&packed[..], garbage].concat()).unwrap();
        let mut frames = Frames::open(&path).unwrap();
        for pass in 1..=2 {
            let mut count = 0;
            while frames.advance().unwrap() {
                count += 1;
            }
            assert_eq!(count, 100, "pass {pass}");
            frames.rewind().unwrap();
        }
        let wanted =
            format!("{}: its gzip data is whole, and the bytes behind it are ignored", path.display());
        assert_eq!(frames.account(), [wanted]);
    }
}

#[test]
fn damaged_or_cut_data_is_one_line_after_the_frames_before_it() {
    let packed = pack(&capture("a.pcap", 1000));
    for (bytes, problem) in [
        (packed[..packed.len() / 2].to_vec(), "incomplete"),
        ([&packed[..packed.len() - 8], &[0; 8]].concat(), "corrupt"),
        ([&packed[..], b"\x1f\x8band more than a header"].concat(), "header"),
    ] {
        let mut reader = Reader::new(&bytes[..], "in.pcap.gz").unwrap();
        let error = loop {
            match reader.advance() {
                Ok(true) => {}
                Ok(false) => panic!("{problem} is not seen"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(reader.records() > 100);
        assert!(
            error.starts_with("in.pcap.gz has damaged gzip data: ") && error.contains(problem),
            "{error}"
        );
        assert!(error.contains(&format!("OUT.pcap 1-{}", reader.records())), "{error}");
    }
    let message = Reader::new(&packed[..12], "in.gz").err().unwrap().to_string();
    assert!(message.contains("in.gz has damaged gzip data"), "{message}");
    let message = Reader::new(&pack(&packed)[..], "in.gz").err().unwrap().to_string();
    assert!(
        message.ends_with("it is packed twice: unpack it once with gzip -dc in.gz > OUT.pcap.gz"),
        "{message}"
    );
    let message = Reader::new(&pack(b"no capture")[..], "in.gz").err().unwrap().to_string();
    assert!(message.contains("in.gz is no pcap or pcapng capture: it starts with 6e 6f 20 63"), "{message}");
}

#[test]
fn data_packed_in_another_way_is_refused_with_the_command_that_unpacks_it() {
    for (magic, command) in [
        (&[0x28, 0xb5, 0x2f, 0xfd][..], "zstd -dc x > OUT.pcap"),
        (b"\xfd7zXZ\0", "xz -dc"),
        (b"BZh9", "bzip2 -dc"),
        (&[0x04, 0x22, 0x4d, 0x18], "lz4 -dc"),
    ] {
        let bytes = [magic, &[0; 40]].concat();
        let message = Reader::new(&bytes[..], "x").err().unwrap().to_string();
        assert!(message.contains(command), "{message}");
    }
}

/// The resident memory of this process in bytes.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn data_that_unpacks_to_a_thousand_times_its_size_takes_no_memory() {
    // A skipped pcapng block of 64 MiB.
    let header = &capture("a.pcapng", 0)[..];
    let length = (64_u32 << 20).to_le_bytes();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&[header, &99_u32.to_le_bytes(), &length].concat()).unwrap();
    for _ in 0..64 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bytes = encoder.finish().unwrap();
    assert!(bytes.len() < 1 << 20);
    let before = resident();
    let mut reader = Reader::new(&bytes[..], "bomb").unwrap();
    let message = reader.advance().unwrap_err().to_string();
    assert!(message.contains("begins with a length of 67108864 and ends with one of 0"), "{message}");
    assert!(resident() < before + (16 << 20), "from {before} to {} bytes", resident());
}

#[test]
fn frames_arrive_while_the_packing_program_goes_on() {
    // `gzip` writes its data out at each flush of a member; here the second member is still to come.
    let (mut read_end, mut write_end) = std::io::pipe().unwrap();
    let plain = capture("a.pcap", 2);
    write_end.write_all(&pack(&plain[..24 + 76])).unwrap();
    let mut reader = Reader::new(&mut read_end, "pipe").unwrap();
    assert!(reader.advance().unwrap());
    write_end.write_all(&pack(&plain[24 + 76..])).unwrap();
    drop(write_end);
    assert!(reader.advance().unwrap() && !reader.advance().unwrap());
}

fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_name_that_ends_in_gz_is_written_packed() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.pcap", "a.pcapng"] {
        let path = dir.path().join(format!("{name}.gz"));
        let mut writer = Writer::create(&path, 0).unwrap();
        for n in 0..5000 {
            writer.write(n, &[n as u8; 60]).unwrap();
            if n == 100 {
                writer.flush().unwrap();
                assert_eq!(count(&fs::read(&path).unwrap()), 101, "what is flushed can be read");
            }
        }
        assert_eq!(writer.finish().unwrap(), fs::metadata(&path).unwrap().len());
        assert_eq!(unpacked(&path), capture(name, 5000));
        assert_eq!(count(&fs::read(&path).unwrap()), 5000);
        assert!(fs::metadata(&path).unwrap().len() < 100_000);
        // gzip itself as an independent check, if it is installed.
        let gzip = Command::new("gzip").args(["-t", path.to_str().unwrap()]).stderr(Stdio::null()).status();
        assert!(gzip.is_err() || gzip.unwrap().success());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_wrong_byte_never_makes_the_reader_panic(at in 0..400usize, value: u8) {
        let mut packed = pack(&capture("a.pcapng", 20));
        let at = at % packed.len();
        packed[at] = value;
        if let Ok(mut reader) = Reader::new(&packed[..], "noise") {
            while let Ok(true) = reader.advance() {}
        }
    }
}
