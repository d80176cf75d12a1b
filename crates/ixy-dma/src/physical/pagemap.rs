//! Physical addresses of this process's memory: [`Pagemap`].

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::hugepages::os;
use crate::error::Error;

/// Size of an entry in bytes; there is one for each page of the base size.
const ENTRY: u64 = 8;
/// The page is in memory.
const PRESENT: u64 = 1 << 63;
/// The number of the page frame, if the page is present; zero without permission to know it.
const FRAME: u64 = (1 << 55) - 1;

/// `/proc/self/pagemap`, which holds the place of each page of this process (the kernel's documentation,
/// admin-guide/mm/pagemap).
#[derive(Debug)]
pub(super) struct Pagemap {
    path: PathBuf,
    file: File,
    page: u64,
}

impl Pagemap {
    /// Opens the file below a root, to look up memory at `address`.
    pub(super) fn open(root: &Path, address: u64) -> Result<Self, Error> {
        let path = root.join("proc/self/pagemap");
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file, page: rustix::param::page_size() as u64 }),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                Err(Error::FrameHidden { address, path })
            }
            Err(e) => Err(os("cannot open", &path, e)),
        }
    }

    /// The physical address of the byte at `address` in this process.
    pub(super) fn physical(&self, address: u64) -> Result<u64, Error> {
        let mut bytes = [0; ENTRY as usize];
        self.file.read_exact_at(&mut bytes, address / self.page * ENTRY).map_err(|e| {
            os(&format!("cannot tell where the memory at {address:#x} is, from"), &self.path, e)
        })?;
        let entry = u64::from_ne_bytes(bytes);
        let path = || self.path.clone();
        if entry & PRESENT == 0 {
            return Err(Error::FrameAbsent { address, entry, path: path() });
        }
        match entry & FRAME {
            // No memory of a process is in frame zero: the kernel hides the number.
            0 => Err(Error::FrameHidden { address, path: path() }),
            frame => Ok(frame * self.page + address % self.page),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A pagemap with these entries for the pages from address zero on.
    fn pagemap(name: &str, entries: &[u64]) -> Pagemap {
        let root = std::env::temp_dir().join(format!("ixy-dma-pagemap-{name}-{}", std::process::id()));
        fs::create_dir_all(root.join("proc/self")).unwrap();
        let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_ne_bytes()).collect();
        fs::write(root.join("proc/self/pagemap"), bytes).unwrap();
        let opened = Pagemap::open(&root, 0);
        fs::remove_dir_all(root).unwrap();
        opened.unwrap()
    }

    #[test]
    fn an_address_is_the_frame_and_the_offset_in_the_page() {
        // Bits 55 to 62 are flags, such as soft-dirty and exclusively mapped.
        let pagemap = pagemap("frame", &[0, PRESENT | 0x123 | 1 << 55 | 1 << 56, PRESENT | FRAME]);
        let page = pagemap.page;
        assert_eq!(pagemap.physical(page).unwrap(), 0x123 * page);
        assert_eq!(pagemap.physical(page + 77).unwrap(), 0x123 * page + 77);
    }

    #[test]
    fn a_frame_number_of_zero_is_an_error_that_asks_for_root() {
        let error = pagemap("zero", &[PRESENT | 1 << 55]).physical(5).unwrap_err();
        assert!(matches!(error, Error::FrameHidden { address: 5, .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains("CAP_SYS_ADMIN") && message.contains("run as root"), "{message}");
    }

    #[test]
    fn a_page_that_is_not_present_is_an_error() {
        // A swapped-out page has bit 62 and a number that is not a frame.
        let pagemap = pagemap("absent", &[0x456 | 1 << 62, 0]);
        for address in [0, pagemap.page] {
            let error = pagemap.physical(address).unwrap_err();
            assert!(matches!(error, Error::FrameAbsent { .. }), "{error}");
        }
    }

    #[test]
    fn a_pagemap_that_ends_early_is_an_error_that_names_the_file() {
        let pagemap = pagemap("short", &[PRESENT | 1]);
        let error = pagemap.physical(pagemap.page).unwrap_err().to_string();
        assert!(error.contains("proc/self/pagemap"), "{error}");
    }

    #[test]
    fn a_pagemap_that_is_missing_is_an_error_that_names_the_file() {
        let error = Pagemap::open(Path::new("/nonexistent"), 0).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/proc/self/pagemap"), "{error}");
    }

    #[test]
    fn physical_addresses_of_touched_memory_are_known_to_root_and_hidden_from_others() {
        let touched = Box::new([1_u8; 64]);
        let address = touched.as_ptr().addr() as u64;
        match Pagemap::open(Path::new("/"), address).unwrap().physical(address) {
            Ok(physical) => assert_eq!(physical % 4096, address % 4096),
            Err(error) => assert!(matches!(error, Error::FrameHidden { .. }), "{error}"),
        }
    }
}
