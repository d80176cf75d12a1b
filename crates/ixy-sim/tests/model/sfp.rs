//! The SFP+ module behind two wires (section 8.2.3.1.5; SFF-8472).

use ixy_sim::SfpModule;

use crate::harness::*;

const CLOCK_OUT: u32 = 2;
const DATA_IN: u32 = 4;
const DATA_OUT: u32 = 8;

/// A driver's side of the two wires.
struct Master<'a>(&'a Harness);

impl Master<'_> {
    fn set(&self, clock: bool, data: bool) -> bool {
        let value = if clock { CLOCK_OUT } else { 0 } | if data { DATA_OUT } else { 0 };
        self.0.write(I2CCTL, value);
        let read = self.0.read(I2CCTL);
        assert_eq!(read & 1 != 0, clock, "CLK_IN follows the clock");
        read & DATA_IN != 0
    }

    fn start(&self) {
        self.set(true, true);
        self.set(true, false);
        self.set(false, false);
    }

    fn restart(&self) {
        self.set(false, true);
        self.start();
    }

    fn stop(&self) {
        self.set(false, false);
        self.set(true, false);
        self.set(true, true);
    }

    fn clock_in(&self) -> bool {
        self.set(false, true);
        let bit = self.set(true, true);
        self.set(false, true);
        bit
    }

    /// Sends a byte; returns whether it was acknowledged.
    fn send(&self, byte: u8) -> bool {
        for n in (0..8).rev() {
            let bit = byte >> n & 1 == 1;
            self.set(false, bit);
            self.set(true, bit);
            self.set(false, bit);
        }
        !self.clock_in()
    }

    fn receive(&self, acknowledge: bool) -> u8 {
        let byte = (0..8).fold(0, |byte, _| byte << 1 | u8::from(self.clock_in()));
        self.set(false, !acknowledge);
        self.set(true, !acknowledge);
        self.set(false, !acknowledge);
        byte
    }

    fn read(&self, offset: u8, count: usize) -> Vec<u8> {
        self.start();
        assert!(self.send(0xa0), "the module acknowledges its address");
        assert!(self.send(offset));
        self.restart();
        assert!(self.send(0xa1));
        let bytes = (0..count).map(|n| self.receive(n + 1 < count)).collect();
        self.stop();
        bytes
    }
}

#[test]
fn the_module_says_that_it_is_10gbase_sr() {
    let harness = Harness::new();
    let module = Master(&harness);
    assert_eq!(module.read(0, 1), [3], "an SFP+ module");
    assert_eq!(module.read(3, 1), [0x10], "10GBASE-SR");
    assert_eq!(module.read(6, 1), [0], "no 1 Gbit/s");
    assert_eq!(module.read(8, 1), [0], "no copper cable");
    assert_eq!(module.read(37, 3), [0x00, 0x1b, 0x21], "bytes in a row; a vendor that stock drivers accept");
    assert_eq!(module.read(92, 1), [0], "no diagnostics at another address");
}

#[test]
fn the_modules_own_checksums_are_right() {
    let harness = Harness::new();
    let bytes = Master(&harness).read(0, 96);
    let sum = |bytes: &[u8]| bytes.iter().fold(0_u8, |sum, b| sum.wrapping_add(*b));
    assert_eq!(
        (bytes[63], bytes[95]),
        (sum(&bytes[..63]), sum(&bytes[64..95])),
        "SFF-8472, CC_BASE and CC_EXT"
    );
}

#[test]
fn each_kind_of_module_says_what_it_is() {
    let code = |kind| {
        let harness = Harness::with(|builder| builder.module(kind));
        let byte = |at| Master(&harness).read(at, 1)[0];
        (byte(3), byte(6), byte(8), byte(12))
    };
    assert_eq!(code(SfpModule::ShortRange), (0x10, 0, 0, 103));
    assert_eq!(code(SfpModule::LongRange), (0x20, 0, 0, 103));
    assert_eq!(
        code(SfpModule::LongReachMultimode),
        (0x40, 1, 0, 103),
        "it has a code for 1000BASE-SX as well"
    );
    assert_eq!(code(SfpModule::ExtendedRange), (0x80, 2, 0, 103), "it has a code for 1000BASE-LX as well");
    assert_eq!(code(SfpModule::DualRate), (0x10, 1, 0, 103));
    assert_eq!(code(SfpModule::PassiveCopper), (0, 0, 4, 103));
    assert_eq!(code(SfpModule::ActiveCopper), (0, 0, 8, 103));
    assert_eq!(code(SfpModule::OneGigabit), (0, 1, 0, 13));
    let active = Harness::with(|builder| builder.module(SfpModule::ActiveCopper));
    assert_eq!(Master(&active).read(60, 1), [4], "SFF-8431 limiting");
}

#[test]
fn nobody_acknowledges_another_address() {
    let harness = Harness::new();
    let module = Master(&harness);
    module.start();
    assert!(!module.send(0xa2));
    module.stop();
    assert_eq!(module.read(0, 1), [3], "and the module still works");
}

#[test]
fn a_transfer_that_breaks_off_does_not_hold_the_wire() {
    let harness = Harness::new();
    let module = Master(&harness);
    module.start();
    assert!(module.send(0xa0));
    module.set(false, true);
    module.stop();
    assert!(module.set(true, true), "the data wire is released");
    assert_eq!(module.read(3, 1), [0x10]);
}

#[test]
fn either_side_pulls_the_data_wire_low() {
    let harness = Harness::new();
    let module = Master(&harness);
    assert!(module.set(true, true), "nobody pulls");
    assert!(!module.set(false, false), "software does");
    assert!(module.set(false, true));
}

#[test]
fn a_reader_that_does_not_acknowledge_gets_no_more() {
    let harness = Harness::new();
    let module = Master(&harness);
    module.start();
    assert!(module.send(0xa0) && module.send(0));
    module.restart();
    assert!(module.send(0xa1));
    assert_eq!(module.receive(false), 3);
    assert_eq!(module.receive(true), 0xff, "the wire is released");
    module.stop();
    assert_eq!(module.read(0, 1), [3]);
}

#[test]
fn a_stop_ends_a_transfer_wherever_it_is() {
    let harness = Harness::new();
    let module = Master(&harness);
    module.start();
    assert!(module.send(0xa0) && module.send(3));
    module.stop();
    assert!((0..18).all(|_| module.clock_in()), "without a start nobody answers");
    assert_eq!(module.read(3, 1), [0x10]);
}
