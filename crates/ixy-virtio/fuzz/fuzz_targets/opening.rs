//! Vendor capabilities and registers of any content: opening ends, with or without an error, and leaves nothing
//! behind.
#![no_main]

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ixy_core::{Batch, Device, Interrupts, Mempool, VectorKind, Vectors};
use ixy_dma::{BusMaster, DmaDomain, Iova, SimulatedDomain};
use ixy_regs::bus::Bus;
use ixy_virtio::{Config, Layout, Structures, Transport};
use libfuzzer_sys::fuzz_target;

/// Registers that read the fuzzer's bytes, one after the other, and then zeros. To get far, the values that are
/// easiest to read are the latest byte written (the status) and powers of two (queue sizes).
#[derive(Clone)]
struct Noise {
    bytes: Arc<[u8]>,
    next: Arc<AtomicUsize>,
    status: Arc<AtomicU8>,
    len: u32,
}

impl Noise {
    fn byte(&self) -> u8 {
        self.bytes.get(self.next.fetch_add(1, Ordering::Relaxed)).copied().unwrap_or(0)
    }
}

// SAFETY: BUS-WINDOW: the length never changes, and there is no device whose accesses could be out of order.
unsafe impl Bus for Noise {
    fn len(&self) -> u32 {
        self.len
    }

    unsafe fn read8(&self, offset: u32) -> u8 {
        assert!(offset < self.len);
        match (self.status.load(Ordering::Relaxed), self.byte()) {
            // The driver leaks memory for a device that is gone or never ends a reset; not here, thousands of
            // times.
            (0, _) => 0,
            (status, 0..128) => status,
            _ => self.byte().min(0xfe),
        }
    }

    unsafe fn read16(&self, offset: u32) -> u16 {
        assert!(offset.is_multiple_of(2) && offset + 2 <= self.len);
        match self.byte() {
            byte @ 0..128 => 1 << (byte % 16),
            byte => u16::from_le_bytes([byte, self.byte()]),
        }
    }

    unsafe fn read32(&self, offset: u32) -> u32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.len);
        let value = u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()]);
        // The driver waits for a control queue that does not answer. That takes too long here, so the queue is not
        // offered.
        if matches!(offset, 0 | 4) { value & !(1 << 17) } else { value }
    }

    unsafe fn write8(&self, offset: u32, value: u8) {
        assert!(offset < self.len);
        self.status.store(value, Ordering::Relaxed);
    }

    unsafe fn write16(&self, offset: u32, _: u16) {
        assert!(offset.is_multiple_of(2) && offset + 2 <= self.len);
    }

    unsafe fn write32(&self, offset: u32, _: u32) {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.len);
    }
}

/// Vectors without interrupts.
#[derive(Debug)]
struct Silent(VectorKind, File);

impl Vectors for Silent {
    fn kind(&self) -> VectorKind {
        self.0
    }

    fn len(&self) -> usize {
        2
    }

    fn event(&self, n: usize) -> Option<BorrowedFd<'_>> {
        (n < 2).then(|| self.1.as_fd())
    }

    fn unmask(&self) -> Result<(), ixy_core::Error> {
        Ok(())
    }
}

/// Counts whether bus mastering was left on.
#[derive(Debug, Default)]
struct Master(Mutex<bool>);

// SAFETY: QUIET-BEFORE-FREE: nothing here does DMA.
unsafe impl BusMaster for Master {
    fn disable(&self) -> Result<(), ixy_dma::Error> {
        *self.0.lock().unwrap() = false;
        Ok(())
    }

    unsafe fn enable(&self) -> Result<(), ixy_dma::Error> {
        *self.0.lock().unwrap() = true;
        Ok(())
    }

    fn transactions_pending(&self) -> Result<bool, ixy_dma::Error> {
        Ok(false)
    }
}

fuzz_target!(|data: &[u8]| {
    let [choice, capability_len, lens @ .., multiplier] =
        data.first_chunk::<8>().copied().unwrap_or_default();
    let rest = data.get(8..).unwrap_or_default();
    let capabilities: Vec<Vec<u8>> =
        rest.chunks(usize::from(capability_len) % 32 + 1).take(16).map(<[u8]>::to_vec).collect();
    if let Ok(layout) = Layout::find(&capabilities, |bar| choice >> (bar & 7) & 1 != 0) {
        for region in [layout.common, layout.notify, layout.isr, layout.device] {
            assert!(region.bar <= 5 && region.offset.checked_add(region.len).is_some());
        }
    }

    // A wait takes a second, too long for a fuzzer. So the status reads zero at first: the reset is over.
    let mut bytes = vec![0; 2];
    bytes.extend(rest);
    let (bytes, next) = (Arc::from(bytes), Arc::new(AtomicUsize::new(0)));
    let status = Arc::new(AtomicU8::new(0));
    let noise = Noise { bytes, next, status, len: 0 };
    let bus = |len: u8| Noise { len: len.into(), ..noise.clone() };
    let transport = if choice & 1 != 0 {
        let notify_multiplier = u32::from(multiplier) << (choice >> 3);
        let [common, notify, isr, device, _] = lens.map(bus);
        Transport::modern(Structures { common, notify, notify_multiplier, isr, device })
    } else {
        Transport::legacy(bus(lens[0]))
    };
    let Ok(transport) = transport else { return };
    let domain = Arc::new(SimulatedDomain::default().starting_at(Iova(1 << 33)));
    let pool = Mempool::new(domain.clone(), 512).unwrap();
    let domain: Arc<dyn DmaDomain> = domain;
    // Vectors as of MSI-X, or of the pin.
    let kind = if choice & 32 != 0 { VectorKind::MsiX } else { VectorKind::Pin };
    let vectors: Arc<dyn Vectors> =
        Arc::new(Silent(kind, File::options().write(true).open("/dev/null").unwrap()));
    let interrupts = (choice & 64 != 0).then_some(Interrupts { vectors, rate: 0 });
    let config = Config {
        queues: u16::from(choice >> 1 & 1) + 1,
        rx_ring: 64,
        tx_ring: 64,
        behind_iommu: choice & 4 != 0,
        checksum_offload: choice & 8 != 0,
        promiscuous: choice & 16 != 0,
        interrupts,
    };
    let master = Arc::new(Master::default());
    // SAFETY: ARMED-ONLY: there is no device that could reach anything.
    let opened = unsafe { config.open("noise", transport, &domain, master.clone(), &pool) };
    match opened {
        Ok(mut device) => {
            let (Some(mut rx), Some(mut tx)) = (device.rx_queue(0), device.tx_queue(0)) else {
                return;
            };
            let mut batch = Batch::new(8);
            rx.receive(&mut batch);
            assert_eq!(rx.interrupt().is_some(), choice & 64 != 0);
            if let Some(interrupt) = rx.interrupt() {
                interrupt.arm().unwrap();
                interrupt.disarm();
            }
            pool.allocate_batch(&mut batch, 8);
            tx.send(&mut batch);
            let _what_it_says = (device.stats(), device.link(), tx.pending());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert!(!*master.0.lock().unwrap(), "bus mastering was left on");
});
