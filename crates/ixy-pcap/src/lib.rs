//! Reads and writes pcap captures of Ethernet frames.
//!
//! A pcap file is a 24-byte header followed by records, each a 16-byte header (seconds, fraction of a second,
//! bytes captured, bytes on the wire) and the frame. The first four bytes tell the byte order of all numbers
//! and whether fractions are micro- or nanoseconds; the header's last word names the kind of frames. The
//! format is described in the IETF draft "PCAP Capture File Format" (draft-ietf-opsawg-pcap), whose sections
//! are cited where they matter.
//!
//! - [`Reader`] gives one frame at a time out of a buffer that is used again.
//! - [`Writer`] appends frames; it grows a regular file by preallocation and cuts it to its exact length at
//!   the end.
//! - [`PcapError`] names the file, the record and the byte offset, and the way out.
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

mod error;
mod format;
mod reader;
mod reserve;
mod writer;

pub use error::PcapError;
pub use format::MAX_RECORD;
pub use reader::{Reader, Record};
pub use writer::Writer;
