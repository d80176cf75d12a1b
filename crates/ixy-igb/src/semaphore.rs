//! Resources that software, firmware and the card's other port share: the PHY, guarded by semaphores.

use std::time::Duration;

use ixy_regs::bus::Bus;
use ixy_regs::igb::fields::{STATUS, SWSM};

use crate::card::{Card, LINK, Wait};
use crate::error::Error;

/// The bit of port 0's PHY in SW_FW_SYNC; that of port 1 is one higher.
const PHY: u32 = 1;
/// The firmware's bits of SW_FW_SYNC are this much higher than software's.
const FIRMWARE: u32 = 16;
/// Longest time that another owner keeps a semaphore; after it, the owner counts as dead.
const HOLD: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(100);
/// The pause between two attempts.
const TURN: Duration = Duration::from_millis(5);

/// Runs `action` while the PHY of the card's port belongs to it alone.
pub(crate) fn with_phy<B: Bus, R>(
    card: &Card<B>,
    action: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    // Cards with four ports have two devices of two ports each.
    let port = card.regs.status().read(STATUS::LAN_ID) & 1;
    let ours = 1 << (PHY + port);
    let taken_by = ours | ours << FIRMWARE;
    let wait = Wait { register: "SW_FW_SYNC", wanted: "free", section: LINK, limit: HOLD };
    // `claim` tests and takes in one step, and returns zero on success.
    let claimed = card.wait(&wait, || claim(card, ours, taken_by), |others| others == 0);
    if let Err(error) = claimed {
        card.check_present()?;
        tracing::warn!(%error, "taking over a semaphore that was not given back");
        inner(card, || card.regs.sw_fw_sync().set(card.regs.sw_fw_sync().get() & !taken_by | ours))?;
    }
    let result = action();
    inner(card, || card.regs.sw_fw_sync().set(card.regs.sw_fw_sync().get() & !ours))?;
    result
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
    let wait = Wait { register: "SWSM", wanted: "SMBI clear", section: LINK, limit: SHORT };
    if let Err(error) = card.wait(&wait, || swsm.test_and_set().get(), |value| !SWSM::SMBI.is_set(value)) {
        card.check_present()?;
        // No holder keeps it this long, so the holder is dead. Treat it as ours.
        tracing::debug!(%error, "taking over SMBI");
    }
    let wait = Wait { register: "SWSM", wanted: "SWESMBI set", section: LINK, limit: SHORT };
    let ask = || {
        swsm.write(SWSM::SMBI::SET + SWSM::SWESMBI::SET);
        swsm.test_and_set().get()
    };
    let granted = card.wait(&wait, ask, |value| SWSM::SWESMBI.is_set(value));
    let result = granted.map(|_| action());
    swsm.set(0);
    result
}
