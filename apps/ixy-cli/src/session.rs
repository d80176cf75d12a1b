//! What a run of a program has besides its arguments: [`Session`].

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ixy::Stop;

use crate::error::Error;

/// What a run of a program has besides its arguments: when to stop, where statistics go, what devices are opened
/// with. A process has one; tests make one for each program that they run in a thread.
#[derive(Clone)]
pub struct Session {
    stop: Stop,
    out: Arc<Mutex<dyn Write + Send>>,
    terminal: bool,
    options: ixy::Options,
    started: Instant,
}

impl Session {
    /// That of a process: SIGINT and SIGTERM stop it, a second one ends the process at once with exit code 130;
    /// statistics go to standard output, and progress to standard error where that is a terminal.
    ///
    /// # Errors
    /// The signals' handlers cannot be set.
    pub fn of_process() -> Result<Self, Error> {
        let session =
            Self::new(Stop::on_signals()?, Arc::new(Mutex::new(io::stdout())), ixy::Options::default());
        Ok(Self { terminal: io::stderr().is_terminal(), ..session })
    }

    /// One that ends when `stop` is requested, prints to `out`, and opens devices with `options`.
    pub fn new(stop: Stop, out: Arc<Mutex<dyn Write + Send>>, options: ixy::Options) -> Self {
        Self { stop, out, terminal: false, options, started: Instant::now() }
    }

    /// The same, with statistics on standard error, for a program that writes its data to standard output.
    pub fn with_statistics_on_stderr(self) -> Self {
        Self { out: Arc::new(Mutex::new(io::stderr())), ..self }
    }

    /// Whether it is to end: a signal came, or nobody reads the statistics any more.
    #[inline]
    pub fn stopped(&self) -> bool {
        self.stop.requested()
    }

    /// Ends it.
    pub fn stop(&self) {
        self.stop.request();
    }

    /// How long it lasts until now: since the process started, before any device was opened.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Its stop, which also comes when it has lasted for `duration`.
    pub(crate) fn stop_after(&self, duration: Option<Duration>) -> Stop {
        match duration {
            Some(duration) => self.stop.after(duration.saturating_sub(self.elapsed())),
            None => self.stop.clone(),
        }
    }

    /// Whether progress can be shown.
    pub(crate) fn terminal(&self) -> bool {
        self.terminal
    }

    /// What devices are opened with, where the arguments say nothing else.
    pub(crate) fn options(&self) -> &ixy::Options {
        &self.options
    }

    /// Prints lines. When the reader has closed the pipe, as `head` does, the session ends as by a signal.
    pub(crate) fn print(&self, lines: &str) -> Result<(), Error> {
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
