//! The link: set-up that keeps what the EEPROM chose, and waiting for it (section 4.6.4).

use std::time::{Duration, Instant};

use ixy_core::LinkState;
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::fields::{ANLP1, AUTOC, ESDP, LINKS, MMNGC};

use crate::card::Card;
use crate::device::Ixgbe;
use crate::error::Error;
use crate::models::Medium;
use crate::semaphore::{self, Shared};
use crate::sfp;

/// The time after which a missing link to a module is set up again: one that came up under traffic can stay stuck.
const RETRY: Duration = Duration::from_secs(2);
/// The same for a backplane, which negotiates for up to 4.5 seconds.
const RETRY_NEGOTIATED: Duration = Duration::from_secs(9);
/// Number of checks of the negotiation state while the pipeline is reset, and the pause between them.
const PIPELINE: (usize, Duration) = (10, Duration::from_millis(4));
const POLL: Duration = Duration::from_millis(1);
/// AUTOC.LMS: 10 Gbit/s over one lane, for SFI (section 8.2.3.22.19).
const LMS_10G_SERIAL: u32 = 3;
/// The bit of LMS that is flipped and restored.
const LMS_TOGGLED: u32 = 4;
/// The bits of AUTOC2 with which an EEPROM can disable the link (section 8.2.3.22.22).
const LINK_DISABLED: u32 = 0x7000_0000;

/// Section 4.6.4.
pub(crate) fn init<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    tracing::debug!(device = %card.name, medium = ?card.model.medium, "link initialisation, section 4.6.4");
    match card.model.medium {
        // The PHY starts by itself; AUTOC does not control it.
        Medium::Copper => Ok(()),
        Medium::Fixed => restart(card),
        Medium::SfpPlus => {
            // The laser is on when SDP3 is low, and SDP5 high selects the higher rate of a module that has
            // two (section 8.2.3.1.4, and the cards' design).
            card.regs.esdp().modify(ESDP::SDP3_DATA::CLEAR + ESDP::SDP5_DATA::SET + ESDP::SDP5_IODIR::SET);
            match sfp::set_up(card) {
                Ok(()) => reset_pipeline(card),
                Err(error) => {
                    card.check_present()?;
                    tracing::warn!(
                        device = %card.name, %error,
                        "no SFP+ module was set up; the link stays as the EEPROM has it"
                    );
                    restart(card)
                }
            }
        }
    }
}

/// Restarts the link, in the mode that the EEPROM put into AUTOC (section 4.6.4.2).
fn restart<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    semaphore::with(card, Shared::MacRegisters, || card.regs.autoc().modify(AUTOC::RESTART_AN::SET))
}

/// Starts the link over SFI with the values just written to the analog core. That takes a change of mode and back,
/// with a negotiation in between; a restart alone leaves the pipeline as it was.
fn reset_pipeline<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    if card.regs.mmngc().is_set(MMNGC::MNG_VETO) {
        // The firmware uses this link (MMNGC.MNG_VETO): leave it alone (section 8.2.3.22.25).
        tracing::debug!(device = %card.name, "the firmware keeps the link as it is");
        return Ok(());
    }
    semaphore::with(card, Shared::MacRegisters, || {
        let (autoc, autoc2) = (card.regs.autoc(), card.regs.autoc2());
        let disabled = autoc2.get() & LINK_DISABLED;
        if disabled != 0 {
            autoc2.set(autoc2.get() & !disabled);
        }
        let wanted = (AUTOC::LMS.val(LMS_10G_SERIAL) + AUTOC::RESTART_AN::SET).modify(autoc.get());
        autoc.set(AUTOC::LMS.val(LMS_10G_SERIAL ^ LMS_TOGGLED).modify(wanted));
        for _ in 0..PIPELINE.0 {
            std::thread::sleep(PIPELINE.1);
            if card.regs.anlp1().read(ANLP1::ANAS) != 0 {
                break;
            }
        }
        autoc.set(wanted);
    })
}

/// The current state of the link (section 8.2.3.22.20).
pub(crate) fn state<B: Bus>(card: &Card<B>) -> LinkState {
    // The first read may be stale: it reports a link loss that happened since the last read.
    let _earlier = card.regs.links().get();
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

impl<B: Bus + 'static> Ixgbe<B> {
    /// Waits until the link is up, at most `limit`, and sets it up again every two seconds. Returns the link's
    /// state then; a link that stays down is no error.
    ///
    /// # Errors
    /// The device is lost.
    pub fn wait_for_link(&self, limit: Duration) -> Result<LinkState, Error> {
        wait(&self.card, limit, &|| false)
    }
}

/// Waits for the link until `limit` is over or `stop` returns true.
pub(crate) fn wait<B: Bus>(
    card: &Card<B>,
    limit: Duration,
    stop: &dyn Fn() -> bool,
) -> Result<LinkState, Error> {
    let start = Instant::now();
    let patience = if card.model.medium == Medium::SfpPlus { RETRY } else { RETRY_NEGOTIATED };
    let mut retry = patience;
    loop {
        let link = state(card);
        let waited = start.elapsed();
        if link.up || waited >= limit || stop() {
            tracing::info!(device = %card.name, %link, ?waited, "link");
            return Ok(link);
        }
        card.check_present()?;
        if waited >= retry {
            tracing::debug!(device = %card.name, ?waited, "no link yet: setting it up again");
            init(card)?;
            retry = waited + patience;
        }
        std::thread::sleep(POLL);
    }
}
