//! Software devices of one process: the thread that polls them, [`PollThread`], and an opened device, [`Sim`].

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use ixy_core::MacAddress;
use ixy_dma::SimulatedDomain;

use crate::alarm::Alarm;
use crate::bus::{SimBus, SimBusMaster};
use crate::model::{Builder, Faults, Nic82599};
use crate::wire::{Cables, GiveUp, Wakes, WireError, WireSpec};

/// Rounds without work during which the thread spins, then yields, then naps; after that it sleeps.
const SPINS: u32 = 64;
const YIELDS: u32 = 512;
const NAPS: u32 = YIELDS + 32;
const NAP: Duration = Duration::from_micros(50);
/// The longest sleep; all devices are checked after it.
const LONGEST: Duration = Duration::from_millis(100);
/// An event that is due this soon is not worth a sleep.
const SHORTEST: Duration = Duration::from_micros(20);
/// The number of sleeps for which a file is not watched, after it was readable while its device found no work.
const UNWATCHED: u8 = 8;

/// A thread that polls software devices until it is dropped. One is enough for a process.
///
/// Without work it soon yields to other threads, then naps, and after some milliseconds sleeps: until software
/// writes a register, a frame arrives at a socket or a network interface, or a throttled interrupt is due. A
/// [`Wire`](crate::wire::Wire) that cannot wake the thread is polled every millisecond, which alone may take some
/// percent of a core.
#[derive(Debug)]
pub struct PollThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    devices: Mutex<Vec<Weak<Nic82599>>>,
    /// Counts changes of the list.
    changes: AtomicU64,
    stop: AtomicBool,
    opened: AtomicU32,
    alarm: Arc<Alarm>,
}

impl PollThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread, or no file descriptors for the wake-up.
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            devices: Mutex::default(),
            changes: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            opened: AtomicU32::new(0),
            alarm: Arc::new(Alarm::new()?),
        });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("ixy-sim".into()).spawn(move || own.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Polls `nic` from now on, until its last owner drops it.
    pub fn add(&self, nic: &Arc<Nic82599>) {
        self.shared.change(|devices| {
            devices.retain(|device| device.strong_count() > 0);
            devices.push(Arc::downgrade(nic));
        });
    }

    /// Stops polling `nic`. A poll in progress may still end after this returns.
    pub fn remove(&self, nic: &Arc<Nic82599>) {
        self.shared.remove(nic);
    }
}

impl Drop for PollThread {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.alarm.ring();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the software devices panicked");
        }
    }
}

/// A device in the thread's list.
struct Polled {
    nic: Weak<Nic82599>,
    /// Whether register writes wake the thread; false if another thread's alarm is set in the device.
    wakes: bool,
    /// The number of further sleeps for which the file of its wire is not watched.
    unwatched: u8,
}

impl Polled {
    fn new(nic: Weak<Nic82599>, alarm: &Arc<Alarm>) -> Self {
        let wakes = nic.upgrade().is_some_and(|nic| nic.set_alarm(alarm));
        Self { nic, wakes, unwatched: 0 }
    }

    /// Polls the device; returns the work done, zero for a device that was dropped.
    fn poll(&self) -> usize {
        self.nic.upgrade().map_or(0, |nic| nic.poll())
    }

    /// The time for which the device needs no poll. Also watches the files that end the sleep earlier, with
    /// `mark`.
    fn rest(&mut self, alarm: &Alarm, mark: u32) -> Duration {
        let Some(nic) = self.nic.upgrade() else { return Duration::MAX };
        let watched = self.unwatched == 0;
        self.unwatched = self.unwatched.saturating_sub(1);
        let rest = nic.rest(|file| watched && alarm.watch(file, mark));
        if self.wakes { rest } else { rest.min(Wakes::SOON.within) }
    }
}

impl Shared {
    /// Changes the list of devices.
    fn change(&self, change: impl FnOnce(&mut Vec<Weak<Nic82599>>)) {
        change(&mut self.devices.lock().unwrap_or_else(PoisonError::into_inner));
        self.changes.fetch_add(1, Ordering::Release);
        self.alarm.ring();
    }

    fn remove(&self, nic: &Arc<Nic82599>) {
        self.change(|devices| devices.retain(|device| !std::ptr::eq(device.as_ptr(), Arc::as_ptr(nic))));
    }

    fn run(&self) {
        let mut devices: Vec<Polled> = Vec::new();
        let mut seen = u64::MAX;
        let mut idle = 0;
        while !self.stop.load(Ordering::Acquire) {
            let changes = self.changes.load(Ordering::Acquire);
            if changes != seen {
                let list = self.devices.lock().unwrap_or_else(PoisonError::into_inner).clone();
                devices = list.into_iter().map(|nic| Polled::new(nic, &self.alarm)).collect();
                (seen, idle) = (changes, 0);
            }
            // A dropped device is not polled; it stays in the list until the list changes.
            if devices.iter().map(Polled::poll).sum::<usize>() > 0 {
                idle = 0;
                continue;
            }
            idle += 1;
            match idle {
                ..SPINS => std::hint::spin_loop(),
                SPINS..YIELDS => std::thread::yield_now(),
                YIELDS..NAPS => std::thread::sleep(NAP),
                _ => {
                    idle = NAPS;
                    self.sleep(&mut devices, seen, &mut idle);
                }
            }
        }
    }

    /// Sleeps until there may be work, and resets `idle` if there is.
    fn sleep(&self, devices: &mut [Polled], seen: u64, idle: &mut u32) {
        let look = || {
            let work: usize = devices.iter().map(Polled::poll).sum();
            if work > 0 {
                *idle = 0;
            }
            if work > 0 || self.stop.load(Ordering::Acquire) || self.changes.load(Ordering::Acquire) != seen {
                return None;
            }
            let rests = (0..).zip(&mut *devices).map(|(mark, device)| device.rest(&self.alarm, mark));
            let limit = rests.min().unwrap_or(LONGEST).min(LONGEST);
            if limit < SHORTEST {
                std::thread::yield_now();
                return None;
            }
            Some(limit)
        };
        for mark in self.alarm.sleep(look) {
            let Some(device) = devices.get_mut(mark as usize) else { continue };
            if device.poll() > 0 {
                *idle = 0;
            } else {
                // The ring is full or receiving is off: watching the file would end every sleep at once.
                device.unwatched = UNWATCHED;
            }
        }
    }
}

/// An opened software 82599.
///
/// To end: drop the driver, which stops its queues and resets the device, then call [`close`](Self::close), which
/// flushes the wire's buffers. Dropping does the same, but only logs errors.
#[derive(Debug)]
pub struct Sim {
    nic: Arc<Nic82599>,
    shared: Arc<Shared>,
}

impl Sim {
    /// Plugs a new device into the wire that `spec` describes. `thread` polls it, and it reaches `domain`.
    ///
    /// Without an Ethernet address in `spec`, the first device of a thread has 02:1b:21:00:00:01, and later ones
    /// count up.
    ///
    /// # Errors
    /// The wire cannot be connected; nothing is left behind.
    pub fn open(
        spec: &WireSpec,
        cables: &Cables,
        domain: Arc<SimulatedDomain>,
        thread: &PollThread,
    ) -> Result<Self, WireError> {
        Self::open_with(spec, cables, domain, thread, &GiveUp::default(), |builder| builder)
    }

    /// Like [`open`](Self::open). Waits for the other end of a pipe until `give_up`, and `change` configures the
    /// device further, for instance its interrupts.
    ///
    /// # Errors
    /// The same as for [`open`](Self::open).
    pub fn open_with(
        spec: &WireSpec,
        cables: &Cables,
        domain: Arc<SimulatedDomain>,
        thread: &PollThread,
        give_up: &GiveUp,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Result<Self, WireError> {
        let wire = spec.connect_unless(cables, give_up)?;
        let number = thread.shared.opened.fetch_add(1, Ordering::Relaxed).wrapping_add(1).to_be_bytes();
        let mac = spec.mac.map_or([0x02, 0x1b, 0x21, number[1], number[2], number[3]], MacAddress::octets);
        let nic = Arc::new(change(Nic82599::builder(wire, domain).mac(mac).module(spec.module)).build());
        thread.add(&nic);
        Ok(Self { nic, shared: Arc::clone(&thread.shared) })
    }

    /// The device's registers.
    pub fn bus(&self) -> SimBus {
        SimBus::new(Arc::clone(&self.nic))
    }

    /// The device's DMA switch.
    pub fn bus_master(&self) -> SimBusMaster {
        SimBusMaster::new(Arc::clone(&self.nic))
    }

    /// The device itself.
    pub fn model(&self) -> &Arc<Nic82599> {
        &self.nic
    }

    /// The faults that can be switched on.
    pub fn faults(&self) -> &Faults {
        self.nic.faults()
    }

    /// Whether no more frames will arrive and all that arrived are in memory with their descriptors written back.
    /// Once it returns true, receiving until nothing more comes yields every frame.
    pub fn input_ended(&self) -> bool {
        self.nic.input_ended()
    }

    /// Ends the wire's transmit side once all frames given to the device are sent: the other end then sees the end
    /// of its input.
    pub fn close_transmit(&self) {
        self.nic.close_transmit();
    }

    /// The first error of the wire (a full disk, a broken capture, a lost socket).
    pub fn error(&self) -> Option<String> {
        self.nic.wire_error()
    }

    /// The number of records of a capture that the wire skipped so far, since they are no Ethernet frames. Frames that
    /// the device dropped are in its own counters instead.
    pub fn records_skipped(&self) -> u64 {
        self.nic.records_skipped()
    }

    /// Unplugs the wire and flushes its buffers.
    ///
    /// # Errors
    /// The buffered data cannot be written.
    pub fn close(self) -> Result<(), WireError> {
        self.nic.unplug()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.shared.remove(&self.nic);
        if let Err(error) = self.nic.unplug() {
            tracing::warn!(%error, "what the wire had buffered is lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    use super::*;
    use crate::Fault;
    use crate::wire::Wire;

    const LONG: Duration = Duration::from_secs(20);
    const SOON: Duration = Duration::from_secs(5);
    const EICS: u32 = 0x00808;
    const FCTRL: u32 = 0x05080;

    fn device(wire: &str, cables: &Cables) -> Arc<Nic82599> {
        let wire = wire.parse::<WireSpec>().unwrap().connect(cables).unwrap();
        Arc::new(Nic82599::builder(wire, Arc::<SimulatedDomain>::default()).build())
    }

    /// Measures a sleep on `alarm` with a call to `wake` in the middle; also returns the files that ended it.
    fn slept(alarm: &Arc<Alarm>, wake: impl FnOnce()) -> (Duration, Vec<u32>) {
        let (own, looks) = (Arc::clone(alarm), Arc::new(AtomicUsize::new(0)));
        let own_looks = Arc::clone(&looks);
        let sleeper = std::thread::spawn(move || {
            let start = Instant::now();
            let marks = own.sleep(|| {
                own_looks.fetch_add(1, Ordering::Release);
                Some(LONG)
            });
            (start.elapsed(), marks)
        });
        while looks.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        wake();
        sleeper.join().unwrap()
    }

    #[test]
    fn every_register_write_wakes_the_thread_and_so_do_other_changes() {
        let (alarm, nic) = (Arc::new(Alarm::new().unwrap()), device("loopback", &Cables::default()));
        assert!(nic.set_alarm(&alarm));
        let write = |offset| {
            // SAFETY: ARMED-ONLY: neither register names memory.
            unsafe { nic.write32(offset, 1) };
        };
        assert!(slept(&alarm, || write(FCTRL)).0 < SOON, "a register that only stores, as a doorbell");
        assert!(slept(&alarm, || write(EICS)).0 < SOON, "a register that does something at once");
        assert!(slept(&alarm, || nic.close_transmit()).0 < SOON);
        assert!(slept(&alarm, || nic.faults().set(Fault::LinkDown, true)).0 < SOON, "a fault");
    }

    #[test]
    fn a_device_that_another_thread_had_is_not_left_alone_for_long() {
        let alarms = [(); 2].map(|()| Arc::new(Alarm::new().unwrap()));
        let nic = device("flood", &Cables::default());
        nic.poll();
        let mut devices = alarms.each_ref().map(|alarm| Polled::new(Arc::downgrade(&nic), alarm));
        let rests = [0, 1].map(|n| devices[n].rest(&alarms[n], 0));
        assert_eq!(rests, [Duration::MAX, Duration::from_millis(1)]);
    }

    #[test]
    fn a_frame_or_an_end_that_comes_over_a_socket_wakes_the_thread() {
        let dir = tempfile::tempdir().unwrap();
        let spec: WireSpec = format!("socket={}", dir.path().join("s").display()).parse().unwrap();
        let alarm = Arc::new(Alarm::new().unwrap());
        let nic = Arc::new(
            Nic82599::builder(spec.connect(&Cables::default()).unwrap(), Arc::<SimulatedDomain>::default())
                .build(),
        );
        let mut polled = Polled::new(Arc::downgrade(&nic), &alarm);
        let mut far = None;
        nic.poll();
        assert_eq!(polled.rest(&alarm, 3), Duration::MAX);
        let (time, marks) = slept(&alarm, || far = Some(spec.connect(&Cables::default()).unwrap()));
        assert!(time < SOON && marks == [3], "the other end came: {time:?}, {marks:?}");
        nic.poll();
        assert_eq!(polled.rest(&alarm, 4), Duration::MAX);
        let (time, marks) = slept(&alarm, || assert!(far.as_mut().unwrap().transmit(&[7; 60])));
        assert!(time < SOON && marks == [4], "a frame came: {time:?}, {marks:?}");
        // The frame is not received, so the file stays readable; then it is not watched.
        polled.unwatched = 2;
        let short = Duration::from_millis(5);
        for _ in 0..2 {
            assert_eq!(polled.rest(&alarm, 5), Duration::from_millis(1));
            assert_eq!(alarm.sleep(|| Some(short)), [0_u32; 0]);
        }
        assert_eq!(polled.rest(&alarm, 5), Duration::MAX);
        assert_eq!(alarm.sleep(|| Some(LONG)), [5]);
    }

    /// A wire that delays frames by [`Self::DELAY`], as one with faults does. Each frame arrives just before the
    /// thread's last look before a sleep, which is recognised by the missing nap since the look before.
    #[derive(Default)]
    struct Delayed {
        looked: Option<Instant>,
        slept: bool,
        due: Option<Instant>,
        late: Arc<Mutex<Vec<Duration>>>,
    }

    impl Delayed {
        const DELAY: Duration = Duration::from_millis(2);
    }

    impl Wire for Delayed {
        fn link_up(&mut self) -> bool {
            let now = Instant::now();
            let since = self.looked.replace(now).map_or(Duration::ZERO, |looked| now - looked);
            match self.due {
                Some(due) if now >= due => {
                    self.late.lock().unwrap().push(now - due);
                    self.due = None;
                }
                None if self.slept => self.due = Some(now + Self::DELAY),
                _ => {}
            }
            // The thread's sleep is a hundred times as long as its nap.
            self.slept = self.due.is_none() && since >= LONGEST / 2;
            true
        }

        fn wakes(&self) -> Wakes<'_> {
            let within = |due: Instant| due.saturating_duration_since(Instant::now());
            Wakes { readable: None, within: self.due.map_or(Duration::MAX, within) }
        }
    }

    #[test]
    fn what_the_last_look_before_a_sleep_begins_is_waited_for() {
        let wire = Box::<Delayed>::default();
        let late = Arc::clone(&wire.late);
        let nic = Arc::new(Nic82599::builder(wire, Arc::<SimulatedDomain>::default()).build());
        let thread = PollThread::start().unwrap();
        thread.add(&nic);
        let start = Instant::now();
        while late.lock().unwrap().len() < 5 {
            assert!(start.elapsed() < LONG, "{:?}", late.lock().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
        // A machine that stops this thread for long can delay a single look.
        let late = late.lock().unwrap();
        let over = late.iter().filter(|late| **late >= LONGEST / 2).count();
        assert!(over <= 1, "{late:?}");
    }

    #[test]
    fn an_interrupt_that_is_held_back_and_a_link_that_comes_up_are_waited_for() {
        let wire = WireSpec::default().connect(&Cables::default()).unwrap();
        let now = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now);
        let builder = Nic82599::builder(wire, Arc::<SimulatedDomain>::default())
            .clock(move || Duration::from_nanos(clock.load(Ordering::Relaxed)));
        let nic = builder.build();
        nic.poll();
        let rest = || nic.rest(|_| true);
        assert_eq!(rest(), Duration::MAX);
        // SAFETY: ARMED-ONLY: none of these registers names memory.
        let write = |offset, value| unsafe { nic.write32(offset, value) };
        for (offset, value) in [(0x898, 1 << 4), (0x810, 0xffff), (0xaa0, 2), (0x824, 100 << 3)] {
            write(offset, value);
        }
        write(0xa90, 2);
        assert_eq!(rest(), Duration::MAX, "it went out at once");
        write(0xa90, 2);
        assert_eq!(rest(), Duration::from_nanos(204_800));
        now.store(100_000, Ordering::Relaxed);
        assert_eq!(rest(), Duration::from_nanos(104_800));
        now.store(300_000, Ordering::Relaxed);
        assert_eq!(rest(), Duration::ZERO);
        nic.poll();
        assert_eq!(rest(), Duration::MAX);
        // The same for a cause that belongs to no queue, with its vector in IVAR_MISC, and for the one interrupt
        // without MSI-X.
        for (offset, value) in [(0xa00, 0x8100), (0x880, 1 << 20), (0x808, 1 << 20)] {
            write(offset, value);
        }
        assert_eq!(rest(), Duration::from_nanos(204_800));
        write(0x800, u32::MAX);
        nic.poll();
        for (offset, value) in [(0x898, 0), (0x820, 10 << 3), (0x880, 1), (0x808, 1), (0x800, 1), (0x808, 1)]
        {
            assert_eq!(rest(), Duration::MAX);
            write(offset, value);
        }
        assert_eq!(rest(), Duration::from_nanos(20_480));
        write(0x888, u32::MAX);
        nic.set_link_delay(Duration::from_secs(3600));
        // A restart of the link (AUTOC).
        write(0x42a0, 1 << 12 | 0xc09c_6004);
        nic.poll();
        assert!((3000..=3600).contains(&rest().as_secs()), "{:?}", rest());
    }
}
