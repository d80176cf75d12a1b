//! Software 82599s that threads of the test serve to a machine over vfio-user.
#![allow(dead_code, reason = "tests, of which none uses all of it")]

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use ixy_sim::serve::{Port, Settings};
use ixy_sim::wire::{Cables, WireSpec};
use ixy_sim::{Fault, PollThread};
use ixy_vfio_user::server::{Listener, Stop};

/// Ports with a socket each, served until this is dropped.
pub(crate) struct Served {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
    ports: Vec<(String, Arc<Port>)>,
    directory: tempfile::TempDir,
    _poll: PollThread,
}

impl Served {
    /// Serves a card for each name, with that wire.
    pub(crate) fn start(wires: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (stop, poll, cables) = (Stop::new().unwrap(), PollThread::start().unwrap(), Cables::default());
        let (mut threads, mut ports) = (Vec::new(), Vec::new());
        for (number, (name, wire)) in (1..).zip(wires) {
            let wire = wire.parse::<WireSpec>().unwrap().connect(&cables).unwrap();
            let settings = Settings { mac: Some([0x00, 0x1b, 0x21, 0, 0, number]), ..Settings::default() };
            let port = Arc::new(Port::new(wire, settings).unwrap());
            poll.add(port.nic());
            ports.push(((*name).to_owned(), Arc::clone(&port)));
            let (listener, stop) = (Listener::bind(&directory.path().join(name)).unwrap(), stop.clone());
            threads.push(std::thread::spawn(move || port.serve(&listener, &stop).unwrap()));
        }
        Self { stop, threads, ports, directory, _poll: poll }
    }

    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Switches the light of a card off or on.
    pub(crate) fn set_link(&self, name: &str, up: bool) {
        let (_, port) = self.ports.iter().find(|(other, _)| other == name).unwrap();
        port.nic().faults().set(Fault::LinkDown, !up);
    }

    /// The mistakes of clients: accesses to memory that was not mapped, invalid descriptors. Empty when there were
    /// none.
    pub(crate) fn wrongs(&self) -> String {
        let mut text = String::new();
        for (name, port) in &self.ports {
            let (memory, bad) = (port.server().memory(), port.nic().bad_descriptors());
            if memory.faults() + bad > 0 {
                let (faults, last) = (memory.faults(), memory.last_fault());
                text += &format!("{name}: {faults} DMA faults (last {last:x?}), {bad} bad descriptors\n");
            }
        }
        text
    }

    /// The number of refused messages from clients.
    pub(crate) fn refused(&self) -> u64 {
        self.ports.iter().map(|(_, port)| port.server().refused()).sum()
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
