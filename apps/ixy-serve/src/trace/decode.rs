//! Sequences of accesses that mean one thing to a reader: a register that is changed, a word of the EEPROM, a byte
//! over I2C, a semaphore. [`Decoder`].

use ixy_regs::ixgbe;
use ixy_regs::ixgbe::fields::{EERD, SWSM};
use ixy_regs::map::Register;

use super::i2c::I2c;
use super::item::{Item, What};

/// Collects accesses that belong together.
#[derive(Default)]
pub(crate) struct Decoder {
    /// The start of a sequence, with its accesses unchanged.
    pending: Option<Pending>,
}

struct Pending {
    accesses: Vec<Item>,
    kind: Kind,
}

enum Kind {
    /// A register was read, and may be written next.
    Read,
    /// EERD was asked for a word, which is not there yet.
    Eeprom,
    I2c(I2c),
    /// SMBI was taken, to change SW_FW_SYNC: its value before and after (section 10.5.4).
    Semaphore {
        before: u32,
        after: Option<u32>,
    },
}

impl Decoder {
    /// Takes an item; passes complete ones to `out`, in order.
    pub(crate) fn push(&mut self, mut item: Item, out: &mut impl FnMut(Item)) {
        let touched = Touched::by(&item);
        if let (Some(pending), Some(touched)) = (&mut self.pending, touched) {
            match pending.kind.take(touched) {
                Next::GoesOn => return pending.accesses.push(item),
                Next::Ends(what) => {
                    let at = pending.accesses.first().map_or(item.at, |first| first.at);
                    self.pending = None;
                    return out(Item { at, what });
                }
                Next::Other => {}
            }
        }
        self.join_read(&mut item);
        self.flush(out);
        match touched.and_then(Kind::begins) {
            Some(kind) => self.pending = Some(Pending { accesses: vec![item], kind }),
            None => out(item),
        }
    }

    /// Joins a write with the read of the same register just before it.
    fn join_read(&mut self, item: &mut Item) {
        let Some(Pending { kind: Kind::Read, accesses }) = &self.pending else { return };
        if let (Some(What::Access(read)), What::Access(write)) =
            (accesses.first().map(|item| &item.what), &mut item.what)
            && write.write
            && (write.region, write.offset) == (read.region, read.offset)
        {
            write.was = read.value();
            self.pending = None;
        }
    }

    /// Passes on the started sequence unchanged.
    pub(crate) fn flush(&mut self, out: &mut impl FnMut(Item)) {
        self.pending.take().into_iter().flat_map(|pending| pending.accesses).for_each(out);
    }
}

/// An access to a register that has a name.
#[derive(Clone, Copy)]
struct Touched {
    register: &'static Register,
    value: u32,
    write: bool,
}

impl Touched {
    fn by(item: &Item) -> Option<Self> {
        let What::Access(access) = &item.what else { return None };
        let (register, value) = access.register()?;
        Some(Self { register, value, write: access.write })
    }
}

/// The role of an access in a sequence that has begun.
enum Next {
    GoesOn,
    /// It is the last access of the sequence.
    Ends(What),
    /// It does not belong to the sequence.
    Other,
}

impl Kind {
    /// The sequence that may start with an access.
    fn begins(touched: Touched) -> Option<Self> {
        let Touched { register, value, write } = touched;
        match (register.name, write) {
            ("EERD", true) if EERD::START.is_set(value) => Some(Self::Eeprom),
            ("I2CCTL", _) => {
                let mut bus = I2c::default();
                bus.line(value, write);
                Some(Self::I2c(bus))
            }
            ("SWSM", false) if !SWSM::SMBI.is_set(value) => Some(Self::Semaphore { before: 0, after: None }),
            (_, false) if !register.access.reading_has_effect() => Some(Self::Read),
            _ => None,
        }
    }

    fn take(&mut self, touched: Touched) -> Next {
        let Touched { register, value, write } = touched;
        match (self, register.name, write) {
            (Self::Eeprom, "EERD", false) if EERD::DONE.is_set(value) => {
                let (word, value) = (EERD::ADDR.read(value), EERD::DATA.read(value).into());
                Next::Ends(What::EepromWord { word, value })
            }
            (Self::Eeprom, "EERD", false) => Next::GoesOn,
            (Self::I2c(bus), "I2CCTL", _) => match bus.line(value, write) {
                true => Next::Ends(bus.transfer()),
                false => Next::GoesOn,
            },
            // Drivers read it to flush their writes, here and below.
            (Self::I2c(_), "STATUS", false) => Next::GoesOn,
            (Self::Semaphore { before, after: Some(after) }, "SWSM", true) if !SWSM::SMBI.is_set(value) => {
                Next::Ends(semaphore(*before, *after))
            }
            (Self::Semaphore { .. }, "SWSM", true) if !SWSM::SMBI.is_set(value) => Next::Other,
            (Self::Semaphore { before, .. }, "SW_FW_SYNC", false) => {
                *before = value;
                Next::GoesOn
            }
            (Self::Semaphore { after, .. }, "SW_FW_SYNC", true) => {
                *after = Some(value);
                Next::GoesOn
            }
            (Self::Semaphore { .. }, "SWSM", _) | (Self::Semaphore { .. }, "STATUS", false) => Next::GoesOn,
            _ => Next::Other,
        }
    }
}

/// A change of SW_FW_SYNC, with the steps around it that keep firmware and other drivers out.
fn semaphore(before: u32, after: u32) -> What {
    let fields =
        ixgbe::find("SW_FW_SYNC").map(|register| register.decode(after).to_string()).unwrap_or_default();
    let fields = if fields.is_empty() { "all free".into() } else { fields };
    What::Other(format!("semaphore SW_FW_SYNC 0x10160 {before:#010x} -> {after:#010x}  (10.5.4) {fields}"))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use ixy_vfio_user::message::pci;

    use super::*;
    use crate::names::Names;
    use crate::trace::item::Access;

    const I2CCTL: u64 = 0x00028;
    const EERD: u64 = 0x10014;
    const SWSM: u64 = 0x10140;
    const SW_FW_SYNC: u64 = 0x10160;

    /// Accesses, and the items that they become.
    struct Harness {
        names: Names,
        decoder: Decoder,
        out: Vec<String>,
    }

    impl Harness {
        fn new() -> Self {
            Self { names: Names::new(ixgbe::all()), decoder: Decoder::default(), out: Vec::new() }
        }

        fn access(&mut self, write: bool, offset: u64, value: u32) {
            let (region, bytes) = (pci::BAR0, value.to_le_bytes().to_vec());
            let place = self.names.find(region, offset);
            let access = Access { write, region, offset, bytes, place, was: None };
            let item = Item { at: Instant::now(), what: What::Access(access) };
            self.decoder.push(item, &mut |item| self.out.push(item.line().1));
        }

        fn read(&mut self, offset: u64, value: u32) {
            self.access(false, offset, value);
        }

        fn write(&mut self, offset: u64, value: u32) {
            self.access(true, offset, value);
        }

        /// The lines of the bus as the driver drives them, and the resulting data line. As in Linux's driver, a
        /// read of STATUS follows each write.
        fn lines(&mut self, clock: u32, data: u32, seen: u32) {
            let value = clock << 1 | data << 3;
            self.write(I2CCTL, value);
            self.read(0x00008, 0x80080);
            self.read(I2CCTL, value | clock | seen << 2);
        }

        fn start(&mut self) {
            for (clock, data) in [(0, 1), (1, 1), (1, 0), (0, 0)] {
                self.lines(clock, data, data);
            }
        }

        fn stop(&mut self) {
            self.lines(0, 0, 0);
            self.lines(1, 0, 0);
            self.write(I2CCTL, 0xa);
        }

        /// Bits that the driver puts on the data line, and the resulting level.
        fn byte(&mut self, driven: u16, seen: u16) {
            for n in (0..9).rev() {
                let (driven, seen) = (u32::from(driven >> n & 1), u32::from(seen >> n & 1));
                for clock in [0, 1, 0] {
                    self.lines(clock, driven, seen);
                }
            }
        }

        fn taken(&mut self) -> Vec<String> {
            self.decoder.flush(&mut |item| self.out.push(item.line().1));
            std::mem::take(&mut self.out)
        }
    }

    #[test]
    fn a_byte_that_is_read_over_i2c_is_one_line() {
        let mut harness = Harness::new();
        harness.start();
        harness.byte(0xa0 << 1 | 1, 0xa0 << 1);
        harness.byte(0x03 << 1 | 1, 0x03 << 1);
        harness.start();
        harness.byte(0xa1 << 1 | 1, 0xa1 << 1);
        harness.byte(0x1ff, 0x10 << 1 | 1);
        harness.stop();
        assert_eq!(harness.taken(), ["read  i2c 0xa0 byte 0x03 = 0x10  (8.2.3.1.5)"]);
    }

    #[test]
    fn any_other_transfer_is_one_line_with_its_bytes() {
        let mut harness = Harness::new();
        harness.start();
        harness.byte(0xa2 << 1 | 1, 0xa2 << 1 | 1);
        harness.stop();
        assert_eq!(harness.taken(), ["i2c  start 0xa2 (not acknowledged) stop  (8.2.3.1.5)"]);
    }

    #[test]
    fn a_transfer_that_breaks_off_is_shown_as_it_was() {
        let mut harness = Harness::new();
        harness.start();
        harness.write(0x00200, 7);
        let lines = harness.taken();
        assert_eq!(lines.len(), 4 * 3 + 1);
        assert!(lines[0].starts_with("write register I2CCTL"), "{lines:?}");
        assert!(lines[12].starts_with("write register LEDCTL 0x00200 <- 0x00000007"), "{lines:?}");
    }

    #[test]
    fn a_word_of_the_eeprom_is_one_line_once_it_is_there() {
        let mut harness = Harness::new();
        harness.write(EERD, 0x2b << 2 | 1);
        harness.read(EERD, 0x2b << 2 | 1);
        harness.read(EERD, 0x2b << 2 | 1 | 2 | 0x0180 << 16);
        assert_eq!(harness.taken(), ["read  eeprom word 0x02b = 0x0180  (8.2.3.2.2)"]);
        harness.write(EERD, 0x2b << 2 | 1);
        harness.read(EERD, 0x2b << 2 | 1);
        assert_eq!(harness.taken().len(), 2, "never done");
    }

    #[test]
    fn a_semaphore_is_one_line_with_what_it_was_and_became() {
        let mut harness = Harness::new();
        harness.read(SWSM, 1);
        harness.read(SWSM, 0);
        harness.write(SWSM, 3);
        harness.read(SWSM, 3);
        harness.read(SW_FW_SYNC, 0x20);
        harness.write(SW_FW_SYNC, 0x28);
        harness.write(SWSM, 0);
        let lines = harness.taken();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("read  register SWSM"), "another one has it at first: {lines:?}");
        let fields =
            lines[1].strip_prefix("semaphore SW_FW_SYNC 0x10160 0x00000020 -> 0x00000028  (10.5.4) ");
        assert!(fields.is_some_and(|fields| fields.contains("SW_MAC_CSR_SM=0x1")), "{lines:?}");
        // Nothing was changed, so the accesses stay as they were.
        for value in [(false, 0), (true, 3), (true, 0)] {
            harness.access(value.0, SWSM, value.1);
        }
        assert_eq!(harness.taken().len(), 3);
    }

    #[test]
    fn a_register_that_is_read_and_written_is_one_line_with_both_values() {
        let mut harness = Harness::new();
        harness.read(0x00000, 0);
        harness.write(0x00000, 4);
        harness.read(0x00000, 4);
        harness.write(0x00200, 1);
        let lines = harness.taken();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            lines[0],
            "write register CTRL 0x00000 <- 0x00000004, was 0x00000000  (8.2.3.1.1) GIO_DIS=0x1"
        );
        assert!(lines[1].starts_with("read  register CTRL 0x00000 = 0x00000004"), "{lines:?}");
    }
}
