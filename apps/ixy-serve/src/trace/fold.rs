//! Repetitions in a sequence, found as it arrives: [`Folder`].

use std::collections::VecDeque;

/// Number of items that a slot keeps, without the last one.
pub(crate) const KEPT: usize = 16;

/// An item that may repeat an earlier one.
pub(crate) trait Repeats: Clone {
    /// The difference between an item and the one that it repeats.
    type Step: Copy + PartialEq + std::fmt::Debug;

    /// The difference between `self` and `before`; `None` if it is not a repetition.
    fn step(&self, before: &Self) -> Option<Self::Step>;
}

/// A pattern of one or more items, and the number of its repetitions. Nothing is lost: round n of a slot is its
/// first item after n - 1 of its steps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group<T: Repeats> {
    pub(crate) slots: Vec<Slot<T>>,
    pub(crate) rounds: u64,
}

/// A place in a pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot<T: Repeats> {
    /// The items in this place, from the first round on, up to [`KEPT`].
    pub(crate) items: Vec<T>,
    pub(crate) last: T,
    /// The step from each round to the next; `None` with one round.
    pub(crate) step: Option<T::Step>,
}

impl<T: Repeats> Slot<T> {
    /// One item.
    pub(crate) fn of(item: T) -> Self {
        Self { items: vec![item.clone()], last: item, step: None }
    }

    fn add(&mut self, item: T) {
        if self.items.len() < KEPT {
            self.items.push(item.clone());
        }
        self.last = item;
    }
}

/// Finds patterns of up to `longest` items that repeat immediately, and passes everything on in order, in groups.
pub(crate) struct Folder<T: Repeats> {
    longest: usize,
    /// Items that belong to no pattern so far: at most two of the longest.
    tail: VecDeque<T>,
    run: Option<Run<T>>,
}

/// A pattern in progress.
struct Run<T: Repeats> {
    group: Group<T>,
    /// The round in progress.
    round: Vec<T>,
}

impl<T: Repeats> Folder<T> {
    pub(crate) fn new(longest: usize) -> Self {
        Self { longest, tail: VecDeque::new(), run: None }
    }

    /// Takes the next item; passes groups that are now certain to `out`.
    pub(crate) fn push(&mut self, item: T, out: &mut impl FnMut(Group<T>)) {
        let Some(run) = &mut self.run else { return self.push_loose(item, out) };
        let slot = &run.group.slots[run.round.len()];
        if slot.step.is_some() && item.step(&slot.last) == slot.step {
            run.round.push(item);
            if run.round.len() == run.group.slots.len() {
                run.group.rounds += 1;
                run.group.slots.iter_mut().zip(run.round.drain(..)).for_each(|(slot, item)| slot.add(item));
            }
            return;
        }
        // The pattern ended. A started round becomes separate items.
        let begun = self.end_run(out);
        begun.into_iter().chain([item]).for_each(|item| self.push(item, out));
    }

    /// Passes on all that is left.
    pub(crate) fn flush(&mut self, out: &mut impl FnMut(Group<T>)) {
        let begun = self.end_run(out);
        self.tail.drain(..).chain(begun).for_each(|item| out(one(item)));
    }

    /// Passes on all but the started round; a pattern in progress continues after it.
    pub(crate) fn show(&mut self, out: &mut impl FnMut(Group<T>)) {
        self.tail.drain(..).for_each(|item| out(one(item)));
        if let Some(run) = &mut self.run
            && run.group.rounds > 0
        {
            out(run.group.clone());
            run.group.rounds = 0;
            run.group.slots.iter_mut().for_each(|slot| slot.items.clear());
        }
    }

    fn end_run(&mut self, out: &mut impl FnMut(Group<T>)) -> Vec<T> {
        self.run.take().map_or_else(Vec::new, |run| {
            if run.group.rounds > 0 {
                out(run.group);
            }
            run.round
        })
    }

    fn push_loose(&mut self, item: T, out: &mut impl FnMut(Group<T>)) {
        self.tail.push_back(item);
        let len = self.tail.len();
        let found = (1..=self.longest.min(len / 2)).find_map(|period| {
            let pairs = (len - period..len).map(|n| self.tail[n].step(&self.tail[n - period]));
            pairs.collect::<Option<Vec<_>>>()
        });
        if let Some(steps) = found {
            let second = self.tail.split_off(len - steps.len());
            let first = self.tail.split_off(len - 2 * steps.len());
            self.tail.drain(..).for_each(|item| out(one(item)));
            let slots = first.into_iter().zip(second).zip(steps).map(|((first, second), step)| {
                let mut slot = Slot { step: Some(step), ..Slot::of(first) };
                slot.add(second);
                slot
            });
            let group = Group { slots: slots.collect(), rounds: 2 };
            self.run = Some(Run { group, round: Vec::new() });
        } else if len >= 2 * self.longest
            && let Some(oldest) = self.tail.pop_front()
        {
            out(one(oldest));
        }
    }
}

fn one<T: Repeats>(item: T) -> Group<T> {
    Group { slots: vec![Slot::of(item)], rounds: 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A letter with a number, which may count up.
    impl Repeats for (char, u32) {
        type Step = u32;

        fn step(&self, before: &Self) -> Option<u32> {
            let step = self.1.wrapping_sub(before.1);
            (self.0 == before.0 && step <= 1).then_some(step)
        }
    }

    fn folded(longest: usize, items: &[(char, u32)]) -> Vec<String> {
        let mut groups = Vec::new();
        let mut folder = Folder::new(longest);
        items.iter().for_each(|item| folder.push(*item, &mut |group| groups.push(group)));
        folder.flush(&mut |group| groups.push(group));
        groups.iter().map(text).collect()
    }

    fn text(group: &Group<(char, u32)>) -> String {
        let slots = group.slots.iter().map(|slot| {
            let (name, first) = slot.items[0];
            if slot.step == Some(1) {
                format!("{name}{first}..={}", slot.last.1)
            } else {
                format!("{name}{first}")
            }
        });
        format!("{} x{}", slots.collect::<Vec<_>>().join(" "), group.rounds)
    }

    /// The items that a group stands for.
    fn unfolded(group: &Group<(char, u32)>) -> Vec<(char, u32)> {
        let round = |n: u64| {
            group.slots.iter().map(move |slot| {
                let (name, first) = slot.items[0];
                (name, first + slot.step.unwrap_or(0) * n as u32)
            })
        };
        (0..group.rounds).flat_map(round).collect()
    }

    #[test]
    fn runs_and_loops_are_one_group_each() {
        assert_eq!(folded(4, &[('a', 1), ('a', 1), ('a', 1), ('b', 1)]), ["a1 x3", "b1 x1"]);
        let table: Vec<_> = (0..128).map(|n| ('m', n)).collect();
        assert_eq!(folded(4, &table), ["m0..=127 x128"]);
        let pairs: Vec<_> = (0..64).flat_map(|n| [('l', n), ('h', n), ('f', 0)]).collect();
        assert_eq!(folded(4, &pairs), ["l0..=63 h0..=63 f0 x64"]);
        assert_eq!(folded(2, &pairs).len(), 192, "the pattern is longer than what is looked for");
    }

    #[test]
    fn what_has_begun_of_another_round_stands_for_itself() {
        let items = [('a', 0), ('b', 0), ('a', 0), ('b', 0), ('a', 0), ('c', 0)];
        assert_eq!(folded(4, &items), ["a0 b0 x2", "a0 x1", "c0 x1"]);
    }

    #[test]
    fn little_is_held_back() {
        let mut folder = Folder::new(8);
        let mut given = 0_usize;
        for n in 0..1000 {
            folder.push(('a', 2 * n), &mut |_| given += 1);
            assert!(n as usize + 1 - given < 16);
        }
    }

    #[test]
    fn a_pattern_that_is_shown_goes_on() {
        let mut groups = Vec::new();
        let mut folder = Folder::new(4);
        for n in 0..5 {
            [('a', n), ('b', 7)]
                .into_iter()
                .for_each(|item| folder.push(item, &mut |group| groups.push(group)));
        }
        folder.push(('a', 5), &mut |group| groups.push(group));
        folder.show(&mut |group| groups.push(group));
        assert_eq!(groups.iter().map(text).collect::<Vec<_>>(), ["a0..=4 b7 x5"]);
        folder.show(&mut |_| panic!("nothing new"));
        for item in [('b', 7), ('a', 6), ('b', 7), ('c', 0)] {
            folder.push(item, &mut |group| groups.push(group));
        }
        assert_eq!(text(&groups[1]), "a5..=6 b7 x2");
    }

    proptest! {
        #[test]
        fn groups_stand_for_exactly_what_came(
            items in prop::collection::vec((prop::sample::select(vec!['a', 'b', 'c']), 0..3_u32), 0..200),
            shown in prop::collection::vec(0..50_usize, 0..20),
            longest in 1..6_usize,
        ) {
            let mut groups = Vec::new();
            let mut folder = Folder::new(longest);
            for (n, item) in items.iter().enumerate() {
                folder.push(*item, &mut |group| groups.push(group));
                if shown.contains(&n) {
                    folder.show(&mut |group| groups.push(group));
                }
            }
            folder.flush(&mut |group| groups.push(group));
            prop_assert_eq!(groups.iter().flat_map(unfolded).collect::<Vec<_>>(), items);
        }
    }
}
