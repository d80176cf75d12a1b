//! The path that clients connect to: [`Listener`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, fchmod, flock, open, statat, unlinkat,
};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen, socket_with,
};

use crate::error::Error;
use crate::message::Errno;

/// The time to wait for other servers that start in the same directory.
const LOCK: Duration = Duration::from_secs(2);

/// A socket at a path, which only its owner can connect to. The path is removed when this is dropped.
///
/// The mode is set on the socket before it is bound, and the system gives it to the path: no other user can
/// connect at any moment. An existing file at the path is left alone, unless it is a socket of the same user
/// without a listening process. The directory is locked (`flock`) during this, so that one of two servers that
/// start at the same time is refused.
///
/// ```
/// use ixy_vfio_user::server::Listener;
///
/// let path = std::env::temp_dir().join(format!("ixy-listener-{}", std::process::id()));
/// let listener = Listener::bind(&path)?;
/// assert!(Listener::bind(&path).is_err(), "one server at a time");
/// drop(listener);
/// assert!(!path.exists());
/// # Ok::<(), ixy_vfio_user::Error>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    /// Device and inode of the path, so that only our own file is removed.
    identity: (u64, u64),
}

impl Listener {
    /// Listens at `path`.
    ///
    /// # Errors
    /// [`Error::InUse`]: a process listens there; [`Error::NotOurs`]: the path is not a socket, or belongs to
    /// another user; [`Error::PathTooLong`]; or the system refuses.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let address = address(path)?;
        let _lock = lock_directory(path)?;
        remove_stale(path, &address)?;
        let failed = |source| Error::Listen { path: path.to_owned(), source };
        let socket = new_socket()?;
        fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        bind(&socket, &address).map_err(failed)?;
        let stat = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let listener = Self { socket, path: path.to_owned(), identity: (stat.st_dev, stat.st_ino) };
        if Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO) {
            let why =
                "others could connect to it, as its file system keeps no modes; choose another directory";
            return Err(Error::Invalid {
                what: format!("cannot listen at {}", path.display()),
                why: why.into(),
            });
        }
        listen(&listener.socket, 8).map_err(failed)?;
        Ok(listener)
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next client, if it is still there.
    pub(super) fn accept(&self) -> Result<Option<UnixStream>, Error> {
        match accept_with(&self.socket, SocketFlags::CLOEXEC) {
            Ok(socket) => Ok(Some(socket.into())),
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
            Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)) => {
                tracing::warn!(%error, "a client cannot be taken now");
                std::thread::sleep(Duration::from_millis(100));
                Ok(None)
            }
            Err(source) => {
                Err(Error::Os { what: format!("taking a client at {}", self.path.display()), source })
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let is_ours = statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity);
        if is_ours && let Err(error) = unlinkat(CWD, &self.path, AtFlags::empty()) {
            tracing::warn!(%error, path = %self.path.display(), "the socket could not be removed");
        }
    }
}

/// The address of a path.
pub(crate) fn address(path: &Path) -> Result<SocketAddrUnix, Error> {
    SocketAddrUnix::new(path).map_err(|source| match source {
        Errno::NAMETOOLONG => {
            Error::PathTooLong { path: path.to_owned(), len: path.as_os_str().len(), most: 107 }
        }
        source => Error::Os { what: format!("using {} as a socket's path", path.display()), source },
    })
}

fn new_socket() -> Result<OwnedFd, Error> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(Error::os("making a socket"))
}

/// Keeps other servers from starting in the same directory until the result is dropped.
fn lock_directory(path: &Path) -> Result<OwnedFd, Error> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or_else(|| Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = open(directory, flags, Mode::empty());
    let failed = |source| Error::Listen { path: path.to_owned(), source };
    let lock = opened.map_err(failed)?;
    let deadline = Instant::now() + LOCK;
    loop {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5))
            }
            Err(source) => return Err(failed(source)),
        }
    }
}

/// Removes a socket of ours that no process listens at.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), Error> {
    let failed = |source| Error::Listen { path: path.to_owned(), source };
    let stat = match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        other => other.map_err(failed)?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(Error::NotOurs { path: path.to_owned(), what: "something that is not a socket" });
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Error::NotOurs { path: path.to_owned(), what: "another user's socket" });
    }
    match connect(&new_socket()?, address) {
        Err(Errno::CONNREFUSED) => {
            tracing::info!(path = %path.display(), "removing a socket that nobody listens at");
            unlinkat(CWD, path, AtFlags::empty()).map_err(failed)
        }
        // A server whose queue is full answers EAGAIN.
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS) => Err(Error::InUse { path: path.to_owned() }),
        // A socket of another type, for instance of datagrams.
        Err(_) => Err(Error::NotOurs { path: path.to_owned(), what: "a socket of another kind" }),
    }
}
