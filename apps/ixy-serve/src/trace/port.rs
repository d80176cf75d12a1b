//! The events held back in one port's trace, and the order of their output: [`Held`].

use std::time::{Duration, Instant};

use super::decode::Decoder;
use super::fold::{Folder, Repeats};
use super::item::{Item, Line, Several, lines};

/// Longest pattern of lines that is recognised: a driver's loop over its queues or filters.
const PATTERN: usize = 16;
/// The time that events are held back after the last one.
const QUIET: Duration = Duration::from_millis(200);
/// The time that an event is held back while more come; it doubles each time while the same pattern continues.
const PATIENCE: Duration = Duration::from_secs(1);
const MOST_PATIENCE: Duration = Duration::from_secs(16);

/// Events in the stages to lines: accesses become words and bytes, these become runs, and these become patterns.
pub(crate) struct Held {
    decoder: Decoder,
    runs: Folder<Item>,
    patterns: Folder<Several>,
    /// The times of the first and the last event held back.
    since: Option<(Instant, Instant)>,
    patience: Duration,
    /// The last event that was shown because its time was over.
    shown: Option<Item>,
}

impl Held {
    pub(crate) fn new() -> Self {
        Self {
            decoder: Decoder::default(),
            runs: Folder::new(1),
            patterns: Folder::new(PATTERN),
            since: None,
            patience: PATIENCE,
            shown: None,
        }
    }

    /// Takes an event; passes complete lines to `out`.
    pub(crate) fn push(&mut self, item: Item, out: &mut impl FnMut(Line)) {
        self.since = Some((self.since.map_or(item.at, |(first, _)| first), item.at));
        let mut whole = Vec::new();
        self.decoder.push(item, &mut |item| whole.push(item));
        whole.into_iter().for_each(|item| self.fold(item, out));
    }

    fn fold(&mut self, item: Item, out: &mut impl FnMut(Line)) {
        if self.shown.take().is_some_and(|shown| item.step(&shown).is_none()) {
            self.patience = PATIENCE; // something else
        }
        let Self { runs, patterns, .. } = self;
        runs.push(item, &mut |run| {
            Several::of(run).into_iter().for_each(|run| {
                patterns.push(run, &mut |group| lines(&group).into_iter().for_each(&mut *out))
            });
        });
    }

    /// Passes on events that have been held back for long.
    pub(crate) fn show_overdue(&mut self, now: Instant, out: &mut impl FnMut(Line)) {
        let Some((first, last)) = self.since else { return };
        if now.saturating_duration_since(last) >= QUIET {
            self.flush(out);
        } else if now.saturating_duration_since(first) >= self.patience {
            let Self { runs, patterns, shown, .. } = self;
            let mut show = |group| lines(&group).into_iter().for_each(&mut *out);
            runs.show(&mut |run| {
                *shown = run.slots.last().map(|slot| slot.last.clone());
                Several::of(run).into_iter().for_each(|run| patterns.push(run, &mut show));
            });
            patterns.show(&mut show);
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
            self.since = Some((last, last));
        }
    }

    /// Passes on everything.
    pub(crate) fn flush(&mut self, out: &mut impl FnMut(Line)) {
        let mut rest = Vec::new();
        self.decoder.flush(&mut |item| rest.push(item));
        rest.into_iter().for_each(|item| self.fold(item, out));
        let Self { runs, patterns, .. } = self;
        let mut show = |group| lines(&group).into_iter().for_each(&mut *out);
        runs.flush(&mut |run| Several::of(run).into_iter().for_each(|run| patterns.push(run, &mut show)));
        patterns.flush(&mut show);
        (self.since, self.patience, self.shown) = (None, PATIENCE, None);
    }
}

#[cfg(test)]
mod tests {
    use ixy_regs::ixgbe;
    use ixy_vfio_user::message::pci;

    use super::*;
    use crate::names::Names;
    use crate::trace::item::{Access, What};

    /// Events at times set by the test, in milliseconds, and their lines.
    struct Harness {
        names: Names,
        start: Instant,
        held: Held,
        lines: Vec<String>,
    }

    impl Harness {
        fn new() -> Self {
            let (names, start) = (Names::new(ixgbe::all()), Instant::now());
            Self { names, start, held: Held::new(), lines: Vec::new() }
        }

        fn access(&mut self, at: u64, write: bool, offset: u64, value: u32) {
            let (region, bytes, at) =
                (pci::BAR0, value.to_le_bytes().to_vec(), self.start + Duration::from_millis(at));
            let place = self.names.find(region, offset);
            let access = Access { write, region, offset, bytes, place, was: None };
            self.held.push(Item { at, what: What::Access(access) }, &mut |line| self.lines.push(line.1));
        }

        fn shown_at(&mut self, at: u64) -> Vec<String> {
            let now = self.start + Duration::from_millis(at);
            self.held.show_overdue(now, &mut |line| self.lines.push(line.1));
            std::mem::take(&mut self.lines)
        }

        fn rest(&mut self) -> Vec<String> {
            self.held.flush(&mut |line| self.lines.push(line.1));
            std::mem::take(&mut self.lines)
        }
    }

    #[test]
    fn an_event_is_shown_when_no_more_come() {
        let mut harness = Harness::new();
        harness.access(0, true, 0x00200, 1);
        assert_eq!(harness.shown_at(199).len(), 0);
        assert_eq!(
            harness.shown_at(200),
            ["write register LEDCTL 0x00200 <- 0x00000001  (8.2.3.1.6) LED0_MODE=0x1(LINK_10G)"]
        );
        assert!(harness.rest().is_empty());
    }

    #[test]
    fn what_goes_on_and_on_is_shown_ever_more_rarely_and_something_else_at_once() {
        let mut harness = Harness::new();
        let mut shown = Vec::new();
        for at in (0..20_000).step_by(50) {
            harness.access(at, false, 0x042a4, 0);
            shown.extend(harness.shown_at(at + 10).into_iter().map(|line| (at, line)));
        }
        let times: Vec<_> = shown.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [1000, 3000, 7000, 15000]);
        assert!(shown[1].1.ends_with("  40 times"), "{shown:?}");
        harness.access(20_000, true, 0x00200, 1);
        harness.access(20_050, true, 0x00200, 2);
        assert_eq!(harness.rest().len(), 3, "the polls, and two writes");
    }

    #[test]
    fn tables_loops_and_doorbells_are_one_line_or_one_for_each_access() {
        let mut harness = Harness::new();
        (0..128).for_each(|n| harness.access(0, true, 0x05200 + 4 * n, 0));
        for n in 0..4_u32 {
            harness.access(0, true, 0x04904, n);
            harness.access(0, true, 0x04908, 0);
        }
        for tail in [32, 64, 96] {
            harness.access(0, true, 0x06018, tail);
        }
        harness.access(0, true, 0x01018, 5);
        let lines = harness.rest();
        assert_eq!(lines.len(), 5, "{lines:#?}");
        assert_eq!(lines[0], "write register MTA[0..=127] 0x05200 <- 0x00000000  (8.2.3.7.7)");
        assert!(
            lines[1].starts_with("write register RTTDQSEL 0x04904 <- 0x00000000..=0x00000003  ("),
            "{lines:#?}"
        );
        assert!(lines[2].ends_with("  these 2 in turn, 4 times"), "{lines:#?}");
        assert!(
            lines[3].starts_with("write register TDT[0] 0x06018 <- 0x00000020 to 0x00000060  ("),
            "{lines:#?}"
        );
        assert!(lines[3].ends_with("  3 times"), "{lines:#?}");
        assert!(lines[4].starts_with("write register RDT[0] 0x01018 <- 0x00000005  ("), "{lines:#?}");
    }

    #[test]
    fn a_table_that_is_shown_before_its_end_goes_on_where_it_was() {
        let mut harness = Harness::new();
        let mut lines = Vec::new();
        for n in 0..12 {
            harness.access(100 * n, true, 0x05200 + 4 * n, 0);
            lines.extend(harness.shown_at(100 * n));
        }
        lines.extend(harness.rest());
        let ranges = ["MTA[0..=10] 0x05200", "MTA[11] 0x0522c"];
        assert_eq!(lines, ranges.map(|range| format!("write register {range} <- 0x00000000  (8.2.3.7.7)")));
    }

    #[test]
    fn two_values_that_happen_to_be_neighbours_are_two_lines() {
        let mut harness = Harness::new();
        harness.access(0, true, 0x00200, 4);
        harness.access(0, true, 0x00200, 5);
        assert_eq!(harness.rest().len(), 2);
    }
}
