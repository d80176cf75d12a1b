//! The table of `--live`: [`Live`] redraws it in place, [`table`] makes its lines.
//!
//! The cursor rests at the table's upper left corner, and no mode of the terminal is changed. So there is nothing
//! to restore at the end of the program, a message printed in between stands above the next table, and after a
//! resize the table is redrawn from the same line on.

use super::port::Row;
use crate::error::Error;
use crate::rate::Rate;
use crate::screen::{self, CLEAR};
use crate::session::Session;

/// Assumed columns and rows of a terminal that does not report its size.
const USUAL: (usize, usize) = (80, 24);

/// Columns of all numbers in the wide table, and those of the skipped records, which only some tables have.
const NUMBERS: usize = 60;
const SKIPPED: usize = 8;

/// The shortest useful label in the wide table.
const LABEL: usize = 10;

/// A space at which a line is broken only if there is no other.
const TOGETHER: char = '\u{a0}';

/// The table on the terminal.
#[derive(Default)]
pub(super) struct Live {
    lines: Vec<String>,
}

impl Live {
    /// Columns and rows of the terminal, without the row that the cursor goes to after the last table.
    pub(super) fn size() -> (usize, usize) {
        let (columns, rows) = terminal_size::terminal_size()
            .map_or(USUAL, |(width, height)| (usize::from(width.0), usize::from(height.0)));
        (columns, rows.saturating_sub(1).max(1))
    }

    /// Draws a table in place of the one before.
    pub(super) fn draw(&mut self, session: &Session, lines: Vec<String>) -> Result<(), Error> {
        let mut text = format!("{CLEAR}{}\r", lines.join("\n"));
        if lines.len() > 1 {
            text += &format!("\x1b[{}A", lines.len() - 1);
        }
        self.lines = lines;
        screen::occupy(session.terminal());
        session.print(&text)
    }

    /// Draws the last table once more, over any echo of the terminal, and moves below it.
    pub(super) fn leave(&mut self, session: &Session) -> Result<(), Error> {
        let lines = std::mem::take(&mut self.lines);
        screen::occupy(false);
        if lines.is_empty() { Ok(()) } else { session.print(&format!("{CLEAR}{}\n", lines.join("\n"))) }
    }
}

/// The lines of a table that fits the terminal's columns and rows: rates of an interval, and missed and dropped
/// frames and errors since the start. With too few rows, queues are left out first, then ports.
pub(super) fn table(
    title: String,
    rows: &[Row<'_>],
    per_queue: bool,
    (columns, height): (usize, usize),
) -> Vec<String> {
    let lines_of = |per_queue| {
        let numbers = NUMBERS + if any_skipped(rows) { SKIPPED } else { 0 };
        let lines = match columns.checked_sub(numbers).filter(|label| *label >= LABEL) {
            Some(label) => wide(rows, per_queue, label),
            None => narrow(rows, per_queue, columns),
        };
        lines.iter().flat_map(|line| wrapped(line, columns)).collect::<Vec<_>>()
    };
    let mut all = wrapped(&title, columns);
    let mut lines = lines_of(per_queue);
    let needed = all.len() + lines.len();
    if needed > height {
        lines = lines_of(false);
        let note = wrapped(&format!("... all of it needs {} rows", needed + 1), columns);
        lines.truncate(height.saturating_sub(all.len() + note.len()));
        lines.extend(note);
    }
    all.extend(lines);
    all.truncate(height);
    all
}

/// A line, or several if it is too long. Dots stand for a word that is too long for a line.
fn wrapped(line: &str, columns: usize) -> Vec<String> {
    let length = |text: &str| text.chars().count();
    if length(line) <= columns {
        return vec![line.replace(TOGETHER, " ")];
    }
    let groups = line.split(' ').flat_map(|group| match length(group) <= columns {
        true => vec![group.replace(TOGETHER, " ")],
        false => group.split(TOGETHER).map(str::to_owned).collect(),
    });
    let mut lines: Vec<String> = Vec::new();
    for word in groups.filter(|word| !word.is_empty()) {
        let word = if length(&word) <= columns { word } else { ".".repeat(columns.min(2)) };
        match lines.last_mut() {
            Some(last) if length(last) + 1 + length(&word) <= columns => *last += &format!(" {word}"),
            _ => lines.push(word),
        }
    }
    lines
}

/// Whether a capture had records that are no frames.
fn any_skipped(rows: &[Row<'_>]) -> bool {
    rows.iter().any(|row| row.port.now.skipped > 0)
}

/// A header, and a line for each port and queue. A label has `most` columns.
fn wide(rows: &[Row<'_>], per_queue: bool, most: usize) -> Vec<String> {
    let longest = rows.iter().map(|row| row.port.label.chars().count()).max().unwrap_or(0);
    let label = longest.clamp(LABEL, most);
    let skipped = |text: &str| if any_skipped(rows) { format!("{text:>SKIPPED$}") } else { String::new() };
    let mut lines = vec![format!(
        "{:label$} {:>7} {:>7} {:>7} {:>7} {:>6} {:>7} {:>6}{} {:>5}",
        "",
        "RX pps",
        "RX bps",
        "TX pps",
        "TX bps",
        "missed",
        "dropped",
        "errors",
        skipped("skipped"),
        "link"
    )];
    for row in rows {
        let ([[rx, rx_bits], [tx, tx_bits]], [missed, dropped, errors]) = numbers(row);
        lines.push(format!(
            "{:label$} {rx:>7} {rx_bits:>7} {tx:>7} {tx_bits:>7} {missed:>6} {dropped:>7} {errors:>6}{} {:>5}",
            shortened(&row.port.label, label),
            skipped(&short(row.port.now.skipped as f64)),
            link(row)
        ));
        for (queue, [[rx, rx_bits], [tx, tx_bits]]) in queues(row, per_queue) {
            lines.push(format!("{queue:label$} {rx:>7} {rx_bits:>7} {tx:>7} {tx_bits:>7}"));
        }
    }
    lines
}

/// Four lines for each port, and two for each queue.
fn narrow(rows: &[Row<'_>], per_queue: bool, columns: usize) -> Vec<String> {
    let pair = |name: &str, [[rx, rx_bits], [tx, tx_bits]]: [[String; 2]; 2]| {
        [
            format!("{name:10} RX{TOGETHER}{rx:\u{a0}>5}{TOGETHER}pps {rx_bits:>5}{TOGETHER}bps"),
            format!("{:10} TX{TOGETHER}{tx:\u{a0}>5}{TOGETHER}pps {tx_bits:>5}{TOGETHER}bps", ""),
        ]
    };
    let mut lines = Vec::new();
    for row in rows {
        let (rates, [missed, dropped, errors]) = numbers(row);
        let link = link(row);
        lines.push(format!("{} {link}", shortened(&row.port.label, columns.saturating_sub(link.len() + 1))));
        lines.extend(pair("", rates));
        let counts = [("missed", missed), ("dropped", dropped), ("errors", errors)];
        let skipped = Some(("skipped", row.port.now.skipped)).filter(|(_, count)| *count > 0);
        let skipped = skipped.map(|(name, count)| (name, short(count as f64)));
        let counts =
            counts.into_iter().chain(skipped).map(|(name, count)| format!("{name}{TOGETHER}{count}"));
        lines.push(counts.collect::<Vec<_>>().join(" "));
        for (queue, rates) in queues(row, per_queue) {
            lines.extend(pair(&queue.replace(' ', "\u{a0}"), rates));
        }
    }
    lines
}

/// The name and rates of each queue.
fn queues(row: &Row<'_>, per_queue: bool) -> impl Iterator<Item = (String, [[String; 2]; 2])> {
    let queues = row.counts.queues.iter().enumerate().filter(move |_| per_queue);
    queues.map(|(n, counts)| (format!("  queue {n}"), Rate::of_queue(*counts, row.seconds).map(figures)))
}

/// Rates received and sent, and missed and dropped frames and errors.
fn numbers(row: &Row<'_>) -> ([[String; 2]; 2], [String; 3]) {
    let (rates, all) = (row.counts.total, row.port.now.total);
    let (rx, tx) = (Rate::received(rates, row.seconds), Rate::sent(rates, row.seconds));
    let lost = [all.rx_missed, all.rx_dropped, all.rx_errors].map(|count| short(count as f64));
    ([figures(rx), figures(tx)], lost)
}

/// Packets and bits a second.
fn figures(rate: Rate) -> [String; 2] {
    [rate.mpps, rate.mbit].map(|millions| short(millions * 1e6))
}

/// The link's speed in bits a second.
fn link(row: &Row<'_>) -> String {
    match row.port.link {
        ixy::LinkState { up: false, .. } => "down".into(),
        ixy::LinkState { speed: 0, .. } => "up".into(),
        ixy::LinkState { speed, .. } => short(f64::from(speed) * 1e6),
    }
}

/// Three digits and the letter of a power of thousand: five characters at most. A dash for no number.
fn short(number: f64) -> String {
    if number.is_nan() {
        return "-".into();
    }
    let (mut number, mut letter) = (number, "");
    for next in ["k", "M", "G", "T", "P", "E"] {
        if number < 999.5 {
            break;
        }
        (number, letter) = (number / 1e3, next);
    }
    let whole = letter.is_empty() && number.fract() == 0.0;
    let decimals = match number {
        _ if whole => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}{letter}")
}

/// A text with both its ends, and dots between them if it is too long.
fn shortened(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.into();
    }
    let kept = width.saturating_sub(2);
    let (head, tail) = (kept / 2, kept - kept / 2);
    text.chars().take(head).chain("..".chars()).chain(text.chars().skip(length - tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_at_most_five_characters() {
        for (number, text) in [
            (0.0, "0"),
            (7.0, "7"),
            (0.5, "0.50"),
            (99.96, "100"),
            (999.0, "999"),
            (999.7, "1.00k"),
            (1234.0, "1.23k"),
            (14_880_952.0, "14.9M"),
            (9_999_999_999.0, "10.0G"),
            (u64::MAX as f64, "18.4E"),
        ] {
            assert_eq!(short(number), text, "{number}");
        }
    }

    #[test]
    fn a_table_is_as_wide_and_as_high_as_the_terminal_at_most() {
        super::super::port::example(|row| {
            for columns in 1..200 {
                for rows in 1..20 {
                    let lines = table("4.0 s".into(), std::slice::from_ref(row), true, (columns, rows));
                    let widest = lines.iter().map(|line| line.chars().count()).max();
                    assert!(lines.len() <= rows && widest <= Some(columns), "{columns} x {rows}: {lines:#?}");
                }
            }
        });
    }

    #[test]
    fn a_wide_terminal_has_a_line_for_a_port_and_a_narrow_one_a_paragraph() {
        super::super::port::example(|row| {
            let of =
                |columns| table("4.0 s".into(), std::slice::from_ref(row), true, (columns, 20)).join("\n");
            assert_eq!(
                of(80),
                "4.0 s\n              RX pps  RX bps  TX pps  TX bps missed dropped errors skipped  link\n\
                 sim:r..,tx=y   1.00M    672M       1     672      3       4      5       7 10.0G\n  \
                 queue 0       0.50     336       1     672"
            );
            assert_eq!(
                of(40),
                "4.0 s\nsim:rx=\"x\",tx=y 10.0G\n           RX 1.00M pps  672M bps\n           \
                 TX     1 pps   672 bps\nmissed 3 dropped 4 errors 5 skipped 7\n  queue 0  RX  0.50 pps   336 bps\n           \
                 TX     1 pps   672 bps"
            );
        });
    }

    #[test]
    fn no_number_and_no_word_is_cut_in_any_width() {
        super::super::port::example(|row| {
            let whole = |columns| table("4.0 s".into(), std::slice::from_ref(row), true, (columns, 99));
            let [wide, narrow] = [200, 70].map(|columns| whole(columns).join(" "));
            for columns in 1..200 {
                let label = |word: &str| word.contains("..") || word == ".";
                for word in whole(columns).iter().flat_map(|line| line.split_whitespace()) {
                    let known =
                        [&wide, &narrow].iter().any(|all| all.split_whitespace().any(|one| one == word));
                    assert!(known || label(word), "{columns}: `{word}` is not one of {wide} {narrow}");
                }
            }
            let twenty = "4.0 s\nsim:rx..\",tx=y 10.0G\nRX 1.00M pps\n672M bps\nTX     1 pps 672 bps\nmissed 3 dropped 4\n\
                          errors 5 skipped 7\n  queue 0\nRX  0.50 pps 336 bps\nTX     1 pps 672 bps";
            assert_eq!(whole(20).join("\n"), twenty);
        });
    }

    #[test]
    fn a_label_that_is_too_long_keeps_both_ends() {
        assert_eq!(shortened("sim:rx=/long/way.pcap #1", 12), "sim:r..ap #1");
        assert_eq!(shortened("sim #1", 6), "sim #1");
        assert_eq!(shortened("sim #1", 1).chars().count(), 2);
    }
}
