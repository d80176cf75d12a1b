//! Flow control with pause frames (sections 3.7.7, 8.2.3.3 and 8.2.3.22.34).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::harness::*;

const FCTTV: u32 = 0x03200;
const FCRTL: u32 = 0x03220;
const FCRTH: u32 = 0x03260;
const FCRTV: u32 = 0x032A0;
const FCCFG: u32 = 0x03D00;
const LXONTXC: u32 = 0x03F60;
const LXOFFTXC: u32 = 0x03F68;
const LXONRXCNT: u32 = 0x041A4;
const LXOFFRXCNT: u32 = 0x041A8;
const MFLCN: u32 = 0x04294;
const PTC64: u32 = 0x040D8;
const MPTC: u32 = 0x040F0;

const PMCF: u32 = 1;
const DPF: u32 = 1 << 1;
const RFCE: u32 = 1 << 3;
const FCEN: u32 = 1 << 31;
const XONE: u32 = 1 << 31;

const GROUP: [u8; 6] = [0x01, 0x80, 0xc2, 0, 0, 1];

/// A MAC control frame with an operation code and a time.
fn control(destination: [u8; 6], source: [u8; 6], code: u16, time: u16) -> Vec<u8> {
    let mut frame = [destination, source].concat();
    frame.extend_from_slice(&[0x88, 0x08]);
    frame.extend_from_slice(&code.to_be_bytes());
    frame.extend_from_slice(&time.to_be_bytes());
    frame.resize(60, 0);
    frame
}

fn pause(time: u16) -> Vec<u8> {
    control(GROUP, [2, 0, 0, 0, 0, 9], 1, time)
}

/// A device with a clock, in nanoseconds, that the test advances.
fn running() -> (Harness, RxRing, TxRing, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let shared = Arc::clone(&clock);
    let now = move || Duration::from_nanos(shared.load(Ordering::Relaxed));
    let (harness, rx, tx) = Harness::running_with(|builder| builder.clock(now));
    (harness, rx, tx, clock)
}

fn received(harness: &Harness) -> (u32, u32) {
    (harness.read(LXONRXCNT), harness.read(LXOFFRXCNT))
}

#[test]
fn a_pause_stops_the_transmitter_for_its_time() {
    for destination in [GROUP, MAC] {
        let (harness, mut ring, mut tx, clock) = running();
        harness.write(MFLCN, RFCE | DPF);
        harness.arrives(&control(destination, [2, 0, 0, 0, 0, 9], 1, 100));
        harness.poll();
        let at = tx.send(&harness, &own(60, 1));
        harness.poll();
        // 100 times 512 bits at 10 Gbit/s.
        clock.fetch_add(5119, Ordering::Relaxed);
        harness.poll();
        assert!(harness.sent().is_empty() && !tx.done(at));
        clock.fetch_add(1, Ordering::Relaxed);
        harness.poll();
        assert_eq!(harness.sent(), [own(60, 1)]);
        assert_eq!(received(&harness), (0, 1));
        assert!(ring.take(&harness).is_none(), "the host does not get it");
        assert_eq!((harness.read(TPR), harness.read(GPRC)), (1, 0), "it is counted in the totals");
    }
}

#[test]
fn a_pause_without_time_ends_it_and_another_one_prolongs_it() {
    let (harness, _, mut tx, clock) = running();
    harness.write(MFLCN, RFCE | DPF);
    harness.arrives(&pause(100));
    harness.poll();
    tx.send(&harness, &own(60, 1));
    clock.fetch_add(5000, Ordering::Relaxed);
    harness.arrives(&pause(0xffff));
    harness.poll();
    clock.fetch_add(65535 * 512 / 10 - 1, Ordering::Relaxed);
    harness.poll();
    assert!(harness.sent().is_empty());
    harness.arrives(&pause(0));
    harness.poll();
    harness.poll();
    assert_eq!(harness.sent().len(), 1);
    assert_eq!(received(&harness), (1, 2));
}

#[test]
fn a_frame_that_is_segmented_is_paused_in_the_middle() {
    const TSE: u64 = 1 << 31;
    let (harness, _, mut tx, clock) = running();
    harness.write(MFLCN, RFCE | DPF);
    tx.put(20 | 14 << 9, CONTEXT | 1 << 10 | 1 << 11 | 20 << 40 | 10 << 48);
    assert!(harness.view().write(tx.buffers.iova(), &own(1054, 1)));
    let at = tx.put(tx.buffers.iova().0, DATA | EOP | IFCS | RS | TSE | 1000 << 46 | 1054);
    tx.ring(&harness);
    harness.arrives(&pause(1));
    harness.nic.poll();
    let before = harness.sent().len();
    assert!((1..100).contains(&before));
    harness.poll();
    assert!(harness.sent().is_empty());
    clock.fetch_add(52, Ordering::Relaxed);
    harness.poll();
    assert_eq!(before + harness.sent().len(), 100);
    assert!(tx.done(at));
}

#[test]
fn without_rfce_a_pause_is_a_frame_as_any_other() {
    let (harness, mut ring, mut tx, _) = running();
    harness.write(MFLCN, DPF);
    harness.arrives(&pause(100));
    harness.poll();
    tx.send(&harness, &own(60, 1));
    harness.poll();
    assert_eq!(harness.sent().len(), 1);
    assert_eq!(ring.drain(&harness), [pause(100)]);
    assert_eq!(received(&harness), (0, 0));
}

#[test]
fn without_dpf_the_host_gets_the_pause_that_is_obeyed() {
    let (harness, mut ring, mut tx, _) = running();
    harness.write(MFLCN, RFCE);
    harness.arrives(&pause(100));
    harness.poll();
    tx.send(&harness, &own(60, 1));
    harness.poll();
    assert!(harness.sent().is_empty());
    assert_eq!(ring.drain(&harness), [pause(100)]);
    harness.write(FCTRL, 0);
    harness.arrives(&pause(0));
    harness.poll();
    harness.poll();
    assert!(ring.drain(&harness).is_empty(), "the address filter does not want it");
    assert_eq!(harness.sent().len(), 1, "but the MAC does");
    assert_eq!(received(&harness), (1, 1));
}

#[test]
fn a_pause_for_the_host_that_waits_on_the_wire_is_counted_once() {
    let (harness, _, _, _) = running();
    harness.write(MFLCN, RFCE);
    harness.write(RXDCTL, 0);
    harness.far(|far| far.waits = true);
    harness.arrives(&pause(100));
    harness.poll();
    harness.poll();
    assert_eq!(received(&harness), (0, 0));
    harness.rx_ring(0, 32);
    harness.poll();
    assert_eq!(received(&harness), (0, 1));
}

#[test]
fn other_mac_control_frames_come_only_with_pmcf() {
    let (harness, mut ring, _, _) = running();
    let other = control(GROUP, [2, 0, 0, 0, 0, 9], 0x0101, 5);
    let elsewhere = control([2, 9, 9, 9, 9, 9], [2, 0, 0, 0, 0, 9], 0x0101, 5);
    harness.arrives(&other);
    harness.arrives(&elsewhere);
    harness.poll();
    assert_eq!(ring.drain(&harness), [elsewhere], "the other is not for this MAC");
    harness.write(MFLCN, PMCF);
    harness.arrives(&other);
    harness.poll();
    assert_eq!(ring.drain(&harness), [other]);
}

#[test]
fn a_pause_ends_with_the_link() {
    let (harness, _, mut tx, _) = running();
    harness.write(MFLCN, RFCE | DPF);
    harness.arrives(&pause(0xffff));
    harness.poll();
    tx.send(&harness, &own(60, 1));
    harness.far(|far| far.dark = true);
    harness.poll();
    harness.far(|far| far.dark = false);
    harness.poll();
    harness.poll();
    assert_eq!(harness.sent().len(), 1);
}

/// A device that asks for pauses from 1,024 bytes on and takes the request back at 512, without descriptors to
/// receive into. Frames of 128 bytes arrive.
fn filling() -> (Harness, RxRing, Arc<AtomicU64>) {
    let (harness, ring, _, clock) = running();
    harness.write(FCCFG, 1 << 3);
    harness.write(FCTTV, 0xeeee_0000 | 1000);
    harness.write(FCRTH, FCEN | 1024);
    harness.write(FCRTL, XONE | 512);
    harness.write(RDT, harness.read(RDH));
    (harness, ring, clock)
}

fn fill(harness: &Harness, frames: usize) {
    for n in 0..frames {
        harness.arrives(&own(128, n as u8));
    }
    harness.poll();
}

/// Lets `frames` of the waiting frames in.
fn drain(harness: &Harness, frames: u32) {
    harness.write(RDT, (harness.read(RDH) + frames) % 32);
    harness.poll();
}

#[test]
fn a_full_packet_buffer_asks_for_a_pause_and_takes_it_back_when_it_is_empty() {
    let (harness, _ring, _) = filling();
    fill(&harness, 7);
    assert!(harness.sent().is_empty(), "896 bytes");
    fill(&harness, 1);
    assert_eq!(harness.sent(), [control(GROUP, MAC, 1, 1000)]);
    fill(&harness, 5);
    assert!(harness.sent().is_empty(), "once");
    drain(&harness, 8);
    assert!(harness.sent().is_empty(), "640 bytes");
    drain(&harness, 1);
    assert_eq!(harness.sent(), [control(GROUP, MAC, 1, 0)]);
    fill(&harness, 4);
    assert_eq!(harness.sent(), [control(GROUP, MAC, 1, 1000)], "again");
    assert_eq!((harness.read(LXONTXC), harness.read(LXOFFTXC)), (1, 2));
    assert_eq!(
        (harness.read(GPTC), harness.read(PTC64), harness.read(MPTC)),
        (3, 3, 3),
        "counted as any other"
    );
    assert_eq!((harness.read(GOTCL), harness.read(QPTC)), (3 * 64, 0));
}

#[test]
fn a_pause_is_asked_for_again_in_time() {
    let (harness, _ring, clock) = filling();
    harness.write(FCRTV, 400);
    fill(&harness, 8);
    assert_eq!(harness.sent().len(), 1);
    // 600 of 1000 times 51.2 ns.
    clock.fetch_add(30_719, Ordering::Relaxed);
    harness.poll();
    assert!(harness.sent().is_empty());
    for _ in 0..2 {
        clock.fetch_add(1, Ordering::Relaxed);
        harness.poll();
        assert_eq!(harness.sent(), [control(GROUP, MAC, 1, 1000)]);
        clock.fetch_add(30_719, Ordering::Relaxed);
    }
    drain(&harness, 8);
    harness.sent();
    clock.fetch_add(100_000, Ordering::Relaxed);
    harness.poll();
    assert!(harness.sent().is_empty(), "no more");
}

#[test]
fn without_fcrtv_a_pause_is_not_asked_for_again_and_without_xone_not_taken_back() {
    let (harness, _ring, clock) = filling();
    harness.write(FCRTL, 512);
    fill(&harness, 8);
    clock.fetch_add(10_000_000, Ordering::Relaxed);
    harness.poll();
    drain(&harness, 8);
    assert_eq!(harness.sent().len(), 1);
    fill(&harness, 8);
    assert_eq!(harness.sent().len(), 1, "the buffer was empty in between");
}

#[test]
fn nothing_is_asked_for_where_that_is_off() {
    for (register, value) in [(FCCFG, 0), (FCCFG, 2 << 3), (FCRTH, 1024)] {
        let (harness, _ring, _) = filling();
        harness.write(register, value);
        fill(&harness, 16);
        assert!(harness.sent().is_empty(), "{register:#x}: {value:#x}");
    }
    let (harness, _ring, _) = filling();
    harness.far(|far| far.waits = true);
    fill(&harness, 16);
    assert!(harness.sent().is_empty(), "frames wait on the wire instead");
}

#[test]
fn a_pause_frame_waits_for_room_and_goes_out_in_a_pause() {
    let (harness, _ring, _) = filling();
    harness.write(MFLCN, RFCE | DPF);
    harness.arrives(&pause(0xffff));
    harness.far(|far| far.room = Some(0));
    fill(&harness, 8);
    assert_eq!(harness.read(LXOFFTXC), 0);
    harness.far(|far| far.room = None);
    harness.poll();
    assert_eq!(harness.sent(), [control(GROUP, MAC, 1, 1000)]);
    assert_eq!(harness.read(LXOFFTXC), 1);
}
