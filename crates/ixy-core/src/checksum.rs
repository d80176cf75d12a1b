//! Checksums that are not computed yet: [`Checksum`].

use crate::batch::Batch;

/// The state of a frame's transport checksum: known, or still to be computed.
///
/// Two virtual machines on one host need not compute checksums: one sends a frame whose checksum is missing,
/// and the other receives it like that (Linux calls this `CHECKSUM_PARTIAL`). Drivers allow it only on
/// request, because a program that forwards such a frame through another card would send a damaged one.
/// [`RxQueue::receive`](crate::RxQueue::receive) always gives complete frames; a program that handles missing
/// checksums uses [`receive_with`](crate::RxQueue::receive_with) and
/// [`send_with`](crate::TxQueue::send_with).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// The frame contains it.
    #[default]
    InFrame,
    /// The frame contains it, and the device has verified it.
    Verified,
    /// Missing: the ones' complement sum of all bytes from `start` to the end of the frame belongs at
    /// `start + offset`, which holds the sum of the pseudo header already. In a received frame that place is
    /// inside.
    Owed {
        /// Where the sum starts, in bytes from the start of the frame.
        start: u16,
        /// Where it belongs, in bytes from there.
        offset: u16,
    },
}

/// The checksum states of a batch's packets: that of packet `n` at index `n`.
pub type Checksums = [Checksum; Batch::CAPACITY];

impl Checksum {
    /// Whether the checksum field is inside a frame of `len` bytes; always true when none is missing.
    #[inline(always)]
    pub fn is_within(self, len: usize) -> bool {
        match self {
            Self::Owed { start, offset } => usize::from(start) + usize::from(offset) + 2 <= len,
            Self::InFrame | Self::Verified => true,
        }
    }

    /// Computes the checksum that is missing in `frame`. Returns `false`, and changes nothing, when its place
    /// is outside.
    pub fn complete(self, frame: &mut [u8]) -> bool {
        let Self::Owed { start, offset } = self else { return true };
        if !self.is_within(frame.len()) {
            return false;
        }
        let (start, at) = (usize::from(start), usize::from(start) + usize::from(offset));
        let (words, last) = frame[start..].as_chunks::<2>();
        let mut sum: u64 = words.iter().map(|&word| u64::from(u16::from_be_bytes(word))).sum();
        sum += last.first().map_or(0, |&byte| u64::from(byte) << 8);
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        // Zero would mean "no checksum" (RFC 768); to a receiver's check, all ones and zero are the same.
        let sum = if sum == 0xFFFF { 0xFFFF } else { !(sum as u16) };
        frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        true
    }

    /// Moves the checksum states of the packets that stay once the first `sent` of `len` have left their batch:
    /// for implementations of [`TxQueue::send_with`](crate::TxQueue::send_with).
    pub fn advance(checksums: &mut Checksums, sent: usize, len: usize) {
        let len = len.min(checksums.len());
        if (1..=len).contains(&sent) {
            checksums.copy_within(sent..len, 0);
        }
    }
}

/// Computes the missing checksum of each packet of `batch`.
pub(crate) fn complete_all(batch: &mut Batch, checksums: &mut Checksums) {
    for (packet, checksum) in batch.iter_mut().zip(checksums) {
        // A place outside of the packet is the caller's mistake, and changes nothing.
        let _inside = std::mem::take(checksum).complete(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum as a receiver computes it: all ones when the checksum is right.
    fn sum(bytes: &[u8]) -> u16 {
        let mut sum = 0_u64;
        for pair in bytes.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
        }
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn what_is_owed_makes_the_sum_all_ones() {
        for len in [20, 21, 60, 61, 1514, 2048] {
            let mut frame: Vec<u8> = (0..len).map(|n| (n * 7 + 3) as u8).collect();
            let before = frame.clone();
            assert!(Checksum::Owed { start: 4, offset: 6 }.complete(&mut frame));
            // The place already holds a part of the sum, as with a pseudo header.
            let pseudo = u64::from(sum(&before[10..12]));
            let mut rest = frame[4..].to_vec();
            let total = u64::from(sum(&rest)) + pseudo;
            assert_eq!((total % 0xFFFF) as u16, 0, "{len} bytes");
            rest.truncate(0);
            assert_eq!(frame[..10], before[..10]);
            assert_eq!(frame[12..], before[12..]);
        }
    }

    #[test]
    fn a_sum_of_zero_is_written_as_all_ones() {
        let mut frame = [0xFF, 0xFF, 0, 0];
        assert!(Checksum::Owed { start: 0, offset: 2 }.complete(&mut frame));
        assert_eq!(frame, [0xFF; 4]);
    }

    #[test]
    fn a_place_outside_of_the_frame_changes_nothing() {
        for (start, offset) in [(0, 19), (20, 0), (19, 0), (u16::MAX, u16::MAX), (0, u16::MAX)] {
            let mut frame = [7; 20];
            assert!(!Checksum::Owed { start, offset }.complete(&mut frame), "{start} {offset}");
            assert_eq!(frame, [7; 20]);
        }
        assert!(Checksum::Owed { start: 0, offset: 18 }.complete(&mut [7; 20]));
    }

    #[test]
    fn checksums_stay_with_their_packets() {
        let mut checksums: Checksums = std::array::from_fn(|n| Checksum::Owed { start: n as u16, offset: 0 });
        Checksum::advance(&mut checksums, 3, 8);
        assert_eq!(
            checksums[..5],
            std::array::from_fn::<_, 5, _>(|n| Checksum::Owed { start: n as u16 + 3, offset: 0 })
        );
        let before = checksums;
        for (sent, len) in [(0, 8), (9, 8), (300, 300)] {
            Checksum::advance(&mut checksums, sent, len);
            assert_eq!(checksums, before, "{sent} of {len}");
        }
    }
}
