//! Interrupts of receive queues: [`Interrupt`] for the application, and [`Vectors`] for the driver.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::error::Error;

/// The interrupt of one receive queue, from [`RxQueue::interrupt`](crate::RxQueue::interrupt).
///
/// To sleep until a frame arrives, call [`arm`](Self::arm), receive once more, and wait for
/// [`event`](Self::event) only if that returned no packets: a frame that arrived before the queue was armed
/// may raise no interrupt. [`Waiter`](crate::Waiter) does this for all queues of a thread.
pub trait Interrupt {
    /// An eventfd(2) that is signalled with each interrupt.
    ///
    /// Queues may share it. Do not read it, because that would consume the event for the others; wait for it
    /// with an edge-triggered epoll(7) instance instead.
    fn event(&self) -> BorrowedFd<'_>;

    /// Lets the next frame raise an interrupt. A frame that arrived before this call may raise none.
    ///
    /// # Errors
    /// [`Error::Interrupt`] when the system cannot unmask INTx. The queue can still be polled.
    fn arm(&mut self) -> Result<(), Error>;

    /// Masks the interrupt until the queue is armed again. It does nothing when queues share a vector,
    /// because the thread of another queue may sleep on it.
    fn disarm(&mut self);
}

/// The interrupt vectors of one device, as its bus delivers them. Dropping this disables them.
pub trait Vectors: fmt::Debug + Send + Sync {
    /// The kind of delivery.
    fn kind(&self) -> VectorKind;

    /// The number of vectors, at least one.
    fn len(&self) -> usize;

    /// The eventfd(2) that vector `n` signals, non-blocking; `None` when there is no such vector.
    fn event(&self, n: usize) -> Option<BorrowedFd<'_>>;

    /// Unmasks INTx, which the kernel masks with each interrupt. Call it once the device's cause is cleared.
    /// It does nothing for MSI and MSI-X.
    ///
    /// # Errors
    /// [`Error::Interrupt`].
    fn unmask(&self) -> Result<(), Error>;
}

/// The kind of delivery of interrupts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorKind {
    /// MSI-X: a table of messages in the device, so each queue can have its own.
    MsiX,
    /// MSI: messages to one address.
    Msi,
    /// INTx: the interrupt pin.
    Pin,
}

/// What a driver needs to let its receive queues interrupt.
#[derive(Debug, Clone)]
pub struct Interrupts {
    /// The device's vectors.
    pub vectors: Arc<dyn Vectors>,
    /// The highest number of interrupts a second for each vector, if the device can throttle them; 0 sets no
    /// limit.
    pub rate: u32,
}

impl Interrupts {
    /// The vector of receive queue `queue`. With MSI-X each queue has its own while there are enough; else
    /// all share the first.
    pub fn vector(&self, queue: u16) -> usize {
        match self.vectors.kind() {
            VectorKind::MsiX => usize::from(queue) % self.vectors.len().max(1),
            VectorKind::Msi | VectorKind::Pin => 0,
        }
    }

    /// Whether another of the device's `queues` receive queues shares the vector of `queue`.
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
