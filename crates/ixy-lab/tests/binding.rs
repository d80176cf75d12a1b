//! The messages to users about their devices, and the script that binds devices to VFIO and back, on a real
//! kernel.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod harness;

use std::time::Duration;

use ixy_lab::{Backend, Guest, Interface, Machine, Nic};

/// Runs a script that has to end with this status and these words, and returns all its output.
fn ends(guest: &mut Guest, script: &str, status: i32, words: &[&str]) -> String {
    let (found, output) = guest.status_of(&format!("{{ {script}\n}} 2>&1")).unwrap();
    let missing = words.iter().find(|word| !output.contains(**word));
    assert!(
        found == status && missing.is_none(),
        "`{script}`: status {found}, not in it {missing:?}: {output}"
    );
    output
}

fn driver(guest: &mut Guest, address: &str) -> String {
    guest
        .run(&format!("basename $(readlink /sys/bus/pci/devices/{address}/driver)"))
        .unwrap()
        .trim()
        .to_owned()
}

/// The name that the kernel gave the interface of a device.
fn interface(guest: &mut Guest, address: &str) -> String {
    let path = format!("/sys/bus/pci/devices/{address}");
    guest
        .run(&format!("basename $(ls -d {path}/net/* {path}/virtio*/net/* 2>/dev/null)"))
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn devices_go_to_vfio_and_back_and_those_in_use_stay() {
    let Some((parts, programs)) = harness::lab("devices_go_to_vfio_and_back_and_those_in_use_stay") else {
        return;
    };
    let behind_bridge =
        |slot| format!("virtio-net-pci,bus=bridge,addr={slot},disable-legacy=on,iommu_platform=on,romfile=");
    let mut machine = Machine::new(Duration::from_secs(240)).iommu_of(39).scripts();
    for module in ["virtio_net", "igb", "vfio-pci", "vfio_iommu_type1", "8021q"] {
        machine = machine.module(module);
    }
    let machine = machine
        .nic(Nic::igb("a", Backend::Hub(0)))
        .nic(Nic::virtio("b", Interface::Modern, Backend::Hub(0)).options("iommu_platform=on"))
        .nic(Nic::virtio("c", Interface::Legacy, Backend::Hub(0)))
        .device("pcie-pci-bridge,id=bridge,bus=pcie.0,addr=0x9")
        .device(&behind_bridge(1))
        .device(&behind_bridge(2));
    let mut guest = machine.boot(&parts, &programs).unwrap();
    harness::there_is_a_user(&mut guest);
    let [a, b, c] = ["a", "b", "c"].map(|name| guest.address(name).unwrap());
    let guest = &mut guest;

    // Each device is listed, by the script and by the program, for all users.
    for who in ["", "as_user "] {
        for program in ["/scripts/bind status", "ixy-info"] {
            let text =
                ends(guest, &format!("({who}{program})"), 0, &[&a, &b, &c, "0000:01:01.0", " is down"]);
            assert!(!text.contains("not read"), "{text}");
        }
    }
    let group = guest.run(&format!("basename $(readlink /sys/bus/pci/devices/{a}/iommu_group)")).unwrap();
    let group = group.trim();
    ends(
        guest,
        &format!("ixy-info {a}"),
        0,
        &["Intel 82576 (8086:10c9)", "kernel      igb", &format!("group {group} of type DMA")],
    );
    ends(guest, &format!("/scripts/bind --dry-run vfio {a}"), 0, &["would run: echo vfio-pci > "]);
    ends(guest, &format!("(as_user /scripts/bind vfio {a})"), 1, &["needs root"]);

    // In use: an interface that is up, a default route, in either version of the protocol and through a VLAN, and
    // another network namespace.
    let eth = interface(guest, &b);
    let down = format!("run `ip link set {eth} down` first");
    ends(guest, &format!("ip link set {eth} up && /scripts/bind vfio {b}"), 1, &["is up", &down]);
    ends(guest, &format!("ixy-info {b}"), 0, &[&format!("its interface {eth} is up"), "with a link"]);
    let vlan = format!("ip link add link {eth} name vlan5 type vlan id 5 && ip link set vlan5 up");
    for (setting, through) in [
        (
            "ip addr add 198.18.0.1/24 dev $eth && ip route add default via 198.18.0.2".to_owned(),
            eth.as_str(),
        ),
        (
            "ip route del default && ip addr add fd00::1/64 dev $eth && ip -6 route add default dev $eth"
                .to_owned(),
            &eth,
        ),
        (
            format!(
                "ip -6 route del default && {vlan} && ip addr add 198.18.1.1/24 dev vlan5 && ip route add default via 198.18.1.2"
            ),
            "vlan5",
        ),
    ] {
        guest.run(&format!("eth={eth}; {setting}")).unwrap();
        let refused = format!("carries this machine's default route (through {through})");
        ends(guest, &format!("/scripts/bind --force vfio {b}"), 1, &[&refused]);
        let text = ends(
            guest,
            &format!("ixy-info {b}"),
            0,
            &["carries this machine's default route: choose another card"],
        );
        assert!(!text.contains("ip link set"), "{text}");
    }
    guest.run(&format!("ip link del vlan5 && ip link set {eth} down")).unwrap();
    let elsewhere = format!(
        "unshare -n sleep 1000 & there=$!; sleep 0.5; ip link set {eth} netns $there && /scripts/bind vfio {b}"
    );
    ends(
        guest,
        &elsewhere,
        1,
        &["bound to virtio-pci and shows no interface here", "another network namespace"],
    );
    ends(guest, &format!("ixy-info {b}"), 0, &["another network namespace may be using it"]);
    guest.run("kill $there; sleep 0.5").unwrap();
    let neighbour = "shares IOMMU group";
    ends(guest, "/scripts/bind vfio 01:01.0", 1, &[neighbour, "vfio 0000:01:01.0 0000:01:02.0"]);
    assert_eq!([&a, &b, &c].map(|address| driver(guest, address)), ["igb", "virtio-pci", "virtio-pci"]);

    // Two at once, for a user, and a whole group.
    let words =
        [&format!("{a} is bound to vfio-pci now."), &format!("/dev/vfio/{group} belongs to user now.")];
    ends(guest, &format!("/scripts/bind --user user vfio {a} {b}"), 0, &words.map(String::as_str));
    ends(guest, "/scripts/bind vfio 01:01.0 01:02.0", 0, &["0000:01:02.0 is bound to vfio-pci now."]);
    ends(
        guest,
        "/scripts/bind status",
        0,
        &[&format!("/dev/vfio/{group} belongs to user"), "belongs to root"],
    );
    ends(guest, &format!("/scripts/bind vfio {a}"), 0, &["bound to vfio-pci already"]);
    ends(
        guest,
        "(as_user /scripts/bind memlock 16)",
        0,
        &["(in KiB): 8192,", "--memlock=16777216", "user - memlock 16384"],
    );
    // When nothing is missing, a program of that user works.
    for address in [&a, &b] {
        ends(
            guest,
            &format!("(as_user ixy-info {address})"),
            0,
            &["missing     nothing", "scripts/bind kernel"],
        );
        ends(guest, &format!("(as_user ixy-dump {address} -w /dev/null --duration 10)"), 0, &["recorded 0"]);
    }
    // Registers: of a sleeping device, of a woken one, and while a program drives it.
    ends(guest, &format!("ixy-info {b} --registers"), 1, &["D3hot", "power/control"]);
    ends(guest, &format!("(as_user ixy-info {a} --registers)"), 1, &["power/control"]);
    let awake = format!("echo on >/sys/bus/pci/devices/{b}/power/control && ixy-info {b} --registers");
    let text = ends(guest, &awake, 0, &["NUM_QUEUES", "left out: all ones"]);
    assert!(!text.contains("ffff      5.1.4"), "what the device has not is shown: {text}");
    ends(
        guest,
        &format!("echo auto >/sys/bus/pci/devices/{b}/power/control; (as_user ixy-info {b} --registers)"),
        1,
        &[],
    );
    let driven = format!("(as_user ixy-dump {b} -w /dev/null -q) & sleep 1; ixy-info {b} --registers");
    ends(guest, &driven, 1, &["a program drives it through vfio-pci", "fuser -v /dev/vfio/"]);
    guest.run("kill $! && wait $!").unwrap();

    // Back to the kernel, where its drivers work.
    ends(
        guest,
        &format!("/scripts/bind kernel {a} {b} 01:01.0 01:02.0"),
        0,
        &[&format!("{a} is bound to igb now.")],
    );
    ends(guest, &format!("/scripts/bind kernel {a}"), 0, &["bound to igb already"]);
    let [eth_a, eth_b] = [&a, &b].map(|address| interface(guest, address));
    let ping = format!(
        "{{ unshare -n sleep 1000 & }} && there=$! && sleep 0.5 && ip link set {eth_b} netns $there &&
         nsenter -t $there -n ip addr add 198.18.0.2/24 dev {eth_b} && nsenter -t $there -n ip link set {eth_b} up &&
         ip addr add 198.18.0.1/24 dev {eth_a} && ip link set {eth_a} up && sleep 2 && ping -c 3 -W 10 198.18.0.2"
    );
    ends(guest, &ping, 0, &["3 packets received"]);
    ends(guest, &format!("ixy-info {a} --registers"), 1, &["a kernel driver holds the registers"]);
    ends(guest, &format!("ixy-info {a} --registers --all"), 1, &["igb", "leave out --all"]);
    ends(
        guest,
        &format!("ixy-info {c} --registers"),
        0,
        &["legacy registers:", "DRIVER_OK=0x1", "LINK_UP=0x1"],
    );

    // Bound to no driver: all registers can be read, and the kernel's driver still finds the device in order.
    let unbind = format!("ip link set {eth_a} down && echo {a} >/sys/bus/pci/drivers/igb/unbind");
    ends(guest, &format!("{unbind} && ixy-info {a}"), 0, &["bound to no driver"]);
    ends(
        guest,
        &format!("ixy-info {a} --registers --all --zeros"),
        0,
        &["STATUS ", "  GPRC ", "reading takes a semaphore"],
    );
    ends(guest, &format!("/scripts/bind kernel {a}"), 0, &[&format!("{a} is bound to igb now.")]);
    ends(
        guest,
        &format!("ip link set {eth_a} up; rmmod vfio-pci; /scripts/bind vfio {c}"),
        1,
        &["module vfio-pci cannot be loaded"],
    );

    let pages = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    ends(
        guest,
        &format!("/scripts/bind hugepages --count 136 && cat {pages}"),
        0,
        &["136 hugepages", "mounted on /dev/hugepages already", "\n136\n"],
    );
    harness::the_kernel_is_well(guest);
}
