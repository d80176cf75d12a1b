//! What can go wrong between client and server.

use std::path::PathBuf;
use std::time::Duration;

use crate::message::Errno;

/// Why a device could not be reached or served.
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
    #[error("the other side did not {what} within {limit:?}: is it stopped or overloaded?")]
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
        /// What it was in.
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
    #[error("{} is served by a process already: end it first (`fuser -v {}` names it), or choose another path", path.display(), path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// A path that is something else.
    #[error("{} is there and is {what}: choose another path, or remove it", path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A path that does not fit into an address.
    #[error("{} has {len} bytes, and a socket's path at most {most}: choose a shorter one", path.display())]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        len: usize,
        /// The longest possible.
        most: usize,
    },
    /// There is no server.
    #[error("cannot connect to {}: {source}; is the server running, and is it yours?", path.display())]
    Connect {
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

impl Error {
    /// Turns the system's error into one that says what was tried.
    pub(crate) fn os(what: impl Into<String>) -> impl FnOnce(Errno) -> Self {
        let what = what.into();
        move |source| Self::Os { what, source }
    }
}
