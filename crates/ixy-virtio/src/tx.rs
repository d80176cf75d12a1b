//! Sending: a ring of packets that the device reads (section 5.1.6.2).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ixy_core::{Batch, Cache, Checksum, Checksums, Mempool, Packet, TxQueue};
use ixy_dma::{DmaSlice, DomainId};
use ixy_regs::bus::Bus;
use ixy_regs::virtio::features::Features;
use ixy_regs::virtio::net;

use crate::card::{Card, Line};
use crate::checksum;
use crate::error::Error;
use crate::queue::{HEADER_STRIDE, Plan, Running};
use crate::ring::{Part, RingFault};

/// Frames shorter than an Ethernet header are padded with zeros to the minimum of Ethernet.
const SHORTEST: usize = 14;
const FILLED_UP: u16 = 60;

/// A transmit queue of the device.
///
/// A header of up to 12 bytes precedes each frame in its buffer, so the longest packet that can be sent is 12
/// bytes shorter than [`Packet::MAX_LEN`]. A longer one is freed, and not counted as sent.
pub struct VirtioTxQueue<B: Bus> {
    /// `None` only while it is being dropped.
    ring: Option<InRing<B>>,
    name: String,
    pair: usize,
    /// Bytes of the header before each frame.
    header: u16,
    /// Whether the device computes missing checksums.
    checksums: bool,
    /// Whether the application takes sent packets back with `reclaim`.
    reclaims: bool,
    /// Whether the device broke the ring. The queue then sends nothing more.
    broken: bool,
    /// The last pool that was found to be mapped in `domain`.
    pool: Mempool,
    domain: DomainId,
    unreachable: u64,
    card: Arc<Card<B>>,
}

/// The memory that the device reaches: the ring and its packets.
struct InRing<B> {
    running: Running<B>,
    /// OWNED-BUFFER: the packet at `n` belongs to slot `n` of the ring. It has none exactly when the slot is
    /// free.
    packets: Box<[Option<Packet>]>,
    cache: Cache,
    /// Bytes of the header in front of each packet; 0 when the header has a descriptor of its own.
    in_front: u16,
}

impl<B: Bus> InRing<B> {
    /// Takes back the next packet that the device has sent, unchanged.
    #[inline(always)]
    fn sent(&mut self) -> Result<Option<Packet>, RingFault> {
        let Some(used) = self.running.ring.used()? else { return Ok(None) };
        let mut packet = self.packets.get_mut(usize::from(used.slot)).and_then(Option::take);
        if let Some(packet) = &mut packet {
            // `put` wrote the header in front; remove it.
            let _taken_off = packet.trim_front(self.in_front);
        }
        Ok(packet)
    }
}

impl<B: Bus> VirtioTxQueue<B> {
    /// The transmit queue of pair `pair`, for `wanted` packets at a time.
    pub(crate) fn plan(card: &Card<B>, pair: u16, wanted: u16) -> Result<Plan, Error> {
        Plan::for_frames(card, 2 * pair + 1, format!("transmit queue {pair}"), wanted)
    }

    /// Sets up the queue as planned, in `memory`, for packets of any pool in reach of `domain`, such as `pool`.
    pub(crate) fn start(
        card: &Arc<Card<B>>,
        pair: usize,
        plan: Plan,
        memory: &mut impl Iterator<Item = DmaSlice>,
        pool: &Mempool,
        domain: DomainId,
    ) -> Result<Self, Error> {
        let running = plan.start(card, memory)?;
        let header = card.header_len();
        let packets = (0..running.ring.slots()).map(|_| None).collect();
        let in_front = if running.extra.is_some() { 0 } else { header };
        Ok(Self {
            ring: Some(InRing { running, packets, cache: pool.cache(), in_front }),
            name: plan.name,
            pair,
            header,
            checksums: card.features.contains(Features::CSUM),
            reclaims: false,
            broken: false,
            pool: pool.clone(),
            domain,
            unreachable: 0,
            card: Arc::clone(card),
        })
    }

    /// The next sent packet. `None` also when the device broke the ring, which is recorded.
    #[inline(always)]
    fn sent(&mut self) -> Option<Packet> {
        if self.broken {
            return None;
        }
        match self.ring.as_mut()?.sent() {
            Ok(packet) => packet,
            Err(fault) => {
                self.broken = true;
                self.card.fail(&self.name, fault);
                None
            }
        }
    }

    /// Frees the sent packets.
    #[inline(always)]
    fn clean(&mut self) {
        while let Some(packet) = self.sent() {
            if let Some(ring) = &mut self.ring {
                ring.cache.free(packet);
            }
        }
    }

    /// Whether the device reaches `packet`. Takes one compare except for the first packet of a pool.
    #[inline(always)]
    fn reaches(&mut self, packet: &Packet) -> bool {
        if self.pool.owns(packet) {
            return true;
        }
        let pool = Mempool::of(packet);
        let reached = pool.is_mapped_in(self.domain);
        if reached {
            self.pool = pool;
        }
        reached
    }

    #[inline(always)]
    fn send_from(&mut self, batch: &mut Batch, checksum: impl Fn(usize) -> Checksum) -> usize {
        // For an application that reclaims, sent packets stay in the ring while it has room.
        let room = self.ring.as_ref().map_or(0, |ring| ring.running.ring.free());
        if !self.reclaims || room < batch.len() {
            self.clean();
        }
        let (mut taken, mut sent, mut bytes) = (0, 0, 0);
        while let Some(packet) = batch.first() {
            let room = self.ring.as_ref().map_or(0, |ring| ring.running.ring.free());
            if room == 0 || self.broken {
                break;
            }
            if !self.reaches(packet) {
                self.unreachable += 1;
                break;
            }
            let Some(packet) = batch.pop_front() else { break };
            if let Some(len) = self.put(packet, checksum(taken)) {
                bytes += len as u64;
                sent += 1;
            }
            taken += 1;
        }
        if sent > 0 {
            let counters = &self.card.counters[self.pair].tx;
            Line::add(&counters.packets, sent);
            Line::add(&counters.bytes, bytes);
        }
        if let Some(InRing { running, .. }) = &mut self.ring
            && running.ring.publish()
        {
            // SAFETY: ARMED-ONLY: the ring holds packets of this queue, in memory that the device's domain
            // reaches.
            unsafe { running.doorbell.ring() };
        }
        taken
    }

    /// Puts a packet into the ring, which has room for it, and returns its length. `None` when the packet has no
    /// room for a header in front, even if moved; it was then freed.
    #[inline(always)]
    fn put(&mut self, mut packet: Packet, mut checksum: Checksum) -> Option<usize> {
        if packet.len() < SHORTEST {
            fill_up(&mut packet);
        }
        if !self.checksums {
            // A place outside of the packet is the caller's mistake; the packet is sent unchanged.
            let _inside = std::mem::take(&mut checksum).complete(&mut packet);
        } else if !checksum.is_within(packet.len()) {
            checksum = Checksum::InFrame;
        }
        let len = packet.len();
        let header = usize::from(self.header);
        let Some(InRing { running: Running { ring, extra: headers, .. }, packets, .. }) = &mut self.ring
        else {
            return None;
        };
        let slot = match headers {
            None => {
                if packet.headroom() < header {
                    make_headroom(&mut packet, self.header);
                }
                if !packet.prepend(self.header) {
                    return None;
                }
                checksum::write(checksum, &mut packet[..header]);
                let part = Part { iova: packet.iova(), len: packet.len() as u32, written: false };
                // SAFETY: ARMED-ONLY: the packet is kept in the slot below, and is reached by the device.
                unsafe { ring.add([part]) }
            }
            Some(headers) => {
                let next = ring.next_slot()?;
                write_header(headers, next, checksum, header);
                let at = headers.iova().offset(u64::from(next) * HEADER_STRIDE as u64);
                let head = Part { iova: at, len: header as u32, written: false };
                let data = Part { iova: packet.iova(), len: len as u32, written: false };
                // SAFETY: ARMED-ONLY: as above, and each slot has a header of its own.
                unsafe { ring.add([head, data]) }
            }
        };
        if let Some(place) = slot.and_then(|slot| packets.get_mut(usize::from(slot))) {
            *place = Some(packet);
        }
        Some(len)
    }
}

/// Pads a frame with zeros. Moves it to the front first if the end of its buffer is too near.
#[cold]
#[inline(never)]
fn fill_up(packet: &mut Packet) {
    let len = packet.len();
    let missing = usize::from(FILLED_UP).saturating_sub(len + packet.tailroom());
    if missing > 0 && packet.prepend(missing as u16) {
        packet.copy_within(missing.., 0);
    }
    if packet.set_len(FILLED_UP) {
        packet[len..].fill(0);
    }
}

/// Moves a frame back in its buffer until there are `wanted` bytes in front of it. Without enough room it stays
/// where it is.
#[cold]
#[inline(never)]
fn make_headroom(packet: &mut Packet, wanted: u16) {
    let (len, missing) = (packet.len(), usize::from(wanted).saturating_sub(packet.headroom()));
    if missing > packet.tailroom() {
        return;
    }
    // Both fit, as there is that much room behind the frame.
    let _grown = packet.set_len((len + missing) as u16);
    packet.copy_within(..len, missing);
    let _trimmed = packet.trim_front(missing as u16);
}

/// Writes the header of slot `slot`.
fn write_header(headers: &DmaSlice, slot: u16, checksum: Checksum, len: usize) {
    let mut bytes = [0; HEADER_STRIDE];
    checksum::write(checksum, &mut bytes[..len.min(size_of::<net::Header>())]);
    let first = usize::from(slot) * (HEADER_STRIDE / 8);
    let words = headers.words().get(first..).unwrap_or_default();
    for (bytes, word) in bytes.as_chunks::<8>().0.iter().zip(words) {
        word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
    }
}

impl<B: Bus> TxQueue for VirtioTxQueue<B> {
    fn send(&mut self, batch: &mut Batch) -> usize {
        self.send_from(batch, |_| Checksum::InFrame)
    }

    fn send_with(&mut self, batch: &mut Batch, checksums: &mut Checksums) -> usize {
        let len = batch.len();
        let sent = self.send_from(batch, |n| checksums.get(n).copied().unwrap_or_default());
        Checksum::advance(checksums, sent, len);
        sent
    }

    fn reclaim(&mut self, batch: &mut Batch, count: usize) -> usize {
        self.reclaims = true;
        let count = count.min(batch.room());
        for reclaimed in 0..count {
            let Some(packet) = self.sent() else { return reclaimed };
            // There is room, as `count` says.
            let _pushed = batch.push(packet);
        }
        count
    }

    fn pending(&mut self) -> usize {
        self.clean();
        self.ring.as_ref().map_or(0, |ring| ring.running.ring.in_flight())
    }

    fn unreachable(&self) -> u64 {
        self.unreachable
    }
}

impl<B: Bus> Drop for VirtioTxQueue<B> {
    /// A queue cannot be stopped by itself: `Card` takes over its memory and frees it once the device has stopped.
    fn drop(&mut self) {
        if let Some(ring) = self.ring.take() {
            let InRing { running, packets, cache, .. } = ring;
            self.card.keep(Box::new((running.ring, running.extra, packets, cache)));
        }
    }
}
