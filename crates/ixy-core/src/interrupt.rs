//! Interrupts of receive queues: [`Interrupt`], and the [`Vectors`] that a driver is given for them.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::error::Error;

/// The interrupt of one receive queue, as [`RxQueue::interrupt`](crate::RxQueue::interrupt) gives it.
///
/// Who wants to sleep until a frame arrives calls [`arm`](Self::arm), receives once more, and sleeps on
/// [`event`](Self::event) only if that gave nothing: a frame that arrived before the queue was armed may not interrupt.
/// [`Waiter`](crate::Waiter) does that for all queues of a thread.
pub trait Interrupt {
    /// An eventfd(2) that is signalled with each interrupt.
    ///
    /// Queues may share it, so nobody reads it, which would take the event from the others: whoever waits uses
    /// edge-triggered epoll(7) of its own.
    fn event(&self) -> BorrowedFd<'_>;

    /// Lets the next frame interrupt. One that arrived before this may not.
    ///
    /// # Errors
    /// [`Error::Interrupt`] when the system does not let the interrupt pin through again. The queue can be polled all the
    /// same.
    fn arm(&mut self) -> Result<(), Error>;

    /// No more interrupts until it is armed again, as far as the device can do that for this queue alone: when queues
    /// share a vector, it does nothing, as the thread of another one may sleep on it.
    fn disarm(&mut self);
}

/// The interrupt vectors of one device, as its bus delivers them. They are switched off when this is dropped.
pub trait Vectors: fmt::Debug + Send + Sync {
    /// How they are delivered.
    fn kind(&self) -> VectorKind;

    /// How many there are, at least one.
    fn len(&self) -> usize;

    /// The eventfd(2) that vector `n` signals, non-blocking; `None` when there is no such vector.
    fn event(&self, n: usize) -> Option<BorrowedFd<'_>>;

    /// Lets the interrupt pin through again, which the kernel masks with each interrupt. To be called once the cause is
    /// cleared in the device. For messages nothing is to be done.
    ///
    /// # Errors
    /// [`Error::Interrupt`].
    fn unmask(&self) -> Result<(), Error>;
}

/// How interrupts are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorKind {
    /// A table of messages in the device, of which each queue can have one.
    MsiX,
    /// Messages of one address.
    Msi,
    /// The interrupt pin.
    Pin,
}

/// What a driver is given to let its receive queues interrupt.
#[derive(Debug, Clone)]
pub struct Interrupts {
    /// The device's vectors.
    pub vectors: Arc<dyn Vectors>,
    /// How often each vector may interrupt in a second, at most, as far as the device can keep to that; 0 sets no limit.
    pub rate: u32,
}

impl Interrupts {
    /// The vector of receive queue `queue`: one of its own, as far as there are enough. Without MSI-X all have the first.
    pub fn vector(&self, queue: u16) -> usize {
        match self.vectors.kind() {
            VectorKind::MsiX => usize::from(queue) % self.vectors.len().max(1),
            VectorKind::Msi | VectorKind::Pin => 0,
        }
    }

    /// Whether another one of `queues` receive queues has the same vector as `queue`.
    pub fn is_shared(&self, queue: u16, queues: u16) -> bool {
        (0..queues).any(|other| other != queue && self.vector(other) == self.vector(queue))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(VectorKind, usize);

    impl Vectors for Fixed {
        fn kind(&self) -> VectorKind {
            self.0
        }

        fn len(&self) -> usize {
            self.1
        }

        fn event(&self, _n: usize) -> Option<BorrowedFd<'_>> {
            None
        }

        fn unmask(&self) -> Result<(), Error> {
            Ok(())
        }
    }

    fn vectors(kind: VectorKind, len: usize) -> Interrupts {
        Interrupts { vectors: Arc::new(Fixed(kind, len)), rate: 0 }
    }

    #[test]
    fn each_queue_has_its_own_vector_where_there_are_enough() {
        let interrupts = vectors(VectorKind::MsiX, 4);
        assert_eq!((0..4).map(|n| interrupts.vector(n)).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!((0..4).all(|n| !interrupts.is_shared(n, 4)), "no vector is shared");
    }

    #[test]
    fn queues_share_vectors_when_there_are_too_few() {
        let interrupts = vectors(VectorKind::MsiX, 3);
        assert_eq!((0..4).map(|n| interrupts.vector(n)).collect::<Vec<_>>(), [0, 1, 2, 0]);
        assert_eq!(
            (0..4).map(|n| interrupts.is_shared(n, 4)).collect::<Vec<_>>(),
            [true, false, false, true]
        );
    }

    #[test]
    fn without_msi_x_all_queues_share_the_first_vector() {
        for kind in [VectorKind::Msi, VectorKind::Pin] {
            let interrupts = vectors(kind, 4);
            assert_eq!((0..4).map(|n| interrupts.vector(n)).collect::<Vec<_>>(), [0; 4], "{kind:?}");
            assert!(interrupts.is_shared(1, 4) && !interrupts.is_shared(0, 1), "{kind:?}");
        }
    }
}
