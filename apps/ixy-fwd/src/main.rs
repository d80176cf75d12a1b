//! ixy-fwd forwards frames between two network cards, both ways.
//!
//! Continue reading at `ixy::open`, then at the queues of the driver in `ixy-ixgbe`.
#![forbid(unsafe_code)]

mod args;
mod end;
mod touch;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

pub(crate) use args::Args;
use end::{End, Input};
use ixy::{Batch, Packet, RxQueue, TxQueue};
use ixy_cli::{Error, Reporter, Session, Waiting};
use touch::Touch;

/// The way from a receive queue of one device to the transmit queue of the other.
struct Direction<'a, T> {
    rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
    batch: Batch,
    touch: T,
    to: usize,
    /// The number of packets received.
    taken: u64,
    end: End<'a>,
}

impl<T: Fn(&mut Packet)> Direction<'_, T> {
    /// Receives, touches and sends a batch. Unsent packets are offered again before more are received.
    #[inline(always)]
    fn forward(&mut self) -> usize {
        let mut moved = 0;
        if self.batch.is_empty() {
            moved = self.rx.receive(&mut self.batch);
            self.taken += moved as u64;
            self.batch.iter_mut().for_each(&self.touch);
        }
        moved + self.tx.send(&mut self.batch)
    }
}

/// Forwards until `go_on` returns false, then sends the rest.
fn forward<T: Fn(&mut Packet)>(
    share: &mut [Direction<T>],
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

/// Runs the loop with `touch` compiled into it.
fn run_with<T: Fn(&mut Packet) + Copy + Send>(args: Args, session: &Session, touch: T) -> Result<(), Error> {
    let threads = args.threads();
    let mut devices = ixy::open(&[args.a, args.b], &args.waiting.of(args.flags.options(session)))?;
    ixy_cli::settle(&devices, session)?;
    let inputs = [Input::default(), Input::default()];
    let mut shares: Vec<Vec<Direction<T>>> = (0..threads).map(|_| Vec::new()).collect();
    for n in 0..devices[0].queues().min(devices[1].queues()) {
        for (from, to) in [(0, 1), (1, 0)] {
            let (rx, tx) = (devices[from].rx_queue(n)?, devices[to].tx_queue(n)?);
            let (batch, end) = (Batch::new(args.flags.batch.into()), End::of(&inputs[from]));
            shares[usize::from(n) % threads].push(Direction { rx, tx, batch, touch, to, taken: 0, end });
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
            let more = reporter.go_on(&devices, 0).map(|more| more && ended != [true, true]);
            over.store(!matches!(more, Ok(true)), Ordering::Relaxed);
            more
        })
    })?;
    let (taken, unsent) = end::taken_and_unsent(shares);
    reporter.finish(devices, &taken, &unsent)
}

pub(crate) fn run(args: Args, session: &Session) -> Result<(), Error> {
    match args.touch {
        Touch::None => run_with(args, session, |_| ()),
        Touch::Byte => run_with(args, session, touch::byte),
        Touch::Mac => run_with(args, session, touch::mac),
    }
}

fn main() -> ExitCode {
    ixy_cli::main(|args: &Args| &args.flags, run)
}
