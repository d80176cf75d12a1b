//! Wrong accesses do not compile.

use std::io::Write;

/// The compiler whose messages the `.stderr` files hold.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn each_wrong_access_is_refused_by_the_compiler_with_the_expected_message() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = std::process::Command::new(rustc).arg("--version").output();
    let version =
        version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if !version.starts_with(COMPILER) {
        // That they are refused at all is shown by documentation tests in `lib.rs`, with every compiler.
        let test = "each_wrong_access_is_refused_by_the_compiler_with_the_expected_message";
        let line = format!("SKIPPED: {test}: the messages are those of {COMPILER}, this is {version:?}\n");
        // Not through a macro, whose output the test runner keeps to itself.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
