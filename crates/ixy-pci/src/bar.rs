//! Device registers in memory: [`BarBus`], a mapped BAR. All `unsafe` code of this crate is in this file.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;

use ixy_regs::bus::{Bus, Mmio};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::address::Address;
use crate::config::ConfigSpace;
use crate::error::Error;
use crate::sysfs::{self, Sysfs};

/// IORESOURCE_IO of the flags in the file `resource`: the BAR is a range of I/O ports.
const RESOURCE_IS_PORTS: u64 = 0x100;

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

/// A BAR that is large enough and was not yet mapped.
#[derive(Debug)]
pub(crate) struct Bar {
    address: Address,
    path: PathBuf,
    len: u32,
}

impl Bar {
    /// Finds BAR `number` and its size.
    pub(crate) fn find(
        sysfs: &Sysfs,
        address: Address,
        number: u8,
        needed: u32,
        driver: &str,
    ) -> Result<Self, Error> {
        let directory = sysfs.path(address);
        let path = directory.join(format!("resource{number}"));
        let listed = listed_size(&directory, address, number)?;
        let file = match path.metadata() {
            Ok(metadata) => metadata.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoBar { address, bar: number, path });
            }
            Err(e) => return Err(Error::access("look at", address, &path, e)),
        };
        // A mapping that is longer than its file would fault where the file ends.
        let size = listed.map_or(file, |listed| listed.min(file));
        if size < u64::from(needed) || size == 0 {
            let driver = driver.to_owned();
            return Err(Error::BarTooSmall { address, bar: number, size, needed, driver });
        }
        Ok(Self { address, path, len: u32::try_from(size).unwrap_or(!0xFFF) })
    }

    /// Maps it. The device must answer in its memory space.
    pub(crate) fn map(self, config: Arc<ConfigSpace>) -> Result<BarBus, Error> {
        let Self { address, path, len } = self;
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|e| Error::access("open", address, &path, e))?;
        let mapping = map(&file, len as usize, config).map_err(|e| match e {
            Errno::PERM => Error::Lockdown { path: path.clone() },
            Errno::INVAL => Error::BarExclusive { address, path: path.clone() },
            e => Error::io("map", &path, e),
        })?;
        // SAFETY: MAPPED-ALIVE: the mapping has `len` bytes from `base`, aligned to a page, and BarBus keeps it as
        // long as it keeps the Mmio. Nobody makes references to it.
        let mmio = unsafe { Mmio::new(mapping.base, len) };
        Ok(BarBus { mmio, _mapping: Arc::new(mapping) })
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

/// The size of a BAR as the file `resource` has it: line after line start, end and flags. `None` without that file.
fn listed_size(device: &Path, address: Address, number: u8) -> Result<Option<u64>, Error> {
    let path = device.join("resource");
    let Some(text) = sysfs::read(&path)? else { return Ok(None) };
    let Some(line) = text.lines().nth(number.into()) else { return Ok(Some(0)) };

    let bad = || sysfs::bad(&path, line, "start, end and flags of a region");
    let number_of = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let numbers: Option<Vec<u64>> = line.split_whitespace().map(number_of).collect();
    let [start, end, flags] = numbers.ok_or_else(bad)?[..] else { return Err(bad()) };
    if flags & RESOURCE_IS_PORTS != 0 {
        return Err(Error::BarIsPorts { address, bar: number });
    }
    // A BAR that is not there has zeros in all three.
    if end == 0 {
        return Ok(Some(0));
    }
    end.checked_sub(start).and_then(|last| last.checked_add(1)).map(Some).ok_or_else(bad)
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
