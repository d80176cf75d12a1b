//! A driver for Intel 82576 network cards, over any bus and any DMA memory.
//!
//! [`Config::open`] takes a bus (memory-mapped registers, a device made of software), a domain that gives
//! memory, and a pool of packet buffers, and returns an [`Igb`]: a card that receives and sends. It knows no
//! operating system; the crate `ixy` joins it with PCI.
//!
//! A program that is killed, also by Ctrl-C, drops nothing and leaves its card writing into memory that was
//! freed: handle SIGINT and SIGTERM, as `ixy::Stop` of the crate `ixy-net` does.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use ixy_core::{Batch, Mempool, RxQueue, TxQueue};
//! use ixy_dma::{BusMaster, DmaDomain};
//! use ixy_igb::Config;
//! use ixy_regs::bus::Bus;
//!
//! /// Sends back what arrives.
//! fn echo<B: Bus + 'static>(
//!     bus: B,
//!     domain: &Arc<dyn DmaDomain>,
//!     bus_master: Arc<dyn BusMaster>,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let config = Config::default();
//!     let pool = Mempool::new(domain.clone(), config.buffers())?;
//!     // SAFETY: bus, domain and bus master are those of this one card, which nobody else drives.
//!     let mut card = unsafe { config.open("example", bus, domain, bus_master, &pool) }?;
//!     card.wait_for_link(Duration::from_secs(10))?;
//!     let (Some(mut rx), Some(mut tx)) = (card.take_rx_queue(0), card.take_tx_queue(0)) else { return Ok(()) };
//!     let mut batch = Batch::new(32);
//!     loop {
//!         rx.receive(&mut batch);
//!         tx.send(&mut batch); // what did not fit stays in the batch
//!     }
//! }
//! ```
//!
//! The driver follows the order in which the card is started (`datasheet-notes/82576.md` in the repository).
//! Read it in this order: `device.rs` (open), `card.rs` (waits, reset, the end), `init.rs`, `link.rs` and
//! `phy.rs`, `rx.rs`, `tx.rs`, `interrupts.rs`, `stats.rs`. Section numbers are those of Intel's datasheet
//! 320961, where they are known. A comment `DEPARTURE` marks where the driver differs from the datasheet, and
//! says why.
//!
//! It resembles the driver of the 82599 (`ixy-ixgbe`), but shares no code that touches a register or a
//! descriptor: many names are the same on both devices, and some of their bits are not.
//!
//! Its unsafe code is the writes to registers through which the card reaches memory. Each argues with
//! ARMED-ONLY: the card gets only addresses of memory that the driver owns, and keeps until the card has
//! stopped.

mod card;
mod config;
mod device;
mod error;
mod filters;
mod init;
mod interrupts;
mod link;
pub mod models;
mod phy;
mod rss;
mod rx;
mod semaphore;
mod stats;
mod tx;

pub use config::Config;
pub use device::Igb;
pub use error::Error;
pub use rx::IgbRxQueue;
pub use tx::IgbTxQueue;
