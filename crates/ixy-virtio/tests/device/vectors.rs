//! The interrupts of the device (sections 4.1.4.5 and 4.1.5.3).

/// The receiver of its interrupts: the bus.
pub(crate) trait Lines: Send + Sync {
    /// A message for an MSI-X vector.
    fn message(&self, vector: u16);

    /// The interrupt pin is asserted or deasserted.
    fn pin(&self, up: bool);
}

/// Means "no vector".
pub(crate) const NO_VECTOR: u16 = 0xffff;

/// Bits of the ISR status.
pub(crate) const ISR_QUEUE: u8 = 1;
pub(crate) const ISR_CONFIG: u8 = 2;
