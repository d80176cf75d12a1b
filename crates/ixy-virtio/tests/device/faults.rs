//! What the device does wrong when a test tells it to.

/// Something wrong with what goes back to the driver, once, the next time that something does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// The id of the first entry.
    Id(u32),
    /// An id that the driver may use and that is not with the device: the highest that is free.
    FreeId,
    /// The length of the first entry.
    Length(u32),
    /// The first chain is given back two times.
    Twice,
    /// The last one first.
    Reversed,
    /// used.idx is ahead by so much more, or so many descriptors are marked as used.
    Jump(u16),
    /// The header says so many buffers.
    Buffers(u16),
}

/// What a control command is answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answer {
    #[default]
    Ok,
    Error,
    /// A value that the specification does not know.
    Nonsense,
    /// The chain comes back, and the acknowledgement was not written.
    Nothing,
    /// The chain does not come back.
    Never,
    /// Another chain comes back.
    WrongId,
}

/// What stays wrong until a test ends it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// All registers read all ones and take no writes, and no memory is reached.
    pub(crate) vanished: bool,
    /// A reset does not begin.
    pub(crate) reset_never_ends: bool,
    /// FEATURES_OK does not stay set.
    pub(crate) features_refused: bool,
    /// The generation is another one each time it is read.
    pub(crate) generation_changes: bool,
    /// DRIVER_OK makes the device say that it needs a reset.
    pub(crate) needs_reset_at_start: bool,
    /// Its last requests are never done, as the bus sees it.
    pub(crate) always_pending: bool,
    /// Bus mastering cannot be switched off.
    pub(crate) master_stays_on: bool,
    pub(crate) answer: Answer,
}
