use std::{io, path::PathBuf};

use ixy_pcap::PcapError;

/// An error of a wire, or of the options that describe it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// An option that does not exist.
    #[error(
        "sim has no option `{option}`; to put a comma in a value, such as a file's name, write it twice; the options are: {known}"
    )]
    UnknownOption {
        /// The option as it was given.
        option: String,
        /// The options there are, with their values.
        known: &'static str,
    },
    /// An option given twice.
    #[error(
        "sim option `{option}` is given twice; give it once (a comma inside a value is written twice: `,,`)"
    )]
    Twice {
        /// The option.
        option: &'static str,
    },
    /// Options that exclude each other.
    #[error("sim options `{first}` and `{second}` contradict each other: {why}")]
    Contradiction {
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Why they do.
        why: &'static str,
    },
    /// An option's value that it cannot have.
    #[error("sim option `{option}` cannot be `{value}`: {expected}")]
    Value {
        /// The option.
        option: &'static str,
        /// The value found.
        value: String,
        /// The values that it can have.
        expected: &'static str,
    },
    /// A cable's name that is taken by two ends already.
    #[error(
        "cable {name} has two ends already; open the third address with another name, such as cable={name}2"
    )]
    ThirdEnd {
        /// The cable's name.
        name: String,
    },
    /// A cable that nothing is plugged into at the other end.
    #[error("cable {name} has one end only; open a second address with cable={name}")]
    OneEnd {
        /// The cable's name.
        name: String,
    },
    /// A socket's path that cannot be used.
    #[error("socket {}: {problem}", path.display())]
    Socket {
        /// The path.
        path: PathBuf,
        /// The problem and the way out.
        problem: &'static str,
    },
    /// A system call on a socket that failed.
    #[error("socket {}: cannot {action}: {source}", path.display())]
    SocketSystem {
        /// The path.
        path: PathBuf,
        /// The action that failed.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A wire in memory that is plugged into a card already.
    #[error(
        "this MemoryWire is plugged into another card; close that card first, or make a wire for each card"
    )]
    MemoryInUse,
    /// A TAP interface that cannot be opened or set up.
    #[error("tap {name}: {problem}: {source}")]
    Tap {
        /// The interface's name.
        name: String,
        /// The action that failed and the way out.
        problem: String,
        /// The system's error.
        source: io::Error,
    },
    /// A capture that cannot be read or written.
    #[error(transparent)]
    Capture(#[from] PcapError),
}

impl WireError {
    /// Whether the options are wrong on any machine. Otherwise this machine lacks something.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::UnknownOption { .. }
            | Self::Twice { .. }
            | Self::Contradiction { .. }
            | Self::Value { .. }
            | Self::ThirdEnd { .. }
            | Self::OneEnd { .. } => true,
            Self::Socket { .. }
            | Self::SocketSystem { .. }
            | Self::MemoryInUse
            | Self::Tap { .. }
            | Self::Capture(_) => false,
        }
    }
}
