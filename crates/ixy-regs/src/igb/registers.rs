//! The 82576's registers that drivers of this project use, by topic.
//!
//! [`Registers`] has the registers that exist once (or as an array), [`RxQueue`] and [`TxQueue`] those of each
//! queue. `datasheet-notes/82576-registers.md` describes every register; the fields are in
//! [`fields`](super::fields).

use crate::igb::fields::*;
use crate::registers;

registers! {
    /// The registers that drivers of this project use, but for those of a queue.
    ///
    /// Two registers marked `dma` hold no address: [`rctl`](Self::rctl) and [`tctl`](Self::tctl) are the gates of all
    /// receive and transmit DMA. Opening one sets to work every queue that is enabled, with whatever addresses its
    /// registers hold, also those that an earlier program left there; and RCTL has the size of buffers for queues that
    /// do not name their own.
    pub unsafe struct Registers, 0x20000;

    // General control
    0x00000 CTRL "8" alias 0x00004 => ctrl: u32 CTRL, RW;
    0x00008 STATUS "8" => status: u32 STATUS, RO;
    0x00018 CTRL_EXT "8" => ctrl_ext: u32 CTRL_EXT, RW;
    0x00020 MDIC "8" => mdic: u32 MDIC, RW;
    0x00034 CONNSW "8" => connsw: u32 CONNSW, RW;
    0x00038 VET "8" => vet: u32 VET, RW;
    0x00E00 LEDCTL "8" => ledctl: u32 LEDCTL, RW;

    // Packet buffers
    0x02404 RXPBS "8" => rxpbs: u32 RXPBS, RW;
    0x03404 TXPBS "8" => txpbs: u32 TXPBS, RW;
    0x03004 SWPBS "8" => swpbs: u32 SWPBS, RW;

    // EEPROM and flash
    0x00010 EEC "8" => eec: u32 EEC, RW;
    0x00014 EERD "8" => eerd: u32 EERD, RW;

    // Flow control
    0x00028 FCAL "8" => fcal: u32, RW;
    0x0002C FCAH "8" => fcah: u32 FCAH, RW;
    0x00030 FCT "8" => fct: u32 FCT, RW;
    0x00170 FCTTV "8" => fcttv: u32 FCTTV, RW;
    0x02160 FCRTL "8" alias 0x00168 => fcrtl: u32 FCRTL, RW;
    0x02168 FCRTH "8" => fcrth: u32 FCRTH, RW;
    0x02460 FCRTV "8" => fcrtv: u32 FCRTV, RW;

    // PCIe (section 8.6)
    0x05B00 GCR "8.6.1" => gcr: u32 GCR, RW;

    // Semaphores and firmware
    0x05B50 SWSM "8" => swsm: u32 SWSM, RS;
    0x05B54 FWSM "8" => fwsm: u32 FWSM, RO;
    0x05B5C SW_FW_SYNC "8" => sw_fw_sync: u32 SW_FW_SYNC, RW;

    // Interrupts (section 8.8)
    0x01580 EICR "8.8.1" => eicr: u32 EICR, RC_W1C;
    0x01520 EICS "8.8.2" => eics: u32 EICR, W1S;
    0x01524 EIMS "8.8.3" => eims: u32 EICR, W1S;
    0x01528 EIMC "8.8.4" => eimc: u32 EICR, W1C;
    0x0152C EIAC "8.8.5" => eiac: u32 EICR, RW;
    0x01530 EIAM "8.8.6" => eiam: u32 EICR, RW;
    0x000C0 ICR "8.8.7" alias 0x01500 => icr: u32 ICR, RC_W1C;
    0x000C8 ICS "8.8.8" alias 0x01504 => ics: u32 ICR, W1S;
    0x000D0 IMS "8.8.9" alias 0x01508 => ims: u32 ICR, W1S;
    0x000D8 IMC "8.8.10" alias 0x0150C => imc: u32 ICR, W1C;
    0x000E0 IAM "8.8.11" alias 0x01510 => iam: u32 ICR, RW;
    0x01680 + 4 * 25 EITR "8.8.12" => eitr: u32 EITR, RW;
    0x01700 + 4 * 8 IVAR "8.8.13" => ivar: u32 IVAR, RW;
    0x01740 IVAR_MISC "8.8" => ivar_misc: u32 IVAR_MISC, RW;
    0x01514 GPIE "8.8" => gpie: u32 GPIE, RW;

    // Receive: control and rings (section 8.10)
    0x00100 RCTL "8.10.1" => rctl: u32 RCTL, RW dma;
    0x05000 RXCSUM "8.10" => rxcsum: u32 RXCSUM, RW;
    0x05004 RLPML "8.10" => rlpml: u32 RLPML, RW;
    0x05008 RFCTL "8.10" => rfctl: u32 RFCTL, RW;
    0x05200 + 4 * 128 MTA "8.10" alias 0x00200 + 4 * 128 => mta: u32, RW;
    0x05400 + 8 * 16 | 0x054E0 + 8 * 8 RAL "8.10" alias 0x00040 + 8 * 16 => ral: u32, RW;
    0x05404 + 8 * 16 | 0x054E4 + 8 * 8 RAH "8.10" alias 0x00044 + 8 * 16 => rah: u32 RAH, RW;
    0x05600 + 4 * 128 VFTA "8.10" alias 0x00600 + 4 * 128 => vfta: u32, RW;
    0x0A000 + 4 * 128 UTA "8.10" => uta: u32, RW;
    0x05480 + 4 * 8 PSRTYPE "8.10" => psrtype: u32, RW;
    0x05818 MRQC "8.10" => mrqc: u32 MRQC, RW;
    0x05C00 + 4 * 32 RETA "8.10" => reta: u32 RETA, RW;
    0x05C80 + 4 * 10 RSSRK "8.10" => rssrk: u32, RW;
    0x02408 QDE "8" => qde: u32 QDE, RW;

    // Transmit (section 8.12)
    0x00400 TCTL "8.12" => tctl: u32 TCTL, RW dma;
    0x00404 TCTL_EXT "8.12" => tctl_ext: u32 TCTL_EXT, RW;
    0x00410 TIPG "8.12" => tipg: u32 TIPG, RW;
    0x03590 DTXCTL "8.12" => dtxctl: u32 DTXCTL, RW;
    0x0359C DTXTCPFLGL "8.12" => dtxtcpflgl: u32 DTXTCPFLGL, RW;
    0x035A0 DTXTCPFLGH "8.12" => dtxtcpflgh: u32 DTXTCPFLGH, RW;
    0x03540 DTXMXSZRQ "8.12" => dtxmxszrq: u32, RW;

    // Direct cache access
    0x05B74 DCA_CTRL "8" => dca_ctrl: u32 DCA_CTRL, RW;

    // Virtualization
    0x0581C VT_CTL "8" => vt_ctl: u32 VT_CTL, RW;
    0x05AD0 + 4 * 8 VMOLR "8" => vmolr: u32 VMOLR, RW;
    0x05AF0 RPLOLR "8" => rplolr: u32 RPLOLR, RW;
    0x00C8C VFRE "8" => vfre: u32 VFRE, RW;
    0x00C90 VFTE "8" => vfte: u32 VFTE, RW;
    0x03500 DTXSWC "8" => dtxswc: u32 DTXSWC, RW;

    // Wake-up
    0x05800 WUC "8" => wuc: u32 WUC, RW;
    0x05808 WUFC "8" => wufc: u32 WUFC, RW;

    // Statistics (section 8.19)
    0x04000 CRCERRS "8.19" => crcerrs: u32, RC;
    0x04004 ALGNERRC "8.19" => algnerrc: u32, RC;
    0x04008 SYMERRS "8.19" => symerrs: u32, RC;
    0x0400C RXERRC "8.19" => rxerrc: u32, RC;
    0x04010 MPC "8.19" => mpc: u32, RC;
    0x04014 SCC "8.19" => scc: u32, RC;
    0x04018 ECOL "8.19" => ecol: u32, RC;
    0x0401C MCC "8.19" => mcc: u32, RC;
    0x04020 LATECOL "8.19" => latecol: u32, RC;
    0x04028 COLC "8.19" => colc: u32, RC;
    0x04030 DC "8.19" => dc: u32, RC;
    0x04034 TNCRS "8.19" => tncrs: u32, RC;
    0x04038 SEC "8.19" => sec: u32, RC;
    0x0403C HTDPMC "8.19" => htdpmc: u32, RC;
    0x04040 RLEC "8.19" => rlec: u32, RC;
    0x04048 XONRXC "8.19" => xonrxc: u32, RC;
    0x0404C XONTXC "8.19" => xontxc: u32, RC;
    0x04050 XOFFRXC "8.19" => xoffrxc: u32, RC;
    0x04054 XOFFTXC "8.19" => xofftxc: u32, RC;
    0x04058 FCRUC "8.19" => fcruc: u32, RC;
    0x0405C PRC64 "8.19" => prc64: u32, RC;
    0x04060 PRC127 "8.19" => prc127: u32, RC;
    0x04064 PRC255 "8.19" => prc255: u32, RC;
    0x04068 PRC511 "8.19" => prc511: u32, RC;
    0x0406C PRC1023 "8.19" => prc1023: u32, RC;
    0x04070 PRC1522 "8.19" => prc1522: u32, RC;
    0x04074 GPRC "8.19" => gprc: u32, RC;
    0x04078 BPRC "8.19" => bprc: u32, RC;
    0x0407C MPRC "8.19" => mprc: u32, RC;
    0x04080 GPTC "8.19" => gptc: u32, RC;
    0x04088 GORCL "8.19" => gorcl: u32, RC;
    0x0408C GORCH "8.19" => gorch: u32, RC;
    0x04090 GOTCL "8.19" => gotcl: u32, RC;
    0x04094 GOTCH "8.19" => gotch: u32, RC;
    0x040A0 RNBC "8.19" => rnbc: u32, RC;
    0x040A4 RUC "8.19" => ruc: u32, RC;
    0x040A8 RFC "8.19" => rfc: u32, RC;
    0x040AC ROC "8.19.37" => roc: u32, RC;
    0x040B0 RJC "8.19" => rjc: u32, RC;
    0x040C0 TORL "8.19" => torl: u32, RC;
    0x040C4 TORH "8.19" => torh: u32, RC;
    0x040C8 TOTL "8.19" => totl: u32, RC;
    0x040CC TOTH "8.19" => toth: u32, RC;
    0x040D0 TPR "8.19" => tpr: u32, RC;
    0x040D4 TPT "8.19" => tpt: u32, RC;
    0x040D8 PTC64 "8.19" => ptc64: u32, RC;
    0x040DC PTC127 "8.19" => ptc127: u32, RC;
    0x040E0 PTC255 "8.19" => ptc255: u32, RC;
    0x040E4 PTC511 "8.19" => ptc511: u32, RC;
    0x040E8 PTC1023 "8.19" => ptc1023: u32, RC;
    0x040EC PTC1522 "8.19" => ptc1522: u32, RC;
    0x040F0 MPTC "8.19" => mptc: u32, RC;
    0x040F4 BPTC "8.19" => bptc: u32, RC;
    0x040F8 TSCTC "8.19" => tsctc: u32, RC;
    0x04100 IAC "8.19" => iac: u32, RC;
    0x04104 RPTHC "8.19" => rpthc: u32, RC;
    0x04118 HGPTC "8.19" => hgptc: u32, RC;
    0x04120 RXDMTC "8.19" => rxdmtc: u32, RC;
    0x04128 HGORCL "8.19" => hgorcl: u32, RC;
    0x0412C HGORCH "8.19" => hgorch: u32, RC;
    0x04130 HGOTCL "8.19" => hgotcl: u32, RC;
    0x04134 HGOTCH "8.19" => hgotch: u32, RC;
    0x04138 LENERRS "8.19" => lenerrs: u32, RC;
}

registers! {
    /// The registers of one receive queue.
    ///
    /// All of them except the count of drops are marked `dma`. [`rxctl`](Self::rxctl) holds no address: relaxed
    /// ordering would let a descriptor be reported as done before the device has finished writing to its buffer.
    pub unsafe block RxQueue, 0x0C000 + 0x40 * 16;

    0x00 RDBAL "8.10" alias 0x02800 + 0x100 * 4 => rdbal: u32, RW dma;
    0x04 RDBAH "8.10" alias 0x02804 + 0x100 * 4 => rdbah: u32, RW dma;
    0x08 RDLEN "8.10" alias 0x02808 + 0x100 * 4 => rdlen: u32 RDLEN, RW dma;
    0x0C SRRCTL "8.10.2" alias 0x0280C + 0x100 * 4 => srrctl: u32 SRRCTL, RW dma;
    0x10 RDH "8.10" alias 0x02810 + 0x100 * 4 => rdh: u32 RDH, RW dma;
    0x14 RXCTL "8" alias 0x02814 + 0x100 * 4 => rxctl: u32 RXCTL, RW dma;
    0x18 RDT "8.10" alias 0x02818 + 0x100 * 4 => rdt: u32 RDT, RW dma;
    0x28 RXDCTL "8.10.10" alias 0x02828 + 0x100 * 4 => rxdctl: u32 RXDCTL, RW dma;
    0x30 RQDPC "8.10" alias 0x02830 + 0x100 * 4 => rqdpc: u32 RQDPC, RC;
}

registers! {
    /// The registers of one transmit queue.
    ///
    /// All of them are marked `dma`, as for receive queues.
    pub unsafe block TxQueue, 0x0E000 + 0x40 * 16;

    0x00 TDBAL "8.12" alias 0x03800 + 0x100 * 4 => tdbal: u32, RW dma;
    0x04 TDBAH "8.12" alias 0x03804 + 0x100 * 4 => tdbah: u32, RW dma;
    0x08 TDLEN "8.12" alias 0x03808 + 0x100 * 4 => tdlen: u32 TDLEN, RW dma;
    0x10 TDH "8.12" alias 0x03810 + 0x100 * 4 => tdh: u32 TDH, RW dma;
    0x14 TXCTL "8" alias 0x03814 + 0x100 * 4 => txctl: u32 TXCTL, RW dma;
    0x18 TDT "8.12" alias 0x03818 + 0x100 * 4 => tdt: u32 TDT, RW dma;
    0x28 TXDCTL "8.12.13" alias 0x03828 + 0x100 * 4 => txdctl: u32 TXDCTL, RW dma;
    0x38 TDWBAL "8.12" alias 0x03838 + 0x100 * 4 => tdwbal: u32 TDWBAL, RW dma;
    0x3C TDWBAH "8.12" alias 0x0383C + 0x100 * 4 => tdwbah: u32, RW dma;
}
