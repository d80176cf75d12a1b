//! The receive and completion paths of both ring types, with a device that writes anything anywhere between any
//! two calls of the driver.
#![no_main]
#![allow(dead_code, unused_imports)] // of the device, only a part is used

#[path = "../../tests/device/mod.rs"]
mod device;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use device::{Device, DeviceBus, Lie, Lines, Options, Order, Window, feature, status};
use ixy_core::{Batch, Device as _, Interrupts, Mempool, Packet, VectorKind, Vectors};
use ixy_dma::{DmaDomain, Iova, SimulatedDomain};
use ixy_virtio::{Config, Structures, Transport, VirtioNet};
use libfuzzer_sys::fuzz_target;

const BUFFERS: usize = 512;

/// The fuzzer's bytes, followed by zeros.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn u8(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    /// A number of any size that is often small, since nearly valid values are small.
    fn number(&mut self) -> u64 {
        match self.u8() % 4 {
            0 => self.u8().into(),
            1 => self.u16().into(),
            2 => self.u32().into(),
            _ => u64::from(self.u32()) | u64::from(self.u32()) << 32,
        }
    }
}

/// Vectors without a waiting thread.
#[derive(Debug)]
struct Silent(VectorKind, File);

impl Vectors for Silent {
    fn kind(&self) -> VectorKind {
        self.0
    }

    fn len(&self) -> usize {
        1
    }

    fn event(&self, n: usize) -> Option<BorrowedFd<'_>> {
        (n == 0).then(|| self.1.as_fd())
    }

    fn unmask(&self) -> Result<(), ixy_core::Error> {
        Ok(())
    }
}

impl Lines for Silent {
    fn message(&self, vector: u16) {
        assert_eq!(vector, 0, "a vector that the driver was not given");
    }

    fn pin(&self, _up: bool) {}
}

fn options(bytes: &mut Bytes<'_>) -> (bool, VectorKind, Options) {
    let choice = bytes.u16();
    let has = |bit: u16| choice >> bit & 1 != 0;
    let bit = |n: u16, bit: u64| if has(n) { bit } else { 0 };
    let modern = has(0);
    let mut features =
        feature::MAC | bit(1, feature::MRG_RXBUF) | bit(2, feature::EVENT_IDX) | bit(3, feature::ANY_LAYOUT);
    features |= bit(4, feature::CSUM | feature::GUEST_CSUM);
    if modern {
        features |= feature::VERSION_1 | bit(5, feature::RING_PACKED) | bit(6, feature::IN_ORDER);
    }
    let size = u16::from(bytes.u8()) + 2;
    let size = if features & feature::RING_PACKED != 0 { size } else { size.next_power_of_two() };
    let order = if has(7) { Order::Shuffled(9) } else { Order::AsMadeAvailable };
    let (batches, sleeps, scrambles) = (has(8), has(9), has(10));
    let options = Options {
        features,
        rx_size: size,
        tx_size: size,
        order,
        batches,
        sleeps,
        scrambles,
        ..Options::default()
    };
    (modern, if has(11) { VectorKind::MsiX } else { VectorKind::Pin }, options)
}

fn open(
    device: &Arc<Device>,
    domain: &Arc<SimulatedDomain>,
    pool: &Mempool,
    modern: bool,
    kind: VectorKind,
) -> VirtioNet<DeviceBus> {
    let bus = |window| device.bus(window);
    let transport = if modern {
        let (common, notify, isr) = (bus(Window::Common), bus(Window::Notify), bus(Window::Isr));
        Transport::modern(Structures {
            common,
            notify,
            notify_multiplier: 4,
            isr,
            device: bus(Window::Config),
        })
    } else {
        Transport::legacy(bus(Window::Legacy))
    };
    let domain: Arc<dyn DmaDomain> = domain.clone();
    let silent = Arc::new(Silent(kind, File::options().write(true).open("/dev/null").unwrap()));
    device.connect(silent.clone(), kind == VectorKind::MsiX);
    let interrupts = Some(Interrupts { vectors: silent, rate: 0 });
    let config = Config { rx_ring: 64, tx_ring: 64, checksum_offload: true, interrupts, ..Config::default() };
    // SAFETY: ARMED-ONLY: all belong to one device, which nothing else drives.
    let opened = unsafe { config.open("fuzzed", transport.unwrap(), &domain, device.bus_master(), pool) };
    opened.unwrap()
}

/// The packets that the driver returned: no buffer occurs twice.
fn hold(held: &mut Vec<Packet>, batch: &mut Batch) {
    while let Some(mut packet) = batch.pop_front() {
        // All of the packet can be read and written.
        packet.iter_mut().for_each(|byte| *byte ^= 1);
        held.push(packet);
    }
    // Frames in different buffers start further from each other than this, frames in one buffer do not.
    let mut places: Vec<usize> = held.iter().map(|packet| packet.as_ptr() as usize).collect();
    places.sort_unstable();
    assert!(places.windows(2).all(|pair| pair[1] - pair[0] > 1024), "a buffer was handed out twice");
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let (modern, kind, options) = options(&mut bytes);
    let domain = Arc::new(SimulatedDomain::default().starting_at(Iova(1 << 33)));
    let pool = Mempool::new(domain.clone(), BUFFERS).unwrap();
    let device = Device::new(options, &domain);
    let mut opened = open(&device, &domain, &pool, modern, kind);
    let (mut rx, mut tx) = (opened.rx_queue(0).unwrap(), opened.tx_queue(0).unwrap());
    let mut held = Vec::new();
    let mut batch = Batch::new(64);
    while !bytes.0.is_empty() {
        match bytes.u8() % 18 {
            0 | 1 => {
                let mut received = Batch::new(bytes.u8().into());
                rx.receive(&mut received);
                hold(&mut held, &mut received);
            }
            2 => {
                let mut received = Batch::new(bytes.u8().into());
                let mut checksums = [ixy_core::Checksum::InFrame; Batch::CAPACITY];
                rx.receive_with(&mut received, &mut checksums);
                tx.send_with(&mut received, &mut checksums);
                hold(&mut held, &mut received);
            }
            3 | 4 => {
                for _ in 0..bytes.u8() % 32 {
                    let Some(mut packet) = pool.allocate() else { break };
                    assert!(packet.set_len(60));
                    if batch.push(packet).is_err() {
                        break;
                    }
                }
                tx.send(&mut batch);
            }
            5 => {
                let mut back = Batch::new(bytes.u8().into());
                tx.reclaim(&mut back, 256);
                hold(&mut held, &mut back);
            }
            6 => {
                tx.pending();
                let _says_what_is_wrong = opened.stats();
            }
            7 => held.truncate(usize::from(bytes.u8())),
            8 => {
                device.poll_some(usize::from(bytes.u8()) + 1);
            }
            9 => {
                let header = std::array::from_fn(|_| bytes.u8());
                let frame = vec![bytes.u8(); 14 + usize::from(bytes.u16()) % 5000];
                device.arrive_with(0, header, &frame);
                device.poll_some(1);
            }
            10 => {
                let queue = usize::from(bytes.u8() % 2);
                let lie = match bytes.u8() % 8 {
                    0 => Lie::Id(bytes.number() as u32),
                    1 => Lie::FreeId,
                    2 => Lie::Length(bytes.number() as u32),
                    3 => Lie::Twice,
                    4 => Lie::Reversed,
                    5 => Lie::Jump(bytes.u16() % 1024),
                    _ => Lie::Buffers(bytes.number() as u16),
                };
                device.lie(queue, lie);
            }
            15 => rx.interrupt().unwrap().arm().unwrap(),
            16 => rx.interrupt().unwrap().disarm(),
            // Any word of the rings.
            11..=14 => {
                let queue = usize::from(bytes.u8() % 2);
                if let Some(areas) = device.areas(queue) {
                    let size = u64::from(areas.size);
                    let (start, len) = match bytes.u8() % 4 {
                        0 => (areas.descriptors, 16 * size),
                        1 => (areas.driver, 6 + 2 * size),
                        2 => (areas.device, 4),
                        _ => (areas.device, 6 + 8 * size),
                    };
                    let width = [16, 32, 64][usize::from(bytes.u8() % 3)];
                    let at = start.0 + bytes.number() % len;
                    let at = Iova(at / (u64::from(width) / 8) * (u64::from(width) / 8));
                    if domain.is_mapped(at) {
                        device.store(at, width, bytes.number());
                    }
                }
            }
            _ => match bytes.u8() % 8 {
                0 => device.set_status(status::NEEDS_RESET),
                // All ones would mean that the device is gone.
                1 => device.set_status(bytes.u8() & 0xcf),
                2 => device.reset_itself(),
                3 => device.fault(|faults| faults.vanished = !faults.vanished),
                _ => {}
            },
        }
    }
    drop((held, batch));
    // The driver leaks memory for a device that is gone for good, which is not the kind of leak to find here.
    device.fault(|faults| faults.vanished = false);
    drop((rx, tx, opened));
    assert!(device.is_quiet(), "the device still runs");
    assert_eq!(pool.free(), BUFFERS, "buffers were lost or doubled");
});
