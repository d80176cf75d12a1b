//! Captures that two arguments name: nothing of them is lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ixy_pcap::Writer;

/// Exit code and error output of a run.
fn run(args: &[&str]) -> (Option<i32>, String) {
    let mut limited = Command::new("timeout");
    limited.args(["-s", "KILL", "60", env!("CARGO_BIN_EXE_ixy-fwd")]).args(args).env_remove("IXY_LOG");
    let output = limited.stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Runs a command that must fail as wrong usage, with one line that has `why` in it.
fn refused(args: &[&str], why: &str) {
    let (code, err) = run(args);
    assert_eq!(code, Some(2), "{args:?}: {err}");
    assert!(err.starts_with("error: ") && err.lines().count() == 1, "{args:?}: {err}");
    assert!(err.contains(why), "{args:?}: `{why}` is not in: {err}");
}

/// A capture of `frames` frames.
fn capture(directory: &Path, name: &str, frames: usize) -> PathBuf {
    let path = directory.join(name);
    let mut writer = Writer::create(&path, 0).unwrap();
    (0..frames).for_each(|n| writer.write(n as u64, &[n as u8 & 0xfe; 100]).unwrap());
    writer.finish().unwrap();
    path
}

#[test]
fn a_capture_that_one_device_receives_is_not_overwritten_by_another() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let (x, y) = (capture(dir, "x.pcap", 10_000), capture(dir, "y.pcap", 10));
    let [hard, soft] = ["hard.pcap", "soft.pcap"].map(|name| dir.join(name));
    fs::hard_link(&x, &hard).unwrap();
    std::os::unix::fs::symlink("x.pcap", &soft).unwrap();
    let before = fs::read(&x).unwrap();
    let at = |name: &str| dir.join(name).display().to_string();
    for alias in ["x.pcap", "./x.pcap", "hard.pcap", "soft.pcap"] {
        let writes = format!("sim:rx={},tx={}", y.display(), at(alias));
        let reads = format!("sim:rx={},tx={}", x.display(), at("z.pcap"));
        let why = format!("{reads} reads the file that {writes} would overwrite: write to another file");
        refused(&[&writes, &reads], &why);
        refused(&[&reads, &writes], &why);
        let both = format!("sim:rx={},tx={}", x.display(), at(alias));
        refused(&[&both, "sim"], &format!("{both} reads the same file that it writes to"));
        assert!(fs::read(&x).unwrap() == before, "{alias}: it was overwritten");
    }
    assert!(!dir.join("z.pcap").exists(), "nothing was opened");
}

#[test]
fn two_captures_on_one_output_are_refused_under_any_name() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let input = capture(dir, "in.pcap", 10);
    let pipe = dir.join("ff");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.display().to_string();
    let (dotted, new) = (format!("{}/./ff", dir.display()), dir.join("new.pcap").display().to_string());
    for (one, other, what) in [
        ("-", "/dev/stdout", "standard output"),
        ("/dev/stdout", "-", "standard output"),
        ("/dev/fd/1", "/dev/stdout", "the same pipe"),
        (&pipe, &dotted, "the same pipe"),
        (
            &new,
            &format!("{}/../{}/new.pcap", dir.display(), dir.file_name().unwrap().display()),
            "the same file",
        ),
    ] {
        let [one, other] = [one, other].map(|tx| format!("sim:rx={},tx={tx}", input.display()));
        refused(&[&one, &other], &format!("{one} and {other} both write to {what}: give one of them"));
    }
    assert!(!Path::new(&new).exists(), "nothing was opened");
}

#[test]
fn a_device_that_keeps_nothing_takes_several_captures_and_a_file_gives_several() {
    let directory = tempfile::tempdir().unwrap();
    let input = capture(directory.path(), "in.pcap", 10);
    let device = format!("sim:rx={},tx=/dev/null", input.display());
    assert_eq!(run(&[&device, &device]), (Some(0), String::new()));
}
