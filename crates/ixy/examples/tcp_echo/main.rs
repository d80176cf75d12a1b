//! A TCP server that echoes its input, at port 7. smoltcp does the TCP; `Card` connects it to a card of ixy.
//!
//! ```text
//! cargo run -p ixy-net --example tcp_echo -- sim:tap=ixy0,addr=10.0.0.1/24 10.0.0.2
//! nc 10.0.0.2 7
//! ```
//!
//! Ctrl-C ends it.

mod card;

use std::error::Error;
use std::{env, net::Ipv4Addr, thread, time::Duration};

use card::Card;
use ixy::{Options, Stop};
use smoltcp::iface::{Config, Interface, PollResult, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

/// Number of connections at a time.
const CONNECTIONS: usize = 4;
/// Moves received bytes of a socket to its send buffer, while there is room.
fn echo(socket: &mut Socket) -> Result<(), Box<dyn Error>> {
    if !socket.is_open() {
        return Ok(socket.listen(7)?);
    }
    let mut bytes = [0; 4096];
    while socket.can_recv() && socket.can_send() {
        let room = (socket.send_capacity() - socket.send_queue()).min(bytes.len());
        let received = socket.recv_slice(&mut bytes[..room])?;
        socket.send_slice(&bytes[..received])?;
    }
    if socket.may_send() && !socket.may_recv() {
        socket.close(); // The other side closed, and all it sent is on its way back.
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let stop = Stop::on_signals()?;
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(ip)) = (arguments.next(), arguments.next()) else {
        return Err("write the address of a card and the server's IPv4 address".into());
    };
    let mut device = ixy::open(&[address.parse()?], &Options::default().stop(&stop))?.remove(0);
    let mut card = Card::of(&mut device)?;
    let config = Config::new(EthernetAddress(device.mac().octets()).into());
    let mut interface = Interface::new(config, &mut card, Instant::now());
    let ip = IpCidr::new(ip.parse::<Ipv4Addr>()?.into(), 24);
    interface.update_ip_addrs(|addresses| addresses.extend([ip]));
    let mut sockets = SocketSet::new(Vec::new());
    for _ in 0..CONNECTIONS {
        let buffer = || SocketBuffer::new(vec![0; 64 << 10]);
        sockets.add(Socket::new(buffer(), buffer()));
    }
    while !stop.requested() {
        let changed = interface.poll(Instant::now(), &mut card, &mut sockets);
        for (_, socket) in sockets.iter_mut() {
            let smoltcp::socket::Socket::Tcp(socket) = socket;
            echo(socket)?;
        }
        if card.send() == 0 && changed == PollResult::None {
            thread::sleep(Duration::from_micros(50));
        }
    }
    drop(card);
    Ok(device.close()?)
}
