//! When forwarding is over: the input has ended, and everything that it gave was sent.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ixy::Device;

/// How long nothing may be sent, once the input has ended, until what is left counts as dropped.
const PATIENCE: Duration = Duration::from_secs(30);

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

    /// Whether the input has ended, so that a look at what is left makes sense.
    pub(crate) fn is_near(&self) -> bool {
        !self.reached && self.input.ended.load(Ordering::Acquire)
    }

    /// Takes note of how many packets were moved and how many are not sent yet.
    pub(crate) fn look(&mut self, moved: usize, unsent: usize) {
        let now = Instant::now();
        if moved > 0 || unsent != self.unsent {
            (self.unsent, self.since) = (unsent, now);
        } else if unsent == 0 || now - self.since >= PATIENCE {
            self.reached = true;
            self.input.open.fetch_sub(1, Ordering::Release);
        }
    }
}
