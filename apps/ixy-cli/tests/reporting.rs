//! The reports of a run, and its end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use ixy::{Device, Fault, Options, Stop};
use ixy_cli::{Error, Flags, Reporter, Session};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    flags: Flags,
}

fn flags(args: &[&str]) -> Flags {
    Args::try_parse_from([&["test"], args].concat()).unwrap().flags
}

fn open(texts: &[&str]) -> Vec<Device> {
    let addresses: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
    ixy::open(&addresses, &Options::default()).unwrap()
}

fn session(out: Arc<Mutex<dyn io::Write + Send>>) -> (Session, Stop) {
    let stop = Stop::new();
    (Session::new(stop.clone(), out, Options::default()), stop)
}

/// Calls `go_on` until it returns false, for five seconds at most.
fn go_on(reporter: &mut Reporter, devices: &mut [Device]) -> Result<(), Error> {
    let start = Instant::now();
    while reporter.go_on(devices, 0)? {
        assert!(start.elapsed() < Duration::from_secs(5), "no end");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[test]
fn a_device_that_is_lost_ends_a_run_within_a_second_or_two() {
    let mut devices = open(&["sim"]);
    let (session, _) = session(Arc::new(Mutex::new(io::sink())));
    let mut reporter = Reporter::new(&session, &flags(&[]), &devices);
    assert!(reporter.go_on(&devices, 0).unwrap());
    devices[0].simulated().unwrap().faults().set(Fault::Gone, true);
    let error = go_on(&mut reporter, &mut devices).unwrap_err();
    assert!(error.to_string().starts_with("sim no longer answers"), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn a_wire_that_failed_ends_a_run_a_second_later_so_that_what_came_before_is_dealt_with() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("in.pcap");
    let mut writer = ixy_pcap::Writer::create(&input, 0).unwrap();
    writer.write(0, &[0; 60]).unwrap();
    let length = writer.finish().unwrap();
    std::fs::OpenOptions::new().write(true).open(&input).unwrap().set_len(length - 1).unwrap();

    let mut devices = open(&[&format!("sim:rx={}", input.display())]);
    while devices[0].check().is_ok() {
        std::thread::yield_now();
    }
    let (session, _) = session(Arc::new(Mutex::new(io::sink())));
    let mut reporter = Reporter::new(&session, &flags(&[]), &devices);
    let start = Instant::now();
    let error = go_on(&mut reporter, &mut devices).unwrap_err();
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(error.to_string().contains("record 1"), "{error}");
}

#[test]
fn a_run_ends_after_its_time_or_when_it_is_stopped() {
    let mut devices = open(&["sim"]);
    let (session, stop) = session(Arc::new(Mutex::new(io::sink())));
    let start = Instant::now();
    let mut reporter = Reporter::new(&session, &flags(&["--duration", "300ms"]), &devices);
    go_on(&mut reporter, &mut devices).unwrap();
    let time = start.elapsed();
    assert!(time >= Duration::from_millis(300), "it ended after {time:?}");

    let mut reporter = Reporter::new(&session, &flags(&[]), &devices);
    assert!(reporter.go_on(&devices, 0).unwrap());
    stop.request();
    assert!(!reporter.go_on(&devices, 0).unwrap());
}

#[test]
fn unsent_packets_and_notes_are_in_the_summary_and_equal_addresses_are_told_apart() {
    for format in ["", "--json", "--csv"] {
        let devices = open(&["sim:link=down", "sim:link=down", "sim:loopback"]);
        let out = Arc::new(Mutex::new(Vec::<u8>::new()));
        let (session, _) = session(out.clone());
        let arguments: &[&str] = if format.is_empty() { &[] } else { &[format] };
        let mut reporter = Reporter::new(&session, &flags(arguments), &devices);
        reporter.note("recorded", 7);
        reporter.finish(devices, &[], &[0, 5]).unwrap();
        let text = String::from_utf8(out.lock().unwrap().clone()).unwrap();
        let expected: &[&str] = match format {
            "--json" => &[
                "\"device\":\"sim:link=down #0\"",
                "\"device\":\"sim:link=down #1\",\"link\":\"down\"",
                "\"missed\":0,\"dropped\":5,\"errors\":0,\"left_over\":0,\"skipped\":0,\"queues\":[",
                "\"device\":\"sim:loopback\"",
                "{\"event\":\"total\",\"time\":",
                ",\"recorded\":7}\n",
            ],
            "--csv" => &[
                "event,time,seconds,",
                ",sim:link=down #0,,down,",
                "\nsummary,",
                ",0,5,0,0,0,,\n",
                "\ntotal,0.",
                ",recorded,7\n",
            ],
            _ => &[
                "[sim:link=down #0] missed 0  dropped 0  errors 0\n",
                "[sim:link=down #1] missed 0  dropped 5  errors 0\n",
                "[sim:loopback] RX: ",
                "  0 packets  0 bytes\n",
                "\nrecorded 7\n",
            ],
        };
        for part in expected {
            assert!(text.contains(part), "`{part}` is not in: {text}");
        }
    }
}

/// An output whose reader or disk is gone.
struct Broken(io::ErrorKind);

impl io::Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_ends_a_run_quietly_and_a_full_disk_with_an_error() {
    let mut devices = open(&["sim"]);
    let (piped, stop) = session(Arc::new(Mutex::new(Broken(io::ErrorKind::BrokenPipe))));
    let start = Instant::now();
    let mut reporter = Reporter::new(&piped, &flags(&[]), &devices);
    go_on(&mut reporter, &mut devices).unwrap();
    let time = start.elapsed();
    assert!(time >= Duration::from_millis(900) && stop.requested(), "it ended after {time:?}");

    let (full, _) = session(Arc::new(Mutex::new(Broken(io::ErrorKind::StorageFull))));
    let mut reporter = Reporter::new(&full, &flags(&[]), &devices);
    let error = go_on(&mut reporter, &mut devices).unwrap_err();
    assert!(error.to_string().contains("standard output"), "{error}");
}

#[test]
fn waiting_for_a_link_ends_with_the_link_the_time_or_the_session() {
    let (session, stop) = session(Arc::new(Mutex::new(io::sink())));
    let wait = |address: &str, limit: u64, args: &[&str]| {
        let devices = ixy::open(&[address.parse().unwrap()], &flags(args).options(&session)).unwrap();
        let start = Instant::now();
        let result = ixy_cli::wait_for_link(&devices[0], Duration::from_millis(limit), &session);
        (result, start.elapsed())
    };
    assert!(wait("sim", 5000, &[]).0.is_ok());
    let (result, waited) = wait("sim:link=down", 200, &[]);
    assert!(result.unwrap_err().to_string().contains("sim:link=down for 0.2 s"));
    assert!((200..2000).contains(&waited.as_millis()), "{waited:?}");
    // The time counts from the start of the session.
    let duration = format!("{}ms", session.elapsed().as_millis() + 500);
    assert!(wait("sim:link=down", 60_000, &["--duration", &duration]).0.is_err());
    let stopping = std::thread::spawn({
        let stop = stop.clone();
        move || {
            std::thread::sleep(Duration::from_millis(100));
            stop.request();
        }
    });
    let (result, waited) = wait("sim:link=down", 60_000, &[]);
    assert!(result.is_ok() && waited < Duration::from_secs(2), "{waited:?}");
    stopping.join().unwrap();
}
