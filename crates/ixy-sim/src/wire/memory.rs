use std::{
    collections::VecDeque,
    fmt, mem,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::event::{EventfdFlags, eventfd};

use super::{Wakes, Wire, WireError};
use crate::events::signal;

/// A wire to this program itself: it supplies the frames that the card receives, and takes those that the card
/// sends. No file, socket or interface is involved.
///
/// Clones share the same wire, so a program keeps one and gives the other to the card. Frames wait in order on
/// both sides until they are taken. A program can push any number of frames. The card holds its frames back while
/// [`LIMIT`](Self::LIMIT) bytes wait here.
///
/// ```
/// use ixy_sim::wire::{Cables, MemoryWire, Wire, WireKind, WireSpec};
///
/// let wire = MemoryWire::new();
/// wire.push(&[0xff; 42]);
/// wire.end();
///
/// let spec = WireSpec { kind: WireKind::Memory(wire.clone()), ..WireSpec::default() };
/// let mut card_side = spec.connect(&Cables::default())?;
/// assert_eq!(card_side.front().map(<[u8]>::len), Some(60), "short frames are padded");
/// card_side.consume();
/// assert!(card_side.ended());
///
/// assert!(card_side.transmit(&[1; 60]));
/// assert_eq!(wire.pop(), Some(vec![1; 60]));
/// # Ok::<(), ixy_sim::wire::WireError>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryWire(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Signalled when the card sends a frame, or closes its transmit side.
    sent: Condvar,
}

#[derive(Default)]
struct State {
    /// Frames in flight to the card.
    incoming: VecDeque<Vec<u8>>,
    /// The program pushes no more frames.
    ended: bool,
    /// Frames sent by the card.
    sent: VecDeque<Vec<u8>>,
    /// The bytes in them.
    sent_bytes: usize,
    /// The card closed its transmit side.
    finished: bool,
    /// The wire is plugged into a card.
    plugged: bool,
    /// Wakes the thread that polls the card; `None` if the system had no descriptor for it.
    event: Option<Arc<OwnedFd>>,
    waiting: bool,
}

impl State {
    /// Wakes the thread that polls the card.
    fn wake(&mut self) {
        if mem::take(&mut self.waiting)
            && let Some(event) = &self.event
        {
            signal(event);
        }
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let frame = self.sent.pop_front()?;
        self.sent_bytes -= frame.len();
        Some(frame)
    }
}

impl MemoryWire {
    /// The card sends no more while this many bytes of sent frames wait to be taken.
    pub const LIMIT: usize = 64 << 20;

    /// A wire without frames in flight.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends the card a frame, from its destination address on and without frame check sequence. An empty frame is
    /// ignored.
    pub fn push(&self, frame: &[u8]) {
        let mut state = self.lock();
        if !frame.is_empty() && !state.ended {
            state.incoming.push_back(frame.to_vec());
            state.wake();
        }
    }

    /// Ends the input. The card's input ends once it has received the frames pushed so far; later ones are
    /// dropped.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.wake();
    }

    /// Takes the oldest frame that the card sent, if any.
    pub fn pop(&self) -> Option<Vec<u8>> {
        self.lock().pop()
    }

    /// Takes the oldest frame that the card sent, and waits up to `limit` for one. Returns `None` at once when the
    /// card will send nothing more.
    pub fn pop_within(&self, limit: Duration) -> Option<Vec<u8>> {
        let start = Instant::now();
        let mut state = self.lock();
        loop {
            let frame = state.pop();
            let left = limit.saturating_sub(start.elapsed());
            if frame.is_some() || state.finished || left.is_zero() {
                return frame;
            }
            state = self.0.sent.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes all frames that the card has sent so far, in order.
    pub fn drain(&self) -> Vec<Vec<u8>> {
        let mut state = self.lock();
        state.sent_bytes = 0;
        mem::take(&mut state.sent).into()
    }

    /// Whether the card will send nothing more: its program closed the transmit side or the card.
    pub fn is_finished(&self) -> bool {
        self.lock().finished
    }

    /// Plugs the wire into a card; returns the card's end.
    pub(crate) fn plug(&self) -> Result<MemoryEnd, WireError> {
        let mut state = self.lock();
        if mem::replace(&mut state.plugged, true) {
            return Err(WireError::MemoryInUse);
        }
        state.finished = false;
        if state.event.is_none() {
            state.event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).ok().map(Arc::new);
        }
        let event = state.event.clone();
        drop(state);
        Ok(MemoryEnd { wire: self.clone(), arrived: VecDeque::new(), event, closed: false, blocked: false })
    }

    /// Locks the state. A thread that panics while it holds the lock leaves a valid state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wire on which these frames arrive, and then its input ends.
impl<F: AsRef<[u8]>> FromIterator<F> for MemoryWire {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Self {
        let wire = Self::new();
        frames.into_iter().for_each(|frame| wire.push(frame.as_ref()));
        wire.end();
        wire
    }
}

/// Equal if both are the same wire; equal frames do not suffice.
impl PartialEq for MemoryWire {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for MemoryWire {}

impl fmt::Debug for MemoryWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("MemoryWire")
            .field("incoming", &state.incoming.len())
            .field("ended", &state.ended)
            .field("sent", &state.sent.len())
            .finish_non_exhaustive()
    }
}

/// The card's end of a [`MemoryWire`].
pub(crate) struct MemoryEnd {
    wire: MemoryWire,
    /// Frames taken off the wire in one batch, so that it is locked once for many.
    arrived: VecDeque<Vec<u8>>,
    event: Option<Arc<OwnedFd>>,
    /// The card's transmit side is closed.
    closed: bool,
    /// There was no room for the last frame.
    blocked: bool,
}

impl MemoryEnd {
    fn take_incoming(&mut self) {
        if self.arrived.is_empty() {
            mem::swap(&mut self.arrived, &mut self.wire.lock().incoming);
        }
    }
}

impl Wire for MemoryEnd {
    fn front(&mut self) -> Option<&[u8]> {
        self.take_incoming();
        self.arrived.front().map(Vec::as_slice)
    }

    fn consume(&mut self) {
        self.take_incoming();
        self.arrived.pop_front();
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        if frame.is_empty() || self.closed {
            return true;
        }
        let mut state = self.wire.lock();
        self.blocked = state.sent_bytes >= MemoryWire::LIMIT;
        if !self.blocked {
            state.sent.push_back(frame.to_vec());
            state.sent_bytes += frame.len();
            self.wire.0.sent.notify_all();
        }
        !self.blocked
    }

    fn close_transmit(&mut self) {
        self.closed = true;
        self.wire.lock().finished = true;
        self.wire.0.sent.notify_all();
    }

    fn ended(&mut self) -> bool {
        self.take_incoming();
        self.arrived.is_empty() && self.wire.lock().ended
    }

    fn wakes(&self) -> Wakes<'_> {
        let mut state = self.wire.lock();
        match &self.event {
            _ if self.blocked => Wakes::SOON,
            // The frame at the front waits for a descriptor.
            _ if !self.arrived.is_empty() || !state.incoming.is_empty() => Wakes::NEVER,
            None => Wakes::SOON,
            Some(event) => {
                // Earlier signals have been handled: their frames were taken.
                let _ = rustix::io::read(event, &mut [0; 8]);
                state.waiting = true;
                Wakes::readable(event.as_fd())
            }
        }
    }
}

impl Drop for MemoryEnd {
    fn drop(&mut self) {
        let mut state = self.wire.lock();
        // The next card at this wire receives the frames that this one did not.
        while let Some(frame) = self.arrived.pop_back() {
            state.incoming.push_front(frame);
        }
        (state.plugged, state.finished) = (false, true);
        self.wire.0.sent.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn frames_go_both_ways_in_order_and_both_ends_can_be_seen() {
        let wire: MemoryWire = (1..=3u8).map(|n| [n; 60]).collect();
        let mut card = wire.plug().unwrap();
        assert!(card.link_up() && card.waits() && !card.ended());
        for n in 1..=3 {
            assert_eq!(card.front(), Some(&[n; 60][..]));
            assert!(card.transmit(&[n + 10; 60]));
            card.consume();
        }
        assert!(card.ended() && card.front().is_none() && !wire.is_finished());
        wire.push(&[9; 60]);
        assert!(card.ended(), "what is pushed after the end is dropped");
        card.close_transmit();
        assert!(wire.is_finished() && card.transmit(&[1; 60]));
        assert_eq!(wire.pop(), Some(vec![11; 60]));
        assert_eq!(wire.drain(), [vec![12; 60], vec![13; 60]]);
        assert_eq!((wire.pop(), wire.drain().len()), (None, 0));
    }

    #[test]
    fn a_wire_has_one_card_at_a_time_and_the_next_one_gets_what_is_left() {
        let wire = MemoryWire::new();
        wire.push(&[1; 60]);
        wire.push(&[]);
        wire.push(&[2; 60]);
        let mut card = wire.plug().unwrap();
        assert_eq!(card.front(), Some(&[1; 60][..]));
        let message = wire.clone().plug().err().unwrap().to_string();
        assert!(message.contains("another card"), "{message}");
        drop(card);
        assert!(wire.is_finished());
        let mut card = wire.plug().unwrap();
        assert!(!wire.is_finished());
        for n in [1, 2] {
            assert_eq!(card.front(), Some(&[n; 60][..]));
            card.consume();
        }
        assert!(!card.ended());
        wire.end();
        assert!(card.ended());
    }

    #[test]
    fn the_card_waits_once_much_was_sent_and_nothing_taken() {
        let wire = MemoryWire::new();
        let mut card = wire.plug().unwrap();
        let frame = vec![7; 64 << 10];
        for _ in 0..MemoryWire::LIMIT / frame.len() {
            assert!(card.transmit(&frame));
        }
        assert!(!card.transmit(&frame));
        assert_eq!(card.wakes().within, Wakes::SOON.within, "it looks for room again soon");
        assert_eq!(wire.pop().unwrap().len(), frame.len());
        assert!(card.transmit(&frame) && !card.transmit(&frame));
    }

    #[test]
    fn a_program_can_wait_for_a_frame_for_a_time_or_until_no_more_comes() {
        let wire = MemoryWire::new();
        let mut card = wire.plug().unwrap();
        assert_eq!(wire.pop_within(Duration::from_millis(1)), None);
        thread::scope(|scope| {
            scope.spawn(|| {
                assert!(card.transmit(&[5; 60]));
                thread::sleep(Duration::from_millis(20));
                card.close_transmit();
            });
            assert_eq!(wire.pop_within(Duration::MAX), Some(vec![5; 60]));
            let start = Instant::now();
            assert_eq!(wire.pop_within(Duration::from_secs(20)), None);
            assert!(start.elapsed() < Duration::from_secs(15), "the end of what is sent ends the wait");
        });
    }

    #[test]
    fn a_frame_that_is_pushed_wakes_the_thread_that_polls_the_card() {
        let wire = MemoryWire::new();
        let card = wire.plug().unwrap();
        let counted = |event: &OwnedFd| rustix::io::read(event, &mut [0; 8]).is_ok();
        assert!(card.wakes().readable.is_some());
        let event = card.event.clone().unwrap();
        assert!(!counted(&event));
        wire.push(&[1; 60]);
        assert!(counted(&event));
        wire.push(&[1; 60]);
        assert!(!counted(&event), "nobody waits");
        assert!(card.wakes().readable.is_none(), "a frame is there");
    }
}
