//! The served card's configuration space compared with that of real 82599s.
#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, reason = "tests")]

use ixy_sim::serve::{Function, Port, Settings};
use ixy_sim::wire::{Cables, WireSpec};
use ixy_vfio_user::message::pci;
use ixy_vfio_user::server::Device;

const REAL: &str = include_str!("real-cards/82599.hex");

/// Bits of a doubleword where the served card differs from the one in `REAL`, and why.
struct Deviation {
    at: usize,
    mask: u32,
    real: u32,
    served: u32,
    why: &'static str,
}

const fn differs(at: usize, mask: u32, real: u32, served: u32, why: &'static str) -> Deviation {
    Deviation { at, mask, real, served, why }
}

const DEVIATIONS: [Deviation; 6] = [
    differs(0x0c, 0x00ff_00ff, 0x0080_0010, 0, "one port; and firmware has yet to write the cache line size"),
    differs(0x2c, 0xffff_ffff, 0xd111_19e5, 0x0003_8086, "the board is Intel's X520"),
    differs(
        0xa8,
        0xffff_0000,
        0x000b_0000,
        0,
        "no errors were detected, which stay shown until they are cleared",
    ),
    differs(
        0xac,
        0x0003_f000,
        0x0002_3000,
        0x0001_f000,
        "exit latencies are a board's; one of another maker has these",
    ),
    differs(0xb0, 0x003f_0000, 0x0021_0000, 0x0002_0000, "the link got all its lanes (below), and 5 GT/s"),
    differs(0xb0, 0x03c0_0000, 0, 0x0080_0000, "eight lanes; the real one had two in its slot"),
];

/// The extended configuration space of real cards: offset, mask, value, and meaning. Users of seven boards printed
/// it.
const EXTENDED: [(usize, u32, u32, &str); 19] = [
    (0x100, u32::MAX, 0x1401_0001, "advanced error reporting; the next one is at 0x140"),
    (0x10c, u32::MAX, 0x0006_2010, "severity: the link's protocol, overflow, malformed packets"),
    (0x114, u32::MAX, 0x0000_2000, "advisory errors are masked"),
    (0x118, u32::MAX, 0x0000_00a0, "it can make and check ECRC, and does neither"),
    (0x140, u32::MAX, 0x1501_0003, "serial number; the next one is at 0x150"),
    (0x150, u32::MAX, 0x1601_000e, "ARI; the next one is at 0x160"),
    (0x154, u32::MAX, 0x0000_0000, "no next function: the card has one port (the first of two has 0x100)"),
    (0x160, u32::MAX, 0x0001_0010, "SR-IOV; the last one"),
    (0x164, u32::MAX, 0x0000_0000, "its abilities: no migration"),
    (0x168, u32::MAX, 0x0000_0000, "no virtual functions yet"),
    (0x16c, u32::MAX, 0x0040_0040, "64 virtual functions, at first and in all"),
    (
        0x170,
        u32::MAX,
        0x0000_0000,
        "none is wanted, and it depends on no other port (the second of two on itself)",
    ),
    (0x174, u32::MAX, 0x0002_0180, "the first is 384 routing ids on, the next 2"),
    (0x178, u32::MAX, 0x10ed_0000, "their device id"),
    (0x17c, u32::MAX, 0x0000_0553, "page sizes"),
    (0x180, u32::MAX, 0x0000_0001, "pages of 4 KiB"),
    (0x184, 0xf, 0xc, "BAR 0 of all virtual functions: 64 bits, prefetchable"),
    (0x190, 0xf, 0xc, "BAR 3 of all virtual functions: 64 bits, prefetchable"),
    (0x19c, u32::MAX, 0x0000_0000, "no table of migrations"),
];

fn with_card(test: impl FnOnce(&mut Function<'_>)) {
    let wire = "loopback".parse::<WireSpec>().unwrap().connect(&Cables::default()).unwrap();
    let port = Port::new(wire, Settings::default()).unwrap();
    test(&mut port.function());
}

fn read<const N: usize>(card: &mut Function<'_>, at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    card.read(pci::CONFIG, at as u64, &mut bytes).unwrap();
    bytes
}

fn dword(card: &mut Function<'_>, at: usize) -> u32 {
    u32::from_le_bytes(read(card, at))
}

/// The bytes of a listing of lines `offset: bytes`.
fn listing(text: &str) -> Vec<u8> {
    let lines = text.lines().filter_map(|line| line.split_once(": ")).filter(|line| !line.0.starts_with('#'));
    lines.flat_map(|(_, bytes)| bytes.split(' ')).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn every_word_is_that_of_a_real_card_but_for_those_that_have_a_reason() {
    let real = listing(REAL);
    assert_eq!(real.len(), 256);
    with_card(|card| {
        for (at, bytes) in (0..).step_by(4).zip(real.as_chunks().0) {
            let (real, served) = (u32::from_le_bytes(*bytes), dword(card, at));
            let mut allowed = 0;
            for row in DEVIATIONS.iter().filter(|row| row.at == at) {
                assert_ne!(row.real, row.served, "no deviation: {}", row.why);
                assert_eq!(real & row.mask, row.real, "the real card at {at:#x}: {}", row.why);
                assert_eq!(served & row.mask, row.served, "the served card at {at:#x}: {}", row.why);
                allowed |= row.mask;
            }
            assert_eq!(
                format!("{:#010x}", served & !allowed),
                format!("{:#010x}", real & !allowed),
                "at {at:#x}, where real cards have the second"
            );
        }
    });
}

#[test]
fn extended_capabilities_are_those_of_real_cards() {
    with_card(|card| {
        for (at, mask, wanted, what) in EXTENDED {
            let found = dword(card, at) & mask;
            assert_eq!(
                found, wanted,
                "{what}: {found:#010x} at {at:#x}, where real cards have {wanted:#010x}"
            );
        }
    });
}

#[test]
fn vital_product_data_are_read_by_address_and_flag() {
    with_card(|card| {
        let mut data = Vec::new();
        for at in (0..64_u16).step_by(4) {
            card.write(pci::CONFIG, 0xe2, &at.to_le_bytes()).unwrap();
            assert_eq!(
                u16::from_le_bytes(read(card, 0xe2)),
                at | 1 << 15,
                "the flag says that the data are there"
            );
            data.extend(read::<4>(card, 0xe4));
        }
        assert_eq!((data[0], &data[3..21]), (0x82, &b"ixy software 82599"[..]));
        // The written data is lost, since there is no writable part. The flag still flips.
        card.write(pci::CONFIG, 0xe4, &[1, 2, 3, 4]).unwrap();
        card.write(pci::CONFIG, 0xe2, &0x8000_u16.to_le_bytes()).unwrap();
        assert_eq!(u16::from_le_bytes(read(card, 0xe2)), 0, "the write is done");
        card.write(pci::CONFIG, 0xe2, &0_u16.to_le_bytes()).unwrap();
        assert_eq!(read::<4>(card, 0xe4), data[..4]);
        // After all data the EEPROM is erased.
        card.write(pci::CONFIG, 0xe2, &0x0100_u16.to_le_bytes()).unwrap();
        assert_eq!(read::<4>(card, 0xe4), [0xff; 4]);
    });
}

#[test]
fn power_management_events_can_be_enabled_and_the_status_clears_by_a_one() {
    with_card(|card| {
        card.write(pci::CONFIG, 0x44, &0x8100_u16.to_le_bytes()).unwrap();
        assert_eq!(
            u16::from_le_bytes(read(card, 0x44)),
            0x2100,
            "PME enable is kept, and nothing woke the machine"
        );
        card.write(pci::CONFIG, 0x118, &0x0140_u32.to_le_bytes()).unwrap();
        assert_eq!(dword(card, 0x118), 0x01e0, "ECRC is made and checked");
    });
}
