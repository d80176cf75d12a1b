//! The driver and the software device together, with all combinations of features.

use std::sync::Arc;

use ixy_core::{Batch, Mempool, Packet, RxQueue, TxQueue};
use ixy_dma::{DmaDomain, Iova, SimulatedDomain};
use ixy_virtio::{Config, Error, Structures, Transport, VirtioNet, VirtioRxQueue, VirtioTxQueue};

use crate::device::{Device, DeviceBus, Options, Order, Window, feature};

pub(crate) type Opened = VirtioNet<DeviceBus>;
pub(crate) type Rx = VirtioRxQueue<DeviceBus>;
pub(crate) type Tx = VirtioTxQueue<DeviceBus>;

/// No frames.
pub(crate) const NOTHING: [Vec<u8>; 0] = [];

/// The interface that the driver uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interface {
    Legacy,
    Modern,
}

/// A device, memory that it reaches, and a pool in it. Dropping it checks that the device saw no violation by the
/// driver, and no access outside of its memory.
pub(crate) struct Harness {
    pub(crate) device: Arc<Device>,
    pub(crate) pool: Mempool,
    pub(crate) domain: Arc<SimulatedDomain>,
    pub(crate) interface: Interface,
}

impl Harness {
    /// A device with the modern interface.
    pub(crate) fn new(options: Options) -> Self {
        Self::build(options, Interface::Modern, 2048)
    }

    pub(crate) fn legacy(options: Options) -> Self {
        Self::build(options, Interface::Legacy, 2048)
    }

    pub(crate) fn build(options: Options, interface: Interface, buffers: usize) -> Self {
        // A legacy device reaches rings below 16 TiB only.
        let domain = Arc::new(SimulatedDomain::default().starting_at(Iova(1 << 33)));
        let pool = Mempool::new(domain.clone(), buffers).unwrap();
        Self { device: Device::new(options, &domain), pool, domain, interface }
    }

    pub(crate) fn of(agreement: &Agreement) -> Self {
        Self::build(agreement.options.clone(), agreement.interface, 2048)
    }

    pub(crate) fn transport(&self) -> Result<Transport<DeviceBus>, Error> {
        let bus = |window| self.device.bus(window);
        let notify_multiplier = self.device.lock().options.notify_multiplier;
        match self.interface {
            Interface::Legacy => Transport::legacy(bus(Window::Legacy)),
            Interface::Modern => Transport::modern(Structures {
                common: bus(Window::Common),
                notify: bus(Window::Notify),
                notify_multiplier,
                isr: bus(Window::Isr),
                device: bus(Window::Config),
            }),
        }
    }

    pub(crate) fn open(&self, config: &Config) -> Result<Opened, Error> {
        let domain: Arc<dyn DmaDomain> = self.domain.clone();
        let master = self.device.bus_master();
        // SAFETY: ARMED-ONLY: all belong to one device, which tests open once at a time.
        unsafe { config.open("test", self.transport()?, &domain, master, &self.pool) }
    }

    /// The error with which opening fails.
    pub(crate) fn refusal(&self, config: &Config) -> String {
        self.open(config).expect_err("it opened nevertheless").to_string()
    }

    /// Opens it and takes its first queues.
    pub(crate) fn start(&self, config: &Config) -> (Opened, Rx, Tx) {
        let mut device = self.open(config).unwrap();
        let (rx, tx) = (device.take_rx_queue(0).unwrap(), device.take_tx_queue(0).unwrap());
        (device, rx, tx)
    }

    /// A packet that holds `bytes`.
    pub(crate) fn packet(&self, bytes: &[u8]) -> Packet {
        let mut packet = self.pool.allocate().unwrap();
        assert!(packet.set_len(bytes.len() as u16));
        packet.copy_from_slice(bytes);
        packet
    }

    /// A full batch of `frames`.
    pub(crate) fn batch(&self, frames: &[Vec<u8>]) -> Batch {
        let mut batch = Batch::new(frames.len());
        for frame in frames {
            batch.push(self.packet(frame)).unwrap();
        }
        batch
    }

    /// Lets `frames` arrive, and returns the frames that the driver received.
    pub(crate) fn pass(&self, rx: &mut Rx, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.device.arrive(0, frames);
        let mut received = Vec::new();
        let mut idle = 0;
        while idle < 3 {
            let progress = self.device.poll() + receive(rx, &mut received);
            idle = if progress == 0 { idle + 1 } else { 0 };
        }
        received
    }

    /// Sends `frames`, and returns the frames that left the device.
    pub(crate) fn send(&self, tx: &mut Tx, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut idle = 0;
        let mut frames = frames.chunks(32);
        let mut batch = Batch::new(32);
        while idle < 3 {
            if batch.is_empty()
                && let Some(next) = frames.next()
            {
                batch = self.batch(next);
            }
            let progress = tx.send(&mut batch) + self.device.poll();
            idle = if progress == 0 { idle + 1 } else { 0 };
        }
        assert_eq!((batch.len(), tx.pending()), (0, 0), "packets were not sent");
        self.device.frames(0)
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
            assert_eq!(self.device.violations(), [""; 0], "the driver broke the specification");
            assert_eq!(self.domain.last_fault(), None, "the device was sent to memory that is not there");
        }
    }
}

/// Adds the frames that can be received now to `received`, and returns their number.
pub(crate) fn receive(rx: &mut Rx, received: &mut Vec<Vec<u8>>) -> usize {
    let mut batch = Batch::new(32);
    let count = rx.receive(&mut batch);
    assert_eq!(count, batch.len());
    received.extend(batch.iter().map(|packet| packet.to_vec()));
    count
}

/// A frame of `len` bytes that holds `number`; its other bytes depend on it.
pub(crate) fn frame(len: usize, number: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..len).map(|i| (i as u32).wrapping_mul(31).wrapping_add(number) as u8).collect();
    bytes[..6].fill(0xff);
    bytes[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
    bytes[14..18].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// Frames of all possible lengths.
pub(crate) fn frames(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|n| frame(60 + n as usize * 7 % 1455, n)).collect()
}

/// A combination of interface, ring type and features.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    pub(crate) interface: Interface,
    pub(crate) options: Options,
}

/// All combinations that differ in the use of rings.
pub(crate) fn agreements() -> Vec<Agreement> {
    use feature::{ANY_LAYOUT, EVENT_IDX, IN_ORDER, MAC, MRG_RXBUF, RING_PACKED, VERSION_1};
    let mut all = Vec::new();
    let mut add = |interface, features, batches| {
        for order in [Order::AsMadeAvailable, Order::NewestFirst, Order::Shuffled(7)] {
            for sleeps in [false, true] {
                if features & IN_ORDER != 0 && order != Order::AsMadeAvailable {
                    continue;
                }
                let options =
                    Options { features, batches, order, sleeps, scrambles: true, ..Options::default() };
                all.push(Agreement { interface, options });
            }
        }
    };
    for layout in [0, ANY_LAYOUT] {
        for mergeable in [0, MRG_RXBUF] {
            for events in [0, EVENT_IDX] {
                add(Interface::Legacy, MAC | layout | mergeable | events, false);
            }
        }
    }
    for ring in [0, RING_PACKED] {
        for mergeable in [0, MRG_RXBUF] {
            for events in [0, EVENT_IDX] {
                for (order, batches) in [(0, false), (IN_ORDER, false), (IN_ORDER, true)] {
                    add(Interface::Modern, MAC | VERSION_1 | ring | mergeable | events | order, batches);
                }
            }
        }
    }
    all
}

/// Both ring types, with the minimum of features.
pub(crate) fn rings() -> [Agreement; 2] {
    [0, feature::RING_PACKED].map(|ring| {
        let features = feature::VERSION_1 | feature::MAC | ring;
        Agreement { interface: Interface::Modern, options: Options { features, ..Options::default() } }
    })
}
