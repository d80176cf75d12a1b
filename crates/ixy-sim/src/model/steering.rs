//! The choice of a frame's receive queue: EtherType, SYN and 5-tuple filters, the flow director, and RSS for all
//! other frames (section 7.1.2).

use ixy_regs::ixgbe::descriptors::receive::{RssType, Status};
use ixy_regs::ixgbe::fields::{ETQF, ETQS};
use ixy_regs::ixgbe::rest_fields::SYNQF;

use super::behaviour::Behaviour;
use super::director::Director;
use super::headers::{Headers, Transport};
use super::names::{self, daqf, etqf, etqs, ftqf, l34timir, sdpqf};
use super::rss::Rss;
use super::storage::Storage;
use super::tuples::Tuples;

/// EtherType filters.
const ETHER_TYPES: u32 = 8;
/// The SYN bit in the flags byte of a TCP header, and that byte's offset.
const SYN: u8 = 1 << 1;
const FLAGS: usize = 13;

/// The chosen queue of a frame, and how its descriptor reports the choice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Choice {
    pub(crate) queue: u32,
    /// A filter names the queue, which overrides RSS and the pool.
    pub(crate) by_filter: bool,
    pub(crate) hash: Option<(u32, RssType)>,
    /// Number of the EtherType filter that the frame matched.
    pub(crate) ether_type: Option<u8>,
    /// Whether a flow director filter matched; `None` when the flow director did not look.
    pub(crate) director: Option<bool>,
    /// Such a filter drops the frame, unless the queue for dropped frames is on.
    pub(crate) drop: bool,
    /// The other bits of the descriptor's status and errors.
    pub(crate) status: u32,
}

impl Choice {
    /// Adds the mark of an outer tag to the descriptor's status.
    pub(crate) fn with_outer(mut self, headers: &Headers) -> Self {
        if headers.outer && Behaviour::DoubleVlanReported.on() {
            self.status |= Status::VEXT.bits();
        }
        self
    }
}

/// An active EtherType filter.
#[derive(Debug, Clone, Copy)]
struct EtherType {
    n: u8,
    filter: u32,
    action: u32,
}

impl EtherType {
    fn matches(&self, headers: &Headers, kind: u32) -> bool {
        let priority = || headers.vlan.map(|tag| u32::from(tag >> 13));
        ETQF::ETYPE.read(self.filter) == kind
            && (!ETQF::UP_EN.is_set(self.filter)
                || priority() == Some(ETQF::UP.read(self.filter))
                || !Behaviour::EtherTypePriority.on())
    }
}

/// The filters, prepared for use.
pub(crate) struct Steering {
    pub(crate) rss: Rss,
    ether_types: Vec<EtherType>,
    synqf: u32,
    tuples: Tuples,
    pub(crate) director: Director,
    /// Whether any filter is on.
    any: bool,
    stale: bool,
}

impl Steering {
    pub(crate) fn new() -> Self {
        Self {
            rss: Rss::new(),
            ether_types: Vec::new(),
            synqf: 0,
            tuples: Tuples::default(),
            director: Director::default(),
            any: false,
            stale: true,
        }
    }

    /// Discards the prepared state, as a reset does.
    pub(crate) fn reset(&mut self) {
        self.stale = true;
        self.rss.changed();
        self.director.reset();
    }

    /// Software writes FDIRCTRL.
    pub(crate) fn write_director(&mut self, regs: &Storage, value: u32) {
        self.director.write_control(regs, value);
        self.stale = true;
    }

    /// The register at `offset` changed: marks the filters as stale if it belongs to one.
    pub(crate) fn stored(&mut self, offset: u32) {
        let filters = [
            (etqf(0), etqf(ETHER_TYPES - 1)),
            (etqs(0), etqs(ETHER_TYPES - 1)),
            (names::SYNQF, names::SYNQF),
            (names::LLITHRESH, names::LLITHRESH),
            (names::saqf(0), names::saqf(127)),
            (daqf(0), daqf(127)),
            (sdpqf(0), sdpqf(127)),
            (ftqf(0), ftqf(127)),
            (l34timir(0), l34timir(127)),
        ];
        self.stale |= filters.iter().any(|&(first, last)| (first..=last).contains(&offset));
    }

    /// Reloads the filters if registers changed. Call before looking at frames.
    #[inline]
    pub(crate) fn refresh(&mut self, regs: &Storage) {
        if self.stale {
            self.prepare(regs);
        }
        if self.director.is_on() {
            self.director.refresh(regs);
        }
    }

    #[cold]
    fn prepare(&mut self, regs: &Storage) {
        let on = |n: &u32| ETQF::FILTER_EN.is_set(regs.load(etqf(*n))) && Behaviour::EtherTypeFilter.on();
        let filter = |n| EtherType { n: n as u8, filter: regs.load(etqf(n)), action: regs.load(etqs(n)) };
        self.ether_types = (0..ETHER_TYPES).filter(on).map(filter).collect();
        self.synqf = if Behaviour::SynFilter.on() { regs.load(names::SYNQF) } else { 0 };
        self.tuples.prepare(regs);
        let syn = SYNQF::QUEUE_ENABLE.is_set(self.synqf);
        self.any = syn || !self.ether_types.is_empty() || !self.tuples.is_empty() || self.director.is_on();
        self.stale = false;
    }

    /// The queue for pool `pool` (0 without virtualization) of a frame that passed the port's filters. `mrqc` is
    /// the register's value.
    #[inline]
    pub(crate) fn choose(
        &mut self,
        regs: &Storage,
        mrqc: u32,
        pool: u32,
        headers: &Headers,
        frame: &[u8],
    ) -> Choice {
        let mut choice = Choice::default();
        if self.any && self.filter(pool, headers, frame, &mut choice) {
            return choice;
        }
        (choice.queue, choice.hash) = self.rss.choose(regs, mrqc, headers, frame);
        if self.any
            && self.director.is_on()
            && choice.ether_type.is_none()
            && let Some(queue) = self.director.direct(pool, headers, frame, &mut choice)
        {
            choice.queue = queue;
            choice.by_filter = true;
        }
        choice
    }

    /// Whether a filter made the choice.
    #[cold]
    fn filter(&self, pool: u32, headers: &Headers, frame: &[u8], choice: &mut Choice) -> bool {
        let queue = self.by_ether_type(headers, frame, choice).or_else(|| {
            let syn = || self.by_syn(headers, frame);
            let mut tuple = || self.by_tuple(pool, headers, frame, choice);
            if SYNQF::SYNQFP.is_set(self.synqf) || !Behaviour::SynFilterPriority.on() {
                syn().or_else(tuple)
            } else {
                tuple().or_else(syn)
            }
        });
        choice.by_filter = queue.is_some();
        choice.queue = queue.unwrap_or(0);
        choice.by_filter
    }

    /// The queue of an EtherType filter (section 7.1.2.3). A filter without a queue leaves the choice to others.
    fn by_ether_type(&self, headers: &Headers, frame: &[u8], choice: &mut Choice) -> Option<u32> {
        let at = headers.link_end() - 2;
        let kind = u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]);
        let found = self.ether_types.iter().find(|filter| filter.matches(headers, u32::from(kind)))?;
        if Behaviour::EtherTypeReported.on() {
            choice.ether_type = Some(found.n);
        }
        if ETQS::LLI.is_set(found.action) && Behaviour::LowLatency.on() {
            choice.status |= Status::LLINT.bits();
        }
        ETQS::QUEUE_EN.is_set(found.action).then(|| ETQS::RX_QUEUE.read(found.action))
    }

    /// The queue of a 5-tuple filter.
    fn by_tuple(&self, pool: u32, headers: &Headers, frame: &[u8], choice: &mut Choice) -> Option<u32> {
        let (queue, urgent) = self.tuples.queue(pool, headers, frame)?;
        if urgent && Behaviour::LowLatency.on() {
            choice.status |= Status::LLINT.bits();
        }
        Some(queue)
    }

    /// The queue of TCP packets with SYN (section 7.1.2.4).
    fn by_syn(&self, headers: &Headers, frame: &[u8]) -> Option<u32> {
        let (Transport::Tcp, at) = headers.transport? else { return None };
        let syn = SYNQF::QUEUE_ENABLE.is_set(self.synqf) && frame.get(at + FLAGS)? & SYN != 0;
        syn.then(|| SYNQF::RX_QUEUE.read(self.synqf))
    }
}
