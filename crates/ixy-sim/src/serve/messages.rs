//! The MSI-X table and its pending bits (section 9.3.9): [`Messages`].

/// Number of the card's vectors. A virtual function has fewer.
pub(crate) const VECTORS: u32 = 64;
/// Offset of the pending bits in the BAR.
pub(crate) const PENDING: u64 = 0x2000;

const ENTRY: usize = 16;
const TABLE: usize = VECTORS as usize * ENTRY;
/// The mask bit, in the last word of an entry.
const CONTROL: usize = 12;

/// The MSI-X table. Addresses and data are stored without effect: a message signals the client's event for its
/// vector.
///
/// A client such as QEMU keeps the table for itself and does not forward writes to it; it also masks vectors
/// itself. So the masks in this table count only once something was written to it.
#[derive(Debug)]
pub(crate) struct Messages {
    table: Box<[u8; TABLE]>,
    vectors: u32,
    used: bool,
    /// All messages are held back.
    masked: bool,
    /// The messages that were held back.
    pending: u64,
}

impl Messages {
    /// A table of `vectors` entries, 64 at most.
    pub(crate) fn new(vectors: u32) -> Self {
        let vectors = vectors.min(VECTORS);
        let mut table = Box::new([0; TABLE]);
        let controls = table.iter_mut().skip(CONTROL).step_by(ENTRY);
        controls.take(vectors as usize).for_each(|control| *control = 1);
        Self { table, vectors, used: false, masked: false, pending: 0 }
    }

    /// Reads from the BAR: the rest beside table and pending bits is zero.
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) {
        let pending = self.pending.to_le_bytes();
        for (at, byte) in (offset..).zip(into) {
            let entry = usize::try_from(at).ok().and_then(|at| self.table.get(at));
            let bit = || at.checked_sub(PENDING).and_then(|at| pending.get(usize::try_from(at).ok()?));
            *byte = entry.or_else(bit).copied().unwrap_or(0);
        }
    }

    /// Writes to the table.
    pub(crate) fn write(&mut self, offset: u64, from: &[u8]) {
        for (at, byte) in (offset..).zip(from) {
            let inside = usize::try_from(at).ok().filter(|at| *at < self.vectors as usize * ENTRY);
            if let Some(entry) = inside.and_then(|at| self.table.get_mut(at)) {
                // Only the mask bit of the control word exists.
                *entry = match at as usize % ENTRY {
                    CONTROL => byte & 1,
                    13.. => 0,
                    _ => *byte,
                };
                self.used = true;
            }
        }
    }

    /// Sets whether all messages are held back.
    pub(crate) fn mask(&mut self, all: bool) {
        self.masked = all;
    }

    fn is_masked(&self, vector: u32) -> bool {
        let control = self.table.get(vector as usize * ENTRY + CONTROL);
        self.masked || self.used && control.is_some_and(|control| control & 1 != 0)
    }

    /// The device sends message `vector`: returns whether it goes out now.
    pub(crate) fn send(&mut self, vector: u32) -> bool {
        let masked = self.is_masked(vector);
        let there = vector < self.vectors;
        if masked && there {
            self.pending |= 1 << vector;
        }
        !masked && there
    }

    /// Messages that are no longer held back, as bits.
    pub(crate) fn released(&mut self) -> u64 {
        let vectors =
            (0..self.vectors).filter(|vector| self.pending >> vector & 1 != 0 && !self.is_masked(*vector));
        let released = vectors.fold(0, |bits, vector| bits | 1 << vector);
        self.pending &= !released;
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_out_until_the_table_is_written_to_and_then_as_its_masks_say() {
        let mut messages = Messages::new(VECTORS);
        assert!(messages.send(0) && messages.send(63) && !messages.send(64));
        messages.write(16 + 12, &[0, 0, 0, 0]);
        assert!(!messages.send(0) && messages.send(1), "entry 0 is still masked, as after a reset");
        let mut pending = [0xff; 12];
        messages.read(PENDING, &mut pending);
        assert_eq!(pending, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(messages.released(), 0);
        messages.write(12, &[0]);
        assert_eq!((messages.released(), messages.released()), (1, 0), "once");
    }

    #[test]
    fn a_shorter_table_has_no_more_vectors_and_ends_earlier() {
        let mut messages = Messages::new(3);
        assert!(messages.send(2) && !messages.send(3));
        let mut entries = [0; 32];
        messages.write(3 * 16, &[0xff; 16]);
        messages.read(2 * 16, &mut entries);
        assert_eq!(entries.iter().position(|byte| *byte != 0), Some(12), "the mask of the last");
        assert_eq!(entries[13..], [0; 19]);
    }

    #[test]
    fn the_mask_of_all_holds_back_and_lets_go() {
        let mut messages = Messages::new(VECTORS);
        messages.mask(true);
        assert!(!messages.send(5) && !messages.send(7));
        assert_eq!(messages.released(), 0);
        messages.mask(false);
        assert_eq!(messages.released(), 1 << 5 | 1 << 7);
    }

    #[test]
    fn the_table_keeps_addresses_and_data_and_of_the_control_word_the_mask() {
        let mut messages = Messages::new(VECTORS);
        messages.write(16, &[0xff; 16]);
        let mut entry = [0; 16];
        messages.read(16, &mut entry);
        assert_eq!(entry, [255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0]);
        messages.read(32, &mut entry);
        assert_eq!(entry, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], "masked after a reset");
        messages.write(PENDING, &[0xff; 8]);
        messages.write(0x3ff8, &[0xff; 16]);
        messages.read(PENDING, &mut entry);
        assert_eq!(entry, [0; 16], "software cannot write pending bits");
    }
}
