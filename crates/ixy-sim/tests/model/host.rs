//! Devices of one process: the thread that polls them, opening and closing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ixy_dma::{BusMaster, SimulatedDomain};
use ixy_regs::bus::Bus;
use ixy_sim::wire::{Cables, WireSpec};
use ixy_sim::{PollThread, Sim, SimBus};

use crate::harness::*;

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::yield_now();
    }
}

/// Makes a `Harness` of an opened device, to use its rings.
fn on_harness(sim: &Sim, domain: &Arc<SimulatedDomain>) -> Harness {
    Harness {
        nic: Arc::clone(sim.model()),
        wire: Cable::default(),
        vectors: Vectors::default(),
        domain: Arc::clone(domain),
    }
}

fn open(spec: &str, cables: &Cables, thread: &PollThread) -> (Sim, Harness) {
    let domain = Arc::new(SimulatedDomain::default());
    let spec: WireSpec = spec.parse().unwrap();
    let sim = Sim::open(&spec, cables, Arc::clone(&domain), thread).unwrap();
    let harness = on_harness(&sim, &domain);
    (sim, harness)
}

fn start(harness: &Harness) -> (RxRing, TxRing) {
    harness.write(FCTRL, 1 << 8 | 1 << 9 | 1 << 10);
    let rings = (harness.rx_ring(0, 64), harness.tx_ring(0, 64));
    harness.write(RXCTRL, 1);
    harness.set(DMATXCTL, 1);
    rings
}

#[test]
fn opening_takes_little_time() {
    let thread = PollThread::start().unwrap();
    let cables = Cables::default();
    let start = Instant::now();
    let (sim, harness) = open("", &cables, &thread);
    wait_for("link", || harness.read(LINKS) & 1 << 30 != 0);
    assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
    sim.close().unwrap();
}

#[test]
fn devices_of_one_thread_have_addresses_of_their_own() {
    let thread = PollThread::start().unwrap();
    let cables = Cables::default();
    let addresses: Vec<_> = (0..3).map(|_| open("", &cables, &thread).1.read(RAL + 4)).collect();
    assert_eq!(addresses, [0x8000_0100, 0x8000_0200, 0x8000_0300]);
}

#[test]
fn two_devices_on_a_cable_exchange_frames_and_see_each_others_end() {
    let thread = PollThread::start().unwrap();
    let cables = Cables::default();
    let (left, left_harness) = open("cable=a", &cables, &thread);
    let (right, right_harness) = open("cable=a", &cables, &thread);
    for sim in [&left, &right] {
        // SAFETY: ARMED-ONLY: no ring is enabled yet.
        unsafe { sim.bus_master().enable() }.unwrap();
    }
    let (_, mut tx) = start(&left_harness);
    let (mut rx, _) = start(&right_harness);
    wait_for("link", || right_harness.read(LINKS) & left_harness.read(LINKS) & 1 << 30 != 0);
    let mut got = Vec::new();
    for n in 0..200_u8 {
        let at = tx.send(&left_harness, &own(60 + usize::from(n), n));
        wait_for("sent", || tx.done(at));
        got.extend(rx.drain(&right_harness));
    }
    left.close_transmit();
    wait_for("the end of the input", || right.input_ended());
    got.extend(rx.drain(&right_harness));
    assert_eq!(got, (0..200_u8).map(|n| own(60 + usize::from(n), n)).collect::<Vec<_>>());
    assert!(!left.input_ended(), "the other direction goes on");
    right.close_transmit();
    wait_for("the end of the other input", || left.input_ended());
}

#[test]
fn a_capture_is_complete_once_the_device_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcap");
    let thread = PollThread::start().unwrap();
    let (sim, harness) = open(&format!("tx={}", path.display()), &Cables::default(), &thread);
    // SAFETY: ARMED-ONLY: no ring is enabled yet.
    unsafe { sim.bus_master().enable() }.unwrap();
    let (_, mut tx) = start(&harness);
    for n in 0..10 {
        let at = tx.send(&harness, &own(60, n));
        wait_for("sent", || tx.done(at));
    }
    assert_eq!(sim.error(), None);
    sim.close().unwrap();
    // The harness still holds the device; its wire is closed nevertheless.
    let len = std::fs::metadata(&path).unwrap().len();
    assert_eq!(len, 24 + 10 * (16 + 60), "header and ten records");
    assert_eq!(harness.nic.wire_error(), None);
}

#[test]
fn a_wire_writes_out_what_it_buffers_when_nothing_happens_for_a_while() {
    let (harness, _, mut tx) = Harness::running();
    tx.send(&harness, &own(60, 1));
    harness.poll();
    assert!(!harness.wire.0.lock().unwrap().flushed);
    for _ in 0..1000 {
        harness.nic.poll();
    }
    assert!(harness.wire.0.lock().unwrap().flushed);
}

#[test]
fn dropping_a_device_closes_its_wire() {
    let harness = Harness::new();
    let far = Arc::clone(&harness.wire.0);
    drop(harness);
    let far = far.lock().unwrap();
    assert!(far.closed && far.flushed);
}

#[test]
fn the_thread_ends_when_it_is_dropped_and_devices_can_come_and_go() {
    let thread = PollThread::start().unwrap();
    let cables = Cables::default();
    for _ in 0..20 {
        let (sim, _) = open("loopback", &cables, &thread);
        drop(sim);
    }
    let (sim, harness) = open("", &cables, &thread);
    wait_for("link", || harness.read(LINKS) & 1 << 30 != 0);
    drop(thread);
    harness.write(AUTOC, 1 << 12 | 0xc09c_6004);
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(harness.read(LINKS) & 1 << 30, 0, "nobody polls any more");
    drop(sim);
}

#[test]
fn narrow_accesses_do_nothing() {
    let harness = Harness::new();
    let bus = SimBus::new(Arc::clone(&harness.nic));
    assert_eq!(bus.len(), 0x20000);
    harness.write(FCTRL, 0x100);
    // SAFETY: inside of the window, and no such access has an effect.
    unsafe {
        bus.write8(FCTRL, 0);
        bus.write16(FCTRL, 0);
        assert_eq!((bus.read8(FCTRL), bus.read16(FCTRL), bus.read32(FCTRL)), (0xff, 0xffff, 0x100));
    }
}

#[test]
fn a_bus_that_steps_polls_before_every_read() {
    let harness = Harness::new();
    let (still, stepping) =
        (SimBus::new(Arc::clone(&harness.nic)), SimBus::stepping(Arc::clone(&harness.nic)));
    // SAFETY: inside of the window; reading LINKS has no effect.
    unsafe {
        assert_eq!(still.read32(LINKS) & 1 << 30, 0);
        assert_eq!(stepping.read32(LINKS) & 1 << 30, 1 << 30);
    }
}
