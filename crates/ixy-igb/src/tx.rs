//! Sending: one descriptor ring and the packets in it (sections 7.2.2 and 8.12).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ixy_core::{Batch, DATA_SIZE, InFlight, Mempool, Packet, TxQueue};
use ixy_dma::{DmaSlice, DomainId};
use ixy_regs::bus::Bus;
use ixy_regs::igb;
use ixy_regs::igb::descriptors::transmit::{self, Command};
use ixy_regs::igb::fields::TXDCTL;

use crate::card::{Card, Wait};
use crate::error::Error;

/// Longest time until TXDCTL.ENABLE follows a write (section 8.12.13).
const ENABLE: Duration = Duration::from_millis(50);
/// The shortest frame that the card takes; it pads to 60 bytes itself (TCTL.PSP).
const SHORTEST: usize = 17;

/// The command for a frame in one descriptor; the card adds the frame check sequence.
const WHOLE: Command = Command::EOP.union(Command::IFCS);

/// The page size: a buffer may cross one page boundary.
///
/// DEPARTURE: the card takes a buffer wherever it lies, yet a buffer that crosses a boundary is sent in two
/// descriptors. Behind an IOMMU, two pages next to each other for the card may lie anywhere in memory, and
/// models of the card lose such a frame (QEMU's does, without counting it). PCIe requests never cross a 4 KiB
/// boundary anyway, so the split costs the card one more descriptor and nothing else.
const PAGE: usize = 4096;
/// Descriptors for each packet: one for each page that its buffer may lie in.
pub(crate) const PIECES: usize = 2;
const _: () = assert!((DATA_SIZE as usize) < PAGE);

/// A transmit queue of the card.
pub struct IgbTxQueue<B: Bus> {
    regs: igb::TxQueue<B>,
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
    /// The batches, each at the index of its first packet.
    batches: Box<[Batched]>,
    /// The descriptor that the next packet gets. Always less than the ring's length.
    next: usize,
}

/// A batch: packets that one doorbell announced to the card.
#[derive(Debug, Clone, Copy, Default)]
struct Batched {
    packets: u16,
    /// The descriptor that reports (RS): the last one of the last packet.
    last: u16,
}

impl<B: Bus> IgbTxQueue<B> {
    /// Section 8.12: sets up queue `n` with the ring in `descriptors`, and enables it. The gate of
    /// transmission is open.
    pub(crate) fn start(
        card: &Arc<Card<B>>,
        n: u16,
        descriptors: DmaSlice,
        pool: &Mempool,
        domain: DomainId,
    ) -> Result<Self, Error> {
        let Some(regs) = igb::TxQueue::new(card.regs.bus().clone(), n.into()) else {
            return Err(Error::Queues { found: n });
        };
        let (iova, bytes) = (descriptors.iova().0, descriptors.len() as u32);
        let len = descriptors.words().len() / 2 / PIECES;
        let packets = InFlight::new(pool, domain, len);
        let packets = packets.ok_or(Error::RingSize { kind: "transmit", found: len as u16 })?;
        let ring = Ring { descriptors, packets, batches: vec![Batched::default(); len].into(), next: 0 };
        let queue = Self { regs, ring: Some(ring), reclaims: false, card: Arc::clone(card) };
        let regs = &queue.regs;
        // Prefetch descriptors as Intel's driver does. Write each that reports back at once.
        // SAFETY: ARMED-ONLY: the ring is memory of this queue, its length is that of the memory, and head
        // and tail are equal, so the card fetches nothing yet.
        unsafe {
            regs.txdctl().modify_dma(TXDCTL::ENABLE::CLEAR);
            regs.tdbal().set_dma(iova as u32);
            regs.tdbah().set_dma((iova >> 32) as u32);
            regs.tdlen().set_dma(bytes);
            regs.tdh().set_dma(0);
            regs.tdt().set_dma(0);
            // The card writes DD into descriptors; head write-back is off.
            regs.tdwbal().set_dma(0);
            regs.tdwbah().set_dma(0);
            regs.txdctl().write_dma(
                TXDCTL::PTHRESH.val(8)
                    + TXDCTL::HTHRESH.val(1)
                    + TXDCTL::WTHRESH.val(0)
                    + TXDCTL::ENABLE::SET,
            );
        }
        let wait =
            Wait { register: "TXDCTL", wanted: "ENABLE set", section: "section 8.12.13", limit: ENABLE };
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
        let Batched { packets, last } = self.batches[self.packets.oldest()];
        let last = &ring[usize::from(last) & (ring.len() - 1)];
        // The acquire load orders every later use of the packets after the card's last access to them.
        transmit::is_done(u64::from_le(last[1].load(Ordering::Acquire))).then_some(packets.into())
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

/// Writes a descriptor for `len` bytes of a frame of `all`.
#[inline(always)]
fn write(descriptor: &[AtomicU64; 2], address: u64, len: usize, all: usize, command: Command) {
    let words = transmit::data(address, len as u16, all as u32, command);
    descriptor[0].store(words[0].to_le(), Ordering::Relaxed);
    descriptor[1].store(words[1].to_le(), Ordering::Relaxed);
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

impl<B: Bus> TxQueue for IgbTxQueue<B> {
    fn send(&mut self, batch: &mut Batch) -> usize {
        let Some(ring) = &mut self.ring else { return 0 };
        // For an application that reclaims, sent packets stay in the ring while it has room.
        if !self.reclaims || ring.packets.room() < batch.len() {
            ring.clean();
        }
        let Ring { descriptors, packets, batches, next } = ring;
        let ring = descriptors.words().as_chunks::<2>().0;
        let mask = ring.len() - 1;
        let first = packets.next();
        let sent = packets.take_from(batches, batch, |_, address, packet| {
            if packet.len() < SHORTEST {
                pad(packet);
            }
            let len = packet.len();
            let mut address = address.0;
            let mut left = len;
            let before = PAGE - (address as usize & (PAGE - 1));
            if before < len {
                // The part behind the boundary goes into the next descriptor.
                write(&ring[*next & mask], address, before, len, Command::IFCS);
                *next += 1;
                address += before as u64;
                left = len - before;
            }
            write(&ring[*next & mask], address, left, len, WHOLE);
            *next += 1;
        });
        if sent > 0 {
            // Only the last descriptor of a batch has RS set; when it is done, so are all before it.
            let last = next.wrapping_sub(1) & mask;
            let command = &ring[last][1];
            command.store(command.load(Ordering::Relaxed) | Command::RS.bits().to_le(), Ordering::Relaxed);
            batches[first] = Batched { packets: sent as u16, last: last as u16 };
            *next &= mask;
            // SAFETY: ARMED-ONLY: the descriptors from the old tail to the new one name packets that are in
            // the ring, in memory that the card's domain reaches. The bus orders this write after those
            // above.
            unsafe { self.regs.tdt().set_dma(*next as u32) };
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
            let Batched { last, .. } = ring.batches[ring.packets.oldest()];
            // SAFETY: OWNED-BUFFER: the card has reported the last of them done, and so all.
            let taken = unsafe { ring.packets.give_back(done.min(count - reclaimed), batch) };
            reclaimed += taken;
            if taken < done {
                // The rest becomes a batch of its own, with the same last descriptor.
                let oldest = ring.packets.oldest();
                ring.batches[oldest] = Batched { packets: (done - taken) as u16, last };
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

impl<B: Bus> Drop for IgbTxQueue<B> {
    /// Disables the queue. `Card` takes over its memory and frees it once the device has stopped.
    fn drop(&mut self) {
        // Hand the memory over first, so that no failure below frees it.
        if let Some(Ring { descriptors, packets, .. }) = self.ring.take() {
            self.card.keep(Box::new((descriptors, packets)));
        }
        // SAFETY: ARMED-ONLY: a queue that is disabled reaches less.
        unsafe { self.regs.txdctl().modify_dma(TXDCTL::ENABLE::CLEAR) };
        let wait =
            Wait { register: "TXDCTL", wanted: "ENABLE clear", section: "section 8.12.13", limit: ENABLE };
        let txdctl = || self.regs.txdctl().get();
        if let Err(error) = self.card.wait(&wait, txdctl, |txdctl| !TXDCTL::ENABLE.is_set(txdctl)) {
            tracing::warn!(%error, "a transmit queue did not stop");
        }
    }
}
