//! Traffic classes (DCB): queues that belong to priorities (sections 7.1.2 and 8.2.3.10.4).

use ixy_regs::ixgbe::fields::MRQC;

use super::behaviour::Behaviour;
use super::names;
use super::storage::Storage;

/// The mapping of frames to traffic classes during one poll.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Classes {
    /// The class of each priority, three bits each (RTRUP2TC).
    of_priority: u32,
    /// Number of classes, four or eight, which share the 128 queues.
    count: u32,
    /// Whether RSS chooses among the first 16 queues of a class.
    pub(crate) hash: bool,
}

impl Classes {
    /// `None` unless MRQC has a mode with traffic classes and without pools (section 8.2.3.7.12).
    pub(crate) fn load(regs: &Storage, mrqc: u32) -> Option<Self> {
        let (count, hash) = match MRQC::MRQE.read(mrqc) {
            2 => (8, false),
            3 => (4, false),
            4 => (8, true),
            5 => (4, true),
            _ => return None,
        };
        let hash = hash && Behaviour::TrafficClassesRss.on();
        Behaviour::TrafficClasses.on().then(|| Self { of_priority: regs.load(names::RTRUP2TC), count, hash })
    }

    /// The queue of a frame with this tag for which RSS chose `entry`. An untagged frame has priority 0.
    pub(crate) fn queue(&self, vlan: Option<u16>, entry: u32) -> u32 {
        let priority = vlan.map_or(0, |tag| u32::from(tag >> 13));
        let class = self.of_priority >> (3 * priority) & (self.count - 1);
        class * (ixy_regs::ixgbe::QUEUES / self.count) + if self.hash { entry } else { 0 }
    }
}
