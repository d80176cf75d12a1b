//! The 82599's map as a whole: complete, without overlaps, consistent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::collections::HashMap;

use ixy_regs::ixgbe;
use ixy_regs::map::Register;

#[test]
fn no_two_registers_lie_at_the_same_offset() {
    let mut owner: HashMap<u32, &Register> = HashMap::new();
    for register in ixgbe::all() {
        for offset in register.spans.iter().chain(register.aliases).flat_map(|span| span.offsets()) {
            if let Some(other) = owner.insert(offset, register) {
                panic!("{} and {} both claim {offset:#07x}", other.name, register.name);
            }
        }
    }
    assert!(owner.len() > 2_120, "only {} offsets", owner.len());
}

#[test]
fn no_two_registers_have_the_same_name() {
    let mut names: Vec<_> = ixgbe::all().map(|register| register.name).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "declared twice: {twice:?}");
}

#[test]
fn fields_lie_inside_their_register_and_do_not_overlap() {
    for register in ixgbe::all() {
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
    for register in ixgbe::all() {
        let aliases: u32 = register.aliases.iter().map(|span| span.count).sum();
        assert!(aliases <= register.len(), "{} has {aliases} aliases", register.name);
    }
}

#[test]
fn a_register_is_found_by_name_and_by_each_of_its_offsets() {
    for register in ixgbe::all() {
        assert_eq!(ixgbe::find(register.name).unwrap().name, register.name);
        for (n, offset) in register.spans.iter().flat_map(|span| span.offsets()).enumerate() {
            let (found, index) = ixgbe::at(offset).unwrap();
            assert_eq!((found.name, index as usize), (register.name, n));
        }
    }
    assert!(ixgbe::find("NOSUCH").is_none());
    assert!(ixgbe::find("CTR").is_none());
    assert!(ixgbe::at(0x1fffc).is_none());
    assert_eq!(ixgbe::at(0x0d028).map(|(register, n)| (register.name, n)), Some(("RXDCTL", 64)));
    assert_eq!(ixgbe::at(0x02104).map(|(register, n)| (register.name, n)), Some(("SRRCTL", 1)));
}

#[test]
fn queue_blocks_are_there_for_all_queues_and_no_more() {
    use ixy_regs::bus::Mmio;
    assert_eq!(ixgbe::RxQueue::<Mmio>::COUNT, ixgbe::QUEUES);
    assert_eq!(ixgbe::TxQueue::<Mmio>::COUNT, ixgbe::QUEUES);
}

#[test]
fn what_a_device_reaches_memory_through_is_marked() {
    let marked = "RDBAL RDBAH RDLEN RDH RDT SRRCTL RXDCTL RSCCTL DCA_RXCTRL RXCTRL TDBAL TDBAH TDLEN TDH TDT TXDCTL \
                  TDWBAL TDWBAH DCA_TXCTRL DMATXCTL FCPTRL FCPTRH FCBUFF FCDMARW CIAD";
    let marked: Vec<_> = marked.split_whitespace().collect();
    for register in ixgbe::all() {
        let wanted = marked.contains(&register.name);
        assert_eq!(register.dma, wanted, "{}: whether it is marked dma", register.name);
    }
}

#[test]
fn every_register_that_stock_drivers_touch_is_in_the_map() {
    let missing: Vec<_> = TOUCHED
        .iter()
        .filter(|(first, last, name)| {
            [first, last]
                .iter()
                .any(|&&offset| ixgbe::at(offset).map(|(register, _)| register.name) != Some(*name))
        })
        .collect();
    assert!(missing.is_empty(), "not where drivers have them: {missing:x?}");
}

/// The registers that Linux (6.1 to 7.3) and DPDK (24.11) were seen to access: first offset, last offset, name.
#[rustfmt::skip]
const TOUCHED: &[(u32, u32, &str)] = &[
    (0x00000, 0x00000, "CTRL"),
    (0x00008, 0x00008, "STATUS"),
    (0x00018, 0x00018, "CTRL_EXT"),
    (0x00020, 0x00020, "ESDP"),
    (0x00028, 0x00028, "I2CCTL"),
    (0x00200, 0x00200, "LEDCTL"),
    (0x00800, 0x00800, "EICR"),
    (0x00808, 0x00808, "EICS"),
    (0x00810, 0x00810, "EIAC"),
    (0x00820, 0x00828, "EITR"),
    (0x00880, 0x00880, "EIMS"),
    (0x00888, 0x00888, "EIMC"),
    (0x00898, 0x00898, "GPIE"),
    (0x00900, 0x00900, "IVAR"),
    (0x00A00, 0x00A00, "IVAR_MISC"),
    (0x00A90, 0x00A94, "EICS_EX"),
    (0x00AA0, 0x00AA4, "EIMS_EX"),
    (0x00AB0, 0x00AB4, "EIMC_EX"),
    (0x00AD0, 0x00AD4, "EIAM_EX"),
    (0x01000, 0x010C0, "RDBAL"),
    (0x01004, 0x010C4, "RDBAH"),
    (0x01008, 0x010C8, "RDLEN"),
    (0x01010, 0x01050, "RDH"),
    (0x01018, 0x010D8, "RDT"),
    (0x01028, 0x0DFE8, "RXDCTL"),
    (0x01030, 0x013F0, "QPRC"),
    (0x01034, 0x013F4, "QBRC_L"),
    (0x01038, 0x013F8, "QBRC_H"),
    (0x0140C, 0x0DFCC, "DCA_RXCTRL"),
    (0x01430, 0x017F0, "QPRDC"),
    (0x02100, 0x02104, "SRRCTL"),
    (0x02300, 0x0237C, "RQSMR"),
    (0x0241C, 0x0241C, "FCOERPDC"),
    (0x02424, 0x02424, "FCLAST"),
    (0x02428, 0x02428, "FCOEPRC"),
    (0x0242C, 0x0242C, "FCOEDWRC"),
    (0x02F00, 0x02F00, "RDRXCTL"),
    (0x03000, 0x03000, "RXCTRL"),
    (0x03008, 0x03008, "PFCTOP"),
    (0x03028, 0x03028, "RSCDBU"),
    (0x03200, 0x0320C, "FCTTV"),
    (0x03220, 0x0323C, "FCRTL"),
    (0x03240, 0x0325C, "PXON2OFFCNT"),
    (0x03260, 0x0327C, "FCRTH"),
    (0x032A0, 0x032A0, "FCRTV"),
    (0x03C00, 0x03C1C, "RXPBSIZE"),
    (0x03D00, 0x03D00, "FCCFG"),
    (0x03F00, 0x03F1C, "PXONTXC"),
    (0x03F20, 0x03F3C, "PXOFFTXC"),
    (0x03F60, 0x03F60, "LXONTXC"),
    (0x03F68, 0x03F68, "LXOFFTXC"),
    (0x03FA0, 0x03FBC, "MPC"),
    (0x04000, 0x04000, "CRCERRS"),
    (0x04004, 0x04004, "ILLERRC"),
    (0x04008, 0x04008, "ERRBC"),
    (0x04010, 0x04010, "MSPDC"),
    (0x04034, 0x04034, "MLFC"),
    (0x04038, 0x04038, "MRFC"),
    (0x04040, 0x04040, "RLEC"),
    (0x0405C, 0x0405C, "PRC64"),
    (0x04060, 0x04060, "PRC127"),
    (0x04064, 0x04064, "PRC255"),
    (0x04068, 0x04068, "PRC511"),
    (0x0406C, 0x0406C, "PRC1023"),
    (0x04070, 0x04070, "PRC1522"),
    (0x04074, 0x04074, "GPRC"),
    (0x04078, 0x04078, "BPRC"),
    (0x0407C, 0x0407C, "MPRC"),
    (0x04080, 0x04080, "GPTC"),
    (0x04088, 0x04088, "GORCL"),
    (0x0408C, 0x0408C, "GORCH"),
    (0x04090, 0x04090, "GOTCL"),
    (0x04094, 0x04094, "GOTCH"),
    (0x040A4, 0x040A4, "RUC"),
    (0x040A8, 0x040A8, "RFC"),
    (0x040AC, 0x040AC, "ROC"),
    (0x040B0, 0x040B0, "RJC"),
    (0x040B4, 0x040B4, "MNGPRC"),
    (0x040B8, 0x040B8, "MNGPDC"),
    (0x040C0, 0x040C0, "TORL"),
    (0x040C4, 0x040C4, "TORH"),
    (0x040D0, 0x040D0, "TPR"),
    (0x040D4, 0x040D4, "TPT"),
    (0x040D8, 0x040D8, "PTC64"),
    (0x040DC, 0x040DC, "PTC127"),
    (0x040E0, 0x040E0, "PTC255"),
    (0x040E4, 0x040E4, "PTC511"),
    (0x040E8, 0x040E8, "PTC1023"),
    (0x040EC, 0x040EC, "PTC1522"),
    (0x040F0, 0x040F0, "MPTC"),
    (0x040F4, 0x040F4, "BPTC"),
    (0x04120, 0x04120, "XEC"),
    (0x04140, 0x0415C, "PXONRXCNT"),
    (0x04160, 0x0417C, "PXOFFRXCNT"),
    (0x041A4, 0x041A4, "LXONRXCNT"),
    (0x041A8, 0x041A8, "LXOFFRXCNT"),
    (0x04208, 0x04208, "PCS1GLCTL"),
    (0x04218, 0x04218, "PCS1GANA"),
    (0x04240, 0x04240, "HLREG0"),
    (0x0425C, 0x0425C, "MSCA"),
    (0x04260, 0x04260, "MSRWD"),
    (0x04268, 0x04268, "MAXFRS"),
    (0x04294, 0x04294, "MFLCN"),
    (0x042A0, 0x042A0, "AUTOC"),
    (0x042A4, 0x042A4, "LINKS"),
    (0x042A8, 0x042A8, "AUTOC2"),
    (0x042B0, 0x042B0, "ANLP1"),
    (0x042D0, 0x042D0, "MMNGC"),
    (0x04900, 0x04900, "RTTDCS"),
    (0x04904, 0x04904, "RTTDQSEL"),
    (0x04950, 0x0496C, "TXPBTHRESH"),
    (0x04984, 0x04984, "RTTBCNRC"),
    (0x04A80, 0x04A80, "DMATXCTL"),
    (0x05000, 0x05000, "RXCSUM"),
    (0x05008, 0x05008, "RFCTL"),
    (0x05080, 0x05080, "FCTRL"),
    (0x05088, 0x05088, "VLNCTRL"),
    (0x05090, 0x05090, "MCSTCTRL"),
    (0x05118, 0x05118, "FCCRC"),
    (0x05120, 0x05120, "RXMTRL"),
    (0x05130, 0x05134, "ETQF"),
    (0x05188, 0x05188, "TSYNCRXCTL"),
    (0x051A4, 0x051A4, "RXSTMPH"),
    (0x051B0, 0x051B0, "PFVTCTL"),
    (0x05200, 0x053FC, "MTA"),
    (0x05400, 0x0A5F8, "RAL"),
    (0x05404, 0x0A5FC, "RAH"),
    (0x05480, 0x05480, "PSRTYPE"),
    (0x05800, 0x05800, "WUC"),
    (0x05808, 0x05808, "WUFC"),
    (0x05810, 0x05810, "WUS"),
    (0x05818, 0x05818, "MRQC"),
    (0x05C00, 0x05C7C, "RETA"),
    (0x05C80, 0x05CA4, "RSSRK"),
    (0x06000, 0x060C0, "TDBAL"),
    (0x06004, 0x060C4, "TDBAH"),
    (0x06008, 0x060C8, "TDLEN"),
    (0x0600C, 0x07FCC, "DCA_TXCTRL"),
    (0x06010, 0x06050, "TDH"),
    (0x06018, 0x06058, "TDT"),
    (0x06028, 0x07FE8, "TXDCTL"),
    (0x06030, 0x063F0, "QPTC_82598"),
    (0x08120, 0x08120, "MTQC"),
    (0x08220, 0x08220, "PFDTXGSWC"),
    (0x08600, 0x0867C, "TQSM"),
    (0x08700, 0x08778, "QBTC_L"),
    (0x08704, 0x0877C, "QBTC_H"),
    (0x08784, 0x08784, "FCOEPTC"),
    (0x08788, 0x08788, "FCOEDWTC"),
    (0x087A0, 0x087A0, "TXDGPC"),
    (0x08800, 0x08800, "SECTXCTRL"),
    (0x08804, 0x08804, "SECTXSTAT"),
    (0x08808, 0x08808, "SECTXBUFFAF"),
    (0x08810, 0x08810, "SECTXMINIFG"),
    (0x08900, 0x08900, "IPSTXIDX"),
    (0x08904, 0x08904, "IPSTXSALT"),
    (0x08908, 0x08914, "IPSTXKEY"),
    (0x08A3C, 0x08A3C, "LSECTXUT"),
    (0x08A40, 0x08A40, "LSECTXPKTE"),
    (0x08A44, 0x08A44, "LSECTXPKTP"),
    (0x08A48, 0x08A48, "LSECTXOCTE"),
    (0x08A4C, 0x08A4C, "LSECTXOCTP"),
    (0x08C00, 0x08C00, "TSYNCTXCTL"),
    (0x08C08, 0x08C08, "TXSTMPH"),
    (0x08C0C, 0x08C0C, "SYSTIML"),
    (0x08C10, 0x08C10, "SYSTIMH"),
    (0x08C14, 0x08C14, "TIMINCA"),
    (0x08D00, 0x08D00, "SECRXCTRL"),
    (0x08D04, 0x08D04, "SECRXSTAT"),
    (0x08E00, 0x08E00, "IPSRXIDX"),
    (0x08E04, 0x08E10, "IPSRXIPADDR"),
    (0x08E14, 0x08E14, "IPSRXSPI"),
    (0x08E18, 0x08E18, "IPSRXIPIDX"),
    (0x08E1C, 0x08E28, "IPSRXKEY"),
    (0x08E2C, 0x08E2C, "IPSRXSALT"),
    (0x08E30, 0x08E30, "IPSRXMOD"),
    (0x08F40, 0x08F40, "LSECRXUT"),
    (0x08F44, 0x08F44, "LSECRXOCTD"),
    (0x08F48, 0x08F48, "LSECRXOCTV"),
    (0x08F4C, 0x08F4C, "LSECRXBAD"),
    (0x08F50, 0x08F50, "LSECRXNOSCI"),
    (0x08F54, 0x08F54, "LSECRXUNSCI"),
    (0x08F58, 0x08F58, "LSECRXUNCH"),
    (0x08F5C, 0x08F5C, "LSECRXDELAY"),
    (0x08F60, 0x08F60, "LSECRXLATE"),
    (0x08F64, 0x08F68, "LSECRXOK"),
    (0x08F6C, 0x08F70, "LSECRXINV"),
    (0x08F74, 0x08F78, "LSECRXNV"),
    (0x08F7C, 0x08F7C, "LSECRXUNSA"),
    (0x08F80, 0x08F80, "LSECRXNUSA"),
    (0x0A000, 0x0A1FC, "VFTA"),
    (0x0A600, 0x0A9F8, "MPSAR_LO"),
    (0x0A604, 0x0A9FC, "MPSAR_HI"),
    (0x0CC00, 0x0CC1C, "TXPBSIZE"),
    (0x0CF90, 0x0CF90, "MNGPTC"),
    (0x0EC08, 0x0EC08, "ETQS"),
    (0x0EE00, 0x0EE00, "FDIRCTRL"),
    (0x0EE50, 0x0EE50, "FDIRUSTAT"),
    (0x0EE54, 0x0EE54, "FDIRFSTAT"),
    (0x0EE58, 0x0EE58, "FDIRMATCH"),
    (0x0EE5C, 0x0EE5C, "FDIRMISS"),
    (0x0EE68, 0x0EE68, "FDIRHKEY"),
    (0x0EE6C, 0x0EE6C, "FDIRSKEY"),
    (0x0F000, 0x0F000, "PFVML2FLT"),
    (0x0F100, 0x0F1FC, "PFVLVF"),
    (0x0F200, 0x0F3FC, "PFVLVFB"),
    (0x0F400, 0x0F5FC, "PFUTA"),
    (0x10010, 0x10010, "EEC"),
    (0x10014, 0x10014, "EERD"),
    (0x10140, 0x10140, "SWSM"),
    (0x10148, 0x10148, "FWSM"),
    (0x10150, 0x10150, "FACTPS"),
    (0x10160, 0x10160, "SW_FW_SYNC"),
    (0x11074, 0x11074, "DCA_CTRL"),
    (0x14F00, 0x14F00, "CORECTL"),
    (0x15F00, 0x15F00, "HICR"),
    (0x15F0C, 0x15F0C, "FWSTS"),
];
