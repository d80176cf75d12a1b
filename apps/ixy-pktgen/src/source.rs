//! Where the frames to send come from: made ([`Numbered`]) or read from a capture ([`Replay`]).

use std::time::{Duration, Instant};

use ixy_cli::Error;
use ixy_core::{Batch, MacAddress, Mempool, TxQueue};

use super::frame;
use super::rate::Pace;

/// Gives the next frames.
pub(crate) trait Source {
    /// Adds to `batch`, which is empty, the frames that are due on `tx`, as many as fit. Returns `false` when there
    /// will never be more.
    fn fill(&mut self, batch: &mut Batch, tx: &mut dyn TxQueue) -> bool;
}

/// Frames that differ in their number, and in their source port when there are several flows.
///
/// The frame was written once into every buffer of the pool. Nobody else writes there, so a buffer that comes back
/// still holds it, and only the number is written each time. Packets that the card has sent are taken back and sent
/// again, past the pool.
#[derive(Debug)]
pub(crate) struct Numbered {
    pool: Mempool,
    size: u16,
    flows: u16,
    flow: u16,
    /// Frames made, and how many are wanted.
    next: u64,
    count: u64,
    pace: Option<Pace>,
}

impl Numbered {
    /// `count` frames of `size` bytes in `flows` flows, in buffers of `pool`, which nobody else uses.
    pub(crate) fn new(
        pool: Mempool,
        size: u16,
        flows: u16,
        count: u64,
        addresses: [MacAddress; 2],
        pace: Option<Pace>,
    ) -> Self {
        let frame = frame::template(size, addresses[0], addresses[1]);
        let all: Vec<_> = std::iter::from_fn(|| pool.allocate())
            .map(|mut packet| {
                if packet.set_len(size) {
                    packet.copy_from_slice(&frame);
                }
                packet
            })
            .collect();
        drop(all);
        Self { pool, size, flows, flow: 0, next: 0, count, pace }
    }

    /// Gives the packets their numbers, and their flows. A function of its own, so that its loop has all registers.
    #[inline(never)]
    fn number(&mut self, batch: &mut Batch) {
        let mut number = self.next as u32;
        self.next += batch.len() as u64;
        for packet in &mut *batch {
            // All are long enough. To say so here costs less than to go on after one that is not.
            if !frame::set_number(packet, number) {
                break;
            }
            number = number.wrapping_add(1);
        }
        if self.flows > 1 {
            for packet in batch {
                frame::set_source_port(packet, frame::FIRST_PORT + self.flow);
                self.flow = if self.flow + 1 == self.flows { 0 } else { self.flow + 1 };
            }
        }
    }
}

impl Source for Numbered {
    #[inline]
    fn fill(&mut self, batch: &mut Batch, tx: &mut dyn TxQueue) -> bool {
        let left = usize::try_from(self.count - self.next).unwrap_or(usize::MAX);
        let mut wanted = batch.room().min(left);
        if let Some(pace) = &mut self.pace {
            wanted = pace.due(Instant::now(), wanted);
        }
        // What was sent comes back with its length, too; what is new from the pool needs one.
        let reclaimed = tx.reclaim(batch, wanted);
        if reclaimed < wanted {
            self.pool.allocate_batch(batch, wanted - reclaimed);
            for packet in &mut batch[reclaimed..] {
                // The pool's buffers are all longer than the longest frame.
                let _fits = packet.set_len(self.size);
            }
        }
        self.number(batch);
        self.next < self.count
    }
}

/// Frames of a capture.
pub(crate) struct Replay {
    pool: Mempool,
    reader: Reader,
    timing: Option<Timing>,
    endless: bool,
    count: u64,
    /// Frames given, in this pass through the file too, and those that no Ethernet can carry.
    given: u64,
    given_this_time: u64,
    skipped: u64,
    /// Whether the reader stands at a record that was not given yet.
    waiting: bool,
    /// What ended it before the capture did.
    failed: Option<Error>,
}

/// Reads a capture from a file or from standard input.
pub(crate) type Reader = ixy_pcap::Reader<Box<dyn std::io::Read + Send>>;

/// When the capture's first frame was sent, and when it was captured, in nanoseconds.
struct Timing {
    start: Instant,
    first: Option<u64>,
}

impl Replay {
    /// The frames of a capture, at most `count`, at their times or as fast as they go, once or `endless`ly.
    pub(crate) fn new(pool: Mempool, reader: Reader, fast: bool, endless: bool, count: u64) -> Self {
        let timing = (!fast).then(|| Timing { start: Instant::now(), first: None });
        Self {
            pool,
            reader,
            timing,
            endless,
            count,
            given: 0,
            given_this_time: 0,
            skipped: 0,
            waiting: false,
            failed: None,
        }
    }

    /// Frames that are too long or too short for Ethernet.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Whether all of the capture could be read.
    pub(crate) fn result(self) -> Result<(), Error> {
        self.failed.map_or(Ok(()), Err)
    }

    /// Goes to the next record, at the end of the file back to its start if that is wanted; `false` when it is not.
    fn advance(&mut self) -> Result<bool, Error> {
        if self.reader.advance()? {
            return Ok(true);
        }
        if !self.endless {
            return Ok(false);
        }
        if self.given_this_time == 0 {
            let path = self.reader.path().display().to_string();
            let why = format!("it has no frame of {} to {} bytes", SENDABLE.start(), SENDABLE.end());
            return Err(Error::NothingToSend { path, why });
        }
        self.given_this_time = 0;
        self.reader = Reader::open(self.reader.path())?;
        self.timing = self.timing.take().map(|_| Timing { start: Instant::now(), first: None });
        Ok(self.reader.advance()?)
    }
}

/// Lengths of frames that Ethernet carries, without frame check sequence, in bytes; short ones are padded by the card.
const SENDABLE: std::ops::RangeInclusive<usize> = 14..=1514;

impl Source for Replay {
    fn fill(&mut self, batch: &mut Batch, _: &mut dyn TxQueue) -> bool {
        while self.given < self.count && batch.room() > 0 {
            if !std::mem::take(&mut self.waiting) {
                match self.advance() {
                    Ok(true) => {}
                    Ok(false) => return false,
                    // What was read before is sent all the same.
                    Err(error) => {
                        self.failed = Some(error);
                        return false;
                    }
                }
            }
            let Some(record) = self.reader.record() else { return false };
            if !SENDABLE.contains(&record.data.len()) {
                self.skipped += 1;
                continue;
            }
            if let Some(timing) = &mut self.timing {
                let first = *timing.first.get_or_insert_with(|| {
                    timing.start = Instant::now();
                    record.time
                });
                let due = Duration::from_nanos(record.time.saturating_sub(first));
                if timing.start.elapsed() < due {
                    self.waiting = true;
                    return true;
                }
            }
            let Some(mut packet) = self.pool.allocate() else {
                self.waiting = true;
                return true;
            };
            if packet.set_len(record.data.len() as u16) {
                packet.copy_from_slice(record.data);
            }
            // There is room, as was seen above.
            let _full = batch.push(packet);
            self.given += 1;
            self.given_this_time += 1;
        }
        self.given < self.count
    }
}
