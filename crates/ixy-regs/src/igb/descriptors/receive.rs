//! Receive descriptors (section 7.1.5).
//!
//! The driver writes the addresses of an empty buffer ([`read()`], format [`AdvancedRead`]); the device fills the
//! buffer and writes back length, status and hash ([`write_back`], format [`AdvancedWriteBack`]). Bit 0 of the
//! second word tells the formats from each other: the driver writes 0, and the device 1 (DD). SRRCTL.DESCTYPE must
//! choose an advanced format for that; after reset it chooses the legacy one, which this project does not use.

use zerocopy::little_endian::{U16, U32, U64};

layout! {
    /// Advanced read format, written by the driver (section 7.1.5).
    read {
        /// IOVA of the packet buffer.
        PACKET_ADDRESS 0 63:0;
        /// IOVA of the header buffer, used only with header splitting. Bit 0 must be 0, as it becomes DD.
        HEADER_ADDRESS 1 63:0;
    }
}

layout! {
    /// Advanced write-back format, written by the device (section 7.1.5.2).
    write_back {
        /// The input of HASH, see [`RssType`](super::RssType).
        RSS_TYPE 0 3:0;
        /// The protocols of the packet, see [`PacketType`](super::PacketType).
        PACKET_TYPE 0 15:4;
        /// Bytes in the header buffer.
        HEADER_LENGTH 0 30:21;
        /// The header was found.
        SPLIT_HEADER 0 31:31;
        /// RSS hash; without RSS (RXCSUM.PCSD clear) IP identification and packet checksum.
        HASH 0 63:32;
        /// Status and errors as one, see [`Status`](super::Status).
        STATUS 1 31:0;
        /// The device is done with this descriptor.
        DD 1 0:0;
        /// The packet ends in this descriptor.
        EOP 1 1:1;
        /// Security error: 0 none, else a code of MACsec or IPsec.
        SECURITY_ERROR 1 28:27;
        /// Bytes in the packet buffer, without the CRC when that is stripped.
        LENGTH 1 47:32;
        /// VLAN tag, where it was stripped.
        VLAN 1 63:48;
    }
}

bitflags::bitflags! {
    /// Extended status and errors: the low 32 bits of the second word, as written back (section 7.1.5.2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Status: u32 {
        /// The device is done with this descriptor.
        const DD = 1 << 0;
        /// The packet ends in this descriptor.
        const EOP = 1 << 1;
        /// A VLAN tag was found.
        const VP = 1 << 3;
        /// The UDP checksum was checked.
        const UDPCS = 1 << 4;
        /// The TCP or UDP checksum was checked: L4E is valid.
        const L4CS = 1 << 5;
        /// The IPv4 checksum was checked: IPE is valid.
        const IPCS = 1 << 6;
        /// The packet passed a filter that is not exact.
        const PIF = 1 << 7;
        /// The IP identification is valid (without RSS).
        const IPIDV = 1 << 9;
        /// The UDP checksum is valid (in fragments).
        const UDPV = 1 << 10;
        /// The packet interrupted at once.
        const LLINT = 1 << 11;
        /// The packet has a time stamp.
        const TS = 1 << 16;
        /// Security processing was done.
        const SECP = 1 << 17;
        /// The header did not fit into the header buffer.
        const HBO = 1 << 23;
        /// The TCP, UDP or SCTP checksum is wrong.
        const L4E = 1 << 29;
        /// The IPv4 checksum is wrong.
        const IPE = 1 << 30;
        /// The MAC found an error: CRC, length, symbols. Such packets come only with RCTL.SBP.
        const RXE = 1 << 31;

        // All other bits may be set as well (error codes).
        const _ = !0;
    }

    /// Packet type, as written back, for packets that no EtherType filter matched (section 7.1.5.2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct PacketType: u16 {
        /// IPv4.
        const IPV4 = 1 << 0;
        /// IPv4 with options.
        const IPV4_OPTIONS = 1 << 1;
        /// IPv6.
        const IPV6 = 1 << 2;
        /// IPv6 with extension headers.
        const IPV6_EXTENSIONS = 1 << 3;
        /// TCP.
        const TCP = 1 << 4;
        /// UDP.
        const UDP = 1 << 5;
        /// SCTP.
        const SCTP = 1 << 6;
        /// NFS.
        const NFS = 1 << 7;
        /// IPsec ESP.
        const IPSEC_ESP = 1 << 8;
        /// IPsec AH.
        const IPSEC_AH = 1 << 9;
        /// MACsec.
        const MACSEC = 1 << 10;
        /// An EtherType filter matched: the low bits are its number, and the names above do not apply.
        const ETHERTYPE_FILTER = 1 << 11;

        const _ = !0;
    }
}

impl Status {
    /// The status in the second word of a descriptor.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self::from_bits_retain(word as u32)
    }
}

impl PacketType {
    /// The packet type in the first word of a descriptor.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self::from_bits_retain(write_back::PACKET_TYPE.of(word) as u16)
    }
}

/// The input of the hash (section 7.1.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RssType {
    /// There is no hash.
    None = 0,
    /// Addresses and ports of TCP over IPv4.
    TcpIpv4 = 1,
    /// Addresses of IPv4.
    Ipv4 = 2,
    /// Addresses and ports of TCP over IPv6.
    TcpIpv6 = 3,
    /// Addresses of IPv6 with extension headers.
    Ipv6Extensions = 4,
    /// Addresses of IPv6.
    Ipv6 = 5,
    /// Addresses and ports of TCP over IPv6 with extension headers.
    TcpIpv6Extensions = 6,
    /// Addresses and ports of UDP over IPv4.
    UdpIpv4 = 7,
    /// Addresses and ports of UDP over IPv6.
    UdpIpv6 = 8,
    /// Addresses and ports of UDP over IPv6 with extension headers.
    UdpIpv6Extensions = 9,
}

impl RssType {
    /// The type in the first word of a descriptor; `None` for codes that are reserved.
    pub const fn from_word(word: u64) -> Option<Self> {
        Some(match write_back::RSS_TYPE.of(word) {
            0 => Self::None,
            1 => Self::TcpIpv4,
            2 => Self::Ipv4,
            3 => Self::TcpIpv6,
            4 => Self::Ipv6Extensions,
            5 => Self::Ipv6,
            6 => Self::TcpIpv6Extensions,
            7 => Self::UdpIpv4,
            8 => Self::UdpIpv6,
            9 => Self::UdpIpv6Extensions,
            _ => return None,
        })
    }
}

/// A descriptor in read format that gives the device the buffer at `packet` (an IOVA), without a header buffer.
///
/// The second word is 0, so that DD is clear. The first word must be written before the second.
#[inline(always)]
pub const fn read(packet: u64) -> [u64; 2] {
    [packet, 0]
}

format! {
    /// Advanced read format (section 7.1.5).
    AdvancedRead {
        /// IOVA of the packet buffer.
        packet_address: U64,
        /// IOVA of the header buffer, or 0.
        header_address: U64,
    }
}

format! {
    /// Advanced write-back format (section 7.1.5.2).
    AdvancedWriteBack {
        /// RSS type, packet type, header length: bits 31:0 of the first word, see [`write_back`].
        info: U32,
        /// RSS hash.
        hash: U32,
        /// Status and errors, see [`Status`].
        status: U32,
        /// Bytes in the packet buffer.
        length: U16,
        /// VLAN tag.
        vlan: U16,
    }
}
