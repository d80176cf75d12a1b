//! Counters that users of real 82599s published, with their figures: what the driver makes of them.
#![allow(clippy::unwrap_used)] // test code

#[allow(dead_code, reason = "other test programs use the rest")]
mod harness;

use harness::{Harness, frame};
use ixy_core::{Batch, Device, DeviceStats, RxQueue};
use ixy_ixgbe::Config;
use ixy_sim::Nic82599;

const CRCERRS: u32 = 0x04000;
const ILLERRC: u32 = 0x04004;
const RLEC: u32 = 0x04040;
const GPTC: u32 = 0x04080;
const GOTCL: u32 = 0x04090;
const GOTCH: u32 = 0x04094;
const ROC: u32 = 0x040ac;

/// The statistics after each register had its value for one reading.
fn stats_with(nic: &Nic82599, device: &impl Device, counters: &[(u32, u32)]) -> DeviceStats {
    counters.iter().for_each(|(register, value)| nic.faults().stick(*register, *value, !value));
    let stats = device.stats().unwrap();
    nic.faults().clear();
    stats
}

#[test]
fn sent_bytes_are_the_counter_without_four_for_each_frame() {
    // Frames and bytes by the card, and bytes by Linux's driver. Beside the check sequences the card counted 3,301
    // bytes more, for example the padding of short frames.
    let (packets, counted, by_linux) = (1_065_750_u32, 8_407_627_498_u64, 8_403_361_197_u64);
    let harness = Harness::new();
    let device = harness.open(&Config::default()).unwrap();
    let bytes = [(GOTCL, counted as u32), (GOTCH, (counted >> 32) as u32)];
    let stats = stats_with(&harness.nic, &device, &[[(GPTC, packets)].as_slice(), &bytes].concat());
    assert_eq!((stats.tx_packets, stats.tx_bytes), (packets.into(), counted - 4 * u64::from(packets)));
    assert_eq!(stats.tx_bytes - by_linux, 3_301);
}

#[test]
fn frames_that_are_too_long_are_errors_beside_those_with_a_wrong_check_sequence() {
    // A card had more of the former than Linux reported errors, which are the other two.
    let (long, crc, linux_errors) = (80_264, 67_302, 67_381);
    let harness = Harness::new();
    let device = harness.open(&Config::default()).unwrap();
    let counters = [(ROC, long), (CRCERRS, crc), (RLEC, linux_errors - crc)];
    let stats = stats_with(&harness.nic, &device, &counters);
    assert_eq!((stats.rx_errors, stats.rx_packets), (u64::from(long + linux_errors), 0));
    assert_eq!(device.stats().unwrap().rx_errors, stats.rx_errors, "the counters are clear again");
}

#[test]
fn errors_that_no_frame_caused_are_errors_and_leave_the_packets_as_they_are() {
    // A card with a bad cable.
    let (errors, crc, packets) = (4_141_831_567_u32, 11_547, 34);
    for register in [RLEC, ILLERRC] {
        let harness = Harness::new();
        let mut device = harness.open(&Config::default()).unwrap();
        let mut rx = device.take_rx_queue(0).unwrap();
        harness.arrive(&(0..packets).map(|n| frame(60, n)).collect::<Vec<_>>());
        for _ in 0..10 {
            harness.nic.poll();
        }
        let mut batch = Batch::new(64);
        assert_eq!(rx.receive(&mut batch), packets as usize);
        let stats = stats_with(&harness.nic, &device, &[(register, errors - crc), (CRCERRS, crc)]);
        let expected = (packets.into(), 60 * u64::from(packets), errors.into(), 0);
        assert_eq!((stats.rx_packets, stats.rx_bytes, stats.rx_errors, stats.rx_missed), expected);
        // They exceed 32 bits with the next growth.
        let stats = stats_with(&harness.nic, &device, &[(register, errors)]);
        assert_eq!((stats.rx_errors, stats.rx_packets), (2 * u64::from(errors), packets.into()));
    }
}
