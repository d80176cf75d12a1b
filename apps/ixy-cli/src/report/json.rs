//! Statistics as JSON; the README has the meaning of each key.

use ixy::QueueStats;
use serde_json::{Value, json};

use super::port::{Counts, Row};
use crate::json::rounded;
use crate::rate::Rate;

/// One object of `--json`.
pub(super) fn object(row: &Row<'_>) -> Value {
    let Counts { total, queues, left_over, skipped } = row.counts;
    let (rx, tx) = (Rate::received(*total, row.seconds), Rate::sent(*total, row.seconds));
    json!({
        "event": row.event.name(),
        "time": rounded(row.time),
        "seconds": rounded(row.seconds),
        "port": row.port.number,
        "device": row.port.device,
        "link": row.port.link.to_string(),
        "rx_packets": total.rx_packets,
        "rx_bytes": total.rx_bytes,
        "rx_mpps": rounded(rx.mpps),
        "rx_mbit": rounded(rx.mbit),
        "tx_packets": total.tx_packets,
        "tx_bytes": total.tx_bytes,
        "tx_mpps": rounded(tx.mpps),
        "tx_mbit": rounded(tx.mbit),
        "missed": total.rx_missed,
        "dropped": total.rx_dropped,
        "errors": total.rx_errors,
        "left_over": left_over,
        "skipped": skipped,
        "queues": queues.iter().map(queue).collect::<Vec<_>>(),
    })
}

fn queue(counts: &QueueStats) -> Value {
    let QueueStats { rx_packets, rx_bytes, tx_packets, tx_bytes } = counts;
    json!({ "rx_packets": rx_packets, "rx_bytes": rx_bytes, "tx_packets": tx_packets, "tx_bytes": tx_bytes })
}

/// The program's own counts over a run.
pub(super) fn total(seconds: f64, notes: &[(&str, u64)]) -> Value {
    let mut total = json!({ "event": "total", "time": rounded(seconds), "seconds": rounded(seconds) });
    notes.iter().for_each(|(name, count)| total[*name] = (*count).into());
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_has_all_keys() {
        super::super::port::example(|row| {
            assert_eq!(
                object(row).to_string(),
                "{\"event\":\"rates\",\"time\":4.0,\"seconds\":2.0,\"port\":1,\"device\":\"sim:rx=\\\"x\\\",tx=y\",\
                 \"link\":\"up at 10000 Mbit/s\",\"rx_packets\":2000000,\"rx_bytes\":120000000,\"rx_mpps\":1.0,\
                 \"rx_mbit\":672.0,\"tx_packets\":2,\"tx_bytes\":120,\"tx_mpps\":1e-6,\"tx_mbit\":0.000672,\
                 \"missed\":3,\"dropped\":4,\"errors\":5,\"left_over\":6,\"skipped\":7,\
                 \"queues\":[{\"rx_packets\":1,\"rx_bytes\":60,\"tx_packets\":2,\"tx_bytes\":120}]}"
            );
        });
    }
}
