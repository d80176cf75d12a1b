//! No thread sleeps while a frame waits for it: the steps of driver and device in every order, and on a thread
//! each.
//!
//! On x86 these tests do not notice a missing fence: a load overtakes an earlier store only within a few
//! instructions.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ixy_core::{Batch, Device as _, VectorKind};
use rustix::event::{Timespec, epoll};

use crate::device::{Options, feature};
use crate::harness::{Agreement, Harness, Interface, frame, rings};
use crate::interrupts::{Queue, arm, disarm, open_one, runt};
use crate::vectors::Events;

/// All combinations that differ in how a frame is announced.
fn announcements(options: &Options) -> Vec<(Agreement, VectorKind)> {
    let mut all = Vec::new();
    for event in [0, feature::EVENT_IDX] {
        for kind in [VectorKind::MsiX, VectorKind::Pin] {
            let legacy = Options { features: feature::MAC | event, ..options.clone() };
            all.push((Agreement { interface: Interface::Legacy, options: legacy }, kind));
            for ring in rings() {
                let features = ring.options.features | event;
                let options = Options { features, ..options.clone() };
                all.push((Agreement { options, ..ring }, kind));
            }
        }
    }
    all
}

/// A thread that sleeps, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thread {
    Polls,
    /// It found no frame.
    IsIdle,
    /// Its queue is armed.
    LooksAgain,
    Sleeps,
    Woken,
}

impl Thread {
    /// Takes the next step; adds the number of received frames to `received`.
    fn step(self, rx: &mut Queue, events: &Events, received: &mut usize) -> Self {
        let mut look = |found, nothing| {
            let count = rx.receive(&mut Batch::new(32));
            *received += count;
            if count > 0 { found } else { nothing }
        };
        match self {
            Self::Polls => look(Self::Polls, Self::IsIdle),
            Self::IsIdle => {
                arm(rx);
                Self::LooksAgain
            }
            Self::LooksAgain => {
                let next = look(Self::Polls, Self::Sleeps);
                if next == Self::Polls {
                    disarm(rx);
                }
                next
            }
            // An event since the last sleep wakes it at once.
            Self::Sleeps if events.take(0) == 0 => Self::Sleeps,
            Self::Sleeps => Self::Woken,
            Self::Woken => {
                look(Self::Polls, Self::Polls);
                disarm(rx);
                Self::Polls
            }
        }
    }
}

/// A step of the device: it gives a frame back, one to deliver or one to drop, or checks whether an interrupt is
/// wanted for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Frame,
    Runt,
    Look,
}

/// All orders of the device's steps among the first of the thread's. Each step is one call here; the test with two
/// threads covers the interleaving inside of steps.
#[test]
fn whatever_the_order_no_thread_sleeps_while_a_frame_waits() {
    use Act::{Frame, Look, Runt};
    let programs: [&[Act]; 6] = [
        &[Frame, Look],
        &[Runt, Look, Frame, Look],
        &[Frame, Look, Frame, Look],
        &[Runt, Frame, Look],
        &[Frame, Runt, Look, Frame, Look],
        &[Runt, Runt, Look, Frame, Look],
    ];
    const STEPS: u32 = 8;
    for (agreement, kind) in announcements(&Options { hesitates: true, rx_size: 64, ..Options::default() }) {
        let harness = Harness::of(&agreement);
        let (_device, mut rx, events) = open_one(&harness, kind);
        for program in programs {
            let places = STEPS + program.len() as u32;
            for schedule in 0_u32..1 << places {
                if schedule.count_ones() as usize != program.len() {
                    continue;
                }
                let (mut thread, mut received, mut acts) = (Thread::Polls, 0, program.iter());
                for place in 0..places {
                    if schedule >> place & 1 == 0 {
                        thread = thread.step(&mut rx, &events, &mut received);
                        continue;
                    }
                    match acts.next() {
                        Some(Look) => harness.device.interrupt(),
                        Some(Frame) => harness.device.arrive(0, &[frame(60, 0)]),
                        Some(Runt) => harness.device.arrive(0, &[runt()]),
                        None => unreachable!(),
                    }
                    harness.device.poll();
                }
                // The thread continues until it sleeps for good.
                let mut last = thread;
                for _ in 0..20 {
                    last = thread;
                    thread = thread.step(&mut rx, &events, &mut received);
                }
                let frames = program.iter().filter(|act| **act == Frame).count();
                assert_eq!(
                    (last, thread, received),
                    (Thread::Sleeps, Thread::Sleeps, frames),
                    "{program:?} in order {schedule:b}, {kind:?}, {agreement:?}"
                );
                // Ready for the next one.
                disarm(&mut rx);
                events.take(0);
            }
        }
    }
}

/// Sleeps like a thread of a program: on the edge of an event.
struct Bed(OwnedFd);

impl Bed {
    fn new(rx: &mut Queue) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        let interrupt = rx.interrupt().unwrap();
        epoll::add(&epoll, interrupt.event(), epoll::EventData::new_u64(0), flags).unwrap();
        Self(epoll)
    }

    /// Whether it was woken within `seconds`.
    fn sleep(&self, seconds: i64) -> bool {
        let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let mut event = [std::mem::MaybeUninit::uninit(); 1];
        epoll::wait(self.0.as_fd(), &mut event, Some(&limit)).is_ok_and(|(woken, _)| !woken.is_empty())
    }
}

/// A random number generator.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Single frames arrive at random moments, mostly while the thread is about to sleep: it sleeps whenever it finds
/// no frame. A lost wake-up would let it sleep for ever, since the device waits for the thread.
#[test]
fn a_thread_that_sleeps_is_woken_for_every_frame() {
    const FRAMES: u64 = 4_000;
    /// Longer than any pause of a busy machine.
    const LIMIT: i64 = 10;
    for (agreement, kind) in announcements(&Options { rx_size: 64, dawdles: 200, ..Options::default() }) {
        let harness = Harness::of(&agreement);
        let (device, mut rx, _events) = open_one(&harness, kind);
        let bed = Bed::new(&mut rx);
        let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let (mut slept, mut looked) = (0, 0);
        let end = Instant::now() + Duration::from_secs(60);
        std::thread::scope(|scope| {
            let source = Arc::clone(&harness.device);
            let (done, stop) = (&done, &stop);
            scope.spawn(move || {
                let mut state = 0x1234_5678_9abc_def1;
                for sent in 0..FRAMES {
                    // As few as possible are in flight, so that the thread sleeps often.
                    let open = 1 + random(&mut state) % 2;
                    while sent >= done.load(Ordering::Acquire) + open && !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                    for _ in 0..random(&mut state) % 2_000 {
                        std::hint::spin_loop();
                    }
                    let bytes =
                        if random(&mut state).is_multiple_of(3) { runt() } else { frame(60, sent as u32) };
                    source.arrive(0, &[bytes]);
                    // A frame without a buffer goes on once there is one.
                    source.poll();
                }
            });
            let mut handed_on = 0;
            let mut pass = |rx: &mut Queue| {
                let count = rx.receive(&mut Batch::new(32)) as u64;
                handed_on += count;
                done.store(handed_on + device.stats().unwrap().rx_dropped, Ordering::Release);
                count > 0
            };
            let awake = loop {
                if done.load(Ordering::Relaxed) == FRAMES {
                    break true;
                }
                if pass(&mut rx) {
                    continue;
                }
                arm(&mut rx);
                looked += 1;
                if !pass(&mut rx) && done.load(Ordering::Relaxed) < FRAMES {
                    slept += 1;
                    if !bed.sleep(LIMIT) || Instant::now() > end {
                        break false;
                    }
                }
                disarm(&mut rx);
            };
            stop.store(true, Ordering::Relaxed);
            let done = done.load(Ordering::Relaxed);
            assert!(awake, "after {done} frames and {slept} sleeps it sleeps on, {kind:?}, {agreement:?}");
        });
        assert!(slept > FRAMES / 100 && looked >= slept, "it slept {slept} times only, {agreement:?}");
    }
}
