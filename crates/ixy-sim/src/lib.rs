//! A software Intel 82599 network card, and the wires to plug it into.
//!
//! [`Nic82599`] is what a driver meets behind BAR 0 of the card: [`read32`](Nic82599::read32),
//! [`write32`](Nic82599::write32), and [`poll`](Nic82599::poll), in which it does its work. It reaches memory only through
//! [`Dma`], as which a [`SimulatedDomain`](ixy_dma::SimulatedDomain) counts every access outside of what was mapped;
//! interrupts go to an [`Irq`]; frames come from and go to a [`Wire`](wire::Wire): a source without end, a pcap file, another
//! such card, a process, the system's own network stack (module [`wire`]).
//!
//! It is written from the datasheet (Intel 331520), to test drivers without hardware and to run programs that move frames
//! on machines that have no such card. All that it does derives from its registers. A doorbell only stores; frames and DMA
//! move in `poll`, so that a test which polls by itself does the same every time.
//!
//! ```
//! use std::sync::Arc;
//! use ixy_dma::SimulatedDomain;
//! use ixy_sim::wire::{Cables, WireSpec};
//! use ixy_sim::{Fault, Nic82599};
//!
//! let wire: WireSpec = "loopback".parse()?;
//! let domain = Arc::new(SimulatedDomain::default());
//! let nic = Nic82599::builder(wire.connect(&Cables::default())?, domain).mac([2, 0, 0, 0, 0, 7]).build();
//!
//! const LINKS: u32 = 0x042A4;
//! nic.poll();
//! assert_eq!(nic.read32(LINKS) >> 30 & 1, 1, "the link is up");
//! nic.faults().set(Fault::Gone, true);
//! assert_eq!(nic.read32(LINKS), u32::MAX, "the card was pulled out");
//! # Ok::<(), ixy_sim::wire::WireError>(())
//! ```
//!
//! In a program, [`Sim`] is such a device opened by its address, [`SimBus`] and [`SimBusMaster`] are what a driver wants of
//! it, and one [`PollThread`] polls all that the process opened, and sleeps when they are idle. [`Events`] are interrupts on
//! which a thread can sleep. With the feature `serve`, which is on by default, the module `serve` makes it a PCI device for
//! drivers of other processes and of virtual machines.
//!
//! # What is modelled
//!
//! The page of [`behaviours`] lists what the card does, with the sections of the datasheet, and what it does not.
//!
//! Registers without a behaviour store what is written; offsets without a register read zero.
//!
//! Where the datasheet leaves a choice, or is not known to us in the letter:
//!
//! - A reset clears statistics. Drivers should read them before they count all the same.
//! - Byte counters of a queue count bytes as they are in memory, all others with the check sequence.
//! - On a wire that waits (as with flow control) a frame that finds no descriptor stays on the wire, whatever DROP_EN says;
//!   one for a queue that is off too, and all behind it.
//! - Without MSI-X one interrupt comes with the first of the causes that are let through, and another only after there was
//!   none of them: as a pin that is asserted, and as the stricter reading for MSI.
//! - On such a wire a frame for one pool waits as well, but not for a queue that is off; one for several pools does not.
//! - Without replication a frame whose address is that of several pools goes to the first of them.
//! - Counters of virtual functions count bytes as those of queues do, and resets of the device clear them.
//! - PFMBIMR permits all mailboxes to interrupt after a reset, since drivers never write it.
//! - A virtual function's reset gives its mailbox's buffer back.
//! - EITR shows the upper 7 of 9 bits of what is left of an interval. A unit of it is 2.048 us, as at 1 and 10 Gbit/s.
//! - Frames that are sent after the other end left for good go nowhere; a real card would keep them for ever.
//!
//! # Faults
//!
//! [`Faults`] makes the device misbehave at run time: gone, a bit stuck, a bit that a driver waits for never coming,
//! interrupts lost, descriptors without write-back or with an impossible length, frames damaged on the wire.

mod alarm;
/// What the card does, with the section of the datasheet.
///
/// The last column has the name of each behaviour, with which a test can switch it off (see `scripts/mutations`), and what
/// is not modelled.
///
#[doc = include_str!("behaviours.md")]
pub mod behaviours {}
mod bus;
mod dma;
mod events;
mod host;
mod model;
#[cfg(feature = "serve")]
pub mod serve;
pub mod wire;

pub use bus::{SimBus, SimBusMaster};
pub use dma::{Dma, DmaView};
pub use events::Events;
pub use host::{PollThread, Sim};
pub use model::{Builder, Fault, Faults, Irq, Nic82599, NoIrq, SfpModule, UnknownModule, Vf};
