//! The machine as this process sees it: [`System`].

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ixy_pci::Sysfs;
use rustix::fs::{Access, AtFlags, CWD};
use rustix::process::Resource;

/// The files of the machine and the rights of this process.
#[derive(Debug)]
pub(crate) struct System {
    root: PathBuf,
    pub(crate) sysfs: Sysfs,
    pub(crate) is_root: bool,
    /// Bytes that this process may lock in memory; `None` without a limit.
    pub(crate) memlock: Option<u64>,
    /// What could not be read, and why.
    unread: RefCell<Vec<String>>,
}

impl System {
    /// This machine's, or, for tests, what a tree of files shows that the environment variable IXY_ROOT names.
    pub(crate) fn of_process() -> Self {
        let root = std::env::var_os("IXY_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        Self {
            sysfs: Sysfs::new(&root),
            root,
            is_root: rustix::process::geteuid().is_root(),
            memlock: rustix::process::getrlimit(Resource::Memlock).current,
            unread: RefCell::default(),
        }
    }

    /// A path of the machine, given without its first slash.
    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
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

    /// Whether this process may read and write a file. It is not opened.
    pub(crate) fn may_use(&self, path: &Path) -> bool {
        rustix::fs::accessat(CWD, path, Access::READ_OK | Access::WRITE_OK, AtFlags::EACCESS).is_ok()
    }

    /// Free hugepages of 2 MiB: on a NUMA node where the machine counts them by node, else in all.
    pub(crate) fn free_hugepages(&self, node: Option<u32>) -> u64 {
        const FREE: &str = "hugepages/hugepages-2048kB/free_hugepages";
        let by_node = node
            .map(|node| self.path(format!("sys/devices/system/node/node{node}")).join(FREE))
            .and_then(|path| self.read(&path));
        let free = by_node.or_else(|| self.read(&self.path("sys/kernel/mm").join(FREE)));
        free.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The interfaces that default routes lead through, in this network namespace.
    pub(crate) fn default_routes(&self) -> Vec<String> {
        let table = |name: &str| self.read(&self.path("proc/net").join(name)).unwrap_or_default();
        let (old, new) = (table("route"), table("ipv6_route"));
        // Interface, destination, gateway, flags, use counts, metric, mask; below a line of titles.
        let old = old.lines().skip(1).filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let all = columns.get(1) == Some(&"00000000") && columns.get(7) == Some(&"00000000");
            all.then(|| columns[0].to_owned())
        });
        // Destination and the length of its prefix, and eight more columns. Unreachable destinations are listed with lo.
        let new = new.lines().filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let all = columns.first()?.bytes().all(|digit| digit == b'0') && columns.get(1) == Some(&"00");
            columns.get(9).filter(|&&name| all && name != "lo").map(|&name| name.to_owned())
        });
        old.chain(new).collect()
    }

    /// The interfaces above the one whose directory this is, such as bridges, bonds and VLANs, and those above them.
    pub(crate) fn uppers(&self, interface: &Path) -> Vec<String> {
        let (mut found, mut next) = (Vec::new(), vec![interface.to_owned()]);
        while let Some(directory) = next.pop() {
            for entry in self.names(&directory) {
                let Some(name) =
                    entry.strip_prefix("upper_").filter(|name| !found.iter().any(|one| one == name))
                else {
                    continue;
                };
                found.push(name.to_owned());
                next.push(directory.join(&entry));
            }
        }
        found
    }
}
