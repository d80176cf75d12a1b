//! The PHY's registers, through MDIC.

use std::time::Duration;

use ixy_regs::bus::Bus;
use ixy_regs::igb::fields::MDIC;

use crate::card::{Card, LINK, Wait};
use crate::error::Error;

/// The address of the internal PHY.
const ADDRESS: u32 = 1;
/// Longest time that an access takes.
const ACCESS: Duration = Duration::from_millis(100);

/// A register of the PHY, by its number in IEEE 802.3, clause 22.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Register {
    /// Control.
    Control = 0,
    /// The offer of autonegotiation at 10 and 100 Mbit/s.
    Advertisement = 4,
    /// The offer at 1,000 Mbit/s.
    Control1000 = 9,
}

/// Bits of [`Register::Control`].
pub(crate) mod control {
    /// Autonegotiation starts anew; clears itself.
    pub(crate) const RESTART: u16 = 1 << 9;
    /// Isolates the PHY from the MAC.
    pub(crate) const ISOLATE: u16 = 1 << 10;
    pub(crate) const POWER_DOWN: u16 = 1 << 11;
    pub(crate) const AUTONEGOTIATION: u16 = 1 << 12;
    pub(crate) const LOOPBACK: u16 = 1 << 14;
}

/// Reads a register. The caller holds the PHY's semaphore.
pub(crate) fn read<B: Bus>(card: &Card<B>, register: Register) -> Result<u16, Error> {
    let found = access(card, register, MDIC::OP::READ.value)?;
    Ok(MDIC::DATA.read(found) as u16)
}

/// Writes a register. The caller holds the PHY's semaphore.
pub(crate) fn write<B: Bus>(card: &Card<B>, register: Register, value: u16) -> Result<(), Error> {
    access(card, register, (MDIC::OP::WRITE + MDIC::DATA.val(value.into())).value).map(drop)
}

fn access<B: Bus>(card: &Card<B>, register: Register, command: u32) -> Result<u32, Error> {
    let mdic = card.regs.mdic();
    let number = MDIC::REGADD.val(register as u32) + MDIC::PHYADD.val(ADDRESS);
    mdic.set(number.modify(command));
    let wait = Wait { register: "MDIC", wanted: "R set", section: LINK, limit: ACCESS };
    let found = card.wait(&wait, || mdic.get(), |found| MDIC::R.is_set(found))?;
    if MDIC::E.is_set(found) {
        card.check_present()?;
        return Err(Error::Phy { device: card.name.clone(), register: register as u8, found });
    }
    Ok(found)
}
