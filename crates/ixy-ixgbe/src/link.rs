//! The link: set-up that keeps what the EEPROM chose, and waiting for it (section 4.6.4).

use std::time::{Duration, Instant};

use ixy_core::LinkState;
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::fields::{AUTOC, ESDP, LINKS};

use crate::card::Card;
use crate::error::Error;
use crate::models::Medium;
use crate::semaphore::{self, Shared};
use crate::sfp;

/// How long a link may take before it is set up again: one that came up under traffic can stay stuck.
const RETRY: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(1);
/// AUTOC.LMS: 10 Gbit/s over one lane, for SFI (section 8.2.3.22.19).
const LMS_10G_SERIAL: u32 = 3;

/// Section 4.6.4.
pub(crate) fn init<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    tracing::debug!(device = %card.name, medium = ?card.model.medium, "link initialisation, section 4.6.4");
    match card.model.medium {
        // The PHY starts by itself, and AUTOC is not its register.
        Medium::Copper => Ok(()),
        Medium::Fixed => restart(card, None),
        Medium::SfpPlus => {
            // The laser is on when SDP3 is low (section 8.2.3.1.4, and the cards' design).
            card.regs.esdp().modify(ESDP::SDP3_DATA::CLEAR);
            match sfp::set_up(card) {
                Ok(()) => restart(card, Some(LMS_10G_SERIAL)),
                Err(error) => {
                    card.check_present()?;
                    tracing::warn!(
                        device = %card.name, %error,
                        "no SFP+ module was set up; the link stays as the EEPROM has it"
                    );
                    restart(card, None)
                }
            }
        }
    }
}

/// Starts the link again, in the mode that AUTOC has, or in another one (section 4.6.4.2).
fn restart<B: Bus>(card: &Card<B>, mode: Option<u32>) -> Result<(), Error> {
    semaphore::with(card, Shared::MacRegisters, || {
        let autoc = card.regs.autoc();
        let mode = mode.unwrap_or_else(|| autoc.read(AUTOC::LMS));
        autoc.modify(AUTOC::LMS.val(mode) + AUTOC::RESTART_AN::SET);
    })
}

/// The link as it is now (section 8.2.3.22.20).
pub(crate) fn state<B: Bus>(card: &Card<B>) -> LinkState {
    let links = card.regs.links().extract();
    if links.get() == u32::MAX || !links.is_set(LINKS::LINK_UP) {
        return LinkState::default();
    }
    let speed = match links.read(LINKS::LINK_SPEED) {
        1 => 100,
        2 => 1_000,
        3 => 10_000,
        _ => 0,
    };
    LinkState { up: true, speed }
}

/// Waits until the link is up, and sets it up again now and then; returns what it is at the end of `limit`.
pub(crate) fn wait<B: Bus>(card: &Card<B>, limit: Duration) -> Result<LinkState, Error> {
    let start = Instant::now();
    let mut retry = RETRY;
    loop {
        let link = state(card);
        let waited = start.elapsed();
        if link.up || waited >= limit {
            tracing::info!(device = %card.name, %link, ?waited, "link");
            return Ok(link);
        }
        card.check_present()?;
        if waited >= retry {
            tracing::debug!(device = %card.name, ?waited, "no link yet: setting it up again");
            init(card)?;
            retry = waited + RETRY;
        }
        std::thread::sleep(POLL);
    }
}
