//! Memory that a device may reach.
//!
//! A [`DmaDomain`] is the address space of one or several devices. It allocates [`DmaMemory`], which knows
//! the device's address of each of its parts ([`Iova`]), keeps the domain alive, and is unmapped when it is
//! dropped. Memory is divided into rings ([`DmaSlice`]: atomics only, because the device may write at any
//! time) or into a pool of packet buffers (crate `ixy-core`).
//!
//! There are three domains:
//!
//! - [`PhysicalDomain`]: hugepages at their physical addresses, for network cards without an IOMMU. Only a
//!   correct driver then keeps a card from writing anywhere; its page says more.
//! - [`VfioDomain`]: ordinary memory or hugepages at addresses of its own, for devices behind an IOMMU that
//!   are bound to `vfio-pci`. The IOMMU stops every other access, and the program needs no root. It uses
//!   VFIO's containers and groups, not iommufd.
//! - [`SimulatedDomain`]: ordinary memory at invented addresses, for software devices. An access outside of
//!   allocated memory is a counted fault.
//!
//! Memory of one domain can be mapped into others ([`DmaMemory::map_into`]) at the same address, so that a
//! frame which one device received is sent by another without a copy. All physical domains are one address
//! space and need no such mapping.
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
//! // SAFETY: OWNED-BUFFER: the ring is accessed as 64-bit words only.
//! let view = unsafe { domain.view() };
//! let seen = view.word64(rings[0].iova()).map(|w| w.load(Ordering::Acquire)); // and the device reads
//! assert_eq!(seen, Some(7));
//! # Ok(())
//! # }
//! ```
//!
//! It builds for 64-bit processors only: an [`Iova`] must fit into a pointer's width, and VFIO's bindings are for 64
//! bits.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("ixy drives cards on 64-bit processors only; of its crates, ixy-regs builds for others");

mod domain;
mod error;
mod memory;
mod narrow;
mod physical;
mod simulated;
pub mod vfio;

pub use domain::{BusMaster, DmaDomain, DomainId, Iova};
pub use error::Error;
pub use memory::{Backing, DmaMemory, DmaSlice, Segment};
pub use physical::{PageSize, PhysicalDomain};
pub use simulated::{SimulatedDomain, View};
pub use vfio::{VfioDomain, VfioDomains, VfioGroup};
