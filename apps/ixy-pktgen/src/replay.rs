//! Frames that are read from a capture: [`Replay`].

use std::time::Instant;

use ixy_cli::Error;
use ixy_core::{Batch, LONGEST_FRAME, Mempool, TxQueue};
use ixy_pcap::Frames;

use super::source::Source;
use super::timing::Timing;

/// The shortest frame of Ethernet in bytes, without frame check sequence.
const SHORTEST: u16 = 60;

/// Frames of a capture. Short ones are padded with zeros, since no card sends them otherwise.
pub(crate) struct Replay {
    pool: Mempool,
    capture: Frames,
    timing: Timing,
    /// The time at which the first frame was read.
    start: Option<Instant>,
    endless: bool,
    count: u64,
    /// Frames returned, in total and in this pass through the file.
    given: u64,
    given_this_time: u64,
    /// The time at which the current frame of the capture is due, if it was not returned yet.
    waiting: Option<Instant>,
    /// The error that ended it before the capture's end.
    failed: Option<Error>,
}

impl Replay {
    /// The frames of a capture, at most `count`, once or `endless`ly.
    pub(crate) fn new(pool: Mempool, capture: Frames, timing: Timing, endless: bool, count: u64) -> Self {
        Self {
            pool,
            capture,
            timing,
            start: None,
            endless,
            count,
            given: 0,
            given_this_time: 0,
            waiting: None,
            failed: None,
        }
    }

    /// The number of records that were not sent.
    pub(crate) fn skipped(&self) -> u64 {
        self.capture.left_out()
    }

    /// Warns about frames that were not sent as captured, and returns whether the whole capture could be read.
    pub(crate) fn end(self) -> Result<(), Error> {
        for line in self.capture.account() {
            tracing::warn!("{line}");
        }
        if let Some(line) = self.timing.account() {
            tracing::warn!("{}: {line}", self.capture.path().display());
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// Advances to the next frame that can be sent, and from the end of the file to its start if that is wanted;
    /// `false` when there is none.
    fn advance(&mut self) -> Result<bool, Error> {
        loop {
            while self.capture.advance()? {
                let Some(record) = self.capture.record() else { continue };
                if record.data.len() <= usize::from(LONGEST_FRAME) {
                    return Ok(true);
                }
                self.capture.refuse(LONGEST_FRAME.into());
            }
            if !self.endless {
                return Ok(false);
            }
            if self.given_this_time == 0 {
                let path = self.capture.path().display().to_string();
                let why = format!("it has no frame of 14 to {LONGEST_FRAME} bytes");
                return Err(Error::NothingToSend { path, why });
            }
            self.given_this_time = 0;
            self.capture.rewind()?;
            self.timing.restart();
        }
    }
}

impl Source for Replay {
    fn fill(&mut self, batch: &mut Batch, _: &mut dyn TxQueue) -> bool {
        while self.given < self.count && batch.room() > 0 {
            if self.waiting.is_none() {
                match self.advance() {
                    Ok(true) => {}
                    Ok(false) => return false,
                    // Frames read before are still sent.
                    Err(error) => {
                        self.failed = Some(error);
                        return false;
                    }
                }
            }
            let Some(record) = self.capture.record() else { return false };
            let start = *self.start.get_or_insert_with(Instant::now);
            let timing = &mut self.timing;
            let due = *self.waiting.get_or_insert_with(|| {
                let now = start.elapsed();
                start.checked_add(timing.due(record.time, record.data.len(), now)).unwrap_or(start)
            });
            if Instant::now() < due {
                return true;
            }
            let Some(mut packet) = self.pool.allocate() else { return true };
            let len = record.data.len();
            if packet.set_len((len as u16).max(SHORTEST)) {
                let (frame, padding) = packet.split_at_mut(len);
                frame.copy_from_slice(record.data);
                padding.fill(0);
            }
            self.waiting = None;
            // There is room, as checked above.
            let _full = batch.push(packet);
            self.given += 1;
            self.given_this_time += 1;
        }
        self.given < self.count
    }
}
