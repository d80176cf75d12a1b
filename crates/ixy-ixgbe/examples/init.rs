//! Starts a software 82599 through its raw registers, shows which registers the driver set, and passes a frame around.
//!
//! ```text
//! cargo run -p ixy-ixgbe --example init
//! ```
//!
//! With a real card only step 1 differs: its registers are an `ixy_regs::bus::Mmio`, and its memory is a domain of
//! `ixy-dma`.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ixy_core::{Batch, Mempool, RxQueue, TxQueue};
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_ixgbe::Config;
use ixy_regs::ixgbe;
use ixy_sim::{Nic82599, SimBus, SimBusMaster, wire};

/// All registers that can be read without a side effect.
fn registers(nic: &Nic82599) -> Vec<(String, u32)> {
    let readable = ixgbe::all().filter(|it| it.access.is_readable() && !it.access.reading_has_effect());
    let each =
        readable.flat_map(|it| it.spans.iter().flat_map(|span| span.offsets()).map(move |at| (it, at)));
    each.map(|(it, at)| (format!("{at:#07x} {}", it.name), nic.read32(at))).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    // 1. A card: registers, memory that it reaches, and the switch for its DMA. Its port has a loopback.
    let memory = Arc::new(SimulatedDomain::default());
    let port = "loopback".parse::<wire::WireSpec>()?.connect(&wire::Cables::default())?;
    let nic = Arc::new(Nic82599::builder(port, memory.clone()).build());
    let bus = SimBus::stepping(nic.clone()); // the card acts whenever the driver reads a register
    let (domain, master): (Arc<dyn DmaDomain>, _) = (memory, Arc::new(SimBusMaster::new(nic.clone())));
    let before = registers(&nic);

    // 2. A pool of buffers in that memory, with enough of them for the rings.
    let config = Config { queues: 1, ..Config::default() };
    let pool = Mempool::new(domain.clone(), config.buffers())?;

    // 3. The driver resets the card and sets up filters, rings and link, in the order of the datasheet's section
    //    4.6.3. SAFETY: bus, domain and bus master belong to this one card, which nothing else drives.
    let mut card = unsafe { config.open("example", bus, &domain, master, &pool) }?;
    println!("link: {}", card.wait_for_link(Duration::from_secs(10))?);
    let after = registers(&nic);
    for ((name, old), (_, new)) in before.iter().zip(&after).filter(|(old, new)| old != new) {
        println!("{name:24} {old:#010x} -> {new:#010x}");
    }

    // 4. Queues. A sent frame goes around the loopback and is received.
    let queues = (card.take_rx_queue(0), card.take_tx_queue(0));
    let (Some(mut rx), Some(mut tx)) = queues else { return Err("the card has no queues".into()) };
    let mut batch = Batch::new(32);
    batch.push(pool.packet_from(&[0xff; 60]).ok_or("no buffer is free")?).map_err(|_| "no room")?;
    tx.send(&mut batch);
    (0..2).for_each(|_| _ = nic.poll()); // the card sends it, and receives it
    println!("received: {} frame of {} bytes", rx.receive(&mut batch), batch[0].len());
    Ok(())
}
