//! Reading the classic format.

use std::io::Read;

use crate::{
    PcapError,
    format::{
        ETHERNET, FCS_SHIFT, FILE_HEADER, HAS_FCS, MAX_RECORD, MICROSECONDS, NANOSECONDS, RECORD_HEADER,
        half, word,
    },
    reader::Header,
    source::Source,
};

/// The content of the file's header.
pub(crate) struct Pcap {
    swapped: bool,
    /// Nanoseconds in a unit of the records' fraction field.
    unit: u64,
    /// Bytes of frame check sequence at the end of each frame.
    fcs: u32,
}

impl Pcap {
    /// Whether a file with these first bytes is of this format.
    pub(crate) fn starts_with(magic: [u8; 4]) -> bool {
        [false, true].iter().any(|swapped| matches!(word(&magic, 0, *swapped), MICROSECONDS | NANOSECONDS))
    }

    /// Reads the rest of the file's header.
    pub(crate) fn open<R: Read>(source: &mut Source<R>, magic: [u8; 4]) -> Result<Self, PcapError> {
        let mut rest = [0; FILE_HEADER - 4];
        let found = 4 + source.fill(&mut rest)?;
        let path = || source.path.clone();
        if found < FILE_HEADER {
            return Err(PcapError::TruncatedHeader { path: path(), found });
        }
        let swapped = !matches!(word(&magic, 0, false), MICROSECONDS | NANOSECONDS);
        let unit = if word(&magic, 0, swapped) == NANOSECONDS { 1 } else { 1_000 };
        let [major, minor] = [0, 2].map(|at| half(&rest, at, swapped));
        if major != 2 {
            return Err(PcapError::Version { path: path(), format: "pcap", major, minor, needed: "2.4" });
        }
        let link = word(&rest, 16, swapped);
        if link as u16 != ETHERNET {
            return Err(PcapError::LinkType { path: path(), link_type: link as u16 });
        }
        let fcs = if link & HAS_FCS != 0 { (link >> FCS_SHIFT) * 2 } else { 0 };
        Ok(Self { swapped, unit, fcs })
    }

    /// Reads the next record, its frame into `buffer`.
    pub(crate) fn next<R: Read>(
        &self,
        source: &mut Source<R>,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Header>, PcapError> {
        let start = source.offset;
        let mut header = [0; RECORD_HEADER];
        match source.fill(&mut header)? {
            0 => return Ok(None),
            RECORD_HEADER => {}
            found => return Err(cut_off(source, start, "its header", RECORD_HEADER, found)),
        }
        let length = word(&header, 8, self.swapped);
        if length > MAX_RECORD {
            let record = source.records + 1;
            return Err(PcapError::RecordTooLong {
                path: source.path.clone(),
                record,
                offset: start,
                length,
            });
        }
        let (captured, data) = (length as usize, source.offset);
        buffer.resize(captured, 0);
        let found = source.fill(buffer)?;
        if found < captured {
            return Err(cut_off(source, data, "the frame", captured, found));
        }
        source.records += 1;
        let time = u64::from(word(&header, 0, self.swapped)) * 1_000_000_000
            + u64::from(word(&header, 4, self.swapped)) * self.unit;
        Ok(Some(Header::new(time, length, word(&header, 12, self.swapped), self.fcs)))
    }
}

fn cut_off<R>(source: &Source<R>, offset: u64, part: &'static str, wanted: usize, found: usize) -> PcapError {
    let (path, record) = (source.path.clone(), source.records + 1);
    PcapError::TruncatedRecord { path, record, offset, part, wanted, found }
}
