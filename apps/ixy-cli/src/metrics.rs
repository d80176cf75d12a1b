//! Statistics for Prometheus: [`Metrics`], their address ([`Listen`]), and their values ([`Metric`]).

mod http;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::error::Error;

/// The address of `--metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(SocketAddr);

impl Listen {
    /// Parses a port on the loopback interface, or an IP address with a port.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let on_loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let address = text.parse::<u16>().map(on_loopback).or_else(|_| text.parse());
        let expected = "write a port of the loopback interface, such as 9100, or an IP address with a port, such as \
                        192.0.2.7:9100 or [::1]:9100";
        address.map(Self).map_err(|_| expected.into())
    }
}

/// The labels of a value, each with its name.
pub type Labels = Vec<(&'static str, String)>;

/// A metric with its values. Its name is prefixed with `ixy_`.
#[derive(Debug, Clone)]
pub struct Metric {
    name: &'static str,
    help: &'static str,
    counter: bool,
    values: Vec<(Labels, u64)>,
}

impl Metric {
    /// A count that only grows; its name gets the suffix `_total`. `help` has no full stop at its end.
    pub fn counter(name: &'static str, help: &'static str, values: Vec<(Labels, u64)>) -> Self {
        Self { name, help, counter: true, values }
    }

    /// A number that can rise and fall.
    pub fn gauge(name: &'static str, help: &'static str, values: Vec<(Labels, u64)>) -> Self {
        Self { name, help, counter: false, values }
    }
}

/// A server of metrics, on its own threads. It ends on drop.
#[derive(Debug)]
pub struct Metrics {
    latest: Arc<Mutex<Vec<Metric>>>,
    server: http::Server,
}

impl Metrics {
    /// Listens at an address, and serves `metrics` until the first [`publish`](Self::publish).
    ///
    /// # Errors
    /// The address is taken, or does not belong to this machine.
    pub fn serve(at: Listen, metrics: Vec<Metric>) -> Result<Self, Error> {
        let latest = Arc::new(Mutex::new(metrics));
        let shared = Arc::clone(&latest);
        // The lock is held for a copy only, so that a reader never delays the publisher.
        let text = move || exposition(&shared.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let server = http::Server::start(at.0, text)
            .map_err(|source| Error::Metrics { address: at.0.to_string(), source })?;
        tracing::info!("metrics are at http://{}/metrics", server.address());
        Ok(Self { latest, server })
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Replaces the metrics. It never waits for a client.
    pub fn publish(&self, metrics: Vec<Metric>) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = metrics;
    }
}

/// The metrics as OpenMetrics text.
fn exposition(metrics: &[Metric]) -> String {
    let mut registry = Registry::with_prefix("ixy");
    for Metric { name, help, counter, values } in metrics {
        if *counter {
            let family = Family::<Labels, Counter>::default();
            for (labels, value) in values {
                family.get_or_create(labels).inc_by(*value);
            }
            registry.register(*name, *help, family);
        } else {
            let family = Family::<Labels, Gauge>::default();
            for (labels, value) in values {
                family.get_or_create(labels).set(i64::try_from(*value).unwrap_or(i64::MAX));
            }
            registry.register(*name, *help, family);
        }
    }
    let mut text = String::new();
    // Writing to a String never fails.
    let _ = encode(&mut text, &registry);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_the_loopback_interface() {
        assert_eq!(Listen::parse("9100").map(|at| at.0.to_string()), Ok("127.0.0.1:9100".into()));
        for text in ["127.0.0.1:9100", "[::1]:9100", "0.0.0.0:1", "192.0.2.7:9100"] {
            assert_eq!(Listen::parse(text).map(|at| at.0.to_string()), Ok(text.into()));
        }
        for text in ["", "65536", "192.0.2.7", ":9100", "host:9100", "::1", "*:9100"] {
            let Err(why) = Listen::parse(text) else { unreachable!("{text}") };
            assert!(why.contains("[::1]:9100"), "{text}: {why}");
        }
    }

    #[test]
    fn the_text_has_a_help_line_a_type_and_every_value_with_its_labels() {
        let labels = |device: &str| vec![("port", "0".to_owned()), ("device", device.to_owned())];
        let text = exposition(&[
            Metric::counter("rx_packets", "Frames received", vec![(labels("sim:rx=\"x\""), u64::MAX)]),
            Metric::gauge("link_up", "Whether there is a link", vec![(labels("sim"), 1)]),
        ]);
        assert_eq!(
            text,
            "# HELP ixy_rx_packets Frames received.\n# TYPE ixy_rx_packets counter\n\
             ixy_rx_packets_total{port=\"0\",device=\"sim:rx=\\\"x\\\"\"} 18446744073709551615\n\
             # HELP ixy_link_up Whether there is a link.\n# TYPE ixy_link_up gauge\n\
             ixy_link_up{port=\"0\",device=\"sim\"} 1\n# EOF\n"
        );
    }
}
