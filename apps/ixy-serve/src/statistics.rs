//! What a port has counted, in a line.

use crate::serving::Served;

/// Frames on its wire, and what its clients did wrong.
pub(crate) fn line(served: &Served) -> String {
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
