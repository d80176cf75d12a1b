//! The rate of frames, in suitable units: [`Rate`].

use std::fmt;

use ixy::{DeviceStats, FRAMING, QueueStats};

/// The shortest time in seconds that has a rate: what arrived in less was there before.
const SHORTEST: f64 = 1e-3;

/// Packets and bits a second, in millions; not a number (NaN) over no time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) mpps: f64,
    pub(crate) mbit: f64,
}

impl Rate {
    pub(crate) fn received(stats: DeviceStats, seconds: f64) -> Self {
        Self::new(stats.rx_packets, stats.rx_wire_bits(), seconds)
    }

    pub(crate) fn sent(stats: DeviceStats, seconds: f64) -> Self {
        Self::new(stats.tx_packets, stats.tx_wire_bits(), seconds)
    }

    /// The rates of a queue pair, received and sent.
    pub(crate) fn of_queue(stats: QueueStats, seconds: f64) -> [Self; 2] {
        [(stats.rx_packets, stats.rx_bytes), (stats.tx_packets, stats.tx_bytes)]
            .map(|(packets, bytes)| Self::new(packets, (bytes + packets * FRAMING) * 8, seconds))
    }

    fn new(packets: u64, bits: u64, seconds: f64) -> Self {
        let millions = |n: u64| if seconds < SHORTEST { f64::NAN } else { n as f64 / 1e6 / seconds };
        Self { mpps: millions(packets), mbit: millions(bits) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mpps, mbit } = self;
        if mpps.is_nan() {
            return f.write_str("-");
        }
        // A slow link shows more than zeros.
        if *mpps == 0.0 || *mpps >= 0.01 {
            return write!(f, "{mpps:.2} Mpps {mbit:.2} Mbit/s");
        }
        let pps = mpps * 1e6;
        let decimals = if pps < 10.0 { 1 } else { 0 };
        write!(f, "{pps:.decimals$} pps ")?;
        if *mbit < 1.0 { write!(f, "{:.2} kbit/s", mbit * 1e3) } else { write!(f, "{mbit:.2} Mbit/s") }
    }
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
        let queue = QueueStats { tx_packets: 1_000_000, tx_bytes: 60_000_000, ..Default::default() };
        assert_eq!(Rate::of_queue(queue, 1.0)[1].to_string(), "1.00 Mpps 672.00 Mbit/s");
    }

    #[test]
    fn a_slow_link_is_shown_in_packets_and_kilobits() {
        assert_eq!(Rate::new(10_000, 6_720_000, 1.0).to_string(), "0.01 Mpps 6.72 Mbit/s");
        assert_eq!(Rate::new(9_999, 6_719_328, 1.0).to_string(), "9999 pps 6.72 Mbit/s");
        assert_eq!(Rate::new(10, 6720, 1.0).to_string(), "10 pps 6.72 kbit/s");
        assert_eq!(Rate::new(1, 672, 2.0).to_string(), "0.5 pps 0.34 kbit/s");
    }

    #[test]
    fn over_no_time_there_is_no_rate() {
        for seconds in [0.0, 1e-9, 0.0009] {
            assert_eq!(Rate::new(512, 344_064, seconds).to_string(), "-", "{seconds}");
        }
        assert_eq!(Rate::new(512, 344_064, 0.001).to_string(), "0.51 Mpps 344.06 Mbit/s");
    }
}
