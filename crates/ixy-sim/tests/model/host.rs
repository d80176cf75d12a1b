//! Devices of one process: the thread that polls them, opening and closing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ixy_dma::{BusMaster, SimulatedDomain};
use ixy_regs::bus::Bus;
use ixy_sim::wire::{Cables, WireSpec};
use ixy_sim::{PollThread, Sim, SimBus};

use crate::bench::*;

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::yield_now();
    }
}

/// Makes a `Bench` of an opened device, to use its rings.
fn on_bench(sim: &Sim, domain: &Arc<SimulatedDomain>) -> Bench {
    Bench {
        nic: Arc::clone(sim.model()),
        wire: Cable::default(),
        vectors: Vectors::default(),
        domain: Arc::clone(domain),
    }
}

fn open(spec: &str, cables: &Cables, thread: &PollThread) -> (Sim, Bench) {
    let domain = Arc::new(SimulatedDomain::default());
    let spec: WireSpec = spec.parse().unwrap();
    let sim = Sim::open(&spec, cables, Arc::clone(&domain), thread).unwrap();
    let bench = on_bench(&sim, &domain);
    (sim, bench)
}

fn start(bench: &Bench) -> (RxRing, TxRing) {
    bench.write(FCTRL, 1 << 8 | 1 << 9 | 1 << 10);
    let rings = (bench.rx_ring(0, 64), bench.tx_ring(0, 64));
    bench.write(RXCTRL, 1);
    bench.set(DMATXCTL, 1);
    rings
}

#[test]
fn opening_takes_little_time() {
    let thread = PollThread::start().unwrap();
    let cables = Cables::default();
    let start = Instant::now();
    let (sim, bench) = open("", &cables, &thread);
    wait_for("link", || bench.read(LINKS) & 1 << 30 != 0);
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
    let (left, left_bench) = open("cable=a", &cables, &thread);
    let (right, right_bench) = open("cable=a", &cables, &thread);
    for sim in [&left, &right] {
        // SAFETY: ARMED-ONLY: no ring is enabled yet.
        unsafe { sim.bus_master().enable() }.unwrap();
    }
    let (_, mut tx) = start(&left_bench);
    let (mut rx, _) = start(&right_bench);
    wait_for("link", || right_bench.read(LINKS) & left_bench.read(LINKS) & 1 << 30 != 0);
    let mut got = Vec::new();
    for n in 0..200_u8 {
        let at = tx.send(&left_bench, &own(60 + usize::from(n), n));
        wait_for("sent", || tx.done(at));
        got.extend(rx.drain(&right_bench));
    }
    left.close_transmit();
    wait_for("the end of the input", || right.input_ended());
    got.extend(rx.drain(&right_bench));
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
    let (sim, bench) = open(&format!("tx={}", path.display()), &Cables::default(), &thread);
    // SAFETY: ARMED-ONLY: no ring is enabled yet.
    unsafe { sim.bus_master().enable() }.unwrap();
    let (_, mut tx) = start(&bench);
    for n in 0..10 {
        let at = tx.send(&bench, &own(60, n));
        wait_for("sent", || tx.done(at));
    }
    assert_eq!(sim.error(), None);
    sim.close().unwrap();
    // The bench still holds the device; its wire is closed all the same.
    let len = std::fs::metadata(&path).unwrap().len();
    assert_eq!(len, 24 + 10 * (16 + 60), "header and ten records");
    assert_eq!(bench.nic.wire_error(), None);
}

#[test]
fn a_wire_writes_out_what_it_buffers_when_nothing_happens_for_a_while() {
    let (bench, _, mut tx) = Bench::running();
    tx.send(&bench, &own(60, 1));
    bench.poll();
    assert!(!bench.wire.0.lock().unwrap().flushed);
    for _ in 0..1000 {
        bench.nic.poll();
    }
    assert!(bench.wire.0.lock().unwrap().flushed);
}

#[test]
fn dropping_a_device_closes_its_wire() {
    let bench = Bench::new();
    let far = Arc::clone(&bench.wire.0);
    drop(bench);
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
    let (sim, bench) = open("", &cables, &thread);
    wait_for("link", || bench.read(LINKS) & 1 << 30 != 0);
    drop(thread);
    bench.write(AUTOC, 1 << 12 | 0xc09c_6004);
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(bench.read(LINKS) & 1 << 30, 0, "nobody polls any more");
    drop(sim);
}

#[test]
fn narrow_accesses_do_nothing() {
    let bench = Bench::new();
    let bus = SimBus::new(Arc::clone(&bench.nic));
    assert_eq!(bus.len(), 0x20000);
    bench.write(FCTRL, 0x100);
    // SAFETY: inside of the window, and no such access does anything.
    unsafe {
        bus.write8(FCTRL, 0);
        bus.write16(FCTRL, 0);
        assert_eq!((bus.read8(FCTRL), bus.read16(FCTRL), bus.read32(FCTRL)), (0xff, 0xffff, 0x100));
    }
}

#[test]
fn a_bus_that_steps_polls_before_every_read() {
    let bench = Bench::new();
    let (still, stepping) = (SimBus::new(Arc::clone(&bench.nic)), SimBus::stepping(Arc::clone(&bench.nic)));
    // SAFETY: inside of the window; reading LINKS does nothing.
    unsafe {
        assert_eq!(still.read32(LINKS) & 1 << 30, 0);
        assert_eq!(stepping.read32(LINKS) & 1 << 30, 1 << 30);
    }
}
