//! A served software 82599, as a client sees it: over a socket, with files for memory. Tests poll the device
//! themselves unless they say otherwise.
//!
//! Offsets and bits are written out here and not taken from the crate: a wrong one there would agree with itself.

#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bad_input;
mod harness;
mod interrupts;
mod memory;
