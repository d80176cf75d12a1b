//! Statistics as comma-separated values (RFC 4180, with a line feed at the end of each line).

use serde_json::{Value, json};

use super::json;
use super::port::Row;
use crate::json::rounded;
use crate::rate::Rate;

/// The columns: the keys of `--json` without its list of queues, the queue of a line, and at the end the name and
/// the value of one of the program's own counts.
const COLUMNS: [&str; 22] = [
    "event",
    "time",
    "seconds",
    "port",
    "device",
    "queue",
    "link",
    "rx_packets",
    "rx_bytes",
    "rx_mpps",
    "rx_mbit",
    "tx_packets",
    "tx_bytes",
    "tx_mpps",
    "tx_mbit",
    "missed",
    "dropped",
    "errors",
    "left_over",
    "skipped",
    "name",
    "value",
];

/// The first line.
pub(super) fn header() -> String {
    COLUMNS.join(",") + "\n"
}

/// A line for a port, and one more for each of its queues.
pub(super) fn lines(row: &Row<'_>, per_queue: bool) -> String {
    let port = json::object(row);
    let mut lines = line(&port);
    for (n, counts) in row.counts.queues.iter().enumerate().filter(|_| per_queue) {
        let [rx, tx] = Rate::of_queue(*counts, row.seconds);
        let mut queue = port["queues"][n].clone();
        for key in ["event", "time", "seconds", "port", "device"] {
            queue[key] = port[key].clone();
        }
        queue["queue"] = n.into();
        for (key, rate) in
            [("rx_mpps", rx.mpps), ("rx_mbit", rx.mbit), ("tx_mpps", tx.mpps), ("tx_mbit", tx.mbit)]
        {
            queue[key] = rounded(rate).into();
        }
        lines += &line(&queue);
    }
    lines
}

/// A line for each of the program's own counts over a run.
pub(super) fn total(seconds: f64, notes: &[(&str, u64)]) -> String {
    let seconds = rounded(seconds);
    let notes = notes.iter().map(|(name, value)| {
        line(&json!({ "event": "total", "time": seconds, "seconds": seconds, "name": name, "value": value }))
    });
    notes.collect()
}

/// The columns that an object has; the others are empty.
fn line(object: &Value) -> String {
    COLUMNS.map(|column| field(&object[column])).join(",") + "\n"
}

/// A text is quoted if necessary.
fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Value::String(text) => text.clone(),
        number => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_columns_of_the_header_and_the_numbers_of_json() {
        super::super::port::example(|row| {
            let text = header() + &lines(row, true) + &total(4.0, &[("recorded", 7)]);
            assert_eq!(
                text,
                "event,time,seconds,port,device,queue,link,rx_packets,rx_bytes,rx_mpps,rx_mbit,tx_packets,tx_bytes,\
                 tx_mpps,tx_mbit,missed,dropped,errors,left_over,skipped,name,value\n\
                 rates,4.0,2.0,1,\"sim:rx=\"\"x\"\",tx=y\",,up at 10000 Mbit/s,2000000,120000000,1.0,672.0,2,120,\
                 1e-6,0.000672,3,4,5,6,7,,\n\
                 rates,4.0,2.0,1,\"sim:rx=\"\"x\"\",tx=y\",0,,1,60,1e-6,0.000336,2,120,1e-6,0.000672,,,,,,,\n\
                 total,4.0,4.0,,,,,,,,,,,,,,,,,,recorded,7\n"
            );
            assert_eq!(lines(row, false).lines().count(), 1, "queues have lines with --per-queue only");
        });
    }
}
