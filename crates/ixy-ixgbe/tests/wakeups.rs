//! A test that tries to lose a wake-up. Another thread sends single frames at random moments, each only after the
//! one before was received, to a thread that sleeps without a time limit. After one lost interrupt nothing moves
//! any more.
#![allow(clippy::unwrap_used)] // test code

#[allow(dead_code, reason = "other tests use the rest")]
mod harness;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use harness::{Harness, udp};
use ixy_core::{Batch, Error, Interrupts, RxQueue, VectorKind, Vectors};
use ixy_ixgbe::{Config, IxgbeRxQueue};
use ixy_sim::{Events, SimBus};
use rustix::event::{EventfdFlags, epoll, eventfd};

/// Frames of one run. A loss of one in a thousand would be found.
const FRAMES: u64 = 5_000;
/// The time without progress that means a lost wake-up.
const WATCHDOG: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct System(VectorKind, Events);

impl Vectors for System {
    fn kind(&self) -> VectorKind {
        self.0
    }

    fn len(&self) -> usize {
        self.1.len()
    }

    fn event(&self, n: usize) -> Option<BorrowedFd<'_>> {
        self.1.event(n)
    }

    fn unmask(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// The state that the threads of a run share.
struct Run {
    received: [AtomicU64; 2],
    slept: AtomicU64,
    over: AtomicBool,
    /// Ends every sleep at the end of the run.
    end: OwnedFd,
}

/// Receives on one queue: arms it, looks again, and sleeps until an interrupt if there is nothing.
fn receive(run: &Run, n: usize, mut rx: IxgbeRxQueue<SimBus>) {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
    let data = epoll::EventData::new_u64;
    epoll::add(&epoll, rx.interrupt().unwrap().event(), data(0), edge).unwrap();
    epoll::add(&epoll, &run.end, data(1), epoll::EventFlags::IN).unwrap();
    let mut batch = Batch::new(32);
    let mut look = |rx: &mut IxgbeRxQueue<SimBus>| {
        let count = rx.receive(&mut batch);
        batch.clear();
        run.received[n].fetch_add(count as u64, Ordering::Release);
        count
    };
    while !run.over.load(Ordering::Acquire) {
        if look(&mut rx) > 0 {
            continue;
        }
        rx.interrupt().unwrap().arm().unwrap();
        if look(&mut rx) == 0 {
            run.slept.fetch_add(1, Ordering::Relaxed);
            let mut events = [std::mem::MaybeUninit::uninit(); 4];
            epoll::wait(&epoll, &mut events, None).unwrap();
        }
        rx.interrupt().unwrap().disarm();
    }
}

/// A pseudo-random number below `bound`.
fn random(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % bound
}

fn no_wake_up_is_lost(kind: VectorKind, vectors: usize, queues: u16, rate: u32) {
    let events = Events::new(vectors).unwrap();
    let harness = Harness::with(8192, true, |builder| builder.irq(Box::new(events.clone())));
    let interrupts = Interrupts { vectors: Arc::new(System(kind, events)), rate };
    let config =
        Config { queues, rx_ring: 64, tx_ring: 64, interrupts: Some(interrupts), ..Config::default() };
    // A bus that does not poll the card on each read: only the sending thread polls.
    let mut device = harness.open_behind(SimBus::new(Arc::clone(&harness.nic)), &config).unwrap();
    let mut rx: Vec<_> = (0..queues).map(|n| device.take_rx_queue(n).unwrap()).collect();

    // Ports with frames for the one queue and for the other.
    let mut ports = [0; 2];
    for port in 1000..1100 {
        harness.arrive(&[udp(port, 0)]);
        harness.nic.poll();
        let mut batch = Batch::new(4);
        let n = rx.iter_mut().position(|rx| rx.receive(&mut batch) > 0).unwrap();
        ports[n] = port;
    }

    let run = Run {
        received: Default::default(),
        slept: AtomicU64::new(0),
        over: AtomicBool::new(false),
        end: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap(),
    };
    let lost = std::thread::scope(|scope| {
        for (n, rx) in rx.into_iter().enumerate() {
            let run = &run;
            scope.spawn(move || receive(run, n, rx));
        }
        let mut state = 1;
        let mut sent = [0; 2];
        let lost = (0..FRAMES).find(|_| {
            let n = random(&mut state, queues.into()) as usize;
            // From the moment the last frame was counted to long after the thread fell asleep.
            let pause = random(&mut state, 8);
            for _ in 0..random(&mut state, 1 << (pause + 4)) {
                std::hint::spin_loop();
            }
            harness.arrive(&[udp(ports[n], 1)]);
            harness.nic.poll();
            sent[n] += 1;
            let start = Instant::now();
            while run.received[n].load(Ordering::Acquire) < sent[n] {
                // Passes throttled interrupts.
                harness.nic.poll();
                if start.elapsed() > WATCHDOG {
                    return true;
                }
                std::thread::yield_now();
            }
            false
        });
        run.over.store(true, Ordering::Release);
        rustix::io::write(&run.end, &1_u64.to_ne_bytes()).unwrap();
        lost
    });
    let slept = run.slept.load(Ordering::Relaxed);
    assert!(lost.is_none(), "{kind:?}, {vectors} vectors, rate {rate}: after frame {lost:?} nothing moved");
    assert!(slept > FRAMES / 20, "{kind:?}: it slept {slept} times only, which shows nothing");
}

#[test]
fn by_a_vector_of_its_own() {
    no_wake_up_is_lost(VectorKind::MsiX, 1, 1, 0);
}

#[test]
fn by_a_vector_that_is_throttled() {
    no_wake_up_is_lost(VectorKind::MsiX, 1, 1, 50_000);
}

#[test]
fn by_a_vector_that_two_threads_share() {
    no_wake_up_is_lost(VectorKind::MsiX, 1, 2, 0);
    no_wake_up_is_lost(VectorKind::MsiX, 1, 2, 50_000);
}

#[test]
fn by_one_message_for_two_threads() {
    no_wake_up_is_lost(VectorKind::Msi, 1, 2, 0);
    no_wake_up_is_lost(VectorKind::Msi, 1, 2, 50_000);
}
