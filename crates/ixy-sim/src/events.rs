//! Interrupts as events that a thread can sleep on: [`Events`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

use crate::model::Irq;

/// An eventfd(2) for each vector, signalled on each of its interrupts, as VFIO does for a real device.
///
/// Clones share the events: one goes to the device, another to its driver.
///
/// ```
/// use std::sync::Arc;
/// use ixy_dma::SimulatedDomain;
/// use ixy_sim::wire::{Cables, WireSpec};
/// use ixy_sim::{Events, Nic82599};
///
/// let events = Events::new(2)?;
/// let wire = WireSpec::default().connect(&Cables::default())?;
/// let nic = Nic82599::builder(wire, Arc::<SimulatedDomain>::default()).irq(Box::new(events.clone())).build();
/// assert_eq!(events.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Events(Arc<[OwnedFd]>);

impl Events {
    /// Creates events for vectors 0 to `vectors - 1`. They do not block and are closed by exec.
    ///
    /// # Errors
    /// The system has no more file descriptors.
    pub fn new(vectors: usize) -> io::Result<Self> {
        let event = |_| eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
        let events: Result<Vec<_>, _> = (0..vectors).map(event).collect();
        Ok(Self(events?.into()))
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The event of vector `n`; `None` when there is no such vector.
    pub fn event(&self, n: usize) -> Option<BorrowedFd<'_>> {
        self.0.get(n).map(AsFd::as_fd)
    }
}

impl Irq for Events {
    /// Signals the vector's event. A vector without an event is ignored.
    fn raise(&self, vector: u32) {
        if let Some(event) = self.0.get(vector as usize) {
            signal(event);
        }
    }
}

/// Adds one to an event that does not block.
pub(crate) fn signal(event: &OwnedFd) {
    // The write fails only when the counter is at its highest value, and then the event is set already.
    let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(events: &Events, vector: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        rustix::io::read(events.event(vector).unwrap(), &mut bytes).ok()?;
        Some(u64::from_ne_bytes(bytes))
    }

    #[test]
    fn each_vector_has_an_event_of_its_own_that_does_not_block() {
        let events = Events::new(3).unwrap();
        let other = events.clone();
        other.raise(1);
        other.raise(1);
        other.raise(3);
        other.raise(u32::MAX);
        assert_eq!([0, 1, 2].map(|n| count(&events, n)), [None, Some(2), None]);
        assert_eq!((events.len(), events.event(3).is_none(), events.is_empty()), (3, true, false));
    }

    #[test]
    fn events_are_closed_by_exec() {
        let events = Events::new(1).unwrap();
        let flags = rustix::io::fcntl_getfd(events.event(0).unwrap()).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn an_event_that_is_full_stays_so_and_blocks_nobody() {
        let events = Events::new(1).unwrap();
        rustix::io::write(events.event(0).unwrap(), &(u64::MAX - 1).to_ne_bytes()).unwrap();
        events.raise(0);
        assert_eq!(count(&events, 0), Some(u64::MAX - 1));
    }
}
