//! The IOMMU group of a device: [`Group`].

use std::fs;
use std::io;

use crate::address::Address;
use crate::error::Error;
use crate::sysfs::{self, Sysfs};

/// The devices that an IOMMU cannot keep apart from one. VFIO gives out all of them or none.
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
    /// Where it is.
    pub address: Address,
    /// The kernel driver that it is bound to.
    pub driver: Option<String>,
    /// Whether it is a network controller by its class.
    pub is_network: bool,
}

impl Neighbour {
    /// Whether VFIO refuses the group as long as this device has its driver.
    pub fn is_in_the_way(&self) -> bool {
        !matches!(self.driver.as_deref(), None | Some("vfio-pci" | "pci-stub" | "pcieport"))
    }
}

impl Sysfs {
    /// The IOMMU group of a device; `None` where no IOMMU is on. A neighbour that cannot be looked at is left out.
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

    /// The number at the end of what the link `iommu_group` of a device leads to.
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
