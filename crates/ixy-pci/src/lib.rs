//! PCI devices from user space, on Linux.
//!
//! The kernel shows each PCI device as a directory of files below `/sys/bus/pci/devices`. This crate uses
//! these files:
//!
//! - `vendor`, `device`, `class`, `driver`, `numa_node` and `net` describe a device and its users: [`Sysfs`],
//!   [`DeviceInfo`].
//! - `config` is its configuration space. The command register enables decoding and DMA, and the capability lists
//!   describe its other features: [`ConfigSpace`], [`Capability`], [`ExtendedCapability`], and
//!   [`VendorCapability`] for the maker's own ones.
//! - `resource` lists its BARs, the ranges of its registers, memory or I/O ports: [`Bar`]. Their files,
//!   `resource0` to `resource5`, are mapped into memory, [`BarBus`], or read and written, [`PortBus`]: both are
//!   buses for the register maps of `ixy-regs`.
//!
//! A driver opens a [`Device`] with the list of devices that it supports, [`Supported`]. Opening takes the device
//! from its kernel driver, unless a network interface of it is up. It also locks the device against other
//! processes, switches its interrupts off, and maps its registers. This takes root; other users get an error that
//! says so.
//!
//! ```no_run
//! use ixy_dma::BusMaster;
//! use ixy_pci::{Device, DeviceId, Supported, Sysfs, WhenInUse};
//! use ixy_regs::bus::Bus;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sysfs = Sysfs::default();
//! for device in sysfs.devices()? {
//!     let driver = device.driver.as_deref().unwrap_or("no driver");
//!     eprintln!("{} {} {driver} {:?}", device.address, device.id, device.interfaces);
//! }
//!
//! let ids = [DeviceId::new(0x8086, 0x10FB)];
//! let supported = Supported { driver: "ixgbe", ids: &ids, bar: 0, bar_len: 0x2_0000 };
//! let device = Device::open(&sysfs, "03:00.0".parse()?, &supported, WhenInUse::Refuse)?;
//! device.disable()?; // whatever ran before can no longer write into memory
//! let bus = device.bus().clone();
//! assert!(bus.len() >= 0x2_0000);
//! # Ok(())
//! # }
//! ```
//!
//! A driver with registers elsewhere than in one memory BAR takes the device first and then opens what it needs. A
//! legacy virtio device has its registers behind ports; modern ones name the places of theirs in capabilities:
//!
//! ```no_run
//! use ixy_pci::{Bar, BarKind, ConfigSpace, Device, DeviceId, Sysfs, WhenInUse};
//! use ixy_regs::bus::Bus;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (sysfs, address) = (Sysfs::default(), "00:03.0".parse()?);
//! let config = ConfigSpace::open_read_only(&sysfs, address)?;
//! for capability in config.vendor_capabilities(&config.capabilities()?)? {
//!     eprintln!("{:02x?} at {:#x}", capability.bytes, capability.offset);
//! }
//!
//! let ids = [DeviceId::new(0x1AF4, 0x1000)];
//! let needed = [Bar { number: 0, kind: BarKind::Ports, len: 20 }];
//! let device = Device::take(&sysfs, address, "virtio", &ids, &needed, WhenInUse::Refuse)?;
//! let ports = device.ports(0, 20)?;
//! assert!(ports.len() >= 20);
//! # Ok(())
//! # }
//! ```
//!
//! Such a device can access all memory of the machine: see `PhysicalDomain` of `ixy-dma`. If there is an IOMMU, it
//! must not translate; a warning says when it does ([`DeviceInfo::behind_iommu`]).
//!
//! # VFIO
//! A device that is bound to `vfio-pci` is reached through that driver: a [`Candidate`] becomes a [`Device`]
//! either way. The IOMMU then lets the device reach only what is mapped in its domain
//! ([`Device::vfio_domain`]), the owner of `/dev/vfio/N` needs no root, and interrupts arrive as events:
//!
//! ```no_run
//! use ixy_dma::{DmaDomain, VfioDomains};
//! use ixy_pci::{Candidate, DeviceId, Supported, Sysfs, WhenInUse};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut containers = VfioDomains::default();
//! let found = Candidate::find(&Sysfs::default(), "03:00.0".parse()?, &mut containers)?;
//! let ids = [DeviceId::new(0x8086, 0x10D3)];
//! let supported = Supported { driver: "e1000e", ids: &ids, bar: 0, bar_len: 0x2_0000 };
//! let device = found.open(&supported, WhenInUse::Refuse)?;
//! let mut interrupts = device.interrupts(4)?; // as many as there are, at least one
//! eprintln!("{} vectors of {}", interrupts.len(), interrupts.kind());
//! let events = interrupts.take_vectors(); // eventfds, to poll(2) and read(2)
//! # Ok(())
//! # }
//! ```
//!
//! Tests use none of the machine's devices: [`Sysfs::new`] takes the root of a tree of plain files.

mod address;
mod bar;
mod candidate;
mod capability;
mod check;
mod config;
mod device;
mod error;
mod group;
mod inspection;
mod interface;
mod interrupts;
mod kernel_driver;
mod ports;
mod region;
mod routes;
mod sysfs;
mod vfio;

pub use address::{Address, DeviceId};
pub use bar::BarBus;
pub use candidate::Candidate;
pub use capability::{BrokenList, Capability, CapabilityList, ExtendedCapability, VendorCapability};
pub use config::ConfigSpace;
pub use device::{Device, Supported};
pub use error::Error;
pub use group::{Group, Neighbour};
pub use inspection::Inspection;
pub use interface::InterfaceOwner;
pub use kernel_driver::WhenInUse;
pub use ports::PortBus;
pub use region::{Bar, BarKind};
pub use sysfs::{DeviceInfo, Interface, Sysfs};
pub use vfio::{InterruptKind, Interrupts};
