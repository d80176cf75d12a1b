//! A software 82599 as a PCI device, for drivers of other processes and of virtual machines: [`Port`].
//!
//! Its virtual functions can be served as devices of their own, too: [`VfPort`].
//!
//! This module adds what a card has beyond its registers: the configuration space (power management, MSI, MSI-X,
//! PCI Express with function level reset, error reporting, serial number), the MSI-X table with its pending bits,
//! and the I/O BAR. The device is served over vfio-user (crate `ixy-vfio-user`): our own driver opens it by the
//! path of its socket, and QEMU gives it to a guest.
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
mod function;
mod memory;
mod messages;
mod slot;
mod vf;

use std::fmt;
use std::sync::Arc;

use ixy_vfio_user::Error;
use ixy_vfio_user::message::{DmaMap, DmaUnmap, Errno, Request};
use ixy_vfio_user::server::{Listener, Server, ServerLimits, Stop};

use crate::model::{Nic82599, SfpModule};
use crate::wire::Wire;
use config::Config;
use function::{Card, PHYSICAL};
use slot::Slot;

pub use function::Function;
pub use vf::VfPort;

/// The settings of a port.
#[derive(Clone, Default)]
pub struct Settings {
    /// Its Ethernet address; 02:1b:21:00:00:01 if not given.
    pub mac: Option<[u8; 6]>,
    /// The module in its SFP+ cage; 10GBASE-SR if not given.
    pub module: SfpModule,
    /// Limits on the resources of a client.
    pub limits: ServerLimits,
    /// Receives every action of the client, and interrupts.
    pub trace: Option<Arc<dyn Trace>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mac, module, limits, trace } = self;
        let mut text = f.debug_struct("Settings");
        text.field("mac", mac)
            .field("module", module)
            .field("limits", limits)
            .field("trace", &trace.is_some())
            .finish()
    }
}

/// Observes the events of a port.
pub trait Trace: Send + Sync {
    /// Called for each event, on the thread that caused it and before anything else happens there; the thread
    /// waits for it.
    fn event(&self, event: &Event<'_>);
}

/// An event at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A client connected.
    Connected,
    /// The client read these bytes of a region (numbered as in [`pci`](ixy_vfio_user::message::pci)).
    Read {
        /// The region.
        region: u32,
        /// The offset in the region.
        offset: u64,
        /// The answer.
        bytes: &'a [u8],
    },
    /// The client writes these bytes to a region; reported before the write takes effect.
    Write {
        /// The region.
        region: u32,
        /// The offset in the region.
        offset: u64,
        /// The bytes written.
        bytes: &'a [u8],
    },
    /// A request was refused.
    Refused {
        /// The client's request.
        request: &'a Request<'a>,
        /// The error that the client receives.
        errno: Errno,
    },
    /// The device sends a message.
    Message {
        /// MSI-X as opposed to MSI.
        msix: bool,
        /// Its vector.
        vector: u32,
        /// The vector is masked, so the message waits.
        held: bool,
    },
    /// The device asserts its interrupt pin, or deasserts it.
    Pin(bool),
    /// The client shared memory with the device.
    Mapped(&'a DmaMap),
    /// The client revokes memory.
    Unmapping(&'a DmaUnmap),
    /// The function is reset, by a request of the client or a write to the configuration space.
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
}

impl Port {
    /// Creates a card with `wire` at its port. The caller has to poll its [`nic`](Self::nic).
    ///
    /// # Errors
    /// None today; the server checks the settings.
    pub fn new(wire: Box<dyn Wire>, settings: Settings) -> Result<Self, Error> {
        let Settings { mac, module, limits, trace } = settings;
        let mac = mac.unwrap_or([0x02, 0x1b, 0x21, 0x00, 0x00, 0x01]);
        let server = Server::new(PHYSICAL.layout(), limits)?;
        let slot = Slot::new(server.interrupts(), PHYSICAL.vectors, Config::new(mac).state(), trace);
        let irq = Box::new(Arc::clone(&slot));
        let nic =
            Nic82599::builder(wire, Arc::clone(server.memory())).mac(mac).module(module).irq(irq).build();
        Ok(Self { nic: Arc::new(nic), server, slot, mac })
    }

    /// The card.
    pub fn nic(&self) -> &Arc<Nic82599> {
        &self.nic
    }

    /// The server, with the client's mappings and the refused requests.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Its Ethernet address.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The number of clients so far, including the connected one.
    pub fn clients(&self) -> u64 {
        self.slot.clients()
    }

    /// Serves the clients that connect at `listener`, one after the other, until `stop`. Each finds the card in
    /// its state after power on.
    ///
    /// # Errors
    /// The system accepts no connections.
    pub fn serve(&self, listener: &Listener, stop: &Stop) -> Result<(), Error> {
        self.server.serve(listener, &mut self.function(), stop)
    }

    /// The card as a function on a PCI bus, for a server that the caller runs: one at a time.
    pub fn function(&self) -> Function<'_> {
        Function::new(Card::Physical(&self.nic), &self.slot, &PHYSICAL, Config::new(self.mac))
    }
}
