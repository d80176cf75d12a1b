//! The part that the device and its queues share: the registers, failures, and the reset at the end.

use std::any::Any;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ixy_core::{DATA_SIZE, DeviceStats, Interrupts, QueueStats};
use ixy_dma::BusMaster;
use ixy_regs::bus::Bus;
use ixy_regs::virtio::STATUS;
use ixy_regs::virtio::features::Features;
use ixy_regs::virtio::net;

use crate::error::Error;
use crate::ring::RingFault;
use crate::transport::Transport;

/// Longest time until pending requests end after bus mastering was switched off.
const PENDING: Duration = Duration::from_millis(20);

/// The value of every register of a device that is gone.
pub(crate) const GONE: u8 = 0xFF;
/// The device status of a running device (section 2.1).
const RUNNING: u8 = 0xF;

/// One open device. When its last holder, the device or a queue, is dropped, it is reset and its memory
/// freed.
///
/// QUIET-BEFORE-FREE: rings and the packets in them are handed to [`keep`](Self::keep) when their queue is
/// dropped, and freed only after the device was seen to have stopped.
pub(crate) struct Card<B: Bus> {
    pub(crate) transport: Transport<B>,
    pub(crate) name: String,
    /// The negotiated features.
    pub(crate) features: Features,
    pub(crate) bus_master: Arc<dyn BusMaster>,
    /// The vectors, which stay enabled until the device was reset and uses none any more.
    pub(crate) interrupts: Option<Interrupts>,
    /// One for each pair of queues.
    pub(crate) counters: Box<[Counters]>,
    failure: Mutex<Option<(String, RingFault)>>,
    memory: Mutex<Vec<Box<dyn Any + Send>>>,
}

/// Counters of a queue pair. They are on different cache lines, since each queue has its own thread.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Counters {
    pub(crate) rx: Line,
    pub(crate) tx: Line,
}

/// Counters of one queue.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Line {
    pub(crate) packets: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

impl Line {
    /// Adds to a counter that a single thread writes.
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }
}

impl<B: Bus> fmt::Debug for Card<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card")
            .field("name", &self.name)
            .field("features", &self.features)
            .finish_non_exhaustive()
    }
}

impl<B: Bus> Card<B> {
    pub(crate) fn new(
        transport: Transport<B>,
        name: String,
        bus_master: Arc<dyn BusMaster>,
        interrupts: Option<Interrupts>,
        queues: u16,
    ) -> Self {
        Self {
            transport,
            name,
            features: Features::empty(),
            bus_master,
            interrupts,
            counters: (0..queues).map(|_| Counters::default()).collect(),
            failure: Mutex::default(),
            memory: Mutex::default(),
        }
    }

    /// Whether a frame shares a descriptor with its header. Some legacy devices want two descriptors (section
    /// 5.1.6.6).
    pub(crate) fn header_with_data(&self) -> bool {
        self.transport.is_modern() || self.features.contains(Features::ANY_LAYOUT)
    }

    /// Bytes of the header before each frame. The legacy interface leaves the number of buffers out where it
    /// is always one (section 5.1.6.1).
    pub(crate) fn header_len(&self) -> u16 {
        net::Header::size(self.features) as u16
    }

    /// Checks that the device answers.
    pub(crate) fn check_present(&self) -> Result<u8, ixy_core::Error> {
        match self.transport.status() {
            GONE => Err(ixy_core::Error::Lost { device: self.name.clone(), register: "device_status" }),
            status => Ok(status),
        }
    }

    /// Warns when the device's network has frames longer than a buffer.
    pub(crate) fn warn_of_long_frames(&self) {
        const LONGEST: u16 = DATA_SIZE - 18;
        let offered = Features::from_bits_retain(self.transport.offered());
        let mtu = if offered.contains(Features::MTU) { self.transport.mtu() } else { None };
        if let Some(mtu) = mtu.filter(|&mtu| mtu > LONGEST) {
            let device = &self.name;
            tracing::warn!(
                device,
                mtu,
                "frames of more than {LONGEST} bytes behind their header will be dropped"
            );
        }
    }

    /// The error for a reset that did not end.
    pub(crate) fn reset_timeout(&self) -> Error {
        Error::Timeout {
            device: self.name.clone(),
            what: "finish its reset",
            section: "2.4",
            limit: self.transport.reset_limit(),
            status: self.transport.status(),
        }
    }

    /// Checks that the device runs as it was set up, and that no ring is broken.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let status = self.check_present()?;
        let device = || self.name.clone();
        if let Some((queue, fault)) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(Error::Broken { device: device(), queue, fault });
        }
        if STATUS::NEEDS_RESET.is_set(status) {
            return Err(Error::NeedsReset { device: device(), status });
        }
        // A legacy device has no bit FEATURES_OK.
        let wanted =
            if self.transport.is_modern() { RUNNING } else { RUNNING & !STATUS::FEATURES_OK::SET.mask() };
        if status & wanted != wanted {
            return Err(Error::WasReset { device: device(), status });
        }
        Ok(())
    }

    /// Records a broken ring; the next check whether the device runs reports it.
    #[cold]
    pub(crate) fn fail(&self, queue: &str, fault: RingFault) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| (queue.to_owned(), fault));
    }

    /// Keeps memory that the device may still reach until it has stopped.
    pub(crate) fn keep(&self, memory: Box<dyn Any + Send>) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    /// The sum over all queues.
    pub(crate) fn stats(&self) -> DeviceStats {
        let sum = |counter: fn(&Counters) -> &AtomicU64| {
            self.counters.iter().map(|counters| counter(counters).load(Ordering::Relaxed)).sum()
        };
        DeviceStats {
            rx_packets: sum(|counters| &counters.rx.packets),
            rx_bytes: sum(|counters| &counters.rx.bytes),
            rx_dropped: sum(|counters| &counters.rx.dropped),
            tx_packets: sum(|counters| &counters.tx.packets),
            tx_bytes: sum(|counters| &counters.tx.bytes),
            ..DeviceStats::default()
        }
    }

    /// The counters of each queue pair.
    pub(crate) fn queue_stats(&self) -> Vec<QueueStats> {
        let of_pair = |Counters { rx, tx }: &Counters| {
            let [rx_packets, rx_bytes, tx_packets, tx_bytes] =
                [&rx.packets, &rx.bytes, &tx.packets, &tx.bytes]
                    .map(|counter| counter.load(Ordering::Relaxed));
            QueueStats { rx_packets, rx_bytes, tx_packets, tx_bytes }
        };
        self.counters.iter().map(of_pair).collect()
    }

    /// Stops the device; `true` when it certainly reaches no memory any more.
    fn stop(&self) -> bool {
        let reset = if self.check_present().is_err() {
            tracing::warn!(device = %self.name, "the device no longer answers; only its bus mastering is switched off");
            false
        } else {
            self.transport.reset()
        };
        let stopped = match self.bus_master.disable() {
            Ok(()) => self.no_transactions_pending(),
            Err(error) => {
                tracing::warn!(device = %self.name, %error, "bus mastering could not be switched off");
                false
            }
        };
        // DEPARTURE: a software device may ignore bus mastering, because legacy drivers never enabled it. So
        // only a finished reset proves that it has stopped; registers that read as all ones do not.
        stopped && reset
    }

    fn no_transactions_pending(&self) -> bool {
        let end = Instant::now() + PENDING;
        loop {
            let late = Instant::now() >= end;
            if matches!(self.bus_master.transactions_pending(), Ok(false)) {
                return true;
            }
            if late {
                return false;
            }
            std::thread::sleep(Duration::from_micros(20));
        }
    }
}

impl<B: Bus> Drop for Card<B> {
    fn drop(&mut self) {
        // The memory is leaked unless the device was seen to have stopped, also after a panic.
        let memory = std::mem::take(&mut *self.memory.lock().unwrap_or_else(PoisonError::into_inner));
        let memory = ManuallyDrop::new(memory);
        let stopped = self.stop();
        if stopped {
            drop(ManuallyDrop::into_inner(memory));
        } else {
            tracing::error!(
                device = %self.name,
                "the device could not be stopped: memory that it may still write is not freed"
            );
        }
        tracing::debug!(device = %self.name, stopped, "closed");
    }
}
