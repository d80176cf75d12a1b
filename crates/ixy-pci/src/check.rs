//! Checks whether a device can be taken, before anything is opened or changed: [`obstacles`].

use std::io;
use std::path::Path;

use rustix::fs::{Access as Mode, AtFlags, CWD, StatVfsMountFlags};

use crate::address::Address;
use crate::config::ConfigSpace;
use crate::error::Error;
use crate::kernel_driver::{self, Access, WhenInUse};
use crate::region::{Bar, BarFile};
use crate::sysfs::{self, DeviceInfo, Sysfs};

/// The obstacles to taking a device through sysfs for a driver of this name that needs these BARs. The checks read
/// its configuration space, open nothing else and change nothing; the list is empty when nothing is in the way.
pub(crate) fn obstacles(
    sysfs: &Sysfs,
    info: &DeviceInfo,
    driver: &str,
    needed: &[Bar],
    in_use: WhenInUse,
) -> Vec<Error> {
    let mut found = Vec::new();
    let access = kernel_driver::check(info, in_use).map_err(|error| found.push(error)).ok();
    found.extend(bars(sysfs, info, driver, needed));
    found.extend(asleep(sysfs, info.address).err());
    found.extend(config(sysfs, info.address).err());
    found.extend(files(sysfs, info, needed, access == Some(Access::Bound)).err());
    found
}

/// Problems of the BARs.
pub(crate) fn bars(sysfs: &Sysfs, info: &DeviceInfo, driver: &str, needed: &[Bar]) -> Vec<Error> {
    let wrong = |&bar| BarFile::find(sysfs, info.address, bar, driver).err();
    needed.iter().filter_map(wrong).collect()
}

/// Refuses a sleeping device: its registers read as all ones, or stop the processor on some machines.
pub(crate) fn asleep(sysfs: &Sysfs, address: Address) -> Result<(), Error> {
    let directory = sysfs.path(address);
    match sysfs::read(&directory.join("power_state"))? {
        Some(state) if state != "D0" && state != "unknown" => {
            Err(Error::Asleep { address, state, path: directory.join("power/control") })
        }
        _ => Ok(()),
    }
}

/// Refuses a device whose configuration space cannot be read or is none, or reads all ones. The part that the kernel
/// hides from ordinary users is not looked at.
pub(crate) fn config(sysfs: &Sysfs, address: Address) -> Result<(), Error> {
    // It may read all ones while it sleeps, and reading could wake it.
    if asleep(sysfs, address).is_err() {
        return Ok(());
    }
    let config = ConfigSpace::open_read_only(sysfs, address)?;
    config.id()?;
    match config.capabilities() {
        Ok(_) | Err(Error::ConfigHidden { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Refuses a device with files that this process may not write.
fn files(sysfs: &Sysfs, info: &DeviceInfo, needed: &[Bar], bound: bool) -> Result<(), Error> {
    let directory = sysfs.path(info.address);
    let bars = needed.iter().map(|bar| format!("resource{}", bar.number));
    let unbind = bound.then(|| "driver/unbind".to_owned());
    for name in ["config".to_owned()].into_iter().chain(bars).chain(unbind) {
        let path = directory.join(name);
        match writable(&path) {
            Ok(()) => {}
            // A missing file is reported by the check that needs it.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::access("write to", info.address, &path, e)),
        }
    }
    Ok(())
}

/// Checks whether this process may write a file, without opening it. A read-only mount is reported before missing
/// permission, since permission would not help.
fn writable(path: &Path) -> Result<(), io::Error> {
    if rustix::fs::statvfs(path)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(io::ErrorKind::ReadOnlyFilesystem.into());
    }
    Ok(rustix::fs::accessat(CWD, path, Mode::WRITE_OK, AtFlags::EACCESS)?)
}
