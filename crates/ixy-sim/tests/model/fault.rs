//! Injected faults, as a driver sees them.

use ixy_sim::Fault;

use crate::harness::*;

#[test]
fn a_device_that_is_gone_reads_all_ones_and_does_nothing() {
    let (harness, mut ring, mut tx) = Harness::running();
    harness.far(|far| far.waits = true);
    harness.nic.faults().set(Fault::Gone, true);
    for register in [CTRL, STATUS, RDH, EICR, GPRC, SWSM, 0x1fffc] {
        assert_eq!(harness.read(register), u32::MAX);
    }
    harness.write(FCTRL, 0);
    harness.arrives(&own(60, 1));
    tx.send(&harness, &own(60, 1));
    assert_eq!(harness.nic.poll(), 0);
    assert!(ring.peek(&harness).is_none() && harness.sent().is_empty());
    harness.nic.faults().set(Fault::Gone, false);
    assert_ne!(harness.read(FCTRL), 0, "the write was lost");
    harness.poll();
    assert_eq!(ring.drain(&harness).len(), 1, "and it works again");
}

#[test]
fn bits_can_be_stuck_in_any_register() {
    let harness = Harness::new();
    harness.nic.faults().stick(FCTRL, 1 << 8, 1 << 9);
    harness.write(FCTRL, 1 << 9 | 1 << 10);
    assert_eq!(harness.read(FCTRL), 1 << 8 | 1 << 10);
    harness.nic.faults().clear();
    assert_eq!(harness.read(FCTRL), 1 << 9 | 1 << 10);
}

/// The value of a bit after a write, without and with a fault.
#[test]
fn bits_that_a_driver_waits_for_never_come() {
    let rx = |n| rx(RXDCTL, n);
    let tx = |n| tx(TXDCTL, n);
    let cases = [
        (Fault::ResetNeverEnds, CTRL, 1 << 26, CTRL, 1 << 26, 0),
        (Fault::ResetNeverEnds, CTRL, 1 << 3, CTRL, 1 << 3, 0),
        (Fault::EepromNeverLoaded, CTRL, 1 << 26, EEC, 1 << 9, 1 << 9),
        (Fault::EepromNeverRead, EERD, 1, EERD, 2, 2),
        (Fault::DmaNeverReady, CTRL, 1 << 26, RDRXCTL, 1 << 3, 1 << 3),
        (Fault::RxNeverEnabled, rx(0), ENABLE, rx(0), ENABLE, ENABLE),
        (Fault::RxNeverEnabled, rx(127), ENABLE, rx(127), ENABLE, ENABLE),
        (Fault::TxNeverEnabled, tx(127), ENABLE, tx(127), ENABLE, ENABLE),
        (Fault::MasterNeverStops, CTRL, 1 << 2, STATUS, 1 << 19, 0),
        (Fault::SemaphoreTaken, SWSM, 0, SWSM, 1, 0),
    ];
    for (fault, written, value, read, bit, good) in cases {
        let harness = Harness::new();
        harness.write(written, value);
        assert_eq!(harness.read(read) & bit, good, "without {fault:?}");
        let harness = Harness::new();
        harness.nic.faults().set(fault, true);
        harness.write(written, value);
        assert_eq!(harness.read(read) & bit, good ^ bit, "with {fault:?}");
    }
}

#[test]
fn a_queue_may_not_stop_until_the_device_is_reset() {
    let (harness, mut ring, _) = Harness::running();
    harness.nic.faults().set(Fault::RxNeverDisabled, true);
    harness.write(RXDCTL, 0);
    harness.arrives(&own(60, 1));
    harness.poll();
    assert_eq!((harness.read(RXDCTL), ring.drain(&harness).len()), (ENABLE, 1), "it goes on");
    assert_eq!(harness.read(rx(RXDCTL, 1)), 0, "others are as they were");
    harness.write(CTRL, 1 << 26);
    assert_eq!(harness.read(RXDCTL), 0);
}

#[test]
fn the_eeprom_checksum_can_be_wrong() {
    let word = |harness: &Harness| {
        harness.write(EERD, 0x3f << 2 | 1);
        harness.read(EERD) >> 16
    };
    let harness = Harness::new();
    let right = word(&harness);
    harness.nic.faults().set(Fault::EepromChecksum, true);
    assert_ne!(word(&harness), right);
}

#[test]
fn the_link_can_be_held_down() {
    let (harness, mut ring, _) = Harness::running();
    harness.nic.faults().set(Fault::LinkDown, true);
    harness.poll();
    harness.arrives(&own(60, 1));
    harness.poll();
    assert_eq!(harness.read(LINKS) & 1 << 30, 0);
    assert!(ring.peek(&harness).is_none());
    harness.nic.faults().set(Fault::LinkDown, false);
    harness.poll();
    assert_eq!((harness.read(LINKS) & 1 << 30, ring.drain(&harness).len()), (1 << 30, 1));
}

#[test]
fn interrupts_can_be_lost_while_their_causes_are_set() {
    let harness = Harness::new();
    harness.nic.faults().set(Fault::InterruptsLost, true);
    harness.write(EIMS, 1);
    harness.write(EICS, 1);
    assert!(harness.vectors.take().is_empty());
    assert_eq!(harness.read(EICR), 1);
}

#[test]
fn descriptors_can_stay_without_a_write_back() {
    let (harness, ring, mut tx) = Harness::running();
    harness.nic.faults().set(Fault::NeverWrittenBack, true);
    harness.arrives(&own(60, 1));
    let at = tx.send(&harness, &own(60, 2));
    harness.poll();
    assert!(ring.peek(&harness).is_none() && !tx.done(at));
    assert_eq!((harness.read(RDH), harness.read(TDH), harness.sent().len()), (1, 1, 1), "the frames passed");
}

#[test]
fn a_length_can_be_impossible() {
    let (harness, ring, _) = Harness::running();
    harness.nic.faults().set(Fault::ImpossibleLength, true);
    harness.arrives(&own(60, 1));
    harness.poll();
    let words = ring.words(0);
    assert_eq!(words[1] & 1, 1);
    assert!(words[1] >> 32 & 0xffff > 2048, "more than the buffer has");
}

#[test]
fn frames_can_be_damaged_on_the_wire() {
    for (fault, counter) in
        [(Fault::FramesDamaged, CRCERRS), (Fault::FramesCut, RUC), (Fault::FramesStretched, ROC)]
    {
        let (harness, ring, _) = Harness::running();
        harness.nic.faults().set(fault, true);
        harness.arrives(&own(60, 1));
        harness.poll();
        assert!(ring.peek(&harness).is_none(), "{fault:?}");
        assert_eq!(harness.read(counter), 1, "{fault:?}");
    }
}

#[test]
fn every_fault_can_be_switched_on_and_off_again() {
    for fault in Fault::ALL {
        let harness = Harness::new();
        harness.nic.faults().set(fault, true);
        assert!(harness.nic.faults().is(fault));
        assert_eq!(Fault::ALL.iter().filter(|&&f| harness.nic.faults().is(f)).count(), 1);
        harness.nic.faults().set(fault, false);
        assert!(!harness.nic.faults().is(fault));
    }
}
