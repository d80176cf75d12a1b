//! The client's memory in the form that the device reaches: [`GuestMemory`].
//!
//! A client may truncate its files while they are mapped. Touching a page that is gone kills the process (SIGBUS),
//! so:
//!
//! - A file that is sealed against shrinking (`F_SEAL_SHRINK`, the default of QEMU's `memory-backend-memfd`
//!   and of this crate's client) is mapped. The server checks the seal before the length.
//! - Other memory files (`tmpfs`: a memfd without seals, a file in `/dev/shm`) are read and written through the
//!   file, with `pread` and `pwrite`: an access beyond the end is a counted fault. Each access costs a system
//!   call. Aligned words are moved in one call. The kernel moves them whole on x86-64, but does not promise it, so
//!   seal memory that holds descriptors.
//! - Anything else is refused with `EINVAL`. The server does not even ask its file system for the length,
//!   because the answer may never come (FUSE, NFS). Huge pages that are not sealed are refused, too: they
//!   cannot be written through a file.
//! - Memory without a descriptor is recorded, so that it can be unmapped, and an access to it is a fault.
//!
//! Two gaps remain. A hole punched into a sealed file is filled again when it is touched; if the machine has no
//! page left for that (huge pages, above all), the process that touches it is killed. Closing a refused file may
//! block in its file system for ever; then that client's session stalls, but no other one.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ixy_dma::Iova;
use rustix::fs::{OFlags, fcntl_get_seals, fcntl_getfl, fstat, fstatfs};

use crate::mapping::{Mapping, is_inside, is_sealed};
use crate::message::{DmaMap, DmaUnmap, Errno};

const PAGE: u64 = 4096;
/// The type in `statfs` of memory files.
const TMPFS: u64 = 0x0102_1994;

/// The limits on a client's mappings.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimits {
    /// The number of mappings at a time; one more is answered with `ENOSPC`.
    pub mappings: usize,
    /// The number of bytes in total; more are answered with `ENOMEM`. They are address space: pages use memory of
    /// the client only.
    pub bytes: u64,
    /// The number of unsealed files, each of which keeps a descriptor open for all of its mappings; one more is
    /// answered with `ENOSPC`.
    pub files: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { mappings: 4096, bytes: 1 << 40, files: 64 }
    }
}

/// The memory that a client has mapped for the device, by IOVA. It is empty without a client.
///
/// All accesses are checked against the mappings and their permissions. A forbidden access has no effect, and is
/// counted.
///
/// ```
/// use ixy_dma::Iova;
/// use ixy_vfio_user::server::{Layout, Server, ServerLimits};
///
/// let server = Server::new(Layout::default(), ServerLimits::default())?;
/// let memory = server.memory(); // a device keeps a clone of this `Arc`
/// let mut descriptor = [0; 16];
/// assert!(!memory.view().read(Iova(0x1000), &mut descriptor), "no client has mapped memory");
/// assert_eq!((memory.faults(), memory.last_fault()), (1, Some(Iova(0x1000))));
/// # Ok::<(), ixy_vfio_user::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct GuestMemory {
    windows: RwLock<Vec<Window>>,
    limits: MemoryLimits,
    faults: AtomicU64,
    last_fault: AtomicU64,
}

#[derive(Debug)]
struct Window {
    iova: u64,
    len: u64,
    readable: bool,
    writable: bool,
    store: Store,
}

impl Window {
    /// Its last byte.
    fn last(&self) -> u64 {
        self.iova + (self.len - 1)
    }
}

#[derive(Debug)]
enum Store {
    Mapped(Mapping),
    /// A file, and the offset of the window in it.
    File(Arc<File>, u64),
    Nowhere,
}

/// An unsealed file. All windows into it share it.
#[derive(Debug)]
struct File {
    fd: OwnedFd,
    /// Its device and inode, and the flags it was opened with.
    identity: (u64, u64, OFlags),
}

impl GuestMemory {
    /// Empty memory that will not exceed `limits`.
    pub fn new(limits: MemoryLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A view of the windows as they are now. While it lives nothing is mapped or unmapped; requests of the client
    /// wait.
    pub fn view(&self) -> View<'_> {
        View { memory: self, windows: self.windows.read().unwrap_or_else(PoisonError::into_inner) }
    }

    /// The number of mapped windows.
    pub fn mappings(&self) -> usize {
        self.view().windows.len()
    }

    /// The number of forbidden accesses.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// The address of the latest fault.
    pub fn last_fault(&self) -> Option<Iova> {
        (self.faults() > 0).then(|| Iova(self.last_fault.load(Ordering::Relaxed)))
    }

    /// Executes a client's mapping request.
    ///
    /// # Errors
    /// `EINVAL`: partial pages, addresses out of range, unknown or missing flags, or a file that is too short or
    /// of a kind that cannot be accessed safely; `EEXIST`: part of it is mapped; `ENOSPC`, `ENOMEM`: it exceeds
    /// the limits; `EACCES`: the file is not open for the accesses in the flags; or the system's error. The file
    /// is checked first.
    pub fn map(&self, map: &DmaMap, fd: Option<OwnedFd>) -> Result<(), Errno> {
        let &DmaMap { flags, offset, address: iova, size: len, .. } = map;
        let end = iova.checked_add(len).ok_or(Errno::INVAL)?;
        let known = DmaMap::READ | DmaMap::WRITE;
        if len == 0 || flags & known == 0 || flags & !known != 0 || (iova | len | offset) % PAGE != 0 {
            return Err(Errno::INVAL);
        }
        let (readable, writable) = (flags & DmaMap::READ != 0, flags & DmaMap::WRITE != 0);
        // Before the lock, which keeps the device waiting: the file decides how long the system takes, also to
        // close it.
        let store = match fd {
            None => Store::Nowhere,
            Some(fd) => Store::new(fd, offset, len, writable)?,
        };
        let mut window = Window { iova, len, readable, writable, store };
        let mut windows = self.windows.write().unwrap_or_else(PoisonError::into_inner);
        let index = windows.partition_point(|w| w.iova < iova);
        let before = index.checked_sub(1).and_then(|n| windows.get(n));
        if before.is_some_and(|w| w.iova + w.len > iova) || windows.get(index).is_some_and(|w| w.iova < end) {
            return Err(Errno::EXIST);
        }
        if windows.len() >= self.limits.mappings {
            return Err(Errno::NOSPC);
        }
        let total = windows.iter().map(|w| w.len).fold(len, u64::saturating_add);
        if total > self.limits.bytes {
            return Err(Errno::NOMEM);
        }
        if let Store::File(file, _) = &mut window.store {
            self.share(&windows, file)?;
        }
        windows.insert(index, window);
        Ok(())
    }

    /// Replaces a file by the same one of another window, if there is one.
    fn share(&self, windows: &[Window], file: &mut Arc<File>) -> Result<(), Errno> {
        let files = windows.iter().filter_map(|window| match &window.store {
            Store::File(other, _) => Some(other),
            _ => None,
        });
        if let Some(same) = files.clone().find(|other| other.identity == file.identity) {
            *file = Arc::clone(same);
            return Ok(());
        }
        let others: HashSet<_> = files.map(Arc::as_ptr).collect();
        if others.len() < self.limits.files { Ok(()) } else { Err(Errno::NOSPC) }
    }

    /// Unmaps the windows in a range, as the kernel's VFIO does, or everything. When it returns, no access reaches
    /// them any more.
    ///
    /// # Errors
    /// `ENOENT`: nothing is mapped there; `EINVAL`: a window lies only partly in the range (none is unmapped
    /// then), there is no range, flags are unknown, or everything is named with an address.
    pub fn unmap(&self, unmap: &DmaUnmap) -> Result<(), Errno> {
        let mut windows = self.windows.write().unwrap_or_else(PoisonError::into_inner);
        match unmap.flags {
            0 => {
                let last = unmap.size.checked_sub(1).and_then(|rest| unmap.address.checked_add(rest));
                let range = unmap.address..=last.ok_or(Errno::INVAL)?;
                // Sorted, and none is empty.
                let start = windows.partition_point(|w| w.last() < *range.start());
                let end = windows.partition_point(|w| w.iova <= *range.end());
                let found = windows.get(start..end).filter(|found| !found.is_empty()).ok_or(Errno::NOENT)?;
                if !found.iter().all(|w| range.contains(&w.iova) && range.contains(&w.last())) {
                    return Err(Errno::INVAL);
                }
                windows.drain(start..end);
            }
            DmaUnmap::ALL if (unmap.address, unmap.size) == (0, 0) => windows.clear(),
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    /// Unmaps everything.
    pub fn clear(&self) {
        self.windows.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Store {
    fn new(fd: OwnedFd, offset: u64, len: u64, writable: bool) -> Result<Self, Errno> {
        let mode = fcntl_getfl(&fd)? & OFlags::RWMODE;
        if mode == OFlags::WRONLY || (writable && mode != OFlags::RDWR) {
            return Err(Errno::ACCESS);
        }
        // Only memory files have seals; other file systems are not asked.
        fcntl_get_seals(&fd).map_err(|_| Errno::INVAL)?;
        if is_sealed(fd.as_fd()) {
            let len = usize::try_from(len).map_err(|_| Errno::NOMEM)?;
            return Mapping::new(fd.as_fd(), offset, len, writable).map(Self::Mapped);
        }
        let is_memory = u64::try_from(fstatfs(&fd)?.f_type) == Ok(TMPFS);
        if !is_memory || !is_inside(fd.as_fd(), offset, len)? {
            return Err(Errno::INVAL);
        }
        tracing::debug!(len, "memory of the client is not sealed, and is reached through its file");
        let status = fstat(&fd)?;
        Ok(Self::File(Arc::new(File { fd, identity: (status.st_dev, status.st_ino, mode) }), offset))
    }

    fn read(&self, at: u64, into: &mut [u8]) -> bool {
        match self {
            Self::Mapped(mapping) => usize::try_from(at).is_ok_and(|at| mapping.read(at, into)),
            Self::File(file, start) => {
                let mut done = 0;
                while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
                    match rustix::io::pread(&file.fd, rest, start + at + done as u64) {
                        Ok(n) if n > 0 => done += n,
                        Err(Errno::INTR) => {}
                        _ => return false,
                    }
                }
                true
            }
            Self::Nowhere => false,
        }
    }

    fn write(&self, at: u64, bytes: &[u8]) -> bool {
        match self {
            Self::Mapped(mapping) => usize::try_from(at).is_ok_and(|at| mapping.write(at, bytes)),
            Self::File(file, start) => {
                // Writing beyond the end of a file would extend it again, page by page.
                let first = start + at;
                if !is_inside(file.fd.as_fd(), first, bytes.len() as u64).unwrap_or(false) {
                    return false;
                }
                let mut done = 0;
                while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
                    match rustix::io::pwrite(&file.fd, rest, first + done as u64) {
                        Ok(n) if n > 0 => done += n,
                        Err(Errno::INTR) => {}
                        _ => return false,
                    }
                }
                true
            }
            Self::Nowhere => false,
        }
    }
}

/// The accesses of a device to [`GuestMemory`].
#[derive(Debug)]
pub struct View<'a> {
    memory: &'a GuestMemory,
    windows: RwLockReadGuard<'a, Vec<Window>>,
}

/// Loads and stores of one width, little-endian in memory as for PCI devices.
macro_rules! words {
    ($($(#[$doc:meta])* $load:ident, $store:ident, $type:ty;)+) => {
        $(
            $(#[$doc])*
            /// An acquire load; `None` when that is a fault or the address is not aligned.
            #[inline]
            pub fn $load(&self, iova: Iova) -> Option<$type> {
                let loaded = self.aligned(iova, size_of::<$type>()).and_then(|(window, at)| match &window.store {
                    _ if !window.readable => None,
                    Store::Mapped(mapping) => mapping.$load(usize::try_from(at).ok()?).map(<$type>::from_le),
                    other => {
                        let mut bytes = [0; size_of::<$type>()];
                        other.read(at, &mut bytes).then(|| <$type>::from_le_bytes(bytes))
                    }
                });
                if loaded.is_none() {
                    self.fault(iova);
                }
                loaded
            }

            /// A release store; `false` when that is a fault or the address is not aligned.
            #[inline]
            pub fn $store(&self, iova: Iova, value: $type) -> bool {
                let stored = self.aligned(iova, size_of::<$type>()).is_some_and(|(window, at)| match &window.store {
                    _ if !window.writable => false,
                    Store::Mapped(mapping) => {
                        usize::try_from(at).is_ok_and(|at| mapping.$store(at, value.to_le()))
                    }
                    other => other.write(at, &value.to_le_bytes()),
                });
                if !stored {
                    self.fault(iova);
                }
                stored
            }
        )+
    };
}

impl View<'_> {
    /// The window with the byte at `iova`, and the byte's offset in it.
    #[inline]
    fn find(&self, iova: u64) -> Option<(&Window, u64)> {
        let index = self.windows.partition_point(|w| w.iova <= iova);
        let window = self.windows.get(index.checked_sub(1)?)?;
        let at = iova - window.iova;
        (at < window.len).then_some((window, at))
    }

    /// Like [`find`](Self::find), for an aligned word. Windows are whole pages, so a word that begins in one ends
    /// in it.
    #[inline]
    fn aligned(&self, iova: Iova, size: usize) -> Option<(&Window, u64)> {
        if iova.0.is_multiple_of(size as u64) { self.find(iova.0) } else { None }
    }

    fn fault(&self, iova: Iova) {
        self.memory.last_fault.store(iova.0, Ordering::Relaxed);
        self.memory.faults.fetch_add(1, Ordering::Relaxed);
    }

    /// Splits a range at the ends of windows, and calls `each` with a window, the piece's offset in it and in the
    /// range, and its length. `false` when part of the range is in no window, or `each` returns that.
    fn pieces(
        &self,
        iova: Iova,
        len: usize,
        mut each: impl FnMut(&Window, u64, usize, usize) -> bool,
    ) -> bool {
        let mut done = 0;
        while done < len {
            let Some(address) = iova.0.checked_add(done as u64) else { return false };
            let Some((window, at)) = self.find(address) else { return false };
            let piece = usize::try_from(window.len - at).unwrap_or(usize::MAX).min(len - done);
            if !each(window, at, done, piece) {
                return false;
            }
            done += piece;
        }
        true
    }

    /// Whether the device may write (or else read) all of a range, without doing it. This counts no fault.
    pub fn allows(&self, iova: Iova, len: usize, write: bool) -> bool {
        let allowed = |w: &Window| if write { w.writable } else { w.readable };
        self.pieces(iova, len, |w, _, _, _| allowed(w) && !matches!(w.store, Store::Nowhere))
    }

    /// Reads `into.len()` bytes at `iova`, which may span adjacent windows; `false` when part of it is a fault,
    /// and `into` then has any content.
    pub fn read(&self, iova: Iova, into: &mut [u8]) -> bool {
        let read = self.pieces(iova, into.len(), |window, at, from, len| {
            let piece = into.get_mut(from..from + len);
            window.readable && piece.is_some_and(|piece| window.store.read(at, piece))
        });
        if !read {
            self.fault(iova);
        }
        read
    }

    /// Writes `bytes` at `iova`; `false` when part of it is a fault. Nothing was written then, unless the client
    /// unmapped the memory in the meantime.
    pub fn write(&self, iova: Iova, bytes: &[u8]) -> bool {
        let written = self.allows(iova, bytes.len(), true)
            && self.pieces(iova, bytes.len(), |window, at, from, len| {
                bytes.get(from..from + len).is_some_and(|piece| window.store.write(at, piece))
            });
        if !written {
            self.fault(iova);
        }
        written
    }

    words! {
        /// The 64-bit word at `iova`, half a descriptor.
        load64, store64, u64;
        /// The 32-bit word at `iova`.
        load32, store32, u32;
        /// The 16-bit word at `iova`.
        load16, store16, u16;
    }

    /// `count` words of 64 bits from `iova` on, for a ring in repeated use. `None` when they are misaligned, not
    /// in one window, not both readable and writable, or not mapped into this process; this is no fault, and each
    /// word can still be reached by itself.
    #[inline]
    pub fn words(&self, iova: Iova, count: usize) -> Option<&[AtomicU64]> {
        let (window, at) = self.aligned(iova, 8)?;
        match &window.store {
            Store::Mapped(mapping) if window.readable => mapping.words(usize::try_from(at).ok()?, count),
            _ => None,
        }
    }
}
