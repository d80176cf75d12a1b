//! The end: no memory is freed that the device may still reach.

use ixy_core::TxQueue as _;
use ixy_igb::Config;

use crate::device::{Options, offset};
use crate::harness::{Harness, frames};

#[test]
fn the_last_holder_brings_the_card_to_rest() {
    let orders: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let harness = Harness::new(Options::default());
        let (card, rx, mut tx) = harness.start(&Config::default());
        tx.send(&mut harness.batch(&frames(5, |_| 60)));
        let resets = harness.device.resets();
        let mut holders: [Option<Box<dyn std::any::Any>>; 3] =
            [Some(Box::new(card)), Some(Box::new(rx)), Some(Box::new(tx))];
        for (n, &holder) in order.iter().enumerate() {
            assert_eq!(harness.device.resets(), resets, "it still runs");
            assert!(n == 0 || harness.pool.free() < harness.pool.buffers(), "its memory is still there");
            holders[holder] = None;
        }
        assert_eq!(harness.device.resets(), resets + 1);
        harness.all_is_back();
    }
}

#[test]
fn a_queue_that_is_dropped_is_off() {
    let harness = Harness::new(Options::default());
    let (card, rx, tx) = harness.start(&Config::default());
    let on = |at| harness.device.register(at) & 1 << 25 != 0;
    assert!(on(offset::rx(0, offset::CONTROL)) && on(offset::tx(0, offset::CONTROL)));
    drop((rx, tx));
    assert!(!on(offset::rx(0, offset::CONTROL)) && !on(offset::tx(0, offset::CONTROL)));
    drop(card);
    harness.all_is_back();
}

#[test]
fn memory_is_kept_while_requests_are_under_way() {
    let harness = Harness::new(Options::default());
    let opened = harness.start(&Config::default());
    harness.device.lock().never_quiet = true;
    let free = harness.pool.free();
    drop(opened);
    // Only the buffers in the queues' caches, which belong to the rings' memory, may be back; so none is.
    assert!(harness.pool.free() <= free + 512 && harness.pool.free() < harness.pool.buffers());
}

#[test]
fn memory_is_kept_when_bus_mastering_cannot_be_switched_off() {
    let harness = Harness::new(Options::default());
    let opened = harness.start(&Config::default());
    harness.device.lock().bus_is_stuck = true;
    drop(opened);
    assert!(harness.pool.free() < harness.pool.buffers());
}

#[test]
fn memory_is_kept_when_neither_master_disable_nor_the_reset_ends() {
    let harness = Harness::new(Options::default());
    let opened = harness.start(&Config::default());
    harness.device.stick(offset::STATUS, 1 << 19, 0);
    harness.device.stick(offset::CTRL, 1 << 26, 0);
    drop(opened);
    assert!(harness.pool.free() < harness.pool.buffers());
}

#[test]
fn one_of_them_is_enough() {
    for (at, ones) in [(offset::STATUS, 1 << 19), (offset::CTRL, 1 << 26)] {
        let harness = Harness::new(Options::default());
        let opened = harness.start(&Config::default());
        harness.device.stick(at, ones, 0);
        drop(opened);
        harness.all_is_back();
    }
}

#[test]
fn a_card_that_vanished_is_closed_all_the_same() {
    let harness = Harness::new(Options::default());
    let opened = harness.start(&Config::default());
    harness.device.lock().vanished = true;
    drop(opened);
    assert_eq!(harness.pool.free(), harness.pool.buffers());
}
