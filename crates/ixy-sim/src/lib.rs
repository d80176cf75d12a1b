//! ixy-sim

pub mod wire;
