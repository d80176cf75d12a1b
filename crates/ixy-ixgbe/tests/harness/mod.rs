//! A software 82599 on a wire to the test.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use ixy_core::Mempool;
use ixy_dma::{DmaDomain, Iova, SimulatedDomain};
use ixy_ixgbe::{Config, Error, Ixgbe};
use ixy_regs::bus::Bus;
use ixy_regs::ixgbe::RxQueue;
use ixy_sim::wire::Wire;
use ixy_sim::{Builder, Nic82599, SimBus, SimBusMaster};

/// Both directions of the wire.
#[derive(Default)]
struct Frames {
    arriving: VecDeque<Vec<u8>>,
    left: Vec<Vec<u8>>,
}

struct TestWire {
    frames: Arc<Mutex<Frames>>,
    front: Option<Vec<u8>>,
    waits: bool,
}

impl Wire for TestWire {
    fn front(&mut self) -> Option<&[u8]> {
        if self.front.is_none() {
            self.front = self.frames.lock().unwrap().arriving.pop_front();
        }
        self.front.as_deref()
    }

    fn consume(&mut self) {
        self.front = None;
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        self.frames.lock().unwrap().left.push(frame.to_vec());
        true
    }

    fn waits(&self) -> bool {
        self.waits
    }
}

pub(crate) struct Harness {
    pub(crate) nic: Arc<Nic82599>,
    pub(crate) pool: Mempool,
    domain: Arc<SimulatedDomain>,
    frames: Arc<Mutex<Frames>>,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::build(4096, true)
    }

    pub(crate) fn with_buffers(buffers: usize) -> Self {
        Self::build(buffers, true)
    }

    /// A card on a wire that does not wait for a free descriptor.
    pub(crate) fn lossy() -> Self {
        Self::build(4096, false)
    }

    fn build(buffers: usize, waits: bool) -> Self {
        Self::with(buffers, waits, |builder| builder)
    }

    /// A card with changed settings.
    pub(crate) fn with(buffers: usize, waits: bool, change: impl FnOnce(Builder) -> Builder) -> Self {
        let domain = Arc::new(SimulatedDomain::default());
        let pool = Mempool::new(domain.clone(), buffers).unwrap();
        let frames = Arc::new(Mutex::new(Frames::default()));
        let wire = TestWire { frames: Arc::clone(&frames), front: None, waits };
        let nic = Arc::new(change(Nic82599::builder(Box::new(wire), domain.clone())).build());
        Self { nic, pool, domain, frames }
    }

    pub(crate) fn bus(&self) -> SimBus {
        SimBus::stepping(Arc::clone(&self.nic))
    }

    pub(crate) fn open(&self, config: &Config) -> Result<Ixgbe<SimBus>, Error> {
        // Register reads poll the card; the data path reads none, so there the test polls.
        self.open_behind(self.bus(), config)
    }

    /// Opens the card behind `bus`.
    pub(crate) fn open_behind<B: Bus + 'static>(&self, bus: B, config: &Config) -> Result<Ixgbe<B>, Error> {
        let domain: Arc<dyn DmaDomain> = self.domain.clone();
        let master = Arc::new(SimBusMaster::new(Arc::clone(&self.nic)));
        // SAFETY: ARMED-ONLY: the test's bus leads to the card, to which the other two belong; it is opened once
        // at a time.
        unsafe { config.open("test", bus, &domain, master, &self.pool) }
    }

    /// Opens the card behind a bus that records writes to the registers at `offsets`.
    pub(crate) fn open_recorded(&self, offsets: &'static [u32]) -> (Ixgbe<Recorder>, Writes) {
        let written = Arc::default();
        let bus = Recorder { bus: self.bus(), offsets, written: Arc::clone(&written), answers: None };
        (self.open_behind(bus, &Config::default()).unwrap(), written)
    }

    /// Opens the card behind a bus on which reads of the register at `offset` return the test's values, one after
    /// the other, and then 0.
    pub(crate) fn open_answered(&self, offset: u32) -> (Ixgbe<Recorder>, Answers) {
        let values = Answers::default();
        let answers = Some((offset, Arc::clone(&values)));
        let bus = Recorder { bus: self.bus(), offsets: &[], written: Arc::default(), answers };
        (self.open_behind(bus, &Config::default()).unwrap(), values)
    }

    /// Sends frames to the card.
    pub(crate) fn arrive(&self, frames: &[Vec<u8>]) {
        self.frames.lock().unwrap().arriving.extend(frames.iter().cloned());
    }

    /// Takes the frames that the card has sent.
    pub(crate) fn left(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.frames.lock().unwrap().left)
    }

    pub(crate) fn left_count(&self) -> usize {
        self.frames.lock().unwrap().left.len()
    }

    /// The address of the card's first receive ring.
    pub(crate) fn rx_ring_address(&self) -> Iova {
        let regs = RxQueue::new(SimBus::new(Arc::clone(&self.nic)), 0).unwrap();
        Iova(u64::from(regs.rdbal().get()) | u64::from(regs.rdbah().get()) << 32)
    }

    /// Whether the card would reach memory at `iova`.
    pub(crate) fn is_mapped(&self, iova: Iova) -> bool {
        self.domain.is_mapped(iova)
    }

    /// Number of the card's accesses outside of mapped memory.
    pub(crate) fn faults(&self) -> u64 {
        self.domain.faults()
    }
}

/// Register writes in order, as offset and value.
pub(crate) type Writes = Arc<Mutex<Vec<(u32, u32)>>>;

/// The values that reads of a register return, in order.
pub(crate) type Answers = Arc<Mutex<VecDeque<u32>>>;

/// A bus that records writes to some registers, and may replace reads of one.
#[derive(Clone)]
pub(crate) struct Recorder {
    bus: SimBus,
    offsets: &'static [u32],
    written: Writes,
    answers: Option<(u32, Answers)>,
}

// SAFETY: BUS-WINDOW: everything but reads of that one is passed on to a bus that keeps the promises.
unsafe impl Bus for Recorder {
    fn len(&self) -> u32 {
        self.bus.len()
    }

    unsafe fn read8(&self, offset: u32) -> u8 {
        // SAFETY: as promised by the caller, here and below.
        unsafe { self.bus.read8(offset) }
    }

    unsafe fn read16(&self, offset: u32) -> u16 {
        // SAFETY: as above.
        unsafe { self.bus.read16(offset) }
    }

    unsafe fn read32(&self, offset: u32) -> u32 {
        if let Some((_, values)) = self.answers.as_ref().filter(|(register, _)| *register == offset) {
            return values.lock().unwrap().pop_front().unwrap_or(0);
        }
        // SAFETY: as above.
        unsafe { self.bus.read32(offset) }
    }

    unsafe fn write8(&self, offset: u32, value: u8) {
        // SAFETY: as above.
        unsafe { self.bus.write8(offset, value) }
    }

    unsafe fn write16(&self, offset: u32, value: u16) {
        // SAFETY: as above.
        unsafe { self.bus.write16(offset, value) }
    }

    unsafe fn write32(&self, offset: u32, value: u32) {
        if self.offsets.contains(&offset) {
            self.written.lock().unwrap().push((offset, value));
        }
        // SAFETY: as above.
        unsafe { self.bus.write32(offset, value) }
    }
}

/// A frame of `len` bytes that starts with a broadcast address and holds `number`.
pub(crate) fn frame(len: usize, number: u32) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..len).map(|i| (i as u32).wrapping_mul(31).wrapping_add(number) as u8).collect();
    bytes[..6].fill(0xff);
    bytes[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
    bytes[14..18].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// A UDP frame over IPv4 from the source port given, with `number` in its payload.
pub(crate) fn udp(port: u16, number: u32) -> Vec<u8> {
    let mut bytes = frame(64, number);
    bytes[12..14].copy_from_slice(&[0x08, 0x00]);
    bytes[14..34].copy_from_slice(&[0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes[34..36].copy_from_slice(&port.to_be_bytes());
    bytes[36..42].copy_from_slice(&[0x10, 0x00, 0, 30, 0, 0]);
    bytes[46..50].copy_from_slice(&number.to_be_bytes());
    bytes
}
