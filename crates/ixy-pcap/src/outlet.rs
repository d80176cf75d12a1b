//! Writes that the program can end although nobody takes the bytes: [`Outlet`].

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags, fstat, major, minor, open};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::patience::{GiveUp, has};

/// The time for which nobody may have taken a byte when the program wants to end.
const GRACE: Duration = Duration::from_secs(1);
/// The same for an output after another one of the same program was given up.
const SHORT: Duration = Duration::from_millis(100);
/// The pause before a file is tried again that is ready and still takes nothing.
const AGAIN: Duration = Duration::from_millis(1);
/// The bytes that a pipe takes without blocking once it is ready (PIPE_BUF, pipe(7)).
const PIPE: usize = 4096;
/// The same of a terminal: a line feed can become two characters, and a tabulator eight.
const TERMINAL: usize = 1;
/// The device that opens as a new terminal (pts(4)).
const MULTIPLEXER: (u32, u32) = (5, 2);

/// A file that is written until the program gives up. It has no buffer.
///
/// No write blocks in the system, where nothing could end it: pipes, sockets and terminals are asked to take what
/// they have room for. The description of standard output or standard error is shared with other processes, so its
/// flags stay as they are.
pub(crate) struct Outlet {
    pub(crate) file: File,
    way: Way,
    terminal: bool,
    give_up: GiveUp,
    /// Since when it has taken nothing, once it was given up. Later writes do not wait, unless it takes something.
    stalled: Option<Instant>,
}

/// How to write without blocking.
enum Way {
    /// The file never waits for another program, or the program never gives up.
    Direct,
    Socket,
    /// A description of the same pipe or terminal that belongs to this program, and does not block.
    Own(File),
    /// A pipe or terminal that this process may not open. Once it is ready it takes so many bytes.
    Ready(usize),
}

impl Way {
    fn of(file: &File) -> Self {
        let Ok(stat) = fstat(file) else { return Self::Direct };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Socket => Self::Socket,
            FileType::Fifo => own(file).map_or(Self::Ready(PIPE), Self::Own),
            FileType::CharacterDevice if file.is_terminal() => {
                let may_open = (major(stat.st_rdev), minor(stat.st_rdev)) != MULTIPLEXER;
                may_open.then(|| own(file)).flatten().map_or(Self::Ready(TERMINAL), Self::Own)
            }
            _ => Self::Direct,
        }
    }
}

/// Opens the same file once more, so that it does not block.
fn own(file: &File) -> Option<File> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let own = open(format!("/proc/self/fd/{}", file.as_raw_fd()), flags, Mode::empty()).ok()?;
    let [one, other] = [fstat(file).ok()?, fstat(&own).ok()?].map(|stat| (stat.st_dev, stat.st_ino));
    (one == other).then(|| own.into())
}

impl Outlet {
    pub(crate) fn new(file: File, give_up: &GiveUp) -> Self {
        let way = if give_up.is_possible() { Way::of(&file) } else { Way::Direct };
        let terminal = file.is_terminal();
        Self { file, way, terminal, give_up: give_up.clone(), stalled: None }
    }

    /// Writes all of `bytes`; returns the number of bytes taken, even with an error.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> (usize, Result<(), Refusal>) {
        let (mut taken, mut since) = (0, self.stalled.unwrap_or_else(Instant::now));
        let mut ready = false;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.attempt(rest) {
                // The system takes nothing and gives no reason.
                Ok(0) => return (taken, Err(Errno::IO.into())),
                Ok(count) => {
                    (taken, since) = (taken + count, Instant::now());
                    (self.stalled, ready) = (None, false);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let grace = if self.give_up.has_lost() { SHORT } else { GRACE };
                    if self.give_up.now() && since.elapsed() >= grace {
                        self.give_up.lose();
                        self.stalled = Some(since);
                        return (taken, Err(Refusal::Stalled(since.elapsed())));
                    }
                    if ready {
                        std::thread::sleep(AGAIN);
                    }
                    match self.give_up.wait(&self.file, PollFlags::OUT) {
                        Ok(now) => ready = now,
                        Err(error) => return (taken, Err(error.into())),
                    }
                }
                // The terminal is gone. Its session gets SIGHUP, so this is no error of the output.
                Err(Errno::IO) if self.terminal => return (taken, Err(Errno::PIPE.into())),
                Err(error) => return (taken, Err(error.into())),
            }
        }
        (taken, Ok(()))
    }

    /// Writes as much as the file takes now.
    fn attempt(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match &self.way {
            Way::Direct => rustix::io::write(&self.file, bytes),
            Way::Socket => send(&self.file, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            Way::Own(own) => rustix::io::write(own, bytes),
            Way::Ready(most) => {
                if !has(&self.file, PollFlags::OUT, Some(Duration::ZERO))? {
                    return Err(Errno::AGAIN);
                }
                rustix::io::write(&self.file, &bytes[..bytes.len().min(*most)])
            }
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.write_all(bytes) {
            (0, Err(error)) => Err(error.into()),
            (taken, _) => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why bytes cannot be written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    /// The system refused them.
    System(Errno),
    /// Nobody took a byte for this time.
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
