//! The SFP+ module: an I2C memory at address 0xA0 behind two wires that software drives bit by bit (I2CCTL, section
//! 8.2.3.1.5; SFF-8472).

use ixy_regs::ixgbe::fields::I2CCTL;

use super::behaviour::Behaviour;
use super::module::SfpModule;
use super::names::mask;

/// Write address of the identification memory; the lowest bit says read.
const ADDRESS: u8 = 0xa0;

/// The state of the module's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waits for a start.
    Idle,
    /// Receives the byte with the device address and the direction.
    Address,
    /// Receives the byte with the offset into the memory.
    Offset,
    /// Receives a byte to be written (and drops it: the memory is read only).
    Write,
    /// The module sends bits.
    Read,
}

/// The module and the two wires to it.
pub(crate) struct Module {
    memory: [u8; 256],
    clock: bool,
    data: bool,
    /// Whether the module releases the data wire, which reads low while either side pulls it.
    released: bool,
    phase: Phase,
    /// Bits of the byte so far; 9 with the acknowledge.
    bits: u8,
    shift: u8,
    offset: u8,
}

impl Module {
    pub(crate) fn new(kind: SfpModule) -> Self {
        Self {
            memory: kind.identification(),
            clock: true,
            data: true,
            released: true,
            phase: Phase::Idle,
            bits: 0,
            shift: 0,
            offset: 0,
        }
    }

    /// I2CCTL after software wrote `value` to it.
    pub(crate) fn drive(&mut self, value: u32) -> u32 {
        let (clock, data) = (I2CCTL::CLK_OUT.is_set(value), I2CCTL::DATA_OUT.is_set(value));
        let (clock_before, data_before) = (self.clock, self.data);
        (self.clock, self.data) = (clock, data);
        // A driver that changes both in one write changes the data wire while the clock is low.
        if clock_before && clock && data_before != data {
            if data { self.stop() } else { self.start() }
        } else if !clock_before && clock {
            self.rising();
        } else if clock_before && !clock {
            self.falling();
        }
        let mut read = value & (mask(I2CCTL::CLK_OUT) | mask(I2CCTL::DATA_OUT));
        read |= if clock && Behaviour::SfpClock.on() { mask(I2CCTL::CLK_IN) } else { 0 };
        let high = if Behaviour::SfpWiredAnd.on() { data && self.released } else { self.released };
        read |= if high { mask(I2CCTL::DATA_IN) } else { 0 };
        read
    }

    fn start(&mut self) {
        let again = self.phase != Phase::Idle;
        if !Behaviour::SfpStart.on() || again && !Behaviour::SfpRestart.on() {
            return;
        }
        (self.phase, self.bits, self.shift, self.released) = (Phase::Address, 0, 0, true);
    }

    fn stop(&mut self) {
        if !Behaviour::SfpStop.on() {
            return;
        }
        (self.phase, self.released) = (Phase::Idle, true);
    }

    /// Clock edge at which the receiver samples the bit.
    fn rising(&mut self) {
        match self.phase {
            Phase::Idle => {}
            Phase::Address | Phase::Offset | Phase::Write => {
                if self.bits < 8 {
                    self.shift = self.shift << 1 | u8::from(self.data);
                }
                self.bits += 1;
            }
            Phase::Read => {
                self.bits += 1;
                if self.bits == 9 && self.data && Behaviour::SfpNotAcknowledged.on() {
                    // Not acknowledged: the reader is done.
                    self.phase = Phase::Idle;
                }
            }
        }
    }

    /// Clock edge at which the sender changes the data wire.
    fn falling(&mut self) {
        match self.phase {
            Phase::Idle => self.released = true,
            Phase::Read => {
                if self.bits == 9 {
                    self.offset = self.offset.wrapping_add(u8::from(Behaviour::SfpIncrement.on()));
                    self.bits = 0;
                }
                let byte = self.memory[usize::from(self.offset)];
                let one = self.bits == 8 || byte >> (7 - self.bits) & 1 == 1;
                self.released = one || !Behaviour::SfpRead.on();
            }
            Phase::Address | Phase::Offset | Phase::Write if self.bits == 8 => {
                let any = self.phase != Phase::Address || !Behaviour::SfpAddress.on();
                let known = any || self.shift & !1 == ADDRESS;
                // Pulling the wire acknowledges the byte.
                self.released = !known || !Behaviour::SfpAcknowledge.on();
                if !known {
                    self.phase = Phase::Idle;
                }
            }
            Phase::Address | Phase::Offset | Phase::Write if self.bits == 9 => {
                self.released = true;
                let byte = self.shift;
                (self.bits, self.shift) = (0, 0);
                self.phase = match self.phase {
                    Phase::Address if byte & 1 == 1 => {
                        let first = self.memory[usize::from(self.offset)];
                        self.released = first >> 7 == 1 || !Behaviour::SfpRead.on();
                        Phase::Read
                    }
                    Phase::Address => Phase::Offset,
                    Phase::Offset => {
                        self.offset = if Behaviour::SfpOffset.on() { byte } else { self.offset };
                        Phase::Write
                    }
                    other => other,
                };
            }
            Phase::Address | Phase::Offset | Phase::Write => {}
        }
    }
}
