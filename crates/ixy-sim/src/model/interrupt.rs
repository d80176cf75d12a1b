//! Interrupt causes, masks, vectors and throttles (sections 7.3.1, 7.3.2.1 and 8.2.3.5).

use std::time::Duration;

use ixy_regs::ixgbe::fields::{EICR, EITR, GPIE};

use super::Hardware;
use super::behaviour::Behaviour;
use super::names::*;

/// The receiver of interrupts: one call an interrupt, with the vector's number (0 without MSI-X).
///
/// The call comes from [`poll`](super::Nic82599::poll) or from a register access, on the same thread.
pub trait Irq: Send + Sync {
    /// The device raises `vector`.
    fn raise(&self, vector: u32);

    /// Without MSI-X: the level of the interrupt pin, which is asserted while unmasked causes are pending. Changes
    /// arrive in order and with the device locked: registers cannot be accessed from here.
    fn line(&self, _asserted: bool) {}
}

/// Discards all interrupts.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoIrq;

impl Irq for NoIrq {
    fn raise(&self, _vector: u32) {}
}

/// Queue causes in the low half of EICR, EICS, EIMS and EIMC.
const QUEUES: u32 = mask(EICR::RTXQ);
/// Number of queue causes, and of vectors.
const VECTORS: usize = 64;
/// The unit of EITR at 1 and 10 Gbit/s (section 8.2.3.5.12).
pub(crate) const UNIT: Duration = Duration::from_nanos(2048);
/// EITR shows the upper 7 of the counter's 9 bits.
const COUNTER_SHIFT: u32 = 2;

/// The pending causes and those that may interrupt. Queue causes are 64 bits; EICR and EIMS show the lowest 16.
#[derive(Debug)]
pub(crate) struct Interrupts {
    pending: u64,
    other_pending: u32,
    enabled: u64,
    other_enabled: u32,
    /// With MSI-X: causes whose message waits for the throttle of its vector.
    held: u64,
    other_held: u32,
    /// Without MSI-X: the single interrupt waits for its throttle.
    line_held: bool,
    /// Without MSI-X: causes have been pending since the last interrupt, so no further one is raised.
    asserted: bool,
    /// The pin level that was reported last.
    shown: bool,
    /// The end of each vector's quiet time, by the device's clock.
    quiet: [Duration; VECTORS],
    /// Vectors to raise once the engine is unlocked.
    pub(crate) raised: u64,
}

impl Default for Interrupts {
    fn default() -> Self {
        Self {
            pending: 0,
            other_pending: 0,
            enabled: 0,
            other_enabled: 0,
            held: 0,
            other_held: 0,
            line_held: false,
            asserted: false,
            shown: false,
            quiet: [Duration::ZERO; VECTORS],
            raised: 0,
        }
    }
}

/// The numbers of the bits that are set.
fn bits(mut set: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let lowest = (set != 0).then(|| set.trailing_zeros())?;
        set &= set - 1;
        Some(lowest)
    })
}

/// The quiet time of vector `n` after an interrupt: zero when it is not throttled.
fn interval(hw: &Hardware, n: u32) -> Duration {
    UNIT * EITR::ITR_INTERVAL.read(hw.regs.load(eitr(n)))
}

impl Interrupts {
    /// Frames were received or sent on queues: raises the causes that IVAR maps them to.
    pub(crate) fn queues(&mut self, hw: &Hardware, rx: u128, tx: u128) {
        let mut causes = 0;
        let msix = GPIE::MULTIPLE_MSIX.is_set(hw.regs.load(GPIE));
        for (mut queues, tx) in [(rx, 0), (tx, 1)] {
            while queues != 0 {
                let queue = queues.trailing_zeros();
                queues &= queues - 1;
                let half = if Behaviour::IvarOddQueues.on() { queue % 2 } else { 0 };
                let tx = if Behaviour::IvarTransmit.on() { tx } else { 0 };
                let entry = hw.regs.load(ivar(queue / 2)) >> (16 * half + 8 * tx);
                if entry & 0x80 != 0 || !Behaviour::IvarValid.on() {
                    let all = msix || !Behaviour::IvarSixteen.on();
                    causes |= 1_u64 << (entry & if all { 0x3f } else { 0xf });
                }
            }
        }
        if causes != 0 && Behaviour::CausesOfQueues.on() {
            self.raise(hw, causes, 0);
        }
    }

    /// Urgent frames were received on queues: the throttles of their vectors pass the next message, unless it is
    /// moderated as well (EITR.LLI_MOD, section 7.3.2.1.1).
    #[cold]
    pub(crate) fn hurry(&mut self, hw: &Hardware, queues: u128) {
        let msix = GPIE::MULTIPLE_MSIX.is_set(hw.regs.load(GPIE));
        for queue in (0..128).filter(|queue| queues >> queue & 1 == 1) {
            let entry = hw.regs.load(ivar(queue / 2)) >> (16 * (queue % 2));
            let vector = if msix { entry & 0x3f } else { 0 };
            if entry & 0x80 != 0 && !EITR::LLI_MOD.is_set(hw.regs.load(eitr(vector))) {
                self.quiet[vector as usize % VECTORS] = Duration::ZERO;
            }
        }
    }

    /// Sets causes, and interrupts for those that are new and unmasked.
    pub(crate) fn raise(&mut self, hw: &Hardware, queues: u64, other: u32) {
        let before = if Behaviour::PendingCausesAreQuiet.on() { self.pending } else { 0 };
        let other_before = if Behaviour::PendingOthersAreQuiet.on() { self.other_pending } else { 0 };
        let (new, new_other) = (queues & !before, other & !other_before);
        self.pending |= queues;
        self.other_pending |= other;
        if Behaviour::MaskedCausesWait.on() {
            self.fire(hw, new & self.enabled, new_other & self.other_enabled);
        } else {
            self.fire(hw, new, new_other);
        }
        self.store(hw);
    }

    /// Interrupts for pending, unmasked causes, unless their vectors are throttled.
    fn fire(&mut self, hw: &Hardware, queues: u64, other: u32) {
        let gpie = hw.regs.load(GPIE);
        if !GPIE::MULTIPLE_MSIX.is_set(gpie) || !Behaviour::MsixVectors.on() {
            self.assert_line(hw);
            return;
        }
        self.asserted = false;
        if queues == 0 && other == 0 {
            return;
        }
        let (mut sent, mut other_sent) = (0, 0);
        for vector in bits(queues) {
            if self.message(hw, vector) {
                sent |= 1 << vector;
            }
        }
        let misc = hw.regs.load(IVAR_MISC);
        let timer = if Behaviour::IvarMiscTimer.on() { mask(EICR::TCP_TIMER) } else { 0 };
        let others = if Behaviour::IvarMiscOther.on() { misc >> 8 } else { misc };
        for (causes, entry) in [(other & timer, misc), (other & !timer, others)] {
            let valid = entry & 0x80 != 0 || !Behaviour::IvarMiscValid.on();
            if causes != 0 && valid {
                if self.message(hw, entry & 0x3f) || !Behaviour::ThrottleOther.on() {
                    other_sent |= causes;
                } else {
                    self.other_held |= causes;
                }
            }
        }
        self.held |= queues & !sent;
        // Auto clear: the message itself clears the cause (section 7.3.1.4). Causes beyond EICR's 16 are always
        // cleared.
        let eiac = hw.regs.load(EIAC);
        let low = if Behaviour::AutoClear.on() { u64::from(eiac & QUEUES) } else { 0 };
        let clear = low | if Behaviour::AutoClearUpper.on() { !u64::from(QUEUES) } else { 0 };
        self.pending &= !(sent & clear);
        if Behaviour::AutoClearOther.on() {
            self.other_pending &= !(other_sent & eiac);
        }
        if GPIE::EIAME.is_set(gpie) || !Behaviour::AutoMaskEnable.on() {
            let auto = u64::from(hw.regs.load(EIAM_EX)) | u64::from(hw.regs.load(EIAM_EX + 4)) << 32;
            let auto = if Behaviour::AutoMask.on() { auto } else { 0 };
            let low = if Behaviour::AutoMaskLow.on() { hw.regs.load(EIAM) } else { 0 };
            self.enabled &= !(sent & (auto | u64::from(low & QUEUES)));
            self.other_enabled &= !(other_sent & low);
        }
    }

    /// Sends the message of `vector`; `false` when its throttle holds it back (section 7.3.2.1).
    fn message(&mut self, hw: &Hardware, vector: u32) -> bool {
        let interval = interval(hw, vector);
        let own = if Behaviour::ThrottleOfEach.on() { vector } else { 0 };
        let quiet = &mut self.quiet[own as usize % VECTORS];
        // A vector without a throttle needs no clock.
        if Behaviour::Throttle.on() && self.raised >> vector & 1 == 0 && !interval.is_zero() {
            let now = hw.now();
            if now < *quiet {
                return false;
            }
            *quiet = now + interval;
        }
        self.raised |= 1 << vector;
        true
    }

    /// Without MSI-X there is one interrupt: it comes with the first unmasked cause, and again only after all
    /// causes were gone. The first throttle applies to it.
    fn assert_line(&mut self, hw: &Hardware) {
        let causes = self.pending & self.enabled & u64::from(QUEUES) != 0
            || self.other_pending & self.other_enabled != 0;
        if !Behaviour::LineHeld.on() {
            self.asserted = false;
        }
        let throttled = Behaviour::ThrottleLine.on();
        self.line_held = causes && !self.asserted && !self.message(hw, 0) && throttled;
        self.asserted = causes && !self.line_held;
    }

    /// The level of the pin, if it changed since the last call.
    pub(crate) fn line(&mut self) -> Option<bool> {
        let changed = self.asserted != self.shown;
        self.shown = self.asserted;
        let changed = changed && Behaviour::LineLevel.on();
        changed.then_some(self.asserted)
    }

    /// Time has passed: raises the interrupts whose throttle has expired.
    pub(crate) fn tick(&mut self, hw: &Hardware) {
        if self.held == 0 && self.other_held == 0 && !self.line_held || !Behaviour::ThrottleLetsGo.on() {
            return;
        }
        let (mut queues, mut other) = (std::mem::take(&mut self.held), std::mem::take(&mut self.other_held));
        if Behaviour::ThrottleForgets.on() {
            queues &= self.pending & self.enabled;
            other &= self.other_pending & self.other_enabled;
        }
        self.fire(hw, queues, other);
        self.store(hw);
    }

    /// The time at which an interrupt that a throttle holds back is due, by the device's clock.
    pub(crate) fn due(&self, hw: &Hardware) -> Option<Duration> {
        let misc = hw.regs.load(IVAR_MISC);
        let other = self.other_held != 0;
        let other = [misc, misc >> 8].into_iter().filter(|entry| other && entry & 0x80 != 0);
        let vectors = bits(self.held | u64::from(self.line_held)).chain(other.map(|entry| entry & 0x3f));
        vectors.map(|vector| self.quiet[vector as usize % VECTORS]).min()
    }

    /// The value of EITR of `vector` on a read: with the rest of its interval.
    fn throttle(&self, hw: &Hardware, vector: u32) -> u32 {
        let value = hw.regs.load(eitr(vector));
        let left =
            self.quiet.get(vector as usize).map_or(Duration::ZERO, |quiet| quiet.saturating_sub(hw.now()));
        let mut units = left.as_nanos().div_ceil(UNIT.as_nanos()) as u32;
        if !Behaviour::ThrottleShowsCounter.on() {
            units = 0;
        }
        EITR::ITR_COUNTER.val(units >> COUNTER_SHIFT).modify(value)
    }

    /// Software writes EITR of `vector`: the interval, and also the counter unless CNT_WDIS is set.
    fn set_throttle(&mut self, hw: &Hardware, vector: u32, value: u32) {
        hw.regs.store(eitr(vector), value & !mask(EITR::CNT_WDIS) & !mask(EITR::ITR_COUNTER));
        if let Some(quiet) = self.quiet.get_mut(vector as usize)
            && !(EITR::CNT_WDIS.is_set(value) && Behaviour::ThrottleCounterKept.on())
            && Behaviour::ThrottleCounterWritten.on()
        {
            *quiet = hw.now() + UNIT * (EITR::ITR_COUNTER.read(value) << COUNTER_SHIFT);
        }
        self.tick(hw);
    }

    /// Software unmasked causes: the pending ones interrupt now.
    fn enable(&mut self, hw: &Hardware, queues: u64, other: u32) {
        let (new, new_other) = (queues & !self.enabled, other & !self.other_enabled);
        self.enabled |= queues;
        self.other_enabled |= other;
        if Behaviour::UnmaskingFires.on() {
            self.fire(hw, new & self.pending, new_other & self.other_pending);
        }
    }

    /// The value on a read of `offset`, one of the interrupt registers.
    pub(crate) fn read(&mut self, hw: &Hardware, offset: u32) -> u32 {
        let causes = (self.pending as u32 & QUEUES) | self.other_pending;
        match offset {
            EICR => {
                // GPIE.OCD: reading clears only the causes that do not belong to a queue.
                let gpie = hw.regs.load(GPIE);
                let keeps = GPIE::OCD.is_set(gpie) && Behaviour::EicrOtherCauseDisable.on();
                if !keeps && Behaviour::EicrClearsOnRead.on() {
                    self.pending &= !u64::from(QUEUES);
                }
                if Behaviour::EicrClearsOnRead.on() {
                    self.other_pending = 0;
                }
                self.auto_mask(hw, causes);
                self.fire(hw, 0, 0);
                self.store(hw);
                causes
            }
            EICS if Behaviour::EicsShows.on() => causes,
            EICS => 0,
            EIMS => self.enabled_low(),
            EIMS_EX => self.enabled as u32,
            offset if offset == EIMS_EX + 4 => (self.enabled >> 32) as u32,
            offset if offset == EICS_EX => self.pending as u32,
            offset if offset == EICS_EX + 4 => (self.pending >> 32) as u32,
            GPIE => hw.regs.load(GPIE),
            _ => eitr_at(offset).map_or(0, |vector| self.throttle(hw, vector)),
        }
    }

    /// The value of EIMS.
    fn enabled_low(&self) -> u32 {
        let queues = if Behaviour::MasksShareLowCauses.on() { self.enabled as u32 & QUEUES } else { 0 };
        queues | self.other_enabled
    }

    /// Without MSI-X, reading or clearing EICR masks the causes that EIAM names (section 7.3.1.5).
    fn auto_mask(&mut self, hw: &Hardware, causes: u32) {
        if !GPIE::MULTIPLE_MSIX.is_set(hw.regs.load(GPIE)) && Behaviour::AutoMaskOnRead.on() {
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
                if Behaviour::EicrWrittenOnesClear.on() {
                    self.pending &= !queues;
                    self.other_pending &= !other;
                }
                self.auto_mask(hw, value);
            }
            EICS if Behaviour::EicsRaises.on() => self.raise(hw, queues, other),
            EIMS if Behaviour::EimsEnables.on() => self.enable(hw, queues, other),
            EICS | EIMS => {}
            EIMC if !Behaviour::EimcMasks.on() => {}
            EIMC => {
                self.enabled &= !queues;
                self.other_enabled &= !other;
            }
            GPIE => hw.regs.store(GPIE, value),
            _ => {
                if let Some(vector) = eitr_at(offset) {
                    self.set_throttle(hw, vector, value);
                }
                for n in 0..2 {
                    match offset.wrapping_sub(4 * n) {
                        EICS_EX if Behaviour::EicsExRaises.on() => self.raise(hw, wide(n), 0),
                        EIMS_EX if Behaviour::EimsExEnables.on() => self.enable(hw, wide(n), 0),
                        EIMC_EX if Behaviour::EimcExMasks.on() => self.enabled &= !wide(n),
                        _ => {}
                    }
                }
            }
        }
        // Without MSI-X there may be no cause left.
        self.fire(hw, 0, 0);
        self.store(hw);
    }

    /// Copies the causes to the stored register, for readers of the storage.
    fn store(&self, hw: &Hardware) {
        hw.regs.store(EICR, (self.pending as u32 & QUEUES) | self.other_pending);
        hw.regs.store(EIMS, self.enabled_low());
    }

    /// Clears everything, as a reset does.
    pub(crate) fn reset(&mut self) {
        *self = Self { raised: self.raised, shown: self.shown, ..Self::default() };
    }
}
