//! Interrupt causes, masks, and the eventfds of the vectors, as VFIO has them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use ixy_core::{VectorKind, Vectors};
use rustix::event::{EventfdFlags, eventfd};

use super::{Device, State, offset};

/// ICR.RXDW.
pub(super) const RECEIVED: u32 = 1 << 7;

#[derive(Default)]
pub(super) struct Interrupts {
    pub(super) icr: u32,
    pub(super) ims: u32,
    pub(super) eicr: u32,
    pub(super) eims: u32,
    pub(super) eiac: u32,
    /// The unmasked causes at the last check.
    active: u32,
    /// Whether the throttle holds all interrupts back.
    held: bool,
    lines: Option<Arc<Events>>,
}

impl Interrupts {
    pub(super) fn reset(&mut self) {
        *self = Self { lines: self.lines.take(), held: self.held, ..Self::default() };
    }
}

impl State {
    pub(super) fn take_icr(&mut self) -> u32 {
        let all = &mut self.interrupts;
        let icr = all.icr;
        let nsicr = self.registers[offset::GPIE as usize / 4] & 1 != 0;
        // Without NSICR it clears only when an interrupt was raised, or no cause is unmasked.
        if nsicr || all.ims == 0 || icr & all.ims != 0 {
            all.icr = 0;
        }
        self.interrupt();
        icr
    }

    /// A descriptor of receive queue `n` was written back.
    pub(super) fn received(&mut self, n: usize) {
        if self.at(offset::GPIE) & 1 << 4 != 0 {
            let ivar = self.at(offset::IVAR + 4 * (n as u32 % 8)) >> if n < 8 { 0 } else { 16 };
            if ivar & 0x80 != 0 {
                self.interrupts.eicr |= 1 << (ivar & 0x1f);
            }
        } else {
            self.interrupts.icr |= RECEIVED;
        }
        self.interrupt();
    }

    /// Sends the pending interrupts.
    pub(super) fn interrupt(&mut self) {
        let msix = self.at(offset::GPIE) & 1 << 4 != 0;
        let all = &mut self.interrupts;
        if all.held {
            return;
        }
        let active = if msix { all.eicr & all.eims } else { all.icr & all.ims };
        let new = active & !all.active;
        let rising = all.active == 0 && active != 0;
        let falling = all.active != 0 && active == 0;
        all.active = active;
        let Some(lines) = all.lines.clone() else { return };
        match lines.kind {
            VectorKind::MsiX if msix => {
                (0..25).filter(|n| new >> n & 1 != 0).for_each(|n| lines.signal(n));
                // Messages clear the causes in EIAC.
                let clear = new & all.eiac;
                all.eicr &= !clear;
                all.active &= !clear;
            }
            VectorKind::Msi if !msix && rising => lines.signal(0),
            VectorKind::Pin if !msix && (rising || falling) => lines.raise(rising),
            _ => {}
        }
        if msix != (lines.kind == VectorKind::MsiX) && new != 0 {
            self.violation("GPIE has another kind of interrupts than the bus");
        }
    }
}

/// The vectors of a device.
#[derive(Debug)]
pub(crate) struct Events {
    kind: VectorKind,
    events: Vec<OwnedFd>,
    pin: Mutex<Pin>,
}

#[derive(Debug, Default)]
struct Pin {
    up: bool,
    masked: bool,
}

impl Events {
    pub(crate) fn new(device: &Device, kind: VectorKind, count: usize) -> Arc<Self> {
        let event = |_| eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
        let all = Arc::new(Self { kind, events: (0..count).map(event).collect(), pin: Mutex::default() });
        device.lock().interrupts.lines = Some(Arc::clone(&all));
        all
    }

    fn signal(&self, n: usize) {
        rustix::io::write(&self.events[n], &1_u64.to_ne_bytes()).unwrap();
    }

    /// Asserts or deasserts the pin. The kernel passes it on once, then masks it until it is asked to unmask it.
    fn raise(&self, up: bool) {
        let mut pin = self.pin.lock().unwrap_or_else(PoisonError::into_inner);
        pin.up = up;
        if up && !pin.masked {
            pin.masked = true;
            self.signal(0);
        }
    }

    /// The number of signals of vector `n` since the last call.
    pub(crate) fn take(&self, n: usize) -> u64 {
        let mut bytes = [0; 8];
        rustix::io::read(&self.events[n], &mut bytes).map_or(0, |_| u64::from_ne_bytes(bytes))
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
        let mut pin = self.pin.lock().unwrap_or_else(PoisonError::into_inner);
        pin.masked = pin.up;
        if pin.up {
            self.signal(0);
        }
        Ok(())
    }
}

impl Device {
    /// Makes the throttle hold interrupts back, or pass them.
    pub(crate) fn hold_interrupts(&self, held: bool) {
        let mut state = self.lock();
        state.interrupts.held = held;
        state.interrupt();
    }

    /// The unmasked causes: EIMS and IMS.
    pub(crate) fn masks(&self) -> (u32, u32) {
        let state = self.lock();
        (state.interrupts.eims, state.interrupts.ims)
    }
}
