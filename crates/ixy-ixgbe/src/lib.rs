//! A driver for Intel 82599 network cards, over any bus and any DMA memory.
//!
//! [`Config::open`] takes a bus (memory-mapped registers, a simulator, a socket), a domain that gives memory,
//! and a pool of packet buffers, and returns an [`Ixgbe`]: a card that receives and sends. It knows no
//! operating system; the crate `ixy` joins it with PCI and with the software 82599.
//!
//! A program that is killed, also by Ctrl-C, drops nothing and leaves its card writing into memory that was
//! freed: handle SIGINT and SIGTERM, as `ixy::Stop` of the crate `ixy-net` does.
//!
//! ```
//! use std::sync::Arc;
//! use ixy_core::{Batch, Mempool, RxQueue, TxQueue};
//! use ixy_dma::{DmaDomain, SimulatedDomain};
//! use ixy_ixgbe::Config;
//! use ixy_sim::{Nic82599, SimBus, SimBusMaster, wire};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A software card with a loopback at its port, polled whenever the driver reads a register.
//! let memory = Arc::new(SimulatedDomain::default());
//! let port = "loopback".parse::<wire::WireSpec>()?.connect(&wire::Cables::default())?;
//! let nic = Arc::new(Nic82599::builder(port, memory.clone()).build());
//! let domain: Arc<dyn DmaDomain> = memory;
//! let config = Config::default();
//! let pool = Mempool::new(domain.clone(), config.buffers())?;
//!
//! let (bus, master) = (SimBus::stepping(nic.clone()), Arc::new(SimBusMaster::new(nic.clone())));
//! // SAFETY: bus, domain and bus master are those of this one card, which nobody else drives.
//! let mut card = unsafe { config.open("example", bus, &domain, master, &pool) }?;
//! let (Some(mut rx), Some(mut tx)) = (card.take_rx_queue(0), card.take_tx_queue(0)) else { return Ok(()) };
//!
//! let mut batch = Batch::new(32);
//! pool.allocate_batch(&mut batch, 1);
//! assert!(batch[0].set_len(60));
//! assert_eq!(tx.send(&mut batch), 1);
//! nic.poll(); // the card sends the frame,
//! nic.poll(); // and receives it
//! assert_eq!(rx.receive(&mut batch), 1);
//! # Ok(())
//! # }
//! ```
//!
//! The driver follows the datasheet (Intel 331520, with section numbers at each step). Read it in this order:
//! `device.rs` (open), `card.rs` (waits, reset, the end), `init.rs` (section 4.6.3), `link.rs` and `sfp.rs`
//! (4.6.4), `rx.rs` (4.6.7, 7.1), `tx.rs` (4.6.8, 7.2), `interrupts.rs` (7.3), `stats.rs` (4.6.5). A comment
//! `DEPARTURE` marks each difference from the datasheet or from ixy, with its reason.
//!
//! Its unsafe code is the writes to registers through which the card reaches memory. Each relies on ARMED-ONLY:
//! the card gets only addresses of memory that the driver owns, and keeps until the card has stopped.

mod card;
mod config;
mod device;
mod error;
mod filters;
mod init;
mod interrupts;
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
