//! The crate as a user sees it, on trees of plain files: nothing here touches the machine's devices.

#![allow(clippy::unwrap_used)]

mod candidate;
mod configuration;
mod enumeration;
mod inspecting;
mod obstacles;
mod opening;
mod taking;
mod tree;
