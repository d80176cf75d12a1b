//! The counters of a device: [`DeviceStats`], [`QueueStats`].

use std::ops::Sub;

/// Bytes of a frame on the wire that are not in its packet: preamble and start (8), frame check sequence (4),
/// and the gap between frames (12).
pub const FRAMING: u64 = 24;

/// Bytes of the longest frame that every driver receives and sends, without frame check sequence: 1,500 bytes
/// of content, the Ethernet header, and two VLAN tags.
///
/// A card may take more: an 82599 takes 4 bytes more if the first tag is of its own type.
pub const LONGEST_FRAME: u16 = 1522;

/// Bytes of the frame check sequence at the end of each frame on the wire, which the lengths in a card's
/// registers include.
pub const FCS: u16 = 4;

/// Counters of a device since it was opened, 64 bits each.
///
/// ```
/// use ixy_core::DeviceStats;
///
/// let before = DeviceStats { rx_packets: 1_000, rx_bytes: 60_000, ..DeviceStats::default() };
/// let after = DeviceStats { rx_packets: 4_000, rx_bytes: 240_000, ..before };
/// let between = after - before;
/// assert_eq!((between.rx_packets, between.rx_bytes), (3_000, 180_000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeviceStats {
    /// Frames that were received into memory.
    pub rx_packets: u64,
    /// Bytes of these frames, without the frame check sequence.
    pub rx_bytes: u64,
    /// Frames that arrived intact and were lost: no free descriptor, or no room in the card's own buffer.
    pub rx_missed: u64,
    /// Frames that arrived damaged: wrong check sequence, too short, too long. With a bad cable or module a
    /// card may also count noise, so this can be far above the number of frames.
    pub rx_errors: u64,
    /// Frames that reached memory and were dropped there by the driver: longer than a buffer, or with a
    /// length that the buffer cannot hold.
    pub rx_dropped: u64,
    /// Frames that were sent.
    pub tx_packets: u64,
    /// Bytes of these frames, without the frame check sequence.
    pub tx_bytes: u64,
}

impl Sub for DeviceStats {
    type Output = Self;

    /// The counts between two readings.
    fn sub(self, before: Self) -> Self {
        Self {
            rx_packets: self.rx_packets.saturating_sub(before.rx_packets),
            rx_bytes: self.rx_bytes.saturating_sub(before.rx_bytes),
            rx_missed: self.rx_missed.saturating_sub(before.rx_missed),
            rx_errors: self.rx_errors.saturating_sub(before.rx_errors),
            rx_dropped: self.rx_dropped.saturating_sub(before.rx_dropped),
            tx_packets: self.tx_packets.saturating_sub(before.tx_packets),
            tx_bytes: self.tx_bytes.saturating_sub(before.tx_bytes),
        }
    }
}

/// Counters of one pair of queues since the device was opened, 64 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Frames that the receive queue wrote to memory.
    pub rx_packets: u64,
    /// Bytes of these frames, without the frame check sequence.
    pub rx_bytes: u64,
    /// Frames that the transmit queue sent.
    pub tx_packets: u64,
    /// Bytes of these frames, without the frame check sequence.
    pub tx_bytes: u64,
}

impl Sub for QueueStats {
    type Output = Self;

    /// The counts between two readings.
    fn sub(self, before: Self) -> Self {
        Self {
            rx_packets: self.rx_packets.saturating_sub(before.rx_packets),
            rx_bytes: self.rx_bytes.saturating_sub(before.rx_bytes),
            tx_packets: self.tx_packets.saturating_sub(before.tx_packets),
            tx_bytes: self.tx_bytes.saturating_sub(before.tx_bytes),
        }
    }
}

impl DeviceStats {
    /// Bits that the received frames took on the wire.
    pub fn rx_wire_bits(&self) -> u64 {
        (self.rx_bytes + self.rx_packets * FRAMING) * 8
    }

    /// Bits that the sent frames took on the wire.
    pub fn tx_wire_bits(&self) -> u64 {
        (self.tx_bytes + self.tx_packets * FRAMING) * 8
    }
}
