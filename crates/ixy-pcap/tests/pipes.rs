//! Waits for named pipes, which the program can end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ixy_pcap::{Awaited, Format, Frames, GiveUp, PcapError, Reader, Writer};

fn fifo(directory: &Path) -> PathBuf {
    let path = directory.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Gives up after a tenth of a second.
fn soon() -> GiveUp {
    let start = Instant::now();
    GiveUp::when(move || start.elapsed() > Duration::from_millis(100))
}

#[test]
fn a_pipe_without_another_end_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = fifo(directory.path());
    let start = Instant::now();
    let read = Frames::open_unless(&path, &soon()).err().unwrap();
    let written = Writer::create_as(&path, 0, Format::Pcap, &soon()).err().unwrap();
    for (error, missing) in [(read, Awaited::Writer), (written, Awaited::Reader)] {
        let PcapError::GivenUp { path: pipe, awaited } = &error else { panic!("{error}") };
        assert_eq!((pipe, *awaited), (&path, missing), "{error}");
    }
    // A writer that says nothing is another thing than none.
    let other = path.clone();
    let silent = std::thread::spawn(move || {
        let pipe = std::fs::File::options().write(true).open(other).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        drop(pipe);
    });
    let error = Frames::open_unless(&path, &soon()).err().unwrap();
    let PcapError::GivenUp { awaited: Awaited::Header, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains("gave no whole header"), "{error}");
    silent.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_pipe_carries_a_capture_whichever_end_comes_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = fifo(directory.path());
    for delays in [[0, 200], [200, 0]] {
        let delays = delays.map(Duration::from_millis);
        // Waits that may give up take a different path from those that never do.
        let never = [GiveUp::when(|| false), GiveUp::default()];
        for give_up in never {
            let (other, to) = (give_up.clone(), path.clone());
            let writing = std::thread::spawn(move || {
                std::thread::sleep(delays[0]);
                let mut writer = Writer::create_as(&to, 0, Format::Pcap, &other).unwrap();
                // More than a pipe holds.
                (0..2000).for_each(|time| writer.write(time, &[0x5a; 1000]).unwrap());
                writer.finish().unwrap();
            });
            std::thread::sleep(delays[1]);
            let mut reader = Reader::open_unless(&path, &give_up).unwrap();
            let mut records = 0;
            while let Some(record) = reader.next_record().unwrap() {
                assert_eq!((record.time, record.data.len()), (records, 1000));
                records += 1;
            }
            assert_eq!(records, 2000);
            writing.join().unwrap();
        }
    }
}

#[test]
fn a_pipe_whose_other_end_stands_still_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = fifo(directory.path());
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let give_up = GiveUp::when(move || stopping.load(Ordering::Relaxed));
    let (other, to) = (give_up.clone(), path.clone());
    let (opened, is_open) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        let reader = Reader::open_unless(&to, &other).unwrap();
        opened.send(()).unwrap();
        while !other.now() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_secs(2));
        drop(reader);
    });
    let mut writer = Writer::create_as(&path, 0, Format::Pcap, &give_up).unwrap();
    is_open.recv().unwrap();
    let stopping = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
    });
    let start = Instant::now();
    let error = loop {
        assert!(start.elapsed() < Duration::from_secs(20), "it took everything");
        if let Err(error) = writer.write(0, &[0; 1000]) {
            break error;
        }
    };
    assert!(matches!(error, PcapError::Write { .. }), "{error}");
    assert!(error.to_string().contains(": its reader took nothing for 1 s; it holds "), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(900), "a reader gets a second to go on");
    stopping.join().unwrap();
    reading.join().unwrap();
}
