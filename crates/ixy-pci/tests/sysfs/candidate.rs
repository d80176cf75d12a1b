//! Devices that are examined first, and the obstacles to reaching one that is bound to vfio-pci.

use std::os::unix::fs::symlink;

use ixy_dma::VfioDomains;
use ixy_pci::{Bar, BarKind, Candidate, DeviceId, Error, InterruptKind, Supported, WhenInUse};
use ixy_regs::bus::Bus;

use crate::tree::{Tree, address};

const IDS: [DeviceId; 1] = [DeviceId::new(0x8086, 0x10FB)];

fn find(tree: &Tree) -> Result<Candidate, Error> {
    Candidate::find(&tree.sysfs(), address(), &mut VfioDomains::default())
}

fn refusal(tree: &Tree) -> String {
    find(tree).unwrap_err().to_string()
}

#[test]
fn a_device_of_no_kernel_driver_is_looked_at_and_then_taken_through_sysfs() {
    let tree = Tree::with_device();
    let found = find(&tree).unwrap();
    assert_eq!((found.info().id, found.config().id().unwrap()), (IDS[0], IDS[0]));
    assert_eq!(tree.command(), 6, "nothing was changed");
    let needed = Bar { number: 0, kind: BarKind::Memory, len: 0x2_0000 };
    let device = found.take("ixgbe", &IDS, &[needed], WhenInUse::Refuse).unwrap();
    assert_ne!(tree.command(), 6, "its pin is off");
    assert!(device.vfio_domain().is_none() && !device.behind_iommu());
    assert!(!device.reset().unwrap());
    let in_use = find(&tree).unwrap().take("ixgbe", &IDS, &[], WhenInUse::Refuse).unwrap_err();
    assert!(matches!(in_use, Error::InUse { .. }), "{in_use}");
}

#[test]
fn a_candidate_is_opened_with_the_registers_of_its_bar() {
    let tree = Tree::with_device();
    let supported = Supported { driver: "ixgbe", ids: &IDS, bar: 0, bar_len: 0x2_0000 };
    let device = find(&tree).unwrap().open(&supported, WhenInUse::Refuse).unwrap();
    assert_eq!(device.bus().len(), 524_288);
}

#[test]
fn without_vfio_interrupts_are_refused_with_the_way_out() {
    let tree = Tree::with_device();
    let device = find(&tree).unwrap().take("ixgbe", &IDS, &[], WhenInUse::Refuse).unwrap();
    for refused in [device.interrupts(1), device.interrupts_of(InterruptKind::Msi, 1)] {
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("0000:03:00.0 cannot interrupt") && text.contains("vfio-pci"), "{text}");
    }
}

#[test]
fn without_an_iommu_the_kernels_parameters_are_named() {
    let tree = Tree::with_device();
    tree.bind("vfio-pci");
    let text = refusal(&tree);
    for words in ["0000:03:00.0", "no IOMMU group", "intel_iommu=on", "amd_iommu=on"] {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
}

#[test]
fn a_group_that_cannot_be_opened_is_named_with_its_device() {
    let tree = Tree::with_device();
    tree.bind("vfio-pci");
    symlink("../../../../kernel/iommu_groups/4294967295", tree.file("iommu_group")).unwrap();
    let text = refusal(&tree);
    assert!(text.starts_with("0000:03:00.0 cannot be reached through VFIO: "), "{text}");
    assert!(text.contains("/dev/vfio/4294967295") && text.contains("modprobe"), "{text}");
}

#[test]
fn a_link_to_no_group_is_an_error() {
    let tree = Tree::with_device();
    tree.bind("vfio-pci");
    symlink("../../somewhere", tree.file("iommu_group")).unwrap();
    let text = refusal(&tree);
    assert!(text.contains("iommu_group holds `somewhere`"), "{text}");
}
