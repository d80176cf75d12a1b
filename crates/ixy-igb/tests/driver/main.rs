//! The driver on an 82576 made of software, which the tests step themselves, so that every run is the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code

#[path = "../device/mod.rs"]
mod device;
mod harness;

mod closing;
mod frames;
mod hostile;
mod interrupts;
mod opening;
mod settings;
