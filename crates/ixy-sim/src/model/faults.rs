//! Faults that can be injected at run time: [`Faults`].

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ixy_regs::ixgbe::fields;

use super::names::{self, mask};
use super::storage::WINDOW;
use crate::alarm::Alarm;

/// A way in which the device misbehaves while the fault is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The device is gone: reads give all ones, writes are lost, and it does no DMA.
    Gone,
    /// No light arrives, whatever the wire reports.
    LinkDown,
    /// CTRL.RST and CTRL.LRST read back as set: the reset never ends.
    ResetNeverEnds,
    /// EEC.ARD reads zero: the EEPROM is never loaded.
    EepromNeverLoaded,
    /// EERD.DONE reads zero: no word of the EEPROM is ever read.
    EepromNeverRead,
    /// The EEPROM's checksum is wrong.
    EepromChecksum,
    /// RDRXCTL.DMAIDONE reads zero: DMA is never ready.
    DmaNeverReady,
    /// RXDCTL.ENABLE reads zero after it was set.
    RxNeverEnabled,
    /// TXDCTL.ENABLE reads zero after it was set.
    TxNeverEnabled,
    /// RXDCTL.ENABLE cannot be cleared: the queue does not stop, and the device keeps using it until it is reset.
    RxNeverDisabled,
    /// STATUS.GIO reads one after a master disable.
    MasterNeverStops,
    /// Interrupts are not raised; their causes are set as usual.
    InterruptsLost,
    /// Descriptors are never written back, but frames still pass.
    NeverWrittenBack,
    /// Received frames are reported with a length larger than any buffer.
    ImpossibleLength,
    /// Received frames arrive damaged: their check sequence is wrong.
    FramesDamaged,
    /// Received frames are cut to 40 bytes on the wire.
    FramesCut,
    /// Received frames are made longer than the longest allowed one.
    FramesStretched,
    /// SWSM.SMBI reads one: another owner never releases the semaphore.
    SemaphoreTaken,
}

impl Fault {
    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// All faults, for tests that try each of them.
    pub const ALL: [Self; 18] = [
        Self::Gone,
        Self::LinkDown,
        Self::ResetNeverEnds,
        Self::EepromNeverLoaded,
        Self::EepromNeverRead,
        Self::EepromChecksum,
        Self::DmaNeverReady,
        Self::RxNeverEnabled,
        Self::TxNeverEnabled,
        Self::RxNeverDisabled,
        Self::MasterNeverStops,
        Self::InterruptsLost,
        Self::NeverWrittenBack,
        Self::ImpossibleLength,
        Self::FramesDamaged,
        Self::FramesCut,
        Self::FramesStretched,
        Self::SemaphoreTaken,
    ];
}

/// Stuck bits of a register.
#[derive(Debug, Clone, Copy)]
struct Stuck {
    offset: u32,
    and: u32,
    or: u32,
}

/// The faults of one device. They can be switched from any thread at any time.
#[derive(Debug, Default)]
pub struct Faults {
    on: AtomicU32,
    /// Not zero when reads have to check for faults; the only field that every access reads.
    reads: AtomicU32,
    stuck: Mutex<Vec<Stuck>>,
    /// Wakes the polling thread if it may sleep.
    pub(crate) alarm: Arc<OnceLock<Arc<Alarm>>>,
}

impl Faults {
    /// Switches a fault on or off.
    pub fn set(&self, fault: Fault, on: bool) {
        if on {
            self.on.fetch_or(fault.bit(), Ordering::AcqRel);
        } else {
            self.on.fetch_and(!fault.bit(), Ordering::AcqRel);
        }
        self.note_reads();
    }

    /// Whether a fault is switched on.
    #[inline]
    pub fn is(&self, fault: Fault) -> bool {
        self.on.load(Ordering::Acquire) & fault.bit() != 0
    }

    /// Makes bits of the register at `offset` stick on reads: those in `ones` read one, those in `zeros` zero.
    pub fn stick(&self, offset: u32, ones: u32, zeros: u32) {
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.push(Stuck { offset, and: !zeros, or: ones });
        drop(stuck);
        self.note_reads();
    }

    /// Switches all faults off.
    pub fn clear(&self) {
        self.on.store(0, Ordering::Release);
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.note_reads();
    }

    fn note_reads(&self) {
        let stuck = !self.stuck.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        let reads = self.on.load(Ordering::Acquire) | if stuck { 1 << 31 } else { 0 };
        self.reads.store(reads, Ordering::Release);
        if let Some(alarm) = self.alarm.get() {
            alarm.ring();
        }
    }

    /// Whether any fault changes reads.
    #[inline(always)]
    pub(crate) fn any(&self) -> bool {
        self.reads.load(Ordering::Relaxed) != 0
    }

    /// The value that software reads instead of `value`.
    #[cold]
    pub(crate) fn change(&self, offset: u32, mut value: u32) -> u32 {
        if self.is(Fault::Gone) {
            return u32::MAX;
        }
        let forced = [
            (Fault::ResetNeverEnds, names::CTRL, mask(fields::CTRL::RST) | mask(fields::CTRL::LRST), 0),
            (Fault::EepromNeverLoaded, names::EEC, 0, mask(fields::EEC::ARD)),
            (Fault::EepromNeverRead, names::EERD, 0, mask(fields::EERD::DONE)),
            (Fault::DmaNeverReady, names::RDRXCTL, 0, mask(fields::RDRXCTL::DMAIDONE)),
            (Fault::MasterNeverStops, names::STATUS, mask(fields::STATUS::GIO), 0),
            (Fault::SemaphoreTaken, names::SWSM, mask(fields::SWSM::SMBI), 0),
        ];
        for (fault, register, ones, zeros) in forced {
            if register == offset && self.is(fault) {
                value = value & !zeros | ones;
            }
        }
        let queue = |register| (0..ixy_regs::ixgbe::QUEUES).any(|q| names::rx(register, q) == offset);
        if self.is(Fault::RxNeverEnabled) && queue(names::RXDCTL) {
            value &= !mask(fields::RXDCTL::ENABLE);
        }
        let transmit = offset >= names::TXDCTL
            && offset < names::tx(names::TXDCTL, ixy_regs::ixgbe::QUEUES)
            && (offset - names::TXDCTL).is_multiple_of(names::tx(0, 1));
        if self.is(Fault::TxNeverEnabled) && transmit {
            value &= !mask(fields::TXDCTL::ENABLE);
        }
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        for s in stuck.iter().filter(|s| s.offset == offset && s.offset < WINDOW) {
            value = value & s.and | s.or;
        }
        value
    }
}
