//! What keeps a process from locking memory, which memory for devices always is.

use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::container::Container;
use super::space::Space;
use crate::error::Error;

/// The number of the capability CAP_IPC_LOCK, with which RLIMIT_MEMLOCK does not count.
const CAP_IPC_LOCK: u32 = 14;

/// How many mappings a container may have.
const ENTRY_LIMIT: &str = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";

/// What went wrong when `len` bytes could not be mapped, in addition to what is mapped in `space`.
pub(super) fn explain(source: io::Error, len: u64, container: &Container, space: &Space) -> Error {
    let found = match Errno::from_io_error(&source) {
        Some(Errno::NOMEM) => Memory::now().and_then(|memory| memory.limit(len)),
        Some(Errno::NOSPC) => {
            let available = container.info().ok().and_then(|info| info.available);
            let allowed = fs::read_to_string(ENTRY_LIMIT).ok().and_then(|text| text.trim_end().parse().ok());
            Some(Error::VfioMappings {
                used: space.in_use(),
                available,
                allowed,
                path: Path::new(ENTRY_LIMIT).into(),
            })
        }
        _ => None,
    };
    found.unwrap_or_else(|| Error::Os {
        what: format!("cannot map {len} bytes for devices behind an IOMMU"),
        source,
    })
}

/// A process's locked memory.
#[derive(Debug, Clone, Copy)]
struct Memory {
    /// Bytes that are locked.
    locked: u64,
    /// Bytes that may be; `None` is no limit.
    limit: Option<u64>,
    /// Up to what it may raise that itself.
    hard: Option<u64>,
}

impl Memory {
    /// That of this process; `None` when no limit holds for it, or the kernel does not tell.
    fn now() -> Option<Self> {
        let limits = getrlimit(Resource::Memlock);
        let locked = locked(&fs::read_to_string("/proc/self/status").ok()?)?;
        Some(Self { locked, limit: limits.current, hard: limits.maximum })
    }

    /// The error that `len` bytes more are too many; `None` when they are not.
    fn limit(self, len: u64) -> Option<Error> {
        let Self { locked, limit: Some(limit), hard } = self else { return None };
        let needed = locked.saturating_add(len);
        (needed > limit).then_some(Error::MemoryLock { len, locked, limit, hard, needed })
    }
}

/// The bytes that a process has locked, from its file `status`; `None` when it may lock any number.
fn locked(status: &str) -> Option<u64> {
    let field = |name: &str| Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim());
    let capabilities = u64::from_str_radix(field("CapEff:")?, 16).ok()?;
    if capabilities >> CAP_IPC_LOCK & 1 != 0 {
        return None;
    }
    let kib: u64 = field("VmLck:")?.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str =
        "Name:\tixy-fwd\nVmLck:\t     128 kB\nVmPin:\t       0 kB\nCapEff:\t0000000000000000\n";

    #[test]
    fn the_locked_memory_of_a_user_is_read_and_roots_does_not_count() {
        assert_eq!(locked(USER), Some(128 << 10));
        assert_eq!(locked(&USER.replace("CapEff:\t0000000000000000", "CapEff:\t0000000000004000")), None);
        assert_eq!(
            locked(&USER.replace("CapEff:\t0000000000000000", "CapEff:\t0000000000003fff")),
            Some(128 << 10)
        );
        assert_eq!(locked("Name:\tx\n"), None);
    }

    #[test]
    fn a_limit_that_is_too_low_is_named_with_the_numbers_and_the_command() {
        let memory = Memory { locked: 128 << 10, limit: Some(8 << 20), hard: Some(32 << 20) };
        let text = memory.limit(16 << 20).unwrap().to_string();
        for words in ["16777216 bytes", "128 KiB", "8192 KiB", "RLIMIT_MEMLOCK", "`ulimit -l 16512`"] {
            assert!(text.contains(words), "{words} is not in: {text}");
        }
        assert!(!text.contains("prlimit"), "{text}");
        let hard = Memory { hard: Some(8 << 20), ..memory };
        let text = hard.limit(16 << 20).unwrap().to_string();
        assert!(text.contains("prlimit --pid $$ --memlock=16908288"), "{text}");
    }

    #[test]
    fn a_limit_that_is_high_enough_or_none_is_not_to_blame() {
        let memory = Memory { locked: 4096, limit: Some(12_288), hard: None };
        assert!(memory.limit(8192).is_none());
        assert!(memory.limit(8193).is_some());
        assert!(Memory { limit: None, ..memory }.limit(u64::MAX).is_none());
    }
}
