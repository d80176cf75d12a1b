//! The client side, which uses a device: [`Client`], and the parts for a driver.

mod bus;
mod bus_master;
mod domain;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, connect, shutdown, socket_with};

pub use bus::VfioUserBus;
pub use bus_master::VfioUserBusMaster;
pub use domain::VfioUserDomain;

use crate::connection::{Connection, GiveUp, Limits, MAX_FDS};
use crate::error::Error;
use crate::message::{
    Capabilities, Command, DeviceInfo, DmaMap, DmaUnmap, Errno, Header, IrqAction, IrqData, IrqInfo,
    IrqRequest, MAX_AREAS, MAX_FIXED, MAX_WRITES, RegionAccess, RegionInfo, RegionReply, Request, ShortWrite,
    Version, WriteCount,
};

/// The most bytes that one read or write moves, even if the server accepts more.
const TRANSFER: usize = 1 << 20;
/// The number of server requests, and of refusals of posted writes, that are skipped during a wait for a reply.
const QUESTIONS: usize = 64;
/// The largest number of regions and kinds of interrupts in a device.
const MOST: u32 = 64;

/// Whether to give up, and whether a server stood still.
type Stopping = (GiveUp, Arc<AtomicBool>);

/// A device of another process. Clones share the connection, which closes when the last one is dropped; threads
/// take turns.
///
/// No call waits longer than the patience that it was created with. After an error that leaves the connection in
/// an unknown state the device is lost: all later calls fail at once with [`Error::Lost`]. A request that the
/// server refused ([`Error::Refused`]) changes nothing.
///
/// ```
/// # use std::os::unix::net::UnixStream;
/// # use std::time::Duration;
/// # use ixy_vfio_user::client::{Client, VfioUserBus};
/// # use ixy_vfio_user::message::Errno;
/// # use ixy_vfio_user::server::{Device, Layout, Region, Server, ServerLimits, Stop};
/// # struct Scratch([u8; 16]);
/// # impl Device for Scratch {
/// #     fn read(&mut self, _region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
/// #         into.copy_from_slice(&self.0[offset as usize..][..into.len()]);
/// #         Ok(())
/// #     }
/// #     fn write(&mut self, _region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
/// #         self.0[offset as usize..][..bytes.len()].copy_from_slice(bytes);
/// #         Ok(())
/// #     }
/// #     fn reset(&mut self) -> Result<(), Errno> {
/// #         self.0 = [0; 16];
/// #         Ok(())
/// #     }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let layout = Layout { regions: vec![Region::new(16)], irqs: Vec::new(), resettable: true };
/// # let server = Server::new(layout, ServerLimits::default())?;
/// # let (stop, (ours, theirs)) = (Stop::new()?, UnixStream::pair()?);
/// # std::thread::spawn(move || server.serve_one(theirs, &mut Scratch([7; 16]), &stop));
/// # let socket = ours;
/// let client = Client::over(socket, Duration::from_secs(10))?; // `Client::connect` takes a path
/// let mut bytes = [0; 4];
/// client.read(0, 12, &mut bytes)?; // region 0, from offset 12 on
/// assert_eq!(bytes, [7; 4]);
/// assert!(client.read(0, 13, &mut bytes).is_err(), "it ends behind the region, so the server refuses it");
/// assert!(client.lost().is_none(), "and the device is still there");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: Mutex<Link>,
    patience: Duration,
    lost: OnceLock<Error>,
    capabilities: Capabilities,
    info: DeviceInfo,
}

#[derive(Debug)]
struct Link {
    connection: Connection,
    next_id: u16,
    request: Vec<u8>,
    body: Vec<u8>,
}

impl Client {
    /// The time that a server has for a reply, unless [`connect_within`](Self::connect_within) sets another.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// Connects to the server that listens at `path`.
    ///
    /// # Errors
    /// There is no server, it serves another client (it closes the connection then), or it does not follow
    /// the protocol.
    pub fn connect(path: &Path) -> Result<Self, Error> {
        Self::connect_within(path, Self::PATIENCE)
    }

    /// Like [`connect`](Self::connect), with another limit for each wait.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub fn connect_within(path: &Path, patience: Duration) -> Result<Self, Error> {
        Self::connect_to(path, patience, None)
    }

    /// Like [`connect`](Self::connect), but gives up a second after `stop` first returned true; `stop` is called
    /// every 20 ms while the client waits for the server. In that second, a server that answers lets the driver
    /// finish its work and stop the card in order. This also applies to later requests, after which the device is
    /// lost, until [`keep`](Self::keep). With a slow server it can take minutes until a driver is ready, which a
    /// user may not want to wait for.
    ///
    /// A server that stands still for that second sets `stalled`. Each client that shares it then waits for a tenth of
    /// a second only, so that many servers that stand still end soon.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect), and [`Error::Stopped`].
    pub fn connect_unless(
        path: &Path,
        stop: impl Fn() -> bool + Send + 'static,
        stalled: &Arc<AtomicBool>,
    ) -> Result<Self, Error> {
        Self::connect_to(path, Self::PATIENCE, Some((Box::new(stop), Arc::clone(stalled))))
    }

    /// From now on each request has that time of its own after a stop request, so that a driver can stop the card of a
    /// slow server in order.
    pub fn keep(&self) {
        let mut link = self.0.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.connection.grant_grace_for_each_wait();
    }

    fn connect_to(path: &Path, patience: Duration, give_up: Option<Stopping>) -> Result<Self, Error> {
        let address = crate::server::address(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
        let socket = socket.map_err(Error::os("making a socket"))?;
        let deadline = Instant::now() + patience;
        loop {
            match connect(&socket, &address) {
                Ok(()) => return Self::start(socket.into(), patience, give_up),
                // Other clients are waiting for it already.
                Err(Errno::AGAIN) if Instant::now() < deadline => {
                    if give_up.as_ref().is_some_and(|(give_up, _)| give_up()) {
                        return Err(Error::Stopped);
                    }
                    std::thread::sleep(Duration::from_millis(2))
                }
                Err(Errno::INTR) => {}
                Err(source) => return Err(Error::Connect { path: path.to_owned(), source }),
            }
        }
    }

    /// Uses a connected socket.
    ///
    /// # Errors
    /// The server does not follow the protocol, or answers nothing for `patience`.
    pub fn over(socket: UnixStream, patience: Duration) -> Result<Self, Error> {
        Self::start(socket, patience, None)
    }

    fn start(socket: UnixStream, patience: Duration, give_up: Option<Stopping>) -> Result<Self, Error> {
        let mut connection = Connection::new(socket, Limits { body: TRANSFER + MAX_FIXED, patience });
        if let Some((give_up, stalled)) = give_up {
            connection.set_give_up(give_up, stalled);
        }
        let mut link = Link { connection, next_id: 0, request: Vec::new(), body: Vec::new() };
        let own = Capabilities {
            max_msg_fds: MAX_FDS as u64,
            max_data_xfer_size: TRANSFER as u64,
            write_multiple: true,
            ..Capabilities::default()
        };
        let proposed = Version { major: Version::MAJOR, minor: Version::MINOR, capabilities: own };
        let (body, _) = link.exchange(&Request::Version(proposed), &[], patience)?;
        let version = Version::parse(body).map_err(wrong("VFIO_USER_VERSION"))?;
        if version.major != Version::MAJOR || version.minor > Version::MINOR {
            let why = format!("it speaks version {}.{}, and was asked for 0.1", version.major, version.minor);
            return Err(Error::Protocol { what: "the server".into(), why });
        }
        let capabilities = own.common(version.capabilities);
        let (body, _) =
            link.exchange(&Request::DeviceInfo { argsz: DeviceInfo::SIZE as u32 }, &[], patience)?;
        let (info, _) =
            DeviceInfo::split(body).ok_or(Errno::INVAL).map_err(wrong("VFIO_USER_DEVICE_GET_INFO"))?;
        if info.num_regions > MOST || info.num_irqs > MOST {
            let why = format!("the device has {} regions, {} interrupts", info.num_regions, info.num_irqs);
            return Err(Error::Protocol { what: "VFIO_USER_DEVICE_GET_INFO".into(), why });
        }
        let link = Mutex::new(link);
        Ok(Self(Arc::new(Inner { link, patience, lost: OnceLock::new(), capabilities, info })))
    }

    /// The capabilities of both sides.
    pub fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    /// The number of regions and kinds of interrupts, and whether the device can be reset.
    pub fn info(&self) -> DeviceInfo {
        self.0.info
    }

    /// The reason why the device is lost, if it is.
    pub fn lost(&self) -> Option<&Error> {
        self.0.lost.get()
    }

    /// The properties of region `index`, and the file for mapping it.
    ///
    /// # Errors
    /// There is no such region, or the device is lost.
    pub fn region(&self, index: u32) -> Result<(RegionReply, Option<OwnedFd>), Error> {
        let ask = |argsz: usize| {
            let argsz = u32::try_from(argsz).unwrap_or(u32::MAX);
            self.call(&Request::RegionInfo { argsz, index }, &[], |body, fds| {
                Ok((RegionReply::parse(body)?, fds.into_iter().next()))
            })
        };
        let most =
            RegionReply { areas: Some(vec![Default::default(); MAX_AREAS]), ..RegionReply::default() }.len();
        let (mut reply, fd) = ask(most)?;
        if reply.info.argsz as usize > most {
            // A region without a valid list of areas counts as not mappable; messages reach all of it.
            reply.info.flags &= !RegionInfo::MMAP;
        }
        Ok((reply, fd))
    }

    /// The properties of interrupts of kind `index`.
    ///
    /// # Errors
    /// There is no such kind, or the device is lost.
    pub fn irq(&self, index: u32) -> Result<IrqInfo, Error> {
        let request = Request::IrqInfo { argsz: IrqInfo::SIZE as u32, index };
        self.call(&request, &[], |body, _| Ok(IrqInfo::split(body).ok_or(Errno::INVAL)?.0))
    }

    /// Reads `into.len()` bytes of a region.
    ///
    /// # Errors
    /// The region has no such bytes, or they cannot be read; they are more than the server moves; the device is
    /// lost.
    pub fn read(&self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        let access = self.access(region, offset, into.len())?;
        self.call(&Request::RegionRead(access), &[], |body, _| {
            let (_, data) = RegionAccess::split(body).ok_or(Errno::INVAL)?;
            if data.len() != into.len() {
                return Err(Errno::INVAL);
            }
            into.copy_from_slice(data);
            Ok(())
        })
    }

    /// Writes to a region, and waits until the device has received it.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    ///
    /// # Safety
    /// ARMED-ONLY: it does not make the device reach memory of this process that is not its own to reach.
    pub unsafe fn write(&self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let access = self.access(region, offset, bytes.len())?;
        self.call(&Request::RegionWrite(access, bytes), &[], |_, _| Ok(()))
    }

    /// Writes to a region without waiting. The device receives it before later messages. A refusal is not
    /// reported.
    ///
    /// # Errors
    /// It could not be sent: the device is lost.
    ///
    /// # Safety
    /// ARMED-ONLY: it does not make the device reach memory of this process that is not its own to reach.
    pub unsafe fn post(&self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let access = self.access(region, offset, bytes.len())?;
        self.with(|link| link.send(&Request::RegionWrite(access, bytes), &[], true).map(|_| ()))
    }

    /// Does several short writes in one message if the server supports it, otherwise one by one, and waits for
    /// them.
    ///
    /// # Errors
    /// Those of [`write`](Self::write); the writes before the refused one are done.
    ///
    /// # Safety
    /// ARMED-ONLY: it does not make the device reach memory of this process that is not its own to reach.
    pub unsafe fn write_many(&self, writes: &[ShortWrite]) -> Result<(), Error> {
        if self.capabilities().write_multiple {
            for part in writes.chunks(MAX_WRITES) {
                self.call(&Request::RegionWriteMulti(part.to_vec()), &[], |body, _| {
                    let (done, _) = WriteCount::split(body).ok_or(Errno::INVAL)?;
                    if done.count == part.len() as u64 { Ok(()) } else { Err(Errno::INVAL) }
                })?;
            }
            return Ok(());
        }
        for write in writes {
            let bytes = write.data.get(..write.count as usize).ok_or_else(|| Error::Invalid {
                what: format!("a short write of {} bytes", write.count),
                why: "it has at most 8".into(),
            })?;
            // SAFETY: the caller's promise.
            unsafe { self.write(write.region, write.offset, bytes) }?;
        }
        Ok(())
    }

    /// Lets the device reach a part of a file at an IOVA: for reading, and for writing if `writable`.
    ///
    /// # Errors
    /// Refused: something is mapped there (`EEXIST`), there are too many mappings (`ENOSPC`), the server
    /// cannot use the file.
    pub fn map(
        &self,
        address: u64,
        size: u64,
        file: BorrowedFd<'_>,
        offset: u64,
        writable: bool,
    ) -> Result<(), Error> {
        let flags = DmaMap::READ | if writable { DmaMap::WRITE } else { 0 };
        let map = DmaMap { argsz: DmaMap::SIZE as u32, flags, offset, address, size };
        self.call(&Request::DmaMap(map), &[file], |_, _| Ok(()))
    }

    /// Ends a mapping. The device does not reach the memory any more when this returns.
    ///
    /// # Errors
    /// Refused: nothing is mapped there (`ENOENT`).
    pub fn unmap(&self, address: u64, size: u64) -> Result<(), Error> {
        let unmap = DmaUnmap { argsz: DmaUnmap::SIZE as u32, flags: 0, address, size };
        self.call(&Request::DmaUnmap(unmap), &[], |_, _| Ok(()))
    }

    /// Resets the device.
    ///
    /// # Errors
    /// The device cannot be reset, or is lost.
    pub fn reset(&self) -> Result<(), Error> {
        self.call(&Request::Reset, &[], |_, _| Ok(()))
    }

    /// Sets up the first `count` interrupts of a kind: eventfds that the device signals, non-blocking and closed
    /// on exec.
    ///
    /// # Errors
    /// The device has fewer interrupts, or they cannot signal eventfds.
    pub fn interrupts(&self, index: u32, count: u32) -> Result<Vec<OwnedFd>, Error> {
        let there = self.irq(index)?;
        if there.count < count || there.flags & IrqInfo::EVENTFD == 0 {
            let why = format!("{count} eventfds are wanted, and it has {} interrupts", there.count);
            return Err(Error::Invalid { what: format!("kind {index} of interrupts"), why });
        }
        let new = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let events: Result<Vec<_>, _> = (0..count).map(|_| new()).collect();
        let events = events.map_err(Error::os("making an eventfd"))?;
        self.set_events(index, &events.iter().map(AsFd::as_fd).collect::<Vec<_>>())?;
        Ok(events)
    }

    /// Makes the first interrupts of a kind signal the given descriptors.
    ///
    /// # Errors
    /// The device has fewer interrupts, or the server refuses the descriptors.
    pub fn set_events(&self, index: u32, events: &[BorrowedFd<'_>]) -> Result<(), Error> {
        let at_once = usize::try_from(self.capabilities().max_msg_fds).unwrap_or(MAX_FDS).clamp(1, MAX_FDS);
        let mut start = 0;
        for part in events.chunks(at_once) {
            let count = u32::try_from(part.len()).unwrap_or(u32::MAX);
            let (data, action) = (IrqData::Eventfd, IrqAction::Trigger);
            let request = Request::SetIrqs(IrqRequest { index, start, count, data, action });
            self.call(&request, part, |_, _| Ok(()))?;
            start += count;
        }
        Ok(())
    }

    /// Masks, unmasks or triggers `count` interrupts of a kind from `start` on, all of them or those that `data`
    /// selects. With a count of zero and [`IrqAction::Trigger`] it disables the kind.
    ///
    /// # Errors
    /// There are no such interrupts, or they do not support it.
    pub fn set_irqs(
        &self,
        index: u32,
        start: u32,
        count: u32,
        data: IrqData<'_>,
        action: IrqAction,
    ) -> Result<(), Error> {
        self.call(&Request::SetIrqs(IrqRequest { index, start, count, data, action }), &[], |_, _| Ok(()))
    }

    fn access(&self, region: u32, offset: u64, len: usize) -> Result<RegionAccess, Error> {
        let most = self.0.capabilities.max_data_xfer_size;
        match u32::try_from(len) {
            Ok(count) if u64::from(count) <= most => Ok(RegionAccess { offset, region, count }),
            _ => Err(Error::Invalid {
                what: format!("an access of {len} bytes to region {region}"),
                why: format!("one message moves at most {most}: split it"),
            }),
        }
    }

    /// Uses the connection unless it is lost; a failure makes it lost.
    fn with<T>(&self, act: impl FnOnce(&mut Link) -> Result<T, Error>) -> Result<T, Error> {
        let mut link = self.0.link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = self.0.lost.get() {
            return Err(Error::Lost { why: why.to_string() });
        }
        let done = act(&mut link);
        if let Err(error) = &done
            && !matches!(error, Error::Refused { .. } | Error::Invalid { .. })
        {
            // Users of the device get this error, too; see `lost`.
            tracing::info!(%error, "the device is lost");
            // Under the lock, so it is the first.
            let _ = self.0.lost.set(error.clone());
            if let Err(error) = shutdown(&link.connection, Shutdown::Both) {
                tracing::debug!(%error, "closing the connection");
            }
        }
        done
    }

    /// Sends a request, and reads the reply to it.
    fn call<T>(
        &self,
        request: &Request<'_>,
        fds: &[BorrowedFd<'_>],
        read: impl FnOnce(&[u8], Vec<OwnedFd>) -> Result<T, Errno>,
    ) -> Result<T, Error> {
        self.with(|link| {
            let (body, fds) = link.exchange(request, fds, self.0.patience)?;
            read(body, fds).map_err(wrong(request.command().name()))
        })
    }
}

/// An error for an invalid reply.
fn wrong(what: &'static str) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::Protocol { what: format!("the reply to {what}"), why: errno.to_string() }
}

/// Whether it is the refusal of a posted write, which some servers send although the client does not wait for it.
fn is_late_refusal(header: &Header, id: u16) -> bool {
    let write = header.command == Command::RegionWrite as u16;
    header.is_reply() && header.flags & Header::ERROR != 0 && write && header.id != id
}

impl Link {
    /// Sends a request, and returns its number.
    fn send(&mut self, request: &Request<'_>, fds: &[BorrowedFd<'_>], no_reply: bool) -> Result<u16, Error> {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.request.clear();
        request.encode(&mut self.request);
        let header = Header::request(id, request.command(), self.request.len(), no_reply);
        self.connection.send(&header, &self.request, fds)?;
        Ok(id)
    }

    /// Sends a request, and waits for the reply to it.
    fn exchange(
        &mut self,
        request: &Request<'_>,
        fds: &[BorrowedFd<'_>],
        patience: Duration,
    ) -> Result<(&[u8], Vec<OwnedFd>), Error> {
        let id = self.send(request, fds, false)?;
        let command = request.command();
        let deadline = Instant::now() + patience;
        for _ in 0..QUESTIONS {
            if !self.connection.wait(deadline)? {
                return Err(Error::TimedOut { what: "answer", limit: patience });
            }
            let Some(message) = self.connection.receive(&mut self.body)? else {
                return Err(Error::Closed { inside: false });
            };
            let header = message.header;
            if header.is_command() {
                // A server may ask for memory that it has no descriptor for. There is none.
                if header.flags & Header::NO_REPLY == 0 {
                    self.connection.send(&header.refusal(Errno::OPNOTSUPP), &[], &[])?;
                }
                continue;
            }
            if is_late_refusal(&header, id) {
                tracing::debug!(id = header.id, "a posted write was refused");
                continue;
            }
            let protocol =
                |why: String| Error::Protocol { what: format!("the reply to {}", command.name()), why };
            if !header.is_reply() || header.id != id || header.command != command as u16 {
                let name = header.name();
                return Err(protocol(format!(
                    "it has number {} and is for {name}, not number {id}",
                    header.id
                )));
            }
            if let Some(errno) = message.trouble {
                return Err(protocol(errno.to_string()));
            }
            if header.flags & Header::ERROR != 0 {
                let number = i32::try_from(header.error).ok().filter(|number| (1..4096).contains(number));
                let errno = number.map_or(Errno::IO, Errno::from_raw_os_error);
                return Err(Error::Refused { command: command.name(), errno });
            }
            return Ok((&self.body, message.fds));
        }
        let why = format!("the server sent {QUESTIONS} other messages before it answered");
        Err(Error::Protocol { what: command.name().to_owned(), why })
    }
}
