//! Receiving by interrupt: [`InterruptingRxQueue`], and the vector that a queue has (sections 4.1.5.1.2 and 4.1.5.3).
//!
//! Whether a queue interrupts is said in its ring, for each queue alone: see `arm` in `ring/split.rs` and `ring/packed.rs`. All
//! that is here is where the interrupt arrives.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use ixy_core::{Batch, Checksums, Interrupt, RxQueue, VectorKind, Vectors};
use ixy_regs::bus::Bus;

use crate::card::Card;
use crate::error::Error;
use crate::rx::VirtioRxQueue;

/// A receive queue of a device that was opened with interrupts. It can be polled as any other, and costs the same then.
pub struct InterruptingRxQueue<B: Bus> {
    queue: VirtioRxQueue<B>,
    vector: Vector,
}

/// Where the interrupts of a receive queue arrive.
#[derive(Debug)]
pub(crate) struct Vector {
    /// The vector's eventfd.
    event: File,
    vectors: Arc<dyn Vectors>,
    /// Without MSI-X all queues have one cause, which stays until it is read.
    cause: Option<Cause>,
}

/// The one cause of all queues: the interrupt status.
#[derive(Debug)]
struct Cause {
    /// Whether other receive queues have it, too.
    shared: bool,
}

impl Vector {
    /// The vector of receive queue `pair`, which the device knows as queue `number` and messages as `name`; `None` when it
    /// is polled. The device is told of it before the queue is enabled (section 4.1.5.1.3).
    ///
    /// Other queues, and changes of the configuration, have no vector since the device was reset (section 4.1.5.1.2.1).
    pub(crate) fn of_queue<B: Bus>(
        card: &Card<B>,
        pair: u16,
        number: u16,
        name: &str,
    ) -> Result<Option<Self>, Error> {
        let Some(interrupts) = &card.interrupts else { return Ok(None) };
        let vectors = &interrupts.vectors;
        let mut vector = interrupts.vector(pair);
        let cause = match vectors.kind() {
            VectorKind::MsiX => None,
            VectorKind::Msi | VectorKind::Pin => {
                let shared = interrupts.is_shared(pair, card.counters.len() as u16);
                Some(Cause { shared })
            }
        };
        // It is less than the number of pairs, and so no number that says that there is none.
        if cause.is_none() && !card.transport.set_vector(number, vector as u16) {
            card.check_present()?;
            // With fewer vectors than the bus has there are more queues to one (section 4.1.5.1.2).
            vector = 0;
            if !card.transport.set_vector(number, 0) {
                let (device, queue, vectors) = (card.name.clone(), name.to_owned(), vectors.len());
                return Err(Error::NoVector { device, queue, vectors });
            }
        }
        tracing::debug!(device = %card.name, queue = name, vector, "interrupts, section 4.1.5.1.2");
        let failed = |source| {
            let what = format!("hear the interrupts of the {name} of {}", card.name);
            Error::Device(ixy_core::Error::Interrupt { what, source })
        };
        let event = vectors.event(vector).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let event = File::from(event.try_clone_to_owned().map_err(failed)?);
        Ok(Some(Self { event, vectors: Arc::clone(vectors), cause }))
    }

    /// Takes back what was interrupted for until now, and lets the interrupt pin through again.
    fn clear<B: Bus>(&self, card: &Card<B>) -> Result<(), ixy_core::Error> {
        let Some(Cause { shared }) = self.cause else { return Ok(()) };
        // The pin may have been raised for another queue, and be lowered here before the kernel has seen it. So who waits for
        // that queue is told from here.
        if card.transport.take_interrupt() && shared {
            (&self.event).write_all(&1_u64.to_ne_bytes()).map_err(|source| {
                let what = format!("pass on an interrupt of {}", card.name);
                ixy_core::Error::Interrupt { what, source }
            })?;
        }
        self.vectors.unmask()
    }
}

impl<B: Bus> VirtioRxQueue<B> {
    /// The same queue with its interrupt, if the device was opened with [interrupts](crate::Config::interrupts); otherwise the queue
    /// as it was.
    #[expect(clippy::result_large_err, reason = "it is the queue, and not an error")]
    pub fn with_interrupt(mut self) -> Result<InterruptingRxQueue<B>, Self> {
        match self.take_vector() {
            Some(vector) => Ok(InterruptingRxQueue { queue: self, vector }),
            None => Err(self),
        }
    }
}

impl<B: Bus> RxQueue for InterruptingRxQueue<B> {
    fn receive(&mut self, batch: &mut Batch) -> usize {
        self.queue.receive(batch)
    }

    fn receive_with(&mut self, batch: &mut Batch, checksums: &mut Checksums) -> usize {
        self.queue.receive_with(batch, checksums)
    }

    fn is_starved(&self) -> bool {
        self.queue.is_starved()
    }

    fn interrupt(&mut self) -> Option<&mut dyn Interrupt> {
        Some(self)
    }
}

impl<B: Bus> Interrupt for InterruptingRxQueue<B> {
    fn event(&self) -> BorrowedFd<'_> {
        self.vector.event.as_fd()
    }

    /// A queue whose ring is broken receives nothing more and interrupts no more; [`stats`](ixy_core::Device::stats) tells why.
    fn arm(&mut self) -> Result<(), ixy_core::Error> {
        // First, so that it takes back nothing of what the queue is armed for.
        self.vector.clear(self.queue.card())?;
        self.queue.arm();
        Ok(())
    }

    /// The ring says so for this queue alone, also when others have the same vector.
    fn disarm(&mut self) {
        self.queue.disarm();
    }
}
