//! Frames in memory as a card's wire, and addresses built by a program, as in a test of a program's packet code.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use ixy::{Address, Batch, Device, DeviceStats, MacAddress, MemoryWire, Options, Stop};

/// A device whose loops end after 30 seconds.
fn open(address: impl Into<Address>) -> Device {
    let options = Options::default().stop(&Stop::new().after(Duration::from_secs(30)));
    ixy::open(&[address.into()], &options).unwrap().remove(0)
}

/// Sends frames back, with the first byte changed, until the input ends.
fn send_back(mut device: Device) -> DeviceStats {
    let (mut rx, mut tx) = (device.rx_queue(0).unwrap(), device.tx_queue(0).unwrap());
    let mut batch = Batch::new(32);
    while device.receive(&mut *rx, &mut batch).is_some() {
        batch.iter_mut().for_each(|packet| packet[0] ^= 1);
        // Unsent frames were changed already, so they have to go before others come.
        while !batch.is_empty() {
            tx.send(&mut batch);
        }
    }
    assert_eq!(device.send_all(&mut *tx, &mut batch), 0);
    assert!(device.input_ended(), "the input did not end within 30 s");
    let stats = device.stats().unwrap();
    drop((batch, rx, tx));
    device.close().unwrap();
    stats
}

#[test]
fn a_program_gives_a_card_frames_and_takes_those_that_it_sent() {
    const FRAMES: u32 = 5000;
    let frame = |n: u32| [&n.to_be_bytes()[..], &vec![n as u8; 16 + n as usize % 1490]].concat();
    let wire: MemoryWire = (0..FRAMES).map(frame).collect();
    let stats = send_back(open(Address::sim().memory(&wire)));
    assert_eq!((stats.rx_packets, stats.tx_packets), (FRAMES.into(), FRAMES.into()));
    assert_eq!((stats.rx_errors, stats.rx_missed), (0, 0), "short frames count as no damage");
    for n in 0..FRAMES {
        let mut expected = frame(n);
        expected[0] ^= 1;
        expected.resize(expected.len().max(60), 0);
        assert_eq!(wire.pop(), Some(expected), "frame {n}");
    }
    assert!(wire.pop().is_none() && wire.is_finished());
}

#[test]
fn a_program_talks_to_a_card_that_another_thread_drives() {
    let wire = MemoryWire::new();
    let device = open(Address::sim().memory(&wire));
    let driver = std::thread::spawn(|| send_back(device));
    for n in 1..=100 {
        wire.push(&[n; 60]);
        let answer = wire.pop_within(Duration::from_secs(20)).unwrap();
        assert_eq!((answer[0], &answer[1..]), (n ^ 1, &[n; 59][..]));
        // Long enough that the card's thread sleeps at times.
        std::thread::sleep(Duration::from_millis(u64::from(n % 3) * 2));
    }
    wire.end();
    assert_eq!(driver.join().unwrap().rx_packets, 100);
}

#[test]
fn a_card_has_the_ethernet_address_that_it_is_given() {
    let device = open(Address::sim().mac([2, 0, 0, 0, 0, 7]));
    assert_eq!(device.mac(), MacAddress::from([2, 0, 0, 0, 0, 7]));
    let device = open("sim:loopback,mac=02:00:00:00:00:08".parse::<Address>().unwrap());
    assert_eq!(device.mac().octets(), [2, 0, 0, 0, 0, 8]);
}

#[test]
fn one_wire_is_no_two_cards() {
    let wire = MemoryWire::new();
    let address = Address::from(Address::sim().memory(&wire));
    let message =
        ixy::open(&[address.clone(), address.clone()], &Options::default()).unwrap_err().to_string();
    assert!(message.contains("sim:memory"), "{message}");
    let first = open(address.clone());
    let message = ixy::open(std::slice::from_ref(&address), &Options::default()).unwrap_err().to_string();
    assert!(message.contains("this MemoryWire is plugged into another card"), "{message}");
    drop(first);
    open(address);
}

#[test]
fn a_text_names_no_frames_in_memory() {
    let message = "sim:memory".parse::<Address>().unwrap_err().to_string();
    assert!(message.contains("no option `memory`"), "{message}");
}
