//! Waiting for the other end: [`wait_for_link`], [`settle`].

use std::time::{Duration, Instant};

use ixy::Device;

use crate::error::Error;
use crate::session::Session;

/// The time that a link may take before it is worth a message.
const SHORT: Duration = Duration::from_millis(20);

/// The time for the links of cards to come up before a program starts without them.
const SETTLE: Duration = Duration::from_secs(10);

/// Gives the links of those `devices` that are hardware some time to come up, and restarts those that do not. One
/// that stays down is a warning: it may come up later. The other end of a software device may come at any time.
///
/// # Errors
/// A device is lost.
pub fn settle(devices: &[Device], session: &Session) -> Result<(), Error> {
    let start = Instant::now();
    for device in devices.iter().filter(|device| device.simulated().is_none()) {
        let link = device.wait_for_link(SETTLE.saturating_sub(start.elapsed()))?;
        if !link.up && !session.stopped() {
            tracing::warn!(
                device = device.address(),
                "there is no link: is the cable in, and the other end up?"
            );
        }
    }
    Ok(())
}

/// Waits until `device`, which was opened with the options of `flags`, has a link, the session is stopped, or the
/// time of `--duration` or `limit` is over.
///
/// # Errors
/// There is no link in time, the device is lost, or its wire failed.
pub fn wait_for_link(device: &Device, limit: Duration, session: &Session) -> Result<(), Error> {
    let start = Instant::now();
    if device.wait_for_link(SHORT.min(limit))?.up {
        return Ok(());
    }
    tracing::info!(device = device.address(), "waiting for a link");
    let link = device.wait_for_link(limit.saturating_sub(start.elapsed()))?;
    if link.up || session.stopped() {
        return Ok(());
    }
    Err(Error::NoLink { device: device.address().to_owned(), seconds: start.elapsed().as_secs_f64() })
}
