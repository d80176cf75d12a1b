//! Software 82599s in this process.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use ixy_core::Mempool;
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_sim::wire::{Cables, WireKind, WireSpec};
use ixy_sim::{PollThread, Sim};

use crate::address::{Address, Place};
use crate::device::{Device, Ground};
use crate::error::Error;
use crate::open::Ready;
use crate::options::Options;

/// Whether only one of the two wires can be open: both write the same file, or are the same interface.
pub(crate) fn exclude(one: &WireKind, other: &WireKind) -> bool {
    match (one, other) {
        (WireKind::Captures { tx: Some(one), .. }, WireKind::Captures { tx: Some(other), .. }) => {
            one == other
        }
        (WireKind::Tap(one), WireKind::Tap(other)) => one == other,
        _ => false,
    }
}

/// Whether opening the wire makes a file or empties one.
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
/// A software device at its wire, and no driver yet.
pub(crate) struct Plugged {
    address: String,
    device: Simulated,
    domain: Arc<dyn DmaDomain>,
}

impl Plugged {
    pub(crate) fn plug(address: &str, spec: &WireSpec, cables: &Cables) -> Result<Self, Error> {
        let thread = poll_thread().map_err(|source| Error::Thread { address: address.to_owned(), source })?;
        let domain = Arc::new(SimulatedDomain::default());
        let sim = Sim::open(spec, cables, Arc::clone(&domain), &thread);
        let sim = sim.map_err(|source| Error::Wire { address: address.to_owned(), source })?;
        let stdout =
            matches!(&spec.kind, WireKind::Captures { tx: Some(path), .. } if path.as_os_str() == "-");
        let device = Simulated { sim, stdout, _thread: thread };
        Ok(Self { address: address.to_owned(), device, domain })
    }
}

impl Ready for Plugged {
    fn domain(&self) -> &Arc<dyn DmaDomain> {
        &self.domain
    }

    #[allow(unsafe_code, reason = "this is where a driver is given its card")]
    fn open(self: Box<Self>, options: &Options, pool: &Mempool) -> Result<Device, Error> {
        let Self { address, device, domain } = *self;
        let (bus, bus_master) = (device.sim.bus(), Arc::new(device.sim.bus_master()));
        // SAFETY: ARMED-ONLY: `plug` made the device and its domain for this driver alone.
        let opened = unsafe { options.config().open(&address, bus, &domain, bus_master, pool) };
        let card = opened.map_err(|source| Error::of_driver(&address, source))?;
        Ok(Device::new(card, device, domain, pool.clone()))
    }
}

/// The software device behind an open one.
struct Simulated {
    // Before the thread that polls it.
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

/// The thread that polls all software devices of the process, as long as there are any.
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
