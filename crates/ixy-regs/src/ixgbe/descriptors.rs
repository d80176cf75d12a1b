//! Descriptors: the entries of receive and transmit rings, 16 bytes each.
//!
//! A descriptor has two formats in the same place: the driver writes one (the read format, which the device
//! reads), the device overwrites it with the other (the write-back format). Both are given here in two ways:
//!
//! - as the two 64-bit words that a driver loads and stores atomically: the fields of [`receive`] and
//!   [`transmit`] are [`Bits`], and `const fn`s build whole descriptors;
//! - as structs with little-endian fields, for tests, models and other code that has the bytes.
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

#[doc(inline)]
pub use crate::descriptor::{Bits, SIZE};

pub mod receive;
pub mod transmit;
