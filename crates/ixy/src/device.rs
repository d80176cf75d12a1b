//! An open device: [`Device`].

mod control;
mod traffic;

use std::fmt;
use std::sync::Arc;

use ixy_core::{Mempool, RxQueue, TxQueue};
use ixy_dma::DmaDomain;

use crate::error::{Error, QueueKind};
use crate::stop::Stop;

/// An open network card, whichever driver it has. It gives out its queues, each once, and handles what concerns
/// the whole card.
///
/// Queues go to the threads that use them. At the same time, threads can share the device, as `&Device`, and ask
/// it for its link, its statistics, or the end of its input. The card stops when the device and all queues taken
/// from it are dropped, and only then: see [`Stop`] for programs that a signal ends. The wire of a `sim` is unplugged
/// with the device: queues that outlive it receive nothing, and what they send waits.
///
/// ```
/// use ixy::{Batch, Options};
///
/// # fn main() -> Result<(), ixy::Error> {
/// let mut card = ixy::open(&["sim".parse()?], &Options::default())?.remove(0);
/// println!("{} with driver {}, link {}", card.address(), card.driver(), card.link());
/// let mut rx = card.rx_queue(0)?;
/// let mut batch = Batch::new(32);
/// while card.receive(&mut *rx, &mut batch).is_some() {
///     batch.clear();
/// #   if card.stats()?.rx_packets > 0 { break; }
/// }
/// drop(rx);
/// card.close()
/// # }
/// ```
pub struct Device {
    // Dropped before its ground.
    card: Box<dyn ixy_core::Device>,
    ground: Box<dyn Ground>,
    domain: Arc<dyn DmaDomain>,
    pool: Mempool,
    stop: Option<Stop>,
}

/// What the host side of a device offers beyond registers and memory. The defaults suit real hardware.
pub(crate) trait Ground: Send + Sync {
    /// Whether nothing more will arrive, and everything that arrived is in the receive rings.
    fn input_ended(&self) -> bool {
        false
    }

    /// Ends the transmit side: nothing more will be sent.
    fn close_transmit(&self) {}

    /// The error of files and sockets, if any.
    fn error(&self) -> Option<String> {
        None
    }

    /// Whether frames go to standard output.
    fn writes_to_stdout(&self) -> bool {
        false
    }

    /// The software device behind it, if it is one.
    #[cfg(feature = "sim")]
    fn simulated(&self) -> Option<&ixy_sim::Sim> {
        None
    }

    /// Flushes the buffers. `address` is for messages.
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

    /// The same device, with waits that end when `stop` is requested.
    pub(crate) fn stopped_by(self, stop: Option<Stop>) -> Self {
        Self { stop, ..self }
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

    /// The reason why there is no queue `n`.
    fn without(&self, kind: QueueKind, queue: u16) -> Error {
        let (address, queues) = (self.address().to_owned(), self.queues());
        if queue < queues {
            Error::QueueTaken { address, kind, queue }
        } else {
            Error::NoQueue { address, kind, queue, queues }
        }
    }

    /// Converts the driver's error. If the server gave a reason for the loss of the card, that is more useful.
    fn failed(&self, source: ixy_core::Error) -> Error {
        match (self.check(), source) {
            (Err(reason), _) => reason,
            (Ok(()), source @ ixy_core::Error::Lost { .. }) => {
                Error::Lost { address: self.address().to_owned(), source }
            }
            (Ok(()), source) => Error::of_driver(self.address(), source),
        }
    }

    /// The pool of received packets. Devices that were opened together share it.
    pub fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// Creates a pool for packets that the program makes itself, in memory that the device reaches.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn new_pool(&self, buffers: usize) -> Result<Mempool, Error> {
        let memory = |source| Error::Memory { devices: self.address().to_owned(), source };
        Mempool::new(Arc::clone(&self.domain), buffers).map_err(memory)
    }

    /// Closes the device and flushes its files. Drop its queues before: the device stops when the last of them is
    /// gone.
    ///
    /// # Errors
    /// The wire failed while it was in use, or a file could not be written. The device is closed anyway.
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
