//! Registers of a device of another process: [`VfioUserBus`].

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use ixy_regs::bus::Bus;

use super::Client;
use crate::error::Error;
use crate::mapping::Mapping;
use crate::message::{Area, RegionInfo, RegionReply};

/// A region as a window of registers.
///
/// Areas that the server lets the client map, from a file sealed against shrinking, are accessed in memory. The
/// rest goes through messages: a read waits for the device, and a write is posted, as on a PCI bus, so that a
/// doorbell costs one system call. In a region with mapped areas, writes by message wait as well, since a later
/// store to an area would overtake them. When the device is lost, reads return all ones and writes do nothing;
/// [`Client::lost`] gives the reason.
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
/// # let client = Client::over(ours, Duration::from_secs(10))?;
/// use ixy_regs::bus::Bus;
///
/// let bus = VfioUserBus::new(&client, 0)?; // registers for a driver
/// assert_eq!(bus.len(), 16);
/// // SAFETY: BUS-WINDOW: the offset is inside of the window.
/// assert_eq!(unsafe { bus.read32(8) }, 0x0707_0707);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct VfioUserBus {
    client: Client,
    region: u32,
    len: u32,
    areas: Arc<[(u32, Mapping)]>,
}

impl VfioUserBus {
    /// The registers of region `region`.
    ///
    /// # Errors
    /// There is no such region, it is empty or not both readable and writable; or the device is lost.
    pub fn new(client: &Client, region: u32) -> Result<Self, Error> {
        let (reply, file) = client.region(region)?;
        let both = RegionInfo::READ | RegionInfo::WRITE;
        if reply.info.size == 0 || reply.info.flags & both != both {
            let what = format!("region {region}");
            let why =
                format!("it has {} bytes and flags {:#x}: no registers", reply.info.size, reply.info.flags);
            return Err(Error::Invalid { what, why });
        }
        let len = u32::try_from(reply.info.size).unwrap_or(!3);
        let areas = file.map(|file| map(&reply, &file, len)).unwrap_or_default();
        Ok(Self { client: client.clone(), region, len, areas: areas.into() })
    }

    /// The number of areas that are accessed in memory.
    pub fn mapped(&self) -> usize {
        self.areas.len()
    }

    /// The area with an offset, and the offset in it.
    #[inline]
    fn area(&self, offset: u32) -> Option<(&Mapping, usize)> {
        self.areas.iter().find_map(|(start, mapping)| {
            let at = offset.checked_sub(*start)? as usize;
            (at < mapping.len()).then_some((mapping, at))
        })
    }

    fn load<const N: usize>(&self, offset: u32) -> [u8; N] {
        let mut bytes = [u8::MAX; N];
        // The client keeps the reason for a failure; a refused read is one that the device does not support.
        if self.client.read(self.region, offset.into(), &mut bytes).is_err() {
            bytes = [u8::MAX; N];
        }
        fence(Ordering::Acquire);
        bytes
    }

    /// # Safety
    /// Those of the writes of [`Bus`].
    unsafe fn store(&self, offset: u32, bytes: &[u8]) {
        fence(Ordering::Release);
        // SAFETY: what the write does is the caller's promise.
        let done = unsafe {
            if self.areas.is_empty() {
                self.client.post(self.region, offset.into(), bytes)
            } else {
                self.client.write(self.region, offset.into(), bytes)
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, offset, "a write to a register was lost");
        }
    }
}

/// Maps the areas that can be mapped; messages reach the others.
fn map(reply: &RegionReply, file: &OwnedFd, len: u32) -> Vec<(u32, Mapping)> {
    if reply.info.flags & RegionInfo::MMAP == 0 {
        return Vec::new();
    }
    let whole = [Area { offset: 0, size: reply.info.size }];
    let map = |area: &Area| {
        let (start, size) = (u32::try_from(area.offset).ok()?, usize::try_from(area.size).ok()?);
        let inside = area.offset.checked_add(area.size)? <= len.into();
        // The offset that the server gives is checked against the file.
        let offset = reply.info.offset.checked_add(area.offset)?;
        if !inside || size == 0 || !area.offset.is_multiple_of(4096) {
            return None;
        }
        match Mapping::new(file.as_fd(), offset, size, true) {
            Ok(mapping) => Some((start, mapping)),
            Err(error) => {
                tracing::debug!(%error, ?area, "an area of registers cannot be mapped, and is reached by messages");
                None
            }
        }
    };
    reply.areas.as_deref().unwrap_or(&whole).iter().filter_map(map).collect()
}

/// One access, in memory or by message.
macro_rules! read {
    ($self:ident, $offset:ident, $load:ident, $T:ty) => {
        match $self.area($offset).and_then(|(mapping, at)| mapping.$load(at)) {
            Some(value) => <$T>::from_le(value),
            None => <$T>::from_le_bytes($self.load($offset)),
        }
    };
}

macro_rules! write {
    ($self:ident, $offset:ident, $store:ident, $value:ident) => {
        match $self.area($offset) {
            Some((mapping, at)) if mapping.$store(at, $value.to_le()) => {}
            // SAFETY: what the write does is the caller's promise.
            _ => unsafe { $self.store($offset, &$value.to_le_bytes()) },
        }
    };
}

// SAFETY: BUS-WINDOW: the length never changes, and a clone has the same. Stores to an area release and loads
// acquire; a message is sent after earlier accesses of its thread, and received by the server's, which orders the
// two. No access can reach beyond an area: `Mapping` checks each.
unsafe impl Bus for VfioUserBus {
    fn len(&self) -> u32 {
        self.len
    }

    unsafe fn read8(&self, offset: u32) -> u8 {
        read!(self, offset, load8, u8)
    }

    unsafe fn read16(&self, offset: u32) -> u16 {
        read!(self, offset, load16, u16)
    }

    unsafe fn read32(&self, offset: u32) -> u32 {
        read!(self, offset, load32, u32)
    }

    unsafe fn write8(&self, offset: u32, value: u8) {
        write!(self, offset, store8, value);
    }

    unsafe fn write16(&self, offset: u32, value: u16) {
        write!(self, offset, store16, value);
    }

    unsafe fn write32(&self, offset: u32, value: u32) {
        write!(self, offset, store32, value);
    }
}
