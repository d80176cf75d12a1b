//! Ending a program with its cards stopped: [`Stop`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[cfg(feature = "signals")]
use crate::error::Error;

/// Signals this close to the first one count as the same.
#[cfg(feature = "signals")]
const ONE_SIGNAL: Duration = Duration::from_millis(200);

/// A request to stop, which a program's loops look at once a pass.
///
/// A network card writes received frames into the memory of the program that drives it, and goes on with that until
/// its driver stops it. The driver does so when the last handle of the card is dropped. By default Ctrl-C ends a
/// process without dropping anything: the kernel gives the process's memory to others while the card still writes
/// into it, unless an IOMMU is in between. So a program that drives cards asks for signals here, leaves its loop when
/// one came, and closes its devices.
///
/// Clones share the request: one can be given to each thread.
///
/// ```
/// use ixy::{Batch, Options, Stop};
///
/// # fn main() -> Result<(), ixy::Error> {
/// let stop = Stop::on_signals()?; // before the first card is opened
/// let options = Options::default().stop(&stop); // opening may have to wait, too
/// let mut cards = ixy::open(&["sim".parse()?], &options)?;
/// let mut rx = cards[0].rx_queue(0)?;
/// let mut batch = Batch::new(32);
/// while !stop.requested() {
///     rx.receive(&mut batch);
///     batch.clear();
/// #   stop.request();
/// }
/// drop(rx); // the card stops when the device and all its queues are gone
/// cards.remove(0).close()
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    /// Whether the server of a card stood still when the program wanted to stop it.
    #[cfg(feature = "vfio-user")]
    stalled: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Stop {
    /// A request that only [`request`](Self::request) triggers.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request that SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal is gone) trigger. A second signal ends the
    /// process at once, with exit code 130, in case the program no longer checks: its cards then stay running.
    ///
    /// A SIGHUP that is ignored stays ignored, so `nohup` works. SIGXFSZ no longer kills the process: a write beyond
    /// the limit of `ulimit -f` returns an error.
    ///
    /// A signal within 200 ms of the first one counts as the same: `timeout` and service managers send one to the
    /// process and another to its group. A separate thread waits for signals.
    ///
    /// # Errors
    /// [`Error::Signals`]: the system does not let the process handle them, or has no thread for it.
    #[cfg(feature = "signals")]
    pub fn on_signals() -> Result<Self, Error> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
        use signal_hook::{iterator::Signals, low_level};

        let (stop, failed) = (Self::new(), |source| Error::Signals { source });
        let wanted = [SIGINT, SIGTERM, SIGXFSZ].into_iter().chain((!is_ignored(SIGHUP)).then_some(SIGHUP));
        let mut signals = Signals::new(wanted).map_err(failed)?;
        let request = stop.clone();
        let wait = move || {
            // A stop that the program requests does not count as the first signal.
            let mut first: Option<Instant> = None;
            for _ in signals.forever().filter(|signal| *signal != SIGXFSZ) {
                if first.is_some_and(|first| first.elapsed() >= ONE_SIGNAL) {
                    low_level::exit(130);
                }
                first.get_or_insert_with(Instant::now);
                request.request();
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(wait).map_err(failed)?;
        Ok(stop)
    }

    /// The same request, with a handle that also triggers by itself after `time`, counted from now.
    /// [`requested`](Self::requested) then reads the clock on each call, about 25 ns.
    #[must_use]
    pub fn after(&self, time: Duration) -> Self {
        let deadline = Instant::now().checked_add(time);
        let deadline = [self.deadline, deadline].into_iter().flatten().min();
        Self { deadline, ..self.clone() }
    }

    /// Whether to stop.
    #[inline]
    pub fn requested(&self) -> bool {
        self.requested_early() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Whether it was requested, as opposed to triggered by time.
    #[inline]
    pub(crate) fn requested_early(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Whether the server of a card stood still, for all clones: the others then get less time.
    #[cfg(feature = "vfio-user")]
    pub(crate) fn stalled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stalled)
    }

    /// Requests the stop, for all clones.
    pub fn request(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }
}

/// Whether the process ignores a signal, as `nohup` makes it ignore SIGHUP.
#[cfg(feature = "signals")]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reaches_all_clones() {
        let stop = Stop::new();
        let clones = [stop.clone(), stop.after(Duration::from_secs(1000))];
        assert!(!stop.requested() && clones.iter().all(|clone| !clone.requested()));
        clones[1].request();
        assert!(stop.requested() && clones.iter().all(Stop::requested));
    }

    #[test]
    fn a_deadline_concerns_its_handle_alone() {
        let stop = Stop::new();
        let over = stop.after(Duration::ZERO);
        assert!(over.requested(), "its time is over");
        assert!(
            over.after(Duration::from_secs(1000)).requested(),
            "a later deadline does not undo an earlier one"
        );
        assert!(!stop.requested() && !stop.after(Duration::MAX).requested());
    }
}
