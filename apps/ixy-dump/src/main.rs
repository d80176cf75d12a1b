//! ixy-dump records the frames that a network card receives.
#![forbid(unsafe_code)]

mod filter;
mod sequence;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Parser;
use filter::Filter;
use ixy::{Batch, RxQueue};
use ixy_cli::{Error, Flags, Idle, Reporter, Session, Waiting};
use ixy_pcap::{Claim, Format, GiveUp, Writer};
use sequence::Sequence;

const EXAMPLES: &[&str] = &[
    "ixy-dump sim -w out.pcap --count 1000",
    "ixy-dump 03:00.0 -w out.pcap --duration 1m",
    "ixy-dump sim:socket=/tmp/b -w out.pcapng --host 10.0.0.2 --proto udp",
    "ixy-dump sim:socket=/tmp/b --check",
    "ixy-dump 03:00.0 -w - -q | tcpdump -r -",
];

/// Records the frames that a device receives to a pcap or pcapng file, or checks their numbers
///
/// Timestamps are in nanoseconds; all frames of a batch have the time at which the batch was taken off the ring.
/// It ends when the input has ended, after -c frames, after --duration, or on a signal.
#[derive(Debug, Parser)]
#[command(name = "ixy-dump", version, after_help = ixy_cli::short_help(EXAMPLES), after_long_help = ixy_cli::help(EXAMPLES))]
pub(crate) struct Args {
    /// The device
    device: ixy::Address,
    /// Record into this file, or - for standard output
    ///
    /// The format is pcapng if the name ends in .pcapng, else pcap, and gzip if it ends in .gz. With -, statistics go
    /// to standard error.
    #[arg(short, long, value_name = "FILE", required_unless_present = "check")]
    write: Option<PathBuf>,
    /// Write this format, whatever the file's name
    #[arg(short = 'F', long, value_name = "FORMAT", requires = "write", value_parser = ["pcap", "pcapng"], hide_short_help = true)]
    format: Option<String>,
    /// Check the numbers of ixy-pktgen's frames, N of them
    ///
    /// It fails if frames are lost, repeated or out of order, or have a wrong number; with =N, N frames have to arrive,
    /// and no more. Start ixy-dump before ixy-pktgen. A capture is checked with sim:rx=FILE.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, value_parser = ixy_cli::number::<u64>(1..=u64::MAX))]
    check: Option<Option<u64>>,
    #[command(flatten)]
    filter: Filter,
    /// End after this many frames
    #[arg(short, long, value_name = "N", value_parser = ixy_cli::number::<u64>(1..=u64::MAX))]
    count: Option<u64>,
    /// Keep at most this many bytes of each frame
    #[arg(long, value_name = "BYTES", default_value_t = ixy_pcap::MAX_RECORD, value_parser = ixy_cli::number::<u32>(1..=u64::from(ixy_pcap::MAX_RECORD)), hide_short_help = true)]
    snaplen: u32,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    flags: Flags,
}

/// The time that a frame may wait in memory before it is written out, whether or not more arrive.
const FLUSH: Duration = Duration::from_millis(100);

/// The processing of received frames.
struct Recorder {
    filter: Filter,
    file: Option<Writer>,
    sequence: Option<Sequence>,
    /// The number of frames that passed the filter, and the number wanted.
    recorded: u64,
    limit: u64,
    /// The number of frames that the filter excluded.
    filtered: u64,
}

impl Recorder {
    fn open(args: &Args, give_up: &GiveUp) -> Result<Self, Error> {
        let create = |path: &PathBuf| {
            let format = match args.format.as_deref() {
                None => Format::of(path),
                Some("pcapng") => Format::Pcapng,
                Some(_) => Format::Pcap,
            };
            Writer::create_as(path, args.snaplen, format, give_up)
        };
        Ok(Self {
            filter: args.filter.clone(),
            file: args.write.as_ref().map(create).transpose()?,
            sequence: args.check.map(Sequence::new),
            recorded: 0,
            limit: args.count.unwrap_or(u64::MAX),
            filtered: 0,
        })
    }

    /// Records the frames that `queue` has received, up to the limit, and returns their number.
    fn record(&mut self, queue: &mut dyn RxQueue, batch: &mut Batch) -> Result<usize, Error> {
        let received = queue.receive(batch);
        if received > 0 {
            let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            for packet in batch.iter() {
                if self.recorded >= self.limit {
                    break;
                }
                if !self.filter.passes(packet) {
                    self.filtered += 1;
                    continue;
                }
                self.recorded += 1;
                if let Some(sequence) = &mut self.sequence {
                    sequence.look(packet);
                }
                if let Some(file) = &mut self.file {
                    file.write(time, packet)?;
                }
            }
            batch.clear();
        }
        Ok(received)
    }

    /// Makes passes over the queues while frames arrive, up to 64, and returns the number of frames. With `ended` it
    /// stops at the first pass that finds nothing.
    fn pass(
        &mut self,
        queues: &mut [Box<dyn RxQueue>],
        batch: &mut Batch,
        idle: &mut Idle,
        ended: bool,
    ) -> Result<usize, Error> {
        let mut any = 0;
        for _ in 0..64 {
            let received = queues.iter_mut().map(|queue| self.record(&mut **queue, batch));
            let received = received.sum::<Result<usize, Error>>()?;
            any += received;
            let sleepy = queues.iter_mut().map(|queue| (&mut **queue as _, 0));
            if idle.after(received, sleepy) || ended && received == 0 {
                break;
            }
        }
        Ok(any)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(self.file.as_mut().map_or(Ok(()), Writer::flush)?)
    }

    /// Writes out the frames in memory if one of them has waited for long enough.
    fn flush_old(&mut self) -> Result<(), Error> {
        Ok(self.file.as_mut().map_or(Ok(()), |file| file.flush_after(FLUSH))?)
    }

    /// Adds the counts to the summary.
    fn note(&self, reporter: &mut Reporter) {
        reporter.note(if self.file.is_some() { "recorded" } else { "checked" }, self.recorded);
        if self.filtered > 0 {
            reporter.note("filtered", self.filtered);
        }
        if let Some(sequence) = &self.sequence {
            sequence.note(reporter);
        }
    }
}

pub(crate) fn run(args: Args, session: &Session) -> Result<(), Error> {
    let mut claims = args.device.claims();
    claims.extend(args.write.iter().map(|path| Claim::writes(format!("-w {}", path.display()), path)));
    Claim::check(&claims)?;
    let to_stdout = args.write.as_ref().is_some_and(|path| ixy_pcap::is_stdout(path));
    let mut devices =
        ixy::open(std::slice::from_ref(&args.device), &args.waiting.of(args.flags.options(session)))?;
    ixy_cli::settle(&devices, session)?;
    let give_up = args.flags.give_up(session);
    let mut queues =
        (0..devices[0].queues()).map(|n| devices[0].rx_queue(n)).collect::<Result<Vec<_>, _>>()?;
    let mut recorder = Recorder::open(&args, &give_up)?;
    // Nothing is ever sent: a program at the other end that waits for the end of input sees it.
    devices[0].close_transmit();

    let session = if to_stdout { session.clone().with_statistics_on_stderr() } else { session.clone() };
    // Everything is open: the file gets its header, and loses what an old one held.
    recorder.flush()?;
    let mut reporter = Reporter::new(&session, &args.flags, &devices).with_goal(args.count);
    let mut batch = Batch::new(args.flags.batch.into());
    let mut idle = args.waiting.idle(queues.iter_mut().map(|queue| &mut **queue));
    let ended = loop {
        match reporter.go_on(&devices, recorder.recorded) {
            Ok(true) if recorder.recorded < recorder.limit => {}
            Ok(_) => break Ok(()),
            Err(error) => break Err(error),
        }
        // If the end was seen before, an empty ring means that all frames are here.
        let ended = devices[0].input_ended();
        let passed = recorder.pass(&mut queues, &mut batch, &mut idle, ended);
        match passed.and_then(|any| recorder.flush_old().map(|()| any)) {
            Ok(0) if ended => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    drop(queues);
    // Whatever ended it: the counts are printed, the file is completed, and then the first error is the reason.
    recorder.sequence.iter_mut().for_each(Sequence::end);
    recorder.note(&mut reporter);
    let written = recorder.file.take().map(Writer::finish).transpose();
    let reported = reporter.finish(devices, &[recorder.recorded + recorder.filtered], &[]);
    ended.and(reported).and(written.map(drop).map_err(Error::from))?;
    recorder.sequence.as_ref().map_or(Ok(()), Sequence::result)
}

fn main() -> ExitCode {
    ixy_cli::main(|args: &Args| &args.flags, run)
}
