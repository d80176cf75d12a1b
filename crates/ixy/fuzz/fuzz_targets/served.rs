//! A client with arbitrary behaviour on the served card: the card writes only memory that is mapped for
//! writing, keeps nothing of a client, and is then as after power on.
#![no_main]

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use ixy_regs::ixgbe;
use ixy_regs::map::{Register, Span};
use ixy_sim::Nic82599;
use ixy_sim::serve::{Function, Port, Settings};
use ixy_sim::wire::Wire;
use ixy_vfio_user::connection::{Connection, Limits};
use ixy_vfio_user::message::{
    Capabilities, Command, DmaMap, DmaUnmap, Errno, Header, IrqAction, IrqData, IrqRequest, RegionAccess,
    Request, Version, pci,
};
use ixy_vfio_user::server::{Device, ServerLimits, Stop};
use libfuzzer_sys::fuzz_target;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

/// There is nothing to wait for: the client's messages are there before the server looks.
const PATIENCE: Duration = Duration::from_millis(20);
/// The client's memory, and its IOVA unless the fuzzer maps it elsewhere.
const MEMORY: u64 = 0x10000;
const IOVA: u64 = 0x10000;
/// Memory that is only ever mapped for reading, and its IOVA.
const CONSTANT: (u64, u64) = (0x4000, 0x40000);
const RX_RING: u64 = 0;
const TX_RING: u64 = 0x800;
const BUFFERS: u64 = 0x1000;
/// Most frames on the wire at a time, and most that are sent for one input.
const FRAMES: usize = 64;
const SENT: usize = 4096;
/// These registers reach the EEPROM and the flash memory, which keep their content without power.
const LASTING: std::ops::Range<u64> = 0x10000..0x10200;

/// Frames that the card sends come back to it, besides those of the fuzzer.
#[derive(Clone, Default)]
struct Cable(Arc<Mutex<(VecDeque<Vec<u8>>, usize)>>, Vec<u8>);

impl Cable {
    fn arrives(&self, frame: Vec<u8>) {
        let mut state = self.0.lock().unwrap();
        if state.0.len() < FRAMES {
            state.0.push_back(frame);
        }
    }
}

impl Wire for Cable {
    fn front(&mut self) -> Option<&[u8]> {
        self.1 = self.0.lock().unwrap().0.front()?.clone();
        Some(&self.1)
    }

    fn consume(&mut self) {
        self.0.lock().unwrap().0.pop_front();
    }

    fn transmit(&mut self, frame: &[u8]) -> bool {
        assert!(!frame.is_empty() && frame.len() <= 16 << 10, "a frame of {} bytes", frame.len());
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        let room = state.1 <= SENT;
        drop(state);
        if room {
            self.arrives(frame.to_vec());
        }
        room
    }
}

/// Stands for the next action between two messages: a read of this many bytes of the configuration space's
/// start.
const MARK: RegionAccess = RegionAccess { region: pci::CONFIG, offset: 0, count: 3 };

enum Action {
    /// The client writes into its memory.
    Store(u64, [u64; 2]),
    /// A frame arrives.
    Frame(Vec<u8>),
    /// The card works.
    Poll(u8),
    /// The client truncates a file.
    Truncate(u64),
}

/// The card, which works after each write.
struct Watched<'p> {
    function: Function<'p>,
    nic: &'p Nic82599,
    cable: Cable,
    actions: VecDeque<Action>,
    files: &'p Files,
    /// The EEPROM may have changed.
    lasting: bool,
    /// IOADDR.
    address: u64,
}

impl Watched<'_> {
    fn act(&mut self) {
        match self.actions.pop_front() {
            Some(Action::Store(offset, words)) => {
                let bytes = words.map(u64::to_le_bytes).concat();
                self.files.memory.write_all_at(&bytes, offset % (MEMORY - 16)).unwrap();
            }
            Some(Action::Frame(frame)) => self.cable.arrives(frame),
            Some(Action::Poll(times)) => self.poll(times),
            Some(Action::Truncate(len)) => ftruncate(&self.files.loose, len).unwrap(),
            None => {}
        }
    }

    fn poll(&self, times: u8) {
        for _ in 0..times {
            self.nic.poll();
        }
    }
}

impl Device for Watched<'_> {
    fn read(&mut self, region: u32, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        if (region, offset, into.len()) == (MARK.region, MARK.offset, MARK.count as usize) {
            self.act();
        }
        let result = self.function.read(region, offset, into);
        if region == pci::BAR0 && offset % 4 == 0 && matches!(into.len(), 4 | 8) {
            assert_eq!(result, Ok(()), "{} bytes at {offset:#x}", into.len());
        }
        result
    }

    fn write(&mut self, region: u32, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        let at = match (region, offset) {
            (2, 4) => self.address,
            _ => offset,
        };
        self.lasting |= region != pci::CONFIG && (LASTING.contains(&at) || LASTING.contains(&(at + 4)));
        let result = self.function.write(region, offset, bytes);
        if let (2, 0, Ok(address)) = (region, offset, <[u8; 4]>::try_from(bytes)) {
            self.address = u32::from_le_bytes(address).into();
        }
        self.poll(1);
        result
    }

    fn reset(&mut self) -> Result<(), Errno> {
        self.function.reset()
    }

    fn connected(&mut self) {
        self.function.connected();
    }

    fn mapped(&mut self, map: &DmaMap) {
        self.function.mapped(map);
    }

    fn unmapping(&mut self, unmap: &DmaUnmap) {
        self.poll(1);
        self.function.unmapping(unmap);
    }

    fn disconnected(&mut self) {
        self.poll(4);
        self.function.disconnected();
        // Its memory is still mapped, and the card must not touch it.
        self.poll(2);
    }
}

/// The client's files.
struct Files {
    /// Sealed, so it is mapped.
    memory: File,
    /// Not sealed.
    loose: OwnedFd,
    constant: File,
    event: OwnedFd,
    pipe: OwnedFd,
}

fn memory(bytes: u64, sealed: bool) -> OwnedFd {
    let file = memfd_create("fuzz", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, bytes).unwrap();
    if sealed {
        fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    }
    file
}

impl Files {
    fn new() -> Self {
        let constant = File::from(memory(CONSTANT.0, true));
        constant.write_all_at(&[0x5a; CONSTANT.0 as usize], 0).unwrap();
        Self {
            memory: memory(MEMORY, true).into(),
            loose: memory(MEMORY, false),
            constant,
            event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap(),
            pipe: std::io::pipe().unwrap().1.into(),
        }
    }
}

/// The client's messages, all sent before the server starts, and its actions between them.
struct Client<'f> {
    connection: Connection,
    files: &'f Files,
    actions: VecDeque<Action>,
    /// The server has closed the connection, or has no room for more messages.
    full: bool,
}

impl Client<'_> {
    fn request(&mut self, request: &Request<'_>, fds: &[&OwnedFd]) {
        let mut body = Vec::new();
        request.encode(&mut body);
        // Without replies, as the client does not read them.
        let header =
            Header::request(1, request.command(), body.len(), !matches!(request, Request::Version(_)));
        self.message(&header, &body, fds);
    }

    fn message(&mut self, header: &Header, body: &[u8], fds: &[&OwnedFd]) {
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        self.full |= self.connection.send(header, body, &fds).is_err();
    }

    fn write(&mut self, region: u32, offset: u64, bytes: &[u8]) {
        let access = RegionAccess { offset, region, count: bytes.len() as u32 };
        self.request(&Request::RegionWrite(access, bytes), &[]);
    }

    fn set(&mut self, register: u32, value: u32) {
        self.write(pci::BAR0, register.into(), &value.to_le_bytes());
    }

    fn read(&mut self, region: u32, offset: u64, count: u32) {
        self.request(&Request::RegionRead(RegionAccess { offset, region, count }), &[]);
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
        self.request(&Request::RegionRead(MARK), &[]);
    }

    fn map(&mut self, flags: u32, offset: u64, address: u64, size: u64, file: Option<&OwnedFd>) {
        let map = DmaMap { argsz: DmaMap::SIZE as u32, flags, offset, address, size };
        self.request(&Request::DmaMap(map), file.as_slice());
    }

    /// A driver's set-up: bus mastering, memory, one ring for each direction.
    fn start(&mut self) {
        self.write(pci::CONFIG, 4, &[7, 0]);
        let (own, constant): (OwnedFd, OwnedFd) =
            (self.files.memory.try_clone().unwrap().into(), self.files.constant.try_clone().unwrap().into());
        self.map(3, 0, IOVA, MEMORY, Some(&own));
        self.map(1, 0, CONSTANT.1, CONSTANT.0, Some(&constant));
        for n in 0..32 {
            let descriptor = [IOVA + BUFFERS + n % 16 * 2048, 0].map(u64::to_le_bytes).concat();
            self.files.memory.write_all_at(&descriptor, RX_RING + n * 16).unwrap();
            // Frames of 64 bytes, each in one descriptor, which need only the doorbell.
            let words = [IOVA + BUFFERS + n % 16 * 2048, 3 << 20 | 0x2b << 24 | 64 | 64 << 46];
            self.files.memory.write_all_at(&words.map(u64::to_le_bytes).concat(), TX_RING + n * 16).unwrap();
        }
        self.set(0x05080, 7 << 8); // FCTRL: all frames
        for (base, ring) in [(0x01000, RX_RING), (0x06000, TX_RING)] {
            self.set(base, (IOVA + ring) as u32);
            self.set(base + 8, 32 * 16);
        }
        self.set(0x01014, 1 << 25 | 2); // SRRCTL: one buffer of 2 KiB
        self.set(0x01028, 1 << 25); // RXDCTL
        self.set(0x03000, 1); // RXCTRL
        self.set(0x01018, 31); // RDT
        self.set(0x04a80, 1); // DMATXCTL
        self.set(0x06028, 1 << 25); // TXDCTL
    }
}

static REGISTERS: LazyLock<Vec<&'static Register>> = LazyLock::new(|| ixgbe::all().collect());

/// A register, chosen by `register`, and an element of it; or any place in the BAR.
fn place(register: u16, element: u8) -> u64 {
    let list = &*REGISTERS;
    match list.get(usize::from(register) % (list.len() + 64)) {
        Some(chosen) => {
            // Small numbers are more interesting: the rings that run are 0.
            let at = if element < 128 { 0 } else { u32::from(element) % chosen.len() };
            Span::locate(chosen.spans, at).unwrap().into()
        }
        None => u64::from(register) * 8 + u64::from(element),
    }
}

/// A frame of headers that the card knows, for its address or all, of up to 2,300 bytes or, seldom, 15 KB.
fn frame(kind: u8, len: u16, seed: u32) -> Vec<u8> {
    let len = if len & 0xf000 == 0xf000 { usize::from(len) % 15_000 } else { usize::from(len) % 2300 };
    let mut frame: Vec<u8> = (0..len).map(|n| (n as u32 ^ seed) as u8).collect();
    let mut put = |at: usize, bytes: &[u8]| {
        frame.iter_mut().skip(at).zip(bytes).for_each(|(to, byte)| *to = *byte);
    };
    put(0, if kind & 1 == 0 { &[0xff; 6] } else { &[2, 0x1b, 0x21, 0, 0, 1] });
    let at = match kind >> 1 & 3 {
        0 => 12,
        1 => {
            put(12, &[0x81, 0, 0, seed as u8]);
            16
        }
        2 => {
            put(12, &[0x88, 0xa8, 0, 1, 0x81, 0, 0, seed as u8]);
            20
        }
        _ => {
            put(0, &[1, 0x80, 0xc2, 0, 0, 1]); // pause
            put(12, &[0x88, 0x08, 0, 1]);
            put(16, &seed.to_le_bytes());
            return frame;
        }
    };
    let inner = (len.saturating_sub(at + 2) as u16).to_be_bytes();
    let protocol = [6, 17, 132, kind >> 5][usize::from(kind >> 3 & 3)];
    if kind >> 5 & 1 == 0 {
        put(at, &[8, 0, 0x45, 0, inner[0], inner[1], 0, 0, seed as u8 & 0x3f, 0, 64, protocol]);
        put(at + 14 + 20, &[0, 1, 0, 2, 0, 0, 0, (seed >> 8) as u8, 0, 0, 0, 0, 0x50, 0x10]);
    } else {
        put(at, &[0x86, 0xdd, 0x60, 0, 0, 0, inner[0], inner[1], protocol, 64]);
        put(at + 2 + 40, &[0, 1, 0, 2, 0, 0, 0, (seed >> 8) as u8, 0, 0, 0, 0, 0x50, 0x10]);
    }
    frame
}

/// One step: a code, two numbers, a value.
fn step(client: &mut Client<'_>, code: u8, a: u8, b: u16, v: u32) {
    let files = client.files;
    match code % 16 {
        0..=3 => client.write(pci::BAR0, place(b, a), &v.to_le_bytes()),
        4 => client.read(pci::BAR0, place(b, a), if code & 0x80 == 0 { 4 } else { u32::from(a) % 9 }),
        // The configuration space, with its effective registers.
        5 => {
            let places = [0x04, 0x10, 0x44, 0x52, 0x60, 0x72, 0xa8, 0xe2, 0xe4, 0x158, 0x168, 0x170];
            let at = places.get(usize::from(a % 16)).copied().unwrap_or(b % 4096);
            let width = [1, 2, 4, 2][usize::from(b >> 14)];
            client.write(pci::CONFIG, at.into(), &v.to_le_bytes()[..width]);
        }
        6 => client.read(u32::from(a) % 9, b.into(), v % 65),
        // A doorbell, usually of a ring that runs.
        7 => {
            let tail = [0x01018, 0x06018][usize::from(a & 1)]
                + if code & 0x80 == 0 { 0 } else { 0x40 * (v >> 16 & 0x7f) };
            client.set(tail, u32::from(b) % 32);
        }
        // A transmit descriptor: data, legacy, a context, or any.
        8 => {
            let place = TX_RING + u64::from(a % 32) * 16;
            let len = u64::from(b) & 0x7ff;
            let address = IOVA + BUFFERS + u64::from(v & 0xff) * 64;
            let command = u64::from(v >> 24) << 24;
            let payload = if a & 0x80 == 0 { len } else { u64::from(v >> 8 & 0xffff) };
            let words = match b >> 14 {
                0 => [address, 3 << 20 | 1 << 29 | command | len | payload << 46],
                1 => [address, (command & !(1 << 29)) | len | u64::from(v >> 8 & 0xffff) << 40],
                2 => [u64::from(v) << 9 | len, 2 << 20 | 1 << 29 | command | u64::from(v) << 40],
                _ => [u64::from(v) << (a & 0x3f), u64::from(v).rotate_left(u32::from(b & 0x3f))],
            };
            client.act(Action::Store(place, words));
        }
        // Any words of the memory.
        9 => {
            let words = [u64::from(v), u64::from(v).rotate_left(u32::from(a))];
            client.act(Action::Store(u64::from(b) & !7, words));
        }
        10 => client.act(Action::Frame(frame(a, b, v))),
        11 => {
            client.act(if code & 0x80 == 0 { Action::Poll(a % 32) } else { Action::Truncate(u64::from(b)) })
        }
        12 => {
            let page = |n: u32| u64::from(n & 0x7f) << 12;
            let (offset, size) = (page(v >> 14 & 0xf), page(v >> 7).max(1 << 12) + u64::from(b & 0x80));
            let address = page(v) | if code & 0x40 == 0 { 0 } else { u64::from(b) << 48 };
            if code & 0x80 != 0 {
                let unmap =
                    DmaUnmap { argsz: DmaUnmap::SIZE as u32, flags: u32::from(a >> 6), address, size };
                return client.request(&Request::DmaUnmap(unmap), &[]);
            }
            let own: OwnedFd = files.memory.try_clone().unwrap().into();
            let constant: OwnedFd = files.constant.try_clone().unwrap().into();
            match a % 5 {
                0 => client.map(u32::from(a >> 6), offset, address, size, Some(&own)),
                1 => client.map(u32::from(a >> 6), offset, address, size, Some(&files.loose)),
                2 => client.map(1, offset, address, size, Some(&constant)),
                3 => client.map(3, offset, address, size, None),
                _ => client.map(3, offset, address, size, Some(&files.pipe)),
            }
        }
        13 => {
            let all = [&files.event, &files.event, &files.loose];
            let (start, count) = (u32::from(b & 0x3f), u32::from(b >> 6 & 3));
            let bools = v.to_le_bytes();
            let data = match a >> 4 & 3 {
                0 => IrqData::None,
                1 => IrqData::Bool(&bools[..count as usize]),
                _ => IrqData::Eventfd,
            };
            let fds = if data == IrqData::Eventfd { &all[..count as usize] } else { &[] };
            let action = [IrqAction::Mask, IrqAction::Unmask, IrqAction::Trigger][usize::from(a >> 6).min(2)];
            let request = IrqRequest { index: u32::from(a % 6), start, count, data, action };
            client.request(&Request::SetIrqs(request), fds);
        }
        // The ports and the MSI-X table.
        14 if code & 0x80 == 0 => {
            client.write(2, 0, &(place(b, a) as u32).to_le_bytes());
            client.write(2, 4, &v.to_le_bytes());
        }
        14 => client.write(4, u64::from(b) & 0x3fff, &v.to_le_bytes()[..usize::from(a % 5)]),
        _ if code & 0x80 == 0 => client.request(&Request::Reset, &[]),
        // A message that is not one of these.
        _ => {
            let body = v.to_le_bytes().repeat(usize::from(a % 16));
            let mut header = Header::request(1, Command::Version, body.len(), code & 0x40 == 0);
            header.command = b % 20;
            header.flags |= u32::from(b >> 14);
            client.message(&header, &body, &[]);
        }
    }
}

/// The registers of a card after power on; `None` for those that change by themselves.
static AFTER_POWER_ON: LazyLock<Vec<Option<u32>>> = LazyLock::new(|| {
    let registers = || {
        let (port, cable) = port();
        let cable = cable.0;
        let mut function = port.function();
        function.connected();
        function.disconnected();
        for _ in 0..3 {
            port.nic().poll();
        }
        drop(cable);
        (0..ixgbe::WINDOW).step_by(4).map(|at| port.nic().read32(at)).collect::<Vec<_>>()
    };
    registers().into_iter().zip(registers()).map(|(one, other)| (one == other).then_some(one)).collect()
});

fn port() -> (Port, Cable) {
    let cable = Cable::default();
    let limits = ServerLimits { patience: PATIENCE, ..ServerLimits::default() };
    (Port::new(Box::new(cable.clone()), Settings { limits, ..Settings::default() }).unwrap(), cable)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let (port, cable) = port();
    let files = Files::new();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let connection = Connection::new(ours.try_clone().unwrap(), Limits { body: 4096, patience: PATIENCE });
    let mut client = Client { connection, files: &files, actions: VecDeque::new(), full: false };
    let version = Version { major: 0, minor: 1, capabilities: Capabilities::default() };
    client.request(&Request::Version(version), &[]);
    if first & 1 == 0 {
        client.start();
    }
    for part in bytes.chunks_exact(8) {
        let [code, a, b0, b1, v0, v1, v2, v3] = *part else { continue };
        step(&mut client, code, a, u16::from_le_bytes([b0, b1]), u32::from_le_bytes([v0, v1, v2, v3]));
        if client.full {
            break;
        }
    }
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let (actions, nic, function) = (client.actions, &**port.nic(), port.function());
    let mut device =
        Watched { function, nic, cable: cable.clone(), actions, files: &files, lasting: false, address: 0 };
    port.server().serve_one(theirs, &mut device, &Stop::new().unwrap());

    assert_eq!(port.server().memory().mappings(), 0, "memory was left");
    for (kind, count) in [(pci::INTX, 1), (pci::MSI, 1), (pci::MSIX, 64)] {
        assert!((0..count).all(|n| !port.server().interrupts().is_enabled(kind, n)), "an interrupt was left");
    }
    let mut constant = [0; CONSTANT.0 as usize];
    files.constant.read_exact_at(&mut constant, 0).unwrap();
    assert!(constant.iter().all(|byte| *byte == 0x5a), "the card wrote memory that it may only read");
    if first & 2 != 0 && !device.lasting {
        cable.0.lock().unwrap().0.clear();
        device.poll(1);
        for (at, expected) in (0..).step_by(4).zip(&*AFTER_POWER_ON) {
            let found = nic.read32(at);
            assert!(
                expected.is_none_or(|expected| expected == found),
                "{at:#x} is {found:#x}, not {expected:x?}"
            );
        }
    }
});
