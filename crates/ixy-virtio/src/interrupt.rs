//! Receiving by interrupt: [`InterruptingRxQueue`], and the vector of a queue (sections 4.1.5.1.2 and 4.1.5.3).
//!
//! A word in each ring enables the queue's interrupt: see `arm` in `ring/split.rs` and `ring/packed.rs`. This file
//! handles the place where the interrupt arrives.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use ixy_core::{Batch, Checksums, Interrupt, RxQueue, VectorKind, Vectors};
use ixy_regs::bus::Bus;

use crate::card::Card;
use crate::error::Error;
use crate::rx::VirtioRxQueue;

/// A receive queue of a device that was opened with interrupts. Polling it costs the same as without
/// interrupts.
pub struct InterruptingRxQueue<B: Bus> {
    queue: VirtioRxQueue<B>,
    vector: Vector,
}

/// The place where the interrupts of a receive queue arrive.
#[derive(Debug)]
pub(crate) struct Vector {
    /// The vector's eventfd.
    event: File,
    vectors: Arc<dyn Vectors>,
    /// Without MSI-X all queues share one cause, which stays pending until it is read.
    cause: Option<Cause>,
}

/// The cause that all queues share: the interrupt status.
#[derive(Debug)]
struct Cause {
    /// Whether other receive queues share it.
    shared: bool,
}

impl Vector {
    /// The vector of receive queue `pair`, which the device knows as queue `number` and messages as `name`;
    /// `None` when it is polled. The device gets the vector before the queue is enabled (section 4.1.5.1.3).
    ///
    /// The reset has left other queues, and configuration changes, without a vector (section 4.1.5.1.2.1).
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
        // The number is less than the number of pairs, so it cannot be the number for "no vector".
        if cause.is_none() && !card.transport.set_vector(number, vector as u16) {
            card.check_present()?;
            // With fewer vectors than that, several queues share one (section 4.1.5.1.2).
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

    /// Clears the pending cause, and unmasks INTx.
    fn clear<B: Bus>(&self, card: &Card<B>) -> Result<(), ixy_core::Error> {
        let Some(Cause { shared }) = self.cause else { return Ok(()) };
        // The device may have raised the pin for another queue, and this read lowers it before the kernel has
        // seen it. So signal the event of that queue from here.
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
    /// Adds the interrupt to the queue, if the device was opened with
    /// [interrupts](crate::Config::interrupts); otherwise returns the queue unchanged.
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

    /// A queue with a broken ring no longer receives or interrupts; [`stats`](ixy_core::Device::stats)
    /// reports why.
    fn arm(&mut self) -> Result<(), ixy_core::Error> {
        // Clear the cause first, so that nothing is lost that arrives after the queue is armed.
        self.vector.clear(self.queue.card())?;
        self.queue.arm();
        Ok(())
    }

    /// The ring masks this queue alone, also when others share the vector.
    fn disarm(&mut self) {
        self.queue.disarm();
    }
}
