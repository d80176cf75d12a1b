//! Decodes a dump of an 82599's registers, with the datasheet's names for fields and for their values.
//!
//! ```text
//! cargo run -p ixy-net --example decode_dump -- bar0.bin
//! cargo run -p ixy-net --example decode_dump -- bar0.bin LINK
//! ```
//!
//! The file has the first 128 KiB of BAR 0, as the monitor of a virtual machine saves them (`pmemsave` of QEMU). The
//! second argument is a part of the registers' names. Registers that are zero are left out. The names come from
//! `ixy-regs`, on which a program of your own depends beside `ixy-net`. `ixy-info 03:00.0 --registers` decodes the
//! registers of a card in this machine.
#![allow(clippy::print_stdout, reason = "a program")]

use std::{env, fs};

use ixy_regs::ixgbe;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().ok_or("usage: decode_dump FILE [PART OF A NAME]")?;
    let part = arguments.next().unwrap_or_default().to_uppercase();
    let dump = fs::read(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let (found, needed) = (dump.len(), ixgbe::WINDOW);
    if found < needed as usize {
        return Err(
            format!("{path} has {found} bytes, and the registers take {needed}: save all of BAR 0").into()
        );
    }
    let word = |offset: u32| {
        dump[offset as usize..][..4].iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
    };
    for register in ixgbe::all().filter(|it| it.access.is_readable() && it.name.contains(&part)) {
        let offsets = register.spans.iter().flat_map(|span| span.offsets());
        let values: Vec<_> = offsets.map(|offset| (offset, word(offset))).collect();
        let mut n = 0;
        // Equal neighbours of an array are one line.
        for same in values.chunk_by(|one, next| one.1 == next.1) {
            let (offset, value) = same[0];
            let name = match (values.len(), same.len()) {
                (1, _) => register.name.to_owned(),
                (_, 1) => format!("{}[{n}]", register.name),
                (_, more) => format!("{}[{n}..{}]", register.name, n + more),
            };
            if value != 0 {
                let fields = register.decode(value).to_string();
                println!("{}", format!("{offset:#07x} {name:18} {value:#010x} {fields}").trim_end());
            }
            n += same.len();
        }
    }
    Ok(())
}
