//! The SFP+ modules that the cage can hold, and the identification data of each: [`SfpModule`].

use std::fmt;
use std::str::FromStr;

use super::behaviour::Behaviour;

/// A kind of module in the SFP+ cage. All of them pass light alike: the kind decides the identification that
/// software reads, and therefore the set-up that it chooses from the EEPROM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SfpModule {
    /// 10GBASE-SR: optics for short distances.
    #[default]
    ShortRange,
    /// 10GBASE-LR: optics for 10 km.
    LongRange,
    /// 10GBASE-LRM with 1000BASE-SX: optics for old multimode fiber.
    LongReachMultimode,
    /// 10GBASE-ER with 1000BASE-LX: optics for 40 km.
    ExtendedRange,
    /// 10GBASE-SR with 1000BASE-SX: optics for two speeds.
    DualRate,
    /// A copper cable without electronics (passive DAC).
    PassiveCopper,
    /// A copper cable with electronics (active DAC).
    ActiveCopper,
    /// 1000BASE-SX only. The card has no mode for it, so drivers must refuse it.
    OneGigabit,
}

/// The identification bytes that distinguish the kinds (SFF-8472).
struct Codes {
    name: &'static str,
    connector: u8,
    /// Byte 3.
    ten_gigabit: u8,
    /// Byte 6.
    one_gigabit: u8,
    /// Byte 8.
    cable: u8,
    /// Byte 12, in units of 100 Mbit/s.
    rate: u8,
    /// Byte 60: for cables, the specification that they follow.
    specification: u8,
    part: &'static [u8; 16],
}

impl SfpModule {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::ShortRange,
        Self::LongRange,
        Self::LongReachMultimode,
        Self::ExtendedRange,
        Self::DualRate,
        Self::PassiveCopper,
        Self::ActiveCopper,
        Self::OneGigabit,
    ];

    /// Its name in a device address: `sr`, `lr`, `lrm`, `er`, `dual`, `dac`, `active-dac` or `1g`.
    pub fn name(self) -> &'static str {
        self.codes().name
    }

    fn codes(self) -> Codes {
        let optics = |name, ten_gigabit, one_gigabit, part| Codes {
            name,
            connector: 0x07,
            ten_gigabit,
            one_gigabit,
            cable: 0,
            rate: 103,
            specification: 0,
            part,
        };
        let copper = |name, cable, specification, part| Codes {
            name,
            connector: 0x21,
            ten_gigabit: 0,
            one_gigabit: 0,
            cable,
            rate: 103,
            specification,
            part,
        };
        match self {
            Self::ShortRange => optics("sr", 0x10, 0, b"10GBASE-SR      "),
            Self::LongRange => optics("lr", 0x20, 0, b"10GBASE-LR      "),
            Self::LongReachMultimode => optics("lrm", 0x40, 0x01, b"10GBASE-LRM     "),
            Self::ExtendedRange => optics("er", 0x80, 0x02, b"10GBASE-ER      "),
            Self::DualRate => optics("dual", 0x10, 0x01, b"10GBASE-SR/1G   "),
            Self::PassiveCopper => copper("dac", 0x04, 0x01, b"passive copper  "),
            Self::ActiveCopper => copper("active-dac", 0x08, 0x04, b"active copper   "),
            Self::OneGigabit => Codes { rate: 13, ..optics("1g", 0, 0x01, b"1000BASE-SX     ") },
        }
    }

    /// Its identification memory. The vendor is one that drivers accept.
    pub(super) fn identification(self) -> [u8; 256] {
        let codes = self.codes();
        let mut bytes = [0; 256];
        bytes[0] = 0x03; // SFP or SFP+
        bytes[1] = 0x04; // managed over these two wires
        bytes[2] = codes.connector;
        if Behaviour::SfpIdentification.on() {
            bytes[3] = codes.ten_gigabit;
            bytes[6] = codes.one_gigabit;
            bytes[8] = codes.cable;
        }
        bytes[11] = 0x06; // 64B/66B
        bytes[12] = codes.rate;
        if codes.cable == 0 {
            bytes[16] = 8; // 80 m of fiber
        } else {
            bytes[18] = 3; // 3 m of copper
        }
        bytes[20..36].copy_from_slice(b"ixy software    ");
        bytes[37..40].copy_from_slice(&[0x00, 0x1b, 0x21]); // organisation: Intel
        bytes[40..56].copy_from_slice(codes.part);
        bytes[56..60].copy_from_slice(b"1   ");
        bytes[60] = codes.specification;
        bytes[68..84].copy_from_slice(b"0000000000000001");
        let sum =
            |range: std::ops::Range<usize>| bytes[range].iter().fold(0_u8, |sum, b| sum.wrapping_add(*b));
        let (base, extended) = (sum(0..63), sum(64..95));
        if Behaviour::SfpChecksums.on() {
            bytes[63] = base;
            bytes[95] = extended;
        }
        bytes
    }
}

impl fmt::Display for SfpModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error for text that names no kind of module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", Self::KINDS)]
pub struct UnknownModule;

impl UnknownModule {
    /// The list of kinds, for an error message.
    pub const KINDS: &str = "write sr, lr, lrm, er, dual, dac, active-dac or 1g";
}

impl FromStr for SfpModule {
    type Err = UnknownModule;

    fn from_str(text: &str) -> Result<Self, UnknownModule> {
        Self::ALL.into_iter().find(|module| module.name() == text).ok_or(UnknownModule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_and_the_message_lists_all() {
        for module in SfpModule::ALL {
            assert_eq!(module.name().parse(), Ok(module));
            assert!(UnknownModule.to_string().contains(module.name()), "{module}");
        }
        assert_eq!("qsfp".parse::<SfpModule>(), Err(UnknownModule));
    }
}
