//! The errors of the lab.

use std::{io, path::PathBuf, time::Duration};

/// The reason why a machine did not start or did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// QEMU, a kernel or busybox is not there; the text says how to get it.
    #[error("{0}")]
    NotPrepared(String),
    /// A file or a program could not be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or program.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A kernel module that is neither there nor part of the kernel.
    #[error("the kernel at {} has no module {name}", modules.display())]
    NoModule {
        /// The module, without the end of its file name.
        name: String,
        /// Where modules were looked for.
        modules: PathBuf,
    },
    /// The programs for the guest could not be built.
    #[error("building the guest's programs failed:\n{0}")]
    Build(String),
    /// Something took longer than its limit.
    #[error("{what} took longer than {} s; the machine's last words:\n{console}", limit.as_secs())]
    TimeLimit {
        /// What was waited for.
        what: String,
        /// The limit.
        limit: Duration,
        /// The end of what the guest and its kernel printed.
        console: String,
    },
    /// QEMU ended too early.
    #[error("the machine ended while {what} was waited for; its last words:\n{console}")]
    Ended {
        /// What was waited for.
        what: String,
        /// The end of what QEMU, the guest and its kernel printed.
        console: String,
    },
    /// A script in the guest ended with another status than zero.
    #[error("in the guest, `{script}` ended with status {status} and printed:\n{output}")]
    Script {
        /// The script.
        script: String,
        /// Its exit status.
        status: i32,
        /// What it printed.
        output: String,
    },
    /// A wire's frames did not come out as they should.
    #[error("{0}")]
    Wire(String),
}

/// Gives an [`io::Error`] the name of what it is about.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { path, source }
}
