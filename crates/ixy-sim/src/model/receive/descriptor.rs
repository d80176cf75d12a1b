//! The fields of descriptors that are written back with a frame (sections 7.1.5 and 7.1.6.2).

use ixy_regs::ixgbe::descriptors::receive::{PacketType, Status, legacy, write_back as fields_of};

use super::super::behaviour::Behaviour;
use super::super::headers::{Network, Transport};
use super::Passed;
use super::config::Config;
use super::ring::Ring;
use crate::dma::DmaView;

/// Both words of the advanced write-back format, without length, DD and EOP (section 7.1.6.2).
#[inline]
pub(super) fn write_back(config: &Config, frame: &[u8], passed: &Passed, stripped: bool) -> (u64, u64) {
    let headers = &passed.headers;
    let options = headers.options && Behaviour::PacketTypeOptions.on();
    let mut kind = match headers.network {
        // The plain bit is there, too.
        _ if !Behaviour::PacketTypes.on() => PacketType::empty(),
        Some((Network::V4, _)) if options => PacketType::IPV4 | PacketType::IPV4_OPTIONS,
        Some((Network::V4, _)) => PacketType::IPV4,
        Some((Network::V6, _)) if options => PacketType::IPV6 | PacketType::IPV6_EXTENSIONS,
        Some((Network::V6, _)) => PacketType::IPV6,
        None => PacketType::empty(),
    };
    kind |= match headers.transport.filter(|_| Behaviour::PacketTypeTransport.on()) {
        Some((Transport::Tcp, _)) => PacketType::TCP,
        Some((Transport::Udp, _)) => PacketType::UDP,
        Some((Transport::Sctp, _)) => PacketType::SCTP,
        None => PacketType::empty(),
    };
    if let Some(n) = passed.choice.ether_type {
        kind = PacketType::ETHERTYPE_FILTER | PacketType::from_bits_retain(u16::from(n));
    }
    let mut low = fields_of::PACKET_TYPE.place(u64::from(kind.bits()));
    if let Some((hash, kind)) = passed.choice.hash {
        if Behaviour::RssTypeReported.on() {
            low |= fields_of::RSS_TYPE.place(kind as u64);
        }
        if config.hash && Behaviour::RssHashReported.on() {
            low |= fields_of::HASH.place(u64::from(hash));
        }
    }
    let mut status = Status::from_bits_retain(passed.choice.status);
    match headers.network_checksum(frame) {
        _ if !Behaviour::IpVerdict.on() => {}
        Some(false) if Behaviour::IpVerdictError.on() => status |= Status::IPCS | Status::IPE,
        Some(_) => status |= Status::IPCS,
        None => {}
    }
    if let Some(right) = headers.transport_checksum(frame).filter(|_| Behaviour::TransportVerdict.on()) {
        status |= if right || !Behaviour::TransportVerdictError.on() {
            Status::L4CS
        } else {
            Status::L4CS | Status::L4E
        };
        if matches!(headers.transport, Some((Transport::Udp, _))) && Behaviour::UdpVerdict.on() {
            status |= Status::UDPCS;
        }
    }
    if passed.damage.is_some() {
        status |= Status::RXE;
    }
    if passed.stamped {
        status |= Status::TS;
    }
    let mut high = 0;
    if stripped && Behaviour::VlanReported.on() {
        status |= Status::VP;
        high |= fields_of::VLAN.place(u64::from(headers.vlan.unwrap_or(0)));
    }
    (low, high | u64::from(status.bits()))
}

/// Writes the legacy format, which has status and errors elsewhere and keeps the buffer's address (section 7.1.5).
pub(super) fn write_back_legacy<V: DmaView>(ring: &Ring<'_, V>, advanced: u64) {
    let status = advanced & 0x7f;
    let word = legacy::LENGTH.place(fields_of::LENGTH.of(advanced))
        | status << legacy::DD.shift
        | legacy::ERRORS.place(advanced >> 24)
        | legacy::VLAN.place(fields_of::VLAN.of(advanced));
    ring.words.store(ring.head * 2 + 1, word);
}
