//! The EEPROM, driven pin by pin (section 8.2.3.2.1), in the order that stock drivers use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::harness::*;

const SK: u32 = 1;
const CS: u32 = 1 << 1;
const DI: u32 = 1 << 2;
const DO: u32 = 1 << 3;
const REQ: u32 = 1 << 6;
const GNT: u32 = 1 << 7;

const WRSR: u32 = 1;
const WRITE: u32 = 2;
const READ: u32 = 3;
const WRDI: u32 = 4;
const RDSR: u32 = 5;
const WREN: u32 = 6;

const BUSY: u32 = 1;
const ENABLED: u32 = 2;

/// A device with a clock that the test advances, and its EEPROM's pins.
struct Pins {
    harness: Harness,
    clock: Arc<AtomicU64>,
}

impl Pins {
    fn new() -> Self {
        let clock = Arc::new(AtomicU64::new(1000));
        let shared = Arc::clone(&clock);
        let now = move || Duration::from_millis(shared.load(Ordering::Relaxed));
        Self { harness: Harness::with(|builder| builder.clock(now)), clock }
    }

    /// Requests access to the pins.
    fn granted() -> Self {
        let pins = Self::new();
        pins.harness.set(EEC, REQ);
        assert_eq!(pins.harness.read(EEC) & GNT, GNT);
        pins.harness.clear(EEC, CS | SK);
        pins
    }

    fn wait(&self, milliseconds: u64) {
        self.clock.fetch_add(milliseconds, Ordering::Relaxed);
    }

    /// Ends a command, and selects the part for the next.
    fn standby(&self) {
        self.harness.set(EEC, CS);
        self.harness.clear(EEC, CS);
    }

    fn out(&self, data: u32, bits: u32) {
        let mut eec = self.harness.read(EEC);
        for bit in (0..bits).rev() {
            eec = if data >> bit & 1 == 1 { eec | DI } else { eec & !DI };
            self.harness.write(EEC, eec);
            self.harness.write(EEC, eec | SK);
            self.harness.write(EEC, eec & !SK);
        }
        self.harness.write(EEC, eec & !DI);
    }

    fn take(&self, bits: u32) -> u32 {
        let mut data = 0;
        for _ in 0..bits {
            self.harness.set(EEC, SK);
            data = data << 1 | u32::from(self.harness.read(EEC) & DO != 0);
            self.harness.clear(EEC, SK);
        }
        data
    }

    fn status(&self) -> u32 {
        self.standby();
        self.out(RDSR, 8);
        self.take(8)
    }

    /// The word at `offset`, low byte first.
    fn read(&self, offset: u32) -> u16 {
        self.standby();
        self.out(READ, 8);
        self.out(offset * 2, 16);
        (self.take(16) as u16).swap_bytes()
    }

    fn command(&self, command: u32) {
        self.standby();
        self.out(command, 8);
    }

    /// Writes words in one command from `offset` on, within the part's limits, and waits until it is done.
    fn write(&self, offset: u32, words: &[u16]) {
        self.command(WREN);
        self.write_only(offset, words);
        self.wait(10);
    }

    fn write_only(&self, offset: u32, words: &[u16]) {
        self.command(WRITE);
        self.out(offset * 2, 16);
        for word in words {
            self.out(u32::from(word.swap_bytes()), 16);
        }
        self.standby();
    }

    /// The same word through EERD.
    fn eerd(&self, offset: u32) -> u16 {
        self.harness.write(EERD, offset << 2 | 1);
        (self.harness.read(EERD) >> 16) as u16
    }
}

#[test]
fn words_read_by_the_pins_are_those_of_eerd() {
    let pins = Pins::granted();
    assert_eq!(pins.status(), 0, "ready, not enabled");
    for offset in (0..0x200).chain([0xffe, 0xfff]) {
        assert_eq!(pins.read(offset), pins.eerd(offset), "{offset:#x}");
    }
    assert_ne!(pins.read(0x3f), 0xffff, "the checksum");
}

#[test]
fn a_read_goes_on_with_the_next_words_and_after_the_last_with_the_first() {
    let pins = Pins::granted();
    pins.standby();
    pins.out(READ, 8);
    pins.out(0xffe * 2, 16);
    let words: Vec<u16> = (0..4).map(|_| (pins.take(16) as u16).swap_bytes()).collect();
    assert_eq!(words, [0xffe, 0xfff, 0, 1].map(|offset| pins.eerd(offset)));
}

#[test]
fn without_a_grant_the_pins_do_nothing() {
    let pins = Pins::new();
    pins.harness.set(EEC, CS);
    pins.harness.clear(EEC, CS | SK);
    assert_eq!(pins.read(0), 0);
    pins.write(0x800, &[0x1234]);
    assert_eq!(pins.eerd(0x800), 0xffff);
    pins.harness.set(EEC, REQ);
    assert_eq!(pins.read(0), pins.eerd(0));
    pins.standby();
    pins.out(READ, 8);
    pins.harness.clear(EEC, REQ);
    pins.harness.set(EEC, REQ);
    pins.out(0, 16);
    assert_eq!(pins.take(16), 0, "the command ended with the grant");
}

#[test]
fn what_is_written_is_read_in_both_ways_also_after_a_reset() {
    let pins = Pins::granted();
    pins.write(0x800, &[0x1234, 0xabcd]);
    pins.write(0x37, &[0x5678]);
    for round in ["before", "after"] {
        for (offset, word) in [(0x800, 0x1234), (0x801, 0xabcd), (0x37, 0x5678), (0x802, 0xffff)] {
            assert_eq!((pins.read(offset), pins.eerd(offset)), (word, word), "{offset:#x} {round}");
        }
        pins.harness.write(CTRL, 1 << 26);
        assert_eq!(pins.harness.read(EEC) & GNT, 0, "a reset takes the pins back");
        pins.harness.set(EEC, REQ);
    }
}

#[test]
fn an_address_that_is_written_is_the_devices_own_after_a_reset() {
    let pins = Pins::granted();
    let section = u32::from(pins.eerd(0x09));
    pins.write(section + 1, &[0x1b02]);
    pins.harness.write(CTRL, 1 << 26);
    assert_eq!(pins.harness.read(RAL).to_le_bytes()[..2], [0x02, 0x1b]);
}

#[test]
fn each_write_has_to_be_enabled() {
    let pins = Pins::granted();
    pins.write_only(0x800, &[1]);
    assert_eq!(pins.read(0x800), 0xffff, "never enabled");
    pins.command(WREN);
    assert_eq!(pins.status(), ENABLED);
    pins.command(WRDI);
    pins.write_only(0x800, &[2]);
    assert_eq!(pins.read(0x800), 0xffff, "taken back");
    pins.write(0x800, &[3]);
    assert_eq!((pins.read(0x800), pins.status()), (3, 0));
    pins.write_only(0x800, &[4]);
    assert_eq!(pins.read(0x800), 3, "enabled for one write only");
}

#[test]
fn a_write_takes_some_milliseconds_in_which_only_the_status_is_read() {
    let pins = Pins::granted();
    pins.command(WREN);
    pins.write_only(0x800, &[5]);
    assert_eq!(pins.status() & BUSY, BUSY);
    assert_eq!(pins.read(0), 0, "no answer");
    pins.command(WREN);
    pins.wait(4);
    assert_eq!(pins.status(), BUSY, "nor was it enabled");
    pins.wait(1);
    assert_eq!(pins.status(), 0);
    assert_eq!(pins.read(0x800), 5);
}

#[test]
fn a_write_of_more_than_a_page_goes_round_as_drivers_find_out_its_size() {
    let pins = Pins::granted();
    let words: Vec<u16> = (0..128).collect();
    pins.write(0x810, &words);
    // Stock drivers subtract the first word from 128.
    assert_eq!(128 - pins.read(0x810), 16, "32 bytes");
    let page: Vec<u16> = (0..17).map(|n| pins.read(0x810 + n)).collect();
    assert_eq!(page[..16], words[112..]);
    assert_eq!(page[16], 0xffff, "the next page is as before");
    pins.write(0x80f, &[0xaaaa, 0xbbbb]);
    assert_eq!([0x80f, 0x800].map(|offset| pins.read(offset)), [0xaaaa, 0xbbbb]);
}

#[test]
fn a_write_that_ends_within_a_byte_is_not_done() {
    let pins = Pins::granted();
    pins.command(WREN);
    pins.command(WRITE);
    pins.out(0x1000, 16);
    pins.out(0x12345 >> 1, 12);
    pins.standby();
    pins.wait(10);
    assert_eq!(pins.read(0x800), 0xffff);
    pins.command(WREN);
    pins.command(WRITE);
    pins.out(0x1000, 16);
    pins.standby();
    assert_eq!(pins.status(), ENABLED, "nor one without data");
}

#[test]
fn the_status_protects_quarter_half_or_all() {
    let pins = Pins::granted();
    let offsets = [0x700, 0x800, 0xc00];
    for (blocks, writable) in
        [(0, [true; 3]), (1, [true, true, false]), (2, [true, false, false]), (3, [false; 3])]
    {
        pins.command(WREN);
        pins.command(WRSR);
        pins.out(0x80 | blocks << 2 | 3, 8);
        pins.standby();
        pins.wait(10);
        assert_eq!(pins.status(), 0x80 | blocks << 2);
        for (offset, writable) in offsets.into_iter().zip(writable) {
            let before = pins.read(offset);
            let word = 0x100 + blocks as u16;
            pins.write(offset, &[word]);
            assert_eq!(pins.read(offset), if writable { word } else { before }, "{blocks}, {offset:#x}");
        }
    }
    pins.command(WRSR);
    pins.out(0, 8);
    pins.standby();
    assert_eq!(pins.status(), 0x80 | 3 << 2, "the status has to be enabled for writing, too");
}

#[test]
fn commands_that_the_part_does_not_have_do_nothing() {
    let pins = Pins::granted();
    for command in [0, 7, 0x0b, 0x9f, 0xff] {
        pins.command(command);
        assert_eq!(pins.take(16), 0, "{command:#x}");
    }
    assert_eq!(pins.status(), 0);
}
