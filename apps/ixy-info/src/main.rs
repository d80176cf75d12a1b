//! ixy-info lists the machine's network cards: what each is, which driver holds it, and what is missing before ixy can use it.
#![forbid(unsafe_code)]

mod card;
mod decode;
mod maps;
mod show;
mod system;

use std::process::ExitCode;

use clap::Parser;
use ixy_cli::Error;

use crate::card::Card;
use crate::system::System;

/// Lists the network cards of this machine: what each is, which kernel driver and which interfaces it has, how the IOMMU
/// treats it, and what is missing before ixy can use it, with the command for it. With an address it shows that device
/// alone, and with --registers it prints its registers. It changes nothing: every file is opened for reading.
#[derive(Debug, Parser)]
#[command(version, after_help = HELP)]
struct Args {
    /// One device: 0000:03:00.0 or 03:00.0 as `lspci` prints it, or sim
    address: Option<String>,
    /// Print the registers with their fields (a card in the machine: as root; 82599 family, 82576, virtio)
    #[arg(long, requires = "address")]
    registers: bool,
    /// Also read registers whose reading has an effect, such as statistics that clear
    #[arg(long, requires = "registers")]
    all: bool,
    /// Only registers whose name contains this text, in upper or lower case; may be repeated
    #[arg(long, value_name = "TEXT", requires = "registers")]
    only: Vec<String>,
    /// Also print registers and fields that are zero (JSON has them always)
    #[arg(long, requires = "registers")]
    zeros: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  ixy-info
  ixy-info 03:00.0
  ixy-info 03:00.0 --json
  sudo ixy-info 03:00.0 --registers --only RXDCTL --only LINK
  ixy-info sim --registers

A software card (sim) is made for the occasion, driven, and its registers are read then; addresses that would make a file,
a socket or an interface are refused, and those of another process (`ixy-serve --trace` shows these).
Any user may run this; what only root may see is said to be so.
Exit code 0: all went well; 1: an error, told in one line; 2: the arguments are wrong.";

fn run(args: Args) -> Result<String, Error> {
    let system = System::of_process();
    let Some(address) = &args.address else {
        let cards = Card::all(&system)?;
        return Ok(show::cards(&cards, args.json));
    };
    let filter = decode::Filter::new(&args.only, args.all, args.zeros);
    if let Some(spec) = maps::simulated(address)? {
        return match args.registers {
            true => maps::with_simulated(address, &spec, |maps| decode::print(maps, &filter, args.json)),
            false => Ok(show::simulated(address, args.json)),
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
    ixy_cli::tool(run)
}
