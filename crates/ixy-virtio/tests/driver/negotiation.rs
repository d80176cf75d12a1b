//! The features that are negotiated with a device, and their effects.

use ixy_core::{Device, MacAddress};
use ixy_virtio::Config;

use crate::device::{
    Answer, Command, Options, SET_ALL_MULTICAST, SET_MAC, SET_PROMISCUOUS, SET_QUEUE_PAIRS, feature, status,
};
use crate::harness::{Harness, Interface, frames};

fn with(features: u64) -> Options {
    Options { features, ..Options::default() }
}

fn modern(features: u64) -> Options {
    with(feature::VERSION_1 | features)
}

#[test]
fn a_modern_device_needs_no_feature_but_version_1() {
    let harness = Harness::new(modern(0));
    let (device, mut rx, mut tx) = harness.start(&Config::default());
    assert_eq!(harness.device.accepted(), feature::VERSION_1);
    let all = frames(100);
    assert!(harness.pass(&mut rx, &all) == all && harness.send(&mut tx, &all) == all);
    assert!(device.link().up && device.stats().is_ok());
    assert_eq!((device.driver(), device.address(), device.queues()), ("virtio", "test", 1));
}

#[test]
fn a_legacy_device_needs_no_feature() {
    let harness = Harness::legacy(with(0));
    let (device, mut rx, mut tx) = harness.start(&Config::default());
    assert_eq!(harness.device.accepted(), 0);
    let all = frames(100);
    assert!(harness.pass(&mut rx, &all) == all && harness.send(&mut tx, &all) == all);
    assert!(device.link().up && device.stats().is_ok());
}

#[test]
fn any_one_feature_can_be_missing() {
    let useful = feature::USEFUL & !feature::MQ;
    for interface in [Interface::Legacy, Interface::Modern] {
        for bit in (0..64).map(|bit| 1 << bit).filter(|bit| useful & bit != 0) {
            let features =
                useful & !bit | if interface == Interface::Modern { feature::VERSION_1 } else { 0 };
            let harness = Harness::build(with(features), interface, 2048);
            let (device, mut rx, mut tx) = harness.start(&Config::default());
            assert_eq!(harness.device.accepted() & bit & !feature::VERSION_1, 0);
            let all = frames(40);
            assert!(harness.pass(&mut rx, &all) == all, "{interface:?} without {bit:#x}");
            assert!(harness.send(&mut tx, &all) == all, "{interface:?} without {bit:#x}");
            drop((device, rx, tx));
            harness.all_is_back();
        }
    }
}

/// The device itself records features that a driver without offloads cannot use.
#[test]
fn of_a_device_that_offers_everything_only_what_is_of_use_is_taken() {
    for interface in [Interface::Legacy, Interface::Modern] {
        let harness = Harness::build(with(u64::MAX), interface, 2048);
        let (_device, mut rx, mut tx) = harness.start(&Config::default());
        let all = frames(40);
        assert!(harness.pass(&mut rx, &all) == all && harness.send(&mut tx, &all) == all, "{interface:?}");
        let accepted = harness.device.accepted();
        assert_eq!(accepted & (feature::CSUM | feature::GUEST_CSUM), 0, "nobody asked for checksums");
        let wanted = match interface {
            Interface::Legacy => feature::CONTROL | feature::MAC | feature::STATUS | feature::MRG_RXBUF,
            Interface::Modern => feature::RING_PACKED | feature::IN_ORDER | feature::ACCESS_PLATFORM,
        };
        assert_eq!(accepted & wanted, wanted, "{interface:?}: {accepted:#x}");
        assert_eq!(accepted >> 32 == 0, interface == Interface::Legacy);
    }
}

#[test]
fn a_modern_device_without_version_1_is_refused() {
    let harness = Harness::new(with(feature::MAC | feature::STATUS));
    let error = harness.refusal(&Config::default());
    assert!(error.contains("test") && error.contains("VERSION_1"), "{error}");
    assert_eq!(harness.device.status() & status::DRIVER_OK, 0);
    harness.all_is_back();
}

#[test]
fn behind_an_iommu_a_device_has_to_say_that_it_minds_it() {
    let config = Config { behind_iommu: true, ..Config::default() };
    let harness = Harness::new(modern(feature::MAC));
    let error = harness.refusal(&config);
    assert!(error.contains("ACCESS_PLATFORM") && error.contains("iommu_platform=on"), "{error}");
    harness.all_is_back();
    let legacy = Harness::legacy(with(feature::MAC));
    let error = legacy.refusal(&config);
    assert!(error.contains("ACCESS_PLATFORM"), "{error}");
    legacy.all_is_back();
    let harness = Harness::new(modern(feature::ACCESS_PLATFORM | feature::ORDER_PLATFORM));
    let _device = harness.open(&config).unwrap();
    let both = feature::ACCESS_PLATFORM | feature::ORDER_PLATFORM;
    // The order of memory accesses that ORDER_PLATFORM asks for is kept on x86 only.
    let taken = if cfg!(target_arch = "x86_64") { both } else { feature::ACCESS_PLATFORM };
    assert_eq!(harness.device.accepted() & both, taken);
}

#[test]
fn a_device_that_refuses_its_own_features_is_refused() {
    let harness = Harness::new(modern(feature::MAC));
    harness.device.fault(|faults| faults.features_refused = true);
    let error = harness.refusal(&Config::default());
    assert!(error.contains("test") && error.contains("MAC") && error.contains("accept"), "{error}");
    harness.all_is_back();
    harness.device.fault(|faults| faults.features_refused = false);
    harness.open(&Config::default()).unwrap();
}

#[test]
fn the_address_is_the_devices_own() {
    for harness in [Harness::new(modern(feature::MAC)), Harness::legacy(with(feature::MAC))] {
        harness.device.lock().net.mac = [2, 0x11, 0x22, 0x33, 0x44, 0x55];
        let device = harness.open(&Config::default()).unwrap();
        assert_eq!(device.mac().to_string(), "02:11:22:33:44:55");
    }
}

#[test]
fn a_device_without_an_address_gets_one_that_is_nobodys() {
    for harness in [Harness::new(modern(0)), Harness::legacy(with(0))] {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let device = harness.open(&Config::default()).unwrap();
            let MacAddress([first, ..]) = device.mac();
            assert_eq!(first & 3, 2, "{} is a group's or a maker's", device.mac());
            seen.insert(device.mac().to_string());
        }
        assert!(seen.len() > 10, "{seen:?}");
    }
}

#[test]
fn the_link_is_what_the_device_says() {
    for speed in [0, feature::SPEED_DUPLEX] {
        let harness = Harness::new(modern(feature::STATUS | speed));
        let device = harness.open(&Config::default()).unwrap();
        let expected = if speed == 0 { 0 } else { 10_000 };
        assert_eq!((device.link().up, device.link().speed), (true, expected));
        harness.device.lock().net.link = false;
        assert_eq!((device.link().up, device.link().speed), (false, 0));
    }
    let harness = Harness::legacy(with(feature::STATUS));
    let device = harness.open(&Config::default()).unwrap();
    harness.device.lock().net.link = false;
    assert!(!device.link().up);
}

/// The devices of some hosts end with their last field.
#[test]
fn a_configuration_that_ends_with_what_is_offered_is_enough() {
    for (features, len) in [(0, 0), (feature::MAC, 8), (feature::MAC | feature::STATUS, 8)] {
        for (harness, version) in [
            (Harness::legacy(Options { config_len: len, ..with(features) }), 0),
            (Harness::new(Options { config_len: len.max(1), ..modern(features) }), feature::VERSION_1),
        ] {
            let device = harness.open(&Config::default()).unwrap();
            assert_eq!(harness.device.accepted(), features | version);
            assert!(device.link().up);
        }
    }
}

fn command(code: (u8, u8), data: &[u8]) -> Command {
    Command { code, data: data.to_vec() }
}

#[test]
fn the_device_is_told_which_frames_to_receive() {
    for promiscuous in [true, false] {
        let features = feature::CONTROL | feature::MAC;
        for harness in [Harness::new(modern(features)), Harness::legacy(with(features))] {
            let mut device = harness.open(&Config { promiscuous, ..Config::default() }).unwrap();
            assert_eq!(harness.device.commands(), [command(SET_PROMISCUOUS, &[promiscuous.into()])]);
            device.set_promiscuous(!promiscuous).unwrap();
            device.set_multicast(true).unwrap();
            device.set_multicast(false).unwrap();
            device.set_mac(MacAddress([2, 3, 4, 5, 6, 7])).unwrap();
            let expected = [
                command(SET_PROMISCUOUS, &[(!promiscuous).into()]),
                command(SET_ALL_MULTICAST, &[1]),
                command(SET_ALL_MULTICAST, &[0]),
                command(SET_MAC, &[2, 3, 4, 5, 6, 7]),
            ];
            assert_eq!(harness.device.commands()[1..], expected);
            assert_eq!(device.mac().to_string(), "02:03:04:05:06:07");
            assert_eq!(harness.device.lock().net.mac, [2, 3, 4, 5, 6, 7]);
        }
    }
}

#[test]
fn a_device_without_an_address_is_told_the_one_that_was_made_up() {
    let harness = Harness::new(modern(feature::CONTROL));
    let device = harness.open(&Config { promiscuous: false, ..Config::default() }).unwrap();
    let mac = device.mac();
    assert!(!mac.is_multicast() && mac.0[0] & 2 != 0, "{mac} is locally administered");
    assert_eq!(harness.device.commands(), [command(SET_MAC, &mac.0), command(SET_PROMISCUOUS, &[0])]);
    assert_eq!(harness.device.lock().net.mac, mac.0);
}

#[test]
fn many_commands_pass_on_a_queue_of_few_entries() {
    for ring in [0, feature::RING_PACKED] {
        for order in [0, feature::IN_ORDER] {
            for event in [0, feature::EVENT_IDX] {
                let features = feature::CONTROL | feature::MAC | ring | order | event;
                let harness = Harness::new(Options { control_size: 4, ..modern(features) });
                let mut device = harness.open(&Config::default()).unwrap();
                for n in 0..200_u8 {
                    device.set_promiscuous(n % 2 == 0).unwrap();
                }
                assert_eq!(harness.device.commands().len(), 201);
                assert_eq!(harness.device.doorbells(2).missed, 0);
            }
        }
    }
}

#[test]
fn an_address_that_no_device_can_have_is_refused() {
    let harness = Harness::new(modern(feature::CONTROL | feature::MAC));
    let mut device = harness.open(&Config::default()).unwrap();
    let before = device.mac();
    for (wrong, text) in [([1, 0, 0, 0, 0, 1], "01:00:00:00:00:01"), ([0; 6], "00:00:00:00:00:00")] {
        let error = device.set_mac(MacAddress(wrong)).unwrap_err().to_string();
        assert!(error.contains(&format!("{text} cannot be a device's own address")), "{error}");
    }
    assert_eq!((device.mac(), harness.device.commands().len()), (before, 1));
}

#[test]
fn without_a_control_queue_a_legacy_device_gets_its_address_by_its_registers() {
    let harness = Harness::legacy(with(feature::MAC));
    let mut device = harness.open(&Config::default()).unwrap();
    device.set_mac(MacAddress([2, 9, 8, 7, 6, 5])).unwrap();
    assert_eq!(harness.device.lock().net.mac, [2, 9, 8, 7, 6, 5]);
    let harness = Harness::new(modern(feature::MAC));
    let mut device = harness.open(&Config::default()).unwrap();
    let before = device.mac();
    let error = device.set_mac(MacAddress([2, 9, 8, 7, 6, 5])).unwrap_err().to_string();
    assert!(error.contains("CTRL_MAC_ADDR"), "{error}");
    assert_eq!(device.mac(), before);
}

#[test]
fn several_pairs_are_asked_for_by_command() {
    let features = feature::CONTROL | feature::MQ;
    let harness = Harness::new(Options { pairs: 4, ..modern(features) });
    let device = harness.open(&Config { queues: 3, ..Config::default() }).unwrap();
    assert_eq!(device.queues(), 3);
    let pairs: Vec<_> = harness.device.commands().into_iter().filter(|c| c.code == SET_QUEUE_PAIRS).collect();
    assert_eq!(pairs, [command(SET_QUEUE_PAIRS, &[3, 0])]);
}

/// The control queue follows all pairs that the device has with MQ, and the first one without.
#[test]
fn the_control_queue_is_found_whatever_the_pairs() {
    for queues in [1, 2, 5] {
        for interface in [Interface::Modern, Interface::Legacy] {
            let version = if interface == Interface::Modern { feature::VERSION_1 } else { 0 };
            let features = feature::CONTROL | feature::MQ | version;
            let harness = Harness::build(Options { pairs: 5, ..with(features) }, interface, 8192);
            let mut device = harness.open(&Config { queues, ..Config::default() }).unwrap();
            device.set_multicast(true).unwrap();
            assert_eq!(harness.device.commands().last(), Some(&command(SET_ALL_MULTICAST, &[1])));
        }
    }
}

#[test]
fn more_pairs_than_there_are_are_refused() {
    let features = feature::CONTROL | feature::MQ;
    let harness = Harness::new(Options { pairs: 2, ..modern(features) });
    let error = harness.refusal(&Config { queues: 3, ..Config::default() });
    assert!(error.contains("2 queue pair") && error.contains('3') && error.contains("mq=on"), "{error}");
    harness.all_is_back();
    let harness = Harness::new(Options { pairs: 2, ..modern(feature::CONTROL) });
    let error = harness.refusal(&Config { queues: 2, ..Config::default() });
    assert!(error.contains("1 queue pair"), "{error}");
    harness.all_is_back();
}

/// The device is reset between two drivers, so that nothing remains of the first.
#[test]
fn a_device_can_be_opened_again_and_again() {
    for interface in [Interface::Modern, Interface::Legacy] {
        let version = if interface == Interface::Modern { feature::VERSION_1 } else { 0 };
        let harness = Harness::build(with(feature::USEFUL & !feature::VERSION_1 | version), interface, 2048);
        for _ in 0..20 {
            let (device, mut rx, mut tx) = harness.start(&Config::default());
            let all = frames(100);
            assert!(harness.pass(&mut rx, &all) == all && harness.send(&mut tx, &all) == all);
            drop((device, rx, tx));
            harness.all_is_back();
        }
    }
}

#[test]
fn a_command_that_is_refused_is_an_error_that_names_it_and_changes_nothing() {
    for (answer, ack) in [(Answer::Error, "0x01"), (Answer::Nonsense, "0x77"), (Answer::Nothing, "0xff")] {
        let harness = Harness::new(modern(feature::CONTROL | feature::MAC));
        let mut device = harness.open(&Config::default()).unwrap();
        let before = device.mac();
        harness.device.fault(|faults| faults.answer = answer);
        let error = device.set_mac(MacAddress([2, 3, 4, 5, 6, 7])).unwrap_err().to_string();
        assert!(error.contains("test") && error.contains("MAC") && error.contains(ack), "{error}");
        assert_eq!(device.mac(), before);
        let error = device.set_promiscuous(false).unwrap_err().to_string();
        assert!(error.contains("promiscuous"), "{error}");
        harness.device.fault(|faults| faults.answer = Answer::Ok);
        device.set_promiscuous(false).unwrap();
        assert!(device.stats().is_ok());
    }
}
