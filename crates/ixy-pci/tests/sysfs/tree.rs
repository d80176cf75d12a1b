//! A tree of files in place of `/`, removed on drop.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ixy_pci::{Address, Sysfs};

pub(crate) struct Tree {
    root: PathBuf,
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// The address of the device that [`Tree::with_device`] makes.
pub(crate) fn address() -> Address {
    "0000:03:00.0".parse().unwrap()
}

impl Tree {
    /// A tree without devices.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ixy-pci-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(root.join("sys/bus/pci/devices")).unwrap();
        Self { root }
    }

    /// A tree with an 82599 at 0000:03:00.0 that has only the files needed for opening.
    pub(crate) fn with_device() -> Self {
        let tree = Self::new();
        tree.add("0000:03:00.0");
        tree
    }

    /// Adds an 82599: 512 KiB of registers, a conventional configuration space without capabilities.
    pub(crate) fn add(&self, address: &str) {
        let device = self.root.join("sys/bus/pci/devices").join(address);
        fs::create_dir_all(&device).unwrap();
        File::create(device.join("resource0")).unwrap().set_len(524_288).unwrap();
        let mut config = vec![0; 256];
        config[..8].copy_from_slice(&[0x86, 0x80, 0xFB, 0x10, 0x06, 0, 0x10, 0]);
        fs::write(device.join("config"), config).unwrap();
        let regions = "0x00000000f0000000 0x00000000f007ffff 0x0000000000140204\n\
                       0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        for (name, contents) in [
            ("vendor", "0x8086\n"),
            ("device", "0x10fb\n"),
            ("class", "0x020000\n"),
            ("subsystem_vendor", "0x8086\n"),
            ("subsystem_device", "0x0003\n"),
            ("numa_node", "0\n"),
            ("resource", regions),
        ] {
            fs::write(device.join(name), contents).unwrap();
        }
    }

    pub(crate) fn sysfs(&self) -> Sysfs {
        Sysfs::new(&self.root)
    }

    /// A path below the root.
    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
    }

    /// The path of a file of 0000:03:00.0.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.sysfs().path(address()).join(name)
    }

    /// Writes a file of 0000:03:00.0, and the directories it is in.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Binds 0000:03:00.0 to a kernel driver.
    pub(crate) fn bind(&self, driver: &str) {
        let directory = self.path("sys/bus/pci/drivers").join(driver);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("unbind"), "").unwrap();
        symlink(format!("../../drivers/{driver}"), self.file("driver")).unwrap();
    }

    /// The text written to a driver's file `unbind`.
    pub(crate) fn unbound(&self, driver: &str) -> String {
        fs::read_to_string(self.path("sys/bus/pci/drivers").join(driver).join("unbind")).unwrap()
    }

    /// Changes bytes of the configuration space.
    pub(crate) fn poke(&self, offset: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(self.file("config")).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    /// The command register.
    pub(crate) fn command(&self) -> u16 {
        let config = fs::read(self.file("config")).unwrap();
        u16::from_le_bytes([config[4], config[5]])
    }
}
