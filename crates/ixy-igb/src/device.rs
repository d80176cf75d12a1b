//! The open card: [`Igb`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ixy_core::{Device, DeviceStats, LinkState, MacAddress, Mempool, RxQueue, TxQueue};
use ixy_dma::{BusMaster, DmaDomain};
use ixy_regs::bus::Bus;
use ixy_regs::igb::{Registers, descriptors};

use crate::card::Card;
use crate::config::Config;
use crate::error::Error;
use crate::rx::IgbRxQueue;
use crate::stats::Counters;
use crate::tx::{IgbTxQueue, PIECES};
use crate::{filters, init, interrupts, link};

/// The alignment of ring addresses.
const RING_ALIGN: usize = 128;

/// An open 82576 behind a bus of type `B`.
///
/// Queues are taken out with [`take_rx_queue`](Self::take_rx_queue) as their own types, or through
/// [`Device`] behind a vtable. The card stops when the last of device and queues is dropped.
///
/// ```
/// use std::time::Duration;
/// use ixy_core::{Batch, Device, RxQueue};
/// use ixy_regs::bus::Bus;
/// use ixy_igb::Igb;
///
/// /// Receives for as long as packets arrive, and returns how many bytes that were.
/// fn drain<B: Bus + 'static>(card: &mut Igb<B>) -> Result<u64, Box<dyn std::error::Error>> {
///     card.wait_for_link(Duration::from_secs(10))?;
///     let mut rx = card.take_rx_queue(0).ok_or("queue 0 was taken before")?;
///     let mut batch = Batch::new(32);
///     while rx.receive(&mut batch) > 0 {
///         batch.clear(); // frees the packets
///     }
///     Ok(card.stats()?.rx_bytes)
/// }
/// ```
///
/// The first page of this crate shows how it is opened; `examples/echo.rs` runs it on a card made of software.
pub struct Igb<B: Bus> {
    rx: Vec<Option<IgbRxQueue<B>>>,
    tx: Vec<Option<IgbTxQueue<B>>>,
    counters: Mutex<Counters>,
    mac: MacAddress,
    // The last field, so that queues which nobody took are disabled before the card is stopped.
    card: Arc<Card<B>>,
}

impl<B: Bus> fmt::Debug for Igb<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Igb")
            .field("card", &self.card)
            .field("queues", &self.rx.len())
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Opens the card behind `bus`: resets it, sets up link and rings, and starts it. `address` is what
    /// messages call it; `bus_master` switches its DMA; rings are allocated in `domain`, and received frames
    /// go to buffers of `pool`. It does not wait for the link: see [`Igb::wait_for_link`].
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
    ) -> Result<Igb<B>, Error> {
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
        lengths.extend(vec![usize::from(self.tx_ring) * PIECES * descriptors::SIZE; queues]);
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
        // SAFETY: ARMED-ONLY: `reset` disabled all queues.
        unsafe { card.bus_master.enable() }.map_err(dma)?;
        // SAFETY: ARMED-ONLY: no queue is on yet; each starts with a ring of its own.
        unsafe {
            init::start_receive(&card);
            init::start_transmit(&card);
        }
        let mut interrupts = interrupts::init(&card, self)?.into_iter();
        let mut device = Igb { rx: Vec::new(), tx: Vec::new(), counters: Mutex::new(counters), mac, card };
        for (n, ring) in (0..).zip(rx_rings) {
            device.rx.push(Some(IgbRxQueue::start(
                &device.card,
                n,
                ring,
                pool,
                self.queues,
                interrupts.next().flatten(),
            )?));
        }
        for (n, ring) in (0..).zip(tx_rings) {
            device.tx.push(Some(IgbTxQueue::start(&device.card, n, ring, pool, domain.id())?));
        }
        tracing::info!(device = address, model = self.model.name, %mac, queues, "opened");
        Ok(device)
    }
}

impl<B: Bus + 'static> Igb<B> {
    /// Receive queue `n`; `None` when it was taken before or is not there.
    pub fn take_rx_queue(&mut self, n: u16) -> Option<IgbRxQueue<B>> {
        self.rx.get_mut(usize::from(n))?.take()
    }

    /// Transmit queue `n`; `None` when it was taken before or is not there.
    pub fn take_tx_queue(&mut self, n: u16) -> Option<IgbTxQueue<B>> {
        self.tx.get_mut(usize::from(n))?.take()
    }

    /// Waits until the link is up, at most `limit`, and sets it up again every nine seconds. Returns the link's
    /// state then; a link that stays down is no error.
    ///
    /// # Errors
    /// The device is lost.
    pub fn wait_for_link(&self, limit: Duration) -> Result<LinkState, Error> {
        link::wait(&self.card, limit, &|| false)
    }
}

impl<B: Bus + 'static> Device for Igb<B> {
    fn driver(&self) -> &'static str {
        "igb"
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
}
