//! The IOMMU group of a device: [`Group`].

use std::fs;
use std::io;

use crate::address::Address;
use crate::error::Error;
use crate::sysfs::{self, Sysfs};

/// The other devices that an IOMMU cannot isolate from one device. VFIO gives access to all of them or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub number: u32,
    /// The other devices in it, in the order of their addresses.
    pub neighbours: Vec<Neighbour>,
}

/// Another device of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its address.
    pub address: Address,
    /// The kernel driver that it is bound to.
    pub driver: Option<String>,
    /// Whether it is a network controller by its class.
    pub is_network: bool,
}

impl Neighbour {
    /// Whether VFIO refuses the group while this device has its driver.
    pub fn is_in_the_way(&self) -> bool {
        !matches!(self.driver.as_deref(), None | Some("vfio-pci" | "pci-stub" | "pcieport"))
    }
}

impl Sysfs {
    /// The IOMMU group of a device; `None` without an active IOMMU. A neighbour that cannot be examined is left
    /// out.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::BadAttribute`] when the link of the group does not end in a number.
    pub fn group(&self, address: Address) -> Result<Option<Group>, Error> {
        let Some(number) = self.group_number(address)? else { return Ok(None) };
        let names = sysfs::names(&self.path(address).join("iommu_group/devices")).unwrap_or_default();
        let others = names.iter().filter_map(|name| name.parse().ok()).filter(|&other| other != address);
        let neighbours = others.filter_map(|other| self.device(other).ok()).map(|info| Neighbour {
            address: info.address,
            is_network: info.is_network(),
            driver: info.driver,
        });
        Ok(Some(Group { number, neighbours: neighbours.collect() }))
    }

    /// The number at the end of the target of a device's link `iommu_group`.
    pub(crate) fn group_number(&self, address: Address) -> Result<Option<u32>, Error> {
        let link = self.path(address).join("iommu_group");
        match fs::read_link(&link) {
            Ok(target) => {
                let name = target.file_name().map(|name| name.to_string_lossy().into_owned());
                let name = name.unwrap_or_default();
                let number = name.parse();
                number.map(Some).map_err(|_| sysfs::bad(&link, &name, "the number of an IOMMU group"))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read the link", &link, e)),
        }
    }
}
