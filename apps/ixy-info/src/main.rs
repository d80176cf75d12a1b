//! ixy-info lists every network card: its model, which driver holds it, and the commands needed before ixy can use it.
#![forbid(unsafe_code)]

mod capture;
mod card;
mod decode;
mod maps;
mod script;
mod show;
mod system;

use std::process::ExitCode;

use clap::Parser;
use ixy_cli::{Error, Verbosity};

use crate::card::Card;
use crate::script::Script;
use crate::system::System;

/// Lists the network cards of this machine, and what each needs before ixy can use it
///
/// It shows the model of each card, its kernel driver and network interfaces, the mode of its IOMMU, and the
/// commands that make it usable. With an address it shows only that device, and with --registers the registers of
/// the device. It changes nothing: it opens every file for reading only. Any user may run it; it marks what only
/// root may see.
#[derive(Debug, Parser)]
#[command(name = "ixy-info", version, after_help = SHORT_HELP, after_long_help = ixy_cli::help_of(SECTIONS, EXAMPLES))]
struct Args {
    /// One device: 0000:03:00.0 or 03:00.0 as `lspci` prints it, or sim
    address: Option<String>,
    /// Print the registers with their fields (a card in the machine: as root; 82599 family, 82576, virtio)
    #[arg(long, requires = "address")]
    registers: bool,
    /// Also read registers with a read side effect, such as statistics that clear
    #[arg(long, requires = "registers")]
    all: bool,
    /// Only registers whose name contains this text, in upper or lower case; may be repeated
    #[arg(long, value_name = "TEXT", requires = "registers")]
    only: Vec<String>,
    /// Also print registers and fields that are zero (JSON always has them)
    #[arg(long, requires = "registers")]
    zeros: bool,
    /// Print a script that the commands of this program and error messages name
    ///
    /// `mkdir -p scripts; ixy-info --script bind > scripts/bind; chmod +x scripts/bind` makes these commands work
    /// without the repository of ixy.
    #[arg(long, value_name = "NAME", exclusive = true)]
    script: Option<Script>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    verbosity: Verbosity,
}

const SHORT_HELP: &str = "--help has examples and exit codes.";

const SECTIONS: &[(&str, &str)] = &[(
    "Addresses",
    "A PCI address, or a software card that opening leaves nothing behind of: sim, sim:loopback or sim:rx=FILE. With \
     --registers, ixy-info makes such a card, lets a driver start it, and reads its registers. The registers of a card that another process serves are shown by \
     `ixy-serve --trace`.",
)];

const EXAMPLES: &[&str] = &[
    "ixy-info",
    "ixy-info 03:00.0",
    "ixy-info 03:00.0 --json",
    "sudo ixy-info 03:00.0 --registers --only RXDCTL --only LINK",
    "ixy-info sim --registers",
];

fn run(args: Args) -> Result<String, Error> {
    if let Some(script) = args.script {
        return Ok(script.text().into());
    }
    let system = System::of_process();
    let Some(address) = &args.address else {
        let cards = Card::all(&system)?;
        return Ok(show::cards(&cards, args.json));
    };
    let filter = decode::Filter::new(&args.only, args.all, args.zeros);
    if let Some(spec) = maps::simulated(address)? {
        return match args.registers {
            true => maps::with_simulated(address, &spec, |maps| decode::print(maps, &filter, args.json)),
            false => Ok(show::simulated(address, maps::checked(&spec).as_ref(), args.json)),
        };
    }
    if address.starts_with("vfio-user:") {
        return Err(Error::Usage(format!(
            "{address} is refused, as its server takes one program at a time: `ixy-serve --trace` shows what that does to the registers"
        )));
    }
    let place = address.parse::<ixy_pci::Address>().map_err(|_| {
        Error::Usage(ixy::interface_in_place_of_an_address(&system.sysfs, address).unwrap_or_else(|| {
            format!(
                "`{address}` is no device address: write one such as 0000:03:00.0 or 03:00.0 (`ixy-info` alone lists them), \
                 or sim"
            )
        }))
    })?;
    let card = Card::at(place, &system)?;
    if !args.registers {
        return Ok(show::cards(&[card], args.json));
    }
    if args.all {
        card.check_unused()?;
    }
    decode::print(&maps::of_card(&card, &system)?, &filter, args.json)
}

fn main() -> ExitCode {
    ixy_cli::tool(|args: &Args| &args.verbosity, run)
}
