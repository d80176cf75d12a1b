//! The counts of a port, as text and for Prometheus.

use ixy_cli::{Labels, Metric, escaped};
use ixy_vfio_user::server::Server;

use crate::serving::{Served, ServedFunction};

/// Frames on its wire, and mistakes of its clients; then a line for each of its virtual functions.
pub(crate) fn lines(served: &Served) -> String {
    served.functions.iter().fold(line(served), |lines, function| lines + &line_of(function))
}

/// Mistakes of its clients; its frames are among those of the wire.
fn line_of(function: &ServedFunction) -> String {
    let ServedFunction { name, port, .. } = function;
    let (faults, refused) = (port.server().memory().faults(), port.server().refused());
    format!("{}: {faults} DMA faults, {refused} messages refused\n", escaped(name))
}

fn line(served: &Served) -> String {
    let Served { name, port, frames, .. } = served;
    let name = escaped(name);
    let memory = port.server().memory();
    let (faults, refused) = (memory.faults(), port.server().refused());
    let last = memory.last_fault().map(|iova| format!(" (last at {:#x})", iova.0)).unwrap_or_default();
    let (bad, clients) = (port.nic().bad_descriptors(), port.clients());
    let (received, sent) = (frames.received(), frames.sent());
    let skipped = match port.nic().records_skipped() {
        0 => String::new(),
        skipped => format!("{skipped} records skipped, "),
    };
    format!(
        "{name}: {received} frames received, {sent} sent, {skipped}{faults} DMA faults{last}, {refused} messages refused, \
         {bad} bad descriptors, clients {clients}\n"
    )
}

/// The counts of all ports and their virtual functions.
pub(crate) fn metrics(ports: &[Served]) -> Vec<Metric> {
    let labels = |name: &String| vec![("socket", name.clone())];
    let of_ports = |value: fn(&Served) -> u64| -> Vec<(Labels, u64)> {
        ports.iter().map(|port| (labels(&port.name), value(port))).collect()
    };
    let of_servers = |value: fn(&Server) -> u64| -> Vec<(Labels, u64)> {
        let servers = ports.iter().flat_map(|port| {
            let functions = port.functions.iter().map(|function| (&function.name, function.port.server()));
            std::iter::once((&port.name, port.port.server())).chain(functions)
        });
        servers.map(|(name, server)| (labels(name), value(server))).collect()
    };
    vec![
        Metric::counter(
            "wire_rx_frames",
            "Frames that came from the wire",
            of_ports(|p| p.frames.received()),
        ),
        Metric::counter("wire_tx_frames", "Frames that went to the wire", of_ports(|p| p.frames.sent())),
        Metric::counter(
            "wire_skipped",
            "Records of a capture that are no frames",
            of_ports(|p| p.port.nic().records_skipped()),
        ),
        Metric::counter(
            "bad_descriptors",
            "Descriptors that a card refused",
            of_ports(|p| p.port.nic().bad_descriptors()),
        ),
        Metric::counter("clients", "Clients that connected", of_ports(|p| p.port.clients())),
        Metric::counter(
            "dma_faults",
            "Accesses outside the memory of the client",
            of_servers(|s| s.memory().faults()),
        ),
        Metric::counter(
            "refused_messages",
            "Messages of clients that were refused",
            of_servers(|s| s.refused()),
        ),
    ]
}
