//! The target of a client's access: [`Names`], [`Place`].

use std::collections::HashMap;

use ixy_regs::map::Register;
use ixy_vfio_user::message::pci;

/// Regions beside the registers and the configuration space.
const PORTS: u32 = 2;
const MESSAGES: u32 = 4;
/// The region of a virtual function's messages.
const FUNCTION_MESSAGES: u32 = 3;
const PENDING: u64 = 0x2000;

/// The registers of the configuration space that drivers use, by their first and last byte.
const CONFIG: &[(u64, u64, &str)] = &[
    (0x00, 0x01, "Vendor ID"),
    (0x02, 0x03, "Device ID"),
    (0x04, 0x05, "Command"),
    (0x06, 0x07, "Status"),
    (0x08, 0x08, "Revision"),
    (0x09, 0x0b, "Class Code"),
    (0x0c, 0x0c, "Cache Line Size"),
    (0x0e, 0x0e, "Header Type"),
    (0x10, 0x17, "BAR 0"),
    (0x18, 0x1b, "BAR 2"),
    (0x20, 0x27, "BAR 4"),
    (0x2c, 0x2f, "Subsystem IDs"),
    (0x30, 0x33, "Expansion ROM"),
    (0x34, 0x34, "Capabilities Pointer"),
    (0x3c, 0x3c, "Interrupt Line"),
    (0x3d, 0x3d, "Interrupt Pin"),
    (0x40, 0x43, "Power Management"),
    (0x44, 0x47, "Power Management Control"),
    (0x50, 0x51, "MSI"),
    (0x52, 0x53, "MSI Control"),
    (0x54, 0x67, "MSI"),
    (0x70, 0x71, "MSI-X"),
    (0x72, 0x73, "MSI-X Control"),
    (0x74, 0x7b, "MSI-X Table and PBA"),
    (0xa0, 0xa3, "PCI Express"),
    (0xa4, 0xa7, "Device Capabilities"),
    (0xa8, 0xa9, "Device Control"),
    (0xaa, 0xab, "Device Status"),
    (0xac, 0xaf, "Link Capabilities"),
    (0xb0, 0xb1, "Link Control"),
    (0xb2, 0xb3, "Link Status"),
    (0xb4, 0xdb, "PCI Express"),
    (0xe0, 0xe1, "VPD"),
    (0xe2, 0xe3, "VPD Address"),
    (0xe4, 0xe7, "VPD Data"),
    (0x100, 0x13f, "Advanced Error Reporting"),
    (0x140, 0x14b, "Serial Number"),
    (0x150, 0x157, "ARI"),
    (0x160, 0x167, "SR-IOV"),
    (0x168, 0x169, "SR-IOV Control"),
    (0x16a, 0x16f, "SR-IOV"),
    (0x170, 0x171, "Number of Virtual Functions"),
    (0x172, 0x183, "SR-IOV"),
    (0x184, 0x18b, "BAR 0 of Virtual Functions"),
    (0x190, 0x197, "BAR 3 of Virtual Functions"),
];

/// The registers by their offsets.
pub(crate) struct Names(HashMap<u32, (&'static Register, u32)>);

/// The target of an access.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The name, with an index if there are several.
    pub(crate) name: String,
    pub(crate) index: Option<u32>,
    /// Empty if it is not known.
    pub(crate) section: &'static str,
    pub(crate) register: Option<&'static Register>,
}

impl Names {
    /// The names in a register map.
    pub(crate) fn new(map: impl Iterator<Item = &'static Register>) -> Self {
        let mut names = HashMap::new();
        for register in map {
            for span in register.spans.iter().chain(register.aliases) {
                for offset in span.offsets() {
                    let index = register.index_of(offset).unwrap_or(0);
                    names.entry(offset).or_insert((register, index));
                }
            }
        }
        Self(names)
    }

    /// The target at an offset of a region.
    pub(crate) fn find(&self, region: u32, offset: u64) -> Place {
        let place = |name: &str, index, section| Place { name: name.into(), index, section, register: None };
        match region {
            pci::BAR0 => match u32::try_from(offset).ok().and_then(|offset| self.0.get(&offset)) {
                Some((register, index)) => Place {
                    name: register.name.to_owned(),
                    index: (register.len() > 1).then_some(*index),
                    section: register.section,
                    register: Some(register),
                },
                None => place("a register without a name", None, ""),
            },
            pci::CONFIG => {
                let found = CONFIG.iter().find(|(first, last, _)| (*first..=*last).contains(&offset));
                let name = found.map_or("a byte without a name", |(_, _, name)| name);
                place(name, None, if offset < 0x100 { "9.3" } else { "9.4" })
            }
            PORTS => match offset {
                0 => place("IOADDR", None, "8.1.1.3"),
                4 => place("IODATA", None, "8.1.1.3"),
                _ => place("a port without a name", None, ""),
            },
            FUNCTION_MESSAGES | MESSAGES if offset < PENDING => {
                let word = ["address", "upper address", "data", "control"][offset as usize / 4 % 4];
                place(&format!("MSI-X {word}"), u32::try_from(offset / 16).ok(), "9.3")
            }
            FUNCTION_MESSAGES | MESSAGES => place("MSI-X pending bits", None, "9.3"),
            _ => place("a region without a name", None, ""),
        }
    }
}

/// The name of a region.
pub(crate) fn region(region: u32) -> &'static str {
    match region {
        pci::BAR0 => "register",
        PORTS => "port",
        FUNCTION_MESSAGES | MESSAGES => "message",
        pci::CONFIG => "config",
        _ => "region",
    }
}

#[cfg(test)]
mod tests {
    use ixy_regs::ixgbe;

    use super::*;

    #[test]
    fn registers_have_names_numbers_and_sections() {
        let names = Names::new(ixgbe::all());
        let name = |offset| {
            let place = names.find(pci::BAR0, offset);
            (place.name, place.index)
        };
        assert_eq!(name(0x00008), ("STATUS".into(), None));
        assert_eq!(name(0x01028 + 0x40 * 3), ("RXDCTL".into(), Some(3)));
        assert_eq!(name(0x0D028), ("RXDCTL".into(), Some(64)), "the second bank");
        assert_eq!(name(0x05404 + 8), ("RAH".into(), Some(1)), "an alias");
        assert_eq!(name(0x1fffc), ("a register without a name".into(), None));
        assert_eq!(names.find(pci::BAR0, 0).section, "8.2.3.1.1");
        assert_eq!(names.find(pci::CONFIG, 5).name, "Command");
        assert_eq!(names.find(4, 16 * 7 + 12).name, "MSI-X control");
        assert_eq!(names.find(4, 16 * 7 + 12).index, Some(7));
        let names = Names::new(ixgbe::vf::all());
        assert_eq!(names.find(pci::BAR0, 0x01068).name, "VFRXDCTL");
        assert_eq!(names.find(3, 8).name, "MSI-X data");
    }

    #[test]
    fn no_two_rows_of_the_configuration_space_overlap() {
        for pair in CONFIG.windows(2) {
            assert!(pair[0].1 < pair[1].0 && pair[0].0 <= pair[0].1, "{pair:?}");
        }
    }
}
