//! What concerns the whole card, and no single packet: its names, address and link, its counters, the end of its input.

use std::time::Duration;

use ixy_core::{DeviceStats, LinkState, MacAddress, QueueStats};

use super::Device;
use crate::error::Error;

impl Device {
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
        let stop = || self.is_stopped() || self.ground.error().is_some();
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

    /// Whether nothing will ever arrive again, and everything that arrived is in the receive rings: a capture was read to
    /// its end, or the other end of a cable sends nothing more. Never true for hardware.
    ///
    /// A program that reads `true` and then finds its receive queues empty has received everything:
    /// [`receive`](Self::receive) asks and receives in this order.
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
}
