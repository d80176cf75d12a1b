use std::{io::Read, path::Path};

use crate::{GiveUp, PcapError, Reader, Record, format::link_type_name};

/// Size of an Ethernet header in bytes. A record with fewer is not a frame.
const HEADER: usize = 14;

/// Reads the frames of a capture that can be sent, and reports all records that are not sent as they were on the
/// wire.
///
/// All programs treat records alike:
///
/// | record | treatment |
/// | --- | --- |
/// | holds less than the 14 bytes of an Ethernet header | skipped, counted |
/// | holds fewer or more bytes than were on the wire | used as it is, counted |
/// | is longer than the device accepts, as reported with [`refuse`](Self::refuse) | skipped, counted |
/// | comes from an interface that is not Ethernet | skipped, counted |
///
/// [`account`](Self::account) reports the counts in words.
///
/// ```
/// use ixy_pcap::{Frames, Writer};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("in.pcap");
/// let mut writer = Writer::create(&path, 0)?;
/// writer.write(0, &[0xff; 60])?;
/// writer.write(0, &[0xff; 5])?; // less than an Ethernet header
/// writer.finish()?;
///
/// let (mut frames, mut lengths) = (Frames::open(&path)?, Vec::new());
/// while frames.advance()? {
///     lengths.extend(frames.record().map(|record| record.data.len()));
/// }
/// assert_eq!(lengths, [60]);
/// assert_eq!(frames.account().len(), 1, "a line about the record that was left out");
/// # Ok::<(), ixy_pcap::PcapError>(())
/// ```
pub struct Frames {
    reader: Reader<Box<dyn Read + Send>>,
    give_up: GiveUp,
    /// Records of earlier passes.
    before: u64,
    no_frame: Class,
    other_length: Class,
    too_long: Class,
    /// The limit that the first of these exceeded.
    limit: usize,
    other_links: u64,
    /// Whether an earlier pass found bytes behind the gzip data.
    garbage: bool,
}

/// Records of a kind.
#[derive(Clone, Copy, Default)]
struct Class {
    records: u64,
    /// The first one: its number, the bytes that it holds, and those that were on the wire.
    first: Option<(u64, usize, u32)>,
}

impl Class {
    fn add(&mut self, number: u64, record: Record<'_>) {
        self.records += 1;
        self.first.get_or_insert((number, record.data.len(), record.original));
    }
}

impl Frames {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PcapError> {
        Self::open_unless(path, &GiveUp::default())
    }

    /// Like [`open`](Self::open), but waits for a pipe only until `give_up`.
    ///
    /// # Errors
    /// Those of [`Reader::open_unless`].
    pub fn open_unless(path: impl AsRef<Path>, give_up: &GiveUp) -> Result<Self, PcapError> {
        Ok(Self {
            reader: Reader::open_unless(path, give_up)?,
            give_up: give_up.clone(),
            before: 0,
            no_frame: Class::default(),
            other_length: Class::default(),
            too_long: Class::default(),
            limit: 0,
            other_links: 0,
            garbage: false,
        })
    }

    /// Advances to the next frame: `false` at the capture's end.
    ///
    /// # Errors
    /// Those of [`Reader::advance`].
    pub fn advance(&mut self) -> Result<bool, PcapError> {
        while self.reader.advance()? {
            let (number, Some(record)) = (self.reader.records(), self.reader.record()) else { continue };
            if record.data.len() < HEADER {
                self.no_frame.add(number, record);
                continue;
            }
            if record.data.len() != record.original as usize {
                self.other_length.add(number, record);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The current frame, from [`advance`](Self::advance).
    pub fn record(&self) -> Option<Record<'_>> {
        self.reader.record()
    }

    /// Counts the current frame as not sent or received, since it is longer than `limit` bytes.
    pub fn refuse(&mut self, limit: usize) {
        if let Some(record) = self.reader.record() {
            if self.too_long.records == 0 {
                self.limit = limit;
            }
            self.too_long.add(self.reader.records(), record);
        }
    }

    /// Counts `records` frames before the current one in the same way. The first of them was record `number`, held
    /// `captured` bytes and was `original` bytes long on the wire.
    pub fn refuse_earlier(
        &mut self,
        records: u64,
        number: u64,
        captured: usize,
        original: u32,
        limit: usize,
    ) {
        self.limit = limit;
        self.too_long = Class { records, first: Some((number, captured, original)) };
    }

    /// The number of the current frame's record, from 1.
    pub fn number(&self) -> u64 {
        self.reader.records()
    }

    /// Returns to the capture's start.
    ///
    /// # Errors
    /// The file cannot be opened again.
    pub fn rewind(&mut self) -> Result<(), PcapError> {
        let again = Reader::open_unless(self.path(), &self.give_up)?;
        self.before += self.reader.records();
        self.other_links += self.reader.other_links().map_or(0, |others| others.records);
        self.garbage |= self.reader.has_garbage();
        self.reader = again;
        Ok(())
    }

    /// The file's name in messages.
    pub fn path(&self) -> &Path {
        self.reader.path()
    }

    /// Number of records skipped so far.
    pub fn left_out(&self) -> u64 {
        self.not_frames() + self.too_long.records
    }

    /// Number of records skipped so far by [`advance`](Self::advance), since they are no Ethernet frames. Refused
    /// frames are not among them.
    pub fn not_frames(&self) -> u64 {
        let others = self.reader.other_links().map_or(0, |others| others.records);
        self.no_frame.records + self.other_links + others
    }

    /// One sentence for each kind of skipped or changed records, with their number and the first one, and one for bytes
    /// that follow gzip data.
    pub fn account(&self) -> Vec<String> {
        let all = counted(self.before + self.reader.records(), "record");
        let line = |count: u64, what: &str, number: u64, with: String| {
            let path = self.path().display();
            let first = if count == 1 { "it is" } else { "the first is" };
            format!("{path}: {count} of {all} {what}; {first} record {number} with {with}")
        };
        let mut lines = Vec::new();
        if let Class { records, first: Some((number, captured, original)) } = self.no_frame {
            let what = "left out: no whole Ethernet header";
            lines.push(line(records, what, number, format!("{captured} of {}", counted(original, "byte"))));
        }
        if let Class { records, first: Some((number, captured, original)) } = self.other_length {
            let what = "taken as captured, with fewer or more bytes than were on the wire";
            lines.push(line(records, what, number, format!("{captured} of {}", counted(original, "byte"))));
        }
        if let Class { records, first: Some((number, captured, _)) } = self.too_long {
            let bytes = counted(captured as u64, "byte");
            let limit = format!("{bytes}, and at most {} pass", self.limit);
            lines.push(line(records, "left out: too long", number, limit));
        }
        if let Some(others) = self.reader.other_links() {
            let (first, link_type) = (others.first, others.link_type);
            let with = format!("link type {link_type}{}", link_type_name(link_type));
            let what = "left out: not from an Ethernet interface";
            lines.push(line(self.other_links + others.records, what, first, with));
        }
        if self.garbage || self.reader.has_garbage() {
            let path = self.path().display();
            lines.push(format!("{path}: its gzip data is whole, and the bytes behind it are ignored"));
        }
        lines
    }
}

/// A number with its noun: `1 record`, `2 records`.
pub(crate) fn counted(number: impl Into<u64>, noun: &str) -> String {
    let number = number.into();
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
