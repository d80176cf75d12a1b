//! The 82599's registers that drivers of this project use, in the datasheet's order.
//!
//! [`Registers`] has the registers that exist once (or as an array), [`RxQueue`] and [`TxQueue`] those of each
//! queue. `datasheet-notes/82599-registers.md` describes every register with its reset value; the fields are in
//! [`fields`](super::fields).

use crate::ixgbe::fields::*;
use crate::registers;

registers! {
    /// The registers that drivers of this project use, but for those of a queue.
    ///
    /// Two registers marked `dma` hold no address: [`rxctrl`](Self::rxctrl) and [`dmatxctl`](Self::dmatxctl) are
    /// the gates of all receive and transmit DMA. Opening one sets to work every queue that is enabled, with
    /// whatever addresses its registers hold, also those that an earlier program left there.
    pub unsafe struct Registers, 0x20000;

    // General control (section 8.2.3.1)
    0x00000 CTRL "8.2.3.1.1" alias 0x00004 => ctrl: u32 CTRL, RW;
    0x00008 STATUS "8.2.3.1.2" => status: u32 STATUS, RO;
    0x00018 CTRL_EXT "8.2.3.1.3" => ctrl_ext: u32 CTRL_EXT, RW;
    0x00020 ESDP "8.2.3.1.4" => esdp: u32 ESDP, RW;
    0x00028 I2CCTL "8.2.3.1.5" => i2cctl: u32 I2CCTL, RW;
    0x00200 LEDCTL "8.2.3.1.6" => ledctl: u32 LEDCTL, RW;

    // EEPROM and flash (section 8.2.3.2)
    0x10010 EEC "8.2.3.2.1" => eec: u32 EEC, RW;
    0x10014 EERD "8.2.3.2.2" => eerd: u32 EERD, RW;

    // Flow control (section 8.2.3.3)
    0x03200 + 4 * 4 FCTTV "8.2.3.3.2" => fcttv: u32 FCTTV, RW;
    0x03220 + 4 * 8 FCRTL "8.2.3.3.3" => fcrtl: u32 FCRTL, RW;
    0x03260 + 4 * 8 FCRTH "8.2.3.3.4" => fcrth: u32 FCRTH, RW;
    0x032A0 FCRTV "8.2.3.3.5" => fcrtv: u32 FCRTV, RW;
    0x03D00 FCCFG "8.2.3.3.7" => fccfg: u32 FCCFG, RW;

    // PCIe, semaphores and firmware (section 8.2.3.4)
    0x10150 FACTPS "8.2.3.4.6" => factps: u32 FACTPS, RO;
    0x10140 SWSM "8.2.3.4.9" => swsm: u32 SWSM, RS;
    0x10148 FWSM "8.2.3.4.10" => fwsm: u32 FWSM, RO;
    0x10160 SW_FW_SYNC "8.2.3.4.11" => sw_fw_sync: u32 SW_FW_SYNC, RW;
    0x11050 GCR_EXT "8.2.3.4.12" => gcr_ext: u32 GCR_EXT, RW;

    // Interrupts (section 8.2.3.5)
    0x00800 EICR "8.2.3.5.1" => eicr: u32 EICR, RC_W1C;
    0x00808 EICS "8.2.3.5.2" => eics: u32 EICR, W1S;
    0x00880 EIMS "8.2.3.5.3" => eims: u32 EICR, W1S;
    0x00888 EIMC "8.2.3.5.4" => eimc: u32 EICR, W1C;
    0x00810 EIAC "8.2.3.5.5" => eiac: u32 EICR, RW;
    0x00890 EIAM "8.2.3.5.6" => eiam: u32 EICR, RW;
    0x00A90 + 4 * 2 EICS_EX "8.2.3.5.7" => eics_ex: u32, W1S;
    0x00AA0 + 4 * 2 EIMS_EX "8.2.3.5.8" => eims_ex: u32, W1S;
    0x00AB0 + 4 * 2 EIMC_EX "8.2.3.5.9" => eimc_ex: u32, W1C;
    0x00AD0 + 4 * 2 EIAM_EX "8.2.3.5.10" => eiam_ex: u32, RW;
    0x00820 + 4 * 24 | 0x12300 + 4 * 104 EITR "8.2.3.5.12" => eitr: u32 EITR, RW;
    0x00900 + 4 * 64 IVAR "8.2.3.5.16" => ivar: u32 IVAR, RW;
    0x00A00 IVAR_MISC "8.2.3.5.17" => ivar_misc: u32 IVAR_MISC, RW;
    0x00898 GPIE "8.2.3.5.18" => gpie: u32 GPIE, RW;

    // Receive: filters and RSS (section 8.2.3.7)
    0x05080 FCTRL "8.2.3.7.1" => fctrl: u32 FCTRL, RW;
    0x05088 VLNCTRL "8.2.3.7.2" => vlnctrl: u32 VLNCTRL, RW;
    0x05090 MCSTCTRL "8.2.3.7.3" => mcstctrl: u32 MCSTCTRL, RW;
    0x0EA00 + 4 * 64 PSRTYPE "8.2.3.7.4" alias 0x05480 + 4 * 16 => psrtype: u32 PSRTYPE, RW;
    0x05000 RXCSUM "8.2.3.7.5" => rxcsum: u32 RXCSUM, RW;
    0x05008 RFCTL "8.2.3.7.6" => rfctl: u32 RFCTL, RW;
    0x05200 + 4 * 128 MTA "8.2.3.7.7" => mta: u32, RW;
    0x0A200 + 8 * 128 RAL "8.2.3.7.8" alias 0x05400 + 8 * 16 => ral: u32, RW;
    0x0A204 + 8 * 128 RAH "8.2.3.7.9" alias 0x05404 + 8 * 16 => rah: u32 RAH, RW;
    0x0A600 + 8 * 128 MPSAR_LO "8.2.3.7.10" => mpsar_lo: u32, RW;
    0x0A604 + 8 * 128 MPSAR_HI "8.2.3.7.10" => mpsar_hi: u32, RW;
    0x0A000 + 4 * 128 VFTA "8.2.3.7.11" => vfta: u32, RW;
    0x0EC80 MRQC "8.2.3.7.12" alias 0x05818 => mrqc: u32 MRQC, RW;
    0x0EC70 RQTC "8.2.3.7.13" => rqtc: u32 RQTC, RW;
    0x0EB80 + 4 * 10 RSSRK "8.2.3.7.14" alias 0x05C80 + 4 * 10 => rssrk: u32, RW;
    0x0EB00 + 4 * 32 RETA "8.2.3.7.15" alias 0x05C00 + 4 * 32 => reta: u32 RETA, RW;
    0x05128 + 4 * 8 ETQF "8.2.3.7.21" => etqf: u32 ETQF, RW;
    0x0EC00 + 4 * 8 ETQS "8.2.3.7.22" => etqs: u32 ETQS, RW;

    // Receive: rings and DMA (section 8.2.3.8)
    0x02F00 RDRXCTL "8.2.3.8.8" => rdrxctl: u32 RDRXCTL, RW;
    0x03C00 + 4 * 8 RXPBSIZE "8.2.3.8.9" => rxpbsize: u32 RXPBSIZE, RW;
    0x03000 RXCTRL "8.2.3.8.10" => rxctrl: u32 RXCTRL, RW dma;
    0x03028 RSCDBU "8.2.3.8.12" => rscdbu: u32 RSCDBU, RW;

    // Transmit (section 8.2.3.9)
    0x08100 DTXMXSZRQ "8.2.3.9.1" => dtxmxszrq: u32 DTXMXSZRQ, RW;
    0x04A80 DMATXCTL "8.2.3.9.2" => dmatxctl: u32 DMATXCTL, RW dma;
    0x04A88 DTXTCPFLGL "8.2.3.9.3" => dtxtcpflgl: u32 DTXTCPFLGL, RW;
    0x04A8C DTXTCPFLGH "8.2.3.9.4" => dtxtcpflgh: u32 DTXTCPFLGH, RW;
    0x0CC00 + 4 * 8 TXPBSIZE "8.2.3.9.13" => txpbsize: u32 TXPBSIZE, RW;
    0x0CD10 MNGTXMAP "8.2.3.9.14" => mngtxmap: u32 MNGTXMAP, RW;
    0x08120 MTQC "8.2.3.9.15" => mtqc: u32 MTQC, RW;
    0x04950 + 4 * 8 TXPBTHRESH "8.2.3.9.16" => txpbthresh: u32 TXPBTHRESH, RW;

    // Data centre bridging (section 8.2.3.10)
    0x02430 RTRPCS "8.2.3.10.1" => rtrpcs: u32 RTRPCS, RW;
    0x04900 RTTDCS "8.2.3.10.2" => rttdcs: u32 RTTDCS, RW;
    0x0CD00 RTTPCS "8.2.3.10.3" => rttpcs: u32 RTTPCS, RW;
    0x03020 RTRUP2TC "8.2.3.10.4" => rtrup2tc: u32 RTRUP2TC, RW;
    0x0C800 RTTUP2TC "8.2.3.10.5" => rttup2tc: u32 RTRUP2TC, RW;
    0x04904 RTTDQSEL "8.2.3.10.13" => rttdqsel: u32 RTTDQSEL, RW;
    0x04984 RTTBCNRC "8.2.3.10.16" => rttbcnrc: u32 RTTBCNRC, RW;

    // Direct cache access (section 8.2.3.11)
    0x11074 DCA_CTRL "8.2.3.11.4" => dca_ctrl: u32 DCA_CTRL, RW;

    // Security: the path's switches (section 8.2.3.12)
    0x08800 SECTXCTRL "8.2.3.12.1" => sectxctrl: u32 SECTXCTRL, RW;
    0x08804 SECTXSTAT "8.2.3.12.2" => sectxstat: u32 SECTXSTAT, RO;
    0x08D00 SECRXCTRL "8.2.3.12.5" => secrxctrl: u32 SECRXCTRL, RW;
    0x08D04 SECRXSTAT "8.2.3.12.6" => secrxstat: u32 SECRXSTAT, RO;

    // MAC and link (section 8.2.3.22)
    0x04240 HLREG0 "8.2.3.22.8" => hlreg0: u32 HLREG0, RW;
    0x0425C MSCA "8.2.3.22.11" => msca: u32 MSCA, RW;
    0x04260 MSRWD "8.2.3.22.12" => msrwd: u32 MSRWD, RW;
    0x04268 MAXFRS "8.2.3.22.13" => maxfrs: u32 MAXFRS, RW;
    0x042A0 AUTOC "8.2.3.22.19" => autoc: u32 AUTOC, RW;
    0x042A4 LINKS "8.2.3.22.20" => links: u32 LINKS, RO;
    0x042A8 AUTOC2 "8.2.3.22.22" => autoc2: u32 AUTOC2, RW;
    0x042B0 ANLP1 "8.2.3.22.23" => anlp1: u32 ANLP1, RO;
    0x042D0 MMNGC "8.2.3.22.25" => mmngc: u32 MMNGC, RO;
    0x14F00 CORECTL "8.2.3.22.32" => corectl: u32 CORECTL, WO;
    0x04294 MFLCN "8.2.3.22.34" => mflcn: u32 MFLCN, RW;

    // Statistics (section 8.2.3.23)
    0x04000 CRCERRS "8.2.3.23.1" => crcerrs: u32, RC;
    0x04004 ILLERRC "8.2.3.23.2" => illerrc: u32, RC;
    0x04008 ERRBC "8.2.3.23.3" => errbc: u32, RC;
    0x03FA0 + 4 * 8 MPC "8.2.3.23.4" => mpc: u32, RC;
    0x04034 MLFC "8.2.3.23.5" => mlfc: u32, RC;
    0x04038 MRFC "8.2.3.23.6" => mrfc: u32, RC;
    0x04040 RLEC "8.2.3.23.7" => rlec: u32, RC;
    0x04078 BPRC "8.2.3.23" => bprc: u32, RC;
    0x0407C MPRC "8.2.3.23" => mprc: u32, RC;
    0x04074 GPRC "8.2.3.23.26" => gprc: u32, RC;
    0x04088 GORCL "8.2.3.23.27" => gorcl: u32, RC;
    0x0408C GORCH "8.2.3.23.28" => gorch: u32, RC;
    0x04080 GPTC "8.2.3.23.44" => gptc: u32, RC;
    0x04090 GOTCL "8.2.3.23.45" => gotcl: u32, RC;
    0x04094 GOTCH "8.2.3.23.46" => gotch: u32, RC;
    0x040A4 RUC "8.2.3.23.50" => ruc: u32, RC;
    0x040A8 RFC "8.2.3.23.51" => rfc: u32, RC;
    0x040AC ROC "8.2.3.23.52" => roc: u32, RC;
    0x040B0 RJC "8.2.3.23.53" => rjc: u32, RC;
    0x040C0 TORL "8.2.3.23.57" => torl: u32, RC;
    0x040C4 TORH "8.2.3.23.58" => torh: u32, RC;
    0x040D0 TPR "8.2.3.23.59" => tpr: u32, RC;
    0x040D4 TPT "8.2.3.23.60" => tpt: u32, RC;
    0x040F0 MPTC "8.2.3.23" => mptc: u32, RC;
    0x040F4 BPTC "8.2.3.23" => bptc: u32, RC;
    0x04010 MSPDC "8.2.3.23.69" => mspdc: u32, RC;
    0x02300 + 4 * 32 RQSMR "8.2.3.23.71" => rqsmr: u32 RQSMR, RW;
    0x08600 + 4 * 32 TQSM "8.2.3.23.73" => tqsm: u32 RQSMR, RW;
    0x01030 + 0x40 * 16 QPRC "8.2.3.23.74" => qprc: u32, RC;
    0x01430 + 0x40 * 16 QPRDC "8.2.3.23.75" => qprdc: u32, RC;
    0x01034 + 0x40 * 16 QBRC_L "8.2.3.23" => qbrc_l: u32, RC;
    0x01038 + 0x40 * 16 QBRC_H "8.2.3.23" => qbrc_h: u32, RC;
    0x08680 + 4 * 16 QPTC "8.2.3.23" => qptc: u32, RC;
    0x08700 + 8 * 16 QBTC_L "8.2.3.23" => qbtc_l: u32, RC;
    0x08704 + 8 * 16 QBTC_H "8.2.3.23" => qbtc_h: u32, RC;

    // Wake-up (section 8.2.3.24)
    0x05808 WUFC "8.2.3.24.2" => wufc: u32 WUFC, RW;

    // Virtualization (section 8.2.3.27)
    0x051B0 PFVTCTL "8.2.3.27.1" => pfvtctl: u32 PFVTCTL, RW;
    0x02F04 PFQDE "8.2.3.27.9" => pfqde: u32 PFQDE, RW;
    0x08220 PFDTXGSWC "8.2.3.27.12" => pfdtxgswc: u32 PFDTXGSWC, RW;
    0x0F000 + 4 * 64 PFVML2FLT "8.2.3.27.14" => pfvml2flt: u32 PFVML2FLT, RW;
    0x0F100 + 4 * 64 PFVLVF "8.2.3.27.15" => pfvlvf: u32 PFVLVF, RW;
    0x0F200 + 4 * 128 PFVLVFB "8.2.3.27.16" => pfvlvfb: u32, RW;
    0x0F400 + 4 * 128 PFUTA "8.2.3.27.17" => pfuta: u32, RW;
}

registers! {
    /// The registers of one receive queue (section 8.2.3.8).
    ///
    /// All of them are marked `dma`. [`dca_rxctrl`](Self::dca_rxctrl) holds no address either: relaxed ordering
    /// would let a descriptor be reported as done before the device has finished writing to its buffer.
    pub unsafe block RxQueue, 0x01000 + 0x40 * 64 | 0x0D000 + 0x40 * 64;

    0x00 RDBAL "8.2.3.8.1" => rdbal: u32, RW dma;
    0x04 RDBAH "8.2.3.8.2" => rdbah: u32, RW dma;
    0x08 RDLEN "8.2.3.8.3" => rdlen: u32 RDLEN, RW dma;
    0x0C DCA_RXCTRL "8.2.3.11.1" alias 0x02200 + 4 * 16 => dca_rxctrl: u32 DCA_RXCTRL, RW dma;
    0x10 RDH "8.2.3.8.4" => rdh: u32 RDH, RW dma;
    0x14 SRRCTL "8.2.3.8.7" alias 0x02100 + 4 * 16 => srrctl: u32 SRRCTL, RW dma;
    0x18 RDT "8.2.3.8.5" => rdt: u32 RDT, RW dma;
    0x28 RXDCTL "8.2.3.8.6" => rxdctl: u32 RXDCTL, RW dma;
    0x2C RSCCTL "8.2.3.8.13" => rscctl: u32 RSCCTL, RW dma;
}

registers! {
    /// The registers of one transmit queue (section 8.2.3.9).
    ///
    /// All of them are marked `dma`, as for receive queues.
    pub unsafe block TxQueue, 0x06000 + 0x40 * 128;

    0x00 TDBAL "8.2.3.9.5" => tdbal: u32, RW dma;
    0x04 TDBAH "8.2.3.9.6" => tdbah: u32, RW dma;
    0x08 TDLEN "8.2.3.9.7" => tdlen: u32 TDLEN, RW dma;
    0x0C DCA_TXCTRL "8.2.3.11.2" => dca_txctrl: u32 DCA_TXCTRL, RW dma;
    0x10 TDH "8.2.3.9.8" => tdh: u32 TDH, RW dma;
    0x18 TDT "8.2.3.9.9" => tdt: u32 TDT, RW dma;
    0x28 TXDCTL "8.2.3.9.10" => txdctl: u32 TXDCTL, RW dma;
    0x38 TDWBAL "8.2.3.9.11" => tdwbal: u32 TDWBAL, RW dma;
    0x3C TDWBAH "8.2.3.9.12" => tdwbah: u32, RW dma;
}
