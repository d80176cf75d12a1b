//! The programs on QEMU's virtio devices.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod harness;

use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ixy_lab::{Backend, Cable, Guest, Interface, Machine, Nic, Port, drain, forwarded, numbered};

/// A pair of devices: QEMU's options for both, the features that must be negotiated, and those that must not.
type Variant = (&'static str, &'static [&'static str], &'static [&'static str]);

const LEGACY: &[Variant] = &[
    ("", &["MAC", "STATUS", "CTRL_VQ", "CTRL_RX", "MRG_RXBUF", "EVENT_IDX", "ANY_LAYOUT"], &["VERSION_1"]),
    ("mrg_rxbuf=off", &["ANY_LAYOUT"], &["MRG_RXBUF"]),
    ("event_idx=off", &["ANY_LAYOUT"], &["EVENT_IDX"]),
    ("any_layout=off", &["MRG_RXBUF"], &["ANY_LAYOUT"]),
    ("any_layout=off,mrg_rxbuf=off,event_idx=off", &["CTRL_VQ"], &["ANY_LAYOUT", "MRG_RXBUF", "EVENT_IDX"]),
    ("ctrl_vq=off", &["ANY_LAYOUT"], &["CTRL_VQ", "CTRL_RX"]),
    ("status=off,indirect_desc=off", &["MAC"], &["STATUS"]),
    ("rx_queue_size=1024", &["MAC"], &[]),
];

const TRANSITIONAL: &[Variant] = &[
    ("", &["VERSION_1", "MAC", "STATUS", "CTRL_VQ", "CTRL_RX", "MRG_RXBUF", "EVENT_IDX"], &["RING_PACKED"]),
    ("mrg_rxbuf=off", &["VERSION_1"], &["MRG_RXBUF"]),
    ("any_layout=off", &["VERSION_1"], &[]),
    ("packed=on", &["VERSION_1", "RING_PACKED"], &[]),
];

const MODERN: &[Variant] = &[
    (
        "",
        &["VERSION_1", "MAC", "STATUS", "CTRL_VQ", "CTRL_RX", "MRG_RXBUF", "EVENT_IDX"],
        &["RING_PACKED", "IN_ORDER"],
    ),
    ("mrg_rxbuf=off", &["VERSION_1"], &["MRG_RXBUF"]),
    ("event_idx=off", &["VERSION_1"], &["EVENT_IDX"]),
    ("any_layout=off", &["VERSION_1"], &[]),
    ("ctrl_vq=off", &["VERSION_1"], &["CTRL_VQ", "CTRL_RX"]),
    ("packed=on", &["RING_PACKED"], &["IN_ORDER"]),
    ("packed=on,event_idx=off,mrg_rxbuf=off", &["RING_PACKED"], &["EVENT_IDX", "MRG_RXBUF"]),
    ("in_order=on", &["IN_ORDER"], &["RING_PACKED"]),
    ("packed=on,in_order=on", &["RING_PACKED", "IN_ORDER"], &[]),
    ("rx_queue_size=1024", &["VERSION_1"], &[]),
    ("rx_queue_size=1024,packed=on", &["RING_PACKED"], &[]),
];

/// Sends 10,000 numbered frames one way, and some the other, through ixy-fwd between two devices of each variant.
/// Reads the negotiated features from its log.
fn frames_pass(test: &str, interface: Interface, variants: &[Variant]) {
    let Some((parts, programs)) = harness::lab(test) else { return };
    let mut machine = Machine::new(Duration::from_secs(240));
    for (number, (options, ..)) in variants.iter().enumerate() {
        machine = with_pair(machine, number, interface, options);
    }
    // The kernel's driver has the devices first.
    let mut guest = machine.module("virtio_net").boot(&parts, &programs).unwrap();
    harness::programs_can_be_started(&mut guest);
    let mut wrong = String::new();
    for (number, variant) in variants.iter().enumerate() {
        if let Err(what) = pair(&mut guest, number, variant) {
            writeln!(wrong, "with the options {:?}: {what}", variant.0).unwrap();
        }
    }
    harness::the_kernel_is_well(&guest);
    assert!(wrong.is_empty(), "{wrong}");
}

/// Adds devices `a` and `b` with a number after their names.
fn with_pair(machine: Machine, number: usize, interface: Interface, options: &str) -> Machine {
    let nic = |end: &str| Nic::virtio(format!("{end}{number}"), interface, Backend::Test).options(options);
    machine.nic(nic("a")).nic(nic("b"))
}

/// The addresses of such devices, and the test's ends of them.
fn ends(guest: &mut Guest, number: usize) -> ([String; 2], [Port; 2]) {
    let names = ["a", "b"].map(|end| format!("{end}{number}"));
    (names.each_ref().map(|name| guest.address(name).unwrap()), names.map(|name| guest.port(&name).unwrap()))
}

fn pair(guest: &mut Guest, number: usize, variant: &Variant) -> Result<(), String> {
    let (options, chosen, not_chosen) = variant;
    let (addresses, [a, b]) = ends(guest, number);
    let ring = if options.contains("1024") { 1024 } else { 256 };
    let command = format!("start 2 ixy-fwd {} --ring {ring}", addresses.join(" "));
    guest.run(&command).map_err(|error| error.to_string())?;
    let log = guest.run("cat log").unwrap();
    let features =
        log.lines().find_map(|line| line.split_once("chosen=")).ok_or(format!("no features in {log}"))?.1;
    let found =
        |name: &&&str| features.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == **name);
    let passed = forwarded(&a, &b, 1, 10_000, Duration::from_secs(60))
        .and_then(|()| forwarded(&b, &a, 2, 1_000, Duration::from_secs(20)));
    let stopped = guest.run("stop TERM");
    passed.map_err(|error| format!("{error}\n{}", guest.run("cat log").unwrap()))?;
    stopped.map_err(|error| error.to_string())?;
    match (chosen.iter().find(|name| !found(name)), not_chosen.iter().find(found)) {
        (None, None) => Ok(()),
        wrong => Err(format!("of features missing and too many {wrong:?} in {features}")),
    }
}

#[test]
fn numbered_frames_pass_legacy_devices_in_order_and_complete() {
    frames_pass("numbered_frames_pass_legacy_devices_in_order_and_complete", Interface::Legacy, LEGACY);
}

#[test]
fn numbered_frames_pass_transitional_devices_in_order_and_complete() {
    frames_pass(
        "numbered_frames_pass_transitional_devices_in_order_and_complete",
        Interface::Transitional,
        TRANSITIONAL,
    );
}

#[test]
fn numbered_frames_pass_modern_devices_in_order_and_complete() {
    frames_pass("numbered_frames_pass_modern_devices_in_order_and_complete", Interface::Modern, MODERN);
}

/// The value of `name` in a program's statistics line, with --json.
fn statistic(output: &str, name: &str) -> u64 {
    let value =
        |line: &str| line.split_once(&format!("\"{name}\":"))?.1.split([',', '}']).next()?.parse().ok();
    output.lines().rev().find_map(value).unwrap_or_else(|| panic!("no {name} in {output}"))
}

#[test]
fn at_full_rate_what_is_received_and_what_is_missed_is_what_was_sent() {
    let Some((parts, programs)) =
        harness::lab("at_full_rate_what_is_received_and_what_is_missed_is_what_was_sent")
    else {
        return;
    };
    let kinds = [
        (Interface::Legacy, ""),
        (Interface::Legacy, "any_layout=off,mrg_rxbuf=off"),
        (Interface::Modern, ""),
        (Interface::Modern, "packed=on,in_order=on"),
    ];
    let mut machine = Machine::new(Duration::from_secs(240)).module("virtio_net");
    for (number, (interface, options)) in kinds.iter().enumerate() {
        machine = with_pair(machine, number, *interface, options);
    }
    let mut guest = machine.boot(&parts, &programs).unwrap();
    harness::programs_can_be_started(&mut guest);
    for (number, kind) in kinds.iter().enumerate() {
        const COUNT: u64 = 20_000;
        let ([to_a, to_b], [a, b]) = ends(&mut guest, number);
        let next = Arc::new(AtomicU32::new(0));
        // The generator's frames are checked here, on the wire, by their numbers in the last four bytes.
        let expected = Arc::clone(&next);
        let in_order = move |frame: &mut [u8]| {
            let number = expected.fetch_add(1, Ordering::Relaxed);
            assert_eq!(
                (frame.len(), &frame[56..60]),
                (60, &number.to_be_bytes()[..]),
                "the generator's frame {number}"
            );
        };
        guest.run(&format!("start 1 ixy-dump {to_b} -w dump.pcap --json")).unwrap();
        let cable = Cable::plug(&Arc::new(a), &Arc::new(b), in_order);
        let sent = guest.run(&format!("ixy-pktgen {to_a} --count {COUNT} --json -q")).unwrap();
        // All frames in flight arrive in this time.
        guest.run("sleep 1").unwrap();
        let wire = cable.unplug().unwrap();
        let stopped = guest.run("stop TERM");
        let log = guest.run("cat log").unwrap();
        stopped.unwrap_or_else(|error| panic!("{kind:?}: {error}\n{log}"));
        assert_eq!((statistic(&sent, "tx_packets"), wire.sent), (COUNT, COUNT), "{kind:?}: {sent}");
        let received = statistic(&log, "recorded");
        let lost = statistic(&log, "missed") + statistic(&log, "dropped") + statistic(&log, "errors");
        assert_eq!(received + lost + wire.missed, COUNT, "{kind:?}: {wire:?}\n{log}");
        assert!(received > 0, "{kind:?}: {log}");
        // A record is 16 bytes of header and the frame. No number comes twice or late.
        let numbers =
            "xxd -p -s 24 -c 76 dump.pcap | cut -c 145-152 >numbers; sort -c -u numbers && wc -l <numbers";
        assert_eq!(guest.run(numbers).unwrap().trim(), received.to_string(), "{kind:?}");
    }
    harness::the_kernel_is_well(&guest);
}

#[test]
fn a_program_that_was_stopped_or_killed_can_be_started_again() {
    let Some((parts, programs)) = harness::lab("a_program_that_was_stopped_or_killed_can_be_started_again")
    else {
        return;
    };
    let kinds = [(Interface::Legacy, ""), (Interface::Modern, ""), (Interface::Modern, "packed=on")];
    let kills = if std::env::var_os("CI").is_some() { 3 } else { 8 };
    let mut machine = Machine::new(Duration::from_secs(300)).module("virtio_net");
    for (number, (interface, options)) in kinds.iter().enumerate() {
        machine = with_pair(machine, number, *interface, options);
    }
    let mut guest = machine.boot(&parts, &programs).unwrap();
    harness::programs_can_be_started(&mut guest);
    for (number, kind) in kinds.iter().enumerate() {
        let (addresses, [a, b]) = ends(&mut guest, number);
        let start = format!("start 2 ixy-fwd {}", addresses.join(" "));
        let in_kind = |error| -> () { panic!("{kind:?}: {error}") };
        for attempt in 0..20 {
            guest.run(&start).map_err(in_kind).unwrap();
            forwarded(&a, &b, attempt, 100, Duration::from_secs(20)).map_err(in_kind).unwrap();
            guest.run("stop TERM").map_err(in_kind).unwrap();
        }
        for attempt in 0..kills {
            guest.run(&start).map_err(in_kind).unwrap();
            // It is killed at any moment.
            for number in 0..100 {
                a.send(&numbered(99, number)).unwrap();
            }
            let (status, _) = guest.status_of("stop KILL").unwrap();
            assert_eq!(status, 128 + 9, "{kind:?}");
            guest.run(&start).map_err(in_kind).unwrap();
            drain(&b).unwrap();
            forwarded(&a, &b, attempt, 100, Duration::from_secs(20)).map_err(in_kind).unwrap();
            guest.run("stop TERM").map_err(in_kind).unwrap();
        }
    }
    harness::the_kernel_is_well(&guest);
}

#[test]
fn the_kernels_of_two_devices_talk_through_the_forwarder() {
    let Some((parts, programs)) = harness::lab("the_kernels_of_two_devices_talk_through_the_forwarder")
    else {
        return;
    };
    // The kernel's devices are k and l: k is connected to a, and l through the test to b.
    let kinds =
        [(Interface::Legacy, ""), (Interface::Modern, ""), (Interface::Modern, "packed=on,in_order=on")];
    let mut machine = Machine::new(Duration::from_secs(240)).module("virtio_net");
    for (number, (interface, options)) in (0..).zip(&kinds) {
        let hub = Backend::Hub(number);
        machine = machine
            .nic(Nic::virtio(format!("k{number}"), Interface::Modern, hub.clone()))
            .nic(Nic::virtio(format!("a{number}"), *interface, hub).options(options))
            .nic(Nic::virtio(format!("b{number}"), *interface, Backend::Test).options(options))
            .nic(Nic::virtio(format!("l{number}"), Interface::Modern, Backend::Test));
    }
    let mut guest = machine.boot(&parts, &programs).unwrap();
    harness::programs_can_be_started(&mut guest);
    guest.run("head -c 10000000 /dev/urandom >file; sha256sum <file >sum; mkfifo endless").unwrap();
    for (number, kind) in kinds.iter().enumerate() {
        let [a, b, k, l] =
            ["a", "b", "k", "l"].map(|name| guest.address(&format!("{name}{number}")).unwrap());
        let [b_port, l_port] =
            ["b", "l"].map(|name| Arc::new(guest.port(&format!("{name}{number}")).unwrap()));
        let cables = [Cable::plug(&b_port, &l_port, |_| ()), Cable::plug(&l_port, &b_port, |_| ())];
        // The other end is in its own network namespace, so that frames take no short cut.
        let script = format!(
            r#"
            start 2 ixy-fwd {a} {b} &&
            k=$(basename /sys/bus/pci/devices/{k}/virtio*/net/*) &&
            l=$(basename /sys/bus/pci/devices/{l}/virtio*/net/*) &&
            {{ unshare -n sleep 1000 & }} && there=$! && sleep 0.5 &&
            ip link set $l netns $there &&
            nsenter -t $there -n ip addr add 198.18.0.2/24 dev $l &&
            nsenter -t $there -n ip link set $l up &&
            ip addr add 198.18.0.1/24 dev $k && ip link set $k up &&
            ping -c 5 -i 0.2 -W 10 198.18.0.2 &&
            {{ nsenter -t $there -n nc -l -p 5000 <>endless >copy & }} && listener=$! && sleep 0.5 &&
            nc 198.18.0.2 5000 <file &&
            wait $listener &&
            sha256sum <copy | cmp - sum &&
            ip addr del 198.18.0.1/24 dev $k && ip link set $k down && kill $there &&
            stop TERM && cat log
            "#
        );
        let output = guest.run(&script).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert!(output.contains("5 packets received"), "{kind:?}: {output}");
        for cable in cables {
            assert!(cable.unplug().unwrap().sent > 100, "{kind:?}: the transfer took another way");
        }
    }
    harness::the_kernel_is_well(&guest);
}

#[test]
fn what_is_wrong_with_a_device_is_said_with_the_way_out() {
    let Some((parts, programs)) = harness::lab("what_is_wrong_with_a_device_is_said_with_the_way_out") else {
        return;
    };
    let machine = Machine::new(Duration::from_secs(120))
        .module("virtio_net")
        .nic(Nic::virtio("good", Interface::Modern, Backend::Test))
        .nic(Nic::virtio("old", Interface::Legacy, Backend::Test))
        .nic(Nic::virtio("other", Interface::Modern, Backend::Test))
        // The bridge before this one passes no accesses to ports.
        .nic(Nic::virtio("portless", Interface::Legacy, Backend::Test).behind_port("io-reserve=0"));
    let mut guest = machine.boot(&parts, &programs).unwrap();
    harness::programs_can_be_started(&mut guest);
    let [good, old, other, portless] =
        ["good", "old", "other", "portless"].map(|name| guest.address(name).unwrap());
    let mut refused = |script: &str, words: &[&str]| {
        let (status, output) = guest.status_of(&format!("{{ {script}; }} 2>&1")).unwrap();
        let missing = words.iter().find(|word| !output.contains(**word));
        // Naming a device twice is a wrong argument.
        let expected = if words.contains(&"the same device") { 2 } else { 1 };
        assert!(status == expected && missing.is_none(), "status {status}, {missing:?} not in: {output}");
    };
    let with = |address: &str| format!("ixy-dump {address} -w /dev/null --duration 10");

    let interface = format!("$(basename /sys/bus/pci/devices/{good}/virtio*/net/*)");
    refused(
        &format!("ip link set {interface} up; {}", with(&good)),
        &[&good, "is up", "ip link set eth", "--force"],
    );
    refused(&with(&portless), &[&portless, "no longer answers"]);
    refused(
        &format!("echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd; su nobody -c '{}'", with(&old)),
        &[&old, "run as root"],
    );
    refused("ixy-dump 0000:0f:1f.7 -w /dev/null", &["there is no PCI device 0000:0f:1f.7"]);
    refused(&format!("ixy-fwd {old} {old}"), &[&old, "the same device"]);
    let busy = "already driven by another program";
    refused(&format!("start 1 ixy-dump {other} -w /dev/null && {}", with(&other)), &[&other, busy]);
    // The program that drives it is not disturbed, until the device is reset behind its back.
    refused(
        &format!(
            "kill -0 $program || exit 3; echo 1 >/sys/bus/pci/devices/{other}/reset; wait $program; cat log; false"
        ),
        &[&other, "was reset by somebody else"],
    );
    // All were left in a state in which they can be opened.
    guest.run(&format!("{} --force && {}", with(&good), with(&old))).unwrap();
    harness::the_kernel_is_well(&guest);
}

/// Makes the IOMMU pass the physical addresses of these devices.
fn let_physical_addresses_through(guest: &mut Guest, addresses: &[String]) {
    for address in addresses {
        // The type of a group can only be changed while no driver has a device in it.
        let device = format!("/sys/bus/pci/devices/{address}");
        let unbind = format!("if [ -e {device}/driver ]; then echo {address} >{device}/driver/unbind; fi");
        guest.run(&format!("{unbind} && echo identity >{device}/iommu_group/type")).unwrap();
    }
}

#[test]
fn behind_an_iommu_only_a_device_that_goes_through_it_is_driven_and_only_where_it_lets_through() {
    let test = "behind_an_iommu_only_a_device_that_goes_through_it_is_driven_and_only_where_it_lets_through";
    let Some((parts, programs)) = harness::lab(test) else { return };
    let machine = Machine::new(Duration::from_secs(120)).module("virtio_net").iommu();
    let machine = with_pair(machine, 0, Interface::Modern, "");
    let machine = with_pair(machine, 1, Interface::Modern, "iommu_platform=on");
    let machine = with_pair(machine, 2, Interface::Modern, "iommu_platform=on,ats=on,packed=on");
    let mut guest = machine.boot(&parts, &programs).unwrap();
    harness::programs_can_be_started(&mut guest);
    let pairs = [0, 1, 2].map(|number| ends(&mut guest, number));
    let bypassing = pairs[0].0.clone();
    // The kernel does not report that this pair bypasses the IOMMU.
    let (status, output) = guest.status_of(&format!("ixy-fwd {} 2>&1", bypassing.join(" "))).unwrap();
    let words = ["an IOMMU (of type DMA) blocks physical addresses", "scripts/bind vfio", &bypassing[0]];
    assert!(status == 1 && words.iter().all(|word| output.contains(word)), "{status}, {words:?}: {output}");
    for (number, (addresses, [a, b])) in pairs.into_iter().enumerate() {
        let_physical_addresses_through(&mut guest, &addresses);
        guest.run(&format!("start 2 ixy-fwd {}", addresses.join(" "))).unwrap();
        let log = guest.run("cat log").unwrap();
        assert_eq!(log.contains("ACCESS_PLATFORM"), number > 0, "{log}");
        forwarded(&a, &b, 0, 1_000, Duration::from_secs(20)).unwrap();
        guest.run("stop TERM").unwrap();
    }
    harness::the_kernel_is_well(&guest);
    let log = guest.kernel_log();
    assert!(!log.contains("DMAR: [DMA"), "{log}");
}
