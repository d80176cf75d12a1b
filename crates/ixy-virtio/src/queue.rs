//! The set-up of a queue, from its size to a running ring: [`Plan`].

use std::sync::Arc;

use ixy_dma::{DmaDomain, DmaSlice};
use ixy_regs::bus::Bus;
use ixy_regs::virtio::features::Features;
use ixy_regs::virtio::ring::MAX_SIZE;

use crate::card::Card;
use crate::error::Error;
use crate::ring::{Ring, Shape};
use crate::transport::{Doorbell, PAGE};

/// Bytes from one header to the next, where headers have descriptors of their own.
pub(crate) const HEADER_STRIDE: usize = 16;

/// A queue that has no memory yet.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The queue's number in the device.
    pub(crate) number: u16,
    /// Its name in messages.
    pub(crate) name: String,
    shape: Shape,
    /// Bytes of memory that the queue needs beside its ring.
    extra: usize,
}

/// A running ring and its doorbell. The device has the ring's address.
pub(crate) struct Running<B> {
    pub(crate) doorbell: Doorbell<B>,
    pub(crate) ring: Ring,
    /// The memory beside it, if it has any: headers that have descriptors of their own, [`HEADER_STRIDE`]
    /// bytes for each slot; or a command and its answer.
    pub(crate) extra: Option<DmaSlice>,
}

impl Plan {
    /// A queue for frames, `wanted` at a time.
    pub(crate) fn for_frames<B: Bus>(
        card: &Card<B>,
        number: u16,
        name: String,
        wanted: u16,
    ) -> Result<Self, Error> {
        let apart = !card.header_with_data();
        let mut plan = Self::new(card, number, name, if apart { 2 } else { 1 }, wanted)?;
        if apart {
            let Shape { size, links, chains, .. } = plan.shape;
            plan.extra = usize::from((size / links).min(chains)) * HEADER_STRIDE;
        }
        Ok(plan)
    }

    /// The control queue, with `bytes` for a command and its answer.
    pub(crate) fn for_control<B: Bus>(card: &Card<B>, number: u16, bytes: usize) -> Result<Self, Error> {
        // If headers have their own descriptors, class and command also have one.
        let links = if card.header_with_data() { 2 } else { 3 };
        let plan = Self::new(card, number, "control queue".into(), links, 8)?;
        Ok(Self { extra: bytes, ..plan })
    }

    /// Chooses the size of the queue.
    fn new<B: Bus>(
        card: &Card<B>,
        number: u16,
        name: String,
        links: u16,
        wanted: u16,
    ) -> Result<Self, Error> {
        let largest = card.transport.queue_size(number);
        let (device, queue) = (card.name.clone(), name.clone());
        if largest == 0 {
            return Err(Error::NoQueue { device, queue });
        }
        let packed = card.features.contains(Features::RING_PACKED);
        let refuse = |why| Err(Error::QueueSize { device, queue, found: largest, why });
        if largest > MAX_SIZE {
            return refuse("and the specification allows 32768 (sections 2.7 and 2.8)");
        }
        if !packed && !largest.is_power_of_two() {
            return refuse("which is no power of two, as section 2.7 has it");
        }
        if largest < links {
            return refuse("too few for one buffer");
        }
        // A legacy device has a fixed size. If it is larger than wanted, a part of the ring stays unused.
        let modern = card.transport.is_modern();
        let size = if modern { largest.min(wanted.saturating_mul(links)) } else { largest };
        let shape = Shape {
            size,
            links,
            chains: wanted,
            packed,
            event_idx: card.features.contains(Features::EVENT_IDX),
            in_order: card.features.contains(Features::IN_ORDER),
            align: PAGE,
        };
        Ok(Self { number, name, shape, extra: 0 })
    }

    /// The sizes in bytes of the queue's pieces of memory.
    fn lengths(&self) -> impl Iterator<Item = usize> {
        let extra = (self.extra > 0).then_some(self.extra);
        std::iter::once(self.shape.bytes()).chain(extra)
    }

    /// Allocates memory from `domain` for all of `plans`: the pieces that [`start`](Self::start) takes, in the
    /// order of the plans.
    pub(crate) fn memory<'a>(
        plans: impl Iterator<Item = &'a Self>,
        domain: &Arc<dyn DmaDomain>,
    ) -> Result<std::vec::IntoIter<DmaSlice>, ixy_dma::Error> {
        let lengths: Vec<usize> = plans.flat_map(Self::lengths).collect();
        let total: usize = lengths.iter().map(|len| len.next_multiple_of(PAGE)).sum();
        // A piece that does not fit into the rest of a 2 MiB page goes to the next page.
        let largest = lengths.iter().max().map_or(0, |len| len.next_multiple_of(PAGE));
        let total = total + total / (2 << 20) * largest;
        Ok(Arc::clone(domain).allocate(total)?.cut(&lengths, PAGE)?.into_iter())
    }

    /// Sections 4.1.4.3 and 4.1.5.1.3: creates an empty ring in its pieces of `memory`, and writes its address to
    /// the device.
    pub(crate) fn start<B: Bus>(
        &self,
        card: &Card<B>,
        memory: &mut impl Iterator<Item = DmaSlice>,
    ) -> Result<Running<B>, Error> {
        let Self { number, shape, .. } = *self;
        let (device, queue) = (card.name.clone(), self.name.clone());
        let ring = memory.next().and_then(|memory| Ring::new(shape, memory));
        let extra = if self.extra > 0 { memory.next() } else { None };
        let Some(ring) = ring else {
            let why = "which this driver makes no ring of";
            return Err(Error::QueueSize { device, queue, found: shape.size, why });
        };
        let areas = ring.areas();
        let doorbell = card.transport.doorbell(number)?;
        tracing::debug!(device, queue, size = shape.size, packed = shape.packed, "set up, section 4.1.5.1.3");
        // SAFETY: ARMED-ONLY: the ring is empty memory of that size. Its owner hands it to the card, which keeps
        // it until the device has been reset; until DRIVER_OK the device does not access it.
        if !unsafe { card.transport.start_queue(number, shape.size, areas) } {
            return Err(Error::RingTooHigh { device, queue, address: areas.descriptors.0 });
        }
        Ok(Running { doorbell, ring, extra })
    }
}
