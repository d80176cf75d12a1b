//! The command line of ixy-fwd: [`Args`].

use clap::Parser;
use ixy_cli::{Flags, Waiting};

use super::touch::Touch;

/// Forwards frames between two devices, both ways. It ends when both inputs have ended and everything was sent, after
/// --duration, or by a signal.
#[derive(Debug, Parser)]
#[command(name = "ixy-fwd", version, after_help = ixy_cli::HELP)]
pub(crate) struct Args {
    /// One device
    pub(crate) a: ixy::Address,
    /// The other device
    pub(crate) b: ixy::Address,
    /// Threads that share the queues
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) threads: u16,
    /// What to change in each frame
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Touch::None)]
    pub(crate) touch: Touch,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) flags: Flags,
}
