//! Feature bits: the device offers a set of [`Features`], the driver accepts a part of it (section 2.2).

bitflags::bitflags! {
    /// A set of features: those of every device, and those of network devices.
    ///
    /// Bits 0 to 23 and 50 to 63 are the network device's (section 5.1.3), without `VIRTIO_NET_F_`; the others every
    /// device's (chapter 6), without `VIRTIO_F_`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Features: u64 {
        /// The device completes checksums of frames that it is given without.
        const CSUM = 1 << 0;
        /// The driver takes frames without checksum.
        const GUEST_CSUM = 1 << 1;
        /// The driver can change offloads while it runs.
        const CTRL_GUEST_OFFLOADS = 1 << 2;
        /// The device says the largest packet (MTU).
        const MTU = 1 << 3;
        /// The device says its MAC address.
        const MAC = 1 << 5;
        /// Legacy: the device segments whatever it is given.
        const GSO = 1 << 6;
        /// The driver takes TCP over IPv4 that is not segmented.
        const GUEST_TSO4 = 1 << 7;
        /// The driver takes TCP over IPv6 that is not segmented.
        const GUEST_TSO6 = 1 << 8;
        /// The driver takes TCP with ECN that is not segmented.
        const GUEST_ECN = 1 << 9;
        /// The driver takes UDP that is not fragmented.
        const GUEST_UFO = 1 << 10;
        /// The device segments TCP over IPv4.
        const HOST_TSO4 = 1 << 11;
        /// The device segments TCP over IPv6.
        const HOST_TSO6 = 1 << 12;
        /// The device segments TCP with ECN.
        const HOST_ECN = 1 << 13;
        /// The device fragments UDP.
        const HOST_UFO = 1 << 14;
        /// A received frame may span several buffers, and the header says how many.
        const MRG_RXBUF = 1 << 15;
        /// The device says whether there is a link.
        const STATUS = 1 << 16;
        /// There is a control queue.
        const CTRL_VQ = 1 << 17;
        /// Promiscuous mode and address filters are set through it.
        const CTRL_RX = 1 << 18;
        /// So is the filter of VLANs.
        const CTRL_VLAN = 1 << 19;
        /// So are the other receive modes.
        const CTRL_RX_EXTRA = 1 << 20;
        /// The driver announces itself when it is asked to.
        const GUEST_ANNOUNCE = 1 << 21;
        /// There are several pairs of queues, and the device chooses among them.
        const MQ = 1 << 22;
        /// The MAC address is set through the control queue.
        const CTRL_MAC_ADDR = 1 << 23;
        /// Legacy: the device notifies when it runs out of buffers, also where notifications are off.
        const NOTIFY_ON_EMPTY = 1 << 24;
        /// Legacy: header and frame may lie in descriptors as the driver likes.
        const ANY_LAYOUT = 1 << 27;
        /// A descriptor can name a table of descriptors.
        const INDIRECT_DESC = 1 << 28;
        /// Notifications are asked for by index.
        const EVENT_IDX = 1 << 29;
        /// The device follows version 1 of the specification: it is no legacy device.
        const VERSION_1 = 1 << 32;
        /// The device reaches memory as the platform lets it: through an IOMMU, where there is one.
        const ACCESS_PLATFORM = 1 << 33;
        /// Rings are packed.
        const RING_PACKED = 1 << 34;
        /// Buffers are used in the order in which they were made available.
        const IN_ORDER = 1 << 35;
        /// Memory accesses are to be ordered as for hardware.
        const ORDER_PLATFORM = 1 << 36;
        /// The device has virtual functions (SR-IOV).
        const SR_IOV = 1 << 37;
        /// A notification says also how far the ring is.
        const NOTIFICATION_DATA = 1 << 38;
        /// A notification names the queue as the device asks for.
        const NOTIF_CONFIG_DATA = 1 << 39;
        /// A queue can be reset alone.
        const RING_RESET = 1 << 40;
        /// There are administration queues (version 1.3).
        const ADMIN_VQ = 1 << 41;
        /// The device has statistics (version 1.4).
        const DEVICE_STATS = 1 << 50;
        /// Tunnelled packets are hashed by their inner header (version 1.3).
        const HASH_TUNNEL = 1 << 51;
        /// Notifications are coalesced per queue (version 1.3).
        const VQ_NOTF_COAL = 1 << 52;
        /// Notifications are coalesced (version 1.3).
        const NOTF_COAL = 1 << 53;
        /// The driver takes UDP over IPv4 that is not segmented (version 1.3).
        const GUEST_USO4 = 1 << 54;
        /// The driver takes UDP over IPv6 that is not segmented (version 1.3).
        const GUEST_USO6 = 1 << 55;
        /// The device segments UDP.
        const HOST_USO = 1 << 56;
        /// The header of a received frame has a hash.
        const HASH_REPORT = 1 << 57;
        /// The driver says the exact length of headers.
        const GUEST_HDRLEN = 1 << 59;
        /// The device distributes frames by a hash that the driver sets up.
        const RSS = 1 << 60;
        /// The device reports coalesced segments and acknowledgements.
        const RSC_EXT = 1 << 61;
        /// The device stands in for another with the same MAC address.
        const STANDBY = 1 << 62;
        /// The device says speed and duplex.
        const SPEED_DUPLEX = 1 << 63;
    }
}

/// What a feature requires: it may be accepted only with at least one of those beside it, in each row that it has
/// (section 5.1.3.1). Rows stand behind those of what they require.
pub const REQUIREMENTS: &[(Features, Features)] = &[
    (Features::GUEST_TSO4, Features::GUEST_CSUM),
    (Features::GUEST_TSO6, Features::GUEST_CSUM),
    (Features::GUEST_UFO, Features::GUEST_CSUM),
    (Features::GUEST_USO4, Features::GUEST_CSUM),
    (Features::GUEST_USO6, Features::GUEST_CSUM),
    (Features::GUEST_ECN, Features::GUEST_TSO4.union(Features::GUEST_TSO6)),
    (Features::HOST_TSO4, Features::CSUM),
    (Features::HOST_TSO6, Features::CSUM),
    (Features::HOST_UFO, Features::CSUM),
    (Features::HOST_USO, Features::CSUM),
    (Features::HOST_ECN, Features::HOST_TSO4.union(Features::HOST_TSO6)),
    (Features::RSC_EXT, Features::HOST_TSO4.union(Features::HOST_TSO6)),
    (Features::CTRL_RX, Features::CTRL_VQ),
    (Features::CTRL_VLAN, Features::CTRL_VQ),
    (Features::GUEST_ANNOUNCE, Features::CTRL_VQ),
    (Features::MQ, Features::CTRL_VQ),
    (Features::CTRL_MAC_ADDR, Features::CTRL_VQ),
    (Features::NOTF_COAL, Features::CTRL_VQ),
    (Features::VQ_NOTF_COAL, Features::CTRL_VQ),
    (Features::RSS, Features::CTRL_VQ),
    (Features::HASH_TUNNEL, Features::CTRL_VQ),
    (Features::HASH_TUNNEL, Features::RSS.union(Features::HASH_REPORT)),
];

impl Features {
    /// The set whose bits 0 to 31 are the first word, and 32 to 63 the second, unknown ones included.
    #[inline]
    pub const fn from_words(words: [u32; 2]) -> Self {
        Self::from_bits_retain(words[0] as u64 | (words[1] as u64) << 32)
    }

    /// The set as two words, bits 0 to 31 first.
    #[inline]
    pub const fn words(self) -> [u32; 2] {
        [self.bits() as u32, (self.bits() >> 32) as u32]
    }

    /// The set without features that require one that is not in it. A device that offers MQ without a control queue, say,
    /// offers no MQ.
    pub const fn usable(mut self) -> Self {
        // A feature is looked at after what it requires.
        let mut row = 0;
        while row < REQUIREMENTS.len() {
            let (feature, required) = REQUIREMENTS[row];
            if !self.intersects(required) {
                self = self.difference(feature);
            }
            row += 1;
        }
        self
    }
}

const _: () = {
    let mut row = 0;
    while row < REQUIREMENTS.len() {
        let mut earlier = 0;
        while earlier < row {
            assert!(
                !REQUIREMENTS[earlier].1.intersects(REQUIREMENTS[row].0),
                "stands before what it requires"
            );
            earlier += 1;
        }
        row += 1;
    }
};
