//! A software virtio network device that a test polls, and can make misbehave.
//!
//! It is the device's side of the virtio specification (1.2), written from its text. Offsets, bits and layouts are
//! spelled out here and not taken from `ixy_regs`, so that an error there is noticed. It records the driver's
//! violations of the specification ([`Device::violations`]), and counts doorbells.

mod faults;
mod net;
mod packed;
mod queue;
mod registers;
mod split;
mod vectors;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ixy_dma::{BusMaster, Iova, SimulatedDomain, View};

pub(crate) use faults::{Answer, Faults, Lie};
pub(crate) use net::{Command, SET_ALL_MULTICAST, SET_MAC, SET_PROMISCUOUS, SET_QUEUE_PAIRS, Sent};
pub(crate) use queue::{Areas, Doorbells};
pub(crate) use registers::{DeviceBus, Window};
pub(crate) use vectors::Lines;

use net::Net;
use queue::{Chain, Queue, Ring, Used};
use vectors::{ISR_CONFIG, ISR_QUEUE};

/// Bits of the device status (section 2.1).
pub(crate) mod status {
    pub(crate) const ACKNOWLEDGE: u8 = 1;
    pub(crate) const DRIVER: u8 = 2;
    pub(crate) const DRIVER_OK: u8 = 4;
    pub(crate) const FEATURES_OK: u8 = 8;
    pub(crate) const NEEDS_RESET: u8 = 64;
    pub(crate) const FAILED: u8 = 128;
}

/// Feature bits (sections 5.1.3 and 6).
pub(crate) mod feature {
    pub(crate) const CSUM: u64 = 1;
    pub(crate) const GUEST_CSUM: u64 = 1 << 1;
    pub(crate) const MTU: u64 = 1 << 3;
    pub(crate) const MAC: u64 = 1 << 5;
    pub(crate) const MRG_RXBUF: u64 = 1 << 15;
    pub(crate) const STATUS: u64 = 1 << 16;
    pub(crate) const CTRL_VQ: u64 = 1 << 17;
    pub(crate) const CTRL_RX: u64 = 1 << 18;
    pub(crate) const GUEST_ANNOUNCE: u64 = 1 << 21;
    pub(crate) const MQ: u64 = 1 << 22;
    pub(crate) const CTRL_MAC_ADDR: u64 = 1 << 23;
    pub(crate) const ANY_LAYOUT: u64 = 1 << 27;
    pub(crate) const EVENT_IDX: u64 = 1 << 29;
    pub(crate) const VERSION_1: u64 = 1 << 32;
    pub(crate) const ACCESS_PLATFORM: u64 = 1 << 33;
    pub(crate) const RING_PACKED: u64 = 1 << 34;
    pub(crate) const IN_ORDER: u64 = 1 << 35;
    pub(crate) const ORDER_PLATFORM: u64 = 1 << 36;
    pub(crate) const SPEED_DUPLEX: u64 = 1 << 63;

    /// The features of the command queue that a driver without offloads needs.
    pub(crate) const CONTROL: u64 = CTRL_VQ | CTRL_RX | CTRL_MAC_ADDR;
    /// The features that a driver without offloads can use.
    pub(crate) const USEFUL: u64 = CSUM
        | GUEST_CSUM
        | MTU
        | MAC
        | MRG_RXBUF
        | STATUS
        | CONTROL
        | GUEST_ANNOUNCE
        | MQ
        | ANY_LAYOUT
        | EVENT_IDX
        | VERSION_1
        | ACCESS_PLATFORM
        | RING_PACKED
        | IN_ORDER
        | ORDER_PLATFORM
        | SPEED_DUPLEX;
}

/// The order in which chains go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    AsMadeAvailable,
    NewestFirst,
    /// In the order of a random generator with this seed, which is not zero.
    Shuffled(u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The features that it offers.
    pub(crate) features: u64,
    /// The number of its queue pairs.
    pub(crate) pairs: u16,
    /// The number of queue pairs that it reports, if it lies.
    pub(crate) lies_about_pairs: Option<u16>,
    pub(crate) rx_size: u16,
    pub(crate) tx_size: u16,
    pub(crate) control_size: u16,
    /// Ignored with IN_ORDER.
    pub(crate) order: Order,
    /// With IN_ORDER: one used entry for all chains that go back together.
    pub(crate) batches: bool,
    /// It processes a queue only after a notification, and asks for the next one once it has taken all chains.
    /// Otherwise it processes each queue on every poll, and wants no notification.
    pub(crate) sleeps: bool,
    /// The number of entries after which it wants a notification (EVENT_IDX).
    pub(crate) distance: u16,
    pub(crate) notify_multiplier: u32,
    /// The number of status reads until a reset is over.
    pub(crate) reset_reads: u32,
    pub(crate) mtu: u16,
    /// Size of the window of the device configuration in bytes.
    pub(crate) config_len: u32,
    /// It overwrites descriptors that it has taken, since a driver must not read them again.
    pub(crate) scrambles: bool,
    /// The number of its MSI-X vectors for queues.
    pub(crate) vectors: u16,
    /// It checks whether an interrupt is wanted only when the test says so: see [`Device::interrupt`].
    pub(crate) hesitates: bool,
    /// The longest delay between giving back and that check, in iterations of an empty loop.
    pub(crate) dawdles: u32,
}

impl Default for Options {
    /// A modern device with 256 entries a queue and only the features it needs.
    fn default() -> Self {
        Self {
            features: feature::VERSION_1 | feature::MAC,
            pairs: 1,
            lies_about_pairs: None,
            rx_size: 256,
            tx_size: 256,
            control_size: 64,
            order: Order::AsMadeAvailable,
            batches: false,
            sleeps: false,
            distance: 0,
            notify_multiplier: 4,
            reset_reads: 0,
            mtu: 1500,
            config_len: 64,
            scrambles: false,
            vectors: 64,
            hesitates: false,
            dawdles: 0,
        }
    }
}

impl Options {
    pub(crate) fn claimed_pairs(&self) -> u16 {
        self.lies_about_pairs.unwrap_or(self.pairs)
    }
}

pub(crate) struct Device {
    domain: Arc<SimulatedDomain>,
    state: Mutex<State>,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a virtio device made of software")
    }
}

pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) faults: Faults,
    pub(crate) net: Net,
    queues: Vec<Queue>,
    lies: Vec<(usize, Lie)>,
    /// Whether it has misled the driver, which may then use the rings in any way.
    lied: bool,
    accepted: u64,
    feature_select: u32,
    driver_feature_select: u32,
    status: u8,
    /// The number of status reads until the reset is over, 0 when there is none.
    resetting: u32,
    resets: u64,
    isr: u8,
    lines: Option<Arc<dyn Lines>>,
    /// Whether MSI-X is on, as set by the bus.
    msix: bool,
    /// The MSI-X vector of changes of the configuration.
    config_vector: Option<u16>,
    generation: u8,
    select: u16,
    bus_master: bool,
    random: u64,
    violations: BTreeSet<String>,
}

impl Device {
    pub(crate) fn new(options: Options, domain: &Arc<SimulatedDomain>) -> Arc<Self> {
        let net = Net::new([2, 0, 0, 0, 0, 1], options.pairs);
        let random = if let Order::Shuffled(seed) = options.order { seed.max(1) } else { 1 };
        let mut state = State {
            options,
            net,
            faults: Faults::default(),
            queues: Vec::new(),
            lies: Vec::new(),
            lied: false,
            accepted: 0,
            feature_select: 0,
            driver_feature_select: 0,
            status: 0,
            resetting: 0,
            resets: 0,
            isr: 0,
            lines: None,
            msix: false,
            config_vector: None,
            generation: 0,
            select: 0,
            bus_master: false,
            random,
            violations: BTreeSet::new(),
        };
        state.reset();
        Arc::new(Self { domain: Arc::clone(domain), state: Mutex::new(state) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bus(self: &Arc<Self>, window: Window) -> DeviceBus {
        let options = &self.lock().options;
        let len = match window {
            Window::Legacy => 20 + options.config_len,
            Window::Common => 0x38,
            Window::Notify => (options.notify_multiplier * (2 * u32::from(options.pairs) + 1)).max(2),
            Window::Isr => 1,
            Window::Config => options.config_len,
        };
        DeviceBus { device: Arc::clone(self), window, len }
    }

    /// The device as the bus sees it: its switch for DMA.
    pub(crate) fn bus_master(self: &Arc<Self>) -> Arc<dyn BusMaster> {
        Arc::new(Master(Arc::clone(self)))
    }

    /// Runs the device: takes available chains, and gives finished ones back. Returns the number of chains.
    pub(crate) fn poll(&self) -> usize {
        self.poll_some(usize::MAX)
    }

    /// Like `poll`, but gives back at most `limit` chains of each queue.
    pub(crate) fn poll_some(&self, limit: usize) -> usize {
        let mut state = self.lock();
        let Some(view) = self.view(&state) else { return 0 };
        let pairs = usize::from(state.net.pairs);
        (0..2 * pairs)
            .map(|n| {
                state.look(&view, n);
                if n % 2 == 0 { state.receive(&view, n, limit) } else { state.transmit(&view, n, limit) }
            })
            .sum()
    }

    /// The memory, while the device may reach it.
    fn view(&self, state: &State) -> Option<View<'_>> {
        // SAFETY: OWNED-BUFFER: a device that runs accesses rings by the widths that the specification gives, and
        // buffers that were made available to it and that it did not give back.
        state.is_running().then(|| unsafe { self.domain.view() })
    }

    /// Queues frames for receive queue `n`.
    pub(crate) fn arrive(&self, n: usize, frames: &[Vec<u8>]) {
        let mut state = self.lock();
        state.net.arriving[n].extend(frames.iter().map(|frame| ([0; 10], frame.clone())));
    }

    /// Queues a frame with a header that begins with `header`.
    pub(crate) fn arrive_with(&self, n: usize, header: [u8; 10], frame: &[u8]) {
        self.lock().net.arriving[n].push_back((header, frame.to_vec()));
    }

    /// Takes the frames and headers sent on transmit queue `n`.
    pub(crate) fn left(&self, n: usize) -> Vec<Sent> {
        std::mem::take(&mut self.lock().net.left[n])
    }

    /// Takes the frames sent on transmit queue `n`.
    pub(crate) fn frames(&self, n: usize) -> Vec<Vec<u8>> {
        self.left(n).into_iter().map(|sent| sent.frame).collect()
    }

    /// Commands of the control queue so far.
    pub(crate) fn commands(&self) -> Vec<Command> {
        self.lock().net.commands.clone()
    }

    /// Adds a fault for the next time that chains of queue `n` go back.
    pub(crate) fn lie(&self, n: usize, lie: Lie) {
        let mut state = self.lock();
        state.lied = true;
        state.lies.push((n, lie));
    }

    /// Sets lasting faults.
    pub(crate) fn fault(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.lock().faults);
    }

    /// Sets bits of its status.
    pub(crate) fn set_status(&self, bits: u8) {
        let mut state = self.lock();
        state.status |= bits;
        state.config_changed();
    }

    /// Takes the link down, or brings it up.
    pub(crate) fn set_link(&self, up: bool) {
        let mut state = self.lock();
        state.net.link = up;
        state.config_changed();
    }

    /// Connects its interrupts, with MSI-X or without.
    pub(crate) fn connect(&self, lines: Arc<dyn Lines>, msix: bool) {
        let mut state = self.lock();
        state.lines = Some(lines);
        state.msix = msix;
    }

    /// Makes the interrupt checks that were put off.
    pub(crate) fn interrupt(&self) {
        let mut state = self.lock();
        let Some(view) = self.view(&state) else { return };
        for n in 0..state.queues.len() {
            state.interrupt(&view, n);
        }
    }

    /// The MSI-X vectors of all queues and of changes of the configuration.
    pub(crate) fn vectors(&self) -> (Vec<Option<u16>>, Option<u16>) {
        let state = self.lock();
        (state.queues.iter().map(|queue| queue.vector).collect(), state.config_vector)
    }

    pub(crate) fn status(&self) -> u8 {
        self.lock().status
    }

    /// Resets itself, as a host may at any time.
    pub(crate) fn reset_itself(&self) {
        let mut state = self.lock();
        state.lied = true;
        state.reset();
    }

    /// The number of resets.
    pub(crate) fn resets(&self) -> u64 {
        self.lock().resets
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.lock().accepted
    }

    pub(crate) fn doorbells(&self, n: usize) -> Doorbells {
        self.lock().queues[n].doorbells
    }

    /// The number of times that an interrupt was wanted for queue `n`.
    pub(crate) fn interrupts(&self, n: usize) -> u64 {
        self.lock().queues[n].interrupts
    }

    /// The addresses that the driver gave queue `n`, if the device has it.
    pub(crate) fn areas(&self, n: usize) -> Option<Areas> {
        let state = self.lock();
        let queue = state.queues.get(n)?;
        (queue.enabled && state.status & status::DRIVER_OK != 0).then(|| state.areas(queue))
    }

    /// Writes to memory of a ring, as a hostile device would: 64, 32 or 16 bits at an address of it.
    pub(crate) fn store(&self, at: Iova, bits: u32, value: u64) {
        use std::sync::atomic::Ordering::Release;
        let mut state = self.lock();
        state.lied = true;
        let Some(view) = self.view(&state) else { return };
        match bits {
            64 => view.word64(at).map(|word| word.store(value.to_le(), Release)),
            32 => view.word32(at).map(|word| word.store((value as u32).to_le(), Release)),
            _ => view.word16(at).map(|word| word.store((value as u16).to_le(), Release)),
        };
    }

    /// Whether it cannot reach memory any more.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.lock().is_running()
    }

    /// The driver's violations of the specification.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.lock().violations.iter().cloned().collect()
    }
}

impl State {
    fn is_running(&self) -> bool {
        let stopped = self.status & (status::NEEDS_RESET | status::FAILED) != 0;
        self.status & status::DRIVER_OK != 0 && !stopped && self.bus_master && !self.faults.vanished
    }

    fn violation(&mut self, what: String) {
        if !self.lied {
            self.violations.insert(what);
        }
    }

    fn has(&self, feature: u64) -> bool {
        self.accepted & feature != 0
    }

    /// Resets everything but the faults, which belong to the test, and the frames, which belong to the wire.
    fn reset(&mut self) {
        self.status = 0;
        self.resetting = 0;
        self.resets += 1;
        self.take_isr();
        self.config_vector = None;
        self.net.pairs = 1;
        self.select = 0;
        (self.feature_select, self.driver_feature_select) = (0, 0);
        let doorbells: Vec<Doorbells> = self.queues.iter().map(|queue| queue.doorbells).collect();
        self.queues.clear();
        self.queues.resize_with(2 * usize::from(self.options.pairs) + 1, Queue::default);
        for (queue, doorbells) in self.queues.iter_mut().zip(doorbells) {
            queue.doorbells = doorbells;
        }
        self.accept(0);
    }

    /// Reads the interrupt status, which lowers the pin.
    fn take_isr(&mut self) -> u8 {
        if let Some(lines) = &self.lines {
            lines.pin(false);
        }
        std::mem::take(&mut self.isr)
    }

    /// Section 4.1.5.3: sets the cause, and signals it according to whether MSI-X is on.
    fn raise(&mut self, cause: u8, vector: Option<u16>) {
        self.isr |= cause;
        match (&self.lines, vector) {
            (Some(lines), Some(vector)) if self.msix => lines.message(vector),
            (Some(lines), _) if !self.msix => lines.pin(true),
            _ => {}
        }
    }

    fn config_changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.raise(ISR_CONFIG, self.config_vector);
    }

    /// Interrupts for queue `n`, if that is wanted.
    fn interrupt(&mut self, view: &View<'_>, n: usize) {
        let Some(ring) = self.queues[n].ring.as_mut() else { return };
        match ring.interrupts(view) {
            Ok(false) => {}
            Ok(true) => {
                self.queues[n].interrupts += 1;
                self.raise(ISR_QUEUE, self.queues[n].vector);
            }
            Err(what) => self.violation(format!("queue {n}: {what}")),
        }
    }

    /// The number of queues, including the one for commands.
    fn queue_count(&self) -> usize {
        let has = |bit: u64| self.options.features & bit != 0;
        let pairs = if has(feature::MQ) { usize::from(self.options.pairs) } else { 1 };
        2 * pairs + usize::from(has(feature::CTRL_VQ))
    }

    /// The number of the command queue: after all pairs, or after the first one if the driver knows only that.
    fn control(&self) -> Option<usize> {
        let pairs = if self.has(feature::MQ) { usize::from(self.options.pairs) } else { 1 };
        (self.options.features & feature::CTRL_VQ != 0).then_some(2 * pairs)
    }

    fn accept(&mut self, features: u64) {
        self.accepted = features;
        let control = self.control();
        for (n, queue) in self.queues.iter_mut().enumerate() {
            queue.offered = match n {
                n if Some(n) == control => self.options.control_size,
                n if n % 2 == 0 => self.options.rx_size,
                _ => self.options.tx_size,
            };
            queue.size = queue.offered;
        }
    }

    fn read_status(&mut self) -> u32 {
        let status = self.status;
        if self.resetting > 0 {
            self.resetting -= 1;
            if self.resetting == 0 {
                self.reset();
            }
        }
        status.into()
    }

    fn write_status(&mut self, device: &Device, value: u8, legacy: bool) {
        if value == 0 {
            if self.faults.reset_never_ends {
                return;
            }
            self.resetting = if legacy || self.status == 0 { 0 } else { self.options.reset_reads };
            if self.resetting == 0 {
                self.reset();
            }
            return;
        }
        let before = self.status;
        if !value & before & !status::NEEDS_RESET != 0 {
            self.violation(format!("the status {before:#x} is overwritten with {value:#x}"));
        }
        let mut now = before | value & !status::NEEDS_RESET;
        let first = |bit: u8| now & bit != 0 && before & bit == 0;
        let mut wrong = Vec::new();
        if first(status::DRIVER) && now & status::ACKNOWLEDGE == 0 {
            wrong.push("DRIVER before ACKNOWLEDGE".into());
        }
        if first(status::DRIVER_OK) && !legacy && now & status::FEATURES_OK == 0 {
            wrong.push("DRIVER_OK before FEATURES_OK".into());
        }
        if first(status::FEATURES_OK) && legacy {
            wrong.push("FEATURES_OK, which the legacy interface does not have".into());
        }
        let start = first(status::DRIVER_OK);
        if first(status::FEATURES_OK) && !legacy {
            let excess = self.accepted & !self.options.features;
            if excess != 0 {
                wrong.push(format!("features {excess:#x} are accepted that were not offered"));
            }
            if self.faults.features_refused || excess != 0 || !self.has(feature::VERSION_1) {
                now &= !status::FEATURES_OK;
            }
        }
        wrong.into_iter().for_each(|what| self.violation(what));
        self.status = now;
        if start {
            self.start(device);
        }
    }

    fn areas(&self, queue: &Queue) -> Areas {
        Areas {
            descriptors: Iova(queue.descriptors),
            driver: Iova(queue.driver),
            device: Iova(queue.device),
            size: queue.size,
            event_idx: self.has(feature::EVENT_IDX),
            in_order: self.has(feature::IN_ORDER),
        }
    }

    fn start(&mut self, device: &Device) {
        let useless = self.accepted & !feature::USEFUL;
        if useless != 0 {
            self.violation(format!("features {useless:#x} are accepted, which this driver has no use for"));
        }
        let needs_control = feature::CTRL_RX | feature::CTRL_MAC_ADDR | feature::MQ | feature::GUEST_ANNOUNCE;
        if self.has(needs_control) && !self.has(feature::CTRL_VQ) {
            self.violation("a feature of the control queue without the control queue".into());
        }
        if self.faults.needs_reset_at_start {
            self.status |= status::NEEDS_RESET;
        }
        let control = self.control();
        let packed = self.has(feature::RING_PACKED);
        for n in 0..self.queues.len() {
            let queue = &self.queues[n];
            if !queue.enabled {
                continue;
            }
            let areas = self.areas(queue);
            let ends = [
                areas.descriptors,
                areas.driver,
                areas.device,
                areas.descriptors.offset(16 * u64::from(areas.size) - 1),
            ];
            if !ends.iter().all(|&at| device.domain.is_mapped(at)) {
                self.violation(format!("queue {n} is out of reach: {areas:?}"));
                continue;
            }
            let mut ring = Ring::new(areas, packed);
            if !self.options.sleeps
                && Some(n) != control
                && let Some(view) = device.view(self)
            {
                ring.suppress(&view);
            }
            self.queues[n].ring = Some(ring);
        }
    }

    fn doorbell(&mut self, device: &Device, n: usize) {
        if self.status & status::DRIVER_OK == 0 {
            return self.violation(format!("queue {n} is notified before DRIVER_OK"));
        }
        let Some(view) = device.view(self) else { return };
        let Some(queue) = self.queues.get_mut(n).filter(|queue| queue.ring.is_some()) else {
            return self.violation(format!("queue {n} is notified, which is not enabled"));
        };
        queue.doorbells.rung += 1;
        queue.awake = true;
        let Some(ring) = &queue.ring else { return };
        match ring.published(&view) {
            Ok(new) => {
                queue.doorbells.needless += u64::from(!ring.wants(queue.seen, new));
                queue.seen = new;
            }
            Err(what) => self.violation(format!("queue {n}: {what}")),
        }
        if Some(n) == self.control() {
            self.serve(&view, n);
        }
    }

    /// Takes all available chains of queue `n`.
    fn look(&mut self, view: &View<'_>, n: usize) {
        let (sleeps, distance) = (self.options.sleeps, self.options.distance);
        let Some(queue) = self.queues.get_mut(n) else { return };
        let Some(mut ring) = queue.ring.take() else { return };
        if let Ok(new) = ring.published(view) {
            queue.doorbells.missed += u64::from(ring.wants(queue.seen, new));
            queue.seen = new;
        }
        if !sleeps {
            self.take_all(view, n, &mut ring);
            ring.suppress(view);
        } else if std::mem::take(&mut queue.awake) {
            // Asks for a notification first and checks after that, so that nothing is missed in between.
            while self.take_all(view, n, &mut ring) > 0 {
                ring.ask(view, distance);
            }
            ring.ask(view, distance);
            if self.take_all(view, n, &mut ring) > 0 {
                self.queues[n].awake = true;
            }
        }
        self.queues[n].ring = Some(ring);
    }

    fn take_all(&mut self, view: &View<'_>, n: usize, ring: &mut Ring) -> usize {
        let mut count = 0;
        loop {
            match ring.take(view) {
                Ok(Some(chain)) => {
                    self.taken(n, &chain);
                    if self.options.scrambles {
                        ring.scramble(view);
                    }
                    self.queues[n].taken.push_back(chain);
                    count += 1;
                }
                Ok(None) => return count,
                Err(what) => {
                    self.violation(format!("queue {n}: {what}"));
                    return count;
                }
            }
        }
    }

    fn header_len(&self) -> usize {
        if self.has(feature::VERSION_1 | feature::MRG_RXBUF) { 12 } else { 10 }
    }

    /// Processes a chain that was just taken, and sends its frame.
    fn taken(&mut self, n: usize, chain: &Chain) {
        let header_len = self.header_len();
        let any_layout = self.has(feature::VERSION_1 | feature::ANY_LAYOUT);
        let apart = chain.pieces.first().is_some_and(|piece| piece.len as usize == header_len);
        let writable = chain.pieces.iter().filter(|piece| piece.writable).count();
        if Some(n) == self.control() {
            return;
        }
        // Section 5.1.6.6.
        let alone = any_layout || apart && chain.pieces.len() > 1;
        if n.is_multiple_of(2) {
            if writable != chain.pieces.len() {
                self.violation(format!("queue {n}: a readable buffer to receive into"));
            }
            // Section 5.1.6.3.1.
            let enough = if self.has(feature::MRG_RXBUF) { header_len } else { header_len + 1514 };
            if chain.capacity() < enough {
                self.violation(format!("queue {n}: a buffer of {} bytes", chain.capacity()));
            }
            if !alone && !self.has(feature::MRG_RXBUF) {
                self.violation(format!("queue {n}: no descriptor for the header alone: {:?}", chain.pieces));
            }
        } else {
            if writable > 0 || chain.bytes.len() < header_len {
                return self.violation(format!("queue {n}: nothing to send: {:?}", chain.pieces));
            }
            if !alone {
                self.violation(format!("queue {n}: no descriptor for the header alone: {:?}", chain.pieces));
            }
            let (header, frame) = chain.bytes.split_at(header_len);
            if !self.has(feature::CSUM) && header.iter().any(|&byte| byte != 0) {
                self.violation(format!("queue {n}: a header with offloads: {header:?}"));
            }
            self.net.left[n / 2].push(Sent { header: header.to_vec(), frame: frame.to_vec() });
        }
    }

    fn number(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below as u64) as usize
    }

    /// The next chain of queue `n` to finish.
    fn pick(&mut self, n: usize) -> Option<Chain> {
        let count = self.queues[n].taken.len();
        let index = match self.options.order {
            _ if count == 0 => return None,
            _ if self.has(feature::IN_ORDER) => 0,
            Order::AsMadeAvailable => 0,
            Order::NewestFirst => count - 1,
            Order::Shuffled(_) => self.number(count),
        };
        self.queues[n].taken.remove(index)
    }

    fn transmit(&mut self, view: &View<'_>, n: usize, limit: usize) -> usize {
        let mut used = Vec::new();
        while used.len() < limit
            && let Some(chain) = self.pick(n)
        {
            if chain.read(view) != chain.bytes {
                self.violation(format!("queue {n}: a packet changed before it was given back"));
            }
            used.push(Used { id: chain.id.into(), slots: chain.slots, len: 0 });
        }
        let batched = self.options.batches && self.has(feature::IN_ORDER);
        let count = used.len();
        self.give(view, n, used, batched);
        count
    }

    fn receive(&mut self, view: &View<'_>, n: usize, limit: usize) -> usize {
        let header_len = self.header_len();
        let mergeable = self.has(feature::MRG_RXBUF);
        let batches = self.options.batches && self.has(feature::IN_ORDER);
        let mut all = Vec::new();
        // With batching: the chains that go back with the next entry. One entry stands for several only if all but
        // the last were filled (section 2.7.9).
        let mut run: Vec<Used> = Vec::new();
        let mut run_is_full = true;
        let mut count = 0;
        while count < limit
            && let Some((header, frame)) = self.net.arriving[n / 2].pop_front()
        {
            let needed = header_len + frame.len();
            let taken = &self.queues[n].taken;
            let capacity = if mergeable { taken.iter().map(Chain::capacity).sum() } else { needed };
            if taken.is_empty() || capacity < needed {
                self.net.arriving[n / 2].push_front((header, frame));
                break;
            }
            let mut chains = Vec::new();
            let mut room = 0;
            while room < needed
                && let Some(chain) = self.pick(n)
            {
                room += chain.capacity();
                chains.push(chain);
                if !mergeable {
                    break;
                }
            }
            if room < needed {
                // The chain stays with the device, for a shorter frame.
                chains.into_iter().for_each(|chain| self.queues[n].taken.push_front(chain));
                self.net.too_long += 1;
                continue;
            }
            let mut bytes = header.to_vec();
            if header_len == 12 {
                bytes.extend((self.buffers(n).unwrap_or(chains.len() as u16)).to_le_bytes());
            }
            bytes.extend(&frame);
            let mut rest = &bytes[..];
            let mut used = Vec::new();
            let mut full = true;
            for chain in &chains {
                // All but the last one are full?
                full &= used.last().is_none_or(|last: &(Used, usize)| last.0.len as usize == last.1);
                let written = chain.write(view, rest);
                rest = &rest[written..];
                let entry = Used { id: chain.id.into(), slots: chain.slots, len: written as u32 };
                used.push((entry, chain.capacity()));
            }
            count += used.len();
            let filled = used.last().is_some_and(|last| last.0.len as usize == last.1);
            let used: Vec<Used> = used.into_iter().map(|(entry, _)| entry).collect();
            if !batches {
                all.extend(used);
                continue;
            }
            if !(run_is_full && full) {
                self.give(view, n, std::mem::take(&mut run), true);
            }
            if full {
                run.extend(used);
                run_is_full = filled;
            } else {
                self.give(view, n, used, false);
            }
        }
        self.give(view, n, run, true);
        self.give(view, n, all, false);
        count
    }

    /// The number of buffers for the header, when that is a lie.
    fn buffers(&mut self, n: usize) -> Option<u16> {
        let index = self.lies.iter().position(|lie| lie.0 == n && matches!(lie.1, Lie::Buffers(_)))?;
        match self.lies.remove(index).1 {
            Lie::Buffers(count) => Some(count),
            _ => None,
        }
    }

    fn give(&mut self, view: &View<'_>, n: usize, mut used: Vec<Used>, batched: bool) {
        let Some(ring) = self.queues[n].ring.as_mut().filter(|_| !used.is_empty()) else { return };
        let index = self.lies.iter().position(|lie| lie.0 == n && !matches!(lie.1, Lie::Buffers(_)));
        let lie = index.map(|index| self.lies.remove(index).1);
        match lie {
            Some(Lie::Id(id)) => used[0].id = id,
            Some(Lie::FreeId) => used[0].id = ring.free_id().into(),
            Some(Lie::Length(len)) => used[0].len = len,
            Some(Lie::Twice) => used.insert(1, used[0]),
            Some(Lie::Reversed) => used.reverse(),
            Some(Lie::Jump(_) | Lie::Buffers(_)) | None => {}
        }
        ring.give(view, &used, batched);
        if let Some(Lie::Jump(by)) = lie {
            ring.jump(view, by);
        }
        if self.options.dawdles > 0 {
            for _ in 0..self.number(self.options.dawdles as usize) {
                std::hint::spin_loop();
            }
        }
        if !self.options.hesitates {
            self.interrupt(view, n);
        }
    }

    /// Executes commands.
    fn serve(&mut self, view: &View<'_>, n: usize) {
        let Some(mut ring) = self.queues[n].ring.take() else { return };
        self.take_all(view, n, &mut ring);
        let answer = self.faults.answer;
        while answer != Answer::Never
            && let Some(chain) = self.queues[n].taken.pop_front()
        {
            let any_layout = self.has(feature::VERSION_1 | feature::ANY_LAYOUT);
            let lengths: Vec<u32> = chain.pieces.iter().map(|piece| piece.len).collect();
            // Section 5.1.6.5.5: the parts of a command have descriptors of their own.
            if !any_layout && (lengths.first() != Some(&2) || lengths.last() != Some(&1)) {
                self.violation(format!("a command in pieces of {lengths:?} bytes"));
            }
            if chain.capacity() != 1 {
                self.violation(format!("a command with {} bytes for the answer", chain.capacity()));
            }
            let ack = self.net.carry_out(&chain.bytes, answer);
            let ack = ack.unwrap_or_else(|what| {
                self.violation(what);
                net::ACK_ERROR
            });
            let written = if answer == Answer::Nothing { 0 } else { chain.write(view, &[ack]) };
            let id = if answer == Answer::WrongId { 0x7fff } else { chain.id };
            ring.give(view, &[Used { id: id.into(), slots: chain.slots, len: written as u32 }], false);
        }
        ring.ask(view, 0);
        self.queues[n].ring = Some(ring);
        self.interrupt(view, n);
    }
}

/// The device as the bus sees it.
#[derive(Debug)]
struct Master(Arc<Device>);

// SAFETY: QUIET-BEFORE-FREE: `Device::view` gives no memory without bus mastering, and nothing is in progress
// between two calls.
unsafe impl BusMaster for Master {
    fn disable(&self) -> Result<(), ixy_dma::Error> {
        let mut state = self.0.lock();
        if state.faults.master_stays_on {
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
        Ok(self.0.lock().faults.always_pending)
    }
}
