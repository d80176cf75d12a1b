//! Packets, the pool they come from, batches of them, and the traits that drivers implement.
//!
//! A [`Mempool`] has buffers in memory that devices reach. A [`Packet`] owns one of them: 16 bytes, and the
//! only way to its bytes. Packets travel in a [`Batch`]: an [`RxQueue`] adds what has arrived, a [`TxQueue`]
//! takes what it can send. Dropping a packet frees its buffer, on any thread; the pool lives until the last
//! one is back. A thread that finds no packets polls again, or sleeps until an [`Interrupt`]; its [`Waiter`]
//! decides which.
//!
//! ```
//! use std::sync::Arc;
//! use ixy_core::{Batch, Mempool};
//!
//! # fn main() -> Result<(), ixy_core::Error> {
//! let pool = Mempool::new(Arc::new(ixy_dma::SimulatedDomain::default()), 1024)?;
//! let mut batch = Batch::new(32);
//! pool.allocate_batch(&mut batch, 4);
//! for packet in &mut batch {
//!     assert!(packet.set_len(60));
//!     packet[..6].fill(0xff);
//! }
//! assert_eq!((batch.len(), batch[0].len(), pool.free()), (4, 60, 1020));
//! drop(batch);
//! assert_eq!(pool.free(), 1024);
//! # Ok(())
//! # }
//! ```

mod batch;
mod checksum;
mod device;
mod error;
mod interrupt;
mod lock;
mod mac;
mod mempool;
mod packet;
mod ring;
mod stats;
mod waiter;

pub use batch::Batch;
pub use checksum::{Checksum, Checksums};
pub use device::{Device, LinkState, RxQueue, TxQueue};
pub use error::Error;
pub use interrupt::{Interrupt, Interrupts, VectorKind, Vectors};
pub use mac::{MacAddress, ParseMacError};
pub use mempool::{Cache, DATA_SIZE, HEADROOM, Mempool};
pub use packet::Packet;
pub use ring::{InFlight, Posted};
pub use stats::{DeviceStats, FCS, FRAMING, LONGEST_FRAME, QueueStats};
pub use waiter::{WaitMode, Waiter};
