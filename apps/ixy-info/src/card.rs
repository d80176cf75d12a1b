//! A network card of the machine, as far as it can be known without touching it: [`Card`].

use std::path::{Path, PathBuf};

use ixy_cli::Error;
use ixy_igb::models as igb;
use ixy_ixgbe::models;
use ixy_pci::{Address, DeviceId, DeviceInfo};

use crate::system::System;

/// Network controllers, in the upper 8 of the 24 bits of a class.
const CLASS_NETWORK: u32 = 0x02;

#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) info: DeviceInfo,
    pub(crate) driver: Driver,
    /// The number of its IOMMU group.
    pub(crate) group: Option<String>,
    /// The others in that group.
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) links: Vec<Link>,
    /// What could not be read of it.
    pub(crate) unread: Vec<String>,
}

/// Which driver of ixy's drives a device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Driver {
    Ixgbe(&'static models::Model),
    Igb(&'static igb::Model),
    Virtio,
    /// None, with the reason.
    None(String),
}

/// A network interface of the kernel's.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    /// Whether it is up, with or without a link.
    pub(crate) up: bool,
    /// Whether there is a link, as far as the kernel knows.
    pub(crate) carrier: Option<bool>,
    /// In Mbit/s, as far as the kernel knows.
    pub(crate) speed: Option<u64>,
    /// Whether a default route leads through it, or through an interface above it.
    pub(crate) default_route: bool,
}

/// A device in the same IOMMU group.
#[derive(Debug)]
pub(crate) struct Neighbour {
    pub(crate) name: String,
    pub(crate) driver: Option<String>,
    pub(crate) network: bool,
}

impl Card {
    /// All network controllers, and other devices that a driver of ixy's knows, in the order of their addresses.
    pub(crate) fn all(system: &System) -> Result<Vec<Self>, Error> {
        let listed = system.sysfs.devices()?;
        let ours = |info: &DeviceInfo| is_network(info) || !matches!(Driver::of(info.id), Driver::None(_));
        Ok(listed.into_iter().filter(ours).map(|info| Self::from(info, system)).collect())
    }

    /// The device at an address, whatever it is.
    pub(crate) fn at(address: Address, system: &System) -> Result<Self, Error> {
        Ok(Self::from(system.sysfs.device(address)?, system))
    }

    fn from(info: DeviceInfo, system: &System) -> Self {
        let directory = system.sysfs.path(info.address);
        let routes = system.default_routes();
        let links = info.interfaces.iter().map(|interface| {
            let path = interface_directory(&directory, &interface.name, system);
            let number = |name: &str| system.read(&path.join(name))?.parse::<i64>().ok();
            Link {
                name: interface.name.clone(),
                up: interface.up,
                carrier: number("carrier").map(|carrier| carrier == 1),
                // -1 where the driver does not know it.
                speed: number("speed").and_then(|speed| u64::try_from(speed).ok()).filter(|&speed| speed > 0),
                default_route: routes.contains(&interface.name)
                    || system.uppers(&path).iter().any(|upper| routes.contains(upper)),
            }
        });
        let links = links.collect();
        let group = directory.join("iommu_group");
        let number = std::fs::canonicalize(&group).ok();
        let number = number.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        let others = system.names(&group.join("devices")).into_iter();
        let others = others.filter(|name| *name != info.address.to_string());
        let neighbours = others.filter_map(|name| Neighbour::find(name, system)).collect();
        Self {
            driver: Driver::of(info.id),
            group: number,
            neighbours,
            links,
            info,
            unread: system.take_unread(),
        }
    }

    /// Whether it is a network controller by its class.
    pub(crate) fn is_network(&self) -> bool {
        is_network(&self.info)
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

    /// Packet buffers that it wants for one card with the defaults of the programs.
    pub(crate) fn buffers(&self) -> usize {
        match self {
            Self::Ixgbe(_) => ixy_ixgbe::Config::default().buffers(),
            Self::Igb(_) => ixy_igb::Config::default().buffers(),
            Self::Virtio => ixy_virtio::Config::default().buffers(),
            Self::None(_) => 0,
        }
    }
}

impl Neighbour {
    /// A device of the group, if it is none that forwards for others only, as a bridge does.
    fn find(name: String, system: &System) -> Option<Self> {
        let info = match system.sysfs.device(name.parse().ok()?) {
            Ok(info) => info,
            Err(error) => {
                system.failed(&system.path(&name), &std::io::Error::other(error));
                return None;
            }
        };
        let network = is_network(&info);
        Some(Self { name, driver: info.driver, network })
    }

    /// Whether VFIO leaves the whole group alone while this driver has the device.
    pub(crate) fn in_the_way(&self) -> bool {
        !matches!(self.driver.as_deref(), None | Some("vfio-pci" | "pci-stub" | "pcieport"))
    }
}

fn is_network(info: &DeviceInfo) -> bool {
    info.class.is_some_and(|class| class >> 16 == CLASS_NETWORK)
}

/// The directory of an interface: below the device, or below the device of the virtio bus that it is passed on as.
fn interface_directory(device: &Path, name: &str, system: &System) -> PathBuf {
    let virtio = system.names(device).into_iter().filter(|entry| entry.starts_with("virtio"));
    let owners = virtio.map(|entry| device.join(entry)).chain([device.to_owned()]);
    let mut paths = owners.map(|owner| owner.join("net").join(name));
    paths.find(|path| path.is_dir()).unwrap_or_else(|| device.join("net").join(name))
}
