use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use crate::{
    PcapError,
    format::{
        ETHERNET, FCS_SHIFT, FILE_HEADER, HAS_FCS, MAX_RECORD, MICROSECONDS, NANOSECONDS, PCAPNG,
        RECORD_HEADER, word,
    },
};

/// Bytes read from the system at once.
const READ_AHEAD: usize = 256 * 1024;

/// One frame of a capture, borrowed from the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was captured, in nanoseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The captured bytes, without frame check sequence.
    pub data: &'a [u8],
    /// How long the frame was on the wire, in bytes, without frame check sequence; more than `data` has when
    /// the capture was made with a snapshot length.
    pub original: u32,
}

/// Reads a capture, frame by frame.
///
/// It reads forwards only, so the source may be a pipe. After an error it stays at its end: the frames before
/// the error are all there is.
pub struct Reader<R> {
    source: BufReader<R>,
    path: PathBuf,
    swapped: bool,
    /// Nanoseconds in a unit of the records' fraction field.
    unit: u64,
    /// Bytes of frame check sequence at the end of each frame.
    fcs: u32,
    /// Where the next record starts.
    offset: u64,
    /// Records read so far.
    records: u64,
    buffer: Vec<u8>,
    current: Option<Header>,
    ended: bool,
}

/// What stays of the current record's header.
#[derive(Clone, Copy)]
struct Header {
    time: u64,
    captured: usize,
    original: u32,
}

impl Reader<Box<dyn Read + Send>> {
    /// Opens a file, or standard input for `-`, and checks its header.
    ///
    /// # Errors
    /// The file cannot be opened or read, is no pcap capture, or holds other than Ethernet frames.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PcapError> {
        let path = path.as_ref();
        if path == Path::new("-") {
            return Reader::new(Box::new(io::stdin()), "standard input");
        }
        let file = File::open(path).map_err(|source| PcapError::Open { path: path.into(), source })?;
        // So that no writer of this crate empties it meanwhile. Reading what is still being written is fine,
        // so it is no error when the lock is not to be had.
        let _ = flock(&file, FlockOperation::NonBlockingLockShared);
        Reader::new(Box::new(file), path)
    }
}

impl<R: Read> Reader<R> {
    /// Reads the header of a capture from any source; `name` stands for it in messages.
    ///
    /// # Errors
    /// The source cannot be read, is no pcap capture, or holds other than Ethernet frames.
    pub fn new(source: R, name: impl Into<PathBuf>) -> Result<Self, PcapError> {
        let path = name.into();
        let mut source = BufReader::with_capacity(READ_AHEAD, source);
        let mut header = [0; FILE_HEADER];
        let found = fill(&mut source, &mut header).map_err(|(found, source)| PcapError::Read {
            path: path.clone(),
            offset: found as u64,
            source,
        })?;

        // The magic number is looked at first: a short file of another kind is told by its kind, not by its
        // length.
        let [m0, m1, m2, m3, ..] = header;
        let magic = [m0, m1, m2, m3];
        if found >= magic.len() {
            if magic == PCAPNG {
                return Err(PcapError::Pcapng { path });
            }
            if !matches!(word(&header, 0, false), MICROSECONDS | NANOSECONDS)
                && !matches!(word(&header, 0, true), MICROSECONDS | NANOSECONDS)
            {
                return Err(PcapError::NotPcap { path, magic });
            }
        }
        if found < FILE_HEADER {
            return Err(PcapError::TruncatedHeader { path, found });
        }
        let swapped = !matches!(word(&header, 0, false), MICROSECONDS | NANOSECONDS);
        let unit = if word(&header, 0, swapped) == NANOSECONDS { 1 } else { 1_000 };

        // Two 16-bit numbers, read as one word: the major version comes first, so its half depends on the
        // byte order of the file.
        let version = word(&header, 4, swapped);
        let (major, minor) = if swapped { (version >> 16, version) } else { (version, version >> 16) };
        if major as u16 != 2 {
            return Err(PcapError::Version { path, major: major as u16, minor: minor as u16 });
        }
        let link = word(&header, 20, swapped);
        if link as u16 != ETHERNET {
            return Err(PcapError::LinkType { path, link_type: link as u16 });
        }
        let fcs = if link & HAS_FCS != 0 { (link >> FCS_SHIFT) * 2 } else { 0 };
        Ok(Reader {
            source,
            path,
            swapped,
            unit,
            fcs,
            offset: FILE_HEADER as u64,
            records: 0,
            buffer: Vec::new(),
            current: None,
            ended: false,
        })
    }

    /// Goes to the next record: `false` at the capture's end. [`record`](Self::record) then gives it.
    ///
    /// # Errors
    /// The source cannot be read, ends inside the record, or the record is longer than [`MAX_RECORD`]. The
    /// record is not given, and the reader stays at its end.
    pub fn advance(&mut self) -> Result<bool, PcapError> {
        self.current = None;
        if self.ended {
            return Ok(false);
        }
        // Until the record proves whole, there is no going on after it.
        self.ended = true;
        let record = self.records + 1;
        let mut header = [0; RECORD_HEADER];
        match self.fill_at(self.offset, Some(&mut header))? {
            0 => return Ok(false),
            RECORD_HEADER => {}
            found => return Err(self.cut_off(self.offset, "its header", RECORD_HEADER, found)),
        }
        let length = word(&header, 8, self.swapped);
        if length > MAX_RECORD {
            return Err(PcapError::RecordTooLong {
                path: self.path.clone(),
                record,
                offset: self.offset,
                length,
            });
        }
        let captured = length as usize;
        let data = self.offset + RECORD_HEADER as u64;
        self.buffer.resize(captured, 0);
        let found = self.fill_at(data, None)?;
        if found < captured {
            return Err(self.cut_off(data, "the frame", captured, found));
        }
        let original = word(&header, 12, self.swapped).saturating_sub(self.fcs);
        self.current = Some(Header {
            time: u64::from(word(&header, 0, self.swapped)) * 1_000_000_000
                + u64::from(word(&header, 4, self.swapped)) * self.unit,
            // Only what of the check sequence was captured is to be left out; without one, nothing is.
            captured: if self.fcs == 0 { captured } else { captured.min(original as usize) },
            original,
        });
        self.records = record;
        self.offset = data + captured as u64;
        self.ended = false;
        Ok(true)
    }

    /// The record that [`advance`](Self::advance) went to.
    pub fn record(&self) -> Option<Record<'_>> {
        let Header { time, captured, original } = self.current?;
        Some(Record { time, data: self.buffer.get(..captured)?, original })
    }

    /// Goes to the next record and gives it; `None` at the capture's end.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, PcapError> {
        self.advance()?;
        Ok(self.record())
    }

    /// How many records were read.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The file, as messages name it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills a record's header, or else the buffer, and says how many bytes there were.
    fn fill_at(&mut self, offset: u64, header: Option<&mut [u8; RECORD_HEADER]>) -> Result<usize, PcapError> {
        let into = header.map_or(self.buffer.as_mut_slice(), |header| header.as_mut_slice());
        fill(&mut self.source, into).map_err(|(found, source)| PcapError::Read {
            path: self.path.clone(),
            offset: offset + found as u64,
            source,
        })
    }

    fn cut_off(&self, offset: u64, part: &'static str, wanted: usize, found: usize) -> PcapError {
        PcapError::TruncatedRecord {
            path: self.path.clone(),
            record: self.records + 1,
            offset,
            part,
            wanted,
            found,
        }
    }
}

/// Reads until `into` is full or the source ends; gives the number of bytes read, with an error too.
fn fill(source: &mut impl Read, into: &mut [u8]) -> Result<usize, (usize, io::Error)> {
    let mut found = 0;
    while let Some(rest) = into.get_mut(found..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => found += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((found, error)),
        }
    }
    Ok(found)
}
