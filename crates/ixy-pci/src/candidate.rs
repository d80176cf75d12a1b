//! A device that is examined before it is taken: [`Candidate`].

use std::sync::Arc;

use ixy_dma::VfioDomains;

use crate::address::{Address, DeviceId};
use crate::bar::BarBus;
use crate::config::ConfigSpace;
use crate::device::{Device, Supported};
use crate::error::Error;
use crate::kernel_driver::{Access, WhenInUse};
use crate::region::{Bar, BarKind};
use crate::sysfs::{DeviceInfo, Sysfs};
use crate::vfio::Function;

/// A device that is reached through VFIO if it is bound to `vfio-pci`, otherwise through sysfs. Its configuration
/// space can be read, which changes nothing, before a driver states what it needs.
///
/// Through VFIO the device belongs to this process from here on, since its group was opened. The kernel has reset
/// it if it can be reset by itself, so nothing continues that was started before.
///
/// ```no_run
/// use ixy_dma::VfioDomains;
/// use ixy_pci::{Bar, BarKind, Candidate, DeviceId, Sysfs, WhenInUse};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut containers = VfioDomains::default(); // one for all devices that shall share memory
/// let found = Candidate::find(&Sysfs::default(), "00:03.0".parse()?, &mut containers)?;
/// let capabilities = found.config().capabilities()?;
/// let needed = Bar { number: 4, kind: BarKind::Memory, len: 0x4000 };
/// let ids = [DeviceId::new(0x1AF4, 0x1041)];
/// let device = found.take("virtio", &ids, &[needed], WhenInUse::Refuse)?;
/// let memory = device.vfio_domain(); // none through sysfs
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Candidate {
    sysfs: Sysfs,
    info: DeviceInfo,
    config: Arc<ConfigSpace>,
}

impl Candidate {
    /// Examines the device at `address`. Groups of VFIO devices are put into `containers`.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`]; [`Error::NoIommuGroup`], [`Error::Vfio`], [`Error::VfioRequest`]; [`Error::Io`].
    pub fn find(sysfs: &Sysfs, address: Address, containers: &mut VfioDomains) -> Result<Self, Error> {
        let info = sysfs.device(address)?;
        let config = if Access::of(&info) == Access::Vfio {
            let function = Arc::new(Function::open(sysfs, address, containers)?);
            ConfigSpace::open_vfio(sysfs, address, function)?
        } else {
            ConfigSpace::open_read_only(sysfs, address)?
        };
        Ok(Self { sysfs: sysfs.clone(), info, config: Arc::new(config) })
    }

    /// The known properties of the device.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// Its configuration space, for reading. Without VFIO, users other than root see 64 bytes.
    pub fn config(&self) -> &ConfigSpace {
        &self.config
    }

    /// Takes the device for a driver of this name, like [`Device::take`].
    ///
    /// # Errors
    /// Those of [`Device::take`].
    pub fn take(
        self,
        driver: &str,
        ids: &[DeviceId],
        needed: &[Bar],
        in_use: WhenInUse,
    ) -> Result<Device<()>, Error> {
        let Self { sysfs, info, config } = self;
        if config.vfio().is_none() {
            return Device::take(&sysfs, info.address, driver, ids, needed, in_use);
        }
        Device::take_vfio(sysfs, info, config, driver, ids, needed)
    }

    /// Takes the device and maps its registers, like [`Device::open`].
    ///
    /// # Errors
    /// Those of [`Device::open`].
    pub fn open(self, supported: &Supported<'_>, in_use: WhenInUse) -> Result<Device<BarBus>, Error> {
        let Supported { driver, ids, bar, bar_len } = *supported;
        let needed = Bar { number: bar, kind: BarKind::Memory, len: bar_len.into() };
        self.take(driver, ids, &[needed], in_use)?.with_bus(bar, bar_len)
    }
}
