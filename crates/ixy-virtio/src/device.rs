//! The open device: [`VirtioNet`].

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ixy_core::{
    Device, DeviceStats, LinkState, MacAddress, Mempool, QueueStats, RxQueue, TxQueue, VectorKind,
};
use ixy_dma::{BusMaster, DmaDomain};
use ixy_regs::bus::Bus;
use ixy_regs::virtio::STATUS;
use ixy_regs::virtio::features::Features;

use crate::card::Card;
use crate::config::Config;
use crate::control::Control;
use crate::error::Error;
use crate::features;
use crate::queue::Plan;
use crate::rx::VirtioRxQueue;
use crate::transport::Transport;
use crate::tx::VirtioTxQueue;

/// An open virtio network device behind a bus of type `B`.
///
/// Queues are taken out with [`take_rx_queue`](Self::take_rx_queue) as their own types, or through
/// [`Device`] behind a vtable. The device is reset when the last of it and its queues is dropped.
///
/// ```
/// use std::time::Duration;
/// use ixy_core::{Batch, Device, RxQueue};
/// use ixy_regs::bus::Bus;
/// use ixy_virtio::VirtioNet;
///
/// /// Receives for as long as packets arrive, and returns how many bytes that were.
/// fn drain<B: Bus + 'static>(device: &mut VirtioNet<B>) -> Result<u64, Box<dyn std::error::Error>> {
///     device.wait_for_link(Duration::from_secs(10))?;
///     let mut rx = device.take_rx_queue(0).ok_or("queue 0 was taken before")?;
///     let mut batch = Batch::new(32);
///     while rx.receive(&mut batch) > 0 {
///         batch.clear(); // frees the packets
///     }
///     Ok(device.stats()?.rx_bytes)
/// }
/// ```
///
/// The first page of this crate shows how it is opened; `examples/rings.rs` runs it on a device made of software.
pub struct VirtioNet<B: Bus> {
    rx: Vec<Option<VirtioRxQueue<B>>>,
    tx: Vec<Option<VirtioTxQueue<B>>>,
    control: Option<Control<B>>,
    mac: MacAddress,
    // The last field, so that queues which nobody took hand their memory over before the device is reset.
    card: Arc<Card<B>>,
}

impl<B: Bus> fmt::Debug for VirtioNet<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioNet")
            .field("card", &self.card)
            .field("queues", &self.rx.len())
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Opens the device behind `transport`: resets it, agrees on features, sets up its rings, and starts it.
    /// `address` is what messages call it; `bus_master` switches its DMA; rings are allocated in `domain`,
    /// and received frames go to buffers of `pool`. It does not wait for the link: see
    /// [`VirtioNet::wait_for_link`].
    ///
    /// Bus mastering is off until the device was reset, so that what an earlier user left running cannot
    /// write into new memory. A legacy device may ignore bus mastering. For it only the reset helps, which
    /// comes before any memory is allocated here. Allocate the pool after the device was
    /// [reset](Transport::quiesce), too.
    ///
    /// # Errors
    /// Any [`Error`]. All memory is freed, and the device is left in reset. It is left untouched when the
    /// numbers of the configuration are wrong, the pool is not mapped, the window has no room for vectors, or
    /// bus mastering cannot be switched.
    ///
    /// # Safety
    /// ARMED-ONLY: `transport`, `domain` and `bus_master` are those of one device, which is a virtio network
    /// device, and nobody else drives it as long as the device or one of its queues lives.
    pub unsafe fn open<B: Bus + 'static>(
        &self,
        address: &str,
        transport: Transport<B>,
        domain: &Arc<dyn DmaDomain>,
        bus_master: Arc<dyn BusMaster>,
        pool: &Mempool,
    ) -> Result<VirtioNet<B>, Error> {
        self.check()?;
        let device = || address.to_owned();
        if !pool.is_mapped_in(domain.id()) {
            return Err(Error::PoolUnreachable { device: device() });
        }
        let dma = |source| Error::Dma { device: device(), source };
        let msix =
            self.interrupts.as_ref().is_some_and(|interrupts| interrupts.vectors.kind() == VectorKind::MsiX);
        let transport = if msix { transport.with_msix()? } else { transport };
        bus_master.disable().map_err(dma)?;

        // From here on, any failure resets the device. The steps follow section 3.1.1.
        let mut card = Card::new(transport, device(), bus_master, self.interrupts.clone(), self.queues);
        card.check_present()?;
        if !card.transport.reset() {
            return Err(card.reset_timeout());
        }
        let mut status = STATUS::ACKNOWLEDGE::SET.mask();
        // SAFETY: ARMED-ONLY: without DRIVER_OK the device reaches nothing.
        unsafe { card.transport.set_status(status) };
        status |= STATUS::DRIVER::SET.mask();
        // SAFETY: ARMED-ONLY: as above.
        unsafe { card.transport.set_status(status) };
        card.features = match features::negotiate(&card, self) {
            Ok(features) => features,
            Err(error) => {
                // SAFETY: ARMED-ONLY: a device that was given up reaches nothing.
                unsafe { card.transport.set_status(status | STATUS::FAILED::SET.mask()) };
                return Err(error);
            }
        };
        let features = card.features;
        let pairs =
            if features.contains(Features::MQ) { card.transport.max_queue_pairs(address)? } else { 1 };
        if self.queues > pairs {
            return Err(Error::TooFewQueues { device: device(), found: pairs, wanted: self.queues });
        }
        card.warn_of_long_frames();
        let mac = if features.contains(Features::MAC) { card.transport.mac(address)? } else { random_mac() };

        let card = Arc::new(card);
        let mut device = VirtioNet { rx: Vec::new(), tx: Vec::new(), control: None, mac, card };
        let card = &device.card;
        let pair = |n| {
            Ok((VirtioRxQueue::plan(card, n, self.rx_ring)?, VirtioTxQueue::plan(card, n, self.tx_ring)?))
        };
        let queues = (0..self.queues).map(pair).collect::<Result<Vec<_>, Error>>()?;
        // The control queue comes after all others that the device has.
        let has_control = features.contains(Features::CTRL_VQ);
        let control = has_control.then(|| Control::plan(card, pairs.saturating_mul(2))).transpose()?;
        let plans = queues.iter().flat_map(|(rx, tx)| [rx, tx]).chain(&control);
        let mut memory = Plan::memory(plans, domain).map_err(dma)?;
        for (n, (rx, tx)) in queues.into_iter().enumerate() {
            device.rx.push(Some(VirtioRxQueue::start(card, n, rx, &mut memory, pool)?));
            device.tx.push(Some(VirtioTxQueue::start(card, n, tx, &mut memory, pool, domain.id())?));
        }
        if let Some(plan) = &control {
            device.control = Some(Control::start(card, plan, &mut memory)?);
        }
        status = card.check_present()? | STATUS::DRIVER_OK::SET.mask();
        // SAFETY: ARMED-ONLY: the reset forgot all rings, and those set up since belong to queues that the
        // card outlives.
        unsafe { card.bus_master.enable() }.map_err(dma)?;
        // SAFETY: ARMED-ONLY: as above.
        unsafe { card.transport.set_status(status) };
        card.check()?;
        device.set_up(self)?;
        tracing::info!(device = address, modern = device.card.transport.is_modern(), %mac, queues = self.queues, "opened");
        Ok(device)
    }
}

/// A random address for a device that has none: locally administered, and not multicast (section 5.1.5).
fn random_mac() -> MacAddress {
    let [a, b, c, d, e, g, ..] = RandomState::new().hash_one(0).to_ne_bytes();
    MacAddress([a & 0xFC | 0x02, b, c, d, e, g])
}

impl<B: Bus + 'static> VirtioNet<B> {
    /// Configures the device once it runs: address and filters.
    fn set_up(&mut self, config: &Config) -> Result<(), Error> {
        let features = self.card.features;
        if let Some(control) = &mut self.control {
            if features.contains(Features::MQ) {
                control.set_queue_pairs(config.queues)?;
            }
            // Give a device without an address the random one, if it has a command for that.
            let untold = !features.contains(Features::MAC) && features.contains(Features::CTRL_MAC_ADDR);
            if untold && let Err(error @ Error::Refused { .. }) = control.set_mac(self.mac) {
                tracing::warn!(%error, "frames to the device's own address may not arrive");
            }
        }
        match self.receive_all(config.promiscuous) {
            // The device then receives more than requested, like a device without CTRL_RX.
            Err(error @ Error::Refused { .. }) if !config.promiscuous => {
                tracing::warn!(%error, "the device may receive all frames");
            }
            result => result?,
        }
        for queue in self.rx.iter().flatten() {
            queue.notify();
        }
        Ok(())
    }

    /// Receives frames to any address, or only to the device's own. A device without CTRL_RX always receives
    /// all.
    fn receive_all(&mut self, on: bool) -> Result<(), Error> {
        match &mut self.control {
            Some(control) if self.card.features.contains(Features::CTRL_RX) => control.set_promiscuous(on),
            _ if on => Ok(()),
            _ => {
                let device = self.card.name.clone();
                tracing::warn!(device, "has no filter for received frames (CTRL_RX): it may receive all");
                Ok(())
            }
        }
    }

    /// The features that driver and device agreed on.
    pub fn features(&self) -> Features {
        self.card.features
    }

    /// Receive queue `n`; `None` when it was taken before or is not there.
    /// [`with_interrupt`](VirtioRxQueue::with_interrupt) makes it one that a thread can sleep on.
    pub fn take_rx_queue(&mut self, n: u16) -> Option<VirtioRxQueue<B>> {
        self.rx.get_mut(usize::from(n))?.take()
    }

    /// Transmit queue `n`; `None` when it was taken before or is not there.
    pub fn take_tx_queue(&mut self, n: u16) -> Option<VirtioTxQueue<B>> {
        self.tx.get_mut(usize::from(n))?.take()
    }

    /// Waits until the link is up, at most `limit`, and returns the link's state. A link that stays down is
    /// no error.
    ///
    /// # Errors
    /// The device is lost, or does not run any more.
    pub fn wait_for_link(&self, limit: Duration) -> Result<LinkState, Error> {
        self.wait(limit, &|| false)
    }

    fn wait(&self, limit: Duration, stop: &dyn Fn() -> bool) -> Result<LinkState, Error> {
        // A limit that the clock cannot express is no limit.
        let end = Instant::now().checked_add(limit);
        loop {
            let late = end.is_some_and(|end| Instant::now() >= end);
            self.card.check()?;
            let link = self.link();
            if link.up || late || stop() {
                return Ok(link);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl<B: Bus + 'static> Device for VirtioNet<B> {
    fn driver(&self) -> &'static str {
        "virtio"
    }

    fn address(&self) -> &str {
        &self.card.name
    }

    fn queues(&self) -> u16 {
        self.rx.len() as u16
    }

    fn rx_queue(&mut self, n: u16) -> Option<Box<dyn RxQueue>> {
        match self.take_rx_queue(n)?.with_interrupt() {
            Ok(queue) => Some(Box::new(queue)),
            Err(polled) => Some(Box::new(polled)),
        }
    }

    fn tx_queue(&mut self, n: u16) -> Option<Box<dyn TxQueue>> {
        Some(Box::new(self.take_tx_queue(n)?))
    }

    fn mac(&self) -> MacAddress {
        self.mac
    }

    fn set_mac(&mut self, mac: MacAddress) -> Result<(), ixy_core::Error> {
        if !mac.is_unicast() {
            return Err(Error::NotUnicast { mac }.into());
        }
        let features = self.card.features;
        match &mut self.control {
            Some(control) if features.contains(Features::CTRL_MAC_ADDR) => control.set_mac(mac)?,
            // The address of a modern device is read-only (section 5.1.4.2).
            _ if !self.card.transport.is_modern() && features.contains(Features::MAC) => {
                self.card.check()?;
                self.card.transport.set_mac(mac)?;
            }
            _ => {
                let (device, what) = (self.card.name.clone(), "change its MAC address");
                let hint = " (QEMU: ctrl_vq=on, ctrl_mac_addr=on)";
                return Err(Error::NotOffered { device, what, feature: "CTRL_MAC_ADDR", hint }.into());
            }
        }
        self.mac = mac;
        Ok(())
    }

    fn set_promiscuous(&mut self, on: bool) -> Result<(), ixy_core::Error> {
        self.card.check()?;
        Ok(self.receive_all(on)?)
    }

    fn set_multicast(&mut self, on: bool) -> Result<(), ixy_core::Error> {
        self.card.check()?;
        match &mut self.control {
            Some(control) if self.card.features.contains(Features::CTRL_RX) => {
                Ok(control.set_all_multicast(on)?)
            }
            // The device receives everything.
            _ => Ok(()),
        }
    }

    fn link(&self) -> LinkState {
        let features = self.card.features;
        let gone = self.card.check_present().is_err();
        let up = !gone && (!features.contains(Features::STATUS) || self.card.transport.link_is_up());
        let speed =
            if up && features.contains(Features::SPEED_DUPLEX) { self.card.transport.speed() } else { 0 };
        LinkState { up, speed }
    }

    fn wait_for_link(&self, limit: Duration, stop: &dyn Fn() -> bool) -> Result<LinkState, ixy_core::Error> {
        Ok(self.wait(limit, stop)?)
    }

    /// A virtio device has no counters. The driver counts the frames that its queues received and took,
    /// including frames that are still in a transmit ring. Only the host knows which frames were missed.
    fn stats(&self) -> Result<DeviceStats, ixy_core::Error> {
        self.card.check()?;
        Ok(self.card.stats())
    }

    fn queue_stats(&self) -> Vec<QueueStats> {
        self.card.queue_stats()
    }
}
