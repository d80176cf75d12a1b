//! The instructions that the driver executes for each packet, for `scripts/instructions` to count under callgrind:
//! forwarding between two software 82599s, and generating on one. Only [`forward`] and [`generate`] are counted;
//! the cards are polled outside.
//!
//! Run by itself it counts nothing, and prints the number of packets.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a benchmark, which prints what it did

use std::hint::black_box;
use std::sync::Arc;

use ixy_core::{Batch, Device, Mempool, RxQueue, TxQueue};
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_ixgbe::Config;
use ixy_sim::wire::{Cables, WireSpec};
use ixy_sim::{Nic82599, SimBus, SimBusMaster};

const BATCH: usize = 32;
const ROUNDS: usize = 2_000;

/// One turn of a forwarder: sends the packets of one card on another, with a byte of each changed.
#[inline(never)]
fn forward(rx: &mut dyn RxQueue, tx: &mut dyn TxQueue, batch: &mut Batch) -> usize {
    rx.receive(batch);
    for packet in &mut *batch {
        if let Some(byte) = packet.get_mut(48) {
            *byte = byte.wrapping_add(1);
        }
    }
    tx.send(batch)
}

/// One turn of a generator: reclaims sent packets, numbers them anew, and sends them again.
#[inline(never)]
fn generate(tx: &mut dyn TxQueue, batch: &mut Batch, number: &mut u32) -> usize {
    tx.reclaim(batch, BATCH);
    for packet in &mut *batch {
        if let Some(place) = packet.get_mut(56..60) {
            place.copy_from_slice(&number.to_be_bytes());
            *number = number.wrapping_add(1);
        }
    }
    tx.send(batch)
}

struct Card {
    nic: Arc<Nic82599>,
    rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
}

fn open(domain: &Arc<SimulatedDomain>, pool: &Mempool) -> Card {
    let spec: WireSpec = "flood".parse().unwrap();
    let wire = spec.connect(&Cables::default()).unwrap();
    let nic = Arc::new(Nic82599::builder(wire, Arc::clone(domain)).build());
    let shared: Arc<dyn DmaDomain> = domain.clone();
    let master = Arc::new(SimBusMaster::new(Arc::clone(&nic)));
    let bus = SimBus::stepping(Arc::clone(&nic));
    // SAFETY: ARMED-ONLY: all three belong to `nic`, which was just made for this driver.
    let mut device = unsafe { Config::default().open("sim", bus, &shared, master, pool) }.unwrap();
    let (rx, tx) = (device.rx_queue(0).unwrap(), device.tx_queue(0).unwrap());
    Card { nic, rx, tx }
}

fn main() {
    let domain = Arc::new(SimulatedDomain::default());
    let pool = Mempool::new(domain.clone(), 2 * Config::default().buffers()).unwrap();
    let (mut a, mut b) = (open(&domain, &pool), open(&domain, &pool));
    let mut batch = Batch::new(BATCH);
    let mut forwarded = 0;
    for _ in 0..ROUNDS {
        a.nic.poll();
        b.nic.poll();
        forwarded += black_box(forward(&mut *a.rx, &mut *b.tx, &mut batch));
        forwarded += black_box(forward(&mut *b.rx, &mut *a.tx, &mut batch));
    }
    assert!(batch.is_empty(), "a card did not take all packets");

    let mut stock = Batch::new(BATCH);
    let (mut generated, mut number) = (0, 0);
    for round in 0..ROUNDS {
        if round < 4 {
            // Fresh packets, four batches of them, which are then sent in turn.
            pool.allocate_batch(&mut stock, BATCH);
            assert!(stock.iter_mut().all(|packet| packet.set_len(60)));
            a.tx.send(&mut stock);
        }
        a.nic.poll();
        generated += black_box(generate(&mut *a.tx, &mut stock, &mut number));
    }
    println!("forwarded {forwarded}");
    println!("generated {generated}");
    assert_eq!(domain.faults(), 0, "a card reached for memory that it was not given");
}
