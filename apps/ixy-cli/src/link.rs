//! Waiting for the other end: [`wait_for_link`], [`settle`].

use std::time::{Duration, Instant};

use ixy::Device;

use crate::error::Error;
use crate::session::Session;

/// The time that a link may take before it is worth a message.
const SHORT: Duration = Duration::from_millis(20);

/// The time that the link of a software device may take before a warning names the other end. Its other end is a
/// program, which may never come.
const PATIENCE: Duration = Duration::from_secs(1);

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
/// time of `--duration` or `limit` is over. Warns once if that takes long.
///
/// # Errors
/// There is no link in time, the device is lost, or its wire failed.
pub fn wait_for_link(device: &Device, limit: Duration, session: &Session) -> Result<(), Error> {
    let start = Instant::now();
    if device.wait_for_link(SHORT.min(limit))?.up {
        return Ok(());
    }
    tracing::info!(device = device.address(), "waiting for a link");
    // The link of a card takes some seconds to come up.
    let patience = if device.simulated().is_some() { PATIENCE } else { SETTLE };
    let mut up = device.wait_for_link(patience.min(limit).saturating_sub(start.elapsed()))?.up;
    if !up && start.elapsed() >= patience && limit > patience && !session.stopped() {
        tracing::warn!(
            device = device.address(),
            "waiting for a link: is its other end there? The wait ends after {} s (--link-timeout)",
            limit.as_secs_f64()
        );
        up = device.wait_for_link(limit.saturating_sub(start.elapsed()))?.up;
    }
    if up || session.stopped() {
        return Ok(());
    }
    Err(Error::NoLink { device: device.address().to_owned(), seconds: start.elapsed().as_secs_f64(), limit })
}
