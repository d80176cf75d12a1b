//! A card and one of its virtual functions, served to two clients: they shake hands through the mailbox, and
//! frames pass through the card between the memories of both.

#![cfg(feature = "serve")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ixy_dma::{BusMaster, DmaDomain, DmaSlice, Iova};
use ixy_regs::bus::Bus;
use ixy_sim::PollThread;
use ixy_sim::serve::{Event, Port, Settings, Trace, VfPort};
use ixy_sim::wire::{Cables, WireSpec};
use ixy_vfio_user::client::{Client, VfioUserBus, VfioUserBusMaster, VfioUserDomain};
use ixy_vfio_user::message::{IrqAction, IrqData, pci};
use ixy_vfio_user::server::{Listener, ServerLimits, Stop};

const ENABLE: u32 = 1 << 25;
/// The number of the virtual function, of 64, and the pool that the card's own driver keeps.
const N: u32 = 3;
const OWN: u32 = 63;
const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const VF_MAC: [u8; 6] = [2, 0, 0, 0, 0, 3];

/// One side: a connected device, with memory.
struct Side {
    client: Client,
    bus: VfioUserBus,
    master: VfioUserBusMaster,
    domain: Arc<VfioUserDomain>,
}

impl Side {
    fn connect(path: &std::path::Path) -> Self {
        let client = Client::connect(path).unwrap();
        let master = VfioUserBusMaster::new(&client).unwrap();
        let bus = VfioUserBus::new(&client, pci::BAR0).unwrap();
        let domain = Arc::new(VfioUserDomain::new(&client, "test"));
        Self { client, bus, master, domain }
    }

    fn read(&self, offset: u32) -> u32 {
        // SAFETY: BUS-WINDOW: the test names offsets inside of the window.
        unsafe { self.bus.read32(offset) }
    }

    fn write(&self, offset: u32, value: u32) {
        // SAFETY: BUS-WINDOW, and ARMED-ONLY: rings hold addresses of memory of this test.
        unsafe { self.bus.write32(offset, value) }
    }

    fn set(&self, offset: u32, bits: u32) {
        self.write(offset, self.read(offset) | bits);
    }

    fn config(&self, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        self.client.read(pci::CONFIG, offset, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    }

    fn set_config(&self, offset: u64, value: u32) {
        // SAFETY: ARMED-ONLY: no ring is on.
        unsafe { self.client.write(pci::CONFIG, offset, &value.to_le_bytes()) }.unwrap();
    }

    /// Memory for eight descriptors and buffers of 2 KB, and its ring at the registers from `base` on.
    fn ring(&self, base: u32, receives: bool) -> Ring {
        let memory = self.domain.clone().allocate(64 << 10).unwrap().cut(&[8 * 16, 8 * 2048], 128).unwrap();
        let [ring, buffers] = <[DmaSlice; 2]>::try_from(memory).unwrap();
        for n in 0..8 {
            ring.words()[n * 2].store((buffers.iova().0 + n as u64 * 2048).to_le(), Ordering::Relaxed);
        }
        self.write(base, ring.iova().0 as u32);
        self.write(base + 0x04, (ring.iova().0 >> 32) as u32);
        self.write(base + 0x08, 8 * 16);
        self.write(base + 0x10, 0);
        if receives {
            self.write(base + 0x14, ENABLE | 2);
        }
        self.write(base + 0x28, ENABLE);
        if receives {
            self.write(base + 0x18, 7);
        }
        Ring { base, ring, buffers, next: 0 }
    }

    fn send(&self, ring: &mut Ring, frame: &[u8]) {
        let words = ring.buffers.words();
        for (at, part) in frame.chunks(8).enumerate() {
            let mut bytes = [0; 8];
            bytes[..part.len()].copy_from_slice(part);
            words[ring.next * 256 + at].store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
        let len = frame.len() as u64;
        let command = 3 << 20 | 1 << 29 | 1 << 24 | 1 << 25 | 1 << 27;
        let address = Iova(ring.buffers.iova().0 + ring.next as u64 * 2048);
        ring.ring.words()[ring.next * 2].store(address.0.to_le(), Ordering::Relaxed);
        ring.ring.words()[ring.next * 2 + 1].store((command | len | len << 46).to_le(), Ordering::Release);
        ring.next += 1;
        self.write(ring.base + 0x18, ring.next as u32);
    }
}

struct Ring {
    base: u32,
    ring: DmaSlice,
    buffers: DmaSlice,
    next: usize,
}

impl Ring {
    /// The next received frame.
    fn receive(&mut self) -> Vec<u8> {
        let status = wait("a frame", || {
            let word = u64::from_le(self.ring.words()[self.next * 2 + 1].load(Ordering::Acquire));
            (word & 1 == 1).then_some(word)
        });
        let words = self.buffers.words()[self.next * 256..].iter();
        let mut bytes: Vec<u8> =
            words.take(256).flat_map(|w| w.load(Ordering::Relaxed).to_ne_bytes()).collect();
        bytes.truncate((status >> 32 & 0xffff) as usize);
        self.next += 1;
        bytes
    }
}

/// Waits for `ready`, for ten seconds at most.
fn wait<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{what} did not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn sleep_on(event: &OwnedFd) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(event.as_fd(), PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&limit)).unwrap(), 1, "no interrupt came");
    rustix::io::read(event, &mut [0; 8]).unwrap();
}

fn frame(destination: [u8; 6], source: [u8; 6], seed: u8) -> Vec<u8> {
    let mut frame = [destination, source].concat();
    frame.extend([0x88, 0xb5]);
    frame.extend((0..200).map(|n: u8| n.wrapping_mul(seed)));
    frame
}

/// Sets entry `n` of the card's address filter, for `pool`.
fn filter(card: &Side, n: u32, mac: [u8; 6], pool: u32) {
    card.write(0x0A600 + 8 * n, if pool < 32 { 1 << pool } else { 0 });
    card.write(0x0A604 + 8 * n, if pool < 32 { 0 } else { 1 << (pool - 32) });
    card.write(0x0A200 + 8 * n, u32::from_le_bytes(mac[..4].try_into().unwrap()));
    card.write(0x0A204 + 8 * n, u32::from(u16::from_le_bytes([mac[4], mac[5]])) | 1 << 31);
}

/// The set-up by the card's driver before its functions may start.
fn start_card(card: &Side) {
    card.write(0x11050, 3); // GCR_EXT: 64 pools
    card.write(0x00898, 1 << 4 | 3 << 14); // GPIE: MSI-X, 64 pools
    card.write(0x00A00, 0x80 << 8); // IVAR_MISC: vector 0
    card.write(0x00880, 1 << 19); // EIMS: mailboxes
    card.write(0x051B0, 1 | OWN << 7 | 1 << 30); // PFVTCTL
    card.write(0x0EC80, 8); // MRQC
    card.write(0x08120, 2 | 1 << 2); // MTQC
    card.write(0x08220, 1); // PFDTXGSWC: the switch
    card.write(0x051E4, 1 << 31); // PFVFRE
    card.write(0x08114, 1 << 31); // PFVFTE
    filter(card, 0, OWN_MAC, OWN);
    card.set(0x04A80, 1); // DMATXCTL
    card.write(0x03000, 1); // RXCTRL
    card.write(0x00018, 1 << 14 | 1 << 28); // CTRL_EXT: PFRSTD
}

/// The card's driver waits for a message of the function, takes it, and replies with `answer`.
fn answer(card: &Side, event: &OwnedFd, answer: &[u32]) -> u32 {
    sleep_on(event);
    assert_eq!(card.read(0x00800), 1 << 19, "EICR");
    wait("a request", || (card.read(0x00710) & 1 << N != 0).then_some(()));
    card.write(0x00710, 1 << N);
    let (mailbox, memory) = (0x04B00 + 4 * N, 0x13000 + 64 * N);
    let message = card.read(memory);
    card.write(mailbox, 2);
    card.write(mailbox, 8);
    assert_eq!(card.read(mailbox) & 0xc, 8, "the buffer is the card's");
    for (at, word) in (0..).zip(answer) {
        card.write(memory + 4 * at, *word);
    }
    card.write(mailbox, 1);
    message
}

/// The function's driver resets it and asks for its address.
fn ask(function: &Side) {
    function.write(0x00000, 1 << 26);
    wait("the card's driver", || (function.read(0x002FC) & 0x40 == 0).then_some(()));
    function.write(0x00140, 0x80 | 2); // VTIVAR_MISC
    function.write(0x00108, 7); // VTEIMS
    function.write(0x002FC, 4);
    assert_eq!(function.read(0x002FC) & 4, 4, "the buffer is the function's");
    function.write(0x00200, 1);
    function.write(0x002FC, 1);
}

#[test]
fn two_clients_shake_hands_and_exchange_frames_through_the_card() {
    let directory = tempfile::tempdir().unwrap();
    let (of_card, of_function) = (directory.path().join("card"), directory.path().join("function"));
    let wire = "loopback".parse::<WireSpec>().unwrap().connect(&Cables::default()).unwrap();
    let port = Port::new(wire, Settings::default()).unwrap();
    let virtual_port = VfPort::new(&port, N, ServerLimits::default(), None).unwrap();
    let poll = PollThread::start().unwrap();
    poll.add(port.nic());
    let listeners = [Listener::bind(&of_card).unwrap(), Listener::bind(&of_function).unwrap()];
    let stop = Stop::new().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| port.serve(&listeners[0], &stop).unwrap());
        scope.spawn(|| virtual_port.serve(&listeners[1], &stop).unwrap());
        let result = std::panic::catch_unwind(|| exchange(&of_card, &of_function));
        stop.stop();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
    assert_eq!((port.server().memory().faults(), virtual_port.server().memory().faults()), (0, 0));
}

fn exchange(of_card: &std::path::Path, of_function: &std::path::Path) {
    let (card, function) = (Side::connect(of_card), Side::connect(of_function));
    let alarm = card.client.interrupts(pci::MSIX, 1).unwrap().remove(0);
    let mut alarms = function.client.interrupts(pci::MSIX, 3).unwrap();
    let mailbox = alarms.remove(2);
    assert_eq!(function.read(0x002FC) & 0x40, 0x40, "RSTI until the card's driver is there");
    // SAFETY: ARMED-ONLY: no ring is on.
    unsafe { card.master.enable() }.unwrap();
    // SAFETY: ARMED-ONLY: no ring of it is on.
    unsafe { function.master.enable() }.unwrap();
    start_card(&card);
    // A reset of the function is a cause of its own.
    function.write(0x00000, 1 << 26);
    sleep_on(&alarm);
    assert_eq!(card.read(0x00600), 1 << N, "PFVFLRE");
    card.write(0x00700, u32::MAX);
    card.read(0x00800);

    ask(&function);
    // The second reset is reported, too, perhaps together with the message.
    let low = u32::from_le_bytes(VF_MAC[..4].try_into().unwrap());
    let high = u32::from(u16::from_le_bytes([VF_MAC[4], VF_MAC[5]]));
    assert_eq!(answer(&card, &alarm, &[0x8000_0001, low, high, 0]), 1);
    filter(&card, 127, VF_MAC, N);
    card.set(0x051E0, 1 << N);
    card.set(0x08110, 1 << N);
    sleep_on(&mailbox);
    wait("the answer", || (function.read(0x002FC) & 0x10 != 0).then_some(()));
    assert_eq!(function.read(0x00104), 4, "VTEICR, looked at through VTEICS");
    assert_eq!([0, 1, 2].map(|n| function.read(0x00200 + 4 * n)), [0x8000_0001, low, high]);
    function.write(0x002FC, 2);
    wait("its acknowledgement", || (card.read(0x00710) & 1 << (16 + N) != 0).then_some(()));

    let mut receives = function.ring(0x01000, true);
    let mut sends = function.ring(0x02000, false);
    let mut card_receives = card.ring(0x0D000 + 0x40 * (2 * OWN - 64), true);
    let mut card_sends = card.ring(0x06000 + 0x40 * 2 * OWN, false);
    for seed in 1..4 {
        let (there, back) = (frame(VF_MAC, OWN_MAC, seed), frame(OWN_MAC, VF_MAC, seed));
        card.send(&mut card_sends, &there);
        assert_eq!(receives.receive(), there);
        function.send(&mut sends, &back);
        assert_eq!(card_receives.receive(), back);
    }
    assert_eq!([0x0101C, 0x0201C].map(|offset| function.read(offset)), [3, 3], "VFGPRC and VFGPTC");
    // An unknown address goes to the wire, and the other end returns it to the card's own pool.
    let strange = frame([2, 0, 0, 0, 0, 9], VF_MAC, 5);
    card.set(0x05080, 1 << 9);
    // That write was posted, and only requests on the same socket come after it.
    assert_eq!(card.read(0x05080), 1 << 9, "FCTRL");
    function.send(&mut sends, &strange);
    assert_eq!(card_receives.receive(), strange);
}

#[test]
fn the_configuration_spaces_show_the_functions_and_their_sizes() {
    let directory = tempfile::tempdir().unwrap();
    let (of_card, of_function) = (directory.path().join("card"), directory.path().join("function"));
    let wire = "loopback".parse::<WireSpec>().unwrap().connect(&Cables::default()).unwrap();
    let port = Port::new(wire, Settings::default()).unwrap();
    let virtual_port = VfPort::new(&port, N, ServerLimits::default(), None).unwrap();
    let listeners = [Listener::bind(&of_card).unwrap(), Listener::bind(&of_function).unwrap()];
    let stop = Stop::new().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| port.serve(&listeners[0], &stop).unwrap());
        scope.spawn(|| virtual_port.serve(&listeners[1], &stop).unwrap());
        let result = std::panic::catch_unwind(|| inspect(&of_card, &of_function));
        stop.stop();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

fn inspect(of_card: &std::path::Path, of_function: &std::path::Path) {
    let (card, function) = (Side::connect(of_card), Side::connect(of_function));
    // The list of extended capabilities ends with SR-IOV.
    let mut list = vec![];
    let mut at = 0x100;
    while at != 0 {
        let header = card.config(at);
        list.push((at, header & 0xffff));
        at = u64::from(header >> 20);
    }
    assert_eq!(list.last(), Some(&(0x160, 0x10)));
    assert_eq!(card.config(0x16C), 64 | 64 << 16, "initial and total functions");
    assert_eq!(card.config(0x174), 0x180 | 2 << 16, "offset and stride");
    card.set_config(0x168, 1 << 4);
    assert_eq!(card.config(0x174), 0x80 | 2 << 16, "with an ARI capable hierarchy");
    card.set_config(0x168, 0);
    assert_eq!(card.config(0x174), 0x180 | 2 << 16);
    assert_eq!(card.config(0x178) >> 16, 0x10ed);
    for (bar, size) in [(0x184, 0x4000), (0x190, 0x4000)] {
        card.set_config(bar, u32::MAX);
        assert_eq!(!(card.config(bar) & !0xf) + 1, size);
        assert_eq!(card.config(bar) & 0xf, 0xc, "prefetchable, 64 bits");
    }
    card.set_config(0x170, 7);
    assert_eq!(card.read(0x00008) >> 10 & 0x1ff, 0, "STATUS: not enabled");
    card.set_config(0x168, 1 | 1 << 3);
    assert_eq!(card.read(0x00008) >> 10 & 0x1ff, 7 | 1 << 8);
    function.write(0x00108, 7);
    assert_eq!(function.read(0x00108), 7, "what was written before is done");
    card.set_config(0x168, 0);
    assert_eq!(card.read(0x00008) >> 10 & 0x1ff, 0);
    assert_eq!(function.read(0x00108), 0, "functions that are enabled no more were reset");
    // The reset covered their configuration spaces. More of them shows while they are bus masters.
    card.set_config(0x168, 1);
    assert_eq!(card.config(0x168), 1);
    // SAFETY: ARMED-ONLY: no ring of it is on.
    unsafe { function.master.enable() }.unwrap();
    assert_eq!(function.config(0x04) & 6, 6);
    card.set_config(0x168, 0);
    assert_eq!((card.config(0x168), function.config(0x04) & 6), (0, 0));
    assert_eq!(function.read(0x00108), u32::MAX, "its memory is not decoded");
    let _decoding = VfioUserBusMaster::new(&function.client).unwrap();

    assert_eq!(function.config(0x00), 0x10ed_8086);
    assert_eq!(function.config(0x08) >> 16, 0x0200);
    for (bar, size) in [(0x10, 0x4000), (0x1C, 0x4000)] {
        function.set_config(bar, u32::MAX);
        assert_eq!(!(function.config(bar) & !0xf) + 1, size);
    }
    assert_eq!(function.config(0x70) & 0xff, 0x11, "MSI-X");
    assert_eq!(function.config(0x70) >> 16 & 0x7ff, 2, "three vectors");
    assert_eq!([function.config(0x74), function.config(0x78)], [3, 0x2003], "in BAR 3");
    // A function level reset, by its PCI Express capability.
    function.write(0x00108, 7);
    let before = function.config(0xA8);
    function.set_config(0xA8, before | 1 << 15);
    let _decoding = VfioUserBusMaster::new(&function.client).unwrap();
    assert_eq!(function.read(0x00108), 0);
    assert_eq!(card.read(0x00600), 1 << N, "PFVFLRE");
}

/// Keeps the events of a trace.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Trace for Told {
    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

#[test]
fn a_functions_messages_wait_for_its_bus_mastering_and_for_requests() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("function");
    let wire = "loopback".parse::<WireSpec>().unwrap().connect(&Cables::default()).unwrap();
    let port = Port::new(wire, Settings::default()).unwrap();
    let told = Told::default();
    let trace = Arc::new(told.clone());
    let virtual_port = VfPort::new(&port, N, ServerLimits::default(), Some(trace)).unwrap();
    let (listener, stop) = (Listener::bind(&path).unwrap(), Stop::new().unwrap());
    let message = |held| format!("{:?}", Event::Message { msix: true, vector: 1, held });
    let is_told = |what: &str| told.0.lock().unwrap().iter().any(|event| event == what);
    std::thread::scope(|scope| {
        scope.spawn(|| virtual_port.serve(&listener, &stop).unwrap());
        let result = std::panic::catch_unwind(|| {
            let function = Side::connect(&path);
            let events = function.client.interrupts(pci::MSIX, 3).unwrap();
            function.write(0x00108, 7); // VTEIMS
            function.write(0x00104, 2); // VTEICS
            assert_eq!(function.read(0x00104), 2, "it is a cause");
            assert!(is_told("Connected") && is_told(&message(true)) && !is_told(&message(false)));
            // SAFETY: ARMED-ONLY: no ring of it is on.
            unsafe { function.master.enable() }.unwrap();
            sleep_on(&events[1]);
            assert!(is_told(&message(false)));
            // A request holds messages back, too, and shows in the pending bits.
            let request = |action| function.client.set_irqs(pci::MSIX, 2, 1, IrqData::None, action).unwrap();
            let pending = || {
                let mut bytes = [0; 8];
                function.client.read(3, 0x2000, &mut bytes).unwrap();
                u64::from_le_bytes(bytes)
            };
            request(IrqAction::Mask);
            function.write(0x00104, 4);
            assert_eq!((function.read(0x00104), pending()), (6, 4));
            request(IrqAction::Unmask);
            sleep_on(&events[2]);
            assert_eq!(pending(), 0);
        });
        stop.stop();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}
