//! Where the programs of examples are.

use std::path::PathBuf;
use std::process::Command;

/// An example's program. `cargo test` builds all of them beside the tests; when only one test was asked for, they are
/// built here the first time.
pub(crate) fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().unwrap().parent().unwrap();
    let program = profile.join("examples").join(name);
    if !program.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--package", env!("CARGO_PKG_NAME"), "--example", name, "--target-dir"]);
        cargo.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(profile.ends_with("release").then_some("--release"));
        assert!(cargo.status().unwrap().success());
    }
    program
}
