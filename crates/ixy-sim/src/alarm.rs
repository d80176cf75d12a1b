//! The sleep of a polling thread, and its wake-up: [`Alarm`].

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;

use crate::events::signal;

/// Wakes one thread. Devices ring it on each register write, so it costs next to nothing while the thread is
/// awake.
///
/// No wake-up is lost. The thread announces that it sleeps, then checks for work once more before it does. The
/// other side makes its change, then checks whether the thread sleeps. With a full fence between the two steps on
/// either side, one of them sees the other.
#[derive(Debug)]
pub(crate) struct Alarm {
    asleep: AtomicBool,
    event: OwnedFd,
    epoll: OwnedFd,
}

/// The mark of the alarm's own event among those of files.
const OWN: u64 = u64::MAX;
/// Events taken in one wake-up; further ones wake the thread again at once.
const EVENTS: usize = 32;

impl Alarm {
    pub(crate) fn new() -> std::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // The counter is never read: each signal is an edge.
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &event, epoll::EventData::new_u64(OWN), edge)?;
        Ok(Self { asleep: AtomicBool::new(false), event, epoll })
    }

    /// Wakes the thread if it sleeps. It then sees everything that was stored before this call.
    #[inline]
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        // One signal is enough.
        if self.asleep.swap(false, Ordering::Relaxed) {
            signal(&self.event);
        }
    }

    /// Makes the next sleep end when `file` can be read, and report `mark` then. This applies to one sleep. A file
    /// that is closed before is forgotten. `false` when the file cannot be waited for.
    pub(crate) fn watch(&self, file: BorrowedFd<'_>, mark: u32) -> bool {
        let once = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        let data = || epoll::EventData::new_u64(mark.into());
        match epoll::add(&self.epoll, file, data(), once) {
            Err(Errno::EXIST) => epoll::modify(&self.epoll, file, data(), once).is_ok(),
            result => result.is_ok(),
        }
    }

    /// Sleeps until the alarm rings, a file can be read, or a time has passed; returns the marks of the files.
    /// `look` is the last check for work: it returns `None` if there is some, and then the thread does not sleep,
    /// or else the time to sleep. It runs this late because an earlier ring, or the check itself, can make
    /// something due sooner.
    pub(crate) fn sleep(&self, look: impl FnOnce() -> Option<Duration>) -> Vec<u32> {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let mut marks = Vec::new();
        if let Some(limit) = look() {
            let limit = Timespec { tv_sec: limit.as_secs() as _, tv_nsec: limit.subsec_nanos().into() };
            let mut events = [std::mem::MaybeUninit::uninit(); EVENTS];
            match epoll::wait(&self.epoll, &mut events, Some(&limit)) {
                Ok((events, _)) => {
                    let files = events.iter().map(|event| event.data.u64()).filter(|mark| *mark != OWN);
                    marks.extend(files.map(|mark| mark as u32));
                }
                // A signal counts as the end of the time. On a kernel error the thread naps instead.
                Err(Errno::INTR) => {}
                Err(_) => std::thread::sleep(Duration::from_micros(50)),
            }
        }
        self.asleep.store(false, Ordering::Relaxed);
        marks
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::sync::atomic::AtomicU64;
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn a_sleep_lasts_as_long_as_its_limit() {
        let alarm = Alarm::new().unwrap();
        let start = Instant::now();
        assert_eq!(alarm.sleep(|| Some(Duration::from_millis(20))), [0_u32; 0]);
        assert!(start.elapsed() >= Duration::from_millis(20), "{:?}", start.elapsed());
        alarm.sleep(|| None);
        assert!(start.elapsed() < SOON, "it slept although there was something to do");
    }

    #[test]
    fn a_thread_that_is_awake_gets_no_signal() {
        let alarm = Alarm::new().unwrap();
        alarm.sleep(|| Some(Duration::from_millis(1)));
        alarm.ring();
        let start = Instant::now();
        alarm.sleep(|| Some(Duration::from_millis(20)));
        assert!(start.elapsed() >= Duration::from_millis(20), "an old signal ended the sleep");
    }

    /// Waits for each ring, so that no later one makes up for a lost one.
    #[test]
    fn no_ring_is_lost_however_it_meets_the_way_to_sleep() {
        const ROUNDS: u64 = 20_000;
        let (alarm, work, seen) = (Alarm::new().unwrap(), AtomicU64::new(0), AtomicU64::new(0));
        let longest = std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let mut longest = Duration::ZERO;
                while seen.load(Ordering::Relaxed) < ROUNDS {
                    let start = Instant::now();
                    alarm.sleep(|| {
                        (work.load(Ordering::Relaxed) == seen.load(Ordering::Relaxed)).then_some(LONG)
                    });
                    longest = longest.max(start.elapsed());
                    seen.store(work.load(Ordering::Relaxed), Ordering::Relaxed);
                }
                longest
            });
            for n in 1..=ROUNDS {
                // A plain store: without a fence the processor may delay it past the load that follows.
                work.store(n, Ordering::Relaxed);
                alarm.ring();
                while seen.load(Ordering::Relaxed) < n {
                    std::hint::spin_loop();
                }
                for _ in 0..n.wrapping_mul(7919) % 997 {
                    std::hint::spin_loop();
                }
            }
            sleeper.join().unwrap()
        });
        assert!(longest < SOON, "a ring was lost: one sleep took {longest:?}");
    }

    #[test]
    fn a_ring_during_the_last_look_ends_the_sleep() {
        let (alarm, start) = (Alarm::new().unwrap(), Instant::now());
        alarm.sleep(|| {
            alarm.ring();
            Some(LONG)
        });
        assert!(start.elapsed() < SOON, "it was lost");
    }

    #[test]
    fn a_file_wakes_once_and_again_when_it_is_watched_again() {
        let alarm = Alarm::new().unwrap();
        let files = [(); 2].map(|()| eventfd(0, EventfdFlags::NONBLOCK).unwrap());
        let short = Duration::from_millis(10);
        for (mark, file) in (7..).zip(&files) {
            assert!(alarm.watch(file.as_fd(), mark));
        }
        assert_eq!(alarm.sleep(|| Some(short)), [0_u32; 0]);
        signal(&files[1]);
        assert_eq!(alarm.sleep(|| Some(LONG)), [8]);
        assert_eq!(alarm.sleep(|| Some(short)), [0_u32; 0], "it is not watched any more");
        assert!(alarm.watch(files[1].as_fd(), 9));
        assert_eq!(alarm.sleep(|| Some(LONG)), [9], "it can still be read");
    }
}
