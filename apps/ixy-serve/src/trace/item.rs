//! A line of a trace: [`Item`], and the text of a [`Group`] of them.

use std::time::Instant;

use ixy_regs::map::Register;

use super::fold::{Group, KEPT, Repeats, Slot};
use crate::names::{self, Place};

/// Doorbells: each write has another value but the same meaning.
const DOORBELLS: [&str; 4] = ["RDT", "TDT", "VFRDT", "VFTDT"];

/// One event, which becomes one line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) at: Instant,
    pub(crate) what: What,
}

/// The kind of event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Access(Access),
    /// A word read from the EEPROM through EERD.
    EepromWord {
        word: u32,
        value: u64,
    },
    /// A byte read from a device on the I2C bus, mostly the SFP+ module.
    ModuleByte {
        device: u8,
        byte: u32,
        value: u64,
    },
    /// Any other event, as text.
    Other(String),
}

/// A read or write of a region: of one register, or of bytes.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) write: bool,
    pub(crate) region: u32,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) place: Place,
    /// For a write: the value of the register in a read just before.
    pub(crate) was: Option<u64>,
}

impl PartialEq for Access {
    fn eq(&self, other: &Self) -> bool {
        let key = |access: &Self| (access.write, access.region, access.offset, access.was);
        key(self) == key(other) && self.bytes == other.bytes
    }
}

impl Access {
    /// The bytes as a number, least significant first; `None` when they are too many.
    pub(crate) fn value(&self) -> Option<u64> {
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        (self.bytes.len() <= 8).then(|| number(&self.bytes))
    }

    pub(crate) fn is_doorbell(&self) -> bool {
        self.write && DOORBELLS.contains(&self.place.name.as_str())
    }

    /// The register and its value, if the access is to a register.
    pub(crate) fn register(&self) -> Option<(&'static Register, u32)> {
        self.place.register.zip(self.value().and_then(|value| u32::try_from(value).ok()))
    }
}

/// The difference from one round of a pattern to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// The growth of the index of the register, word or byte: 0 or 1.
    index: u32,
    value: ValueStep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ValueStep {
    Same,
    /// It grows by one.
    Up,
    /// It may have any value.
    Any,
}

impl Item {
    /// The parts that make two items neighbours: kind, number and value.
    fn parts(&self) -> (u32, u64) {
        match &self.what {
            What::Access(access) => (access.place.index.unwrap_or(0), access.value().unwrap_or(0)),
            What::EepromWord { word: index, value } | What::ModuleByte { byte: index, value, .. } => {
                (*index, *value)
            }
            What::Other(_) => (0, 0),
        }
    }

    fn is_of_a_kind_with(&self, other: &Self) -> bool {
        match (&self.what, &other.what) {
            (What::Access(one), What::Access(other)) => {
                let key = |access: &Access| {
                    (access.write, access.region, access.bytes.len(), access.place.section, access.was)
                };
                let place = |access: &Access| access.place.index.is_none().then_some(access.offset);
                let long = one.bytes.len() > 8;
                key(one) == key(other)
                    && one.place.name == other.place.name
                    && place(one) == place(other)
                    && (!long || one.bytes == other.bytes)
            }
            (What::EepromWord { .. }, What::EepromWord { .. }) => true,
            (What::ModuleByte { device: one, .. }, What::ModuleByte { device: other, .. }) => one == other,
            (What::Other(one), What::Other(other)) => one == other,
            _ => false,
        }
    }

    fn value_varies(&self) -> bool {
        match &self.what {
            What::Access(access) => access.is_doorbell(),
            What::EepromWord { .. } | What::ModuleByte { .. } => true,
            What::Other(_) => false,
        }
    }
}

impl Repeats for Item {
    type Step = Step;

    fn step(&self, before: &Self) -> Option<Step> {
        if !self.is_of_a_kind_with(before) {
            return None;
        }
        let ((index, value), (index_before, value_before)) = (self.parts(), before.parts());
        let index = index.checked_sub(index_before).filter(|step| *step <= 1)?;
        let value = match value.wrapping_sub(value_before) {
            _ if self.value_varies() => ValueStep::Any,
            0 => ValueStep::Same,
            1 => ValueStep::Up,
            _ => return None,
        };
        Some(Step { index, value })
    }
}

/// An item that came several times in a row, or neighbours of it.
#[derive(Debug, Clone)]
pub(crate) struct Several {
    slot: Slot<Item>,
    count: u64,
}

impl Several {
    /// The content of a group with one slot: a number of repetitions, or each item by itself.
    pub(crate) fn of(group: Group<Item>) -> Vec<Self> {
        let (count, apart) = (group.rounds, is_no_series(&group, |step| step.value));
        let several = |slot: Slot<Item>| Self { slot, count };
        let single = |item: Item| Self { slot: Slot::of(item), count: 1 };
        let slots = group.slots.into_iter();
        if apart {
            slots.flat_map(|slot| slot.items).map(single).collect()
        } else {
            slots.map(several).collect()
        }
    }
}

/// Whether there is only one round, or two with values that are neighbours by chance.
fn is_no_series<T: Repeats>(group: &Group<T>, value: impl Fn(T::Step) -> ValueStep) -> bool {
    let up = group.slots.iter().any(|slot| slot.step.is_some_and(|step| value(step) == ValueStep::Up));
    group.rounds == 1 || group.rounds == 2 && up
}

impl Repeats for Several {
    type Step = Step;

    fn step(&self, before: &Self) -> Option<Step> {
        let ends = |several: &Self| (several.slot.items[0].clone(), several.slot.last.clone());
        let ((first, last), (first_before, last_before)) = (ends(self), ends(before));
        let step = first.step(&first_before)?;
        let alike = self.count == before.count && self.slot.step == before.slot.step;
        let fixed = self.count == 1 || step.index == 0 && step.value != ValueStep::Up;
        (alike && fixed && last.step(&last_before) == Some(step)).then_some(step)
    }
}

/// A line with the time of its first event.
pub(crate) type Line = (Instant, String);

/// The lines of a pattern: one for each slot.
pub(crate) fn lines(group: &Group<Several>) -> Vec<Line> {
    let Group { slots, rounds } = group;
    if is_no_series(group, |step: Step| step.value) {
        let round = |n: usize| slots.iter().filter_map(move |slot| slot.items.get(n..=n));
        let singles = (0..*rounds as usize).flat_map(round);
        return singles.map(|items| line(items, &items[0], None, 1)).collect();
    }
    let [slot] = &slots[..] else {
        let mut lines: Vec<Line> =
            slots.iter().map(|slot| line(&slot.items, &slot.last, slot.step, 1)).collect();
        if let Some((_, last)) = lines.last_mut() {
            *last += &format!("  these {} in turn, {rounds} times", slots.len());
        }
        return lines;
    };
    vec![line(&slot.items, &slot.last, slot.step, *rounds)]
}

/// The line of one slot, from the items of its rounds that were kept, and the last one.
fn line(items: &[Several], last: &Several, step: Option<Step>, rounds: u64) -> Line {
    let first = &items[0];
    let inner = first.slot.step;
    let (from, to) = (&first.slot.items[0], &last.slot.last);
    let moves = |step: Option<Step>| step.is_some_and(|step| step.index != 0);
    let stays = |step: Option<Step>| step.is_none_or(|step| step.index == 0);
    let index = match (from.parts().0, to.parts().0) {
        (first, last) if moves(step) || moves(inner) => (first, Some(last)),
        (first, _) => (first, None),
    };
    // All kept values, in order.
    let kept = || items.iter().flat_map(|several| several.slot.items.iter().map(|item| item.parts().1));
    let value_step = step.into_iter().chain(inner).map(|step| step.value).max();
    let text = text(from, to, index, value_step, kept);
    let each = (first.count > 1 && stays(inner)).then_some(first.count);
    let all = (rounds > 1 && stays(step)).then_some(rounds);
    let times = match (each, all) {
        (None, None) => String::new(),
        (Some(each), None) if step.is_some() => format!("  {each} times each"),
        (each, all) => format!("  {} times", each.unwrap_or(1) * all.unwrap_or(1)),
    };
    (from.at, text + &times)
}

/// The text of one item, or of several that differ in number and value.
fn text<V: Iterator<Item = u64>>(
    from: &Item,
    to: &Item,
    (first, last): (u32, Option<u32>),
    value_step: Option<ValueStep>,
    kept: impl Fn() -> V,
) -> String {
    let list = |width: usize| {
        let values: Vec<_> = kept().take(KEPT).map(|value| format!("{value:#0width$x}")).collect();
        let more = if last.is_some_and(|last| (last - first) as usize >= values.len()) { " ..." } else { "" };
        values.join(" ") + more
    };
    match &from.what {
        What::Access(access) => {
            let index = access.place.index.map(|_| match last {
                Some(last) => format!("[{first}..={last}]"),
                None => format!("[{first}]"),
            });
            let width = 2 * access.bytes.len() + 2;
            let value = |value: u64| format!("{value:#0width$x}");
            let values = match (access.value(), value_step) {
                (None, _) => format!("{} bytes", access.bytes.len()),
                (Some(first), Some(ValueStep::Up)) => format!("{}..={}", value(first), value(to.parts().1)),
                (Some(first), Some(ValueStep::Any)) if to.parts().1 != first => {
                    format!("{} to {}", value(first), value(to.parts().1))
                }
                (Some(first), _) => value(first),
            } + &access.was.map_or(String::new(), |was| format!(", was {}", value(was)));
            let fields = match (access.register(), value_step) {
                (Some((register, value)), None | Some(ValueStep::Same)) => register.decode(value).to_string(),
                _ => String::new(),
            };
            access_text(access, &index.unwrap_or_default(), &values, &fields)
        }
        What::EepromWord { .. } => match last {
            Some(last) => format!("read  eeprom words {first:#05x}..={last:#05x} = {}  (8.2.3.2.2)", list(6)),
            None => format!("read  eeprom word {first:#05x} = {}  (8.2.3.2.2)", list(6)),
        },
        What::ModuleByte { device, .. } => {
            let bytes = match last {
                Some(last) => format!("bytes {first:#04x}..={last:#04x}"),
                None => format!("byte {first:#04x}"),
            };
            format!("read  i2c {device:#04x} {bytes} = {}  (8.2.3.1.5)", list(4))
        }
        What::Other(text) => text.clone(),
    }
}

fn access_text(access: &Access, index: &str, values: &str, fields: &str) -> String {
    let (what, sign) = if access.write { ("write", "<-") } else { ("read ", "=") };
    let (space, name) = (names::region(access.region), &access.place.name);
    let section = match access.place.section {
        "" => String::new(),
        section => format!("  ({section})"),
    };
    let space_before = if fields.is_empty() { "" } else { " " };
    format!(
        "{what} {space} {name}{index} {:#07x} {sign} {values}{section}{space_before}{fields}",
        access.offset
    )
}

impl Item {
    /// The item as a line by itself.
    pub(crate) fn line(&self) -> Line {
        let index = (self.parts().0, None);
        (self.at, text(self, self, index, None, || std::iter::once(self.parts().1)))
    }
}
