use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    Awaited,
    format::{self, MAX_RECORD},
    frames::counted,
    place::{is_broken, takes_no_more, why_not_create, why_not_open},
    shell::quoted,
};

/// The name of standard input in messages.
pub(crate) const STDIN: &str = "standard input";

/// An error of a capture file. Records count from 1, offsets from the file's first byte.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PcapError {
    /// The file cannot be opened for reading.
    #[error("cannot open {}: {}", path.display(), why_not_open(path, source))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot create {}: {}", path.display(), why_not_create(path, source))]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program gave up waiting for the other end: see [`GiveUp`](crate::GiveUp).
    #[error("{} {awaited} before the program was to stop", path.display())]
    GivenUp {
        /// The pipe, or another file.
        path: PathBuf,
        /// What the program waited for.
        awaited: Awaited,
    },
    /// A capture would go to a terminal.
    #[error(
        "{} is a terminal, and a capture is not text; name a file, or write to - and add `| tcpdump -r -`",
        path.display()
    )]
    Terminal {
        /// The file.
        path: PathBuf,
    },
    /// A capture would go to standard output, which is closed.
    #[error(
        "standard output is closed, and a capture there would be lost; redirect it, or write to /dev/null by this name"
    )]
    Closed,
    /// The file to write is being read or written through this crate, in this process or another.
    #[error("{} is in use by another reader or writer; choose another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The system failed to deliver bytes.
    #[error("{}", unreadable(path, *offset, source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Where the bytes were wanted.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The gzip data is damaged or cut off.
    #[error(
        "{path} has damaged gzip data: {source}, after {offset} bytes of the capture; {}",
        keep_whole(path, *records), path = path.display()
    )]
    Gzip {
        /// The file.
        path: PathBuf,
        /// Bytes of the capture that could be unpacked.
        offset: u64,
        /// Whole records in them.
        records: u64,
        /// What is wrong with the data.
        source: io::Error,
    },
    /// The file is shorter than a capture's header.
    #[error(
        "{} is no capture: it ends after {}, and a header takes 24 at least; capture again",
        path.display(), counted(*found as u64, "byte")
    )]
    TruncatedHeader {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: usize,
    },
    /// The file starts with no magic number of pcap or pcapng.
    #[error(
        "{path} is no pcap or pcapng capture: it starts with {:02x} {:02x} {:02x} {:02x}; {}",
        magic[0], magic[1], magic[2], magic[3], way_to_read(path, *magic), path = path.display()
    )]
    NotPcap {
        /// The file.
        path: PathBuf,
        /// Its first four bytes.
        magic: [u8; 4],
    },
    /// The file is of a version of its format that is not known.
    #[error(
        "{path} is of {format} version {major}.{minor}, and {needed} is needed; \
         {}",
        command(path, "convert it", "editcap -F pcap"), path = path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Major version found.
        major: u16,
        /// Minor version found.
        minor: u16,
        /// The version that is known.
        needed: &'static str,
    },
    /// The file's frames are not Ethernet ones.
    #[error(
        "{path} has link type {link_type}{}, and Ethernet (1) is needed; if its frames are Ethernet frames in \
         fact, {}",
        format::link_type_name(*link_type), command(path, "relabel it", "editcap -F pcap -T ether"),
        path = path.display()
    )]
    LinkType {
        /// The file.
        path: PathBuf,
        /// The link type found.
        link_type: u16,
    },
    /// The file ends inside a record.
    #[error(
        "{path} is cut off in record {record} at byte {offset}: it has {found} of the {wanted} bytes \
         of {part}; {}",
        keep_whole(path, record.saturating_sub(1)), path = path.display()
    )]
    TruncatedRecord {
        /// The file.
        path: PathBuf,
        /// The record's number.
        record: u64,
        /// Where the part that is cut off starts.
        offset: u64,
        /// Which part: the record's header or the frame.
        part: &'static str,
        /// Its length in bytes.
        wanted: usize,
        /// How many of them the file has.
        found: usize,
    },
    /// A record claims to be longer than any frame.
    #[error(
        "{path} has a broken record {record} at byte {offset}: it claims {length} bytes, \
         at most {MAX_RECORD} are possible; {}",
        keep_whole(path, record.saturating_sub(1)), path = path.display()
    )]
    RecordTooLong {
        /// The file.
        path: PathBuf,
        /// The record's number.
        record: u64,
        /// Where the record starts.
        offset: u64,
        /// The length it claims in bytes.
        length: u32,
    },
    /// A block of a pcapng file contradicts itself or the blocks before it.
    #[error(
        "{path} has a broken block at byte {offset}: {problem}; {}", keep_whole(path, *records),
        path = path.display()
    )]
    Block {
        /// The file.
        path: PathBuf,
        /// Whole records before it.
        records: u64,
        /// Where the block starts.
        offset: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A pcapng file ends inside a block.
    #[error(
        "{path} is cut off after {end} bytes, inside a block that starts at byte {offset}; {}",
        keep_whole(path, *records), path = path.display()
    )]
    TruncatedBlock {
        /// The file.
        path: PathBuf,
        /// Whole records before the block.
        records: u64,
        /// Where the block starts.
        offset: u64,
        /// Where the file ends.
        end: u64,
    },
    /// The header of a file could not be written. A file that was new was removed again; an old one is empty.
    #[error("cannot write the header of {}: {source}; nothing of it was kept{}", path.display(), make_room(source))]
    Header {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Records could not be written. What is counted here was written and is whole.
    #[error(
        "cannot write more to {}: {source}; it holds {} with {}{}",
        path.display(), counted(*bytes, "byte"), counted(*records, "whole record"), make_room(source)
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Bytes that the file holds, its header among them.
        bytes: u64,
        /// Records that the file holds.
        records: u64,
        /// What the system said.
        source: io::Error,
    },
}

/// The way out when a file is damaged after `whole` records.
fn keep_whole(path: &Path, whole: u64) -> String {
    match whole {
        0 => "nothing of it can be used, capture again".into(),
        whole if is_stdin(path) => format!("records 1 to {whole} of it are whole"),
        whole => {
            format!(
                "keep the records before it with Wireshark's editcap: editcap -F pcap -r {} OUT.pcap 1-{whole}",
                quoted(path)
            )
        }
    }
}

/// A command of editcap that makes OUT.pcap of a file.
fn command(path: &Path, purpose: &str, editcap: &str) -> String {
    match is_stdin(path) {
        true => format!("write it to a file, and {purpose} with Wireshark's {editcap}"),
        false => format!("{purpose} with Wireshark's editcap: {editcap} {} OUT.pcap", quoted(path)),
    }
}

/// Whether the name in messages is that of standard input.
fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// The way out when a disk or a file takes no more, as the end of a message.
fn make_room(error: &io::Error) -> String {
    takes_no_more(error).map(|way_out| format!("; {way_out}")).unwrap_or_default()
}

/// Why nothing can be read.
fn unreadable(path: &Path, offset: u64, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::IsADirectory => {
            format!("cannot open {}: {}", path.display(), why_not_open(path, error))
        }
        _ => {
            let way_out = if is_broken(error) { "; see dmesg for what is wrong with its disk" } else { "" };
            format!("cannot read {} at byte {offset}: {error}{way_out}", path.display())
        }
    }
}

/// The way out when a file is of another kind.
fn way_to_read(path: &Path, magic: [u8; 4]) -> String {
    let unpack = match magic {
        // The first layer was unpacked here.
        [0x1f, 0x8b, ..] if is_stdin(path) => return "it is packed twice: pipe it through gzip -dc".into(),
        [0x1f, 0x8b, ..] => {
            let path = quoted(path);
            return format!("it is packed twice: unpack it once with gzip -dc {path} > OUT.pcap.gz");
        }
        [0x28, 0xb5, 0x2f, 0xfd] => "zstd",
        [0xfd, b'7', b'z', b'X'] => "xz",
        [b'B', b'Z', b'h', _] => "bzip2",
        [0x04, 0x22, 0x4d, 0x18] => "lz4",
        _ => {
            let convert = command(path, "convert it", "editcap -F pcap");
            return format!("if it is a capture of another kind, {convert}");
        }
    };
    match is_stdin(path) {
        true => format!("it is packed; pipe it through {unpack} -dc"),
        false => format!("it is packed; unpack it: {unpack} -dc {} > OUT.pcap", quoted(path)),
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_file_that_takes_no_more_has_its_way_out() {
        for (errno, way_out) in [
            (Errno::NOSPC, "make room, or write to another disk"),
            (Errno::DQUOT, "delete files of yours there"),
            (Errno::FBIG, "ulimit -f unlimited"),
            (Errno::IO, "see dmesg"),
        ] {
            let (path, source) = (PathBuf::from("x.pcap"), || io::Error::from(errno));
            let create = PcapError::Create { path: path.clone(), source: source() };
            let header = PcapError::Header { path: path.clone(), source: source() };
            let records = PcapError::Write { path, bytes: 100, records: 1, source: source() };
            for error in [create, header, records] {
                let text = error.to_string();
                assert!(text.contains(way_out) && text.contains("x.pcap: "), "{errno:?}: {text}");
            }
        }
        let read = PcapError::Read { path: "x.pcap".into(), offset: 5, source: Errno::IO.into() };
        assert!(read.to_string().contains("see dmesg"), "{read}");
    }
}
