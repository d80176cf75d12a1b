//! The headers that the device parses: VLAN tag, IP and transport headers, and their checksums.

use super::behaviour::Behaviour;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
/// Extension headers of IPv6 that the device knows.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

/// Version of the Internet protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    V4,
    V6,
}

/// Transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    Sctp,
}

/// The headers of a frame that the device recognises.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Headers {
    /// Tag control information of the only tag, or of the inner one of two.
    pub(crate) vlan: Option<u16>,
    /// There is an outer tag.
    pub(crate) outer: bool,
    /// Protocol and offset of its header, which is complete.
    pub(crate) network: Option<(Network, usize)>,
    /// IPv4 with options, IPv6 with extension headers.
    pub(crate) options: bool,
    /// A fragment of a packet: it has no transport header of its own.
    pub(crate) fragment: bool,
    /// Protocol and offset of its header; at least its ports are there.
    pub(crate) transport: Option<(Transport, usize)>,
    /// Offset of the end of the packet: padding may follow.
    end: usize,
}

#[inline(always)]
fn word(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]))
}

impl Headers {
    /// Parses `frame` where frames have an outer tag of EtherType `outer`; without that tag nothing is recognised.
    #[cold]
    pub(crate) fn behind_outer(frame: &[u8], outer: u16, tag: u16) -> Self {
        let mut headers = Self::default();
        if word(frame, 12) != Some(outer) || frame.len() < ETHERNET + 4 {
            return headers;
        }
        headers.outer = true;
        let mut kind = word(frame, 16);
        if kind == Some(tag) {
            headers.vlan = word(frame, 18);
            kind = word(frame, 20);
        }
        let at = headers.link_end();
        match kind {
            Some(IPV4) => headers.ipv4(frame, at),
            Some(IPV6) => headers.ipv6(frame, at),
            _ => {}
        }
        headers
    }

    /// Parses the headers of `frame`; `tag` is the EtherType of a VLAN tag.
    #[inline]
    pub(crate) fn of(frame: &[u8], tag: u16) -> Self {
        let mut headers = Self::default();
        let mut at = ETHERNET;
        let mut kind = word(frame, 12);
        if kind == Some(tag) {
            headers.vlan = word(frame, 14);
            kind = word(frame, 16);
            at += 4;
        }
        match kind {
            Some(IPV4) => headers.ipv4(frame, at),
            Some(IPV6) => headers.ipv6(frame, at),
            _ => {}
        }
        headers
    }

    #[inline]
    fn ipv4(&mut self, frame: &[u8], at: usize) {
        let Some(header) = frame.get(at..at + 20) else { return };
        let len = usize::from(header[0] & 0xf) * 4;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[0] >> 4 != 4 || len < 20 || total < len || at + total > frame.len() {
            return;
        }
        self.network = Some((Network::V4, at));
        self.options = len > 20;
        self.fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
        self.end = at + total;
        self.transport(header[9], at + len);
    }

    #[inline]
    fn ipv6(&mut self, frame: &[u8], at: usize) {
        let Some(header) = frame.get(at..at + 40) else { return };
        let payload = usize::from(u16::from_be_bytes([header[4], header[5]]));
        if header[0] >> 4 != 6 || at + 40 + payload > frame.len() {
            return;
        }
        self.network = Some((Network::V6, at));
        self.end = at + 40 + payload;
        let next = header[6];
        if matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION) && Behaviour::Ipv6Extensions.on() {
            self.extensions(frame, next, at + 40);
        } else {
            self.transport(next, at + 40);
        }
    }

    /// Skips extension headers, up to one after which the transport header cannot be used: a fragment header, or a
    /// routing header of a packet that has not reached its last address (the checksum covers another address).
    #[cold]
    fn extensions(&mut self, frame: &[u8], mut next: u8, mut at: usize) {
        self.options = true;
        while let Some(header) = frame.get(at..at + 8).filter(|_| at + 8 <= self.end) {
            match next {
                HOP_BY_HOP | DESTINATION => {}
                ROUTING if header[3] == 0 => {}
                FRAGMENT => {
                    self.fragment = true;
                    return;
                }
                ROUTING => return,
                _ => break,
            }
            next = header[0];
            at += 8 + usize::from(header[1]) * 8;
        }
        if !matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION) {
            self.transport(next, at);
        }
    }

    #[inline]
    fn transport(&mut self, protocol: u8, at: usize) {
        let (transport, least) = match protocol {
            TCP => (Transport::Tcp, 20),
            UDP => (Transport::Udp, 8),
            SCTP => (Transport::Sctp, 12),
            _ => return,
        };
        let fragment = self.fragment && Behaviour::FragmentsPlain.on();
        if !fragment && at + least <= self.end {
            self.transport = Some((transport, at));
        }
    }

    /// The same headers after the tag was stripped.
    #[cold]
    pub(crate) fn without_tag(&self) -> Self {
        let earlier = |at: usize| at.saturating_sub(4);
        Self {
            vlan: None,
            network: self.network.map(|(kind, at)| (kind, earlier(at))),
            transport: self.transport.map(|(kind, at)| (kind, earlier(at))),
            end: earlier(self.end),
            ..*self
        }
    }

    /// Where the IP packet ends.
    pub(crate) fn packet_end(&self) -> usize {
        self.end
    }

    /// Where the Ethernet header and its tags end.
    pub(crate) fn link_end(&self) -> usize {
        ETHERNET + if self.vlan.is_some() { 4 } else { 0 } + if self.outer { 4 } else { 0 }
    }

    /// Where the tag is, if there is one.
    pub(crate) fn tag_at(&self) -> usize {
        if self.outer { 16 } else { 12 }
    }

    /// Where the IP header ends, with its options or extension headers.
    pub(crate) fn network_end(&self, frame: &[u8]) -> Option<usize> {
        let (network, at) = self.network?;
        if let Some((_, end)) = self.transport {
            return Some(end);
        }
        match network {
            Network::V4 => Some(at + usize::from(*frame.get(at)? & 0xf) * 4),
            Network::V6 => {
                let (mut next, mut end) = (*frame.get(at + 6)?, at + 40);
                while matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION) && self.options {
                    let header = frame.get(end..end + 8).filter(|_| end + 8 <= self.end)?;
                    // A fragment's header has no length.
                    let units = if next == FRAGMENT { 0 } else { usize::from(header[1]) };
                    end += 8 + units * 8;
                    if next == FRAGMENT {
                        break;
                    }
                    next = header[0];
                }
                (end <= self.end).then_some(end)
            }
        }
    }

    /// Where the header of TCP or UDP ends.
    pub(crate) fn transport_end(&self, frame: &[u8]) -> Option<usize> {
        let (transport, at) = self.transport?;
        let len = match transport {
            Transport::Tcp => usize::from(*frame.get(at + 12)? >> 4) * 4,
            Transport::Udp => 8,
            Transport::Sctp => return None,
        };
        let least = if transport == Transport::Tcp { 20 } else { 8 };
        (len >= least && at + len <= self.end).then_some(at + len)
    }

    /// Whether the IPv4 header's checksum is right; `None` when there is no such header.
    #[inline]
    pub(crate) fn network_checksum(&self, frame: &[u8]) -> Option<bool> {
        let (Network::V4, at) = self.network? else { return None };
        let len = usize::from(*frame.get(at)? & 0xf) * 4;
        Some(fold(sum(frame.get(at..at + len)?)) == 0xffff)
    }

    /// Whether the transport checksum is right; `None` when there is none (UDP over IPv4 may leave it out).
    #[inline]
    pub(crate) fn transport_checksum(&self, frame: &[u8]) -> Option<bool> {
        let (transport, at) = self.transport?;
        let (network, ip) = self.network?;
        let protocol = match transport {
            Transport::Tcp => TCP,
            Transport::Udp if word(frame, at + 6)? == 0 && Behaviour::UdpWithoutChecksum.on() => return None,
            Transport::Udp => UDP,
            Transport::Sctp => return self.sctp_checksum(frame, at),
        };
        let addresses = match network {
            Network::V4 => frame.get(ip + 12..ip + 20)?,
            Network::V6 => frame.get(ip + 8..ip + 40)?,
        };
        let body = frame.get(at..self.end)?;
        let pseudo = u64::from(u16::from(protocol).to_be()) + u64::from((body.len() as u16).to_be());
        Some(fold(sum(addresses) + sum(body) + pseudo) == 0xffff)
    }

    #[cold]
    fn sctp_checksum(&self, frame: &[u8], at: usize) -> Option<bool> {
        if !Behaviour::SctpVerdict.on() {
            return None;
        }
        let mut packet = frame.get(at..self.end)?.to_vec();
        let field = packet.get_mut(8..12)?;
        let found = field.to_vec();
        field.fill(0);
        Some(found == sctp_checksum(&packet))
    }

    /// Collects the bytes that RSS hashes: addresses, and ports if `ports` is set; 8, 12, 32 or 36 of them.
    #[inline]
    pub(crate) fn hashed(&self, frame: &[u8], ports: bool, into: &mut [u8; 36]) -> Option<usize> {
        let (network, ip) = self.network?;
        let addresses = match network {
            Network::V4 => frame.get(ip + 12..ip + 20)?,
            Network::V6 => frame.get(ip + 8..ip + 40)?,
        };
        into[..addresses.len()].copy_from_slice(addresses);
        let mut len = addresses.len();
        if ports {
            let (_, at) = self.transport?;
            into[len..len + 4].copy_from_slice(frame.get(at..at + 4)?);
            len += 4;
        }
        Some(len)
    }
}

/// Sum of 16-bit words in memory order, not yet folded; an odd last byte counts as if followed by zero.
#[inline]
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let (chunks, last) = bytes.as_chunks::<8>();
    let halves = |chunk: [u8; 8]| {
        let word = u64::from_ne_bytes(chunk);
        (word & 0xffff_ffff) + (word >> 32)
    };
    let sum: u64 = chunks.iter().map(|chunk| halves(*chunk)).sum();
    let mut rest = [0; 8];
    rest[..last.len()].copy_from_slice(last);
    sum + halves(rest)
}

/// The one's complement sum in 16 bits.
#[inline]
pub(crate) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The checksum of `bytes`, as the two bytes that go into a header.
#[inline]
pub(crate) fn checksum(bytes: &[u8]) -> [u8; 2] {
    (!fold(sum(bytes))).to_ne_bytes()
}

/// The CRC remainder of each byte, for a reflected 32-bit polynomial.
const fn remainders(polynomial: u32) -> [u32; 256] {
    let mut table = [0_u32; 256];
    let mut n = 0;
    while n < 256 {
        let (mut value, mut bit) = (n as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ polynomial } else { value >> 1 };
            bit += 1;
        }
        table[n] = value;
        n += 1;
    }
    table
}

fn crc(table: &[u32; 256], crc: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(crc, |crc, byte| table[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

/// The Ethernet frame check sequence of `bytes`, in the order in which it is sent (IEEE 802.3).
pub(crate) fn frame_check(bytes: &[u8]) -> [u8; 4] {
    const TABLE: [u32; 256] = remainders(0xedb8_8320);
    (!crc(&TABLE, u32::MAX, bytes)).to_le_bytes()
}

/// The checksum of an SCTP packet whose checksum field is zero, in the order in which it is sent (CRC32c, RFC 9260).
pub(crate) fn sctp_checksum(packet: &[u8]) -> [u8; 4] {
    const TABLE: [u32; 256] = remainders(0x82f6_3b78);
    (!crc(&TABLE, u32::MAX, packet)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_check_sequence_of_a_known_text_is_the_known_one() {
        // The check value of CRC-32 (ISO-HDLC) over "123456789".
        assert_eq!(frame_check(b"123456789"), 0xcbf4_3926_u32.to_le_bytes());
    }

    #[test]
    fn the_sctp_checksum_of_a_known_text_is_the_known_one() {
        // The check value of CRC-32C (iSCSI) over "123456789".
        assert_eq!(sctp_checksum(b"123456789"), 0xe306_9283_u32.to_le_bytes());
    }

    #[test]
    fn a_header_with_its_checksum_sums_to_all_ones() {
        let header =
            [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
        assert_eq!(checksum(&header), [0xb8, 0x61], "the well-known example of this header");
    }
}
