//! When forwarding is over: the input has ended, and everything that it gave was sent.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ixy::Device;
use ixy_cli::Idle;
use ixy_core::Packet;

use super::Direction;

/// How long nothing may be sent, once the input has ended, until what is left counts as dropped.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long what is left is offered, once forwarding is over.
const REST: Duration = Duration::from_secs(1);

/// The input of one device, and the queues that forward it: one thread watches the device, others may have the queues.
#[derive(Debug, Default)]
pub(crate) struct Input {
    ended: AtomicBool,
    /// Queues that may still have packets of it.
    open: AtomicUsize,
    told: AtomicBool,
}

impl Input {
    /// Looks whether the input of `from` has ended, and says so to the other end of `to` once all of it was sent.
    /// Returns whether that is so.
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

/// What one receive queue has still to do for its input.
#[derive(Debug)]
pub(crate) struct End<'a> {
    input: &'a Input,
    /// Packets not sent at the last look, and since when it is as many.
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
    /// Packets that were received and not sent.
    fn unsent(&mut self) -> usize {
        self.batch.len() + self.tx.pending()
    }

    /// Once the input has ended: looks whether this queue has given all it had, and all of that was sent.
    pub(crate) fn look_for_end(&mut self) {
        if self.end.reached || !self.end.input.ended.load(Ordering::Acquire) {
            return;
        }
        // The end was seen before this, so nothing received means that nothing is left.
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

/// Offers what was not sent yet, as long as that is of use.
pub(crate) fn send_the_rest<T: Fn(&mut Packet)>(share: &mut [Direction<T>]) {
    let (stopped, mut idle) = (Instant::now(), Idle::default());
    while share.iter_mut().any(|direction| direction.unsent() > 0) && stopped.elapsed() < REST {
        idle.after(share.iter_mut().map(|direction| direction.tx.send(&mut direction.batch)).sum(), None);
    }
}

/// Packets that each of the two devices should have sent and did not, when its queues are closed.
pub(crate) fn unsent<T: Fn(&mut Packet)>(shares: Vec<Vec<Direction<T>>>) -> [u64; 2] {
    let mut unsent = [0, 0];
    for mut direction in shares.into_iter().flatten() {
        unsent[direction.to] += direction.unsent() as u64;
    }
    unsent
}
