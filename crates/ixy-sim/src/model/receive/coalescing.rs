//! Receive side coalescing (RSC): consecutive segments of a TCP connection become one large receive, with one
//! header and one chain of descriptors (section 7.11).
//!
//! The first segment is written like any frame; the payload of later ones is appended. A descriptor is written
//! back when the next one of its chain is known. The last one is written back when the large receive is complete,
//! together with the final header.

mod segment;

use std::time::Duration;

use ixy_dma::Iova;
use ixy_regs::ixgbe::descriptors::receive::{Status, write_back as fields_of};
use ixy_regs::ixgbe::fields::{EITR, RDRXCTL, RFCTL, RSCCTL, RSCDBU};

use super::super::behaviour::Behaviour;
use super::super::headers::{Headers, checksum};
use super::super::interrupt::UNIT;
use super::super::names::{self, eitr, ivar, rx};
use super::super::{Hardware, vf};
use super::ring::Ring;
use super::split::{Layout, Split};
use crate::dma::DmaView;
use segment::{Flow, OPTIONS, Segment, word};

/// Connections that can be coalesced at once.
const CONTEXTS: usize = 32;
/// Segments that begin in one descriptor; RSCCNT is one more.
const SEGMENTS: u32 = 14;
/// Interrupt vectors.
const VECTORS: usize = 64;

const IP_LENGTH: usize = 2;
const IP_CHECKSUM: usize = 10;
const ACKNOWLEDGEMENT: usize = 8;
const WINDOW: usize = 14;
/// The echoed time stamp, where the only option is time stamps.
const ECHO: usize = OPTIONS + 8;

/// A large receive in progress.
struct Context {
    flow: Flow,
    queue: u32,
    /// The address of its ring.
    ring: u64,
    /// The first segment's headers with the final changes, and their address in memory.
    headers: Vec<u8>,
    at: u64,
    ip: usize,
    tcp: usize,
    /// The sequence number of the segment that would continue it.
    next: u32,
    acknowledges: bool,
    stamped: bool,
    /// Bytes of payload in the segments after the first.
    more: usize,
    /// The descriptor that is being filled, its packet buffer and the bytes in it.
    descriptor: u32,
    buffer: u64,
    used: usize,
    /// Segments that begin in it.
    begun: u32,
    /// How many descriptors came before it.
    before: u32,
    /// Both words of the last descriptor, without the fields that are counted here.
    status: (u64, u64),
    /// The header fields of the first descriptor.
    split: u64,
    /// The time of its last segment, counted in segments of all contexts.
    touched: u64,
}

impl Context {
    /// Whether this segment of the same connection continues the large receive.
    fn continues(&self, hw: &Hardware, queue: u32, segment: &Segment<'_>) -> bool {
        let change = RDRXCTL::RSCACKC.is_set(hw.regs.load(names::RDRXCTL))
            && Behaviour::CoalescingAcknowledgeChange.on();
        self.queue == queue
            && (self.next == segment.sequence || !Behaviour::CoalescingOrder.on())
            && (self.stamped == segment.stamped || !Behaviour::CoalescingOptions.on())
            && (self.acknowledges == segment.acknowledges || !change)
    }

    /// RSCCNT: the segments that begin in the descriptor plus one, so never 0.
    fn count(&self) -> u64 {
        fields_of::RSC_COUNT.place(u64::from(self.begun + 1))
    }

    /// The header fields in the first word of a descriptor.
    fn header(&self) -> u64 {
        if self.before == 0 { self.split } else { 0 }
    }

    fn post<V: DmaView>(&self, view: &V, low: u64, high: u64) {
        let at = Iova(self.ring).offset(u64::from(self.descriptor) * 16);
        view.store64(at, low);
        view.store64(at.offset(8), high | fields_of::LENGTH.place(self.used as u64) | fields_of::DD.mask());
    }

    /// Adds payload to the buffer.
    fn add<V: DmaView>(&mut self, view: &V, payload: &[u8]) {
        if !payload.is_empty() {
            view.write(Iova(self.buffer).offset(self.used as u64), payload);
            self.used += payload.len();
        }
    }

    /// Moves on to the ring's next descriptor.
    fn go_on<V: DmaView>(&mut self, view: &V, ring: &mut Ring<'_, V>) -> Option<()> {
        let buffer = ring.words.load(ring.head * 2)?;
        let next = if Behaviour::CoalescingChain.on() { ring.head } else { self.descriptor + 1 };
        self.post(view, self.count() | self.header(), fields_of::NEXT_DESCRIPTOR.place(u64::from(next)));
        (self.descriptor, self.buffer) = (ring.head, buffer);
        (self.used, self.begun) = (0, 0);
        self.before += 1;
        ring.advance();
        Some(())
    }

    /// Takes acknowledgement, window and time stamps from the newest segment (section 7.11.5).
    fn update(&mut self, segment: &Segment<'_>) {
        let mut take = |at: usize, len: usize| {
            let newest = segment.frame.get(segment.tcp + at..segment.tcp + at + len);
            if let (Some(to), Some(from)) = (self.headers.get_mut(self.tcp + at..self.tcp + at + len), newest)
            {
                to.copy_from_slice(from);
            }
        };
        take(ACKNOWLEDGEMENT, 4);
        take(WINDOW, 2);
        if segment.stamped {
            take(ECHO, 4);
        }
    }

    /// Writes the final header: with the total length, and a new IP header checksum.
    fn write_header<V: DmaView>(&mut self, view: &V) {
        let ip = self.ip;
        if self.more == 0 || !Behaviour::CoalescingHeader.on() {
            return;
        }
        let length = word(&self.headers, ip + IP_LENGTH).unwrap_or(0);
        // Software has to limit descriptors so that this does not overflow.
        let length = length.wrapping_add(self.more as u16);
        if let Some(field) = self.headers.get_mut(ip + IP_LENGTH..ip + IP_LENGTH + 2) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        if let Some(header) = self.headers.get_mut(ip..ip + 20) {
            header[IP_CHECKSUM..IP_CHECKSUM + 2].fill(0);
            let sum = checksum(header);
            header[IP_CHECKSUM..IP_CHECKSUM + 2].copy_from_slice(&sum);
        }
        view.write(Iova(self.at), &self.headers);
    }

    /// Completes it.
    fn complete<V: DmaView>(mut self, view: &V) {
        self.write_header(view);
        let (low, high) = self.status;
        self.post(view, low | self.count() | self.header(), high | fields_of::EOP.mask());
    }
}

/// The result of offering a segment.
pub(super) enum Offered {
    /// It was merged into a large receive.
    Taken,
    /// It has to be written by itself.
    Refused,
    /// There is no free descriptor for it.
    NoDescriptor,
}

/// All large receives in progress.
pub(crate) struct Coalescing {
    contexts: Vec<Context>,
    segments: u64,
    /// The end of each vector's timer, by the device's clock.
    timers: [Duration; VECTORS],
}

/// Whether any queue may coalesce.
pub(super) fn may(hw: &Hardware) -> bool {
    !RFCTL::RSC_DIS.is_set(hw.regs.load(names::RFCTL))
}

/// Whether `queue` coalesces.
#[inline]
pub(super) fn is_on(hw: &Hardware, queue: u32) -> bool {
    RSCCTL::RSCEN.is_set(hw.regs.load(rx(names::RSCCTL, queue)))
        && Behaviour::Coalescing.on()
        && !vf::owns(hw, queue)
}

/// The vector that a queue is mapped to.
fn vector(hw: &Hardware, queue: u32) -> Option<u32> {
    let entry = hw.regs.load(ivar(queue / 2)) >> (16 * (queue % 2));
    (entry & 0x80 != 0).then_some(entry & 0x3f)
}

impl Coalescing {
    pub(super) fn new() -> Self {
        Self { contexts: Vec::new(), segments: 0, timers: [Duration::ZERO; VECTORS] }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.contexts.is_empty()
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }

    /// A queue was switched off: drops its large receives without touching their memory.
    pub(crate) fn forget(&mut self, queue: u32) {
        if Behaviour::CoalescingForgets.on() {
            self.contexts.retain(|context| context.queue != queue);
        }
    }

    /// The earliest end of a timer that a large receive waits for.
    pub(crate) fn due(&self, hw: &Hardware) -> Option<Duration> {
        let vectors = self.contexts.iter().filter_map(|context| vector(hw, context.queue));
        vectors.map(|vector| self.timers[vector as usize % VECTORS]).min()
    }

    /// Completes the large receives whose timers ended (section 7.3.2.1); returns their queues.
    pub(super) fn tick<V: DmaView>(&mut self, hw: &Hardware, view: &V, queues: u128) -> (u128, usize) {
        let now = hw.now();
        let mut ended = 0_u64;
        let (mut touched, mut work) = (0, 0);
        let mut n = 0;
        while let Some(context) = self.contexts.get(n) {
            let queue = context.queue;
            let over = vector(hw, queue).filter(|v| self.timers[*v as usize % VECTORS] <= now);
            match over {
                Some(vector) if Behaviour::CoalescingTimer.on() && queues >> queue & 1 == 1 => {
                    self.contexts.remove(n).complete(view.of_queue(queue));
                    ended |= 1 << vector;
                    touched |= 1 << queue;
                    work += 1;
                }
                _ => n += 1,
            }
        }
        for vector in (0..VECTORS).filter(|vector| ended >> vector & 1 == 1) {
            self.timers[vector] = now + UNIT * EITR::ITR_INTERVAL.read(hw.regs.load(eitr(vector as u32)));
        }
        (touched, work)
    }

    /// Completes all large receives of a queue that is out of descriptors, since its driver waits for theirs.
    /// Returns the queue if there were any.
    pub(super) fn make_room<V: DmaView>(&mut self, all: &V, queue: u32) -> u128 {
        if !Behaviour::CoalescingFull.on() {
            return 0;
        }
        let (of_queue, others): (Vec<_>, _) =
            self.contexts.drain(..).partition(|context| context.queue == queue);
        self.contexts = others;
        let found = u128::from(!of_queue.is_empty()) << queue;
        for context in of_queue {
            context.complete(all.of_queue(queue));
        }
        found
    }

    /// Offers a frame to the large receives of its queue. `vlan` is its tag, even if that was stripped, and `room`
    /// the size of the header buffer; `None` if the frame cannot be coalesced. `completed` gets the queues of
    /// large receives that the frame ends.
    #[allow(clippy::too_many_arguments)] // the parts of a poll
    pub(super) fn offer<V: DmaView>(
        &mut self,
        hw: &Hardware,
        all: &V,
        ring: &mut Ring<'_, V>,
        split: Option<&Split>,
        frame: &[u8],
        headers: &Headers,
        vlan: Option<u16>,
        status: (u64, u64),
        room: Option<usize>,
        completed: &mut u128,
    ) -> Offered {
        let view = all.of_queue(ring.queue);
        let Some(segment) = Segment::of(frame, headers, vlan, status.1) else { return Offered::Refused };
        let empty = segment.payload().is_empty()
            && RSCDBU::RSCACKDIS.is_set(hw.regs.load(names::RSCDBU))
            && Behaviour::CoalescingAcknowledgements.on();
        let viable = segment.viable && room.is_some_and(|room| segment.body <= room) && !empty;
        let urgent = status.1 & u64::from(Status::LLINT.bits()) != 0
            && !RDRXCTL::RSCLLIDIS.is_set(hw.regs.load(names::RDRXCTL))
            && Behaviour::CoalescingUrgent.on();
        let found = self.contexts.iter().position(|context| context.flow == segment.flow);
        if let Some(n) = found {
            let queue = self.contexts[n].queue;
            let taken = if viable && self.contexts[n].continues(hw, ring.queue, &segment) {
                self.append(hw, view, ring, n, &segment)
            } else {
                Offered::Refused
            };
            match taken {
                Offered::Taken => {
                    let full = self.contexts[n].begun >= SEGMENTS && Behaviour::CoalescingCount.on();
                    if urgent || full {
                        self.contexts.remove(n).complete(view);
                        *completed |= 1 << queue;
                    }
                    return Offered::Taken;
                }
                Offered::NoDescriptor => {
                    *completed |= self.make_room(all, ring.queue);
                    return Offered::NoDescriptor;
                }
                Offered::Refused => {
                    self.contexts.remove(n).complete(all.of_queue(queue));
                    *completed |= 1 << queue;
                }
            }
        }
        if !viable || urgent {
            return Offered::Refused;
        }
        self.open(hw, all, ring, split, &segment, status, completed)
    }

    /// Adds a segment to large receive `n`, if there is room for it.
    fn append<V: DmaView>(
        &mut self,
        hw: &Hardware,
        view: &V,
        ring: &mut Ring<'_, V>,
        n: usize,
        segment: &Segment<'_>,
    ) -> Offered {
        let most = match RSCCTL::MAXDESC.read(hw.regs.load(rx(names::RSCCTL, ring.queue))) {
            _ if !Behaviour::CoalescingDescriptors.on() => u32::MAX,
            0 => 1,
            1 => 4,
            2 => 8,
            _ => 16,
        };
        let Some(context) = self.contexts.get_mut(n) else { return Offered::Refused };
        let payload = segment.payload();
        let room = ring.size.saturating_sub(context.used);
        let further = payload.len().saturating_sub(room).div_ceil(ring.size.max(1)) as u32;
        if context.before + 1 + further > most || further >= ring.count {
            return Offered::Refused;
        }
        if !ring.has(hw, further) {
            return Offered::NoDescriptor;
        }
        let (first, mut rest) = payload.split_at(room.min(payload.len()));
        let mut begins = room > 0 || payload.is_empty();
        context.begun += u32::from(begins);
        context.add(view, first);
        while !rest.is_empty() && context.go_on(view, ring).is_some() {
            context.begun = u32::from(!begins);
            begins = true;
            let (part, after) = rest.split_at(rest.len().min(ring.size));
            context.add(view, part);
            rest = after;
        }
        context.more += payload.len();
        context.next = context.next.wrapping_add(payload.len() as u32);
        context.update(segment);
        self.segments += 1;
        context.touched = self.segments;
        Offered::Taken
    }

    /// Begins a large receive with a segment.
    #[allow(clippy::too_many_arguments)] // the parts of a poll
    fn open<V: DmaView>(
        &mut self,
        hw: &Hardware,
        all: &V,
        ring: &mut Ring<'_, V>,
        split: Option<&Split>,
        segment: &Segment<'_>,
        status: (u64, u64),
        completed: &mut u128,
    ) -> Offered {
        let view = all.of_queue(ring.queue);
        let (head, body) = segment.frame.split_at(segment.body.min(segment.frame.len()));
        // With header splitting, the header has a buffer of its own that is long enough.
        let apart = if split.is_some() { head.len() } else { 0 };
        let first = segment.frame.len() - apart;
        // A segment that needs several descriptors by itself gains nothing from coalescing.
        if first > ring.size {
            return Offered::Refused;
        }
        if !ring.has(hw, 1) {
            *completed |= self.make_room(all, ring.queue);
            return Offered::NoDescriptor;
        }
        let Some(buffer) = ring.words.load(ring.head * 2) else { return Offered::Refused };
        let mut at = buffer;
        let mut layout = Layout::default();
        if split.is_some() {
            let Some(address) = ring.words.load(ring.head * 2 + 1) else { return Offered::Refused };
            at = address & !1;
            layout = Layout::of_header(head.len());
            view.write(Iova(at), head);
            if !body.is_empty() {
                view.write(Iova(buffer), body);
            }
        } else {
            view.write(Iova(buffer), segment.frame);
        }
        if self.contexts.len() >= CONTEXTS && Behaviour::CoalescingContexts.on() {
            // The least recently extended large receive makes room.
            let oldest = (0..self.contexts.len()).min_by_key(|n| self.contexts[*n].touched).unwrap_or(0);
            let oldest = self.contexts.remove(oldest);
            let queue = oldest.queue;
            *completed |= 1 << queue;
            oldest.complete(all.of_queue(queue));
        }
        self.segments += 1;
        self.contexts.push(Context {
            flow: segment.flow,
            queue: ring.queue,
            ring: ring.base,
            headers: head.to_vec(),
            at,
            ip: segment.ip,
            tcp: segment.tcp,
            next: segment.sequence.wrapping_add(body.len() as u32),
            acknowledges: segment.acknowledges,
            stamped: segment.stamped,
            more: 0,
            descriptor: ring.head,
            buffer,
            used: first,
            begun: 1,
            before: 0,
            status,
            split: layout.low,
            touched: self.segments,
        });
        ring.advance();
        Offered::Taken
    }
}
