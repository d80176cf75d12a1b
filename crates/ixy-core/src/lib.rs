//! ixy-core
