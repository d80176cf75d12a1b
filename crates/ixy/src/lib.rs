//! Opens network cards by address and gives them to a program, whichever driver they need.
//!
//! An [`Address`] is what a user writes: `0000:03:00.0` for a card on the PCI bus (an Intel 82599 or a relative,
//! an Intel 82576, or a virtio network device, recognised by its ids), `sim` for a software one, with options
//! after a colon, and `vfio-user:PATH` for one that another process serves. [`open`] takes all addresses of a
//! program at once, finds the driver of each, and returns [`Device`]s that share one pool of packets, so that
//! packets received on one can be sent on another. From there on a program deals with queues and batches, whatever
//! the device.
//!
//! An application needs this crate alone, which re-exports the types of the crates below that its functions take,
//! return and report. Where such a type would share its name with another one here, the name says which crate it comes
//! from: [`CoreError`], `PciError`, `PciAddress`, `VfioUserError`; `CardFaults` are those of a software card, `Faults`
//! those of its wire. The examples on the pages of these types name the crate that the type comes from, as in
//! `use ixy_core::Batch`; in an application, write `use ixy::Batch`. They make pools in simulated memory; an
//! application takes a pool from [`Device::pool`] or [`Device::new_pool`].
//!
//! This forwards frames from one card to another:
//!
//! ```
//! use ixy::{Batch, Options, Stop};
//!
//! # fn main() -> Result<(), ixy::Error> {
//! let stop = Stop::on_signals()?;
//! let options = Options::default().stop(&stop);
//! let mut cards = ixy::open(&["sim".parse()?, "sim".parse()?], &options)?;
//! let mut rx = cards[0].rx_queue(0)?;
//! let mut tx = cards[1].tx_queue(0)?;
//! let mut batch = Batch::new(32);
//! while !stop.requested() {
//!     rx.receive(&mut batch);
//!     tx.send(&mut batch); // what did not fit stays in the batch
//! #   if cards[1].stats()?.tx_packets > 1000 { stop.request(); }
//! }
//! drop((batch, rx, tx));
//! for card in cards {
//!     card.close()?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A program that is killed leaves its cards running: they continue to write received frames into its memory,
//! which the kernel may have given to others. Ctrl-C kills a program, too, unless it handles the signal. [`Stop`]
//! does that, so the loop above ends, and the cards stop when their handles are dropped.
//!
//! A loop that also ends with its input, as a capture's, calls [`Device::receive`]; [`Device::send_all`] waits until
//! the last packet has left.
//!
//! # Features
//! `pci` (cards on the PCI bus: Intel 82599 and relatives), `virtio` (virtio network devices on the PCI bus; with
//! `pci`), `igb` (Intel 82576s on the PCI bus; with `pci`), `sim` (software cards) and `vfio-user` (82599s that
//! another process serves) are all on by default. Without one of them its addresses are refused, with an error
//! that names the missing feature. `signals`, on by default as well, adds [`Stop::on_signals`].

#![deny(unsafe_code)]

#[cfg(not(any(feature = "pci", feature = "sim", feature = "vfio-user")))]
compile_error!(
    "without the features `pci`, `sim` and `vfio-user` there is no device to open: choose one of them, or several"
);

mod address;
mod device;
mod error;
#[cfg(feature = "pci")]
mod hardware;
#[cfg(feature = "igb")]
mod igb;
#[cfg(feature = "pci")]
mod interrupts;
#[cfg(feature = "pci")]
mod missing;
#[cfg(feature = "pci")]
mod named;
mod open;
mod options;
#[cfg(feature = "pci")]
mod pci;
#[cfg(feature = "sim")]
mod sim;
mod stop;
#[cfg(feature = "vfio-user")]
mod vfio_user;
#[cfg(feature = "virtio")]
mod virtio;

pub use address::Address;
#[cfg(feature = "sim")]
pub use address::SimAddress;
pub use device::Device;
pub use error::{Error, QueueKind};
pub use ixy_core::{
    Batch, Cache, Checksum, Checksums, DATA_SIZE, DeviceStats, Error as CoreError, FCS, FRAMING, HEADROOM,
    Interrupt, LONGEST_FRAME, LinkState, MacAddress, Mempool, Packet, ParseMacError, QueueStats, RxQueue,
    TxQueue, WaitMode, Waiter,
};
#[cfg(feature = "pci")]
pub use ixy_pci::{Address as PciAddress, DeviceId, DeviceInfo, Error as PciError, Interface, Sysfs};
#[cfg(feature = "sim")]
#[doc(hidden)]
pub use ixy_sim::similar;
#[cfg(feature = "sim")]
pub use ixy_sim::wire::{
    Cables, Faults, InterfaceAddress, MemoryWire, ParseInterfaceAddressError, WireError,
};
#[cfg(feature = "sim")]
pub use ixy_sim::{Fault, Faults as CardFaults, Nic82599, SfpModule, Sim, UnknownModule};
#[cfg(feature = "vfio-user")]
pub use ixy_vfio_user::Error as VfioUserError;
#[cfg(feature = "pci")]
pub use missing::{Missing, missing};
#[cfg(feature = "pci")]
#[doc(hidden)]
pub use named::answer as interface_in_place_of_an_address;
pub use open::open;
pub use options::Options;
pub use stop::Stop;
