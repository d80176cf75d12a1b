//! Decodes the value of one register of an 82599 or 82576, field by field: what a driver read, wrote or logged.
//!
//! ```text
//! cargo run -p ixy-regs --example decode -- 82599 LINKS 0x70000000
//! cargo run -p ixy-regs --example decode -- 82576 0x00008 0x80083
//! ```
//!
//! A register is named as in the datasheet, or by its offset in BAR 0.
#![allow(clippy::print_stdout, reason = "a program")]

use std::error::Error;

use ixy_regs::{igb, ixgbe};

/// A number as programs print it: hexadecimal after `0x`, or decimal.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [card, register, value] = &arguments[..] else {
        return Err("usage: decode 82599|82576 NAME|OFFSET VALUE".into());
    };
    let value =
        number(value).ok_or_else(|| format!("`{value}` is no number: write one such as 0x70000000"))?;
    let place = (number(register), register.to_uppercase());
    let found = match (card.as_str(), place) {
        ("82599", (Some(offset), _)) => ixgbe::at(offset),
        ("82599", (None, name)) => ixgbe::find(&name).map(|register| (register, 0)),
        ("82576", (Some(offset), _)) => igb::at(offset),
        ("82576", (None, name)) => igb::find(&name).map(|register| (register, 0)),
        _ => return Err(format!("`{card}` is no card here: write 82599 or 82576").into()),
    };
    let (register, n) = found.ok_or_else(|| format!("an {card} has no register {register}"))?;
    let place = register.spans.iter().flat_map(|span| span.offsets()).nth(n as usize).unwrap_or_default();
    println!("{} at {place:#07x}, section {}, {}", register.name, register.section, register.access.name());
    for field in register.decode(value).fields() {
        println!("  bit {:2}: {field}", field.info.shift);
    }
    Ok(())
}
