//! The number of hugepages that the control groups of this process allow: [`room`].
//!
//! The files are those of the kernel's documentation: `admin-guide/cgroup-v2` ("HugeTLB") and
//! `admin-guide/cgroup-v1/hugetlb`.

use std::fs;
use std::path::{Path, PathBuf};

use super::hugepages::PageSize;

/// A limit of a control group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// The file that sets it.
    pub(super) file: PathBuf,
    /// Limit of the whole group in hugepages of this size, in bytes.
    pub(super) bytes: u64,
    /// The part of it that is not in use, in bytes.
    pub(super) room: u64,
}

/// The limit that leaves the least room for hugepages of this size; `None` when no group limits them. Files are
/// read below `root`.
pub(super) fn room(root: &Path, page: PageSize) -> Option<Limit> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = groups.lines().filter_map(Group::of_line).flat_map(|group| group.limits(root, page));
    limits.min_by_key(|limit| limit.room)
}

/// A control group that this process is in, in one of the two hierarchies that count hugepages.
struct Group<'a> {
    /// Whether it belongs to version 2.
    unified: bool,
    /// Its path from the root of its hierarchy.
    path: &'a str,
}

impl<'a> Group<'a> {
    /// The group that a line of `/proc/self/cgroup` names: number of the hierarchy, controllers, path.
    fn of_line(line: &'a str) -> Option<Self> {
        let [number, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else { return None };
        let unified = number == "0" && controllers.is_empty();
        let counts = unified || controllers.split(',').any(|controller| controller == "hugetlb");
        counts.then_some(Self { unified, path: path.trim_start_matches('/') })
    }

    /// The limits of this group and of all above it. A container may not see its group's path, since its hierarchy
    /// is mounted at its own group: the root directory is always read.
    fn limits(self, root: &Path, page: PageSize) -> Vec<Limit> {
        let name = match page {
            PageSize::Mib2 => "hugetlb.2MB",
            PageSize::Gib1 => "hugetlb.1GB",
        };
        let (mounts, most, used): (&[&str], _, _) = match self.unified {
            true => (&["sys/fs/cgroup", "sys/fs/cgroup/unified"], "max", "current"),
            false => (&["sys/fs/cgroup/hugetlb"], "limit_in_bytes", "usage_in_bytes"),
        };
        let mut found = Vec::new();
        for mount in mounts.iter().map(|mount| root.join(mount)) {
            let own = mount.join(self.path);
            for directory in own.ancestors().take_while(|directory| directory.starts_with(&mount)) {
                // There are limits for used and for reserved pages.
                for kind in [name.to_owned(), format!("{name}.rsvd")] {
                    let file = directory.join(format!("{kind}.{most}"));
                    // `max` is no number.
                    let Some(bytes) = number(&file) else { continue };
                    let used = number(&directory.join(format!("{kind}.{used}"))).unwrap_or(0);
                    found.push(Limit { file, bytes, room: bytes.saturating_sub(used) });
                }
            }
        }
        found
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("ixy-dma-cgroup-{name}-{}", std::process::id()));
            for (file, text) in files {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }

        fn room(&self, page: PageSize) -> Option<(u64, u64, String)> {
            let limit = room(&self.0, page)?;
            let file = limit.file.strip_prefix(&self.0).unwrap().display().to_string();
            Some((limit.bytes, limit.room, file))
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_limit_of_any_group_above_counts_and_the_tightest_wins() {
        let root = Root::new(
            "v2",
            &[
                ("proc/self/cgroup", "0::/pod/box\n"),
                ("sys/fs/cgroup/pod/box/hugetlb.2MB.max", "max\n"),
                ("sys/fs/cgroup/pod/hugetlb.2MB.max", "8388608\n"),
                ("sys/fs/cgroup/pod/hugetlb.2MB.current", "6291456\n"),
                ("sys/fs/cgroup/pod/hugetlb.2MB.rsvd.max", "16777216\n"),
            ],
        );
        let file = "sys/fs/cgroup/pod/hugetlb.2MB.max".to_owned();
        assert_eq!(root.room(PageSize::Mib2), Some((8 << 20, 2 << 20, file)));
        assert_eq!(root.room(PageSize::Gib1), None);
    }

    #[test]
    fn a_container_finds_its_limit_where_the_hierarchy_is_mounted() {
        let root = Root::new(
            "container",
            &[
                ("proc/self/cgroup", "0::/system.slice/docker-1.scope\n"),
                ("sys/fs/cgroup/hugetlb.2MB.rsvd.max", "0\n"),
            ],
        );
        let file = "sys/fs/cgroup/hugetlb.2MB.rsvd.max".to_owned();
        assert_eq!(root.room(PageSize::Mib2), Some((0, 0, file)));
    }

    #[test]
    fn the_old_hierarchy_has_its_own_names() {
        let root = Root::new(
            "v1",
            &[
                ("proc/self/cgroup", "7:cpu,hugetlb:/a\n6:memory:/b\n0::/\n"),
                ("sys/fs/cgroup/hugetlb/a/hugetlb.1GB.limit_in_bytes", "2147483648\n"),
                ("sys/fs/cgroup/hugetlb/a/hugetlb.1GB.usage_in_bytes", "1073741824\n"),
                ("sys/fs/cgroup/hugetlb/hugetlb.1GB.limit_in_bytes", "9223372035781033984\n"),
                ("sys/fs/cgroup/memory/b/hugetlb.1GB.limit_in_bytes", "0\n"),
            ],
        );
        let file = "sys/fs/cgroup/hugetlb/a/hugetlb.1GB.limit_in_bytes".to_owned();
        assert_eq!(root.room(PageSize::Gib1), Some((2 << 30, 1 << 30, file)));
    }

    #[test]
    fn a_machine_without_control_groups_limits_nothing() {
        assert_eq!(Root::new("none", &[("proc/self/cgroup", "")]).room(PageSize::Mib2), None);
        assert_eq!(room(Path::new("/nonexistent"), PageSize::Mib2), None);
    }
}
