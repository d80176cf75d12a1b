//! Offsets of the registers that the model implements, looked up in ixy-regs by the datasheet's names.

// Every panic here happens at compile time: a name that ixy-regs lacks does not build.
#![allow(clippy::panic)]

use ixy_regs::ixgbe;
use tock_registers::RegisterLongName;
use tock_registers::fields::Field;

/// The bits of a field at their place in the register.
pub(crate) const fn mask<R: RegisterLongName>(field: Field<u32, R>) -> u32 {
    field.mask << field.shift
}

/// The offset of a register's only or first element.
const fn offset(name: &str) -> u32 {
    match ixgbe::find(name) {
        Some(register) => register.spans[0].base,
        None => panic!("ixy-regs has no such register"),
    }
}

/// The stride of a register array.
const fn stride(name: &str) -> u32 {
    match ixgbe::find(name) {
        Some(register) => register.spans[0].stride,
        None => panic!("ixy-regs has no such register"),
    }
}

macro_rules! registers {
    ($($name:ident),* $(,)?) => { $(pub(crate) const $name: u32 = offset(stringify!($name));)* };
}

macro_rules! arrays {
    ($($function:ident = $name:literal),* $(,)?) => { $(
        #[inline(always)]
        pub(crate) const fn $function(n: u32) -> u32 {
            const BASE: u32 = offset($name);
            const STRIDE: u32 = stride($name);
            BASE + STRIDE * n
        }
    )* };
}

registers! {
    CTRL, STATUS, CTRL_EXT, FRTIMER, ESDP, I2CCTL, EEC, EERD, SWSM, FWSM,
    EICR, EICS, EIMS, EIMC, EIAC, EIAM, EICS_EX, EIMS_EX, EIMC_EX, EIAM_EX, IVAR_MISC, GPIE,
    FCTRL, VLNCTRL, MCSTCTRL, RXCSUM, MRQC, RDRXCTL, RSCDBU, RXCTRL, DMATXCTL, DTXTCPFLGL, DTXTCPFLGH, DTXMXSZRQ,
    SECTXSTAT, SECRXCTRL, SECRXSTAT, HLREG0, MSCA, MSRWD, MAXFRS, AUTOC, LINKS, AUTOC2, ANLP1,
    FDIRCTRL, FDIRHKEY, FDIRSKEY, FDIRDIP4M, FDIRSIP4M, FDIRTCPM, FDIRUDPM, FDIRIP6M, FDIRM, FDIRFREE, FDIRLEN,
    FDIRUSTAT, FDIRFSTAT, FDIRMATCH, FDIRMISS, FDIRIPSA, FDIRIPDA, FDIRPORT, FDIRVLAN, FDIRHASH, FDIRCMD,
    CRCERRS, RUC, ROC, BPRC, MPRC, GPRC, GORCL, GORCH, GPTC, GOTCL, GOTCH,
    GCR_EXT, EXVET, RFCTL, RTRUP2TC, RXMEMWRAP, PFVTCTL, PFQDE, PFDTXGSWC, MTQC, SSVPC, SYNQF, LLITHRESH,
    MFLCN, FCCFG, FCRTV, LXONTXC, LXOFFTXC, LXONRXCNT, LXOFFRXCNT,
    TSYNCRXCTL, RXSTMPL, RXSTMPH, RXSATRL, RXSATRH, RXMTRL, TSYNCTXCTL, TXSTMPL, TXSTMPH,
    SYSTIML, SYSTIMH, TIMINCA, TIMADJL, TIMADJH,
    TORL, TORH, TPR, TPT, MPTC, BPTC, PRC64, PRC127, PRC255, PRC511, PRC1023, PRC1522,
    PTC64, PTC127, PTC255, PTC511, PTC1023, PTC1522,
}

arrays! {
    ivar = "IVAR", mta = "MTA", ral = "RAL", rah = "RAH", vfta = "VFTA", rssrk = "RSSRK", reta = "RETA",
    rxpbsize = "RXPBSIZE", txpbsize = "TXPBSIZE", txpbthresh = "TXPBTHRESH", mpc = "MPC",
    fcttv = "FCTTV", fcrtl = "FCRTL", fcrth = "FCRTH", rqsmr = "RQSMR", tqsm = "TQSM",
    qprc = "QPRC", qprdc = "QPRDC", qbrc_l = "QBRC_L", qbrc_h = "QBRC_H",
    qptc = "QPTC", qbtc_l = "QBTC_L", qbtc_h = "QBTC_H",
    etqf = "ETQF", etqs = "ETQS", saqf = "SAQF", daqf = "DAQF", sdpqf = "SDPQF", ftqf = "FTQF",
    l34timir = "L34TIMIR", fdirsipv6 = "FDIRSIPV6",
    psrtype = "PSRTYPE", pfmailbox = "PFMAILBOX", pfmbmem = "PFMBMEM", pfmbicr = "PFMBICR", pfmbimr = "PFMBIMR",
    mpsar_lo = "MPSAR_LO", mpsar_hi = "MPSAR_HI", pfuta = "PFUTA", pfvml2flt = "PFVML2FLT", pfvlvf = "PFVLVF",
    pfvlvfb = "PFVLVFB", pfvmvir = "PFVMVIR", pfvfspoof = "PFVFSPOOF", pfvmecm = "PFVMECM", pfvmtxsw = "PFVMTXSW",
    pfvflrec = "PFVFLREC", pfvfre = "PFVFRE", pfvfte = "PFVFTE",
}

/// PFVFLRE of functions `32 * n` to `32 * n + 31` (section 8.2.3.27.5).
pub(crate) const fn pfvflre(n: u32) -> u32 {
    const SPANS: &[ixy_regs::map::Span] = match ixgbe::find("PFVFLRE") {
        Some(register) => register.spans,
        None => panic!("ixy-regs has no PFVFLRE"),
    };
    match ixy_regs::map::Span::locate(SPANS, n) {
        Some(offset) => offset,
        None => SPANS[0].base,
    }
}

const EITRS: &[ixy_regs::map::Span] = match ixgbe::find("EITR") {
    Some(register) => register.spans,
    None => panic!("ixy-regs has no EITR"),
};

/// The throttle of vector `n`, below 128 (section 8.2.3.5.12).
#[inline(always)]
pub(crate) const fn eitr(n: u32) -> u32 {
    match ixy_regs::map::Span::locate(EITRS, n) {
        Some(offset) => offset,
        None => EITRS[0].base,
    }
}

/// The vector whose throttle is at `offset`.
pub(crate) fn eitr_at(offset: u32) -> Option<u32> {
    ixy_regs::map::Span::index_of(EITRS, offset)
}

/// Registers of receive queue `q` (section 8.2.3.8), at `register` in the block of queue 0.
#[inline(always)]
pub(crate) const fn rx(register: u32, q: u32) -> u32 {
    const SPANS: &[ixy_regs::map::Span] = match ixgbe::find("RDBAL") {
        Some(register) => register.spans,
        None => panic!("ixy-regs has no RDBAL"),
    };
    let (low, high) = (SPANS[0], SPANS[1]);
    let inside = register - low.base;
    if q < low.count {
        low.base + low.stride * q + inside
    } else {
        high.base + high.stride * (q - low.count) + inside
    }
}

/// Registers of transmit queue `q` (section 8.2.3.9).
#[inline(always)]
pub(crate) const fn tx(register: u32, q: u32) -> u32 {
    const STRIDE: u32 = stride("TDBAL");
    register + STRIDE * q
}

registers! {
    RDBAL, RDBAH, RDLEN, RDH, RDT, RXDCTL, SRRCTL, RSCCTL,
    TDBAL, TDBAH, TDLEN, TDH, TDT, TXDCTL, TDWBAL, TDWBAH,
}
