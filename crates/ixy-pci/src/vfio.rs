//! Devices that are bound to `vfio-pci`: [`Function`].

mod interrupts;
mod region;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::ptr;
use std::sync::atomic::AtomicBool;

use ixy_dma::vfio::request;
use ixy_dma::{VfioDomain, VfioDomains};
use rustix::io::Errno;
use vfio_bindings::bindings::vfio::{VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_RESET, vfio_device_info};

use crate::address::Address;
use crate::error::Error;
use crate::sysfs::Sysfs;

pub use interrupts::{InterruptKind, Interrupts};
pub(crate) use region::{CONFIG, Region};

/// Requests of devices (include/uapi/linux/vfio.h).
mod number {
    pub(super) const GET_INFO: u32 = 7;
    pub(super) const GET_REGION_INFO: u32 = 8;
    pub(super) const GET_IRQ_INFO: u32 = 9;
    pub(super) const SET_IRQS: u32 = 10;
    pub(super) const RESET: u32 = 11;
}

/// A function of a PCI device, reached through the descriptor from its group. When the first descriptor is opened,
/// the kernel stops the device's DMA and resets it if possible, so that it is as after power-on. When the last one
/// is closed, the kernel does the same again, and stops its interrupts.
#[derive(Debug)]
pub(crate) struct Function {
    address: Address,
    // Dropped before the domain that its group is in.
    file: File,
    domain: VfioDomain,
    /// Whether it can be reset by itself.
    resets: bool,
    /// Whether its interrupts are in use.
    interrupts: AtomicBool,
}

impl Function {
    /// Opens the device of its group, which is put into one of `containers`.
    pub(crate) fn open(sysfs: &Sysfs, address: Address, containers: &mut VfioDomains) -> Result<Self, Error> {
        let group = sysfs.group_number(address)?.ok_or(Error::NoIommuGroup { address })?;
        let failed = |source| Error::Vfio { address, source };
        let domain = containers.of_group(group).map_err(failed)?;
        let file = File::from(domain.device(group, &address.to_string()).map_err(failed)?);
        let mut info = vfio_device_info { argsz: size_of::<vfio_device_info>() as u32, ..Default::default() };
        // SAFETY: this request answers in the structure.
        let asked = unsafe { request(file.as_fd(), number::GET_INFO, (&raw mut info).cast()) };
        asked.map_err(|source| Error::VfioRequest { address, what: "ask about", source })?;
        if info.flags & VFIO_DEVICE_FLAGS_PCI == 0 {
            let source = io::Error::other("it is no PCI device");
            return Err(Error::VfioRequest { address, what: "drive", source });
        }
        let resets = info.flags & VFIO_DEVICE_FLAGS_RESET != 0;
        tracing::debug!(device = %address, group, resets, "reached through VFIO");
        Ok(Self { address, file, domain, resets, interrupts: AtomicBool::new(false) })
    }

    /// Its descriptor.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The memory that it reaches.
    pub(crate) fn domain(&self) -> &VfioDomain {
        &self.domain
    }

    /// Resets the device. `false` when it cannot be reset without other devices.
    pub(crate) fn reset(&self) -> Result<bool, Error> {
        if !self.resets {
            return Ok(false);
        }
        // SAFETY: this request takes no argument; a device that was reset reaches no memory.
        match unsafe { request(self.file.as_fd(), number::RESET, ptr::null_mut()) } {
            Ok(_) => Ok(true),
            // Only now does the kernel find out that there is no way.
            Err(e) if matches!(Errno::from_io_error(&e), Some(Errno::NOTTY | Errno::INVAL)) => Ok(false),
            Err(source) => Err(Error::VfioRequest { address: self.address, what: "reset", source }),
        }
    }
}
