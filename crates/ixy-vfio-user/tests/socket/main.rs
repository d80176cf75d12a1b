//! Clients against servers, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub, missing_docs)] // tests

mod bad_input;
mod bad_server;
#[path = "../../examples/copier/device.rs"]
mod device;
mod driver;
mod interoperation;
mod listener;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use device::Copier;
use ixy_vfio_user::client::Client;
use ixy_vfio_user::connection::{Connection, Limits};
use ixy_vfio_user::message::{Capabilities, Command, Errno, Header, Request, Version};
use ixy_vfio_user::server::{Listener, Server, ServerLimits, Stop};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use zerocopy::IntoBytes;

/// Long enough for a busy machine.
pub const LONG: Duration = Duration::from_secs(30);
pub const PAGE: u64 = 4096;

/// A copier served by a thread.
pub struct Served {
    pub server: Arc<Server>,
    stop: Stop,
    thread: Option<JoinHandle<Copier>>,
}

impl Served {
    fn spawn(limits: ServerLimits, run: impl FnOnce(&Server, &mut Copier, &Stop) + Send + 'static) -> Self {
        let (server, mut device) = device::copier(limits).unwrap();
        let (server, stop) = (Arc::new(server), Stop::new().unwrap());
        let (own, end) = (Arc::clone(&server), stop.clone());
        let thread = std::thread::spawn(move || {
            run(&own, &mut device, &end);
            device
        });
        Self { server, stop, thread: Some(thread) }
    }

    /// Serves the other end of the returned socket.
    pub fn over_pair(limits: ServerLimits) -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let run = |server: &Server, device: &mut Copier, stop: &Stop| server.serve_one(theirs, device, stop);
        (Self::spawn(limits, run), ours)
    }

    /// Serves a path.
    pub fn at_path(limits: ServerLimits) -> (Self, PathBuf) {
        let path = socket_path();
        let listener = Listener::bind(&path).unwrap();
        let run = move |server: &Server, device: &mut Copier, stop: &Stop| {
            server.serve(&listener, device, stop).unwrap();
        };
        (Self::spawn(limits, run), path)
    }

    /// Waits for the end of a server whose client is gone.
    pub fn end(mut self) -> Copier {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A separate path for each test.
pub fn socket_path() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("ixy-vfio-user-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(name)
}

/// A server, and a client of it.
pub fn client() -> (Served, Client) {
    let (served, socket) = Served::over_pair(ServerLimits::default());
    (served, Client::over(socket, LONG).unwrap())
}

/// Writes to a register.
pub fn write(client: &Client, region: u32, offset: u64, bytes: &[u8]) -> Result<(), ixy_vfio_user::Error> {
    // SAFETY: ARMED-ONLY: the device reaches only files, which the tests access by system calls or as atomics.
    unsafe { client.write(region, offset, bytes) }
}

pub fn read32(client: &Client, region: u32, offset: u64) -> u32 {
    let mut bytes = [0; 4];
    client.read(region, offset, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

/// A memfd, sealed or not.
pub fn memory(len: u64, sealed: bool) -> OwnedFd {
    let fd = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, len).unwrap();
    if sealed {
        fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    }
    fd
}

/// The error number of a refusal.
pub fn errno<T: std::fmt::Debug>(result: Result<T, ixy_vfio_user::Error>) -> Errno {
    match result {
        Err(ixy_vfio_user::Error::Refused { errno, .. }) => errno,
        other => panic!("not refused: {other:?}"),
    }
}

/// One side of the protocol by hand.
pub struct Raw {
    pub connection: Connection,
    pub body: Vec<u8>,
}

impl Raw {
    pub fn new(socket: UnixStream) -> Self {
        let connection = Connection::new(socket, Limits { body: 2 << 20, patience: LONG });
        Self { connection, body: Vec::new() }
    }

    /// A client after the version handshake.
    pub fn negotiated(socket: UnixStream) -> Self {
        let mut raw = Self::new(socket);
        let version = Version { major: 0, minor: 1, capabilities: Capabilities::default() };
        assert_eq!(raw.ask(&Request::Version(version), &[]), Ok(()));
        raw
    }

    pub fn send(&mut self, command: u16, flags: u32, body: &[u8], fds: &[BorrowedFd<'_>]) {
        let size = (Header::SIZE + body.len()) as u32;
        self.connection.send(&Header { id: 7, command, size, flags, error: 0 }, body, fds).unwrap();
    }

    /// Sends bytes unchanged.
    pub fn send_bytes(&self, bytes: &[u8]) {
        rustix::io::write(self.connection.as_fd(), bytes).unwrap();
    }

    /// The next message's header; `None` at the end.
    pub fn receive(&mut self) -> Option<Header> {
        match self.connection.receive(&mut self.body) {
            Ok(message) => message.map(|message| message.header),
            Err(ixy_vfio_user::Error::Closed { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The result in the next message, a reply.
    pub fn reply(&mut self) -> Result<(), Errno> {
        let header = self.receive().expect("the connection was closed");
        assert!(header.is_reply() && header.id == 7, "{header:?}");
        if header.flags & Header::ERROR == 0 {
            return Ok(());
        }
        assert_eq!(header.size as usize, Header::SIZE, "a refusal has no body");
        Err(Errno::from_raw_os_error(header.error as i32))
    }

    pub fn ask(&mut self, request: &Request<'_>, fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        let mut body = Vec::new();
        request.encode(&mut body);
        self.send(request.command() as u16, 0, &body, fds);
        self.reply()
    }

    /// Whether the other side still answers.
    pub fn is_served(&mut self) -> bool {
        self.ask(&Request::DeviceInfo { argsz: 16 }, &[]) == Ok(())
    }
}

/// A header with the given numbers.
pub fn header(command: Command, size: u32) -> Vec<u8> {
    Header { id: 7, command: command as u16, size, flags: 0, error: 0 }.as_bytes().to_vec()
}
