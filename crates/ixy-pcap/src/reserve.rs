//! Claiming a file's space ahead of writing.

use std::fs::File;

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
    process::{Resource, getrlimit},
};

/// Bytes claimed at once if there is room.
const STEP: u64 = 16 << 20;
/// The smallest step worth a system call; below it, writing claims its own space.
const LEAST_STEP: u64 = 1 << 20;

/// The part of a file's space that is claimed.
///
/// The file's length covers only written bytes (`FALLOC_FL_KEEP_SIZE`), so that a killed recorder leaves no tail
/// of zeros, which would read as empty records.
pub(crate) struct Reservation {
    end: u64,
    step: u64,
}

impl Reservation {
    /// Nothing claimed yet; off for anything but a regular file.
    pub(crate) fn new(on: bool) -> Self {
        Reservation { end: 0, step: if on { STEP } else { 0 } }
    }

    /// Claims space up to `end` if file system and disk allow it. Failure is no error: the next write claims its
    /// own space, and reports a full disk.
    pub(crate) fn cover(&mut self, file: &File, end: u64) {
        while self.end < end && self.step > 0 {
            let step = self.step.max((end - self.end).next_multiple_of(LEAST_STEP));
            if getrlimit(Resource::Fsize).current.is_some_and(|limit| self.end + step > limit) {
                // Claiming beyond the process's limit of file size would raise SIGXFSZ.
                self.step = 0;
                return;
            }
            match fallocate(file, FallocateFlags::KEEP_SIZE, self.end, step) {
                Ok(()) => self.end += step,
                Err(Errno::INTR) => return,
                Err(Errno::NOSPC) if self.step > LEAST_STEP && step == self.step => self.step /= 2,
                Err(_) => self.step = 0,
            }
        }
    }
}
