//! Receiving: one descriptor ring and the buffers in it (sections 7.1.6 and 7.1.9).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ixy_core::{Batch, DATA_SIZE, Interrupt, Mempool, Posted, RxQueue};
use ixy_dma::{DmaSlice, Iova};
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe;
use ixy_regs::ixgbe::descriptors::receive::{self, Status, write_back};
use ixy_regs::ixgbe::fields::{DCA_RXCTRL, RXDCTL, SRRCTL};

use crate::card::{Card, Wait};
use crate::error::Error;
use crate::interrupts::QueueInterrupt;

/// Longest time until RXDCTL.ENABLE follows a write (section 4.6.7.1).
const ENABLE: Duration = Duration::from_millis(50);

/// A descriptor holds a complete frame without an error that fits its buffer exactly if
/// `word & TELLING == GOOD`, where `word` is its second word: done, end of packet, no error bits, and a
/// length below [`DATA_SIZE`] (section 7.1.6.2).
const GOOD: u64 = Status::DD.union(Status::EOP).bits() as u64;
const TELLING: u64 = GOOD | Status::RXE.bits() as u64 | write_back::LENGTH.place(!(DATA_SIZE as u64 - 1));
const _: () = assert!(DATA_SIZE.is_power_of_two());

/// A receive queue of the card.
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
/// // A software card that is flooded with frames.
/// let mut rx = card.take_rx_queue(0).ok_or("the card has no queue")?;
/// let mut batch = Batch::new(32);
/// nic.poll(); // the card receives: a real one does it by itself
/// assert_eq!(rx.receive(&mut batch), 32);
/// assert!(batch.iter().all(|packet| packet.len() == 60));
/// # Ok(())
/// # }
/// ```
pub struct IxgbeRxQueue<B: Bus> {
    regs: ixgbe::RxQueue<B>,
    /// `None` only while it is being dropped.
    ring: Option<Ring>,
    /// The descriptor that the card completes next. Always less than the ring's length.
    next: usize,
    /// Whether the next descriptor continues a frame of several descriptors, which is dropped whole.
    in_long_frame: bool,
    /// Whether the last pass left a frame in the ring, because the pool had no fresh buffer.
    starved: bool,
    interrupt: Option<QueueInterrupt<B>>,
    card: Arc<Card<B>>,
}

/// The memory that the card reaches while the queue is enabled: descriptors, and the buffers that they name.
struct Ring {
    descriptors: DmaSlice,
    buffers: Posted,
}

impl<B: Bus> IxgbeRxQueue<B> {
    /// Section 4.6.7: sets up queue `n` with the ring in `descriptors` and buffers of `pool`, and enables it.
    pub(crate) fn start(
        card: &Arc<Card<B>>,
        n: u16,
        descriptors: DmaSlice,
        pool: &Mempool,
        interrupt: Option<QueueInterrupt<B>>,
    ) -> Result<Self, Error> {
        let too_small = |needed| {
            let (device, free) = (card.name.clone(), pool.free());
            Error::PoolTooSmall { device, needed, free }
        };
        let Some(regs) = ixgbe::RxQueue::new(card.regs.bus().clone(), n.into()) else {
            return Err(Error::Queues { found: n });
        };
        let ring = descriptors.words().as_chunks::<2>().0;
        let buffers = Posted::new(pool, ring.len()).ok_or_else(|| too_small(ring.len()))?;
        for (i, descriptor) in ring.iter().enumerate() {
            arm(descriptor, buffers.iova(i));
        }
        let (iova, bytes) = (descriptors.iova().0, descriptors.len() as u32);
        let last = ring.len() as u32 - 1;
        let queue = Self {
            regs,
            ring: Some(Ring { descriptors, buffers }),
            next: 0,
            in_long_frame: false,
            starved: false,
            interrupt,
            card: Arc::clone(card),
        };
        let regs = &queue.regs;
        // Use advanced descriptors with one buffer (type 1) of `BUFFER_KB`. Drop frames that find no
        // descriptor, so that this queue does not stop the others (section 8.2.3.8.7).
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
        // SAFETY: ARMED-ONLY: all descriptors were armed above. One stays back, as head and tail being equal
        // means an empty ring (section 7.1.9).
        unsafe { regs.rdt().set_dma(last) };
        Ok(queue)
    }

    /// Drops a bad frame: if the next descriptor, whose second word is `word`, is done and holds no good
    /// frame, posts the same buffer again and returns `true`.
    #[cold]
    #[inline(never)]
    fn drop_bad(&mut self, word: u64) -> bool {
        let (status, len) = (Status::from_word(word), write_back::LENGTH.of(word));
        let good = word & TELLING == GOOD && !self.in_long_frame;
        if good || !status.contains(Status::DD) {
            return false;
        }
        let Some(Ring { descriptors, buffers }) = &self.ring else { return false };
        let ring = descriptors.words().as_chunks::<2>().0;
        let mask = ring.len() - 1;
        arm(&ring[self.next & mask], buffers.iova(self.next));
        self.next = (self.next + 1) & mask;
        self.card.dropped_bytes.fetch_add(len, Ordering::Relaxed);
        // A frame counts once, at its last descriptor.
        self.in_long_frame = !status.contains(Status::EOP);
        if !self.in_long_frame {
            self.card.dropped.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    /// Collects received frames until the batch is full or a bad one follows. Returns their number, and whether
    /// the frame after them was dropped.
    #[inline(always)]
    fn take(&mut self, batch: &mut Batch) -> (usize, bool) {
        let Some(Ring { descriptors, buffers }) = &mut self.ring else { return (0, false) };
        let ring = descriptors.words().as_chunks::<2>().0;
        let mask = ring.len() - 1;
        let first = self.next;
        // Count the good frames from the next descriptor to the end of the ring, and on from its start.
        let room = if self.in_long_frame { 0 } else { batch.room().min(mask) };
        let (start, end) = ring.split_at(first);
        let mut ready = good(&end[..room.min(end.len())]);
        if ready == end.len() {
            ready += good(&start[..(room - ready).min(start.len())]);
        }
        let take = |descriptor: &_, fresh| {
            let len = write_back::LENGTH.of(second_word(descriptor)) as u16;
            arm(descriptor, fresh);
            len
        };
        // SAFETY: OWNED-BUFFER: the card has reported these descriptors done.
        let received = unsafe { buffers.exchange(ring, first, ready, batch, take) };
        self.next = (first + received) & mask;
        // Without a fresh buffer a frame stays in the ring, and those behind it wait.
        self.starved = received < ready;
        let dropped = received == ready && batch.room() > 0 && {
            let word = second_word(&ring[self.next & mask]);
            self.drop_bad(word)
        };
        if received > 0 || dropped {
            let tail = self.next.wrapping_sub(1) & mask;
            // SAFETY: ARMED-ONLY: all descriptors up to the one before `next` were armed, here or at start.
            unsafe { self.regs.rdt().set_dma(tail as u32) };
        }
        (received, dropped)
    }

    /// Continues after a bad frame that was the first of the pass. Frames after it raise no new interrupt, so a
    /// thread that sleeps after an empty pass would miss them. It looks at no more descriptors than the ring has.
    #[cold]
    #[inline(never)]
    fn look_behind(&mut self, batch: &mut Batch) -> usize {
        let len = self.ring.as_ref().map_or(0, |ring| ring.buffers.len());
        for _ in 1..len {
            let (received, dropped) = self.take(batch);
            if received > 0 || !dropped {
                return received;
            }
        }
        0
    }
}

/// SRRCTL.BSIZEPACKET, the size of a buffer in KB (section 8.2.3.8.7): rounded down, so that the card never
/// writes past its end.
const BUFFER_KB: u32 = DATA_SIZE as u32 / 1024;

/// The number of descriptors from the first on that hold a good frame.
#[inline(always)]
fn good(descriptors: &[[AtomicU64; 2]]) -> usize {
    descriptors.iter().take_while(|descriptor| second_word(descriptor) & TELLING == GOOD).count()
}

/// The word of a descriptor that holds DD. The acquire load orders reads of the frame after it.
#[inline(always)]
fn second_word(descriptor: &[AtomicU64; 2]) -> u64 {
    u64::from_le(descriptor[1].load(Ordering::Acquire))
}

/// Writes a descriptor in its read format: packet address, and a header address that is not used (section
/// 7.1.6.1).
#[inline(always)]
fn arm(descriptor: &[AtomicU64; 2], buffer: Iova) {
    let [address, status] = receive::read(buffer.0);
    descriptor[0].store(address.to_le(), Ordering::Relaxed);
    // Write the word that holds DD last.
    descriptor[1].store(status.to_le(), Ordering::Release);
}

impl<B: Bus> RxQueue for IxgbeRxQueue<B> {
    fn receive(&mut self, batch: &mut Batch) -> usize {
        match self.take(batch) {
            (0, true) => self.look_behind(batch),
            (received, _) => received,
        }
    }

    fn is_starved(&self) -> bool {
        self.starved
    }

    fn interrupt(&mut self) -> Option<&mut dyn Interrupt> {
        self.interrupt.as_mut().map(|interrupt| interrupt as _)
    }
}

impl<B: Bus> Drop for IxgbeRxQueue<B> {
    /// Section 4.6.7.1.2: disables the queue. `Card` takes over its memory and frees it once the device has
    /// stopped.
    fn drop(&mut self) {
        // Hand the memory over first, so that no failure below frees it.
        if let Some(Ring { descriptors, buffers }) = self.ring.take() {
            self.card.keep(Box::new((descriptors, buffers)));
        }
        // SAFETY: ARMED-ONLY: a queue that is disabled reaches less.
        unsafe { self.regs.rxdctl().modify_dma(RXDCTL::ENABLE::CLEAR) };
        let wait = Wait { register: "RXDCTL", wanted: "ENABLE clear", section: "4.6.7.1.2", limit: ENABLE };
        let rxdctl = || self.regs.rxdctl().get();
        let stopped = self.card.wait(&wait, rxdctl, |rxdctl| !RXDCTL::ENABLE.is_set(rxdctl));
        // A lost card is reported elsewhere, so only a time-out is worth a warning here.
        if let Err(error @ Error::Timeout { .. }) = stopped {
            tracing::warn!(%error, "a receive queue did not stop");
        }
    }
}
