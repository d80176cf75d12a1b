//! The datasheet notes and the code agree, both ways.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod tables;
mod virtio;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ixy_regs::descriptor::Bits;
use ixy_regs::ixgbe::descriptors::{receive, transmit};
use ixy_regs::map::Register;
use ixy_regs::{igb, ixgbe};
use tables::{REGISTER_COLUMNS, access, bits, fields, offsets, page, tables};

/// The columns of a descriptor table.
const DESCRIPTOR_COLUMNS: [&str; 4] = ["word", "bits", "field", "meaning"];

/// A register as the notes or the code describe it: column name to text.
type Facts = BTreeMap<&'static str, String>;

fn registers_of_notes(markdown: &str) -> Vec<(String, Facts)> {
    tables(markdown)
        .iter()
        .filter(|table| table.columns == REGISTER_COLUMNS)
        .flat_map(|table| &table.rows)
        .map(|row| (row[1].clone(), REGISTER_COLUMNS.into_iter().zip(row.iter().cloned()).collect()))
        .collect()
}

fn facts_of(register: &Register) -> Facts {
    Facts::from([
        ("offset", offsets(register, 5)),
        ("width", register.bits.to_string()),
        ("access", access(register)),
        ("fields", fields(register)),
        ("section", register.section.to_owned()),
    ])
}

/// The differences between notes and code; empty when they agree.
fn differences(markdown: &str, code: impl Iterator<Item = &'static Register>) -> String {
    let mut report = String::new();
    let mut notes = BTreeMap::new();
    for (name, facts) in registers_of_notes(markdown) {
        if notes.insert(name.clone(), facts).is_some() {
            writeln!(report, "{name} stands twice in the notes").unwrap();
        }
    }
    for register in code {
        let Some(noted) = notes.remove(register.name) else {
            writeln!(report, "{} is in the code and not in the notes", register.name).unwrap();
            continue;
        };
        for (column, expected) in facts_of(register) {
            let found = &noted[column];
            if *found != expected {
                let name = register.name;
                writeln!(report, "{name}, {column}:\n  the code says  {expected}\n  the notes say  {found}")
                    .unwrap();
            }
        }
    }
    for name in notes.keys() {
        writeln!(report, "{name} is in the notes and not in the code").unwrap();
    }
    report
}

#[test]
fn the_notes_and_the_code_have_the_same_registers() {
    let report = differences(&page("82599-registers.md"), ixgbe::all());
    assert!(report.is_empty(), "\n{report}");
    let report = differences(&page("82599-vf-registers.md"), ixgbe::vf::all());
    assert!(report.is_empty(), "\n{report}");
    let report = differences(&page("82576-registers.md"), igb::all());
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn a_typo_in_any_column_is_reported_with_what_was_expected() {
    let notes = page("82599-registers.md");
    let typos = [
        ("RST 26", "RST 25", "CTRL, fields"),
        ("0x05200 + 4*n, n < 128", "0x05200 + 4*n, n < 127", "MTA, offset"),
        ("0x0D000 + 0x40*(n-64), n < 128", "0x0D000 + 0x80*(n-64), n < 128", "RDBAL, offset"),
        ("alias 0x05818", "alias 0x05814", "MRQC, offset"),
        ("| RDT | 32 | RW dma |", "| RDT | 32 | RW |", "RDT, access"),
        ("| GPRC | 32 | RC |", "| GPRC | 32 | RO |", "GPRC, access"),
        ("| EICR | 32 |", "| EICR | 16 |", "EICR, width"),
        ("| 8.2.3.8.7 |", "| 8.2.3.8.8 |", "SRRCTL, section"),
        ("| VFTA |", "| VFTB |", "VFTA is in the code and not in the notes"),
        ("| VFTA |", "| VFTB |", "VFTB is in the notes and not in the code"),
        ("| QPTC |", "| QPRC |", "QPRC stands twice"),
    ];
    check(&notes, ixgbe::all, &typos);
}

#[test]
fn a_typo_in_the_82576_s_tables_is_reported_with_what_was_expected() {
    let notes = page("82576-registers.md");
    let typos = [
        ("RXEN 1, SBP 2", "RXEN 2, SBP 1", "RCTL, fields"),
        ("0x054E0 + 8*(n-16), n < 24", "0x05480 + 8*(n-16), n < 24", "RAL, offset"),
        ("0x0C028 + 0x40*n, n < 16", "0x0C028 + 0x40*n, n < 8", "RXDCTL, offset"),
        ("alias 0x02828 + 0x100*n, n < 4", "alias 0x02828 + 0x40*n, n < 4", "RXDCTL, offset"),
        ("| TDT | 32 | RW dma |", "| TDT | 32 | RW |", "TDT, access"),
        ("| EICR | 32 | RC_W1C |", "| EICR | 32 | RC |", "EICR, access"),
        ("| GPRC | 32 |", "| GPRC | 64 |", "GPRC, width"),
        ("| 8.12.13 |", "| 8.12.15 |", "TXDCTL, section"),
        ("| UTA |", "| UTB |", "UTA is in the code and not in the notes"),
        ("| UTA |", "| UTB |", "UTB is in the notes and not in the code"),
        ("| EIMS |", "| IMS |", "IMS stands twice"),
    ];
    check(&notes, igb::all, &typos);
}

/// Checks that each typo, planted in the notes, gives a report with the expected text.
fn check<I>(notes: &str, code: fn() -> I, typos: &[(&str, &str, &str)])
where
    I: Iterator<Item = &'static Register>,
{
    for (right, wrong, expected) in typos {
        assert!(notes.contains(right), "{right:?} is no longer in the notes: choose another example");
        let report = differences(&notes.replacen(right, wrong, 1), code());
        assert!(report.contains(expected), "{wrong:?} for {right:?} gave: {report:?}");
    }
}

#[test]
fn every_register_of_the_notes_has_a_reset_value_and_a_meaning() {
    let pages = ["82599-registers.md", "82599-vf-registers.md", "82576-registers.md"];
    for (name, facts) in pages.iter().flat_map(|name| registers_of_notes(&page(name))) {
        let reset = &facts["reset"];
        let is_hex = reset.strip_prefix("0x").is_some_and(|digits| u32::from_str_radix(digits, 16).is_ok());
        assert!(is_hex || reset == "-", "{name}: {reset:?} is neither a hexadecimal value nor -");
        assert!(facts["meaning"].ends_with('.'), "{name}: {:?} is no sentence", facts["meaning"]);
    }
}

#[test]
fn every_section_stands_under_the_heading_that_it_belongs_to() {
    let pages = ["82599-registers.md", "82599-vf-registers.md", "82576-registers.md"];
    let tables = pages.iter().flat_map(|name| tables(&page(name)));
    for table in tables.filter(|table| table.columns == REGISTER_COLUMNS) {
        let section = table.heading.split(' ').next().unwrap();
        for row in &table.rows {
            let (name, found) = (&row[1], &row[5]);
            // A register without a known section of its own has an enclosing one. The TCP timer is in the section
            // on general control.
            let inside =
                found.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            let encloses = section.starts_with(found.as_str());
            let fits = inside || encloses || name == "TCPTIMER";
            assert!(fits, "{name} of section {found} stands under {:?}", table.heading);
        }
    }
}

/// The descriptor formats, by page and heading of their table.
const FORMATS: [(&str, &str, &[Bits]); 12] = [
    ("receive.md", "Advanced read format", receive::read::FIELDS),
    ("receive.md", "Advanced write-back format", receive::write_back::FIELDS),
    ("receive.md", "Legacy format", receive::legacy::FIELDS),
    ("transmit.md", "Advanced data descriptor, read format", transmit::data_read::FIELDS),
    ("transmit.md", "Advanced data descriptor, write-back format", transmit::data_write_back::FIELDS),
    ("transmit.md", "Context descriptor", transmit::context_read::FIELDS),
    ("transmit.md", "Legacy descriptor", transmit::legacy::FIELDS),
    ("82576.md", "Receive, read format", igb::descriptors::receive::read::FIELDS),
    ("82576.md", "Receive, write-back format", igb::descriptors::receive::write_back::FIELDS),
    ("82576.md", "Transmit data, read format", igb::descriptors::transmit::data_read::FIELDS),
    ("82576.md", "Transmit data, write-back format", igb::descriptors::transmit::data_write_back::FIELDS),
    ("82576.md", "Transmit context", igb::descriptors::transmit::context_read::FIELDS),
];

#[test]
fn the_notes_and_the_code_have_the_same_descriptors() {
    for (name, heading, fields) in FORMATS {
        let tables = tables(&page(name));
        let table = tables
            .iter()
            .find(|table| table.heading.starts_with(heading) && table.columns == DESCRIPTOR_COLUMNS)
            .unwrap_or_else(|| panic!("{name} has no table of {DESCRIPTOR_COLUMNS:?} under {heading:?}"));
        let noted: Vec<_> = table.rows.iter().map(|row| row[..3].join(" ")).collect();
        let coded = fields.iter().map(|field| {
            let Bits { name, word, shift, width } = field;
            format!("{word} {} {name}", bits(*shift, *width))
        });
        let coded: Vec<_> = coded.collect();
        assert_eq!(noted, coded, "{name}, {heading}: left is what the notes say, right what the code says");
    }
}
