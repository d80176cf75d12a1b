//! The faults that a test can make the device have.

/// One wrong report to the driver, the next time that chains go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// The id of the first entry.
    Id(u32),
    /// A valid id that is not with the device: the highest free one.
    FreeId,
    /// The length of the first entry.
    Length(u32),
    /// The first chain goes back twice.
    Twice,
    /// The last one goes back first.
    Reversed,
    /// used.idx is ahead by this many more, or this many descriptors are marked as used.
    Jump(u16),
    /// The header gives this number of buffers.
    Buffers(u16),
}

/// The device's answer to a control command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answer {
    #[default]
    Ok,
    Error,
    /// A value that is not in the specification.
    Nonsense,
    /// The chain comes back without the acknowledgement.
    Nothing,
    /// The chain does not come back.
    Never,
    /// Another chain comes back.
    WrongId,
}

/// Faults that last until the test ends them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// All registers read all ones and ignore writes, and the device reaches no memory.
    pub(crate) vanished: bool,
    /// A reset never starts.
    pub(crate) reset_never_ends: bool,
    /// FEATURES_OK does not stay set.
    pub(crate) features_refused: bool,
    /// The generation differs on each read.
    pub(crate) generation_changes: bool,
    /// DRIVER_OK makes the device ask for a reset.
    pub(crate) needs_reset_at_start: bool,
    /// The bus reports requests as pending for ever.
    pub(crate) always_pending: bool,
    /// Bus mastering cannot be switched off.
    pub(crate) master_stays_on: bool,
    pub(crate) answer: Answer,
}
