//! The errors of opening and using devices.

use std::fmt;
use std::sync::Arc;

use ixy_core::Mempool;
use ixy_dma::DmaDomain;

/// A driver's error.
pub(crate) type DriverError = Box<dyn std::error::Error + Send + Sync>;

/// Why a device could not be opened, or failed later. Each message names the device once: by its address, or by the
/// file, the socket or the interface that the address leads to.
///
/// `Debug` prints the same text as `Display`, since a program whose `main` returns the error shows it that way.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No address was given.
    #[error("no device was named: give an address, such as 0000:03:00.0 or sim")]
    NoAddress,
    /// A text that is no address.
    #[error("`{text}` is no device address: {way_out}")]
    BadAddress {
        /// The text.
        text: String,
        /// What to write instead.
        way_out: String,
    },
    /// Two addresses that name the same device.
    #[error("{}; name another device", twice(address, other))]
    Twice {
        /// The second one.
        address: String,
        /// The first one.
        other: String,
    },
    /// Captures of which one would spoil another: one is read and written, or two are written to one place.
    #[cfg(feature = "sim")]
    #[error(transparent)]
    Clash(#[from] ixy_sim::wire::Clash),
    /// A kind of device that cannot be opened.
    #[error("{address} cannot be opened: {why}")]
    NotBuilt {
        /// The device.
        address: String,
        /// What is missing, and the way out.
        why: &'static str,
    },
    /// A cable without its other end.
    #[error(
        "{address} is one end of a cable whose other end is not there: open a second device with cable={name}"
    )]
    OneEnd {
        /// The device.
        address: String,
        /// The cable.
        name: String,
    },
    /// [`Stop::on_signals`](crate::Stop::on_signals) cannot set its handlers.
    #[cfg(feature = "signals")]
    #[error("cannot handle signals: {source}; end other programs, or raise `ulimit -u` and `ulimit -n`")]
    Signals {
        /// What the system said.
        source: std::io::Error,
    },
    /// A stop was requested while the device was being opened: see [`Options::stop`](crate::Options::stop).
    #[error("{address} was not opened: {}", awaited.as_deref().unwrap_or("a stop was requested before it was ready"))]
    Stopped {
        /// The device.
        address: String,
        /// What is not there, such as the writer of a named pipe, where that is known.
        awaited: Option<String>,
    },
    /// A queue that the device does not have.
    #[error(
        "{address} has no {kind} queue {queue}: it was opened with {queues}, numbered from 0; `Options::queues` asks for more"
    )]
    NoQueue {
        /// The device.
        address: String,
        /// Which kind of queue.
        kind: QueueKind,
        /// The number asked for.
        queue: u16,
        /// How many there are.
        queues: u16,
    },
    /// A queue that was taken out of the device before.
    #[error(
        "{kind} queue {queue} of {address} was taken before: a queue has one owner, pass it on from there"
    )]
    QueueTaken {
        /// The device.
        address: String,
        /// Which kind of queue.
        kind: QueueKind,
        /// Its number.
        queue: u16,
    },
    /// The device no longer answers.
    #[error("{}", named(address, source))]
    Lost {
        /// The device.
        address: String,
        /// What showed it.
        source: ixy_core::Error,
    },
    /// Ring size or number of queues.
    #[error(transparent)]
    Options(Box<dyn std::error::Error + Send + Sync>),
    /// No memory can be reached by both devices, so packets could not go from one to the other.
    #[error(
        "{first} and {second} cannot share packets, as no memory is reachable by both ({source}): use two devices of the same kind"
    )]
    NoSharedMemory {
        /// The one device.
        first: String,
        /// The other.
        second: String,
        /// Why not.
        source: ixy_core::Error,
    },
    /// Memory for packets.
    #[error("no memory for the packets of {devices}: {source}")]
    Memory {
        /// The devices' addresses.
        devices: String,
        /// Why there is none.
        source: ixy_core::Error,
    },
    /// A card in the machine cannot be opened as things are.
    #[cfg(feature = "pci")]
    #[error("{address} cannot be opened: {}", list(missing))]
    NotReady {
        /// The device.
        address: String,
        /// What is missing, and the way out: what [`missing`](crate::missing) says of the device.
        missing: Vec<crate::Missing>,
    },
    /// A network interface of the kernel in place of an address.
    #[cfg(feature = "pci")]
    #[error("{answer}")]
    Interface {
        /// The interface's name.
        name: String,
        /// What it is, which card it belongs to, and what to write instead.
        answer: String,
    },
    /// The card is not there, cannot be reached, or is in use.
    #[cfg(feature = "pci")]
    #[error(transparent)]
    Pci(#[from] ixy_pci::Error),
    /// The driver could not start the card.
    #[error("{}", named(address, source))]
    Driver {
        /// The device.
        address: String,
        /// What the driver says: an error of `ixy-ixgbe` or of another driver.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A server cannot be reached, or its device is lost.
    #[cfg(feature = "vfio-user")]
    #[error("{}", of_server(address, source))]
    VfioUser {
        /// The device.
        address: String,
        /// What went wrong.
        source: ixy_vfio_user::Error,
    },
    /// A PCI device that no driver here knows.
    #[cfg(any(feature = "pci", feature = "vfio-user"))]
    #[error("{address} cannot be opened: {source}{}", besides(others))]
    NoDriver {
        /// The device.
        address: String,
        /// What it is, and what one driver knows.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// What other drivers know.
        others: &'static [&'static str],
    },
    /// The wire of a software device cannot be opened, or could not write out what was sent.
    #[cfg(feature = "sim")]
    #[error("{}", of_wire(address, source))]
    Wire {
        /// The device.
        address: String,
        /// What is wrong with it.
        source: ixy_sim::wire::WireError,
    },
    /// The system gives no thread that would poll a software device.
    #[cfg(feature = "sim")]
    #[error("{address}: no thread for it can be started: {source}; end other programs")]
    Thread {
        /// The device.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The wire of a software device failed while it was in use.
    #[error("{what}")]
    WireFailed {
        /// The device.
        address: String,
        /// What happened to which file, socket or interface.
        what: String,
    },
}

/// The two kinds of queues, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// [`RxQueue`](crate::RxQueue).
    Receive,
    /// [`TxQueue`](crate::TxQueue).
    Transmit,
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receive => "receive",
            Self::Transmit => "transmit",
        })
    }
}

/// The text that `Display` prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Whether the addresses or the options are wrong on any machine, so that the user has to change the
    /// arguments. Otherwise this machine lacks something.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoAddress
            | Self::BadAddress { .. }
            | Self::Twice { .. }
            | Self::OneEnd { .. }
            | Self::Options(_) => true,
            #[cfg(feature = "pci")]
            Self::Interface { .. } => true,
            #[cfg(feature = "sim")]
            Self::Clash(_) => true,
            #[cfg(feature = "sim")]
            Self::Wire { source, .. } => source.is_usage(),
            _ => false,
        }
    }

    /// The error that a stop was requested while `address` was being opened.
    pub(crate) fn stopped(address: String) -> Self {
        Self::Stopped { address, awaited: None }
    }

    /// An error of the driver of `address`.
    pub(crate) fn of_driver(address: &str, source: impl Into<DriverError>) -> Self {
        Self::Driver { address: address.to_owned(), source: source.into() }
    }

    /// The error that no pool serves the devices of all `domains`, each with its address.
    pub(crate) fn of_pool(domains: &[(String, Arc<dyn DmaDomain>)], source: ixy_core::Error) -> Self {
        if !matches!(source, ixy_core::Error::Dma(ixy_dma::Error::CannotShare { .. })) {
            let devices: Vec<_> = domains.iter().map(|(name, _)| name.as_str()).collect();
            return Self::Memory { devices: devices.join(" and "), source };
        }
        // Finds the two that cannot share memory.
        let mut pairs = domains
            .iter()
            .enumerate()
            .flat_map(|(n, one)| domains[..n].iter().map(move |other| (other, one)));
        let pair = pairs
            .find(|(one, other)| Mempool::shared_by(&[Arc::clone(&one.1), Arc::clone(&other.1)], 1).is_err());
        let (first, second) =
            pair.map_or_else(Default::default, |(one, other)| (one.0.clone(), other.0.clone()));
        Self::NoSharedMemory { first, second, source }
    }
}

/// Says that two addresses are one device, which is named once where they are written alike.
fn twice(address: &str, other: &str) -> String {
    if address == other {
        format!("two addresses are the same device, {address}")
    } else {
        format!("{address} and {other} are the same device")
    }
}

/// A driver's message, with the address if it does not contain it.
fn named(address: &str, source: &impl fmt::Display) -> String {
    let text = source.to_string();
    if text.contains(address) { text } else { format!("{address}: {text}") }
}

/// What is wrong with a wire. Nearly all messages name the option, the file, the socket or the interface, and the
/// address would name it again.
#[cfg(feature = "sim")]
fn of_wire(address: &str, source: &ixy_sim::wire::WireError) -> String {
    match source {
        ixy_sim::wire::WireError::MemoryInUse => format!("{address}: {source}"),
        _ => source.to_string(),
    }
}

/// What is wrong with a served device. A message about its socket names it, and the address would name it again.
#[cfg(feature = "vfio-user")]
fn of_server(address: &str, source: &ixy_vfio_user::Error) -> String {
    use ixy_vfio_user::Error as Served;
    match source {
        Served::Connect { .. } | Served::PathTooLong { .. } => source.to_string(),
        Served::Closed { .. } => {
            format!(
                "{address}: {source}; the server has ended, or serves another program: end that program first"
            )
        }
        _ => format!("{address}: {source}"),
    }
}

/// All missing things, in one line.
#[cfg(feature = "pci")]
fn list(missing: &[crate::Missing]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The devices of other drivers, to follow a message about one driver's devices.
#[cfg(any(feature = "pci", feature = "vfio-user"))]
pub(crate) fn besides(others: &[&str]) -> String {
    others.iter().map(|names| format!("; another one drives {names}")).collect()
}
