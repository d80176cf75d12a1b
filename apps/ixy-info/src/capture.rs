//! Whether a software device can receive a capture: [`check()`].

use std::path::Path;
use std::time::{Duration, Instant};

use ixy_pcap::{Ended, GiveUp, Input, Next, PcapError};

/// The bytes of frames, and the time, after which the check ends.
const BYTES: u64 = 1 << 30;
const TIME: Duration = Duration::from_secs(10);

/// The part of a capture that was read.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) frames: u64,
    /// The records that no card receives.
    pub(crate) left_out: u64,
    /// Whether this is all of it.
    pub(crate) whole: bool,
    /// Sentences on records that are left out or changed.
    pub(crate) notes: Vec<String>,
    /// Why the rest cannot be received.
    pub(crate) error: Option<String>,
}

/// Reads a capture as a device would, but at most 1 GiB of its frames, and for at most ten seconds.
pub(crate) fn check(path: &Path) -> Checked {
    check_within(path, BYTES, TIME)
}

fn check_within(path: &Path, bytes: u64, time: Duration) -> Checked {
    let start = Instant::now();
    let late = move || start.elapsed() >= time;
    let mut input = match Input::open(path, &GiveUp::when(late)) {
        Ok(input) => input,
        Err(PcapError::GivenUp { .. }) => return Checked::default(),
        Err(error) => return Checked { error: Some(error.to_string()), ..Checked::default() },
    };
    let (mut frames, mut left) = (0, bytes);
    let whole = loop {
        match input.advance() {
            Next::Frame if left == 0 => break false,
            Next::Frame => frames += 1,
            Next::NotYet => {}
            Next::End => break !late(),
        }
        left = left.saturating_sub(input.record().map_or(0, |record| record.data.len() as u64));
    };
    let Ended { account, left_out, result, .. } = input.end();
    let error = result.err().map(|error| error.to_string());
    Checked { frames, left_out, whole: whole && error.is_none(), notes: account, error }
}

impl Checked {
    /// What was read, in words.
    pub(crate) fn words(&self) -> String {
        let frames = match self.frames {
            1 => "1 frame".to_owned(),
            frames => format!("{frames} frames"),
        };
        match (self.whole, &self.error) {
            (true, _) => format!("{frames}, read to its end"),
            (false, Some(_)) => format!("{frames}, up to this error"),
            (false, None) => {
                format!(
                    "its first {frames} can be received; the check ends after 1 GiB or {} s",
                    TIME.as_secs()
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_check_ends_at_its_bounds_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("in.pcap");
        let mut writer = ixy_pcap::Writer::create(&path, 0).unwrap();
        (0..1000).for_each(|time| writer.write(time, &[0xff; 100]).unwrap());
        writer.finish().unwrap();
        for (bytes, time, frames, whole) in [
            (BYTES, TIME, 1000, true),
            (100_000, TIME, 1000, true),
            (50_000, TIME, 500, false),
            (BYTES, Duration::ZERO, 0, false),
        ] {
            let checked = check_within(&path, bytes, time);
            assert_eq!((checked.frames, checked.whole), (frames, whole), "{bytes} bytes, {time:?}");
            assert_eq!(checked.error, None);
            assert_eq!(checked.words().contains("the check ends after 1 GiB or 10 s"), !whole);
        }
    }
}
