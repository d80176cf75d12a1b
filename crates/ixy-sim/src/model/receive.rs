//! The receive path: from the wire through the filters into descriptors (sections 7.1 and 8.2.3.8).

mod coalescing;
mod split;

use std::collections::VecDeque;

use ixy_dma::Iova;
use ixy_regs::ixgbe::descriptors::receive::{PacketType, Status, legacy, write_back as fields_of};
use ixy_regs::ixgbe::fields::{
    EICR, FCTRL, HLREG0, MRQC, RDRXCTL, RXCSUM, RXCTRL, RXDCTL, RXPBSIZE, SECRXCTRL, SRRCTL,
};

use super::behaviour::Behaviour;
use super::classes::Classes;
use super::faults::Fault;
use super::filter::{Addresses, Settings};
use super::headers::{Headers, Network, Transport, frame_check};
use super::names::{self, mask, rx};
use super::pause::{Control, Pause, control_of};
use super::pools::{self, Pools, Switch};
use super::statistics::{Counts, Damage, set_of};
use super::steering::{Choice, Steering};
use super::transmit::Sink;
use super::{Hardware, time};
use crate::dma::{DmaView, Words};
use coalescing::{Coalescing, Offered};
use split::{Layout, Split};

/// Frames taken in one poll.
const BURST: usize = 64;

/// What is known of a frame that passed the filters.
#[derive(Debug, Clone, Copy)]
struct Passed {
    queue: u32,
    /// How the queue was chosen.
    choice: Choice,
    headers: Headers,
    /// It arrived damaged, and FCTRL.SBP wants it all the same.
    damaged: bool,
    /// It is a pause frame, of as many slots.
    pause: Option<u16>,
    /// The time of its arrival was taken.
    stamped: bool,
    /// Several pools get it.
    copied: bool,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Done,
    /// Its queue has too few free descriptors, or is off.
    NoDescriptor,
    /// No number of descriptors would be enough.
    TooLong,
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
    /// Queues that got frames since the causes were raised last.
    pub(crate) touched: u128,
    /// Those among them that got one which is to interrupt at once.
    pub(crate) urgent: u128,
    /// A frame was lost as the packet buffer was full.
    pub(crate) missed: bool,
    /// Queues that drop frames for want of a descriptor, whatever DROP_EN says (PFQDE).
    pub(crate) drops: u128,
    pub(crate) coalescing: Coalescing,
    /// A large receive was completed in a poll that took no frame.
    completed: bool,
}

/// Where frames come from: the wire, or the transmitter in MAC loopback.
pub(crate) trait Source {
    fn front(&mut self) -> Option<&[u8]>;
    fn consume(&mut self);
    /// Whether a frame stays where it is while no descriptor is free.
    fn waits(&self) -> bool;
}

/// Registers that stay the same during a poll.
struct Config {
    filter: Settings,
    mrqc: u32,
    /// Whether the descriptor has the hash, or else the fragment checksum.
    hash: bool,
    strip_crc: bool,
    save_bad: bool,
    capacity: usize,
    /// Queues that may do DMA.
    queues: u128,
    /// Times of arrival are taken.
    stamps: bool,
    /// How frames are spread over pools, while virtualization is on.
    pools: Option<Pools>,
    /// How they are spread over traffic classes.
    classes: Option<Classes>,
    /// Neither is, and frames have no outer tag.
    plain: bool,
    /// Queues may coalesce frames.
    coalesce: bool,
}

impl Config {
    fn load(hw: &Hardware) -> Self {
        let regs = &hw.regs;
        let pools = Pools::load(regs);
        let mut mrqc = regs.load(names::MRQC);
        let classes = if pools.is_none() { Classes::load(regs, mrqc) } else { None };
        if pools.is_some_and(|pools| pools.hash) || classes.is_some_and(|classes| classes.hash) {
            // The hash is the same as without them.
            mrqc = MRQC::MRQE::RSS.modify(mrqc);
        }
        let strip = HLREG0::RXCRCSTRP.is_set(regs.load(names::HLREG0));
        let filter = Settings::load(regs);
        Self {
            plain: pools.is_none() && classes.is_none() && !filter.has_outer(),
            filter,
            mrqc,
            pools,
            classes,
            hash: RXCSUM::PCSD.is_set(regs.load(names::RXCSUM)) || !Behaviour::HashOnlyWithPcsd.on(),
            // Both switches have to say the same (section 8.2.3.8.8); the model strips when either does.
            strip_crc: (strip || RDRXCTL::CRCSTRIP.is_set(regs.load(names::RDRXCTL)))
                && Behaviour::CrcStrip.on()
                || !Behaviour::CrcKept.on(),
            save_bad: FCTRL::SBP.is_set(regs.load(names::FCTRL)) && Behaviour::DamagedStored.on(),
            capacity: match RXPBSIZE::SIZE.read(regs.load(names::rxpbsize(0))) as usize * 1024 {
                _ if !Behaviour::PacketBuffer.on() => 0,
                _ if !Behaviour::PacketBufferOverflow.on() => usize::MAX,
                size => size,
            },
            queues: hw.dma_queues(),
            stamps: time::stamps_received(hw),
            coalesce: coalescing::may(hw),
        }
    }
}

/// A ring while a poll works on it.
struct Ring<'v, V> {
    queue: u32,
    base: u64,
    words: Words<'v, V>,
    count: u32,
    head: u32,
    tail: u32,
    /// Bytes that one buffer takes; 0 where frames are not written to one buffer after the other.
    buffer: usize,
    /// Bytes of a packet buffer.
    size: usize,
    legacy: bool,
    drop: bool,
    strip_vlan: bool,
    moved: bool,
}

impl<'v, V: DmaView> Ring<'v, V> {
    /// The ring of `queue` as its registers describe it, if the queue is on.
    fn open(hw: &Hardware, view: &'v V, config: &Config, queue: u32) -> Option<Self> {
        let regs = &hw.regs;
        let control = regs.load(rx(names::RXDCTL, queue));
        if !RXDCTL::ENABLE.is_set(control) && Behaviour::ReceiveQueueEnable.on() {
            return None;
        }
        let count = regs.load(rx(names::RDLEN, queue)) / 16;
        let (head, tail) = (regs.load(rx(names::RDH, queue)), regs.load(rx(names::RDT, queue)));
        if head >= count || tail >= count {
            return None;
        }
        let base = u64::from(regs.load(rx(names::RDBAL, queue)))
            | u64::from(regs.load(rx(names::RDBAH, queue))) << 32;
        let srrctl = regs.load(rx(names::SRRCTL, queue));
        let size = match SRRCTL::BSIZEPACKET.read(srrctl) as usize * 1024 {
            size if Behaviour::ReceiveBufferSize.on() => size,
            _ => 2048,
        };
        let legacy = SRRCTL::DESCTYPE.read(srrctl) == 0 && Behaviour::ReceiveLegacy.on();
        let apart = split::is_on(srrctl) || config.coalesce && !legacy && coalescing::is_on(hw, queue);
        Some(Self {
            queue,
            base,
            words: Words::new(view, base, count as usize * 2),
            count,
            head,
            tail,
            buffer: if apart { 0 } else { size },
            size,
            legacy,
            drop: SRRCTL::DROP_EN.is_set(srrctl) && Behaviour::DropEnable.on(),
            strip_vlan: RXDCTL::VME.is_set(control) && Behaviour::VlanStrip.on(),
            moved: false,
        })
    }

    fn free(&self) -> u32 {
        if self.tail >= self.head { self.tail - self.head } else { self.tail + self.count - self.head }
    }

    /// Whether as many descriptors are free.
    #[cold]
    fn has(&mut self, hw: &Hardware, needed: u32) -> bool {
        if self.free() < needed {
            // The driver may have given descriptors since the ring was opened.
            self.tail = hw.regs.load(rx(names::RDT, self.queue));
        }
        self.tail < self.count && self.free() >= needed
    }

    /// Leaves the ring: its head becomes visible.
    fn close(&self, hw: &Hardware) {
        if self.moved {
            hw.regs.store(rx(names::RDH, self.queue), self.head);
        }
    }
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

    /// Forgets all frames, as a reset does.
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

    /// Asks the other end for a pause while the packet buffer is full, where software wants that; returns how many frames
    /// that took.
    pub(crate) fn ask_for_pause(&mut self, hw: &Hardware, sink: &mut dyn Sink, counts: &mut Counts) -> usize {
        self.pause.update(hw, self.buffered, sink, counts)
    }

    /// Whether no frame is inside the device.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.coalescing.is_empty()
    }

    /// Whether large receives are to be looked at.
    #[inline]
    pub(crate) fn coalesces(&self) -> bool {
        !self.coalescing.is_empty() || self.completed
    }

    /// Completes the large receives whose time is over; returns how many were completed.
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

    /// Moves frames from `source` into rings; returns how many it took or moved.
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
        // What waits in the packet buffer comes first.
        while work < BURST {
            let Some((frame, passed)) = self.buffer.pop_front() else { break };
            match self.deliver(hw, view, &mut ring, &config, &frame, &passed, counts) {
                Delivery::Done => {}
                Delivery::TooLong => counts.dropped(rx_set(hw, passed.queue)),
                Delivery::NoDescriptor => {
                    // DROP_EN may have been set since (section 8.2.3.8.7).
                    // A pool whose queue went off must not hold up the others.
                    let off = ring.is_none() && (config.pools.is_some() || passed.choice.drop);
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
                // Only a frame that is for one pool can wait outside.
                if waits && rest != 0 && rest == all && all.is_power_of_two() {
                    if passed.stamped {
                        time::take_back(hw);
                    }
                    break;
                }
                counts.arrived(frame);
                counts.passed(frame);
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
            // The queue of frames to be dropped is usually off.
            let drop = passed.choice.drop && ring.is_none() && delivery == Delivery::NoDescriptor;
            if delivery == Delivery::NoDescriptor && waits && !drop {
                if passed.stamped {
                    time::take_back(hw);
                }
                break;
            }
            counts.arrived(frame);
            counts.passed(frame);
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

    /// Gives a frame to a queue of each pool in `pools`, of which those remain that have no descriptor and want to wait for
    /// one.
    #[allow(clippy::too_many_arguments)] // the parts of a poll
    fn replicate<'v, V: DmaView>(
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

    /// A frame as a pool gets it: with the queue that a filter or the pool chooses.
    fn of_pool(
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

    /// Moves frames that pools send to each other into rings; returns how many.
    pub(crate) fn poll_inside<V: DmaView>(
        &mut self,
        hw: &Hardware,
        view: &V,
        switch: &mut Switch,
        counts: &mut Counts,
    ) -> usize {
        // What pools send to each other is not coalesced (section 7.11.1).
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
                damaged: false,
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

    /// The frame as a fault on the wire leaves it.
    fn alter(&self, hw: &Hardware, frame: &[u8]) -> Option<Vec<u8>> {
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

    /// Looks at a frame; `None` when it is damaged or the filters drop it, and then it was counted.
    fn pass(&mut self, hw: &Hardware, config: &Config, frame: &[u8], counts: &mut Counts) -> Option<Passed> {
        let mut damage = config.filter.damage(frame);
        if damage.is_none() && hw.faults.any() && hw.faults.is(Fault::FramesDamaged) {
            damage = Some(Damage::Crc);
        }
        if let Some(damage) = damage {
            counts.damaged(damage);
            if !config.save_bad || frame.len() < 14 {
                counts.arrived(frame);
                return None;
            }
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
            counts.arrived(frame);
            return None;
        }
        let choice = if config.plain {
            self.steering.choose(&hw.regs, config.mrqc, 0, &headers, frame)
        } else {
            self.choose_of_class(hw, config, &headers, frame)
        };
        let stamped = config.stamps && time::stamp_received(hw, frame, &headers);
        Some(Passed {
            queue: choice.queue,
            choice,
            headers,
            damaged: damage.is_some(),
            pause,
            stamped,
            copied: false,
        })
    }

    /// The choice with traffic classes or outer tags; with pools each of them has its own one later.
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

    /// A frame that found no descriptor, on a wire that does not wait (section 7.1.9, and DROP_EN in 8.2.3.8.7).
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
        let on = RXDCTL::ENABLE.is_set(hw.regs.load(rx(names::RXDCTL, passed.queue)));
        if self.buffer.is_empty() && (!on || ring.is_some_and(|r| r.drop)) {
            counts.dropped(rx_set(hw, passed.queue));
        } else if self.buffered + frame.len() <= config.capacity {
            // The head of the line waits, and all that comes after it.
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

    /// Writes a frame to the ring of its queue.
    #[allow(clippy::too_many_arguments)] // the parts of a poll
    fn deliver<'v, V: DmaView>(
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
            // The driver may have given descriptors since the ring was opened.
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

/// Gives a frame to a ring that splits headers off or coalesces; also returns the queues whose rings got whole frames.
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

impl<V: DmaView> Ring<'_, V> {
    /// Writes a part of a frame to the next buffer and its descriptor back. `status` is what [`write_back`] gave.
    #[inline]
    fn fill(&mut self, hw: &Hardware, view: &V, part: &[u8], status: (u64, u64), last: bool) {
        let Some(address) = self.words.load(self.head * 2) else { return };
        view.write(Iova(address), part);
        let mut length = part.len() as u64;
        if hw.faults.any() {
            if hw.faults.is(Fault::ImpossibleLength) {
                length = (self.buffer as u64 + 1000).min(0xffff);
            }
            if hw.faults.is(Fault::NeverWrittenBack) {
                return self.advance();
            }
        }
        let (low, mut high) = status;
        high |= fields_of::LENGTH.place(length) | fields_of::DD.mask();
        if last || !Behaviour::ReceiveEndOfPacket.on() {
            high |= fields_of::EOP.mask();
        } else if Behaviour::LastDescribes.on() {
            // Only the last descriptor of a frame says what is in it.
            high &= fields_of::DD.mask() | fields_of::LENGTH.mask();
        }
        if self.legacy {
            write_back_legacy(self, high);
        } else {
            let describes = last || !Behaviour::LastDescribes.on();
            self.words.store_early(self.head * 2, if describes { low } else { 0 });
            self.words.store(self.head * 2 + 1, high);
        }
        self.advance();
    }

    #[inline(always)]
    fn advance(&mut self) {
        self.head = if self.head + 1 == self.count { 0 } else { self.head + 1 };
        self.moved = true;
    }
}

/// The set of counters that receive queue `queue` counts in (RQSMR, section 8.2.3.23.71).
#[inline(always)]
fn rx_set(hw: &Hardware, queue: u32) -> usize {
    set_of(hw.regs.load(names::rqsmr(queue / 4)), queue)
}

/// Both words of the advanced write-back format, but for length, DD and EOP (section 7.1.6.2).
#[inline]
fn write_back(config: &Config, frame: &[u8], passed: &Passed, stripped: bool) -> (u64, u64) {
    let headers = &passed.headers;
    let options = headers.options && Behaviour::PacketTypeOptions.on();
    let mut kind = match headers.network {
        // The plain bit is there, too.
        _ if !Behaviour::PacketTypes.on() => PacketType::empty(),
        Some((Network::V4, _)) if options => PacketType::IPV4 | PacketType::IPV4_OPTIONS,
        Some((Network::V4, _)) => PacketType::IPV4,
        Some((Network::V6, _)) if options => PacketType::IPV6 | PacketType::IPV6_EXTENSIONS,
        Some((Network::V6, _)) => PacketType::IPV6,
        None => PacketType::empty(),
    };
    kind |= match headers.transport.filter(|_| Behaviour::PacketTypeTransport.on()) {
        Some((Transport::Tcp, _)) => PacketType::TCP,
        Some((Transport::Udp, _)) => PacketType::UDP,
        Some((Transport::Sctp, _)) => PacketType::SCTP,
        None => PacketType::empty(),
    };
    if let Some(n) = passed.choice.ether_type {
        kind = PacketType::ETHERTYPE_FILTER | PacketType::from_bits_retain(u16::from(n));
    }
    let mut low = fields_of::PACKET_TYPE.place(u64::from(kind.bits()));
    if let Some((hash, kind)) = passed.choice.hash {
        if Behaviour::RssTypeReported.on() {
            low |= fields_of::RSS_TYPE.place(kind as u64);
        }
        if config.hash && Behaviour::RssHashReported.on() {
            low |= fields_of::HASH.place(u64::from(hash));
        }
    }
    let mut status = Status::from_bits_retain(passed.choice.status);
    match headers.network_checksum(frame) {
        _ if !Behaviour::IpVerdict.on() => {}
        Some(false) if Behaviour::IpVerdictError.on() => status |= Status::IPCS | Status::IPE,
        Some(_) => status |= Status::IPCS,
        None => {}
    }
    if let Some(right) = headers.transport_checksum(frame).filter(|_| Behaviour::TransportVerdict.on()) {
        status |= if right || !Behaviour::TransportVerdictError.on() {
            Status::L4CS
        } else {
            Status::L4CS | Status::L4E
        };
        if matches!(headers.transport, Some((Transport::Udp, _))) && Behaviour::UdpVerdict.on() {
            status |= Status::UDPCS;
        }
    }
    if passed.damaged {
        status |= Status::RXE;
    }
    if passed.stamped {
        status |= Status::TS;
    }
    let mut high = 0;
    if stripped && Behaviour::VlanReported.on() {
        status |= Status::VP;
        high |= fields_of::VLAN.place(u64::from(headers.vlan.unwrap_or(0)));
    }
    (low, high | u64::from(status.bits()))
}

/// The legacy format has status and errors elsewhere, and keeps the buffer's address (section 7.1.5).
fn write_back_legacy<V: DmaView>(ring: &Ring<'_, V>, advanced: u64) {
    let status = advanced & 0x7f;
    let word = legacy::LENGTH.place(fields_of::LENGTH.of(advanced))
        | status << legacy::DD.shift
        | legacy::ERRORS.place(advanced >> 24)
        | legacy::VLAN.place(fields_of::VLAN.of(advanced));
    ring.words.store(ring.head * 2 + 1, word);
}

/// The cause of a frame that was lost as the packet buffer was full (section 8.2.3.5.1).
pub(crate) const MISSED: u32 = mask(EICR::RX_MISS);
