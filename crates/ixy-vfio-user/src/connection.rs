//! One connection: whole messages with their descriptors, over a Unix stream socket.

use std::fmt;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::error::Error;
use crate::message::{Errno, Header};

/// The largest number of descriptors in one message.
pub const MAX_FDS: usize = 16;

/// The limits on what one side accepts from the other.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest body of a message in bytes. A longer one is read and discarded.
    pub body: usize,
    /// The time for the rest of a message after its first byte, and for the other side to make room for a message.
    pub patience: Duration,
}

/// A message without its body, which is in the caller's buffer.
#[derive(Debug)]
pub struct Received {
    /// Its header.
    pub header: Header,
    /// Its descriptors; those beyond [`MAX_FDS`] were closed.
    pub fds: Vec<OwnedFd>,
    /// The reason why the message cannot be used, although the next one can: `E2BIG`, its body was too long and
    /// was discarded; `EINVAL`, it had too many descriptors; `EMFILE`, this process has no room for more.
    pub trouble: Option<Errno>,
}

/// A connected socket.
pub struct Connection {
    socket: OwnedFd,
    limits: Limits,
    out: Vec<u8>,
    give_up: Option<GiveUp>,
    /// The time at which `give_up` first returned true.
    asked: OnceLock<Instant>,
    /// Whether each wait has [`GRACE`] for itself once a stop is requested; otherwise all waits share it.
    grace_for_each: bool,
    /// Whether a server stood still for [`GRACE`] after a stop request: this one, or that of another client which
    /// shares this.
    stalled: Arc<AtomicBool>,
}

/// Returns whether waits should end early.
pub(crate) type GiveUp = Box<dyn Fn() -> bool + Send>;

/// The same once another server stood still: several of them do not add up to many seconds.
const SHORT: Duration = Duration::from_millis(100);

/// The interval at which a wait asks whether to give up.
pub(crate) const ASK: Duration = Duration::from_millis(20);

/// The time for waits after a stop request: enough for a server that answers, so that a card can be stopped in
/// order.
const GRACE: Duration = Duration::from_secs(1);

/// The time for which one side polls for the next message before it sleeps. Waking a processor takes as long,
/// twice for each register read, so polling costs no more than sleeping.
const LOOK: Duration = Duration::from_micros(50);

/// Like [`wait`], for an event that should come at once: it polls for a moment before it sleeps, and yields the
/// processor in between.
pub(crate) fn wait_keenly(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> Result<bool, Errno> {
    let start = Instant::now();
    while start.elapsed() < LOOK {
        if wait(fds, Some(start))? {
            return Ok(true);
        }
        std::thread::yield_now();
    }
    wait(fds, deadline)
}

/// Waits for an event on one of `fds`, until `deadline` if there is one. `false` when the time is over.
pub(crate) fn wait(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> Result<bool, Errno> {
    loop {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let rest = rest.map(|rest| Timespec {
            tv_sec: rest.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: rest.subsec_nanos().into(),
        });
        match poll(fds, rest.as_ref()) {
            Err(Errno::INTR) => {}
            other => return other.map(|events| events > 0),
        }
    }
}

impl Connection {
    /// A connection over `socket`.
    pub fn new(socket: UnixStream, limits: Limits) -> Self {
        let (give_up, asked) = (None, OnceLock::new());
        let (out, stalled) = (Vec::new(), Arc::default());
        Self { socket: socket.into(), limits, out, give_up, asked, grace_for_each: false, stalled }
    }

    /// Ends all waits with [`Error::Stopped`] from [`GRACE`] after `give_up` first returned true; from [`SHORT`] after
    /// it once `stalled` is true, which a wait of that length sets.
    pub(crate) fn set_give_up(&mut self, give_up: GiveUp, stalled: Arc<AtomicBool>) {
        (self.give_up, self.stalled) = (Some(give_up), stalled);
    }

    /// From now on each wait has this time for itself once a stop is requested, and ends with [`Error::TimedOut`].
    pub(crate) fn grant_grace_for_each_wait(&mut self) {
        self.grace_for_each = true;
    }

    /// Waits for an event on the socket. `false` when it did not come before `deadline`.
    fn wait_for(&self, event: PollFlags, deadline: Instant) -> Result<bool, Error> {
        let begun = Instant::now();
        let os = Error::os("waiting for a socket");
        let mut fds = [PollFd::new(&self.socket, event)];
        let Some(give_up) = &self.give_up else { return wait(&mut fds, Some(deadline)).map_err(os) };
        loop {
            if give_up() {
                let asked = *self.asked.get_or_init(Instant::now);
                let own = asked.max(begun);
                let since = if self.grace_for_each { own } else { asked };
                let limit = if self.stalled.load(Ordering::Relaxed) { SHORT } else { GRACE };
                if since.elapsed() >= limit {
                    // A server that was slow for so long has answered in between.
                    if own.elapsed() >= limit {
                        self.stalled.store(true, Ordering::Relaxed);
                    }
                    return Err(match self.grace_for_each {
                        true => Error::TimedOut { what: "answer", limit },
                        false => Error::Stopped,
                    });
                }
            }
            let slice = deadline.min(Instant::now() + ASK);
            match wait(&mut fds, Some(slice)) {
                Ok(false) if slice < deadline => {}
                waited => return waited.map_err(os),
            }
        }
    }

    /// The limits of the connection.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Sends a message: `header`, whose size includes `body`, and up to [`MAX_FDS`] descriptors.
    ///
    /// # Errors
    /// The other side is gone or accepts nothing within the limits. The connection is then unusable.
    pub fn send(&mut self, header: &Header, body: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Error> {
        self.out.clear();
        self.out.extend_from_slice(header.as_bytes());
        self.out.extend_from_slice(body);
        let deadline = Instant::now() + self.limits.patience;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut sent = 0;
        while let Some(rest) = self.out.get(sent..).filter(|rest| !rest.is_empty()) {
            let mut control = SendAncillaryBuffer::new(&mut space);
            // Descriptors are sent with the first byte.
            if sent == 0 && !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
                return Err(Error::Invalid {
                    what: header.name(),
                    why: format!(
                        "{} descriptors do not fit into one message, which takes {MAX_FDS}",
                        fds.len()
                    ),
                });
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match sendmsg(&self.socket, &[IoSlice::new(rest)], &mut control, flags) {
                Ok(n) => sent += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if !self.wait_for(PollFlags::OUT, deadline)? {
                        return Err(Error::TimedOut { what: "take a message", limit: self.limits.patience });
                    }
                }
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Error::Closed { inside: sent > 0 }),
                Err(source) => return Err(Error::Os { what: "sending a message".into(), source }),
            }
        }
        Ok(())
    }

    /// Waits for a message that should begin at once, or for the end of the connection; it polls for some tens of
    /// microseconds before it sleeps. `false` when neither happened before `deadline`.
    ///
    /// # Errors
    /// The system cannot wait.
    pub fn wait(&self, deadline: Instant) -> Result<bool, Error> {
        let soon = wait_keenly(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(Instant::now()));
        Ok(soon.map_err(Error::os("waiting for a socket"))? || self.wait_for(PollFlags::IN, deadline)?)
    }

    /// Whether a message has begun, or the connection has ended.
    pub(crate) fn is_ready(&self) -> bool {
        wait(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(Instant::now())).unwrap_or(true)
    }

    /// Receives the message that has begun, and puts its body into `body`. `None` when the other side closed the
    /// connection.
    ///
    /// # Errors
    /// The rest of the message does not come, or the header is invalid, so that the start of the next message is
    /// unknown. The connection is then unusable.
    pub fn receive(&mut self, body: &mut Vec<u8>) -> Result<Option<Received>, Error> {
        body.clear();
        let deadline = Instant::now() + self.limits.patience;
        let mut incoming = Incoming { connection: self, deadline, fds: Vec::new(), trouble: None };
        let mut header = [0; Header::SIZE];
        if !incoming.fill(&mut header, true)? {
            return Ok(None);
        }
        let header = Header::read_from_bytes(&header).unwrap_or_default();
        let Some(len) = header.body() else {
            let why = format!("its header says that it has {} bytes in all, which are too few", header.size);
            return Err(Error::Protocol { what: header.name(), why });
        };
        if len <= incoming.connection.limits.body {
            body.resize(len, 0);
            incoming.fill(body, false)?;
        } else {
            incoming.skip(len)?;
            incoming.trouble = Some(Errno::TOOBIG);
        }
        let Incoming { fds, trouble, .. } = incoming;
        Ok(Some(Received { header, fds, trouble }))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("socket", &self.socket).field("limits", &self.limits).finish()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A message in the middle of its reception.
struct Incoming<'a> {
    connection: &'a mut Connection,
    deadline: Instant,
    fds: Vec<OwnedFd>,
    trouble: Option<Errno>,
}

impl Incoming<'_> {
    /// Fills `into`. `false` when the connection ended before the first byte, if `may_end` allows that.
    fn fill(&mut self, into: &mut [u8], may_end: bool) -> Result<bool, Error> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.some(rest)? {
                0 if may_end && filled == 0 => return Ok(false),
                0 => return Err(Error::Closed { inside: true }),
                n => filled += n,
            }
        }
        Ok(true)
    }

    /// Discards `len` bytes.
    fn skip(&mut self, mut len: usize) -> Result<(), Error> {
        let mut bytes = [0; 4096];
        while len > 0 {
            let n = len.min(bytes.len());
            self.fill(&mut bytes[..n], false)?;
            len -= n;
        }
        Ok(())
    }

    /// Receives at least one byte, or none at the end.
    fn some(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        let limit = self.connection.limits.patience;
        loop {
            if Instant::now() > self.deadline {
                return Err(Error::TimedOut { what: "send the rest of a message", limit });
            }
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let received =
                recvmsg(&self.connection.socket, &mut [IoSliceMut::new(into)], &mut control, flags);
            match received {
                Ok(received) => {
                    self.keep(&mut control, received.flags.contains(ReturnFlags::CTRUNC));
                    return Ok(received.bytes);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.connection.wait_for(PollFlags::IN, self.deadline)?;
                }
                Err(Errno::CONNRESET) => return Ok(0),
                Err(source) => return Err(Error::Os { what: "receiving a message".into(), source }),
            }
        }
    }

    /// Keeps the received descriptors, up to the limit.
    fn keep(&mut self, control: &mut RecvAncillaryBuffer<'_>, cut: bool) {
        let mut came = 0;
        for message in control.drain() {
            let RecvAncillaryMessage::ScmRights(fds) = message else { continue };
            for fd in fds {
                came += 1;
                if self.fds.len() < MAX_FDS {
                    self.fds.push(fd);
                } else {
                    self.trouble = Some(Errno::INVAL);
                }
            }
        }
        if cut {
            // The system closes descriptors without room, in the buffer or in this process.
            self.trouble = Some(if came >= MAX_FDS { Errno::INVAL } else { Errno::MFILE });
        }
    }
}
