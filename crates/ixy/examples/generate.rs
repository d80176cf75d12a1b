//! Sends numbered UDP datagrams as fast as a card takes them.
//!
//! ```text
//! cargo run --release -p ixy-net --example generate -- sim 1000000
//! cargo run --release -p ixy-net --example generate -- sim:tx=out.pcap 1000
//! ```
//!
//! It ends when all are sent, or on Ctrl-C.
#![allow(clippy::print_stdout, reason = "a program")]

use std::time::Duration;

use ixy::{Batch, MacAddress, Options, Stop};

/// A frame of 60 bytes: Ethernet, IPv4, UDP from 10.0.0.1:1 to 10.0.0.2:9 (discard), and 18 bytes of payload.
fn frame(source: MacAddress) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].fill(0xff);
    frame[6..12].copy_from_slice(&source.octets());
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    let ip = [0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    frame[14..34].copy_from_slice(&ip);
    let sum: u32 = ip.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame[34..42].copy_from_slice(&[0, 1, 0, 9, 0, 26, 0, 0]); // checksum 0: none
    frame
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, count] = &arguments[..] else { return Err("usage: generate ADDRESS COUNT".into()) };
    let count: u32 = count.parse()?;
    let stop = Stop::on_signals()?;
    let mut card = ixy::open(&[address.parse()?], &Options::default().stop(&stop))?.remove(0);
    if !card.wait_for_link(Duration::from_secs(10))?.up && !stop.requested() {
        return Err(format!("{address} has no link").into());
    }
    let mut tx = card.tx_queue(0)?;
    // More than a ring and a batch hold, so that there is a packet to fill while others are being sent.
    let pool = card.new_pool(2048)?;
    let template = frame(card.mac());
    let (mut batch, mut made) = (Batch::new(32), 0);
    while !stop.requested() && made < count {
        while made < count
            && batch.room() > 0
            && let Some(mut packet) = pool.packet_from(&template)
        {
            packet[42..46].copy_from_slice(&made.to_be_bytes());
            let _there_is_room = batch.push(packet);
            made += 1;
        }
        tx.send(&mut batch);
    }
    card.send_all(&mut *tx, &mut batch); // what is in the ring is not sent yet
    println!("{} frames sent", card.stats()?.tx_packets);
    drop((batch, tx));
    card.close()?;
    Ok(())
}
