//! Memory that a device may reach.
//!
//! A [`DmaDomain`] is an address space that devices live in. It allocates [`DmaMemory`], which knows the address of
//! each of its parts as the device sees it ([`Iova`]), keeps the domain alive and is unmapped when it is dropped.
//! Memory is cut into rings ([`DmaSlice`]: atomics only, as the device writes at any time) or becomes a pool of packet
//! buffers (crate `ixy-core`).
//!
//! There are three domains:
//!
//! - [`PhysicalDomain`]: hugepages, reached by their physical addresses. For network cards without an IOMMU in front of
//!   them, which means that nothing but the driver keeps a card from writing anywhere; its page says more.
//! - [`VfioDomain`]: ordinary memory or hugepages at addresses of its own, for devices behind an IOMMU that are bound to
//!   `vfio-pci`. The IOMMU stops accesses to anything else, and it takes no root. VFIO's containers and groups are used;
//!   iommufd is not.
//! - [`SimulatedDomain`]: ordinary memory at made-up addresses, for devices made of software. An access outside of
//!   what was allocated is a counted fault.
//!
//! Memory of one domain can be mapped into others ([`DmaMemory::map_into`]) at the same address, so that a frame which
//! one device received is sent by another without a copy. All physical domains are one address space and need no such
//! mapping.
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
