//! What can be made to go wrong, as a driver sees it.

use ixy_sim::Fault;

use crate::bench::*;

#[test]
fn a_device_that_is_gone_reads_all_ones_and_does_nothing() {
    let (bench, mut ring, mut tx) = Bench::running();
    bench.far(|far| far.waits = true);
    bench.nic.faults().set(Fault::Gone, true);
    for register in [CTRL, STATUS, RDH, EICR, GPRC, SWSM, 0x1fffc] {
        assert_eq!(bench.read(register), u32::MAX);
    }
    bench.write(FCTRL, 0);
    bench.arrives(&own(60, 1));
    tx.send(&bench, &own(60, 1));
    assert_eq!(bench.nic.poll(), 0);
    assert!(ring.peek(&bench).is_none() && bench.sent().is_empty());
    bench.nic.faults().set(Fault::Gone, false);
    assert_ne!(bench.read(FCTRL), 0, "the write was lost");
    bench.poll();
    assert_eq!(ring.drain(&bench).len(), 1, "and it works again");
}

#[test]
fn bits_can_be_stuck_in_any_register() {
    let bench = Bench::new();
    bench.nic.faults().stick(FCTRL, 1 << 8, 1 << 9);
    bench.write(FCTRL, 1 << 9 | 1 << 10);
    assert_eq!(bench.read(FCTRL), 1 << 8 | 1 << 10);
    bench.nic.faults().clear();
    assert_eq!(bench.read(FCTRL), 1 << 9 | 1 << 10);
}

/// What a bit reads as after a write, without and with a fault.
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
        let bench = Bench::new();
        bench.write(written, value);
        assert_eq!(bench.read(read) & bit, good, "without {fault:?}");
        let bench = Bench::new();
        bench.nic.faults().set(fault, true);
        bench.write(written, value);
        assert_eq!(bench.read(read) & bit, good ^ bit, "with {fault:?}");
    }
}

#[test]
fn a_queue_may_not_stop_until_the_device_is_reset() {
    let (bench, mut ring, _) = Bench::running();
    bench.nic.faults().set(Fault::RxNeverDisabled, true);
    bench.write(RXDCTL, 0);
    bench.arrives(&own(60, 1));
    bench.poll();
    assert_eq!((bench.read(RXDCTL), ring.drain(&bench).len()), (ENABLE, 1), "it goes on");
    assert_eq!(bench.read(rx(RXDCTL, 1)), 0, "others are as they were");
    bench.write(CTRL, 1 << 26);
    assert_eq!(bench.read(RXDCTL), 0);
}

#[test]
fn the_eeprom_checksum_can_be_wrong() {
    let word = |bench: &Bench| {
        bench.write(EERD, 0x3f << 2 | 1);
        bench.read(EERD) >> 16
    };
    let bench = Bench::new();
    let right = word(&bench);
    bench.nic.faults().set(Fault::EepromChecksum, true);
    assert_ne!(word(&bench), right);
}

#[test]
fn the_link_can_be_held_down() {
    let (bench, mut ring, _) = Bench::running();
    bench.nic.faults().set(Fault::LinkDown, true);
    bench.poll();
    bench.arrives(&own(60, 1));
    bench.poll();
    assert_eq!(bench.read(LINKS) & 1 << 30, 0);
    assert!(ring.peek(&bench).is_none());
    bench.nic.faults().set(Fault::LinkDown, false);
    bench.poll();
    assert_eq!((bench.read(LINKS) & 1 << 30, ring.drain(&bench).len()), (1 << 30, 1));
}

#[test]
fn interrupts_can_be_lost_while_their_causes_are_set() {
    let bench = Bench::new();
    bench.nic.faults().set(Fault::InterruptsLost, true);
    bench.write(EIMS, 1);
    bench.write(EICS, 1);
    assert!(bench.vectors.take().is_empty());
    assert_eq!(bench.read(EICR), 1);
}

#[test]
fn descriptors_can_stay_without_a_write_back() {
    let (bench, ring, mut tx) = Bench::running();
    bench.nic.faults().set(Fault::NeverWrittenBack, true);
    bench.arrives(&own(60, 1));
    let at = tx.send(&bench, &own(60, 2));
    bench.poll();
    assert!(ring.peek(&bench).is_none() && !tx.done(at));
    assert_eq!((bench.read(RDH), bench.read(TDH), bench.sent().len()), (1, 1, 1), "the frames passed");
}

#[test]
fn a_length_can_be_impossible() {
    let (bench, ring, _) = Bench::running();
    bench.nic.faults().set(Fault::ImpossibleLength, true);
    bench.arrives(&own(60, 1));
    bench.poll();
    let words = ring.words(0);
    assert_eq!(words[1] & 1, 1);
    assert!(words[1] >> 32 & 0xffff > 2048, "more than the buffer has");
}

#[test]
fn frames_can_be_damaged_on_the_wire() {
    for (fault, counter) in
        [(Fault::FramesDamaged, CRCERRS), (Fault::FramesCut, RUC), (Fault::FramesStretched, ROC)]
    {
        let (bench, ring, _) = Bench::running();
        bench.nic.faults().set(fault, true);
        bench.arrives(&own(60, 1));
        bench.poll();
        assert!(ring.peek(&bench).is_none(), "{fault:?}");
        assert_eq!(bench.read(counter), 1, "{fault:?}");
    }
}

#[test]
fn every_fault_can_be_switched_on_and_off_again() {
    for fault in Fault::ALL {
        let bench = Bench::new();
        bench.nic.faults().set(fault, true);
        assert!(bench.nic.faults().is(fault));
        assert_eq!(Fault::ALL.iter().filter(|&&f| bench.nic.faults().is(f)).count(), 1);
        bench.nic.faults().set(fault, false);
        assert!(!bench.nic.faults().is(fault));
    }
}
