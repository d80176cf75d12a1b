//! Temporary output on the terminal, which stays only until something else is printed: the progress of a run, and
//! the table of `--live`.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether temporary output is on the terminal of standard error.
static OCCUPIED: AtomicBool = AtomicBool::new(false);

/// Moves to the start of the line, and erases it and all lines below.
pub(crate) const CLEAR: &str = "\r\x1b[J";

/// Sets whether the terminal of standard error has temporary output that a message has to erase first.
pub(crate) fn occupy(occupied: bool) {
    OCCUPIED.store(occupied, Ordering::Relaxed);
}

/// Shows a text on standard error in place of the previous one.
pub(crate) fn show(text: &str) {
    let _ = write!(io::stderr(), "{CLEAR}{text}");
    occupy(true);
}

/// Erases temporary output from the terminal of standard error.
pub(crate) fn clear() {
    // An empty message.
    let _ = Messages.write(&[]);
}

/// Standard error for messages: each one first erases temporary output.
pub(crate) struct Messages;

impl Write for Messages {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        if OCCUPIED.swap(false, Ordering::Relaxed) {
            stderr.write_all(CLEAR.as_bytes())?;
        }
        stderr.write_all(message)?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
