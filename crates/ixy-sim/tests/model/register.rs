//! The values that registers store, and their aliases (section 8.2).

use crate::harness::*;

#[test]
fn a_register_and_its_alias_are_one() {
    let harness = Harness::new();
    // Register, alias, a value in which all bits exist.
    let pairs = [
        (0x0A200, 0x05400, 0x1234_5678),
        (0x0A200 + 8 * 15, 0x05400 + 8 * 15, 0x1234_5679),
        (0x0A204 + 8 * 3, 0x05404 + 8 * 3, 0x8000_5678),
        (0x01014, 0x02100, 0x0200_0002),
        (0x01014 + 0x40 * 15, 0x02100 + 4 * 15, 0x0200_0003),
        (0x0100C + 0x40 * 2, 0x02200 + 4 * 2, 0x20),
        (0x0EC80, 0x05818, 0x0003_0001),
        (0x0EB00 + 4 * 31, 0x05C00 + 4 * 31, 0x0302_0100),
        (0x0EB80 + 4 * 9, 0x05C80 + 4 * 9, 0xdead_beef),
        (0x0EA00, 0x05480, 0x10),
        (0x110C0, 0x11068, 5),
    ];
    for (register, alias, value) in pairs {
        harness.write(alias, value);
        assert_eq!(harness.read(register), value, "{alias:#07x} writes to {register:#07x}");
        harness.write(register, !value & 0x8000_00ff);
        assert_eq!(harness.read(alias), harness.read(register), "{alias:#07x} reads {register:#07x}");
    }
}

#[test]
fn ring_addresses_and_lengths_keep_only_the_bits_that_are_there() {
    let harness = Harness::new();
    for (register, kept) in [(RDBAL, 0xffff_ff80), (TDBAL, 0xffff_ff80), (RDLEN, 0xfff80), (TDLEN, 0xfff80)] {
        harness.write(register, u32::MAX);
        assert_eq!(harness.read(register), kept, "{register:#07x} (sections 8.2.3.8.1 to 8.2.3.9.7)");
    }
    harness.write(RXDCTL, ENABLE);
    for register in [RDH, RDT, TDH, TDT] {
        harness.write(register, 0xabcd_1234);
        assert_eq!(harness.read(register), 0x1234);
    }
}

#[test]
fn a_receive_tail_is_ignored_while_its_queue_is_off() {
    let harness = Harness::new();
    for q in [0, 1, 63, 64, 127] {
        harness.write(rx(RDT, q), 7);
        assert_eq!(harness.read(rx(RDT, q)), 0, "queue {q} (section 8.2.3.8.5)");
        harness.write(rx(RXDCTL, q), ENABLE);
        harness.write(rx(RDT, q), 7);
        assert_eq!(harness.read(rx(RDT, q)), 7);
    }
}

#[test]
fn each_of_the_128_queues_has_registers_of_its_own() {
    let harness = Harness::new();
    for q in 0..128 {
        harness.write(rx(RDBAH, q), q + 1);
        harness.write(rx(RXDCTL, q), ENABLE | 1 << 30);
        harness.write(tx(TDBAH, q), q + 1000);
        harness.write(tx(TXDCTL, q), ENABLE | q);
    }
    for q in 0..128 {
        assert_eq!(harness.read(rx(RDBAH, q)), q + 1);
        assert_eq!(harness.read(rx(RXDCTL, q)), ENABLE | 1 << 30);
        assert_eq!(harness.read(tx(TDBAH, q)), q + 1000);
        assert_eq!(harness.read(tx(TXDCTL, q)), ENABLE | q);
    }
}

#[test]
fn what_only_the_device_changes_cannot_be_written() {
    let harness = Harness::new();
    for register in [STATUS, LINKS, 0x10148, 0x042B0, 0x08D04, 0x08804] {
        let before = harness.read(register);
        harness.write(register, !before);
        assert_eq!(harness.read(register), before, "{register:#07x}");
    }
    harness.write(RDRXCTL, 0);
    assert_eq!(harness.read(RDRXCTL), 1 << 3, "DMAIDONE is the device's");
}

#[test]
fn offsets_without_a_register_read_zero_and_those_outside_all_ones() {
    let harness = Harness::new();
    harness.write(0x0F800, 0x1234);
    assert_eq!(harness.read(0x0F800), 0);
    for outside in [0x20000, 0x20004, u32::MAX - 3, 0x00001, 0x00002] {
        harness.write(outside, 0x1234);
        assert_eq!(harness.read(outside), u32::MAX, "{outside:#x}");
    }
}

#[test]
fn security_engines_are_ready_and_flow_director_is_initialised_at_once() {
    let harness = Harness::new();
    assert_eq!(harness.read(0x08804) & 1, 1, "SECTXSTAT.SECTX_RDY");
    harness.write(SECRXCTRL, 2);
    assert_eq!(harness.read(0x08D04) & 1, 1, "SECRXSTAT.SECRX_RDY");
    harness.write(0x0EE00, 0);
    assert_eq!(harness.read(0x0EE00) & 8, 8, "FDIRCTRL.INIT_DONE");
}

#[test]
fn mdio_commands_end_and_find_no_phy() {
    let harness = Harness::new();
    harness.write(0x0425C, 1 << 30 | 2 << 26);
    assert_eq!(harness.read(0x0425C) & 1 << 30, 0, "MSCA.MDICMD clears itself");
    assert_eq!(harness.read(0x04260) >> 16, 0xffff, "nobody answers");
}

#[test]
fn linux_finds_nothing_wrong_with_the_registers_that_its_self_test_writes() {
    /// Registers that keep patterns: offset, elements, stride, bits kept, bits written.
    const PATTERNS: [(u32, u32, u32, u32, u32); 16] = [
        (0x03220, 1, 0, 0x8007_fff0, 0x8007_fff0),
        (0x03260, 1, 0, 0x8007_fff0, 0x8007_fff0),
        (0x03008, 1, 0, u32::MAX, u32::MAX),
        (VLNCTRL, 1, 0, 0, 0),
        (RDBAL, 4, 0x40, 0xffff_ff80, 0xffff_ff80),
        (RDBAH, 4, 0x40, u32::MAX, u32::MAX),
        (RDLEN, 4, 0x40, 0x000f_ff80, 0x000f_ffff),
        (RDT, 4, 0x40, 0xffff, 0xffff),
        (0x03200, 1, 0, u32::MAX, u32::MAX),
        (TDBAL, 4, 0x40, 0xffff_ff80, u32::MAX),
        (TDBAH, 4, 0x40, u32::MAX, u32::MAX),
        (TDLEN, 4, 0x40, 0x000f_ff80, 0x000f_ff80),
        (RXCTRL, 1, 0, 1, 1),
        (RAL, 16, 8, u32::MAX, u32::MAX),
        (RAH, 16, 8, 0x8001_ffff, 0x800c_ffff),
        (MTA, 128, 4, u32::MAX, u32::MAX),
    ];
    let harness = Harness::new();
    for q in 0..4 {
        harness.write(rx(RXDCTL, q), ENABLE);
    }
    for (register, count, stride, kept, written) in PATTERNS {
        for pattern in [0x5a5a_5a5a, 0xa5a5_a5a5, 0, u32::MAX] {
            for n in 0..count {
                let at = register + n * stride;
                let before = harness.read(at);
                harness.write(at, pattern & written);
                assert_eq!(harness.read(at), pattern & written & kept, "{at:#07x} with {pattern:#010x}");
                harness.write(at, before);
            }
        }
    }
    let status = harness.read(STATUS) & 0x7fff_f30f;
    harness.write(STATUS, 0x7fff_f30f);
    assert_eq!(harness.read(STATUS) & 0x7fff_f30f, status);
}

#[test]
fn bits_that_a_register_does_not_have_cannot_be_written() {
    let harness = Harness::new();
    for (register, kept) in [(RAH, 0x8000_ffff), (SWSM, 3), (SECRXCTRL, 3)] {
        harness.write(register, u32::MAX);
        assert_eq!(harness.read(register), kept, "{register:#07x}");
    }
}
