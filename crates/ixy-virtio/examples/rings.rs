//! Opens a virtio device with split and with packed rings, says what driver and device agreed on, and sends received
//! frames back. The device is the software one of this crate's tests.
//!
//! ```text
//! cargo run -p ixy-virtio --example rings
//! ```
//!
//! A real device has its structures where its PCI capabilities say (`ixy_virtio::Layout`), and works without being
//! polled.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::sync::Arc;

use device::{Options, Window, feature};
use ixy_core::{Batch, Mempool, RxQueue, TxQueue};
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_virtio::{Config, Structures, Transport};

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

fn main() -> Result<(), Box<dyn Error>> {
    for packed in [0, feature::RING_PACKED] {
        let features = feature::VERSION_1 | feature::MAC | feature::MRG_RXBUF | packed;
        let memory = Arc::new(SimulatedDomain::default());
        let nic = device::Device::new(Options { features, ..Options::default() }, &memory);
        let transport = Transport::modern(Structures {
            common: nic.bus(Window::Common),
            notify: nic.bus(Window::Notify),
            notify_multiplier: 4,
            isr: nic.bus(Window::Isr),
            device: nic.bus(Window::Config),
        })?;
        let (domain, config): (Arc<dyn DmaDomain>, _) = (memory, Config::default());
        let pool = Mempool::new(domain.clone(), config.buffers())?;
        // SAFETY: transport, domain and bus master are those of this one device, which nobody else drives.
        let mut card = unsafe { config.open("example", transport, &domain, nic.bus_master(), &pool) }?;
        let queues = (card.take_rx_queue(0), card.take_tx_queue(0));
        let (Some(mut rx), Some(mut tx)) = queues else { return Err("the device has no queues".into()) };
        let (mut batch, mut returned) = (Batch::new(32), 0);
        for number in 0..1000 {
            nic.arrive(0, &[vec![number as u8; 60]]);
            nic.poll(); // the device fills a buffer
            rx.receive(&mut batch);
            tx.send(&mut batch); // what did not fit stays in the batch
            nic.poll(); // the device sends
            returned += nic.frames(0).len();
        }
        println!("{:?}: {returned} frames went back", card.features());
    }
    Ok(())
}
