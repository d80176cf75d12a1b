//! ixy-dump records what a network card receives.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use ixy_cli::{Error, Flags, Reporter, Session, Waiting};
use ixy_core::{Batch, RxQueue};
use ixy_pcap::{Format, Writer};

/// Records the frames that a device receives into a pcap file with nanosecond timestamps. Ends when the input has ended,
/// after -c frames, after --duration, or by a signal. All frames of a batch have the time at which it was taken off the
/// ring.
#[derive(Debug, Parser)]
#[command(version, after_help = ixy_cli::HELP)]
pub(crate) struct Args {
    /// The device
    device: ixy::Address,
    /// The file; - for standard output (statistics then go to standard error)
    #[arg(short, long, value_name = "FILE")]
    write: PathBuf,
    /// End after this many frames
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Keep at most this many bytes of each frame
    #[arg(long, value_name = "BYTES", default_value_t = ixy_pcap::MAX_RECORD, value_parser = clap::value_parser!(u32).range(1..=i64::from(ixy_pcap::MAX_RECORD)))]
    snaplen: u32,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    flags: Flags,
}

/// How long frames may wait in memory before they are written out while nothing more arrives.
const FLUSH: Duration = Duration::from_millis(100);

pub(crate) fn run(args: Args, session: &Session) -> Result<(), Error> {
    let mut devices = ixy::open(&[args.device], &args.waiting.of(args.flags.options(session)))?;
    ixy_cli::settle(&devices, session)?;
    let give_up = args.flags.give_up(session);
    let mut queues =
        (0..devices[0].queues()).map(|n| devices[0].rx_queue(n)).collect::<Result<Vec<_>, _>>()?;
    let mut file = Writer::create_as(&args.write, args.snaplen, Format::of(&args.write), &give_up)?;
    // Nothing is ever sent: whoever waits for an end of it sees one.
    devices[0].close_transmit();

    let to_stdout = args.write.as_os_str() == "-";
    let session = if to_stdout { session.clone().with_statistics_on_stderr() } else { session.clone() };
    let mut reporter = Reporter::new(&session, &args.flags, &devices).with_goal(args.count);
    let mut batch = Batch::new(args.flags.batch.into());
    let mut idle = args.waiting.idle(queues.iter_mut().map(|queue| &mut **queue));
    let mut flushed = Instant::now();
    let limit = args.count.unwrap_or(u64::MAX);
    while file.records() < limit && reporter.go_on(&devices, file.records())? {
        // When the end was seen before, an empty ring says that all is here.
        let ended = devices[0].input_ended();
        let before = file.records();
        for _ in 0..64 {
            let received = queues.iter_mut().map(|queue| record(&mut **queue, &mut batch, &mut file, limit));
            let received = received.sum::<Result<usize, Error>>()?;
            let sleepy = queues.iter_mut().map(|queue| (&mut **queue as _, 0));
            if idle.after(received, sleepy) || ended && received == 0 {
                break;
            }
        }
        if file.records() > before {
            flushed = Instant::now();
        } else if ended {
            break;
        } else if flushed.elapsed() >= FLUSH {
            file.flush()?;
            flushed = Instant::now();
        }
    }
    drop(queues);
    reporter.note("recorded", file.records());
    let written = file.finish();
    reporter.finish(devices, &[])?;
    written?;
    Ok(())
}

/// Writes what `queue` has received, but not more than `limit` records in all, and returns how many frames there were.
fn record(queue: &mut dyn RxQueue, batch: &mut Batch, file: &mut Writer, limit: u64) -> Result<usize, Error> {
    let received = queue.receive(batch);
    if received > 0 {
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        for packet in batch.iter() {
            if file.records() < limit {
                file.write(time, packet)?;
            }
        }
        batch.clear();
    }
    Ok(received)
}

fn main() -> ExitCode {
    ixy_cli::main(|args: &Args| &args.flags, run)
}
