//! The rate of frames, [`Rate`], and their schedule, [`Pace`].

use std::str::FromStr;
use std::time::{Duration, Instant};

use ixy::FRAMING;

/// A rate as the user writes it: `1M`, `500k`, `1.5M` packets, or `5Gbit`, `100Mbit` on the wire, each second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    /// Packets a second.
    Packets(f64),
    /// Bits a second on the wire, framing included.
    Bits(f64),
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '/');
        let unit = &text[digits.len()..];
        let unit = unit.strip_suffix("/s").unwrap_or(unit);
        let (prefix, bits) = match unit.strip_suffix("bit") {
            Some(prefix) => (prefix, true),
            None => (unit.strip_suffix("pps").unwrap_or(unit), false),
        };
        let factor = match prefix {
            "" => Some(1.0),
            "k" | "K" => Some(1e3),
            "M" => Some(1e6),
            "G" => Some(1e9),
            _ => None,
        };
        let rate = factor.and_then(|factor| Some(digits.parse::<f64>().ok()? * factor));
        match rate.filter(|rate| rate.is_finite() && *rate > 0.0) {
            Some(rate) if bits => Ok(Self::Bits(rate)),
            Some(rate) => Ok(Self::Packets(rate)),
            None if rate == Some(0.0) => {
                Err("write more than 0, or leave --rate out to send as fast as possible".into())
            }
            None => {
                Err("write more than 0 packets a second, such as 1M or 500k, or bits a second, such as 5Gbit"
                    .into())
            }
        }
    }
}

impl Rate {
    /// Frames a second, of `size` bytes without frame check sequence.
    pub(crate) fn packets(self, size: u16) -> f64 {
        match self {
            Self::Packets(packets) => packets,
            Self::Bits(bits) => bits / ((u64::from(size) + FRAMING) * 8) as f64,
        }
    }
}

/// Computes how many packets are due, evenly spaced.
#[derive(Debug)]
pub(crate) struct Pace {
    packets_per_second: f64,
    start: Instant,
    /// Packets that were due since then.
    given: u64,
}

impl Pace {
    /// Frames that are late by more than this, for lack of room, are not caught up with.
    const MEMORY: Duration = Duration::from_millis(10);

    pub(crate) fn new(packets_per_second: f64, start: Instant) -> Self {
        Self { packets_per_second, start, given: 0 }
    }

    /// The number of packets to send at `now`, at most `most`.
    pub(crate) fn due(&mut self, now: Instant, most: usize) -> usize {
        let elapsed = now.saturating_duration_since(self.start);
        // The first is due at the start.
        let until_now = ((elapsed.as_secs_f64() * self.packets_per_second) as u64).saturating_add(1);
        let due = until_now.saturating_sub(self.given);
        let behind = due as f64 / self.packets_per_second;
        if due > most as u64 && behind > Self::MEMORY.as_secs_f64() {
            self.start = now;
            self.given = 1;
            return most;
        }
        let due = due.min(most as u64);
        self.given += due;
        due as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_in_packets_and_in_bits() {
        for (text, rate) in [
            ("1", Rate::Packets(1.0)),
            ("500k", Rate::Packets(500e3)),
            ("1.5M", Rate::Packets(1.5e6)),
            ("2Mpps", Rate::Packets(2e6)),
            ("5Gbit", Rate::Bits(5e9)),
            ("100Mbit/s", Rate::Bits(100e6)),
            ("64bit", Rate::Bits(64.0)),
        ] {
            assert_eq!(text.parse(), Ok(rate), "{text}");
        }
        for text in ["", "M", "0", "-1", "1T", "1 M", "inf", "nan", "1e400", "5Gbyte", "bit"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        assert_eq!(Rate::Bits(10e9).packets(60).round(), 14_880_952.0);
    }

    #[test]
    fn packets_are_due_one_by_one_and_none_is_lost_by_rounding() {
        let start = Instant::now();
        let mut pace = Pace::new(3e5, start);
        let mut given = 0;
        for microsecond in 0..1_000_000 {
            let due = pace.due(start + Duration::from_micros(microsecond), 32);
            assert!(due <= 1, "a burst of {due} at {microsecond} us");
            given += due;
        }
        assert_eq!(given, 300_000);
    }

    #[test]
    fn a_short_stop_is_caught_up_with_and_a_long_one_is_not() {
        let start = Instant::now();
        let mut pace = Pace::new(1e4, start);
        assert_eq!(pace.due(start, 32), 1);
        let later = start + Duration::from_millis(5);
        assert_eq!((pace.due(later, 32), pace.due(later, 32), pace.due(later, 32)), (32, 18, 0));
        let much_later = start + Duration::from_secs(5);
        assert_eq!((pace.due(much_later, 32), pace.due(much_later, 32)), (32, 0));
        assert_eq!(pace.due(much_later + Duration::from_millis(1), 32), 10);
    }
}
