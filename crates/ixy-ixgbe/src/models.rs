//! The devices that this driver drives, by PCI id.

use std::time::Duration;

use crate::error::Error;

/// Intel's PCI vendor id.
pub const INTEL: u16 = 0x8086;

/// The kind of MAC in a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mac {
    /// 82599: the card of the datasheet and this driver.
    I82599,
    /// X540: 10GBASE-T, with its PHY behind MDIO. Untested.
    X540,
    /// X550: like X540. Untested.
    X550,
}

/// The medium of the MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A pluggable module in an SFP+ cage, set up by the driver.
    SfpPlus,
    /// A backplane or a fixed transceiver, set up by the EEPROM.
    Fixed,
    /// A twisted-pair PHY that starts by itself, behind MDIO.
    Copper,
}

/// One device that this driver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// PCI device id; the vendor is [`INTEL`].
    pub device: u16,
    /// Its name.
    pub name: &'static str,
    /// Its MAC.
    pub mac: Mac,
    /// The medium of its MAC.
    pub medium: Medium,
}

impl Model {
    /// The time that software waits after a reset before it accesses the card: more than section 4.6.3.2's 10 ms,
    /// like stock drivers.
    pub(crate) fn after_reset(&self) -> Duration {
        Duration::from_millis(if self.mac == Mac::I82599 { 50 } else { 100 })
    }

    /// Size of the receive packet buffer in KB (82599: section 8.2.3.8.9).
    pub(crate) fn rx_buffer_kb(&self) -> u32 {
        if self.mac == Mac::I82599 { 512 } else { 384 }
    }
}

const fn model(device: u16, name: &'static str, mac: Mac, medium: Medium) -> Model {
    Model { device, name, mac, medium }
}

/// All devices that this driver knows.
pub const MODELS: &[Model] = &[
    model(0x10fb, "82599ES SFP+", Mac::I82599, Medium::SfpPlus),
    model(0x1507, "82599 SFP+ (EM)", Mac::I82599, Medium::SfpPlus),
    model(0x154d, "82599 SFP+ (SF2)", Mac::I82599, Medium::SfpPlus),
    model(0x154a, "82599 quad SFP+", Mac::I82599, Medium::SfpPlus),
    model(0x1529, "82599 SFP+ (FCoE)", Mac::I82599, Medium::SfpPlus),
    model(0x1557, "82599EN SFP+", Mac::I82599, Medium::SfpPlus),
    model(0x10f7, "82599 KX4 backplane", Mac::I82599, Medium::Fixed),
    model(0x10f8, "82599 combined backplane", Mac::I82599, Medium::Fixed),
    model(0x10f9, "82599 CX4", Mac::I82599, Medium::Fixed),
    model(0x10fc, "82599 XAUI", Mac::I82599, Medium::Fixed),
    model(0x1514, "82599 KX4 mezzanine", Mac::I82599, Medium::Fixed),
    model(0x1517, "82599 KR backplane", Mac::I82599, Medium::Fixed),
    model(0x152a, "82599 backplane (FCoE)", Mac::I82599, Medium::Fixed),
    model(0x151c, "82599 10GBASE-T", Mac::I82599, Medium::Copper),
    model(0x1528, "X540-AT2", Mac::X540, Medium::Copper),
    model(0x1560, "X540-AT1", Mac::X540, Medium::Copper),
    model(0x1563, "X550-T2", Mac::X550, Medium::Copper),
    model(0x15d1, "X550-T1", Mac::X550, Medium::Copper),
];

/// The model with these PCI ids.
///
/// # Errors
/// [`Error::NotOurs`], which names the device where that helps.
pub fn find(vendor: u16, device: u16) -> Result<&'static Model, Error> {
    let known = MODELS.iter().find(|model| vendor == INTEL && model.device == device);
    known.ok_or(Error::NotOurs { vendor, device })
}

/// The families by name, for a message.
pub(crate) fn names() -> &'static str {
    "the Intel 82599 family, X540 and X550 (`lspci -nn -d 8086:` lists what is there)"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_x550em_is_refused_by_name() {
        let text = find(INTEL, 0x15ac).unwrap_err().to_string();
        assert!(text.contains("8086:15ac") && text.contains("X550EM"), "{text}");
    }

    #[test]
    fn relatives_that_are_not_driven_are_refused_with_their_own_reason() {
        for (device, reason) in [
            (0x10d8, "EEPROM is blank"),
            (0x10a6, "placeholder"),
            (0x1558, "QSFP+"),
            (0x154f, "transceiver of its own"),
            (0x155d, "bypass"),
            (0x10ed, "virtual function"),
            (0x15c5, "virtual function"),
            (0x10b6, "82598"),
        ] {
            let text = find(INTEL, device).unwrap_err().to_string();
            assert!(text.contains(&format!("8086:{device:04x}")) && text.contains(reason), "{text}");
        }
    }

    #[test]
    fn the_vendor_counts_and_not_the_device_alone() {
        assert!(find(0x1af4, 0x10fb).is_err());
        assert_eq!(find(INTEL, 0x10fb).map(|m| m.name).unwrap(), "82599ES SFP+");
    }

    #[test]
    fn no_id_stands_twice() {
        for (n, model) in MODELS.iter().enumerate() {
            assert!(
                MODELS[n + 1..].iter().all(|m| m.device != model.device),
                "{:04x} is listed twice",
                model.device
            );
        }
    }
}
