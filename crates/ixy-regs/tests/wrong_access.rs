//! Wrong accesses do not compile.

#![cfg(not(miri))]
#![allow(clippy::unwrap_used)] // tests

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

mod project;

/// The compiler that wrote the messages in the `.stderr` files.
const COMPILER: &str = "rustc 1.95.";

/// Each file in `compile_fail/` makes one mistake. The `.stderr` file beside it has the message that refuses it.
#[test]
fn each_wrong_access_is_refused_by_the_compiler_with_the_expected_message() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    let version =
        version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if !version.starts_with(COMPILER) {
        // Documentation tests in `lib.rs` show with every compiler that they are refused at all.
        let test = "each_wrong_access_is_refused_by_the_compiler_with_the_expected_message";
        let line = format!("SKIPPED: {test}: the messages are those of {COMPILER}, this is {version:?}\n");
        // Not through a macro, since the test runner captures its output.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut tried, mut wrong) = (0, String::new());
    for entry in fs::read_dir(here.join("tests/compile_fail")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(stem) = name.strip_suffix(".rs") else { continue };
        let source = format!("tests/compile_fail/{name}");
        let said = match project::build("wrong-access", &source, "lib", &[]) {
            Ok(_) => "it compiles\n".into(),
            // The last line is cargo's own: it could not compile the crate.
            Err(said) => {
                said.split_inclusive('\n').filter(|line| !line.starts_with("error: ")).collect::<String>()
            }
        };
        let said = said.replace(&format!("{}/", here.display()), "");
        let expected = fs::read_to_string(path.with_extension("stderr")).unwrap_or_default();
        if said != expected {
            let seen = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{stem}.stderr"));
            fs::write(&seen, &said).unwrap();
            wrong += &format!("expected: {expected}seen:     {said}which is also in {}\n\n", seen.display());
        }
        tried += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(tried >= 11, "only {tried} files were found");
}
