//! ixy-pktgen as a user starts it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ixy_pcap::{Reader, Writer};
use tempfile::TempDir;

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the program to its end; a run of more than a minute hangs.
fn run(args: &[&str]) -> Ended {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "60", env!("CARGO_BIN_EXE_ixy-pktgen")]).args(args).env_remove("IXY_LOG");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn fails(args: &[&str], code: i32, words: &[&str]) {
    let Ended { code: found, out, err } = run(args);
    assert_eq!(found, Some(code), "{args:?}: {err}");
    assert!(err.starts_with("error: ") && err.lines().count() == 1, "{args:?}: {err}");
    for word in words {
        assert!(err.contains(word), "{args:?}: `{word}` is not in: {err}");
    }
    assert_eq!(out, "");
}

/// A directory, a capture in it to send to, and the device for that.
fn capture() -> (TempDir, PathBuf, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out.pcap");
    let device = format!("sim:tx={}", file.display());
    (directory, file, device)
}

fn frames(path: &Path) -> Vec<Vec<u8>> {
    let mut reader = Reader::open(path).unwrap();
    let mut frames = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        frames.push(record.data.to_vec());
    }
    frames
}

#[test]
fn frames_are_numbered_in_their_last_four_bytes_and_flows_take_turns() {
    let (_directory, file, device) = capture();
    let mac = "02:00:00:00:00:99";
    let Ended { code, err, out } =
        run(&[&device, "--count", "5000", "--flows", "3", "--size", "100", "--dst-mac", mac, "--batch", "7"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains(" 5000 packets "), "{out}");
    let frames = frames(&file);
    assert_eq!(frames.len(), 5000);
    for (n, frame) in (0_u32..).zip(&frames) {
        assert_eq!(frame.len(), 100);
        assert_eq!(frame[..6], [2, 0, 0, 0, 0, 0x99]);
        assert_eq!(frame[96..], n.to_be_bytes());
        assert_eq!(frame[34..36], (1024 + n as u16 % 3).to_be_bytes());
        let packet = etherparse::PacketHeaders::from_ethernet_slice(frame).unwrap();
        assert!(matches!(packet.transport, Some(etherparse::TransportHeader::Udp(_))));
    }
}

#[test]
fn every_size_and_number_of_queues_has_all_numbers_once() {
    for (size, queues, ring) in [("60", "1", "64"), ("1514", "4", "64"), ("61", "3", "4096")] {
        let (_directory, file, device) = capture();
        let args = [&device, "--count", "3001", "--size", size, "--queues", queues, "--ring", ring];
        assert_eq!(run(&args).code, Some(0));
        let last = |frame: &Vec<u8>| u32::from_be_bytes(*frame.last_chunk().unwrap());
        let mut numbers: Vec<u32> = frames(&file).iter().map(last).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..3001), "size {size}, {queues} queues");
    }
}

#[test]
fn a_rate_is_kept_in_packets_and_in_bits() {
    // 1,250 bytes on the wire are 10,000 bits.
    for rate in ["2000", "20Mbit"] {
        let (_directory, file, device) = capture();
        assert_eq!(run(&[&device, "--rate", rate, "--size", "1226", "--duration", "1"]).code, Some(0));
        let sent = frames(&file).len();
        // A busy machine may send less, since frames late by more than 10 ms are not caught up with.
        assert!((1000..=2010).contains(&sent), "{rate}: {sent}");
    }
}

fn write(path: &Path, frames: &[(u64, usize)]) {
    let mut writer = Writer::create(path, 0).unwrap();
    for &(milliseconds, len) in frames {
        writer
            .write(1_700_000_000_000_000_000 + milliseconds * 1_000_000, &vec![milliseconds as u8; len])
            .unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn a_capture_is_sent_at_its_own_pace_or_as_fast_as_it_goes() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 60), (300, 61), (301, 1514), (700, 62)]);
    let input = input.to_str().unwrap();
    let started = Instant::now();
    let Ended { code, out, .. } = run(&[&device, "--pcap", input]);
    let slow = started.elapsed();
    assert_eq!(code, Some(0));
    assert!(out.contains("skipped 0\n"), "{out}");
    assert!(slow >= Duration::from_millis(700), "{slow:?}");
    assert_eq!(frames(&file).iter().map(Vec::len).collect::<Vec<_>>(), [60, 61, 1514, 62]);

    let Ended { code, out, .. } = run(&[&device, "--pcap", input, "--fast"]);
    assert_eq!(code, Some(0));
    let seconds: f64 = out.split(' ').skip_while(|word| *word != "of").nth(1).unwrap().parse().unwrap();
    assert!(seconds < 0.5, "{out}");
    assert_eq!(frames(&file).len(), 4);
}

#[test]
fn a_capture_can_be_sent_again_and_again() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 60), (1, 61), (2, 62)]);
    let args = [&device, "--pcap", input.to_str().unwrap(), "--loop", "--count", "10"];
    assert_eq!(run(&args).code, Some(0));
    let lengths: Vec<_> = frames(&file).iter().map(Vec::len).collect();
    assert_eq!(lengths, [60, 61, 62, 60, 61, 62, 60, 61, 62, 60]);
}

#[test]
fn a_capture_that_is_sent_again_and_again_ends_after_the_duration() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 60)]);
    let input = input.to_str().unwrap();
    let args = ["sim", "--pcap", input, "--loop", "--fast", "--duration", "0.3"];
    // With one frame, nearly all of the time goes into opening the file again.
    for _ in 0..5 {
        let Ended { code, out, err } = run(&args);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(out.contains("skipped 0\n"), "{out}");
    }
    fs::File::options().append(true).open(input).unwrap().write_all(&[1; 10]).unwrap();
    let Ended { code, out, err } = run(&args);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("is cut off in record 2") && err.lines().count() == 1, "{err}");
    assert!(out.contains("skipped 0\n"), "{out}");
}

#[test]
fn a_capture_can_be_sent_at_another_speed_and_at_a_rate() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 60), (1000, 61), (4000, 62)]);
    let input = input.to_str().unwrap();
    let time = |flags: &[&str]| {
        let started = Instant::now();
        let Ended { code, err, .. } = run(&[&[&device, "--pcap", input], flags].concat());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{flags:?}");
        assert_eq!(frames(&file).len(), 3);
        started.elapsed().as_millis()
    };
    assert!((400..4000).contains(&time(&["--speed", "10"])));
    assert!((1000..4000).contains(&time(&["--rate", "2"])));
    // 60 to 62 bytes take 672 to 688 bits.
    assert!((900..4000).contains(&time(&["--rate", "1400bit"])));
}

#[test]
fn gaps_between_time_stamps_are_shortened_and_said() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    let mut writer = Writer::create(&input, 0).unwrap();
    for seconds in [0, 1_577_836_800, 1_577_836_800] {
        writer.write(seconds * 1_000_000_000, &[1; 60]).unwrap();
    }
    writer.finish().unwrap();
    let started = Instant::now();
    let Ended { code, err, .. } = run(&[&device, "--pcap", input.to_str().unwrap(), "--max-gap", "0.5"]);
    assert_eq!(code, Some(0));
    assert!(started.elapsed() > Duration::from_millis(500));
    assert_eq!(frames(&file).len(), 3);
    assert!(err.contains("in.pcap: 1 gap between time stamps shortened to 0.5 s"), "{err}");
    assert!(err.contains("1577836800 s long") && err.lines().count() == 1, "{err}");
}

#[test]
fn records_that_cannot_be_sent_as_they_were_are_said_with_number_and_length() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    let path = input.to_str().unwrap();
    write(&input, &[(0, 13), (0, 14), (0, 1514), (0, 1522), (0, 1523), (0, 0), (0, 9000)]);
    let Ended { code, out, err } = run(&[&device, "--pcap", path, "--fast"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("skipped 4\n"), "{out}");
    assert_eq!(frames(&file).iter().map(Vec::len).collect::<Vec<_>>(), [60, 1514, 1522]);
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 2, "{err}");
    assert!(lines[0].contains("2 of 7 records left out: no whole Ethernet header"), "{err}");
    assert!(lines[0].contains("record 1 with 13 of 13 bytes"), "{err}");
    assert!(lines[1].contains("in.pcap: 2 of 7 records left out: too long"), "{err}");
    assert!(lines[1].contains("record 5 with 1523 bytes, and at most 1522 pass"), "{err}");

    let mut writer = Writer::create(&input, 0).unwrap();
    for (len, original) in [(60, 1500), (64, 60), (64, 64)] {
        writer.write_part(0, &vec![1; len], original).unwrap();
    }
    writer.finish().unwrap();
    let Ended { code, out, err } = run(&[&device, "--pcap", path]);
    assert_eq!(code, Some(0));
    assert!(out.contains("skipped 0\n"), "{out}");
    assert_eq!(frames(&file).iter().map(Vec::len).collect::<Vec<_>>(), [60, 64, 64]);
    assert!(err.contains("2 of 3 records taken as captured"), "{err}");
    assert!(err.contains("record 1 with 60 of 1500 bytes") && err.lines().count() == 1, "{err}");

    write(&input, &[(0, 1)]);
    let Ended { err, .. } = run(&[&device, "--pcap", path]);
    let one = "1 of 1 record left out: no whole Ethernet header; it is record 1 with 1 of 1 byte";
    assert!(err.contains(one), "one record reads as well as many: {err}");

    write(&input, &[(0, 13), (0, 1523)]);
    let Ended { code, err, .. } = run(&[&device, "--pcap", path, "--loop"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("in.pcap") && err.contains("14 to 1522"), "{err}");
}

/// Starts it with a named pipe in `directory` as its capture, and gives the pipe's writing end.
fn with_pipe(directory: &Path, device: &str) -> (Child, fs::File) {
    let pipe = directory.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-pktgen"));
    command.args([device, "--pcap", pipe.to_str().unwrap(), "--fast"]).env_remove("IXY_LOG");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    (child, fs::File::options().write(true).open(&pipe).unwrap())
}

/// Waits for its end, for 10 s at most.
fn ended(mut child: Child) -> Ended {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn frames_of_a_pipe_go_out_while_its_writer_pauses() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 60), (0, 61), (0, 62)]);
    let (child, mut pipe) = with_pipe(directory.path(), &device);
    // Three frames are less than a batch.
    pipe.write_all(&fs::read(&input).unwrap()).unwrap();
    let (start, whole) = (Instant::now(), fs::metadata(&input).unwrap().len());
    while fs::metadata(&file).map_or(0, |written| written.len()) < whole {
        assert!(start.elapsed() < Duration::from_secs(10), "the frames are not sent while the writer pauses");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(frames(&file).iter().map(Vec::len).collect::<Vec<_>>(), [60, 61, 62]);
    drop(pipe);
    let Ended { code, out, err } = ended(child);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains(" 3 packets "), "{out}");
}

#[test]
fn standard_input_is_read_once() {
    fails(&["sim:rx=-", "--pcap", "-"], 2, &["sim:rx=- and --pcap - both read standard input: "]);
}

#[test]
fn a_capture_that_is_sent_is_not_overwritten() {
    let (_directory, file, device) = capture();
    write(&file, &[(0, 60)]);
    let before = fs::read(&file).unwrap();
    let path = file.to_str().unwrap();
    let why = format!("{device} would overwrite: write to another file");
    fails(&[&device, "--pcap", path], 2, &[&format!("--pcap {path} reads the file that {why}")]);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_signal_inside_a_record_of_a_pipe_ends_it_with_a_summary() {
    let (directory, _file, device) = capture();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 60), (0, 1000)]);
    let (child, mut pipe) = with_pipe(directory.path(), &device);
    let bytes = fs::read(&input).unwrap();
    pipe.write_all(&bytes[..bytes.len() - 500]).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let kill = format!("kill -s INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let Ended { code, out, err } = ended(child);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("Summary of ") && out.contains(" 1 packets "), "{out}");
    // Without a signal a capture that is cut off is an error.
    let (child, mut pipe) = {
        fs::remove_file(directory.path().join("pipe")).unwrap();
        with_pipe(directory.path(), &device)
    };
    pipe.write_all(&bytes[..bytes.len() - 500]).unwrap();
    drop(pipe);
    let Ended { code, err, .. } = ended(child);
    assert!(code == Some(1) && err.contains("is cut off in record 2"), "{code:?} {err}");
}

#[test]
fn a_pipe_that_was_waited_for_in_vain_is_said_to_have_no_writer_or_a_silent_one() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let path = pipe.to_str().unwrap();
    let over = "the 0.5 s of --duration were over before there was anything to do";
    let args = ["sim", "--duration", "0.5", "--pcap", path];
    fails(&args, 1, &[over, path, "is a pipe that no other program opened to write"]);
    // Opening to read and write waits for nobody.
    let _writer = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    fails(&args, 1, &[over, path, "gave no whole header of a capture"]);
}

#[test]
fn a_signal_ends_it_while_a_long_block_is_left_out() {
    let (directory, _file, device) = capture();
    let input = directory.path().join("in.pcapng");
    // A section and an Ethernet interface, then blocks of nearly 4 GiB each, which take no room on the disk.
    let header = [0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 1, 20, 1, 0, 20];
    let mut file = fs::File::create(&input).unwrap();
    file.write_all(&header.map(u32::to_le_bytes).concat()).unwrap();
    let length = u32::MAX - 3;
    for n in 0..8 {
        file.seek(SeekFrom::Start(48 + n * u64::from(length))).unwrap();
        file.write_all(&[0xbad, length].map(u32::to_le_bytes).concat()).unwrap();
        file.seek(SeekFrom::Start(48 + (n + 1) * u64::from(length) - 4)).unwrap();
        file.write_all(&length.to_le_bytes()).unwrap();
    }
    for from in [input.to_str().unwrap(), "-"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-pktgen"));
        command.args([&device, "--pcap", from]).env_remove("IXY_LOG");
        let cat = || Command::new("cat").arg(&input).stdout(Stdio::piped()).spawn().unwrap();
        let mut cat = (from == "-").then(cat);
        let pipe = cat.as_mut().and_then(|cat| cat.stdout.take()).map_or_else(Stdio::null, Stdio::from);
        let mut child = command.stdin(pipe).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        assert!(child.try_wait().unwrap().is_none(), "{from}: it reads the blocks");
        let start = Instant::now();
        let kill = format!("kill -s INT {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let Ended { code, out, err } = ended(child);
        drop(command);
        cat.map(|mut cat| cat.wait().unwrap());
        assert!(start.elapsed() < Duration::from_secs(2), "{from}: {:?} {err}", start.elapsed());
        assert!(
            code == Some(0) && out.contains("skipped 0") && err.is_empty(),
            "{from}: {code:?} {out}{err}"
        );
    }
}

#[test]
fn captures_in_pcapng_and_packed_ones_are_sent() {
    let (directory, file, device) = capture();
    for name in ["in.pcapng", "in.pcap.gz", "in.pcapng.gz"] {
        let input = directory.path().join(name);
        write(&input, &[(0, 60), (1, 61), (2, 62)]);
        let path = input.to_str().unwrap();
        let Ended { code, err, .. } = run(&[&device, "--pcap", path, "--loop", "--fast", "--count", "7"]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{name}");
        assert_eq!(frames(&file).iter().map(Vec::len).collect::<Vec<_>>(), [60, 61, 62, 60, 61, 62, 60]);
    }
}

#[test]
fn headers_take_the_values_and_ranges_that_are_asked_for() {
    use etherparse::{NetHeaders, PacketHeaders};
    let (_directory, file, device) = capture();
    let flags = "--src-mac 02:00:00:00:00:05 --dst-mac 02:00:00:00:00:10-02:00:00:00:00:11 --src-ip 10.0.0.1-10.0.0.50 \
                 --dst-ip 192.168.7.9 --src-port 1000-1999 --dst-port 53 --count 2500 --queues 2";
    let mut args: Vec<_> = flags.split_whitespace().collect();
    args.insert(0, &device);
    assert_eq!(run(&args).code, Some(0));
    let mut numbers = Vec::new();
    for frame in frames(&file) {
        let number = ixy_cli::numbered::number(&frame).unwrap();
        let packet = PacketHeaders::from_ethernet_slice(&frame).unwrap();
        let ethernet = packet.link.unwrap().ethernet2().unwrap();
        assert_eq!(ethernet.source, [2, 0, 0, 0, 0, 5]);
        assert_eq!(ethernet.destination, [2, 0, 0, 0, 0, 0x10 + (number % 2) as u8]);
        let Some(NetHeaders::Ipv4(ip, _)) = packet.net else { panic!("no IPv4") };
        assert_eq!(ip.header_checksum, ip.calc_header_checksum());
        assert_eq!((ip.source, ip.destination), ([10, 0, 0, 1 + (number % 50) as u8], [192, 168, 7, 9]));
        let udp = packet.transport.unwrap().udp().unwrap();
        assert_eq!((udp.source_port, udp.destination_port), (1000 + (number % 1000) as u16, 53));
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..2500));
}

#[test]
fn ipv6_frames_have_a_right_checksum_whatever_their_number() {
    use etherparse::{NetHeaders, PacketHeaders};
    let (_directory, file, device) = capture();
    let args = [&device, "--dst-ip", "fd00::100-fd00::1ff", "--count", "1000", "--size", "75"];
    assert_eq!(run(&args).code, Some(0));
    for (number, frame) in (0..).zip(frames(&file)) {
        assert_eq!(ixy_cli::numbered::number(&frame), Some(number));
        let packet = PacketHeaders::from_ethernet_slice(&frame).unwrap();
        let Some(NetHeaders::Ipv6(ip, _)) = packet.net else { panic!("no IPv6") };
        let udp = packet.transport.unwrap().udp().unwrap();
        assert_eq!(udp.checksum, udp.calc_checksum_ipv6(&ip, packet.payload.slice()).unwrap());
        assert_eq!(ip.destination[15], number as u8);
    }
}

#[test]
fn frames_that_reach_nobody_since_the_other_end_went_away_are_said() {
    let directory = tempfile::tempdir().unwrap();
    let device = format!("sim:socket={}", directory.path().join("s").display());
    let mut other = Command::new(env!("CARGO_BIN_EXE_ixy-pktgen"));
    let mut other = other.args([&device, "--count", "1"]).stdout(Stdio::null()).spawn().unwrap();
    let Ended { code, out, err } = run(&[&device, "--rate", "2000", "--count", "2000"]);
    assert!(other.wait().unwrap().success());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains(" 2000 packets "), "{out}");
    assert!(err.contains("/s went away: ") && err.lines().count() == 1, "{err}");
    let words = err.split("went away: ").nth(1).unwrap().trim_end();
    let (count, rest) = words.split_once(' ').unwrap();
    assert_eq!(rest, "frames that were sent then reached nobody");
    assert!((100..=2000).contains(&count.parse::<u64>().unwrap()), "{err}");
}

#[test]
fn what_arrives_is_counted() {
    let Ended { code, out, .. } = run(&["sim", "--rate", "1k", "--duration", "1", "-q"]);
    assert_eq!(code, Some(0));
    let received: u64 =
        out.split("  ").find_map(|part| part.strip_suffix(" packets")).unwrap().parse().unwrap();
    // More than the ring holds: the receive queue was drained.
    assert!(received > 5000, "{out}");
}

#[test]
fn records_that_are_no_frames_are_counted_whether_it_sends_or_receives_them() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 0), (0, 60), (0, 13), (0, 1523), (0, 64)]);
    let (path, sent) = (input.to_str().unwrap(), directory.path().join("out.pcap"));
    let device = format!("sim:rx={path},tx={}", sent.display());
    // Time for the card to receive all.
    let Ended { code, out, .. } =
        run(&[&device, "--pcap", path, "--loop", "--duration", "1", "-q", "--json"]);
    assert_eq!(code, Some(0), "{out}");
    let summary = out.lines().find(|line| line.contains("\"summary\"")).unwrap();
    assert!(summary.contains("\"errors\":1,") && summary.contains("\"skipped\":2,"), "{out}");
    let Ended { code, out, .. } = run(&[&device, "--pcap", path, "--fast", "-q", "--json"]);
    assert_eq!(code, Some(0), "{out}");
    let total = out.lines().find(|line| line.contains("\"total\"")).unwrap();
    assert!(total.contains("\"skipped\":3"), "it gives a frame that is too long to no card: {out}");
}

#[test]
fn without_a_link_it_ends_with_an_error_in_time() {
    let started = Instant::now();
    fails(&["sim:link=down", "--link-timeout", "0.5"], 1, &["sim:link=down", "0.5 s", "--link-timeout"]);
    let why =
        "the 1 s of --duration were over before there was anything to do: there was no link on sim:link=down";
    fails(&["sim:link=down", "--duration", "1s"], 1, &[why]);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_loopback_takes_all_frames_to_the_end() {
    for _ in 0..4 {
        let args = ["sim:loopback", "--duration", "300ms", "--queues", "3", "--flows", "10", "--json"];
        let Ended { code, out, err } = run(&args);
        assert_eq!((code, err.as_str()), (Some(0), ""), "no frame is left over: {out}");
        let total = out.lines().find(|line| line.contains("\"summary\"")).unwrap();
        assert!(total.contains("\"dropped\":0"), "no frame is dropped: {total}");
    }
}

#[test]
fn a_wait_for_a_link_is_said_once_after_a_second() {
    let Ended { code, err, .. } = run(&["sim:link=down", "--link-timeout", "1.5"]);
    assert_eq!(code, Some(1), "{err}");
    let (warning, error) = err.split_once('\n').unwrap();
    let says = "waiting for a link: is its other end there? The wait ends after 1.5 s (--link-timeout)";
    assert!(warning.contains(" WARN ") && warning.contains(says), "`{says}` is not in: {err}");
    assert!(error.starts_with("error: no link on sim:link=down") && error.lines().count() == 1, "{err}");
}

#[test]
fn wrong_arguments_are_one_line() {
    fails(&["sim", "--size", "59"], 2, &["--size", "59", "60 to 1514"]);
    fails(&["sim", "--size", "1515"], 2, &["--size"]);
    fails(&["sim", "--rate", "0"], 2, &["--rate", "more than 0"]);
    fails(&["sim", "--rate", "fast"], 2, &["--rate", "1M", "5Gbit"]);
    fails(&["sim", "--flows", "0"], 2, &["--flows cannot be `0`: write a whole number from 1 to 64512\n"]);
    fails(
        &["sim", "--rate", "-1"],
        2,
        &["--rate cannot be `-1`: write more than 0 packets a second, such as 1M or 500k"],
    );
    fails(&["sim", "--size", "1-"], 2, &["--size cannot be `1-`: write a whole number from 60 to 1514\n"]);
    let count = "write a whole number from 1 to 18446744073709551615\n";
    for value in ["0", "-1", "1M", "99999999999999999999999"] {
        fails(&["sim", "--count", value], 2, &[&format!("--count cannot be `{value}`: {count}")]);
    }
    fails(
        &["sim", "--src-port", "-1"],
        2,
        &["--src-port cannot be `-1`: write a port from 0 to 65535, or a range"],
    );
    fails(
        &["sim", "--pcap", "x", "--speed", "-1"],
        2,
        &["--speed cannot be `-1`: write a number from 0.000001 to 1000000"],
    );
    fails(
        &["sim", "--src-ip", "10.0.0.9-10.0.0.1"],
        2,
        &["begins with the lower value; write 10.0.0.1-10.0.0.9\n"],
    );
    fails(
        &["sim", "--src-ip", "fd00::1-10.0.0.1"],
        2,
        &["IPv4 and the other IPv6; write two addresses of one kind\n"],
    );
    fails(&["sim", "--dst-mac", "02:00"], 2, &["--dst-mac", "an Ethernet address"]);
    fails(&["sim", "--loop"], 2, &["--pcap"]);
    fails(&["sim", "--fast"], 2, &["--pcap"]);
    fails(&["sim", "--pcap", "x", "--size", "100"], 2, &["--pcap", "--size"]);
    fails(&["sim", "--pcap", "x", "--src-ip", "10.0.0.1"], 2, &["--pcap", "--src-ip"]);
    fails(&["sim", "--pcap", "x", "--speed", "0"], 2, &["--speed", "0.5"]);
    fails(&["sim", "--pcap", "x", "--speed", "2", "--fast"], 2, &["--speed", "--fast"]);
    fails(&["sim", "--speed", "2"], 2, &["--pcap"]);
    fails(&["sim", "--src-ip", "10.0.0.300"], 2, &["--src-ip", "10.0.0.1-10.0.0.50"]);
    fails(&["sim", "--src-port", "9-1"], 2, &["--src-port", "lower"]);
    fails(&["sim", "--src-port", "1-9", "--flows", "2"], 2, &["--src-port", "--flows"]);
    fails(&["sim", "--src-ip", "fd00::1", "--dst-ip", "10.0.0.1"], 2, &["one kind"]);
    fails(&["sim", "--src-ip", "fd00::1", "--size", "73"], 2, &["--size", "74"]);
    fails(&["sim", "--pcap", "/no/such.pcap"], 1, &["/no/such.pcap", "the directory /no does not exist"]);
    fails(&["sim:tx=/no/such.pcap"], 1, &["cannot create /no/such.pcap", "mkdir -p /no"]);
}

#[test]
fn a_capture_that_is_not_there_leaves_no_file_behind() {
    let (_directory, file, device) = capture();
    fails(&[&device, "--pcap", "/no/such.pcap"], 1, &[]);
    assert!(!file.exists());
}

#[test]
fn a_truncated_capture_is_one_line_and_the_frames_before_it_are_sent() {
    let (directory, file, device) = capture();
    let input = directory.path().join("in.pcap");
    write(&input, &[(0, 60); 5]);
    let bytes = fs::read(&input).unwrap();
    fs::write(&input, &bytes[..bytes.len() - 1]).unwrap();
    let Ended { code, err, .. } = run(&[&device, "--pcap", input.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with("error: ") && err.lines().count() == 1 && err.contains("record 5"), "{err}");
    assert_eq!(frames(&file).len(), 4);
}
