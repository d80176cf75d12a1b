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
    /// The files that could not be read, with the reasons.
    unread: RefCell<Vec<String>>,
}

impl System {
    /// The files of this machine, or, for tests, of the tree that the environment variable IXY_ROOT names.
    pub(crate) fn of_process() -> Self {
        let root = std::env::var_os("IXY_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        Self { sysfs: Sysfs::new(root), unread: RefCell::default() }
    }

    /// The default options with which programs open devices.
    pub(crate) fn options(&self) -> ixy::Options {
        ixy::Options::default().sysfs(self.sysfs.clone())
    }

    /// The text in a file, without the line feed; `None` when there is no file. The kernel refuses some attributes
    /// in some states (EINVAL), which means that they have no value. Other errors are recorded.
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

    /// The sorted names in a directory; none if it does not exist. Errors are recorded.
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

    /// Records a file that cannot be read.
    pub(crate) fn failed(&self, path: &Path, error: &io::Error) {
        self.unread.borrow_mut().push(format!("{}: {error}", path.display()));
    }

    /// The files that could not be read since the last call.
    pub(crate) fn take_unread(&self) -> Vec<String> {
        self.unread.take()
    }
}
