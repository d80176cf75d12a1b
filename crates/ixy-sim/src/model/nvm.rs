//! The EEPROM's content: a plausible image for a card with one SFP+ cage (sections 6.1 to 6.4), and EERD, through
//! which software reads it word by word.

use ixy_regs::ixgbe::fields::EERD;

use super::behaviour::Behaviour;

/// Words of the EEPROM: 8 KiB.
const WORDS: usize = 4096;
/// EEC.SIZE counts in powers of two from 2^6 words on (section 8.2.3.2.1).
pub(crate) const SIZE_FIELD: u32 = WORDS.trailing_zeros() - 6;
/// The sum of all words up to and including the checksum, and of the sections that they point to (section 6.2.2).
const CHECKSUM: u16 = 0xBABA;
const CHECKSUM_WORD: usize = 0x3f;
/// Words 0x03 to 0x0E point to sections that the checksum covers; 0x0F points to the firmware's.
const POINTERS: std::ops::Range<usize> = 0x03..0x0f;
const FIRMWARE: usize = 0x0f;

// Offsets of the sections in this image.
const LAN_CORE: usize = 0x100;
const MAC_SECTION: usize = 0x110;
const FIRMWARE_SECTION: usize = 0x140;
const FIRMWARE_PATCH: usize = 0x150;
const BOARD_NUMBER: usize = 0x160;
const SFP_TABLE: usize = 0x180;
/// The set-ups for SFP+ modules, by their ids: 0 to 2 (copper, short and long range) are for an 82598, which
/// has one set-up for both ports; 3 to 6 are copper and optics, each for port 0 and for port 1.
const SFP_SET_UPS: [(u16, usize, [u16; 3]); 7] = [
    (0, 0x190, [0x0001, 0x0002, 0x0003]),
    (1, 0x1a0, [0x0011, 0x0012, 0x0013]),
    (2, 0x1b0, [0x0021, 0x0022, 0x0023]),
    (3, 0x1c0, [0x2101, 0x2202, 0x2303]),
    (4, 0x1d0, [0x3101, 0x3202, 0x3303]),
    (5, 0x1e0, [0x0101, 0x0202, 0x0303]),
    (6, 0x1f0, [0x1101, 0x1202, 0x1303]),
];
/// Vital product data: the pointer to it, its offset, and its content. Tags and keywords are those of the PCI
/// specification.
const PRODUCT_POINTER: usize = 0x2f;
const PRODUCT_DATA: usize = 0x200;
const PRODUCT_NAME: &[u8] = b"ixy software 82599 10 Gigabit Ethernet";
const PART_NUMBER: &[u8] = b"E19600-001";

/// The words of the EEPROM.
pub(crate) struct Nvm {
    words: Box<[u16]>,
}

impl Nvm {
    /// The EEPROM's size in bytes.
    pub(crate) const BYTES: usize = WORDS * 2;

    /// An image for a card with the Ethernet address `mac`.
    pub(crate) fn new(mac: [u8; 6]) -> Self {
        let mut words = vec![0xffff_u16; WORDS].into_boxed_slice();
        let mut put = |at: usize, values: &[u16]| {
            for (n, &value) in values.iter().enumerate() {
                if let Some(word) = words.get_mut(at + n) {
                    *word = value;
                }
            }
        };
        put(0x00, &[0x0040, 0xffff, 0xffff]);
        put(0x03, &[0xffff; 12]);
        put(0x09, &[LAN_CORE as u16]);
        put(0x0b, &[MAC_SECTION as u16]);
        put(FIRMWARE, &[FIRMWARE_SECTION as u16]);
        // Board number: kept in a block of its own (0xFAFA), of six words with the length.
        if Behaviour::EepromBoardNumber.on() {
            put(0x15, &[0xfafa, BOARD_NUMBER as u16]);
            put(BOARD_NUMBER, &[0x0006, 0x4531, 0x3936, 0x3030, 0x2d30, 0x3031]);
        }
        // No storage address, no alternative world wide name.
        put(0x27, &[0xffff, 0xffff]);
        put(0x2b, &[SFP_TABLE as u16]);
        // Device capabilities, as X520 cards have them: any SFP+ module may be used (bit 0; 0xFC in the low
        // byte where it may not).
        put(0x2c, &[0xfffc | u16::from(Behaviour::EepromCapabilities.on())]);
        put(0x2d, &[0x8000, 0x0001]);
        // A section starts with its length in words.
        let address = [0, 2, 4].map(|i| u16::from_le_bytes([mac[i], mac[i + 1]]));
        if Behaviour::EepromAddress.on() {
            put(LAN_CORE, &[0x0004, address[0], address[1], address[2], 0x0000]);
        }
        // MAC section: AUTOC and AUTOC2 as they are after reset, halves low and high.
        let halves =
            [super::control::AUTOC_RESET, super::control::AUTOC2_RESET].map(|v| [v as u16, (v >> 16) as u16]);
        put(MAC_SECTION, &[0x0004, halves[0][0], halves[0][1], halves[1][0], halves[1][1]]);
        // Firmware: no LESM module (word 2), and a patch whose configuration says version 6.
        put(FIRMWARE_SECTION, &[0x0006, 0xffff, 0xffff, 0xffff, FIRMWARE_PATCH as u16, 0xffff, 0xffff]);
        put(
            FIRMWARE_PATCH,
            &[0x0008, 0, 0, 0, 0, 0, 0, if Behaviour::EepromFirmware.on() { 6 } else { 0 }, 0],
        );
        // SFP+ modules: a header word, pairs of an id and a pointer, and the end mark. Each set-up is a header
        // word, values for CORECTL and the end mark.
        if Behaviour::EepromSfpTable.on() {
            put(SFP_TABLE, &[0x00a0]);
            for (n, (id, at, [a, b, c])) in SFP_SET_UPS.into_iter().enumerate() {
                put(SFP_TABLE + 1 + 2 * n, &[id, at as u16, 0xffff]);
                put(at, &[0x0004, a, b, c, 0xffff]);
            }
        }
        if Behaviour::EepromProductData.on() {
            put(PRODUCT_POINTER, &[PRODUCT_DATA as u16]);
        }
        let product: Vec<u16> = product_data()
            .chunks(2)
            .map(|b| u16::from_le_bytes([b[0], b.get(1).copied().unwrap_or(0xff)]))
            .collect();
        put(PRODUCT_DATA, &product);
        let mut nvm = Self { words };
        let sum = nvm.sum();
        if let Some(word) = nvm.words.get_mut(CHECKSUM_WORD)
            && Behaviour::EepromChecksum.on()
        {
            *word = CHECKSUM.wrapping_sub(sum);
        }
        nvm
    }

    /// The word at `at`; all ones past the end, as in erased memory.
    pub(crate) fn word(&self, at: usize) -> u16 {
        self.words.get(at).copied().unwrap_or(if Behaviour::EerdErased.on() { 0xffff } else { 0 })
    }

    /// The byte at `at`, the low one of a word first. Address bits beyond the size are ignored.
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.word(at / 2 % WORDS).to_le_bytes()[at % 2]
    }

    /// Changes the byte at `at`.
    pub(crate) fn set_byte(&mut self, at: usize, byte: u8) {
        if let Some(word) = self.words.get_mut(at / 2 % WORDS) {
            let mut bytes = word.to_le_bytes();
            bytes[at % 2] = byte;
            *word = u16::from_le_bytes(bytes);
        }
    }

    /// Four bytes of vital product data, from `address` on; all ones where there are none (section 3.4.8).
    pub(crate) fn product_data(&self, address: usize) -> [u8; 4] {
        let start = usize::from(self.word(PRODUCT_POINTER));
        let [a, b] = [0, 1].map(|n| match start {
            0 | 0xffff => 0xffff,
            start => self.word(start + address / 2 + n),
        });
        let ([a, b], [c, d]) = (a.to_le_bytes(), b.to_le_bytes());
        [a, b, c, d]
    }

    /// The address that is loaded into RAL\[0\] and RAH\[0\].
    pub(crate) fn mac(&self) -> [u8; 6] {
        let at = usize::from(self.word(0x09));
        let mut mac = [0; 6];
        for (n, bytes) in mac.chunks_exact_mut(2).enumerate() {
            bytes.copy_from_slice(&self.word(at + 1 + n).to_le_bytes());
        }
        mac
    }

    /// Sum of all words that the checksum covers, without the checksum.
    fn sum(&self) -> u16 {
        let mut sum = (0..CHECKSUM_WORD).fold(0_u16, |sum, at| sum.wrapping_add(self.word(at)));
        for pointer in POINTERS.map(|at| self.word(at)).filter(|&p| p != 0 && p != 0xffff) {
            let at = usize::from(pointer);
            let len = self.word(at);
            if len != 0 && len != 0xffff {
                sum = (1..=usize::from(len)).fold(sum, |sum, n| sum.wrapping_add(self.word(at + n)));
            }
        }
        sum
    }

    /// EERD after software wrote `command` to it: with START, the word that it names, and DONE (section
    /// 8.2.3.2.2).
    pub(crate) fn read_register(&self, command: u32, spoil_checksum: bool) -> u32 {
        if !EERD::START.is_set(command) && Behaviour::EerdStart.on() {
            return command & !super::names::mask(EERD::DONE);
        }
        let address = EERD::ADDR.read(command);
        let mut data = self.word(address as usize);
        if spoil_checksum && address as usize == CHECKSUM_WORD {
            data = data.wrapping_add(1);
        }
        let data = if Behaviour::EerdData.on() { u32::from(data) } else { 0 };
        let done = EERD::DONE.val(u32::from(Behaviour::EerdDone.on()));
        (EERD::ADDR.val(address) + done + EERD::DATA.val(data)).modify(0)
    }
}

/// The vital product data: the product's name, a read-only part with the part number and the byte that makes the
/// sum up to there zero, and the end tag.
fn product_data() -> Vec<u8> {
    let item = |tag: &[u8], contents: &[u8]| [tag, &(contents.len() as u16).to_le_bytes(), contents].concat();
    let keyword = |name: &[u8], value: &[u8]| [name, &[value.len() as u8], value].concat();
    let read_only = [keyword(b"PN", PART_NUMBER), keyword(b"RV", &[0])].concat();
    let mut data = [item(&[0x82], PRODUCT_NAME), item(&[0x90], &read_only)].concat();
    let sum = data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if let Some(checksum) = data.last_mut() {
        *checksum = sum.wrapping_neg();
    }
    data.push(0x78);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_sums_to_the_checksum_that_drivers_expect() {
        let nvm = Nvm::new([2, 0x1b, 0x21, 3, 4, 5]);
        assert_eq!(nvm.sum().wrapping_add(nvm.word(CHECKSUM_WORD)), CHECKSUM);
        assert_eq!(nvm.mac(), [2, 0x1b, 0x21, 3, 4, 5]);
    }
}
