use std::{
    io,
    path::{Path, PathBuf},
};

use crate::format::{self, MAX_RECORD};

/// What can be wrong with a capture file. Records count from 1, offsets from the file's first byte.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PcapError {
    /// The file cannot be opened or made.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file to write is being read or written through this crate, in this process or another.
    #[error("{} is in use by another reader or writer; choose another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The system failed to deliver bytes.
    #[error("cannot read {} at byte {offset}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Where the bytes were wanted.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file is shorter than a capture's header.
    #[error("{} is no capture: it ends after {found} bytes, a pcap header takes 24", path.display())]
    TruncatedHeader {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: usize,
    },
    /// The file is a pcapng one.
    #[error(
        "{path} is a pcapng capture, pcap is needed; convert it: editcap -F pcap {path} OUT.pcap",
        path = path.display()
    )]
    Pcapng {
        /// The file.
        path: PathBuf,
    },
    /// The file starts with none of pcap's magic numbers.
    #[error(
        "{path} is no pcap capture: it starts with {:02x} {:02x} {:02x} {:02x}; \
         if it is a capture of another kind, convert it: editcap -F pcap {path} OUT.pcap",
        magic[0], magic[1], magic[2], magic[3], path = path.display()
    )]
    NotPcap {
        /// The file.
        path: PathBuf,
        /// Its first four bytes.
        magic: [u8; 4],
    },
    /// The file is of a version other than 2.
    #[error(
        "{path} is of pcap version {major}.{minor}, 2.4 is needed; \
         convert it: editcap -F pcap {path} OUT.pcap",
        path = path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Major version found.
        major: u16,
        /// Minor version found.
        minor: u16,
    },
    /// The file's frames are not Ethernet ones.
    #[error(
        "{path} has link type {link_type}{}, Ethernet (1) is needed; if its frames are Ethernet ones all the \
         same, relabel it: editcap -F pcap -T ether {path} OUT.pcap",
        format::link_type_name(*link_type), path = path.display()
    )]
    LinkType {
        /// The file.
        path: PathBuf,
        /// The link type found.
        link_type: u16,
    },
    /// The file ends inside a record.
    #[error(
        "{path} is cut off in record {record} at byte {offset}: {wanted} bytes of {part} are due, \
         {found} are there; {}",
        whole_before(path, *record), path = path.display()
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
        whole_before(path, *record), path = path.display()
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
    /// The header of a new file could not be written; the file was removed again.
    #[error("cannot write the header of {}: {source}; nothing of it was kept", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Records could not be written. What is counted here was written and is whole.
    #[error(
        "cannot write more to {}: {source}; it holds {bytes} bytes with {records} whole records{}",
        path.display(),
        if source.kind() == io::ErrorKind::StorageFull { "; make room or write to another disk" } else { "" }
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

/// The way out when a file is damaged from `record` on.
fn whole_before(path: &Path, record: u64) -> String {
    match record.saturating_sub(1) {
        0 => "nothing of it can be used, capture again".into(),
        whole => {
            format!("keep the records before it: editcap -F pcap -r {} OUT.pcap 1-{whole}", path.display())
        }
    }
}
