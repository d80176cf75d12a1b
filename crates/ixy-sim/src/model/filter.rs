//! The frames that the device accepts: lengths, addresses, VLANs (sections 7.1.1 and 8.2.3.7).

use ixy_regs::ixgbe::fields::{CTRL_EXT, FCTRL, HLREG0, MAXFRS, MCSTCTRL, PFVTCTL, RAH, VLNCTRL};
use ixy_regs::ixgbe::rest_fields::EXVET;

use super::behaviour::Behaviour;
use super::headers::Headers;
use super::names::{self, mta, rah, ral, vfta};
use super::statistics::{Damage, FCS};
use super::storage::Storage;

/// Entries of the table of exact addresses.
const ADDRESSES: u32 = 128;
/// Shortest and usual longest frame, with check sequence.
const SHORTEST: usize = 64;
const LONGEST: usize = 1518;
const VLAN_TAG: usize = 4;

/// The filter settings during one poll.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    fctrl: u32,
    mcstctrl: u32,
    vlnctrl: u32,
    /// Longest frame, with check sequence and without a tag.
    longest: usize,
    /// Whether the table of unicast addresses is in use, which takes pools.
    unicast_table: bool,
    /// The EtherType of outer tags, where frames have them.
    outer: Option<u16>,
}

impl Settings {
    pub(crate) fn load(regs: &Storage) -> Self {
        let jumbo = HLREG0::JUMBOEN.is_set(regs.load(names::HLREG0));
        let longest = MAXFRS::MFS.read(regs.load(names::MAXFRS)) as usize;
        Self {
            fctrl: regs.load(names::FCTRL),
            mcstctrl: regs.load(names::MCSTCTRL),
            vlnctrl: regs.load(names::VLNCTRL),
            longest: if jumbo && Behaviour::FramesJumbo.on() { longest } else { LONGEST },
            outer: CTRL_EXT::EXTENDED_VLAN
                .is_set(regs.load(names::CTRL_EXT))
                .then(|| EXVET::VET_EXT.read(regs.load(names::EXVET)) as u16)
                .filter(|_| Behaviour::DoubleVlan.on()),
            unicast_table: PFVTCTL::VT_ENA.is_set(regs.load(names::PFVTCTL)),
        }
    }

    /// Whether the hash of a destination address is set in a table; `table` gives the offsets of its words.
    pub(crate) fn in_table(&self, regs: &Storage, table: fn(u32) -> u32, destination: &[u8]) -> bool {
        let offset = if Behaviour::MulticastOffset.on() { MCSTCTRL::MO.read(self.mcstctrl) } else { 0 };
        let hash = multicast_hash(offset, destination);
        regs.load(table(hash >> 5)) >> (hash & 31) & 1 == 1
    }

    /// Whether the multicast table is in use and has this address.
    pub(crate) fn multicast_table(&self, regs: &Storage, destination: &[u8]) -> bool {
        let used = MCSTCTRL::MFE.is_set(self.mcstctrl) || !Behaviour::MulticastTableEnable.on();
        used && Behaviour::MulticastTable.on() && self.in_table(regs, mta, destination)
    }

    /// Whether the VLAN filter is on.
    pub(crate) fn filters_vlans(&self) -> bool {
        VLNCTRL::VFE.is_set(self.vlnctrl)
    }

    /// The EtherType of a VLAN tag (section 8.2.3.7.2).
    #[inline(always)]
    pub(crate) fn tag(&self) -> u16 {
        if Behaviour::ReceiveVlanType.on() { VLNCTRL::VET.read(self.vlnctrl) as u16 } else { 0x8100 }
    }

    /// Whether frames have outer tags (section 7.4.5).
    pub(crate) fn has_outer(&self) -> bool {
        self.outer.is_some()
    }

    /// Parses the headers of a frame.
    #[inline(always)]
    pub(crate) fn headers(&self, frame: &[u8]) -> Headers {
        match self.outer {
            None => Headers::of(frame, self.tag()),
            Some(outer) => Headers::behind_outer(frame, outer, self.tag()),
        }
    }

    /// The damage that a frame's length indicates, if any.
    #[inline(always)]
    pub(crate) fn damage(&self, frame: &[u8]) -> Option<Damage> {
        let len = frame.len() + FCS as usize;
        if len < SHORTEST && Behaviour::FramesTooShort.on() {
            return Some(Damage::Short);
        }
        self.exceeded(frame).map(|_| Damage::Long)
    }

    /// The limit that this frame exceeds, in bytes without check sequence; tags raise it.
    #[inline(always)]
    pub(crate) fn exceeded(&self, frame: &[u8]) -> Option<usize> {
        let len = frame.len() + FCS as usize;
        if len <= self.longest || !Behaviour::FramesTooLong.on() {
            return None;
        }
        let headers = self.headers(frame);
        let mut tags = usize::from(headers.vlan.is_some()) + usize::from(headers.outer);
        if !Behaviour::FramesTagLonger.on() {
            tags = 0;
        }
        let limit = self.longest + tags * VLAN_TAG;
        (len > limit).then(|| limit.saturating_sub(FCS as usize))
    }
}

/// The valid exact addresses.
pub(crate) struct Addresses {
    valid: Vec<[u8; 6]>,
    /// Their indices in the table.
    entries: Vec<u32>,
    stale: bool,
}

impl Addresses {
    pub(crate) fn new() -> Self {
        Self { valid: Vec::new(), entries: Vec::new(), stale: true }
    }

    /// Marks the table as stale, since RAL or RAH changed.
    pub(crate) fn changed(&mut self) {
        self.stale = true;
    }

    fn prepare(&mut self, regs: &Storage) {
        self.valid.clear();
        self.entries.clear();
        for n in 0..ADDRESSES {
            let high = regs.load(rah(n));
            if RAH::AV.is_set(high) || !Behaviour::AddressValid.on() {
                let (low, high) = (regs.load(ral(n)).to_le_bytes(), high.to_le_bytes());
                self.entries.push(n);
                self.valid.push([low[0], low[1], low[2], low[3], high[0], high[1]]);
            }
        }
        self.stale = false;
    }

    /// Reloads the table if it changed.
    pub(crate) fn refresh(&mut self, regs: &Storage) {
        if self.stale {
            self.prepare(regs);
        }
    }

    /// The entries with this address, as of the last reload.
    pub(crate) fn entries(&self, address: &[u8]) -> impl Iterator<Item = u32> {
        let pairs = self.valid.iter().zip(&self.entries);
        pairs.filter(move |(valid, _)| *valid == address).map(|(_, n)| *n)
    }

    /// Whether a frame of valid length passes the address and VLAN filters.
    #[inline]
    pub(crate) fn pass(
        &mut self,
        regs: &Storage,
        settings: &Settings,
        frame: &[u8],
        vlan: Option<u16>,
    ) -> bool {
        self.refresh(regs);
        let Some(destination) = frame.get(..6) else { return false };
        self.address_passes(regs, settings, destination) && vlan_passes(regs, settings, vlan)
    }

    #[inline]
    fn address_passes(&self, regs: &Storage, settings: &Settings, destination: &[u8]) -> bool {
        let multicast = destination[0] & 1 != 0;
        // Broadcast passes by BAM, or like any multicast address (section 8.2.3.7.1).
        if destination == [0xff; 6] && FCTRL::BAM.is_set(settings.fctrl) && Behaviour::BroadcastAccept.on() {
            return true;
        }
        let (all, wanted) = if multicast {
            (FCTRL::MPE, Behaviour::MulticastPromiscuous)
        } else {
            (FCTRL::UPE, Behaviour::UnicastPromiscuous)
        };
        if all.is_set(settings.fctrl) && wanted.on() || !Behaviour::AddressFilter.on() {
            return true;
        }
        if Behaviour::ExactAddresses.on() && self.valid.iter().any(|address| address == destination) {
            return true;
        }
        if multicast {
            return settings.multicast_table(regs, destination);
        }
        settings.unicast_table && settings.in_table(regs, names::pfuta, destination)
    }
}

/// The 12 bits of a destination address that index the multicast table: `offset` chooses bits 47:36, 46:35, 45:34 or
/// 43:32 (MCSTCTRL.MO, section 8.2.3.7.3).
fn multicast_hash(offset: u32, destination: &[u8]) -> u32 {
    let upper = u32::from(u16::from_le_bytes([destination[4], destination[5]]));
    let shift = [4, 3, 2, 0][(offset & 3) as usize];
    upper >> shift & 0xfff
}

fn vlan_passes(regs: &Storage, settings: &Settings, vlan: Option<u16>) -> bool {
    let Some(tag) = vlan.filter(|_| VLNCTRL::VFE.is_set(settings.vlnctrl) && Behaviour::VlanFilter.on())
    else {
        return true;
    };
    let id = u32::from(tag & 0xfff);
    regs.load(vfta(id >> 5)) >> (id & 31) & 1 == 1
}
