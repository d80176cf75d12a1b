use std::{
    io::{self, Read},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::{
    Awaited, GiveUp, PcapError, error::STDIN, patience::Patient, pcap::Pcap, pcapng::Pcapng, source::Source,
};

/// One frame of a capture, borrowed from the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The time of capture, in nanoseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The captured bytes, without frame check sequence.
    pub data: &'a [u8],
    /// The length of the frame on the wire, in bytes, without frame check sequence; more than in `data` when the
    /// capture was made with a snapshot length.
    pub original: u32,
}

/// Packets of a pcapng capture that were skipped, since their interfaces are not Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherLinks {
    /// Their number so far.
    pub records: u64,
    /// The number of the first one.
    pub first: u64,
    /// Its link type.
    pub link_type: u16,
}

/// Reads a capture, frame by frame: pcap or pcapng, recognised by its first bytes, plain or gzip.
///
/// It reads forwards only, so the source may be a pipe; opening it does not wait for a packet. After an error it
/// stays at its end: only the frames before the error are available.
///
/// ```
/// use ixy_pcap::{Reader, Writer};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("in.pcap");
/// # let mut writer = Writer::create(&path, 0)?;
/// # writer.write(0, &[0xff; 60])?;
/// # writer.write(1, &[0xfe; 100])?;
/// # writer.finish()?;
/// let mut reader = Reader::open(&path)?; // a file with two frames
/// let mut bytes = 0;
/// while let Some(record) = reader.next_record()? {
///     bytes += record.data.len();
/// }
/// assert_eq!((bytes, reader.records()), (160, 2));
///
/// // What is in memory can be read as well; `name` stands for it in messages.
/// let error = Reader::new(&b"no capture"[..], "name").err().map(|error| error.to_string());
/// assert!(error.is_some_and(|text| text.contains("name")));
/// # Ok::<(), ixy_pcap::PcapError>(())
/// ```
pub struct Reader<R> {
    source: Source<R>,
    format: Layout,
    buffer: Vec<u8>,
    current: Option<Header>,
    ended: bool,
}

/// The format, with its state between records.
enum Layout {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// The header of the current record.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    time: u64,
    captured: usize,
    original: u32,
}

impl Header {
    /// A frame of which `captured` bytes are there; the last `fcs` bytes on the wire were its check sequence.
    pub(crate) fn new(time: u64, captured: u32, original: u32, fcs: u32) -> Self {
        let original = original.saturating_sub(fcs);
        // Only the captured part of the check sequence is removed; without one, nothing is.
        let captured = if fcs == 0 { captured } else { captured.min(original) };
        Self { time, captured: captured as usize, original }
    }
}

impl Reader<Box<dyn Read + Send>> {
    /// Opens a file, or standard input for `-`, and checks its header.
    ///
    /// # Errors
    /// The file cannot be opened or read, is not a capture, or holds other than Ethernet frames.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PcapError> {
        Self::open_unless(path, &GiveUp::default())
    }

    /// Like [`open`](Self::open), but waits for a pipe only until `give_up`, now and while it is read: the capture
    /// then ends.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), and [`PcapError::GivenUp`].
    pub fn open_unless(path: impl AsRef<Path>, give_up: &GiveUp) -> Result<Self, PcapError> {
        let path = path.as_ref();
        let failed = |source: io::Error| PcapError::Open { path: path.into(), source };
        let given_up = |name: &Path, awaited| PcapError::GivenUp { path: name.into(), awaited };
        let (file, name) = if path == Path::new("-") {
            let file = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
            (file.into(), Path::new(STDIN))
        } else {
            let file = give_up.open(path, OFlags::RDONLY).map_err(|errno| failed(errno.into()))?;
            (file.map_err(|awaited| given_up(path, awaited))?, path)
        };
        // Keeps writers of this crate from emptying it. Reading a file that is still being written is fine, so a
        // lock held by another process is no error.
        let _ = flock(&file, FlockOperation::NonBlockingLockShared);
        let reader: Result<Self, _> = Reader::new(Box::new(Patient::new(file, give_up)), name);
        reader.map_err(|error| if give_up.now() { given_up(name, Awaited::Header) } else { error })
    }
}

impl<R: Read> Reader<R> {
    /// Reads the header of a capture from any source; `name` is its name in messages.
    ///
    /// # Errors
    /// The source cannot be read, is not a capture, or holds other than Ethernet frames.
    pub fn new(source: R, name: impl Into<PathBuf>) -> Result<Self, PcapError> {
        let mut source = Source::new(source, name.into())?;
        let mut magic = [0; 4];
        let found = source.fill(&mut magic)?;
        let format = if found < magic.len() {
            return Err(PcapError::TruncatedHeader { path: source.path, found });
        } else if Pcap::starts_with(magic) {
            Layout::Pcap(Pcap::open(&mut source, magic)?)
        } else if Pcapng::starts_with(magic) {
            Layout::Pcapng(Pcapng::open(&mut source)?)
        } else {
            return Err(PcapError::NotPcap { path: source.path, magic });
        };
        Ok(Reader { source, format, buffer: Vec::new(), current: None, ended: false })
    }

    /// Whether bytes that are no gzip data follow the gzip data; known at the capture's end.
    pub(crate) fn has_garbage(&self) -> bool {
        self.source.has_garbage()
    }

    /// Advances to the next record: `false` at the capture's end. [`record`](Self::record) then returns it.
    ///
    /// # Errors
    /// The source cannot be read, ends inside the record, or the record is longer than
    /// [`MAX_RECORD`](crate::MAX_RECORD). The record is not returned, and the reader stays at its end.
    pub fn advance(&mut self) -> Result<bool, PcapError> {
        self.current = None;
        if self.ended {
            return Ok(false);
        }
        // Nothing follows the record until it proves whole.
        self.ended = true;
        self.current = match &mut self.format {
            Layout::Pcap(pcap) => pcap.next(&mut self.source, &mut self.buffer)?,
            Layout::Pcapng(pcapng) => pcapng.next(&mut self.source, &mut self.buffer)?,
        };
        self.ended = self.current.is_none();
        Ok(!self.ended)
    }

    /// The current record, from [`advance`](Self::advance).
    pub fn record(&self) -> Option<Record<'_>> {
        let Header { time, captured, original } = self.current?;
        Some(Record { time, data: self.buffer.get(..captured)?, original })
    }

    /// Advances to the next record and returns it; `None` at the capture's end.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance).
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, PcapError> {
        self.advance()?;
        Ok(self.record())
    }

    /// The number of records read, including skipped ones: the number of the current one, as Wireshark and editcap
    /// count them.
    pub fn records(&self) -> u64 {
        self.source.records
    }

    /// The packets skipped so far, since their interfaces are not Ethernet.
    pub fn other_links(&self) -> Option<OtherLinks> {
        match &self.format {
            Layout::Pcap(_) => None,
            Layout::Pcapng(pcapng) => pcapng.others,
        }
    }

    /// The file's name in messages.
    pub fn path(&self) -> &Path {
        &self.source.path
    }
}
