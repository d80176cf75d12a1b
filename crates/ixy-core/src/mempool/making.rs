//! Packets that a program makes itself.

use super::Mempool;
use crate::batch::Batch;
use crate::packet::Packet;

impl Mempool {
    /// A packet of length zero, or `None` when all buffers are in use.
    pub fn allocate(&self) -> Option<Packet> {
        let mut index = [0];
        // SAFETY: `take` gave this buffer to us alone.
        (self.0.shared().take(&mut index) == 1).then(|| unsafe { Packet::from_parts(self.0.0, index[0]) })
    }

    /// A packet of `len` bytes with whatever content the buffer had before; `None` when all buffers are in use, or
    /// when `len` is more than a buffer holds (2,048 bytes).
    pub fn packet(&self, len: usize) -> Option<Packet> {
        let len = u16::try_from(len).ok()?;
        let mut packet = self.allocate()?;
        packet.set_len(len).then_some(packet)
    }

    /// A packet with a copy of `bytes`; `None` when all buffers are in use, or when there are more bytes than a
    /// buffer holds (2,048).
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use ixy_core::Mempool;
    /// # use ixy_dma::SimulatedDomain;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = Mempool::new(Arc::new(SimulatedDomain::default()), 1)?;
    /// let packet = pool.packet_from(&[0xff; 60]).ok_or("no buffer is free")?;
    /// assert_eq!(packet[..], [0xff; 60]);
    /// assert!(pool.packet_from(&[0xff; 60]).is_none(), "its one buffer is in use");
    /// # Ok(())
    /// # }
    /// ```
    pub fn packet_from(&self, bytes: &[u8]) -> Option<Packet> {
        let mut packet = self.packet(bytes.len())?;
        packet.copy_from_slice(bytes);
        Some(packet)
    }

    /// Adds up to `count` packets of length zero to `batch`, as many as are free and fit, and returns their
    /// number.
    pub fn allocate_batch(&self, batch: &mut Batch, count: usize) -> usize {
        let mut indices = [0; Batch::CAPACITY];
        let count = count.min(batch.room());
        let taken = self.0.shared().take(&mut indices[..count]);
        for &index in &indices[..taken] {
            // SAFETY: `take` gave this buffer to us alone.
            let packet = unsafe { Packet::from_parts(self.0.0, index) };
            debug_assert!(batch.room() > 0);
            batch.push_within_room(packet);
        }
        taken
    }
}
