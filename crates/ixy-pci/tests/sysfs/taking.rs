//! Taking a device with registers behind I/O ports and in several BARs, such as a virtio device.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};

use ixy_dma::BusMaster;
use ixy_pci::{Bar, BarKind, Device, DeviceId, Error, WhenInUse};
use ixy_regs::bus::Bus;

use crate::tree::{Tree, address};

const IDS: [DeviceId; 2] = [DeviceId::new(0x1AF4, 0x1000), DeviceId::new(0x1AF4, 0x1041)];
const PORTS: Bar = Bar { number: 0, kind: BarKind::Ports, len: 20 };
const MEMORY: Bar = Bar { number: 4, kind: BarKind::Memory, len: 0x1000 };

const REGIONS: &str = "0x000000000000c040 0x000000000000c05f 0x0000000000040101\n\
                       0x00000000febd1000 0x00000000febd1fff 0x0000000000040200\n\
                       0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
                       0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
                       0x00000000fe000000 0x00000000fe003fff 0x000000000014220c\n\
                       0x0000000000000000 0x0000000000000000 0x0000000000000000\n";

/// A transitional device: 32 ports in BAR 0, memory in BARs 1 and 4; nothing is switched on.
fn transitional() -> Tree {
    let tree = Tree::with_device();
    tree.write("vendor", "0x1af4\n");
    tree.write("device", "0x1000\n");
    tree.write("resource", REGIONS);
    for (file, len) in [("resource0", 32), ("resource1", 4096), ("resource4", 16_384)] {
        tree.write(file, vec![0; len]);
    }
    tree.poke(0, &[0xF4, 0x1A, 0x00, 0x10, 0, 0, 0x10, 0]);
    tree
}

fn take(tree: &Tree, needed: &[Bar]) -> Result<Device<()>, Error> {
    Device::take(&tree.sysfs(), address(), "virtio", &IDS, needed, WhenInUse::Refuse)
}

#[test]
fn ports_are_read_and_written_at_their_width() {
    let tree = transitional();
    let mut bar: Vec<u8> = (0..32).collect();
    bar[12..14].copy_from_slice(&[0x00, 0x01]);
    tree.write("resource0", bar);
    let bus = take(&tree, &[PORTS]).unwrap().ports(0, 20).unwrap();
    assert_eq!(bus.len(), 32);
    // SAFETY: BUS-WINDOW: all offsets are below 32; a file reaches no memory.
    unsafe {
        assert_eq!(bus.read8(19), 19);
        assert_eq!(bus.read16(12), 0x0100);
        assert_eq!(bus.read32(28), 0x1F1E_1D1C);
        bus.write8(18, 0xAB);
        bus.write16(14, 0x2211);
        bus.write32(8, 0xDDCC_BBAA);
    }
    let file = fs::read(tree.file("resource0")).unwrap();
    assert_eq!(file[8..12], [0xAA, 0xBB, 0xCC, 0xDD]);
    assert_eq!(file[14..20], [0x11, 0x22, 16, 17, 0xAB, 19]);
    assert_eq!(file.len(), 32);
}

#[test]
fn ports_of_a_device_that_went_away_read_all_ones() {
    let tree = transitional();
    let bus = take(&tree, &[PORTS]).unwrap().ports(0, 20).unwrap();
    File::options().write(true).open(tree.file("resource0")).unwrap().set_len(5).unwrap();
    // SAFETY: BUS-WINDOW: all offsets are below 32; a file reaches no memory.
    unsafe {
        assert_eq!(bus.read8(4), 0);
        assert_eq!(bus.read8(5), 0xFF);
        assert_eq!(bus.read16(4), 0xFFFF, "half a register is none");
        assert_eq!(bus.read32(16), 0xFFFF_FFFF);
    }
    assert_eq!(bus.len(), 32, "the window stays as it was");
}

#[test]
fn a_write_that_the_system_refuses_does_nothing() {
    use rustix::fs::{MemfdFlags, SealFlags, ftruncate};
    let memory = rustix::fs::memfd_create("ports", MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&memory, 32).unwrap();
    let tree = transitional();
    fs::remove_file(tree.file("resource0")).unwrap();
    symlink(format!("/proc/self/fd/{}", memory.as_raw_fd()), tree.file("resource0")).unwrap();
    let bus = take(&tree, &[PORTS]).unwrap().ports(0, 20).unwrap();
    // SAFETY: BUS-WINDOW: all offsets are below 32; a file reaches no memory.
    unsafe {
        bus.write16(16, 7);
        rustix::fs::fcntl_add_seals(&memory, SealFlags::WRITE).unwrap();
        bus.write16(16, 9);
        bus.write8(3, 1);
        assert_eq!((bus.read16(16), bus.read32(0)), (7, 0));
    }
}

#[test]
fn a_kernel_that_lets_nobody_write_configuration_space_is_named() {
    use rustix::fs::{MemfdFlags, SealFlags};
    let tree = transitional();
    let memory = rustix::fs::memfd_create("config", MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::io::pwrite(&memory, &fs::read(tree.file("config")).unwrap(), 0).unwrap();
    fs::remove_file(tree.file("config")).unwrap();
    symlink(format!("/proc/self/fd/{}", memory.as_raw_fd()), tree.file("config")).unwrap();
    rustix::fs::fcntl_add_seals(&memory, SealFlags::WRITE).unwrap();
    let error = take(&tree, &[]).unwrap_err();
    assert!(matches!(error, Error::Lockdown { .. }), "{error}");
    assert!(error.to_string().contains("does not let even root write to"), "{error}");
}

#[test]
fn a_device_is_locked_until_its_last_ports_are_closed() {
    let tree = transitional();
    let bus = take(&tree, &[PORTS]).unwrap().ports(0, 20).unwrap();
    let other = bus.clone();
    drop(bus);
    assert!(matches!(take(&tree, &[]), Err(Error::InUse { .. })));
    // SAFETY: BUS-WINDOW: offset 0 is below 32; a file reaches no memory.
    std::thread::spawn(move || unsafe { other.write32(0, 1) }).join().unwrap();
    take(&tree, &[]).unwrap();
}

#[test]
fn several_bars_of_one_device_are_mapped() {
    let tree = transitional();
    let mut bar = vec![0; 16_384];
    bar[0x2014] = 9;
    tree.write("resource4", bar);
    let device = take(&tree, &[PORTS, MEMORY]).unwrap();
    let (first, fourth) = (device.map(1, 1).unwrap(), device.map(4, 0x4000).unwrap());
    assert_eq!((first.len(), fourth.len()), (4096, 16_384));
    // SAFETY: BUS-WINDOW: the offsets are inside; a file reaches no memory.
    unsafe {
        assert_eq!(fourth.read8(0x2014), 9);
        first.write32(0, 0x0102_0304);
    }
    assert_eq!(fs::read(tree.file("resource1")).unwrap()[..4], [4, 3, 2, 1]);
}

#[test]
fn a_small_bar_is_found_inside_of_its_page() {
    let tree = transitional();
    let line = "0x00000000febd1080 0x00000000febd10ff 0x0000000000040200";
    tree.write("resource", REGIONS.replace("0x00000000febd1000 0x00000000febd1fff 0x0000000000040200", line));
    let mut page = vec![0; 4096];
    page[0x80..0x84].copy_from_slice(&[0x78, 0x56, 0x34, 0x12]);
    tree.write("resource1", page);
    let bus = take(&tree, &[]).unwrap().map(1, 128).unwrap();
    assert_eq!(bus.len(), 128);
    // SAFETY: BUS-WINDOW: offset 0 is inside.
    assert_eq!(unsafe { bus.read32(0) }, 0x1234_5678);

    tree.write("resource", REGIONS.replace("0x00000000febd1000", "0x00000000febd1003"));
    drop(bus);
    let error = take(&tree, &[]).unwrap().map(1, 128).unwrap_err();
    assert!(matches!(error, Error::BadAttribute { .. }), "{error}");
}

#[test]
fn a_device_answers_only_where_it_was_mapped() {
    let tree = transitional();
    let device = take(&tree, &[PORTS, MEMORY]).unwrap();
    assert_eq!(tree.command(), 0x0400, "interrupts off, and nothing on");
    let ports = device.ports(0, 20).unwrap();
    assert_eq!(tree.command(), 0x0401);
    device.map(4, 1).unwrap();
    assert_eq!(tree.command(), 0x0403);
    // SAFETY: ARMED-ONLY: the device is a tree of files, and reaches nothing.
    unsafe { device.enable() }.unwrap();
    assert_eq!(tree.command(), 0x0407);
    device.disable().unwrap();
    assert_eq!(tree.command(), 0x0403);
    drop(ports);
}

#[test]
fn interrupt_messages_are_off_when_a_device_is_taken() {
    let tree = transitional();
    let control = |offset: usize| {
        let config = fs::read(tree.file("config")).unwrap();
        u16::from_le_bytes([config[offset], config[offset + 1]])
    };
    tree.poke(0x34, &[0x98]);
    tree.poke(0x98, &[0x11, 0x40, 0x03, 0xC0]);
    tree.poke(0x40, &[0x05, 0x00, 0x81, 0x01]);
    take(&tree, &[]).unwrap();
    assert_eq!(control(0x9A), 0x4003, "MSI-X Enable alone was cleared");
    assert_eq!(control(0x42), 0x0180, "MSI Enable alone was cleared");
    assert_eq!(tree.command(), 0x0400);
}

#[test]
fn a_device_with_a_capability_list_that_loops_is_taken_all_the_same() {
    let tree = transitional();
    tree.poke(0x34, &[0x98]);
    tree.poke(0x98, &[0x11, 0x98, 0x03, 0x80]);
    let device = take(&tree, &[]).unwrap();
    assert!(device.config().capability_list().unwrap().broken.is_some());
}

#[test]
fn a_bar_of_the_wrong_kind_is_refused_before_the_device_is_touched() {
    let tree = transitional();
    tree.bind("virtio-pci");
    tree.write("virtio0/net/eth0/flags", "0x1002\n");
    let memory = Bar { number: 0, ..MEMORY };
    let text = take(&tree, &[memory]).unwrap_err().to_string();
    assert!(text.contains("BAR 0 of 0000:03:00.0 is a range of I/O ports, not memory"), "{text}");
    let ports = Bar { number: 4, ..PORTS };
    let text = take(&tree, &[ports]).unwrap_err().to_string();
    assert!(text.contains("BAR 4 of 0000:03:00.0 is memory, and the driver virtio needs"), "{text}");
    assert!(text.contains("I/O ports") && text.contains("`lspci -v -s 0000:03:00.0`"), "{text}");
    assert_eq!((tree.unbound("virtio-pci"), tree.command()), (String::new(), 0));

    let device = take(&tree, &[PORTS, MEMORY]).unwrap();
    assert_eq!(tree.unbound("virtio-pci"), "0000:03:00.0");
    assert!(matches!(device.ports(1, 20), Err(Error::BarIsMemory { bar: 1, .. })));
    assert!(matches!(device.map(0, 20), Err(Error::BarIsPorts { bar: 0, .. })));
    assert_eq!(tree.command(), 0x0400, "nor was anything switched on");
}

#[test]
fn a_bar_that_is_absent_or_too_small_or_has_no_address_is_named() {
    let tree = transitional();
    let refusal = |bar| take(&tree, &[bar]).unwrap_err().to_string();
    for number in [2, 6, 255] {
        let text = refusal(Bar { number, ..MEMORY });
        assert!(text.contains(&format!("has no BAR {number}")), "{text}");
    }
    let text = refusal(Bar { len: 33, ..PORTS });
    assert!(text.contains("BAR 0 of 0000:03:00.0 is 32 bytes, the driver virtio needs 33"), "{text}");
    let text = refusal(Bar { len: u64::MAX, ..MEMORY });
    assert!(text.contains("is 16384 bytes"), "{text}");
    for flags in ["0x0000000020040101", "0x0000000010040101"] {
        tree.write("resource", REGIONS.replace("0x0000000000040101", flags));
        let text = refusal(PORTS);
        assert!(
            text.contains("BAR 0 of 0000:03:00.0 has no address") && text.contains("pci=realloc"),
            "{text}"
        );
    }
    fs::remove_file(tree.file("resource0")).unwrap();
    tree.write("resource", REGIONS);
    assert!(refusal(PORTS).contains("has no BAR 0"), "{}", refusal(PORTS));
}

#[test]
fn an_ordinary_user_is_told_that_ports_need_root() {
    let tree = transitional();
    fs::set_permissions(tree.file("config"), PermissionsExt::from_mode(0o666)).unwrap();
    fs::set_permissions(tree.file("resource0"), PermissionsExt::from_mode(0o444)).unwrap();
    let attempt = || {
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::process::Uid::from_raw(65534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        take(&tree, &[PORTS]).unwrap_err().to_string()
    };
    let text = std::thread::scope(|scope| scope.spawn(attempt).join().unwrap());
    assert!(text.contains("no permission to write to") && text.contains("resource0"), "{text}");
    assert!(text.contains("0000:03:00.0") && text.contains("run as root"), "{text}");
}
