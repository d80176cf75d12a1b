//! Reads and writes captures of Ethernet frames: pcap and pcapng, plain or gzip.
//!
//! A pcap file is a 24-byte header followed by records, each a 16-byte header (seconds, fraction of a second,
//! bytes captured, bytes on the wire) and the frame. The first four bytes give the byte order of all numbers
//! and whether fractions are micro- or nanoseconds; the header's last word names the kind of frames. The
//! format is described in the IETF draft "PCAP Capture File Format" (draft-ietf-opsawg-pcap).
//!
//! A pcapng file is a list of blocks, each with a type and a length: a section header, which gives the byte order;
//! descriptions of interfaces, which give the kind of frames and the unit of time stamps; packets; and others,
//! which are skipped. The format is described in the IETF draft "PCAP Now Generic Capture File Format"
//! (draft-ietf-opsawg-pcapng), whose sections are cited where they matter.
//!
//! - [`Reader`] returns one record at a time from a reused buffer.
//! - [`Frames`] returns the records that can be sent as frames, and reports all others.
//! - [`Input`] returns the same frames of a file or of a pipe, without waiting for the pipe's writer.
//! - [`Writer`] appends frames; it grows a regular file by preallocation and cuts it to its exact length at the
//!   end.
//! - [`Claim`] finds out before anything is opened whether a program would overwrite a capture that it reads.
//! - [`GiveUp`] ends waits for the other end of a pipe, a socket or a terminal.
//! - [`PcapError`] names the file, the record and the byte offset, and the remedy.
//!
//! ```
//! use ixy_pcap::{Reader, Writer};
//!
//! let path = std::env::temp_dir().join(format!("ixy-pcap-example-{}.pcap", std::process::id()));
//! let mut writer = Writer::create(&path, 0)?;
//! writer.write(1_700_000_000_123_456_789, &[0xab; 60])?;
//! writer.finish()?;
//!
//! let mut reader = Reader::open(&path)?;
//! while let Some(record) = reader.next_record()? {
//!     assert_eq!((record.time, record.data.len()), (1_700_000_000_123_456_789, 60));
//! }
//! # std::fs::remove_file(&path).unwrap();
//! # Ok::<(), ixy_pcap::PcapError>(())
//! ```
#![forbid(unsafe_code)]

mod claim;
mod error;
mod format;
mod frames;
mod input;
mod layout;
mod outlet;
mod patience;
mod pcap;
mod pcapng;
mod place;
mod reader;
mod reserve;
mod shell;
mod source;
mod writer;

pub use claim::{Claim, Clash, is_stdout, same_place, stdout_is_closed};
pub use error::PcapError;
pub use format::{Format, MAX_RECORD};
pub use frames::Frames;
pub use input::{Ended, Input, Next};
pub use patience::{Awaited, GiveUp};
pub use place::{why_not_create, why_not_open};
pub use reader::{OtherLinks, Reader, Record};
pub use shell::quoted;
pub use writer::Writer;
