//! The actions of a driver: registers, memory, interrupts.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ixy_dma::{BusMaster, DmaDomain, DmaSlice, Error, SimulatedDomain};
use ixy_regs::bus::Bus;
use ixy_vfio_user::client::{Client, VfioUserBus, VfioUserBusMaster, VfioUserDomain};
use ixy_vfio_user::message::{Errno, IrqAction, IrqData, ShortWrite, pci};

use super::device::{COPIES, DOORBELL, LENGTH, SOURCE, STATUS};
use super::{LONG, client, errno, read32, write};

/// The number of signals of an eventfd since the last call.
fn signals(event: &OwnedFd) -> u64 {
    let mut count = [0; 8];
    rustix::io::read(event, &mut count).map_or(0, |_| u64::from_ne_bytes(count))
}

fn allocate(client: &Client) -> (Arc<VfioUserDomain>, Vec<DmaSlice>) {
    let domain = Arc::new(VfioUserDomain::new(client, "a copier"));
    let slices = Arc::clone(&domain).allocate(8192).unwrap().cut(&[4096, 4096], 4096).unwrap();
    (domain, slices)
}

/// Copies from one slice to the other through the registers.
fn copy(bar: &VfioUserBus, from: u64, to: u64, len: u32) -> u32 {
    let halves = |value: u64| [value as u32, (value >> 32) as u32];
    // SAFETY: BUS-WINDOW: the window has 4,096 bytes. ARMED-ONLY: addresses are the tests' own, or reach nothing.
    unsafe {
        for (n, half) in (0..).zip([halves(from), halves(to)].concat()) {
            bar.write32(SOURCE as u32 + 4 * n, half);
        }
        bar.write32(LENGTH as u32, len);
        bar.write32(DOORBELL as u32, 1);
        bar.read32(STATUS as u32)
    }
}

#[test]
fn a_device_copies_memory_when_its_doorbell_rings_and_interrupts() {
    let (served, client) = client();
    let bar = VfioUserBus::new(&client, pci::BAR0).unwrap();
    assert_eq!((bar.len(), bar.mapped()), (4096, 0));
    let master = VfioUserBusMaster::new(&client).unwrap();
    let (_domain, slices) = allocate(&client);
    let events = client.interrupts(pci::MSIX, 32).unwrap();
    for (n, word) in slices[0].words().iter().enumerate() {
        word.store(n as u64, Ordering::Relaxed);
    }
    let (from, to) = (slices[0].iova().0, slices[1].iova().0);
    assert_eq!(copy(&bar, from, to, 64), 2, "DMA is off");
    // SAFETY: ARMED-ONLY: nothing runs on the device but what `copy` starts.
    unsafe { master.enable() }.unwrap();
    assert_eq!(copy(&bar, from, to, 64), 1);
    let words = slices[1].words();
    assert_eq!((words[7].load(Ordering::Acquire), words[8].load(Ordering::Acquire)), (7, 0));
    assert_eq!((signals(&events[0]), signals(&events[1])), (2, 0));
    assert_eq!(copy(&bar, from, to + 4096, 8), 2, "behind the end of what is mapped");
    assert!(served.server.memory().faults() > 0);
    drop(slices);
    assert_eq!(copy(&bar, from, to, 64), 2, "it was taken away");
    assert!(!master.transactions_pending().unwrap());
    master.disable().unwrap();
    let mut command = [0; 2];
    client.read(pci::CONFIG, 4, &mut command).unwrap();
    assert_eq!(command, [2, 0], "memory is decoded, DMA is off");
    write(&client, pci::CONFIG, 0x6a, &[1 << 5]).unwrap();
    assert!(master.transactions_pending().unwrap());
    client.reset().unwrap();
    assert_eq!(read32(&client, pci::BAR0, COPIES), 0);
}

#[test]
fn registers_of_all_widths_by_message_and_in_memory() {
    let (_served, client) = client();
    for region in [pci::BAR0, 2] {
        let bus = VfioUserBus::new(&client, region).unwrap();
        assert_eq!(bus.mapped(), usize::from(region == 2));
        // SAFETY: BUS-WINDOW: inside of 4,096 bytes; scratch registers start nothing.
        unsafe {
            bus.write32(0x100, 0x1122_3344);
            bus.write16(0x104, 0x5566);
            bus.write8(0x106, 0x77);
            assert_eq!((bus.read32(0x100), bus.read16(0x100), bus.read8(0x103)), (0x1122_3344, 0x3344, 0x11));
            assert_eq!(bus.read32(0x104), 0x0077_5566);
            bus.write32(4092, 9);
            assert_eq!(bus.clone().read32(4092), 9);
        }
        let mut bytes = [0; 4];
        client.read(region, 0x100, &mut bytes).unwrap();
        assert_eq!(bytes, [0x44, 0x33, 0x22, 0x11], "both ways reach the same registers");
    }
    assert!(VfioUserBus::new(&client, 1).is_err(), "an empty region has no registers");
}

#[test]
fn a_lost_device_reads_all_ones() {
    let (served, client) = client();
    let bar = VfioUserBus::new(&client, pci::BAR0).unwrap();
    let master = VfioUserBusMaster::new(&client).unwrap();
    let (domain, slices) = allocate(&client);
    drop(served);
    // SAFETY: BUS-WINDOW: inside of 4,096 bytes; there is no device any more.
    unsafe {
        assert_eq!((bar.read32(0x100), bar.read8(1)), (u32::MAX, u8::MAX));
        bar.write32(0x100, 1);
    }
    assert!(client.lost().is_some());
    assert!(master.disable().is_ok(), "a server that is gone reaches no memory");
    assert!(!master.transactions_pending().unwrap());
    // SAFETY: ARMED-ONLY: there is no device any more.
    assert!(unsafe { master.enable() }.is_err());
    assert!(Arc::clone(&domain).allocate(4096).is_err());
    // The memory still belongs to the driver.
    slices[0].words()[0].store(5, Ordering::Relaxed);
    drop(slices);
}

#[test]
fn memory_of_one_device_is_reached_by_another_at_the_same_address() {
    let ((_one, first), (_two, second)) = (client(), client());
    let domain = Arc::new(VfioUserDomain::new(&first, "one"));
    let other: Arc<dyn DmaDomain> = Arc::new(VfioUserDomain::new(&second, "two"));
    let mut memory = Arc::clone(&domain).allocate(8192).unwrap();
    memory.map_into(&other).unwrap();
    let iova = memory.segments()[0].iova.0;
    let slices = memory.cut(&[4096, 4096], 64).unwrap();
    slices[0].words()[0].store(77, Ordering::Relaxed);
    let bar = VfioUserBus::new(&second, pci::BAR0).unwrap();
    let master = VfioUserBusMaster::new(&second).unwrap();
    // SAFETY: ARMED-ONLY: as in the first test.
    unsafe { master.enable() }.unwrap();
    assert_eq!(copy(&bar, iova, iova + 4096, 8), 1);
    assert_eq!(slices[1].words()[0].load(Ordering::Acquire), 77);
    drop(slices);
    assert_eq!(copy(&bar, iova, iova + 4096, 8), 2, "the import outlived the memory");
    let mut foreign = Arc::new(SimulatedDomain::default()).allocate(4096).unwrap();
    assert!(matches!(foreign.map_into(&other), Err(Error::CannotShare { .. })));
    let taken = Arc::clone(&domain).allocate(4096).unwrap().segments()[0].iova.0;
    let file = super::memory(4096, true);
    second.map(taken, 4096, std::os::fd::AsFd::as_fd(&file), 0, false).unwrap();
    assert_eq!(errno(second.map(taken, 4096, std::os::fd::AsFd::as_fd(&file), 0, false)), Errno::EXIST);
}

#[test]
fn a_pin_masks_itself_and_signals_again_until_it_is_lowered() {
    let (served, client) = client();
    let event = &client.interrupts(pci::INTX, 1).unwrap()[0];
    let pin = served.server.interrupts();
    let unmask = || client.set_irqs(pci::INTX, 0, 1, IrqData::None, IrqAction::Unmask).unwrap();
    pin.trigger(pci::INTX, 0);
    pin.trigger(pci::INTX, 0);
    assert_eq!(signals(event), 1, "it masked itself");
    unmask();
    assert_eq!(signals(event), 1, "it is still high");
    pin.lower(pci::INTX, 0);
    unmask();
    assert_eq!(signals(event), 0);
    client.set_irqs(pci::INTX, 0, 1, IrqData::Bool(&[1]), IrqAction::Mask).unwrap();
    pin.trigger(pci::INTX, 0);
    assert_eq!((signals(event), pin.is_pending(pci::INTX, 0)), (0, true));
    client.set_irqs(pci::INTX, 0, 1, IrqData::Bool(&[0]), IrqAction::Unmask).unwrap();
    assert_eq!(signals(event), 0, "another one was meant");
    unmask();
    assert_eq!(signals(event), 1);
}

#[test]
fn a_pin_stays_high_while_a_client_ends_its_interrupts_and_sets_them_up_again() {
    let (served, client) = client();
    let first = &client.interrupts(pci::INTX, 1).unwrap()[0];
    let pin = served.server.interrupts();
    pin.trigger(pci::INTX, 0);
    assert_eq!(signals(first), 1);
    for all in [true, false] {
        let (count, data) = if all { (0, IrqData::None) } else { (1, IrqData::Eventfd) };
        client.set_irqs(pci::INTX, 0, count, data, IrqAction::Trigger).unwrap();
        assert_eq!((pin.is_enabled(pci::INTX, 0), pin.is_pending(pci::INTX, 0)), (false, true));
        let again = &client.interrupts(pci::INTX, 1).unwrap()[0];
        assert_eq!((signals(first), signals(again)), (0, 1), "all at once: {all}");
    }
    pin.lower(pci::INTX, 0);
    let low = &client.interrupts(pci::INTX, 1).unwrap()[0];
    assert_eq!(signals(low), 0);
}

#[test]
fn a_client_triggers_and_ends_interrupts() {
    let (served, client) = client();
    let events = client.interrupts(pci::MSIX, 3).unwrap();
    client.set_irqs(pci::MSIX, 0, 3, IrqData::Bool(&[1, 0, 1]), IrqAction::Trigger).unwrap();
    client.set_irqs(pci::MSIX, 2, 1, IrqData::None, IrqAction::Trigger).unwrap();
    assert_eq!(events.iter().map(signals).collect::<Vec<_>>(), [1, 0, 2]);
    client.set_irqs(pci::MSIX, 1, 1, IrqData::Eventfd, IrqAction::Trigger).unwrap();
    let enabled = || (0..3).map(|n| served.server.interrupts().is_enabled(pci::MSIX, n)).collect::<Vec<_>>();
    assert_eq!(enabled(), [true, false, true]);
    client.set_irqs(pci::MSIX, 0, 0, IrqData::None, IrqAction::Trigger).unwrap();
    assert_eq!(enabled(), [false; 3]);
    served.server.interrupts().trigger(pci::MSIX, 0);
    assert_eq!(signals(&events[0]), 0);
    assert!(client.interrupts(pci::MSIX, 33).is_err());
}

#[test]
fn several_writes_go_in_one_message_and_in_order() {
    let (_served, client) = client();
    assert!(client.capabilities().write_multiple);
    let short = |offset, value: u32| {
        let mut data = [0; 8];
        data[..4].copy_from_slice(&value.to_le_bytes());
        ShortWrite { offset, region: 0, count: 4, data }
    };
    // More than one message holds; the last one wins.
    let writes: Vec<_> = (0..300).map(|n| short(0x20 + 4 * (n % 2), n as u32)).collect();
    // SAFETY: ARMED-ONLY: scratch registers start nothing.
    unsafe { client.write_many(&writes) }.unwrap();
    assert_eq!((read32(&client, 0, 0x20), read32(&client, 0, 0x24)), (298, 299));
    // SAFETY: as above.
    let refused = unsafe { client.write_many(&[short(0x28, 1), short(4093, 1), short(0x2c, 1)]) };
    assert_eq!(errno(refused), Errno::INVAL);
    assert_eq!((read32(&client, 0, 0x28), read32(&client, 0, 0x2c)), (1, 0), "those before are done");
}

#[test]
fn posted_writes_are_done_before_what_comes_after_them() {
    let (served, client) = client();
    for n in 0..1000_u32 {
        // SAFETY: ARMED-ONLY: scratch registers start nothing.
        unsafe { client.post(0, 0x20, &n.to_le_bytes()) }.unwrap();
        if n % 100 == 0 {
            assert_eq!(read32(&client, 0, 0x20), n);
        }
    }
    assert_eq!(read32(&client, 0, 0x20), 999);
    // SAFETY: as above.
    unsafe { client.post(0, 1 << 40, &[0; 4]) }.unwrap();
    assert_eq!(read32(&client, 0, 0x20), 999, "a posted write that was refused is no reply to this");
    assert_eq!(served.server.refused(), 1);
}

#[test]
fn threads_share_a_client() {
    let (_served, client) = client();
    let threads: Vec<_> = (0..4_u32)
        .map(|n| {
            let client = client.clone();
            std::thread::spawn(move || {
                for value in 0..500_u32 {
                    write(&client, 0, 0x100 + u64::from(4 * n), &value.to_le_bytes()).unwrap();
                    assert_eq!(read32(&client, 0, 0x100 + u64::from(4 * n)), value);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn unmapping_waits_until_the_device_has_let_go() {
    let (served, client) = client();
    let file = super::memory(4096, true);
    client.map(0x10000, 4096, std::os::fd::AsFd::as_fd(&file), 0, true).unwrap();
    let memory = Arc::clone(served.server.memory());
    let view = memory.view();
    let unmapping = std::thread::spawn(move || {
        let start = Instant::now();
        client.unmap(0x10000, 4096).unwrap();
        start.elapsed()
    });
    let held = Duration::from_millis(100);
    std::thread::sleep(held * 2);
    assert!(view.store64(ixy_dma::Iova(0x10000), 1), "it was taken from under the device");
    drop(view);
    let took = unmapping.join().unwrap();
    assert!(took >= held && took < LONG);
}
