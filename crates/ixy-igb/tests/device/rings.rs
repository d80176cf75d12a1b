//! Frames: filters and queues, descriptors, counters.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use ixy_dma::{Iova, View};

use super::State;
use super::offset::{self, BASE_HIGH, BASE_LOW, LEN, RQDPC, SRRCTL, TAIL, TDWBAL, rx, tx};

/// Counters that it has, by offset. The high half of each pair clears both when it is read.
const CRCERRS: u32 = 0x4000;
const MPC: u32 = 0x4010;
const GPRC: u32 = 0x4074;
const GPTC: u32 = 0x4080;
const GORCL: u32 = 0x4088;
const GORCH: u32 = 0x408c;
const GOTCL: u32 = 0x4090;
const GOTCH: u32 = 0x4094;
const ROC: u32 = 0x40ac;

const FCS: u64 = 4;
/// The highest count of RQDPC.
const RQDPC_MAX: u32 = 0xfff;

/// The fault in a receive descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lie {
    /// Fills the descriptor correctly.
    No,
    /// Sets these bits in the second word, too.
    With(u64),
    /// Replaces the second word by these bits.
    Word(u64),
}

#[derive(Debug, Default)]
pub(super) struct Counters(BTreeMap<u32, u64>);

impl Counters {
    fn add(&mut self, counter: u32, count: u64) {
        *self.0.entry(counter).or_default() += count;
    }

    pub(super) fn take(&mut self, at: u32) -> u32 {
        match at {
            // Reading the low half keeps all 64 bits.
            GORCL | GOTCL => self.0.get(&at).copied().unwrap_or_default() as u32,
            GORCH | GOTCH => (self.0.remove(&(at - 4)).unwrap_or_default() >> 32) as u32,
            // The others saturate.
            _ => self.0.remove(&at).unwrap_or_default().min(u32::MAX.into()) as u32,
        }
    }
}

/// A ring as its registers describe it.
struct Ring {
    base: u64,
    len: u32,
}

impl State {
    /// Counts frames as if they had arrived: damaged ones, good ones with their bytes, and bytes sent.
    pub(crate) fn count(&mut self, damaged: u64, good: u64, bytes: u64, sent_bytes: u64) {
        for (counter, count) in [(CRCERRS, damaged), (GPRC, good), (GORCL, bytes), (GOTCL, sent_bytes)] {
            self.counters.add(counter, count);
        }
    }

    fn ring(&mut self, kind: usize, n: usize) -> Option<Ring> {
        let register = |at| if kind == 0 { rx(n, at) } else { tx(n, at) };
        let base = u64::from(self.at(register(BASE_LOW))) | u64::from(self.at(register(BASE_HIGH))) << 32;
        let len = self.at(register(LEN)) / 16;
        let tail = self.at(register(TAIL));
        if tail >= len && tail != 0 {
            self.violation(format!("the tail {tail} is outside of a ring of {len}"));
            return None;
        }
        (len > 0).then_some(Ring { base, len })
    }

    /// Takes frames from the wire, and passes them to the queues while there is room.
    pub(super) fn receive(&mut self, view: &View<'_>, bus_master: bool) {
        while let Some(frame) = self.arriving.pop_front() {
            if self.at(offset::RCTL) & 2 == 0 || !self.accepts(&frame) {
                continue;
            }
            self.buffered.push_back(frame);
            while bus_master && let Some(frame) = self.buffered.pop_front() {
                if !self.give(view, &frame) {
                    self.buffered.push_front(frame);
                    break;
                }
            }
            if self.buffered.len() > self.options.buffer {
                self.buffered.pop_back();
                self.counters.add(MPC, 1);
            }
        }
        while bus_master && let Some(frame) = self.buffered.pop_front() {
            if !self.give(view, &frame) {
                self.buffered.push_front(frame);
                break;
            }
        }
    }

    /// Whether the filters accept the frame: RCTL's UPE, MPE, LPE and BAM, and its own addresses.
    fn accepts(&mut self, frame: &[u8]) -> bool {
        let rctl = self.at(offset::RCTL);
        let longest = if rctl & 1 << 5 == 0 { 1522 } else { self.at(offset::RLPML) as usize & 0x3fff };
        if frame.len() + 4 > longest {
            self.counters.add(ROC, 1);
            return false;
        }
        let to = &frame[..6];
        if to == [0xff; 6] {
            return rctl & 1 << 15 != 0;
        }
        if to[0] & 1 != 0 {
            return rctl & 1 << 4 != 0;
        }
        let own = (0..16).any(|n| {
            let (low, high) = (self.at(offset::RAL + 8 * n), self.at(offset::RAH + 8 * n));
            let [a, b, c, d] = low.to_le_bytes();
            let [e, f, ..] = high.to_le_bytes();
            high & 1 << 31 != 0 && to == [a, b, c, d, e, f]
        });
        own || rctl & 1 << 3 != 0
    }

    /// The queue of a frame: by the hash that MRQC selects, if any.
    fn queue_of(&self, frame: &[u8]) -> usize {
        let mrqc = self.at(offset::MRQC);
        if mrqc & 7 != 2 || self.at(offset::RXCSUM) & 1 << 13 == 0 || frame[12..14] != [8, 0] {
            return 0;
        }
        let with_ports = match frame[23] {
            6 => mrqc & 1 << 16 != 0,
            17 => mrqc & 1 << 22 != 0,
            _ => false,
        };
        if !with_ports && mrqc & 1 << 17 == 0 {
            return 0;
        }
        let key: Vec<u8> = (0..10).flat_map(|n| self.at(offset::RSSRK + 4 * n).to_le_bytes()).collect();
        let hash = toeplitz(&key, &frame[26..if with_ports { 38 } else { 34 }]);
        let entry = hash & 127;
        (self.at(offset::RETA + (entry & !3)) >> (8 * (entry & 3)) & 0xf) as usize
    }

    /// Writes a frame to the ring of its queue. `false` when it has to wait.
    fn give(&mut self, view: &View<'_>, frame: &[u8]) -> bool {
        let n = self.queue_of(frame);
        if !self.is_on(0, n) {
            self.violation(format!("a frame is for queue {n}, which is off"));
            return true;
        }
        let Some(ring) = self.ring(0, n) else { return true };
        let srrctl = self.at(rx(n, SRRCTL));
        if srrctl >> 25 & 7 != 1 {
            self.violation("the descriptors of a receive ring are not advanced ones with one buffer");
        }
        let size = (srrctl & 0x7f) as usize * 1024;
        let mut data = frame.to_vec();
        if self.at(offset::RCTL) & 1 << 26 == 0 {
            data.extend([0xfc; 4]);
        }
        // The check sequence is stripped; otherwise four bytes in its place arrive, too.
        let needed = data.len().div_ceil(size) as u32;
        let free = (self.at(rx(n, TAIL)) + ring.len - self.heads[0][n]) % ring.len;
        if free < needed {
            if srrctl & 1 << 31 == 0 {
                return false;
            }
            let dropped = self.at(rx(n, RQDPC));
            *self.at_mut(rx(n, RQDPC)) = (dropped + 1).min(RQDPC_MAX);
        } else {
            let pieces = data.chunks(size).count();
            for (i, piece) in data.chunks(size).enumerate() {
                self.fill(view, &ring, n, piece, i + 1 == pieces);
            }
            self.received(n);
        }
        self.counters.add(GPRC, 1);
        self.counters.add(GORCL, frame.len() as u64 + FCS);
        true
    }

    fn fill(&mut self, view: &View<'_>, ring: &Ring, n: usize, piece: &[u8], last: bool) {
        let at = Iova(ring.base + 16 * u64::from(self.heads[0][n]));
        let (Some(first), Some(second)) = (view.word64(at), view.word64(at.offset(8))) else { return };
        let address = Iova(u64::from_le(first.load(Ordering::Acquire)));
        if second.load(Ordering::Acquire) != 0 {
            self.violation(format!("receive descriptor {} is not in its read format", self.heads[0][n]));
        }
        view.write(address, piece);
        let done = 1 | u64::from(last) << 1;
        let word = done | (piece.len() as u64) << 32;
        let word = match self.lies.pop_front() {
            None | Some(Lie::No) => word,
            Some(Lie::With(bits)) => word | bits,
            Some(Lie::Word(word)) => word,
        };
        first.store(u64::MAX, Ordering::Relaxed);
        second.store(word.to_le(), Ordering::Release);
        self.heads[0][n] = (self.heads[0][n] + 1) % ring.len;
    }

    /// Sends the frames between head and tail.
    pub(super) fn transmit(&mut self, view: &View<'_>, n: usize) {
        if !self.is_on(1, n) {
            return;
        }
        let Some(ring) = self.ring(1, n) else { return };
        if self.at(tx(n, TDWBAL)) & 1 != 0 {
            self.violation("head write-back is on");
        }
        let tail = self.at(tx(n, TAIL));
        let (mut frame, mut payload) = (Vec::new(), 0);
        while self.heads[1][n] != tail {
            let at = Iova(ring.base + 16 * u64::from(self.heads[1][n]));
            let (Some(first), Some(second)) = (view.word64(at), view.word64(at.offset(8))) else { return };
            let address = u64::from_le(first.load(Ordering::Acquire));
            let word = u64::from_le(second.load(Ordering::Acquire));
            let len = (word & 0xffff) as usize;
            // DTYP 3, DEXT, IFCS; EOP and RS are free; nothing else is set.
            if word & 0x3fff_f7ff_0000 & !(1 << 24 | 1 << 27) != 3 << 20 | 1 << 29 | 1 << 25 {
                self.violation(format!("a transmit descriptor has the second word {word:#018x}"));
            }
            if len == 0 || (address & 4095) as usize + len > 4096 {
                self.violation(format!("{len} bytes at {address:#x} are nothing, or not in one page"));
            }
            if frame.is_empty() {
                payload = (word >> 46) as usize;
            }
            let start = frame.len();
            frame.resize(start + len, 0);
            view.read(Iova(address), &mut frame[start..]);
            if word & 1 << 27 != 0 {
                first.store(0, Ordering::Relaxed);
                second.store((1_u64 << 32).to_le(), Ordering::Release);
            }
            self.heads[1][n] = (self.heads[1][n] + 1) % ring.len;
            if word & 1 << 24 != 0 {
                self.send(n, std::mem::take(&mut frame), payload);
            }
        }
        if !frame.is_empty() {
            self.violation("a frame is not whole at the tail");
        }
    }

    fn send(&mut self, n: usize, mut frame: Vec<u8>, payload: usize) {
        if payload != frame.len() {
            self.violation(format!("PAYLEN is {payload} of a frame of {}", frame.len()));
        }
        if frame.len() < 17 {
            self.violation(format!("a frame of {} bytes cannot be padded", frame.len()));
        }
        if self.at(offset::TCTL) & 1 << 3 != 0 && frame.len() < 60 {
            frame.resize(60, 0);
        }
        self.counters.add(GPTC, 1);
        self.counters.add(GOTCL, frame.len() as u64 + FCS);
        self.left.entry(n).or_default().push(frame);
    }
}

/// Microsoft's hash for receive side scaling: for each set bit of the input, the 32 key bits from its position on.
fn toeplitz(key: &[u8], input: &[u8]) -> u32 {
    let bit = |bytes: &[u8], n: usize| bytes[n / 8] >> (7 - n % 8) & 1;
    let mut hash = 0;
    for n in (0..input.len() * 8).filter(|&n| bit(input, n) == 1) {
        hash ^= (0..32).fold(0_u32, |word, i| word << 1 | u32::from(bit(key, n + i)));
    }
    hash
}
