//! Memory that a device may reach.
//!
//! A [`DmaDomain`] is an address space that devices live in. It allocates [`DmaMemory`], which knows the address of
//! each of its parts as the device sees it ([`Iova`]), keeps the domain alive and is unmapped when it is dropped.
//! Memory is cut into rings ([`DmaSlice`]: atomics only, as the device writes at any time) or becomes a pool of packet
//! buffers (crate `ixy-core`).
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::Ordering;
//! use ixy_dma::{DmaDomain, SimulatedDomain};
//!
//! # fn main() -> Result<(), ixy_dma::Error> {
//! let domain = Arc::new(SimulatedDomain::default());
//! let memory = Arc::clone(&domain).allocate(8192)?;
//! let rings = memory.cut(&[4096, 4096], 128)?;
//! rings[0].words()[0].store(7, Ordering::Release); // the driver writes,
//! let view = domain.view();
//! let seen = view.word64(rings[0].iova()).map(|w| w.load(Ordering::Acquire)); // and the device reads
//! assert_eq!(seen, Some(7));
//! # Ok(())
//! # }
//! ```

mod domain;
mod error;
mod memory;
mod simulated;

pub use domain::{BusMaster, DmaDomain, DomainId, Iova};
pub use error::Error;
pub use memory::{Backing, DmaMemory, DmaSlice, Segment};
pub use simulated::{SimulatedDomain, View};
