//! What the 82576's map must be as a whole, and its descriptors as words and as structs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::collections::HashMap;

use ixy_regs::igb;
use ixy_regs::igb::descriptors::receive::{self, PacketType, RssType, Status};
use ixy_regs::igb::descriptors::transmit::{self, Command, Context, Layer4};
use ixy_regs::map::Register;
use zerocopy::IntoBytes;

#[test]
fn no_two_registers_lie_at_the_same_offset() {
    let mut owner: HashMap<u32, &Register> = HashMap::new();
    for register in igb::all() {
        for offset in register.spans.iter().chain(register.aliases).flat_map(|span| span.offsets()) {
            if let Some(other) = owner.insert(offset, register) {
                panic!("{} and {} both claim {offset:#07x}", other.name, register.name);
            }
        }
    }
    assert!(owner.len() > 1_100, "only {} offsets", owner.len());
}

#[test]
fn no_two_registers_have_the_same_name() {
    let mut names: Vec<_> = igb::all().map(|register| register.name).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "declared twice: {twice:?}");
}

#[test]
fn fields_lie_inside_their_register_and_do_not_overlap() {
    for register in igb::all() {
        let mut taken = 0u64;
        for field in register.fields() {
            let bits = ((1u64 << field.width) - 1) << field.shift;
            assert!(bits >> register.bits == 0, "{}.{} ends outside the register", register.name, field.name);
            assert_eq!(taken & bits, 0, "{}.{} overlaps another field", register.name, field.name);
            taken |= bits;
        }
    }
}

#[test]
fn an_alias_is_never_longer_than_its_register() {
    for register in igb::all() {
        let aliases: u32 = register.aliases.iter().map(|span| span.count).sum();
        assert!(aliases <= register.len(), "{} has {aliases} aliases", register.name);
    }
}

#[test]
fn a_register_is_found_by_name_and_by_each_of_its_offsets() {
    for register in igb::all() {
        assert_eq!(igb::find(register.name).unwrap().name, register.name);
        for (n, offset) in register.spans.iter().flat_map(|span| span.offsets()).enumerate() {
            let (found, index) = igb::at(offset).unwrap();
            assert_eq!((found.name, index as usize), (register.name, n));
        }
    }
    assert!(igb::find("NOSUCH").is_none());
    assert!(igb::find("CTR").is_none());
    assert!(igb::at(0x1fffc).is_none());
    // Queue 3 by its old address and by its own, an address filter of the second bank, and the old place of ICR.
    assert_eq!(igb::at(0x02b28).map(|(register, n)| (register.name, n)), Some(("RXDCTL", 3)));
    assert_eq!(igb::at(0x0e3e8).map(|(register, n)| (register.name, n)), Some(("TXDCTL", 15)));
    assert_eq!(igb::at(0x05518).map(|(register, n)| (register.name, n)), Some(("RAL", 23)));
    assert_eq!(igb::at(0x01500).map(|(register, n)| (register.name, n)), Some(("ICR", 0)));
}

#[test]
fn queue_blocks_are_there_for_all_queues_and_no_more() {
    use ixy_regs::bus::Mmio;
    assert_eq!(igb::RxQueue::<Mmio>::COUNT, igb::QUEUES);
    assert_eq!(igb::TxQueue::<Mmio>::COUNT, igb::QUEUES);
}

#[test]
fn what_a_device_reaches_memory_through_is_marked() {
    let marked = "RDBAL RDBAH RDLEN RDH RDT SRRCTL RXDCTL RXCTL RCTL TDBAL TDBAH TDLEN TDH TDT TXDCTL TXCTL TDWBAL \
                  TDWBAH TCTL";
    let marked: Vec<_> = marked.split_whitespace().collect();
    assert!(marked.iter().all(|name| igb::find(name).is_some()));
    for register in igb::all() {
        let wanted = marked.contains(&register.name);
        assert_eq!(register.dma, wanted, "{}: whether it is marked dma", register.name);
    }
}

#[test]
fn a_data_descriptor_has_the_words_that_the_datasheet_draws() {
    let words = transmit::data(0x1_2345_6780, 60, 60, Command::EOP | Command::IFCS | Command::RS);
    // DTALEN 60, DTYP 3, EOP, IFCS, RS, DEXT; PAYLEN 60 from bit 46.
    assert_eq!(words, [0x1_2345_6780, 60 | 3 << 20 | 1 << 24 | 1 << 25 | 1 << 27 | 1 << 29 | 60 << 46]);
    let descriptor = transmit::AdvancedData::from_words(words);
    assert_eq!(descriptor.address.get(), 0x1_2345_6780);
    assert_eq!(descriptor.command.get(), 0x2b30_003c);
    assert_eq!(descriptor.options.get(), 60 << 14);
    assert_eq!(descriptor.words(), words);
    assert_eq!(descriptor.as_bytes()[..4], [0x80, 0x67, 0x45, 0x23]);
    assert!(!transmit::is_done(words[1]));
    assert!(transmit::is_done(1 << 32));
}

#[test]
fn a_context_descriptor_has_the_words_that_the_datasheet_draws() {
    let context = Context {
        index: 1,
        mac_length: 14,
        ip_length: 20,
        vlan: 0xabcd,
        ipv4: true,
        layer4: Layer4::Tcp,
        layer4_length: 20,
        mss: 1_460,
    };
    let words = transmit::context(context);
    assert_eq!(words[0], 20 | 14 << 9 | 0xabcd << 16);
    assert_eq!(words[1], 1 << 10 | 1 << 11 | 2 << 20 | 1 << 29 | 1 << 36 | 20 << 40 | 1_460 << 48);
    let descriptor = transmit::AdvancedContext::from_words(words);
    assert_eq!(descriptor.vlan_lengths.get(), 0xabcd_1c14);
    assert_eq!(descriptor.segmentation.get(), 0x05b4_1410);
}

#[test]
fn a_received_packet_is_described_by_its_write_back() {
    // 1,514 bytes of UDP over IPv4, hash 0xdeadbeef, VLAN 5, both checksums looked at, the layer 4 one wrong.
    let words = [0xdead_beef_0000_0217, 0x0005_05ea_2000_0063];
    let descriptor = receive::AdvancedWriteBack::from_words(words);
    assert_eq!((descriptor.length.get(), descriptor.vlan.get()), (1_514, 5));
    assert_eq!((descriptor.hash.get(), descriptor.status.get()), (0xdead_beef, 0x2000_0063));
    assert_eq!(
        Status::from_word(words[1]),
        Status::DD | Status::EOP | Status::L4CS | Status::IPCS | Status::L4E
    );
    assert_eq!(PacketType::from_word(words[0]), PacketType::IPV4 | PacketType::UDP);
    assert_eq!(RssType::from_word(words[0]), Some(RssType::UdpIpv4));
    assert_eq!(RssType::from_word(10), None);
    assert_eq!(receive::write_back::LENGTH.of(words[1]), 1_514);
    assert_eq!(receive::read(0x4000), [0x4000, 0]);
}

#[test]
fn the_error_bits_are_not_those_of_the_82599() {
    use ixy_regs::ixgbe::descriptors::receive as other;
    let here = [Status::L4E.bits(), Status::IPE.bits(), Status::RXE.bits()];
    assert_eq!(here, [1 << 29, 1 << 30, 1 << 31]);
    let there = [other::Status::RXE.bits(), other::Status::L4E.bits(), other::Status::IPE.bits()];
    assert_eq!(there, here);
}
