//! Interrupts from the device to the driver's thread, as VFIO delivers them: one eventfd for each vector.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ixy_core::{Interrupts, VectorKind, Vectors};
use rustix::event::{EventfdFlags, eventfd};

use crate::device::{Device, Lines};

/// The vectors of one device.
#[derive(Debug)]
pub(crate) struct Events {
    kind: VectorKind,
    events: Vec<OwnedFd>,
    pin: Mutex<Pin>,
}

#[derive(Debug, Default)]
struct Pin {
    up: bool,
    /// The kernel passes the pin on once, then masks it.
    masked: bool,
    /// The processor that handles the pin is busy: it looks only when the test says so.
    late: bool,
    /// The kernel refuses to unmask it.
    stuck: bool,
    unmasked: u64,
}

impl Events {
    /// Switches on `count` vectors of `device`.
    pub(crate) fn new(device: &Arc<Device>, kind: VectorKind, count: usize) -> Arc<Self> {
        let event = |_| eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
        let events = (0..count).map(event).collect();
        let all = Arc::new(Self { kind, events, pin: Mutex::default() });
        device.connect(all.clone(), kind == VectorKind::MsiX);
        all
    }

    /// The interrupts as a driver receives them.
    pub(crate) fn interrupts(self: &Arc<Self>) -> Interrupts {
        Interrupts { vectors: self.clone(), rate: 0 }
    }

    fn pin(&self) -> MutexGuard<'_, Pin> {
        self.pin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, n: usize) {
        rustix::io::write(&self.events[n], &1_u64.to_ne_bytes()).unwrap();
    }

    /// Updates the pin as the processor sees it.
    fn look(&self, pin: &mut Pin) {
        if pin.up && !pin.masked {
            pin.masked = self.kind == VectorKind::Pin;
            self.signal(0);
        }
    }

    /// The number of signals of vector `n` since the last call.
    pub(crate) fn take(&self, n: usize) -> u64 {
        let mut bytes = [0; 8];
        match rustix::io::read(&self.events[n], &mut bytes) {
            Ok(_) => u64::from_ne_bytes(bytes),
            Err(_) => 0,
        }
    }

    /// Makes the processor see the pin only in [`deliver`](Self::deliver).
    pub(crate) fn be_late(&self) {
        self.pin().late = true;
    }

    pub(crate) fn deliver(&self) {
        self.look(&mut self.pin());
    }

    /// Sets whether the kernel refuses to unmask the pin.
    pub(crate) fn set_stuck(&self, stuck: bool) {
        self.pin().stuck = stuck;
    }

    pub(crate) fn is_pin_up(&self) -> bool {
        self.pin().up
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.pin().masked
    }

    /// The number of times that it was unmasked.
    pub(crate) fn unmasked(&self) -> u64 {
        self.pin().unmasked
    }
}

impl Lines for Events {
    fn message(&self, vector: u16) {
        self.signal(vector.into());
    }

    fn pin(&self, up: bool) {
        let mut pin = self.pin();
        pin.up = up;
        if !pin.late {
            self.look(&mut pin);
        }
    }
}

impl Vectors for Events {
    fn kind(&self) -> VectorKind {
        self.kind
    }

    fn len(&self) -> usize {
        self.events.len()
    }

    fn event(&self, n: usize) -> Option<BorrowedFd<'_>> {
        self.events.get(n).map(AsFd::as_fd)
    }

    fn unmask(&self) -> Result<(), ixy_core::Error> {
        let mut pin = self.pin();
        if pin.stuck {
            let source = std::io::ErrorKind::PermissionDenied.into();
            return Err(ixy_core::Error::Interrupt { what: "unmask".into(), source });
        }
        pin.unmasked += 1;
        pin.masked = false;
        if !pin.late {
            self.look(&mut pin);
        }
        Ok(())
    }
}
