//! Devices of another process: client and server of the vfio-user protocol.
//!
//! A software model of a PCI device is a [`Device`](server::Device) that a [`Server`](server::Server) serves at a
//! path. Another process of the same user connects a [`Client`](client::Client), and gets the same as from VFIO
//! for a card: registers ([`VfioUserBus`](client::VfioUserBus)), memory that the device reaches
//! ([`VfioUserDomain`](client::VfioUserDomain)), the switch for DMA
//! ([`VfioUserBusMaster`](client::VfioUserBusMaster)) and interrupts as eventfds. QEMU 11 is such a client, too,
//! and passes the device to a virtual machine.
//!
//! The modules, each built on those before it: [`message`] (types, reading and writing, no I/O), [`connection`]
//! (whole messages and descriptors over a socket), [`memory`] and [`interrupts`] (the client's resources for a
//! device), [`server`], [`client`].
//!
//! Neither side trusts the other. Messages are read without a panic and within limits, and invalid requests are
//! answered with an error number; every wait for the other side has an end. When a client leaves, or is killed,
//! its memory and interrupts are removed, and the next one is served. A server that leaves is a lost device: reads
//! return all ones.
//!
//! ```
//! use std::os::unix::net::UnixStream;
//! use std::time::Duration;
//!
//! use ixy_vfio_user::client::Client;
//! use ixy_vfio_user::message::Errno;
//! use ixy_vfio_user::server::{Device, Layout, Region, Server, ServerLimits, Stop};
//!
//! /// Sixteen bytes that keep what is written to them.
//! struct Scratch([u8; 16]);
//!
//! impl Device for Scratch {
//!     fn read(&mut self, _region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
//!         into.copy_from_slice(&self.0[offset as usize..][..into.len()]); // the server has checked both
//!         Ok(())
//!     }
//!     fn write(&mut self, _region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
//!         self.0[offset as usize..][..bytes.len()].copy_from_slice(bytes);
//!         Ok(())
//!     }
//!     fn reset(&mut self) -> Result<(), Errno> {
//!         self.0 = [0; 16];
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layout = Layout { regions: vec![Region::new(16)], irqs: Vec::new(), resettable: true };
//! let server = Server::new(layout, ServerLimits::default())?;
//! let (stop, (ours, theirs)) = (Stop::new()?, UnixStream::pair()?); // or Listener::bind and Client::connect
//! let thread = std::thread::spawn(move || server.serve_one(theirs, &mut Scratch([0; 16]), &stop));
//!
//! let client = Client::over(ours, Duration::from_secs(10))?;
//! // SAFETY: ARMED-ONLY: this device does no DMA.
//! unsafe { client.write(0, 4, &[1, 2, 3]) }?;
//! let mut bytes = [0; 4];
//! client.read(0, 4, &mut bytes)?;
//! assert_eq!(bytes, [1, 2, 3, 0]);
//! assert!(client.read(0, 14, &mut bytes).is_err()); // past the end: EINVAL
//! client.reset()?;
//! drop(client);
//! assert!(thread.join().is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! `examples/copier` is a PCI device with registers, DMA and an interrupt, to be served and measured.

pub mod client;
pub mod connection;
mod error;
pub mod interrupts;
mod mapping;
pub mod memory;
pub mod message;
pub mod server;

pub use error::Error;
