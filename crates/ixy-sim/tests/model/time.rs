//! The clock of IEEE 1588, and time stamps (sections 7.9 and 8.2.3.26).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::harness::*;

const RXMTRL: u32 = 0x05120;
const ETQF: u32 = 0x05128;
const TSYNCRXCTL: u32 = 0x05188;
const RXSATRL: u32 = 0x051A0;
const RXSTMPH: u32 = 0x051A4;
const RXSATRH: u32 = 0x051A8;
const RXSTMPL: u32 = 0x051E8;
const TSYNCTXCTL: u32 = 0x08C00;
const TXSTMPL: u32 = 0x08C04;
const TXSTMPH: u32 = 0x08C08;
const SYSTIML: u32 = 0x08C0C;
const SYSTIMH: u32 = 0x08C10;
const TIMINCA: u32 = 0x08C14;
const TIMADJL: u32 = 0x08C18;
const TIMADJH: u32 = 0x08C1C;

const ENABLED: u32 = 1 << 4;
const VALID: u32 = 1;
/// The descriptor asks for a stamp.
const STAMP: u64 = 1 << 19;
/// The receive descriptor's frame was stamped.
const TS: u64 = 1 << 16;

/// The increment for each cycle of 6.4 ns: the clock then counts nanoseconds in its bits from 21 on.
const INCREMENT: u32 = 0x6666_6666 >> 7;

/// A clock in nanoseconds that the test advances.
#[derive(Clone)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn wait(&self, nanoseconds: u64) {
        self.0.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

fn running() -> (Harness, RxRing, TxRing, Clock) {
    let clock = Clock(Arc::new(AtomicU64::new(123)));
    let shared = clock.clone();
    let now = move || Duration::from_nanos(shared.0.load(Ordering::Relaxed));
    let (harness, rx, tx) = Harness::running_with(|builder| builder.clock(now));
    (harness, rx, tx, clock)
}

fn time(harness: &Harness) -> u64 {
    u64::from(harness.read(SYSTIML)) | u64::from(harness.read(SYSTIMH)) << 32
}

#[test]
fn the_clock_counts_as_it_is_told() {
    let (harness, _, _, clock) = running();
    clock.wait(1000);
    assert_eq!(time(&harness), 0, "it does not run after a reset");
    harness.write(TIMINCA, 1 << 24 | INCREMENT);
    clock.wait(6400);
    assert_eq!(time(&harness), 1000 * u64::from(INCREMENT), "a cycle is 6.4 ns");
    clock.wait(1_000_000_000);
    assert_eq!(time(&harness), 156_251_000 * u64::from(INCREMENT));
    assert_eq!((time(&harness) >> 21) / 1000, 1_000_006, "microseconds");
    harness.write(TIMINCA, 4 << 24 | 7);
    let before = time(&harness);
    clock.wait(640);
    assert_eq!(time(&harness) - before, 25 * 7, "every fourth cycle");
    harness.write(TIMINCA, 0);
    let before = time(&harness);
    clock.wait(640);
    assert_eq!(time(&harness), before, "it stands");
    harness.write(CTRL, 1 << 26);
    assert_eq!(time(&harness), 0);
}

#[test]
fn the_clock_can_be_set_and_wraps() {
    let (harness, _, _, clock) = running();
    harness.write(SYSTIML, 0xffff_fff0);
    harness.write(SYSTIMH, 0xffff_ffff);
    assert_eq!(time(&harness), 0xffff_ffff_ffff_fff0);
    harness.write(TIMINCA, 1 << 24 | 0x20);
    clock.wait(7);
    assert_eq!(time(&harness), 0x10);
}

#[test]
fn the_upper_half_is_that_of_the_moment_when_the_lower_was_read() {
    let (harness, _, _, clock) = running();
    harness.write(SYSTIML, 0xffff_ffff);
    harness.write(TIMINCA, 1 << 24 | 1);
    assert_eq!(harness.read(SYSTIML), 0xffff_ffff);
    clock.wait(64);
    assert_eq!(harness.read(SYSTIMH), 0);
    assert_eq!(time(&harness), 0x1_0000_0009);
}

#[test]
fn the_clock_is_moved_in_both_directions() {
    let (harness, _, _, _) = running();
    harness.write(SYSTIMH, 5);
    harness.write(TIMADJL, 100);
    assert_eq!(time(&harness), 5 << 32, "not before the upper half is there");
    harness.write(TIMADJH, 2);
    assert_eq!(time(&harness), (7 << 32) + 100);
    harness.write(TIMADJL, 101);
    harness.write(TIMADJH, 1 << 31);
    assert_eq!(time(&harness), (7 << 32) - 1);
}

#[test]
fn a_sent_frame_is_stamped_where_its_descriptor_asks_for_it() {
    let (harness, _, mut tx, clock) = running();
    harness.write(TIMINCA, 1 << 24 | 10);
    let mut send = |flags| {
        clock.wait(64_000);
        tx.data(&harness, &own(60, 1), EOP | IFCS | RS | flags);
        tx.ring(&harness);
        harness.poll();
        assert_eq!(harness.sent().len(), 1);
        harness.read(TSYNCTXCTL) & VALID
    };
    assert_eq!(send(STAMP), 0, "not enabled");
    harness.write(TSYNCTXCTL, ENABLED);
    assert_eq!(send(0), 0, "not asked for");
    assert_eq!(send(STAMP), VALID);
    let stamp = || (harness.read(TXSTMPL), harness.read(TSYNCTXCTL));
    assert_eq!(stamp(), (300_000, ENABLED | VALID));
    assert_eq!(send(STAMP), VALID);
    assert_eq!(stamp().0, 300_000, "the first is held");
    harness.write(TSYNCTXCTL, ENABLED);
    assert_eq!(stamp().1, ENABLED | VALID, "software cannot clear it so");
    assert_eq!(harness.read(TXSTMPH), 0);
    assert_eq!(stamp().1, ENABLED, "now it is free");
    assert_eq!(send(STAMP), VALID);
    assert_eq!(stamp().0, 500_000);
}

#[test]
fn a_frame_without_room_is_stamped_when_it_goes() {
    let (harness, _, mut tx, clock) = running();
    harness.write(TIMINCA, 1 << 24 | 1);
    harness.write(TSYNCTXCTL, ENABLED);
    harness.far(|far| far.room = Some(0));
    tx.data(&harness, &own(60, 1), EOP | IFCS | RS | STAMP);
    tx.ring(&harness);
    harness.poll();
    assert_eq!(harness.read(TSYNCTXCTL) & VALID, 0);
    clock.wait(640);
    harness.far(|far| far.room = None);
    harness.poll();
    assert_eq!((harness.read(TSYNCTXCTL) & VALID, harness.read(TXSTMPL)), (VALID, 100));
}

/// A message of IEEE 1588 of `version`; `kind` is its type, or its control field in version 1.
fn message(version: u8, kind: u8) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..44).map(|n| n + 100).collect();
    (bytes[0], bytes[1]) = if version == 1 { (0, 1) } else { (0x50 | kind, version) };
    bytes[32] = if version == 1 { kind } else { 0xee };
    bytes
}

fn over_ethernet(kind: u16, message: &[u8]) -> Vec<u8> {
    let mut frame = own(14, 0);
    frame[12..14].copy_from_slice(&kind.to_be_bytes());
    frame.extend_from_slice(message);
    frame.resize(frame.len().max(60), 0);
    frame
}

fn over_udp(port: u16, message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC)
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(319, port)
        .write(&mut frame, message)
        .unwrap();
    frame
}

/// Whether an arriving frame is stamped, by its descriptor and by the register.
fn stamped(harness: &Harness, ring: &mut RxRing, frame: &[u8]) -> bool {
    harness.arrives(frame);
    harness.poll();
    let (words, bytes) = ring.take(harness).unwrap();
    assert_eq!(bytes, frame);
    let valid = harness.read(TSYNCRXCTL) & VALID != 0;
    assert_eq!(words[1] & TS != 0, valid);
    harness.read(RXSTMPH);
    valid
}

#[test]
fn messages_over_ethernet_are_stamped_where_a_filter_marks_them() {
    let (harness, mut ring, _, _) = running();
    let sync = over_ethernet(0x88f7, &message(2, 0));
    harness.write(TSYNCRXCTL, ENABLED | 5 << 1);
    assert!(!stamped(&harness, &mut ring, &sync), "no filter");
    for (filter, on) in [(1 << 31, false), (1 << 30, false), (1 << 31 | 1 << 30, true)] {
        for n in [0, 3, 7] {
            harness.write(ETQF + 4 * n, filter | 0x88f7);
            assert_eq!(stamped(&harness, &mut ring, &sync), on, "{filter:#x}");
            assert!(
                !stamped(&harness, &mut ring, &over_ethernet(0x88f8, &message(2, 0))),
                "another EtherType"
            );
            harness.write(ETQF + 4 * n, 0);
        }
    }
    harness.write(ETQF, 1 << 31 | 1 << 30 | 0x88f7);
    let mut tagged = sync.clone();
    tagged.splice(12..12, [0x81, 0x00, 0, 5]);
    assert!(stamped(&harness, &mut ring, &tagged), "behind a tag");
    harness.write(TSYNCRXCTL, 5 << 1);
    assert!(!stamped(&harness, &mut ring, &sync), "not enabled");
}

#[test]
fn the_type_says_which_messages_are_stamped() {
    let (harness, mut ring, _, _) = running();
    harness.write(ETQF, 1 << 31 | 1 << 30 | 0x88f7);
    let ethernet = |kind| over_ethernet(0x88f7, &message(2, kind));
    let udp = |kind| over_udp(319, &message(2, kind));
    let old = |kind| over_udp(319, &message(1, kind));
    // Delay request, in both versions.
    let which = 319 << 16 | 1 << 8 | 1;
    for (kind, name, frame, on) in [
        (0, "delay request over Ethernet", ethernet(1), true),
        (0, "sync over Ethernet", ethernet(0), false),
        (0, "path delay request over Ethernet", ethernet(2), true),
        (0, "path delay response over Ethernet", ethernet(3), true),
        (0, "follow up over Ethernet", ethernet(8), false),
        (0, "delay request over UDP", udp(1), false),
        (0, "version 1 over Ethernet", over_ethernet(0x88f7, &message(1, 1)), false),
        (1, "version 1, delay request", old(1), true),
        (1, "version 1, sync", old(0), false),
        (1, "version 2 over UDP", udp(1), false),
        (1, "version 1 over Ethernet", over_ethernet(0x88f7, &message(1, 1)), false),
        (2, "delay request over Ethernet", ethernet(1), true),
        (2, "delay request over UDP", udp(1), true),
        (2, "path delay request over UDP", udp(2), true),
        (2, "sync over UDP", udp(0), false),
        (2, "version 1, delay request", old(1), false),
        (5, "sync over Ethernet", ethernet(0), true),
        (5, "sync over UDP", udp(0), true),
        (5, "another event", udp(7), true),
        (5, "follow up over UDP", udp(8), false),
        (5, "announce over Ethernet", ethernet(11), false),
        (5, "version 1, sync", old(0), false),
    ] {
        harness.write(TSYNCRXCTL, ENABLED | kind << 1);
        harness.write(RXMTRL, which);
        assert_eq!(stamped(&harness, &mut ring, &frame), on, "TYPE {kind}: {name}");
    }
    harness.write(RXMTRL, 320 << 16 | 1 << 8);
    harness.write(TSYNCRXCTL, ENABLED | 2 << 1);
    assert!(!stamped(&harness, &mut ring, &udp(1)), "another port");
    assert!(stamped(&harness, &mut ring, &over_udp(320, &message(2, 1))));
    assert!(!stamped(&harness, &mut ring, &over_udp(320, &message(2, 1)[..33])), "cut");
}

#[test]
fn a_received_stamp_is_held_with_its_sender_and_number_until_it_is_read() {
    let (harness, mut ring, _, clock) = running();
    harness.write(TIMINCA, 1 << 24 | 1);
    harness.write(SYSTIMH, 9);
    harness.write(ETQF, 1 << 31 | 1 << 30 | 0x88f7);
    harness.write(TSYNCRXCTL, ENABLED | 5 << 1);
    for _ in 0..2 {
        clock.wait(64);
        harness.arrives(&over_ethernet(0x88f7, &message(2, 0)));
        harness.poll();
    }
    let status = [ring.take(&harness), ring.take(&harness)].map(|taken| taken.unwrap().0[1] & TS);
    assert_eq!(status, [TS, 0], "only the first");
    assert_eq!(harness.read(RXSTMPL), 10);
    // Bytes 22 to 27 and 30 to 31 of the message, in order.
    assert_eq!(harness.read(RXSATRL).to_le_bytes(), [122, 123, 124, 125]);
    assert_eq!(harness.read(RXSATRH).to_le_bytes(), [126, 127, 130, 131]);
    harness.write(TSYNCRXCTL, ENABLED | 5 << 1);
    assert_eq!(harness.read(TSYNCRXCTL) & VALID, VALID);
    assert_eq!(harness.read(RXSTMPH), 9);
    assert_eq!(harness.read(TSYNCRXCTL) & VALID, 0);
}

#[test]
fn a_message_that_waits_on_the_wire_is_stamped_when_it_comes_in() {
    let (harness, _, _, clock) = running();
    harness.write(TIMINCA, 1 << 24 | 1);
    harness.write(ETQF, 1 << 31 | 1 << 30 | 0x88f7);
    harness.write(TSYNCRXCTL, ENABLED | 5 << 1);
    harness.far(|far| far.waits = true);
    harness.write(RXDCTL, 0);
    harness.arrives(&over_ethernet(0x88f7, &message(2, 0)));
    harness.poll();
    assert_eq!(harness.read(TSYNCRXCTL) & VALID, 0);
    clock.wait(64);
    let mut ring = harness.rx_ring(0, 32);
    harness.poll();
    assert_eq!(ring.take(&harness).unwrap().0[1] & TS, TS);
    assert_eq!(harness.read(RXSTMPL), 10);
}
