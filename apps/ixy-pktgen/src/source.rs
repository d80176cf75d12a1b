//! The source of the frames to send: a [`Source`], such as [`Numbered`], which generates them.

use std::time::Instant;

use ixy::{Batch, Mempool, TxQueue};

use super::frame::Template;
use super::rate::Pace;

/// Supplies the next frames.
pub(crate) trait Source {
    /// Adds the frames that are due on `tx` to the empty `batch`, as many as fit. Returns `false` when there will
    /// never be more.
    fn fill(&mut self, batch: &mut Batch, tx: &mut dyn TxQueue) -> bool;
}

/// Frames that differ in their numbers, and in the header fields with a range of values.
///
/// Every buffer of the pool has the frame from the start. No other code writes there, so a reclaimed buffer still
/// holds it, and only the number is written each time. Sent packets are reclaimed and sent again, bypassing the
/// pool.
#[derive(Debug)]
pub(crate) struct Numbered {
    pool: Mempool,
    template: Template,
    /// The number of frames generated, and the number wanted.
    next: u64,
    count: u64,
    pace: Option<Pace>,
}

impl Numbered {
    /// `count` frames by the template, in buffers of `pool`, which is used by nothing else.
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

    /// Writes the packets' numbers, and the values of varying fields. It is a separate function so that its loop
    /// has all registers.
    #[inline(never)]
    fn number(&mut self, batch: &mut Batch) {
        let mut number = self.next as u32;
        self.next += batch.len() as u64;
        for packet in &mut *batch {
            // All are long enough. Saying so here costs less than to continue after one that is not.
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
        // A reclaimed packet keeps its length; a new one from the pool needs it.
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
