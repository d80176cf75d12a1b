//! Access to a device: [`Bus`], and memory-mapped access through it, [`Mmio`].

use core::ptr::NonNull;
#[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
use core::sync::atomic::{Ordering, fence};

/// A window of device registers, reached by volatile memory access, port I/O, a simulator or a socket.
///
/// Accesses cannot fail: a device that is gone reads all ones, and its driver has to check for that. Writes are
/// ordered after all earlier memory accesses of the calling thread, and reads before all its later ones, so that a
/// doorbell never overtakes the descriptors that it announces.
///
/// # Safety
/// BUS-WINDOW relies on it: [`len`](Self::len) never changes, and a clone reaches the same window and has the same
/// length. Accesses are ordered as described above, for the device as well as for other threads.
pub unsafe trait Bus: Clone + Send + Sync {
    /// The size of the window in bytes. It never changes.
    fn len(&self) -> u32;

    /// Reads 8 bits.
    ///
    /// # Safety
    /// `offset` lies inside the window.
    unsafe fn read8(&self, offset: u32) -> u8;

    /// Reads 16 bits, little-endian.
    ///
    /// # Safety
    /// `offset` is a multiple of 2, and `offset + 2 <= len()`.
    unsafe fn read16(&self, offset: u32) -> u16;

    /// Reads 32 bits, little-endian.
    ///
    /// # Safety
    /// `offset` is a multiple of 4, and `offset + 4 <= len()`.
    unsafe fn read32(&self, offset: u32) -> u32;

    /// Writes 8 bits.
    ///
    /// # Safety
    /// `offset` lies inside the window, and the write does not make the device reach memory that is not its own
    /// to reach.
    unsafe fn write8(&self, offset: u32, value: u8);

    /// Writes 16 bits, little-endian.
    ///
    /// # Safety
    /// `offset` is a multiple of 2, `offset + 2 <= len()`, and the write does not make the device reach memory that
    /// is not its own to reach.
    unsafe fn write16(&self, offset: u32, value: u16);

    /// Writes 32 bits, little-endian.
    ///
    /// # Safety
    /// `offset` is a multiple of 4, `offset + 4 <= len()`, and the write does not make the device reach memory that
    /// is not its own to reach.
    unsafe fn write32(&self, offset: u32, value: u32);
}

/// Registers mapped into memory: a base address and a length.
///
/// On x86 the processor keeps the order that [`Bus`] requires, and only the compiler has to be held back. On
/// AArch64 and RISC-V there is a barrier for devices before each write and after each read; tests have run on x86
/// only. On other architectures there are only Rust's fences, which order accesses among processors: find out what
/// a device needs there before you use this.
#[derive(Clone, Copy, Debug)]
pub struct Mmio {
    base: NonNull<u8>,
    len: u32,
}

// SAFETY: Mmio holds no Rust reference; volatile accesses to device registers may come from any thread, and
// MAPPED-ALIVE (promised to `Mmio::new`) keeps the memory there for all clones.
unsafe impl Send for Mmio {}
// SAFETY: as for Send: each access is one volatile load or store.
unsafe impl Sync for Mmio {}

impl Mmio {
    /// A window of `len` bytes at `base`.
    ///
    /// # Safety
    /// MAPPED-ALIVE: `base` is aligned to 4 bytes, and `len` bytes from it stay mapped for reading and writing as
    /// long as this value or a clone of it is used. No Rust reference to that memory exists, unless it is to atomics.
    pub const unsafe fn new(base: NonNull<u8>, len: u32) -> Self {
        Self { base, len }
    }
}

/// Orders later accesses after a read of the device.
#[inline(always)]
fn after_read() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier changes nothing. It is one for the compiler, too, as `nomem` is not among the options.
    unsafe {
        core::arch::asm!("dmb oshld", options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("fence i, rw", options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
    fence(Ordering::Acquire);
}

/// Orders earlier accesses, including reads of a buffer that is posted again, before a write to the device.
#[inline(always)]
fn before_write() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as in `after_read`.
    unsafe {
        core::arch::asm!("dmb osh", options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: as in `after_read`.
    unsafe {
        core::arch::asm!("fence rw, o", options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
    fence(Ordering::Release);
}

/// One volatile load of `T` at an offset in the window, in the order that [`Bus`] requires.
macro_rules! load {
    ($self:ident, $offset:ident, $T:ty) => {{
        // SAFETY: BUS-WINDOW, promised by the caller, and MAPPED-ALIVE, promised to `Mmio::new`.
        let value = unsafe { $self.base.as_ptr().add($offset as usize).cast::<$T>().read_volatile() };
        after_read();
        <$T>::from_le(value)
    }};
}

/// One volatile store, in the order that [`Bus`] requires.
macro_rules! store {
    ($self:ident, $offset:ident, $value:ident, $T:ty) => {{
        before_write();
        // SAFETY: BUS-WINDOW, promised by the caller, and MAPPED-ALIVE, promised to `Mmio::new`.
        unsafe { $self.base.as_ptr().add($offset as usize).cast::<$T>().write_volatile($value.to_le()) }
    }};
}

// SAFETY: BUS-WINDOW: a clone copies the base and the length, which nothing changes; `after_read` and `before_write`
// keep the order.
unsafe impl Bus for Mmio {
    #[inline(always)]
    fn len(&self) -> u32 {
        self.len
    }

    #[inline(always)]
    unsafe fn read8(&self, offset: u32) -> u8 {
        load!(self, offset, u8)
    }

    #[inline(always)]
    unsafe fn read16(&self, offset: u32) -> u16 {
        load!(self, offset, u16)
    }

    #[inline(always)]
    unsafe fn read32(&self, offset: u32) -> u32 {
        load!(self, offset, u32)
    }

    #[inline(always)]
    unsafe fn write8(&self, offset: u32, value: u8) {
        store!(self, offset, value, u8);
    }

    #[inline(always)]
    unsafe fn write16(&self, offset: u32, value: u16) {
        store!(self, offset, value, u16);
    }

    #[inline(always)]
    unsafe fn write32(&self, offset: u32, value: u32) {
        store!(self, offset, value, u32);
    }
}
