//! The interface of a driver to an application: [`Device`], [`RxQueue`], [`TxQueue`].

use std::fmt;
use std::time::Duration;

use crate::batch::Batch;
use crate::checksum::{self, Checksums};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::mac::MacAddress;
use crate::stats::{DeviceStats, QueueStats};

/// An open network card. It gives out its queues, each once, and handles what concerns the whole card.
///
/// Device and queues can go to different threads, and several threads can share a device to query its link and its
/// counters. The card is reset and its memory freed when the device and all queues taken from it are dropped.
///
/// ```
/// use std::time::Duration;
/// use ixy_core::{Batch, Device, Error};
/// # use ixy_core::{DeviceStats, LinkState, MacAddress, RxQueue, TxQueue};
///
/// /// Waits for a link, receives what has arrived, and says what the card counted.
/// fn report(card: &mut dyn Device) -> Result<String, Error> {
///     let link = card.wait_for_link(Duration::from_secs(10), &|| false)?;
///     if let Some(mut rx) = card.rx_queue(0) {
///         rx.receive(&mut Batch::new(32)); // the batch is dropped, which frees its packets
///     }
///     let stats = card.stats()?;
///     Ok(format!("{} ({}): link {link}, {} frames", card.address(), card.driver(), stats.rx_packets))
/// }
/// #
/// # /// A card without queues.
/// # struct Card;
/// # #[rustfmt::skip]
/// # impl Device for Card {
/// #     fn driver(&self) -> &'static str { "none" }
/// #     fn address(&self) -> &str { "example" }
/// #     fn queues(&self) -> u16 { 0 }
/// #     fn rx_queue(&mut self, _: u16) -> Option<Box<dyn RxQueue>> { None }
/// #     fn tx_queue(&mut self, _: u16) -> Option<Box<dyn TxQueue>> { None }
/// #     fn mac(&self) -> MacAddress { MacAddress([2, 0, 0, 0, 0, 1]) }
/// #     fn set_mac(&mut self, _: MacAddress) -> Result<(), Error> { Ok(()) }
/// #     fn set_promiscuous(&mut self, _: bool) -> Result<(), Error> { Ok(()) }
/// #     fn set_multicast(&mut self, _: bool) -> Result<(), Error> { Ok(()) }
/// #     fn link(&self) -> LinkState { LinkState { up: true, speed: 10_000 } }
/// #     fn wait_for_link(&self, _: Duration, _: &dyn Fn() -> bool) -> Result<LinkState, Error> { Ok(self.link()) }
/// #     fn stats(&self) -> Result<DeviceStats, Error> { Ok(DeviceStats::default()) }
/// # }
/// # let card = &mut Card;
/// assert_eq!(report(card)?, "example (none): link up at 10000 Mbit/s, 0 frames");
/// # Ok::<(), Error>(())
/// ```
///
/// `ixy::open` gives a program such a device for an address, and the driver crates show one on their first pages.
pub trait Device: Send + Sync {
    /// The driver's name, for instance `ixgbe`.
    fn driver(&self) -> &'static str;

    /// The card's address as the user gave it, with a number (`sim #1`) if it was given several times.
    fn address(&self) -> &str;

    /// The number of pairs of a receive and a transmit queue.
    fn queues(&self) -> u16;

    /// Takes receive queue `n`; `None` when it was taken before or is not there.
    fn rx_queue(&mut self, n: u16) -> Option<Box<dyn RxQueue>>;

    /// Takes transmit queue `n`; `None` when it was taken before or is not there.
    fn tx_queue(&mut self, n: u16) -> Option<Box<dyn TxQueue>>;

    /// The address at which the card receives unicast frames.
    fn mac(&self) -> MacAddress;

    /// Changes that address until the card is reset.
    ///
    /// # Errors
    /// `mac` is a multicast address, or the device is lost.
    fn set_mac(&mut self, mac: MacAddress) -> Result<(), Error>;

    /// Receives all unicast and multicast frames; with `false`, only unicast frames to the card's own address.
    /// Broadcasts are received either way.
    ///
    /// # Errors
    /// The device is lost.
    fn set_promiscuous(&mut self, on: bool) -> Result<(), Error>;

    /// Receives all multicast frames, or none. A card that is not promiscuous receives none until this call.
    ///
    /// # Errors
    /// The device is lost.
    fn set_multicast(&mut self, on: bool) -> Result<(), Error>;

    /// The current state of the link.
    fn link(&self) -> LinkState;

    /// Waits until the link is up, `limit` is over, or `stop`, which is called every few milliseconds, returns
    /// true. Restarts the link when it stays down for seconds. Returns the link's state at the end; a link that is
    /// down is no error.
    ///
    /// # Errors
    /// The device is lost.
    fn wait_for_link(&self, limit: Duration, stop: &dyn Fn() -> bool) -> Result<LinkState, Error>;

    /// All counters since the device was opened. Call it every few seconds: the card's own counters are narrow,
    /// and this call notices a lost device.
    ///
    /// # Errors
    /// [`Error::Lost`]. Counts so far are kept and included in the next successful call.
    fn stats(&self) -> Result<DeviceStats, Error>;

    /// The counts of each queue pair until the last [`stats`](Self::stats), in the order of the queues. It is
    /// empty for a device without counters for each queue: an 82599 with more than 16 pairs, and an 82576.
    fn queue_stats(&self) -> Vec<QueueStats> {
        Vec::new()
    }
}

/// One receive queue, owned by the thread that polls it.
///
/// ```
/// use ixy_core::{Batch, Mempool, RxQueue};
///
/// /// Receives what has arrived, and returns how many bytes it is.
/// fn drain(rx: &mut dyn RxQueue) -> usize {
///     let (mut batch, mut bytes) = (Batch::new(32), 0);
///     while rx.receive(&mut batch) > 0 {
///         bytes += batch.drain().map(|packet| packet.len()).sum::<usize>(); // this frees the packets
///     }
///     bytes
/// }
///
/// /// A queue for tests of such a function: these packets arrive.
/// struct Arriving(Batch);
///
/// impl RxQueue for Arriving {
///     fn receive(&mut self, batch: &mut Batch) -> usize {
///         batch.append(&mut self.0)
///     }
/// }
///
/// # let pool = Mempool::new(std::sync::Arc::new(ixy_dma::SimulatedDomain::default()), 64)?;
/// let mut packets = Batch::new(40);
/// pool.allocate_batch(&mut packets, 40);
/// packets.iter_mut().for_each(|packet| assert!(packet.set_len(60)));
/// assert_eq!(drain(&mut Arriving(packets)), 40 * 60);
/// # Ok::<(), ixy_core::Error>(())
/// ```
pub trait RxQueue: Send {
    /// Adds packets that have arrived to `batch`, up to its room, and returns their number. It never waits. With
    /// room in the batch and buffers in the pool, 0 means that nothing has arrived: a frame that the driver drops
    /// does not hide a good one behind it.
    fn receive(&mut self, batch: &mut Batch) -> usize;

    /// Like [`receive`](Self::receive), and stores the checksum state of each packet that it adds at the same
    /// index: whether the device verified it, or whether it is incomplete.
    fn receive_with(&mut self, batch: &mut Batch, checksums: &mut Checksums) -> usize {
        let first = batch.len();
        let received = self.receive(batch);
        checksums.iter_mut().skip(first).take(received).for_each(|checksum| *checksum = Default::default());
        received
    }

    /// Whether the pool had no buffers in the last [`receive`](Self::receive), so that a frame stayed in the
    /// ring or the device lacks a buffer for the next one. No interrupt is raised when buffers become free
    /// again, so poll again soon instead of sleeping for long.
    fn is_starved(&self) -> bool {
        false
    }

    /// The queue's interrupt, to sleep on until a frame arrives; `None` when the device was opened without
    /// interrupts.
    fn interrupt(&mut self) -> Option<&mut dyn Interrupt> {
        None
    }
}

/// One transmit queue, owned by the thread that fills it.
///
/// ```
/// use ixy_core::{Batch, Mempool, TxQueue};
///
/// /// Sends a frame, unless the pool is empty or the ring is full.
/// fn send(tx: &mut dyn TxQueue, pool: &Mempool, frame: &[u8]) -> bool {
///     let Some(packet) = pool.packet_from(frame) else { return false };
///     let mut batch = Batch::new(1);
///     batch.push(packet).is_ok() && tx.send(&mut batch) == 1
/// }
///
/// /// A queue for tests of such a function: it keeps what is sent.
/// struct Kept(Batch);
///
/// impl TxQueue for Kept {
///     fn send(&mut self, batch: &mut Batch) -> usize {
///         self.0.append(batch)
///     }
///     fn reclaim(&mut self, batch: &mut Batch, count: usize) -> usize {
///         (0..count).filter_map(|_| batch.push(self.0.pop_front()?).ok()).count()
///     }
///     fn pending(&mut self) -> usize {
///         0
///     }
///     fn unreachable(&self) -> u64 {
///         0
///     }
/// }
///
/// # let pool = Mempool::new(std::sync::Arc::new(ixy_dma::SimulatedDomain::default()), 64)?;
/// let mut tx = Kept(Batch::new(1));
/// assert!(send(&mut tx, &pool, &[0xff; 60]));
/// assert!(!send(&mut tx, &pool, &[0xff; 60]), "there is room for one frame");
/// assert_eq!(tx.0[0][..], [0xff; 60]);
/// # Ok::<(), ixy_core::Error>(())
/// ```
///
/// [`pending`](Self::pending) says when everything has left the card.
pub trait TxQueue: Send {
    /// Takes packets from the front of `batch` and gives them to the card, as many as there is room for, and
    /// returns their number. Packets that did not fit stay in the batch, in order. It never waits. Buffers of sent
    /// packets are freed on later calls.
    ///
    /// A packet in memory that the card does not reach is not sent: it stays at the front, and
    /// [`unreachable`](Self::unreachable) counts it.
    fn send(&mut self, batch: &mut Batch) -> usize;

    /// Like [`send`](Self::send), and completes each packet's checksum if it is incomplete: the device computes it
    /// if it can, or else the driver. Afterwards `checksums` has the entries of the packets that stayed, again
    /// from index 0 on.
    fn send_with(&mut self, batch: &mut Batch, checksums: &mut Checksums) -> usize {
        checksum::complete_all(batch, checksums);
        self.send(batch)
    }

    /// Puts up to `count` packets that the card has sent back into `batch`, unchanged, instead of freeing them,
    /// while the batch has room, and returns their number. A sender that repeats the same packets need not
    /// allocate and fill them again.
    ///
    /// After the first call sent packets are kept for the next one, and freed only when the ring needs their
    /// place.
    fn reclaim(&mut self, batch: &mut Batch, count: usize) -> usize;

    /// Frees sent packets, and returns the number of packets that the card has not sent yet.
    fn pending(&mut self) -> usize;

    /// The number of times that [`send`](Self::send) found a packet in memory that the card does not reach.
    fn unreachable(&self) -> u64;
}

/// The state and the speed of a link.
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
