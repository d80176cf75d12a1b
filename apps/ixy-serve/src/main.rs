//! ixy-serve serves software 82599s to other processes and to virtual machines.
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
use ixy_cli::{Error, Listen, Metrics, Session, Verbosity};
use ixy_sim::wire::{Claim, GiveUp};

use crate::ports::{Port, Ports};
use crate::serving::Serving;
use crate::trace::Trace;

/// Serves software 82599 network cards to other processes and virtual machines
///
/// Each card is at its own socket and speaks vfio-user: ixy-fwd and the other programs open it as vfio-user:PATH,
/// and QEMU passes it to a virtual machine. All cards are in this process, with wires between them or to other
/// places. A card serves one client at a time and is reset when that client leaves. SIGINT, SIGTERM, SIGHUP or
/// the end of --duration ends the program, which then removes the sockets and completes the captures. So does the
/// reader of its output that closes the pipe, once there is more to print. The output goes to standard error if a
/// capture goes to standard output.
#[derive(Debug, Parser)]
#[command(name = "ixy-serve", version, after_help = SHORT_HELP, after_long_help = ixy_cli::help_of(SECTIONS, EXAMPLES))]
struct Args {
    #[command(flatten)]
    ports: Ports,
    /// Print statistics of each port at this interval (1s, 500ms) and at the end; 0, or no value, only at the end
    #[arg(long, alias = "interval", value_name = "TIME", num_args = 0..=1, default_missing_value = "0", value_parser = stats)]
    stats: Option<Duration>,
    /// End after this time, as after a signal: 5 (seconds), 200ms, 2m
    #[arg(long, value_name = "TIME", value_parser = ixy_cli::duration)]
    duration: Option<Duration>,
    /// Serve statistics to Prometheus at http://ADDR/metrics
    ///
    /// ADDR is a port (9100) on the loopback interface, or an address with a port (192.0.2.7:9100,
    /// `[2001:db8::7]:9100`, 0.0.0.0:9100 for all interfaces). Everyone who can reach the address can read the
    /// statistics. Port 0 takes a free one, which -v prints.
    #[arg(long, value_name = "ADDR", value_parser = Listen::parse)]
    metrics: Option<Listen>,
    /// Print what clients do: accesses to registers by name and field, configuration space, memory, interrupts
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, default_missing_value = "text")]
    trace: Option<Format>,
    /// Write the trace to a file instead of standard error; - is standard output
    ///
    /// With a trace on standard output, the announcement and the statistics go to standard error. A reader that closes
    /// the pipe ends the program.
    #[arg(long, value_name = "FILE", requires = "trace")]
    trace_file: Option<PathBuf>,
    #[command(flatten)]
    verbosity: Verbosity,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: repetitions are one line
    Text,
    /// The same, up to the first frame that each client sends or receives
    Init,
    /// For people: each access on its own line
    Raw,
    /// For programs: one object a line for each access
    Json,
}

const SHORT_HELP: &str = "--help explains wires, traces and virtual functions, with examples and exit codes.";

const SECTIONS: &[(&str, &str)] = &[
    (
        "Wires",
        "A wire is what follows `sim:` in an address, such as loopback, cable=NAME (given twice: a cable between two \
         ports), socket=PATH (to another process), rx=IN.pcap,tx=OUT.pcap, tap=NAME, flood,size=BYTES. Cables join the \
         ports without --wire: the first with the second, the third with the fourth, and so on. A port that is left over \
         is flooded with frames and swallows all that it is sent, as plain `sim` does.",
    ),
    (
        "Trace",
        "A trace names registers and their fields as the datasheet does, with its sections; text leaves out fields that are \
         zero. One line stands for equal accesses in a row, for neighbours (MTA[0..=127]), for a register that is read and \
         then written, for the doorbells of a queue, for words of the EEPROM and for bytes of the SFP+ module. A loop has a \
         line for each access in it and the number of turns. A line has the time of its first access. It appears when \
         nothing more has come for 0.2 s, or after a second; what goes on for long is reported ever more rarely. \
         `--trace init` is the first thing to look at: how a driver starts the card.",
    ),
    (
        "Virtual functions",
        "A virtual function is a device of its own, and the driver of its port decides what it may do. The functions of a \
         port are numbered from 0 in the order of --vf.",
    ),
    (
        "Sockets",
        "Only its owner can use a socket (mode 0600). A socket that a server left behind is replaced; anything else at that \
         path stays, and is an error. -v shows clients that come and go.",
    ),
];

const EXAMPLES: &[&str] = &[
    "ixy-serve --socket /tmp/a --socket /tmp/b        # what one sends, the other receives",
    "ixy-serve --socket /tmp/a --wire rx=in.pcap,tx=out.pcap --stats 1s --duration 1m",
    "ixy-serve --socket /tmp/a --trace init           # then: ixy-dump vfio-user:/tmp/a -w /dev/null",
    "ixy-serve --socket /tmp/a --metrics 9100         # then: curl http://127.0.0.1:9100/metrics",
];

/// The longest interval at which the main thread checks whether to end, and refreshes metrics.
const TICK: Duration = Duration::from_millis(50);

/// The interval of the statistics: 0, or one that is not too short.
fn stats(text: &str) -> Result<Duration, String> {
    match ixy_cli::duration(text)? {
        Duration::ZERO => Ok(Duration::ZERO),
        _ => ixy_cli::interval(text),
    }
}

fn run(args: Args) -> Result<String, Error> {
    let ports = args.ports.checked()?;
    let mut claims: Vec<Claim> = ports.iter().flat_map(Port::claims).collect();
    let trace_file = args.trace_file.iter();
    claims.extend(trace_file.map(|file| Claim::writes(format!("--trace-file {}", file.display()), file)));
    Claim::check(&claims)?;
    let session = Session::of_process(args.duration)?;
    // An address in use is found before a file is made.
    let metrics = args.metrics.map(|at| Metrics::serve(at, Vec::new())).transpose()?;
    let (ending, duration) = (session.clone(), args.duration);
    let over = move || {
        if duration.is_some_and(|duration| ending.elapsed() >= duration) {
            ending.stop();
        }
        ending.stopped()
    };
    let give_up = GiveUp::when(over.clone());
    let trace = args.trace.map(|format| Trace::open(format, args.trace_file.as_deref(), &give_up));
    let trace = match trace.transpose() {
        Err(_) if session.stopped() => return Ok(String::new()),
        opened => opened?,
    };
    let mut serving = match Serving::start(ports, trace.as_ref(), &give_up) {
        Err(_) if session.stopped() => return Ok(String::new()),
        started => started?,
    };
    if let Some(metrics) = &metrics {
        metrics.publish(serving.metrics());
    }
    let to_stdout = trace.as_ref().is_some_and(Trace::is_on_stdout) || serving.writes_to_stdout();
    let session = if to_stdout { session.with_statistics_on_stderr() } else { session };
    session.print(&serving.announcement())?;
    let every = args.stats.filter(|every| !every.is_zero());
    let tick = every.map_or(TICK, |every| every.min(TICK));
    let mut due = every.map(|every| Instant::now() + every);
    while !over() && !serving.has_failed() {
        std::thread::sleep(tick);
        if let Some(trace) = &trace {
            trace.show_what_waits();
            if trace.has_no_reader() {
                session.stop();
            }
        }
        if let Some(metrics) = &metrics {
            metrics.publish(serving.metrics());
        }
        if let (Some(at), Some(every)) = (due, every)
            && Instant::now() >= at
        {
            session.print(&serving.statistics())?;
            // After a pause, as of a stopped process, the missed lines are not printed.
            let turns = at.elapsed().as_nanos() / every.as_nanos() + 1;
            due = Some(at + every.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX)));
        }
    }
    let ended = serving.end();
    if let Some(trace) = &trace {
        trace.finish()?;
    }
    if args.stats.is_some() {
        session.print(&serving.statistics())?;
    }
    ended.map(|()| String::new())
}

fn main() -> ExitCode {
    ixy_cli::tool(|args: &Args| &args.verbosity, run)
}
