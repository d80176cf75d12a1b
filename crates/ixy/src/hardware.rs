//! Cards in the machine: the choice of a PCI device's driver.

use std::sync::Arc;

use ixy_dma::{DmaDomain, PhysicalDomain, VfioDomains};
use ixy_ixgbe::models;
use ixy_pci::{Bar, BarKind, DeviceId, Sysfs, WhenInUse};

use crate::device::Ground;
use crate::error::Error;
pub(crate) use crate::interrupts::interrupts;
use crate::open::Ready;
use crate::options::Options;
use crate::pci;

/// The devices of the other drivers, for the message of the driver that does not know a device.
const OTHERS: &[&str] = &[
    #[cfg(feature = "igb")]
    ixy_igb::models::NAMES,
    #[cfg(feature = "virtio")]
    ixy_virtio::ids::NAMES,
];

/// The driver of a device.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Ixgbe(&'static models::Model),
    #[cfg(feature = "igb")]
    Igb(&'static ixy_igb::models::Model),
    #[cfg(feature = "virtio")]
    Virtio,
}

impl Kind {
    /// The driver for a device with these ids; `address` is for the message that there is none.
    pub(crate) fn of(address: &str, id: DeviceId) -> Result<Self, Error> {
        #[cfg(feature = "virtio")]
        if crate::virtio::drives(id) {
            return Ok(Self::Virtio);
        }
        #[cfg(feature = "igb")]
        if let Some(model) = crate::igb::model(id) {
            return Ok(Self::Igb(model));
        }
        models::find(id.vendor, id.device).map(Self::Ixgbe).map_err(|source| Error::NoDriver {
            address: address.to_owned(),
            source: source.into(),
            others: OTHERS,
        })
    }

    /// The driver's name, for messages.
    pub(crate) fn driver(self) -> &'static str {
        match self {
            Self::Ixgbe(_) => "ixgbe",
            #[cfg(feature = "igb")]
            Self::Igb(_) => "igb",
            #[cfg(feature = "virtio")]
            Self::Virtio => crate::virtio::DRIVER,
        }
    }

    /// The BARs that its driver needs of the device at `place`. Nothing is changed.
    #[cfg_attr(
        not(feature = "virtio"),
        allow(unused_variables, reason = "only virtio devices have to be looked at")
    )]
    pub(crate) fn needed(self, sysfs: &Sysfs, place: ixy_pci::Address) -> Result<Vec<Bar>, Error> {
        let memory = |len: u32| vec![Bar { number: 0, kind: BarKind::Memory, len: len.into() }];
        match self {
            Self::Ixgbe(_) => Ok(memory(ixy_regs::ixgbe::WINDOW)),
            #[cfg(feature = "igb")]
            Self::Igb(_) => Ok(memory(ixy_regs::igb::WINDOW)),
            #[cfg(feature = "virtio")]
            Self::Virtio => crate::virtio::needed(sysfs, place),
        }
    }
}

/// Takes the device at `place` for its driver, if it is not in use.
pub(crate) fn take(
    address: &str,
    place: ixy_pci::Address,
    options: &Options,
    containers: &mut VfioDomains,
) -> Result<Box<dyn Ready>, Error> {
    let info = options.sysfs.device(place)?;
    Ok(match Kind::of(address, info.id)? {
        Kind::Ixgbe(model) => Box::new(pci::Taken::take(address, place, model, options, containers)?),
        #[cfg(feature = "igb")]
        Kind::Igb(model) => Box::new(crate::igb::Taken::take(address, place, model, options, containers)?),
        #[cfg(feature = "virtio")]
        Kind::Virtio => Box::new(crate::virtio::Taken::take(address, place, options, containers)?),
    })
}

/// The memory that a device reaches: mappings in its IOMMU, or else all of physical memory, in hugepages. New
/// memory comes from its NUMA node, or the one in the options.
pub(crate) fn domain<B>(device: &ixy_pci::Device<B>, options: &Options) -> Arc<dyn DmaDomain> {
    let node = options.numa.or(device.numa_node());
    match device.vfio_domain() {
        Some(domain) => Arc::new(domain.on_node(node)),
        None => Arc::new(PhysicalDomain::default().on_node(node)),
    }
}

/// The treatment of a device that the kernel uses.
pub(crate) fn when_in_use(options: &Options) -> WhenInUse {
    if options.force { WhenInUse::Take } else { WhenInUse::Refuse }
}

/// A card in the machine, which its driver owns.
pub(crate) struct Hardware;

impl Ground for Hardware {}
