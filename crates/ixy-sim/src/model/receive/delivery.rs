//! Writes a frame to the ring of its queue (sections 7.1.5 to 7.1.10).

use ixy_regs::ixgbe::descriptors::receive::Status;

use super::super::Hardware;
use super::super::behaviour::Behaviour;
use super::super::headers::{Headers, frame_check};
use super::super::names::{self, rx};
use super::super::statistics::{Counts, set_of};
use super::coalescing::{self, Coalescing, Offered};
use super::config::Config;
use super::descriptor::write_back;
use super::ring::Ring;
use super::split::{self, Layout, Split};
use super::{Passed, Receiver};
use crate::dma::DmaView;

/// The result of delivering a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Done,
    /// Its queue has too few free descriptors, or is off.
    NoDescriptor,
    /// The frame does not fit into any number of descriptors.
    TooLong,
}

impl Receiver {
    /// Writes a frame to the ring of its queue.
    #[allow(clippy::too_many_arguments)] // the parts of a poll
    pub(super) fn deliver<'v, V: DmaView>(
        &mut self,
        hw: &Hardware,
        view: &'v V,
        current: &mut Option<Ring<'v, V>>,
        config: &Config,
        frame: &[u8],
        passed: &Passed,
        counts: &mut Counts,
    ) -> Delivery {
        if current.as_ref().is_none_or(|ring| ring.queue != passed.queue) {
            if let Some(ring) = current.take() {
                ring.close(hw);
            }
            let may = config.queues >> passed.queue & 1 == 1;
            *current =
                if may { Ring::open(hw, view.of_queue(passed.queue), config, passed.queue) } else { None };
            if let Some(ring) = current {
                ring.drop |= self.drops >> ring.queue & 1 == 1;
            }
        }
        let Some(ring) = current else { return Delivery::NoDescriptor };
        let strip_vlan = ring.strip_vlan && passed.headers.vlan.is_some();
        let whole = frame;
        let frame = if strip_vlan || !config.strip_crc {
            self.scratch.clear();
            self.scratch.extend_from_slice(frame);
            if !config.strip_crc {
                self.scratch.extend_from_slice(&frame_check(frame));
            }
            if strip_vlan {
                let at = passed.headers.tag_at();
                self.scratch.drain(at..at + 4);
            }
            &self.scratch[..]
        } else {
            frame
        };
        if ring.buffer == 0 {
            let status = write_back(config, whole, passed, strip_vlan);
            let headers = if strip_vlan { passed.headers.without_tag() } else { passed.headers };
            let (delivery, queues) =
                deliver_apart(hw, view, ring, config, &mut self.coalescing, frame, passed, &headers, status);
            self.touched |= queues;
            if delivery == Delivery::Done {
                if passed.choice.status & Status::LLINT.bits() != 0 {
                    self.urgent |= 1 << ring.queue;
                }
                counts.received(rx_set(hw, ring.queue), frame.len());
                counts.received_of(ring.queue, frame);
            } else {
                self.completed |= queues != 0;
            }
            return delivery;
        }
        let whole_fits = frame.len() <= ring.buffer;
        let needed = if whole_fits { 1 } else { frame.len().div_ceil(ring.buffer) as u32 };
        if needed >= ring.count || !(whole_fits || Behaviour::ReceiveOverBuffers.on()) {
            return Delivery::TooLong;
        }
        if ring.free() < needed {
            // The driver may have posted descriptors since the ring was opened.
            ring.tail = hw.regs.load(rx(names::RDT, ring.queue));
            if ring.tail >= ring.count || ring.free() < needed {
                return Delivery::NoDescriptor;
            }
        }
        let status = write_back(config, whole, passed, strip_vlan);
        let view = view.of_queue(ring.queue);
        if whole_fits {
            ring.fill(hw, view, frame, status, true);
        } else {
            let mut rest = frame;
            while let Some((part, after)) = rest.split_at_checked(ring.buffer) {
                ring.fill(hw, view, part, status, after.is_empty());
                rest = after;
            }
            if !rest.is_empty() {
                ring.fill(hw, view, rest, status, true);
            }
        }
        self.touched |= 1 << ring.queue;
        if passed.choice.status & Status::LLINT.bits() != 0 {
            self.urgent |= 1 << ring.queue;
        }
        counts.received(rx_set(hw, ring.queue), frame.len());
        counts.received_of(ring.queue, frame);
        Delivery::Done
    }
}

/// Gives a frame to a ring that splits headers or coalesces; also returns the queues that received complete
/// frames.
#[cold]
#[allow(clippy::too_many_arguments)] // the parts of a poll
fn deliver_apart<V: DmaView>(
    hw: &Hardware,
    view: &V,
    ring: &mut Ring<'_, V>,
    config: &Config,
    coalescing: &mut Coalescing,
    frame: &[u8],
    passed: &Passed,
    headers: &Headers,
    status: (u64, u64),
) -> (Delivery, u128) {
    if ring.size == 0 {
        return (Delivery::TooLong, 0);
    }
    let pool = config.pools.map_or(0, |pools| pools.of_queue(ring.queue));
    let srrctl = hw.regs.load(rx(names::SRRCTL, ring.queue));
    let split = Split::load(hw, srrctl, pool);
    let splits = split::is_on(srrctl);
    let mut queues = 0;
    if config.coalesce && coalescing::is_on(hw, ring.queue) {
        let copied = passed.copied && Behaviour::CoalescingCopies.on();
        let room = (config.strip_crc && !copied && !headers.outer && split.knows_tcp()).then_some(split.room);
        let splits = splits.then_some(&split);
        let vlan = passed.headers.vlan;
        match coalescing.offer(hw, view, ring, splits, frame, headers, vlan, status, room, &mut queues) {
            Offered::Taken => return (Delivery::Done, queues),
            Offered::NoDescriptor => return (Delivery::NoDescriptor, queues),
            Offered::Refused => {}
        }
    }
    let layout = if splits { split.layout(frame, headers) } else { Layout::default() };
    let needed = (frame.len() - layout.header).div_ceil(ring.size).max(1) as u32;
    if needed >= ring.count {
        return (Delivery::TooLong, queues);
    }
    if !ring.has(hw, needed) {
        queues |= coalescing.make_room(view, ring.queue);
        return (Delivery::NoDescriptor, queues);
    }
    ring.fill_split(view.of_queue(ring.queue), frame, &layout, status);
    (Delivery::Done, queues | 1 << ring.queue)
}

/// The set of counters of receive queue `queue` (RQSMR, section 8.2.3.23.71).
#[inline(always)]
pub(super) fn rx_set(hw: &Hardware, queue: u32) -> usize {
    set_of(hw.regs.load(names::rqsmr(queue / 4)), queue)
}
