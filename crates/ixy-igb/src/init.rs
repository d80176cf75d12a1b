//! From power-on to a card that receives and sends, in the order of `datasheet-notes/82576.md`.

use ixy_core::{FCS, LONGEST_FRAME, MacAddress};
use ixy_regs::bus::Bus;
use ixy_regs::igb::Rest;
use ixy_regs::igb::fields::{CTRL, CTRL_EXT, GCR, RCTL, RFCTL, RLPML, RXCSUM, TCTL};

use crate::card::Card;
use crate::config::Config;
use crate::error::Error;
use crate::{filters, rss};

/// Attempts after collisions, which only links of half duplex have.
const COLLISION_THRESHOLD: u32 = 15;

/// GCR.CMPL_TMOUT: a completion may take 10 ms at least, and 200 ms at most.
const COMPLETION_10_MS: u32 = 1;

/// Resets the card and returns its address. No queue is enabled afterwards.
pub(crate) fn reset<B: Bus>(card: &Card<B>) -> Result<MacAddress, Error> {
    card.check_present()?;
    card.disable_interrupts();
    card.reset()?;
    let regs = &card.regs;
    // Without this, the card would repeat a request that an IOMMU rejected for ever (section 8.6.1). Its own
    // time-out for completions, 0.5 to 1 ms, is less than PCI Express recommends. Cards with version 2 of the
    // PCI Express capability have the time-out in their PCI configuration.
    regs.gcr().modify(GCR::CMPL_TMOUT_RESEND::CLEAR);
    let gcr = regs.gcr().extract();
    if gcr.read(GCR::CMPL_TMOUT) == 0 && !gcr.is_set(GCR::CAP_VER2) {
        regs.gcr().modify(GCR::CMPL_TMOUT.val(COMPLETION_10_MS));
    }
    // Tell the firmware that a driver has the card. Disable relaxed ordering, so that a frame is in memory
    // before its descriptor is done.
    regs.ctrl_ext().modify(CTRL_EXT::DRV_LOAD::SET + CTRL_EXT::RO_DIS::SET);
    Ok(filters::read_mac(card))
}

/// Clears filters that are undefined after power-on, or that a reset keeps from the last user: they could accept
/// frames, or send some to disabled queues.
pub(crate) fn clear_tables<B: Bus>(card: &Card<B>) -> Result<(), Error> {
    let regs = &card.regs;
    let rest = Rest::new(regs.bus().clone());
    let rest = rest.map_err(|source| Error::Window { device: card.name.clone(), source })?;
    rest.etqf().iter().for_each(|filter| filter.set(0));
    rest.ftqf().iter().for_each(|filter| filter.set(0));
    rest.synqf().set(0);
    for table in [regs.mta(), regs.vfta(), regs.uta()] {
        table.iter().for_each(|entry| entry.set(0));
    }
    // The first receive address is the card's own.
    regs.rah().iter().skip(1).for_each(|address| address.set(0));
    Ok(())
}

/// Section 8.10: filters and offloads. The queues set up their rings themselves.
pub(crate) fn init_receive<B: Bus>(card: &Card<B>, config: &Config) {
    let regs = &card.regs;
    tracing::debug!(device = %card.name, "receive initialisation, section 8.10");
    // Other drivers do this because of an erratum.
    regs.rfctl().modify(RFCTL::IPV6_EX_DIS::SET);
    regs.ctrl().modify(CTRL::VME::CLEAR);
    regs.rxcsum().modify(RXCSUM::PCSD::CLEAR);
    rss::init(card, config.queues);
    // Frames with two tags are longer than the card takes without LPE; one buffer is enough for them.
    regs.rlpml().write(RLPML::RLPML.val((LONGEST_FRAME + FCS).into()));
    // Reception stays disabled. Broadcast frames are always received, other ones as configured.
    // SAFETY: ARMED-ONLY: reception is disabled.
    unsafe { regs.rctl().write_dma(RCTL::BAM::SET + RCTL::SECRC::SET + RCTL::LPE::SET) };
    filters::set_promiscuous(card, config.promiscuous);
}

/// Enables reception (RCTL.RXEN).
///
/// DEPARTURE (as Linux does): this comes before the queues are enabled, because RXDCTL.ENABLE of a queue
/// reads as set only once RCTL.RXEN is (section 8.10.10). Each queue is then started by itself.
///
/// # Safety
/// ARMED-ONLY: every receive queue that is on has its ring in memory of the driver.
pub(crate) unsafe fn start_receive<B: Bus>(card: &Card<B>) {
    // SAFETY: ARMED-ONLY, as the caller promises.
    unsafe { card.regs.rctl().modify_dma(RCTL::RXEN::SET) };
}

/// Section 8.12, without the rings: enables transmission, also before the queues are enabled (section
/// 8.12.13). Short frames are padded to the minimum of Ethernet.
///
/// # Safety
/// ARMED-ONLY: every transmit queue that is on has its ring in memory of the driver.
pub(crate) unsafe fn start_transmit<B: Bus>(card: &Card<B>) {
    tracing::debug!(device = %card.name, "transmit initialisation, section 8.12");
    // SAFETY: ARMED-ONLY, as the caller promises.
    unsafe {
        card.regs
            .tctl()
            .modify_dma(TCTL::EN::SET + TCTL::PSP::SET + TCTL::RTLC::SET + TCTL::CT.val(COLLISION_THRESHOLD));
    }
}
