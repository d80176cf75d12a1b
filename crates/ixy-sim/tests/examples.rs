//! The example, as a user runs it.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use ixy_sim::serve::{Port, Settings};
use ixy_sim::wire::{Cables, WireSpec};
use ixy_vfio_user::server::{Listener, Stop};

#[test]
fn registers_measures_a_card_in_the_process_and_a_served_one() {
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
            "registers",
            "--target-dir",
        ]);
        cargo.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(profile.ends_with("release").then_some("--release"));
        assert!(cargo.status().unwrap().success(), "the example cannot be built");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card");
    let wire = "loopback".parse::<WireSpec>().unwrap().connect(&Cables::default()).unwrap();
    let (port, listener) = (Port::new(wire, Settings::default()).unwrap(), Listener::bind(&path).unwrap());
    let stop = Stop::new().unwrap();
    let output = std::thread::scope(|scope| {
        let server = scope.spawn(|| port.serve(&listener, &stop));
        let output = Command::new(profile.join("examples/registers")).arg(&path).output();
        stop.stop();
        server.join().unwrap().unwrap();
        output.unwrap()
    });
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured = text.lines().filter(|line| line.contains(" ns  (fastest round "));
    assert_eq!(measured.count(), 5, "five lines, each with a time: {text}");
}
