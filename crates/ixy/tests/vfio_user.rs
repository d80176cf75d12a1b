//! Cards of another process, opened by the address of their socket.
#![cfg(all(feature = "vfio-user", feature = "sim"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod served;

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ixy::{Address, Device, Options};
use ixy_core::{Batch, WaitMode, Waiter};
use ixy_vfio_user::message::{Errno, pci};
use ixy_vfio_user::server::{self, Layout, Listener, Region, Server, ServerLimits, Stop};

use served::Served;

const LIMIT: Duration = Duration::from_secs(20);

struct Sockets {
    directory: tempfile::TempDir,
}

impl Sockets {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn address(&self, name: &str) -> Address {
        format!("vfio-user:{}", self.path(name).display()).parse().unwrap()
    }

    fn serve(&self, ports: &[(&str, &str)]) -> Served {
        let paths: Vec<_> = ports.iter().map(|(name, wire)| (self.path(name), *wire)).collect();
        let ports: Vec<_> = paths.iter().map(|(path, wire)| (path.as_path(), *wire, None)).collect();
        Served::start(&ports)
    }
}

/// A device with unsupported ids and nothing else.
struct Other(Stop, Option<JoinHandle<()>>);

impl server::Device for Other {
    fn read(&mut self, _region: u32, _offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        into.copy_from_slice(&[0x86, 0x80, 0x33, 0x15]);
        Ok(())
    }

    fn write(&mut self, _region: u32, _offset: u64, _bytes: &[u8]) -> Result<(), Errno> {
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Errno> {
        Ok(())
    }
}

impl Other {
    fn serve(path: &Path) -> Self {
        let regions = (0..pci::REGIONS).map(|_| Region::new(4096)).collect();
        let server = Server::new(Layout { regions, ..Layout::default() }, ServerLimits::default()).unwrap();
        let (listener, stop) = (Listener::bind(path).unwrap(), Stop::new().unwrap());
        let own = stop.clone();
        let run = move || server.serve(&listener, &mut Self(own.clone(), None), &own).unwrap();
        Self(stop, Some(std::thread::spawn(run)))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if let Some(thread) = self.1.take() {
            self.0.stop();
            thread.join().unwrap();
        }
    }
}

/// Forwards from one card to the other until `count` frames are sent.
fn forward(cards: &mut [Device], mode: WaitMode, count: usize) -> Waiter {
    for card in &*cards {
        assert!(card.wait_for_link(LIMIT).unwrap().up, "{card:?}");
    }
    let (mut rx, mut tx) = (cards[0].rx_queue(0).unwrap(), cards[1].tx_queue(0).unwrap());
    let mut waiter = Waiter::new(mode, [&mut *rx]).unwrap();
    let (mut batch, mut total, start) = (Batch::new(32), 0, Instant::now());
    while total < count {
        assert!(start.elapsed() < LIMIT, "{total} frames of {count} after {LIMIT:?}");
        let received = rx.receive(&mut batch);
        let sent = tx.send(&mut batch);
        total += sent;
        waiter.after(received + sent, [(&mut *rx, batch.len())]);
    }
    waiter
}

#[test]
fn frames_go_from_one_card_of_another_process_to_the_other() {
    let sockets = Sockets::new();
    let served = sockets.serve(&[("a", "flood"), ("b", "flood")]);
    let addresses = ["a", "b"].map(|name| sockets.address(name));
    // Each time with a new connection to the same servers.
    for interrupts in [None, Some(0), Some(20_000)] {
        let options = Options::default().interrupts(interrupts);
        let mode = if interrupts.is_some() { WaitMode::Interrupt } else { WaitMode::Poll };
        let mut cards = ixy::open(&addresses, &options).unwrap();
        let waiter = forward(&mut cards, mode, 50_000);
        let stats = cards[1].stats().unwrap();
        // The last frames may still be in the ring.
        assert!(stats.tx_packets >= 50_000 - 512, "{stats:?}");
        assert_eq!(waiter.overslept(), 0, "an interrupt was lost");
        assert!(interrupts.is_none() || waiter.slept() > 0, "it never slept");
        for card in cards {
            assert!(card.check().is_ok());
            card.close().unwrap();
        }
    }
    assert_eq!(served.faults(), 0, "a card reached for memory that it was not given");
}

#[test]
fn packets_of_a_software_card_of_this_process_go_to_one_of_another() {
    let sockets = Sockets::new();
    let served = sockets.serve(&[("a", "flood")]);
    let addresses = ["sim".parse().unwrap(), sockets.address("a")];
    let mut cards = ixy::open(&addresses, &Options::default()).unwrap();
    forward(&mut cards, WaitMode::Poll, 10_000);
    assert_eq!(served.faults(), 0, "a card reached for memory that it was not given");
}

#[test]
fn a_server_that_goes_away_is_a_lost_device_and_its_next_one_is_opened_again() {
    let sockets = Sockets::new();
    let served = sockets.serve(&[("a", "flood"), ("b", "flood")]);
    let addresses = ["a", "b"].map(|name| sockets.address(name));
    let mut cards = ixy::open(&addresses, &Options::default()).unwrap();
    forward(&mut cards, WaitMode::Poll, 1000);
    drop(served);
    assert!(matches!(cards[0].rx_queue(0), Err(ixy::Error::QueueTaken { .. })));
    let errors =
        [cards[0].stats().unwrap_err(), cards[0].check().unwrap_err()].map(|error| error.to_string());
    assert_eq!(errors[0], errors[1], "statistics say why the device is lost");
    let error = &errors[0];
    for part in ["vfio-user:", "/a", "closed by the other side", "open it again"] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    let start = Instant::now();
    cards.truncate(0);
    assert!(start.elapsed() < Duration::from_secs(5), "closing took {:?}", start.elapsed());

    let served = sockets.serve(&[("a", "flood"), ("b", "flood")]);
    let mut cards = ixy::open(&addresses, &Options::default()).unwrap();
    forward(&mut cards, WaitMode::Poll, 1000);
    assert_eq!(served.faults(), 0);
}

#[test]
fn what_cannot_be_opened_is_said_in_one_line_that_names_it() {
    let sockets = Sockets::new();
    let refused = |addresses: &[Address]| {
        let error = ixy::open(addresses, &Options::default()).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    let check = |name: &str, parts: &[&str]| {
        let error = refused(&[sockets.address(name)]);
        for part in std::iter::once(&name).chain(parts) {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    };
    check("nobody", &["cannot connect to", "it does not exist; start the server first"]);
    std::fs::write(sockets.path("file"), "").unwrap();
    check("file", &["it is a file, not the socket of a server"]);
    let _other = Other::serve(&sockets.path("other"));
    check("other", &["vfio-user:", "8086:1533"]);

    let _busy = sockets.serve(&[("busy", "flood")]);
    let first = ixy::open(&[sockets.address("busy")], &Options::default()).unwrap();
    let way_out = "the server has ended, or serves another program: end that program first";
    check("busy", &["vfio-user:", "closed by the other side", way_out]);
    drop(first);

    let twice = refused(&[sockets.address("busy"), sockets.address("./busy")]);
    assert!(twice.contains("the same device"), "{twice}");
    assert!("vfio-user:".parse::<Address>().is_err());
}
