//! 82599s and their relatives on the PCI bus.

use std::sync::Arc;

use ixy_core::Mempool;
use ixy_dma::{BusMaster, DmaDomain, VfioDomains};
use ixy_ixgbe::{Config, models};
use ixy_pci::{Candidate, DeviceId, Supported};
use ixy_regs::ixgbe::Registers;

use crate::device::Device;
use crate::error::Error;
use crate::hardware::{self, Hardware};
use crate::open::Ready;
use crate::options::Options;

/// A card that was taken from the kernel and cannot reach memory yet.
pub(crate) struct Taken {
    address: String,
    device: Arc<ixy_pci::Device>,
    model: &'static models::Model,
    domain: Arc<dyn DmaDomain>,
}

impl Taken {
    /// Takes the card at `place`, which is a `model`, if it is not in use, and stops its DMA: what an earlier
    /// owner left running must not write into memory that is allocated next.
    pub(crate) fn take(
        address: &str,
        place: ixy_pci::Address,
        model: &'static models::Model,
        options: &Options,
        containers: &mut VfioDomains,
    ) -> Result<Self, Error> {
        let ids = [DeviceId::new(models::INTEL, model.device)];
        let bar_len = Registers::<ixy_pci::BarBus>::SIZE;
        let supported = Supported { driver: "ixgbe", ids: &ids, bar: 0, bar_len };
        let found = Candidate::find(&options.sysfs, place, containers)?;
        let device = found.open(&supported, hardware::when_in_use(options))?;
        device.disable().map_err(|source| Error::of_driver(address, source))?;
        let domain = hardware::domain(&device, options);
        Ok(Self { address: address.to_owned(), device: Arc::new(device), model, domain })
    }
}

impl Ready for Taken {
    fn domain(&self) -> &Arc<dyn DmaDomain> {
        &self.domain
    }

    #[allow(unsafe_code, reason = "this is where a driver is given its card")]
    fn open(self: Box<Self>, options: &Options, pool: &Mempool) -> Result<Device, Error> {
        let Self { address, device, model, domain } = *self;
        let interrupts = hardware::interrupts(&device, options)?;
        let config = Config { model, interrupts, ..options.config() };
        let bus = device.bus().clone();
        // SAFETY: ARMED-ONLY: `take` locked the device, found it to be one of `model`'s, and made the domain for
        // it; nothing else in this process uses it.
        let opened = unsafe { config.open(&address, bus, &domain, device, pool) };
        let card = opened.map_err(|source| Error::of_driver(&address, source))?;
        Ok(Device::new(card, Hardware, domain, pool.clone()))
    }
}
