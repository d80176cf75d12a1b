//! The frames of a file or of a pipe, without waiting for the pipe's writer: [`Input`].

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use crate::{Frames, GiveUp, PcapError, Record};

/// Number of frames that a thread reads ahead.
const AHEAD: usize = 256;

/// The [`Frames`] of a capture, for a loop that must not block.
///
/// The writer of a pipe can keep a reader waiting for any time, so a thread of its own reads a pipe, a terminal or
/// standard input. A file is read where [`advance`](Self::advance) is called.
///
/// ```
/// use ixy_pcap::{GiveUp, Input, Next, Writer};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("in.pcap");
/// # let mut writer = Writer::create(&path, 0)?;
/// # writer.write(1, &[0xff; 60])?;
/// # writer.finish()?;
/// let mut input = Input::open(&path, &GiveUp::default())?;
/// let mut frames = 0;
/// loop {
///     match input.advance() {
///         Next::Frame => frames += 1, // `input.record()` is the frame
///         Next::NotYet => {}          // a pipe has none yet: do other work
///         Next::End => break,
///     }
/// }
/// assert_eq!(frames, 1);
/// input.end().result?;
/// # Ok::<(), ixy_pcap::PcapError>(())
/// ```
pub struct Input(Kind);

enum Kind {
    File(Box<File>),
    Pipe(Pipe),
}

/// The result of [`Input::advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is a frame.
    Frame,
    /// The pipe has no data yet.
    NotYet,
    /// The capture has ended, or is damaged, or the program gave up.
    End,
}

/// What there is to say about an input that was closed.
#[derive(Debug)]
pub struct Ended {
    /// The sentences of [`Frames::account`].
    pub account: Vec<String>,
    /// Number of records that were left out.
    pub left_out: u64,
    /// Number of those that are no Ethernet frames; the others were refused.
    pub not_frames: u64,
    /// The error that ended it before its end.
    pub result: Result<(), PcapError>,
}

struct File {
    frames: Frames,
    give_up: GiveUp,
    result: Result<(), PcapError>,
}

/// A pipe, and the thread that reads it.
struct Pipe {
    path: PathBuf,
    frames: Receiver<Frame>,
    current: Option<Frame>,
    closed: Arc<AtomicBool>,
    /// The count of [`Frames::not_frames`], from the thread.
    not_frames: Arc<AtomicU64>,
    thread: JoinHandle<(Frames, Result<(), PcapError>)>,
    /// The number of frames that were too long, the first one, and the limit that it exceeded.
    too_long: (u64, Option<(Frame, usize)>),
}

/// A frame with its record's number, its time and its length on the wire.
struct Frame {
    number: u64,
    time: u64,
    original: u32,
    data: Vec<u8>,
}

impl Input {
    /// Opens a capture, or standard input for `-`. It waits for the other end of a pipe, and for the header, until
    /// `give_up`. Later the input ends when the program gives up, also in the middle of a record.
    ///
    /// # Errors
    /// As [`Frames::open_unless`].
    pub fn open(path: &Path, give_up: &GiveUp) -> Result<Self, PcapError> {
        let is_pipe = path.as_os_str() == "-" || fs::metadata(path).is_ok_and(|found| !found.is_file());
        if !is_pipe {
            let frames = Frames::open_unless(path, give_up)?;
            let file = File { frames, give_up: give_up.clone(), result: Ok(()) };
            return Ok(Self(Kind::File(Box::new(file))));
        }
        let closed = Arc::<AtomicBool>::default();
        let (own, outer) = (Arc::clone(&closed), give_up.clone());
        let give_up = GiveUp::when(move || own.load(Ordering::Relaxed) || outer.now());
        let mut frames = Frames::open_unless(path, &give_up)?;
        let name = frames.path().to_owned();
        let (to, from) = sync_channel(AHEAD);
        let not_frames = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&not_frames);
        let read = move || {
            let result = loop {
                match frames.advance() {
                    Ok(false) => break Ok(()),
                    Err(error) => break Err(error),
                    Ok(true) => {}
                }
                counted.store(frames.not_frames(), Ordering::Relaxed);
                let number = frames.number();
                let Some(Record { time, data, original }) = frames.record() else { continue };
                if to.send(Frame { number, time, original, data: data.to_vec() }).is_err() {
                    break Ok(());
                }
            };
            // After `give_up`, a pipe can end in the middle of a record.
            (frames, if give_up.now() { Ok(()) } else { result })
        };
        let thread = std::thread::Builder::new().name("ixy-capture".into()).spawn(read);
        let thread = thread.map_err(|source| PcapError::Open { path: path.into(), source })?;
        let too_long = (0, None);
        let current = None;
        Ok(Self(Kind::Pipe(Pipe { path: name, frames: from, current, closed, not_frames, thread, too_long })))
    }

    /// Advances to the next frame.
    pub fn advance(&mut self) -> Next {
        match &mut self.0 {
            Kind::File(file) => match file.frames.advance() {
                Ok(true) => Next::Frame,
                Ok(false) => Next::End,
                Err(error) => {
                    if !file.give_up.now() {
                        file.result = Err(error);
                    }
                    Next::End
                }
            },
            Kind::Pipe(pipe) => match pipe.frames.try_recv() {
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
    pub fn record(&self) -> Option<Record<'_>> {
        match &self.0 {
            Kind::File(file) => file.frames.record(),
            Kind::Pipe(pipe) => {
                let Frame { time, original, data, .. } = pipe.current.as_ref()?;
                Some(Record { time: *time, data, original: *original })
            }
        }
    }

    /// Counts the current frame as left out, since it exceeds `limit` bytes.
    pub fn refuse(&mut self, limit: usize) {
        match &mut self.0 {
            Kind::File(file) => file.frames.refuse(limit),
            Kind::Pipe(Pipe { too_long: (count, first), current, .. }) => {
                *count += 1;
                if first.is_none() {
                    *first = current.take().map(|frame| (frame, limit));
                }
            }
        }
    }

    /// Goes back to the start of a file. `false` for a pipe, which can be read only once, and when the program gives
    /// up.
    ///
    /// # Errors
    /// The file cannot be opened again.
    pub fn rewind(&mut self) -> Result<bool, PcapError> {
        match &mut self.0 {
            Kind::File(file) => match file.frames.rewind() {
                Err(PcapError::GivenUp { .. }) => Ok(false),
                rewound => rewound.map(|()| true),
            },
            Kind::Pipe(_) => Ok(false),
        }
    }

    /// Number of records skipped so far, since they are no Ethernet frames. Refused frames are not among them. A pipe
    /// is read ahead.
    pub fn not_frames(&self) -> u64 {
        match &self.0 {
            Kind::File(file) => file.frames.not_frames(),
            Kind::Pipe(pipe) => pipe.not_frames.load(Ordering::Relaxed),
        }
    }

    /// Whether the input is a pipe, whose frames arrive over time.
    pub fn is_pipe(&self) -> bool {
        matches!(self.0, Kind::Pipe(_))
    }

    /// The file, as messages name it.
    pub fn path(&self) -> &Path {
        match &self.0 {
            Kind::File(file) => file.frames.path(),
            Kind::Pipe(pipe) => &pipe.path,
        }
    }

    /// Closes the input.
    pub fn end(self) -> Ended {
        let (frames, result) = match self.0 {
            Kind::File(file) => (file.frames, file.result),
            Kind::Pipe(Pipe { frames, closed, thread, too_long, .. }) => {
                // An error behind frames that were never asked for is none.
                let read = matches!(frames.try_recv(), Err(TryRecvError::Disconnected));
                // Ends the wait of the thread, and with it its sending.
                closed.store(true, Ordering::Relaxed);
                drop(frames);
                let Ok((mut frames, result)) = thread.join() else {
                    return Ended { account: Vec::new(), left_out: 0, not_frames: 0, result: Ok(()) };
                };
                if let (count, Some((frame, limit))) = too_long {
                    frames.refuse_earlier(count, frame.number, frame.data.len(), frame.original, limit);
                }
                (frames, if read { result } else { Ok(()) })
            }
        };
        let (account, left_out, not_frames) = (frames.account(), frames.left_out(), frames.not_frames());
        Ended { account, left_out, not_frames, result }
    }
}
