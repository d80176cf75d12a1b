//! Virtio: each table of the notes has a counterpart in code, which the code in its heading names, and the other way
//! round.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bitflags::Flags;
use ixy_regs::virtio::capability::{self, Capability, ConfigType, NotifyCapability};
use ixy_regs::virtio::features::{Features, REQUIREMENTS};
use ixy_regs::virtio::net::{self, Header, HeaderFlags, control};
use ixy_regs::virtio::ring::{self, DescriptorFlags, packed, split};
use ixy_regs::virtio::{self, Field, legacy};

use crate::tables::{REGISTER_COLUMNS, Table, access, fields, offsets, page, tables};

const PAGE: &str = "virtio-registers.md";

/// The expected first columns of a table; the others are for readers.
struct Expected {
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

/// All tables that the code expects.
fn expected() -> BTreeMap<&'static str, Expected> {
    let mut all = BTreeMap::new();
    for (name, registers) in virtio::MAPS {
        let rows = registers.iter().map(|register| {
            let (width, section) = (register.bits.to_string(), register.section.to_owned());
            let name = register.name.to_owned();
            vec![offsets(register, 2), name, width, access(register), fields(register), section]
        });
        all.insert(*name, Expected { columns: &REGISTER_COLUMNS[..6], rows: rows.collect() });
    }
    for (name, fields) in STRUCTURES {
        let row =
            |field: &Field| vec![field.offset.to_string(), field.bytes.to_string(), field.name.to_owned()];
        let columns = &["offset", "bytes", "field"];
        all.insert(name, Expected { columns, rows: fields.iter().map(row).collect() });
    }
    all.insert("features::Features", flags::<Features>(requirements));
    all.insert("net::HeaderFlags", flags::<HeaderFlags>(|_| String::new()));
    all.insert("ring::DescriptorFlags", flags::<DescriptorFlags>(|_| String::new()));
    let types = ConfigType::ALL.map(|kind| (kind as u64, format!("{kind:?}")));
    all.insert("capability::ConfigType", numbers(types));
    all.insert(
        "net::gso",
        numbers(net::gso::ALL.iter().map(|&(name, value)| (value.into(), name.to_owned()))),
    );
    let events = packed::EventFlags::ALL.map(|(name, flags)| (flags.0.into(), name.to_owned()));
    all.insert("ring::packed::EventFlags", numbers(events));
    all.insert("constants", numbers(CONSTANTS.map(|(name, value)| (value, name.to_owned()))));
    let rows = control::COMMANDS.iter().map(|(name, command, section)| {
        vec![
            command.class.to_string(),
            command.command.to_string(),
            (*name).to_owned(),
            (*section).to_owned(),
        ]
    });
    let columns = &["class", "command", "name", "section"];
    all.insert("net::control::COMMANDS", Expected { columns, rows: rows.collect() });
    let rows = [("descriptors", "16"), ("avail", "2"), ("used", "4")];
    let rows = rows.map(|(part, alignment)| vec![part.to_owned(), alignment.to_owned()]).into();
    // Their lengths are compared below.
    all.insert("ring::split::Layout", Expected { columns: &["part", "alignment"], rows });
    all
}

const STRUCTURES: [(&str, &[Field]); 9] = [
    ("capability::Capability", Capability::FIELDS),
    ("capability::NotifyCapability", NotifyCapability::FIELDS),
    ("net::Header", Header::FIELDS),
    ("net::HashHeader", net::HashHeader::FIELDS),
    ("net::control::Command", control::Command::FIELDS),
    ("ring::split::Descriptor", split::Descriptor::FIELDS),
    ("ring::split::UsedElement", split::UsedElement::FIELDS),
    ("ring::packed::Descriptor", packed::Descriptor::FIELDS),
    ("ring::packed::EventSuppression", packed::EventSuppression::FIELDS),
];

const CONSTANTS: [(&str, u64); 15] = [
    ("LEGACY_PAGE", virtio::LEGACY_PAGE as u64),
    ("NO_VECTOR", virtio::NO_VECTOR as u64),
    ("legacy::DEVICE_CONFIG", legacy::DEVICE_CONFIG as u64),
    ("legacy::DEVICE_CONFIG_WITH_MSIX", legacy::DEVICE_CONFIG_WITH_MSIX as u64),
    ("capability::VENDOR_CAPABILITY", capability::VENDOR_CAPABILITY as u64),
    ("capability::LAST_BAR", capability::LAST_BAR as u64),
    ("net::control::OK", control::OK as u64),
    ("net::control::ERR", control::ERR as u64),
    ("net::control::VQ_PAIRS_MIN", control::VQ_PAIRS_MIN as u64),
    ("net::control::VQ_PAIRS_MAX", control::VQ_PAIRS_MAX as u64),
    ("ring::MAX_SIZE", ring::MAX_SIZE as u64),
    ("ring::AVAIL_NO_INTERRUPT", ring::AVAIL_NO_INTERRUPT as u64),
    ("ring::USED_NO_NOTIFY", ring::USED_NO_NOTIFY as u64),
    ("net::Header::LEGACY_SIZE", Header::LEGACY_SIZE as u64),
    ("net::Header::SIZE", Header::SIZE as u64),
];

fn numbers(rows: impl IntoIterator<Item = (u64, String)>) -> Expected {
    let rows = rows.into_iter().map(|(value, name)| vec![value.to_string(), name]);
    Expected { columns: &["value", "name"], rows: rows.collect() }
}

/// Each flag has one bit.
fn flags<F: Flags<Bits: Into<u64>>>(requires: fn(u64) -> String) -> Expected {
    let rows = F::FLAGS.iter().map(|flag| {
        let bits: u64 = flag.value().bits().into();
        assert_eq!(bits.count_ones(), 1, "{}", flag.name());
        vec![bits.trailing_zeros().to_string(), flag.name().to_owned(), requires(bits)]
    });
    Expected { columns: &["bit", "flag", "requires"], rows: rows.collect() }
}

fn requirements(feature: u64) -> String {
    let required = REQUIREMENTS.iter().filter(|(of, _)| of.bits() == feature);
    let required = required.map(|(_, any)| any.iter_names().map(|(name, _)| name).collect::<Vec<_>>()).map(
        |mut names| {
            // RSS before HASH_REPORT, as in the specification; other alternatives are in the order of their bits.
            if names == ["HASH_REPORT", "RSS"] {
                names.reverse();
            }
            names.join(" or ")
        },
    );
    required.collect::<Vec<_>>().join("; ")
}

/// The differences between notes and code; empty when they agree.
fn differences(markdown: &str) -> String {
    let mut report = String::new();
    let mut expected = expected();
    for Table { code, columns, rows, .. } in tables(markdown).iter().filter(|table| !table.code.is_empty()) {
        let Some(Expected { columns: checked, rows: coded }) = expected.remove(code.as_str()) else {
            writeln!(report, "{code} is in the notes, and not in the code or twice in the notes").unwrap();
            continue;
        };
        if !columns.iter().map(String::as_str).take(checked.len()).eq(checked.iter().copied()) {
            writeln!(report, "{code}: the columns are {columns:?} and not {checked:?}").unwrap();
            continue;
        }
        for n in 0..rows.len().max(coded.len()) {
            let noted = rows.get(n).map_or(&[][..], |row| &row[..checked.len()]).join(" | ");
            let coded = coded.get(n).map_or(&[][..], |row| &row[..]).join(" | ");
            if noted != coded {
                writeln!(report, "{code}:\n  the code says  {coded}\n  the notes say  {noted}").unwrap();
            }
        }
    }
    for code in expected.keys() {
        writeln!(report, "{code} is in the code and not in the notes").unwrap();
    }
    report
}

#[test]
fn the_notes_and_the_code_say_the_same_of_virtio() {
    let report = differences(&page(PAGE));
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn a_typo_in_any_of_virtio_s_tables_is_reported_with_what_was_expected() {
    let notes = page(PAGE);
    let typos = [
        ("| `0x12` | DEVICE_STATUS |", "| `0x14` | DEVICE_STATUS |", "0x12 | DEVICE_STATUS | 8"),
        ("QUEUE_NOTIFY | 16 | RW dma", "QUEUE_NOTIFY | 16 | RW", "QUEUE_NOTIFY | 16 | RW dma"),
        ("ISR_STATUS | 8 | RC", "ISR_STATUS | 8 | RO", "ISR_STATUS | 8 | RC"),
        ("CONFIG_GENERATION | 8 |", "CONFIG_GENERATION | 16 |", "CONFIG_GENERATION | 8"),
        ("NEEDS_RESET 6, FAILED 7", "NEEDS_RESET 5, FAILED 7", "NEEDS_RESET 6"),
        ("1*n, n < 6", "1*n, n < 8", "0x00 + 1*n, n < 6 | MAC"),
        ("CONFIG 1 | 4.1.4.5 |", "CONFIG 1 | 4.1.4.4 |", "CONFIG 1 | 4.1.4.5"),
        ("| 33 | ACCESS_PLATFORM |", "| 34 | ACCESS_PLATFORM |", "33 | ACCESS_PLATFORM"),
        ("| 22 | MQ | CTRL_VQ |", "| 22 | MQ | |", "22 | MQ | CTRL_VQ"),
        ("| 9 | GUEST_ECN | GUEST_TSO4 or GUEST_TSO6 |", "| 9 | GUEST_ECN | GUEST_TSO4 |", "or GUEST_TSO6"),
        ("| 15 | USED |", "| 14 | USED |", "15 | USED"),
        ("| 1 | DATA_VALID |", "| 2 | DATA_VALID |", "1 | DATA_VALID"),
        ("| 8 | 4 | offset |", "| 12 | 4 | offset |", "8 | 4 | offset"),
        ("| 10 | 2 | num_buffers |", "| 10 | 4 | num_buffers |", "10 | 2 | num_buffers"),
        ("| 12 | 2 | id |", "| 14 | 2 | id |", "12 | 2 | id"),
        ("| 4 | 1 | MQ_RSS_CONFIG |", "| 4 | 2 | MQ_RSS_CONFIG |", "4 | 1 | MQ_RSS_CONFIG"),
        ("| 5 | UDP_L4 |", "| 2 | UDP_L4 |", "5 | UDP_L4"),
        ("| 8 | SharedMemory |", "| 6 | SharedMemory |", "8 | SharedMemory"),
        ("| 2 | DESC |", "| 3 | DESC |", "2 | DESC"),
        ("| 65535 | NO_VECTOR |", "| 32767 | NO_VECTOR |", "65535 | NO_VECTOR"),
        ("`net::Mtu`", "`net::Mut`", "net::Mtu is in the code and not in the notes"),
        ("`net::Mtu`", "`net::Mut`", "net::Mut is in the notes"),
    ];
    for (right, wrong, expected) in typos {
        assert!(notes.contains(right), "{right:?} is no longer in the notes: choose another example");
        let report = differences(&notes.replacen(right, wrong, 1));
        assert!(report.contains(expected), "{wrong:?} for {right:?} gave: {report:?}");
    }
    // A row that only one side has.
    let (before, row) = notes.split_once("| 63 | SPEED_DUPLEX |").unwrap();
    let without = format!("{before}{}", row.split_once('\n').unwrap().1);
    assert!(differences(&without).contains("63 | SPEED_DUPLEX"));
}

#[test]
fn the_parts_of_a_split_ring_have_the_lengths_of_the_notes() {
    let tables = tables(&page(PAGE));
    let table = tables.iter().find(|table| table.code == "ring::split::Layout").unwrap();
    for exponent in 0..=15 {
        let size: u16 = 1 << exponent;
        let layout = split::Layout::new(size, 4);
        for row in &table.rows {
            let found = match row[0].as_str() {
                "descriptors" => layout.avail - layout.descriptors,
                "avail" => layout.used_event() + 2 - layout.avail,
                "used" => layout.avail_event() + 2 - layout.used,
                part => panic!("no part is called {part}"),
            };
            assert_eq!(found, evaluate(&row[2], size.into()), "{} of a ring of {size}", row[0]);
        }
    }
}

/// The value of a sum such as `6 + 2*n`.
fn evaluate(sum: &str, n: usize) -> usize {
    let term = |term: &str| match term.strip_suffix("*n") {
        Some(factor) => factor.parse::<usize>().unwrap() * n,
        None => term.parse().unwrap(),
    };
    sum.split(" + ").map(term).sum()
}

#[test]
fn every_register_of_virtio_stands_under_its_section_and_has_a_meaning() {
    for table in tables(&page(PAGE)).iter().filter(|table| table.columns == REGISTER_COLUMNS) {
        let section = table.heading.split(' ').next().unwrap();
        for row in &table.rows {
            let (name, reset, meaning) = (&row[1], &row[6], &row[7]);
            assert_eq!(row[5], section, "{name} stands under {:?}", table.heading);
            let is_hex =
                reset.strip_prefix("0x").is_some_and(|digits| u32::from_str_radix(digits, 16).is_ok());
            assert!(is_hex || reset == "-", "{name}: {reset:?} is neither a hexadecimal value nor -");
            assert!(meaning.ends_with('.'), "{name}: {meaning:?} is no sentence");
        }
    }
}
