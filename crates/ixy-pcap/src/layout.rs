//! The layout of headers and records in the two formats that are written.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use crate::format::{
    BLOCK_FRAME, BYTE_ORDER, ENHANCED_FRAME, ENHANCED_PACKET, ETHERNET, FILE_HEADER, Format, IF_TSRESOL,
    INTERFACE, NANOSECONDS, RECORD_HEADER, SECTION, SECTION_LEAST, word,
};

/// Size of pcapng's two blocks before the packets: the section header, and an interface with its unit of time.
const PCAPNG_HEADER: usize = (SECTION_LEAST + BLOCK_FRAME + 8 + 8 + 4) as usize;

impl Format {
    /// The bytes before the records.
    pub(crate) fn header(self, snaplen: u32) -> Vec<u8> {
        let words: &[u32] = match self {
            // Version 2.4, in one word; a time zone and an accuracy that are always zero.
            Self::Pcap => &[NANOSECONDS, 2 | 4 << 16, 0, 0, snaplen, ETHERNET.into()],
            // Version 1.0, in one word; the section's length is unknown, which is -1.
            Self::Pcapng => {
                const SECTION_WORDS: [u32; 7] =
                    [SECTION, SECTION_LEAST, BYTE_ORDER, 1, u32::MAX, u32::MAX, SECTION_LEAST];
                const LENGTH: u32 = PCAPNG_HEADER as u32 - SECTION_LEAST;
                // The unit of time is an option of one byte: 10 to the power of -9 seconds. The end of options
                // follows.
                let unit = IF_TSRESOL as u32 | 1 << 16;
                let interface = [INTERFACE, LENGTH, ETHERNET.into(), snaplen, unit, 9, 0, LENGTH];
                &[&SECTION_WORDS[..], &interface[..]].concat()
            }
        };
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Size of a record with `captured` bytes of a frame, including padding.
    pub(crate) fn record_len(self, captured: usize) -> usize {
        match self {
            Self::Pcap => RECORD_HEADER + captured,
            Self::Pcapng => ENHANCED_FRAME as usize + captured.next_multiple_of(4),
        }
    }

    /// Appends a record to `buffer`.
    pub(crate) fn append(self, buffer: &mut Vec<u8>, time: u64, data: &[u8], original: u32) {
        let length = self.record_len(data.len()) as u32;
        let captured = data.len() as u32;
        let mut words = |words: &[u32]| words.iter().for_each(|word| buffer.extend(word.to_le_bytes()));
        match self {
            Self::Pcap => {
                let seconds = u32::try_from(time / 1_000_000_000).unwrap_or(u32::MAX);
                words(&[seconds, (time % 1_000_000_000) as u32, captured, original]);
                buffer.extend_from_slice(data);
            }
            Self::Pcapng => {
                words(&[ENHANCED_PACKET, length, 0, (time >> 32) as u32, time as u32, captured, original]);
                buffer.extend_from_slice(data);
                buffer.resize(buffer.len().next_multiple_of(4), 0);
                buffer.extend(length.to_le_bytes());
            }
        }
    }

    /// Size of the record at the start of `buffer`.
    fn first_record(self, buffer: &[u8]) -> usize {
        match self {
            Self::Pcap => self.record_len(word(buffer, 8, false) as usize),
            Self::Pcapng => word(buffer, 4, false) as usize,
        }
    }

    /// The number of the first `taken` bytes of `buffer`, which starts with a record, that belong to whole
    /// records, and the number of these records.
    pub(crate) fn whole_records(self, buffer: &[u8], taken: usize) -> (usize, u64) {
        let (mut end, mut records) = (0, 0);
        while let Some(rest) = buffer.get(end..taken).filter(|rest| !rest.is_empty()) {
            let next = self.first_record(rest);
            if next > rest.len() {
                break;
            }
            (end, records) = (end + next, records + 1);
        }
        (end, records)
    }
}

/// Packs bytes into their own gzip member, so that a file cut between two members is still whole (RFC 1952,
/// section 2.2).
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    // Writing to memory never fails.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

const _: () = assert!(FILE_HEADER == 24 && PCAPNG_HEADER == 60);
