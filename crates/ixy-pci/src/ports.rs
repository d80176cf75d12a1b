//! Device registers behind I/O ports: [`PortBus`].

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use ixy_regs::bus::Bus;

use crate::address::Address;
use crate::config::ConfigSpace;
use crate::error::Error;
use crate::region::BarFile;
use crate::vfio::Region;

/// The registers of a device in an I/O port BAR. Clones share one open file. It stays open, and the device locked,
/// until the last of them is dropped.
///
/// The kernel offers such a BAR as a file: reading or writing 1, 2 or 4 bytes is one access to a port of that
/// width (`pci_resource_io` of drivers/pci/pci-sysfs.c), so each access costs a system call. A failed access, for
/// instance after the device was removed, reads all ones or writes nothing; the first one is logged.
#[derive(Debug, Clone)]
pub struct PortBus {
    ports: Arc<Ports>,
}

/// An open file of I/O ports.
#[derive(Debug)]
struct Ports {
    address: Address,
    path: PathBuf,
    file: File,
    /// The offset of the registers in the file.
    start: u64,
    len: u32,
    /// Whether an access failed and was logged.
    failed: AtomicBool,
    /// Keeps the device locked while its registers can be reached.
    _config: Arc<ConfigSpace>,
}

impl PortBus {
    /// Opens the file of an I/O port BAR. The device must decode its I/O space.
    pub(crate) fn open(bar: BarFile, config: Arc<ConfigSpace>) -> Result<Self, Error> {
        if let Some(function) = config.vfio() {
            let region = function.region(bar.number.into())?;
            let file = function.file();
            return Self::of_region(bar, &region, file, Arc::clone(&config));
        }
        let BarFile { address, path, len, .. } = bar;
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|e| Error::access("open", address, &path, e))?;
        let failed = AtomicBool::new(false);
        let ports = Ports { address, path, file, start: 0, len, failed, _config: config };
        Ok(Self { ports: Arc::new(ports) })
    }

    /// The registers of a region of VFIO's descriptor `file`, where a read or a write is one access as well
    /// (`vfio_pci_core_do_io_rw` of drivers/vfio/pci/vfio_pci_rdwr.c).
    pub(crate) fn of_region(
        bar: BarFile,
        region: &Region,
        file: &File,
        config: Arc<ConfigSpace>,
    ) -> Result<Self, Error> {
        let BarFile { address, path, len, .. } = bar;
        let file = file.try_clone().map_err(|e| Error::io("duplicate the descriptor of", &path, e))?;
        let len = u32::try_from(region.len).unwrap_or(u32::MAX).min(len);
        let (start, failed) = (region.start, AtomicBool::new(false));
        let ports = Ports { address, path, file, start, len, failed, _config: config };
        Ok(Self { ports: Arc::new(ports) })
    }
}

impl Ports {
    /// Reads one register of `N` bytes, in the processor's byte order, as the kernel returns it.
    fn read<const N: usize>(&self, offset: u32) -> [u8; N] {
        let mut bytes = [0; N];
        let read = self.file.read_at(&mut bytes, self.start + u64::from(offset));
        // Later accesses see what the device wrote before it answered.
        fence(Ordering::SeqCst);
        match read {
            Ok(n) if n == N => bytes,
            other => {
                self.log("read", N, offset, other);
                [0xFF; N]
            }
        }
    }

    /// Writes one register of `N` bytes, given in the processor's byte order.
    fn write<const N: usize>(&self, offset: u32, bytes: [u8; N]) {
        // Earlier memory writes become visible before the device receives this one.
        fence(Ordering::SeqCst);
        // Not `write_all_at`: it would write the rest of a register as a narrower one.
        match self.file.write_at(&bytes, self.start + u64::from(offset)) {
            Ok(n) if n == N => {}
            other => self.log("write", N, offset, other),
        }
    }

    /// Logs the first access that failed.
    fn log(&self, what: &str, width: usize, offset: u32, result: io::Result<usize>) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            let why = match result {
                Ok(n) => format!("{n} of {width} bytes"),
                Err(e) => e.to_string(),
            };
            tracing::warn!(
                "{}: cannot {what} the register at {offset:#x} through {} ({why}): the device was removed, or \
                 the kernel is locked down; further failures are not logged",
                self.address,
                self.path.display()
            );
        }
    }
}

// SAFETY: BUS-WINDOW: the length is set once, and clones share it and the file. An access is a system call,
// across which the compiler moves no access to memory that others reach, with a fence of all accesses before
// a write and after a read. In the kernel it is one port instruction, which x86 executes in order with memory
// accesses; elsewhere the kernel's accessors have the barriers that drivers need for DMA
// (Documentation/memory-barriers.txt, "KERNEL I/O BARRIER EFFECTS").
unsafe impl Bus for PortBus {
    fn len(&self) -> u32 {
        self.ports.len
    }

    unsafe fn read8(&self, offset: u32) -> u8 {
        u8::from_ne_bytes(self.ports.read(offset))
    }

    unsafe fn read16(&self, offset: u32) -> u16 {
        u16::from_ne_bytes(self.ports.read(offset))
    }

    unsafe fn read32(&self, offset: u32) -> u32 {
        u32::from_ne_bytes(self.ports.read(offset))
    }

    unsafe fn write8(&self, offset: u32, value: u8) {
        self.ports.write(offset, value.to_ne_bytes());
    }

    unsafe fn write16(&self, offset: u32, value: u16) {
        self.ports.write(offset, value.to_ne_bytes());
    }

    unsafe fn write32(&self, offset: u32, value: u32) {
        self.ports.write(offset, value.to_ne_bytes());
    }
}
