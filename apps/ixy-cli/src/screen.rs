//! Temporary output on the terminal, which stays only until something else is printed: the progress of a run, and
//! the table of `--live`.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Whether temporary output is on the terminal of standard error.
static OCCUPIED: AtomicBool = AtomicBool::new(false);

/// Standard error of a program that can end, although nobody takes its messages. Before, a signal kills the program.
static STDERR: OnceLock<Mutex<Box<dyn Write + Send>>> = OnceLock::new();

/// Moves to the start of the line, and erases it and all lines below.
pub(crate) const CLEAR: &str = "\r\x1b[J";

/// Sets whether the terminal of standard error has temporary output that a message has to erase first.
pub(crate) fn occupy(occupied: bool) {
    OCCUPIED.store(occupied, Ordering::Relaxed);
}

/// Writes messages to `stderr` from now on.
pub(crate) fn write_to(stderr: impl Write + Send + 'static) {
    // A second session of a process writes where the first one does.
    let _ = STDERR.set(Mutex::new(Box::new(stderr)));
}

/// Writes to standard error at once.
fn write(text: &[u8]) -> io::Result<()> {
    match STDERR.get() {
        Some(stderr) => stderr.lock().unwrap_or_else(PoisonError::into_inner).write_all(text),
        None => io::stderr().write_all(text),
    }
}

/// Shows a text on standard error in place of the previous one.
pub(crate) fn show(text: &str) {
    let _ = write(format!("{CLEAR}{text}").as_bytes());
    occupy(true);
}

/// Erases temporary output from the terminal of standard error.
pub(crate) fn clear() {
    // An empty message.
    let _ = Messages.write(&[]);
}

/// Standard error for messages: each one first erases temporary output. One that cannot be written is lost.
pub(crate) struct Messages;

impl Write for Messages {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        // There is nobody to tell that a message is lost.
        let _ = match OCCUPIED.swap(false, Ordering::Relaxed) {
            true => write(&[CLEAR.as_bytes(), message].concat()),
            false => write(message),
        };
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
