//! Groups of devices that an IOMMU cannot isolate from each other: [`VfioGroup`].

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use vfio_bindings::bindings::vfio::{VFIO_GROUP_FLAGS_VIABLE, vfio_group_status};

use super::call::request;
use super::container::Container;
use crate::error::Error;

/// Requests of groups (include/uapi/linux/vfio.h).
mod number {
    pub(super) const GET_STATUS: u32 = 3;
    pub(super) const SET_CONTAINER: u32 = 4;
    pub(super) const GET_DEVICE_FD: u32 = 6;
}

/// The command that, followed by the path, gives a group to a user.
pub(super) const ALLOW_GROUP: &str = "chown $USER";
/// The same for the file that creates containers, which is harmless by itself.
pub(super) const ALLOW_CONTAINER: &str = "chmod 0666";

/// Kernel drivers that leave a device alone, so that the rest of its group can be used.
const HARMLESS: [&str; 3] = ["vfio-pci", "pci-stub", "pcieport"];

/// A group of devices with memory accesses that the IOMMU cannot isolate from each other; often a single device.
/// It belongs to the process that opened it until this value and all its devices are dropped.
#[derive(Debug)]
pub struct VfioGroup {
    number: u32,
    file: File,
}

impl VfioGroup {
    /// Opens the group in the target of a device's link `iommu_group`.
    ///
    /// # Errors
    /// [`Error::NoVfioGroup`], [`Error::VfioWithoutIommu`], [`Error::VfioPermission`], [`Error::VfioGroupInUse`];
    /// [`Error::VfioGroupNotViable`] with the devices that prevent it.
    pub fn open(number: u32) -> Result<Self, Error> {
        let path = PathBuf::from(format!("/dev/vfio/{number}"));
        let file = opened(&path, ALLOW_GROUP).map_err(|error| missing(Path::new("/"), number, error))?;
        let group = Self { number, file };
        if group.is_viable()? {
            return Ok(group);
        }
        Err(Error::VfioGroupNotViable { group: number, others: others(Path::new("/sys"), number) })
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether no other kernel driver uses a device of the group.
    fn is_viable(&self) -> Result<bool, Error> {
        let mut status = vfio_group_status { argsz: size_of::<vfio_group_status>() as u32, flags: 0 };
        // SAFETY: this request answers in the structure.
        let asked = unsafe { request(self.file.as_fd(), number::GET_STATUS, (&raw mut status).cast()) };
        asked.map_err(|source| Error::Os {
            what: format!("cannot ask about IOMMU group {}", self.number),
            source,
        })?;
        Ok(status.flags & VFIO_GROUP_FLAGS_VIABLE != 0)
    }

    /// Puts the group into a container.
    pub(super) fn join(&self, container: &Container) -> io::Result<()> {
        let mut fd = container.file().as_raw_fd();
        // SAFETY: this request takes the address of the container's descriptor, and reads it. Devices of the group
        // reach from then on what is mapped in the container, which was given to devices.
        unsafe { request(self.file.as_fd(), number::SET_CONTAINER, (&raw mut fd).cast()) }.map(|_| ())
    }

    /// Opens the descriptor of a device of the group, which is in a container.
    pub(super) fn device(&self, name: &str) -> Result<OwnedFd, Error> {
        let failed = |source| Error::Os {
            what: format!("cannot get the device {name} of IOMMU group {} from vfio-pci", self.number),
            source,
        };
        let text = CString::new(name).map_err(|e| failed(e.into()))?;
        // SAFETY: this request takes the address of a string that ends with a zero, and reads it.
        let fd =
            unsafe { request(self.file.as_fd(), number::GET_DEVICE_FD, text.as_ptr().cast_mut().cast()) }
                .map_err(failed)?;
        // SAFETY: the request created the descriptor, which nothing else owns.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
    }
}

/// Opens a file of VFIO. `allow` is the command that, followed by the path, permits that to a user.
pub(super) fn opened(path: &Path, allow: &'static str) -> Result<File, Error> {
    #[cfg(test)]
    if let Some(opened) = super::fake::open(path) {
        return opened.map_err(|source| refused(path, allow, source));
    }
    File::options().read(true).write(true).open(path).map_err(|source| refused(path, allow, source))
}

/// The error for a file of VFIO that cannot be opened.
pub(super) fn refused(path: &Path, allow: &'static str, source: io::Error) -> Error {
    let path = path.to_owned();
    match Errno::from_io_error(&source) {
        Some(Errno::ACCESS | Errno::PERM) => Error::VfioPermission { path, allow },
        Some(Errno::BUSY) => Error::VfioGroupInUse { path },
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => Error::NoVfio { path, source },
        _ => Error::Os { what: format!("cannot open {}", path.display()), source },
    }
}

/// Finds out what is missing in place of a group's file. `dev/vfio` is below `root`.
pub(super) fn missing(root: &Path, group: u32, error: Error) -> Error {
    let Error::NoVfio { path, source } = error else { return error };
    let unsafe_one = root.join(format!("dev/vfio/noiommu-{group}"));
    if unsafe_one.exists() {
        return Error::VfioWithoutIommu { group, path: unsafe_one };
    }
    Error::NoVfioGroup { group, path, source }
}

/// The devices that keep a group from being used, each with its kernel driver.
fn others(sys: &Path, group: u32) -> Vec<String> {
    let devices = sys.join(format!("kernel/iommu_groups/{group}/devices"));
    let names = fs::read_dir(&devices).into_iter().flatten().flatten();
    let mut others: Vec<String> = names
        .filter_map(|device| {
            let driver = fs::read_link(device.path().join("driver")).ok()?;
            let driver = driver.file_name()?.to_string_lossy().into_owned();
            let name = device.file_name().to_string_lossy().into_owned();
            (!HARMLESS.contains(&driver.as_str())).then(|| format!("{name} ({driver})"))
        })
        .collect();
    others.sort();
    others
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn devices_with_another_driver_are_listed_and_harmless_ones_are_not() {
        let sys = std::env::temp_dir().join(format!("ixy-dma-group-{}", std::process::id()));
        let devices = sys.join("kernel/iommu_groups/7/devices");
        for (name, driver) in [
            ("0000:03:00.1", "igb"),
            ("0000:03:00.0", "vfio-pci"),
            ("0000:00:1c.0", "pcieport"),
            ("0000:02:00.0", "nvme"),
        ] {
            fs::create_dir_all(devices.join(name)).unwrap();
            symlink(format!("../../drivers/{driver}"), devices.join(name).join("driver")).unwrap();
        }
        fs::create_dir_all(devices.join("0000:03:00.2")).unwrap();
        let found = (others(&sys, 7), others(&sys, 8));
        fs::remove_dir_all(&sys).unwrap();
        assert_eq!(found, (vec!["0000:02:00.0 (nvme)".to_owned(), "0000:03:00.1 (igb)".to_owned()], vec![]));
    }

    #[test]
    fn a_group_that_no_iommu_confines_is_refused_as_such() {
        let root = std::env::temp_dir().join(format!("ixy-dma-noiommu-{}", std::process::id()));
        fs::create_dir_all(root.join("dev/vfio")).unwrap();
        fs::write(root.join("dev/vfio/noiommu-7"), "").unwrap();
        let error = |group| {
            let (path, source) = (format!("/dev/vfio/{group}").into(), io::ErrorKind::NotFound.into());
            missing(&root, group, Error::NoVfio { path, source }).to_string()
        };
        let found = [error(7), error(8)];
        fs::remove_dir_all(&root).unwrap();
        assert!(found[0].contains("noiommu-7") && found[0].contains("unbind"), "{}", found[0]);
        assert!(found[1].starts_with("/dev/vfio/8 cannot be opened (entity not found)"), "{}", found[1]);
    }

    #[test]
    fn a_group_that_is_not_there_is_named_with_the_way_to_make_it() {
        let text = VfioGroup::open(u32::MAX).unwrap_err().to_string();
        assert!(text.contains("/dev/vfio/4294967295") && text.contains("vfio-pci"), "{text}");
    }
}
