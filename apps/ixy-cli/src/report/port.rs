//! The state of one device in a report, and a row of its counts.

use ixy::{Device, DeviceStats, Error, LinkState, QueueStats};

use crate::escape::escaped;

/// The state of one device.
pub(super) struct Port {
    /// Its position among the arguments.
    pub(super) number: usize,
    /// The device's name, as it is, for programs.
    pub(super) device: String,
    /// The device's name without control characters, for people.
    pub(super) label: String,
    pub(super) link: LinkState,
    /// Its counts when it was last printed.
    printed: Counts,
    /// Its counts at the last reading.
    pub(super) now: Counts,
}

/// The counts of a device: the total, and by queue if it has them.
#[derive(Clone, Default)]
pub(super) struct Counts {
    pub(super) total: DeviceStats,
    pub(super) queues: Vec<QueueStats>,
    /// The number of packets that the device received and the program did not take before its end.
    pub(super) left_over: u64,
    /// The number of records of a capture that never reached the device.
    pub(super) skipped: u64,
}

/// Counts of a port over some time.
pub(super) struct Row<'a> {
    pub(super) event: Event,
    pub(super) port: &'a Port,
    pub(super) counts: &'a Counts,
    /// Seconds since the start.
    pub(super) time: f64,
    /// The length of the counts' interval in seconds.
    pub(super) seconds: f64,
}

/// The kind of a row's interval.
#[derive(Clone, Copy)]
pub(super) enum Event {
    /// The interval since the last row.
    Rates,
    /// The whole run.
    Summary,
}

impl Event {
    /// Its name in machine-readable output.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rates => "rates",
            Self::Summary => "summary",
        }
    }
}

impl Port {
    /// The message about packets that the device had not accepted at the end.
    pub(super) fn not_sent(&self, count: u64) -> String {
        let (why, way_out) = match self.link.up {
            true => ("took no more", "see why its other end takes none"),
            false => ("has no link", "see that its other end is there"),
        };
        format!("{count} frames for {} were not sent, as it {why}, and are dropped; {way_out}", self.label)
    }

    pub(super) fn new(number: usize, device: &Device) -> Self {
        let (printed, now) = (Counts::default(), Counts::default());
        let name = device.address();
        Self { number, device: name.to_owned(), label: escaped(name), link: device.link(), printed, now }
    }

    /// Reads the counters.
    pub(super) fn read(&mut self, device: &Device) -> Result<(), Error> {
        let (total, queues, skipped) = (device.stats()?, device.queue_stats(), device.records_skipped());
        self.now = Counts { total, queues, left_over: 0, skipped };
        self.link = device.link();
        Ok(())
    }

    /// The counts since the last call.
    pub(super) fn take(&mut self) -> Counts {
        let before = std::mem::replace(&mut self.printed, self.now.clone());
        self.now.since(&before)
    }
}

impl Counts {
    fn since(&self, before: &Self) -> Self {
        let earlier = before.queues.iter().copied().chain(std::iter::repeat(QueueStats::default()));
        Self {
            total: self.total - before.total,
            queues: self.queues.iter().zip(earlier).map(|(now, before)| *now - before).collect(),
            left_over: self.left_over - before.left_over,
            skipped: self.skipped.saturating_sub(before.skipped),
        }
    }
}

/// A row for tests: two seconds of a port with one queue pair.
#[cfg(test)]
pub(super) fn example(test: impl FnOnce(&Row<'_>)) {
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
    let counts = Counts { total, queues: vec![queue], left_over: 6, skipped: 7 };
    let link = LinkState { up: true, speed: 10_000 };
    let (name, now) = ("sim:rx=\"x\",tx=y", counts.clone());
    let (device, label) = (name.to_owned(), name.to_owned());
    let port = Port { number: 1, device, label, link, printed: Counts::default(), now };
    test(&Row { event: Event::Rates, port: &port, counts: &counts, time: 4.0, seconds: 2.0 });
}
