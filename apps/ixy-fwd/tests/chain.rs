//! Frames pass from ixy-pktgen through ixy-fwd to ixy-dump: in one process over cables, and in three processes
//! over sockets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../ixy-dump/src/main.rs"]
mod dump;
#[allow(dead_code, reason = "its main is not called")]
#[path = "../src/main.rs"]
mod fwd;
#[allow(dead_code, reason = "its main is not called")]
#[path = "../../ixy-pktgen/src/main.rs"]
mod pktgen;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use ixy_cli::{Error, Session};

/// A chain that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a program with its arguments, separated by spaces.
fn run(line: &str, session: &Session) -> Result<(), Error> {
    let words = line.split(' ');
    match words.clone().next() {
        Some("ixy-pktgen") => pktgen::run(pktgen::Args::try_parse_from(words).unwrap(), session),
        Some("ixy-fwd") => fwd::run(fwd::Args::try_parse_from(words).unwrap(), session),
        Some("ixy-dump") => dump::run(dump::Args::try_parse_from(words).unwrap(), session),
        other => panic!("no program {other:?}"),
    }
}

/// The numbers of the frames in a capture, in order; checks that each frame is valid.
fn numbers(path: &Path) -> Vec<u32> {
    let mut reader = ixy_pcap::Reader::open(path).unwrap();
    let mut numbers = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        assert!(etherparse::SlicedPacket::from_ethernet(record.data).is_ok());
        assert_eq!(record.data[48], 0, "the forwarder left the frame as it was");
        numbers.push(u32::from_be_bytes(*record.data.last_chunk().unwrap()));
    }
    numbers
}

/// A build without optimisation takes as long for a tenth of the frames.
fn count() -> u32 {
    if cfg!(debug_assertions) { 10_000 } else { 100_000 }
}

fn chain_in_one_process(flags: &str, count: u32, in_order: bool) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out.pcap");
    let stop = ixy::Stop::new();
    let options = ixy::Options::default().cables(&ixy::Cables::default());
    let out = Arc::new(Mutex::new(Vec::<u8>::new()));
    let session = Session::new(stop.clone(), out.clone(), options);
    let lines = [
        format!("ixy-dump sim:cable=b {flags} -w {}", file.display()),
        format!("ixy-fwd sim:cable=a sim:cable=b {flags}"),
        format!("ixy-pktgen sim:cable=a {flags} --flows 16 --count {count}"),
    ];
    thread::scope(|scope| {
        let programs = lines.map(|line| {
            let session = session.clone();
            scope.spawn(move || run(&line, &session))
        });
        let start = Instant::now();
        while programs.iter().any(|program| !program.is_finished()) {
            if start.elapsed() > LIMIT {
                stop.request();
            }
            thread::sleep(Duration::from_millis(2));
        }
        for program in programs {
            program.join().unwrap().unwrap();
        }
    });
    assert!(!stop.requested(), "{flags}: no end after {LIMIT:?}");

    let mut numbers = numbers(&file);
    if !in_order {
        numbers.sort_unstable();
    }
    assert!(
        numbers.iter().copied().eq(0..count),
        "{flags}: {} of {count} frames, or not in order",
        numbers.len()
    );
    let printed = String::from_utf8(out.lock().unwrap().clone()).unwrap();
    assert!(printed.contains(&format!("recorded {count}\n")), "{printed}");
}

#[test]
fn a_chain_of_three_programs_loses_and_repeats_nothing() {
    chain_in_one_process("--batch 32", count(), true);
}

#[test]
fn two_recorders_that_face_each_other_end() {
    let directory = tempfile::tempdir().unwrap();
    let stop = ixy::Stop::new();
    let options = ixy::Options::default().cables(&ixy::Cables::default());
    let session = Session::new(stop.clone(), Arc::new(Mutex::new(std::io::sink())), options);
    thread::scope(|scope| {
        let programs = ["one", "other"].map(|name| {
            let line = format!("ixy-dump sim:cable=a -w {}", directory.path().join(name).display());
            let session = session.clone();
            scope.spawn(move || run(&line, &session))
        });
        let start = Instant::now();
        while programs.iter().any(|program| !program.is_finished()) {
            if start.elapsed() > LIMIT {
                stop.request();
            }
            thread::sleep(Duration::from_millis(2));
        }
    });
    assert!(!stop.requested(), "no end after {LIMIT:?}");
}

#[test]
fn every_batch_and_ring_size_and_number_of_queues_loses_and_repeats_nothing() {
    for (b, batch) in [1, 7, 32, 256].into_iter().enumerate() {
        for (r, ring) in [64, 512, 4096].into_iter().enumerate() {
            for (q, queues) in [1, 2, 4].into_iter().enumerate() {
                // Without optimisation a third of them, which contains each pair of values.
                if !cfg!(debug_assertions) || (b + r + q) % 3 == 0 {
                    let flags = format!("--batch {batch} --ring {ring} --queues {queues}");
                    // Enough to wrap around every ring.
                    chain_in_one_process(&flags, count().min(30_000), queues == 1);
                }
            }
        }
    }
}

#[test]
fn a_forwarder_of_several_threads_loses_and_repeats_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let [file, input] = ["out.pcap", "in.pcap"].map(|name| directory.path().join(name));
    let mut writer = ixy_pcap::Writer::create(&input, 0).unwrap();
    let args = pktgen::Args::try_parse_from(["ixy-pktgen", "sim", "--src-port", "0-65535"]).unwrap();
    let headers = args.fields.headers(ixy::MacAddress::default()).unwrap();
    let mut template = pktgen::frame::Template::new(60, &headers);
    for n in 0..count() {
        let mut frame = template.bytes().to_vec();
        template.vary(&mut frame);
        assert!(template.number(&mut frame, n));
        writer.write(n.into(), &frame).unwrap();
    }
    writer.finish().unwrap();
    let session =
        Session::new(ixy::Stop::new(), Arc::new(Mutex::new(std::io::sink())), ixy::Options::default());
    let (input, output) = (input.display(), file.display());
    let line = format!("ixy-fwd sim:rx={input} sim:tx={output} --queues 4 --threads 3 --ring 64");
    run(&line, &session).unwrap();
    let mut numbers = numbers(&file);
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..count()), "{} frames", numbers.len());
}

/// The environment variable with the command of a child process.
const CHILD: &str = "IXY_TEST_PROGRAM";

/// Not a test by itself: the body of the processes that `three_processes_in_any_order` starts.
#[test]
fn child() {
    if let Ok(line) = std::env::var(CHILD) {
        let session = Session::of_process(None).unwrap();
        if let Err(error) = run(&line, &session) {
            eprintln!("{line}: {error}");
            std::process::exit(1);
        }
    }
}

struct Program(Child, String);

impl Program {
    fn start(line: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]).env(CHILD, line).stdout(Stdio::null());
        Self(command.spawn().unwrap(), line.into())
    }

    fn wait(mut self) {
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = self.0.try_wait().unwrap() {
                assert!(status.success(), "{}: {status}", self.1);
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{}: no end after {LIMIT:?}", self.1);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

#[test]
fn three_processes_in_any_order() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (n, order) in orders.into_iter().enumerate() {
        let (a, b, file) = (at("a"), at("b"), at(&format!("{n}.pcap")));
        let lines = [
            format!("ixy-pktgen sim:socket={a} --count {} --size 64", count()),
            format!("ixy-fwd sim:socket={a} sim:socket={b} --batch 16"),
            format!("ixy-dump sim:socket={b} -w {file}"),
        ];
        let programs = order.map(|which| {
            let program = Program::start(&lines[which]);
            // Each has time to open its device before the next one starts.
            thread::sleep(Duration::from_millis(100));
            program
        });
        programs.into_iter().for_each(Program::wait);
        let numbers = numbers(Path::new(&file));
        assert!(numbers.into_iter().eq(0..count()), "order {order:?}");
    }
    let left: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), orders.len(), "only captures are left: {left:?}");
}
