//! Receiving: a ring of empty buffers that the device fills (section 5.1.6.3).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ixy_core::{Batch, Cache, Checksum, Checksums, DATA_SIZE, Mempool, Packet, RxQueue};
use ixy_dma::DmaSlice;
use ixy_regs::bus::Bus;
use ixy_regs::virtio::features::Features;
use ixy_regs::virtio::net;

use crate::card::{Card, Line};
use crate::checksum;
use crate::error::Error;
use crate::interrupt::Vector;
use crate::queue::{HEADER_STRIDE, Plan, Running};
use crate::ring::{Part, Used};

/// A receive queue of the device.
pub struct VirtioRxQueue<B: Bus> {
    /// `None` only while it is being dropped.
    ring: Option<Filled<B>>,
    name: String,
    pair: usize,
    /// Bytes of the header before each frame.
    header: u16,
    mergeable: bool,
    /// Whether frames may arrive without a checksum.
    checksums: bool,
    /// The number of buffers still to come of a dropped frame.
    skip: u16,
    /// Whether the device broke the ring. The queue then receives nothing more.
    broken: bool,
    /// The interrupt, until the application takes it.
    vector: Option<Vector>,
    card: Arc<Card<B>>,
}

/// The memory that the device reaches: the ring and its buffers.
struct Filled<B> {
    running: Running<B>,
    /// OWNED-BUFFER: the packet at `n` belongs to slot `n` of the ring. It has none exactly when the slot is
    /// free.
    packets: Box<[Option<Packet>]>,
    cache: Cache,
}

impl<B: Bus> VirtioRxQueue<B> {
    /// The receive queue of pair `pair`, with `wanted` buffers.
    pub(crate) fn plan(card: &Card<B>, pair: u16, wanted: u16) -> Result<Plan, Error> {
        Plan::for_frames(card, 2 * pair, format!("receive queue {pair}"), wanted)
    }

    /// Sets the queue up as planned, in `memory` and with buffers of `pool`. [`notify`](Self::notify)
    /// announces the buffers once the device runs.
    pub(crate) fn start(
        card: &Arc<Card<B>>,
        pair: usize,
        plan: Plan,
        memory: &mut impl Iterator<Item = DmaSlice>,
        pool: &Mempool,
    ) -> Result<Self, Error> {
        let features = card.features;
        let vector = Vector::of_queue(card, pair as u16, plan.number, &plan.name)?;
        let running = plan.start(card, memory)?;
        let needed = running.ring.slots();
        let mut queue = Self {
            ring: Some(Filled { packets: (0..needed).map(|_| None).collect(), running, cache: pool.cache() }),
            name: plan.name,
            pair,
            header: card.header_len(),
            mergeable: features.contains(Features::MRG_RXBUF),
            checksums: features.contains(Features::GUEST_CSUM),
            skip: 0,
            broken: false,
            vector,
            card: Arc::clone(card),
        };
        let free = pool.free();
        let _to_be_notified = queue.refill();
        let filled = queue.ring.as_ref().is_some_and(|ring| ring.running.ring.free() == 0);
        if !filled {
            return Err(Error::PoolTooSmall { device: card.name.clone(), needed, free });
        }
        Ok(queue)
    }

    /// Notifies the device of the buffers in the queue, once it runs (section 3.1.1, step 8).
    pub(crate) fn notify(&self) {
        if let Some(filled) = &self.ring {
            // SAFETY: ARMED-ONLY: the ring holds buffers of this queue.
            unsafe { filled.running.doorbell.ring() };
        }
    }

    /// Takes the interrupt; `None` when it was taken before, or the device was opened without interrupts.
    pub(crate) fn take_vector(&mut self) -> Option<Vector> {
        self.vector.take()
    }

    /// The device that the queue belongs to.
    pub(crate) fn card(&self) -> &Card<B> {
        &self.card
    }

    /// Arms the interrupt for the next frame (see [`Ring::arm`](crate::ring::Ring::arm)).
    pub(crate) fn arm(&mut self) {
        let Some(filled) = self.ring.as_mut().filter(|_| !self.broken) else { return };
        if let Err(fault) = filled.running.ring.arm() {
            self.broken = true;
            self.card.fail(&self.name, fault);
        }
    }

    /// Disarms the interrupt.
    pub(crate) fn disarm(&mut self) {
        if let Some(filled) = &mut self.ring {
            filled.running.ring.disarm();
        }
    }

    /// Fills the ring, and returns whether the device wants to be notified.
    #[inline(always)]
    fn refill(&mut self) -> bool {
        let Some(Filled { running: Running { ring, extra: headers, .. }, packets, cache }) = &mut self.ring
        else {
            return false;
        };
        while ring.free() > 0 {
            let Some(mut packet) = cache.allocate() else { break };
            let slot = match headers {
                None => {
                    // The header goes into the headroom, so that the frame starts where a card would put it.
                    if !packet.prepend(self.header) {
                        break;
                    }
                    let len = u32::from(self.header) + u32::from(DATA_SIZE);
                    // SAFETY: ARMED-ONLY: the packet is kept in the slot below, and has that much room after
                    // its header.
                    unsafe { ring.add([Part { iova: packet.iova(), len, written: true }]) }
                }
                Some(headers) => {
                    let Some(next) = ring.next_slot() else { break };
                    let at = headers.iova().offset(u64::from(next) * HEADER_STRIDE as u64);
                    let header = Part { iova: at, len: self.header.into(), written: true };
                    let data = Part { iova: packet.iova(), len: DATA_SIZE.into(), written: true };
                    // SAFETY: ARMED-ONLY: as above, and each slot has a header of its own.
                    unsafe { ring.add([header, data]) }
                }
            };
            if let Some(place) = slot.and_then(|slot| packets.get_mut(usize::from(slot))) {
                *place = Some(packet);
            }
        }
        ring.publish()
    }

    /// Receives packets. `look` is called for each with its index in the batch and its checksum state, and returns
    /// whether to keep it.
    #[inline(always)]
    fn receive_into(
        &mut self,
        batch: &mut Batch,
        mut look: impl FnMut(usize, &mut Packet, Checksum) -> bool,
    ) -> usize {
        if self.broken {
            return 0;
        }
        let (mut received, mut bytes, mut dropped) = (0, 0, 0);
        while batch.room() > 0 {
            let Some(Filled { running, packets, .. }) = &mut self.ring else { break };
            let used = match running.ring.used() {
                Ok(Some(used)) => used,
                Ok(None) => break,
                Err(fault) => {
                    self.broken = true;
                    self.card.fail(&self.name, fault);
                    break;
                }
            };
            let Some(mut packet) = packets.get_mut(usize::from(used.slot)).and_then(Option::take) else {
                break;
            };
            match self.examine(used, &mut packet) {
                Found::Frame(checksum) if look(batch.len(), &mut packet, checksum) => {
                    bytes += packet.len() as u64;
                    received += 1;
                    // The loop checked for room.
                    let _pushed = batch.push(packet);
                    continue;
                }
                Found::Frame(_) | Found::Bad => dropped += 1,
                Found::Rest => {}
            }
            if let Some(filled) = &mut self.ring {
                filled.cache.free(packet);
            }
        }
        if received + dropped > 0 {
            let counters = &self.card.counters[self.pair].rx;
            Line::add(&counters.packets, received);
            Line::add(&counters.bytes, bytes);
            Line::add(&counters.dropped, dropped);
        }
        if !self.broken && self.refill() {
            self.notify();
        }
        received as usize
    }

    /// Checks the device's report of a used buffer, and turns its packet into the received frame.
    #[inline(always)]
    fn examine(&mut self, used: Used, packet: &mut Packet) -> Found {
        if self.skip > 0 {
            self.skip -= 1;
            return Found::Rest;
        }
        let header = u32::from(self.header);
        // Without a length, take the whole buffer as used.
        let len = used.len.map_or(Some(DATA_SIZE.into()), |len| len.checked_sub(header));
        let Some(len) = len.filter(|&len| len <= DATA_SIZE.into()) else { return Found::Bad };
        // Most of the header is only valid with negotiated features.
        let mut checksum = Checksum::InFrame;
        let mut buffers = 1;
        let mut read = |bytes: &[u8]| {
            if let (true, Some(&[low, high])) =
                (self.mergeable, bytes.get(NUM_BUFFERS..).and_then(<[u8]>::first_chunk))
            {
                buffers = u16::from_le_bytes([low, high]);
            }
            if self.checksums {
                checksum = checksum::received(bytes);
            }
        };
        match self.ring.as_ref().and_then(|filled| filled.running.extra.as_ref()) {
            None => {
                // The sum is at most that of a header and DATA_SIZE.
                if !packet.set_len((header + len) as u16) {
                    return Found::Bad;
                }
                read(packet);
                if !packet.trim_front(self.header) {
                    return Found::Bad;
                }
            }
            Some(headers) => {
                let mut bytes = [0; HEADER_STRIDE];
                read_header(headers, used.slot, &mut bytes);
                read(&bytes[..usize::from(self.header)]);
                if !packet.set_len(len as u16) {
                    return Found::Bad;
                }
            }
        }
        if buffers != 1 {
            // A frame in several buffers is longer than a packet can be: drop it whole and count it once. It
            // cannot have more buffers than the ring, as the device uses all of them together (section
            // 5.1.6.4.1).
            let possible =
                usize::from(buffers) <= self.ring.as_ref().map_or(0, |filled| filled.packets.len());
            self.skip = if possible { buffers.saturating_sub(1) } else { 0 };
            return Found::Bad;
        }
        // The place of a missing checksum has to be inside the frame (section 5.1.6.4.1).
        if (len as usize) < SHORTEST || !checksum.is_within(len as usize) {
            return Found::Bad;
        }
        Found::Frame(checksum)
    }
}

/// The offset of the number of buffers in a header that has it.
const NUM_BUFFERS: usize = net::Header::LEGACY_SIZE;

/// The length of an Ethernet header: no frame is shorter.
const SHORTEST: usize = 14;

/// The content of a used buffer.
enum Found {
    /// A frame.
    Frame(Checksum),
    /// A frame that cannot be delivered.
    Bad,
    /// A further buffer of a frame that cannot be delivered.
    Rest,
}

/// Copies the header of slot `slot`.
fn read_header(headers: &DmaSlice, slot: u16, into: &mut [u8]) {
    let first = usize::from(slot) * (HEADER_STRIDE / 8);
    let words = headers.words().get(first..).unwrap_or_default();
    for (bytes, word) in into.chunks_mut(8).zip(words) {
        bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes()[..bytes.len()]);
    }
}

impl<B: Bus> RxQueue for VirtioRxQueue<B> {
    /// Computes missing checksums, so that a packet is complete wherever it goes.
    fn receive(&mut self, batch: &mut Batch) -> usize {
        self.receive_into(batch, |_, packet, checksum| checksum.complete(packet))
    }

    fn receive_with(&mut self, batch: &mut Batch, checksums: &mut Checksums) -> usize {
        self.receive_into(batch, |at, _, checksum| {
            if let Some(place) = checksums.get_mut(at) {
                *place = checksum;
            }
            true
        })
    }

    /// Without buffers the device has no place for a frame; the next receive posts new ones and notifies the
    /// device.
    fn is_starved(&self) -> bool {
        !self.broken && self.ring.as_ref().is_some_and(|filled| filled.running.ring.in_flight() == 0)
    }
}

impl<B: Bus> Drop for VirtioRxQueue<B> {
    /// A queue cannot be stopped by itself: `Card` takes over its memory and frees it once the device has stopped.
    fn drop(&mut self) {
        if let Some(filled) = self.ring.take() {
            let Filled { running, packets, cache } = filled;
            self.card.keep(Box::new((running.ring, running.extra, packets, cache)));
        }
    }
}
