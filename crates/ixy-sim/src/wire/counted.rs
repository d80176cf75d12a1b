use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Wire;

/// The number of frames that passed a [`Counted`] wire, readable by any thread.
#[derive(Debug, Default)]
pub struct FrameCounts {
    received: AtomicU64,
    sent: AtomicU64,
}

impl FrameCounts {
    /// Frames that arrived and were taken by the MAC, including those that it dropped.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Frames that the MAC sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// A wire that counts its frames. Neither a reset of the card nor reading clears the counts.
pub struct Counted {
    wire: Box<dyn Wire>,
    counts: Arc<FrameCounts>,
}

impl Counted {
    /// Counts the frames of `wire`.
    pub fn new(wire: Box<dyn Wire>) -> Self {
        Self { wire, counts: Arc::default() }
    }

    /// The live counts.
    pub fn counts(&self) -> &Arc<FrameCounts> {
        &self.counts
    }
}

impl Wire for Counted {
    fn inner(&self) -> Option<&dyn Wire> {
        Some(&*self.wire)
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Wire> {
        Some(&mut *self.wire)
    }

    fn consume(&mut self) {
        // There is a frame to consume, so the MAC has looked at it.
        self.counts.received.fetch_add(1, Ordering::Relaxed);
        self.wire.consume();
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        let taken = self.wire.transmit(frame);
        if taken {
            self.counts.sent.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Altered, Loopback};
    use super::*;

    #[test]
    fn frames_are_counted_once_they_are_taken() {
        let mut wire = Counted::new(Box::new(Loopback::new()));
        let counts = Arc::clone(wire.counts());
        assert!(wire.transmit(&[1; 60]) && wire.transmit(&[2; 60]));
        assert!(wire.front().is_some() && wire.front().is_some());
        assert_eq!((counts.sent(), counts.received()), (2, 0));
        wire.consume();
        assert_eq!(wire.front(), Some(&[2; 60][..]));
        assert_eq!((counts.sent(), counts.received()), (2, 1));
        let mut down = Counted::new(Box::new(Altered::new(Box::new(wire), true, true)));
        assert!(!down.transmit(&[3; 60]) && !down.link_up() && !down.waits());
        assert_eq!((down.counts().sent(), counts.sent()), (0, 2), "no room");
    }
}
