//! ixy-pktgen sends frames: numbered ones that it generates, or those of a capture.
#![forbid(unsafe_code)]

pub(crate) mod fields;
pub(crate) mod frame;
mod rate;
mod replay;
mod source;
mod timing;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use fields::Fields;
use frame::{SHORTEST_V6, Template};
use ixy::{Batch, Cache, MacAddress, RxQueue, TxQueue};
use ixy_cli::{Error, Flags, Idle, Reporter, Session};
use ixy_pcap::{Claim, Input};
use rate::{Pace, Rate};
use replay::Replay;
use source::{Numbered, Source};
use timing::{Own, Timing};

const EXAMPLES: &[&str] = &[
    "ixy-pktgen sim --rate 1M --duration 5",
    "ixy-pktgen 03:00.0 --size 1514 --rate 5Gbit --flows 64",
    "ixy-pktgen sim:socket=/tmp/a --count 100000",
    "ixy-pktgen sim:tap=left --pcap in.pcap --loop",
];

/// Sends numbered UDP frames, or the frames of a capture
///
/// It ends after --count frames, at the end of the capture, after --duration, or on a signal.
///
/// A generated frame is Ethernet, IPv4 or IPv6, and UDP. Its payload starts with `ixy#`, and its last four bytes
/// are the frame's number, big-endian, from 0 on: ixy-dump --check uses it to find lost, repeated and reordered
/// frames. With --size 60 the number is in bytes 56 to 59; byte 48, which ixy-fwd --touch byte increments, is not
/// part of it. In a range (A-B) of addresses or ports each frame has the next value, and the first one follows the
/// last. The checksums of the IPv4 header and of UDP in IPv6 are right; the UDP checksum in IPv4 is zero, which
/// means none.
///
/// A capture's frames of up to 1522 bytes are sent, short ones padded to 60. Records without a frame, frames that
/// are too long, and frames that were cut when they were captured are counted, and warnings name the first of each
/// kind; the exit code stays 0. Frames that arrive in the meantime are counted and freed.
#[derive(Debug, Parser)]
#[command(name = "ixy-pktgen", version, after_help = ixy_cli::short_help(EXAMPLES), after_long_help = ixy_cli::help(EXAMPLES))]
pub(crate) struct Args {
    /// The device
    device: ixy::Address,
    /// Packets (1M) or bits on the wire (5Gbit) per second [default: no limit]
    ///
    /// The frames are evenly spaced.
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,
    /// Bytes of each frame, 60 to 1514 [default: 60, with IPv6 74]
    ///
    /// The frame check sequence does not count.
    #[arg(long, value_name = "BYTES", value_parser = ixy_cli::number::<u16>(60..=1514))]
    size: Option<u16>,
    /// End after this many frames
    #[arg(short, long, value_name = "N", value_parser = ixy_cli::number::<u64>(1..=u64::MAX))]
    count: Option<u64>,
    #[command(flatten)]
    pub(crate) fields: Fields,
    /// Send the frames of this capture, at their own pace or at --rate
    ///
    /// It is a pcap or pcapng file, gzip or not; - stands for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "size", conflicts_with_all = fields::FLAGS)]
    pcap: Option<PathBuf>,
    /// Send the capture as fast as possible
    #[arg(long, requires = "pcap", conflicts_with_all = ["rate", "speed", "max_gap"])]
    fast: bool,
    /// Send the capture this many times as fast as it was captured: 2, 0.5
    #[arg(long, value_name = "X", requires = "pcap", conflicts_with = "rate", value_parser = speed, hide_short_help = true)]
    speed: Option<f64>,
    /// Wait no longer than this between two frames of the capture, whatever their time stamps say [default: 10s]
    #[arg(long, value_name = "TIME", requires = "pcap", conflicts_with = "rate", value_parser = ixy_cli::duration, hide_short_help = true)]
    max_gap: Option<Duration>,
    /// Send the capture again and again
    #[arg(long = "loop", requires = "pcap")]
    endless: bool,
    /// How long to wait for a link
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = ixy_cli::duration, hide_short_help = true)]
    link_timeout: Duration,
    #[command(flatten)]
    flags: Flags,
}

/// The longest time between two frames of a capture, unless --max-gap sets another.
const MAX_GAP: Duration = Duration::from_secs(10);

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| (1e-6..=1e6).contains(speed));
    speed.ok_or_else(|| "write a number from 0.000001 to 1000000, such as 2 (twice as fast) or 0.5".into())
}

impl Args {
    /// The schedule of a capture's frames.
    fn timing(&self) -> Timing {
        match self.rate {
            Some(rate) => Timing::Even { rate, next: Duration::ZERO },
            None if self.fast => Timing::Fast,
            None => Timing::Own(Own::new(self.speed.unwrap_or(1.0), self.max_gap.unwrap_or(MAX_GAP))),
        }
    }
}

/// A queue pair: frames are sent on one queue, and frames received on the other are freed.
struct Pair {
    rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
    batch: Batch,
    /// The number of packets received.
    taken: u64,
}

impl Pair {
    fn unsent(&mut self) -> usize {
        self.batch.len() + self.tx.pending()
    }

    /// Frees the frames that arrived, by way of the empty batch `arrived`. Returns their number.
    fn take(&mut self, arrived: &mut Batch) -> usize {
        self.rx.receive(arrived);
        let taken = arrived.len();
        arrived.clear();
        self.taken += taken as u64;
        taken
    }
}

/// The time without a sent frame, after the last frame was generated, until the rest counts as dropped.
const PATIENCE: Duration = Duration::from_secs(30);

/// The number of passes for one look at empty receive queues: fewer than fill a ring in that time.
const LISTEN: u32 = 8;

/// Sends the frames of `source` until there are no more and all were sent, or `go_on`, which gets the number sent,
/// returns false; then sends the rest, for a second at most.
fn generate(
    source: &mut impl Source,
    pairs: &mut [Pair],
    mut go_on: impl FnMut(u64) -> Result<bool, Error>,
) -> Result<(), Error> {
    let (mut more, mut sent, mut idle) = (true, 0, Idle::default());
    let (mut progress, mut before) = (Instant::now(), 0);
    let mut listening = true;
    let mut arrived = Batch::new(Batch::CAPACITY);
    while go_on(sent)? {
        for pass in 0..64 {
            let mut moved = 0;
            // While nothing arrives, an occasional look is enough.
            let listen = std::mem::take(&mut listening) || pass % LISTEN == 0;
            for pair in &mut *pairs {
                if more && pair.batch.is_empty() {
                    more = source.fill(&mut pair.batch, &mut *pair.tx);
                }
                let accepted = pair.tx.send(&mut pair.batch);
                sent += accepted as u64;
                moved += accepted;
                if listen {
                    let taken = pair.take(&mut arrived);
                    listening |= taken > 0;
                    moved += taken;
                }
            }
            if idle.after(moved, None) {
                break;
            }
        }
        if !more {
            let unsent: usize = pairs.iter_mut().map(Pair::unsent).sum();
            if unsent != before {
                (progress, before) = (Instant::now(), unsent);
            }
            if unsent == 0 || progress.elapsed() >= PATIENCE {
                // The count for the display of progress.
                return go_on(sent).map(drop);
            }
        }
    }
    let stopped = Instant::now();
    while pairs.iter_mut().any(|pair| pair.unsent() > 0) && stopped.elapsed() < Duration::from_secs(1) {
        // On a loopback, what was sent finds room only once what arrived was taken.
        let moved = pairs.iter_mut().map(|pair| pair.tx.send(&mut pair.batch) + pair.take(&mut arrived));
        idle.after(moved.sum(), None);
    }
    Ok(())
}

/// Whether a capture can be read only once: standard input, a named pipe, a device.
fn is_a_stream(path: &Path) -> bool {
    path.as_os_str() == "-" || path.metadata().is_ok_and(|file| !file.is_file())
}

pub(crate) fn run(args: Args, session: &Session) -> Result<(), Error> {
    let give_up = args.flags.give_up(session);
    if args.endless && args.pcap.as_deref().is_some_and(is_a_stream) {
        return Err(Error::Usage(
            "--loop needs a file: standard input and pipes can be read only once".into(),
        ));
    }
    let mut claims = args.device.claims();
    claims.extend(args.pcap.iter().map(|path| Claim::reads(format!("--pcap {}", path.display()), path)));
    Claim::check(&claims)?;
    // Before a device is opened, since that can empty a file.
    let v6 = args.fields.headers(MacAddress::default())?.is_v6();
    let size = args.size.unwrap_or(if v6 { SHORTEST_V6 } else { 60 });
    if v6 && size < SHORTEST_V6 {
        return Err(Error::Usage(format!(
            "--size cannot be `{size}` with IPv6 addresses: write a whole number from {SHORTEST_V6} to 1514, or leave it out"
        )));
    }
    let capture = args.pcap.as_ref().map(|path| Input::open(path, &give_up)).transpose()?;
    let flags = &args.flags;
    let mut devices = ixy::open(std::slice::from_ref(&args.device), &flags.options(session))?;
    let device = &mut devices[0];
    let headers = args.fields.headers(device.mac())?;
    let queues = device.queues();
    let pair = |n| {
        let (rx, tx) = (device.rx_queue(n)?, device.tx_queue(n)?);
        Ok(Pair { rx, tx, batch: Batch::new(flags.batch.into()), taken: 0 })
    };
    let mut pairs = (0..queues).map(pair).collect::<Result<Vec<_>, ixy::Error>>()?;
    // Enough for a ring, a batch, and the stock of a queue.
    let buffers = pairs.len() * (usize::from(flags.ring) + Batch::CAPACITY + 2 * Cache::CAPACITY);
    let pool = device.new_pool(buffers)?;
    ixy_cli::wait_for_link(device, args.link_timeout, session)?;

    let mut reporter = Reporter::new(session, flags, &devices).with_goal(args.count);
    let go_on = |sent| reporter.go_on(&devices, sent);
    let count = args.count.unwrap_or(u64::MAX);
    let (mut skipped, mut result) = (0, Ok(()));
    let generated = if let Some(capture) = capture {
        let mut source = Replay::new(pool, capture, args.timing(), args.endless, count);
        let generated = generate(&mut source, &mut pairs, go_on);
        (skipped, result) = source.end();
        generated
    } else {
        let pace = args.rate.map(|rate| Pace::new(rate.packets(size), Instant::now()));
        let mut source = Numbered::new(pool, Template::new(size, &headers), count, pace);
        generate(&mut source, &mut pairs, go_on)
    };
    let unsent = pairs.iter_mut().map(|pair| pair.unsent() as u64).sum();
    let taken = pairs.iter().map(|pair| pair.taken).sum();
    drop(pairs);
    if args.pcap.is_some() {
        reporter.note("skipped", skipped);
    }
    // Whatever ended it: the counts are printed, and then the first error is the reason.
    let reported = reporter.finish(devices, &[taken], &[unsent]);
    generated.and(reported).and(result)
}

fn main() -> ExitCode {
    ixy_cli::main(|args: &Args| &args.flags, run)
}
