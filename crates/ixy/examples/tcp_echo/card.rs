//! A card in the form that smoltcp needs: [`Card`].

use ixy::{Batch, Mempool, Packet, RxQueue, TxQueue};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// The longest frame, without frame check sequence.
const LONGEST_FRAME: usize = 1514;

/// A receive and a transmit queue, with the frames in transit between them and smoltcp.
pub(crate) struct Card {
    rx: Box<dyn RxQueue>,
    tx: Box<dyn TxQueue>,
    received: Batch,
    sent: Batch,
    pool: Mempool,
}

impl Card {
    /// The first queues of `device`, with separate buffers for sending.
    pub(crate) fn of(device: &mut ixy::Device) -> Result<Self, ixy::Error> {
        let (rx, tx, pool) = (device.rx_queue(0)?, device.tx_queue(0)?, device.new_pool(1024)?);
        Ok(Self { rx, tx, received: Batch::new(32), sent: Batch::new(32), pool })
    }

    /// Sends smoltcp's frames by the card; returns how many it took.
    pub(crate) fn send(&mut self) -> usize {
        self.tx.send(&mut self.sent)
    }

    fn has_room(&mut self) -> bool {
        self.sent.room() > 0 || self.send() > 0
    }
}

/// A received frame.
pub(crate) struct Received(Packet);

/// A buffer for a frame, and the batch that the frame goes to.
pub(crate) struct Room<'a>(Packet, &'a mut Batch);

impl Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Room<'_>)> {
        if self.received.is_empty() {
            self.rx.receive(&mut self.received);
        }
        let room = self.pool.packet(LONGEST_FRAME).filter(|_| self.has_room())?;
        Some((Received(self.received.pop_front()?), Room(room, &mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        let room = self.pool.packet(LONGEST_FRAME).filter(|_| self.has_room())?;
        Some(Room(room, &mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = LONGEST_FRAME;
        capabilities
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let Self(mut packet, sent) = self;
        let result = write(&mut packet[..len]);
        if packet.set_len(len as u16) {
            let _ = sent.push(packet); // There was room for it.
        }
        result
    }
}
