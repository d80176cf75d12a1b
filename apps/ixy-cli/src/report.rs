//! Statistics of a run, printed each second and at its end: [`Reporter`].

use std::io::Write;
use std::time::{Duration, Instant};

use ixy::{Device, DeviceStats};

use crate::error::Error;
use crate::flags::Flags;
use crate::json::Object;
use crate::session::Session;

/// How often statistics are printed.
const SECOND: Duration = Duration::from_secs(1);
/// How often progress is shown, and devices are asked whether their wires failed.
const GLANCE: Duration = Duration::from_millis(100);

/// Watches over a run: prints what its devices count, and says when it is over.
pub struct Reporter {
    session: Session,
    json: bool,
    quiet: bool,
    duration: Option<Duration>,
    goal: Option<u64>,
    started: Instant,
    printed: Instant,
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
    /// What it had counted when it was last printed, and at the last look.
    before: DeviceStats,
    now: DeviceStats,
    link: String,
}

impl Reporter {
    /// Starts the clock for a run with `devices`.
    pub fn new(session: &Session, flags: &Flags, devices: &[Device]) -> Self {
        let now = Instant::now();
        let taken = devices.iter().any(Device::writes_to_stdout);
        let session = if taken { session.clone().with_statistics_on_stderr() } else { session.clone() };
        let address = |n: usize| devices[n].address();
        let label = |n| match (0..devices.len()).filter(|&m| address(m) == address(n)).count() {
            1 => address(n).to_owned(),
            _ => format!("{} #{n}", address(n)),
        };
        let port = |n| Port {
            label: label(n),
            before: DeviceStats::default(),
            now: DeviceStats::default(),
            link: devices[n].link().to_string(),
        };
        Self {
            session,
            json: flags.json,
            quiet: flags.quiet,
            duration: flags.duration,
            goal: None,
            started: now,
            printed: now,
            glanced: now,
            failed: None,
            ports: (0..devices.len()).map(port).collect(),
            notes: Vec::new(),
            progress: false,
        }
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
        if now - self.glanced >= GLANCE || now - self.printed >= SECOND {
            self.glanced = now;
            self.check_wires(devices, now)?;
            if now - self.printed >= SECOND {
                self.read(devices)?;
                let seconds = (now - self.printed).as_secs_f64();
                self.printed = now;
                if !self.quiet {
                    self.print_rates(seconds)?;
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
        let seconds = self.elapsed().as_secs_f64();
        for device in devices {
            result = result.and(device.close().map_err(Error::from));
        }
        for (port, unsent) in self.ports.iter_mut().zip(unsent) {
            port.now.rx_dropped += unsent;
            port.before = DeviceStats::default();
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
            port.now = device.stats()?;
            port.link = device.link().to_string();
        }
        Ok(())
    }

    fn print_rates(&mut self, seconds: f64) -> Result<(), Error> {
        let time = self.elapsed().as_secs_f64();
        let mut lines = String::new();
        for (n, port) in self.ports.iter_mut().enumerate() {
            let stats = port.now - port.before;
            port.before = port.now;
            lines += &if self.json {
                json("rates", time, seconds, n, port, stats)
            } else {
                let (rx, tx) = (Rate::received(stats, seconds), Rate::sent(stats, seconds));
                let DeviceStats { rx_missed, rx_dropped, rx_errors, .. } = stats;
                let link = if port.link == "down" { "  link down" } else { "" };
                format!(
                    "[{}] RX: {rx}  TX: {tx}  missed {rx_missed}  dropped {rx_dropped}  errors {rx_errors}{link}",
                    port.label
                )
            };
            lines.push('\n');
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
            let stats = port.now;
            if self.json {
                lines += &json("summary", seconds, seconds, n, port, stats);
                lines.push('\n');
                continue;
            }
            let (rx, tx) = (Rate::received(stats, seconds), Rate::sent(stats, seconds));
            let DeviceStats { rx_packets, rx_bytes, tx_packets, tx_bytes, .. } = stats;
            let DeviceStats { rx_missed, rx_dropped, rx_errors, .. } = stats;
            let label = &port.label;
            lines += &format!(
                "[{label}] RX: {rx}  {rx_packets} packets  {rx_bytes} bytes\n\
                 [{label}] TX: {tx}  {tx_packets} packets  {tx_bytes} bytes\n\
                 [{label}] missed {rx_missed}  dropped {rx_dropped}  errors {rx_errors}\n"
            );
        }
        if self.json && !self.notes.is_empty() {
            let object = Object::default().text("event", "total").number("seconds", seconds);
            let object = self.notes.iter().fold(object, |object, (name, count)| object.count(name, *count));
            lines += &(object.finish() + "\n");
        } else {
            lines.extend(self.notes.iter().map(|(name, count)| format!("{name} {count}\n")));
        }
        self.session.print(&lines)
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

/// Packets and bits a second, in millions.
struct Rate {
    mpps: f64,
    mbit: f64,
}

impl Rate {
    fn received(stats: DeviceStats, seconds: f64) -> Self {
        Self::new(stats.rx_packets, stats.rx_wire_bits(), seconds)
    }

    fn sent(stats: DeviceStats, seconds: f64) -> Self {
        Self::new(stats.tx_packets, stats.tx_wire_bits(), seconds)
    }

    fn new(packets: u64, bits: u64, seconds: f64) -> Self {
        let millions = |n: u64| n as f64 / 1e6 / seconds.max(1e-9);
        Self { mpps: millions(packets), mbit: millions(bits) }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A few packets a second are to be seen, too.
        let decimals = if self.mpps > 0.0 && self.mpps < 0.01 { 6 } else { 2 };
        write!(f, "{:.decimals$} Mpps {:.2} Mbit/s", self.mpps, self.mbit)
    }
}

/// One line of `--json`; the README has the meaning of each key.
fn json(event: &str, time: f64, seconds: f64, n: usize, port: &Port, stats: DeviceStats) -> String {
    let (rx, tx) = (Rate::received(stats, seconds), Rate::sent(stats, seconds));
    Object::default()
        .text("event", event)
        .number("time", time)
        .number("seconds", seconds)
        .count("port", n as u64)
        .text("device", &port.label)
        .text("link", &port.link)
        .count("rx_packets", stats.rx_packets)
        .count("rx_bytes", stats.rx_bytes)
        .number("rx_mpps", rx.mpps)
        .number("rx_mbit", rx.mbit)
        .count("tx_packets", stats.tx_packets)
        .count("tx_bytes", stats.tx_bytes)
        .number("tx_mpps", tx.mpps)
        .number("tx_mbit", tx.mbit)
        .count("missed", stats.rx_missed)
        .count("dropped", stats.rx_dropped)
        .count("errors", stats.rx_errors)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_the_framing_of_each_packet() {
        // 10 Gbit/s of the smallest frames are 14.88 Mpps.
        let stats = DeviceStats { rx_packets: 14_880_952, rx_bytes: 14_880_952 * 60, ..Default::default() };
        assert_eq!(Rate::received(stats, 1.0).to_string(), "14.88 Mpps 10000.00 Mbit/s");
        assert_eq!(Rate::sent(stats, 1.0).to_string(), "0.00 Mpps 0.00 Mbit/s");
        assert_eq!(Rate::new(10, 6720, 1.0).to_string(), "0.000010 Mpps 0.01 Mbit/s");
        assert_eq!(Rate::new(10, 6720, 0.0).to_string(), Rate::new(10, 6720, 1e-9).to_string());
    }

    #[test]
    fn a_json_line_has_all_keys() {
        let port = Port {
            label: "sim:rx=\"x\"".into(),
            before: DeviceStats::default(),
            now: DeviceStats::default(),
            link: "up at 10000 Mbit/s".into(),
        };
        let stats = DeviceStats {
            rx_packets: 2_000_000,
            rx_bytes: 120_000_000,
            rx_missed: 3,
            rx_errors: 5,
            rx_dropped: 4,
            tx_packets: 2,
            tx_bytes: 120,
        };
        assert_eq!(
            json("rates", 4.0, 2.0, 1, &port, stats),
            "{\"event\":\"rates\",\"time\":4.000000,\"seconds\":2.000000,\"port\":1,\"device\":\"sim:rx=\\\"x\\\"\",\
             \"link\":\"up at 10000 Mbit/s\",\"rx_packets\":2000000,\"rx_bytes\":120000000,\"rx_mpps\":1.000000,\
             \"rx_mbit\":672.000000,\"tx_packets\":2,\"tx_bytes\":120,\"tx_mpps\":0.000001,\"tx_mbit\":0.000672,\
             \"missed\":3,\"dropped\":4,\"errors\":5}"
        );
    }
}
