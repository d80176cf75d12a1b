//! The machine as this process sees it: [`System`].

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ixy_pci::Sysfs;

/// The files of the machine.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) sysfs: Sysfs,
    /// What could not be read, and why.
    unread: RefCell<Vec<String>>,
}

impl System {
    /// This machine's, or, for tests, what a tree of files shows that the environment variable IXY_ROOT names.
    pub(crate) fn of_process() -> Self {
        let root = std::env::var_os("IXY_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        Self { sysfs: Sysfs::new(root), unread: RefCell::default() }
    }

    /// How programs open devices, with their defaults.
    pub(crate) fn options(&self) -> ixy::Options {
        ixy::Options::default().sysfs(self.sysfs.clone())
    }

    /// The text in a file, without the line feed; `None` where there is none. The kernel refuses some attributes in some
    /// states (EINVAL), which says that they have no value. Other errors are remembered.
    pub(crate) fn read(&self, path: &Path) -> Option<String> {
        match fs::read_to_string(path) {
            Ok(text) => Some(text.trim_end().to_owned()),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => None,
            Err(e) => {
                self.failed(path, &e);
                None
            }
        }
    }

    /// The sorted names in a directory; none where it does not exist. Errors are remembered.
    pub(crate) fn names(&self, path: &Path) -> Vec<String> {
        let listed = fs::read_dir(path).and_then(|entries| {
            entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
        });
        let mut names: Vec<String> = match listed {
            Ok(names) => names,
            Err(e) => {
                if e.kind() != io::ErrorKind::NotFound {
                    self.failed(path, &e);
                }
                Vec::new()
            }
        };
        names.sort();
        names
    }

    /// Remembers what cannot be read.
    pub(crate) fn failed(&self, path: &Path, error: &io::Error) {
        self.unread.borrow_mut().push(format!("{}: {error}", path.display()));
    }

    /// What could not be read since this was asked last.
    pub(crate) fn take_unread(&self) -> Vec<String> {
        self.unread.take()
    }
}
