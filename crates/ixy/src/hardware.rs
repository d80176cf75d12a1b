//! Cards in the machine: which driver a PCI device gets.

use std::sync::Arc;

use ixy_dma::{DmaDomain, PhysicalDomain, VfioDomains};
use ixy_ixgbe::models;
use ixy_pci::WhenInUse;

use crate::device::Ground;
use crate::error::Error;
pub(crate) use crate::interrupts::interrupts;
use crate::open::Ready;
use crate::options::Options;
use crate::pci;

/// What is known besides the devices of the driver that says that one is none of its own.
const OTHERS: &[&str] = &[
    #[cfg(feature = "igb")]
    ixy_igb::models::NAMES,
    #[cfg(feature = "virtio")]
    ixy_virtio::ids::NAMES,
];

/// Takes the device at `place` for the driver that knows it, if nobody uses it.
pub(crate) fn take(
    address: &str,
    place: ixy_pci::Address,
    options: &Options,
    containers: &mut VfioDomains,
) -> Result<Box<dyn Ready>, Error> {
    let info = options.sysfs.device(place)?;
    #[cfg(feature = "virtio")]
    if crate::virtio::drives(info.id) {
        return Ok(Box::new(crate::virtio::Taken::take(address, place, options, containers)?));
    }
    #[cfg(feature = "igb")]
    if let Some(model) = crate::igb::model(info.id) {
        return Ok(Box::new(crate::igb::Taken::take(address, place, model, options, containers)?));
    }
    match models::find(info.id.vendor, info.id.device) {
        Ok(model) => Ok(Box::new(pci::Taken::take(address, place, model, options, containers)?)),
        Err(source) => {
            let (address, source) = (address.to_owned(), Box::new(source));
            Err(Error::NoDriver { address, source, others: OTHERS })
        }
    }
}

/// The memory that a device reaches: what is mapped in its IOMMU, or else all of physical memory, of which it gets hugepages.
/// New memory comes from its NUMA node, or the one that the options name.
pub(crate) fn domain<B>(device: &ixy_pci::Device<B>, options: &Options) -> Arc<dyn DmaDomain> {
    let node = options.numa.or(device.numa_node());
    match device.vfio_domain() {
        Some(domain) => Arc::new(domain.on_node(node)),
        None => Arc::new(PhysicalDomain::default().on_node(node)),
    }
}

/// What to do when the kernel uses the device.
pub(crate) fn when_in_use(options: &Options) -> WhenInUse {
    if options.force { WhenInUse::Take } else { WhenInUse::Refuse }
}

/// A card in the machine, which its driver keeps.
pub(crate) struct Hardware;

impl Ground for Hardware {}
