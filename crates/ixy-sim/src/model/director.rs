//! The flow director: a table of flow filters, exact ones or signatures, in buckets by a hash of the packet
//! (sections 7.1.2.7 and 8.2.3.21).

use std::collections::HashMap;

use ixy_regs::ixgbe::descriptors::receive::{RssType, Status, write_back};
use ixy_regs::ixgbe::fields::EICR;
use ixy_regs::ixgbe::rest_fields::{
    FDIRCMD, FDIRCTRL, FDIRFREE, FDIRFSTAT, FDIRHASH, FDIRIP6M, FDIRLEN, FDIRM, FDIRPORT, FDIRTCPM, FDIRUDPM,
    FDIRUSTAT, FDIRVLAN,
};

use super::behaviour::Behaviour;
use super::headers::{Headers, Network, Transport};
use super::names::{self, mask};
use super::steering::Choice;
use super::storage::Storage;

/// Filters in the smallest table, of signatures and of exact filters, with as many buckets. One filter less than
/// that fits.
const SIGNATURES: u32 = 0x2000;
const EXACT: u32 = 0x800;
/// The unit of FDIRCTRL.FULL_THRESH and MAX_LENGTH.
const THRESHOLD_UNIT: u32 = 16;
const LENGTH_UNIT: usize = 2;
/// The bit of a VLAN tag that filters ignore.
const CFI: u16 = 1 << 12;
/// Error codes in the descriptor.
const TOO_LONG: u64 = 1;
const DROPPED: u64 = 2;
const COLLIDED: u64 = 4;

/// The fields of a packet that filters compare: bytes in wire order, larger fields as numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Flow {
    pool: u8,
    /// Protocol as in FDIRCMD.L4TYPE, and bit 2 for IPv6.
    kind: u8,
    vlan: u16,
    /// IPv4 addresses use the first four bytes.
    source: [u8; 16],
    destination: [u8; 16],
    ports: [u16; 2],
    flex: [u8; 2],
}

const IPV6: u8 = 4;
const UDP: u8 = 1;
const TCP: u8 = 2;
const SCTP: u8 = 3;

impl Flow {
    /// The flow of a packet; `None` when it is not IP. Ports are those of TCP and UDP.
    fn of(pool: u32, flex: usize, headers: &Headers, frame: &[u8]) -> Option<Self> {
        let (network, ip) = headers.network?;
        let mut flow = Self { pool: pool as u8, vlan: headers.vlan.unwrap_or(0), ..Self::default() };
        let (from, len) = match network {
            Network::V4 => (ip + 12, 4),
            Network::V6 => (ip + 8, 16),
        };
        flow.source[..len].copy_from_slice(frame.get(from..from + len)?);
        flow.destination[..len].copy_from_slice(frame.get(from + len..from + 2 * len)?);
        flow.kind = if network == Network::V6 { IPV6 } else { 0 };
        if let Some((transport, at)) = headers.transport {
            flow.kind |= match transport {
                Transport::Udp => UDP,
                Transport::Tcp => TCP,
                Transport::Sctp => SCTP,
            };
            if transport != Transport::Sctp {
                let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
                flow.ports = [word(at)?, word(at + 2)?];
            }
        }
        if let Some(bytes) = frame.get(flex..flex + 2) {
            flow.flex.copy_from_slice(bytes);
        }
        Some(flow)
    }

    /// The flow that software has written to the registers for `command`.
    fn programmed(regs: &Storage, command: u32) -> Self {
        let (ports, tag) = (regs.load(names::FDIRPORT), regs.load(names::FDIRVLAN));
        let ipv6 = FDIRCMD::IPV6.is_set(command);
        let mut flow = Self {
            pool: FDIRCMD::POOL.read(command) as u8,
            kind: FDIRCMD::L4TYPE.read(command) as u8 | if ipv6 { IPV6 } else { 0 },
            vlan: FDIRVLAN::VLAN.read(tag) as u16,
            ports: [FDIRPORT::SOURCE.read(ports) as u16, FDIRPORT::DESTINATION.read(ports) as u16],
            flex: (FDIRVLAN::FLEX.read(tag) as u16).to_le_bytes(),
            ..Self::default()
        };
        // The first byte on the wire is the lowest one of the register.
        let low = regs.load(names::FDIRIPSA).to_le_bytes();
        if ipv6 {
            for n in 0..3 {
                let word = regs.load(names::fdirsipv6(n)).to_le_bytes();
                flow.source[4 * n as usize..][..4].copy_from_slice(&word);
            }
            flow.source[12..].copy_from_slice(&low);
        } else {
            flow.source[..4].copy_from_slice(&low);
            flow.destination[..4].copy_from_slice(&regs.load(names::FDIRIPDA).to_le_bytes());
        }
        flow
    }

    /// The fields that an exact filter compares: not the IPv6 destination.
    fn compared(self) -> Self {
        if self.kind & IPV6 != 0 { Self { destination: [0; 16], ..self } } else { self }
    }

    /// The hash with `key`, 16 bits: one part chooses the bucket or is the signature. The packet is a row of
    /// 32-bit words; all but the first are combined, as the key repeats every 32 bits.
    fn hash(&self, key: u32) -> u16 {
        let words = |address: &[u8; 16]| {
            address.chunks_exact(4).fold(0, |sum, b| sum ^ u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
        };
        let first = u32::from(self.pool) << 24 | u32::from(self.kind) << 16 | u32::from(self.vlan);
        let ports = u32::from(self.ports[0]) << 16 | u32::from(self.ports[1]);
        let flex = u32::from(u16::from_be_bytes(self.flex)) << 16;
        let sum = words(&self.source) ^ words(&self.destination) ^ ports ^ flex;
        let high = sum ^ first ^ first >> 16;
        let low = sum.rotate_left(16);
        let rest = low ^ first ^ first << 16;
        (0..16).fold(0, |hash, n| {
            // The first word does not contribute to bit 0.
            let low = if key >> n & 1 == 0 { 0 } else { (if n == 0 { low } else { rest }) >> n };
            let high = if key >> (n + 16) & 1 == 0 { 0 } else { high >> n };
            hash ^ low as u16 ^ high as u16
        })
    }
}

/// The bits that filters compare, as ones.
#[derive(Debug, Clone, Copy)]
struct Masks {
    registers: u32,
    vlan: u16,
    source: [u8; 4],
    destination: [u8; 4],
    /// A bit for each byte of an IPv6 address.
    source_v6: u32,
    destination_v6: u32,
    tcp: [u16; 2],
    udp: [u16; 2],
}

impl Masks {
    /// Reads the masks; set bits in the registers mean "ignore". Those of ports are in reverse bit order.
    fn load(regs: &Storage) -> Self {
        if !Behaviour::DirectorMasks.on() {
            let (all, ports) = ([0xff; 4], [u16::MAX; 2]);
            return Self {
                registers: 0,
                vlan: !CFI,
                source: all,
                destination: all,
                source_v6: u32::MAX,
                destination_v6: u32::MAX,
                tcp: ports,
                udp: ports,
            };
        }
        let registers = regs.load(names::FDIRM);
        let (tcp, udp) = (regs.load(names::FDIRTCPM), regs.load(names::FDIRUDPM));
        let v6 = regs.load(names::FDIRIP6M);
        let port = |ignored: u32| !(ignored as u16).reverse_bits();
        let without = |field: tock_registers::fields::Field<u32, FDIRM::Register>, bits: u16| {
            if field.is_set(registers) { !bits } else { u16::MAX }
        };
        let whole = FDIRM::DIPV6.is_set(registers);
        Self {
            registers,
            vlan: !CFI & without(FDIRM::VLANID, 0x0fff) & without(FDIRM::VLANP, 0xe000),
            source: (!regs.load(names::FDIRSIP4M)).to_le_bytes(),
            destination: (!regs.load(names::FDIRDIP4M)).to_le_bytes(),
            source_v6: !FDIRIP6M::SIPM.read(v6),
            destination_v6: if whole { 0 } else { !FDIRIP6M::DIPM.read(v6) },
            tcp: [port(FDIRTCPM::SPORTM.read(tcp)), port(FDIRTCPM::DPORTM.read(tcp))],
            udp: [port(FDIRUDPM::SPORTM.read(udp)), port(FDIRUDPM::DPORTM.read(udp))],
        }
    }

    fn apply(&self, mut flow: Flow) -> Flow {
        let ports = if flow.kind & 3 == UDP { self.udp } else { self.tcp };
        flow.ports = [flow.ports[0] & ports[0], flow.ports[1] & ports[1]];
        let addresses = [
            (&mut flow.source, self.source, self.source_v6),
            (&mut flow.destination, self.destination, self.destination_v6),
        ];
        for (address, v4, v6) in addresses {
            for (n, byte) in address.iter_mut().enumerate() {
                let counts = if flow.kind & IPV6 == 0 {
                    v4.get(n).copied().unwrap_or(0)
                } else if v6 >> n & 1 == 1 {
                    0xff
                } else {
                    0
                };
                *byte &= counts;
            }
        }
        flow.vlan &= self.vlan;
        if FDIRM::L4P.is_set(self.registers) {
            flow.kind &= IPV6;
        }
        if FDIRM::POOL.is_set(self.registers) {
            flow.pool = 0;
        }
        if FDIRM::FLEX.is_set(self.registers) {
            flow.flex = [0; 2];
        }
        flow
    }
}

/// A filter in the table.
#[derive(Debug, Clone, Copy)]
struct Filter {
    /// The signature, or the id that software gave an exact filter.
    id: u16,
    /// The flow of an exact filter.
    flow: Option<Flow>,
    /// FDIRCMD as it was written.
    action: u32,
    /// Software tried to add another filter with the same signature.
    collided: bool,
    /// Its list was longer than the limit when it was added.
    too_long: bool,
}

/// The filter table.
#[derive(Debug, Default)]
pub(crate) struct Director {
    control: u32,
    buckets: HashMap<u16, Vec<Filter>>,
    filters: u32,
    /// Filters that collided.
    collisions: u32,
    masks: Option<Masks>,
    keys: [u32; 2],
}

impl Director {
    /// Whether the table has memory; without memory there are no filters.
    pub(crate) fn is_on(&self) -> bool {
        FDIRCTRL::PBALLOC.read(self.control) != 0 && Behaviour::Director.on()
    }

    /// Reloads masks and keys, before a poll looks at frames.
    pub(crate) fn refresh(&mut self, regs: &Storage) {
        self.masks = Some(Masks::load(regs));
        self.keys = [regs.load(names::FDIRHKEY), regs.load(names::FDIRSKEY)];
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    fn exact(&self) -> bool {
        FDIRCTRL::PERFECT_MATCH.is_set(self.control)
    }

    fn bucket_count(&self) -> u32 {
        let least = if self.exact() { EXACT } else { SIGNATURES };
        match FDIRCTRL::PBALLOC.read(self.control) {
            0 => 0,
            size => least << (size - 1),
        }
    }

    fn capacity(&self) -> u32 {
        self.bucket_count().saturating_sub(1)
    }

    /// The bucket of a hash: its low bits.
    fn bucket(&self, hash: u16) -> u16 {
        (u32::from(hash) & self.bucket_count().saturating_sub(1)) as u16
    }

    /// Software writes FDIRCTRL. With INIT_DONE clear the table is initialised at once.
    pub(crate) fn write_control(&mut self, regs: &Storage, value: u32) {
        self.control = value;
        if !FDIRCTRL::INIT_DONE.is_set(value) {
            self.clear(regs);
        }
        regs.store(names::FDIRCTRL, value | mask(FDIRCTRL::INIT_DONE));
    }

    fn clear(&mut self, regs: &Storage) {
        self.buckets.clear();
        (self.filters, self.collisions) = (0, 0);
        regs.store(names::FDIRFREE, FDIRFREE::FREE.val(self.capacity()).modify(0));
    }

    /// Software writes FDIRCMD: the command takes effect at once. Returns interrupt causes.
    pub(crate) fn command(&mut self, regs: &Storage, value: u32) -> u32 {
        let done = value & !mask(FDIRCMD::CMD) & !mask(FDIRCMD::FILTER_VALID) & !mask(FDIRCMD::COLLISION);
        regs.store(names::FDIRCMD, done);
        if FDIRCMD::CLEARHT.is_set(value) {
            self.clear(regs);
        }
        if !Behaviour::Director.on() {
            return 0;
        }
        match FDIRCMD::CMD.read(value) {
            1 => self.add(regs, value),
            2 => self.remove(regs),
            3 => self.query(regs, done),
            _ => {}
        }
        // Software may have made the table smaller without initialising it.
        let free = self.capacity().saturating_sub(self.filters);
        let fields = FDIRFREE::FREE.val(free) + FDIRFREE::COLL.val(self.collisions);
        regs.store(names::FDIRFREE, fields.modify(0));
        let threshold = FDIRCTRL::FULL_THRESH.read(self.control) * THRESHOLD_UNIT;
        let full = FDIRCMD::CMD.read(value) == 1 && free <= threshold && Behaviour::DirectorFull.on();
        if full { mask(EICR::FLOW_DIR) } else { 0 }
    }

    /// The bucket and the id that software names in FDIRHASH.
    fn named(&self, regs: &Storage) -> (u16, u16) {
        let hash = regs.load(names::FDIRHASH);
        (self.bucket(FDIRHASH::HASH.read(hash) as u16), FDIRHASH::SIG_SW_INDEX.read(hash) as u16)
    }

    fn add(&mut self, regs: &Storage, action: u32) {
        let (bucket, id) = self.named(regs);
        let flow = self.exact().then(|| Masks::load(regs).apply(Flow::programmed(regs, action)).compared());
        let room = self.filters < self.capacity();
        let limit = FDIRCTRL::MAX_LENGTH.read(self.control) as usize * LENGTH_UNIT;
        let list = self.buckets.entry(bucket).or_default();
        let same = |filter: &&mut Filter| if flow.is_some() { filter.flow == flow } else { filter.id == id };
        let added = match list.iter_mut().find(same) {
            Some(filter) if FDIRCMD::FILTER_UPDATE.is_set(action) => {
                (filter.id, filter.action) = (id, action);
                true
            }
            Some(filter) => {
                if !filter.collided && Behaviour::DirectorCollision.on() {
                    filter.collided = true;
                    self.collisions += 1;
                }
                false
            }
            None if room => {
                let too_long = list.len() >= limit && Behaviour::DirectorLength.on();
                list.push(Filter { id, flow, action, collided: false, too_long });
                self.filters += 1;
                true
            }
            None => false,
        };
        let length = list.len() as u32;
        if list.is_empty() {
            self.buckets.remove(&bucket);
        }
        if !Behaviour::DirectorStatistics.on() {
            return;
        }
        let (field, failed) = (FDIRUSTAT::ADD, FDIRFSTAT::FADD);
        if added {
            count(regs, names::FDIRUSTAT, field.shift, field.mask);
        } else {
            count(regs, names::FDIRFSTAT, failed.shift, failed.mask);
        }
        let seen = regs.load(names::FDIRLEN);
        let mut longest = FDIRLEN::BUCKET_LEN.val(length.min(0x3f)).modify(seen);
        if length > FDIRLEN::MAXLEN.read(seen) {
            let fields = FDIRLEN::MAXLEN.val(length.min(0x3f)) + FDIRLEN::MAXHASH.val(u32::from(bucket));
            longest = fields.modify(longest);
        }
        regs.store(names::FDIRLEN, longest);
    }

    fn remove(&mut self, regs: &Storage) {
        let (bucket, id) = self.named(regs);
        let list = self.buckets.get_mut(&bucket).filter(|_| Behaviour::DirectorRemove.on());
        let found = list.and_then(|list| list.iter().position(|f| f.id == id).map(|n| list.remove(n)));
        if self.buckets.get(&bucket).is_some_and(Vec::is_empty) {
            self.buckets.remove(&bucket);
        }
        if let Some(filter) = found {
            self.filters -= 1;
            self.collisions -= u32::from(filter.collided);
        }
        if !Behaviour::DirectorStatistics.on() {
            return;
        }
        let (field, failed) = (FDIRUSTAT::REMOVE, FDIRFSTAT::FREMOVE);
        if found.is_some() {
            count(regs, names::FDIRUSTAT, field.shift, field.mask);
        } else {
            count(regs, names::FDIRFSTAT, failed.shift, failed.mask);
        }
    }

    /// Reports in FDIRCMD whether such a filter exists, and its action.
    fn query(&self, regs: &Storage, command: u32) {
        let (bucket, id) = self.named(regs);
        let list = self.buckets.get(&bucket).filter(|_| Behaviour::DirectorQuery.on());
        regs.assign(names::FDIRHASH, mask(FDIRHASH::BUCKET_VALID), list.is_some());
        let Some(filter) = list.into_iter().flatten().find(|filter| filter.id == id) else { return };
        let own = mask(FDIRCMD::DROP)
            | mask(FDIRCMD::INT)
            | mask(FDIRCMD::QUEUE_EN)
            | mask(FDIRCMD::RX_QUEUE)
            | mask(FDIRCMD::L4TYPE)
            | mask(FDIRCMD::IPV6)
            | mask(FDIRCMD::POOL);
        let collided = if filter.collided { mask(FDIRCMD::COLLISION) } else { 0 };
        let found = command & !own | filter.action & own | mask(FDIRCMD::FILTER_VALID) | collided;
        regs.store(names::FDIRCMD, found);
    }

    /// Looks up the filter of a packet. Writes what the descriptor reports to `choice`, which holds the RSS hash
    /// already; returns the queue if a filter names one.
    pub(crate) fn direct(
        &self,
        pool: u32,
        headers: &Headers,
        frame: &[u8],
        choice: &mut Choice,
    ) -> Option<u32> {
        let masks = self.masks?;
        let flex = FDIRCTRL::FLEX_OFFSET.read(self.control) as usize * 2;
        let flow = masks.apply(Flow::of(pool, flex, headers, frame)?);
        let always = FDIRCTRL::REPORT_STATUS_ALWAYS.is_set(self.control) && Behaviour::DirectorReport.on();
        let counts = Behaviour::DirectorStatistics.on();
        choice.director = counts.then_some(false);
        if self.filters == 0 && !always {
            return None;
        }
        let bucket = self.bucket(flow.hash(self.keys[0]));
        let signature = flow.hash(self.keys[1]) & 0x7fff;
        let exact = self.exact().then(|| flow.compared());
        let same = |filter: &&Filter| match exact {
            Some(flow) => filter.flow == Some(flow),
            None => filter.id == signature,
        };
        let found = self.buckets.get(&bucket).and_then(|list| list.iter().find(same));
        choice.director = counts.then_some(found.is_some());
        let report = FDIRCTRL::REPORT_STATUS.is_set(self.control) && Behaviour::DirectorReport.on();
        if always || report && found.is_some() {
            // DPDK takes the upper half as the hash and the lower one as signature or index.
            let id = found.map_or(if exact.is_some() { 0 } else { signature }, |filter| filter.id);
            choice.hash = Some((u32::from(bucket) << 16 | u32::from(id), RssType::FlowDirector));
        }
        let filter = found?;
        choice.drop = FDIRCMD::DROP.is_set(filter.action) && Behaviour::DirectorDrop.on();
        let errors = [(filter.too_long, TOO_LONG), (choice.drop, DROPPED), (filter.collided, COLLIDED)];
        let errors = errors.into_iter().filter(|(set, _)| *set).fold(0, |all, (_, code)| all | code);
        choice.status |= Status::FLM.bits() | write_back::FDIR_ERROR.place(errors) as u32;
        if FDIRCMD::INT.is_set(filter.action) && Behaviour::LowLatency.on() {
            choice.status |= Status::LLINT.bits();
        }
        if choice.drop {
            return Some(FDIRCTRL::DROP_QUEUE.read(self.control));
        }
        FDIRCMD::QUEUE_EN.is_set(filter.action).then(|| FDIRCMD::RX_QUEUE.read(filter.action))
    }
}

/// Adds one to a counter that is a field of `register`; the counter saturates at `highest`.
fn count(regs: &Storage, register: u32, shift: usize, highest: u32) {
    let value = regs.load(register);
    if value >> shift & highest != highest {
        regs.store(register, value + (1 << shift));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that drivers use.
    const BUCKET: u32 = 0x3dad_14e2;
    const SIGNATURE: u32 = 0x174d_3614;

    fn v4(kind: u8, vlan: u16, ports: [u16; 2], flex: u16) -> Flow {
        let (mut source, mut destination) = ([0; 16], [0; 16]);
        source[..4].copy_from_slice(&[10, 1, 2, 3]);
        destination[..4].copy_from_slice(&[192, 168, 4, 5]);
        Flow { pool: 0, kind, vlan, source, destination, ports, flex: flex.to_be_bytes() }
    }

    #[test]
    fn hashes_are_those_that_drivers_compute() {
        let v6 = |head: [u8; 4], tail: [u8; 12]| {
            std::array::from_fn(|n| if n < 4 { head[n] } else { tail[n - 4] })
        };
        let six = Flow {
            kind: IPV6 | TCP,
            source: v6([0x20, 1, 0x0d, 0xb8], [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
            destination: v6([0x20, 1, 0x0d, 0xb8], [0, 0, 0, 10, 0, 0, 0, 11, 0, 0, 0, 12]),
            ..v4(0, 0, [1000, 2000], 0x86dd)
        };
        // Signature and bucket, computed as drivers do, with the loop unrolled for both keys at once.
        let cases = [
            (v4(TCP, 0, [1000, 2000], 0x0800), 0x7b13_4e4e),
            (v4(UDP, 0, [1000, 2000], 0x0800), 0x2408_6135),
            (v4(TCP, 0x6005, [1000, 2000], 0x8100), 0x79f7_4763),
            (v4(0, 0, [0, 0], 0x0800), 0x3000_34d6),
            (six, 0x5ee5_371d),
        ];
        for (flow, hash) in cases {
            let both = u32::from(flow.hash(SIGNATURE) & 0x7fff) << 16 | u32::from(flow.hash(BUCKET) & 0x7fff);
            assert_eq!(both, hash, "{flow:?}");
        }
    }
}
