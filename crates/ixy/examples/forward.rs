//! Forwards frames from one card to another until the input ends, or Ctrl-C: the shortest program that uses ixy.
//!
//! ```text
//! cargo run --release -p ixy-net --example forward -- sim sim
//! cargo run --release -p ixy-net --example forward -- sim:rx=in.pcap sim:tx=out.pcap
//! cargo run --release -p ixy-net --example forward -- 0000:03:00.0 0000:03:00.1
//! ```

use ixy::{Batch, Device, Options, Stop};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stop = Stop::on_signals()?; // without it, Ctrl-C would leave the cards running
    let addresses = std::env::args().skip(1).map(|address| address.parse()).collect::<Result<Vec<_>, _>>()?;
    let mut cards = ixy::open(&addresses, &Options::default().stop(&stop))?;
    let [from, to] = &mut cards[..] else { return Err("usage: forward FROM TO".into()) };
    let (mut rx, mut tx, mut batch) = (from.rx_queue(0)?, to.tx_queue(0)?, Batch::new(32));
    while from.receive(&mut *rx, &mut batch).is_some() {
        tx.send(&mut batch); // what did not fit stays in the batch
    }
    to.send_all(&mut *tx, &mut batch); // what is in the ring is not sent yet
    drop((rx, tx)); // a card stops when it and its queues are dropped
    Ok(cards.into_iter().try_for_each(Device::close)?)
}
