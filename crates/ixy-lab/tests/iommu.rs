//! The programs with each kind of IOMMU, and with none.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod harness;

use std::time::Duration;

use ixy_lab::{Backend, Interface, Machine, Nic, forwarded};

/// A machine with two virtio devices and one 82576.
fn with_devices(machine: Machine, options: &str) -> Machine {
    let mut machine = machine.scripts();
    for module in ["virtio_net", "igb", "vfio-pci", "vfio_iommu_type1"] {
        machine = machine.module(module);
    }
    machine
        .nic(Nic::virtio("a", Interface::Modern, Backend::Test).options(options))
        .nic(Nic::virtio("b", Interface::Modern, Backend::Test).options(options))
        .nic(Nic::igb("c", Backend::Test))
}

/// Frames pass as a user, between devices that were handed over with the script. The kernel's log names its IOMMU
/// with these words.
fn frames_pass_behind(test: &str, iommu: impl FnOnce(Machine) -> Machine, words: &str) {
    let Some((parts, programs)) = harness::lab(test) else { return };
    let machine = with_devices(iommu(Machine::new(Duration::from_secs(120))), "iommu_platform=on");
    let mut guest = machine.boot(&parts, &programs).unwrap();
    harness::programs_can_be_started(&mut guest);
    harness::there_is_a_user(&mut guest);
    // Without hugepages some frames lie on two pages that are not neighbours in memory.
    guest.run(&format!("dmesg | grep -q '{words}' && echo 0 >/proc/sys/vm/nr_hugepages")).unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| guest.address(name).unwrap());
    let ports = ["a", "b", "c"].map(|name| guest.port(name).unwrap());
    guest.run(&format!("/scripts/bind --user user vfio {a} {b} {c} && ulimit -l 65536")).unwrap();
    for (from, to, both) in [(0, 1, [&a, &b]), (1, 2, [&b, &c]), (2, 1, [&c, &b])] {
        let [one, other] = both;
        guest.run(&format!("start 2 as_user ixy-fwd {one} {other}")).unwrap();
        forwarded(&ports[from], &ports[to], 1, 1_000, Duration::from_secs(20)).unwrap();
        forwarded(&ports[to], &ports[from], 2, 1_000, Duration::from_secs(20)).unwrap();
        guest.run("stop TERM").unwrap();
    }
    assert_eq!(harness::faults(&mut guest), "");
    harness::the_kernel_is_well(&guest);
}

#[test]
fn frames_pass_behind_an_intel_iommu_of_39_bits() {
    let test = "frames_pass_behind_an_intel_iommu_of_39_bits";
    frames_pass_behind(test, |machine| machine.iommu_of(39), "DMAR: Host address width 39");
}

#[test]
fn frames_pass_behind_an_intel_iommu_of_48_bits() {
    let test = "frames_pass_behind_an_intel_iommu_of_48_bits";
    frames_pass_behind(test, |machine| machine.iommu_of(48), "DMAR: Host address width 48");
}

#[test]
fn frames_pass_behind_an_amd_iommu() {
    frames_pass_behind("frames_pass_behind_an_amd_iommu", Machine::amd_iommu, "AMD-Vi: ");
}

#[test]
fn without_an_iommu_frames_pass_for_root_and_what_others_lack_is_said() {
    let test = "without_an_iommu_frames_pass_for_root_and_what_others_lack_is_said";
    let Some((parts, programs)) = harness::lab(test) else { return };
    let machine = with_devices(Machine::new(Duration::from_secs(120)), "");
    let mut guest = machine.boot(&parts, &programs).unwrap();
    harness::programs_can_be_started(&mut guest);
    harness::there_is_a_user(&mut guest);
    let [a, b, c] = ["a", "b", "c"].map(|name| guest.address(name).unwrap());
    let ports = ["a", "b", "c"].map(|name| guest.port(name).unwrap());
    let mut says = |script: &str, status: i32, words: &[&str]| {
        let (found, output) = guest.status_of(&format!("{{ {script}; }} 2>&1")).unwrap();
        let missing = words.iter().find(|word| !output.contains(**word));
        assert!(found == status && missing.is_none(), "`{script}`: {found}, not in it {missing:?}: {output}");
    };
    let vfio = format!("/scripts/bind vfio {a}");
    says(&vfio, 1, &["in no IOMMU group", "intel_iommu=on", "as root", "setup-hugepages"]);
    says("/scripts/bind status", 0, &["IOMMU group none"]);
    says(&format!("(as_user ixy-info {a})"), 0, &["IOMMU       none", "missing     the rights of root"]);
    says(&format!("(as_user ixy-fwd {a} {b} --duration 3)"), 1, &[&a, "run as root"]);
    says(&format!("ixy-fwd {a} {b} --wait interrupt --duration 3"), 1, &[&a, "vfio-pci"]);
    let pages = "/proc/sys/vm/nr_hugepages";
    says(
        &format!("echo 0 >{pages}; ixy-info {a}"),
        0,
        &["hugepages of 2 MiB: 0 are free", "setup-hugepages"],
    );
    says(&format!("ixy-fwd {a} {b} --duration 3"), 1, &["hugepages"]);
    says("/scripts/bind hugepages --count 32", 0, &["32 hugepages of 2M exist now"]);
    for address in [&a, &c] {
        says(&format!("ixy-info {address}"), 0, &["missing     nothing"]);
    }
    for (from, to, both) in [(0, 1, [&a, &b]), (1, 2, [&b, &c]), (2, 1, [&c, &b])] {
        let [one, other] = both;
        guest.run(&format!("start 2 ixy-fwd {one} {other}")).unwrap();
        forwarded(&ports[from], &ports[to], 1, 1_000, Duration::from_secs(20)).unwrap();
        forwarded(&ports[to], &ports[from], 2, 1_000, Duration::from_secs(20)).unwrap();
        guest.run("stop TERM").unwrap();
    }
    assert_eq!(harness::free_hugepages(&mut guest), [32, 32]);
    // The kernel's drivers take their devices back.
    guest.run(&format!("/scripts/bind kernel {a} {b} {c}")).unwrap();
    harness::the_kernel_is_well(&guest);
}
