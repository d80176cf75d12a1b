//! The network device (section 5.1): its configuration, and the header before every frame.
//!
//! The fields of the device configuration exist only with certain features, and the last ones are missing in a
//! device without any of these. So there is a map for each group; all of them start where the configuration
//! starts.
//!
//! Queues 0, 2, 4 ... receive, 1, 3, 5 ... send, and the one after the last pair is the control queue, with
//! [`control`] commands.

pub mod control;

use zerocopy::little_endian::{U16, U32};

use crate::registers;
use crate::virtio::features::Features;
use crate::virtio::fields::{DUPLEX, NET_STATUS};

registers! {
    /// The MAC address, valid with MAC, and the link's state, valid with STATUS. Only legacy devices take writes
    /// to the address, from the first byte to the last; others ignore them.
    pub unsafe struct Config, 8;

    0 + 1 * 6 MAC "5.1.4" => mac: u8, RW;
    6 STATUS "5.1.4" => status: u16 NET_STATUS, RO;
}

registers! {
    /// The number of queue pairs, with MQ or RSS.
    pub unsafe struct Multiqueue, 10;

    8 MAX_VIRTQUEUE_PAIRS "5.1.4" => max_virtqueue_pairs: u16, RO;
}

registers! {
    /// The largest packet in bytes, without Ethernet header, with MTU.
    pub unsafe struct Mtu, 12;

    10 MTU "5.1.4" => mtu: u16, RO;
}

registers! {
    /// Speed in Mbit/s, unknown above 0x7FFF_FFFF, and duplex, with SPEED_DUPLEX.
    pub unsafe struct Speed, 17;

    12 SPEED "5.1.4" => speed: u32, RO;
    16 DUPLEX "5.1.4" => duplex: u8 DUPLEX, RO;
}

registers! {
    /// The limits of RSS, with RSS or HASH_REPORT.
    pub unsafe struct Rss, 24;

    17 RSS_MAX_KEY_SIZE "5.1.4" => rss_max_key_size: u8, RO;
    18 RSS_MAX_INDIRECTION_TABLE_LENGTH "5.1.4" => rss_max_indirection_table_length: u16, RO;
    20 SUPPORTED_HASH_TYPES "5.1.4" => supported_hash_types: u32, RO;
}

structure! {
    /// The header before every frame, in both directions (section 5.1.6; specification: `struct virtio_net_hdr`).
    ///
    /// All zeros is right for a complete frame; with MRG_RXBUF the device writes `num_buffers`. Its length depends
    /// on the negotiated features, see [`Header::size`].
    Header, 12 {
        /// See [`HeaderFlags`].
        0 flags: u8,
        /// The kind of segmentation, see [`gso`].
        1 gso_type: u8,
        /// Bytes of all headers, as a hint for segmentation.
        2 hdr_len: U16,
        /// Bytes of payload in each segment.
        4 gso_size: U16,
        /// The start of the checksum's input, in bytes from the start of the frame.
        6 csum_start: U16,
        /// The place of the checksum, in bytes from `csum_start`.
        8 csum_offset: U16,
        /// The number of buffers of a received frame.
        10 num_buffers: U16,
    }
}

structure! {
    /// The header with HASH_REPORT (section 5.1.6).
    HashHeader, 20 {
        /// The common part of all headers.
        0 header: Header,
        /// The frame's hash.
        12 hash_value: U32,
        /// The input of the hash; 0 for no hash.
        16 hash_report: U16,
        /// Unused.
        18 padding_reserved: U16,
    }
}

impl Header {
    /// Size of the header without VERSION_1 and MRG_RXBUF: it ends before `num_buffers`.
    pub const LEGACY_SIZE: usize = core::mem::offset_of!(Self, num_buffers);

    /// Size of the header with VERSION_1 or MRG_RXBUF.
    pub const SIZE: usize = size_of::<Self>();

    /// Size of the header with the negotiated `features` (sections 5.1.6 and 5.1.6.1).
    pub const fn size(features: Features) -> usize {
        if features.contains(Features::HASH_REPORT) {
            size_of::<HashHeader>()
        } else if features.intersects(Features::VERSION_1.union(Features::MRG_RXBUF)) {
            Self::SIZE
        } else {
            Self::LEGACY_SIZE
        }
    }
}

bitflags::bitflags! {
    /// The header's `flags` (section 5.1.6).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct HeaderFlags: u8 {
        /// The checksum is incomplete; `csum_start` and `csum_offset` give its places.
        const NEEDS_CSUM = 1 << 0;
        /// The device has checked the checksum, and it is right.
        const DATA_VALID = 1 << 1;
        /// `csum_start` and `csum_offset` count coalesced segments and acknowledgements instead (RSC_EXT).
        const RSC_INFO = 1 << 2;
    }
}

constants! {
    /// The header's `gso_type` (section 5.1.6).
    gso: u8 {
        /// The frame is not segmented.
        NONE = 0;
        /// TCP over IPv4.
        TCPV4 = 1;
        /// UDP, to be fragmented.
        UDP = 3;
        /// TCP over IPv6.
        TCPV6 = 4;
        /// UDP, to be segmented.
        UDP_L4 = 5;
        /// May be added to TCP: the segments have ECN.
        ECN = 0x80;
    }
}
