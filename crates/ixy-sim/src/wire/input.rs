//! The frames of a capture that a card receives: [`Input`].

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use ixy_pcap::{Frames, GiveUp, PcapError};

/// Number of frames that a thread reads ahead.
const AHEAD: usize = 256;

/// The frames of a capture. A thread of its own reads a pipe, since its writer can keep a reader waiting, and a
/// wire must not block.
pub(super) enum Input {
    File(Box<Frames>, Result<(), PcapError>),
    Pipe(Pipe),
}

/// The result of [`Input::advance`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Frame,
    /// The pipe has no data yet.
    NotYet,
    End,
}

/// A pipe, and the thread that reads it.
pub(super) struct Pipe {
    frames: Receiver<Frame>,
    current: Option<Frame>,
    closed: Arc<AtomicBool>,
    thread: JoinHandle<(Frames, Result<(), PcapError>)>,
    /// The number of frames that were too long, the first one, and the limit that it exceeded.
    too_long: (u64, Option<(Frame, usize)>),
}

/// A frame with its record's number and its length on the wire.
struct Frame {
    number: u64,
    original: u32,
    data: Vec<u8>,
}

impl Input {
    /// Opens a capture. It waits for the other end of a pipe, and for the header, until `give_up`.
    pub(super) fn open(path: &Path, give_up: &GiveUp) -> Result<Self, PcapError> {
        let is_pipe = path.as_os_str() == "-" || fs::metadata(path).is_ok_and(|found| !found.is_file());
        if !is_pipe {
            return Ok(Self::File(Box::new(Frames::open(path)?), Ok(())));
        }
        let closed = Arc::<AtomicBool>::default();
        let (own, outer) = (Arc::clone(&closed), give_up.clone());
        let give_up = GiveUp::when(move || own.load(Ordering::Relaxed) || outer.now());
        let mut frames = Frames::open_unless(path, &give_up)?;
        let (to, from) = sync_channel(AHEAD);
        let read = move || {
            let result = loop {
                match frames.advance() {
                    Ok(false) => break Ok(()),
                    Err(error) => break Err(error),
                    Ok(true) => {}
                }
                let number = frames.number();
                let Some(record) = frames.record() else { continue };
                let frame = Frame { number, original: record.original, data: record.data.to_vec() };
                if to.send(frame).is_err() {
                    break Ok(());
                }
            };
            // After `give_up`, a pipe can end in the middle of a record.
            (frames, if give_up.now() { Ok(()) } else { result })
        };
        let thread = std::thread::Builder::new().name("ixy-capture".into()).spawn(read);
        let thread = thread.map_err(|source| PcapError::Open { path: path.into(), source })?;
        Ok(Self::Pipe(Pipe { frames: from, current: None, closed, thread, too_long: (0, None) }))
    }

    /// Advances to the next frame.
    pub(super) fn advance(&mut self) -> Next {
        match self {
            Self::File(frames, result) => match frames.advance() {
                Ok(true) => Next::Frame,
                Ok(false) => Next::End,
                Err(error) => {
                    *result = Err(error);
                    Next::End
                }
            },
            Self::Pipe(pipe) => match pipe.frames.try_recv() {
                Ok(frame) => {
                    pipe.current = Some(frame);
                    Next::Frame
                }
                Err(TryRecvError::Empty) => Next::NotYet,
                Err(TryRecvError::Disconnected) => Next::End,
            },
        }
    }

    /// The current frame, from [`advance`](Self::advance).
    pub(super) fn frame(&self) -> Option<&[u8]> {
        match self {
            Self::File(frames, _) => frames.record().map(|record| record.data),
            Self::Pipe(pipe) => pipe.current.as_ref().map(|frame| &*frame.data),
        }
    }

    /// Counts the current frame as dropped, since it exceeds `limit` bytes.
    pub(super) fn refuse(&mut self, limit: usize) {
        match self {
            Self::File(frames, _) => frames.refuse(limit),
            Self::Pipe(Pipe { too_long: (count, first), current, .. }) => {
                *count += 1;
                if first.is_none() {
                    *first = current.take().map(|frame| (frame, limit));
                }
            }
        }
    }

    /// Whether the input is a pipe, whose frames arrive over time.
    pub(super) fn is_pipe(&self) -> bool {
        matches!(self, Self::Pipe(_))
    }

    /// Closes the input. Returns the warnings about its records, and how it ended.
    pub(super) fn end(self) -> (Vec<String>, Result<(), PcapError>) {
        let (frames, result) = match self {
            Self::File(frames, result) => (*frames, result),
            Self::Pipe(Pipe { frames, closed, thread, too_long, .. }) => {
                // Ends the wait of the thread, and with it its sending.
                closed
                    .store(!matches!(frames.try_recv(), Err(TryRecvError::Disconnected)), Ordering::Relaxed);
                drop(frames);
                let Ok((mut frames, result)) = thread.join() else { return (Vec::new(), Ok(())) };
                if let (count, Some((frame, limit))) = too_long {
                    frames.refuse_earlier(count, frame.number, frame.data.len(), frame.original, limit);
                }
                (frames, result)
            }
        };
        (frames.account(), result)
    }
}
