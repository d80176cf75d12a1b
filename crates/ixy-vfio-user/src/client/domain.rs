//! Memory that a device of another process reaches: [`VfioUserDomain`].

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ixy_dma::{Backing, DmaDomain, DmaMemory, DomainId, Error, Iova, Segment};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use super::Client;
use super::bus_master::failed;
use crate::mapping::Mapping;
use crate::message::Errno;

const PAGE: usize = 4096;
/// The first IOVA: above 4 GiB, so that an address cut to 32 bits is a fault and not a hit.
const FIRST_IOVA: u64 = 1 << 32;

/// The next IOVA for all domains of the process, so that memory of one can be imported into the others.
static NEXT_IOVA: AtomicU64 = AtomicU64::new(FIRST_IOVA);

/// Allocated memory by its address, to find the file of imported memory.
static FILES: Mutex<BTreeMap<usize, Weak<Memory>>> = Mutex::new(BTreeMap::new());

/// The address space of one device of another process.
///
/// Memory comes from a sealed memfd, so that neither side can shrink it; each allocation is one piece for the
/// device. The server maps the same file: it can reach the memory that it was given, and nothing else of this
/// process, whatever it does. Memory can be imported from other domains of this kind only, since it needs a file.
///
/// ```
/// # use std::os::unix::net::UnixStream;
/// # use std::time::Duration;
/// # use ixy_vfio_user::client::{Client, VfioUserDomain};
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
/// use std::sync::Arc;
/// use ixy_dma::DmaDomain;
///
/// let domain = Arc::new(VfioUserDomain::new(&client, "example"));
/// let memory = domain.allocate(10_000)?; // whole pages, mapped by the server
/// assert_eq!((memory.len(), memory.segments().len()), (12_288, 1));
/// println!("the device reaches it at {:#x}", memory.segments()[0].iova.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct VfioUserDomain {
    id: DomainId,
    name: String,
    client: Client,
}

/// A file and its mapping.
#[derive(Debug)]
struct Memory {
    file: OwnedFd,
    mapping: Mapping,
}

impl VfioUserDomain {
    /// The address space of `client`'s device; `name` is its name in messages, for instance its socket's path.
    pub fn new(client: &Client, name: impl Into<String>) -> Self {
        Self { id: DomainId::unique(), name: name.into(), client: client.clone() }
    }
}

/// Allocates sealed memory of whole pages.
fn allocate(len: usize) -> Result<Memory, Errno> {
    let file = memfd_create("ixy", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, len as u64)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    let mapping = Mapping::new(file.as_fd(), 0, len, true)?;
    Ok(Memory { file, mapping })
}

// SAFETY: the id is the domain's own. What is allocated or imported was mapped by the server, at the IOVAs in its
// segments, when the calls return, and is unmapped when `Mapped` is dropped.
unsafe impl DmaDomain for VfioUserDomain {
    fn id(&self) -> DomainId {
        self.id
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn allocate(self: Arc<Self>, size: usize) -> Result<DmaMemory, Error> {
        let len =
            size.checked_next_multiple_of(PAGE).filter(|len| *len > 0).ok_or(Error::BadRequest { size })?;
        let memory = allocate(len).map_err(|errno| Error::Allocate { len, source: errno.into() })?;
        let memory = Arc::new(memory);
        // One page after each is left out, so that running over its end is a fault.
        let iova = NEXT_IOVA.fetch_add((len + PAGE) as u64, Ordering::Relaxed);
        self.client
            .map(iova, len as u64, memory.file.as_fd(), 0, true)
            .map_err(|error| failed(format!("mapping {len} bytes for {}", self.name), error))?;
        let base = memory.mapping.base();
        {
            let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
            files.retain(|_, memory| memory.strong_count() > 0);
            files.insert(base.as_ptr().addr(), Arc::downgrade(&memory));
        }
        let backing =
            Mapped { client: self.client.clone(), windows: vec![(iova, len as u64)], _memory: memory };
        let segments = vec![Segment { offset: 0, len, iova: Iova(iova) }];
        // SAFETY: MAPPED-ALIVE: `backing` keeps the mapping of `len` zeroed bytes of a fresh file at `base`, which
        // nothing else in this process uses; the one segment covers it, in whole pages, where the server has just
        // mapped it.
        Ok(unsafe { DmaMemory::from_raw(base, len, segments, Box::new(backing), self) })
    }

    unsafe fn import(self: Arc<Self>, memory: &DmaMemory) -> Result<Box<dyn Backing>, Error> {
        let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        let found = files.get(&memory.base().as_ptr().addr()).and_then(Weak::upgrade);
        drop(files);
        let Some(file) = found.filter(|file| file.mapping.len() == memory.len()) else {
            return Err(Error::CannotShare {
                from: memory.domain().name(),
                into: self.name.clone(),
                why: "a device of another process reaches files only: allocate from a vfio-user device"
                    .into(),
            });
        };
        let mut mapped =
            Mapped { client: self.client.clone(), windows: Vec::new(), _memory: Arc::clone(&file) };
        for &Segment { offset, len, iova } in memory.segments() {
            match self.client.map(iova.0, len as u64, file.file.as_fd(), offset as u64, true) {
                Ok(()) => mapped.windows.push((iova.0, len as u64)),
                Err(crate::Error::Refused { errno: Errno::EXIST, .. }) => {
                    return Err(Error::Overlap { iova, len, domain: self.name.clone() });
                }
                Err(error) => return Err(failed(format!("mapping {len} bytes for {}", self.name), error)),
            }
        }
        Ok(Box::new(mapped))
    }
}

/// A mapping in the server, and its memory.
#[derive(Debug)]
struct Mapped {
    client: Client,
    windows: Vec<(u64, u64)>,
    // Freed after `drop` has unmapped it from the server.
    _memory: Arc<Memory>,
}

impl Backing for Mapped {}

impl Drop for Mapped {
    fn drop(&mut self) {
        for &(iova, len) in &self.windows {
            // A server that is gone has no mappings; one that keeps a mapping keeps unused pages.
            if let Err(error) = self.client.unmap(iova, len) {
                tracing::debug!(%error, "unmapping {len:#x} bytes at {iova:#x}");
            }
        }
    }
}
