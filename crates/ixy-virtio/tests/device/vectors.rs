//! How the device interrupts (sections 4.1.4.5 and 4.1.5.3).

/// What its interrupts arrive at: the bus.
pub(crate) trait Lines: Send + Sync {
    /// A message for an MSI-X vector.
    fn message(&self, vector: u16);

    /// The interrupt pin goes up or down.
    fn pin(&self, up: bool);
}

/// Stands for no vector.
pub(crate) const NO_VECTOR: u16 = 0xffff;

/// Bits of the ISR status.
pub(crate) const ISR_QUEUE: u8 = 1;
pub(crate) const ISR_CONFIG: u8 = 2;
