use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    process, slice,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, chmod},
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept_with,
        bind, connect, listen, recv, send, shutdown, socket_with, sockopt,
    },
};

use super::{Wire, WireError};

/// The longest frame that can be received, in bytes: more than any MAC sends.
const LONGEST_FRAME: usize = 65_536;
/// Bytes asked of the system for frames under way. It grants what its limit allows.
const SEND_BUFFER: usize = 1 << 20;
/// How often opening is tried again when another process does the same at the same time.
const ATTEMPTS: u32 = 200;
/// The time between these.
const PAUSE: Duration = Duration::from_millis(1);

/// One end of a cable whose other end is in another process: a Unix socket that keeps frames apart
/// (`SOCK_SEQPACKET`).
///
/// Whoever opens the path first listens, the second connects; so the order in which programs are started does
/// not matter. Only the owner of the first process may connect. As soon as both ends are there the path is
/// removed: nothing is left behind however the programs end, and a third end is the first of another cable. A
/// path that nobody listens at (a program was killed while it waited) is taken over.
///
/// Frames that were sent reach the other end even when this one ends right after: the system holds them. What
/// was sent before the first end looked at its socket arrives too.
pub struct SocketWire {
    path: PathBuf,
    /// While the other end is not there yet.
    listener: Option<Listener>,
    stream: Option<OwnedFd>,
    buffer: Box<[u8]>,
    /// Bytes of the front frame in the buffer; 0 for none.
    front: usize,
    /// The other end sends nothing more, and all was received.
    input_ended: bool,
    /// The other end is gone.
    gone: bool,
    transmit_closed: bool,
    error: Option<String>,
}

/// A socket that waits for the other end, and the file that leads to it.
struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    /// Device and inode of the file.
    file: (u64, u64),
}

/// What connecting to a path led to.
enum Attempt {
    Connected(OwnedFd),
    /// There is no such path.
    Nothing,
    /// There is a socket at which nobody listens.
    Stale,
    /// Somebody listens, but has the other end already.
    Taken,
}

impl SocketWire {
    /// Opens the first or the second end at `path`. It waits for others that open the path at the same time,
    /// for less than a second.
    ///
    /// # Errors
    /// The path is too long, is something other than a socket of this kind, belongs to another user, or
    /// cannot be made.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, WireError> {
        let path = path.as_ref();
        let mut problem = "others open and close it all the time; choose another path";
        for _ in 0..ATTEMPTS {
            match attempt(path, path)? {
                Attempt::Connected(stream) => return Ok(Self::with(path, None, Some(stream))),
                Attempt::Nothing => {
                    if let Some(listener) = Listener::claim(path)? {
                        return Ok(Self::with(path, Some(listener), None));
                    }
                }
                Attempt::Stale => {
                    if let Some(stream) = remove_stale(path)? {
                        return Ok(Self::with(path, None, Some(stream)));
                    }
                    continue;
                }
                Attempt::Taken => problem = "both ends are taken already; choose another path",
            }
            thread::sleep(PAUSE);
        }
        Err(WireError::Socket { path: path.into(), problem })
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
            transmit_closed: false,
            error: None,
        }
    }

    /// Sees whether the other end has come.
    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        match accept_with(&listener.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(stream) => {
                enlarge_send_buffer(&stream);
                if self.transmit_closed {
                    let _ = shutdown(&stream, Shutdown::Write);
                }
                self.stream = Some(stream);
                self.listener = None;
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
            Err(error) => self.fail("accept", error),
        }
    }

    /// Receives the front frame, unless it is there.
    fn receive(&mut self) {
        self.accept();
        let Some(stream) = &self.stream else { return };
        // A second time, as what reports a reset takes no frame.
        for _ in 0..2 {
            if self.front > 0 || self.input_ended {
                return;
            }
            match recv(stream, &mut *self.buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => self.input_ended = true,
                Ok((length, _)) => self.front = length,
                Err(Errno::AGAIN | Errno::INTR) => return,
                // The other end was closed with frames that it had not received. Those for this end are still
                // there.
                Err(Errno::CONNRESET) => self.gone = true,
                Err(error) => {
                    self.input_ended = true;
                    return self.fail("receive", error);
                }
            }
        }
    }

    fn fail(&mut self, action: &'static str, error: Errno) {
        let error = system(&self.path, action, error);
        self.error.get_or_insert_with(|| error.to_string());
        self.gone |= self.stream.is_some();
    }
}

impl Wire for SocketWire {
    fn link_up(&mut self) -> bool {
        self.accept();
        let Some(stream) = &self.stream else { return false };
        // The end of its input says that the other end sends nothing more, not that it is gone. A hang-up
        // does, unless it comes from both having said that they send nothing more; then nothing can pass any
        // more either.
        if self.input_ended && !self.gone {
            let mut polled = PollFd::new(stream, PollFlags::empty());
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            if poll(slice::from_mut(&mut polled), Some(&now)).is_ok() {
                self.gone = polled.revents().intersects(PollFlags::HUP | PollFlags::ERR);
            }
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
        // An empty message would read as the end of the input at the other end.
        if frame.is_empty() || self.transmit_closed || self.gone {
            return true;
        }
        let Some(stream) = &self.stream else { return false };
        match send(stream, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => true,
            Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => false,
            Err(Errno::PIPE | Errno::CONNRESET) => {
                self.gone = true;
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
            // Without a stream, this follows when the other end comes.
            if let Some(stream) = &self.stream {
                let _ = shutdown(stream, Shutdown::Write);
            }
        }
    }

    fn waits(&self) -> bool {
        true
    }

    fn ended(&mut self) -> bool {
        self.receive();
        self.input_ended && self.front == 0
    }

    fn flush(&mut self) -> Result<(), WireError> {
        Ok(())
    }

    fn error(&self) -> Option<String> {
        self.error.clone()
    }
}

impl Listener {
    /// Makes `path` lead to a new listening socket; `None` when the path is there by now.
    ///
    /// The socket gets its name only when it listens and only its owner may connect, so at no time does the
    /// path lead to one that refuses or that others may use; and a name that is taken stays as it is.
    fn claim(path: &Path) -> Result<Option<Self>, WireError> {
        let aside = beside(path);
        let failed = |action| move |error| system(path, action, error);
        let socket = new_socket(path)?;
        let address = address(&aside, path)?;
        bind(&socket, &address).map_err(failed("make it"))?;
        let result = chmod(&aside, Mode::RUSR | Mode::WUSR)
            // One end may wait to be accepted, a second one is refused.
            .and_then(|()| listen(&socket, 0))
            .map_err(failed("listen at it"))
            .and_then(|()| match fs::hard_link(&aside, path) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                Err(source) => Err(WireError::SocketSystem { path: path.into(), action: "make it", source }),
            });
        let file = fs::symlink_metadata(&aside).map(|file| (file.dev(), file.ino()));
        let _ = fs::remove_file(&aside);
        if !result? {
            return Ok(None);
        }
        let file = file.map_err(|source| WireError::SocketSystem {
            path: path.into(),
            action: "look at it",
            source,
        })?;
        Ok(Some(Listener { socket, path: path.into(), file }))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Only the file made here, not one that somebody else has put in its place.
        if fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Connects to the socket at `path`; `name` is what messages call it.
fn attempt(path: &Path, name: &Path) -> Result<Attempt, WireError> {
    let problem = |problem| Err(WireError::Socket { path: name.into(), problem });
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => {}
        Ok(_) => return problem("it is there and is no socket; choose another path"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Attempt::Nothing),
        Err(source) => {
            return Err(WireError::SocketSystem { path: name.into(), action: "look at it", source });
        }
    }
    let socket = new_socket(name)?;
    match connect(&socket, &address(path, name)?) {
        Ok(()) => Ok(Attempt::Connected(socket)),
        Err(Errno::NOENT) => Ok(Attempt::Nothing),
        Err(Errno::CONNREFUSED) => Ok(Attempt::Stale),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Attempt::Taken),
        Err(Errno::PROTOTYPE) => problem("another program listens at it, with a socket of another kind"),
        Err(Errno::ACCESS) => {
            problem("it belongs to another user; only the user who opened its first end may connect")
        }
        Err(error) => Err(system(name, "connect to it", error)),
    }
}

/// Removes a socket at which nobody listened. Should it be listened at by now, this becomes its second end.
fn remove_stale(path: &Path) -> Result<Option<OwnedFd>, WireError> {
    let aside = beside(path);
    match fs::rename(path, &aside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(WireError::SocketSystem {
                path: path.into(),
                action: "remove a stale socket from it",
                source,
            });
        }
    }
    // Nobody else knows the name aside, so what is found now stays so.
    match attempt(&aside, path) {
        Ok(found) => {
            let _ = fs::remove_file(&aside);
            Ok(match found {
                Attempt::Connected(stream) => Some(stream),
                _ => None,
            })
        }
        Err(error) => {
            // Not what it was: back with it.
            let _ = fs::rename(&aside, path);
            Err(error)
        }
    }
}

/// A name in the directory of `path` that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    path.with_file_name(format!(".ixy-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}

fn new_socket(name: &Path) -> Result<OwnedFd, WireError> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .map_err(|error| system(name, "make a socket for it", error))?;
    enlarge_send_buffer(&socket);
    Ok(socket)
}

fn enlarge_send_buffer(socket: &OwnedFd) {
    // It works with less too.
    let _ = sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER);
}

fn address(path: &Path, name: &Path) -> Result<SocketAddrUnix, WireError> {
    let problem = "the path is too long for a socket, of which a few bytes under 108 can be used";
    SocketAddrUnix::new(path).map_err(|_| WireError::Socket { path: name.into(), problem })
}

fn system(path: &Path, action: &'static str, error: Errno) -> WireError {
    WireError::SocketSystem { path: path.into(), action, source: error.into() }
}
