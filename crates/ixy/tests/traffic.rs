//! Loops that end: with the input, with everything sent, and with the stop.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use ixy::{Address, Batch, Device, MemoryWire, Options, Stop};

const LONG: Duration = Duration::from_secs(30);

fn open(address: impl Into<Address>, stop: &Stop) -> Device {
    ixy::open(&[address.into()], &Options::default().stop(stop)).unwrap().remove(0)
}

/// A card that receives this many frames, and then the end.
fn card(frames: usize, stop: &Stop) -> (Device, MemoryWire) {
    let wire: MemoryWire = (0..frames).map(|n| vec![n as u8; 60]).collect();
    (open(Address::sim().memory(&wire), stop), wire)
}

#[test]
fn receiving_is_over_when_the_input_has_ended_and_nothing_is_left() {
    let (mut card, _wire) = card(1000, &Stop::new().after(LONG));
    let (mut rx, mut batch, mut received) = (card.rx_queue(0).unwrap(), Batch::new(7), 0);
    while let Some(count) = card.receive(&mut *rx, &mut batch) {
        assert!(batch.drain().all(|packet| packet.len() == 60));
        received += count;
    }
    assert_eq!(received, 1000);
    assert_eq!(card.receive(&mut *rx, &mut batch), None, "it stays over");
}

#[test]
fn a_full_batch_and_an_empty_pool_are_not_the_end() {
    let (mut card, _wire) = card(10, &Stop::new().after(LONG));
    let (mut rx, mut batch) = (card.rx_queue(0).unwrap(), Batch::new(4));
    let start = Instant::now();
    while !card.input_ended() || batch.len() < 4 {
        assert!(start.elapsed() < LONG, "{batch:?}");
        assert!(card.receive(&mut *rx, &mut batch).is_some());
    }
    assert_eq!(card.receive(&mut *rx, &mut batch), Some(0), "the batch has no room");
    let (mut held, mut received) = (Vec::from_iter(batch.drain()), 4);
    // A program that holds all packets receives none.
    held.extend(std::iter::from_fn(|| card.pool().allocate()));
    while let Some(count) = card.receive(&mut *rx, &mut batch) {
        received += count;
        held.clear();
        batch.clear();
    }
    assert_eq!(received, 10);
}

#[test]
fn a_stop_ends_receiving_although_frames_keep_arriving() {
    let stop = Stop::new();
    let mut card = open("sim".parse::<Address>().unwrap(), &stop);
    let (mut rx, mut batch, mut received) = (card.rx_queue(0).unwrap(), Batch::new(32), 0);
    let start = Instant::now();
    while let Some(count) = card.receive(&mut *rx, &mut batch) {
        assert!(start.elapsed() < LONG, "{received} frames");
        received += count;
        batch.clear();
        if received > 100 {
            stop.request();
        }
    }
    assert!(received > 100 && !card.input_ended());
}

#[test]
fn what_was_given_to_a_card_is_sent_before_it_is_closed() {
    let (mut card, wire) = card(0, &Stop::new().after(LONG));
    let (mut tx, pool, mut batch) =
        (card.tx_queue(0).unwrap(), card.new_pool(2048).unwrap(), Batch::new(Batch::CAPACITY));
    let mut given = 0;
    while given < 1500 {
        // More than the ring has places for.
        let count = pool.allocate_batch(&mut batch, Batch::CAPACITY);
        batch.iter_mut().for_each(|packet| assert!(packet.set_len(60)));
        given += count;
        tx.send(&mut batch);
    }
    assert_eq!(card.send_all(&mut *tx, &mut batch), 0);
    assert!(batch.is_empty());
    drop(tx);
    card.close().unwrap();
    assert_eq!(std::iter::from_fn(|| wire.pop()).count(), given);
}

#[test]
fn a_stop_leaves_a_card_that_cannot_send_one_second() {
    let stop = Stop::new();
    let addresses = ["sim:cable=a", "sim:cable=a,link=down"].map(|address| address.parse().unwrap());
    let mut cards = ixy::open(&addresses, &Options::default().stop(&stop)).unwrap();
    let (mut tx, pool, mut batch) =
        (cards[1].tx_queue(0).unwrap(), cards[1].new_pool(64).unwrap(), Batch::new(32));
    pool.allocate_batch(&mut batch, 5);
    batch.iter_mut().for_each(|packet| assert!(packet.set_len(60)));
    stop.request();
    let start = Instant::now();
    assert_eq!(cards[1].send_all(&mut *tx, &mut batch), 5);
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(10), "{waited:?}");
}
