//! The Intel 82599 10 Gbit/s Ethernet controller and its relatives X540 and X550.
//!
//! | module | content |
//! |---|---|
//! | [`registers`] | the registers that drivers use: [`Registers`], and per queue [`RxQueue`] and [`TxQueue`] |
//! | [`rest`] | the rest of the map: [`Rest`] |
//! | [`vf`] | the separate map of a virtual function |
//! | [`fields`], [`rest_fields`] | the fields of these registers |
//! | [`descriptors`] | the ring entries that driver and device write |
//!
//! All offsets are relative to BAR 0, of which the map takes [`WINDOW`] bytes. Names are the datasheet's (Intel
//! document 331520), and section numbers are of that document; `datasheet-notes/82599-registers.md` in the repository
//! has the same map as prose and tables, which a test compares with this code.
//!
//! Tables for decoders and models: [`all`] yields every register of the map, and [`find`] one by its name, also in
//! constants:
//!
//! ```
//! use ixy_regs::ixgbe;
//!
//! const RXCTRL: u32 = match ixgbe::find("RXCTRL") {
//!     Some(register) => register.spans[0].base,
//!     None => panic!("no such register"),
//! };
//! assert_eq!(RXCTRL, 0x03000);
//! assert_eq!(ixgbe::at(0x05818).map(|(register, n)| (register.name, n)), Some(("MRQC", 0)));
//! ```

pub mod descriptors;
pub mod fields;
pub mod registers;
pub mod rest;
pub mod rest_fields;
pub mod vf;

#[doc(no_inline)]
pub use fields::*;
pub use registers::{Registers, RxQueue, TxQueue};
pub use rest::Rest;

use crate::bus::Mmio;
use crate::map::Register;

/// Size of the register map in BAR 0 in bytes.
pub const WINDOW: u32 = Registers::<Mmio>::SIZE;

/// The number of receive queues, and of transmit queues.
pub const QUEUES: u32 = 128;

const TABLES: [&[Register]; 4] = [
    Registers::<Mmio>::REGISTERS,
    RxQueue::<Mmio>::REGISTERS,
    TxQueue::<Mmio>::REGISTERS,
    Rest::<Mmio>::REGISTERS,
];

/// Every register of the map: those of [`Registers`], [`RxQueue`], [`TxQueue`] and [`Rest`].
pub fn all() -> impl Iterator<Item = &'static Register> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The register that the datasheet calls `name`, in upper case.
pub const fn find(name: &str) -> Option<&'static Register> {
    find_in(&TABLES, name)
}

const fn find_in(tables: &[&'static [Register]], name: &str) -> Option<&'static Register> {
    let mut table = 0;
    while table < tables.len() {
        let mut row = 0;
        while row < tables[table].len() {
            if same(tables[table][row].name, name) {
                return Some(&tables[table][row]);
            }
            row += 1;
        }
        table += 1;
    }
    None
}

/// The register at `offset` in bytes, also where `offset` is an alias, and its index in the register's array.
pub fn at(offset: u32) -> Option<(&'static Register, u32)> {
    all().find_map(|register| Some((register, register.index_of(offset)?)))
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
