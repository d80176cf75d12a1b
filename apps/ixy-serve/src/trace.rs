//! The actions of clients, as text or JSON: [`Trace`].

mod decode;
mod fold;
mod happened;
mod i2c;
mod init;
mod item;
mod port;

use std::io::{self, BufWriter, LineWriter, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ixy_cli::{Error, Object, escaped};
use ixy_regs::ixgbe;
use ixy_sim::serve::Event;
use ixy_sim::wire::{GiveUp, PcapError};

use crate::Format;
use crate::names::{Names, region};
use init::Init;
use item::{Access, Item, Line, What};
use port::Held;

/// The output for the traces of all ports.
pub(crate) struct Trace {
    sink: Arc<Sink>,
    ports: Mutex<Vec<Arc<OfPort>>>,
}

struct Sink {
    out: Mutex<Out>,
    format: Format,
    names: Names,
    names_of_functions: Names,
    start: Instant,
}

struct Out {
    to: Box<dyn Write + Send>,
    /// Its name in messages.
    name: String,
    is_stderr: bool,
    is_stdout: bool,
    failed: Option<io::Error>,
}

/// The trace of one port.
struct OfPort {
    sink: Arc<Sink>,
    name: String,
    /// Whether it is a virtual function, which has its own registers.
    function: bool,
    state: Mutex<State>,
}

struct State {
    held: Held,
    init: Init,
}

impl Trace {
    /// Opens the file, or standard error. `give_up` ends the wait for the reader of a named pipe, and each wait for
    /// room in a pipe.
    ///
    /// # Errors
    /// The file cannot be created.
    pub(crate) fn open(format: Format, file: Option<&Path>, give_up: &GiveUp) -> Result<Self, Error> {
        let is_stream = file.is_some_and(|path| path.as_os_str() == "-");
        let name = match file {
            None => "standard error".into(),
            Some(_) if is_stream => "standard output".into(),
            Some(path) => path.display().to_string(),
        };
        let failed = |source| Error::Trace { to: name.clone(), source };
        let to: Box<dyn Write + Send> = match file {
            None => {
                let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(failed)?;
                Box::new(LineWriter::new(give_up.writer(stderr.into())))
            }
            Some(_) if is_stream && ixy_pcap::stdout_is_closed() => return Err(PcapError::Closed.into()),
            Some(_) if is_stream => {
                let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
                Box::new(BufWriter::new(give_up.writer(stdout.into())))
            }
            Some(path) => match give_up.create(path) {
                Ok(file) => Box::new(BufWriter::new(file)),
                Err(PcapError::Create { source, .. }) => return Err(failed(source)),
                Err(error) => return Err(error.into()),
            },
        };
        let is_stdout = file.is_some_and(ixy_pcap::is_stdout);
        let out = Mutex::new(Out { to, name, is_stderr: file.is_none(), is_stdout, failed: None });
        let sink = Arc::new(Sink {
            out,
            format,
            names: Names::new(ixgbe::all()),
            names_of_functions: Names::new(ixgbe::vf::all()),
            start: Instant::now(),
        });
        Ok(Self { sink, ports: Mutex::default() })
    }

    /// Whether it goes to standard output.
    pub(crate) fn is_on_stdout(&self) -> bool {
        lock(&self.sink.out).is_stdout
    }

    /// Whether the reader of standard output has closed the pipe.
    pub(crate) fn has_no_reader(&self) -> bool {
        let out = lock(&self.sink.out);
        out.is_stdout && out.failed.as_ref().is_some_and(is_broken_pipe)
    }

    /// The trace of a port.
    pub(crate) fn of_port(&self, name: &str) -> Arc<dyn ixy_sim::serve::Trace> {
        self.of(name, false)
    }

    /// The trace of a virtual function.
    pub(crate) fn of_function(&self, name: &str) -> Arc<dyn ixy_sim::serve::Trace> {
        self.of(name, true)
    }

    fn of(&self, name: &str, function: bool) -> Arc<OfPort> {
        let (sink, name) = (Arc::clone(&self.sink), name.to_owned());
        let state = Mutex::new(State { held: Held::new(), init: Init::default() });
        let port = Arc::new(OfPort { sink, name, function, state });
        lock(&self.ports).push(Arc::clone(&port));
        port
    }

    /// Writes events that have been held back for long.
    pub(crate) fn show_what_waits(&self) {
        let now = Instant::now();
        for port in lock(&self.ports).iter() {
            lock(&port.state).held.show_overdue(now, &mut |line| port.write_line(&line));
        }
        self.flush();
    }

    fn flush(&self) {
        lock(&self.sink.out).write(|to| to.flush());
    }

    /// Writes all remaining events. It is not an error if the reader of standard error or output is gone, such as a
    /// terminal.
    ///
    /// # Errors
    /// Part of it could not be written.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        for port in lock(&self.ports).iter() {
            lock(&port.state).held.flush(&mut |line| port.write_line(&line));
        }
        self.flush();
        let mut out = lock(&self.sink.out);
        let to = out.name.clone();
        let may_go = out.is_stderr || out.is_stdout;
        let failed = out.failed.take().filter(|error| !(may_go && is_broken_pipe(error)));
        failed.map_or(Ok(()), |source| Err(Error::Trace { to, source }))
    }
}

impl Out {
    /// Writes, unless that failed before. The first error is kept for the end, and a warning says it at once: a
    /// device does not stop for its trace.
    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.failed.is_none()
            && let Err(error) = write(&mut *self.to)
        {
            if !(self.is_stdout && is_broken_pipe(&error)) {
                tracing::warn!(%error, to = self.name, "the trace is incomplete from here on");
            }
            self.failed = Some(error);
        }
    }
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ixy_sim::serve::Trace for OfPort {
    fn event(&self, event: &Event<'_>) {
        let at = Instant::now();
        let mut state = lock(&self.state);
        match event {
            Event::Read { region, offset, bytes } => {
                self.accesses(false, *region, *offset, bytes)
                    .for_each(|access| self.access(&mut state, at, access));
            }
            Event::Write { region, offset, bytes } => {
                self.accesses(true, *region, *offset, bytes)
                    .for_each(|access| self.access(&mut state, at, access));
            }
            other => self.happened(&mut state, at, other),
        }
    }
}

impl OfPort {
    /// Accesses, word by word if they are to registers.
    fn accesses(&self, write: bool, region: u32, offset: u64, bytes: &[u8]) -> impl Iterator<Item = Access> {
        let words = region != ixy_vfio_user::message::pci::CONFIG && bytes.len() > 4;
        let len = if words { 4 } else { bytes.len().max(1) };
        let names = if self.function { &self.sink.names_of_functions } else { &self.sink.names };
        (offset..).step_by(len).zip(bytes.chunks(len)).map(move |(offset, bytes)| Access {
            write,
            region,
            offset,
            bytes: bytes.to_vec(),
            place: names.find(region, offset),
            was: None,
        })
    }

    fn access(&self, state: &mut State, at: Instant, access: Access) {
        if self.sink.format == Format::Json {
            let what = if access.write { "write" } else { "read" };
            let line = access_json(self.object(at, what), &access);
            return self.write(at, &line);
        }
        if state.init.is_over() {
            return;
        }
        let ends = self.sink.format == Format::Init && state.init.ends_with(&access);
        self.show(state, Item { at, what: What::Access(access) });
        if ends {
            let text = "the first frame: what follows is not shown (--trace shows it)".into();
            self.show(state, Item { at, what: What::Other(text) });
            state.held.flush(&mut |line| self.write_line(&line));
        }
    }

    /// Shows an event as text, now or together with similar ones.
    fn show(&self, state: &mut State, item: Item) {
        let State { held, .. } = state;
        match self.sink.format {
            Format::Raw => self.write_line(&item.line()),
            _ => held.push(item, &mut |line| self.write_line(&line)),
        }
    }

    fn write_line(&self, (at, line): &Line) {
        self.write(*at, line);
    }

    /// Shows any other event.
    fn happened(&self, state: &mut State, at: Instant, event: &Event<'_>) {
        if self.sink.format == Format::Json {
            let line = happened::json(event, |name| self.object(at, name));
            return self.write(at, &line);
        }
        if *event == Event::Connected {
            state.init.begin();
        }
        if !state.init.is_over() {
            self.show(state, Item { at, what: What::Other(happened::text(event)) });
        }
    }

    fn object(&self, at: Instant, event: &str) -> Object {
        let time = at.saturating_duration_since(self.sink.start);
        Object::default().number("time", time.as_secs_f64()).text("port", &self.name).text("event", event)
    }

    fn write(&self, at: Instant, line: &str) {
        lock(&self.sink.out).write(|to| match self.sink.format {
            Format::Text | Format::Init | Format::Raw => {
                let time = at.saturating_duration_since(self.sink.start).as_secs_f64();
                writeln!(to, "[{time:12.6}] {} {}", escaped(&self.name), escaped(line))
            }
            Format::Json => writeln!(to, "{line}"),
        });
    }
}

fn access_json(object: Object, access: &Access) -> String {
    let object = object.text("space", region(access.region)).text("register", &access.place.name);
    let index = access.place.index.map(u64::from);
    let object = object.count_or_null("index", index).count("offset", access.offset);
    let object = object.count("bytes", access.bytes.len() as u64).count_or_null("value", access.value());
    let object = object.text("section", access.place.section);
    let fields = access.register().into_iter().flat_map(|(register, value)| register.decode(value).fields());
    let fields =
        fields.fold(Object::default(), |object, field| object.count(field.info.name, field.value.into()));
    object.object("fields", fields).finish()
}
