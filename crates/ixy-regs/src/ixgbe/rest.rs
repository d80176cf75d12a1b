//! The rest of the 82599's register map: our drivers do not use it, but a software model, a register decoder and
//! later work (virtualization, flow director, time stamps) do. In the datasheet's order.

use crate::ixgbe::rest_fields::*;
use crate::registers;

registers! {
    /// The rest of the registers.
    ///
    /// Marked `dma` are the FCoE contexts, which hold addresses of buffers that the device writes to, and
    /// [`ciad`](Self::ciad), which writes to the configuration space of virtual functions and so can switch
    /// their bus mastering on.
    pub unsafe struct Rest, 0x20000;

    // General control (section 8.2.3.1)
    0x00048 FRTIMER "8.2.3" => frtimer: u32, RO;
    0x0004C TCPTIMER "8.2.3.19.1" => tcptimer: u32 TCPTIMER, RW;
    0x05078 EXVET "8.2.3.1.7" => exvet: u32 EXVET, RW;

    // EEPROM and flash (section 8.2.3.2)
    0x1001C FLA "8.2.3.2.3" => fla: u32 FLA, RW;
    0x10110 EEMNGCTL "8.2.3.2.4" => eemngctl: u32 EEMNGCTL, RW;
    0x10114 EEMNGDATA "8.2.3.2.5" => eemngdata: u32 EEMNGDATA, RW;
    0x10118 FLMNGCTL "8.2.3.2.6" => flmngctl: u32 FLMNGCTL, RW;
    0x1011C FLMNGDATA "8.2.3.2.7" => flmngdata: u32, RW;
    0x1013C FLOP "8.2.3.2.8" => flop: u32 FLOP, RW;
    0x10200 GRC "8.2.3.2.9" => grc: u32 GRC, RW;

    // Flow control (section 8.2.3.3)
    0x03008 PFCTOP "8.2.3.3.1" => pfctop: u32 PFCTOP, RW;
    0x0CE00 TFCS "8.2.3.3.6" => tfcs: u32 TFCS, RO;

    // PCIe, semaphores and firmware (section 8.2.3.4)
    0x11000 GCR "8.2.3.4.1" => gcr: u32 GCR, RW;
    0x11010 GSCL_1 "8.2.3.4.2" => gscl_1: u32 GSCL_1, RW;
    0x11014 GSCL_2 "8.2.3.4.3" => gscl_2: u32 GSCL_2, RW;
    0x11020 + 4 * 4 GSCN "8.2.3.4.5" => gscn: u32, RO;
    0x11030 + 4 * 4 GSCL_5_8 "8.2.3.4.4" => gscl_5_8: u32 GSCL_5_8, RW;
    0x11040 PCIEPHYADR "8.2.3.4.7" => pciephyadr: u32 PCIEPHYADR, RW;
    0x11044 PCIEPHYDAT "8.2.3.4.8" => pciephydat: u32, RW;
    0x11064 MREVID "8.2.3.4.13" => mrevid: u32 MREVID, RO;
    0x11088 CIAA "8.2.3.4" => ciaa: u32, RW;
    0x1108C CIAD "8.2.3.4" => ciad: u32, RW dma;
    0x110B0 PICAUSE "8.2.3.4.14" => picause: u32 PICAUSE, RW;
    0x110B8 PIENA "8.2.3.4.15" => piena: u32 PIENA, RW;

    // Interrupts (section 8.2.3.5)
    0x00894 EITRSEL "8.2.3.5.11" => eitrsel: u32, RW;
    0x0E800 + 4 * 128 L34TIMIR "8.2.3.5.13" => l34timir: u32 L34TIMIR, RW;
    0x0EC90 LLITHRESH "8.2.3.5.14" => llithresh: u32 LLITHRESH, RW;
    0x0EC60 IMIRVP "8.2.3.5.15" => imirvp: u32 IMIRVP, RW;

    // MSI-X (section 8.2.3.6)
    0x110C0 + 4 * 8 PBACL "8.2.3.6.1" alias 0x11068 => pbacl: u32, RW;

    // Receive: filters and RSS (section 8.2.3.7)
    0x0E000 + 4 * 128 SAQF "8.2.3.7.16" => saqf: u32, RW;
    0x0E200 + 4 * 128 DAQF "8.2.3.7.17" => daqf: u32, RW;
    0x0E400 + 4 * 128 SDPQF "8.2.3.7.18" => sdpqf: u32 SDPQF, RW;
    0x0E600 + 4 * 128 FTQF "8.2.3.7.19" => ftqf: u32 FTQF, RW;
    0x0EC30 SYNQF "8.2.3.7.20" => synqf: u32 SYNQF, RW;
    0x051B8 RXFECCERR0 "8.2.3.7.23" => rxfeccerr0: u32 RXFECCERR0, RW;

    // Receive: rings and DMA (section 8.2.3.8)
    0x03190 RXMEMWRAP "8.2.3.8.11" => rxmemwrap: u32 RXMEMWRAP, RO;

    // Data centre bridging (section 8.2.3.10)
    0x02140 + 4 * 8 RTRPT4C "8.2.3.10.6" => rtrpt4c: u32 RTRPT4C, RW;
    0x02160 + 4 * 8 RTRPT4S "8.2.3.10" => rtrpt4s: u32, RO;
    0x04910 + 4 * 8 RTTDT2C "8.2.3.10.9" => rttdt2c: u32 RTRPT4C, RW;
    0x0CD20 + 4 * 8 RTTPT2C "8.2.3.10.10" => rttpt2c: u32 RTRPT4C, RW;
    0x04930 + 4 * 8 RTTDT2S "8.2.3.10" => rttdt2s: u32, RO;
    0x0CD40 + 4 * 8 RTTPT2S "8.2.3.10" => rttpt2s: u32, RO;
    0x04908 RTTDT1C "8.2.3.10.14" => rttdt1c: u32 RTTDT1C, RW;
    0x0490C RTTDT1S "8.2.3.10" => rttdt1s: u32, RO;
    0x04980 RTTBCNRM "8.2.3.10" => rttbcnrm: u32, RW;
    0x0498C RTTBCNRD "8.2.3.10" => rttbcnrd: u32, RW;

    // Direct cache access (section 8.2.3.11)
    0x11070 DCA_ID "8.2.3.11.3" => dca_id: u32 DCA_ID, RO;

    // Security: the path's switches (section 8.2.3.12)
    0x08808 SECTXBUFFAF "8.2.3.12.3" => sectxbuffaf: u32 SECTXBUFFAF, RW;
    0x08810 SECTXMINIFG "8.2.3.12.4" => sectxminifg: u32 SECTXMINIFG, RW;

    // LinkSec and IPsec (section 8.2.3.13 to 8.2.3.18)
    0x08900 IPSTXIDX "8.2.3" => ipstxidx: u32 IPSTXIDX, RW;
    0x08904 IPSTXSALT "8.2.3" => ipstxsalt: u32, RW;
    0x08908 + 4 * 4 IPSTXKEY "8.2.3" => ipstxkey: u32, RW;
    0x08E00 IPSRXIDX "8.2.3" => ipsrxidx: u32 IPSRXIDX, RW;
    0x08E04 + 4 * 4 IPSRXIPADDR "8.2.3" => ipsrxipaddr: u32, RW;
    0x08E14 IPSRXSPI "8.2.3" => ipsrxspi: u32, RW;
    0x08E18 IPSRXIPIDX "8.2.3" => ipsrxipidx: u32, RW;
    0x08E1C + 4 * 4 IPSRXKEY "8.2.3" => ipsrxkey: u32, RW;
    0x08E2C IPSRXSALT "8.2.3" => ipsrxsalt: u32, RW;
    0x08E30 IPSRXMOD "8.2.3" => ipsrxmod: u32 IPSRXMOD, RW;
    0x08A00 LSECTXCAP "8.2.3" => lsectxcap: u32, RW;
    0x08A04 LSECTXCTRL "8.2.3" => lsectxctrl: u32 LSECTXCTRL, RW;
    0x08A08 LSECTXSCL "8.2.3" => lsectxscl: u32, RW;
    0x08A0C LSECTXSCH "8.2.3" => lsectxsch: u32, RW;
    0x08A10 LSECTXSA "8.2.3" => lsectxsa: u32, RW;
    0x08A14 LSECTXPN0 "8.2.3" => lsectxpn0: u32, RW;
    0x08A18 LSECTXPN1 "8.2.3" => lsectxpn1: u32, RW;
    0x08A1C + 4 * 4 LSECTXKEY0 "8.2.3" => lsectxkey0: u32, WO;
    0x08A2C + 4 * 4 LSECTXKEY1 "8.2.3" => lsectxkey1: u32, WO;
    0x08A3C LSECTXUT "8.2.3" => lsectxut: u32, RC;
    0x08A40 LSECTXPKTE "8.2.3" => lsectxpkte: u32, RC;
    0x08A44 LSECTXPKTP "8.2.3" => lsectxpktp: u32, RC;
    0x08A48 LSECTXOCTE "8.2.3" => lsectxocte: u32, RC;
    0x08A4C LSECTXOCTP "8.2.3" => lsectxoctp: u32, RC;
    0x08F00 LSECRXCAP "8.2.3" => lsecrxcap: u32, RW;
    0x08F04 LSECRXCTRL "8.2.3" => lsecrxctrl: u32 LSECRXCTRL, RW;
    0x08F08 LSECRXSCL "8.2.3" => lsecrxscl: u32, RW;
    0x08F0C LSECRXSCH "8.2.3" => lsecrxsch: u32, RW;
    0x08F10 + 4 * 2 LSECRXSA "8.2.3" => lsecrxsa: u32, RW;
    0x08F18 + 4 * 2 LSECRXPN "8.2.3" => lsecrxpn: u32, RW;
    0x08F20 + 4 * 8 LSECRXKEY "8.2.3" => lsecrxkey: u32, WO;
    0x08F40 LSECRXUT "8.2.3" => lsecrxut: u32, RC;
    0x08F44 LSECRXOCTD "8.2.3" => lsecrxoctd: u32, RC;
    0x08F48 LSECRXOCTV "8.2.3" => lsecrxoctv: u32, RC;
    0x08F4C LSECRXBAD "8.2.3" => lsecrxbad: u32, RC;
    0x08F50 LSECRXNOSCI "8.2.3" => lsecrxnosci: u32, RC;
    0x08F54 LSECRXUNSCI "8.2.3" => lsecrxunsci: u32, RC;
    0x08F58 LSECRXUNCH "8.2.3" => lsecrxunch: u32, RC;
    0x08F5C LSECRXDELAY "8.2.3" => lsecrxdelay: u32, RC;
    0x08F60 LSECRXLATE "8.2.3" => lsecrxlate: u32, RC;
    0x08F64 + 4 * 2 LSECRXOK "8.2.3" => lsecrxok: u32, RC;
    0x08F6C + 4 * 2 LSECRXINV "8.2.3" => lsecrxinv: u32, RC;
    0x08F74 + 4 * 2 LSECRXNV "8.2.3" => lsecrxnv: u32, RC;
    0x08F7C LSECRXUNSA "8.2.3" => lsecrxunsa: u32, RC;
    0x08F80 LSECRXNUSA "8.2.3" => lsecrxnusa: u32, RC;

    // FCoE (section 8.2.3.20)
    0x02410 FCPTRL "8.2.3.20" => fcptrl: u32, RW dma;
    0x02414 FCPTRH "8.2.3.20" => fcptrh: u32, RW dma;
    0x02418 FCBUFF "8.2.3.20" => fcbuff: u32 FCBUFF, RW dma;
    0x02420 FCDMARW "8.2.3.20" => fcdmarw: u32 FCDMARW, RW dma;
    0x05100 FCRXCTRL "8.2.3.20" => fcrxctrl: u32 FCRXCTRL, RW;
    0x05108 FCFLT "8.2.3.20" => fcflt: u32 FCFLT, RW;
    0x0510C FCSMAC "8.2.3.20" => fcsmac: u32, RW;
    0x05110 FCFLTRW "8.2.3.20" => fcfltrw: u32 FCFLTRW, RW;
    0x05114 FCD_ID "8.2.3.20" => fcd_id: u32, RW;
    0x051D8 FCPARAM "8.2.3.20" => fcparam: u32, RW;
    0x05158 REOFF "8.2.3.20" => reoff: u32, RW;
    0x051F8 RSOFF "8.2.3.20" => rsoff: u32, RW;
    0x04A94 TEOFF "8.2.3.20" => teoff: u32, RW;
    0x04A98 TSOFF "8.2.3.20" => tsoff: u32, RW;
    0x0ED00 FCRECTL "8.2.3.20" => fcrectl: u32 FCRECTL, RW;
    0x0ED10 + 4 * 8 FCRETA "8.2.3.20" => fcreta: u32 FCRETA, RW;

    // Flow director (section 8.2.3.21)
    0x0EE00 FDIRCTRL "8.2.3.21.1" => fdirctrl: u32 FDIRCTRL, RW;
    0x0EE68 FDIRHKEY "8.2.3.21.2" => fdirhkey: u32, RW;
    0x0EE6C FDIRSKEY "8.2.3.21.3" => fdirskey: u32, RW;
    0x0EE3C FDIRDIP4M "8.2.3.21.4" => fdirdip4m: u32, RW;
    0x0EE40 FDIRSIP4M "8.2.3.21.5" => fdirsip4m: u32, RW;
    0x0EE44 FDIRTCPM "8.2.3.21.6" => fdirtcpm: u32 FDIRTCPM, RW;
    0x0EE48 FDIRUDPM "8.2.3.21.7" => fdirudpm: u32 FDIRUDPM, RW;
    0x0EE74 FDIRIP6M "8.2.3.21.8" => fdirip6m: u32 FDIRIP6M, RW;
    0x0EE70 FDIRM "8.2.3.21.9" => fdirm: u32 FDIRM, RW;
    0x0EE38 FDIRFREE "8.2.3.21.10" => fdirfree: u32 FDIRFREE, RW;
    0x0EE4C FDIRLEN "8.2.3.21.11" => fdirlen: u32 FDIRLEN, RC;
    0x0EE50 FDIRUSTAT "8.2.3.21.12" => fdirustat: u32 FDIRUSTAT, RC;
    0x0EE54 FDIRFSTAT "8.2.3.21.13" => fdirfstat: u32 FDIRFSTAT, RC;
    0x0EE58 FDIRMATCH "8.2.3.21.14" => fdirmatch: u32, RC;
    0x0EE5C FDIRMISS "8.2.3.21.15" => fdirmiss: u32, RC;
    0x0EE0C + 4 * 3 FDIRSIPV6 "8.2.3.21.16" => fdirsipv6: u32, RW;
    0x0EE18 FDIRIPSA "8.2.3.21.17" => fdiripsa: u32, RW;
    0x0EE1C FDIRIPDA "8.2.3.21.18" => fdiripda: u32, RW;
    0x0EE20 FDIRPORT "8.2.3.21.19" => fdirport: u32 FDIRPORT, RW;
    0x0EE24 FDIRVLAN "8.2.3.21.20" => fdirvlan: u32 FDIRVLAN, RW;
    0x0EE28 FDIRHASH "8.2.3.21.21" => fdirhash: u32 FDIRHASH, RW;
    0x0EE2C FDIRCMD "8.2.3.21.22" => fdircmd: u32 FDIRCMD, RW;

    // MAC and link (section 8.2.3.22)
    0x04200 PCS1GCFIG "8.2.3.22.1" => pcs1gcfig: u32 PCS1GCFIG, RW;
    0x04208 PCS1GLCTL "8.2.3.22.2" => pcs1glctl: u32 PCS1GLCTL, RW;
    0x0420C PCS1GLSTA "8.2.3.22.3" => pcs1glsta: u32 PCS1GLSTA, RO;
    0x04218 PCS1GANA "8.2.3.22.4" => pcs1gana: u32 PCS1GANA, RW;
    0x0421C PCS1GANLP "8.2.3.22.5" => pcs1ganlp: u32 PCS1GANLP, RO;
    0x04220 PCS1GANNP "8.2.3.22.6" => pcs1gannp: u32 PCS1GANNP, RW;
    0x04224 PCS1GANLPNP "8.2.3.22.7" => pcs1ganlpnp: u32 PCS1GANLPNP, RO;
    0x04244 HLREG1 "8.2.3.22.9" => hlreg1: u32 HLREG1, RC;
    0x04248 PAP "8.2.3.22.10" => pap: u32 PAP, RW;
    0x04288 PCSS1 "8.2.3.22.14" => pcss1: u32 PCSS1, RO;
    0x0428C PCSS2 "8.2.3.22.15" => pcss2: u32 PCSS2, RO;
    0x04290 XPCSS "8.2.3.22.16" => xpcss: u32 XPCSS, RO;
    0x04298 SERDESC "8.2.3.22.17" => serdesc: u32 SERDESC, RW;
    0x0429C MACS "8.2.3.22.18" => macs: u32 MACS, RW;
    0x04324 LINKS2 "8.2.3.22.21" => links2: u32 LINKS2, RO;
    0x042B4 ANLP2 "8.2.3.22.24" => anlp2: u32 ANLP2, RO;
    0x042D4 ANLPNP1 "8.2.3.22.26" => anlpnp1: u32 ANLPNP1, RO;
    0x042D8 ANLPNP2 "8.2.3.22.27" => anlpnp2: u32 ANLPNP2, RO;
    0x042E0 KRPCSFC "8.2.3.22.28" => krpcsfc: u32 KRPCSFC, RW;
    0x042E4 KRPCSS "8.2.3.22.29" => krpcss: u32 KRPCSS, RC;
    0x042E8 FECS1 "8.2.3.22.30" => fecs1: u32, RC;
    0x042EC FECS2 "8.2.3.22.31" => fecs2: u32, RC;
    0x14F10 SMADARCTL "8.2.3.22.33" => smadarctl: u32 SMADARCTL, RW;
    0x04314 SGMIIC "8.2.3.22.35" => sgmiic: u32 SGMIIC, RW;

    // Statistics (section 8.2.3.23)
    0x08780 SSVPC "8.2.3.23.8" => ssvpc: u32, RC;
    0x03F60 LXONTXC "8.2.3.23" => lxontxc: u32, RC;
    0x041A4 LXONRXCNT "8.2.3.23" => lxonrxcnt: u32, RC;
    0x03F68 LXOFFTXC "8.2.3.23" => lxofftxc: u32, RC;
    0x041A8 LXOFFRXCNT "8.2.3.23" => lxoffrxcnt: u32, RC;
    0x03F00 + 4 * 8 PXONTXC "8.2.3.23" => pxontxc: u32, RC;
    0x04140 + 4 * 8 PXONRXCNT "8.2.3.23" => pxonrxcnt: u32, RC;
    0x03F20 + 4 * 8 PXOFFTXC "8.2.3.23" => pxofftxc: u32, RC;
    0x04160 + 4 * 8 PXOFFRXCNT "8.2.3.23" => pxoffrxcnt: u32, RC;
    0x03240 + 4 * 8 PXON2OFFCNT "8.2.3.23" => pxon2offcnt: u32, RC;
    0x0405C PRC64 "8.2.3.23" => prc64: u32, RC;
    0x04060 PRC127 "8.2.3.23" => prc127: u32, RC;
    0x04064 PRC255 "8.2.3.23" => prc255: u32, RC;
    0x04068 PRC511 "8.2.3.23" => prc511: u32, RC;
    0x0406C PRC1023 "8.2.3.23" => prc1023: u32, RC;
    0x04070 PRC1522 "8.2.3.23" => prc1522: u32, RC;
    0x041B0 RXNFGPC "8.2.3.23.29" => rxnfgpc: u32, RC;
    0x041B4 RXNFGBCL "8.2.3.23" => rxnfgbcl: u32, RC;
    0x041B8 RXNFGBCH "8.2.3.23" => rxnfgbch: u32, RC;
    0x02F50 RXDGPC "8.2.3.23.32" => rxdgpc: u32, RC;
    0x02F54 RXDGBCL "8.2.3.23" => rxdgbcl: u32, RC;
    0x02F58 RXDGBCH "8.2.3.23" => rxdgbch: u32, RC;
    0x02F5C RXDDPC "8.2.3.23" => rxddpc: u32, RC;
    0x02F60 RXDDBCL "8.2.3.23" => rxddbcl: u32, RC;
    0x02F64 RXDDBCH "8.2.3.23" => rxddbch: u32, RC;
    0x02F68 RXLPBKPC "8.2.3.23" => rxlpbkpc: u32, RC;
    0x02F6C RXLPBKBCL "8.2.3.23" => rxlpbkbcl: u32, RC;
    0x02F70 RXLPBKBCH "8.2.3.23" => rxlpbkbch: u32, RC;
    0x02F74 RXDLPBKPC "8.2.3.23" => rxdlpbkpc: u32, RC;
    0x02F78 RXDLPBKBCL "8.2.3.23" => rxdlpbkbcl: u32, RC;
    0x02F7C RXDLPBKBCH "8.2.3.23" => rxdlpbkbch: u32, RC;
    0x087A0 TXDGPC "8.2.3.23.47" => txdgpc: u32, RC;
    0x087A4 TXDGBCL "8.2.3.23" => txdgbcl: u32, RC;
    0x087A8 TXDGBCH "8.2.3.23" => txdgbch: u32, RC;
    0x040B4 MNGPRC "8.2.3.23.54" => mngprc: u32, RC;
    0x040B8 MNGPDC "8.2.3.23.55" => mngpdc: u32, RC;
    0x0CF90 MNGPTC "8.2.3.23" => mngptc: u32, RC;
    0x040D8 PTC64 "8.2.3.23" => ptc64: u32, RC;
    0x040DC PTC127 "8.2.3.23" => ptc127: u32, RC;
    0x040E0 PTC255 "8.2.3.23" => ptc255: u32, RC;
    0x040E4 PTC511 "8.2.3.23" => ptc511: u32, RC;
    0x040E8 PTC1023 "8.2.3.23" => ptc1023: u32, RC;
    0x040EC PTC1522 "8.2.3.23" => ptc1522: u32, RC;
    0x04120 XEC "8.2.3.23" => xec: u32, RC;
    0x02F40 RXDSTATCTRL "8.2.3.23" => rxdstatctrl: u32 RXDSTATCTRL, RW;
    0x06030 + 0x40 * 16 QPTC_82598 "8.2.3.23" => qptc_82598: u32, RC;
    0x05118 FCCRC "8.2.3.23" => fccrc: u32 FCCRC, RC;
    0x0241C FCOERPDC "8.2.3.23" => fcoerpdc: u32, RC;
    0x02424 FCLAST "8.2.3.23" => fclast: u32 FCLAST, RC;
    0x02428 FCOEPRC "8.2.3.23" => fcoeprc: u32, RC;
    0x0242C FCOEDWRC "8.2.3.23" => fcoedwrc: u32, RC;
    0x08784 FCOEPTC "8.2.3.23" => fcoeptc: u32, RC;
    0x08788 FCOEDWTC "8.2.3.23" => fcoedwtc: u32, RC;

    // Wake-up (section 8.2.3.24)
    0x05800 WUC "8.2.3.24.1" => wuc: u32 WUC, RW;
    0x05810 WUS "8.2.3.24" => wus: u32, RW;
    0x05838 IPAV "8.2.3.24" => ipav: u32, RW;
    0x05840 + 8 * 4 IP4AT "8.2.3.24" => ip4at: u32, RW;
    0x05880 + 4 * 4 IP6AT "8.2.3.24" => ip6at: u32, RW;
    0x05900 WUPL "8.2.3.24" => wupl: u32, RW;
    0x05A00 + 4 * 32 WUPM "8.2.3.24" => wupm: u32, RW;
    0x09000 + 4 * 256 | 0x09800 + 4 * 128 FHFT "8.2.3.24.9" => fhft: u32, RW;

    // Management filters (section 8.2.3.25)
    0x05010 + 4 * 8 MAVTV "8.2.3.25.1" => mavtv: u32 MAVTV, RW;
    0x05030 + 4 * 8 MFUTP "8.2.3.25.2" => mfutp: u32 MFUTP, RW;
    0x05190 + 4 * 4 METF "8.2.3.25.3" => metf: u32 METF, RW;
    0x05820 MANC "8.2.3.25.4" => manc: u32 MANC, RW;
    0x05824 MFVAL "8.2.3.25.5" => mfval: u32 MFVAL, RW;
    0x05860 MANC2H "8.2.3.25.6" => manc2h: u32 MANC2H, RW;
    0x05890 + 4 * 8 MDEF "8.2.3.25.7" => mdef: u32, RW;
    0x05160 + 4 * 8 MDEF_EXT "8.2.3.25" => mdef_ext: u32, RW;
    0x058B0 + 4 * 16 MIPAF "8.2.3.25" => mipaf: u32, RW;
    0x15F00 HICR "8.2.3.25" => hicr: u32 HICR, RW;
    0x15F0C FWSTS "8.2.3.25" => fwsts: u32 FWSTS, RW;
    0x15800 + 4 * 448 FLEX_MNG "8.2.3.25" => flex_mng: u32, RW;

    // Time synchronisation (IEEE 1588) (section 8.2.3.26)
    0x05188 TSYNCRXCTL "8.2.3.26" => tsyncrxctl: u32 TSYNCRXCTL, RW;
    0x051E8 RXSTMPL "8.2.3.26" => rxstmpl: u32, RO;
    0x051A4 RXSTMPH "8.2.3.26" => rxstmph: u32, RC;
    0x051A0 RXSATRL "8.2.3.26" => rxsatrl: u32, RO;
    0x051A8 RXSATRH "8.2.3.26" => rxsatrh: u32 RXSATRH, RO;
    0x05120 RXMTRL "8.2.3.26" => rxmtrl: u32 RXMTRL, RW;
    0x08C00 TSYNCTXCTL "8.2.3.26" => tsynctxctl: u32 TSYNCTXCTL, RW;
    0x08C04 TXSTMPL "8.2.3.26" => txstmpl: u32, RO;
    0x08C08 TXSTMPH "8.2.3.26" => txstmph: u32, RC;
    0x08C0C SYSTIML "8.2.3.26" => systiml: u32, RW;
    0x08C10 SYSTIMH "8.2.3.26" => systimh: u32, RW;
    0x08C14 TIMINCA "8.2.3.26" => timinca: u32 TIMINCA, RW;
    0x08C18 TIMADJL "8.2.3.26" => timadjl: u32, RW;
    0x08C1C TIMADJH "8.2.3.26" => timadjh: u32 TIMADJH, RW;
    0x08C20 TSAUXC "8.2.3.26" => tsauxc: u32 TSAUXC, RW;
    0x08C24 TRGTTIML0 "8.2.3.26" => trgttiml0: u32, RW;
    0x08C28 TRGTTIMH0 "8.2.3.26" => trgttimh0: u32, RW;
    0x08C2C TRGTTIML1 "8.2.3.26" => trgttiml1: u32, RW;
    0x08C30 TRGTTIMH1 "8.2.3.26" => trgttimh1: u32, RW;
    0x08C3C AUXSTMPL0 "8.2.3.26" => auxstmpl0: u32, RO;
    0x08C40 AUXSTMPH0 "8.2.3.26" => auxstmph0: u32, RO;
    0x08C44 AUXSTMPL1 "8.2.3.26" => auxstmpl1: u32, RO;
    0x08C48 AUXSTMPH1 "8.2.3.26" => auxstmph1: u32, RO;

    // Virtualization (section 8.2.3.27)
    0x04B00 + 4 * 64 PFMAILBOX "8.2.3.27" => pfmailbox: u32 PFMAILBOX, RW;
    0x13000 + 4 * 1024 PFMBMEM "8.2.3.27" => pfmbmem: u32, RW;
    0x00710 + 4 * 4 PFMBICR "8.2.3.27" => pfmbicr: u32 PFMBICR, RW;
    0x00720 + 4 * 4 PFMBIMR "8.2.3.27" => pfmbimr: u32, RW;
    0x00600 + 4 * 1 | 0x001C0 + 4 * 1 PFVFLRE "8.2.3.27.5" => pfvflre: u32, RO;
    0x00700 + 4 * 2 PFVFLREC "8.2.3.27.6" => pfvflrec: u32, W1C;
    0x051E0 + 4 * 2 PFVFRE "8.2.3.27.7" => pfvfre: u32, RW;
    0x08110 + 4 * 2 PFVFTE "8.2.3.27.8" => pfvfte: u32, RW;
    0x05180 + 4 * 2 PFVMTXSW "8.2.3.27" => pfvmtxsw: u32, RW;
    0x08200 + 4 * 8 PFVFSPOOF "8.2.3.27.11" => pfvfspoof: u32 PFVFSPOOF, RW;
    0x08000 + 4 * 64 PFVMVIR "8.2.3.27" => pfvmvir: u32 PFVMVIR, RW;
    0x0F600 + 4 * 4 PFMRCTL "8.2.3.27" => pfmrctl: u32 PFMRCTL, RW;
    0x0F610 + 4 * 8 PFMRVLAN "8.2.3.27" => pfmrvlan: u32, RW;
    0x0F630 + 4 * 8 PFMRVM "8.2.3.27" => pfmrvm: u32, RW;
    0x08790 + 4 * 2 PFVMECM "8.2.3.27" => pfvmecm: u32, RW;
}
