//! The frames that the card accepts: to its own address, to groups, or all (sections 7.1.1 and 8.2.3.7).

use ixy_core::MacAddress;
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::fields::{FCTRL, RAH};

use crate::card::Card;
use crate::error::Error;

/// The address that the EEPROM or `set_mac` put into the first receive address register (section 8.2.3.7.8).
pub(crate) fn read_mac<B: Bus>(card: &Card<B>) -> MacAddress {
    let low = card.regs.ral().at(0).map_or(0, |ral| ral.get());
    let high = card.regs.rah().at(0).map_or(0, |rah| rah.get());
    let ([a, b, c, d], [e, f, ..]) = (low.to_le_bytes(), high.to_le_bytes());
    let mac = MacAddress([a, b, c, d, e, f]);
    if mac.is_multicast() || mac == MacAddress::default() {
        tracing::warn!(device = %card.name, %mac, "the EEPROM has no valid address for the card; set one");
    }
    mac
}

/// Puts `mac` into the first receive address register, and keeps the register valid (sections 8.2.3.7.8 and
/// .9).
pub(crate) fn set_mac<B: Bus>(card: &Card<B>, mac: MacAddress) -> Result<(), Error> {
    if !mac.is_unicast() {
        return Err(Error::NotUnicast { device: card.name.clone(), mac });
    }
    card.check_present()?;
    let [a, b, c, d, e, f] = mac.0;
    if let (Some(ral), Some(rah)) = (card.regs.ral().at(0), card.regs.rah().at(0)) {
        ral.set(u32::from_le_bytes([a, b, c, d]));
        rah.modify(RAH::RAH.val(u32::from(u16::from_le_bytes([e, f]))) + RAH::AV::SET);
    }
    Ok(())
}

/// Accepts all unicast and multicast frames, or only those that pass the filters.
///
/// DEPARTURE (as Linux does): section 8.2.3.7.1 wants reception off while filters change. That would lose frames;
/// leaving it on can only pass a frame by the old filter.
pub(crate) fn set_promiscuous<B: Bus>(card: &Card<B>, on: bool) {
    let (unicast, multicast) =
        if on { (FCTRL::UPE::SET, FCTRL::MPE::SET) } else { (FCTRL::UPE::CLEAR, FCTRL::MPE::CLEAR) };
    card.regs.fctrl().modify(unicast + multicast);
}

/// Accepts all multicast frames, or none.
pub(crate) fn set_multicast<B: Bus>(card: &Card<B>, on: bool) {
    card.regs.fctrl().modify(if on { FCTRL::MPE::SET } else { FCTRL::MPE::CLEAR });
}
