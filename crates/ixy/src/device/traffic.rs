//! Loops that receive until the end of the input and send to the last packet: [`Device::receive`],
//! [`Device::send_all`].

use std::time::{Duration, Instant};

use ixy_core::{Batch, RxQueue, TxQueue};

use super::Device;
use crate::stop::Stop;

/// The time without a sent frame after which the rest is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time for the rest once the stop is requested.
const REST: Duration = Duration::from_secs(1);
/// The pause between two checks of a card that sends.
const NAP: Duration = Duration::from_micros(50);

impl Device {
    /// Adds packets that have arrived to `batch`, as [`RxQueue::receive`] does, and returns their number. Returns
    /// `None` when the caller's loop should end: the input has ended and this queue is empty, or the stop of
    /// [`Options::stop`](crate::Options::stop) is requested. It never waits.
    ///
    /// `queue` is one of this device's. The input of hardware never ends. A lost card gives `Some(0)` from then
    /// on, and [`stats`](Self::stats) reports it.
    ///
    /// ```
    /// use ixy::{Address, Batch, MemoryWire, Options};
    ///
    /// # fn main() -> Result<(), ixy::Error> {
    /// let wire: MemoryWire = [[0xff; 60], [0xfe; 60]].into_iter().collect(); // two frames, then the end
    /// let mut card = ixy::open(&[Address::sim().memory(&wire).into()], &Options::default())?.remove(0);
    /// let mut rx = card.rx_queue(0)?;
    /// let (mut batch, mut bytes) = (Batch::new(32), 0);
    /// while card.receive(&mut *rx, &mut batch).is_some() {
    ///     bytes += batch.drain().map(|packet| packet.len()).sum::<usize>();
    /// }
    /// assert_eq!(bytes, 120);
    /// # Ok(())
    /// # }
    /// ```
    pub fn receive(&self, queue: &mut dyn RxQueue, batch: &mut Batch) -> Option<usize> {
        if self.is_stopped() {
            return None;
        }
        // Checked before receiving: if the input had ended by then, an empty queue is the end.
        let ended = self.input_ended();
        let received = queue.receive(batch);
        // Without room or buffers, a frame may still be there.
        let over = ended && received == 0 && batch.room() > 0 && !queue.is_starved();
        (!over).then_some(received)
    }

    /// Sends all of `batch`, and waits until everything that `queue` was given has left the card. Returns the
    /// number of packets that have not: 0, unless the card sends nothing for 30 seconds, has failed, or a second
    /// has passed since the stop of [`Options::stop`](crate::Options::stop) was requested.
    ///
    /// `queue` is one of this device's. [`TxQueue::send`] alone only gives packets to the card, which drops those
    /// that it has not sent yet when it stops.
    ///
    /// ```
    /// use ixy::{Batch, Options};
    ///
    /// # fn main() -> Result<(), ixy::Error> {
    /// let mut card = ixy::open(&["sim".parse()?], &Options::default())?.remove(0);
    /// let (mut tx, pool, mut batch) = (card.tx_queue(0)?, card.new_pool(64)?, Batch::new(32));
    /// pool.allocate_batch(&mut batch, 10);
    /// batch.iter_mut().for_each(|packet| assert!(packet.set_len(60)));
    /// assert_eq!(card.send_all(&mut *tx, &mut batch), 0);
    /// assert_eq!(card.stats()?.tx_packets, 10);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_all(&self, queue: &mut dyn TxQueue, batch: &mut Batch) -> usize {
        let (mut before, mut progress, mut stopped) = (usize::MAX, Instant::now(), None);
        loop {
            queue.send(batch);
            let (unsent, now) = (batch.len() + queue.pending(), Instant::now());
            if unsent != before {
                (before, progress) = (unsent, now);
            }
            if stopped.is_none() && self.is_stopped() {
                stopped = Some(now);
            }
            let late = now - progress >= PATIENCE || stopped.is_some_and(|since| now - since >= REST);
            if unsent == 0 || late || self.check().is_err() {
                return unsent;
            }
            std::thread::sleep(NAP);
        }
    }

    /// Whether the stop passed to `open` is requested.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(Stop::requested)
    }
}
