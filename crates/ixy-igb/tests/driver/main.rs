//! The driver on a software 82576, which the tests poll themselves, so that every run is the same.
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
