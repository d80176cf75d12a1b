//! The tables of a page, and registers in the form of such tables.

use std::path::Path;

use ixy_regs::map::{Register, Span};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The columns of a register table.
pub(crate) const REGISTER_COLUMNS: [&str; 8] =
    ["offset", "register", "width", "access", "fields", "section", "reset", "meaning"];

/// A table of a page.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// The heading above it.
    pub(crate) heading: String,
    /// The code in the heading.
    pub(crate) code: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

pub(crate) fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasheet-notes").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

pub(crate) fn tables(markdown: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let (mut heading, mut code, mut in_heading) = (String::new(), String::new(), false);
    let (mut row, mut cell): (Vec<String>, Option<String>) = (Vec::new(), None);
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                (heading, code, in_heading) = (String::new(), String::new(), true);
            }
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Start(Tag::Table(_)) => {
                let (heading, code) = (heading.clone(), code.clone());
                tables.push(Table { heading, code, columns: Vec::new(), rows: Vec::new() });
            }
            Event::Start(Tag::TableCell) => cell = Some(String::new()),
            Event::End(TagEnd::TableCell) => row.extend(cell.take()),
            Event::End(TagEnd::TableHead) => tables.last_mut().unwrap().columns = std::mem::take(&mut row),
            Event::End(TagEnd::TableRow) => tables.last_mut().unwrap().rows.push(std::mem::take(&mut row)),
            Event::Text(ref text) | Event::Code(ref text) => match (&mut cell, in_heading) {
                (Some(cell), _) => cell.push_str(text),
                (None, true) => {
                    heading.push_str(text);
                    if matches!(event, Event::Code(_)) {
                        code.push_str(text);
                    }
                }
                (None, false) => {}
            },
            _ => {}
        }
    }
    tables
}

/// The access column.
pub(crate) fn access(register: &Register) -> String {
    format!("{}{}", register.access.name(), if register.dma { " dma" } else { "" })
}

/// The offset column, in `digits` hexadecimal digits: `base + stride*n, n < bound` for each span, then the
/// aliases.
pub(crate) fn offsets(register: &Register, digits: usize) -> String {
    let is_array = register.len() > 1;
    let mut parts = Vec::new();
    let mut before = 0;
    for span in register.spans {
        parts.push(if is_array { array(span, before, digits) } else { hex(span.base, digits) });
        before += span.count;
    }
    for alias in register.aliases {
        let single = alias.count == 1;
        parts.push(format!(
            "alias {}",
            if single { hex(alias.base, digits) } else { array(alias, 0, digits) }
        ));
    }
    parts.join("; ")
}

fn array(span: &Span, before: u32, digits: usize) -> String {
    let stride = if span.stride < 16 { span.stride.to_string() } else { format!("0x{:X}", span.stride) };
    let n = if before == 0 { "n".to_owned() } else { format!("(n-{before})") };
    format!("{} + {stride}*{n}, n < {}", hex(span.base, digits), before + span.count)
}

fn hex(offset: u32, digits: usize) -> String {
    format!("0x{offset:0digits$X}")
}

/// The fields column.
pub(crate) fn fields(register: &Register) -> String {
    let fields = register.fields().map(|field| format!("{} {}", field.name, bits(field.shift, field.width)));
    fields.collect::<Vec<_>>().join(", ")
}

/// The bits of a field, `high:low`.
pub(crate) fn bits(shift: u32, width: u32) -> String {
    if width == 1 { shift.to_string() } else { format!("{}:{shift}", shift + width - 1) }
}
