//! The flags that programs share: [`Flags`], [`Verbosity`].

use std::ops::RangeInclusive;
use std::time::Duration;

use ixy_pcap::GiveUp;

use crate::metrics::Listen;
use crate::session::Session;

/// Flags of every program that moves frames.
#[derive(Debug, Clone, clap::Args)]
pub struct Flags {
    /// Packets handled together, 1 to 256
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = number::<u16>(1..=256), help_heading = QUEUES,
        hide_short_help = true)]
    pub batch: u16,
    /// Descriptors in each ring: a power of two from 64 to 4096
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = ring, help_heading = QUEUES,
        hide_short_help = true)]
    pub ring: u16,
    /// Pairs of queues on each device, 1 to 64
    ///
    /// A pair is a receive and a transmit queue. The card spreads received frames over its receive queues by a hash of their IP addresses and TCP or UDP
    /// ports (receive side scaling, RSS), so all frames of a flow stay in one queue and in order. An 82599 spreads
    /// over 16 queues at most, and frames without an IP header go to queue 0. A virtio device spreads frames in
    /// its own way.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<u16>(1..=64), help_heading = QUEUES)]
    pub queues: u16,
    /// End after this time: 5 (seconds), 200ms, 2m
    ///
    /// The units are us, ms, s, m and h. The time includes opening the devices.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Print statistics as one JSON object a line
    #[arg(long, help_heading = STATISTICS)]
    pub json: bool,
    /// Print statistics as comma-separated values: a line of column names, then a line for each interval and device
    #[arg(long, conflicts_with = "json", help_heading = STATISTICS, hide_short_help = true)]
    pub csv: bool,
    /// Show statistics in a table that is redrawn at each interval; needs a terminal
    ///
    /// Packets and bits a second are of the interval; missed and dropped frames and errors are counted since the start.
    #[arg(long, conflicts_with_all = ["json", "csv", "quiet"], help_heading = STATISTICS,
        hide_short_help = true)]
    pub live: bool,
    /// Time between two prints of the statistics
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval, help_heading = STATISTICS,
        hide_short_help = true)]
    pub interval: Duration,
    /// Print the counts of each queue as well
    ///
    /// An 82599 has counters for up to 16 queues. A virtio device has none, so its driver counts. An 82576 has
    /// counters for pools of queues only, so its queues are not counted. JSON and metrics always have these
    /// counts.
    #[arg(long, help_heading = STATISTICS, hide_short_help = true)]
    pub per_queue: bool,
    /// Serve statistics to Prometheus at http://ADDR/metrics
    ///
    /// ADDR is a port (9100) on the loopback interface, or an address with a port (192.0.2.7:9100,
    /// `[2001:db8::7]:9100`, 0.0.0.0:9100 for all interfaces). Everyone who can reach the address can read the
    /// statistics. Port 0 takes a free one, which -v prints. Threads of their own answer at most
    /// eight clients at a time, with counts at most a second old.
    #[arg(long, value_name = "ADDR", value_parser = Listen::parse, help_heading = STATISTICS, hide_short_help = true)]
    pub metrics: Option<Listen>,
    /// Take a card from its kernel driver even while its network interface is up
    #[arg(long, help_heading = DEVICES, hide_short_help = true)]
    pub force: bool,
    /// Keep cards behind an IOMMU out of each other's rings: each gets its own address space
    #[arg(long, help_heading = DEVICES, hide_short_help = true)]
    pub apart: bool,
    /// The amount of messages.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// The format of statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
    Csv,
    Live,
}

const QUEUES: &str = "Queues";
const STATISTICS: &str = "Statistics";
const DEVICES: &str = "Devices";

/// Flags of every program: the amount of messages on standard error.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Messages")]
pub struct Verbosity {
    /// Print more messages: -v the main steps, -vv each step, -vvv everything
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print only errors and results (the summary at the end of a run)
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

impl Verbosity {
    /// The level of messages.
    pub(crate) fn level(&self) -> &'static str {
        match (self.quiet, self.verbose) {
            (true, _) => "error",
            (_, 0) => "warn",
            (_, 1) => "info",
            (_, 2) => "debug",
            _ => "trace",
        }
    }
}

impl Flags {
    /// The format of statistics that the flags choose.
    pub(crate) fn format(&self) -> Format {
        match self {
            Self { json: true, .. } => Format::Json,
            Self { csv: true, .. } => Format::Csv,
            Self { live: true, .. } => Format::Live,
            _ => Format::Text,
        }
    }

    /// The options for opening devices.
    pub fn options(&self, session: &Session) -> ixy::Options {
        let options = session.options().clone().queues(self.queues).rx_ring(self.ring).tx_ring(self.ring);
        options.force(self.force).apart(self.apart).stop(&session.stop_after(self.duration))
    }

    /// Ends waits for captures in pipes at a signal, or when `--duration` is over.
    pub fn give_up(&self, session: &Session) -> GiveUp {
        let stop = session.stop_after(self.duration);
        GiveUp::when(move || stop.requested())
    }
}

fn ring(text: &str) -> Result<u16, String> {
    let number = text.parse().ok();
    let allowed = number.filter(|n: &u16| n.is_power_of_two() && (64..=4096).contains(n));
    allowed.ok_or_else(|| "write a power of two from 64 to 4096".into())
}

/// The shortest time between two prints.
const SHORTEST: Duration = Duration::from_millis(10);

/// Reads the time between two prints of statistics, of 10 ms or more.
///
/// # Errors
/// The text is not a length of time, or the time is too short.
pub fn interval(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time < SHORTEST { Err("write a time of at least 10ms, such as 1s".into()) } else { Ok(time) }
}

/// The times that [`duration`] reads.
const TIME: &str =
    "write a time from 0 on, such as 5 (seconds), 0.5, 200ms or 2m; the units are us, ms, s, m and h";

/// The longest of them, in seconds.
const LONGEST: f64 = 8_760_000.0 * 3600.0;

/// Makes a parser for an option's value: it reads a whole number in `range`, and its error names the valid
/// numbers.
pub fn number<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("write a whole number from {} to {}", range.start(), range.end()))
    }
}

/// Reads a length of time: `5`, `1.5`, `200ms`, `50us`, `2m`.
///
/// # Errors
/// The text is not a length of time, is negative, or is longer than a thousand years.
pub fn duration(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "us" => 0.000_001,
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(TIME.into()),
    };
    let seconds = number.parse::<f64>().ok().map(|n| n * unit).filter(|seconds| *seconds >= 0.0);
    match seconds {
        None => Err(TIME.into()),
        Some(seconds) if seconds > LONGEST => {
            Err("write a time of at most 8760000h, a thousand years".into())
        }
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_and_without_a_unit() {
        for (text, milliseconds) in
            [("5", 5000), ("1.5", 1500), ("200ms", 200), ("2m", 120_000), ("1h", 3_600_000), ("0", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(duration("50us"), Ok(Duration::from_micros(50)));
        for text in ["", "s", "-1", "1d", "inf", "nan", "1 s"] {
            assert_eq!(duration(text), Err(TIME.into()), "{text}");
        }
        assert_eq!(duration("8760000h"), Ok(Duration::from_secs(8_760_000 * 3600)));
        for text in ["8760001h", "99999999h", "1e99"] {
            let [time, interval] = [duration(text), interval(text)];
            assert!(time.as_ref().is_err_and(|why| why.contains("at most 8760000h")), "{text}: {time:?}");
            assert_eq!(interval, time, "{text}");
        }
    }

    #[test]
    fn a_number_out_of_its_range_is_refused_with_the_range() {
        let number = number::<u16>(1..=70_000);
        assert_eq!((number("1"), number("65535")), (Ok(1), Ok(65535)));
        for text in ["0", "-1", "65536", "70001", "x", "", "1.5", "1M", "99999999999999999999"] {
            assert_eq!(number(text), Err("write a whole number from 1 to 70000".into()), "{text}");
        }
    }

    #[test]
    fn an_interval_is_not_so_short_that_printing_takes_all_time() {
        assert_eq!(interval("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(interval("5"), Ok(Duration::from_secs(5)));
        for text in ["0", "9ms", "often"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rings_are_those_that_devices_have() {
        for text in ["64", "512", "4096"] {
            assert!(ring(text).is_ok(), "{text}");
        }
        for text in ["0", "63", "100", "32", "8192", "65536", "-64", "x", ""] {
            assert!(ring(text).is_err(), "{text}");
        }
    }
}
