//! Software 82599s in this process.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use ixy_core::{Interrupts, Mempool, VectorKind, Vectors};
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_ixgbe::Config;
use ixy_sim::wire::{Cables, GiveUp, PcapError, WireError, WireKind, WireSpec};
use ixy_sim::{Events, Irq, PollThread, Sim};

use crate::address::{Address, Place};
use crate::device::{Device, Ground};
use crate::error::Error;
use crate::open::Ready;
use crate::options::Options;

/// Whether only one of the two wires can be open: they are the same interface or the same frames in memory.
pub(crate) fn exclude(one: &WireKind, other: &WireKind) -> bool {
    match (one, other) {
        (WireKind::Tap(one), WireKind::Tap(other)) => {
            (&one.name, &one.namespace) == (&other.name, &other.namespace)
        }
        (WireKind::Memory(one), WireKind::Memory(other)) => one == other,
        _ => false,
    }
}

/// Whether opening the wire creates or empties a file.
pub(crate) fn makes_a_file(wire: &WireKind) -> bool {
    matches!(wire, WireKind::Captures { tx: Some(_), .. })
}

/// Refuses a cable with one end among `addresses`, unless other calls may have the other end.
pub(crate) fn check_cables(addresses: &[Address], options: &Options) -> Result<(), Error> {
    let cable = |address: &Address| match &address.place {
        Place::Sim(WireSpec { kind: WireKind::Cable(name), .. }) => Some(name.clone()),
        _ => None,
    };
    for address in addresses {
        let Some(name) = cable(address) else { continue };
        let ends = addresses.iter().filter(|other| cable(other).as_ref() == Some(&name)).count();
        if ends == 1 && options.cables.is_none() {
            return Err(Error::OneEnd { address: address.to_string(), name });
        }
    }
    Ok(())
}

/// A software device at its wire, without a driver yet.
pub(crate) struct Plugged {
    address: String,
    device: Simulated,
    domain: Arc<dyn DmaDomain>,
    slot: Slot,
}

impl Plugged {
    pub(crate) fn plug(
        address: &str,
        spec: &WireSpec,
        cables: &Cables,
        options: &Options,
    ) -> Result<Self, Error> {
        let thread = poll_thread().map_err(|source| Error::Thread { address: address.to_owned(), source })?;
        let domain = Arc::new(SimulatedDomain::default());
        let slot = Slot::default();
        let irq = Box::new(slot.clone());
        let give_up = match options.stop.clone() {
            Some(stop) => GiveUp::when(move || stop.requested()),
            None => GiveUp::default(),
        };
        let sim =
            Sim::open_with(spec, cables, Arc::clone(&domain), &thread, &give_up, |builder| builder.irq(irq));
        let sim = sim.map_err(|source| match source {
            WireError::Capture(PcapError::GivenUp { path, awaited }) => {
                let awaited = Some(format!("{} {awaited}", path.display()));
                Error::Stopped { address: address.to_owned(), awaited }
            }
            source => Error::Wire { address: address.to_owned(), source },
        })?;
        let stdout = spec.kind.writes_to_stdout();
        let device = Simulated { sim, stdout, _thread: thread };
        Ok(Self { address: address.to_owned(), device, domain, slot })
    }
}

impl Ready for Plugged {
    fn domain(&self) -> &Arc<dyn DmaDomain> {
        &self.domain
    }

    #[allow(unsafe_code, reason = "this is where a driver is given its card")]
    fn open(self: Box<Self>, options: &Options, pool: &Mempool) -> Result<Device, Error> {
        let Self { address, device, domain, slot } = *self;
        let interrupts = slot.interrupts(options);
        let interrupts = interrupts.map_err(|source| Error::Thread { address: address.clone(), source })?;
        let config = Config { interrupts, ..options.config() };
        let (bus, bus_master) = (device.sim.bus(), Arc::new(device.sim.bus_master()));
        // SAFETY: ARMED-ONLY: `plug` made the device and its domain for this driver alone.
        let opened = unsafe { config.open(&address, bus, &domain, bus_master, pool) };
        let card = opened.map_err(|source| Error::of_driver(&address, source))?;
        Ok(Device::new(card, device, domain, pool.clone()))
    }
}

/// The receiver of a software device's interrupts. Like a slot of a machine, it has vectors once a driver asks for
/// them.
#[derive(Debug, Clone, Default)]
struct Slot(Arc<OnceLock<Events>>);

impl Slot {
    /// The interrupts for the driver, if the options ask for them: a vector for each receive queue.
    fn interrupts(self, options: &Options) -> std::io::Result<Option<Interrupts>> {
        let Some(rate) = options.interrupts else { return Ok(None) };
        let events = Events::new(options.queues.into())?;
        self.0.get_or_init(|| events);
        Ok(Some(Interrupts { vectors: Arc::new(self), rate }))
    }
}

impl Irq for Slot {
    fn raise(&self, vector: u32) {
        if let Some(events) = self.0.get() {
            events.raise(vector);
        }
    }
}

impl Vectors for Slot {
    fn kind(&self) -> VectorKind {
        VectorKind::MsiX
    }

    fn len(&self) -> usize {
        self.0.get().map_or(0, Events::len)
    }

    fn event(&self, n: usize) -> Option<BorrowedFd<'_>> {
        self.0.get()?.event(n)
    }

    fn unmask(&self) -> Result<(), ixy_core::Error> {
        Ok(())
    }
}

/// The software device behind an open one.
struct Simulated {
    // Dropped before the thread that polls it.
    sim: Sim,
    /// Whether it writes frames to standard output.
    stdout: bool,
    _thread: Arc<PollThread>,
}

impl Ground for Simulated {
    fn input_ended(&self) -> bool {
        self.sim.input_ended()
    }

    fn close_transmit(&self) {
        self.sim.close_transmit();
    }

    fn error(&self) -> Option<String> {
        self.sim.error()
    }

    fn writes_to_stdout(&self) -> bool {
        self.stdout
    }

    fn simulated(&self) -> Option<&Sim> {
        Some(&self.sim)
    }

    fn close(self: Box<Self>, address: &str) -> Result<(), Error> {
        let closed = self.sim.close();
        closed.map_err(|source| Error::Wire { address: address.to_owned(), source })
    }
}

/// The thread that polls all software devices of the process, while there are any.
fn poll_thread() -> std::io::Result<Arc<PollThread>> {
    static THREAD: Mutex<Weak<PollThread>> = Mutex::new(Weak::new());
    let mut current = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(thread) = current.upgrade() {
        return Ok(thread);
    }
    let thread = Arc::new(PollThread::start()?);
    *current = Arc::downgrade(&thread);
    Ok(thread)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ixy_core::{Batch, RxQueue, TxQueue, WaitMode, Waiter};

    use super::*;

    /// Two devices on a cable, with the queues of a direction.
    struct Pair {
        devices: Vec<Device>,
        rx: Vec<Box<dyn RxQueue>>,
        tx: Vec<Box<dyn TxQueue>>,
    }

    fn open(options: &Options) -> Pair {
        let ends = ["sim:cable=a", "sim:cable=a"].map(|address| address.parse().unwrap());
        let mut devices = crate::open(&ends, options).unwrap();
        for device in &devices {
            assert!(device.wait_for_link(Duration::from_secs(10)).unwrap().up);
        }
        let rx = (0..options.queues).map(|n| devices[1].rx_queue(n).unwrap()).collect();
        let tx = (0..options.queues).map(|n| devices[0].tx_queue(n).unwrap()).collect();
        Pair { devices, rx, tx }
    }

    #[test]
    fn without_interrupts_a_software_device_has_none() {
        let mut pair = open(&Options::default());
        assert!(pair.rx[0].interrupt().is_none());
    }

    #[test]
    fn a_thread_sleeps_until_a_software_device_receives() {
        let options = Options::default().interrupts(0).queues(2);
        let Pair { devices, mut rx, mut tx } = open(&options);
        let [first, second] = [0, 1].map(|n| {
            let event = rx[n].interrupt().unwrap().event();
            std::os::fd::AsRawFd::as_raw_fd(&event)
        });
        assert_ne!(first, second, "each queue has a vector of its own");
        let queues = rx.iter_mut().map(|rx| &mut **rx);
        let mut waiter = Waiter::new(WaitMode::Interrupt, queues).unwrap();
        let (mut batch, mut received) = (Batch::new(4), 0);
        const FRAMES: u64 = 50;
        let (pool, tx) = (devices[0].new_pool(64).unwrap(), &mut tx[0]);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..FRAMES {
                    std::thread::sleep(Duration::from_millis(5));
                    let mut one = Batch::new(1);
                    pool.allocate_batch(&mut one, 1);
                    assert!(one[0].set_len(60));
                    // A broadcast frame of a protocol that is not spread over queues.
                    one[0].fill(0xff);
                    assert_eq!(tx.send(&mut one), 1);
                }
            });
            let start = Instant::now();
            while received < FRAMES {
                assert!(start.elapsed() < Duration::from_secs(20), "{received} frames arrived");
                let mut moved = 0;
                for rx in &mut rx {
                    moved += rx.receive(&mut batch);
                    batch.clear();
                }
                received += moved as u64;
                waiter.after(moved, rx.iter_mut().map(|rx| (&mut **rx, 0)));
            }
        });
        assert!(waiter.slept() >= FRAMES / 2, "it slept {} times", waiter.slept());
        assert_eq!(waiter.overslept(), 0, "an interrupt was lost");
    }
}
