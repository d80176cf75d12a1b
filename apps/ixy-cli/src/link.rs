//! Waiting for the other end: [`wait_for_link`].

use std::time::{Duration, Instant};

use ixy::Device;

use crate::error::Error;
use crate::flags::Flags;
use crate::session::Session;

/// How long the device may wait by itself, which is also how long a signal may wait: short at first, then long enough
/// for it to start the link again.
const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_millis(2500);

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
