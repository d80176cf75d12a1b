//! The accesses on the bus for each kind of register.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use ixy_regs::bus::{Bus, Mmio};
use ixy_regs::ixgbe::{CTRL, EICR, LINKS, RAH, RXDCTL, Registers, Rest, RxQueue, SRRCTL, SWSM, TxQueue};
use ixy_regs::map::WindowTooSmall;

/// An access as the device sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Read(u32),
    Write(u32, u32),
}

/// A window of registers that records values written, and every access.
#[derive(Clone)]
struct Recorder {
    len: u32,
    values: Arc<Mutex<HashMap<u32, u32>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Recorder {
    fn new(len: u32) -> Self {
        Self { len, values: Arc::default(), seen: Arc::default() }
    }

    fn put(&self, offset: u32, value: u32) {
        self.values.lock().unwrap().insert(offset, value);
    }

    /// The accesses since the last call.
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

// SAFETY: BUS-WINDOW: the length is a constant; there is no device whose accesses could be out of order.
unsafe impl Bus for Recorder {
    fn len(&self) -> u32 {
        self.len
    }

    unsafe fn read8(&self, _: u32) -> u8 {
        panic!("no register is 8 bits wide")
    }

    unsafe fn read16(&self, _: u32) -> u16 {
        panic!("no register is 16 bits wide")
    }

    unsafe fn read32(&self, offset: u32) -> u32 {
        assert!(offset + 4 <= self.len, "{offset:#x} is outside the window");
        self.seen.lock().unwrap().push(Seen::Read(offset));
        self.values.lock().unwrap().get(&offset).copied().unwrap_or(0)
    }

    unsafe fn write8(&self, _: u32, _: u8) {
        panic!("no register is 8 bits wide")
    }

    unsafe fn write16(&self, _: u32, _: u16) {
        panic!("no register is 16 bits wide")
    }

    unsafe fn write32(&self, offset: u32, value: u32) {
        assert!(offset + 4 <= self.len, "{offset:#x} is outside the window");
        self.seen.lock().unwrap().push(Seen::Write(offset, value));
        self.put(offset, value);
    }
}

fn registers() -> (Recorder, Registers<Recorder>) {
    let bus = Recorder::new(0x20000);
    (bus.clone(), Registers::new(bus).unwrap())
}

#[test]
fn reading_a_field_reads_the_register_once() {
    let (bus, regs) = registers();
    bus.put(0x042a4, 0x7000_0000);
    assert_eq!(regs.links().read(LINKS::LINK_SPEED), 3);
    assert!(regs.links().is_set(LINKS::LINK_UP));
    let links = regs.links().extract();
    assert_eq!((links.read(LINKS::LINK_SPEED), links.is_set(LINKS::AN_COMPLETED)), (3, false));
    assert_eq!(bus.take(), [Seen::Read(0x042a4); 3]);
}

#[test]
fn writing_fields_clears_the_others_and_modifying_keeps_them() {
    let (bus, regs) = registers();
    bus.put(0, 0x0000_0008);
    regs.ctrl().modify(CTRL::GIO_DIS::SET);
    regs.ctrl().write(CTRL::RST::SET);
    regs.ctrl().set(5);
    let seen = [Seen::Read(0), Seen::Write(0, 0x0c), Seen::Write(0, 0x0400_0000), Seen::Write(0, 5)];
    assert_eq!(bus.take(), seen);
}

#[test]
fn taking_reads_once_and_clearing_and_raising_only_write() {
    let (bus, regs) = registers();
    bus.put(0x00800, 0x0010_0000);
    assert!(regs.eicr().take().is_set(EICR::LSC));
    regs.eicr().clear(0x0010_0000);
    regs.eimc().clear(0x7fff_ffff);
    regs.eims().raise(1);
    assert_eq!(
        bus.take(),
        [
            Seen::Read(0x00800),
            Seen::Write(0x00800, 0x0010_0000),
            Seen::Write(0x00888, 0x7fff_ffff),
            Seen::Write(0x00880, 1)
        ]
    );
}

#[test]
fn a_semaphore_is_tested_by_one_read() {
    let (bus, regs) = registers();
    bus.put(0x10140, 1);
    assert!(regs.swsm().test_and_set().is_set(SWSM::SMBI));
    assert_eq!(bus.take(), [Seen::Read(0x10140)]);
}

#[test]
fn an_array_reaches_all_of_its_banks_and_ends() {
    let (bus, regs) = registers();
    assert_eq!(regs.eitr().len(), 128);
    assert_eq!(regs.eitr().at(23).unwrap().offset(), 0x0087c);
    assert_eq!(regs.eitr().at(24).unwrap().offset(), 0x12300);
    assert!(regs.eitr().at(128).is_none());
    let offsets: Vec<_> = regs.rah().iter().map(|rah| rah.offset()).collect();
    assert_eq!((offsets.len(), offsets[0], offsets[127]), (128, 0x0a204, 0x0a5fc));
    regs.rah().at(1).unwrap().write(RAH::RAH.val(0xbbaa) + RAH::AV::SET);
    assert_eq!(bus.take(), [Seen::Write(0x0a20c, 0x8000_bbaa)]);
}

#[test]
fn a_queue_s_registers_lie_in_its_block() {
    let bus = Recorder::new(0x20000);
    for (n, base) in [(0, 0x01000), (63, 0x01fc0), (64, 0x0d000), (127, 0x0dfc0)] {
        let queue = RxQueue::new(bus.clone(), n).unwrap();
        // SAFETY: no device is behind this bus.
        unsafe {
            queue.rdt().set_dma(n);
            queue.rxdctl().modify_dma(RXDCTL::ENABLE::SET);
            queue.srrctl().write_dma(SRRCTL::BSIZEPACKET.val(2) + SRRCTL::DESCTYPE::ADVANCED_ONE_BUFFER);
        }
        let rxdctl = base + 0x28;
        let wanted = [
            Seen::Write(base + 0x18, n),
            Seen::Read(rxdctl),
            Seen::Write(rxdctl, 1 << 25),
            Seen::Write(base + 0x14, 0x0200_0002),
        ];
        assert_eq!(bus.take(), wanted);
    }
    assert!(RxQueue::new(bus.clone(), 128).is_none());
    assert_eq!(TxQueue::new(bus.clone(), 127).unwrap().tdt().offset(), 0x07fd8);
    assert!(TxQueue::new(bus, 128).is_none());
}

#[test]
fn a_window_that_is_too_small_is_refused_with_both_sizes() {
    let error = Registers::new(Recorder::new(0x1fffc)).err().unwrap();
    assert_eq!(error, WindowTooSmall { needed: 0x20000, found: 0x1fffc });
    assert!(error.to_string().contains("131068") && error.to_string().contains("131072"), "{error}");
    assert!(Rest::new(Recorder::new(0x1000)).is_err());
    assert!(RxQueue::new(Recorder::new(0x103f), 0).is_none());
    assert!(RxQueue::new(Recorder::new(0x1040), 0).is_some());
}

#[test]
fn memory_mapped_registers_are_little_endian_words_of_their_window() {
    let memory: Vec<AtomicU32> = (0..0x8000).map(|_| AtomicU32::new(0)).collect();
    let base = NonNull::from(memory.as_slice()).cast();
    // SAFETY: MAPPED-ALIVE: the memory outlives the bus, and only atomics refer to it.
    let bus = unsafe { Mmio::new(base, 0x20000) };
    let regs = Registers::new(bus).unwrap();
    regs.maxfrs().set(0x1234_5678);
    assert_eq!(u32::from_le(memory[0x04268 / 4].load(Ordering::Relaxed)), 0x1234_5678);
    assert_eq!(regs.maxfrs().get(), 0x1234_5678);
    // SAFETY: BUS-WINDOW: all inside, and aligned.
    unsafe {
        assert_eq!((bus.read8(0x04268), bus.read16(0x0426a)), (0x78, 0x1234));
        bus.write8(0x0426b, 0xff);
        bus.write16(0x04268, 0x0001);
    }
    assert_eq!(regs.maxfrs().get(), 0xff34_0001);
}
