//! A device that this process drives: [`Device`].

use std::fmt;
use std::sync::Arc;

use ixy_dma::{BusMaster, VfioDomain};
use ixy_regs::bus::Bus;

use crate::address::{Address, DeviceId};
use crate::bar::BarBus;
use crate::capability::Capability;
use crate::check;
use crate::config::{COMMAND_BUS_MASTER, COMMAND_IO, COMMAND_MEMORY, ConfigSpace};
use crate::error::Error;
use crate::interrupts;
use crate::kernel_driver::{self, Access, WhenInUse};
use crate::ports::PortBus;
use crate::region::{Bar, BarFile, BarKind};
use crate::sysfs::{DeviceInfo, Sysfs};
use crate::vfio::{Function, InterruptKind, Interrupts};

/// Offset of Device Status in the PCI Express capability (PCI Express Base Specification, 7.5.3.5).
const DEVICE_STATUS: u16 = 0x0A;
/// Transactions Pending: requests of the device still wait for their completions.
const TRANSACTIONS_PENDING: u16 = 1 << 5;

/// A driver's name, the devices that it supports, and the BAR that it needs.
#[derive(Debug, Clone, Copy)]
pub struct Supported<'a> {
    /// The name of the driver, for messages.
    pub driver: &'a str,
    /// The devices that it supports. Others are not opened.
    pub ids: &'a [DeviceId],
    /// The BAR with its registers.
    pub bar: u8,
    /// The number of bytes of that BAR that its registers take up.
    pub bar_len: u32,
}

/// A PCI device that this process drives: taken from its kernel driver, and locked against other processes that
/// use this crate until this value and all its buses are dropped.
///
/// A driver with its registers in one memory BAR uses [`Device::open`]. One that has to examine the device first,
/// or has registers in several BARs or behind I/O ports, uses [`Device::take`], which returns a `Device<()>`, and
/// maps BARs with [`Device::map`] and [`Device::ports`]. Both go through sysfs; a [`Candidate`](crate::Candidate)
/// becomes a `Device` through VFIO as well.
///
/// The lock is an flock(2) of the device's file `config`. It does not bind processes that see the device through
/// another mount of sysfs, such as those in a container with its own network namespace.
#[derive(Debug)]
pub struct Device<B = BarBus> {
    info: DeviceInfo,
    sysfs: Sysfs,
    /// The name of the driver, for messages.
    driver: String,
    config: Arc<ConfigSpace>,
    bus: B,
    /// The offset of the PCI Express capability.
    express: Option<u16>,
}

impl Device<BarBus> {
    /// Takes the device at `address`, if the driver supports it, and maps its registers.
    ///
    /// # Errors
    /// Those of [`Device::take`] and [`Device::map`].
    pub fn open(
        sysfs: &Sysfs,
        address: Address,
        supported: &Supported<'_>,
        in_use: WhenInUse,
    ) -> Result<Self, Error> {
        let Supported { driver, ids, bar, bar_len } = *supported;
        let needed = Bar { number: bar, kind: BarKind::Memory, len: bar_len.into() };
        Device::take(sysfs, address, driver, ids, &[needed], in_use)?.with_bus(bar, bar_len)
    }

    /// Its registers.
    pub fn bus(&self) -> &BarBus {
        &self.bus
    }
}

impl Device<()> {
    /// Takes the device at `address` for a driver of this name, if it is among `ids` and has the `needed` BARs.
    ///
    /// All checks come before any change. Then the device is unbound from its kernel driver, and its interrupts
    /// are switched off, pin and messages. Bus mastering stays as it was: see [`BusMaster`].
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NotSupported`]; [`Error::BoundToVfio`], [`Error::DefaultRoute`],
    /// [`Error::InterfaceUp`], [`Error::InterfaceHidden`] or [`Error::InUse`] when it is in use;
    /// [`Error::NoBar`], [`Error::BarTooSmall`], [`Error::BarUnassigned`], [`Error::BarIsPorts`] or
    /// [`Error::BarIsMemory`] when its registers are not where they should be; [`Error::Asleep`];
    /// [`Error::ReadOnly`], [`Error::Permission`], [`Error::Lockdown`], [`Error::MessagesRefused`] or
    /// [`Error::Io`] when the system refuses; [`Error::Gone`].
    pub fn take(
        sysfs: &Sysfs,
        address: Address,
        driver: &str,
        ids: &[DeviceId],
        needed: &[Bar],
        in_use: WhenInUse,
    ) -> Result<Self, Error> {
        let info = sysfs.device(address).map_err(|error| match error {
            Error::NoSuchDevice { address, path, .. } => {
                Error::NoSuchDevice { address, path, vendor: ids.first().map(|id| id.vendor) }
            }
            error => error,
        })?;
        supports(driver, ids, &info)?;
        if let Some(error) = check::obstacles(sysfs, &info, driver, needed, in_use).into_iter().next() {
            return Err(error);
        }
        let config = Arc::new(ConfigSpace::open(sysfs, address)?);
        config.lock()?;
        config.id()?;
        let capabilities = config.capabilities()?;
        let express = capabilities.iter().find(|capability| capability.id == Capability::PCI_EXPRESS);
        let express = express.map(|capability| capability.offset);

        if Access::of(&info) == Access::Bound {
            kernel_driver::unbind(sysfs, &info)?;
        }
        interrupts::switch_off(&config, &capabilities)?;
        if info.behind_iommu() {
            tracing::warn!(
                "{address} is behind an IOMMU that blocks physical addresses (iommu_group/type is {}): \
                 no frame will arrive until the machine is started with iommu=pt",
                info.iommu.as_deref().unwrap_or_default()
            );
        }
        tracing::debug!(device = %address, id = %info.id, numa_node = ?info.numa_node, "taken");
        Ok(Self { info, sysfs: sysfs.clone(), driver: driver.to_owned(), config, bus: (), express })
    }

    /// Takes a device that is reached through VFIO: there is no kernel driver to unbind, and no interrupt to
    /// switch off.
    pub(crate) fn take_vfio(
        sysfs: Sysfs,
        info: DeviceInfo,
        config: Arc<ConfigSpace>,
        driver: &str,
        ids: &[DeviceId],
        needed: &[Bar],
    ) -> Result<Self, Error> {
        supports(driver, ids, &info)?;
        if let Some(error) = check::bars(&sysfs, &info, driver, needed).into_iter().next() {
            return Err(error);
        }
        config.lock()?;
        config.id()?;
        let express = config.capability(Capability::PCI_EXPRESS)?.map(|capability| capability.offset);
        tracing::debug!(device = %info.address, id = %info.id, numa_node = ?info.numa_node, "taken through VFIO");
        Ok(Self { info, sysfs, driver: driver.to_owned(), config, bus: (), express })
    }

    /// The device with the registers in its one BAR.
    pub(crate) fn with_bus(self, bar: u8, bar_len: u32) -> Result<Device<BarBus>, Error> {
        let bus = self.map(bar, bar_len)?;
        let Self { info, sysfs, driver, config, bus: (), express } = self;
        Ok(Device { info, sysfs, driver, config, bus, express })
    }
}

/// Refuses a device that the driver does not support.
fn supports(driver: &str, ids: &[DeviceId], info: &DeviceInfo) -> Result<(), Error> {
    if ids.contains(&info.id) {
        return Ok(());
    }
    let (driver, supported) = (driver.to_owned(), ids.to_vec());
    Err(Error::NotSupported { address: info.address, found: info.id, driver, supported })
}

impl Sysfs {
    /// The obstacles to taking a device for a driver of this name that needs these BARs; empty when there are
    /// none. The configuration space is read, unless the device sleeps; nothing else is opened, and nothing is changed.
    /// [`Device::take`] makes the same checks, and fails with the first obstacle.
    ///
    /// For a device that is bound to vfio-pci only the BARs and the configuration space are checked:
    /// [`ixy_dma::vfio::check`] checks the rest.
    pub fn obstacles(
        &self,
        info: &DeviceInfo,
        driver: &str,
        needed: &[Bar],
        in_use: WhenInUse,
    ) -> Vec<Error> {
        match Access::of(info) {
            Access::Vfio => {
                let mut found = check::bars(self, info, driver, needed);
                found.extend(check::config(self, info.address).err());
                found
            }
            _ => check::obstacles(self, info, driver, needed, in_use),
        }
    }
}

impl<B> Device<B> {
    /// Maps BAR `number`, which must be memory of at least `needed` bytes. Each call maps the whole BAR once more.
    ///
    /// # Errors
    /// [`Error::NoBar`], [`Error::BarTooSmall`], [`Error::BarUnassigned`], [`Error::BarIsPorts`];
    /// [`Error::Permission`], [`Error::Lockdown`], [`Error::BarExclusive`], [`Error::Io`]; [`Error::Gone`].
    pub fn map(&self, number: u8, needed: u32) -> Result<BarBus, Error> {
        let bar = self.find(Bar { number, kind: BarKind::Memory, len: needed.into() })?;
        self.answer_in(COMMAND_MEMORY)?;
        let bus = BarBus::map(bar, Arc::clone(&self.config))?;
        self.has(number, needed, bus.len())?;
        tracing::debug!(device = %self.address(), bar = number, "mapped");
        Ok(bus)
    }

    /// Opens BAR `number`, which must be a range of at least `needed` I/O ports.
    ///
    /// # Errors
    /// [`Error::NoBar`], [`Error::BarTooSmall`], [`Error::BarUnassigned`], [`Error::BarIsMemory`];
    /// [`Error::Permission`], [`Error::Lockdown`], [`Error::Io`]; [`Error::Gone`].
    pub fn ports(&self, number: u8, needed: u32) -> Result<PortBus, Error> {
        let bar = self.find(Bar { number, kind: BarKind::Ports, len: needed.into() })?;
        self.answer_in(COMMAND_IO)?;
        let bus = PortBus::open(bar, Arc::clone(&self.config))?;
        self.has(number, needed, bus.len())?;
        tracing::debug!(device = %self.address(), bar = number, "ports opened");
        Ok(bus)
    }

    /// Refuses a BAR that is smaller than sysfs reported: VFIO may give access to less.
    fn has(&self, bar: u8, needed: u32, found: u32) -> Result<(), Error> {
        if found >= needed {
            return Ok(());
        }
        let (address, driver) = (self.address(), self.driver.clone());
        Err(Error::BarTooSmall { address, bar, size: found.into(), needed: needed.into(), driver })
    }

    fn find(&self, needed: Bar) -> Result<BarFile, Error> {
        BarFile::find(&self.sysfs, self.address(), needed, &self.driver)
    }

    /// Makes the device decode its memory or I/O space, if it does not yet.
    fn answer_in(&self, space: u16) -> Result<(), Error> {
        // SAFETY: ARMED-ONLY: Bus Master Enable stays as it is, and no BAR moves.
        unsafe { self.config.set_command(space, true) }
    }

    /// The address of the device.
    pub fn address(&self) -> Address {
        self.info.address
    }

    /// The known properties of the device when it was opened.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// The NUMA node of the device, where its memory should be; `None` when the machine does not report it.
    pub fn numa_node(&self) -> Option<u32> {
        self.info.numa_node
    }

    /// The memory that the device reaches through VFIO; new memory comes from its NUMA node. Without VFIO it
    /// reaches physical memory, or the part that a kernel-configured IOMMU allows.
    pub fn vfio_domain(&self) -> Option<VfioDomain> {
        self.config.vfio().map(|function| function.domain().on_node(self.numa_node()))
    }

    /// Whether the device is behind an IOMMU that blocks physical addresses.
    pub fn behind_iommu(&self) -> bool {
        self.config.vfio().is_some() || self.info.behind_iommu()
    }

    /// Switches on `wanted` interrupt vectors, or as many as there are, at least one: MSI-X, else MSI, else the
    /// pin. Messages arrive only while bus mastering is on, since they are memory writes.
    ///
    /// # Errors
    /// [`Error::NoInterrupts`], for instance when the device is not reached through VFIO;
    /// [`Error::InterruptsInUse`].
    pub fn interrupts(&self, wanted: usize) -> Result<Interrupts, Error> {
        Interrupts::best(self.function()?, wanted)
    }

    /// Like [`interrupts`](Self::interrupts), with vectors of one kind.
    ///
    /// # Errors
    /// Those of [`interrupts`](Self::interrupts).
    pub fn interrupts_of(&self, kind: InterruptKind, wanted: usize) -> Result<Interrupts, Error> {
        Interrupts::of(self.function()?, kind, wanted)
    }

    fn function(&self) -> Result<&Arc<Function>, Error> {
        let why = || "it is not reached through VFIO; bind it to vfio-pci".to_owned();
        self.config.vfio().ok_or_else(|| Error::NoInterrupts { address: self.address(), why: why() })
    }

    /// Resets the device by itself, if it is reached through VFIO and can be reset so (by a function level reset
    /// or its power states): its registers are as after power-on, and all its activity ends. `false` when it was
    /// not reset; its driver then has only the reset in the device's registers.
    ///
    /// A reset before use is not needed: the kernel has done the same when the device was taken.
    ///
    /// # Errors
    /// [`Error::VfioRequest`].
    pub fn reset(&self) -> Result<bool, Error> {
        self.config.vfio().map_or(Ok(false), |function| function.reset())
    }

    /// Its configuration space.
    pub fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn pending(&self) -> Result<bool, Error> {
        // Conventional PCI has no such bit, so it reports nothing as pending.
        let Some(express) = self.express else { return Ok(false) };
        let status = self.config.read16(express + DEVICE_STATUS)?;
        Ok(self.config.present(status)? & TRANSACTIONS_PENDING != 0)
    }

    /// Switches bus mastering.
    ///
    /// # Safety
    /// To switch it on, the requirements of [`BusMaster::enable`].
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
/// without a PCI Express capability cannot report pending requests, and counts as having none.
// SAFETY: QUIET-BEFORE-FREE: the command register and the device's own status say so, and the lock keeps
// others away.
unsafe impl<B: Send + Sync + fmt::Debug> BusMaster for Device<B> {
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
