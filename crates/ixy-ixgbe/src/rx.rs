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

/// Longest time until a queue says that it is enabled or disabled (section 4.6.7.1).
const ENABLE: Duration = Duration::from_millis(50);

/// What the second word of a descriptor with a whole frame says, among the bits that tell: done, end of packet, no
/// error, and a length below that of a buffer (section 7.1.6.2). All in one compare.
const GOOD: u64 = Status::DD.union(Status::EOP).bits() as u64;
const TELLING: u64 = GOOD | Status::RXE.bits() as u64 | write_back::LENGTH.place(!(DATA_SIZE as u64 - 1));
const _: () = assert!(DATA_SIZE.is_power_of_two());

/// A receive queue of the card.
pub struct IxgbeRxQueue<B: Bus> {
    regs: ixgbe::RxQueue<B>,
    /// `None` only while it is being dropped.
    ring: Option<Ring>,
    /// The descriptor that the card completes next. Always less than the ring's length.
    next: usize,
    /// In the middle of a frame of several descriptors, which is dropped whole.
    in_long_frame: bool,
    /// The last look left a frame where it is, as the pool had no fresh buffer.
    starved: bool,
    interrupt: Option<QueueInterrupt<B>>,
    card: Arc<Card<B>>,
}

/// What the card reaches while the queue is enabled: descriptors, and the buffers that they name.
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

    /// If the next descriptor, whose second word is `word`, is done and holds no good frame: gives it back with the
    /// buffer that it had, and says so.
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
        // A frame counts once, when its last descriptor is here.
        self.in_long_frame = !status.contains(Status::EOP);
        if !self.in_long_frame {
            self.card.dropped.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    /// Takes the frames that are there until the batch is full or one comes that is not good. Returns how many, and whether
    /// the one behind them was dropped.
    #[inline(always)]
    fn take(&mut self, batch: &mut Batch) -> (usize, bool) {
        let Some(Ring { descriptors, buffers }) = &mut self.ring else { return (0, false) };
        let ring = descriptors.words().as_chunks::<2>().0;
        let mask = ring.len() - 1;
        let first = self.next;
        // How many frames are there that are whole, without an error and shorter than their buffer. From the first descriptor
        // to the end of the ring, and on from its start.
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
        // Without a fresh buffer a frame stays where it is, and what is behind it waits.
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

    /// After a pass that gave nothing but a bad frame: looks behind it and those like it, since nothing interrupts for what is
    /// there already, and whoever is told of none sleeps. As many descriptors are looked at as the ring has.
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

/// What a buffer is told to the card as, in KB (section 8.2.3.8.7): rounded down, so that it never writes past the end.
const BUFFER_KB: u32 = DATA_SIZE as u32 / 1024;

/// How many descriptors from the first on have a good frame.
#[inline(always)]
fn good(descriptors: &[[AtomicU64; 2]]) -> usize {
    descriptors.iter().take_while(|descriptor| second_word(descriptor) & TELLING == GOOD).count()
}

/// The word of a descriptor that says whether it is done. The acquire load orders the frame's bytes after it.
#[inline(always)]
fn second_word(descriptor: &[AtomicU64; 2]) -> u64 {
    u64::from_le(descriptor[1].load(Ordering::Acquire))
}

/// Writes a descriptor in its read format: packet address, and a header address that is not used (section 7.1.6.1).
#[inline(always)]
fn arm(descriptor: &[AtomicU64; 2], buffer: Iova) {
    let [address, status] = receive::read(buffer.0);
    descriptor[0].store(address.to_le(), Ordering::Relaxed);
    // The word that the card writes DD into goes last.
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
    /// Section 4.6.7.1.2: disables the queue. Its memory goes to the card, which frees it once it has stopped.
    fn drop(&mut self) {
        // First of all, so that nothing that fails below frees it.
        if let Some(Ring { descriptors, buffers }) = self.ring.take() {
            self.card.keep(Box::new((descriptors, buffers)));
        }
        // SAFETY: ARMED-ONLY: a queue that is disabled reaches less.
        unsafe { self.regs.rxdctl().modify_dma(RXDCTL::ENABLE::CLEAR) };
        let wait = Wait { register: "RXDCTL", wanted: "ENABLE clear", section: "4.6.7.1.2", limit: ENABLE };
        let rxdctl = || self.regs.rxdctl().get();
        let stopped = self.card.wait(&wait, rxdctl, |rxdctl| !RXDCTL::ENABLE.is_set(rxdctl));
        // Whose card is gone hears of that otherwise.
        if let Err(error @ Error::Timeout { .. }) = stopped {
            tracing::warn!(%error, "a receive queue did not stop");
        }
    }
}
