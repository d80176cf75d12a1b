//! ixy-sim
