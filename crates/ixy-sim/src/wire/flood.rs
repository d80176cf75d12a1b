use super::{Wakes, Wire};

/// Length of the Ethernet, IPv4 and UDP headers.
const HEADERS: usize = 14 + 20 + 8;

/// An endless source of UDP frames, as fast as they are taken, and a sink that counts the frames sent to it.
///
/// The frames are built once. They go from 198.18.0.1 to 198.19.0.1, the network for benchmarks (RFC 2544,
/// appendix C.2.2), to the discard port; flows differ in their source port, from 1024 on, and take turns. All
/// checksums are right.
pub struct Flood {
    /// The frames one after the other, one for each flow.
    frames: Vec<u8>,
    size: usize,
    /// Offset of the front frame.
    front: usize,
    received: u64,
    transmitted: u64,
    transmitted_bytes: u64,
}

impl Flood {
    /// The frame sizes supported, in bytes without frame check sequence.
    pub const SIZES: std::ops::RangeInclusive<usize> = 60..=1514;
    /// Largest number of flows; more would only measure the memory that holds them.
    pub const FLOWS: u32 = 4096;
    /// Destination address of all frames, locally administered.
    pub const DESTINATION: [u8; 6] = [0x02, b'i', b'x', b'y', 0, 2];
    /// Source address of all frames.
    pub const SOURCE: [u8; 6] = [0x02, b'i', b'x', b'y', 0, 1];

    /// Builds the frames. A size or number of flows out of range becomes the nearest valid one.
    pub fn new(size: usize, flows: u32) -> Self {
        let size = size.clamp(*Self::SIZES.start(), *Self::SIZES.end());
        let flows = flows.clamp(1, Self::FLOWS) as u16;
        let frames = (0..flows).flat_map(|flow| udp_frame(size, 1024 + flow)).collect();
        Flood { frames, size, front: 0, received: 0, transmitted: 0, transmitted_bytes: 0 }
    }

    /// Number of frames taken from the source.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Frames and bytes sent to the sink.
    pub fn transmitted(&self) -> (u64, u64) {
        (self.transmitted, self.transmitted_bytes)
    }
}

impl Wire for Flood {
    fn front(&mut self) -> Option<&[u8]> {
        self.frames.get(self.front..self.front + self.size)
    }

    fn consume(&mut self) {
        self.received += 1;
        self.front += self.size;
        if self.front == self.frames.len() {
            self.front = 0;
        }
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        self.transmitted += u64::from(!frame.is_empty());
        self.transmitted_bytes += frame.len() as u64;
        true
    }

    fn wakes(&self) -> Wakes<'_> {
        Wakes::NEVER
    }
}

/// A frame of `size` bytes, at least 60, from `port` to the discard port.
fn udp_frame(size: usize, port: u16) -> Vec<u8> {
    let addresses = [[198, 18, 0, 1], [198, 19, 0, 1]].concat();
    let ip_length = (size - 14) as u16;
    let udp_length = (size - 34) as u16;

    let mut ip = Vec::with_capacity(20);
    ip.extend([0x45, 0]);
    ip.extend(ip_length.to_be_bytes());
    // Identification 0, don't fragment, 64 hops, UDP, checksum yet to come.
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    ip.extend(&addresses);
    let checksum = !ones_complement_sum(0, &ip);
    ip.splice(10..12, checksum.to_be_bytes());

    let mut udp = Vec::with_capacity(size - 34);
    udp.extend(port.to_be_bytes());
    udp.extend(9u16.to_be_bytes());
    udp.extend(udp_length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend((0..size - HEADERS).map(|n| n as u8));
    // The pseudo header: addresses, protocol, length (RFC 768).
    let pseudo = ones_complement_sum(17 + u32::from(udp_length), &addresses);
    let checksum = match !ones_complement_sum(pseudo.into(), &udp) {
        // Zero would mean that there is no checksum.
        0 => 0xffff,
        checksum => checksum,
    };
    udp.splice(6..8, checksum.to_be_bytes());

    [&Flood::DESTINATION[..], &Flood::SOURCE, &[0x08, 0x00], &ip, &udp].concat()
}

/// The sum that Internet checksums are the complement of (RFC 1071).
fn ones_complement_sum(start: u32, bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum = words.fold(start, u32::wrapping_add);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    /// Checks a frame with another parser; gives its source port.
    fn check(frame: &[u8]) -> u16 {
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let Some(NetSlice::Ipv4(ip)) = &packet.net else { unreachable!("not IPv4") };
        let header = ip.header().to_header();
        assert_eq!(header.calc_header_checksum(), header.header_checksum);
        assert_eq!(usize::from(header.total_len), frame.len() - 14);
        let Some(TransportSlice::Udp(udp)) = &packet.transport else { unreachable!("not UDP") };
        let wanted = udp.to_header().calc_checksum_ipv4(&header, udp.payload()).unwrap();
        assert_eq!(udp.checksum(), wanted);
        assert_eq!(usize::from(udp.length()), frame.len() - 34);
        udp.source_port()
    }

    #[test]
    fn frames_of_every_size_are_valid_and_of_that_size() {
        for size in Flood::SIZES {
            let mut flood = Flood::new(size, 1);
            let frame = flood.front().unwrap();
            assert_eq!(frame.len(), size);
            check(frame);
        }
    }

    #[test]
    fn flows_take_turns_and_are_all_distinct() {
        for flows in [1, 2, 7, Flood::FLOWS] {
            let mut flood = Flood::new(60, flows);
            let mut take = || {
                let port = check(flood.front().unwrap());
                assert_eq!(check(flood.front().unwrap()), port, "the front frame stays until it is consumed");
                flood.consume();
                port
            };
            let first: Vec<u16> = (0..flows).map(|_| take()).collect();
            assert_eq!(first.iter().collect::<HashSet<_>>().len(), flows as usize);
            assert_eq!(first, (0..flows).map(|_| take()).collect::<Vec<_>>());
            assert_eq!(flood.received(), 2 * u64::from(flows));
        }
    }

    #[test]
    fn the_sink_counts_and_never_refuses() {
        let mut flood = Flood::new(60, 1);
        for _ in 0..10_000 {
            assert!(flood.transmit(&[0; 100]));
        }
        assert_eq!(flood.transmitted(), (10_000, 1_000_000));
        assert!(flood.link_up() && flood.waits() && !flood.ended());
        flood.close_transmit();
        assert!(!flood.ended(), "the source is endless");
    }

    #[test]
    fn the_sum_is_the_one_of_the_worked_example_in_rfc_1071() {
        assert_eq!(ones_complement_sum(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        assert_eq!(ones_complement_sum(0, &[0x12]), 0x1200);
    }
}
