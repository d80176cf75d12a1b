//! The harness itself.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod harness;

use std::time::{Duration, Instant};

use ixy_lab::{Backend, Error, Interface, Machine, Nic};

#[test]
fn a_guest_runs_scripts_and_its_kernel_drives_both_interfaces_of_a_device() {
    let Some((parts, programs)) =
        harness::lab("a_guest_runs_scripts_and_its_kernel_drives_both_interfaces_of_a_device")
    else {
        return;
    };
    let machine = Machine::new(Duration::from_secs(120))
        .nic(Nic::virtio("old", Interface::Legacy, Backend::Test))
        .nic(Nic::virtio("new", Interface::Modern, Backend::Test).options("packed=on,mrg_rxbuf=off"))
        .module("virtio_net");
    let mut guest = machine.boot(&parts, &programs).unwrap();
    assert_eq!(guest.run("echo one; printf two").unwrap(), "one\ntwo");
    assert_eq!(guest.status_of("(exit 7)").unwrap(), (7, String::new()));
    let (status, output) = guest.status_of("echo \"").unwrap();
    assert!(status != 0 && output.contains("syntax error"), "{status} {output}");
    let message = guest.run("false").unwrap_err();
    assert!(matches!(message, Error::Script { status: 1, .. }), "{message}");
    for (name, device, id) in [("old", 0, "0x1000"), ("new", 1, "0x1041")] {
        let address = guest.address(name).unwrap();
        let script = format!(
            "cd /sys/bus/pci/devices/{address}; cat vendor device; cat virtio*/net/*/address; cd virtio*/net/*; basename $PWD; cd /tmp"
        );
        let output = guest.run(&script).unwrap();
        let [vendor, model, mac, interface] = output.lines().collect::<Vec<_>>()[..] else {
            panic!("{output}")
        };
        assert_eq!((vendor, model), ("0x1af4", id));
        assert_eq!(mac, format!("52:54:00:00:00:0{}", device + 1));

        // A frame from the kernel reaches the test, and a frame from the test reaches the kernel.
        guest
            .run(&format!(
                "ip link set {interface} up promisc on; ip addr add 198.18.{device}.1/24 dev {interface}"
            ))
            .unwrap();
        let port = guest.port(name).unwrap();
        guest.run(&format!("ping -c 1 -W 1 198.18.{device}.9 || true")).unwrap();
        let mut buffer = [0; 2048];
        let asks = |frame: &[u8]| {
            frame.len() >= 42 && frame[12..14] == [8, 6] && frame[38..42] == [198, 18, device, 9]
        };
        let mut frames = 0;
        while !port.receive(&mut buffer).unwrap().is_some_and(asks) {
            frames += 1;
            assert!(frames < 1000, "the kernel asked for nobody's MAC address");
        }
        for number in 0..100 {
            // On a busy machine QEMU may take no frame for a while.
            let start = Instant::now();
            while !port.send(&ixy_lab::numbered(0, number)).unwrap() {
                assert!(start.elapsed() < Duration::from_secs(20), "frame {number} is not taken");
            }
        }
        let count = format!("cat /sys/class/net/{interface}/statistics/rx_packets");
        let start = Instant::now();
        while guest.run(&count).unwrap().trim() != "100" {
            assert!(start.elapsed() < Duration::from_secs(20), "{interface} did not receive 100 frames");
        }
    }
    harness::the_kernel_is_well(&guest);
}

#[test]
fn a_hugepage_may_have_one_gibibyte() {
    let Some((parts, programs)) = harness::lab("a_hugepage_may_have_one_gibibyte") else { return };
    let machine = Machine::new(Duration::from_secs(120)).gibibyte_page();
    let mut guest = machine.boot(&parts, &programs).unwrap();
    let output = guest.run("hugepages 1G 1073741824").unwrap();
    // One part, at an address where such a page may begin.
    let (address, length) = output.trim().split_once(' ').unwrap_or_else(|| panic!("{output}"));
    assert_eq!(length, "0x40000000", "{output}");
    let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap();
    assert!(address > 0 && address % (1 << 30) == 0, "{output}");
    // It was the only one, and is free again.
    let message = guest.run("hugepages 1G 1073741825 2>&1").unwrap_err().to_string();
    assert!(message.contains("2 hugepages of 1G are needed and 1 "), "{message}");
    assert_eq!(harness::free_hugepages(&mut guest), [128, 128]);
    // Without 2 MiB pages, a part of it serves instead.
    let none = "echo 0 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    let output = guest.run(&format!("{none}; hugepages any 3000000")).unwrap();
    assert_eq!(output.trim(), format!("{address:#x} 0x400000"));
    harness::the_kernel_is_well(&guest);
}
