//! The errors of pools and devices.

/// The reason why a pool could not be created, or a device did not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A pool of no buffers, or of more than can be counted.
    #[error(
        "a pool of {buffers} buffers cannot be made: ask for at least one, and for less memory than there is"
    )]
    PoolSize {
        /// Buffers asked for.
        buffers: usize,
    },
    /// Memory could not be allocated or mapped.
    #[error(transparent)]
    Dma(#[from] ixy_dma::Error),
    /// The device is gone, since its registers read all ones: it was unplugged, reset by another program, or lost
    /// its PCIe link.
    #[error(
        "{device} no longer answers (register {register} reads all ones): it was removed, reset or powered down; check `dmesg`, and open it again"
    )]
    Lost {
        /// The device.
        device: String,
        /// The register that read all ones.
        register: &'static str,
    },
    /// A thread cannot sleep until a frame arrives.
    #[error("cannot {what}: {source}")]
    Interrupt {
        /// What could not be done, with the name of the device where it is known.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread should sleep on a queue that has no interrupt.
    #[error("a receive queue was opened without interrupts: open its device with them, or poll it")]
    NoInterrupt,
    /// A driver's own error.
    #[error(transparent)]
    Driver(Box<dyn std::error::Error + Send + Sync>),
}
