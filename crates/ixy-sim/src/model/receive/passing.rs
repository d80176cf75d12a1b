//! Decides which frames from the wire pass, and for which queue (sections 7.1.1 and 7.1.2).

use super::super::faults::Fault;
use super::super::headers::Headers;
use super::super::pause::{Control, control_of};
use super::super::statistics::{Counts, Damage};
use super::super::steering::Choice;
use super::super::{Hardware, time};
use super::config::Config;
use super::{Passed, Receiver};

impl Receiver {
    /// The frame after a fault on the wire changed it.
    #[inline]
    pub(super) fn alter(&self, hw: &Hardware, frame: &[u8]) -> Option<Vec<u8>> {
        if !hw.faults.any() {
            return None;
        }
        if hw.faults.is(Fault::FramesCut) {
            return Some(frame[..frame.len().min(40)].to_vec());
        }
        if hw.faults.is(Fault::FramesStretched) {
            let mut longer = frame.to_vec();
            longer.resize(16_000, 0);
            return Some(longer);
        }
        None
    }

    /// Filters a frame; `None` when it is damaged or the filters drop it, after it was counted.
    #[inline]
    pub(super) fn pass(
        &mut self,
        hw: &Hardware,
        config: &Config,
        frame: &[u8],
        counts: &mut Counts,
    ) -> Option<Passed> {
        let mut damage = config.filter.damage(frame);
        if damage.is_none() && hw.faults.any() && hw.faults.is(Fault::FramesDamaged) {
            damage = Some(Damage::Crc);
        }
        if damage.is_some() && (!config.save_bad || frame.len() < 14) {
            counts.taken(frame, damage);
            return None;
        }
        let headers = config.filter.headers(frame);
        let control =
            if headers.network.is_none() && damage.is_none() { control_of(hw, frame) } else { None };
        let mut pause = None;
        match control {
            None | Some(Control::Host) => {}
            Some(Control::Pause { slots, host: true }) => pause = Some(slots),
            Some(Control::Pause { slots, host: false }) => {
                self.pause.obey(hw, slots);
                counts.arrived(frame);
                return None;
            }
            Some(Control::Dropped) => {
                counts.arrived(frame);
                return None;
            }
        }
        if !self.addresses.pass(&hw.regs, &config.filter, frame, headers.vlan) {
            if let Some(time) = pause {
                self.pause.obey(hw, time);
            }
            counts.taken(frame, damage);
            return None;
        }
        let choice = if config.plain {
            self.steering.choose(&hw.regs, config.mrqc, 0, &headers, frame)
        } else {
            self.choose_of_class(hw, config, &headers, frame)
        };
        let stamped = config.stamps && time::stamp_received(hw, frame, &headers);
        Some(Passed { queue: choice.queue, choice, headers, damage, pause, stamped, copied: false })
    }

    /// The choice with traffic classes or outer tags; with pools, each pool chooses its own queue later.
    #[cold]
    fn choose_of_class(&mut self, hw: &Hardware, config: &Config, headers: &Headers, frame: &[u8]) -> Choice {
        if config.pools.is_some() {
            return Choice::default();
        }
        let mut choice = self.steering.choose(&hw.regs, config.mrqc, 0, headers, frame);
        if let Some(classes) = config.classes.filter(|_| !choice.by_filter) {
            choice.queue = classes.queue(headers.vlan, choice.queue);
        }
        choice.with_outer(headers)
    }
}
