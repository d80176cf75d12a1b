//! Feature bits: the device offers a set of [`Features`], the driver accepts a part of it (section 2.2).

bitflags::bitflags! {
    /// A set of features, of all devices and of network devices.
    ///
    /// Bits 0 to 23 and 50 to 63 belong to the network device (section 5.1.3), without `VIRTIO_NET_F_`; the others
    /// to every device (chapter 6), without `VIRTIO_F_`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Features: u64 {
        /// The device completes the checksums of frames to send.
        const CSUM = 1 << 0;
        /// The driver accepts frames with incomplete checksums.
        const GUEST_CSUM = 1 << 1;
        /// The driver can change offloads while it runs.
        const CTRL_GUEST_OFFLOADS = 1 << 2;
        /// The device reports the largest packet (MTU).
        const MTU = 1 << 3;
        /// The device reports its MAC address.
        const MAC = 1 << 5;
        /// Legacy: the device segments all kinds of frames.
        const GSO = 1 << 6;
        /// The driver accepts unsegmented TCP over IPv4.
        const GUEST_TSO4 = 1 << 7;
        /// The driver accepts unsegmented TCP over IPv6.
        const GUEST_TSO6 = 1 << 8;
        /// The driver accepts unsegmented TCP with ECN.
        const GUEST_ECN = 1 << 9;
        /// The driver accepts unfragmented UDP.
        const GUEST_UFO = 1 << 10;
        /// The device segments TCP over IPv4.
        const HOST_TSO4 = 1 << 11;
        /// The device segments TCP over IPv6.
        const HOST_TSO6 = 1 << 12;
        /// The device segments TCP with ECN.
        const HOST_ECN = 1 << 13;
        /// The device fragments UDP.
        const HOST_UFO = 1 << 14;
        /// A received frame may span several buffers, and the header gives their number.
        const MRG_RXBUF = 1 << 15;
        /// The device reports whether there is a link.
        const STATUS = 1 << 16;
        /// There is a control queue.
        const CTRL_VQ = 1 << 17;
        /// Promiscuous mode and address filters are set through it.
        const CTRL_RX = 1 << 18;
        /// VLAN filters are set through it, too.
        const CTRL_VLAN = 1 << 19;
        /// The other receive modes are set through it, too.
        const CTRL_RX_EXTRA = 1 << 20;
        /// The driver announces itself when asked to.
        const GUEST_ANNOUNCE = 1 << 21;
        /// There are several pairs of queues, and the device chooses among them.
        const MQ = 1 << 22;
        /// The MAC address is set through the control queue.
        const CTRL_MAC_ADDR = 1 << 23;
        /// Legacy: the device notifies when it runs out of buffers, even with notifications off.
        const NOTIFY_ON_EMPTY = 1 << 24;
        /// Legacy: the driver may divide header and frame among descriptors freely.
        const ANY_LAYOUT = 1 << 27;
        /// A descriptor can name a table of descriptors.
        const INDIRECT_DESC = 1 << 28;
        /// Notifications are requested by index.
        const EVENT_IDX = 1 << 29;
        /// The device follows version 1 of the specification, so it is not a legacy device.
        const VERSION_1 = 1 << 32;
        /// The device reaches memory by the platform's rules: through an IOMMU, if there is one.
        const ACCESS_PLATFORM = 1 << 33;
        /// Rings are packed.
        const RING_PACKED = 1 << 34;
        /// Buffers are used in the order in which they were made available.
        const IN_ORDER = 1 << 35;
        /// Memory accesses need the order that hardware needs.
        const ORDER_PLATFORM = 1 << 36;
        /// The device has virtual functions (SR-IOV).
        const SR_IOV = 1 << 37;
        /// A notification also contains the position in the ring.
        const NOTIFICATION_DATA = 1 << 38;
        /// A notification names the queue in the way the device asks for.
        const NOTIF_CONFIG_DATA = 1 << 39;
        /// A queue can be reset by itself.
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
        /// The driver accepts unsegmented UDP over IPv4 (version 1.3).
        const GUEST_USO4 = 1 << 54;
        /// The driver accepts unsegmented UDP over IPv6 (version 1.3).
        const GUEST_USO6 = 1 << 55;
        /// The device segments UDP.
        const HOST_USO = 1 << 56;
        /// The header of a received frame has a hash.
        const HASH_REPORT = 1 << 57;
        /// The driver gives the exact length of headers.
        const GUEST_HDRLEN = 1 << 59;
        /// The device distributes frames by a hash that the driver sets up.
        const RSS = 1 << 60;
        /// The device reports coalesced segments and acknowledgements.
        const RSC_EXT = 1 << 61;
        /// The device stands in for another with the same MAC address.
        const STANDBY = 1 << 62;
        /// The device reports speed and duplex.
        const SPEED_DUPLEX = 1 << 63;
    }
}

/// The requirements of features: a feature may be accepted only with at least one of the features beside it, in
/// each of its rows (section 5.1.3.1). The rows of a feature come after those of its requirements.
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
    /// The set with bits 0 to 31 in the first word, and 32 to 63 in the second; unknown bits are kept.
    #[inline]
    pub const fn from_words(words: [u32; 2]) -> Self {
        Self::from_bits_retain(words[0] as u64 | (words[1] as u64) << 32)
    }

    /// The set as two words, bits 0 to 31 first.
    #[inline]
    pub const fn words(self) -> [u32; 2] {
        [self.bits() as u32, (self.bits() >> 32) as u32]
    }

    /// The set without features that lack a requirement. For example, a device that offers MQ without a control
    /// queue has no usable MQ.
    pub const fn usable(mut self) -> Self {
        // The rows of a feature's requirements come before its own.
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
                "comes before a feature that it requires"
            );
            earlier += 1;
        }
        row += 1;
    }
};
