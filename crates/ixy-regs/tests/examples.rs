//! The examples, as a user runs them.
#![cfg(not(miri))]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output};

/// Runs an example. Cargo builds it first, so that it is never an old one; `scripts/side-by-side` has built all of them.
fn run(name: &str, arguments: &[&str]) -> Output {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().unwrap().parent().unwrap();
    let program = profile.join("examples").join(name);
    if std::env::var_os("IXY_PROGRAMS_BUILT").is_none() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--quiet",
            "--package",
            env!("CARGO_PKG_NAME"),
            "--example",
            name,
            "--target-dir",
        ]);
        cargo.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(profile.ends_with("release").then_some("--release"));
        assert!(cargo.status().unwrap().success(), "the example {name} cannot be built");
    }
    Command::new(program).args(arguments).output().unwrap()
}

/// The output of an example that has to succeed.
fn printed(name: &str, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = run(name, arguments);
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// What an example says that has to fail.
fn refused(name: &str, arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = run(name, arguments);
    assert!(!status.success(), "{arguments:?}: an error was expected");
    String::from_utf8(stderr).unwrap()
}

#[test]
fn decode_names_a_register_its_fields_and_their_values() {
    for register in ["LINKS", "links", "0x42a4"] {
        let text = printed("decode", &["82599", register, "0x70000000"]);
        assert!(text.starts_with("LINKS at 0x042a4, section 8.2.3.22.20, RO\n"), "{register}: {text}");
        for line in ["  bit 28: LINK_SPEED=0x3(SPEED_10G)", "  bit 30: LINK_UP=0x1"] {
            assert!(text.lines().any(|found| found == line), "{register}: {line} is not in: {text}");
        }
    }
    let text = printed("decode", &["82576", "0x00008", "2"]);
    assert!(text.starts_with("STATUS at 0x00008, "), "{text}");
    assert!(text.contains(": LU=0x1\n") && text.contains(": FD=0x0\n"), "zeros are printed, too: {text}");
}

#[test]
fn decode_says_what_is_wrong_with_its_arguments() {
    for (arguments, words) in [
        (&["82599", "LINKS"][..], "usage: decode"),
        (&["82574", "LINKS", "1"], "`82574` is no card here"),
        (&["82576", "LINKS", "1"], "an 82576 has no register LINKS"),
        (&["82599", "0x3", "1"], "an 82599 has no register 0x3"),
        (&["82599", "LINKS", "up"], "`up` is no number"),
    ] {
        let text = refused("decode", arguments);
        assert!(text.contains(words), "{arguments:?}: `{words}` is not in: {text}");
    }
}

/// A PCI configuration space with a list of capabilities, each at its place.
fn space(first: u8, capabilities: &[(usize, &[u8])]) -> [u8; 256] {
    let mut space = [0; 256];
    (space[0x06], space[0x34]) = (1 << 4, first);
    for (at, bytes) in capabilities {
        space[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    space
}

const NOTIFY: [u8; 20] = [9, 0x60, 20, 2, 4, 0, 0, 0, 0, 0x30, 0, 0, 0, 0x10, 0, 0, 4, 0, 0, 0];
const COMMON: [u8; 16] = [9, 0, 16, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0];

#[test]
fn capabilities_finds_the_structures_of_a_virtio_device() {
    let path = std::env::temp_dir().join(format!("ixy-regs-capabilities-{}", std::process::id()));
    let argument = [path.to_str().unwrap()];
    let shown = |space: &[u8]| {
        std::fs::write(&path, space).unwrap();
        printed("capabilities", &argument)
    };
    let common = "Common       BAR 4, 4096 bytes from 0x0 on\n";
    let list = space(0x98, &[(0x98, &[0x11, 0x40, 0, 0]), (0x40, &NOTIFY), (0x60, &COMMON)]);
    let notify = "Notify       BAR 4, 4096 bytes from 0x3000 on, doorbells 4 bytes apart\n";
    assert_eq!(shown(&list), format!("{notify}{common}"), "in the order of the list");
    // A list ends where it loops or leads outside.
    let linked = |next: u8| {
        let mut capability = COMMON;
        capability[1] = next;
        space(0x40, &[(0x40, &capability)])
    };
    assert_eq!(shown(&linked(0x40)), common.repeat(64));
    assert_eq!(shown(&linked(0x10)), common);

    let (mut bar, mut kind) = (COMMON, COMMON);
    (bar[4], kind[3]) = (6, 7);
    let reserved = |capability: &[u8]| space(0x40, &[(0x40, capability)]).to_vec();
    let more = "; more than 64 bytes of it are readable as root";
    for (space, hint) in
        [(reserved(&bar), ""), (reserved(&kind), ""), (list[..64].to_vec(), more), (Vec::new(), more)]
    {
        std::fs::write(&path, &space).unwrap();
        let text = refused("capabilities", &argument);
        let expected = format!("{} names no virtio structure{hint}\n", path.display());
        assert_eq!(text, expected, "{space:?}");
    }
    std::fs::remove_file(&path).unwrap();
}
