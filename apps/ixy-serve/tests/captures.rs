//! Files and sockets that two arguments name: nothing of them is lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ixy_pcap::Writer;

/// Runs a server in a directory; it must refuse its arguments with one line that has `why` in it.
fn refused(directory: &Path, line: &str, why: &str) {
    let mut limited = Command::new("timeout");
    limited.args(["-s", "KILL", "60", env!("CARGO_BIN_EXE_ixy-serve")]).args(line.split(' '));
    let output = limited.env_remove("IXY_LOG").current_dir(directory).stdin(Stdio::null()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{line}: {err}");
    assert!(err.starts_with("error: ") && err.lines().count() == 1, "{line}: {err}");
    assert!(err.contains(why), "{line}: `{why}` is not in: {err}");
}

#[test]
fn a_capture_that_a_wire_reads_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let mut writer = Writer::create(dir.join("x"), 0).unwrap();
    writer.write(0, &[0xfe; 60]).unwrap();
    writer.finish().unwrap();
    fs::hard_link(dir.join("x"), dir.join("xl")).unwrap();
    std::os::unix::fs::symlink("x", dir.join("xs")).unwrap();
    let before = fs::read(dir.join("x")).unwrap();
    for alias in ["x", "./x", "xl", "xs"] {
        refused(
            dir,
            &format!("--socket s1 --wire tx={alias} --socket s2 --wire rx=x"),
            &format!("the wire rx=x of s2 reads the file that the wire tx={alias} of s1 would overwrite"),
        );
        refused(
            dir,
            &format!("--socket s --wire rx=x --trace --trace-file {alias}"),
            &format!("the wire rx=x of s reads the file that --trace-file {alias} would overwrite"),
        );
        refused(
            dir,
            &format!("--socket s --wire tx=x --trace --trace-file {alias}"),
            &format!("the wire tx=x of s and --trace-file {alias} both write to the same file"),
        );
        assert_eq!(fs::read(dir.join("x")).unwrap(), before, "{alias}: it was overwritten");
    }
    assert!(!dir.join("s").exists() && !dir.join("s1").exists(), "nothing was opened");
}

#[test]
fn one_output_takes_one_capture_and_one_socket_one_device_under_any_name() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    assert!(Command::new("mkfifo").arg(dir.join("ff")).status().unwrap().success());
    for (one, other, what) in [
        ("/dev/stdout", "-", "standard output"),
        ("-", "/dev/fd/1", "standard output"),
        ("ff", "./ff", "the same pipe"),
        ("new", "./new", "the same file"),
    ] {
        refused(
            dir,
            &format!("--socket a --wire tx={one} --socket b --wire tx={other}"),
            &format!("the wire tx={one} of a and the wire tx={other} of b both write to {what}"),
        );
    }
    let stdin = "the wire rx=- of a and the wire rx=- of b both read standard input";
    refused(dir, "--socket a --wire rx=- --socket b --wire rx=-", stdin);
    refused(dir, "--socket sc --socket ./sc", "two devices are at the socket ./sc: give each");
    refused(dir, "--socket sc --vf ./sc", "two devices are at the socket ./sc: give each");
}

#[test]
fn names_have_no_control_characters_in_what_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let (socket, function) = ("a\x1b[2J\nb", "f\nf");
    let mut limited = Command::new("timeout");
    limited.args(["--foreground", "-s", "TERM", "3", env!("CARGO_BIN_EXE_ixy-serve")]);
    limited.args(["--socket", socket, "--wire", "loopback", "--vf", function, "--stats"]);
    let output = limited.env_remove("IXY_LOG").current_dir(dir).stdin(Stdio::null()).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    for line in [
        "serving vfio-user:a\\u{1b}[2J\\nb: 82599, ",
        "serving vfio-user:f\\nf: virtual function 0 of a\\u{1b}[2J\\nb",
        "a\\u{1b}[2J\\nb: 0 frames received, ",
        "f\\nf: 0 DMA faults, ",
    ] {
        assert!(out.lines().any(|printed| printed.starts_with(line)), "`{line}` is not in: {out}{err}");
    }
    assert!(out.lines().all(|line| !line.contains(char::is_control)), "{out}");
}

#[test]
fn the_command_that_makes_the_directory_of_a_socket_has_its_name_in_quotes() {
    let directory = tempfile::tempdir().unwrap();
    let mut limited = Command::new("timeout");
    limited.args(["-s", "KILL", "60", env!("CARGO_BIN_EXE_ixy-serve"), "--socket", "no dir/it's/s"]);
    let output = limited.env_remove("IXY_LOG").current_dir(directory.path()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.ends_with("create it: mkdir -p 'no dir/it'\\''s'\n"), "{err}");
}
