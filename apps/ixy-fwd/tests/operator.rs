//! ixy-fwd from an operator's view: help, statistics by interval and by queue, metrics over HTTP, the journal.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A run that takes longer is killed.
const LIMIT: &str = "60";

fn program(args: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", LIMIT, env!("CARGO_BIN_EXE_ixy-fwd")]).args(args).env_remove("IXY_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = program(args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn help_is_short_or_long_and_without_colour_in_a_pipe() {
    let (code, short, _) = run(&["-h"]);
    assert_eq!(code, Some(0));
    let (code, long, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(!short.contains('\x1b') && !long.contains('\x1b'));
    for (text, in_short) in [
        ("--touch", true),
        ("--per-queue", false),
        ("receive side scaling", false),
        ("sim:loopback", false),
        ("Exit codes:", false),
        ("ixy-fwd sim sim --duration 5", true),
        ("ixy-fwd sim sim --metrics 9100", false),
        ("--completions", false),
    ] {
        assert_eq!(short.contains(text), in_short, "{text}: {short}");
        assert!(long.contains(text), "{text}: {long}");
    }
}

fn events(out: &str, event: &str) -> Vec<Value> {
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

#[test]
fn intervals_are_as_long_as_asked_and_add_up_to_the_summary() {
    let (code, out, err) = run(&["sim", "sim:link=down", "--duration", "2", "--interval", "300ms", "--json"]);
    assert!(
        code == Some(0) && err.contains("frames for sim:link=down were not sent, as it has no link"),
        "{err}"
    );
    let (rates, summary) = (events(&out, "rates"), events(&out, "summary"));
    for port in [0, 1] {
        let own: Vec<_> = rates.iter().filter(|line| line["port"] == port).collect();
        assert!(own.len() >= 2, "an interval and the rest: {out}");
        let seconds = own[0]["seconds"].as_f64().unwrap();
        assert!((0.3..0.6).contains(&seconds), "{seconds}");
        for key in ["rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "missed", "dropped"] {
            let sum: u64 = own.iter().map(|line| line[key].as_u64().unwrap()).sum();
            assert_eq!(sum, summary[port][key], "{key} of port {port}: {out}");
        }
    }
    assert!(summary[0]["rx_packets"].as_u64().unwrap() > 0, "{out}");
}

#[test]
fn comma_separated_values_have_a_head_and_add_up_to_their_summary() {
    // Two devices with a comma in their addresses.
    let line = [
        "sim:flood,flows=64",
        "sim:flood,flows=64",
        "--queues",
        "2",
        "--duration",
        "2",
        "--interval",
        "300ms",
    ];
    let (code, out, err) = run(&[&line[..], &["--csv", "--per-queue"]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    // A line with another number of columns fails here.
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    let of = |row: &csv::StringRecord, key: &str| {
        let column = columns.iter().position(|column| column == key);
        row[column.unwrap_or_else(|| panic!("no column {key} in {columns:?}"))].to_owned()
    };
    let (rates, summary): (Vec<_>, Vec<_>) = rows.iter().partition(|row| of(row, "event") == "rates");
    assert_eq!(summary.len(), 2 * 3, "each port and its two queues: {out}");
    assert!(rates.len() >= 2 * summary.len(), "an interval and the rest: {out}");
    assert!(
        rows.iter().rev().take(6).all(|row| of(row, "event") == "summary"),
        "the summary is the end: {out}"
    );
    for (n, total) in summary.iter().enumerate() {
        let (port, queue) = ((n / 3).to_string(), ["", "0", "1"][n % 3]);
        assert_eq!(of(total, "device"), format!("sim:flood,flows=64 #{port}"));
        assert_eq!((of(total, "port"), of(total, "queue").as_str()), (port, queue), "{out}");
        assert_eq!(of(total, "link"), if queue.is_empty() { "up at 10000 Mbit/s" } else { "" });
        let own =
            |row: &&&csv::StringRecord| ["port", "queue"].iter().all(|key| of(row, key) == of(total, key));
        for key in ["rx_packets", "rx_bytes", "tx_packets", "tx_bytes"] {
            let sum: u64 = rates.iter().filter(own).map(|row| of(row, key).parse::<u64>().unwrap()).sum();
            assert_eq!(sum.to_string(), of(total, key), "{key} of port and queue {n}: {out}");
            assert!(sum > 0, "{key}: {out}");
        }
        let (packets, seconds): (f64, f64) =
            (of(total, "rx_packets").parse().unwrap(), of(total, "seconds").parse().unwrap());
        let rate: f64 = of(total, "rx_mpps").parse().unwrap();
        assert!((rate - packets / seconds / 1e6).abs() < 1e-5, "{rate} of {packets} in {seconds} s");
    }
    let (_, out, _) = run(&[&line[..], &["--csv", "--quiet"]].concat());
    assert_eq!(out.lines().count(), 3, "the head and the summary: {out}");
    let (code, _, err) = run(&[&line[..], &["--csv", "--json"]].concat());
    assert!(code == Some(2) && err.contains("--json"), "{err}");
}

#[test]
fn queues_are_counted_each_and_in_all() {
    let line = [
        "sim:flood,flows=64",
        "sim:flood,flows=64",
        "--queues",
        "4",
        "--threads",
        "2",
        "--duration",
        "2",
        "--interval",
        "1",
    ];
    let (code, out, err) = run(&[&line[..], &["--json"]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for port in events(&out, "summary") {
        let queues = port["queues"].as_array().unwrap();
        assert_eq!(queues.len(), 4, "{port}");
        for key in ["rx_packets", "rx_bytes", "tx_packets", "tx_bytes"] {
            let counts: Vec<u64> = queues.iter().map(|queue| queue[key].as_u64().unwrap()).collect();
            assert!(counts.iter().all(|count| *count > 0), "64 flows leave no queue empty: {port}");
            assert_eq!(counts.iter().sum::<u64>(), port[key], "{port}");
        }
    }
    let (_, out, _) = run(&[&line[..], &["--per-queue"]].concat());
    assert!(out.matches("[sim:flood,flows=64 #1] queue 3  RX: ").count() >= 2, "a rate and a summary: {out}");
    let (_, out, _) = run(&line);
    assert!(!out.contains("queue"), "{out}");
    let (_, _, err) = run(&["sim", "sim", "--queues", "20", "--per-queue", "--duration", "2"]);
    assert!(err.contains("no counters for each of its queues"), "{err}");
}

#[test]
fn fewer_threads_than_asked_for_are_a_warning() {
    let (code, _, err) = run(&["sim", "sim", "--queues", "2", "--threads", "8", "--duration", "2"]);
    assert_eq!(code, Some(0));
    assert!(err.contains("2 of 8 threads can run") && err.contains("--queues"), "{err}");
    let (_, _, err) = run(&["sim", "sim", "--queues", "2", "--threads", "2", "--duration", "2"]);
    assert_eq!(err, "");
}

#[test]
fn messages_tell_two_devices_of_the_same_address_apart() {
    let (_, _, err) = run(&["sim", "sim", "--duration", "2", "-vv"]);
    for name in ["sim #0", "sim #1"] {
        assert!(
            err.contains(&format!("device=\"{name}\"")) || err.contains(&format!("device={name}")),
            "{err}"
        );
    }
    let bare = |line: &&str| line.contains("device=") && !line.contains("sim #");
    assert_eq!(err.lines().find(bare), None);
    let (_, _, err) = run(&["sim", "sim:loopback", "--duration", "2", "-v"]);
    assert!(!err.contains('#'), "{err}");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A GET request over HTTP/1.1, and the answer.
fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The value of the metrics line that begins with `name`.
fn value(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
}

/// Starts the program with metrics, and returns it with their address.
fn with_metrics(args: &[&str]) -> (Killed, String) {
    // Without `timeout`, which would leave it running when it is killed.
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-fwd"));
    command.args(args).args(["--metrics", "0", "-v", "--duration", LIMIT]);
    command.env_remove("IXY_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Killed(command.spawn().unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("metrics are at ")).unwrap();
    let address = line.split("http://").nth(1).unwrap().strip_suffix("/metrics").unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "a port alone is one of the loopback interface: {line}");
    // Later output is read, too, so that the program never blocks on it.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

#[test]
fn metrics_are_served_over_http_while_slow_clients_wait() {
    let (_child, address) = with_metrics(&["sim", "sim:loopback", "--queues", "2"]);
    let _slow: Vec<_> = (0..5).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let start = Instant::now();
    let mut first = get(&address, "/metrics").unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    // Until the devices are open, there are no counts.
    while !first.contains("ixy_rx_packets_total") {
        assert!(start.elapsed() < Duration::from_secs(20), "{first}");
        std::thread::sleep(Duration::from_millis(20));
        first = get(&address, "/metrics").unwrap();
    }
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
    assert!(first.ends_with("# EOF\n"), "{first}");
    let received = |text: &str| value(text, "ixy_rx_packets_total{port=\"0\",device=\"sim\"}");
    let begin = Instant::now();
    loop {
        let text = get(&address, "/metrics").unwrap();
        if received(&text) > received(&first) {
            assert_eq!(value(&text, "ixy_link_speed_mbit{port=\"0\",device=\"sim\"}"), 10_000, "{text}");
            let queue = |n| {
                value(
                    &text,
                    &format!("ixy_queue_rx_packets_total{{port=\"0\",device=\"sim\",queue=\"{n}\"}}"),
                )
            };
            assert_eq!(queue(0) + queue(1), received(&text), "{text}");
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "the counts do not grow: {text}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(get(&address, "/").unwrap().starts_with("HTTP/1.1 404 "));

    let port = address.split(':').nth(1).unwrap();
    let (code, out, err) = run(&["sim", "sim", "--metrics", port]);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(
        err.starts_with("error: cannot serve metrics at 127.0.0.1:") && err.contains("--metrics"),
        "{err}"
    );
    let (code, _, err) = run(&["sim", "sim", "--metrics", "everywhere"]);
    assert!(code == Some(2) && err.contains("9100"), "{err}");
}

/// Writes a capture with two records that are no frames, two that are, and one that is longer than the card takes;
/// returns the address of a device that receives from it.
fn mixed_capture(directory: &Path) -> String {
    let path = directory.join("in.pcap");
    let mut writer = ixy_pcap::Writer::create(&path, 0).unwrap();
    for len in [0, 60, 13, 1523, 64] {
        writer.write_part(0, &vec![2; len], 1523).unwrap();
    }
    writer.finish().unwrap();
    format!("sim:rx={}", path.display())
}

#[test]
fn records_that_are_no_frames_are_skipped_and_frames_that_are_too_long_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let from = mixed_capture(directory.path());
    let to = format!("sim:tx={}", directory.path().join("out.pcap").display());
    let (code, out, err) = run(&[&from, &to]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains(&format!("[{from}] missed 0  dropped 0  errors 1  skipped 2\n")), "{out}");
    assert!(out.contains(&format!("[{to}] missed 0  dropped 0  errors 0\n")), "only the reader skips: {out}");
    for said in ["2 of 5 records left out: no whole Ethernet header", "1 of 5 records left out: too long"] {
        assert_eq!(err.matches(said).count(), 1, "`{said}` is said once: {err}");
    }

    let (code, out, err) = run(&[&from, &to, "-q", "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "quiet");
    let summary = events(&out, "summary");
    let counts = |port: usize| ["rx_packets", "errors", "skipped"].map(|key| summary[port][key].as_u64());
    assert_eq!(counts(0), [Some(2), Some(1), Some(2)], "{out}");
    assert_eq!(counts(1), [Some(0), Some(0), Some(0)], "{out}");

    let (code, out, err) = run(&[&from, &to, "--csv"]);
    assert_eq!(code, Some(0), "{err}");
    let mut reader = csv::Reader::from_reader(out.as_bytes());
    let rows: Vec<HashMap<String, String>> = reader.deserialize().collect::<Result<_, _>>().unwrap();
    for (event, port, skipped) in
        [("rates", "0", "2"), ("rates", "1", "0"), ("summary", "0", "2"), ("summary", "1", "0")]
    {
        let of = |row: &&HashMap<String, String>| row["event"] == event && row["port"] == port;
        let found: Vec<_> = rows.iter().filter(of).map(|row| row["skipped"].as_str()).collect();
        assert_eq!(found, [skipped], "{event} of port {port}: {out}");
    }
}

#[test]
fn metrics_have_the_skipped_records() {
    let directory = tempfile::tempdir().unwrap();
    let from = mixed_capture(directory.path());
    // The other side never ends.
    let (_child, address) = with_metrics(&[&from, "sim"]);
    let skipped = format!("ixy_skipped_total{{port=\"0\",device=\"{from}\"}} 2\n");
    let start = Instant::now();
    loop {
        let text = get(&address, "/metrics").unwrap();
        if text.contains(&skipped) {
            assert_eq!(value(&text, "ixy_skipped_total{port=\"1\",device=\"sim\"}"), 0, "{text}");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no `{skipped}` in {text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The lines of a run in `stderr`, with JOURNAL_STREAM naming that, or something else.
fn logged(args: &[&str], mut stderr: std::fs::File, mut reader: impl Read, right: bool) -> String {
    let there = stderr.metadata().unwrap();
    let stream = format!("{}:{}", there.dev(), there.ino() + u64::from(!right));
    stderr.flush().unwrap();
    let mut command = program(args);
    command.stderr(stderr).env("JOURNAL_STREAM", stream).stdout(Stdio::null());
    command.status().unwrap();
    // It holds the other end of a pipe as well.
    drop(command);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_journal_gets_priorities_and_neither_time_nor_colour() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = directory.path().join(name);
        (std::fs::File::create(&path).unwrap(), std::fs::File::open(&path).unwrap())
    };
    let pipe = || {
        let (reader, writer) = std::io::pipe().unwrap();
        (std::fs::File::from(OwnedFd::from(writer)), std::fs::File::from(OwnedFd::from(reader)))
    };
    let line = ["sim", "sim", "--threads", "2", "--duration", "300ms", "-vv"];
    for (stderr, reader) in [file("a"), pipe()] {
        let text = logged(&line, stderr, reader, true);
        for (priority, message) in [("<4>", "1 of 2 threads can run"), ("<6>", "opened"), ("<7>", "")] {
            let found = text.lines().any(|line| line.starts_with(priority) && line.contains(message));
            assert!(found, "no line with {priority} and `{message}`: {text}");
        }
        for line in text.lines() {
            let message = line.strip_prefix("<").and_then(|rest| rest.get(2..)).unwrap_or(line);
            assert!(message.starts_with("ixy"), "a priority, then the message: {line}");
            let level = ["WARN", "INFO", "DEBUG", "\x1b"].iter().find(|word| line.contains(**word));
            assert_eq!(level, None, "{line}");
        }
    }
    let (stderr, reader) = file("b");
    let text = logged(&["sim", "sim:rx=/nowhere/in.pcap"], stderr, reader, true);
    assert!(text.starts_with("<3>error: ") && text.lines().count() == 1, "{text}");

    let (stderr, reader) = file("c");
    let text = logged(&line, stderr, reader, false);
    assert!(text.contains("INFO") && !text.contains("<6>"), "what was redirected is no journal: {text}");
    let (stderr, reader) = file("d");
    let text = logged(&["sim", "sim:rx=/nowhere/in.pcap"], stderr, reader, false);
    assert!(text.starts_with("error: "), "{text}");
}
