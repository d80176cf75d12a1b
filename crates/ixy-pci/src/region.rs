//! The parts of a device's registers: [`Bar`], and the files that stand for them.

use std::io;
use std::path::{Path, PathBuf};

use crate::address::Address;
use crate::error::Error;
use crate::sysfs::{self, Sysfs};

/// Bits of the flags in the file `resource` (the kernel's include/linux/ioport.h).
mod flag {
    /// IORESOURCE_IO: a range of I/O ports.
    pub(super) const PORTS: u64 = 0x100;
    /// IORESOURCE_DISABLED and IORESOURCE_UNSET: it has a size, but no address of its own.
    pub(super) const NOWHERE: u64 = 0x1000_0000 | 0x2000_0000;
}

/// The number of BARs in a header of type 0; later lines of `resource` are something else.
const BARS: u8 = 6;

/// A BAR (base address register): a range of a device's registers, as the kernel lists it or as a driver needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Its number, 0 to 5.
    pub number: u8,
    /// How it is accessed.
    pub kind: BarKind,
    /// Its size in bytes, or the number of bytes that a driver needs.
    pub len: u64,
}

/// How the registers in a BAR are accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarKind {
    /// As memory.
    Memory,
    /// As I/O ports.
    Ports,
}

/// The line of a BAR in the file `resource`.
#[derive(Debug, Clone, Copy)]
struct Region {
    start: u64,
    len: u64,
    kind: BarKind,
    /// Whether it has an address.
    assigned: bool,
}

impl Sysfs {
    /// The BARs of a device that have an address, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::BadAttribute`] when the file `resource` is not as the kernel writes it, [`Error::Io`].
    pub fn bars(&self, address: Address) -> Result<Vec<Bar>, Error> {
        let Some(list) = Regions::read(&self.path(address))? else { return Ok(Vec::new()) };
        let mut bars = Vec::new();
        for number in 0..BARS {
            let Some(region) = list.region(number)? else { continue };
            if region.assigned {
                bars.push(Bar { number, kind: region.kind, len: region.len });
            }
        }
        Ok(bars)
    }
}

/// The file of a BAR that is of the right kind and large enough.
#[derive(Debug)]
pub(crate) struct BarFile {
    pub(crate) address: Address,
    pub(crate) number: u8,
    pub(crate) path: PathBuf,
    /// The address of its first byte, if known; else 0.
    pub(crate) start: u64,
    pub(crate) len: u32,
}

impl BarFile {
    /// Finds the file of a BAR of the kind and at least the size of `needed`. `driver` is for messages.
    pub(crate) fn find(sysfs: &Sysfs, address: Address, needed: Bar, driver: &str) -> Result<Self, Error> {
        let Bar { number: bar, kind, len } = needed;
        let directory = sysfs.path(address);
        let path = directory.join(format!("resource{bar}"));
        let listed = match Regions::read(&directory)? {
            Some(list) if bar < BARS => list.region(bar)?.map(Some).ok_or(0),
            Some(_) => Err(0),
            None => Ok(None),
        };
        match listed {
            Ok(Some(Region { assigned: false, .. })) => return Err(Error::BarUnassigned { address, bar }),
            Ok(Some(Region { kind: BarKind::Ports, .. })) if kind == BarKind::Memory => {
                return Err(Error::BarIsPorts { address, bar });
            }
            Ok(Some(Region { kind: BarKind::Memory, .. })) if kind == BarKind::Ports => {
                return Err(Error::BarIsMemory { address, bar, driver: driver.to_owned() });
            }
            _ => {}
        }
        let file = match path.metadata() {
            Ok(metadata) => metadata.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Error::NoBar { address, bar, path }),
            Err(e) => return Err(Error::access("look at", address, &path, e)),
        };
        // A mapping longer than its file would fault at the file's end.
        let (start, size) = match listed {
            Ok(Some(region)) => (region.start, region.len.min(file)),
            Ok(None) => (0, file),
            Err(none) => (0, none),
        };
        if size < len || size == 0 {
            let driver = driver.to_owned();
            return Err(Error::BarTooSmall { address, bar, size, needed: len, driver });
        }
        Ok(Self { address, number: bar, path, start, len: u32::try_from(size).unwrap_or(!0xFFF) })
    }
}

/// The file `resource`: each line has start, end and flags of a region.
struct Regions {
    path: PathBuf,
    text: String,
}

impl Regions {
    /// Reads the file; `None` when there is none.
    fn read(device: &Path) -> Result<Option<Self>, Error> {
        let path = device.join("resource");
        Ok(sysfs::read(&path)?.map(|text| Self { path, text }))
    }

    /// The region of a BAR; `None` when there is none.
    fn region(&self, number: u8) -> Result<Option<Region>, Error> {
        let Some(line) = self.text.lines().nth(number.into()) else { return Ok(None) };
        let bad = || sysfs::bad(&self.path, line, "start, end and flags of a region");
        let number_of = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
        let numbers: Option<Vec<u64>> = line.split_whitespace().map(number_of).collect();
        let [start, end, flags] = numbers.ok_or_else(bad)?[..] else { return Err(bad()) };
        // A missing BAR has zeros in all three.
        if end == 0 {
            return Ok(None);
        }
        let len = end.checked_sub(start).and_then(|last| last.checked_add(1)).ok_or_else(bad)?;
        let kind = if flags & flag::PORTS != 0 { BarKind::Ports } else { BarKind::Memory };
        Ok(Some(Region { start, len, kind, assigned: flags & flag::NOWHERE == 0 }))
    }
}
