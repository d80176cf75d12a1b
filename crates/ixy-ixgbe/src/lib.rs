//! A driver for Intel 82599 network cards, over any bus and any DMA memory.
//!
//! [`Config::open`] takes a bus (memory-mapped registers, a simulator, a socket), a domain that gives memory, and a
//! pool of packet buffers, and returns an [`Ixgbe`]: a card that receives and sends. It knows no operating system; the
//! crate `ixy` joins it with PCI and with the software 82599.
//!
//! It reads as the datasheet does (Intel 331520, section numbers at each step). In this order: `device.rs` (open),
//! `card.rs` (waits, reset, the end), `init.rs` (section 4.6.3), `link.rs` and `sfp.rs` (4.6.4), `rx.rs` (4.6.7, 7.1),
//! `tx.rs` (4.6.8, 7.2), `stats.rs` (4.6.5). Where it does otherwise than the datasheet or its predecessors, the line
//! says `DEPARTURE` and why.
//!
//! Its unsafe code is the writes to registers through which the card reaches memory; each argues with ARMED-ONLY,
//! that the card is only told of memory which the driver owns and keeps until the card has stopped.

mod card;
mod config;
mod device;
mod error;
mod filters;
mod init;
mod link;
pub mod models;
mod rss;
mod rx;
mod semaphore;
mod sfp;
mod stats;
mod tx;

pub use config::Config;
pub use device::Ixgbe;
pub use error::Error;
pub use rx::IxgbeRxQueue;
pub use tx::IxgbeTxQueue;
