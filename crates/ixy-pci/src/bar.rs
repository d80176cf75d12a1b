//! Device registers in memory: [`BarBus`], a mapped BAR.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use ixy_regs::bus::{Bus, Mmio};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::config::ConfigSpace;
use crate::error::Error;
use crate::ports::PortBus;
use crate::region::BarFile;
use crate::sysfs;
use crate::vfio::Region;

/// The alignment of a memory BAR's address (PCI Local Bus Specification 3.0, 6.2.5.1).
const ALIGNMENT: usize = 16;

/// The registers of a device, mapped into memory. Clones share one mapping, and with it the lock on the device,
/// until the last of them is dropped. An access is one load or store.
///
/// Through VFIO a BAR can have parts that the kernel does not let programs map: the MSI-X table, and BARs smaller
/// than a page. There an access is a system call, as with [`PortBus`].
#[derive(Debug, Clone)]
pub struct BarBus {
    mmio: Mmio,
    _mapping: Arc<Mapping>,
    holes: Option<Arc<Holes>>,
}

/// The unmapped parts of a BAR.
#[derive(Debug)]
struct Holes {
    /// The mapped parts.
    mapped: Vec<Range<u64>>,
    /// The bus to the other parts.
    bus: PortBus,
}

/// A mapped file, unmapped on drop.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    len: usize,
    /// Keeps the device locked while its registers can be reached.
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
    /// Maps a memory BAR. The device must decode its memory space.
    pub(crate) fn map(bar: BarFile, config: Arc<ConfigSpace>) -> Result<Self, Error> {
        if let Some(function) = config.vfio() {
            let region = function.region(bar.number.into())?;
            return Self::map_region(bar, region, function.file(), &config);
        }
        let BarFile { address, path, start, len, .. } = bar;
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|e| Error::access("open", address, &path, e))?;
        // The kernel maps whole pages; a small BAR can begin inside one.
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
        Ok(Self { mmio, _mapping: Arc::new(mapping), holes: None })
    }

    /// Maps the mappable parts of a region of VFIO's descriptor `file`.
    fn map_region(
        bar: BarFile,
        region: Region,
        file: &File,
        config: &Arc<ConfigSpace>,
    ) -> Result<Self, Error> {
        let len = u32::try_from(region.len).unwrap_or(!0xFFF).min(bar.len);
        if len == 0 {
            let (address, number) = (bar.address, bar.number);
            let source = io::Error::other(format!("BAR {number} may not be read and written"));
            return Err(Error::VfioRequest { address, what: "map registers of", source });
        }
        let areas = region.areas.iter().map(|area| area.start..area.end.min(len.into()));
        let areas: Vec<Range<u64>> = areas.filter(|area| !area.is_empty()).collect();
        let mapping = map_areas(file, region.start, len as usize, &areas, config);
        let mapping = mapping.map_err(|e| Error::io("map through VFIO", &bar.path, e))?;
        let whole = matches!(&areas[..], [all] if *all == (0..u64::from(len)));
        let holes = if whole {
            None
        } else {
            tracing::debug!(device = %bar.address, bar = bar.number, mapped = ?areas, "not all of the BAR is mapped");
            let bus = PortBus::of_region(bar, &region, file, Arc::clone(config))?;
            Some(Arc::new(Holes { mapped: areas, bus }))
        };
        // SAFETY: MAPPED-ALIVE: the mapping has `len` bytes from `base`, which is aligned to a page, and BarBus keeps
        // it as long as it keeps the Mmio. What of it has no registers is never accessed: see `elsewhere`.
        let mmio = unsafe { Mmio::new(mapping.base, len) };
        Ok(Self { mmio, _mapping: Arc::new(mapping), holes })
    }

    /// The bus to a register that is not mapped.
    #[inline(always)]
    fn elsewhere(&self, offset: u32, width: u32) -> Option<&PortBus> {
        self.holes.as_ref()?.around(offset, width)
    }
}

impl Holes {
    /// The bus to an access that is not wholly in a mapped part.
    #[cold]
    fn around(&self, offset: u32, width: u32) -> Option<&PortBus> {
        let (first, end) = (u64::from(offset), u64::from(offset) + u64::from(width));
        let mapped = self.mapped.iter().any(|area| area.start <= first && end <= area.end);
        (!mapped).then_some(&self.bus)
    }
}

/// Maps parts of a file that begins at `start`, each at its place in `len` bytes of memory. The rest of those
/// bytes is inaccessible.
fn map_areas(
    file: &File,
    start: u64,
    len: usize,
    areas: &[Range<u64>],
    config: &Arc<ConfigSpace>,
) -> Result<Mapping, Errno> {
    // SAFETY: a new mapping at an address of the kernel's choice replaces no other memory.
    let base = unsafe {
        rustix::mm::mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::empty(), MapFlags::PRIVATE)
    }?;
    let base = NonNull::new(base.cast::<u8>()).ok_or(Errno::NOMEM)?;
    let mapping = Mapping { base, len, _config: Arc::clone(config) };
    for area in areas {
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::FIXED);
        // SAFETY: areas are inside of `len` bytes and begin at pages, so that this replaces pages of the mapping just
        // made, which nobody uses yet.
        unsafe {
            let at = base.as_ptr().add(area.start as usize).cast();
            rustix::mm::mmap(at, (area.end - area.start) as usize, access, flags, file, start + area.start)
        }?;
    }
    Ok(mapping)
}

/// Maps `len` bytes of a file for reading and writing, shared with the device.
fn map(file: &File, len: usize, config: Arc<ConfigSpace>) -> Result<Mapping, Errno> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice replaces no other memory.
    let base = unsafe { rustix::mm::mmap(std::ptr::null_mut(), len, access, MapFlags::SHARED, file, 0) }?;
    let base = NonNull::new(base.cast()).ok_or(Errno::NOMEM)?;
    Ok(Mapping { base, len, _config: config })
}

// SAFETY: BUS-WINDOW: everything is passed on to `Mmio`, or to a PortBus for the parts that are not mapped, which
// keep the promises; the mapping is the same for clones.
unsafe impl Bus for BarBus {
    #[inline(always)]
    fn len(&self) -> u32 {
        self.mmio.len()
    }

    #[inline(always)]
    unsafe fn read8(&self, offset: u32) -> u8 {
        // SAFETY: BUS-WINDOW, promised by the caller.
        unsafe {
            match self.elsewhere(offset, 1) {
                None => self.mmio.read8(offset),
                Some(bus) => bus.read8(offset),
            }
        }
    }

    #[inline(always)]
    unsafe fn read16(&self, offset: u32) -> u16 {
        // SAFETY: BUS-WINDOW, promised by the caller.
        unsafe {
            match self.elsewhere(offset, 2) {
                None => self.mmio.read16(offset),
                Some(bus) => bus.read16(offset),
            }
        }
    }

    #[inline(always)]
    unsafe fn read32(&self, offset: u32) -> u32 {
        // SAFETY: BUS-WINDOW, promised by the caller.
        unsafe {
            match self.elsewhere(offset, 4) {
                None => self.mmio.read32(offset),
                Some(bus) => bus.read32(offset),
            }
        }
    }

    #[inline(always)]
    unsafe fn write8(&self, offset: u32, value: u8) {
        // SAFETY: BUS-WINDOW and what the device may reach, promised by the caller.
        unsafe {
            match self.elsewhere(offset, 1) {
                None => self.mmio.write8(offset, value),
                Some(bus) => bus.write8(offset, value),
            }
        }
    }

    #[inline(always)]
    unsafe fn write16(&self, offset: u32, value: u16) {
        // SAFETY: BUS-WINDOW and what the device may reach, promised by the caller.
        unsafe {
            match self.elsewhere(offset, 2) {
                None => self.mmio.write16(offset, value),
                Some(bus) => bus.write16(offset, value),
            }
        }
    }

    #[inline(always)]
    unsafe fn write32(&self, offset: u32, value: u32) {
        // SAFETY: BUS-WINDOW and what the device may reach, promised by the caller.
        unsafe {
            match self.elsewhere(offset, 4) {
                None => self.mmio.write32(offset, value),
                Some(bus) => bus.write32(offset, value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::sysfs::Sysfs;

    /// Where the region begins in its file.
    const START: u64 = 0x10_0000;

    /// A file in place of a region of 16 KiB and a bit, with each word holding its offset, mapped in these areas.
    fn bus(name: &str, areas: Vec<Range<u64>>) -> (File, BarBus) {
        let root = std::env::temp_dir().join(format!("ixy-pci-bar-{}-{name}", std::process::id()));
        let device = root.join("sys/bus/pci/devices/0000:03:00.0");
        fs::create_dir_all(&device).unwrap();
        let path = device.join("resource0");
        fs::write(device.join("config"), [0; 64]).unwrap();
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        let words: Vec<u8> = (0..0x4020_u32).step_by(4).flat_map(u32::to_ne_bytes).collect();
        file.write_all_at(&words, START).unwrap();
        let address = "0000:03:00.0".parse().unwrap();
        let config = Arc::new(ConfigSpace::open_read_only(&Sysfs::new(&root), address).unwrap());
        let bar = BarFile { address, number: 0, path, start: 0, len: 0x4020 };
        let region = Region { start: START, len: 0x4020, areas };
        let bus = BarBus::map_region(bar, region, &file, &config).unwrap();
        fs::remove_dir_all(&root).unwrap();
        (file, bus)
    }

    #[test]
    fn registers_are_reached_wherever_they_are_in_a_bar_that_is_mapped_in_parts() {
        let areas = [
            ("parts", vec![0..0x1000, 0x2000..0x4020]),
            ("none", vec![]),
            ("one", std::iter::once(0x1000..0x2000).collect()),
        ];
        for (name, areas) in areas {
            let (file, bus) = bus(name, areas);
            assert_eq!(bus.len(), 0x4020);
            for offset in [0, 0xFFC, 0x1000, 0x1FFC, 0x2000, 0x3FFC, 0x401C] {
                let mut found = [0; 4];
                // SAFETY: BUS-WINDOW: all offsets are inside of 0x4020 bytes; a file reaches no memory.
                unsafe {
                    assert_eq!(bus.read32(offset), offset, "{name}");
                    assert_eq!(bus.read16(offset), offset as u16, "{name}");
                    assert_eq!(bus.read8(offset + 1), (offset >> 8) as u8, "{name}");
                    bus.write32(offset, 0x1122_3344);
                    bus.write16(offset + 2, 0x5566);
                    bus.write8(offset, 0x77);
                }
                file.read_exact_at(&mut found, START + u64::from(offset)).unwrap();
                assert_eq!(u32::from_ne_bytes(found), 0x5566_3377, "{name} {offset:#x}");
            }
        }
    }

    #[test]
    fn a_bar_has_the_length_that_vfio_gives_access_to_and_none_at_all_is_an_error() {
        let (file, whole) = bus("length", std::iter::once(0..0x4000).collect());
        let config = &whole._mapping._config;
        let address = "0000:03:00.0".parse().unwrap();
        let mapped = |listed, len| {
            let bar = BarFile { address, number: 2, path: "resource2".into(), start: 0, len: listed };
            let region = Region { start: START, len, areas: std::iter::once(0..len).collect() };
            BarBus::map_region(bar, region, &file, config)
        };
        for (listed, len, expected) in [(0x4000, 0x2000, 0x2000), (0x1000, 0x2000, 0x1000)] {
            let bus = mapped(listed, len).unwrap();
            assert_eq!(bus.len(), expected);
            // SAFETY: BUS-WINDOW: inside of the length.
            assert_eq!(unsafe { bus.read32(expected - 4) }, expected - 4);
        }
        let text = mapped(0x1000, 0).unwrap_err().to_string();
        assert!(text.contains("registers of 0000:03:00.0") && text.contains("BAR 2 may not be"), "{text}");
    }

    #[test]
    fn only_what_is_wholly_in_a_mapped_part_is_accessed_there() {
        let (_, bus) = bus("edges", vec![0..0x1000, 0x2000..0x4020]);
        let mapped = |offset, width| bus.elsewhere(offset, width).is_none();
        assert!(mapped(0, 4) && mapped(0xFFC, 4) && mapped(0x2000, 1) && mapped(0x401E, 2));
        assert!(!mapped(0xFFE, 4) && !mapped(0x1000, 1) && !mapped(0x1FFF, 1));
        let (_, whole) = self::bus("whole", std::iter::once(0..0x4020).collect());
        assert!(whole.holes.is_none());
    }
}
