use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

use super::{GiveUp, Wakes, Wire, WireError, random::Random};

/// The faults that a wire injects on purpose. By default there are none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    /// Probability that a frame is lost.
    pub loss: f64,
    /// Probability that a frame arrives twice.
    pub dup: f64,
    /// The delay of each frame.
    pub delay: Duration,
    /// Probability that one bit of a frame is flipped. Wires carry no frame check sequence, so such a frame
    /// arrives as if the check had missed it.
    pub corrupt: f64,
    /// Selects the sequence of faults: the same seed and the same frames give the same faults.
    pub seed: u64,
}

impl Faults {
    /// Whether no fault is injected, whatever the seed.
    pub fn is_none(&self) -> bool {
        *self == Faults { seed: self.seed, ..Faults::default() }
    }
}

/// The number of frames that a wire spoilt, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounts {
    /// Frames lost.
    pub lost: u64,
    /// Frames duplicated.
    pub duplicated: u64,
    /// Frames with a wrong bit.
    pub corrupted: u64,
    /// Frames delayed.
    pub delayed: u64,
}

/// A wire that loses, duplicates, delays and damages frames, in both directions alike.
///
/// Each direction has its own sequence of faults, so sent frames do not change the faults of received ones. Frames
/// never overtake each other. With a delay, up to 4,096 frames are in flight in each direction; further ones wait
/// at their source, so the wire then carries at most that many frames in the time of one delay.
///
/// Dropping it passes on the frames it still holds, for at most a second beyond the delay, so that a sender that
/// ends loses nothing. It then also logs its counts. A program that has to end now waits for a second at most (see
/// [`until`](Self::until)).
pub struct Faulty {
    wire: Box<dyn Wire>,
    faults: Faults,
    received: Direction,
    sent: Direction,
    /// The last call took its limit of frames, so there may be more.
    more: bool,
    /// The other end is to see the close once no frames are held.
    closing: bool,
    transmit_closed: bool,
    give_up: GiveUp,
}

/// Frames held in each direction when there is a delay.
const HELD: usize = 4096;
/// The time at the end for frames that are due.
const REST: Duration = Duration::from_secs(1);
/// Frames handled in one call, so that a call also ends with an endless source and all frames lost.
const FRAMES_PER_CALL: usize = 256;

impl Faulty {
    /// Spoils `wire`.
    pub fn new(wire: Box<dyn Wire>, faults: Faults) -> Self {
        let received = Direction::new(faults.seed);
        // Far from the other direction's place in the generator's cycle.
        let sent = Direction::new(!faults.seed);
        let give_up = GiveUp::default();
        Faulty { wire, faults, received, sent, more: false, closing: false, transmit_closed: false, give_up }
    }

    /// The same, with frames that are lost at the end when they are due more than a second after `give_up`.
    #[must_use]
    pub fn until(mut self, give_up: &GiveUp) -> Self {
        self.give_up = give_up.clone();
        self
    }

    /// The faults injected so far.
    pub fn counts(&self) -> FaultCounts {
        let [a, b] = [self.received.counts, self.sent.counts];
        FaultCounts {
            lost: a.lost + b.lost,
            duplicated: a.duplicated + b.duplicated,
            corrupted: a.corrupted + b.corrupted,
            delayed: a.delayed + b.delayed,
        }
    }

    /// Takes frames off the wire while there is room for them.
    fn take_received(&mut self) {
        let room = if self.faults.delay.is_zero() { 1 } else { HELD };
        self.more = false;
        for _ in 0..FRAMES_PER_CALL {
            if self.received.held.len() >= room {
                return;
            }
            let Some(frame) = self.wire.front() else { return };
            let fate = self.received.fate(&self.faults, frame.len());
            self.received.admit(&self.faults, frame, fate);
            self.wire.consume();
        }
        self.more = true;
    }

    /// Passes the frames that are due to the wire.
    fn pass_sent(&mut self) {
        while self.sent.due().is_some_and(|frame| self.wire.transmit(frame)) {
            self.sent.pop();
        }
        if self.closing && self.sent.held.is_empty() {
            self.closing = false;
            self.wire.close_transmit();
        }
    }
}

impl Wire for Faulty {
    fn inner(&self) -> Option<&dyn Wire> {
        Some(&*self.wire)
    }

    fn inner_mut(&mut self) -> Option<&mut dyn Wire> {
        Some(&mut *self.wire)
    }

    fn link_up(&mut self) -> bool {
        self.pass_sent();
        self.wire.link_up()
    }

    fn front(&mut self) -> Option<&[u8]> {
        self.pass_sent();
        self.take_received();
        self.received.due()
    }

    fn consume(&mut self) {
        if self.received.due().is_some() {
            self.received.pop();
        }
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        if frame.is_empty() || self.transmit_closed {
            return true;
        }
        self.pass_sent();
        if self.faults.delay.is_zero() {
            // No frame is held without need, so that back pressure acts frame by frame.
            if !self.sent.held.is_empty() {
                return false;
            }
            let before = self.sent.clone_state();
            let fate = self.sent.fate(&self.faults, frame.len());
            self.sent.admit(&self.faults, frame, fate);
            if self.sent.due().is_some_and(|frame| !self.wire.transmit(frame)) {
                // The frame is offered again, and has to meet the same fate then.
                self.sent.restore(before);
                return false;
            }
            self.sent.pop();
        } else {
            if self.sent.held.len() >= HELD {
                return false;
            }
            let fate = self.sent.fate(&self.faults, frame.len());
            self.sent.admit(&self.faults, frame, fate);
        }
        self.pass_sent();
        true
    }

    fn close_transmit(&mut self) {
        self.closing = !self.transmit_closed;
        self.transmit_closed = true;
        self.pass_sent();
    }

    fn ended(&mut self) -> bool {
        self.pass_sent();
        self.take_received();
        self.received.held.is_empty() && self.wire.ended()
    }

    fn flush(&mut self) -> Result<(), WireError> {
        self.pass_sent();
        self.wire.flush()
    }

    fn wakes(&self) -> Wakes<'_> {
        let mut wakes = self.wire.wakes();
        if self.more {
            wakes.within = wakes.within.min(Wakes::SOON.within);
        }
        for direction in [&self.received, &self.sent] {
            if let Some((Some(due), _)) = direction.held.front() {
                // A frame that is due and could not be passed on is offered again soon.
                let within = due.saturating_duration_since(Instant::now());
                let within = if within.is_zero() { Wakes::SOON.within } else { within };
                wakes.within = wakes.within.min(within);
            }
        }
        wakes
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        let mut end = Instant::now() + self.faults.delay + REST;
        while self.wire.link_up() && Instant::now() < end {
            self.pass_sent();
            if self.give_up.now() {
                end = end.min(Instant::now() + REST);
            }
            let next = self.sent.held.front();
            if next.is_none_or(|(due, _)| due.is_some_and(|due| due >= end)) {
                break;
            }
            thread::sleep(Duration::from_micros(50));
        }
        let FaultCounts { lost, duplicated, corrupted, delayed } = self.counts();
        let unsent = self.sent.held.len();
        tracing::info!(
            lost,
            duplicated,
            corrupted,
            delayed,
            unsent,
            seed = self.faults.seed,
            "faults of a wire"
        );
        if unsent > 0 {
            tracing::warn!("{unsent} frames under way on a wire are lost at the end of the program");
        }
    }
}

/// One direction of the wire.
struct Direction {
    random: Random,
    /// Frames, each with the time at which it is due when there is a delay.
    held: VecDeque<(Option<Instant>, Vec<u8>)>,
    /// Buffers for reuse.
    spare: Vec<Vec<u8>>,
    counts: FaultCounts,
}

/// The faults of one frame.
struct Fate {
    lost: bool,
    doubled: bool,
    wrong_bit: Option<u32>,
}

impl Direction {
    fn new(seed: u64) -> Self {
        Direction {
            random: Random::new(seed),
            held: VecDeque::new(),
            spare: Vec::new(),
            counts: FaultCounts::default(),
        }
    }

    /// Draws the faults for a frame of `length` bytes. It always takes four draws, so that one fault's settings do
    /// not change which frames another one hits.
    fn fate(&mut self, faults: &Faults, length: usize) -> Fate {
        let random = &mut self.random;
        let (lost, doubled) = (random.happens(faults.loss), random.happens(faults.dup));
        let (corrupt, bit) = (random.happens(faults.corrupt), random.below((length * 8) as u32));
        Fate { lost, doubled: doubled && !lost, wrong_bit: (corrupt && !lost).then_some(bit) }
    }

    /// Holds the copies of a frame that arrive: none, one or two.
    fn admit(&mut self, faults: &Faults, frame: &[u8], fate: Fate) {
        let counts = &mut self.counts;
        counts.lost += u64::from(fate.lost);
        counts.duplicated += u64::from(fate.doubled);
        counts.corrupted += u64::from(fate.wrong_bit.is_some());
        counts.delayed += u64::from(!fate.lost && !faults.delay.is_zero());
        let due = (!faults.delay.is_zero()).then(|| Instant::now() + faults.delay);
        for _ in 0..if fate.lost { 0 } else { 1 + usize::from(fate.doubled) } {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.extend_from_slice(frame);
            let wrong = fate.wrong_bit.and_then(|bit| Some((bytes.get_mut(bit as usize / 8)?, bit % 8)));
            if let Some((byte, bit)) = wrong {
                *byte ^= 1 << bit;
            }
            self.held.push_back((due, bytes));
        }
    }

    /// The frame that was held first, if its time has come.
    fn due(&self) -> Option<&[u8]> {
        let (due, frame) = self.held.front()?;
        due.is_none_or(|due| Instant::now() >= due).then_some(frame)
    }

    fn pop(&mut self) {
        if let Some((_, mut frame)) = self.held.pop_front() {
            frame.clear();
            self.spare.push(frame);
        }
    }

    fn clone_state(&self) -> (Random, FaultCounts) {
        (self.random.clone(), self.counts)
    }

    /// Restores the state before the held frames were admitted.
    fn restore(&mut self, (random, counts): (Random, FaultCounts)) {
        (self.random, self.counts) = (random, counts);
        while !self.held.is_empty() {
            self.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{CableEnd, Cables, Flood, Loopback},
        *,
    };

    fn frame(n: u32) -> Vec<u8> {
        [&n.to_le_bytes()[..], &[0x55; 56]].concat()
    }

    fn number(frame: &[u8]) -> u32 {
        u32::from_le_bytes(*frame.first_chunk().unwrap())
    }

    /// A cable of which the first end is faulty.
    fn faulty_cable(faults: Faults) -> (Faulty, CableEnd) {
        let cables = Cables::default();
        let first = Box::new(cables.connect("a").unwrap());
        (Faulty::new(first, faults), cables.connect("a").unwrap())
    }

    fn drain(wire: &mut dyn Wire) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(frame) = wire.front() {
            all.push(frame.to_vec());
            wire.consume();
        }
        all
    }

    /// Sends `count` frames in the given direction; returns those that arrive.
    fn through(faults: Faults, count: u32, towards_faulty: bool) -> (Vec<Vec<u8>>, FaultCounts) {
        let (mut faulty, mut plain) = faulty_cable(faults);
        let mut arrived = Vec::new();
        for n in 0..count {
            let (from, to): (&mut dyn Wire, &mut dyn Wire) =
                if towards_faulty { (&mut plain, &mut faulty) } else { (&mut faulty, &mut plain) };
            while !from.transmit(&frame(n)) {
                arrived.extend(drain(to));
            }
        }
        let to: &mut dyn Wire = if towards_faulty { &mut faulty } else { &mut plain };
        arrived.extend(drain(to));
        (arrived, faulty.counts())
    }

    #[test]
    fn without_faults_every_frame_arrives_as_it_is() {
        for towards_faulty in [true, false] {
            let (arrived, counts) = through(Faults::default(), 5000, towards_faulty);
            assert_eq!(arrived, (0..5000).map(frame).collect::<Vec<_>>());
            assert_eq!(counts, FaultCounts::default());
        }
    }

    #[test]
    fn loss_takes_its_share_in_both_directions_and_keeps_the_order() {
        for towards_faulty in [true, false] {
            let (arrived, counts) =
                through(Faults { loss: 0.25, ..Faults::default() }, 20_000, towards_faulty);
            assert_eq!(arrived.len() as u64 + counts.lost, 20_000);
            assert!((4_500..5_500).contains(&counts.lost), "{counts:?}");
            assert!(arrived.is_sorted_by(|a, b| number(a) < number(b)));
            assert_eq!(FaultCounts { lost: 0, ..counts }, FaultCounts::default());
        }
    }

    #[test]
    fn doubled_frames_arrive_twice_in_a_row() {
        for towards_faulty in [true, false] {
            let (arrived, counts) = through(Faults { dup: 1.0, ..Faults::default() }, 3_000, towards_faulty);
            assert_eq!(arrived, (0..3_000).flat_map(|n| [frame(n), frame(n)]).collect::<Vec<_>>());
            assert_eq!(counts, FaultCounts { duplicated: 3_000, ..FaultCounts::default() });
        }
    }

    #[test]
    fn a_damaged_frame_has_exactly_one_wrong_bit_anywhere() {
        for towards_faulty in [true, false] {
            let (arrived, counts) =
                through(Faults { corrupt: 1.0, ..Faults::default() }, 10_000, towards_faulty);
            assert_eq!(counts, FaultCounts { corrupted: 10_000, ..FaultCounts::default() });
            let mut places = [false; 480];
            for (n, found) in arrived.iter().enumerate() {
                let wanted = frame(n as u32);
                let wrong: Vec<usize> =
                    (0..480).filter(|bit| (wanted[bit / 8] ^ found[bit / 8]) >> (bit % 8) & 1 == 1).collect();
                assert_eq!(wrong.len(), 1);
                places[wrong[0]] = true;
            }
            assert!(places.iter().all(|hit| *hit));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_and_another_others() {
        let run = |seed, corrupt| {
            let faults = Faults { loss: 0.2, dup: 0.2, corrupt, seed, ..Faults::default() };
            through(faults, 2_000, true).0
        };
        assert_eq!(run(1, 0.2), run(1, 0.2));
        assert_ne!(run(1, 0.2), run(2, 0.2));
        let lengths = |frames: Vec<Vec<u8>>| frames.len();
        assert_eq!(lengths(run(1, 0.2)), lengths(run(1, 0.0)), "damage does not change what is lost");
    }

    #[test]
    fn the_directions_do_not_disturb_each_other() {
        let faults = Faults { loss: 0.3, ..Faults::default() };
        let alone = through(faults.clone(), 500, true).0;
        let (mut faulty, mut plain) = faulty_cable(faults);
        let (mut arrived, mut other) = (Vec::new(), 0);
        for n in 0..500 {
            assert!(plain.transmit(&frame(n)) && faulty.transmit(&frame(n)));
            arrived.extend(drain(&mut faulty));
            other += drain(&mut plain).len();
        }
        assert_eq!(arrived, alone);
        assert!(other > 200 && other != alone.len(), "the other direction has faults of its own: {other}");
    }

    #[test]
    fn back_pressure_is_felt_frame_by_frame_and_changes_no_fate() {
        let faults = Faults { loss: 0.1, dup: 0.1, corrupt: 0.1, seed: 9, ..Faults::default() };
        let wanted = through(faults.clone(), 500, false).0;
        let (mut faulty, mut plain) = faulty_cable(faults);
        // A full cable, so that most frames are offered several times.
        while plain.transmit(&[0; 60]) {}
        let mut filler = 0;
        while faulty.wire.transmit(&[0; 60]) {
            filler += 1;
        }
        let (mut arrived, mut tries) = (Vec::new(), 0);
        for n in 0..500 {
            while !faulty.transmit(&frame(n)) {
                tries += 1;
                if tries % 3 == 0 {
                    arrived.extend(drain(&mut plain));
                }
            }
        }
        faulty.flush().unwrap();
        arrived.extend(drain(&mut plain));
        assert_eq!(arrived[filler..], wanted);
        assert!(tries > 0);
    }

    #[test]
    fn delayed_frames_arrive_no_earlier_and_all_of_them_in_order() {
        let delay = Duration::from_millis(30);
        for towards_faulty in [true, false] {
            let (mut faulty, mut plain) = faulty_cable(Faults { delay, ..Faults::default() });
            let begin = Instant::now();
            for n in 0..100 {
                assert!(if towards_faulty { plain.transmit(&frame(n)) } else { faulty.transmit(&frame(n)) });
            }
            let mut arrived = Vec::new();
            while arrived.len() < 100 {
                assert!(begin.elapsed() < Duration::from_secs(20));
                faulty.link_up();
                let to: &mut dyn Wire = if towards_faulty { &mut faulty } else { &mut plain };
                let new = drain(to);
                assert!(
                    new.is_empty() || begin.elapsed() >= delay,
                    "a frame came after {:?}",
                    begin.elapsed()
                );
                arrived.extend(new);
            }
            assert_eq!(arrived, (0..100).map(frame).collect::<Vec<_>>());
            assert_eq!(faulty.counts(), FaultCounts { delayed: 100, ..FaultCounts::default() });
        }
    }

    #[test]
    fn closing_waits_for_what_is_delayed() {
        let delay = Duration::from_millis(20);
        let (mut faulty, mut plain) = faulty_cable(Faults { delay, ..Faults::default() });
        let begin = Instant::now();
        assert!(faulty.transmit(&frame(1)));
        faulty.close_transmit();
        assert!(faulty.transmit(&frame(2)), "taken and dropped");
        while !plain.ended() {
            assert!(begin.elapsed() < Duration::from_secs(20));
            faulty.link_up();
            if plain.front().is_some() {
                assert_eq!(drain(&mut plain), [frame(1)]);
                assert!(begin.elapsed() >= delay);
            }
        }
        assert!(begin.elapsed() >= delay);
    }

    #[test]
    fn dropping_passes_on_what_is_held() {
        let (mut faulty, mut plain) =
            faulty_cable(Faults { delay: Duration::from_millis(10), ..Faults::default() });
        for n in 0..50 {
            assert!(faulty.transmit(&frame(n)));
        }
        drop(faulty);
        assert_eq!(drain(&mut plain), (0..50).map(frame).collect::<Vec<_>>());
        assert!(plain.ended());
    }

    #[test]
    fn a_program_that_ends_does_not_wait_for_frames_that_are_due_much_later() {
        for (delay, arrive) in [(Duration::from_secs(10), 0), (Duration::from_millis(10), 50)] {
            let (faulty, mut plain) = faulty_cable(Faults { delay, ..Faults::default() });
            let mut faulty = faulty.until(&GiveUp::when(|| true));
            for n in 0..50 {
                assert!(faulty.transmit(&frame(n)));
            }
            let begin = Instant::now();
            drop(faulty);
            assert!(begin.elapsed() < Duration::from_secs(5), "{delay:?}: it took {:?}", begin.elapsed());
            assert_eq!(drain(&mut plain).len(), arrive, "{delay:?}");
        }
    }

    #[test]
    fn an_input_has_ended_only_when_the_held_frames_were_taken() {
        let (mut faulty, mut plain) = faulty_cable(Faults { dup: 1.0, ..Faults::default() });
        assert!(plain.transmit(&frame(1)));
        drop(plain);
        for _ in 0..2 {
            assert!(!faulty.ended());
            assert_eq!(faulty.front(), Some(&frame(1)[..]));
            faulty.consume();
        }
        assert!(faulty.ended());
    }

    #[test]
    fn frames_behind_many_that_were_lost_at_once_are_looked_for_soon() {
        let faults = Faults { loss: 1.0, ..Faults::default() };
        let (mut faulty, mut plain) = faulty_cable(faults);
        for n in 0..FRAMES_PER_CALL as u32 + 1 {
            assert!(plain.transmit(&frame(n)));
        }
        assert!(faulty.front().is_none());
        assert_eq!(faulty.wakes().within, Wakes::SOON.within, "one is left");
        assert!(faulty.front().is_none());
        assert_eq!(faulty.wakes().within, Duration::MAX);
    }

    #[test]
    fn losing_every_frame_of_an_endless_source_hangs_nobody() {
        let mut faulty = Faulty::new(Box::new(Flood::new(60, 1)), Faults { loss: 1.0, ..Faults::default() });
        assert_eq!(faulty.front(), None);
        assert!(faulty.counts().lost > 0 && !faulty.ended());
    }

    #[test]
    fn consuming_before_the_time_has_come_takes_nothing() {
        let delay = Duration::from_secs(5);
        let mut faulty = Faulty::new(Box::new(Loopback::new()), Faults { delay, ..Faults::default() });
        faulty.faults.delay = Duration::from_millis(1);
        assert!(faulty.transmit(&frame(1)));
        thread::sleep(Duration::from_millis(2));
        faulty.faults.delay = delay;
        assert_eq!(faulty.front(), None);
        faulty.consume();
        assert_eq!(faulty.received.held.len(), 1);
        // The frame is on the receiving side, so dropping must not wait for it.
        assert!(faulty.sent.held.is_empty());
    }

    #[test]
    fn a_frame_that_is_held_has_to_be_looked_at_when_its_time_has_come() {
        let delay = Duration::from_secs(5);
        let faults = Faults { delay, ..Faults::default() };
        for towards_faulty in [true, false] {
            let mut faulty = Faulty::new(Box::new(Loopback::new()), faults.clone());
            assert_eq!(faulty.wakes().within, Duration::MAX, "nothing is under way");
            if towards_faulty {
                assert!(faulty.wire.transmit(&frame(1)));
                assert_eq!(faulty.front(), None);
            } else {
                assert!(faulty.transmit(&frame(1)));
            }
            let within = faulty.wakes().within;
            assert!(within <= delay && within > delay / 2, "{within:?}");
            // The frame is due but not taken, which can be for lack of a descriptor.
            let direction = if towards_faulty { &mut faulty.received } else { &mut faulty.sent };
            direction.held[0].0 = Some(Instant::now());
            assert_eq!(faulty.wakes().within, Wakes::SOON.within);
            direction_clear(&mut faulty);
        }
    }

    /// Makes the drop return without waiting.
    fn direction_clear(faulty: &mut Faulty) {
        faulty.sent.held.clear();
    }
}
