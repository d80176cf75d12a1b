//! Register accesses cost one instruction: these tests look at the machine code of a release build.

#![cfg(not(miri))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::fs;
use std::io::Write;

mod project;

/// The assembly of `tests/codegen/access.rs`.
fn assembly() -> String {
    let flags = ["--emit", "asm", "-C", "llvm-args=-x86-asm-syntax=intel"];
    let target = project::build("codegen", "tests/codegen/access.rs", "lib", &flags).unwrap();
    let mut files: Vec<_> = fs::read_dir(target.join("release/deps"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "s"))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("codegen-")))
        .collect();
    files.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    fs::read_to_string(files.pop().expect("an assembly file")).unwrap()
}

/// The instructions of the function whose mangled name contains `name`.
fn instructions<'a>(assembly: &'a str, name: &str) -> Vec<&'a str> {
    let is_label =
        |line: &str| !line.starts_with([' ', '\t', '.']) && line.ends_with(':') && line.contains(name);
    let mut lines = assembly.lines().skip_while(|line| !is_label(line)).skip(1);
    let body: Vec<_> = lines
        .by_ref()
        .take_while(|line| !line.starts_with(".Lfunc_end"))
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['.', '#']) && !line.ends_with(':'))
        .collect();
    assert!(!body.is_empty(), "no function {name}");
    body
}

/// Instructions that read or write memory, and those that jump, call or fence.
fn accesses<'a>(body: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let in_memory = |line: &&&str| line.contains('[') && !line.starts_with("lea") && !line.starts_with("nop");
    let elsewhere = |line: &&&str| {
        let verb = line.split_whitespace().next().unwrap_or_default();
        verb.starts_with('j') || verb.starts_with("call") || verb.ends_with("fence") || line.contains("lock")
    };
    (body.iter().filter(in_memory).copied().collect(), body.iter().filter(elsewhere).copied().collect())
}

fn is_store(line: &str) -> bool {
    line.split(',').next().is_some_and(|first| first.contains('['))
}

#[test]
fn a_fixed_register_and_a_doorbell_are_one_load_or_store_each() {
    if cfg!(not(target_arch = "x86_64")) {
        let test = "a_fixed_register_and_a_doorbell_are_one_load_or_store_each";
        let line = format!("SKIPPED: {test}: it reads assembly of x86_64 only\n");
        // Not through a macro, since the test runner captures its output.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let assembly = assembly();
    for (name, reads, writes) in [
        ("read_a_fixed_register", 1, 0),
        ("read_a_field", 1, 0),
        ("read_a_fixed_element", 1, 0),
        ("write_a_fixed_register", 0, 1),
        ("modify_a_fixed_register", 1, 1),
    ] {
        let body = instructions(&assembly, name);
        let (memory, elsewhere) = accesses(&body);
        // An instruction such as `or [register], 4` would be a load and a store in one; a volatile access never is.
        let stores = memory.iter().filter(|line| is_store(line)).count();
        assert_eq!((memory.len() - stores, stores), (reads, writes), "{name}: {body:#?}");
        assert!(elsewhere.is_empty(), "{name} jumps, calls or fences: {body:#?}");
    }
    // The queue's handle is read from where it lies (in a loop it stays in registers); the device sees one store.
    for name in ["ring_a_doorbell", "notify_a_virtqueue"] {
        let body = instructions(&assembly, name);
        let (memory, elsewhere) = accesses(&body);
        assert_eq!(memory.iter().filter(|line| is_store(line)).count(), 1, "{body:#?}");
        assert!(memory.iter().filter(|line| !is_store(line)).all(|line| line.contains("[rdi")), "{body:#?}");
        assert!(memory.len() <= 3, "{body:#?}");
        assert!(elsewhere.is_empty(), "{name} jumps, calls or fences: {body:#?}");
    }
}
