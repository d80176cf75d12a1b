//! The behaviour of a thread while there is nothing to receive: [`Waiter`].

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use crate::device::RxQueue;
use crate::error::Error;

/// The way in which a thread waits for frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitMode {
    /// Polls all the time. This has the lowest latency, and uses a whole processor.
    #[default]
    Poll,
    /// Sleeps until an interrupt as soon as it finds nothing.
    Interrupt,
    /// Polls while frames arrive, and sleeps until an interrupt once none has arrived for this time.
    Adaptive(Duration),
}

impl WaitMode {
    /// An idle time for [`Adaptive`](Self::Adaptive) that fits most uses: a few times the cost of a sleep and
    /// a wake-up.
    pub const IDLE: Duration = Duration::from_micros(200);
}

/// Decides what a thread does after each pass of its loop: after many passes without packets, it yields the
/// processor or sleeps until an interrupt. Each thread has one waiter, for the receive queues that only it serves.
///
/// No wake-up is lost: the waiter arms all queues, the loop makes one more pass over them, and the thread
/// sleeps only if that pass finds nothing.
///
/// ```
/// use ixy_core::{Batch, Error, RxQueue, WaitMode, Waiter};
///
/// /// Counts frames until there are `enough`.
/// fn count(queue: &mut dyn RxQueue, enough: usize) -> Result<(), Error> {
///     // The device has to be opened with interrupts; without them this is an error.
///     let mut waiter = Waiter::new(WaitMode::Adaptive(WaitMode::IDLE), [&mut *queue])?;
///     let (mut batch, mut count) = (Batch::new(32), 0);
///     while count < enough {
///         let received = queue.receive(&mut batch);
///         count += received;
///         batch.clear();
///         waiter.after(received, [(&mut *queue, 0)]);
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Waiter {
    /// Passes in a row without packets.
    passes: u32,
    /// Passes without packets after which the thread yields or sleeps.
    patience: u32,
    sleep: Option<Sleep>,
}

/// Events that one wake-up takes; any further one wakes the thread again at once.
const EVENTS: usize = 64;

/// The state that a thread needs to sleep.
#[derive(Debug)]
struct Sleep {
    epoll: OwnedFd,
    /// How long the thread polls without packets before it arms its queues.
    idle: Duration,
    /// The time of the first pass in a row without packets.
    since: Option<Instant>,
    state: State,
    slept: u64,
    overslept: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// No queue interrupts.
    Polling,
    /// One of the queues cannot interrupt now, and others may be armed.
    Refused,
    /// All queues are armed, and a pass follows before the thread sleeps.
    Armed,
    /// An interrupt arrived; some queues may still be armed.
    Woken,
    /// The sleep reached its limit; all queues are armed.
    Late,
}

impl Default for Waiter {
    /// A waiter that polls.
    fn default() -> Self {
        Self { passes: 0, patience: Self::PATIENCE, sleep: None }
    }
}

impl Waiter {
    /// The longest sleep. A loop therefore gets to its other work (signals, statistics) at least this often.
    pub const LIMIT: Duration = Duration::from_millis(100);

    /// The longest sleep while packets wait to be sent or a queue [waits for buffers](RxQueue::is_starved):
    /// neither raises an interrupt. The system rounds it up to a millisecond.
    pub const NAP: Duration = Duration::from_micros(500);

    /// Passes without packets before the thread yields: some ten microseconds.
    const PATIENCE: u32 = 256;

    /// A waiter for a thread that alone serves `queues`. Every mode but [`WaitMode::Poll`] needs devices that were
    /// opened with interrupts.
    ///
    /// # Errors
    /// [`Error::NoInterrupt`] when a queue was opened without interrupts, [`Error::Interrupt`] when the
    /// system cannot create an epoll instance. A waiter that only polls never fails.
    pub fn new<'a, 'q: 'a>(
        mode: WaitMode,
        queues: impl IntoIterator<Item = &'a mut (dyn RxQueue + 'q)>,
    ) -> Result<Self, Error> {
        let (idle, patience) = match mode {
            WaitMode::Poll => return Ok(Self::default()),
            WaitMode::Interrupt => (Duration::ZERO, 1),
            WaitMode::Adaptive(idle) => (idle, Self::PATIENCE),
        };
        let failed = |source: Errno| Error::Interrupt {
            what: "wait for the interrupts of receive queues".into(),
            source: source.into(),
        };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        for queue in queues {
            let interrupt = queue.interrupt().ok_or(Error::NoInterrupt)?;
            // With level triggering, an event that is never read would wake the thread again and again.
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            match epoll::add(&epoll, interrupt.event(), epoll::EventData::new_u64(0), flags) {
                // Two queues of the thread share the event.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let sleep = Sleep { epoll, idle, since: None, state: State::Polling, slept: 0, overslept: 0 };
        Ok(Self { passes: 0, patience, sleep: Some(sleep) })
    }

    /// Call this after each pass. `moved` is the number of packets that the pass received plus those that it sent:
    /// a pass that only emptied a full batch counts, because it could not look for more. `queues` are all queues
    /// that the thread serves, each with the number of packets that still wait to be sent for it.
    ///
    /// It may sleep, at most [`LIMIT`](Self::LIMIT). It returns `true` when there is time for other work.
    #[inline(always)]
    pub fn after<'a, 'q: 'a>(
        &mut self,
        moved: usize,
        queues: impl IntoIterator<Item = (&'a mut (dyn RxQueue + 'q), usize)>,
    ) -> bool {
        if moved > 0 {
            if self.passes >= self.patience {
                self.busy(queues);
            }
            self.passes = 0;
            return false;
        }
        self.passes += 1;
        self.passes >= self.patience && self.rest(queues)
    }

    /// The number of sleeps so far.
    pub fn slept(&self) -> u64 {
        self.sleep.as_ref().map_or(0, |sleep| sleep.slept)
    }

    /// The number of sleeps that reached their limit with packets found on the next pass: the interrupt came too
    /// late, or never.
    pub fn overslept(&self) -> u64 {
        self.sleep.as_ref().map_or(0, |sleep| sleep.overslept)
    }

    /// Starts polling again, after a pass that moved packets.
    #[cold]
    fn busy<'a, 'q: 'a>(&mut self, queues: impl IntoIterator<Item = (&'a mut (dyn RxQueue + 'q), usize)>) {
        let Some(sleep) = &mut self.sleep else { return };
        sleep.since = None;
        if sleep.state == State::Late {
            sleep.overslept += 1;
        }
        if sleep.state != State::Polling {
            sleep.state = State::Polling;
            disarm(queues);
        }
    }

    #[cold]
    fn rest<'a, 'q: 'a>(
        &mut self,
        queues: impl IntoIterator<Item = (&'a mut (dyn RxQueue + 'q), usize)>,
    ) -> bool {
        self.passes = self.patience;
        match &mut self.sleep {
            None => std::thread::yield_now(),
            Some(sleep) => sleep.rest(queues),
        }
        true
    }
}

impl Sleep {
    /// Takes the next step towards sleep, after a pass that found nothing.
    fn rest<'a, 'q: 'a>(&mut self, queues: impl IntoIterator<Item = (&'a mut (dyn RxQueue + 'q), usize)>) {
        match self.state {
            State::Polling if self.since.get_or_insert_with(Instant::now).elapsed() < self.idle => {
                std::thread::yield_now();
            }
            // The next pass finds frames that arrived before the queues were armed.
            State::Polling | State::Refused => {
                self.state = if arm(queues) { State::Armed } else { State::Refused };
            }
            State::Armed | State::Late => {
                let nap = queues.into_iter().any(|(queue, unsent)| unsent > 0 || queue.is_starved());
                self.state = self.sleep(if nap { Waiter::NAP } else { Waiter::LIMIT }, nap);
            }
            State::Woken => {
                disarm(queues);
                (self.state, self.since) = (State::Polling, None);
            }
        }
    }

    /// Sleeps until an interrupt or for `limit`, and returns the next state.
    fn sleep(&mut self, limit: Duration, nap: bool) -> State {
        let limit = Timespec { tv_sec: 0, tv_nsec: limit.as_nanos() as _ };
        let mut events = [std::mem::MaybeUninit::uninit(); EVENTS];
        self.slept += 1;
        match epoll::wait(self.epoll.as_fd(), &mut events, Some(&limit)) {
            Ok((woken, _)) if !woken.is_empty() => State::Woken,
            // A signal ended the sleep: the loop has other work.
            Err(_) => State::Armed,
            // Work after a short sleep is no late interrupt: it was expected without one.
            Ok(_) if nap => State::Armed,
            Ok(_) => State::Late,
        }
    }
}

/// Arms all queues. When one of them cannot be armed, it sleeps for [`Waiter::NAP`] and returns `false`.
fn arm<'a, 'q: 'a>(queues: impl IntoIterator<Item = (&'a mut (dyn RxQueue + 'q), usize)>) -> bool {
    let mut all = true;
    for (queue, _) in queues {
        all &= queue.interrupt().is_some_and(|interrupt| interrupt.arm().is_ok());
    }
    if !all {
        std::thread::sleep(Waiter::NAP);
    }
    all
}

fn disarm<'a, 'q: 'a>(queues: impl IntoIterator<Item = (&'a mut (dyn RxQueue + 'q), usize)>) {
    for (queue, _) in queues {
        if let Some(interrupt) = queue.interrupt() {
            interrupt.disarm();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::os::fd::BorrowedFd;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use rustix::event::{EventfdFlags, eventfd};

    use super::*;
    use crate::batch::Batch;
    use crate::interrupt::Interrupt;

    /// The state of a card with one queue: frames that arrived, and whether the next one interrupts.
    #[derive(Debug)]
    struct Card {
        event: OwnedFd,
        state: Mutex<(u64, bool)>,
        interrupts: AtomicU64,
        refuses: AtomicBool,
        starves: AtomicBool,
    }

    impl Card {
        fn new() -> Arc<Self> {
            let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap();
            let (state, interrupts) = (Mutex::default(), AtomicU64::new(0));
            Arc::new(Self { event, state, interrupts, refuses: false.into(), starves: false.into() })
        }

        /// A frame arrives: the first one interrupts if the queue was armed before.
        fn arrive(&self) {
            let armed = {
                let mut state = self.state.lock().unwrap();
                state.0 += 1;
                std::mem::take(&mut state.1)
            };
            if armed {
                self.interrupts.fetch_add(1, Ordering::Relaxed);
                rustix::io::write(&self.event, &1_u64.to_ne_bytes()).unwrap();
            }
        }

        fn is_armed(&self) -> bool {
            self.state.lock().unwrap().1
        }
    }

    /// A queue of the card. Frames are only counted.
    struct Queue(Arc<Card>);

    impl Queue {
        fn take(&self) -> usize {
            std::mem::take(&mut self.0.state.lock().unwrap().0) as usize
        }
    }

    impl RxQueue for Queue {
        fn receive(&mut self, _batch: &mut Batch) -> usize {
            self.take()
        }

        fn is_starved(&self) -> bool {
            self.0.starves.load(Ordering::Relaxed)
        }

        fn interrupt(&mut self) -> Option<&mut dyn Interrupt> {
            Some(self)
        }
    }

    impl Interrupt for Queue {
        fn event(&self) -> BorrowedFd<'_> {
            self.0.event.as_fd()
        }

        fn arm(&mut self) -> Result<(), Error> {
            if self.0.refuses.load(Ordering::Relaxed) {
                return Err(Error::NoInterrupt);
            }
            self.0.state.lock().unwrap().1 = true;
            Ok(())
        }

        fn disarm(&mut self) {
            self.0.state.lock().unwrap().1 = false;
        }
    }

    struct Polled;

    impl RxQueue for Polled {
        fn receive(&mut self, _batch: &mut Batch) -> usize {
            0
        }
    }

    const ADAPTIVE: WaitMode = WaitMode::Adaptive(Duration::from_millis(20));

    /// Calls `after` until the waiter has slept once more; returns the time and the number of calls.
    fn until_it_slept(waiter: &mut Waiter, queue: &mut Queue) -> (Duration, u32) {
        let (start, slept) = (Instant::now(), waiter.slept());
        let mut passes = 0;
        while waiter.slept() == slept {
            assert!(start.elapsed() < Duration::from_secs(10), "it never sleeps");
            waiter.after(0, [(queue as &mut dyn RxQueue, 0)]);
            passes += 1;
        }
        (start.elapsed(), passes)
    }

    #[test]
    fn a_thread_that_polls_never_sleeps_and_never_arms() {
        let (card, mut waiter) = (Card::new(), Waiter::default());
        let mut queue = Queue(Arc::clone(&card));
        let start = Instant::now();
        for pass in 1..=1000 {
            let rests = waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]);
            assert_eq!(rests, pass >= Waiter::PATIENCE, "pass {pass}");
        }
        assert!(!waiter.after(1, [(&mut queue as &mut dyn RxQueue, 0)]));
        assert!(!waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]), "patience starts anew");
        assert_eq!((waiter.slept(), card.is_armed()), (0, false));
        assert!(start.elapsed() < Duration::from_secs(5), "it slept after all: {:?}", start.elapsed());
    }

    #[test]
    fn by_interrupt_it_arms_then_looks_again_then_sleeps() {
        let card = Card::new();
        let mut queue = Queue(Arc::clone(&card));
        let mut waiter = Waiter::new(WaitMode::Interrupt, [&mut queue as &mut dyn RxQueue]).unwrap();
        assert!(waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]));
        assert!(card.is_armed(), "armed after the first pass without work");
        assert_eq!(waiter.slept(), 0, "there has to be a pass between arming and sleeping");
        card.arrive();
        let start = Instant::now();
        assert!(waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]));
        assert_eq!((waiter.slept(), waiter.overslept()), (1, 0));
        assert!(start.elapsed() < Waiter::LIMIT / 2, "the interrupt was not heard: {:?}", start.elapsed());
    }

    #[test]
    fn a_look_that_finds_something_disarms_and_does_not_sleep() {
        let card = Card::new();
        let mut queue = Queue(Arc::clone(&card));
        let mut waiter = Waiter::new(WaitMode::Interrupt, [&mut queue as &mut dyn RxQueue]).unwrap();
        waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]);
        assert!(card.is_armed());
        assert!(!waiter.after(1, [(&mut queue as &mut dyn RxQueue, 0)]));
        assert!(!card.is_armed(), "a queue that is served interrupts no more");
        assert_eq!(waiter.slept(), 0);
    }

    #[test]
    fn a_queue_is_disarmed_after_it_woke_the_thread_also_for_nothing() {
        let card = Card::new();
        let mut queue = Queue(Arc::clone(&card));
        let mut waiter = Waiter::new(WaitMode::Interrupt, [&mut queue as &mut dyn RxQueue]).unwrap();
        waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]);
        // An interrupt for another queue of the same vector: this one stays armed.
        rustix::io::write(&card.event, &1_u64.to_ne_bytes()).unwrap();
        waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]);
        assert_eq!(waiter.slept(), 1);
        waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]);
        assert!(!card.is_armed());
    }

    #[test]
    fn adaptive_polls_for_its_idle_time_first_and_again_after_each_frame() {
        let card = Card::new();
        let mut queue = Queue(Arc::clone(&card));
        let WaitMode::Adaptive(idle) = ADAPTIVE else { unreachable!() };
        let mut waiter = Waiter::new(ADAPTIVE, [&mut queue as &mut dyn RxQueue]).unwrap();
        for round in 0..2 {
            let (time, passes) = until_it_slept(&mut waiter, &mut queue);
            assert!(time >= idle + Waiter::LIMIT, "round {round}: it slept after {time:?}");
            assert!(passes > Waiter::PATIENCE, "round {round}: {passes} passes");
            // After the limit it sleeps again, with a look in between.
            let (time, passes) = until_it_slept(&mut waiter, &mut queue);
            assert!(time >= Waiter::LIMIT && passes == 1, "round {round}: {time:?}, {passes} passes");
            waiter.after(1, [(&mut queue as &mut dyn RxQueue, 0)]);
            assert!(!card.is_armed(), "round {round}");
        }
        assert_eq!((waiter.slept(), waiter.overslept()), (4, 2), "it found work after the limit twice");
    }

    #[test]
    fn packets_that_wait_to_be_sent_are_looked_after_soon() {
        let card = Card::new();
        let mut queue = Queue(Arc::clone(&card));
        let mut waiter = Waiter::new(WaitMode::Interrupt, [&mut queue as &mut dyn RxQueue]).unwrap();
        let start = Instant::now();
        while waiter.slept() < 20 {
            waiter.after(0, [(&mut queue as &mut dyn RxQueue, 3)]);
        }
        assert!(start.elapsed() >= 19 * Waiter::NAP, "it does not sleep: {:?}", start.elapsed());
        assert!(start.elapsed() < 10 * Waiter::LIMIT, "it sleeps too long: {:?}", start.elapsed());
        waiter.after(1, [(&mut queue as &mut dyn RxQueue, 0)]);
        assert_eq!(waiter.overslept(), 0, "what was sent needs no interrupt");
    }

    #[test]
    fn frames_that_wait_for_buffers_are_looked_after_soon() {
        let card = Card::new();
        let mut queue = Queue(Arc::clone(&card));
        let mut waiter = Waiter::new(WaitMode::Interrupt, [&mut queue as &mut dyn RxQueue]).unwrap();
        card.starves.store(true, Ordering::Relaxed);
        let start = Instant::now();
        while waiter.slept() < 20 {
            waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]);
        }
        assert!(start.elapsed() >= 19 * Waiter::NAP, "it does not sleep: {:?}", start.elapsed());
        assert!(start.elapsed() < 10 * Waiter::LIMIT, "it sleeps too long: {:?}", start.elapsed());
        waiter.after(1, [(&mut queue as &mut dyn RxQueue, 0)]);
        assert_eq!(waiter.overslept(), 0, "buffers need no interrupt");
    }

    #[test]
    fn queues_that_were_armed_beside_one_that_cannot_be_are_disarmed_when_there_is_work() {
        let cards = [Card::new(), Card::new()];
        cards[1].refuses.store(true, Ordering::Relaxed);
        let mut queues = cards.each_ref().map(|card| Queue(Arc::clone(card)));
        let all = queues.iter_mut().map(|queue| queue as &mut dyn RxQueue);
        let mut waiter = Waiter::new(WaitMode::Interrupt, all).unwrap();
        for _ in 0..2 {
            waiter.after(0, queues.iter_mut().map(|queue| (queue as &mut dyn RxQueue, 0)));
            assert!(cards[0].is_armed());
        }
        waiter.after(1, queues.iter_mut().map(|queue| (queue as &mut dyn RxQueue, 0)));
        assert!(!cards[0].is_armed(), "it would interrupt on and on while it is polled");
    }

    #[test]
    fn a_queue_that_cannot_be_armed_is_polled_now_and_then() {
        let card = Card::new();
        card.refuses.store(true, Ordering::Relaxed);
        let mut queue = Queue(Arc::clone(&card));
        let mut waiter = Waiter::new(WaitMode::Interrupt, [&mut queue as &mut dyn RxQueue]).unwrap();
        let start = Instant::now();
        for _ in 0..20 {
            waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]);
        }
        assert!(start.elapsed() >= 20 * Waiter::NAP, "a busy loop: {:?}", start.elapsed());
        assert!(start.elapsed() < 10 * Waiter::LIMIT, "frames wait too long: {:?}", start.elapsed());
        assert_eq!(waiter.slept(), 0, "nothing would have woken it");
    }

    #[test]
    fn an_interrupt_wakes_once() {
        let card = Card::new();
        let mut queue = Queue(Arc::clone(&card));
        let mut waiter = Waiter::new(WaitMode::Interrupt, [&mut queue as &mut dyn RxQueue]).unwrap();
        rustix::io::write(&card.event, &1_u64.to_ne_bytes()).unwrap();
        let (woken, _) = until_it_slept(&mut waiter, &mut queue);
        let (slept, _) = until_it_slept(&mut waiter, &mut queue);
        assert!(woken < Waiter::LIMIT, "{woken:?}");
        assert!(slept >= Waiter::LIMIT, "the same interrupt woke it again: {slept:?}");
    }

    #[test]
    fn a_queue_without_interrupts_can_only_be_polled() {
        assert!(Waiter::new(WaitMode::Poll, [&mut Polled as &mut dyn RxQueue]).is_ok());
        for mode in [WaitMode::Interrupt, ADAPTIVE] {
            let error = Waiter::new(mode, [&mut Polled as &mut dyn RxQueue]).unwrap_err();
            assert!(matches!(error, Error::NoInterrupt), "{mode:?}: {error}");
        }
    }

    #[test]
    fn queues_that_share_an_event_each_wake_every_thread_that_sleeps_on_it() {
        let card = Card::new();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let card = Arc::clone(&card);
                thread::spawn(move || {
                    let mut queue = Queue(card);
                    let mut waiter =
                        Waiter::new(WaitMode::Interrupt, [&mut queue as &mut dyn RxQueue]).unwrap();
                    let start = Instant::now();
                    while waiter.slept() == 0 {
                        waiter.after(0, [(&mut queue as &mut dyn RxQueue, 0)]);
                    }
                    start.elapsed()
                })
            })
            .collect();
        thread::sleep(Waiter::LIMIT / 4);
        rustix::io::write(&card.event, &1_u64.to_ne_bytes()).unwrap();
        for waiter in waiters {
            let slept = waiter.join().unwrap();
            assert!(slept < Waiter::LIMIT * 3 / 4, "one thread took the event from the other: {slept:?}");
        }
    }

    /// Frames come one by one, each after the last one was taken, at moments that drift through the thread's loop:
    /// between its last look and arming, between arming and the look after it, and while it sleeps.
    #[test]
    fn no_frame_waits_for_a_wake_up_that_was_lost() {
        for mode in [WaitMode::Interrupt, WaitMode::Adaptive(Duration::from_micros(20))] {
            let (card, taken) = (Card::new(), Arc::new(AtomicU64::new(0)));
            let slept = Arc::new(AtomicU64::new(0));
            let stop = Arc::new(AtomicBool::new(false));
            let receiver = {
                let (mut queue, slept) = (Queue(Arc::clone(&card)), Arc::clone(&slept));
                let (taken, stop) = (Arc::clone(&taken), Arc::clone(&stop));
                thread::spawn(move || {
                    let mut waiter = Waiter::new(mode, [&mut queue as &mut dyn RxQueue]).unwrap();
                    while !stop.load(Ordering::Relaxed) {
                        let moved = queue.take();
                        taken.fetch_add(moved as u64, Ordering::Release);
                        waiter.after(moved, [(&mut queue as &mut dyn RxQueue, 0)]);
                        slept.store(waiter.slept(), Ordering::Relaxed);
                    }
                    (waiter.slept(), waiter.overslept())
                })
            };
            let (mut late, begin) = (0, Instant::now());
            for frame in 1..u64::MAX {
                // On a busy machine a frame is mostly there when the thread's turn comes, so it seldom sleeps.
                let enough = frame > 3000 && slept.load(Ordering::Relaxed) > 200;
                if enough || begin.elapsed() > Duration::from_secs(60) {
                    break;
                }
                let (before, gap) = (Instant::now(), Duration::from_nanos(frame * 7919 % 300_000));
                while before.elapsed() < gap {
                    std::hint::spin_loop();
                }
                let start = Instant::now();
                card.arrive();
                while taken.load(Ordering::Acquire) < frame {
                    assert!(start.elapsed() < Duration::from_secs(10), "{mode:?}: frame {frame} is lost");
                    thread::yield_now();
                }
                // A frame that only the end of a sleep finds.
                late += u32::from(start.elapsed() >= Waiter::LIMIT);
            }
            stop.store(true, Ordering::Relaxed);
            let (slept, overslept) = receiver.join().unwrap();
            assert!(slept > 100, "{mode:?}: it slept {slept} times only: the test tries nothing");
            // A machine that stops this thread for long can delay a single look.
            assert!(
                late <= 1 && overslept <= 1,
                "{mode:?}: {late} late, {overslept} overslept, of {slept} sleeps"
            );
        }
    }

    #[test]
    fn nothing_is_asked_of_queues_while_there_is_work() {
        let asked = Rc::new(RefCell::new(0));
        let mut waiter = Waiter::default();
        for moved in [1, 0, 2, 0, 0, 3] {
            let asked = Rc::clone(&asked);
            waiter.after(
                moved,
                std::iter::from_fn(|| {
                    *asked.borrow_mut() += 1;
                    None
                }),
            );
        }
        assert_eq!(*asked.borrow(), 0);
    }
}
