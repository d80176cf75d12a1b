//! Words of a ring narrower than 64 bits: virtqueues have indices of 16 bits and lengths of 32.

use std::sync::atomic::{AtomicU16, AtomicU32};

use crate::memory::DmaSlice;

/// A location that is accessed through one of these must not be accessed at another width at the same time, by the
/// driver or a software device: processors order accesses of one width to one location, and promise less about
/// mixed widths.
impl DmaSlice {
    /// Its contents as 32-bit words, without a remainder of less than eight bytes. The device may change them at any
    /// time. Values are as the device sees them: little-endian.
    #[inline(always)]
    pub fn words32(&self) -> &[AtomicU32] {
        let words = self.words();
        // SAFETY: MAPPED-ALIVE: the same bytes, which are accessed as atomics only, at an alignment that is smaller.
        unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 2) }
    }

    /// Its contents as 16-bit words, like [`words32`](Self::words32).
    #[inline(always)]
    pub fn words16(&self) -> &[AtomicU16] {
        let words = self.words();
        // SAFETY: as for `words32`.
        unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 4) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    use crate::{DmaDomain, SimulatedDomain};

    #[test]
    fn narrow_words_are_the_parts_of_wide_ones_lowest_first() {
        let memory = Arc::new(SimulatedDomain::default()).allocate(4096).unwrap();
        let slice = &memory.cut(&[20], 64).unwrap()[0];
        slice.words()[1].store(0x7766_5544_3322_1100_u64.to_le(), Relaxed);
        let narrow: Vec<_> = slice.words32().iter().map(|word| u32::from_le(word.load(Relaxed))).collect();
        assert_eq!(narrow, [0, 0, 0x3322_1100, 0x7766_5544], "16 of its 20 bytes are whole words");
        let narrow: Vec<_> = slice.words16().iter().map(|word| u16::from_le(word.load(Relaxed))).collect();
        assert_eq!(narrow, [0, 0, 0, 0, 0x1100, 0x3322, 0x5544, 0x7766]);
    }
}
