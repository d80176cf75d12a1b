//! ixy-dump as a user starts it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use ixy_pcap::{Reader, Writer};

/// Runs a command to its end; a run of more than a minute hangs.
fn ended(command: &str, args: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let mut limited = Command::new("timeout");
    limited.args(["-s", "KILL", "60", command]).args(args).env_remove("IXY_LOG").env("SHELL", "/bin/sh");
    let output = limited.stdin(Stdio::null()).output().unwrap();
    (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

fn run(args: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    ended(env!("CARGO_BIN_EXE_ixy-dump"), args)
}

fn fails(args: &[&str], code: i32, words: &[&str]) {
    let (found, _, err) = run(args);
    assert_eq!(found, Some(code), "{args:?}: {err}");
    assert!(err.starts_with("error: ") && err.lines().count() == 1, "{args:?}: {err}");
    for word in words {
        assert!(err.contains(word), "{args:?}: `{word}` is not in: {err}");
    }
}

/// Time, bytes and original length of each record.
fn records(path: &Path) -> Vec<(u64, Vec<u8>, u32)> {
    let mut reader = Reader::open(path).unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        records.push((record.time, record.data.to_vec(), record.original));
    }
    records
}

fn write(path: &Path, lengths: impl Iterator<Item = usize>) -> Vec<Vec<u8>> {
    let mut writer = Writer::create(path, 0).unwrap();
    let frames: Vec<Vec<u8>> = lengths.enumerate().map(|(n, len)| vec![n as u8 & 0xfe; len]).collect();
    for frame in &frames {
        writer.write(0, frame).unwrap();
    }
    writer.finish().unwrap();
    frames
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64
}

#[test]
fn a_socket_that_nobody_reads_does_not_hold_up_the_end() {
    for line in [&["--duration", "2"][..], &[]] {
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut command = Command::new("timeout");
        // It sends SIGTERM after 4 s, which has to end the program within the 20 s until it is killed.
        command.args(["--foreground", "--preserve-status", "-k", "20", "4"]);
        command.args([env!("CARGO_BIN_EXE_ixy-dump"), "sim", "-w", "-"]);
        command
            .args(line)
            .env_remove("IXY_LOG")
            .stdin(Stdio::null())
            .stdout(std::os::fd::OwnedFd::from(near));
        let output = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let messages = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line:?}: the capture is incomplete: {messages}");
        let error = messages.lines().last().unwrap_or_default();
        let why = "error: cannot write more to standard output: its reader took nothing for ";
        assert!(error.starts_with(why) && messages.contains("Summary of "), "{line:?}: {messages}");
    }
}

#[test]
fn standard_output_takes_one_capture() {
    fails(&["sim:tx=-", "-w", "-"], 2, &["sim:tx=- and -w - both write to standard output: "]);
    for (tx, write) in [("/dev/stdout", "-"), ("-", "/dev/stdout"), ("/proc/self/fd/1", "-")] {
        fails(&[&format!("sim:tx={tx}"), "-w", write], 2, &[" both write to standard output: "]);
    }
}

#[test]
fn a_capture_on_a_standard_output_that_is_closed_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("in.pcap");
    write(&input, [60; 3].into_iter());
    let shell = |line: &str| {
        let (dump, device) = (env!("CARGO_BIN_EXE_ixy-dump"), format!("sim:rx={}", input.display()));
        ended("sh", &["-c", line, dump, &device])
    };
    for line in [r#""$0" "$1" -w - >&-"#, r#""$0" "$1,tx=-" -w /dev/null >&-"#] {
        let (code, _, err) = shell(line);
        assert_eq!(code, Some(1), "{line}: {err}");
        let last = err.lines().last().unwrap();
        assert!(
            last.starts_with("error: standard output is closed, and a capture there would be lost; "),
            "{err}"
        );
    }
    let (code, _, err) = shell(r#""$0" "$1" -w - >/dev/null"#);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("recorded 3\n"), "{err}");
}

#[test]
fn a_capture_that_is_received_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let [input, link] = ["in.pcap", "link.pcap"].map(|name| directory.path().join(name));
    // So short that the card has read all of it before the output is opened.
    write(&input, [60; 3].into_iter());
    fs::hard_link(&input, &link).unwrap();
    let before = fs::read(&input).unwrap();
    let device = format!("sim:rx={}", input.display());
    for output in [&input, &link, &directory.path().join("./in.pcap")] {
        let output = output.to_str().unwrap();
        let why = format!("{device} reads the file that -w {output} would overwrite: write to another file");
        fails(&[&device, "-w", output, "--snaplen", "20"], 2, &[&why]);
        assert_eq!(fs::read(&input).unwrap(), before, "{output}");
    }
    let other = directory.path().join("other.pcap").display().to_string();
    let why = [" reads the same file that it writes to"];
    fails(&[&format!("{device},tx={}", link.display()), "-w", &other], 2, &why);
    fails(&[&format!("sim:tx={other}"), "-w", &other], 2, &[" both write to the same file"]);
    assert_eq!(fs::read(&input).unwrap(), before);
    assert!(!Path::new(&other).exists(), "nothing was opened");
}

#[test]
fn a_device_that_keeps_nothing_takes_two_captures() {
    let (code, out, err) = run(&["sim:tx=/dev/null", "-w", "/dev/null", "--duration", "0.2"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(String::from_utf8(out).unwrap().contains("recorded "));
}

#[test]
fn everything_that_arrives_is_recorded_as_it_is_with_the_time() {
    let directory = tempfile::tempdir().unwrap();
    let [input, output] = ["in.pcap", "out.pcap"].map(|name| directory.path().join(name));
    let frames = write(&input, (0..5000).map(|n| 60 + n % 1455));
    let before = now();
    let (code, out, err) = run(&[&format!("sim:rx={}", input.display()), "-w", output.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(String::from_utf8(out).unwrap().contains("recorded 5000\n"));
    let records = records(&output);
    assert!(records.iter().map(|record| &record.1).eq(&frames));
    assert!(records.is_sorted_by_key(|record| record.0));
    assert!(records[0].0 >= before && records[4999].0 <= now());
    assert!(records.iter().any(|record| record.0 % 1000 != 0), "nanoseconds are kept");
}

#[test]
fn it_ends_after_the_frames_that_were_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    for count in [1, 31, 100] {
        let (code, out, _) = run(&["sim", "-w", output.to_str().unwrap(), "-c", &count.to_string()]);
        assert_eq!(code, Some(0));
        assert_eq!(records(&output).len(), count);
        // The summary says where each frame is that the card received.
        let out = String::from_utf8(out).unwrap();
        let number = |text: Option<&str>| text.unwrap_or_else(|| panic!("{out}")).parse::<usize>().unwrap();
        let received = out.split("RX: ").nth(1).and_then(|rest| rest.split(" packets").next());
        let received = number(received.and_then(|rest| rest.rsplit(' ').next()));
        assert_eq!(number(out.lines().find_map(|line| line.strip_prefix("recorded "))), count, "{out}");
        let left_over = out.lines().find_map(|line| line.split("  left over ").nth(1));
        assert_eq!(received, count + left_over.map_or(0, |left_over| number(Some(left_over))), "{out}");
    }
}

#[test]
fn frames_are_cut_to_the_snapshot_length() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    let (code, ..) =
        run(&["sim:flood,size=100", "-w", output.to_str().unwrap(), "-c", "5", "--snaplen", "20"]);
    assert_eq!(code, Some(0));
    for (_, data, original) in records(&output) {
        assert_eq!((data.len(), original), (20, 100));
    }
}

#[test]
fn a_capture_on_standard_output_has_nothing_else_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    for name in ["-", "/dev/stdout"] {
        let (code, out, err) = run(&["sim", "-w", name, "-c", "1000"]);
        assert_eq!(code, Some(0));
        fs::write(&output, out).unwrap();
        assert_eq!(records(&output).len(), 1000, "{name}");
        assert!(err.contains("recorded 1000\n") && err.contains("[sim] RX: "), "{name}: {err}");
    }
}

#[test]
fn a_signal_leaves_a_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    let mut child = Command::new(env!("CARGO_BIN_EXE_ixy-dump"))
        .args(["sim", "-w", output.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let kill = format!("kill -s INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let records = records(&output);
    assert!(records.len() > 100);
    let bytes: usize = records.iter().map(|record| 16 + record.1.len()).sum();
    assert_eq!(
        fs::metadata(&output).unwrap().len(),
        24 + bytes as u64,
        "what was preallocated was given back"
    );
}

#[test]
fn a_disk_that_fills_up_is_one_line_and_the_file_keeps_whole_records() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    // A limit on file sizes replaces a full disk: the same writes fail at the same place.
    let script = "ulimit -f 100; exec \"$@\"";
    let program = env!("CARGO_BIN_EXE_ixy-dump");
    let (code, out, err) = ended("sh", &["-c", script, "sh", program, "sim", "-w", output.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.starts_with("error: ") && err.lines().count() == 1, "{err}");
    assert!(err.contains("out.pcap") && err.contains("whole records"), "{err}");
    assert!(err.contains("File too large") && err.contains("ulimit -f unlimited"), "{err}");
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("Summary of ") && !out.contains("[sim] RX: 0.00 Mpps"), "{out}");
    let records = records(&output);
    assert!(records.len() > 100 && records.iter().all(|record| record.1.len() == 60));
}

#[test]
fn what_cannot_be_written_or_opened_is_one_line_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.pcap");
    let path = output.to_str().unwrap();
    fails(&["sim", "-w", "/dev/full"], 1, &["/dev/full", "No space left"]);
    fails(
        &["sim", "-w", "/no/such/directory/x"],
        1,
        &["/no/such/directory/x", "mkdir -p /no/such/directory"],
    );
    fails(&["sim"], 2, &["--write"]);
    fails(&["sim", "-w", path, "-c", "0"], 2, &["--count cannot be `0`: write a whole number from 1 to"]);
    fails(&["sim", "-w", path, "-c", "-1"], 2, &["--count cannot be `-1`: write a whole number from 1 to"]);
    fails(
        &["sim", "-w", path, "--port", "http"],
        2,
        &["--port cannot be `http`: write a whole number from 0 to 65535\n"],
    );
    fails(
        &["sim", "--check", "5"],
        2,
        &["`5` is one argument too many; as a value of --check, write --check=5\n"],
    );
    let instead = "--host, --port and --proto choose frames; see --help\n";
    for (words, what) in [
        (&["tcp", "port", "80"][..], "`tcp` is one argument too many"),
        (&["--filter", "tcp"], "there is no option --filter"),
        (&["-f", "tcp"], "there is no option -f"),
    ] {
        let text = format!("error: {what}; {instead}");
        fails(&[&["sim", "-w", path], words].concat(), 2, &[&text]);
    }
    fails(&["ffff:03:00.0", "-w", path], 1, &["ffff:03:00.0"]);
    fails(&["sim:rx=/no/such.pcap", "-w", path], 1, &["/no/such.pcap"]);
    fails(&["sim:cable=a", "-w", path], 2, &["cable"]);
    assert!(!output.exists());
}

/// Inserts a tag of this type before a frame's content.
fn tagged(frame: &[u8], tag: u16) -> Vec<u8> {
    [&frame[..12], &tag.to_be_bytes(), &[0, 7], &frame[12..]].concat()
}

#[test]
fn frames_with_one_and_two_vlan_tags_are_recorded_and_longer_ones_are_said() {
    let directory = tempfile::tempdir().unwrap();
    let [input, output] = ["in.pcap", "out.pcap"].map(|name| directory.path().join(name));
    let mut writer = Writer::create(&input, 0).unwrap();
    let full = vec![0x11; 1514];
    let single = tagged(&full, 0x8100);
    let double = tagged(&single, 0x88a8);
    let pass = [full.clone(), single.clone(), tagged(&single, 0x8100), double.clone()];
    for frame in &pass {
        writer.write(0, frame).unwrap();
    }
    for len in [1523, 9000] {
        writer.write(0, &vec![0x11; len]).unwrap();
    }
    writer.finish().unwrap();
    let (code, _, err) = run(&[&format!("sim:rx={}", input.display()), "-w", output.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{err}");
    assert!(records(&output).iter().map(|record| &record.1).eq(&pass));
    assert!(err.contains("in.pcap: 2 of 6 records left out: too long"), "{err}");
    assert!(
        err.contains("record 5 with 1523 bytes, and at most 1522 pass") && err.lines().count() == 1,
        "{err}"
    );
}

#[test]
fn records_that_are_no_frames_are_skipped_and_frames_that_are_too_long_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let [input, output] = ["in.pcap", "out.pcap"].map(|name| directory.path().join(name));
    write(&input, [0, 60, 13, 1523, 64].into_iter());
    let (device, to) = (format!("sim:rx={}", input.display()), output.to_str().unwrap());
    let text = |args: &[&str], stdin: Stdio| {
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "60", env!("CARGO_BIN_EXE_ixy-dump")]).args(args).stdin(stdin);
        let found = command.env_remove("IXY_LOG").output().unwrap();
        assert_eq!(found.status.code(), Some(0), "{args:?}");
        (String::from_utf8(found.stdout).unwrap(), String::from_utf8(found.stderr).unwrap())
    };
    let (out, err) = text(&[&device, "-w", to], Stdio::null());
    assert!(out.contains("missed 0  dropped 0  errors 1  skipped 2\nrecorded 2\n"), "{out}");
    for said in ["2 of 5 records left out: no whole Ethernet header", "1 of 5 records left out: too long"] {
        assert_eq!(err.matches(said).count(), 1, "`{said}` is said once: {err}");
    }
    let json = "\"errors\":1,\"left_over\":0,\"skipped\":2,";
    let (out, err) = text(&[&device, "-w", to, "-q", "--json"], Stdio::null());
    assert!(out.contains(json) && err.is_empty(), "{out}{err}");
    let (out, _) = text(&[&device, "-w", to, "-q", "--csv"], Stdio::null());
    assert!(
        out.contains("errors,left_over,skipped,name,value\nsummary,") && out.contains(",1,0,2,,\n"),
        "{out}"
    );

    // A pipe, which a thread reads.
    let mut cat = Command::new("cat").arg(&input).stdout(Stdio::piped()).spawn().unwrap();
    let pipe = cat.stdout.take().unwrap();
    let (out, _) = text(&["sim:rx=-", "-w", to, "-q", "--json"], pipe.into());
    assert!(out.contains(json), "{out}");
    assert!(cat.wait().unwrap().success());
    assert_eq!(records(&output).iter().map(|record| record.1.len()).collect::<Vec<_>>(), [60, 64]);
}

#[test]
fn gzip_data_with_zeros_behind_it_and_late_ethernet_interfaces_are_received() {
    let directory = tempfile::tempdir().unwrap();
    let [packed, mixed, output] =
        ["in.pcap.gz", "in.pcapng", "out.pcap"].map(|name| directory.path().join(name));
    let to = output.to_str().unwrap();
    let frames = write(&packed, [60, 100, 1514].into_iter());
    let mut bytes = fs::read(&packed).unwrap();
    // A whole number of the blocks of a tape.
    bytes.resize(bytes.len().next_multiple_of(10_240), 0);
    fs::write(&packed, bytes).unwrap();
    let (code, _, err) = run(&[&format!("sim:rx={}", packed.display()), "-w", to]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(records(&output).iter().map(|record| &record.1).eq(&frames));
    let mut bytes = fs::read(&packed).unwrap();
    bytes.extend(b"garbage");
    fs::write(&packed, bytes).unwrap();
    let (code, _, err) = run(&[&format!("sim:rx={}", packed.display()), "-w", to]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("the bytes behind it are ignored") && err.lines().count() == 1, "{err}");
    assert!(records(&output).iter().map(|record| &record.1).eq(&frames));

    // A section, an interface of Linux's cooked captures and a packet of it; then an Ethernet interface and its packet.
    let section = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28];
    let interface = |link_type| [1, 20, link_type, 0, 20];
    let packet = |interface| {
        let frame = [0x0101_0101; 16];
        [&[6, 96, interface, 0, 0, 64, 64], &frame[..], &[96]].concat()
    };
    let words = [&section[..], &interface(113), &packet(0), &interface(1), &packet(1), &packet(0)].concat();
    fs::write(&mixed, words.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    let (code, out, err) = run(&[&format!("sim:rx={}", mixed.display()), "-w", to]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(records(&output).len(), 1);
    let others = "in.pcapng: 2 of 3 records left out: not from an Ethernet interface; the first is record 1";
    assert!(err.contains(others) && err.lines().count() == 1, "{err}");
    assert!(String::from_utf8(out).unwrap().contains("errors 0  skipped 2\n"), "they are counted as well");
}

#[test]
fn pcapng_is_written_by_name_or_on_request() {
    let directory = tempfile::tempdir().unwrap();
    for (name, flags, magic) in [
        ("out.pcapng", &[][..], 0x0a),
        ("out", &["-F", "pcapng"], 0x0a),
        ("out.pcapng", &["--format", "pcap"], 0x4d),
        ("out.pcapng.gz", &[], 0x1f),
    ] {
        let output = directory.path().join(name);
        let args = [&["sim", "-w", output.to_str().unwrap(), "-c", "1000"], flags].concat();
        let (code, _, err) = run(&args);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert_eq!(fs::read(&output).unwrap()[0], magic, "{name} {flags:?}");
        let records = records(&output);
        assert!(records.len() == 1000 && records.iter().any(|record| record.0 % 1000 != 0));
    }
    fails(&["sim", "-w", "x", "-F", "erf"], 2, &["--format", "pcapng"]);
}

#[test]
fn a_capture_never_goes_to_a_terminal() {
    let program = env!("CARGO_BIN_EXE_ixy-dump");
    for (file, name) in [
        ("-", "standard output"),
        ("/dev/stdout", "/dev/stdout"),
        ("/dev/tty", "/dev/tty"),
        ("/dev/fd/2", "/dev/fd/2"),
    ] {
        let command = format!("{program} sim -w {file} -c 5");
        // `script` runs a command on a terminal of its own.
        let (code, out, err) = ended("script", &["-qec", &command, "/dev/null"]);
        let out = String::from_utf8(out).unwrap_or_else(|_| panic!("bytes on the terminal"));
        assert_eq!(code, Some(1), "{file}: {out}{err}");
        let expected = format!("error: {name} is a terminal, and a capture is not text; ");
        assert!(out.contains(&expected) && out.contains("tcpdump"), "{file}: {out}{err}");
    }
    // The same name is as good as any other where it leads elsewhere.
    let (code, out, err) = run(&["sim", "-w", "/dev/stdout", "-c", "5", "-q"]);
    assert!(code == Some(0) && out.starts_with(&[0x4d, 0x3c, 0xb2, 0xa1]), "{code:?} {err}");
}

/// A capture of pktgen's frames with these numbers.
fn numbered(path: &Path, numbers: &[u32]) {
    let mut writer = Writer::create(path, 0).unwrap();
    for number in numbers {
        let mut frame = vec![0; 60];
        // IPv4 and UDP, and the mark.
        frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
        frame[23] = 17;
        frame[38..40].copy_from_slice(&26_u16.to_be_bytes());
        frame[42..46].copy_from_slice(b"ixy#");
        frame[56..].copy_from_slice(&number.to_be_bytes());
        writer.write(0, &frame).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn numbers_are_checked_and_the_exit_code_says_how_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("in.pcap");
    let device = format!("sim:rx={}", input.display());
    let all: Vec<u32> = (0..5000).collect();
    numbered(&input, &all);
    let (code, out, err) = run(&[&device, "--check"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let out = String::from_utf8(out).unwrap();
    for line in [
        "\nchecked 5000\n",
        "numbered 5000\n",
        "lost 0\n",
        "repeated 0\n",
        "out_of_order 0\n",
        "wrong_number 0\n",
        "without_number 0\n",
    ] {
        assert!(out.contains(line), "{out}");
    }
    assert_eq!(run(&[&device, "--check=5000"]).0, Some(0));
    fails(&[&device, "--check=5001"], 1, &["numbered 0 to 5000: 1 lost"]);
    let more = ["numbered 0 to 3999: 0 lost, ", "1000 with a higher number", "--count"];
    fails(&[&device, "--check=4000"], 1, &more);

    // Damage to a number counts once.
    let damaged: Vec<u32> = all.iter().map(|n| if *n == 77 { n | 1 << 31 } else { *n }).collect();
    numbered(&input, &damaged);
    for check in ["--check", "--check=5000"] {
        let found = "frames numbered 0 to 4999: 1 lost, 0 repeated, 0 out of order, 1 with a wrong number ";
        fails(&[&device, check], 1, &[found, "damages or changes frames"]);
    }
    // Each damaged frame is one that is missing under its own number, and all others count right.
    numbered(&input, &all);
    for corrupt in ["0.01", "0.5"] {
        let (_, out, _) = run(&[&format!("{device},corrupt={corrupt},seed=2"), "--check=5000"]);
        let out = String::from_utf8(out).unwrap();
        let count = |name: &str| -> u64 {
            out.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().parse().unwrap()
        };
        let names = ["lost", "repeated", "out_of_order", "wrong_number", "without_number"];
        let [lost, repeated, late, wrong, without] = names.map(count);
        assert!(wrong > 0 && lost == repeated + wrong + without && late < 100, "corrupt={corrupt}: {out}");
    }

    numbered(&input, &[0, 1, 3, 2, 2, 5, 6]);
    let (code, out, err) = run(&[&device, "--check", "--json"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("0 to 6: 1 lost, 1 repeated, 1 out of order") && err.lines().count() == 1, "{err}");
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains("\"lost\":1,\"repeated\":1,\"out_of_order\":1,\"wrong_number\":0,\"without_number\":0"),
        "{out}"
    );

    write(&input, [60, 61].into_iter());
    fails(
        &[&device, "--check"],
        1,
        &["no frame has a number of ixy-pktgen, and 2 arrived", "start ixy-dump first"],
    );
    numbered(&input, &all[7..]);
    fails(&[&device, "--check"], 1, &["7 lost", "start ixy-dump before ixy-pktgen"]);
}

#[test]
fn only_frames_that_pass_the_filter_are_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let [input, output] = ["in.pcap", "out.pcap"].map(|name| directory.path().join(name));
    numbered(&input, &[0; 10]);
    let (device, path) = (format!("sim:rx={}", input.display()), output.to_str().unwrap());
    for (flags, count) in
        [("--proto udp", 10), ("--proto tcp", 0), ("--host 0.0.0.0 --port 0", 10), ("--port 53", 0)]
    {
        let flags: Vec<_> = flags.split(' ').collect();
        let (code, out, _) = run(&[&[&device, "-w", path], &flags[..]].concat());
        assert_eq!((code, records(&output).len()), (Some(0), count), "{flags:?}");
        let out = String::from_utf8(out).unwrap();
        assert!(count == 10 || out.contains("filtered 10\n"), "{out}");
    }
    let (code, ..) = run(&["sim", "-w", path, "--proto", "udp", "-c", "7"]);
    assert_eq!((code, records(&output).len()), (Some(0), 7));
}
