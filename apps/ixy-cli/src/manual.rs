//! The manual page of `--man`: [`write`].

use std::io::{self, Write};

use clap::{Arg, ArgAction, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::help::{HEADER, LITERAL};

/// Joins the words of an option, so that no line ends within it.
const NO_BREAK: char = '\u{a0}';

/// Writes the manual page of `command`: like its `--help`, with a section for each table.
///
/// # Errors
/// `to` cannot be written.
pub(crate) fn write(mut command: Command, to: &mut dyn Write) -> io::Result<()> {
    command.build();
    let page = Man::new(command.clone());
    page.render_title(to)?;
    page.render_name_section(to)?;
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    // No option is hyphenated.
    synopsis.control("nh", []);
    synopsis.control("ad", ["l"]);
    synopsis.text(usage(&command));
    synopsis.control("hy", []);
    synopsis.control("ad", []);
    synopsis.to_writer(to)?;
    page.render_description_section(to)?;
    page.render_options_section(to)?;
    let help = command.get_after_long_help().map(|help| help.ansi().to_string()).unwrap_or_default();
    sections(&help).to_writer(to)?;
    if command.get_version().is_some() { page.render_version_section(to) } else { Ok(()) }
}

/// The program's name, then its options and arguments, each with its value.
fn usage(command: &Command) -> Vec<Inline> {
    let mut words = vec![bold(command.get_name())];
    let (positional, options): (Vec<&Arg>, Vec<&Arg>) =
        command.get_arguments().filter(|arg| !arg.is_hide_set()).partition(|arg| arg.is_positional());
    for arg in options.into_iter().chain(positional) {
        let (before, after) = if arg.is_required_set() { ("", "") } else { ("[", "]") };
        words.push(roman(format!(" {before}")));
        words.extend(names(arg));
        words.extend(value(arg));
        words.push(roman(after));
        if matches!(arg.get_action(), ArgAction::Count | ArgAction::Append) {
            words.push(roman("..."));
        }
    }
    words
}

/// The short and the long name of an option; nothing for an argument without a name.
fn names(arg: &Arg) -> Vec<Inline> {
    let short = arg.get_short().map(|short| bold(format!("-{short}")));
    let long = arg.get_long().map(|long| bold(format!("--{long}")));
    match (short, long) {
        (Some(short), Some(long)) => vec![short, roman("|"), long],
        (short, long) => short.into_iter().chain(long).collect(),
    }
}

/// The name of the value of an argument, if it has one.
fn value(arg: &Arg) -> Vec<Inline> {
    let Some(range) = arg.get_num_args().filter(|range| range.takes_values()) else { return Vec::new() };
    let name = arg.get_value_names().map_or_else(|| arg.get_id().to_string(), |names| names.join(" "));
    let separator = match () {
        () if arg.is_positional() => String::new(),
        () if arg.is_require_equals_set() => "=".to_owned(),
        () => NO_BREAK.to_string(),
    };
    if range.min_values() > 0 {
        return vec![roman(separator), italic(name)];
    }
    let (before, inside) = if arg.is_require_equals_set() { ("", "[=") } else { (separator.as_str(), "[") };
    vec![roman(format!("{before}{inside}")), italic(name), roman("]")]
}

/// The text of `--help` behind the options, which [`crate::help`] makes, as sections. Its styles say which lines are
/// titles and which terms; the paragraphs are filled again, for the width of the page.
fn sections(help: &str) -> Roff {
    let (header, literal) = (HEADER.render().to_string(), format!("  {}", LITERAL.render()));
    let (header_end, literal_end) = (format!("{HEADER:#}"), format!("{LITERAL:#}"));
    let mut roff = Roff::new();
    let mut lines = help.lines().filter(|line| !line.trim().is_empty()).peekable();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix(&header) {
            let title = title.trim_end_matches(&header_end).trim_end_matches(':');
            roff.control("SH", [title.to_uppercase().as_str()]);
        } else if let Some((term, meaning)) =
            line.strip_prefix(&literal).and_then(|line| line.split_once(&literal_end))
        {
            let explained =
                !meaning.trim().is_empty() || lines.peek().is_some_and(|next| next.starts_with("    "));
            if explained {
                roff.control("TP", []);
                roff.text([bold(term)]);
                if !meaning.trim().is_empty() {
                    roff.text([roman(meaning.trim())]);
                }
            } else {
                // An example. The page is indented, and a shell command is not broken into lines.
                roff.control("nf", []);
                roff.text([roman(term)]);
                roff.control("fi", []);
            }
        } else {
            roff.text([roman(line.trim())]);
        }
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let value = |id: &'static str, name: &'static str| Arg::new(id).long(id).value_name(name);
        Command::new("prog")
            .version("1")
            .about("Does it")
            .after_long_help(crate::help(&["prog one  two"]))
            .args([
                Arg::new("device").required(true),
                value("threads", "N"),
                value("check", "N").num_args(0..=1).require_equals(true),
                value("trace", "FORMAT").num_args(0..=1),
                value("socket", "PATH").required(true).action(ArgAction::Append),
                Arg::new("verbose").short('v').long("verbose").action(ArgAction::Count),
                Arg::new("quiet").long("quiet").action(ArgAction::SetTrue),
            ])
    }

    fn page() -> String {
        let mut page = Vec::new();
        write(command(), &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn the_synopsis_has_the_values_of_options() {
        let page = page().replace(NO_BREAK, " ").replace(r"\-", "-").replace(r"\fB", "").replace(r"\fI", "");
        let page = page.replace(r"\fR", "");
        let wanted = "prog [--threads N] [--check[=N]] [--trace [FORMAT]] --socket PATH... [-v|--verbose]... [--quiet]";
        assert!(page.contains(wanted) && page.contains(" device\n"), "`{wanted}` is not in: {page}");
    }

    #[test]
    fn each_table_is_a_section_with_its_terms_and_each_example_a_line() {
        let page = page();
        for wanted in [
            ".SH ADDRESSES\n",
            ".TP\n\\fBsim:loopback\\fR\nreceives what it sends\n",
            ".SH EXAMPLES\n.nf\nprog one  two\n.fi\n",
            ".SH OUTPUT\nStatistics go to",
            ".SH \"EXIT CODES\"\n.TP\n\\fB0\\fR\nsuccess",
        ] {
            assert!(page.contains(wanted), "`{wanted}` is not in: {page}");
        }
        assert!(!page.contains('\u{1b}') && !page.contains("EXTRA"), "{page}");
    }
}
