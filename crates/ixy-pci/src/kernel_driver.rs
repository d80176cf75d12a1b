//! Takes a device from the kernel driver that it is bound to.
//!
//! A device can be reached in two ways; [`Access::of`] chooses. Without a kernel driver, its registers are mapped
//! from sysfs. Bound to `vfio-pci`, it is reached through a descriptor of that driver, with an IOMMU that confines
//! its DMA; no other driver has to release it then.

use std::fs::OpenOptions;
use std::io::Write;

use crate::error::Error;
use crate::sysfs::{DeviceInfo, Sysfs};

/// The treatment of a device with a network interface that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenInUse {
    /// Leave it to the kernel, with an error.
    #[default]
    Refuse,
    /// Take it: its interfaces vanish, and with them the connections through them.
    Take,
}

/// The way to reach a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Its BARs can be mapped at once: no kernel driver uses the device.
    Free,
    /// Its BARs can be mapped once it is unbound from its kernel driver.
    Bound,
    /// Through VFIO.
    Vfio,
}

impl Access {
    /// The way to reach the device in its current state.
    pub(crate) fn of(device: &DeviceInfo) -> Self {
        match device.driver.as_deref() {
            None | Some("uio_pci_generic" | "igb_uio" | "pci-stub") => Self::Free,
            Some("vfio-pci") => Self::Vfio,
            Some(_) => Self::Bound,
        }
    }
}

/// Checks that a device may be taken: no interface of it is up.
pub(crate) fn check(device: &DeviceInfo, in_use: WhenInUse) -> Result<Access, Error> {
    let address = device.address;
    let access = Access::of(device);
    if access == Access::Vfio {
        return Err(Error::BoundToVfio { address });
    }
    if in_use == WhenInUse::Take {
        return Ok(access);
    }
    if let Some(interface) = device.interfaces.iter().find(|interface| interface.default_route) {
        return Err(Error::DefaultRoute { address, interface: interface.name.clone() });
    }
    let up = device.interfaces.iter().filter(|interface| interface.up);
    let interfaces: Vec<String> = up.map(|interface| interface.name.clone()).collect();
    if !interfaces.is_empty() {
        return Err(Error::InterfaceUp { address, interfaces });
    }
    // Interfaces in other network namespaces are not visible here, and may be up.
    let without = device.is_network() && device.interfaces.is_empty();
    match &device.driver {
        Some(driver) if device.driven && access == Access::Bound && without => {
            Err(Error::InterfaceHidden { address, driver: driver.clone() })
        }
        _ => Ok(access),
    }
}

/// Unbinds a device from its kernel driver.
pub(crate) fn unbind(sysfs: &Sysfs, device: &DeviceInfo) -> Result<(), Error> {
    let address = device.address;
    let driver = device.driver.as_deref().unwrap_or_default();
    let path = sysfs.path(address).join("driver/unbind");
    let written = OpenOptions::new().write(true).open(&path).and_then(|mut file| {
        // The kernel wants the whole address in one write.
        file.write_all(address.to_string().as_bytes())
    });
    written.map_err(|e| Error::access("write to", address, &path, e))?;
    tracing::info!(
        "{address} taken from the kernel driver {driver}; \
         `echo {address} > /sys/bus/pci/drivers/{driver}/bind` gives it back"
    );
    Ok(())
}
