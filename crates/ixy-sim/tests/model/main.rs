//! The software 82599 as a driver sees it, register by register. Every test polls the device itself, so every run
//! is the same.
//!
//! Offsets and bits are written out here and not taken from ixy-regs: a wrong one there would agree with itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

mod classes;
mod coalescing;
mod director;
mod eeprom;
mod fault;
mod filter;
mod function;
mod headers;
mod host;
mod interrupt;
mod link;
mod offload;
mod pause;
mod piecewise;
mod pool;
mod real_counters;
mod receive;
mod register;
mod reset;
mod rss;
mod segmentation;
mod semaphore;
mod sfp;
mod spi;
mod split;
mod statistics;
mod steering;
mod survival;
mod time;
mod transmit;
