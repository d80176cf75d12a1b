//! Typed register maps and descriptor layouts of network cards.
#![no_std]

pub mod access;
pub mod bus;
pub mod ixgbe;
pub mod map;
