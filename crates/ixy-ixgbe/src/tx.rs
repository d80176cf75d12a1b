//! Sending: one descriptor ring and the packets in it (sections 7.2.3 and 7.2.3.2.4).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ixy_core::{Batch, Cache, Mempool, Packet, TxQueue};
use ixy_dma::{DmaSlice, DomainId};
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe;
use ixy_regs::ixgbe::descriptors::transmit::{self, Command};
use ixy_regs::ixgbe::fields::TXDCTL;

use crate::card::{Card, Wait};
use crate::error::Error;

/// Longest time until a queue says that it is enabled or disabled (section 4.6.8).
const ENABLE: Duration = Duration::from_millis(50);
/// The card wants at least this many bytes, and pads to 60 itself (section 7.2.1.1).
const SHORTEST: usize = 17;

/// A frame in one descriptor, to which the card adds the frame check sequence.
const WHOLE: Command = Command::EOP.union(Command::IFCS);

/// A transmit queue of the card.
pub struct IxgbeTxQueue<B: Bus> {
    regs: ixgbe::TxQueue<B>,
    /// `None` only while it is being dropped.
    ring: Option<Ring>,
    cache: Cache,
    /// The latest pool whose packets were found to be in memory that the card reaches.
    pool: Mempool,
    domain: DomainId,
    /// The next descriptor to fill, and the oldest that is not known to be done. Both less than the ring's length.
    next: usize,
    oldest: usize,
    unreachable: u64,
    card: Arc<Card<B>>,
}

/// What the card reaches while the queue is enabled.
struct Ring {
    descriptors: DmaSlice,
    /// OWNED-BUFFER: the packet that descriptor `i` names stands at `i` until the card is done with it.
    packets: Box<[Option<Packet>]>,
    /// For the first descriptor of a batch: the last one of it, which is the one that reports.
    last_of_batch: Box<[u16]>,
}

impl<B: Bus> IxgbeTxQueue<B> {
    /// Section 4.6.8: sets up queue `n` with the ring in `descriptors`, and enables it.
    pub(crate) fn start(
        card: &Arc<Card<B>>,
        n: u16,
        descriptors: DmaSlice,
        pool: &Mempool,
        domain: DomainId,
    ) -> Result<Self, Error> {
        let Some(regs) = ixgbe::TxQueue::new(card.regs.bus().clone(), n.into()) else {
            return Err(Error::Queues { found: n });
        };
        let (iova, bytes) = (descriptors.iova().0, descriptors.len() as u32);
        let len = descriptors.words().len() / 2;
        let ring = Ring {
            descriptors,
            packets: (0..len).map(|_| None).collect(),
            last_of_batch: vec![0; len].into_boxed_slice(),
        };
        let queue = Self {
            regs,
            ring: Some(ring),
            cache: pool.cache(),
            pool: pool.clone(),
            domain,
            next: 0,
            oldest: 0,
            unreachable: 0,
            card: Arc::clone(card),
        };
        let regs = &queue.regs;
        // Descriptors are fetched ahead when fewer than 36 are left in the card and 8 wait, which one queue needs for
        // line rate; each that reports is written back at once, as WTHRESH above 0 is for other modes (section
        // 7.2.3.4.1).
        // SAFETY: ARMED-ONLY: the ring is memory of this queue, its length is that of the memory, and head and tail
        // are equal, so the card fetches nothing yet.
        unsafe {
            regs.tdbal().set_dma(iova as u32);
            regs.tdbah().set_dma((iova >> 32) as u32);
            regs.tdlen().set_dma(bytes);
            regs.tdh().set_dma(0);
            regs.tdt().set_dma(0);
            regs.txdctl()
                .modify_dma(TXDCTL::PTHRESH.val(36) + TXDCTL::HTHRESH.val(8) + TXDCTL::WTHRESH.val(0));
            regs.txdctl().modify_dma(TXDCTL::ENABLE::SET);
        }
        let wait = Wait { register: "TXDCTL", wanted: "ENABLE set", section: "4.6.8", limit: ENABLE };
        card.wait(&wait, || regs.txdctl().get(), |txdctl| TXDCTL::ENABLE.is_set(txdctl))?;
        Ok(queue)
    }

    /// Frees the packets of batches that the card has reported done.
    #[inline(always)]
    fn clean(&mut self) {
        let Some(Ring { descriptors, packets, last_of_batch }) = &mut self.ring else { return };
        let ring = descriptors.words().as_chunks::<2>().0;
        let mask = ring.len() - 1;
        while self.oldest != self.next {
            let last = usize::from(last_of_batch[self.oldest & mask]);
            let status = u64::from_le(ring[last & mask][1].load(Ordering::Acquire));
            if !transmit::is_done(status) {
                break;
            }
            let end = (last + 1) & mask;
            while self.oldest != end {
                if let Some(packet) = packets[self.oldest & mask].take() {
                    self.cache.free(packet);
                }
                self.oldest = (self.oldest + 1) & mask;
            }
        }
    }

    /// Looks at the pool of `packet` when it is not the latest one.
    #[cold]
    fn accept(pool: &mut Mempool, domain: DomainId, packet: &Packet) -> bool {
        let other = Mempool::of(packet);
        let reached = other.is_mapped_in(domain);
        if reached {
            *pool = other;
        }
        reached
    }
}

/// Fills a frame that is shorter than the card takes up with zeros, to the shortest of Ethernet.
#[cold]
fn pad(packet: &mut Packet) {
    let len = packet.len();
    if packet.set_len(60) {
        packet[len..].fill(0);
    }
}

impl<B: Bus> TxQueue for IxgbeTxQueue<B> {
    fn send(&mut self, batch: &mut Batch) -> usize {
        self.clean();
        let Some(Ring { descriptors, packets, last_of_batch }) = &mut self.ring else { return 0 };
        let ring = descriptors.words().as_chunks::<2>().0;
        let mask = ring.len() - 1;
        // One descriptor stays free, as head and tail being equal means an empty ring (section 7.2.3.3).
        let free = self.oldest.wrapping_sub(self.next + 1) & mask;
        let first = self.next;
        let mut sent = 0;
        let mut next = first;
        let mut word = 0;
        while sent < free {
            let Some(packet) = batch.first_mut() else { break };
            if !self.pool.owns(packet) && !Self::accept(&mut self.pool, self.domain, packet) {
                self.unreachable += 1;
                break;
            }
            if packet.len() < SHORTEST {
                pad(packet);
            }
            let Some(packet) = batch.pop_front() else { break };
            let len = packet.len() as u16;
            let [address, command] = transmit::data(packet.iova().0, len, len.into(), WHOLE);
            let descriptor = &ring[next & mask];
            descriptor[0].store(address.to_le(), Ordering::Relaxed);
            descriptor[1].store(command.to_le(), Ordering::Relaxed);
            word = command;
            packets[next & mask] = Some(packet);
            next = (next + 1) & mask;
            sent += 1;
        }
        if sent > 0 {
            let last = next.wrapping_sub(1) & mask;
            ring[last][1].store((word | Command::RS.bits()).to_le(), Ordering::Relaxed);
            last_of_batch[first & mask] = last as u16;
            self.next = next;
            // SAFETY: ARMED-ONLY: the descriptors from the old tail to the new one name packets that stand in the
            // ring, in memory that the card's domain reaches. The bus orders this write after those above.
            unsafe { self.regs.tdt().set_dma(next as u32) };
        }
        sent
    }

    fn pending(&mut self) -> usize {
        self.clean();
        let len = self.ring.as_ref().map_or(1, |ring| ring.packets.len());
        self.next.wrapping_sub(self.oldest) & (len - 1)
    }

    fn unreachable(&self) -> u64 {
        self.unreachable
    }
}

impl<B: Bus> Drop for IxgbeTxQueue<B> {
    /// Section 4.6.8.1: disables the queue. Its memory goes to the card, which frees it once it has stopped.
    fn drop(&mut self) {
        // SAFETY: ARMED-ONLY: a queue that is disabled reaches less.
        unsafe { self.regs.txdctl().modify_dma(TXDCTL::ENABLE::CLEAR) };
        let wait = Wait { register: "TXDCTL", wanted: "ENABLE clear", section: "4.6.8.1", limit: ENABLE };
        let txdctl = || self.regs.txdctl().get();
        if let Err(error) = self.card.wait(&wait, txdctl, |txdctl| !TXDCTL::ENABLE.is_set(txdctl)) {
            tracing::warn!(%error, "a transmit queue did not stop");
        }
        if let Some(Ring { descriptors, packets, .. }) = self.ring.take() {
            self.card.keep(Box::new((descriptors, packets)));
        }
    }
}
