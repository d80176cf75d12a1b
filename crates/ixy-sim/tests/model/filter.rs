//! The frames that the device accepts (sections 7.1.1 and 8.2.3.7).

use crate::harness::*;

const MPE: u32 = 1 << 8;
const UPE: u32 = 1 << 9;
const BAM: u32 = 1 << 10;
const OTHER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x77];
const BROADCAST: [u8; 6] = [0xff; 6];
const GROUP: [u8; 6] = [0x01, 0x00, 0x5e, 0x12, 0x34, 0x56];

struct Filtering(Harness, RxRing);

impl Filtering {
    /// Only the address in the EEPROM passes.
    fn new() -> Self {
        let (harness, ring, _) = Harness::running();
        harness.write(FCTRL, 0);
        Self(harness, ring)
    }

    fn passes(&mut self, frame: &[u8]) -> bool {
        self.0.arrives(frame);
        self.0.poll();
        assert!(self.0.wire.0.lock().unwrap().arriving.is_empty());
        match self.1.take(&self.0) {
            Some((_, bytes)) => bytes == frame,
            None => false,
        }
    }
}

#[test]
fn after_reset_only_the_own_address_passes() {
    let mut filter = Filtering::new();
    assert!(filter.passes(&own(60, 1)));
    for other in [OTHER, BROADCAST, GROUP] {
        assert!(!filter.passes(&frame(other, 60, 1)), "{other:x?}");
    }
}

#[test]
fn each_mode_lets_its_own_kind_pass() {
    let mut filter = Filtering::new();
    for (mode, passed) in [(UPE, OTHER), (MPE, GROUP), (BAM, BROADCAST)] {
        filter.0.write(FCTRL, mode);
        for destination in [OTHER, GROUP, BROADCAST] {
            // Broadcast is a multicast address for MPE.
            let expected = destination == passed || mode == MPE && destination == BROADCAST;
            assert_eq!(filter.passes(&frame(destination, 60, 1)), expected, "{mode:#x} {destination:x?}");
        }
    }
}

#[test]
fn an_exact_address_passes_while_it_is_valid() {
    let mut filter = Filtering::new();
    for n in [1, 15, 127] {
        filter.0.write(RAL + 8 * n, 0x0000_0002);
        filter.0.write(RAH + 8 * n, 0x7700);
        assert!(!filter.passes(&frame(OTHER, 60, 1)), "entry {n} without AV");
        filter.0.write(RAH + 8 * n, 0x8000_7700);
        assert!(filter.passes(&frame(OTHER, 60, 1)), "entry {n}");
        filter.0.write(RAH + 8 * n, 0);
        assert!(!filter.passes(&frame(OTHER, 60, 1)), "entry {n} taken back");
    }
    filter.0.write(RAH, 0);
    assert!(!filter.passes(&own(60, 1)), "the own address is an entry as any other");
}

#[test]
fn the_multicast_table_is_indexed_by_the_bits_that_mo_chooses() {
    // The address's last two bytes are 0x34 0x56; as a number with the last byte on top, 0x5634.
    for (mo, index) in [(0, 0x563), (1, 0xac6), (2, 0x58d), (3, 0x634)] {
        let mut filter = Filtering::new();
        filter.0.write(MTA + 4 * (index >> 5), 1 << (index & 31));
        filter.0.write(MCSTCTRL, mo);
        assert!(!filter.passes(&frame(GROUP, 60, 1)), "MFE is off");
        filter.0.write(MCSTCTRL, 1 << 2 | mo);
        assert!(filter.passes(&frame(GROUP, 60, 1)), "MO {mo}");
        filter.0.write(MCSTCTRL, 1 << 2 | (mo + 1) & 3);
        assert!(!filter.passes(&frame(GROUP, 60, 1)), "another MO than {mo}");
    }
}

#[test]
fn only_vlans_of_the_table_pass_when_it_is_on() {
    let mut filter = Filtering::new();
    let tagged = |id: u16| {
        let mut frame = own(60, 1);
        frame.splice(12..12, [0x81, 0x00, 0xe0 | (id >> 8) as u8, id as u8]);
        frame
    };
    assert!(filter.passes(&tagged(5)));
    filter.0.set(VLNCTRL, 1 << 30);
    assert!(!filter.passes(&tagged(5)));
    filter.0.write(VFTA, 1 << 5);
    filter.0.write(VFTA + 4 * 127, 1 << 31);
    assert!(filter.passes(&tagged(5)) && filter.passes(&tagged(4095)));
    assert!(!filter.passes(&tagged(6)));
    assert!(filter.passes(&own(60, 1)), "frames without a tag pass");
}

#[test]
fn vet_says_what_marks_a_tag() {
    const VP: u64 = 1 << 3;
    let mut filter = Filtering::new();
    filter.0.set(RXDCTL, 1 << 30);
    let tagged = |kind: u16| {
        let mut frame = own(1514, 1);
        frame.splice(12..12, [(kind >> 8) as u8, kind as u8, 0x20, 5]);
        frame
    };
    let mut seen = |kind: u16| {
        filter.0.arrives(&tagged(kind));
        filter.0.poll();
        filter.1.take(&filter.0).map(|(words, bytes)| (words[1] & VP != 0, words[1] >> 48, bytes.len()))
    };
    assert_eq!(seen(0x8100), Some((true, 0x2005, 1514)));
    assert_eq!(seen(0x88a8), None, "too long for a frame without a tag");
    filter.0.write(VLNCTRL, 0x88a8);
    let mut seen = |kind: u16| {
        filter.0.arrives(&tagged(kind));
        filter.0.poll();
        filter.1.take(&filter.0).map(|(words, bytes)| (words[1] & VP != 0, words[1] >> 48, bytes.len()))
    };
    assert_eq!(seen(0x88a8), Some((true, 0x2005, 1514)));
    assert_eq!(seen(0x8100), None);
}

/// A UDP packet with tags of these types, whose ids count from 1.
fn tagged_udp(tags: &[u16]) -> Vec<u8> {
    let mut frame = Vec::new();
    let ethernet = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC);
    ethernet.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1, 2).write(&mut frame, &[5; 40]).unwrap();
    for (n, kind) in tags.iter().enumerate().rev() {
        frame.splice(12..12, [(kind >> 8) as u8, *kind as u8, 0, n as u8 + 1]);
    }
    frame
}

#[test]
fn with_double_vlan_the_inner_tag_counts() {
    const EXVET: u32 = 0x05078;
    const CTRL_EXT: u32 = 0x00018;
    let mut filter = Filtering::new();
    assert_eq!(filter.0.read(EXVET), 0x8100 << 16);
    filter.0.write(EXVET, 0x88a8 << 16);
    filter.0.set(CTRL_EXT, 1 << 26);
    filter.0.set(RXDCTL, 1 << 30);
    // VP, VEXT, a verdict on the UDP checksum, the tag, the packet type, and the frame in memory.
    let mut seen = |frame: &[u8]| {
        filter.0.arrives(frame);
        filter.0.poll();
        let ([low, high], bytes) = filter.1.take(&filter.0).expect("it passes");
        let bit = |n: u32| high >> n & 1 == 1;
        (bit(3), bit(9), bit(5), high >> 48, low >> 4 & 0x1fff, bytes)
    };
    let both = tagged_udp(&[0x88a8, 0x8100]);
    assert_eq!(seen(&both), (true, true, true, 2, 0x21, tagged_udp(&[0x88a8])), "the inner one is stripped");
    let outer = tagged_udp(&[0x88a8]);
    assert_eq!(seen(&outer), (false, true, true, 0, 0x21, outer.clone()));
    let strange = tagged_udp(&[0x8100]);
    assert_eq!(seen(&strange), (false, false, false, 0, 0, strange.clone()), "without an outer tag");
    let plain = tagged_udp(&[]);
    assert_eq!(seen(&plain), (false, false, false, 0, 0, plain.clone()));
    // Both types may be the same.
    filter.0.write(EXVET, 0x8100 << 16);
    let mut seen = |frame: &[u8]| {
        filter.0.arrives(frame);
        filter.0.poll();
        filter.1.take(&filter.0).map(|([_, high], bytes)| (high >> 48, bytes.len()))
    };
    assert_eq!(seen(&tagged_udp(&[0x8100, 0x8100])), Some((2, 86)));
    // The VLAN filter uses the inner tag, and both tags raise the length limit.
    let mut long = own(1514, 1);
    long.splice(12..12, [0x81, 0, 0, 7, 0x81, 0, 0, 5]);
    assert_eq!(seen(&long), Some((5, 1518)));
    long.push(0);
    assert_eq!(seen(&long), None);
    filter.0.set(VLNCTRL, 1 << 30);
    filter.0.write(VFTA, 1 << 2);
    filter.0.write(RXDCTL, ENABLE);
    assert!(filter.passes(&tagged_udp(&[0x8100, 0x8100])));
    filter.0.write(VFTA, 1 << 1);
    assert!(!filter.passes(&tagged_udp(&[0x8100, 0x8100])));
}

#[test]
fn frames_that_are_too_short_or_too_long_are_dropped_and_counted() {
    let mut filter = Filtering::new();
    assert!(!filter.passes(&own(59, 1)));
    assert!(filter.passes(&own(60, 1)));
    assert!(filter.passes(&own(1514, 1)));
    assert!(!filter.passes(&own(1515, 1)));
    let tagged = |len| {
        let mut frame = own(len, 1);
        frame[12..14].copy_from_slice(&[0x81, 0x00]);
        frame
    };
    assert!(filter.passes(&tagged(1518)), "a tag makes room for itself");
    assert!(!filter.passes(&tagged(1519)));
    assert_eq!((filter.0.read(RUC), filter.0.read(ROC)), (1, 2));
    assert_eq!(filter.0.read(GPRC), 3, "good ones only");
    assert_eq!(filter.0.read(TPR), 6, "all of them");
}

#[test]
fn jumbo_frames_pass_up_to_maxfrs_while_jumboen_is_set() {
    let mut filter = Filtering::new();
    filter.0.write(MAXFRS, 2000 << 16);
    assert!(!filter.passes(&own(1515, 1)), "JUMBOEN is off");
    filter.0.set(HLREG0, 1 << 2);
    assert!(filter.passes(&own(1996, 1)));
    assert!(!filter.passes(&own(1997, 1)), "MFS counts the check sequence");
}

#[test]
fn damaged_frames_are_stored_when_sbp_asks_for_them() {
    let mut filter = Filtering::new();
    filter.0.write(FCTRL, 1 << 1);
    filter.0.arrives(&own(40, 1));
    filter.0.poll();
    let (words, bytes) = filter.1.take(&filter.0).unwrap();
    assert_eq!(bytes.len(), 40);
    assert_eq!(words[1] & 1 << 29, 1 << 29, "RXE");
}
