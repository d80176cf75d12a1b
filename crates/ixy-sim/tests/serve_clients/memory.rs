//! DMA: frames into and out of the client's memory, and none outside of the allowed parts.

use ixy_sim::PollThread;
use std::os::fd::AsFd;
use std::time::Instant;

use ixy_vfio_user::message::pci;

use crate::harness::*;

/// Sends a frame of `len` bytes with descriptor `n` and receives it back.
fn send(port: &Port, file: &std::os::fd::OwnedFd, n: u64, len: usize) {
    let frame: Vec<u8> = (0..len).map(|at| at as u8 ^ 0xff).collect();
    store(file, TX_BUFFER, &frame);
    arm_receive(file, IOVA, n);
    port.set(RDT, n as u32 + 1);
    arm_transmit(file, IOVA + TX_BUFFER, n, len as u64);
    port.set(TDT, n as u32 + 1);
}

#[test]
fn frames_go_out_of_the_clients_memory_and_into_it() {
    let (port, file) = Port::with_memory();
    port.start(IOVA);
    for n in 0..7 {
        send(&port, &file, n, 100 + n as usize);
        port.poll();
        assert_eq!(received(&file, n), Some(100 + n));
        let mut bytes = vec![0; 100];
        rustix::io::pread(&file, &mut bytes, RX_BUFFERS + 0x800 * n).unwrap();
        assert_eq!(bytes[..3], [0xff, 0xfe, 0xfd]);
        assert_ne!(load(&file, TX_RING + 16 * n + 8) >> 32 & 1, 0, "it was sent");
    }
    assert_eq!((port.memory().faults(), port.nic.bad_descriptors()), (0, 0));
}

#[test]
fn a_doorbell_wakes_the_thread_that_polls() {
    let (port, file) = Port::with_memory();
    let thread = PollThread::start().unwrap();
    thread.add(&port.nic);
    port.start(IOVA);
    for n in 0..5 {
        // The thread sleeps by then, for up to 100 ms.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let start = Instant::now();
        send(&port, &file, n, 64);
        wait_for("a frame", || received(&file, n) == Some(64));
        println!("{:?} from the doorbell to the frame", start.elapsed());
    }
}

#[test]
fn nothing_moves_while_bus_mastering_is_off() {
    let (port, file) = Port::with_memory();
    port.start(IOVA);
    port.command(MEMORY);
    send(&port, &file, 0, 64);
    port.poll();
    assert_eq!((received(&file, 0), port.get(TDH)), (None, 0));
    port.command(MEMORY | MASTER);
    port.poll();
    assert_eq!(received(&file, 0), Some(64));
}

#[test]
fn nothing_reaches_memory_that_was_taken_away() {
    let (port, file) = Port::with_memory();
    port.start(IOVA);
    send(&port, &file, 0, 64);
    port.poll();
    port.client.unmap(IOVA, LEN).unwrap();
    send(&port, &file, 1, 64);
    port.poll();
    assert_eq!(received(&file, 1), None);
    assert!(port.memory().faults() > 0, "each access is counted");
    assert!(port.memory().last_fault().is_some_and(|at| (IOVA..IOVA + LEN).contains(&at.0)));
    port.client.map(IOVA, LEN, file.as_fd(), 0, true).unwrap();
    port.set(0, 1 << 26);
    port.start(IOVA);
    send(&port, &file, 0, 64);
    port.poll();
    assert_eq!(received(&file, 0), Some(64), "with memory and a reset it works again");
}

#[test]
fn what_may_be_read_is_not_written() {
    let port = Port::new();
    port.command(MEMORY | MASTER);
    let (rings, buffers) = (memory(0x2000, true), memory(LEN, true));
    port.client.map(IOVA, 0x2000, rings.as_fd(), 0, true).unwrap();
    port.client.map(IOVA + 0x2000, LEN - 0x2000, buffers.as_fd(), 0x2000, false).unwrap();
    port.start(IOVA);
    store(&buffers, TX_BUFFER, &[0x55; 64]);
    arm_receive(&rings, IOVA, 0);
    port.set(RDT, 1);
    arm_transmit(&rings, IOVA + TX_BUFFER, 0, 64);
    port.set(TDT, 1);
    port.poll();
    assert_eq!(port.get(TDH), 1, "it was sent");
    assert_eq!(load(&buffers, RX_BUFFERS), 0, "and not written into memory for reading");
    assert!(port.memory().faults() > 0);
    assert_eq!(port.read32(pci::CONFIG, 0), 0x10fb_8086, "the server goes on");
}

/// A semaphore that a read takes and no reset of the device releases.
const SWSM: u64 = 0x10140;

#[test]
fn the_next_client_finds_a_card_as_after_power_on() {
    let (mut port, _file) = Port::with_memory();
    port.start(IOVA);
    port.get(SWSM);
    assert_eq!(port.get(SWSM) & 1, 1, "it is taken");
    port.reconnect();
    assert_eq!((port.config(COMMAND) & 0xffff, port.memory().mappings()), (0, 0));
    port.command(MEMORY | MASTER);
    assert_eq!((port.get(RXDCTL), port.get(TDBAL), port.get(SWSM) & 1), (0, 0, 0));
    port.poll();
    assert_eq!(port.memory().faults(), 0, "nothing of the first client's runs");
    assert_eq!(port.port.clients(), 2);
}
