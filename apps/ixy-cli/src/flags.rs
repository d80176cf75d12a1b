//! The flags that all programs have: [`Flags`].

use std::time::Duration;

use ixy_pcap::GiveUp;

use crate::session::Session;

/// What `--help` of every program says of addresses, and of how it ends.
pub const HELP: &str = "\
Addresses:
  0000:03:00.0 or 03:00.0   a network card, as `lspci -nn` prints it (Intel 82599, X540, X550,
                            82576; virtio); `ixy-info` tells what is missing before it can be used
  sim                       a software 82599 with an endless source of 60-byte frames, and a sink; needs nothing
  sim:flood,size=N,flows=N  the same, with frames of N bytes (60 to 1514) in N UDP flows
  sim:rx=IN.pcap            receives the frames of a capture; its input ends after the last one
  sim:tx=OUT.pcap           writes what is sent into a capture; rx= and tx= go together, too
  sim:cable=NAME            one end of a cable in this process; the other end has the same name
  sim:socket=PATH           one end of a cable between two processes that open the same path, in any order
  sim:tap=NAME              a TAP interface of this machine (needs root); with up, mtu=N, addr=10.0.0.1/24 (also
                            IPv6; brings it up), netns=NAME (in that network namespace)
  sim:loopback              receives what it sends
  and for any sim: mac=02:00:00:00:00:07, pause=off (frames that find no room are missed and do not wait), link=down,
  loss=P dup=P corrupt=P (probabilities from 0 to 1), delay=TIME (such as 50us), seed=N, module=KIND (the SFP+ module:
  sr, lr, lrm, er, dual, dac, active-dac or 1g)
  Options are apart by commas; a comma inside a value is written twice.
  vfio-user:PATH            a software 82599 that another process serves at that socket (ixy-serve --socket PATH)

Examples:
  ixy-fwd sim sim --duration 5
  ixy-fwd sim:rx=in.pcap sim:tx=out.pcap
  ixy-fwd 0000:03:00.0 0000:03:00.1
  ixy-fwd 03:00.0 03:00.1 --wait adaptive
  ixy-pktgen sim:socket=/tmp/a --count 100000
  ixy-fwd sim:socket=/tmp/a sim:socket=/tmp/b
  ixy-dump sim:socket=/tmp/b -w out.pcap
  ixy-fwd vfio-user:/tmp/a vfio-user:/tmp/b

Statistics go to standard output, messages to standard error (IXY_LOG=debug sets their level, as -vv does).
SIGINT (Ctrl-C) and SIGTERM end the program with a summary; a second one ends it at once.
Exit code 0: all went well; 1: an error, told in one line; 2: the arguments are wrong.";

/// Flags that all programs have.
#[derive(Debug, Clone, clap::Args)]
pub struct Flags {
    /// Packets that are handled together, 1 to 256
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub batch: u16,
    /// Descriptors in each ring: a power of two from 64 to 4096
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = ring)]
    pub ring: u16,
    /// Pairs of a receive and a transmit queue of each device, 1 to 64
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub queues: u16,
    /// End after this time, with that for opening the devices: seconds, or a number with us, ms, s, m or h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Print statistics as one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Take a card from its kernel driver even while its network interface is up
    #[arg(long)]
    pub force: bool,
    /// Let no card behind an IOMMU reach the rings of another: each gets an address space of its own
    #[arg(long)]
    pub apart: bool,
    /// Tell more: -v what is done, -vv each step, -vvv everything
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print the summary only, and of messages only errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

impl Flags {
    /// How devices are to be opened.
    pub fn options(&self, session: &Session) -> ixy::Options {
        let options = session.options().clone().queues(self.queues).rx_ring(self.ring).tx_ring(self.ring);
        options.force(self.force).apart(self.apart).stop(&session.stop_after(self.duration))
    }

    /// When captures in pipes are waited for no longer: at a signal, or when `--duration` is over.
    pub fn give_up(&self, session: &Session) -> GiveUp {
        let stop = session.stop_after(self.duration);
        GiveUp::when(move || stop.requested())
    }
}

fn ring(text: &str) -> Result<u16, String> {
    let number = text.parse().ok();
    let allowed = number.filter(|n: &u16| n.is_power_of_two() && (64..=4096).contains(n));
    allowed.ok_or_else(|| "a ring has a power of two of descriptors from 64 to 4096".into())
}

/// Reads a length of time: `5`, `1.5`, `200ms`, `50us`, `2m`.
///
/// # Errors
/// It is none, or longer than a thousand years.
pub fn duration(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[number.len()..] {
        "us" => 0.000_001,
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("write seconds, or a number with us, ms, s, m or h, such as 5 or 200ms".into()),
    };
    let seconds = number.parse::<f64>().ok().map(|n| n * unit).filter(|s| (0.0..=3.2e10).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "write a number of seconds, such as 5 or 0.5".into())
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
        for text in ["", "s", "-1", "1d", "inf", "nan", "1 s", "1e99"] {
            assert!(duration(text).is_err(), "{text}");
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
