//! The 82576's map as a whole, and its descriptors as words and as structs.

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
    assert!(owner.len() > 2_000, "only {} offsets", owner.len());
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
    // Queue 3 by its old address and by its new one, an address filter of the second bank, and the old address of
    // ICR.
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
    // 1,514 bytes of UDP over IPv4, hash 0xdeadbeef, VLAN 5, both checksums checked, the layer 4 one wrong.
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

#[test]
fn every_register_that_stock_drivers_touch_is_in_the_map() {
    let at = |offset| igb::at(offset).map(|(register, _)| register.name);
    let missing: Vec<_> = TOUCHED.iter().filter(|(offset, name)| at(*offset) != Some(*name)).collect();
    assert!(missing.is_empty(), "not where drivers have them: {missing:x?}");
}

/// The registers that Intel's driver for Linux (5.18.7) accesses, except those of later devices: first offset,
/// name.
#[rustfmt::skip]
const TOUCHED: &[(u32, &str)] = &[
    (0x00000, "CTRL"),
    (0x00008, "STATUS"),
    (0x00010, "EEC"),
    (0x00014, "EERD"),
    (0x00018, "CTRL_EXT"),
    (0x00020, "MDIC"),
    (0x00024, "SCTL"),
    (0x00028, "FCAL"),
    (0x0002c, "FCAH"),
    (0x00030, "FCT"),
    (0x00034, "CONNSW"),
    (0x00038, "VET"),
    (0x000c0, "ICR"),
    (0x000c8, "ICS"),
    (0x000d0, "IMS"),
    (0x000d8, "IMC"),
    (0x000e0, "IAM"),
    (0x00100, "RCTL"),
    (0x00170, "FCTTV"),
    (0x00400, "TCTL"),
    (0x00404, "TCTL_EXT"),
    (0x00410, "TIPG"),
    (0x00800, "VMBMEM"),
    (0x00c00, "P2VMAILBOX"),
    (0x00c80, "MBVFICR"),
    (0x00c84, "MBVFIMR"),
    (0x00c88, "VFLRE"),
    (0x00c8c, "VFRE"),
    (0x00c90, "VFTE"),
    (0x00e00, "LEDCTL"),
    (0x01010, "EEMNGCTL"),
    (0x01028, "I2CCMD"),
    (0x01048, "FRTIMER"),
    (0x0104c, "TCPTIMER"),
    (0x01514, "GPIE"),
    (0x01520, "EICS"),
    (0x01524, "EIMS"),
    (0x01528, "EIMC"),
    (0x0152c, "EIAC"),
    (0x01530, "EIAM"),
    (0x01680, "EITR"),
    (0x01700, "IVAR"),
    (0x01740, "IVAR_MISC"),
    (0x02160, "FCRTL"),
    (0x02168, "FCRTH"),
    (0x02404, "RXPBS"),
    (0x02408, "QDE"),
    (0x02460, "FCRTV"),
    (0x02800, "RDBAL"),
    (0x02804, "RDBAH"),
    (0x02808, "RDLEN"),
    (0x0280c, "SRRCTL"),
    (0x02810, "RDH"),
    (0x02818, "RDT"),
    (0x02828, "RXDCTL"),
    (0x02830, "RQDPC"),
    (0x03404, "TXPBS"),
    (0x03410, "TDFH"),
    (0x03418, "TDFT"),
    (0x03420, "TDFHS"),
    (0x03430, "TDFPC"),
    (0x03500, "DTXSWC"),
    (0x03548, "LVMMC"),
    (0x03554, "WVBR"),
    (0x03590, "DTXCTL"),
    (0x03604, "RTTDQSEL"),
    (0x03690, "RTTBCNRM"),
    (0x036b0, "RTTBCNRC"),
    (0x03700, "VMVIR"),
    (0x03800, "TDBAL"),
    (0x03804, "TDBAH"),
    (0x03808, "TDLEN"),
    (0x03810, "TDH"),
    (0x03818, "TDT"),
    (0x03828, "TXDCTL"),
    (0x03838, "TDWBAL"),
    (0x0383c, "TDWBAH"),
    (0x04000, "CRCERRS"),
    (0x04004, "ALGNERRC"),
    (0x04008, "SYMERRS"),
    (0x0400c, "RXERRC"),
    (0x04010, "MPC"),
    (0x04014, "SCC"),
    (0x04018, "ECOL"),
    (0x0401c, "MCC"),
    (0x04020, "LATECOL"),
    (0x04028, "COLC"),
    (0x0402c, "CBTMPC"),
    (0x04030, "DC"),
    (0x04034, "TNCRS"),
    (0x04038, "SEC"),
    (0x0403c, "HTDPMC"),
    (0x04040, "RLEC"),
    (0x04048, "XONRXC"),
    (0x0404c, "XONTXC"),
    (0x04050, "XOFFRXC"),
    (0x04054, "XOFFTXC"),
    (0x04058, "FCRUC"),
    (0x0405c, "PRC64"),
    (0x04060, "PRC127"),
    (0x04064, "PRC255"),
    (0x04068, "PRC511"),
    (0x0406c, "PRC1023"),
    (0x04070, "PRC1522"),
    (0x04074, "GPRC"),
    (0x04078, "BPRC"),
    (0x0407c, "MPRC"),
    (0x04080, "GPTC"),
    (0x04088, "GORCL"),
    (0x0408c, "GORCH"),
    (0x04090, "GOTCL"),
    (0x04094, "GOTCH"),
    (0x040a0, "RNBC"),
    (0x040a4, "RUC"),
    (0x040a8, "RFC"),
    (0x040ac, "ROC"),
    (0x040b0, "RJC"),
    (0x040b4, "MGTPRC"),
    (0x040b8, "MGTPDC"),
    (0x040bc, "MGTPTC"),
    (0x040c0, "TORL"),
    (0x040c4, "TORH"),
    (0x040c8, "TOTL"),
    (0x040cc, "TOTH"),
    (0x040d0, "TPR"),
    (0x040d4, "TPT"),
    (0x040d8, "PTC64"),
    (0x040dc, "PTC127"),
    (0x040e0, "PTC255"),
    (0x040e4, "PTC511"),
    (0x040e8, "PTC1023"),
    (0x040ec, "PTC1522"),
    (0x040f0, "MPTC"),
    (0x040f4, "BPTC"),
    (0x040f8, "TSCTC"),
    (0x040fc, "CBRMPC"),
    (0x04100, "IAC"),
    (0x04104, "RPTHC"),
    (0x04108, "ICRXATC"),
    (0x0410c, "ICTXPTC"),
    (0x04110, "ICTXATC"),
    (0x04118, "HGPTC"),
    (0x0411c, "ICTXQMTC"),
    (0x04120, "RXDMTC"),
    (0x04124, "HTCBDPC"),
    (0x04128, "HGORCL"),
    (0x0412c, "HGORCH"),
    (0x04130, "HGOTCL"),
    (0x04134, "HGOTCH"),
    (0x04138, "LENERRS"),
    (0x04200, "PCS_CFG"),
    (0x04208, "PCS_LCTL"),
    (0x0420c, "PCS_LSTAT"),
    (0x04218, "PCS_ANADV"),
    (0x0421c, "PCS_LPAB"),
    (0x04220, "PCS_NPTX"),
    (0x04224, "PCS_LPABNP"),
    (0x04228, "SCVPC"),
    (0x05000, "RXCSUM"),
    (0x05004, "RLPML"),
    (0x05008, "RFCTL"),
    (0x05200, "MTA"),
    (0x05400, "RAL"),
    (0x05404, "RAH"),
    (0x05480, "PSRTYPE"),
    (0x05600, "VFTA"),
    (0x05800, "WUC"),
    (0x05808, "WUFC"),
    (0x05810, "WUS"),
    (0x05818, "MRQC"),
    (0x0581c, "VT_CTL"),
    (0x05820, "MANC"),
    (0x05838, "IPAV"),
    (0x05840, "IP4AT"),
    (0x05880, "IP6AT"),
    (0x05900, "WUPL"),
    (0x059c0, "SPQF"),
    (0x059e0, "FTQF"),
    (0x05a00, "WUPM"),
    (0x05a80, "IMIR"),
    (0x05aa0, "IMIREXT"),
    (0x05ac0, "IMIRVP"),
    (0x05acc, "TXSWC"),
    (0x05ad0, "VMOLR"),
    (0x05af0, "RPLOLR"),
    (0x05b00, "GCR"),
    (0x05b50, "SWSM"),
    (0x05b54, "FWSM"),
    (0x05b5c, "SW_FW_SYNC"),
    (0x05b74, "DCA_CTRL"),
    (0x05c00, "RETA"),
    (0x05c80, "RSSRK"),
    (0x05cb0, "ETQF"),
    (0x05d00, "VLVF"),
    (0x05f50, "TSYNCRXCFG"),
    (0x08f0c, "FWSTS"),
    (0x09000, "FHFT"),
    (0x0a000, "UTA"),
    (0x0b600, "SYSTIML"),
    (0x0b604, "SYSTIMH"),
    (0x0b608, "TIMINCA"),
    (0x0b614, "TSYNCTXCTL"),
    (0x0b618, "TXSTMPL"),
    (0x0b61c, "TXSTMPH"),
    (0x0b620, "TSYNCRXCTL"),
    (0x0b624, "RXSTMPL"),
    (0x0b628, "RXSTMPH"),
    (0x0b640, "TSAUXC"),
    (0x10000, "PVTCTRL"),
];
