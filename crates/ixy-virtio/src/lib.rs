//! A driver for virtio network devices, over any bus and any DMA memory.

mod card;
mod checksum;
mod config;
mod control;
mod device;
mod error;
mod features;
pub mod ids;
mod layout;
mod queue;
mod ring;
mod rx;
mod transport;
mod tx;

pub use checksum::{Checksum, Checksums};
pub use config::Config;
pub use device::VirtioNet;
pub use error::Error;
pub use layout::{Layout, Region};
pub use ring::RingFault;
pub use rx::VirtioRxQueue;
pub use transport::{Structures, Transport};
pub use tx::VirtioTxQueue;
