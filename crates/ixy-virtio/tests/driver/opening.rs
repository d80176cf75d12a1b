//! Devices that cannot be opened. The error names the cause, comes in time, and all memory is back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ixy_core::{Device, Mempool};
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_virtio::{Config, Structures, Transport};

use crate::device::{Answer, Options, Window, feature, status};
use crate::harness::{Harness, Interface, frames};

fn modern(features: u64) -> Options {
    Options { features: feature::VERSION_1 | features, ..Options::default() }
}

/// The error with which opening fails, within a time limit, and with everything at rest after it.
fn refusal(harness: &Harness, config: &Config) -> String {
    let start = Instant::now();
    let error = harness.refusal(config);
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}: {error}", start.elapsed());
    harness.all_is_back();
    error
}

#[test]
fn a_queue_that_is_absent_is_named() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let version = if interface == Interface::Modern { feature::VERSION_1 } else { 0 };
        let options = Options { features: version | feature::CONTROL, ..Options::default() };
        for (options, name) in [
            (Options { rx_size: 0, ..options.clone() }, "receive queue 0"),
            (Options { tx_size: 0, ..options.clone() }, "transmit queue 0"),
            (Options { control_size: 0, ..options }, "control queue"),
        ] {
            let harness = Harness::build(options, interface, 2048);
            let error = refusal(&harness, &Config::default());
            assert!(error.contains("test") && error.contains(name), "{interface:?}: {error}");
        }
    }
}

#[test]
fn a_split_ring_whose_size_is_no_power_of_two_is_refused() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let version = if interface == Interface::Modern { feature::VERSION_1 } else { 0 };
        for size in [3, 100, 255, 257, 32767, 65535] {
            let options = Options { features: version, tx_size: size, ..Options::default() };
            let error = refusal(&Harness::build(options, interface, 2048), &Config::default());
            let names = error.contains("transmit queue 0") && error.contains(&size.to_string());
            assert!(names, "{interface:?}, {size}: {error}");
        }
    }
    let error = refusal(
        &Harness::new(Options { rx_size: 32769, ..modern(feature::RING_PACKED) }),
        &Config::default(),
    );
    assert!(error.contains("receive queue 0") && error.contains("32769"), "{error}");
}

#[test]
fn a_ring_too_small_for_a_header_and_a_frame_is_refused() {
    let options = Options { features: 0, rx_size: 1, ..Options::default() };
    let error = refusal(&Harness::legacy(options), &Config::default());
    assert!(error.contains("receive queue 0"), "{error}");
}

#[test]
fn a_reset_that_never_ends_is_an_error_in_time() {
    for harness in [Harness::new(modern(0)), Harness::legacy(Options { features: 0, ..Options::default() })] {
        // An earlier driver left it running.
        std::mem::forget(harness.start(&Config::default()));
        harness.device.fault(|faults| faults.reset_never_ends = true);
        let start = Instant::now();
        let error = harness.refusal(&Config::default());
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(error.contains("test") && error.contains("reset"), "{error}");
        assert!(harness.device.is_quiet(), "bus mastering is on again");
        harness.device.fault(|faults| faults.reset_never_ends = false);
        harness.open(&Config::default()).unwrap();
    }
}

#[test]
fn a_reset_that_takes_its_time_is_waited_for() {
    for reads in [1, 2, 3, 100] {
        let harness = Harness::new(Options { reset_reads: reads, ..modern(feature::MAC) });
        for _ in 0..3 {
            let (device, mut rx, mut tx) = harness.start(&Config::default());
            let all = frames(50);
            assert!(harness.pass(&mut rx, &all) == all && harness.send(&mut tx, &all) == all);
            harness.device.arrive(0, &all);
            drop((device, rx, tx));
            harness.all_is_back();
            harness.device.poll();
            harness.device.lock().net.arriving[0].clear();
        }
    }
}

#[test]
fn a_configuration_that_keeps_changing_is_an_error_in_time() {
    for features in [feature::MAC, feature::CONTROL | feature::MQ] {
        let harness = Harness::new(Options { pairs: 2, ..modern(features) });
        harness.device.fault(|faults| faults.generation_changes = true);
        let error = refusal(
            &harness,
            &Config { queues: if features == feature::MAC { 1 } else { 2 }, ..Config::default() },
        );
        assert!(error.contains("test") && error.contains("config_generation"), "{error}");
    }
}

#[test]
fn a_configuration_without_what_is_offered_is_an_error_that_names_it() {
    for (features, len) in [(feature::MAC, 5), (feature::MQ | feature::CONTROL, 8)] {
        let harness = Harness::new(Options { config_len: len, pairs: 2, ..modern(features) });
        let queues = if features == feature::MAC { 1 } else { 2 };
        let error = refusal(&harness, &Config { queues, ..Config::default() });
        assert!(error.contains("device configuration"), "{error}");
    }
}

#[test]
fn windows_that_are_too_small_are_refused_by_name() {
    let harness = Harness::new(modern(0));
    let bus = |window, len| {
        let mut bus = harness.device.bus(window);
        bus.len = len;
        bus
    };
    let build = |common, notify, isr| {
        let (common, notify) = (bus(Window::Common, common), bus(Window::Notify, notify));
        let (isr, device) = (bus(Window::Isr, isr), bus(Window::Config, 24));
        Transport::modern(Structures { common, notify, notify_multiplier: 4, isr, device })
    };
    assert!(build(0x38, 12, 1).is_ok());
    for (common, isr, name) in [(0x37, 1, "common configuration"), (0, 1, "common"), (0x38, 0, "ISR")] {
        let error = build(common, 12, isr).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let mut port = harness.device.bus(Window::Legacy);
    port.len = 19;
    let error = Transport::legacy(port).unwrap_err().to_string();
    assert!(error.contains("legacy") && error.contains("19"), "{error}");
    // The doorbell of the transmit queue would be at 4 and 5.
    for len in [0, 1, 2, 4, 5] {
        let domain: Arc<dyn DmaDomain> = harness.domain.clone();
        let (transport, master) = (build(0x38, len, 1).unwrap(), harness.device.bus_master());
        // SAFETY: ARMED-ONLY: all belong to one device, which nothing else drives.
        let result = unsafe { Config::default().open("test", transport, &domain, master, &harness.pool) };
        let error = result.unwrap_err().to_string();
        assert!(error.contains("notifications"), "{len} bytes: {error}");
        harness.all_is_back();
    }
}

#[test]
fn doorbells_may_all_be_the_same_one() {
    for multiplier in [0, 2, 4, 4096] {
        let harness =
            Harness::new(Options { notify_multiplier: multiplier, sleeps: true, ..modern(feature::CONTROL) });
        let (_device, mut rx, mut tx) = harness.start(&Config::default());
        let all = frames(300);
        assert!(harness.pass(&mut rx, &all) == all && harness.send(&mut tx, &all) == all, "{multiplier}");
    }
}

/// A legacy ring has a page number of 32 bits.
#[test]
fn a_legacy_ring_beyond_what_the_device_reaches_is_refused() {
    let mut harness = Harness::legacy(Options { features: 0, ..Options::default() });
    let high = Arc::new(SimulatedDomain::default());
    harness.pool = Mempool::new(high.clone(), 2048).unwrap();
    harness.domain = high;
    let error = refusal(&harness, &Config::default());
    assert!(error.contains("test") && error.contains("16 TiB"), "{error}");
}

#[test]
fn a_pool_too_small_or_out_of_reach_is_refused() {
    let harness = Harness::build(modern(0), Interface::Modern, 100);
    let error = refusal(&harness, &Config { rx_ring: 128, ..Config::default() });
    assert!(error.contains("128") && error.contains("100"), "{error}");
    let mut harness = Harness::new(modern(0));
    harness.pool = Mempool::new(Arc::new(SimulatedDomain::default()), 2048).unwrap();
    let error = refusal(&harness, &Config::default());
    assert!(error.contains("cannot reach the memory of the packet pool"), "{error}");
}

#[test]
fn a_device_that_is_gone_is_an_error() {
    for harness in [Harness::new(modern(0)), Harness::legacy(Options { features: 0, ..Options::default() })] {
        harness.device.fault(|faults| faults.vanished = true);
        let error = refusal(&harness, &Config::default());
        assert!(error.contains("test") && error.contains("all ones"), "{error}");
    }
}

#[test]
fn a_device_that_fails_as_it_starts_is_an_error() {
    let harness = Harness::new(modern(feature::CONTROL));
    harness.device.fault(|faults| faults.needs_reset_at_start = true);
    let error = refusal(&harness, &Config::default());
    assert!(error.contains("test") && error.contains("NEEDS_RESET"), "{error}");
}

#[test]
fn a_first_command_that_is_not_answered_is_an_error_in_time() {
    let wanted = [
        (Answer::Never, "promiscuous"),
        (Answer::Error, "promiscuous"),
        (Answer::WrongId, "control queue"),
        (Answer::Nothing, "promiscuous"),
    ];
    for (answer, name) in wanted {
        for ring in [0, feature::RING_PACKED] {
            let harness = Harness::new(modern(feature::CONTROL | ring));
            harness.device.fault(|faults| faults.answer = answer);
            if answer == Answer::WrongId {
                harness.device.lie(2, crate::device::Lie::Id(0x7fff));
            }
            let error = refusal(&harness, &Config::default());
            assert!(error.contains("test") && error.contains(name), "{answer:?}: {error}");
        }
    }
}

#[test]
fn pairs_that_the_device_only_claims_to_have_are_refused() {
    for claimed in [0, 3, 100, 0x8000, 0xffff] {
        let features = feature::CONTROL | feature::MQ;
        let harness = Harness::build(
            Options { pairs: 2, lies_about_pairs: Some(claimed), ..modern(features) },
            Interface::Modern,
            8192,
        );
        let error = refusal(&harness, &Config { queues: 2, ..Config::default() });
        assert!(error.contains("test") && error.contains("queue"), "{claimed}: {error}");
    }
}

/// A queue left on by a killed program does not write into memory that others own by now.
#[test]
fn what_a_killed_program_left_running_does_not_write_into_new_memory() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let version = if interface == Interface::Modern { feature::VERSION_1 } else { 0 };
        let harness = Harness::build(Options { features: version, ..Options::default() }, interface, 4096);
        let (device, mut old, tx) = harness.start(&Config::default());
        std::mem::forget(device);
        std::mem::forget(tx);
        let all = frames(20);
        assert!(harness.pass(&mut old, &all) == all);
        std::mem::forget(old);
        let (_device, mut rx, _tx) = harness.start(&Config::default());
        assert!(harness.pass(&mut rx, &all) == all, "{interface:?}");
    }
}

#[test]
fn a_failed_device_says_so_to_its_host() {
    let harness = Harness::new(Options { features: 0, ..Options::default() });
    let before = harness.device.resets();
    refusal(&harness, &Config::default());
    assert!(harness.device.resets() > before + 1, "it was not reset after the failure");
    assert_eq!(harness.device.status() & status::DRIVER_OK, 0);
}

#[test]
fn numbers_out_of_range_are_refused_before_the_device_is_touched() {
    let harness = Harness::new(modern(0));
    let before = harness.device.resets();
    for config in [
        Config { queues: 0, ..Config::default() },
        Config { queues: 65, ..Config::default() },
        Config { rx_ring: 100, ..Config::default() },
        Config { tx_ring: 32, ..Config::default() },
        Config { tx_ring: 8192, ..Config::default() },
    ] {
        let error = refusal(&harness, &config);
        assert!(error.contains("not possible"), "{error}");
    }
    assert_eq!(harness.device.resets(), before);
    assert_eq!(harness.open(&Config::default()).unwrap().queues(), 1);
}
