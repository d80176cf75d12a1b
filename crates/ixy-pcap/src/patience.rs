//! Waits for the other end of a pipe that the program can end: [`GiveUp`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{
    FileType, FlockOperation, Mode, OFlags, fcntl_getfl, fcntl_setfl, flock, fstat, open, stat,
};
use rustix::io::Errno;

use crate::PcapError;

/// The interval at which a wait asks whether to give up.
const ASK: Duration = Duration::from_millis(20);
/// The time for which the reader of a pipe may have taken nothing when the program wants to end.
const GRACE: Duration = Duration::from_secs(1);
/// The bytes that a pipe takes without blocking once it is ready (PIPE_BUF, pipe(7)).
const AT_ONCE: usize = 4096;

/// Decides when to stop waiting for the other end of a named pipe or of standard input and output. By default
/// never.
///
/// Opening a named pipe waits for its other end, reading from a pipe for data, and writing to one for room. Only
/// the other end can end these waits, unless the program gives up.
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
pub struct GiveUp(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl GiveUp {
    /// Gives up once `stop` returns true. A wait calls it every 20 ms.
    pub fn when(stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(stop)))
    }

    /// Whether to give up now.
    pub fn now(&self) -> bool {
        self.0.as_ref().is_some_and(|stop| stop())
    }

    /// Waits for an event on a file; for a slice of time only if it may have to give up. `false` when there is no
    /// event yet.
    fn wait(&self, file: &File, event: PollFlags) -> Result<bool, Errno> {
        let slice = Timespec { tv_sec: 0, tv_nsec: ASK.subsec_nanos().into() };
        match poll(&mut [PollFd::new(file, event)], self.0.is_some().then_some(&slice)) {
            Err(Errno::INTR) => Ok(false),
            other => other.map(|events| events > 0),
        }
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
        Ok(PatientWriter { file, old, give_up: self.clone() })
    }

    /// A file that writes wait for as long as [`create`](Self::create) says.
    pub fn writer(&self, file: File) -> impl Write + Send + use<> {
        PatientWriter { file, old: false, give_up: self.clone() }
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

    /// Writes all of `bytes` to a pipe; returns the number of bytes taken, even with an error.
    pub(crate) fn write_all(&self, file: &File, bytes: &[u8]) -> (usize, Result<(), Refusal>) {
        let (mut taken, mut moved) = (0, Instant::now());
        // A regular file is always ready, and takes all of it.
        let waits = self.0.is_some() && is_pipe(file);
        let most = if waits { AT_ONCE } else { usize::MAX };
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            if waits {
                match self.wait(file, PollFlags::OUT) {
                    Ok(true) => {}
                    Ok(false) if self.now() && moved.elapsed() >= GRACE => {
                        return (taken, Err(Refusal::Stalled(moved.elapsed())));
                    }
                    Ok(false) => continue,
                    Err(error) => return (taken, Err(error.into())),
                }
            }
            match rustix::io::write(file, &rest[..rest.len().min(most)]) {
                // The system takes nothing and gives no reason.
                Ok(0) => return (taken, Err(Errno::IO.into())),
                Ok(count) => (taken, moved) = (taken + count, Instant::now()),
                Err(Errno::INTR) => {}
                Err(error) => return (taken, Err(error.into())),
            }
        }
        (taken, Ok(()))
    }
}

/// Why bytes cannot be written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    /// The system refused them.
    System(Errno),
    /// The reader of a pipe took nothing for this time.
    Stalled(Duration),
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::System(error) => error.into(),
            Refusal::Stalled(time) => {
                let text = format!("its reader took nothing for {:.0} s", time.as_secs_f64());
                Self::new(io::ErrorKind::TimedOut, text)
            }
        }
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

fn is_pipe(file: impl AsFd) -> bool {
    fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
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

/// A file that is written until the program gives up. It has no buffer.
struct PatientWriter {
    file: File,
    /// Whether it is to be emptied first.
    old: bool,
    give_up: GiveUp,
}

impl Write for PatientWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        match self.give_up.write_all(&self.file, bytes) {
            (0, Err(error)) => Err(error.into()),
            (taken, _) => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.old {
            self.file.set_len(0)?;
            self.old = false;
        }
        Ok(())
    }
}
