//! The card's counters, accumulated in 64 bits (sections 4.6.5 and 8.2.3.23).

use std::sync::atomic::Ordering;

use ixy_core::DeviceStats;
use ixy_regs::bus::Bus;

use crate::card::Card;
use crate::error::Error;

/// Bytes of the frame check sequence, which the transmit byte counter includes.
const FCS: u64 = 4;

/// The totals since the card was opened. The card's counters are 32 or 36 bits wide and clear when they are
/// read.
#[derive(Debug, Default)]
pub(crate) struct Counters(DeviceStats);

impl Counters {
    /// Adds what the card counted since the last call.
    pub(crate) fn update<B: Bus>(&mut self, card: &Card<B>) -> Result<DeviceStats, Error> {
        card.check_present()?;
        let taken = take(card);
        // A card that was lost meanwhile read as all ones: do not count that.
        card.check_present()?;
        let total = &mut self.0;
        total.rx_packets += taken.rx_packets;
        total.rx_bytes += taken.rx_bytes;
        total.rx_missed += taken.rx_missed;
        total.rx_errors += taken.rx_errors;
        total.tx_packets += taken.tx_packets;
        total.tx_bytes += taken.tx_bytes;
        total.rx_dropped = card.dropped.load(Ordering::Relaxed);
        // Frames that the driver dropped had reached memory, so the card counted them as received.
        let dropped_bytes = card.dropped_bytes.load(Ordering::Relaxed);
        Ok(DeviceStats {
            rx_packets: total.rx_packets.saturating_sub(total.rx_dropped),
            rx_bytes: total.rx_bytes.saturating_sub(dropped_bytes),
            ..*total
        })
    }

    /// Section 4.6.5: clears what was counted before the card was opened.
    pub(crate) fn clear<B: Bus>(&mut self, card: &Card<B>) {
        let _before = take(card);
        self.0 = DeviceStats::default();
    }
}

/// Reads all counters that are reported, which clears them.
fn take<B: Bus>(card: &Card<B>) -> DeviceStats {
    let regs = &card.regs;
    let mut taken = DeviceStats::default();
    // DEPARTURE (erratum): GPRC counts frames that were missed, too. QPRC counts what went to memory, queue
    // by queue; all queues are mapped to these sixteen counters.
    for qprc in regs.qprc().iter() {
        taken.rx_packets += u64::from(qprc.take().get());
    }
    // The low half has to be read first (section 8.2.3.23).
    for (low, high) in regs.qbrc_l().iter().zip(regs.qbrc_h().iter()) {
        taken.rx_bytes += u64::from(low.take().get()) | u64::from(high.take().get() & 0xf) << 32;
    }
    // Missed: a queue without a free descriptor (QPRDC), or a full packet buffer (MPC).
    for register in regs.qprdc().iter().chain(regs.mpc().iter()) {
        taken.rx_missed += u64::from(register.take().get());
    }
    taken.rx_errors = [
        regs.crcerrs().take(),
        regs.illerrc().take(),
        regs.errbc().take(),
        regs.rlec().take(),
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
    let bytes = u64::from(low) | u64::from(regs.gotch().take().get() & 0xf) << 32;
    taken.tx_bytes = bytes.saturating_sub(taken.tx_packets * FCS);
    taken
}
