//! Waiting for the other end: [`wait_for_link`], [`settle`].

use std::time::{Duration, Instant};

use ixy::Device;

use crate::error::Error;
use crate::flags::Flags;
use crate::session::Session;

/// How long the device may wait by itself, which is also how long a signal may wait: short at first, then long enough
/// for it to start the link again.
const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_millis(2500);

/// How long the links of cards get to come up before a program starts all the same.
const SETTLE: Duration = Duration::from_secs(10);

/// Gives the links of `devices` that are hardware some time to come up, and starts those again that do not. One that
/// stays down is a warning: it may come up later. What a software device is connected to may come at any time.
///
/// # Errors
/// A device is lost.
pub fn settle(devices: &[Device], session: &Session) -> Result<(), Error> {
    let start = Instant::now();
    for device in devices.iter().filter(|device| device.simulated().is_none()) {
        while !device.wait_for_link(LONG.min(SETTLE.saturating_sub(start.elapsed())))?.up {
            if start.elapsed() >= SETTLE || session.stopped() {
                tracing::warn!(
                    device = device.address(),
                    "there is no link: is the cable in, and the other end up?"
                );
                break;
            }
        }
    }
    Ok(())
}

/// Waits until `device` has a link, the session is stopped, or the time is over that `--duration` or `limit` say.
///
/// # Errors
/// There is no link in time, or the device is lost.
pub fn wait_for_link(
    device: &Device,
    limit: Duration,
    flags: &Flags,
    session: &Session,
) -> Result<(), Error> {
    let limit = flags.duration.map_or(limit, |duration| duration.min(limit));
    let start = Instant::now();
    loop {
        let waited = start.elapsed();
        let slice = if waited < LONG { SHORT } else { LONG };
        if device.wait_for_link(slice.min(limit.saturating_sub(waited)))?.up || session.stopped() {
            return Ok(());
        }
        device.check()?;
        if start.elapsed() >= limit {
            return Err(Error::NoLink { device: device.address().to_owned(), seconds: limit.as_secs_f64() });
        }
        if waited < SHORT {
            tracing::info!(device = device.address(), "waiting for a link");
        }
    }
}
