//! A network card of the machine, with all that can be found without touching it: [`Card`].

use std::path::{Path, PathBuf};

use ixy::Missing;
use ixy_cli::Error;
use ixy_igb::models as igb;
use ixy_ixgbe::models;
use ixy_pci::{Address, DeviceId, DeviceInfo, Group, Neighbour};

use crate::system::System;

#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) info: DeviceInfo,
    pub(crate) driver: Driver,
    pub(crate) group: Option<Group>,
    pub(crate) links: Vec<Link>,
    /// The obstacles to opening it.
    pub(crate) missing: Vec<Missing>,
    /// The files about it that could not be read.
    pub(crate) unread: Vec<String>,
}

/// The driver in ixy for a device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Driver {
    Ixgbe(&'static models::Model),
    Igb(&'static igb::Model),
    Virtio,
    /// None, with the reason.
    None(String),
}

/// A network interface of the kernel.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    /// Whether it is up, with or without a link.
    pub(crate) up: bool,
    /// Whether there is a link, if the kernel knows.
    pub(crate) carrier: Option<bool>,
    /// In Mbit/s, if the kernel knows.
    pub(crate) speed: Option<u64>,
    /// Whether a default route leads through it, or through an interface above it.
    pub(crate) default_route: bool,
}

impl Card {
    /// All network controllers, and other devices that a driver of ixy supports, in the order of their addresses.
    pub(crate) fn all(system: &System) -> Result<Vec<Self>, Error> {
        let listed = system.sysfs.devices()?;
        let ours = |info: &DeviceInfo| info.is_network() || !matches!(Driver::of(info.id), Driver::None(_));
        Ok(listed.into_iter().filter(ours).map(|info| Self::from(info, system)).collect())
    }

    /// The device at an address, of any kind.
    pub(crate) fn at(address: Address, system: &System) -> Result<Self, Error> {
        Ok(Self::from(system.sysfs.device(address)?, system))
    }

    fn from(info: DeviceInfo, system: &System) -> Self {
        let directory = system.sysfs.path(info.address);
        let links = info.interfaces.iter().map(|interface| {
            let path = interface_directory(&directory, &interface.name, system);
            let number = |name: &str| system.read(&path.join(name))?.parse::<i64>().ok();
            Link {
                name: interface.name.clone(),
                up: interface.up,
                carrier: number("carrier").map(|carrier| carrier == 1),
                // -1 when the driver does not know it.
                speed: number("speed").and_then(|speed| u64::try_from(speed).ok()).filter(|&speed| speed > 0),
                default_route: interface.default_route,
            }
        });
        let links = links.collect();
        let group = system.sysfs.group(info.address).unwrap_or_else(|error| {
            system.failed(&directory.join("iommu_group"), &std::io::Error::other(error));
            None
        });
        let missing = ixy::missing(&info, &system.options());
        Self { driver: Driver::of(info.id), group, links, missing, info, unread: system.take_unread() }
    }

    /// The other devices in its IOMMU group.
    pub(crate) fn neighbours(&self) -> impl Iterator<Item = &Neighbour> {
        self.group.iter().flat_map(|group| &group.neighbours)
    }

    /// Whether an obstacle forbids taking the card at all.
    pub(crate) fn is_blocked(&self) -> bool {
        self.missing.iter().any(|missing| missing.blocks)
    }

    /// Refuses a device that the kernel uses.
    pub(crate) fn check_unused(&self) -> Result<(), Error> {
        let Some(driver) = self.info.driver.as_deref().filter(|_| self.info.driven) else { return Ok(()) };
        let device = self.info.address.to_string();
        let why = format!(
            "reading all of them would take statistics and interrupt causes from its kernel driver {driver}; leave out --all"
        );
        Err(Error::Registers { device, why })
    }
}

impl Driver {
    fn of(id: DeviceId) -> Self {
        use ixy_virtio::ids;
        if id.vendor == ids::VENDOR && [ids::TRANSITIONAL, ids::MODERN].contains(&id.device) {
            return Self::Virtio;
        }
        if let Ok(model) = igb::find(id.vendor, id.device) {
            return Self::Igb(model);
        }
        match models::find(id.vendor, id.device) {
            Ok(model) => Self::Ixgbe(model),
            Err(error) => Self::None(format!("{error}, {}, and {}", igb::NAMES, ids::NAMES)),
        }
    }

    /// The crate of the driver.
    pub(crate) fn name(&self) -> Option<&'static str> {
        match self {
            Self::Ixgbe(_) => Some("ixy-ixgbe"),
            Self::Igb(_) => Some("ixy-igb"),
            Self::Virtio => Some("ixy-virtio"),
            Self::None(_) => None,
        }
    }
}

/// The directory of an interface: below the device, or below its device on the virtio bus.
fn interface_directory(device: &Path, name: &str, system: &System) -> PathBuf {
    let virtio = system.names(device).into_iter().filter(|entry| entry.starts_with("virtio"));
    let owners = virtio.map(|entry| device.join(entry)).chain([device.to_owned()]);
    let mut paths = owners.map(|owner| owner.join("net").join(name));
    paths.find(|path| path.is_dir()).unwrap_or_else(|| device.join("net").join(name))
}
