//! The PHY, behind MDIC and a semaphore.

use super::{State, offset};

/// MDIC.
const READY: u32 = 1 << 28;
const ERROR: u32 = 1 << 30;

#[derive(Debug)]
pub(crate) struct Phy {
    pub(crate) registers: [u16; 32],
    /// Whether it answers.
    pub(crate) dead: bool,
    /// Attempts for which the firmware keeps its semaphore.
    pub(crate) firmware_turns: u32,
    /// Number of accesses.
    pub(crate) accesses: u32,
    /// Number of times that autonegotiation was started.
    pub(crate) restarts: u32,
    /// Number of looks until negotiation is done.
    negotiating: u32,
    /// The result of negotiation.
    speed: u32,
    outcome: u32,
}

impl Default for Phy {
    /// The state at power-on, without a link.
    fn default() -> Self {
        let mut registers = [0; 32];
        registers[0] = 0x1140;
        registers[4] = 0x0de1;
        registers[9] = 0x0300;
        Self {
            registers,
            dead: false,
            firmware_turns: 0,
            accesses: 0,
            restarts: 0,
            negotiating: 0,
            speed: 0,
            outcome: 0,
        }
    }
}

impl Phy {
    /// The link's speed; 0 when there is none. Each look lets time pass.
    pub(crate) fn look(&mut self) -> u32 {
        if self.negotiating > 0 {
            self.negotiating -= 1;
            if self.negotiating == 0 {
                self.speed = self.outcome;
            }
        }
        self.speed
    }

    /// Pulls the cable, or plugs it in again with the same partner.
    pub(crate) fn unplug(&mut self) {
        self.speed = 0;
    }
}

impl State {
    pub(super) fn access_phy(&mut self, command: u32) {
        self.phy.accesses += 1;
        let held = self.at(offset::SW_FW_SYNC);
        let (ours, firmware) = (1 << (1 + self.options.port), 1 << (17 + self.options.port));
        if held & ours == 0 || held & firmware != 0 {
            self.violation("the PHY is accessed without its semaphore");
        }
        if command & (READY | 1 << 31) != 0 {
            self.violation(format!("MDIC is started with {command:#x}"));
        }
        let (register, address) = ((command >> 16 & 31) as usize, command >> 21 & 31);
        let mut result = command & 0x03ff_ffff | READY;
        match command >> 26 & 3 {
            _ if address != 1 || self.phy.dead => result |= ERROR,
            1 => self.write_phy(register, command as u16),
            2 => result = result & !0xffff | u32::from(self.phy.registers[register]),
            other => self.violation(format!("MDIC has OP {other}")),
        }
        *self.at_mut(offset::MDIC) = result;
    }

    fn write_phy(&mut self, register: usize, value: u16) {
        let (partner, negotiation) = (self.options.partner, self.options.negotiation);
        let phy = &mut self.phy;
        // Restart and reset clear themselves.
        phy.registers[register] = if register == 0 { value & !0x8200 } else { value };
        let (negotiates, restart) = (value & 0x1000 != 0, value & 0x0200 != 0);
        if register != 0 || !restart {
            return;
        }
        phy.restarts += 1;
        phy.speed = 0;
        // Without power, isolated or in loopback it has no link.
        phy.outcome = match partner {
            _ if !negotiates || value & 0x4c00 != 0 => 0,
            1000 if phy.registers[9] & 0x0200 != 0 => 1000,
            100.. if phy.registers[4] & 0x0180 != 0 => 100,
            10.. if phy.registers[4] & 0x0060 != 0 => 10,
            _ => 0,
        };
        phy.negotiating = negotiation.max(1);
    }
}
