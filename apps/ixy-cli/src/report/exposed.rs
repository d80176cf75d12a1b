//! Statistics for `--metrics`.

use ixy::QueueStats;

use super::port::Port;
use crate::metrics::{Labels, Metric};

/// The latest counts.
pub(super) fn metrics(ports: &[Port]) -> Vec<Metric> {
    let of_ports = |value: fn(&Port) -> u64| ports.iter().map(|port| (labels(port), value(port))).collect();
    let of_queues = |value: fn(&QueueStats) -> u64| {
        let queues = |port| queue_labels(port).zip(port.now.queues.iter().map(value));
        ports.iter().flat_map(queues).collect()
    };
    vec![
        Metric::counter("rx_packets", "Frames received into memory", of_ports(|p| p.now.total.rx_packets)),
        Metric::counter("rx_bytes", "Bytes of these frames", of_ports(|p| p.now.total.rx_bytes)),
        Metric::counter("rx_missed", "Frames lost for want of room", of_ports(|p| p.now.total.rx_missed)),
        Metric::counter("rx_errors", "Frames that arrived damaged", of_ports(|p| p.now.total.rx_errors)),
        Metric::counter("dropped", "Frames dropped by the driver", of_ports(|p| p.now.total.rx_dropped)),
        Metric::counter("skipped", "Records of a capture that are no frames", of_ports(|p| p.now.skipped)),
        Metric::counter("tx_packets", "Frames sent", of_ports(|p| p.now.total.tx_packets)),
        Metric::counter("tx_bytes", "Bytes of these frames", of_ports(|p| p.now.total.tx_bytes)),
        Metric::gauge("link_up", "Whether there is a link", of_ports(|p| p.link.up.into())),
        Metric::gauge(
            "link_speed_mbit",
            "Speed of the link in Mbit/s, 0 if unknown",
            of_ports(|p| p.link.speed.into()),
        ),
        Metric::counter("queue_rx_packets", "Frames received by a queue", of_queues(|q| q.rx_packets)),
        Metric::counter("queue_rx_bytes", "Bytes of these frames", of_queues(|q| q.rx_bytes)),
        Metric::counter("queue_tx_packets", "Frames sent by a queue", of_queues(|q| q.tx_packets)),
        Metric::counter("queue_tx_bytes", "Bytes of these frames", of_queues(|q| q.tx_bytes)),
    ]
}

fn labels(port: &Port) -> Labels {
    vec![("port", port.number.to_string()), ("device", port.device.clone())]
}

fn queue_labels(port: &Port) -> impl Iterator<Item = Labels> {
    let labels = labels(port);
    (0..port.now.queues.len())
        .map(move |queue| labels.iter().cloned().chain([("queue", queue.to_string())]).collect())
}
