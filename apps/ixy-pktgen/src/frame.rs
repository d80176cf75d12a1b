//! The frame that is sent, and where its number stands.

use ixy_core::MacAddress;

/// Ethernet, IPv4 and UDP headers.
const HEADERS: usize = 14 + 20 + 8;
/// Where the UDP source port is.
pub(crate) const SOURCE_PORT: usize = 34;
/// The first flow's source port; each further flow has the next one.
pub(crate) const FIRST_PORT: u16 = 1024;
/// As many ports as there are from the first one on.
pub(crate) const FLOWS: u16 = u16::MAX - FIRST_PORT + 1;

/// An Ethernet frame of `size` bytes (at least 46) without frame check sequence: IPv4 from 10.0.0.1 to 10.0.0.2, UDP to
/// port 1337, the rest zero. Its last four bytes are for the number.
///
/// The UDP checksum is zero, which says that there is none (RFC 768): the number changes from frame to frame, and a
/// forwarder that touches a byte would make any other value wrong.
pub(crate) fn template(size: u16, from: MacAddress, to: MacAddress) -> Vec<u8> {
    let mut frame = Vec::with_capacity(size.into());
    frame.extend_from_slice(&to.0);
    frame.extend_from_slice(&from.0);
    frame.extend_from_slice(&[0x08, 0x00]);
    // IPv4 (RFC 791): version and header length, no service, total length; no identification, may not be fragmented;
    // time to live 64, UDP, checksum; addresses.
    let total = size.saturating_sub(14).to_be_bytes();
    let mut header = [0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let [high, low] = checksum(&header).to_be_bytes();
    (header[10], header[11]) = (high, low);
    frame.extend_from_slice(&header);
    // UDP (RFC 768): ports, length, no checksum.
    frame.extend_from_slice(&FIRST_PORT.to_be_bytes());
    frame.extend_from_slice(&1337_u16.to_be_bytes());
    frame.extend_from_slice(&size.saturating_sub(34).to_be_bytes());
    frame.extend_from_slice(&[0, 0]);
    debug_assert_eq!(frame.len(), HEADERS);
    frame.resize(size.into(), 0);
    frame
}

/// The ones' complement of the ones' complement sum of 16-bit words (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

/// Numbers a frame: its last four bytes, big-endian. `false` when it has fewer.
#[inline(always)]
pub(crate) fn set_number(frame: &mut [u8], number: u32) -> bool {
    let place = frame.last_chunk_mut();
    place.map(|place| *place = number.to_be_bytes()).is_some()
}

/// Gives a frame its flow's source port.
#[inline(always)]
pub(crate) fn set_source_port(frame: &mut [u8], port: u16) {
    if let Some(place) = frame.get_mut(SOURCE_PORT..).and_then(|rest| rest.first_chunk_mut()) {
        *place = port.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_valid_ethernet_ipv4_and_udp_at_every_size() {
        for size in 60..=1514 {
            let mut frame = template(size, MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([2, 0, 0, 0, 0, 2]));
            assert!(set_number(&mut frame, 0x0102_0304));
            set_source_port(&mut frame, 4711);
            let packet = etherparse::PacketHeaders::from_ethernet_slice(&frame).unwrap();
            let ethernet = packet.link.unwrap().ethernet2().unwrap();
            assert_eq!((ethernet.source, ethernet.destination), ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]));
            let Some(etherparse::NetHeaders::Ipv4(ip, _)) = packet.net else { panic!("no IPv4") };
            assert_eq!(ip.header_checksum, ip.calc_header_checksum());
            assert_eq!((ip.source, ip.destination, ip.total_len), ([10, 0, 0, 1], [10, 0, 0, 2], size - 14));
            let Some(etherparse::TransportHeader::Udp(udp)) = packet.transport else { panic!("no UDP") };
            assert_eq!(
                (udp.source_port, udp.destination_port, udp.length, udp.checksum),
                (4711, 1337, size - 34, 0)
            );
            assert_eq!(frame[frame.len() - 4..], [1, 2, 3, 4]);
            assert_eq!(frame.len(), usize::from(size));
        }
    }

    #[test]
    fn the_number_is_out_of_reach_of_the_forwarders_touch() {
        let before = template(60, MacAddress::default(), MacAddress::default());
        let mut after = before.clone();
        assert!(set_number(&mut after, u32::MAX));
        assert_eq!(before[..56], after[..56]);
        assert!(after.len() - 4 > 48);
    }
}
