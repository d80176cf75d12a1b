//! The software 82599: [`Nic82599`].

mod behaviour;
mod classes;
mod control;
mod director;
mod faults;
mod filter;
mod headers;
mod interrupt;
mod link;
mod mailbox;
mod names;
mod nvm;
mod pause;
mod pools;
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

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ixy_regs::ixgbe::fields::{CTRL, EICR, HLREG0};

pub use faults::{Fault, Faults};
pub use interrupt::{Irq, NoIrq};
pub use vf::Vf;

use crate::alarm::Alarm;
use crate::dma::{Dma, DmaView};
use crate::wire::{Wakes, Wire, WireError};
use behaviour::Behaviour;
use interrupt::Interrupts;
use link::Link;
use names::mask;
use nvm::Nvm;
use pools::{Outgoing, Switch};
use receive::{Receiver, Source};
use sfp::Module;
use spi::Spi;
use statistics::Counts;
use storage::{Outcome, Storage};
use time::Time;
use transmit::{Sent, Sink, Transmitter};
use vf::{Functions, Memories};

/// Polls without work after which the wire writes out what it buffers.
const IDLE_FLUSH: u32 = 256;
/// Frames that MAC loopback keeps between the transmitter and the receiver.
const LOOPBACK: usize = 128;

/// What accesses and polls share without a lock.
pub(crate) struct Hardware {
    pub(crate) regs: Storage,
    pub(crate) faults: Faults,
    mastering: AtomicBool,
    /// Virtual functions that are plugged in, and those whose bus mastering is on.
    vfs: AtomicU64,
    vf_mastering: AtomicU64,
    /// How many its configuration space wants.
    wanted_vfs: AtomicU32,
    link_delay: AtomicU64,
    time: Time,
    clock: Clock,
}

/// What the device measures time with.
type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

impl Hardware {
    /// The time since some moment before the device was made.
    pub(crate) fn now(&self) -> Duration {
        (self.clock)()
    }

    /// How long the link takes to come up.
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

    /// The queues that may do DMA, each by the bus mastering of the function that it belongs to.
    #[inline]
    fn dma_queues(&self) -> u128 {
        if self.vfs.load(Ordering::Relaxed) == 0 { u128::MAX } else { vf::dma_queues(self) }
    }
}

/// What only one thread at a time works on: a poll, or an access that does something at once.
pub(crate) struct Engine {
    wire: Option<Box<dyn Wire>>,
    nvm: Nvm,
    spi: Spi,
    module: Module,
    link: Link,
    receiver: Receiver,
    transmitter: Transmitter,
    interrupts: Interrupts,
    functions: Functions,
    counts: Counts,
    loopback: Loopback,
    switch: Switch,
    closing: bool,
    closed_transmit: bool,
    /// Polls without work in a row.
    idle: u32,
}

/// A software 82599: registers, rings, filters, link and interrupts, with a [`Wire`] at its port.
///
/// Registers may be accessed from any thread, also while another one calls [`poll`](Self::poll). A doorbell only
/// stores; frames and DMA move in `poll`, and nowhere else. Whatever software writes, the device does not panic and does
/// not reach memory outside of its domain: an access that would is a fault, which the domain counts.
pub struct Nic82599 {
    hw: Hardware,
    memory: Arc<dyn Reach>,
    irq: Box<dyn Irq>,
    engine: Mutex<Engine>,
    /// Accesses that wait for the engine; a poll lets them go first.
    waiting: AtomicU32,
    input_ended: AtomicBool,
    /// Wakes the thread that polls it, if that may sleep.
    alarm: Arc<OnceLock<Arc<Alarm>>>,
}

impl fmt::Debug for Nic82599 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nic82599").field("faults", &self.hw.faults).finish_non_exhaustive()
    }
}

/// How a device is made: what it is plugged into, and what it may reach.
pub struct Builder {
    wire: Box<dyn Wire>,
    memory: Arc<dyn Reach>,
    irq: Box<dyn Irq>,
    mac: [u8; 6],
    link_delay: Duration,
    clock: Clock,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("mac", &self.mac)
            .field("link_delay", &self.link_delay)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// The Ethernet address in the device's EEPROM, 02:1b:21:00:00:01 unless it is given.
    pub fn mac(mut self, mac: [u8; 6]) -> Self {
        self.mac = mac;
        self
    }

    /// Where its interrupts go; nowhere unless it is given.
    pub fn irq(mut self, irq: Box<dyn Irq>) -> Self {
        self.irq = irq;
        self
    }

    /// How long the link takes to come up; no time unless it is given.
    pub fn link_delay(mut self, delay: Duration) -> Self {
        self.link_delay = delay;
        self
    }

    /// The clock by which the device measures time, as the time since any moment; it must not go back. The system's own
    /// unless it is given. It is read only where time matters: for vectors that have an interval in EITR, for the clock of
    /// IEEE 1588, and when the EEPROM is written.
    pub fn clock(mut self, now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = Box::new(now);
        self
    }

    /// The device, as it is after power on, with bus mastering off.
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
        let mut engine = Engine {
            wire: Some(self.wire),
            nvm: Nvm::new(self.mac),
            spi: Spi::new(),
            module: Module::new(),
            link: Link::default(),
            receiver: Receiver::new(),
            transmitter: Transmitter::new(),
            interrupts: Interrupts::default(),
            functions: Functions::new(),
            counts: Counts::default(),
            loopback: Loopback::default(),
            switch: Switch::default(),
            closing: false,
            closed_transmit: false,
            idle: 0,
        };
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
    /// Bytes of its register window.
    pub const WINDOW: u32 = storage::WINDOW;

    /// A device with `wire` at its port that reaches `memory`.
    pub fn builder(wire: Box<dyn Wire>, memory: Arc<impl Dma + 'static>) -> Builder {
        let start = Instant::now();
        Builder {
            wire,
            memory,
            irq: Box::new(NoIrq),
            mac: [0x02, 0x1b, 0x21, 0x00, 0x00, 0x01],
            link_delay: Duration::ZERO,
            clock: Box::new(move || start.elapsed()),
        }
    }

    /// Software reads 32 bits at `offset` of the register window. An offset that is not a multiple of four, or outside,
    /// reads all ones.
    #[inline]
    pub fn read32(&self, offset: u32) -> u32 {
        if self.hw.faults.any() {
            return self.read_faulty(offset);
        }
        match self.hw.regs.read(offset) {
            Outcome::Done(value) => value,
            Outcome::Acts(register) => self.act(|engine| engine.read(&self.hw, register)),
        }
    }

    #[cold]
    fn read_faulty(&self, offset: u32) -> u32 {
        if self.hw.faults.is(Fault::Gone) {
            return u32::MAX;
        }
        let value = match self.hw.regs.read(offset) {
            Outcome::Done(value) => value,
            Outcome::Acts(register) => self.act(|engine| engine.read(&self.hw, register)),
        };
        self.hw.faults.change(offset, value)
    }

    /// Software writes 32 bits at `offset`. An offset that is not a multiple of four, or outside, has no effect.
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

    /// Something was changed that a poll may have to do with: wakes the thread that polls.
    #[inline]
    fn ring(&self) {
        if let Some(alarm) = self.alarm.get() {
            alarm.ring();
        }
    }

    /// Has `alarm` wake the thread that polls the device from now on; `false` when another one does already.
    pub(crate) fn set_alarm(&self, alarm: &Arc<Alarm>) -> bool {
        Arc::ptr_eq(self.alarm.get_or_init(|| Arc::clone(alarm)), alarm)
    }

    /// After a poll that found nothing to do: how long nobody needs to poll it, unless the alarm is rung or a file that
    /// `watch` is given can be read.
    pub(crate) fn rest(&self, watch: impl FnMut(BorrowedFd<'_>) -> bool) -> Duration {
        // No interrupt is raised by that, and it must not wake the very thread that asks.
        self.lock().rest(&self.hw, watch)
    }

    /// Does something with the engine once no poll is under way, then raises the interrupts that this caused.
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

    /// Unlocks the engine and then raises its interrupts, whose receiver may access registers at once.
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

    /// Lets the device work: sends and receives up to 64 frames a queue, looks at the link, raises interrupts. Returns how
    /// much it did, as a number of frames and descriptors: zero when there was nothing to do.
    ///
    /// It never blocks for long: it waits for accesses that do something at once, and for memory that is being mapped.
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

    /// Switches bus mastering off, as the command register in its configuration space does: it does no DMA.
    pub fn stop_bus_mastering(&self) {
        // With the engine locked: once this returns, nothing is under way.
        self.act(|_| self.hw.mastering.store(false, Ordering::Release));
    }

    /// Switches bus mastering on.
    ///
    /// # Safety
    /// ARMED-ONLY: every ring that is enabled reaches only memory of its domain that its driver has given to it.
    pub unsafe fn start_bus_mastering(&self) {
        self.act(|_| self.hw.mastering.store(true, Ordering::Release));
    }

    /// Resets the port, as CTRL.RST does.
    pub fn reset(&self) {
        self.act(|engine| engine.reset(&self.hw));
    }

    /// Takes its power and gives it back: also what a reset leaves alone is as it was at first, but for what is in the EEPROM.
    pub fn power_cycle(&self) {
        self.act(|engine| {
            self.hw.regs.forget();
            engine.reset(&self.hw);
        });
    }

    /// Whether no frame will come from the wire any more, and all that came are in memory with their descriptors written
    /// back. Found out by [`poll`](Self::poll). Who sees it true looks at the rings once more, then has everything.
    pub fn input_ended(&self) -> bool {
        self.input_ended.load(Ordering::Acquire)
    }

    /// Ends the wire's transmit side once everything that was announced by doorbells until now was sent.
    pub fn close_transmit(&self) {
        self.act(|engine| engine.closing = true);
    }

    /// The first error of the wire.
    pub fn wire_error(&self) -> Option<String> {
        self.act(|engine| engine.wire.as_ref().and_then(|wire| wire.error()))
    }

    /// Unplugs the wire: writes out what it buffers, and drops it. The link is down from then on.
    ///
    /// # Errors
    /// What the wire had buffered cannot be written.
    pub fn unplug(&self) -> Result<(), WireError> {
        let wire = self.act(|engine| engine.wire.take());
        wire.map_or(Ok(()), |mut wire| {
            wire.close_transmit();
            wire.flush()
        })
    }

    /// The faults that can be switched on.
    pub fn faults(&self) -> &Faults {
        &self.hw.faults
    }

    /// How many transmit descriptors made no sense: a length of zero or too long, a mixture of formats, memory that is not
    /// mapped, offsets outside of the frame. The device skips such a frame; a real one may stop.
    pub fn bad_descriptors(&self) -> u64 {
        self.act(|engine| engine.transmitter.bad)
    }

    /// How long the link takes to come up from now on.
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

impl Engine {
    /// The link went up or down.
    fn link_changed(&mut self, hw: &Hardware) {
        tracing::debug!(up = self.link.is_up(), "link");
        if Behaviour::LinkCause.on() {
            self.interrupts.raise(hw, 0, mask(EICR::LSC));
        }
    }

    fn poll(&mut self, hw: &Hardware, memory: &dyn Reach, input_ended: &AtomicBool) -> usize {
        if hw.faults.any() && hw.faults.is(Fault::Gone) {
            return 0;
        }
        let light = self.wire.as_mut().is_some_and(|wire| wire.link_up());
        if self.link.update(hw, light) {
            self.link_changed(hw);
        }
        let (received, sent) = if !hw.may_dma() {
            (0, 0)
        } else if hw.vfs.load(Ordering::Relaxed) == 0 {
            memory.frames(self, hw, light)
        } else {
            self.frames_of_functions(hw, memory, light)
        };
        self.end_transmit(hw);
        if received == 0 {
            self.look_for_end(input_ended);
        }
        self.interrupts.tick(hw);
        if hw.vfs.load(Ordering::Relaxed) != 0 {
            self.functions.tick(hw);
        }
        if received + sent > 0 {
            self.report(hw);
            self.idle = 0;
        } else {
            self.idle = self.idle.saturating_add(1);
            if self.idle == IDLE_FLUSH {
                self.flush();
            }
        }
        received + sent
    }

    /// Moves frames in both directions; returns how much was received and sent.
    fn frames(&mut self, hw: &Hardware, view: &impl DmaView, light: bool) -> (usize, usize) {
        let Self { wire, receiver, transmitter, counts, loopback, switch, link, .. } = self;
        let pools = Outgoing::queues(hw);
        let (may_send, may_receive) = (Transmitter::is_on(hw), Receiver::is_on(hw));
        let (mut received, mut sent) = (0, 0);
        if HLREG0::LPBK.is_set(hw.regs.load(names::HLREG0)) && Behaviour::Loopback.on() {
            // MAC loopback: the wire is cut off (section 8.2.3.22.8).
            if may_send {
                sent = match pools {
                    None => transmitter.poll(hw, view, loopback, counts),
                    Some(queues) => {
                        let mut out = Outgoing::new(hw, &mut receiver.addresses, queues, switch, loopback);
                        transmitter.poll(hw, view, &mut out, counts)
                    }
                };
            }
            if may_receive {
                received = receiver.poll(hw, view, loopback, counts);
            }
        } else if let Some(wire) = wire.as_deref_mut() {
            let mut port = Port(wire);
            // The other end may be gone while its last frames are still under way. What is sent then goes nowhere, so
            // that nobody waits for it.
            let gone = !light && !Link::is_held(hw);
            if !link.is_up() {
                receiver.pause.reset();
            }
            let paused = receiver.pause.is_on(hw);
            let sends = link.is_up() || gone && port.0.ended() || !Behaviour::LinkGatesTransmit.on();
            let receives = link.is_up() || gone || !Behaviour::LinkGatesReceive.on();
            if may_send && !paused && sends {
                sent = match pools {
                    None => transmitter.poll(hw, view, &mut port, counts),
                    Some(queues) => {
                        let mut out = Outgoing::new(hw, &mut receiver.addresses, queues, switch, &mut port);
                        transmitter.poll(hw, view, &mut out, counts)
                    }
                };
            }
            if may_receive && receives {
                received = receiver.poll(hw, view, &mut port, counts);
            }
            if link.is_up() {
                sent += receiver.ask_for_pause(hw, &mut port, counts);
            }
        }
        if !switch.frames.is_empty() {
            received += if may_receive { receiver.poll_inside(hw, view, switch, counts) } else { 0 };
        }
        if receiver.coalesces() {
            received += receiver.complete(hw, view);
        }
        (received, sent)
    }

    /// As [`frames`](Self::frames), where queues of virtual functions reach memory of their own.
    #[cold]
    fn frames_of_functions(&mut self, hw: &Hardware, own: &dyn Reach, light: bool) -> (usize, usize) {
        let memories = self.functions.memories();
        if let Some(counts) = &mut self.counts.functions {
            counts.queues = vf::queues(hw);
        }
        // A memory that several functions reach is looked at once: its view may hold a lock.
        let address = |memory: &dyn Reach| std::ptr::from_ref(memory).cast::<()>();
        let mut kinds: Vec<&dyn Reach> = vec![own];
        let mut kind_of = [0; vf::FUNCTIONS as usize];
        for (n, memory) in &memories {
            let kind =
                kinds.iter().position(|kind| address(*kind) == address(&**memory)).unwrap_or(kinds.len());
            if kind == kinds.len() {
                kinds.push(&**memory);
            }
            kind_of[*n as usize] = if Behaviour::VfMemory.on() { kind } else { 0 };
        }
        // SAFETY: ARMED-ONLY, promised to `write32` and `start_bus_mastering` of the device and of its functions: what
        // registers and descriptors name is their drivers' to give, and the engine accesses descriptors as words and
        // buffers as bytes.
        let views: Vec<_> = kinds.iter().map(|kind| unsafe { kind.any_view() }).collect();
        let of_function = kind_of.map(|kind| views.get(kind).filter(|_| kind > 0).map(|view| &**view));
        let Some(own) = views.first() else { return (0, 0) };
        self.frames(hw, &Memories::new(hw, &**own, &of_function), light)
    }

    /// How long nothing will happen by itself.
    fn rest(&self, hw: &Hardware, mut watch: impl FnMut(BorrowedFd<'_>) -> bool) -> Duration {
        let mut rest = Wakes::NEVER.within;
        if let Some(wire) = &self.wire {
            let wakes = wire.wakes();
            rest = wakes.within;
            if wakes.readable.is_some_and(|file| !watch(file)) {
                rest = rest.min(Wakes::SOON.within);
            }
        }
        if let Some(due) = self.interrupts.due(hw).into_iter().chain(self.functions.due()).min() {
            rest = rest.min(due.saturating_sub(hw.now()));
        }
        if let Some(due) = self.receiver.pause.due().into_iter().chain(self.receiver.coalescing.due(hw)).min()
        {
            // What is overdue waits for something else: for a link, or for bus mastering.
            let left = due.checked_sub(hw.now()).filter(|left| !left.is_zero());
            rest = rest.min(left.unwrap_or(Wakes::SOON.within));
        }
        rest.min(self.link.comes_up_in(hw))
    }

    /// Counters and interrupts of what a poll did.
    fn report(&mut self, hw: &Hardware) {
        self.counts.flush(&hw.regs);
        let rx = std::mem::take(&mut self.receiver.touched);
        let urgent = std::mem::take(&mut self.receiver.urgent);
        if urgent != 0 {
            self.interrupts.hurry(hw, urgent);
        }
        let tx = std::mem::take(&mut self.transmitter.touched);
        self.interrupts.queues(hw, rx, tx);
        if hw.vfs.load(Ordering::Relaxed) != 0 {
            self.functions.queues(hw, rx, tx);
        }
        if std::mem::take(&mut self.receiver.missed) && Behaviour::MissCause.on() {
            self.interrupts.raise(hw, 0, receive::MISSED);
        }
    }

    /// Ends the transmit side of the wire when software wants that and nothing is left to send.
    fn end_transmit(&mut self, hw: &Hardware) {
        if self.closing && !self.closed_transmit && !self.transmitter.is_pending(hw) {
            if let Some(wire) = &mut self.wire {
                wire.close_transmit();
            }
            self.closed_transmit = true;
        }
    }

    /// Nothing was received: sees whether anything ever will be.
    fn look_for_end(&mut self, input_ended: &AtomicBool) {
        let ended = self.wire.as_mut().is_none_or(|wire| wire.ended() && wire.front().is_none());
        input_ended.store(
            ended
                && self.receiver.is_empty()
                && self.loopback.frames.is_empty()
                && self.switch.frames.is_empty(),
            Ordering::Release,
        );
    }

    /// Has the wire write out what it buffers, so that a capture can be followed while it grows.
    fn flush(&mut self) {
        if let Some(wire) = &mut self.wire
            && let Err(error) = wire.flush()
        {
            // The wire keeps its first error, where whoever opened it asks for it.
            tracing::debug!(%error, "flushing the wire");
        }
    }
}

/// Memory of any kind. What works on it is compiled for each kind.
trait Reach: Send + Sync {
    fn frames(&self, engine: &mut Engine, hw: &Hardware, light: bool) -> (usize, usize);

    /// The memory as it is now, of any kind.
    ///
    /// # Safety
    /// As for [`Dma::view`].
    unsafe fn any_view(&self) -> Box<dyn DmaView + '_>;
}

impl<M: Dma> Reach for M {
    fn frames(&self, engine: &mut Engine, hw: &Hardware, light: bool) -> (usize, usize) {
        // SAFETY: ARMED-ONLY, promised to `write32` and `start_bus_mastering`: what registers and descriptors name is
        // the driver's to give, and the engine accesses descriptors as words and buffers as bytes.
        let view = unsafe { self.view() };
        engine.frames(hw, &view, light)
    }

    unsafe fn any_view(&self) -> Box<dyn DmaView + '_> {
        // SAFETY: as the caller promises.
        Box::new(unsafe { self.view() })
    }
}

/// The wire, as the transmitter and the receiver see it.
struct Port<'a>(&'a mut dyn Wire);

impl Source for Port<'_> {
    #[inline]
    fn front(&mut self) -> Option<&[u8]> {
        self.0.front()
    }

    #[inline]
    fn consume(&mut self) {
        self.0.consume();
    }

    fn waits(&self) -> bool {
        self.0.waits()
    }
}

impl Sink for Port<'_> {
    #[inline]
    fn send(&mut self, _queue: u32, frame: &[u8]) -> Sent {
        if self.0.transmit(frame) { Sent::Out } else { Sent::NoRoom }
    }
}

/// Frames between transmitter and receiver in MAC loopback.
#[derive(Default)]
struct Loopback {
    frames: VecDeque<Vec<u8>>,
}

impl Loopback {
    fn clear(&mut self) {
        self.frames.clear();
    }
}

impl Source for Loopback {
    fn front(&mut self) -> Option<&[u8]> {
        self.frames.front().map(Vec::as_slice)
    }

    fn consume(&mut self) {
        self.frames.pop_front();
    }

    fn waits(&self) -> bool {
        false
    }
}

impl Sink for Loopback {
    fn send(&mut self, _queue: u32, frame: &[u8]) -> Sent {
        if self.frames.len() >= LOOPBACK {
            return Sent::NoRoom;
        }
        self.frames.push_back(frame.to_vec());
        Sent::Out
    }
}
