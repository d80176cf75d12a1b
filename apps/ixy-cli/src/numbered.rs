//! The mark and the number that ixy-pktgen writes into its frames, and that ixy-dump reads.

/// The start of a numbered frame's UDP payload. Its last four bytes are the number, big-endian.
pub const MARK: [u8; 4] = *b"ixy#";

/// The number in a frame from ixy-pktgen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// As it was sent, as far as can be told: only IPv6 packets have the number's complement before it.
    Intact(u32),
    /// The number or its complement was damaged on the way.
    Damaged,
}

/// The number of a frame from ixy-pktgen; `None` for any other frame, and if the number is damaged.
///
/// A forwarder may have added VLAN tags, or padding after the payload.
pub fn number(frame: &[u8]) -> Option<u32> {
    match read(frame)? {
        Number::Intact(number) => Some(number),
        Number::Damaged => None,
    }
}

/// Reads the number of a frame from ixy-pktgen; `None` for any other frame.
pub fn read(frame: &[u8]) -> Option<Number> {
    let (mut kind, mut packet) = (half(frame, 12)?, frame.get(14..)?);
    for _ in 0..2 {
        if matches!(kind, 0x8100 | 0x88a8) {
            (kind, packet) = (half(packet, 2)?, packet.get(4..)?);
        }
    }
    // UDP follows an IPv4 header without options, or an IPv6 header (RFC 791, RFC 8200).
    let datagram = match kind {
        0x0800 if packet.first() == Some(&0x45) && packet.get(9) == Some(&17) => packet.get(20..)?,
        0x86dd if packet.get(6) == Some(&17) => packet.get(40..)?,
        _ => return None,
    };
    let length = half(datagram, 4)?;
    let payload = datagram.get(8..length.into())?;
    let rest = payload.strip_prefix(&MARK)?;
    let number = rest.last_chunk().map(|number| u32::from_be_bytes(*number))?;
    if kind == 0x86dd
        && rest.last_chunk().is_some_and(|both| (u64::from_be_bytes(*both) >> 32) as u32 != !number)
    {
        return Some(Number::Damaged);
    }
    Some(Number::Intact(number))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv6 frame of ixy-pktgen.
    fn v6(number: u32) -> Vec<u8> {
        let mut frame = vec![0; 74];
        frame[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
        frame[20] = 17;
        frame[59] = 20;
        frame[62..66].copy_from_slice(&MARK);
        frame[66..70].copy_from_slice(&(!number).to_be_bytes());
        frame[70..].copy_from_slice(&number.to_be_bytes());
        frame
    }

    #[test]
    fn a_damaged_number_is_recognised_by_its_complement() {
        assert_eq!(read(&v6(0x0102_0304)), Some(Number::Intact(0x0102_0304)));
        for bit in 0..64 {
            let mut frame = v6(0x0102_0304);
            frame[66 + bit / 8] ^= 1 << (bit % 8);
            assert_eq!((read(&frame), number(&frame)), (Some(Number::Damaged), None), "bit {bit}");
        }
    }
}
