//! ixy-pktgen as a user starts it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ixy_pcap::{Reader, Writer};
use tempfile::TempDir;

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs it to its end; what takes longer than a minute hangs.
fn run(args: &[&str]) -> Ended {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "60", env!("CARGO_BIN_EXE_ixy-pktgen")]).args(args).env_remove("IXY_LOG");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn fails(args: &[&str], code: i32, words: &[&str]) {
    let Ended { code: found, out, err } = run(args);
    assert_eq!(found, Some(code), "{args:?}: {err}");
    assert!(err.starts_with("error: ") && err.lines().count() == 1, "{args:?}: {err}");
    for word in words {
        assert!(err.contains(word), "{args:?}: `{word}` is not in: {err}");
    }
    assert_eq!(out, "");
}

/// A directory, the capture in it that is sent into, and the device that does so.
fn capture() -> (TempDir, PathBuf, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out.pcap");
    let device = format!("sim:tx={}", file.display());
    (directory, file, device)
}

fn frames(path: &Path) -> Vec<Vec<u8>> {
    let mut reader = Reader::open(path).unwrap();
    let mut frames = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        frames.push(record.data.to_vec());
    }
    frames
}

#[test]
fn frames_are_numbered_in_their_last_four_bytes_and_flows_take_turns() {
    let (_directory, file, device) = capture();
    let mac = "02:00:00:00:00:99";
    let Ended { code, err, out } =
        run(&[&device, "--count", "5000", "--flows", "3", "--size", "100", "--dst-mac", mac, "--batch", "7"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains(" 5000 packets "), "{out}");
    let frames = frames(&file);
    assert_eq!(frames.len(), 5000);
    for (n, frame) in (0_u32..).zip(&frames) {
        assert_eq!(frame.len(), 100);
        assert_eq!(frame[..6], [2, 0, 0, 0, 0, 0x99]);
        assert_eq!(frame[96..], n.to_be_bytes());
        assert_eq!(frame[34..36], (1024 + n as u16 % 3).to_be_bytes());
        let packet = etherparse::PacketHeaders::from_ethernet_slice(frame).unwrap();
        assert!(matches!(packet.transport, Some(etherparse::TransportHeader::Udp(_))));
    }
}

#[test]
fn every_size_and_number_of_queues_has_all_numbers_once() {
    for (size, queues, ring) in [("60", "1", "64"), ("1514", "4", "64"), ("61", "3", "4096")] {
        let (_directory, file, device) = capture();
        let args = [&device, "--count", "3001", "--size", size, "--queues", queues, "--ring", ring];
        assert_eq!(run(&args).code, Some(0));
        let last = |frame: &Vec<u8>| u32::from_be_bytes(*frame.last_chunk().unwrap());
        let mut numbers: Vec<u32> = frames(&file).iter().map(last).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..3001), "size {size}, {queues} queues");
    }
}

#[test]
fn a_rate_is_kept_in_packets_and_in_bits() {
    // 1,250 bytes on the wire are 10,000 bits.
    for rate in ["2000", "20Mbit"] {
        let (_directory, file, device) = capture();
        assert_eq!(run(&[&device, "--rate", rate, "--size", "1226", "--duration", "1"]).code, Some(0));
        let sent = frames(&file).len();
        // On a busy machine it may be less, as what is late by more than 10 ms is not caught up with.
        assert!((1000..=2010).contains(&sent), "{rate}: {sent}");
    }
}

fn write(path: &Path, frames: &[(u64, usize)]) {
    let mut writer = Writer::create(path, 0).unwrap();
    for &(milliseconds, len) in frames {
        writer
            .write(1_700_000_000_000_000_000 + milliseconds * 1_000_000, &vec![milliseconds as u8; len])
            .unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn a_capture_is_sent_at_its_own_pace_or_as_fast_as_it_goes() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 60), (300, 61), (301, 1514), (700, 62)]);
    let input = input.to_str().unwrap();
    let started = Instant::now();
    let Ended { code, out, .. } = run(&[&device, "--pcap", input]);
    let slow = started.elapsed();
    assert_eq!(code, Some(0));
    assert!(out.contains("skipped 0\n"), "{out}");
    assert!(slow >= Duration::from_millis(700), "{slow:?}");
    assert_eq!(frames(&file).iter().map(Vec::len).collect::<Vec<_>>(), [60, 61, 1514, 62]);

    let Ended { code, out, .. } = run(&[&device, "--pcap", input, "--fast"]);
    assert_eq!(code, Some(0));
    let seconds: f64 = out.split(' ').skip_while(|word| *word != "of").nth(1).unwrap().parse().unwrap();
    assert!(seconds < 0.5, "{out}");
    assert_eq!(frames(&file).len(), 4);
}

#[test]
fn a_capture_can_be_sent_again_and_again() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 60), (1, 61), (2, 62)]);
    let args = [&device, "--pcap", input.to_str().unwrap(), "--loop", "--count", "10"];
    assert_eq!(run(&args).code, Some(0));
    let lengths: Vec<_> = frames(&file).iter().map(Vec::len).collect();
    assert_eq!(lengths, [60, 61, 62, 60, 61, 62, 60, 61, 62, 60]);
}

#[test]
fn frames_that_ethernet_cannot_carry_are_skipped_and_counted() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    let path = input.to_str().unwrap();
    write(&input, &[(0, 13), (0, 14), (0, 1514), (0, 1515), (0, 0)]);
    let Ended { code, out, .. } = run(&[&device, "--pcap", path]);
    assert_eq!(code, Some(0));
    assert!(out.contains("skipped 3\n"), "{out}");
    // The card pads short ones.
    assert_eq!(frames(&file).iter().map(Vec::len).collect::<Vec<_>>(), [60, 1514]);

    write(&input, &[(0, 13), (0, 1515)]);
    let Ended { code, err, .. } = run(&[&device, "--pcap", path, "--loop"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("in.pcap") && err.contains("14 to 1514"), "{err}");
}

#[test]
fn what_arrives_is_counted() {
    let Ended { code, out, .. } = run(&["sim", "--rate", "1k", "--duration", "1", "-q"]);
    assert_eq!(code, Some(0));
    let received: u64 =
        out.split("  ").find_map(|part| part.strip_suffix(" packets")).unwrap().parse().unwrap();
    // More than the ring holds: it was emptied.
    assert!(received > 5000, "{out}");
}

#[test]
fn without_a_link_it_ends_with_an_error_in_time() {
    let started = Instant::now();
    fails(&["sim:link=down", "--link-timeout", "0.5"], 1, &["sim:link=down", "0.5 s", "--link-timeout"]);
    fails(&["sim:link=down", "--duration", "200ms"], 1, &["no link"]);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn wrong_arguments_are_one_line() {
    fails(&["sim", "--size", "59"], 2, &["--size", "59", "60..=1514"]);
    fails(&["sim", "--size", "1515"], 2, &["--size"]);
    fails(&["sim", "--rate", "fast"], 2, &["--rate", "1M", "5Gbit"]);
    fails(&["sim", "--flows", "0"], 2, &["--flows"]);
    fails(&["sim", "--dst-mac", "02:00"], 2, &["--dst-mac", "six bytes"]);
    fails(&["sim", "--loop"], 2, &["--pcap"]);
    fails(&["sim", "--fast"], 2, &["--pcap"]);
    fails(&["sim", "--pcap", "x", "--size", "100"], 2, &["--pcap", "--size"]);
    fails(&["sim", "--pcap", "/no/such.pcap"], 1, &["/no/such.pcap"]);
}

#[test]
fn a_capture_that_is_not_there_leaves_no_file_behind() {
    let (_directory, file, device) = capture();
    fails(&[&device, "--pcap", "/no/such.pcap"], 1, &[]);
    assert!(!file.exists());
}

#[test]
fn a_truncated_capture_is_one_line_and_the_frames_before_it_are_sent() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 60); 5]);
    let bytes = fs::read(&input).unwrap();
    fs::write(&input, &bytes[..bytes.len() - 1]).unwrap();
    let Ended { code, err, .. } = run(&[&device, "--pcap", input.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with("error: ") && err.lines().count() == 1 && err.contains("record 5"), "{err}");
    assert_eq!(frames(&file).len(), 4);
}
