//! A pool and batches without any card: one thread makes frames, another counts those of IPv4, and both share 256
//! buffers.
//!
//! ```text
//! cargo run -p ixy-core --example pipeline
//! ```
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use ixy_core::{Batch, Mempool};
use ixy_dma::SimulatedDomain;

/// Number of frames.
const COUNT: u32 = 100_000;

/// Makes the frames and passes them on in batches. Every third one is IPv4, the others are ARP.
fn make(pool: &Mempool, to: &SyncSender<Batch>) {
    let mut made = 0;
    while made < COUNT {
        let mut batch = Batch::new(32);
        if pool.allocate_batch(&mut batch, (COUNT - made) as usize) == 0 {
            thread::yield_now(); // all buffers are in use: the other thread is behind
            continue;
        }
        for packet in &mut batch {
            let _fits = packet.set_len(60);
            packet.fill(0); // the buffer holds what was in it before
            packet[12..14].copy_from_slice(if made % 3 == 0 { &[0x08, 0x00] } else { &[0x08, 0x06] });
            made += 1;
        }
        if to.send(batch).is_err() {
            return; // nobody receives any more
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Memory that only this process reaches; with a card it would be a domain of memory that the card reaches.
    let pool = Mempool::new(Arc::new(SimulatedDomain::default()), 256)?;
    let (to, from) = sync_channel(4);
    let maker = thread::spawn({
        let pool = pool.clone();
        move || make(&pool, &to)
    });
    let mut ipv4 = 0;
    for mut batch in from {
        batch.retain(|packet| packet[12..14] == [0x08, 0x00]); // frees the others
        ipv4 += batch.len();
    } // the batch is dropped, which frees its packets on this thread
    maker.join().map_err(|_| "the thread that makes frames failed")?;
    println!("{COUNT} frames, {ipv4} of them IPv4; {} of {} buffers are free", pool.free(), pool.buffers());
    Ok(())
}
