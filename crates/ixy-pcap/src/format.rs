//! Numbers of the file format (draft-ietf-opsawg-pcap, sections 4 and 5).

/// The longest frame that a record may hold, in bytes: the largest snapshot length that the usual tools write
/// (262,144).
///
/// A record that claims more is damage, and is not worth the memory.
pub const MAX_RECORD: u32 = 262_144;

/// Bytes of the file's header.
pub(crate) const FILE_HEADER: usize = 24;
/// Bytes of a record's header.
pub(crate) const RECORD_HEADER: usize = 16;
/// Magic number of a file with microseconds.
pub(crate) const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// Magic number of a file with nanoseconds.
pub(crate) const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// First bytes of a pcapng file: its section header's block type, a palindrome.
pub(crate) const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// LINKTYPE_ETHERNET.
pub(crate) const ETHERNET: u16 = 1;
/// The header's last word: this bit says that the four top bits give the length of a frame check sequence at
/// each frame's end, in units of 16 bits.
pub(crate) const HAS_FCS: u32 = 1 << 26;
/// Where that length starts in the word.
pub(crate) const FCS_SHIFT: u32 = 28;

/// The name of a link type as a suffix for messages, empty when it is not a usual one.
pub(crate) fn link_type_name(link_type: u16) -> &'static str {
    match link_type {
        0 => " (BSD loopback)",
        9 => " (PPP)",
        12 | 14 | 101 => " (raw IP)",
        105 => " (IEEE 802.11)",
        108 => " (OpenBSD loopback)",
        113 => " (Linux cooked)",
        127 => " (IEEE 802.11 with radiotap)",
        189 | 220 => " (USB)",
        276 => " (Linux cooked, version 2)",
        _ => "",
    }
}

/// Reads the 32-bit number at `offset`, which the caller keeps inside `bytes`; zero beyond.
pub(crate) fn word(bytes: &[u8], offset: usize, swapped: bool) -> u32 {
    let value =
        bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four));
    if swapped { value.swap_bytes() } else { value }
}
