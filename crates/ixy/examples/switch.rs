//! An Ethernet switch: it learns the port of each address and sends frames there. Frames to unknown addresses go
//! to all other ports.
//!
//! ```text
//! cargo run -p ixy-net --example switch -- sim:tap=a,up sim:tap=b,up sim:tap=c,up
//! ```
//!
//! Ctrl-C ends it, and so does the end of what all ports receive, such as captures.
#![allow(clippy::print_stdout, reason = "a program")]

use std::collections::HashMap;
use std::error::Error;
use std::{env, thread, time::Duration};

use ixy::{Address, Batch, MacAddress, Mempool, Options, Packet, RxQueue, Stop, TxQueue};

/// Largest number of addresses in the table.
const TABLE: usize = 8192;

struct Port {
    rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
    /// Frames to be sent.
    out: Batch,
}

/// The destination and the source of a frame.
fn addresses(frame: &[u8]) -> Option<(MacAddress, MacAddress)> {
    Some((MacAddress(*frame.first_chunk()?), MacAddress(*frame.get(6..)?.first_chunk()?)))
}

struct Switch {
    ports: Vec<Port>,
    table: HashMap<MacAddress, usize>,
    pool: Mempool,
    forwarded: u64,
    flooded: u64,
    dropped: u64,
}

impl Switch {
    /// Switches a frame that arrived at port `from`.
    fn switch(&mut self, from: usize, packet: Packet) {
        let Some((destination, source)) = addresses(&packet) else { return };
        if source.is_unicast() && (self.table.len() < TABLE || self.table.contains_key(&source)) {
            self.table.insert(source, from);
        }
        match self.table.get(&destination) {
            Some(&to) if to == from => {}
            Some(&to) => {
                self.forwarded += 1;
                self.send(to, Some(packet));
            }
            None => {
                self.flooded += 1;
                for to in (0..self.ports.len()).filter(|to| *to != from) {
                    self.send(to, self.pool.packet_from(&packet));
                }
            }
        }
    }

    /// Queues a frame, if it got a buffer and there is room.
    fn send(&mut self, to: usize, packet: Option<Packet>) {
        let queued = packet.is_some_and(|packet| self.ports[to].out.push(packet).is_ok());
        self.dropped += u64::from(!queued);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let stop = Stop::on_signals()?;
    let addresses = env::args().skip(1).map(|text| text.parse()).collect::<Result<Vec<Address>, _>>()?;
    let mut devices = ixy::open(&addresses, &Options::default().stop(&stop))?;
    let pool = devices.first().ok_or("which ports? write the address of each")?.pool().clone();
    let mut ports = Vec::new();
    for device in &mut devices {
        ports.push(Port { rx: device.rx_queue(0)?, tx: device.tx_queue(0)?, out: Batch::new(256) });
    }
    let mut switch = Switch { ports, table: HashMap::new(), pool, forwarded: 0, flooded: 0, dropped: 0 };
    let mut batch = Batch::new(32);
    let mut received = Some(0);
    while received.is_some() {
        received = None; // as from a port whose input has ended
        for (from, device) in devices.iter().enumerate() {
            received = received.max(device.receive(&mut *switch.ports[from].rx, &mut batch));
            batch.drain().for_each(|packet| switch.switch(from, packet));
        }
        let sent: usize = switch.ports.iter_mut().map(|port| port.tx.send(&mut port.out)).sum();
        if received == Some(0) && sent == 0 {
            thread::sleep(Duration::from_micros(50));
        }
    }
    for (device, port) in devices.iter().zip(&mut switch.ports) {
        switch.dropped += device.send_all(&mut *port.tx, &mut port.out) as u64;
    }
    let Switch { ports, table, forwarded, flooded, dropped, .. } = switch;
    println!("{forwarded} frames forwarded, {flooded} flooded, {dropped} dropped, {} addresses", table.len());
    drop(ports);
    Ok(devices.into_iter().try_for_each(ixy::Device::close)?)
}
