//! Which features of a device the driver uses: [`negotiate`] (sections 2.2 and 3.1.1).

use ixy_regs::bus::Bus;
use ixy_regs::virtio::STATUS;
use ixy_regs::virtio::features::Features;

use crate::card::Card;
use crate::config::Config;
use crate::error::Error;

/// Features that the driver uses if the device offers them. None is required.
const WANTED: Features = Features::MAC
    .union(Features::STATUS)
    .union(Features::CTRL_VQ)
    .union(Features::CTRL_RX)
    .union(Features::CTRL_MAC_ADDR)
    .union(Features::MRG_RXBUF)
    .union(Features::EVENT_IDX);
/// A hardware device asks for barriers that also order accesses of devices (section 6). On x86 Rust's fences
/// are enough, because the processor keeps the order of its stores for every observer. Elsewhere the driver
/// does not accept the feature.
const ORDER: Features = if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
    Features::ORDER_PLATFORM
} else {
    Features::empty()
};
/// Features that exist only in the legacy interface: the modern one always has them (section 6.3).
const WANTED_OF_LEGACY: Features = Features::ANY_LAYOUT;
/// Features that only a modern device can offer.
const WANTED_OF_MODERN: Features = Features::VERSION_1
    .union(Features::ACCESS_PLATFORM)
    .union(Features::SPEED_DUPLEX)
    .union(Features::RING_PACKED)
    .union(Features::IN_ORDER);

/// Chooses from the features that the device offers, and negotiates them. The device was reset, and has seen
/// DRIVER.
pub(crate) fn negotiate<B: Bus>(card: &Card<B>, config: &Config) -> Result<Features, Error> {
    let device = || card.name.clone();
    let modern = card.transport.is_modern();
    let offered = Features::from_bits_retain(card.transport.offered());
    let chosen = choose(offered, modern, config);
    if modern && !offered.contains(Features::VERSION_1) {
        return Err(Error::NoVersion1 { device: device() });
    }
    if config.behind_iommu && !chosen.contains(Features::ACCESS_PLATFORM) {
        return Err(Error::NoAccessPlatform { device: device() });
    }
    tracing::debug!(device = %card.name, ?offered, ?chosen, "features, section 3.1.1");
    card.transport.choose(chosen.bits());
    if modern {
        // Section 3.1.1, steps 5 and 6.
        let status = card.transport.status() | STATUS::FEATURES_OK::SET.mask();
        // SAFETY: ARMED-ONLY: without DRIVER_OK the device reaches nothing.
        unsafe { card.transport.set_status(status) };
        let status = card.check_present()?;
        if !STATUS::FEATURES_OK.is_set(status) {
            let (chosen, offered) = (names(chosen), names(offered));
            return Err(Error::FeaturesRefused { device: device(), chosen, offered });
        }
    }
    Ok(chosen)
}

fn choose(offered: Features, modern: bool, config: &Config) -> Features {
    let mut wanted = WANTED | if modern { WANTED_OF_MODERN | ORDER } else { WANTED_OF_LEGACY };
    if config.queues > 1 {
        wanted |= Features::MQ;
    }
    if config.checksum_offload {
        wanted |= Features::CSUM | Features::GUEST_CSUM;
    }
    // Some features need another one, such as the control queue (section 5.1.3.1).
    (offered & wanted).usable()
}

/// The names of features, for a message.
fn names(features: Features) -> String {
    let names: Vec<_> = features.iter_names().map(|(name, _)| name).collect();
    let unknown = features - Features::all();
    let unknown = if unknown.is_empty() { String::new() } else { format!(" and {:#x}", unknown.bits()) };
    format!("{}{unknown}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_offered_is_chosen() {
        let config = Config { queues: 2, checksum_offload: true, ..Config::default() };
        for bit in 0..64 {
            let offered = Features::from_bits_retain(1 << bit);
            for modern in [false, true] {
                assert!(offered.contains(choose(offered, modern, &config)), "bit {bit}");
            }
        }
    }

    #[test]
    fn checksums_are_left_alone_unless_asked_for() {
        let both = Features::CSUM | Features::GUEST_CSUM;
        assert!(!choose(Features::all(), true, &Config::default()).intersects(both));
        let asked = Config { checksum_offload: true, ..Config::default() };
        assert!(choose(Features::all(), true, &asked).contains(both));
    }

    #[test]
    fn segmentation_and_what_drivers_may_not_take_is_never_chosen() {
        let chosen =
            choose(Features::all(), true, &Config { queues: 8, checksum_offload: true, ..Config::default() });
        let never = Features::GUEST_TSO4
            | Features::GUEST_TSO6
            | Features::GUEST_UFO
            | Features::HOST_TSO4
            | Features::INDIRECT_DESC
            | Features::NOTIFICATION_DATA;
        assert!(!chosen.intersects(never), "{chosen:?}");
    }

    #[test]
    fn without_a_control_queue_nothing_is_chosen_that_needs_one() {
        let chosen =
            choose(Features::all() - Features::CTRL_VQ, true, &Config { queues: 2, ..Config::default() });
        assert!(!chosen.intersects(Features::CTRL_RX | Features::CTRL_MAC_ADDR | Features::MQ), "{chosen:?}");
    }

    #[test]
    fn a_legacy_device_is_told_nothing_beyond_32_bits() {
        let chosen = choose(Features::all(), false, &Config { queues: 2, ..Config::default() });
        assert_eq!(chosen.bits() >> 32, 0, "{chosen:?}");
    }
}
