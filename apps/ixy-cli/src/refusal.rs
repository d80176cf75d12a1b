//! The error for refused arguments: [`refusal`], with [`joined`] before clap sees them.

use std::any::TypeId;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// Joins an option with a value that begins with a minus sign: `--batch -1` becomes `--batch=-1`.
///
/// clap takes such a value for an unknown option. Joined, it reaches the parser of the option, whose error names
/// the valid values.
pub(crate) fn joined(command: &Command, words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for word in words {
        let negative = matches!(word.as_encoded_bytes(), [b'-', b'0'..=b'9' | b'.', ..]);
        match joined.last_mut() {
            Some(option) if negative && with_value(command, option).is_some() => {
                option.push("=");
                option.push(word);
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// The option that a word names, if it takes a value.
fn with_value<'c>(command: &'c Command, word: &OsStr) -> Option<&'c Arg> {
    let word = word.to_str()?;
    command.get_arguments().filter(|arg| arg.get_action().takes_values()).find(|arg| {
        arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long))
            || arg
                .get_short()
                .is_some_and(|short| word.strip_prefix('-').is_some_and(|name| name.chars().eq([short])))
    })
}

/// The error for arguments that clap refuses, in one line: what is wrong, then what to do.
pub(crate) fn refusal(error: &clap::Error, command: &Command, words: &[OsString]) -> String {
    let get = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let argument = get(ContextKind::InvalidArg);
    let (name, value) = (name_of(argument), get(ContextKind::InvalidValue));
    match error.kind() {
        // The text about a device names it already.
        ErrorKind::ValueValidation if argument.starts_with('<') => why(error),
        ErrorKind::ValueValidation if !argument.is_empty() => {
            format!("{name} cannot be `{value}`: {}", why(error))
        }
        ErrorKind::InvalidValue => match (value, one_of(error)) {
            ("", None) => format!("{name} needs a value; see --help"),
            ("", Some(choices)) => format!("{name} needs a value: write {choices}"),
            (_, choices) => format!("{name} cannot be `{value}`: write {}", choices.unwrap_or_default()),
        },
        ErrorKind::UnknownArgument if matches!(argument, "--filter" | "-f") => {
            format!("there is no option {argument}{}; see --help", filters(command))
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => match similar(argument, command) {
            None => format!("there is no option {argument}; see --help"),
            Some(similar) => format!("there is no option {argument}, but there is --{similar}; see --help"),
        },
        ErrorKind::UnknownArgument => {
            let at = words.iter().position(|word| word == argument);
            let before = at.and_then(|at| words.get(at.checked_sub(1)?));
            match before.filter(|word| with_value(command, word).is_some_and(Arg::is_require_equals_set)) {
                Some(option) => {
                    let option = option.display();
                    format!(
                        "`{argument}` is one argument too many; as a value of {option}, write {option}={argument}"
                    )
                }
                None => format!("`{argument}` is one argument too many{}; see --help", filters(command)),
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = all(error, ContextKind::InvalidArg);
            let verb = if missing.len() == 1 { "argument is" } else { "arguments are" };
            format!("the {verb} missing: {}; see --help", missing.join(" "))
        }
        ErrorKind::ArgumentConflict if !argument.is_empty() => {
            let others = all(error, ContextKind::PriorArg);
            let others: Vec<_> = others.iter().map(|other| name_of(other)).collect();
            match others.as_slice() {
                [] => format!("{name} has to be the only argument; see --help"),
                [other] if *other == name => format!("{name} is given twice; give it once"),
                others => format!("{name} cannot be given with {}; leave one of them out", others.join(" ")),
            }
        }
        ErrorKind::InvalidUtf8 => not_utf8(command, words),
        // The program's own error, which says what to do.
        _ if error.context().next().is_none() => in_one_line(&error.render().to_string()),
        _ => format!("{}; see --help", in_one_line(&error.render().to_string())),
    }
}

/// The option that was probably meant.
fn similar<'c>(argument: &str, command: &'c Command) -> Option<&'c str> {
    ixy::similar(argument.strip_prefix("--")?, command.get_arguments().filter_map(Arg::get_long))
}

/// The way to choose frames where a program has options in place of tcpdump's language.
fn filters(command: &Command) -> &'static str {
    let has = |name| command.get_arguments().any(|arg| arg.get_long() == Some(name));
    if has("host") && has("proto") { "; --host, --port and --proto choose frames" } else { "" }
}

/// Names the first argument that is not UTF-8. Files that options name may have any name.
fn not_utf8(command: &Command, words: &[OsString]) -> String {
    let mut before: Option<&OsString> = None;
    for word in words {
        let text = word.to_string_lossy();
        let (option, value) = match (text.split_once('='), before) {
            (Some((option, value)), _) if option.starts_with("--") => (Some(option), value),
            (_, Some(option)) if with_value(command, option).is_some() => (option.to_str(), &*text),
            _ => (None, &*text),
        };
        let option = option.map(|option| (option, with_value(command, OsStr::new(option))));
        let is_path = matches!(option, Some((_, Some(arg))) if arg.get_value_parser().type_id() == TypeId::of::<PathBuf>());
        if word.to_str().is_none() && !is_path {
            let name = option.map_or_else(String::new, |(option, _)| format!("{option} cannot be "));
            return format!("{name}`{value}`: it is not UTF-8; write it in UTF-8");
        }
        before = Some(word);
    }
    "an argument is not UTF-8; write it in UTF-8".into()
}

/// The bare name of an argument as clap shows it: `--batch <N>`, `--check[=<N>]`, `--verbose...`.
fn name_of(argument: &str) -> &str {
    argument.split([' ', '[', '.']).next().unwrap_or_default()
}

/// All arguments that clap names together.
fn all(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(all)) => all.clone(),
        _ => Vec::new(),
    }
}

/// The error of a value's parser.
fn why(error: &clap::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// The valid values of an option, if they are few.
fn one_of(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue) else { return None };
    match values.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        [others @ .., last] => Some(format!("{} or {last}", others.join(", "))),
    }
}

/// clap's paragraphs as one line: what is wrong, then its tips; without the usage after them.
fn in_one_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let paragraphs = text.split("\n\n").take_while(|paragraph| {
        !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information")
    });
    let lines = paragraphs.map(|paragraph| {
        let words = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        words.strip_prefix("tip: ").map(str::to_owned).unwrap_or(words)
    });
    lines.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::flags::number;

    #[derive(Debug, Parser)]
    struct Args {
        #[arg(value_parser = device)]
        device: String,
        #[arg(short, long, value_parser = number::<u16>(1..=256))]
        batch: Option<u16>,
        #[arg(long, num_args = 0..=1, require_equals = true, value_parser = number::<u64>(0..=u64::MAX))]
        check: Option<Option<u64>>,
        #[arg(long, value_parser = ["poll", "interrupt", "adaptive"])]
        wait: Option<String>,
        #[arg(long, conflicts_with = "batch")]
        queues: Option<String>,
    }

    fn device(text: &str) -> Result<String, String> {
        if text == "sim" { Ok(text.into()) } else { Err(format!("`{text}` is no device")) }
    }

    fn refused(line: &str) -> String {
        use clap::CommandFactory;
        let mut command = Args::command();
        let words = joined(&command, ["x"].into_iter().chain(line.split(' ')).map(OsString::from));
        let error = command.try_get_matches_from_mut(&words).unwrap_err();
        refusal(&error, &command, &words)
    }

    #[test]
    fn a_refusal_names_the_argument_once_and_says_what_to_do() {
        for (line, text) in [
            ("foo", "`foo` is no device"),
            ("sim --batch 0", "--batch cannot be `0`: write a whole number from 1 to 256"),
            ("sim --batch x", "--batch cannot be `x`: write a whole number from 1 to 256"),
            (
                "sim -b 99999999999999999999",
                "--batch cannot be `99999999999999999999`: write a whole number from 1 to 256",
            ),
            ("sim --wait foo", "--wait cannot be `foo`: write poll, interrupt or adaptive"),
            ("sim --wait", "--wait needs a value: write poll, interrupt or adaptive"),
            ("sim --batch", "--batch needs a value; see --help"),
            ("sim --queue 2", "there is no option --queue, but there is --queues; see --help"),
            ("sim --bogus", "there is no option --bogus; see --help"),
            // clap finds it similar to --wait.
            ("sim --filter tcp", "there is no option --filter; see --help"),
            ("sim --wat poll", "there is no option --wat, but there is --wait; see --help"),
            ("sim --que=2", "there is no option --que, but there is --queues; see --help"),
            ("sim -x", "there is no option -x; see --help"),
            ("sim sim", "`sim` is one argument too many; see --help"),
            ("sim --check 5", "`5` is one argument too many; as a value of --check, write --check=5"),
            ("--check=x sim", "--check cannot be `x`: write a whole number from 0 to 18446744073709551615"),
            ("--batch 3", "the argument is missing: <DEVICE>; see --help"),
            ("sim --batch 3 --batch 4", "--batch is given twice; give it once"),
            ("sim --queues 3 --batch 4", "--queues cannot be given with --batch; leave one of them out"),
        ] {
            assert_eq!(refused(line), text, "{line}");
        }
    }

    #[test]
    fn a_value_that_begins_with_a_minus_sign_is_refused_by_its_option() {
        for line in ["sim --batch -1", "sim -b -1"] {
            assert_eq!(refused(line), "--batch cannot be `-1`: write a whole number from 1 to 256", "{line}");
        }
        assert_eq!(
            refused("sim --batch -5ms"),
            "--batch cannot be `-5ms`: write a whole number from 1 to 256"
        );
        assert_eq!(refused("-1"), "there is no option -1; see --help");
    }

    #[test]
    fn what_clap_says_in_paragraphs_becomes_one_line_with_stops() {
        let text = "error: a and b are too many\n\n  tip: leave one of them out\n\nUsage: x\n\n\
                    For more information, try '--help'.\n";
        assert_eq!(in_one_line(text), "a and b are too many; leave one of them out");
    }
}
