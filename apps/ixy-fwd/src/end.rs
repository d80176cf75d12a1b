//! The end of forwarding: the input has ended, and everything from it was sent.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ixy::{Device, Packet};
use ixy_cli::Idle;

use super::Direction;

/// The time without a sent frame, after the end of the input, until the rest counts as dropped.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time for which the rest is offered, once forwarding is over.
const REST: Duration = Duration::from_secs(1);

/// The input of one device, and the queues that forward it: one thread watches the device, others may own the
/// queues.
#[derive(Debug, Default)]
pub(crate) struct Input {
    ended: AtomicBool,
    /// The number of queues that may still have packets of it.
    open: AtomicUsize,
    told: AtomicBool,
}

impl Input {
    /// Checks whether the input of `from` has ended, and closes the transmit side of `to` once all of it was sent.
    /// Returns whether that has happened.
    pub(crate) fn is_over(&self, from: &Device, to: &Device) -> bool {
        if !self.ended.load(Ordering::Relaxed) {
            self.ended.store(from.input_ended(), Ordering::Release);
            return false;
        }
        let over = self.open.load(Ordering::Acquire) == 0;
        if over && !self.told.swap(true, Ordering::Relaxed) {
            to.close_transmit();
        }
        over
    }
}

/// The remaining work of a receive queue for its input.
#[derive(Debug)]
pub(crate) struct End<'a> {
    input: &'a Input,
    /// The number of unsent packets at the last check, and since when it has not changed.
    unsent: usize,
    since: Instant,
    reached: bool,
}

impl<'a> End<'a> {
    pub(crate) fn of(input: &'a Input) -> Self {
        input.open.fetch_add(1, Ordering::Relaxed);
        Self { input, unsent: 0, since: Instant::now(), reached: false }
    }
}

impl<T: Fn(&mut Packet)> Direction<'_, T> {
    /// The number of packets received but not sent.
    fn unsent(&mut self) -> usize {
        self.batch.len() + self.tx.pending()
    }

    /// Once the input has ended: checks whether this queue is empty and everything from it was sent.
    pub(crate) fn look_for_end(&mut self) {
        if self.end.reached || !self.end.input.ended.load(Ordering::Acquire) {
            return;
        }
        // The end was seen before this, so receiving nothing means that nothing is left.
        let moved = self.forward();
        let (unsent, now) = (self.unsent(), Instant::now());
        let end = &mut self.end;
        if moved > 0 || unsent != end.unsent {
            (end.unsent, end.since) = (unsent, now);
        } else if unsent == 0 || now - end.since >= PATIENCE {
            end.reached = true;
            end.input.open.fetch_sub(1, Ordering::Release);
        }
    }
}

/// Offers unsent packets while that is useful.
pub(crate) fn send_the_rest<T: Fn(&mut Packet)>(share: &mut [Direction<T>]) {
    let (stopped, mut idle) = (Instant::now(), Idle::default());
    while share.iter_mut().any(|direction| direction.unsent() > 0) && stopped.elapsed() < REST {
        idle.after(share.iter_mut().map(|direction| direction.tx.send(&mut direction.batch)).sum(), None);
    }
}

/// The numbers of packets that came from each device, and that each should have sent but did not, at the close of its
/// queues.
pub(crate) fn taken_and_unsent<T: Fn(&mut Packet)>(shares: Vec<Vec<Direction<T>>>) -> ([u64; 2], [u64; 2]) {
    let (mut taken, mut unsent) = ([0, 0], [0, 0]);
    for mut direction in shares.into_iter().flatten() {
        taken[1 - direction.to] += direction.taken;
        unsent[direction.to] += direction.unsent() as u64;
    }
    (taken, unsent)
}
