//! ixy-dump
fn main() {}
