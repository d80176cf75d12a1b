//! Interrupts of receive queues on a software 82599 that the test itself polls.
#![allow(clippy::unwrap_used, clippy::expect_used)] // test code

#[allow(dead_code, reason = "other tests use the rest")]
mod harness;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use harness::{Harness, frame, udp};
use ixy_core::{Batch, Error, Interrupts, RxQueue, TxQueue, VectorKind, Vectors, WaitMode, Waiter};
use ixy_ixgbe::{Config, Ixgbe, IxgbeRxQueue};
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::Registers;
use ixy_sim::{Events, Fault, Irq, Nic82599, SimBus};

const KINDS: [VectorKind; 3] = [VectorKind::MsiX, VectorKind::Msi, VectorKind::Pin];

/// The vectors of a card, as the system delivers them.
#[derive(Debug, Clone)]
struct System {
    kind: VectorKind,
    events: Events,
    nic: Arc<OnceLock<Weak<Nic82599>>>,
    /// Whether the kernel has masked the pin.
    masked: Arc<AtomicBool>,
    unmasked: Arc<AtomicU32>,
    refuses: Arc<AtomicBool>,
    /// Nanoseconds.
    clock: Arc<AtomicU64>,
}

impl Irq for System {
    fn raise(&self, vector: u32) {
        // The kernel masks the pin on each interrupt.
        if self.kind != VectorKind::Pin || !self.masked.swap(true, Ordering::Relaxed) {
            self.events.raise(vector);
        }
    }
}

impl Vectors for System {
    fn kind(&self) -> VectorKind {
        self.kind
    }

    fn len(&self) -> usize {
        self.events.len()
    }

    fn event(&self, n: usize) -> Option<BorrowedFd<'_>> {
        self.events.event(n)
    }

    fn unmask(&self) -> Result<(), Error> {
        if self.refuses.load(Ordering::Relaxed) {
            let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
            return Err(Error::Interrupt { what: "unmask".into(), source });
        }
        self.unmasked.fetch_add(1, Ordering::Relaxed);
        self.masked.store(false, Ordering::Relaxed);
        // A pin is a level: it interrupts at once if the card still asserts it. (EICS shows the causes, EIMS the
        // mask.)
        let nic = self.nic.get().and_then(Weak::upgrade).unwrap();
        if self.kind == VectorKind::Pin && nic.read32(0x808) & nic.read32(0x880) != 0 {
            self.raise(0);
        }
        Ok(())
    }
}

impl System {
    fn new(kind: VectorKind, vectors: usize) -> (Self, Harness) {
        let system = Self {
            kind,
            events: Events::new(vectors).unwrap(),
            nic: Arc::default(),
            // Masked, as VFIO hands it over.
            masked: Arc::new(AtomicBool::new(true)),
            unmasked: Arc::default(),
            refuses: Arc::default(),
            clock: Arc::default(),
        };
        let clock = Arc::clone(&system.clock);
        let harness = Harness::with(8192, true, |builder| {
            let now = move || Duration::from_nanos(clock.load(Ordering::Relaxed));
            builder.irq(Box::new(system.clone())).clock(now)
        });
        system.nic.set(Arc::downgrade(&harness.nic)).unwrap();
        (system, harness)
    }

    fn config(&self, queues: u16, rate: u32) -> Config {
        let interrupts = Interrupts { vectors: Arc::new(self.clone()), rate };
        Config { queues, rx_ring: 64, tx_ring: 64, interrupts: Some(interrupts), ..Config::default() }
    }

    /// Whether vector `n` interrupted since the last call.
    fn came(&self, n: usize) -> bool {
        rustix::io::read(self.events.event(n).unwrap(), &mut [0; 8]).is_ok()
    }

    /// The vectors that interrupted since the last call.
    fn which(&self) -> Vec<usize> {
        (0..self.events.len()).filter(|n| self.came(*n)).collect()
    }

    fn pass(&self, nanoseconds: u64) {
        self.clock.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

fn queues<B: Bus + 'static>(device: &mut Ixgbe<B>, count: u16) -> Vec<IxgbeRxQueue<B>> {
    (0..count).map(|n| device.take_rx_queue(n).unwrap()).collect()
}

/// The number of frames that the queue receives in one call.
fn take(rx: &mut impl RxQueue) -> usize {
    let mut batch = Batch::new(64);
    rx.receive(&mut batch)
}

fn arm(rx: &mut impl RxQueue) {
    rx.interrupt().unwrap().arm().unwrap();
}

fn disarm(rx: &mut impl RxQueue) {
    rx.interrupt().unwrap().disarm();
}

/// A UDP port for each of `count` queues whose frames go to it.
fn ports(harness: &Harness, rx: &mut [IxgbeRxQueue<SimBus>]) -> Vec<u16> {
    let mut ports = vec![0; rx.len()];
    for port in 1000..2000 {
        harness.arrive(&[udp(port, 0)]);
        harness.nic.poll();
        if let Some(n) = rx.iter_mut().position(|rx| take(rx) > 0) {
            ports[n] = port;
        }
    }
    assert!(ports.iter().all(|port| *port != 0), "{ports:?}");
    ports
}

fn masks(harness: &Harness) -> [u32; 3] {
    [0x880, 0xaa0, 0xaa4].map(|offset| harness.nic.read32(offset))
}

#[test]
fn a_frame_interrupts_only_once_its_queue_is_armed_and_once_for_each_time() {
    for kind in KINDS {
        let (system, harness) = System::new(kind, 1);
        let mut device = harness.open(&system.config(1, 0)).unwrap();
        let mut rx = device.take_rx_queue(0).unwrap();
        let arrive = |n| {
            harness.arrive(&[frame(60, n)]);
            harness.nic.poll();
        };
        arrive(0);
        assert!(!system.came(0), "{kind:?}: it was never armed");
        for round in 0..100 {
            // Between the last poll and arming: the second look finds it.
            arrive(round);
            arm(&mut rx);
            assert!(!system.came(0), "{kind:?}: for a frame that arrived before");
            assert!(take(&mut rx) >= 1, "{kind:?}, round {round}: looking again finds it");
            arrive(round);
            assert!(system.came(0), "{kind:?}, round {round}: after it was armed");
            arrive(round);
            assert!(!system.came(0), "{kind:?}, round {round}: a second time");
            assert_eq!(take(&mut rx), 2);
        }
    }
}

#[test]
fn a_thread_whose_frames_wait_for_buffers_sleeps_for_short_only() {
    let (system, harness) = System::new(VectorKind::MsiX, 1);
    let mut device = harness.open(&system.config(1, 0)).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    let mut held = Vec::new();
    while harness.pool.free() > 0 {
        let mut batch = Batch::new(64);
        harness.pool.allocate_batch(&mut batch, 64);
        held.push(batch);
    }
    // The queue has some frames in its cache.
    loop {
        harness.arrive(&[frame(60, 0)]);
        harness.nic.poll();
        let mut batch = Batch::new(64);
        if rx.receive(&mut batch) == 0 {
            break;
        }
        assert!(!rx.is_starved());
        held.push(batch);
    }
    assert!(rx.is_starved());
    let mut waiter = Waiter::new(WaitMode::Interrupt, [&mut rx as &mut dyn RxQueue]).unwrap();
    let start = Instant::now();
    while waiter.slept() < 10 {
        waiter.after(take(&mut rx), [(&mut rx as &mut dyn RxQueue, 0)]);
    }
    assert!(start.elapsed() < 5 * Waiter::LIMIT, "as long as if nothing was there: {:?}", start.elapsed());
    held.clear();
    assert_eq!((take(&mut rx), rx.is_starved()), (1, false));
}

#[test]
fn a_queue_that_is_armed_many_times_still_interrupts() {
    for kind in KINDS {
        let (system, harness) = System::new(kind, 1);
        let mut device = harness.open(&system.config(1, 0)).unwrap();
        let mut rx = device.take_rx_queue(0).unwrap();
        for n in 0..20 {
            (0..n).for_each(|_| arm(&mut rx));
            arm(&mut rx);
            assert!(!system.came(0));
            harness.arrive(&[frame(60, n)]);
            harness.nic.poll();
            assert!(system.came(0), "{kind:?}: armed {n} times before");
            assert_eq!(take(&mut rx), 1);
        }
    }
}

#[test]
fn a_queue_that_is_disarmed_does_not_interrupt() {
    for kind in KINDS {
        let (system, harness) = System::new(kind, 1);
        let mut device = harness.open(&system.config(1, 0)).unwrap();
        let mut rx = device.take_rx_queue(0).unwrap();
        for n in 0..10 {
            arm(&mut rx);
            disarm(&mut rx);
            harness.arrive(&[frame(60, n)]);
            harness.nic.poll();
            assert!(!system.came(0), "{kind:?}");
            assert_eq!(masks(&harness), [0; 3], "{kind:?}");
        }
        arm(&mut rx);
        assert!(!system.came(0), "{kind:?}: for what came while it was disarmed");
    }
}

#[test]
fn with_msix_each_queue_has_a_vector_of_its_own_where_there_are_enough() {
    let (system, harness) = System::new(VectorKind::MsiX, 16);
    let mut device = harness.open(&system.config(16, 0)).unwrap();
    let mut rx = queues(&mut device, 16);
    let ports = ports(&harness, &mut rx);
    rx.iter_mut().for_each(arm);
    for (n, port) in ports.iter().enumerate() {
        harness.arrive(&[udp(*port, 1)]);
        harness.nic.poll();
        assert_eq!(system.which(), [n]);
    }
    for rx in &mut rx {
        assert_eq!(take(rx), 1);
        arm(rx);
    }
    rx.iter_mut().step_by(2).for_each(disarm);
    harness.arrive(&ports.iter().map(|port| udp(*port, 2)).collect::<Vec<_>>());
    harness.nic.poll();
    assert_eq!(system.which(), (0..16).filter(|n| n % 2 == 1).collect::<Vec<_>>());
}

/// Received packets are spread over 16 queues at most, so software raises the causes here.
#[test]
fn vectors_above_the_sixteenth_are_armed_and_disarmed_too() {
    let (system, harness) = System::new(VectorKind::MsiX, 64);
    let mut device = harness.open(&system.config(64, 0)).unwrap();
    let mut rx = queues(&mut device, 64);
    let regs = Registers::new(harness.bus()).unwrap();
    for n in 0..64 {
        let ivar = regs.ivar().at(n / 2).unwrap().get() >> (16 * (n % 2));
        assert_eq!(ivar & 0xffff, 0x80 | n, "the receive queue's vector, and none for the transmit queue");
    }
    let raise = |n: usize| regs.eics_ex().at(n as u32 / 32).unwrap().raise(1 << (n % 32));
    for n in [0, 15, 16, 31, 32, 47, 63] {
        arm(&mut rx[n]);
        assert_eq!(system.which(), [0; 0]);
        raise(n);
        assert_eq!(system.which(), [n]);
        raise(n);
        assert_eq!(system.which(), [0; 0], "its message masked it");
        // Clears earlier interrupts: above the 16th a cause cannot be cleared.
        arm(&mut rx[n]);
        assert_eq!(system.which(), if n < 16 { vec![] } else { vec![n] });
        arm(&mut rx[n]);
        disarm(&mut rx[n]);
        raise(n);
        assert_eq!((system.which(), masks(&harness)), (vec![], [0; 3]), "vector {n}");
    }
}

#[test]
fn queues_that_share_a_vector_all_interrupt_by_it() {
    let (system, harness) = System::new(VectorKind::MsiX, 3);
    let mut device = harness.open(&system.config(4, 0)).unwrap();
    let mut rx = queues(&mut device, 4);
    let ports = ports(&harness, &mut rx);
    let arrive = |n: usize| {
        harness.arrive(&[udp(ports[n], 1)]);
        harness.nic.poll();
    };
    for (n, vector) in [(0, 0), (1, 1), (2, 2), (3, 0)] {
        rx.iter_mut().for_each(arm);
        let _ = system.which();
        rx.iter_mut().for_each(arm);
        assert_eq!(system.which(), [0; 0]);
        arrive(n);
        assert_eq!(system.which(), [vector], "queue {n}");
    }
    // One of two is disarmed, and the other goes on.
    rx.iter_mut().for_each(arm);
    let _ = system.which();
    disarm(&mut rx[0]);
    arrive(3);
    assert_eq!(system.which(), [0]);
    arm(&mut rx[3]);
    let _ = system.which();
    disarm(&mut rx[3]);
    arrive(0);
    arrive(3);
    assert_eq!(system.which(), [0; 0], "nobody is armed");
}

#[test]
fn arming_does_not_take_a_throttled_interrupt_from_the_other_queue_of_a_vector() {
    for (kind, vectors) in [(VectorKind::MsiX, 1), (VectorKind::Msi, 1), (VectorKind::Pin, 1)] {
        let (system, harness) = System::new(kind, vectors);
        let mut device = harness.open(&system.config(2, 1000)).unwrap();
        let mut rx = queues(&mut device, 2);
        let ports = ports(&harness, &mut rx);
        rx.iter_mut().for_each(arm);
        let _ = system.came(0);
        system.pass(10_000_000);
        harness.nic.poll();
        let _ = system.came(0);
        rx.iter_mut().for_each(arm);
        harness.arrive(&[udp(ports[0], 1)]);
        harness.nic.poll();
        assert!(system.came(0), "{kind:?}");
        assert_eq!(take(&mut rx[0]), 1);
        // Queue 1 sleeps, and its frame comes within the interval, while queue 0 is armed again.
        arm(&mut rx[1]);
        harness.arrive(&[udp(ports[1], 2)]);
        harness.nic.poll();
        assert!(!system.came(0), "{kind:?}: throttled");
        arm(&mut rx[0]);
        system.pass(10_000_000);
        harness.nic.poll();
        assert!(system.came(0), "{kind:?}: the interrupt of queue 1 was lost");
        assert_eq!(take(&mut rx[1]), 1);
    }
}

#[test]
fn without_msix_a_queue_that_is_not_yet_served_does_not_keep_another_from_interrupting() {
    for kind in [VectorKind::Msi, VectorKind::Pin] {
        // More than one vector is useless then.
        let (system, harness) = System::new(kind, 4);
        let mut device = harness.open(&system.config(4, 0)).unwrap();
        let mut rx = queues(&mut device, 4);
        let ports = ports(&harness, &mut rx);
        rx.iter_mut().for_each(arm);
        harness.arrive(&[udp(ports[0], 1)]);
        harness.nic.poll();
        assert_eq!(system.which(), [0], "{kind:?}");
        // The thread of queue 1 wakes first, finds nothing, and sleeps again. It may be woken for nothing.
        assert_eq!(take(&mut rx[1]), 0);
        disarm(&mut rx[1]);
        arm(&mut rx[1]);
        let _ = system.which();
        assert_eq!(take(&mut rx[1]), 0);
        // While a cause is pending no further interrupt is needed; once queue 0 is served, one is.
        assert_eq!(take(&mut rx[0]), 1);
        disarm(&mut rx[0]);
        arm(&mut rx[1]);
        let _ = system.which();
        harness.arrive(&[udp(ports[1], 2)]);
        harness.nic.poll();
        assert_eq!(system.which(), [0], "{kind:?}: the interrupt of queue 1 was lost");
        assert_eq!(take(&mut rx[1]), 1);
    }
}

/// The other thread does not get to its queue at all.
#[test]
fn without_msix_arming_tells_of_causes_that_nobody_has_served() {
    for kind in [VectorKind::Msi, VectorKind::Pin] {
        let (system, harness) = System::new(kind, 1);
        let mut device = harness.open(&system.config(2, 0)).unwrap();
        let mut rx = queues(&mut device, 2);
        let ports = ports(&harness, &mut rx);
        rx.iter_mut().for_each(arm);
        harness.arrive(&[udp(ports[0], 1)]);
        harness.nic.poll();
        assert!(system.came(0));
        for _ in 0..3 {
            arm(&mut rx[1]);
            assert!(system.came(0), "{kind:?}: asleep, queue 1 would not hear of its frames");
        }
    }
}

#[test]
fn without_msix_more_queues_than_causes_share_them() {
    let (system, harness) = System::new(VectorKind::Msi, 1);
    let mut device = harness.open(&system.config(20, 0)).unwrap();
    let mut rx = queues(&mut device, 20);
    let regs = Registers::new(harness.bus()).unwrap();
    let allocated = |n: u32| regs.ivar().at(n / 2).unwrap().get() >> (16 * (n % 2)) & 0xff;
    assert_eq!([0, 3, 15, 16, 19].map(allocated), [0x80, 0x83, 0x8f, 0x80, 0x83]);
    arm(&mut rx[3]);
    arm(&mut rx[19]);
    assert_eq!(masks(&harness)[0], 1 << 3);
    disarm(&mut rx[3]);
    assert_eq!(masks(&harness)[0], 1 << 3, "queue 19 is armed still");
    disarm(&mut rx[19]);
    assert_eq!(masks(&harness)[0], 0);
}

#[test]
fn the_pin_is_unmasked_with_each_arming_and_a_refusal_is_an_error() {
    let (system, harness) = System::new(VectorKind::Pin, 1);
    let mut device = harness.open(&system.config(1, 0)).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    assert_eq!(system.unmasked.load(Ordering::Relaxed), 0);
    arm(&mut rx);
    assert_eq!(system.unmasked.load(Ordering::Relaxed), 1);
    system.refuses.store(true, Ordering::Relaxed);
    let text = rx.interrupt().unwrap().arm().unwrap_err().to_string();
    assert!(text.contains("unmask"), "{text}");
    harness.arrive(&[frame(60, 1)]);
    harness.nic.poll();
    assert_eq!(take(&mut rx), 1, "it can still be polled");
}

#[test]
fn nothing_but_receiving_interrupts() {
    for kind in KINDS {
        let (system, harness) = System::new(kind, 2);
        let mut device = harness.open(&system.config(2, 0)).unwrap();
        let mut rx = queues(&mut device, 2);
        let mut tx = device.take_tx_queue(0).unwrap();
        rx.iter_mut().for_each(arm);
        let mut batch = Batch::new(8);
        harness.pool.allocate_batch(&mut batch, 8);
        assert!(batch.iter_mut().all(|packet| packet.set_len(60)));
        assert_eq!(tx.send(&mut batch), 8);
        harness.nic.poll();
        assert_eq!(harness.left_count(), 8);
        harness.nic.faults().set(Fault::LinkDown, true);
        harness.nic.poll();
        assert_eq!(system.which(), [0; 0], "{kind:?}: for what was sent, or for the link");
    }
}

#[test]
fn the_rate_is_kept_and_used() {
    for (kind, rate) in KINDS.into_iter().flat_map(|kind| [1_000, 10_000, 100_000].map(|rate| (kind, rate))) {
        let (system, harness) = System::new(kind, 1);
        let mut device = harness.open(&system.config(1, rate)).unwrap();
        let mut rx = device.take_rx_queue(0).unwrap();
        let mut count = 0;
        // A fiftieth of a second, with a frame each microsecond.
        for n in 0..20_000 {
            arm(&mut rx);
            harness.arrive(&[frame(60, n)]);
            harness.nic.poll();
            count += u32::from(system.came(0));
            take(&mut rx);
            system.pass(1_000);
        }
        // The first interrupt is not throttled.
        assert!(count <= rate / 50 + 1, "{kind:?}: {count} in a fiftieth of a second, at {rate}");
        assert!(count >= rate / 50 * 3 / 4, "{kind:?}: {count} in a fiftieth of a second, at {rate}");
    }
}

#[test]
fn everything_is_masked_after_opening_and_after_a_queue_is_dropped() {
    for kind in KINDS {
        let (system, harness) = System::new(kind, 2);
        // SAFETY: none of these registers names memory.
        let write = |offset, value| unsafe { harness.nic.write32(offset, value) };
        // The leftovers of an earlier program.
        for (offset, value) in [(0x880, u32::MAX), (0xaa0, u32::MAX), (0xaa4, u32::MAX), (0xa00, 0x8080)] {
            write(offset, value);
        }
        let mut device = harness.open(&system.config(2, 0)).unwrap();
        assert_eq!(masks(&harness), [0; 3], "{kind:?}");
        assert_eq!(harness.nic.read32(0xa00), 0, "{kind:?}: IVAR_MISC");
        let mut rx = queues(&mut device, 2);
        rx.iter_mut().for_each(arm);
        assert_ne!(masks(&harness), [0; 3]);
        let last = rx.pop();
        drop(rx);
        assert_ne!(masks(&harness), [0; 3], "{kind:?}: the other one is armed still");
        drop(last);
        assert_eq!(masks(&harness), [0; 3], "{kind:?}");
        let _ = system.which();
        drop(device);
        assert_eq!(masks(&harness), [0; 3], "{kind:?}");
        assert_eq!(system.which(), [0; 0], "{kind:?}");
    }
}

#[test]
fn all_causes_are_masked_before_the_card_is_reset_at_the_end() {
    let harness = Harness::new();
    let (device, written) = harness.open_recorded(&[0x0, 0x888, 0xab0, 0xab4]);
    written.lock().unwrap().clear();
    drop(device);
    let written = written.lock().unwrap();
    let reset = written.iter().position(|w| w.0 == 0 && w.1 & 1 << 26 != 0).expect("a reset");
    for mask in [(0x888, 0x7fff_ffff), (0xab0, u32::MAX), (0xab4, u32::MAX)] {
        assert!(written[..reset].contains(&mask), "{mask:#x?} in {written:#x?}");
    }
}

#[test]
fn a_card_that_is_only_polled_has_no_interrupt_set_up() {
    let harness = Harness::new();
    let mut device = harness.open(&Config::default()).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    assert!(rx.interrupt().is_none());
    harness.arrive(&[frame(60, 1)]);
    harness.nic.poll();
    // GPIE, IVAR and the causes of queues.
    let [gpie, ivar, eics] = [0x898, 0x900, 0x808].map(|offset| harness.nic.read32(offset));
    assert_eq!([gpie, ivar, eics & 0xffff], [0; 3]);
}

#[test]
fn a_vector_without_an_event_is_an_error_that_says_which() {
    let (system, harness) = System::new(VectorKind::Msi, 0);
    let text = harness.open(&system.config(2, 0)).unwrap_err().to_string();
    assert!(text.contains("receive queue 0 of test") && text.contains("vector 0"), "{text}");
}

/// A bus on which writes are posted until a read, as on a real one.
#[derive(Clone)]
struct Posted(SimBus, Arc<Mutex<Vec<(u32, u32)>>>);

// SAFETY: BUS-WINDOW: everything is forwarded, in order, to a bus that keeps the promises.
unsafe impl Bus for Posted {
    fn len(&self) -> u32 {
        self.0.len()
    }

    unsafe fn read8(&self, _offset: u32) -> u8 {
        u8::MAX
    }

    unsafe fn read16(&self, _offset: u32) -> u16 {
        u16::MAX
    }

    unsafe fn read32(&self, offset: u32) -> u32 {
        for (offset, value) in self.1.lock().unwrap().drain(..) {
            // SAFETY: as promised for the write.
            unsafe { self.0.write32(offset, value) };
        }
        // SAFETY: as promised by the caller.
        unsafe { self.0.read32(offset) }
    }

    unsafe fn write8(&self, _offset: u32, _value: u8) {}

    unsafe fn write16(&self, _offset: u32, _value: u16) {}

    unsafe fn write32(&self, offset: u32, value: u32) {
        self.1.lock().unwrap().push((offset, value));
    }
}

#[test]
fn a_queue_is_armed_in_the_card_and_not_on_the_way_to_it_when_arming_returns() {
    for kind in KINDS {
        let (system, harness) = System::new(kind, 1);
        let bus = Posted(harness.bus(), Arc::default());
        let mut device = harness.open_behind(bus, &system.config(1, 0)).unwrap();
        let mut rx = device.take_rx_queue(0).unwrap();
        harness.arrive(&[frame(60, 1)]);
        harness.nic.poll();
        arm(&mut rx);
        assert_eq!(take(&mut rx), 1);
        harness.arrive(&[frame(60, 2)]);
        harness.nic.poll();
        assert!(system.came(0), "{kind:?}");
    }
}

/// A bus with a hook right after a cause is unmasked.
#[derive(Clone)]
struct Racing(SimBus, Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>);

// SAFETY: BUS-WINDOW: everything is passed on to a bus that keeps the promises.
unsafe impl Bus for Racing {
    fn len(&self) -> u32 {
        self.0.len()
    }

    unsafe fn read8(&self, _offset: u32) -> u8 {
        u8::MAX
    }

    unsafe fn read16(&self, _offset: u32) -> u16 {
        u16::MAX
    }

    unsafe fn read32(&self, offset: u32) -> u32 {
        // SAFETY: as promised by the caller.
        unsafe { self.0.read32(offset) }
    }

    unsafe fn write8(&self, _offset: u32, _value: u8) {}

    unsafe fn write16(&self, _offset: u32, _value: u16) {}

    unsafe fn write32(&self, offset: u32, value: u32) {
        // SAFETY: as promised by the caller.
        unsafe { self.0.write32(offset, value) };
        if let (0x880 | 0xaa0, Some(happens)) = (offset, self.1.get()) {
            happens();
        }
    }
}

#[test]
fn a_cause_that_is_set_right_after_it_was_unmasked_is_not_cleared() {
    for kind in KINDS {
        let (system, harness) = System::new(kind, 1);
        let harness = Arc::new(harness);
        let bus = Racing(harness.bus(), Arc::default());
        let mut device = harness.open_behind(bus.clone(), &system.config(1, 1000)).unwrap();
        let mut rx = device.take_rx_queue(0).unwrap();
        arm(&mut rx);
        harness.arrive(&[frame(60, 1)]);
        harness.nic.poll();
        assert!(system.came(0), "{kind:?}: the interval starts here");
        assert_eq!(take(&mut rx), 1);
        let own = Arc::clone(&harness);
        let happens = move || {
            own.arrive(&[frame(60, 2)]);
            own.nic.poll();
        };
        assert!(bus.1.set(Box::new(happens)).is_ok());
        arm(&mut rx);
        assert!(!system.came(0), "{kind:?}: it is throttled");
        system.pass(10_000_000);
        harness.nic.poll();
        assert!(system.came(0), "{kind:?}: the interrupt was lost");
    }
}

#[test]
fn a_frame_whose_interrupt_never_comes_is_received_all_the_same() {
    let (system, harness) = System::new(VectorKind::MsiX, 1);
    let mut device = harness.open(&system.config(1, 0)).unwrap();
    let mut rx = device.take_rx_queue(0).unwrap();
    harness.nic.faults().set(Fault::InterruptsLost, true);
    let mut waiter = Waiter::new(WaitMode::Interrupt, [&mut rx as &mut dyn RxQueue]).unwrap();
    let (start, mut lost) = (Instant::now(), 0);
    for round in 0..3 {
        let mut received = 0;
        for pass in 0.. {
            assert!(start.elapsed() < Duration::from_secs(20), "round {round}: it is never received");
            // It comes right before the thread sleeps, after its second look.
            if pass == 1 {
                harness.arrive(&[frame(60, round)]);
                harness.nic.poll();
                lost += u32::from(!system.came(0));
            } else {
                received = take(&mut rx);
            }
            waiter.after(received, [(&mut rx as &mut dyn RxQueue, 0)]);
            if received > 0 {
                break;
            }
        }
    }
    assert_eq!((waiter.slept(), waiter.overslept(), lost), (3, 3, 3));
    // Once interrupts come again, they wake the thread.
    harness.nic.faults().clear();
    waiter.after(take(&mut rx), [(&mut rx as &mut dyn RxQueue, 0)]);
    assert_eq!(take(&mut rx), 0);
    harness.arrive(&[frame(60, 9)]);
    harness.nic.poll();
    let start = Instant::now();
    waiter.after(0, [(&mut rx as &mut dyn RxQueue, 0)]);
    assert!(start.elapsed() < Waiter::LIMIT && take(&mut rx) == 1, "{:?}", start.elapsed());
    assert_eq!((waiter.slept(), waiter.overslept()), (4, 3));
}

#[test]
fn the_event_of_a_queue_is_that_of_its_vector() {
    let (system, harness) = System::new(VectorKind::MsiX, 2);
    let mut device = harness.open(&system.config(2, 0)).unwrap();
    let mut rx = queues(&mut device, 2);
    let regs = Registers::new(harness.bus()).unwrap();
    arm(&mut rx[1]);
    regs.eics_ex().at(0).unwrap().raise(1 << 1);
    let came = |rx: &mut IxgbeRxQueue<SimBus>| {
        rustix::io::read(rx.interrupt().unwrap().event().as_fd(), &mut [0; 8]).is_ok()
    };
    assert_eq!((came(&mut rx[0]), came(&mut rx[1])), (false, true));
}
