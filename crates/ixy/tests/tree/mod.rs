//! A tree of files in place of the machine's PCI devices, with a virtio network device.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;

/// The address of the device.
pub(crate) const ADDRESS: &str = "0000:00:03.0";

/// The offsets of a modern device's structures in BAR 4, as in QEMU.
pub(crate) const COMMON: usize = 0;
pub(crate) const ISR: usize = 0x1000;
pub(crate) const DEVICE: usize = 0x2000;
pub(crate) const NOTIFY: usize = 0x3000;

/// The offsets of the capabilities for them.
pub(crate) const COMMON_CAPABILITY: u8 = 0x40;
pub(crate) const ISR_CAPABILITY: u8 = 0x50;
pub(crate) const DEVICE_CAPABILITY: u8 = 0x60;
pub(crate) const NOTIFY_CAPABILITY: u8 = 0x70;
pub(crate) const MSI_X: u8 = 0x98;

const PORTS: &str = "0x000000000000c040 0x000000000000c05f 0x0000000000040101";
const SMALL: &str = "0x00000000febd1000 0x00000000febd1fff 0x0000000000040200";
const LARGE: &str = "0x00000000fe000000 0x00000000fe003fff 0x000000000014220c";
const NONE: &str = "0x0000000000000000 0x0000000000000000 0x0000000000000000";

pub(crate) struct Tree {
    root: tempfile::TempDir,
}

impl Tree {
    /// A device with the legacy interface only: 32 ports in BAR 0.
    pub(crate) fn legacy() -> Self {
        let tree = Self::of(0x1000, [PORTS, SMALL, NONE, NONE, NONE, NONE]);
        tree.write("resource0", vec![0; 32]);
        tree.write("resource1", vec![0; 0x1000]);
        tree.poke(0x34, &[MSI_X]);
        tree.poke(MSI_X, &[0x11, 0, 0x02, 0x80]);
        tree
    }

    /// A device with both interfaces.
    pub(crate) fn transitional() -> Self {
        let tree = Self::of(0x1000, [PORTS, SMALL, NONE, NONE, LARGE, NONE]);
        tree.write("resource0", vec![0; 32]);
        tree.add_modern();
        tree
    }

    /// A device with the modern interface only.
    pub(crate) fn modern() -> Self {
        let tree = Self::of(0x1041, [NONE, SMALL, NONE, NONE, LARGE, NONE]);
        tree.add_modern();
        tree
    }

    fn of(device: u16, regions: [&str; 6]) -> Self {
        let tree = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir_all(tree.file("")).unwrap();
        let hugepages = tree.root.path().join("sys/kernel/mm/hugepages/hugepages-2048kB");
        fs::create_dir_all(&hugepages).unwrap();
        for name in ["nr_hugepages", "free_hugepages"] {
            fs::write(hugepages.join(name), "64\n").unwrap();
        }
        tree.write("vendor", "0x1af4\n");
        tree.write("device", format!("{device:#06x}\n"));
        tree.write("class", "0x020000\n");
        tree.write("resource", regions.join("\n") + "\n");
        tree.write("config", [0; 256]);
        tree.poke(0, &[0xF4, 0x1A]);
        tree.poke(2, &device.to_le_bytes());
        // The state that the kernel's driver leaves: memory, ports, DMA; and a list of capabilities.
        tree.poke(4, &[0x07, 0, 0x10, 0]);
        tree
    }

    fn add_modern(&self) {
        self.write("resource1", vec![0; 0x1000]);
        self.write("resource4", vec![0; 0x4000]);
        self.poke(0x34, &[MSI_X]);
        self.poke(MSI_X, &[0x11, 0x84, 0x02, 0x80]);
        // Access through configuration space, which exists but is not used.
        self.poke(0x84, &[0x09, NOTIFY_CAPABILITY, 0x14, 5]);
        self.structure(NOTIFY_CAPABILITY, DEVICE_CAPABILITY, 2, 4, NOTIFY as u32);
        self.poke(NOTIFY_CAPABILITY + 16, &[4, 0, 0, 0]);
        self.structure(DEVICE_CAPABILITY, ISR_CAPABILITY, 4, 4, DEVICE as u32);
        self.structure(ISR_CAPABILITY, COMMON_CAPABILITY, 3, 4, ISR as u32);
        self.structure(COMMON_CAPABILITY, 0, 1, 4, COMMON as u32);
    }

    /// Writes a capability for a structure of 4,096 bytes.
    pub(crate) fn structure(&self, at: u8, next: u8, kind: u8, bar: u8, offset: u32) {
        let length = if kind == 2 { 20 } else { 16 };
        self.poke(at, &[0x09, next, length, kind, bar, 0, 0, 0]);
        self.poke(at + 8, &offset.to_le_bytes());
        self.poke(at + 12, &0x1000_u32.to_le_bytes());
    }

    pub(crate) fn sysfs(&self) -> ixy_pci::Sysfs {
        ixy_pci::Sysfs::new(self.root.path())
    }

    /// The path of a file of the device.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.sysfs().path(ADDRESS.parse().unwrap()).join(name)
    }

    /// Writes a file of the device, and the directories it is in.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// The content of a file of the device.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    /// Changes bytes of a file of the device.
    pub(crate) fn change(&self, name: &str, offset: usize, bytes: &[u8]) {
        let file = fs::File::options().write(true).open(self.file(name)).unwrap();
        file.write_all_at(bytes, offset as u64).unwrap();
    }

    /// Changes bytes of the configuration space.
    pub(crate) fn poke(&self, offset: u8, bytes: &[u8]) {
        self.change("config", offset.into(), bytes);
    }

    /// Removes a BAR.
    pub(crate) fn remove_bar(&self, number: usize) {
        fs::remove_file(self.file(&format!("resource{number}"))).unwrap();
        let text = String::from_utf8(self.read("resource")).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[number] = NONE;
        self.write("resource", lines.join("\n") + "\n");
    }

    /// Binds the device to the kernel's driver, and gives it a network interface.
    pub(crate) fn bind(&self, up: bool) {
        let driver = self.root.path().join("sys/bus/pci/drivers/virtio-pci");
        fs::create_dir_all(&driver).unwrap();
        fs::write(driver.join("unbind"), "").unwrap();
        symlink("../../drivers/virtio-pci", self.file("driver")).unwrap();
        self.write("virtio0/net/eth7/flags", if up { "0x1003\n" } else { "0x1002\n" });
    }

    /// The text written to the driver's file `unbind`.
    pub(crate) fn unbound(&self) -> String {
        fs::read_to_string(self.root.path().join("sys/bus/pci/drivers/virtio-pci/unbind")).unwrap()
    }

    /// The command register.
    pub(crate) fn command(&self) -> u16 {
        let config = self.read("config");
        u16::from_le_bytes([config[4], config[5]])
    }
}
