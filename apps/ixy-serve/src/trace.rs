//! What clients do, as text or JSON: [`Trace`].

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ixy_cli::{Error, Object};
use ixy_regs::ixgbe;
use ixy_sim::serve::Event;
use ixy_vfio_user::message::{DmaMap, DmaUnmap, RegionAccess, Request};

use crate::Format;
use crate::names::{Names, Place, region};

/// How long a read is kept back for others like it.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where the traces of all ports go.
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
    failed: Option<io::Error>,
}

/// The trace of one port.
struct OfPort {
    sink: Arc<Sink>,
    name: String,
    /// It is a virtual function, which has registers of its own.
    function: bool,
    held: Mutex<Option<Held>>,
}

/// A read that may be repeated, and how often it was.
struct Held {
    first: Instant,
    count: u64,
    region: u32,
    offset: u64,
    bytes: Vec<u8>,
}

impl Trace {
    /// # Errors
    /// The file cannot be made.
    pub(crate) fn open(format: Format, file: Option<&Path>) -> Result<Self, Error> {
        let to: Box<dyn Write + Send> = match file {
            None => Box::new(io::stderr()),
            Some(path) => {
                let what = |error| Error::Usage(format!("--trace-file {}: {error}", path.display()));
                Box::new(BufWriter::new(File::create(path).map_err(what)?))
            }
        };
        let out = Mutex::new(Out { to, failed: None });
        let sink = Arc::new(Sink {
            out,
            format,
            names: Names::new(ixgbe::all()),
            names_of_functions: Names::new(ixgbe::vf::all()),
            start: Instant::now(),
        });
        Ok(Self { sink, ports: Mutex::default() })
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
        let port = Arc::new(OfPort { sink, name, function, held: Mutex::default() });
        lock(&self.ports).push(Arc::clone(&port));
        port
    }

    /// Writes what was kept back for long.
    pub(crate) fn show_what_waits(&self) {
        self.show(PATIENCE);
    }

    fn show(&self, patience: Duration) {
        for port in lock(&self.ports).iter() {
            let mut held = lock(&port.held);
            if held.as_ref().is_some_and(|held| held.first.elapsed() >= patience) {
                port.write_held(&mut held);
            }
        }
        let mut out = lock(&self.sink.out);
        let flushed = out.to.flush();
        out.note(flushed);
    }

    /// Writes all that is left.
    ///
    /// # Errors
    /// Some of it could not be written.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.show(Duration::ZERO);
        lock(&self.sink.out).failed.take().map_or(Ok(()), |error| Err(Error::Output(error)))
    }
}

impl Out {
    /// Keeps the first error for the end: a device does not stop for its trace.
    fn note(&mut self, written: io::Result<()>) {
        if let Err(error) = written
            && self.failed.is_none()
        {
            self.failed = Some(error);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ixy_sim::serve::Trace for OfPort {
    fn event(&self, event: &Event<'_>) {
        let now = Instant::now();
        let mut held = lock(&self.held);
        if let Event::Read { region, offset, bytes } = event {
            let again =
                |held: &&mut Held| (held.region, held.offset, &held.bytes[..]) == (*region, *offset, bytes);
            if let Some(held) = held.as_mut().filter(again) {
                held.count += 1;
                return;
            }
            self.write_held(&mut held);
            let bytes = bytes.to_vec();
            *held = Some(Held { first: now, count: 1, region: *region, offset: *offset, bytes });
            return;
        }
        // What comes after it stands after it.
        self.write_held(&mut held);
        match event {
            Event::Write { region, offset, bytes } => self.access(now, "write", *region, *offset, bytes, 1),
            other => self.happened(now, other),
        }
    }
}

impl OfPort {
    fn write_held(&self, held: &mut Option<Held>) {
        if let Some(Held { first, count, region, offset, bytes }) = held.take() {
            self.access(first, "read", region, offset, &bytes, count);
        }
    }

    /// An access, by word where it is of registers.
    fn access(&self, at: Instant, what: &str, region: u32, offset: u64, bytes: &[u8], count: u64) {
        let words = region != ixy_vfio_user::message::pci::CONFIG && bytes.len() > 4;
        let len = if words { 4 } else { bytes.len().max(1) };
        for (offset, bytes) in (offset..).step_by(len).zip(bytes.chunks(len)) {
            let Sink { names, names_of_functions, .. } = &*self.sink;
            let place = if self.function { names_of_functions } else { names }.find(region, offset);
            let line = match self.sink.format {
                Format::Text => access_text(what, region, offset, bytes, &place, count),
                Format::Json => access_json(self.object(at, what), region, offset, bytes, &place, count),
            };
            self.write(at, &line);
        }
    }

    /// Anything else.
    fn happened(&self, at: Instant, event: &Event<'_>) {
        let line = match self.sink.format {
            Format::Text => match event {
                Event::Mapped(map) => format!("map    {}, {}", range(map.address, map.size), may(map)),
                Event::Unmapping(map) => format!("unmap  {}", range(map.address, map.size)),
                Event::Message { msix, vector, held } => {
                    let (kind, held) =
                        (if *msix { "MSI-X" } else { "MSI" }, if *held { ", masked: it waits" } else { "" });
                    format!("interrupt {kind} {vector}{held}")
                }
                Event::Pin(true) => "interrupt pin asserted".into(),
                Event::Pin(false) => "interrupt pin released".into(),
                Event::Refused { request, errno } => format!("refused {}: {errno}", asked(request)),
                Event::Reset => "reset".into(),
                Event::Connected => "client connected".into(),
                Event::Gone => "client gone".into(),
                other => format!("{other:?}"),
            },
            Format::Json => match event {
                Event::Mapped(map) => {
                    let object = self.object(at, "map").count("address", map.address).count("size", map.size);
                    object.text("for", may(map))
                }
                Event::Unmapping(map) => {
                    self.object(at, "unmap").count("address", map.address).count("size", map.size)
                }
                Event::Message { msix, vector, held } => {
                    let object =
                        self.object(at, "interrupt").text("kind", if *msix { "msix" } else { "msi" });
                    object.count("vector", (*vector).into()).flag("masked", *held)
                }
                Event::Pin(asserted) => {
                    self.object(at, "interrupt").text("kind", "pin").flag("asserted", *asserted)
                }
                Event::Refused { request, errno } => {
                    let object = self.object(at, "refused").text("request", request.command().name());
                    let object = match request {
                        Request::RegionRead(access) | Request::RegionWrite(access, _) => {
                            let object = object.text("space", region(access.region));
                            object.count("offset", access.offset).count("bytes", access.count.into())
                        }
                        Request::DmaMap(DmaMap { address, size, .. })
                        | Request::DmaUnmap(DmaUnmap { address, size, .. }) => {
                            object.count("address", *address).count("size", *size)
                        }
                        _ => object,
                    };
                    object.text("error", &errno.to_string())
                }
                Event::Reset => self.object(at, "reset"),
                Event::Connected => self.object(at, "connected"),
                Event::Gone => self.object(at, "gone"),
                other => self.object(at, "other").text("what", &format!("{other:?}")),
            }
            .finish(),
        };
        self.write(at, &line);
    }

    fn object(&self, at: Instant, event: &str) -> Object {
        let time = at.saturating_duration_since(self.sink.start);
        Object::default().number("time", time.as_secs_f64()).text("port", &self.name).text("event", event)
    }

    fn write(&self, at: Instant, line: &str) {
        let mut out = lock(&self.sink.out);
        let written = match self.sink.format {
            Format::Text => {
                let time = at.saturating_duration_since(self.sink.start).as_secs_f64();
                writeln!(out.to, "[{time:12.6}] {} {line}", self.name)
            }
            Format::Json => writeln!(out.to, "{line}"),
        };
        out.note(written);
    }
}

/// What a client may do with memory that it maps for the device.
fn may(map: &DmaMap) -> &'static str {
    match (map.flags & DmaMap::READ != 0, map.flags & DmaMap::WRITE != 0) {
        (true, false) => "read",
        (false, _) => "write",
        (true, true) => "read and write",
    }
}

fn range(address: u64, size: u64) -> String {
    format!("{address:#x} to {:#x}", address.saturating_add(size).wrapping_sub(1))
}

/// What a client asked for.
fn asked(request: &Request<'_>) -> String {
    let place = |access: &RegionAccess| {
        format!("{} {:#07x}, {} bytes", region(access.region), access.offset, access.count)
    };
    match request {
        Request::RegionRead(access) => format!("read of {}", place(access)),
        Request::RegionWrite(access, _) => format!("write to {}", place(access)),
        Request::DmaMap(map) => format!("map of {}, {}", range(map.address, map.size), may(map)),
        Request::DmaUnmap(unmap) => format!("unmap of {}", range(unmap.address, unmap.size)),
        other => other.command().name().to_owned(),
    }
}

/// The number that bytes are, least byte first; `None` when they are too many.
fn number(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn access_text(what: &str, space: u32, offset: u64, bytes: &[u8], place: &Place, count: u64) -> String {
    let index = place.index.map(|index| format!("[{index}]")).unwrap_or_default();
    let value = match number(bytes) {
        Some(value) => format!("{value:#0width$x}", width = 2 * bytes.len() + 2),
        None => format!("{} bytes", bytes.len()),
    };
    let sign = if what == "write" { "<-" } else { "=" };
    let section = if place.section.is_empty() { String::new() } else { format!("  ({})", place.section) };
    let value32 = number(bytes).and_then(|value| u32::try_from(value).ok()).unwrap_or(0);
    let fields = place.register.into_iter().flat_map(|register| register.fields());
    let fields = fields.map(|field| (field.name, field.of(value32))).filter(|(_, value)| *value != 0);
    let fields: String = fields.map(|(name, value)| format!(" {name}={value:#x}")).collect();
    let times = if count > 1 { format!("  {count} times") } else { String::new() };
    let (space, name) = (region(space), &place.name);
    format!("{what:<5} {space} {name}{index} {offset:#07x} {sign} {value}{section}{fields}{times}")
}

fn access_json(object: Object, space: u32, offset: u64, bytes: &[u8], place: &Place, count: u64) -> String {
    let object = object.text("space", region(space)).text("register", &place.name);
    let object = object.count_or_null("index", place.index.map(u64::from)).count("offset", offset);
    let object = object.count("bytes", bytes.len() as u64).count_or_null("value", number(bytes));
    let object = object.text("section", place.section);
    let value = number(bytes).and_then(|value| u32::try_from(value).ok()).unwrap_or(0);
    let fields = place.register.into_iter().flat_map(|register| register.fields());
    let fields =
        fields.fold(Object::default(), |object, field| object.count(field.name, field.of(value).into()));
    object.object("fields", fields).count("count", count).finish()
}
