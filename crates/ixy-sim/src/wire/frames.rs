/// A bounded queue of frames in one reusable buffer.
///
/// It fills and then drains: frames are removed from the front, and the buffer is reused from its start once the
/// last frame is gone. Two of them, one filling while the other drains, make an endless queue.
#[derive(Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// The end offset of each frame in `bytes`.
    ends: Vec<usize>,
    /// The front frame's index.
    front: usize,
    /// The offset of the front frame.
    start: usize,
}

impl Frames {
    /// Largest number of frames.
    pub(crate) const LIMIT: usize = 1024;
    /// Limit in bytes; no frame is added beyond it.
    const BYTES: usize = 1 << 20;

    /// Adds a frame; `false` when there is no room.
    pub(crate) fn push(&mut self, frame: &[u8]) -> bool {
        if self.ends.len() >= Self::LIMIT || self.bytes.len() >= Self::BYTES {
            return false;
        }
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
        true
    }

    /// The frame added first.
    pub(crate) fn front(&self) -> Option<&[u8]> {
        self.bytes.get(self.start..*self.ends.get(self.front)?)
    }

    /// Removes the front frame, if there is one.
    pub(crate) fn pop(&mut self) {
        let Some(end) = self.ends.get(self.front) else { return };
        self.start = *end;
        self.front += 1;
        if self.front == self.ends.len() {
            self.clear();
        }
    }

    /// Removes all frames.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        (self.front, self.start) = (0, 0);
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Frames;

    #[test]
    fn frames_come_out_in_order_and_the_memory_is_used_again() {
        let mut frames = Frames::default();
        for round in 0..3u8 {
            for n in 0..100u8 {
                assert!(frames.push(&vec![n ^ round; usize::from(n) + 1]));
            }
            for n in 0..100u8 {
                assert_eq!(frames.front().unwrap(), vec![n ^ round; usize::from(n) + 1]);
                frames.pop();
            }
            assert!(frames.is_empty() && frames.front().is_none());
            frames.pop();
        }
        assert_eq!(frames.bytes.len(), 0);
        assert!(frames.bytes.capacity() <= 16_384);
    }

    #[test]
    fn frames_are_bounded_in_number_and_in_bytes() {
        let mut frames = Frames::default();
        assert_eq!((0..5000).take_while(|_| frames.push(&[0; 60])).count(), Frames::LIMIT);
        frames.clear();
        let pushed = (0..5000).take_while(|_| frames.push(&[0; 15_000])).count();
        assert_eq!(pushed, Frames::BYTES.div_ceil(15_000));
    }
}
