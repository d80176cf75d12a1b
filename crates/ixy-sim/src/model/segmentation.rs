//! Segmentation: one frame in memory that becomes many on the wire (section 7.2.4).

use ixy_dma::Iova;
use ixy_regs::ixgbe::descriptors::transmit::{DTYP_DATA, context_read, data_read};
use ixy_regs::ixgbe::fields::{DTXTCPFLGH, DTXTCPFLGL};

use super::Hardware;
use super::behaviour::Behaviour;
use super::headers::fold;
use super::names;
use super::transmit::{Command, LONGEST_FRAME, MOST_DESCRIPTORS, Ring};
use crate::dma::DmaView;

/// Size of the memory in which the device keeps the headers for all segments (section 7.2.4.2).
const HEADER_MEMORY: usize = 240;
/// Longest part that one descriptor of such a frame may hold: drivers cut at 16 KiB.
const LONGEST_PART: u64 = 16 * 1024;

/// Bytes of the headers that the device changes.
const ETHERNET: usize = 14;
const SNAP: usize = 8;
const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: usize = 20;
const UDP: usize = 8;

/// A frame that is being cut into segments. The device keeps it between polls when there was no room for all
/// segments.
#[derive(Debug, Clone)]
pub(crate) struct Segmentation {
    /// The frame's first descriptor, and the one after its last.
    pub(crate) head: u32,
    pub(crate) end: u32,
    pub(crate) command: Command,
    header: Vec<u8>,
    network: usize,
    transport: usize,
    /// Length of the frame's payload, and of the payload in each segment but the last.
    payload: usize,
    mss: usize,
    next: Cursor,
}

/// The position at which a segment begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    /// Payload before it.
    sent: usize,
    /// Its number, from zero on.
    number: u16,
    /// The descriptor that holds its first byte, and the offset inside it.
    at: u32,
    inside: usize,
}

/// The result of starting a frame that asks for segmentation.
pub(crate) enum Start {
    Segments(Box<Segmentation>),
    /// Software has not announced the end of the frame yet.
    Incomplete,
    /// The frame is invalid; the head moves to this index.
    Bad {
        end: u32,
    },
}

impl Segmentation {
    /// Checks the frame that starts at `head`, and fetches its headers.
    pub(crate) fn start<V: DmaView>(view: &V, ring: &Ring<'_, V>, head: u32, command: Command) -> Start {
        let (mut at, mut parts, mut length, mut sense) = (head, 0, 0, true);
        loop {
            let Some((_, part)) = ring.descriptor(at) else { return Start::Bad { end: ring.after(at) } };
            let len = data_read::DTALEN.of(part);
            sense &= part & data_read::DEXT.mask() != 0
                && data_read::DTYP.of(part) == DTYP_DATA
                && (1..=LONGEST_PART).contains(&len)
                && parts < MOST_DESCRIPTORS;
            parts += 1;
            length += len as usize;
            at = ring.after(at);
            if part & data_read::EOP.mask() != 0 {
                break;
            }
            if at == ring.tail {
                return if sense { Start::Incomplete } else { Start::Bad { end: at } };
            }
        }
        let kept = sense.then(|| Self::new(view, ring, head, at, command, length)).flatten();
        kept.map_or(Start::Bad { end: at }, |kept| Start::Segments(Box::new(kept)))
    }

    /// The frame of `length` bytes with headers as in its context; `None` when they are invalid.
    fn new<V: DmaView>(
        view: &V,
        ring: &Ring<'_, V>,
        head: u32,
        end: u32,
        command: Command,
        length: usize,
    ) -> Option<Self> {
        let context = command.context;
        let network = context_read::MACLEN.of(context.low) as usize;
        let transport = network + context_read::IPLEN.of(context.low) as usize;
        let header = transport + context_read::L4LEN.of(context.high) as usize;
        let mss = context_read::MSS.of(context.high) as usize;
        let payload = length.checked_sub(header).filter(|&payload| payload > 0)?;
        let tag = if command.first & data_read::VLE.mask() != 0 { 4 } else { 0 };
        let layers = match command.layer4()? {
            Layer4::Tcp => TCP,
            Layer4::Udp if Behaviour::SegmentationUdp.on() => UDP,
            Layer4::Udp => return None,
        };
        let ethernet = if command.snap() { ETHERNET + SNAP } else { ETHERNET };
        let fits = network >= ethernet
            && transport - network >= if command.ipv4() { IPV4 } else { IPV6 }
            && header - transport >= layers
            && mss > 0
            && header + mss.min(payload) + tag <= LONGEST_FRAME;
        let agrees = header <= HEADER_MEMORY && data_read::PAYLEN.of(command.first) as usize == payload;
        if !fits || !agrees && Behaviour::SegmentationLimits.on() {
            return None;
        }
        let mut kept = Self {
            head,
            end,
            command,
            header: vec![0; header],
            network,
            transport,
            payload,
            mss,
            next: Cursor { sent: 0, number: 0, at: head, inside: 0 },
        };
        let mut bytes = std::mem::take(&mut kept.header);
        kept.next = fetch(view, ring, kept.next, &mut bytes)?;
        kept.header = bytes;
        Some(kept)
    }

    /// Builds the next segment in `frame`, without checksums and tag, and returns the position of the one after
    /// it. `None` when memory is not mapped.
    pub(crate) fn segment<V: DmaView>(
        &self,
        hw: &Hardware,
        view: &V,
        ring: &Ring<'_, V>,
        frame: &mut Vec<u8>,
    ) -> Option<Cursor> {
        let Cursor { sent, number, .. } = self.next;
        let payload = self.mss.min(self.payload - sent);
        frame.clear();
        frame.extend_from_slice(&self.header);
        frame.resize(self.header.len() + payload, 0);
        let after = fetch(view, ring, self.next, frame.get_mut(self.header.len()..)?)?;
        self.adjust(hw, frame, payload);
        Some(Cursor { sent: sent + payload, number: number.wrapping_add(1), ..after })
    }

    /// Updates the headers of a segment (sections 7.2.4.6 and 7.2.4.7).
    fn adjust(&self, hw: &Hardware, frame: &mut [u8], payload: usize) {
        let (network, transport, end) = (self.network, self.transport, self.header.len() + payload);
        let lengths = Behaviour::SegmentLengths.on();
        if self.command.snap() && lengths {
            let length = network - SNAP;
            put_word(frame, length - 2, (end - length) as u16);
        }
        if self.command.ipv4() {
            if lengths {
                put_word(frame, network + 2, (end - network) as u16);
            }
            if Behaviour::SegmentIdentification.on() {
                let identification = word(frame, network + 4).wrapping_add(self.next.number);
                put_word(frame, network + 4, identification);
            }
        } else if lengths {
            put_word(frame, network + 4, (end - network - IPV6) as u16);
        }
        let seed = match self.command.layer4() {
            Some(Layer4::Tcp) => {
                self.adjust_tcp(hw, frame, payload);
                transport + 16
            }
            _ => {
                if lengths {
                    put_word(frame, transport + 4, (end - transport) as u16);
                }
                transport + 6
            }
        };
        // The driver's pseudo header sum lacks the length, which differs between segments.
        if self.command.first & data_read::TXSM.mask() != 0 && Behaviour::SegmentSeed.on() {
            let sum = u64::from(word(frame, seed)) + (end - transport) as u64;
            put_word(frame, seed, fold(sum));
        }
    }

    fn adjust_tcp(&self, hw: &Hardware, frame: &mut [u8], payload: usize) {
        let sent = self.next.sent;
        if Behaviour::SegmentSequence.on() {
            let at = self.transport + 4;
            let sequence = u32::from(word(frame, at)) << 16 | u32::from(word(frame, at + 2));
            let sequence = sequence.wrapping_add(sent as u32);
            put_word(frame, at, (sequence >> 16) as u16);
            put_word(frame, at + 2, sequence as u16);
        }
        if Behaviour::SegmentFlags.on() {
            let low = hw.regs.load(names::DTXTCPFLGL);
            let kept = if sent + payload == self.payload {
                DTXTCPFLGH::TCP_FLG_LAST_SEG.read(hw.regs.load(names::DTXTCPFLGH))
            } else if sent == 0 {
                DTXTCPFLGL::TCP_FLG_FIRST_SEG.read(low)
            } else {
                DTXTCPFLGL::TCP_FLG_MID_SEG.read(low)
            };
            // The upper four bits are the header's length.
            let at = self.transport + 12;
            put_word(frame, at, word(frame, at) & (0xf000 | kept as u16));
        }
    }

    /// The segment was sent.
    pub(crate) fn advance(&mut self, after: Cursor) {
        self.next = after;
    }

    /// Whether all segments were sent.
    pub(crate) fn is_done(&self) -> bool {
        self.next.sent == self.payload
    }
}

/// Transport protocol of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer4 {
    Tcp,
    Udp,
}

impl Command {
    fn ipv4(&self) -> bool {
        self.context.high & context_read::IPV4.mask() != 0
    }

    fn snap(&self) -> bool {
        self.context.high & context_read::SNAP.mask() != 0
    }

    fn layer4(&self) -> Option<Layer4> {
        match context_read::L4T.of(self.context.high) {
            0 => Some(Layer4::Udp),
            1 => Some(Layer4::Tcp),
            _ => None,
        }
    }
}

fn word(frame: &[u8], at: usize) -> u16 {
    frame.get(at..at + 2).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn put_word(frame: &mut [u8], at: usize, value: u16) {
    if let Some(bytes) = frame.get_mut(at..at + 2) {
        bytes.copy_from_slice(&value.to_be_bytes());
    }
}

/// Reads `into.len()` bytes of a frame from `from` on, across buffers, and returns the end position. The caller
/// keeps the count of payload bytes.
fn fetch<V: DmaView>(view: &V, ring: &Ring<'_, V>, from: Cursor, into: &mut [u8]) -> Option<Cursor> {
    let (mut at, mut inside, mut done) = (from.at, from.inside, 0);
    for _ in 0..=MOST_DESCRIPTORS {
        if done == into.len() {
            return Some(Cursor { at, inside, ..from });
        }
        let (address, part) = ring.descriptor(at)?;
        let rest = (data_read::DTALEN.of(part) as usize).checked_sub(inside)?;
        let take = rest.min(into.len() - done);
        if take > 0 && !view.read(Iova(address).offset(inside as u64), into.get_mut(done..done + take)?) {
            return None;
        }
        done += take;
        inside += take;
        if take == rest {
            (at, inside) = (ring.after(at), 0);
        }
    }
    None
}
