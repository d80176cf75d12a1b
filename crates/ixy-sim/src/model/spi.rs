//! The EEPROM's own interface: a serial memory with pins that software drives bit by bit (EEC, section 8.2.3.2.1).
//!
//! The part is of the 25 series, with 8 KiB and two address bytes. It samples input on the rising clock edge and
//! changes its output on the falling one. A command begins when the part is selected (CS low) and ends when it is
//! deselected.

use std::time::Duration;

use ixy_regs::ixgbe::fields::EEC;

use super::behaviour::Behaviour;
use super::nvm::Nvm;

// Commands.
const WRITE_STATUS: u8 = 0x01;
const WRITE: u8 = 0x02;
const READ: u8 = 0x03;
const WRITE_DISABLE: u8 = 0x04;
const READ_STATUS: u8 = 0x05;
const WRITE_ENABLE: u8 = 0x06;

// Bits of the status.
const BUSY: u8 = 1 << 0;
const ENABLED: u8 = 1 << 1;
const PROTECTED: u8 = 3 << 2;
/// Bits that software can write: the protected blocks, and the bit for the pin that protects the status.
const WRITABLE: u8 = PROTECTED | 1 << 7;

/// Size of a page in bytes: one command can write within one page.
const PAGE: usize = 32;
/// How long the part is busy with a write.
const WRITE_TIME: Duration = Duration::from_millis(5);

/// The state of the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waits until it is selected again.
    Idle,
    Command,
    /// Receives two address bytes, for a read or a write.
    Address {
        write: bool,
    },
    /// Sends the bytes from here on.
    Read(usize),
    /// Receives bytes for this page; the next one goes to this address.
    Write(usize),
    ReadStatus,
    WriteStatus,
}

/// The part's pins and its state beside the memory.
pub(crate) struct Spi {
    selected: bool,
    clock: bool,
    out: bool,
    phase: Phase,
    /// Bits received since the last complete byte or address, and their number.
    shift: u16,
    bits: u8,
    status: u8,
    page: [Option<u8>; PAGE],
    new_status: Option<u8>,
    busy_until: Duration,
}

impl Spi {
    pub(crate) fn new() -> Self {
        Self {
            selected: false,
            clock: false,
            out: false,
            phase: Phase::Idle,
            shift: 0,
            bits: 0,
            status: 0,
            page: [None; PAGE],
            new_status: None,
            busy_until: Duration::ZERO,
        }
    }

    /// The pins are no longer driven: a command in progress is dropped.
    pub(crate) fn release(&mut self) {
        self.selected = false;
        self.out = false;
        self.phase = Phase::Idle;
    }

    /// Software drives the pins as `eec` says, at `now`; returns whether the part's output (DO) is high.
    pub(crate) fn drive(&mut self, nvm: &mut Nvm, eec: u32, now: impl Fn() -> Duration) -> bool {
        if EEC::CS.is_set(eec) {
            if self.selected {
                self.finish(nvm, &now);
            }
            self.release();
            self.clock = EEC::SK.is_set(eec);
            return false;
        }
        let (before, clock) = (self.clock, EEC::SK.is_set(eec));
        self.clock = clock;
        if !self.selected {
            self.selected = true;
            self.expect(Phase::Command);
        } else if clock && !before {
            self.take(EEC::DI.is_set(eec), &now);
        } else if !clock && before {
            self.give(nvm, &now);
        }
        self.out
    }

    fn expect(&mut self, phase: Phase) {
        self.phase = phase;
        (self.shift, self.bits) = (0, 0);
    }

    /// A rising edge with `bit` on the data pin.
    fn take(&mut self, bit: bool, now: &impl Fn() -> Duration) {
        if matches!(self.phase, Phase::Idle | Phase::Read(_) | Phase::ReadStatus) {
            return;
        }
        self.shift = self.shift << 1 | u16::from(bit);
        self.bits += 1;
        let whole = if matches!(self.phase, Phase::Address { .. }) { 16 } else { 8 };
        if self.bits < whole {
            return;
        }
        let value = self.shift;
        let next = match self.phase {
            Phase::Command => self.command(value as u8, now),
            Phase::Address { write: false } => Phase::Read(usize::from(value)),
            Phase::Address { write: true } => Phase::Write(usize::from(value)),
            Phase::Write(address) => {
                self.page[address % PAGE] = Some(value as u8);
                let inside = (address + 1) % PAGE;
                let wraps = Behaviour::SpiPageWraps.on();
                Phase::Write(if wraps { address - address % PAGE + inside } else { address + 1 })
            }
            Phase::WriteStatus => {
                self.new_status = Some(value as u8);
                Phase::WriteStatus
            }
            phase @ (Phase::Idle | Phase::Read(_) | Phase::ReadStatus) => phase,
        };
        self.expect(next);
    }

    /// Starts a command.
    fn command(&mut self, command: u8, now: &impl Fn() -> Duration) -> Phase {
        (self.page, self.new_status) = ([None; PAGE], None);
        if command != READ_STATUS && self.is_busy(now) {
            return Phase::Idle;
        }
        match command {
            READ if Behaviour::SpiRead.on() => Phase::Address { write: false },
            WRITE if Behaviour::SpiWrite.on() => Phase::Address { write: true },
            READ_STATUS if Behaviour::SpiStatus.on() => Phase::ReadStatus,
            WRITE_STATUS => Phase::WriteStatus,
            WRITE_ENABLE => {
                self.status |= ENABLED;
                Phase::Idle
            }
            WRITE_DISABLE => {
                self.status &= !ENABLED;
                Phase::Idle
            }
            _ => Phase::Idle,
        }
    }

    fn is_busy(&self, now: &impl Fn() -> Duration) -> bool {
        self.busy_until > Duration::ZERO && now() < self.busy_until && Behaviour::SpiBusy.on()
    }

    /// A falling edge: puts out the next bit, if any.
    fn give(&mut self, nvm: &Nvm, now: &impl Fn() -> Duration) {
        if self.bits == 0 {
            let byte = match self.phase {
                Phase::Read(address) => {
                    self.phase = Phase::Read(address + 1);
                    nvm.byte(address)
                }
                Phase::ReadStatus => self.status | if self.is_busy(now) { BUSY } else { 0 },
                _ => return,
            };
            self.shift = u16::from(byte);
        } else if !matches!(self.phase, Phase::Read(_) | Phase::ReadStatus) {
            return;
        }
        self.out = self.shift & 0x80 != 0;
        self.shift <<= 1;
        self.bits = (self.bits + 1) % 8;
    }

    /// The part is deselected: a write takes effect if it has whole bytes and writing is enabled.
    fn finish(&mut self, nvm: &mut Nvm, now: &impl Fn() -> Duration) {
        let enabled = self.status & ENABLED != 0 || !Behaviour::SpiWriteEnable.on();
        if self.bits != 0 || !enabled {
            return;
        }
        match self.phase {
            Phase::Write(next) if self.page.iter().any(Option::is_some) => {
                let start = next - next % PAGE;
                for (n, byte) in self.page.iter().enumerate() {
                    if let Some(byte) = *byte
                        && !self.is_protected(start + n)
                    {
                        nvm.set_byte(start + n, byte);
                    }
                }
            }
            Phase::WriteStatus if self.new_status.is_some() => {
                self.status = self.status & !WRITABLE | self.new_status.unwrap_or(0) & WRITABLE;
            }
            _ => return,
        }
        self.status &= !ENABLED;
        self.busy_until = now() + WRITE_TIME;
    }

    /// Whether the status protects the byte at `address`: the upper quarter, the upper half, or all.
    fn is_protected(&self, address: usize) -> bool {
        let address = address % Nvm::BYTES;
        let from = match (self.status & PROTECTED) >> 2 {
            0 => Nvm::BYTES,
            1 => Nvm::BYTES / 4 * 3,
            2 => Nvm::BYTES / 2,
            _ => 0,
        };
        address >= from && Behaviour::SpiProtection.on()
    }
}
