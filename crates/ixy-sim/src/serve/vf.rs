//! A virtual function of a port as a PCI device: [`VfPort`].

use std::sync::Arc;

use ixy_vfio_user::Error;
use ixy_vfio_user::server::{Listener, Server, ServerLimits, Stop};

use super::config::Config;
use super::function::{Card, VIRTUAL};
use super::slot::Slot;
use super::{Function, Port, Trace};
use crate::model::Vf;

/// A virtual function of a [`Port`], and the server that gives it to one client at a time.
///
/// It exists from the start, whether or not VF Enable is set in the port's configuration space. The client of the
/// port decides what it may do, as on a card. It works while the port's [`nic`](Port::nic) is polled, and reaches
/// the memory of its own client.
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
    /// Virtual function `n`, below 64, of `port`. `trace` receives every action of its client, and interrupts.
    ///
    /// # Errors
    /// There is no such function, or it is served already.
    pub fn new(
        port: &Port,
        n: u32,
        limits: ServerLimits,
        trace: Option<Arc<dyn Trace>>,
    ) -> Result<Self, Error> {
        let server = Server::new(VIRTUAL.layout(), limits)?;
        let state = Config::virtual_function().state();
        let slot = Slot::new(server.interrupts(), VIRTUAL.vectors, state, trace);
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

    /// The server, with the client's mappings and the refused requests.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Serves the clients that connect at `listener`, one after the other, until `stop`. Each finds the function
    /// in its state after a function level reset.
    ///
    /// # Errors
    /// The system accepts no connections.
    pub fn serve(&self, listener: &Listener, stop: &Stop) -> Result<(), Error> {
        self.server.serve(listener, &mut self.function(), stop)
    }

    /// The function on a PCI bus, for a server that the caller runs: one at a time.
    pub fn function(&self) -> Function<'_> {
        Function::new(Card::Virtual(&self.vf), &self.slot, &VIRTUAL, Config::virtual_function())
    }
}
