//! A first signal and `--duration` end the program although nobody takes its output.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, OptionalActions, tcflow, tcgetattr, tcsetattr};

/// The end takes about a second. A busy machine takes longer, and a program that waits for a reader never ends.
const LIMIT: Duration = Duration::from_secs(20);
/// More than a program takes to print something, once it has begun with that.
const BEGUN: Duration = Duration::from_millis(1500);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Pipe,
    Socket,
    /// A terminal that its emulator does not read.
    Terminal,
    /// A terminal after Ctrl-S.
    Paused,
}

/// Tests all kinds at the same time, since most of it is waiting.
fn each(test: impl Fn(Kind) + Sync) {
    std::thread::scope(|scope| {
        for kind in [Kind::Pipe, Kind::Socket, Kind::Terminal, Kind::Paused] {
            let test = &test;
            scope.spawn(move || test(kind));
        }
    });
}

/// An output for a program, and its other end, which stays open and takes nothing.
fn output(kind: Kind) -> (OwnedFd, OwnedFd) {
    match kind {
        Kind::Pipe => {
            let (far, near) = io::pipe().unwrap();
            (near.into(), far.into())
        }
        Kind::Socket => {
            let (near, far) = UnixStream::pair().unwrap();
            (near.into(), far.into())
        }
        Kind::Terminal | Kind::Paused => {
            let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
            grantpt(&far).unwrap();
            unlockpt(&far).unwrap();
            let name = ptsname(&far, Vec::new()).unwrap();
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            let near = open(name.as_c_str(), flags, Mode::empty()).unwrap();
            if kind == Kind::Paused {
                tcflow(&near, Action::OOff).unwrap();
            } else {
                let mut mode = tcgetattr(&near).unwrap();
                mode.make_raw();
                tcsetattr(&near, OptionalActions::Now, &mode).unwrap();
            }
            (near, far)
        }
    }
}

/// Writes to an output until it takes nothing more. Its flags stay as they are.
fn fill(output: &OwnedFd, kind: Kind) {
    let own = if kind == Kind::Socket {
        output.try_clone().unwrap()
    } else {
        let name = format!("/proc/self/fd/{}", output.as_raw_fd());
        open(name, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty()).unwrap()
    };
    for length in [4096, 1] {
        let bytes = vec![b' '; length];
        loop {
            let taken = match kind {
                Kind::Socket => send(&own, &bytes, SendFlags::DONTWAIT),
                _ => rustix::io::write(&own, &bytes),
            };
            match taken {
                Err(Errno::AGAIN) => break,
                other => assert!(other.unwrap() > 0),
            }
        }
    }
}

/// Starts the program, which is killed if a test waits for it in vain.
fn start(arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Child {
    let mut command = Command::new("timeout");
    // In the foreground; otherwise it would pass a signal on twice.
    command.args(["--foreground", "-s", "KILL", "90", env!("CARGO_BIN_EXE_ixy-fwd")]);
    command.args(arguments).env_remove("IXY_LOG").stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    command.spawn().unwrap()
}

/// Reads up to a line with these words, and returns the reader of the rest.
fn read_up_to<R: Read>(words: &str, from: R) -> BufReader<R> {
    let (mut from, mut all) = (BufReader::new(from), String::new());
    loop {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        all += &line;
        if line.contains(words) {
            return from;
        }
        assert!(!line.is_empty(), "the program ended without `{words}`: {all}");
    }
}

fn rest<R: Read>(mut from: BufReader<R>) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

/// Sends SIGTERM, which `timeout` passes on.
fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

/// Waits for the end. A second signal ends a program that does not end.
fn end(child: &mut Child, what: &str) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > LIMIT {
            terminate(child);
            let status = child.wait().unwrap();
            panic!(
                "{what}: it has to end within about a second, not {LIMIT:?} and a second signal: {status}"
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

const STALLED: &str = "its reader took nothing for ";

#[test]
fn statistics_that_nobody_takes_do_not_hold_up_a_signal() {
    each(|kind| {
        let (near, _far) = output(kind);
        fill(&near, kind);
        let line = ["sim:loopback", "sim:loopback", "--json", "--interval", "10ms", "-v"];
        let mut child = start(&line, near.into(), Stdio::piped());
        let messages = read_up_to("opened", child.stderr.take().unwrap());
        std::thread::sleep(BEGUN);
        assert!(child.try_wait().unwrap().is_none(), "{kind:?}: it waits for its reader");
        terminate(&child);
        let (status, messages) = (end(&mut child, &format!("{kind:?}")), rest(messages));
        assert_eq!(status.code(), Some(1), "{kind:?}: statistics are lost, which is an error: {messages}");
        let error = messages.lines().last().unwrap_or_default();
        assert!(error.starts_with("error: ") && error.contains(STALLED), "{kind:?}: {messages}");
    });
}

#[test]
fn statistics_that_nobody_takes_do_not_hold_up_the_end_of_the_duration() {
    each(|kind| {
        let (near, _far) = output(kind);
        fill(&near, kind);
        let line = ["sim:loopback", "sim:loopback", "--csv", "--interval", "10ms", "--duration", "3"];
        let mut child = start(&line, near.into(), Stdio::piped());
        let messages = BufReader::new(child.stderr.take().unwrap());
        let (status, messages) = (end(&mut child, &format!("{kind:?}")), rest(messages));
        assert_eq!(status.code(), Some(1), "{kind:?}: statistics are lost, which is an error: {messages}");
        assert!(messages.contains(STALLED) && messages.lines().count() == 1, "{kind:?}: {messages}");
    });
}

#[test]
fn messages_that_nobody_takes_do_not_hold_up_a_signal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("in.pcap");
    let mut capture = ixy_pcap::Writer::create(&path, 0).unwrap();
    // A card drops the second frame, with a warning.
    capture.write(0, &[0x5a; 100]).unwrap();
    capture.write(0, &[0x5a; 1600]).unwrap();
    capture.finish().unwrap();
    each(|kind| {
        let (near, _far) = output(kind);
        fill(&near, kind);
        let line = [&format!("sim:rx={}", path.display()), "sim", "--interval", "100ms"];
        let mut child = start(&line, Stdio::piped(), near.into());
        // The warning comes before or after the first statistics.
        let (sender, first) = std::sync::mpsc::channel();
        let out = child.stdout.take().unwrap();
        let reading = std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let _ = sender.send(());
            line + &rest(out)
        });
        let _ = first.recv_timeout(BEGUN);
        std::thread::sleep(BEGUN);
        assert!(child.try_wait().unwrap().is_none(), "{kind:?}: only a signal ends it");
        terminate(&child);
        let (status, printed) = (end(&mut child, &format!("{kind:?}")), reading.join().unwrap());
        assert_eq!(status.code(), Some(0), "{kind:?}: a lost message is no error: {printed}");
        assert!(printed.contains("Summary of "), "{kind:?}: the statistics are whole: {printed}");
    });
}

#[test]
fn frames_that_nobody_takes_do_not_hold_up_a_signal() {
    let (near, _far) = output(Kind::Socket);
    // Takes the header of the capture and some frames.
    rustix::net::sockopt::set_socket_send_buffer_size(&near, 4096).unwrap();
    let mut child = start(&["sim", "sim:tx=-", "-v"], near.into(), Stdio::piped());
    let messages = read_up_to("opened", child.stderr.take().unwrap());
    std::thread::sleep(BEGUN);
    terminate(&child);
    let (status, messages) = (end(&mut child, "frames"), rest(messages));
    assert_eq!(status.code(), Some(1), "frames are lost, which is an error: {messages}");
    assert!(messages.lines().last().unwrap_or_default().contains(STALLED), "{messages}");
}

#[test]
fn a_terminal_that_is_gone_ends_it_without_an_error() {
    let (near, far) = output(Kind::Terminal);
    let line = ["sim:loopback", "sim:loopback", "--interval", "10ms"];
    let mut child = start(&line, near.into(), Stdio::piped());
    drop(read_up_to(" TX: ", File::from(far)));
    let status = end(&mut child, "the terminal is gone");
    let messages = rest(BufReader::new(child.stderr.take().unwrap()));
    assert_eq!((status.code(), messages.as_str()), (Some(0), ""), "as after SIGHUP");
}
