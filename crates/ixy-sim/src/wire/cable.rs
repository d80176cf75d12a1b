use std::{
    collections::HashMap,
    fmt, mem,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use rustix::event::{EventfdFlags, eventfd};

use super::{Wakes, Wire, WireError, frames::Frames, unreached::Unreached};
use crate::events::signal;

/// The cables of one process by name. Clones share the same set.
///
/// There is no global set: a program that opens devices keeps one and passes it on.
#[derive(Clone, Default)]
pub struct Cables {
    names: Arc<Mutex<HashMap<String, Weak<Mutex<Cable>>>>>,
}

impl fmt::Debug for Cables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cables").field("names", &lock(&self.names).len()).finish()
    }
}

impl Cables {
    /// Plugs in the first or the second end of a cable. A name is free again once both ends are dropped.
    ///
    /// # Errors
    /// The cable has two ends already.
    pub fn connect(&self, name: &str) -> Result<CableEnd, WireError> {
        let mut names = lock(&self.names);
        if let Some(cable) = names.get(name).and_then(Weak::upgrade) {
            let mut state = lock(&cable);
            if state.second.presence != Presence::NotYet {
                return Err(WireError::ThirdEnd { name: name.into() });
            }
            state.second = End::plugged_in();
            state.first.wake();
            let event = state.second.event.clone();
            drop(state);
            return Ok(CableEnd::new(cable, name, true, event));
        }
        let first = End::plugged_in();
        let event = first.event.clone();
        let cable = Arc::new(Mutex::new(Cable { first, second: End::default() }));
        names.insert(name.into(), Arc::downgrade(&cable));
        Ok(CableEnd::new(cable, name, false, event))
    }

    /// Checks that each cable has both its ends. A program calls it after opening all its addresses.
    ///
    /// # Errors
    /// The first cable, by name, with a single end.
    pub fn check(&self) -> Result<(), WireError> {
        let names = lock(&self.names);
        let lone = names.iter().filter(|(_, cable)| {
            cable.upgrade().is_some_and(|cable| lock(&cable).second.presence == Presence::NotYet)
        });
        match lone.map(|(name, _)| name).min() {
            Some(name) => Err(WireError::OneEnd { name: name.clone() }),
            None => Ok(()),
        }
    }
}

/// One end of a cable with the other end in the same process, polled by the same thread or by another.
///
/// Each direction holds up to 2,048 frames in flight. Before the second end is plugged in, the first has no link
/// and its frames wait.
pub struct CableEnd {
    cable: Arc<Mutex<Cable>>,
    second: bool,
    /// Frames taken off the cable in one batch, so that it is locked once for many.
    arrived: Frames,
    /// The other end signals this event while this end waits; `None` if the system had no descriptor for it.
    event: Option<Arc<OwnedFd>>,
    /// The other end had no room for the last frame. No event reports room.
    blocked: bool,
    unreached: Unreached,
}

#[derive(Default)]
struct Cable {
    first: End,
    second: End,
}

#[derive(Default)]
struct End {
    presence: Presence,
    /// This end is closed for transmit.
    transmit_closed: bool,
    /// Frames in flight to this end.
    incoming: Frames,
    event: Option<Arc<OwnedFd>>,
    /// The thread of this end sleeps until the event.
    waiting: bool,
}

impl End {
    fn plugged_in() -> Self {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).ok().map(Arc::new);
        Self { presence: Presence::Here, event, ..Self::default() }
    }

    /// Wakes this end after a change.
    fn wake(&mut self) {
        if mem::take(&mut self.waiting)
            && let Some(event) = &self.event
        {
            signal(event);
        }
    }
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Presence {
    #[default]
    NotYet,
    Here,
    Gone,
}

impl Cable {
    /// This end and the other one.
    fn ends(&mut self, second: bool) -> (&mut End, &mut End) {
        if second { (&mut self.second, &mut self.first) } else { (&mut self.first, &mut self.second) }
    }
}

impl CableEnd {
    fn new(cable: Arc<Mutex<Cable>>, name: &str, second: bool, event: Option<Arc<OwnedFd>>) -> Self {
        let unreached = Unreached::of(format!("cable {name}"));
        Self { cable, second, arrived: Frames::default(), event, blocked: false, unreached }
    }

    fn take_incoming(&mut self) {
        if self.arrived.is_empty() {
            let mut cable = lock(&self.cable);
            mem::swap(&mut self.arrived, &mut cable.ends(self.second).0.incoming);
        }
    }
}

impl Wire for CableEnd {
    fn link_up(&mut self) -> bool {
        lock(&self.cable).ends(self.second).1.presence == Presence::Here
    }

    fn front(&mut self) -> Option<&[u8]> {
        self.take_incoming();
        self.arrived.front()
    }

    fn consume(&mut self) {
        self.take_incoming();
        self.arrived.pop();
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        if frame.is_empty() {
            return true;
        }
        let mut cable = lock(&self.cable);
        let (this, other) = cable.ends(self.second);
        match other.presence {
            _ if this.transmit_closed => true,
            Presence::NotYet => false,
            Presence::Here => {
                other.wake();
                self.blocked = !other.incoming.push(frame);
                !self.blocked
            }
            Presence::Gone => {
                self.unreached.count();
                true
            }
        }
    }

    fn close_transmit(&mut self) {
        let mut cable = lock(&self.cable);
        let (this, other) = cable.ends(self.second);
        this.transmit_closed = true;
        other.wake();
    }

    fn ended(&mut self) -> bool {
        if !self.arrived.is_empty() {
            return false;
        }
        let mut cable = lock(&self.cable);
        let (this, other) = cable.ends(self.second);
        this.incoming.is_empty() && (other.transmit_closed || other.presence == Presence::Gone)
    }

    fn wakes(&self) -> Wakes<'_> {
        let mut cable = lock(&self.cable);
        let (this, _) = cable.ends(self.second);
        match &self.event {
            _ if self.blocked => Wakes::SOON,
            // Frames that arrived already wait for a descriptor.
            _ if !self.arrived.is_empty() || !this.incoming.is_empty() => Wakes::NEVER,
            None => Wakes::SOON,
            Some(event) => {
                // Earlier signals have been handled.
                let _ = rustix::io::read(event, &mut [0; 8]);
                this.waiting = true;
                Wakes::readable(event.as_fd())
            }
        }
    }
}

impl Drop for CableEnd {
    fn drop(&mut self) {
        let mut cable = lock(&self.cable);
        let (this, other) = cable.ends(self.second);
        this.presence = Presence::Gone;
        this.incoming = Frames::default();
        other.wake();
    }
}

/// Locks the mutex. A thread that panics while it holds the lock leaves a valid state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use super::*;

    fn pair() -> (CableEnd, CableEnd) {
        let cables = Cables::default();
        (cables.connect("a").unwrap(), cables.connect("a").unwrap())
    }

    #[test]
    fn frames_go_both_ways_in_order() {
        let (mut left, mut right) = pair();
        for n in 0..100u8 {
            assert!(left.transmit(&[n; 60]) && right.transmit(&[100 + n; 61]));
        }
        for n in 0..100u8 {
            assert_eq!((left.front(), right.front()), (Some(&[100 + n; 61][..]), Some(&[n; 60][..])));
            left.consume();
            right.consume();
        }
        assert_eq!((left.front(), right.front()), (None, None));
    }

    #[test]
    fn there_is_link_only_while_both_ends_are_there() {
        let cables = Cables::default();
        let mut left = cables.connect("a").unwrap();
        assert!(!left.link_up());
        assert!(!left.transmit(&[1; 60]), "a frame waits for the other end");
        assert!(!left.ended());
        let mut right = cables.connect("a").unwrap();
        assert!(left.link_up() && right.link_up());
        assert!(left.transmit(&[1; 60]));
        drop(right);
        assert!(!left.link_up());
        assert!(left.ended());
    }

    #[test]
    fn a_third_end_is_refused_until_both_are_gone() {
        let cables = Cables::default();
        let (left, right) = (cables.connect("a").unwrap(), cables.clone().connect("a").unwrap());
        let message = cables.connect("a").err().unwrap().to_string();
        assert!(message.contains("cable a has two ends already"), "{message}");
        drop(left);
        assert!(cables.connect("a").is_err());
        drop(right);
        let (mut left, mut right) = (cables.connect("a").unwrap(), cables.connect("a").unwrap());
        assert!(left.link_up() && right.link_up());
    }

    #[test]
    fn a_lone_end_is_reported_by_name() {
        let cables = Cables::default();
        assert!(cables.check().is_ok());
        let _both = (cables.connect("both").unwrap(), cables.connect("both").unwrap());
        let lone = (cables.connect("b").unwrap(), cables.connect("a").unwrap());
        let message = cables.check().unwrap_err().to_string();
        assert_eq!(message, "cable a has one end only; open a second address with cable=a");
        drop(lone);
        assert!(cables.check().is_ok());
    }

    #[test]
    fn a_full_cable_refuses_until_frames_are_taken_or_the_other_end_is_gone() {
        let (mut left, mut right) = pair();
        assert_eq!((0..5000).take_while(|_| left.transmit(&[7; 60])).count(), Frames::LIMIT);
        assert_eq!(right.front(), Some(&[7; 60][..]));
        assert!(left.transmit(&[8; 60]));
        while left.transmit(&[8; 60]) {}
        drop(right);
        assert_eq!(left.unreached.frames, 0);
        assert!(left.transmit(&[9; 60]), "what cannot arrive is dropped");
        assert_eq!(left.unreached.frames, 1);
    }

    #[test]
    fn an_end_that_is_dropped_lets_the_other_take_what_is_under_way() {
        let (mut left, mut right) = pair();
        for n in 0..10 {
            assert!(left.transmit(&[n; 60]));
        }
        drop(left);
        for n in 0..10 {
            assert!(!right.ended());
            assert_eq!(right.front(), Some(&[n; 60][..]));
            right.consume();
        }
        assert!(right.ended() && right.front().is_none());
    }

    #[test]
    fn closing_one_direction_ends_it_and_keeps_the_other() {
        let (mut left, mut right) = pair();
        assert!(left.transmit(&[1; 60]));
        left.close_transmit();
        assert!(left.transmit(&[2; 60]), "taken and dropped");
        assert!(!right.ended());
        right.consume();
        assert!(right.ended() && right.front().is_none());
        assert!(left.link_up() && right.link_up() && !left.ended());
        assert!(right.transmit(&[3; 60]));
        assert_eq!(left.front(), Some(&[3; 60][..]));
    }

    #[test]
    fn two_threads_exchange_every_frame_in_order() {
        const COUNT: u32 = 200_000;
        let (mut left, mut right) = pair();
        let begin = Instant::now();
        let sender = thread::spawn(move || {
            for n in 0..COUNT {
                let frame = [&n.to_le_bytes()[..], &vec![n as u8; 56 + n as usize % 90]].concat();
                while !left.transmit(&frame) {
                    assert!(begin.elapsed().as_secs() < 60);
                    thread::yield_now();
                }
            }
        });
        let mut next = 0u32;
        while !right.ended() {
            assert!(begin.elapsed().as_secs() < 60);
            let Some(frame) = right.front() else {
                thread::yield_now();
                continue;
            };
            assert_eq!(frame[..4], next.to_le_bytes());
            assert_eq!(frame.len(), 60 + next as usize % 90);
            right.consume();
            next += 1;
        }
        sender.join().unwrap();
        assert_eq!(next, COUNT);
    }

    /// Whether `by` wakes an end that waits.
    fn is_woken(end: &CableEnd, by: impl FnOnce()) -> bool {
        let Wakes { readable: Some(event), within: Duration::MAX } = end.wakes() else { return false };
        let read = || rustix::io::read(event, &mut [0; 8]).is_ok();
        assert!(!read(), "an event of an earlier time");
        by();
        read()
    }

    #[test]
    fn an_end_whose_frame_had_no_room_is_looked_at_again_soon() {
        let cables = Cables::default();
        let [mut first, mut second] = [(); 2].map(|()| cables.connect("a").unwrap());
        while first.transmit(&[1; 60]) {
            assert_eq!(first.wakes().within, Duration::MAX);
        }
        // A frame that waits for its own device does not change that.
        assert!(second.transmit(&[2; 60]));
        assert_eq!(first.wakes().within, Wakes::SOON.within, "nobody says when there is room again");
        second.consume();
        assert!(first.transmit(&[1; 60]));
        assert_eq!(first.wakes().within, Duration::MAX);
    }

    #[test]
    fn an_end_that_waits_is_woken_by_everything_that_the_other_does() {
        let cables = Cables::default();
        let first = cables.connect("a").unwrap();
        let mut second = None;
        assert!(is_woken(&first, || second = Some(cables.connect("a").unwrap())), "the other end came");
        let (mut first, mut second) = (first, second.unwrap());
        assert!(is_woken(&first, || assert!(second.transmit(&[1; 60]))), "a frame");
        assert!(first.wakes().readable.is_none(), "a frame is there: it waits for its own device");
        assert!(first.front().is_some() && first.wakes().readable.is_none());
        first.consume();
        assert!(
            !is_woken(&second, || {
                lock(&second.cable).second.waiting = false;
                assert!(first.transmit(&[2; 60]));
            }),
            "a client that does not wait gets no event"
        );
        let _ = first.wakes();
        assert!(second.transmit(&[3; 60]));
        first.consume();
        assert!(is_woken(&first, || second.close_transmit()), "its end, and not the frame before");
        assert!(is_woken(&first, || drop(second)), "it left");
    }
}
