//! Answers ARP requests and pings for one IPv4 address.
//!
//! ```text
//! cargo run -p ixy-net --example ping_responder -- sim:tap=ixy0,addr=10.0.0.1/24 10.0.0.2
//! ping 10.0.0.2
//! ```
//!
//! Ctrl-C ends it.
#![allow(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::net::Ipv4Addr;
use std::{env, thread, time::Duration};

use ixy::{Batch, MacAddress, Options, Stop};

/// Turns a frame into its answer, in place; `false` if it needs none.
fn answer(frame: &mut [u8], mac: MacAddress, ip: Ipv4Addr) -> bool {
    let answered = match frame.get(12..14) {
        Some([0x08, 0x06]) => answer_arp(&mut frame[14..], mac, ip),
        Some([0x08, 0x00]) if frame[..6] == mac.octets() => answer_ping(&mut frame[14..], ip),
        _ => None,
    };
    if answered.is_some() {
        // Back to the sender, from us.
        frame.copy_within(6..12, 0);
        frame[6..12].copy_from_slice(&mac.octets());
    }
    answered.is_some()
}

/// A request for our address (RFC 826). Its sender becomes the target.
fn answer_arp(arp: &mut [u8], mac: MacAddress, ip: Ipv4Addr) -> Option<()> {
    let request = arp.get_mut(..28)?;
    let (fields, target) = request.split_at(24);
    if fields[..8] != [0, 1, 0x08, 0x00, 6, 4, 0, 1] || target != ip.octets() {
        return None;
    }
    request[7] = 2;
    request.copy_within(8..18, 18);
    request[8..14].copy_from_slice(&mac.octets());
    request[14..18].copy_from_slice(&ip.octets());
    Some(())
}

/// An echo request to our address (RFC 792), unfragmented.
fn answer_ping(packet: &mut [u8], ip: Ipv4Addr) -> Option<()> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let (ip_header, icmp) = packet.split_at_mut_checked(header.max(20))?;
    let fragment = u16::from_be_bytes([ip_header[6], ip_header[7]]) & 0x3fff;
    let (version, protocol) = (ip_header[0] >> 4, ip_header[9]);
    if (version, protocol, fragment) != (4, 1, 0) || ip_header[16..20] != ip.octets() {
        return None;
    }
    let [kind @ 8, 0, high, low, ..] = icmp else { return None };
    // The type changes from 8 to 0, so the checksum grows by 0x0800 (RFC 1624). Swapping addresses does not change
    // it.
    let (sum, carry) = u16::from_be_bytes([*high, *low]).overflowing_add(0x0800);
    *kind = 0;
    [*high, *low] = (sum + u16::from(carry)).to_be_bytes();
    let (source, destination) = ip_header[12..20].split_at_mut(4);
    source.swap_with_slice(destination);
    Some(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let stop = Stop::on_signals()?;
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(ip)) = (arguments.next(), arguments.next()) else {
        return Err("write the address of a card and an IPv4 address to answer for".into());
    };
    let ip: Ipv4Addr = ip.parse()?;
    let mut device = ixy::open(&[address.parse()?], &Options::default().stop(&stop))?.remove(0);
    let mac = device.mac();
    println!("{ip} is at {mac}");
    let (mut rx, mut tx) = (device.rx_queue(0)?, device.tx_queue(0)?);
    let (mut batch, mut answers) = (Batch::new(32), 0);
    while let Some(received) = device.receive(&mut *rx, &mut batch) {
        if received == 0 {
            thread::sleep(Duration::from_micros(50));
        }
        batch.retain(|packet| answer(packet, mac, ip));
        answers += tx.send(&mut batch);
        batch.clear(); // what finds no room is not answered
    }
    println!("{answers} answers");
    drop((batch, rx, tx));
    Ok(device.close()?)
}
