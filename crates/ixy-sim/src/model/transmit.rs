//! The transmit path: from descriptors onto the wire (sections 7.2 and 8.2.3.9).

use ixy_dma::Iova;
use ixy_regs::ixgbe::QUEUES;
use ixy_regs::ixgbe::descriptors::transmit::{
    DTYP_CONTEXT, DTYP_DATA, LONGEST, Layer4, context_read, data_read, data_write_back, legacy,
};
use ixy_regs::ixgbe::fields::{DMATXCTL, HLREG0, TDWBAL, TXDCTL};

use super::behaviour::Behaviour;
use super::faults::Fault;
use super::headers::{checksum, frame_check, sctp_checksum};
use super::names::{self, mask, tx};
use super::pools::{self, PortVlan};
use super::segmentation::{Segmentation, Start};
use super::statistics::{Counts, set_of};
use super::{Hardware, time};
use crate::dma::{DmaView, Words};

/// Frames sent from one queue in one poll.
const BURST: usize = 64;
/// Least frame without check sequence, to which HLREG0.TXPADEN pads (section 8.2.3.22.8).
const SHORTEST: usize = 60;
/// Longest frame that the device sends, and most descriptors that one may take (section 7.2.3.3).
pub(crate) const LONGEST_FRAME: usize = LONGEST as usize;
pub(crate) const MOST_DESCRIPTORS: usize = 40;

/// What a context descriptor said.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// What the device keeps of one queue beside its registers.
#[derive(Debug, Clone, Default)]
struct Queue {
    contexts: [Context; 2],
    /// The frame at the head, of which some segments were sent, and others are still to be.
    segmentation: Option<Box<Segmentation>>,
    /// Descriptors done since the last write-back, while WTHRESH holds them back.
    held: u32,
    /// Where those that are held back begin.
    held_from: u32,
    /// The queue was idle in the last poll.
    idle: bool,
}

/// Where frames go: the wire, or the receiver in MAC loopback.
pub(crate) trait Sink {
    /// Sends a frame of queue `queue`.
    fn send(&mut self, queue: u32, frame: &[u8]) -> Sent;
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on the wire.
    Out,
    /// It goes to other queues of this device only.
    Inside,
    /// Its queue may not send it: it is dropped.
    Nowhere,
    /// There is no room for it now.
    NoRoom,
}

/// The transmit side of the device.
pub(crate) struct Transmitter {
    /// Queues that are enabled.
    pub(crate) enabled: u128,
    queues: Box<[Queue]>,
    /// Queues whose write-backs are not to be held back any longer (TXDCTL.SWFLSH).
    flushing: u128,
    frame: Vec<u8>,
    /// The queue that is served first next time.
    next: u32,
    /// Queues with write-backs since the causes were raised last.
    pub(crate) touched: u128,
    /// Descriptors that made no sense, since the device was made.
    pub(crate) bad: u64,
    /// What holds for tags of the queue that is worked on.
    port_vlan: PortVlan,
}

/// A ring while a poll works on it.
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

/// The ring of a queue as its registers describe it; `None` when head or tail are outside.
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

/// A frame's descriptors, from the ring's head on.
enum Gathered {
    /// A frame is in the buffer; the head goes to this index.
    Frame { end: u32, command: Command },
    /// A frame that is cut into segments; the queue has it.
    Segments,
    /// A context, which took one descriptor.
    Context,
    /// Its end was not announced yet.
    Incomplete,
    /// It makes no sense; the head goes to this index.
    Bad { end: u32 },
}

/// What the first and last descriptor of a frame ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command {
    legacy: bool,
    /// The second word of the first descriptor.
    pub(crate) first: u64,
    pub(crate) context: Context,
}

impl Command {
    #[inline(always)]
    fn wants_stamp(&self) -> bool {
        !self.legacy && self.first & data_read::MAC_1588.mask() != 0
    }

    /// The command as the pool's VLAN changes it.
    fn with_port_vlan(mut self, vlan: PortVlan) -> Self {
        match vlan {
            PortVlan::Descriptor => return self,
            PortVlan::Never => self.first &= !data_read::VLE.mask(),
            PortVlan::Always(tag) => {
                self.first |= data_read::VLE.mask();
                let tag = u64::from(tag);
                if self.legacy {
                    self.first = self.first & !legacy::VLAN.mask() | legacy::VLAN.place(tag);
                } else {
                    self.context.low =
                        self.context.low & !context_read::VLAN.mask() | context_read::VLAN.place(tag);
                }
            }
        }
        self
    }
}

/// How far the segments of a frame got.
enum Progress {
    /// All were sent; the head goes to this index.
    Done { end: u32 },
    /// No room on the wire, or enough for this poll.
    Later,
    /// The rest makes no sense; the head goes to this index.
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

    /// Forgets all queues, as a reset does.
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

    /// Whether any enabled queue has descriptors that were announced and not sent.
    pub(crate) fn is_pending(&self, hw: &Hardware) -> bool {
        let pending = |q| hw.regs.load(tx(names::TDH, q)) != hw.regs.load(tx(names::TDT, q));
        bits(self.enabled).any(pending)
    }

    /// Sends frames from all enabled queues in turn; returns how many descriptors it finished.
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
                    if !self.finish(hw, &command) {
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
        // What WTHRESH holds back goes out when nothing follows for a while (section 7.2.3.5).
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

    /// Writes back what queues hold back, also those that were disabled; returns for how many it did.
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
        // A frame that makes no sense is skipped up to its end, as far as that was announced.
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

    /// Begins with a frame that is to be cut into segments, or goes on with it.
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

    /// Sends segments of the frame at the head of a queue, until `frames` in this poll are enough.
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
            if !self.finish(hw, &rest.command) {
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

    /// Sends the frame, which had `bytes` in memory, and counts it; `false` when there is no room.
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

    /// Does to the frame what its descriptors ask for; `false` when it cannot be sent.
    fn finish(&mut self, hw: &Hardware, command: &Command) -> bool {
        let hlreg0 = hw.regs.load(names::HLREG0);
        const OFFLOADS: u64 = data_read::VLE.mask() | data_read::IXSM.mask() | data_read::TXSM.mask();
        let asks = if command.legacy {
            command.first & (legacy::IC.mask() | legacy::VLE.mask()) != 0
        } else {
            command.first & OFFLOADS != 0
        };
        if asks && !self.offload(hw, command) {
            return false;
        }
        let appended = command.first & data_read::IFCS.mask() != 0 && HLREG0::TXCRCEN.is_set(hlreg0)
            || !Behaviour::CrcBrought.on();
        let pads = HLREG0::TXPADEN.is_set(hlreg0) || !Behaviour::PaddingEnable.on();
        if !appended {
            // The frame brings its own check sequence; a wrong one is dropped by whoever receives it.
            let Some(end) = self.frame.len().checked_sub(4) else { return false };
            let (frame, fcs) = self.frame.split_at(end);
            if frame_check(frame) != fcs && Behaviour::CrcBroughtChecked.on() {
                return false;
            }
            self.frame.truncate(end);
        } else if self.frame.len() < SHORTEST && pads && Behaviour::Padding.on() {
            self.frame.resize(SHORTEST, 0);
        }
        self.frame.len() >= 14
    }

    /// Inserts checksums and the VLAN tag (section 7.2.5); `false` when the offsets make no sense.
    #[cold]
    fn offload(&mut self, hw: &Hardware, command: &Command) -> bool {
        let first = command.first;
        if command.legacy {
            if first & legacy::IC.mask() != 0 && Behaviour::LegacyInsertion.on() {
                let (start, place) = (legacy::CSS.of(first) as usize, legacy::CSO.of(first) as usize);
                if !self.insert(start, self.frame.len(), place) {
                    return false;
                }
            }
            return first & legacy::VLE.mask() == 0
                || !Behaviour::LegacyVlanInsertion.on()
                || self.tag(hw, legacy::VLAN.of(first) as u16);
        }
        let context = command.context;
        let network = context_read::MACLEN.of(context.low) as usize;
        let transport = network + context_read::IPLEN.of(context.low) as usize;
        let ipv4 = context.high & context_read::IPV4.mask() != 0;
        let ipv4 = ipv4 || !Behaviour::IpInsertionKind.on();
        if first & data_read::IXSM.mask() != 0 && ipv4 && Behaviour::IpInsertion.on() {
            if self.frame.len() < network + 20 {
                return false;
            }
            self.frame[network + 10..network + 12].fill(0);
            if !self.insert(network, transport, network + 10) {
                return false;
            }
        }
        let sctp = context_read::L4T.of(context.high) == Layer4::Sctp as u64;
        if first & data_read::TXSM.mask() != 0 && sctp && Behaviour::SctpInsertion.on() {
            if !self.insert_sctp(transport) {
                return false;
            }
        } else if first & data_read::TXSM.mask() != 0 && Behaviour::TransportInsertion.on() {
            // The field holds the sum of the pseudo header, which the driver put there.
            let place = match context_read::L4T.of(context.high) {
                0 => 6,
                1 => 16,
                _ => return false,
            };
            if !self.insert(transport, self.frame.len(), transport + place) {
                return false;
            }
            let udp = place == 6;
            let replaces = udp && Behaviour::UdpInsertionNotZero.on();
            if replaces && self.frame[transport + 6..transport + 8] == [0, 0] {
                // Zero would say that there is no checksum (RFC 768).
                self.frame[transport + 6..transport + 8].fill(0xff);
            }
        }
        first & data_read::VLE.mask() == 0
            || !Behaviour::VlanInsertion.on()
            || self.tag(hw, context_read::VLAN.of(context.low) as u16)
    }

    /// Puts the checksum of `start..end` at `place`.
    fn insert(&mut self, start: usize, end: usize, place: usize) -> bool {
        if place + 2 > self.frame.len() || start >= end {
            return false;
        }
        let Some(bytes) = self.frame.get(start..end) else { return false };
        let sum = checksum(bytes);
        self.frame[place..place + 2].copy_from_slice(&sum);
        true
    }

    /// Puts the checksum of the SCTP packet at `start` into its header, where software left zero (section 7.2.5.3).
    fn insert_sctp(&mut self, start: usize) -> bool {
        const PLACE: usize = 8;
        let Some(packet) = self.frame.get_mut(start..).filter(|packet| packet.len() >= PLACE + 4) else {
            return false;
        };
        let sum = sctp_checksum(packet);
        packet[PLACE..PLACE + 4].copy_from_slice(&sum);
        true
    }

    /// Inserts a tag, of the type that DMATXCTL.VT says (section 7.4.3).
    fn tag(&mut self, hw: &Hardware, tag: u16) -> bool {
        let control = hw.regs.load(names::DMATXCTL);
        // With double tags it goes behind the outer one, which software brings along (section 7.4.5).
        let double = DMATXCTL::GDV.is_set(control) && Behaviour::DoubleVlanTransmit.on();
        let at = if double { 16 } else { 12 };
        if self.frame.len() < at + 2 {
            return false;
        }
        let mut kind = 0x8100;
        if Behaviour::TransmitVlanType.on() {
            kind = DMATXCTL::VT.read(control) as u16;
        }
        let ([kind_high, kind_low], [high, low]) = (kind.to_be_bytes(), tag.to_be_bytes());
        self.frame.splice(at..at, [kind_high, kind_low, high, low]);
        true
    }
}

/// How a queue learns what was sent: DD in descriptors, or the head in memory (sections 7.2.3.5.1 and 7.2.3.5.2).
struct Report {
    threshold: u32,
    /// Address of the head write-back when that is on.
    head_address: Option<Iova>,
    silent: bool,
    any: bool,
}

impl Report {
    fn new(hw: &Hardware, queue: u32) -> Self {
        let regs = &hw.regs;
        let low = regs.load(tx(names::TDWBAL, queue));
        let address =
            u64::from(low & mask(TDWBAL::HEADWB_LOW)) | u64::from(regs.load(tx(names::TDWBAH, queue))) << 32;
        Self {
            threshold: match TXDCTL::WTHRESH.read(regs.load(tx(names::TXDCTL, queue))) {
                threshold if Behaviour::WriteBackThreshold.on() => threshold,
                _ => 0,
            },
            head_address: (TDWBAL::HEAD_WB_EN.is_set(low) && Behaviour::HeadWriteBack.on())
                .then_some(Iova(address)),
            silent: hw.faults.any() && hw.faults.is(Fault::NeverWrittenBack),
            any: false,
        }
    }

    /// The descriptor at `at` is done.
    #[inline]
    fn done<V: DmaView>(&mut self, ring: &Ring<'_, V>, state: &mut Queue, at: u32) {
        if self.threshold == 0 && state.held == 0 {
            self.write(ring, at);
            return;
        }
        if state.held == 0 {
            state.held_from = at;
        }
        state.held += 1;
        if state.held >= self.threshold {
            self.flush(ring, state, ring.after(at));
        }
    }

    /// Reports the descriptor at `at` if it asked for that.
    #[inline(always)]
    fn write<V: DmaView>(&mut self, ring: &Ring<'_, V>, at: u32) {
        let Some(word) = ring.words.load(at * 2 + 1) else { return };
        if word & data_read::RS.mask() == 0 && Behaviour::ReportStatus.on() {
            return;
        }
        self.any = true;
        if self.head_address.is_none() && !self.silent && Behaviour::DescriptorDone.on() {
            ring.words.store(at * 2 + 1, data_write_back::DD.mask());
        }
    }

    /// Reports what was held back, up to `head`.
    fn flush<V: DmaView>(&mut self, ring: &Ring<'_, V>, state: &mut Queue, head: u32) {
        let mut at = state.held_from;
        while state.held > 0 && at != head {
            self.write(ring, at);
            at = ring.after(at);
            state.held -= 1;
        }
        state.held = 0;
    }

    /// Writes the head to memory, if that is how the queue reports; says whether anything was reported.
    fn finish<V: DmaView>(&self, view: &V, head: u32) -> bool {
        if self.any
            && !self.silent
            && let Some(address) = self.head_address
        {
            view.store32(address, head);
        }
        self.any
    }
}

/// Whether the device takes a frame of `bytes` so far, of whose descriptors `parts` came before (section 7.2.3.3).
#[inline(always)]
fn fits(bytes: usize, parts: usize) -> bool {
    let most = if Behaviour::TransmitLimits.on() { 1 } else { 4 };
    bytes <= LONGEST_FRAME * most && parts < MOST_DESCRIPTORS * most
}

/// The number of a queue's last context.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::headers::{fold, sum};

    #[test]
    fn a_checksum_over_a_header_that_holds_its_seed_makes_the_whole_sum_all_ones() {
        let mut transmitter = Transmitter::new();
        transmitter
            .frame
            .extend_from_slice(&[0x45, 0, 0, 20, 1, 2, 3, 4, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        assert!(transmitter.insert(0, 20, 10));
        assert_eq!(fold(sum(&transmitter.frame)), 0xffff);
        assert!(!transmitter.insert(0, 21, 10), "past the end of the frame");
        assert!(!transmitter.insert(0, 20, 19), "a place that is not whole");
    }
}
