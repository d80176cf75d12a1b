//! Measures register accesses of a software 82599: of one in this process, and of one that another process serves.
//!
//! ```text
//! ixy-serve --socket /tmp/a &
//! cargo run --release -p ixy-sim --example registers -- /tmp/a
//! ```

#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ixy_dma::SimulatedDomain;
use ixy_regs::bus::Bus;
use ixy_sim::wire::{Cables, WireSpec};
use ixy_sim::{Nic82599, PollThread, SimBus};
use ixy_vfio_user::client::{Client, VfioUserBus, VfioUserBusMaster};
use ixy_vfio_user::message::pci;

/// A register without a read side effect, and one with no effect while no queue is enabled.
const STATUS: u32 = 0x00008;
const TDT: u32 = 0x06018;

/// Prints the median of many rounds, since other programs run on the machine, and the fastest round.
fn time(name: &str, round: u32, work: impl Fn()) {
    let mut rounds: Vec<Duration> = (0..41)
        .map(|_| {
            let start = Instant::now();
            (0..round).for_each(|_| work());
            start.elapsed()
        })
        .collect();
    rounds.sort();
    let nanoseconds = |at: usize| rounds[at].as_secs_f64() * 1e9 / f64::from(round);
    println!("{name:40} {:9.1} ns  (fastest round {:.1} ns)", nanoseconds(rounds.len() / 2), nanoseconds(0));
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: registers PATH, where ixy-serve serves a card")?;

    let wire = "loopback".parse::<WireSpec>()?.connect(&Cables::default())?;
    let nic = Arc::new(Nic82599::builder(wire, Arc::new(SimulatedDomain::default())).build());
    let poll = PollThread::start()?;
    poll.add(&nic);
    let own = SimBus::new(nic);
    // SAFETY: BUS-WINDOW: the register is inside of the window.
    time("register read, in process", 100_000, || _ = black_box(unsafe { own.read32(STATUS) }));
    // SAFETY: as above; ARMED-ONLY: no queue is enabled, so nothing is reached.
    time("register write, in process", 100_000, || unsafe { own.write32(TDT, 0) });
    drop(poll);

    let client = Client::connect(Path::new(&path))?;
    let _decoding = VfioUserBusMaster::new(&client)?;
    let served = VfioUserBus::new(&client, pci::BAR0)?;
    // SAFETY: BUS-WINDOW: the register is inside of the window.
    let read = || _ = black_box(unsafe { served.read32(STATUS) });
    time("register read, over the socket", 500, read);
    // SAFETY: as above; ARMED-ONLY: no queue is enabled, so nothing is reached.
    let write = || unsafe { served.write32(TDT, 0) };
    time("register write, posted to the socket", 500, write);
    time("sixteen of them, and one read", 50, || {
        (0..16).for_each(|_| write());
        read();
    });
    client.lost().map_or(Ok(()), |why| Err(why.to_string().into()))
}
