use std::{
    fs::{self, File},
    io::{self, IsTerminal},
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, OFlags, flock},
    io::Errno,
};

use crate::{
    GiveUp, PcapError, claim,
    format::{Format, MAX_RECORD, is_gzip},
    layout,
    outlet::{Outlet, Refusal},
    reserve::Reservation,
};

/// Bytes gathered before they go to the system.
const BUFFER: usize = 256 * 1024;

/// Writes a capture with nanosecond timestamps, little-endian.
///
/// Frames collect in a buffer that is written out when it is full, at [`flush`](Self::flush), and at the end. A program
/// that calls [`flush_after`](Self::flush_after) in its loop lets a reader follow the file while it grows. When the
/// system refuses bytes, the file is cut after its last whole record, and the writer refuses all later frames with the
/// same error. Dropping a writer ends the file as [`finish`](Self::finish) does, but cannot return an error.
///
/// An old file keeps its content until the first record, [`flush`](Self::flush) or [`finish`](Self::finish). A writer
/// that is dropped before then leaves the file as it found it. A pipe gets the header at once, since its reader waits
/// for it.
///
/// A file with a name that ends in `.gz` is compressed: each buffer becomes its own gzip member, so that after a
/// kill or a full disk the file unpacks up to the last buffer.
///
/// ```
/// use ixy_pcap::Writer;
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("out.pcap");
/// let mut writer = Writer::create(&path, 64)?; // keeps 64 bytes of each frame; 0 keeps all
/// let now = 1_700_000_000_000_000_000; // nanoseconds since 1970
/// writer.write(now, &[0xff; 1000])?;
/// writer.write(now + 1_000, &[0xfe; 60])?;
/// assert_eq!(writer.records(), 2);
/// let length = writer.finish()?; // the header of the file, and two records with a header each
/// assert_eq!(length, 24 + (16 + 64) + (16 + 60));
/// # Ok::<(), ixy_pcap::PcapError>(())
/// ```
pub struct Writer {
    out: Outlet,
    path: PathBuf,
    format: Format,
    gzip: bool,
    /// Whether the file can be cut and its space claimed.
    regular: bool,
    /// Whether this writer made the file.
    created: bool,
    /// Whether the header was written.
    started: bool,
    snaplen: u32,
    reserved: Reservation,
    /// Whole records not yet written.
    buffer: Vec<u8>,
    /// Bytes and records that the file holds.
    bytes: u64,
    records: u64,
    /// Records in the buffer.
    waiting: u64,
    /// Since when the buffer holds its first record.
    since: Option<Instant>,
    failed: Option<Refusal>,
    finished: bool,
}

impl Writer {
    /// Creates a file, or opens an existing one to replace its content; `-` means standard output. The name chooses
    /// the [format](Format::of), and gzip. At most `snaplen` bytes of each frame are kept; 0, or more than
    /// [`MAX_RECORD`], means that limit.
    ///
    /// # Errors
    /// The file is a terminal or a closed standard output, cannot be created, is in use by another reader or writer of this crate, or is a pipe or
    /// a device that does not take the header.
    pub fn create(path: impl AsRef<Path>, snaplen: u32) -> Result<Self, PcapError> {
        let format = Format::of(&path);
        Self::create_as(path, snaplen, format, &GiveUp::default())
    }

    /// Like [`create`](Self::create), in the given format, and waits for the reader of a pipe only until
    /// `give_up`: now, and whenever it takes nothing.
    ///
    /// # Errors
    /// Those of [`create`](Self::create), and [`PcapError::GivenUp`].
    pub fn create_as(
        path: impl AsRef<Path>,
        snaplen: u32,
        format: Format,
        give_up: &GiveUp,
    ) -> Result<Self, PcapError> {
        let path = path.as_ref();
        let gzip = is_gzip(path);
        let open = |source| PcapError::Create { path: path.into(), source };
        if path == Path::new("-") && claim::stdout_is_closed() {
            return Err(PcapError::Closed);
        }
        let (file, path, regular, created) = if path == Path::new("-") {
            let file = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(open)?);
            // Even if it leads to a regular file: that one may hold more than this capture.
            (file, PathBuf::from("standard output"), false, false)
        } else {
            let flags = OFlags::WRONLY | OFlags::CREATE;
            let (file, created) = match give_up.open(path, flags | OFlags::EXCL) {
                Err(Errno::EXIST) => (give_up.open(path, flags), false),
                made => (made, true),
            };
            let file = file.map_err(|errno| open(errno.into()))?;
            let file = file.map_err(|awaited| PcapError::GivenUp { path: path.into(), awaited })?;
            let regular = file.metadata().map_err(open)?.is_file();
            if regular && flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
                return Err(PcapError::InUse { path: path.into() });
            }
            (file, path.to_path_buf(), regular, created)
        };
        if file.is_terminal() {
            return Err(PcapError::Terminal { path });
        }
        let snaplen = if snaplen == 0 { MAX_RECORD } else { snaplen.min(MAX_RECORD) };
        let mut writer = Writer {
            out: Outlet::new(file, give_up),
            path,
            format,
            gzip,
            regular,
            created,
            started: false,
            snaplen,
            reserved: Reservation::new(regular),
            buffer: Vec::with_capacity(BUFFER),
            bytes: 0,
            records: 0,
            waiting: 0,
            since: None,
            failed: None,
            finished: false,
        };
        if !regular {
            writer.start()?;
        }
        Ok(writer)
    }

    /// Adds a frame captured at `time`, in nanoseconds since 1970-01-01 UTC. In a pcap file times after the year 2105
    /// are written as its last second.
    ///
    /// # Errors
    /// The system refuses bytes, now or earlier.
    pub fn write(&mut self, time: u64, frame: &[u8]) -> Result<(), PcapError> {
        self.write_part(time, frame, u32::try_from(frame.len()).unwrap_or(u32::MAX))
    }

    /// Adds the captured part of a frame that was `original` bytes long on the wire.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    pub fn write_part(&mut self, time: u64, data: &[u8], original: u32) -> Result<(), PcapError> {
        if let Some(error) = self.failed {
            return Err(self.refused(error));
        }
        self.start()?;
        let data = data.get(..self.snaplen as usize).unwrap_or(data);
        let length = self.format.record_len(data.len());
        if !self.buffer.is_empty() && self.buffer.len() + length > BUFFER {
            self.flush()?;
        }
        if self.buffer.is_empty() {
            self.since = Some(Instant::now());
        }
        self.format.append(&mut self.buffer, time, data, original);
        self.waiting += 1;
        Ok(())
    }

    /// Writes the buffer out if its first frame has been in it for `age`, so that no frame waits much longer than that
    /// for those after it. Call it every few milliseconds. It reads the clock only while the buffer holds a frame.
    ///
    /// # Errors
    /// The system refuses bytes, now or earlier.
    pub fn flush_after(&mut self, age: Duration) -> Result<(), PcapError> {
        if self.since.is_some_and(|since| since.elapsed() >= age) { self.flush() } else { Ok(()) }
    }

    /// Writes the buffer out, at first after the header. (It does not wait for the disk.)
    ///
    /// # Errors
    /// The system refuses bytes, now or earlier.
    pub fn flush(&mut self) -> Result<(), PcapError> {
        if let Some(error) = self.failed {
            return Err(self.refused(error));
        }
        self.start()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let packed = self.gzip.then(|| layout::gzip(&self.buffer));
        let bytes = packed.as_deref().unwrap_or(&self.buffer);
        self.reserved.cover(&self.out.file, self.bytes + bytes.len() as u64);
        let (taken, result) = self.out.write_all(bytes);
        let (whole, records) = match result {
            Ok(()) => (taken, self.waiting),
            Err(_) if self.gzip => (0, 0),
            Err(_) => self.format.whole_records(&self.buffer, taken),
        };
        self.bytes += whole as u64;
        self.records += records;
        self.waiting = 0;
        self.since = None;
        self.buffer.clear();
        if let Err(error) = result {
            self.failed = Some(error);
            // Bytes after the last whole record are cut off. If that is impossible, the file is as after a kill.
            self.cut();
            return Err(self.refused(error));
        }
        Ok(())
    }

    /// Writes the buffer out and cuts the file to its exact length. Returns that length in bytes.
    ///
    /// # Errors
    /// The system refused bytes, now or earlier.
    pub fn finish(mut self) -> Result<u64, PcapError> {
        self.end()?;
        Ok(self.bytes)
    }

    /// Number of records accepted, including those in the buffer.
    pub fn records(&self) -> u64 {
        self.records + self.waiting
    }

    /// The file's name in messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Empties the file and writes the header, unless that is done. If it fails, a file that was made here is removed.
    fn start(&mut self) -> Result<(), PcapError> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        let header = self.format.header(self.snaplen);
        let header = if self.gzip { layout::gzip(&header) } else { header };
        self.cut();
        self.reserved.cover(&self.out.file, header.len() as u64);
        if let (_, Err(error)) = self.out.write_all(&header) {
            (self.finished, self.failed) = (true, Some(error));
            self.cut();
            self.remove();
            return Err(PcapError::Header { path: self.path.clone(), source: error.into() });
        }
        self.bytes = header.len() as u64;
        Ok(())
    }

    /// Removes the file if it was made here.
    fn remove(&self) {
        if self.regular && self.created {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn end(&mut self) -> Result<(), PcapError> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        let result = self.flush();
        self.cut();
        // Closing is not enough: a process that another thread is just starting holds the file open until it runs
        // its program.
        let _ = flock(&self.out.file, FlockOperation::Unlock);
        result
    }

    /// Cuts the file to its exact length and releases the space claimed beyond it.
    fn cut(&self) {
        if self.regular {
            let _ = self.out.file.set_len(self.bytes);
        }
    }

    fn refused(&self, error: Refusal) -> PcapError {
        PcapError::Write {
            path: self.path.clone(),
            bytes: self.bytes,
            records: self.records,
            source: error.into(),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.started {
            let _ = self.end();
        } else {
            self.remove();
        }
    }
}
