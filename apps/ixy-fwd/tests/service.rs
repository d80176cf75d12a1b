//! The systemd unit in docs/: the program that it starts exists, and accepts these arguments.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The value of a line `NAME=value` of a file, or of a block of commands in a page.
fn setting(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(repository().join(file)).unwrap();
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{file} has no {name}=")).to_owned()
}

fn run(program: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "60"]).arg(program).args(args).env_remove("IXY_LOG");
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

const UNIT: &str = "docs/ixy-fwd@.service";

#[test]
fn the_unit_starts_ixy_fwd_with_arguments_that_it_takes() {
    let options = setting("docs/running.md", "OPTIONS").replace("9100", "0");
    assert!(options.starts_with("--"), "{options}");
    let line = setting(UNIT, "ExecStart").replace("$CARDS", "sim sim").replace("$OPTIONS", &options);
    let words: Vec<&str> = line.split_whitespace().collect();
    let (program, arguments) = words.split_first().unwrap();
    assert_eq!(*program, "/usr/local/bin/ixy-fwd");
    let end = ["--duration", "1"];
    let (code, out, err) = run(Path::new(env!("CARGO_BIN_EXE_ixy-fwd")), &[arguments, &end].concat());
    assert!(code == Some(0) && out.contains("Summary of"), "{line}: {err}");
}

#[test]
fn the_unit_prepares_the_cards_with_a_script_that_takes_these_arguments() {
    let line = setting(UNIT, "ExecStartPre").replace("$CARDS", "ff:1f.7");
    let words: Vec<&str> = line.split_whitespace().collect();
    let (program, arguments) = words.split_first().unwrap();
    assert_eq!(*program, "+/usr/local/lib/ixy/bind");
    assert_eq!(arguments[1], setting(UNIT, "User"), "the groups belong to the user that opens them");
    // An existing user and a missing card, which is checked last.
    let arguments: Vec<&str> =
        arguments.iter().map(|word| if *word == "ixy" { "root" } else { word }).collect();
    let (code, _, err) = run(&repository().join("scripts/bind"), &[&["--dry-run"], &arguments[..]].concat());
    assert!(code == Some(1) && err.contains("there is no device 0000:ff:1f.7"), "{line}: {err}");
}
