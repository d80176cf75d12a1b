//! ixy-dump as a user starts it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use ixy_pcap::{Reader, Writer};

/// Runs a command to its end; what takes longer than a minute hangs.
fn ended(command: &str, args: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let mut limited = Command::new("timeout");
    limited.args(["-s", "KILL", "60", command]).args(args).env_remove("IXY_LOG");
    let output = limited.stdin(Stdio::null()).output().unwrap();
    (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

fn run(args: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    ended(env!("CARGO_BIN_EXE_ixy-dump"), args)
}

fn fails(args: &[&str], code: i32, words: &[&str]) {
    let (found, _, err) = run(args);
    assert_eq!(found, Some(code), "{args:?}: {err}");
    assert!(err.starts_with("error: ") && err.lines().count() == 1, "{args:?}: {err}");
    for word in words {
        assert!(err.contains(word), "{args:?}: `{word}` is not in: {err}");
    }
}

/// Time, bytes and original length of each record.
fn records(path: &Path) -> Vec<(u64, Vec<u8>, u32)> {
    let mut reader = Reader::open(path).unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        records.push((record.time, record.data.to_vec(), record.original));
    }
    records
}

fn write(path: &Path, lengths: impl Iterator<Item = usize>) -> Vec<Vec<u8>> {
    let mut writer = Writer::create(path, 0).unwrap();
    let frames: Vec<Vec<u8>> = lengths.enumerate().map(|(n, len)| vec![n as u8 & 0xfe; len]).collect();
    for frame in &frames {
        writer.write(0, frame).unwrap();
    }
    writer.finish().unwrap();
    frames
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64
}

#[test]
fn everything_that_arrives_is_recorded_as_it_is_with_the_time() {
    let directory = tempfile::tempdir().unwrap();
    let [input, output] = ["in.pcap", "out.pcap"].map(|name| directory.path().join(name));
    let frames = write(&input, (0..5000).map(|n| 60 + n % 1455));
    let before = now();
    let (code, out, err) = run(&[&format!("sim:rx={}", input.display()), "-w", output.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(String::from_utf8(out).unwrap().contains("recorded 5000\n"));
    let records = records(&output);
    assert!(records.iter().map(|record| &record.1).eq(&frames));
    assert!(records.is_sorted_by_key(|record| record.0));
    assert!(records[0].0 >= before && records[4999].0 <= now());
    assert!(records.iter().any(|record| record.0 % 1000 != 0), "nanoseconds are kept");
}

#[test]
fn it_ends_after_the_frames_that_were_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    for count in [1, 31, 100] {
        let (code, ..) = run(&["sim", "-w", output.to_str().unwrap(), "-c", &count.to_string()]);
        assert_eq!(code, Some(0));
        assert_eq!(records(&output).len(), count);
    }
}

#[test]
fn frames_are_cut_to_the_snapshot_length() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    let (code, ..) =
        run(&["sim:flood,size=100", "-w", output.to_str().unwrap(), "-c", "5", "--snaplen", "20"]);
    assert_eq!(code, Some(0));
    for (_, data, original) in records(&output) {
        assert_eq!((data.len(), original), (20, 100));
    }
}

#[test]
fn a_capture_on_standard_output_has_nothing_else_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    let (code, out, err) = run(&["sim", "-w", "-", "-c", "1000"]);
    assert_eq!(code, Some(0));
    fs::write(&output, out).unwrap();
    assert_eq!(records(&output).len(), 1000);
    assert!(err.contains("recorded 1000\n") && err.contains("[sim] RX: "), "{err}");
}

#[test]
fn a_signal_leaves_a_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    let mut child = Command::new(env!("CARGO_BIN_EXE_ixy-dump"))
        .args(["sim", "-w", output.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let kill = format!("kill -s INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let records = records(&output);
    assert!(records.len() > 100);
    let bytes: usize = records.iter().map(|record| 16 + record.1.len()).sum();
    assert_eq!(
        fs::metadata(&output).unwrap().len(),
        24 + bytes as u64,
        "what was preallocated was given back"
    );
}

#[test]
fn a_disk_that_fills_up_is_one_line_and_the_file_keeps_whole_records() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    // A limit on the size of files stands in for a full disk: the same writes fail in the same place.
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$@\"";
    let program = env!("CARGO_BIN_EXE_ixy-dump");
    let (code, _, err) = ended("sh", &["-c", script, "sh", program, "sim", "-w", output.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.starts_with("error: ") && err.lines().count() == 1, "{err}");
    assert!(err.contains("out.pcap") && err.contains("whole records"), "{err}");
    let records = records(&output);
    assert!(records.len() > 100 && records.iter().all(|record| record.1.len() == 60));
}

#[test]
fn what_cannot_be_written_or_opened_is_one_line_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    let path = output.to_str().unwrap();
    fails(&["sim", "-w", "/dev/full"], 1, &["/dev/full", "No space left"]);
    fails(&["sim", "-w", "/no/such/directory/x"], 1, &["/no/such/directory/x"]);
    fails(&["sim"], 2, &["--write"]);
    fails(&["sim", "-w", path, "-c", "0"], 2, &["--count"]);
    fails(&["ffff:03:00.0", "-w", path], 1, &["ffff:03:00.0"]);
    fails(&["sim:rx=/no/such.pcap", "-w", path], 1, &["/no/such.pcap"]);
    fails(&["sim:cable=a", "-w", path], 1, &["cable"]);
    assert!(!output.exists());
}
