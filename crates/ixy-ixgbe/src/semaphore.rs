//! Resources that software, firmware and the card's other port share: semaphores (section 10.5.4), and the EEPROM.

use std::time::Duration;

use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::fields::{EERD, SWSM};

use crate::card::{Card, Wait};
use crate::error::Error;

/// A resource with a single owner at a time, by its bit in SW_FW_SYNC. The firmware's bit for it is five higher.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shared {
    /// The I2C bus of port 0.
    Phy0 = 1,
    /// The I2C bus of port 1.
    Phy1 = 2,
    /// The registers of the link that both ports and the firmware change.
    MacRegisters = 3,
}

/// The firmware's bits of SW_FW_SYNC are this much higher than software's.
const FIRMWARE: u32 = 5;
/// Longest time that another owner keeps a semaphore; after it, the owner counts as dead (section 10.5.4).
const HOLD: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(100);
/// The pause between two attempts.
const TURN: Duration = Duration::from_millis(5);
/// Longest time to read one word of the EEPROM, which the firmware may be using.
const READ: Duration = Duration::from_millis(500);

/// Runs `action` with exclusive access to the resource `what`.
pub(crate) fn with<B: Bus, R>(card: &Card<B>, what: Shared, action: impl FnOnce() -> R) -> Result<R, Error> {
    let ours = 1 << what as u32;
    let taken_by = ours | ours << FIRMWARE;
    let wait = Wait { register: "SW_FW_SYNC", wanted: "free", section: "10.5.4", limit: HOLD };
    // `claim` tests and takes in one step, and returns zero on success.
    let claimed = card.wait(&wait, || claim(card, ours, taken_by), |others| others == 0);
    if let Err(error) = claimed {
        card.check_present()?;
        // Section 10.5.4: after a second the owner counts as dead, and its semaphore is taken over.
        tracing::warn!(%error, "taking over a semaphore that was not given back");
        inner(card, || card.regs.sw_fw_sync().set(card.regs.sw_fw_sync().get() & !taken_by | ours))?;
    }
    let result = action();
    inner(card, || card.regs.sw_fw_sync().set(card.regs.sw_fw_sync().get() & !ours))?;
    Ok(result)
}

/// Takes the bits `ours` if none of `taken_by` is set. Returns the bits of `taken_by` that were set, or all
/// ones when SW_FW_SYNC could not be read.
fn claim<B: Bus>(card: &Card<B>, ours: u32, taken_by: u32) -> u32 {
    let look = || {
        let sync = card.regs.sw_fw_sync();
        let others = sync.get() & taken_by;
        if others == 0 {
            sync.set(sync.get() | ours);
        }
        others
    };
    let others = inner(card, look).unwrap_or(u32::MAX);
    if others != 0 {
        std::thread::sleep(TURN);
    }
    others
}

/// Runs `action` while holding the two semaphores that guard SW_FW_SYNC itself: SMBI against other software,
/// SWESMBI against the firmware.
fn inner<B: Bus, R>(card: &Card<B>, action: impl FnOnce() -> R) -> Result<R, Error> {
    let swsm = card.regs.swsm();
    let wait = Wait { register: "SWSM", wanted: "SMBI clear", section: "10.5.4", limit: SHORT };
    if let Err(error) = card.wait(&wait, || swsm.test_and_set().get(), |value| !SWSM::SMBI.is_set(value)) {
        card.check_present()?;
        // No holder keeps it this long, so the holder is dead. Treat it as ours.
        tracing::debug!(%error, "taking over SMBI");
    }
    let wait = Wait { register: "SWSM", wanted: "SWESMBI set", section: "10.5.4", limit: SHORT };
    let ask = || {
        swsm.write(SWSM::SMBI::SET + SWSM::SWESMBI::SET);
        swsm.test_and_set().get()
    };
    let granted = card.wait(&wait, ask, |value| SWSM::SWESMBI.is_set(value));
    let result = granted.map(|_| action());
    swsm.set(0);
    result
}

/// Reads a word of the EEPROM (section 8.2.3.2.2).
pub(crate) fn eeprom_word<B: Bus>(card: &Card<B>, word: u16) -> Result<u16, Error> {
    let eerd = card.regs.eerd();
    eerd.write(EERD::START::SET + EERD::ADDR.val(word.into()));
    let wait = Wait { register: "EERD", wanted: "DONE set", section: "8.2.3.2.2", limit: READ };
    let value = card.wait(&wait, || eerd.get(), |value| EERD::DONE.is_set(value))?;
    Ok(EERD::DATA.read(value) as u16)
}
