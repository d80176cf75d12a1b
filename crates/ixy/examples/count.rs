//! Counts the frames that a card receives, by protocol, and sleeps while none arrive.
//!
//! ```text
//! cargo run -p ixy-net --example count -- sim:rx=in.pcap
//! cargo run -p ixy-net --example count -- 0000:03:00.0 --sleep      # the card has to be bound to vfio-pci
//! ```
//!
//! It ends with the input, or with Ctrl-C.
#![allow(clippy::print_stdout, reason = "a program")]

use std::collections::BTreeMap;

use ixy::{Batch, Options, Stop, WaitMode, Waiter};

/// The protocol of a frame, by the EtherType after its two addresses.
fn protocol(frame: &[u8]) -> &'static str {
    match frame.get(12..14) {
        Some([0x08, 0x00]) => "IPv4",
        Some([0x08, 0x06]) => "ARP",
        Some([0x86, 0xdd]) => "IPv6",
        Some([0x81, 0x00]) => "VLAN",
        _ => "other",
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, sleep) = match &arguments[..] {
        [address] => (address, false),
        [address, sleep] if sleep == "--sleep" => (address, true),
        _ => return Err("usage: count ADDRESS [--sleep]".into()),
    };
    let stop = Stop::on_signals()?;
    // A thread needs interrupts to sleep: here at most 20,000 a second.
    let options = Options::default().stop(&stop).interrupts(sleep.then_some(20_000));
    let mut card = ixy::open(&[address.parse()?], &options)?.remove(0);
    let mut rx = card.rx_queue(0)?;
    let mode = if sleep { WaitMode::Adaptive(WaitMode::IDLE) } else { WaitMode::Poll };
    let mut waiter = Waiter::new(mode, [&mut *rx])?;

    let mut counts = BTreeMap::<_, (u64, u64)>::new();
    let mut batch = Batch::new(32);
    while let Some(received) = card.receive(&mut *rx, &mut batch) {
        for packet in batch.drain() {
            let (frames, bytes) = counts.entry(protocol(&packet)).or_default();
            (*frames, *bytes) = (*frames + 1, *bytes + packet.len() as u64);
        }
        waiter.after(received, [(&mut *rx, 0)]);
    }
    for (protocol, (frames, bytes)) in counts {
        println!("{protocol}: {frames} frames, {bytes} bytes");
    }
    drop(rx);
    Ok(card.close()?) // a damaged capture is an error
}
