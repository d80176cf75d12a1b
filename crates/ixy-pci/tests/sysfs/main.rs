//! The crate as a user sees it, on trees of plain files: nothing here touches the machine's devices.

#![allow(clippy::unwrap_used, clippy::panic)]

mod candidate;
mod configuration;
mod enumeration;
mod inspecting;
mod interfaces;
mod obstacles;
mod opening;
mod taking;
mod tree;
