//! Clients with forbidden requests: each receives the right error number, and the server goes on.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ixy_vfio_user::client::Client;
use ixy_vfio_user::memory::MemoryLimits;
use ixy_vfio_user::message::{Errno, pci};
use ixy_vfio_user::server::{Listener, ServerLimits, Stop};
use rustix::fs::ftruncate;

use crate::harness::*;

/// Whether frames still pass, after a reset as a driver does it.
fn works(port: &Port) {
    let file = memory(LEN, true);
    port.client.reset().unwrap();
    port.command(MEMORY | MASTER);
    port.client.map(IOVA, LEN, file.as_fd(), 0, true).unwrap();
    port.start(IOVA);
    arm_receive(&file, IOVA, 0);
    port.set(RDT, 1);
    arm_transmit(&file, IOVA + TX_BUFFER, 0, 64);
    port.set(TDT, 1);
    port.poll();
    assert_eq!(received(&file, 0), Some(64));
}

#[test]
fn a_client_that_maps_too_much_or_too_often_is_refused() {
    let memory_limits = MemoryLimits { mappings: 2, bytes: 3 * LEN, ..MemoryLimits::default() };
    let port = Port::with_limits(ServerLimits { memory: memory_limits, ..Default::default() });
    let file = memory(4 * LEN, true);
    let map = |at: u64, len: u64| port.client.map(at, len, file.as_fd(), 0, true);
    assert_eq!(errno(map(IOVA, 4 * LEN)), Errno::NOMEM);
    map(IOVA + LEN, LEN).unwrap();
    assert_eq!(errno(map(IOVA + LEN, LEN)), Errno::EXIST, "twice");
    assert_eq!(errno(map(IOVA, 2 * LEN)), Errno::EXIST, "a part of it twice");
    map(IOVA + 2 * LEN, LEN).unwrap();
    assert_eq!(errno(map(IOVA + 4 * LEN, 0x1000)), Errno::NOSPC);
    assert_eq!(errno(map(u64::MAX - 0xfff, 0x2000)), Errno::INVAL, "behind the last address");
    assert_eq!(port.port.server().refused(), 5);
    for at in [1, 2] {
        port.client.unmap(IOVA + at * LEN, LEN).unwrap();
    }
    works(&port);
}

#[test]
fn a_client_that_unmaps_what_it_does_not_have_is_refused() {
    let (port, _file) = Port::with_memory();
    assert_eq!(errno(port.client.unmap(IOVA + LEN, LEN)), Errno::NOENT);
    assert_ne!(port.memory().mappings(), 0);
    port.client.unmap(IOVA, LEN).unwrap();
    assert_eq!(errno(port.client.unmap(IOVA, LEN)), Errno::NOENT);
    works(&port);
}

#[test]
fn a_client_that_truncates_its_memory_gets_faults() {
    let port = Port::new();
    port.command(MEMORY | MASTER);
    let file = memory(LEN, false);
    port.client.map(IOVA, LEN, file.as_fd(), 0, true).unwrap();
    port.start(IOVA);
    arm_receive(&file, IOVA, 0);
    port.set(RDT, 1);
    arm_transmit(&file, IOVA + TX_BUFFER, 0, 64);
    ftruncate(&file, 0x2000).unwrap();
    port.set(TDT, 1);
    port.poll();
    assert!(port.memory().faults() > 0, "the buffers are gone");
    ftruncate(&file, 0).unwrap();
    port.set(TDT, 2);
    port.poll();
    port.client.unmap(IOVA, LEN).unwrap();
    works(&port);
}

#[test]
fn accesses_past_the_end_of_a_region_are_refused() {
    let port = Port::new();
    port.command(IO | MEMORY);
    for (region, size) in [(pci::BAR0, 0x80000), (2, 0x20), (TABLE, 0x4000), (pci::CONFIG, 4096)] {
        let mut bytes = [0; 8];
        let last = if region == 2 { 4 } else { size - 4 };
        port.client.read(region, last, &mut [0; 4]).unwrap();
        for at in [size - 4, size, u64::MAX - 3] {
            assert_eq!(errno(port.client.read(region, at, &mut bytes)), Errno::INVAL, "{region} {at:#x}");
            assert_eq!(errno(port.write(region, at, &bytes)), Errno::INVAL, "{region} {at:#x}");
        }
    }
    for region in [1, 3, 5, pci::ROM, pci::VGA, 9, u32::MAX] {
        assert_eq!(errno(port.client.read(region, 0, &mut [0; 4])), Errno::INVAL, "{region} is not there");
    }
    works(&port);
}

#[test]
fn rings_at_nowhere_are_faults() {
    let port = Port::new();
    port.command(MEMORY | MASTER);
    for base in [0, 0xdead_0000, 0xffff_ffff_ffff_f000] {
        let before = port.memory().faults();
        port.start(base);
        port.set(RDT, 4);
        port.set(TDT, 4);
        for _ in 0..10 {
            port.nic.poll();
        }
        assert!(port.memory().faults() > before, "{base:#x}");
        port.set(CTRL, 1 << 26);
    }
    works(&port);
}

#[test]
fn descriptors_that_point_to_nowhere_are_faults_and_counted() {
    let (port, file) = Port::with_memory();
    port.start(IOVA);
    arm_receive(&file, 0x5555_0000, 0);
    port.set(RDT, 1);
    arm_transmit(&file, 0x6666_0000, 0, 64);
    arm_transmit(&file, IOVA + TX_BUFFER, 1, 64);
    port.set(TDT, 2);
    port.poll();
    assert_eq!((port.nic.bad_descriptors(), port.get(TDH)), (1, 2), "it goes on with the next one");
    assert!(port.memory().faults() >= 2, "one to send, one to receive");
    port.client.unmap(IOVA, LEN).unwrap();
    works(&port);
}

/// A server at a path, which stops when this is dropped.
struct AtPath(PathBuf, Stop, Option<std::thread::JoinHandle<()>>);

impl AtPath {
    fn new(name: &str, patience: Duration) -> Self {
        let path = std::env::temp_dir().join(format!("ixy-sim-{name}-{}", std::process::id()));
        let listener = Listener::bind(&path).unwrap();
        let port = device(ServerLimits { patience, ..Default::default() });
        let stop = Stop::new().unwrap();
        let own = stop.clone();
        let thread = std::thread::spawn(move || port.serve(&listener, &own).unwrap());
        Self(path, stop, Some(thread))
    }
}

impl Drop for AtPath {
    fn drop(&mut self) {
        self.1.stop();
        self.2.take().unwrap().join().unwrap();
    }
}

#[test]
fn half_a_message_is_waited_for_in_vain_and_the_next_client_is_served() {
    let server = AtPath::new("half", Duration::from_millis(100));
    for bytes in [&[0; 8][..], &[1, 0, 9, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..]] {
        let mut half = UnixStream::connect(&server.0).unwrap();
        half.write_all(bytes).unwrap();
        half.set_read_timeout(Some(LONG)).unwrap();
        assert!(matches!(std::io::Read::read(&mut half, &mut [0; 64]), Ok(0) | Err(_)), "it is closed");
    }
    let client = Client::connect(&server.0).unwrap();
    let mut ids = [0; 4];
    client.read(pci::CONFIG, 0, &mut ids).unwrap();
    assert_eq!(ids, [0x86, 0x80, 0xfb, 0x10]);
}

#[test]
fn a_second_client_is_turned_away_while_there_is_one() {
    let server = AtPath::new("second", LONG);
    let first = Client::connect(&server.0).unwrap();
    assert!(Client::connect(&server.0).is_err());
    first.read(pci::CONFIG, 0, &mut [0; 4]).unwrap();
    drop(first);
    wait_for("the next client", || Client::connect(&server.0).is_ok());
}
