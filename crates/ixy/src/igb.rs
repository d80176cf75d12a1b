//! 82576s on the PCI bus.

use std::sync::Arc;

use ixy_core::Mempool;
use ixy_dma::{BusMaster, DmaDomain, VfioDomains};
use ixy_igb::{Config, models};
use ixy_pci::{Candidate, DeviceId, Supported};
use ixy_regs::igb;

use crate::device::Device;
use crate::error::Error;
use crate::hardware::{self, Hardware};
use crate::open::Ready;
use crate::options::Options;

/// The driver's model of a device, if it supports it.
pub(crate) fn model(id: DeviceId) -> Option<&'static models::Model> {
    models::find(id.vendor, id.device).ok()
}

/// A card that was taken from the kernel and cannot reach memory yet.
pub(crate) struct Taken {
    address: String,
    device: Arc<ixy_pci::Device>,
    config: Config,
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
        let config = options.igb(model);
        // It has fewer queues than other cards.
        config.check().map_err(|source| Error::of_driver(address, source))?;
        let ids = [DeviceId::new(models::INTEL, model.device)];
        let supported = Supported { driver: "igb", ids: &ids, bar: 0, bar_len: igb::WINDOW };
        let found = Candidate::find(&options.sysfs, place, containers)?;
        let device = found.open(&supported, hardware::when_in_use(options))?;
        device.disable().map_err(|source| Error::of_driver(address, source))?;
        let domain = hardware::domain(&device, options);
        Ok(Self { address: address.to_owned(), device: Arc::new(device), config, domain })
    }
}

impl Ready for Taken {
    fn domain(&self) -> &Arc<dyn DmaDomain> {
        &self.domain
    }

    #[allow(unsafe_code, reason = "this is where a driver is given its card")]
    fn open(self: Box<Self>, options: &Options, pool: &Mempool) -> Result<Device, Error> {
        let Self { address, device, config, domain } = *self;
        let interrupts = hardware::interrupts(&device, options)?;
        let config = Config { interrupts, ..config };
        let bus = device.bus().clone();
        // SAFETY: ARMED-ONLY: `take` locked the device, found it to be one of the configuration's model, and made
        // the domain for it; nothing else in this process uses it.
        let opened = unsafe { config.open(&address, bus, &domain, device, pool) };
        let card = opened.map_err(|source| Error::of_driver(&address, source))?;
        Ok(Device::new(card, Hardware, domain, pool.clone()))
    }
}

impl Options {
    /// The configuration for the 82576's driver, without the vectors, which come from the device.
    fn igb(&self, model: &'static models::Model) -> Config {
        let Self { queues, rx_ring, tx_ring, promiscuous, .. } = *self;
        Config { queues, rx_ring, tx_ring, promiscuous, model, interrupts: None }
    }
}
