//! The configuration space of a device: [`ConfigSpace`].

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::address::{Address, DeviceId};
use crate::error::Error;
use crate::sysfs::Sysfs;
use crate::vfio::{CONFIG, Function, Region};

/// Offsets in the common header of all devices (PCI Local Bus Specification 3.0, 6.1).
mod offset {
    pub(super) const VENDOR: u16 = 0x00;
    pub(super) const DEVICE: u16 = 0x02;
    pub(super) const COMMAND: u16 = 0x04;
    pub(super) const STATUS: u16 = 0x06;
}

/// The part of a configuration space that the kernel shows to users other than root.
const VISIBLE_TO_ALL: u16 = 64;

/// The largest configuration space, that of PCI Express.
const LARGEST: u16 = 4096;

/// I/O Space Enable of the command register: the device decodes its I/O port BARs.
pub(crate) const COMMAND_IO: u16 = 1 << 0;
/// Memory Space Enable of the command register: the device decodes its memory BARs.
pub(crate) const COMMAND_MEMORY: u16 = 1 << 1;
/// Bus Master Enable of the command register: the device may start DMA.
pub(crate) const COMMAND_BUS_MASTER: u16 = 1 << 2;
/// Interrupt Disable of the command register: the device does not assert its interrupt pin.
pub(crate) const COMMAND_INTERRUPT_DISABLE: u16 = 1 << 10;
/// Capabilities List of the status register.
pub(crate) const STATUS_CAPABILITIES: u16 = 1 << 4;

/// The configuration space of a device, through the kernel's file `config` or through VFIO: 256 bytes, or 4,096 on
/// PCI Express. Offsets and sizes are in bytes, values are little-endian.
///
/// Through VFIO the kernel keeps parts of it to itself: writes to BARs and to the registers of interrupt messages
/// do not reach the device.
#[derive(Debug)]
pub struct ConfigSpace {
    address: Address,
    path: PathBuf,
    /// The file `config`, which is locked.
    file: File,
    vfio: Option<Through>,
    len: u16,
}

/// The access through VFIO.
#[derive(Debug)]
struct Through {
    function: Arc<Function>,
    /// Its offset in the device's descriptor.
    start: u64,
}

impl ConfigSpace {
    /// Opens the configuration space for reading and writing.
    ///
    /// # Errors
    /// [`Error::Permission`] without root, [`Error::Io`].
    pub fn open(sysfs: &Sysfs, address: Address) -> Result<Self, Error> {
        Self::open_with(sysfs, address, OpenOptions::new().read(true).write(true))
    }

    /// Opens the configuration space for reading. Without root, offsets from 64 on give [`Error::ConfigHidden`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open_read_only(sysfs: &Sysfs, address: Address) -> Result<Self, Error> {
        Self::open_with(sysfs, address, OpenOptions::new().read(true))
    }

    fn open_with(sysfs: &Sysfs, address: Address, options: &OpenOptions) -> Result<Self, Error> {
        let path = sysfs.path(address).join("config");
        let failed = |e| Error::access("open", address, &path, e);
        let file = options.open(&path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len().min(LARGEST.into());
        Ok(Self { address, file, vfio: None, len: u16::try_from(len).unwrap_or(LARGEST), path })
    }

    /// The configuration space of a device that is reached through VFIO.
    pub(crate) fn open_vfio(sysfs: &Sysfs, address: Address, function: Arc<Function>) -> Result<Self, Error> {
        let Region { start, len, .. } = function.region(CONFIG)?;
        let len = u16::try_from(len.min(LARGEST.into())).unwrap_or(LARGEST);
        let vfio = Some(Through { function, start });
        Ok(Self { vfio, len, ..Self::open_read_only(sysfs, address)? })
    }

    /// The device, if it is reached through VFIO.
    pub(crate) fn vfio(&self) -> Option<&Arc<Function>> {
        self.vfio.as_ref().map(|through| &through.function)
    }

    /// The file to read and write, and the offset of the configuration space in it.
    fn place(&self) -> (&File, u64) {
        self.vfio.as_ref().map_or((&self.file, 0), |through| (through.function.file(), through.start))
    }

    /// Locks the device against every other [`ConfigSpace`], in this process and in others, until this is dropped.
    pub(crate) fn lock(&self) -> Result<(), Error> {
        match rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(()),
            Err(Errno::WOULDBLOCK) => Err(Error::InUse { address: self.address, path: self.path.clone() }),
            Err(e) => Err(Error::io("lock", &self.path, e)),
        }
    }

    /// The device.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Its file in sysfs, also when it is reached through VFIO.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size in bytes.
    pub fn len(&self) -> u16 {
        self.len
    }

    /// Reads 8 bits.
    ///
    /// # Errors
    /// [`Error::ConfigBounds`], [`Error::ConfigHidden`], [`Error::Io`].
    pub fn read8(&self, offset: u16) -> Result<u8, Error> {
        self.read(offset).map(u8::from_le_bytes)
    }

    /// Reads 16 bits at a multiple of 2.
    ///
    /// # Errors
    /// Those of [`ConfigSpace::read8`], [`Error::ConfigUnaligned`].
    pub fn read16(&self, offset: u16) -> Result<u16, Error> {
        self.read(offset).map(u16::from_le_bytes)
    }

    /// Reads 32 bits at a multiple of 4.
    ///
    /// # Errors
    /// Those of [`ConfigSpace::read16`].
    pub fn read32(&self, offset: u16) -> Result<u32, Error> {
        self.read(offset).map(u32::from_le_bytes)
    }

    /// Writes 8 bits.
    ///
    /// # Errors
    /// Those of [`ConfigSpace::read8`].
    ///
    /// # Safety
    /// The write does not let the device reach memory that is not its own (Bus Master Enable, ARMED-ONLY), and
    /// does not move its BARs while they are mapped (MAPPED-ALIVE).
    pub unsafe fn write8(&self, offset: u16, value: u8) -> Result<(), Error> {
        // SAFETY: as the caller promises.
        unsafe { self.write(offset, value.to_le_bytes()) }
    }

    /// Writes 16 bits at a multiple of 2.
    ///
    /// # Errors
    /// Those of [`ConfigSpace::read16`].
    ///
    /// # Safety
    /// That of [`ConfigSpace::write8`].
    pub unsafe fn write16(&self, offset: u16, value: u16) -> Result<(), Error> {
        // SAFETY: as the caller promises.
        unsafe { self.write(offset, value.to_le_bytes()) }
    }

    /// Writes 32 bits at a multiple of 4.
    ///
    /// # Errors
    /// Those of [`ConfigSpace::read16`].
    ///
    /// # Safety
    /// That of [`ConfigSpace::write8`].
    pub unsafe fn write32(&self, offset: u16, value: u32) -> Result<(), Error> {
        // SAFETY: as the caller promises.
        unsafe { self.write(offset, value.to_le_bytes()) }
    }

    /// The vendor and device id of the device.
    ///
    /// # Errors
    /// Those of [`ConfigSpace::read16`], [`Error::Gone`].
    pub fn id(&self) -> Result<DeviceId, Error> {
        let vendor = self.read16(offset::VENDOR)?;
        if vendor == u16::MAX {
            return Err(Error::Gone { address: self.address });
        }
        Ok(DeviceId::new(vendor, self.read16(offset::DEVICE)?))
    }

    /// The status register.
    pub(crate) fn status(&self) -> Result<u16, Error> {
        self.present(self.read16(offset::STATUS)?)
    }

    /// Sets or clears bits of the command register, and checks that they stay so.
    ///
    /// # Safety
    /// ARMED-ONLY: if this sets Bus Master Enable, the requirements of [`ixy_dma::BusMaster::enable`] hold.
    pub(crate) unsafe fn set_command(&self, bits: u16, set: bool) -> Result<(), Error> {
        let before = self.present(self.read16(offset::COMMAND)?)?;
        let after = if set { before | bits } else { before & !bits };
        if after != before {
            // SAFETY: as the caller promises; the register moves no BAR.
            unsafe { self.write16(offset::COMMAND, after) }?;
        }
        // The read also makes sure that the write has arrived.
        let found = self.present(self.read16(offset::COMMAND)?)?;
        if found & bits == after & bits {
            Ok(())
        } else {
            Err(Error::CommandRefused { address: self.address, wanted: after, found })
        }
    }

    /// Checks a register whose bits cannot all be set at once; all ones mean that no device answers.
    pub(crate) fn present(&self, value: u16) -> Result<u16, Error> {
        if value == u16::MAX { Err(Error::Gone { address: self.address }) } else { Ok(value) }
    }

    fn read<const N: usize>(&self, offset: u16) -> Result<[u8; N], Error> {
        self.check(offset, N)?;
        let mut bytes = [0; N];
        let (file, start) = self.place();
        let read = file.read_at(&mut bytes, start + u64::from(offset));
        match read.map_err(|e| Error::io("read", &self.path, e))? {
            n if n == N => Ok(bytes),
            // The file shows its whole size to everyone, but reads end early without permission.
            _ => Err(self.outside(offset, N)),
        }
    }

    /// Writes `N` bytes at a multiple of `N`.
    ///
    /// # Safety
    /// That of [`ConfigSpace::write8`].
    unsafe fn write<const N: usize>(&self, offset: u16, bytes: [u8; N]) -> Result<(), Error> {
        self.check(offset, N)?;
        let (file, start) = self.place();
        file.write_all_at(&bytes, start + u64::from(offset)).map_err(|e| match e.kind() {
            // Without permission to write, the file could not have been opened; so this is the kernel's
            // lockdown.
            io::ErrorKind::PermissionDenied => Error::Lockdown { what: "write to", path: self.path.clone() },
            _ => Error::io("write", &self.path, e),
        })
    }

    fn check(&self, offset: u16, width: usize) -> Result<(), Error> {
        if usize::from(offset) % width != 0 {
            return Err(Error::ConfigUnaligned { address: self.address, offset, width });
        }
        if usize::from(offset) + width > usize::from(self.len) {
            return Err(self.outside(offset, width));
        }
        Ok(())
    }

    fn outside(&self, offset: u16, width: usize) -> Error {
        let inside = usize::from(offset) + width <= usize::from(self.len);
        let address = self.address;
        if offset >= VISIBLE_TO_ALL && (inside || self.len == VISIBLE_TO_ALL) {
            Error::ConfigHidden { address, offset }
        } else {
            Error::ConfigBounds { address, offset, width, len: self.len }
        }
    }
}
