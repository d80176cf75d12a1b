//! The programs sleep on QEMU's virtio devices, behind an IOMMU, until an interrupt.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod harness;

use std::fmt::Write;
use std::time::Duration;

use ixy_lab::{Backend, Guest, Interface, Machine, Nic, Port, forwarded};

/// Pairs of devices: QEMU's options for both, and the delivery of their interrupts. Without MSI-X a device has the
/// pin.
const KINDS: [(&str, &str); 6] = [
    ("", "MSI-X"),
    ("event_idx=off", "MSI-X"),
    ("packed=on", "MSI-X"),
    ("packed=on,event_idx=off", "MSI-X"),
    ("vectors=0", "INTx"),
    ("packed=on,vectors=0", "INTx"),
];

#[test]
fn a_thread_that_sleeps_on_virtio_devices_is_woken_for_each_frame() {
    let Some((parts, programs)) =
        harness::lab("a_thread_that_sleeps_on_virtio_devices_is_woken_for_each_frame")
    else {
        return;
    };
    let mut machine = Machine::new(Duration::from_secs(240)).iommu_of(39);
    machine = machine.module("vfio-pci").module("vfio_iommu_type1");
    for (number, (options, _)) in KINDS.iter().enumerate() {
        for end in ["a", "b"] {
            let nic = Nic::virtio(format!("{end}{number}"), Interface::Modern, Backend::Test);
            machine = machine.nic(nic.options("iommu_platform=on").options(options));
        }
    }
    let mut guest = machine.boot(&parts, &programs).unwrap();
    harness::programs_can_be_started(&mut guest);
    let mut wrong = String::new();
    for (number, (options, delivery)) in KINDS.iter().enumerate() {
        let addresses = ["a", "b"].map(|end| guest.address(&format!("{end}{number}")).unwrap());
        let ports = ["a", "b"].map(|end| guest.port(&format!("{end}{number}")).unwrap());
        // The other wait modes behave the same in both.
        let waits = if number < 2 { &["interrupt", "adaptive"][..] } else { &["interrupt"] };
        for wait in waits {
            if let Err(what) = woken(&mut guest, &addresses, &ports, wait, delivery) {
                writeln!(wrong, "with the options {options:?} and --wait {wait}: {what}").unwrap();
            }
        }
    }
    harness::the_kernel_is_well(&guest);
    assert!(wrong.is_empty(), "{wrong}");
}

/// Sends bursts, and single frames with pauses between them, through a forwarder that sleeps in between. It sleeps
/// 100 ms at most, and counts the sleeps that end so with work to do: every frame without an interrupt would
/// count.
fn woken(
    guest: &mut Guest,
    addresses: &[String; 2],
    [a, b]: &[Port; 2],
    wait: &str,
    delivery: &str,
) -> Result<(), String> {
    const SINGLE: u32 = 60;
    let both = addresses.join(" ");
    for address in addresses {
        guest
            .run(&format!(
                "[ -e /sys/bus/pci/drivers/vfio-pci/{address} ] || {{
                     echo {address} >/sys/bus/pci/devices/{address}/driver/unbind
                     echo vfio-pci >/sys/bus/pci/devices/{address}/driver_override
                     echo {address} >/sys/bus/pci/drivers_probe
                 }}"
            ))
            .unwrap();
    }
    guest.run(&format!("start 2 ixy-fwd {both} --wait {wait}")).map_err(|error| error.to_string())?;
    let mut passed = Ok(());
    for stream in 0..2 {
        passed = passed
            .and_then(|()| forwarded(a, b, stream, 500, Duration::from_secs(30)))
            .and_then(|()| forwarded(b, a, stream, 200, Duration::from_secs(30)));
        for single in 0..SINGLE / 2 {
            std::thread::sleep(Duration::from_millis(u64::from(single) * 7 % 30));
            let (from, to) = if single % 3 == 0 { (b, a) } else { (a, b) };
            passed = passed.and_then(|()| forwarded(from, to, 9, 1, Duration::from_secs(5)));
        }
    }
    let stopped = guest.run("stop TERM");
    let log = guest.run("cat log").unwrap();
    passed.map_err(|error| format!("{error}\n{log}"))?;
    stopped.map_err(|error| format!("{error}\n{log}"))?;
    let counted = |name: &str| {
        let after = log.split_once(name)?.1;
        after.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
    };
    let (slept, overslept) = (counted(" slept="), counted(" overslept="));
    harness::say(&format!("{delivery}, {wait}: slept {slept:?}, overslept {overslept:?}\n"));
    if log.matches(&format!(" kind={delivery} vectors=1 rate=")).count() != 2 {
        return Err(format!("{delivery} is not what interrupts: {log}"));
    }
    match (slept, overslept) {
        // A few are allowed: on a busy machine the interrupt comes to one processor of the guest after the timer
        // has woken another.
        (Some(slept), Some(overslept)) if slept > SINGLE / 2 && overslept < slept / 20 => Ok(()),
        _ => Err(format!("it slept {slept:?} times, {overslept:?} of them too long: {log}")),
    }
}
