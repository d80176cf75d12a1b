//! Software devices of one process: the thread that polls them, [`PollThread`], and one that was opened, [`Sim`].

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use ixy_dma::SimulatedDomain;

use crate::bus::{SimBus, SimBusMaster};
use crate::model::{Faults, Nic82599};
use crate::wire::{Cables, WireError, WireSpec};

/// Rounds without work in which the thread spins, then those in which it lets others run; after that it sleeps.
const SPINS: u32 = 64;
const YIELDS: u32 = 512;
const NAP: Duration = Duration::from_micros(50);

/// A thread that polls software devices until it is dropped. A process needs one.
///
/// When there is nothing to do for long it sleeps in naps of 50 µs, so that it shares two cores with programs that poll.
#[derive(Debug)]
pub struct PollThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    devices: Mutex<Vec<Weak<Nic82599>>>,
    /// Counts changes of the list.
    changes: AtomicU64,
    stop: AtomicBool,
    opened: AtomicU32,
}

impl PollThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("ixy-sim".into()).spawn(move || own.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Polls `nic` from now on, as long as anyone holds it.
    pub fn add(&self, nic: &Arc<Nic82599>) {
        let mut devices = self.shared.devices.lock().unwrap_or_else(PoisonError::into_inner);
        devices.retain(|device| device.strong_count() > 0);
        devices.push(Arc::downgrade(nic));
        self.shared.changes.fetch_add(1, Ordering::Release);
    }

    /// Polls `nic` no more. A poll that is under way may still end after this returned.
    pub fn remove(&self, nic: &Arc<Nic82599>) {
        let mut devices = self.shared.devices.lock().unwrap_or_else(PoisonError::into_inner);
        devices.retain(|device| !std::ptr::eq(device.as_ptr(), Arc::as_ptr(nic)));
        self.shared.changes.fetch_add(1, Ordering::Release);
    }
}

impl Drop for PollThread {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the software devices panicked");
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut devices: Vec<Weak<Nic82599>> = Vec::new();
        let mut seen = u64::MAX;
        let mut idle = 0;
        while !self.stop.load(Ordering::Acquire) {
            let changes = self.changes.load(Ordering::Acquire);
            if changes != seen {
                devices.clone_from(&self.devices.lock().unwrap_or_else(PoisonError::into_inner));
                seen = changes;
            }
            // A device that is no longer held is not polled; it stays in the list until that changes.
            let work: usize = devices.iter().filter_map(Weak::upgrade).map(|nic| nic.poll()).sum();
            if work > 0 {
                idle = 0;
                continue;
            }
            idle += 1;
            match idle {
                ..SPINS => std::hint::spin_loop(),
                SPINS..YIELDS => std::thread::yield_now(),
                _ => {
                    idle = YIELDS;
                    std::thread::sleep(NAP);
                }
            }
        }
    }
}

/// An opened software 82599.
///
/// The order at the end: drop the driver (it stops its queues and resets the device), then [`close`](Self::close), which
/// writes out what the wire buffers. Dropping does the same, with errors only logged.
#[derive(Debug)]
pub struct Sim {
    nic: Arc<Nic82599>,
    shared: Arc<Shared>,
}

impl Sim {
    /// Plugs a new device into the wire that `spec` describes, has `thread` poll it, and lets it reach `domain`.
    ///
    /// The Ethernet address is 02:1b:21:00:00:01 for the first device of a thread, and counts up.
    ///
    /// # Errors
    /// The wire cannot be connected; nothing is left behind.
    pub fn open(
        spec: &WireSpec,
        cables: &Cables,
        domain: Arc<SimulatedDomain>,
        thread: &PollThread,
    ) -> Result<Self, WireError> {
        let wire = spec.connect(cables)?;
        let number = thread.shared.opened.fetch_add(1, Ordering::Relaxed).wrapping_add(1).to_be_bytes();
        let mac = [0x02, 0x1b, 0x21, number[1], number[2], number[3]];
        let nic = Arc::new(Nic82599::builder(wire, domain).mac(mac).build());
        thread.add(&nic);
        Ok(Self { nic, shared: Arc::clone(&thread.shared) })
    }

    /// Its registers.
    pub fn bus(&self) -> SimBus {
        SimBus::new(Arc::clone(&self.nic))
    }

    /// Its switch for DMA.
    pub fn bus_master(&self) -> SimBusMaster {
        SimBusMaster::new(Arc::clone(&self.nic))
    }

    /// The device itself.
    pub fn model(&self) -> &Arc<Nic82599> {
        &self.nic
    }

    /// The faults that can be switched on.
    pub fn faults(&self) -> &Faults {
        self.nic.faults()
    }

    /// Whether no frame will arrive any more, and all that did are in memory with their descriptors written back. Who sees
    /// it true receives once more, until that gives nothing, and then has everything.
    pub fn input_ended(&self) -> bool {
        self.nic.input_ended()
    }

    /// Ends the wire's transmit side once all that was given to the device is sent: the other end then sees that its input
    /// ended.
    pub fn close_transmit(&self) {
        self.nic.close_transmit();
    }

    /// The first error of the wire (a full disk, a broken capture, a lost socket).
    pub fn error(&self) -> Option<String> {
        self.nic.wire_error()
    }

    /// Unplugs the wire and writes out what it buffers.
    ///
    /// # Errors
    /// What was buffered cannot be written.
    pub fn close(self) -> Result<(), WireError> {
        self.nic.unplug()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let mut devices = self.shared.devices.lock().unwrap_or_else(PoisonError::into_inner);
        devices.retain(|device| !std::ptr::eq(device.as_ptr(), Arc::as_ptr(&self.nic)));
        self.shared.changes.fetch_add(1, Ordering::Release);
        drop(devices);
        if let Err(error) = self.nic.unplug() {
            tracing::warn!(%error, "what the wire had buffered is lost");
        }
    }
}
