//! Configuration space and capabilities.

use std::fs;

use ixy_pci::{BrokenList, Capability, ConfigSpace, Error, ExtendedCapability};

use crate::tree::{Tree, address};

fn open(tree: &Tree) -> ConfigSpace {
    ConfigSpace::open(&tree.sysfs(), address()).unwrap()
}

/// A device with 4,096 bytes of configuration space, and the power management, MSI, MSI-X and PCI Express
/// capabilities at an 82599's offsets.
fn express() -> Tree {
    let tree = Tree::with_device();
    fs::File::options().write(true).open(tree.file("config")).unwrap().set_len(4096).unwrap();
    tree.poke(0x34, &[0x40]);
    tree.poke(0x40, &[0x01, 0x50]);
    tree.poke(0x50, &[0x05, 0x70]);
    tree.poke(0x70, &[0x11, 0xA0]);
    tree.poke(0xA0, &[0x10, 0x00]);
    tree
}

fn ids(tree: &Tree) -> Vec<(u8, u16)> {
    open(tree).capabilities().unwrap().iter().map(|c| (c.id, c.offset)).collect()
}

#[test]
fn values_are_little_endian_and_reach_the_file() {
    let tree = Tree::with_device();
    let config = open(&tree);
    assert_eq!(config.len(), 256);
    assert_eq!(config.id().unwrap().to_string(), "8086:10fb");
    assert_eq!(config.read32(0).unwrap(), 0x10FB_8086);
    assert_eq!(config.read8(3).unwrap(), 0x10);
    // SAFETY: ARMED-ONLY: the device is a tree of files.
    unsafe {
        config.write8(0x80, 0x11).unwrap();
        config.write16(0x82, 0x3322).unwrap();
        config.write32(0xFC, 0x7766_5544).unwrap();
    }
    let file = fs::read(tree.file("config")).unwrap();
    assert_eq!(file[0x80..0x84], [0x11, 0, 0x22, 0x33]);
    assert_eq!(file[0xFC..], [0x44, 0x55, 0x66, 0x77]);
}

#[test]
fn an_access_outside_or_across_a_register_is_refused() {
    let tree = Tree::with_device();
    let config = open(&tree);
    assert!(matches!(config.read8(256), Err(Error::ConfigBounds { offset: 256, width: 1, len: 256, .. })));
    assert!(matches!(config.read32(256), Err(Error::ConfigBounds { .. })));
    // SAFETY: ARMED-ONLY: the device is a tree of files, here and below.
    assert!(matches!(unsafe { config.write32(0x100, 0) }, Err(Error::ConfigBounds { .. })));
    assert!(matches!(config.read8(u16::MAX), Err(Error::ConfigBounds { .. })));
    assert!(matches!(config.read16(1), Err(Error::ConfigUnaligned { width: 2, .. })));
    // SAFETY: as above.
    assert!(matches!(unsafe { config.write32(2, 0) }, Err(Error::ConfigUnaligned { width: 4, .. })));
    assert_eq!(fs::metadata(tree.file("config")).unwrap().len(), 256);
}

#[test]
fn the_part_hidden_from_an_ordinary_user_says_so() {
    let tree = Tree::with_device();
    let visible = fs::read(tree.file("config")).unwrap()[..64].to_vec();
    tree.write("config", visible);
    tree.poke(0x34, &[0x40]);
    let config = ConfigSpace::open_read_only(&tree.sysfs(), address()).unwrap();
    assert_eq!(config.id().unwrap().to_string(), "8086:10fb");
    let error = config.capabilities().unwrap_err();
    assert!(matches!(error, Error::ConfigHidden { offset: 0x40, .. }), "{error}");
    assert!(error.to_string().contains("run as root"), "{error}");
}

#[test]
fn capabilities_come_in_the_order_of_the_list() {
    let tree = express();
    assert_eq!(ids(&tree), [(0x01, 0x40), (0x05, 0x50), (0x11, 0x70), (0x10, 0xA0)]);
    let config = open(&tree);
    let found = config.capability(Capability::MSI_X).unwrap();
    assert_eq!(found, Some(Capability { id: 0x11, offset: 0x70 }));
    assert_eq!(config.capability(Capability::VENDOR_SPECIFIC).unwrap(), None);
}

#[test]
fn a_device_whose_status_denies_a_list_has_no_capabilities() {
    let tree = express();
    tree.poke(0x06, &[0, 0]);
    assert_eq!(ids(&tree), []);
}

#[test]
fn reserved_bits_of_a_pointer_are_ignored() {
    let tree = express();
    tree.poke(0x34, &[0xA3]);
    assert_eq!(ids(&tree), [(0x10, 0xA0)]);
}

#[test]
fn a_list_that_loops_or_leads_into_the_header_ends() {
    let tree = express();
    tree.poke(0xA1, &[0x50]);
    assert_eq!(ids(&tree), [(0x01, 0x40), (0x05, 0x50), (0x11, 0x70), (0x10, 0xA0)]);
    tree.poke(0xA1, &[0xA0]);
    assert_eq!(ids(&tree).len(), 4);
    tree.poke(0xA1, &[0x34]);
    assert_eq!(ids(&tree).len(), 4);
}

#[test]
fn a_list_without_an_end_says_where_it_goes_wrong() {
    let tree = express();
    let broken = || open(&tree).capability_list().unwrap().broken;
    assert_eq!(broken(), None);
    tree.poke(0xA1, &[0x50]);
    assert_eq!(broken(), Some(BrokenList::Loops { to: 0x50 }));
    tree.poke(0xA1, &[0x34]);
    assert_eq!(broken(), Some(BrokenList::LeadsOutside { to: 0x34 }));
    tree.poke(0x34, &[0x10]);
    assert_eq!(broken(), Some(BrokenList::LeadsOutside { to: 0x10 }));
    assert!(open(&tree).capability_list().unwrap().entries.is_empty());

    let how = BrokenList::Loops { to: 0x50 };
    let text = Error::BrokenCapabilities { address: address(), how }.to_string();
    assert!(text.contains("the capability list of 0000:03:00.0 loops") && text.contains("0x50"), "{text}");
    assert!(text.contains("`lspci -vv -s 0000:03:00.0`"), "{text}");
}

#[test]
fn vendor_capabilities_come_with_their_bytes() {
    let tree = express();
    tree.poke(0xA1, &[0xB0]);
    tree.poke(0xB0, &[0x09, 0xC8, 6, 1, 2, 3, 99]);
    tree.poke(0xC8, &[0x09, 0x00, 3, 99]);
    let config = open(&tree);
    let found = config.vendor_capabilities(&config.capabilities().unwrap()).unwrap();
    let found: Vec<_> = found.iter().map(|capability| (capability.offset, &capability.bytes[..])).collect();
    assert_eq!(found, [(0xB0, &[0x09, 0xC8, 6, 1, 2, 3][..]), (0xC8, &[0x09, 0, 3])]);
}

#[test]
fn a_vendor_capability_ends_with_the_space_it_is_in() {
    let tree = express();
    for (offset, length, found) in
        [(0xF0_u8, 255, 16), (0xFC, 16, 4), (0xFC, 4, 4), (0xE0, 0, 0), (0x40, 255, 192)]
    {
        tree.poke(0x34, &[offset]);
        tree.poke(offset.into(), &[0x09, 0, length, 0]);
        let config = open(&tree);
        let all = config.vendor_capabilities(&config.capabilities().unwrap()).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].bytes.len(), found, "{length} bytes at {offset:#x}");
    }
}

#[test]
fn a_vendor_capability_outside_of_the_space_is_an_error() {
    let config = open(&express());
    for offset in [0x0FFE, 0x1000, 0xFFFF] {
        let entry = Capability { id: Capability::VENDOR_SPECIFIC, offset };
        let found = config.vendor_capabilities(&[entry]);
        assert!(matches!(found, Err(Error::ConfigBounds { .. })), "{offset:#x}: {found:?}");
    }
}

#[test]
fn a_vendor_capability_hidden_from_an_ordinary_user_says_so() {
    let tree = Tree::with_device();
    let visible = fs::read(tree.file("config")).unwrap()[..64].to_vec();
    tree.write("config", visible);
    let config = ConfigSpace::open_read_only(&tree.sysfs(), address()).unwrap();
    let entry = Capability { id: Capability::VENDOR_SPECIFIC, offset: 0x40 };
    assert!(matches!(config.vendor_capabilities(&[entry]), Err(Error::ConfigHidden { .. })));
}

#[test]
fn a_list_of_every_possible_entry_ends() {
    let tree = express();
    for offset in (0x40..=0xFCu8).step_by(4) {
        tree.poke(offset.into(), &[0x09, offset.wrapping_add(4)]);
    }
    assert_eq!(ids(&tree).len(), 48);
}

#[test]
fn a_device_that_is_gone_is_not_walked() {
    let tree = Tree::with_device();
    tree.write("config", [0xFF; 256]);
    let config = open(&tree);
    assert!(matches!(config.id(), Err(Error::Gone { .. })));
    assert!(matches!(config.capabilities(), Err(Error::Gone { .. })));
    assert!(config.extended_capabilities().unwrap().is_empty());
}

#[test]
fn extended_capabilities_are_walked_with_their_versions() {
    let tree = express();
    let entry = |id: u32, version: u32, next: u32| (id | version << 16 | next << 20).to_le_bytes();
    assert!(open(&tree).extended_capabilities().unwrap().is_empty());
    tree.poke(0x100, &entry(0x01, 2, 0x140));
    tree.poke(0x140, &entry(0x03, 1, 0x160));
    tree.poke(0x160, &entry(0x10, 1, 0));
    let all = [(0x01, 2, 0x100), (0x03, 1, 0x140), (0x10, 1, 0x160)];
    let all = all.map(|(id, version, offset)| ExtendedCapability { id, version, offset });
    assert_eq!(open(&tree).extended_capabilities().unwrap(), all);

    for next in [0x100, 0x140, 0x0C0] {
        tree.poke(0x160, &entry(0x10, 1, next));
        assert_eq!(open(&tree).extended_capabilities().unwrap(), all, "next {next:#x}");
    }
}

#[test]
fn conventional_pci_has_no_extended_capabilities() {
    assert!(open(&Tree::with_device()).extended_capabilities().unwrap().is_empty());
}
