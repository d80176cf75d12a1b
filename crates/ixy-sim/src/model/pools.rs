//! Pools: which of them receive a frame, what they may send, and the switch between them (sections 7.10.3 and
//! 8.2.3.27).

use std::collections::VecDeque;

use ixy_regs::ixgbe::fields::{MRQC, MTQC, PFDTXGSWC, PFQDE, PFVLVF, PFVML2FLT, PFVTCTL, PSRTYPE};
use ixy_regs::ixgbe::rest_fields::PFVMVIR;

use super::Hardware;
use super::behaviour::Behaviour;
use super::filter::{Addresses, Settings};
use super::names::{self, mask, mpsar_hi, mpsar_lo};
use super::storage::Storage;
use super::transmit::{Sent, Sink};
use super::vf::FUNCTIONS;

/// Largest number of pools.
const POOLS: u32 = FUNCTIONS;
/// Number of VLAN filters.
const VLANS: u32 = 64;
/// Frames that the switch holds between transmitter and receiver.
const INSIDE: usize = 128;

/// The two halves of a set of pools.
fn pair(regs: &Storage, register: fn(u32) -> u32, n: u32) -> u64 {
    u64::from(regs.load(register(n))) | u64::from(regs.load(register(n + 1))) << 32
}

/// The receive settings of pools during one poll.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pools {
    control: u32,
    /// Pools that may receive.
    enabled: u64,
    /// Number of queues in a pool.
    queues: u32,
    /// Whether RSS chooses among them.
    pub(crate) hash: bool,
}

impl Pools {
    /// `None` while virtualization is off, or in a mode with traffic classes (MRQC, section 8.2.3.7.12).
    pub(crate) fn load(regs: &Storage) -> Option<Self> {
        let control = regs.load(names::PFVTCTL);
        if !PFVTCTL::VT_ENA.is_set(control) || !Behaviour::Pools.on() {
            return None;
        }
        let (queues, hash) = match MRQC::MRQE.read(regs.load(names::MRQC)) {
            8 => (2, false),
            10 => (4, true),
            11 => (2, true),
            _ => return None,
        };
        let enabled =
            if Behaviour::PoolsReceiveEnable.on() { pair(regs, names::pfvfre, 0) } else { u64::MAX };
        // Pools with more queues are fewer.
        let there = u64::MAX >> (POOLS - ixy_regs::ixgbe::QUEUES / queues);
        Some(Self { control, enabled: enabled & there, queues, hash: hash && Behaviour::PoolsRss.on() })
    }

    /// Those of `pools` that exist and may receive.
    pub(crate) fn receiving(&self, pools: u64) -> u64 {
        pools & self.enabled
    }

    /// The pools that receive a frame from the wire that passed the port's filters (section 7.10.3.3).
    pub(crate) fn of_arriving(
        &self,
        regs: &Storage,
        addresses: &Addresses,
        settings: &Settings,
        destination: &[u8],
        vlan: Option<u16>,
    ) -> u64 {
        let replicate = PFVTCTL::RPL_EN.is_set(self.control) || !Behaviour::PoolsReplication.on();
        let multicast = destination.first().is_some_and(|byte| byte & 1 == 1);
        let mut list = exact(regs, addresses, destination);
        if replicate {
            list = by_kind(regs, settings, destination, list);
        } else if !multicast {
            list = unicast_hash(regs, settings, destination, list);
        }
        list = in_vlan(regs, settings, vlan, list);
        if list == 0 && !PFVTCTL::DIS_DEF_POOL.is_set(self.control) && Behaviour::PoolsDefault.on() {
            list = 1 << PFVTCTL::DEF_PL.read(self.control);
        }
        if !replicate {
            // At most one pool; the datasheet does not define which of several.
            list &= list.wrapping_neg();
        }
        self.receiving(list)
    }

    /// The pool that a queue belongs to.
    pub(crate) fn of_queue(&self, queue: u32) -> u32 {
        queue / self.queues.max(1)
    }

    /// The queue in `pool` for a frame, for which RSS chose `entry`.
    pub(crate) fn queue(&self, regs: &Storage, pool: u32, entry: u32) -> u32 {
        let bits = PSRTYPE::RQPL.read(regs.load(names::psrtype(pool))).min(3);
        let among = ((1 << bits) - 1) & (self.queues - 1);
        (pool * self.queues + if self.hash { entry & among } else { 0 }) % ixy_regs::ixgbe::QUEUES
    }
}

/// The pools of the matching address filters.
fn exact(regs: &Storage, addresses: &Addresses, destination: &[u8]) -> u64 {
    if !Behaviour::PoolsExact.on() {
        return 0;
    }
    addresses
        .entries(destination)
        .fold(0, |list, n| list | u64::from(regs.load(mpsar_lo(n))) | u64::from(regs.load(mpsar_hi(n))) << 32)
}

/// The pools whose PFVML2FLT has `bit`.
fn accepting(regs: &Storage, bit: u32) -> u64 {
    (0..POOLS).fold(0, |list, n| list | u64::from(regs.load(names::pfvml2flt(n)) & bit != 0) << n)
}

fn unicast_hash(regs: &Storage, settings: &Settings, destination: &[u8], list: u64) -> u64 {
    let found =
        list == 0 && settings.in_table(regs, names::pfuta, destination) && Behaviour::PoolsUnicastHash.on();
    if found { accepting(regs, mask(PFVML2FLT::ROPE)) } else { list }
}

/// Adds the pools that want frames of this kind to those of the exact filters.
fn by_kind(regs: &Storage, settings: &Settings, destination: &[u8], mut list: u64) -> u64 {
    if destination.first().is_none_or(|byte| byte & 1 == 0) {
        return unicast_hash(regs, settings, destination, list);
    }
    if destination == [0xff; 6] {
        let wanted = Behaviour::PoolsBroadcast.on();
        return if wanted { list | accepting(regs, mask(PFVML2FLT::BAM)) } else { list };
    }
    if list == 0 && settings.multicast_table(regs, destination) && Behaviour::PoolsMulticastHash.on() {
        list = accepting(regs, mask(PFVML2FLT::ROMPE));
    }
    if Behaviour::PoolsMulticastPromiscuous.on() {
        list |= accepting(regs, mask(PFVML2FLT::MPE));
    }
    list
}

/// Pools of a VLAN (PFVLVF, section 8.2.3.27.15).
fn members(regs: &Storage, vlan: u16) -> u64 {
    let entry = |n: u32| {
        let filter = regs.load(names::pfvlvf(n));
        let matches = PFVLVF::VI_EN.is_set(filter) && PFVLVF::VLAN_ID.read(filter) == u32::from(vlan & 0xfff);
        if matches { pair(regs, names::pfvlvfb, 2 * n) } else { 0 }
    };
    (0..VLANS).fold(0, |list, n| list | entry(n))
}

/// Those of `list` that are members of the frame's VLAN or accept untagged frames, if VLANs are filtered at all.
fn in_vlan(regs: &Storage, settings: &Settings, vlan: Option<u16>, list: u64) -> u64 {
    if !settings.filters_vlans() || !Behaviour::PoolsVlan.on() {
        return list;
    }
    list & match vlan {
        Some(tag) => members(regs, tag),
        None => accepting(regs, mask(PFVML2FLT::AUPE)),
    }
}

/// The number of transmit queues in a pool; `None` while virtualization is off for transmit, or with traffic
/// classes (MTQC, section 8.2.3.9.15).
fn transmit_queues(regs: &Storage) -> Option<u32> {
    let mtqc = regs.load(names::MTQC);
    if !MTQC::VT_ENA.is_set(mtqc) || MTQC::RT_ENA.is_set(mtqc) {
        return None;
    }
    match MTQC::NUM_TC_OR_Q.read(mtqc) {
        1 => Some(2),
        2 => Some(4),
        3 => Some(8),
        _ => None,
    }
}

/// The queues of all pools that may send (PFVFTE, section 8.2.3.27.8).
#[inline]
pub(crate) fn may_send(regs: &Storage) -> u128 {
    let Some(queues) = transmit_queues(regs).filter(|_| Behaviour::PoolsTransmitEnable.on()) else {
        return u128::MAX;
    };
    let enabled = pair(regs, names::pfvfte, 0);
    let own = (1_u128 << queues) - 1;
    let pools = (0..ixy_regs::ixgbe::QUEUES / queues).filter(|pool| enabled >> pool & 1 == 1);
    pools.fold(0, |all, pool| all | own << (pool * queues))
}

/// The physical function's rule for tags of a queue's frames (PFVMVIR, section 8.2.3.27).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortVlan {
    /// The descriptor decides.
    Descriptor,
    /// This tag, whatever the descriptor asks for.
    Always(u16),
    /// None is inserted.
    Never,
}

impl PortVlan {
    pub(crate) fn load(regs: &Storage, queue: u32) -> Self {
        let Some(queues) = transmit_queues(regs).filter(|_| Behaviour::PortVlan.on()) else {
            return Self::Descriptor;
        };
        let value = regs.load(names::pfvmvir(queue / queues % POOLS));
        match PFVMVIR::VLANA.read(value) {
            1 => Self::Always(PFVMVIR::PORT_VLAN.read(value) as u16),
            2 => Self::Never,
            _ => Self::Descriptor,
        }
    }
}

/// Software writes PFQDE: `drops` are the queues that drop frames when they have no free descriptor. Returns the
/// register's new value (section 8.2.3.27.9).
pub(crate) fn queue_drop_enable(drops: &mut u128, value: u32) -> u32 {
    let bit = 1_u128 << PFQDE::QUEUE_IDX.read(value);
    if PFQDE::WE.is_set(value) && Behaviour::QueueDropEnable.on() {
        *drops = if PFQDE::QDE.is_set(value) { *drops | bit } else { *drops & !bit };
    }
    let index = value & mask(PFQDE::QUEUE_IDX);
    if PFQDE::RE.is_set(value) {
        index | PFQDE::QDE.val(u32::from(*drops & bit != 0)).modify(0)
    } else {
        index | value & mask(PFQDE::QDE)
    }
}

/// Frames in transit from pool to pool inside the device.
#[derive(Debug, Default)]
pub(crate) struct Switch {
    pub(crate) frames: VecDeque<Inside>,
}

/// A frame in transit, and the pools that have not received it yet.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pools: u64,
}

impl Switch {
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
    }
}

/// The way out for frames of pools: to the wire, to other pools, or nowhere.
pub(crate) struct Outgoing<'a> {
    hw: &'a Hardware,
    addresses: &'a Addresses,
    settings: Settings,
    queues: u32,
    switch: &'a mut Switch,
    wire: &'a mut dyn Sink,
}

impl<'a> Outgoing<'a> {
    /// Virtualization on transmit; `None` while it is off.
    #[inline]
    pub(crate) fn queues(hw: &Hardware) -> Option<u32> {
        transmit_queues(&hw.regs)
    }

    pub(crate) fn new(
        hw: &'a Hardware,
        addresses: &'a mut Addresses,
        queues: u32,
        switch: &'a mut Switch,
        wire: &'a mut dyn Sink,
    ) -> Self {
        addresses.refresh(&hw.regs);
        Self { hw, addresses, settings: Settings::load(&hw.regs), queues, switch, wire }
    }

    /// Whether a pool may not send this frame (PFVFSPOOF, section 8.2.3.27.11).
    fn is_spoofed(&self, pool: u32, frame: &[u8], vlan: Option<u16>) -> bool {
        let regs = &self.hw.regs;
        let checks = regs.load(names::pfvfspoof(pool / 8)) >> (pool % 8);
        let source = frame.get(6..12).unwrap_or_default();
        let owns = || {
            self.addresses.entries(source).any(|n| {
                let half = if pool < 32 { mpsar_lo(n) } else { mpsar_hi(n) };
                regs.load(half) >> (pool % 32) & 1 == 1
            })
        };
        let strange = checks & 1 != 0 && Behaviour::SpoofMac.on() && !owns();
        let foreign =
            |tag| checks & 0x100 != 0 && Behaviour::SpoofVlan.on() && members(regs, tag) >> pool & 1 == 0;
        strange || vlan.is_some_and(foreign)
    }

    /// The pools that receive a frame of `pool`, and whether it also goes to the wire (section 7.10.3.4).
    fn targets(&self, pool: u32, frame: &[u8], vlan: Option<u16>) -> (u64, bool) {
        let regs = &self.hw.regs;
        if !PFDTXGSWC::LBE.is_set(regs.load(names::PFDTXGSWC)) || !Behaviour::LocalSwitch.on() {
            return (0, true);
        }
        let destination = frame.get(..6).unwrap_or_default();
        let multicast = destination.first().is_some_and(|byte| byte & 1 == 1);
        let exact = exact(regs, self.addresses, destination);
        let mut list = in_vlan(regs, &self.settings, vlan, by_kind(regs, &self.settings, destination, exact));
        let control = regs.load(names::PFVTCTL);
        if list == 0 && multicast && !PFVTCTL::DIS_DEF_POOL.is_set(control) {
            list = 1 << PFVTCTL::DEF_PL.read(control);
        }
        if !super::vf::bit_of(self.hw, names::pfvmtxsw, pool) && Behaviour::LocalSwitchSelf.on() {
            list &= !(1 << pool);
        }
        list &= pair(regs, names::pfvfre, 0);
        let local = !multicast && exact != 0 && Behaviour::LocalSwitchKeeps.on();
        (list, !local)
    }
}

impl Sink for Outgoing<'_> {
    fn send(&mut self, queue: u32, frame: &[u8]) -> Sent {
        let pool = queue / self.queues % POOLS;
        let vlan = self.settings.headers(frame).vlan;
        if self.is_spoofed(pool, frame, vlan) {
            let counted = super::vf::bit_of(self.hw, names::pfvmecm, pool);
            if counted && Behaviour::SpoofCounted.on() {
                self.hw.regs.count(names::SSVPC, 1);
            }
            return Sent::Nowhere;
        }
        let (pools, out) = self.targets(pool, frame, vlan);
        if pools != 0 && self.switch.frames.len() >= INSIDE {
            return Sent::NoRoom;
        }
        let sent = if out { self.wire.send(queue, frame) } else { Sent::Inside };
        if pools != 0 && sent != Sent::NoRoom {
            self.switch.frames.push_back(Inside { bytes: frame.to_vec(), pools });
        }
        sent
    }
}

/// The numbers of the pools in a set.
pub(crate) fn each(mut pools: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let lowest = (pools != 0).then(|| pools.trailing_zeros())?;
        pools &= pools - 1;
        Some(lowest)
    })
}
