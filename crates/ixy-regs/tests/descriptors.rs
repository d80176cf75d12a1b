//! Descriptors as words and as structs agree.

use ixy_regs::ixgbe::descriptors::receive::{self, PacketType, RssType, Status};
use ixy_regs::ixgbe::descriptors::transmit::{self, Command, Context, Layer4};
use zerocopy::IntoBytes;

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
}

#[test]
fn a_descriptor_of_one_part_of_a_frame_has_the_whole_length_and_no_end() {
    let [_, word] = transmit::data(0, 1_500, 9_000, Command::IFCS | Command::IXSM | Command::TXSM);
    assert_eq!(transmit::data_read::DTALEN.of(word), 1_500);
    assert_eq!(transmit::data_read::PAYLEN.of(word), 9_000);
    assert_eq!((transmit::data_read::EOP.of(word), transmit::data_read::TXSM.of(word)), (0, 1));
    assert!(!transmit::is_done(word));
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
    // 1,514 bytes of UDP over IPv4, hash 0xdeadbeef, VLAN 5, both checksums checked, the layer 4 one wrong.
    let words = [0xdead_beef_0000_0217, 0x0005_05ea_4000_0063];
    let descriptor = receive::AdvancedWriteBack::from_words(words);
    assert_eq!((descriptor.length.get(), descriptor.vlan.get()), (1_514, 5));
    assert_eq!((descriptor.hash.get(), descriptor.status.get()), (0xdead_beef, 0x4000_0063));
    assert_eq!(
        Status::from_word(words[1]),
        Status::DD | Status::EOP | Status::L4CS | Status::IPCS | Status::L4E
    );
    assert_eq!(PacketType::from_word(words[0]), PacketType::IPV4 | PacketType::UDP);
    assert_eq!(RssType::from_word(words[0]), Some(RssType::UdpIpv4));
    assert_eq!(RssType::from_word(4), None);
    assert_eq!(receive::write_back::LENGTH.of(words[1]), 1_514);
    assert_eq!(receive::read(0x4000), [0x4000, 0]);
}

#[test]
fn the_legacy_structs_agree_with_the_legacy_words() {
    let words = [0x1000, 60 | 2 << 16 | 0x0b << 24 | 1 << 32 | 14 << 40 | 7 << 48];
    let sent = transmit::Legacy::from_words(words);
    assert_eq!((sent.length.get(), sent.checksum_offset, sent.command), (60, 2, 0x0b));
    assert_eq!((sent.status, sent.checksum_start, sent.vlan.get()), (1, 14, 7));
    assert_eq!(transmit::legacy::RS.of(words[1]), 1);
    let words = [0x1000, 60 | 0xcafe << 16 | 3 << 32 | 0x40 << 40 | 7 << 48];
    let received = receive::Legacy::from_words(words);
    assert_eq!((received.length.get(), received.checksum.get()), (60, 0xcafe));
    assert_eq!((received.status, received.errors, received.vlan.get()), (3, 0x40, 7));
    assert_eq!((receive::legacy::EOP.of(words[1]), receive::legacy::L4E.of(words[1])), (1, 1));
}
