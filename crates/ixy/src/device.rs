//! An open device: [`Device`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ixy_core::{DeviceStats, LinkState, MacAddress, Mempool, QueueStats, RxQueue, TxQueue};
use ixy_dma::DmaDomain;

use crate::error::{Error, QueueKind};
use crate::stop::Stop;

/// An open network card, whichever driver it has. It gives out its queues, each once, and keeps what concerns the whole card.
///
/// Queues go to the threads that use them. Meanwhile threads can share the device, as `&Device`, and ask it for its link, its
/// statistics, or the end of its input. The card stops when the device and all queues taken from it are dropped, and only then:
/// see [`Stop`] for programs that a signal ends.
///
/// ```
/// use ixy::{Batch, Options};
///
/// # fn main() -> Result<(), ixy::Error> {
/// let mut card = ixy::open(&["sim".parse()?], &Options::default())?.remove(0);
/// println!("{} with driver {}, link {}", card.address(), card.driver(), card.link());
/// let mut rx = card.rx_queue(0)?;
/// let mut batch = Batch::new(32);
/// while card.stats()?.rx_packets == 0 {
///     rx.receive(&mut batch);
///     batch.clear();
/// }
/// drop(rx);
/// card.close()
/// # }
/// ```
pub struct Device {
    // Before what it runs on.
    card: Box<dyn ixy_core::Device>,
    ground: Box<dyn Ground>,
    domain: Arc<dyn DmaDomain>,
    pool: Mempool,
    stop: Option<Stop>,
}

/// What the host side of a device offers beyond registers and memory. The defaults suit real hardware.
pub(crate) trait Ground: Send + Sync {
    /// Whether nothing will ever arrive again, and everything that arrived is in the receive rings.
    fn input_ended(&self) -> bool {
        false
    }

    /// Says that nothing more will be sent.
    fn close_transmit(&self) {}

    /// What went wrong with files and sockets.
    fn error(&self) -> Option<String> {
        None
    }

    /// Whether frames go to standard output.
    fn writes_to_stdout(&self) -> bool {
        false
    }

    /// The software device that it is.
    #[cfg(feature = "sim")]
    fn simulated(&self) -> Option<&ixy_sim::Sim> {
        None
    }

    /// Writes out what is buffered. `address` is for messages.
    fn close(self: Box<Self>, _address: &str) -> Result<(), Error> {
        Ok(())
    }
}

impl Device {
    pub(crate) fn new(
        card: impl ixy_core::Device + 'static,
        ground: impl Ground + 'static,
        domain: Arc<dyn DmaDomain>,
        pool: Mempool,
    ) -> Self {
        Self { card: Box::new(card), ground: Box::new(ground), domain, pool, stop: None }
    }

    /// The same device, whose waits end when `stop` is requested.
    pub(crate) fn stopped_by(self, stop: Option<Stop>) -> Self {
        Self { stop, ..self }
    }

    /// The driver's name, for instance `ixgbe`.
    pub fn driver(&self) -> &'static str {
        self.card.driver()
    }

    /// The device's address as it was given to [`open`](crate::open).
    pub fn address(&self) -> &str {
        self.card.address()
    }

    /// How many pairs of a receive and a transmit queue the device was opened with. They are numbered from 0.
    pub fn queues(&self) -> u16 {
        self.card.queues()
    }

    /// Takes receive queue `n` out of the device. The queue belongs to the caller, and can go to another thread.
    ///
    /// # Errors
    /// [`Error::NoQueue`] when the device has fewer queues, [`Error::QueueTaken`] when it was taken before.
    pub fn rx_queue(&mut self, n: u16) -> Result<Box<dyn RxQueue>, Error> {
        self.card.rx_queue(n).ok_or_else(|| self.without(QueueKind::Receive, n))
    }

    /// Takes transmit queue `n` out of the device. The queue belongs to the caller, and can go to another thread.
    ///
    /// # Errors
    /// [`Error::NoQueue`] when the device has fewer queues, [`Error::QueueTaken`] when it was taken before.
    pub fn tx_queue(&mut self, n: u16) -> Result<Box<dyn TxQueue>, Error> {
        self.card.tx_queue(n).ok_or_else(|| self.without(QueueKind::Transmit, n))
    }

    /// Why there is no queue `n`.
    fn without(&self, kind: QueueKind, queue: u16) -> Error {
        let (address, queues) = (self.address().to_owned(), self.queues());
        if queue < queues {
            Error::QueueTaken { address, kind, queue }
        } else {
            Error::NoQueue { address, kind, queue, queues }
        }
    }

    /// The Ethernet address that the device receives unicast frames for.
    pub fn mac(&self) -> MacAddress {
        self.card.mac()
    }

    /// Changes the Ethernet address until the device is opened again.
    ///
    /// # Errors
    /// `mac` is a multicast address, a virtio device's host does not allow the change, or the device is lost.
    pub fn set_mac(&mut self, mac: MacAddress) -> Result<(), Error> {
        self.card.set_mac(mac).map_err(|source| self.failed(source))
    }

    /// Receives unicast frames to any address, or only those to the device's own.
    ///
    /// # Errors
    /// The device is lost, or a virtio device's host does not allow the change.
    pub fn set_promiscuous(&mut self, on: bool) -> Result<(), Error> {
        self.card.set_promiscuous(on).map_err(|source| self.failed(source))
    }

    /// Receives all multicast frames, or none. Broadcasts are always received.
    ///
    /// # Errors
    /// The device is lost.
    pub fn set_multicast(&mut self, on: bool) -> Result<(), Error> {
        self.card.set_multicast(on).map_err(|source| self.failed(source))
    }

    /// The link as it is now.
    pub fn link(&self) -> LinkState {
        self.card.link()
    }

    /// Waits until the link is up, at most `limit`, and starts it again every few seconds. Returns the link's state at the end; a
    /// link that stays down is no error. The wait ends early when the stop of [`Options::stop`](crate::Options::stop) is
    /// requested.
    ///
    /// # Errors
    /// The device is lost, or its wire failed.
    pub fn wait_for_link(&self, limit: Duration) -> Result<LinkState, Error> {
        let stop = || self.stop.as_ref().is_some_and(Stop::requested) || self.ground.error().is_some();
        let link = self.card.wait_for_link(limit, &stop).map_err(|source| self.failed(source))?;
        if !link.up {
            self.check()?;
        }
        Ok(link)
    }

    /// Everything that the device counted since it was opened. Call it every few seconds: a card's own counters are narrow, and
    /// a lost device is noticed here.
    ///
    /// # Errors
    /// [`Error::Lost`], or [`Error::WireFailed`] where the reason is known. Counts so far are kept and included in the next
    /// successful call.
    pub fn stats(&self) -> Result<DeviceStats, Error> {
        self.card.stats().map_err(|source| self.failed(source))
    }

    /// What each pair of queues counted until the last [`stats`](Self::stats), in the order of the queues. It is empty
    /// for a device that has no counters for each of its queues: an 82599 with more than 16 pairs, and an 82576.
    pub fn queue_stats(&self) -> Vec<QueueStats> {
        self.card.queue_stats()
    }

    /// What the driver's error comes to. Why a card is lost, which its server may have said, says more than that it is.
    fn failed(&self, source: ixy_core::Error) -> Error {
        match (self.check(), source) {
            (Err(reason), _) => reason,
            (Ok(()), source @ ixy_core::Error::Lost { .. }) => {
                Error::Lost { address: self.address().to_owned(), source }
            }
            (Ok(()), source) => Error::of_driver(self.address(), source),
        }
    }

    /// The pool that received packets come from. Devices that were opened together share it.
    pub fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// Makes a pool for packets that the program makes itself, in memory that the device reaches.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn new_pool(&self, buffers: usize) -> Result<Mempool, Error> {
        let memory = |source| Error::Memory { devices: self.address().to_owned(), source };
        Mempool::new(Arc::clone(&self.domain), buffers).map_err(memory)
    }

    /// Whether nothing will ever arrive again, and everything that arrived is in the receive rings: a capture was read to
    /// its end, or the other end of a cable sends nothing more. Never true for hardware.
    ///
    /// A program that reads `true` and then finds its receive queues empty has received everything.
    pub fn input_ended(&self) -> bool {
        self.ground.input_ended()
    }

    /// Says that nothing more will be sent: the other end of a cable sees the end of its input once it has received everything
    /// sent before. Hardware has no way to say so.
    pub fn close_transmit(&self) {
        self.ground.close_transmit();
    }

    /// Whether the device still works: the wire of a software device fails when its files and sockets do. A lost card is noticed
    /// by [`stats`](Self::stats).
    ///
    /// # Errors
    /// [`Error::WireFailed`], from then on each time.
    pub fn check(&self) -> Result<(), Error> {
        match self.ground.error() {
            Some(what) => Err(Error::WireFailed { address: self.address().to_owned(), what }),
            None => Ok(()),
        }
    }

    /// Whether frames go to the process's standard output, so that nothing else should.
    pub fn writes_to_stdout(&self) -> bool {
        self.ground.writes_to_stdout()
    }

    /// The software device behind this one, to inspect it or to inject faults; `None` for hardware.
    #[cfg(feature = "sim")]
    pub fn simulated(&self) -> Option<&ixy_sim::Sim> {
        self.ground.simulated()
    }

    /// Closes the device and writes out its files. Drop its queues before: the device stops when the last of them is gone.
    ///
    /// # Errors
    /// The wire failed while it was in use, or a file could not be written. The device is closed all the same.
    pub fn close(self) -> Result<(), Error> {
        let failed = self.check();
        let Self { card, ground, .. } = self;
        let address = card.address().to_owned();
        drop(card);
        failed.and(ground.close(&address))
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("address", &self.address())
            .field("driver", &self.driver())
            .finish_non_exhaustive()
    }
}
