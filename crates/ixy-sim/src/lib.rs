//! A software Intel 82599 network card, and the wires to plug it into.
//!
//! [`Nic82599`] is the device behind BAR 0 of the card: a driver calls [`read32`](Nic82599::read32) and
//! [`write32`](Nic82599::write32), and the device does its work in [`poll`](Nic82599::poll). It reaches memory
//! only through [`Dma`]; a [`SimulatedDomain`](ixy_dma::SimulatedDomain) counts every access outside of what was
//! mapped. Interrupts go to an [`Irq`]. Frames come from and go to a [`Wire`](wire::Wire): an endless source, a
//! pcap file, another such card, a process, or the system's own network stack (module [`wire`]).
//!
//! It follows the datasheet (Intel 331520). It serves to test drivers without hardware, and to run programs that
//! move frames on machines without such a card. A doorbell write only stores the value; frames and DMA move in
//! `poll`, so a test that polls by itself behaves the same in every run.
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
//! In a program, [`Sim`] is such a device opened by its address. [`SimBus`] and [`SimBusMaster`] are its registers
//! and DMA switch for a driver. One [`PollThread`] polls all devices of the process, and sleeps while they are
//! idle. [`Events`] are interrupts on which a thread can sleep. With the feature `serve`, which is on by default,
//! the module `serve` offers it as a PCI device to drivers of other processes and of virtual machines.
//!
//! # What is modelled
//!
//! The page of [`behaviours`] lists the behaviours with their sections of the datasheet, and what is missing.
//!
//! Registers without a behaviour store the values written; offsets without a register read zero.
//!
//! Where the datasheet is ambiguous, or we only have secondary sources:
//!
//! - A reset clears statistics. Drivers should still read them before they start to count.
//! - Byte counters of a queue count the bytes in memory; all others include the check sequence.
//! - On a wire that waits (as with flow control), a frame without a free descriptor stays on the wire, whatever
//!   DROP_EN says. So does a frame for a queue that is off, and all frames behind it.
//! - Without MSI-X one interrupt comes with the first unmasked cause, and the next only after all causes were
//!   gone. This is how a level-triggered pin behaves, and the stricter reading for MSI.
//! - On such a wire a frame for one pool waits as well, except for a queue that is off; a frame for several pools
//!   does not.
//! - Without replication, a frame to an address of several pools goes to the first of them.
//! - Counters of virtual functions count bytes as those of queues do, and a reset of the device clears them.
//! - PFMBIMR unmasks all mailbox interrupts after a reset, since drivers never write it.
//! - A reset of a virtual function releases its mailbox's buffer.
//! - EITR shows the upper 7 of the 9 bits of the remaining interval, in units of 2.048 us, as at 1 and 10 Gbit/s.
//! - Frames sent after the other end left for good are discarded; a real card would keep them for ever.
//!
//! # Faults
//!
//! [`Faults`] makes the device misbehave at run time: it can be gone, have stuck bits or bits that never come,
//! lose interrupts, leave descriptors without write-back or with an impossible length, and damage frames on the
//! wire.

mod alarm;
/// The card's behaviours, with the sections of the datasheet.
///
/// The last column names each behaviour, so that a test can switch it off (see `scripts/mutations`), and notes
/// what is not modelled.
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
mod similar;
pub mod wire;

pub use bus::{SimBus, SimBusMaster};
pub use dma::{Dma, DmaView};
pub use events::Events;
pub use host::{PollThread, Sim};
pub use model::{Builder, Fault, Faults, Irq, Nic82599, NoIrq, SfpModule, UnknownModule, Vf};
#[doc(hidden)]
pub use similar::similar;
