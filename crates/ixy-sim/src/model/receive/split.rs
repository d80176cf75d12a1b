//! Header splitting: the headers of a frame go to a buffer of their own (section 7.1.10).

use ixy_dma::Iova;
use ixy_regs::ixgbe::descriptors::receive::{Status, write_back as fields_of};
use ixy_regs::ixgbe::fields::{PSRTYPE, RFCTL, SRRCTL};

use super::super::Hardware;
use super::super::behaviour::Behaviour;
use super::super::headers::{Headers, Network, Transport};
use super::super::names::{self, mask};
use super::ring::Ring;
use crate::dma::DmaView;

/// The longest header that is split off, and the most that goes to a header buffer: the descriptor has ten bits
/// for the length.
const LONGEST: usize = 1023;
/// The unit of BSIZEHEADER.
const UNIT: usize = 64;

/// The settings of a ring that splits headers.
pub(super) struct Split {
    /// Frames whose headers are not split off use header buffers, too.
    always: bool,
    /// The part of a header buffer that is used, in bytes.
    pub(super) room: usize,
    /// The headers after which a frame is split (PSRTYPE).
    kinds: u32,
    /// Fragments are split as well.
    fragments: bool,
}

/// The part of a frame that goes to the header buffer, and the header fields of the first descriptor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bytes in the header buffer; the rest goes to packet buffers.
    pub(super) header: usize,
    pub(super) low: u64,
    pub(super) status: u64,
}

impl Layout {
    /// Headers of `len` bytes in a buffer of their own.
    pub(super) fn of_header(len: usize) -> Self {
        let low = fields_of::HEADER_LENGTH.place(len as u64) | fields_of::SPLIT_HEADER.mask();
        Self { header: len, low, status: 0 }
    }
}

/// Whether a ring with this SRRCTL uses header buffers.
pub(super) fn is_on(srrctl: u32) -> bool {
    matches!(SRRCTL::DESCTYPE.read(srrctl), 2 | 5) && Behaviour::HeaderSplit.on()
}

impl Split {
    /// Reads the ring's SRRCTL and its pool's PSRTYPE.
    pub(super) fn load(hw: &Hardware, srrctl: u32, pool: u32) -> Self {
        let kinds = hw.regs.load(names::psrtype(pool));
        Self {
            always: SRRCTL::DESCTYPE.read(srrctl) == 5 && Behaviour::HeaderSplitAlways.on(),
            room: (SRRCTL::BSIZEHEADER.read(srrctl) as usize * UNIT).min(LONGEST),
            kinds: if Behaviour::HeaderSplitKinds.on() { kinds } else { u32::MAX },
            fragments: !RFCTL::IPFRSP_DIS.is_set(hw.regs.load(names::RFCTL))
                || !Behaviour::HeaderSplitFragments.on(),
        }
    }

    /// Whether TCP headers are recognised.
    pub(super) fn knows_tcp(&self) -> bool {
        self.kinds & mask(PSRTYPE::SPLIT_TCP) != 0 || !Behaviour::CoalescingKinds.on()
    }

    /// The end of the innermost header that PSRTYPE names.
    fn end(&self, frame: &[u8], headers: &Headers) -> Option<usize> {
        if headers.fragment && !self.fragments {
            return None;
        }
        let wants = |kind| self.kinds & kind != 0;
        let transport = match headers.transport {
            Some((Transport::Tcp, _)) => wants(mask(PSRTYPE::SPLIT_TCP)),
            Some((Transport::Udp, _)) => wants(mask(PSRTYPE::SPLIT_UDP)),
            _ => false,
        };
        let network = match headers.network {
            Some((Network::V4, _)) => wants(mask(PSRTYPE::SPLIT_IPV4)),
            Some((Network::V6, _)) => wants(mask(PSRTYPE::SPLIT_IPV6)),
            None => false,
        };
        let link = wants(mask(PSRTYPE::SPLIT_L2)).then(|| headers.link_end());
        transport
            .then(|| headers.transport_end(frame))
            .flatten()
            .or_else(|| network.then(|| headers.network_end(frame)).flatten())
            .or(link)
            .filter(|end| *end <= LONGEST.min(frame.len()))
    }

    /// Decides how a frame is split.
    pub(super) fn layout(&self, frame: &[u8], headers: &Headers) -> Layout {
        let all = frame.len().min(self.room);
        let length = |n: usize| fields_of::HEADER_LENGTH.place(n as u64);
        if self.always && frame.len() <= self.room {
            return Layout { header: all, low: length(all), status: 0 };
        }
        match self.end(frame, headers) {
            Some(end) if end <= self.room => Layout::of_header(end),
            // The descriptor reports the header's length, wherever its bytes are.
            Some(end) if Behaviour::HeaderSplitOverflow.on() => Layout {
                header: if self.always { all } else { 0 },
                low: length(end) | fields_of::SPLIT_HEADER.mask(),
                status: u64::from(Status::HBO.bits()),
            },
            _ if self.always => Layout { header: all, low: length(all), status: 0 },
            _ => Layout::default(),
        }
    }
}

impl<V: DmaView> Ring<'_, V> {
    /// Writes a frame to the descriptors that its bytes beyond the header buffer take, at least one. `status`
    /// comes from [`super::descriptor::write_back`].
    pub(super) fn fill_split(&mut self, view: &V, frame: &[u8], layout: &Layout, status: (u64, u64)) {
        let (header, body) = frame.split_at(layout.header.min(frame.len()));
        let mut rest = body;
        let mut first = true;
        loop {
            let (part, after) = rest.split_at(rest.len().min(self.size));
            let last = after.is_empty();
            let Some(address) = self.words.load(self.head * 2) else { return };
            if first && !header.is_empty() {
                let Some(address) = self.words.load(self.head * 2 + 1) else { return };
                // The lowest bit is not part of the address.
                view.write(Iova(address & !1), header);
            }
            if !part.is_empty() {
                view.write(Iova(address), part);
            }
            let low = if first { layout.low } else { 0 } | if last { status.0 } else { 0 };
            let mut high = fields_of::LENGTH.place(part.len() as u64) | fields_of::DD.mask();
            if first || last {
                high |= layout.status;
            }
            if last {
                high |= status.1 | fields_of::EOP.mask();
            }
            self.words.store_early(self.head * 2, low);
            self.words.store(self.head * 2 + 1, high);
            self.advance();
            if last {
                return;
            }
            rest = after;
            first = false;
        }
    }
}
