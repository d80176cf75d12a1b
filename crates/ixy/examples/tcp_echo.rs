//! A TCP server that echoes its input, as `nc 10.0.0.2 7` shows. smoltcp does the TCP; `Card` gives it a card's frames.
//!
//! ```text
//! cargo run -p ixy-net --example tcp_echo -- sim:tap=ixy0,addr=10.0.0.1/24 10.0.0.2
//! ```

use std::{env, error::Error, net::Ipv4Addr, thread, time::Duration};

use ixy::{Batch, Mempool, Options, Packet, RxQueue, Stop, TxQueue};
use smoltcp::socket::{Socket, tcp};
use smoltcp::{iface, phy, time::Instant, wire};

/// The queues of a card, with the frames in transit between them and smoltcp.
struct Card {
    rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
    received: Batch,
    sent: Batch,
    pool: Mempool,
}

impl phy::Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Received, Room<'_>)> {
        self.rx.receive(&mut self.received);
        self.tx.send(&mut self.sent);
        // Without room for an answer the frame is lost; TCP repeats it.
        Some((Received(self.received.pop_front()?), self.transmit(now)?))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        let packet = self.pool.packet(1514).filter(|_| self.sent.room() > 0)?;
        Some(Room(packet, &mut self.sent))
    }

    fn capabilities(&self) -> phy::DeviceCapabilities {
        let mut capabilities = phy::DeviceCapabilities::default();
        capabilities.max_transmission_unit = 1514; // the longest frame, without FCS
        capabilities
    }
}

/// A received frame.
struct Received(Packet);
/// A buffer for a frame, and the batch that the frame goes to.
struct Room<'a>(Packet, &'a mut Batch);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len: usize, write: F) -> R {
        let result = write(&mut self.0[..len]);
        _ = self.0.set_len(len as u16);
        _ = self.1.push(self.0); // `transmit` saw room for it
        result
    }
}

/// Moves received bytes of a connection to its send buffer.
fn echo(socket: &mut tcp::Socket) -> Result<(), Box<dyn Error>> {
    if !socket.is_open() {
        socket.listen(7)?;
    } else if socket.can_recv() && socket.can_send() {
        let mut bytes = vec![0; socket.send_capacity() - socket.send_queue()];
        let received = socket.recv_slice(&mut bytes)?;
        socket.send_slice(&bytes[..received])?;
    } else if socket.may_send() && !socket.may_recv() {
        socket.close(); // the peer has closed, and all it sent is on its way back
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let stop = Stop::on_signals()?;
    let usage = "write the address of a card and the server's IPv4 address";
    let [address, ip] = [1, 2].map(|n| env::args().nth(n).ok_or(usage));
    let mut device = ixy::open(&[address?.parse()?], &Options::default().stop(&stop))?.remove(0);
    let (rx, tx, pool) = (device.rx_queue(0)?, device.tx_queue(0)?, device.new_pool(1024)?);
    let mut card = Card { rx, tx, pool, received: Batch::new(32), sent: Batch::new(32) };
    let mac = wire::EthernetAddress(device.mac().octets());
    let ip = wire::IpCidr::new(ip?.parse::<Ipv4Addr>()?.into(), 24);
    let mut interface = iface::Interface::new(iface::Config::new(mac.into()), &mut card, Instant::now());
    interface.update_ip_addrs(|addresses| addresses.extend([ip]));
    let buffer = || tcp::SocketBuffer::new(vec![0; 64 << 10]);
    let mut sockets = iface::SocketSet::new(Vec::new());
    (0..4).for_each(|_| _ = sockets.add(tcp::Socket::new(buffer(), buffer())));
    while !stop.requested() {
        interface.poll(Instant::now(), &mut card, &mut sockets);
        sockets.iter_mut().try_for_each(|(_, Socket::Tcp(socket))| echo(socket))?;
        thread::sleep(Duration::from_micros(50));
    }
    drop(card);
    Ok(device.close()?)
}
