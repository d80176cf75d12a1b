//! Descriptors: the entries of receive and transmit rings, 16 bytes each.
//!
//! A descriptor has two formats that take the same place: the driver writes one (the read format, as the device reads
//! it), the device overwrites it with the other (the write-back format). Both are given here in two ways:
//!
//! - as the two 64-bit words that a driver loads and stores atomically: the fields of [`receive`] and [`transmit`] are
//!   [`Bits`], and `const fn`s build whole descriptors;
//! - as structs with little-endian fields, for tests, models and whoever has the bytes.
//!
//! Words are values, not memory: in memory a word is little-endian, so `u64::to_le` goes before a store and
//! `u64::from_le` after a load.
//!
//! ```
//! use ixy_regs::ixgbe::descriptors::{receive, transmit};
//!
//! // A whole frame of 60 bytes that asks for a report when it is sent:
//! let command = transmit::Command::EOP | transmit::Command::IFCS | transmit::Command::RS;
//! let words = transmit::data(0x1000, 60, 60, command);
//! assert_eq!(words[0], 0x1000);
//! assert_eq!(transmit::data_read::DTALEN.of(words[1]), 60);
//!
//! // What the device makes of a receive descriptor:
//! let status = receive::Status::from_word(0x0000_003c_0000_0003);
//! assert!(status.contains(receive::Status::DD | receive::Status::EOP));
//! assert_eq!(receive::write_back::LENGTH.of(0x0000_003c_0000_0003), 60);
//! ```

/// Bytes of a descriptor, of any kind and format.
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
            use crate::ixgbe::descriptors::Bits;

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

        const _: () = assert!(size_of::<$Name>() == crate::ixgbe::descriptors::SIZE);

        impl $Name {
            /// The descriptor that these two words are.
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

// After the macros, which they use.
pub mod receive;
pub mod transmit;
