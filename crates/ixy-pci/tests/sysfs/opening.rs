//! Taking a device, its registers and its bus mastering.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};

use ixy_dma::BusMaster;
use ixy_pci::{Device, DeviceId, Error, Supported, WhenInUse};
use ixy_regs::bus::Bus;

use crate::tree::{Tree, address};

const IDS: [DeviceId; 2] = [DeviceId::new(0x8086, 0x10FB), DeviceId::new(0x8086, 0x10F7)];
const IXGBE: Supported<'_> = Supported { driver: "ixgbe", ids: &IDS, bar: 0, bar_len: 0x2_0000 };

fn open(tree: &Tree) -> Result<Device, Error> {
    Device::open(&tree.sysfs(), address(), &IXGBE, WhenInUse::Refuse)
}

fn refusal(tree: &Tree) -> String {
    open(tree).unwrap_err().to_string()
}

#[test]
fn a_device_of_a_few_plain_files_is_opened() {
    let tree = Tree::with_device();
    let device = open(&tree).unwrap();
    assert_eq!(device.address(), address());
    assert_eq!(device.info().id, IDS[0]);
    assert_eq!(device.numa_node(), Some(0));
    assert_eq!(device.bus().len(), 524_288);
    assert_eq!(device.config().len(), 256);
}

#[test]
fn registers_are_the_bytes_of_the_bar() {
    let tree = Tree::with_device();
    let mut bar = vec![0; 524_288];
    bar[8..12].copy_from_slice(&[0x78, 0x56, 0x34, 0x12]);
    tree.write("resource0", bar);
    let device = open(&tree).unwrap();
    let bus = device.bus();
    // SAFETY: BUS-WINDOW: all offsets are below 524,288; a file reaches no memory.
    unsafe {
        assert_eq!(bus.read32(8), 0x1234_5678);
        assert_eq!(bus.read16(10), 0x1234);
        assert_eq!(bus.read8(8), 0x78);
        bus.write32(0x7_FFFC, 0xAABB_CCDD);
        bus.write16(0x20, 0x0201);
        bus.write8(0x22, 3);
    }
    let file = fs::read(tree.file("resource0")).unwrap();
    assert_eq!(file[0x7_FFFC..], [0xDD, 0xCC, 0xBB, 0xAA]);
    assert_eq!(file[0x20..0x24], [1, 2, 3, 0]);
}

#[test]
fn a_bus_outlives_its_device_and_works_on_any_thread() {
    let tree = Tree::with_device();
    let bus = open(&tree).unwrap().bus().clone();
    let other = bus.clone();
    std::thread::spawn(move || {
        // SAFETY: BUS-WINDOW: offset 0x100 is below 524,288; a file reaches no memory.
        unsafe { other.write32(0x100, 77) }
    })
    .join()
    .unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { bus.read32(0x100) }, 77);
}

#[test]
fn dropping_the_last_bus_unmaps_the_registers() {
    let tree = Tree::with_device();
    let mapped =
        || fs::read_to_string("/proc/self/maps").unwrap().contains(tree.file("resource0").to_str().unwrap());
    let bus = open(&tree).unwrap().bus().clone();
    assert!(mapped());
    drop(bus);
    assert!(!mapped());
}

#[test]
fn a_device_is_locked_until_its_last_bus_is_dropped() {
    let tree = Tree::with_device();
    let device = open(&tree).unwrap();
    let message = refusal(&tree);
    assert!(message.contains("0000:03:00.0 is already driven by another program"), "{message}");
    let bus = device.bus().clone();
    drop(device);
    assert!(matches!(open(&tree), Err(Error::InUse { .. })));
    drop(bus);
    open(&tree).unwrap();
}

#[test]
fn a_device_that_is_not_there_is_named_with_the_command_that_lists_devices() {
    let tree = Tree::new();
    let message = refusal(&tree);
    assert!(message.contains("no PCI device 0000:03:00.0"), "{message}");
    assert!(message.contains("`lspci -nn -d 8086:`"), "{message}");
}

#[test]
fn a_device_that_is_not_on_the_list_is_refused_by_its_id() {
    let tree = Tree::with_device();
    tree.write("device", "0x15ac\n");
    let message = refusal(&tree);
    assert!(message.contains("0000:03:00.0 is a device 8086:15ac"), "{message}");
    assert!(message.contains("ixgbe") && message.contains("8086:10fb, 8086:10f7"), "{message}");
    assert_eq!(tree.command(), 6);
}

#[test]
fn a_device_bound_to_vfio_is_refused_with_the_way_out() {
    let tree = Tree::with_device();
    tree.bind("vfio-pci");
    for in_use in [WhenInUse::Refuse, WhenInUse::Take] {
        let error = Device::open(&tree.sysfs(), address(), &IXGBE, in_use).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, Error::BoundToVfio { .. }), "{message}");
        assert!(message.contains("echo 0000:03:00.0 > /sys/bus/pci/drivers/vfio-pci/unbind"), "{message}");
    }
    assert_eq!(tree.unbound("vfio-pci"), "");
}

#[test]
fn a_device_whose_interface_is_up_stays_with_the_kernel() {
    for (file, contents) in [("flags", "0x1003\n"), ("flags", "0x1\n"), ("operstate", "up\n")] {
        let tree = Tree::with_device();
        tree.bind("ixgbe");
        tree.write("net/eth1/flags", "0x1002\n");
        tree.write(&format!("net/eth2/{file}"), contents);
        let message = refusal(&tree);
        assert!(message.contains("0000:03:00.0") && message.contains("interface eth2 is up"), "{message}");
        assert!(message.contains("`ip link set eth2 down`") && message.contains("--force"), "{message}");
        assert_eq!(tree.unbound("ixgbe"), "");
        assert_eq!(tree.command(), 6);
    }
}

#[test]
fn a_device_whose_interfaces_are_down_is_taken_from_its_driver() {
    let tree = Tree::with_device();
    tree.bind("ixgbe");
    tree.write("net/eth2/flags", "0x1002\n");
    tree.write("net/eth2/operstate", "down\n");
    open(&tree).unwrap();
    assert_eq!(tree.unbound("ixgbe"), "0000:03:00.0");
}

#[test]
fn force_takes_a_device_whose_interface_is_up() {
    let tree = Tree::with_device();
    tree.bind("ixgbe");
    tree.write("net/eth2/flags", "0x1003\n");
    Device::open(&tree.sysfs(), address(), &IXGBE, WhenInUse::Take).unwrap();
    assert_eq!(tree.unbound("ixgbe"), "0000:03:00.0");
}

#[test]
fn a_bound_network_device_without_a_visible_interface_is_refused() {
    let tree = Tree::with_device();
    tree.bind("ixgbe");
    let error = open(&tree).unwrap_err();
    assert!(matches!(error, Error::InterfaceHidden { .. }), "{error}");
    assert!(error.to_string().contains("ixgbe/unbind"), "{error}");
    assert_eq!(tree.unbound("ixgbe"), "");

    tree.write("class", "0x010000\n");
    open(&tree).unwrap();
    assert_eq!(tree.unbound("ixgbe"), "0000:03:00.0");
}

#[test]
fn a_virtio_device_that_no_driver_took_over_is_free() {
    let tree = Tree::with_device();
    tree.bind("virtio-pci");
    tree.write("virtio0/device", "0x0001\n");
    symlink("../../../bus/virtio/drivers/virtio_net", tree.file("virtio0/driver")).unwrap();
    let error = open(&tree).unwrap_err();
    assert!(matches!(error, Error::InterfaceHidden { .. }), "{error}");
    fs::remove_file(tree.file("virtio0/driver")).unwrap();
    open(&tree).unwrap();
    assert_eq!(tree.unbound("virtio-pci"), "0000:03:00.0");
}

#[test]
fn drivers_that_leave_a_device_alone_keep_it() {
    for driver in ["uio_pci_generic", "igb_uio", "pci-stub"] {
        let tree = Tree::with_device();
        tree.bind(driver);
        open(&tree).unwrap();
        assert_eq!(tree.unbound(driver), "");
    }
}

#[test]
fn a_device_with_a_bad_bar_stays_with_its_driver() {
    let tree = Tree::with_device();
    tree.bind("ixgbe");
    tree.write("net/eth2/flags", "0x1002\n");
    tree.write("resource0", [0; 4096]);
    assert!(matches!(open(&tree), Err(Error::BarTooSmall { .. })));
    assert_eq!(tree.unbound("ixgbe"), "");
}

#[test]
fn a_bar_that_is_missing_is_named() {
    let tree = Tree::with_device();
    fs::remove_file(tree.file("resource0")).unwrap();
    let message = refusal(&tree);
    assert!(message.contains("0000:03:00.0 has no BAR 0"), "{message}");
    assert!(message.contains("resource0 does not exist"), "{message}");
}

#[test]
fn a_bar_that_is_too_small_is_refused_with_both_sizes() {
    let expected = "BAR 0 of 0000:03:00.0 is 4096 bytes, the driver ixgbe needs 131072";
    let file_ends = Tree::with_device();
    file_ends.write("resource0", [0; 4096]);
    assert!(refusal(&file_ends).contains(expected), "{}", refusal(&file_ends));

    let region_ends = Tree::with_device();
    region_ends.write("resource", "0x00000000f0000000 0x00000000f0000fff 0x0000000000140204\n");
    assert!(refusal(&region_ends).contains(expected), "{}", refusal(&region_ends));

    for empty in ["0x0000000000000000 0x0000000000000000 0x0000000000000000\n", ""] {
        let tree = Tree::with_device();
        tree.write("resource", empty);
        assert!(refusal(&tree).contains("is 0 bytes"), "{}", refusal(&tree));
    }
}

#[test]
fn a_mapping_never_exceeds_the_region_or_the_file() {
    let tree = Tree::with_device();
    tree.write("resource", "0x00000000f0000000 0x00000000f001ffff 0x0000000000140204\n");
    assert_eq!(open(&tree).unwrap().bus().len(), 0x2_0000);
    tree.write("resource", "0x00000000f0000000 0x00000000f0ffffff 0x0000000000140204\n");
    assert_eq!(open(&tree).unwrap().bus().len(), 524_288);
    fs::remove_file(tree.file("resource")).unwrap();
    assert_eq!(open(&tree).unwrap().bus().len(), 524_288);
}

#[test]
fn a_bar_of_ports_or_a_region_that_makes_no_sense_is_refused() {
    let tree = Tree::with_device();
    tree.write("resource", "0x000000000000e000 0x000000000000e01f 0x0000000000040101\n");
    assert!(matches!(open(&tree), Err(Error::BarIsPorts { bar: 0, .. })));
    for line in
        ["0x1000 0x10 0x200\n", "0x1000 0x1fff\n", "1000 1fff 200\n", "0x0 0xffffffffffffffff 0x200\n"]
    {
        tree.write("resource", line);
        assert!(matches!(open(&tree), Err(Error::BadAttribute { .. })), "{line}");
    }
}

#[test]
fn a_device_whose_configuration_space_ends_early_is_refused() {
    let tree = Tree::with_device();
    File::options().write(true).open(tree.file("config")).unwrap().set_len(4).unwrap();
    let error = open(&tree).unwrap_err();
    assert!(matches!(error, Error::ConfigBounds { len: 4, .. }), "{error}");
    tree.write("config", [0xFF; 256]);
    assert!(matches!(open(&tree), Err(Error::Gone { .. })));
}

#[test]
fn opening_switches_memory_space_on_and_the_interrupt_pin_off_and_leaves_bus_mastering_as_it_was() {
    for (before, after) in [(0x0000, 0x0402), (0x0404, 0x0406), (0x0002, 0x0402), (0x0007, 0x0407)] {
        let tree = Tree::with_device();
        tree.poke(4, &u16::to_le_bytes(before));
        open(&tree).unwrap();
        assert_eq!(tree.command(), after);
    }
}

#[test]
fn bus_mastering_is_one_bit_of_the_command_register() {
    let tree = Tree::with_device();
    tree.poke(4, &0x0547_u16.to_le_bytes());
    let device = open(&tree).unwrap();
    device.disable().unwrap();
    assert_eq!(tree.command(), 0x0543);
    for _ in 0..2 {
        // SAFETY: ARMED-ONLY: the device is a tree of files, and reaches nothing.
        unsafe { device.enable() }.unwrap();
    }
    assert_eq!(tree.command(), 0x0547);
}

#[test]
fn pending_transactions_are_read_from_the_express_capability() {
    let tree = Tree::with_device();
    assert!(!open(&tree).unwrap().transactions_pending().unwrap(), "without the capability nothing is known");
    tree.poke(0x34, &[0xA0]);
    tree.poke(0xA0, &[0x10, 0]);
    let device = open(&tree).unwrap();
    for (status, pending) in [(0x0000_u16, false), (0x0020, true), (0x001F, false), (0x0030, true)] {
        tree.poke(0xAA, &status.to_le_bytes());
        assert_eq!(device.transactions_pending().unwrap(), pending, "{status:#06x}");
    }
}

#[test]
fn a_device_that_went_away_is_an_error_and_not_quiet() {
    let tree = Tree::with_device();
    tree.poke(0x34, &[0xA0]);
    tree.poke(0xA0, &[0x10, 0]);
    let device = open(&tree).unwrap();
    tree.poke(0, &[0xFF; 256]);
    for error in [device.disable().unwrap_err(), device.transactions_pending().unwrap_err()] {
        let message = error.to_string();
        assert!(message.contains("0000:03:00.0 does not answer"), "{message}");
    }
}

#[test]
fn an_ordinary_user_is_told_to_run_as_root() {
    let tree = Tree::with_device();
    let attempt = || -> String {
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::process::Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        refusal(&tree)
    };
    for file in ["config", "resource0"] {
        fs::set_permissions(tree.file("config"), PermissionsExt::from_mode(0o666)).unwrap();
        fs::set_permissions(tree.file("resource0"), PermissionsExt::from_mode(0o666)).unwrap();
        fs::set_permissions(tree.file(file), PermissionsExt::from_mode(0o444)).unwrap();
        let message = std::thread::scope(|scope| scope.spawn(attempt).join().unwrap());
        assert!(
            message.contains("no permission to write to") && message.contains("run as root"),
            "{message}"
        );
        assert!(message.contains(file) && message.contains("0000:03:00.0"), "{message}");
    }
}
