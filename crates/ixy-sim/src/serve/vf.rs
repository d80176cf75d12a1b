//! A virtual function of a port as a PCI device of its own: [`VfPort`].

use std::fmt;
use std::sync::{Arc, Mutex};

use ixy_vfio_user::Error;
use ixy_vfio_user::message::{DmaMap, DmaUnmap, Errno, pci};
use ixy_vfio_user::server::{Device, Irq as Kind, Layout, Listener, Region, Server, ServerLimits, Stop};

use super::config::{self, Config};
use super::messages::Messages;
use super::{Event, Gate, Port, Slot, Trace, words};
use crate::model::Vf;

/// The number of the region with the MSI-X table.
const MESSAGES: u32 = 3;

/// A virtual function of a [`Port`], and the server that gives it to one client at a time.
///
/// It is there from the start: whether VF Enable is set in the port's configuration space does not matter. What it may do is
/// up to the client of the port, as on a card. It works while the port's [`nic`](Port::nic) is polled, and reaches the
/// memory of its own client.
///
/// ```
/// use ixy_sim::serve::{Port, Settings, VfPort};
/// use ixy_sim::wire::{Cables, WireSpec};
/// use ixy_vfio_user::server::ServerLimits;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let wire = "loopback".parse::<WireSpec>()?.connect(&Cables::default())?;
/// let port = Port::new(wire, Settings::default())?;
/// let first = VfPort::new(&port, 0, ServerLimits::default(), None)?;
/// assert_eq!(first.vf().number(), 0);
/// assert!(VfPort::new(&port, 0, ServerLimits::default(), None).is_err(), "there is one such function");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct VfPort {
    vf: Vf,
    server: Server,
    slot: Arc<Slot>,
}

impl VfPort {
    /// Virtual function `n`, below 64, of `port`. `trace` is told of all that its client does, and of interrupts.
    ///
    /// # Errors
    /// There is no such function, or it is served already.
    pub fn new(
        port: &Port,
        n: u32,
        limits: ServerLimits,
        trace: Option<Arc<dyn Trace>>,
    ) -> Result<Self, Error> {
        let server = Server::new(layout(), limits)?;
        let messages = Messages::new(Vf::VECTORS);
        let gate = Mutex::new(Gate::new(messages, Config::virtual_function().state()));
        let slot = Arc::new(Slot { client: Arc::clone(server.interrupts()), gate, trace });
        let vf = port.nic().vf(n, Arc::clone(server.memory()), Box::new(Arc::clone(&slot)));
        let vf = vf.ok_or_else(|| Error::Invalid {
            what: format!("virtual function {n}"),
            why: "a port has 64, from 0 on, and each of them once".into(),
        })?;
        Ok(Self { vf, server, slot })
    }

    /// The function.
    pub fn vf(&self) -> &Vf {
        &self.vf
    }

    /// Its server: what the client has mapped, and what was refused.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Serves the clients that connect at `listener`, one after the other, until `stop`. Each finds the function as after a
    /// function level reset.
    ///
    /// # Errors
    /// The system takes no connections.
    pub fn serve(&self, listener: &Listener, stop: &Stop) -> Result<(), Error> {
        self.server.serve(listener, &mut self.function(), stop)
    }

    /// The function on a PCI bus, for a server that somebody else runs: one at a time.
    pub fn function(&self) -> VfFunction<'_> {
        VfFunction { port: self, config: Config::virtual_function(), mastering: false }
    }
}

/// The regions and interrupts of a virtual function.
fn layout() -> Layout {
    let region = |region| match region {
        pci::BAR0 => Region::new(Vf::WINDOW.into()),
        MESSAGES => Region::new(config::MESSAGES),
        pci::CONFIG => Region::new(config::SIZE as u64),
        _ => Region::default(),
    };
    let mut irqs = vec![Kind::default(); pci::IRQS];
    if let Some(place) = irqs.get_mut(pci::MSIX as usize) {
        *place = Kind::messages(Vf::VECTORS);
    }
    Layout { regions: (0..pci::REGIONS as u32).map(region).collect(), irqs, resettable: true }
}

/// A virtual function on a PCI bus.
pub struct VfFunction<'p> {
    port: &'p VfPort,
    config: Config,
    mastering: bool,
}

impl fmt::Debug for VfFunction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VfFunction")
            .field("port", self.port)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl VfFunction<'_> {
    /// Brings the function to where its configuration says.
    fn apply(&mut self) {
        let state = self.config.state();
        if state.mastering && !self.mastering {
            // SAFETY: ARMED-ONLY: the function reaches `GuestMemory`, which checks every access and has no memory of this
            // process but what the client has mapped, which is reached as atomics.
            unsafe { self.port.vf.start_bus_mastering() };
        } else if !state.mastering && self.mastering {
            self.port.vf.stop_bus_mastering();
        }
        self.mastering = state.mastering;
        let slot = &self.port.slot;
        let mut gate = slot.gate();
        gate.state = state;
        // A message is a write to memory, which takes bus mastering.
        gate.messages.mask(state.msix_masked || !state.mastering);
        slot.update(&mut gate);
    }

    /// A function level reset.
    fn reset_function(&mut self) {
        self.port.slot.tell(&Event::Reset);
        self.port.vf.reset();
        self.forget();
    }

    /// The configuration as after a reset.
    fn forget(&mut self) {
        self.config.reset();
        self.port.slot.forget(Vf::VECTORS);
        self.apply();
    }

    /// The driver of the card may have ended all virtual functions, which resets them.
    fn follow(&mut self) {
        if self.mastering && !self.port.vf.is_bus_mastering() {
            self.forget();
        }
    }

    fn access(&mut self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.follow();
        let memory = self.config.state().memory;
        match region {
            pci::BAR0 => {
                for (at, word) in words(offset, into)? {
                    let value = if memory { self.port.vf.read32(at) } else { u32::MAX };
                    word.copy_from_slice(&value.to_le_bytes());
                }
            }
            MESSAGES if memory => self.port.slot.gate().messages.read(offset, into),
            MESSAGES => into.fill(0xff),
            pci::CONFIG => {
                let at = usize::try_from(offset).map_err(|_| Errno::INVAL)?;
                return if self.config.read(at, into) { Ok(()) } else { Err(Errno::INVAL) };
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    fn change(&mut self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.follow();
        let memory = self.config.state().memory;
        match region {
            pci::BAR0 => {
                let mut bytes = [bytes].concat();
                for (at, word) in words(offset, &mut bytes)? {
                    if memory {
                        // SAFETY: ARMED-ONLY: as in `apply`.
                        unsafe { self.port.vf.write32(at, u32::from_le_bytes(*word)) };
                    }
                }
            }
            MESSAGES => {
                if memory {
                    let slot = &self.port.slot;
                    let mut gate = slot.gate();
                    gate.messages.write(offset, bytes);
                    slot.update(&mut gate);
                }
            }
            pci::CONFIG => {
                let at = usize::try_from(offset).map_err(|_| Errno::INVAL)?;
                match self.config.write(at, bytes).ok_or(Errno::INVAL)? {
                    true => self.reset_function(),
                    false => self.apply(),
                }
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    fn refuse(&self, region: u32, offset: u64, len: usize, errno: Errno) -> Errno {
        self.port.slot.tell(&Event::Refused { region, offset, len, errno });
        errno
    }
}

impl Device for VfFunction<'_> {
    fn read(&mut self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.access(region, offset, into).map_err(|errno| self.refuse(region, offset, into.len(), errno))?;
        self.port.slot.tell(&Event::Read { region, offset, bytes: into });
        Ok(())
    }

    fn write(&mut self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.port.slot.tell(&Event::Write { region, offset, bytes });
        self.change(region, offset, bytes).map_err(|errno| self.refuse(region, offset, bytes.len(), errno))
    }

    fn reset(&mut self) -> Result<(), Errno> {
        self.reset_function();
        Ok(())
    }

    fn connected(&mut self) {
        self.port.slot.tell(&Event::Connected);
    }

    fn mapped(&mut self, map: &DmaMap) {
        self.port.slot.tell(&Event::Mapped(map));
    }

    fn unmapping(&mut self, unmap: &DmaUnmap) {
        self.port.slot.tell(&Event::Unmapping(unmap));
    }

    fn disconnected(&mut self) {
        self.port.slot.tell(&Event::Gone);
        self.reset_function();
    }
}
