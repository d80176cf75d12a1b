/// A count of the frames that were sent after the other end of a wire had gone. It warns once, when it is dropped.
pub(super) struct Unreached {
    /// The wire, in the warning.
    wire: String,
    pub(super) frames: u64,
}

impl Unreached {
    pub(super) fn of(wire: String) -> Self {
        Self { wire, frames: 0 }
    }

    pub(super) fn count(&mut self) {
        self.frames += 1;
    }
}

impl Drop for Unreached {
    fn drop(&mut self) {
        let frames = match self.frames {
            0 => return,
            1 => "1 frame that was".to_owned(),
            frames => format!("{frames} frames that were"),
        };
        tracing::warn!("the other end of {} went away: {frames} sent then reached nobody", self.wire);
    }
}
