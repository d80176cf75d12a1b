//! Cables between two ports, and checks of the frames that pass them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{Error, Port};

/// The fate of the frames that a device sent into a cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Frames that came out of the sender.
    pub sent: u64,
    /// Those for which the receiver had no room in time; all others were delivered.
    pub missed: u64,
}

/// Carries frames from one port to another, one way, on its own thread.
#[derive(Debug)]
pub struct Cable {
    unplugged: Arc<AtomicBool>,
    thread: JoinHandle<Result<Count, Error>>,
}

impl Cable {
    /// Plugs the cable in. `touch` changes each frame on its way.
    #[must_use]
    pub fn plug(from: &Arc<Port>, to: &Arc<Port>, touch: impl Fn(&mut [u8]) + Send + 'static) -> Self {
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        let unplugged = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&unplugged);
        let thread = thread::spawn(move || {
            let (mut buffer, mut count) = ([0; 2048], Count::default());
            while let Some(frame) = next(&from, &mut buffer, &flag)? {
                touch(frame);
                count.sent += 1;
                count.missed += u64::from(!to.send(frame)?);
            }
            Ok(count)
        });
        Self { unplugged, thread }
    }

    /// Carries the frames in flight, then ends.
    ///
    /// # Errors
    /// The machine went away in the meantime.
    pub fn unplug(self) -> Result<Count, Error> {
        self.unplugged.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Err(Error::Wire("the cable's thread panicked".into())))
    }
}

/// Takes the frames out of a port and discards them, until none has come for half a second.
///
/// # Errors
/// The machine is gone, or frames kept coming for 30 seconds.
pub fn drain(port: &Port) -> Result<(), Error> {
    let (begin, mut last, mut buffer) = (Instant::now(), Instant::now(), [0; 2048]);
    while last.elapsed() < Duration::from_millis(500) {
        if port.receive(&mut buffer)?.is_some() {
            last = Instant::now();
        }
        if begin.elapsed() > Duration::from_secs(30) {
            return Err(Error::Wire(format!("frames of {} do not end", port.name())));
        }
    }
    Ok(())
}

/// The next frame; `None` when there is none and the cable was unplugged.
fn next<'a>(
    from: &Port,
    buffer: &'a mut [u8],
    unplugged: &AtomicBool,
) -> Result<Option<&'a mut [u8]>, Error> {
    loop {
        let over = unplugged.load(Ordering::Relaxed);
        if let Some(length) = from.receive(buffer)?.map(<[u8]>::len) {
            return Ok(Some(&mut buffer[..length]));
        }
        if over {
            return Ok(None);
        }
    }
}

/// Largest number of paced frames in flight: fewer than the smallest ring has descriptors.
const WINDOW: u32 = 48;

/// Frame `number` of a stream: 60 to 1514 bytes, all derived from its number.
#[must_use]
pub fn numbered(stream: u8, number: u32) -> Vec<u8> {
    let length = 60 + number as usize * 97 % 1455;
    let mut frame = vec![0x02, 0, 0, 0, 0, stream, 0x02, 0, 0, 0, 1, stream, 0x88, 0xb5];
    frame.extend(number.to_be_bytes());
    frame.extend((frame.len()..length).map(|at| (at as u32 ^ number) as u8));
    frame
}

/// Sends `count` numbered frames into `from`, as fast as they come out of `to`, and checks that all arrive in
/// order and unchanged. `limit` is the time for all of it.
///
/// # Errors
/// The first frame that is missing, out of order, or changed.
pub fn forwarded(from: &Port, to: &Port, stream: u8, count: u32, limit: Duration) -> Result<(), Error> {
    let (begin, mut buffer) = (Instant::now(), [0; 2048]);
    let (mut sent, mut arrived) = (0, 0);
    let wrong = |what: String| Err(Error::Wire(format!("from {} to {}: {what}", from.name(), to.name())));
    while arrived < count {
        while sent < count && sent - arrived < WINDOW && from.send(&numbered(stream, sent))? {
            sent += 1;
        }
        if let Some(frame) = to.receive(&mut buffer)? {
            let expected = numbered(stream, arrived);
            if frame != expected {
                let end = frame.len().min(18);
                return wrong(format!(
                    "frame {arrived} of {count} was expected with {} bytes, and one with {} came that begins with {:02x?}",
                    expected.len(),
                    frame.len(),
                    &frame[..end]
                ));
            }
            arrived += 1;
        }
        if begin.elapsed() > limit {
            return wrong(format!(
                "{sent} of {count} frames sent and {arrived} arrived after {} s",
                limit.as_secs()
            ));
        }
    }
    // No frame may come twice.
    match to.receive(&mut buffer)? {
        Some(frame) => wrong(format!("after the last one, a frame of {} bytes", frame.len())),
        None => Ok(()),
    }
}
