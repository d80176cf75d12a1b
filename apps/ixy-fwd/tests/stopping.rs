//! A first signal and `--duration` end every wait of the program.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The time that a program has to end on a busy machine.
const SOON: Duration = Duration::from_secs(5);
/// More than any step here takes.
const LONG: Duration = Duration::from_secs(60);

fn start(arguments: &[&str], input: Stdio) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-fwd"));
    command.args(arguments).env_remove("IXY_LOG").stdin(input);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, signal: &str) {
    let kill = format!("kill -s {signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// Waits for the end, and returns the time that it took; kills a child that does not end.
fn end(mut child: Child, limit: Duration) -> (Output, Duration) {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > limit {
            let _ = child.kill();
            panic!("it did not end within {limit:?}: {:?}", child.wait_with_output().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    (child.wait_with_output().unwrap(), start.elapsed())
}

/// Runs the program until it waits, and ends it by `ending`, a signal or a duration. Returns its exit code and
/// messages.
fn ended(arguments: &[&str], ending: &str, input: Stdio) -> (Option<i32>, String) {
    let output = if ending.starts_with("--") {
        let child = start(&[arguments, &[ending]].concat(), input);
        end(child, SOON + Duration::from_secs(1)).0
    } else {
        let mut child = start(arguments, input);
        // Far longer than it takes to start waiting; it must still be waiting.
        std::thread::sleep(Duration::from_millis(700));
        assert!(child.try_wait().unwrap().is_none(), "{arguments:?}: {:?}", child.wait_with_output());
        signal(&child, ending);
        end(child, SOON).0
    };
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A named pipe in `directory`.
fn fifo(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Ends a program that waits in opening, in each way.
fn opening_ends(arguments: &[&str], waited_for: &str) {
    for signal in ["INT", "TERM"] {
        let (code, messages) = ended(arguments, signal, Stdio::null());
        assert_eq!((code, messages.as_str()), (Some(0), ""), "{arguments:?} by SIG{signal}");
    }
    let (code, messages) = ended(arguments, "--duration=0.5", Stdio::null());
    assert_eq!(code, Some(1), "{messages}");
    assert!(messages.starts_with("error: the 0.5 s of --duration were over"), "{messages}");
    assert!(messages.contains(waited_for) && messages.lines().count() == 1, "{messages}");
}

#[test]
fn a_terminal_that_is_gone_ends_it_unless_nohup_says_otherwise() {
    for (disposition, ends) in [("--default-signal=HUP", true), ("--ignore-signal=HUP", false)] {
        let mut command = Command::new("env");
        command.args([disposition, env!("CARGO_BIN_EXE_ixy-fwd"), "sim", "sim"]).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The first statistics: it is at work.
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut String::new()).unwrap();
        signal(&child, "HUP");
        if !ends {
            std::thread::sleep(Duration::from_millis(700));
            assert!(child.try_wait().unwrap().is_none(), "it ended, although SIGHUP is ignored");
            signal(&child, "TERM");
        }
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let output = end(child, SOON).0;
        assert_eq!(output.status.code(), Some(0), "{disposition}: {output:?}");
        assert!(rest.contains("Summary of "), "{disposition}: {rest}");
    }
}

#[test]
fn a_server_that_never_answers_is_waited_for_until_a_signal_or_the_duration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nic");
    let listener = UnixListener::bind(&path).unwrap();
    // Accepts, reads, and never answers.
    std::thread::spawn(move || {
        for client in listener.incoming().take(3) {
            let _ = std::io::copy(&mut client.unwrap(), &mut std::io::sink());
        }
    });
    let address = format!("vfio-user:{}", path.display());
    opening_ends(&[&address, "sim"], &address);
}

#[test]
fn a_server_whose_queue_of_clients_is_full_is_waited_for_until_a_signal_or_the_duration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nic");
    // Never accepts.
    let _listener = UnixListener::bind(&path).unwrap();
    let address = format!("vfio-user:{}", path.display());
    opening_ends(&["sim", &address], &address);
}

#[test]
fn a_pipe_that_nobody_writes_is_waited_for_until_a_signal_or_the_duration() {
    let directory = tempfile::tempdir().unwrap();
    let path = fifo(directory.path(), "in.pcap");
    let address = format!("sim:rx={}", path.display());
    opening_ends(
        &[&address, "sim"],
        &format!("{} is a pipe that no other program opened to write", path.display()),
    );
}

#[test]
fn a_pipe_that_nobody_reads_is_waited_for_until_a_signal_or_the_duration() {
    let directory = tempfile::tempdir().unwrap();
    let path = fifo(directory.path(), "out.pcap");
    let address = format!("sim:tx={}", path.display());
    opening_ends(
        &["sim", &address],
        &format!("{} is a pipe that no other program opened to read", path.display()),
    );
}

#[test]
fn a_standard_input_that_says_nothing_is_waited_for_until_a_signal_or_the_duration() {
    for (ending, expected) in [("INT", 0), ("--duration=0.5", 1)] {
        let (code, messages) = ended(&["sim:rx=-", "sim"], ending, Stdio::piped());
        assert_eq!(code, Some(expected), "{ending}: {messages}");
    }
}

#[test]
fn a_socket_without_another_end_is_no_hindrance_to_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let address = format!("sim:socket={}", directory.path().join("s").display());
    for ending in ["INT", "TERM", "--duration=1"] {
        let (code, messages) = ended(&[&address, "sim"], ending, Stdio::null());
        assert_eq!(code, Some(0), "{ending}: {messages}");
    }
}

#[test]
fn a_pipe_whose_writer_stops_in_the_middle_of_a_record_ends_by_a_signal() {
    let directory = tempfile::tempdir().unwrap();
    let (path, file) = (fifo(directory.path(), "in.pcap"), directory.path().join("file.pcap"));
    let mut capture = ixy_pcap::Writer::create(&file, 0).unwrap();
    (0..2).for_each(|time| capture.write(time, &[0x5a; 100]).unwrap());
    capture.finish().unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let child = start(&[&format!("sim:rx={}", path.display()), "sim"], Stdio::null());
    let mut pipe = std::fs::File::options().write(true).open(&path).unwrap();
    pipe.write_all(&bytes[..bytes.len() - 30]).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "INT");
    let (output, _) = end(child, SOON);
    let (summary, messages) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{messages}");
    assert!(summary.contains("1 packets  100 bytes"), "{summary}");
}

#[test]
fn a_pipe_whose_writer_says_nothing_more_holds_up_no_other_device() {
    let directory = tempfile::tempdir().unwrap();
    let (path, file) = (fifo(directory.path(), "in.pcap"), directory.path().join("file.pcap"));
    let mut capture = ixy_pcap::Writer::create(&file, 0).unwrap();
    capture.write(0, &[0x5a; 100]).unwrap();
    capture.write(0, &[0x5a; 1600]).unwrap();
    capture.finish().unwrap();
    let child = start(&[&format!("sim:rx={}", path.display()), "sim", "--duration", "3"], Stdio::null());
    let mut pipe = std::fs::File::options().write(true).open(&path).unwrap();
    pipe.write_all(&std::fs::read(&file).unwrap()).unwrap();
    // It stays open until the end.
    let (output, _) = end(child, LONG);
    let (summary, messages) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{messages}");
    assert!(summary.matches("RX:").count() >= 4, "statistics each second, and at the end: {summary}");
    assert!(summary.contains("1 packets  100 bytes"), "{summary}");
    let flood = summary.lines().rfind(|line| line.starts_with("[sim] RX:")).unwrap();
    assert!(!flood.contains(" 0 packets"), "the other device receives: {flood}");
    assert!(messages.contains("record 2 with 1600 bytes"), "what was dropped is said: {messages}");
}

#[test]
fn a_pipe_whose_reader_takes_nothing_ends_by_a_signal() {
    let directory = tempfile::tempdir().unwrap();
    let path = fifo(directory.path(), "out.pcap");
    let child = start(&["sim", &format!("sim:tx={}", path.display())], Stdio::null());
    let mut pipe = std::fs::File::open(&path).unwrap();
    let mut header = [0; 24];
    pipe.read_exact(&mut header).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "INT");
    let (output, _) = end(child, SOON + SOON);
    let messages = String::from_utf8_lossy(&output.stderr);
    // Not all sent frames are written, which is an error.
    assert_eq!(output.status.code(), Some(1), "{messages}");
    assert!(messages.contains(path.to_str().unwrap()) && messages.lines().count() == 1, "{messages}");
    assert!(messages.contains(": its reader took nothing for "), "{messages}");
}

#[test]
fn statistics_that_nobody_reads_do_not_hold_up_the_end() {
    let mut child = start(&["sim", "sim", "--json", "--interval", "10ms"], Stdio::null());
    // Its pipe is full by then. It stays open, so that nothing tells the program that the reader has gone.
    std::thread::sleep(Duration::from_secs(3));
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, "INT");
    let (output, took) = end(child, SOON);
    let messages = String::from_utf8_lossy(&output.stderr);
    // The summary is lost.
    assert_eq!(output.status.code(), Some(1), "{messages} after {took:?}");
    let why = "error: cannot write to standard output: its reader took nothing for ";
    assert!(messages.starts_with(why) && messages.lines().count() == 1, "{messages}");
}

#[test]
fn the_duration_counts_from_the_start_and_leaves_what_opening_took() {
    let directory = tempfile::tempdir().unwrap();
    let (path, file) = (fifo(directory.path(), "in.pcap"), directory.path().join("file.pcap"));
    ixy_pcap::Writer::create(&file, 0).unwrap().finish().unwrap();
    let begun = Instant::now();
    let child = start(&[&format!("sim:rx={}", path.display()), "sim", "--duration", "3"], Stdio::null());
    std::thread::sleep(Duration::from_secs(2));
    let mut pipe = std::fs::File::options().write(true).open(&path).unwrap();
    pipe.write_all(&std::fs::read(&file).unwrap()).unwrap();
    drop(pipe);
    let (output, _) = end(child, LONG);
    let took = begun.elapsed();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!((2900..4500).contains(&took.as_millis()), "{took:?}");
}
