//! The EEPROM as drivers read it (sections 6 and 8.2.3.2).

use crate::harness::*;

/// Reads a word as section 8.2.3.2.2 says.
fn word(harness: &Harness, address: u32) -> u16 {
    harness.write(EERD, address << 2 | 1);
    let read = harness.read(EERD);
    assert_eq!(read & 2, 2, "EERD.DONE");
    (read >> 16) as u16
}

#[test]
fn words_are_read_only_when_asked_for() {
    let harness = Harness::new();
    harness.write(EERD, 0x3f << 2);
    assert_eq!(harness.read(EERD) & 2, 0, "no START, no DONE");
    assert_eq!(word(&harness, 0x3fff), 0xffff, "past the end it is as erased");
}

#[test]
fn the_checksum_is_what_section_6_2_2_asks_for() {
    let harness = Harness::new();
    let mut sum = (0..0x40).fold(0_u16, |sum, at| sum.wrapping_add(word(&harness, at)));
    for pointer in (3..15).map(|at| word(&harness, at)).filter(|&p| p != 0 && p != 0xffff) {
        let len = word(&harness, u32::from(pointer));
        for n in 1..=u32::from(len) {
            sum = sum.wrapping_add(word(&harness, u32::from(pointer) + n));
        }
    }
    assert_eq!(sum, 0xBABA);
}

#[test]
fn the_address_is_in_the_lan_core_section() {
    let harness = Harness::new();
    let section = u32::from(word(&harness, 0x09));
    let bytes: Vec<u8> = (1..4).flat_map(|n| word(&harness, section + n).to_le_bytes()).collect();
    assert_eq!(bytes, MAC);
}

#[test]
fn the_table_of_sfp_modules_has_copper_and_optics_for_an_82598_and_for_both_ports_of_an_82599() {
    let harness = Harness::new();
    // The same walk as in stock drivers: skip the header, then read pairs of identifier and pointer until all
    // ones.
    let mut at = u32::from(word(&harness, 0x2b)) + 1;
    let (mut found, mut set_ups) = (Vec::new(), std::collections::BTreeSet::new());
    while found.len() < 16 && word(&harness, at) != 0xffff {
        let sequence = u32::from(word(&harness, at + 1));
        let values: Vec<u16> =
            (1..16).map(|n| word(&harness, sequence + n)).take_while(|&v| v != 0xffff).collect();
        assert!(!values.is_empty() && set_ups.insert(values), "each has a set-up of its own");
        found.push(word(&harness, at));
        at += 2;
    }
    assert_eq!(found, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn other_words_are_those_of_a_production_card() {
    let harness = Harness::new();
    assert_eq!(word(&harness, 0x15), 0xfafa, "the board number is in a block");
    assert_eq!(word(&harness, 0x27), 0xffff, "no storage address");
    assert_eq!(word(&harness, 0x2c) & 0xff, 0xfd, "X520 cards that allow any SFP+ module have this");
    let firmware = u32::from(word(&harness, 0x0f));
    assert_eq!(word(&harness, firmware + 2), 0xffff, "no LESM");
    let patch = u32::from(word(&harness, firmware + 4));
    assert!(word(&harness, patch + 7) > 5, "firmware version");
}

#[test]
fn vital_product_data_are_a_name_and_a_part_number_with_a_sum_of_zero() {
    let harness = Harness::new();
    let bytes: Vec<u8> = (0..64).flat_map(|n| harness.nic.product_data(4 * n)).collect();
    let start = u32::from(word(&harness, 0x2f));
    let words: Vec<u8> = (0..128).flat_map(|n| word(&harness, start + n).to_le_bytes()).collect();
    assert_eq!(bytes, words, "they are in the EEPROM, where word 0x2F says");
    let len = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    assert_eq!(bytes[0], 0x82, "the tag of an identifier string");
    let read_only = 3 + len(1);
    assert_eq!(&bytes[3..read_only], b"ixy software 82599 10 Gigabit Ethernet");
    assert_eq!(bytes[read_only], 0x90, "the tag of read-only data");
    let items = &bytes[read_only + 3..][..len(read_only + 1)];
    assert_eq!(&items[..13], b"PN\x0aE19600-001", "the same number as the board's");
    assert_eq!(&items[13..16], b"RV\x01");
    let end = read_only + 3 + items.len();
    assert_eq!(bytes[..end].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0, "the sum up to RV");
    assert_eq!((bytes[end], bytes[end + 1]), (0x78, 0xff), "the end tag, and nothing behind it");
}

#[test]
fn access_is_granted_while_it_is_asked_for() {
    let harness = Harness::new();
    let eec = harness.read(EEC);
    assert_eq!(eec & (1 << 8 | 1 << 7), 1 << 8, "present, not granted");
    assert_eq!(1 << ((eec >> 11 & 0xf) + 6), 4096, "words");
    harness.write(EEC, 1 << 6);
    assert_eq!(harness.read(EEC) & 1 << 7, 1 << 7);
    harness.write(EEC, 0);
    assert_eq!(harness.read(EEC) & 1 << 7, 0);
    assert_eq!(harness.read(EEC) & 1 << 9, 1 << 9, "ARD cannot be written");
}
