//! Register maps as data ([`Register`], [`Span`]) and as code ([`registers!`](crate::registers)).

use core::fmt;

use tock_registers::RegisterLongName;
use tock_registers::debug::RegisterDebugInfo;

use crate::access::Width;
use crate::decoded::write_name_of;

/// The effect of an access to a register; the kinds of [`access::kind`](crate::access::kind) as values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)] // the datasheets' own names
pub enum Access {
    /// Read only.
    RO,
    /// Write only.
    WO,
    /// Read and write.
    RW,
    /// Reading clears.
    RC,
    /// Reading clears, writing ones clears.
    RC_W1C,
    /// Reading clears some bits, writing sets the value.
    RC_RW,
    /// Writing ones sets.
    W1S,
    /// Writing ones clears.
    W1C,
    /// Reading sets a semaphore bit.
    RS,
}

impl Access {
    /// Whether a read changes the device, or returns an undefined value.
    pub const fn reading_has_effect(self) -> bool {
        matches!(self, Self::RC | Self::RC_W1C | Self::RC_RW | Self::RS)
    }

    /// Whether a read returns a defined value.
    pub const fn is_readable(self) -> bool {
        !matches!(self, Self::WO | Self::W1C)
    }

    /// The name in the datasheet notes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RO => "RO",
            Self::WO => "WO",
            Self::RW => "RW",
            Self::RC => "RC",
            Self::RC_W1C => "RC_W1C",
            Self::RC_RW => "RC_RW",
            Self::W1S => "W1S",
            Self::W1C => "W1C",
            Self::RS => "RS",
        }
    }
}

/// Evenly spaced registers: `count` of them with a distance of `stride` bytes, the first at `base`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first in bytes.
    pub base: u32,
    /// Distance of neighbours in bytes.
    pub stride: u32,
    /// Number of registers, at least 1.
    pub count: u32,
}

impl Span {
    /// The offsets of all its registers.
    pub fn offsets(&self) -> impl Iterator<Item = u32> + use<> {
        let Self { base, stride, count } = *self;
        (0..count).map(move |n| base + n * stride)
    }

    /// The same spans, each `offset` bytes further.
    pub const fn shifted<const N: usize>(mut spans: [Self; N], offset: u32) -> [Self; N] {
        let mut i = 0;
        while i < N {
            spans[i].base += offset;
            i += 1;
        }
        spans
    }

    /// The number of registers in all of `spans`.
    pub const fn total(spans: &[Self]) -> u32 {
        let mut total = 0;
        let mut i = 0;
        while i < spans.len() {
            total += spans[i].count;
            i += 1;
        }
        total
    }

    /// The offset of register `n` when `spans` are taken as one array.
    #[inline(always)]
    pub const fn locate(spans: &[Self], mut n: u32) -> Option<u32> {
        let mut i = 0;
        while i < spans.len() {
            if n < spans[i].count {
                return Some(spans[i].base + n * spans[i].stride);
            }
            n -= spans[i].count;
            i += 1;
        }
        None
    }

    /// The number of the register at `offset` when `spans` are taken as one array; the inverse of
    /// [`locate`](Self::locate).
    pub fn index_of(spans: &[Self], offset: u32) -> Option<u32> {
        let mut before = 0;
        for span in spans {
            let n = offset.checked_sub(span.base).filter(|distance| distance % span.stride == 0);
            if let Some(n) = n.map(|distance| distance / span.stride).filter(|&n| n < span.count) {
                return Some(before + n);
            }
            before += span.count;
        }
        None
    }

    /// Whether every register of `bytes` bytes is aligned and ends inside a window of `size` bytes.
    pub const fn fits(spans: &[Self], bytes: u32, size: u32) -> bool {
        let mut i = 0;
        while i < spans.len() {
            let Self { base, stride, count } = spans[i];
            if count == 0 || base % bytes != 0 || stride % bytes != 0 {
                return false;
            }
            if count > 1 && stride < bytes {
                return false;
            }
            if base as u64 + (count as u64 - 1) * stride as u64 + bytes as u64 > size as u64 {
                return false;
            }
            i += 1;
        }
        true
    }
}

/// A field of a register: `width` bits, the lowest of them at bit `shift`.
#[derive(Debug, Clone, Copy)]
pub struct FieldInfo {
    /// The datasheet's name.
    pub name: &'static str,
    /// Number of the lowest bit.
    pub shift: u32,
    /// Number of bits.
    pub width: u32,
    /// The field's number among those of its register.
    n: usize,
    write_name: WriteName,
}

/// Writes the name of a value of the n-th field.
type WriteName = fn(usize, u32, &mut fmt::Formatter<'_>) -> fmt::Result;

impl FieldInfo {
    /// The field's value in a register that holds `value`.
    pub const fn of(&self, value: u32) -> u32 {
        let mask = if self.width >= 32 { u32::MAX } else { (1 << self.width) - 1 };
        (value >> self.shift) & mask
    }

    /// Writes the name that the datasheet gives to this field's `value`, in parentheses; nothing if there is
    /// none.
    pub(crate) fn write_name(&self, value: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.write_name)(self.n, value, f)
    }
}

/// One row of a register map.
#[derive(Debug, Clone, Copy)]
pub struct Register {
    /// The datasheet's name.
    pub name: &'static str,
    /// The datasheet's section.
    pub section: &'static str,
    /// Its place; more than one register or span when it is an array.
    pub spans: &'static [Span],
    /// Other addresses of the same register (or of the array's first elements).
    pub aliases: &'static [Span],
    /// Width in bits.
    pub bits: u32,
    /// The effect of an access.
    pub access: Access,
    /// Whether a write can make the device reach memory.
    pub dma: bool,
    field: fn(usize) -> Option<FieldInfo>,
}

impl Register {
    /// A row of a table, as [`registers!`](crate::registers) generates it. `field` returns the n-th field.
    #[allow(clippy::too_many_arguments)] // one argument a column
    pub const fn new(
        name: &'static str,
        section: &'static str,
        spans: &'static [Span],
        aliases: &'static [Span],
        bits: u32,
        access: Access,
        dma: bool,
        field: fn(usize) -> Option<FieldInfo>,
    ) -> Self {
        Self { name, section, spans, aliases, bits, access, dma, field }
    }

    /// The register's fields in the order of their declaration.
    pub fn fields(&self) -> impl Iterator<Item = FieldInfo> + use<> {
        let field = self.field;
        (0..).map_while(field)
    }

    /// The number of its elements: 1, or an array's length.
    pub const fn len(&self) -> u32 {
        Span::total(self.spans)
    }

    /// The element of the register at `offset` in bytes (of the alias, too), or `None` when there is none.
    pub fn index_of(&self, offset: u32) -> Option<u32> {
        Span::index_of(self.spans, offset).or_else(|| Span::index_of(self.aliases, offset))
    }
}

/// The n-th field of the register type `L`.
pub fn field_of<T, L>(n: usize) -> Option<FieldInfo>
where
    T: Width + Into<u64> + TryFrom<u32> + 'static,
    L: RegisterLongName + RegisterDebugInfo<T> + 'static,
{
    let (name, field) = (L::field_names().get(n)?, L::fields().get(n)?);
    let (mask, shift): (u64, _) = (field.mask.into(), u32::try_from(field.shift).ok()?);
    Some(FieldInfo { name, shift, width: mask.count_ones(), n, write_name: write_name_of::<T, L> })
}

/// The field function of a register without declared fields.
pub fn no_field(_: usize) -> Option<FieldInfo> {
    None
}

/// A bus window that is too small for a register map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowTooSmall {
    /// Size of the map in bytes.
    pub needed: u32,
    /// Size of the window in bytes.
    pub found: u32,
}

impl fmt::Display for WindowTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the register window has {} bytes and the device's registers take {}: is this the right BAR and device?",
            self.found, self.needed
        )
    }
}

impl core::error::Error for WindowTooSmall {}

/// Declares a register map: one line a register, in the order offset, name, section, accessor, width, fields,
/// access.
///
/// ```
/// use ixy_regs::bus::Bus;
/// use ixy_regs::registers;
/// use tock_registers::register_bitfields;
///
/// register_bitfields! { u32,
///     pub CTRL [ ENABLE OFFSET(0) NUMBITS(1) [], MODE OFFSET(4) NUMBITS(2) [] ],
/// }
///
/// registers! {
///     /// A device with a control register, four filters and a counter.
///     pub unsafe struct Toy, 0x1000;
///     0x000 CTRL "1.1" => ctrl: u32 CTRL, RW;
///     0x100 + 4 * 4 FILTER "1.2" alias 0x200 + 4 * 2 => filter: u32, RW;
///     0x300 COUNT "1.3" => count: u32, RC;
/// }
///
/// registers! {
///     /// The registers of one of its queues, of which there are eight.
///     pub unsafe block Queue, 0x400 + 0x40 * 8;
///     0x00 BASE "2.1" => base: u32, RW dma;
///     0x18 TAIL "2.2" => tail: u32, RW dma;
/// }
///
/// fn start<B: Bus>(bus: B) -> Result<(), ixy_regs::map::WindowTooSmall> {
///     let toy = Toy::new(bus)?;
///     toy.ctrl().modify(CTRL::ENABLE::SET + CTRL::MODE.val(2));
///     for filter in toy.filter().iter() {
///         filter.set(0);
///     }
///     let count = toy.count().take().get();
///     # let _ = count;
///     Ok(())
/// }
/// # assert_eq!(Toy::<ixy_regs::bus::Mmio>::REGISTERS.len(), 3);
/// ```
///
/// An offset is a number, an array `base + stride * count`, or two arrays joined by `|`; `alias` names other
/// addresses of the same register. Access kinds are those of [`access::kind`](crate::access::kind); `dma`
/// makes every write unsafe.
///
/// # Safety
/// With `unsafe`, the author of the map promises that a register of this width and kind is at each offset,
/// and that each register which can make the device reach memory is marked `dma`.
///
/// # Declarations that do not compile
/// An offset outside the window, or one that is not a multiple of the register's width:
///
/// ```compile_fail
/// ixy_regs::registers! {
///     /// Too small for its register.
///     pub unsafe struct Toy, 0x100;
///     0x100 CTRL "1.1" => ctrl: u32, RW;
/// }
/// ```
///
/// A block that starts at such an offset:
///
/// ```compile_fail,E0080
/// ixy_regs::registers! {
///     /// Its second block is at 0x442.
///     pub unsafe block Queue, 0x400 + 0x42 * 8;
///     0x00 BASE "2.1" => base: u32, RW dma;
/// }
/// ```
///
/// Blocks that go beyond 32 bits of offset:
///
/// ```compile_fail,E0080
/// ixy_regs::registers! {
///     /// The last ones would wrap.
///     pub unsafe block Queue, 0xFFFF_FF00 + 0x40 * 8;
///     0x00 BASE "2.1" => base: u32, RW dma;
/// }
/// ```
///
/// A map without the author's promise:
///
/// ```compile_fail
/// ixy_regs::registers! {
///     /// Without `unsafe`.
///     pub struct Toy, 0x1000;
///     0x100 CTRL "1.1" => ctrl: u32, RW;
/// }
/// ```
#[macro_export]
macro_rules! registers {
    // A whole map: absolute offsets, in a window with a size that is checked once.
    (
        $(#[$meta:meta])*
        pub unsafe struct $Map:ident, $size:literal;
        $(
            $base:literal $(+ $stride:literal * $count:literal)? $(| $base2:literal + $stride2:literal * $count2:literal)?
            $NAME:ident $section:literal $(alias $abase:literal $(+ $astride:literal * $acount:literal)?)?
            => $accessor:ident : $T:ident $($L:ident)?, $A:ident $($dma:ident)?;
        )*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $Map<B> {
            bus: B,
        }

        impl<B: $crate::bus::Bus> $Map<B> {
            /// Size of the map in bytes.
            pub const SIZE: u32 = $size;

            /// The map as a table, one row a register.
            pub const REGISTERS: &'static [$crate::map::Register] = &[$(
                $crate::map::Register::new(
                    stringify!($NAME),
                    $section,
                    $crate::registers!(@spans 0, $base $(+ $stride * $count)? $(| $base2 + $stride2 * $count2)?),
                    &[$($crate::registers!(@span 0, $abase $(+ $astride * $acount)?))?],
                    $T::BITS,
                    $crate::map::Access::$A,
                    $crate::registers!(@is_dma $($dma)?),
                    $crate::registers!(@field $T $($L)?),
                ),
            )*];

            /// The registers behind `bus`.
            ///
            /// # Errors
            /// The window of `bus` is smaller than [`SIZE`](Self::SIZE).
            pub fn new(bus: B) -> Result<Self, $crate::map::WindowTooSmall> {
                const {
                    let mut i = 0;
                    while i < Self::REGISTERS.len() {
                        let row = &Self::REGISTERS[i];
                        assert!($crate::map::Span::fits(row.spans, row.bits / 8, $size), "outside the window");
                        assert!($crate::map::Span::fits(row.aliases, row.bits / 8, $size), "alias outside the window");
                        i += 1;
                    }
                }
                if bus.len() < $size {
                    return Err($crate::map::WindowTooSmall { needed: $size, found: bus.len() });
                }
                Ok(Self { bus })
            }

            /// The bus that the registers are behind.
            pub fn bus(&self) -> &B {
                &self.bus
            }

            $(
                #[doc = concat!("`", stringify!($NAME), "` (section ", $section, "), offset ", stringify!($base), ".")]
                #[inline(always)]
                pub fn $accessor(&self) -> $crate::registers!(@type [$($stride)?] B, $T, ($($L)?), $A ($($dma)?)) {
                    const { assert!(
                        $crate::map::Span::fits(
                            $crate::registers!(@spans 0, $base $(+ $stride * $count)? $(| $base2 + $stride2 * $count2)?),
                            $T::BITS / 8,
                            $size
                        ),
                        "outside the window"
                    ) };
                    $crate::registers!(@make &self.bus, 0,
                        $base $(+ $stride * $count)? $(| $base2 + $stride2 * $count2)?)
                }
            )*
        }

        const _: () = {
            $(
                assert!(
                    $crate::map::Span::fits(
                        $crate::registers!(@spans 0, $base $(+ $stride * $count)? $(| $base2 + $stride2 * $count2)?),
                        $T::BITS / 8,
                        $size
                    ),
                    concat!(stringify!($NAME), " is outside the window")
                );
            )*
        };
    };

    // A block of registers that each queue has: offsets relative to the queue's own base.
    (
        $(#[$meta:meta])*
        pub unsafe block $Map:ident, $bbase:literal + $bstride:literal * $bcount:literal
            $(| $bbase2:literal + $bstride2:literal * $bcount2:literal)?;
        $(
            $base:literal $NAME:ident $section:literal $(alias $abase:literal $(+ $astride:literal * $acount:literal)?)?
            => $accessor:ident : $T:ident $($L:ident)?, $A:ident $($dma:ident)?;
        )*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $Map<B> {
            bus: B,
            base: u32,
        }

        impl<B: $crate::bus::Bus> $Map<B> {
            /// The number of such blocks in the device.
            pub const COUNT: u32 = $bcount $(+ $bcount2)?;

            const BANKS: [$crate::map::Span; $crate::registers!(@banks $($bcount2)?)] = [
                $crate::registers!(@span 0, $bbase + $bstride * $bcount)
                $(, $crate::registers!(@span 0, $bbase2 + $bstride2 * $bcount2))?
            ];

            /// The registers of all blocks as a table, one row a register.
            pub const REGISTERS: &'static [$crate::map::Register] = &[$(
                $crate::map::Register::new(
                    stringify!($NAME),
                    $section,
                    const { &$crate::map::Span::shifted(Self::BANKS, $base) },
                    &[$($crate::registers!(@span 0, $abase $(+ $astride * $acount)?))?],
                    $T::BITS,
                    $crate::map::Access::$A,
                    $crate::registers!(@is_dma $($dma)?),
                    $crate::registers!(@field $T $($L)?),
                ),
            )*];

            /// Block `n`, or `None` when there are fewer, or when the window of `bus` ends before it.
            pub fn new(bus: B, n: u32) -> Option<Self> {
                let base = $crate::map::Span::locate(&Self::BANKS, n)?;
                let end = base.checked_add($bstride)?;
                (end <= bus.len()).then_some(Self { bus, base })
            }

            $(
                #[doc = concat!("`", stringify!($NAME), "` (section ", $section, "), at ", stringify!($base), " in the block.")]
                #[inline(always)]
                pub fn $accessor(&self) -> $crate::registers!(@type [] B, $T, ($($L)?), $A ($($dma)?)) {
                    const { assert!($base % ($T::BITS / 8) == 0 && $base + $T::BITS / 8 <= $bstride) };
                    // SAFETY: BUS-WINDOW: `new` checked that the whole block is inside; the line above, that
                    // the register is inside the block; the const assertions below, that it is aligned in
                    // every block, and that no offset wraps.
                    unsafe { $crate::access::Reg::new(&self.bus, self.base + $base) }
                }
            )*
        }

        const _: () = {
            const BANKS: [$crate::map::Span; $crate::registers!(@banks $($bcount2)?)] = [
                $crate::registers!(@span 0, $bbase + $bstride * $bcount)
                $(, $crate::registers!(@span 0, $bbase2 + $bstride2 * $bcount2))?
            ];
            $(
                assert!($base % ($T::BITS / 8) == 0 && $base + $T::BITS / 8 <= $bstride, "outside the block");
                assert!(
                    $crate::map::Span::fits(&$crate::map::Span::shifted(BANKS, $base), $T::BITS / 8, u32::MAX),
                    concat!(stringify!($NAME), " is not aligned in every block, or beyond 32 bits of offset")
                );
            )*
        };
    };

    (@banks) => { 1 };
    (@banks $count:literal) => { 2 };
    (@span $add:literal, $base:literal) => { $crate::map::Span { base: $base + $add, stride: 4, count: 1 } };
    (@span $add:literal, $base:literal + $stride:literal * $count:literal) => {
        $crate::map::Span { base: $base + $add, stride: $stride, count: $count }
    };
    (@spans $add:literal, $base:literal $(+ $stride:literal * $count:literal)? $(| $base2:literal + $stride2:literal * $count2:literal)?) => {
        &[
            $crate::registers!(@span $add, $base $(+ $stride * $count)?)
            $(, $crate::registers!(@span $add, $base2 + $stride2 * $count2))?
        ]
    };

    (@type [] $B:ident, $T:ident, ($($L:ident)?), $A:ident ($($dma:ident)?)) => {
        $crate::access::Reg<'_, $B, $T, $crate::registers!(@fields $($L)?), $crate::registers!(@kind $A $($dma)?)>
    };
    (@type [$stride:literal] $B:ident, $T:ident, ($($L:ident)?), $A:ident ($($dma:ident)?)) => {
        $crate::access::Array<'_, $B, $T, $crate::registers!(@fields $($L)?), $crate::registers!(@kind $A $($dma)?)>
    };
    (@make $bus:expr, $add:literal, $base:literal) => {
        // SAFETY: BUS-WINDOW: `new` checked the window's size, and the const assertion above, that the
        // register is inside it and aligned.
        unsafe { $crate::access::Reg::new($bus, $base) }
    };
    (@make $bus:expr, $add:literal, $($spans:tt)+) => {
        // SAFETY: BUS-WINDOW: `new` checked the window's size, and the const assertion above, that every
        // register is inside it and aligned.
        unsafe { $crate::access::Array::new($bus, $crate::registers!(@spans $add, $($spans)+)) }
    };

    (@fields) => { () };
    (@fields $L:ident) => { $L::Register };
    (@field $T:ident) => { $crate::map::no_field };
    (@field $T:ident $L:ident) => { $crate::map::field_of::<$T, $L::Register> };
    (@kind $A:ident) => { $crate::access::kind::$A };
    (@kind $A:ident dma) => { $crate::access::kind::Dma<$crate::access::kind::$A> };
    (@is_dma) => { false };
    (@is_dma dma) => { true };
}
