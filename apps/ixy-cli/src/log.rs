//! Messages on standard error: [`to_stderr`], and [`error`] for the last one. Under systemd they are lines for the
//! journal.

use std::env::VarError;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use tracing::field::Field;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, fmt as subscriber};
use tracing_subscriber::registry::LookupSpan;

use crate::error::Error;
use crate::escape::escaped;
use crate::flags::Verbosity;
use crate::screen::Messages;

/// Logs to standard error, at this level or at the one in the environment variable `IXY_LOG`.
pub(crate) fn to_stderr(verbosity: &Verbosity) -> Result<(), Error> {
    let filter = match std::env::var("IXY_LOG") {
        Ok(wanted) if !wanted.is_empty() => filter(&wanted)?,
        Err(VarError::NotUnicode(wanted)) => {
            return Err(refused(&wanted.to_string_lossy(), "it is not UTF-8"));
        }
        _ => EnvFilter::new(verbosity.level()),
    };
    let messages = subscriber().with_env_filter(filter).with_writer(|| Messages);
    let messages = messages.fmt_fields(format::debug_fn(field).delimited(" "));
    // A second call in one process keeps the first logger.
    let _ = match is_journal() {
        true => messages.event_format(ForJournal).try_init(),
        false => messages.try_init(),
    };
    Ok(())
}

/// Writes the text of a message, or a value with its name, without control characters.
fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = escaped(&format!("{value:?}"));
    match (field.name(), writer.has_ansi_escapes()) {
        ("message", _) => writer.write_str(&value),
        (name, false) => write!(writer, "{name}={value}"),
        // The name in italics, and a dim sign.
        (name, true) => write!(writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{value}"),
    }
}

/// Parses the value of `IXY_LOG`. A word without `=` has to be a level: as the name of a module, a misspelt level
/// would switch off all messages.
fn filter(wanted: &str) -> Result<EnvFilter, Error> {
    let words = wanted.split(',').filter(|word| !word.contains('['));
    let levels = words.filter_map(|word| word.trim().rsplit('=').next());
    if let Some(word) = levels.into_iter().find(|word| word.parse::<LevelFilter>().is_err()) {
        return Err(refused(wanted, &format!("`{word}` is no level")));
    }
    EnvFilter::try_new(wanted).map_err(|error| refused(wanted, &error.to_string()))
}

/// The error for a value of `IXY_LOG`.
fn refused(wanted: &str, why: &str) -> Error {
    Error::Usage(format!(
        "IXY_LOG is `{wanted}`: {why}; write a level (off, error, warn, info, debug, trace), also by crate, such as \
         warn,ixy_sim=debug"
    ))
}

/// Prints the last message of a program that fails.
pub(crate) fn error(message: &str) {
    let priority = if is_journal() { priority(Level::ERROR) } else { "" };
    let _ = Messages.write_all(format!("{priority}error: {message}\n").as_bytes());
}

/// Whether standard error is the socket of systemd's journal that the environment variable `JOURNAL_STREAM` names
/// by device and inode. A program with redirected standard error inherits the variable, too.
fn is_journal() -> bool {
    let stream = || -> io::Result<String> {
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
        Ok(format!("{}:{}", stderr.dev(), stderr.ino()))
    };
    std::env::var("JOURNAL_STREAM").is_ok_and(|named| stream().is_ok_and(|stream| named == stream))
}

/// The start of a journal line: its priority, as in sd-daemon(3).
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

/// A message with its priority. The journal adds the time.
struct ForJournal;

impl<S, N> FormatEvent<S, N> for ForJournal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str(priority(*event.metadata().level()))?;
        format::format()
            .without_time()
            .with_level(false)
            .with_ansi(false)
            .format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_misspelt_is_an_error_and_a_level_by_crate_is_not() {
        for good in ["debug", "DEBUG", "off", "warn,ixy_sim=debug", "ixy_sim=trace", "ixy_sim[span]=info"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["loud", "ixy_sim", "warn,loud", "ixy_sim=loud"] {
            let error = filter(bad).map(drop).map_err(|error| (error.exit_code(), error.to_string()));
            let Err((2, text)) = error else { unreachable!("{bad}: {error:?}") };
            assert!(text.contains("IXY_LOG") && text.contains("debug"), "{text}");
        }
    }
}
