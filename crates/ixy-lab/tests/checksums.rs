//! Incomplete checksums between two stacks that exchange them in frame headers: QEMU's TAP back end has such
//! headers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod harness;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use harness::namespace::ip;
use ixy_lab::{Backend, Guest, Interface, Machine, Nic};
use rustix::thread::UnshareFlags;

/// Number of bytes transferred each way.
const BYTES: usize = 1_000_000;

/// Byte `n` of the data.
fn byte(n: usize) -> u8 {
    (n * 31 / 7) as u8
}

/// One end of a transfer both ways: sends all bytes while it receives the same number, and checks them.
fn transfer(stream: TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut out = stream.try_clone().unwrap();
    let sender = thread::spawn(move || out.write_all(&(0..BYTES).map(byte).collect::<Vec<_>>()).unwrap());
    let mut received = vec![0; BYTES];
    (&stream).read_exact(&mut received).unwrap();
    let wrong = received.iter().enumerate().find(|&(n, &found)| found != byte(n));
    assert_eq!(wrong, None, "the first byte that is not as it was sent");
    sender.join().unwrap();
}

/// The second stack: a thread in its own network namespace, which gets the interface `name` and answers there.
fn second_stack(name: &str) -> thread::JoinHandle<()> {
    let (tell, told) = mpsc::channel();
    let (moved, is_moved) = mpsc::channel::<String>();
    let handle = thread::spawn(move || {
        // SAFETY: nothing of this process depends on the namespace of a thread that makes no socket before.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        tell.send(rustix::thread::gettid().as_raw_nonzero()).unwrap();
        let name = is_moved.recv_timeout(Duration::from_secs(10)).unwrap();
        ip(&format!("addr add 198.18.0.2/24 dev {name}"));
        ip(&format!("link set {name} up"));
        let listener = TcpListener::bind("198.18.0.2:5000").unwrap();
        listener.set_nonblocking(true).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        // One transfer; an end without any is a failure of the other side, whose message is more useful.
        while Instant::now() < end {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    return transfer(stream);
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    });
    let thread = told.recv_timeout(Duration::from_secs(10)).unwrap();
    ip(&format!("link set {name} netns {thread}"));
    moved.send(name.to_owned()).unwrap();
    handle
}

/// Transfers both ways through the forwarder between two devices; returns its counts for the frames from a and
/// from b.
fn through(guest: &mut Guest, pair: usize, arguments: &str) -> String {
    let [a, b] = ["a", "b"].map(|end| guest.address(&format!("{end}{pair}")).unwrap());
    let (near, far) = (format!("a{pair}"), format!("b{pair}"));
    ip(&format!("addr add 198.18.0.1/24 dev {near}"));
    ip(&format!("link set {near} up"));
    let there = second_stack(&far);
    guest.run(&format!("pass_checksums {a} {b} {arguments} >log 2>&1 & program=$!; sleep 0.5; grep -q forwarding log || cat log")).unwrap();
    let address = "198.18.0.2:5000".parse().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    let stream = loop {
        match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < end, "no connection through {arguments}: {error}"),
        }
        thread::sleep(Duration::from_millis(200));
    };
    transfer(stream);
    there.join().unwrap();
    ip(&format!("link set {near} down"));
    guest.run("wait $program && cat log").unwrap()
}

/// The numbers in a line of the forwarder: frames, owed, verified.
fn numbers(log: &str, way: &str) -> [u64; 3] {
    let line = log.lines().find(|line| line.starts_with(way)).unwrap_or_else(|| panic!("no {way} in {log}"));
    let found: Vec<u64> = line.split([' ', ':']).filter_map(|word| word.parse().ok()).collect();
    found.try_into().unwrap_or_else(|_| panic!("{line}"))
}

#[test]
fn owed_checksums_are_passed_on_when_asked_for_and_never_else() {
    let test = "owed_checksums_are_passed_on_when_asked_for_and_never_else";
    if !harness::namespace::inside() {
        return harness::namespace::again(test);
    }
    let Some((parts, programs)) = harness::lab(test) else { return };
    // The last pair's second device cannot complete checksums.
    let kinds = [
        (Interface::Legacy, "", ""),
        (Interface::Modern, "packed=on", "packed=on"),
        (Interface::Modern, "", "csum=off"),
    ];
    let mut machine = Machine::new(Duration::from_secs(240));
    for (pair, (interface, a, b)) in kinds.iter().enumerate() {
        for (end, options) in [("a", a), ("b", b)] {
            let name = format!("{end}{pair}");
            machine =
                machine.nic(Nic::virtio(&name, *interface, Backend::Tap(name.clone(), 1)).options(options));
        }
    }
    let mut guest = machine.boot(&parts, &programs).unwrap();
    for (pair, kind) in kinds.iter().enumerate() {
        let log = through(&mut guest, pair, "10");
        for way in ["A to B", "B to A"] {
            let [frames, owed, _] = numbers(&log, way);
            assert!(
                frames > 600 && owed > 300,
                "{kind:?}: the stacks' frames should owe their checksums: {log}"
            );
        }
    }
    harness::the_kernel_is_well(&guest);
}

#[test]
fn without_asking_no_frame_owes_its_checksum() {
    let test = "without_asking_no_frame_owes_its_checksum";
    if !harness::namespace::inside() {
        return harness::namespace::again(test);
    }
    let Some((parts, programs)) = harness::lab(test) else { return };
    let mut machine = Machine::new(Duration::from_secs(120));
    for name in ["a0", "b0"] {
        machine = machine.nic(Nic::virtio(name, Interface::Transitional, Backend::Tap(name.into(), 1)));
    }
    let mut guest = machine.boot(&parts, &programs).unwrap();
    let log = through(&mut guest, 0, "10 whole");
    for way in ["A to B", "B to A"] {
        let [frames, owed, verified] = numbers(&log, way);
        assert!(frames > 600 && owed == 0 && verified == 0, "{log}");
    }
    harness::the_kernel_is_well(&guest);
}
