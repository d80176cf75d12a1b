//! Lists of capabilities behind VFIO's answers: [`Chain`].

use vfio_bindings::bindings::vfio::vfio_info_cap_header;

/// The length of an entry's head: its id, its version, and the offset of the next one.
const HEADER: usize = size_of::<vfio_info_cap_header>();

/// The capabilities that the kernel appends to a structure in its answer (`struct vfio_info_cap_header` of
/// include/uapi/linux/vfio.h). Each entry has the offset of the next one, in bytes from the start of the answer.
///
/// The list is not trusted: it ends at an entry that is not wholly inside the answer, and at one that does not lie
/// after the one before it, since the kernel appends them.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    answer: &'a [u8],
    next: usize,
}

/// One capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its id.
    pub id: u16,
    /// The bytes after its head, up to the end of the answer, since an entry does not contain its length.
    pub body: &'a [u8],
}

impl<'a> Chain<'a> {
    /// The list in `answer` that begins at `offset`; zero is an empty list.
    pub fn new(answer: &'a [u8], offset: u32) -> Self {
        Self { answer, next: offset as usize }
    }

    /// The first entry with this id.
    pub fn entry(mut self, id: u32) -> Option<Entry<'a>> {
        self.find(|entry| u32::from(entry.id) == id)
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let offset = std::mem::take(&mut self.next);
        let entry = self.answer.get(offset..).filter(|_| offset > 0)?;
        let (head, body) = (entry.get(..HEADER)?, &entry[HEADER..]);
        let next = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]) as usize;
        self.next = if next >= offset + HEADER { next } else { 0 };
        Some(Entry { id: u16::from_ne_bytes([head[0], head[1]]), body })
    }
}

impl Entry<'_> {
    /// The 32-bit number at `offset` after the head.
    pub fn u32(&self, offset: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(self.body.get(offset..offset.checked_add(4)?)?.try_into().ok()?))
    }

    /// The entry's list of pairs of 64-bit numbers: a count, a reserved word of 32 bits, then the pairs. Pairs
    /// beyond the answer are left out.
    pub fn pairs(&self) -> Vec<(u64, u64)> {
        let count = self.u32(0).unwrap_or(0) as usize;
        let pairs = self.body.get(8..).unwrap_or_default().chunks_exact(16).take(count);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
        pairs.map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(id: u16, next: u32) -> Vec<u8> {
        [&id.to_ne_bytes()[..], &[1, 0], &next.to_ne_bytes()].concat()
    }

    /// 24 bytes of an answer, ranges at 24, the number of mappings at 72.
    fn answer() -> Vec<u8> {
        let mut bytes = vec![0xEE; 24];
        bytes.extend(head(1, 72));
        bytes.extend([2, 0, 0, 0, 0, 0, 0, 0]);
        for number in [0_u64, 0xFEDF_FFFF, 0xFEF0_0000, 0x7F_FFFF_FFFF] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.extend(head(3, 0));
        bytes.extend(65_535_u32.to_ne_bytes());
        bytes
    }

    #[test]
    fn entries_are_found_with_their_numbers() {
        let bytes = answer();
        let ranges = Chain::new(&bytes, 24).entry(1).unwrap().pairs();
        assert_eq!(ranges, [(0, 0xFEDF_FFFF), (0xFEF0_0000, 0x7F_FFFF_FFFF)]);
        assert_eq!(Chain::new(&bytes, 24).entry(3).unwrap().u32(0), Some(65_535));
        assert_eq!(Chain::new(&bytes, 24).entry(2), None);
        assert_eq!(Chain::new(&bytes, 0).next(), None, "no list");
    }

    #[test]
    fn a_list_that_turns_back_ends() {
        for next in [24, 0, 8, 31] {
            let mut bytes = answer();
            bytes[76..80].copy_from_slice(&u32::to_ne_bytes(next));
            let ids: Vec<_> = Chain::new(&bytes, 24).map(|entry| entry.id).collect();
            assert_eq!(ids, [1, 3], "the next one is said to be at {next}");
        }
    }

    #[test]
    fn more_pairs_than_the_answer_holds_are_left_out() {
        let mut bytes = answer();
        bytes[32..36].copy_from_slice(&u32::MAX.to_ne_bytes());
        bytes.truncate(71);
        assert_eq!(Chain::new(&bytes, 24).entry(1).unwrap().pairs(), [(0, 0xFEDF_FFFF)]);
        bytes.truncate(34);
        let entry = Chain::new(&bytes, 24).entry(1).unwrap();
        assert_eq!((entry.pairs(), entry.u32(0), entry.u32(usize::MAX)), (vec![], None, None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(0_u8..40, 0..200), offset in 0_u32..220) {
            let entries: Vec<_> = Chain::new(&bytes, offset).collect();
            prop_assert!(entries.len() <= bytes.len() / HEADER);
            for entry in entries {
                let pairs = entry.pairs();
                prop_assert!(pairs.len() * 16 <= entry.body.len());
            }
        }
    }
}
