//! Mapped pages: [`Mapping`]. The unsafe calls are here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::{self, NonNull};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::hugepages::os;
use crate::error::Error;
use crate::memory::Backing;

/// Shared memory of this process, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a Mapping owns an address range of the process; it gives out nothing but that address, and any
// thread may unmap it.
unsafe impl Send for Mapping {}
// SAFETY: as for Send; nothing in it changes.
unsafe impl Sync for Mapping {}

impl Backing for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: MAPPED-ALIVE: `base` and `len` are what mmap returned, and handles to the memory keep this value
        // alive.
        if let Err(e) = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) } {
            tracing::warn!("{} bytes of DMA memory cannot be unmapped: {e}", self.len);
        }
    }
}

impl Mapping {
    /// Maps `len` bytes of a file.
    pub(crate) fn of_file(file: &File, len: usize) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice replaces no other memory.
        let base = unsafe { rustix::mm::mmap(ptr::null_mut(), len, access, MapFlags::SHARED, file, 0) }?;
        Ok(Self { base: NonNull::new(base.cast()).ok_or(Errno::NOMEM)?, len })
    }

    /// Maps `len` bytes that belong to no file.
    pub(crate) fn anonymous(len: usize, flags: MapFlags) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | flags;
        // SAFETY: a new mapping at an address of the kernel's choice replaces no other memory.
        let base = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), len, access, flags) }?;
        Ok(Self { base: NonNull::new(base.cast()).ok_or(Errno::NOMEM)?, len })
    }

    /// Its first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The address of its first byte.
    pub(crate) fn address(&self) -> u64 {
        self.base.addr().get() as u64
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Keeps child processes from inheriting it.
    pub(crate) fn keep_out_of_forks(&self) -> Result<(), Error> {
        // SAFETY: the range is this mapping, and the advice changes nothing for this process.
        unsafe { rustix::mm::madvise(self.base.as_ptr().cast(), self.len, Advice::LinuxDontFork) }
            .map_err(|e| Error::Os { what: "cannot keep DMA memory out of forks".into(), source: e.into() })
    }

    /// Makes pages that are touched from now on come from one NUMA node only.
    pub(crate) fn bind(&self, node: u32) -> Result<(), Error> {
        let (word, bit) = (node as usize / 64, node % 64);
        let mut nodes = vec![0_u64; word + 1];
        if let Some(last) = nodes.last_mut() {
            *last = 1 << bit;
        }
        // The kernel ignores the last bit of the mask's length.
        let bits = nodes.len() * 64 + 1;
        // SAFETY: the range is this mapping, `nodes` is read only and has the bits that it is said to have.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mbind,
                self.base.as_ptr(),
                self.len as libc::c_ulong,
                libc::c_long::from(libc::MPOL_BIND),
                nodes.as_ptr(),
                bits as libc::c_ulong,
                0 as libc::c_ulong,
            )
        };
        if result == 0 {
            return Ok(());
        }
        let source = io::Error::last_os_error();
        Err(Error::Os { what: format!("cannot bind memory to NUMA node {node}"), source })
    }

    /// Touches each page of `page` bytes. If there is no page left this fails, whereas a plain store would end the
    /// process with SIGBUS: here the kernel writes a zero to memory that is zero.
    pub(crate) fn populate(&self, page: usize) -> Result<(), Error> {
        let path = "/dev/zero";
        let zeros = File::open(path).map_err(|e| os("cannot open", Path::new(path), e))?;
        for offset in (0..self.len).step_by(page) {
            // SAFETY: the byte at `offset` is inside the mapping, to which no reference exists.
            let read = unsafe {
                let byte = self.base.as_ptr().add(offset);
                libc::read(zeros.as_raw_fd(), byte.cast(), 1)
            };
            if read != 1 {
                let source = io::Error::last_os_error();
                return Err(Error::Os { what: format!("page {} cannot be had", offset / page), source });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn a_page_that_cannot_be_had_is_an_error_and_no_signal() {
        let path = std::env::temp_dir().join(format!("ixy-dma-populate-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.set_len(2 * PAGE as u64).unwrap();
        let mapping = Mapping::of_file(&file, 3 * PAGE).unwrap();
        let error = mapping.populate(PAGE).unwrap_err().to_string();
        assert!(error.starts_with("page 2 cannot be had"), "{error}");
        file.set_len(3 * PAGE as u64).unwrap();
        mapping.populate(PAGE).unwrap();
    }

    #[test]
    fn a_mapping_is_shared_kept_out_of_forks_and_gone_after_drop() {
        // Found by the name of its file: another test may get the same address later.
        let name = format!("ixy-dma-gone-{}", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.set_len(3 * PAGE as u64).unwrap();
        let mapping = Mapping::of_file(&file, 3 * PAGE).unwrap();
        mapping.keep_out_of_forks().unwrap();
        let smaps = || std::fs::read_to_string("/proc/self/smaps").unwrap();
        let flags = |smaps: &str| -> Option<String> {
            let (_, entry) = smaps.split_once(&name)?;
            Some(entry.lines().find_map(|line| line.strip_prefix("VmFlags:"))?.to_owned())
        };
        let found = flags(&smaps()).unwrap();
        for flag in [" sh", " dc", " wr"] {
            assert!(found.contains(flag), "{found} lacks {flag}");
        }
        drop(mapping);
        assert_eq!(flags(&smaps()), None);
    }

    #[test]
    fn memory_is_bound_to_a_node_that_exists_and_not_to_another() {
        let mapping = Mapping::anonymous(PAGE, MapFlags::empty()).unwrap();
        mapping.bind(0).unwrap();
        for node in [1000, 100_000] {
            let error = mapping.bind(node).unwrap_err().to_string();
            assert!(error.contains(&format!("NUMA node {node}")), "{error}");
        }
        let numa_maps = std::fs::read_to_string("/proc/self/numa_maps").unwrap();
        let line = numa_maps.lines().find(|line| line.starts_with(&format!("{:x} ", mapping.address())));
        assert!(line.unwrap().contains("bind:0"), "{line:?}");
    }
}
