//! The Intel 82576 Gigabit Ethernet controller (driver name igb).
//!
//! | module | content |
//! |---|---|
//! | [`registers`] | the registers that drivers use: [`Registers`], and per queue [`RxQueue`] and [`TxQueue`] |
//! | [`rest`] | the rest of the map: [`Rest`] |
//! | [`fields`], [`rest_fields`] | the fields of these registers |
//! | [`descriptors`] | the ring entries that driver and device write |
//!
//! All offsets are relative to BAR 0, of which the map takes [`WINDOW`] bytes. Section numbers are those of the
//! datasheet (Intel document 320961); a register whose own section could not be verified has its chapter instead,
//! or just `8` if not even that was known. `datasheet-notes/82576-registers.md` in the repository has the same map
//! as prose and tables, which a test compares with this code, and `datasheet-notes/82576.md` lists the differences
//! from the 82599: many names are the same, but some of their bits are not.
//!
//! Tables for decoders and models: [`all`] yields every register of the map, and [`find`] one by its name, also in
//! constants:
//!
//! ```
//! use ixy_regs::igb;
//!
//! const RCTL: u32 = match igb::find("RCTL") {
//!     Some(register) => register.spans[0].base,
//!     None => panic!("no such register"),
//! };
//! assert_eq!(RCTL, 0x00100);
//! assert_eq!(igb::at(0x0c068).map(|(register, n)| (register.name, n)), Some(("RXDCTL", 1)));
//! ```

pub mod descriptors;
pub mod fields;
pub mod registers;
pub mod rest;
pub mod rest_fields;

#[doc(no_inline)]
pub use fields::*;
pub use registers::{Registers, RxQueue, TxQueue};
pub use rest::Rest;

use crate::bus::Mmio;
use crate::map::Register;

/// Size of the register map in BAR 0 in bytes.
pub const WINDOW: u32 = Registers::<Mmio>::SIZE;

/// The number of receive queues, and of transmit queues.
pub const QUEUES: u32 = 16;

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
    let mut table = 0;
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            if same(TABLES[table][row].name, name) {
                return Some(&TABLES[table][row]);
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
