//! Interrupts of cards in the machine: VFIO's vectors, in the form that drivers use.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use ixy_core::{Interrupts, VectorKind, Vectors};
use ixy_pci::InterruptKind;

use crate::options::Options;

/// The vectors of a PCI device.
#[derive(Debug)]
struct PciVectors {
    interrupts: ixy_pci::Interrupts,
    events: Vec<OwnedFd>,
}

/// The interrupts for the driver of `device`, if the options ask for any: a vector for each receive queue, or as
/// many as there are.
///
/// # Errors
/// The device has none, or is not reached through VFIO.
pub(crate) fn interrupts<B>(
    device: &ixy_pci::Device<B>,
    options: &Options,
) -> Result<Option<Interrupts>, ixy_pci::Error> {
    let Some(rate) = options.interrupts else { return Ok(None) };
    let mut interrupts = device.interrupts(options.queues.into())?;
    let events = interrupts.take_vectors();
    let vectors = PciVectors { interrupts, events };
    tracing::info!(
        device = %device.address(), kind = %vectors.interrupts.kind(), vectors = vectors.len(), rate, "interrupts"
    );
    Ok(Some(Interrupts { vectors: Arc::new(vectors), rate }))
}

impl Vectors for PciVectors {
    fn kind(&self) -> VectorKind {
        match self.interrupts.kind() {
            InterruptKind::MsiX => VectorKind::MsiX,
            InterruptKind::Msi => VectorKind::Msi,
            InterruptKind::Pin => VectorKind::Pin,
        }
    }

    fn len(&self) -> usize {
        self.events.len()
    }

    fn event(&self, n: usize) -> Option<BorrowedFd<'_>> {
        self.events.get(n).map(AsFd::as_fd)
    }

    fn unmask(&self) -> Result<(), ixy_core::Error> {
        self.interrupts.unmask().map_err(|error| ixy_core::Error::Interrupt {
            what: "let the interrupt pin through again".into(),
            source: io::Error::other(error),
        })
    }
}
