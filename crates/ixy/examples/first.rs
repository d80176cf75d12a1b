//! The program of the README: forwards frames between two software cards until Ctrl-C.

use ixy::{Batch, Options, Stop};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stop = Stop::on_signals()?; // Ctrl-C ends the loop, so that the cards are stopped
    let addresses = ["sim".parse()?, "sim".parse()?];
    let mut cards = ixy::open(&addresses, &Options::default().stop(&stop))?;
    let (mut rx, mut tx) = (cards[0].rx_queue(0)?, cards[1].tx_queue(0)?);
    let mut batch = Batch::new(32);
    while !stop.requested() {
        rx.receive(&mut batch);
        tx.send(&mut batch); // what did not fit stays in the batch
    }
    Ok(())
}
