//! Full disks. Each test runs itself again in a process with a limited disk or file size.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use ixy_pcap::{PcapError, Reader, Writer};

const DIR: &str = "IXY_PCAP_LIMITED_DIR";

/// Runs the test `name` of this program again, from a shell after the commands `set_up`.
fn again(name: &str, unshare: Option<&[&str]>, set_up: &str) {
    // In memory if possible: there the limit of file size applies to claiming space, too.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let script = format!("{set_up} && exec \"$0\" --exact {name} --nocapture --test-threads=1");
    let mut command = match unshare {
        Some(options) => {
            let mut command = Command::new("unshare");
            command.args(options).arg("sh");
            command
        }
        None => Command::new("sh"),
    };
    let output = command
        .arg("-c")
        .arg(script)
        .arg(std::env::current_exe().unwrap())
        .env(DIR, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "the limited run must run: {text}");
}

/// The call of `unshare` that gives a private mount namespace, if it is allowed.
fn mount_namespace() -> Option<&'static [&'static str]> {
    [&["-m"][..], &["-r", "-m"][..]].into_iter().find(|options| {
        let probe =
            Command::new("unshare").args(*options).args(["sh", "-c", "mount -t tmpfs none /mnt"]).output();
        probe.is_ok_and(|output| output.status.success())
    })
}

fn limited_dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

/// Runs `name` again with a file system of `size` bytes at the directory; prints a note when it cannot.
fn again_on_a_disk_of(size: &str, name: &str) {
    match mount_namespace() {
        Some(options) => {
            again(name, Some(options), &format!("mount -t tmpfs -o size={size} none \"${DIR}\""))
        }
        None => {
            // Not through a macro, since the test runner captures its output.
            let why = "it needs a mount namespace (root, or unprivileged user namespaces)";
            let line = format!("SKIPPED: {name}: {why}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    }
}

/// Writes until the disk is full; returns the error.
fn fill(path: &Path) -> PcapError {
    let mut writer = Writer::create(path, 0).unwrap();
    let frame = [0xee; 1400];
    for time in 0..1_000_000 {
        if let Err(error) = writer.write(time, &frame) {
            let again = writer.write(time, &frame).unwrap_err();
            assert_eq!(error.to_string(), again.to_string(), "the error stays");
            let PcapError::Write { bytes, .. } = error else { panic!("{error}") };
            assert_eq!(fs::metadata(path).unwrap().len(), bytes, "cut at once, not only at the end");
            return writer.finish().unwrap_err();
        }
    }
    panic!("the disk does not fill");
}

/// Checks that the file holds what the error says, whole records in order, and can be read to its end.
fn check(path: &Path, error: &PcapError) -> u64 {
    let PcapError::Write { bytes, records, .. } = error else { panic!("{error}") };
    assert_eq!(fs::metadata(path).unwrap().len(), *bytes);
    let mut reader = Reader::open(path).unwrap();
    let mut found = 0;
    while let Some(record) = reader.next_record().unwrap() {
        assert_eq!((record.time, record.data), (found, &[0xee; 1400][..]));
        found += 1;
    }
    assert_eq!(found, *records);
    let message = error.to_string();
    assert!(
        message.contains(path.to_str().unwrap()) && message.contains(&format!("{bytes} bytes")),
        "{message}"
    );
    *bytes
}

#[test]
fn a_full_disk_keeps_every_whole_record_and_names_file_and_bytes() {
    let Some(dir) = limited_dir() else {
        return again_on_a_disk_of("3000k", "a_full_disk_keeps_every_whole_record_and_names_file_and_bytes");
    };
    let path = dir.join("out.pcap");
    let error = fill(&path);
    let bytes = check(&path, &error);
    assert!(
        error.to_string().contains("No space left") && error.to_string().contains("make room"),
        "{error}"
    );
    // The disk is used up to the last whole record, though less than one step of preallocation fits on it.
    assert!(bytes > 2900 << 10, "{bytes}");
    assert!(fs::metadata(&path).unwrap().blocks() * 512 <= 3000 << 10);
}

#[test]
fn on_a_small_disk_space_is_claimed_in_smaller_steps() {
    let Some(dir) = limited_dir() else {
        return again_on_a_disk_of("12m", "on_a_small_disk_space_is_claimed_in_smaller_steps");
    };
    let path = dir.join("out.pcap");
    let mut writer = Writer::create(&path, 0).unwrap();
    writer.flush().unwrap();
    let claimed = fs::metadata(&path).unwrap().blocks() * 512;
    assert!((8 << 20..=12 << 20).contains(&claimed), "claimed {claimed} bytes");
    writer.finish().unwrap();
}

#[test]
fn a_disk_with_no_room_for_the_header_keeps_no_file_that_is_new() {
    let Some(dir) = limited_dir() else {
        return again_on_a_disk_of("64k", "a_disk_with_no_room_for_the_header_keeps_no_file_that_is_new");
    };
    fs::write(dir.join("rest"), [0; 64 << 10]).unwrap();
    let [new, old, link] = ["new.pcap", "old.pcap", "link.pcap"].map(|name| dir.join(name));
    fs::write(&old, "").unwrap();
    std::os::unix::fs::symlink(&old, &link).unwrap();
    for (path, stays) in [(&new, false), (&old, true), (&link, true)] {
        let message = Writer::create(path, 0).unwrap().finish().unwrap_err().to_string();
        assert!(message.contains(&format!("cannot write the header of {}", path.display())), "{message}");
        assert_eq!(path.exists(), stays, "{}", path.display());
    }
    assert!(link.is_symlink());
}

#[test]
fn a_limit_of_file_size_is_kept_to_and_is_an_error_like_a_full_disk() {
    let Some(dir) = limited_dir() else {
        // 2,000 blocks of 512 bytes; the signal for the limit is ignored, so that the error shows.
        let name = "a_limit_of_file_size_is_kept_to_and_is_an_error_like_a_full_disk";
        return again(name, None, "trap '' XFSZ && ulimit -f 2000");
    };
    let path = dir.join("out.pcap");
    let error = fill(&path);
    let bytes = check(&path, &error);
    assert!((1_000_000..=1_024_000).contains(&bytes), "{bytes}");
}

#[test]
fn a_small_capture_is_not_killed_by_claiming_space_beyond_the_limit() {
    let Some(dir) = limited_dir() else {
        // The signal is not ignored here: claiming 16 MiB at once would end the process.
        return again(
            "a_small_capture_is_not_killed_by_claiming_space_beyond_the_limit",
            None,
            "ulimit -f 2000",
        );
    };
    let path = dir.join("out.pcap");
    let mut writer = Writer::create(&path, 0).unwrap();
    writer.write(0, &[0xee; 1400]).unwrap();
    assert_eq!(writer.finish().unwrap(), 24 + 16 + 1400);
}
