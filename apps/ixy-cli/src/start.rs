//! From the command line to the exit code: [`main`], [`tool`].

use std::error::Error as _;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind as Told;
use tracing_subscriber::EnvFilter;

use crate::error::Error;
use crate::flags::Flags;
use crate::session::Session;

/// The `main` of every program: reads the arguments, of which `flags` tells the common part, and runs it. An error is
/// one line on standard error.
pub fn main<A: Parser>(flags: fn(&A) -> &Flags, run: fn(A, &Session) -> Result<(), Error>) -> ExitCode {
    let result = A::try_parse().map_err(Stop::from).and_then(|args| {
        log_to_stderr(level(flags(&args)))?;
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

/// The `main` of a program that moves no frames: it prints what `run` returns, all at once. Messages below warnings are shown
/// if the environment variable `IXY_LOG` asks for them.
pub fn tool<A: Parser>(run: fn(A) -> Result<String, Error>) -> ExitCode {
    let result = A::try_parse().map_err(Stop::from).and_then(|args| {
        log_to_stderr("warn")?;
        print(&run(args)?)?;
        Ok(())
    });
    ended(result)
}

/// Writes to standard output. A reader who has seen enough is no error.
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

fn ended(result: Result<(), Stop>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Told(text)) => {
            // Nobody is left to be told when this fails.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(Stop::Failed(error)) => {
            let _ = writeln!(std::io::stderr(), "error: {}", one_line(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Why a program ends early.
enum Stop {
    /// All that was asked for was a text.
    Told(String),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        if matches!(error.kind(), Told::DisplayHelp | Told::DisplayVersion) {
            return Self::Told(text);
        }
        // clap explains in paragraphs; the first ones say what is wrong, then comes the usage.
        let told = text.split("\n\nUsage:").next().and_then(|t| t.split("\n\nFor more information").next());
        let told = told.unwrap_or(&text).trim_start_matches("error: ");
        Self::Failed(Error::Usage(told.split_whitespace().collect::<Vec<_>>().join(" ")))
    }
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

/// The level of messages that the flags ask for.
fn level(flags: &Flags) -> &'static str {
    match (flags.quiet, flags.verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        (_, 2) => "debug",
        _ => "trace",
    }
}

/// Logs to standard error, with this level or the one that the environment wants.
fn log_to_stderr(level: &str) -> Result<(), Error> {
    let wanted = std::env::var("IXY_LOG").ok().filter(|wanted| !wanted.is_empty());
    let filter = EnvFilter::try_new(wanted.as_deref().unwrap_or(level)).map_err(|error| {
        Error::Usage(format!(
            "IXY_LOG is `{}`: {error}; write a level such as debug",
            wanted.unwrap_or_default()
        ))
    })?;
    // A second call in one process keeps the first one's.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    Ok(())
}
