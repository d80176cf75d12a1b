//! The text of `--help` about addresses, signals and exit codes, wrapped to the terminal: [`help`],
//! [`short_help`], [`STYLES`].

use std::fmt::Write;

use clap::builder::StyledStr;
use clap::builder::styling::{AnsiColor, Style, Styles};

/// The colours of `--help` on a terminal. `NO_COLOR` switches them off.
pub const STYLES: Styles =
    Styles::styled().header(HEADER).usage(HEADER).literal(LITERAL).placeholder(AnsiColor::Cyan.on_default());

/// The style of titles.
pub(crate) const HEADER: Style = AnsiColor::Green.on_default().bold();
/// The style of terms and examples.
pub(crate) const LITERAL: Style = AnsiColor::Cyan.on_default().bold();

/// The kinds of addresses.
const KINDS: &str = "Addresses: a network card (03:00.0, as ixy-info lists it), a software card (sim, sim:rx=in.pcap, \
                     sim:tap=NAME), vfio-user:PATH. See --help for all addresses and options.";

/// Addresses, each with what it opens.
const ADDRESSES: &[(&str, &str)] = &[
    (
        "0000:03:00.0, 03:00.0",
        "a network card, as `lspci -nn` prints it (Intel 82599, X540, X550, 82576; virtio); `ixy-info` says what is \
         missing before it can be used",
    ),
    ("sim", "a software 82599 with an endless source of 60-byte frames and a sink; needs no hardware"),
    ("sim:flood,size=N,flows=N", "the same with frames of N bytes (60 to 1514) in N UDP flows"),
    ("sim:rx=IN.pcap", "receives the frames of a capture; the input ends after the last one"),
    ("sim:tx=OUT.pcap", "writes what is sent to a capture; rx= and tx= can be combined"),
    ("sim:cable=NAME", "one end of a cable in this process; the other end has the same name"),
    ("sim:socket=PATH", "one end of a cable between two processes that open the same path, in any order"),
    (
        "sim:tap=NAME",
        "a TAP interface of this machine (needs root); with up, mtu=N, addr=10.0.0.1/24 (also IPv6; brings it up), \
         netns=NAME (in that network namespace)",
    ),
    ("sim:loopback", "receives what it sends"),
    (
        "more for any sim",
        "mac=02:00:00:00:00:07, pause=off (a frame that finds no room is lost instead of waiting), link=down, loss=P dup=P corrupt=P \
         (probabilities from 0 to 1), delay=TIME (such as 50us), seed=N, module=KIND (the SFP+ module: sr, lr, lrm, er, dual, dac, active-dac or 1g). Separate options with commas; to put a comma in \
         a value, write it twice.",
    ),
    (
        "vfio-user:PATH",
        "a software 82599 that another process serves at that socket (ixy-serve --socket PATH)",
    ),
];

/// How every program ends.
pub(crate) const EXIT_CODES: &[(&str, &str)] = &[
    ("0", "success; also after SIGINT (Ctrl-C), SIGTERM or SIGHUP"),
    ("1", "an error, explained in one line on standard error"),
    ("2", "the arguments are wrong, explained in the same way"),
    ("130", "a second such signal ended the program at once"),
];

/// Largest width of help in columns, and its width without a terminal.
pub(crate) const WIDEST: usize = 100;

/// The width of the terms in a table.
const TERMS: usize = 26;

/// The end of `--help` of a program that opens devices: addresses, the program's own `examples`, output, exit codes.
pub fn help(examples: &[&str]) -> StyledStr {
    let mut text = Text::new();
    text.table("Addresses", ADDRESSES);
    text.examples(examples);
    text.paragraph(
        "Output",
        "Statistics go to standard output, messages to standard error. The environment variable IXY_LOG sets the level \
         of messages (error, warn, info, debug, trace), also by crate (ixy_sim=debug). Under systemd they have \
         priorities for the journal. The first SIGINT (Ctrl-C), SIGTERM or SIGHUP ends the program with a summary.",
    );
    text.table("Exit codes", EXIT_CODES);
    text.finish()
}

/// The end of `-h` of a program that opens devices: kinds of addresses, and the first two of the program's own
/// `examples`.
pub fn short_help(examples: &[&str]) -> StyledStr {
    let mut text = Text::new();
    text.text = textwrap::fill(KINDS, text.width) + "\n\n";
    for (n, example) in examples.iter().take(2).enumerate() {
        text.text += &if n == 0 { format!("{HEADER}Examples:{HEADER:#}") } else { " ".repeat(9) };
        text.text += &format!(" {LITERAL}{example}{LITERAL:#}\n");
    }
    text.finish()
}

/// The end of `--help` of a program with its own addresses or tables: `sections`, each a title and its text, then
/// examples and exit codes.
pub fn help_of(sections: &[(&str, &str)], examples: &[&str]) -> StyledStr {
    let mut text = Text::new();
    for (title, paragraph) in sections {
        text.paragraph(title, paragraph);
    }
    text.examples(examples);
    text.table("Exit codes", EXIT_CODES);
    text.finish()
}

/// A help text under construction.
struct Text {
    text: String,
    width: usize,
}

impl Text {
    /// The same width as in the rest of clap's help.
    fn new() -> Self {
        let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self {
            text: String::new(),
            width: terminal.filter(|&width| width > 0).map_or(WIDEST, |width| width.min(WIDEST)),
        }
    }

    fn header(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        // Writing to a String never fails.
        let _ = writeln!(self.text, "{HEADER}{title}:{HEADER:#}");
    }

    fn paragraph(&mut self, title: &str, text: &str) {
        self.header(title);
        let indent = textwrap::Options::new(self.width).initial_indent("  ").subsequent_indent("  ");
        self.text += &textwrap::fill(text, indent);
        self.text.push('\n');
    }

    fn examples(&mut self, examples: &[&str]) {
        self.header("Examples");
        for example in examples {
            let _ = writeln!(self.text, "  {LITERAL}{example}{LITERAL:#}");
        }
    }

    /// Terms beside their meanings; above them in a narrow terminal.
    fn table(&mut self, title: &str, rows: &[(&str, &str)]) {
        self.header(title);
        let longest = rows.iter().map(|(term, _)| term.len()).max().unwrap_or(0).min(TERMS);
        for (term, meaning) in rows {
            let _ = write!(self.text, "  {LITERAL}{term}{LITERAL:#}");
            let beside = self.width >= 70 && term.len() <= longest;
            let indent = if beside { " ".repeat(longest + 4) } else { " ".repeat(6) };
            let lines = textwrap::Options::new(self.width).initial_indent(&indent).subsequent_indent(&indent);
            let lines = textwrap::fill(meaning, lines);
            match beside {
                true => self.text += &lines[term.len() + 2..],
                false => self.text += &format!("\n{lines}"),
            }
            self.text.push('\n');
        }
    }

    fn finish(mut self) -> StyledStr {
        self.text.truncate(self.text.trim_end().len());
        StyledStr::from(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(width: usize) -> String {
        let mut text = Text { text: String::new(), width };
        text.table("Exit codes", &[("a", "one two three"), ("bc", "four")]);
        StyledStr::from(text.text).to_string()
    }

    #[test]
    fn a_table_stands_beside_its_terms_or_below_them_in_a_narrow_terminal() {
        assert_eq!(table(80), "Exit codes:\n  a   one two three\n  bc  four\n");
        assert_eq!(table(16), "Exit codes:\n  a\n      one two\n      three\n  bc\n      four\n");
    }

    #[test]
    fn no_line_of_help_is_wider_than_the_terminal() {
        for width in [40, 60, 80, 100] {
            let mut text = Text { text: String::new(), width };
            text.table("Addresses", ADDRESSES);
            text.table("Exit codes", EXIT_CODES);
            let text = StyledStr::from(text.text).to_string();
            assert!(text.lines().all(|line| line.len() <= width), "{width}: {text}");
        }
    }
}
