//! The instructions that the driver executes for each packet, for `scripts/instructions` to count under callgrind.
//! It forwards on the software device of the tests, with split rings and with packed ones, both with the features
//! of a modern device. Only [`forward_split`] and [`forward_packed`] are counted; the device is polled outside.
//!
//! Run by itself it counts nothing, and prints the number of packets forwarded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, dead_code)] // a benchmark, which prints what it did

use std::hint::black_box;

use ixy_core::{Batch, RxQueue, TxQueue};
use ixy_virtio::Config;

use device::{Options, feature};
use harness::{Harness, frame};

#[allow(unused_imports)]
#[path = "../tests/device/mod.rs"]
mod device;
#[path = "../tests/driver/harness.rs"]
mod harness;

const BATCH: usize = 32;
const ROUNDS: usize = 1_000;

/// One turn of a forwarder: sends the received packets, with a byte of each changed.
#[inline(always)]
fn forward(rx: &mut dyn RxQueue, tx: &mut dyn TxQueue, batch: &mut Batch) -> usize {
    rx.receive(batch);
    for packet in &mut *batch {
        if let Some(byte) = packet.get_mut(48) {
            *byte = byte.wrapping_add(1);
        }
    }
    tx.send(batch)
}

#[inline(never)]
fn forward_split(rx: &mut dyn RxQueue, tx: &mut dyn TxQueue, batch: &mut Batch) -> usize {
    black_box("split"); // else the compiler makes one function of the two
    forward(rx, tx, batch)
}

#[inline(never)]
fn forward_packed(rx: &mut dyn RxQueue, tx: &mut dyn TxQueue, batch: &mut Batch) -> usize {
    black_box("packed");
    forward(rx, tx, batch)
}

fn main() {
    let usual = feature::VERSION_1 | feature::MAC | feature::MRG_RXBUF | feature::EVENT_IDX;
    type Forward = fn(&mut dyn RxQueue, &mut dyn TxQueue, &mut Batch) -> usize;
    let kinds: [(_, _, Forward); 2] =
        [("split", 0, forward_split), ("packed", feature::RING_PACKED, forward_packed)];
    for (name, ring, forward) in kinds {
        let harness = Harness::new(Options { features: usual | ring, ..Options::default() });
        let (_device, mut rx, mut tx) = harness.start(&Config::default());
        let (rx, tx): (&mut dyn RxQueue, &mut dyn TxQueue) = (&mut rx, &mut tx);
        let frames: Vec<_> = (0..BATCH as u32).map(|number| frame(60, number)).collect();
        let mut batch = Batch::new(BATCH);
        let mut forwarded = 0;
        for _ in 0..ROUNDS {
            harness.device.arrive(0, &frames);
            harness.device.poll();
            forwarded += black_box(forward(rx, tx, &mut batch));
            harness.device.frames(0);
        }
        assert!(batch.is_empty(), "the device did not take all packets");
        println!("{name} {forwarded}");
    }
}
