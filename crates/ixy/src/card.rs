//! What [`Device`](crate::Device) asks of a card beyond `ixy_core::Device`, whichever driver it has: [`Card`].

use std::time::Duration;

use ixy_core::LinkState;
use ixy_ixgbe::Ixgbe;
use ixy_regs::bus::Bus;

/// What a driver says when something goes wrong.
pub(crate) type DriverError = Box<dyn std::error::Error + Send + Sync>;

/// A card of any driver.
pub(crate) trait Card: ixy_core::Device {
    /// Waits until the link is up, at most `limit`.
    fn wait_for_link(&self, limit: Duration) -> Result<LinkState, DriverError>;
}

impl<B: Bus + 'static> Card for Ixgbe<B> {
    fn wait_for_link(&self, limit: Duration) -> Result<LinkState, DriverError> {
        Ok(Self::wait_for_link(self, limit)?)
    }
}

#[cfg(feature = "igb")]
impl<B: Bus + 'static> Card for ixy_igb::Igb<B> {
    fn wait_for_link(&self, limit: Duration) -> Result<LinkState, DriverError> {
        Ok(Self::wait_for_link(self, limit)?)
    }
}

#[cfg(feature = "virtio")]
impl<B: Bus + 'static> Card for ixy_virtio::VirtioNet<B> {
    fn wait_for_link(&self, limit: Duration) -> Result<LinkState, DriverError> {
        Ok(Self::wait_for_link(self, limit)?)
    }
}
