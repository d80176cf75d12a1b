//! The examples, as a user runs them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

use ixy_pcap::Writer;

/// Runs an example. Cargo builds it first, so that it is never an old one;
/// `scripts/side-by-side` has built all of them.
fn run(name: &str, arguments: &[&str]) -> Output {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().unwrap().parent().unwrap();
    let program = profile.join("examples").join(name);
    if std::env::var_os("IXY_PROGRAMS_BUILT").is_none() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--package", env!("CARGO_PKG_NAME"), "--example", name, "--target-dir"]);
        cargo.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(profile.ends_with("release").then_some("--release"));
        assert!(cargo.status().unwrap().success(), "the example {name} cannot be built");
    }
    Command::new(program).args(arguments).output().unwrap()
}

/// Makes a capture of four frames.
fn capture(path: &Path) {
    let mut writer = Writer::create(path, 0).unwrap();
    for (kind, len) in [(0x0800_u16, 100), (0x0806, 60), (0x0800, 70), (0x1234, 60)] {
        let mut frame = vec![0x5a; len];
        frame[12..14].copy_from_slice(&kind.to_be_bytes());
        writer.write(0, &frame).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn ethertypes_counts_the_frames_and_bytes_of_each() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["in.pcap", "in.pcapng", "in.pcap.gz"] {
        let path = directory.path().join(name);
        capture(&path);
        let output = run("ethertypes", &[path.to_str().unwrap()]);
        let text = String::from_utf8(output.stdout).unwrap();
        let words: Vec<_> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let expected = [
            "0x0800 2 frames 170 bytes IPv4",
            "0x0806 1 frames 60 bytes ARP",
            "0x1234 1 frames 60 bytes other",
        ];
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {:?}", output.stderr);
        assert_eq!(words, expected, "{name}");
    }
}

#[test]
fn ethertypes_gives_the_whole_frames_of_a_damaged_capture_and_says_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("in.pcap");
    capture(&path);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let output = run("ethertypes", &[path.to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 2, "lines of IPv4 and ARP");
    assert!(
        error.starts_with("ethertypes: ") && error.contains("in.pcap") && error.lines().count() == 1,
        "{error}"
    );

    let output = run("ethertypes", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("usage: ethertypes FILE"));
}
