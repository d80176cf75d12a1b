//! A part of another bus as a bus of its own: [`Window`].

use crate::bus::Bus;

/// Bytes `offset` to `offset + len` of another bus.
///
/// A register map starts at 0 of its bus. Where a device has several structures in one BAR, each gets a window.
///
/// ```
/// use ixy_regs::bus::Bus;
/// use ixy_regs::virtio::modern::CommonConfig;
/// use ixy_regs::window::{Refused, Window};
///
/// /// The common configuration, which a capability says is `offset` bytes into the BAR.
/// fn common<B: Bus>(bar: B, offset: u32) -> Result<CommonConfig<Window<B>>, Refused> {
///     let window = Window::new(bar, offset, CommonConfig::<Window<B>>::SIZE)?;
///     Ok(CommonConfig::new(window)?)
/// }
/// # let memory: Vec<std::sync::atomic::AtomicU32> = (0..64).map(|_| 7.into()).collect();
/// # let base = std::ptr::NonNull::from(memory.as_slice()).cast();
/// # let bar = unsafe { ixy_regs::bus::Mmio::new(base, 256) };
/// # assert_eq!(common(bar, 64).unwrap().device_feature().get(), 7);
/// # assert!(common(bar, 256).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct Window<B> {
    bus: B,
    offset: u32,
    len: u32,
}

impl<B: Bus> Window<B> {
    /// Creates a window of the `len` bytes of `bus` from `offset` on.
    ///
    /// # Errors
    /// The bytes do not lie inside `bus`, or their offset is not aligned for the widest register that they can
    /// hold. A window of 4 bytes or more starts at a multiple of 4, one of 2 or 3 bytes at an even offset.
    pub fn new(bus: B, offset: u32, len: u32) -> Result<Self, Refused> {
        let found = bus.len();
        if offset.checked_add(len).is_none_or(|end| end > found) {
            return Err(Refused::Outside { offset, len, found });
        }
        let alignment = match len {
            0 | 1 => 1,
            2 | 3 => 2,
            _ => 4,
        };
        if !offset.is_multiple_of(alignment) {
            return Err(Refused::Misaligned { offset, alignment });
        }
        Ok(Self { bus, offset, len })
    }

    /// The offset in the other bus, in bytes.
    pub const fn offset(&self) -> u32 {
        self.offset
    }
}

/// The reason why a window cannot be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is not inside the other bus.
    Outside {
        /// The offset in bytes.
        offset: u32,
        /// The size of the window in bytes.
        len: u32,
        /// The size of the other bus in bytes.
        found: u32,
    },
    /// Its registers would not be aligned.
    Misaligned {
        /// The offset in bytes.
        offset: u32,
        /// The alignment that it needs.
        alignment: u32,
    },
    /// It is smaller than the register map that it is meant for.
    TooSmall(crate::map::WindowTooSmall),
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Outside { offset, len, found } => write!(
                f,
                "registers should take {len} bytes from {offset:#x} on, and the BAR has {found}: \
                 is this the BAR that the device's capability names?"
            ),
            Self::Misaligned { offset, alignment } => write!(
                f,
                "registers should start at {offset:#x}, which is not a multiple of {alignment}: \
                 the device's capability is wrong"
            ),
            Self::TooSmall(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Refused {}

impl From<crate::map::WindowTooSmall> for Refused {
    fn from(error: crate::map::WindowTooSmall) -> Self {
        Self::TooSmall(error)
    }
}

// SAFETY: BUS-WINDOW: the length never changes, and a clone has the same; order is kept by the bus behind it. Each
// access is inside that bus, as `offset + width <= len` here, which the caller promises, and `self.offset + self.len`
// was checked in `new` to be inside; it is aligned there, as `new` checked that for the widest access that fits into
// the window.
unsafe impl<B: Bus> Bus for Window<B> {
    #[inline(always)]
    fn len(&self) -> u32 {
        self.len
    }

    #[inline(always)]
    unsafe fn read8(&self, offset: u32) -> u8 {
        // SAFETY: BUS-WINDOW, as said above.
        unsafe { self.bus.read8(self.offset + offset) }
    }

    #[inline(always)]
    unsafe fn read16(&self, offset: u32) -> u16 {
        // SAFETY: BUS-WINDOW, as said above.
        unsafe { self.bus.read16(self.offset + offset) }
    }

    #[inline(always)]
    unsafe fn read32(&self, offset: u32) -> u32 {
        // SAFETY: BUS-WINDOW, as said above.
        unsafe { self.bus.read32(self.offset + offset) }
    }

    #[inline(always)]
    unsafe fn write8(&self, offset: u32, value: u8) {
        // SAFETY: BUS-WINDOW, as said above; what the write does is the caller's promise.
        unsafe { self.bus.write8(self.offset + offset, value) }
    }

    #[inline(always)]
    unsafe fn write16(&self, offset: u32, value: u16) {
        // SAFETY: BUS-WINDOW, as said above; what the write does is the caller's promise.
        unsafe { self.bus.write16(self.offset + offset, value) }
    }

    #[inline(always)]
    unsafe fn write32(&self, offset: u32, value: u32) {
        // SAFETY: BUS-WINDOW, as said above; what the write does is the caller's promise.
        unsafe { self.bus.write32(self.offset + offset, value) }
    }
}
