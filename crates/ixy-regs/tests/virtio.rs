//! Virtio's registers are accessed in their width, windows stay inside their bus, and structures in memory match
//! the specification.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ixy_regs::bus::Bus;
use ixy_regs::map::{Register, WindowTooSmall};
use ixy_regs::virtio::capability::{Capability, ConfigType, NotifyCapability};
use ixy_regs::virtio::features::{Features, REQUIREMENTS};
use ixy_regs::virtio::net::{self, Header, HeaderFlags, control};
use ixy_regs::virtio::ring::{DescriptorFlags, packed, split};
use ixy_regs::virtio::{DUPLEX, ISR, MAPS, NET_STATUS, STATUS, legacy, modern};
use ixy_regs::window::{Refused, Window};
use zerocopy::IntoBytes;

/// An access as the device sees it: width in bits, offset, and the value written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Read(u32, u32),
    Write(u32, u32, u32),
}

/// Memory as a bus that checks every access, and records it.
#[derive(Clone)]
struct Recorder {
    bytes: Arc<Mutex<Vec<u8>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Recorder {
    /// Byte n has the value n, up to 255.
    fn new(len: usize) -> Self {
        let bytes = (0..len).map(|n| n.min(255) as u8).collect();
        Self { bytes: Arc::new(Mutex::new(bytes)), seen: Arc::default() }
    }

    /// The accesses since the last call.
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    fn read<const N: usize>(&self, offset: u32) -> [u8; N] {
        assert_eq!(offset as usize % N, 0, "{offset:#x} is not aligned to {N}");
        self.seen.lock().unwrap().push(Seen::Read(N as u32 * 8, offset));
        let bytes = self.bytes.lock().unwrap();
        let bytes = bytes.get(offset as usize..offset as usize + N);
        bytes.expect("inside the window").try_into().unwrap()
    }

    fn write<const N: usize>(&self, offset: u32, value: [u8; N]) {
        assert_eq!(offset as usize % N, 0, "{offset:#x} is not aligned to {N}");
        let mut word = [0; 4];
        word[..N].copy_from_slice(&value);
        self.seen.lock().unwrap().push(Seen::Write(N as u32 * 8, offset, u32::from_le_bytes(word)));
        let mut bytes = self.bytes.lock().unwrap();
        bytes
            .get_mut(offset as usize..offset as usize + N)
            .expect("inside the window")
            .copy_from_slice(&value);
    }
}

// SAFETY: BUS-WINDOW: the length never changes, and clones share the bytes; there is no device to be out of order.
unsafe impl Bus for Recorder {
    fn len(&self) -> u32 {
        self.bytes.lock().unwrap().len() as u32
    }

    unsafe fn read8(&self, offset: u32) -> u8 {
        u8::from_le_bytes(self.read(offset))
    }

    unsafe fn read16(&self, offset: u32) -> u16 {
        u16::from_le_bytes(self.read(offset))
    }

    unsafe fn read32(&self, offset: u32) -> u32 {
        u32::from_le_bytes(self.read(offset))
    }

    unsafe fn write8(&self, offset: u32, value: u8) {
        self.write(offset, value.to_le_bytes());
    }

    unsafe fn write16(&self, offset: u32, value: u16) {
        self.write(offset, value.to_le_bytes());
    }

    unsafe fn write32(&self, offset: u32, value: u32) {
        self.write(offset, value.to_le_bytes());
    }
}

#[test]
fn legacy_registers_are_accessed_in_their_width() {
    let bus = Recorder::new(32);
    let regs = legacy::Registers::new(bus.clone()).unwrap();
    assert_eq!(regs.device_features().get(), 0x0302_0100);
    regs.driver_features().set(7);
    regs.queue_select().set(1);
    assert_eq!(regs.queue_size().get(), 0x0D0C);
    // SAFETY: no device is behind this bus.
    unsafe {
        regs.queue_address().set_dma(0x12345);
        regs.queue_notify().set_dma(1);
        regs.device_status().write_dma(STATUS::ACKNOWLEDGE::SET);
        regs.device_status().modify_dma(STATUS::DRIVER::SET);
    }
    assert!(regs.isr_status().take().is_set(ISR::QUEUE));
    let seen = [
        Seen::Read(32, 0),
        Seen::Write(32, 4, 7),
        Seen::Write(16, 14, 1),
        Seen::Read(16, 12),
        Seen::Write(32, 8, 0x12345),
        Seen::Write(16, 16, 1),
        Seen::Write(8, 18, 1),
        Seen::Read(8, 18),
        Seen::Write(8, 18, 3),
        Seen::Read(8, 19),
    ];
    assert_eq!(bus.take(), seen);
    let msix = Window::new(bus.clone(), legacy::DEVICE_CONFIG, legacy::Msix::<Recorder>::SIZE).unwrap();
    legacy::Msix::new(msix).unwrap().queue_msix_vector().set(0xFFFF);
    assert_eq!(bus.take(), [Seen::Write(16, 22, 0xFFFF)]);
}

#[test]
fn the_common_configuration_is_accessed_in_its_widths() {
    let bus = Recorder::new(0x1000);
    let common = modern::CommonConfig::new(Window::new(bus.clone(), 0x100, 0x38).unwrap()).unwrap();
    common.driver_feature_select().set(1);
    assert_eq!(common.num_queues().get(), 0xFFFF);
    assert_eq!(common.config_generation().get(), 0xFF);
    common.queue_select().set(2);
    common.config_msix_vector().set(3);
    // SAFETY: no device is behind this bus.
    unsafe {
        common.queue_size().set_dma(256);
        common.queue_desc_lo().set_dma(0xDEAD_B000);
        common.queue_desc_hi().set_dma(1);
        common.queue_device_hi().set_dma(2);
        common.queue_enable().set_dma(1);
        common.device_status().set_dma(0);
    }
    let seen = [
        Seen::Write(32, 0x108, 1),
        Seen::Read(16, 0x112),
        Seen::Read(8, 0x115),
        Seen::Write(16, 0x116, 2),
        Seen::Write(16, 0x110, 3),
        Seen::Write(16, 0x118, 256),
        Seen::Write(32, 0x120, 0xDEAD_B000),
        Seen::Write(32, 0x124, 1),
        Seen::Write(32, 0x134, 2),
        Seen::Write(16, 0x11C, 1),
        Seen::Write(8, 0x114, 0),
    ];
    assert_eq!(bus.take(), seen);
}

#[test]
fn the_network_configuration_is_read_byte_by_byte_and_only_as_far_as_the_window_goes() {
    let bus = Recorder::new(24);
    let config = net::Config::new(bus.clone()).unwrap();
    let mac: Vec<_> = config.mac().iter().map(|byte| byte.get()).collect();
    assert_eq!(mac, [0, 1, 2, 3, 4, 5]);
    assert!(!config.status().is_set(NET_STATUS::LINK_UP) && config.status().is_set(NET_STATUS::ANNOUNCE));
    let speed = net::Speed::new(bus.clone()).unwrap();
    assert_eq!((speed.speed().get(), speed.duplex().read(DUPLEX::MODE)), (0x0F0E_0D0C, 16));
    assert_eq!(net::Rss::new(bus.clone()).unwrap().supported_hash_types().get(), 0x1716_1514);
    let mut seen: Vec<_> = (0..6).map(|n| Seen::Read(8, n)).collect();
    seen.extend([
        Seen::Read(16, 6),
        Seen::Read(16, 6),
        Seen::Read(32, 12),
        Seen::Read(8, 16),
        Seen::Read(32, 20),
    ]);
    assert_eq!(bus.take(), seen);
    // One byte less than a map's size is too little, and smaller maps still fit.
    for len in [7, 8, 9, 10, 11, 12, 16, 17, 23, 24] {
        let window = Window::new(bus.clone(), 0, len).unwrap();
        let there = [
            net::Config::new(window.clone()).is_ok(),
            net::Multiqueue::new(window.clone()).is_ok(),
            net::Mtu::new(window.clone()).is_ok(),
            net::Speed::new(window.clone()).is_ok(),
            net::Rss::new(window).is_ok(),
        ];
        let wanted = [8, 10, 12, 17, 24].map(|needed| needed <= len);
        assert_eq!(there, wanted, "of a configuration of {len} bytes");
    }
}

#[test]
fn a_doorbell_is_one_write_of_16_bits_where_the_queue_has_it() {
    let bus = Recorder::new(0x3010);
    let structure = Window::new(bus.clone(), 0x3000, 0x10).unwrap();
    for (queue, offset) in [(0, 0), (1, 4), (2, 6), (3, 14)] {
        let doorbell = modern::Notify::new(structure.clone(), offset).unwrap();
        // SAFETY: no device is behind this bus.
        unsafe { doorbell.ring(queue) };
        assert_eq!(bus.take(), [Seen::Write(16, 0x3000 + offset, queue.into())]);
    }
    let refused = modern::Notify::new(structure.clone(), 16).err().unwrap();
    assert_eq!(refused, Refused::Outside { offset: 16, len: 2, found: 16 });
    let refused = modern::Notify::new(structure.clone(), 5).err().unwrap();
    assert_eq!(refused, Refused::Misaligned { offset: 5, alignment: 2 });
    assert!(modern::Notify::new(structure, u32::MAX).is_err());
}

#[test]
fn a_window_forwards_every_access_to_its_place() {
    let bus = Recorder::new(64);
    let window = Window::new(bus.clone(), 8, 16).unwrap();
    assert_eq!((window.len(), window.offset()), (16, 8));
    let inner = Window::new(window, 4, 8).unwrap();
    // SAFETY: BUS-WINDOW: all inside 8 bytes, and aligned; no device is behind this bus.
    unsafe {
        assert_eq!((inner.read8(7), inner.read16(6), inner.read32(4)), (19, 0x1312, 0x1312_1110));
        inner.write8(1, 0xAA);
        inner.write16(2, 0xBBBB);
        inner.write32(0, 0xCCCC_CCCC);
    }
    let seen = [
        Seen::Read(8, 19),
        Seen::Read(16, 18),
        Seen::Read(32, 16),
        Seen::Write(8, 13, 0xAA),
        Seen::Write(16, 14, 0xBBBB),
        Seen::Write(32, 12, 0xCCCC_CCCC),
    ];
    assert_eq!(bus.take(), seen);
}

#[test]
fn a_window_that_does_not_fit_is_refused_with_what_was_asked_for() {
    let bus = Recorder::new(0x40);
    for (offset, len) in
        [(0, 0x41), (0x3C, 8), (0x40, 1), (0x44, 0), (u32::MAX, 1), (4, u32::MAX), (u32::MAX, u32::MAX)]
    {
        let error = Window::new(bus.clone(), offset, len).err().unwrap();
        assert_eq!(error, Refused::Outside { offset, len, found: 0x40 });
        let text = error.to_string();
        assert!(text.contains(&format!("{offset:#x}")) && text.contains(&len.to_string()), "{text}");
        assert!(text.contains("64"), "{text}");
    }
    assert_eq!(Window::new(bus.clone(), 0x40, 0).unwrap().len(), 0);
    assert_eq!(Window::new(bus.clone(), 0, 0x40).unwrap().len(), 0x40);
    // A window holds no register that its own offset would misalign.
    for (offset, len, alignment) in [(2, 4, 4), (1, 2, 2), (3, 3, 2), (6, 0x20, 4), (1, 0x20, 4)] {
        let error = Window::new(bus.clone(), offset, len).err().unwrap();
        assert_eq!(error, Refused::Misaligned { offset, alignment });
    }
    for (offset, len) in [(3, 1), (2, 2), (2, 3), (4, 4)] {
        assert!(Window::new(bus.clone(), offset, len).is_ok(), "{len} bytes at {offset}");
    }
    let small = Window::new(bus, 0, 0x37).unwrap();
    let error = modern::CommonConfig::new(small).map_err(Refused::from).err().unwrap();
    assert_eq!(error, Refused::TooSmall(WindowTooSmall { needed: 0x38, found: 0x37 }));
}

/// The maps in each structure, and the structure's length in bytes.
const STRUCTURES: [(&[&str], u32); 5] = [
    (&["legacy::Registers"], 20),
    (&["legacy::Msix"], 4),
    (&["modern::CommonConfig", "modern::NotifyData", "modern::QueueReset"], 60),
    (&["modern::Isr"], 1),
    (&["net::Config", "net::Multiqueue", "net::Mtu", "net::Speed", "net::Rss"], 24),
];

#[test]
fn every_byte_of_virtio_s_structures_belongs_to_one_register() {
    let maps: BTreeMap<&str, &[Register]> = MAPS.iter().copied().collect();
    let mut seen = 0;
    for (names, len) in STRUCTURES {
        let mut owner = BTreeMap::new();
        for register in names.iter().flat_map(|name| maps[name]) {
            for offset in register.spans.iter().flat_map(|span| span.offsets()) {
                for byte in offset..offset + register.bits / 8 {
                    let other = owner.insert(byte, register.name);
                    assert_eq!(other, None, "{} is at {byte}, too", register.name);
                }
            }
        }
        assert!(owner.keys().copied().eq(0..len), "{names:?}: {owner:?}");
        seen += names.len();
    }
    assert_eq!(seen, MAPS.len(), "a map is in no structure");
}

#[test]
fn what_a_virtio_device_reaches_memory_through_is_marked() {
    let marked = "QUEUE_ADDRESS QUEUE_NOTIFY DEVICE_STATUS QUEUE_ENABLE QUEUE_DESC_LO QUEUE_DESC_HI QUEUE_DRIVER_LO \
                  QUEUE_DRIVER_HI QUEUE_DEVICE_LO QUEUE_DEVICE_HI";
    for (map, registers) in MAPS {
        for register in *registers {
            // A legacy queue has the size that the device gives it.
            let wanted = marked.split_whitespace().any(|name| name == register.name)
                || (*map, register.name) == ("modern::CommonConfig", "QUEUE_SIZE");
            assert_eq!(register.dma, wanted, "{map}.{}: whether it is marked dma", register.name);
        }
    }
}

#[test]
fn fields_lie_inside_virtio_s_registers_and_do_not_overlap() {
    for register in MAPS.iter().flat_map(|(_, registers)| *registers) {
        let mut taken = 0u64;
        for field in register.fields() {
            let bits = ((1u64 << field.width) - 1) << field.shift;
            assert!(bits >> register.bits == 0, "{}.{} ends outside the register", register.name, field.name);
            assert_eq!(taken & bits, 0, "{}.{} overlaps another field", register.name, field.name);
            taken |= bits;
        }
    }
}

/// Rounds up to a multiple of `align`, a power of two.
fn up(x: usize, align: usize) -> usize {
    (x + align - 1) & !(align - 1)
}

#[test]
fn split_rings_of_all_sizes_lie_as_the_specification_s_formulas_say() {
    for align in [4, 16, 64, 4096, 65536] {
        for n in (0..=15).map(|exponent| 1usize << exponent) {
            let layout = split::Layout::new(n as u16, align);
            // Section 2.7: 16 * n, 6 + 2 * n and 6 + 8 * n bytes, aligned to 16, 2 and 4.
            assert_eq!((layout.descriptors, layout.avail), (0, 16 * n));
            assert_eq!(layout.used_event(), layout.avail + 4 + 2 * n);
            assert_eq!(layout.avail_event(), layout.used + 4 + 8 * n);
            assert!(layout.used >= layout.avail + 6 + 2 * n && layout.total >= layout.used + 6 + 8 * n);
            assert!(layout.avail.is_multiple_of(2) && layout.used.is_multiple_of(4));
            // Section 2.7.2, with the intended alignment: both halves are rounded up.
            assert_eq!(layout.used, up(16 * n + 2 * (3 + n), align), "{n} descriptors, aligned to {align}");
            assert_eq!(layout.total, layout.used + up(2 * 3 + 8 * n, align), "{n} descriptors, {align}");
        }
    }
}

#[test]
fn a_split_ring_of_a_strange_size_or_alignment_has_room_all_the_same() {
    for align in [0, 1, 3, 5, 100, 4097, split::Layout::MAX_ALIGN + 1, usize::MAX] {
        for n in [0u16, 1, 3, 1000, u16::MAX] {
            let (layout, n) = (split::Layout::new(n, align), usize::from(n));
            assert!(layout.used.is_multiple_of(align.clamp(4, split::Layout::MAX_ALIGN).next_power_of_two()));
            assert!(layout.used >= layout.avail + 6 + 2 * n && layout.total >= layout.used + 6 + 8 * n);
        }
    }
}

#[test]
fn a_descriptor_has_the_words_that_its_struct_has() {
    let flags = DescriptorFlags::WRITE | DescriptorFlags::NEXT;
    let words = split::descriptor(0x1_2345_6789_ABCD, 1526, flags, 7);
    assert_eq!(words, [0x1_2345_6789_ABCD, 1526 | 3 << 32 | 7 << 48]);
    let descriptor = split::Descriptor::from_words(words);
    assert_eq!((descriptor.addr.get(), descriptor.len.get()), (0x1_2345_6789_ABCD, 1526));
    assert_eq!((descriptor.flags.get(), descriptor.next.get()), (3, 7));
    assert_eq!(descriptor.as_bytes()[8..], [0xF6, 5, 0, 0, 3, 0, 7, 0]);

    let flags = DescriptorFlags::AVAIL | DescriptorFlags::WRITE;
    let words = packed::descriptor(0x4000, 0xFFFF_FFFF, 0x8001, flags);
    assert_eq!(words, [0x4000, 0x0082_8001_FFFF_FFFF]);
    let descriptor = packed::Descriptor::from_words(words);
    assert_eq!((descriptor.addr.get(), descriptor.len.get()), (0x4000, u32::MAX));
    assert_eq!((descriptor.id.get(), descriptor.flags.get()), (0x8001, 0x82));
    assert_eq!(packed::descriptor(0, 0, 0, DescriptorFlags::USED)[1], 1 << 63);
}

#[test]
fn the_header_s_length_follows_from_what_was_negotiated() {
    let lengths = [
        (Features::empty(), 10),
        (Features::CSUM | Features::ANY_LAYOUT | Features::EVENT_IDX, 10),
        (Features::MRG_RXBUF, 12),
        (Features::VERSION_1, 12),
        (Features::VERSION_1 | Features::MRG_RXBUF, 12),
        (Features::VERSION_1 | Features::HASH_REPORT, 20),
    ];
    for (features, wanted) in lengths {
        assert_eq!(Header::size(features), wanted, "{features:?}");
    }
    let header = Header {
        flags: HeaderFlags::NEEDS_CSUM.bits(),
        gso_type: net::gso::TCPV4 | net::gso::ECN,
        csum_start: 34.into(),
        csum_offset: 16.into(),
        num_buffers: 2.into(),
        ..Header::default()
    };
    assert_eq!(header.as_bytes(), [1, 0x81, 0, 0, 0, 0, 34, 0, 16, 0, 2, 0]);
    assert_eq!(control::MQ_VQ_PAIRS_SET.as_bytes(), [4, 0]);
}

#[test]
fn a_capability_is_read_only_when_all_of_it_is_there() {
    let mut bytes = [9, 0x70, 0x14, 2, 4, 0, 0, 0, 0x00, 0x30, 0, 0, 0, 0x10, 0, 0, 4, 0, 0, 0, 0xEE];
    let capability = Capability::read(&bytes).unwrap();
    assert_eq!((capability.bar, capability.offset.get(), capability.length.get()), (4, 0x3000, 0x1000));
    assert_eq!(capability.config_type(), Some(ConfigType::Notify));
    let notify = NotifyCapability::read(&bytes).unwrap();
    assert_eq!((notify.cap, notify.notify_off_multiplier.get()), (capability, 4));
    // Too few bytes, either in total or by its own length field.
    for len in 0..20 {
        assert_eq!(Capability::read(&bytes[..len]).is_some(), len >= 16, "{len} bytes");
        assert!(NotifyCapability::read(&bytes[..len]).is_none(), "{len} bytes");
        bytes[2] = len as u8;
        assert_eq!(Capability::read(&bytes).is_some(), len >= 16, "cap_len {len}");
        assert!(NotifyCapability::read(&bytes).is_none(), "cap_len {len}");
        bytes[2] = 0x14;
    }
    // A larger length than needed is accepted (section 4.1.4.1).
    bytes[2] = 0x40;
    assert!(NotifyCapability::read(&bytes).is_some());
    // An invalid type, or another one.
    for (cfg_type, wanted) in
        [(0, None), (6, None), (7, None), (10, None), (255, None), (1, Some(ConfigType::Common))]
    {
        bytes[3] = cfg_type;
        assert_eq!(Capability::read(&bytes).unwrap().config_type(), wanted);
        assert!(NotifyCapability::read(&bytes).is_none());
    }
    // Of another kind.
    bytes[0] = 0x11;
    assert!(Capability::read(&bytes).is_none());
}

#[test]
fn features_are_two_words_and_keep_unknown_bits() {
    let features = Features::from_words([1 << 5 | 1 << 30, 1 | 1 << 31]);
    assert!(features.contains(Features::MAC | Features::VERSION_1 | Features::SPEED_DUPLEX));
    assert_eq!(features.words(), [1 << 5 | 1 << 30, 1 | 1 << 31]);
    assert_eq!(features.difference(Features::all()).bits(), 1 << 30);
}

#[test]
fn a_feature_is_usable_only_with_what_it_requires() {
    // A complete set stays complete.
    assert_eq!(Features::all().usable(), Features::all());
    for &(feature, required) in REQUIREMENTS {
        assert!(!(Features::all() - required).usable().contains(feature), "{feature:?} without {required:?}");
    }
    // A requirement that itself has a requirement.
    let offered = Features::MAC | Features::HOST_ECN | Features::HOST_TSO4 | Features::RSC_EXT | Features::MQ;
    assert_eq!(offered.usable(), Features::MAC);
    let offered = Features::GUEST_ECN | Features::GUEST_TSO6 | Features::GUEST_CSUM;
    assert_eq!(offered.usable(), offered);
    // Unknown bits stay.
    let unknown = Features::from_bits_retain(1 << 30);
    assert_eq!((unknown | Features::MQ).usable(), unknown);
}
