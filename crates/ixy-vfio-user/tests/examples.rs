//! The example, as a user runs it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A program that is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn one_copier_serves_and_another_measures_it() {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().unwrap().parent().unwrap();
    // Cargo builds it, except when a single test is run; `scripts/side-by-side` has built it.
    if std::env::var_os("IXY_PROGRAMS_BUILT").is_none() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--quiet",
            "--package",
            env!("CARGO_PKG_NAME"),
            "--example",
            "copier",
            "--target-dir",
        ]);
        cargo.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(profile.ends_with("release").then_some("--release"));
        assert!(cargo.status().unwrap().success(), "the example cannot be built");
    }
    let program = profile.join("examples/copier");
    let path = std::env::temp_dir().join(format!("ixy-copier-{}", std::process::id()));
    let server = Command::new(&program).arg("serve").arg(&path).stdout(Stdio::piped()).spawn();
    let mut server = Running(server.unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("serving {}\n", path.display()));

    let output = Command::new(&program).arg("measure").arg(&path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured = text.lines().filter(|line| line.contains(" (fastest round "));
    assert_eq!(measured.count(), 4, "four lines, each with a time: {text}");
    drop(server);
    std::fs::remove_file(&path).unwrap();
}
