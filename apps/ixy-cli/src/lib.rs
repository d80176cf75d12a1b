//! ixy-cli
