//! From power-on to a card that receives and sends: the order of the datasheet's section 4.6.3.

use std::time::Duration;

use ixy_core::{FCS, LONGEST_FRAME, MacAddress};
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::fields::{
    CTRL_EXT, DMATXCTL, EEC, FCRTH, FCTRL, HLREG0, MAXFRS, MTQC, RDRXCTL, RTTDCS, RXCTRL, RXPBSIZE,
    SECRXCTRL, SECRXSTAT, TXPBSIZE,
};
use ixy_regs::ixgbe::{self, Registers, Rest};

use crate::card::{Card, Wait};
use crate::config::Config;
use crate::error::Error;
use crate::{filters, interrupts, rss, stats};

/// Longest time that the card takes to read its EEPROM after a reset.
const EEPROM: Duration = Duration::from_secs(1);
/// Longest time that the DMA engines take to be ready after a reset.
const DMA: Duration = Duration::from_secs(1);
/// Longest time until the receive path is empty.
const RX_EMPTY: Duration = Duration::from_millis(40);
/// Size of the transmit packet buffer in KB (section 8.2.3.9.13).
const TX_BUFFER_KB: u32 = 160;
/// The part of it that the threshold leaves free, in KB: the longest frame that the card can send (section
/// 8.2.3.9.16).
const TX_HEADROOM_KB: u32 = 10;
/// Free space of the receive packet buffer in KB at which the card would send a pause frame (section
/// 4.6.3.2).
const PAUSE_ROOM_KB: u32 = 24;

/// Section 4.6.3, up to the point where link, receive and transmit are set up.
pub(crate) fn reset<B: Bus>(card: &Card<B>) -> Result<MacAddress, Error> {
    card.check_present()?;
    // Interrupts are masked before and after.
    card.reset()?;
    interrupts::disable(&card.regs);
    wait_for_eeprom(card)?;
    wait_for_dma(card)?;
    // Tell the firmware that a driver has the card (section 8.2.3.1.3).
    card.regs.ctrl_ext().modify(CTRL_EXT::DRV_LOAD::SET);
    Ok(filters::read_mac(card))
}

/// Section 4.6.3: wait for the EEPROM auto-read to complete.
fn wait_for_eeprom<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    let wait = Wait { register: "EEC", wanted: "ARD set", section: "8.2.3.2.1", limit: EEPROM };
    card.wait(&wait, || card.regs.eec().get(), |eec| EEC::ARD.is_set(eec)).map(drop)
}

/// Section 4.6.3: wait for DMA initialization to be done.
fn wait_for_dma<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    let wait = Wait { register: "RDRXCTL", wanted: "DMAIDONE set", section: "8.2.3.8.8", limit: DMA };
    card.wait(&wait, || card.regs.rdrxctl().get(), |rdrxctl| RDRXCTL::DMAIDONE.is_set(rdrxctl)).map(drop)
}

/// Clears tables that are undefined after power-on, or that a reset keeps from the last user: filters could send
/// frames to disabled queues (sections 4.6.7 and 7.1), and rates could slow a queue down (4.6.8).
pub(crate) fn clear_tables<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    let regs = &card.regs;
    let rest = Rest::new(regs.bus().clone());
    let rest = rest.map_err(|source| Error::Window { device: card.name.clone(), source })?;
    rest.ftqf().iter().for_each(|filter| filter.set(0));
    for table in [regs.mta(), regs.vfta(), regs.pfuta(), regs.pfvlvfb()] {
        table.iter().for_each(|entry| entry.set(0));
    }
    regs.pfvlvf().iter().for_each(|filter| filter.set(0));
    // The first receive address is the card's own.
    regs.rah().iter().skip(1).for_each(|address| address.set(0));
    for queue in 0..ixgbe::QUEUES {
        regs.rttdqsel().set(queue);
        rest.rttdt1c().set(0);
        regs.rttbcnrc().set(0);
    }
    Ok(())
}

/// Section 4.6.7: filters, packet buffer and offloads. The queues set up their rings themselves.
pub(crate) fn init_receive<B: Bus>(card: &Card<B>, config: &Config) {
    let regs = &card.regs;
    tracing::debug!(device = %card.name, "receive initialisation, section 4.6.7");
    // SAFETY: ARMED-ONLY: a card that does not receive reaches less memory.
    unsafe { regs.rxctrl().modify_dma(RXCTRL::RXEN::CLEAR) };

    // Section 4.6.11.3.4: without DCB the first packet buffer is all there is.
    // DEPARTURE (larger): ixy uses 128 KB of it; the whole buffer absorbs longer pauses of a program.
    for (n, rxpbsize) in regs.rxpbsize().iter().enumerate() {
        let kb = if n == 0 { card.model.rx_buffer_kb() } else { 0 };
        rxpbsize.write(RXPBSIZE::SIZE.val(kb));
    }
    // The threshold has to be valid although no pause frames are sent (section 4.6.3.2). It counts 32 bytes.
    let level = (card.model.rx_buffer_kb() - PAUSE_ROOM_KB) * 1024 / 32;
    for (n, fcrth) in regs.fcrth().iter().enumerate() {
        fcrth.write(FCRTH::RTH.val(if n == 0 { level } else { 0 }));
    }

    // A switch between providers adds a second tag of type 0x88a8, which the card counts as the frame's content:
    // it allows extra length only for one tag of its own type (section 8.2.3.7.2). Its mode for double tags
    // (section 7.4.5) does not help: it treats every frame as tagged. So JUMBOEN and MAXFRS set the length
    // (section 8.2.3.22.13).
    regs.maxfrs().write(MAXFRS::MFS.val((LONGEST_FRAME + FCS).into()));
    // Strip the frame check sequence in both registers, which have to agree (section 8.2.3.8.8). Pad sent
    // frames to 60 bytes.
    regs.hlreg0().modify(
        HLREG0::RXCRCSTRP::SET
            + HLREG0::TXCRCEN::SET
            + HLREG0::TXPADEN::SET
            + HLREG0::JUMBOEN::SET
            + HLREG0::LPBK::CLEAR,
    );
    // RSCACKC and FCOE_WRFIX are 0 at reset and have to be 1, RSCFRSTSIZE has to be 0 (section 8.2.3.8.8).
    regs.rdrxctl().modify(
        RDRXCTL::CRCSTRIP::SET
            + RDRXCTL::RSCFRSTSIZE.val(0)
            + RDRXCTL::RSCACKC::SET
            + RDRXCTL::FCOE_WRFIX::SET,
    );

    // Broadcast always; unicast and multicast by choice (section 8.2.3.7.1).
    regs.fctrl().modify(FCTRL::BAM::SET + FCTRL::SBP::CLEAR + FCTRL::UPE::CLEAR + FCTRL::MPE::CLEAR);
    filters::set_promiscuous(card, config.promiscuous);
    rss::init(card, config.queues);
    stats::map_queues(regs, config.queues);
    // With "no snoop" enabled, the processor could see a write-back before the data (section 4.6.7).
    regs.ctrl_ext().modify(CTRL_EXT::NS_DIS::SET);
}

/// Section 4.6.8, without the rings.
pub(crate) fn init_transmit<B: Bus>(card: &Card<B>) {
    let regs = &card.regs;
    tracing::debug!(device = %card.name, "transmit initialisation, section 4.6.8");
    // Sections 4.6.11.3.4 and 8.2.3.9.1: one packet buffer, requests as large as it allows, no DCB.
    regs.rttdcs().modify(RTTDCS::ARBDIS::SET);
    regs.mtqc().write(MTQC::RT_ENA::CLEAR + MTQC::VT_ENA::CLEAR + MTQC::NUM_TC_OR_Q.val(0));
    regs.dtxmxszrq().set(0xfff);
    for (n, txpbsize) in regs.txpbsize().iter().enumerate() {
        txpbsize.write(TXPBSIZE::SIZE.val(if n == 0 { TX_BUFFER_KB } else { 0 }));
    }
    for (n, threshold) in regs.txpbthresh().iter().enumerate() {
        threshold.set(if n == 0 { TX_BUFFER_KB - TX_HEADROOM_KB } else { 0 });
    }
    regs.rttdcs().modify(RTTDCS::ARBDIS::CLEAR);
}

/// Section 4.6.7: enables reception after all rings are set up. The receive path is held meanwhile.
///
/// # Safety
/// ARMED-ONLY: every enabled receive ring lies in memory of the driver, and its head and tail are zero or it
/// holds buffers of the driver's.
pub(crate) unsafe fn start_receive<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    let regs = &card.regs;
    regs.secrxctrl().modify(SECRXCTRL::RX_DIS::SET);
    let wait = Wait { register: "SECRXSTAT", wanted: "SECRX_RDY set", section: "4.6.7", limit: RX_EMPTY };
    let ready =
        card.wait(&wait, || regs.secrxstat().get(), |secrxstat| SECRXSTAT::SECRX_RDY.is_set(secrxstat));
    if let Err(error) = ready {
        card.check_present()?;
        // Frames that are still in the path may have passed the filters of an earlier driver. That does no
        // harm.
        tracing::warn!(%error, "the receive path did not become empty; reception starts anyway");
    }
    // SAFETY: ARMED-ONLY, as the caller promises.
    unsafe { regs.rxctrl().modify_dma(RXCTRL::RXEN::SET) };
    regs.secrxctrl().modify(SECRXCTRL::RX_DIS::CLEAR);
    Ok(())
}

/// Section 4.6.8: enables transmission.
///
/// # Safety
/// ARMED-ONLY: head and tail of every enabled transmit ring are equal.
pub(crate) unsafe fn start_transmit<B: Bus>(regs: &Registers<B>) {
    // SAFETY: ARMED-ONLY, as the caller promises.
    unsafe { regs.dmatxctl().modify_dma(DMATXCTL::TE::SET) };
}
