//! The 82599's virtual functions: the registers of a function's own BAR 0.
//!
//! A virtual function is a part of the card that a virtual machine may own: a pool of queues, three interrupt
//! vectors, and a mailbox through which it asks the driver of the card (the physical function) for everything
//! else, such as an address. [`Registers`] has the registers that exist once, [`RxQueue`] and [`TxQueue`] those of
//! each queue. The number of pools (GCR_EXT.VT_MODE of the physical function) decides how many of the eight queues
//! exist: 2, 4 or 8.
//!
//! `datasheet-notes/82599-vf-registers.md` describes every register; a test compares it with this code.
//!
//! ```
//! use ixy_regs::ixgbe::vf;
//!
//! assert_eq!(vf::at(0x01040).map(|(register, n)| (register.name, n)), Some(("VFRDBAL", 1)));
//! ```

// The macro makes types, constants and enums of its own, and gives no place for their documentation.
#![allow(missing_docs)]

use tock_registers::register_bitfields;

use crate::bus::Mmio;
use crate::ixgbe::fields::{
    DCA_RXCTRL, DCA_TXCTRL, EITR, LINKS, PSRTYPE, RDH, RDLEN, RDT, RSCCTL, RXDCTL, SRRCTL, TDH, TDLEN, TDT,
    TDWBAL, TXDCTL,
};
use crate::ixgbe::rest_fields::RXMEMWRAP;
use crate::map::Register;
use crate::registers;

/// Size of a virtual function's BAR 0 in bytes.
pub const WINDOW: u32 = Registers::<Mmio>::SIZE;

/// Largest number of queues of each direction in a virtual function.
pub const QUEUES: u32 = 8;

register_bitfields! { u32,
    /// Control of the virtual function.
    pub VFCTRL [
        /// Resets the queues and interrupts of this function.
        RST OFFSET(26) NUMBITS(1) [],
    ],

    /// Status of the device, in the part that a virtual function may see.
    pub VFSTATUS [
        /// The port.
        LAN_ID OFFSET(2) NUMBITS(2) [],
        /// The link is up.
        LINK_UP OFFSET(7) NUMBITS(1) [],
        /// PCIe requests are made.
        GIO OFFSET(19) NUMBITS(1) [],
    ],

    /// State of the mailbox. Reading clears PFSTS, PFACK and RSTD.
    pub VFMAILBOX [
        /// A message for the physical function is ready. Reads as 0.
        REQ OFFSET(0) NUMBITS(1) [],
        /// A message of the physical function was taken. Reads as 0.
        ACK OFFSET(1) NUMBITS(1) [],
        /// This function holds the buffer; can be set only while PFU is 0.
        VFU OFFSET(2) NUMBITS(1) [],
        /// The physical function holds the buffer.
        PFU OFFSET(3) NUMBITS(1) [],
        /// The physical function has written a message.
        PFSTS OFFSET(4) NUMBITS(1) [],
        /// The physical function has taken a message.
        PFACK OFFSET(5) NUMBITS(1) [],
        /// The physical function is in reset.
        RSTI OFFSET(6) NUMBITS(1) [],
        /// The reset of the physical function is done.
        RSTD OFFSET(7) NUMBITS(1) [],
    ],

    /// Interrupt causes, one a vector.
    pub VTEICR [
        /// Vectors 2 to 0.
        MSIX OFFSET(0) NUMBITS(3) [],
    ],

    /// Vectors of two queues of each direction.
    pub VTIVAR [
        /// Vector of receive queue 2n.
        INT_ALLOC0 OFFSET(0) NUMBITS(2) [],
        /// It is valid.
        INT_ALLOC_VAL0 OFFSET(7) NUMBITS(1) [],
        /// Vector of transmit queue 2n.
        INT_ALLOC1 OFFSET(8) NUMBITS(2) [],
        /// It is valid.
        INT_ALLOC_VAL1 OFFSET(15) NUMBITS(1) [],
        /// Vector of receive queue 2n + 1.
        INT_ALLOC2 OFFSET(16) NUMBITS(2) [],
        /// It is valid.
        INT_ALLOC_VAL2 OFFSET(23) NUMBITS(1) [],
        /// Vector of transmit queue 2n + 1.
        INT_ALLOC3 OFFSET(24) NUMBITS(2) [],
        /// It is valid.
        INT_ALLOC_VAL3 OFFSET(31) NUMBITS(1) [],
    ],

    /// Vector of the mailbox.
    pub VTIVAR_MISC [
        /// Vector.
        INT_ALLOC0 OFFSET(0) NUMBITS(2) [],
        /// It is valid.
        INT_ALLOC_VAL0 OFFSET(7) NUMBITS(1) [],
    ],
}

registers! {
    /// The registers of a virtual function, except those of queues.
    pub unsafe struct Registers, 0x4000;

    0x00000 VFCTRL "8.3" => vfctrl: u32 VFCTRL, WO;
    0x00008 VFSTATUS "8.3" => vfstatus: u32 VFSTATUS, RO;
    0x00010 VFLINKS "8.3" => vflinks: u32 LINKS, RO;
    0x00048 VFFRTIMER "8.3" => vffrtimer: u32, RO;
    0x03190 VFRXMEMWRAP "8.3" => vfrxmemwrap: u32 RXMEMWRAP, RO;

    // Interrupts
    0x00100 VTEICR "8.3" => vteicr: u32 VTEICR, RC_W1C;
    0x00104 VTEICS "8.3" => vteics: u32 VTEICR, W1S;
    0x00108 VTEIMS "8.3" => vteims: u32 VTEICR, W1S;
    0x0010C VTEIMC "8.3" => vteimc: u32 VTEICR, W1C;
    0x00110 VTEIAC "8.3" => vteiac: u32 VTEICR, RW;
    0x00114 VTEIAM "8.3" => vteiam: u32 VTEICR, RW;
    0x00820 + 4 * 2 VTEITR "8.3" => vteitr: u32 EITR, RW;
    0x00120 + 4 * 4 VTIVAR "8.3" => vtivar: u32 VTIVAR, RW;
    0x00140 VTIVAR_MISC "8.3" => vtivar_misc: u32 VTIVAR_MISC, RW;
    0x00180 + 4 * 2 VTRSCINT "8.3" => vtrscint: u32, RW;

    // Mailbox
    0x002FC VFMAILBOX "8.3" => vfmailbox: u32 VFMAILBOX, RC_RW;
    0x00200 + 4 * 16 VFMBMEM "8.3" => vfmbmem: u32, RW;

    // Receive
    0x00300 VFPSRTYPE "8.3" => vfpsrtype: u32 PSRTYPE, RW;

    // Statistics
    0x0101C VFGPRC "8.3" => vfgprc: u32, RO;
    0x0201C VFGPTC "8.3" => vfgptc: u32, RO;
    0x01020 VFGORC_LSB "8.3" => vfgorc_lsb: u32, RO;
    0x01024 VFGORC_MSB "8.3" => vfgorc_msb: u32, RO;
    0x02020 VFGOTC_LSB "8.3" => vfgotc_lsb: u32, RO;
    0x02024 VFGOTC_MSB "8.3" => vfgotc_msb: u32, RO;
    0x01034 VFMPRC "8.3" => vfmprc: u32, RO;
}

registers! {
    /// The registers of one of a virtual function's receive queues.
    pub unsafe block RxQueue, 0x01000 + 0x40 * 8;

    0x00 VFRDBAL "8.3" => vfrdbal: u32, RW dma;
    0x04 VFRDBAH "8.3" => vfrdbah: u32, RW dma;
    0x08 VFRDLEN "8.3" => vfrdlen: u32 RDLEN, RW dma;
    0x0C VFDCA_RXCTRL "8.3" => vfdca_rxctrl: u32 DCA_RXCTRL, RW dma;
    0x10 VFRDH "8.3" => vfrdh: u32 RDH, RW dma;
    0x14 VFSRRCTL "8.3" => vfsrrctl: u32 SRRCTL, RW dma;
    0x18 VFRDT "8.3" => vfrdt: u32 RDT, RW dma;
    0x28 VFRXDCTL "8.3" => vfrxdctl: u32 RXDCTL, RW dma;
    0x2C VFRSCCTL "8.3" => vfrscctl: u32 RSCCTL, RW dma;
}

registers! {
    /// The registers of one of a virtual function's transmit queues.
    pub unsafe block TxQueue, 0x02000 + 0x40 * 8;

    0x00 VFTDBAL "8.3" => vftdbal: u32, RW dma;
    0x04 VFTDBAH "8.3" => vftdbah: u32, RW dma;
    0x08 VFTDLEN "8.3" => vftdlen: u32 TDLEN, RW dma;
    0x0C VFDCA_TXCTRL "8.3" => vfdca_txctrl: u32 DCA_TXCTRL, RW dma;
    0x10 VFTDH "8.3" => vftdh: u32 TDH, RW dma;
    0x18 VFTDT "8.3" => vftdt: u32 TDT, RW dma;
    0x28 VFTXDCTL "8.3" => vftxdctl: u32 TXDCTL, RW dma;
    0x38 VFTDWBAL "8.3" => vftdwbal: u32 TDWBAL, RW dma;
    0x3C VFTDWBAH "8.3" => vftdwbah: u32, RW dma;
}

const TABLES: [&[Register]; 3] =
    [Registers::<Mmio>::REGISTERS, RxQueue::<Mmio>::REGISTERS, TxQueue::<Mmio>::REGISTERS];

/// Every register of the map: those of [`Registers`], [`RxQueue`] and [`TxQueue`].
pub fn all() -> impl Iterator<Item = &'static Register> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The register that the datasheet calls `name`, in upper case.
pub const fn find(name: &str) -> Option<&'static Register> {
    super::find_in(&TABLES, name)
}

/// The register at `offset` in bytes, and its index in the register's array.
pub fn at(offset: u32) -> Option<(&'static Register, u32)> {
    all().find_map(|register| Some((register, register.index_of(offset)?)))
}
