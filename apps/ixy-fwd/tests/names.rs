//! Names with blanks and control characters in them, in all that is printed for people.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ixy_pcap::Writer;

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program in a directory, with this file as standard input.
fn run(directory: &Path, args: &[&str], stdin: Stdio) -> Ended {
    let mut limited = Command::new("timeout");
    limited.args(["-s", "KILL", "60", env!("CARGO_BIN_EXE_ixy-fwd")]).args(args).env_remove("IXY_LOG");
    let output = limited.current_dir(directory).stdin(stdin).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    Ended { code: output.status.code(), out, err }
}

/// A capture with frames of these lengths.
fn capture(path: &Path, lengths: &[usize]) {
    let mut writer = Writer::create(path, 0).unwrap();
    lengths.iter().for_each(|len| writer.write(0, &vec![0xfe; *len]).unwrap());
    writer.finish().unwrap();
}

/// Whether there are no control characters but the ends of lines.
fn is_clean(text: &str) -> bool {
    text.lines().all(|line| !line.contains(char::is_control))
}

#[test]
fn statistics_and_warnings_have_no_control_characters_of_names_and_json_has_them() {
    let directory = tempfile::tempdir().unwrap();
    let name = "a\x1b[2J\nb.pcap";
    // The second record is no frame, which a warning says.
    capture(&directory.path().join(name), &[60, 5]);
    let device = format!("sim:rx={name}");
    let Ended { code, out, err } = run(directory.path(), &[&device, "sim:tx=/dev/null"], Stdio::null());
    assert_eq!(code, Some(0), "{err}");
    assert!(is_clean(&out) && out.contains("[sim:rx=a\\u{1b}[2J\\nb.pcap] RX: "), "{out}");
    assert!(is_clean(&err) && err.lines().count() == 1, "{err}");
    assert!(err.contains("a\\u{1b}[2J\\nb.pcap: 1 of 2 records left out"), "{err}");
    let Ended { out, .. } = run(directory.path(), &[&device, "sim:tx=/dev/null", "--json"], Stdio::null());
    let row: serde_json::Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(row["device"], *device, "a program gets the name as it is");
}

/// Runs the command that follows `before` in an error.
fn follow(directory: &Path, err: &str, before: &str) {
    let command = err.split_once(before).unwrap_or_else(|| panic!("`{before}` is not in: {err}")).1;
    let status = Command::new("bash").args(["-c", command]).current_dir(directory).status().unwrap();
    assert!(status.success(), "{command}");
}

#[test]
fn a_command_in_an_error_works_as_it_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    for name in ["no dir", "it's", "$x", "a\nb"] {
        let Ended { code, err, .. } = run(dir, &["sim", &format!("sim:tx={name}/out.pcap")], Stdio::null());
        assert_eq!(code, Some(1), "{err}");
        follow(dir, &err, "create it: ");
        assert!(dir.join(name).is_dir(), "{err}");
    }
    capture(&dir.join("cut me.pcap"), &[60; 3]);
    let whole = fs::read(dir.join("cut me.pcap")).unwrap();
    fs::write(dir.join("cut me.pcap"), &whole[..whole.len() - 1]).unwrap();
    let Ended { err, .. } = run(dir, &["sim:rx=cut me.pcap", "sim:tx=/dev/null"], Stdio::null());
    assert!(err.contains("editcap -F pcap -r 'cut me.pcap' OUT.pcap 1-2"), "{err}");
    let stdin = fs::File::open(dir.join("cut me.pcap")).unwrap().into();
    let Ended { err, .. } = run(dir, &["sim:rx=-", "sim:tx=/dev/null"], stdin);
    assert!(err.contains("; records 1 to 2 of it are whole\n") && !err.contains("editcap"), "{err}");
    fs::write(dir.join("no capture"), "text").unwrap();
    let Ended { err, .. } = run(dir, &["sim:rx=no capture", "sim"], Stdio::null());
    assert!(
        err.contains("convert it with Wireshark's editcap: editcap -F pcap 'no capture' OUT.pcap\n"),
        "{err}"
    );
    let stdin = fs::File::open(dir.join("no capture")).unwrap().into();
    let Ended { err, .. } = run(dir, &["sim:rx=-", "sim"], stdin);
    assert!(err.contains("write it to a file, and convert it with Wireshark's editcap -F pcap\n"), "{err}");
}

#[test]
fn an_output_that_is_a_link_to_nowhere_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("none/out.pcap", directory.path().join("link.pcap")).unwrap();
    let Ended { code, err, .. } = run(directory.path(), &["sim", "sim:tx=link.pcap"], Stdio::null());
    assert_eq!(code, Some(1), "{err}");
    let why = "it is a link to none/out.pcap: the directory none does not exist; create it: mkdir -p none\n";
    assert!(err.ends_with(why), "{err}");
}
