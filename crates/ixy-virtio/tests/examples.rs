//! The examples, as a user runs them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::process::Command;

/// Runs an example that has to succeed, and returns its output. Cargo builds it first, so that it is never an old one;
/// `scripts/side-by-side` has built all of them.
fn printed(name: &str) -> String {
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
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn rings_of_both_kinds_send_back_what_arrives() {
    let text = printed("rings");
    let lines: Vec<&str> = text.lines().collect();
    let [split, packed] = lines[..] else { panic!("not a line for each kind of rings: {text}") };
    assert!(split.ends_with(": 1000 frames went back") && !split.contains("RING_PACKED"), "{split}");
    assert!(packed.ends_with(": 1000 frames went back") && packed.contains("RING_PACKED"), "{packed}");
}
