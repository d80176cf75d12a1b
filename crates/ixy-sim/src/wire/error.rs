use std::{io, path::PathBuf};

use ixy_pcap::PcapError;

/// An error of a wire, or of the options that describe it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// An option that does not exist.
    #[error("sim has no option `{option}`{}the options are: {known}", hint(*similar, *after_comma))]
    UnknownOption {
        /// The option as it was given.
        option: String,
        /// The option that was probably meant.
        similar: Option<&'static str>,
        /// Whether a comma stands before it, which may belong to a value.
        after_comma: bool,
        /// The options there are, with their values.
        known: &'static str,
    },
    /// Nothing before or behind a comma.
    #[error(
        "an option of sim is missing beside a comma; leave the comma out, or write it twice if it belongs to a value"
    )]
    NoOption,
    /// An option given twice.
    #[error("sim option `{option}` is given twice; give it once")]
    Twice {
        /// The option.
        option: &'static str,
    },
    /// Two options that each name a wire.
    #[error(
        "sim options `{first}` and `{second}` each name a wire, and a card has one; leave one of them out"
    )]
    TwoWires {
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// An option of another wire.
    #[error("sim option `{option}` belongs to {}", match other {
        None => format!("`{wire}`; add that, or leave `{option}` out"),
        Some(other) => format!("`{wire}`, and not to `{other}`; leave one of them out"),
    })]
    Stray {
        /// The option.
        option: &'static str,
        /// The wire that it belongs to.
        wire: &'static str,
        /// The wire that is given.
        other: Option<&'static str>,
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
    /// An option that needs a value and has none.
    #[error("sim option `{option}` needs a value: write {option}=VALUE")]
    NoValue {
        /// The option.
        option: &'static str,
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
        problem: String,
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
    #[error("tap {name}: {problem}")]
    Tap {
        /// The interface's name.
        name: String,
        /// What failed, why, and the way out.
        problem: String,
    },
    /// A capture that cannot be read or written.
    #[error(transparent)]
    Capture(#[from] PcapError),
}

/// What may be meant by an unknown option: a similar one, or a part of the value before it.
fn hint(similar: Option<&str>, after_comma: bool) -> String {
    match similar {
        Some(similar) => format!(", but it has `{similar}`; "),
        None if after_comma => "; to put a comma in a value, such as a file's name, write it twice; ".into(),
        None => "; ".into(),
    }
}

impl WireError {
    /// Whether the options are wrong on any machine. Otherwise this machine lacks something.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::UnknownOption { .. }
            | Self::Twice { .. }
            | Self::NoOption
            | Self::TwoWires { .. }
            | Self::Stray { .. }
            | Self::Value { .. }
            | Self::NoValue { .. }
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
