//! The end of a driver's start: [`Init`].

use std::collections::HashMap;

use ixy_regs::ixgbe::fields::CTRL;

use super::item::Access;

/// Follows the doorbells of a driver from its start on. The start ends with the first frame that the driver sends,
/// or the first receive buffer that it posts again.
#[derive(Debug, Default)]
pub(crate) struct Init {
    over: bool,
    /// The last values written to the tails of queues; 0 at first.
    tails: HashMap<(String, u32), u64>,
}

impl Init {
    /// Whether the start is over, so that nothing more is shown.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Starts again with another client.
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }

    /// Takes an access; returns whether the start ends with it.
    pub(crate) fn ends_with(&mut self, access: &Access) -> bool {
        let reset = access
            .register()
            .is_some_and(|(register, value)| register.name == "CTRL" && CTRL::RST.is_set(value));
        if access.write && reset {
            self.tails.clear();
        }
        if access.is_doorbell() {
            let key = (access.place.name.clone(), access.place.index.unwrap_or(0));
            let before = self.tails.insert(key, access.value().unwrap_or(0)).unwrap_or(0);
            let moved = access.value() != Some(before);
            // Transmit: the first descriptor is posted with a frame. Receive: all descriptors are posted at first;
            // later posts return those that had a frame.
            let sends = access.place.name.ends_with("TDT");
            self.over = moved && (sends || before != 0);
        }
        self.over
    }
}

#[cfg(test)]
mod tests {
    use ixy_regs::ixgbe;
    use ixy_vfio_user::message::pci;

    use super::*;
    use crate::names::Names;

    const RDT: u64 = 0x01018;
    const TDT: u64 = 0x06018;

    /// The write that ends the start, if any.
    fn ends(writes: &[(u64, u32)]) -> Option<usize> {
        let (names, mut init) = (Names::new(ixgbe::all()), Init::default());
        writes.iter().position(|&(offset, value)| {
            let (region, bytes) = (pci::BAR0, value.to_le_bytes().to_vec());
            let place = names.find(region, offset);
            init.ends_with(&Access { write: true, region, offset, bytes, place, was: None })
        })
    }

    #[test]
    fn the_first_frame_ends_a_start_and_no_doorbell_before() {
        assert_eq!(ends(&[(RDT, 0), (RDT, 511), (TDT, 0), (TDT, 1)]), Some(3), "sent");
        assert_eq!(ends(&[(RDT, 511), (RDT + 0x40, 511), (TDT, 0), (RDT, 0)]), Some(3), "received");
        assert_eq!(ends(&[(RDT, 511), (0x00000, 1 << 26), (RDT, 255), (TDT, 0)]), None, "the card was reset");
    }
}
