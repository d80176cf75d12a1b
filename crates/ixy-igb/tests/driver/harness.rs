//! The driver and the device together.

use std::sync::Arc;

use ixy_core::{Batch, Mempool, Packet, RxQueue, TxQueue};
use ixy_dma::{DmaDomain, SimulatedDomain};
use ixy_igb::{Config, Error, Igb, IgbRxQueue, IgbTxQueue};

use crate::device::{Device, DeviceBus, Options};

pub(crate) type Card = Igb<DeviceBus>;
pub(crate) type Rx = IgbRxQueue<DeviceBus>;
pub(crate) type Tx = IgbTxQueue<DeviceBus>;

/// A device, memory that it reaches, and a pool in it. Dropping it checks that the device saw no violation by the
/// driver, and no access outside of its memory.
pub(crate) struct Harness {
    pub(crate) device: Arc<Device>,
    pub(crate) pool: Mempool,
    pub(crate) domain: Arc<SimulatedDomain>,
}

impl Harness {
    pub(crate) fn new(options: Options) -> Self {
        let domain = Arc::new(SimulatedDomain::default());
        let pool = Mempool::new(domain.clone(), 4096).unwrap();
        Self { device: Device::new(options, &domain), pool, domain }
    }

    pub(crate) fn open(&self, config: &Config) -> Result<Card, Error> {
        let domain: Arc<dyn DmaDomain> = self.domain.clone();
        // SAFETY: ARMED-ONLY: all belong to one device, which tests open once at a time.
        unsafe { config.open("test", self.device.bus(), &domain, self.device.bus_master(), &self.pool) }
    }

    /// The error with which opening fails.
    pub(crate) fn refusal(&self, config: &Config) -> String {
        self.open(config).expect_err("it opened nevertheless").to_string()
    }

    /// Opens the device and takes its first queues.
    pub(crate) fn start(&self, config: &Config) -> (Card, Rx, Tx) {
        let mut card = self.open(config).unwrap();
        let (rx, tx) = (card.take_rx_queue(0).unwrap(), card.take_tx_queue(0).unwrap());
        (card, rx, tx)
    }

    /// A packet that holds `bytes`.
    pub(crate) fn packet(&self, bytes: &[u8]) -> Packet {
        let mut packet = self.pool.allocate().unwrap();
        assert!(packet.set_len(bytes.len() as u16));
        packet.copy_from_slice(bytes);
        packet
    }

    /// A batch that holds `frames`.
    pub(crate) fn batch(&self, frames: &[Vec<u8>]) -> Batch {
        let mut batch = Batch::new(frames.len());
        for frame in frames {
            batch.push(self.packet(frame)).unwrap();
        }
        batch
    }

    /// Lets `frames` arrive, and returns the frames that the driver received.
    pub(crate) fn pass(&self, rx: &mut impl RxQueue, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.device.arrive(frames.to_vec());
        self.received(rx)
    }

    /// Receives until nothing more comes.
    pub(crate) fn received(&self, rx: &mut impl RxQueue) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let mut idle = 0;
        // A queue that has to wait may find more on the next pass.
        while idle < 10 {
            self.device.poll();
            let mut batch = Batch::new(32);
            idle = if rx.receive(&mut batch) == 0 { idle + 1 } else { 0 };
            all.extend(batch.iter().map(|packet| packet.to_vec()));
        }
        all
    }

    /// Sends `frames` on queue 0, and returns the frames that left the device.
    pub(crate) fn send(&self, tx: &mut Tx, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        for frames in frames.chunks(32) {
            let mut batch = self.batch(frames);
            for _ in 0..100 {
                tx.send(&mut batch);
                self.device.poll();
            }
            assert!(batch.is_empty(), "packets were not sent");
        }
        assert_eq!(tx.pending(), 0, "packets are still there");
        self.device.sent(0)
    }

    /// Checks that all buffers are back and the device is at rest. Drop device, queues and packets before.
    pub(crate) fn all_is_back(&self) {
        assert!(self.device.is_quiet(), "the device may still reach memory that was freed");
        assert_eq!(self.pool.free(), self.pool.buffers(), "buffers are missing, or there are some twice");
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.device.violations(), [""; 0], "the driver did what it must not do");
            assert_eq!(self.domain.last_fault(), None, "the device was sent to memory that is not there");
        }
    }
}

/// A frame to an arbitrary address, of `len` bytes, all derived from its number.
pub(crate) fn frame(number: u32, len: usize) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x98, 0x88, 0xb5];
    frame.extend(number.to_be_bytes());
    frame.resize(len, number as u8);
    frame
}

pub(crate) fn frames(count: u32, len: impl Fn(u32) -> usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| frame(number, len(number))).collect()
}

/// An IPv4 frame of TCP (6), UDP (17) or another protocol, with these addresses and ports.
pub(crate) fn ipv4(protocol: u8, from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x98, 8, 0];
    frame.extend([0x45, 0, 0, 46, 0, 0, 0, 0, 64, protocol, 0, 0]);
    frame.extend([from.0, to.0].concat());
    frame.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
    frame.resize(60, 0);
    frame
}
