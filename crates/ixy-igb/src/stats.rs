//! The card's counters, accumulated in 64 bits (section 8.19).

use std::sync::atomic::Ordering;

use ixy_core::DeviceStats;
use ixy_regs::bus::Bus;
use ixy_regs::igb::RxQueue;
use ixy_regs::igb::fields::RQDPC;

use crate::card::Card;
use crate::error::Error;

/// Bytes of the frame check sequence, which the byte counters include.
const FCS: u64 = 4;

/// The totals since the card was opened. The card's counters are 12, 32 or 64 bits wide and clear when they
/// are read.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    total: DeviceStats,
    queues: u16,
}

impl Counters {
    pub(crate) fn new(queues: u16) -> Self {
        Self { total: DeviceStats::default(), queues }
    }

    /// Adds the card's counts since the last call.
    pub(crate) fn update<B: Bus>(&mut self, card: &Card<B>) -> Result<DeviceStats, Error> {
        card.check_present()?;
        let taken = self.take(card);
        // A card that was lost meanwhile read as all ones: do not count that.
        card.check_present()?;
        let total = &mut self.total;
        total.rx_packets += taken.rx_packets;
        // These have 64 bits in the card, too, and may hold any value.
        total.rx_bytes = total.rx_bytes.saturating_add(taken.rx_bytes);
        total.rx_missed += taken.rx_missed;
        total.rx_errors += taken.rx_errors;
        total.tx_packets += taken.tx_packets;
        total.tx_bytes = total.tx_bytes.saturating_add(taken.tx_bytes);
        total.rx_dropped = card.dropped.load(Ordering::Relaxed);
        // Frames that the driver dropped had reached memory, so the card counted them as received.
        let dropped_bytes = card.dropped_bytes.load(Ordering::Relaxed);
        Ok(DeviceStats {
            rx_packets: total.rx_packets.saturating_sub(total.rx_dropped),
            rx_bytes: total.rx_bytes.saturating_sub(dropped_bytes),
            ..*total
        })
    }

    /// Clears the counts from before the card was opened.
    pub(crate) fn clear<B: Bus>(&mut self, card: &Card<B>) {
        let _before = self.take(card);
        self.total = DeviceStats::default();
    }

    /// Reads all counters that are reported, which clears them.
    fn take<B: Bus>(&self, card: &Card<B>) -> DeviceStats {
        let regs = &card.regs;
        let mut taken = DeviceStats::default();
        // Frames that were dropped because their queue had no descriptor. The MAC had counted them as good.
        let without_descriptor: u64 = (0..u32::from(self.queues))
            .filter_map(|n| RxQueue::new(regs.bus().clone(), n))
            .map(|queue| u64::from(queue.rqdpc().take().read(RQDPC::RQDPC)))
            .sum();
        // Frames that were dropped because the packet buffer was full.
        taken.rx_missed = without_descriptor + u64::from(regs.mpc().take().get());
        taken.rx_packets = u64::from(regs.gprc().take().get()).saturating_sub(without_descriptor);
        // The low half has to be read first: reading the high one clears both.
        let low = regs.gorcl().take().get();
        let bytes = u64::from(low) | u64::from(regs.gorch().take().get()) << 32;
        taken.rx_bytes = bytes.saturating_sub(taken.rx_packets * FCS);
        taken.rx_errors = [
            regs.crcerrs().take(),
            regs.algnerrc().take(),
            regs.rxerrc().take(),
            regs.ruc().take(),
            regs.rfc().take(),
            regs.roc().take(),
            regs.rjc().take(),
        ]
        .iter()
        .map(|count| u64::from(count.get()))
        .sum();
        taken.tx_packets = regs.gptc().take().get().into();
        let low = regs.gotcl().take().get();
        let bytes = u64::from(low) | u64::from(regs.gotch().take().get()) << 32;
        taken.tx_bytes = bytes.saturating_sub(taken.tx_packets * FCS);
        taken
    }
}
