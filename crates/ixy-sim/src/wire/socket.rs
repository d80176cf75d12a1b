use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
    slice, thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FileType, FlockOperation, Mode, chmod, flock, lstat},
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept_with,
        bind, connect, listen, recv, send, shutdown, socket_with, sockopt,
    },
};

use super::{Wakes, Wire, WireError, unreached::Unreached};

/// The longest frame that can be received, in bytes: more than any MAC sends.
const LONGEST_FRAME: usize = 65_536;
/// Send buffer size requested from the system, in bytes. It grants up to its own limit.
const SEND_BUFFER: usize = 1 << 20;
/// Bytes of the longest path that a socket can have.
const MOST: usize = 107;
/// Attempts to open when the directory is locked or both ends are taken.
const ATTEMPTS: u32 = 200;
/// The time between attempts.
const PAUSE: Duration = Duration::from_millis(1);

/// One end of a cable to another process: a Unix socket that keeps message boundaries (`SOCK_SEQPACKET`).
///
/// The first program to open the path listens, the second connects, so they may start in either order. Only the
/// owner of the first process may connect. As soon as both ends are there the path is removed: so nothing is left
/// behind, however the programs end, and a third end is the first of another cable, which a warning says. A path
/// without a listener (a program was killed while it waited) is taken over.
///
/// Sent frames reach the other end even when this one ends right after: the system holds them. Frames sent before
/// the first end looked at its socket arrive, too.
pub struct SocketWire {
    path: PathBuf,
    /// Present until the other end connects.
    listener: Option<Listener>,
    stream: Option<OwnedFd>,
    buffer: Box<[u8]>,
    /// Length of the front frame in the buffer; 0 for none.
    front: usize,
    /// The other end closed its transmit side, and all frames were received.
    input_ended: bool,
    /// The other end is gone.
    gone: bool,
    unreached: Unreached,
    transmit_closed: bool,
    /// There was no room for the last frame.
    blocked: bool,
    error: Option<String>,
}

/// A socket that waits for the other end, and its file.
struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    /// Device and inode of the file.
    file: (u64, u64),
}

impl SocketWire {
    /// Opens the first or the second end at `path`. Waits less than a second for other processes that open the
    /// path at the same time.
    ///
    /// # Errors
    /// The path is too long, not a socket of this kind, owned by another user, or cannot be created.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WireError> {
        let path = path.as_ref();
        let mut problem = "another program keeps its directory locked; choose another directory";
        for _ in 0..ATTEMPTS {
            if let Some(_lock) = lock_directory(path)? {
                match connect_to(path) {
                    Ok(stream) => return Ok(Self::with(path, None, Some(stream))),
                    Err(Errno::NOENT) => {
                        warn_of_another_cable(path);
                        return Ok(Self::with(path, Some(Listener::bind(path)?), None));
                    }
                    Err(Errno::CONNREFUSED) => {
                        fs::remove_file(path)
                            .map_err(|error| failed(path, "remove the stale socket there", error))?;
                        return Ok(Self::with(path, Some(Listener::bind(path)?), None));
                    }
                    Err(Errno::AGAIN | Errno::INTR) => {
                        problem = "both ends are taken already; choose another path";
                    }
                    Err(error) => return Err(refused(path, error)),
                }
            }
            thread::sleep(PAUSE);
        }
        Err(WireError::Socket { path: path.into(), problem: problem.into() })
    }

    fn with(path: &Path, listener: Option<Listener>, stream: Option<OwnedFd>) -> Self {
        SocketWire {
            path: path.into(),
            listener,
            stream,
            buffer: vec![0; LONGEST_FRAME].into(),
            front: 0,
            input_ended: false,
            gone: false,
            unreached: Unreached::of(format!("socket {}", path.display())),
            transmit_closed: false,
            blocked: false,
            error: None,
        }
    }

    /// Checks whether the other end has connected.
    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        if !is_ready(&listener.socket, PollFlags::IN) {
            return;
        }
        // With the directory locked, nothing connects between accepting and removing the path. If another process
        // has the lock, the next call tries again.
        let Ok(Some(_lock)) = lock_directory(&self.path) else { return };
        match accept_with(&listener.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(stream) => {
                enlarge_send_buffer(&stream);
                if self.transmit_closed {
                    let _ = shutdown(&stream, Shutdown::Write);
                }
                self.stream = Some(stream);
                // Dropping the listener removes its file.
                self.listener = None;
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
            Err(error) => self.fail("accept", error),
        }
    }

    /// Receives the front frame, unless there is one.
    fn receive(&mut self) {
        self.accept();
        let Some(stream) = &self.stream else { return };
        let mut end_seen = false;
        // Repeats, since the report of a reset takes no frame, and for the end see below.
        for _ in 0..3 {
            if self.front > 0 || self.input_ended {
                return;
            }
            match recv(stream, &mut *self.buffer, RecvFlags::DONTWAIT) {
                // The kernel checks for a message first and then whether the other end is closed: a message sent
                // in between is still there. A second look cannot miss it.
                Ok((0, _)) if !end_seen => end_seen = true,
                Ok((0, _)) => self.input_ended = true,
                Ok((length, _)) => self.front = length,
                Err(Errno::AGAIN | Errno::INTR) => return,
                // The other end was closed before it received all frames. Frames for this end are still there.
                Err(Errno::CONNRESET) => self.gone = true,
                Err(error) => {
                    self.input_ended = true;
                    return self.fail("receive", error);
                }
            }
        }
    }

    fn fail(&mut self, action: &'static str, error: Errno) {
        let error = failed(&self.path, action, error);
        self.error.get_or_insert_with(|| error.to_string());
        self.gone |= self.stream.is_some();
    }
}

impl Wire for SocketWire {
    fn link_up(&mut self) -> bool {
        self.accept();
        let Some(stream) = &self.stream else { return false };
        // End of input means that the other end closed its transmit side, not that it is gone. A hang-up means
        // that it is gone, unless both sides closed their transmit sides; then no frame can pass any more either.
        if self.input_ended && !self.gone {
            self.gone = is_ready(stream, PollFlags::empty());
        }
        !self.gone
    }

    fn front(&mut self) -> Option<&[u8]> {
        self.receive();
        self.buffer.get(..self.front).filter(|frame| !frame.is_empty())
    }

    fn consume(&mut self) {
        self.receive();
        self.front = 0;
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        self.accept();
        // An empty message would read as the end of input at the other end.
        if frame.is_empty() || self.transmit_closed {
            return true;
        }
        if self.gone {
            if self.error.is_none() {
                self.unreached.count();
            }
            return true;
        }
        let Some(stream) = &self.stream else { return false };
        self.blocked = false;
        match send(stream, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => true,
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => {
                self.blocked = true;
                false
            }
            Err(Errno::PIPE | Errno::CONNRESET) => {
                self.gone = true;
                self.unreached.count();
                true
            }
            Err(error) => {
                self.fail("send", error);
                true
            }
        }
    }

    fn close_transmit(&mut self) {
        if !self.transmit_closed {
            self.transmit_closed = true;
            // Without a stream, this happens when the other end connects.
            if let Some(stream) = &self.stream {
                let _ = shutdown(stream, Shutdown::Write);
            }
        }
    }

    fn ended(&mut self) -> bool {
        self.receive();
        self.input_ended && self.front == 0
    }

    fn error(&self) -> Option<String> {
        self.error.clone()
    }

    fn wakes(&self) -> Wakes<'_> {
        match (&self.stream, &self.listener) {
            _ if self.gone => Wakes::NEVER,
            (Some(_), _) if self.blocked => Wakes::SOON,
            // A frame that arrived already waits for a descriptor.
            (Some(_), _) if self.front > 0 => Wakes::NEVER,
            // The end of input stays readable for ever; it is soon enough to notice later that the other end is
            // gone.
            (Some(_), _) if self.input_ended => Wakes { readable: None, within: Duration::from_millis(100) },
            (Some(stream), _) => Wakes::readable(stream.as_fd()),
            // The other end connects.
            (None, Some(listener)) => Wakes::readable(listener.socket.as_fd()),
            (None, None) => Wakes::NEVER,
        }
    }
}

impl Listener {
    /// Makes `path`, which does not exist, lead to a new socket. The directory is locked, so no other process sees
    /// it half made.
    fn bind(path: &Path) -> Result<Self, WireError> {
        let failed = |action| move |error| failed(path, action, error);
        let socket = new_socket().map_err(failed("make a socket for it"))?;
        bind(&socket, &address(path)?).map_err(|error| not_made(path, error.into()))?;
        let file = fs::symlink_metadata(path).map_err(|error| self::failed(path, "look at it", error))?;
        let listener = Listener { socket, path: path.into(), file: (file.dev(), file.ino()) };
        chmod(path, Mode::RUSR | Mode::WUSR).map_err(failed("keep others from it"))?;
        // One end may wait to be accepted; a second one is refused.
        listen(&listener.socket, 0).map_err(failed("listen at it"))?;
        Ok(listener)
    }

    /// Removes the file, unless another process has replaced it. (While the socket is open no other file has this
    /// inode.)
    fn remove_file(&self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _lock = lock_directory(&self.path);
        self.remove_file();
    }
}

/// The directory of a path, locked against others that open sockets in it.
struct DirectoryLock(File);

/// Locks the directory of `path`; `None` when another process has locked it. Directories that cannot be locked
/// (network file systems) are left unlocked.
fn lock_directory(path: &Path) -> Result<Option<DirectoryLock>, WireError> {
    let directory =
        path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = File::open(directory).map_err(|error| not_made(path, error))?;
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Ok(None),
        _ => Ok(Some(DirectoryLock(directory))),
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing is not enough: a process that another thread is just starting holds the file open until it runs
        // its program.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Warns that programs already use a cable of this `path`: the path is free, so the next end belongs to another
/// cable, which a third program rarely wants.
fn warn_of_another_cable(path: &Path) {
    if fs::read("/proc/net/unix").is_ok_and(|sockets| is_in_use(&sockets, path)) {
        tracing::warn!(
            path = %path.display(),
            "both ends of the cable at this path are taken: this is the first end of another cable, which waits for \
             a second; choose another path unless you want that"
        );
    }
}

/// Whether one of `sockets`, the lines of `/proc/net/unix`, is the connected end of a cable at `path`. That end
/// accepted the other one and has kept the path as its name. A relative path may be that of another directory, so
/// it counts for nothing.
fn is_in_use(sockets: &[u8], path: &Path) -> bool {
    // The columns of a sequenced (0005), connected (03) socket; then come its inode and its name.
    const CONNECTED: &[u8] = b" 0005 03 ";
    let name = [b" ", path.as_os_str().as_bytes()].concat();
    let connected = |line: &[u8]| line.windows(CONNECTED.len()).any(|part| part == CONNECTED);
    path.is_absolute()
        && sockets.split(|&byte| byte == b'\n').any(|line| line.ends_with(&name) && connected(line))
}

/// Connects to the socket at `path`. `ENOENT`: there is none; `ECONNREFUSED`: nothing listens at it; `EAGAIN`:
/// another client waits to be accepted; `ENOTSOCK`: it is no socket.
fn connect_to(path: &Path) -> Result<OwnedFd, Errno> {
    // Connecting to another kind of file is refused, too, but that file must not be taken for a stale socket.
    let file = lstat(path)?;
    if FileType::from_raw_mode(file.st_mode) != FileType::Socket {
        return Err(Errno::NOTSOCK);
    }
    let socket = new_socket()?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// The error for a failed connect.
fn refused(path: &Path, error: Errno) -> WireError {
    let problem = match error {
        Errno::NOTSOCK => "a file or a directory is there, not a socket; choose another path",
        Errno::PROTOTYPE => {
            "another program listens there, with a socket of another kind; choose another path"
        }
        Errno::ACCESS => {
            "it belongs to another user; run as the user who opened its first end, or choose another path"
        }
        Errno::NOTDIR => return not_made(path, error.into()),
        _ => return failed(path, "connect to it", error),
    };
    WireError::Socket { path: path.into(), problem: problem.into() }
}

fn new_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    enlarge_send_buffer(&socket);
    Ok(socket)
}

fn enlarge_send_buffer(socket: &OwnedFd) {
    // A smaller buffer works, too.
    let _ = sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER);
}

/// Whether one of `events`, an error or a hang-up is pending.
fn is_ready(socket: &OwnedFd, events: PollFlags) -> bool {
    let mut polled = PollFd::new(socket, events);
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(slice::from_mut(&mut polled), Some(&now)).is_ok_and(|ready| ready > 0)
}

/// The address of a path.
fn address(path: &Path) -> Result<SocketAddrUnix, WireError> {
    SocketAddrUnix::new(path).map_err(|error| {
        let len = path.as_os_str().len();
        let problem = match error {
            Errno::NAMETOOLONG => {
                format!("its path has {len} bytes, and {MOST} are possible; choose a shorter one")
            }
            error => error.to_string(),
        };
        WireError::Socket { path: path.into(), problem }
    })
}

/// Why the socket cannot be made.
fn not_made(path: &Path, error: io::Error) -> WireError {
    WireError::Socket { path: path.into(), problem: ixy_pcap::why_not_create(path, &error) }
}

fn failed(path: &Path, action: &'static str, error: impl Into<io::Error>) -> WireError {
    WireError::SocketSystem { path: path.into(), action, source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_in_use_while_one_connected_end_has_its_name() {
        let sockets = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0005 01 42 /tmp/waits\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 43 /tmp/stream\n\
            0000000000000000: 00000003 00000000 00000000 0005 03 44 /tmp/a b\n\
            0000000000000000: 00000003 00000000 00000000 0005 03 45 relative\n\
            0000000000000000: 00000003 00000000 00000000 0005 03 46\n";
        assert!(is_in_use(sockets, Path::new("/tmp/a b")));
        for path in ["/tmp/waits", "/tmp/stream", "/tmp/a", "b", "relative", "/a b"] {
            assert!(!is_in_use(sockets, Path::new(path)), "{path}");
        }
    }

    #[test]
    fn the_system_lists_a_cable_while_both_its_ends_are_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let listed = || is_in_use(&fs::read("/proc/net/unix").unwrap(), &path);
        let mut first = SocketWire::open(&path).unwrap();
        assert!(!first.link_up() && !listed(), "one end waits");
        let second = SocketWire::open(&path).unwrap();
        assert!(first.link_up() && listed(), "both ends are open");
        let third = SocketWire::open(&path).unwrap();
        assert!(listed(), "both ends are open, and another cable waits");
        drop((first, second, third));
        assert!(!listed(), "all are closed");
    }
}
