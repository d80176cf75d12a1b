use std::{path::Path, time::SystemTime};

use ixy_pcap::{Format, GiveUp, PcapError, Writer};

use super::input::{Input, Next};
use super::{Wakes, Wire, WireError};

/// After so many frames the clock is read again, if nothing else happened meanwhile.
const FRAMES_PER_CLOCK: u32 = 32;

/// Frames come from one capture, and go to another.
///
/// Frames are received as the capture has them: no faster than they are taken, one that was cut to a snapshot
/// length as it is there; [`Padded`](super::Padded) pads those that a sender's own capture has without padding. The input
/// ends with the capture, and with the first damage to it; without a capture to read it has ended from the start.
///
/// Records that are no frames are left out, and frames that are longer than the card takes are dropped by the card. At the
/// end of the input a warning says how many there were of each kind, and which was the first (see [`ixy_pcap::Frames`]).
///
/// What is sent is written with the time at which it was, read from the clock about once a batch. Without a
/// capture to write it is counted and dropped; so is all that follows an error.
pub struct Captures {
    reader: Option<Input>,
    writer: Option<Writer>,
    /// The reader stands at a record that is yet to be consumed.
    loaded: bool,
    transmit_closed: bool,
    transmitted: u64,
    clock: Clock,
    error: Option<String>,
}

impl Captures {
    /// Opens both, the one to read first, so that a mistake in it leaves nothing behind. Waits for the other ends of named
    /// pipes, then and later, end as `give_up` says.
    ///
    /// # Errors
    /// One of them cannot be opened, or the one to read is no capture of Ethernet frames.
    pub fn open(rx: Option<&Path>, tx: Option<&Path>, give_up: &GiveUp) -> Result<Self, WireError> {
        let reader = rx.map(|path| Input::open(path, give_up)).transpose()?;
        let writer = tx.map(|path| Writer::create_as(path, 0, Format::of(path), give_up)).transpose()?;
        Ok(Captures {
            reader,
            writer,
            loaded: false,
            transmit_closed: false,
            transmitted: 0,
            clock: Clock::default(),
            error: None,
        })
    }

    /// Frames that were sent, written or not.
    pub fn transmitted(&self) -> u64 {
        self.transmitted
    }

    /// Goes to the next frame, unless there is one already.
    fn load(&mut self) {
        let (false, Some(reader)) = (self.loaded, &mut self.reader) else { return };
        match reader.advance() {
            Next::Frame => self.loaded = true,
            Next::NotYet => {}
            Next::End => self.end_input(),
        }
    }

    /// Closes the capture that is read, and says what of it was not received as it was on the wire.
    fn end_input(&mut self) {
        let Some(reader) = self.reader.take() else { return };
        let (account, result) = reader.end();
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
        true
    }

    fn front(&mut self) -> Option<&[u8]> {
        self.clock.forget();
        self.load();
        self.reader.as_ref().filter(|_| self.loaded)?.frame()
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
        // A pipe's thread cannot wake the one that polls.
        if self.reader.as_ref().is_some_and(Input::is_pipe) { Wakes::SOON } else { Wakes::NEVER }
    }
}

impl Drop for Captures {
    /// A program that is stopped before the capture's end hears of the records up to there.
    fn drop(&mut self) {
        self.end_input();
    }
}

/// The wall clock, remembered within a batch.
#[derive(Default)]
struct Clock {
    nanoseconds: u64,
    /// Frames for which what is remembered may still serve.
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

    /// The MAC does something other than sending: the batch is over.
    fn forget(&mut self) {
        self.serves = 0;
    }
}
