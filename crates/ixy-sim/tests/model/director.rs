//! The flow director (sections 7.1.2.7 and 8.2.3.21).
//!
//! Buckets and signatures are those that drivers compute for these packets, with the drivers' keys.

use crate::harness::*;
use crate::steering::{arrives, harness, tcp, udp};

const FDIRCTRL: u32 = 0x0EE00;
const FDIRIPSA: u32 = 0x0EE18;
const FDIRIPDA: u32 = 0x0EE1C;
const FDIRPORT: u32 = 0x0EE20;
const FDIRVLAN: u32 = 0x0EE24;
const FDIRHASH: u32 = 0x0EE28;
const FDIRCMD: u32 = 0x0EE2C;
const FDIRFREE: u32 = 0x0EE38;
const FDIRDIP4M: u32 = 0x0EE3C;
const FDIRSIP4M: u32 = 0x0EE40;
const FDIRTCPM: u32 = 0x0EE44;
const FDIRUDPM: u32 = 0x0EE48;
const FDIRLEN: u32 = 0x0EE4C;
const FDIRUSTAT: u32 = 0x0EE50;
const FDIRFSTAT: u32 = 0x0EE54;
const FDIRMATCH: u32 = 0x0EE58;
const FDIRMISS: u32 = 0x0EE5C;
const FDIRHKEY: u32 = 0x0EE68;
const FDIRSKEY: u32 = 0x0EE6C;
const FDIRM: u32 = 0x0EE70;

const PORTS: (u16, u16) = (1000, 2000);
/// Signature and hash of a TCP packet from [`SOURCE`](crate::steering::SOURCE):1000, without a tag.
const TCP_FLOW: u32 = 0x7b13_4e4e;

/// FDIRCTRL: 64 KB of memory, flexible bytes at the EtherType, lists of up to 20, cause at 64 free filters.
const CONTROL: u32 = 1 | 6 << 16 | 10 << 24 | 4 << 28;
const EXACT: u32 = 1 << 4;
const REPORT: u32 = 1 << 5;
const REPORT_ALWAYS: u32 = 1 << 7;
const ADD: u32 = 1;
const REMOVE: u32 = 2;
const QUERY: u32 = 3;
const VALID: u32 = 1 << 2;
const UPDATE: u32 = 1 << 3;
const L4_TCP: u32 = 2 << 5;
const L4_UDP: u32 = 1 << 5;
const CLEARHT: u32 = 1 << 8;
const DROP: u32 = 1 << 9;
const COLLISION: u32 = 1 << 12;
const QUEUE: u32 = 1 << 15;

const FLM: u64 = 1 << 2;

fn director(control: u32) -> (Harness, Vec<RxRing>) {
    let (harness, rings) = harness();
    harness.write(FDIRHKEY, 0x3dad_14e2);
    harness.write(FDIRSKEY, 0x174d_3614);
    harness.write(FDIRCTRL, control);
    assert_eq!(harness.read(FDIRCTRL), control | 1 << 3, "INIT_DONE");
    (harness, rings)
}

/// Issues a command for the filter that `hash` names; returns FDIRCMD after it.
fn command(harness: &Harness, hash: u32, command: u32) -> u32 {
    harness.write(FDIRHASH, hash);
    harness.write(FDIRCMD, command);
    let done = harness.read(FDIRCMD);
    assert_eq!(done & 3, 0, "the command is done");
    done
}

fn add(harness: &Harness, hash: u32, queue: u32) {
    command(harness, hash, ADD | UPDATE | QUEUE | L4_TCP | queue << 16);
}

/// Masks everything but IPv4 addresses, and TCP and UDP with their ports.
fn mask_all_but_tuples(harness: &Harness) {
    harness.write(FDIRM, 0x37);
}

/// Writes the flow of an exact filter from [`SOURCE`](crate::steering::SOURCE):1000.
fn flow(harness: &Harness) {
    harness.write(FDIRIPSA, u32::from_le_bytes(crate::steering::SOURCE));
    harness.write(FDIRIPDA, u32::from_le_bytes(crate::steering::DESTINATION));
    harness.write(FDIRPORT, 1000 | 2000 << 16);
    harness.write(FDIRVLAN, 0);
}

#[test]
fn a_signature_filter_sends_its_flow_to_its_queue() {
    let (harness, mut rings) = director(CONTROL);
    add(&harness, TCP_FLOW, 5);
    let (q, words) = arrives(&harness, &mut rings, &tcp(0, PORTS));
    assert_eq!((q, words[1] & FLM), (5, FLM));
    assert_eq!(words[0] & 0xf, 1, "the hash of RSS is reported");
    let (q, words) = arrives(&harness, &mut rings, &tcp(0, (1000, 2001)));
    assert_eq!((q, words[1] & FLM), (15, 0), "another flow goes where RSS says");
    assert_eq!(arrives(&harness, &mut rings, &udp(PORTS)).0, 15, "another protocol");
    add(&harness, 0x2408_6135, 6);
    assert_eq!(arrives(&harness, &mut rings, &udp(PORTS)).0, 6, "UDP");
    let mut tagged = tcp(0, PORTS);
    tagged.splice(12..12, [0x81, 0, 0x60, 5]);
    assert_eq!(arrives(&harness, &mut rings, &tagged).0, 15);
    add(&harness, 0x79f7_4763, 7);
    assert_eq!(arrives(&harness, &mut rings, &tagged).0, 7, "with tag 0x6005, and 0x8100 as flexible bytes");
    assert_eq!(arrives(&harness, &mut rings, &own(60, 1)).0, 0, "not IP");
}

#[test]
fn the_bucket_is_as_many_bits_of_the_hash_as_there_are_buckets() {
    for (memory, bits) in [(1, 13), (2, 14), (3, 15)] {
        let (harness, mut rings) = director(CONTROL & !3 | memory);
        let other_bit = 1 << (bits - 1);
        add(&harness, TCP_FLOW ^ other_bit, 5);
        assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 15, "{memory}: not its bucket");
        add(&harness, TCP_FLOW ^ (0x8000 - 2 * other_bit), 6);
        assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 6, "{memory}");
        assert_eq!(harness.read(FDIRFREE) & 0xffff, (1 << bits) - 1 - 2);
    }
    let (harness, mut rings) = director(CONTROL & !3);
    add(&harness, TCP_FLOW, 5);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 15, "without memory it is off");
    assert_eq!((harness.read(FDIRFREE), harness.read(FDIRMISS)), (0, 0));
}

#[test]
fn an_exact_filter_compares_the_whole_flow() {
    let (harness, mut rings) = director(CONTROL | EXACT);
    assert_eq!(harness.read(FDIRFREE), 2047);
    mask_all_but_tuples(&harness);
    flow(&harness);
    add(&harness, 0x0123_0a3c, 5);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 5);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, (1000, 2001))).0, 15);
    let mut tagged = tcp(0, PORTS);
    tagged.splice(12..12, [0x81, 0, 0x60, 5]);
    assert_eq!(arrives(&harness, &mut rings, &tagged).0, 5, "the tag is masked");
    for (register, value) in [
        (FDIRIPSA, u32::from_le_bytes([10, 1, 2, 4])),
        (FDIRIPDA, u32::from_le_bytes([192, 168, 4, 6])),
        (FDIRPORT, 1000 | 2001 << 16),
        (FDIRPORT, 1001 | 2000 << 16),
    ] {
        // In the same bucket, but with another flow than the packet's.
        harness.write(FDIRCMD, CLEARHT);
        flow(&harness);
        harness.write(register, value);
        add(&harness, 0x0123_0a3c, 5);
        assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 15, "{register:#x}");
    }
    harness.write(FDIRCMD, CLEARHT);
    flow(&harness);
    add(&harness, 0x0123_0a3d, 5);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 15, "in a wrong bucket it is not found");
}

#[test]
fn exact_filters_compare_a_tag_without_its_bit_12() {
    let (harness, mut rings) = director(CONTROL | EXACT);
    harness.write(FDIRM, 0x34);
    flow(&harness);
    harness.write(FDIRVLAN, 0x6005);
    add(&harness, 0x0123_78c5, 5);
    let mut tagged = tcp(0, PORTS);
    tagged.splice(12..12, [0x81, 0, 0x70, 5]);
    assert_eq!(arrives(&harness, &mut rings, &tagged).0, 5);
    tagged[14] = 0x60;
    assert_eq!(arrives(&harness, &mut rings, &tagged).0, 5);
    tagged[15] = 6;
    assert_eq!(arrives(&harness, &mut rings, &tagged).0, 15, "another VLAN");
}

#[test]
fn what_masks_name_is_not_compared() {
    let (harness, mut rings) = director(CONTROL | EXACT);
    mask_all_but_tuples(&harness);
    flow(&harness);
    // Only the network of the destination, and its port.
    harness.write(FDIRSIP4M, u32::MAX);
    harness.write(FDIRDIP4M, u32::from_le_bytes([0, 0, 0, 0xff]));
    harness.write(FDIRTCPM, 0x0000_ffff);
    add(&harness, 0x0123_0c38, 5);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, (77, 2000))).0, 5);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, (77, 2001))).0, 15);
    // Port bits are reversed: the highest bit of the mask is the lowest of the port.
    harness.write(FDIRTCPM, 0x8000_ffff);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, (77, 2001))).0, 5);
    // Addresses only.
    harness.write(FDIRCMD, CLEARHT);
    harness.write(FDIRSIP4M, 0);
    harness.write(FDIRDIP4M, 0);
    harness.write(FDIRTCPM, u32::MAX);
    harness.write(FDIRUDPM, u32::MAX);
    harness.write(FDIRM, 0x3f);
    add(&harness, 0x0123_70a4, 6);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, (77, 78))).0, 6);
    assert_eq!(arrives(&harness, &mut rings, &udp((77, 78))).0, 6);
}

#[test]
fn descriptors_have_the_filters_id_when_control_says_so() {
    let (harness, mut rings) = director(CONTROL | EXACT | REPORT);
    mask_all_but_tuples(&harness);
    flow(&harness);
    add(&harness, 0x0123_0a3c, 5);
    let (_, words) = arrives(&harness, &mut rings, &tcp(0, PORTS));
    assert_eq!(words[0] & 0xf, 15, "RSS type");
    assert_eq!(words[0] >> 32, 0x023c_0123, "bucket and index");
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, (1, 2))).1[0] & 0xf, 1, "no match");
    harness.write(FDIRM, 0);
    harness.write(FDIRCTRL, CONTROL | REPORT_ALWAYS);
    let (q, words) = arrives(&harness, &mut rings, &tcp(0, PORTS));
    assert_eq!((q, words[0] & 0xf, words[1] & FLM), (15, 15, 0));
    assert_eq!(words[0] >> 32, 0x0e4e_7b13, "bucket and signature");
}

#[test]
fn frames_of_a_filter_with_int_are_marked() {
    let (harness, mut rings) = director(CONTROL);
    add(&harness, TCP_FLOW, 5);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).1[1] >> 11 & 1, 0);
    command(&harness, TCP_FLOW, ADD | UPDATE | QUEUE | L4_TCP | 1 << 10 | 5 << 16);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).1[1] >> 11 & 1, 1);
}

#[test]
fn filters_are_removed_and_found_by_bucket_and_id() {
    let (harness, mut rings) = director(CONTROL);
    assert_eq!(command(&harness, TCP_FLOW, QUERY) & VALID, 0);
    assert_eq!(harness.read(FDIRHASH) & 0x8000, 0, "nothing is in the bucket");
    add(&harness, TCP_FLOW, 5);
    let found = command(&harness, TCP_FLOW, QUERY);
    assert_eq!(found & (VALID | QUEUE | L4_TCP | L4_UDP | 0x7f << 16), VALID | QUEUE | L4_TCP | 5 << 16);
    assert_eq!(harness.read(FDIRHASH) & 0x8000, 0x8000);
    assert_eq!(command(&harness, TCP_FLOW ^ 1 << 16, QUERY) & VALID, 0, "another signature");
    command(&harness, TCP_FLOW ^ 1 << 16, REMOVE);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 5);
    command(&harness, TCP_FLOW, REMOVE);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 15);
    assert_eq!(harness.read(FDIRFREE), 8191);
}

#[test]
fn commands_and_packets_are_counted() {
    let (harness, mut rings) = director(CONTROL);
    add(&harness, TCP_FLOW, 5);
    add(&harness, TCP_FLOW ^ 1 << 16, 5);
    command(&harness, TCP_FLOW ^ 1 << 16, REMOVE);
    command(&harness, TCP_FLOW ^ 1 << 16, REMOVE);
    command(&harness, TCP_FLOW, ADD | QUEUE | L4_TCP);
    assert_eq!([harness.read(FDIRUSTAT), harness.read(FDIRUSTAT)], [2 | 1 << 16, 0], "added and removed");
    assert_eq!([harness.read(FDIRFSTAT), harness.read(FDIRFSTAT)], [1 | 1 << 8, 0], "not added, not removed");
    assert_eq!(harness.read(FDIRLEN), 2 | 1 << 8 | 0x0e4e << 16, "the longest list, and the last one");
    for port in [2000, 2001, 2002] {
        arrives(&harness, &mut rings, &tcp(0, (1000, port)));
    }
    // Not counted again while it waits.
    harness.far(|far| far.waits = true);
    harness.write(rx(RXDCTL, 5), 0);
    harness.arrives(&tcp(0, PORTS));
    harness.poll();
    harness.poll();
    harness.write(rx(RXDCTL, 5), ENABLE);
    harness.poll();
    assert_eq!([harness.read(FDIRMATCH), harness.read(FDIRMISS)], [2, 2]);
    assert_eq!([harness.read(FDIRMATCH), harness.read(FDIRMISS)], [0, 0]);
}

#[test]
fn a_filter_that_is_there_is_updated_only_if_that_is_asked_for() {
    let (harness, mut rings) = director(CONTROL);
    add(&harness, TCP_FLOW, 5);
    add(&harness, TCP_FLOW, 6);
    assert_eq!(harness.read(FDIRFREE), 8190, "one filter");
    let (q, words) = arrives(&harness, &mut rings, &tcp(0, PORTS));
    assert_eq!((q, words[1] >> 20 & 7), (6, 0));
    command(&harness, TCP_FLOW, ADD | QUEUE | L4_TCP | 7 << 16);
    let (q, words) = arrives(&harness, &mut rings, &tcp(0, PORTS));
    assert_eq!((q, words[1] >> 20 & 7), (6, 4), "it stays, and says that there was a collision");
    assert_eq!(harness.read(FDIRFREE), 8190 | 1 << 16);
    assert_eq!(command(&harness, TCP_FLOW, QUERY) & COLLISION, COLLISION);
    command(&harness, TCP_FLOW, REMOVE);
    assert_eq!(harness.read(FDIRFREE), 8191);
}

#[test]
fn a_filter_at_the_end_of_a_long_list_says_so() {
    let (harness, mut rings) = director(CONTROL & !(0xf << 24) | 1 << 24);
    add(&harness, TCP_FLOW ^ 1 << 16, 5);
    add(&harness, TCP_FLOW, 5);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).1[1] >> 20 & 7, 0, "the second of two");
    command(&harness, TCP_FLOW, REMOVE);
    add(&harness, TCP_FLOW ^ 2 << 16, 5);
    add(&harness, TCP_FLOW, 5);
    let (q, words) = arrives(&harness, &mut rings, &tcp(0, PORTS));
    assert_eq!((q, words[1] >> 20 & 7), (5, 1), "the third");
}

#[test]
fn frames_are_dropped_by_way_of_a_queue_that_is_off() {
    for waits in [false, true] {
        let (harness, mut rings) = director(CONTROL | 127 << 8);
        harness.far(|far| far.waits = waits);
        command(&harness, TCP_FLOW, ADD | QUEUE | L4_TCP | DROP | 5 << 16);
        harness.arrives(&tcp(0, PORTS));
        harness.poll();
        assert!(rings.iter().all(|ring| ring.peek(&harness).is_none()));
        assert_eq!(arrives(&harness, &mut rings, &tcp(0, (1, 2))).0, 15, "it does not hold up others");
        assert_eq!(harness.read(FDIRMATCH), 1);
        harness.write(FDIRCTRL, CONTROL | 9 << 8 | 1 << 3);
        let (q, words) = arrives(&harness, &mut rings, &tcp(0, PORTS));
        assert_eq!((q, words[1] >> 20 & 7), (9, 2), "on, it has them, with an error");
    }
}

#[test]
fn a_full_table_takes_no_more_and_interrupts_before() {
    let (harness, mut rings) = director(CONTROL | EXACT);
    mask_all_but_tuples(&harness);
    harness.write(EIMS, 1 << 16);
    flow(&harness);
    for n in 0..2046 {
        harness.write(FDIRPORT, n);
        add(&harness, n, 5);
        let raised = harness.read(EICR) & 1 << 16 != 0;
        assert_eq!(raised, 2046 - n <= 64, "{n}");
    }
    flow(&harness);
    add(&harness, 0x0a3c, 5);
    assert_eq!(harness.read(FDIRFREE), 0);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 5);
    harness.read(FDIRFSTAT);
    harness.write(FDIRPORT, 7777);
    add(&harness, 0x0a3c, 5);
    assert_eq!(harness.read(FDIRFSTAT), 1);
    harness.write(FDIRCMD, CLEARHT);
    assert_eq!(harness.read(FDIRFREE), 2047);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 15);
}

#[test]
fn a_table_that_is_made_smaller_without_initialisation_has_nothing_free() {
    let (harness, _) = director(CONTROL);
    for n in 0..3000 {
        add(&harness, n | n << 16, 5);
    }
    harness.write(FDIRCTRL, CONTROL | EXACT | 1 << 3);
    command(&harness, 0, REMOVE);
    assert_eq!(harness.read(FDIRFREE), 0);
}

#[test]
fn initialisation_and_reset_empty_the_table() {
    let (harness, mut rings) = director(CONTROL);
    add(&harness, TCP_FLOW, 5);
    harness.write(FDIRCTRL, CONTROL | 1 << 3);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 5, "with INIT_DONE it is not initialised");
    harness.write(FDIRCTRL, CONTROL);
    assert_eq!(arrives(&harness, &mut rings, &tcp(0, PORTS)).0, 15);
    add(&harness, TCP_FLOW, 5);
    harness.write(CTRL, 1 << 26);
    assert_eq!([harness.read(FDIRCTRL), harness.read(FDIRFREE)], [1 << 3, 0]);
}
