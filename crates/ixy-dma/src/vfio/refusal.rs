//! The reasons why VFIO cannot be used for a group: obstacles found before it is opened ([`check`]), and the
//! meaning of the kernel's refusals ([`explain`]).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use super::container::PATH;
use super::group::{self, missing};
use crate::error::Error;

/// The file in which root accepts devices without interrupt remapping, with `Y`.
const UNSAFE_INTERRUPTS: &str = "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts";

/// The obstacles between this process and the group that can be found without opening anything: missing VFIO, a
/// missing group, missing permission, or memory that the firmware reserves. Files are read below `root`.
///
/// The list is empty when nothing is in the way. Only opening the group shows whether another process has it.
pub fn check(root: &Path, group: u32) -> Vec<Error> {
    let file = |path: &str, allow| match usable(&root.join(path.trim_start_matches('/'))) {
        Ok(()) => None,
        Err(source) => Some(group::refused(Path::new(path), allow, source)),
    };
    let path = format!("/dev/vfio/{group}");
    let container = file(PATH, group::ALLOW_CONTAINER);
    let group_file = file(&path, group::ALLOW_GROUP).map(|error| missing(root, group, error));
    container.into_iter().chain(group_file).chain(reserved(root, group)).collect()
}

/// Checks whether this process may read and write a file, without opening it.
fn usable(path: &Path) -> Result<(), io::Error> {
    let access = rustix::fs::accessat(CWD, path, Access::READ_OK | Access::WRITE_OK, AtFlags::EACCESS);
    access.map_err(io::Error::from)
}

/// The error for a group with a device for which the firmware reserves memory, if it does. The kernel lists such
/// memory as `direct`: it stays mapped for the device, and VFIO does not get such a device. Regions listed as
/// `direct-relaxable` (memory for graphics and USB before the system starts) or `msi` do not matter.
pub fn reserved(root: &Path, group: u32) -> Option<Error> {
    let path = root.join(format!("sys/kernel/iommu_groups/{group}/reserved_regions"));
    let text = fs::read_to_string(path).ok()?;
    let direct = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [first, last, "direct"] => Some(format!("{}-{}", plain(first), plain(last))),
        _ => None,
    };
    let regions: Vec<String> = text.lines().filter_map(direct).collect();
    (!regions.is_empty()).then(|| Error::VfioReserved { group, regions: regions.join(", ") })
}

/// An address without leading zeros.
fn plain(address: &str) -> String {
    let digits = address.trim_start_matches("0x").trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}

/// The reason why the kernel does not put a group into a container. Reserved memory is EPERM in older kernels and
/// EINVAL since Linux 6.6; any other EPERM is an IOMMU that does not remap interrupts, unless root accepts that
/// already.
pub(super) fn explain(group: u32, into: String, source: io::Error) -> Error {
    let root = system_root();
    let errno = Errno::from_io_error(&source);
    if matches!(errno, Some(Errno::PERM | Errno::INVAL))
        && let Some(error) = reserved(&root, group)
    {
        return error;
    }
    let accepted = fs::read_to_string(root.join(UNSAFE_INTERRUPTS)).is_ok_and(|text| text.trim() == "Y");
    match errno {
        Some(Errno::PERM) if !accepted => Error::VfioInterrupts { group, into },
        _ => Error::VfioGroupRefused { group, into, source },
    }
}

fn system_root() -> PathBuf {
    #[cfg(test)]
    if let Some(root) = super::fake::root() {
        return root;
    }
    "/".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("ixy-dma-refusal-{name}-{}", std::process::id()));
            fs::create_dir_all(root.join("dev/vfio")).unwrap();
            Self(root)
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.0.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_missing_is_found_without_opening_anything() {
        let root = Root::new("files");
        let texts = |root: &Root| check(&root.0, 7).iter().map(ToString::to_string).collect::<Vec<_>>();
        let found = texts(&root);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("/dev/vfio/vfio cannot be used"), "{found:?}");
        assert!(found[1].starts_with("/dev/vfio/7 cannot be opened"), "{found:?}");
        root.write("dev/vfio/vfio", "");
        root.write("dev/vfio/noiommu-7", "");
        assert!(matches!(check(&root.0, 7)[..], [Error::VfioWithoutIommu { group: 7, .. }]));
        root.write("dev/vfio/7", "");
        assert!(check(&root.0, 7).is_empty());
    }

    #[test]
    fn only_memory_that_must_stay_mapped_stands_in_the_way() {
        let root = Root::new("regions");
        let file = "sys/kernel/iommu_groups/7/reserved_regions";
        assert!(reserved(&root.0, 7).is_none());
        let harmless = "0x00000000000e8000 0x00000000000e8fff direct-relaxable\n\
                        0x00000000fee00000 0x00000000feefffff msi\n";
        root.write(file, harmless);
        assert!(reserved(&root.0, 7).is_none());
        root.write(file, &format!("{harmless}0x00000000000e9000 0x00000000000e9fff direct\n"));
        let text = reserved(&root.0, 7).unwrap().to_string();
        for words in ["IOMMU group 7", "0xe9000-0xe9fff", "HPE", "Endpoints_Excluded", "iommu=pt"] {
            assert!(text.contains(words), "{words} is not in: {text}");
        }
        assert!(!text.contains("allow_unsafe_interrupts") && !text.contains("0xe8000"), "{text}");
    }
}
