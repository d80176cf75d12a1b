//! The tables of the notes and the code agree, both ways.

#![allow(clippy::unwrap_used)] // tests

use std::path::Path;

use ixy_vfio_user::message::{Command, Errno, Request, STRUCTURES};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The rows of the table under a heading, without its head.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasheet-notes/vfio-user.md");
    let markdown = std::fs::read_to_string(path).unwrap();
    let (mut rows, mut row, mut text, mut inside) = (Vec::new(), Vec::new(), String::new(), false);
    for event in Parser::new_ext(&markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. } | Tag::TableCell) => text.clear(),
            Event::End(TagEnd::Heading(_)) => inside = text == heading,
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::End(TagEnd::TableCell) => row.push(std::mem::take(&mut text)),
            Event::End(TagEnd::TableHead) => row.clear(),
            Event::End(TagEnd::TableRow) if inside => rows.push(std::mem::take(&mut row)),
            Event::End(TagEnd::TableRow) => row.clear(),
            _ => {}
        }
    }
    rows
}

#[test]
fn the_notes_and_the_code_have_the_same_commands() {
    let noted: Vec<_> = rows("Commands").into_iter().map(|row| row[..3].join(" ")).collect();
    let offered = |command: Command| match Request::parse(command as u16, &[]) {
        Err(Errno::OPNOTSUPP) => "no",
        _ => "yes",
    };
    let coded = Command::ALL
        .iter()
        .map(|&command| format!("{} {} {}", command as u16, command.name(), offered(command)));
    assert_eq!(noted, coded.collect::<Vec<_>>(), "left is what the notes say, right what the code says");
}

#[test]
fn the_notes_and_the_code_have_the_same_structures() {
    let noted: Vec<_> = rows("Structures").into_iter().map(|row| row.join(" ")).collect();
    let coded = STRUCTURES.iter().map(|(name, size, fields)| {
        let fields: Vec<_> =
            fields.iter().map(|(name, offset, len)| format!("{name} {offset} {len}")).collect();
        format!("{name} {size} {}", fields.join(", "))
    });
    assert_eq!(noted, coded.collect::<Vec<_>>(), "left is what the notes say, right what the code says");
}
