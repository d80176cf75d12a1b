//! The programs behind an IOMMU, through VFIO.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod harness;

use std::time::Duration;

use ixy_lab::{Backend, Guest, Interface, Machine, Nic, Port, drain, forwarded, numbered};

/// A machine with an IOMMU of `bits` bits, and VFIO. It has no hugepages unless a test asks for some.
fn machine(bits: u8) -> Machine {
    let machine = Machine::new(Duration::from_secs(240)).iommu_of(bits);
    machine.module("vfio-pci").module("vfio_iommu_type1")
}

/// A modern virtio device behind the IOMMU.
fn nic(name: &str) -> Nic {
    Nic::virtio(name, Interface::Modern, Backend::Test).options("iommu_platform=on")
}

/// Adds to the guest's shell: `bind ADDRESS...`, which binds devices to vfio-pci; `group ADDRESS`, which prints
/// the number of a device's group; and `as_user PROGRAM...`, which runs that program as a user.
fn prepared(guest: &mut Guest) {
    harness::programs_can_be_started(guest);
    guest
        .run(
            r#"
            bind() {
                for address in "$@"; do
                    [ ! -e /sys/bus/pci/devices/$address/driver ] ||
                        echo $address >/sys/bus/pci/devices/$address/driver/unbind
                    echo vfio-pci >/sys/bus/pci/devices/$address/driver_override
                    echo $address >/sys/bus/pci/drivers_probe
                done
            }
            group() {
                basename $(readlink /sys/bus/pci/devices/$1/iommu_group)
            }
            as_user() {
                exec su user -c "exec $*"
            }
            echo 'user:x:1000:1000::/tmp:/bin/sh' >/etc/passwd
            echo 'user:x:1000:' >/etc/group
            echo 0 >/proc/sys/vm/nr_hugepages
            chmod 777 /tmp
            "#,
        )
        .unwrap();
}

/// The addresses of the devices `a` and `b`, bound to vfio-pci, and the test's ends of them.
fn bound(guest: &mut Guest) -> ([String; 2], [Port; 2]) {
    let addresses = ["a", "b"].map(|name| guest.address(name).unwrap());
    guest.run(&format!("bind {}", addresses.join(" "))).unwrap();
    (addresses, ["a", "b"].map(|name| guest.port(name).unwrap()))
}

/// The guest kernel's log of accesses that the IOMMU stopped.
fn faults(guest: &mut Guest) -> String {
    guest.run("dmesg | grep -i 'DMAR.*fault' || true").unwrap()
}

/// Sends numbered frames through ixy-fwd, both ways; returns its log.
fn frames_pass(guest: &mut Guest, start: &str, [a, b]: &[Port; 2], count: u32) -> String {
    guest.run(start).unwrap();
    let passed = forwarded(a, b, 1, count, Duration::from_secs(60))
        .and_then(|()| forwarded(b, a, 2, 1_000, Duration::from_secs(20)));
    let stopped = guest.run("stop TERM");
    let log = guest.run("cat log").unwrap();
    passed.unwrap_or_else(|error| panic!("{error}\n{log}"));
    stopped.unwrap_or_else(|error| panic!("{error}\n{log}"));
    assert_eq!(faults(guest), "", "{log}");
    log
}

#[test]
fn frames_pass_two_devices_behind_an_iommu_for_root_and_for_a_user() {
    let Some((parts, programs)) =
        harness::lab("frames_pass_two_devices_behind_an_iommu_for_root_and_for_a_user")
    else {
        return;
    };
    let mut guest = machine(39).nic(nic("a")).nic(nic("b")).boot(&parts, &programs).unwrap();
    prepared(&mut guest);
    let (addresses, ports) = bound(&mut guest);
    let both = addresses.join(" ");
    let log = frames_pass(&mut guest, &format!("start 2 ixy-fwd {both}"), &ports, 10_000);
    assert!(log.contains("the VFIO container of groups"), "both are in one container: {log}");
    assert!(log.contains("ordinary pages are taken"), "there are no hugepages: {log}");
    let log = frames_pass(&mut guest, &format!("start 2 ixy-fwd --apart {both}"), &ports, 2_000);
    let containers = log.matches(" IOMMU container=").count();
    assert!(containers == 2 && !log.contains("container of groups"), "each is in its own: {log}");

    // A user who does not own the files of the groups at first.
    let groups =
        addresses.each_ref().map(|address| guest.run(&format!("group {address}")).unwrap().trim().to_owned());
    let with_limit = |kib: u64| format!("(ulimit -l {kib}; as_user ixy-fwd {both})");
    let file = format!("permission to open /dev/vfio/{}", groups[0]);
    let bind = format!("`sudo scripts/bind --user $USER vfio {}`", addresses[0]);
    refused(&mut guest, &with_limit(32 << 10), &["cannot be opened", &file, &bind]);
    guest.run(&format!("chown user /dev/vfio/{} /dev/vfio/{}", groups[0], groups[1])).unwrap();
    let output = refused(&mut guest, &with_limit(64), &["RLIMIT_MEMLOCK", "the 64 KiB"]);
    let needed = output.split_once("prlimit --pid $$ --memlock=").unwrap().1.split('`').next().unwrap();
    // The amount in the message is enough, up to the rounding of each ring to pages.
    let needed = needed.parse::<u64>().unwrap() / 1024;
    guest.run(&format!("ulimit -l {}", needed + 128)).unwrap();
    frames_pass(&mut guest, &format!("start 2 as_user ixy-fwd {both}"), &ports, 10_000);

    // Killed at any moment, it leaves nothing running and nothing in use.
    for attempt in 0..3 {
        guest.run(&format!("start 2 as_user ixy-fwd {both}")).unwrap();
        for number in 0..100 {
            ports[0].send(&numbered(99, number)).unwrap();
        }
        assert_eq!(guest.status_of("stop KILL").unwrap().0, 128 + 9);
        drain(&ports[1]).unwrap();
        guest.run(&format!("start 2 as_user ixy-fwd {both}")).unwrap();
        drain(&ports[1]).unwrap();
        forwarded(&ports[0], &ports[1], attempt, 100, Duration::from_secs(20)).unwrap();
        guest.run("stop TERM").unwrap();
    }
    harness::the_kernel_is_well(&guest);
}

#[test]
fn packets_are_shared_with_a_device_that_no_iommu_confines() {
    let Some((parts, programs)) = harness::lab("packets_are_shared_with_a_device_that_no_iommu_confines")
    else {
        return;
    };
    let a = Nic::virtio("a", Interface::Modern, Backend::Test);
    let mut guest = machine(48).nic(a).nic(nic("b")).boot(&parts, &programs).unwrap();
    prepared(&mut guest);
    let [a, b] = ["a", "b"].map(|name| guest.address(name).unwrap());
    let ports = ["a", "b"].map(|name| guest.port(name).unwrap());
    guest
        .run(&format!(
            "bind {b} && echo {a} >/sys/bus/pci/devices/{a}/driver/unbind && \
             echo identity >/sys/bus/pci/devices/{a}/iommu_group/type && echo 32 >/proc/sys/vm/nr_hugepages"
        ))
        .unwrap();
    for both in [format!("{a} {b}"), format!("{b} {a}")] {
        let log = frames_pass(&mut guest, &format!("start 2 ixy-fwd {both}"), &ports, 2_000);
        assert!(log.contains("hugepages mapped") && log.contains("taken through VFIO"), "{log}");
        // Nothing stays in use.
        let free = "cd /sys/kernel/mm/hugepages/hugepages-2048kB && cat nr_hugepages free_hugepages; cd /tmp";
        assert_eq!(guest.run(free).unwrap(), "32\n32\n");
    }
    harness::the_kernel_is_well(&guest);
}

#[test]
fn devices_of_one_group_are_had_together_or_not_at_all() {
    let Some((parts, programs)) = harness::lab("devices_of_one_group_are_had_together_or_not_at_all") else {
        return;
    };
    // Behind a bridge to conventional PCI, accesses cannot be attributed to a device.
    let device = |name, slot| nic(name).options(&format!("bus=bridge,addr={slot}"));
    let machine = machine(48).device("pcie-pci-bridge,id=bridge,bus=pcie.0,addr=0x9");
    let machine = machine.nic(device("a", 1)).nic(device("b", 2));
    let mut guest = machine.boot(&parts, &programs).unwrap();
    prepared(&mut guest);
    let ports = ["a", "b"].map(|name| guest.port(name).unwrap());
    let [one, two] = ["0000:01:01.0", "0000:01:02.0"];
    let both = format!("ixy-fwd {one} {two}");
    guest.run(&format!("bind {one}")).unwrap();
    let other = format!("{two} in it is bound to the kernel driver virtio-pci");
    refused(&mut guest, &both, &[one, "all of IOMMU group", &other, &format!("scripts/bind vfio {two}")]);
    guest.run(&format!("bind {two} && start 2 {both}")).unwrap();
    let busy = "is in use by another process";
    refused(&mut guest, &format!("ixy-dump {two} -w /dev/null"), &[two, busy, "fuser -v /dev/vfio/"]);
    guest.run("stop TERM").unwrap();
    for apart in ["", "--apart"] {
        let log = frames_pass(&mut guest, &format!("start 2 {both} {apart}"), &ports, 1_000);
        assert!(log.contains("the VFIO container of group "), "a group is in one container: {log}");
    }

    // The number of mappings that the kernel allows: the pool and one ring.
    let parameter = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";
    let before = guest.run(&format!("cat {parameter} && echo 2 >{parameter}")).unwrap();
    let numbers = ["2 mappings are in use, of 2 that the kernel allows a container (0 are left)", parameter];
    refused(&mut guest, &both, &numbers);
    guest.run(&format!("echo {} >{parameter}", before.trim())).unwrap();
    guest.run("rmmod vfio_iommu_type1").unwrap();
    refused(&mut guest, &both, &[one, "modprobe vfio_iommu_type1"]);
    harness::the_kernel_is_well(&guest);
}

#[test]
fn a_card_interrupts_in_each_way_and_its_iommu_stops_it_at_freed_memory() {
    let Some((parts, programs)) =
        harness::lab("a_card_interrupts_in_each_way_and_its_iommu_stops_it_at_freed_memory")
    else {
        return;
    };
    let card = |slot| format!("e1000e,bus=pcie.0,addr={slot},romfile=");
    let machine = machine(48).device(&card(8)).device(&card(9)).nic(Nic::igb("c", Backend::Test));
    let mut guest = machine.boot(&parts, &programs).unwrap();
    prepared(&mut guest);
    guest
        .run(
            "for card in 0000:00:08.0 0000:00:09.0; do bind $card && chown user /dev/vfio/$(group $card); done",
        )
        .unwrap();
    let output = guest.run("(as_user vfio 0000:00:08.0) 2>&1").unwrap();
    for line in [
        "MSI-X: cause 0x100000 raised vector 0 alone",
        "MSI-X: cause 0x400000 raised vector 1 alone",
        "MSI-X: cause 0x1000000 raised vector 2 alone",
        "MSI-X: switched off: 0",
        "MSI: cause 0x4 raised vector 0 alone",
        "MSI-X: raised again without being unmasked: 1",
        "MSI: raised again without being unmasked: 1",
        "MSI: switched off: 0",
        "INTx: cause 0x4 raised vector 0 alone",
        "INTx: unmasked with its cause still there: 1",
        "INTx: unmasked without: 0",
        "INTx: and raised again: 1",
        "INTx: switched off: 0",
        "64 vectors wanted: 5 of MSI-X",
        "(/sys/bus/pci/devices/0000:00:08.0/config is locked): `lslocks` names the process; end it first",
        "the interrupts of 0000:00:08.0 are switched on already: drop what uses them first",
        "was done: true",
    ] {
        assert!(output.lines().any(|found| found.ends_with(line)), "`{line}` is not in: {output}");
    }
    assert!(output.contains("reset: true"), "{output}");
    let iova = output.split_once("a descriptor at IOVA 0x").unwrap().1.split(' ').next().unwrap();
    let faults = faults(&mut guest);
    assert!(faults.contains("00:08.0") && faults.contains(iova), "nothing about {iova} in: {faults}");

    // The kernel resets a card, if possible, before another program gets it.
    let igb = guest.address("c").unwrap();
    guest.run(&format!("bind {igb}")).unwrap();
    for _ in 0..2 {
        let output = guest.run(&format!("vfio {igb} 2>&1")).unwrap();
        let expected = "the ring of whoever had the card before: 0x0\nreset: true, and 0x1000 became 0x0\n";
        assert!(output.ends_with(expected), "{output}");
    }

    // Two cards, each in its own container.
    let output = guest.run("(as_user vfio 0000:00:08.0 0000:00:09.0) 2>&1").unwrap();
    for line in [
        "shared, was done by 0000:00:08.0: true",
        "shared, was done by 0000:00:09.0: true",
        "the first card's, was done by 0000:00:08.0: true",
        "the first card's, was done by 0000:00:09.0: false",
    ] {
        assert!(output.lines().any(|found| found.ends_with(line)), "`{line}` is not in: {output}");
    }
    let own = output.lines().find(|line| line.contains("first card's, was done by 0000:00:09.0")).unwrap();
    let iova = own.split_once("IOVA 0x").unwrap().1.split(',').next().unwrap();
    let log = guest.run("dmesg | grep -i 'DMAR.*fault' || true").unwrap();
    let stopped = log.lines().any(|line| line.contains("00:09.0") && line.contains(iova));
    assert!(stopped, "nothing about {iova} in: {log}");
    harness::the_kernel_is_well(&guest);
}

/// Runs a script that has to end with status 1 and these words, and returns all its output.
fn refused(guest: &mut Guest, script: &str, words: &[&str]) -> String {
    let (status, output) = guest.status_of(&format!("{{ {script}; }} 2>&1")).unwrap();
    let missing = words.iter().find(|word| !output.contains(**word));
    assert!(status == 1 && missing.is_none(), "status {status}, {missing:?} is not in: {output}");
    output
}
