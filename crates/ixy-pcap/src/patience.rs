//! Waits for the other end of a pipe that the program can end: [`GiveUp`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat, open, stat};
use rustix::io::Errno;

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

    /// Opens a file with `flags` and mode 666. For a named pipe it waits for the other end; `None` when it gave
    /// up.
    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> Result<Option<File>, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let is_fifo = stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if self.0.is_none() || !is_fifo {
            return Ok(Some(open(path, flags, Mode::from_raw_mode(0o666))?.into()));
        }
        let file: File = loop {
            // Without a reader, a pipe cannot be opened for writing in this mode; for reading it can at once.
            match open(path, flags | OFlags::NONBLOCK, Mode::empty()) {
                Ok(file) => break file.into(),
                Err(Errno::NXIO) if !self.now() => std::thread::sleep(ASK),
                Err(Errno::NXIO) => return Ok(None),
                Err(error) => return Err(error),
            }
        };
        fcntl_setfl(&file, fcntl_getfl(&file)? & !OFlags::NONBLOCK)?;
        // A read before the first writer comes would find an end of file.
        if !flags.contains(OFlags::WRONLY) {
            while !self.wait(&file, PollFlags::IN)? {
                if self.now() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(file))
    }

    /// Writes all of `bytes` to a pipe; returns the number of bytes taken, even with an error.
    pub(crate) fn write_all(&self, file: &File, bytes: &[u8]) -> (usize, Result<(), Errno>) {
        let (mut taken, mut moved) = (0, Instant::now());
        // A regular file is always ready, and takes all of it.
        let waits = self.0.is_some() && is_pipe(file);
        let most = if waits { AT_ONCE } else { usize::MAX };
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            if waits {
                match self.wait(file, PollFlags::OUT) {
                    Ok(true) => {}
                    Ok(false) if self.now() && moved.elapsed() >= GRACE => {
                        return (taken, Err(Errno::TIMEDOUT));
                    }
                    Ok(false) => continue,
                    Err(error) => return (taken, Err(error)),
                }
            }
            match rustix::io::write(file, &rest[..rest.len().min(most)]) {
                // The system takes nothing and gives no reason.
                Ok(0) => return (taken, Err(Errno::IO)),
                Ok(count) => (taken, moved) = (taken + count, Instant::now()),
                Err(Errno::INTR) => {}
                Err(error) => return (taken, Err(error)),
            }
        }
        (taken, Ok(()))
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

/// A file whose reads wait until the program gives up. It ends then.
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
        // Applies to anything that can be polled: pipes, terminals, sockets; a regular file is always ready.
        while self.give_up.0.is_some() && !self.give_up.wait(&self.file, PollFlags::IN)? {
            if self.give_up.now() {
                return Ok(0);
            }
        }
        self.file.read(into)
    }
}
