//! Numbers of the two file formats (draft-ietf-opsawg-pcap, sections 4 and 5; draft-ietf-opsawg-pcapng, sections 3
//! and 4).

use std::path::Path;

/// The longest frame that a record may hold, in bytes: the largest snapshot length that the usual tools write
/// (262,144).
///
/// A record that claims more is damaged, and not worth the memory.
pub const MAX_RECORD: u32 = 262_144;

/// A format of captures.
///
/// ```
/// use std::path::Path;
/// use ixy_pcap::Format;
///
/// assert_eq!(Format::of(Path::new("out.pcapng.gz")), Format::Pcapng);
/// assert_eq!(Format::of(Path::new("out")), Format::Pcap);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The classic format, which every tool reads.
    Pcap,
    /// The newer format, which Wireshark and dumpcap write by default.
    Pcapng,
}

impl Format {
    /// The format for a file's name: pcapng for `x.pcapng` and `x.pcapng.gz`, else pcap.
    pub fn of(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let path = if is_gzip(path) { path.with_extension("") } else { path.into() };
        let pcapng = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pcapng"));
        if pcapng { Self::Pcapng } else { Self::Pcap }
    }
}

/// Whether a file's name asks for gzip.
pub(crate) fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

/// Size of a pcap file's header in bytes.
pub(crate) const FILE_HEADER: usize = 24;
/// Size of a pcap record's header in bytes.
pub(crate) const RECORD_HEADER: usize = 16;
/// Magic number of a pcap file with microseconds.
pub(crate) const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// Magic number of a pcap file with nanoseconds.
pub(crate) const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// LINKTYPE_ETHERNET.
pub(crate) const ETHERNET: u16 = 1;
/// In a pcap header's last word: with this bit, the four top bits give the length of a frame check sequence at
/// each frame's end, in units of 16 bits.
pub(crate) const HAS_FCS: u32 = 1 << 26;
/// The shift of that length in the word.
pub(crate) const FCS_SHIFT: u32 = 28;

/// Type of pcapng's section header block, the first four bytes of a file: a palindrome, so that it reads the same
/// in either byte order.
pub(crate) const SECTION: u32 = 0x0a0d_0d0a;
/// The mark in a section header that shows its byte order.
pub(crate) const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Type of an interface description block.
pub(crate) const INTERFACE: u32 = 1;
/// Type of the obsolete packet block.
pub(crate) const OLD_PACKET: u32 = 2;
/// Type of a simple packet block.
pub(crate) const SIMPLE_PACKET: u32 = 3;
/// Type of an enhanced packet block.
pub(crate) const ENHANCED_PACKET: u32 = 6;
/// Size of a block without its body: type, length, and the length again.
pub(crate) const BLOCK_FRAME: u32 = 12;
/// Size of the smallest section header block in bytes.
pub(crate) const SECTION_LEAST: u32 = 28;
/// Size of an enhanced packet block without the frame in bytes.
pub(crate) const ENHANCED_FRAME: u32 = BLOCK_FRAME + 20;
/// Option of an interface: the unit of its time stamps.
pub(crate) const IF_TSRESOL: u16 = 9;
/// Option of an interface: bytes of frame check sequence at the end of each frame.
pub(crate) const IF_FCSLEN: u16 = 13;
/// Option of an interface: seconds to add to its time stamps.
pub(crate) const IF_TSOFFSET: u16 = 14;

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

/// Reads the 16-bit number at `offset`, like [`word`].
pub(crate) fn half(bytes: &[u8], offset: usize, swapped: bool) -> u16 {
    let value =
        bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |two| u16::from_le_bytes(*two));
    if swapped { value.swap_bytes() } else { value }
}
