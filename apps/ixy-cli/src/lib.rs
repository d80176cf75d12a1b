//! The common part of the programs ixy-fwd, ixy-pktgen, ixy-dump, ixy-serve and ixy-info, so that each of them is
//! little more than its loop.
//!
//! - [`main`] reads the arguments and turns the result into one line and an exit code; [`tool`] does the same for
//!   programs that move no frames, and [`print()`] prints while these run.
//! - [`Flags`] are the flags of programs that move frames, [`Verbosity`] those of all programs; [`help()`] explains
//!   addresses and exit codes at the end of `--help`.
//! - [`Session`] knows when to stop, and where statistics go.
//! - [`Reporter`] prints statistics at each interval, progress, and the summary, as text, JSON, CSV or a table that is redrawn;
//!   [`Metrics`] serves statistics to Prometheus.
//! - [`settle`] gives links time to come up, [`wait_for_link`] requires one.
//! - [`number`], [`duration()`] and [`interval`] parse the values of options.
//! - [`Idle`] lets a loop without work wait politely: by polling, or asleep until an interrupt, by the flags
//!   [`Waiting`].
//! - [`numbered`] defines the mark and the number of generated frames.
//! - [`Object`] is a line of JSON; [`escaped`] keeps control characters out of lines for people.
//!
//! A program that counts received frames:
//!
//! ```no_run
//! use clap::Parser;
//! use ixy_cli::{Error, Flags, Reporter, Session, Waiting};
//! use ixy::Batch;
//!
//! #[derive(Parser)]
//! #[command(about = "Counts frames", after_help = ixy_cli::short_help(&[]),
//!     after_long_help = ixy_cli::help(&[]))]
//! struct Args {
//!     device: ixy::Address,
//!     #[command(flatten)]
//!     flags: Flags,
//!     #[command(flatten)]
//!     waiting: Waiting,
//! }
//!
//! fn run(args: Args, session: &Session) -> Result<(), Error> {
//!     let mut devices = ixy::open(&[args.device], &args.waiting.of(args.flags.options(session)))?;
//!     let queues = (0..devices[0].queues()).map(|n| devices[0].rx_queue(n));
//!     let mut queues = queues.collect::<Result<Vec<_>, _>>()?;
//!     let mut batch = Batch::new(args.flags.batch.into());
//!     let (mut count, mut idle) = (0, args.waiting.idle(queues.iter_mut().map(|queue| &mut **queue)));
//!     let mut reporter = Reporter::new(session, &args.flags, &devices);
//!     while reporter.go_on(&devices, count)? {
//!         let received: usize = queues.iter_mut().map(|queue| {
//!             batch.clear();
//!             queue.receive(&mut batch)
//!         }).sum();
//!         count += received as u64;
//!         idle.after(received, queues.iter_mut().map(|queue| (&mut **queue as _, 0)));
//!     }
//!     drop((batch, queues));
//!     reporter.finish(devices, &[count], &[])
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     ixy_cli::main(|args: &Args| &args.flags, run)
//! }
//! ```
#![forbid(unsafe_code)]

mod error;
mod escape;
mod flags;
mod help;
mod idle;
mod json;
mod link;
mod log;
mod manual;
mod metrics;
pub mod numbered;
mod rate;
mod refusal;
mod report;
mod screen;
mod session;
mod start;

pub use error::Error;
pub use escape::escaped;
pub use flags::{Flags, Verbosity, duration, interval, number};
pub use help::{STYLES, help, help_of, short_help};
pub use idle::{Idle, Waiting};
pub use json::Object;
pub use link::{settle, wait_for_link};
pub use metrics::{Labels, Listen, Metric, Metrics};
pub use report::Reporter;
pub use session::Session;
pub use start::{main, print, tool};
