//! The limits on locked memory, which all memory for devices is.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::error::Error;

/// The number of the capability CAP_IPC_LOCK, which lifts RLIMIT_MEMLOCK.
const CAP_IPC_LOCK: u32 = 14;

/// The file with the largest number of mappings in a container.
const ENTRY_LIMIT: &str = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";

/// The reason why `what` failed: `len` bytes could not be mapped in addition to the `used` mappings. `available`
/// asks the kernel how many more it allows.
pub(super) fn explain(
    source: io::Error,
    what: String,
    len: u64,
    used: usize,
    available: impl FnOnce() -> Option<u32>,
) -> Error {
    let found = match Errno::from_io_error(&source) {
        Some(Errno::NOMEM) => Memory::now().and_then(|memory| memory.limit(len)),
        Some(Errno::NOSPC) => {
            let allowed = fs::read_to_string(ENTRY_LIMIT).ok().and_then(|text| text.trim_end().parse().ok());
            Some(Error::VfioMappings { used, available: available(), allowed, path: ENTRY_LIMIT.into() })
        }
        _ => None,
    };
    found.unwrap_or(Error::Os { what, source })
}

/// Checks that this process may lock `len` more bytes, as memory for devices does.
///
/// # Errors
/// [`Error::MemoryLock`].
pub fn check_lock(len: u64) -> Result<(), Error> {
    Memory::now().and_then(|memory| memory.limit(len)).map_or(Ok(()), Err)
}

/// A process's locked memory.
#[derive(Debug, Clone, Copy)]
struct Memory {
    /// Locked bytes.
    locked: u64,
    /// The limit in bytes; `None` is no limit.
    limit: Option<u64>,
    /// The limit up to which the process may raise it by itself.
    hard: Option<u64>,
}

impl Memory {
    /// The locked memory of this process; `None` without a limit, or when the kernel does not report it.
    fn now() -> Option<Self> {
        let limits = getrlimit(Resource::Memlock);
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let locked = locked(&status, &fs::read_to_string("/proc/self/uid_map").unwrap_or_default())?;
        Some(Self { locked, limit: limits.current, hard: limits.maximum })
    }

    /// The error when `len` more bytes exceed the limit; `None` when they do not.
    fn limit(self, len: u64) -> Option<Error> {
        let Self { locked, limit: Some(limit), hard } = self else { return None };
        let needed = locked.saturating_add(len);
        (needed > limit).then_some(Error::MemoryLock { len, locked, limit, hard, needed })
    }
}

/// The locked bytes of a process, from its file `status`; `None` when it may lock any number. In a user namespace,
/// detected from its file `uid_map`, the capability does not apply.
fn locked(status: &str, uid_map: &str) -> Option<u64> {
    let field = |name: &str| Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim());
    let capabilities = u64::from_str_radix(field("CapEff:")?, 16).ok()?;
    let of_the_system = uid_map.split_whitespace().eq(["0", "0", "4294967295"]);
    if capabilities >> CAP_IPC_LOCK & 1 != 0 && of_the_system {
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

    const SYSTEM: &str = "         0          0 4294967295\n";

    #[test]
    fn the_locked_memory_of_a_user_is_read_and_roots_does_not_count() {
        let with = |capabilities| USER.replace("CapEff:\t0000000000000000", capabilities);
        assert_eq!(locked(USER, SYSTEM), Some(128 << 10));
        assert_eq!(locked(&with("CapEff:\t0000000000004000"), SYSTEM), None);
        assert_eq!(locked(&with("CapEff:\t0000000000003fff"), SYSTEM), Some(128 << 10));
        // Root of a user namespace.
        let namespace = "         0       1000          1\n";
        assert_eq!(locked(&with("CapEff:\t000001ffffffffff"), namespace), Some(128 << 10));
        assert_eq!(locked("Name:\tx\n", SYSTEM), None);
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
