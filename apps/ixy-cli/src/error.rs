//! The errors that end a program: [`Error`].

use std::time::Duration;

/// The reason why a program ended before its work was done. Its text follows `error: ` on standard error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The arguments are wrong: exit code 2. The text says what is wrong and what to write instead.
    #[error("{0}")]
    Usage(String),
    /// A device could not be opened, or failed.
    #[error(transparent)]
    Device(#[from] ixy::Error),
    /// A PCI device is not there, or cannot be looked at.
    #[error(transparent)]
    Pci(#[from] ixy::PciError),
    /// Registers that cannot be shown.
    #[error("the registers of {device} cannot be shown: {why}")]
    Registers {
        /// The device.
        device: String,
        /// What stands in the way, and the way out.
        why: String,
    },
    /// A device does not answer, or there is no memory.
    #[error(transparent)]
    Core(#[from] ixy::CoreError),
    /// A capture could not be read or written.
    #[error(transparent)]
    Capture(#[from] ixy_pcap::PcapError),
    /// Files of which one would spoil another. It is a mistake in the arguments.
    #[error(transparent)]
    Clash(#[from] ixy_pcap::Clash),
    /// Standard output takes no more.
    #[error("cannot write to standard output: {0}; make room, or redirect it elsewhere")]
    Output(std::io::Error),
    /// There is no terminal for `--live`.
    #[error(
        "--live redraws a table on a terminal, and standard output is none; leave --live out, or use --csv or --json"
    )]
    NoTerminal,
    /// Metrics cannot be served.
    #[error("cannot serve metrics at {address}: {source}; choose another port or address with --metrics")]
    Metrics {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no link.
    #[error(
        "no link on {device} for {seconds:.1} s: {}",
        "see that the cable or the other end is there, or wait longer with --link-timeout"
    )]
    NoLink {
        /// The device's address.
        device: String,
        /// How long there was none.
        seconds: f64,
        /// How long the program would have waited, but for the end of `--duration`.
        limit: Duration,
    },
    /// The time that `--duration` gave was over before the program could begin.
    #[error("the {seconds} s of --duration were over before there was anything to do: {why}")]
    NotInTime {
        /// The duration.
        seconds: f64,
        /// What was waited for.
        why: String,
    },
    /// A device cannot be served to others.
    #[error("{path} cannot be served: {source}")]
    Serve {
        /// The socket.
        path: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A socket or a wire of a served device fails. The text names it.
    #[error("{0}")]
    Port(Box<dyn std::error::Error + Send + Sync>),
    /// What clients of a served card do could not be written.
    #[error("cannot write the trace to {to}: {}", ixy_pcap::why_not_create(to.as_ref(), source))]
    Trace {
        /// The file, or standard error.
        to: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Numbered frames did not all arrive once and in order.
    #[error("{found}; {way_out}")]
    Sequence {
        /// What was found.
        found: String,
        /// Where to look for the cause.
        way_out: &'static str,
    },
    /// Nothing of a capture can be sent.
    #[error("nothing of {path} can be sent: {why}")]
    NothingToSend {
        /// The capture.
        path: String,
        /// What is wrong with its frames.
        why: String,
    },
}

impl Error {
    /// What the program was waiting for when it was stopped, if that is the error.
    pub(crate) fn stopped(&self) -> Option<String> {
        match self {
            Self::Device(ixy::Error::Stopped { address, awaited }) => {
                Some(awaited.clone().unwrap_or_else(|| format!("{address} did not open")))
            }
            Self::Capture(ixy_pcap::PcapError::GivenUp { path, awaited }) => {
                Some(format!("{} {awaited}", path.display()))
            }
            Self::NoLink { device, seconds, limit } if *seconds < limit.as_secs_f64() => {
                Some(format!("there was no link on {device}; see that the cable or the other end is there"))
            }
            _ => None,
        }
    }

    /// The same error, or that the time of `--duration` was over, if that is the reason.
    pub(crate) fn in_time(self, duration: Option<Duration>) -> Self {
        match (self.stopped(), duration) {
            (Some(why), Some(duration)) => Self::NotInTime { seconds: duration.as_secs_f64(), why },
            _ => self,
        }
    }

    /// The exit code of the process: 2 when the arguments are wrong on any machine; else 1.
    pub fn exit_code(&self) -> u8 {
        let usage = match self {
            Self::Usage(_) | Self::Clash(_) => true,
            Self::Device(error) => error.is_usage(),
            _ => false,
        };
        if usage { 2 } else { 1 }
    }
}
