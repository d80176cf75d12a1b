//! Wires between processes that are really several.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ixy_sim::wire::{SocketWire, Wire};

const DEADLINE: Duration = Duration::from_secs(60);

fn frame(n: u32) -> Vec<u8> {
    [&n.to_le_bytes()[..], &vec![n as u8; 56 + n as usize % 1455]].concat()
}

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Starts this program again as one part of a chain: `role` and its sockets are in the environment.
fn start(role: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "three_processes_in_any_order_pass_on_every_frame_and_end_by_themselves",
            "--nocapture",
        ])
        .env("IXY_WIRE_ROLE", role)
        .env("IXY_WIRE_DIR", dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn finish(child: Child) {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

const COUNT: u32 = 20_000;

fn generate(path: &Path) {
    let begin = Instant::now();
    let mut wire = SocketWire::open(path).unwrap();
    for n in 0..COUNT {
        while !wire.transmit(&frame(n)) {
            assert!(begin.elapsed() < DEADLINE, "stuck at frame {n}");
            thread::yield_now();
        }
    }
    wire.close_transmit();
}

/// Forwards the frames that are there, and the end of input.
fn pass(from: &mut SocketWire, to: &mut SocketWire, closed: &mut bool) {
    while let Some(frame) = from.front() {
        if !to.transmit(frame) {
            return;
        }
        from.consume();
    }
    if from.ended() && !*closed {
        *closed = true;
        to.close_transmit();
    }
}

fn forward(paths: [PathBuf; 2]) {
    let begin = Instant::now();
    let [mut a, mut b] = paths.map(|path| SocketWire::open(path).unwrap());
    let mut closed = [false; 2];
    while closed != [true; 2] {
        assert!(begin.elapsed() < DEADLINE, "the inputs do not end: {closed:?}");
        pass(&mut a, &mut b, &mut closed[0]);
        pass(&mut b, &mut a, &mut closed[1]);
        thread::yield_now();
    }
}

fn record(path: &Path) {
    let begin = Instant::now();
    let mut wire = SocketWire::open(path).unwrap();
    wire.close_transmit();
    let mut next = 0;
    while !wire.ended() {
        assert!(begin.elapsed() < DEADLINE, "the input does not end after frame {next}");
        if let Some(found) = wire.front() {
            assert_eq!(found, frame(next));
            wire.consume();
            next += 1;
        } else {
            thread::yield_now();
        }
    }
    assert_eq!(next, COUNT);
    assert_eq!(wire.error(), None);
}

#[test]
fn three_processes_in_any_order_pass_on_every_frame_and_end_by_themselves() {
    if let Some(role) = std::env::var_os("IXY_WIRE_ROLE") {
        let dir = PathBuf::from(std::env::var_os("IXY_WIRE_DIR").unwrap());
        let (x, y) = (dir.join("x"), dir.join("y"));
        return match role.to_str().unwrap() {
            "generate" => generate(&x),
            "forward" => forward([x, y]),
            "record" => record(&y),
            other => panic!("{other}"),
        };
    }
    let roles = ["generate", "forward", "record"];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for apart in [Duration::ZERO, Duration::from_millis(100)] {
            let dir = dir();
            let children = order.map(|role| {
                let child = start(roles[role], dir.path());
                thread::sleep(apart);
                child
            });
            children.into_iter().for_each(finish);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        }
    }
}

#[test]
fn a_killed_process_ends_the_input_and_a_killed_first_end_is_replaced() {
    let dir = dir();
    let (x, begin) = (dir.path().join("x"), Instant::now());
    // It waits at `y` for ever, and is killed.
    let mut waiting = start("record", dir.path());
    while !dir.path().join("y").exists() {
        assert!(begin.elapsed() < DEADLINE);
        thread::sleep(Duration::from_millis(1));
    }
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    assert!(dir.path().join("y").exists(), "it could not clean up");
    let mut y = SocketWire::open(dir.path().join("y")).unwrap();

    let mut sending = start("generate", dir.path());
    let mut wire = loop {
        assert!(begin.elapsed() < DEADLINE);
        if x.exists() {
            break SocketWire::open(&x).unwrap();
        }
        thread::sleep(Duration::from_millis(1));
    };
    while wire.front().is_none() {
        assert!(begin.elapsed() < DEADLINE);
    }
    sending.kill().unwrap();
    sending.wait().unwrap();
    let mut next = 0;
    while !wire.ended() {
        assert_eq!(wire.front().unwrap(), frame(next), "whole frames until the end");
        wire.consume();
        next += 1;
    }
    assert!(next > 0 && !wire.link_up());
    assert!(wire.transmit(&frame(0)), "dropped");
    assert!(!y.link_up() && !y.ended());
}
