//! Flow control with IEEE 802.3 pause frames (section 3.7.7.1): received ones stop the transmitter for a while,
//! and the device sends some when its packet buffer fills.

use std::time::Duration;

use ixy_regs::ixgbe::fields::{FCCFG, FCRTH, FCRTL, FCRTV, FCTTV, MFLCN, RAH};

use super::Hardware;
use super::behaviour::Behaviour;
use super::names::{self, mask};
use super::statistics::Counts;
use super::transmit::{Sent, Sink};

/// Destination of MAC control frames, their EtherType, and the operation code of a pause.
const GROUP: [u8; 6] = [0x01, 0x80, 0xc2, 0x00, 0x00, 0x01];
const MAC_CONTROL: [u8; 2] = [0x88, 0x08];
const PAUSE: [u8; 2] = [0x00, 0x01];
/// Bytes of such a frame, without check sequence.
const LENGTH: usize = 60;
/// The unit of pauses in picoseconds: 512 bits at 10 Gbit/s.
const SLOT: u64 = 51_200;

fn slots(n: u32) -> Duration {
    Duration::from_nanos(u64::from(n) * SLOT / 1000)
}

/// Pause state of both directions.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    /// The end of the pause that the other end asked for.
    until: Duration,
    /// Set while this end has asked for a pause, with the time to ask again, if any.
    asked: Option<Option<Duration>>,
}

/// The device's treatment of a MAC control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// A pause of `slots` slots; `host`: whether the host gets the frame, too.
    Pause { slots: u16, host: bool },
    /// A frame for the host only.
    Host,
    /// A frame to be dropped.
    Dropped,
}

/// The treatment of `frame`; `None` for any other frame.
#[cold]
fn control(hw: &Hardware, frame: &[u8]) -> Option<Control> {
    let low = hw.regs.load(names::ral(0)).to_le_bytes();
    let high = hw.regs.load(names::rah(0));
    let [fourth, fifth] = (high as u16).to_le_bytes();
    let own = [low[0], low[1], low[2], low[3], fourth, fifth];
    let destination = frame.get(..6)?;
    if destination != GROUP && !(high & mask(RAH::AV) != 0 && destination == own) {
        return None;
    }
    let settings = hw.regs.load(names::MFLCN);
    if frame.get(14..16)? != PAUSE {
        let dropped = !MFLCN::PMCF.is_set(settings) && Behaviour::ControlFramesDropped.on();
        return Some(if dropped { Control::Dropped } else { Control::Host });
    }
    if !MFLCN::RFCE.is_set(settings) || !Behaviour::PauseObeyed.on() {
        return Some(Control::Host);
    }
    let slots = u16::from_be_bytes([*frame.get(16)?, *frame.get(17)?]);
    Some(Control::Pause { slots, host: !MFLCN::DPF.is_set(settings) || !Behaviour::PauseDropped.on() })
}

/// The MAC's treatment of `frame`, which arrived complete and is not IP.
#[inline]
pub(crate) fn control_of(hw: &Hardware, frame: &[u8]) -> Option<Control> {
    if frame.get(12..14) == Some(&MAC_CONTROL[..]) { control(hw, frame) } else { None }
}

impl Pause {
    /// Clears everything, on a reset or when the link goes down.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether the other end has paused this one.
    #[inline]
    pub(crate) fn is_on(&mut self, hw: &Hardware) -> bool {
        if self.until > Duration::ZERO && hw.now() >= self.until {
            self.until = Duration::ZERO;
        }
        self.until > Duration::ZERO
    }

    /// The time of the next event: the pause ends, or a new pause request is due.
    pub(crate) fn due(&self) -> Option<Duration> {
        let ends = (self.until > Duration::ZERO).then_some(self.until);
        ends.into_iter().chain(self.asked.flatten()).min()
    }

    /// A pause frame arrived.
    #[cold]
    pub(crate) fn obey(&mut self, hw: &Hardware, time: u16) {
        hw.regs.count(if time == 0 { names::LXONRXCNT } else { names::LXOFFRXCNT }, 1);
        if time > 0 {
            self.until = hw.now() + slots(u32::from(time));
        } else if Behaviour::PauseTakenBack.on() {
            self.until = Duration::ZERO;
        }
    }

    /// Asks the other end for a pause or takes the request back, depending on the `buffered` bytes in the packet
    /// buffer. Returns the number of frames sent.
    #[inline]
    pub(crate) fn update(
        &mut self,
        hw: &Hardware,
        buffered: usize,
        sink: &mut dyn Sink,
        counts: &mut Counts,
    ) -> usize {
        if buffered == 0 && self.asked.is_none() { 0 } else { self.ask(hw, buffered, sink, counts) }
    }

    #[cold]
    fn ask(&mut self, hw: &Hardware, buffered: usize, sink: &mut dyn Sink, counts: &mut Counts) -> usize {
        let regs = &hw.regs;
        let (high, low) = (regs.load(names::fcrth(0)), regs.load(names::fcrtl(0)));
        let on = FCCFG::TFCE.read(regs.load(names::FCCFG)) == 1 && FCRTH::FCEN.is_set(high);
        if !on {
            self.asked = None;
            return 0;
        }
        let full = buffered > 0 && buffered >= (high & mask(FCRTH::RTH)) as usize;
        let empty = buffered <= (low & mask(FCRTL::RTL)) as usize;
        let time = FCTTV::TTV_EVEN.read(regs.load(names::fcttv(0)));
        let again =
            self.asked.flatten().is_some_and(|when| hw.now() >= when) && Behaviour::PauseRefreshed.on();
        match self.asked {
            Some(_) if empty => {
                let says = FCRTL::XONE.is_set(low) && Behaviour::PauseTakesBack.on();
                if says && !send(hw, 0, sink, counts) {
                    return 0;
                }
                self.asked = None;
                usize::from(says)
            }
            Some(_) if !again => 0,
            None if !full || !Behaviour::PauseSent.on() => 0,
            _ => {
                if !send(hw, time as u16, sink, counts) {
                    return 0;
                }
                // The request is renewed when less than this is left and the buffer is still too full.
                let least = FCRTV::FC_REFRESH_TH.read(regs.load(names::FCRTV));
                self.asked = Some((least > 0).then(|| hw.now() + slots(time.saturating_sub(least))));
                1
            }
        }
    }
}

/// Sends a pause frame; `false` when there is no room.
fn send(hw: &Hardware, time: u16, sink: &mut dyn Sink, counts: &mut Counts) -> bool {
    let low = hw.regs.load(names::ral(0)).to_le_bytes();
    let high = (hw.regs.load(names::rah(0)) as u16).to_le_bytes();
    let mut frame = Vec::with_capacity(LENGTH);
    for part in [&GROUP[..], &low, &high, &MAC_CONTROL, &PAUSE, &time.to_be_bytes()] {
        frame.extend_from_slice(part);
    }
    frame.resize(LENGTH, 0);
    // The frame belongs to no queue: the MAC itself sends it, past all checks.
    let sent = sink.send(0, &frame) == Sent::Out;
    if sent {
        hw.regs.count(if time == 0 { names::LXONTXC } else { names::LXOFFTXC }, 1);
        counts.sent_control(&frame);
    }
    sent
}
