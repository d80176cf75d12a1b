//! The transmit path: from descriptors onto the wire (sections 7.2 and 8.2.3.9).

mod command;
mod report;

use ixy_dma::Iova;
use ixy_regs::ixgbe::QUEUES;
use ixy_regs::ixgbe::descriptors::transmit::{
    DTYP_CONTEXT, DTYP_DATA, LONGEST, context_read, data_read, legacy,
};
use ixy_regs::ixgbe::fields::{DMATXCTL, TXDCTL};

use super::behaviour::Behaviour;
use super::names::{self, mask, tx};
use super::pools::{self, PortVlan};
use super::segmentation::{Segmentation, Start};
use super::statistics::{Counts, set_of};
use super::{Hardware, time};
use crate::dma::{DmaView, Words};
pub(crate) use command::Command;
use report::Report;

/// Frames sent from one queue in one poll.
const BURST: usize = 64;
/// Longest frame that the device sends, and most descriptors that one may take (section 7.2.3.3).
pub(crate) const LONGEST_FRAME: usize = LONGEST as usize;
pub(crate) const MOST_DESCRIPTORS: usize = 40;

/// The values of a context descriptor.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// State of a transmit queue beside its registers.
#[derive(Debug, Clone, Default)]
struct Queue {
    contexts: [Context; 2],
    /// The frame at the head, with some segments sent and others not.
    segmentation: Option<Box<Segmentation>>,
    /// Descriptors done since the last write-back, while WTHRESH holds them back.
    held: u32,
    /// The first of the descriptors that are held back.
    held_from: u32,
    /// The queue was idle in the last poll.
    idle: bool,
}

/// The sink of frames: the wire, or the receiver in MAC loopback.
pub(crate) trait Sink {
    /// Sends a frame of queue `queue`.
    fn send(&mut self, queue: u32, frame: &[u8]) -> Sent;
}

/// The result of sending a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on the wire.
    Out,
    /// It stays inside the device, for other queues only.
    Inside,
    /// Its queue may not send it, so it is dropped.
    Nowhere,
    /// There is no room for it now.
    NoRoom,
}

/// The transmit side of the device.
pub(crate) struct Transmitter {
    /// Queues that are enabled.
    pub(crate) enabled: u128,
    queues: Box<[Queue]>,
    /// Queues with write-backs that must not be held back any longer (TXDCTL.SWFLSH).
    flushing: u128,
    frame: Vec<u8>,
    /// The queue that is served first in the next poll.
    next: u32,
    /// Queues with write-backs since causes were last raised.
    pub(crate) touched: u128,
    /// Invalid descriptors since the device was made.
    pub(crate) bad: u64,
    /// The tag rule for the current queue.
    port_vlan: PortVlan,
}

/// A transmit ring during a poll.
pub(crate) struct Ring<'v, V> {
    words: Words<'v, V>,
    count: u32,
    pub(crate) tail: u32,
}

impl<V: DmaView> Ring<'_, V> {
    #[inline(always)]
    pub(crate) fn after(&self, at: u32) -> u32 {
        if at + 1 == self.count { 0 } else { at + 1 }
    }

    #[inline(always)]
    pub(crate) fn descriptor(&self, at: u32) -> Option<(u64, u64)> {
        Some((self.words.load(at * 2)?, self.words.load(at * 2 + 1)?))
    }
}

/// The ring of a queue as its registers describe it; `None` when head or tail lie outside.
#[inline(always)]
fn open<'v, V: DmaView>(
    hw: &Hardware,
    view: &'v V,
    queue: u32,
    (head, tail): (u32, u32),
) -> Option<Ring<'v, V>> {
    let regs = &hw.regs;
    let count = regs.load(tx(names::TDLEN, queue)) / 16;
    if head >= count || tail >= count {
        return None;
    }
    let base =
        u64::from(regs.load(tx(names::TDBAL, queue))) | u64::from(regs.load(tx(names::TDBAH, queue))) << 32;
    Some(Ring { words: Words::new(view, base, count as usize * 2), count, tail })
}

/// The descriptors of a frame, from the ring's head on.
enum Gathered {
    /// A frame is in the buffer; the head moves to this index.
    Frame { end: u32, command: Command },
    /// A frame to be cut into segments; the queue holds it.
    Segments,
    /// A context, which took one descriptor.
    Context,
    /// Software has not announced the end of the frame yet.
    Incomplete,
    /// The frame is invalid; the head moves to this index.
    Bad { end: u32 },
}

/// The progress of a segmented frame.
enum Progress {
    /// All segments were sent; the head moves to this index.
    Done { end: u32 },
    /// The wire has no room, or this poll has sent enough.
    Later,
    /// The rest is invalid; the head moves to this index.
    Bad { end: u32 },
}

impl Transmitter {
    pub(crate) fn new() -> Self {
        Self {
            enabled: 0,
            queues: vec![Queue::default(); QUEUES as usize].into(),
            flushing: 0,
            frame: Vec::with_capacity(LONGEST_FRAME + 64),
            next: 0,
            touched: 0,
            bad: 0,
            port_vlan: PortVlan::Descriptor,
        }
    }

    /// Clears all queues, as a reset does.
    pub(crate) fn reset(&mut self) {
        self.enabled = 0;
        self.flushing = 0;
        self.queues.fill(Queue::default());
        self.touched = 0;
    }

    /// A queue was enabled or disabled, or its write-backs were flushed (TXDCTL, section 8.2.3.9.10).
    pub(crate) fn control(&mut self, hw: &Hardware, queue: u32, control: u32) {
        let bit = 1_u128 << (queue & 127);
        if TXDCTL::SWFLSH.is_set(control) && Behaviour::TransmitFlush.on() {
            self.flushing |= bit;
            hw.regs.assign(tx(names::TXDCTL, queue & 127), mask(TXDCTL::SWFLSH), false);
        }
        if TXDCTL::ENABLE.is_set(control) || !Behaviour::TransmitQueueEnable.on() {
            if self.enabled & bit == 0
                && let Some(state) = self.queues.get_mut(queue as usize)
            {
                *state = Queue::default();
            }
            self.enabled |= bit;
        } else {
            self.enabled &= !bit;
        }
    }

    /// Whether the transmitter is switched on (section 4.6.8).
    pub(crate) fn is_on(hw: &Hardware) -> bool {
        DMATXCTL::TE.is_set(hw.regs.load(names::DMATXCTL)) || !Behaviour::TransmitEnable.on()
    }

    /// Whether any enabled queue has descriptors that were announced but not sent.
    pub(crate) fn is_pending(&self, hw: &Hardware) -> bool {
        let pending = |q| hw.regs.load(tx(names::TDH, q)) != hw.regs.load(tx(names::TDT, q));
        bits(self.enabled).any(pending)
    }

    /// Sends frames from all enabled queues in turn; returns the number of finished descriptors.
    pub(crate) fn poll<V: DmaView>(
        &mut self,
        hw: &Hardware,
        view: &V,
        sink: &mut dyn Sink,
        counts: &mut Counts,
    ) -> usize {
        let mut work = 0;
        if self.flushing != 0 {
            work += self.flush(hw, view);
        }
        let enabled = self.enabled & hw.dma_queues() & pools::may_send(&hw.regs);
        // First the queues from `next` on, then those before it.
        let first = enabled >> self.next << self.next;
        for queue in bits(first).chain(bits(enabled & !first)) {
            work += self.queue(hw, view.of_queue(queue), sink, counts, queue);
        }
        if Behaviour::QueuesTakeTurns.on() {
            self.next = (self.next + 1) % QUEUES;
        }
        work
    }

    fn queue<V: DmaView>(
        &mut self,
        hw: &Hardware,
        view: &V,
        sink: &mut dyn Sink,
        counts: &mut Counts,
        queue: u32,
    ) -> usize {
        let regs = &hw.regs;
        let (mut head, tail) = (regs.load(tx(names::TDH, queue)), regs.load(tx(names::TDT, queue)));
        let held = self.queues[queue as usize].held;
        if head == tail && held == 0 {
            return 0;
        }
        let Some(ring) = open(hw, view, queue, (head, tail)) else { return 0 };
        self.port_vlan = PortVlan::load(regs, queue);
        let mut report = Report::new(hw, queue);
        let set = set_of(regs.load(names::tqsm(queue / 4)), queue);
        let mut work = 0;
        let mut frames = 0;
        while head != ring.tail && frames < BURST {
            let end = match self.gather(view, &ring, queue, head) {
                Gathered::Incomplete => break,
                Gathered::Context => ring.after(head),
                Gathered::Bad { end } => {
                    self.bad += 1;
                    end
                }
                Gathered::Frame { end, command } => {
                    let bytes = self.frame.len();
                    if !command.finish(hw, &mut self.frame) {
                        self.bad += 1;
                    } else if !self.send(hw, sink, counts, (queue, set), bytes, &command) {
                        // No room on the wire: the descriptors stay as they are.
                        break;
                    }
                    end
                }
                Gathered::Segments => {
                    let before = frames;
                    let progress = self.segments(hw, view, &ring, sink, counts, (queue, set), &mut frames);
                    work += frames - before;
                    match progress {
                        Progress::Done { end } => end,
                        Progress::Later => break,
                        Progress::Bad { end } => {
                            self.bad += 1;
                            end
                        }
                    }
                }
            };
            while head != end {
                report.done(&ring, &mut self.queues[queue as usize], head);
                head = ring.after(head);
                work += 1;
            }
            frames += 1;
        }
        regs.store(tx(names::TDH, queue), head);
        let state = &mut self.queues[queue as usize];
        // Write-backs that WTHRESH holds back go out when nothing follows for a while (section 7.2.3.5).
        let idle = work == 0;
        if idle && state.idle && Behaviour::WriteBackIdle.on() {
            report.flush(&ring, state, head);
        }
        state.idle = idle;
        if report.finish(view, head) {
            self.touched |= 1 << queue;
        }
        work
    }

    /// Writes back the descriptors that queues hold back, also of disabled queues; returns their number.
    #[cold]
    fn flush<V: DmaView>(&mut self, hw: &Hardware, view: &V) -> usize {
        let queues = std::mem::take(&mut self.flushing) & hw.dma_queues();
        let mut work = 0;
        for queue in bits(queues) {
            if self.queues[queue as usize].held == 0 {
                continue;
            }
            let (head, tail) = (hw.regs.load(tx(names::TDH, queue)), hw.regs.load(tx(names::TDT, queue)));
            let Some(ring) = open(hw, view.of_queue(queue), queue, (head, tail)) else { continue };
            let mut report = Report::new(hw, queue);
            report.flush(&ring, &mut self.queues[queue as usize], head);
            if report.finish(view.of_queue(queue), head) {
                self.touched |= 1 << queue;
            }
            work += 1;
        }
        work
    }

    /// Collects the frame that starts at `head` into the buffer.
    fn gather<V: DmaView>(&mut self, view: &V, ring: &Ring<'_, V>, queue: u32, head: u32) -> Gathered {
        let Some((low, high)) = ring.descriptor(head) else { return Gathered::Bad { end: ring.after(head) } };
        let legacy = high & legacy::DEXT.mask() == 0 && Behaviour::TransmitLegacy.on();
        if !legacy && data_read::DTYP.of(high) == DTYP_CONTEXT {
            let index = context_read::IDX.of(high) as usize & last_context();
            if Behaviour::Contexts.on() {
                self.queues[queue as usize].contexts[index] = Context { low, high };
            }
            return Gathered::Context;
        }
        let context = self.queues[queue as usize].contexts[data_read::IDX.of(high) as usize & last_context()];
        let command = Command { legacy, first: high, context }.with_port_vlan(self.port_vlan);
        if !legacy && high & data_read::TSE.mask() != 0 {
            return self.start_segments(view, ring, queue, head, command);
        }
        self.frame.clear();
        let (mut at, mut low, mut part) = (head, low, high);
        let mut parts = 0;
        // An invalid frame is skipped up to its end, or to the tail if that comes first.
        let mut sense = true;
        loop {
            let len = data_read::DTALEN.of(part) as usize;
            sense &= (part & legacy::DEXT.mask() == 0) == legacy
                && (legacy || data_read::DTYP.of(part) == DTYP_DATA)
                && len > 0
                && fits(self.frame.len() + len, parts);
            if sense {
                let start = self.frame.len();
                self.frame.resize(start + len, 0);
                sense = view.read(Iova(low), &mut self.frame[start..]);
            }
            parts += 1;
            at = ring.after(at);
            if part & data_read::EOP.mask() != 0 {
                break;
            }
            if at == ring.tail {
                return if sense { Gathered::Incomplete } else { Gathered::Bad { end: at } };
            }
            match ring.descriptor(at) {
                Some((next_low, next)) => (low, part) = (next_low, next),
                None => return Gathered::Bad { end: ring.after(at) },
            }
        }
        if sense { Gathered::Frame { end: at, command } } else { Gathered::Bad { end: at } }
    }

    /// Starts to cut a frame into segments, or continues with it.
    #[cold]
    fn start_segments<V: DmaView>(
        &mut self,
        view: &V,
        ring: &Ring<'_, V>,
        queue: u32,
        head: u32,
        command: Command,
    ) -> Gathered {
        let state = &mut self.queues[queue as usize];
        let resumes = Behaviour::SegmentationResumes.on();
        // Software may have made the ring shorter since.
        let same = |frame: &Segmentation| frame.head == head && frame.end < ring.count;
        if resumes && state.segmentation.as_deref().is_some_and(same) {
            return Gathered::Segments;
        }
        state.segmentation = None;
        match Segmentation::start(view, ring, head, command) {
            Start::Incomplete => Gathered::Incomplete,
            Start::Segments(frame) if Behaviour::Segmentation.on() => {
                state.segmentation = Some(frame);
                Gathered::Segments
            }
            Start::Segments(frame) => Gathered::Bad { end: frame.end },
            Start::Bad { end } => Gathered::Bad { end },
        }
    }

    /// Sends segments of the frame at the head of a queue, until `frames` reaches the limit of this poll.
    #[cold]
    #[allow(clippy::too_many_arguments)] // the parts of a poll
    fn segments<V: DmaView>(
        &mut self,
        hw: &Hardware,
        view: &V,
        ring: &Ring<'_, V>,
        sink: &mut dyn Sink,
        counts: &mut Counts,
        (queue, set): (u32, usize),
        frames: &mut usize,
    ) -> Progress {
        let Some(mut rest) = self.queues[queue as usize].segmentation.take() else { return Progress::Later };
        while !rest.is_done() {
            if *frames >= BURST {
                self.queues[queue as usize].segmentation = Some(rest);
                return Progress::Later;
            }
            let Some(after) = rest.segment(hw, view, ring, &mut self.frame) else {
                return Progress::Bad { end: rest.end };
            };
            let bytes = self.frame.len();
            if !rest.command.finish(hw, &mut self.frame) {
                return Progress::Bad { end: rest.end };
            }
            if !self.send(hw, sink, counts, (queue, set), bytes, &rest.command) {
                self.queues[queue as usize].segmentation = Some(rest);
                return Progress::Later;
            }
            rest.advance(after);
            *frames += 1;
        }
        Progress::Done { end: rest.end }
    }

    /// Sends the frame, which had `bytes` bytes in memory, and counts it; `false` when there is no room.
    #[inline]
    #[allow(clippy::too_many_arguments)] // the parts of a poll
    fn send(
        &mut self,
        hw: &Hardware,
        sink: &mut dyn Sink,
        counts: &mut Counts,
        (queue, set): (u32, usize),
        bytes: usize,
        command: &Command,
    ) -> bool {
        match sink.send(queue, &self.frame) {
            Sent::Out => {
                if command.wants_stamp() {
                    time::stamp_sent(hw);
                }
                counts.sent(set, &self.frame, bytes);
            }
            Sent::Inside => counts.sent_inside(set, bytes),
            Sent::Nowhere => return true,
            Sent::NoRoom => return false,
        }
        counts.sent_of(queue, bytes);
        true
    }
}

/// Whether the device accepts one more part, after `bytes` bytes in `parts` descriptors (section 7.2.3.3).
#[inline(always)]
fn fits(bytes: usize, parts: usize) -> bool {
    let most = if Behaviour::TransmitLimits.on() { 1 } else { 4 };
    bytes <= LONGEST_FRAME * most && parts < MOST_DESCRIPTORS * most
}

/// The index of a queue's last context.
#[inline(always)]
fn last_context() -> usize {
    usize::from(Behaviour::ContextsTwo.on())
}

/// The numbers of the bits that are set.
fn bits(mut set: u128) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros());
        set &= set.wrapping_sub(1);
        bit
    })
}
