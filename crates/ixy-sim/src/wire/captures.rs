use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use ixy_pcap::{Ended, Format, GiveUp, Input, Next, PcapError, Writer};

use super::{Wakes, Wire, WireError};

/// Frames after which the clock is read again, if no other event caused that.
const FRAMES_PER_CLOCK: u32 = 32;
/// The time that a sent frame may wait in memory before it is written out, whether or not the device is busy.
const FLUSH: Duration = Duration::from_millis(100);
/// Polls of the device from one check of that time to the next.
const POLLS_PER_CHECK: u32 = 64;

/// A wire that receives from one capture and sends to another.
///
/// Frames arrive only as fast as they are taken. A frame that was cut to a snapshot length arrives cut;
/// [`Padded`](super::Padded) pads frames that a sender captured without padding. The input ends with the capture,
/// or at the first damage to it; without a capture to read it has ended from the start.
///
/// Records that are no frames are skipped, and [`records_skipped`](Wire::records_skipped) counts them. The card drops
/// frames longer than it takes, and counts those itself. At the end of the input a warning gives the number of each
/// kind and the first of them (see [`ixy_pcap::Frames`]).
///
/// Sent frames are written with their time, which is read from the clock about once a batch. Without a capture to
/// write they are counted and dropped, as are all frames after an error.
pub struct Captures {
    reader: Option<Input>,
    writer: Option<Writer>,
    /// The reader is at a record that is not consumed yet.
    loaded: bool,
    /// The number of records skipped, once the input has ended.
    skipped: u64,
    transmit_closed: bool,
    transmitted: u64,
    clock: Clock,
    /// Polls since the last check whether frames wait in memory for too long.
    polls: u32,
    error: Option<String>,
}

impl Captures {
    /// Opens both captures, the one to read first, so that a mistake in it leaves nothing behind. `give_up` ends
    /// waits for the other ends of named pipes, now and later.
    ///
    /// # Errors
    /// One of them cannot be opened, or the input is not an Ethernet capture.
    pub fn open(rx: Option<&Path>, tx: Option<&Path>, give_up: &GiveUp) -> Result<Self, WireError> {
        let reader = rx.map(|path| Input::open(path, give_up)).transpose()?;
        let writer = tx.map(|path| Writer::create_as(path, 0, Format::of(path), give_up)).transpose()?;
        Ok(Captures {
            reader,
            writer,
            loaded: false,
            skipped: 0,
            transmit_closed: false,
            transmitted: 0,
            clock: Clock::default(),
            polls: 0,
            error: None,
        })
    }

    /// Number of frames sent, written or not.
    pub fn transmitted(&self) -> u64 {
        self.transmitted
    }

    /// Advances to the next frame, unless one is loaded.
    fn load(&mut self) {
        let (false, Some(reader)) = (self.loaded, &mut self.reader) else { return };
        match reader.advance() {
            Next::Frame => self.loaded = true,
            Next::NotYet => {}
            Next::End => self.end_input(),
        }
    }

    /// Closes the input, and reports the frames that were not received as they were on the wire.
    fn end_input(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        let Ended { account, not_frames, result, .. } = reader.end();
        self.skipped = not_frames;
        for line in account {
            tracing::warn!("{line}");
        }
        if let Err(error) = result {
            self.fail(&error);
        }
    }

    fn fail(&mut self, error: &PcapError) {
        self.error.get_or_insert_with(|| error.to_string());
    }
}

impl Wire for Captures {
    fn link_up(&mut self) -> bool {
        self.clock.forget();
        self.polls += 1;
        if self.polls == POLLS_PER_CHECK {
            self.polls = 0;
            if let Some(Err(error)) = self.writer.as_mut().map(|writer| writer.flush_after(FLUSH)) {
                self.writer = None;
                self.fail(&error);
            }
        }
        true
    }

    fn front(&mut self) -> Option<&[u8]> {
        self.clock.forget();
        self.load();
        let record = self.reader.as_ref().filter(|_| self.loaded)?.record()?;
        Some(record.data)
    }

    fn consume(&mut self) {
        self.load();
        self.loaded = false;
    }

    fn too_long(&mut self, limit: usize) {
        if let Some(reader) = &mut self.reader {
            reader.refuse(limit);
        }
    }

    fn records_skipped(&self) -> u64 {
        self.reader.as_ref().map_or(self.skipped, Input::not_frames)
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        if frame.is_empty() || self.transmit_closed {
            return true;
        }
        self.transmitted += 1;
        let Some(writer) = &mut self.writer else { return true };
        if let Err(error) = writer.write(self.clock.now(), frame) {
            self.writer = None;
            self.fail(&error);
        }
        true
    }

    fn close_transmit(&mut self) {
        self.transmit_closed = true;
    }

    fn ended(&mut self) -> bool {
        self.load();
        self.reader.is_none()
    }

    fn flush(&mut self) -> Result<(), WireError> {
        self.clock.forget();
        let Some(Err(error)) = self.writer.as_mut().map(Writer::flush) else { return Ok(()) };
        self.writer = None;
        self.fail(&error);
        Err(error.into())
    }

    fn error(&self) -> Option<String> {
        self.error.clone()
    }

    fn wakes(&self) -> Wakes<'_> {
        // The thread that reads a pipe cannot wake the polling one.
        if self.reader.as_ref().is_some_and(Input::is_pipe) { Wakes::SOON } else { Wakes::NEVER }
    }
}

impl Drop for Captures {
    /// Reports the skipped records even if the program stops before the capture's end.
    fn drop(&mut self) {
        self.end_input();
    }
}

/// The wall clock, cached within a batch.
#[derive(Default)]
struct Clock {
    nanoseconds: u64,
    /// Number of frames for which the cached time may still be used.
    serves: u32,
}

impl Clock {
    /// Nanoseconds since 1970-01-01 UTC.
    fn now(&mut self) -> u64 {
        if self.serves == 0 {
            let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            self.serves = FRAMES_PER_CLOCK;
        }
        self.serves -= 1;
        self.nanoseconds
    }

    /// The MAC does something other than sending, so the batch is over.
    fn forget(&mut self) {
        self.serves = 0;
    }
}
