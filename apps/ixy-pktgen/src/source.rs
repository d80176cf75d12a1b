//! Where the frames to send come from: a [`Source`], such as one that makes them, [`Numbered`].

use std::time::Instant;

use ixy_core::{Batch, Mempool, TxQueue};

use super::frame::Template;
use super::rate::Pace;

/// Gives the next frames.
pub(crate) trait Source {
    /// Adds to `batch`, which is empty, the frames that are due on `tx`, as many as fit. Returns `false` when there
    /// will never be more.
    fn fill(&mut self, batch: &mut Batch, tx: &mut dyn TxQueue) -> bool;
}

/// Frames that differ in their number, and in the header fields that have a range of values.
///
/// The frame was written once into every buffer of the pool. Nobody else writes there, so a buffer that comes back
/// still holds it, and only the number is written each time. Packets that the card has sent are taken back and sent
/// again, past the pool.
#[derive(Debug)]
pub(crate) struct Numbered {
    pool: Mempool,
    template: Template,
    /// Frames made, and how many are wanted.
    next: u64,
    count: u64,
    pace: Option<Pace>,
}

impl Numbered {
    /// `count` frames as the template has them, in buffers of `pool`, which nobody else uses.
    pub(crate) fn new(pool: Mempool, template: Template, count: u64, pace: Option<Pace>) -> Self {
        let all: Vec<_> = std::iter::from_fn(|| pool.allocate())
            .map(|mut packet| {
                if packet.set_len(template.bytes().len() as u16) {
                    packet.copy_from_slice(template.bytes());
                }
                packet
            })
            .collect();
        drop(all);
        Self { pool, template, next: 0, count, pace }
    }

    /// Gives the packets their numbers, and the values of fields that have several. A function of its own, so that its loop has all registers.
    #[inline(never)]
    fn number(&mut self, batch: &mut Batch) {
        let mut number = self.next as u32;
        self.next += batch.len() as u64;
        for packet in &mut *batch {
            // All are long enough. To say so here costs less than to go on after one that is not.
            if !self.template.number(packet, number) {
                break;
            }
            number = number.wrapping_add(1);
        }
        if self.template.varies() {
            for packet in batch {
                self.template.vary(packet);
            }
        }
    }
}

impl Source for Numbered {
    #[inline]
    fn fill(&mut self, batch: &mut Batch, tx: &mut dyn TxQueue) -> bool {
        let left = usize::try_from(self.count - self.next).unwrap_or(usize::MAX);
        let mut wanted = batch.room().min(left);
        if let Some(pace) = &mut self.pace {
            wanted = pace.due(Instant::now(), wanted);
        }
        // What was sent comes back with its length, too; what is new from the pool needs one.
        let reclaimed = tx.reclaim(batch, wanted);
        if reclaimed < wanted {
            self.pool.allocate_batch(batch, wanted - reclaimed);
            for packet in &mut batch[reclaimed..] {
                // The pool's buffers are all longer than the longest frame.
                let _fits = packet.set_len(self.template.bytes().len() as u16);
            }
        }
        self.number(batch);
        self.next < self.count
    }
}
