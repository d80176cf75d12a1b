//! SFP+ modules: identification of the one in the cage (over I2C), and the EEPROM's set-up for it (sections 4.6.4
//! and 6.4).

use std::time::{Duration, Instant};

use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::fields::{I2CCTL, STATUS};

use crate::card::Card;
use crate::error::Error;
use crate::semaphore::{self, Shared};

/// Word of the EEPROM that points to the list of set-ups.
const LIST_POINTER: u16 = 0x2b;
/// The mark at the end of the list and of each set-up; unwritten words read the same.
const END: u16 = 0xffff;
/// Limit on the length of the list and of a set-up.
const MAX_WORDS: u16 = 256;
/// The first word that EERD cannot address.
const EEPROM_END: u16 = 0x4000;
const BETWEEN_WORDS: Duration = Duration::from_micros(20);
/// The number of attempts to read a byte: a module may be busy, or in the middle of an abandoned transfer.
const TRIES: usize = 3;

/// The reason why a module was not set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SfpError {
    #[error("the I2C bus does not answer: {0}")]
    I2c(&'static str),
    #[error("what is in the cage calls itself {0:#04x}, which is no SFP+ module (0x03)")]
    NotSfp(u8),
    #[error("the module is one for 1 Gbit/s, which this driver does not set up")]
    OneGigabit,
    #[error(
        "the EEPROM has no set-up for this kind of module (id {0}): word 0x2B points to no list that has it"
    )]
    NoSetUp(u16),
    #[error(transparent)]
    Card(#[from] Error),
}

/// Kinds of modules, with their ids in the EEPROM's list, where port 1 follows port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Module {
    /// A copper cable without electronics.
    PassiveCopper = 3,
    /// Optics, and cables with their own electronics.
    Optical = 5,
}

/// Identifies the module and writes the EEPROM's set-up for it to the analog core.
pub(crate) fn set_up<B: Bus>(card: &Card<B>) -> Result<(), SfpError> {
    let port = card.regs.status().read(STATUS::LAN_ID) as u16 & 1;
    let bus = if port == 0 { Shared::Phy0 } else { Shared::Phy1 };
    let module = semaphore::with(card, bus, || identify(card))??;
    tracing::debug!(device = %card.name, ?module, port, "SFP+ module");
    let id = module as u16 + port;
    let words = find_set_up(card, id)?;
    semaphore::with(card, Shared::MacRegisters, || {
        for &word in &words {
            card.regs.corectl().set(word.into());
            // The analog core is slow, and writes to the card are posted: the read waits for this one.
            let _flushed = card.regs.status().get();
            std::thread::sleep(BETWEEN_WORDS);
        }
    })?;
    Ok(())
}

/// Reads the identification of the module: SFF-8472, tables 5.1 to 5.3.
fn identify<B: Bus>(card: &Card<B>) -> Result<Module, SfpError> {
    let i2c = I2c { card };
    let identifier = i2c.read(IDENTIFIER)?;
    if identifier != 0x03 {
        return Err(SfpError::NotSfp(identifier));
    }
    let cable = i2c.read(CABLE)?;
    if cable & 0x04 != 0 {
        return Ok(Module::PassiveCopper);
    }
    // A module may have codes for both speeds, so those for 10 Gbit/s decide: bits 7 to 4 are 10GBASE-ER, LRM, LR
    // and SR. An active cable has none of them; for a kind without a code, the line rate decides.
    let ten_gigabit = cable & 0x08 != 0
        || i2c.read(TEN_GIGABIT)? & 0xf0 != 0
        || i2c.read(ONE_GIGABIT)? == 0
        || i2c.read(RATE)? >= TEN_GIGABIT_RATE;
    if ten_gigabit { Ok(Module::Optical) } else { Err(SfpError::OneGigabit) }
}

// Bytes of a module's memory (SFF-8472, table 4-1 and 5-3).
const IDENTIFIER: u8 = 0;
const TEN_GIGABIT: u8 = 3;
const ONE_GIGABIT: u8 = 6;
const CABLE: u8 = 8;
const RATE: u8 = 12;
/// 9.9 Gbit/s, in the byte's units of 100 Mbit/s: 10GBASE-W is the slowest of its kind.
const TEN_GIGABIT_RATE: u8 = 99;

/// The words of set-up `id`: the list is a header word and then pairs of an id and a pointer; each set-up is a
/// header word and then words up to the end mark.
fn find_set_up<B: Bus>(card: &Card<B>, id: u16) -> Result<Vec<u16>, SfpError> {
    let list = semaphore::eeprom_word(card, LIST_POINTER)?;
    if list == 0 || list >= EEPROM_END {
        return Err(SfpError::NoSetUp(id));
    }
    for entry in (list + 1..EEPROM_END).step_by(2).take(usize::from(MAX_WORDS)) {
        let found = semaphore::eeprom_word(card, entry)?;
        if found == END {
            break;
        }
        let start = semaphore::eeprom_word(card, entry + 1)?;
        if found != id || start == 0 || start >= EEPROM_END {
            continue;
        }
        let mut words = Vec::new();
        for word in (start..EEPROM_END).skip(1).take(usize::from(MAX_WORDS)) {
            match semaphore::eeprom_word(card, word)? {
                END => return Ok(words),
                value => words.push(value),
            }
        }
        break;
    }
    Err(SfpError::NoSetUp(id))
}

/// The I2C bus to the module, clocked by software through I2CCTL (section 8.2.3.1.5) at less than 100 kHz.
struct I2c<'a, B: Bus> {
    card: &'a Card<B>,
}

/// Half a period of the clock.
const HALF: Duration = Duration::from_micros(5);
/// Longest time that the module may hold the clock.
const STRETCH: Duration = Duration::from_millis(1);
/// Address of the module's memory, for writing; reading is one more.
const MODULE: u8 = 0xa0;

impl<B: Bus> I2c<'_, B> {
    /// Reads one byte of the module's memory, in a few attempts.
    fn read(&self, offset: u8) -> Result<u8, SfpError> {
        let mut result = self.read_once(offset);
        for _ in 1..TRIES {
            if result.is_ok() {
                break;
            }
            self.recover()?;
            result = self.read_once(offset);
        }
        result
    }

    /// Nine clocks with the data line released end any transfer that a module believes to be in.
    fn recover(&self) -> Result<(), SfpError> {
        for _ in 0..9 {
            self.bit(true)?;
        }
        self.start()?;
        self.stop()
    }

    fn read_once(&self, offset: u8) -> Result<u8, SfpError> {
        self.lines(true, true);
        if !self.data() {
            return Err(SfpError::I2c("the data line is held low (is the cage empty?)"));
        }
        self.start()?;
        let transfer = || {
            self.put(MODULE)?;
            self.put(offset)?;
            self.start()?;
            self.put(MODULE | 1)?;
            let mut byte = 0;
            for _ in 0..8 {
                byte = byte << 1 | u8::from(self.bit(true)?);
            }
            // Not acknowledged: this was the last byte.
            self.bit(true)?;
            Ok(byte)
        };
        let byte = transfer();
        self.stop()?;
        byte
    }

    /// Start, or a repeated start: data falls while the clock is high.
    fn start(&self) -> Result<(), SfpError> {
        self.lines(false, true);
        self.raise_clock(true)?;
        self.lines(true, false);
        self.lines(false, false);
        Ok(())
    }

    /// Stop: data rises while the clock is high.
    fn stop(&self) -> Result<(), SfpError> {
        self.lines(false, false);
        self.raise_clock(false)?;
        self.lines(true, true);
        Ok(())
    }

    /// Sends a byte and expects its acknowledgement.
    fn put(&self, byte: u8) -> Result<(), SfpError> {
        for n in (0..8).rev() {
            self.bit(byte >> n & 1 != 0)?;
        }
        if self.bit(true)? { Err(SfpError::I2c("the module does not acknowledge")) } else { Ok(()) }
    }

    /// One clock with `data` on the line, which the other side may pull low; returns the line's level.
    fn bit(&self, data: bool) -> Result<bool, SfpError> {
        self.lines(false, data);
        self.raise_clock(data)?;
        let seen = self.data();
        self.lines(false, data);
        Ok(seen)
    }

    fn raise_clock(&self, data: bool) -> Result<(), SfpError> {
        let end = Instant::now() + STRETCH;
        self.lines(true, data);
        while !self.card.regs.i2cctl().is_set(I2CCTL::CLK_IN) {
            if Instant::now() >= end {
                return Err(SfpError::I2c("the clock line is held low"));
            }
            std::hint::spin_loop();
        }
        Ok(())
    }

    /// Releases each line (high) or pulls it low, and waits half a period.
    fn lines(&self, clock: bool, data: bool) {
        let set = |on: bool, yes, no| if on { yes } else { no };
        self.card.regs.i2cctl().write(
            set(clock, I2CCTL::CLK_OUT::SET, I2CCTL::CLK_OUT::CLEAR)
                + set(data, I2CCTL::DATA_OUT::SET, I2CCTL::DATA_OUT::CLEAR),
        );
        let end = Instant::now() + HALF;
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }

    fn data(&self) -> bool {
        self.card.regs.i2cctl().is_set(I2CCTL::DATA_IN)
    }
}
