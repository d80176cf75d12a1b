//! ixy-pktgen
fn main() {}
