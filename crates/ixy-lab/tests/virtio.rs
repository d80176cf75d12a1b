//! The programs on QEMU's virtio devices.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod bench;

use std::{fmt::Write, time::Duration};

use ixy_lab::{Backend, Guest, Interface, Machine, Nic, forwarded};

/// A pair of devices: QEMU's options for both, and what must be negotiated and what must not.
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

/// 10,000 numbered frames the one way, and some the other, through ixy-fwd between two devices of each variant. The features
/// that were negotiated are read from its log.
fn frames_pass(test: &str, interface: Interface, variants: &[Variant]) {
    let Some((parts, programs)) = bench::lab(test) else { return };
    let mut machine = Machine::new(Duration::from_secs(240));
    for (number, (options, ..)) in variants.iter().enumerate() {
        for end in ["a", "b"] {
            let nic = Nic::virtio(format!("{end}{number}"), interface, Backend::Test);
            machine = machine.nic(nic.options(options));
        }
    }
    // The kernel's driver has the devices first.
    let mut guest = machine.module("virtio_net").boot(&parts, &programs).unwrap();
    bench::programs_can_be_started(&mut guest);
    let mut wrong = String::new();
    for (number, variant) in variants.iter().enumerate() {
        if let Err(what) = pair(&mut guest, number, variant) {
            writeln!(wrong, "with the options {:?}: {what}", variant.0).unwrap();
        }
    }
    bench::the_kernel_is_well(&guest);
    assert!(wrong.is_empty(), "{wrong}");
}

fn pair(guest: &mut Guest, number: usize, variant: &Variant) -> Result<(), String> {
    let (_, chosen, not_chosen) = variant;
    let [a, b] = ["a", "b"].map(|end| format!("{end}{number}"));
    let (to_a, to_b) = (guest.address(&a).unwrap(), guest.address(&b).unwrap());
    let (a, b) = (guest.port(&a).unwrap(), guest.port(&b).unwrap());
    guest.run(&format!("start 2 ixy-fwd {to_a} {to_b}")).map_err(|error| error.to_string())?;
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
