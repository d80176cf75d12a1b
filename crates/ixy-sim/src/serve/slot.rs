//! The way from a function's interrupts to its client's events: [`Slot`].

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ixy_vfio_user::interrupts::Interrupts;
use ixy_vfio_user::message::pci;

use super::config::State;
use super::messages::{Messages, PENDING};
use super::{Event, Trace};
use crate::model::Irq;

/// The receiver of a function's interrupts: they pass the table and masks of its configuration to the client's
/// events.
pub(super) struct Slot {
    client: Arc<Interrupts>,
    gate: Mutex<Gate>,
    trace: Option<Arc<dyn Trace>>,
    vectors: u32,
    clients: AtomicU64,
}

/// The state that lets interrupts pass or holds them back.
#[derive(Debug)]
struct Gate {
    messages: Messages,
    state: State,
    /// The MSI message waits for its mask, or for bus mastering.
    waiting: bool,
    /// The function has pending causes for its pin.
    line: bool,
    /// The pin is asserted.
    asserted: bool,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl Slot {
    /// The slot of a function with `vectors` vectors and this configuration; interrupts go to the events of
    /// `client`.
    pub(super) fn new(
        client: &Arc<Interrupts>,
        vectors: u32,
        state: State,
        trace: Option<Arc<dyn Trace>>,
    ) -> Arc<Self> {
        let messages = Messages::new(vectors);
        let gate = Mutex::new(Gate { messages, state, waiting: false, line: false, asserted: false });
        let slot = Self { client: Arc::clone(client), gate, trace, vectors, clients: AtomicU64::new(0) };
        slot.set(state);
        Arc::new(slot)
    }

    /// A client connected.
    pub(super) fn connected(&self) {
        self.clients.fetch_add(1, Ordering::Relaxed);
        self.tell(&Event::Connected);
    }

    /// Number of clients so far.
    pub(super) fn clients(&self) -> u64 {
        self.clients.load(Ordering::Relaxed)
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        if let Some(trace) = &self.trace {
            trace.event(event);
        }
    }

    /// Applies the function's configuration.
    pub(super) fn set(&self, state: State) {
        let mut gate = self.gate();
        gate.state = state;
        // A message is a memory write, which needs bus mastering.
        gate.messages.mask(state.msix_masked || !state.mastering);
        self.update(&mut gate);
    }

    /// Reads the MSI-X table and its pending bits, including messages that the client holds back by requests.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) {
        self.gate().messages.read(offset, into);
        let held = (0..self.vectors).filter(|vector| self.client.is_pending(pci::MSIX, *vector));
        let held = held.fold(0_u64, |bits, vector| bits | 1 << vector).to_le_bytes();
        for (at, byte) in (offset..).zip(into) {
            let held = at.checked_sub(PENDING).and_then(|at| held.get(usize::try_from(at).ok()?));
            *byte |= held.unwrap_or(&0);
        }
    }

    /// Writes to the table.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) {
        let mut gate = self.gate();
        gate.messages.write(offset, bytes);
        self.update(&mut gate);
    }

    /// Whether causes for the pin are pending, and whether the MSI message is.
    pub(super) fn shown(&self) -> (bool, bool) {
        let gate = self.gate();
        (gate.line, gate.waiting || self.client.is_pending(pci::MSI, 0))
    }

    /// Sends messages that are no longer held back, and updates the pin.
    fn update(&self, gate: &mut Gate) {
        let mut released = gate.messages.released();
        while released != 0 {
            let vector = released.trailing_zeros();
            self.tell(&Event::Message { msix: true, vector, held: false });
            self.client.trigger(pci::MSIX, vector);
            released &= released - 1;
        }
        let State { pin, msi, msix, mastering, msi_masked, .. } = gate.state;
        if gate.waiting && mastering && !msi_masked {
            gate.waiting = false;
            self.tell(&Event::Message { msix: false, vector: 0, held: false });
            self.client.trigger(pci::MSI, 0);
        }
        let assert = gate.line && pin && !msi && !msix;
        if assert != gate.asserted {
            gate.asserted = assert;
            // The pin is unused while messages have events.
            if !self.client.is_enabled(pci::MSIX, 0) && !self.client.is_enabled(pci::MSI, 0) {
                self.tell(&Event::Pin(assert));
            }
            if assert { self.client.trigger(pci::INTX, 0) } else { self.client.lower(pci::INTX, 0) }
        }
    }

    /// The function was reset and its configuration is about to be: drops the waiting messages.
    pub(super) fn forget(&self) {
        let mut gate = self.gate();
        gate.messages = Messages::new(self.vectors);
        gate.messages.mask(true);
        gate.waiting = false;
        // Messages that the client holds back by requests are dropped as well; its requests stay in force.
        (0..self.vectors).for_each(|vector| self.client.lower(pci::MSIX, vector));
        self.client.lower(pci::MSI, 0);
    }
}

impl Irq for Arc<Slot> {
    fn raise(&self, vector: u32) {
        let mut gate = self.gate();
        // A client that requested events has enabled messages, whether or not the configuration space shows it.
        if gate.state.msix || self.client.is_enabled(pci::MSIX, vector) {
            let held = !gate.messages.send(vector);
            self.tell(&Event::Message { msix: true, vector, held });
            if !held {
                self.client.trigger(pci::MSIX, vector);
            }
        } else if gate.state.msi || self.client.is_enabled(pci::MSI, 0) {
            if !gate.state.mastering || gate.state.msi_masked {
                self.tell(&Event::Message { msix: false, vector: 0, held: true });
            }
            gate.waiting = true;
            self.update(&mut gate);
        }
    }

    fn line(&self, asserted: bool) {
        let mut gate = self.gate();
        gate.line = asserted;
        self.update(&mut gate);
    }
}
