//! Sending: one descriptor ring and the packets in it (sections 7.2.3 and 7.2.3.2.4).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ixy_core::{Batch, InFlight, Mempool, Packet, TxQueue};
use ixy_dma::{DmaSlice, DomainId};
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe;
use ixy_regs::ixgbe::descriptors::transmit::{self, Command};
use ixy_regs::ixgbe::fields::TXDCTL;

use crate::card::{Card, Wait};
use crate::error::Error;

/// Longest time until TXDCTL.ENABLE follows a write (section 4.6.8).
const ENABLE: Duration = Duration::from_millis(50);
/// The shortest frame that the card takes; it pads to 60 bytes itself (section 7.2.1.1).
const SHORTEST: usize = 17;

/// The command for a frame in one descriptor; the card adds the frame check sequence.
const WHOLE: Command = Command::EOP.union(Command::IFCS);

/// A transmit queue of the card.
///
/// ```
/// # use std::sync::Arc;
/// # use ixy_core::{Batch, Device, Mempool, RxQueue, TxQueue};
/// # use ixy_dma::{DmaDomain, SimulatedDomain};
/// # use ixy_ixgbe::Config;
/// # use ixy_sim::{Nic82599, SimBus, SimBusMaster, wire};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let memory = Arc::new(SimulatedDomain::default());
/// # let port = "flood".parse::<wire::WireSpec>()?.connect(&wire::Cables::default())?;
/// # let nic = Arc::new(Nic82599::builder(port, memory.clone()).build());
/// # let domain: Arc<dyn DmaDomain> = memory;
/// # let (bus, master) = (SimBus::stepping(nic.clone()), Arc::new(SimBusMaster::new(nic.clone())));
/// # let config = Config::default();
/// # let pool = Mempool::new(domain.clone(), config.buffers())?;
/// # // SAFETY: bus, domain and bus master are those of this one card, which nobody else drives.
/// # let mut card = unsafe { config.open("example", bus, &domain, master, &pool) }?;
/// let mut tx = card.take_tx_queue(0).ok_or("the card has no queue")?;
/// let mut batch = Batch::new(32);
/// batch.push(pool.packet_from(&[0xff; 60]).ok_or("no buffer is free")?).map_err(|_| "the batch is full")?;
/// assert_eq!(tx.send(&mut batch), 1);
/// nic.poll(); // the card sends: a real one does it by itself
/// assert_eq!(tx.pending(), 0);
/// assert_eq!(card.stats()?.tx_packets, 1);
/// # Ok(())
/// # }
/// ```
pub struct IxgbeTxQueue<B: Bus> {
    regs: ixgbe::TxQueue<B>,
    /// `None` only while it is being dropped.
    ring: Option<Ring>,
    /// Whether the application takes sent packets back with `reclaim`.
    reclaims: bool,
    card: Arc<Card<B>>,
}

/// The memory that the card reaches while the queue is enabled: descriptors, and the packets that they name.
struct Ring {
    descriptors: DmaSlice,
    packets: InFlight,
    /// The length of each batch, at the index of its first descriptor. Only the last descriptor of a batch
    /// reports (RS).
    batches: Box<[u16]>,
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
        let packets = InFlight::new(pool, domain, len);
        let packets = packets.ok_or(Error::RingSize { kind: "transmit", found: len as u16 })?;
        let ring = Ring { descriptors, packets, batches: vec![0; len].into_boxed_slice() };
        let queue = Self { regs, ring: Some(ring), reclaims: false, card: Arc::clone(card) };
        let regs = &queue.regs;
        // Prefetch when the card holds fewer than 36 descriptors and 8 wait: one queue needs this for line
        // rate. Write each descriptor that reports back at once, because WTHRESH above 0 is for other modes
        // (section 7.2.3.4.1).
        // SAFETY: ARMED-ONLY: the ring is memory of this queue, its length is that of the memory, and head
        // and tail are equal, so the card fetches nothing yet.
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
}

impl Ring {
    /// The number of packets in the oldest batch, if the card has reported it done.
    #[inline(always)]
    fn done(&self) -> Option<usize> {
        if self.packets.is_empty() {
            return None;
        }
        let ring = self.descriptors.words().as_chunks::<2>().0;
        let mask = ring.len() - 1;
        let first = self.packets.oldest() & mask;
        let batch = usize::from(self.batches[first]);
        let last = (first + batch).wrapping_sub(1) & mask;
        // The acquire load orders every later use of the packets after the card's last access to them.
        transmit::is_done(u64::from_le(ring[last][1].load(Ordering::Acquire))).then_some(batch)
    }

    /// Frees the packets of batches that the card has reported done.
    #[inline(always)]
    fn clean(&mut self) {
        while let Some(batch) = self.done() {
            // SAFETY: OWNED-BUFFER: the card has reported the last of them done, and so all.
            unsafe { self.packets.free(batch) };
        }
    }
}

/// Pads a frame that is too short for the card with zeros to 60 bytes, the minimum of Ethernet.
#[cold]
#[inline(never)]
fn pad(packet: &mut Packet) {
    let len = packet.len();
    if packet.set_len(60) {
        packet[len..].fill(0);
    }
}

impl<B: Bus> TxQueue for IxgbeTxQueue<B> {
    fn send(&mut self, batch: &mut Batch) -> usize {
        let Some(ring) = &mut self.ring else { return 0 };
        // For an application that reclaims, sent packets stay in the ring while it has room.
        if !self.reclaims || ring.packets.room() < batch.len() {
            ring.clean();
        }
        let Ring { descriptors, packets, batches } = ring;
        let ring = descriptors.words().as_chunks::<2>().0;
        let mask = ring.len() - 1;
        let first = packets.next() & mask;
        let sent = packets.take_from(ring, batch, |descriptor, address, packet| {
            if packet.len() < SHORTEST {
                pad(packet);
            }
            let len = packet.len() as u16;
            let words = transmit::data(address.0, len, len.into(), WHOLE);
            descriptor[0].store(words[0].to_le(), Ordering::Relaxed);
            descriptor[1].store(words[1].to_le(), Ordering::Relaxed);
        });
        if sent > 0 {
            let next = (first + sent) & mask;
            // Only the last descriptor of a batch has RS set; when it is done, so are all before it (section
            // 7.2.3.5).
            let last = &ring[next.wrapping_sub(1) & mask][1];
            last.store(last.load(Ordering::Relaxed) | Command::RS.bits().to_le(), Ordering::Relaxed);
            batches[first] = sent as u16;
            // SAFETY: ARMED-ONLY: the descriptors from the old tail to the new one name packets that are in
            // the ring, in memory that the card's domain reaches. The bus orders this write after those
            // above.
            unsafe { self.regs.tdt().set_dma(next as u32) };
        }
        sent
    }

    fn reclaim(&mut self, batch: &mut Batch, count: usize) -> usize {
        self.reclaims = true;
        let Some(ring) = &mut self.ring else { return 0 };
        let count = count.min(batch.room());
        let mut reclaimed = 0;
        while reclaimed < count {
            let Some(done) = ring.done() else { break };
            // SAFETY: OWNED-BUFFER: the card has reported the last of them done, and so all.
            let taken = unsafe { ring.packets.give_back(done.min(count - reclaimed), batch) };
            reclaimed += taken;
            if taken < done {
                // The rest becomes a batch of its own, with the same last descriptor.
                let oldest = ring.packets.oldest();
                ring.batches[oldest] = (done - taken) as u16;
            }
        }
        reclaimed
    }

    fn pending(&mut self) -> usize {
        let Some(ring) = &mut self.ring else { return 0 };
        ring.clean();
        ring.packets.len()
    }

    fn unreachable(&self) -> u64 {
        self.ring.as_ref().map_or(0, |ring| ring.packets.unreachable())
    }
}

impl<B: Bus> Drop for IxgbeTxQueue<B> {
    /// Section 4.6.8.1: disables the queue. `Card` takes over its memory and frees it once the device has
    /// stopped.
    fn drop(&mut self) {
        // Hand the memory over first, so that no failure below frees it.
        if let Some(Ring { descriptors, packets, .. }) = self.ring.take() {
            self.card.keep(Box::new((descriptors, packets)));
        }
        // SAFETY: ARMED-ONLY: a queue that is disabled reaches less.
        unsafe { self.regs.txdctl().modify_dma(TXDCTL::ENABLE::CLEAR) };
        let wait = Wait { register: "TXDCTL", wanted: "ENABLE clear", section: "4.6.8.1", limit: ENABLE };
        let txdctl = || self.regs.txdctl().get();
        let stopped = self.card.wait(&wait, txdctl, |txdctl| !TXDCTL::ENABLE.is_set(txdctl));
        // A lost card is reported elsewhere, so only a time-out is worth a warning here.
        if let Err(error @ Error::Timeout { .. }) = stopped {
            tracing::warn!(%error, "a transmit queue did not stop");
        }
    }
}
