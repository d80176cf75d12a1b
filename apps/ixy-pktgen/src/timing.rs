//! The schedule of a capture's frames: [`Timing`].

use std::time::Duration;

use ixy::FRAMING;

use super::rate::Rate;

/// Frames that are later than this, at a rate, are not caught up with.
const MEMORY: Duration = Duration::from_millis(10);

/// Computes when each frame of a capture is due, from the start of sending.
#[derive(Debug)]
pub(crate) enum Timing {
    /// At once.
    Fast,
    /// Evenly spaced.
    Even {
        /// At this rate.
        rate: Rate,
        /// The time at which the next one is due.
        next: Duration,
    },
    /// At the distances of their capture.
    Own(Own),
}

/// Frames at the distances of their time stamps.
#[derive(Debug)]
pub(crate) struct Own {
    speed: f64,
    longest: Duration,
    /// The latest time stamp, in nanoseconds, and the time at which its frame was due.
    last: Option<u64>,
    due: Duration,
    /// The number of distances above the limit, and the first of them.
    shortened: u64,
    first: Option<Duration>,
}

impl Own {
    /// `speed` times as fast as captured, with no distance above `longest`.
    pub(crate) fn new(speed: f64, longest: Duration) -> Self {
        Self { speed, longest, last: None, due: Duration::ZERO, shortened: 0, first: None }
    }

    /// The time at which a frame with this time stamp is due. Time stamps may go back a little, as those of
    /// several queues do: such a frame is due with the one before it. A step back by more than the longest
    /// distance restarts the clock there.
    fn due(&mut self, time: u64) -> Duration {
        let last = self.last.unwrap_or(time);
        let distance = Duration::from_nanos(time.saturating_sub(last)).div_f64(self.speed);
        if distance > self.longest {
            self.shortened += 1;
            self.first.get_or_insert(distance);
        }
        self.due += distance.min(self.longest);
        let back = Duration::from_nanos(last.saturating_sub(time)).div_f64(self.speed);
        self.last = Some(if back > self.longest { time } else { last.max(time) });
        self.due
    }
}

impl Timing {
    /// The time at which a frame of `len` bytes with this time stamp is due; it is `now` after the start.
    pub(crate) fn due(&mut self, time: u64, len: usize, now: Duration) -> Duration {
        match self {
            Self::Fast => Duration::ZERO,
            Self::Own(own) => own.due(time),
            Self::Even { rate, next } => {
                let due = if now.saturating_sub(*next) > MEMORY { now } else { *next };
                let seconds = match rate {
                    Rate::Packets(packets) => 1.0 / *packets,
                    Rate::Bits(bits) => ((len as u64 + FRAMING) * 8) as f64 / *bits,
                };
                // A frame that is due in a thousand years is never sent in either case.
                *next = due + Duration::from_secs_f64(seconds.min(3.2e10));
                due
            }
        }
    }

    /// The capture starts again.
    pub(crate) fn restart(&mut self) {
        if let Self::Own(own) = self {
            own.last = None;
        }
    }

    /// A sentence on the shortened distances, if there are any.
    pub(crate) fn account(&self) -> Option<String> {
        let Self::Own(Own { shortened, first: Some(first), longest, .. }) = self else { return None };
        let (first, longest) = (first.as_secs_f64(), longest.as_secs_f64());
        let gaps = if *shortened == 1 { "gap" } else { "gaps" };
        Some(format!(
            "{shortened} {gaps} between time stamps shortened to {longest} s, the first of them {first:.0} s long; \
             --max-gap sets the limit, --fast leaves out all gaps"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn own(speed: f64, times: &[u64]) -> (Vec<f64>, Timing) {
        let mut timing = Timing::Own(Own::new(speed, Duration::from_secs(10)));
        let due = times.iter().map(|time| timing.due(*time, 60, Duration::ZERO).as_secs_f64()).collect();
        (due, timing)
    }

    #[test]
    fn frames_keep_their_distances_divided_by_the_speed() {
        let times = [5 * SECOND, 6 * SECOND, 8 * SECOND];
        assert_eq!(own(1.0, &times).0, [0.0, 1.0, 3.0]);
        assert_eq!(own(2.0, &times).0, [0.0, 0.5, 1.5]);
        assert_eq!(own(0.5, &times).0, [0.0, 2.0, 6.0]);
        assert!(own(1.0, &times).1.account().is_none());
    }

    #[test]
    fn long_gaps_are_shortened_and_said() {
        let (due, timing) = own(1.0, &[0, 1_577_836_800 * SECOND, 1_577_836_801 * SECOND, u64::MAX]);
        assert_eq!(due, [0.0, 10.0, 11.0, 21.0]);
        let line = timing.account().unwrap();
        assert!(line.contains("2 gaps") && line.contains("10 s") && line.contains("1577836800 s"), "{line}");
        assert_eq!(own(1000.0, &[0, 1000 * SECOND]).0, [0.0, 1.0], "only what would be waited counts");
        assert_eq!(own(1e-9, &[0, SECOND]).0, [0.0, 10.0]);
    }

    #[test]
    fn time_stamps_that_go_back_cost_no_time_and_stop_nothing() {
        let s = SECOND;
        assert_eq!(own(1.0, &[10 * s, 9 * s, 11 * s]).0, [0.0, 0.0, 1.0], "a little");
        assert_eq!(own(1.0, &[900 * s, 5 * s, 6 * s]).0, [0.0, 0.0, 1.0], "far");
    }

    #[test]
    fn a_rate_spaces_frames_by_number_or_by_length() {
        let mut timing = Timing::Even { rate: Rate::Packets(10.0), next: Duration::ZERO };
        let due: Vec<_> = (0..3).map(|n| timing.due(0, 60, Duration::from_millis(100 * n))).collect();
        assert_eq!(due, [0, 100, 200].map(Duration::from_millis));
        // 1,226 bytes and their framing are 10,000 bits.
        let mut timing = Timing::Even { rate: Rate::Bits(1e6), next: Duration::ZERO };
        timing.due(0, 1226, Duration::ZERO);
        assert_eq!(timing.due(0, 60, Duration::from_millis(10)), Duration::from_millis(10));
        let late = Duration::from_secs(5);
        assert_eq!(timing.due(0, 60, late), late, "what is late is not caught up with");
    }
}
