//! ixy
