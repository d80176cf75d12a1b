//! The crate needs no operating system.

#![cfg(not(miri))]

mod project;

/// A program cannot have two panic handlers, so this fails to compile if anything below brings in the standard library.
#[test]
fn a_program_without_the_standard_library_can_use_the_crate() {
    let built = project::build("freestanding", "tests/freestanding/kernel.rs", "staticlib", &[]);
    assert!(built.is_ok(), "{}", built.err().unwrap_or_default());
}
