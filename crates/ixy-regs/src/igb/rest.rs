//! The rest of the 82576's register map: registers that this project's drivers do not use, for decoders and
//! other drivers.
//!
//! Left out are MACsec, IPsec, software access to internal memories, and registers of virtual functions with a
//! single public source.

use crate::igb::rest_fields::*;
use crate::registers;

registers! {
    /// The registers that drivers of this project do not use.
    pub unsafe struct Rest, 0x20000;

    // General control
    0x00024 SCTL "8" => sctl: u32, RW;
    0x01028 I2CCMD "8" => i2ccmd: u32 I2CCMD, RW;
    0x01048 FRTIMER "8" => frtimer: u32, RO;
    0x0104C TCPTIMER "8" => tcptimer: u32 TCPTIMER, RW;

    // EEPROM and flash
    0x0001C FLA "8" => fla: u32, RW;
    0x01010 EEMNGCTL "8" => eemngctl: u32 EEMNGCTL, RW;
    0x01024 EEARBC "8" => eearbc: u32, RW;
    0x0103C FLOP "8" => flop: u32, RW;

    // PCIe (section 8.6)
    0x05B08 FUNCTAG "8.6" => functag: u32, RW;
    0x05B10 GSCL_1 "8.6" => gscl_1: u32, RW;
    0x05B14 GSCL_2 "8.6" => gscl_2: u32, RW;
    0x05B18 GSCL_3 "8.6" => gscl_3: u32, RW;
    0x05B1C GSCL_4 "8.6" => gscl_4: u32, RW;
    0x05B20 + 4 * 4 GSCN "8.6" => gscn: u32, RO;
    0x05B30 FACTPS "8.6" => factps: u32, RO;
    0x05B68 PBACL "8" => pbacl: u32, RW;

    // Interrupts (section 8.8)
    0x05A80 + 4 * 8 IMIR "8" => imir: u32 IMIR, RW;
    0x05AA0 + 4 * 8 IMIREXT "8" => imirext: u32 IMIREXT, RW;
    0x05AC0 IMIRVP "8" => imirvp: u32, RW;

    // Receive: control and rings (section 8.10)
    0x02410 RDFH "8" alias 0x08000 => rdfh: u32, RW;
    0x02418 RDFT "8" alias 0x08008 => rdft: u32, RW;
    0x02420 RDFHS "8" => rdfhs: u32, RW;
    0x02428 RDFTS "8" => rdfts: u32, RW;
    0x02430 RDFPC "8" => rdfpc: u32, RW;

    // Filters that choose a queue
    0x055FC SYNQF "8" => synqf: u32, RW;
    0x05980 + 4 * 8 SAQF "8" => saqf: u32, RW;
    0x059A0 + 4 * 8 DAQF "8" => daqf: u32, RW;
    0x059C0 + 4 * 8 SPQF "8" => spqf: u32, RW;
    0x059E0 + 4 * 8 FTQF "8" => ftqf: u32 FTQF, RW;
    0x05CB0 + 4 * 8 ETQF "8" => etqf: u32 ETQF, RW;

    // Transmit (section 8.12)
    0x03410 TDFH "8" alias 0x08010 => tdfh: u32, RW;
    0x03418 TDFT "8" alias 0x08018 => tdft: u32, RW;
    0x03420 TDFHS "8" => tdfhs: u32, RW;
    0x03428 TDFTS "8" => tdfts: u32, RW;
    0x03430 TDFPC "8" => tdfpc: u32, RW;

    // Direct cache access
    0x05B70 DCA_ID "8" => dca_id: u32, RO;

    // Virtualization
    0x00800 + 4 * 128 VMBMEM "8" => vmbmem: u32, RW;
    0x00C00 + 4 * 8 P2VMAILBOX "8" => p2vmailbox: u32 P2VMAILBOX, RW;
    0x00C80 MBVFICR "8" => mbvficr: u32 MBVFICR, RW;
    0x00C84 MBVFIMR "8" => mbvfimr: u32, RW;
    0x00C88 VFLRE "8" => vflre: u32, RW;
    0x03548 LVMMC "8" => lvmmc: u32, RC;
    0x03554 WVBR "8" => wvbr: u32, RC;
    0x03604 RTTDQSEL "8" => rttdqsel: u32, RW;
    0x03690 RTTBCNRM "8" => rttbcnrm: u32, RW;
    0x036B0 RTTBCNRC "8" => rttbcnrc: u32 RTTBCNRC, RW;
    0x03700 + 4 * 8 VMVIR "8" => vmvir: u32 VMVIR, RW;
    0x05ACC TXSWC "8" => txswc: u32, RW;
    0x05BBC IOVCTL "8" => iovctl: u32 IOVCTL, RW;
    0x05D00 + 4 * 32 VLVF "8" => vlvf: u32 VLVF, RW;
    0x10000 + 0x100 * 8 PVTCTRL "8" => pvtctrl: u32, RW;
    0x10010 + 0x100 * 8 PVFGPRC "8" => pvfgprc: u32, RO;
    0x10014 + 0x100 * 8 PVFGPTC "8" => pvfgptc: u32, RO;
    0x10018 + 0x100 * 8 PVFGORC "8" => pvfgorc: u32, RO;
    0x10034 + 0x100 * 8 PVFGOTC "8" => pvfgotc: u32, RO;
    0x1003C + 0x100 * 8 PVFMPRC "8" => pvfmprc: u32, RO;
    0x10040 + 0x100 * 8 PVFGPRLBC "8" => pvfgprlbc: u32, RO;
    0x10044 + 0x100 * 8 PVFGPTLBC "8" => pvfgptlbc: u32, RO;
    0x10048 + 0x100 * 8 PVFGORLBC "8" => pvfgorlbc: u32, RO;
    0x10050 + 0x100 * 8 PVFGOTLBC "8" => pvfgotlbc: u32, RO;

    // Physical coding sublayer (SerDes and SGMII)
    0x04200 PCS_CFG "8" => pcs_cfg: u32 PCS_CFG, RW;
    0x04208 PCS_LCTL "8" => pcs_lctl: u32 PCS_LCTL, RW;
    0x0420C PCS_LSTAT "8" => pcs_lstat: u32 PCS_LSTAT, RO;
    0x04218 PCS_ANADV "8" => pcs_anadv: u32, RW;
    0x0421C PCS_LPAB "8" => pcs_lpab: u32, RO;
    0x04220 PCS_NPTX "8" => pcs_nptx: u32, RW;
    0x04224 PCS_LPABNP "8" => pcs_lpabnp: u32, RO;

    // Statistics (section 8.19)
    0x0402C CBTMPC "8.19" => cbtmpc: u32, RC;
    0x04044 CBRDPC "8.19" => cbrdpc: u32, RC;
    0x040B4 MGTPRC "8.19" => mgtprc: u32, RC;
    0x040B8 MGTPDC "8.19" => mgtpdc: u32, RC;
    0x040BC MGTPTC "8.19" => mgtptc: u32, RC;
    0x040FC CBRMPC "8.19" => cbrmpc: u32, RC;
    0x04108 ICRXATC "8.19" => icrxatc: u32, RC;
    0x0410C ICTXPTC "8.19" => ictxptc: u32, RC;
    0x04110 ICTXATC "8.19" => ictxatc: u32, RC;
    0x0411C ICTXQMTC "8.19" => ictxqmtc: u32, RC;
    0x04124 HTCBDPC "8.19" => htcbdpc: u32, RC;
    0x041A0 SSVPC "8.19" => ssvpc: u32, RC;
    0x04228 SCVPC "8.19" => scvpc: u32, RC;

    // Wake-up
    0x05810 WUS "8" => wus: u32, RW;
    0x05838 IPAV "8" => ipav: u32, RW;
    0x05840 + 8 * 4 IP4AT "8" => ip4at: u32, RW;
    0x05880 + 4 * 4 IP6AT "8" => ip6at: u32, RW;
    0x05900 WUPL "8" => wupl: u32, RW;
    0x05A00 + 4 * 32 WUPM "8" => wupm: u32, RW;
    0x09000 + 4 * 256 | 0x09A00 + 4 * 128 FHFT "8" => fhft: u32, RW;

    // Management filters
    0x05010 + 4 * 4 MAVTV "8" => mavtv: u32, RW;
    0x05820 MANC "8" => manc: u32 MANC, RW;
    0x05824 MFVAL "8" => mfval: u32, RW;
    0x05860 MANC2H "8" => manc2h: u32, RW;
    0x05890 + 4 * 8 MDEF "8" => mdef: u32, RW;
    0x08F00 HICR "8" => hicr: u32, RW;
    0x08F0C FWSTS "8" => fwsts: u32, RW;

    // Time synchronisation (IEEE 1588)
    0x05F50 TSYNCRXCFG "8" => tsyncrxcfg: u32 TSYNCRXCFG, RW;
    0x0B600 SYSTIML "8" => systiml: u32, RW;
    0x0B604 SYSTIMH "8" => systimh: u32, RW;
    0x0B608 TIMINCA "8" => timinca: u32 TIMINCA, RW;
    0x0B60C TIMADJL "8" => timadjl: u32, RW;
    0x0B610 TIMADJH "8" => timadjh: u32, RW;
    0x0B614 TSYNCTXCTL "8" => tsynctxctl: u32 TSYNCTXCTL, RW;
    0x0B618 TXSTMPL "8" => txstmpl: u32, RO;
    0x0B61C TXSTMPH "8" => txstmph: u32, RC;
    0x0B620 TSYNCRXCTL "8" => tsyncrxctl: u32 TSYNCRXCTL, RW;
    0x0B624 RXSTMPL "8" => rxstmpl: u32, RO;
    0x0B628 RXSTMPH "8" => rxstmph: u32, RO;
    0x0B62C RXSATRL "8" => rxsatrl: u32, RO;
    0x0B630 RXSATRH "8" => rxsatrh: u32, RC;
    0x0B640 TSAUXC "8" => tsauxc: u32, RW;
}
