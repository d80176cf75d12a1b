//! Ports that are being served: [`Serving`].

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use ixy_cli::Error;
use ixy_sim::PollThread;
use ixy_sim::serve::{Port, Settings};
use ixy_sim::wire::{Cables, Counted, FrameCounts};
use ixy_vfio_user::server::{Listener, Stop};

use crate::ports;
use crate::statistics;
use crate::trace::Trace;

/// All ports, each with a thread that serves it, and one thread in which all of them work.
pub(crate) struct Serving {
    ports: Vec<Served>,
    stop: Stop,
    /// Ends after the servers.
    poll: Option<PollThread>,
}

/// One port.
pub(crate) struct Served {
    pub(crate) name: String,
    wire: String,
    pub(crate) port: Arc<Port>,
    pub(crate) frames: Arc<FrameCounts>,
    thread: Option<JoinHandle<Result<(), ixy_vfio_user::Error>>>,
}

impl Serving {
    /// Listens at all sockets, then connects all wires, then serves.
    ///
    /// # Errors
    /// A socket or a wire cannot be had. Nothing is left behind.
    pub(crate) fn start(ports: Vec<ports::Port>, trace: Option<&Trace>) -> Result<Self, Error> {
        let listeners = ports.iter().map(|port| Listener::bind(&port.socket).map_err(failed(&port.socket)));
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        let cables = Cables::default();
        let mut served = Vec::new();
        for port in &ports {
            let wire = Counted::new(port.wire.connect(&cables).map_err(failed(&port.socket))?);
            let frames = Arc::clone(wire.counts());
            let name = port.socket.display().to_string();
            let trace = trace.map(|trace| trace.of_port(&name));
            let settings = Settings { mac: Some(port.mac), trace, ..Settings::default() };
            let made = Port::new(Box::new(wire), settings).map_err(failed(&port.socket))?;
            let wire = port.wire.to_string();
            served.push(Served { name, wire, port: Arc::new(made), frames, thread: None });
        }
        let first = Path::new(&served[0].name);
        let poll = PollThread::start().map_err(failed(first))?;
        let stop = Stop::new().map_err(failed(first))?;
        let mut serving = Self { ports: served, stop, poll: Some(poll) };
        for (served, listener) in serving.ports.iter_mut().zip(listeners) {
            if let Some(poll) = &serving.poll {
                poll.add(served.port.nic());
            }
            let (port, stop) = (Arc::clone(&served.port), serving.stop.clone());
            let thread = std::thread::Builder::new().name("ixy-serve".into());
            let thread = thread.spawn(move || port.serve(&listener, &stop));
            served.thread = Some(thread.map_err(failed(Path::new(&served.name)))?);
        }
        Ok(serving)
    }

    /// A line for each port, once clients can connect.
    pub(crate) fn announcement(&self) -> String {
        let line = |served: &Served| {
            let mac = served.port.mac().map(|byte| format!("{byte:02x}")).join(":");
            format!("serving vfio-user:{}: 82599, {mac}, wire {}\n", served.name, served.wire)
        };
        self.ports.iter().map(line).collect()
    }

    /// Whether a server ended by itself.
    pub(crate) fn has_failed(&self) -> bool {
        self.ports.iter().any(|port| port.thread.as_ref().is_some_and(JoinHandle::is_finished))
    }

    /// What was counted so far.
    pub(crate) fn statistics(&self) -> String {
        self.ports.iter().map(statistics::line).collect()
    }

    /// Ends all servers, whose sockets are removed then, and writes out what wires buffer.
    ///
    /// # Errors
    /// The first of a server, or of a wire whose frames could not be written.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        self.stop.stop();
        let mut result = Ok(());
        for served in &mut self.ports {
            let path = Path::new(&served.name);
            let ended = match served.thread.take().map(JoinHandle::join) {
                None | Some(Ok(Ok(()))) => Ok(()),
                Some(Ok(Err(error))) => Err(failed(path)(error)),
                Some(Err(_)) => Err(failed(path)("its thread panicked")),
            };
            result = result.and(ended);
        }
        drop(self.poll.take());
        for served in &self.ports {
            let path = Path::new(&served.name);
            let error = served.port.nic().wire_error();
            let flushed = served.port.nic().unplug().map_err(failed(path));
            result = result.and(error.map_or(Ok(()), |error| Err(failed(path)(error)))).and(flushed);
        }
        result
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Threads that are not waited for would keep their sockets.
        if self.poll.is_some() {
            let _ = self.end();
        }
    }
}

fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(path: &Path) -> impl Fn(E) -> Error {
    let path = path.display().to_string();
    move |source| Error::Serve { path: path.clone(), source: source.into() }
}
