//! The devices that this driver drives, by PCI id.

use crate::error::Error;

/// Intel's PCI vendor id.
pub const INTEL: u16 = 0x8086;

/// One device that this driver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// PCI device id; the vendor is [`INTEL`].
    pub device: u16,
    /// Its name.
    pub name: &'static str,
}

const fn model(device: u16, name: &'static str) -> Model {
    Model { device, name }
}

/// All devices that this driver supports: those with copper ports, on the internal PHY.
pub const MODELS: &[Model] = &[
    model(0x10c9, "82576"),
    model(0x10e8, "82576 quad port"),
    model(0x1526, "82576 quad port (ET2)"),
    model(0x150a, "82576NS"),
];

/// The families by name, for messages of other drivers.
pub const NAMES: &str = "the Intel 82576 with copper ports (8086:10c9, 10e8, 1526, 150a)";

/// The model with these PCI ids.
///
/// # Errors
/// [`Error::NotOurs`], which names the device where that helps.
pub fn find(vendor: u16, device: u16) -> Result<&'static Model, Error> {
    let known = MODELS.iter().find(|model| vendor == INTEL && model.device == device);
    known.ok_or(Error::NotOurs { vendor, device })
}

/// A hint for a device that a user might expect to be supported.
pub(crate) fn hint(device: u16) -> &'static str {
    match device {
        0x10e6 => {
            " (an 82576 for fibre: its SerDes makes the link, and this driver knows only the copper PHY)"
        }
        0x10e7 | 0x150d | 0x1518 => {
            " (an 82576 for a backplane: its SerDes makes the link, and this driver knows only the copper PHY)"
        }
        0x10ca | 0x152d => " (a virtual function: open the physical one)",
        0x10a7 | 0x10a9 | 0x10d6 => " (an 82575, the older relative, whose registers differ)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_copper_port_is_refused_by_name() {
        for (device, word) in [
            (0x10e6, "fibre"),
            (0x10e7, "backplane"),
            (0x150d, "backplane"),
            (0x1518, "backplane"),
            (0x10ca, "virtual function"),
            (0x10a7, "82575"),
        ] {
            let text = find(INTEL, device).unwrap_err().to_string();
            assert!(text.contains(&format!("8086:{device:04x}")) && text.contains(word), "{text}");
        }
    }

    #[test]
    fn the_vendor_counts_and_not_the_device_alone() {
        assert!(find(0x1af4, 0x10c9).is_err());
        assert_eq!(find(INTEL, 0x10c9).map(|m| m.name).unwrap(), "82576");
    }

    #[test]
    fn no_id_stands_twice_and_all_are_named() {
        for (n, model) in MODELS.iter().enumerate() {
            let id = format!("{:04x}", model.device);
            assert!(MODELS[n + 1..].iter().all(|m| m.device != model.device), "{id} is listed twice");
            assert!(NAMES.contains(&id), "{id} is not named");
        }
    }
}
