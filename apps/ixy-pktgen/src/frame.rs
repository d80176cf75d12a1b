//! The frame to send, the place of its number, and the fields that change from frame to frame.

use ixy_cli::numbered::MARK;

use super::fields::{Headers, Span};

/// Size of the shortest IPv6 frame: the headers, the mark, and the number with its complement.
pub(crate) const SHORTEST_V6: u16 = 14 + 40 + 8 + 4 + 8;

/// The template for all frames.
///
/// It is Ethernet, IPv4 or IPv6, and UDP. The payload starts with a mark, ends with the number, and is zero between
/// them.
///
/// In IPv4 packets the UDP checksum is zero, which means that there is none (RFC 768): any other value would be
/// wrong after a forwarder changed a byte. IPv6 packets must have one (RFC 8200, section 8.1). The number's
/// complement stands before the number, so that the checksum does not depend on it: together they add nothing to a
/// ones' complement sum.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Fields with more than one value.
    varying: Vec<Varying>,
    v6: bool,
    /// Sum of all words that the checksum covers, except the varying fields.
    sum: u32,
}

/// A field that changes from frame to frame.
#[derive(Debug)]
struct Varying {
    at: usize,
    span: Span,
    next: u128,
    /// Whether the checksum covers it.
    summed: bool,
}

impl Template {
    /// A frame of `size` bytes without frame check sequence: at least 60, and [`SHORTEST_V6`] with IPv6.
    pub(crate) fn new(size: u16, headers: &Headers) -> Self {
        let v6 = headers.is_v6();
        let mut bytes = vec![0; size.into()];
        let mut put = |at: usize, content: &[u8]| {
            if let Some(place) = bytes.get_mut(at..at + content.len()) {
                place.copy_from_slice(content);
            }
        };
        let ip = size.saturating_sub(14);
        let udp = if v6 {
            put(12, &[0x86, 0xdd]);
            // IPv6 (RFC 8200): version; length behind this header, UDP, hop limit.
            put(14, &[0x60, 0, 0, 0]);
            put(18, &ip.saturating_sub(40).to_be_bytes());
            put(20, &[17, 64]);
            54
        } else {
            put(12, &[0x08, 0x00]);
            // IPv4 (RFC 791): version and header length, no service; total length; no identification, don't
            // fragment; time to live, UDP.
            put(14, &[0x45, 0]);
            put(16, &ip.to_be_bytes());
            put(18, &[0, 0, 0x40, 0, 64, 17]);
            34
        };
        let datagram = (size.saturating_sub(udp)).to_be_bytes();
        let udp = usize::from(udp);
        put(udp + 4, &datagram);
        put(udp + 8, &MARK);

        let mut varying = Vec::new();
        for (at, span, summed) in [
            (0, headers.dst_mac, false),
            (6, headers.src_mac, false),
            (if v6 { 22 } else { 26 }, headers.src_ip, true),
            (if v6 { 38 } else { 30 }, headers.dst_ip, true),
            (udp, headers.src_port, v6),
            (udp + 2, headers.dst_port, v6),
        ] {
            if span.first == span.last {
                put(at, field(&span.first.to_be_bytes(), span.width));
            } else {
                varying.push(Varying { at, span, next: span.first, summed });
            }
        }
        let covered = if v6 {
            // The pseudo header has the addresses, the length and the protocol (RFC 8200, section 8.1).
            sum(&bytes[22..]) + sum(&datagram) + 17
        } else {
            sum(&bytes[14..34])
        };
        let mut template = Self { bytes, varying, v6, sum: covered };
        let mut bytes = std::mem::take(&mut template.bytes);
        template.put_checksum(&mut bytes, template.sum);
        template.number(&mut bytes, 0);
        Self { bytes, ..template }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes the number of a frame. `false` when the frame is too short.
    #[inline(always)]
    pub(crate) fn number(&self, frame: &mut [u8], number: u32) -> bool {
        if self.v6 {
            let both = u64::from(!number) << 32 | u64::from(number);
            return frame.last_chunk_mut().map(|place| *place = both.to_be_bytes()).is_some();
        }
        frame.last_chunk_mut().map(|place| *place = number.to_be_bytes()).is_some()
    }

    /// Whether frames differ in more than their numbers.
    #[inline]
    pub(crate) fn varies(&self) -> bool {
        !self.varying.is_empty()
    }

    /// Writes the next values of all varying fields into a frame, and its checksum.
    pub(crate) fn vary(&mut self, frame: &mut [u8]) {
        let mut total = self.sum;
        for Varying { at, span, next, summed } in &mut self.varying {
            let bytes = next.to_be_bytes();
            let value = field(&bytes, span.width);
            if let Some(place) = frame.get_mut(*at..*at + span.width) {
                place.copy_from_slice(value);
            }
            if *summed {
                total += sum(value);
            }
            *next = if *next == span.last { span.first } else { *next + 1 };
        }
        self.put_checksum(frame, total);
    }

    /// Writes the checksum of the IPv4 header, or of the UDP datagram in IPv6, where zero becomes all ones.
    #[inline]
    fn put_checksum(&self, frame: &mut [u8], sum: u32) {
        let checksum = complement(sum);
        let (at, checksum) = match (self.v6, checksum) {
            (false, _) => (24, checksum),
            (true, 0) => (60, 0xffff),
            (true, _) => (60, checksum),
        };
        if let Some(place) = frame.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = checksum.to_be_bytes();
        }
    }
}

/// The last `width` bytes of a number.
fn field(bytes: &[u8; 16], width: usize) -> &[u8] {
    bytes.get(16 - width..).unwrap_or_default()
}

/// The sum of 16-bit words (RFC 1071), not folded: it has room for the longest frame.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0))).sum()
}

/// The ones' complement of a sum, folded to 16 bits.
fn complement(sum: u32) -> u16 {
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::super::Args;
    use super::*;
    use clap::Parser;
    use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
    use ixy::MacAddress;

    fn template(size: u16, flags: &str) -> Template {
        let args = Args::parse_from(format!("ixy-pktgen sim {flags}").split_whitespace());
        Template::new(size, &args.fields.headers(MacAddress([2, 0, 0, 0, 0, 1])).unwrap())
    }

    /// The frame's headers, after a check of all lengths and checksums.
    fn check(frame: &[u8]) -> PacketHeaders<'_> {
        let packet = PacketHeaders::from_ethernet_slice(frame).unwrap();
        let Some(TransportHeader::Udp(udp)) = &packet.transport else { panic!("no UDP") };
        let payload = packet.payload.slice();
        assert_eq!(usize::from(udp.length), 8 + payload.len());
        match &packet.net {
            Some(NetHeaders::Ipv4(ip, _)) => {
                assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                assert_eq!((usize::from(ip.total_len), udp.checksum), (frame.len() - 14, 0));
            }
            Some(NetHeaders::Ipv6(ip, _)) => {
                assert_eq!(usize::from(ip.payload_length), frame.len() - 54);
                assert_eq!(udp.checksum, udp.calc_checksum_ipv6(ip, payload).unwrap());
            }
            other => panic!("{other:?}"),
        }
        packet
    }

    #[test]
    fn a_frame_is_valid_ethernet_ip_and_udp_at_every_size_with_every_number() {
        for (flags, least) in [("", 60), ("--src-ip fd00::1", SHORTEST_V6)] {
            for size in least..=1514 {
                let template = template(size, flags);
                let mut frame = template.bytes().to_vec();
                for number in [0, 1, 0x0102_0304, u32::MAX] {
                    assert!(template.number(&mut frame, number));
                    assert_eq!(check(&frame).link.unwrap().ethernet2().unwrap().source, [2, 0, 0, 0, 0, 1]);
                    assert_eq!(ixy_cli::numbered::number(&frame), Some(number));
                    assert_eq!(frame.len(), usize::from(size));
                }
            }
        }
    }

    #[test]
    fn every_field_takes_the_values_of_its_range_in_turn_with_right_checksums() {
        for (ips, size) in [
            ("--src-ip 10.0.0.254-10.0.1.2 --dst-ip 192.168.0.1-192.168.0.3", 60),
            ("--src-ip fd00::fffe-fd00::1:2 --dst-ip ff02::1-ff02::3", 75),
        ] {
            let macs = "--src-mac 2:0:0:0:1:0-2:0:0:0:1:1 --dst-mac 2:0:0:0:2:ff-2:0:0:0:3:0";
            let mut template = template(size, &format!("{ips} {macs} --src-port 65534-65535 --dst-port 5-8"));
            assert!(template.varies());
            let mut frame = template.bytes().to_vec();
            for n in 0..100_u32 {
                template.vary(&mut frame);
                assert!(template.number(&mut frame, n));
                let packet = check(&frame);
                let ethernet = packet.link.unwrap().ethernet2().unwrap();
                assert_eq!(ethernet.source, [2, 0, 0, 0, 1, (n % 2) as u8]);
                assert_eq!(ethernet.destination, [[2, 0, 0, 0, 2, 255], [2, 0, 0, 0, 3, 0]][n as usize % 2]);
                let (source, destination) = match packet.net.unwrap() {
                    NetHeaders::Ipv4(ip, _) => {
                        (u32::from_be_bytes(ip.source) - 0x0a00_00fe, u32::from_be_bytes(ip.destination))
                    }
                    NetHeaders::Ipv6(ip, _) => {
                        let low = |address: [u8; 16]| u128::from_be_bytes(address) as u32;
                        (low(ip.source) - 0xfffe, low(ip.destination))
                    }
                    NetHeaders::Arp(_) => panic!("ARP"),
                };
                assert_eq!((source, destination & 0xff), (n % 5, 1 + n % 3));
                let udp = packet.transport.unwrap().udp().unwrap();
                assert_eq!((udp.source_port, udp.destination_port), (65534 + n as u16 % 2, 5 + n as u16 % 4));
                assert_eq!(ixy_cli::numbered::number(&frame), Some(n));
            }
        }
    }

    #[test]
    fn the_number_is_out_of_reach_of_the_forwarders_touch() {
        let template = template(60, "");
        let mut frame = template.bytes().to_vec();
        assert!(template.number(&mut frame, u32::MAX));
        assert_eq!(template.bytes()[..56], frame[..56]);
        frame[48] = frame[48].wrapping_add(1);
        assert_eq!(ixy_cli::numbered::number(&frame), Some(u32::MAX));
    }
}
