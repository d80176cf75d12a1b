//! What can go wrong with memory for devices.

use std::path::PathBuf;

use crate::domain::Iova;
use crate::physical::PageSize;

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
    /// There are too few free hugepages.
    #[error(
        "{wanted} hugepages of {page} are needed and {free} are free{}: as root, run `scripts/setup-hugepages --size {page}{} --count {suggested}` or `echo {suggested} > {}`",
        at_node(*node, " on NUMA node "),
        at_node(*node, " --node "),
        setting.display()
    )]
    NoHugepages {
        /// How many are needed.
        wanted: u64,
        /// Their size.
        page: PageSize,
        /// How many are free and not reserved.
        free: u64,
        /// The NUMA node that they have to be on, if there is a choice.
        node: Option<u32>,
        /// The number of all hugepages that would be enough.
        suggested: u64,
        /// The file that sets their number.
        setting: PathBuf,
    },
    /// This kernel or processor has no hugepages of that size.
    #[error(
        "this system has no hugepages of {page} ({} does not exist): choose another page size",
        path.display()
    )]
    NoSuchPageSize {
        /// The size.
        page: PageSize,
        /// The directory where the kernel would show them.
        path: PathBuf,
    },
    /// There is no such NUMA node.
    #[error(
        "there is no NUMA node {node} to take memory from (the nodes online are {online}): choose one of those"
    )]
    NoSuchNode {
        /// The node asked for.
        node: u32,
        /// The nodes that there are, as the kernel lists them.
        online: String,
    },
    /// The kernel does not tell where memory is.
    #[error(
        "the kernel does not tell the physical address of the memory at {address:#x} ({}: frame number zero, or not readable): reading it takes CAP_SYS_ADMIN outside of containers; run as root",
        path.display()
    )]
    FrameHidden {
        /// The address in this process.
        address: u64,
        /// The file that should tell it.
        path: PathBuf,
    },
    /// Memory that was touched is not there.
    #[error(
        "the memory at {address:#x} is not present ({} has {entry:#018x} for it), although it was touched: the system took it away; free memory or end the program that does this",
        path.display()
    )]
    FrameAbsent {
        /// The address in this process.
        address: u64,
        /// What the kernel says about it.
        entry: u64,
        /// The file that says it.
        path: PathBuf,
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

/// Words about a NUMA node, or none.
fn at_node(node: Option<u32>, words: &str) -> String {
    node.map_or_else(String::new, |node| format!("{words}{node}"))
}
