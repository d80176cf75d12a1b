//! The ports that are being served: [`Serving`].

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use ixy_cli::{Error, Metric, escaped};
use ixy_core::MacAddress;
use ixy_sim::PollThread;
use ixy_sim::serve::{Port, Settings, VfPort};
use ixy_sim::wire::{Cables, Counted, FrameCounts, GiveUp, WireError, WireSpec};
use ixy_vfio_user::server::{Listener, ServerLimits, Stop};

use crate::ports;
use crate::statistics;
use crate::trace::Trace;

/// All ports, each with a thread that serves it, and one thread that polls all of them.
pub(crate) struct Serving {
    ports: Vec<Served>,
    stop: Stop,
    /// Ends after the servers.
    poll: Option<PollThread>,
}

/// One port.
pub(crate) struct Served {
    pub(crate) name: String,
    wire: WireSpec,
    pub(crate) port: Arc<Port>,
    pub(crate) frames: Arc<FrameCounts>,
    thread: Option<Server>,
    pub(crate) functions: Vec<ServedFunction>,
}

/// One of its virtual functions.
pub(crate) struct ServedFunction {
    pub(crate) name: String,
    pub(crate) port: Arc<VfPort>,
    thread: Option<Server>,
}

/// The thread that serves one device.
type Server = JoinHandle<Result<(), ixy_vfio_user::Error>>;

impl Serving {
    /// Listens at all sockets, then connects all wires, then serves.
    ///
    /// # Errors
    /// A socket or a wire cannot be opened. Nothing is left behind.
    pub(crate) fn start(
        ports: Vec<ports::Port>,
        trace: Option<&Trace>,
        give_up: &GiveUp,
    ) -> Result<Self, Error> {
        let listeners = ports.iter().map(|port| {
            let sockets = std::iter::once(&port.socket).chain(&port.functions);
            sockets.map(|path| Listener::bind(path).map_err(named)).collect::<Result<Vec<_>, _>>()
        });
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        let cables = Cables::default();
        let mut served = Vec::new();
        for port in &ports {
            let wire = Counted::new(port.wire.connect_unless(&cables, give_up).map_err(unwired)?);
            let frames = Arc::clone(wire.counts());
            let name = port.socket.display().to_string();
            let told = trace.map(|trace| trace.of_port(&name));
            let (mac, module) = (Some(port.mac.octets()), port.wire.module);
            let settings = Settings { mac, module, trace: told, ..Settings::default() };
            let made = Port::new(Box::new(wire), settings).map_err(failed(&port.socket))?;
            let functions = (0..).zip(&port.functions).map(|(n, path)| {
                let name = path.display().to_string();
                let trace = trace.map(|trace| trace.of_function(&name));
                let port = VfPort::new(&made, n, ServerLimits::default(), trace).map_err(failed(path))?;
                Ok(ServedFunction { name, port: Arc::new(port), thread: None })
            });
            let functions = functions.collect::<Result<Vec<_>, Error>>()?;
            let wire = port.wire.clone();
            served.push(Served { name, wire, port: Arc::new(made), frames, thread: None, functions });
        }
        let first = Path::new(&served[0].name);
        let poll = PollThread::start().map_err(failed(first))?;
        let stop = Stop::new().map_err(failed(first))?;
        let mut serving = Self { ports: served, stop, poll: Some(poll) };
        for (served, listeners) in serving.ports.iter_mut().zip(listeners) {
            if let Some(poll) = &serving.poll {
                poll.add(served.port.nic());
            }
            let mut listeners = listeners.into_iter();
            if let Some(listener) = listeners.next() {
                let (port, stop) = (Arc::clone(&served.port), serving.stop.clone());
                served.thread = Some(start(&served.name, move || port.serve(&listener, &stop))?);
            }
            for (function, listener) in served.functions.iter_mut().zip(listeners) {
                let (port, stop) = (Arc::clone(&function.port), serving.stop.clone());
                function.thread = Some(start(&function.name, move || port.serve(&listener, &stop))?);
            }
        }
        Ok(serving)
    }

    /// The announcement: a line for each port, printed once clients can connect.
    pub(crate) fn announcement(&self) -> String {
        let line = |served: &Served| {
            let mac = MacAddress(served.port.mac());
            let own = format!("serving vfio-user:{}: 82599, {mac}, wire {}", served.name, served.wire);
            let mut lines = escaped(&own) + "\n";
            for ServedFunction { name, port, .. } in &served.functions {
                let n = port.vf().number();
                let own = format!("serving vfio-user:{name}: virtual function {n} of {}", served.name);
                lines += &(escaped(&own) + "\n");
            }
            lines
        };
        self.ports.iter().map(line).collect()
    }

    /// Whether the frames of a port go to standard output.
    pub(crate) fn writes_to_stdout(&self) -> bool {
        self.ports.iter().any(|port| port.wire.kind.writes_to_stdout())
    }

    /// Whether a server ended by itself.
    pub(crate) fn has_failed(&self) -> bool {
        let mut threads = self.ports.iter().flat_map(|port| {
            std::iter::once(&port.thread).chain(port.functions.iter().map(|function| &function.thread))
        });
        threads.any(|thread| thread.as_ref().is_some_and(JoinHandle::is_finished))
    }

    /// The counts so far.
    pub(crate) fn statistics(&self) -> String {
        self.ports.iter().map(statistics::lines).collect()
    }

    /// The counts so far for `--metrics`.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        statistics::metrics(&self.ports)
    }

    /// Stops all servers, which removes their sockets, and flushes the wires.
    ///
    /// # Errors
    /// The first error of a server, or of a wire that could not write its frames.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        self.stop.stop();
        let mut result = Ok(());
        for served in &mut self.ports {
            result = result.and(ended(&served.name, served.thread.take()));
            for function in &mut served.functions {
                result = result.and(ended(&function.name, function.thread.take()));
            }
        }
        drop(self.poll.take());
        for served in &self.ports {
            let error = served.port.nic().wire_error();
            let flushed = served.port.nic().unplug().map_err(named);
            result = result.and(error.map_or(Ok(()), |error| Err(named(error)))).and(flushed);
        }
        result
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Threads that are not joined would keep their sockets.
        if self.poll.is_some() {
            let _ = self.end();
        }
    }
}

/// Starts a thread that serves the device at `name`.
fn start(
    name: &str,
    serve: impl FnOnce() -> Result<(), ixy_vfio_user::Error> + Send + 'static,
) -> Result<Server, Error> {
    std::thread::Builder::new().name("ixy-serve".into()).spawn(serve).map_err(failed(Path::new(name)))
}

/// Joins such a thread.
fn ended(name: &str, thread: Option<Server>) -> Result<(), Error> {
    match thread.map(JoinHandle::join) {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(failed(Path::new(name))(error)),
        Some(Err(_)) => Err(failed(Path::new(name))("its thread panicked")),
    }
}

/// The error for a wire that cannot be opened. Wrong options are a mistake in the arguments.
fn unwired(error: WireError) -> Error {
    if error.is_usage() { Error::Usage(format!("--wire: {error}")) } else { named(error) }
}

/// An error of a socket or a wire with its name in the text.
fn named(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Port(error.into())
}

/// An error without the name of its device.
fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(path: &Path) -> impl Fn(E) -> Error {
    let path = path.display().to_string();
    move |source| Error::Serve { path: path.clone(), source: source.into() }
}
