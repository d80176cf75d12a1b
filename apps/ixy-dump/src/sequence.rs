//! Checks that numbered frames all arrive, once, and in order: [`Sequence`].

use std::collections::BTreeSet;

use ixy_cli::numbered::{self, Number};
use ixy_cli::{Error, Reporter};

/// The distance up to which a late frame can be distinguished from a repeated one: in frames, a multiple of 64.
const WINDOW: u64 = 1 << 20;
/// The number of frames that may be missing before a frame, without a doubt about its number.
const NEAR: u64 = 8;
/// The distance within which the next frame confirms a number that is in doubt.
const SPAN: u64 = 1024;
/// The most frames at a time that may be far ahead of all others.
const EARLY: usize = 4096;

/// Follows the numbers of ixy-pktgen's frames, from 0 on.
///
/// A frame that is damaged on the way can have any number. So one that is far ahead is in doubt until the next frame
/// comes. If that one continues there, frames are missing before both. If not, the frame either overtook others, which
/// shows when those behind it arrive and its own number does not, or its number is wrong.
#[derive(Default)]
pub(crate) struct Sequence {
    /// The number of frames that should arrive, if known.
    expected: Option<u64>,
    /// One bit for each of the numbers before `next`: whether it has arrived.
    seen: Vec<u64>,
    /// The highest number that has arrived without a doubt, plus one.
    next: u64,
    first: Option<u64>,
    /// A number that is far ahead, until the next one decides, and how often in a row it arrived.
    held: Option<(u64, u64)>,
    /// Numbers that are far ahead and were not continued, until those behind them decide.
    early: BTreeSet<u64>,
    /// Frames without a number.
    others: u64,
    /// The count of distinct numbers that have arrived.
    arrived: u64,
    /// Those of them that are not below `expected`.
    beyond: u64,
    repeated: u64,
    /// Frames that arrived after one with a higher number, and frames that overtook many others alone.
    late: u64,
    /// Frames whose number cannot be theirs.
    wrong: u64,
}

impl Sequence {
    /// For `expected` frames, or any number of frames.
    pub(crate) fn new(expected: Option<u64>) -> Self {
        Self { expected, seen: vec![0; (WINDOW / 64) as usize], ..Self::default() }
    }

    /// Processes a frame.
    pub(crate) fn look(&mut self, frame: &[u8]) {
        match numbered::read(frame) {
            Some(Number::Intact(number)) => self.number(number),
            Some(Number::Damaged) => self.wrong += 1,
            None => self.others += 1,
        }
    }

    fn number(&mut self, number: u32) {
        // Numbers have 32 bits and wrap around; the nearest one to those before it is meant. The first is as it stands.
        let distance = match self.first {
            Some(_) => i64::from(number.wrapping_sub(self.next as u32) as i32),
            None => number.into(),
        };
        // There are no numbers before the first.
        let Some(number) = self.next.checked_add_signed(distance) else {
            self.wrong += 1;
            return;
        };
        if let Some((held, times)) = self.held {
            if number == held {
                // A copy confirms nothing.
                self.held = Some((held, times + 1));
                return;
            }
            self.held = None;
            let apart = number.abs_diff(held);
            if apart <= SPAN && apart < number.abs_diff(self.next) {
                self.repeated += times - 1;
                self.accept(held);
            } else {
                self.wrong += times - 1;
                self.doubt(held);
            }
        }
        if number < self.next {
            self.behind(number);
        } else if number == self.next || number - self.next <= NEAR && self.is_expected(number) {
            self.accept(number);
        } else {
            self.held = Some((number, 1));
        }
    }

    /// Processes a number that is not behind the others, and is right.
    fn accept(&mut self, number: u64) {
        // The places of the skipped numbers belonged to numbers a window before.
        if number - self.next >= WINDOW {
            self.seen.fill(0);
        } else {
            (self.next..number).for_each(|place| self.set(place, false));
        }
        while let Some(early) = self.early.first().copied().filter(|early| *early <= number) {
            self.early.remove(&early);
            if early == number {
                // The number arrives now; the frame that had it before is another one.
                self.wrong += 1;
                continue;
            }
            self.arrived += 1;
            self.late += 1;
            if number - early <= WINDOW {
                self.set(early, true);
            }
        }
        self.first.get_or_insert(number);
        self.set(number, true);
        self.next = number + 1;
        self.count(number);
    }

    /// Processes a number that is far ahead, after the next frame did not continue there.
    fn doubt(&mut self, number: u64) {
        let possible = number >= self.next && number - self.next < WINDOW && self.is_expected(number);
        if !possible || !self.early.insert(number) {
            self.wrong += 1;
        } else if self.early.len() > EARLY {
            self.early.pop_last();
            self.wrong += 1;
        }
    }

    /// Processes a number that is behind the highest.
    fn behind(&mut self, number: u64) {
        if self.next - number > WINDOW || self.is_seen(number) {
            self.repeated += 1;
        } else {
            self.set(number, true);
            self.count(number);
            self.late += 1;
        }
    }

    fn count(&mut self, number: u64) {
        self.arrived += 1;
        self.beyond += u64::from(!self.is_expected(number));
    }

    fn is_expected(&self, number: u64) -> bool {
        self.expected.is_none_or(|expected| number < expected)
    }

    fn is_seen(&self, number: u64) -> bool {
        self.seen[(number % WINDOW / 64) as usize] >> (number % 64) & 1 == 1
    }

    fn set(&mut self, number: u64, seen: bool) {
        let word = &mut self.seen[(number % WINDOW / 64) as usize];
        *word = *word & !(1 << (number % 64)) | u64::from(seen) << (number % 64);
    }

    /// Decides what is in doubt after the last frame.
    pub(crate) fn end(&mut self) {
        while let Some(early) = self.early.first().copied().filter(|early| early - self.next <= NEAR) {
            self.early.remove(&early);
            self.accept(early);
            self.late += 1;
        }
        self.wrong += std::mem::take(&mut self.early).len() as u64;
        if let Some((held, times)) = self.held.take() {
            let only = self.first.is_none() && self.wrong == 0;
            if only || held - self.next <= SPAN && self.is_expected(held) {
                self.accept(held);
                self.repeated += times - 1;
            } else {
                self.wrong += times;
            }
        }
    }

    /// The count of missing numbers: of those expected, or of those up to the highest that arrived.
    fn lost(&self) -> u64 {
        self.expected.unwrap_or(self.next) - (self.arrived - self.beyond)
    }

    /// Adds the counts to the summary.
    pub(crate) fn note(&self, reporter: &mut Reporter) {
        for (name, count) in [
            ("numbered", self.arrived + self.repeated + self.wrong),
            ("lost", self.lost()),
            ("repeated", self.repeated),
            ("out_of_order", self.late),
            ("wrong_number", self.wrong),
            ("without_number", self.others),
        ] {
            reporter.note(name, count);
        }
    }

    /// Whether all frames arrived, once and in order.
    ///
    /// # Errors
    /// Some did not, or there were none, or too many.
    pub(crate) fn result(&self) -> Result<(), Error> {
        let Self { expected, others, arrived, beyond, repeated, late, wrong, next, .. } = self;
        let lost = self.lost();
        if lost + repeated + late + wrong + beyond == 0 && *arrived > 0 {
            return Ok(());
        }
        let Some(first) = self.first else {
            let found = match wrong {
                0 => format!("no frame has a number of ixy-pktgen, and {others} arrived"),
                _ => format!("no frame has a right number, {wrong} have a wrong one, and {others} have none"),
            };
            return Err(Error::Sequence {
                found,
                way_out: "start ixy-dump first, then ixy-pktgen without --pcap",
            });
        };
        let highest = next.saturating_sub(1);
        let last = expected.unwrap_or(*next).saturating_sub(1);
        let mut found =
            format!("frames numbered 0 to {last}: {lost} lost, {repeated} repeated, {late} out of order");
        if *wrong > 0 {
            found += &format!(", {wrong} with a wrong number");
        }
        if *beyond > 0 {
            found += &format!(", and {beyond} with a higher number");
        }
        found += &format!(" (first {first}, highest {highest})");
        Err(Error::Sequence { found, way_out: self.way_out(first) })
    }

    /// Where to look for the cause, after `first` arrived first.
    fn way_out(&self, first: u64) -> &'static str {
        let lost = self.lost();
        if first > 0 && lost == self.expected.unwrap_or(first).min(first) {
            "start ixy-dump before ixy-pktgen"
        } else if self.wrong > 0 && lost <= self.wrong + self.repeated + self.others {
            // Each of these can be a frame that is missing under its own number.
            "something between the two damages or changes frames"
        } else if self.wrong > 0 {
            "something between the two damages frames; for lost ones see missed, dropped and errors of each device"
        } else if lost > 0 {
            "see missed, dropped and errors of each device between the two"
        } else if self.beyond > 0 {
            "let ixy-pktgen --count send as many frames as --check= expects"
        } else if self.late == 0 {
            "a loop, a mirrored port or a second run of ixy-pktgen sends the same numbers again"
        } else if self.repeated == 0 {
            "several queues, and what they pass through, can change the order"
        } else {
            "a loop or a second path between the two repeats frames and changes their order"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(expected: Option<u64>, numbers: impl IntoIterator<Item = u32>) -> Sequence {
        let mut sequence = Sequence::new(expected);
        numbers.into_iter().for_each(|number| sequence.number(number));
        sequence.end();
        sequence
    }

    /// Lost, repeated, out of order.
    fn counts(numbers: impl IntoIterator<Item = u32>) -> (u64, u64, u64) {
        let sequence = of(None, numbers);
        (sequence.lost(), sequence.repeated, sequence.late)
    }

    #[test]
    fn loss_repetition_and_order_are_told_apart() {
        assert_eq!(counts(0..1000), (0, 0, 0));
        assert_eq!(counts([0, 1, 3, 4]), (1, 0, 0));
        assert_eq!(counts([0, 1, 1, 2]), (0, 1, 0));
        assert_eq!(counts([0, 2, 1, 3]), (0, 0, 1));
        assert_eq!(counts([0, 3, 1, 1, 3]), (1, 2, 1));
        assert_eq!(counts([5, 6]), (5, 0, 0), "numbers start at 0");
        assert_eq!(counts([0x9000_0000, 0x9000_0001]), (0x9000_0000, 0, 0), "also after many");
        assert_eq!(counts([1, 0]), (0, 0, 1));
    }

    #[test]
    fn a_gap_longer_than_the_window_is_counted_whole_and_memory_stays_the_same() {
        let far = 3 * WINDOW as u32 + 5;
        assert_eq!(counts([0, far, far + 1]), (u64::from(far) - 1, 0, 0));
        assert_eq!(counts([0, far, far - 1, far - 1]), (u64::from(far) - 2, 1, 1));
        assert_eq!(
            counts([0, far, far + 1, 7]),
            (u64::from(far) - 1, 1, 0),
            "too far behind to be recognised"
        );
        assert_eq!(of(None, [0, far, far + 1]).seen.len() * 64, WINDOW as usize);
    }

    #[test]
    fn numbers_go_on_after_their_32_bits() {
        let mut sequence = of(None, []);
        (sequence.first, sequence.next, sequence.arrived) = (Some(0), 1 << 32, 1 << 32);
        sequence.set(u32::MAX.into(), true);
        [0, 2, 1, u32::MAX].into_iter().for_each(|number| sequence.number(number));
        sequence.end();
        assert_eq!((sequence.next, sequence.lost()), ((1 << 32) + 3, 0));
        assert_eq!((sequence.late, sequence.repeated), (1, 1));
    }

    #[test]
    fn the_end_of_a_known_number_of_frames_is_missed_too() {
        assert!(of(Some(10), 0..10).result().is_ok());
        let text = of(Some(10), 0..7).result().unwrap_err().to_string();
        assert!(text.contains("numbered 0 to 9: 3 lost") && text.contains("highest 6"), "{text}");
        let text = of(None, 3..7).result().unwrap_err().to_string();
        assert!(text.contains(": 3 lost") && text.contains("start ixy-dump before"), "{text}");
        assert!(
            of(None, [])
                .result()
                .unwrap_err()
                .to_string()
                .contains("no frame has a number of ixy-pktgen, and 0 arrived")
        );
    }

    /// Lost, repeated, out of order, with a wrong number.
    fn all(sequence: &Sequence) -> (u64, u64, u64, u64) {
        (sequence.lost(), sequence.repeated, sequence.late, sequence.wrong)
    }

    #[test]
    fn one_wrong_number_counts_once_and_intact_frames_count_right() {
        for expected in [None, Some(5000)] {
            for bit in 0..32 {
                for at in [0, 1, 77, 1024, 2600, 4998, 4999] {
                    let damaged = |n: u32| if n == at { n ^ 1 << bit } else { n };
                    let sequence = of(expected, (0..5000).map(damaged));
                    let (lost, repeated, late, wrong) = all(&sequence);
                    let what = format!("{expected:?}, bit {bit} of {at}: {:?}", all(&sequence));
                    assert!(late <= NEAR, "{what}");
                    if at >= 4998 && expected.is_none() {
                        // The last frames may have any number.
                        assert!(lost <= SPAN, "{what}");
                        continue;
                    }
                    // A number that arrived already is a repeated one.
                    assert_eq!((lost, repeated + wrong), (1, 1), "{what}");
                    if 1 << bit > NEAR && at & 1 << bit == 0 {
                        assert_eq!((late, wrong), (0, 1), "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn many_damaged_frames_leave_the_counts_of_the_others_as_they_are() {
        // One frame in fifty, each with another bit.
        let damaged = |n: u32| if n % 50 == 20 { n ^ 1 << (n / 50 % 32) } else { n };
        for expected in [None, Some(100_000)] {
            let sequence = of(expected, (0..100_000).map(damaged));
            let (lost, repeated, late, wrong) = all(&sequence);
            assert_eq!(lost, 2000, "{:?}", all(&sequence));
            assert_eq!(repeated + wrong, 2000, "{:?}", all(&sequence));
            assert!(late <= 2000 / 32 * 4 * NEAR, "{:?}", all(&sequence));
        }
        // A copy of a damaged frame is damaged in the same way.
        assert_eq!(all(&of(None, [0, 1, 0x8002, 0x8002, 3, 4])), (1, 0, 0, 2));
        assert_eq!(all(&of(None, [0, 1, 0x8000_0002, 3, 4])), (1, 0, 0, 1));
    }

    #[test]
    fn a_gap_counts_when_frames_continue_behind_it() {
        assert_eq!(all(&of(None, (0..100).chain(5000..6000))), (4900, 0, 0, 0));
        assert_eq!(all(&of(None, (0..100).chain(5_000_000..5_000_002))), (4_999_900, 0, 0, 0));
        assert_eq!(all(&of(None, [70_000])), (70_000, 0, 0, 0), "the only one is right");
        assert_eq!(all(&of(None, (0..100).chain([200]))), (100, 0, 0, 0), "the last one");
        assert_eq!(all(&of(None, (0..100).chain([5000, 5000, 5001]))), (4900, 1, 0, 0), "a copy");
    }

    #[test]
    fn a_frame_that_overtook_many_is_one_out_of_order() {
        let overtaken = (0..100).chain([900]).chain(100..900).chain(901..1000);
        assert_eq!(all(&of(None, overtaken)), (0, 0, 1, 0));
        // Two queues, of which one lags behind.
        let blocks = (0..10_000).step_by(200).flat_map(|n| (n + 100..n + 200).chain(n..n + 100));
        let sequence = of(Some(10_000), blocks);
        assert_eq!(all(&sequence), (0, 0, 5000, 0));
    }

    #[test]
    fn every_frame_counts_once_whatever_numbers_arrive() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..60 {
            let expected = (round % 2 == 0).then(|| random(3000) + 1);
            let mut at = [0, 2_000_000, u64::from(u32::MAX) - 500][round % 3] as u32;
            let mut numbers = Vec::new();
            for _ in 0..random(1000) {
                // Mostly the next number, and else any kind of jump, that stays or does not.
                at = at.wrapping_add(1);
                let far = 1_u64 << random(32);
                match random(20) {
                    0 => numbers.push(at ^ far as u32),
                    1 => numbers.push(at.wrapping_sub(random(far) as u32)),
                    2 => at = at.wrapping_add(random(far) as u32),
                    3 => numbers.extend([at, at]),
                    _ => numbers.push(at),
                }
            }
            let sequence = of(expected, numbers.iter().copied());
            let Sequence { arrived, repeated, wrong, beyond, next, .. } = sequence;
            assert_eq!(arrived + repeated + wrong, numbers.len() as u64, "{expected:?}: {numbers:?}");
            assert!(arrived - beyond <= expected.unwrap_or(next), "{expected:?}: {numbers:?}");
        }
    }

    #[test]
    fn more_frames_than_expected_are_said() {
        let text = of(Some(4000), 0..5000).result().unwrap_err().to_string();
        let found =
            "frames numbered 0 to 3999: 0 lost, 0 repeated, 0 out of order, and 1000 with a higher number";
        assert!(text.starts_with(found) && text.contains("--count"), "{text}");
        let text = of(Some(4000), 0..4001).result().unwrap_err().to_string();
        assert!(text.contains(", and 1 with a higher number"), "{text}");
        let text = of(Some(10), 5000..5100).result().unwrap_err().to_string();
        assert!(text.contains(": 10 lost") && text.contains("start ixy-dump before"), "{text}");
    }

    #[test]
    fn advice_fits_what_was_counted() {
        for (numbers, advice) in [
            (&[0, 1, 1, 2][..], "sends the same numbers again"),
            (&[0, 2, 1, 3], "several queues"),
            (&[0, 2, 1, 1, 3], "repeats frames and changes their order"),
            (&[0, 1, 3, 3], "see missed, dropped and errors"),
            (&[0, 1, 0x4000_0002, 3], "damages or changes frames"),
            (&[0, 1, 0x4000_0002, 3, 7, 8], "damages frames; for lost ones see"),
            (&[4, 5], "start ixy-dump before"),
        ] {
            let text = of(None, numbers.iter().copied()).result().unwrap_err().to_string();
            assert!(text.contains(advice), "{numbers:?}: `{advice}` is not in: {text}");
        }
    }
}
