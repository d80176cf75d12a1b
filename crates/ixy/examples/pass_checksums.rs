//! Forwards frames between two devices and passes incomplete checksums on instead of computing them.
//!
//! Between two virtual machines on one host a TCP checksum need never be computed: the sender leaves it out and
//! marks that in the header before the frame, and the receiver accepts it. A forwarder between the two has to ask
//! for such frames (`checksum_offload`) and has to pass the marks on: `receive_with` and `send_with` do that. If
//! the sending device cannot compute the checksum, `send_with` does.
//!
//! ```text
//! pass_checksums 00:04.0 00:05.0 10        # for ten seconds
//! pass_checksums 00:04.0 00:05.0 10 whole  # without asking for such frames
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use ixy::{Batch, Checksum, Checksums, Options, RxQueue, TxQueue};

/// Frames that went one way, and the state of their checksums.
#[derive(Debug, Default)]
struct Count {
    frames: u64,
    owed: u64,
    verified: u64,
}

/// One direction of the forwarder.
struct Way {
    rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
    batch: Batch,
    /// The checksum state of packet `n` of the batch, at index `n`.
    checksums: Checksums,
    count: Count,
}

impl Way {
    fn forward(&mut self) {
        let first = self.batch.len();
        let received = self.rx.receive_with(&mut self.batch, &mut self.checksums);
        for checksum in self.checksums.iter().skip(first).take(received) {
            self.count.frames += 1;
            match checksum {
                Checksum::Owed { .. } => self.count.owed += 1,
                Checksum::Verified => self.count.verified += 1,
                Checksum::InFrame => {}
            }
        }
        self.tx.send_with(&mut self.batch, &mut self.checksums);
    }
}

#[allow(clippy::print_stdout, reason = "what the example says")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (a, b, seconds, checksum_offload) = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        [a, b, seconds] => (*a, *b, *seconds, true),
        [a, b, seconds, "whole"] => (*a, *b, *seconds, false),
        _ => {
            return Err(
                "usage: pass_checksums A B SECONDS [whole], as in pass_checksums 00:04.0 00:05.0 10".into()
            );
        }
    };
    let limit = Duration::from_secs(seconds.parse()?);
    let options = Options::default().checksum_offload(checksum_offload);
    let mut devices = ixy::open(&[a.parse()?, b.parse()?], &options)?;
    let mut ways = Vec::new();
    for (from, to) in [(0, 1), (1, 0)] {
        let (rx, tx) = (devices[from].rx_queue(0)?, devices[to].tx_queue(0)?);
        let checksums = [Checksum::InFrame; Batch::CAPACITY];
        ways.push(Way { rx, tx, batch: Batch::new(32), checksums, count: Count::default() });
    }
    println!("forwarding");
    let end = Instant::now() + limit;
    while Instant::now() < end {
        (0..256).for_each(|_| ways.iter_mut().for_each(Way::forward));
        for device in &mut devices {
            device.stats()?; // says when a device is lost
        }
    }
    for (way, name) in ways.iter().zip(["A to B", "B to A"]) {
        let Count { frames, owed, verified } = way.count;
        println!(
            "{name}: {frames} frames, {owed} with a checksum that was owed, {verified} with one that was verified"
        );
    }
    drop(ways);
    devices.into_iter().try_for_each(ixy::Device::close).map_err(Into::into)
}
