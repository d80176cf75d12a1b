//! Checks that numbered frames all arrive, once, and in order: [`Sequence`].

use ixy_cli::{Error, Reporter, numbered};

/// The distance up to which a late frame can be distinguished from a repeated one: in frames, a multiple of 64.
const WINDOW: u64 = 1 << 20;

/// Follows the numbers of ixy-pktgen's frames, from 0 on.
pub(crate) struct Sequence {
    /// The number of frames that should arrive, if known.
    expected: Option<u64>,
    /// One bit for each of the numbers before `next`: whether it has arrived.
    seen: Vec<u64>,
    /// The highest number that has arrived, plus one.
    next: u64,
    first: Option<u64>,
    /// Frames without a number.
    others: u64,
    /// The count of distinct numbers that have arrived.
    arrived: u64,
    repeated: u64,
    /// Frames that arrived after one with a higher number.
    late: u64,
}

impl Sequence {
    /// For `expected` frames, or any number of frames.
    pub(crate) fn new(expected: Option<u64>) -> Self {
        let seen = vec![0; (WINDOW / 64) as usize];
        Self { expected, seen, next: 0, first: None, others: 0, arrived: 0, repeated: 0, late: 0 }
    }

    /// Processes a frame.
    pub(crate) fn look(&mut self, frame: &[u8]) {
        match numbered::number(frame) {
            Some(number) => self.number(number),
            None => self.others += 1,
        }
    }

    fn number(&mut self, number: u32) {
        // Numbers have 32 bits and wrap around; the nearest one to those before it is meant. The first is as it stands.
        let distance = match self.first {
            Some(_) => i64::from(number.wrapping_sub(self.next as u32) as i32),
            None => number.into(),
        };
        let Some(number) = self.next.checked_add_signed(distance) else {
            // Before the first number: a repetition from an earlier run.
            self.repeated += 1;
            return;
        };
        self.first.get_or_insert(number);
        if number >= self.next {
            let skipped = (number - self.next).min(WINDOW);
            // The places of the skipped numbers belonged to numbers a window before.
            for place in number - skipped..number {
                self.set(place, false);
            }
            self.set(number, true);
            self.next = number + 1;
            self.arrived += 1;
        } else if self.next - number > WINDOW || self.is_seen(number) {
            self.repeated += 1;
        } else {
            self.set(number, true);
            self.arrived += 1;
            self.late += 1;
        }
    }

    fn is_seen(&self, number: u64) -> bool {
        self.seen[(number % WINDOW / 64) as usize] >> (number % 64) & 1 == 1
    }

    fn set(&mut self, number: u64, seen: bool) {
        let word = &mut self.seen[(number % WINDOW / 64) as usize];
        *word = *word & !(1 << (number % 64)) | u64::from(seen) << (number % 64);
    }

    /// The count of missing numbers: of those expected, or of those up to the highest that arrived.
    fn lost(&self) -> u64 {
        self.expected.unwrap_or(0).max(self.next) - self.arrived
    }

    /// Adds the counts to the summary.
    pub(crate) fn note(&self, reporter: &mut Reporter) {
        for (name, count) in [
            ("numbered", self.arrived + self.repeated),
            ("lost", self.lost()),
            ("repeated", self.repeated),
            ("out_of_order", self.late),
            ("without_number", self.others),
        ] {
            reporter.note(name, count);
        }
    }

    /// Whether all frames arrived, once and in order.
    ///
    /// # Errors
    /// Some did not, or there were none.
    pub(crate) fn result(&self) -> Result<(), Error> {
        let Self { arrived, repeated, late, next, .. } = self;
        let lost = self.lost();
        if lost + repeated + late == 0 && *arrived > 0 {
            return Ok(());
        }
        let Some(first) = self.first else {
            return Err(Error::Sequence {
                found: format!("no frame has a number of ixy-pktgen, and {} arrived", self.others),
                way_out: "start ixy-dump first, then ixy-pktgen without --pcap",
            });
        };
        let highest = next.saturating_sub(1);
        let found = format!(
            "frames numbered 0 to {}: {lost} lost, {repeated} repeated, {late} out of order (first {first}, highest {highest})",
            self.expected.unwrap_or(0).max(*next).saturating_sub(1)
        );
        let way_out = if first > 0 && lost == first {
            "start ixy-dump before ixy-pktgen"
        } else if lost > 0 {
            "see missed, dropped and errors of each device between the two"
        } else {
            "several queues, and what they pass through, can change the order"
        };
        Err(Error::Sequence { found, way_out })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(expected: Option<u64>, numbers: impl IntoIterator<Item = u32>) -> Sequence {
        let mut sequence = Sequence::new(expected);
        numbers.into_iter().for_each(|number| sequence.number(number));
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
        assert_eq!(counts([0, far]), (u64::from(far) - 1, 0, 0));
        assert_eq!(counts([0, far, far - 1, far - 1]), (u64::from(far) - 2, 1, 1));
        assert_eq!(counts([0, far, 7]), (u64::from(far) - 1, 1, 0), "too far behind to be recognised");
        assert_eq!(of(None, [0, far]).seen.len() * 64, WINDOW as usize);
    }

    #[test]
    fn numbers_go_on_after_their_32_bits() {
        let mut sequence = of(None, []);
        (sequence.first, sequence.next, sequence.arrived) = (Some(0), 1 << 32, 1 << 32);
        sequence.set(u32::MAX.into(), true);
        [0, 2, 1, u32::MAX].into_iter().for_each(|number| sequence.number(number));
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
}
