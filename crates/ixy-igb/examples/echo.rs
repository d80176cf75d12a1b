//! Receives frames with the 82576's driver and sends each one back, on the software card of this crate's tests.
//!
//! ```text
//! cargo run -p ixy-igb --example echo
//! ```
//!
//! With a real card the registers are an `ixy_regs::bus::Mmio`, the memory is a domain of `ixy-dma`, and no thread
//! polls it.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ixy_core::{Batch, Device, Mempool, RxQueue, TxQueue};
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_igb::Config;

#[allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the tests'"
)]
#[path = "../tests/device/mod.rs"]
mod device;

/// Number of frames that arrive.
const COUNT: u32 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let memory = Arc::new(SimulatedDomain::default());
    let nic = device::Device::new(device::Options::default(), &memory);
    let (domain, config): (Arc<dyn DmaDomain>, _) = (memory, Config::default());
    let pool = Mempool::new(domain.clone(), config.buffers())?;
    // SAFETY: bus, domain and bus master belong to this one card, which nothing else drives.
    let mut card = unsafe { config.open("example", nic.bus(), &domain, nic.bus_master(), &pool) }?;
    println!("{} has a link that is {}", card.mac(), card.wait_for_link(Duration::from_secs(10))?);
    let queues = (card.take_rx_queue(0), card.take_tx_queue(0));
    let (Some(mut rx), Some(mut tx)) = queues else { return Err("the card has no queues".into()) };

    let (mut batch, mut returned) = (Batch::new(32), 0);
    for number in 0..COUNT {
        let mut frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1, 0x88, 0xb5], &number.to_be_bytes()].concat();
        frame.resize(60, 0);
        nic.arrive([frame]);
        nic.poll(); // the card receives
        rx.receive(&mut batch);
        for packet in &mut batch {
            packet.copy_within(6..12, 0); // back to the source,
            packet[6..12].copy_from_slice(&card.mac().octets()); // from this card
        }
        tx.send(&mut batch); // what did not fit stays in the batch
        nic.poll(); // the card sends
        returned += nic.sent(0).len();
    }
    println!("{returned} frames went back, {} bytes", card.stats()?.tx_bytes);
    Ok(())
}
