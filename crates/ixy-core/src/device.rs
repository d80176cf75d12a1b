//! What a driver gives to an application: [`Device`], [`RxQueue`], [`TxQueue`].

use std::fmt;

use crate::batch::Batch;
use crate::checksum::{self, Checksums};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::mac::MacAddress;
use crate::stats::DeviceStats;

/// A network card that was opened. It gives out its queues, each once, and keeps what concerns the whole card.
///
/// Device and queues can go to different threads. The card is reset and its memory freed when the device and all
/// queues taken from it are dropped.
pub trait Device: Send {
    /// The driver's name, for instance `ixgbe`.
    fn driver(&self) -> &'static str;

    /// The card's address as the user gave it.
    fn address(&self) -> &str;

    /// How many pairs of a receive and a transmit queue it was opened with.
    fn queues(&self) -> u16;

    /// Receive queue `n`; `None` when it was taken before or is not there.
    fn rx_queue(&mut self, n: u16) -> Option<Box<dyn RxQueue>>;

    /// Transmit queue `n`; `None` when it was taken before or is not there.
    fn tx_queue(&mut self, n: u16) -> Option<Box<dyn TxQueue>>;

    /// The address that the card receives unicast frames for.
    fn mac(&self) -> MacAddress;

    /// Changes that address until the card is reset.
    ///
    /// # Errors
    /// `mac` is a multicast address, or the device is lost.
    fn set_mac(&mut self, mac: MacAddress) -> Result<(), Error>;

    /// Receives frames to any address, or only to the card's own, multicast and broadcast.
    ///
    /// # Errors
    /// The device is lost.
    fn set_promiscuous(&mut self, on: bool) -> Result<(), Error>;

    /// Receives all multicast frames, or none.
    ///
    /// # Errors
    /// The device is lost.
    fn set_multicast(&mut self, on: bool) -> Result<(), Error>;

    /// The link as it is now.
    fn link(&self) -> LinkState;

    /// Everything counted since the device was opened. Call it once in a while (every few seconds), as the card's own
    /// counters are narrow, and as this is where a lost device is noticed.
    ///
    /// # Errors
    /// [`Error::Lost`]. What was counted before is still in the next answer that is none.
    fn stats(&mut self) -> Result<DeviceStats, Error>;
}

/// One receive queue, owned by the thread that polls it.
pub trait RxQueue: Send {
    /// Adds packets that have arrived to `batch`, up to its room, and returns how many. It never waits. With room in the batch
    /// and buffers in the pool, 0 says that nothing is there: what the driver drops does not hide a good frame behind it.
    fn receive(&mut self, batch: &mut Batch) -> usize;

    /// As [`receive`](Self::receive), and says of each packet that it adds what is known of its checksum, or still owed.
    fn receive_with(&mut self, batch: &mut Batch, checksums: &mut Checksums) -> usize {
        let first = batch.len();
        let received = self.receive(batch);
        checksums.iter_mut().skip(first).take(received).for_each(|checksum| *checksum = Default::default());
        received
    }

    /// Whether the last [`receive`](Self::receive) left a frame where it is, or the device without a place for one, as the
    /// pool had no buffers. Nothing interrupts when it has some again, so who sleeps looks again soon.
    fn is_starved(&self) -> bool {
        false
    }

    /// Its interrupt, for who wants to sleep until a frame arrives; `None` when it was opened without.
    fn interrupt(&mut self) -> Option<&mut dyn Interrupt> {
        None
    }
}

/// One transmit queue, owned by the thread that fills it.
pub trait TxQueue: Send {
    /// Takes packets from the front of `batch` and gives them to the card, as many as there is room for, and returns
    /// how many. What did not fit stays, in order. It never waits. Buffers of sent packets are freed on later calls.
    ///
    /// A packet in memory that the card does not reach is not sent: it stays at the front, and
    /// [`unreachable`](Self::unreachable) counts it.
    fn send(&mut self, batch: &mut Batch) -> usize;

    /// As [`send`](Self::send), and computes what is owed of each packet's checksum, or has the device do it. Afterwards
    /// `checksums` has those of the packets that stayed, again from the first on.
    fn send_with(&mut self, batch: &mut Batch, checksums: &mut Checksums) -> usize {
        checksum::complete_all(batch, checksums);
        self.send(batch)
    }

    /// Adds up to `count` packets that were sent to `batch`, as they were, instead of freeing them, as far as it has
    /// room, and returns how many. Who sends the same packets again saves itself to allocate and to fill them.
    ///
    /// After the first call sent packets are kept for the next one, and freed only when their place is needed.
    fn reclaim(&mut self, batch: &mut Batch, count: usize) -> usize;

    /// Frees what was sent, and returns how many packets the card has not sent yet.
    fn pending(&mut self) -> usize;

    /// How often [`send`](Self::send) met a packet in memory that the card does not reach.
    fn unreachable(&self) -> u64;
}

/// A link, and how fast it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkState {
    /// Whether frames can pass.
    pub up: bool,
    /// Speed in Mbit/s, or 0 when it is down or unknown.
    pub speed: u32,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { up: false, .. } => f.write_str("down"),
            Self { speed: 0, .. } => f.write_str("up"),
            Self { speed, .. } => write!(f, "up at {speed} Mbit/s"),
        }
    }
}
