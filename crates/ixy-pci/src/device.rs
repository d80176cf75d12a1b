//! A device that this process drives: [`Device`].

use std::sync::Arc;

use ixy_dma::BusMaster;

use crate::address::{Address, DeviceId};
use crate::bar::{Bar, BarBus};
use crate::capability::Capability;
use crate::config::{COMMAND_BUS_MASTER, COMMAND_MEMORY, ConfigSpace};
use crate::error::Error;
use crate::kernel_driver::{self, Access, WhenInUse};
use crate::sysfs::{DeviceInfo, Sysfs};

/// Device Status, from the start of the PCI Express capability (PCI Express Base Specification, 7.5.3.5).
const DEVICE_STATUS: u16 = 0x0A;
/// Transactions Pending: requests of the device still wait for their completion.
const TRANSACTIONS_PENDING: u16 = 1 << 5;

/// What a driver knows of its devices.
#[derive(Debug, Clone, Copy)]
pub struct Supported<'a> {
    /// The name of the driver, for messages.
    pub driver: &'a str,
    /// The devices that it supports. Others are not opened.
    pub ids: &'a [DeviceId],
    /// The BAR that its registers are in.
    pub bar: u8,
    /// The bytes that its registers take up in that BAR.
    pub bar_len: u32,
}

/// A PCI device in the hands of this process: taken from its kernel driver and locked against other processes that
/// use this crate, until this value and all [`BarBus`]es of it are dropped.
///
/// The lock is an flock(2) of the device's file `config`. It does not reach processes that see the device through
/// another mount of sysfs, as those in a container of its own network namespace do.
#[derive(Debug)]
pub struct Device {
    info: DeviceInfo,
    config: Arc<ConfigSpace>,
    bus: BarBus,
    /// Where the PCI Express capability is.
    express: Option<u16>,
}

impl Device {
    /// Takes the device at `address`, if it is one that the driver supports.
    ///
    /// Everything is checked before anything is changed. Then the device is unbound from its kernel driver, and made
    /// to answer in its memory space. Whether it may start DMA is left as it was: see [`BusMaster`].
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NotSupported`]; [`Error::BoundToVfio`], [`Error::InterfaceUp`],
    /// [`Error::InterfaceHidden`] or [`Error::InUse`] when it is in use; [`Error::NoBar`], [`Error::BarTooSmall`] or
    /// [`Error::BarIsPorts`] when its registers are not where they should be; [`Error::Permission`],
    /// [`Error::Lockdown`], [`Error::BarExclusive`] or [`Error::Io`] when the system refuses; [`Error::Gone`].
    pub fn open(
        sysfs: &Sysfs,
        address: Address,
        supported: &Supported<'_>,
        in_use: WhenInUse,
    ) -> Result<Self, Error> {
        let info = sysfs.device(address).map_err(|error| match error {
            Error::NoSuchDevice { address, path, .. } => {
                Error::NoSuchDevice { address, path, vendor: supported.ids.first().map(|id| id.vendor) }
            }
            error => error,
        })?;
        if !supported.ids.contains(&info.id) {
            return Err(Error::NotSupported {
                address,
                found: info.id,
                driver: supported.driver.to_owned(),
                supported: supported.ids.to_vec(),
            });
        }
        let access = kernel_driver::check(&info, in_use)?;
        let bar = Bar::find(sysfs, address, supported.bar, supported.bar_len, supported.driver)?;
        let config = Arc::new(ConfigSpace::open(sysfs, address)?);
        config.lock()?;
        config.id()?;
        let express = config.capability(Capability::PCI_EXPRESS)?.map(|capability| capability.offset);

        if access == Access::Bound {
            kernel_driver::unbind(sysfs, &info)?;
        }
        if !config.command_is_set(COMMAND_MEMORY)? {
            // SAFETY: ARMED-ONLY: Bus Master Enable stays as it is, and no BAR moves.
            unsafe { config.set_command(COMMAND_MEMORY, true) }?;
        }
        let bus = bar.map(Arc::clone(&config))?;
        if let Some(kind @ ("DMA" | "DMA-FQ")) = info.iommu.as_deref() {
            tracing::warn!(
                "{address} is behind an IOMMU that blocks physical addresses (iommu_group/type is {kind}): \
                 no frame will arrive until the machine is started with iommu=pt"
            );
        }
        tracing::debug!(device = %address, id = %info.id, numa_node = ?info.numa_node, "taken, BAR {} mapped", supported.bar);
        Ok(Self { info, config, bus, express })
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        self.info.address
    }

    /// What was known of it when it was opened.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// The NUMA node that it is attached to, where its memory should be; `None` when the machine does not say.
    pub fn numa_node(&self) -> Option<u32> {
        self.info.numa_node
    }

    /// Its registers.
    pub fn bus(&self) -> &BarBus {
        &self.bus
    }

    /// Its configuration space.
    pub fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn pending(&self) -> Result<bool, Error> {
        // Conventional PCI has no such bit: nothing is known to be pending.
        let Some(express) = self.express else { return Ok(false) };
        let status = self.config.read16(express + DEVICE_STATUS)?;
        Ok(self.config.present(status)? & TRANSACTIONS_PENDING != 0)
    }

    /// Switches bus mastering.
    ///
    /// # Safety
    /// To switch it on, that of [`BusMaster::enable`].
    unsafe fn master(&self, enabled: bool) -> Result<(), ixy_dma::Error> {
        let what = if enabled { "switch on" } else { "switch off" };
        let address = self.address();
        // SAFETY: ARMED-ONLY, as the caller promises.
        unsafe { self.config.set_command(COMMAND_BUS_MASTER, enabled) }.map_err(|error| ixy_dma::Error::Os {
            what: format!("cannot {what} bus mastering of {address}"),
            source: std::io::Error::other(error),
        })
    }
}

/// Bus mastering is Bus Master Enable of the command register (PCI Local Bus Specification 3.0, 6.2.2). A device
/// without a PCI Express capability cannot tell what is pending, and is taken to have nothing pending.
// SAFETY: QUIET-BEFORE-FREE: the command register and the device's own status say so, and the lock keeps others away.
unsafe impl BusMaster for Device {
    fn disable(&self) -> Result<(), ixy_dma::Error> {
        // SAFETY: ARMED-ONLY: without the bit the device reaches no memory.
        unsafe { self.master(false) }
    }

    unsafe fn enable(&self) -> Result<(), ixy_dma::Error> {
        // SAFETY: ARMED-ONLY, as the caller promises.
        unsafe { self.master(true) }
    }

    fn transactions_pending(&self) -> Result<bool, ixy_dma::Error> {
        self.pending().map_err(|error| ixy_dma::Error::Os {
            what: format!("cannot tell whether transactions of {} are pending", self.address()),
            source: std::io::Error::other(error),
        })
    }
}
