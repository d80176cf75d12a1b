//! The surroundings of a program's run, beside its arguments: [`Session`].

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ixy::Stop;
use ixy_pcap::GiveUp;

use crate::error::Error;
use crate::metrics::{Listen, Metrics};

/// The surroundings of a program's run, beside its arguments: when to stop, where statistics go, the options for
/// opening devices. A process has one; tests create one for each program that they run in a thread.
#[derive(Clone)]
pub struct Session {
    stop: Stop,
    out: Arc<Mutex<dyn Write + Send>>,
    terminal: bool,
    options: ixy::Options,
    started: Instant,
    metrics: Option<Arc<Metrics>>,
}

impl Session {
    /// The session of a process: SIGINT, SIGTERM and SIGHUP stop it, a second one ends the process at once with exit
    /// code 130. Statistics go to standard output, and progress to standard error if that is a terminal.
    ///
    /// # Errors
    /// The signals' handlers cannot be set, or there is no standard output.
    pub fn of_process() -> Result<Self, Error> {
        let stop = Stop::on_signals()?;
        let out = until_stopped(&io::stdout(), &stop).map_err(Error::Output)?;
        let session = Self::new(stop, out, ixy::Options::default());
        Ok(Self { terminal: io::stderr().is_terminal(), ..session })
    }

    /// A session that ends when `stop` is requested, prints to `out`, and opens devices with `options`.
    pub fn new(stop: Stop, out: Arc<Mutex<dyn Write + Send>>, options: ixy::Options) -> Self {
        Self { stop, out, terminal: false, options, started: Instant::now(), metrics: None }
    }

    /// The same, with a server of metrics at the address of `--metrics`. It has none until a
    /// [`Reporter`](crate::Reporter) starts.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn with_metrics(self, at: Option<Listen>) -> Result<Self, Error> {
        let metrics = at.map(|at| Metrics::serve(at, Vec::new())).transpose()?;
        Ok(Self { metrics: metrics.map(Arc::new), ..self })
    }

    /// The same, with statistics on standard error, for a program that writes its data to standard output.
    pub fn with_statistics_on_stderr(self) -> Self {
        let out = until_stopped(&io::stderr(), &self.stop);
        Self { out: out.unwrap_or_else(|_| Arc::new(Mutex::new(io::stderr()))), ..self }
    }

    /// Whether to stop: a signal came, or the reader of the statistics has gone.
    #[inline]
    pub fn stopped(&self) -> bool {
        self.stop.requested()
    }

    /// Stops the session.
    pub fn stop(&self) {
        self.stop.request();
    }

    /// The time since the process started, before any device was opened.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The session's stop, which also triggers once the session has lasted `duration`.
    pub(crate) fn stop_after(&self, duration: Option<Duration>) -> Stop {
        match duration {
            Some(duration) => self.stop.after(duration.saturating_sub(self.elapsed())),
            None => self.stop.clone(),
        }
    }

    /// The server of `--metrics`.
    pub(crate) fn metrics(&self) -> Option<&Arc<Metrics>> {
        self.metrics.as_ref()
    }

    /// Whether progress can be shown.
    pub(crate) fn terminal(&self) -> bool {
        self.terminal
    }

    /// The options for opening devices, where the arguments set nothing else.
    pub(crate) fn options(&self) -> &ixy::Options {
        &self.options
    }

    /// Prints lines. When the reader has closed the pipe, as `head` does, the session stops as after a signal.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn print(&self, lines: &str) -> Result<(), Error> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.stop();
                Ok(())
            }
            written => written.map_err(Error::Output),
        }
    }
}

/// An output whose writes wait for the reader of a pipe until a second after `stop` is requested.
fn until_stopped(out: &impl AsFd, stop: &Stop) -> io::Result<Arc<Mutex<dyn Write + Send>>> {
    let (stop, out) = (stop.clone(), out.as_fd().try_clone_to_owned()?);
    let out = GiveUp::when(move || stop.requested()).writer(out.into());
    Ok(Arc::new(Mutex::new(out)))
}
