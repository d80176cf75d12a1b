//! ixy-fwd forwards frames between two network cards, both ways, and touches each: one byte of it is incremented.
//!
//! Read on at `ixy::open`, then at the queues of the driver in `ixy-ixgbe`.
#![forbid(unsafe_code)]

mod end;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Parser;
use end::{End, Input};
use ixy_cli::{Error, Flags, Reporter, Session, Waiting};
use ixy_core::{Batch, RxQueue, TxQueue};

/// Forwards frames between two devices, both ways, and increments byte 48 of each (a frame of less than 49 bytes stays
/// as it is). Ends when both inputs have ended and everything was sent, after --duration, or by a signal.
#[derive(Debug, Parser)]
#[command(version, after_help = ixy_cli::HELP)]
pub(crate) struct Args {
    /// The one device
    a: ixy::Address,
    /// The other device
    b: ixy::Address,
    /// Threads over which the queues are spread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    flags: Flags,
}

/// From a receive queue of one device to the transmit queue of the other.
struct Direction<'a> {
    rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
    batch: Batch,
    to: usize,
    end: End<'a>,
}

impl Direction<'_> {
    /// Receives, touches and sends a batch. What was not sent is offered again before more is received.
    #[inline(always)]
    fn forward(&mut self) -> usize {
        let mut moved = 0;
        if self.batch.is_empty() {
            moved = self.rx.receive(&mut self.batch);
            for packet in &mut self.batch {
                if let Some(byte) = packet.get_mut(48) {
                    *byte = byte.wrapping_add(1);
                }
            }
        }
        moved + self.tx.send(&mut self.batch)
    }
}

/// Forwards until `go_on` says no, then sends what is left.
fn forward(
    share: &mut [Direction],
    waiting: &Waiting,
    mut go_on: impl FnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut idle = waiting.idle(share.iter_mut().map(|direction| &mut *direction.rx));
    while go_on()? {
        for _ in 0..64 {
            let moved = share.iter_mut().map(Direction::forward).sum();
            if idle.after(moved, share.iter_mut().map(|one| (&mut *one.rx as _, one.batch.len()))) {
                break;
            }
        }
        share.iter_mut().for_each(Direction::look_for_end);
    }
    end::send_the_rest(share);
    Ok(())
}

pub(crate) fn run(args: Args, session: &Session) -> Result<(), Error> {
    let mut devices = ixy::open(&[args.a, args.b], &args.waiting.of(args.flags.options(session)))?;
    ixy_cli::settle(&devices, session)?;
    let inputs = [Input::default(), Input::default()];
    let threads = usize::from(args.threads.min(args.flags.queues));
    let mut shares: Vec<Vec<Direction>> = (0..threads).map(|_| Vec::new()).collect();
    for n in 0..args.flags.queues {
        for (from, to) in [(0, 1), (1, 0)] {
            let (Some(rx), Some(tx)) = (devices[from].rx_queue(n), devices[to].tx_queue(n)) else { continue };
            let (batch, end) = (Batch::new(args.flags.batch.into()), End::of(&inputs[from]));
            shares[usize::from(n) % threads].push(Direction { rx, tx, batch, to, end });
        }
    }
    let Some((own, others)) = shares.split_first_mut() else { return Ok(()) };

    let mut reporter = Reporter::new(session, &args.flags, &devices);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for share in others {
            scope.spawn(|| forward(share, &args.waiting, || Ok(!over.load(Ordering::Relaxed))));
        }
        forward(own, &args.waiting, || {
            let ended = [(0, 1), (1, 0)].map(|(from, to)| inputs[from].is_over(&devices[from], &devices[to]));
            let more = reporter.go_on(&mut devices, 0).map(|more| more && ended != [true, true]);
            over.store(!matches!(more, Ok(true)), Ordering::Relaxed);
            more
        })
    })?;
    reporter.finish(devices, &end::unsent(shares))
}

fn main() -> ExitCode {
    ixy_cli::main(|args: &Args| &args.flags, run)
}
