//! The part of a device beyond single packets: its names, address and link, its counters, the end of its input.

use std::time::Duration;

use ixy_core::{DeviceStats, LinkState, MacAddress, QueueStats};

use super::Device;
use crate::error::Error;

impl Device {
    /// The driver's name, for instance `ixgbe`.
    pub fn driver(&self) -> &'static str {
        self.card.driver()
    }

    /// The device's address, as passed to [`open`](crate::open).
    pub fn address(&self) -> &str {
        self.card.address()
    }

    /// The number of pairs of a receive and a transmit queue. They are numbered from 0.
    pub fn queues(&self) -> u16 {
        self.card.queues()
    }

    /// The Ethernet address at which the device receives unicast frames.
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

    /// Receives all unicast and multicast frames; with `false`, only unicast frames to the device's own address.
    /// Broadcasts are received either way.
    ///
    /// # Errors
    /// The device is lost, or a virtio device's host does not allow the change.
    pub fn set_promiscuous(&mut self, on: bool) -> Result<(), Error> {
        self.card.set_promiscuous(on).map_err(|source| self.failed(source))
    }

    /// Receives all multicast frames, or none. Broadcasts are always received.
    ///
    /// By default a device is [promiscuous](crate::Options::promiscuous) and receives multicast frames. One that is
    /// not receives none until this call turns them on; a later [`set_promiscuous`](Self::set_promiscuous) sets the
    /// choice anew.
    ///
    /// # Errors
    /// The device is lost.
    pub fn set_multicast(&mut self, on: bool) -> Result<(), Error> {
        self.card.set_multicast(on).map_err(|source| self.failed(source))
    }

    /// The current state of the link.
    pub fn link(&self) -> LinkState {
        self.card.link()
    }

    /// Waits until the link is up, at most `limit`, and starts it again every few seconds. Returns the link's state
    /// at the end; a link that stays down is no error. The wait ends early when the stop of
    /// [`Options::stop`](crate::Options::stop) is requested.
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

    /// All counters since the device was opened. Call it every few seconds: a card's own counters are narrow, and
    /// this call notices a lost device.
    ///
    /// # Errors
    /// [`Error::Lost`], or [`Error::WireFailed`] if the reason is known. Counts so far are kept and included in
    /// the next successful call.
    pub fn stats(&self) -> Result<DeviceStats, Error> {
        self.card.stats().map_err(|source| self.failed(source))
    }

    /// The counts of each queue pair until the last [`stats`](Self::stats), in the order of the queues. It is
    /// empty for a device without counters for each queue: an 82599 with more than 16 pairs, and an 82576.
    pub fn queue_stats(&self) -> Vec<QueueStats> {
        self.card.queue_stats()
    }

    /// The number of records of a capture (`sim:rx=FILE`) that were skipped so far and never reached the device: they
    /// hold less than an Ethernet header, or come from an interface that is not Ethernet. It is 0 for all other
    /// devices. Once [`input_ended`](Self::input_ended) returns `true` it is final.
    ///
    /// A frame that is too long does reach the device, which drops it and counts it in [`DeviceStats::rx_errors`].
    ///
    /// ```
    /// use ixy::{Batch, Options};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("in.pcap");
    /// # let mut writer = ixy_pcap::Writer::create(&path, 0)?;
    /// # [60, 5].iter().try_for_each(|&len| writer.write(0, &[0xff; 60][..len]))?;
    /// # writer.finish()?;
    /// let address = format!("sim:rx={}", path.display()); // a frame, and a record of 5 bytes
    /// let mut card = ixy::open(&[address.parse()?], &Options::default())?.remove(0);
    /// let (mut rx, mut batch) = (card.rx_queue(0)?, Batch::new(32));
    /// while card.receive(&mut *rx, &mut batch).is_some() {}
    /// assert_eq!((batch.len(), card.records_skipped()), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn records_skipped(&self) -> u64 {
        #[cfg(feature = "sim")]
        let skipped = self.simulated().map_or(0, ixy_sim::Sim::records_skipped);
        #[cfg(not(feature = "sim"))]
        let skipped = 0;
        skipped
    }

    /// Whether nothing more will arrive, and everything that arrived is in the receive rings: a capture was read
    /// to its end, or the other end of a cable closed its transmit side. Never true for hardware.
    ///
    /// A program that reads `true` and then finds its receive queues empty has received everything:
    /// [`receive`](Self::receive) checks and receives in this order.
    pub fn input_ended(&self) -> bool {
        self.ground.input_ended()
    }

    /// Ends the transmit side: nothing more will be sent. The other end of a cable sees the end of its input once
    /// it has received everything sent before. Hardware cannot signal this.
    pub fn close_transmit(&self) {
        self.ground.close_transmit();
    }

    /// Checks that the device still works: the wire of a software device fails when its files and sockets do.
    /// [`stats`](Self::stats) notices a lost card.
    ///
    /// # Errors
    /// [`Error::WireFailed`], from then on each time.
    pub fn check(&self) -> Result<(), Error> {
        match self.ground.error() {
            Some(what) => Err(Error::WireFailed { address: self.address().to_owned(), what }),
            None => Ok(()),
        }
    }

    /// Whether frames go to the process's standard output, so that the program must not print there.
    pub fn writes_to_stdout(&self) -> bool {
        self.ground.writes_to_stdout()
    }

    /// The software device behind this one, for inspection and fault injection; `None` for hardware.
    #[cfg(feature = "sim")]
    pub fn simulated(&self) -> Option<&ixy_sim::Sim> {
        self.ground.simulated()
    }
}
