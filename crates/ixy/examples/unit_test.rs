//! Tests a packet function without a network card and without root: alone, with frames in memory through a card
//! and its driver, and with the frames of a capture.
//!
//! ```text
//! cargo test -p ixy-net --example unit_test
//! ```
#![allow(clippy::print_stdout, reason = "a program")]

use ixy::{Batch, Device, Error, Options, Stop};

/// The function: routes an IPv4 packet one hop further. `false` when it has to be dropped.
fn route(frame: &mut [u8]) -> bool {
    let Some([0x08, 0x00, 0x45, _, _, _, _, _, _, _, ttl @ 2..=255, _, high, low]) = frame.get_mut(12..26)
    else {
        return false;
    };
    *ttl -= 1;
    // The header word shrank by 0x100, so the checksum grows by the same (RFC 1624).
    let sum = u32::from(u16::from_be_bytes([*high, *low])) + 0x100;
    [*high, *low] = ((sum + (sum >> 16)) as u16).to_be_bytes();
    true
}

/// The loop around it, as in the program: until the input has ended and everything is sent.
fn run(card: &mut Device) -> Result<(), Error> {
    let (mut rx, mut tx, mut batch) = (card.rx_queue(0)?, card.tx_queue(0)?, Batch::new(32));
    while card.receive(&mut *rx, &mut batch).is_some() {
        batch.retain(|packet| route(packet));
        card.send_all(&mut *tx, &mut batch);
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    let stop = Stop::on_signals()?;
    let address = std::env::args().nth(1).unwrap_or_else(|| "sim:rx=in.pcap,tx=out.pcap".into());
    let mut card = ixy::open(&[address.parse()?], &Options::default().stop(&stop))?.remove(0);
    run(&mut card)?;
    println!("{} packets routed", card.stats()?.tx_packets);
    card.close()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ixy::{Address, MemoryWire};

    use super::*;

    /// An IPv4 packet with this time to live and a valid checksum.
    fn packet(ttl: u8) -> Vec<u8> {
        let mut frame = vec![0; 60];
        frame[12..24].copy_from_slice(&[0x08, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, ttl, 17]);
        frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        let checksum = !sum(&frame);
        frame[24..26].copy_from_slice(&checksum.to_be_bytes());
        frame
    }

    /// The ones' complement sum of the header: all ones if its checksum is right.
    fn sum(frame: &[u8]) -> u16 {
        let words = frame[14..34].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
        words.fold(0, |sum, word| (sum + word) % 0xffff) as u16
    }

    #[test]
    fn the_function_alone() {
        let mut frame = packet(64);
        assert!(route(&mut frame) && frame[22] == 63 && matches!(sum(&frame), 0 | 0xffff));
        assert!(!route(&mut packet(1)) && !route(&mut [0; 60]) && !route(&mut [0; 3]));
    }

    #[test]
    fn frames_in_memory_through_card_and_driver() {
        let wire: MemoryWire = [packet(64), packet(1), packet(2)].into_iter().collect();
        let options = Options::default().stop(&Stop::new().after(Duration::from_secs(20)));
        let mut card = ixy::open(&[Address::sim().memory(&wire).into()], &options).unwrap().remove(0);
        run(&mut card).unwrap();
        assert_eq!(
            [wire.pop(), wire.pop(), wire.pop()].map(|frame| Some(frame?[22])),
            [Some(63), Some(1), None]
        );
    }
}
