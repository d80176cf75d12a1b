//! The link: what the PHY advertises, and the wait for the result.

use std::time::{Duration, Instant};

use ixy_core::LinkState;
use ixy_regs::bus::Bus;
use ixy_regs::igb::Rest;
use ixy_regs::igb::fields::{CTRL, CTRL_EXT, STATUS};
use ixy_regs::igb::rest_fields::MANC;

use crate::card::Card;
use crate::error::Error;
use crate::phy::{self, Register, control};
use crate::semaphore;

/// The time after which a missing link is set up again: negotiation itself takes up to 4.5 seconds.
const RETRY: Duration = Duration::from_secs(9);
const POLL: Duration = Duration::from_millis(1);

/// 10 and 100 Mbit/s, half and full duplex, without pause frames, which this driver neither sends nor obeys
/// (IEEE 802.3, annex 28B).
const ADVERTISED: u16 = 0x01e1;
/// 1,000 Mbit/s in full duplex (IEEE 802.3, section 40.5.1.1).
const ADVERTISED_1000: u16 = 1 << 9;

/// Makes the MAC follow its PHY, and the PHY negotiate.
pub(crate) fn init<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    tracing::debug!(device = %card.name, "link initialisation, by autonegotiation");
    let mode = card.regs.ctrl_ext().extract();
    if !mode.matches_all(CTRL_EXT::LINK_MODE::COPPER) {
        let mode = mode.read(CTRL_EXT::LINK_MODE);
        tracing::warn!(device = %card.name, mode, "CTRL_EXT.LINK_MODE is not that of the internal PHY");
    }
    card.regs.ctrl().modify(
        CTRL::SLU::SET + CTRL::FRCSPD::CLEAR + CTRL::FRCDPLX::CLEAR + CTRL::RFCE::CLEAR + CTRL::TFCE::CLEAR,
    );
    let rest = Rest::new(card.regs.bus().clone());
    let rest = rest.map_err(|source| Error::Window { device: card.name.clone(), source })?;
    if rest.manc().is_set(MANC::BLK_PHY_RST) {
        // The firmware uses this link: leave it alone.
        tracing::debug!(device = %card.name, "the firmware keeps the link as it is");
        return Ok(());
    }
    match semaphore::with_phy(card, || negotiate(card)) {
        // Frames may pass anyway; without a link, nothing else fails.
        Err(error @ Error::Phy { .. }) => {
            tracing::warn!(%error, "the link stays as it is");
            Ok(())
        }
        result => result,
    }
}

fn negotiate<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    use control::{AUTONEGOTIATION, ISOLATE, LOOPBACK, POWER_DOWN, RESTART};
    phy::write(card, Register::Advertisement, ADVERTISED)?;
    let control1000 = phy::read(card, Register::Control1000)?;
    phy::write(card, Register::Control1000, control1000 | ADVERTISED_1000)?;
    // An earlier driver may have powered the PHY down.
    let control = phy::read(card, Register::Control)? & !(POWER_DOWN | ISOLATE | LOOPBACK);
    phy::write(card, Register::Control, control | AUTONEGOTIATION | RESTART)
}

/// The current state of the link.
pub(crate) fn state<B: Bus>(card: &Card<B>) -> LinkState {
    let status = card.regs.status().extract();
    if status.get() == u32::MAX || !status.is_set(STATUS::LU) {
        return LinkState::default();
    }
    let speed = match status.read(STATUS::SPEED) {
        0 => 10,
        1 => 100,
        _ => 1_000,
    };
    LinkState { up: true, speed }
}

/// Waits for the link until `limit` is over or `stop` returns true, and sets it up again now and then.
pub(crate) fn wait<B: Bus>(
    card: &Card<B>,
    limit: Duration,
    stop: &dyn Fn() -> bool,
) -> Result<LinkState, Error> {
    let start = Instant::now();
    let mut retry = RETRY;
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
            retry = waited + RETRY;
        }
        std::thread::sleep(POLL);
    }
}
