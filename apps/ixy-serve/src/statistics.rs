//! What a port has counted, in lines.

use crate::serving::{Served, ServedFunction};

/// Frames on its wire, and what its clients did wrong; then a line for each of its virtual functions.
pub(crate) fn lines(served: &Served) -> String {
    served.functions.iter().fold(line(served), |lines, function| lines + &line_of(function))
}

/// What its clients did wrong; its frames are among those of the wire.
fn line_of(function: &ServedFunction) -> String {
    let ServedFunction { name, port, .. } = function;
    let (faults, refused) = (port.server().memory().faults(), port.server().refused());
    format!("{name}: {faults} DMA faults, {refused} messages refused\n")
}

fn line(served: &Served) -> String {
    let Served { name, port, frames, .. } = served;
    let memory = port.server().memory();
    let (faults, refused) = (memory.faults(), port.server().refused());
    let last = memory.last_fault().map(|iova| format!(" (last at {:#x})", iova.0)).unwrap_or_default();
    let (bad, clients) = (port.nic().bad_descriptors(), port.clients());
    let (received, sent) = (frames.received(), frames.sent());
    format!(
        "{name}: {received} frames received, {sent} sent, {faults} DMA faults{last}, {refused} messages refused, \
         {bad} bad descriptors, {clients} clients\n"
    )
}
