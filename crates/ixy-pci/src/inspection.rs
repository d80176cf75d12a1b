//! Reads registers of a device without taking it: [`Inspection`].

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;

use ixy_regs::bus::{Bus, Mmio};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::address::Address;
use crate::check;
use crate::config::{COMMAND_IO, COMMAND_MEMORY, ConfigSpace};
use crate::error::Error;
use crate::region::{Bar, BarFile, BarKind};
use crate::sysfs::{self, Sysfs};

/// Offset of the command register (PCI Local Bus Specification 3.0, 6.1).
const COMMAND: u16 = 0x04;

/// The alignment of a memory BAR's address (PCI Local Bus Specification 3.0, 6.2.5.1).
const ALIGNMENT: usize = 16;

/// The registers in one BAR, for reading only: file and mapping are read-only. The device stays with its driver,
/// and is not changed.
///
/// Reading a register can still have an effect: some statistics clear on read, for instance. The register
/// maps know which registers do (`ixy_regs::map::Access::reading_has_effect`).
///
/// ```no_run
/// use ixy_pci::{Bar, BarKind, Inspection, Sysfs};
///
/// let bar = Bar { number: 0, kind: BarKind::Memory, len: 0x2_0000 };
/// let registers = Inspection::open(&Sysfs::default(), "03:00.0".parse()?, bar)?;
/// let status = registers.read(0x8, 32);
/// # Ok::<(), ixy_pci::Error>(())
/// ```
#[derive(Debug)]
pub struct Inspection {
    registers: Registers,
    len: u32,
}

/// How the registers are reached.
#[derive(Debug)]
enum Registers {
    Memory(Mapping),
    Ports(File),
}

/// A BAR that is mapped for reading, unmapped on drop.
#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    len: usize,
    registers: Mmio,
}

impl Inspection {
    /// Opens a BAR with the kind and at least the size of `needed`. The device must decode it already: it is not
    /// woken up, and its memory decoding is not switched on.
    ///
    /// # Errors
    /// [`Error::NoBar`], [`Error::BarTooSmall`], [`Error::BarUnassigned`], [`Error::BarIsPorts`] or
    /// [`Error::BarIsMemory`] when the BAR is not what is `needed`; [`Error::Asleep`];
    /// [`Error::BadAttribute`] when the device does not answer in the BAR; [`Error::Gone`];
    /// [`Error::Permission`] without root, [`Error::Lockdown`], [`Error::BarExclusive`] or [`Error::Io`] when
    /// the system refuses.
    pub fn open(sysfs: &Sysfs, address: Address, needed: Bar) -> Result<Self, Error> {
        let bar = BarFile::find(sysfs, address, needed, "inspection")?;
        answers(sysfs, address, needed.kind)?;
        let path = &bar.path;
        let file = File::open(path).map_err(|e| Error::access("open", address, path, e))?;
        if needed.kind == BarKind::Ports {
            return Ok(Self { registers: Registers::Ports(file), len: bar.len });
        }
        // The kernel maps whole pages; a small BAR can begin inside one.
        let inside = (bar.start % rustix::param::page_size() as u64) as usize;
        if !inside.is_multiple_of(ALIGNMENT) {
            return Err(sysfs::bad(path, &format!("registers at {:#x}", bar.start), "a multiple of 16"));
        }
        let mapping = Mapping::new(&file, inside, bar.len).map_err(|e| match e {
            Errno::PERM => Error::Lockdown { what: "map", path: path.clone() },
            Errno::INVAL => Error::BarExclusive { address, path: path.clone() },
            e => Error::io("map", path, e),
        })?;
        Ok(Self { registers: Registers::Memory(mapping), len: bar.len })
    }

    /// Its size in bytes.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Reads the register of 8, 16 or 32 `bits` at `offset` in bytes. Returns all ones where there is no such
    /// register (outside, not aligned or of another width), and when the device does not answer.
    pub fn read(&self, offset: u32, bits: u32) -> u32 {
        let bytes = bits / 8;
        let none = u32::MAX.checked_shr(32_u32.saturating_sub(bits)).unwrap_or(0);
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.len);
        if !matches!(bits, 8 | 16 | 32) || !inside || !offset.is_multiple_of(bytes) {
            return none;
        }
        match &self.registers {
            Registers::Memory(mapping) => {
                let registers = mapping.registers;
                // SAFETY: BUS-WINDOW: the register is inside and aligned, as checked above. MAPPED-ALIVE:
                // `self` holds the mapping.
                unsafe {
                    match bits {
                        8 => registers.read8(offset).into(),
                        16 => registers.read16(offset).into(),
                        _ => registers.read32(offset),
                    }
                }
            }
            Registers::Ports(file) => {
                // The kernel returns a port in the processor's byte order.
                let mut value = [0; 4];
                let register = &mut value[..bytes as usize];
                match file.read_at(register, offset.into()) {
                    Ok(n) if n == register.len() => match bits {
                        8 => value[0].into(),
                        16 => u16::from_ne_bytes([value[0], value[1]]).into(),
                        _ => u32::from_ne_bytes(value),
                    },
                    _ => none,
                }
            }
        }
    }
}

/// Refuses a device with registers that read as all ones, or stop the processor on some machines: it sleeps, or
/// does not decode BARs of this kind.
fn answers(sysfs: &Sysfs, address: Address, kind: BarKind) -> Result<(), Error> {
    check::asleep(sysfs, address)?;
    let config = ConfigSpace::open_read_only(sysfs, address)?;
    config.id()?;
    let command = config.read16(COMMAND)?;
    let (bit, expected) = match kind {
        BarKind::Memory => {
            (COMMAND_MEMORY, "one with Memory Space on: the device answers once a driver uses it")
        }
        BarKind::Ports => (COMMAND_IO, "one with I/O Space on: the device answers once a driver uses it"),
    };
    if command & bit == 0 {
        return Err(sysfs::bad(config.path(), &format!("a command register of {command:#06x}"), expected));
    }
    Ok(())
}

impl Mapping {
    /// Maps a BAR of `len` bytes that begins at offset `inside` of its first page.
    fn new(file: &File, inside: usize, len: u32) -> Result<Self, Errno> {
        let (whole, flags) = (inside + len as usize, MapFlags::SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice replaces no other memory.
        let base = unsafe { rustix::mm::mmap(std::ptr::null_mut(), whole, ProtFlags::READ, flags, file, 0) }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or(Errno::NOMEM)?;
        // SAFETY: MAPPED-ALIVE: the mapping has `inside + len` bytes from `base`, which is aligned to a page,
        // and `inside` is a multiple of 16. The Mmio stays beside the mapping; `Inspection` reads through it
        // and never writes.
        let registers = unsafe { Mmio::new(base.add(inside), len) };
        Ok(Self { base, len: whole, registers })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: MAPPED-ALIVE: `base` and `len` are what `mmap` gave, and nothing reads through it any more.
        if let Err(e) = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) } {
            tracing::warn!("a BAR of {} bytes cannot be unmapped: {e}", self.len);
        }
    }
}
