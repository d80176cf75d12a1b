//! Registers with side effects, and the reset.

use super::{QUEUES, State, WINDOW};

/// Offsets of the registers in tests.
pub(crate) mod offset {
    pub(crate) const CTRL: u32 = 0x0;
    pub(crate) const STATUS: u32 = 0x8;
    pub(crate) const EEC: u32 = 0x10;
    pub(crate) const CTRL_EXT: u32 = 0x18;
    pub(crate) const MDIC: u32 = 0x20;
    pub(crate) const ICR: u32 = 0xc0;
    pub(crate) const ICS: u32 = 0xc8;
    pub(crate) const IMS: u32 = 0xd0;
    pub(crate) const IMC: u32 = 0xd8;
    pub(crate) const RCTL: u32 = 0x100;
    pub(crate) const TCTL: u32 = 0x400;
    pub(crate) const GPIE: u32 = 0x1514;
    pub(crate) const EICS: u32 = 0x1520;
    pub(crate) const EIMS: u32 = 0x1524;
    pub(crate) const EIMC: u32 = 0x1528;
    pub(crate) const EIAC: u32 = 0x152c;
    pub(crate) const EIAM: u32 = 0x1530;
    pub(crate) const EICR: u32 = 0x1580;
    pub(crate) const EITR: u32 = 0x1680;
    pub(crate) const IVAR: u32 = 0x1700;
    pub(crate) const IVAR_MISC: u32 = 0x1740;
    pub(crate) const STATISTICS: std::ops::Range<u32> = 0x4000..0x4140;
    pub(crate) const RXCSUM: u32 = 0x5000;
    pub(crate) const RLPML: u32 = 0x5004;
    pub(crate) const RFCTL: u32 = 0x5008;
    pub(crate) const MTA: u32 = 0x5200;
    pub(crate) const RAL: u32 = 0x5400;
    pub(crate) const RAH: u32 = 0x5404;
    pub(crate) const VFTA: u32 = 0x5600;
    pub(crate) const MRQC: u32 = 0x5818;
    pub(crate) const MANC: u32 = 0x5820;
    pub(crate) const FTQF: u32 = 0x59e0;
    pub(crate) const GCR: u32 = 0x5b00;
    pub(crate) const SWSM: u32 = 0x5b50;
    pub(crate) const SW_FW_SYNC: u32 = 0x5b5c;
    pub(crate) const RETA: u32 = 0x5c00;
    pub(crate) const RSSRK: u32 = 0x5c80;
    pub(crate) const ETQF: u32 = 0x5cb0;
    pub(crate) const UTA: u32 = 0xa000;

    /// A receive queue's registers.
    pub(crate) const fn rx(n: usize, register: u32) -> u32 {
        0xc000 + 0x40 * n as u32 + register
    }

    /// A transmit queue's registers.
    pub(crate) const fn tx(n: usize, register: u32) -> u32 {
        0xe000 + 0x40 * n as u32 + register
    }

    pub(crate) const BASE_LOW: u32 = 0x00;
    pub(crate) const BASE_HIGH: u32 = 0x04;
    pub(crate) const LEN: u32 = 0x08;
    pub(crate) const SRRCTL: u32 = 0x0c;
    pub(crate) const HEAD: u32 = 0x10;
    pub(crate) const TAIL: u32 = 0x18;
    pub(crate) const CONTROL: u32 = 0x28;
    pub(crate) const RQDPC: u32 = 0x30;
    pub(crate) const TDWBAL: u32 = 0x38;
}

use offset::*;

/// CTRL.
const GIO_DIS: u32 = 1 << 2;
const SLU: u32 = 1 << 6;
const RST: u32 = 1 << 26;
/// STATUS.
const LU: u32 = 1 << 1;
const GIO: u32 = 1 << 19;
/// RXDCTL and TXDCTL.
const ENABLE: u32 = 1 << 25;
/// RCTL.RXEN and TCTL.EN.
const GATE: u32 = 1 << 1;

/// A register of a queue.
enum OfQueue {
    Rx(usize, u32),
    Tx(usize, u32),
    None,
}

fn of_queue(at: u32) -> OfQueue {
    match at {
        0xc000..0xc400 => OfQueue::Rx((at - 0xc000) as usize / 0x40, at % 0x40),
        0xe000..0xe400 => OfQueue::Tx((at - 0xe000) as usize / 0x40, at % 0x40),
        _ => OfQueue::None,
    }
}

impl State {
    pub(super) fn reset(&mut self) {
        let counted = std::mem::take(&mut self.registers);
        self.registers = vec![0; WINDOW as usize / 4];
        // The registers that a reset keeps.
        let kept = [MTA..MTA + 0x200, VFTA..VFTA + 0x200, UTA..UTA + 0x200, ETQF..ETQF + 32, FTQF..FTQF + 32];
        for at in kept
            .into_iter()
            .flatten()
            .step_by(4)
            .chain((0..8).map(|n| IVAR + 4 * n))
            .chain([IVAR_MISC, SWSM, SW_FW_SYNC, MANC])
        {
            *self.at_mut(at) = counted.get(at as usize / 4).copied().unwrap_or_default();
        }
        // Ownership is kept, too.
        *self.at_mut(CTRL_EXT) = counted.get(CTRL_EXT as usize / 4).copied().unwrap_or_default() & 1 << 28;
        if self.options.eeprom {
            let [a, b, c, d, e, f] = self.options.mac;
            *self.at_mut(RAL) = u32::from_le_bytes([a, b, c, d]);
            *self.at_mut(RAH) = u32::from_le_bytes([e, f, 0, 0]) | 1 << 31;
            *self.at_mut(EEC) = 1 << 9 | 1 << 8;
        }
        // Requests are repeated after a completion time-out.
        *self.at_mut(GCR) = 1 << 16 | self.options.completions;
        for n in 0..QUEUES {
            // WTHRESH is 1, and queue 0 is on.
            *self.at_mut(rx(n, CONTROL)) = 1 << 16 | if n == 0 { ENABLE } else { 0 };
            *self.at_mut(tx(n, CONTROL)) = if n == 0 { ENABLE } else { 0 };
        }
        self.heads = Default::default();
        self.buffered.clear();
        self.interrupts.reset();
        self.enable_waits.clear();
        self.master_waits = 0;
    }

    pub(super) fn is_on(&self, kind: usize, n: usize) -> bool {
        let (gate, control) = if kind == 0 { (RCTL, rx(n, CONTROL)) } else { (TCTL, tx(n, CONTROL)) };
        self.at(gate) & GATE != 0 && self.at(control) & ENABLE != 0
    }

    /// Whether a reset is in progress that will end.
    fn is_resetting(&self) -> bool {
        self.resetting > 0 && !self.stuck.contains_key(&CTRL)
    }

    pub(crate) fn read(&mut self, at: u32) -> u32 {
        if self.vanished {
            return u32::MAX;
        }
        if self.is_resetting() && at != CTRL {
            self.violation(format!("{at:#x} is read during a reset"));
        }
        let value = match at {
            CTRL => {
                self.resetting = self.resetting.saturating_sub(1);
                self.at(CTRL) | if self.resetting > 0 { RST } else { 0 }
            }
            STATUS => self.status(),
            MDIC => self.at(MDIC),
            ICR => self.take_icr(),
            IMS => self.interrupts.ims,
            EIMS => self.interrupts.eims,
            EICR => {
                if self.interrupts.eiac != 0 {
                    self.violation("EICR is read while EIAC has bits");
                }
                std::mem::take(&mut self.interrupts.eicr)
            }
            EIAC => self.interrupts.eiac,
            IMC | EIMC | ICS | EICS => {
                self.violation(format!("{at:#x} is read, which is for writing"));
                0
            }
            // A read takes the semaphore against other software.
            SWSM => {
                let value = self.at(SWSM);
                *self.at_mut(SWSM) |= 1;
                value
            }
            _ if STATISTICS.contains(&at) => self.counters.take(at),
            _ => match of_queue(at) {
                OfQueue::Rx(n, CONTROL) => self.read_control(0, n, at),
                OfQueue::Tx(n, CONTROL) => self.read_control(1, n, at),
                OfQueue::Rx(n, HEAD) => self.heads[0][n],
                OfQueue::Tx(n, HEAD) => self.heads[1][n],
                OfQueue::Rx(_, RQDPC) => std::mem::take(self.at_mut(at)),
                _ => self.at(at),
            },
        };
        let (ones, zeros) = self.stuck.get(&at).copied().unwrap_or_default();
        (value | ones) & !zeros
    }

    fn status(&mut self) -> u32 {
        let mut status = self.options.port << 2;
        if self.at(CTRL) & GIO_DIS == 0 || self.master_waits > 0 {
            status |= GIO;
        }
        self.master_waits = self.master_waits.saturating_sub(1);
        let speed = self.phy.look();
        if self.at(CTRL) & SLU != 0 && speed > 0 {
            status |= LU
                | 1
                | match speed {
                    10 => 0,
                    100 => 1 << 6,
                    _ => 2 << 6,
                };
        }
        status
    }

    fn read_control(&mut self, kind: usize, n: usize, at: u32) -> u32 {
        let value = self.at(at);
        if !self.is_on(kind, n) {
            return value & !ENABLE;
        }
        let Some(waits) = self.enable_waits.get_mut(&at).filter(|waits| **waits > 0) else { return value };
        *waits -= 1;
        value & !ENABLE
    }

    pub(crate) fn write(&mut self, at: u32, value: u32) {
        if self.vanished {
            return;
        }
        if self.is_resetting() {
            self.violation(format!("{at:#x} is written during a reset"));
        }
        match at {
            CTRL => {
                if value & GIO_DIS != 0 && self.at(CTRL) & GIO_DIS == 0 {
                    self.master_waits = self.options.master_reads;
                }
                *self.at_mut(CTRL) = value & !RST;
                if value & RST != 0 {
                    if self.interrupts.ims | self.interrupts.eims != 0 {
                        self.violation("it is reset while it may interrupt");
                    }
                    self.reset();
                    self.resets += 1;
                    self.resetting = self.options.reset_reads;
                }
            }
            MDIC => self.access_phy(value),
            ICR => self.interrupts.icr &= !value,
            ICS => self.interrupts.icr |= value,
            IMS => self.interrupts.ims |= value,
            IMC => self.interrupts.ims &= !value,
            EICR => self.interrupts.eicr &= !value,
            EICS => self.interrupts.eicr |= value,
            EIMS => self.interrupts.eims |= value,
            EIMC => self.interrupts.eims &= !value,
            EIAC => self.interrupts.eiac |= value,
            SWSM => self.write_swsm(value),
            SW_FW_SYNC => {
                if self.at(SWSM) & 3 != 3 {
                    self.violation("SW_FW_SYNC is written without its semaphores");
                }
                *self.at_mut(at) = value;
            }
            STATUS => self.violation("STATUS is written"),
            RCTL | TCTL => {
                let register = |n| if at == RCTL { rx(n, 0) } else { tx(n, 0) };
                let without = |n: &usize| {
                    self.at(register(*n) + CONTROL) & ENABLE != 0 && self.at(register(*n) + LEN) == 0
                };
                if value & !self.at(at) & GATE != 0
                    && let Some(n) = (0..QUEUES).find(without)
                {
                    self.violation(format!("{at:#x} lets queue {n} go, which is on without a ring"));
                }
                *self.at_mut(at) = value;
            }
            _ if STATISTICS.contains(&at) => self.violation(format!("the counter at {at:#x} is written")),
            _ => match of_queue(at) {
                OfQueue::Rx(n, register) => self.write_queue(0, n, register, at, value),
                OfQueue::Tx(n, register) => self.write_queue(1, n, register, at, value),
                OfQueue::None => *self.at_mut(at) = value,
            },
        }
        self.interrupt();
    }

    fn write_queue(&mut self, kind: usize, n: usize, register: u32, at: u32, value: u32) {
        match register {
            // The write to RDH is ignored.
            HEAD if kind == 0 => {}
            HEAD => self.heads[1][n] = value,
            // While the queue is off the write is ignored.
            TAIL if kind == 0
                && (!self.is_on(0, n) || self.read_control(0, n, at - TAIL + CONTROL) & ENABLE == 0) => {}
            CONTROL => {
                let was = self.at(at);
                if value & !was & ENABLE != 0 {
                    self.enable_waits.insert(at, self.options.enable_reads);
                    self.heads[kind][n] = 0;
                }
                *self.at_mut(at) = value;
            }
            LEN | BASE_LOW if value & 127 != 0 => {
                self.violation(format!("{value:#x} in {at:#x} is no multiple of 128"));
            }
            LEN | BASE_LOW | BASE_HIGH if self.at(at - register + CONTROL) & ENABLE != 0 => {
                self.violation(format!("the ring of a queue that is on is changed at {at:#x}"));
            }
            _ => *self.at_mut(at) = value,
        }
    }

    fn write_swsm(&mut self, value: u32) {
        let mut value = value;
        // The firmware owns the other semaphore until it releases it.
        if value & 2 != 0 && self.phy.firmware_turns > 0 {
            self.phy.firmware_turns -= 1;
            value &= !2;
        }
        *self.at_mut(SWSM) = value;
    }
}
