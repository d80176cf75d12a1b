//! The IEEE 1588 clock, and the time stamps of sent and received frames (sections 7.9 and 8.2.3.26).
//!
//! Each direction has one stamp. It is held until software reads its upper half; no other frame is stamped before.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ixy_regs::ixgbe::fields::ETQF;
use ixy_regs::ixgbe::rest_fields::{RXMTRL, TIMADJH, TIMINCA, TSYNCRXCTL, TSYNCTXCTL};

use super::Hardware;
use super::behaviour::Behaviour;
use super::headers::{Headers, Transport};
use super::names::{self, mask};

/// EtherType filters.
const FILTERS: u32 = 8;
/// Bytes of a message header, of either version.
const HEADER: usize = 34;

/// The clock: a number that grows by TIMINCA.IV each TIMINCA.IP cycles of 6.4 ns, the cycle time at 10 Gbit/s.
#[derive(Debug, Default)]
pub(crate) struct Time(Mutex<Count>);

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    /// The clock's value at that moment.
    value: u64,
    since: Duration,
    added: u64,
    cycles: u64,
}

impl Count {
    fn at(&self, now: Duration) -> u64 {
        let elapsed = now.saturating_sub(self.since).as_nanos();
        let cycles = elapsed * 10 / 64;
        let runs = self.cycles > 0 && Behaviour::ClockRuns.on();
        let ticks = if runs { cycles / u128::from(self.cycles) } else { 0 };
        self.value.wrapping_add(ticks.wrapping_mul(u128::from(self.added)) as u64)
    }
}

impl Time {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops it at zero, as a reset does.
    pub(crate) fn reset(&self) {
        *self.count() = Count::default();
    }

    fn now(&self, hw: &Hardware) -> u64 {
        let count = *self.count();
        // The system's clock is read only while this one runs.
        if count.cycles == 0 || count.added == 0 { count.value } else { count.at(hw.now()) }
    }

    /// Changes the clock or its speed from now on.
    fn change(&self, hw: &Hardware, change: impl FnOnce(&mut Count)) {
        let mut count = self.count();
        let now = hw.now();
        *count = Count { value: count.at(now), since: now, ..*count };
        change(&mut count);
    }
}

/// Software reads one of these registers; `None` when it is another.
pub(crate) fn read(hw: &Hardware, offset: u32) -> Option<u32> {
    match offset {
        names::SYSTIML => {
            let now = hw.time.now(hw);
            if Behaviour::ClockLatches.on() {
                hw.regs.store(names::SYSTIMH, (now >> 32) as u32);
            }
            return Some(now as u32);
        }
        names::SYSTIMH if !Behaviour::ClockLatches.on() => return Some((hw.time.now(hw) >> 32) as u32),
        names::TXSTMPH => hw.regs.assign(names::TSYNCTXCTL, mask(TSYNCTXCTL::TXTT), false),
        names::RXSTMPH => hw.regs.assign(names::TSYNCRXCTL, mask(TSYNCRXCTL::RXTT), false),
        names::SYSTIMH => {}
        _ => return None,
    }
    Some(hw.regs.load(offset))
}

/// Software writes one of these registers; `false` when it is another.
pub(crate) fn write(hw: &Hardware, offset: u32, value: u32) -> bool {
    const LOW: u64 = u32::MAX as u64;
    match offset {
        names::SYSTIML => hw.time.change(hw, |count| count.value = count.value & !LOW | u64::from(value)),
        names::SYSTIMH => {
            hw.time.change(hw, |count| count.value = count.value & LOW | u64::from(value) << 32);
        }
        names::TIMINCA => hw.time.change(hw, |count| {
            count.added = u64::from(TIMINCA::IV.read(value));
            count.cycles = u64::from(TIMINCA::IP.read(value));
        }),
        names::TIMADJH if Behaviour::ClockAdjusts.on() => {
            let high = u64::from(TIMADJH::TIMADJH.read(value));
            let by = high << 32 | u64::from(hw.regs.load(names::TIMADJL));
            let by = if TIMADJH::SIGN.is_set(value) { by.wrapping_neg() } else { by };
            hw.time.change(hw, |count| count.value = count.value.wrapping_add(by));
        }
        names::TIMADJH | names::TSYNCTXCTL | names::TSYNCRXCTL => {}
        _ => return false,
    }
    hw.regs.store(offset, value);
    true
}

/// A frame whose descriptor asks for a stamp goes out.
#[cold]
pub(crate) fn stamp_sent(hw: &Hardware) {
    let control = hw.regs.load(names::TSYNCTXCTL);
    let held = TSYNCTXCTL::TXTT.is_set(control) && Behaviour::StampsAreHeld.on();
    if !TSYNCTXCTL::EN.is_set(control) || held || !Behaviour::TransmitStamp.on() {
        return;
    }
    let now = hw.time.now(hw);
    hw.regs.store(names::TXSTMPL, now as u32);
    hw.regs.store(names::TXSTMPH, (now >> 32) as u32);
    hw.regs.assign(names::TSYNCTXCTL, mask(TSYNCTXCTL::TXTT), true);
}

/// Whether frames that arrive are stamped at all.
pub(crate) fn stamps_received(hw: &Hardware) -> bool {
    TSYNCRXCTL::EN.is_set(hw.regs.load(names::TSYNCRXCTL)) && Behaviour::ReceiveStamp.on()
}

/// Time stamps a received frame if the registers ask for it; returns whether it did.
#[cold]
pub(crate) fn stamp_received(hw: &Hardware, frame: &[u8], headers: &Headers) -> bool {
    let control = hw.regs.load(names::TSYNCRXCTL);
    let held = TSYNCRXCTL::RXTT.is_set(control) && Behaviour::StampsAreHeld.on();
    let Some(message) = message(hw, frame, headers) else { return false };
    let wanted =
        message.is_wanted(control, hw.regs.load(names::RXMTRL)) || !Behaviour::ReceiveStampKinds.on();
    if held || !wanted {
        return false;
    }
    let now = hw.time.now(hw);
    let word =
        |at: usize| message.bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    // The sender's identification and the sequence number, as they are in the message.
    hw.regs.store(names::RXSATRL, word(22));
    hw.regs.store(names::RXSATRH, word(26) & 0xffff | word(28) & 0xffff_0000);
    hw.regs.store(names::RXSTMPL, now as u32);
    hw.regs.store(names::RXSTMPH, (now >> 32) as u32);
    hw.regs.assign(names::TSYNCRXCTL, mask(TSYNCRXCTL::RXTT), true);
    true
}

/// Takes the stamp back: the frame stays on the wire.
#[cold]
pub(crate) fn take_back(hw: &Hardware) {
    hw.regs.assign(names::TSYNCRXCTL, mask(TSYNCRXCTL::RXTT), false);
}

/// A message of IEEE 1588.
struct Message<'a> {
    bytes: &'a [u8],
    /// Over UDP, as opposed to directly over Ethernet.
    udp: bool,
}

/// Finds the message in a frame: after an EtherType that a filter marks, or in UDP to the port in RXMTRL.
fn message<'a>(hw: &Hardware, frame: &'a [u8], headers: &Headers) -> Option<Message<'a>> {
    let word = |at: usize| frame.get(at..at + 2).map(|b| u32::from(u16::from_be_bytes([b[0], b[1]])));
    let (start, udp) = match headers.transport {
        Some((Transport::Udp, at)) if word(at + 2)? == RXMTRL::UDPT.read(hw.regs.load(names::RXMTRL)) => {
            (at + 8, true)
        }
        Some(_) => return None,
        None => {
            let at = headers.link_end() - 2;
            let kind = word(at)?;
            let marks = |n| {
                let filter = hw.regs.load(names::etqf(n));
                ETQF::FILTER_EN.is_set(filter)
                    && ETQF::TIMESTAMP.is_set(filter)
                    && ETQF::ETYPE.read(filter) == kind
            };
            if !(0..FILTERS).any(marks) {
                return None;
            }
            (at + 2, false)
        }
    };
    let bytes = frame.get(start..).filter(|bytes| bytes.len() >= HEADER)?;
    Some(Message { bytes, udp })
}

impl Message<'_> {
    /// Whether TSYNCRXCTL.TYPE and RXMTRL select this message.
    fn is_wanted(&self, control: u32, which: u32) -> bool {
        let (kind, version) = (self.bytes[0] & 0xf, self.bytes[1] & 0xf);
        // Path delay messages are stamped whatever RXMTRL says.
        let named = u32::from(kind) == RXMTRL::MSGT.read(which) || kind == 2 || kind == 3;
        match TSYNCRXCTL::TYPE.read(control) {
            L2_V2 => version == 2 && !self.udp && named,
            L4_V1 => version == 1 && self.udp && u32::from(self.bytes[32]) == RXMTRL::CTRLT.read(which),
            L2_L4_V2 => version == 2 && named,
            EVENT_V2 => version == 2 && kind & 8 == 0,
            _ => false,
        }
    }
}

// Values of TSYNCRXCTL.TYPE.
const L2_V2: u32 = 0;
const L4_V1: u32 = 1;
const L2_L4_V2: u32 = 2;
const EVENT_V2: u32 = 5;
