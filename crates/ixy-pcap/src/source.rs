//! The bytes of a capture, unpacked if they are gzip data.

use std::{
    io::{self, BufRead, BufReader, Chain, Cursor, Read},
    path::PathBuf,
};

use flate2::bufread::GzDecoder;

use crate::PcapError;

/// Bytes read from the system at once, and bytes unpacked at once.
///
/// A program can stop only between two of these reads. Gzip data can unpack to a thousand times its size.
const READ_AHEAD: usize = 64 * 1024;
/// The first bytes of gzip data (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The bytes read to check for compression, and all that follow.
type Start<R> = Chain<Cursor<Vec<u8>>, BufReader<R>>;

/// The bytes in the capture's format.
enum Bytes<R> {
    Plain(Start<R>),
    Gzip(Box<BufReader<Members<R>>>),
}

/// A capture's bytes, and the position in them.
pub(crate) struct Source<R> {
    bytes: Bytes<R>,
    /// The file's name in messages.
    pub(crate) path: PathBuf,
    /// Bytes read so far, counted after unpacking.
    pub(crate) offset: u64,
    /// Records read so far.
    pub(crate) records: u64,
}

impl<R: Read> Source<R> {
    /// Reads the first two bytes to find out whether the rest has to be unpacked.
    pub(crate) fn new(source: R, path: PathBuf) -> Result<Self, PcapError> {
        let mut source = BufReader::with_capacity(READ_AHEAD, source);
        let mut magic = [0; 2];
        let found = fill(&mut source, &mut magic).map_err(|(found, source)| PcapError::Read {
            path: path.clone(),
            offset: found as u64,
            source,
        })?;
        let start = Cursor::new(magic[..found].to_vec()).chain(source);
        let bytes = if magic == GZIP {
            Bytes::Gzip(Box::new(BufReader::with_capacity(
                READ_AHEAD,
                Members { current: Some(GzDecoder::new(start)), garbage: false },
            )))
        } else {
            Bytes::Plain(start)
        };
        Ok(Self { bytes, path, offset: 0, records: 0 })
    }

    /// Reads until `into` is full or the capture ends, and returns the number of bytes.
    pub(crate) fn fill(&mut self, into: &mut [u8]) -> Result<usize, PcapError> {
        let result = match &mut self.bytes {
            Bytes::Plain(bytes) => fill(bytes, into),
            Bytes::Gzip(bytes) => fill(bytes.as_mut(), into),
        };
        match result {
            Ok(found) => {
                self.offset += found as u64;
                Ok(found)
            }
            Err((found, source)) => {
                self.offset += found as u64;
                Err(self.failed(source))
            }
        }
    }

    /// Skips `count` bytes, and returns the number skipped.
    pub(crate) fn skip(&mut self, count: u64) -> Result<u64, PcapError> {
        let mut left = count;
        while left > 0 {
            let bytes: &mut dyn BufRead = match &mut self.bytes {
                Bytes::Plain(bytes) => bytes,
                Bytes::Gzip(bytes) => bytes.as_mut(),
            };
            match bytes.fill_buf() {
                Ok([]) => break,
                Ok(found) => {
                    let taken = left.min(found.len() as u64);
                    bytes.consume(taken as usize);
                    left -= taken;
                    self.offset += taken;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(count - left)
    }

    /// Whether bytes that are no gzip data follow the gzip data; known at its end.
    pub(crate) fn has_garbage(&self) -> bool {
        matches!(&self.bytes, Bytes::Gzip(bytes) if bytes.get_ref().garbage)
    }

    fn failed(&self, source: io::Error) -> PcapError {
        let (path, offset) = (self.path.clone(), self.offset);
        let damaged = matches!(
            source.kind(),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
        );
        match self.bytes {
            Bytes::Gzip(_) if damaged => PcapError::Gzip { path, offset, records: self.records, source },
            _ => PcapError::Read { path, offset, source },
        }
    }
}

/// Unpacks all members of gzip data, one behind the other (RFC 1952, section 2.2). It ignores zeros behind a member,
/// which pad the data to a whole block on tapes, and, as gzip(1) does, all that follows and is no member.
struct Members<R> {
    current: Option<GzDecoder<Start<R>>>,
    /// Whether other bytes follow the last member.
    garbage: bool,
}

impl<R: Read> Members<R> {
    /// Skips zeros, and starts with the next member if there is one.
    fn advance(&mut self, mut source: BufReader<R>) -> io::Result<()> {
        let rest = loop {
            let bytes = match source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let (count, zeros) = (bytes.len(), bytes.iter().take_while(|byte| **byte == 0).count());
            source.consume(zeros);
            if zeros < count || count == 0 {
                break count > 0;
            }
        };
        let mut magic = [0; 2];
        let found = fill(&mut source, &mut magic).map_err(|(_, error)| error)?;
        self.garbage = rest && magic != GZIP;
        if magic == GZIP {
            self.current = Some(GzDecoder::new(Cursor::new(magic[..found].to_vec()).chain(source)));
        }
        Ok(())
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.current {
            let found = decoder.read(into)?;
            if found > 0 || into.is_empty() {
                return Ok(found);
            }
            // The member has ended.
            let Some(decoder) = self.current.take() else { break };
            let (_, source) = decoder.into_inner().into_inner();
            self.advance(source)?;
        }
        Ok(0)
    }
}

/// Reads until `into` is full or the source ends; returns the number of bytes read, even with an error.
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
