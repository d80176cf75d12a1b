//! A TCP server that echoes its input, at port 7. smoltcp does the TCP; `Card` gives it the frames of a card.
//!
//! ```text
//! cargo run -p ixy-net --example tcp_echo -- sim:tap=ixy0,addr=10.0.0.1/24 10.0.0.2
//! nc 10.0.0.2 7
//! ```

use std::{env, error::Error, net::Ipv4Addr, thread, time::Duration};

use ixy::{Batch, Mempool, Options, Packet, RxQueue, Stop, TxQueue};
use smoltcp::iface::{Config, Interface, PollResult, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::socket::{Socket, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

/// The longest frame, without frame check sequence.
const LONGEST_FRAME: usize = 1514;

/// The queues of a card, with the frames in transit between them and smoltcp.
struct Card {
    rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
    received: Batch,
    sent: Batch,
    pool: Mempool,
}

impl Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Received, Room<'_>)> {
        if self.received.is_empty() {
            self.rx.receive(&mut self.received);
        }
        let received = Received(self.received.pop_front()?);
        Some((received, self.transmit(now)?)) // Without room for an answer the frame is lost; TCP repeats it.
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        self.tx.send(&mut self.sent);
        let packet = self.pool.packet(LONGEST_FRAME).filter(|_| self.sent.room() > 0)?;
        Some(Room(packet, &mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = LONGEST_FRAME;
        capabilities
    }
}

/// A received frame.
struct Received(Packet);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// A buffer for a frame, and the batch that the frame goes to.
struct Room<'a>(Packet, &'a mut Batch);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, len: usize, write: F) -> R {
        let result = write(&mut self.0[..len]);
        if self.0.set_len(len as u16) {
            let _ = self.1.push(self.0); // There is room for it.
        }
        result
    }
}

/// Moves received bytes of a connection to its send buffer.
fn echo(socket: &mut tcp::Socket) -> Result<(), Box<dyn Error>> {
    let mut bytes = [0; 4096];
    while socket.can_recv() && socket.can_send() {
        let room = (socket.send_capacity() - socket.send_queue()).min(bytes.len());
        let received = socket.recv_slice(&mut bytes[..room])?;
        socket.send_slice(&bytes[..received])?;
    }
    if !socket.is_open() {
        socket.listen(7)?;
    } else if socket.may_send() && !socket.may_recv() {
        socket.close(); // The other side closed, and all it sent is on its way back.
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let stop = Stop::on_signals()?;
    let (Some(address), Some(ip)) = (env::args().nth(1), env::args().nth(2)) else {
        return Err("write the address of a card and the server's IPv4 address".into());
    };
    let mut device = ixy::open(&[address.parse()?], &Options::default().stop(&stop))?.remove(0);
    let (rx, tx, pool) = (device.rx_queue(0)?, device.tx_queue(0)?, device.new_pool(1024)?);
    let mut card = Card { rx, tx, pool, received: Batch::new(32), sent: Batch::new(32) };
    let config = Config::new(EthernetAddress(device.mac().octets()).into());
    let mut interface = Interface::new(config, &mut card, Instant::now());
    let ip = IpCidr::new(ip.parse::<Ipv4Addr>()?.into(), 24);
    interface.update_ip_addrs(|addresses| addresses.extend([ip]));
    let buffer = || tcp::SocketBuffer::new(vec![0; 64 << 10]);
    let mut sockets = SocketSet::new(Vec::new());
    (0..4).for_each(|_| _ = sockets.add(tcp::Socket::new(buffer(), buffer())));
    while !stop.requested() {
        let changed = interface.poll(Instant::now(), &mut card, &mut sockets);
        for (_, Socket::Tcp(socket)) in sockets.iter_mut() {
            echo(socket)?;
        }
        if card.tx.send(&mut card.sent) == 0 && changed == PollResult::None {
            thread::sleep(Duration::from_micros(50));
        }
    }
    drop(card);
    Ok(device.close()?)
}
