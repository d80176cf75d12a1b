//! The configuration with which a card is opened: [`Config`].

use ixy_core::{Batch, Cache, Interrupts};

use crate::error::Error;
use crate::models::{MODELS, Model};

/// The number of queues and descriptors of a card, and which frames it receives.
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
/// // `bus`, `domain` and `master` belong to a software card here.
/// let config = Config { queues: 2, rx_ring: 1024, ..Config::default() };
/// let pool = Mempool::new(domain.clone(), config.buffers())?; // enough for its rings
/// // SAFETY: bus, domain and bus master are those of this one card, which nobody else drives.
/// let card = unsafe { config.open("example", bus, &domain, master, &pool) }?;
/// assert_eq!(card.queues(), 2);
///
/// let wrong = Config { rx_ring: 1000, ..config }; // no power of two
/// assert!(wrong.check().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// Pairs of a receive and a transmit queue, 1 to 64. With more than one, received IP packets are spread
    /// over the first 16 by a hash of their addresses and ports; all others go to queue 0.
    pub queues: u16,
    /// Descriptors in each receive ring: a power of two from 64 to 4,096.
    pub rx_ring: u16,
    /// Descriptors in each transmit ring: a power of two from 64 to 4,096.
    pub tx_ring: u16,
    /// Whether to receive frames to any address, as a forwarder needs, or only those to the card's own.
    pub promiscuous: bool,
    /// The card's model, since the bus cannot find it out.
    pub model: &'static Model,
    /// The interrupt vectors, and their highest rate; `None` when receive queues are only polled. With MSI-X
    /// each queue has its own vector while there are enough. A rate below 956 interrupts a second becomes
    /// 956.
    pub interrupts: Option<Interrupts>,
}

impl Default for Config {
    fn default() -> Self {
        Self { queues: 1, rx_ring: 512, tx_ring: 512, promiscuous: true, model: &MODELS[0], interrupts: None }
    }
}

impl Config {
    /// Checks the numbers of queues and descriptors.
    ///
    /// # Errors
    /// [`Error::Queues`] and [`Error::RingSize`].
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=64).contains(&self.queues) {
            return Err(Error::Queues { found: self.queues });
        }
        for (kind, found) in [("receive", self.rx_ring), ("transmit", self.tx_ring)] {
            // DEPARTURE (narrower): the card takes any multiple of 8 descriptors (section 7.1.9). With powers
            // of two an index wraps by a mask, and cannot leave the ring.
            if !found.is_power_of_two() || !(64..=4096).contains(&found) {
                return Err(Error::RingSize { kind, found });
            }
        }
        Ok(())
    }

    /// The number of buffers that a pool needs for one such card: for its rings, its caches and a batch.
    pub fn buffers(&self) -> usize {
        let rings = usize::from(self.rx_ring) + usize::from(self.tx_ring);
        usize::from(self.queues) * (rings + 2 * Cache::CAPACITY + Batch::CAPACITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_powers_of_two_from_64_to_4096() {
        for size in 0..=u16::MAX {
            let allowed = matches!(size, 64 | 128 | 256 | 512 | 1024 | 2048 | 4096);
            assert_eq!(
                Config { rx_ring: size, ..Config::default() }.check().is_ok(),
                allowed,
                "receive {size}"
            );
            assert_eq!(
                Config { tx_ring: size, ..Config::default() }.check().is_ok(),
                allowed,
                "transmit {size}"
            );
        }
    }

    #[test]
    fn queue_pairs_are_1_to_64() {
        for queues in 0..=130 {
            let config = Config { queues, ..Config::default() };
            assert_eq!(config.check().is_ok(), (1..=64).contains(&queues), "{queues}");
        }
    }
}
