//! From the command line to the exit code: [`main`], [`tool`].

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::ErrorKind as Kind;
use clap::{Arg, ArgAction, Command, Parser, value_parser};
use clap_complete::Shell;

use crate::error::Error;
use crate::escape::escaped;
use crate::flags::{Flags, Verbosity};
use crate::help::{STYLES, WIDEST};
use crate::log;
use crate::manual;
use crate::refusal::{joined, refusal};
use crate::session::Session;

/// The `main` of every program that moves frames: it reads the arguments and runs `run` with them. `flags` picks the
/// shared flags out of the arguments. An error is one line on standard error.
pub fn main<A: Parser>(flags: fn(&A) -> &Flags, run: fn(A, &Session) -> Result<(), Error>) -> ExitCode {
    let result = parse::<A>().and_then(|args| {
        log::to_stderr(&flags(&args).verbosity)?;
        if flags(&args).live && !std::io::stdout().is_terminal() {
            return Err(Error::NoTerminal.into());
        }
        // Before `run` opens devices and makes files.
        let duration = flags(&args).duration;
        let session = Session::of_process(duration)?.with_metrics(flags(&args).metrics)?;
        match run(args, &session) {
            // A signal is a normal end, even if it interrupted a wait.
            Err(error) if session.stopped() && error.stopped().is_some() => {
                tracing::info!(%error, "stopped");
                Ok(())
            }
            Err(error) => Err(error.in_time(duration).into()),
            Ok(()) => Ok(()),
        }
    });
    ended(result)
}

/// The `main` of a program that moves no frames: it prints what `run` returns, all at once. `verbosity` picks the
/// shared flags out of the arguments.
pub fn tool<A: Parser>(verbosity: fn(&A) -> &Verbosity, run: fn(A) -> Result<String, Error>) -> ExitCode {
    let result = parse::<A>().and_then(|args| {
        log::to_stderr(verbosity(&args))?;
        print(&run(args)?)?;
        Ok(())
    });
    ended(result)
}

/// Writes to standard output. It is not an error if the reader has closed the pipe.
///
/// # Errors
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<(), Error> {
    printed(std::io::stdout().write_all(text.as_bytes()))
}

/// Flushes standard output after something was `written` to it.
fn printed(written: std::io::Result<()>) -> Result<(), Error> {
    match written.and_then(|()| std::io::stdout().flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

/// The command of `A` with what all programs have: colours, completions, a manual page.
fn command<A: Parser>() -> Command {
    let completions = Arg::new("completions")
        .long("completions")
        .value_name("SHELL")
        .value_parser(value_parser!(Shell))
        .long_help("Print a completion script for this shell and exit");
    let man = Arg::new("man").long("man").action(ArgAction::SetTrue);
    let man = man.long_help("Print the manual page and exit");
    let own = [completions, man].map(|arg| arg.exclusive(true).hide_short_help(true).help_heading("Set-up"));
    A::command().styles(STYLES).max_term_width(WIDEST).args(own)
}

fn parse<A: Parser>() -> Result<A, Stop> {
    let mut command = command::<A>();
    let words = joined(&command, std::env::args_os());
    if words.iter().any(|word| word == "-h") {
        // Few options need no headings.
        command = command.mut_args(|arg| arg.help_heading(None));
    }
    let matches = match command.try_get_matches_from_mut(&words) {
        Ok(matches) => matches,
        Err(error) => return Err(Stop::of_arguments(error, &command, &words)),
    };
    let mut printed = Vec::new();
    if let Some(shell) = matches.get_one::<Shell>("completions") {
        let name = command.get_name().to_owned();
        clap_complete::generate(*shell, &mut command, name, &mut printed);
    } else if matches.get_flag("man") {
        manual::write(command, &mut printed).map_err(Error::Output)?;
    } else {
        return A::from_arg_matches(&matches).map_err(|error| Stop::of_arguments(error, &command, &words));
    }
    Err(Stop::Print(String::from_utf8_lossy(&printed).into_owned()))
}

fn ended(result: Result<(), Stop>) -> ExitCode {
    let result = match result {
        // In colour on a terminal.
        Err(Stop::Help(help)) => printed(help.print()),
        Err(Stop::Print(text)) => print(&text),
        Err(Stop::Failed(error)) => Err(error),
        Ok(()) => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&one_line(&error.to_string()));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Why a program ends early.
enum Stop {
    /// The user asked only for the help or the version.
    Help(clap::Error),
    /// The user asked only for this text.
    Print(String),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    /// The end for an error of clap: help or version, or that `words` are wrong.
    fn of_arguments(error: clap::Error, command: &Command, words: &[OsString]) -> Self {
        if matches!(error.kind(), Kind::DisplayHelp | Kind::DisplayVersion) {
            return Self::Help(error);
        }
        Self::Failed(Error::Usage(refusal(&error, command, words)))
    }
}

/// What the system says when a process has all the files open that it may have.
const NO_FILE_LEFT: &str = "Too many open files (os error 24)";

/// The message with control characters escaped, so that names stay as they are and it is one line. Whatever could not
/// be opened, the way out of too many open files is the same.
fn one_line(message: &str) -> String {
    let message = match message.find(NO_FILE_LEFT) {
        Some(at) => {
            &format!("{}{NO_FILE_LEFT}; raise the limit of open files: ulimit -n 1024", &message[..at])
        }
        None => message,
    };
    escaped(message)
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn names_in_messages_stay_as_they_are_with_control_characters_escaped() {
        assert_eq!(one_line("cannot open a  b/ä`"), "cannot open a  b/ä`");
        assert_eq!(one_line("cannot open a\x1b[2J\n\tb\u{9b}"), "cannot open a\\u{1b}[2J\\n\\tb\\u{9b}");
    }

    #[test]
    fn too_many_open_files_have_one_way_out() {
        let error = std::io::Error::from_raw_os_error(24);
        assert_eq!(
            one_line(&format!("cannot open x: {error}; end other programs")),
            "cannot open x: Too many open files (os error 24); raise the limit of open files: ulimit -n 1024"
        );
    }
}
