//! Network namespaces, and the programs in them: ping, and TCP.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recv, sendto, socket_with,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The limit after which a program counts as hanging.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A network namespace, which is gone with this process at the latest.
pub(crate) struct Namespace(File);

impl Namespace {
    /// As many namespaces as asked for, or `None` after a line with what `test` lacks for them.
    pub(crate) fn make<const N: usize>(test: &str) -> Option<[Self; N]> {
        let probe =
            Command::new("unshare").args(["-n", "ip", "tuntap", "add", "probe0", "mode", "tap"]).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            // Not through a macro, since the test runner captures its output.
            let needed = "it needs root, network namespaces, /dev/net/tun and the program `ip`";
            std::io::stderr().write_all(format!("SKIPPED: {test}: {needed}\n").as_bytes()).unwrap();
            return None;
        }
        Some(std::array::from_fn(|_| Self::new()))
    }

    fn new() -> Self {
        let mut inside = Command::new("unshare")
            .args(["-n", "sh", "-c", "echo && read line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Once the process has printed, it is in its namespace. The open file keeps the namespace when the process
        // ends.
        inside.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let file = File::open(format!("/proc/{}/ns/net", inside.id())).unwrap();
        drop(inside.stdin.take());
        inside.wait().unwrap();
        Self(file)
    }

    /// The address of a software card at a TAP interface of this namespace with this IP address.
    pub(crate) fn tap(&self, address: Ipv4Addr) -> String {
        let (process, file) = (std::process::id(), self.0.as_raw_fd());
        format!("sim:tap=ixy0,netns=/proc/{process}/fd/{file},addr={address}/24")
    }

    /// Runs `act` in the namespace.
    pub(crate) fn run<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                act()
            });
            inside.join().unwrap()
        })
    }

    /// Pings `to` until it answers: programs take a while to start.
    pub(crate) fn wait_for(&self, to: Ipv4Addr) {
        let start = Instant::now();
        while !self.reaches(to) {
            assert!(start.elapsed() < LIMIT, "no answer from {to}");
        }
    }

    /// Whether `to` answers a ping within a second.
    pub(crate) fn reaches(&self, to: Ipv4Addr) -> bool {
        self.pings(to, 1, Duration::from_secs(1)) == 1
    }

    /// The number of `count` pings of different lengths that `to` answers with the right bytes. A machine under
    /// load may take its time.
    pub(crate) fn ping(&self, to: Ipv4Addr, count: u16) -> u16 {
        self.pings(to, count, Duration::from_secs(10))
    }

    fn pings(&self, to: Ipv4Addr, count: u16, limit: Duration) -> u16 {
        self.run(|| {
            let icmp = Some(ipproto::ICMP);
            let socket =
                socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, icmp).unwrap();
            set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_millis(100))).unwrap();
            let answered = (0..count).filter(|&n| {
                let content: Vec<u8> = (0..n * 150).map(|byte| (byte ^ n) as u8).collect();
                let request = echo(8, n, &content);
                let sent = sendto(&socket, &request, SendFlags::empty(), &SocketAddrV4::new(to, 0));
                let (mut answer, start) = ([0; 2048], Instant::now());
                while sent.is_ok() && start.elapsed() < limit {
                    let received = recv(&socket, &mut answer, RecvFlags::empty());
                    // After an IPv4 header of 20 bytes.
                    if received
                        .is_ok_and(|(bytes, _)| answer.get(20..bytes) == Some(&echo(0, n, &content)[..]))
                    {
                        return true;
                    }
                }
                false
            });
            answered.count() as u16
        })
    }

    /// Connects to `to`, port 7.
    pub(crate) fn connect(&self, to: Ipv4Addr) -> TcpStream {
        let address = SocketAddrV4::new(to, 7).into();
        with_limits(self.run(|| TcpStream::connect_timeout(&address, LIMIT).unwrap()))
    }

    /// Accepts one connection at port 7, and echoes its input.
    pub(crate) fn echo_once(&self) -> thread::JoinHandle<()> {
        let listener = self.run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 7)).unwrap());
        thread::spawn(move || {
            let stream = with_limits(listener.accept().unwrap().0);
            std::io::copy(&mut &stream, &mut &stream).unwrap();
        })
    }
}

/// A program that runs until it is interrupted, and is killed if the test fails.
pub(crate) struct Program(Child);

impl Program {
    pub(crate) fn start(path: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = String>) -> Self {
        Self(Command::new(path).args(arguments).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Interrupts the program as Ctrl-C does, and returns its output. It has to succeed.
    pub(crate) fn interrupt(mut self) -> String {
        let interrupt = format!("kill -s INT {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
        let start = Instant::now();
        let status = loop {
            match self.0.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(start.elapsed() < LIMIT, "it does not end"),
            }
            thread::sleep(Duration::from_millis(5));
        };
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(status.success(), "{status}: {text}");
        text
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A program that has already ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn with_limits(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Sends `bytes` bytes, and checks that the same come back.
pub(crate) fn check_echo(stream: &TcpStream, bytes: usize) {
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let sent: Vec<u8> = (0..bytes).map(|_| byte()).collect();
    let mut back = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = stream;
            stream.write_all(&sent).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut stream = stream;
        stream.read_to_end(&mut back).unwrap();
    });
    assert_eq!(back.len(), sent.len());
    assert!(back == sent, "the bytes that came back are others");
}

/// An ICMP echo request (8) or answer (0) with its checksum.
fn echo(kind: u8, number: u16, content: &[u8]) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    let mut message = [&[kind, 0, 0, 0, 0x1c, 0x59, high, low][..], content].concat();
    let mut padded = message.clone();
    padded.resize(message.len().next_multiple_of(2), 0);
    let mut sum: u32 = padded.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    sum = (sum >> 16) + (sum & 0xffff);
    sum += sum >> 16;
    message[2..4].copy_from_slice(&(!sum as u16).to_be_bytes());
    message
}
