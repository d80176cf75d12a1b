//! From the command line to the exit code: [`main`], [`tool`].

use std::error::Error as _;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use clap::error::ErrorKind as Kind;
use clap::{Arg, ArgAction, Command, Parser, value_parser};
use clap_complete::Shell;

use crate::error::Error;
use crate::flags::{Flags, Verbosity};
use crate::help::{STYLES, WIDEST};
use crate::log;
use crate::session::Session;

/// The `main` of every program that moves frames: it reads the arguments and runs `run` with them. `flags` picks the
/// shared flags out of the arguments. An error is one line on standard error.
pub fn main<A: Parser>(flags: fn(&A) -> &Flags, run: fn(A, &Session) -> Result<(), Error>) -> ExitCode {
    let result = parse::<A>().and_then(|args| {
        log::to_stderr(&flags(&args).verbosity)?;
        if flags(&args).live && !std::io::stdout().is_terminal() {
            return Err(Error::NoTerminal.into());
        }
        let session = Session::of_process()?;
        let duration = flags(&args).duration;
        match run(args, &session) {
            // A signal ends a program in order, whatever it waits for.
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

/// The `main` of a program that moves no frames: it prints what `run` returns, all at once. `verbosity` picks the shared
/// flags out of the arguments.
pub fn tool<A: Parser>(verbosity: fn(&A) -> &Verbosity, run: fn(A) -> Result<String, Error>) -> ExitCode {
    let result = parse::<A>().and_then(|args| {
        log::to_stderr(verbosity(&args))?;
        print(&run(args)?)?;
        Ok(())
    });
    ended(result)
}

/// Writes to standard output. A reader that has closed the pipe is no error.
///
/// # Errors
/// Standard output takes no more.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
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
        .help("Print a completion script for this shell and exit");
    let man = Arg::new("man").long("man").action(ArgAction::SetTrue).help("Print the manual page and exit");
    let own = [completions, man].map(|arg| arg.exclusive(true).hide_short_help(true).help_heading("Set-up"));
    A::command().styles(STYLES).max_term_width(WIDEST).args(own)
}

fn parse<A: Parser>() -> Result<A, Stop> {
    let mut command = command::<A>();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let mut printed = Vec::new();
    if let Some(shell) = matches.get_one::<Shell>("completions") {
        let name = command.get_name().to_owned();
        clap_complete::generate(*shell, &mut command, name, &mut printed);
    } else if matches.get_flag("man") {
        clap_mangen::Man::new(command).render(&mut printed).map_err(Error::Output)?;
    } else {
        return Ok(A::from_arg_matches(&matches)?);
    }
    Err(Stop::Print(String::from_utf8_lossy(&printed).into_owned()))
}

fn ended(result: Result<(), Stop>) -> ExitCode {
    let result = match result {
        Err(Stop::Help(help)) => {
            // In colour on a terminal. When it fails the reader is gone.
            let _ = help.print();
            Ok(())
        }
        Err(Stop::Print(text)) => print(&text),
        Err(Stop::Failed(error)) => Err(error),
        Ok(()) => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&one_line(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Why a program ends early.
enum Stop {
    /// All that was asked for was the help or the version.
    Help(clap::Error),
    /// All that was asked for was this text.
    Print(String),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        if matches!(error.kind(), Kind::DisplayHelp | Kind::DisplayVersion) {
            return Self::Help(error);
        }
        Self::Failed(Error::Usage(in_one_line(&error.render().to_string())))
    }
}

/// What clap says in paragraphs, as one line: what is wrong, then its tips; without the usage that follows them.
fn in_one_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let paragraphs = text.split("\n\n").take_while(|paragraph| {
        !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information")
    });
    let lines = paragraphs.map(|paragraph| {
        let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        words.strip_prefix("tip: ").map(str::to_owned).unwrap_or(words)
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// The message, with its causes that it does not have in itself, and no line feed.
fn one_line(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clap_says_in_paragraphs_becomes_one_line_with_stops() {
        let text = "error: unexpected argument '--queue' found\n\n  tip: a similar argument exists: '--queues'\n\nUsage: x\n\n\
                    For more information, try '--help'.\n";
        let line = "unexpected argument '--queue' found; a similar argument exists: '--queues'";
        assert_eq!(in_one_line(text), line);
        let text =
            "error: the following required arguments were not provided:\n  <A>\n  <B>\n\nUsage: x <A> <B>\n";
        assert_eq!(in_one_line(text), "the following required arguments were not provided: <A> <B>");
    }
}
