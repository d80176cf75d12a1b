//! The card's counters, accumulated in 64 bits (sections 4.6.5 and 8.2.3.23).

use std::sync::atomic::Ordering;

use ixy_core::{DeviceStats, QueueStats};
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::Registers;
use ixy_regs::ixgbe::fields::RQSMR;

use crate::card::Card;
use crate::error::Error;

/// Bytes of the frame check sequence, which the transmit byte counter includes.
const FCS: u64 = 4;

/// Sets of counters for queues (section 8.2.3.23.71).
const SETS: u16 = 16;

/// The totals since the card was opened. The card's counters are 32 or 36 bits wide and clear when they are
/// read.
#[derive(Debug)]
pub(crate) struct Counters {
    total: DeviceStats,
    /// One for each queue pair; none when there are more pairs than sets of counters.
    queues: Vec<QueueStats>,
}

impl Counters {
    pub(crate) fn new(queues: u16) -> Self {
        let counted = if queues <= SETS { queues.into() } else { 0 };
        Self { total: DeviceStats::default(), queues: vec![QueueStats::default(); counted] }
    }

    /// The counts of each queue pair until the last update.
    pub(crate) fn queues(&self) -> &[QueueStats] {
        &self.queues
    }

    /// Adds the card's counts since the last call.
    pub(crate) fn update<B: Bus>(&mut self, card: &Card<B>) -> Result<DeviceStats, Error> {
        card.check_present()?;
        let mut queues = self.queues.clone();
        let taken = take(card, &mut queues);
        // A card that was lost meanwhile read as all ones: do not count that.
        card.check_present()?;
        self.queues = queues;
        let total = &mut self.total;
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

    /// Section 4.6.5: clears the counts from before the card was opened.
    pub(crate) fn clear<B: Bus>(&mut self, card: &Card<B>) {
        take(card, &mut self.queues);
        self.total = DeviceStats::default();
        self.queues.fill(QueueStats::default());
    }
}

/// Makes queue n count in set n, in both directions, if there are enough sets. After a reset all queues count in
/// set 0 (sections 8.2.3.23.71 and 8.2.3.23.73).
pub(crate) fn map_queues<B: Bus>(regs: &Registers<B>, queues: u16) {
    if queues == 1 || queues > SETS {
        return;
    }
    // Four queues to a register.
    let registers = usize::from(queues).div_ceil(4);
    for (n, (rx, tx)) in (0..).zip(regs.rqsmr().iter().zip(regs.tqsm().iter())).take(registers) {
        let set = |queue: u32| 4 * n + queue;
        let sets = RQSMR::Q_MAP0.val(set(0))
            + RQSMR::Q_MAP1.val(set(1))
            + RQSMR::Q_MAP2.val(set(2))
            + RQSMR::Q_MAP3.val(set(3));
        rx.write(sets);
        tx.write(sets);
    }
}

/// Reads all counters that are reported, which clears them, and adds those of queues to `queues`.
fn take<B: Bus>(card: &Card<B>, queues: &mut [QueueStats]) -> DeviceStats {
    let regs = &card.regs;
    let mut taken = DeviceStats::default();
    // DEPARTURE (erratum): GPRC counts missed frames, too. QPRC counts the frames that went to memory, queue by
    // queue.
    for (n, qprc) in regs.qprc().iter().enumerate() {
        let packets = u64::from(qprc.take().get());
        taken.rx_packets += packets;
        queues.get_mut(n).into_iter().for_each(|queue| queue.rx_packets += packets);
    }
    // The low half has to be read first (section 8.2.3.23).
    for (n, (low, high)) in regs.qbrc_l().iter().zip(regs.qbrc_h().iter()).enumerate() {
        let bytes = u64::from(low.take().get()) | u64::from(high.take().get() & 0xf) << 32;
        taken.rx_bytes += bytes;
        queues.get_mut(n).into_iter().for_each(|queue| queue.rx_bytes += bytes);
    }
    for (queue, qptc) in queues.iter_mut().zip(regs.qptc().iter()) {
        queue.tx_packets += u64::from(qptc.take().get());
    }
    for (queue, (low, high)) in queues.iter_mut().zip(regs.qbtc_l().iter().zip(regs.qbtc_h().iter())) {
        queue.tx_bytes += u64::from(low.take().get()) | u64::from(high.take().get() & 0xf) << 32;
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
