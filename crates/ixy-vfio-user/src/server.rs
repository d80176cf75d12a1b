//! The server side, which has the device: [`Server`], and the [`Device`] that it serves.

mod listener;
mod session;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};

pub use listener::Listener;
pub(crate) use listener::address;

use crate::connection::{Connection, Limits, MAX_FDS, wait};
use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::memory::{GuestMemory, MemoryLimits};
use crate::message::{
    Area, Capabilities, DmaMap, DmaUnmap, Errno, IrqInfo, MAX_AREAS, MAX_FIXED, RegionInfo, Request,
};
use session::{End, Session};

/// The model of a device. All calls come from the serving thread, one at a time, after checks: regions exist,
/// accesses lie inside and are allowed, and have at least one byte.
pub trait Device {
    /// Reads a region.
    ///
    /// # Errors
    /// The error number for the client: `EINVAL` for an access that the device does not support.
    fn read(&mut self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno>;

    /// Writes to a region.
    ///
    /// # Errors
    /// The same as for [`read`](Self::read). A client that posted the write does not see the error.
    fn write(&mut self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno>;

    /// Resets the device.
    ///
    /// # Errors
    /// The error number for the client.
    fn reset(&mut self) -> Result<(), Errno>;

    /// A client connected: later calls come from it, until [`disconnected`](Self::disconnected).
    fn connected(&mut self) {}

    /// The client has mapped memory, which is in [`Server::memory`] now.
    fn mapped(&mut self, _map: &DmaMap) {}

    /// The client unmaps memory, which stays in [`Server::memory`] until this returns.
    fn unmapping(&mut self, _unmap: &DmaUnmap) {}

    /// A request of the client was refused, by this device or before it reached the device; the client gets
    /// this error number. Malformed messages do not count as requests.
    fn refused(&mut self, _request: &Request<'_>, _errno: Errno) {}

    /// The client is gone: the device should stop. Its memory and interrupts are removed afterwards.
    fn disconnected(&mut self) {}
}

/// The regions and interrupts of a device. Their numbers are their indices; a PCI device has them in the order of
/// [`pci`](crate::message::pci), with empty ones in between.
#[derive(Debug, Default)]
pub struct Layout {
    /// Its regions.
    pub regions: Vec<Region>,
    /// Its kinds of interrupts.
    pub irqs: Vec<Irq>,
    /// Whether it can be reset.
    pub resettable: bool,
}

/// A region of a device.
#[derive(Debug, Default)]
pub struct Region {
    /// Length in bytes; 0 for a missing one.
    pub size: u64,
    /// Whether it can be read.
    pub readable: bool,
    /// Whether it can be written.
    pub writable: bool,
    /// The part of it that can be mapped.
    pub mmap: Option<Mappable>,
}

impl Region {
    /// A region of `size` bytes that can be read and written, by messages.
    pub fn new(size: u64) -> Self {
        Self { size, readable: true, writable: true, mmap: None }
    }

    fn info(&self, index: u32) -> RegionInfo {
        let flag = |is: bool, flag| if is { flag } else { 0 };
        let flags = flag(self.readable, RegionInfo::READ)
            | flag(self.writable, RegionInfo::WRITE)
            | flag(self.mmap.is_some(), RegionInfo::MMAP);
        let offset = self.mmap.as_ref().map_or(0, |mmap| mmap.offset);
        RegionInfo { index, flags, size: self.size, offset, ..RegionInfo::default() }
    }
}

/// The file of a region that can be mapped, whole or in parts.
#[derive(Debug)]
pub struct Mappable {
    /// The file. Clients of this crate map it only if it is sealed against shrinking.
    pub file: OwnedFd,
    /// The offset of the region in it, in bytes.
    pub offset: u64,
    /// The parts of the region; `None` is all of it.
    pub areas: Option<Vec<Area>>,
}

/// A kind of interrupts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Irq {
    /// [`IrqInfo::EVENTFD`] and the flags beside it.
    pub flags: u32,
    /// The number of interrupts.
    pub count: u32,
}

impl Irq {
    /// Messages (MSI, MSI-X): their number; each has an eventfd.
    pub fn messages(count: u32) -> Self {
        Self { flags: IrqInfo::EVENTFD | IrqInfo::NORESIZE, count }
    }

    /// The interrupt pin, a level.
    pub fn pin() -> Self {
        Self { flags: IrqInfo::EVENTFD | IrqInfo::MASKABLE | IrqInfo::AUTOMASKED, count: 1 }
    }
}

/// The limits on a client.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// The number of bytes in one read or write; a longer one is answered with `E2BIG`.
    pub transfer: usize,
    /// The limits on its memory.
    pub memory: MemoryLimits,
    /// The time for the rest of a message after its first byte, and for the client to accept a reply.
    pub patience: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { transfer: 1 << 20, memory: MemoryLimits::default(), patience: Duration::from_secs(5) }
    }
}

/// Stops a server from another thread, or from a signal handler.
#[derive(Debug, Clone)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    /// Something that ends servers.
    ///
    /// # Errors
    /// There are no file descriptors left.
    pub fn new() -> Result<Self, Error> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        event.map(|event| Self(Arc::new(event))).map_err(Error::os("making an eventfd"))
    }

    /// Stops all servers that were given this or a clone of it, once they have answered the current message.
    pub fn stop(&self) {
        // A full eventfd is readable already.
        if let Err(error) = rustix::io::write(&*self.0, &1_u64.to_ne_bytes()) {
            tracing::debug!(%error, "a server is being stopped already");
        }
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Serves a device to one client at a time.
///
/// Every message of a client is answered, with an error number if the request is impossible. The connection is
/// closed after a message without a known end, a stall inside a message or a refused version, and the next client
/// is served.
///
/// ```
/// use ixy_vfio_user::client::Client;
/// use ixy_vfio_user::message::Errno;
/// use ixy_vfio_user::server::{Device, Layout, Listener, Region, Server, ServerLimits, Stop};
///
/// /// A device with a register that counts how often it is read.
/// struct Reads(u32);
///
/// impl Device for Reads {
///     fn read(&mut self, _region: u32, _offset: u64, into: &mut [u8]) -> Result<(), Errno> {
///         self.0 += 1;
///         into.copy_from_slice(self.0.to_le_bytes().get(..into.len()).ok_or(Errno::INVAL)?);
///         Ok(())
///     }
///     fn write(&mut self, _region: u32, _offset: u64, _bytes: &[u8]) -> Result<(), Errno> {
///         Err(Errno::INVAL)
///     }
///     fn reset(&mut self) -> Result<(), Errno> {
///         self.0 = 0;
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layout = Layout { regions: vec![Region::new(4)], irqs: Vec::new(), resettable: true };
/// let (server, stop) = (Server::new(layout, ServerLimits::default())?, Stop::new()?);
/// let path = std::env::temp_dir().join(format!("ixy-reads-{}", std::process::id()));
/// let listener = Listener::bind(&path)?;
/// std::thread::scope(|scope| {
///     let serving = scope.spawn(|| server.serve(&listener, &mut Reads(0), &stop));
///     let result = Client::connect(&path).and_then(|client| {
///         let mut bytes = [0; 4];
///         client.read(0, 0, &mut bytes)?;
///         client.read(0, 0, &mut bytes)?;
///         assert_eq!(u32::from_le_bytes(bytes), 2);
///         Ok(())
///     });
///     stop.stop(); // from another thread, as `serve` takes one client after the other
///     assert!(serving.join().is_ok_and(|served| served.is_ok()));
///     result
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    layout: Layout,
    limits: ServerLimits,
    memory: Arc<GuestMemory>,
    interrupts: Arc<Interrupts>,
    refused: AtomicU64,
}

impl Server {
    /// A server for a device with that layout.
    ///
    /// # Errors
    /// [`Error::Invalid`]: an area that can be mapped is outside of its region, or there are more than
    /// [`MAX_AREAS`].
    pub fn new(layout: Layout, limits: ServerLimits) -> Result<Self, Error> {
        for (n, region) in layout.regions.iter().enumerate() {
            let areas = region.mmap.as_ref().and_then(|mmap| mmap.areas.as_deref()).unwrap_or_default();
            let outside =
                |area: &&Area| area.offset.checked_add(area.size).is_none_or(|end| end > region.size);
            if let Some(area) = areas.iter().find(outside) {
                let why = format!("{area:x?} can be mapped and is outside of its {:#x} bytes", region.size);
                return Err(Error::Invalid { what: format!("region {n}"), why });
            }
            if areas.len() > MAX_AREAS {
                let why = format!("{} areas can be mapped, and {MAX_AREAS} is the most", areas.len());
                return Err(Error::Invalid { what: format!("region {n}"), why });
            }
        }
        let interrupts = Arc::new(Interrupts::new(&layout.irqs));
        let memory = Arc::new(GuestMemory::new(limits.memory));
        Ok(Self { layout, limits, memory, interrupts, refused: AtomicU64::new(0) })
    }

    /// The client's memory, for the device.
    pub fn memory(&self) -> &Arc<GuestMemory> {
        &self.memory
    }

    /// The client's interrupts, for the device.
    pub fn interrupts(&self) -> &Arc<Interrupts> {
        &self.interrupts
    }

    /// The number of messages refused so far, including posted ones.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Serves the clients that connect at `listener`, one after the other, until `stop`. One that connects
    /// while another is served is turned away.
    ///
    /// # Errors
    /// The system accepts no connections. An error of a client ends that client, and is logged.
    pub fn serve(&self, listener: &Listener, device: &mut dyn Device, stop: &Stop) -> Result<(), Error> {
        loop {
            let mut fds = [PollFd::new(stop, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
            wait(&mut fds, None).map_err(Error::os("waiting for a client"))?;
            if !fds[0].revents().is_empty() {
                return Ok(());
            }
            let Some(socket) = listener.accept()? else { continue };
            tracing::info!(path = %listener.path().display(), "a client connected");
            if self.run(socket, device, stop, Some(listener)) == End::Stopped {
                return Ok(());
            }
        }
    }

    /// Serves one client over a connected socket, until it is gone or `stop`.
    pub fn serve_one(&self, socket: UnixStream, device: &mut dyn Device, stop: &Stop) {
        self.run(socket, device, stop, None);
    }

    fn run(
        &self,
        socket: UnixStream,
        device: &mut dyn Device,
        stop: &Stop,
        others: Option<&Listener>,
    ) -> End {
        let limits = Limits { body: self.limits.transfer + MAX_FIXED, patience: self.limits.patience };
        let mut session = Session::new(self, Connection::new(socket, limits));
        device.connected();
        let end = session.run(device, stop, others);
        device.disconnected();
        self.memory.clear();
        self.interrupts.clear();
        match &end {
            End::Failed(error) => tracing::warn!(%error, "the client was disconnected"),
            other => tracing::info!(end = ?other, "the client is gone"),
        }
        end
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            max_msg_fds: MAX_FDS as u64,
            max_data_xfer_size: self.limits.transfer as u64,
            max_dma_maps: self.limits.memory.mappings as u64,
            pgsizes: 4096,
            write_multiple: true,
        }
    }
}
