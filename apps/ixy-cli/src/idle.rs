//! Waiting politely: [`Idle`].

/// Counts passes of a polling loop in which there was nothing to do, and lets other threads run when there were many
/// in a row. A loop that is busy never gives its processor away.
#[derive(Debug, Default)]
pub struct Idle {
    passes: u32,
}

impl Idle {
    /// Passes without work, some ten microseconds, before the processor is offered to others.
    const PATIENCE: u32 = 256;

    /// To be called after each pass with how many packets it moved. Returns whether there is time for other things.
    #[inline(always)]
    pub fn after(&mut self, moved: usize) -> bool {
        if moved > 0 {
            self.passes = 0;
            return false;
        }
        self.passes += 1;
        self.passes >= Self::PATIENCE && self.rest()
    }

    #[cold]
    fn rest(&mut self) -> bool {
        self.passes = Self::PATIENCE;
        std::thread::yield_now();
        true
    }
}
