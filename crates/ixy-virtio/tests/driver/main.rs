//! The driver on a software virtio device, which the tests poll themselves, so that every run is the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code

#[path = "../device/mod.rs"]
mod device;
mod harness;

mod checksums;
mod frames;
mod hostile;
mod interrupts;
mod negotiation;
mod notifications;
mod opening;
mod properties;
mod vectors;
mod wakeups;
