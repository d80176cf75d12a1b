//! The surroundings of a program's run, beside its arguments: [`Session`].

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ixy::Stop;
use ixy_pcap::GiveUp;

use crate::error::Error;
use crate::metrics::{Listen, Metrics};
use crate::screen;

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
    /// Ends waits for the readers of the process's output.
    give_up: GiveUp,
}

impl Session {
    /// The session of a process: SIGINT, SIGTERM and SIGHUP stop it, a second one ends the process at once with exit
    /// code 130. Statistics go to standard output, and progress to standard error if that is a terminal.
    ///
    /// After `duration`, if there is one, the process no longer waits for readers of its output. The process itself
    /// checks whether that time is over.
    ///
    /// # Errors
    /// The signals' handlers cannot be set, or there is no standard output.
    pub fn of_process(duration: Option<Duration>) -> Result<Self, Error> {
        let stop = Stop::on_signals()?;
        let until = duration.map_or_else(|| stop.clone(), |duration| stop.after(duration));
        let give_up = GiveUp::when(move || until.requested());
        let out = shared(patient(io::stdout().as_fd(), &give_up).map_err(Error::Output)?);
        // Without standard error there are no messages.
        if let Ok(stderr) = patient(io::stderr().as_fd(), &give_up) {
            screen::write_to(stderr);
        }
        let session = Self::new(stop, out, ixy::Options::default());
        Ok(Self { terminal: io::stderr().is_terminal(), give_up, ..session })
    }

    /// A session that ends when `stop` is requested, prints to `out`, and opens devices with `options`.
    pub fn new(stop: Stop, out: Arc<Mutex<dyn Write + Send>>, options: ixy::Options) -> Self {
        let waiting = stop.clone();
        let give_up = GiveUp::when(move || waiting.requested());
        Self { stop, out, terminal: false, options, started: Instant::now(), metrics: None, give_up }
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
        let out = patient(io::stderr().as_fd(), &self.give_up);
        Self { out: out.map_or_else(|_| shared(io::stderr()), shared), ..self }
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

    /// Prints lines. When the reader has closed the pipe, as `head` does, or the terminal is gone, the session stops
    /// as after a signal.
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

/// An output whose writes wait for its reader until a second after the program wants to end.
fn patient(out: BorrowedFd<'_>, give_up: &GiveUp) -> io::Result<impl Write + Send + use<>> {
    Ok(give_up.writer(out.try_clone_to_owned()?.into()))
}

fn shared(out: impl Write + Send + 'static) -> Arc<Mutex<dyn Write + Send>> {
    Arc::new(Mutex::new(out))
}
