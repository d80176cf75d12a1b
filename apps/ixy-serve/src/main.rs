//! ixy-serve gives software 82599s to other processes and to virtual machines.
#![forbid(unsafe_code)]

mod names;
mod ports;
mod serving;
mod statistics;
mod trace;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use ixy_cli::{Error, Session};
use ixy_sim::wire::GiveUp;

use crate::ports::Ports;
use crate::serving::Serving;
use crate::trace::Trace;

/// Serves software 82599 network cards over vfio-user, one at each socket: as the device vfio-user:PATH to ixy-fwd and the
/// others, and to QEMU. All cards are in this process, with wires between them or to elsewhere. A card has one client at a
/// time, and is as after power on for the next one. Ends by SIGINT or SIGTERM; sockets are removed then, and captures are
/// complete.
#[derive(Debug, Parser)]
#[command(version, after_help = HELP)]
struct Args {
    #[command(flatten)]
    ports: Ports,
    /// Print statistics of each port every so many seconds, and at the end; 0: only then
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "0", value_parser = clap::value_parser!(u32).range(..=86_400))]
    stats: Option<u32>,
    /// Print what clients do: accesses to registers by name and field, configuration space, memory, interrupts
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, default_missing_value = "text")]
    trace: Option<Format>,
    /// Write that to a file instead of standard error
    #[arg(long, value_name = "FILE", requires = "trace")]
    trace_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: what repeats is one line
    Text,
    /// The same, up to the first frame that each client sends or receives
    Init,
    /// For people: each access on a line of its own
    Raw,
    /// For programs: an object a line, each access one of them
    Json,
}

const HELP: &str = "\
Wires: what `sim` addresses have behind the colon, such as loopback, cable=NAME (twice: a cable between two ports),
socket=PATH (to another process), rx=IN.pcap,tx=OUT.pcap, tap=NAME, flood,size=BYTES. Ports without --wire are joined by
cables, the first with the second, the third with the fourth, and so on; one that is left over is flooded with frames and
takes all that it is sent, as plain `sim` does.

A trace names registers and their fields as the datasheet does, with its sections; text leaves out fields that are zero.
It has one line for equal accesses in a row, for neighbours (MTA[0..=127]), for doorbells of a queue, for words of the
EEPROM and for bytes of the SFP+ module; a loop has a line for each access in it, and says how many turns it took. A line
has the time of its first access, and waits at most 0.2 s for more (up to 10 s where the same goes on for long).
`--trace init` is the first thing to look at: how a driver starts the card.

A virtual function is a device of its own, of which the client of its port says what it may do. The functions of a port
are numbered in the order of --vf, from 0.

Examples:
  ixy-serve --socket /tmp/a --socket /tmp/b        # what one sends, the other receives
  ixy-serve --socket /tmp/a --wire rx=in.pcap,tx=out.pcap --stats 1
  ixy-serve --socket /tmp/a --trace init           # then: ixy-dump vfio-user:/tmp/a -w /dev/null

A socket is for its owner only (mode 0600). One that a server has left behind is replaced; anything else at that path is
left alone and is an error. IXY_LOG=info shows clients that come and go.";

/// How often it is looked at whether the process is to end.
const TICK: Duration = Duration::from_millis(50);

fn run(args: Args) -> Result<String, Error> {
    let trace = args.trace.map(|format| Trace::open(format, args.trace_file.as_deref())).transpose()?;
    let session = Session::of_process()?;
    let waiting = session.clone();
    let give_up = GiveUp::when(move || waiting.stopped());
    let mut serving = match Serving::start(args.ports.checked()?, trace.as_ref(), &give_up) {
        Err(_) if session.stopped() => return Ok(String::new()),
        started => started?,
    };
    ixy_cli::print(&serving.announcement())?;
    let every = args.stats.filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(seconds.into()));
    let mut due = every.map(|every| Instant::now() + every);
    while !session.stopped() && !serving.has_failed() {
        std::thread::sleep(TICK);
        if let Some(trace) = &trace {
            trace.show_what_waits();
        }
        if let (Some(at), Some(every)) = (due, every)
            && Instant::now() >= at
        {
            ixy_cli::print(&serving.statistics())?;
            due = Some(at + every);
        }
    }
    let ended = serving.end();
    if let Some(trace) = &trace {
        trace.finish()?;
    }
    ended?;
    Ok(args.stats.map(|_| serving.statistics()).unwrap_or_default())
}

fn main() -> ExitCode {
    ixy_cli::tool(run)
}
