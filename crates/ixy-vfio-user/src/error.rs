//! The errors of client and server.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::message::Errno;

/// The reason why a device could not be reached or served.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The other side closed the connection.
    #[error("the connection was closed by the other side{}", if *inside { " in the middle of a message" } else { "" })]
    Closed {
        /// Whether that was inside a message.
        inside: bool,
    },
    /// The other side did not respond in time.
    #[error("the other side did not {what} within {limit:?}: it may be stopped or overloaded")]
    TimedOut {
        /// What it should have done.
        what: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The client's user ended the wait: see
    /// [`Client::connect_unless`](crate::client::Client::connect_unless).
    #[error("a stop was requested while waiting for the other side")]
    Stopped,
    /// The other side broke the protocol.
    #[error("{what} does not follow the vfio-user protocol: {why}")]
    Protocol {
        /// The message, or the side that sent it.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The other side refused a request.
    #[error("{command} was refused: {errno} (error {})", errno.raw_os_error())]
    Refused {
        /// The command.
        command: &'static str,
        /// The error number in the reply; `EIO` when there was none.
        errno: Errno,
    },
    /// An earlier error ended the connection.
    #[error("the device is lost: {why}; open it again when its server runs")]
    Lost {
        /// The earlier error.
        why: String,
    },
    /// A request that this device does not support.
    #[error("{what}: {why}")]
    Invalid {
        /// What was asked for.
        what: String,
        /// Why that cannot be.
        why: String,
    },
    /// A socket's path is in use.
    #[error("{} is served by another process; end that (`fuser -v` names it), or choose another path", path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// A path that is something else.
    #[error("cannot listen at {}: {what} is there; choose another path, or remove it", path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A path that does not fit into an address.
    #[error("the socket's path {} has {len} bytes, and {most} are possible; choose a shorter one", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        len: usize,
        /// The longest possible.
        most: usize,
    },
    /// There is no server.
    #[error("cannot connect to {}: {}", path.display(), why_not_connect(path, *source))]
    Connect {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: Errno,
    },
    /// The system allows no socket at this path.
    #[error("cannot listen at {}: {}", path.display(), why_not_listen(path, *source))]
    Listen {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: Errno,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Os {
        /// What was tried.
        what: String,
        /// Its error.
        source: Errno,
    },
}

/// Why there is no connection to a server at `path`, and what to do.
fn why_not_connect(path: &Path, error: Errno) -> String {
    let kind = path.metadata().map(|found| found.file_type());
    match (error, kind) {
        (Errno::NOENT, _) => "it does not exist; start the server first, or check the path".into(),
        (_, Ok(kind)) if kind.is_dir() => {
            "it is a directory, not the socket of a server; check the path".into()
        }
        (_, Ok(kind)) if !kind.is_socket() => {
            "it is a file, not the socket of a server; check the path".into()
        }
        (Errno::CONNREFUSED, _) => "its server has ended; start the server again".into(),
        (Errno::ACCESS | Errno::PERM, _) => {
            "you may not open it; run as the user who started the server".into()
        }
        (Errno::PROTOTYPE, _) => "it is a socket of another kind; check the path".into(),
        (Errno::NOTDIR, _) => "a file is on the way to it where a directory should be; check the path".into(),
        _ => error.to_string(),
    }
}

/// Why no socket can be made at `path`, and what to do.
fn why_not_listen(path: &Path, error: Errno) -> String {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = parent.display();
    match error {
        Errno::NOENT if !parent.exists() => {
            // In quotes for the shell, whatever the name is.
            let word = match parent.to_str() {
                Some(name)
                    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte)) =>
                {
                    name.to_owned()
                }
                _ => format!("'{}'", directory.to_string().replace('\'', r"'\''")),
            };
            format!("the directory {directory} does not exist; create it: mkdir -p {word}")
        }
        Errno::NOENT | Errno::ACCESS | Errno::PERM => {
            format!("you cannot make files in the directory {directory}; choose another directory")
        }
        Errno::NOTDIR => format!("{directory} is not a directory; choose another path"),
        Errno::ROFS => format!("the directory {directory} is on a read-only file system; choose another"),
        Errno::WOULDBLOCK => {
            format!("another program keeps the directory {directory} locked; choose another directory")
        }
        _ => error.to_string(),
    }
}

impl Error {
    /// Turns the system's error into one that names the action.
    pub(crate) fn os(what: impl Into<String>) -> impl FnOnce(Errno) -> Self {
        let what = what.into();
        move |source| Self::Os { what, source }
    }
}
