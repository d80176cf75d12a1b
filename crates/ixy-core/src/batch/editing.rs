//! Editing a batch between receiving and sending: taking, keeping and moving packets.

use super::Batch;
use crate::packet::Packet;

impl Batch {
    /// Takes all packets out, in order: `for packet in batch.drain()`. Packets that the caller does not take stay.
    pub fn drain(&mut self) -> impl Iterator<Item = Packet> {
        std::iter::from_fn(|| self.pop_front())
    }

    /// Keeps the packets for which `keep` returns true, in order, and frees the others.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use ixy_core::{Batch, Mempool};
    /// # use ixy_dma::SimulatedDomain;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = Mempool::new(Arc::new(SimulatedDomain::default()), 4)?;
    /// let mut batch = Batch::new(4);
    /// pool.allocate_batch(&mut batch, 4);
    /// let mut counter = 0;
    /// batch.retain(|_| {
    ///     counter += 1;
    ///     counter % 2 == 0
    /// });
    /// assert_eq!((batch.len(), pool.free()), (2, 2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Packet) -> bool) {
        for _ in 0..self.len() {
            let Some(mut packet) = self.pop_front() else { return };
            if keep(&mut packet) {
                self.push_within_room(packet);
            }
        }
    }

    /// Moves packets from the front of `other` to the end of this batch, as many as it has room for, and returns
    /// their number. The others stay in `other`, in order.
    pub fn append(&mut self, other: &mut Self) -> usize {
        let count = self.room().min(other.len());
        for packet in other.drain().take(count) {
            self.push_within_room(packet);
        }
        count
    }
}
