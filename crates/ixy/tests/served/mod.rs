//! Software 82599s that threads of the test serve over vfio-user.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use ixy_sim::PollThread;
use ixy_sim::serve::{Port, Settings, Trace};
use ixy_sim::wire::{Cables, WireSpec};
use ixy_vfio_user::server::{Listener, Stop};

/// Servers that run until this is dropped.
pub(crate) struct Served {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
    ports: Vec<Arc<Port>>,
    _poll: PollThread,
}

/// The path, the wire and the trace of a card.
type Wanted<'a> = (&'a Path, &'a str, Option<Arc<dyn Trace>>);

impl Served {
    /// Serves a card at each path, with that wire and trace.
    pub(crate) fn start(ports: &[Wanted<'_>]) -> Self {
        let (stop, poll, cables) = (Stop::new().unwrap(), PollThread::start().unwrap(), Cables::default());
        let serve = |(path, wire, trace): &Wanted<'_>| {
            let wire = wire.parse::<WireSpec>().unwrap().connect(&cables).unwrap();
            let port =
                Arc::new(Port::new(wire, Settings { trace: trace.clone(), ..Settings::default() }).unwrap());
            poll.add(port.nic());
            let (listener, stop, own) = (Listener::bind(path).unwrap(), stop.clone(), Arc::clone(&port));
            (std::thread::spawn(move || own.serve(&listener, &stop).unwrap()), port)
        };
        let (threads, ports) = ports.iter().map(serve).unzip();
        Self { stop, threads, ports, _poll: poll }
    }

    /// The number of a card's accesses outside of its memory.
    pub(crate) fn faults(&self) -> u64 {
        self.ports.iter().map(|port| port.server().memory().faults()).sum()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.stop();
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}
