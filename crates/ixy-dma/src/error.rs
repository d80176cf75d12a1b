//! What can go wrong with memory for devices.

use crate::domain::Iova;

/// Why memory could not be had, mapped or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request for no memory at all.
    #[error(
        "cannot allocate {size} bytes of DMA memory: ask for at least one byte and an alignment that is a power of two"
    )]
    BadRequest {
        /// Bytes asked for.
        size: usize,
    },
    /// The piece does not fit into memory that is contiguous for the device.
    #[error(
        "{len} bytes do not fit into DMA memory that is contiguous for the device (the largest piece has {largest} bytes): use larger pages or a smaller ring"
    )]
    NotContiguous {
        /// Bytes wanted in one piece.
        len: usize,
        /// The largest piece there is.
        largest: usize,
    },
    /// Memory of one domain cannot be reached from another.
    #[error("memory of {from} cannot be mapped into {into}: {why}")]
    CannotShare {
        /// The domain that the memory came from.
        from: String,
        /// The domain that refused it.
        into: String,
        /// What stands in the way.
        why: String,
    },
    /// Two mappings of different memory at the same address.
    #[error("the range of {len} bytes at {iova} is already in use in {domain}")]
    Overlap {
        /// First address of the range.
        iova: Iova,
        /// Its length in bytes.
        len: usize,
        /// The domain.
        domain: String,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Os {
        /// What was tried, on what.
        what: String,
        /// The system's error.
        source: std::io::Error,
    },
}
