//! ixy-fwd
fn main() {}
