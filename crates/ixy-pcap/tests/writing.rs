//! The file after writing, and while it is open.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use ixy_pcap::{MAX_RECORD, PcapError, Reader, Writer};
use proptest::prelude::*;

fn records(path: &Path) -> Vec<(u64, Vec<u8>, u32)> {
    let mut reader = Reader::open(path).unwrap();
    let mut all = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        all.push((record.time, record.data.to_vec(), record.original));
    }
    all
}

/// The disk space of a file in bytes.
fn claimed(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

/// Whether the file system of `dir` can claim space ahead.
fn can_claim(dir: &Path) -> bool {
    let file = fs::File::create(dir.join("probe")).unwrap();
    let can = rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, 48 << 20).is_ok();
    if !can {
        // Not through a macro, since the test runner captures its output.
        let line = "SKIPPED: claiming space ahead: it needs a file system that can, with 48 MiB of room\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    fs::remove_file(dir.join("probe")).unwrap();
    can
}

#[test]
fn an_independent_reader_understands_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let mut writer = Writer::create(&path, 0).unwrap();
    writer.write(1_700_000_000_987_654_321, &[1; 60]).unwrap();
    writer.write(1_700_000_001_000_000_001, &[2; 1514]).unwrap();
    assert_eq!(writer.records(), 2);
    assert_eq!(writer.finish().unwrap(), 24 + 16 + 60 + 16 + 1514);

    let mut reader = pcap_file::pcap::PcapReader::new(fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(reader.header().datalink, pcap_file::DataLink::ETHERNET);
    let first = reader.next_packet().unwrap().unwrap();
    assert_eq!((first.timestamp, &first.data[..]), (Duration::new(1_700_000_000, 987_654_321), &[1; 60][..]));
    let second = reader.next_packet().unwrap().unwrap();
    assert_eq!((second.timestamp, &second.data[..]), (Duration::new(1_700_000_001, 1), &[2; 1514][..]));
    assert!(reader.next_packet().is_none());
}

#[test]
fn the_header_is_the_24_bytes_that_the_format_defines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    assert_eq!(Writer::create(&path, 96).unwrap().finish().unwrap(), 24);
    let wanted = [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 96, 0, 0, 0, 1, 0, 0, 0];
    assert_eq!(fs::read(&path).unwrap(), wanted);
}

#[test]
fn the_snapshot_length_cuts_frames_and_keeps_their_original_length() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let mut writer = Writer::create(&path, 64).unwrap();
    writer.write(1, &[7; 1514]).unwrap();
    writer.write(2, &[8; 64]).unwrap();
    writer.write_part(3, &[9; 10], 99).unwrap();
    writer.finish().unwrap();
    assert_eq!(records(&path), [(1, vec![7; 64], 1514), (2, vec![8; 64], 64), (3, vec![9; 10], 99)]);
}

#[test]
fn a_frame_longer_than_the_buffer_or_any_record_is_cut_to_the_longest_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let mut writer = Writer::create(&path, 0).unwrap();
    writer.write(1, &[1; 60]).unwrap();
    writer.write(2, &vec![2; 300_000]).unwrap();
    writer.write(3, &[3; 60]).unwrap();
    writer.finish().unwrap();
    let found = records(&path);
    assert_eq!(found.len(), 3);
    assert_eq!((found[1].1.len(), found[1].2), (MAX_RECORD as usize, 300_000));
    assert_eq!(found[2], (3, vec![3; 60], 60));
}

#[test]
fn space_is_claimed_ahead_while_the_file_is_open_and_given_back_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    for finish in [true, false] {
        let path = dir.path().join("out.pcap");
        let mut writer = Writer::create(&path, 0).unwrap();
        let frame = [1; 1000];
        for time in 0..2000 {
            writer.write(time, &frame).unwrap();
        }
        writer.flush().unwrap();
        let length = 24 + 2000 * 1016;
        assert_eq!(
            fs::metadata(&path).unwrap().len(),
            length,
            "a killed recorder leaves a file that reads whole"
        );
        if can_claim(dir.path()) {
            assert!(claimed(&path) >= 16 << 20, "claimed {} bytes while open", claimed(&path));
        }
        if finish {
            assert_eq!(writer.finish().unwrap(), length);
        } else {
            drop(writer);
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), length);
        assert!(claimed(&path) < 4 << 20, "{} bytes stay claimed at the end", claimed(&path));
        assert_eq!(records(&path).len(), 2000);
    }
}

#[test]
fn claiming_goes_on_beyond_the_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let mut writer = Writer::create(&path, 0).unwrap();
    for time in 0..20 {
        writer.write(time, &vec![time as u8; 1 << 18]).unwrap();
        for _ in 0..4 {
            writer.write(time, &vec![time as u8; 1 << 18]).unwrap();
        }
    }
    let length = 24 + 100 * (16 + (1 << 18));
    writer.flush().unwrap();
    if can_claim(dir.path()) {
        assert!(claimed(&path) >= 32 << 20, "claimed {} bytes after two steps", claimed(&path));
    }
    assert_eq!(writer.finish().unwrap(), length);
    assert_eq!(fs::metadata(&path).unwrap().len(), length);
    assert!(claimed(&path) < length + (4 << 20));
    let found = records(&path);
    assert!(
        found
            .iter()
            .enumerate()
            .all(|(n, (time, data, _))| *time == n as u64 / 5 && data[7] == (n / 5) as u8)
    );
}

#[test]
fn flushed_records_can_be_read_while_the_file_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let mut writer = Writer::create(&path, 0).unwrap();
    writer.write(5, &[5; 60]).unwrap();
    assert_eq!(records(&path), [], "still in the buffer");
    writer.flush().unwrap();
    assert_eq!(records(&path), [(5, vec![5; 60], 60)]);
    writer.write(6, &[6; 60]).unwrap();
    drop(writer);
    assert_eq!(records(&path).len(), 2, "dropping writes the rest");
}

#[test]
fn a_frame_waits_for_a_given_time_however_many_follow_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let mut writer = Writer::create(&path, 0).unwrap();
    writer.write(1, &[1; 60]).unwrap();
    writer.flush_after(Duration::from_secs(3600)).unwrap();
    assert_eq!(records(&path), [], "it is young");
    std::thread::sleep(Duration::from_millis(50));
    writer.write(2, &[2; 60]).unwrap();
    writer.flush_after(Duration::from_millis(50)).unwrap();
    assert_eq!(records(&path).len(), 2, "the first is old, although the second is young");
    writer.write(3, &[3; 60]).unwrap();
    writer.flush_after(Duration::from_secs(3600)).unwrap();
    assert_eq!(records(&path).len(), 2, "the time of the third starts anew");
    writer.flush_after(Duration::ZERO).unwrap();
    assert_eq!(records(&path).len(), 3);
}

#[test]
fn a_file_that_is_being_read_or_written_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let mut writer = Writer::create(&path, 0).unwrap();
    writer.write(1, &[1; 60]).unwrap();
    writer.flush().unwrap();
    let message = Writer::create(&path, 0).err().unwrap().to_string();
    assert!(message.contains("out.pcap is in use by another reader or writer"), "{message}");
    writer.write(2, &[2; 60]).unwrap();
    writer.finish().unwrap();

    let mut reader = Reader::open(&path).unwrap();
    assert!(matches!(Writer::create(&path, 0), Err(PcapError::InUse { .. })));
    assert_eq!(reader.next_record().unwrap().unwrap().data, [1; 60]);
    assert_eq!(reader.next_record().unwrap().unwrap().data, [2; 60]);
    drop(reader);
    Writer::create(&path, 0).unwrap().finish().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 24, "an old capture is replaced");
}

#[test]
fn a_writer_that_never_writes_leaves_the_file_as_it_found_it() {
    let dir = tempfile::tempdir().unwrap();
    let [old, new] = ["old.pcap", "new.pcap"].map(|name| dir.path().join(name));
    fs::write(&old, [7; 1000]).unwrap();
    drop((Writer::create(&old, 0).unwrap(), Writer::create(&new, 0).unwrap()));
    assert_eq!(fs::read(&old).unwrap(), [7; 1000]);
    assert!(!new.exists(), "a file that is new is removed");
    let mut writer = Writer::create(&old, 0).unwrap();
    writer.flush().unwrap();
    assert_eq!(fs::read(&old).unwrap().len(), 24, "a flush writes the header");
    drop(writer);
    assert_eq!(fs::read(&old).unwrap().len(), 24);
    fs::write(&old, [7; 1000]).unwrap();
    Writer::create(&old, 0).unwrap().write(1, &[1; 60]).unwrap();
    assert_eq!(records(&old), [(1, vec![1; 60], 60)], "nothing of the old content is left");
}

#[test]
fn a_pipe_takes_a_capture_without_preallocation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let from = path.clone();
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        fs::File::open(from).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    });
    let mut writer = Writer::create(&path, 0).unwrap();
    for time in 0..5000 {
        writer.write(time, &[time as u8; 60]).unwrap();
    }
    writer.finish().unwrap();
    let bytes = reading.join().unwrap();
    assert_eq!(bytes.len(), 24 + 5000 * 76);
    let mut reader = Reader::new(&bytes[..], "pipe").unwrap();
    for time in 0..5000 {
        assert_eq!(reader.next_record().unwrap().unwrap().data, [time as u8; 60]);
    }
}

#[test]
fn a_device_that_is_always_full_gives_an_error_for_the_header_and_stays() {
    let message = Writer::create("/dev/full", 0).err().unwrap().to_string();
    assert!(message.contains("cannot write the header of /dev/full: No space left"), "{message}");
    assert!(Path::new("/dev/full").exists());
}

#[test]
fn a_directory_that_is_missing_is_an_error_that_names_the_file() {
    let path = PathBuf::from("/nonexistent/out.pcap");
    let message = Writer::create(&path, 0).err().unwrap().to_string();
    assert!(message.contains("cannot create /nonexistent/out.pcap"), "{message}");
    assert!(message.contains("mkdir -p /nonexistent"), "{message}");
}

#[test]
fn a_reader_that_goes_away_is_an_error_that_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let from = path.clone();
    let reading = std::thread::spawn(move || {
        let mut bytes = [0; 24];
        fs::File::open(from).unwrap().read_exact(&mut bytes).unwrap();
    });
    let mut writer = Writer::create(&path, 0).unwrap();
    reading.join().unwrap();
    writer.write(1, &[1; 60]).unwrap();
    let first = writer.flush().unwrap_err();
    assert!(matches!(first, PcapError::Write { bytes: 24, records: 0, .. }), "{first}");
    let second = writer.write(2, &[2; 60]).unwrap_err();
    assert_eq!(first.to_string(), second.to_string());
    assert!(writer.finish().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read(
        frames in prop::collection::vec(
            (0..4_294_967_296_000_000_000u64, prop::collection::vec(any::<u8>(), 0..2000), 0..20_000u32),
            0..200,
        ),
        snaplen in 0..3000u32,
        flush_every in 1..50usize,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.pcap");
        let mut writer = Writer::create(&path, snaplen).unwrap();
        for (n, (time, data, original)) in frames.iter().enumerate() {
            writer.write_part(*time, data, *original).unwrap();
            if n % flush_every == 0 {
                writer.flush().unwrap();
            }
        }
        let length = writer.finish().unwrap();
        prop_assert_eq!(fs::metadata(&path).unwrap().len(), length);
        let keep = if snaplen == 0 { usize::MAX } else { snaplen as usize };
        let wanted: Vec<_> = frames
            .into_iter()
            .map(|(time, mut data, original)| {
                data.truncate(keep);
                (time, data, original)
            })
            .collect();
        prop_assert_eq!(records(&path), wanted);
    }

    #[test]
    fn arbitrary_bytes_never_make_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 24..600)) {
        bytes[..4].copy_from_slice(&0xa1b2_c3d4u32.to_le_bytes());
        bytes[4..6].copy_from_slice(&2u16.to_le_bytes());
        bytes[20..24].copy_from_slice(&1u32.to_le_bytes());
        // Lengths are small numbers.
        for at in (32..bytes.len() / 16 * 16).step_by(16) {
            bytes[at + 1..at + 4].fill(0);
        }
        let mut reader = Reader::new(&bytes[..], "noise").unwrap();
        let mut taken = 24;
        while let Ok(Some(record)) = reader.next_record() {
            taken += 16 + record.data.len();
        }
        prop_assert!(taken <= bytes.len());
    }
}
