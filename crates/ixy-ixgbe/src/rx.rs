//! Receiving: one descriptor ring and the buffers in it (sections 7.1.6 and 7.1.9).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ixy_core::{Batch, Cache, DATA_SIZE, Mempool, Packet, RxQueue};
use ixy_dma::DmaSlice;
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe;
use ixy_regs::ixgbe::descriptors::receive::{self, Status, write_back};
use ixy_regs::ixgbe::fields::{DCA_RXCTRL, RXDCTL, SRRCTL};

use crate::card::{Card, Wait};
use crate::error::Error;

/// Longest time until a queue says that it is enabled or disabled (section 4.6.7.1).
const ENABLE: Duration = Duration::from_millis(50);

/// A descriptor that holds a whole frame without an error (section 7.1.6.2), among the bits that tell.
const GOOD: Status = Status::DD.union(Status::EOP);
const TELLING: Status = GOOD.union(Status::RXE);

/// A receive queue of the card.
pub struct IxgbeRxQueue<B: Bus> {
    regs: ixgbe::RxQueue<B>,
    /// `None` only while it is being dropped.
    ring: Option<Ring>,
    cache: Cache,
    /// The descriptor that the card completes next. Always less than the ring's length.
    next: usize,
    /// In the middle of a frame of several descriptors, which is dropped whole.
    in_long_frame: bool,
    card: Arc<Card<B>>,
}

/// What the card reaches while the queue is enabled.
struct Ring {
    descriptors: DmaSlice,
    /// OWNED-BUFFER: the packet whose buffer descriptor `i` names stands at `i`, so nobody has its bytes.
    packets: Box<[Packet]>,
}

impl<B: Bus> IxgbeRxQueue<B> {
    /// Section 4.6.7: sets up queue `n` with the ring in `descriptors` and buffers of `pool`, and enables it.
    pub(crate) fn start(
        card: &Arc<Card<B>>,
        n: u16,
        descriptors: DmaSlice,
        pool: &Mempool,
    ) -> Result<Self, Error> {
        let too_small = |needed| {
            let (device, free) = (card.name.clone(), pool.free());
            Error::PoolTooSmall { device, needed, free }
        };
        let Some(regs) = ixgbe::RxQueue::new(card.regs.bus().clone(), n.into()) else {
            return Err(Error::Queues { found: n });
        };
        let ring = descriptors.words().as_chunks::<2>().0;
        let mut cache = pool.cache();
        let packets: Option<Box<[Packet]>> = ring.iter().map(|_| cache.allocate()).collect();
        let packets = packets.ok_or_else(|| too_small(ring.len()))?;
        for (descriptor, packet) in ring.iter().zip(&packets) {
            arm(descriptor, packet);
        }
        let (iova, bytes) = (descriptors.iova().0, descriptors.len() as u32);
        let last = ring.len() as u32 - 1;
        let queue = Self {
            regs,
            ring: Some(Ring { descriptors, packets }),
            cache,
            next: 0,
            in_long_frame: false,
            card: Arc::clone(card),
        };
        let regs = &queue.regs;
        // The whole buffer is one piece (descriptor type 1), of the size that `BUFFER_KB` says, and a frame that finds no
        // descriptor is dropped, so that this queue does not stop the others (section 8.2.3.8.7).
        // SAFETY: ARMED-ONLY: the ring is memory of this queue, its length is that of the memory, and every
        // descriptor names a buffer of the queue with room for what SRRCTL lets the card write.
        unsafe {
            regs.srrctl().modify_dma(
                SRRCTL::BSIZEPACKET.val(BUFFER_KB) + SRRCTL::DESCTYPE.val(1) + SRRCTL::DROP_EN::SET,
            );
            regs.rdbal().set_dma(iova as u32);
            regs.rdbah().set_dma((iova >> 32) as u32);
            regs.rdlen().set_dma(bytes);
            regs.rdh().set_dma(0);
            regs.rdt().set_dma(0);
            // Bit 12 is set at reset and has to be cleared (section 4.6.7).
            regs.dca_rxctrl().modify_dma(DCA_RXCTRL::RESERVED12::CLEAR);
            regs.rxdctl().modify_dma(RXDCTL::ENABLE::SET);
        }
        let wait = Wait { register: "RXDCTL", wanted: "ENABLE set", section: "4.6.7.1", limit: ENABLE };
        card.wait(&wait, || regs.rxdctl().get(), |rxdctl| RXDCTL::ENABLE.is_set(rxdctl))?;
        // SAFETY: ARMED-ONLY: all descriptors were armed above. One stays back, as head and tail being equal means
        // an empty ring (section 7.1.9).
        unsafe { regs.rdt().set_dma(last) };
        Ok(queue)
    }

    /// Gives descriptor `i` back with the buffer that it had: the frame in it is dropped.
    #[cold]
    fn drop_frame(&mut self, i: usize, status: Status, len: u16) {
        let Some(ring) = &self.ring else { return };
        let (Some(descriptor), Some(packet)) =
            (ring.descriptors.words().as_chunks::<2>().0.get(i), ring.packets.get(i))
        else {
            return;
        };
        arm(descriptor, packet);
        self.card.dropped_bytes.fetch_add(len.into(), Ordering::Relaxed);
        // A frame counts once, when its last descriptor is here.
        self.in_long_frame = !status.contains(Status::EOP);
        if !self.in_long_frame {
            self.card.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What a buffer is told to the card as, in KB (section 8.2.3.8.7): rounded down, so that it never writes past the end.
const BUFFER_KB: u32 = DATA_SIZE as u32 / 1024;

/// Writes a descriptor in its read format: packet address, and a header address that is not used (section 7.1.6.1).
#[inline(always)]
fn arm(descriptor: &[AtomicU64; 2], packet: &Packet) {
    let [address, status] = receive::read(packet.iova().0);
    descriptor[0].store(address.to_le(), Ordering::Relaxed);
    // The word that the card writes DD into goes last.
    descriptor[1].store(status.to_le(), Ordering::Release);
}

impl<B: Bus> RxQueue for IxgbeRxQueue<B> {
    fn receive(&mut self, batch: &mut Batch) -> usize {
        let room = batch.room();
        let mut next = self.next;
        let mut received = 0;
        let mut dropped = None;
        let Some(Ring { descriptors, packets }) = &mut self.ring else { return 0 };
        let ring = descriptors.words().as_chunks::<2>().0;
        let mask = ring.len() - 1;
        {
            while received < room {
                let (Some(descriptor), Some(place)) = (ring.get(next), packets.get_mut(next)) else { break };
                // The acquire load of the word with DD orders the frame's bytes after it.
                let word = u64::from_le(descriptor[1].load(Ordering::Acquire));
                let (status, len) = (Status::from_word(word), write_back::LENGTH.of(word) as u16);
                // One compare for the common case: done, the whole frame, and nothing wrong with it.
                if status & TELLING != GOOD || self.in_long_frame || len > DATA_SIZE {
                    if status.contains(Status::DD) {
                        dropped = Some((status, len));
                    }
                    break;
                }
                // Without a new buffer the frame stays where it is.
                let Some(fresh) = self.cache.allocate() else { break };
                let mut packet = std::mem::replace(place, fresh);
                arm(descriptor, place);
                // The length was compared above; this compare keeps the packet's own promise.
                let _fits = packet.set_len(len);
                if batch.push(packet).is_err() {
                    break;
                }
                received += 1;
                next = (next + 1) & mask;
            }
        }
        if let Some((status, len)) = dropped {
            self.drop_frame(next, status, len);
            next = (next + 1) & mask;
        }
        self.next = next;
        if received > 0 || dropped.is_some() {
            let tail = next.wrapping_sub(1) & mask;
            // SAFETY: ARMED-ONLY: all descriptors up to the one before `next` were armed, here or at start.
            unsafe { self.regs.rdt().set_dma(tail as u32) };
        }
        received
    }
}

impl<B: Bus> Drop for IxgbeRxQueue<B> {
    /// Section 4.6.7.1.2: disables the queue. Its memory goes to the card, which frees it once it has stopped.
    fn drop(&mut self) {
        // SAFETY: ARMED-ONLY: a queue that is disabled reaches less.
        unsafe { self.regs.rxdctl().modify_dma(RXDCTL::ENABLE::CLEAR) };
        let wait = Wait { register: "RXDCTL", wanted: "ENABLE clear", section: "4.6.7.1.2", limit: ENABLE };
        let rxdctl = || self.regs.rxdctl().get();
        if let Err(error) = self.card.wait(&wait, rxdctl, |rxdctl| !RXDCTL::ENABLE.is_set(rxdctl)) {
            tracing::warn!(%error, "a receive queue did not stop");
        }
        if let Some(Ring { descriptors, packets }) = self.ring.take() {
            self.card.keep(Box::new((descriptors, packets)));
        }
    }
}
