//! The software 82599: [`Nic82599`].

mod behaviour;
mod classes;
mod control;
mod director;
mod engine;
mod faults;
mod filter;
mod headers;
mod interrupt;
mod link;
mod mailbox;
mod module;
mod names;
mod nvm;
mod pause;
mod pools;
mod port;
mod receive;
mod rss;
mod segmentation;
mod sfp;
mod spi;
mod statistics;
mod steering;
mod storage;
mod time;
mod transmit;
mod tuples;
mod vf;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ixy_regs::ixgbe::fields::CTRL;

pub use faults::{Fault, Faults};
pub use interrupt::{Irq, NoIrq};
pub use module::{SfpModule, UnknownModule};
pub use vf::Vf;

use crate::alarm::Alarm;
use crate::dma::Dma;
use crate::wire::{Wire, WireError};
use behaviour::Behaviour;
use engine::{Engine, Reach};
use storage::{Outcome, Storage};
use time::Time;

/// State that register accesses and polls share without a lock.
pub(crate) struct Hardware {
    pub(crate) regs: Storage,
    pub(crate) faults: Faults,
    mastering: AtomicBool,
    /// Bit sets of the virtual functions that are plugged in, and of those with bus mastering on.
    vfs: AtomicU64,
    vf_mastering: AtomicU64,
    /// The number of virtual functions that the SR-IOV capability in configuration space asks for.
    wanted_vfs: AtomicU32,
    link_delay: AtomicU64,
    time: Time,
    clock: Clock,
}

/// The clock that the device measures time with.
type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

impl Hardware {
    /// The time since an arbitrary moment before the device was made.
    pub(crate) fn now(&self) -> Duration {
        (self.clock)()
    }

    /// The time that the link takes to come up.
    pub(crate) fn link_delay(&self) -> Duration {
        Duration::from_nanos(self.link_delay.load(Ordering::Relaxed))
    }

    /// Whether the device may do DMA: bus mastering is on and software did not disable it (section 5.2.5.3.2).
    fn may_dma(&self) -> bool {
        let disabled = CTRL::GIO_DIS.is_set(self.regs.load(names::CTRL)) && Behaviour::MasterDisable.on();
        let functions = self.vf_mastering.load(Ordering::Acquire);
        let mastering = self.mastering.load(Ordering::Acquire) || !Behaviour::BusMastering.on();
        (mastering || functions != 0) && !disabled
    }

    /// The queues that may do DMA: bus mastering of the function that owns the queue is on.
    #[inline]
    fn dma_queues(&self) -> u128 {
        if self.vfs.load(Ordering::Relaxed) == 0 { u128::MAX } else { vf::dma_queues(self) }
    }
}

/// A software 82599: registers, rings, filters, link and interrupts, with a [`Wire`] at its port.
///
/// Any thread may access registers, also while another one calls [`poll`](Self::poll). A doorbell write only
/// stores the value; frames and DMA move in `poll` and nowhere else. Whatever software writes, the device does not
/// panic and does not reach memory outside of its domain: such an access is a fault, and the domain counts it.
pub struct Nic82599 {
    hw: Hardware,
    memory: Arc<dyn Reach>,
    irq: Box<dyn Irq>,
    engine: Mutex<Engine>,
    /// The number of accesses that wait for the engine; a poll yields to them.
    waiting: AtomicU32,
    input_ended: AtomicBool,
    /// Wakes the polling thread if it may sleep.
    alarm: Arc<OnceLock<Arc<Alarm>>>,
}

impl fmt::Debug for Nic82599 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nic82599").field("faults", &self.hw.faults).finish_non_exhaustive()
    }
}

/// Builds a device: what it is plugged into, and which memory it may reach.
pub struct Builder {
    wire: Box<dyn Wire>,
    memory: Arc<dyn Reach>,
    irq: Box<dyn Irq>,
    mac: [u8; 6],
    module: SfpModule,
    link_delay: Duration,
    clock: Clock,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("mac", &self.mac)
            .field("module", &self.module)
            .field("link_delay", &self.link_delay)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Sets the Ethernet address in the device's EEPROM. The default is 02:1b:21:00:00:01.
    pub fn mac(mut self, mac: [u8; 6]) -> Self {
        self.mac = mac;
        self
    }

    /// Sets the module in the SFP+ cage. The default is 10GBASE-SR.
    pub fn module(mut self, module: SfpModule) -> Self {
        self.module = module;
        self
    }

    /// Sets the receiver of the device's interrupts. Without one, interrupts are lost.
    pub fn irq(mut self, irq: Box<dyn Irq>) -> Self {
        self.irq = irq;
        self
    }

    /// Sets the time that the link takes to come up. The default is zero.
    pub fn link_delay(mut self, delay: Duration) -> Self {
        self.link_delay = delay;
        self
    }

    /// Sets the clock by which the device measures time, as the time since any moment; it must not go back. The
    /// default is the system's clock. It is read only where time matters: for vectors with an interval in EITR,
    /// for the IEEE 1588 clock, and for EEPROM writes.
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = Box::new(now);
        self
    }

    /// Builds the device in its state after power on, with bus mastering off.
    pub fn build(self) -> Nic82599 {
        let hw = Hardware {
            regs: Storage::new(),
            faults: Faults::default(),
            mastering: AtomicBool::new(false),
            vfs: AtomicU64::new(0),
            vf_mastering: AtomicU64::new(0),
            wanted_vfs: AtomicU32::new(0),
            link_delay: AtomicU64::new(u64::try_from(self.link_delay.as_nanos()).unwrap_or(u64::MAX)),
            time: Time::default(),
            clock: self.clock,
        };
        let mut engine = Engine::new(self.wire, self.mac, self.module);
        engine.reset(&hw);
        Nic82599 {
            alarm: Arc::clone(&hw.faults.alarm),
            hw,
            memory: self.memory,
            irq: self.irq,
            engine: Mutex::new(engine),
            waiting: AtomicU32::new(0),
            input_ended: AtomicBool::new(false),
        }
    }
}

impl Nic82599 {
    /// Size of the register window in bytes.
    pub const WINDOW: u32 = storage::WINDOW;

    /// Starts to build a device with `wire` at its port that reaches `memory`.
    pub fn builder(wire: Box<dyn Wire>, memory: Arc<impl Dma + 'static>) -> Builder {
        let start = Instant::now();
        Builder {
            wire,
            memory,
            irq: Box::new(NoIrq),
            mac: [0x02, 0x1b, 0x21, 0x00, 0x00, 0x01],
            module: SfpModule::default(),
            link_delay: Duration::ZERO,
            clock: Box::new(move || start.elapsed()),
        }
    }

    /// Reads 32 bits at `offset` of the register window, as software does. An offset that is not a multiple of
    /// four, or lies outside the window, reads all ones.
    #[inline]
    pub fn read32(&self, offset: u32) -> u32 {
        if self.hw.faults.any() {
            return self.read_faulty(offset);
        }
        self.read_sound(offset)
    }

    #[inline]
    fn read_sound(&self, offset: u32) -> u32 {
        let outcome = match self.hw.regs.is_statistic(offset) {
            // A poll adds to the counters at its end. What software saw it send or receive is to be counted.
            true => self.act(|_| self.hw.regs.read(offset)),
            false => self.hw.regs.read(offset),
        };
        match outcome {
            Outcome::Done(value) => value,
            Outcome::Acts(register) => self.act(|engine| engine.read(&self.hw, register)),
        }
    }

    #[cold]
    fn read_faulty(&self, offset: u32) -> u32 {
        if self.hw.faults.is(Fault::Gone) {
            return u32::MAX;
        }
        self.hw.faults.change(offset, self.read_sound(offset))
    }

    /// Writes 32 bits at `offset`, as software does. An offset that is not a multiple of four, or lies outside the
    /// window, has no effect.
    ///
    /// # Safety
    /// ARMED-ONLY, as for a real device behind [`Bus`](ixy_regs::bus::Bus): the write does not make the device reach
    /// memory of its domain that is not the driver's to give.
    #[inline]
    pub unsafe fn write32(&self, offset: u32, value: u32) {
        if self.hw.faults.any() && self.hw.faults.is(Fault::Gone) {
            return;
        }
        match self.hw.regs.write(offset, value) {
            Outcome::Done(()) => self.ring(),
            Outcome::Acts(register) => self.act(|engine| engine.write(&self.hw, register, value)),
        }
    }

    /// Wakes the polling thread after a change that a poll may have to handle.
    #[inline]
    fn ring(&self) {
        if let Some(alarm) = self.alarm.get() {
            alarm.ring();
        }
    }

    /// Makes `alarm` wake the thread that polls the device from now on; `false` when another alarm is set already.
    pub(crate) fn set_alarm(&self, alarm: &Arc<Alarm>) -> bool {
        Arc::ptr_eq(self.alarm.get_or_init(|| Arc::clone(alarm)), alarm)
    }

    /// After a poll that found no work: the time for which no poll is needed, unless the alarm rings or a file
    /// that was passed to `watch` becomes readable.
    pub(crate) fn rest(&self, watch: impl FnMut(BorrowedFd<'_>) -> bool) -> Duration {
        // No interrupt is raised here, and the very thread that asks must not be woken.
        self.lock().rest(&self.hw, watch)
    }

    /// Runs `action` on the engine once no poll is in progress, then raises the interrupts that it caused.
    fn act<T>(&self, action: impl FnOnce(&mut Engine) -> T) -> T {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let mut engine = self.lock();
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        let result = action(&mut engine);
        self.release(engine);
        self.ring();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unlocks the engine, then raises its interrupts: their receiver may access registers at once.
    fn release(&self, mut engine: MutexGuard<'_, Engine>) {
        let mut raised = std::mem::take(&mut engine.interrupts.raised);
        let functions = engine.functions.take_raised();
        let lost = self.hw.faults.any() && self.hw.faults.is(Fault::InterruptsLost);
        if let Some(asserted) = engine.interrupts.line()
            && !lost
        {
            self.irq.line(asserted);
        }
        drop(engine);
        if lost {
            return;
        }
        while raised != 0 {
            self.irq.raise(raised.trailing_zeros());
            raised &= raised - 1;
        }
        for (irq, vector) in functions {
            irq.raise(vector);
        }
    }

    /// Does the device's work: sends and receives up to 64 frames a queue, checks the link, raises interrupts.
    /// Returns the number of frames and descriptors processed; zero means that there was no work.
    ///
    /// It never blocks for long: it waits only for register accesses with an immediate effect, and for memory that
    /// is being mapped.
    pub fn poll(&self) -> usize {
        // A thread that polls in a loop would otherwise keep others from the lock.
        for _ in 0..64 {
            if self.waiting.load(Ordering::Acquire) == 0 {
                break;
            }
            std::thread::yield_now();
        }
        let mut engine = self.lock();
        let work = engine.poll(&self.hw, &*self.memory, &self.input_ended);
        self.release(engine);
        work
    }

    /// Reads four bytes of the vital product data in the EEPROM, from `address` on (section 3.4.8).
    pub fn product_data(&self, address: u16) -> [u8; 4] {
        self.act(|engine| engine.nvm.product_data(address.into()))
    }

    /// Switches bus mastering off, as the command register in configuration space does: DMA stops.
    pub fn stop_bus_mastering(&self) {
        // The engine is locked: once this returns, no DMA is in progress.
        self.act(|_| self.hw.mastering.store(false, Ordering::Release));
    }

    /// Switches bus mastering on.
    ///
    /// # Safety
    /// ARMED-ONLY: every ring that is enabled reaches only memory of its domain that its driver has given to it.
    pub unsafe fn start_bus_mastering(&self) {
        self.act(|engine| {
            (engine.driven, engine.idle) = (true, 0);
            self.hw.mastering.store(true, Ordering::Release);
        });
    }

    /// Resets the port, as CTRL.RST does.
    pub fn reset(&self) {
        self.act(|engine| engine.reset(&self.hw));
    }

    /// Cuts the power and restores it. This also resets what a reset keeps, except the EEPROM's content.
    pub fn power_cycle(&self) {
        self.act(|engine| {
            self.hw.regs.forget();
            engine.reset(&self.hw);
        });
    }

    /// Whether no more frames will come from the wire and all that came are in memory with their descriptors
    /// written back. [`poll`](Self::poll) finds this out. After it returns true, one more look at the rings finds
    /// every frame.
    pub fn input_ended(&self) -> bool {
        self.input_ended.load(Ordering::Acquire)
    }

    /// Ends the wire's transmit side once everything that doorbells have announced so far is sent.
    pub fn close_transmit(&self) {
        self.act(|engine| engine.closing = true);
    }

    /// The first error of the wire, if any.
    pub fn wire_error(&self) -> Option<String> {
        self.act(|engine| engine.wire.as_ref().and_then(|wire| wire.error()))
    }

    /// The number of records of a capture that the wire skipped so far, since they are no Ethernet frames. It stays
    /// when the wire is unplugged.
    pub fn records_skipped(&self) -> u64 {
        self.act(|engine| engine.wire.as_ref().map_or(engine.skipped, |wire| wire.records_skipped()))
    }

    /// Unplugs the wire: flushes its buffers, if a driver ever used the device, and drops it. The link is down from
    /// then on.
    ///
    /// # Errors
    /// The wire's buffered data cannot be written.
    pub fn unplug(&self) -> Result<(), WireError> {
        let (wire, driven) = self.act(|engine| {
            let wire = engine.wire.take();
            engine.skipped = wire.as_ref().map_or(engine.skipped, |wire| wire.records_skipped());
            (wire, engine.driven)
        });
        wire.map_or(Ok(()), |mut wire| {
            wire.close_transmit();
            if driven { wire.flush() } else { Ok(()) }
        })
    }

    /// The faults that can be switched on at run time.
    pub fn faults(&self) -> &Faults {
        &self.hw.faults
    }

    /// The number of invalid transmit descriptors: a length of zero or too long, mixed formats, memory that is not
    /// mapped, offsets outside of the frame. The device skips such a frame; a real one may stop.
    pub fn bad_descriptors(&self) -> u64 {
        self.act(|engine| engine.transmitter.bad)
    }

    /// Sets the time that the link takes to come up from now on.
    pub fn set_link_delay(&self, delay: Duration) {
        self.hw.link_delay.store(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Nic82599 {
    fn drop(&mut self) {
        if let Err(error) = self.unplug() {
            tracing::warn!(%error, "what the wire had buffered is lost");
        }
    }
}
