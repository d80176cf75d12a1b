//! Statistics in lines for people.

use ixy::{DeviceStats, QueueStats};

use super::port::{Counts, Row};
use crate::rate::Rate;

/// The rates of an interval: a line, and one more for each of `queues`.
pub(super) fn rates(row: &Row<'_>, per_queue: bool) -> String {
    let Row { counts: Counts { total, queues, skipped, .. }, seconds, .. } = *row;
    let (rx, tx) = (Rate::received(*total, seconds), Rate::sent(*total, seconds));
    let DeviceStats { rx_missed, rx_dropped, rx_errors, .. } = total;
    let skipped = if_any("skipped", *skipped);
    let link = if row.port.link.up { "" } else { "  link down" };
    let label = &row.port.label;
    let mut lines = format!(
        "[{label}] RX: {rx}  TX: {tx}  missed {rx_missed}  dropped {rx_dropped}  errors {rx_errors}{skipped}{link}\n"
    );
    for (queue, counts) in queues.iter().enumerate().filter(|_| per_queue) {
        let [rx, tx] = Rate::of_queue(*counts, seconds);
        lines += &format!("[{label}] queue {queue}  RX: {rx}  TX: {tx}\n");
    }
    lines
}

/// Rates and counts of a run.
pub(super) fn summary(row: &Row<'_>, per_queue: bool) -> String {
    let Row { counts: Counts { total, queues, left_over, skipped }, seconds, .. } = *row;
    let (rx, tx) = (Rate::received(*total, seconds), Rate::sent(*total, seconds));
    let DeviceStats { rx_packets, rx_bytes, tx_packets, tx_bytes, .. } = total;
    let DeviceStats { rx_missed, rx_dropped, rx_errors, .. } = total;
    let label = &row.port.label;
    let (left_over, skipped) = (if_any("left over", *left_over), if_any("skipped", *skipped));
    let mut lines = format!(
        "[{label}] RX: {rx}  {rx_packets} packets  {rx_bytes} bytes\n\
         [{label}] TX: {tx}  {tx_packets} packets  {tx_bytes} bytes\n\
         [{label}] missed {rx_missed}  dropped {rx_dropped}  errors {rx_errors}{left_over}{skipped}\n"
    );
    for (queue, counts) in queues.iter().enumerate().filter(|_| per_queue) {
        let QueueStats { rx_packets, rx_bytes, tx_packets, tx_bytes } = counts;
        lines += &format!(
            "[{label}] queue {queue}  RX: {rx_packets} packets {rx_bytes} bytes  TX: {tx_packets} packets \
             {tx_bytes} bytes\n"
        );
    }
    lines
}

/// A count that only some runs have.
fn if_any(name: &str, count: u64) -> String {
    if count > 0 { format!("  {name} {count}") } else { String::new() }
}
