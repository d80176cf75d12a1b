//! The operations that a frame's descriptors ask for before it is sent (sections 7.2.3, 7.2.5 and 7.4):
//! [`Command`].

use std::ops::Range;

use ixy_regs::ixgbe::descriptors::transmit::{Layer4, context_read, data_read, legacy};
use ixy_regs::ixgbe::fields::{DMATXCTL, HLREG0};

use super::super::Hardware;
use super::super::behaviour::Behaviour;
use super::super::headers::{checksum, frame_check, sctp_checksum};
use super::super::names;
use super::super::pools::PortVlan;
use super::Context;

/// Shortest frame without check sequence; HLREG0.TXPADEN pads to it (section 8.2.3.22.8).
const SHORTEST: usize = 60;

/// The operations that the first and last descriptor of a frame ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command {
    pub(super) legacy: bool,
    /// The second word of the first descriptor.
    pub(crate) first: u64,
    pub(crate) context: Context,
}

impl Command {
    #[inline(always)]
    pub(super) fn wants_stamp(&self) -> bool {
        !self.legacy && self.first & data_read::MAC_1588.mask() != 0
    }

    /// The command with the pool's VLAN rule applied.
    pub(super) fn with_port_vlan(mut self, vlan: PortVlan) -> Self {
        match vlan {
            PortVlan::Descriptor => return self,
            PortVlan::Never => self.first &= !data_read::VLE.mask(),
            PortVlan::Always(tag) => {
                self.first |= data_read::VLE.mask();
                let tag = u64::from(tag);
                if self.legacy {
                    self.first = self.first & !legacy::VLAN.mask() | legacy::VLAN.place(tag);
                } else {
                    self.context.low =
                        self.context.low & !context_read::VLAN.mask() | context_read::VLAN.place(tag);
                }
            }
        }
        self
    }

    /// Applies the descriptors' operations to the frame; `false` when it cannot be sent.
    pub(super) fn finish(&self, hw: &Hardware, frame: &mut Vec<u8>) -> bool {
        let hlreg0 = hw.regs.load(names::HLREG0);
        const OFFLOADS: u64 = data_read::VLE.mask() | data_read::IXSM.mask() | data_read::TXSM.mask();
        let asks = if self.legacy {
            self.first & (legacy::IC.mask() | legacy::VLE.mask()) != 0
        } else {
            self.first & OFFLOADS != 0
        };
        if asks && !self.offload(hw, frame) {
            return false;
        }
        let appended = self.first & data_read::IFCS.mask() != 0 && HLREG0::TXCRCEN.is_set(hlreg0)
            || !Behaviour::CrcBrought.on();
        let pads = HLREG0::TXPADEN.is_set(hlreg0) || !Behaviour::PaddingEnable.on();
        if !appended {
            // The frame brings its own check sequence; its receiver drops it if that is wrong.
            let Some(end) = frame.len().checked_sub(4) else { return false };
            let (bytes, fcs) = frame.split_at(end);
            if frame_check(bytes) != fcs && Behaviour::CrcBroughtChecked.on() {
                return false;
            }
            frame.truncate(end);
        } else if frame.len() < SHORTEST && pads && Behaviour::Padding.on() {
            frame.resize(SHORTEST, 0);
        }
        frame.len() >= 14
    }

    /// Inserts checksums and the VLAN tag (section 7.2.5); `false` when the offsets are invalid.
    #[cold]
    fn offload(&self, hw: &Hardware, frame: &mut Vec<u8>) -> bool {
        let (first, len) = (self.first, frame.len());
        if self.legacy {
            if first & legacy::IC.mask() != 0 && Behaviour::LegacyInsertion.on() {
                let (start, place) = (legacy::CSS.of(first) as usize, legacy::CSO.of(first) as usize);
                if !insert(frame, start..len, place) {
                    return false;
                }
            }
            return first & legacy::VLE.mask() == 0
                || !Behaviour::LegacyVlanInsertion.on()
                || tag(hw, frame, legacy::VLAN.of(first) as u16);
        }
        let context = self.context;
        let network = context_read::MACLEN.of(context.low) as usize;
        let transport = network + context_read::IPLEN.of(context.low) as usize;
        let ipv4 = context.high & context_read::IPV4.mask() != 0;
        let ipv4 = ipv4 || !Behaviour::IpInsertionKind.on();
        if first & data_read::IXSM.mask() != 0 && ipv4 && Behaviour::IpInsertion.on() {
            if frame.len() < network + 20 {
                return false;
            }
            frame[network + 10..network + 12].fill(0);
            if !insert(frame, network..transport, network + 10) {
                return false;
            }
        }
        let sctp = context_read::L4T.of(context.high) == Layer4::Sctp as u64;
        if first & data_read::TXSM.mask() != 0 && sctp && Behaviour::SctpInsertion.on() {
            if !insert_sctp(frame, transport) {
                return false;
            }
        } else if first & data_read::TXSM.mask() != 0 && Behaviour::TransportInsertion.on() {
            // The field holds the pseudo header's sum, written by the driver.
            let place = match context_read::L4T.of(context.high) {
                0 => 6,
                1 => 16,
                _ => return false,
            };
            if !insert(frame, transport..len, transport + place) {
                return false;
            }
            let udp = place == 6;
            let replaces = udp && Behaviour::UdpInsertionNotZero.on();
            if replaces && frame[transport + 6..transport + 8] == [0, 0] {
                // Zero would mean that there is no checksum (RFC 768).
                frame[transport + 6..transport + 8].fill(0xff);
            }
        }
        first & data_read::VLE.mask() == 0
            || !Behaviour::VlanInsertion.on()
            || tag(hw, frame, context_read::VLAN.of(context.low) as u16)
    }
}

/// Puts the checksum of `range` at `place`.
fn insert(frame: &mut [u8], range: Range<usize>, place: usize) -> bool {
    if place + 2 > frame.len() || range.is_empty() {
        return false;
    }
    let Some(bytes) = frame.get(range) else { return false };
    let sum = checksum(bytes);
    frame[place..place + 2].copy_from_slice(&sum);
    true
}

/// Writes the checksum of the SCTP packet at `start` to its header, where software left zero (section 7.2.5.3).
fn insert_sctp(frame: &mut [u8], start: usize) -> bool {
    const PLACE: usize = 8;
    let Some(packet) = frame.get_mut(start..).filter(|packet| packet.len() >= PLACE + 4) else {
        return false;
    };
    let sum = sctp_checksum(packet);
    packet[PLACE..PLACE + 4].copy_from_slice(&sum);
    true
}

/// Inserts a tag with the EtherType in DMATXCTL.VT (section 7.4.3).
fn tag(hw: &Hardware, frame: &mut Vec<u8>, tag: u16) -> bool {
    let control = hw.regs.load(names::DMATXCTL);
    // With double tags it goes behind the outer one, which software supplies (section 7.4.5).
    let double = DMATXCTL::GDV.is_set(control) && Behaviour::DoubleVlanTransmit.on();
    let at = if double { 16 } else { 12 };
    if frame.len() < at + 2 {
        return false;
    }
    let mut kind = 0x8100;
    if Behaviour::TransmitVlanType.on() {
        kind = DMATXCTL::VT.read(control) as u16;
    }
    let ([kind_high, kind_low], [high, low]) = (kind.to_be_bytes(), tag.to_be_bytes());
    frame.splice(at..at, [kind_high, kind_low, high, low]);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::headers::{fold, sum};

    #[test]
    fn a_checksum_over_a_header_that_holds_its_seed_makes_the_whole_sum_all_ones() {
        let mut frame = [0x45, 0, 0, 20, 1, 2, 3, 4, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        assert!(insert(&mut frame, 0..20, 10));
        assert_eq!(fold(sum(&frame)), 0xffff);
        assert!(!insert(&mut frame, 0..21, 10), "past the end of the frame");
        assert!(!insert(&mut frame, 0..20, 19), "a place that is not whole");
    }
}
