//! The receive path: from the wire through the filters into descriptors (sections 7.1 and 8.2.3.8).
//!
//! [`Receiver::poll`] takes a frame; [`passing`] decides whether it is for this device and for which queue;
//! [`delivery`] writes it to that queue's ring. This module handles frames that find no free descriptor.

mod coalescing;
mod config;
mod delivery;
mod descriptor;
mod passing;
mod pooled;
mod ring;
mod split;

use std::collections::VecDeque;

use ixy_regs::ixgbe::fields::{EICR, RXCTRL, RXDCTL, SECRXCTRL};

use super::behaviour::Behaviour;
use super::filter::Addresses;
use super::headers::Headers;
use super::names::{self, mask, rx};
use super::pause::Pause;
use super::pools;
use super::statistics::{Counts, Damage};
use super::steering::{Choice, Steering};
use super::transmit::Sink;
use super::{Hardware, time};
use crate::dma::DmaView;
use coalescing::Coalescing;
use config::Config;
use delivery::{Delivery, rx_set};
use ring::Ring;

/// Frames taken in one poll.
const BURST: usize = 64;

/// A frame that passed the filters.
#[derive(Debug, Clone, Copy)]
struct Passed {
    queue: u32,
    /// How the queue was chosen.
    choice: Choice,
    headers: Headers,
    /// It arrived damaged, but FCTRL.SBP asks for it.
    damage: Option<Damage>,
    /// It is a pause frame, of this many slots.
    pause: Option<u16>,
    /// The time of its arrival was stamped.
    stamped: bool,
    /// It goes to several pools.
    copied: bool,
}

impl Passed {
    /// Whether the counters of good frames include it.
    #[inline(always)]
    fn counts_as_good(&self) -> bool {
        self.damage.is_none() || !Behaviour::DamagedNotGood.on()
    }
}

/// The receive side of the device.
pub(crate) struct Receiver {
    pub(crate) addresses: Addresses,
    pub(crate) steering: Steering,
    /// The packet buffer, in use only while its first frame waits for a descriptor.
    buffer: VecDeque<(Vec<u8>, Passed)>,
    buffered: usize,
    scratch: Vec<u8>,
    pub(crate) pause: Pause,
    /// Queues that received frames since causes were last raised.
    pub(crate) touched: u128,
    /// Those among them that received an urgent frame.
    pub(crate) urgent: u128,
    /// A frame was lost because the packet buffer was full.
    pub(crate) missed: bool,
    /// Queues that drop frames when they have no free descriptor, whatever DROP_EN says (PFQDE).
    pub(crate) drops: u128,
    pub(crate) coalescing: Coalescing,
    /// A large receive was completed in a poll that took no frame.
    completed: bool,
}

/// The source of frames: the wire, or the transmitter in MAC loopback.
pub(crate) trait Source {
    fn front(&mut self) -> Option<&[u8]>;
    fn consume(&mut self);
    /// The front frame is dropped, since it is longer than `limit` bytes.
    fn too_long(&mut self, limit: usize) {
        let _ = limit;
    }
    /// Whether a frame can stay in the source while no descriptor is free.
    fn waits(&self) -> bool;
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self {
            addresses: Addresses::new(),
            steering: Steering::new(),
            buffer: VecDeque::new(),
            buffered: 0,
            scratch: Vec::new(),
            pause: Pause::default(),
            touched: 0,
            urgent: 0,
            missed: false,
            drops: 0,
            coalescing: Coalescing::new(),
            completed: false,
        }
    }

    /// Drops all frames, as a reset does.
    pub(crate) fn reset(&mut self) {
        if Behaviour::ResetEmptiesBuffer.on() {
            self.buffer.clear();
            self.buffered = 0;
        }
        self.pause.reset();
        self.touched = 0;
        self.urgent = 0;
        self.drops = 0;
        self.addresses.changed();
        self.steering.reset();
        self.coalescing.reset();
    }

    /// Asks the other end for a pause while the packet buffer is full, if software enabled that. Returns the
    /// number of pause frames sent.
    pub(crate) fn ask_for_pause(&mut self, hw: &Hardware, sink: &mut dyn Sink, counts: &mut Counts) -> usize {
        self.pause.update(hw, self.buffered, sink, counts)
    }

    /// Whether the device holds no frame.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.coalescing.is_empty()
    }

    /// Whether large receives are pending.
    #[inline]
    pub(crate) fn coalesces(&self) -> bool {
        !self.coalescing.is_empty() || self.completed
    }

    /// Completes the large receives whose timer expired; returns their number.
    #[cold]
    pub(crate) fn complete<V: DmaView>(&mut self, hw: &Hardware, view: &V) -> usize {
        let (queues, work) = self.coalescing.tick(hw, view, hw.dma_queues());
        self.touched |= queues;
        work + usize::from(std::mem::take(&mut self.completed))
    }

    /// Whether the receiver is switched on (section 4.6.7).
    pub(crate) fn is_on(hw: &Hardware) -> bool {
        let on = RXCTRL::RXEN.is_set(hw.regs.load(names::RXCTRL)) || !Behaviour::ReceiveEnable.on();
        let held = SECRXCTRL::RX_DIS.is_set(hw.regs.load(names::SECRXCTRL));
        on && !(held && Behaviour::SecurityHolds.on())
    }

    /// Moves frames from `source` into rings; returns the number of frames taken or moved.
    pub(crate) fn poll<V: DmaView>(
        &mut self,
        hw: &Hardware,
        view: &V,
        source: &mut dyn Source,
        counts: &mut Counts,
    ) -> usize {
        let config = Config::load(hw);
        self.steering.refresh(&hw.regs);
        let mut ring: Option<Ring<'_, V>> = None;
        let mut work = 0;
        // Frames in the packet buffer come first.
        while work < BURST {
            let Some((frame, passed)) = self.buffer.pop_front() else { break };
            match self.deliver(hw, view, &mut ring, &config, &frame, &passed, counts) {
                Delivery::Done => {}
                Delivery::TooLong => counts.dropped(rx_set(hw, passed.queue)),
                Delivery::NoDescriptor => {
                    // DROP_EN may have been set since (section 8.2.3.8.7), or the queue switched off (4.6.7.1.1).
                    // A pool without a ring must not hold up the others.
                    let alone = config.pools.is_some() || passed.choice.drop;
                    let lets_go = Behaviour::ReceiveQueueOffDrops.on() && !is_enabled(hw, passed.queue);
                    let off = ring.is_none() && (alone || lets_go);
                    if !off && !ring.as_ref().is_some_and(|r| r.queue == passed.queue && r.drop) {
                        self.buffer.push_front((frame, passed));
                        break;
                    }
                    counts.dropped(rx_set(hw, passed.queue));
                }
            }
            self.buffered -= frame.len();
            work += 1;
        }
        let waits = source.waits();
        while work < BURST {
            let Some(frame) = source.front() else { break };
            let altered = self.alter(hw, frame);
            let frame = altered.as_deref().unwrap_or(frame);
            let Some(passed) = self.pass(hw, &config, frame, counts) else {
                let limit = config.filter.exceeded(frame).filter(|_| altered.is_none());
                limit.into_iter().for_each(|limit| source.too_long(limit));
                source.consume();
                work += 1;
                continue;
            };
            if let Some(pools) = &config.pools {
                let destination = frame.get(..6).unwrap_or_default();
                let vlan = passed.headers.vlan;
                let all = pools.of_arriving(&hw.regs, &self.addresses, &config.filter, destination, vlan);
                let mut rest = all;
                let passed = Passed { copied: !all.is_power_of_two(), ..passed };
                if self.buffer.is_empty() {
                    self.replicate(hw, view, &mut ring, &config, frame, passed, &mut rest, counts);
                }
                // Only a frame for a single pool can wait outside.
                if waits && rest != 0 && rest == all && all.is_power_of_two() {
                    if passed.stamped {
                        time::take_back(hw);
                    }
                    break;
                }
                counts.taken(frame, passed.damage);
                if passed.counts_as_good() {
                    counts.passed(frame);
                }
                if let Some(time) = passed.pause {
                    self.pause.obey(hw, time);
                }
                for pool in pools::each(rest) {
                    let passed = self.of_pool(hw, &config, pools, pool, frame, passed);
                    counts.directed(passed.choice.director);
                    self.miss::<V>(hw, &config, None, frame, passed, counts);
                }
                source.consume();
                work += 1;
                continue;
            }
            let delivery = if self.buffer.is_empty() {
                self.deliver(hw, view, &mut ring, &config, frame, &passed, counts)
            } else {
                Delivery::NoDescriptor
            };
            // The queue for frames to be dropped is usually off.
            let drop = passed.choice.drop && ring.is_none() && delivery == Delivery::NoDescriptor;
            if delivery == Delivery::NoDescriptor && waits && !drop {
                if passed.stamped {
                    time::take_back(hw);
                }
                break;
            }
            counts.taken(frame, passed.damage);
            if passed.counts_as_good() {
                counts.passed(frame);
            }
            counts.directed(passed.choice.director);
            if let Some(time) = passed.pause {
                self.pause.obey(hw, time);
            }
            match delivery {
                Delivery::Done => {}
                _ if drop => counts.dropped(rx_set(hw, passed.queue)),
                Delivery::TooLong => counts.dropped(rx_set(hw, passed.queue)),
                Delivery::NoDescriptor => self.miss(hw, &config, ring.as_ref(), frame, passed, counts),
            }
            source.consume();
            work += 1;
        }
        if let Some(ring) = ring {
            ring.close(hw);
        }
        work
    }

    /// Handles a frame without a free descriptor, on a wire that does not wait (section 7.1.9, and DROP_EN in
    /// 8.2.3.8.7).
    fn miss<V: DmaView>(
        &mut self,
        hw: &Hardware,
        config: &Config,
        ring: Option<&Ring<'_, V>>,
        frame: &[u8],
        passed: Passed,
        counts: &mut Counts,
    ) {
        let ring = ring.filter(|r| r.queue == passed.queue);
        let on = is_enabled(hw, passed.queue);
        if self.buffer.is_empty() && (!on || ring.is_some_and(|r| r.drop)) {
            counts.dropped(rx_set(hw, passed.queue));
        } else if self.buffered + frame.len() <= config.capacity {
            // Head of line: this frame waits, and so do all behind it.
            self.buffered += frame.len();
            self.buffer.push_back((frame.to_vec(), passed));
        } else {
            counts.overflowed();
            if !Behaviour::MissedAreGood.on() {
                counts.not_good();
            }
            self.missed = true;
        }
    }
}

/// Whether a queue is on: frames for a queue that is off are dropped.
fn is_enabled(hw: &Hardware, queue: u32) -> bool {
    RXDCTL::ENABLE.is_set(hw.regs.load(rx(names::RXDCTL, queue)))
}

/// The cause for a frame lost because the packet buffer was full (section 8.2.3.5.1).
pub(crate) const MISSED: u32 = mask(EICR::RX_MISS);
