//! The options for opening devices: [`Options`].

use crate::stop::Stop;

/// The options for opening devices. All devices of one call to [`open`](crate::open) share them.
///
/// ```
/// use ixy::{Options, Stop};
///
/// # fn main() -> Result<(), ixy::Error> {
/// let stop = Stop::on_signals()?;
/// let options = Options::default().queues(2).promiscuous(false).stop(&stop);
/// let cards = ixy::open(&["sim".parse()?], &options)?;
/// assert_eq!(cards[0].queues(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) queues: u16,
    pub(crate) rx_ring: u16,
    pub(crate) tx_ring: u16,
    pub(crate) promiscuous: bool,
    // For virtio devices.
    #[cfg_attr(not(feature = "virtio"), allow(dead_code, reason = "other drivers have no use for it"))]
    pub(crate) checksum_offload: bool,
    pub(crate) interrupts: Option<u32>,
    #[cfg_attr(not(feature = "pci"), allow(dead_code, reason = "of cards in the machine"))]
    pub(crate) force: bool,
    #[cfg_attr(not(feature = "pci"), allow(dead_code, reason = "of cards in the machine"))]
    pub(crate) apart: bool,
    #[cfg_attr(not(feature = "pci"), allow(dead_code, reason = "of cards in the machine"))]
    pub(crate) numa: Option<u32>,
    pub(crate) stop: Option<Stop>,
    #[cfg(feature = "pci")]
    pub(crate) sysfs: ixy_pci::Sysfs,
    #[cfg(feature = "sim")]
    pub(crate) cables: Option<ixy_sim::wire::Cables>,
}

impl Default for Options {
    /// One queue pair with 512 descriptors each, promiscuous, polled, without a stop.
    fn default() -> Self {
        let ixy_ixgbe::Config { queues, rx_ring, tx_ring, promiscuous, .. } = ixy_ixgbe::Config::default();
        Self {
            queues,
            rx_ring,
            tx_ring,
            promiscuous,
            checksum_offload: false,
            interrupts: None,
            force: false,
            apart: false,
            numa: None,
            stop: None,
            #[cfg(feature = "pci")]
            sysfs: ixy_pci::Sysfs::default(),
            #[cfg(feature = "sim")]
            cables: None,
        }
    }
}

impl Options {
    /// Opens `pairs` pairs of a receive and a transmit queue: 1 (the default) to 64, for an 82576 1 to 16, for a
    /// virtio device at most as many as its host offers.
    ///
    /// With more than one pair, the card spreads received IP packets over the first 16 receive queues by a hash of
    /// their addresses and of their TCP or UDP ports (receive-side scaling, RSS). All packets of a flow arrive in one
    /// queue, in order; packets that are not IP arrive in queue 0. The host of a virtio device spreads as it likes.
    #[must_use]
    pub fn queues(self, pairs: u16) -> Self {
        Self { queues: pairs, ..self }
    }

    /// Gives each receive ring this many descriptors: a power of two from 64 to 4,096, 512 by default. A virtio
    /// device with smaller rings uses them whole.
    #[must_use]
    pub fn rx_ring(self, descriptors: u16) -> Self {
        Self { rx_ring: descriptors, ..self }
    }

    /// Gives each transmit ring this many descriptors, within the limits of receive rings.
    #[must_use]
    pub fn tx_ring(self, descriptors: u16) -> Self {
        Self { tx_ring: descriptors, ..self }
    }

    /// Receives all unicast and multicast frames (the default); with `false`, only unicast frames to the card's own
    /// address, and multicast frames only after [`Device::set_multicast`](crate::Device::set_multicast). Broadcasts
    /// are received either way.
    #[must_use]
    pub fn promiscuous(self, on: bool) -> Self {
        Self { promiscuous: on, ..self }
    }

    /// Permits devices to exchange frames with incomplete checksums. A virtio device uses this if its host offers
    /// it (`GUEST_CSUM`, `CSUM`); every other card has complete checksums anyway.
    ///
    /// [`RxQueue::receive`](crate::RxQueue::receive) completes checksums before it returns a frame. A program that
    /// can pass incomplete ones on uses [`RxQueue::receive_with`](crate::RxQueue::receive_with) and
    /// [`TxQueue::send_with`](crate::TxQueue::send_with); the latter computes the checksum if the card does not,
    /// and the drivers of Intel cards never use the card for it.
    #[must_use]
    pub fn checksum_offload(self, on: bool) -> Self {
        Self { checksum_offload: on, ..self }
    }

    /// Lets receive queues interrupt, each vector at most `rate` times a second; 0 sets no limit. A virtio device has
    /// no such limit. Each receive queue then has an [`Interrupt`](crate::Interrupt), on which a
    /// [`Waiter`](crate::Waiter) sleeps, and can still be polled. `None`, the default: queues are polled only.
    ///
    /// A card in the machine has to be bound to vfio-pci for interrupts.
    #[must_use]
    pub fn interrupts(self, rate: impl Into<Option<u32>>) -> Self {
        Self { interrupts: rate.into(), ..self }
    }

    /// Takes a card from its kernel driver even if its network interface is up.
    #[must_use]
    pub fn force(self, on: bool) -> Self {
        Self { force: on, ..self }
    }

    /// Gives each card that is bound to vfio-pci its own address space, so that it reaches packets and its own
    /// rings, but not the rings of other cards. Packet memory then counts as locked once for each card. By default
    /// cards share one address space, unless they are behind IOMMUs of two kinds.
    #[must_use]
    pub fn apart(self, on: bool) -> Self {
        Self { apart: on, ..self }
    }

    /// Allocates packets and rings on this NUMA node. `None`, the default, takes the card's.
    #[must_use]
    pub fn numa(self, node: impl Into<Option<u32>>) -> Self {
        Self { numa: node.into(), ..self }
    }

    /// Ends waits once `stop` is requested: those of [`open`](crate::open), with
    /// [`Error::Stopped`](crate::Error::Stopped), since a server may never answer and a named pipe may never get
    /// another end; of [`Device::wait_for_link`](crate::Device::wait_for_link) and
    /// [`Device::send_all`](crate::Device::send_all). A loop around [`Device::receive`](crate::Device::receive)
    /// ends then, too.
    #[must_use]
    pub fn stop(self, stop: &Stop) -> Self {
        Self { stop: Some(stop.clone()), ..self }
    }

    /// Looks for PCI devices below another directory than `/sys`, as tests do.
    #[cfg(feature = "pci")]
    #[doc(hidden)]
    #[must_use]
    pub fn sysfs(self, sysfs: ixy_pci::Sysfs) -> Self {
        Self { sysfs, ..self }
    }

    /// Joins the ends of `sim:cable=` in this set. Several calls of [`open`](crate::open) with the same set can
    /// open one end of a cable each. By default each call has its own set, in which a cable needs both its ends.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn cables(self, cables: &ixy_sim::wire::Cables) -> Self {
        Self { cables: Some(cables.clone()), ..self }
    }

    /// Whether to give up opening although nothing waits. A timed stop applies to waits only.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(Stop::requested_early)
    }

    /// The VFIO containers for cards: as few as possible, so that cards reach the same memory, or one for each
    /// card.
    #[cfg(feature = "pci")]
    pub(crate) fn containers(&self) -> ixy_dma::VfioDomains {
        if self.apart { ixy_dma::VfioDomains::apart() } else { ixy_dma::VfioDomains::default() }
    }

    /// The configuration for the 82599's driver, without the parts that depend on the device.
    pub(crate) fn config(&self) -> ixy_ixgbe::Config {
        let Self { queues, rx_ring, tx_ring, promiscuous, .. } = *self;
        ixy_ixgbe::Config { queues, rx_ring, tx_ring, promiscuous, ..Default::default() }
    }
}
