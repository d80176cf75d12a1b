//! Virtio network devices on the PCI bus.

use std::collections::BTreeMap;
use std::sync::Arc;

use ixy_core::Mempool;
use ixy_dma::{BusMaster, DmaDomain, VfioDomains};
use ixy_pci::{Bar, BarBus, BarKind, Candidate, ConfigSpace, DeviceId, PortBus, Sysfs};
use ixy_regs::virtio::legacy;
use ixy_regs::window::Window;
use ixy_virtio::{Config, Layout, Region, Structures, Transport, ids};

use crate::device::Device;
use crate::error::Error;
use crate::hardware::{self, Hardware};
use crate::open::Ready;
use crate::options::Options;

/// The name of the driver, for messages.
pub(crate) const DRIVER: &str = "virtio";

/// The devices that the driver supports.
const IDS: [DeviceId; 2] =
    [DeviceId::new(ids::VENDOR, ids::TRANSITIONAL), DeviceId::new(ids::VENDOR, ids::MODERN)];

/// The registers of the legacy interface in BAR 0. The device's configuration follows them; none of it has to
/// exist (section 4.1.4.10).
const LEGACY: Bar = Bar { number: 0, kind: BarKind::Ports, len: legacy::DEVICE_CONFIG as u64 };

/// Whether the driver supports such a device.
pub(crate) fn drives(id: DeviceId) -> bool {
    IDS.contains(&id)
}

/// The BARs that the driver needs of the device at `place`.
pub(crate) fn needed(sysfs: &Sysfs, place: ixy_pci::Address) -> Result<Vec<Bar>, Error> {
    let config = ConfigSpace::open_read_only(sysfs, place)?;
    Ok(Interface::of(&place.to_string(), &config, sysfs)?.needed())
}

/// A device that was taken from the kernel and reset, and cannot reach memory yet.
pub(crate) struct Taken {
    address: String,
    device: Arc<ixy_pci::Device<()>>,
    registers: Registers,
    domain: Arc<dyn DmaDomain>,
}

/// The registers of a device.
enum Registers {
    Legacy(Transport<PortBus>),
    Modern(Transport<Window<BarBus>>),
}

/// The interface of virtio in use.
#[derive(Debug)]
enum Interface {
    /// The legacy one, behind the ports of BAR 0.
    Legacy,
    /// The modern one, in the memory that capabilities name.
    Modern(Layout),
}

impl Taken {
    /// Takes the device at `place`, which is one of [`IDS`], if it is not in use, resets it and stops its DMA:
    /// what an earlier owner left running must not write into memory that is allocated next.
    pub(crate) fn take(
        address: &str,
        place: ixy_pci::Address,
        options: &Options,
        containers: &mut VfioDomains,
    ) -> Result<Self, Error> {
        let driver = |source: ixy_virtio::Error| Error::of_driver(address, source);
        let found = Candidate::find(&options.sysfs, place, containers)?;
        let interface = Interface::of(address, found.config(), &options.sysfs)?;
        let in_use = hardware::when_in_use(options);
        let device = found.take(DRIVER, &IDS, &interface.needed(), in_use)?;
        device.disable().map_err(|source| Error::of_driver(address, source))?;

        let registers = match interface {
            Interface::Legacy => {
                let ports = device.ports(LEGACY.number, legacy::DEVICE_CONFIG)?;
                Registers::Legacy(Transport::legacy(ports).map_err(driver)?)
            }
            Interface::Modern(layout) => {
                let structures = structures(address, &device, &layout)?;
                Registers::Modern(Transport::modern(structures).map_err(driver)?)
            }
        };
        let quiet = match &registers {
            Registers::Legacy(transport) => transport.quiesce(address),
            Registers::Modern(transport) => transport.quiesce(address),
        };
        quiet.map_err(driver)?;
        let domain = hardware::domain(&device, options);
        Ok(Self { address: address.to_owned(), device: Arc::new(device), registers, domain })
    }
}

impl Interface {
    /// Chooses the modern interface if the device has it, and else the legacy one. This changes nothing.
    fn of(address: &str, config: &ConfigSpace, sysfs: &Sysfs) -> Result<Self, Error> {
        let place = config.address();
        let transitional = config.id()?.device == ids::TRANSITIONAL;
        let list = config.capability_list()?;
        let capabilities: Vec<_> = config
            .vendor_capabilities(&list.entries)?
            .into_iter()
            .map(|capability| capability.bytes)
            .collect();
        let bars = sysfs.bars(place)?;
        let kind = |number| bars.iter().find(|bar| bar.number == number).map(|bar| bar.kind);

        // A structure can exist twice, in memory and behind ports; the one in memory is used.
        let missing = match Layout::find(&capabilities, |bar| kind(bar) == Some(BarKind::Memory)) {
            Ok(layout) => return Ok(Self::Modern(layout)),
            Err(missing) => missing,
        };
        if transitional && kind(LEGACY.number) == Some(BarKind::Ports) {
            tracing::debug!(device = address, %missing, "the legacy interface is used");
            return Ok(Self::Legacy);
        }
        if let Some(how) = list.broken {
            return Err(ixy_pci::Error::BrokenCapabilities { address: place, how }.into());
        }
        // If only the BAR of an interface is missing, taking the device reports which BAR that is.
        match Layout::find(&capabilities, |bar| kind(bar) != Some(BarKind::Ports)) {
            Ok(layout) => Ok(Self::Modern(layout)),
            Err(_) if transitional && capabilities.is_empty() => Ok(Self::Legacy),
            Err(_) => Err(Error::of_driver(address, missing)),
        }
    }

    /// The BARs with its structures, each once, and the size used in each.
    fn needed(&self) -> Vec<Bar> {
        let Self::Modern(layout) = self else { return vec![LEGACY] };
        let mut ends = BTreeMap::new();
        for Region { bar, offset, len } in [layout.common, layout.notify, layout.isr, layout.device] {
            let end = ends.entry(bar).or_insert(0);
            *end = u64::from(offset).saturating_add(len.into()).max(*end);
        }
        ends.into_iter().map(|(number, len)| Bar { number, kind: BarKind::Memory, len }).collect()
    }
}

/// Creates a window for each structure, in BARs that are mapped once each.
fn structures(
    address: &str,
    device: &ixy_pci::Device<()>,
    layout: &Layout,
) -> Result<Structures<Window<BarBus>>, Error> {
    let mut mapped = BTreeMap::<u8, BarBus>::new();
    let mut window = |structure, Region { bar, offset, len }: Region| {
        let bus = match mapped.get(&bar) {
            Some(bus) => bus.clone(),
            None => mapped.entry(bar).or_insert(device.map(bar, offset.saturating_add(len))?).clone(),
        };
        Window::new(bus, offset, len)
            .map_err(|source| Error::of_driver(address, ixy_virtio::Error::Window { structure, source }))
    };
    Ok(Structures {
        common: window("common configuration", layout.common)?,
        notify: window("notifications", layout.notify)?,
        notify_multiplier: layout.notify_multiplier,
        // Only one byte of it is read, wherever it is.
        isr: window("ISR status", Region { len: layout.isr.len.min(1), ..layout.isr })?,
        device: window("device configuration", layout.device)?,
    })
}

impl Ready for Taken {
    fn domain(&self) -> &Arc<dyn DmaDomain> {
        &self.domain
    }

    #[allow(unsafe_code, reason = "this is where a driver is given its card")]
    fn open(self: Box<Self>, options: &Options, pool: &Mempool) -> Result<Device, Error> {
        let Self { address, device, registers, domain } = *self;
        let interrupts = hardware::interrupts(&device, options)?;
        let config = Config { interrupts, ..options.virtio(device.behind_iommu()) };
        let driver = |source: ixy_virtio::Error| Error::of_driver(&address, source);
        match registers {
            Registers::Legacy(transport) => {
                // SAFETY: ARMED-ONLY: `take` locked the device, found it to be a virtio network device, and made
                // the domain for it; nothing else in this process uses it.
                let opened = unsafe { config.open(&address, transport, &domain, device, pool) };
                Ok(Device::new(opened.map_err(driver)?, Hardware, domain, pool.clone()))
            }
            Registers::Modern(transport) => {
                // SAFETY: ARMED-ONLY: as above.
                let opened = unsafe { config.open(&address, transport, &domain, device, pool) };
                Ok(Device::new(opened.map_err(driver)?, Hardware, domain, pool.clone()))
            }
        }
    }
}

impl Options {
    /// The configuration for the virtio driver, without the vectors, which come from the device.
    fn virtio(&self, behind_iommu: bool) -> Config {
        let Self { queues, rx_ring, tx_ring, promiscuous, checksum_offload, .. } = *self;
        Config { queues, rx_ring, tx_ring, promiscuous, behind_iommu, checksum_offload, interrupts: None }
    }
}

#[cfg(test)]
mod tests;
