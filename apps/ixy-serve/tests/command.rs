//! The program as a user runs it: processes and sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ixy_vfio_user::client::Client;
use ixy_vfio_user::message::pci;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::process::{Pid, Signal, kill_process};

/// A run that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(60);

const STATUS: u64 = 0x00008;
const CTRL: u64 = 0x00000;
const FWSM: u64 = 0x10148;

/// A running server, and its output.
struct Server {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    announced: Vec<String>,
}

#[test]
fn metrics_of_each_port_are_served_over_http() {
    let directory = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| directory.path().join(name));
    let flags = ["--socket", text(&a), "--socket", text(&b), "--metrics", "0", "-v"];
    let mut server = Server::start(&flags, 2);
    let mut err = BufReader::new(server.child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = err.find(|line| line.contains("metrics are at ")).unwrap();
    let address = line.split("http://").nth(1).unwrap().strip_suffix("/metrics").unwrap().to_owned();
    std::thread::spawn(move || err.for_each(drop));
    let _client = connect(&a);
    let clients =
        |path: &Path, count: u64| format!("ixy_clients_total{{socket=\"{}\"}} {count}\n", text(path));
    wait_for("the client is counted", || {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        answer.contains(&clients(&a, 1)) && answer.contains(&clients(&b, 0))
    });
}

impl Server {
    /// Starts the server, and waits until it announces this many ports.
    fn start(args: &[&str], ports: usize) -> Self {
        let mut child = Command::new("timeout")
            // In the foreground; otherwise it would pass a signal on twice.
            .args([
                "--foreground",
                "--kill-after=5",
                &LIMIT.as_secs().to_string(),
                env!("CARGO_BIN_EXE_ixy-serve"),
            ])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut announced = Vec::new();
        for _ in 0..ports {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            if line.is_empty() {
                let mut why = String::new();
                child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
                panic!("it did not start: {why}");
            }
            announced.push(line);
        }
        Self { child, out, announced }
    }

    /// `timeout` passes the signal on.
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends the server by a signal; returns exit code, output and error output.
    fn end(mut self, signal: Signal) -> (Option<i32>, String, String) {
        self.signal(signal);
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }

    /// The process itself, which a test may kill.
    fn pid(&self) -> Pid {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let pid = std::fs::read_to_string(children).unwrap();
        Pid::from_raw(pid.trim().parse().unwrap()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal(Signal::TERM);
            self.child.wait().unwrap();
        }
    }
}

/// Runs the server to its end: exit code and error output.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new("timeout")
        .args(["20", env!("CARGO_BIN_EXE_ixy-serve")])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn read32(client: &Client, region: u32, at: u64) -> u32 {
    let mut bytes = [0; 4];
    client.read(region, at, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

fn write(client: &Client, region: u32, at: u64, bytes: &[u8]) {
    // SAFETY: ARMED-ONLY: the device reaches only files, which the tests access by system calls.
    unsafe { client.write(region, at, bytes) }.unwrap();
}

fn set(client: &Client, register: u64, value: u32) {
    write(client, pci::BAR0, register, &value.to_le_bytes());
}

/// A client with memory decoding and DMA on.
fn connect(path: &Path) -> Client {
    let client = Client::connect(path).unwrap();
    write(&client, pci::CONFIG, 4, &[6, 0]);
    client
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Memory of 64 KiB at IOVA 0, with a transmit ring of 8 at 0, a receive ring at 0x1000, a frame at 0x2000 and a
/// buffer at 0x3000.
fn rings(client: &Client) -> OwnedFd {
    let file = memory();
    fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    start(client, &file);
    file
}

/// A file for them, which may be truncated.
fn memory() -> OwnedFd {
    let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, 0x10000).unwrap();
    file
}

/// Starts queues on rings in a file.
fn start(client: &Client, file: &OwnedFd) {
    client.map(0, 0x10000, file.as_fd(), 0, true).unwrap();
    for (at, value) in [
        (0x06000, 0),
        (0x06004, 0),
        (0x06008, 128),
        (0x06028, 1 << 25), // TXDCTL
        (0x04A80, 1),       // DMATXCTL
        (0x05080, 0x700),   // FCTRL
        (0x01000, 0x1000),
        (0x01004, 0),
        (0x01008, 128),
        (0x01014, 1 << 25 | 2), // SRRCTL
        (0x01028, 1 << 25),     // RXDCTL
        (0x03000, 1),           // RXCTRL
    ] {
        set(client, at, value);
    }
}

fn put(file: &OwnedFd, at: u64, words: &[u64]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(rustix::io::pwrite(file, &bytes, at).unwrap(), bytes.len());
}

fn word(file: &OwnedFd, at: u64) -> u64 {
    let mut bytes = [0; 8];
    rustix::io::pread(file, &mut bytes, at).unwrap();
    u64::from_le_bytes(bytes)
}

fn send(client: &Client, file: &OwnedFd, frames: u64) {
    put(file, 0x2000, &[u64::MAX; 8]);
    for n in 0..frames {
        put(file, 16 * n, &[0x2000, 64 | 3 << 20 | 1 << 24 | 1 << 25 | 1 << 27 | 1 << 29 | 64 << 46]);
    }
    set(client, 0x06018, frames as u32);
    wait_for("frames are sent", || word(file, 16 * (frames - 1) + 8) >> 32 & 1 == 1);
}

#[test]
fn what_one_port_sends_the_other_receives_and_all_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| directory.path().join(name));
    let server = Server::start(&["--socket", text(&a), "--socket", text(&b), "--stats"], 2);
    let announced = server.announced.concat();
    assert!(
        announced.contains(&format!("serving vfio-user:{}: 82599, 02:1b:21:00:00:01", text(&a))),
        "{announced}"
    );
    let (sender, receiver) = (connect(&a), connect(&b));
    let (from, to) = (rings(&sender), rings(&receiver));
    put(&to, 0x1000, &[0x3000, 0]);
    set(&receiver, 0x01018, 1);
    send(&sender, &from, 3);
    wait_for("the frame", || word(&to, 0x1008) & 1 == 1);
    assert_eq!((word(&to, 0x1008) >> 32 & 0xffff, word(&to, 0x3000)), (64, u64::MAX));
    assert_eq!(read32(&receiver, pci::CONFIG, 0), 0x10fb_8086);
    // A descriptor with an address outside of memory.
    put(&from, 48, &[0x5555_0000, 64 | 3 << 20 | 1 << 24 | 1 << 25 | 1 << 27 | 1 << 29 | 64 << 46]);
    set(&sender, 0x06018, 4);
    wait_for("it was skipped", || read32(&sender, pci::BAR0, 0x06010) == 4);
    assert!(sender.read(9, 0, &mut [0; 4]).is_err());
    drop((sender, receiver));
    let (code, out, err) = server.end(Signal::INT);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    let wanted = format!(
        "{}: 0 frames received, 3 sent, 1 DMA faults (last at 0x55550000), 1 messages refused, 1 bad descriptors, clients 1",
        text(&a)
    );
    assert_eq!(lines[0], wanted);
    assert!(
        lines[1].starts_with(&format!("{}: 1 frames received, 0 sent, 0 DMA faults, 0", text(&b))),
        "{out}"
    );
    assert!(!a.exists() && !b.exists(), "the sockets are removed");
}

#[test]
fn skipped_records_of_a_capture_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let [socket, file] = ["a", "in.pcap"].map(|name| directory.path().join(name));
    let mut writer = ixy_pcap::Writer::create(&file, 0).unwrap();
    [0, 13].iter().try_for_each(|len| writer.write(0, &vec![0; *len])).unwrap();
    writer.finish().unwrap();
    let wire = format!("rx={}", text(&file));
    let mut server = Server::start(&["--socket", text(&socket), "--wire", &wire, "--stats", "1"], 1);
    let lines = || {
        let mut line = String::new();
        server.out.read_line(&mut line).unwrap();
        line
    };
    let found = std::iter::repeat_with(lines).take(20).find(|line| line.contains(" skipped"));
    let wanted = format!("{}: 0 frames received, 0 sent, 2 records skipped, 0 DMA faults", text(&socket));
    assert!(found.as_ref().is_some_and(|line| line.starts_with(&wanted)), "{found:?}");
    let (_, out, _) = server.end(Signal::INT);
    let last = out.lines().last();
    assert!(last.is_some_and(|line| line.starts_with(&wanted)), "the count stays to the end: {out}");
}

#[test]
fn captures_are_complete_when_a_signal_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let [socket, file] = ["a", "out.pcap"].map(|name| directory.path().join(name));
    let wire = format!("tx={}", text(&file));
    let server = Server::start(&["--socket", text(&socket), "--wire", &wire], 1);
    let client = connect(&socket);
    let memory = rings(&client);
    send(&client, &memory, 5);
    let (code, out, err) = server.end(Signal::TERM);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""));
    let mut reader = ixy_pcap::Reader::open(&file).unwrap();
    let mut records = 0;
    while let Some(record) = reader.next_record().unwrap() {
        assert_eq!(record.data, [0xff; 64]);
        records += 1;
    }
    assert_eq!(records, 5);
    assert!(client.read(pci::CONFIG, 0, &mut [0; 4]).is_err(), "the client lost its device");
}

#[test]
fn a_server_that_cannot_start_keeps_the_files_that_it_was_to_write() {
    let directory = tempfile::tempdir().unwrap();
    let [socket, second, no_socket, file] = ["a", "b", "file", "old"].map(|name| directory.path().join(name));
    std::fs::write(&no_socket, "x").unwrap();
    std::fs::write(&file, "old content").unwrap();
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = used.local_addr().unwrap().port().to_string();
    let (trace, wire) = (["--trace", "raw", "--trace-file", text(&file)], format!("tx={}", text(&file)));
    let missing = format!("rx={}", text(&directory.path().join("none")));
    for args in [
        [&["--socket", text(&no_socket)], &trace[..]].concat(),
        [&["--socket", text(&socket), "--metrics", &port], &trace[..]].concat(),
        vec!["--socket", text(&socket), "--wire", &wire, "--metrics", &port],
        vec!["--socket", text(&socket), "--wire", &wire, "--socket", text(&second), "--wire", &missing],
    ] {
        let (status, err) = refused(&args);
        assert!(matches!(status, Some(1 | 2)), "{args:?}: {err}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old content", "{args:?}: {err}");
    }
}

#[test]
fn a_capture_on_standard_output_has_nothing_else_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let [socket, file] = ["a", "out.pcap"].map(|name| directory.path().join(name));
    for wire in ["tx=-", "tx=/dev/stdout"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-serve"));
        command.args(["--socket", text(&socket), "--wire", wire, "--stats"]).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut announced = String::new();
        err.read_line(&mut announced).unwrap();
        assert!(announced.starts_with("serving vfio-user:"), "{announced}");
        let client = connect(&socket);
        let memory = rings(&client);
        send(&client, &memory, 5);
        kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
        let (mut rest, mut out) = (String::new(), Vec::new());
        err.read_to_string(&mut rest).unwrap();
        child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{rest}");
        assert!(rest.contains(" 5 sent, "), "{wire}: {rest}");
        std::fs::write(&file, out).unwrap();
        let mut reader = ixy_pcap::Reader::open(&file).unwrap();
        for n in 0..5 {
            assert!(reader.next_record().unwrap().is_some(), "{wire}: record {n}");
        }
        assert!(reader.next_record().unwrap().is_none(), "{wire}: something else is in the capture");
    }
}

#[test]
fn a_reader_of_the_statistics_that_goes_away_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-serve"));
    command.args(["--socket", text(&socket), "--stats", "1"]).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut announced = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut announced).unwrap();
    assert!(announced.starts_with("serving vfio-user:"), "{announced}");
    wait_for("the server ends", || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    assert!(!socket.exists(), "the socket is removed");
}

#[test]
fn statistics_come_at_their_interval_until_the_duration_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    // On a busy machine the end comes late.
    for (stats, lines) in [("--stats=200ms", 5..=50), ("--interval=0.2", 5..=50), ("--stats=0", 1..=1)] {
        let start = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-serve"));
        command.args(["--socket", text(&socket), stats, "--duration", "2s"]).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(start.elapsed() >= Duration::from_secs(2), "{stats}: {:?}", start.elapsed());
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{stats}");
        let out = String::from_utf8(output.stdout).unwrap();
        let count = out.lines().filter(|line| line.contains(" frames received")).count();
        assert!(lines.contains(&count), "{stats}: {count} lines: {out}");
        assert!(!socket.exists(), "the socket is removed");
    }
}

#[test]
fn a_client_that_is_gone_makes_room_for_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let _server = Server::start(&["--socket", text(&socket)], 1);
    let first = connect(&socket);
    set(&first, 0x05080, 0x100);
    assert!(Client::connect(&socket).is_err(), "one client at a time");
    drop(first);
    let mut next = None;
    wait_for("the next client", || {
        next = Client::connect(&socket).ok();
        next.is_some()
    });
    let next = next.unwrap();
    write(&next, pci::CONFIG, 4, &[2, 0]);
    assert_eq!(read32(&next, pci::BAR0, 0x05080), 0, "as after power on");
}

#[test]
fn a_client_that_is_killed_makes_room_for_the_next_one() {
    const PATH: &str = "IXY_SERVE_CLIENT";
    if let Some(path) = std::env::var_os(PATH) {
        // The other process: a client with running rings.
        let client = connect(Path::new(&path));
        let file = rings(&client);
        send(&client, &file, 3);
        println!("client ready");
        std::thread::sleep(LIMIT);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let server = Server::start(&["--socket", text(&socket), "--stats"], 1);
    let mut client = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_client_that_is_killed_makes_room_for_the_next_one", "--nocapture"])
        .env(PATH, &socket)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("client ready")));
    client.kill().unwrap();
    client.wait().unwrap();
    let mut next = None;
    wait_for("the next client", || {
        next = Client::connect(&socket).ok();
        next.is_some()
    });
    let next = next.unwrap();
    write(&next, pci::CONFIG, 4, &[6, 0]);
    assert_eq!(read32(&next, pci::BAR0, 0x06028), 0, "its rings are off");
    let file = rings(&next);
    send(&next, &file, 2);
    let (code, out, _) = server.end(Signal::TERM);
    assert!(code == Some(0) && out.contains("5 sent, 0 DMA faults") && out.contains("clients 2\n"), "{out}");
}

#[test]
fn a_server_that_is_killed_is_a_lost_device_and_its_socket_is_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let server = Server::start(&["--socket", text(&socket)], 1);
    let client = connect(&socket);
    assert_ne!(read32(&client, pci::BAR0, STATUS), u32::MAX);
    kill_process(server.pid(), Signal::KILL).unwrap();
    drop(server);
    assert!(client.read(pci::BAR0, STATUS, &mut [0; 4]).is_err() && client.lost().is_some());
    assert!(socket.exists(), "nobody was there to remove it");
    let _again = Server::start(&["--socket", text(&socket)], 1);
    assert_ne!(read32(&connect(&socket), pci::BAR0, STATUS), u32::MAX);
}

#[test]
fn memory_that_is_cut_off_while_frames_flow_does_not_end_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let server = Server::start(&["--socket", text(&socket), "--wire", "flood", "--stats"], 1);
    for len in [0x2800, 0x1040, 0] {
        let mut client = None;
        wait_for("the server takes a client", || {
            client = Client::connect(&socket).ok();
            client.is_some()
        });
        let client = client.unwrap();
        write(&client, pci::CONFIG, 4, &[6, 0]);
        let file = memory();
        start(&client, &file);
        // Seven receive descriptors, again and again, until long after their memory is gone.
        let arm = || {
            for n in 0..8 {
                put(&file, 0x1000 + 16 * n, &[0x3000, 0]);
            }
        };
        arm();
        set(&client, 0x01018, 7);
        wait_for("a frame", || word(&file, 0x1008) & 1 == 1);
        ftruncate(&file, len).unwrap();
        for tail in [3, 0, 5, 2, 7, 4] {
            set(&client, 0x01018, tail);
            set(&client, 0x06018, tail);
            assert_ne!(read32(&client, pci::BAR0, STATUS), u32::MAX, "it answers");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let (code, out, err) = server.end(Signal::TERM);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("clients 3\n") && !out.contains(" 0 DMA faults"), "each access is counted: {out}");
}

#[test]
fn a_virtual_function_is_a_device_at_a_socket_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let [card, first, second] = ["card", "first", "second"].map(|name| directory.path().join(name));
    let log = directory.path().join("log");
    let args = ["--socket", text(&card), "--wire", "loopback", "--vf", text(&first), "--vf", text(&second)];
    let more = ["--stats", "--trace", "--trace-file", text(&log)];
    let server = Server::start(&[&args[..], &more].concat(), 3);
    let announced =
        format!("serving vfio-user:{}: virtual function 1 of {}\n", second.display(), card.display());
    assert_eq!(server.announced[2], announced);
    let (card_client, client) = (connect(&card), connect(&second));
    assert_eq!(read32(&client, pci::CONFIG, 0), 0x10ed_8086);
    assert_eq!(read32(&client, pci::BAR0, 0x002FC), 0x40, "VFMAILBOX: the card has no driver yet");
    set(&card_client, 0x00018, 1 << 14);
    assert_eq!(read32(&client, pci::BAR0, 0x002FC), 0x80);
    // It has its own memory, from which its frames are read.
    set(&card_client, 0x11050, 3); // GCR_EXT: 64 functions
    set(&card_client, 0x04A80, 1); // DMATXCTL
    let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, 0x10000).unwrap();
    fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    client.map(0, 0x10000, file.as_fd(), 0, true).unwrap();
    set(&client, 0x02008, 128); // VFTDLEN
    set(&client, 0x02028, 1 << 25); // VFTXDCTL
    let command = 3 << 20 | 1 << 29 | 1 << 24 | 1 << 25 | 1 << 27;
    put(&file, 0, &[0x2000, command | 60 | 60 << 46]);
    set(&client, 0x02018, 1); // VFTDT
    wait_for("the function sends", || word(&file, 8) >> 32 & 1 == 1);
    let (code, out, err) = server.end(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    let counted = format!("{}: 0 DMA faults, 0 messages refused", second.display());
    assert!(out.contains(&counted), "{out}");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains(&format!("{} write register VFTXDCTL[0] 0x02028", second.display())), "{log}");
    assert!(!first.exists() && !second.exists(), "sockets are removed");
}

#[test]
fn sockets_are_for_their_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let _server = Server::start(&["--socket", text(&socket)], 1);
    let metadata = std::fs::metadata(&socket).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_path_that_is_taken_is_left_alone_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let [taken, file, other, missing] =
        ["taken", "file", "other", "no/such"].map(|name| directory.path().join(name));
    let _server = Server::start(&["--socket", text(&taken)], 1);
    std::fs::write(&file, "precious").unwrap();
    let listener = UnixListener::bind(&other).unwrap();
    let long = directory.path().join("n".repeat(100));
    for (path, why) in [
        (&taken, "is served by another process; end that (`fuser -v` names it), or choose another path"),
        (&file, "something that is not a socket is there; choose another path, or remove it"),
        (&other, "is served by another process; end that (`fuser -v` names it), or choose another path"),
        (&missing, &format!("/no does not exist; create it: mkdir -p {}", text(missing.parent().unwrap()))),
        (&long, "bytes, and 107 are possible; choose a shorter one"),
        (
            &directory.path().to_owned(),
            "something that is not a socket is there; choose another path, or remove it",
        ),
    ] {
        // The second of two fails: the first must not be left behind.
        let first = directory.path().join("first");
        let (code, err) = refused(&["--socket", text(&first), "--socket", text(path)]);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.starts_with("error: ") && err.contains(why) && err.lines().count() == 1, "{err}");
        assert_eq!(err.matches(text(path)).count(), 1, "the path is named once: {err}");
        assert!(!first.exists());
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(read32(&connect(&taken), pci::CONFIG, 0), 0x10fb_8086, "the other server goes on");
    drop(listener);
}

#[test]
fn wrong_arguments_and_wires_are_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let missing = format!("rx={}", text(&directory.path().join("missing.pcap")));
    for (args, code, why) in [
        (vec![], 2, "--socket"),
        (
            vec!["--socket", text(&socket), "--wire", "nonsense"],
            2,
            "error: --wire: sim has no option `nonsense`; the options are",
        ),
        (
            vec!["--socket", text(&socket), "--wire", "mac=zz"],
            2,
            "error: --wire: sim option `mac` cannot be `zz`: write the Ethernet address of one card",
        ),
        (
            vec!["--socket", text(&socket), "--mac", "x"],
            2,
            "error: --mac cannot be `x`: write six bytes in hexadecimal, as in 02:00:00:00:00:01\n",
        ),
        (
            vec!["--socket", text(&socket), "--stats", "-1"],
            2,
            "error: --stats cannot be `-1`: write a time from 0 on, such as 5 (seconds), 0.5, 200ms or 2m",
        ),
        (
            vec!["--socket", text(&socket), "--stats", "1ms"],
            2,
            "error: --stats cannot be `1ms`: write a time of at least 10ms, such as 1s\n",
        ),
        (
            vec!["--wire", "loopback", "--socket", text(&socket)],
            2,
            "error: there is no --socket before --wire: write --wire after the --socket that it is for\n",
        ),
        (
            vec!["--socket", text(&socket), "--wire", "tx=/nonexistent/x"],
            1,
            "error: cannot create /nonexistent/x: the directory /nonexistent does not exist; create it: mkdir -p /nonexistent\n",
        ),
        (
            vec!["--socket", text(&socket), "--wire", "socket=/nonexistent/x"],
            1,
            "error: socket /nonexistent/x: the directory /nonexistent does not exist; create it: mkdir -p /nonexistent\n",
        ),
        (vec!["--socket", text(&socket), "--wire", "cable=x"], 2, "cable=x has one end only"),
        (vec!["--socket", text(&socket), "--wire", &missing], 1, "missing.pcap"),
        (vec!["--socket", text(&socket), "--wire", "tap=averyveryverylongname"], 2, "averyveryverylongname"),
        (vec!["--socket", text(&socket), "--metrics", "here"], 2, "9100"),
        (vec!["--socket", text(&socket), "--trace", "xml"], 2, "xml"),
        (
            vec!["--socket", text(&socket), "--trace", "--trace-file", "/nonexistent/x"],
            1,
            "error: cannot write the trace to /nonexistent/x: the directory /nonexistent does not exist; create it: mkdir -p /nonexistent\n",
        ),
    ] {
        let (status, err) = refused(&args);
        assert_eq!(status, Some(code), "{err}");
        assert!(err.starts_with("error: ") && err.contains(why) && err.lines().count() == 1, "{err}");
        assert!(!socket.exists());
    }
}

#[test]
fn a_trace_that_finds_no_room_is_said_at_once_and_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("a");
    let args = ["--socket", text(&socket), "--trace", "raw", "--trace-file", "/dev/full"];
    let server = Server::start(&args, 1);
    let client = connect(&socket);
    for _ in 0..1000 {
        read32(&client, pci::BAR0, FWSM);
    }
    drop(client);
    let (code, _, err) = server.end(Signal::TERM);
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!((code, lines.len()), (Some(1), 2), "{err}");
    assert!(
        lines[0].contains("the trace is incomplete from here on") && lines[0].contains("/dev/full"),
        "{err}"
    );
    assert!(lines[1].starts_with("error: cannot write the trace to /dev/full: No space left"), "{err}");
}

#[test]
fn the_file_of_a_trace_has_no_other_use() {
    let directory = tempfile::tempdir().unwrap();
    let [socket, file] = ["a", "trace"].map(|name| directory.path().join(name));
    let refused = |wire: &str, code: i32, why: &str| {
        std::fs::write(&file, "x").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-serve"));
        command.args(["--socket", text(&socket), "--wire", wire, "--trace", "--trace-file", text(&file)]);
        let child =
            command.env_remove("IXY_LOG").stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{err}");
        assert!(err.contains(why) && err.contains(text(&file)), "{err}");
    };
    refused(&format!("tx={}", text(&file)), 2, "both write to the same file");
    refused(&format!("rx={}", text(&file)), 2, "would overwrite: write to another file");
    assert_eq!(std::fs::read(&file).unwrap(), b"x", "it was emptied");
    // Another process holds it.
    let _reader = ixy_pcap::GiveUp::default().create(&file).unwrap();
    refused("loopback", 1, "is in use by another reader or writer");
}

/// Starts it without waiting for what it says, and with a named pipe as the file of its trace.
fn with_pipe(directory: &Path) -> (Child, PathBuf, PathBuf) {
    let [socket, pipe]: [PathBuf; 2] = ["a", "pipe"].map(|name| directory.join(name));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let args = ["--socket", text(&socket), "--trace", "raw", "--trace-file", text(&pipe)];
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-serve"));
    command.args(args).env_remove("IXY_LOG").stdin(Stdio::null());
    (command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), socket, pipe)
}

/// Sends a signal and waits for the end: exit code, messages, and how long it took.
fn interrupted(mut child: Child, signal: Signal) -> (Option<i32>, String, Duration) {
    let start = Instant::now();
    kill_process(Pid::from_child(&child), signal).unwrap();
    while child.try_wait().unwrap().is_none() && start.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = start.elapsed();
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap(), took)
}

#[test]
fn a_trace_into_a_pipe_that_nobody_opens_ends_by_a_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let directory = tempfile::tempdir().unwrap();
        let (mut child, socket, _) = with_pipe(directory.path());
        std::thread::sleep(Duration::from_millis(500));
        assert!(child.try_wait().unwrap().is_none(), "it waits for a reader");
        let (code, err, took) = interrupted(child, signal);
        assert_eq!((code, err.as_str()), (Some(0), ""), "after {took:?}");
        assert!(took < Duration::from_secs(5) && !socket.exists(), "{took:?}");
    }
}

#[test]
fn a_trace_into_a_pipe_that_is_not_emptied_ends_by_a_signal() {
    let directory = tempfile::tempdir().unwrap();
    let (child, socket, pipe) = with_pipe(directory.path());
    let reader = std::fs::File::open(&pipe).unwrap();
    // The socket is there before it is listened to.
    let mut client = None;
    wait_for("the client is connected", || {
        client = Client::connect(&socket).ok();
        client.is_some()
    });
    let client = client.unwrap();
    // More than a pipe holds, until the card stands still for its trace.
    let reading = std::thread::spawn(move || {
        let mut value = [0; 4];
        for _ in 0..20_000 {
            if client.read(pci::BAR0, FWSM, &mut value).is_err() {
                break;
            }
        }
    });
    std::thread::sleep(Duration::from_secs(2));
    let (code, err, took) = interrupted(child, Signal::INT);
    reading.join().unwrap();
    drop(reader);
    assert!(took < Duration::from_secs(8), "{took:?}: {err}");
    assert_eq!(code, Some(1), "what is lost of a trace is an error: {err}");
    assert!(err.contains("error: cannot write the trace to ") && err.contains(text(&pipe)), "{err}");
}

/// The trace of a small session.
fn traced(format: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let [socket, file]: [PathBuf; 2] = ["a", "trace"].map(|name| directory.path().join(name));
    let args = ["--socket", text(&socket), "--trace", format, "--trace-file", text(&file)];
    let server = Server::start(&args, 1);
    let client = connect(&socket);
    let events = client.interrupts(pci::MSIX, 1).unwrap();
    set(&client, CTRL, 1 << 26);
    for _ in 0..500 {
        read32(&client, pci::BAR0, FWSM);
    }
    set(&client, 0x01028 + 0x40 * 5, 1 << 25 | 3);
    read32(&client, pci::CONFIG, 4);
    let memory = rings(&client);
    assert!(client.unmap(0x5000, 0x1000).is_err(), "it is cut");
    client.unmap(0, 0x10000).unwrap();
    drop(memory);
    set(&client, 0x00880, 1);
    set(&client, 0x00808, 1);
    assert!(client.read(pci::BAR0, 2, &mut [0; 4]).is_err());
    client.reset().unwrap();
    drop((events, client));
    wait_for("the client is gone", || Client::connect(&socket).is_ok());
    assert_eq!(server.end(Signal::TERM), (Some(0), String::new(), String::new()));
    std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_trace_in_text_names_registers_fields_and_sections() {
    let lines = traced("text");
    let all = lines.join("\n");
    let mut rest = lines.iter();
    for wanted in [
        "client connected",
        "write config Command 0x00004 <- 0x0006  (9.3)",
        "write register CTRL 0x00000 <- 0x04000000  (8.2.3.1.1) RST=0x1",
        "read  register FWSM 0x10148 = 0x00008000  (",
        "write register RXDCTL[5] 0x01168 <- 0x02000003  (8.2.3.8.6) ENABLE=0x1",
        "read  config Command 0x00004 = 0x00100006",
        "map    0x0 to 0xffff, read and write",
        "unmap  0x5000 to 0x5fff",
        "refused unmap of 0x5000 to 0x5fff: Invalid argument",
        "unmap  0x0 to 0xffff",
        "write register EICS 0x00808 <- 0x00000001",
        "interrupt MSI-X 0",
        "refused read of register 0x00002, 4 bytes: Invalid argument",
        "reset",
        "client gone",
        "client connected",
    ] {
        assert!(rest.any(|line| line.contains(wanted)), "no `{wanted}` at its place in\n{all}");
    }
    let reads = lines.iter().filter(|line| line.contains("read  register FWSM"));
    // On a very busy machine there are several lines: events that have waited for a second are shown.
    let times = reads.map(|line| line.split("  ").last().and_then(|last| last.strip_suffix(" times")));
    let times: Vec<u64> = times.map(|times| times.map_or(1, |times| times.parse().unwrap())).collect();
    assert!(times.iter().sum::<u64>() == 500 && times.len() < 50, "reads are folded: {times:?}\n{all}");
}

#[test]
fn a_trace_in_json_is_an_object_a_line() {
    let objects: Vec<serde_json::Value> =
        traced("json").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let event = |name: &str| objects.iter().find(|object| object["event"] == name).unwrap();
    let register = |event: &str, name: &str| {
        let found = objects.iter().find(|object| object["event"] == event && object["register"] == name);
        found.unwrap_or_else(|| panic!("no {event} of {name}"))
    };
    let rxdctl = register("write", "RXDCTL");
    assert_eq!((&rxdctl["index"], &rxdctl["offset"]), (&5.into(), &0x1168.into()));
    assert_eq!((&rxdctl["value"], &rxdctl["section"]), (&0x0200_0003.into(), &"8.2.3.8.6".into()));
    assert_eq!(rxdctl["fields"]["ENABLE"], 1);
    assert_eq!(objects.iter().filter(|object| object["register"] == "FWSM").count(), 500, "each access");
    assert_eq!(register("read", "Command")["value"], 0x0010_0006);
    assert_eq!((&event("map")["size"], &event("map")["for"]), (&0x10000.into(), &"read and write".into()));
    let messages = objects.iter().filter(|object| object["kind"] == "msix" && object["event"] == "interrupt");
    assert_eq!(messages.map(|object| object["vector"].as_u64().unwrap()).collect::<Vec<_>>(), [0]);
    for name in ["connected", "unmap", "refused", "reset", "gone"] {
        assert!(event(name)["port"].as_str().unwrap().ends_with("/a"), "{name}");
    }
    let refused: Vec<_> = objects.iter().filter(|object| object["event"] == "refused").collect();
    assert_eq!(
        (&refused[0]["request"], &refused[0]["address"]),
        (&"VFIO_USER_DMA_UNMAP".into(), &0x5000.into())
    );
    assert_eq!((&refused[1]["request"], &refused[1]["offset"]), (&"VFIO_USER_REGION_READ".into(), &2.into()));
    assert_eq!(refused.len(), 2);
    let times: Vec<f64> = objects.iter().map(|object| object["time"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}
