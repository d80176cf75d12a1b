//! An open device: [`Device`].

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use ixy_core::{LinkState, Mempool};
use ixy_dma::DmaDomain;

use crate::card::Card;
use crate::error::Error;

/// A device that was opened, whichever driver it has. It is an [`ixy_core::Device`], and knows besides what only some
/// kinds of devices have: an input that ends, and files.
///
/// The card is stopped when the device and all queues taken from it are dropped.
pub struct Device {
    // Before what it runs on.
    card: Box<dyn Card>,
    ground: Box<dyn Ground>,
    domain: Arc<dyn DmaDomain>,
    pool: Mempool,
}

/// What a driver runs on, as far as it has more than registers and memory. The defaults are those of hardware.
pub(crate) trait Ground: Send {
    /// Whether nothing will ever arrive again, and all that arrived is in the receive rings.
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
        card: impl Card + 'static,
        ground: impl Ground + 'static,
        domain: Arc<dyn DmaDomain>,
        pool: Mempool,
    ) -> Self {
        Self { card: Box::new(card), ground: Box::new(ground), domain, pool }
    }

    /// The pool that received packets come from. Devices opened together share it.
    pub fn pool(&self) -> &Mempool {
        &self.pool
    }

    /// A pool of the device's own, for packets that are made and not received.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn new_pool(&self, buffers: usize) -> Result<Mempool, Error> {
        let memory = |source| Error::Memory { devices: self.address().to_owned(), source };
        Mempool::new(Arc::clone(&self.domain), buffers).map_err(memory)
    }

    /// Waits until the link is up, at most `limit`, and starts it again every few seconds; returns what it is then. A
    /// link that stays down is no error.
    ///
    /// # Errors
    /// The device is lost.
    pub fn wait_for_link(&self, limit: Duration) -> Result<LinkState, Error> {
        let driver = |source| Error::of_driver(self.address(), source);
        self.card.wait_for_link(limit).map_err(driver)
    }

    /// Whether nothing will ever arrive again, and all that arrived is in the receive rings: a capture was read to
    /// its end, or the other end of a cable sends nothing more. Never so for hardware.
    ///
    /// A program that saw this and then finds its receive queues empty has received everything.
    pub fn input_ended(&self) -> bool {
        self.ground.input_ended()
    }

    /// Says that nothing more will be sent, so that whoever receives it sees an end once everything sent before has
    /// arrived. Hardware has no way to say so.
    pub fn close_transmit(&self) {
        self.ground.close_transmit();
    }

    /// Whether the device still works: the wire of a software device can fail, as its files and sockets can. A lost
    /// card is told by [`stats`](ixy_core::Device::stats).
    ///
    /// # Errors
    /// [`Error::WireFailed`]. It stays so.
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

    /// The software device behind this one, to look at or to spoil on purpose; `None` for hardware.
    #[cfg(feature = "sim")]
    pub fn simulated(&self) -> Option<&ixy_sim::Sim> {
        self.ground.simulated()
    }

    /// Closes the device and writes out its files. Its queues should be dropped before: the device stops when the
    /// last of them is gone.
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

impl Deref for Device {
    type Target = dyn ixy_core::Device;

    fn deref(&self) -> &Self::Target {
        &*self.card
    }
}

impl DerefMut for Device {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.card
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
