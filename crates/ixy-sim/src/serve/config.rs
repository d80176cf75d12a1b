//! The configuration space of the card (section 9): [`Config`].

use std::fmt;

/// Its size in bytes, with the extended part of PCI Express.
pub(crate) const SIZE: usize = 4096;
/// Size of BAR 0, as on Intel's boards: the registers, and zeros behind them.
pub(crate) const REGISTERS: u32 = 512 << 10;
/// Size of the I/O BAR, which reaches the registers through IOADDR and IODATA (section 8.1.1.3).
pub(crate) const PORTS: u64 = 32;
/// Size of BAR 4, with the MSI-X table and its pending bits.
pub(crate) const MESSAGES: u64 = 0x4000;

/// Offsets of the registers that have an effect.
const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const POWER: usize = 0x40;
const MSI: usize = 0x50;
const MSIX: usize = 0x70;
const EXPRESS: usize = 0xa0;
const VPD: usize = 0xe0;
const ERRORS: usize = 0x100;
const SERIAL: usize = 0x140;
const ARI: usize = 0x150;
const SRIOV: usize = 0x160;
/// Relative to the SR-IOV capability.
const VF_CONTROL: usize = 0x08;
const VF_COUNT: usize = 0x10;
const VF_OFFSET: usize = 0x14;

const COMMAND_PORTS: u16 = 1 << 0;
const COMMAND_MEMORY: u16 = 1 << 1;
const COMMAND_MASTER: u16 = 1 << 2;
const COMMAND_NO_PIN: u16 = 1 << 10;
const STATUS_PIN: u8 = 1 << 3;
const MSI_ENABLE: u16 = 1 << 0;
const MSIX_ENABLE: u16 = 1 << 15;
const MSIX_MASK: u16 = 1 << 14;
const RESET_FUNCTION: u16 = 1 << 15;
const VPD_DONE: u16 = 1 << 15;
const VF_ENABLE: u16 = 1 << 0;
const VF_MEMORY: u16 = 1 << 3;
const VF_HIERARCHY: u16 = 1 << 4;
/// Routing id distance of the first virtual function, on buses of 32 devices and with full routing ids (ARI).
const OFFSET: u16 = 0x180;
const OFFSET_ARI: u16 = 0x80;
/// Largest number of virtual functions.
const VFS: u16 = 64;
const VF_DEVICE: u16 = 0x10ed;
const VF_WINDOW: u32 = crate::Vf::WINDOW;

/// The state of the function that the configuration space selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// The I/O BAR is decoded.
    pub(crate) ports: bool,
    /// The memory BARs are decoded.
    pub(crate) memory: bool,
    /// It may do DMA and send messages.
    pub(crate) mastering: bool,
    /// It may assert its interrupt pin.
    pub(crate) pin: bool,
    pub(crate) msi: bool,
    pub(crate) msix: bool,
    /// The message of MSI is held back.
    pub(crate) msi_masked: bool,
    /// All MSI-X messages are held back.
    pub(crate) msix_masked: bool,
    /// It sleeps (D3hot).
    pub(crate) asleep: bool,
    /// Number of enabled virtual functions.
    pub(crate) functions: u16,
}

/// The values, and for each bit whether software can write it, or clear it by writing one.
#[derive(Clone)]
pub(crate) struct Config {
    bytes: Box<[u8; SIZE]>,
    writable: Box<[u8; SIZE]>,
    clears: Box<[u8; SIZE]>,
    initial: Box<[u8; SIZE]>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Config {
    /// The space of an 82599 with an SFP+ cage and the Ethernet address `mac`.
    pub(crate) fn new(mac: [u8; 6]) -> Self {
        let zero = || Box::new([0; SIZE]);
        let mut config = Self { bytes: zero(), writable: zero(), clears: zero(), initial: zero() };
        config.header();
        config.capabilities();
        config.extended(mac);
        config.initial = config.bytes.clone();
        config
    }

    /// The space of a virtual function, as a virtual machine monitor shows it (section 9.5): with the ids and the
    /// memory decoding that the function itself leaves to its card.
    pub(crate) fn virtual_function() -> Self {
        let zero = || Box::new([0; SIZE]);
        let mut config = Self { bytes: zero(), writable: zero(), clears: zero(), initial: zero() };
        config.word(0x00, 0x8086, 0);
        config.word(0x02, VF_DEVICE, 0);
        config.word(COMMAND, 0, COMMAND_MEMORY | COMMAND_MASTER);
        config.word(STATUS, 1 << 4, 0);
        config.word(0x08, 0x0001, 0);
        config.word(0x0a, 0x0200, 0);
        // BAR 0: registers. BAR 3: MSI-X. Both prefetchable memory at 64-bit addresses.
        config.dword(0x10, 0xc, !(VF_WINDOW - 1));
        config.dword(0x14, 0, u32::MAX);
        config.dword(0x1c, 0xc, !(MESSAGES as u32 - 1));
        config.dword(0x20, 0, u32::MAX);
        config.word(0x2c, 0x8086, 0);
        config.word(0x2e, 0x0003, 0);
        config.word(0x34, MSIX as u16, 0);
        config.messages(crate::Vf::VECTORS, 3);
        config.express();
        config.errors(0);
        config.initial = config.bytes.clone();
        config
    }

    /// Section 9.3: ids, command, status, BARs.
    fn header(&mut self) {
        self.word(0x00, 0x8086, 0);
        self.word(0x02, 0x10fb, 0);
        let command = COMMAND_PORTS | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_PIN;
        // Parity and SERR are stored as well, without effect.
        self.word(COMMAND, 0, command | 1 << 6 | 1 << 8);
        // There is a capability list; error bits clear when written.
        self.word(STATUS, 1 << 4, 0);
        self.clears[STATUS + 1] = 0xf9;
        self.word(0x08, 0x0001, 0); // revision 1
        self.word(0x0a, 0x0200, 0); // an Ethernet controller
        self.word(0x0c, 0, 0x00ff); // cache line size, kept for old software
        // BAR 0: registers, prefetchable memory at a 64-bit address. The address bits that stay zero show its
        // size.
        self.dword(0x10, 0xc, !(REGISTERS - 1));
        self.dword(0x14, 0, u32::MAX);
        // BAR 2: ports. BAR 4: MSI-X, memory as BAR 0.
        self.dword(0x18, 1, !(PORTS as u32 - 1));
        self.dword(0x20, 0xc, !(MESSAGES as u32 - 1));
        self.dword(0x24, 0, u32::MAX);
        self.word(0x2c, 0x8086, 0);
        self.word(0x2e, 0x0003, 0);
        self.word(0x34, POWER as u16, 0);
        self.word(0x3c, 0x0100, 0x00ff); // interrupt line, kept for firmware; pin A
    }

    /// Section 9.3.6 to 9.3.10, and vital product data (section 3.4.8).
    fn capabilities(&mut self) {
        self.word(POWER, (MSI as u16) << 8 | 0x01, 0);
        self.word(POWER + 2, 0x4823, 0); // version 1.2; D0 and D3 only, PME from both; needs its driver's set-up (DSI)
        // Power state, PME enable and data selection are writable; No_Soft_Reset is clear. Data are in tenths of a
        // watt.
        self.word(POWER + 4, 0x2000, 0x1f03);
        self.clears[POWER + 5] = 0x80; // PME status
        self.word(MSI, (MSIX as u16) << 8 | 0x05, 0);
        self.word(MSI + 2, 0x0180, MSI_ENABLE); // one message, a 64-bit address, a mask
        self.dword(MSI + 4, 0, !3);
        self.dword(MSI + 8, 0, u32::MAX);
        self.word(MSI + 12, 0, u16::MAX);
        self.dword(MSI + 16, 0, 1);
        self.messages(super::messages::VECTORS, 4);
        self.express();
        self.word(EXPRESS, (VPD as u16) << 8 | 0x10, 0);
        self.word(EXPRESS + 0x12, 0x1082, 0); // the same link, and the slot gives the clock
        self.word(EXPRESS + 0x30, 0x0002, 0x1fbf); // link control 2: aims at 5 GT/s
        self.word(VPD, 0x0003, 0); // the last one
        self.word(VPD + 2, 0, u16::MAX);
        self.dword(VPD + 4, 0, u32::MAX);
    }

    /// MSI-X, with its table at the start of BAR `bar`.
    fn messages(&mut self, vectors: u32, bar: u32) {
        self.word(MSIX, (EXPRESS as u16) << 8 | 0x11, 0);
        self.word(MSIX + 2, vectors as u16 - 1, MSIX_ENABLE | MSIX_MASK);
        self.dword(MSIX + 4, bar, 0);
        self.dword(MSIX + 8, super::messages::PENDING as u32 | bar, 0);
    }

    /// PCI Express.
    fn express(&mut self) {
        self.word(EXPRESS, 0x0010, 0); // the last one
        self.word(EXPRESS + 2, 0x0002, 0); // an endpoint, version 2
        // Payloads up to 512 bytes, role-based errors, function level reset.
        self.dword(EXPRESS + 4, 0x1000_8cc2, 0);
        self.word(EXPRESS + 8, 0x2810, 0x7fff & !0x0700);
        self.clears[EXPRESS + 10] = 0x0f;
        // Eight lanes at 5 GT/s.
        self.dword(EXPRESS + 0x0c, 0x0001_f482, 0);
        self.word(EXPRESS + 0x10, 0, 0x01c3);
        self.word(EXPRESS + 0x12, 0x0082, 0);
        self.dword(EXPRESS + 0x24, 0x1f, 0); // completion timeouts from 50 us to 64 s
        self.word(EXPRESS + 0x28, 0, 0x001f);
    }

    /// Section 9.4: advanced error reporting, the serial number, derived from the address, and ARI: this is the
    /// last function of its device.
    fn extended(&mut self, mac: [u8; 6]) {
        self.errors(SERIAL as u32);
        self.dword(ERRORS + 0x18, 0x00a0, 0x0140); // it can make and check ECRC
        self.dword(SERIAL, 0x0003 | 1 << 16 | (ARI as u32) << 20, 0);
        self.dword(ARI, 0x000e | 1 << 16 | (SRIOV as u32) << 20, 0);
        let [a, b, c, d, e, f] = mac;
        self.bytes[SERIAL + 4..SERIAL + 12].copy_from_slice(&[f, e, d, 0xff, 0xff, c, b, a]);
        self.virtualization();
    }

    /// Advanced error reporting; the next extended capability is at `next`.
    fn errors(&mut self, next: u32) {
        self.dword(ERRORS, 0x0001 | 1 << 16 | next << 20, 0);
        const UNCORRECTABLE: u32 = 0x001f_f010;
        const CORRECTABLE: u32 = 0x0000_31c1;
        self.clears[ERRORS + 0x04..ERRORS + 0x08].copy_from_slice(&UNCORRECTABLE.to_le_bytes());
        self.dword(ERRORS + 0x08, 0, UNCORRECTABLE);
        self.dword(ERRORS + 0x0c, 0x0006_2010, UNCORRECTABLE);
        self.clears[ERRORS + 0x10..ERRORS + 0x14].copy_from_slice(&CORRECTABLE.to_le_bytes());
        self.dword(ERRORS + 0x14, 0x2000, CORRECTABLE);
    }

    /// Section 9.4.4: the possible virtual functions, their properties, and how many are enabled.
    fn virtualization(&mut self) {
        self.dword(SRIOV, 0x0010 | 1 << 16, 0);
        self.word(SRIOV + VF_CONTROL, 0, VF_ENABLE | VF_MEMORY | VF_HIERARCHY);
        self.word(SRIOV + 0x0c, VFS, 0); // at first, and
        self.word(SRIOV + 0x0e, VFS, 0); // in all
        self.word(SRIOV + VF_COUNT, 0, u16::MAX);
        self.word(SRIOV + VF_OFFSET, OFFSET, 0); // the first one's distance, in routing ids
        self.word(SRIOV + 0x16, 2, 0); // that of the next
        self.word(SRIOV + 0x1a, VF_DEVICE, 0);
        self.dword(SRIOV + 0x1c, 0x553, 0); // page sizes from 4 KB to 4 MB, and
        self.dword(SRIOV + 0x20, 1, 0x553); // the one in use
        // BARs 0 and 3 of all functions together.
        self.dword(SRIOV + 0x24, 0xc, !(VF_WINDOW - 1));
        self.dword(SRIOV + 0x28, 0, u32::MAX);
        self.dword(SRIOV + 0x30, 0xc, !(MESSAGES as u32 - 1));
        self.dword(SRIOV + 0x34, 0, u32::MAX);
    }

    fn word(&mut self, at: usize, value: u16, writable: u16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        self.writable[at..at + 2].copy_from_slice(&writable.to_le_bytes());
    }

    fn dword(&mut self, at: usize, value: u32, writable: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self.writable[at..at + 4].copy_from_slice(&writable.to_le_bytes());
    }

    fn at(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    /// Reads; `false` when part of it lies outside.
    pub(crate) fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        let bytes = offset.checked_add(into.len()).and_then(|end| self.bytes.get(offset..end));
        bytes.map(|bytes| into.copy_from_slice(bytes)).is_some()
    }

    /// Writes the writable bits; `None` when part of it lies outside, else whether the write resets the function:
    /// on request, or by the wake-up from D3hot, which does not keep its state (no No_Soft_Reset).
    pub(crate) fn write(&mut self, offset: usize, from: &[u8]) -> Option<bool> {
        let end = offset.checked_add(from.len()).filter(|end| *end <= SIZE)?;
        let (asleep, power) = (self.state().asleep, self.bytes[POWER + 4]);
        for (at, byte) in (offset..end).zip(from) {
            let kept = self.bytes[at] & !self.writable[at] & !(self.clears[at] & byte);
            self.bytes[at] = kept | byte & self.writable[at];
        }
        if matches!(self.bytes[POWER + 4] & 3, 1 | 2) {
            // The function does not have this state.
            self.bytes[POWER + 4] = power;
        }
        let hierarchy = self.at(SRIOV + VF_CONTROL) & VF_HIERARCHY != 0;
        if self.at(SRIOV) != 0 {
            self.word(SRIOV + VF_OFFSET, if hierarchy { OFFSET_ARI } else { OFFSET }, 0);
        }
        let control = EXPRESS + 9;
        let asks =
            (offset..end).contains(&control) && from[control - offset] & (RESET_FUNCTION >> 8) as u8 != 0;
        Some(asks || asleep && !self.state().asleep)
    }

    /// The state that the space selects.
    pub(crate) fn state(&self) -> State {
        let (command, msix) = (self.at(COMMAND), self.at(MSIX + 2));
        let asleep = self.at(POWER + 4) & 3 == 3;
        State {
            ports: command & COMMAND_PORTS != 0 && !asleep,
            memory: command & COMMAND_MEMORY != 0 && !asleep,
            mastering: command & COMMAND_MASTER != 0 && !asleep,
            pin: command & COMMAND_NO_PIN == 0 && !asleep,
            msi: self.at(MSI + 2) & MSI_ENABLE != 0,
            msi_masked: self.at(MSI + 16) & 1 != 0,
            msix: msix & MSIX_ENABLE != 0,
            msix_masked: msix & MSIX_ENABLE != 0 && msix & MSIX_MASK != 0,
            asleep,
            functions: if self.at(SRIOV + VF_CONTROL) & VF_ENABLE != 0 {
                self.at(SRIOV + VF_COUNT).min(VFS)
            } else {
                0
            },
        }
    }

    /// Shows in the status register whether causes for the pin are pending, and whether the MSI message is.
    pub(crate) fn show(&mut self, line: bool, waiting: bool) {
        let others = self.bytes[STATUS] & !STATUS_PIN;
        self.bytes[STATUS] = others | if line { STATUS_PIN } else { 0 };
        self.bytes[MSI + 20] = waiting.into();
    }

    /// Answers a request for vital product data if the last write was one: software writes the address with the
    /// flag clear to read, or set to write, and the flag flips when the request is done. All data are read only.
    pub(crate) fn answer_vpd(&mut self, offset: usize, len: usize, data: impl FnOnce(u16) -> [u8; 4]) {
        let flag = VPD + 3;
        if !(offset..offset.saturating_add(len)).contains(&flag) || self.at(VPD) == 0 {
            return;
        }
        let address = self.at(VPD + 2);
        if address & VPD_DONE == 0 {
            let data = data(address & !3);
            self.bytes[VPD + 4..VPD + 8].copy_from_slice(&data);
        }
        self.bytes[flag] ^= (VPD_DONE >> 8) as u8;
    }

    /// Restores the initial values, as a reset of the function does.
    pub(crate) fn reset(&mut self) {
        self.bytes = self.initial.clone();
    }
}
