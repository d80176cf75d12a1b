//! Registers in readable form: [`print()`].

use std::fmt::Write;

use ixy_cli::{Error, Object};
use ixy_regs::map::{Access, Register};

use crate::maps::Map;

/// Number of fields in one line.
const FIELDS: usize = 6;

/// The selection of registers.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Parts of names in upper case; all if empty.
    only: Vec<String>,
    /// Whether registers with a read side effect are read.
    effects: bool,
    /// Whether to print fields that are zero, and zero registers that were not asked for by name.
    zeros: bool,
}

impl Filter {
    pub(crate) fn new(only: &[String], effects: bool, zeros: bool) -> Self {
        Self { only: only.iter().map(|text| text.to_uppercase()).collect(), effects, zeros }
    }

    /// Whether text output shows an element: those that are zero only on request.
    fn shows(&self, element: &Element) -> bool {
        self.zeros || !self.only.is_empty() || element.value != 0
    }

    fn wants(&self, register: &Register) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| register.name.contains(text.as_str()))
    }
}

/// The numbers of registers left out, by reason.
#[derive(Debug, Default)]
struct Counts {
    shown: usize,
    zero: usize,
    with_effect: usize,
    semaphores: usize,
    absent: usize,
    unreadable: usize,
}

/// Prints all registers that the filter selects, one after the other.
pub(crate) fn print(maps: &[Map<'_>], filter: &Filter, json: bool) -> Result<String, Error> {
    let (mut text, mut counts, mut title) = (String::new(), Counts::default(), "");
    for map in maps {
        let gone = |register: &Register| (map.read)(register.spans[0].base, register.bits) == u32::MAX;
        if let Some(register) = map.alive.filter(|register| gone(register)) {
            let why = format!(
                "{} reads all ones: the card was removed, or has no power; `dmesg` may say more",
                register.name
            );
            return Err(Error::Registers { device: "this device".into(), why });
        }
        for register in map.registers.iter().filter(|register| filter.wants(register)) {
            if !register.access.is_readable() {
                counts.unreadable += 1;
            } else if register.access == Access::RS {
                // Its reader has to release it, or no driver gets it.
                counts.semaphores += 1;
            } else if register.access.reading_has_effect() && !filter.effects {
                counts.with_effect += 1;
            } else if map.optional && is_absent(map, register) {
                counts.absent += 1;
            } else {
                let elements = elements(map, register);
                if !json && !elements.iter().any(|element| filter.shows(element)) {
                    counts.zero += 1;
                    continue;
                }
                counts.shown += 1;
                if map.name != title && !json {
                    line(&mut text, format_args!("{}:", map.name));
                }
                title = map.name;
                for element in elements {
                    if json {
                        element.json(map, &mut text);
                    } else if filter.shows(&element) {
                        element.words(filter.zeros, &mut text);
                    }
                }
            }
        }
    }
    if !json {
        counts.words(&mut text);
    }
    Ok(text)
}

/// Whether all of it reads like a missing register.
fn is_absent(map: &Map<'_>, register: &Register) -> bool {
    let ones = u32::MAX >> (32 - register.bits);
    let mut offsets = register.spans.iter().flat_map(|span| span.offsets());
    offsets.all(|offset| (map.read)(offset, register.bits) & ones == ones)
}

/// Array neighbours with one value; a single register is an array of one.
struct Element {
    register: &'static Register,
    first: usize,
    last: usize,
    offset: u32,
    value: u32,
}

fn elements(map: &Map<'_>, register: &'static Register) -> Vec<Element> {
    let mut all: Vec<Element> = Vec::new();
    let offsets = register.spans.iter().flat_map(|span| span.offsets());
    for (n, offset) in offsets.enumerate() {
        let value = (map.read)(offset, register.bits);
        match all.last_mut() {
            Some(before) if before.value == value => before.last = n,
            _ => all.push(Element { register, first: n, last: n, offset, value }),
        }
    }
    all
}

impl Element {
    fn name(&self) -> String {
        let (name, first, last) = (self.register.name, self.first, self.last);
        match (self.register.len() > 1, first == last) {
            (false, _) => name.to_owned(),
            (true, true) => format!("{name}[{first}]"),
            (true, false) => format!("{name}[{first}..={last}]"),
        }
    }

    fn words(&self, zeros: bool, text: &mut String) {
        let (register, value) = (self.register, self.value);
        let digits = register.bits as usize / 4;
        let hex = format!("0x{value:0digits$x}");
        line(text, format_args!("{:#07x}  {:<24} {hex:<10}  {}", self.offset, self.name(), register.section));
        let fields = register.decode(value).fields().filter(|field| zeros || field.value != 0);
        let fields: Vec<_> = fields.map(|field| field.to_string()).collect();
        for some in fields.chunks(FIELDS) {
            line(text, format_args!("         {}", some.join("  ")));
        }
    }

    fn json(&self, map: &Map<'_>, text: &mut String) {
        let fields = self.register.decode(self.value).fields();
        let fields =
            fields.fold(Object::default(), |object, field| object.count(field.info.name, field.value.into()));
        let object = Object::default()
            .text("register", self.register.name)
            .text_or_null("structure", (!map.name.is_empty()).then_some(map.name))
            .count("first", self.first as u64)
            .count("last", self.last as u64)
            .count("offset", self.offset.into())
            .count("bits", self.register.bits.into())
            .text("section", self.register.section)
            .text("access", self.register.access.name())
            .count("value", self.value.into())
            .object("fields", fields);
        line(text, format_args!("{}", object.finish()));
    }
}

impl Counts {
    fn words(&self, text: &mut String) {
        let registers = if self.shown == 1 { "register" } else { "registers" };
        line(text, format_args!("\n{} {registers} shown.", self.shown));
        for (count, why) in [
            (self.zero, "zero (--zeros shows them)"),
            (self.with_effect, "reading has an effect (--all reads them)"),
            (self.semaphores, "reading takes a semaphore, which drivers would wait for"),
            (self.absent, "all ones, as registers that this device does not have"),
            (self.unreadable, "what reading gives is not defined"),
        ] {
            if count > 0 {
                line(text, format_args!("{count} left out: {why}."));
            }
        }
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String never fails.
    let _ = writeln!(text, "{words}");
}
