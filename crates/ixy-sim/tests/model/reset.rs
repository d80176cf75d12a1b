//! Software reset, master disable and bus mastering (sections 4.2.1 and 5.2.5.3.2).

use crate::harness::*;

const RST: u32 = 1 << 26;
const LRST: u32 = 1 << 3;

/// Registers that a driver changes, with their values after reset.
const AFTER_RESET: [(u32, u32); 21] = [
    (0x0200C, 0),
    (RDBAL, 0),
    (RDLEN, 0),
    (RDH, 0),
    (RDT, 0),
    (SRRCTL, 0x402),
    (RXDCTL, 0),
    (TDBAL, 0),
    (TDT, 0),
    (TXDCTL, 0),
    (RXCTRL, 0),
    (DMATXCTL, 0x8100 << 16),
    (FCTRL, 0),
    (MRQC, 0),
    (RETA, 0),
    (MAXFRS, 1518 << 16),
    (RXPBSIZE, 0x200 << 10),
    (0x0CC00, 0xa0 << 10),
    (HLREG0, 1 | 1 << 1 | 1 << 10 | 1 << 16 | 1 << 27),
    (VLNCTRL, 0x8100),
    (AUTOC, 0xc09c_6004),
];

#[test]
fn a_reset_brings_back_the_initial_values_and_ends_by_itself() {
    for (bit, address) in [(RST, CTRL), (LRST, CTRL), (RST | LRST, CTRL), (RST, 0x00004)] {
        let harness = Harness::new();
        for (register, _) in AFTER_RESET {
            harness.write(register, 0x0055_0080);
        }
        harness.write(EIMS, 0x7fff_ffff);
        harness.write(RAL, 0x1111_1111);
        harness.write(RAH, 0x8000_1111);
        harness.write(RAH + 8, 0x8000_2222);
        harness.write(address, bit);
        assert_eq!(harness.read(CTRL) & (RST | LRST), 0, "the bit clears itself");
        for (register, value) in AFTER_RESET {
            assert_eq!(harness.read(register), value, "{register:#07x} after CTRL {bit:#x}");
        }
        assert_eq!(harness.read(EIMS), 0);
        assert_eq!(harness.read(RAL).to_le_bytes(), MAC[..4], "the address comes from the EEPROM again");
        assert_eq!(harness.read(RAH), 0x8000_0000 | u32::from(MAC[5]) << 8 | u32::from(MAC[4]));
        assert_eq!(harness.read(RAH + 8), 0);
        assert_eq!(harness.read(EEC) & 1 << 9, 1 << 9, "EEC.ARD: the EEPROM was read (section 4.6.3)");
        assert_eq!(harness.read(RDRXCTL) & 1 << 3, 1 << 3, "RDRXCTL.DMAIDONE (section 4.6.3)");
        assert_eq!(harness.read(STATUS) & 1 << 19, 1 << 19);
    }
}

#[test]
fn a_reset_keeps_the_tables_that_have_no_initial_value() {
    let harness = Harness::new();
    harness.write(MTA + 4 * 127, 5);
    harness.write(VFTA + 4 * 127, 6);
    harness.write(CTRL, RST);
    assert_eq!(
        (harness.read(MTA + 4 * 127), harness.read(VFTA + 4 * 127)),
        (5, 6),
        "drivers have to clear them"
    );
}

#[test]
fn a_reset_stops_the_queues_and_forgets_what_they_held() {
    let (harness, mut ring, mut tx) = Harness::running();
    harness.write(CTRL, RST);
    harness.far(|far| far.waits = true);
    harness.arrives(&own(60, 1));
    tx.send(&harness, &own(60, 2));
    harness.write(RXCTRL, 1);
    harness.write(DMATXCTL, 1);
    harness.poll();
    assert!(ring.take(&harness).is_none() && harness.sent().is_empty());
    assert_eq!(harness.domain.faults(), 0);
}

#[test]
fn no_dma_happens_after_a_master_disable_until_it_is_taken_back() {
    let (harness, mut ring, mut tx) = Harness::running();
    harness.far(|far| far.waits = true);
    harness.write(CTRL, 1 << 2);
    assert_eq!(harness.read(STATUS) & 1 << 19, 0, "STATUS.GIO clears once nothing is pending");
    assert_eq!(harness.read(CTRL) & 1 << 2, 1 << 2, "CTRL.GIO_DIS reads back");
    harness.arrives(&own(60, 1));
    let at = tx.send(&harness, &own(60, 2));
    harness.poll();
    assert!(ring.take(&harness).is_none() && harness.sent().is_empty() && !tx.done(at));
    harness.write(CTRL, 0);
    assert_eq!(harness.read(STATUS) & 1 << 19, 1 << 19);
    harness.poll();
    assert!(ring.take(&harness).is_some() && tx.done(at));
}

#[test]
fn no_dma_happens_while_bus_mastering_is_off() {
    let (harness, mut ring, mut tx) = Harness::running();
    harness.far(|far| far.waits = true);
    harness.nic.stop_bus_mastering();
    harness.arrives(&own(60, 1));
    let at = tx.send(&harness, &own(60, 2));
    harness.poll();
    assert!(ring.take(&harness).is_none() && harness.sent().is_empty() && !tx.done(at));
    // SAFETY: ARMED-ONLY: the rings are those of the test.
    unsafe { harness.nic.start_bus_mastering() };
    harness.poll();
    assert!(ring.take(&harness).is_some() && tx.done(at));
}

#[test]
fn a_reset_keeps_what_both_ports_share_with_firmware() {
    let harness = Harness::new();
    harness.write(0x10160, 0x1f);
    harness.write(CTRL, RST);
    assert_eq!(harness.read(0x10160), 0x1f, "the semaphores of resources");
}

#[test]
fn initial_values_are_those_of_the_datasheet_and_the_eeprom() {
    let harness = Harness::new();
    let values = [
        (EERD, 2, "nothing is being read"),
        (RDRXCTL, 1 << 3 | 8 << 17, "RSCFRSTSIZE"),
        (0x042A8, 0xa << 16, "AUTOC2: SFI"),
        (0x04A88, 0x0ff6_0ff6, "DTXTCPFLGL"),
        (0x04A8C, 0x0f7f, "DTXTCPFLGH"),
        (0x08100, 0x10, "DTXMXSZRQ"),
        (0x04950, 0x96, "TXPBTHRESH"),
        (0x00720, u32::MAX, "PFMBIMR"),
        (0x00724, u32::MAX, "PFMBIMR"),
    ];
    for (register, value, why) in values {
        assert_eq!(harness.read(register), value, "{register:#07x}: {why}");
    }
}

#[test]
fn a_queue_has_to_be_enabled_again_after_a_reset() {
    let (harness, _, mut tx) = Harness::running();
    harness.write(CTRL, RST);
    harness.write(TDBAL, tx.ring.iova().0 as u32);
    harness.write(TDBAH, (tx.ring.iova().0 >> 32) as u32);
    harness.write(TDLEN, 32 * 16);
    harness.write(DMATXCTL, 1);
    tx.send(&harness, &own(60, 1));
    harness.poll();
    assert!(harness.sent().is_empty(), "TXDCTL.ENABLE is clear");
    harness.write(TXDCTL, ENABLE);
    harness.poll();
    assert_eq!(harness.sent(), [own(60, 1)]);
}

#[test]
fn a_reset_drops_frames_that_wait_inside() {
    let (harness, ring, _) = Harness::running();
    for n in 0..40 {
        harness.arrives(&own(60, n));
    }
    harness.poll();
    harness.write(CTRL, RST);
    drop(ring);
    harness.write(FCTRL, 1 << 9);
    let mut ring = harness.rx_ring(0, 32);
    harness.write(RXCTRL, 1);
    harness.poll();
    assert!(ring.drain(&harness).is_empty(), "those of the packet buffer");
    let mut tx = harness.tx_ring(0, 32);
    harness.set(HLREG0, 1 << 15);
    harness.set(DMATXCTL, 1);
    harness.write(RXCTRL, 0);
    tx.send(&harness, &own(60, 1));
    harness.poll();
    harness.write(CTRL, RST);
    harness.write(FCTRL, 1 << 9);
    let mut ring = harness.rx_ring(0, 32);
    harness.set(HLREG0, 1 << 15);
    harness.write(RXCTRL, 1);
    harness.poll();
    assert!(ring.drain(&harness).is_empty(), "those in MAC loopback");
}

#[test]
fn a_reset_takes_the_link_down_and_its_return_is_a_cause() {
    let harness = Harness::new();
    harness.poll();
    harness.write(CTRL, RST);
    assert_eq!((harness.read(LINKS) & 1 << 30, harness.read(STATUS) & 1 << 7), (0, 0));
    harness.poll();
    assert_eq!(harness.read(LINKS) & 1 << 30, 1 << 30);
    assert_eq!(harness.read(EICR), 1 << 20, "link status change");
}
