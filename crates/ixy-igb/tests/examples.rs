//! The examples, as a user runs them.
#![allow(clippy::unwrap_used, reason = "tests")]

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
fn echo_sends_back_what_it_receives() {
    let expected =
        "02:82:57:60:00:01 has a link that is up at 1000 Mbit/s\n1000 frames went back, 60000 bytes\n";
    assert_eq!(printed("echo"), expected);
}
