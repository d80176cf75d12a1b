//! Prints the places of a virtio device's structures, from its PCI configuration space.
//!
//! ```text
//! sudo capabilities /sys/bus/pci/devices/0000:00:03.0/config
//! ```
//!
//! Without root the kernel shows the first 64 bytes only; capabilities lie after them.

use std::io::{self, Write};
use std::process::ExitCode;
use std::{env, fs};

use ixy_regs::virtio::capability::{Capability, ConfigType, LAST_BAR, NotifyCapability, VENDOR_CAPABILITY};

/// Offset of the bit for a capability list, and of the pointer to its first entry.
const STATUS: usize = 0x06;
const HAS_CAPABILITIES: u8 = 1 << 4;
const FIRST: usize = 0x34;

/// The vendor capabilities of a configuration space, each with all bytes from its start on, in the order of the
/// list. The walk ends where a list loops or leads outside.
fn vendor_capabilities(space: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let listed = space.get(STATUS).is_some_and(|status| status & HAS_CAPABILITIES != 0);
    let mut at = if listed { space.get(FIRST).copied().unwrap_or(0) } else { 0 };
    // Capabilities start at multiples of 4, so there are at most 64 of them in 256 bytes.
    for _ in 0..64 {
        let Some(bytes @ &[id, next, ..]) = space.get(usize::from(at & !3)..).filter(|_| at >= 0x40) else {
            break;
        };
        if id == VENDOR_CAPABILITY {
            found.push(bytes);
        }
        at = next;
    }
    found
}

/// One line about a capability; nothing for one that is not virtio's, or has to be ignored.
fn describe(bytes: &[u8]) -> Option<String> {
    let capability = Capability::read(bytes)?;
    let kind = capability.config_type().filter(|&kind| kind != ConfigType::Vendor)?;
    let (bar, offset, length) = (capability.bar, capability.offset.get(), capability.length.get());
    if bar > LAST_BAR {
        return None;
    }
    let doorbells = match NotifyCapability::read(bytes).map(|notify| notify.notify_off_multiplier.get()) {
        Some(0) => ", one doorbell for all queues".to_owned(),
        Some(multiplier) => format!(", doorbells {multiplier} bytes apart"),
        None => String::new(),
    };
    Some(format!("{:12} BAR {bar}, {length} bytes from {offset:#x} on{doorbells}", format!("{kind:?}")))
}

fn main() -> io::Result<ExitCode> {
    let Some(path) = env::args_os().nth(1) else {
        writeln!(io::stderr(), "usage: capabilities /sys/bus/pci/devices/ADDRESS/config")?;
        return Ok(ExitCode::from(2));
    };
    let space = match fs::read(&path) {
        Ok(space) => space,
        Err(error) => {
            writeln!(io::stderr(), "cannot read {}: {error}", path.display())?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let lines: Vec<_> = vendor_capabilities(&space).into_iter().filter_map(describe).collect();
    if lines.is_empty() {
        let why = if space.len() <= 64 { "; more than 64 bytes of it are readable as root" } else { "" };
        writeln!(io::stderr(), "{} names no virtio structure{why}", path.display())?;
        return Ok(ExitCode::FAILURE);
    }
    for line in lines {
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(ExitCode::SUCCESS)
}
