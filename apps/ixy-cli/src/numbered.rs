//! The mark and the number that ixy-pktgen writes into its frames, and that ixy-dump reads.

/// The start of a numbered frame's UDP payload. Its last four bytes are the number, big-endian.
pub const MARK: [u8; 4] = *b"ixy#";

/// The number of a frame from ixy-pktgen; `None` for any other frame.
///
/// A forwarder may have added VLAN tags, or padding after the payload.
pub fn number(frame: &[u8]) -> Option<u32> {
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
    payload.strip_prefix(&MARK)?.last_chunk().map(|number| u32::from_be_bytes(*number))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_be_bytes(*two))
}
