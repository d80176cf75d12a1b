//! Frames for several pools, and frames from pool to pool (section 7.10.3).

use super::super::Hardware;
use super::super::pools::{self, Pools, Switch};
use super::super::statistics::Counts;
use super::super::steering::Choice;
use super::config::Config;
use super::delivery::{Delivery, rx_set};
use super::ring::Ring;
use super::{BURST, Passed, Receiver};
use crate::dma::DmaView;

impl Receiver {
    /// Delivers a frame to a queue of each pool in `pools`. Pools that have to wait for a free descriptor remain
    /// in the set.
    #[allow(clippy::too_many_arguments)] // the parts of a poll
    pub(super) fn replicate<'v, V: DmaView>(
        &mut self,
        hw: &Hardware,
        view: &'v V,
        ring: &mut Option<Ring<'v, V>>,
        config: &Config,
        frame: &[u8],
        passed: Passed,
        pools: &mut u64,
        counts: &mut Counts,
    ) {
        let Some(rules) = &config.pools else { return };
        for pool in pools::each(*pools) {
            let passed = self.of_pool(hw, config, rules, pool, frame, passed);
            let dropped = match self.deliver(hw, view, ring, config, frame, &passed, counts) {
                Delivery::Done => false,
                Delivery::TooLong => true,
                // A queue that is off has no ring.
                Delivery::NoDescriptor if ring.as_ref().is_none_or(|ring| ring.drop) => true,
                Delivery::NoDescriptor => continue,
            };
            counts.directed(passed.choice.director);
            if dropped {
                counts.dropped(rx_set(hw, passed.queue));
            }
            *pools &= !(1 << pool);
        }
    }

    /// A frame as one pool receives it: with the queue that a filter or the pool chooses.
    pub(super) fn of_pool(
        &mut self,
        hw: &Hardware,
        config: &Config,
        rules: &Pools,
        pool: u32,
        frame: &[u8],
        passed: Passed,
    ) -> Passed {
        let choice = self.steering.choose(&hw.regs, config.mrqc, pool, &passed.headers, frame);
        let queue = if choice.by_filter { choice.queue } else { rules.queue(&hw.regs, pool, choice.queue) };
        Passed { queue, choice: choice.with_outer(&passed.headers), ..passed }
    }

    /// Moves frames from pool to pool into rings; returns their number.
    pub(crate) fn poll_inside<V: DmaView>(
        &mut self,
        hw: &Hardware,
        view: &V,
        switch: &mut Switch,
        counts: &mut Counts,
    ) -> usize {
        // Frames from pool to pool are not coalesced (section 7.11.1).
        let config = Config { coalesce: false, ..Config::load(hw) };
        let Some(pools) = config.pools else {
            switch.clear();
            return 0;
        };
        self.steering.refresh(&hw.regs);
        let mut ring: Option<Ring<'_, V>> = None;
        let mut work = 0;
        while work < BURST
            && let Some(inside) = switch.frames.front_mut()
        {
            inside.pools = pools.receiving(inside.pools);
            let headers = config.filter.headers(&inside.bytes);
            let passed = Passed {
                queue: 0,
                choice: Choice::default(),
                headers,
                damage: None,
                pause: None,
                stamped: false,
                copied: false,
            };
            self.replicate(hw, view, &mut ring, &config, &inside.bytes, passed, &mut inside.pools, counts);
            if inside.pools != 0 {
                break;
            }
            switch.frames.pop_front();
            work += 1;
        }
        if let Some(ring) = ring {
            ring.close(hw);
        }
        work
    }
}
