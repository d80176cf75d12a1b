//! The errors of the card's driver.

use std::time::Duration;

/// The reason why the card could not be opened, or did not follow a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The driver does not support this device.
    #[error("{vendor:04x}:{device:04x} is not supported by the ixgbe driver{}; it drives {}", hint(*.device), crate::models::names())]
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
    #[error("{found} queue pairs are not possible: use 1 to 64")]
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
        "{device}: {register} did not become {wanted} within {limit:?} (section {section}, it reads {found:#010x}): check that nothing else drives the card, then power-cycle it"
    )]
    Timeout {
        /// The device.
        device: String,
        /// The register.
        register: &'static str,
        /// The value that the driver waited for.
        wanted: &'static str,
        /// The datasheet's section.
        section: &'static str,
        /// How long the driver waited.
        limit: Duration,
        /// The last value read.
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

/// A hint for a device that a user might expect to be supported.
fn hint(device: u16) -> &'static str {
    match device {
        // The X550EM family, by its ids: a MAC inside a system on a chip, with a PHY that needs its own driver.
        0x15aa..=0x15ae
        | 0x15b0
        | 0x15c2..=0x15c4
        | 0x15c6..=0x15c8
        | 0x15ca
        | 0x15cc
        | 0x15ce
        | 0x15e4
        | 0x15e5 => " (an X550EM, whose embedded MAC and PHY are started in another way)",
        0x10b6 | 0x1508 | 0x10c6..=0x10c8 | 0x150b | 0x10db | 0x10dd | 0x10e1 | 0x10ec | 0x10f1 | 0x10f4 => {
            " (an 82598, the older relative, whose registers differ)"
        }
        0x10ed | 0x152e | 0x1515 | 0x1530 | 0x1564 | 0x1565 | 0x15a8 | 0x15a9 | 0x15b4 | 0x15c5 => {
            " (a virtual function: open the physical one)"
        }
        0x10d8 => {
            " (an 82599 whose EEPROM is blank or damaged: write the image back with the tool of the adapter's maker)"
        }
        0x10a6 => " (an 82599's placeholder for a port that its EEPROM switches off)",
        0x1558 => " (an 82599 with a QSFP+ cage, whose four ports share one I2C bus to the module)",
        0x154f => {
            " (an 82599 with an optical transceiver of its own (82599_LS), whose set-up is not known to us)"
        }
        0x155c | 0x155d => " (a bypass adapter, whose relays need a driver of their own)",
        _ => "",
    }
}
