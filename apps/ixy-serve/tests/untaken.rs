//! A signal ends the server although nobody takes its output, and a pause leaves no gap to be filled.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ixy_vfio_user::client::Client;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::process::{Pid, Signal, kill_process};

/// The end takes about a second. A busy machine takes longer, and a server that waits for a reader never ends.
const LIMIT: Duration = Duration::from_secs(20);

/// A server, and its lines on standard output as they come.
fn start(arguments: &[&str], stderr: Stdio) -> (Child, mpsc::Receiver<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-serve"));
    command.args(arguments).env_remove("IXY_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    let mut child = command.spawn().unwrap();
    let (sender, lines) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let first = lines.recv_timeout(LIMIT).unwrap();
    assert!(first.starts_with("serving vfio-user:"), "{first}");
    (child, lines)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits for the end after SIGTERM, and returns the exit code; kills a server that does not end.
fn end(child: Child) -> Option<i32> {
    signal(&child, Signal::TERM);
    ended(child)
}

/// A socket that is full, and its other end, which nobody reads.
fn full() -> (Stdio, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    while send(&near, b" ", SendFlags::DONTWAIT) != Err(Errno::AGAIN) {}
    (OwnedFd::from(near).into(), far)
}

/// Waits for the end, and returns the exit code; kills a server that does not end.
fn ended(mut child: Child) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if start.elapsed() > LIMIT {
            let _ = (child.kill(), child.wait());
            panic!("it has to end within about a second, and did not within {LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_trace_that_nobody_takes_does_not_hold_up_a_signal() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let (stderr, _far) = full();
    let (child, _lines) = start(&["--socket", socket.to_str().unwrap(), "--trace", "raw"], stderr);
    // What this client asks waits for the trace, and is never answered.
    let client = std::thread::spawn(move || Client::connect(&socket).and_then(|client| client.region(0)));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(end(child), Some(1), "the trace is incomplete, which is an error");
    let _ = client.join().unwrap();
}

#[test]
fn the_end_of_the_duration_ends_a_server_whose_output_nobody_takes() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    for (statistics, trace) in [(true, false), (false, true)] {
        let (out, _far) = full();
        let (stdout, stderr) = if statistics { (out, Stdio::null()) } else { (Stdio::null(), out) };
        let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-serve"));
        command.arg("--socket").arg(&socket).args(["--stats", "10ms", "--duration", "1s"]);
        command.args(trace.then_some("--trace")).env_remove("IXY_LOG").stdin(Stdio::null());
        let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
        let client = trace.then(|| {
            let socket = socket.clone();
            let connect = move || Client::connect(&socket).and_then(|client| client.region(0));
            std::thread::sleep(Duration::from_millis(500));
            std::thread::spawn(connect)
        });
        assert_eq!(ended(child), Some(1), "what was not taken is an error; trace: {trace}");
        let _ = client.map(|client| client.join().unwrap());
        assert!(!socket.exists(), "the socket is removed");
    }
}

#[test]
fn a_trace_on_standard_output_has_it_for_itself_and_ends_with_its_reader() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-serve"));
    command.arg("--socket").arg(&socket).args(["--trace", "raw", "--trace-file", "-"]);
    command.current_dir(&directory).env_remove("IXY_LOG").stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut err, mut announced) = (BufReader::new(child.stderr.take().unwrap()), String::new());
    err.read_line(&mut announced).unwrap();
    assert!(announced.starts_with("serving vfio-user:"), "{announced}");
    let client = Client::connect(&socket).unwrap();
    let (mut out, mut line) = (BufReader::new(child.stdout.take().unwrap()), String::new());
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("[ "), "{line}");
    assert!(!directory.path().join("-").exists());
    drop(out);
    // What is traced from now on has no reader.
    let start = Instant::now();
    while start.elapsed() < LIMIT && client.read(0, 8, &mut [0; 4]).is_ok() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(ended(child), Some(0), "as after a signal");
    std::io::Read::read_to_string(&mut err, &mut announced).unwrap();
    assert_eq!(announced.lines().count(), 1, "nothing is wrong: {announced}");
}

#[test]
fn a_trace_needs_the_standard_output_that_it_is_for() {
    let directory = tempfile::tempdir().unwrap();
    let line = format!(
        "{} --socket {} --trace --trace-file - --duration 1s >&-",
        env!("CARGO_BIN_EXE_ixy-serve"),
        directory.path().join("a").display()
    );
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && err.contains("standard output is closed"), "{err}");
}

#[test]
fn lines_that_were_due_while_the_server_was_stopped_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let (child, lines) = start(&["--socket", socket.to_str().unwrap(), "--stats", "1"], Stdio::null());
    lines.recv_timeout(LIMIT).unwrap();
    signal(&child, Signal::STOP);
    std::thread::sleep(Duration::from_secs(8));
    while lines.try_recv().is_ok() {}
    signal(&child, Signal::CONT);
    let continued = Instant::now();
    std::thread::sleep(Duration::from_millis(1200));
    let (printed, most) = (lines.try_iter().count(), continued.elapsed().as_secs() as usize + 2);
    assert!(printed <= most, "{printed} lines, and a line a second makes at most {most}");
    assert_eq!(end(child), Some(0));
}
