//! A driver for virtio network devices, over any bus and any DMA memory.
//!
//! A hypervisor gives such a device to a virtual machine instead of a model of a real card: it has few
//! registers, and everything else goes through rings in memory, the virtqueues. This driver supports both
//! interfaces, legacy and modern, and both kinds of rings, split and packed. Section numbers are those of the
//! Virtual I/O Device specification, version 1.2.
//!
//! [`Transport`] is made from a bus: the port BAR of a legacy device, or the [`Structures`] of a modern one,
//! which its PCI capabilities name ([`Layout::find`]). [`Config::open`] takes it, a domain that gives memory,
//! and a pool of packet buffers, and returns a [`VirtioNet`] that receives and sends. The crate `ixy` does
//! this for devices on the PCI bus.
//!
//! A program that is killed, also by Ctrl-C, drops nothing and leaves its device writing into memory that was
//! freed: handle SIGINT and SIGTERM, as `ixy::Stop` of the crate `ixy-net` does.
//!
//! ```
//! use std::sync::Arc;
//! use ixy_core::{Batch, Mempool, RxQueue, TxQueue};
//! use ixy_dma::{BusMaster, DmaDomain};
//! use ixy_regs::bus::Bus;
//! use ixy_virtio::{Config, Error, Transport};
//!
//! /// Sends back what arrives, as long as the device works.
//! ///
//! /// # Safety
//! /// That of `Config::open`.
//! unsafe fn reflect<B: Bus + 'static>(
//!     ports: B,
//!     domain: Arc<dyn DmaDomain>,
//!     bus_master: Arc<dyn BusMaster>,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let transport = Transport::legacy(ports)?;
//!     transport.quiesce("example")?; // what an earlier driver left running ends before there is new memory
//!     let config = Config::default();
//!     let pool = Mempool::new(domain.clone(), config.buffers())?;
//!     // SAFETY: as the caller promises.
//!     let mut device = unsafe { config.open("example", transport, &domain, bus_master, &pool) }?;
//!     let (Some(mut rx), Some(mut tx)) = (device.take_rx_queue(0), device.take_tx_queue(0)) else { return Ok(()) };
//!     let mut batch = Batch::new(32);
//!     loop {
//!         for _ in 0..100_000 {
//!             rx.receive(&mut batch);
//!             tx.send(&mut batch); // what did not fit stays in the batch
//!         }
//!         ixy_core::Device::stats(&mut device)?; // says when the device is lost or broken
//!     }
//! }
//! ```
//!
//! Read it in this order: `device.rs` (open, in the steps of section 3.1.1), `transport.rs` (the two interfaces),
//! `features.rs`, `queue.rs` (the size of a ring), `ring.rs` with `ring/split.rs` (section 2.7) and
//! `ring/packed.rs` (section 2.8), `rx.rs`, `tx.rs`, `control.rs` (the control queue), `interrupt.rs`, `card.rs`
//! (failures, and the reset at the end).
//!
//! # Interrupts
//! A device that is opened with [vectors](Config::interrupts) has receive queues with an
//! [`Interrupt`](ixy_core::Interrupt), which a thread can sleep on; transmit queues, the control queue and
//! configuration changes have none. With MSI-X each receive queue has its own vector while there are enough.
//! Otherwise all share the interrupt pin. A change of the link raises the pin, too, and then wakes a thread
//! for nothing. Virtio cannot throttle interrupts, so a limit has no effect.
//!
//! # Misbehaving devices
//! It may be gone, hang, be reset, or write nonsense into its rings. None of this causes a panic, an endless
//! wait, or a wrong access. Opening ends with an error in bounded time. A queue with a broken ring no longer
//! receives or sends, and [`stats`](ixy_core::Device::stats) reports why. A frame with an impossible length
//! is dropped and counted.
//!
//! # Unsafe code
//! The driver writes registers that start the device or hold addresses, and puts chains into rings. Each use
//! argues with ARMED-ONLY: the device gets only addresses of memory that the driver owns, and keeps until the
//! device has been reset.

mod card;
mod checksum;
mod config;
mod control;
mod device;
mod error;
mod features;
pub mod ids;
mod interrupt;
mod layout;
mod queue;
mod ring;
mod rx;
mod transport;
mod tx;

pub use config::Config;
pub use device::VirtioNet;
pub use error::Error;
pub use interrupt::InterruptingRxQueue;
pub use layout::{Layout, Region};
pub use ring::RingFault;
pub use rx::VirtioRxQueue;
pub use transport::{Structures, Transport};
pub use tx::VirtioTxQueue;
