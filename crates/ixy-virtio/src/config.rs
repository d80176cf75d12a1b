//! The configuration with which a device is opened: [`Config`].

use ixy_core::{Batch, Cache, Interrupts};

use crate::error::Error;

/// The number of queues and descriptors of a device, and which frames it receives.
///
/// ```
/// use ixy_virtio::Config;
///
/// let config = Config { queues: 2, ..Config::default() };
/// assert!(config.check().is_ok());
/// println!("a pool for this device needs {} buffers", config.buffers());
///
/// let wrong = Config { rx_ring: 1000, ..config }; // no power of two
/// assert!(wrong.check().is_err());
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    /// Pairs of a receive and a transmit queue, 1 to 64. More than one needs a device that offers `MQ` and
    /// `CTRL_VQ`. The device then spreads frames over the queues as it likes, usually by flow.
    pub queues: u16,
    /// Buffers posted to each receive queue: a power of two from 64 to 4,096. A device with smaller rings gets as
    /// many as they hold. A legacy device chooses the size of its rings itself.
    pub rx_ring: u16,
    /// Frames that each transmit queue holds, with the same limits as `rx_ring`.
    pub tx_ring: u16,
    /// Whether to receive frames to any address, as a forwarder needs, or only those to the device's own.
    pub promiscuous: bool,
    /// Whether an IOMMU translates the device's addresses. The device then has to offer `ACCESS_PLATFORM`;
    /// one without it would use the addresses as physical ones, and is refused.
    pub behind_iommu: bool,
    /// Whether to receive and send frames whose checksum is not computed yet (`GUEST_CSUM`, `CSUM`), if the
    /// device offers it. See [`Checksum`](ixy_core::Checksum).
    pub checksum_offload: bool,
    /// The interrupt vectors of receive queues, for programs that sleep until a frame arrives; `None` when
    /// all queues are only polled. MSI-X has to be enabled before the device is opened, and stays enabled.
    /// The device cannot throttle interrupts, so [`rate`](Interrupts::rate) has no effect: only the next
    /// frame after a queue was armed interrupts (and some that follow, without `EVENT_IDX`), so the program
    /// sets the pace.
    pub interrupts: Option<Interrupts>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queues: 1,
            rx_ring: 512,
            tx_ring: 512,
            promiscuous: true,
            behind_iommu: false,
            checksum_offload: false,
            interrupts: None,
        }
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
            if !found.is_power_of_two() || !(64..=4096).contains(&found) {
                return Err(Error::RingSize { kind, found });
            }
        }
        Ok(())
    }

    /// The number of buffers that a pool needs for one such device: for its rings, its caches and a batch.
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
            let rx = Config { rx_ring: size, ..Config::default() };
            let tx = Config { tx_ring: size, ..Config::default() };
            assert_eq!((rx.check().is_ok(), tx.check().is_ok()), (allowed, allowed), "{size}");
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
