//! Devices made of files: which registers are used, and the state of a device when its driver gets it.

use ixy_dma::SimulatedDomain;

use super::*;

#[path = "../../tests/tree/mod.rs"]
#[allow(dead_code, reason = "the tests beside this crate use the rest")]
mod tree;

use tree::{
    ADDRESS, COMMON, COMMON_CAPABILITY, DEVICE, DEVICE_CAPABILITY, ISR, ISR_CAPABILITY, MSI_X, NOTIFY,
    NOTIFY_CAPABILITY, Tree,
};

/// Device status, in the common configuration and among the ports.
const STATUS: usize = 0x14;
const LEGACY_STATUS: usize = 18;
/// The device's features, in the common configuration.
const FEATURES: usize = 4;

fn take(tree: &Tree) -> Result<Taken, Error> {
    let options = Options::default().sysfs(tree.sysfs());
    Taken::take(ADDRESS, ADDRESS.parse().unwrap(), &options, &mut VfioDomains::default())
}

/// Opens the device with memory that does not belong to this machine's devices.
fn open(tree: &Tree) -> Result<Device, Error> {
    let domain: Arc<dyn DmaDomain> = Arc::new(SimulatedDomain::default());
    let options = Options::default().sysfs(tree.sysfs()).rx_ring(64).tx_ring(64);
    let pool = Mempool::new(Arc::clone(&domain), options.config().buffers()).unwrap();
    Box::new(Taken { domain, ..take(tree)? }).open(&options, &pool)
}

fn is_modern(taken: &Taken) -> bool {
    matches!(&taken.registers, Registers::Modern(_))
}

#[test]
fn a_legacy_device_is_driven_through_its_ports() {
    let tree = Tree::legacy();
    tree.change("resource0", LEGACY_STATUS, &[7]);
    tree.poke(4, &[0, 0]);
    assert!(!is_modern(&take(&tree).unwrap()));
    assert_eq!(tree.read("resource0")[LEGACY_STATUS], 0, "it was reset");
    assert_eq!(tree.command(), 0x0401, "it answers at its ports alone");
}

#[test]
fn a_device_with_both_interfaces_is_driven_through_the_modern_one() {
    for tree in [Tree::transitional(), Tree::modern()] {
        tree.change("resource4", COMMON + STATUS, &[0xF]);
        tree.poke(4, &[0, 0]);
        assert!(is_modern(&take(&tree).unwrap()));
        assert_eq!(tree.read("resource4")[COMMON + STATUS], 0, "it was reset");
        assert_eq!(tree.command(), 0x0402, "it answers in its memory alone");
    }
}

#[test]
fn a_device_is_taken_with_its_dma_and_its_interrupts_off() {
    for tree in [Tree::legacy(), Tree::transitional(), Tree::modern()] {
        tree.bind(false);
        take(&tree).unwrap();
        assert_eq!(tree.unbound(), ADDRESS);
        assert_eq!(tree.command(), 0x0403);
        assert_eq!(tree.read("config")[usize::from(MSI_X) + 3], 0, "MSI-X Enable");
    }
}

#[test]
fn each_structure_gets_the_part_of_the_bar_that_is_its_own() {
    let tree = Tree::modern();
    let (sysfs, place) = (tree.sysfs(), ADDRESS.parse().unwrap());
    let config = ConfigSpace::open_read_only(&sysfs, place).unwrap();
    let interface = Interface::of(ADDRESS, &config, &sysfs).unwrap();
    let needed = interface.needed();
    assert_eq!(needed, [Bar { number: 4, kind: BarKind::Memory, len: 0x4000 }], "up to the last of them");
    let device =
        ixy_pci::Device::take(&sysfs, place, DRIVER, &IDS, &needed, ixy_pci::WhenInUse::Refuse).unwrap();
    let Interface::Modern(layout) = interface else { panic!("{interface:?}") };
    let all = structures(ADDRESS, &device, &layout).unwrap();
    let offsets = [all.common, all.notify, all.isr, all.device].map(|window| window.offset() as usize);
    assert_eq!(offsets, [COMMON, NOTIFY, ISR, DEVICE]);
    assert_eq!(all.notify_multiplier, 4);
}

#[test]
fn the_driver_gets_what_was_asked_for() {
    let options =
        Options::default().queues(3).rx_ring(128).tx_ring(256).promiscuous(false).checksum_offload(true);
    let Config { queues, rx_ring, tx_ring, promiscuous, behind_iommu, checksum_offload, interrupts } =
        options.virtio(true);
    assert!(interrupts.is_none(), "they are the device's, not the options'");
    assert_eq!((queues, rx_ring, tx_ring), (3, 128, 256));
    assert_eq!((promiscuous, behind_iommu, checksum_offload), (false, true, true));
    assert!(!Options::default().virtio(false).checksum_offload, "partial checksums need to be requested");
}

#[test]
fn structures_behind_ports_are_passed_over() {
    let tree = Tree::transitional();
    tree.structure(COMMON_CAPABILITY, 0, 1, 0, 0);
    assert!(!is_modern(&take(&tree).unwrap()), "only the ports have all");

    // As with QEMU's modern-pio-notify, which has notifications twice.
    let tree = Tree::modern();
    tree.write(
        "resource",
        String::from_utf8(tree.read("resource")).unwrap().replacen(
            "0x0000000000000000 0x0000000000000000 0x0000000000000000",
            "0x000000000000c040 0x000000000000c043 0x0000000000040101",
            1,
        ),
    );
    tree.structure(0xB0, NOTIFY_CAPABILITY, 2, 0, 0);
    tree.poke(0x84 + 1, &[0xB0]);
    let taken = take(&tree).unwrap();
    assert!(is_modern(&taken));
    assert_eq!(tree.command() & 1, 1, "as it was");
}

#[test]
fn structures_may_be_in_several_bars() {
    let tree = Tree::modern();
    tree.structure(COMMON_CAPABILITY, 0, 1, 1, 0);
    tree.change("resource1", STATUS, &[0xF]);
    assert!(is_modern(&take(&tree).unwrap()));
    assert_eq!(tree.read("resource1")[STATUS], 0);
}

#[test]
fn a_transitional_device_whose_capability_list_loops_has_its_ports() {
    let tree = Tree::transitional();
    tree.poke(ISR_CAPABILITY + 1, &[DEVICE_CAPABILITY]);
    assert!(!is_modern(&take(&tree).unwrap()));
}

#[test]
fn a_modern_device_without_version_1_is_refused() {
    let text = open(&Tree::modern()).unwrap_err().to_string();
    assert!(text.contains(ADDRESS) && text.contains("VERSION_1"), "{text}");
}

#[test]
fn behind_an_iommu_access_platform_is_required() {
    let tree = Tree::modern();
    tree.change("resource4", COMMON + FEATURES, &[1]);
    tree.write("iommu_group/type", "DMA-FQ\n");
    let text = open(&tree).unwrap_err().to_string();
    assert!(text.contains("ACCESS_PLATFORM") && text.contains("iommu_platform=on"), "{text}");

    // The file contains it in both halves of the features: bit 33 is among them now.
    tree.change("resource4", COMMON + FEATURES, &[3]);
    let text = open(&tree).unwrap_err().to_string();
    assert!(text.contains("queue") && !text.contains("ACCESS_PLATFORM"), "{text}");

    tree.write("iommu_group/type", "identity\n");
    tree.change("resource4", COMMON + FEATURES, &[1]);
    let text = open(&tree).unwrap_err().to_string();
    assert!(text.contains("queue") && !text.contains("ACCESS_PLATFORM"), "{text}");
}

#[test]
fn a_queue_that_is_absent_is_named_and_the_device_left_in_reset() {
    let legacy = Tree::legacy();
    let modern = Tree::modern();
    modern.change("resource4", COMMON + FEATURES, &[1]);
    for (tree, file, status) in [(legacy, "resource0", LEGACY_STATUS), (modern, "resource4", COMMON + STATUS)]
    {
        let text = open(&tree).unwrap_err().to_string();
        assert!(text.contains(ADDRESS) && text.contains("size is zero"), "{text}");
        assert_eq!(tree.read(file)[status], 0);
        assert_eq!(tree.command() & 4, 0, "no DMA");
    }
}

#[test]
fn interrupts_take_a_device_that_is_bound_to_vfio_pci() {
    for tree in [Tree::legacy(), Tree::transitional(), Tree::modern()] {
        let options = Options::default().sysfs(tree.sysfs()).interrupts(0).rx_ring(64).tx_ring(64);
        let domain: Arc<dyn DmaDomain> = Arc::new(SimulatedDomain::default());
        let pool = Mempool::new(Arc::clone(&domain), options.config().buffers()).unwrap();
        let taken = Taken::take(ADDRESS, ADDRESS.parse().unwrap(), &options, &mut VfioDomains::default());
        let opened = Box::new(Taken { domain, ..taken.unwrap() }).open(&options, &pool);
        let text = opened.unwrap_err().to_string();
        assert!(text.contains(ADDRESS) && text.contains("vfio-pci"), "{text}");
    }
}
