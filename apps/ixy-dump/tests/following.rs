//! What a reader sees of a capture while ixy-dump records it, and what is left when something ends the recording.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ixy_sim::PollThread;
use ixy_sim::serve::{Port, Settings};
use ixy_sim::wire::{Cables, WireSpec};
use ixy_vfio_user::server::{Listener, Stop};

/// A run that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(30);
/// The header of a pcap file, and a record with a frame of 60 bytes.
const HEADER: usize = 24;
const RECORD: usize = 16 + 60;

/// Starts ixy-dump with this line of arguments.
fn start(line: &str, stdin: Stdio) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixy-dump"));
    command.args(line.split(' ')).env_remove("IXY_LOG").stdin(stdin);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A frame of ixy-pktgen: IPv4 and UDP, the mark, and the number.
fn frame(number: u32) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    frame[23] = 17;
    frame[38..40].copy_from_slice(&26_u16.to_be_bytes());
    frame[42..46].copy_from_slice(b"ixy#");
    frame[56..].copy_from_slice(&number.to_be_bytes());
    frame
}

/// Kills the process when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn frames_that_arrive_steadily_reach_the_reader_soon() {
    for wait in ["poll", "interrupt"] {
        let mut dump = Killed(start(&format!("sim:rx=- -w - -q --wait {wait}"), Stdio::piped()));
        let (mut to, mut from) = (dump.0.stdin.take().unwrap(), dump.0.stdout.take().unwrap());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut header = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
                header.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
                to.write_all(&header).unwrap();
                let record = [&[0; 8][..], &[60, 0, 0, 0, 60, 0, 0, 0], &[2; 60]].concat();
                let start = Instant::now();
                // Some 50 frames a second, far less than fill a buffer in the time of the test.
                while !done.load(Ordering::Relaxed) && start.elapsed() < LIMIT {
                    to.write_all(&record).unwrap();
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            let begin = Instant::now();
            from.read_exact(&mut [0; HEADER + RECORD]).unwrap();
            let took = begin.elapsed();
            done.store(true, Ordering::Relaxed);
            assert!(took < LIMIT / 2, "--wait {wait}: the first frame came after {took:?}");
        });
    }
}

/// The end of a process, which is killed if it does not come.
fn ended(mut dump: Killed) -> (Option<i32>, String, String) {
    let begin = Instant::now();
    // It prints little, so nothing blocks.
    while dump.0.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < LIMIT, "no end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (mut out, mut err) = (String::new(), String::new());
    dump.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    dump.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (dump.0.wait().unwrap().code(), out, err)
}

#[test]
fn the_loss_of_a_served_card_leaves_the_counts_of_what_was_recorded_and_checked() {
    const FRAMES: usize = 3000;
    let directory = tempfile::tempdir().unwrap();
    let [input, output, socket] = ["in.pcap", "out.pcap", "card"].map(|name| directory.path().join(name));
    let mut writer = ixy_pcap::Writer::create(&input, 0).unwrap();
    // Number 7 is missing.
    (0..=FRAMES as u32).filter(|n| *n != 7).for_each(|n| writer.write(0, &frame(n)).unwrap());
    writer.finish().unwrap();
    for (flags, said) in [
        ("", [&format!("\nrecorded {FRAMES}\n"), "\nlost 1\n", &format!(" {FRAMES} packets")]),
        (
            " --json",
            [&format!("\"recorded\":{FRAMES},"), "\"lost\":1,", &format!("\"rx_packets\":{FRAMES},")],
        ),
    ] {
        let wire: WireSpec = format!("rx={}", input.display()).parse().unwrap();
        let port = Port::new(wire.connect(&Cables::default()).unwrap(), Settings::default()).unwrap();
        let poll = PollThread::start().unwrap();
        poll.add(port.nic());
        let (listener, stop) = (Listener::bind(&socket).unwrap(), Stop::new().unwrap());
        let dump = std::thread::scope(|scope| {
            let server = scope.spawn(|| port.serve(&listener, &stop));
            let line = format!("vfio-user:{} -q -w {} --check{flags}", socket.display(), output.display());
            let dump = Killed(start(&line, Stdio::null()));
            let begin = Instant::now();
            while output.metadata().map_or(0, |file| file.len()) < (HEADER + FRAMES * RECORD) as u64 {
                assert!(begin.elapsed() < LIMIT, "{line}: not all frames were recorded");
                std::thread::sleep(Duration::from_millis(1));
            }
            stop.stop();
            server.join().unwrap().unwrap();
            dump
        });
        drop(listener);
        let (code, out, err) = ended(dump);
        assert_eq!(code, Some(1), "{flags}: {out}{err}");
        let why = format!("error: vfio-user:{}", socket.display());
        assert!(err.starts_with(&why) && err.lines().count() == 1, "{flags}: the card is the reason: {err}");
        for words in said {
            assert!(out.contains(words), "{flags}: `{words}` is not in: {out}");
        }
        std::fs::remove_file(&output).unwrap();
    }
}
