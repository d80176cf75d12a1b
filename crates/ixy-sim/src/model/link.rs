//! The link: up while light arrives and the laser is on (sections 3.7 and 8.2.3.22).

use std::time::{Duration, Instant};

use ixy_regs::ixgbe::fields::{AUTOC, ESDP, LINKS, STATUS};

use super::Hardware;
use super::behaviour::Behaviour;
use super::faults::Fault;
use super::names::{self, mask};

/// The state of the link.
#[derive(Debug, Default)]
pub(crate) struct Link {
    up: bool,
    /// The moment since which only time is missing for the link to come up.
    ready: Option<Instant>,
}

/// The speed bits in LINKS for a link of 10 Gbit/s.
const SPEED: u32 = mask(LINKS::LINK_SPEED);
/// The other bits in LINKS for such a serial link that is up.
const UP: u32 = mask(LINKS::LINK_UP)
    | mask(LINKS::LINK_STATUS)
    | mask(LINKS::TENG_SERIAL_EN)
    | mask(LINKS::TENG_LINK_EN)
    | mask(LINKS::TENG_ALIGN)
    | mask(LINKS::KR_PCS_BLOCK_LOCK);

impl Link {
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// Whether software or a fault holds the link down, whatever the other end does.
    pub(crate) fn is_held(hw: &Hardware) -> bool {
        // The cage's transmit disable is wired to SDP3, as an output.
        let esdp = hw.regs.load(names::ESDP);
        let dark = ESDP::SDP3_IODIR.is_set(esdp) && ESDP::SDP3_DATA.is_set(esdp);
        hw.faults.is(Fault::LinkDown) || dark && Behaviour::SfpLaser.on()
    }

    /// Checks the link again; returns whether it changed.
    pub(crate) fn update(&mut self, hw: &Hardware, light: bool) -> bool {
        let light = light || !Behaviour::LinkLight.on();
        let forced = AUTOC::FLU.is_set(hw.regs.load(names::AUTOC)) && Behaviour::LinkForced.on();
        let up = if forced {
            true
        } else if !light || Self::is_held(hw) {
            self.ready = None;
            false
        } else {
            let delay = if Behaviour::LinkDelayed.on() { hw.link_delay() } else { Duration::ZERO };
            delay == Duration::ZERO || self.ready.get_or_insert_with(Instant::now).elapsed() >= delay
        };
        let changed = up != self.up;
        self.up = up;
        if changed {
            self.show(hw);
        }
        changed
    }

    /// The time until the link is up, if only time is missing.
    pub(crate) fn comes_up_in(&self, hw: &Hardware) -> Duration {
        let ready = self.ready.filter(|_| !self.up);
        ready.map_or(Duration::MAX, |since| hw.link_delay().saturating_sub(since.elapsed()))
    }

    /// Writes the state to the registers that show it.
    pub(crate) fn show(&self, hw: &Hardware) {
        let shown = if Behaviour::LinkShown.on() { UP } else { 0 };
        let speed = if Behaviour::LinkSpeed.on() { SPEED } else { 0 };
        hw.regs.store(names::LINKS, if self.up { shown | speed } else { 0 });
        hw.regs.assign(names::STATUS, mask(STATUS::LINK_UP), self.up && Behaviour::LinkStatus.on());
    }

    /// Takes the link down, to come up again: on a reset, or a restart of auto-negotiation.
    pub(crate) fn restart(&mut self, hw: &Hardware) -> bool {
        let was_up = std::mem::replace(&mut self.up, false);
        self.ready = None;
        self.show(hw);
        was_up
    }
}
