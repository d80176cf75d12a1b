//! Statistics of a run, printed at each interval and at its end: [`Reporter`].

mod csv;
mod exposed;
mod json;
mod live;
mod port;
mod text;

use std::time::{Duration, Instant};

use ixy::Device;

use crate::error::Error;
use crate::flags::{Flags, Format};
use crate::screen;
use crate::session::Session;
use live::Live;
use port::{Counts, Event, Port, Row};

/// The longest interval between readings of the counters: a card's are narrow, and metrics have to be fresh.
const SECOND: Duration = Duration::from_secs(1);
/// The interval for progress, and for checks whether a wire failed.
const GLANCE: Duration = Duration::from_millis(100);

/// Supervises a run: prints its devices' counts, and decides when it is over.
pub struct Reporter {
    session: Session,
    format: Format,
    quiet: bool,
    per_queue: bool,
    interval: Duration,
    duration: Option<Duration>,
    goal: Option<u64>,
    /// The part of the goal that is done.
    done: u64,
    started: Instant,
    printed: Instant,
    /// The time of the last reading of the counters.
    looked: Instant,
    glanced: Instant,
    /// The time since which a wire has failed.
    failed: Option<Instant>,
    ports: Vec<Port>,
    notes: Vec<(&'static str, u64)>,
    /// The first line of `--csv`, until it is printed.
    header: Option<String>,
    live: Live,
    /// The summary is printed, or was tried.
    concluded: bool,
}

impl Reporter {
    /// Starts the clock for a run with `devices`, and gives their counts to the session's server of metrics.
    pub fn new(session: &Session, flags: &Flags, devices: &[Device]) -> Self {
        let now = Instant::now();
        let taken = devices.iter().any(Device::writes_to_stdout);
        let session = if taken { session.clone().with_statistics_on_stderr() } else { session.clone() };
        if flags.per_queue {
            for device in devices.iter().filter(|device| device.queue_stats().is_empty()) {
                tracing::warn!(
                    device = device.address(),
                    "this device has no counters for each of its queues"
                );
            }
        }
        let format = flags.format();
        let reporter = Self {
            session,
            format,
            quiet: flags.verbosity.quiet,
            per_queue: flags.per_queue,
            interval: flags.interval,
            duration: flags.duration,
            goal: None,
            done: 0,
            started: now,
            printed: now,
            looked: now,
            glanced: now,
            failed: None,
            ports: (0..).zip(devices).map(|(number, device)| Port::new(number, device)).collect(),
            notes: Vec::new(),
            header: (format == Format::Csv).then(csv::header),
            live: Live::default(),
            concluded: false,
        };
        if let Some(metrics) = reporter.session.metrics() {
            metrics.publish(exposed::metrics(&reporter.ports));
        }
        reporter
    }

    /// Sets the number of packets after which the run ends, for the display of progress.
    #[must_use]
    pub fn with_goal(mut self, goal: Option<u64>) -> Self {
        self.goal = goal;
        self
    }

    /// Adds one of the program's own counts to the summary.
    pub fn note(&mut self, name: &'static str, count: u64) {
        self.notes.push((name, count));
    }

    /// The duration of the run so far.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Prints what is due, and returns whether the run goes on: it ends at a signal or when its time is over. Call
    /// it every few milliseconds at least, with the part of the goal that is done.
    ///
    /// # Errors
    /// A device is lost, a wire failed, or the statistics cannot be printed.
    pub fn go_on(&mut self, devices: &[Device], done: u64) -> Result<bool, Error> {
        self.done = done;
        let now = Instant::now();
        let due = now - self.printed >= self.interval;
        if due || now - self.glanced >= GLANCE {
            self.glanced = now;
            self.check_wires(devices, now)?;
            if due || now - self.looked >= SECOND {
                self.looked = now;
                self.read(devices)?;
                if let Some(metrics) = self.session.metrics() {
                    metrics.publish(exposed::metrics(&self.ports));
                }
            }
            if due {
                let seconds = (now - self.printed).as_secs_f64();
                self.printed = now;
                if !self.quiet {
                    self.print_rates((now - self.started).as_secs_f64(), seconds)?;
                }
            }
            self.show_progress();
        }
        let over = self.duration.is_some_and(|limit| self.session.elapsed() >= limit);
        Ok(!over && !self.session.stopped())
    }

    /// Ends the run: reads the counters a last time, closes the devices, which writes out their files, and prints
    /// the summary. Drop all queues before.
    ///
    /// `taken` are the numbers of packets that the program took from each device. The summary counts those that a
    /// device received beyond them as left over. `unsent` are the numbers of packets that each device should have
    /// sent but did not accept; they are counted as dropped.
    ///
    /// # Errors
    /// Those of [`go_on`](Self::go_on), or a file that cannot be written. The summary is printed before.
    pub fn finish(mut self, devices: Vec<Device>, taken: &[u64], unsent: &[u64]) -> Result<(), Error> {
        screen::clear();
        self.concluded = true;
        let mut result = self.read(&devices);
        for (port, taken) in self.ports.iter_mut().zip(taken) {
            if result.is_err() {
                // The counters of a lost device are as old as their last reading.
                port.now.total.rx_packets = port.now.total.rx_packets.max(*taken);
            }
            port.now.left_over = port.now.total.rx_packets.saturating_sub(*taken);
        }
        let (seconds, last) = (self.elapsed().as_secs_f64(), self.printed.elapsed().as_secs_f64());
        for device in devices {
            result = result.and(device.close().map_err(Error::from));
        }
        for (port, &unsent) in self.ports.iter_mut().zip(unsent) {
            port.now.total.rx_dropped += unsent;
            if unsent > 0 {
                tracing::warn!("{}", port.not_sent(unsent));
            }
        }
        result.and(self.conclude(seconds, last))
    }

    /// Prints the counts of a run of `seconds`, whose `last` seconds no line was about.
    fn conclude(&mut self, seconds: f64, last: f64) -> Result<(), Error> {
        if self.format != Format::Text && !self.quiet {
            // Makes the intervals add up to the summary, and the table end with the whole run.
            self.print_rates(seconds, last)?;
        }
        self.print_summary(seconds)
    }

    /// A failed wire ends the run, but only after there was time to handle the packets that arrived through it.
    fn check_wires(&mut self, devices: &[Device], now: Instant) -> Result<(), Error> {
        for device in devices {
            if let Err(error) = device.check()
                && now - *self.failed.get_or_insert(now) >= SECOND
            {
                // For the summary. The error of the wire is the cause of any other.
                let _ = self.read(devices);
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn read(&mut self, devices: &[Device]) -> Result<(), Error> {
        for (port, device) in self.ports.iter_mut().zip(devices) {
            port.read(device)?;
        }
        Ok(())
    }

    /// Prints the counts of the last `seconds`, up to `time` seconds after the start.
    fn print_rates(&mut self, time: f64, seconds: f64) -> Result<(), Error> {
        let counts: Vec<Counts> = self.ports.iter_mut().map(Port::take).collect();
        let rows = self.ports.iter().zip(&counts);
        let rows: Vec<_> =
            rows.map(|(port, counts)| Row { event: Event::Rates, port, counts, time, seconds }).collect();
        let lines = match self.format {
            Format::Text => rows.iter().map(|row| text::rates(row, self.per_queue)).collect(),
            Format::Json => rows.iter().map(|row| format!("{}\n", json::object(row))).collect(),
            Format::Csv => rows.iter().map(|row| csv::lines(row, self.per_queue)).collect(),
            Format::Live => {
                let title = self.progress().unwrap_or_else(|| format!("{time:.1} s"));
                let lines = live::table(title, &rows, self.per_queue, Live::size());
                return self.live.draw(&self.session, lines);
            }
        };
        self.print(lines)
    }

    /// Prints the counts of the whole run, of `seconds`.
    fn print_summary(&mut self, seconds: f64) -> Result<(), Error> {
        let rows = self.ports.iter().map(|port| Row {
            event: Event::Summary,
            port,
            counts: &port.now,
            time: seconds,
            seconds,
        });
        let lines = match self.format {
            Format::Json => {
                let total = Some(json::total(seconds, &self.notes)).filter(|_| !self.notes.is_empty());
                rows.map(|row| json::object(&row)).chain(total).map(|object| format!("{object}\n")).collect()
            }
            Format::Csv => {
                let lines: String = rows.map(|row| csv::lines(&row, self.per_queue)).collect();
                lines + &csv::total(seconds, &self.notes)
            }
            Format::Text | Format::Live => {
                let mut lines = format!("Summary of {seconds:.2} s{}:\n", self.start());
                lines.extend(rows.map(|row| text::summary(&row, self.per_queue)));
                lines.extend(self.notes.iter().map(|(name, count)| format!("{name} {count}\n")));
                lines
            }
        };
        self.live.leave(&self.session)?;
        self.print(lines)
    }

    fn print(&mut self, lines: String) -> Result<(), Error> {
        screen::clear();
        self.session.print(&(self.header.take().unwrap_or_default() + &lines))
    }

    /// The part of `--duration` that was over before the devices were ready, for the summary.
    fn start(&self) -> String {
        let start = self.session.elapsed().saturating_sub(self.elapsed()).as_secs_f64();
        if self.duration.is_none() || start < 0.005 {
            return String::new();
        }
        format!(", after {start:.2} s for opening devices")
    }

    /// The part of the run that is over, if the run has an end.
    fn progress(&self) -> Option<String> {
        let time = self.duration.map(|limit| {
            let spent = self.session.elapsed().min(limit);
            let part = spent.as_secs_f64() / limit.as_secs_f64().max(f64::MIN_POSITIVE);
            (part, format!("{:.1} of {:.1} s", spent.as_secs_f64(), limit.as_secs_f64()))
        });
        let count = self.goal.map(|goal| {
            let part = self.done as f64 / goal.max(1) as f64;
            (part, format!("{} of {goal} packets", self.done))
        });
        let furthest = time.into_iter().chain(count).max_by(|a, b| a.0.total_cmp(&b.0));
        furthest.map(|(part, text)| format!("{:3.0} %  {text}", part.min(1.0) * 100.0))
    }

    fn show_progress(&self) {
        if !self.session.terminal() || self.quiet || self.format != Format::Text {
            return;
        }
        if let Some(text) = self.progress() {
            screen::show(&text);
        }
    }
}

impl Drop for Reporter {
    /// Prints the summary of a run that an error ended. Keeps the error's line from following the progress, or from
    /// landing in the table.
    fn drop(&mut self) {
        screen::clear();
        if !self.concluded && !std::thread::panicking() {
            let (seconds, last) = (self.elapsed().as_secs_f64(), self.printed.elapsed().as_secs_f64());
            // What cannot be printed follows from the error, which is reported.
            let _ = self.conclude(seconds, last);
        }
        let _ = self.live.leave(&self.session);
    }
}
