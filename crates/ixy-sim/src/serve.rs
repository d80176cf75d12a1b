//! A software 82599 as a PCI device of its own, for drivers of other processes and of virtual machines: [`Port`].
//!
//! Its virtual functions can be served as devices of their own, too: [`VfPort`].
//!
//! What a card has besides its registers is here: the configuration space (power management, MSI, MSI-X, PCI Express with
//! function level reset, error reporting, serial number), the MSI-X table with its pending bits, and the I/O BAR. It is served
//! over vfio-user (crate `ixy-vfio-user`): our own driver opens it by the path of its socket, and QEMU gives it to a guest.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ixy_sim::PollThread;
//! use ixy_sim::serve::{Port, Settings};
//! use ixy_sim::wire::{Cables, WireSpec};
//! use ixy_vfio_user::client::{Client, VfioUserBus, VfioUserBusMaster};
//! use ixy_vfio_user::message::pci;
//! use ixy_vfio_user::server::{Listener, Stop};
//! use ixy_regs::bus::Bus;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("nic");
//! let wire = "loopback".parse::<WireSpec>()?.connect(&Cables::default())?;
//! let port = Port::new(wire, Settings::default())?;
//! let poll = PollThread::start()?;
//! poll.add(port.nic());
//! let (listener, stop) = (Listener::bind(&path)?, Stop::new()?);
//! std::thread::scope(|scope| {
//!     let server = scope.spawn(|| port.serve(&listener, &stop));
//!     let client = Client::connect(&path)?;
//!     let _decoding = VfioUserBusMaster::new(&client)?;
//!     let registers = VfioUserBus::new(&client, pci::BAR0)?;
//!     // SAFETY: BUS-WINDOW: STATUS is inside of the window.
//!     let status = unsafe { registers.read32(0x00008) };
//!     assert_eq!(status >> 19 & 1, 1, "STATUS.GIO: it may be a bus master");
//!     stop.stop();
//!     assert!(server.join().is_ok());
//!     Ok(())
//! })
//! # }
//! ```

mod config;
mod memory;
mod messages;
mod vf;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ixy_vfio_user::Error;
use ixy_vfio_user::interrupts::Interrupts;
use ixy_vfio_user::message::{DmaMap, DmaUnmap, Errno, IrqInfo, pci};
use ixy_vfio_user::server::{Device, Irq as Kind, Layout, Listener, Region, Server, ServerLimits, Stop};

use crate::model::{Irq, Nic82599};
use crate::wire::Wire;
use config::{Config, State};
use messages::Messages;

pub use vf::{VfFunction, VfPort};

/// The number of the I/O BAR's region, and of that with the MSI-X table.
const PORTS: u32 = 2;
const MESSAGES: u32 = 4;
/// Registers of the I/O BAR (section 8.1.1.3).
const IOADDR: u64 = 0;
const IODATA: u64 = 4;

/// How a port is made.
#[derive(Clone, Default)]
pub struct Settings {
    /// Its Ethernet address; else 02:1b:21:00:00:01.
    pub mac: Option<[u8; 6]>,
    /// What a client may use.
    pub limits: ServerLimits,
    /// Who is told of all that its client does, and of interrupts.
    pub trace: Option<Arc<dyn Trace>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mac, limits, trace } = self;
        let mut text = f.debug_struct("Settings");
        text.field("mac", mac).field("limits", limits).field("trace", &trace.is_some()).finish()
    }
}

/// Hears of what happens at a port.
pub trait Trace: Send + Sync {
    /// Something happened. It is told in the thread that did it, before anything else is done there, and waited for.
    fn event(&self, event: &Event<'_>);
}

/// Something that happens at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A client connected.
    Connected,
    /// The client read these bytes of a region (numbers as in [`pci`]).
    Read {
        /// Its region.
        region: u32,
        /// From where in it.
        offset: u64,
        /// What it was answered.
        bytes: &'a [u8],
    },
    /// The client writes these bytes to a region; told before it is done.
    Write {
        /// Its region.
        region: u32,
        /// To where in it.
        offset: u64,
        /// What it writes.
        bytes: &'a [u8],
    },
    /// An access was refused.
    Refused {
        /// Its region.
        region: u32,
        /// Where in it.
        offset: u64,
        /// How long it is.
        len: usize,
        /// What the client is told.
        errno: Errno,
    },
    /// The device sends a message.
    Message {
        /// Of MSI-X; else of MSI.
        msix: bool,
        /// Its vector.
        vector: u32,
        /// It is masked, and waits.
        held: bool,
    },
    /// The device asserts its interrupt pin, or takes that back.
    Pin(bool),
    /// The client has let the device reach memory.
    Mapped(&'a DmaMap),
    /// The client takes memory back.
    Unmapping(&'a DmaUnmap),
    /// The function is reset: by the client's request, or by a write to the configuration space.
    Reset,
    /// The client is gone.
    Gone,
}

/// A port: a software 82599, and the server that gives it to one client at a time.
#[derive(Debug)]
pub struct Port {
    nic: Arc<Nic82599>,
    server: Server,
    slot: Arc<Slot>,
    mac: [u8; 6],
    clients: AtomicU64,
}

impl Port {
    /// A card with `wire` at its port. Who wants it to work polls its [`nic`](Self::nic).
    ///
    /// # Errors
    /// None today; a server checks what it is given.
    pub fn new(wire: Box<dyn Wire>, settings: Settings) -> Result<Self, Error> {
        let Settings { mac, limits, trace } = settings;
        let mac = mac.unwrap_or([0x02, 0x1b, 0x21, 0x00, 0x00, 0x01]);
        let server = Server::new(layout(), limits)?;
        let gate = Mutex::new(Gate::new(Messages::new(messages::VECTORS), Config::new(mac).state()));
        let slot = Arc::new(Slot { client: Arc::clone(server.interrupts()), gate, trace });
        let irq = Box::new(Arc::clone(&slot));
        let nic = Nic82599::builder(wire, Arc::clone(server.memory())).mac(mac).irq(irq).build();
        Ok(Self { nic: Arc::new(nic), server, slot, mac, clients: AtomicU64::new(0) })
    }

    /// The card.
    pub fn nic(&self) -> &Arc<Nic82599> {
        &self.nic
    }

    /// Its server: what the client has mapped, and what was refused.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its Ethernet address.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// How many clients there were, with the one that is connected.
    pub fn clients(&self) -> u64 {
        self.clients.load(Ordering::Relaxed)
    }

    /// Serves the clients that connect at `listener`, one after the other, until `stop`. Each finds the card as it is after
    /// power on.
    ///
    /// # Errors
    /// The system takes no connections.
    pub fn serve(&self, listener: &Listener, stop: &Stop) -> Result<(), Error> {
        let mut function = self.function();
        self.server.serve(listener, &mut function, stop)
    }

    /// The card as a function of a PCI bus, for a server that somebody else runs: one at a time.
    pub fn function(&self) -> Function<'_> {
        Function { port: self, config: Config::new(self.mac), address: 0, mastering: false }
    }
}

/// The regions and interrupts of the card.
fn layout() -> Layout {
    let size = |region| match region {
        pci::BAR0 => Nic82599::WINDOW.into(),
        PORTS => config::PORTS,
        MESSAGES => config::MESSAGES,
        pci::CONFIG => config::SIZE as u64,
        _ => 0,
    };
    let region = |region| match size(region) {
        0 => Region::default(),
        size => Region::new(size),
    };
    let mut irqs = vec![Kind::default(); pci::IRQS];
    // Clients mask messages by requests, too.
    let maskable = |count| Kind { flags: Kind::messages(count).flags | IrqInfo::MASKABLE, count };
    for (kind, irq) in
        [(pci::INTX, Kind::pin()), (pci::MSI, maskable(1)), (pci::MSIX, maskable(messages::VECTORS))]
    {
        if let Some(place) = irqs.get_mut(kind as usize) {
            *place = irq;
        }
    }
    Layout { regions: (0..pci::REGIONS as u32).map(region).collect(), irqs, resettable: true }
}

/// Where the card's interrupts go: through the table and masks of its configuration to the client's events.
struct Slot {
    client: Arc<Interrupts>,
    gate: Mutex<Gate>,
    trace: Option<Arc<dyn Trace>>,
}

#[derive(Debug)]
struct Gate {
    messages: Messages,
    state: State,
    /// The message of MSI waits for its mask, or for bus mastering.
    waiting: bool,
    /// The card has causes for its pin.
    line: bool,
    /// Its pin is asserted for that.
    asserted: bool,
}

impl Gate {
    fn new(mut messages: Messages, state: State) -> Self {
        messages.mask(state.msix_masked || !state.mastering);
        Self { messages, state, waiting: false, line: false, asserted: false }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl Slot {
    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: &Event<'_>) {
        if let Some(trace) = &self.trace {
            trace.event(event);
        }
    }

    /// What was held back goes out, if it may now; and the pin follows.
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
            // Who has events for messages hears nothing of a pin.
            if !self.client.is_enabled(pci::MSIX, 0) && !self.client.is_enabled(pci::MSI, 0) {
                self.tell(&Event::Pin(assert));
            }
            if assert { self.client.trigger(pci::INTX, 0) } else { self.client.lower(pci::INTX, 0) }
        }
    }

    /// The function was reset, and its configuration is about to be: there are no messages that wait, and none go out.
    fn forget(&self, vectors: u32) {
        let mut gate = self.gate();
        gate.messages = Messages::new(vectors);
        gate.messages.mask(true);
        gate.waiting = false;
        // Those that the client holds back by requests are gone as well; that it does so is its own.
        (0..vectors).for_each(|vector| self.client.lower(pci::MSIX, vector));
        self.client.lower(pci::MSI, 0);
    }

    /// Messages of MSI-X that the client holds back by requests, as bits.
    fn held(&self) -> u64 {
        let held = (0..messages::VECTORS).filter(|vector| self.client.is_pending(pci::MSIX, *vector));
        held.fold(0, |bits, vector| bits | 1 << vector)
    }
}

impl Irq for Arc<Slot> {
    fn raise(&self, vector: u32) {
        let mut gate = self.gate();
        // A client that asked for events has switched messages on, whether or not it shows that in the configuration space.
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

/// A port's card as a function on a PCI bus.
#[derive(Debug)]
pub struct Function<'p> {
    port: &'p Port,
    config: Config,
    /// IOADDR.
    address: u32,
    mastering: bool,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Function<'_> {
    /// Brings the card to where its configuration says.
    fn apply(&mut self) {
        let state = self.config.state();
        if state.mastering && !self.mastering {
            // SAFETY: ARMED-ONLY: the card reaches `GuestMemory`, which checks every access and has no memory of this process
            // but what the client has mapped, which is reached as atomics.
            unsafe { self.port.nic.start_bus_mastering() };
        } else if !state.mastering && self.mastering {
            self.port.nic.stop_bus_mastering();
        }
        self.mastering = state.mastering;
        self.port.nic.set_vfs(state.functions.into());
        let slot = &self.port.slot;
        let mut gate = slot.gate();
        gate.state = state;
        // A message is a write to memory, which takes bus mastering.
        gate.messages.mask(state.msix_masked || !state.mastering);
        slot.update(&mut gate);
    }

    /// A reset of the function, as by a function level reset.
    fn reset_function(&mut self) {
        self.port.slot.tell(&Event::Reset);
        self.port.nic.reset();
        self.forget();
    }

    /// What is not in the card's registers as after power on.
    fn forget(&mut self) {
        self.config.reset();
        self.address = 0;
        self.port.slot.forget(messages::VECTORS);
        self.apply();
    }

    /// All as after power on: semaphores that a killed client held are free.
    fn power_cycle(&mut self) {
        self.port.nic.power_cycle();
        self.forget();
    }

    fn write_register(&self, offset: u32, value: u32) {
        // SAFETY: ARMED-ONLY: as in `apply`.
        unsafe { self.port.nic.write32(offset, value) };
    }

    fn access(&mut self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        let state = self.config.state();
        match region {
            pci::BAR0 => {
                for (at, word) in words(offset, into)? {
                    let value = if state.memory { self.port.nic.read32(at) } else { u32::MAX };
                    word.copy_from_slice(&value.to_le_bytes());
                }
            }
            PORTS if state.ports => {
                let value = match (offset, into.len()) {
                    (IOADDR, 4) => self.address,
                    (IODATA, 4) => self.port.nic.read32(self.address),
                    _ => return Err(Errno::INVAL),
                };
                into.copy_from_slice(&value.to_le_bytes());
            }
            MESSAGES if state.memory => {
                self.port.slot.gate().messages.read(offset, into);
                let held =
                    if offset >= messages::PENDING { self.port.slot.held().to_le_bytes() } else { [0; 8] };
                for (at, byte) in (offset..).zip(into) {
                    let held = at.checked_sub(messages::PENDING).and_then(|at| held.get(at as usize));
                    *byte |= held.unwrap_or(&0);
                }
            }
            PORTS | MESSAGES => into.fill(0xff),
            pci::CONFIG => {
                let slot = &self.port.slot;
                let waiting = slot.gate().waiting || slot.client.is_pending(pci::MSI, 0);
                self.config.show(slot.gate().line, waiting);
                let at = usize::try_from(offset).map_err(|_| Errno::INVAL)?;
                return if self.config.read(at, into) { Ok(()) } else { Err(Errno::INVAL) };
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    fn change(&mut self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        let state = self.config.state();
        match region {
            pci::BAR0 => {
                let mut bytes = [bytes].concat();
                for (at, word) in words(offset, &mut bytes)? {
                    if state.memory {
                        self.write_register(at, u32::from_le_bytes(*word));
                    }
                }
            }
            PORTS if state.ports => {
                let value = u32::from_le_bytes(bytes.try_into().map_err(|_| Errno::INVAL)?);
                match offset {
                    IOADDR => self.address = value,
                    IODATA => self.write_register(self.address, value),
                    _ => return Err(Errno::INVAL),
                }
            }
            MESSAGES if state.memory => {
                let slot = &self.port.slot;
                let mut gate = slot.gate();
                gate.messages.write(offset, bytes);
                slot.update(&mut gate);
            }
            PORTS | MESSAGES => {}
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

/// The registers that an access is to: whole ones, one or two.
fn words(offset: u64, bytes: &mut [u8]) -> Result<impl Iterator<Item = (u32, &mut [u8; 4])>, Errno> {
    let first = u32::try_from(offset).map_err(|_| Errno::INVAL)?;
    if !first.is_multiple_of(4) || !matches!(bytes.len(), 4 | 8) {
        return Err(Errno::INVAL);
    }
    Ok((first..).step_by(4).zip(bytes.as_chunks_mut().0))
}

impl Device for Function<'_> {
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
        self.port.slot.tell(&Event::Reset);
        self.power_cycle();
        Ok(())
    }

    fn connected(&mut self) {
        self.port.clients.fetch_add(1, Ordering::Relaxed);
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
        self.power_cycle();
    }
}
