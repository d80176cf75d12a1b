//! Counts during a poll, and the registers that they are then added to (sections 4.6.5 and 8.2.3.23).

use super::behaviour::Behaviour;
use super::names::*;
use super::storage::Storage;

/// Length of the frame check sequence, which all byte counters but those of queues include.
pub(crate) const FCS: u64 = 4;

/// Packets and bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    #[inline(always)]
    fn add(&mut self, bytes: u64) {
        self.packets += 1;
        self.bytes += bytes;
    }
}

/// The MAC's counters of one direction.
#[derive(Debug, Clone, Copy, Default)]
struct Direction {
    good: Tally,
    total: Tally,
    broadcast: u64,
    multicast: u64,
    /// By length with check sequence: 64, to 127, to 255, to 511, to 1023, longer.
    sizes: [u64; 6],
}

/// Upper limits of the first five size classes, with check sequence.
const SIZE_LIMITS: [u64; 5] = [64, 127, 255, 511, 1023];

impl Direction {
    #[inline(always)]
    fn good(&mut self, frame: &[u8]) {
        let bytes = frame.len() as u64 + FCS;
        self.good.add(bytes);
        let class = SIZE_LIMITS.iter().filter(|&&limit| bytes > limit).count();
        self.sizes[class] += 1;
        if frame[0] & 1 != 0 {
            if frame.starts_with(&[0xff; 6]) {
                self.broadcast += 1;
            } else {
                self.multicast += 1;
            }
        }
    }
}

/// Frames that arrived damaged, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Wrong check sequence.
    Crc,
    /// Shorter than 64 bytes with check sequence.
    Short,
    /// Longer than what is allowed.
    Long,
}

/// The counts since the last [`flush`](Self::flush).
#[derive(Debug, Default)]
pub(crate) struct Counts {
    rx: Direction,
    tx: Direction,
    damage: [u64; 3],
    /// Frames for which the packet buffer had no room (MPC).
    overflow: u64,
    /// By set of counters: received, sent, dropped for lack of a descriptor.
    rx_queues: [Tally; 16],
    tx_queues: [Tally; 16],
    dropped: [u64; 16],
    /// Frames that the flow director handled: those that matched no filter, and those that did.
    directed: [u64; 2],
    /// Whether there is anything to flush.
    any: bool,
    /// The counts of virtual functions, once there is one.
    pub(crate) functions: Option<Box<FunctionCounts>>,
}

/// The counts of virtual functions. Their registers show 32 or 36 bits of them (section 8.3).
#[derive(Debug)]
pub(crate) struct FunctionCounts {
    /// Queues in a function; 0 while virtualization is off.
    pub(crate) queues: u32,
    pub(crate) received: [Tally; 64],
    pub(crate) multicast: [u64; 64],
    pub(crate) sent: [Tally; 64],
}

impl Default for FunctionCounts {
    fn default() -> Self {
        let none = [Tally::default(); 64];
        Self { queues: 0, received: none, multicast: [0; 64], sent: none }
    }
}

impl FunctionCounts {
    fn function(&self, queue: u32) -> Option<usize> {
        queue.checked_div(self.queues).map(|n| n as usize & 63)
    }
}

impl Counts {
    /// A frame that arrived, good or not.
    #[inline(always)]
    pub(crate) fn arrived(&mut self, frame: &[u8]) {
        self.any = true;
        self.rx.total.add(frame.len() as u64 + FCS);
    }

    /// Like [`arrived`](Self::arrived), with the damage.
    #[inline(always)]
    pub(crate) fn taken(&mut self, frame: &[u8], damage: Option<Damage>) {
        self.arrived(frame);
        if let Some(damage) = damage {
            self.damage[damage as usize] += 1;
        }
    }

    /// A good frame that the filters passed. The 82599 counts it as good even if it is then missed (erratum).
    #[inline(always)]
    pub(crate) fn passed(&mut self, frame: &[u8]) {
        self.rx.good(frame);
    }

    /// The flow director's result for a frame; `None` when it did not look.
    #[inline(always)]
    pub(crate) fn directed(&mut self, matched: Option<bool>) {
        if let Some(matched) = matched {
            self.directed[usize::from(matched)] += 1;
        }
    }

    /// Uncounts the last good frame, for a device that does not count missed frames as good.
    #[cold]
    pub(crate) fn not_good(&mut self) {
        self.rx.good.packets = self.rx.good.packets.saturating_sub(1);
    }

    /// A frame for which the packet buffer had no room.
    pub(crate) fn overflowed(&mut self) {
        self.overflow += 1;
    }

    /// A frame that was written to memory for a queue.
    #[inline(always)]
    pub(crate) fn received(&mut self, set: usize, bytes: usize) {
        self.any = true;
        self.rx_queues[set & 15].add(bytes as u64);
    }

    /// A frame that was written to memory for queue `queue`, to which a virtual function may belong.
    #[inline(always)]
    pub(crate) fn received_of(&mut self, queue: u32, frame: &[u8]) {
        if let Some(functions) = &mut self.functions
            && let Some(n) = functions.function(queue)
        {
            functions.received[n].add(frame.len() as u64);
            functions.multicast[n] += u64::from(frame[0] & 1);
        }
    }

    /// A frame that queue `queue` sent, of `bytes` as they were in memory.
    #[inline(always)]
    pub(crate) fn sent_of(&mut self, queue: u32, bytes: usize) {
        if let Some(functions) = &mut self.functions
            && let Some(n) = functions.function(queue)
        {
            functions.sent[n].add(bytes as u64);
        }
    }

    /// A frame that a queue dropped for lack of a descriptor.
    pub(crate) fn dropped(&mut self, set: usize) {
        self.any = true;
        self.dropped[set & 15] += 1;
    }

    /// A frame that was sent; `bytes` as they were in memory.
    #[inline(always)]
    pub(crate) fn sent(&mut self, set: usize, frame: &[u8], bytes: usize) {
        self.any = true;
        self.tx.total.add(frame.len() as u64 + FCS);
        self.tx.good(frame);
        self.tx_queues[set & 15].add(bytes as u64);
    }

    /// A frame of `bytes` that was sent to other pools only, and not to the wire.
    pub(crate) fn sent_inside(&mut self, set: usize, bytes: usize) {
        self.any = true;
        self.tx_queues[set & 15].add(bytes as u64);
    }

    /// A frame that the MAC itself sent. The 82599 counts it like any other, but for no queue.
    pub(crate) fn sent_control(&mut self, frame: &[u8]) {
        self.any = true;
        self.tx.total.add(frame.len() as u64 + FCS);
        self.tx.good(frame);
    }

    /// Clears the counters that a mutation switches off. Does nothing without the feature `mutation`.
    #[inline(always)]
    fn forget_switched_off(&mut self) {
        for direction in [&mut self.rx, &mut self.tx] {
            if !Behaviour::StatisticsSizes.on() {
                direction.sizes = [0; 6];
            }
            if !Behaviour::StatisticsBroadcast.on() {
                direction.broadcast = 0;
            }
            if !Behaviour::StatisticsMulticast.on() {
                direction.multicast = 0;
            }
            if !Behaviour::StatisticsTotal.on() {
                direction.total = Tally::default();
            }
            if !Behaviour::StatisticsCheckSequence.on() {
                for tally in [&mut direction.good, &mut direction.total] {
                    tally.bytes = tally.bytes.saturating_sub(tally.packets * FCS);
                }
            }
        }
        if !Behaviour::StatisticsReceived.on() {
            self.rx.good = Tally::default();
        }
        if !Behaviour::StatisticsSent.on() {
            self.tx.good = Tally::default();
        }
        if !Behaviour::StatisticsDamaged.on() {
            self.damage = [0; 3];
        }
        if !Behaviour::StatisticsMissed.on() {
            self.overflow = 0;
        }
        if !Behaviour::StatisticsQueues.on() {
            (self.rx_queues, self.tx_queues) = Default::default();
        }
        if !Behaviour::StatisticsDropped.on() {
            self.dropped = [0; 16];
        }
    }

    /// Adds all counts to the registers.
    pub(crate) fn flush(&mut self, regs: &Storage) {
        if !self.any {
            return;
        }
        let functions = self.functions.take();
        let mut counts = std::mem::take(self);
        self.functions = functions;
        counts.forget_switched_off();
        let add = |register: u32, n: u64| {
            if n > 0 {
                regs.count(register, n);
            }
        };
        let wide = |low: u32, high: u32, n: u64| {
            if n > 0 {
                regs.count_wide(low, high, n);
            }
        };
        let Direction { good, total, broadcast, multicast, sizes } = counts.rx;
        add(GPRC, good.packets);
        wide(GORCL, GORCH, good.bytes);
        add(TPR, total.packets);
        wide(TORL, TORH, total.bytes);
        add(BPRC, broadcast);
        add(MPRC, multicast);
        for (register, n) in [PRC64, PRC127, PRC255, PRC511, PRC1023, PRC1522].into_iter().zip(sizes) {
            add(register, n);
        }
        add(CRCERRS, counts.damage[Damage::Crc as usize]);
        add(RUC, counts.damage[Damage::Short as usize]);
        add(ROC, counts.damage[Damage::Long as usize]);
        add(mpc(0), counts.overflow);
        add(FDIRMISS, counts.directed[0]);
        add(FDIRMATCH, counts.directed[1]);
        let Direction { good, total, broadcast, multicast, sizes } = counts.tx;
        add(GPTC, good.packets);
        wide(GOTCL, GOTCH, good.bytes);
        add(TPT, total.packets);
        add(BPTC, broadcast);
        add(MPTC, multicast);
        for (register, n) in [PTC64, PTC127, PTC255, PTC511, PTC1023, PTC1522].into_iter().zip(sizes) {
            add(register, n);
        }
        for set in 0..16 {
            let (rx, tx) = (counts.rx_queues[set as usize], counts.tx_queues[set as usize]);
            add(qprc(set), rx.packets);
            wide(qbrc_l(set), qbrc_h(set), rx.bytes);
            add(qprdc(set), counts.dropped[set as usize]);
            add(qptc(set), tx.packets);
            wide(qbtc_l(set), qbtc_h(set), tx.bytes);
        }
    }
}

/// The set of counters of a queue: byte `queue % 4` of element `queue / 4` of RQSMR or TQSM.
#[inline(always)]
pub(crate) fn set_of(mapping: u32, queue: u32) -> usize {
    let mapping = if Behaviour::StatisticsSets.on() { mapping } else { 0 };
    (mapping >> (8 * (queue % 4)) & 0xf) as usize
}
