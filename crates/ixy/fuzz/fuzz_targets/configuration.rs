//! Configuration space and sysfs files of any content: each reader ends, and returns a value or a one-line error.
#![no_main]

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use ixy_pci::{Address, Capability, ConfigSpace, Sysfs};
use libfuzzer_sys::fuzz_target;

/// The files of one device, in a tree of this process alone.
static DEVICE: LazyLock<(PathBuf, Sysfs)> = LazyLock::new(|| {
    let root = std::env::temp_dir().join(format!("ixy-fuzz-configuration-{}", std::process::id()));
    let device = root.join("sys/bus/pci/devices/0000:03:00.0");
    fs::create_dir_all(device.join("net/eth0")).unwrap();
    fs::create_dir_all(device.join("iommu_group")).unwrap();
    fs::create_dir_all(root.join("proc/net")).unwrap();
    (device, Sysfs::new(&root))
});

/// Texts, in the order in which the fuzzer's bytes give them.
const FILES: [&str; 10] = [
    "resource",
    "vendor",
    "device",
    "class",
    "numa_node",
    "subsystem_vendor",
    "subsystem_device",
    "iommu_group/type",
    "net/eth0/flags",
    "../../../../../proc/net/route",
];
/// Their content unless the fuzzer replaces it.
const USUAL: [&str; 4] =
    ["0x00000000fe000000 0x00000000fe01ffff 0x0000000000140204\n", "0x8086\n", "0x10fb\n", "0x020000\n"];

fn checked<T>(result: Result<T, impl Display>) -> Option<T> {
    result.map_err(|error| assert_eq!(error.to_string().lines().count(), 1, "{error}")).ok()
}

fuzz_target!(|input: (Vec<Option<Vec<u8>>>, Option<u16>, Vec<u8>)| {
    let (texts, offset, config) = input;
    let (device, sysfs) = &*DEVICE;
    for (n, name) in FILES.iter().enumerate() {
        let usual = USUAL.get(n).map(|text| text.as_bytes());
        match texts.get(n).and_then(Option::as_deref).or(usual) {
            Some(bytes) => fs::write(device.join(name), bytes).unwrap(),
            None => drop(fs::remove_file(device.join(name))),
        }
    }
    fs::write(device.join("config"), &config).unwrap();

    let address: Address = "03:00.0".parse().unwrap();
    checked(sysfs.devices());
    checked(sysfs.group(address));
    sysfs.interface_owner("eth0");
    for bar in checked(sysfs.bars(address)).unwrap_or_default() {
        assert!(bar.number < 6 && bar.len > 0, "{bar:?}");
    }
    let config = checked(ConfigSpace::open_read_only(sysfs, address)).unwrap();
    checked(config.id());
    if let Some(capabilities) = checked(config.capabilities()) {
        assert!(capabilities.len() <= 48, "there are no more places behind the header");
        for vendor in checked(config.vendor_capabilities(&capabilities)).unwrap_or_default() {
            assert!(vendor.bytes.len() + usize::from(vendor.offset) <= 256, "{vendor:?}");
        }
    }
    checked(config.capability(Capability::MSI_X));
    for extended in checked(config.extended_capabilities()).unwrap_or_default() {
        assert!((0x100..0x1000).contains(&extended.offset) && extended.offset % 4 == 0, "{extended:?}");
    }
    if let Some(offset) = offset {
        checked(config.vendor_capabilities(&[Capability { id: Capability::VENDOR_SPECIFIC, offset }]));
    }
    checked(config.read32(config.len()));
});
