//! Interrupt causes, masks and vectors (sections 7.3.1 and 8.2.3.5).

use ixy_regs::ixgbe::fields::{EICR, GPIE};

use super::Hardware;
use super::names::*;

/// Where interrupts go: one call an interrupt, with the number of its vector (0 without MSI-X).
///
/// It is called from [`poll`](super::Nic82599::poll) and from register accesses, on the thread that makes them.
pub trait Irq: Send + Sync {
    /// The device raises `vector`.
    fn raise(&self, vector: u32);
}

/// Interrupts that nobody wants.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoIrq;

impl Irq for NoIrq {
    fn raise(&self, _vector: u32) {}
}

/// Queue causes in the low half of EICR, EICS, EIMS and EIMC.
const QUEUES: u32 = mask(EICR::RTXQ);

/// The causes that are pending and those that may interrupt. Queue causes are 64 bits; the lowest 16 of them are also
/// in EICR and EIMS.
#[derive(Debug, Default)]
pub(crate) struct Interrupts {
    pending: u64,
    other_pending: u32,
    enabled: u64,
    other_enabled: u32,
    /// Vectors to raise once the engine is no longer locked.
    pub(crate) raised: u64,
}

impl Interrupts {
    /// Frames were received or sent on queues: raises what IVAR says for them.
    pub(crate) fn queues(&mut self, hw: &Hardware, rx: u128, tx: u128) {
        let mut causes = 0;
        let msix = GPIE::MULTIPLE_MSIX.is_set(hw.regs.load(GPIE));
        for (mut queues, tx) in [(rx, 0), (tx, 1)] {
            while queues != 0 {
                let queue = queues.trailing_zeros();
                queues &= queues - 1;
                let entry = hw.regs.load(ivar(queue / 2)) >> (16 * (queue % 2) + 8 * tx);
                if entry & 0x80 != 0 {
                    causes |= 1_u64 << (entry & if msix { 0x3f } else { 0xf });
                }
            }
        }
        if causes != 0 {
            self.raise(hw, causes, 0);
        }
    }

    /// Sets causes, and interrupts for those that are new and enabled.
    pub(crate) fn raise(&mut self, hw: &Hardware, queues: u64, other: u32) {
        let (new, new_other) = (queues & !self.pending, other & !self.other_pending);
        self.pending |= queues;
        self.other_pending |= other;
        self.fire(hw, new & self.enabled, new_other & self.other_enabled);
        self.store(hw);
    }

    /// Interrupts for causes that are pending and enabled.
    fn fire(&mut self, hw: &Hardware, queues: u64, other: u32) {
        if queues == 0 && other == 0 {
            return;
        }
        let gpie = hw.regs.load(GPIE);
        if !GPIE::MULTIPLE_MSIX.is_set(gpie) {
            self.raised |= 1;
            return;
        }
        self.raised |= queues;
        let misc = hw.regs.load(IVAR_MISC);
        let timer = mask(EICR::TCP_TIMER);
        for (causes, entry) in [(other & timer, misc), (other & !timer, misc >> 8)] {
            if causes != 0 && entry & 0x80 != 0 {
                self.raised |= 1 << (entry & 0x3f);
            }
        }
        // Auto clear: the message itself clears the cause (section 7.3.1.4). Causes beyond EICR's 16 always do.
        let clear = u64::from(hw.regs.load(EIAC) & QUEUES) | !u64::from(QUEUES);
        self.pending &= !(queues & clear);
        self.other_pending &= !(other & hw.regs.load(EIAC));
        if GPIE::EIAME.is_set(gpie) {
            let auto = u64::from(hw.regs.load(EIAM_EX)) | u64::from(hw.regs.load(EIAM_EX + 4)) << 32;
            let low = hw.regs.load(EIAM);
            self.enabled &= !(queues & (auto | u64::from(low & QUEUES)));
            self.other_enabled &= !(other & low);
        }
    }

    /// Software unmasked causes: those that are pending interrupt now.
    fn enable(&mut self, hw: &Hardware, queues: u64, other: u32) {
        let (new, new_other) = (queues & !self.enabled, other & !self.other_enabled);
        self.enabled |= queues;
        self.other_enabled |= other;
        self.fire(hw, new & self.pending, new_other & self.other_pending);
    }

    /// What is read from `offset`, one of the interrupt registers.
    pub(crate) fn read(&mut self, hw: &Hardware, offset: u32) -> u32 {
        let causes = (self.pending as u32 & QUEUES) | self.other_pending;
        match offset {
            EICR => {
                // GPIE.OCD: reading clears only the causes that are none of a queue.
                let gpie = hw.regs.load(GPIE);
                if !GPIE::OCD.is_set(gpie) {
                    self.pending &= !u64::from(QUEUES);
                }
                self.other_pending = 0;
                self.auto_mask(hw, causes);
                self.store(hw);
                causes
            }
            EICS => causes,
            EIMS => (self.enabled as u32 & QUEUES) | self.other_enabled,
            EIMS_EX => self.enabled as u32,
            offset if offset == EIMS_EX + 4 => (self.enabled >> 32) as u32,
            offset if offset == EICS_EX => self.pending as u32,
            offset if offset == EICS_EX + 4 => (self.pending >> 32) as u32,
            GPIE => hw.regs.load(GPIE),
            _ => 0,
        }
    }

    /// Without MSI-X, reading or clearing EICR masks the causes that EIAM names (section 7.3.1.5).
    fn auto_mask(&mut self, hw: &Hardware, causes: u32) {
        if !GPIE::MULTIPLE_MSIX.is_set(hw.regs.load(GPIE)) {
            let masked = causes & hw.regs.load(EIAM);
            self.enabled &= !u64::from(masked & QUEUES);
            self.other_enabled &= !masked;
        }
    }

    /// Software writes `value` to `offset`.
    pub(crate) fn write(&mut self, hw: &Hardware, offset: u32, value: u32) {
        let (queues, other) = (u64::from(value & QUEUES), value & !QUEUES & 0x7fff_ffff);
        let wide = |n: u32| u64::from(value) << (32 * n);
        match offset {
            EICR => {
                self.pending &= !queues;
                self.other_pending &= !other;
                self.auto_mask(hw, value);
            }
            EICS => self.raise(hw, queues, other),
            EIMS => self.enable(hw, queues, other),
            EIMC => {
                self.enabled &= !queues;
                self.other_enabled &= !other;
            }
            GPIE => hw.regs.store(GPIE, value),
            _ => {
                for n in 0..2 {
                    match offset.wrapping_sub(4 * n) {
                        EICS_EX => self.raise(hw, wide(n), 0),
                        EIMS_EX => self.enable(hw, wide(n), 0),
                        EIMC_EX => self.enabled &= !wide(n),
                        _ => {}
                    }
                }
            }
        }
        self.store(hw);
    }

    /// Shows the causes in the stored register, for whoever looks at storage.
    fn store(&self, hw: &Hardware) {
        hw.regs.store(EICR, (self.pending as u32 & QUEUES) | self.other_pending);
        hw.regs.store(EIMS, (self.enabled as u32 & QUEUES) | self.other_enabled);
    }

    /// Forgets everything, as a reset does.
    pub(crate) fn reset(&mut self) {
        *self = Self { raised: self.raised, ..Self::default() };
    }
}
