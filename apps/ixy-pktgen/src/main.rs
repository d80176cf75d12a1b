//! ixy-pktgen sends frames: numbered ones that it makes, or those of a capture.
#![forbid(unsafe_code)]

pub(crate) mod frame;
mod rate;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use ixy_cli::{Error, Flags, Idle, Reporter, Session};
use ixy_core::{Batch, Cache, MacAddress, RxQueue, TxQueue};
use rate::{Pace, Rate};
use source::{Numbered, Replay, Source};

/// Sends numbered UDP frames, or the frames of a capture. Ends after --count frames, at the end of the capture, after
/// --duration, or by a signal.
///
/// A frame is Ethernet, IPv4 (10.0.0.1 to 10.0.0.2) and UDP (to port 1337). Its last four bytes are its number,
/// big-endian, from 0 on; so with --size 60 they are bytes 56 to 59, and the byte that ixy-fwd increments, 48, is another.
/// The UDP checksum is zero, which means none. What arrives meanwhile is counted and freed.
#[derive(Debug, Parser)]
#[command(version, after_help = ixy_cli::HELP)]
pub(crate) struct Args {
    /// The device
    device: ixy::Address,
    /// Send so many packets a second (1M, 500k), or bits a second on the wire (5Gbit), evenly; as fast as it goes if not
    /// given
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,
    /// Bytes of each frame without frame check sequence, 60 to 1514
    #[arg(long, value_name = "BYTES", default_value_t = 60, value_parser = clap::value_parser!(u16).range(60..=1514))]
    size: u16,
    /// End after so many frames
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Number of UDP flows, which differ in their source ports from 1024 on
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(frame::FLOWS)))]
    flows: u16,
    /// Where the frames go
    #[arg(long, value_name = "MAC", default_value = "02:00:00:00:00:02")]
    dst_mac: MacAddress,
    /// Send the frames of this capture, at its own pace; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "size", "flows", "dst_mac"])]
    pcap: Option<PathBuf>,
    /// Send the capture as fast as it goes
    #[arg(long, requires = "pcap")]
    fast: bool,
    /// Send the capture again and again
    #[arg(long = "loop", requires = "pcap")]
    endless: bool,
    /// Wait at most so long for a link
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = ixy_cli::duration)]
    link_timeout: Duration,
    #[command(flatten)]
    flags: Flags,
}

/// A pair of queues: frames go out of the one, and what comes in through the other is freed.
struct Pair {
    rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
    batch: Batch,
}

impl Pair {
    fn unsent(&mut self) -> usize {
        self.batch.len() + self.tx.pending()
    }
}

/// How long nothing may be sent, after the last frame was made, until what is left counts as dropped.
const PATIENCE: Duration = Duration::from_secs(30);

/// In how many passes the receive queues are looked at once while they are empty: fewer than fill a ring meanwhile.
const LISTEN: u32 = 8;

/// Sends what `source` gives until there is no more and all was sent, or `go_on`, which is told how many were, says no;
/// then sends what is left, for a second at most.
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
            // While nothing arrives, looking for it now and then is enough.
            let listen = std::mem::take(&mut listening) || pass % LISTEN == 0;
            for pair in &mut *pairs {
                if more && pair.batch.is_empty() {
                    more = source.fill(&mut pair.batch, &mut *pair.tx);
                }
                let taken = pair.tx.send(&mut pair.batch);
                sent += taken as u64;
                moved += taken;
                if listen && pair.rx.receive(&mut arrived) > 0 {
                    listening = true;
                    moved += arrived.len();
                    arrived.clear();
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
                return Ok(());
            }
        }
    }
    let stopped = Instant::now();
    while pairs.iter_mut().any(|pair| pair.unsent() > 0) && stopped.elapsed() < Duration::from_secs(1) {
        idle.after(pairs.iter_mut().map(|pair| pair.tx.send(&mut pair.batch)).sum(), None);
    }
    Ok(())
}

pub(crate) fn run(args: Args, session: &Session) -> Result<(), Error> {
    let give_up = args.flags.give_up(session);
    let capture = args.pcap.as_ref().map(|path| source::Reader::open_unless(path, &give_up)).transpose()?;
    if args.endless && args.pcap.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        return Err(Error::Usage("--loop needs a file, as standard input can be read only once".into()));
    }
    let flags = &args.flags;
    let mut devices = ixy::open(std::slice::from_ref(&args.device), &flags.options(session))?;
    let device = &mut devices[0];
    let queues = device.queues();
    let pair = |n| {
        let (rx, tx) = (device.rx_queue(n)?, device.tx_queue(n)?);
        Ok(Pair { rx, tx, batch: Batch::new(flags.batch.into()) })
    };
    let mut pairs = (0..queues).map(pair).collect::<Result<Vec<_>, ixy::Error>>()?;
    // What is in a ring, in a batch, and in the stock of a queue.
    let buffers = pairs.len() * (usize::from(flags.ring) + Batch::CAPACITY + 2 * Cache::CAPACITY);
    let pool = device.new_pool(buffers)?;
    ixy_cli::wait_for_link(device, args.link_timeout, session)?;

    let mut reporter = Reporter::new(session, flags, &devices).with_goal(args.count);
    let addresses = [devices[0].mac(), args.dst_mac];
    let go_on = |sent| reporter.go_on(&devices, sent);
    let count = args.count.unwrap_or(u64::MAX);
    let (mut skipped, mut result) = (0, Ok(()));
    if let Some(reader) = capture {
        let mut source = Replay::new(pool, reader, args.fast, args.endless, count);
        generate(&mut source, &mut pairs, go_on)?;
        skipped = source.skipped();
        result = source.result();
    } else {
        let pace = args.rate.map(|rate| Pace::new(rate.packets(args.size), Instant::now()));
        let mut source = Numbered::new(pool, args.size, args.flows, count, addresses, pace);
        generate(&mut source, &mut pairs, go_on)?;
    }
    let unsent = pairs.iter_mut().map(|pair| pair.unsent() as u64).sum();
    drop(pairs);
    if args.pcap.is_some() {
        reporter.note("skipped", skipped);
    }
    reporter.finish(devices, &[unsent])?;
    result
}

fn main() -> ExitCode {
    ixy_cli::main(|args: &Args| &args.flags, run)
}
