//! One client, from its first message to its last: [`Session`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use zerocopy::IntoBytes;

use super::{Device, Listener, Server, Stop};
use crate::connection::{Connection, wait, wait_keenly};
use crate::error::Error;
use crate::message::{
    DeviceInfo, Errno, Header, IrqInfo, RegionAccess, RegionReply, Request, ShortWrite, Version, WriteCount,
};

/// The end of a session.
#[derive(Debug)]
pub(super) enum End {
    /// The client closed the connection.
    Closed,
    /// The server was stopped.
    Stopped,
    /// The client did something after which the connection cannot continue.
    Failed(Error),
}

impl PartialEq for End {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// A connected client.
pub(super) struct Session<'a> {
    server: &'a Server,
    connection: Connection,
    negotiated: bool,
    /// Whether the last message was answered, so that the client may send the next one at once.
    answered: bool,
    reply: Vec<u8>,
}

impl<'a> Session<'a> {
    pub(super) fn new(server: &'a Server, connection: Connection) -> Self {
        Self { server, connection, negotiated: false, answered: false, reply: Vec::new() }
    }

    /// Answers messages until the end.
    pub(super) fn run(&mut self, device: &mut dyn Device, stop: &Stop, others: Option<&Listener>) -> End {
        let mut body = Vec::new();
        // A client that does not even send its version would keep others out.
        let silence = Instant::now() + self.connection.limits().patience;
        loop {
            match self.wait(stop, others, (!self.negotiated).then_some(silence)) {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(error) => return End::Failed(error),
            }
            match self.connection.receive(&mut body) {
                Ok(None) => return End::Closed,
                Ok(Some(message)) => {
                    self.answered = message.header.flags & Header::NO_REPLY == 0;
                    let answered = match message.trouble {
                        None => self.answer(device, &message.header, &body, message.fds),
                        Some(errno) => self.refuse(&message.header, errno),
                    };
                    if let Err(error) = answered {
                        return End::Failed(error);
                    }
                }
                Err(error) => return End::Failed(error),
            }
        }
    }

    /// Waits for a message, and turns other clients away during the wait.
    fn wait(
        &self,
        stop: &Stop,
        others: Option<&Listener>,
        until: Option<Instant>,
    ) -> Result<Option<End>, Error> {
        loop {
            let third = others.map_or_else(|| stop.as_fd(), AsFd::as_fd);
            let fds = [self.connection.as_fd(), stop.as_fd(), third];
            let mut fds = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            let ready = if self.answered { wait_keenly(&mut fds, until) } else { wait(&mut fds, until) };
            if !ready.map_err(Error::os("waiting for a message"))? {
                let limit = self.connection.limits().patience;
                return Err(Error::TimedOut { what: "say its version", limit });
            }
            let [message, stopped, other] = fds.map(|fd| !fd.revents().is_empty());
            if stopped {
                return Ok(Some(End::Stopped));
            }
            if message {
                return Ok(None);
            }
            // The client may have left before the other came, after it was checked.
            if let Some(listener) = others.filter(|_| other && !self.connection.is_ready()) {
                drop(listener.accept()?);
                tracing::warn!("another client was turned away: there is one already");
            }
        }
    }

    fn refuse(&mut self, header: &Header, errno: Errno) -> Result<(), Error> {
        self.server.refused.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(command = header.name(), %errno, "refused");
        if header.flags & Header::NO_REPLY != 0 {
            return Ok(());
        }
        self.connection.send(&header.refusal(errno), &[], &[])
    }

    /// Answers one message.
    fn answer(
        &mut self,
        device: &mut dyn Device,
        header: &Header,
        body: &[u8],
        fds: Vec<OwnedFd>,
    ) -> Result<(), Error> {
        if header.is_reply() {
            // It is a reply to nothing, and no one waits for an answer to it: answering would never end.
            self.server.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.reply.clear();
        let done = if header.is_command() {
            Request::parse(header.command, body).and_then(|request| {
                let done = self.serve(device, &request, fds);
                done.inspect_err(|errno| device.refused(&request, *errno))
            })
        } else {
            Err(Errno::INVAL)
        };
        match done {
            Ok(_) if header.flags & Header::NO_REPLY != 0 => {}
            Ok(fd) => {
                let fds: &[BorrowedFd<'_>] = fd.as_slice();
                self.connection.send(&header.reply(self.reply.len()), &self.reply, fds)?;
            }
            Err(errno) => self.refuse(header, errno)?,
        }
        if self.negotiated {
            return Ok(());
        }
        let why = "versions have to be exchanged first, and to agree".to_owned();
        Err(Error::Protocol { what: header.name(), why })
    }

    /// Executes a request, and leaves the body of the reply in `self.reply`; returns the descriptor for it.
    fn serve(
        &mut self,
        device: &mut dyn Device,
        request: &Request<'_>,
        mut fds: Vec<OwnedFd>,
    ) -> Result<Option<BorrowedFd<'a>>, Errno> {
        let server = self.server;
        let layout = &server.layout;
        let most = match request {
            Request::DmaMap(_) => 1,
            Request::SetIrqs(_) => usize::MAX,
            _ => 0,
        };
        if fds.len() > most || matches!(request, Request::Version(_)) == self.negotiated {
            return Err(Errno::INVAL);
        }
        let reply = &mut self.reply;
        match *request {
            Request::Version(ref proposed) => {
                if proposed.major != Version::MAJOR {
                    return Err(Errno::INVAL);
                }
                let minor = proposed.minor.min(Version::MINOR);
                Version { major: Version::MAJOR, minor, capabilities: server.capabilities() }.encode(reply);
                self.negotiated = true;
            }
            Request::DmaMap(map) => {
                server.memory.map(&map, fds.pop())?;
                device.mapped(&map);
            }
            Request::DmaUnmap(unmap) => {
                device.unmapping(&unmap);
                server.memory.unmap(&unmap)?;
                reply.extend_from_slice(unmap.as_bytes());
            }
            Request::DeviceInfo { argsz } => {
                long_enough(argsz, DeviceInfo::SIZE)?;
                let flags = DeviceInfo::PCI | if layout.resettable { DeviceInfo::RESET } else { 0 };
                let (num_regions, num_irqs) = (count(&layout.regions), count(&layout.irqs));
                let info = DeviceInfo { argsz: DeviceInfo::SIZE as u32, flags, num_regions, num_irqs };
                reply.extend_from_slice(info.as_bytes());
            }
            Request::RegionInfo { argsz, index } => {
                let region = layout.regions.get(index as usize).ok_or(Errno::INVAL)?;
                let areas = region.mmap.as_ref().and_then(|mmap| mmap.areas.clone());
                RegionReply { info: region.info(index), areas }.encode(argsz, reply)?;
                return Ok(region.mmap.as_ref().map(|mmap| mmap.file.as_fd()));
            }
            Request::IrqInfo { argsz, index } => {
                long_enough(argsz, IrqInfo::SIZE)?;
                let irq = layout.irqs.get(index as usize).ok_or(Errno::INVAL)?;
                let (flags, count) = (irq.flags, irq.count);
                let info = IrqInfo { argsz: IrqInfo::SIZE as u32, flags, index, count };
                reply.extend_from_slice(info.as_bytes());
            }
            Request::SetIrqs(ref request) => server.interrupts.set(request, fds)?,
            Request::RegionRead(access) => {
                self.check(&access, false)?;
                let reply = &mut self.reply;
                reply.extend_from_slice(access.as_bytes());
                reply.resize(RegionAccess::SIZE + access.count as usize, 0);
                let into = reply.get_mut(RegionAccess::SIZE..).unwrap_or_default();
                device.read(access.region, access.offset, into)?;
            }
            Request::RegionWrite(access, data) => {
                self.check(&access, true)?;
                device.write(access.region, access.offset, data)?;
                self.reply.extend_from_slice(access.as_bytes());
            }
            Request::RegionWriteMulti(ref writes) => {
                for ShortWrite { offset, region, count, data } in writes {
                    let access = RegionAccess { offset: *offset, region: *region, count: *count };
                    self.check(&access, true)?;
                    device.write(*region, *offset, data.get(..*count as usize).ok_or(Errno::INVAL)?)?;
                }
                self.reply.extend_from_slice(WriteCount { count: writes.len() as u64 }.as_bytes());
            }
            Request::Reset => {
                if !layout.resettable {
                    return Err(Errno::OPNOTSUPP);
                }
                device.reset()?;
            }
        }
        Ok(None)
    }

    /// Whether an access may go to the device.
    fn check(&self, access: &RegionAccess, write: bool) -> Result<(), Errno> {
        let region = self.server.layout.regions.get(access.region as usize).ok_or(Errno::INVAL)?;
        if access.count as usize > self.server.limits.transfer {
            return Err(Errno::TOOBIG);
        }
        let end = access.offset.checked_add(access.count.into());
        if access.count == 0 || end.is_none_or(|end| end > region.size) {
            return Err(Errno::INVAL);
        }
        if if write { region.writable } else { region.readable } { Ok(()) } else { Err(Errno::ACCESS) }
    }
}

/// Whether the client accepts a reply of `len` bytes.
fn long_enough(argsz: u32, len: usize) -> Result<(), Errno> {
    if argsz as usize >= len { Ok(()) } else { Err(Errno::INVAL) }
}

fn count<T>(of: &[T]) -> u32 {
    u32::try_from(of.len()).unwrap_or(u32::MAX)
}
