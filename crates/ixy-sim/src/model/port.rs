//! The source and sink of frames: [`Port`], or [`Loopback`] in its place.

use std::collections::VecDeque;

use super::receive::Source;
use super::transmit::{Sent, Sink};
use crate::wire::Wire;

/// Frames that MAC loopback holds between transmitter and receiver.
const LOOPBACK: usize = 128;

/// The wire, as the transmitter and the receiver see it.
pub(super) struct Port<'a>(pub(super) &'a mut dyn Wire);

impl Source for Port<'_> {
    #[inline]
    fn front(&mut self) -> Option<&[u8]> {
        self.0.front()
    }

    #[inline]
    fn consume(&mut self) {
        self.0.consume();
    }

    #[cold]
    fn too_long(&mut self, limit: usize) {
        self.0.too_long(limit);
    }

    fn waits(&self) -> bool {
        self.0.waits()
    }
}

impl Sink for Port<'_> {
    #[inline]
    fn send(&mut self, _queue: u32, frame: &[u8]) -> Sent {
        if self.0.transmit(frame) { Sent::Out } else { Sent::NoRoom }
    }
}

/// Frames between transmitter and receiver in MAC loopback.
#[derive(Default)]
pub(super) struct Loopback {
    pub(super) frames: VecDeque<Vec<u8>>,
}

impl Loopback {
    pub(super) fn clear(&mut self) {
        self.frames.clear();
    }
}

impl Source for Loopback {
    fn front(&mut self) -> Option<&[u8]> {
        self.frames.front().map(Vec::as_slice)
    }

    fn consume(&mut self) {
        self.frames.pop_front();
    }

    fn waits(&self) -> bool {
        false
    }
}

impl Sink for Loopback {
    fn send(&mut self, _queue: u32, frame: &[u8]) -> Sent {
        if self.frames.len() >= LOOPBACK {
            return Sent::NoRoom;
        }
        self.frames.push_back(frame.to_vec());
        Sent::Out
    }
}
