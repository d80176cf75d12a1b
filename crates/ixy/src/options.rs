//! How devices are opened: [`Options`].

/// How devices are opened. Those of one call to [`open`](crate::open) are all opened alike.
#[derive(Debug, Clone)]
pub struct Options {
    /// Pairs of a receive and a transmit queue, 1 to 64; of an 82576 1 to 16.
    pub queues: u16,
    /// Descriptors of each receive ring: a power of two from 64 to 4,096. Of a virtio device with smaller rings it is
    /// what they hold.
    pub rx_ring: u16,
    /// Descriptors of each transmit ring, as of each receive ring.
    pub tx_ring: u16,
    /// Receive frames to any address, and not only those to the card's own.
    pub promiscuous: bool,
    /// Let a virtio device receive and send frames whose checksum is still owed, if its host offers that (`GUEST_CSUM`,
    /// `CSUM`). `receive` computes what is missing before it hands a frame on; who can pass it on uses
    /// [`RxQueue::receive_with`](ixy_core::RxQueue::receive_with) and [`TxQueue::send_with`](ixy_core::TxQueue::send_with).
    /// Other cards take no notice of it.
    pub checksum_offload: bool,
    /// Let receive queues interrupt, each vector at most so many times a second, or as often as it likes with 0; a virtio
    /// device has no such limit. Each queue then has an [`Interrupt`](ixy_core::Interrupt), and still may be polled. `None`:
    /// no queue interrupts. A card in the machine has to be bound to vfio-pci for it.
    pub interrupts: Option<u32>,
    /// Take a card from its kernel driver even if its network interface is up.
    pub force: bool,
    /// Give each card that is bound to vfio-pci address space of its own, so that it reaches packets and its own rings, but not the
    /// rings of other cards. Packet memory is then counted as locked once for each card. Without this only cards that cannot
    /// share an address space, as they are behind IOMMUs of two kinds, are apart.
    pub apart: bool,
    /// The NUMA node of packet memory; `None` takes that of the card.
    pub numa: Option<u32>,
    /// Where PCI devices are looked for. For tests.
    #[cfg(feature = "pci")]
    pub sysfs: ixy_pci::Sysfs,
    /// The cables that `sim:cable=` joins. `None` makes a set of their own for the devices of one call, and each cable
    /// then needs both its ends there; several calls that are given the same set can have one end each.
    #[cfg(feature = "sim")]
    pub cables: Option<ixy_sim::wire::Cables>,
}

impl Default for Options {
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
            #[cfg(feature = "pci")]
            sysfs: ixy_pci::Sysfs::default(),
            #[cfg(feature = "sim")]
            cables: None,
        }
    }
}

impl Options {
    /// What cards that are bound to vfio-pci are put into: as few address spaces as they can do with, so that they reach the same
    /// memory, or one for each.
    #[cfg(feature = "pci")]
    pub(crate) fn containers(&self) -> ixy_dma::VfioDomains {
        if self.apart { ixy_dma::VfioDomains::apart() } else { ixy_dma::VfioDomains::default() }
    }

    /// The same for the driver.
    pub(crate) fn config(&self) -> ixy_ixgbe::Config {
        let Self { queues, rx_ring, tx_ring, promiscuous, .. } = *self;
        ixy_ixgbe::Config { queues, rx_ring, tx_ring, promiscuous, ..Default::default() }
    }
}
