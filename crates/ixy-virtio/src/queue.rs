//! What receive and transmit queues have in common: [`QueueSetup`], the way to a running ring.

use std::sync::Arc;

use ixy_dma::{DmaDomain, DmaSlice};
use ixy_regs::bus::Bus;
use ixy_regs::virtio::features::Features;

use crate::card::Card;
use crate::error::Error;
use crate::ring::{Ring, Shape};
use crate::transport::{Doorbell, PAGE};

/// What a queue is, before it has memory.
#[derive(Debug)]
pub(crate) struct QueueSetup {
    /// The device's number of it.
    pub(crate) number: u16,
    /// What messages call it.
    pub(crate) name: String,
    /// Descriptors of a chain.
    pub(crate) links: u16,
    /// Chains that are wanted.
    pub(crate) wanted: u16,
    /// Whether the device may say the end of a run only (IN_ORDER is for all queues alike).
    pub(crate) headers: bool,
}

/// A ring that the device knows of, and what it is notified through.
pub(crate) struct Running<B> {
    pub(crate) doorbell: Doorbell<B>,
    pub(crate) ring: Ring,
    /// Headers that have descriptors of their own, where they do: [`HEADER_STRIDE`] bytes for each slot.
    pub(crate) headers: Option<DmaSlice>,
}

/// Bytes from one header to the next, where they are apart from the frames.
pub(crate) const HEADER_STRIDE: usize = 16;

impl QueueSetup {
    /// Sections 4.1.4.3 and 4.1.5.1.3: looks at how large the queue can be, makes a ring of that size in memory of `domain`,
    /// and tells the device where it is. It is empty.
    pub(crate) fn start<B: Bus>(
        &self,
        card: &Card<B>,
        domain: &Arc<dyn DmaDomain>,
    ) -> Result<Running<B>, Error> {
        let shape = self.shape(card)?;
        let (device, queue) = (|| card.name.clone(), || self.name.clone());
        let dma = |source| Error::Dma { device: device(), source };
        let chains = usize::from((shape.size / shape.links).min(shape.chains));
        let headers = if self.headers { chains * HEADER_STRIDE } else { 0 };
        // The ring of a legacy device starts with a page, and a headers' part is there only where it is needed.
        let lengths = if self.headers { vec![shape.bytes(), headers] } else { vec![shape.bytes()] };
        let total: usize = lengths.iter().map(|len| len.next_multiple_of(PAGE)).sum();
        let mut pieces =
            Arc::clone(domain).allocate(total).and_then(|m| m.cut(&lengths, PAGE)).map_err(dma)?;
        let headers = if self.headers { pieces.pop() } else { None };
        let too_small = || Error::QueueSize {
            device: device(),
            queue: queue(),
            found: shape.size,
            why: "which this driver makes no ring of",
        };
        let memory = pieces.pop().ok_or_else(too_small)?;
        let ring = Ring::new(shape, memory).ok_or_else(too_small)?;
        let areas = ring.areas();
        let doorbell = card.transport.doorbell(self.number)?;
        // SAFETY: ARMED-ONLY: the ring is empty memory of that size, and the card keeps it until the device has been reset.
        if !unsafe { card.transport.start_queue(self.number, shape.size, areas) } {
            let address = areas.descriptors.0;
            return Err(Error::RingTooHigh { device: device(), queue: queue(), address });
        }
        tracing::debug!(
            device = %card.name, queue = %self.name, size = shape.size, packed = shape.packed, "set up, section 4.1.5.1.3"
        );
        Ok(Running { doorbell, ring, headers })
    }

    fn shape<B: Bus>(&self, card: &Card<B>) -> Result<Shape, Error> {
        let (device, queue) = (card.name.clone(), self.name.clone());
        let largest = card.transport.queue_size(self.number);
        if largest == 0 {
            return Err(Error::NoQueue { device, queue });
        }
        let packed = card.features.contains(Features::RING_PACKED);
        let refuse =
            |why| Error::QueueSize { device: device.clone(), queue: queue.clone(), found: largest, why };
        if largest > 1 << 15 {
            return Err(refuse("and the specification allows 32768 (sections 2.7 and 2.8)"));
        }
        if !packed && !largest.is_power_of_two() {
            return Err(refuse("which is no power of two, as section 2.7 has it"));
        }
        if largest < self.links {
            return Err(refuse("too few for one buffer"));
        }
        // A legacy device has the size that it has; of a larger ring only a part is then in use.
        let size = if card.transport.is_modern() {
            largest.min(self.wanted.saturating_mul(self.links))
        } else {
            largest
        };
        Ok(Shape {
            size,
            links: self.links,
            chains: self.wanted,
            packed,
            event_idx: card.features.contains(Features::EVENT_IDX),
            in_order: card.features.contains(Features::IN_ORDER),
            align: PAGE,
        })
    }
}
