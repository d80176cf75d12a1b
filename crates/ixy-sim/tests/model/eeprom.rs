//! The EEPROM as drivers read it (sections 6 and 8.2.3.2).

use crate::bench::*;

/// Reads a word as section 8.2.3.2.2 says.
fn word(bench: &Bench, address: u32) -> u16 {
    bench.write(EERD, address << 2 | 1);
    let read = bench.read(EERD);
    assert_eq!(read & 2, 2, "EERD.DONE");
    (read >> 16) as u16
}

#[test]
fn words_are_read_only_when_asked_for() {
    let bench = Bench::new();
    bench.write(EERD, 0x3f << 2);
    assert_eq!(bench.read(EERD) & 2, 0, "no START, no DONE");
    assert_eq!(word(&bench, 0x3fff), 0xffff, "past the end it is as erased");
}

#[test]
fn the_checksum_is_what_section_6_2_2_asks_for() {
    let bench = Bench::new();
    let mut sum = (0..0x40).fold(0_u16, |sum, at| sum.wrapping_add(word(&bench, at)));
    for pointer in (3..15).map(|at| word(&bench, at)).filter(|&p| p != 0 && p != 0xffff) {
        let len = word(&bench, u32::from(pointer));
        for n in 1..=u32::from(len) {
            sum = sum.wrapping_add(word(&bench, u32::from(pointer) + n));
        }
    }
    assert_eq!(sum, 0xBABA);
}

#[test]
fn the_address_is_in_the_lan_core_section() {
    let bench = Bench::new();
    let section = u32::from(word(&bench, 0x09));
    let bytes: Vec<u8> = (1..4).flat_map(|n| word(&bench, section + n).to_le_bytes()).collect();
    assert_eq!(bytes, MAC);
}

#[test]
fn the_table_of_sfp_modules_has_short_and_long_range_optics_for_both_ports() {
    let bench = Bench::new();
    // As stock drivers walk it: skip the header, then pairs of identifier and pointer until all ones.
    let mut at = u32::from(word(&bench, 0x2b)) + 1;
    let mut found = Vec::new();
    while found.len() < 16 && word(&bench, at) != 0xffff {
        let sequence = u32::from(word(&bench, at + 1));
        let values: Vec<u16> =
            (1..16).map(|n| word(&bench, sequence + n)).take_while(|&v| v != 0xffff).collect();
        assert!(!values.is_empty());
        found.push(word(&bench, at));
        at += 2;
    }
    assert_eq!(found, [5, 6]);
}

#[test]
fn other_words_are_those_of_a_production_card() {
    let bench = Bench::new();
    assert_eq!(word(&bench, 0x15), 0xfafa, "the board number is in a block");
    assert_eq!(word(&bench, 0x27), 0xffff, "no storage address");
    assert_eq!(word(&bench, 0x2c) & 1, 1, "any SFP+ module is allowed");
    let firmware = u32::from(word(&bench, 0x0f));
    assert_eq!(word(&bench, firmware + 2), 0xffff, "no LESM");
    let patch = u32::from(word(&bench, firmware + 4));
    assert!(word(&bench, patch + 7) > 5, "firmware version");
}

#[test]
fn access_is_granted_while_it_is_asked_for() {
    let bench = Bench::new();
    let eec = bench.read(EEC);
    assert_eq!(eec & (1 << 8 | 1 << 7), 1 << 8, "present, not granted");
    assert_eq!(1 << ((eec >> 11 & 0xf) + 6), 4096, "words");
    bench.write(EEC, 1 << 6);
    assert_eq!(bench.read(EEC) & 1 << 7, 1 << 7);
    bench.write(EEC, 0);
    assert_eq!(bench.read(EEC) & 1 << 7, 0);
    assert_eq!(bench.read(EEC) & 1 << 9, 1 << 9, "ARD cannot be written");
}
