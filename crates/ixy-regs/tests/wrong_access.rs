//! Wrong accesses do not compile.

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
        println!("skipped: the expected messages are those of {COMPILER}, and this is {version:?}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
