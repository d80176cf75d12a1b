//! The errors of the card's driver.

use std::time::Duration;

/// The reason why the card could not be opened, or did not follow a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The driver does not support this device.
    #[error("{vendor:04x}:{device:04x} is not supported by the igb driver{}; it drives {}", crate::models::hint(*.device), crate::models::NAMES)]
    NotOurs {
        /// PCI vendor id.
        vendor: u16,
        /// PCI device id.
        device: u16,
    },
    /// A ring size that the card or this driver cannot do.
    #[error("a {kind} ring of {found} descriptors is not possible: use a power of two from 64 to 4096")]
    RingSize {
        /// `receive` or `transmit`.
        kind: &'static str,
        /// What was asked for.
        found: u16,
    },
    /// More queues than there are, or none.
    #[error("{found} queue pairs are not possible with an 82576: use 1 to 16")]
    Queues {
        /// What was asked for.
        found: u16,
    },
    /// The pool is too small to fill the receive rings.
    #[error(
        "the packet pool has {free} free buffers and the receive rings of {device} take {needed}: make the pool larger or the rings smaller"
    )]
    PoolTooSmall {
        /// The device.
        device: String,
        /// Buffers needed.
        needed: usize,
        /// Buffers free.
        free: usize,
    },
    /// The pool's memory is not in the device's address space.
    #[error(
        "{device} cannot reach the memory of the packet pool: make the pool with `Mempool::shared_by` and the domain of every device"
    )]
    PoolUnreachable {
        /// The device.
        device: String,
    },
    /// The bus window is too small.
    #[error("{device}: {source}")]
    Window {
        /// The device.
        device: String,
        /// How much too small.
        source: ixy_regs::map::WindowTooSmall,
    },
    /// A register did not reach the value that the datasheet promises.
    #[error(
        "{device}: {register} did not become {wanted} within {limit:?} ({section}; it reads {found:#010x}): check that nothing else drives the card, then power-cycle it"
    )]
    Timeout {
        /// The device.
        device: String,
        /// The register.
        register: &'static str,
        /// The value that the driver waited for.
        wanted: &'static str,
        /// The datasheet's section, or the place in `datasheet-notes` if the section is not known.
        section: &'static str,
        /// How long the driver waited.
        limit: Duration,
        /// The last value read.
        found: u32,
    },
    /// The PHY does not answer, so there will be no link.
    #[error(
        "{device}: the PHY does not answer when its register {register} is accessed (MDIC reads {found:#010x}): reset the card by a power cycle"
    )]
    Phy {
        /// The device.
        device: String,
        /// Number of the PHY's register.
        register: u8,
        /// What MDIC reads.
        found: u32,
    },
    /// An address that cannot be a card's own.
    #[error(
        "{device}: {mac} cannot be a card's own address; use one whose first byte is even, and not all zero"
    )]
    NotUnicast {
        /// The device.
        device: String,
        /// The address.
        mac: ixy_core::MacAddress,
    },
    /// The device is gone (its registers read as all ones), or memory could not be allocated.
    #[error(transparent)]
    Core(#[from] ixy_core::Error),
    /// Memory for the rings could not be allocated, or bus mastering could not be switched.
    #[error("{device}: {source}")]
    Dma {
        /// The device.
        device: String,
        /// Why not.
        source: ixy_dma::Error,
    },
}

impl From<Error> for ixy_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            other => Self::Driver(Box::new(other)),
        }
    }
}
