//! Descriptors of rings as data: sizes and fields, and the macros that declare formats.
//!
//! The formats themselves are in the modules of their devices: [`ixgbe::descriptors`](crate::ixgbe::descriptors),
//! [`igb::descriptors`](crate::igb::descriptors).

/// Size of a descriptor in bytes, of any kind and format.
pub const SIZE: usize = 16;

/// A field of a descriptor: `width` bits of one of its two words, the lowest of them at bit `shift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// The datasheet's name.
    pub name: &'static str,
    /// Which of the two words, 0 or 1.
    pub word: usize,
    /// Number of the lowest bit in the word.
    pub shift: u32,
    /// Number of bits, 1 to 64.
    pub width: u32,
}

impl Bits {
    /// The field's bits in its word.
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        (u64::MAX >> (64 - self.width)) << self.shift
    }

    /// The field's value, taken from its word.
    #[inline(always)]
    pub const fn of(self, word: u64) -> u64 {
        (word & self.mask()) >> self.shift
    }

    /// `value` at the field's place; bits that do not fit are cut off.
    #[inline(always)]
    pub const fn place(self, value: u64) -> u64 {
        (value << self.shift) & self.mask()
    }
}

/// Declares the fields of one descriptor format: constants, and a table of them for decoders.
macro_rules! layout {
    (
        $(#[$meta:meta])*
        $module:ident {
            $( $(#[$doc:meta])* $NAME:ident $word:literal $high:literal : $low:literal; )*
        }
    ) => {
        $(#[$meta])*
        pub mod $module {
            use crate::descriptor::Bits;

            $(
                $(#[$doc])*
                pub const $NAME: Bits =
                    Bits { name: stringify!($NAME), word: $word, shift: $low, width: $high - $low + 1 };
            )*

            /// All fields of the format, in this order.
            pub const FIELDS: &[Bits] = &[$($NAME),*];

            const _: () = {
                $( assert!($word < 2 && $low <= $high && $high < 64); )*
            };
        }
    };
}

/// Declares a descriptor format as a struct of 16 bytes, with conversions from and to its two words.
macro_rules! format {
    ( $(#[$meta:meta])* $Name:ident { $( $(#[$doc:meta])* $field:ident : $T:ty, )* } ) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout, zerocopy::Unaligned,
        )]
        #[repr(C)]
        pub struct $Name {
            $( $(#[$doc])* pub $field: $T, )*
        }

        const _: () = assert!(size_of::<$Name>() == crate::descriptor::SIZE);

        impl $Name {
            /// The descriptor with these two words.
            pub const fn from_words(words: [u64; 2]) -> Self {
                zerocopy::transmute!([
                    zerocopy::little_endian::U64::new(words[0]),
                    zerocopy::little_endian::U64::new(words[1]),
                ])
            }

            /// The descriptor as two words.
            pub const fn words(self) -> [u64; 2] {
                let [low, high]: [zerocopy::little_endian::U64; 2] = zerocopy::transmute!(self);
                [low.get(), high.get()]
            }
        }
    };
}
