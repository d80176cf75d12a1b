//! Reading pcapng (draft-ietf-opsawg-pcapng): sections of blocks. Blocks with packets and interfaces are used, all
//! others are skipped.

use std::io::Read;

use crate::{
    PcapError,
    format::{
        BLOCK_FRAME, BYTE_ORDER, ENHANCED_PACKET, ETHERNET, IF_FCSLEN, IF_TSOFFSET, IF_TSRESOL, INTERFACE,
        MAX_RECORD, OLD_PACKET, SECTION, SECTION_LEAST, SIMPLE_PACKET, half, word,
    },
    frames::counted,
    reader::{Header, OtherLinks},
    source::Source,
};

/// Largest number of interfaces in a section; more are damage.
const INTERFACES: usize = 1 << 16;

/// The section that is being read.
#[derive(Default)]
pub(crate) struct Pcapng {
    swapped: bool,
    interfaces: Vec<Interface>,
    /// Time of the last packet that had one, for packets without.
    time: u64,
    /// Packets of interfaces that are not Ethernet.
    pub(crate) others: Option<OtherLinks>,
    /// Whether an Ethernet interface was described, in any section.
    ethernet: bool,
    /// A packet whose type and length [`open`](Self::open) has read.
    ahead: Option<Block>,
}

/// The properties of an interface's packets, from its description.
#[derive(Clone, Copy)]
struct Interface {
    link_type: u16,
    /// Largest number of bytes kept of each packet; 0 means all.
    snaplen: u32,
    /// Bytes of frame check sequence at the end of each frame.
    fcs: u32,
    unit: Unit,
    /// Seconds to add to each time stamp.
    offset: i64,
}

/// The unit of time stamps, in seconds (section 4.2, if_tsresol).
#[derive(Clone, Copy)]
enum Unit {
    /// 10 to the power of minus this number.
    Decimal(u32),
    /// 2 to the power of minus this number.
    Binary(u32),
}

/// A block with its frame and a part of its body read.
struct Block {
    kind: u32,
    start: u64,
    total: u32,
    /// Bytes of the body that are still to be read.
    left: u32,
}

impl Pcapng {
    /// Whether a file with these first bytes is of this format.
    pub(crate) fn starts_with(magic: [u8; 4]) -> bool {
        word(&magic, 0, false) == SECTION
    }

    /// Reads the first section's header, and on until an Ethernet interface or the first packet.
    ///
    /// It reads no further: a program that writes into a pipe sends this much at once, and may never send a packet.
    pub(crate) fn open<R: Read>(source: &mut Source<R>) -> Result<Self, PcapError> {
        let mut section = Self::default();
        section.begin_section(source, 0)?;
        while !section.ethernet {
            let first = section.interfaces.first().map(|interface| interface.link_type);
            match (section.begin(source)?, first) {
                (None, None) => break,
                (None, Some(link_type)) => {
                    return Err(PcapError::LinkType { path: source.path.clone(), link_type });
                }
                (Some(block), None) if block.is_packet() => {
                    return Err(broken(source, block.start, "it is a packet before any interface"));
                }
                (Some(block), Some(_)) if block.is_packet() => {
                    section.ahead = Some(block);
                    break;
                }
                (Some(block), _) => section.read_other(source, block)?,
            }
        }
        Ok(section)
    }

    /// Reads the next packet of an Ethernet interface, its frame into `buffer`. A capture that ends without any such
    /// interface is an error.
    pub(crate) fn next<R: Read>(
        &mut self,
        source: &mut Source<R>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Header>, PcapError> {
        while let Some(block) = self.begin(source)? {
            let header = match block.kind {
                ENHANCED_PACKET | OLD_PACKET => self.read_packet(source, block, buffer)?,
                SIMPLE_PACKET => self.read_simple_packet(source, block, buffer)?,
                _ => {
                    self.read_other(source, block)?;
                    continue;
                }
            };
            if header.is_some() {
                return Ok(header);
            }
        }
        match self.others {
            Some(OtherLinks { link_type, .. }) if !self.ethernet => {
                Err(PcapError::LinkType { path: source.path.clone(), link_type })
            }
            _ => Ok(None),
        }
    }

    /// Reads the start of a block, or a whole section header; `None` at the end of the file.
    fn begin<R: Read>(&mut self, source: &mut Source<R>) -> Result<Option<Block>, PcapError> {
        if self.ahead.is_some() {
            return Ok(self.ahead.take());
        }
        loop {
            let start = source.offset;
            let mut head = [0; 4];
            match source.fill(&mut head)? {
                0 => return Ok(None),
                4 => {}
                _ => return Err(ends_inside(source, start)),
            }
            if Self::starts_with(head) {
                self.begin_section(source, start)?;
                continue;
            }
            let kind = word(&head, 0, self.swapped);
            let mut block = Block { kind, start, total: BLOCK_FRAME, left: 4 };
            let total = word(&block.take::<R, 4>(source)?, 0, self.swapped);
            block.has_length(source, total, BLOCK_FRAME)?;
            return Ok(Some(block));
        }
    }

    /// Reads a section header block (section 4.1) after its type: from here on its byte order applies, and no
    /// interface is known.
    fn begin_section<R: Read>(&mut self, source: &mut Source<R>, start: u64) -> Result<(), PcapError> {
        let mut head = [0; 8];
        let found = source.fill(&mut head)?;
        if found < head.len() && start == 0 {
            return Err(PcapError::TruncatedHeader { path: source.path.clone(), found: 4 + found });
        }
        if found < head.len() {
            return Err(ends_inside(source, start));
        }
        self.swapped = match BYTE_ORDER {
            order if order == word(&head, 4, false) => false,
            order if order == word(&head, 4, true) => true,
            _ => return Err(broken(source, start, "it is a section without a byte order")),
        };
        self.interfaces.clear();
        let mut block = Block { kind: SECTION, start, total: BLOCK_FRAME, left: 0 };
        block.has_length(source, word(&head, 0, self.swapped), SECTION_LEAST)?;
        block.left -= 4;
        let version = block.take::<R, 4>(source)?;
        let [major, minor] = [0, 2].map(|at| half(&version, at, self.swapped));
        if major != 1 {
            let path = source.path.clone();
            return Err(PcapError::Version { path, format: "pcapng", major, minor, needed: "1.0" });
        }
        block.end(source, self.swapped)
    }

    /// Reads an interface description (section 4.2), or skips a block of another kind.
    fn read_other<R: Read>(&mut self, source: &mut Source<R>, mut block: Block) -> Result<(), PcapError> {
        if block.kind != INTERFACE {
            return block.end(source, self.swapped);
        }
        let fixed = block.take::<R, 8>(source)?;
        let mut interface = Interface {
            link_type: half(&fixed, 0, self.swapped),
            snaplen: word(&fixed, 4, self.swapped),
            fcs: 0,
            unit: Unit::Decimal(6),
            offset: 0,
        };
        while block.left >= 4 {
            let head = block.take::<R, 4>(source)?;
            let [code, length] = [0, 2].map(|at| half(&head, at, self.swapped));
            if code == 0 {
                break;
            }
            let padded = u32::from(length).next_multiple_of(4);
            if padded > block.left {
                return Err(broken(source, block.start, "one of its options is longer than the block"));
            }
            let after = block.left - padded;
            match (code, length) {
                (IF_TSRESOL, 1) => {
                    let [value, ..] = block.take::<R, 4>(source)?;
                    let exponent = u32::from(value & 0x7f);
                    interface.unit =
                        if value & 0x80 == 0 { Unit::Decimal(exponent) } else { Unit::Binary(exponent) };
                }
                (IF_FCSLEN, 1) => interface.fcs = block.take::<R, 4>(source)?[0].into(),
                (IF_TSOFFSET, 8) => {
                    let value = block.take::<R, 8>(source)?;
                    interface.offset =
                        if self.swapped { i64::from_be_bytes(value) } else { i64::from_le_bytes(value) };
                }
                _ => {}
            }
            block.skip(source, block.left - after)?;
        }
        if self.interfaces.len() >= INTERFACES {
            return Err(broken(source, block.start, "it is one interface more than the 65536 of a section"));
        }
        self.ethernet |= interface.link_type == ETHERNET;
        self.interfaces.push(interface);
        block.end(source, self.swapped)
    }

    /// Reads an enhanced packet block (section 4.3), or the obsolete one (appendix A), which has other fields in
    /// the same places from the time stamp on. `None` when its interface is not Ethernet.
    fn read_packet<R: Read>(
        &mut self,
        source: &mut Source<R>,
        mut block: Block,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Header>, PcapError> {
        let fixed = block.take::<R, 20>(source)?;
        let number = match block.kind {
            OLD_PACKET => half(&fixed, 0, self.swapped).into(),
            _ => word(&fixed, 0, self.swapped),
        };
        let [high, low, captured, original] = [4, 8, 12, 16].map(|at| word(&fixed, at, self.swapped));
        let interface = self.interface(source, &block, number)?;
        self.time = interface.time(u64::from(high) << 32 | u64::from(low));
        self.read_frame(source, block, interface, buffer, [captured, original])
    }

    /// Reads a simple packet block (section 4.4): from the first interface, without a time.
    fn read_simple_packet<R: Read>(
        &mut self,
        source: &mut Source<R>,
        mut block: Block,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Header>, PcapError> {
        let original = word(&block.take::<R, 4>(source)?, 0, self.swapped);
        let interface = self.interface(source, &block, 0)?;
        let captured = if interface.snaplen == 0 { original } else { original.min(interface.snaplen) };
        self.read_frame(source, block, interface, buffer, [captured, original])
    }

    fn interface<R>(&self, source: &Source<R>, block: &Block, number: u32) -> Result<Interface, PcapError> {
        let known = self.interfaces.get(number as usize).copied();
        known.ok_or_else(|| {
            let count = counted(self.interfaces.len() as u64, "interface");
            let problem = format!("it is a packet of interface {number}, behind descriptions of {count}");
            broken(source, block.start, problem)
        })
    }

    /// Reads a packet's frame and skips the block's rest.
    fn read_frame<R: Read>(
        &mut self,
        source: &mut Source<R>,
        mut block: Block,
        interface: Interface,
        buffer: &mut Vec<u8>,
        [captured, original]: [u32; 2],
    ) -> Result<Option<Header>, PcapError> {
        if captured > MAX_RECORD {
            let (path, record) = (source.path.clone(), source.records + 1);
            return Err(PcapError::RecordTooLong { path, record, offset: block.start, length: captured });
        }
        if captured > block.left {
            let problem = format!("it claims {captured} bytes of a packet, and has room for {}", block.left);
            return Err(broken(source, block.start, problem));
        }
        buffer.resize(captured as usize, 0);
        block.read(source, buffer)?;
        block.end(source, self.swapped)?;
        source.records += 1;
        if interface.link_type == ETHERNET {
            return Ok(Some(Header::new(self.time, captured, original, interface.fcs)));
        }
        let first = OtherLinks { records: 0, first: source.records, link_type: interface.link_type };
        self.others.get_or_insert(first).records += 1;
        Ok(None)
    }
}

impl Interface {
    /// A time stamp in nanoseconds since 1970-01-01 UTC; one out of range becomes the nearest valid one.
    fn time(&self, stamp: u64) -> u64 {
        let stamp = u128::from(stamp);
        let nanoseconds = match self.unit {
            Unit::Decimal(exponent @ ..=9) => stamp * 10_u128.pow(9 - exponent),
            Unit::Decimal(exponent @ ..=28) => stamp / 10_u128.pow(exponent - 9),
            Unit::Decimal(_) => 0,
            Unit::Binary(exponent) => (stamp * 1_000_000_000) >> exponent,
        };
        let offset = i128::from(self.offset) * 1_000_000_000;
        let sum = i128::try_from(nanoseconds).unwrap_or(i128::MAX).saturating_add(offset);
        u64::try_from(sum.max(0)).unwrap_or(u64::MAX)
    }
}

impl Block {
    fn is_packet(&self) -> bool {
        matches!(self.kind, ENHANCED_PACKET | SIMPLE_PACKET | OLD_PACKET)
    }

    /// Takes over the length that the block claims.
    fn has_length<R>(&mut self, source: &Source<R>, total: u32, least: u32) -> Result<(), PcapError> {
        if total < least || !total.is_multiple_of(4) {
            let problem = format!("its length is {total}, where a multiple of 4 from {least} on is due");
            return Err(broken(source, self.start, problem));
        }
        (self.total, self.left) = (total, total - BLOCK_FRAME);
        Ok(())
    }

    /// Fills `into` from the body.
    fn read<R: Read>(&mut self, source: &mut Source<R>, into: &mut [u8]) -> Result<(), PcapError> {
        let Some(left) = self.left.checked_sub(into.len() as u32) else {
            let problem =
                format!("its {} bytes are too few for a block of type {:#x}", self.total, self.kind);
            return Err(broken(source, self.start, problem));
        };
        self.left = left;
        match source.fill(into)? {
            found if found < into.len() => Err(ends_inside(source, self.start)),
            _ => Ok(()),
        }
    }

    /// Reads the body's next `N` bytes.
    fn take<R: Read, const N: usize>(&mut self, source: &mut Source<R>) -> Result<[u8; N], PcapError> {
        let mut bytes = [0; N];
        self.read(source, &mut bytes)?;
        Ok(bytes)
    }

    /// Skips `count` bytes of the body, which has them.
    fn skip<R: Read>(&mut self, source: &mut Source<R>, count: u32) -> Result<(), PcapError> {
        self.left -= count;
        match source.skip(count.into())? {
            found if found < count.into() => Err(ends_inside(source, self.start)),
            _ => Ok(()),
        }
    }

    /// Skips the body's rest, and checks that the block ends with the length at its start.
    fn end<R: Read>(mut self, source: &mut Source<R>, swapped: bool) -> Result<(), PcapError> {
        self.skip(source, self.left)?;
        self.left = 4;
        let again = word(&self.take::<R, 4>(source)?, 0, swapped);
        if again != self.total {
            let problem = format!("it begins with a length of {} and ends with one of {again}", self.total);
            return Err(broken(source, self.start, problem));
        }
        Ok(())
    }
}

fn broken<R>(source: &Source<R>, offset: u64, problem: impl Into<String>) -> PcapError {
    let (path, records) = (source.path.clone(), source.records);
    PcapError::Block { path, records, offset, problem: problem.into() }
}

fn ends_inside<R>(source: &Source<R>, offset: u64) -> PcapError {
    let (path, records) = (source.path.clone(), source.records);
    PcapError::TruncatedBlock { path, records, offset, end: source.offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_of_any_unit_and_offset_become_nanoseconds() {
        let time =
            |unit, offset, stamp| Interface { link_type: 1, snaplen: 0, fcs: 0, unit, offset }.time(stamp);
        assert_eq!(time(Unit::Decimal(6), 0, 1_234_567), 1_234_567_000);
        assert_eq!(time(Unit::Decimal(0), 0, 7), 7_000_000_000);
        assert_eq!(time(Unit::Decimal(12), 0, 1_999), 1);
        assert_eq!(time(Unit::Decimal(127), 0, u64::MAX), 0);
        assert_eq!(time(Unit::Binary(1), 2, 3), 3_500_000_000);
        assert_eq!(time(Unit::Binary(127), 0, u64::MAX), 0);
        assert_eq!(time(Unit::Decimal(9), -1, 1_000_000_007), 7);
        assert_eq!(time(Unit::Decimal(9), i64::MIN, 5), 0);
        assert_eq!(time(Unit::Decimal(0), i64::MAX, u64::MAX), u64::MAX);
    }
}
