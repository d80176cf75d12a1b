//! Receives with two threads: the card spreads flows over two queues, by a hash of addresses and ports (RSS), and each
//! thread owns one.
//!
//! ```text
//! cargo run --release -p ixy-net --example rss -- sim:flood,flows=100
//! ```
//!
//! It ends after two seconds, or on Ctrl-C.
#![allow(clippy::print_stdout, reason = "a program")]

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use ixy::{Batch, Device, Error, Options, RxQueue, Stop};

/// The addresses and ports of a UDP or TCP packet in IPv4 without options: all packets of a flow have the same.
fn flow(frame: &[u8]) -> Option<[u8; 12]> {
    frame.get(26..38)?.try_into().ok()
}

/// Receives until the stop or the end of the input. Returns the number of packets, and their flows.
fn count(mut rx: Box<dyn RxQueue>, card: &Device) -> (u64, HashSet<[u8; 12]>) {
    let (mut batch, mut packets, mut flows) = (Batch::new(32), 0, HashSet::new());
    while card.receive(&mut *rx, &mut batch).is_some() {
        packets += batch.len() as u64;
        flows.extend(batch.drain().filter_map(|packet| flow(&packet)));
    }
    (packets, flows)
}

fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "sim:flood,flows=100".into());
    let stop = Stop::on_signals()?.after(Duration::from_secs(2));
    let options = Options::default().queues(2).stop(&stop);
    let mut card = ixy::open(&[address.parse()?], &options)?.remove(0);
    let queues = [card.rx_queue(0)?, card.rx_queue(1)?];
    // The threads share the device; each owns its queue.
    let counts = thread::scope(|scope| {
        let threads = queues.map(|rx| scope.spawn(|| count(rx, &card)));
        threads.map(|thread| thread.join().unwrap_or_default())
    });
    for (n, (packets, flows)) in counts.iter().enumerate() {
        println!("queue {n}: {packets} packets of {} flows", flows.len());
    }
    println!("{} flows in both queues", counts[0].1.intersection(&counts[1].1).count());
    card.close()
}
