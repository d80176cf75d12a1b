//! The command line of ixy-fwd: [`Args`].

use clap::Parser;
use ixy_cli::{Flags, Waiting};

use super::touch::Touch;

const EXAMPLES: &[&str] = &[
    "ixy-fwd sim sim --duration 5",
    "ixy-fwd sim:rx=in.pcap sim:tx=out.pcap",
    "ixy-fwd sim:tap=left sim:tap=right",
    "ixy-fwd 0000:03:00.0 0000:03:00.1",
    "ixy-fwd 03:00.0 03:00.1 --wait adaptive --queues 4 --threads 2",
    "ixy-fwd sim:socket=/tmp/a sim:socket=/tmp/b",
    "ixy-fwd vfio-user:/tmp/a vfio-user:/tmp/b",
    "ixy-fwd sim sim --live --per-queue",
    "ixy-fwd sim sim --metrics 9100",
];

/// Forwards frames between two devices, in both directions
///
/// It ends when both inputs have ended and everything was sent, after --duration, or on a signal.
#[derive(Debug, Parser)]
#[command(name = "ixy-fwd", version, after_help = ixy_cli::short_help(EXAMPLES), after_long_help = ixy_cli::help(EXAMPLES))]
pub(crate) struct Args {
    /// One device
    pub(crate) a: ixy::Address,
    /// The other device
    pub(crate) b: ixy::Address,
    /// Threads that share the queues, 1 to 64
    ///
    /// Queue n of both devices belongs to thread n modulo N, and no thread shares a queue with another. A thread
    /// needs at least one queue, so at most as many threads run as there are --queues. Packet memory is on the
    /// NUMA node of the card; start the program on processors of that node (taskset, numactl), which `ixy-info`
    /// shows.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = ixy_cli::number::<u16>(1..=64))]
    pub(crate) threads: u16,
    /// Change each frame
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Touch::None)]
    pub(crate) touch: Touch,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

impl Args {
    /// The number of threads: no more than there are queues.
    pub(crate) fn threads(&self) -> usize {
        let (wanted, queues) = (self.threads, self.flags.queues);
        if wanted > queues {
            tracing::warn!(
                "{queues} of {wanted} threads can run: each needs a queue of its own; raise --queues"
            );
        }
        wanted.min(queues).into()
    }
}
