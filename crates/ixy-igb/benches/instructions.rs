//! The instructions that the driver executes for each packet, for `scripts/instructions` to count under callgrind.
//! It forwards on the software device of the tests. Only [`forward_igb`] is counted; the device is polled outside.
//!
//! Run by itself it counts nothing, and prints the number of packets forwarded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, dead_code)] // a benchmark, which prints what it did

use ixy_core::{Batch, RxQueue, TxQueue};
use ixy_igb::Config;

use device::Options;
use harness::{Harness, frames};

#[allow(unused_imports)]
#[path = "../tests/device/mod.rs"]
mod device;
#[path = "../tests/driver/harness.rs"]
mod harness;

const BATCH: usize = 32;
const ROUNDS: usize = 1_000;

/// One turn of a forwarder: sends the received packets, with a byte of each changed.
#[inline(never)]
fn forward_igb(rx: &mut dyn RxQueue, tx: &mut dyn TxQueue, batch: &mut Batch) -> usize {
    rx.receive(batch);
    for packet in &mut *batch {
        if let Some(byte) = packet.get_mut(48) {
            *byte = byte.wrapping_add(1);
        }
    }
    tx.send(batch)
}

fn main() {
    let harness = Harness::new(Options::default());
    let (_card, mut rx, mut tx) = harness.start(&Config::default());
    let (rx, tx): (&mut dyn RxQueue, &mut dyn TxQueue) = (&mut rx, &mut tx);
    let frames = frames(BATCH as u32, |_| 60);
    let mut batch = Batch::new(BATCH);
    let mut forwarded = 0;
    for _ in 0..ROUNDS {
        harness.device.arrive(frames.clone());
        harness.device.poll();
        forwarded += forward_igb(rx, tx, &mut batch);
        harness.device.poll();
        assert_eq!(harness.device.sent(0).len(), BATCH, "not all packets that arrived were forwarded");
    }
    println!("igb {forwarded}");
}
