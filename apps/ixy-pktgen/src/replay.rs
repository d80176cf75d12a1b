//! Frames that are read from a capture: [`Replay`].

use std::time::Instant;

use ixy::{Batch, LONGEST_FRAME, Mempool, TxQueue};
use ixy_cli::Error;
use ixy_pcap::{Ended, Input, Next};

use super::source::Source;
use super::timing::Timing;

/// The shortest frame of Ethernet in bytes, without frame check sequence.
const SHORTEST: u16 = 60;

/// Frames of a capture. Short ones are padded with zeros, since no card sends them otherwise.
pub(crate) struct Replay {
    pool: Mempool,
    capture: Input,
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
    pub(crate) fn new(pool: Mempool, capture: Input, timing: Timing, endless: bool, count: u64) -> Self {
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

    /// Warns of frames that were not sent as they were captured. Returns how many records were not sent at all, and
    /// whether all of the capture could be read.
    pub(crate) fn end(self) -> (u64, Result<(), Error>) {
        let path = self.capture.path().to_owned();
        let Ended { account, left_out, result, .. } = self.capture.end();
        for line in account {
            tracing::warn!("{line}");
        }
        if let Some(line) = self.timing.account() {
            tracing::warn!("{}: {line}", path.display());
        }
        (left_out, self.failed.map_or(result.map_err(Error::from), Err))
    }

    /// Goes to the next frame that can be sent, at the end of the file back to its start if that is wanted.
    fn advance(&mut self) -> Result<Next, Error> {
        loop {
            match self.capture.advance() {
                Next::NotYet => return Ok(Next::NotYet),
                Next::Frame => match self.capture.record() {
                    Some(record) if record.data.len() <= usize::from(LONGEST_FRAME) => {
                        return Ok(Next::Frame);
                    }
                    _ => self.capture.refuse(LONGEST_FRAME.into()),
                },
                Next::End if !self.endless => return Ok(Next::End),
                Next::End if self.given_this_time == 0 => {
                    let path = self.capture.path().display().to_string();
                    let why = format!(
                        "it has no frame of 14 to {LONGEST_FRAME} bytes; name another capture, or leave out --loop"
                    );
                    return Err(Error::NothingToSend { path, why });
                }
                Next::End => {
                    self.given_this_time = 0;
                    if !self.capture.rewind()? {
                        return Ok(Next::End);
                    }
                    self.timing.restart();
                }
            }
        }
    }
}

impl Source for Replay {
    fn fill(&mut self, batch: &mut Batch, _: &mut dyn TxQueue) -> bool {
        while self.given < self.count && batch.room() > 0 {
            if self.waiting.is_none() {
                match self.advance() {
                    Ok(Next::Frame) => {}
                    // The writer of a pipe pauses: what it wrote before goes out now.
                    Ok(Next::NotYet) => return true,
                    Ok(Next::End) => return false,
                    // The frames that were read before are still sent.
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
