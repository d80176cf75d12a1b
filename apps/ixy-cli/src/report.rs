//! Statistics of a run, printed at each interval and at its end: [`Reporter`].

use std::io::Write;
use std::time::{Duration, Instant};

use ixy::{Device, DeviceStats, LinkState, QueueStats};
use serde_json::{Value, json};

use crate::error::Error;
use crate::flags::Flags;
use crate::json::rounded;
use crate::metrics::{Labels, Metric, Metrics};
use crate::rate::Rate;
use crate::session::Session;

/// How often counters are read at least: those of a card are narrow, and metrics are to be fresh.
const SECOND: Duration = Duration::from_secs(1);
/// How often progress is shown, and devices are asked whether their wires failed.
const GLANCE: Duration = Duration::from_millis(100);

/// Watches over a run: prints what its devices count, and says when it is over.
pub struct Reporter {
    session: Session,
    json: bool,
    quiet: bool,
    per_queue: bool,
    interval: Duration,
    metrics: Option<Metrics>,
    duration: Option<Duration>,
    goal: Option<u64>,
    started: Instant,
    printed: Instant,
    /// When the counters were read last.
    looked: Instant,
    glanced: Instant,
    /// Since when a wire has failed.
    failed: Option<Instant>,
    ports: Vec<Port>,
    notes: Vec<(&'static str, u64)>,
    progress: bool,
}

/// What is known of one device.
struct Port {
    label: String,
    link: LinkState,
    /// What it had counted when it was last printed, and at the last look.
    before: Counts,
    now: Counts,
}

/// What a device counted: in all, and by queue where it does.
#[derive(Clone, Default)]
struct Counts {
    total: DeviceStats,
    queues: Vec<QueueStats>,
}

impl Counts {
    fn since(&self, before: &Self) -> Self {
        let earlier = before.queues.iter().copied().chain(std::iter::repeat(QueueStats::default()));
        Self {
            total: self.total - before.total,
            queues: self.queues.iter().zip(earlier).map(|(now, before)| *now - before).collect(),
        }
    }
}

impl Reporter {
    /// Starts the clock for a run with `devices`, and the server of `--metrics`.
    ///
    /// # Errors
    /// The address of `--metrics` cannot be had.
    pub fn new(session: &Session, flags: &Flags, devices: &[Device]) -> Result<Self, Error> {
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
        let port = |device: &Device| Port {
            label: device.address().to_owned(),
            link: device.link(),
            before: Counts::default(),
            now: Counts::default(),
        };
        let mut reporter = Self {
            session,
            json: flags.json,
            quiet: flags.verbosity.quiet,
            per_queue: flags.per_queue,
            interval: flags.interval,
            metrics: None,
            duration: flags.duration,
            goal: None,
            started: now,
            printed: now,
            looked: now,
            glanced: now,
            failed: None,
            ports: devices.iter().map(port).collect(),
            notes: Vec::new(),
            progress: false,
        };
        if let Some(at) = flags.metrics {
            reporter.metrics = Some(Metrics::serve(at, reporter.metrics())?);
        }
        Ok(reporter)
    }

    /// Says that the run ends after so many packets; only for showing progress.
    #[must_use]
    pub fn with_goal(mut self, goal: Option<u64>) -> Self {
        self.goal = goal;
        self
    }

    /// Adds a count of the program's own to the summary.
    pub fn note(&mut self, name: &'static str, count: u64) {
        self.notes.push((name, count));
    }

    /// How long the run lasts until now.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// To be called every few milliseconds at least, with what was done of the goal: prints what is due, and returns
    /// whether the run goes on, as no signal came and its time is not over.
    ///
    /// # Errors
    /// A device is lost, a wire failed, or the statistics cannot be printed.
    pub fn go_on(&mut self, devices: &[Device], done: u64) -> Result<bool, Error> {
        let now = Instant::now();
        let due = now - self.printed >= self.interval;
        if due || now - self.glanced >= GLANCE {
            self.glanced = now;
            self.check_wires(devices, now)?;
            if due || now - self.looked >= SECOND {
                self.looked = now;
                self.read(devices)?;
                if let Some(metrics) = &self.metrics {
                    metrics.publish(self.metrics());
                }
            }
            if due {
                let seconds = (now - self.printed).as_secs_f64();
                self.printed = now;
                if !self.quiet {
                    self.print_rates((now - self.started).as_secs_f64(), seconds)?;
                }
            }
            self.show_progress(done);
        }
        let over = self.duration.is_some_and(|limit| self.session.elapsed() >= limit);
        Ok(!over && !self.session.stopped())
    }

    /// Ends the run: reads the counters a last time, closes the devices, which writes out their files, and prints the
    /// summary. `unsent` are the packets that each device was to send and did not take; they are counted as dropped.
    /// All queues should be dropped before.
    ///
    /// # Errors
    /// As for [`go_on`](Self::go_on), or a file cannot be written. The summary is printed before.
    pub fn finish(mut self, devices: Vec<Device>, unsent: &[u64]) -> Result<(), Error> {
        self.clear_progress();
        let mut result = self.read(&devices);
        let (seconds, last) = (self.elapsed().as_secs_f64(), self.printed.elapsed().as_secs_f64());
        for device in devices {
            result = result.and(device.close().map_err(Error::from));
        }
        for (port, unsent) in self.ports.iter_mut().zip(unsent) {
            port.now.total.rx_dropped += unsent;
        }
        if self.json && !self.quiet {
            // So that the intervals add up to the summary.
            result = result.and(self.print_rates(seconds, last));
        }
        result.and(self.print_summary(seconds))
    }

    /// A wire that failed ends the run, but not before what arrived through it can have been dealt with.
    fn check_wires(&mut self, devices: &[Device], now: Instant) -> Result<(), Error> {
        for device in devices {
            if let Err(error) = device.check()
                && now - *self.failed.get_or_insert(now) >= SECOND
            {
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn read(&mut self, devices: &[Device]) -> Result<(), Error> {
        for (port, device) in self.ports.iter_mut().zip(devices) {
            port.now.total = device.stats()?;
            port.now.queues = device.queue_stats();
            port.link = device.link();
        }
        Ok(())
    }

    /// What was counted in the last `seconds`, up to `time` seconds after the start.
    fn print_rates(&mut self, time: f64, seconds: f64) -> Result<(), Error> {
        let mut lines = String::new();
        for (n, port) in self.ports.iter_mut().enumerate() {
            let counts = port.now.since(&port.before);
            port.before = port.now.clone();
            if self.json {
                lines += &format!("{}\n", port.json("rates", time, seconds, n, &counts));
                continue;
            }
            let (rx, tx) = (Rate::received(counts.total, seconds), Rate::sent(counts.total, seconds));
            let DeviceStats { rx_missed, rx_dropped, rx_errors, .. } = counts.total;
            let link = if port.link.up { "" } else { "  link down" };
            let label = &port.label;
            lines += &format!(
                "[{label}] RX: {rx}  TX: {tx}  missed {rx_missed}  dropped {rx_dropped}  errors {rx_errors}{link}\n"
            );
            for (queue, counts) in counts.queues.iter().enumerate().filter(|_| self.per_queue) {
                let [rx, tx] = Rate::of_queue(*counts, seconds);
                lines += &format!("[{label}] queue {queue}  RX: {rx}  TX: {tx}\n");
            }
        }
        self.clear_progress();
        self.session.print(&lines)
    }

    fn print_summary(&self, seconds: f64) -> Result<(), Error> {
        let mut lines = String::new();
        if !self.json {
            lines += &format!("Summary of {seconds:.2} s:\n");
        }
        for (n, port) in self.ports.iter().enumerate() {
            if self.json {
                lines += &format!("{}\n", port.json("summary", seconds, seconds, n, &port.now));
                continue;
            }
            let Port { label, now: Counts { total, queues }, .. } = port;
            let (rx, tx) = (Rate::received(*total, seconds), Rate::sent(*total, seconds));
            let DeviceStats { rx_packets, rx_bytes, tx_packets, tx_bytes, .. } = total;
            let DeviceStats { rx_missed, rx_dropped, rx_errors, .. } = total;
            lines += &format!(
                "[{label}] RX: {rx}  {rx_packets} packets  {rx_bytes} bytes\n\
                 [{label}] TX: {tx}  {tx_packets} packets  {tx_bytes} bytes\n\
                 [{label}] missed {rx_missed}  dropped {rx_dropped}  errors {rx_errors}\n"
            );
            for (queue, counts) in queues.iter().enumerate().filter(|_| self.per_queue) {
                let QueueStats { rx_packets, rx_bytes, tx_packets, tx_bytes } = counts;
                lines += &format!(
                    "[{label}] queue {queue}  RX: {rx_packets} packets {rx_bytes} bytes  TX: {tx_packets} packets \
                     {tx_bytes} bytes\n"
                );
            }
        }
        if self.json && !self.notes.is_empty() {
            let mut total = json!({ "event": "total", "seconds": rounded(seconds) });
            self.notes.iter().for_each(|(name, count)| total[*name] = (*count).into());
            lines += &format!("{total}\n");
        } else {
            lines.extend(self.notes.iter().map(|(name, count)| format!("{name} {count}\n")));
        }
        self.session.print(&lines)
    }

    /// The latest counts, for `--metrics`.
    fn metrics(&self) -> Vec<Metric> {
        let of_ports = |value: fn(&Port) -> u64| {
            self.ports.iter().enumerate().map(|(n, port)| (port.labels(n), value(port))).collect()
        };
        let of_queues = |value: fn(&QueueStats) -> u64| {
            let ports = self.ports.iter().enumerate();
            ports.flat_map(|(n, port)| port.queue_labels(n).zip(port.now.queues.iter().map(value))).collect()
        };
        vec![
            Metric::counter(
                "rx_packets",
                "Frames received into memory",
                of_ports(|p| p.now.total.rx_packets),
            ),
            Metric::counter("rx_bytes", "Bytes of these frames", of_ports(|p| p.now.total.rx_bytes)),
            Metric::counter("rx_missed", "Frames lost for want of room", of_ports(|p| p.now.total.rx_missed)),
            Metric::counter("rx_errors", "Frames that arrived damaged", of_ports(|p| p.now.total.rx_errors)),
            Metric::counter("dropped", "Frames dropped by the driver", of_ports(|p| p.now.total.rx_dropped)),
            Metric::counter("tx_packets", "Frames sent", of_ports(|p| p.now.total.tx_packets)),
            Metric::counter("tx_bytes", "Bytes of these frames", of_ports(|p| p.now.total.tx_bytes)),
            Metric::gauge("link_up", "Whether there is a link", of_ports(|p| p.link.up.into())),
            Metric::gauge(
                "link_speed_mbit",
                "Speed of the link in Mbit/s, 0 if unknown",
                of_ports(|p| p.link.speed.into()),
            ),
            Metric::counter("queue_rx_packets", "Frames received by a queue", of_queues(|q| q.rx_packets)),
            Metric::counter("queue_rx_bytes", "Bytes of these frames", of_queues(|q| q.rx_bytes)),
            Metric::counter("queue_tx_packets", "Frames sent by a queue", of_queues(|q| q.tx_packets)),
            Metric::counter("queue_tx_bytes", "Bytes of these frames", of_queues(|q| q.tx_bytes)),
        ]
    }

    fn show_progress(&mut self, done: u64) {
        if !self.session.terminal() || self.quiet || self.json {
            return;
        }
        let time = self.duration.map(|limit| {
            let spent = self.session.elapsed();
            let part = spent.as_secs_f64() / limit.as_secs_f64().max(f64::MIN_POSITIVE);
            (part, format!("{:.1} of {:.1} s", spent.as_secs_f64(), limit.as_secs_f64()))
        });
        let count = self.goal.map(|goal| {
            let part = done as f64 / goal.max(1) as f64;
            (part, format!("{done} of {goal} packets"))
        });
        let furthest = time.into_iter().chain(count).max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((part, text)) = furthest {
            let _ = write!(std::io::stderr(), "\r\x1b[K{:3.0} %  {text}", part.min(1.0) * 100.0);
            self.progress = true;
        }
    }

    fn clear_progress(&mut self) {
        if std::mem::take(&mut self.progress) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Reporter {
    /// An error's line is not to stand behind the progress.
    fn drop(&mut self) {
        self.clear_progress();
    }
}

impl Port {
    /// One line of `--json`; the README has the meaning of each key.
    fn json(&self, event: &str, time: f64, seconds: f64, n: usize, counts: &Counts) -> Value {
        let stats = counts.total;
        let (rx, tx) = (Rate::received(stats, seconds), Rate::sent(stats, seconds));
        let queue = |queue: &QueueStats| {
            let QueueStats { rx_packets, rx_bytes, tx_packets, tx_bytes } = queue;
            json!({
                "rx_packets": rx_packets,
                "rx_bytes": rx_bytes,
                "tx_packets": tx_packets,
                "tx_bytes": tx_bytes,
            })
        };
        json!({
            "event": event,
            "time": rounded(time),
            "seconds": rounded(seconds),
            "port": n,
            "device": self.label,
            "link": self.link.to_string(),
            "rx_packets": stats.rx_packets,
            "rx_bytes": stats.rx_bytes,
            "rx_mpps": rounded(rx.mpps),
            "rx_mbit": rounded(rx.mbit),
            "tx_packets": stats.tx_packets,
            "tx_bytes": stats.tx_bytes,
            "tx_mpps": rounded(tx.mpps),
            "tx_mbit": rounded(tx.mbit),
            "missed": stats.rx_missed,
            "dropped": stats.rx_dropped,
            "errors": stats.rx_errors,
            "queues": counts.queues.iter().map(queue).collect::<Vec<_>>(),
        })
    }

    fn labels(&self, n: usize) -> Labels {
        vec![("port", n.to_string()), ("device", self.label.clone())]
    }

    fn queue_labels(&self, n: usize) -> impl Iterator<Item = Labels> {
        let labels = self.labels(n);
        (0..self.now.queues.len())
            .map(move |queue| labels.iter().cloned().chain([("queue", queue.to_string())]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_has_all_keys() {
        let total = DeviceStats {
            rx_packets: 2_000_000,
            rx_bytes: 120_000_000,
            rx_missed: 3,
            rx_errors: 5,
            rx_dropped: 4,
            tx_packets: 2,
            tx_bytes: 120,
        };
        let queue = QueueStats { rx_packets: 1, rx_bytes: 60, tx_packets: 2, tx_bytes: 120 };
        let counts = Counts { total, queues: vec![queue] };
        let link = LinkState { up: true, speed: 10_000 };
        let port =
            Port { label: "sim:rx=\"x\"".into(), link, before: Counts::default(), now: counts.clone() };
        assert_eq!(
            port.json("rates", 4.0, 2.0, 1, &counts).to_string(),
            "{\"event\":\"rates\",\"time\":4.0,\"seconds\":2.0,\"port\":1,\"device\":\"sim:rx=\\\"x\\\"\",\
             \"link\":\"up at 10000 Mbit/s\",\"rx_packets\":2000000,\"rx_bytes\":120000000,\"rx_mpps\":1.0,\
             \"rx_mbit\":672.0,\"tx_packets\":2,\"tx_bytes\":120,\"tx_mpps\":1e-6,\"tx_mbit\":0.000672,\
             \"missed\":3,\"dropped\":4,\"errors\":5,\
             \"queues\":[{\"rx_packets\":1,\"rx_bytes\":60,\"tx_packets\":2,\"tx_bytes\":120}]}"
        );
    }
}
