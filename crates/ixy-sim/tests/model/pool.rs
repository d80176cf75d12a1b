//! Pools: which of them receive a frame, what they may send, and the switch between them (sections 7.10.3 and
//! 8.2.3.27).

use crate::harness::*;

const PFVTCTL: u32 = 0x051B0;
const PFVFRE: u32 = 0x051E0;
const PFVFTE: u32 = 0x08110;
const PFQDE: u32 = 0x02F04;
const PFVMTXSW: u32 = 0x05180;
const PFVFSPOOF: u32 = 0x08200;
const PFDTXGSWC: u32 = 0x08220;
const PFVMVIR: u32 = 0x08000;
const PFVML2FLT: u32 = 0x0F000;
const PFVLVF: u32 = 0x0F100;
const PFVLVFB: u32 = 0x0F200;
const PFUTA: u32 = 0x0F400;
const PFVMECM: u32 = 0x08790;
const MPSAR: u32 = 0x0A600;
const MTQC: u32 = 0x08120;
const SSVPC: u32 = 0x08780;
const PSRTYPE: u32 = 0x0EA00;

const VT_ENA: u32 = 1;
const DIS_DEF_POOL: u32 = 1 << 29;
const RPL_EN: u32 = 1 << 30;
const AUPE: u32 = 1 << 24;
const ROMPE: u32 = 1 << 25;
const ROPE: u32 = 1 << 26;
const BAM: u32 = 1 << 27;
const MPE: u32 = 1 << 28;
const VFE: u32 = 1 << 30;

const BROADCAST: [u8; 6] = [0xff; 6];
const GROUP: [u8; 6] = [1, 0, 0x5e, 0, 0, 9];
const ALICE: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const BOB: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
const NOBODY: [u8; 6] = [2, 0, 0, 0, 0, 0xee];

/// No pools.
const NONE: [u32; 0] = [];

/// A device with 64 pools of two queues; some have a receive ring at their first queue.
struct Pools {
    harness: Harness,
    rings: Vec<(u32, RxRing)>,
}

/// Pools with a ring.
const WITH_RING: [u32; 5] = [0, 1, 2, 3, 40];

impl Pools {
    /// The port accepts everything, pool 0 is the default, all pools may receive and send. Alice's address belongs
    /// to pool 2, Bob's to pool 40.
    fn new() -> Self {
        let harness = Harness::new();
        harness.write(FCTRL, 1 << 8 | 1 << 9 | 1 << 10);
        harness.write(PFVTCTL, VT_ENA | RPL_EN);
        harness.write(MRQC, 8);
        harness.write(MTQC, 2 | 1 << 2);
        for n in [0, 4] {
            harness.write(PFVFRE + n, u32::MAX);
            harness.write(PFVFTE + n, u32::MAX);
        }
        let rings = WITH_RING.map(|pool| (pool, harness.rx_ring(2 * pool, 8))).into();
        harness.write(RXCTRL, 1);
        harness.set(DMATXCTL, 1);
        harness.poll();
        let pools = Self { harness, rings };
        pools.address(5, ALICE, 1 << 2);
        pools.address(6, BOB, 1 << 40);
        pools
    }

    /// Entry `n` of the address filter.
    fn address(&self, n: u32, address: [u8; 6], pools: u64) {
        self.write(RAL + 8 * n, u32::from_le_bytes(address[..4].try_into().unwrap()));
        self.write(RAH + 8 * n, u32::from(u16::from_le_bytes([address[4], address[5]])) | 1 << 31);
        self.write(MPSAR + 8 * n, pools as u32);
        self.write(MPSAR + 8 * n + 4, (pools >> 32) as u32);
    }

    fn vlan(&self, n: u32, id: u32, pools: u64) {
        self.write(PFVLVF + 4 * n, id | 1 << 31);
        self.write(PFVLVFB + 8 * n, pools as u32);
        self.write(PFVLVFB + 8 * n + 4, (pools >> 32) as u32);
    }

    fn write(&self, offset: u32, value: u32) {
        self.harness.write(offset, value);
    }

    fn accepts(&self, pool: u32, bits: u32) {
        self.write(PFVML2FLT + 4 * pool, bits);
    }

    /// The pools that received a frame, which is the same for all.
    fn got(&mut self, expected: &[u8]) -> Vec<u32> {
        let mut pools = Vec::new();
        for (pool, ring) in &mut self.rings {
            for frame in ring.drain(&self.harness) {
                assert_eq!(frame, expected, "in pool {pool}");
                pools.push(*pool);
            }
        }
        pools
    }

    /// The pools that receive a frame from the wire.
    fn arrives(&mut self, frame: &[u8]) -> Vec<u32> {
        self.harness.arrives(frame);
        self.harness.poll();
        self.got(frame)
    }

    /// The pools that receive a frame which `pool` sends, and whether the wire does.
    fn sends(&mut self, pool: u32, frame: &[u8]) -> (Vec<u32>, bool) {
        let mut ring = self.harness.tx_ring(2 * pool + 1, 8);
        let at = ring.send(&self.harness, frame);
        self.harness.poll();
        assert!(ring.done(at), "whatever became of it, its descriptor is done");
        let sent = self.harness.sent();
        assert!(sent.iter().all(|sent| sent == frame) && sent.len() < 2);
        (self.got(frame), !sent.is_empty())
    }
}

fn from(source: [u8; 6], destination: [u8; 6]) -> Vec<u8> {
    let mut frame = frame(destination, 80, 3);
    frame[6..12].copy_from_slice(&source);
    frame
}

fn tagged(mut frame: Vec<u8>, id: u8) -> Vec<u8> {
    frame.splice(12..12, [0x81, 0x00, 0x20, id]);
    frame
}

#[test]
fn an_exact_address_goes_to_the_pools_of_its_entry() {
    let mut pools = Pools::new();
    assert_eq!(pools.arrives(&frame(ALICE, 60, 1)), [2]);
    assert_eq!(pools.arrives(&frame(BOB, 60, 2)), [40]);
    pools.address(7, ALICE, 1 << 1 | 1 << 40);
    assert_eq!(pools.arrives(&frame(ALICE, 60, 3)), [1, 2, 40], "of all entries that match");
    pools.write(RAH + 8 * 5, 0);
    assert_eq!(pools.arrives(&frame(ALICE, 60, 3)), [1, 40]);
    pools.write(PFVTCTL, 0);
    assert_eq!(pools.arrives(&frame(ALICE, 60, 1)), [0], "without virtualization queue 0 gets all");
}

#[test]
fn without_replication_a_frame_goes_to_one_pool() {
    let mut pools = Pools::new();
    pools.accepts(1, BAM | MPE);
    pools.accepts(3, BAM | MPE);
    pools.address(7, ALICE, 1 << 1 | 1 << 40);
    pools.write(PFVTCTL, VT_ENA | 3 << 7);
    assert_eq!(pools.arrives(&frame(ALICE, 60, 3)).len(), 1);
    assert_eq!(pools.arrives(&frame(BROADCAST, 60, 1)), [3], "the default pool");
    assert_eq!(pools.arrives(&frame(GROUP, 60, 1)), [3]);
}

#[test]
fn broadcast_goes_to_the_pools_that_want_it() {
    let mut pools = Pools::new();
    pools.accepts(1, BAM);
    pools.accepts(40, BAM);
    assert_eq!(pools.arrives(&frame(BROADCAST, 60, 1)), [1, 40]);
    pools.accepts(1, MPE | ROPE | ROMPE | AUPE);
    assert_eq!(pools.arrives(&frame(BROADCAST, 60, 1)), [40]);
}

/// Sets the bit of an address in a hash table, with MCSTCTRL.MO = 0.
fn in_table(pools: &Pools, table: u32, address: [u8; 6]) {
    let hash = u32::from(u16::from_le_bytes([address[4], address[5]])) >> 4;
    pools.write(table + 4 * (hash >> 5), 1 << (hash & 31));
}

#[test]
fn unicast_that_no_entry_knows_goes_by_its_hash() {
    let mut pools = Pools::new();
    pools.accepts(3, ROPE);
    assert_eq!(pools.arrives(&frame(NOBODY, 60, 1)), [0], "not in the table: the default pool");
    in_table(&pools, PFUTA, NOBODY);
    assert_eq!(pools.arrives(&frame(NOBODY, 60, 1)), [3]);
    pools.write(FCTRL, 0);
    assert_eq!(pools.arrives(&frame(NOBODY, 60, 1)), [3], "the table passes it, too");
    in_table(&pools, PFUTA, ALICE);
    assert_eq!(pools.arrives(&frame(ALICE, 60, 1)), [2], "an exact entry comes first");
    pools.write(PFVTCTL, 0);
    assert_eq!(pools.arrives(&frame(NOBODY, 60, 1)), NONE, "without virtualization there is no such table");
}

#[test]
fn multicast_goes_by_its_hash_or_to_those_that_want_all() {
    let mut pools = Pools::new();
    pools.accepts(1, ROMPE);
    assert_eq!(pools.arrives(&frame(GROUP, 60, 1)), [0], "not in the table: the default pool");
    pools.write(MCSTCTRL, 1 << 2);
    in_table(&pools, MTA, GROUP);
    assert_eq!(pools.arrives(&frame(GROUP, 60, 1)), [1]);
    pools.accepts(3, MPE);
    assert_eq!(pools.arrives(&frame(GROUP, 60, 1)), [1, 3]);
    assert_eq!(pools.arrives(&frame(NOBODY, 60, 1)), [0], "unicast is another matter");
    pools.address(7, GROUP, 1 << 40);
    assert_eq!(pools.arrives(&frame(GROUP, 60, 1)), [3, 40], "an exact entry comes before the hash");
    pools.write(MCSTCTRL, 0);
    pools.write(RAH + 8 * 7, 0);
    assert_eq!(pools.arrives(&frame(GROUP, 60, 1)), [3], "the table is off");
}

#[test]
fn only_members_of_a_vlan_get_its_frames() {
    let mut pools = Pools::new();
    pools.write(VFTA, u32::MAX);
    pools.write(PFVTCTL, VT_ENA | RPL_EN | DIS_DEF_POOL);
    pools.address(5, ALICE, 1 << 2 | 1 << 3 | 1 << 40);
    pools.vlan(9, 7, 1 << 2 | 1 << 40 | 1 << 1);
    assert_eq!(pools.arrives(&tagged(frame(ALICE, 60, 1), 9)), [2, 3, 40], "VLANs are not filtered");
    pools.write(VLNCTRL, VFE | 0x8100);
    assert_eq!(pools.arrives(&tagged(frame(ALICE, 60, 1), 7)), [2, 40]);
    assert_eq!(pools.arrives(&tagged(frame(ALICE, 60, 1), 9)), NONE);
    pools.vlan(63, 7, 1 << 3);
    assert_eq!(pools.arrives(&tagged(frame(ALICE, 60, 1), 7)), [2, 3, 40]);
    pools.write(PFVLVF + 4 * 9, 7);
    assert_eq!(pools.arrives(&tagged(frame(ALICE, 60, 1), 7)), [3], "VI_EN");
    assert_eq!(pools.arrives(&frame(ALICE, 60, 1)), NONE);
    pools.accepts(3, AUPE);
    assert_eq!(pools.arrives(&frame(ALICE, 60, 1)), [3], "without a tag");
}

#[test]
fn what_no_pool_wants_goes_to_the_default_pool_if_there_is_one() {
    let mut pools = Pools::new();
    pools.write(PFVTCTL, VT_ENA | RPL_EN | 40 << 7);
    assert_eq!(pools.arrives(&frame(NOBODY, 60, 1)), [40]);
    assert_eq!(pools.arrives(&frame(BROADCAST, 60, 1)), [40]);
    pools.write(PFVTCTL, VT_ENA | RPL_EN | 40 << 7 | DIS_DEF_POOL);
    assert_eq!(pools.arrives(&frame(NOBODY, 60, 1)), NONE);
}

#[test]
fn a_pool_receives_only_while_it_may() {
    let mut pools = Pools::new();
    pools.accepts(2, BAM);
    pools.accepts(40, BAM);
    pools.write(PFVFRE, !(1 << 2));
    assert_eq!(pools.arrives(&frame(BROADCAST, 60, 1)), [40]);
    assert_eq!(pools.arrives(&frame(ALICE, 60, 1)), NONE, "nor does the default pool get it");
    pools.write(PFVFRE + 4, 0);
    pools.write(PFVFRE, 1 << 2);
    assert_eq!(pools.arrives(&frame(BROADCAST, 60, 1)), [2]);
    pools.write(PFVTCTL, 0);
    pools.write(PFVFRE, 0);
    assert_eq!(pools.arrives(&frame(ALICE, 60, 1)), [0], "without virtualization it means nothing");
}

#[test]
fn a_pool_sends_only_while_it_may() {
    let pools = Pools::new();
    pools.write(PFVFTE, !(1 << 2));
    let (mut barred, mut free) = (pools.harness.tx_ring(5, 8), pools.harness.tx_ring(81, 8));
    barred.send(&pools.harness, &own(60, 1));
    free.send(&pools.harness, &own(60, 2));
    pools.harness.poll();
    assert_eq!(pools.harness.sent(), [own(60, 2)]);
    pools.write(PFVFTE, u32::MAX);
    pools.write(PFVFTE + 4, 0);
    free.send(&pools.harness, &own(60, 3));
    pools.harness.poll();
    assert_eq!(pools.harness.sent(), [own(60, 1)]);
    // Pools of four queues: queue 81 is pool 20's.
    pools.write(MTQC, 2 | 2 << 2);
    pools.harness.poll();
    assert_eq!(pools.harness.sent(), [own(60, 3)]);
}

/// A TCP packet to Alice with a hash that ends in 0x78 under the verification suite's key; the table maps it to
/// 15.
fn hashed() -> Vec<u8> {
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], ALICE)
        .ipv4([66, 9, 149, 187], [161, 142, 100, 80], 64)
        .tcp(2794, 1766, 0, 0)
        .write(&mut frame, &[0; 8])
        .unwrap();
    frame
}

#[test]
fn rss_chooses_among_the_queues_that_a_pool_has() {
    let pools = Pools::new();
    let harness = &pools.harness;
    for n in 0..32 {
        harness.write(RETA + 4 * n, 0x0f0f_0f0f);
    }
    for n in 0..10 {
        harness.write(RSSRK + 4 * n, 0x5a6d_0000 + n);
    }
    let mut rings: Vec<_> = (4..12).map(|q| harness.rx_ring(q, 8)).collect();
    // Mode, RQPL of pool 2, and the queue of entry 15.
    for (mode, bits, queue) in
        [(8, 1, 4), (11, 0, 4), (11, 1, 5), (11, 3, 5), (10, 0, 8), (10, 1, 9), (10, 2, 11), (10, 3, 11)]
    {
        harness.write(MRQC, mode | 1 << 16);
        harness.write(PSRTYPE + 8, bits << 29);
        harness.arrives(&hashed());
        harness.poll();
        let found: Vec<u32> =
            rings.iter_mut().filter_map(|ring| ring.take(harness).map(|_| ring.q)).collect();
        assert_eq!(found, [queue], "mode {mode}, {bits} bits");
    }
    // Modes with traffic classes are not supported.
    harness.write(MRQC, 12 | 1 << 16);
    harness.arrives(&hashed());
    harness.poll();
    assert!(rings.iter_mut().all(|ring| ring.take(harness).is_none()));
}

#[test]
fn with_32_pools_nobody_gets_what_a_filter_has_for_a_further_one() {
    let pools = Pools::new();
    pools.write(MRQC, 10);
    pools.write(MTQC, 2 | 2 << 2);
    pools.write(PFDTXGSWC, 1);
    // The queue number wraps around, to the start of pool 8.
    let mut other = pools.harness.rx_ring(40 * 4 - 128, 8);
    pools.harness.arrives(&frame(BOB, 80, 1));
    pools.write(PFVTCTL, VT_ENA | RPL_EN | 40 << 7);
    pools.harness.arrives(&frame(NOBODY, 80, 2));
    let mut ring = pools.harness.tx_ring(4 * 2, 8);
    let at = ring.send(&pools.harness, &from(ALICE, BOB));
    pools.harness.poll();
    assert!(ring.done(at));
    assert!(other.take(&pools.harness).is_none());
    assert!(pools.harness.sent().is_empty(), "it is an address of this port");
}

#[test]
fn the_device_can_have_a_queue_drop_what_finds_no_descriptor() {
    let pools = Pools::new();
    pools.accepts(2, BAM);
    pools.accepts(3, BAM);
    for n in 0..10 {
        pools.harness.arrives(&frame(ALICE, 60, n));
    }
    pools.harness.arrives(&frame(BOB, 60, 1));
    pools.harness.poll();
    assert!(pools.rings[4].1.peek(&pools.harness).is_none(), "the packet buffer waits for pool 2");
    let qde = |queue: u32, on: u32| 1 << 16 | queue << 8 | on;
    pools.write(PFQDE, qde(4, 1));
    pools.write(PFQDE, 1 << 17 | 4 << 8);
    assert_eq!(pools.harness.read(PFQDE), 4 << 8 | 1, "RE");
    pools.write(PFQDE, 1 << 17 | 5 << 8);
    assert_eq!(pools.harness.read(PFQDE), 5 << 8);
    pools.harness.poll();
    assert!(pools.rings[4].1.peek(&pools.harness).is_some());
    pools.write(PFQDE, qde(4, 0));
    pools.write(PFQDE, 1 << 17 | 4 << 8);
    assert_eq!(pools.harness.read(PFQDE), 4 << 8);
}

#[test]
fn on_a_wire_that_waits_a_pool_that_is_off_or_drops_holds_nobody_up() {
    let mut pools = Pools::new();
    pools.harness.far(|far| far.waits = true);
    pools.address(8, NOBODY, 1 << 20);
    pools.harness.arrives(&frame(NOBODY, 60, 1));
    assert_eq!(pools.arrives(&frame(BOB, 60, 2)), [40], "pool 20 has no ring");
    for n in 0..9 {
        pools.harness.arrives(&frame(ALICE, 60, n));
    }
    pools.harness.arrives(&frame(BOB, 60, 3));
    pools.harness.poll();
    assert!(pools.rings[4].1.peek(&pools.harness).is_none(), "a frame for one pool waits outside");
    assert_eq!(pools.rings[2].1.drain(&pools.harness).len(), 7);
    pools.harness.poll();
    assert_eq!(pools.rings[2].1.drain(&pools.harness).len(), 2, "and is not lost");
    assert!(pools.rings[4].1.peek(&pools.harness).is_some());
}

#[test]
fn the_device_decides_about_tags_of_a_pools_frames() {
    let pools = Pools::new();
    let harness = &pools.harness;
    let with = |id: u8| {
        let mut frame = own(60, 1);
        frame.splice(12..12, [0x81, 0x00, 0x20, id]);
        frame
    };
    let mut ring = harness.tx_ring(81, 16);
    let port_vlan = |how: u32| pools.write(PFVMVIR + 4 * 40, how << 30 | 0x2007);
    let mut send = |vle: u64| {
        ring.put(0x2005 << 16, CONTEXT);
        ring.data(harness, &own(60, 1), EOP | IFCS | RS | vle);
        ring.ring(harness);
        harness.poll();
        harness.sent().remove(0)
    };
    const VLE: u64 = 1 << 30;
    assert_eq!([send(0), send(VLE)], [own(60, 1), with(5)], "as the descriptor says");
    port_vlan(1);
    assert_eq!([send(0), send(VLE)], [with(7), with(7)], "always");
    port_vlan(2);
    assert_eq!([send(0), send(VLE)], [own(60, 1), own(60, 1)], "never");
    // A legacy descriptor holds its own tag.
    let mut legacy = |how: u32| {
        port_vlan(how);
        let at = ring.tail;
        ring.data(harness, &own(60, 1), 0);
        let low = u64::from_le(ring.ring.words()[at as usize * 2].load(std::sync::atomic::Ordering::Relaxed));
        ring.tail = at;
        ring.put(low, 60 | EOP | IFCS | RS | VLE | 0x2005 << 48);
        ring.ring(harness);
        harness.poll();
        harness.sent().remove(0)
    };
    assert_eq!([legacy(0), legacy(1), legacy(2)], [with(5), with(7), own(60, 1)]);
    pools.write(MTQC, 0);
    assert_eq!(legacy(2), with(5), "without virtualization the descriptor says");
}

#[test]
fn a_pool_that_is_checked_sends_only_from_its_own_addresses() {
    let mut pools = Pools::new();
    pools.write(PFVFSPOOF + 4 * 5, 1);
    assert_eq!(pools.sends(40, &from(BOB, NOBODY)), (vec![], true));
    assert_eq!(pools.sends(40, &from(ALICE, NOBODY)), (vec![], false));
    assert_eq!(pools.sends(41, &from(ALICE, NOBODY)), (vec![], true), "pool 41 is not checked");
    assert_eq!(pools.harness.read(SSVPC), 0, "and not counted");
    pools.write(PFVMECM + 4, 1 << 8);
    pools.sends(40, &from(ALICE, NOBODY));
    pools.sends(40, &from(NOBODY, NOBODY));
    assert_eq!(pools.harness.read(SSVPC), 2);
}

#[test]
fn a_pool_that_is_checked_sends_only_with_its_own_vlans() {
    let mut pools = Pools::new();
    pools.vlan(0, 7, 1 << 2);
    pools.write(PFVFSPOOF, 1 << 10);
    assert_eq!(pools.sends(2, &tagged(from(NOBODY, NOBODY), 7)), (vec![], true));
    assert_eq!(pools.sends(2, &tagged(from(NOBODY, NOBODY), 8)), (vec![], false));
    assert_eq!(pools.sends(2, &from(NOBODY, NOBODY)), (vec![], true), "without a tag there is none to check");
    assert_eq!(pools.sends(3, &tagged(from(NOBODY, NOBODY), 8)), (vec![], true));
}

#[test]
fn pools_reach_each_other_through_the_switch() {
    let mut pools = Pools::new();
    assert_eq!(pools.sends(2, &from(ALICE, BOB)), (vec![], true), "the switch is off");
    pools.write(PFDTXGSWC, 1);
    assert_eq!(pools.sends(2, &from(ALICE, BOB)), (vec![40], false), "an address of this port");
    assert_eq!(pools.sends(2, &from(ALICE, NOBODY)), (vec![], true), "unicast has no default pool");
    pools.accepts(2, BAM);
    pools.accepts(3, BAM);
    assert_eq!(pools.sends(2, &from(ALICE, BROADCAST)), (vec![3], true), "not back to the pool that sends");
    pools.write(PFVMTXSW, 1 << 2);
    assert_eq!(pools.sends(2, &from(ALICE, BROADCAST)), (vec![2, 3], true), "unless that is wanted");
    assert_eq!(pools.sends(2, &from(ALICE, GROUP)), (vec![0], true), "multicast has a default pool");
    assert_eq!(pools.sends(2, &tagged(from(ALICE, BOB), 7)), (vec![40], false));
    pools.vlan(0, 7, 1 << 2);
    pools.write(VLNCTRL, VFE | 0x8100);
    assert_eq!(pools.sends(2, &tagged(from(ALICE, BOB), 7)).0, NONE, "not a member");
    pools.write(VLNCTRL, 0x8100);
    pools.write(PFVFRE + 4, 0);
    assert_eq!(pools.sends(2, &from(ALICE, BOB)).0, NONE, "it may not receive");
}

#[test]
fn the_switch_and_the_checks_know_tags_by_the_type_that_the_port_has() {
    let mut pools = Pools::new();
    let other = |id| {
        let mut frame = tagged(from(ALICE, BOB), id);
        frame[12..14].copy_from_slice(&[0x91, 0x00]);
        frame
    };
    pools.write(PFDTXGSWC, 1);
    pools.vlan(0, 7, 1 << 2);
    pools.vlan(1, 8, 1 << 2 | 1 << 40);
    pools.accepts(40, AUPE);
    pools.write(VLNCTRL, VFE | 0x9100);
    assert_eq!(pools.sends(2, &other(7)).0, NONE, "not a member, and not untagged");
    assert_eq!(pools.sends(2, &other(8)).0, [40]);
    assert_eq!(pools.sends(2, &tagged(from(ALICE, BOB), 7)).0, [40], "untagged");
    pools.write(PFVFSPOOF, 1 << (8 + 2));
    assert_eq!(pools.sends(2, &other(8)).0, [40]);
    assert_eq!(pools.sends(2, &other(9)), (vec![], false), "not its VLAN");
    assert_eq!(pools.sends(2, &tagged(from(ALICE, BOB), 9)).0, [40], "untagged");
}

#[test]
fn of_two_tags_the_switch_looks_at_the_inner_one() {
    let mut pools = Pools::new();
    let two = |id| {
        let mut frame = tagged(from(ALICE, BOB), id);
        frame.splice(12..12, [0x88, 0xa8, 0x00, 0x07]);
        frame
    };
    pools.write(PFDTXGSWC, 1);
    pools.vlan(0, 7, 1 << 40);
    pools.write(VLNCTRL, VFE | 0x8100);
    pools.write(0x00018, 1 << 26); // CTRL_EXT: frames have two tags
    pools.write(0x05078, 0x88a8 << 16); // EXVET
    assert_eq!(pools.sends(2, &two(7)).0, [40]);
    assert_eq!(pools.sends(2, &two(8)).0, NONE);
}

#[test]
fn frames_inside_are_counted_for_queues_and_not_for_the_port() {
    let mut pools = Pools::new();
    pools.write(PFDTXGSWC, 1);
    pools.harness.write(0x08600 + 4, 3 << 8);
    pools.harness.write(0x02300 + 4 * 20, 4);
    for register in [GPRC, GPTC, QPRC + 0x40 * 4, QPTC + 4 * 3] {
        pools.harness.read(register);
    }
    assert_eq!(pools.sends(2, &from(ALICE, BOB)), (vec![40], false));
    assert_eq!([GPRC, GPTC].map(|n| pools.harness.read(n)), [0, 0]);
    assert_eq!([QPRC + 0x40 * 4, QPTC + 4 * 3].map(|n| pools.harness.read(n)), [1, 1]);
}

#[test]
fn the_switch_waits_for_a_pool_that_has_no_descriptor() {
    let mut pools = Pools::new();
    pools.write(PFDTXGSWC, 1);
    let mut ring = pools.harness.tx_ring(5, 32);
    for _ in 0..20 {
        ring.send(&pools.harness, &from(ALICE, BOB));
    }
    pools.harness.poll();
    let mut got = 0;
    for _ in 0..4 {
        got += pools.rings[4].1.drain(&pools.harness).len();
        pools.harness.poll();
    }
    assert_eq!(got, 20, "nothing is lost");
}

#[test]
fn a_pool_that_may_receive_no_longer_does_not_get_frames_inside() {
    let mut pools = Pools::new();
    pools.write(PFDTXGSWC, 1);
    let mut ring = pools.harness.tx_ring(5, 32);
    for _ in 0..10 {
        ring.send(&pools.harness, &from(ALICE, BOB));
    }
    pools.harness.poll();
    assert_eq!(pools.rings[4].1.drain(&pools.harness).len(), 7);
    pools.write(PFVFRE + 4, 0);
    pools.harness.poll();
    assert_eq!(pools.rings[4].1.drain(&pools.harness).len(), 0);
    pools.accepts(3, BAM);
    assert_eq!(pools.sends(2, &from(ALICE, BROADCAST)).0, [3], "they hold nobody up");
}

#[test]
fn a_reset_forgets_frames_inside() {
    let pools = Pools::new();
    pools.write(PFDTXGSWC, 1);
    let mut ring = pools.harness.tx_ring(5, 32);
    for _ in 0..20 {
        ring.send(&pools.harness, &from(ALICE, BOB));
    }
    pools.harness.poll();
    pools.write(CTRL, 1 << 26);
    pools.write(PFVTCTL, VT_ENA | RPL_EN);
    pools.write(MRQC, 8);
    pools.write(PFVFRE + 4, u32::MAX);
    let ring = pools.harness.rx_ring(80, 8);
    pools.write(RXCTRL, 1);
    pools.harness.poll();
    assert!(ring.peek(&pools.harness).is_none());
}
