//! The open card: [`Ixgbe`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ixy_core::{Device, DeviceStats, LinkState, MacAddress, Mempool, QueueStats, RxQueue, TxQueue};
use ixy_dma::{BusMaster, DmaDomain};
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::{Registers, descriptors};

use crate::card::Card;
use crate::config::Config;
use crate::error::Error;
use crate::rx::IxgbeRxQueue;
use crate::stats::Counters;
use crate::tx::IxgbeTxQueue;
use crate::{filters, init, interrupts, link};

/// The alignment of rings in bytes (sections 8.2.3.8.1 and 8.2.3.9.5).
const RING_ALIGN: usize = 128;

/// An open card of the 82599 family behind a bus of type `B`.
///
/// Queues are taken out with [`take_rx_queue`](Self::take_rx_queue) as their own types, or through
/// [`Device`] behind a vtable. The card stops when the last of device and queues is dropped.
///
/// ```
/// # use std::sync::Arc;
/// # use ixy_core::{Batch, Device, Mempool, RxQueue, TxQueue};
/// # use ixy_dma::{DmaDomain, SimulatedDomain};
/// # use ixy_ixgbe::Config;
/// # use ixy_sim::{Nic82599, SimBus, SimBusMaster, wire};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let memory = Arc::new(SimulatedDomain::default());
/// # let port = "loopback".parse::<wire::WireSpec>()?.connect(&wire::Cables::default())?;
/// # let nic = Arc::new(Nic82599::builder(port, memory.clone()).build());
/// # let domain: Arc<dyn DmaDomain> = memory;
/// # let (bus, master) = (SimBus::stepping(nic.clone()), Arc::new(SimBusMaster::new(nic.clone())));
/// # let config = Config::default();
/// # let pool = Mempool::new(domain.clone(), config.buffers())?;
/// # // SAFETY: bus, domain and bus master are those of this one card, which nobody else drives.
/// # let mut card = unsafe { config.open("example", bus, &domain, master, &pool) }?;
/// // `card` is opened as the first page of this crate shows.
/// let link = card.wait_for_link(std::time::Duration::from_secs(10))?;
/// assert_eq!((link.up, link.speed), (true, 10_000));
/// card.set_promiscuous(false)?; // only frames to `card.mac()`, and broadcasts
/// assert!(card.take_rx_queue(0).is_some() && card.take_rx_queue(0).is_none(), "each queue once");
/// assert_eq!(card.stats()?.rx_packets, 0);
/// # Ok(())
/// # }
/// ```
pub struct Ixgbe<B: Bus> {
    rx: Vec<Option<IxgbeRxQueue<B>>>,
    tx: Vec<Option<IxgbeTxQueue<B>>>,
    counters: Mutex<Counters>,
    mac: MacAddress,
    // The last field, so that queues which nobody took are disabled before the card is stopped.
    pub(crate) card: Arc<Card<B>>,
}

impl<B: Bus> fmt::Debug for Ixgbe<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ixgbe")
            .field("card", &self.card)
            .field("queues", &self.rx.len())
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Opens the card behind `bus`: resets it, sets up link and rings, and starts it. `address` is what
    /// messages call it; `bus_master` switches its DMA; rings are allocated in `domain`, and received frames
    /// go to buffers of `pool`. It does not wait for the link: see [`Ixgbe::wait_for_link`].
    ///
    /// Bus mastering is off until the rings are in place, so that what an earlier user left running cannot
    /// write into new memory.
    ///
    /// # Errors
    /// Any [`Error`]. The card is stopped then, and its memory freed.
    ///
    /// # Safety
    /// ARMED-ONLY: `bus`, `domain` and `bus_master` are those of one device, which is one of `model`'s, and
    /// nobody else drives it as long as the card or one of its queues lives.
    pub unsafe fn open<B: Bus + 'static>(
        &self,
        address: &str,
        bus: B,
        domain: &Arc<dyn DmaDomain>,
        bus_master: Arc<dyn BusMaster>,
        pool: &Mempool,
    ) -> Result<Ixgbe<B>, Error> {
        self.check()?;
        let device = || address.to_owned();
        if !pool.is_mapped_in(domain.id()) {
            return Err(Error::PoolUnreachable { device: device() });
        }
        let dma = |source| Error::Dma { device: device(), source };
        bus_master.disable().map_err(dma)?;
        let regs = Registers::new(bus).map_err(|source| Error::Window { device: device(), source })?;

        let queues = usize::from(self.queues);
        let mut lengths = vec![usize::from(self.rx_ring) * descriptors::SIZE; queues];
        lengths.extend(vec![usize::from(self.tx_ring) * descriptors::SIZE; queues]);
        let memory = Arc::clone(domain).allocate(lengths.iter().sum());
        let rings = memory.and_then(|memory| memory.cut(&lengths, RING_ALIGN));
        let mut rx_rings = rings.map_err(dma)?;
        let tx_rings = rx_rings.split_off(queues);

        // From here on, any failure stops the card.
        let card = Arc::new(Card::new(regs, device(), self.model, bus_master));
        let mac = init::reset(&card)?;
        link::init(&card)?;
        let mut counters = Counters::new(self.queues);
        counters.clear(&card);
        init::clear_tables(&card)?;
        init::init_receive(&card, self);
        init::init_transmit(&card);
        let interrupts = interrupts::init(&card, self)?;
        // SAFETY: ARMED-ONLY: the reset disabled all queues.
        unsafe { card.bus_master.enable() }.map_err(dma)?;
        // SAFETY: ARMED-ONLY: no transmit queue is enabled yet; each starts with head equal to tail.
        unsafe { init::start_transmit(&card.regs) };
        let mut device = Ixgbe { rx: Vec::new(), tx: Vec::new(), counters: Mutex::new(counters), mac, card };
        for ((n, ring), interrupt) in (0..).zip(rx_rings).zip(interrupts) {
            device.rx.push(Some(IxgbeRxQueue::start(&device.card, n, ring, pool, interrupt)?));
        }
        for (n, ring) in (0..).zip(tx_rings) {
            device.tx.push(Some(IxgbeTxQueue::start(&device.card, n, ring, pool, domain.id())?));
        }
        // SAFETY: ARMED-ONLY: every receive ring that is enabled was set up by `IxgbeRxQueue::start`.
        unsafe { init::start_receive(&device.card)? };
        tracing::info!(device = address, model = self.model.name, %mac, queues, "opened");
        Ok(device)
    }
}

impl<B: Bus + 'static> Ixgbe<B> {
    /// Receive queue `n`; `None` when it was taken before or is not there.
    pub fn take_rx_queue(&mut self, n: u16) -> Option<IxgbeRxQueue<B>> {
        self.rx.get_mut(usize::from(n))?.take()
    }

    /// Transmit queue `n`; `None` when it was taken before or is not there.
    pub fn take_tx_queue(&mut self, n: u16) -> Option<IxgbeTxQueue<B>> {
        self.tx.get_mut(usize::from(n))?.take()
    }
}

impl<B: Bus + 'static> Device for Ixgbe<B> {
    fn driver(&self) -> &'static str {
        "ixgbe"
    }

    fn address(&self) -> &str {
        &self.card.name
    }

    fn queues(&self) -> u16 {
        self.rx.len() as u16
    }

    fn rx_queue(&mut self, n: u16) -> Option<Box<dyn RxQueue>> {
        Some(Box::new(self.take_rx_queue(n)?))
    }

    fn tx_queue(&mut self, n: u16) -> Option<Box<dyn TxQueue>> {
        Some(Box::new(self.take_tx_queue(n)?))
    }

    fn mac(&self) -> MacAddress {
        self.mac
    }

    fn set_mac(&mut self, mac: MacAddress) -> Result<(), ixy_core::Error> {
        filters::set_mac(&self.card, mac)?;
        self.mac = mac;
        Ok(())
    }

    fn set_promiscuous(&mut self, on: bool) -> Result<(), ixy_core::Error> {
        self.card.check_present()?;
        filters::set_promiscuous(&self.card, on);
        Ok(())
    }

    fn set_multicast(&mut self, on: bool) -> Result<(), ixy_core::Error> {
        self.card.check_present()?;
        filters::set_multicast(&self.card, on);
        Ok(())
    }

    fn link(&self) -> LinkState {
        link::state(&self.card)
    }

    fn wait_for_link(&self, limit: Duration, stop: &dyn Fn() -> bool) -> Result<LinkState, ixy_core::Error> {
        Ok(link::wait(&self.card, limit, stop)?)
    }

    fn stats(&self) -> Result<DeviceStats, ixy_core::Error> {
        Ok(self.counters.lock().unwrap_or_else(PoisonError::into_inner).update(&self.card)?)
    }

    fn queue_stats(&self) -> Vec<QueueStats> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).queues().to_vec()
    }
}
