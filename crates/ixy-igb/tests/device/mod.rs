//! A software 82576 that a test polls, and can make misbehave.
//!
//! It is the device's side of `datasheet-notes/82576.md` and `82576-registers.md`, written from their text.
//! Offsets and bits are spelled out here and not taken from `ixy_regs`, so that an error there is noticed. Where
//! QEMU's device and the notes differ, it follows the notes on hardware, or is strict in both ways. It records
//! forbidden actions of the driver ([`Device::violations`]).

mod interrupts;
mod phy;
mod registers;
mod rings;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ixy_dma::{BusMaster, SimulatedDomain, View};
use ixy_regs::bus::Bus;

pub(crate) use interrupts::Events;
pub(crate) use registers::offset;
pub(crate) use rings::Lie;

use interrupts::Interrupts;
use phy::Phy;
use rings::Counters;

/// Size of the registers in BAR 0 in bytes.
pub(crate) const WINDOW: u32 = 0x20000;
pub(crate) const QUEUES: usize = 16;

/// The properties of the device.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) mac: [u8; 6],
    /// Whether it has an EEPROM.
    pub(crate) eeprom: bool,
    /// Number of reads of CTRL until a reset is over.
    pub(crate) reset_reads: u32,
    /// Number of reads of STATUS until its requests are done, after master disable.
    pub(crate) master_reads: u32,
    /// Number of reads of a queue's control register until it is enabled.
    pub(crate) enable_reads: u32,
    /// The completion time-out bits of GCR after a reset, except CMPL_TMOUT_RESEND, which is set.
    pub(crate) completions: u32,
    /// Number of frames that its own buffer holds.
    pub(crate) buffer: usize,
    /// The number of its port.
    pub(crate) port: u32,
    /// The other end of its cable, in Mbit/s; 0 if there is none.
    pub(crate) partner: u32,
    /// Number of reads of STATUS that autonegotiation takes.
    pub(crate) negotiation: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mac: [0x02, 0x82, 0x57, 0x60, 0x00, 0x01],
            eeprom: true,
            reset_reads: 2,
            master_reads: 2,
            enable_reads: 1,
            completions: 0,
            buffer: 64,
            port: 0,
            partner: 1000,
            negotiation: 3,
        }
    }
}

pub(crate) struct Device {
    domain: Arc<SimulatedDomain>,
    state: Mutex<State>,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an 82576 made of software")
    }
}

pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) phy: Phy,
    /// The registers without side effects.
    registers: Vec<u32>,
    /// Bits that always read as ones, and bits that always read as zeros.
    stuck: BTreeMap<u32, (u32, u32)>,
    /// Whether it reads all ones and does nothing.
    pub(crate) vanished: bool,
    /// Its requests never end.
    pub(crate) never_quiet: bool,
    /// Whether bus mastering cannot be switched off.
    pub(crate) bus_is_stuck: bool,
    bus_master: bool,
    resets: u32,
    resetting: u32,
    master_waits: u32,
    enable_waits: BTreeMap<u32, u32>,
    heads: [[u32; QUEUES]; 2],
    counters: Counters,
    interrupts: Interrupts,
    arriving: VecDeque<Vec<u8>>,
    buffered: VecDeque<Vec<u8>>,
    left: BTreeMap<usize, Vec<Vec<u8>>>,
    lies: VecDeque<Lie>,
    violations: BTreeSet<String>,
}

impl Device {
    pub(crate) fn new(options: Options, domain: &Arc<SimulatedDomain>) -> Arc<Self> {
        let mut state = State {
            options,
            phy: Phy::default(),
            registers: vec![0; WINDOW as usize / 4],
            stuck: BTreeMap::new(),
            vanished: false,
            never_quiet: false,
            bus_is_stuck: false,
            bus_master: false,
            resets: 0,
            resetting: 0,
            master_waits: 0,
            enable_waits: BTreeMap::new(),
            heads: [[0; QUEUES]; 2],
            counters: Counters::default(),
            interrupts: Interrupts::default(),
            arriving: VecDeque::new(),
            buffered: VecDeque::new(),
            left: BTreeMap::new(),
            lies: VecDeque::new(),
            violations: BTreeSet::new(),
        };
        state.reset();
        Arc::new(Self { domain: Arc::clone(domain), state: Mutex::new(state) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bus(self: &Arc<Self>) -> DeviceBus {
        DeviceBus { device: Arc::clone(self), len: WINDOW }
    }

    /// The device as the bus sees it: its switch for DMA.
    pub(crate) fn bus_master(self: &Arc<Self>) -> Arc<dyn BusMaster> {
        Arc::new(Master(Arc::clone(self)))
    }

    /// Runs the device until it has no work.
    pub(crate) fn poll(&self) {
        let mut state = self.lock();
        if state.vanished {
            return;
        }
        let view = self.view();
        let bus_master = state.bus_master;
        state.receive(&view, bus_master);
        if bus_master {
            (0..QUEUES).for_each(|n| state.transmit(&view, n));
        }
        state.interrupt();
    }

    fn view(&self) -> View<'_> {
        // SAFETY: OWNED-BUFFER: the device accesses rings as 64-bit words, and buffers that descriptors between head
        // and tail name.
        unsafe { self.domain.view() }
    }

    /// Puts frames, without check sequence, on the wire to the device.
    pub(crate) fn arrive(&self, frames: impl IntoIterator<Item = Vec<u8>>) {
        self.lock().arriving.extend(frames);
    }

    /// Takes the frames sent by transmit queue `n`.
    pub(crate) fn sent(&self, n: usize) -> Vec<Vec<u8>> {
        self.lock().left.remove(&n).unwrap_or_default()
    }

    /// Adds a fault for the next descriptor that it fills.
    pub(crate) fn lie(&self, lie: Lie) {
        self.lock().lies.push_back(lie);
    }

    /// Makes bits of a register read as ones, and others as zeros.
    pub(crate) fn stick(&self, offset: u32, ones: u32, zeros: u32) {
        self.lock().stuck.insert(offset, (ones, zeros));
    }

    /// The value of a register, without side effects.
    pub(crate) fn register(&self, offset: u32) -> u32 {
        self.lock().at(offset)
    }

    /// Writes a register as another driver would have.
    pub(crate) fn poke(&self, offset: u32, value: u32) {
        *self.lock().at_mut(offset) = value;
    }

    /// Whether it cannot reach memory, and cannot before a new start.
    pub(crate) fn is_quiet(&self) -> bool {
        let state = self.lock();
        !state.bus_master && state.at(offset::RCTL) & 2 == 0 && state.at(offset::TCTL) & 2 == 0
    }

    pub(crate) fn resets(&self) -> u32 {
        self.lock().resets
    }

    /// The forbidden actions of the driver.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.lock().violations.iter().cloned().collect()
    }
}

impl State {
    fn violation(&mut self, what: impl Into<String>) {
        // The first ones are enough.
        if self.violations.len() < 20 {
            self.violations.insert(what.into());
        }
    }

    fn at(&self, offset: u32) -> u32 {
        self.registers.get(offset as usize / 4).copied().unwrap_or_default()
    }

    fn at_mut(&mut self, offset: u32) -> &mut u32 {
        &mut self.registers[offset as usize / 4]
    }
}

/// The bus to its registers.
#[derive(Clone)]
pub(crate) struct DeviceBus {
    device: Arc<Device>,
    pub(crate) len: u32,
}

// SAFETY: BUS-WINDOW: the length never changes, and a clone has the same. Every access locks the device, which orders
// it.
unsafe impl Bus for DeviceBus {
    fn len(&self) -> u32 {
        self.len
    }

    unsafe fn read8(&self, offset: u32) -> u8 {
        self.device.lock().violation(format!("8 bits are read at {offset:#x}"));
        u8::MAX
    }

    unsafe fn read16(&self, offset: u32) -> u16 {
        self.device.lock().violation(format!("16 bits are read at {offset:#x}"));
        u16::MAX
    }

    unsafe fn read32(&self, offset: u32) -> u32 {
        self.device.lock().read(offset)
    }

    unsafe fn write8(&self, offset: u32, _value: u8) {
        self.device.lock().violation(format!("8 bits are written at {offset:#x}"));
    }

    unsafe fn write16(&self, offset: u32, _value: u16) {
        self.device.lock().violation(format!("16 bits are written at {offset:#x}"));
    }

    unsafe fn write32(&self, offset: u32, value: u32) {
        self.device.lock().write(offset, value);
    }
}

#[derive(Debug)]
struct Master(Arc<Device>);

// SAFETY: QUIET-BEFORE-FREE: the device checks `bus_master` before it reaches memory, and nothing is in progress
// between two calls.
unsafe impl BusMaster for Master {
    fn disable(&self) -> Result<(), ixy_dma::Error> {
        let mut state = self.0.lock();
        if state.bus_is_stuck {
            return Err(ixy_dma::Error::BadRequest { size: 0 });
        }
        state.bus_master = false;
        Ok(())
    }

    unsafe fn enable(&self) -> Result<(), ixy_dma::Error> {
        self.0.lock().bus_master = true;
        Ok(())
    }

    fn transactions_pending(&self) -> Result<bool, ixy_dma::Error> {
        Ok(self.0.lock().never_quiet)
    }
}
