//! The storage of register values, one word each, and the effect of an access.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ixy_regs::ixgbe::{self, fields};
use ixy_regs::map::{Access, Register};

use super::behaviour::Behaviour;
use super::names::{self, mask};

/// Bytes of the register window.
pub(crate) const WINDOW: u32 = ixgbe::WINDOW;
const WORDS: usize = (WINDOW / 4) as usize;

/// Words from RDT to RXDCTL of the same queue.
const TAIL_TO_CONTROL: usize = ((names::RXDCTL - names::RDT) / 4) as usize;

/// The effect of an access to a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No register: reads zero, ignores writes.
    Hole,
    /// Plain storage.
    Plain,
    /// Only the device changes it.
    Fixed,
    /// Cleared by a read; software cannot write it.
    Statistic,
    /// Plain storage, but writes are ignored while RXDCTL of the same queue is off (RDT).
    Tail,
    /// A read sets bit 0 after returning the value (SWSM.SMBI).
    Semaphore,
    /// A write has an immediate effect, a read returns the stored value.
    Acts,
    /// Reads and writes have immediate effects.
    ActsRead,
}

/// The rule for one word of the window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// The bits that a write changes.
    writable: u32,
    /// The word that holds the value: another one for an alias.
    word: u16,
    kind: Kind,
}

/// The rules of all words, the same for all devices of the process.
static RULES: LazyLock<Box<[Rule]>> = LazyLock::new(rules);

/// The effect of a write, for registers that are not plain storage.
fn special(register: &Register) -> Option<Kind> {
    Some(match register.name {
        "CTRL" | "ESDP" | "I2CCTL" | "EEC" | "EERD" | "MSCA" | "AUTOC" | "AUTOC2" | "RXCTRL" | "DMATXCTL"
        | "RXDCTL" | "TXDCTL" | "RAL" | "RAH" | "RSSRK" | "RETA" | "FDIRCTRL" | "GPIE" | "CTRL_EXT"
        | "PFMAILBOX" | "PFMBICR" | "PFVFLREC" | "PFQDE" | "TSYNCTXCTL" | "TSYNCRXCTL" | "TIMINCA"
        | "TIMADJH" => Kind::Acts,
        "SYSTIML" | "SYSTIMH" | "TXSTMPH" | "RXSTMPH" => Kind::ActsRead,
        "ETQF" | "ETQS" | "SYNQF" | "SAQF" | "DAQF" | "SDPQF" | "FTQF" | "L34TIMIR" | "LLITHRESH"
        | "FDIRCMD" => Kind::Acts,
        "EICR" | "EICS" | "EIMS" | "EIMC" | "EICS_EX" | "EIMS_EX" | "EIMC_EX" | "EITR" => Kind::ActsRead,
        "SWSM" if Behaviour::SemaphoreSetsOnRead.on() => Kind::Semaphore,
        "RDT" if Behaviour::TailNeedsQueue.on() => Kind::Tail,
        _ => return None,
    })
}

/// The bits that software can change, for registers where that is not all of them.
fn writable(register: &Register) -> u32 {
    match register.name {
        "RDBAL" | "TDBAL" if Behaviour::RingBaseMask.on() => !0x7f,
        "RDLEN" | "TDLEN" if Behaviour::RingLengthMask.on() => 0x000f_ff80,
        "RDH" | "RDT" | "TDH" | "TDT" if Behaviour::RingPointerMask.on() => 0xffff,
        "RAH" if Behaviour::RahMask.on() => mask(fields::RAH::RAH) | mask(fields::RAH::AV),
        "SWSM" if Behaviour::SwsmMask.on() => 3,
        "TSYNCTXCTL" | "TSYNCRXCTL" => !1,
        "TXSTMPH" | "RXSTMPH" => 0,
        "RDRXCTL" if Behaviour::RdrxctlMask.on() => !mask(fields::RDRXCTL::DMAIDONE),
        "SECRXCTRL" if Behaviour::SecrxctrlMask.on() => {
            mask(fields::SECRXCTRL::RX_DIS) | mask(fields::SECRXCTRL::SECRX_DIS)
        }
        _ => u32::MAX,
    }
}

/// Whether the aliases of a register resolve to it.
fn has_aliases(register: &Register) -> bool {
    match register.name {
        "CTRL" => Behaviour::AliasCtrl.on(),
        "RAL" | "RAH" => Behaviour::AliasAddresses.on(),
        "SRRCTL" => Behaviour::AliasSrrctl.on(),
        "DCA_RXCTRL" => Behaviour::AliasDcaRxctrl.on(),
        "PSRTYPE" => Behaviour::AliasPsrtype.on(),
        "MRQC" => Behaviour::AliasMrqc.on(),
        "RETA" => Behaviour::AliasReta.on(),
        "RSSRK" => Behaviour::AliasRssrk.on(),
        "PBACL" => Behaviour::AliasPbacl.on(),
        _ => true,
    }
}

fn rules() -> Box<[Rule]> {
    let hole = |word| {
        let kind = if Behaviour::HolesReadZero.on() { Kind::Hole } else { Kind::Plain };
        Rule { writable: u32::MAX, word: word as u16, kind }
    };
    let mut rules: Box<[Rule]> = (0..WORDS).map(hole).collect();
    for register in ixgbe::all() {
        let kind = special(register).unwrap_or(match register.access {
            Access::RO if Behaviour::ReadOnly.on() => Kind::Fixed,
            Access::RC if Behaviour::StatisticsClearOnRead.on() => Kind::Statistic,
            Access::RC if Behaviour::StatisticsReadOnly.on() => Kind::Fixed,
            _ => Kind::Plain,
        });
        let writable = writable(register);
        let mut elements = Vec::new();
        for offset in register.spans.iter().flat_map(|s| s.offsets()) {
            elements.push(offset / 4);
        }
        let mut set = |at: u32, word: u32| {
            if let Some(rule) = rules.get_mut(at as usize) {
                *rule = Rule { writable, word: word as u16, kind };
            }
        };
        for &word in &elements {
            set(word, word);
        }
        if !has_aliases(register) {
            continue;
        }
        for (offset, &word) in register.aliases.iter().flat_map(|s| s.offsets()).zip(&elements) {
            set(offset / 4, word);
        }
    }
    rules
}

/// The words of one device.
pub(crate) struct Storage {
    words: Box<[AtomicU32]>,
    rules: &'static [Rule],
}

/// The result of an access: done, or left to the engine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// It is done.
    Done(T),
    /// The engine has to handle the register at this offset (aliases are resolved).
    Acts(u32),
}

impl Storage {
    /// Creates storage with all registers zero.
    pub(crate) fn new() -> Self {
        let words = (0..WORDS).map(|_| AtomicU32::new(0)).collect();
        Self { words, rules: &RULES }
    }

    #[inline(always)]
    fn rule(&self, offset: u32) -> Option<&Rule> {
        self.rules.get((offset / 4) as usize).filter(|_| offset.is_multiple_of(4))
    }

    #[inline(always)]
    fn word(&self, offset: u32) -> &AtomicU32 {
        // Offsets come from the rules and from `names`, all inside the window; the mask only says so to the compiler.
        &self.words[(offset / 4) as usize & (WORDS - 1)]
    }

    /// Whether the register at `offset` is a counter of the port, which a read clears.
    #[inline]
    pub(crate) fn is_statistic(&self, offset: u32) -> bool {
        self.rule(offset).is_some_and(|rule| matches!(rule.kind, Kind::Statistic))
    }

    /// Reads `offset` as software; all ones outside of the window.
    #[inline]
    pub(crate) fn read(&self, offset: u32) -> Outcome<u32> {
        let Some(rule) = self.rule(offset) else {
            return Outcome::Done(if Behaviour::OutsideReadsOnes.on() { u32::MAX } else { 0 });
        };
        let word = &self.words[usize::from(rule.word) & (WORDS - 1)];
        match rule.kind {
            Kind::Plain | Kind::Tail | Kind::Fixed | Kind::Acts => {
                Outcome::Done(word.load(Ordering::Acquire))
            }
            Kind::Statistic => Outcome::Done(word.swap(0, Ordering::AcqRel)),
            Kind::Semaphore => Outcome::Done(word.fetch_or(1, Ordering::AcqRel)),
            Kind::Hole => Outcome::Done(0),
            Kind::ActsRead => Outcome::Acts(u32::from(rule.word) * 4),
        }
    }

    /// Software writes `value` at `offset`.
    #[inline]
    pub(crate) fn write(&self, offset: u32, value: u32) -> Outcome<()> {
        let Some(rule) = self.rule(offset) else { return Outcome::Done(()) };
        let word = &self.words[usize::from(rule.word) & (WORDS - 1)];
        match rule.kind {
            Kind::Tail => {
                let control = &self.words[(usize::from(rule.word) + TAIL_TO_CONTROL) & (WORDS - 1)];
                if control.load(Ordering::Relaxed) & mask(fields::RXDCTL::ENABLE) != 0 {
                    word.store(value & rule.writable, Ordering::Release);
                }
            }
            Kind::Plain | Kind::Semaphore if rule.writable == u32::MAX => {
                word.store(value, Ordering::Release)
            }
            Kind::Plain | Kind::Semaphore => {
                // No other thread writes the bits that are kept.
                let kept = word.load(Ordering::Relaxed) & !rule.writable;
                word.store(kept | value & rule.writable, Ordering::Release);
            }
            Kind::Acts | Kind::ActsRead => return Outcome::Acts(u32::from(rule.word) * 4),
            Kind::Statistic if !Behaviour::StatisticsReadOnly.on() => word.store(value, Ordering::Release),
            Kind::Hole | Kind::Fixed | Kind::Statistic => {}
        }
        Outcome::Done(())
    }

    /// `value`, with the bits that software cannot change taken from storage.
    pub(crate) fn masked(&self, offset: u32, value: u32) -> u32 {
        let writable = self.rule(offset).map_or(0, |rule| rule.writable);
        self.load(offset) & !writable | value & writable
    }

    /// The stored value, without side effects.
    #[inline(always)]
    pub(crate) fn load(&self, offset: u32) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    /// Stores a value, as the device.
    #[inline(always)]
    pub(crate) fn store(&self, offset: u32, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }

    /// Sets or clears bits, as the device.
    pub(crate) fn assign(&self, offset: u32, bits: u32, on: bool) {
        if on {
            self.word(offset).fetch_or(bits, Ordering::AcqRel);
        } else {
            self.word(offset).fetch_and(!bits, Ordering::AcqRel);
        }
    }

    /// Adds to a counter that saturates at its highest value (section 8.2.3.23).
    pub(crate) fn count(&self, offset: u32, add: u64) {
        let add = u32::try_from(add).unwrap_or(u32::MAX);
        let sum = |value: u32| match Behaviour::StatisticsStop.on() {
            true => Some(value.saturating_add(add)),
            false => Some(value.wrapping_add(add)),
        };
        // The closure never refuses.
        let _ = self.word(offset).fetch_update(Ordering::AcqRel, Ordering::Relaxed, sum);
    }

    /// Adds to a 36-bit counter with its upper 4 bits in another register.
    pub(crate) fn count_wide(&self, low: u32, high: u32, add: u64) {
        // A reader may clear the low word at any time, so the carry comes from the value that was there at the
        // addition.
        let before = u64::from(self.word(low).fetch_add(add as u32, Ordering::AcqRel));
        let carry = ((before + (add & 0xffff_ffff)) >> 32) + (add >> 32);
        if carry > 0 && u64::from(self.load(high)) + carry > 0xf && Behaviour::StatisticsWideStop.on() {
            self.store(low, u32::MAX);
            self.store(high, 0xf);
        } else if carry > 0 && Behaviour::StatisticsCarry.on() {
            self.word(high).fetch_add(carry as u32, Ordering::AcqRel);
        }
    }

    /// Clears every word, as loss of power does.
    pub(crate) fn forget(&self) {
        for word in &self.words {
            word.store(0, Ordering::Release);
        }
    }

    /// What a reset does to the words: zero, except those that keep their value.
    pub(crate) fn clear(&self) {
        for (index, word) in self.words.iter().enumerate() {
            if !survives_reset(index as u32 * 4) && Behaviour::ResetClears.on() {
                word.store(0, Ordering::Release);
            }
        }
    }
}

/// Registers that keep their values over a reset of the port: tables in memories without a reset (undefined after
/// power on), and registers that both ports share with firmware.
fn survives_reset(offset: u32) -> bool {
    const TABLES: [(u32, u32); 2] = [(names::mta(0), names::mta(127)), (names::vfta(0), names::vfta(127))];
    TABLES.iter().any(|&(first, last)| (first..=last).contains(&offset)) && Behaviour::ResetKeepsTables.on()
        || (0x10000..0x12000).contains(&offset) && Behaviour::ResetKeepsShared.on()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_stops_at_its_highest_value() {
        let regs = Storage::new();
        regs.count(names::GPRC, 0xffff_fffe);
        regs.count(names::GPRC, 5);
        assert_eq!(regs.read(names::GPRC), Outcome::Done(u32::MAX));
        regs.count(names::GPRC, u64::MAX);
        assert_eq!(regs.read(names::GPRC), Outcome::Done(u32::MAX));
        assert_eq!(regs.read(names::GPRC), Outcome::Done(0));
    }

    #[test]
    fn a_wide_counter_carries_into_its_upper_four_bits_and_stops_there() {
        let regs = Storage::new();
        regs.count_wide(names::GORCL, names::GORCH, 0xffff_fff0);
        regs.count_wide(names::GORCL, names::GORCH, 0x30);
        assert_eq!((regs.load(names::GORCL), regs.load(names::GORCH)), (0x20, 1));
        regs.count_wide(names::GORCL, names::GORCH, 3 << 32);
        assert_eq!((regs.load(names::GORCL), regs.load(names::GORCH)), (0x20, 4));
        regs.count_wide(names::GORCL, names::GORCH, 12 << 32);
        assert_eq!((regs.load(names::GORCL), regs.load(names::GORCH)), (u32::MAX, 0xf));
    }

    #[test]
    fn a_read_between_the_halves_of_a_wide_counter_loses_nothing() {
        let regs = Storage::new();
        regs.count_wide(names::GORCL, names::GORCH, 0xffff_fff0);
        let Outcome::Done(low) = regs.read(names::GORCL) else { panic!("reading counts is plain") };
        regs.count_wide(names::GORCL, names::GORCH, 0x30);
        let rest = u64::from(regs.load(names::GORCL)) | u64::from(regs.load(names::GORCH)) << 32;
        assert_eq!(u64::from(low) + rest, 0xffff_fff0 + 0x30);
    }

    #[test]
    fn every_register_of_the_map_has_a_rule_and_aliases_lead_to_their_registers() {
        for register in ixgbe::all() {
            let offsets = || register.spans.iter().flat_map(|span| span.offsets());
            for offset in offsets() {
                let rule = RULES[(offset / 4) as usize];
                assert_ne!(rule.kind, Kind::Hole, "{} at {offset:#07x}", register.name);
                assert_eq!(u32::from(rule.word) * 4, offset, "{}", register.name);
            }
            let aliases = register.aliases.iter().flat_map(|span| span.offsets());
            for (alias, offset) in aliases.zip(offsets()) {
                assert_eq!(u32::from(RULES[(alias / 4) as usize].word) * 4, offset, "{}", register.name);
            }
        }
    }
}
