//! The source of hugepages, and their number: [`Hugepages`].

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::MapFlags;

use super::control_group;
use super::mapping::Mapping;
use crate::error::Error;

/// The size of a hugepage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PageSize {
    /// 2 MiB.
    #[default]
    Mib2,
    /// 1 GiB: fewer entries of the processor's TLB, but hard to get once a machine has run for a while.
    Gib1,
}

impl PageSize {
    /// In bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Mib2 => 2 << 20,
            Self::Gib1 => 1 << 30,
        }
    }

    /// The flag of mmap that asks for it.
    fn flag(self) -> MapFlags {
        match self {
            Self::Mib2 => MapFlags::HUGE_2MB,
            Self::Gib1 => MapFlags::HUGE_1GB,
        }
    }

    /// Its directory in sysfs.
    fn directory(self) -> String {
        format!("hugepages-{}kB", self.bytes() >> 10)
    }
}

impl fmt::Display for PageSize {
    /// The notation of `scripts/setup-hugepages`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mib2 => "2M",
            Self::Gib1 => "1G",
        })
    }
}

/// The kernel's hugepages of one size, from the files below a root.
#[derive(Debug)]
pub(super) struct Hugepages<'a> {
    pub(super) page: PageSize,
    pub(super) root: &'a Path,
}

impl Hugepages<'_> {
    /// Maps `len` bytes and reserves the pages for them, without touching any.
    pub(super) fn reserve(&self, len: usize) -> Result<Mapping, Error> {
        let count = (len / self.page.bytes()) as u64;
        let file = self.mounts().iter().find_map(|mount| unlinked_file(mount));
        let mapped = match file {
            Some((file, path)) => {
                rustix::fs::ftruncate(&file, len as u64)
                    .map_err(|e| os("cannot enlarge a file in", &path, e))?;
                Mapping::of_file(&file, len)
            }
            None => Mapping::anonymous(len, MapFlags::HUGETLB | self.page.flag()),
        };
        mapped.map_err(|e| {
            self.shortage(count, None).unwrap_or_else(|| Error::Os {
                what: format!(
                    "cannot reserve {count} hugepages of {}, though enough are free: a limit of the mount (`size=` in /proc/self/mounts) or of the process (`ulimit -v`) stands in the way",
                    self.page
                ),
                source: e.into(),
            })
        })
    }

    /// The reason why `wanted` pages cannot be allocated, on a node if one is given; `None` when there are enough
    /// and no control group forbids it.
    pub(super) fn shortage(&self, wanted: u64, node: Option<u32>) -> Option<Error> {
        let kinds = match node {
            None => self.root.join("sys/kernel/mm/hugepages"),
            Some(node) => self.root.join(format!("sys/devices/system/node/node{node}/hugepages")),
        };
        let directory = kinds.join(self.page.directory());
        if !directory.is_dir() {
            return Some(Error::NoSuchPageSize { page: self.page, path: directory });
        }
        let all = number(&directory.join("nr_hugepages"));
        let free = number(&directory.join("free_hugepages"));
        // Reservations are counted for the machine, not for a node.
        let free = free.saturating_sub(number(&directory.join("resv_hugepages")));
        let missing = wanted.saturating_sub(free);
        let setting = directory.join("nr_hugepages");
        let suggested = all.saturating_add(missing);
        if missing > 0 {
            return Some(Error::NoHugepages { wanted, page: self.page, free, node, suggested, setting });
        }
        let limit = control_group::room(self.root, self.page)?;
        let allowed = limit.room / self.page.bytes() as u64;
        (allowed < wanted).then_some(Error::HugepageLimit {
            wanted,
            page: self.page,
            allowed,
            limit: limit.bytes,
            file: limit.file,
        })
    }

    /// The mount points of hugetlbfs with this page size.
    fn mounts(&self) -> Vec<PathBuf> {
        let path = self.root.join("proc/self/mounts");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| {
            tracing::debug!(
                "cannot tell whether hugetlbfs is mounted, as {} cannot be read: {e}",
                path.display()
            );
            String::new()
        });
        text.lines().filter_map(|line| mount_of(line, self.page)).collect()
    }
}

/// The node to bind memory to; none on a machine with a single node.
pub(super) fn binding(root: &Path, node: u32) -> Result<Option<u32>, Error> {
    let path = root.join("sys/devices/system/node/online");
    let Ok(online) = fs::read_to_string(&path) else { return Ok(None) };
    let online = online.trim_end();
    if online.parse::<u32>().is_ok() {
        return Ok(None);
    }
    let ends = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    let found =
        online.split(',').filter_map(ends).any(|(first, last): (u32, u32)| (first..=last).contains(&node));
    if found { Ok(Some(node)) } else { Err(Error::NoSuchNode { node, online: online.to_owned() }) }
}

/// The mount point in a line of `/proc/self/mounts`, if it is a hugetlbfs with pages of that size.
fn mount_of(line: &str, page: PageSize) -> Option<PathBuf> {
    let mut fields = line.split(' ');
    let (_, path, kind, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let size = options.split(',').find_map(|option| option.strip_prefix("pagesize="))?;
    (kind == "hugetlbfs" && bytes(size)? == page.bytes()).then(|| PathBuf::from(unescape(path)))
}

/// A size as the kernel prints it: `2M`, `1024M`.
fn bytes(size: &str) -> Option<usize> {
    let (digits, shift) = match size.as_bytes().last()? {
        b'k' | b'K' => (&size[..size.len() - 1], 10),
        b'M' => (&size[..size.len() - 1], 20),
        b'G' => (&size[..size.len() - 1], 30),
        _ => (size, 0),
    };
    digits.parse::<usize>().ok()?.checked_mul(1 << shift)
}

/// A path in which blanks and backslashes are written as three octal digits.
fn unescape(path: &str) -> String {
    let mut parts = path.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => plain.push_str(part),
        }
    }
    plain
}

/// An unlinked empty file in a directory, and the directory. `None` when none can be created.
fn unlinked_file(mount: &Path) -> Option<(File, PathBuf)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("ixy-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = mount.join(name);
    let created = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
    match created.and_then(|file| fs::remove_file(&path).map(|()| file)) {
        Ok(file) => Some((file, mount.to_owned())),
        Err(e) => {
            tracing::debug!("the hugetlbfs on {} cannot be used: {e}", mount.display());
            None
        }
    }
}

/// The number in a file of the kernel; zero when there is none.
fn number(path: &Path) -> u64 {
    fs::read_to_string(path).ok().and_then(|text| text.trim_end().parse().ok()).unwrap_or(0)
}

/// An error of the system about a path.
pub(super) fn os(what: &str, path: &Path, source: impl Into<io::Error>) -> Error {
    Error::Os { what: format!("{what} {}", path.display()), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_its_page_size() {
        let line = |size| format!("nodev /mnt/huge hugetlbfs rw,relatime,{size} 0 0");
        assert_eq!(mount_of(&line("pagesize=2M"), PageSize::Mib2), Some("/mnt/huge".into()));
        assert_eq!(mount_of(&line("pagesize=2048k,size=64M"), PageSize::Mib2), Some("/mnt/huge".into()));
        assert_eq!(mount_of(&line("pagesize=2M"), PageSize::Gib1), None);
        assert_eq!(mount_of(&line("pagesize=1024M"), PageSize::Gib1), Some("/mnt/huge".into()));
        assert_eq!(mount_of(&line("pagesize=1G"), PageSize::Gib1), Some("/mnt/huge".into()));
        assert_eq!(mount_of(&line("pagesize=M"), PageSize::Mib2), None);
        assert_eq!(mount_of(&line("size=2M"), PageSize::Mib2), None);
        assert_eq!(mount_of("nodev /mnt/huge tmpfs rw,pagesize=2M 0 0", PageSize::Mib2), None);
        assert_eq!(mount_of("", PageSize::Mib2), None);
    }

    #[test]
    fn a_mount_point_may_hold_blanks_and_backslashes() {
        assert_eq!(unescape(r"/mnt/huge\040pages\134x"), r"/mnt/huge pages\x");
        assert_eq!(unescape("/mnt/huge"), "/mnt/huge");
    }

    #[test]
    fn a_file_for_pages_has_no_name() {
        let directory = std::env::temp_dir().join(format!("ixy-dma-unlinked-{}", process::id()));
        fs::create_dir(&directory).unwrap();
        let made = unlinked_file(&directory);
        let left = fs::read_dir(&directory).unwrap().count();
        fs::remove_dir_all(&directory).unwrap();
        assert!(made.is_some());
        assert_eq!(left, 0);
        assert!(unlinked_file(Path::new("/nonexistent")).is_none());
    }
}
