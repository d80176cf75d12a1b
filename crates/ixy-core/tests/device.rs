//! Addresses, links and counters in their printed form.

use ixy_core::{DeviceStats, LinkState, MacAddress};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_ethernet_address_is_read_as_it_is_written(bytes: [u8; 6]) {
        let mac = MacAddress(bytes);
        prop_assert_eq!(mac.to_string().parse::<MacAddress>(), Ok(mac));
        prop_assert_eq!(mac.to_string().to_uppercase().parse::<MacAddress>(), Ok(mac));
        prop_assert_eq!(MacAddress::from(mac.octets()), mac);
        prop_assert_eq!(<[u8; 6]>::from(mac), bytes);
    }
}

#[test]
fn what_is_no_ethernet_address_is_refused_by_name() {
    for text in
        ["", "1:2:3:4:5", "1:2:3:4:5:6:7", "1:2:3:4:5:6:", "001:2:3:4:5:6", "+1:2:3:4:5:6", "1:2:3::5:6"]
    {
        let error = text.parse::<MacAddress>().unwrap_err();
        assert!(error.to_string().starts_with(&format!("`{text}`")), "{error}");
    }
}

#[test]
fn the_lowest_bit_of_the_first_byte_makes_an_address_multicast() {
    let is_multicast = |text: &str| text.parse::<MacAddress>().unwrap().is_multicast();
    assert!(is_multicast("ff:ff:ff:ff:ff:ff") && is_multicast("01:00:5e:00:00:01"));
    assert!(!is_multicast("02:ff:ff:ff:ff:ff"));
}

#[test]
fn a_link_shows_its_speed_only_when_it_is_up() {
    let show = |up, speed| LinkState { up, speed }.to_string();
    assert_eq!(
        [show(true, 10_000), show(true, 0), show(false, 10_000)],
        ["up at 10000 Mbit/s", "up", "down"]
    );
}

#[test]
fn ten_gigabit_are_fourteen_point_eight_eight_million_of_the_shortest_frames() {
    // 60 bytes and a check sequence of 4, then 20 bytes of preamble and gap: 84 bytes on the wire.
    let before =
        DeviceStats { rx_packets: 5, rx_bytes: 300, tx_packets: 7, tx_bytes: 420, ..Default::default() };
    let now = DeviceStats {
        rx_packets: 14_880_957,
        rx_bytes: 14_880_957 * 60,
        tx_packets: 8,
        tx_bytes: 480,
        ..Default::default()
    };
    let second = now - before;
    assert_eq!(second.rx_packets, 14_880_952);
    assert_eq!(second.rx_wire_bits(), 14_880_952 * 84 * 8);
    assert_eq!(second.tx_wire_bits(), 84 * 8);
    assert_eq!(before - now, DeviceStats::default(), "counters do not run backwards");
}
