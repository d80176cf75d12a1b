//! Device registers in memory: [`BarBus`], a mapped BAR.

use std::fs::{File, OpenOptions};
use std::ptr::NonNull;
use std::sync::Arc;

use ixy_regs::bus::{Bus, Mmio};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::config::ConfigSpace;
use crate::error::Error;
use crate::region::BarFile;
use crate::sysfs;

/// What the address of a memory BAR is a multiple of (PCI Local Bus Specification 3.0, 6.2.5.1).
const ALIGNMENT: usize = 16;

/// The registers of a device, mapped into memory. Clones share one mapping, which lives until the last of them is
/// dropped, and so does the lock on the device. An access is one load or store.
#[derive(Debug, Clone)]
pub struct BarBus {
    mmio: Mmio,
    _mapping: Arc<Mapping>,
}

/// A mapped file, unmapped on drop.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    len: usize,
    /// Keeps the device locked as long as its registers can be reached.
    _config: Arc<ConfigSpace>,
}

// SAFETY: a Mapping owns an address range of the process; it gives out nothing but that address, and any thread may
// unmap it.
unsafe impl Send for Mapping {}
// SAFETY: as for Send; nothing in it changes.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: MAPPED-ALIVE: `base` and `len` are what `mmap` gave, and no BarBus, which is the only way to the
        // mapping, exists any more.
        if let Err(e) = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) } {
            tracing::warn!("a BAR of {} bytes cannot be unmapped: {e}", self.len);
        }
    }
}

impl BarBus {
    /// Maps a BAR of memory. The device must answer in its memory space.
    pub(crate) fn map(bar: BarFile, config: Arc<ConfigSpace>) -> Result<Self, Error> {
        let BarFile { address, path, start, len } = bar;
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|e| Error::access("open", address, &path, e))?;
        // The kernel maps whole pages; a small BAR can begin inside of one.
        let inside = (start % rustix::param::page_size() as u64) as usize;
        if !inside.is_multiple_of(ALIGNMENT) {
            return Err(sysfs::bad(&path, &format!("registers at {start:#x}"), "a multiple of 16"));
        }
        let mapping = map(&file, inside + len as usize, config).map_err(|e| match e {
            Errno::PERM => Error::Lockdown { what: "map", path: path.clone() },
            Errno::INVAL => Error::BarExclusive { address, path: path.clone() },
            e => Error::io("map", &path, e),
        })?;
        // SAFETY: MAPPED-ALIVE: the mapping has `inside + len` bytes from `base`, which is aligned to a page, and
        // `inside` is a multiple of 16. BarBus keeps the mapping as long as it keeps the Mmio. Nobody makes references
        // to it.
        let mmio = unsafe { Mmio::new(mapping.base.add(inside), len) };
        Ok(Self { mmio, _mapping: Arc::new(mapping) })
    }
}

/// Maps `len` bytes of a file for reading and writing, shared with the device.
fn map(file: &File, len: usize, config: Arc<ConfigSpace>) -> Result<Mapping, Errno> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice replaces no other memory.
    let base = unsafe { rustix::mm::mmap(std::ptr::null_mut(), len, access, MapFlags::SHARED, file, 0) }?;
    let base = NonNull::new(base.cast()).ok_or(Errno::NOMEM)?;
    Ok(Mapping { base, len, _config: config })
}

// SAFETY: BUS-WINDOW: everything is passed on to `Mmio`, which keeps the promises; the mapping is the same for clones.
unsafe impl Bus for BarBus {
    #[inline(always)]
    fn len(&self) -> u32 {
        self.mmio.len()
    }

    #[inline(always)]
    unsafe fn read8(&self, offset: u32) -> u8 {
        // SAFETY: BUS-WINDOW, promised by the caller.
        unsafe { self.mmio.read8(offset) }
    }

    #[inline(always)]
    unsafe fn read16(&self, offset: u32) -> u16 {
        // SAFETY: BUS-WINDOW, promised by the caller.
        unsafe { self.mmio.read16(offset) }
    }

    #[inline(always)]
    unsafe fn read32(&self, offset: u32) -> u32 {
        // SAFETY: BUS-WINDOW, promised by the caller.
        unsafe { self.mmio.read32(offset) }
    }

    #[inline(always)]
    unsafe fn write8(&self, offset: u32, value: u8) {
        // SAFETY: BUS-WINDOW and what the device may reach, promised by the caller.
        unsafe { self.mmio.write8(offset, value) }
    }

    #[inline(always)]
    unsafe fn write16(&self, offset: u32, value: u16) {
        // SAFETY: BUS-WINDOW and what the device may reach, promised by the caller.
        unsafe { self.mmio.write16(offset, value) }
    }

    #[inline(always)]
    unsafe fn write32(&self, offset: u32, value: u32) {
        // SAFETY: BUS-WINDOW and what the device may reach, promised by the caller.
        unsafe { self.mmio.write32(offset, value) }
    }
}
