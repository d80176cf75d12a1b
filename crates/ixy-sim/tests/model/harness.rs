//! A device in a harness: a wire made of two queues, memory, and rings that are driven by hand.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ixy_dma::{DmaDomain, DmaSlice, Iova, SimulatedDomain, View};
use ixy_sim::wire::{Wire, WireError};
use ixy_sim::{Builder, Irq, Nic82599};

pub(crate) const CTRL: u32 = 0x00000;
pub(crate) const STATUS: u32 = 0x00008;
pub(crate) const ESDP: u32 = 0x00020;
pub(crate) const I2CCTL: u32 = 0x00028;
pub(crate) const EICR: u32 = 0x00800;
pub(crate) const EICS: u32 = 0x00808;
pub(crate) const EIAC: u32 = 0x00810;
pub(crate) const EITR: u32 = 0x00820;
pub(crate) const EIMS: u32 = 0x00880;
pub(crate) const EIMC: u32 = 0x00888;
pub(crate) const EIAM: u32 = 0x00890;
pub(crate) const GPIE: u32 = 0x00898;
pub(crate) const IVAR: u32 = 0x00900;
pub(crate) const IVAR_MISC: u32 = 0x00A00;
pub(crate) const RDRXCTL: u32 = 0x02F00;
pub(crate) const RXCTRL: u32 = 0x03000;
pub(crate) const RXPBSIZE: u32 = 0x03C00;
pub(crate) const HLREG0: u32 = 0x04240;
pub(crate) const MAXFRS: u32 = 0x04268;
pub(crate) const AUTOC: u32 = 0x042A0;
pub(crate) const LINKS: u32 = 0x042A4;
pub(crate) const DMATXCTL: u32 = 0x04A80;
pub(crate) const RXCSUM: u32 = 0x05000;
pub(crate) const FCTRL: u32 = 0x05080;
pub(crate) const VLNCTRL: u32 = 0x05088;
pub(crate) const MCSTCTRL: u32 = 0x05090;
pub(crate) const MTA: u32 = 0x05200;
pub(crate) const MRQC: u32 = 0x0EC80;
pub(crate) const RETA: u32 = 0x0EB00;
pub(crate) const RSSRK: u32 = 0x0EB80;
pub(crate) const VFTA: u32 = 0x0A000;
pub(crate) const RAL: u32 = 0x0A200;
pub(crate) const RAH: u32 = 0x0A204;
pub(crate) const SECRXCTRL: u32 = 0x08D00;
pub(crate) const EEC: u32 = 0x10010;
pub(crate) const EERD: u32 = 0x10014;
pub(crate) const SWSM: u32 = 0x10140;
pub(crate) const GPRC: u32 = 0x04074;
pub(crate) const GORCL: u32 = 0x04088;
pub(crate) const GORCH: u32 = 0x0408C;
pub(crate) const GPTC: u32 = 0x04080;
pub(crate) const GOTCL: u32 = 0x04090;
pub(crate) const TPR: u32 = 0x040D0;
pub(crate) const TPT: u32 = 0x040D4;
pub(crate) const RUC: u32 = 0x040A4;
pub(crate) const ROC: u32 = 0x040AC;
pub(crate) const CRCERRS: u32 = 0x04000;
pub(crate) const BPRC: u32 = 0x04078;
pub(crate) const MPRC: u32 = 0x0407C;
pub(crate) const MPC: u32 = 0x03FA0;
pub(crate) const QPRC: u32 = 0x01030;
pub(crate) const QBRC_L: u32 = 0x01034;
pub(crate) const QPRDC: u32 = 0x01430;
pub(crate) const QPTC: u32 = 0x08680;
pub(crate) const QBTC_L: u32 = 0x08700;

/// Registers of receive queue 0; the stride between queues is 0x40.
pub(crate) const RDBAL: u32 = 0x01000;
pub(crate) const RDBAH: u32 = 0x01004;
pub(crate) const RDLEN: u32 = 0x01008;
pub(crate) const RDH: u32 = 0x01010;
pub(crate) const SRRCTL: u32 = 0x01014;
pub(crate) const RDT: u32 = 0x01018;
pub(crate) const RXDCTL: u32 = 0x01028;
/// Registers of transmit queue 0.
pub(crate) const TDBAL: u32 = 0x06000;
pub(crate) const TDBAH: u32 = 0x06004;
pub(crate) const TDLEN: u32 = 0x06008;
pub(crate) const TDH: u32 = 0x06010;
pub(crate) const TDT: u32 = 0x06018;
pub(crate) const TXDCTL: u32 = 0x06028;
pub(crate) const TDWBAL: u32 = 0x06038;
pub(crate) const TDWBAH: u32 = 0x0603C;

pub(crate) const ENABLE: u32 = 1 << 25;
/// Advanced one-buffer descriptors with buffers of 2 KB.
pub(crate) const ONE_BUFFER: u32 = 1 << 25 | 2;
pub(crate) const DROP_EN: u32 = 1 << 28;
/// The receive register of queue `q`.
pub(crate) fn rx(register: u32, q: u32) -> u32 {
    if q < 64 { register + 0x40 * q } else { register + 0xC000 + 0x40 * (q - 64) }
}
/// The transmit register of queue `q`.
pub(crate) fn tx(register: u32, q: u32) -> u32 {
    register + 0x40 * q
}

pub(crate) const MAC: [u8; 6] = [0x02, 0x1b, 0x21, 0xaa, 0xbb, 0xcc];

/// The other end of the wire.
#[derive(Default)]
pub(crate) struct Far {
    pub(crate) arriving: VecDeque<Vec<u8>>,
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) dark: bool,
    pub(crate) waits: bool,
    pub(crate) ended: bool,
    /// Number of frames that it takes before it has no room.
    pub(crate) room: Option<usize>,
    pub(crate) closed: bool,
    pub(crate) flushed: bool,
    /// The time that it takes for each frame.
    pub(crate) slow: Duration,
}

/// The near end of the wire.
#[derive(Clone, Default)]
pub(crate) struct Cable(pub(crate) Arc<Mutex<Far>>, Vec<u8>);

impl Wire for Cable {
    fn link_up(&mut self) -> bool {
        !self.0.lock().unwrap().dark
    }
    fn front(&mut self) -> Option<&[u8]> {
        self.1 = self.0.lock().unwrap().arriving.front()?.clone();
        Some(&self.1)
    }
    fn consume(&mut self) {
        self.0.lock().unwrap().arriving.pop_front();
    }
    fn transmit(&mut self, frame: &[u8]) -> bool {
        let mut far = self.0.lock().unwrap();
        if far.room == Some(0) {
            return false;
        }
        far.room = far.room.map(|room| room - 1);
        far.sent.push(frame.to_vec());
        std::thread::sleep(far.slow);
        true
    }
    fn close_transmit(&mut self) {
        self.0.lock().unwrap().closed = true;
    }
    fn waits(&self) -> bool {
        self.0.lock().unwrap().waits
    }
    fn ended(&mut self) -> bool {
        let far = self.0.lock().unwrap();
        far.ended && far.arriving.is_empty()
    }
    fn flush(&mut self) -> Result<(), WireError> {
        self.0.lock().unwrap().flushed = true;
        Ok(())
    }
}

/// The vectors raised, in order.
#[derive(Clone, Default)]
pub(crate) struct Vectors(pub(crate) Arc<Mutex<Vec<u32>>>);

impl Irq for Vectors {
    fn raise(&self, vector: u32) {
        self.0.lock().unwrap().push(vector);
    }
}

impl Vectors {
    /// The vectors raised since the last call.
    pub(crate) fn take(&self) -> Vec<u32> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A device with its wire and its memory.
pub(crate) struct Harness {
    pub(crate) nic: Arc<Nic82599>,
    pub(crate) wire: Cable,
    pub(crate) vectors: Vectors,
    pub(crate) domain: Arc<SimulatedDomain>,
}

impl Harness {
    /// A device with bus mastering on, after power on.
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        let (wire, vectors) = (Cable::default(), Vectors::default());
        let domain = Arc::new(SimulatedDomain::default());
        let builder =
            Nic82599::builder(Box::new(wire.clone()), domain.clone()).mac(MAC).irq(Box::new(vectors.clone()));
        let nic = Arc::new(change(builder).build());
        // SAFETY: ARMED-ONLY: no ring is enabled yet.
        unsafe { nic.start_bus_mastering() };
        Self { nic, wire, vectors, domain }
    }

    /// The memory of the device as the device sees it.
    pub(crate) fn view(&self) -> View<'_> {
        // SAFETY: OWNED-BUFFER: tests use it for buffers that the device does not have yet, or has returned with
        // their descriptors.
        unsafe { self.domain.view() }
    }

    /// A device that receives everything on queue 0 into 32 buffers, and sends from queue 0; the link is up.
    pub(crate) fn running() -> (Self, RxRing, TxRing) {
        Self::running_with(|builder| builder)
    }

    pub(crate) fn running_with(change: impl FnOnce(Builder) -> Builder) -> (Self, RxRing, TxRing) {
        let harness = Self::with(change);
        harness.write(FCTRL, 1 << 8 | 1 << 9 | 1 << 10);
        let rx = harness.rx_ring(0, 32);
        let tx = harness.tx_ring(0, 32);
        harness.write(RXCTRL, 1);
        harness.set(DMATXCTL, 1);
        harness.poll();
        (harness, rx, tx)
    }

    pub(crate) fn read(&self, offset: u32) -> u32 {
        self.nic.read32(offset)
    }

    pub(crate) fn write(&self, offset: u32, value: u32) {
        // SAFETY: the device reaches only memory of this test's own domain, which the test touches as atomics or
        // through a view.
        unsafe { self.nic.write32(offset, value) }
    }

    pub(crate) fn set(&self, offset: u32, bits: u32) {
        self.write(offset, self.read(offset) | bits);
    }

    pub(crate) fn clear(&self, offset: u32, bits: u32) {
        self.write(offset, self.read(offset) & !bits);
    }

    /// Polls until there is no work.
    pub(crate) fn poll(&self) {
        for _ in 0..1000 {
            if self.nic.poll() == 0 {
                return;
            }
        }
        panic!("the device always finds something to do");
    }

    pub(crate) fn memory(&self, bytes: usize) -> DmaSlice {
        self.domain.clone().allocate(bytes).unwrap().cut(&[bytes], 128).unwrap().remove(0)
    }

    /// A frame arrives.
    pub(crate) fn arrives(&self, frame: &[u8]) {
        self.wire.0.lock().unwrap().arriving.push_back(frame.to_vec());
    }

    /// Frames that the other end received since the last call.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.wire.0.lock().unwrap().sent)
    }

    pub(crate) fn far(&self, change: impl FnOnce(&mut Far)) {
        change(&mut self.wire.0.lock().unwrap());
    }

    /// A ring of `count` descriptors for queue `q`, enabled and full of buffers of 2,048 bytes.
    pub(crate) fn rx_ring(&self, q: u32, count: u32) -> RxRing {
        let ring = RxRing {
            q,
            count,
            next: 0,
            ring: self.memory(count as usize * 16),
            buffers: self.memory(count as usize * 2048),
        };
        self.write(rx(RDBAL, q), ring.ring.iova().0 as u32);
        self.write(rx(RDBAH, q), (ring.ring.iova().0 >> 32) as u32);
        self.write(rx(RDLEN, q), count * 16);
        self.write(rx(SRRCTL, q), ONE_BUFFER);
        self.write(rx(RDH, q), 0);
        for n in 0..count {
            ring.arm(n);
        }
        self.write(rx(RXDCTL, q), ENABLE);
        self.write(rx(RDT, q), count - 1);
        ring
    }

    /// A ring of `count` descriptors for queue `q`, enabled and empty.
    pub(crate) fn tx_ring(&self, q: u32, count: u32) -> TxRing {
        let ring = TxRing {
            q,
            count,
            tail: 0,
            ring: self.memory(count as usize * 16),
            buffers: self.memory(count as usize * 2048),
        };
        self.write(tx(TDBAL, q), ring.ring.iova().0 as u32);
        self.write(tx(TDBAH, q), (ring.ring.iova().0 >> 32) as u32);
        self.write(tx(TDLEN, q), count * 16);
        self.write(tx(TDH, q), 0);
        self.write(tx(TDT, q), 0);
        self.write(tx(TXDCTL, q), ENABLE);
        ring
    }
}

/// A receive ring, driven by hand.
pub(crate) struct RxRing {
    pub(crate) q: u32,
    pub(crate) count: u32,
    pub(crate) next: u32,
    pub(crate) ring: DmaSlice,
    pub(crate) buffers: DmaSlice,
}

impl RxRing {
    pub(crate) fn arm(&self, n: u32) {
        let words = self.ring.words();
        words[n as usize * 2].store((self.buffers.iova().0 + u64::from(n) * 2048).to_le(), Ordering::Relaxed);
        words[n as usize * 2 + 1].store(0, Ordering::Release);
    }

    /// The words of descriptor `n` as they are.
    pub(crate) fn words(&self, n: u32) -> [u64; 2] {
        [0, 1].map(|i| u64::from_le(self.ring.words()[n as usize * 2 + i].load(Ordering::Acquire)))
    }

    /// The next frame, if its descriptor is done: the descriptor's words and the bytes of the buffer.
    pub(crate) fn peek(&self, harness: &Harness) -> Option<([u64; 2], Vec<u8>)> {
        let words = self.words(self.next);
        if words[1] & 1 == 0 {
            return None;
        }
        let mut bytes = vec![0; (words[1] >> 32 & 0xffff) as usize];
        let iova = Iova(self.buffers.iova().0 + u64::from(self.next) * 2048);
        assert!(harness.view().read(iova, &mut bytes[..]));
        Some((words, bytes))
    }

    /// Like [`peek`](Self::peek), and posts the buffer to the device again.
    pub(crate) fn take(&mut self, harness: &Harness) -> Option<([u64; 2], Vec<u8>)> {
        let taken = self.peek(harness)?;
        self.arm(self.next);
        harness.write(rx(RDT, self.q), self.next);
        self.next = (self.next + 1) % self.count;
        Some(taken)
    }

    /// All received frames.
    pub(crate) fn drain(&mut self, harness: &Harness) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.take(harness)).map(|(_, bytes)| bytes).collect()
    }
}

/// Bits of an advanced data descriptor's second word.
pub(crate) const DATA: u64 = 3 << 20 | 1 << 29;
pub(crate) const CONTEXT: u64 = 2 << 20 | 1 << 29;
pub(crate) const EOP: u64 = 1 << 24;
pub(crate) const IFCS: u64 = 1 << 25;
pub(crate) const RS: u64 = 1 << 27;
pub(crate) const DD: u64 = 1 << 32;

/// A transmit ring, driven by hand.
pub(crate) struct TxRing {
    pub(crate) q: u32,
    pub(crate) count: u32,
    pub(crate) tail: u32,
    pub(crate) ring: DmaSlice,
    pub(crate) buffers: DmaSlice,
}

impl TxRing {
    /// Writes a descriptor without ringing the doorbell; returns its index.
    pub(crate) fn put(&mut self, low: u64, high: u64) -> u32 {
        let at = self.tail;
        self.ring.words()[at as usize * 2].store(low.to_le(), Ordering::Relaxed);
        self.ring.words()[at as usize * 2 + 1].store(high.to_le(), Ordering::Release);
        self.tail = (self.tail + 1) % self.count;
        at
    }

    /// Writes a data descriptor for `bytes`, with `flags` in its second word; returns its index.
    pub(crate) fn data(&mut self, harness: &Harness, bytes: &[u8], flags: u64) -> u32 {
        let iova = Iova(self.buffers.iova().0 + u64::from(self.tail) * 2048);
        assert!(harness.view().write(iova, bytes));
        self.put(iova.0, DATA | flags | bytes.len() as u64 | (bytes.len() as u64) << 46)
    }

    /// Rings the doorbell for everything.
    pub(crate) fn ring(&self, harness: &Harness) {
        harness.write(tx(TDT, self.q), self.tail);
    }

    /// Sends one whole frame; returns its descriptor's index.
    pub(crate) fn send(&mut self, harness: &Harness, frame: &[u8]) -> u32 {
        let at = self.data(harness, frame, EOP | IFCS | RS);
        self.ring(harness);
        at
    }

    /// Whether the descriptor was reported as done.
    pub(crate) fn done(&self, at: u32) -> bool {
        u64::from_le(self.ring.words()[at as usize * 2 + 1].load(Ordering::Acquire)) & DD != 0
    }
}

/// A frame of `len` bytes to `destination`, of an unknown protocol, with bytes that depend on `seed`.
pub(crate) fn frame(destination: [u8; 6], len: usize, seed: u8) -> Vec<u8> {
    let mut frame = destination.to_vec();
    frame.extend_from_slice(&[0x02, 0, 0, 0, 0, 0x01, 0x88, 0xb5]);
    frame.extend((14..len).map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed)));
    frame
}

/// A frame to the device's own address.
pub(crate) fn own(len: usize, seed: u8) -> Vec<u8> {
    frame(MAC, len, seed)
}
