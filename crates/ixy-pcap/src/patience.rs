//! Waits for the other end of a pipe, a socket or a terminal that the program can end: [`GiveUp`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, fcntl_getfl, fcntl_setfl, flock, open, stat};
use rustix::io::Errno;

use crate::PcapError;
use crate::outlet::Outlet;

/// The interval at which a wait asks whether to give up.
const ASK: Duration = Duration::from_millis(20);

/// Decides when to stop waiting for the other end of a named pipe or of standard input and output. By default
/// never.
///
/// Opening a named pipe waits for its other end, reading from a pipe for data, and writing to one for room, as to a
/// socket or a terminal. Only the other end can end these waits, unless the program gives up. When a second has
/// passed in vain for one output, clones wait for the others a tenth of a second only.
///
/// ```
/// use std::time::{Duration, Instant};
/// use ixy_pcap::GiveUp;
///
/// let deadline = Instant::now() + Duration::from_secs(10);
/// let give_up = GiveUp::when(move || Instant::now() >= deadline);
/// assert!(!give_up.now()); // `Reader::open_unless` and `Writer::create_as` ask every 20 ms while they wait
/// ```
#[derive(Clone, Default)]
pub struct GiveUp(Option<Arc<Decision>>);

struct Decision {
    stop: Box<dyn Fn() -> bool + Send + Sync>,
    /// Whether an output was given up.
    lost: AtomicBool,
}

impl GiveUp {
    /// Gives up once `stop` returns true. A wait calls it every 20 ms.
    pub fn when(stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Decision { stop: Box::new(stop), lost: AtomicBool::new(false) })))
    }

    /// Whether to give up now.
    pub fn now(&self) -> bool {
        self.0.as_ref().is_some_and(|decision| (decision.stop)())
    }

    /// Whether it can ever give up.
    pub(crate) fn is_possible(&self) -> bool {
        self.0.is_some()
    }

    /// Whether this or a clone has given up an output.
    pub(crate) fn has_lost(&self) -> bool {
        self.0.as_ref().is_some_and(|decision| decision.lost.load(Ordering::Relaxed))
    }

    /// Gives up an output.
    pub(crate) fn lose(&self) {
        if let Some(decision) = &self.0 {
            decision.lost.store(true, Ordering::Relaxed);
        }
    }

    /// Waits for an event on a file; for a slice of time only if it may have to give up. `false` when there is no
    /// event yet.
    pub(crate) fn wait(&self, file: &File, event: PollFlags) -> Result<bool, Errno> {
        has(file, event, self.0.is_some().then_some(ASK))
    }

    /// Creates a file, or opens an existing one, which the first write or flush empties. For a named pipe it waits
    /// for a reader. Writes to the result wait until a second after the program wants to give up, and then fail.
    ///
    /// # Errors
    /// [`PcapError::Create`], [`PcapError::GivenUp`] if no reader came, or [`PcapError::InUse`].
    pub fn create(&self, path: &Path) -> Result<impl Write + Send + use<>, PcapError> {
        let failed = |source: Errno| PcapError::Create { path: path.into(), source: source.into() };
        let file = self.open(path, OFlags::WRONLY | OFlags::CREATE).map_err(failed)?;
        let file = file.map_err(|awaited| PcapError::GivenUp { path: path.into(), awaited })?;
        let old = file.metadata().is_ok_and(|file| file.is_file());
        if old && flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Err(PcapError::InUse { path: path.into() });
        }
        Ok(PatientWriter { out: Outlet::new(file, self), old })
    }

    /// A file that writes wait for as long as [`create`](Self::create) says: a pipe, a socket, a terminal. A write to
    /// a terminal that is gone fails as one to a pipe without a reader does.
    pub fn writer(&self, file: File) -> impl Write + Send + use<> {
        Outlet::new(file, self)
    }

    /// Opens a file with `flags` and mode 666. For a named pipe it waits for the other end; `Ok(Err(_))` when it gave
    /// up.
    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> Result<Result<File, Awaited>, Errno> {
        // A terminal does not become the process's own.
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
        let is_fifo = stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if self.0.is_none() || !is_fifo {
            return Ok(Ok(open(path, flags, Mode::from_raw_mode(0o666))?.into()));
        }
        let file: File = loop {
            // Without a reader, a pipe cannot be opened for writing in this mode; for reading it can at once.
            match open(path, flags | OFlags::NONBLOCK, Mode::empty()) {
                Ok(file) => break file.into(),
                Err(Errno::NXIO) if !self.now() => std::thread::sleep(ASK),
                Err(Errno::NXIO) => return Ok(Err(Awaited::Reader)),
                Err(error) => return Err(error),
            }
        };
        // A read before the first writer comes would find an end of file.
        if !flags.contains(OFlags::WRONLY) {
            while !self.wait(&file, PollFlags::IN)? {
                if self.now() {
                    // Not blocking, a read finds an end of file without a writer, and an error with one.
                    let writer = rustix::io::read(&file, &mut [0; 1]) != Ok(0);
                    return Ok(Err(if writer { Awaited::Header } else { Awaited::Writer }));
                }
            }
        }
        fcntl_setfl(&file, fcntl_getfl(&file)? & !OFlags::NONBLOCK)?;
        Ok(Ok(file))
    }
}

/// Waits for an event on a file, for a time at most. `false` when there is none yet.
pub(crate) fn has(file: &File, event: PollFlags, time: Option<Duration>) -> Result<bool, Errno> {
    let time = time.map(|time| Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() });
    match poll(&mut [PollFd::new(file, event)], time.as_ref()) {
        Err(Errno::INTR) => Ok(false),
        other => other.map(|events| events > 0),
    }
}

/// What a program waited for until it gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Awaited {
    /// A program that opens the pipe to write.
    Writer,
    /// A program that opens the pipe to read.
    Reader,
    /// The header of a capture: the writer is there, and wrote nothing or too little.
    Header,
}

impl fmt::Display for Awaited {
    /// To be read behind the name of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Writer => "is a pipe that no other program opened to write",
            Self::Reader => "is a pipe that no other program opened to read",
            Self::Header => "gave no whole header of a capture",
        })
    }
}

impl fmt::Debug for GiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GiveUp").field(&self.0.as_ref().map(|_| "when")).finish()
    }
}

/// A file that is read until the program gives up: there it ends.
pub(crate) struct Patient {
    file: File,
    give_up: GiveUp,
}

impl Patient {
    pub(crate) fn new(file: File, give_up: &GiveUp) -> Self {
        Self { file, give_up: give_up.clone() }
    }
}

impl Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Anything can be polled: pipes, terminals, sockets; a regular file is always ready.
        while self.give_up.0.is_some() {
            if self.give_up.now() {
                return Ok(0);
            }
            if self.give_up.wait(&self.file, PollFlags::IN)? {
                break;
            }
        }
        self.file.read(into)
    }
}

/// An [`Outlet`] whose first write or flush empties an old file.
struct PatientWriter {
    out: Outlet,
    /// Whether it is to be emptied first.
    old: bool,
}

impl Write for PatientWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.old {
            self.out.file.set_len(0)?;
            self.old = false;
        }
        Ok(())
    }
}
