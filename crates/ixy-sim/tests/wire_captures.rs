//! Wires that are pcap files, as an address describes them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::Read,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use ixy_pcap::{Reader, Writer};
use ixy_sim::wire::{Cables, Wire, WireError, WireSpec};

fn open(options: &str) -> Result<Box<dyn Wire>, WireError> {
    options.parse::<WireSpec>()?.connect(&Cables::default())
}

fn frame(n: u32) -> Vec<u8> {
    [&n.to_le_bytes()[..], &vec![n as u8; 56 + n as usize * 7 % 1455]].concat()
}

fn write(path: &Path, frames: impl IntoIterator<Item = Vec<u8>>) {
    let mut writer = Writer::create(path, 0).unwrap();
    frames.into_iter().for_each(|frame| writer.write(0, &frame).unwrap());
    writer.finish().unwrap();
}

fn read(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let mut reader = Reader::open(path).unwrap();
    let mut all = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        all.push((record.time, record.data.to_vec()));
    }
    all
}

#[test]
fn frames_of_a_file_are_received_in_order_and_then_the_input_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in,1.pcap");
    write(&path, (0..3000).map(frame));
    let mut wire = open(&format!("rx={}", path.display()).replace(',', ",,")).unwrap();
    assert!(wire.link_up() && wire.waits());
    for n in 0..3000 {
        assert!(!wire.ended());
        assert_eq!(wire.front(), Some(&frame(n)[..]));
        assert_eq!(wire.front(), Some(&frame(n)[..]), "it stays until it is consumed");
        wire.consume();
    }
    assert!(wire.ended() && wire.front().is_none() && wire.error().is_none());
    wire.consume();
    assert!(wire.ended() && wire.link_up());
}

#[test]
fn sent_frames_reach_the_file_soon_although_the_device_is_never_idle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let mut wire = open(&format!("tx={}", path.display())).unwrap();
    let start = Instant::now();
    // As the device polls while it is busy: it never calls `flush`.
    for n in 0.. {
        assert!(start.elapsed() < Duration::from_secs(10), "nothing in the file after {n} frames");
        if path.metadata().unwrap().len() > 24 {
            break;
        }
        assert!(wire.transmit(&[1; 60]));
        for _ in 0..100 {
            assert!(wire.link_up() && wire.front().is_none());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(start.elapsed() >= Duration::from_millis(90), "frames are gathered at first");
    assert!(!read(&path).is_empty());
}

#[test]
fn consuming_without_looking_takes_one_frame() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.pcap");
    write(&path, (0..3).map(frame));
    let mut wire = open(&format!("rx={}", path.display())).unwrap();
    wire.consume();
    assert_eq!(wire.front(), Some(&frame(1)[..]));
}

#[test]
fn short_frames_are_padded_to_sixty_bytes_with_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.pcap");
    write(&path, [vec![9; 60], vec![1; 42], vec![2; 59], vec![3; 61], vec![4; 14]]);
    let mut wire = open(&format!("rx={}", path.display())).unwrap();
    for (byte, len) in [(9, 60), (1, 42), (2, 59), (3, 61), (4, 14)] {
        let mut expected = vec![byte; len];
        expected.resize(len.max(60), 0);
        assert_eq!(wire.front(), Some(&expected[..]));
        wire.consume();
    }
    assert!(wire.ended());
}

#[test]
fn records_without_an_ethernet_header_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.pcap");
    write(&path, [vec![], frame(1), vec![7; 13], vec![], frame(2), vec![]]);
    let mut wire = open(&format!("rx={}", path.display())).unwrap();
    for (n, skipped) in [(1, 1), (2, 3)] {
        assert_eq!(wire.front(), Some(&frame(n)[..]));
        assert_eq!(wire.records_skipped(), skipped, "in front of frame {n}");
        wire.too_long(14);
        wire.consume();
    }
    assert!(wire.ended());
    assert_eq!(wire.records_skipped(), 4, "too long ones are not among them");
}

#[test]
fn formats_are_told_by_content_when_read_and_by_name_when_written() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["a.pcap", "a.pcapng", "a.pcap.gz", "a.pcapng.gz"].map(|name| dir.path().join(name));
    for (name, magic) in names.iter().zip([[0x4d, 0x3c], [0x0a, 0x0d], [0x1f, 0x8b], [0x1f, 0x8b]]) {
        let mut wire = open(&format!("tx={}", name.display())).unwrap();
        assert!((0..100).all(|n| wire.transmit(&frame(n))));
        drop(wire);
        assert_eq!(fs::read(name).unwrap()[..2], magic);
        let other = dir.path().join("without an extension");
        fs::rename(name, &other).unwrap();
        let mut wire = open(&format!("rx={}", other.display())).unwrap();
        for n in 0..100 {
            assert_eq!(wire.front(), Some(&frame(n)[..]), "{}", name.display());
            wire.consume();
        }
        assert!(wire.ended() && wire.error().is_none());
    }
}

#[test]
fn what_is_sent_is_written_with_the_time_at_which_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let mut wire = open(&format!("tx={}", path.display())).unwrap();
    assert!(wire.link_up() && wire.ended() && wire.front().is_none(), "there is no input");
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let begin = now();
    for n in 0..1000 {
        assert!(wire.transmit(&frame(n)));
        assert!(wire.transmit(&[]), "no frame");
    }
    std::thread::sleep(Duration::from_millis(20));
    wire.front();
    assert!(wire.transmit(&frame(1000)));
    let end = now();
    wire.flush().unwrap();
    let found = read(&path);
    assert_eq!(found.len(), 1001);
    for (n, (time, data)) in found.iter().enumerate() {
        assert_eq!(data, &frame(n as u32));
        assert!((begin..=end).contains(time));
    }
    assert!(found[1000].0 - found[999].0 >= 20_000_000, "a new batch has a new time");
    assert!((0..100).all(|n| wire.transmit(&frame(n))));
    std::thread::sleep(Duration::from_millis(20));
    assert!((0..100).all(|n| wire.transmit(&frame(n))));
    wire.flush().unwrap();
    let late = read(&path)[1200].0;
    assert!(late - found[1000].0 >= 20_000_000, "so has a long batch");
    wire.close_transmit();
    assert!(wire.transmit(&frame(0)));
    drop(wire);
    assert_eq!(read(&path).len(), 1201, "after closing, frames are dropped");
}

#[test]
fn both_files_at_once_and_sending_without_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.pcap"), dir.path().join("out.pcap"));
    write(&input, (0..100).map(frame));
    let mut wire = open(&format!("rx={},tx={}", input.display(), output.display())).unwrap();
    while let Some(frame) = wire.front().map(<[u8]>::to_vec) {
        assert!(wire.transmit(&frame));
        wire.consume();
    }
    drop(wire);
    assert_eq!(
        read(&output).into_iter().map(|(_, data)| data).collect::<Vec<_>>(),
        (0..100).map(frame).collect::<Vec<_>>()
    );

    let mut wire = open(&format!("rx={}", input.display())).unwrap();
    assert!((0..100_000).all(|_| wire.transmit(&[0; 60])), "sent into nothing");
}

#[test]
fn pause_off_is_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.pcap");
    write(&path, [frame(1)]);
    assert!(!open(&format!("rx={},pause=off", path.display())).unwrap().waits());
}

#[test]
fn a_damaged_capture_gives_its_whole_frames_then_an_error_and_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.pcap");
    write(&path, (0..3).map(frame));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let mut wire = open(&format!("rx={}", path.display())).unwrap();
    for n in 0..2 {
        assert_eq!(wire.front(), Some(&frame(n)[..]));
        assert_eq!(wire.error(), None);
        wire.consume();
    }
    assert_eq!(wire.front(), None);
    assert!(wire.ended());
    let message = wire.error().unwrap();
    assert!(message.contains("in.pcap is cut off in record 3"), "{message}");
    assert_eq!(wire.error(), Some(message), "it stays");
}

#[test]
fn a_capture_that_cannot_be_read_is_an_error_at_once_and_leaves_no_output_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.pcap"), dir.path().join("out.pcap"));
    let options = format!("rx={},tx={}", input.display(), output.display());
    let refusal = || open(&options).err().unwrap().to_string();

    assert!(refusal().contains("cannot open") && refusal().contains("in.pcap"), "{}", refusal());
    fs::write(&input, "not a capture at all, but long enough").unwrap();
    assert!(refusal().contains("in.pcap is no pcap or pcapng capture"), "{}", refusal());
    write(&input, [frame(1)]);
    let mut bytes = fs::read(&input).unwrap();
    bytes[20] = 101;
    fs::write(&input, bytes).unwrap();
    assert!(refusal().contains("link type 101"), "{}", refusal());
    assert!(!output.exists());
}

#[test]
fn a_file_is_never_input_and_output_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.pcap");
    write(&path, (0..10).map(frame));
    let message = open(&format!("rx={0},tx={0}", path.display())).err().unwrap().to_string();
    assert!(message.contains("x.pcap is in use"), "{message}");
    let _input = open(&format!("rx={}", path.display())).unwrap();
    assert!(open(&format!("tx={}", path.display())).is_err(), "by two wires neither");
    assert_eq!(read(&path).len(), 10);
}

#[test]
fn an_output_that_fails_is_an_error_that_stays_and_blocks_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let from = path.clone();
    let reading = std::thread::spawn(move || {
        let mut header = [0; 24];
        fs::File::open(from).unwrap().read_exact(&mut header).unwrap();
    });
    let mut wire = open(&format!("tx={}", path.display())).unwrap();
    reading.join().unwrap();
    assert_eq!(wire.error(), None);
    assert!((0..10_000).all(|n| wire.transmit(&frame(n))));
    let message = wire.error().unwrap();
    assert!(message.contains("pipe") && message.contains("24 bytes"), "{message}");
    assert!(wire.flush().is_ok(), "the error was told already");
    assert_eq!(wire.error(), Some(message));
    assert!(open("tx=/dev/full").err().unwrap().to_string().contains("cannot write the header of /dev/full"));
}
