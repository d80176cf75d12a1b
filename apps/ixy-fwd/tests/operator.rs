//! What an operator sees of ixy-fwd: help in a terminal, statistics by interval and by queue, metrics over HTTP.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
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

/// What a command line of the shell shows in a terminal so wide; `None` where there is no `script`, which is said.
fn in_terminal(test: &str, columns: u32, line: &str) -> Option<String> {
    let line = format!("stty rows 40 cols {columns}; {line}");
    let mut script = Command::new("timeout");
    script.args(["-s", "KILL", LIMIT, "script", "-qec", &line, "/dev/null"]);
    script.env_remove("IXY_LOG").env_remove("NO_COLOR").env("TERM", "xterm").stdin(Stdio::null());
    match Command::new("script").arg("--version").output() {
        Ok(_) => Some(String::from_utf8(script.output().unwrap().stdout).unwrap()),
        Err(_) => {
            let why = format!("SKIPPED: {test}: it needs the program `script`, of util-linux\n");
            std::io::stderr().write_all(why.as_bytes()).unwrap();
            None
        }
    }
}

/// A text without its colours.
fn plain(text: &str) -> String {
    let parts = text.split("\x1b[").enumerate();
    parts.map(|(n, part)| if n == 0 { part } else { part.split_once('m').unwrap().1 }).collect()
}

#[test]
fn help_is_short_or_long_and_without_colour_in_a_pipe() {
    let (code, short, _) = run(&["-h"]);
    assert_eq!(code, Some(0));
    let (code, long, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(!short.contains('\x1b') && !long.contains('\x1b'));
    assert!(short.lines().count() < 60, "{short}");
    assert!(short.contains("--help lists all"), "{short}");
    for (text, in_short) in [
        ("--touch", true),
        ("--per-queue", true),
        ("receive side scaling", false),
        ("sim:loopback", false),
        ("Exit codes:", false),
        ("ixy-fwd sim sim --duration 5", false),
        ("--completions", false),
    ] {
        assert_eq!(short.contains(text), in_short, "{text}: {short}");
        assert!(long.contains(text), "{text}: {long}");
    }
}

#[test]
fn help_in_a_terminal_has_colours_and_its_width() {
    let name = "help_in_a_terminal_has_colours_and_its_width";
    for columns in [50, 80] {
        for flag in ["-h", "--help"] {
            let line = format!("{} {flag}", env!("CARGO_BIN_EXE_ixy-fwd"));
            let Some(shown) = in_terminal(name, columns, &line) else { return };
            assert!(shown.contains("\x1b["), "it has colours: {shown}");
            let text = plain(&shown);
            let too_wide = text.lines().find(|line| line.trim_end().chars().count() > columns as usize);
            assert_eq!(too_wide, None, "{columns} columns");
            let without = in_terminal(name, columns, &format!("NO_COLOR=1 {line}")).unwrap();
            assert!(!without.contains('\x1b') && without.contains("Usage:"), "{without}");
        }
    }
}

#[test]
fn progress_is_shown_on_a_terminal_and_gone_before_other_lines() {
    let line = format!("{} sim sim --duration 2.5", env!("CARGO_BIN_EXE_ixy-fwd"));
    let name = "progress_is_shown_on_a_terminal_and_gone_before_other_lines";
    let Some(shown) = in_terminal(name, 80, &line) else { return };
    assert!(shown.contains(" of 2."), "{shown:?}");
    assert!(shown.contains("\r\x1b[K[sim #0] RX:"), "the line is cleared first: {shown:?}");
    assert!(shown.contains("\r\x1b[KSummary of "), "and before the summary: {shown:?}");
}

fn events(out: &str, event: &str) -> Vec<Value> {
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

#[test]
fn intervals_are_as_long_as_asked_and_add_up_to_the_summary() {
    let (code, out, err) = run(&["sim", "sim:link=down", "--duration", "2", "--interval", "300ms", "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
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
    assert!(err.contains("only 2 of 8 threads run") && err.contains("--queues"), "{err}");
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

/// The value of a line of metrics that begins so.
fn value(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
}

#[test]
fn metrics_are_served_over_http_while_slow_clients_wait() {
    // Not under `timeout`, which would leave it running when it is killed.
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-fwd"));
    command.args(["sim", "sim:loopback", "--queues", "2", "--metrics", "0", "-v", "--duration", LIMIT]);
    command.env_remove("IXY_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Killed(command.spawn().unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("metrics are at ")).unwrap();
    let address = line.split("http://").nth(1).unwrap().strip_suffix("/metrics").unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "a port alone is one of the loopback interface: {line}");
    // What is said later is read, too, so that the program never waits for it.
    std::thread::spawn(move || lines.for_each(drop));

    let _slow: Vec<_> = (0..5).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let start = Instant::now();
    let first = get(&address, "/metrics").unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
    assert!(first.ends_with("# EOF\n"), "{first}");
    assert_eq!(value(&first, "ixy_link_speed_mbit{port=\"0\",device=\"sim\"}"), 10_000);
    let received = |text: &str| value(text, "ixy_rx_packets_total{port=\"0\",device=\"sim\"}");
    let begin = Instant::now();
    loop {
        let text = get(&address, "/metrics").unwrap();
        if received(&text) > received(&first) {
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
