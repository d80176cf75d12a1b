//! A served device, its client, and rings in a file.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ixy_sim::Nic82599;
use ixy_sim::serve::{self, Settings};
use ixy_sim::wire::{Cables, WireSpec};
use ixy_vfio_user::client::Client;
use ixy_vfio_user::memory::GuestMemory;
use ixy_vfio_user::message::{Errno, pci};
use ixy_vfio_user::server::{ServerLimits, Stop};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

/// Long enough for a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) const CTRL: u64 = 0x00000;
pub(crate) const EICR: u64 = 0x00800;
pub(crate) const EICS: u64 = 0x00808;
pub(crate) const EIMS: u64 = 0x00880;
pub(crate) const GPIE: u64 = 0x00898;
pub(crate) const EIMS_EX: u64 = 0x00AA0;
pub(crate) const EICS_EX: u64 = 0x00A90;
pub(crate) const FCTRL: u64 = 0x05080;
pub(crate) const LINKS: u64 = 0x042A4;
pub(crate) const RXCTRL: u64 = 0x03000;
pub(crate) const DMATXCTL: u64 = 0x04A80;
pub(crate) const RDBAL: u64 = 0x01000;
pub(crate) const RDLEN: u64 = 0x01008;
pub(crate) const SRRCTL: u64 = 0x01014;
pub(crate) const RDT: u64 = 0x01018;
pub(crate) const RXDCTL: u64 = 0x01028;
pub(crate) const TDBAL: u64 = 0x06000;
pub(crate) const TDLEN: u64 = 0x06008;
pub(crate) const TDH: u64 = 0x06010;
pub(crate) const TDT: u64 = 0x06018;
pub(crate) const TXDCTL: u64 = 0x06028;
const ENABLE: u32 = 1 << 25;

/// BAR 4, with the table and the pending bits of MSI-X.
pub(crate) const TABLE: u32 = 4;
pub(crate) const PENDING: u64 = 0x2000;
/// The command register: memory, I/O, DMA.
pub(crate) const COMMAND: u64 = 0x04;
pub(crate) const IO: u16 = 1;
pub(crate) const MEMORY: u16 = 2;
pub(crate) const MASTER: u16 = 4;

/// Address and length of the memory of [`Port::with_memory`].
pub(crate) const IOVA: u64 = 0x1234_0000;
pub(crate) const LEN: u64 = 0x10000;
/// Offsets in it: the rings of 8 descriptors and the buffers.
pub(crate) const RX_RING: u64 = 0;
pub(crate) const TX_RING: u64 = 0x1000;
pub(crate) const RX_BUFFERS: u64 = 0x2000;
pub(crate) const TX_BUFFER: u64 = 0x8000;

/// A served device with a wire that returns every frame, and its client.
pub(crate) struct Port {
    pub(crate) client: Client,
    pub(crate) nic: Arc<Nic82599>,
    pub(crate) port: Arc<serve::Port>,
    thread: Option<JoinHandle<()>>,
    stop: Stop,
}

impl Port {
    pub(crate) fn new() -> Self {
        Self::with_limits(ServerLimits::default())
    }

    pub(crate) fn with_limits(limits: ServerLimits) -> Self {
        let port = Arc::new(device(limits));
        let (thread, stop, client) = connect(&port);
        Self { client, nic: Arc::clone(port.nic()), port, thread: Some(thread), stop }
    }

    /// A device with memory and I/O decoded and DMA on, and memory for it.
    pub(crate) fn with_memory() -> (Self, OwnedFd) {
        let port = Self::new();
        port.command(IO | MEMORY | MASTER);
        let file = memory(LEN, true);
        port.client.map(IOVA, LEN, file.as_fd(), 0, true).unwrap();
        (port, file)
    }

    /// Ends the connection and connects another client.
    pub(crate) fn reconnect(&mut self) {
        self.stop.stop();
        self.thread.take().unwrap().join().unwrap();
        let (thread, stop, client) = connect(&self.port);
        (self.thread, self.stop, self.client) = (Some(thread), stop, client);
    }

    pub(crate) fn memory(&self) -> &Arc<GuestMemory> {
        self.port.server().memory()
    }

    pub(crate) fn read32(&self, region: u32, at: u64) -> u32 {
        let mut bytes = [0; 4];
        self.client.read(region, at, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    }

    pub(crate) fn write(&self, region: u32, at: u64, bytes: &[u8]) -> Result<(), ixy_vfio_user::Error> {
        // SAFETY: ARMED-ONLY: the device reaches only files, which the tests access by system calls.
        unsafe { self.client.write(region, at, bytes) }
    }

    pub(crate) fn write32(&self, region: u32, at: u64, value: u32) {
        self.write(region, at, &value.to_le_bytes()).unwrap();
    }

    pub(crate) fn get(&self, register: u64) -> u32 {
        self.read32(pci::BAR0, register)
    }

    pub(crate) fn set(&self, register: u64, value: u32) {
        self.write32(pci::BAR0, register, value);
    }

    pub(crate) fn config(&self, at: u64) -> u32 {
        self.read32(pci::CONFIG, at)
    }

    pub(crate) fn command(&self, value: u16) {
        self.write(pci::CONFIG, COMMAND, &value.to_le_bytes()).unwrap();
    }

    /// Starts receive and transmit queue 0 on rings and buffers at `base`, and waits for the link.
    pub(crate) fn start(&self, base: u64) {
        self.set(FCTRL, 1 << 8 | 1 << 9 | 1 << 10);
        for (ring, registers) in [(RX_RING, [RDBAL, RDLEN]), (TX_RING, [TDBAL, TDLEN])] {
            let at = base.wrapping_add(ring);
            self.set(registers[0], at as u32);
            self.set(registers[0] + 4, (at >> 32) as u32);
            self.set(registers[1], 8 * 16);
        }
        // One advanced descriptor a buffer of 2 KB.
        self.set(SRRCTL, 1 << 25 | 2);
        self.set(RXDCTL, ENABLE);
        self.set(TXDCTL, ENABLE);
        self.set(RXCTRL, 1);
        self.set(DMATXCTL, 1);
        self.nic.poll();
        assert_ne!(self.get(LINKS) & 1 << 30, 0, "the link is up");
    }

    /// Polls until there is no work.
    pub(crate) fn poll(&self) {
        for _ in 0..100 {
            if self.nic.poll() == 0 {
                return;
            }
        }
        panic!("it does not come to rest");
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A device with a wire that returns every frame.
pub(crate) fn device(limits: ServerLimits) -> serve::Port {
    let wire = "loopback".parse::<WireSpec>().unwrap().connect(&Cables::default()).unwrap();
    serve::Port::new(wire, Settings { limits, ..Settings::default() }).unwrap()
}

fn connect(port: &Arc<serve::Port>) -> (JoinHandle<()>, Stop, Client) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (port, stop) = (Arc::clone(port), Stop::new().unwrap());
    let end = stop.clone();
    let thread = std::thread::spawn(move || port.server().serve_one(theirs, &mut port.function(), &end));
    (thread, stop, Client::over(ours, LONG).unwrap())
}

/// A memfd, sealed or not.
pub(crate) fn memory(len: u64, sealed: bool) -> OwnedFd {
    let fd = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, len).unwrap();
    if sealed {
        fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    }
    fd
}

/// The word of 64 bits at `at` of a file.
pub(crate) fn load(file: &OwnedFd, at: u64) -> u64 {
    let mut bytes = [0; 8];
    assert_eq!(rustix::io::pread(file, &mut bytes, at).unwrap(), 8);
    u64::from_le_bytes(bytes)
}

pub(crate) fn store(file: &OwnedFd, at: u64, bytes: &[u8]) {
    assert_eq!(rustix::io::pwrite(file, bytes, at).unwrap(), bytes.len());
}

/// Writes receive descriptor `n` to the file: its buffer is `n` times 2 KB into the buffers at `base`.
pub(crate) fn arm_receive(file: &OwnedFd, base: u64, n: u64) {
    let buffer = base.wrapping_add(RX_BUFFERS + 0x800 * n);
    store(file, RX_RING + 16 * n, &buffer.to_le_bytes());
    store(file, RX_RING + 16 * n + 8, &[0; 8]);
}

/// Writes transmit descriptor `n` to the file: an advanced one, of a whole frame of `len` bytes at `at`, with
/// status.
pub(crate) fn arm_transmit(file: &OwnedFd, at: u64, n: u64, len: u64) {
    let data = len | 3 << 20 | 1 << 24 | 1 << 25 | 1 << 27 | 1 << 29 | len << 46;
    store(file, TX_RING + 16 * n, &at.to_le_bytes());
    store(file, TX_RING + 16 * n + 8, &data.to_le_bytes());
}

/// The length in receive descriptor `n`, if it was written back.
pub(crate) fn received(file: &OwnedFd, n: u64) -> Option<u64> {
    let word = load(file, RX_RING + 16 * n + 8);
    (word & 1 != 0).then_some(word >> 32 & 0xffff)
}

/// Number of signals of an eventfd since the last call.
pub(crate) fn signals(event: &OwnedFd) -> u64 {
    let mut count = [0; 8];
    rustix::io::read(event, &mut count).map_or(0, |_| u64::from_ne_bytes(count))
}

/// The error number of a refusal.
pub(crate) fn errno<T: std::fmt::Debug>(result: Result<T, ixy_vfio_user::Error>) -> Errno {
    match result {
        Err(ixy_vfio_user::Error::Refused { errno, .. }) => errno,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "never: {what}");
        std::thread::yield_now();
    }
}
